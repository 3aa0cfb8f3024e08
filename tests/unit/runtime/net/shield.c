/* SPDX-License-Identifier: Apache-2.0 */
/* The network shield's calls: what the guest sees of a TLS connection must be what it would see of a
 * plain one. */
#include "runtime/net/internal.h"
#include "tap.h"

#include "guest.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/wait.h>

static int g_listener = -1;
static uint16_t g_port;

static void start(void)
{
    if (g_listener >= 0)
        return;
    struct error e = {0};
    guest_start();
    guest_rule((struct runtime_net_rule){.listen = true, .class = NET_CLASS_TLS, .tls = &g_tls});
    guest_rule((struct runtime_net_rule){.class = NET_CLASS_TLS,
                                         .address = "127.0.0.1",
                                         .port = 4,
                                         .trust_pem = g_pki.certificate_pem});
    REQUIRE(net_init(&g_config, &e) == 0);
    g_listener = guest_listen(0, &g_port);
}

/* A connection through its handshake: both ends. */
static int connected(struct peer *ret_peer, int flags)
{
    start();
    *ret_peer = peer_connect(g_port);
    int fd = (int)GUEST(accept4, g_listener, NULL, NULL, flags);
    REQUIRE(fd >= 0 && peer_handshake(ret_peer, fd));
    return fd;
}

static int watch(int fd, uint32_t events)
{
    struct epoll_event event = {events, {.u64 = 0x1234567800000000u + (unsigned)fd}};
    int ep = epoll_create1(EPOLL_CLOEXEC);
    REQUIRE(ep >= 0);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_ADD, fd, &event), 0);
    return ep;
}

static uint32_t look(int ep, int timeout_ms)
{
    struct epoll_event events[4] = {0};
    int64_t n = GUEST(epoll_wait, ep, events, 4, timeout_ms);
    CHECK(n >= 0 && n <= 1);
    return n == 1 ? events[0].events : 0;
}

static void drain(int fd)
{
    char bytes[256];
    while (GUEST(recvfrom, fd, bytes, sizeof bytes, MSG_DONTWAIT, 0, 0) > 0)
        ;
}

TEST(accept_returns_before_the_handshake_and_names_are_the_sockets)
{
    start();
    struct sockaddr_in name = {0}, own = {0};
    socklen_t size = sizeof name, own_size = sizeof own;
    int raw = tcp_connect(g_port);
    int fd = (int)GUEST(accept4, g_listener, &name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(size, sizeof name);
    getsockname(raw, (struct sockaddr *)&own, &own_size);
    CHECK_EQ(name.sin_port, own.sin_port);
    CHECK_EQ(GUEST(getpeername, fd, &name, &size), 0);
    CHECK_EQ(name.sin_port, own.sin_port);
    int one = 1, value = 0;
    socklen_t value_size = sizeof value;
    CHECK_EQ(GUEST(setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    CHECK_EQ(GUEST(getsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, &value_size), 0);
    CHECK_EQ(value, 1);
    CHECK_EQ(GUEST(setsockopt, fd, IPPROTO_TCP, TCP_ULP, "tls", 3), -ENOPROTOOPT);
    char byte;
    CHECK_EQ(guest_read_fd(fd, &byte, 1), -EAGAIN);
    close(raw);
    wait_readable(fd);
    CHECK_EQ(guest_read_fd(fd, &byte, 1), 0);
    guest_close(fd);
}

TEST(bytes_counts_and_ends_are_those_of_the_plaintext)
{
    struct peer p;
    char bytes[64];
    int fd = connected(&p, SOCK_NONBLOCK), count = 0;
    peer_say(&p, "hello", fd);
    CHECK_EQ(GUEST(recvfrom, fd, bytes, 2, MSG_PEEK, 0, 0), 2);
    struct file *f = fd_get(fd);
    CHECK_EQ(f->ops->ioctl(f, FIONREAD, (unsigned long)&count), 0);
    file_put(f);
    CHECK_EQ(count, 5);
    CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), 5);
    CHECK_EQ(guest_write_fd(fd, "world", 5), 5);
    CHECK_EQ(peer_hear(&p, bytes, sizeof bytes), 5);
    CHECK_EQ(GUEST(shutdown, fd, SHUT_WR), 0);
    CHECK_EQ(peer_hear(&p, bytes, sizeof bytes), 0);
    CHECK_EQ(SSL_get_error(p.ssl, 0), SSL_ERROR_ZERO_RETURN);
    CHECK_EQ(guest_write_fd(fd, "x", 1), -EPIPE);
    SSL_shutdown(p.ssl);
    wait_readable(fd);
    CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), 0);
    guest_close(fd);
    peer_close(&p);
}

