/* SPDX-License-Identifier: Apache-2.0 */
/* One loop, one server, and a socket pair per connection: what a test writes into one end is
 * served at the other, in this thread. */
#ifndef COFFER_TESTS_HTTP_FIXTURE_H
#define COFFER_TESTS_HTTP_FIXTURE_H

#include "server/http.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *fx_loop;
static struct http_server *fx_server;

static void fx_start(const struct http_settings *settings, http_handler_fn *handler, void *arg)
{
    REQUIRE(loop_new(&fx_loop) == 0);
    REQUIRE(http_server_new(fx_loop, settings, handler, arg, &fx_server) == 0);
}

static void fx_stop(void)
{
    http_server_free(fx_server);
    loop_free(fx_loop);
}

static int fx_connect(void)
{
    int fds[2];
    struct http_transport *transport;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    REQUIRE(http_transport_plain_open(fds[1], NULL, &transport) == 0);
    REQUIRE(http_server_adopt(fx_server, transport) == 0);
    return fds[0];
}

static void fx_turns(int count)
{
    while (count-- > 0)
        REQUIRE(loop_turn(fx_loop, false) == 0);
}

/* Writes all of it, turning the loop while the socket is full. */
static void fx_send(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return; /* the server has closed: the test looks at the answer */
        fx_turns(2);
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
}

static __attribute__((unused)) void fx_say(int fd, const char *text)
{
    fx_send(fd, text, strlen(text));
}

/* Everything the server says until it neither says nor closes; *ret_closed if it closed. */
static char *fx_receive(int fd, bool *ret_closed)
{
    static char text[4 << 20];
    size_t size = 0;
    *ret_closed = false;
    for (int quiet = 0; quiet < 4;) {
        fx_turns(1);
        ssize_t n = recv(fd, text + size, sizeof text - 1 - size, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            *ret_closed = true;
            break;
        }
        quiet = n < 0 ? quiet + 1 : 0;
        size += n > 0 ? (size_t)n : 0;
    }
    text[size] = 0;
    /* Dates differ from run to run. */
    for (char *date = text; (date = strstr(date, "Date: ")) != NULL;) {
        char *end = strstr(date, "\r\n");
        if (!end)
            break;
        memmove(date, end + 2, strlen(end + 2) + 1);
    }
    return text;
}

static char *fx_exchange(const char *request, bool *ret_closed)
{
    int fd = fx_connect();
    fx_send(fd, request, strlen(request));
    char *answer = fx_receive(fd, ret_closed);
    close(fd);
    fx_turns(2);
    return answer;
}

static __attribute__((unused)) int fx_status(const char *request)
{
    bool closed;
    const char *answer = fx_exchange(request, &closed);
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

#endif
