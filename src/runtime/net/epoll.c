/* SPDX-License-Identifier: Apache-2.0 */
/* The epoll calls of an instance that has a shielded socket in it; see watch.h for the idea. */
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/net/calls.h"
#include "runtime/net/sock.h"
#include "runtime/net/watch.h"
#include "runtime/syscall/call.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>

#define BATCH_MAX 64 /* events given at once; a program that wants more asks again */

static struct epoll_file *epoll_get(int fd)
{
    struct file *f = fd_get(fd);
    if (f && f->ops == &epoll_file_ops)
        return container_of(f, struct epoll_file, file);
    file_put(f);
    return NULL;
}

static void epoll_putp(struct epoll_file **ep)
{
    if (*ep)
        file_put(&(*ep)->file);
}

/* The instance behind `fd`, which becomes a shielded one. */
static int epoll_make(int fd, struct epoll_file **ret_epoll)
{
    static lock_word lock; /* one at a time; taken before the descriptors' */
    SCOPED(lock_leave) lock_word *held = lock_enter(&lock);
    *ret_epoll = epoll_get(fd);
    if (*ret_epoll)
        return 0;
    if (fd_is_shielded(fd))
        return -EINVAL;
    if (host_call(SYS_fcntl, fd, F_GETFD) < 0)
        return -EBADF;
    struct epoll_file *ep = calloc(1, sizeof *ep);
    if (!ep)
        return -ENOMEM;
    file_init(&ep->file, &epoll_file_ops, O_RDWR);
    ep->wake_fd = -1;
    atomic_fetch_add(&ep->file.references, 1); /* the caller's */
    int r = fd_attach(fd, &ep->file);
    if (r < 0) {
        file_put(&ep->file);
        return r;
    }
    *ret_epoll = ep;
    return 0;
}

static void epoll_release(struct file *f)
{
    struct epoll_file *ep = container_of(f, struct epoll_file, file);
    lock_acquire(&g_net.watch_lock);
    for (uint32_t i = 0; i < ep->slot_count; i++)
        if (ep->slots[i])
            watch_drop(ep->slots[i]);
    lock_release(&g_net.watch_lock);
    fd_hidden_close(ep->wake_fd);
    free(ep->slots);
    free(ep);
}

bool epoll_has_watches(struct file *f)
{
    struct epoll_file *ep = container_of(f, struct epoll_file, file);
    bool has = false;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.watch_lock);
    for (uint32_t i = 0; i < ep->slot_count && !has; i++)
        has = ep->slots[i] != NULL;
    return has;
}

/* From its creation on, where TLS is to be expected: a thread that waits at the host already would be
 * given the marks of watches for the guest's own data. */
static int64_t epoll_created(int64_t fd)
{
    SCOPED(epoll_putp) struct epoll_file *ep = NULL;
    if (fd < 0 || fd > INT32_MAX || !g_net.has_tls)
        return fd;
    int r = epoll_make((int)fd, &ep);
    if (r < 0)
        host_close((int)fd);
    return r < 0 ? r : fd;
}

int64_t sys_epoll_create(struct syscall_call *c)
{
    return epoll_created(sys_pass(c));
}

int64_t sys_epoll_create1(struct syscall_call *c)
{
    return epoll_created(sys_pass(c));
}

/* --- epoll_ctl -------------------------------------------------------------------------------- */

static int watch_modify(struct watch *w, const struct epoll_event *event)
{
    w->events = event->events;
    w->data = event->data.u64;
    long r = watch_tell_host(w, EPOLL_CTL_MOD);
    if (r < 0)
        return (int)r;
    w->disabled = false;
    watch_armed(w);
    return 0;
}

/* What the kernel says of EPOLLEXCLUSIVE. */
static bool is_exclusive_wrong(const struct watch *w, int operation, uint32_t events)
{
    const uint32_t MAY = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET;
    if (operation == EPOLL_CTL_MOD)
        return (events & EPOLLEXCLUSIVE) || (w && (w->events & EPOLLEXCLUSIVE));
    return operation == EPOLL_CTL_ADD && (events & EPOLLEXCLUSIVE) &&
           (events & ~(MAY | EPOLLEXCLUSIVE));
}

static int64_t watch_control(struct epoll_file *ep, int operation, struct net_socket *s, int fd,
                             const struct epoll_event *event)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.watch_lock);
    struct watch *w = watch_find(ep, s, fd);
    if (is_exclusive_wrong(w, operation, event->events))
        return -EINVAL;
    if (operation == EPOLL_CTL_ADD)
        return w ? -EEXIST : watch_add(ep, s, fd, event);
    if (!w)
        return -ENOENT;
    if (operation == EPOLL_CTL_MOD)
        return watch_modify(w, event);
    long r = watch_tell_host(w, EPOLL_CTL_DEL);
    watch_drop(w);
    return r;
}