TEST(closing_says_goodbye)
{
    struct peer p;
    char bytes[8];
    int fd = connected(&p, SOCK_NONBLOCK);
    guest_close(fd);
    CHECK_EQ(peer_hear(&p, bytes, sizeof bytes), 0);
    CHECK_EQ(SSL_get_error(p.ssl, 0), SSL_ERROR_ZERO_RETURN);
    peer_close(&p);
}

TEST(level_triggered_epoll_tells_of_plaintext_while_the_socket_is_silent)
{
    struct peer p;
    char bytes[64];
    int fd = connected(&p, SOCK_NONBLOCK);
    int ep = watch(fd, EPOLLIN);
    CHECK_EQ(look(ep, 0), 0);
    peer_say(&p, "ten bytes!", fd);
    CHECK_EQ(look(ep, -1), EPOLLIN);
    CHECK_EQ(look(ep, 0), EPOLLIN);
    CHECK_EQ(guest_read_fd(fd, bytes, 4), 4);
    CHECK_EQ(look(ep, 0), EPOLLIN);
    CHECK_EQ(look(ep, -1), EPOLLIN);
    CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), 6);
    CHECK_EQ(look(ep, 0), 0);
    CHECK_EQ(look(ep, 1), 0);
    peer_say(&p, "more", fd);
    CHECK_EQ(look(ep, -1), EPOLLIN);
    guest_close(ep);
    guest_close(fd);
    peer_close(&p);
}

TEST(edge_triggered_epoll_tells_once_for_each_arrival)
{
    struct peer p;
    char bytes[64];
    int fd = connected(&p, SOCK_NONBLOCK);
    int ep = watch(fd, EPOLLIN | EPOLLET);
    CHECK_EQ(look(ep, 0), 0);
    peer_say(&p, "ten bytes!", fd);
    CHECK_EQ(look(ep, -1), EPOLLIN);
    CHECK_EQ(look(ep, 0), 0);
    CHECK_EQ(guest_read_fd(fd, bytes, 4), 4);
    CHECK_EQ(look(ep, 0), 0);
    peer_say(&p, "more", fd);
    CHECK_EQ(look(ep, -1), EPOLLIN);
    CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), 10);
    CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), -EAGAIN);
    CHECK_EQ(look(ep, 0), 0);
    guest_close(ep);
    guest_close(fd);
    peer_close(&p);
}

TEST(an_edge_is_not_lost_to_a_call_that_took_the_bytes)
{
    struct peer p;
    char bytes[64];
    struct pollfd q;
    int fd = connected(&p, SOCK_NONBLOCK);
    int ep = watch(fd, EPOLLIN | EPOLLET);
    CHECK_EQ(look(ep, 0), 0);
    peer_say(&p, "ten bytes!", fd);
    q = (struct pollfd){.fd = fd, .events = POLLIN};
    CHECK_EQ(GUEST(poll, &q, 1, 0), 1);
    CHECK_EQ(look(ep, 0), EPOLLIN);
    CHECK_EQ(guest_read_fd(fd, bytes, 4), 4);
    CHECK_EQ(look(ep, 0), 0);
    drain(fd);
    peer_say(&p, "again", fd);
    CHECK_EQ(guest_read_fd(fd, bytes, 1), 1);
    CHECK_EQ(look(ep, 0), EPOLLIN);
    drain(fd);
    peer_say(&p, "last", fd);
    drain(fd);
    CHECK_EQ(look(ep, 0), 0);
    guest_close(ep);
    guest_close(fd);
    peer_close(&p);
}

