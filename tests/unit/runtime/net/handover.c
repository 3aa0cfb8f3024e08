/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-over: the test is the agent. */
#include "tap.h"

#include "guest.h"

#include "base/handover.h"

#include <sys/epoll.h>
#include <sys/mman.h>

enum { PORT = 8443 };

static int g_agent = -1, g_listener = -1;
static struct handover_status *g_status;
static volatile sig_atomic_t g_terms;

static void on_term(int signal)
{
    (void)signal;
    g_terms++;
}

/* The next message from the runtime, or a message of type 0 if there is none. */
static struct handover_message heard(void)
{
    struct handover_message m = {0};
    ssize_t n = recv(g_agent, &m, sizeof m, MSG_DONTWAIT);
    CHECK(n == sizeof m || n < 0);
    return n < 0 ? (struct handover_message){0} : m;
}

static void say(const void *bytes, size_t size, int fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {(void *)(uintptr_t)bytes, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *h = CMSG_FIRSTHDR(&message);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(h), &fd, sizeof fd);
    }
    REQUIRE(sendmsg(g_agent, &message, 0) == (ssize_t)size);
}

/* A client's connection in the agent's hands; what it hands over. */
static int client(struct peer *ret_peer)
{
    static int listener = -1;
    static uint16_t port;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    if (listener < 0) {
        listener = socket(AF_INET, SOCK_STREAM, 0);
        REQUIRE(bind(listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(listener, 8) == 0);
        REQUIRE(getsockname(listener, (struct sockaddr *)&a, &size) == 0);
        port = ntohs(a.sin_port);
    }
    *ret_peer = peer_connect(port);
    int fd = accept(listener, NULL, NULL);
    REQUIRE(fd >= 0);
    return fd;
}

static void hand_over(uint64_t id, int fd)
{
    struct handover_message m = {.type = HANDOVER_CONNECTION, .id = id};
    say(&m, sizeof m, fd);
    close(fd);
}

static void start(void)
{
    int pair[2], page;
    struct error e = {0};
    if (g_agent >= 0)
        return;
    guest_start();
    signal(SIGTERM, on_term);
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    page = memfd_create("status", 0);
    REQUIRE(page >= 0 && ftruncate(page, 4096) == 0);
    g_status = mmap(NULL, 4096, PROT_READ, MAP_SHARED, page, 0);
    g_agent = pair[0];
    g_config.handover_fd = pair[1];
    g_config.handover_status_fd = page;
    guest_rule((struct runtime_net_rule){
        .listen = true, .class = NET_CLASS_HANDOVER, .port = PORT, .tls = &g_tls});
    REQUIRE(net_init(&g_config, &e) == 0);
}

TEST(listening_needs_no_port_of_the_host_and_says_ready)
{
    start();
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    socklen_t size = sizeof a;
    int one = 1;
    g_listener = (int)GUEST(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_EQ(GUEST(setsockopt, g_listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    CHECK_EQ(GUEST(bind, g_listener, &a, sizeof a), 0);
    CHECK_EQ(GUEST(bind, g_listener, &a, sizeof a), -EINVAL);
    CHECK_EQ(GUEST(accept, g_listener, NULL, NULL), -EINVAL);
    CHECK_EQ(heard().type, 0);
    CHECK_EQ(GUEST(listen, g_listener, 10), 0);
    CHECK_EQ(heard().type, HANDOVER_READY);
    CHECK(atomic_load(&g_status->active_ns) > 0);
    memset(&a, 0, sizeof a);
    CHECK_EQ(GUEST(getsockname, g_listener, &a, &size), 0);
    CHECK_EQ(ntohs(a.sin_port), PORT);
    CHECK_EQ(GUEST(setsockopt, g_listener, 6, 5, &one, sizeof one), 0);
    int type = 0;
    socklen_t type_size = sizeof type;
    CHECK_EQ(GUEST(getsockopt, g_listener, SOL_SOCKET, SO_TYPE, &type, &type_size), 0);
    CHECK_EQ(type, SOCK_STREAM);
    CHECK_EQ(GUEST(accept, g_listener, NULL, NULL), -EAGAIN);
}

TEST(a_connection_begins_with_its_first_byte_and_ends_with_close)
{
    start();
    struct peer p;
    struct sockaddr_in name = {0};
    socklen_t size = sizeof name;
    struct epoll_event event = {EPOLLIN, {.u64 = 3}}, got;
    int ep = epoll_create1(0);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_ADD, g_listener, &event), 0);
    CHECK_EQ(GUEST(epoll_wait, ep, &got, 1, 0), 0);
    hand_over(77, client(&p));
    CHECK_EQ(GUEST(epoll_wait, ep, &got, 1, -1), 1);
    CHECK_EQ(got.data.u64, 3);
    int fd = (int)GUEST(accept4, g_listener, &name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(name.sin_family, AF_INET);
    CHECK_EQ(GUEST(epoll_wait, ep, &got, 1, 0), 0);
    CHECK_EQ(heard().type, 0);
    REQUIRE(peer_handshake(&p, fd));
    struct handover_message m = heard();
    CHECK_EQ(m.type, HANDOVER_BEGUN);
    CHECK_EQ(m.id, 77);
    CHECK_EQ(atomic_load(&g_status->connections), 1);
    CHECK_EQ(atomic_load(&g_status->handshakes), 1);
    peer_say(&p, "x", fd);
    char byte;
    CHECK_EQ(guest_read_fd(fd, &byte, 1), 1);
    guest_close(fd);
    m = heard();
    CHECK_EQ(m.type, HANDOVER_CLOSED);
    CHECK_EQ(m.id, 77);
    CHECK_EQ(atomic_load(&g_status->connections), 0);
    peer_close(&p);
    guest_close(ep);
}

TEST(what_the_guest_gives_up_unread_is_not_kept_by_the_agent)
{
    start();
    struct peer p;
    hand_over(5, client(&p));
    int fd = (int)GUEST(accept4, g_listener, NULL, NULL, SOCK_NONBLOCK);
    CHECK(fd >= 0);
    guest_close(fd);
    CHECK_EQ(heard().type, HANDOVER_BEGUN);
    CHECK_EQ(heard().type, HANDOVER_CLOSED);
    peer_close(&p);
}

TEST(a_lying_agent_gets_nowhere)
{
    start();
    struct peer p;
    struct handover_message m = {.type = HANDOVER_CONNECTION, .id = 1};
    uint8_t longer[64] = {HANDOVER_CONNECTION};
    int pipe_fds[2];
    REQUIRE(pipe(pipe_fds) == 0);
    say(&m, sizeof m, -1);          /* a connection without one */
    say(&m, sizeof m, pipe_fds[0]); /* no socket */
    say(&m, sizeof m, g_agent);     /* no stream */
    say(&m, 3, -1);
    say(longer, sizeof longer, pipe_fds[0]);
    m.type = HANDOVER_BEGUN;
    say(&m, sizeof m, -1);
    m.type = 0xffffffff;
    say(&m, sizeof m, -1);
    m = (struct handover_message){.type = HANDOVER_DRAIN, .zero = 1};
    say(&m, sizeof m, -1);
    hand_over(6, client(&p));
    int fd = (int)GUEST(accept4, g_listener, NULL, NULL, SOCK_NONBLOCK);
    CHECK(fd >= 0);
    CHECK_EQ(g_terms, 0);
    guest_close(fd);
    CHECK_EQ(heard().id, 6);
    (void)heard();
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    peer_close(&p);
}

TEST(draining_returns_what_has_not_begun_and_asks_the_program_to_finish)
{
    start();
    struct peer p, q;
    struct handover_message m = {.type = HANDOVER_DRAIN};
    say(&m, sizeof m, -1);
    hand_over(8, client(&p));
    CHECK_EQ(GUEST(accept, g_listener, NULL, NULL), -EAGAIN);
    CHECK_EQ(g_terms, 1);
    m = heard();
    CHECK_EQ(m.type, HANDOVER_RETURNED);
    CHECK_EQ(m.id, 8);
    hand_over(9, client(&q));
    CHECK_EQ(GUEST(accept, g_listener, NULL, NULL), -EAGAIN);
    CHECK_EQ(heard().id, 9);
    CHECK_EQ(g_terms, 1);
    peer_close(&p);
    peer_close(&q);
}

TEST(an_agent_that_is_gone_leaves_a_quiet_listener)
{
    start();
    struct epoll_event event = {EPOLLIN, {.u64 = 3}}, got;
    struct pollfd poll_it = {.fd = g_listener, .events = POLLIN};
    int ep = epoll_create1(0);
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_ADD, g_listener, &event), 0);
    close(g_agent);
    CHECK_EQ(GUEST(accept, g_listener, NULL, NULL), -EAGAIN);
    CHECK_EQ(GUEST(poll, &poll_it, 1, 0), 0);
    CHECK_EQ(GUEST(epoll_wait, ep, &got, 1, 0), 0);
    CHECK_EQ(GUEST(accept, g_listener, NULL, NULL), -EAGAIN);
    guest_close(ep);
    guest_close(g_listener);
}

TAP_MAIN()
