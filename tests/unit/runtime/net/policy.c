/* SPDX-License-Identifier: Apache-2.0 */
/* With a policy: what no rule names is refused, and a destination that a rule names is TLS. */
#include "tap.h"

#include "guest.h"

#include <base/log.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <runtime/explain/explain.h>
#include <sys/epoll.h>
#include <sys/un.h>

enum { PORT_PLAIN = 1, PORT_TLS = 2, PORT_DENIED = 3, PORT_UDP = 4 };

static char g_logged[512];
static unsigned g_log_count;
static uint16_t g_server_port;
static int g_server;

static void sink(enum log_level level, struct slice line)
{
    (void)level;
    g_log_count++;
    snprintf(g_logged, sizeof g_logged, "%.*s", (int)line.size, (const char *)line.bytes);
}

/* A server outside the shield, on whose port the client rule is. */
static void server_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    g_server = socket(AF_INET, SOCK_STREAM, 0);
    g_server = fcntl(g_server, F_DUPFD, 300); /* not to be taken for the guest's own */
    REQUIRE(bind(g_server, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(g_server, 16) == 0);
    REQUIRE(getsockname(g_server, (struct sockaddr *)&address, &size) == 0);
    g_server_port = ntohs(address.sin_port);
}

static void start(void)
{
    struct error e = {0};
    if (g_server_port)
        return;
    guest_start();
    server_start();
    log_set_sink(sink, "test", LOG_LEVEL_NOTICE);
    g_config.has_policy = true;
    explain_start(&g_config, 2);
    guest_rule((struct runtime_net_rule){.class = NET_CLASS_TLS,
                                         .address = "127.0.0.1",
                                         .port = g_server_port,
                                         .trust_pem = g_pki.certificate_pem});
    guest_rule((struct runtime_net_rule){.class = NET_CLASS_TLS,
                                         .address = "127.0.0.2",
                                         .port = g_server_port,
                                         .server_name = "elsewhere",
                                         .trust_pem = g_pki.certificate_pem});
    guest_rule((struct runtime_net_rule){
        .class = NET_CLASS_PLAIN, .address = "localhost", .port = PORT_PLAIN});
    guest_rule(
        (struct runtime_net_rule){.listen = true, .class = NET_CLASS_PLAIN, .port = PORT_PLAIN});
    guest_rule((struct runtime_net_rule){
        .class = NET_CLASS_PLAIN, .protocol = NET_UDP, .address = "localhost", .port = PORT_UDP});
    guest_rule((struct runtime_net_rule){
        .listen = true, .class = NET_CLASS_PLAIN, .protocol = NET_UNIX, .address = "@coffer-ours"});
    guest_rule((struct runtime_net_rule){
        .class = NET_CLASS_PLAIN, .protocol = NET_UNIX, .address = "@coffer-ours"});
    guest_rule((struct runtime_net_rule){
        .class = NET_CLASS_PLAIN, .protocol = NET_UNIX, .address = "/tmp/coffer-below/"});
    guest_rule(
        (struct runtime_net_rule){.listen = true, .class = NET_CLASS_DENIED, .port = PORT_DENIED});
    REQUIRE(net_init(&g_config, &e) == 0);
}

static struct sockaddr_in to(const char *address, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    REQUIRE(inet_pton(AF_INET, address, &a.sin_addr) == 1);
    return a;
}

static int64_t try_connect(const char *address, uint16_t port, int type)
{
    struct sockaddr_in a = to(address, port);
    int fd = (int)GUEST(socket, AF_INET, type, 0);
    REQUIRE(fd >= 0);
    int64_t r = GUEST(connect, fd, &a, sizeof a);
    guest_close(fd);
    return r;
}

TEST(a_destination_that_no_rule_names_is_refused_and_the_log_says_so)
{
    start();
    g_log_count = 0;
    CHECK_EQ(try_connect("127.0.0.1", 9, SOCK_STREAM), -EACCES);
    CHECK_EQ(g_log_count, 1);
    CHECK(strstr(g_logged, "--explain"));
    CHECK(!strstr(g_logged, "127.0.0.1")); /* the host reads this, and a policy hides names */
    CHECK_EQ(try_connect("127.0.0.1", PORT_PLAIN, SOCK_STREAM), -ECONNREFUSED);
    CHECK_EQ(try_connect("192.0.2.1", PORT_PLAIN, SOCK_STREAM), -EACCES);
}

