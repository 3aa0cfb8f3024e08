/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile: every byte and every pace of a peer. A half-open connection costs one descriptor and
 * about 150 bytes, is looked at only when it has more bytes than at the last look (SO_RCVLOWAT:
 * a peeked socket stays readable and would spin otherwise), and ends after hello_ns_max. */
#include "gateway/front.h"

#include "base/log.h"
#include "gateway/sni.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ACCEPT_BATCH 64
#define ADDRESS_BUCKETS 4096
#define ACCEPT_PAUSE_NS 100000000U /* after running out of descriptors */
#define REFUSALS_LOGGED_PER_MINUTE 10
#define ALERT_UNRECOGNIZED_NAME 112
#define ALERT_DECODE_ERROR 50

/* How many half-open connections one address has. */
struct peer {
    uint64_t key[2];
    uint64_t count;
    struct peer *next;
};

struct half_open {
    struct front *front;
    struct loop_watch watch;
    struct peer *peer;
    uint64_t deadline_ns;
    size_t seen;      /* bytes at the last look */
    bool is_answered; /* waits only for the peer to close */
    struct half_open *older, *newer;
};

struct front {
    struct loop *loop;
    const struct front_settings *settings;
    front_route_fn *route;
    void *ctx;
    struct loop_watch listener;
    int listen_fd;
    struct loop_timer accept_timer, oldest_timer;
    struct half_open *oldest, *newest; /* all have the same time: the oldest ends first */
    struct peer *peers[ADDRESS_BUCKETS];
    struct log_limit log_limit;
    struct front_counts counts;
};

/* ---- peers ---- */

static void peer_key(const struct sockaddr_storage *address, uint64_t key[2])
{
    key[0] = key[1] = 0;
    if (address->ss_family == AF_INET)
        memcpy(key, &((const struct sockaddr_in *)address)->sin_addr, 4);
    else if (address->ss_family == AF_INET6)
        memcpy(&key[1], &((const struct sockaddr_in6 *)address)->sin6_addr, 8);
}

static struct peer **peer_bucket(struct front *front, const uint64_t key[2])
{
    uint64_t hash = (key[0] * 0x9e3779b97f4a7c15ULL) ^ (key[1] * 0xc2b2ae3d27d4eb4fULL);
    return &front->peers[(hash >> 32) % ADDRESS_BUCKETS];
}

/* NULL: over the limit or without memory. */
static struct peer *peer_get(struct front *front, const struct sockaddr_storage *address)
{
    uint64_t key[2];
    peer_key(address, key);
    struct peer **bucket = peer_bucket(front, key);
    for (struct peer *p = *bucket; p; p = p->next) {
        if (p->key[0] != key[0] || p->key[1] != key[1])
            continue;
        if (p->count >= front->settings->half_open_per_address_max)
            return NULL;
        p->count++;
        return p;
    }
    struct peer *p = malloc(sizeof *p);
    if (!p)
        return NULL;
    *p = (struct peer){.key = {key[0], key[1]}, .count = 1, .next = *bucket};
    *bucket = p;
    return p;
}

static void peer_put(struct front *front, struct peer *peer)
{
    if (--peer->count > 0)
        return;
    struct peer **at = peer_bucket(front, peer->key);
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    free(peer);
}

/* ---- half-open connections ---- */

static void on_oldest_is_due(void *arg);

static void oldest_timer_set(struct front *front)
{
    if (!front->oldest)
        loop_timer_stop(front->loop, &front->oldest_timer);
    else if (loop_timer_set(front->loop, &front->oldest_timer, front->oldest->deadline_ns,
                            on_oldest_is_due, front) < 0)
        LOG_ERROR("no memory for a timer");
}

/* Forgets the connection and yields its descriptor. */
static int half_open_release(struct half_open *h)
{
    struct front *front = h->front;
    int fd = h->watch.fd;
    loop_watch_stop(front->loop, &h->watch);
    *(h->older ? &h->older->newer : &front->oldest) = h->newer;
    *(h->newer ? &h->newer->older : &front->newest) = h->older;
    peer_put(front, h->peer);
    front->counts.half_open--;
    bool was_oldest = !h->older;
    free(h);
    if (was_oldest)
        oldest_timer_set(front);
    return fd;
}

