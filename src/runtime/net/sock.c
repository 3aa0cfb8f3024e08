/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/sock.h"

#include "platform/host.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

static const short ERRNOS_OF_STREAM[] = {
    EAGAIN,      ECONNRESET,   EPIPE,        ETIMEDOUT, EHOSTUNREACH,
    ENETUNREACH, ECONNREFUSED, ECONNABORTED, ENETDOWN,  EHOSTDOWN,
    ENOTCONN,    ENOBUFS,      ENOMEM,       EINTR,     EPROTO,
    ENETRESET,   EINPROGRESS,  EALREADY,     0};
static const short ERRNOS_OF_NAME[] = {ENOTCONN,   ENOTSOCK,    ENOBUFS, EINVAL,
                                       EOPNOTSUPP, ENOPROTOOPT, 0};

static ssize_t judge(long n, size_t size, const short *allowed)
{
    if (n >= 0)
        return (size_t)n <= size ? (ssize_t)n : -EPROTO;
    for (; *allowed; allowed++)
        if (n == -*allowed)
            return (ssize_t)n;
    return -EPERM;
}

ssize_t sock_recv(int fd, void *bytes, size_t size)
{
    long n;
    do
        n = host_call(SYS_recvfrom, fd, bytes, size, MSG_DONTWAIT, 0, 0);
    while (n == -EINTR);
    return judge(n, size, ERRNOS_OF_STREAM);
}

ssize_t sock_send(int fd, const void *bytes, size_t size, bool more)
{
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    long n;
    do
        n = host_call(SYS_sendto, fd, bytes, size, flags, 0, 0);
    while (n == -EINTR);
    return judge(n, size, ERRNOS_OF_STREAM);
}

/* Keeps the first descriptor of the control data, closes the others. */
static int control_take_fd(struct msghdr *message)
{
    int first = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (first < 0)
                first = fd;
            else
                host_close(fd);
        }
    }
    return first;
}

ssize_t sock_recv_with_fd(int fd, void *bytes, size_t size, int *ret_fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec iov = {bytes, size};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    long n;
    do
        n = host_call(SYS_recvmsg, fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n == -EINTR);
    if (n < 0)
        return judge(n, size, ERRNOS_OF_STREAM);
    if (message.msg_controllen > sizeof control) /* more than the room we gave */
        return -EPROTO;
    int got = control_take_fd(&message);
    if ((size_t)n > size || (message.msg_flags & MSG_TRUNC)) {
        host_close(got);
        return -EMSGSIZE;
    }
    *ret_fd = got;
    return (ssize_t)n;
}

int sock_name(int fd, long nr, struct sockaddr_storage *ret_name, socklen_t *ret_size)
{
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof name;
    long r = host_call(nr, fd, &name, &size);
    if (r != 0)
        return (int)judge(r, 0, ERRNOS_OF_NAME);
    if (size > sizeof name)
        return -EPROTO;
    *ret_name = name;
    *ret_size = size;
    return 0;
}

int sock_option(int fd, int level, int option, int *ret_value)
{
    int value = 0;
    socklen_t size = sizeof value;
    long r = host_call(SYS_getsockopt, fd, level, option, &value, &size);
    if (r != 0)
        return (int)judge(r, 0, ERRNOS_OF_NAME);
    *ret_value = value;
    return 0;
}

int sock_poll(struct pollfd *fds, unsigned count, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    long n = host_call(SYS_ppoll, fds, count, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    if (n < 0)
        return n == -EINTR || n == -ENOMEM ? (int)n : -EINVAL;
    return n <= (long)count ? (int)n : -EPROTO;
}
