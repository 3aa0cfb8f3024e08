/* SPDX-License-Identifier: Apache-2.0 */
/* Writing where nobody reads any more: EPIPE, and SIGPIPE ignored, handled, blocked, by default. See
 * net_guest.h. */
#include "net_guest.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

static int g_listener;
static volatile sig_atomic_t g_code, g_is_ours, g_sender;

static void record(int signal, siginfo_t *info, void *context)
{
    (void)context;
    g_pipes++;
    g_is_ours = signal == SIGPIPE;
    g_code = info->si_code;
    g_sender = info->si_pid == getpid();
}

/* A connection whose own sending half is closed: the same error every time. */
static int half_closed(int *ret_peer)
{
    int client;
    pair_new(g_listener, &client, ret_peer);
    show("shutdown", shutdown(client, SHUT_WR));
    return client;
}

static int content_of_file(void)
{
    int fd = memfd_create("content", 0);
    (void)!write(fd, "content", 7);
    (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Every call that writes; `flags` for those that take some. */
static void every_call(int fd, int flags)
{
    char bytes[8] = "bytes";
    struct iovec iov[2] = {{bytes, 2}, {bytes + 2, 3}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    struct mmsghdr several[2] = {{.msg_hdr = message}, {.msg_hdr = message}};
    int file = content_of_file(), ends[2];
    if (pipe(ends) != 0 || write(ends[1], "piped", 5) != 5)
        die("pipe");
    g_pipes = 0;
    show("send", send(fd, bytes, 5, flags));
    show("sendto", sendto(fd, bytes, 5, flags, NULL, 0));
    show("sendmsg", sendmsg(fd, &message, flags));
    show("sendmmsg", sendmmsg(fd, several, 2, flags));
    show("signals", g_pipes);
    show("write", write(fd, bytes, 5));
    show("writev", writev(fd, iov, 2));
    show("signals", g_pipes);
    show("sendfile", sendfile(fd, file, NULL, 7));
    show("where the file is", lseek(file, 0, SEEK_CUR));
    show("signals", g_pipes);
    show("splice", splice(ends[0], NULL, fd, NULL, 5, 0));
    show("signals", g_pipes);
    show("nothing", send(fd, bytes, 0, flags));
    show("nothing by write", write(fd, bytes, 0));
    show("nothing by writev", writev(fd, iov, 0));
    show("signals", g_pipes);
    close(file);
    close(ends[0]);
    close(ends[1]);
}

static void ignored(int fd)
{
    signal(SIGPIPE, SIG_IGN);
    every_call(fd, 0);
    every_call(fd, MSG_NOSIGNAL);
}

static void handled(int fd)
{
    struct sigaction action = {.sa_sigaction = record, .sa_flags = SA_SIGINFO};
    sigaction(SIGPIPE, &action, NULL);
    every_call(fd, 0);
    every_call(fd, MSG_NOSIGNAL);
    every_call(fd, MSG_DONTWAIT);
    g_pipes = 0;
    show("send", send(fd, "x", 1, 0));
    show("signals", g_pipes);
    show("it is SIGPIPE", g_is_ours);
    show("from the kernel", g_code);
    show("says who", g_sender);
}

/* Blocked, it waits with the thread that wrote. */
static void blocked(int fd)
{
    sigset_t set, old;
    struct timespec none = {0};
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, &old);
    g_pipes = 0;
    show("send", send(fd, "x", 1, 0));
    show("send again", send(fd, "x", 1, 0));
    show("signals", g_pipes);
    show("taken", sigtimedwait(&set, &info, &none) == SIGPIPE);
    show("no second", sigtimedwait(&set, &info, &none));
    show("without a signal", send(fd, "x", 1, MSG_NOSIGNAL));
    show("none", sigtimedwait(&set, &info, &none));
    show("send", write(fd, "x", 1));
    sigprocmask(SIG_SETMASK, &old, NULL);
    show("signals", g_pipes);
}

static void by_default(void)
{
    int status, peer;
    signal(SIGPIPE, SIG_DFL);
    fflush(stdout);
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            int fd = half_closed(&peer);
            struct iovec iov = {"x", 1};
            struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
            long r = i == 0   ? write(fd, "x", 1)
                     : i == 1 ? send(fd, "x", 1, 0)
                     : i == 2 ? sendmsg(fd, &message, 0)
                              : send(fd, "x", 1, MSG_NOSIGNAL);
            _exit(r == -1 && errno == EPIPE ? 7 : 8);
        }
        waitpid(pid, &status, 0);
        show("a child ends by",
             WIFSIGNALED(status) ? WTERMSIG(status) : 1000 + WEXITSTATUS(status));
    }
}

/* The peer is gone: the first write is taken, a later one is not. */
static void peer_gone(void)
{
    int client, server, r;
    struct sigaction action = {.sa_sigaction = record, .sa_flags = SA_SIGINFO};
    sigaction(SIGPIPE, &action, NULL);
    for (int flags = 0; flags <= MSG_NOSIGNAL; flags += MSG_NOSIGNAL) {
        pair_new(g_listener, &client, &server);
        g_pipes = 0;
        (void)!write(client, "unread", 6);
        (void)wait_for(server, POLLIN);
        close(server);
        do /* what was not read becomes a reset */
            r = (int)send(client, "x", 1, flags);
        while (r == 1);
        show("a reset, once", errno == ECONNRESET || errno == EPIPE);
        show("then no more", send(client, "x", 1, flags));
        show("at most one each", flags ? g_pipes : g_pipes >= 1 && g_pipes <= 2);
        show("and by write", write(client, "x", 1));
        close(client);
    }
}

static void of_a_pair(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        die("socketpair");
    close(ends[1]);
    every_call(ends[0], 0);
    every_call(ends[0], MSG_NOSIGNAL);
    close(ends[0]);
}

int main(void)
{
    int peer, fd;
    g_listener = listener_new(0);
    fd = half_closed(&peer);
    ignored(fd);
    handled(fd);
    blocked(fd);
    by_default();
    close(fd);
    close(peer);
    peer_gone();
    of_a_pair();
    return 0;
}
