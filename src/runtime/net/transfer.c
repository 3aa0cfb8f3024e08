/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that send and receive on sockets. Plain sockets come here only to be judged: by
 * where a message goes, and by the descriptors it carries. */
#include "platform/host.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/net/calls.h"
#include "runtime/net/internal.h"
#include "runtime/syscall/call.h"

#include <errno.h>
#include <sys/syscall.h>

enum { MESSAGES_MAX = 1024 };

static bool is_tls(const struct net_socket *s)
{
    return s && s->kind == NET_TLS;
}

/* Where a message of an undecided socket may go. */
static int destination_check(const struct net_socket *s, unsigned long address, unsigned long size,
                             int flags)
{
    struct sockaddr_storage to = {0};
    const struct runtime_net_rule *rule;
    if (!s || s->kind != NET_RAW)
        return 0;
    if (flags & MSG_FASTOPEN) /* would connect behind the rules' back; callers fall back */
        return -EOPNOTSUPP;
    if (!address || size < sizeof(sa_family_t) || size > sizeof to)
        return 0;
    if (guest_read(&to, address, size) < 0)
        return -EFAULT;
    return rules_for_destination(&to, (socklen_t)size, false, &rule);
}

/* --- one buffer -------------------------------------------------------------------------------- */

int64_t sys_sendto(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    struct iovec iov = {(void *)c->args[1], MIN(c->args[2], (unsigned long)INT32_MAX)};
    int flags = (int)c->args[3];
    if (!is_tls(s)) {
        int r = destination_check(s, c->args[4], c->args[5], flags);
        return r < 0 ? r : sys_pass(c);
    }
    return net_socket_write(&s->file, &iov, 1, -1, flags);
}

int64_t sys_recvfrom(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    struct iovec iov = {(void *)c->args[1], MIN(c->args[2], (unsigned long)INT32_MAX)};
    int none = 0;
    if (!is_tls(s))
        return sys_pass(c);
    int64_t r = net_socket_read(&s->file, &iov, 1, -1, (int)c->args[3]);
    if (r >= 0 && c->args[4] && guest_put(c->args[5], &none) < 0)
        return -EFAULT;
    return r;
}

/* --- messages ---------------------------------------------------------------------------------- */

/* Copies the header in and its list of buffers. `iov` has room for GUEST_IOV_MAX. */
static int message_get(struct msghdr *message, struct iovec *iov, unsigned long from)
{
    int r = guest_get(message, from);
    if (r < 0)
        return r;
    ssize_t size = guest_iov(iov, (unsigned long)message->msg_iov, message->msg_iovlen);
    if (size < 0)
        return size == -EINVAL && message->msg_iovlen > GUEST_IOV_MAX ? -EMSGSIZE : (int)size;
    return 0;
}

static int64_t message_send(struct net_socket *s, unsigned long from, int flags)
{
    struct iovec iov[GUEST_IOV_MAX];
    struct msghdr message;
    int r = message_get(&message, iov, from);
    return r < 0 ? r : net_socket_write(&s->file, iov, (int)message.msg_iovlen, -1, flags);
}

/* A stream has no address and no control data to give. */
static int64_t message_receive(struct net_socket *s, unsigned long to, int flags)
{
    struct iovec iov[GUEST_IOV_MAX];
    struct msghdr message;
    int r = message_get(&message, iov, to);
    if (r < 0)
        return r;
    int64_t n = net_socket_read(&s->file, iov, (int)message.msg_iovlen, -1, flags);
    if (n < 0)
        return n;
    message.msg_namelen = 0;
    message.msg_controllen = 0;
    message.msg_flags = 0;
    return guest_put(to, &message) < 0 ? -EFAULT : n;
}

/* What is no socket says so before the message is looked at. */
static int fault_of(int fd)
{
    int type;
    socklen_t size = sizeof type;
    long r = host_call(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size);
    return r == -ENOTSOCK || r == -EBADF ? (int)r : -EFAULT;
}

/* A plain or undecided socket's message. */
static int message_check(const struct net_socket *s, int fd, unsigned long from, int flags)
{
    struct msghdr message;
    if (guest_get(&message, from) < 0)
        return 0; /* the host says so */
    int r = destination_check(s, (unsigned long)message.msg_name, message.msg_namelen, flags);
    if (r == 0)
        r = adopt_check_sent((unsigned long)message.msg_control, message.msg_controllen);
    return r == -EFAULT ? fault_of(fd) : r;
}

int64_t sys_sendmsg(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    if (fd_is_hidden((int)c->args[0]))
        return -EBADF;
    if (is_tls(s))
        return message_send(s, c->args[1], (int)c->args[2]);
    int r = message_check(s, (int)c->args[0], c->args[1], (int)c->args[2]);
    return r < 0 ? r : sys_pass(c);
}

/* Sockets that came with a message get their shields before the guest can use them. */
static int64_t message_came(unsigned long at)
{
    struct msghdr message;
    int r = guest_get(&message, at);
    return r < 0 ? r : adopt_received((unsigned long)message.msg_control, message.msg_controllen);
}

int64_t sys_recvmsg(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    if (fd_is_hidden((int)c->args[0]))
        return -EBADF;
    if (is_tls(s))
        return message_receive(s, c->args[1], (int)c->args[2]);
    int64_t n = sys_pass(c);
    int64_t r = n >= 0 ? message_came(c->args[1]) : 0;
    return r < 0 ? r : n;
}

/* --- several messages ---------------------------------------------------------------------------- */

static int64_t messages_each(struct net_socket *s, struct syscall_call *c, bool send)
{
    unsigned count = MIN((unsigned)c->args[2], (unsigned)MESSAGES_MAX), done = 0;
    int flags = (int)c->args[3];
    int64_t r = 0;
    while (done < count) {
        unsigned long at = c->args[1] + done * sizeof(struct mmsghdr);
        r = send ? message_send(s, at, flags) : message_receive(s, at, flags);
        if (r < 0)
            break;
        unsigned size = (unsigned)r;
        if (guest_put(at + offsetof(struct mmsghdr, msg_len), &size) < 0)
            return -EFAULT;
        done++;
        if (!send && (r == 0 || (flags & MSG_WAITFORONE)))
            flags |= MSG_DONTWAIT;
        if (!send && r == 0)
            break;
    }
    return done > 0 ? done : r;
}

int64_t sys_sendmmsg(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    unsigned count = MIN((unsigned)c->args[2], (unsigned)MESSAGES_MAX);
    if (fd_is_hidden((int)c->args[0]))
        return -EBADF;
    if (is_tls(s))
        return messages_each(s, c, true);
    for (unsigned i = 0; i < count; i++) {
        unsigned long at = c->args[1] + i * sizeof(struct mmsghdr);
        int r = message_check(s, (int)c->args[0], at, (int)c->args[3]);
        if (r < 0)
            return r;
    }
    return sys_pass(c);
}

int64_t sys_recvmmsg(struct syscall_call *c)
{
    SCOPED(socket_putp) struct net_socket *s = socket_get((int)c->args[0]);
    if (fd_is_hidden((int)c->args[0]))
        return -EBADF;
    if (is_tls(s))
        return messages_each(s, c, false);
    int64_t n = sys_pass(c), r = 0;
    for (int64_t i = 0; i < n && i < MESSAGES_MAX && r >= 0; i++)
        r = message_came(c->args[1] + (unsigned long)i * sizeof(struct mmsghdr));
    return r < 0 ? r : n;
}
