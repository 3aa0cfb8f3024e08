/* SPDX-License-Identifier: Apache-2.0 */
/* A head and a body give the same however they are split; nothing the parser accepts has what
 * request smuggling needs; and a chunked body ends where llhttp, too, sees its end. */
#include "server/http_internal.h"

#include <assert.h>
#include <llhttp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t head_size(struct slice bytes, size_t step)
{
    size_t scanned = 0;
    for (size_t have = MIN(step, bytes.size);; have = MIN(have + step, bytes.size)) {
        ssize_t n = http_head_find(slice_of(bytes.bytes, have), &scanned);
        if (n != 0 || have == bytes.size)
            return n;
    }
}

struct outcome {
    size_t used;
    size_t data_size;
    uint64_t sum;
    bool done, bad;
};

static struct outcome body_read(uint64_t size, struct slice bytes, size_t step)
{
    struct outcome outcome = {0};
    struct http_body body;
    http_body_start(&body, size);
    while (outcome.used < bytes.size && !body.done) {
        struct slice data;
        size_t piece = MIN(step, bytes.size - outcome.used);
        ssize_t n = http_body_feed(&body, slice_of(bytes.bytes + outcome.used, piece), &data);
        if (n < 0) {
            outcome.bad = true;
            break;
        }
        assert(n > 0);
        outcome.used += (size_t)n;
        outcome.data_size += data.size;
        for (size_t i = 0; i < data.size; i++)
            outcome.sum = outcome.sum * 31 + data.bytes[i];
    }
    outcome.done = body.done;
    return outcome;
}

static int on_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

/* Where llhttp sees the end of a chunked body; 0 if it does not. */
static size_t llhttp_end(struct slice bytes)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const llhttp_settings_t settings = {.on_message_complete = on_complete};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    if (llhttp_execute(&parser, head, sizeof head - 1) != HPE_OK ||
        llhttp_execute(&parser, (const char *)bytes.bytes, bytes.size) != HPE_PAUSED)
        return 0;
    return (size_t)(llhttp_get_error_pos(&parser) - (const char *)bytes.bytes);
}

static void body_check(uint64_t size, struct slice bytes)
{
    struct outcome whole = body_read(size, bytes, SIZE_MAX);
    for (size_t step = 1; step < 8; step += 3) {
        struct outcome split = body_read(size, bytes, step);
        assert(split.bad == whole.bad && split.done == whole.done);
        if (!whole.bad)
            assert(split.used == whole.used && split.data_size == whole.data_size &&
                   split.sum == whole.sum);
    }
    size_t end = whole.done && size == HTTP_SIZE_UNKNOWN ? llhttp_end(bytes) : 0;
    assert(end == 0 || end == whole.used);
}

static void request_check(const struct http_request *req)
{
    size_t framings = 0, hosts = 0;
    for (size_t i = 0; i < req->header_count; i++) {
        struct slice name = req->headers[i].name, value = req->headers[i].value;
        framings += http_text_equals(name, "Content-Length");
        framings += http_text_equals(name, "Transfer-Encoding");
        hosts += http_text_equals(name, "Host");
        assert(name.size > 0 && !memchr(name.bytes, ' ', name.size));
        for (size_t k = 0; k < value.size; k++)
            assert(value.bytes[k] != '\r' && value.bytes[k] != '\n' && value.bytes[k] != 0);
    }
    assert(framings <= 1 && hosts <= 1);
    assert(framings == 1 || req->body_size == 0);
    assert(req->path.size > 0 && (req->path.bytes[0] == '/' || req->path.bytes[0] == '*'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_head_limits limits = {4096, 32};
    struct slice bytes = slice_of(data, size);
    ssize_t head = head_size(bytes, SIZE_MAX);
    if (head != head_size(bytes, 1))
        assert(head <= 0 && head_size(bytes, 1) <= 0);
    body_check(HTTP_SIZE_UNKNOWN, bytes);
    if (head <= 0)
        return 0;
    struct http_request req = {.arena.size_max = 1 << 20};
    struct http_head parsed = {0};
    int refusal = http_head_parse(slice_of(data, (size_t)head), &limits, &req, &parsed);
    assert(refusal == 0 || (refusal >= 400 && refusal < 600));
    if (refusal == 0) {
        request_check(&req);
        body_check(req.body_size, slice_of(data + head, size - (size_t)head));
    }
    arena_done(&req.arena);
    return 0;
}
