/* SPDX-License-Identifier: Apache-2.0 */
#include "load/client.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#define CHUNK_SIZE 16384
#define CONNECT_PAUSE_NS 100000000

int64_t load_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void latency_record(struct client *c, int64_t now_ns)
{
    int64_t latency_ns = now_ns - c->intended_ns;
    histogram_record(&c->results->latency[c->request.operation][c->request.size_class], latency_ns);
    histogram_record(&c->results->all, latency_ns);
}

void client_fail(struct client *c, enum load_error error)
{
    int64_t now_ns = load_now_ns();
    bool later =
        error == LOAD_ERROR_STATUS && (c->response.status == 429 || c->response.status == 503);
    c->last_error = error;
    c->failures += !c->measured && !later;
    if (c->measured) {
        c->results->failed++;
        c->results->errors[error]++;
        if (error == LOAD_ERROR_STATUS && c->response.status < ARRAY_COUNT(c->results->statuses))
            c->results->statuses[c->response.status]++;
        if (error == LOAD_ERROR_TIMEOUT || error == LOAD_ERROR_NOT_STARTED)
            latency_record(c, now_ns);
    } else if (error == LOAD_ERROR_CONTENT) {
        c->results->errors[error]++;
    }
    if (!c->measured || error == LOAD_ERROR_CONNECT || error == LOAD_ERROR_TLS)
        c->not_before_ns = now_ns + CONNECT_PAUSE_NS;
    if (error != LOAD_ERROR_STATUS && error != LOAD_ERROR_CONTENT)
        connection_close(&c->connection);
    c->state = CLIENT_IDLE;
}

static int over(struct client *c, enum load_error error)
{
    client_fail(c, error);
    return 1;
}

static int open_connection(struct client *c, const struct load_options *options, int epoll_fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    c->connect_ns = load_now_ns();
    c->connection_requests = 0;
    c->state = CLIENT_CONNECTING;
    if (c->start->asked_ns == 0)
        c->start->asked_ns = c->connect_ns;
    int r = connection_open(&c->connection, &options->endpoint, c->tenant->server_name);
    if (r == 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->connection.fd, &event) < 0)
        r = -errno;
    return r;
}

int client_begin(struct client *c, const struct load_options *options, int epoll_fd,
                 int64_t intended_ns, bool measured)
{
    c->intended_ns = intended_ns;
    c->started_ns = load_now_ns();
    c->measured = measured;
    c->answered = c->retried = false;
    c->sent = 0;
    response_begin(&c->response, c->request.compare, c->request.content_seed);
    if (c->connection_requests >= options->requests_per_connection)
        connection_close(&c->connection);
    if (c->connection.state == CONNECTION_CLOSED) {
        if (open_connection(c, options, epoll_fd) < 0)
            return over(c, LOAD_ERROR_CONNECT);
    } else {
        c->state = CLIENT_SENDING;
    }
    c->connection_requests++;
    return client_advance(c, options, epoll_fd);
}

/* A kept connection that the server closed before it saw this request: not an error (RFC 9112,
 * 9.3.1), try once on a new one. */
static int closed(struct client *c, const struct load_options *options, int epoll_fd)
{
    bool stale = !c->answered && !c->retried && c->connection_requests > 1;
    if (!stale)
        return over(c, LOAD_ERROR_CLOSED);
    connection_close(&c->connection);
    c->retried = true;
    c->sent = 0;
    c->results->reconnects++;
    response_begin(&c->response, c->request.compare, c->request.content_seed);
    if (open_connection(c, options, epoll_fd) < 0)
        return over(c, LOAD_ERROR_CONNECT);
    c->connection_requests = 1;
    return 0;
}

static int advance_connecting(struct client *c)
{
    int r = connection_advance(&c->connection);
    if (r == -EAGAIN)
        return 0;
    if (r < 0)
        return over(c, c->connection.state == CONNECTION_TLS ? LOAD_ERROR_TLS : LOAD_ERROR_CONNECT);
    if (c->connection.ssl) {
        histogram_record(&c->results->handshake, load_now_ns() - c->connect_ns);
        c->results->handshakes++;
        c->results->resumed += c->connection.resumed;
    }
    c->state = CLIENT_SENDING;
    return 0;
}

static int advance_sending(struct client *c, const struct load_options *options, int epoll_fd)
{
    uint8_t chunk[CHUNK_SIZE];
    uint64_t size = request_size(&c->request);
    while (c->sent < size) {
        size_t ready = request_read(&c->request, c->sent, chunk, sizeof chunk);
        ssize_t n = connection_write(&c->connection, chunk, ready);
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return closed(c, options, epoll_fd);
        c->sent += (uint64_t)n;
    }
    c->state = CLIENT_RECEIVING;
    return 0;
}

static int finish(struct client *c)
{
    int r = workload_judge(c->workload, &c->memory, &c->request, &c->response);
    int64_t now_ns = load_now_ns();
    if (!c->response.keep_alive)
        connection_close(&c->connection);
    if (r < 0)
        return over(c, r == -EREMOTEIO ? LOAD_ERROR_STATUS : LOAD_ERROR_CONTENT);
    if (c->measured) {
        c->results->answered++;
        latency_record(c, now_ns);
        if (c->request.compare)
            c->results->bytes_down += c->response.body_size;
        c->results->bytes_up += c->request.content_size;
    }
    c->state = CLIENT_IDLE;
    return 1;
}

static void first_byte(struct client *c)
{
    c->answered = true;
    if (c->start->byte_ns != 0)
        return;
    c->start->byte_ns = load_now_ns();
    histogram_record(&c->results->start_up, c->start->byte_ns - c->start->asked_ns);
}

/* Reads while anything comes; also while still sending, since a server may refuse a body early. */
static int advance_receiving(struct client *c, const struct load_options *options, int epoll_fd)
{
    uint8_t chunk[CHUNK_SIZE];
    for (;;) {
        ssize_t n = connection_read(&c->connection, chunk, sizeof chunk);
        if (n == -EAGAIN)
            return 0;
        if (n <= 0 && !response_ends_at_close(&c->response))
            return closed(c, options, epoll_fd);
        if (n > 0 && !c->answered)
            first_byte(c);
        if (n > 0 && response_feed(&c->response, chunk, (size_t)n) < 0)
            return over(c, LOAD_ERROR_HTTP);
        if (c->response.complete) {
            /* An answer before all was sent leaves the connection in an unknown state. */
            c->response.keep_alive = c->response.keep_alive && c->state == CLIENT_RECEIVING;
            return finish(c);
        }
    }
}

/* An idle connection: tickets come, or the server closes it. */
static void advance_idle(struct client *c)
{
    uint8_t byte;
    if (c->connection.state == CONNECTION_OPEN &&
        connection_read(&c->connection, &byte, 1) != -EAGAIN)
        connection_close(&c->connection);
}

int client_advance(struct client *c, const struct load_options *options, int epoll_fd)
{
    int r = 0;
    if (c->state == CLIENT_IDLE) {
        advance_idle(c);
        return 0;
    }
    if (c->state == CLIENT_CONNECTING)
        r = advance_connecting(c);
    if (r == 0 && c->state == CLIENT_SENDING)
        r = advance_sending(c, options, epoll_fd);
    if (r == 0 && (c->state == CLIENT_SENDING || c->state == CLIENT_RECEIVING))
        r = advance_receiving(c, options, epoll_fd);
    return r;
}

void client_done(struct client *c)
{
    connection_done(&c->connection);
    request_done(&c->request);
    response_done(&c->response);
}
