/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/xml_stream.h"
#include "dms/cmis/xml_model.h"
#include "server/base64.h"

#include <errno.h>
#include <unistd.h>

int xml_take_stream(struct cmis_call *cmis, struct call *call, const char *type, const char *name)
{
    if (type && *type && !upload_type_valid(slice_of_text(type)))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "'%.60s' is no media type.", type);
    const char *known = name && *name ? name : xml_property_text(cmis, "cmis:name");
    cmis->args.stream.type =
        type && *type ? type : upload_type(call, (struct slice){0}, known ? known : "");
    cmis->args.stream.name = name && *name ? name : NULL;
    cmis->draft = &call->draft;
    cmis_args_mark(cmis, CMIS_IN_CONTENT_STREAM);
    return 0;
}

int xml_stream_open(struct call *call, const struct cmis_stream *content,
                    struct xml_stream **ret_stream)
{
    struct xml_stream *stream = arena_alloc(&call->req->arena, sizeof *stream);
    int64_t size = 0;
    if (!stream)
        return -ENOMEM;
    stream->fd = -1;
    int r = content_load(call->dms->store, content->content, &stream->content, &stream->fd, &size);
    if (r == 0 && (content->offset < 0 || content->length < 0 || content->offset > size ||
                   content->length > size - content->offset))
        r = -EIO;
    if (r == 0)
        r = call_read_note(call, content->node, content->content, content->name);
    if (r < 0) {
        xml_stream_drop(stream);
        return r;
    }
    stream->offset = (uint64_t)content->offset;
    stream->length = (uint64_t)content->length;
    *ret_stream = stream;
    return 0;
}

void xml_stream_drop(struct xml_stream *stream)
{
    if (stream->fd >= 0)
        (void)close(stream->fd);
    stream->fd = -1;
    buf_done(&stream->head);
    buf_done(&stream->tail);
    buf_done(&stream->content);
}

static uint64_t body_size(const struct xml_stream *stream)
{
    return stream->base64 ? (stream->length + 2) / 3 * 4 : stream->length;
}

uint64_t xml_stream_size(const struct xml_stream *stream)
{
    return stream->head.size + body_size(stream) + stream->tail.size;
}

/* `size` bytes of the content from `at` within what is sent of it; all of them, or -errno. */
static int content_get(struct xml_stream *stream, uint64_t at, void *to, size_t size)
{
    if (stream->fd < 0) {
        memcpy(to, stream->content.bytes + stream->offset + at, size);
        return 0;
    }
    for (size_t have = 0; have < size;) {
        ssize_t n = pread(stream->fd, (uint8_t *)to + have, size - have,
                          (off_t)(stream->offset + at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EPROTO; /* shorter than the database says */
        have += (size_t)n;
    }
    return 0;
}

static int piece_fill(struct xml_stream *stream)
{
    uint8_t raw[sizeof stream->piece / 4 * 3];
    size_t size = (size_t)MIN((uint64_t)sizeof raw, stream->length - stream->encoded);
    SCOPED(buf_done) struct buf text = {0};
    int r = content_get(stream, stream->encoded, raw, size);
    if (r == 0)
        r = base64_encode(slice_of(raw, size), false, &text);
    if (r < 0 || !text.bytes)
        return r < 0 ? r : -EIO;
    memcpy(stream->piece, text.bytes, text.size);
    stream->piece_from = 0;
    stream->piece_size = text.size;
    stream->encoded += size;
    return 0;
}

static ssize_t body_read(struct xml_stream *stream, uint64_t at, void *to, size_t size)
{
    if (!stream->base64) {
        int r = content_get(stream, at, to, size);
        return r < 0 ? r : (ssize_t)size;
    }
    int r = stream->piece_from == stream->piece_size ? piece_fill(stream) : 0;
    if (r < 0)
        return r;
    size = MIN(size, stream->piece_size - stream->piece_from);
    memcpy(to, stream->piece + stream->piece_from, size);
    stream->piece_from += size;
    return (ssize_t)size;
}

static ssize_t stream_read(void *arg, void *to, size_t size)
{
    struct xml_stream *stream = arg;
    uint64_t head = stream->head.size, body = body_size(stream), at = stream->at;
    ssize_t n;
    if (at < head) {
        n = (ssize_t)MIN((uint64_t)size, head - at);
        memcpy(to, stream->head.bytes + at, (size_t)n);
    } else if (at < head + body) {
        n = body_read(stream, at - head, to, (size_t)MIN((uint64_t)size, head + body - at));
    } else {
        n = (ssize_t)MIN((uint64_t)size, xml_stream_size(stream) - at);
        if (n > 0)
            memcpy(to, stream->tail.bytes + (at - head - body), (size_t)n);
    }
    if (n > 0)
        stream->at += (uint64_t)n;
    return n;
}

static void stream_close(void *arg)
{
    xml_stream_drop(arg);
}

struct http_source xml_stream_source(struct xml_stream *stream)
{
    return (struct http_source){stream_read, stream_close, stream};
}
