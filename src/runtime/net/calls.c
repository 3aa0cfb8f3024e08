/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that make sockets and connections, and their options. */
#include "runtime/net/calls.h"

#include "base/log.h"
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/explain/explain.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/net/internal.h"
#include "runtime/net/sock.h"
#include "runtime/syscall/call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum { TYPE_MASK = 0xf };

/* --- addresses -------------------------------------------------------------------------------- */

static int address_get(struct sockaddr_storage *ret_address, unsigned long from, unsigned long size)
{
    *ret_address = (struct sockaddr_storage){0};
    if (size > sizeof *ret_address || size < sizeof(sa_family_t))
        return -EINVAL;
    return guest_read(ret_address, from, size);
}

/* As the kernel does: as much as there is room for, and the true size. */
static int address_put(unsigned long to, unsigned long size_at, const void *address, socklen_t size)
{
    int room;
    if (!to)
        return 0;
    if (guest_get(&room, size_at) < 0)
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    if (guest_write(to, address, MIN((size_t)room, (size_t)size)) < 0 ||
        guest_put(size_at, &size) < 0)
        return -EFAULT;
    return 0;
}

static int socket_type(int fd)
{
    int type = 0;
    int r = sock_option(fd, SOL_SOCKET, SO_TYPE, &type);
    return r < 0 ? r : type;
}

/* --- socket, bind, listen ---------------------------------------------------------------------- */

/* Puts a new socket behind a descriptor that the host has just given. */
static int64_t attach_new(int fd, enum net_kind kind, const struct runtime_net_rule *rule,
                          int flags, struct net_socket **ret_socket)
{
    struct net_socket *s = socket_new(kind, rule, flags);
    if (!s)
        return -ENOMEM;
    if (ret_socket) {
        atomic_fetch_add(&s->file.references, 1);
        *ret_socket = s;
    }
    int r = fd_attach(fd, &s->file);
    if (r < 0 && ret_socket)
        socket_put(TAKE(*ret_socket));
    return r;
}

bool socket_must_see(int domain, int type)
{
    bool internet = domain == AF_INET || domain == AF_INET6;
    bool judged = g_net.config->has_policy || g_explain_records;
    if (type != SOCK_DGRAM)
        return internet && type == SOCK_STREAM && g_net.has_destinations;
    return domain == AF_UNIX ? judged || g_net.sees_names : internet && judged;
}

int64_t sys_socket(struct syscall_call *c)
{
    int domain = (int)c->args[0], flags = (int)c->args[1], type = flags & TYPE_MASK;
    int r = rules_for_socket(domain, type, (int)c->args[2]);
    if (r < 0)
        return r;
    int64_t fd = sys_pass(c);
    if (fd < 0 || fd > INT32_MAX || !socket_must_see(domain, type))
        return fd;
    r = (int)attach_new((int)fd, NET_RAW, NULL, flags, NULL);
    if (r < 0)
        host_close((int)fd);
    return r < 0 ? r : fd;
}

/* A datagram socket of a pair can send to any name, not only to the other one. */
int64_t sys_socketpair(struct syscall_call *c)
{
    int domain = (int)c->args[0], flags = (int)c->args[1], pair[2];
    int64_t r = sys_pass(c);
    if (r < 0 || domain != AF_UNIX || (flags & TYPE_MASK) != SOCK_DGRAM ||
        !socket_must_see(domain, SOCK_DGRAM))
        return r;
    if (guest_get(&pair, c->args[3]) < 0)
        return -EFAULT;
    for (int i = 0; i < 2 && r == 0; i++)
        r = attach_new(pair[i], NET_RAW, NULL, flags, NULL);
    for (int i = 0; i < 2 && r < 0; i++) {
        struct file *f = fd_detach(pair[i]);
        if (f)
            file_put(f);
        host_close(pair[i]);
    }
    return r;
}

/* Many servers of one node "listen" on the same port: the agent does it for them. */
static int64_t bind_handover(int fd, const struct runtime_net_rule *rule,
                             const struct sockaddr_storage *address, socklen_t size)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get(fd);
    if (s && s->kind == NET_HANDOVER)
        return -EINVAL; /* bound already */
    if (!s) {
        long flags = host_call(SYS_fcntl, fd, F_GETFL);
        int r = (int)attach_new(fd, NET_HANDOVER, rule,
                                flags > 0 && (flags & O_NONBLOCK) ? SOCK_NONBLOCK : 0, &s);
        if (r < 0)
            return r;
    }
    s->rule = rule;
    s->name = *address;
    s->name_size = size;
    s->kind = NET_HANDOVER;
    return 0;
}

