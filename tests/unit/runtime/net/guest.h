/* SPDX-License-Identifier: Apache-2.0 */
/* A guest without a program: the handlers are called as dispatch would, on this very thread, and the
 * guest's memory is the test's. The other end is OpenSSL over real TCP. */
#ifndef COFFER_TESTS_NET_GUEST_H
#define COFFER_TESTS_NET_GUEST_H

#include "platform/linux/linux.h"
#include "platform/ops.h"
#include "runtime/block.h"
#include "runtime/fd_table.h"
#include "runtime/guest_copy.h"
#include "runtime/net/calls.h"
#include "runtime/net/net.h"
#include "runtime/thread.h"

#include "pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static struct thread g_thread;
static struct runtime_config g_config = {.handover_fd = -1, .handover_status_fd = -1};
static struct runtime_tls g_tls;
static struct pki g_pki;
__attribute__((used)) static SSL_CTX *g_peer_ctx; /* kept: LeakSanitizer looks here */

int64_t sys_pass(struct syscall_call *c)
{
    return rt_block_args(c->nr, (const long *)c->args);
}

static inline int guest_random(void *bytes, size_t size)
{
    return linux_random(bytes, size);
}

static const struct platform_ops guest_platform = {
    .name = "test", .call = linux_call, .call_unless = linux_call_unless, .random = guest_random};

/* What the runtime's own handler does with a fault in its copy routines. */
static void fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uintptr_t at = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    (void)info;
    if (at < (uintptr_t)guest_copy_begin || at >= (uintptr_t)guest_copy_end)
        abort();
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)guest_copy_fault;
    (void)signal;
}

#define GUEST(name_, ...)                                                                       \
    sys_##name_(&(struct syscall_call){.nr = SYS_##name_,                                       \
                                       .args = {GUEST_ARGS(, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)}, \
                                       .thread = &g_thread})
#define GUEST_ARGS(skip, a, b, c, d, e, f, ...)                                     \
    (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), (unsigned long)(d), \
        (unsigned long)(e), (unsigned long)(f)

static inline void guest_start(void)
{
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    platform_set(&guest_platform);
    REQUIRE(thread_adopt(&g_thread) == 0);
    g_pki = pki_new("DNS:localhost,IP:127.0.0.1");
    g_tls.certificate_chain = g_pki.certificate_pem;
    g_tls.private_key = g_pki.key_pem;
    g_peer_ctx = SSL_CTX_new(TLS_client_method());
}

static inline void guest_rule(struct runtime_net_rule rule)
{
    g_config.net_rules[g_config.net_rule_count++] = rule;
}

/* As the runtime's own close(). */
static inline void guest_close(int fd)
{
    file_put(fd_detach(fd));
    close(fd);
}

static inline int64_t guest_read_fd(int fd, void *bytes, size_t size)
{
    return GUEST(recvfrom, fd, bytes, size, 0, 0, 0);
}

static inline int64_t guest_write_fd(int fd, const void *bytes, size_t size)
{
    return GUEST(sendto, fd, bytes, size, MSG_NOSIGNAL, 0, 0);
}

/* A listening socket on a port of the kernel's choice. */
static inline int guest_listen(int flags, uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = (int)GUEST(socket, AF_INET, SOCK_STREAM | flags, 0);
    REQUIRE(fd >= 0);
    REQUIRE(GUEST(bind, fd, &address, sizeof address) == 0);
    REQUIRE(GUEST(listen, fd, 64) == 0);
    REQUIRE(GUEST(getsockname, fd, &address, &size) == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* --- the peer ---------------------------------------------------------------------------------- */

struct peer {
    SSL *ssl;
    int fd;
};

static inline int tcp_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

static inline struct peer peer_over(int fd)
{
    struct peer p = {SSL_new(g_peer_ctx), fd};
    REQUIRE(p.ssl);
    SSL_set_fd(p.ssl, fd);
    SSL_set_connect_state(p.ssl);
    return p;
}

static inline struct peer peer_connect(uint16_t port)
{
    return peer_over(tcp_connect(port));
}

static inline void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    close(p->fd);
    ERR_clear_error();
}

/* Handshake between a peer and the guest's (non-blocking) descriptor. */
static inline bool peer_handshake(struct peer *p, int fd)
{
    char byte;
    for (int turn = 0; turn < 10000; turn++) {
        int r = SSL_do_handshake(p->ssl);
        int64_t n = GUEST(recvfrom, fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, 0, 0);
        if (r == 1 && n == -EAGAIN && (GUEST(sendto, fd, "", 0, 0, 0, 0) == 0)) {
            struct pollfd q = {.fd = fd, .events = POLLOUT};
            if (GUEST(poll, &q, 1, 0) == 1)
                return true;
        }
        if (n < 0 && n != -EAGAIN)
            return false;
    }
    return false;
}

/* The peer's bytes are with the guest's kernel when this returns. */
static inline void wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    REQUIRE(poll(&p, 1, 5000) == 1);
}

static inline void peer_say(struct peer *p, const char *text, int fd)
{
    REQUIRE(SSL_write(p->ssl, text, (int)strlen(text)) == (int)strlen(text));
    wait_readable(fd);
}

/* All the guest has sent so far, up to `size`. */
static inline int peer_hear(struct peer *p, char *bytes, int size)
{
    wait_readable(p->fd);
    return SSL_read(p->ssl, bytes, size);
}

#endif