TEST(datagrams_go_only_where_a_plain_rule_lets_them)
{
    start();
    struct sockaddr_in plain = to("127.0.0.1", PORT_UDP), other = to("127.0.0.1", PORT_PLAIN),
                       tls = to("127.0.0.1", g_server_port);
    int fd = (int)GUEST(socket, AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(GUEST(sendto, fd, "x", 1, 0, &plain, sizeof plain), 1);
    CHECK_EQ(GUEST(sendto, fd, "x", 1, 0, &other, sizeof other), -EACCES);
    CHECK_EQ(GUEST(sendto, fd, "x", 1, 0, &tls, sizeof tls), -EACCES);
    struct iovec iov = {&plain, 1};
    struct msghdr message = {
        .msg_name = &other, .msg_namelen = sizeof other, .msg_iov = &iov, .msg_iovlen = 1};
    CHECK_EQ(GUEST(sendmsg, fd, &message, 0), -EACCES);
    struct mmsghdr several = {.msg_hdr = message};
    CHECK_EQ(GUEST(sendmmsg, fd, &several, 1, 0), -EACCES);
    guest_close(fd);
    CHECK_EQ(try_connect("127.0.0.1", 53, SOCK_DGRAM), -EACCES);
}

TEST(other_kinds_of_sockets_are_refused_but_for_unix_ones)
{
    start();
    CHECK_EQ(GUEST(socket, AF_INET, SOCK_RAW, IPPROTO_ICMP), -EACCES);
    CHECK_EQ(GUEST(socket, AF_PACKET, SOCK_DGRAM, 0), -EACCES);
    CHECK_EQ(GUEST(socket, AF_VSOCK, SOCK_STREAM, 0), -EACCES);
    int fd = (int)GUEST(socket, AF_UNIX, SOCK_STREAM, 0);
    CHECK(fd >= 0 && !fd_is_shielded(fd));
    close(fd);
}

static struct sockaddr_un un(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    return address;
}

static int64_t un_call(bool bind, int type, const char *name)
{
    struct sockaddr_un address = un(name);
    size_t size = offsetof(struct sockaddr_un, sun_path) + strlen(name);
    int fd = (int)GUEST(socket, AF_UNIX, type, 0);
    REQUIRE(fd >= 0);
    int64_t r = bind ? GUEST(bind, fd, &address, size) : GUEST(connect, fd, &address, size);
    guest_close(fd);
    return r;
}

TEST(unix_sockets_are_named_in_the_policy_or_refused)
{
    start();
    CHECK_EQ(un_call(true, SOCK_STREAM, "@coffer-ours"), 0);
    CHECK_EQ(un_call(true, SOCK_STREAM, "@coffer-ours2"), -EACCES);
    CHECK_EQ(un_call(true, SOCK_STREAM, "@coffer-our"), -EACCES);
    CHECK_EQ(un_call(false, SOCK_STREAM, "@coffer-ours"), -ECONNREFUSED);
    CHECK_EQ(un_call(false, SOCK_STREAM, "@coffer-others"), -EACCES);
    CHECK_EQ(un_call(true, SOCK_STREAM, "/tmp/coffer-below/x"), -EACCES); /* only to connect */
    CHECK_EQ(un_call(false, SOCK_STREAM, "/tmp/coffer-below/x"), -ENOENT);
    CHECK_EQ(un_call(false, SOCK_STREAM, "/usr/../tmp"), -EACCES);
    CHECK_EQ(un_call(false, SOCK_STREAM, "/tmp"), -EACCES);
    CHECK_EQ(un_call(false, SOCK_STREAM, "/nonexistent/socket"), -ENOENT);
    struct sockaddr_un other = un("@coffer-others");
    int fd = (int)GUEST(socket, AF_UNIX, SOCK_DGRAM, 0);
    CHECK_EQ(GUEST(sendto, fd, "x", 1, 0, &other,
                   offsetof(struct sockaddr_un, sun_path) + strlen("@coffer-others")),
             -EACCES);
    guest_close(fd);
}

TEST(ports_to_listen_on_are_the_rules_too)
{
    start();
    struct sockaddr_in a = to("127.0.0.1", 4444);
    int fd = (int)GUEST(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(GUEST(bind, fd, &a, sizeof a), -EACCES);
    a.sin_port = htons(PORT_DENIED);
    CHECK_EQ(GUEST(bind, fd, &a, sizeof a), -EACCES);
    CHECK_EQ(GUEST(listen, fd, 1), -EACCES); /* on a port of the kernel's choice */
    guest_close(fd);
}

static SSL *serve(int *ret_fd)
{
    static SSL_CTX *ctx;
    if (!ctx) {
        ctx = SSL_CTX_new(TLS_server_method());
        SSL_CTX_use_certificate(ctx, g_pki.certificate);
        SSL_CTX_use_PrivateKey(ctx, g_pki.key);
    }
    *ret_fd = accept4(g_server, NULL, NULL, SOCK_NONBLOCK);
    REQUIRE(*ret_fd >= 0);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, *ret_fd);
    SSL_set_accept_state(ssl);
    return ssl;
}

TEST(a_named_destination_is_tls_though_the_program_speaks_plainly)
{
    start();
    struct sockaddr_in a = to("127.0.0.1", g_server_port);
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.u64 = 1}}, got = {0};
    int fd = (int)GUEST(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), peer_fd;
    int ep = epoll_create1(0);
    char bytes[16];
    CHECK_EQ(GUEST(epoll_ctl, ep, EPOLL_CTL_ADD, fd, &event), 0); /* before connect, as Go does */
    CHECK_EQ(GUEST(connect, fd, &a, sizeof a), -EINPROGRESS);
    SSL *peer = serve(&peer_fd);
    for (int turn = 0; turn < 1000 && !(got.events & EPOLLOUT); turn++) {
        (void)SSL_do_handshake(peer);
        CHECK(GUEST(epoll_wait, ep, &got, 1, 1) >= 0);
    }
    CHECK_EQ(got.events & (EPOLLOUT | EPOLLERR), EPOLLOUT);
    CHECK_EQ(guest_write_fd(fd, "plain", 5), 5);
    wait_readable(peer_fd);
    CHECK_EQ(SSL_read(peer, bytes, sizeof bytes), 5);
    CHECK_EQ(SSL_write(peer, "text", 4), 4);
    wait_readable(fd);
    while (GUEST(epoll_wait, ep, &got, 1, 1000) == 1 && !(got.events & EPOLLIN))
        ;
    CHECK_EQ(guest_read_fd(fd, bytes, sizeof bytes), 4);
    guest_close(fd);
    wait_readable(peer_fd);
    CHECK_EQ(SSL_read(peer, bytes, sizeof bytes), 0);
    CHECK_EQ(SSL_get_error(peer, 0), SSL_ERROR_ZERO_RETURN);
    SSL_free(peer);
    close(peer_fd);
    guest_close(ep);
}

