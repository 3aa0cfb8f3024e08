/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners, the set of connections and its limits, draining, and giving memory back when quiet. */
#include "server/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 32, LISTEN_BACKLOG = 512 };
#define SECOND_NS ((uint64_t)1000000000)
#define ACCEPT_RETRY_NS (SECOND_NS / 5)

/* The plain transport */

static ssize_t plain_read(struct http_transport *transport, void *to, size_t size)
{
    ssize_t n = recv(transport->fd, to, size, 0);
    return n < 0 ? -errno : n;
}

static ssize_t plain_write(struct http_transport *transport, const void *from, size_t size)
{
    ssize_t n = send(transport->fd, from, size, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static void plain_shutdown(struct http_transport *transport)
{
    (void)shutdown(transport->fd, SHUT_WR);
}

static void plain_close(struct http_transport *transport)
{
    (void)close(transport->fd);
    free(transport);
}

int http_transport_plain_open(int fd, void *arg, struct http_transport **ret_transport)
{
    static const struct http_transport_ops ops = {plain_read, plain_write, plain_shutdown,
                                                  plain_close};
    (void)arg;
    struct http_transport *transport = malloc(sizeof *transport);
    if (!transport) {
        (void)close(fd);
        return -ENOMEM;
    }
    *transport = (struct http_transport){
        .ops = &ops, .fd = fd, .read_waits = EPOLLIN, .write_waits = EPOLLOUT, .plain = true};
    *ret_transport = transport;
    return 0;
}

/* Servers */

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value ? value : otherwise;
}

int http_server_new(struct loop *loop, const struct http_settings *settings,
                    http_handler_fn *handler, void *arg, struct http_server **ret_server)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->loop = loop;
    server->handler = handler;
    server->handler_arg = arg;
    server->transport_open = http_transport_plain_open;
    server->settings = (struct http_settings){
        .head_size_max = or_default(settings->head_size_max, 16 << 10),
        .target_size_max = or_default(settings->target_size_max, 4 << 10),
        .headers_max = or_default(settings->headers_max, 64),
        .connections_max = or_default(settings->connections_max, 256),
        .arena_size_max = or_default(settings->arena_size_max, 1 << 20),
        .head_timeout_ns = or_default(settings->head_timeout_ns, 10 * SECOND_NS),
        .idle_timeout_ns = or_default(settings->idle_timeout_ns, 60 * SECOND_NS),
        .progress_window_ns = or_default(settings->progress_window_ns, 20 * SECOND_NS),
        .progress_size_min = or_default(settings->progress_size_min, 1024),
        .quiet_ns = or_default(settings->quiet_ns, SECOND_NS),
    };
    *ret_server = server;
    return 0;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    server->on_drained = NULL;
    while (server->conns)
        conn_destroy(server->conns, -ECANCELED);
    for (size_t i = 0; i < server->listener_count; i++) {
        loop_watch_stop(server->loop, &server->listeners[i]);
        (void)close(server->listeners[i].fd);
    }
    loop_timer_stop(server->loop, &server->accept_timer);
    loop_timer_stop(server->loop, &server->quiet_timer);
    loop_defer_stop(server->loop, &server->drained_task);
    free(server->scratch);
    free(server);
}

void http_server_set_transport(struct http_server *server, http_transport_open_fn *open, void *arg)
{
    server->transport_open = open ? open : http_transport_plain_open;
    server->transport_arg = arg;
}

const struct http_stats *http_server_stats(const struct http_server *server)
{
    return &server->stats;
}

void http_server_on_quiet(struct http_server *server, loop_fn *fn, void *arg)
{
    server->on_quiet = fn;
    server->quiet_arg = arg;
}

uint8_t *server_scratch(struct http_server *server)
{
    if (!server->scratch)
        server->scratch = malloc(HTTP_SCRATCH_SIZE);
    return server->scratch;
}

/* Listening */

static int address_parse(const char *address, uint16_t port, struct sockaddr_storage *ret_address,
                         socklen_t *ret_size)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    *ret_address = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
        memcpy(ret_address, &v4, sizeof v4);
        *ret_size = sizeof v4;
        return 0;
    }
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) {
        memcpy(ret_address, &v6, sizeof v6);
        *ret_size = sizeof v6;
        return 0;
    }
    return -EINVAL;
}

int http_listen(const char *address, uint16_t port, int *ret_fd)
{
    struct sockaddr_storage storage;
    socklen_t size;
    int r = address_parse(address, port, &storage, &size);
    if (r < 0)
        return r;
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&storage, size) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        r = -errno;
        (void)close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

uint16_t http_listen_port(int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof storage;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (getsockname(fd, (struct sockaddr *)&storage, &size) < 0)
        return 0;
    memcpy(&v4, &storage, sizeof v4);
    memcpy(&v6, &storage, sizeof v6);
    return storage.ss_family == AF_INET    ? ntohs(v4.sin_port)
           : storage.ss_family == AF_INET6 ? ntohs(v6.sin6_port)
                                           : 0;
}

static void accept_set(struct http_server *server, bool accepting)
{
    server->accepting = accepting;
    for (size_t i = 0; i < server->listener_count; i++)
        if (loop_watch_change(server->loop, &server->listeners[i], accepting ? EPOLLIN : 0) < 0)
            server->accepting = !accepting; /* cannot happen; then the next event tries again */
}

static void accept_again(void *arg)
{
    accept_set(arg, true);
}

/* No descriptors or no memory: wait, rather than spin on a readable listener. */
static void accept_later(struct http_server *server)
{
    if (loop_timer_set(server->loop, &server->accept_timer,
                       loop_now_ns(server->loop) + ACCEPT_RETRY_NS, accept_again, server) == 0)
        accept_set(server, false);
}

