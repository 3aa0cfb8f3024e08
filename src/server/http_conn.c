/* SPDX-License-Identifier: Apache-2.0 */
/* One connection. conn_advance() is the only place that reads, writes, parses and calls handlers;
 * whatever happens elsewhere (an answer, a resume, a timer) changes state and pokes it. While it is
 * on the stack the connection cannot be freed, so handlers may do as they please. */
#include "server/http_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum {
    STEPS_PER_TURN = 32,
    DRAIN_SIZE_MAX = 64 << 10, /* of an unwanted body, to keep the connection */
    LINGER_SIZE_MAX = 4 << 20,
};
#define LINGER_NS ((uint64_t)2000000000)

static void conn_event(void *arg, uint32_t events);

int conn_new(struct http_server *server, struct http_transport *transport)
{
    struct http_conn *conn = calloc(1, sizeof *conn);
    int r = conn ? loop_watch_start(server->loop, &conn->watch, transport->fd, EPOLLIN, conn_event,
                                    conn)
                 : -ENOMEM;
    if (r < 0) {
        free(conn);
        transport->ops->close(transport);
        return r;
    }
    conn->server = server;
    conn->transport = transport;
    conn->req.arena.size_max = server->settings.arena_size_max;
    conn->since_ns = loop_now_ns(server->loop);
    server_conn_add(server, conn);
    server_conn_idle(server, conn, true);
    conn_poke(conn); /* the request is often here already */
    return 0;
}

static void request_free(struct http_conn *conn, int status)
{
    http_done_fn *on_done = conn->on_done;
    conn->on_done = NULL;
    if (on_done)
        on_done(&conn->req, status, conn->done_arg);
    response_done(&conn->response);
    buf_done(&conn->collected);
    struct arena arena = conn->req.arena;
    arena_done(&arena);
    conn->req = (struct http_request){.arena = arena};
    conn->on_data = NULL;
    conn->on_end = NULL;
    conn->on_collected = NULL;
    conn->wants_body = conn->body_paused = conn->expects_continue = false;
    conn->body_received = 0;
    server_request_ended(conn->server);
}

/* Tells whoever wants the body that it will not come whole. */
static void body_failed(struct http_conn *conn, int status)
{
    http_end_fn *on_end = conn->on_end;
    bool wanted = conn->wants_body && !conn->response.set;
    conn->wants_body = false;
    conn->on_end = NULL;
    if (wanted && on_end)
        on_end(&conn->req, status, conn->body_arg);
}

void conn_destroy(struct http_conn *conn, int status)
{
    struct http_server *server = conn->server;
    assert(!conn->busy);
    conn->busy = true; /* callbacks must not poke it */
    if (conn->phase == CONN_REQUEST) {
        body_failed(conn, status);
        request_free(conn, status);
    }
    loop_watch_stop(server->loop, &conn->watch);
    loop_timer_stop(server->loop, &conn->timer);
    loop_timer_stop(server->loop, &conn->yield);
    loop_defer_stop(server->loop, &conn->task);
    conn->transport->ops->close(conn->transport);
    server_conn_idle(server, conn, false);
    server_conn_removed(server, conn);
    buf_done(&conn->in);
    buf_done(&conn->out);
    arena_done(&conn->req.arena);
    free(conn);
}

static void poked(void *arg)
{
    conn_advance(arg);
}

void conn_poke(struct http_conn *conn)
{
    if (!conn->busy)
        loop_defer(conn->server->loop, &conn->task, poked, conn);
}

/* Requests */

static void answer_with(struct http_conn *conn, int status)
{
    char text[160];
    (void)snprintf(text, sizeof text, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d}\n",
                   http_status_text(status), status);
    http_respond_text(&conn->req, status, "application/problem+json", text);
}

void conn_refuse(struct http_conn *conn, int status)
{
    conn->keep_alive = false;
    if (conn->phase != CONN_REQUEST) {
        server_conn_idle(conn->server, conn, false);
        server_request_begins(conn->server);
        conn->phase = CONN_REQUEST;
        conn->body = (struct http_body){.left = 1}; /* never done: what follows is not a request */
    }
    conn->server->stats.requests_bad++;
    if (!conn->response.set)
        answer_with(conn, status);
}

