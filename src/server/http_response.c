/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: the head is built once, into conn->out; the body is memory, a file or a callback. Memory
 * and files are read again at their offset after a partial write, so no connection holds a buffer
 * for them; what a callback gave cannot be had twice and waits in conn->out. */
#include "server/http_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

enum {
    SENDFILE_SIZE_MIN = 256 << 10,
    SENDFILE_SIZE_MAX = 1 << 20,
    CHUNK_HEAD_SIZE = 10, /* eight digits, CR LF */
};

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

static bool is_plain_text(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((uint8_t)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

void http_response_header(struct http_request *req, const char *name, const char *value)
{
    struct http_response *response = &conn_of(req)->response;
    if (!is_plain_text(name) || !is_plain_text(value) ||
        buf_printf(&response->headers, "%s: %s\r\n", name, value) < 0)
        response->broken = true;
}

void http_response_headerf(struct http_request *req, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    SCOPED(buf_done) struct buf value = {0};
    int r = buf_vprintf(&value, format, args);
    va_end(args);
    const char *text = r < 0 ? NULL : buf_text(&value);
    if (text)
        http_response_header(req, name, text);
    else
        conn_of(req)->response.broken = true;
}

void http_response_close(struct http_request *req)
{
    conn_of(req)->keep_alive = false;
}

bool http_responded(const struct http_request *req)
{
    return conn_of(req)->response.set;
}

/* A second answer is a mistake of ours; in release builds too it must not mix two answers. */
static struct http_response *response_set(struct http_request *req, int status, const char *type)
{
    struct http_conn *conn = conn_of(req);
    struct http_response *response = &conn->response;
    assert(conn->phase == CONN_REQUEST && !response->set);
    if (type)
        http_response_header(req, "Content-Type", type);
    if (response->broken) {
        buf_clear(&response->headers);
        status = 500;
    }
    response->set = true;
    response->status = status;
    conn_poke(conn);
    return response;
}

void http_respond(struct http_request *req, int status, const char *type, struct slice body)
{
    struct http_response *response = response_set(req, status, type);
    if (response->broken || buf_append_slice(&response->memory, body) < 0)
        return;
    response->kind = SOURCE_MEMORY;
    response->left = body.size;
}

void http_respond_text(struct http_request *req, int status, const char *type, const char *body)
{
    http_respond(req, status, type, slice_of_text(body));
}

void http_respond_empty(struct http_request *req, int status)
{
    (void)response_set(req, status, NULL);
}

void http_respond_buf(struct http_request *req, int status, const char *type, struct buf *body)
{
    if (body->failed)
        conn_of(req)->response.broken = true;
    struct http_response *response = response_set(req, status, type);
    if (response->broken) {
        buf_done(body);
        return;
    }
    response->memory = *body;
    *body = (struct buf){0};
    response->kind = SOURCE_MEMORY;
    response->left = response->memory.size;
}

void http_respond_file(struct http_request *req, int status, const char *type, int fd,
                       uint64_t offset, uint64_t size)
{
    struct http_response *response = response_set(req, status, type);
    if (response->broken) {
        (void)close(fd);
        return;
    }
    response->kind = SOURCE_FILE;
    response->file_fd = fd;
    response->offset = offset;
    response->left = size;
}

void http_respond_source(struct http_request *req, int status, const char *type, uint64_t size,
                         struct http_source source)
{
    struct http_response *response = response_set(req, status, type);
    if (response->broken) {
        source.close(source.arg);
        return;
    }
    response->kind = SOURCE_CALLBACK;
    response->source = source;
    response->chunked = size == HTTP_SIZE_UNKNOWN;
    response->left = size;
}

void http_response_resume(struct http_request *req)
{
    conn_of(req)->response.source_waits = false;
    conn_poke(conn_of(req));
}

void response_done(struct http_response *response)
{
    if (response->kind == SOURCE_FILE)
        (void)close(response->file_fd);
    if (response->kind == SOURCE_CALLBACK)
        response->source.close(response->source.arg);
    buf_done(&response->headers);
    buf_done(&response->memory);
    *response = (struct http_response){0};
}

static void date_line_append(struct buf *out)
{
    static _Thread_local char line[HTTP_DATE_SIZE];
    static _Thread_local int64_t line_s = -1;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
        return; /* RFC 9110: a server without a clock sends no date */
    if (now.tv_sec != line_s)
        http_date_format(line_s = now.tv_sec, line);
    (void)buf_printf(out, "Date: %s\r\n", line);
}

static void framing_append(struct http_conn *conn)
{
    struct http_response *response = &conn->response;
    bool old = conn->req.version_minor == 0;
    if (response->chunked && old)
        conn->keep_alive = false; /* the end of the connection is the end of the body */
    else if (response->chunked)
        (void)buf_append_text(&conn->out, "Transfer-Encoding: chunked\r\n");
    else if (response->status != 204 && (response->status != 304 || response->left > 0))
        (void)buf_printf(&conn->out, "Content-Length: %llu\r\n",
                         (unsigned long long)response->left);
    if (!conn->keep_alive)
        (void)buf_append_text(&conn->out, "Connection: close\r\n");
    else if (old)
        (void)buf_append_text(&conn->out, "Connection: keep-alive\r\n");
    response->chunked = response->chunked && !old;
}

void response_start(struct http_conn *conn)
{
    struct http_response *response = &conn->response;
    struct buf *out = &conn->out;
    if (!buf_reserve(out, 512))
        return; /* out->failed; writing will say so */
    (void)buf_printf(out, "HTTP/1.1 %d %s\r\n", response->status,
                     http_status_text(response->status));
    date_line_append(out);
    (void)buf_append_slice(out, buf_slice(&response->headers));
    framing_append(conn);
    (void)buf_append_text(out, "\r\n");
    conn->server->stats.responses[MIN(MAX(response->status / 100, 0), 5)]++;
    if (has_no_body(response->status) || conn->req.method == HTTP_METHOD_HEAD) {
        response->left = 0;
        response->chunked = false;
        response->source_ended = true;
    }
}

static ssize_t transport_write(struct http_conn *conn, const void *bytes, size_t size)
{
    ssize_t n = conn->transport->ops->write(conn->transport, bytes, size);
    if (n == -EAGAIN)
        conn->write_blocked = true;
    if (n > 0) {
        conn->moved += (uint64_t)n;
        conn->server->stats.bytes_out += (uint64_t)n;
    }
    return n == 0 ? -EPIPE : n;
}

/* Puts the next piece from the callback behind what is in `out`. 1, 0 (waits) or -errno. */
static int callback_pull(struct http_conn *conn)
{
    struct http_response *response = &conn->response;
    struct buf *out = &conn->out;
    size_t before = response->chunked ? CHUNK_HEAD_SIZE : 0;
    size_t want = (size_t)MIN(response->left, (uint64_t)16384 - CHUNK_HEAD_SIZE);
    uint8_t *to = buf_reserve(out, before + want + 2);
    if (!to)
        return -ENOMEM;
    ssize_t n = response->source.read(response->source.arg, to + before, want);
    if (n == -EAGAIN) {
        response->source_waits = true;
        return 0;
    }
    if (n < 0 || (size_t)n > want || (n == 0 && response->left != HTTP_SIZE_UNKNOWN))
        return n < 0 ? (int)n : -EPROTO;
    response->source_ended = n == 0;
    if (response->left != HTTP_SIZE_UNKNOWN)
        response->left -= (uint64_t)n;
    if (!response->chunked) {
        out->size += (size_t)n;
        return 1;
    }
    if (n == 0)
        return buf_append_text(out, "0\r\n\r\n") < 0 ? -ENOMEM : 1;
    char head[CHUNK_HEAD_SIZE + 1];
    (void)snprintf(head, sizeof head, "%08x\r\n", (unsigned)n);
    memcpy(to, head, CHUNK_HEAD_SIZE);
    memcpy(to + before + n, "\r\n", 2);
    out->size += before + (size_t)n + 2;
    return 1;
}

/* Fills scratch with what is pending and the body's next bytes, so that both go out in one write. */
static int block_write(struct http_conn *conn)
{
    struct http_response *response = &conn->response;
    size_t pending = conn->out.size - conn->out_sent;
    uint8_t *scratch = server_scratch(conn->server);
    if (!scratch)
        return -ENOMEM;
    memcpy(scratch, conn->out.bytes + conn->out_sent, pending);
    size_t want = (size_t)MIN(response->left, (uint64_t)(HTTP_SCRATCH_SIZE - pending));
    if (response->kind == SOURCE_MEMORY) {
        memcpy(scratch + pending, response->memory.bytes + response->offset, want);
    } else {
        ssize_t got = pread(response->file_fd, scratch + pending, want, (off_t)response->offset);
        if (got <= 0)
            return got < 0 ? -errno : -EPROTO;
        want = (size_t)got;
    }
    ssize_t n = transport_write(conn, scratch, pending + want);
    if (n < 0)
        return n == -EAGAIN ? 0 : (int)n;
    size_t of_pending = MIN((size_t)n, pending);
    conn->out_sent += of_pending;
    response->offset += (uint64_t)n - of_pending;
    response->left -= (uint64_t)n - of_pending;
    return 1;
}

/* 1, 0, -errno; -EINVAL or -ENOSYS where the file cannot be sent so. */
static int file_send(struct http_conn *conn)
{
    struct http_response *response = &conn->response;
    off_t offset = (off_t)response->offset;
    size_t size = (size_t)MIN(response->left, (uint64_t)SENDFILE_SIZE_MAX);
    ssize_t n = sendfile(conn->transport->fd, response->file_fd, &offset, size);
    if (n < 0 && errno == EAGAIN) {
        conn->write_blocked = true;
        return 0;
    }
    if (n <= 0)
        return n < 0 ? -errno : -EPROTO;
    conn->moved += (uint64_t)n;
    conn->server->stats.bytes_out += (uint64_t)n;
    response->offset += (uint64_t)n;
    response->left -= (uint64_t)n;
    return 1;
}

static int pending_write(struct http_conn *conn)
{
    ssize_t n =
        transport_write(conn, conn->out.bytes + conn->out_sent, conn->out.size - conn->out_sent);
    if (n < 0)
        return n == -EAGAIN ? 0 : (int)n;
    conn->out_sent += (size_t)n;
    if (conn->out_sent == conn->out.size) {
        buf_clear(&conn->out);
        conn->out_sent = 0;
    }
    return 1;
}

int response_write(struct http_conn *conn)
{
    struct http_response *response = &conn->response;
    size_t pending = conn->out.size - conn->out_sent;
    if (conn->out.failed)
        return -ENOMEM;
    if (response->set && response->kind == SOURCE_CALLBACK && !response->source_ended &&
        response->left > 0) {
        if (pending == 0 || (conn->out_sent == 0 && pending < 4096 && !response->source_waits)) {
            if (response->source_waits)
                return 0;
            int r = callback_pull(conn);
            if (r < 0 || (r == 0 && pending == 0))
                return r;
        }
        return pending_write(conn);
    }
    if (response->set && response->kind != SOURCE_CALLBACK && response->left > 0) {
        if (conn->transport->plain && response->kind == SOURCE_FILE && pending == 0 &&
            response->left >= SENDFILE_SIZE_MIN) {
            int r = file_send(conn);
            if (r != -EINVAL && r != -ENOSYS)
                return r;
        }
        if (pending < 4096)
            return block_write(conn);
    }
    if (pending > 0)
        return pending_write(conn);
    return response->set ? 2 : 0;
}
