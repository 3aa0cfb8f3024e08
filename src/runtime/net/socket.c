/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/guest.h"
#include "runtime/net/inbox.h"
#include "runtime/net/internal.h"
#include "runtime/net/sock.h"
#include "runtime/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

enum { IOV_WINDOW = 16, FAILURES_PER_MINUTE = 20 };

struct net_state g_net;

/* --- life ------------------------------------------------------------------------------------ */

struct net_socket *socket_new(enum net_kind kind, const struct runtime_net_rule *rule, int flags)
{
    struct net_socket *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    file_init(&s->file, &net_socket_ops, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0));
    s->kind = kind;
    s->rule = rule;
    s->receive_timeout_ns = s->send_timeout_ns = NET_TIMEOUT_NONE;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.list_lock);
    s->next = g_net.sockets;
    if (s->next)
        s->next->previous = s;
    g_net.sockets = s;
    return s;
}

static void list_remove(struct net_socket *s)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.list_lock);
    *(s->previous ? &s->previous->next : &g_net.sockets) = s->next;
    if (s->next)
        s->next->previous = s->previous;
    owner_page_put(s->owner_page);
}

struct net_socket *socket_get(int fd)
{
    struct file *f = fd_get(fd);
    if (f && f->ops == &net_socket_ops)
        return container_of(f, struct net_socket, file);
    file_put(f);
    return NULL;
}

bool socket_try_get(struct net_socket *s)
{
    unsigned n = atomic_load(&s->file.references);
    while (n > 0)
        if (atomic_compare_exchange_weak(&s->file.references, &n, n + 1))
            return true;
    return false;
}

void socket_put(struct net_socket *s)
{
    if (s)
        file_put(&s->file);
}

void socket_putp(struct net_socket **s)
{
    socket_put(*s);
}

void socket_lock(struct net_socket *s)
{
    gate_enter();
    lock_acquire(&s->file.lock);
}

void socket_unlock(struct net_socket *s)
{
    lock_release(&s->file.lock);
    gate_leave();
}

/* The agent closes its duplicate once it is told; a connection the guest gave up unread counts as
 * begun, for nobody will want it. */
static void tell_agent_closed(struct net_socket *s)
{
    if (!s->handed_over || s->foreign || (s->owner && !s->claimed))
        return;
    if (!s->claimed)
        handover_begun(s->handover_id);
    handover_closed(s->handover_id);
}

static void socket_release(struct file *f)
{
    struct net_socket *s = container_of(f, struct net_socket, file);
    watches_drop(s);
    cork_forget(s);
    gate_enter();
    handshake_is_over(s);
    gate_leave();
    if (s->claimed) {
        socket_lock(s);
        /* Tickets that a client never read would make the host answer our last bytes with a reset. */
        if (!s->rule->listen && tls_conn_is_established(s->tls) && !s->resets)
            (void)socket_advance(s);
        atomic_fetch_sub(&g_net.status->connections, 1);
        if (s->resets)
            tls_conn_free(TAKE(s->tls));
        else
            linger_add(TAKE(s->tls), atomic_load(&f->host_fd));
        socket_unlock(s);
    }
    tell_agent_closed(s);
    gate_enter();
    list_remove(s);
    gate_leave();
    free(s);
}

/* --- TLS ------------------------------------------------------------------------------------- */

static int socket_start(struct net_socket *s)
{
    struct tls_context *context;
    const struct runtime_net_rule *rule = s->rule;
    const char *name = rule->server_name ? rule->server_name : rule->address;
    int r = rules_context(rule, &context);
    if (r < 0)
        return r;
    r = tls_conn_new(context, atomic_load(&s->file.host_fd), rule->listen ? NULL : name, &s->tls);
    tls_context_free(context);
    if (r == 0 && s->low_water > 0)
        tls_conn_set_low_water(s->tls, (size_t)s->low_water);
    return r;
}

int socket_claim(struct net_socket *s)
{
    int fd = atomic_load(&s->file.host_fd);
    if (s->foreign)
        return -EIO;
    if (fd < 0) /* closed by another thread meanwhile */
        return -EBADF;
    if (s->claimed) {
        tls_conn_set_fd(s->tls, fd);
        return 0;
    }
    if (s->owner && atomic_exchange(s->owner, 1) != 0) {
        s->foreign = true;
        return -EIO;
    }
    int r = socket_start(s);
    if (r < 0) {
        if (s->owner)
            atomic_store(s->owner, 0);
        return r;
    }
    s->claimed = true;
    handshake_begins(s);
    atomic_fetch_add(&g_net.status->connections, 1);
    if (s->handed_over)
        handover_begun(s->handover_id);
    return 0;
}

struct socket_was socket_before(const struct net_socket *s)
{
    return (struct socket_was){.established = tls_conn_is_established(s->tls),
                               .failed = tls_conn_state(s->tls) & TLS_FAILED};
}