static void request_begin(struct http_conn *conn, struct slice head_bytes)
{
    struct http_server *server = conn->server;
    const struct http_head_limits limits = {server->settings.target_size_max,
                                            server->settings.headers_max};
    struct http_head head = {0};
    char *copy = arena_text(&conn->req.arena, head_bytes);
    int refusal =
        copy ? http_head_parse(slice_of(copy, head_bytes.size), &limits, &conn->req, &head) : 503;
    if (refusal) {
        conn_refuse(conn, refusal);
        return;
    }
    server_request_begins(server);
    server->stats.requests++;
    conn->phase = CONN_REQUEST;
    conn->keep_alive = head.keep_alive && !server->draining;
    conn->expects_continue = head.expects_continue;
    http_body_start(&conn->body, conn->req.body_size);
    server->handler(&conn->req, server->handler_arg);
}

/* Uses up a head at the beginning of `bytes`. The bytes used, or 0: more must come. */
static size_t head_feed(struct http_conn *conn, struct slice bytes)
{
    size_t size_max = conn->server->settings.head_size_max;
    ssize_t size = http_head_find(bytes, &conn->head_scanned);
    if (conn->phase == CONN_IDLE) {
        server_conn_idle(conn->server, conn, false);
        conn->phase = CONN_HEAD;
        conn->since_ns = loop_now_ns(conn->server->loop);
    }
    if (size < 0 || (size_t)size > size_max || (size == 0 && bytes.size >= size_max)) {
        conn_refuse(conn, size < 0 ? 400 : 431);
        return bytes.size;
    }
    if (size == 0)
        return 0;
    conn->head_scanned = 0;
    request_begin(conn, slice_of(bytes.bytes, (size_t)size));
    return (size_t)size;
}

/* Bodies */

void http_request_body(struct http_request *req, uint64_t size_max, http_data_fn *on_data,
                       http_end_fn *on_end, void *arg)
{
    struct http_conn *conn = conn_of(req);
    assert(!conn->on_data && !conn->response.set);
    conn->body_size_max = size_max;
    conn->on_data = on_data;
    conn->on_end = on_end;
    conn->body_arg = arg;
    conn->wants_body = true;
    conn_poke(conn);
}

static void collect_data(struct http_request *req, struct slice bytes, void *arg)
{
    (void)arg;
    (void)buf_append_slice(&conn_of(req)->collected, bytes);
}

static void collect_end(struct http_request *req, int status, void *arg)
{
    (void)arg;
    struct http_conn *conn = conn_of(req);
    if (status < 0)
        return;
    if (conn->collected.failed)
        answer_with(conn, 503);
    else
        conn->on_collected(req, buf_slice(&conn->collected), conn->collected_arg);
}

void http_request_collect(struct http_request *req, size_t size_max, http_collected_fn *fn,
                          void *arg)
{
    struct http_conn *conn = conn_of(req);
    conn->on_collected = fn;
    conn->collected_arg = arg;
    http_request_body(req, size_max, collect_data, collect_end, NULL);
}

void http_request_pause(struct http_request *req)
{
    conn_of(req)->body_paused = true;
}

void http_request_resume(struct http_request *req)
{
    conn_of(req)->body_paused = false;
    conn_poke(conn_of(req));
}

static void body_end(struct http_conn *conn)
{
    http_end_fn *on_end = conn->on_end;
    bool wanted = conn->wants_body && !conn->response.set;
    conn->wants_body = false;
    conn->on_end = NULL;
    if (wanted && on_end)
        on_end(&conn->req, 0, conn->body_arg);
}

/* The server answers for the handler, who is told. */
static void body_refuse(struct http_conn *conn, int status, int error)
{
    conn->keep_alive = false;
    body_failed(conn, error);
    conn_refuse(conn, status);
}