static void half_open_close(struct half_open *h, uint64_t *count)
{
    *count += h->is_answered ? 0 : 1;
    close(half_open_release(h));
}

static void on_oldest_is_due(void *arg)
{
    struct front *front = arg;
    uint64_t now_ns = loop_now_ns(front->loop);
    while (front->oldest && front->oldest->deadline_ns <= now_ns)
        half_open_close(front->oldest, &front->counts.closed_slow);
    oldest_timer_set(front);
}

/* The socket becomes readable when it has `size` bytes, or ends. */
static int half_open_wants(struct half_open *h, size_t size)
{
    int lowat = (int)size;
    int r = setsockopt(h->watch.fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof lowat);
    return r < 0 ? -errno : 0;
}

static void on_half_open(void *arg, uint32_t events);

/* ---- answers ---- */

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Reads away what was peeked, for a close with unread bytes would reset the connection and destroy
 * the answer; then waits, within the same time, for the peer to close. */
static void half_open_answer(struct half_open *h, const void *bytes, size_t size)
{
    char scratch[4096];
    while (recv(h->watch.fd, scratch, sizeof scratch, MSG_DONTWAIT) > 0)
        ;
    (void)half_open_wants(h, 1);
    (void)send(h->watch.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(h->watch.fd, SHUT_WR);
    h->is_answered = true;
}

static void half_open_alert(struct half_open *h, uint8_t description)
{
    const uint8_t alert[] = {21, 3, 3, 0, 2, 2, description};
    half_open_answer(h, alert, sizeof alert);
}

static void half_open_plain_http(struct half_open *h)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n"
                                 "Content-Type: text/plain\r\n"
                                 "Content-Length: 50\r\n"
                                 "Connection: close\r\n"
                                 "\r\n"
                                 "this port speaks TLS: use https:// in the address\n";
    half_open_answer(h, answer, sizeof answer - 1);
}

static void refusal_log(struct front *front, const char *name)
{
    if (log_allows(&front->log_limit, now_s(), REFUSALS_LOGGED_PER_MINUTE))
        LOG_NOTICE("connection refused: nobody here has that server name",
                   LOG_TEXT("name", name ? name : "(none)"));
}

static void half_open_refuse(struct half_open *h, int verdict, struct slice start)
{
    struct front_counts *counts = &h->front->counts;
    if (verdict == -ENOENT) {
        counts->refused_no_name++;
        refusal_log(h->front, NULL);
        half_open_alert(h, ALERT_UNRECOGNIZED_NAME);
    } else if (sni_is_plain_http(start)) {
        counts->refused_plain_http++;
        half_open_plain_http(h);
    } else {
        counts->refused_malformed++;
        half_open_alert(h, ALERT_DECODE_ERROR);
    }
}

/* ---- looking ---- */

static void half_open_route(struct half_open *h, const char *name)
{
    struct front *front = h->front;
    int fd = h->watch.fd;
    (void)half_open_wants(h, 1);
    loop_watch_stop(front->loop, &h->watch); /* whoever takes the socket may close it at once */
    if (front->route(front->ctx, name, fd) == 0) {
        front->counts.routed++;
        (void)half_open_release(h);
        return;
    }
    front->counts.refused_unknown_name++;
    refusal_log(front, name);
    half_open_alert(h, ALERT_UNRECOGNIZED_NAME);
    if (loop_watch_start(front->loop, &h->watch, fd, EPOLLIN | EPOLLRDHUP, on_half_open, h) < 0)
        half_open_close(h, &front->counts.closed_early);
}