int64_t sys_bind(struct syscall_call *c)
{
    struct sockaddr_storage address;
    const struct runtime_net_rule *rule = NULL;
    int fd = (int)c->args[0];
    int r = address_get(&address, c->args[1], c->args[2]);
    int port = r < 0 ? -1 : address_port(&address, (socklen_t)c->args[2]);
    if (r == 0 && address.ss_family == AF_UNIX) {
        r = rules_for_unix(&address, (socklen_t)c->args[2], true);
        return r < 0 ? r : sys_pass(c);
    }
    if (port <= 0) /* the host says what is wrong; port 0 is judged by listen() */
        return sys_pass(c);
    int type = socket_type(fd);
    if (type != SOCK_STREAM && (type < 0 || (!g_net.config->has_policy && !g_explain_records)))
        return sys_pass(c);
    r = rules_for_listen(port, type == SOCK_STREAM ? NET_TCP : NET_UDP, &rule);
    if (r < 0)
        return r;
    if (type != SOCK_STREAM)
        return rule && rule->class != NET_CLASS_PLAIN ? -EACCES : sys_pass(c);
    if (rule && rule->class == NET_CLASS_HANDOVER)
        return bind_handover(fd, rule, &address, (socklen_t)c->args[2]);
    return sys_pass(c);
}

static int64_t listen_tls(struct syscall_call *c, const struct runtime_net_rule *rule)
{
    int fd = (int)c->args[0];
    int64_t r = sys_pass(c);
    if (r < 0)
        return r;
    SCOPED(socket_putp) struct net_socket *s = socket_get(fd);
    if (s) {
        s->rule = rule;
        s->kind = NET_LISTENER;
        return 0;
    }
    long flags = host_call(SYS_fcntl, fd, F_GETFL);
    return attach_new(fd, NET_LISTENER, rule, flags > 0 && (flags & O_NONBLOCK) ? SOCK_NONBLOCK : 0,
                      NULL);
}

int64_t sys_listen(struct syscall_call *c)
{
    int fd = (int)c->args[0];
    SCOPED(socket_putp) struct net_socket *s = socket_get(fd);
    const struct runtime_net_rule *rule = NULL;
    struct sockaddr_storage name;
    socklen_t size;
    if (s && s->kind == NET_HANDOVER)
        return handover_listen(s, fd);
    if ((s && s->kind == NET_LISTENER) || sock_name(fd, SYS_getsockname, &name, &size) < 0)
        return sys_pass(c);
    int port = address_port(&name, size);
    if (port < 0)
        return sys_pass(c);
    int r = rules_for_listen(port, NET_TCP, &rule);
    if (r < 0)
        return r;
    return rule && rule->class == NET_CLASS_TLS ? listen_tls(c, rule) : sys_pass(c);
}

/* --- accept ------------------------------------------------------------------------------------ */

static int64_t accept_tls(struct syscall_call *c, struct net_socket *listener, int flags)
{
    int64_t fd = rt_block(SYS_accept4, c->args[0], c->args[1], c->args[2], flags);
    if (fd < 0 || fd > INT32_MAX)
        return fd < 0 ? fd : -EPROTO;
    struct net_socket *s = socket_new(NET_TLS, listener->rule, flags);
    if (s) { /* options that Linux passes on, too */
        s->low_water = listener->low_water;
        s->resets = listener->resets;
        s->receive_timeout_ns = listener->receive_timeout_ns;
        s->send_timeout_ns = listener->send_timeout_ns;
        handshake_begins(s);
    }
    int64_t r = s ? fd_attach((int)fd, &s->file) : -ENOMEM;
    if (r < 0)
        host_close((int)fd);
    return r < 0 ? r : fd;
}

/* A connection that cannot be given to the guest; the agent need not keep it either. */
static int64_t handover_drop(int fd, uint64_t id, int64_t r)
{
    host_close(fd);
    handover_begun(id);
    handover_closed(id);
    return r;
}

