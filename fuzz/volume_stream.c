/* SPDX-License-Identifier: Apache-2.0 */
/* An author of streams who has the key. Whatever a frame says: either it is refused and the volume is
 * empty as before, or the volume it makes is whole. A byte of 0xff in the input, followed by its
 * length, is nothing special: the input is one frame after a good beginning. */
#include "platform/ops.h"
#include "volume/backend.h"
#include "volume/stream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static const struct key256 KEY = {{7}};

struct source {
    struct buf bytes;
    size_t at;
};

static ssize_t source_read(void *ctx, void *bytes, size_t size)
{
    struct source *s = ctx;
    size_t n = MIN(size, s->bytes.size - s->at);
    if (n > 0)
        memcpy(bytes, s->bytes.bytes + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

static int64_t no_time(void)
{
    return 1;
}

static void frame_add(struct stream *stream, struct source *source, struct buf *frame)
{
    MUST(stream_seal(stream, frame) == 0);
    MUST(buf_append(&source->bytes, frame->bytes, frame->size) == 0);
}

static void source_make(struct source *source, struct slice in)
{
    SCOPED(buf_done) struct buf frame = {0};
    struct stream stream;
    struct stream_begin begin = {.snapshot = {.name = "s", .next_ino = 100, .root = {1, 1, 1}}};
    MUST(stream_make(&stream, &KEY, (const uint8_t *)"fuzz volume id..") == 0);
    MUST(buf_append(&source->bytes, stream.header, sizeof stream.header) == 0);
    MUST(buf_append(&frame, "\0\0\0", 4) == 0);
    stream_begin_append(&frame, &begin);
    frame_add(&stream, source, &frame);
    buf_clear(&frame);
    MUST(buf_append(&frame, "\0\0\0", 4) == 0);
    MUST(buf_append(&frame, in.bytes, in.size) == 0);
    frame_add(&stream, source, &frame);
    stream_done(&stream);
}

static void damage(void *ctx, const char *what)
{
    (void)ctx;
    (void)what;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct volume_options options = {.key = &KEY, .mode = VOLUME_MODE_NONE, .now_ns = no_time};
    struct volume *v;
    struct volume_entry entry;
    struct source source = {0};
    platform_set(&platform_sim);
    if (size > 64 << 10 || volume_mem_new(&options.backend) < 0)
        return 0;
    MUST(volume_create(&options, 0, 0, NULL) == 0);
    MUST(volume_open(&options, &v, NULL) == 0);
    source_make(&source, slice_of(data, size));
    if (volume_import(v, &KEY, source_read, &source, NULL) == 0) {
        MUST(volume_snapshot_list(v, NULL, 0) == 1);
    } else {
        MUST(volume_readdir(v, VOLUME_ROOT_INO, 0, &entry, 1) == 0);
        MUST(volume_snapshot_list(v, NULL, 0) == 0);
    }
    MUST(volume_check(v, damage, NULL) == 0);
    MUST(volume_close(v) == 0);
    MUST(volume_open(&options, &v, NULL) == 0);
    MUST(volume_check(v, damage, NULL) == 0);
    MUST(volume_close(v) == 0);
    volume_mem_free(options.backend);
    buf_done(&source.bytes);
    return 0;
}