static void half_open_drain(struct half_open *h)
{
    char scratch[4096];
    ssize_t n = recv(h->watch.fd, scratch, sizeof scratch, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        half_open_close(h, &h->front->counts.closed_early);
}

/* A verdict that more bytes may change: the ClientHello goes on, or this becomes "GET ". */
static bool verdict_may_change(int verdict, struct slice start)
{
    return verdict == -EAGAIN || (verdict == -EBADMSG && start.size < 8 && start.bytes[0] != '\0' &&
                                  strchr("GHPDOTC", start.bytes[0]) && !sni_is_plain_http(start));
}

static void half_open_look(struct half_open *h, uint32_t events)
{
    uint8_t bytes[SNI_HELLO_SIZE_MAX];
    char name[SNI_NAME_SIZE];
    ssize_t n = recv(h->watch.fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    bool is_closed = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (n <= 0 || ((size_t)n <= h->seen && is_closed)) {
        half_open_close(h, &h->front->counts.closed_early);
        return;
    }
    struct slice start = slice_of(bytes, (size_t)n);
    int verdict = sni_parse(start, name);
    if (verdict_may_change(verdict, start)) {
        h->seen = start.size;
        if (is_closed || half_open_wants(h, start.size + 1) < 0)
            half_open_close(h, &h->front->counts.closed_early);
        return;
    }
    if (verdict == 0)
        half_open_route(h, name);
    else
        half_open_refuse(h, verdict, start);
}

static void on_half_open(void *arg, uint32_t events)
{
    struct half_open *h = arg;
    if (h->is_answered)
        half_open_drain(h);
    else
        half_open_look(h, events);
}

/* ---- accepting ---- */

static void half_open_add(struct front *front, int fd, const struct sockaddr_storage *address)
{
    if (front->counts.half_open >= front->settings->half_open_max && front->oldest)
        half_open_close(front->oldest, &front->counts.closed_over_limit);
    struct peer *peer = peer_get(front, address);
    if (!peer) {
        front->counts.closed_over_address_limit++;
        close(fd);
        return;
    }
    struct half_open *h = calloc(1, sizeof *h);
    if (!h ||
        loop_watch_start(front->loop, &h->watch, fd, EPOLLIN | EPOLLRDHUP, on_half_open, h) < 0) {
        free(h);
        peer_put(front, peer);
        close(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    h->front = front;
    h->peer = peer;
    h->deadline_ns = loop_now_ns(front->loop) + front->settings->hello_ns_max;
    h->older = front->newest;
    *(front->newest ? &front->newest->newer : &front->oldest) = h;
    front->newest = h;
    front->counts.half_open++;
    front->counts.accepted++;
    if (!h->older)
        oldest_timer_set(front);
}

static void on_acceptable(void *arg, uint32_t events);

static void on_accept_again(void *arg)
{
    struct front *front = arg;
    if (loop_watch_change(front->loop, &front->listener, EPOLLIN) < 0)
        LOG_ERROR("cannot go on accepting");
}

/* Out of descriptors or memory: the backlog waits a moment. */
static void accept_pause(struct front *front)
{
    front->counts.accept_failures++;
    if (log_allows(&front->log_limit, now_s(), REFUSALS_LOGGED_PER_MINUTE))
        LOG_WARNING("cannot accept connections; waiting", LOG_TEXT("error", strerror(errno)));
    if (loop_watch_change(front->loop, &front->listener, 0) == 0 &&
        loop_timer_set(front->loop, &front->accept_timer,
                       loop_now_ns(front->loop) + ACCEPT_PAUSE_NS, on_accept_again, front) < 0)
        on_accept_again(front);
}

static void on_acceptable(void *arg, uint32_t events)
{
    struct front *front = arg;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof address;
        int fd = accept4(front->listen_fd, (struct sockaddr *)&address, &size,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            half_open_add(front, fd, &address);
        else if (errno == EAGAIN)
            return;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            accept_pause(front);
            return;
        }
    }
}

int front_new(struct loop *loop, const struct front_settings *settings, int listen_fd,
              front_route_fn *route, void *ctx, struct front **ret_front)
{
    struct front *front = calloc(1, sizeof *front);
    if (!front)
        return -ENOMEM;
    front->loop = loop;
    front->settings = settings;
    front->route = route;
    front->ctx = ctx;
    front->listen_fd = listen_fd;
    int r = loop_watch_start(loop, &front->listener, listen_fd, EPOLLIN, on_acceptable, front);
    if (r < 0) {
        free(front);
        return r;
    }
    *ret_front = front;
    return 0;
}

void front_free(struct front *front)
{
    if (!front)
        return;
    loop_watch_stop(front->loop, &front->listener);
    loop_timer_stop(front->loop, &front->accept_timer);
    while (front->oldest)
        close(half_open_release(front->oldest));
    loop_timer_stop(front->loop, &front->oldest_timer);
    free(front);
}

const struct front_counts *front_counts(const struct front *front)
{
    static const struct front_counts none;
    return front ? &front->counts : &none; /* stopping */
}