static int64_t accept_handover(struct syscall_call *c, struct net_socket *listener, int flags)
{
    struct sockaddr_storage name;
    socklen_t size;
    uint64_t id = 0;
    int fd;
    if (!listener->listening)
        return -EINVAL;
    while ((fd = handover_accept((int)c->args[0], flags & SOCK_CLOEXEC, &id)) == -EAGAIN) {
        if (atomic_load(&listener->file.flags) & O_NONBLOCK)
            return -EAGAIN;
        int64_t r = socket_wait(listener, POLLIN, NET_TIMEOUT_NONE);
        if (r < 0)
            return r;
    }
    if (fd < 0)
        return fd;
    int r = sock_name(fd, SYS_getpeername, &name, &size);
    if (r == 0)
        r = address_put(c->args[1], c->args[2], &name, size);
    struct net_socket *s = r == 0 ? socket_new(NET_TLS, listener->rule, flags) : NULL;
    if (!s)
        return handover_drop(fd, id, r < 0 ? r : -ENOMEM);
    s->handover_id = id; /* before any thread can find it */
    s->handed_over = true;
    handshake_begins(s);
    r = fd_attach(fd, &s->file);
    if (r < 0) { /* its release has told the agent */
        host_close(fd);
        return r;
    }
    return fd;
}

static int64_t accept_call(struct syscall_call *c, int flags)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
        return -EINVAL;
    if (s && s->kind == NET_LISTENER)
        return accept_tls(c, s, flags);
    if (s && s->kind == NET_HANDOVER)
        return accept_handover(c, s, flags);
    return sys_pass(c);
}

int64_t sys_accept(struct syscall_call *c)
{
    return accept_call(c, 0);
}

int64_t sys_accept4(struct syscall_call *c)
{
    return accept_call(c, (int)c->args[3]);
}

/* --- connect ----------------------------------------------------------------------------------- */

/* The connection is being made, or is: from its first byte on it is TLS. */
static void become_tls(struct net_socket *s, const struct runtime_net_rule *rule)
{
    int one = 1, zero = 0;
    if (s->corked)
        (void)host_call(SYS_setsockopt, atomic_load(&s->file.host_fd), IPPROTO_TCP, TCP_CORK, &zero,
                        sizeof zero);
    if (s->low_water > 1) /* counts plaintext from here on */
        (void)host_call(SYS_setsockopt, atomic_load(&s->file.host_fd), SOL_SOCKET, SO_RCVLOWAT,
                        &one, sizeof one);
    socket_lock(s);
    s->rule = rule;
    s->kind = NET_TLS;
    watches_update(s, true, true);
    socket_unlock(s);
}

int64_t sys_connect(struct syscall_call *c)
{
    struct sockaddr_storage address;
    const struct runtime_net_rule *rule = NULL;
    int fd = (int)c->args[0];
    SCOPED(socket_putp) struct net_socket *s = socket_get(fd);
    int r = address_get(&address, c->args[1], c->args[2]);
    bool internet = r == 0 && address_port(&address, (socklen_t)c->args[2]) >= 0;
    if (r == 0 && address.ss_family == AF_UNIX) {
        r = rules_for_unix(&address, (socklen_t)c->args[2], false);
        return r < 0 ? r : sys_pass(c);
    }
    if (!internet || (s && s->kind != NET_RAW))
        return sys_pass(c);
    int type = socket_type(fd);
    if (type < 0)
        return sys_pass(c);
    r = rules_for_destination(&address, (socklen_t)c->args[2], type == SOCK_STREAM, &rule);
    if (r < 0)
        return r;
    int64_t done = sys_pass(c);
    if (!rule || rule->class != NET_CLASS_TLS)
        return done;
    if (done < 0 && done != -EINPROGRESS && !rt_was_interrupted(done))
        return done;
    if (!s) {
        long flags = host_call(SYS_fcntl, fd, F_GETFL);
        r = (int)attach_new(fd, NET_RAW, NULL,
                            flags > 0 && (flags & O_NONBLOCK) ? SOCK_NONBLOCK : 0, &s);
        if (r < 0)
            return r;
    }
    become_tls(s, rule);
    return done;
}

