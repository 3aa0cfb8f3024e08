/* SPDX-License-Identifier: Apache-2.0 */
/* A server that knows nothing of TLS, in as many ways to wait as there are. Each connection sends
 * lines; "sum" of what came before is answered to each line: its length and a checksum of all bytes
 * so far. Prints its port, then serves until a line says "quit".
 *
 *     net_echo epoll-level | epoll-edge | epoll-oneshot | workers | poll | select | threads | fork */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS_MAX = 4096, PIECE = 7 }; /* small reads leave plaintext in whoever decrypts */

struct client {
    int fd;
    uint32_t sum;
    size_t line_size;
    char last[4]; /* the end of the line, to find "quit" */
};

static struct client *g_clients[CLIENTS_MAX];
static int g_listener;
static int g_quit;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            (void)poll(&p, 1, -1);
        } else if (n < 0) {
            return;
        } else {
            bytes += n;
            size -= (size_t)n;
        }
    }
}

static void take_byte(struct client *c, char byte)
{
    char answer[64];
    c->sum = c->sum * 31 + (uint8_t)byte;
    if (byte != '\n') {
        memmove(c->last, c->last + 1, 3);
        c->last[3] = byte;
        c->line_size++;
        return;
    }
    g_quit |= c->line_size == 4 && memcmp(c->last, "quit", 4) == 0;
    int n = snprintf(answer, sizeof answer, "%zu %08x\n", c->line_size, c->sum);
    write_all(c->fd, answer, (size_t)n);
    c->line_size = 0;
}

/* Reads once. 1: go on, 0: nothing now, -1: the connection has ended. */
static int turn(struct client *c)
{
    char bytes[PIECE];
    ssize_t n = read(c->fd, bytes, sizeof bytes);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    for (ssize_t i = 0; i < n; i++)
        take_byte(c, bytes[i]);
    return n > 0 ? 1 : -1;
}

static struct client *accept_one(int flags)
{
    int fd = accept4(g_listener, NULL, NULL, flags);
    if (fd < 0)
        return NULL;
    struct client *c = calloc(1, sizeof *c);
    if (!c || fd >= CLIENTS_MAX)
        fail("client");
    c->fd = fd;
    g_clients[fd] = c;
    return c;
}

static void drop(struct client *c)
{
    g_clients[c->fd] = NULL;
    close(c->fd);
    free(c);
}

/* --- epoll -------------------------------------------------------------------------------------- */

static void epoll_turn(int ep, struct client *c, uint32_t extra)
{
    int r = turn(c);
    while (r > 0 && (extra & EPOLLET))
        r = turn(c);
    if (r < 0) {
        drop(c);
        return;
    }
    struct epoll_event again = {EPOLLIN | extra, {.ptr = c}};
    if ((extra & EPOLLONESHOT) && epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &again) != 0)
        fail("epoll_ctl");
}

static void serve_epoll(uint32_t extra)
{
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, events[16];
    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, g_listener, &event) != 0)
        fail("epoll");
    while (!g_quit) {
        int n = epoll_wait(ep, events, 16, -1);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (c) {
                epoll_turn(ep, c, extra);
                continue;
            }
            while ((c = accept_one(SOCK_NONBLOCK | SOCK_CLOEXEC))) {
                event = (struct epoll_event){EPOLLIN | extra, {.ptr = c}};
                if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &event) != 0)
                    fail("epoll_ctl");
            }
        }
    }
}

/* Several threads wait on one instance; one shot keeps each connection with one of them. */
static int g_worker_epoll;

