/* SPDX-License-Identifier: Apache-2.0 */
/* An mbox gives the same messages however it is cut into pieces, no more than it holds; and what is made
 * properties of may be such. */
#include "dms/import_mail.h"

#include "base/buf.h"
#include "server/http.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    int64_t number;
    uint64_t size, sum;
};

static int on_bytes(void *arg, int64_t number, struct slice bytes)
{
    struct seen *seen = arg;
    assert(bytes.size > 0 && number >= seen->number);
    seen->number = number;
    seen->size += bytes.size;
    for (size_t i = 0; i < bytes.size; i++)
        seen->sum = seen->sum * 31 + (uint64_t)number + bytes.bytes[i];
    return 0;
}

static struct seen split(struct slice bytes, size_t piece)
{
    struct seen seen = {0};
    struct mbox mbox = {.fn = on_bytes, .arg = &seen, .after_blank = true};
    for (size_t at = 0; at < bytes.size; at += piece)
        assert(mbox_take(&mbox, slice_of(bytes.bytes + at, MIN(piece, bytes.size - at))) == 0);
    assert(mbox_end(&mbox) == 0);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1];
    struct slice bytes = slice_of(size ? data : nothing, size);
    struct seen whole = split(bytes, size + 1), pieces = split(bytes, 1 + (size ? data[0] % 7 : 0));
    assert(whole.number == pieces.number && whole.size == pieces.size && whole.sum == pieces.sum);
    assert(whole.size <= size);

    struct arena arena = {0};
    struct property properties[MAIL_PROPERTIES_MAX];
    size_t count = 0;
    assert(mail_properties(bytes, &arena, properties, &count) == 0);
    assert(count <= MAIL_PROPERTIES_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(properties[i].value);
        assert(length > 0 && length <= STORE_PROPERTY_VALUE_MAX);
        assert(http_is_utf8(slice_of_text(properties[i].value)));
        for (size_t k = 0; k < length; k++)
            assert((uint8_t)properties[i].value[k] >= ' ' && properties[i].value[k] != 0x7f);
    }
    arena_done(&arena);
    return 0;
}
