/* SPDX-License-Identifier: Apache-2.0 */
/* A host's directory entries: what is left of them are records of the input, in their order, whole, with
 * names that end, and none that was to be left out. */
#include "runtime/vfs/dirents.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_AT = 19 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_hidden(const void *ctx, const char *name)
{
    (void)ctx;
    return name[0] == '9';
}

static size_t length_of(const uint8_t *record)
{
    uint16_t length;
    memcpy(&length, record + 16, sizeof length);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *entries = malloc(size + 1); /* ends where the sanitizer looks */
    if (!entries)
        return 0;
    memcpy(entries, data, size);
    int64_t left = dirents_leave_out(entries, (int64_t)size, is_hidden, NULL);
    if (left > (int64_t)size)
        abort();
    const uint8_t *from = data;
    for (int64_t at = 0; at < left;) {
        size_t length = length_of(entries + at);
        const char *name = (const char *)entries + at + NAME_AT;
        if (length < NAME_AT + 2 || (int64_t)length > left - at || is_hidden(NULL, name) ||
            strnlen(name, length - NAME_AT) == length - NAME_AT)
            abort();
        while (memcmp(from, entries + at, length - 1) != 0) { /* the next in order that it can be */
            from += length_of(from);
            if (from >= data + size)
                abort();
        }
        from += length;
        at += (int64_t)length;
    }
    free(entries);
    return 0;
}
