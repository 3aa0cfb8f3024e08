/* SPDX-License-Identifier: Apache-2.0 */
/* A mail gives no more than it holds, whatever is nested in it, and the same each time. */
#include "dms/mail_text.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t size, count;
    uint32_t sum;
};

static int on_text(void *arg, bool markup, struct slice text)
{
    struct seen *seen = arg;
    assert(text.size > 0);
    seen->size += text.size;
    seen->count++;
    seen->sum = seen->sum * 31 + markup;
    for (size_t i = 0; i < text.size; i++)
        seen->sum = seen->sum * 31 + text.bytes[i];
    return 0;
}

static int stop(void *arg, bool markup, struct slice text)
{
    (void)arg, (void)markup, (void)text;
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen first = {0}, second = {0};
    assert(mail_text_read(slice_of(data, size), on_text, &first) == 0);
    assert(mail_text_read(slice_of(data, size), on_text, &second) == 0);
    assert(first.size == second.size && first.sum == second.sum);
    /* Each byte is in one text, or in a field of each message that is nested; latin grows threefold. */
    assert(first.size <= 3 * size * (MAIL_DEPTH_MAX + 2));
    assert(first.count <= 5 * MAIL_PARTS_MAX);
    int r = mail_text_read(slice_of(data, size), stop, NULL);
    assert(r == (first.count > 0 ? -1 : 0));
    return 0;
}
