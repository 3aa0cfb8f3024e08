/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs that test sockets share. Each prints one line per fact; natively, behind the shield
 * and with TLS on both ends the lines must be the same. Nothing in them may depend on time, on
 * buffer sizes or on numbers the kernel chooses. */
#ifndef COFFER_TESTS_GUEST_NET_GUEST_H
#define COFFER_TESTS_GUEST_NET_GUEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A result, with the errno's name if it is -1. */
static inline void show(const char *what, long r)
{
    if (r == -1)
        printf("%s: %s\n", what, strerrorname_np(errno));
    else
        printf("%s: %ld\n", what, r);
    fflush(stdout);
}

static inline void show_text(const char *what, const char *bytes, long size)
{
    if (size < 0)
        show(what, size);
    else
        printf("%s: %ld '%.*s'\n", what, size, (int)size, bytes);
    fflush(stdout);
}

static inline void show_poll(const char *what, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n = poll(&p, 1, 0);
    printf("%s: %d%s%s%s%s%s%s\n", what, n, p.revents & POLLIN ? " IN" : "",
           p.revents & POLLOUT ? " OUT" : "", p.revents & POLLRDHUP ? " RDHUP" : "",
           p.revents & POLLHUP ? " HUP" : "", p.revents & POLLERR ? " ERR" : "",
           p.revents & POLLNVAL ? " NVAL" : "");
    fflush(stdout);
}

static inline int wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n = poll(&p, 1, 20000);
    if (n != 1)
        printf("waited in vain for %x on %d\n", events, fd);
    return p.revents;
}

static inline void die(const char *what)
{
    printf("%s: %s\n", what, strerrorname_np(errno));
    exit(1);
}

static inline struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline int guest_port(void)
{
    const char *text = getenv("PORT");
    return text ? (int)strtol(text, NULL, 10) : 0;
}

static inline int listener_new(int flags)
{
    struct sockaddr_in a = loopback(guest_port());
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0)
        die("listen");
    return fd;
}

/* Both ends in one thread: neither may wait for the other before a first byte has gone each way, for
 * until then there may be a handshake to do. */
static inline void greet(int client, int server)
{
    char byte = 'x';
    int stage = 0;
    fcntl(client, F_SETFL, O_NONBLOCK);
    fcntl(server, F_SETFL, O_NONBLOCK);
    while (stage < 4) {
        struct pollfd p[2] = {{.fd = client, .events = stage == 0 ? POLLOUT : POLLIN},
                              {.fd = server, .events = stage == 2 ? POLLOUT : POLLIN}};
        if (poll(p, 2, 20000) <= 0)
            die("greet");
        if (stage == 0 && write(client, &byte, 1) == 1)
            stage = 1;
        if (stage == 1 && read(server, &byte, 1) == 1)
            stage = 2;
        if (stage == 2 && write(server, &byte, 1) == 1)
            stage = 3;
        if (stage == 3 && read(client, &byte, 1) == 1)
            stage = 4;
    }
    fcntl(client, F_SETFL, 0);
    fcntl(server, F_SETFL, 0);
}

/* A connection to ourselves, its two ends blocking. */
static inline void pair_new(int listener, int *client, int *server)
{
    struct sockaddr_in a = loopback(guest_port());
    int one = 1;
    *client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(*client, (struct sockaddr *)&a, sizeof a) != 0)
        die("connect");
    *server = accept(listener, NULL, NULL);
    if (*server < 0)
        die("accept");
    setsockopt(*client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(*server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    greet(*client, *server);
}

static inline void pair_close(int client, int server)
{
    close(client);
    close(server);
}

static volatile sig_atomic_t g_pipes;

static inline void count_pipe(int signal)
{
    (void)signal;
    g_pipes++;
}

#endif