TEST(what_is_no_data_wakes_nobody)
{
    struct peer p;
    char bytes[8];
    static const uint32_t kinds[] = {EPOLLIN, EPOLLIN | EPOLLET, EPOLLIN | EPOLLOUT | EPOLLET};
    for (int i = 0; i < 3; i++) {
        int fd = connected(&p, SOCK_NONBLOCK);
        int ep = watch(fd, kinds[i]);
        (void)look(ep, 0);
        SSL_key_update(p.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
        CHECK_EQ(SSL_do_handshake(p.ssl), 1);
        wait_readable(fd);
        CHECK_EQ(look(ep, 20), 0);
        peer_say(&p, "x", fd);
        CHECK(look(ep, -1) & EPOLLIN);
        CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), 1);
        guest_close(ep);
        guest_close(fd);
        peer_close(&p);
    }
}

TEST(one_shot_fires_once_and_re_arming_sees_what_is_left)
{
    struct peer p;
    char bytes[64];
    int fd = connected(&p, SOCK_NONBLOCK);
    struct epoll_event again = {EPOLLIN | EPOLLONESHOT, {.u64 = 7}};
    int ep = watch(fd, EPOLLIN | EPOLLONESHOT);
    peer_say(&p, "ten bytes!", fd);
    CHECK_EQ(look(ep, -1), EPOLLIN);
    CHECK_EQ(look(ep, 0), 0);
    CHECK_EQ(guest_read_fd(fd, bytes, 4), 4);
    peer_say(&p, "more", fd);
    CHECK_EQ(look(ep, 20), 0);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_MOD, fd, &again), 0);
    CHECK_EQ(look(ep, -1), EPOLLIN);
    drain(fd);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_MOD, fd, &again), 0);
    CHECK_EQ(look(ep, 0), 0);
    peer_say(&p, "x", fd);
    CHECK_EQ(look(ep, -1), EPOLLIN);
    guest_close(ep);
    guest_close(fd);
    peer_close(&p);
}

static _Atomic int g_waiting_tid;

static void *wait_in_thread(void *ep)
{
    struct thread t;
    REQUIRE(thread_adopt(&t) == 0);
    atomic_store(&g_waiting_tid, t.tid);
    return (void *)(uintptr_t)look(*(int *)ep, 5000);
}

/* Until the thread is asleep in the host; either order must work, this is the interesting one. */
static void wait_asleep(void)
{
    char path[64], line[256], state = 0;
    while (state != 'S') {
        int tid = atomic_load(&g_waiting_tid);
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
        FILE *file = tid ? fopen(path, "r") : NULL;
        if (!file)
            continue;
        const char *at = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
        state = at ? at[2] : 0;
        fclose(file);
    }
}

TEST(re_arming_wakes_a_thread_that_waits_already)
{
    struct peer p;
    char bytes[64];
    pthread_t thread;
    void *got;
    int fd = connected(&p, SOCK_NONBLOCK);
    struct epoll_event again = {EPOLLIN | EPOLLONESHOT, {.u64 = 7}};
    int ep = watch(fd, EPOLLIN | EPOLLONESHOT);
    peer_say(&p, "ten bytes!", fd);
    CHECK_EQ(look(ep, -1), EPOLLIN);
    CHECK_EQ(guest_read_fd(fd, bytes, 4), 4);
    REQUIRE(pthread_create(&thread, NULL, wait_in_thread, &ep) == 0);
    wait_asleep();
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_MOD, fd, &again), 0);
    pthread_join(thread, &got);
    CHECK_EQ((uintptr_t)got, EPOLLIN);
    guest_close(ep);
    guest_close(fd);
    peer_close(&p);
}

