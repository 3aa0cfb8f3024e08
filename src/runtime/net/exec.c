/* SPDX-License-Identifier: Apache-2.0 */
/* Shielded sockets across a host exec (by a child of vfork): listening ones go on, shielded as they
 * were. A TLS connection has its keys in this process and cannot; nor may its raw socket be left
 * where the next program would speak plainly on it, so the host closes it. */
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "platform/host.h"
#include "runtime/fd_table.h"
#include "runtime/net/internal.h"
#include "runtime/net/net.h"
#include "runtime/net/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

enum { ENTRY_SIZE = 16, ENTRY_COUNT_MAX = FD_MAX };

static struct slice g_restore; /* until net_init() */

static int entry_save(struct buf *state, int fd, const struct net_socket *s)
{
    uint8_t bytes[ENTRY_SIZE];
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u32(&wr, (uint32_t)fd);
    writer_u32(&wr, s->kind);
    writer_u32(&wr, s->rule ? (uint32_t)(s->rule - g_net.config->net_rules) : UINT32_MAX);
    writer_u32(&wr, atomic_load(&s->file.flags) & O_NONBLOCK ? SOCK_NONBLOCK : 0);
    return buf_append(state, bytes, sizeof bytes);
}

static int socket_save(struct buf *state, int fd, struct file *f)
{
    long flags = host_call(SYS_fcntl, fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC))
        return 0;
    if (f->ops == &net_socket_ops) {
        struct net_socket *s = container_of(f, struct net_socket, file);
        if (s->kind == NET_LISTENER || s->kind == NET_RAW)
            return entry_save(state, fd, s);
        if (s->kind == NET_TLS && !s->claimed && !s->foreign && !s->handed_over)
            return 0; /* its own name says what it is: adopt_inherited() */
        LOG_WARNING("a TLS connection is not passed on to another program", LOG_INT("fd", fd));
    } else if (f->ops != &epoll_file_ops || !epoll_has_watches(f)) {
        return 0; /* the file shield's, or as plain as the host knows it */
    }
    return (int)host_call(SYS_fcntl, fd, F_SETFD, flags | FD_CLOEXEC);
}

bool net_exec_has_sockets(void)
{
    int limit = fd_limit();
    bool found = false;
    for (int fd = 0; fd < limit && !found; fd++) {
        struct file *f = fd_get(fd);
        long flags = f && f->ops == &net_socket_ops ? host_call(SYS_fcntl, fd, F_GETFD) : -EBADF;
        found = flags >= 0 && !(flags & FD_CLOEXEC);
        file_put(f);
    }
    return found;
}

int net_exec_save(struct buf *state)
{
    int r = 0, limit = fd_limit();
    for (int fd = 0; fd < limit && r == 0; fd++) {
        struct file *f = fd_get(fd);
        if (f)
            r = socket_save(state, fd, f);
        file_put(f);
    }
    return r;
}

int net_exec_restore(struct slice state)
{
    if (state.size % ENTRY_SIZE != 0 || state.size / ENTRY_SIZE > ENTRY_COUNT_MAX)
        return -EBADMSG;
    g_restore = state;
    return 0;
}

static int entry_restore(struct reader *rd)
{
    uint32_t fd = reader_u32(rd), kind = reader_u32(rd), rule = reader_u32(rd);
    uint32_t flags = reader_u32(rd);
    bool listens = kind == NET_LISTENER;
    if (fd >= FD_MAX || (!listens && kind != NET_RAW) || (flags & ~(uint32_t)SOCK_NONBLOCK) ||
        (listens && rule >= g_net.config->net_rule_count) || host_call(SYS_fcntl, fd, F_GETFD) < 0)
        return -EBADMSG;
    struct net_socket *s = socket_new((enum net_kind)kind,
                                      listens ? &g_net.config->net_rules[rule] : NULL, (int)flags);
    return s ? fd_attach((int)fd, &s->file) : -ENOMEM;
}

int exec_resume(void)
{
    struct reader rd = reader_over(g_restore);
    int r = 0;
    while (r == 0 && reader_left(&rd) > 0)
        r = entry_restore(&rd);
    g_restore = (struct slice){0};
    return r;
}