TEST(a_server_with_another_name_gets_nothing)
{
    start();
    struct sockaddr_in a = to("127.0.0.2", g_server_port);
    struct sockaddr_in any = to("0.0.0.0", g_server_port);
    int fd = (int)GUEST(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), peer_fd, saved = g_server;
    g_server = socket(AF_INET, SOCK_STREAM, 0);
    any.sin_addr = a.sin_addr;
    REQUIRE(bind(g_server, (struct sockaddr *)&any, sizeof any) == 0 && listen(g_server, 1) == 0);
    CHECK_EQ(GUEST(connect, fd, &a, sizeof a), -EINPROGRESS);
    SSL *peer = serve(&peer_fd);
    int64_t r = -EAGAIN;
    for (int turn = 0; turn < 1000 && r == -EAGAIN; turn++) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        (void)SSL_do_handshake(peer);
        CHECK(GUEST(poll, &p, 1, 1) >= 0);
        r = guest_write_fd(fd, "secret", 6);
    }
    CHECK_EQ(r, -EPIPE);
    int error = 0;
    socklen_t size = sizeof error;
    CHECK_EQ(GUEST(getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    CHECK_EQ(error, ECONNRESET);
    CHECK(strstr(g_logged, "not trusted"));
    SSL_free(peer);
    close(peer_fd);
    close(g_server);
    g_server = saved;
    guest_close(fd);
}

TEST(rules_that_cannot_work_are_refused_at_the_start)
{
    start();
    struct runtime_config config = {.handover_fd = -1, .handover_status_fd = -1};
    struct error e = {0};
    config.net_rule_count = 1;
    config.net_rules[0] = (struct runtime_net_rule){.listen = true, .class = NET_CLASS_TLS};
    CHECK_EQ(net_init(&config, &e), -EINVAL);
    config.net_rules[0] =
        (struct runtime_net_rule){.listen = true, .class = NET_CLASS_HANDOVER, .tls = &g_tls};
    CHECK_EQ(net_init(&config, &e), -EINVAL);
    config.net_rules[0] = (struct runtime_net_rule){.class = NET_CLASS_TLS, .port = 443};
    CHECK_EQ(net_init(&config, &e), -EINVAL);
    config.net_rule_count = 2;
    config.net_rules[0] =
        (struct runtime_net_rule){.class = NET_CLASS_TLS, .port = 443, .address = "one.example"};
    config.net_rules[1] =
        (struct runtime_net_rule){.class = NET_CLASS_TLS, .port = 443, .address = "two.example"};
    CHECK_EQ(net_init(&config, &e), -EINVAL);
    CHECK(strstr(e.text, "another server name"));
    config.net_rule_count = 1;
    for (unsigned protocol = NET_TCP; protocol <= NET_UDP; protocol++) {
        config.net_rules[0] = (struct runtime_net_rule){
            .class = NET_CLASS_PLAIN, .protocol = protocol, .port = 80, .address = "one.example"};
        CHECK_EQ(net_init(&config, &e), -EINVAL);
        CHECK(strstr(e.text, "nothing proves where 'one.example' is"));
    }
}

TAP_MAIN()