/* An instance that goes into another one: the host, who watches it there, has to know when something
 * is on its ready list. */
static void inner_added(int fd)
{
    SCOPED(epoll_putp) struct epoll_file *ep = epoll_get(fd);
    if (!ep)
        return;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.watch_lock);
    epoll_watched(ep);
}

/* It will never be TLS: the host knows all there is to know, and a thread that waits there already, on an
 * instance that no shielded socket was in, must find the guest's own data. */
static bool is_datagram(const struct net_socket *s, int fd)
{
    int type;
    return s->kind == NET_RAW && sock_option(fd, SOL_SOCKET, SO_TYPE, &type) == 0 &&
           type == SOCK_DGRAM;
}

int64_t sys_epoll_ctl(struct syscall_call *c)
{
    int epoll_fd = (int)c->args[0], operation = (int)c->args[1], fd = (int)c->args[2];
    struct epoll_event event = {0};
    if (!fd_is_shielded(fd))
        return sys_pass(c);
    if (operation == EPOLL_CTL_ADD)
        inner_added(fd);
    SCOPED(socket_putp) struct net_socket *s = socket_get(fd);
    if (!s || s->kind == NET_LISTENER || is_datagram(s, fd) || operation < EPOLL_CTL_ADD ||
        operation > EPOLL_CTL_MOD)
        return sys_pass(c);
    if (operation != EPOLL_CTL_DEL && guest_get(&event, c->args[3]) < 0)
        return -EFAULT;
    SCOPED(epoll_putp) struct epoll_file *ep = epoll_get(epoll_fd);
    if (!ep && operation != EPOLL_CTL_ADD)
        return sys_pass(c);
    bool made = !ep;
    int64_t r = ep ? 0 : epoll_make(epoll_fd, &ep);
    if (r < 0)
        return r;
    socket_lock(s);
    r = watch_control(ep, operation, s, fd, &event);
    socket_unlock(s);
    if (made && r < 0) /* no epoll descriptor after all, perhaps */
        file_put(fd_detach(epoll_fd));
    return r;
}

/* --- epoll_wait ------------------------------------------------------------------------------- */

struct batch {
    struct epoll_event events[BATCH_MAX];
    uint64_t marks[BATCH_MAX]; /* of shielded ones; 0: a plain descriptor's */
    int count;
    int max;
};

static void batch_add(struct batch *batch, const struct epoll_event *event, uint64_t mark)
{
    for (int i = 0; mark && i < batch->count; i++)
        if (batch->marks[i] == mark) { /* told from the list and by the host */
            batch->events[i].events |= event->events;
            return;
        }
    batch->events[batch->count] = *event;
    batch->marks[batch->count++] = mark;
}

/* Looks at one watch and adds what there is to tell. Under the watch lock when called and when it
 * returns, but not in between. */
static void watch_visit(struct watch *w, uint32_t host, bool from_host, struct batch *batch)
{
    struct net_socket *s = w->socket;
    struct epoll_event event;
    unsigned bits = 0;
    if (!socket_try_get(s))
        return;
    w->references++;
    lock_release(&g_net.watch_lock);
    socket_lock(s);
    if (s->kind == NET_TLS && (from_host || s->claimed)) {
        struct socket_was was = s->claimed ? socket_before(s) : (struct socket_was){0};
        bits = s->claimed ? tls_conn_state(s->tls) : 0;
        if (from_host || (bits & (TLS_READABLE | TLS_BUFFERED)) == TLS_BUFFERED ||
            (s->claimed && !(bits & TLS_READABLE) && tls_conn_owes(s->tls)))
            bits = socket_advance(s);
        if (s->claimed)
            socket_after(s, was, false);
    }
    lock_acquire(&g_net.watch_lock);
    uint64_t mark = watch_mark(w->slot, w->generation);
    if (watch_judge(w, bits, host, from_host, &event))
        batch_add(batch, &event, mark);
    watch_put(w);
    lock_release(&g_net.watch_lock);
    socket_unlock(s);
    socket_put(s);
    lock_acquire(&g_net.watch_lock);
}

/* What the ready list has, at most `max`, so that the host's events get their turn too. With nothing
 * to tell and `*timeout` not 0 the caller is counted as waiting: what is listed from here on wakes
 * it. Otherwise *timeout becomes 0. */
static bool ready_collect(struct epoll_file *ep, struct batch *batch, int max, int *timeout)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.watch_lock);
    uint32_t seen = 0, listed = ep->ready_count;
    while (ep->ready && batch->count < max && (seen++ < listed || batch->count == 0)) {
        struct watch *w = ep->ready;
        watch_unlist(w);
        watch_visit(w, 0, false, batch);
    }
    epoll_settle(ep);
    if (batch->count > 0)
        *timeout = 0;
    ep->waiting += *timeout != 0;
    return *timeout != 0;
}