TEST(room_to_write_comes_with_the_handshake)
{
    static const uint32_t kinds[] = {EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLOUT | EPOLLET};
    start();
    for (int i = 0; i < 2; i++) {
        struct peer p = peer_connect(g_port);
        int fd = (int)GUEST(accept4, g_listener, NULL, NULL, SOCK_NONBLOCK);
        int ep = watch(fd, kinds[i]);
        CHECK_EQ(look(ep, 0), 0);
        CHECK_EQ(guest_write_fd(fd, "x", 1), -EAGAIN);
        uint32_t got = 0;
        for (int turn = 0; turn < 100 && !got; turn++) {
            (void)SSL_do_handshake(p.ssl);
            got = look(ep, 1);
        }
        CHECK_EQ(got, EPOLLOUT);
        CHECK_EQ(guest_write_fd(fd, "x", 1), 1);
        CHECK_EQ(look(ep, 0), i == 0 ? EPOLLOUT : 0);
        guest_close(ep);
        guest_close(fd);
        peer_close(&p);
    }
}

TEST(a_writer_that_filled_the_socket_is_told_of_room)
{
    static const uint32_t kinds[] = {EPOLLOUT, EPOLLOUT | EPOLLET};
    static char bytes[1 << 20];
    for (int i = 0; i < 2; i++) {
        struct peer p;
        int fd = connected(&p, SOCK_NONBLOCK);
        int ep = watch(fd, kinds[i]);
        CHECK_EQ(look(ep, 0), EPOLLOUT);
        size_t sent = 0, seen = 0, total = 24 << 20;
        int waits = 0;
        while (sent < total && waits < 100000) {
            int64_t n = guest_write_fd(fd, bytes, MIN(sizeof bytes, total - sent));
            if (n > 0) {
                sent += (size_t)n;
                continue;
            }
            CHECK_EQ(n, -EAGAIN);
            uint32_t got = 0;
            for (int turn = 0; !got && turn < 100000; turn++, waits++) {
                char heard[16384];
                for (int k = 0, r; k < 16 && (r = SSL_read(p.ssl, heard, sizeof heard)) > 0; k++)
                    seen += (size_t)r;
                got = look(ep, 0);
            }
            if (got != EPOLLOUT) {
                CHECK_EQ(got, EPOLLOUT);
                break;
            }
        }
        CHECK(sent == total && seen <= sent);
        guest_close(ep);
        guest_close(fd);
        peer_close(&p);
    }
}

TEST(plain_descriptors_in_the_same_instance_are_as_ever)
{
    struct peer p;
    int pipe_fds[2];
    int fd = connected(&p, SOCK_NONBLOCK);
    int ep = watch(fd, EPOLLIN);
    struct epoll_event event = {EPOLLIN, {.u64 = 99}}, got[4];
    REQUIRE(pipe(pipe_fds) == 0);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_ADD, pipe_fds[0], &event), 0);
    CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
    CHECK_EQ(GUEST(epoll_wait, ep, got, 4, -1), 1);
    CHECK_EQ(got[0].data.u64, 99);
    peer_say(&p, "x", fd);
    CHECK_EQ(GUEST(epoll_wait, ep, got, 4, -1), 2);
    CHECK_EQ(GUEST(epoll_wait, ep, got, 1, -1), 1);
    event.data.u64 = 5;
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_ADD, fd, &event), -EEXIST);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_MOD, fd, &event), 0);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_DEL, pipe_fds[0], NULL), 0);
    CHECK_EQ(GUEST(epoll_wait, ep, got, 4, -1), 1);
    CHECK_EQ(got[0].data.u64, 5);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_DEL, fd, NULL), 0);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_DEL, fd, NULL), -ENOENT);
    CHECK_EQ(GUEST(epoll_wait, ep, got, 4, 0), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    guest_close(ep);
    guest_close(fd);
    peer_close(&p);
}

