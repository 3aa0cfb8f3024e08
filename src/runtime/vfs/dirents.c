/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/dirents.h"

#include <errno.h>
#include <string.h>

#define NAME_AT 19 /* behind inode, cookie, length and type */

bool dirents_add(struct dirents *d, uint64_t ino, int64_t next, uint8_t type, const char *name,
                 size_t name_size)
{
    size_t at = d->used;
    size_t size = round_up(NAME_AT + name_size + 1, 8);
    if (size > d->size - at) {
        d->full = true;
        return false;
    }
    uint8_t *entry = d->bytes + at;
    uint16_t record = (uint16_t)size;
    memset(entry, 0, size);
    memcpy(entry, &ino, 8);
    memcpy(entry + 8, &next, 8);
    memcpy(entry + 16, &record, 2);
    entry[18] = type;
    memcpy(entry + NAME_AT, name, name_size);
    d->used += size;
    return true;
}

int64_t dirents_leave_out(uint8_t *entries, int64_t size, dirents_name_fn *hidden, const void *ctx)
{
    int64_t kept = 0;
    for (int64_t at = 0; at < size;) {
        uint16_t length;
        if (size - at < NAME_AT + 2)
            return -EPROTO;
        memcpy(&length, entries + at + 16, sizeof length);
        if (length < NAME_AT + 2 || length > size - at)
            return -EPROTO;
        entries[at + length - 1] = '\0'; /* it is so unless the host lies */
        if (!hidden(ctx, (const char *)entries + at + NAME_AT)) {
            memmove(entries + kept, entries + at, length);
            kept += length;
        }
        at += length;
    }
    return kept;
}