static void log_failure(const struct net_socket *s, bool established)
{
    static struct log_limit limit;
    static lock_word lock;
    SCOPED(lock_leave) lock_word *held = lock_enter(&lock);
    if (!log_allows(&limit, net_now_ns() / 1000000000, FAILURES_PER_MINUTE))
        return;
    /* Strangers fail at our door every day; a destination of our own is somebody's to set right. */
    LOG_EVENT(s->rule->listen ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
              established ? "TLS connection failed" : "TLS handshake failed",
              LOG_INT("port", s->rule->port),
              LOG_TEXT("side", s->rule->listen ? "server" : "client"),
              LOG_TEXT("why", tls_conn_failure(s->tls)));
}

void socket_after(struct net_socket *s, struct socket_was was, bool write_blocked)
{
    bool established = tls_conn_is_established(s->tls), received = tls_conn_take_received(s->tls);
    if (established || (tls_conn_state(s->tls) & TLS_FAILED))
        handshake_is_over(s);
    if (established && !was.established)
        atomic_fetch_add_explicit(&g_net.status->handshakes, 1, memory_order_relaxed);
    if (!was.failed && (tls_conn_state(s->tls) & TLS_FAILED)) {
        if (!established)
            atomic_fetch_add_explicit(&g_net.status->handshakes_failed, 1, memory_order_relaxed);
        log_failure(s, established);
        received = true;
    }
    if (s->watches)
        watches_update(s, received || tls_conn_owes(s->tls),
                       write_blocked || (established && !was.established));
}

unsigned socket_advance(struct net_socket *s)
{
    if (socket_claim(s) < 0)
        return TLS_READABLE | TLS_WRITABLE | TLS_ENDED | TLS_FAILED;
    return tls_conn_advance(s->tls);
}

/* --- waiting --------------------------------------------------------------------------------- */

int64_t net_now_ns(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0 || now.tv_sec < 0 ||
        now.tv_sec > INT64_MAX / 2000000000)
        return 0;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t deadline_after(int64_t timeout_ns)
{
    int64_t deadline;
    if (timeout_ns < 0 || __builtin_add_overflow(net_now_ns(), timeout_ns, &deadline))
        return NET_TIMEOUT_NONE;
    return deadline;
}

int64_t socket_wait(struct net_socket *s, short events, int64_t deadline_ns)
{
    struct pollfd p = {.fd = atomic_load(&s->file.host_fd), .events = events};
    struct timespec timeout = {0}, *limit = NULL;
    if (p.fd < 0)
        return -EBADF;
    cork_flush_all();
    int64_t handshake_ns = s->handshake_until_ns;
    bool first = handshake_ns > 0 && (deadline_ns < 0 || handshake_ns < deadline_ns);
    if (deadline_ns >= 0 || first) {
        int64_t left = MAX((first ? handshake_ns : deadline_ns) - net_now_ns(), (int64_t)0);
        timeout = (struct timespec){left / 1000000000, left % 1000000000};
        limit = &timeout;
    }
    int64_t r = rt_block(SYS_ppoll, &p, 1, limit, NULL, 8);
    if (r == 0 && first) {
        (void)handshake_turn();
        return 0; /* the connection says what has become of it */
    }
    if (r == -EINTR && deadline_ns < 0) /* poll is never restarted; what we wait for is */
        return -RT_ERESTARTSYS;
    return r > 0 ? 0 : r == 0 ? -EAGAIN : r;
}

/* --- reading and writing ---------------------------------------------------------------------- */

/* What is left of `iov` behind its first `skip` bytes, as far as it fits the window. */
static int iov_after(const struct iovec *iov, int count, size_t skip,
                     struct iovec window[IOV_WINDOW])
{
    int n = 0;
    for (; count > 0 && n < IOV_WINDOW; iov++, count--) {
        if (skip >= iov->iov_len) {
            skip -= iov->iov_len;
            continue;
        }
        window[n++] = (struct iovec){(char *)iov->iov_base + skip, iov->iov_len - skip};
        skip = 0;
    }
    return n;
}

static size_t iov_size(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

/* When the gateway last saw anything happen; only it wants to know. */
static void note_activity(void)
{
    struct timespec now;
    if (g_net.handover_fd < 0 || clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0)
        return;
    atomic_store_explicit(&g_net.status->active_ns,
                          (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
                          memory_order_relaxed);
}

static bool is_nonblocking(const struct file *f, int flags)
{
    return (flags & MSG_DONTWAIT) || (atomic_load(&f->flags) & O_NONBLOCK);
}

static int64_t raw_transfer(struct file *f, long nr, const struct iovec *iov, int count, int flags)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                             .msg_iovlen = (size_t)count};
    return rt_block(nr, atomic_load(&f->host_fd), &message, flags);
}