/* --- shutdown and names ------------------------------------------------------------------------ */

static int64_t shutdown_tls(struct net_socket *s, struct syscall_call *c)
{
    int how = (int)c->args[1], r = 0;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    socket_lock(s);
    if (how != SHUT_WR) {
        s->read_shut = true;
        watches_update(s, true, false);
    }
    if (how != SHUT_RD && s->claimed && tls_conn_is_established(s->tls)) {
        struct socket_was was = socket_before(s);
        r = tls_conn_shutdown(s->tls);
        socket_after(s, was, false);
    }
    socket_unlock(s);
    if (how == SHUT_RD)
        return 0;
    if (s->foreign)
        return -EIO;
    /* What is still here goes out when the socket has room; it ends with close_notify. */
    return r == -EAGAIN ? 0 : host_call(SYS_shutdown, c->args[0], how);
}

int64_t sys_shutdown(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    return s && s->kind == NET_TLS ? shutdown_tls(s, c) : sys_pass(c);
}

int64_t sys_getsockname(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    if (!s || s->kind != NET_HANDOVER)
        return sys_pass(c);
    return c->args[1] ? address_put(c->args[1], c->args[2], &s->name, s->name_size) : -EFAULT;
}

int64_t sys_getpeername(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    return s && s->kind == NET_HANDOVER ? -ENOTCONN : sys_pass(c);
}

/* --- options ----------------------------------------------------------------------------------- */

static int64_t int_put(struct syscall_call *c, int value)
{
    int room;
    if (guest_get(&room, c->args[4]) < 0)
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    int size = MIN(room, (int)sizeof value);
    if (guest_write(c->args[3], &value, (size_t)size) < 0 || guest_put(c->args[4], &size) < 0)
        return -EFAULT;
    return 0;
}

static int64_t getsockopt_tls(struct net_socket *s, struct syscall_call *c)
{
    int error = 0;
    if ((int)c->args[1] == SOL_SOCKET && (int)c->args[2] == SO_RCVLOWAT && s->low_water > 0)
        return int_put(c, s->low_water);
    if ((int)c->args[1] == IPPROTO_TCP && (int)c->args[2] == TCP_CORK)
        return int_put(c, s->corked);
    if ((int)c->args[1] != SOL_SOCKET || (int)c->args[2] != SO_ERROR)
        return sys_pass(c);
    socket_lock(s);
    if (s->claimed)
        error = tls_conn_take_error(s->tls);
    socket_unlock(s);
    return error ? int_put(c, error) : sys_pass(c);
}

/* The host's socket is the hand-over socket; the guest is told of the TCP socket it believes in. */
static int64_t getsockopt_handover(struct net_socket *s, struct syscall_call *c)
{
    if ((int)c->args[1] != SOL_SOCKET)
        return int_put(c, 0);
    switch ((int)c->args[2]) {
    case SO_TYPE:
        return int_put(c, SOCK_STREAM);
    case SO_DOMAIN:
        return int_put(c, s->name.ss_family);
    case SO_PROTOCOL:
        return int_put(c, IPPROTO_TCP);
    case SO_ACCEPTCONN:
        return int_put(c, s->listening);
    case SO_ERROR:
        return int_put(c, 0);
    default:
        return sys_pass(c);
    }
}

/* SO_PEERSEC, which Linux fills with what a security module calls the peer: here a client that has proved who
 * it is. The host is never asked, for what it said would be believed. Sizes as Linux has them. */
static int64_t getsockopt_peer(struct net_socket *s, struct syscall_call *c)
{
    char text[TLS_PEER_SIZE];
    int room, type, r = -ENOPROTOOPT;
    socklen_t type_size = sizeof type;
    if (!s || s->kind != NET_TLS) {
        int64_t is_socket =
            host_call(SYS_getsockopt, c->args[0], SOL_SOCKET, SO_TYPE, &type, &type_size);
        return is_socket < 0 ? is_socket : -ENOPROTOOPT;
    }
    if (guest_get(&room, c->args[4]) < 0)
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    socket_lock(s);
    if (s->claimed)
        r = tls_conn_peer(s->tls, text);
    socket_unlock(s);
    if (r < 0)
        return r;
    int size = (int)strlen(text) + 1;
    if (guest_put(c->args[4], &size) < 0)
        return -EFAULT;
    if (room < size)
        return -ERANGE;
    return guest_write(c->args[3], text, (size_t)size) < 0 ? -EFAULT : 0;
}