static size_t body_feed(struct http_conn *conn, struct slice bytes)
{
    struct slice data;
    ssize_t used = http_body_feed(&conn->body, bytes, &data);
    if (used < 0) {
        body_refuse(conn, 400, -EBADMSG);
        return bytes.size;
    }
    conn->body_received += data.size;
    if (!conn->response.set && conn->body_received > conn->body_size_max) {
        body_refuse(conn, 413, -EFBIG);
        return bytes.size;
    }
    if (data.size > 0 && conn->wants_body && !conn->response.set)
        conn->on_data(&conn->req, data, conn->body_arg);
    return (size_t)used;
}

static bool body_too_large(const struct http_conn *conn)
{
    return conn->req.body_size != HTTP_SIZE_UNKNOWN && conn->req.body_size > conn->body_size_max;
}

/* Reading */

static bool reads_body(const struct http_conn *conn)
{
    if (conn->body.done)
        return false;
    if (conn->response.set) /* dropped, if that is cheaper than a new connection */
        return conn->keep_alive;
    return conn->wants_body && !conn->body_paused;
}

static bool wants_input(const struct http_conn *conn)
{
    switch (conn->phase) {
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_LINGER:
        return true;
    case CONN_REQUEST:
        return reads_body(conn);
    default:
        return false;
    }
}

/* Uses up as much as it can of `bytes`; what is left is the caller's to keep. */
static size_t feed(struct http_conn *conn, struct slice bytes)
{
    size_t used = 0;
    while (used < bytes.size && wants_input(conn)) {
        struct slice rest = slice_of(bytes.bytes + used, bytes.size - used);
        if (conn->phase == CONN_LINGER) {
            conn->lingered += rest.size;
            return bytes.size;
        }
        size_t n = conn->phase == CONN_REQUEST ? body_feed(conn, rest) : head_feed(conn, rest);
        if (n == 0)
            break;
        used += n;
    }
    return used;
}

static int input_ended(struct http_conn *conn)
{
    conn->eof = true;
    if (conn->phase != CONN_REQUEST) {
        conn->phase = CONN_DEAD;
        return 1;
    }
    if (!conn->response.set)
        return -ECONNRESET; /* cut in the middle of a body */
    conn->keep_alive = false;
    return 1;
}

/* 1: progress; 0: blocked; -errno: the connection is lost. */
static int input_step(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    if (conn->in.size > conn->in_stuck) {
        size_t used = feed(conn, buf_slice(&conn->in));
        buf_consume(&conn->in, used);
        conn->in_stuck = wants_input(conn) && used == 0 ? conn->in.size : 0;
        return 1;
    }
    if (conn->read_blocked)
        return 0;
    uint8_t *scratch = server_scratch(server);
    if (!scratch)
        return -ENOMEM;
    ssize_t n = conn->transport->ops->read(conn->transport, scratch, HTTP_SCRATCH_SIZE);
    if (n == -EAGAIN) {
        conn->read_blocked = true;
        return 0;
    }
    if (n < 0)
        return (int)n;
    if (n == 0)
        return input_ended(conn);
    conn->moved += (uint64_t)n;
    server->stats.bytes_in += (uint64_t)n;
    /* A short read of a plain socket has emptied it; the loop will say when there is more. */
    conn->read_blocked = !conn->transport->buffers && (size_t)n < HTTP_SCRATCH_SIZE;
    size_t used = conn->in.size == 0 ? feed(conn, slice_of(scratch, (size_t)n)) : 0;
    return buf_append(&conn->in, scratch + used, (size_t)n - used) < 0 ? -ENOMEM : 1;
}

/* Ending an answer */

static void idle_or_next(struct http_conn *conn)
{
    conn->phase = conn->in.size > 0 ? CONN_HEAD : CONN_IDLE;
    conn->since_ns = loop_now_ns(conn->server->loop);
    conn->in_stuck = conn->head_scanned = 0;
    if (conn->in.size == 0)
        buf_done(&conn->in);
    server_conn_idle(conn->server, conn, conn->phase == CONN_IDLE);
}