static void host_events_take(struct epoll_file *ep, const struct epoll_event *events, int count,
                             struct batch *batch)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.watch_lock);
    for (int i = 0; i < count; i++) {
        if (!watch_is_mark(events[i].data.u64)) {
            batch_add(batch, &events[i], 0);
            continue;
        }
        struct watch *w = watch_of_mark(ep, events[i].data.u64);
        if (w)
            watch_visit(w, events[i].events, true, batch);
    }
    epoll_settle(ep);
}

static int timeout_ms(int64_t deadline_ns)
{
    if (deadline_ns < 0)
        return -1;
    int64_t left = deadline_ns - net_now_ns();
    return left <= 0 ? 0 : (int)MIN((left + 999999) / 1000000, (int64_t)INT_MAX);
}

static void waiting_end(struct epoll_file *ep)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.watch_lock);
    ep->waiting--;
}

/* One look at the ready list and one at the host. The number of host events or -errno. */
static int64_t wait_once(struct epoll_file *ep, int fd, struct batch *batch, int timeout,
                         const uint64_t *mask)
{
    struct epoll_event events[BATCH_MAX];
    bool waits = ready_collect(ep, batch, (batch->max + 1) / 2, &timeout);
    int64_t n = batch->count == batch->max ? 0
                                           : rt_block(SYS_epoll_pwait, fd, events,
                                                      batch->max - batch->count, timeout, mask, 8);
    if (waits)
        waiting_end(ep);
    if (n > batch->max - batch->count)
        return -EPROTO;
    if (n > 0)
        host_events_take(ep, events, (int)n, batch);
    return n;
}

static int64_t epoll_file_wait(struct epoll_file *ep, struct syscall_call *c, int64_t timeout_ns,
                               const uint64_t *mask)
{
    struct batch batch = {.max = (int)c->args[2]};
    if (batch.max <= 0)
        return -EINVAL;
    batch.max = MIN(batch.max, BATCH_MAX);
    int64_t deadline = timeout_ns == 0 ? 0 : deadline_after(timeout_ns), n;
    cork_flush_all();
    for (;;) {
        int timeout = timeout_ns == 0 ? 0 : timeout_ms(deadline);
        int64_t turn_ns = net_turn();
        bool cut = turn_ns >= 0 && (timeout < 0 || timeout > turn_ns / 1000000);
        n = wait_once(ep, (int)c->args[0], &batch,
                      cut ? (int)((turn_ns + 999999) / 1000000) : timeout, mask);
        if (batch.count > 0 || n < 0)
            break;
        if (n == 0 && !cut)
            break;
        if (timeout == 0)
            break;
    }
    if (batch.count == 0)
        return MIN(n, (int64_t)0);
    size_t size = (size_t)batch.count * sizeof batch.events[0];
    return guest_write(c->args[1], batch.events, size) < 0 ? -EFAULT : batch.count;
}

static int64_t epoll_wait_call(struct syscall_call *c, int64_t timeout_ns, bool has_mask)
{
    SCOPED(epoll_putp) struct epoll_file *ep = epoll_get((int)c->args[0]);
    uint64_t mask;
    if (!ep)
        return sys_pass(c);
    if (has_mask && c->args[4]) {
        int r = call_host_mask(c->args[4], c->args[5], &mask);
        return r < 0 ? r : epoll_file_wait(ep, c, timeout_ns, &mask);
    }
    return epoll_file_wait(ep, c, timeout_ns, NULL);
}

static int64_t from_ms(int timeout)
{
    return timeout < 0 ? NET_TIMEOUT_NONE : (int64_t)timeout * 1000000;
}

int64_t sys_epoll_wait(struct syscall_call *c)
{
    return epoll_wait_call(c, from_ms((int)c->args[3]), false);
}

int64_t sys_epoll_pwait(struct syscall_call *c)
{
    return epoll_wait_call(c, from_ms((int)c->args[3]), true);
}

int64_t sys_epoll_pwait2(struct syscall_call *c)
{
    int64_t timeout_ns;
    int r = call_timeout(c->args[3], &timeout_ns);
    return r < 0 ? r : epoll_wait_call(c, timeout_ns, true);
}

/* --- an epoll descriptor that is polled itself ------------------------------------------------- */

static int epoll_poll(struct file *f, int events, int *ret_host_events)
{
    struct epoll_file *ep = container_of(f, struct epoll_file, file);
    *ret_host_events = events;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.watch_lock);
    epoll_watched(ep); /* what is listed while the caller waits at the host must wake it */
    return ep->ready_count > 0 ? events & (POLLIN | POLLRDNORM) : 0;
}

const struct file_ops epoll_file_ops = {
    .name = "epoll",
    .poll = epoll_poll,
    .release = epoll_release,
};
