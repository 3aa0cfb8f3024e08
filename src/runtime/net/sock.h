/* SPDX-License-Identifier: Apache-2.0 */
/* net/sock.h: the few socket calls the network shield makes of the host, judged like those of
 * platform/host.h: lengths bounded by what was asked for, errors a call cannot give are -EPERM.
 * Nothing here blocks but sock_poll(). No state; safe on any thread. */
#ifndef COFFER_RUNTIME_NET_SOCK_H
#define COFFER_RUNTIME_NET_SOCK_H

#include "base/macros.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Never block. Bytes taken or given, 0 at the end of the stream, -EAGAIN, or an error of the
 * connection. */
must_check ssize_t sock_recv(int fd, void *bytes, size_t size);
/* `more`: others will follow at once, so the last of these may wait for them to fill a packet. */
must_check ssize_t sock_send(int fd, const void *bytes, size_t size, bool more);

/* One packet with at most one descriptor. *ret_fd is -1 if none came; descriptors beyond the first
 * are closed. The bytes, 0 at the end, -EAGAIN or -errno; -EMSGSIZE if the packet was longer. */
must_check ssize_t sock_recv_with_fd(int fd, void *bytes, size_t size, int *ret_fd);

/* The local or peer address (nr: SYS_getsockname or SYS_getpeername); 0 or -errno. */
must_check int sock_name(int fd, long nr, struct sockaddr_storage *ret_name, socklen_t *ret_size);

/* An int option; -errno if the host has none. */
must_check int sock_option(int fd, int level, int option, int *ret_value);

/* poll(2) itself, with a relative timeout in nanoseconds (negative: none). */
int sock_poll(struct pollfd *fds, unsigned count, int64_t timeout_ns);

#endif