static void after_response(struct http_conn *conn)
{
    bool all_read = conn->body.done && conn->in.size == 0;
    bool goes_on = conn->keep_alive && conn->body.done && !conn->eof && !conn->server->draining;
    request_free(conn, 0);
    buf_done(&conn->out);
    conn->out_sent = 0;
    if (goes_on) {
        idle_or_next(conn);
        return;
    }
    /* Closing with bytes unread would reset the connection and take the answer with it. */
    conn->transport->ops->shutdown(conn->transport);
    conn->phase = all_read || conn->eof ? CONN_DEAD : CONN_LINGER;
    conn->in_stuck = 0;
    conn->lingered = 0;
}

static void response_begin(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    bool rest_is_large = conn->req.body_size == HTTP_SIZE_UNKNOWN ||
                         conn->req.body_size - conn->body_received > DRAIN_SIZE_MAX;
    if (!conn->body.done && (rest_is_large || conn->expects_continue))
        conn->keep_alive = false;
    if (server->draining || conn->eof)
        conn->keep_alive = false;
    conn->wants_body = false;
    conn->response.started = true;
    response_start(conn);
}

/* What a wanted body needs besides bytes. 1 if that changed something. */
static int body_step(struct http_conn *conn)
{
    if (body_too_large(conn)) {
        body_refuse(conn, 413, -EFBIG);
        return 1;
    }
    if (conn->body.done && !conn->body_paused) {
        body_end(conn);
        return 1;
    }
    if (!conn->expects_continue)
        return 0;
    conn->expects_continue = false;
    if (conn->body_received > 0 || conn->in.size > 0)
        return 0;
    return buf_append_text(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n") < 0 ? -ENOMEM : 1;
}

static int request_step(struct http_conn *conn)
{
    struct http_response *response = &conn->response;
    int r = 0;
    if (conn->wants_body && !response->set && (r = body_step(conn)) != 0)
        return r;
    if (response->set && !response->started) {
        response_begin(conn);
        return 1;
    }
    if ((response->started || conn->out.size > 0) && !conn->write_blocked) {
        r = response_write(conn);
        if (r == 2 && (conn->body.done || !conn->keep_alive)) {
            after_response(conn);
            return 1;
        }
        if (r == 1 || r < 0)
            return r;
    }
    return wants_input(conn) ? input_step(conn) : 0;
}

/* One thing at a time. 1: something moved; 0: nothing can now; -errno: the connection is lost. */
static int conn_step(struct http_conn *conn)
{
    if (conn->aborted)
        return -ECANCELED;
    if (conn->phase == CONN_REQUEST)
        return request_step(conn);
    if (conn->phase == CONN_LINGER && conn->lingered > LINGER_SIZE_MAX)
        return -EMSGSIZE;
    return input_step(conn);
}

/* Waiting */

static enum conn_timer_mode timer_mode_of(const struct http_conn *conn)
{
    switch (conn->phase) {
    case CONN_IDLE:
        return TIMER_IDLE;
    case CONN_HEAD:
        return TIMER_HEAD;
    case CONN_LINGER:
        return TIMER_LINGER;
    default:
        if (conn->write_blocked)
            return TIMER_WRITE;
        return wants_input(conn) ? TIMER_READ : TIMER_NONE;
    }
}

static uint64_t timer_deadline(const struct http_conn *conn, enum conn_timer_mode mode)
{
    const struct http_settings *settings = &conn->server->settings;
    uint64_t now_ns = loop_now_ns(conn->server->loop);
    switch (mode) {
    case TIMER_IDLE:
        return conn->since_ns + settings->idle_timeout_ns;
    case TIMER_HEAD:
        return conn->since_ns + settings->head_timeout_ns;
    case TIMER_LINGER:
        return now_ns + LINGER_NS;
    default:
        return now_ns + settings->progress_window_ns;
    }
}

static void timed_out(void *arg);

static int timer_settle(struct http_conn *conn)
{
    enum conn_timer_mode mode = timer_mode_of(conn);
    if (mode == conn->timer_mode)
        return 0;
    conn->timer_mode = mode;
    conn->moved = 0;
    if (mode == TIMER_NONE) {
        loop_timer_stop(conn->server->loop, &conn->timer);
        return 0;
    }
    return loop_timer_set(conn->server->loop, &conn->timer, timer_deadline(conn, mode), timed_out,
                          conn);
}

static void timed_out(void *arg)
{
    struct http_conn *conn = arg;
    struct http_server *server = conn->server;
    enum conn_timer_mode mode = conn->timer_mode;
    bool moves = (mode == TIMER_READ || mode == TIMER_WRITE) &&
                 conn->moved >= server->settings.progress_size_min;
    bool early = (mode == TIMER_IDLE || mode == TIMER_HEAD) &&
                 timer_deadline(conn, mode) > loop_now_ns(server->loop);
    conn->timer_mode = TIMER_NONE;
    if (moves || early) {
        if (timer_settle(conn) < 0)
            conn_destroy(conn, -ENOMEM);
        return;
    }
    if (mode != TIMER_LINGER && mode != TIMER_IDLE)
        server->stats.timeouts++;
    if (mode == TIMER_HEAD || (mode == TIMER_READ && !conn->response.set)) {
        conn->busy = true;
        if (mode == TIMER_HEAD)
            conn_refuse(conn, 408);
        else
            body_refuse(conn, 408, -ETIMEDOUT);
        conn->busy = false;
        conn_poke(conn);
        return;
    }
    conn_destroy(conn, -ETIMEDOUT);
}

static int watch_settle(struct http_conn *conn)
{
    const struct http_response *response = &conn->response;
    uint32_t events = 0;
    if (wants_input(conn) && conn->read_blocked)
        events |= conn->transport->read_waits;
    if (conn->write_blocked && (response->started || conn->out.size > 0))
        events |= conn->transport->write_waits;
    /* Most answers come within the turn: only if more arrives meanwhile it is worth a system call
     * not to be told. */
    if (events == 0 && conn->watch.events == conn->transport->read_waits)
        return 0;
    return loop_watch_change(conn->server->loop, &conn->watch, events);
}

void conn_advance(struct http_conn *conn)
{
    if (conn->busy)
        return;
    conn->busy = true;
    int r = 1, steps = 0;
    while (r == 1 && conn->phase != CONN_DEAD && steps++ < STEPS_PER_TURN)
        r = conn_step(conn);
    conn->busy = false;
    bool yields = r == 1 && conn->phase != CONN_DEAD;
    if (r >= 0 && conn->phase != CONN_DEAD)
        r = timer_settle(conn);
    if (r >= 0 && conn->phase != CONN_DEAD)
        r = watch_settle(conn);
    if (r >= 0 && yields) /* others first; the next turn goes on */
        r = loop_timer_set(conn->server->loop, &conn->yield, loop_now_ns(conn->server->loop) + 1,
                           poked, conn);
    if (r < 0 || conn->phase == CONN_DEAD)
        conn_destroy(conn, r < 0 ? r : -ECONNRESET);
}

static void conn_event(void *arg, uint32_t events)
{
    struct http_conn *conn = arg;
    const uint32_t broken = EPOLLERR | EPOLLHUP;
    if (events & (conn->transport->read_waits | broken))
        conn->read_blocked = false;
    if (events & (conn->transport->write_waits | broken))
        conn->write_blocked = false;
    if ((events & broken) && !wants_input(conn)) {
        conn_destroy(conn, -ECONNRESET);
        return;
    }
    bool unwanted = !wants_input(conn) && !conn->write_blocked && conn->watch.events != 0;
    if (unwanted && loop_watch_change(conn->server->loop, &conn->watch, 0) < 0) {
        conn_destroy(conn, -ENOMEM);
        return;
    }
    conn_advance(conn);
}

void http_abort(struct http_request *req)
{
    conn_of(req)->aborted = true;
    conn_poke(conn_of(req));
}

void http_request_on_done(struct http_request *req, http_done_fn *fn, void *arg)
{
    conn_of(req)->on_done = fn;
    conn_of(req)->done_arg = arg;
}

struct http_transport *http_request_transport(struct http_request *req)
{
    return conn_of(req)->transport;
}

struct http_server *http_request_server(struct http_request *req)
{
    return conn_of(req)->server;
}