/* One attempt. *ret_events: what to wait for if more is wanted; 0: no more will come. */
static int64_t read_once(struct net_socket *s, const struct iovec *iov, int count, bool peek,
                         short *ret_events)
{
    *ret_events = 0;
    if (s->read_shut)
        return 0;
    int64_t r = socket_claim(s);
    if (r < 0)
        return r;
    struct socket_was was = socket_before(s);
    r = peek ? tls_conn_peek(s->tls, iov, count) : tls_conn_read(s->tls, iov, count);
    if (!(tls_conn_state(s->tls) & TLS_ENDED))
        *ret_events = tls_conn_host_events(s->tls, POLLIN);
    socket_after(s, was, false);
    return r;
}

/* How much a read that may wait waits for. */
static size_t read_target(const struct net_socket *s, size_t size, int flags)
{
    size_t target = flags & MSG_WAITALL ? size : MIN(size, (size_t)MAX(s->low_water, 1));
    return flags & MSG_PEEK ? MIN(target, INBOX_SIZE_MAX) : target;
}

static int64_t tls_read(struct net_socket *s, const struct iovec *iov, int count, int flags)
{
    struct iovec window[IOV_WINDOW];
    bool peek = flags & MSG_PEEK;
    size_t done = 0, size = iov_size(iov, count), target = read_target(s, size, flags);
    int64_t r = 0, deadline = 0;
    while (done < size) {
        short events;
        int left = iov_after(iov, count, peek ? 0 : done, window);
        socket_lock(s);
        r = read_once(s, window, left, peek, &events);
        socket_unlock(s);
        if (r > 0)
            done = peek ? (size_t)r : done + (size_t)r;
        bool window_full = r > 0 && (size_t)r == iov_size(window, left);
        if (!peek && window_full && done < size)
            continue; /* there were more buffers than fit the window */
        if (r == 0 || (r < 0 && r != -EAGAIN) || done >= target || events == 0 ||
            is_nonblocking(&s->file, flags))
            break;
        deadline = deadline ? deadline : deadline_after(s->receive_timeout_ns);
        r = socket_wait(s, events, deadline);
        if (r < 0)
            break;
    }
    return done > 0 ? (int64_t)done : r;
}

