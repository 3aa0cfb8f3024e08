/* SPDX-License-Identifier: Apache-2.0 */
/* An office document gives at most what is asked for, and reads only what is there. */
#include "dms/office_text.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_at(void *arg, uint64_t at, void *to, size_t size)
{
    const struct slice *data = arg;
    if (at > data->size || size > data->size - at)
        return -EBADMSG;
    memcpy(to, data->bytes + at, size);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    const struct office_source source = {read_at, &bytes, size};
    struct buf all = {0}, some = {0};
    int r = office_text_read(&source, 100000, &all);
    assert(r == 0 || r == -EBADMSG || r == -ENOMEM);
    assert(all.size <= 100000 + OFFICE_ENTRIES_MAX);
    int again = office_text_read(&source, 10, &some);
    assert(again == 0 || again == -EBADMSG);
    if (r == 0 && all.size >= 10)
        assert(some.size >= 10 && memcmp(some.bytes, all.bytes, 10) == 0);
    buf_done(&all);
    buf_done(&some);
    return 0;
}
