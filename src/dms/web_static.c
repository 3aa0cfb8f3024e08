/* SPDX-License-Identifier: Apache-2.0 */
/* Serves the web interface from the program's read-only pages. Every address of the application is
 * answered with its one page; what is named after its content may be kept for ever. The policy sent
 * with each file lets scripts and styles come from this server alone, and no page frame it. */
#include "dms/web_static.h"
#include "dms/dms.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; media-src 'self'; worker-src 'self'; frame-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void web_headers(struct call *call)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy", policy},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"},
        {"Strict-Transport-Security", "max-age=31536000"}, /* counts over TLS only */
    };
    for (size_t i = 0; i < ARRAY_COUNT(headers); i++)
        http_response_header(call->req, headers[i][0], headers[i][1]);
}

static const struct web_file *file_find(struct slice name)
{
    for (size_t i = 0; i < web_file_count; i++)
        if (slice_is_text(name, web_files[i].name))
            return &web_files[i];
    return NULL;
}

/* As it lies there */

struct packed_source {
    const struct web_file *file;
    size_t at;
};

static ssize_t packed_read(void *arg, void *to, size_t size)
{
    struct packed_source *source = arg;
    size_t n = MIN(size, source->file->size - source->at);
    memcpy(to, source->file->data + source->at, n);
    source->at += n;
    return (ssize_t)n;
}

static void packed_close(void *arg)
{
    (void)arg; /* the request's arena has it */
}

/* For a client that does not say that it can unpack */

struct plain_source {
    z_stream stream;
};

static ssize_t plain_read(void *arg, void *to, size_t size)
{
    struct plain_source *source = arg;
    source->stream.next_out = to;
    source->stream.avail_out = (uInt)MIN(size, (size_t)1 << 20);
    uInt before = source->stream.avail_out;
    int code = inflate(&source->stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return -EIO;
    return (ssize_t)(before - source->stream.avail_out);
}

static void plain_close(void *arg)
{
    struct plain_source *source = arg;
    (void)inflateEnd(&source->stream);
    free(source);
}

static void reply_plain(struct call *call, const struct web_file *file)
{
    struct plain_source *source = calloc(1, sizeof *source);
    if (!source || inflateInit2(&source->stream, 15 + 16) != Z_OK) {
        free(source);
        call_problem_errno(call, -ENOMEM);
        return;
    }
    source->stream.next_in = (Bytef *)(uintptr_t)file->data;
    source->stream.avail_in = (uInt)file->size;
    call_reply_source(call, 200, file->type, file->size_plain,
                      (struct http_source){plain_read, plain_close, source});
}

static void reply_file(struct call *call, const struct web_file *file, const char *caching)
{
    struct http_request *req = call->req;
    struct packed_source *source = arena_alloc(&req->arena, sizeof *source);
    if (!source) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    *source = (struct packed_source){file, 0};
    web_headers(call);
    http_response_header(req, "Cache-Control", caching);
    http_response_header(req, "ETag", file->etag);
    http_response_header(req, "Vary", "Accept-Encoding");
    struct slice match = http_request_header(req, "If-None-Match");
    if (match.bytes && http_etag_matches(match, file->etag, true)) {
        call_reply_empty(call, 304);
    } else if (http_list_has(http_request_header(req, "Accept-Encoding"), "gzip")) {
        http_response_header(req, "Content-Encoding", "gzip");
        call_reply_source(call, 200, file->type, file->size,
                          (struct http_source){packed_read, packed_close, source});
    } else {
        reply_plain(call, file);
    }
}

/* Any address of the application; its script looks at the rest. */
void app_get(struct call *call)
{
    const struct web_file *file = file_find(slice_of_text("index.html"));
    if (file)
        reply_file(call, file, "no-cache");
    else
        call_problem(call, 404, "not-found", "This program was built without its pages.");
}

/* What is named after its content. */
void asset_get(struct call *call)
{
    /* "/assets/x" is "assets/x" in the table */
    struct slice path = slice_of(call->req->path.bytes + 1, call->req->path.size - 1);
    const struct web_file *file = file_find(path);
    if (file)
        reply_file(call, file, "public, max-age=31536000, immutable");
    else
        call_problem(call, 404, "not-found", "There is no such file.");
}