/* MSG_TRUNC: so much is read and thrown away. */
static int64_t tls_discard(struct net_socket *s, size_t size, int flags)
{
    char bytes[4096];
    size_t done = 0;
    int64_t r = 0;
    if (flags & MSG_PEEK)
        return -EINVAL; /* nobody asks for the number of bytes this way: there is FIONREAD */
    while (done < size) {
        struct iovec iov = {bytes, MIN(size - done, sizeof bytes)};
        r = tls_read(s, &iov, 1, done > 0 && !(flags & MSG_WAITALL) ? flags | MSG_DONTWAIT : flags);
        if (r <= 0)
            break;
        done += (size_t)r;
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return done > 0 ? (int64_t)done : r;
}

int64_t net_socket_read(struct file *f, const struct iovec *iov, int count, int64_t offset,
                        int flags)
{
    struct net_socket *s = container_of(f, struct net_socket, file);
    if (offset != -1)
        return -ESPIPE;
    if (s->kind == NET_RAW)
        return raw_transfer(f, SYS_recvmsg, iov, count, flags);
    if (s->kind != NET_TLS)
        return -ENOTCONN;
    if (flags & (MSG_OOB | MSG_ERRQUEUE))
        return flags & MSG_OOB ? -EINVAL : -EAGAIN;
    int64_t n = flags & MSG_TRUNC ? tls_discard(s, iov_size(iov, count), flags & ~MSG_TRUNC)
                                  : tls_read(s, iov, count, flags);
    if (n > 0)
        note_activity();
    return n;
}

static int64_t write_once(struct net_socket *s, const struct iovec *iov, int count, bool more,
                          short *ret_events)
{
    int64_t r = socket_claim(s);
    if (r < 0)
        return r;
    struct socket_was was = socket_before(s);
    r = tls_conn_write(s->tls, iov, count, more);
    *ret_events = tls_conn_host_events(s->tls, POLLOUT);
    socket_after(s, was, !(tls_conn_state(s->tls) & TLS_WRITABLE));
    if (more)
        cork_note(s);
    return r;
}

static int64_t broken_pipe(int flags)
{
    const struct thread *t = thread_self();
    siginfo_t info = {.si_signo = SIGPIPE,
                      .si_code = SI_USER}; /* what the kernel says of its own */
    if (flags & MSG_NOSIGNAL)
        return -EPIPE;
    info.si_pid = t->process->pid;
    info.si_uid = (uid_t)host_call(SYS_getuid);
    (void)host_call(SYS_rt_tgsigqueueinfo, t->process->pid, t->tid, SIGPIPE, &info);
    return -EPIPE;
}

int64_t net_socket_write(struct file *f, const struct iovec *iov, int count, int64_t offset,
                         int flags)
{
    struct net_socket *s = container_of(f, struct net_socket, file);
    struct iovec window[IOV_WINDOW];
    size_t done = 0, size = iov_size(iov, count);
    int64_t r = 0, deadline = 0;
    if (offset != -1)
        return -ESPIPE;
    if (s->kind == NET_RAW)
        return raw_transfer(f, SYS_sendmsg, iov, count, flags);
    if (s->kind != NET_TLS || (size == 0 && tls_conn_is_shut(s->tls)))
        return broken_pipe(flags);
    if (size == 0 && !s->corked && !(flags & MSG_MORE))
        cork_flush(s);
    if (flags & MSG_OOB)
        return -EOPNOTSUPP; /* one byte in clear text beside the stream */
    while (done < size) {
        short events = 0;
        int left = iov_after(iov, count, done, window);
        bool more = (flags & MSG_MORE) || s->corked;
        socket_lock(s);
        r = write_once(s, window, left, more, &events);
        socket_unlock(s);
        done += r > 0 ? (size_t)r : 0;
        if (done == size || (r < 0 && r != -EAGAIN))
            break;
        if (r > 0 && count > IOV_WINDOW)
            continue;
        if (is_nonblocking(f, flags))
            break;
        deadline = deadline ? deadline : deadline_after(s->send_timeout_ns);
        r = socket_wait(s, events, deadline);
        if (r < 0)
            break;
    }
    if (done > 0)
        note_activity();
    else if (r == -EPIPE)
        return broken_pipe(flags);
    return done > 0 ? (int64_t)done : r;
}

/* --- the rest of what a descriptor can do ------------------------------------------------------ */

static short poll_bits(unsigned bits)
{
    short events = 0;
    if (bits & TLS_READABLE)
        events |= POLLIN | POLLRDNORM;
    if (bits & TLS_WRITABLE)
        events |= POLLOUT | POLLWRNORM;
    if (bits & TLS_ENDED)
        events |= POLLRDHUP;
    if (bits & TLS_FAILED)
        events |= POLLERR | POLLHUP;
    return events;
}

static int socket_poll(struct file *f, int events, int *ret_host_events)
{
    struct net_socket *s = container_of(f, struct net_socket, file);
    *ret_host_events = events;
    if (s->kind != NET_TLS)
        return 0;
    short wanted = (short)((events & (POLLIN | POLLRDNORM) ? POLLIN : 0) |
                           (events & (POLLOUT | POLLWRNORM) ? POLLOUT : 0));
    socket_lock(s);
    struct socket_was was = s->claimed ? socket_before(s) : (struct socket_was){0};
    unsigned bits = socket_advance(s);
    if (s->claimed) {
        *ret_host_events = tls_conn_host_events(s->tls, wanted) | (events & POLLRDHUP);
        socket_after(s, was, false);
    }
    if (s->read_shut)
        bits |= TLS_READABLE | TLS_ENDED;
    socket_unlock(s);
    return poll_bits(bits) & (events | POLLERR | POLLHUP);
}

static int64_t pending_bytes(struct net_socket *s)
{
    size_t pending = 0;
    socket_lock(s);
    int r = socket_claim(s);
    if (r == 0) {
        struct socket_was was = socket_before(s);
        pending = tls_conn_pending(s->tls);
        socket_after(s, was, false);
    }
    socket_unlock(s);
    return r < 0 ? r : (int64_t)MIN(pending, (size_t)INT32_MAX);
}

static int64_t socket_ioctl(struct file *f, unsigned long request, unsigned long arg)
{
    struct net_socket *s = container_of(f, struct net_socket, file);
    if (request == FIONREAD && s->kind == NET_TLS) {
        int64_t n = pending_bytes(s);
        int value = (int)n;
        return n < 0 ? n : guest_put(arg, &value);
    }
    if (request == FIONBIO) {
        int on;
        int r = guest_get(&on, arg);
        if (r < 0)
            return r;
        if (on)
            atomic_fetch_or(&f->flags, O_NONBLOCK);
        else
            atomic_fetch_and(&f->flags, ~O_NONBLOCK);
    }
    return host_call(SYS_ioctl, atomic_load(&f->host_fd), request, arg);
}

static int64_t socket_fcntl(struct file *f, int cmd, unsigned long arg)
{
    return host_call(SYS_fcntl, atomic_load(&f->host_fd), cmd, arg);
}

const struct file_ops net_socket_ops = {
    .name = "socket",
    .read = net_socket_read,
    .write = net_socket_write,
    .ioctl = socket_ioctl,
    .fcntl = socket_fcntl,
    .poll = socket_poll,
    .release = socket_release,
};