/* Room for one more, if need be at the cost of the connection that idles longest. */
static bool room_make(struct http_server *server)
{
    if (server->conn_count < server->settings.connections_max)
        return true;
    if (!server->idle_first)
        return false;
    conn_destroy(server->idle_first, -ECONNRESET);
    return true;
}

static void accepted(struct http_server *server, int fd)
{
    struct http_transport *transport;
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on Unix sockets */
    if (server->transport_open(fd, server->transport_arg, &transport) < 0)
        return;
    int r = conn_new(server, transport);
    if (r < 0)
        accept_later(server);
}

static void listener_event(void *arg, uint32_t events)
{
    struct http_server *server = arg;
    (void)events;
    for (size_t i = 0; i < server->listener_count; i++) {
        for (int count = 0; count < ACCEPTS_PER_TURN && server->accepting; count++) {
            if (!room_make(server)) {
                accept_set(server, false); /* until a connection goes */
                return;
            }
            int fd = accept4(server->listeners[i].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd >= 0) {
                accepted(server, fd);
                continue;
            }
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                accept_later(server);
            if (errno != ECONNABORTED && errno != EINTR)
                break;
        }
    }
}

int http_server_listen(struct http_server *server, int fd)
{
    int r = -E2BIG;
    if (server->listener_count < HTTP_LISTENERS_MAX)
        r = loop_watch_start(server->loop, &server->listeners[server->listener_count], fd, EPOLLIN,
                             listener_event, server);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    server->listener_count++;
    server->accepting = true;
    return 0;
}

int http_server_adopt(struct http_server *server, struct http_transport *transport)
{
    int r = server->draining ? -ESHUTDOWN : room_make(server) ? 0 : -EMFILE;
    if (r == 0)
        return conn_new(server, transport);
    transport->ops->close(transport);
    return r;
}

/* The set of connections */

void server_conn_add(struct http_server *server, struct http_conn *conn)
{
    conn->next = server->conns;
    if (conn->next)
        conn->next->prev = conn;
    server->conns = conn;
    server->conn_count++;
    server->stats.connections++;
    server->stats.connections_now = server->conn_count;
}

static void drained(void *arg)
{
    struct http_server *server = arg;
    loop_fn *fn = server->on_drained;
    server->on_drained = NULL;
    if (fn)
        fn(server->drained_arg);
}

void server_conn_removed(struct http_server *server, struct http_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    server->conn_count--;
    server->stats.connections_now = server->conn_count;
    if (server->draining && server->conn_count == 0)
        loop_defer(server->loop, &server->drained_task, drained, server);
    else if (!server->accepting && server->listener_count > 0 && server->accept_timer.place == 0)
        accept_set(server, true);
}

void server_conn_idle(struct http_server *server, struct http_conn *conn, bool idle)
{
    if (conn->in_idle_list == idle)
        return;
    conn->in_idle_list = idle;
    if (idle) {
        conn->idle_next = NULL;
        conn->idle_prev = server->idle_last;
        *(server->idle_last ? &server->idle_last->idle_next : &server->idle_first) = conn;
        server->idle_last = conn;
        if (!server->accepting && server->listener_count > 0 && server->accept_timer.place == 0)
            accept_set(server, true); /* this one may go if another comes */
        return;
    }
    *(conn->idle_prev ? &conn->idle_prev->idle_next : &server->idle_first) = conn->idle_next;
    *(conn->idle_next ? &conn->idle_next->idle_prev : &server->idle_last) = conn->idle_prev;
}

/* Draining and quiet */

void http_server_drain(struct http_server *server, loop_fn *fn, void *arg)
{
    server->on_drained = fn;
    server->drained_arg = arg;
    if (server->draining)
        return;
    server->draining = true;
    loop_timer_stop(server->loop, &server->accept_timer);
    for (size_t i = 0; i < server->listener_count; i++) {
        loop_watch_stop(server->loop, &server->listeners[i]);
        (void)close(server->listeners[i].fd);
    }
    server->listener_count = 0;
    server->accepting = false;
    while (server->idle_first && !server->idle_first->busy)
        conn_destroy(server->idle_first, -ESHUTDOWN);
    if (server->conn_count == 0)
        loop_defer(server->loop, &server->drained_task, drained, server);
}

static void quiet(void *arg)
{
    struct http_server *server = arg;
    free(server->scratch);
    server->scratch = NULL;
    if (server->on_quiet)
        server->on_quiet(server->quiet_arg);
}

void server_request_begins(struct http_server *server)
{
    server->busy_count++;
}

/* The timer stays armed while requests come and go; when it fires it looks how things stand. */
static void quiet_check(void *arg)
{
    struct http_server *server = arg;
    uint64_t due_ns = server->quiet_since_ns + server->settings.quiet_ns;
    if (server->busy_count > 0)
        return; /* the end of that request arms it again */
    if (due_ns <= loop_now_ns(server->loop))
        quiet(server);
    else if (loop_timer_set(server->loop, &server->quiet_timer, due_ns, quiet_check, server) < 0)
        quiet(server);
}

void server_request_ended(struct http_server *server)
{
    server->quiet_since_ns = loop_now_ns(server->loop);
    if (--server->busy_count > 0 || server->quiet_timer.place != 0)
        return;
    if (loop_timer_set(server->loop, &server->quiet_timer,
                       server->quiet_since_ns + server->settings.quiet_ns, quiet_check, server) < 0)
        quiet(server);
}
