/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that this process did not make itself: received over a Unix socket (SCM_RIGHTS), or there when
 * the program started. What such a socket is, its own names say: one that listens on a port whose rule
 * is TLS, a connection that was accepted there, or one to a destination that a rule names, is shielded
 * from its first byte here. No word of the sender's is needed, and none is believed.
 *
 * The other way: a socket of ours may go to another process as long as no TLS was spoken on it. The
 * receiver, if it is shielded under the same rules, goes on where we stopped, at the beginning; one
 * that is not sees ciphertext. A connection whose keys are here, and any other shielded file, stays. */
#include "platform/host.h"
#include "runtime/explain/explain.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/net/internal.h"
#include "runtime/net/sock.h"
#include "runtime/net/watch.h"
#include "runtime/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>

enum { CONTROL_SIZE_MAX = 65536, INHERITED_MAX = 256 };

static const struct runtime_net_rule *rule_of_port(int port)
{
    const struct runtime_net_rule *found = NULL;
    for (unsigned i = 0; i < g_net.config->net_rule_count; i++) {
        const struct runtime_net_rule *rule = &g_net.config->net_rules[i];
        if (!rule->listen || rule->protocol != NET_TCP)
            continue;
        if (rule->port == port)
            return rule;
        if (rule->port == 0 && !found)
            found = rule;
    }
    return found;
}

static bool is_tls_rule(const struct runtime_net_rule *rule)
{
    return rule && rule->class == NET_CLASS_TLS;
}

/* May what listens there be used? By its port alone, as listen() would judge it. */
static bool may_listen(int fd)
{
    struct sockaddr_storage name;
    const struct runtime_net_rule *rule;
    socklen_t size;
    int listens = 0;
    if (sock_option(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens) < 0 || !listens ||
        sock_name(fd, SYS_getsockname, &name, &size) < 0 || address_port(&name, size) <= 0)
        return true;
    return rules_for_listen(address_port(&name, size), NET_TCP, &rule) == 0;
}

/* What a stream of the internet is to us. */
static enum net_kind judge_stream(int fd, const struct runtime_net_rule **ret_rule)
{
    struct sockaddr_storage name;
    socklen_t size;
    int listens = 0;
    *ret_rule = NULL;
    if (sock_name(fd, SYS_getsockname, &name, &size) < 0 || address_port(&name, size) <= 0)
        return NET_RAW;
    *ret_rule = rule_of_port(address_port(&name, size));
    if (sock_option(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens) == 0 && listens)
        return is_tls_rule(*ret_rule) ? NET_LISTENER : NET_RAW;
    if (sock_name(fd, SYS_getpeername, &name, &size) < 0)
        return NET_RAW;
    if (is_tls_rule(*ret_rule))
        return NET_TLS;
    *ret_rule = rules_find_destination(&name, size, true);
    return is_tls_rule(*ret_rule) ? NET_TLS : NET_RAW;
}

static void adopt(int fd)
{
    const struct runtime_net_rule *rule = NULL;
    int domain = 0, type = 0;
    if (fd < 0 || fd >= FD_MAX || fd_is_hidden(fd) || fd_is_shielded(fd) ||
        sock_option(fd, SOL_SOCKET, SO_DOMAIN, &domain) < 0 ||
        sock_option(fd, SOL_SOCKET, SO_TYPE, &type) < 0)
        return;
    bool internet = domain == AF_INET || domain == AF_INET6;
    if (internet && type == SOCK_STREAM && g_net.config->has_policy && !may_listen(fd)) {
        host_close(fd);
        return;
    }
    enum net_kind kind = internet && type == SOCK_STREAM ? judge_stream(fd, &rule) : NET_RAW;
    if (kind == NET_RAW && !socket_must_see(domain, type))
        return;
    long flags = host_call(SYS_fcntl, fd, F_GETFL);
    struct net_socket *s = socket_new(kind, kind == NET_RAW ? NULL : rule,
                                      flags > 0 && (flags & O_NONBLOCK) ? SOCK_NONBLOCK : 0);
    if (!s || fd_attach(fd, &s->file) < 0)
        host_close(fd); /* rather none than one without its shield */
}

void adopt_inherited(void)
{
    if (!g_net.has_tls && !g_net.config->has_policy)
        return;
    /* recvmsg() must be seen even while nothing is shielded: see CALL_ANY. */
    atomic_fetch_add(&process_self()->fds->count, 1);
    for (int fd = 0; fd < INHERITED_MAX; fd++)
        adopt(fd);
}

/* --- messages ----------------------------------------------------------------------------------- */

/* May it leave for another process? */
static bool may_leave(int fd)
{
    struct file *f = fd_get(fd);
    bool may = true;
    if (f && f->ops == &net_socket_ops) {
        struct net_socket *s = container_of(f, struct net_socket, file);
        socket_lock(s);
        may = s->kind == NET_RAW || s->kind == NET_LISTENER ||
              (s->kind == NET_TLS && !s->claimed && !s->foreign && !s->handed_over);
        socket_unlock(s);
    } else if (f) {
        may = f->ops == &epoll_file_ops && !epoll_has_watches(f);
    }
    file_put(f);
    return may;
}

typedef int fd_visit(int fd);

/* Calls `visit` with each descriptor in the control data at a guest's address, until it gives an error. */
static int each_fd(unsigned long control, size_t size, fd_visit *visit)
{
    if (!control || size < sizeof(struct cmsghdr))
        return 0;
    if (size > CONTROL_SIZE_MAX)
        return -ENOBUFS;
    uint8_t *copy = malloc(size);
    int r = copy ? guest_read(copy, control, size) : -ENOMEM;
    struct msghdr message = {.msg_control = copy, .msg_controllen = size};
    for (struct cmsghdr *h = r == 0 ? CMSG_FIRSTHDR(&message) : NULL; h && r == 0;
         h = CMSG_NXTHDR(&message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS ||
            h->cmsg_len < CMSG_LEN(0) || h->cmsg_len > size - (size_t)((uint8_t *)h - copy))
            continue;
        for (size_t at = 0; at + sizeof(int) <= h->cmsg_len - CMSG_LEN(0) && r == 0;
             at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + at, sizeof fd);
            r = visit(fd);
        }
    }
    free(copy);
    return r;
}

static int check_one(int fd)
{
    if (!fd_is_hidden(fd) && (!fd_is_shielded(fd) || may_leave(fd)))
        return 0;
    struct file *f = fd_get(fd);
    explain_passing(fd, f ? f->ops->name : "of the runtime");
    file_put(f);
    return -EPERM;
}

int adopt_check_sent(unsigned long control, size_t size)
{
    return each_fd(control, size, check_one);
}

static int adopt_one(int fd)
{
    adopt(fd);
    return 0;
}

int adopt_received(unsigned long control, size_t size)
{
    return each_fd(control, size, adopt_one);
}