TEST(poll_and_select_tell_of_plaintext)
{
    struct peer p;
    char bytes[64];
    int fd = connected(&p, 0);
    struct pollfd q = {.fd = fd, .events = POLLIN | POLLOUT};
    fd_set in, out;
    struct timeval none = {0, 0};
    CHECK_EQ(GUEST(poll, &q, 1, 0), 1);
    CHECK_EQ(q.revents, POLLOUT);
    peer_say(&p, "ten bytes!", fd);
    for (int i = 0; i < 2; i++) {
        q.events = POLLIN;
        CHECK_EQ(GUEST(poll, &q, 1, -1), 1);
        CHECK_EQ(q.revents, POLLIN);
        FD_ZERO(&in);
        FD_ZERO(&out);
        FD_SET(fd, &in);
        FD_SET(fd, &out);
        CHECK_EQ(GUEST(select, fd + 1, &in, &out, NULL, &none), 2);
        CHECK(FD_ISSET(fd, &in) && FD_ISSET(fd, &out));
        CHECK_EQ(guest_read_fd(fd, bytes, 4), 4);
    }
    drain(fd);
    CHECK_EQ(GUEST(poll, &q, 1, 1), 0);
    FD_ZERO(&in);
    FD_SET(fd, &in);
    CHECK_EQ(GUEST(select, fd + 1, &in, NULL, NULL, &none), 0);
    CHECK(!FD_ISSET(fd, &in));
    guest_close(fd);
    peer_close(&p);
}

TEST(messages_are_gathered_and_scattered)
{
    struct peer p;
    char one[4], two[8];
    int fd = connected(&p, SOCK_NONBLOCK);
    struct iovec iov[2] = {{one, sizeof one}, {two, sizeof two}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    peer_say(&p, "abcdefgh", fd);
    CHECK_EQ(GUEST(recvmsg, fd, &message, 0), 8);
    CHECK(memcmp(one, "abcd", 4) == 0 && memcmp(two, "efgh", 4) == 0);
    CHECK_EQ(GUEST(sendmsg, fd, &message, MSG_NOSIGNAL), 12);
    char bytes[32];
    CHECK_EQ(peer_hear(&p, bytes, sizeof bytes), 12);
    struct mmsghdr several[2] = {{.msg_hdr = message}, {.msg_hdr = message}};
    CHECK_EQ(GUEST(sendmmsg, fd, several, 2, MSG_NOSIGNAL), 2);
    CHECK_EQ(several[1].msg_len, 12);
    CHECK_EQ(GUEST(recvmsg, fd, 8, 0), -EFAULT);
    CHECK_EQ(GUEST(recvfrom, fd, 8, 100, 0, 0, 0), -EAGAIN); /* nothing to put there */
    guest_close(fd);
    peer_close(&p);
}

TEST(receive_timeouts_and_wait_all_hold)
{
    struct peer p;
    char bytes[10];
    int fd = connected(&p, 0);
    struct timeval tv = {0, 20000};
    CHECK_EQ(GUEST(setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), 0);
    CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), -EAGAIN);
    peer_say(&p, "12345", fd);
    CHECK_EQ(GUEST(recvfrom, fd, bytes, 10, MSG_WAITALL, 0, 0), 5);
    peer_say(&p, "12345", fd);
    CHECK_EQ(SSL_write(p.ssl, "67890", 5), 5);
    CHECK_EQ(GUEST(recvfrom, fd, bytes, 10, MSG_WAITALL, 0, 0), 10);
    guest_close(fd);
    peer_close(&p);
}

TEST(a_shielded_descriptor_does_not_leave)
{
    struct peer p;
    int fd = connected(&p, SOCK_NONBLOCK), pair[2], plain = dup(2);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    for (int i = 0; i < 2; i++) {
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
        char byte = 'x';
        struct iovec iov = {&byte, 1};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        struct cmsghdr *h = CMSG_FIRSTHDR(&message);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), i ? &fd : &plain, sizeof(int));
        CHECK_EQ(GUEST(sendmsg, pair[0], &message, 0), i ? -EPERM : 1);
    }
    close(pair[0]);
    close(pair[1]);
    close(plain);
    guest_close(fd);
    peer_close(&p);
}

