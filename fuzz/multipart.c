/* SPDX-License-Identifier: Apache-2.0 */
/* A multipart body gives the same parts however it is split. */
#include "server/multipart.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    unsigned parts, ends;
    size_t size;
    uint64_t sum;
    int result;
};

static int on_part(void *arg, struct slice head)
{
    struct seen *seen = arg;
    struct arena arena = {.size_max = 65536};
    char *name;
    assert(head.size >= 2 && head.size <= MULTIPART_HEAD_SIZE_MAX && seen->parts == seen->ends);
    struct slice value = multipart_header(head, "Content-Disposition");
    if (multipart_parameter(&arena, value, "name", &name) == 0)
        for (const char *c = name; *c; c++)
            seen->sum = seen->sum * 31 + (uint8_t)*c;
    arena_done(&arena);
    seen->parts++;
    return 0;
}

static int on_data(void *arg, struct slice bytes)
{
    struct seen *seen = arg;
    assert(bytes.size > 0 && seen->parts == seen->ends + 1);
    seen->size += bytes.size;
    for (size_t i = 0; i < bytes.size; i++)
        seen->sum = seen->sum * 31 + bytes.bytes[i];
    return 0;
}

static int on_end(void *arg)
{
    struct seen *seen = arg;
    seen->ends++;
    return 0;
}

static struct seen parse(struct slice bytes, size_t step)
{
    struct seen seen = {0};
    const struct multipart_events events = {on_part, on_data, on_end, &seen};
    struct multipart multipart;
    int r = multipart_init(&multipart, slice_of_text("multipart/form-data; boundary=b"), &events);
    assert(r == 0);
    for (size_t at = 0; at < bytes.size && r == 0; at += step)
        r = multipart_feed(&multipart, slice_of(bytes.bytes + at, MIN(step, bytes.size - at)));
    seen.result = r < 0 ? r : multipart_finish(&multipart);
    multipart_done(&multipart);
    assert(seen.result != 0 || seen.parts == seen.ends);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct seen whole = parse(bytes, size ? size : 1);
    for (size_t step = 1; step < 8; step += 3) {
        struct seen split = parse(bytes, step);
        assert(split.result == whole.result && split.parts == whole.parts &&
               split.size == whole.size && split.sum == whole.sum);
    }
    return 0;
}