static void *worker_main(void *unused)
{
    struct epoll_event event;
    (void)unused;
    while (!g_quit) {
        if (epoll_wait(g_worker_epoll, &event, 1, -1) != 1)
            continue;
        struct client *c = event.data.ptr;
        if (c) {
            epoll_turn(g_worker_epoll, c, EPOLLONESHOT);
            continue;
        }
        if ((c = accept_one(SOCK_NONBLOCK | SOCK_CLOEXEC))) {
            event = (struct epoll_event){EPOLLIN | EPOLLONESHOT, {.ptr = c}};
            if (epoll_ctl(g_worker_epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
                fail("epoll_ctl");
        }
    }
    exit(0);
}

static void serve_workers(void)
{
    struct epoll_event event = {EPOLLIN | EPOLLEXCLUSIVE, {.ptr = NULL}};
    pthread_t thread;
    g_worker_epoll = epoll_create1(EPOLL_CLOEXEC);
    if (g_worker_epoll < 0 || epoll_ctl(g_worker_epoll, EPOLL_CTL_ADD, g_listener, &event) != 0)
        fail("epoll");
    for (int i = 0; i < 3; i++)
        if (pthread_create(&thread, NULL, worker_main, NULL) != 0)
            fail("pthread_create");
    (void)worker_main(NULL);
}

/* --- poll and select ------------------------------------------------------------------------------ */

static void serve_poll(void)
{
    static struct pollfd fds[CLIENTS_MAX];
    while (!g_quit) {
        nfds_t count = 0;
        fds[count++] = (struct pollfd){.fd = g_listener, .events = POLLIN};
        for (int fd = 0; fd < CLIENTS_MAX; fd++)
            if (g_clients[fd])
                fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        if (poll(fds, count, -1) < 0)
            fail("poll");
        for (nfds_t i = 1; i < count; i++)
            if (fds[i].revents && turn(g_clients[fds[i].fd]) < 0)
                drop(g_clients[fds[i].fd]);
        if (fds[0].revents)
            (void)accept_one(SOCK_NONBLOCK);
    }
}

static void serve_select(void)
{
    while (!g_quit) {
        fd_set in;
        FD_ZERO(&in);
        FD_SET(g_listener, &in);
        for (int fd = 0; fd < FD_SETSIZE; fd++)
            if (g_clients[fd])
                FD_SET(fd, &in);
        if (select(FD_SETSIZE, &in, NULL, NULL, NULL) < 0)
            fail("select");
        for (int fd = 0; fd < FD_SETSIZE; fd++)
            if (g_clients[fd] && FD_ISSET(fd, &in) && turn(g_clients[fd]) < 0)
                drop(g_clients[fd]);
        if (FD_ISSET(g_listener, &in))
            (void)accept_one(SOCK_NONBLOCK);
    }
}

/* --- blocking: one thread or one process for each connection --------------------------------------- */

static void *thread_main(void *arg)
{
    struct client *c = arg;
    while (turn(c) > 0 && !g_quit)
        ;
    drop(c);
    if (g_quit)
        exit(0);
    return NULL;
}

static void serve_threads(void)
{
    for (;;) {
        pthread_t thread;
        struct client *c = accept_one(0);
        if (c && pthread_create(&thread, NULL, thread_main, c) != 0)
            fail("pthread_create");
        if (c)
            pthread_detach(thread);
    }
}

static void serve_fork(void)
{
    int children = 0, status;
    for (;;) {
        struct client *c = accept_one(0);
        pid_t pid = c ? fork() : -1;
        if (pid == 0) {
            while (turn(c) > 0 && !g_quit)
                ;
            drop(c);
            exit(g_quit ? 3 : 0);
        }
        if (pid < 0)
            fail("fork");
        drop(c);
        children++;
        /* One at a time is enough to show whose connection it is. */
        if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3)
            return;
    }
}

static void start(int nonblocking)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    const char *port = getenv("PORT");
    int one = 1;
    a.sin_port = htons((uint16_t)(port ? strtoul(port, NULL, 10) : 0));
    g_listener = socket(AF_INET, SOCK_STREAM | (nonblocking ? SOCK_NONBLOCK : 0), 0);
    setsockopt(g_listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(g_listener, (struct sockaddr *)&a, sizeof a) != 0 || listen(g_listener, 1024) != 0 ||
        getsockname(g_listener, (struct sockaddr *)&a, &size) != 0)
        fail("listen");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    int blocking = strcmp(way, "threads") == 0 || strcmp(way, "fork") == 0;
    start(!blocking);
    if (strcmp(way, "epoll-level") == 0)
        serve_epoll(0);
    else if (strcmp(way, "epoll-edge") == 0)
        serve_epoll(EPOLLET);
    else if (strcmp(way, "epoll-oneshot") == 0)
        serve_epoll(EPOLLONESHOT);
    else if (strcmp(way, "workers") == 0)
        serve_workers();
    else if (strcmp(way, "poll") == 0)
        serve_poll();
    else if (strcmp(way, "select") == 0)
        serve_select();
    else if (strcmp(way, "threads") == 0)
        serve_threads();
    else
        serve_fork();
    return 0;
}