TEST(a_fork_leaves_a_begun_connection_with_the_parent)
{
    struct peer p;
    char bytes[8];
    int fd = connected(&p, SOCK_NONBLOCK), status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = guest_read_fd(fd, bytes, 1) == -EIO && guest_write_fd(fd, "x", 1) == -EIO;
        guest_close(fd); /* says nothing */
        _exit(ok ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    CHECK_EQ(status, 0);
    CHECK_EQ(guest_write_fd(fd, "still", 5), 5);
    CHECK_EQ(peer_hear(&p, bytes, sizeof bytes), 5);
    guest_close(fd);
    peer_close(&p);
}

TEST(after_a_fork_the_first_to_use_a_fresh_connection_has_it)
{
    for (int child_first = 0; child_first < 2; child_first++) {
        start();
        struct peer p = peer_connect(g_port);
        int fd = (int)GUEST(accept4, g_listener, NULL, NULL, SOCK_NONBLOCK), status = -1, go[2];
        char byte;
        REQUIRE(pipe(go) == 0);
        if (!child_first)
            CHECK_EQ(guest_read_fd(fd, &byte, 1), -EAGAIN);
        pid_t pid = fork();
        if (pid == 0) {
            int64_t r = guest_read_fd(fd, &byte, 1);
            _exit(r == (child_first ? -EAGAIN : -EIO) ? 0 : 1);
        }
        waitpid(pid, &status, 0);
        CHECK_EQ(status, 0);
        CHECK_EQ(guest_read_fd(fd, &byte, 1), child_first ? -EIO : -EAGAIN);
        close(go[0]);
        close(go[1]);
        guest_close(fd);
        peer_close(&p);
    }
}

TEST(a_duplicate_is_the_same_connection)
{
    struct peer p;
    char bytes[8];
    int fd = connected(&p, SOCK_NONBLOCK), copy = dup(fd);
    struct file *f = fd_get(fd);
    REQUIRE(fd_replace(copy, f) == 0);
    guest_close(fd);
    peer_say(&p, "still", copy);
    CHECK_EQ(guest_read_fd(copy, bytes, sizeof bytes), 5);
    guest_close(copy);
    CHECK_EQ(peer_hear(&p, bytes, sizeof bytes), 0);
    CHECK_EQ(SSL_get_error(p.ssl, 0), SSL_ERROR_ZERO_RETURN);
    peer_close(&p);
}

/* Whether a connection whose peer says nothing ends by itself under each kind of wait. */
TEST(a_handshake_has_its_time_and_no_more)
{
    int64_t limit = g_handshake_limit_ns;
    char bytes[8];
    start();
    g_handshake_limit_ns = 2000000;
    for (int kind = 0; kind < 3; kind++) {
        struct peer p = peer_connect(g_port);
        int fd = (int)GUEST(accept4, g_listener, NULL, NULL, kind == 0 ? 0 : SOCK_NONBLOCK),
            error = 0;
        socklen_t size = sizeof error;
        if (kind == 1) {
            int ep = watch(fd, EPOLLIN);
            CHECK((look(ep, -1) & (EPOLLIN | EPOLLERR)) == (EPOLLIN | EPOLLERR));
            guest_close(ep);
        } else if (kind == 2) {
            struct pollfd one = {.fd = fd, .events = POLLIN};
            CHECK_EQ(GUEST(poll, &one, 1, -1), 1);
            CHECK(one.revents & POLLERR);
        }
        if (kind == 0) {
            CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), -ETIMEDOUT);
        } else {
            CHECK_EQ(GUEST(getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
            CHECK_EQ(error, ETIMEDOUT);
        }
        CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), 0);
        guest_close(fd);
        peer_close(&p);
    }
    g_handshake_limit_ns = limit;
    struct peer p;
    int fd = connected(&p, SOCK_NONBLOCK); /* one that is done is not ended */
    CHECK(handshake_turn() < 0);
    peer_say(&p, "here", fd);
    CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), 4);
    guest_close(fd);
    peer_close(&p);
}

TEST(a_failed_connection_reports_its_error_once)
{
    struct peer p;
    char bytes[8];
    int fd = connected(&p, SOCK_NONBLOCK), error = 0;
    socklen_t size = sizeof error;
    int ep = watch(fd, EPOLLIN);
    CHECK_EQ(write(p.fd, "this is no record", 17), 17);
    wait_readable(fd);
    uint32_t got = look(ep, -1);
    CHECK((got & (EPOLLIN | EPOLLERR)) == (EPOLLIN | EPOLLERR));
    CHECK_EQ(GUEST(getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    CHECK_EQ(error, ECONNRESET);
    CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), 0);
    guest_close(ep);
    guest_close(fd);
    peer_close(&p);
}

TAP_MAIN()