int64_t sys_getsockopt(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    if ((int)c->args[1] == SOL_SOCKET && (int)c->args[2] == SO_PEERSEC)
        return getsockopt_peer(s, c);
    if (s && s->kind == NET_TLS)
        return getsockopt_tls(s, c);
    return s && s->kind == NET_HANDOVER ? getsockopt_handover(s, c) : sys_pass(c);
}

static int64_t timeout_set(struct syscall_call *c, int64_t *timeout_ns)
{
    struct timeval tv;
    if ((int)c->args[4] < (int)sizeof tv)
        return -EINVAL;
    if (guest_get(&tv, c->args[3]) < 0)
        return -EFAULT;
    int64_t r = sys_pass(c);
    if (r < 0)
        return r;
    bool none =
        tv.tv_sec < 0 || (tv.tv_sec == 0 && tv.tv_usec == 0) || tv.tv_sec > INT64_MAX / 2000000000;
    *timeout_ns = none ? NET_TIMEOUT_NONE : tv.tv_sec * 1000000000 + tv.tv_usec * 1000;
    return r;
}

/* Counts plaintext: the host must not wait for as much ciphertext. */
static int64_t low_water_set(struct net_socket *s, struct syscall_call *c)
{
    int value;
    if ((int)c->args[4] < (int)sizeof value)
        return -EINVAL;
    if (guest_get(&value, c->args[3]) < 0)
        return -EFAULT;
    int64_t r = s->kind == NET_RAW ? sys_pass(c) : 0;
    if (r < 0)
        return r;
    socket_lock(s);
    s->low_water = value < 0 ? INT32_MAX : MAX(value, 1);
    if (s->claimed) {
        tls_conn_set_low_water(s->tls, (size_t)s->low_water);
        watches_update(s, true, false);
    }
    socket_unlock(s);
    return 0;
}

static int64_t linger_set(struct net_socket *s, struct syscall_call *c)
{
    struct linger linger;
    int64_t r = sys_pass(c);
    if (r == 0 && guest_get(&linger, c->args[3]) == 0)
        s->resets = linger.l_onoff && linger.l_linger == 0;
    return r;
}

static int64_t setsockopt_socket(struct net_socket *s, struct syscall_call *c)
{
    switch ((int)c->args[2]) {
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW:
        return timeout_set(c, &s->receive_timeout_ns);
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
        return timeout_set(c, &s->send_timeout_ns);
    case SO_RCVLOWAT:
        return low_water_set(s, c);
    case SO_LINGER:
        return linger_set(s, c);
    case SO_ZEROCOPY: /* its notices would speak of bytes the guest never gave */
        return -EOPNOTSUPP;
    default:
        return sys_pass(c);
    }
}

/* Off: what waits goes out. The host's socket is never corked, for what it is given is whole. */
static int64_t cork_set(struct net_socket *s, struct syscall_call *c)
{
    int value;
    if ((int)c->args[4] < (int)sizeof value)
        return -EINVAL;
    if (guest_get(&value, c->args[3]) < 0)
        return -EFAULT;
    if (s->kind != NET_TLS) {
        int64_t r = sys_pass(c);
        s->corked = r == 0 && s->kind == NET_RAW && value;
        return r;
    }
    socket_lock(s);
    s->corked = value != 0;
    if (!s->corked && s->claimed) {
        struct socket_was was = socket_before(s);
        (void)tls_conn_flush(s->tls);
        socket_after(s, was, false);
    }
    socket_unlock(s);
    return 0;
}

int64_t sys_setsockopt(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    int level = (int)c->args[1];
    if (!s)
        return sys_pass(c);
    if (s->kind == NET_HANDOVER)
        return 0;
    if (level == IPPROTO_TCP && (int)c->args[2] == TCP_ULP)
        return -ENOPROTOOPT;
    if (level == IPPROTO_TCP && (int)c->args[2] == TCP_CORK)
        return cork_set(s, c);
    return level == SOL_SOCKET ? setsockopt_socket(s, c) : sys_pass(c);
}
