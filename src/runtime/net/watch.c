/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/watch.h"

#include "platform/host.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#define SLOTS_FIRST 16u

uint64_t watch_mark(uint32_t slot, uint32_t generation)
{
    return g_net.mark | (uint64_t)(generation & WATCH_GENERATION_MASK) << WATCH_SLOT_BITS | slot;
}

bool watch_is_mark(uint64_t data)
{
    return data >> 32 == g_net.mark >> 32;
}

/* --- the ready list --------------------------------------------------------------------------- */

static bool wake_make(struct epoll_file *ep)
{
    int fd = atomic_load(&ep->file.host_fd);
    if (ep->wake_fd >= 0 || fd < 0)
        return ep->wake_fd >= 0;
    int made = (int)host_call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    ep->wake_fd = made < 0 ? -1 : fd_hide(made);
    struct epoll_event event = {EPOLLIN | (ep->outside ? 0 : EPOLLET),
                                {.u64 = watch_mark(WATCH_SLOT_WAKE, 0)}};
    if (ep->wake_fd >= 0)
        (void)host_call(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, ep->wake_fd, &event);
    return ep->wake_fd >= 0;
}

/* A thread that is in the host's epoll_wait, or will be before it looks at the list again. */
static void wake_waiter(struct epoll_file *ep)
{
    uint64_t one = 1;
    if ((ep->waiting > 0 || (ep->outside && !ep->wake_set)) && wake_make(ep)) {
        ep->wake_set = true;
        (void)host_call(SYS_write, ep->wake_fd, &one, sizeof one);
    }
}

void epoll_settle(struct epoll_file *ep)
{
    uint64_t count;
    if (!ep->outside || !ep->wake_set || ep->ready_count > 0)
        return;
    ep->wake_set = false;
    (void)host_call(SYS_read, ep->wake_fd, &count, sizeof count);
}

void epoll_watched(struct epoll_file *ep)
{
    struct epoll_event event = {EPOLLIN, {.u64 = watch_mark(WATCH_SLOT_WAKE, 0)}};
    if (ep->outside)
        return;
    ep->outside = true;
    if (ep->wake_fd >= 0)
        (void)host_call(SYS_epoll_ctl, atomic_load(&ep->file.host_fd), EPOLL_CTL_MOD, ep->wake_fd,
                        &event);
    if (ep->ready_count > 0)
        wake_waiter(ep);
}

void watch_list(struct watch *w)
{
    struct epoll_file *ep = w->epoll;
    if (w->listed || !ep)
        return;
    w->listed = true;
    w->next = NULL;
    w->previous = ep->ready_last;
    *(ep->ready_last ? &ep->ready_last->next : &ep->ready) = w;
    ep->ready_last = w;
    ep->ready_count++;
    wake_waiter(ep);
}

void watch_unlist(struct watch *w)
{
    struct epoll_file *ep = w->epoll;
    if (!w->listed || !ep)
        return;
    *(w->previous ? &w->previous->next : &ep->ready) = w->next;
    *(w->next ? &w->next->previous : &ep->ready_last) = w->previous;
    w->next = w->previous = NULL;
    w->listed = false;
    ep->ready_count--;
}

/* --- watches ---------------------------------------------------------------------------------- */

void watch_put(struct watch *w)
{
    if (--w->references == 0)
        free(w);
}

void watch_drop(struct watch *w)
{
    if (!w->epoll)
        return;
    watch_unlist(w);
    epoll_settle(w->epoll);
    w->epoll->slots[w->slot] = NULL;
    w->epoll->slot_hint = MIN(w->epoll->slot_hint, w->slot);
    for (struct watch **at = &w->socket->watches; *at; at = &(*at)->next_of_socket)
        if (*at == w) {
            *at = w->next_of_socket;
            break;
        }
    w->epoll = NULL;
    watch_put(w);
}

struct watch *watch_find(struct epoll_file *ep, const struct net_socket *s, int fd)
{
    for (struct watch *w = s->watches; w; w = w->next_of_socket)
        if (w->epoll == ep && w->fd == fd)
            return w;
    return NULL;
}

/* The mark came back from the host, who may have made it up. */
struct watch *watch_of_mark(struct epoll_file *ep, uint64_t mark)
{
    uint32_t slot = mark & ((1u << WATCH_SLOT_BITS) - 1);
    struct watch *w = slot < ep->slot_count ? ep->slots[slot] : NULL;
    return w && watch_mark(w->slot, w->generation) == mark ? w : NULL;
}

static int slot_take(struct epoll_file *ep, struct watch *w)
{
    uint32_t slot = ep->slot_hint;
    while (slot < ep->slot_count && ep->slots[slot])
        slot++;
    if (slot > WATCH_SLOT_MAX)
        return -ENOSPC;
    if (slot == ep->slot_count) {
        uint32_t count = MAX(2 * ep->slot_count, SLOTS_FIRST);
        struct watch **slots = reallocarray(ep->slots, count, sizeof(struct watch *));
        if (!slots)
            return -ENOMEM;
        memset(slots + ep->slot_count, 0, (count - ep->slot_count) * sizeof(struct watch *));
        ep->slots = slots;
        ep->slot_count = count;
    }
    ep->slots[slot] = w;
    ep->slot_hint = slot + 1;
    w->slot = slot;
    return 0;
}

/* What the host does not know of and will not tell. */
static bool has_more(const struct watch *w)
{
    const struct net_socket *s = w->socket;
    unsigned bits = s->claimed ? tls_conn_state(s->tls) : 0;
    return s->foreign || s->read_shut || (bits & (TLS_READABLE | TLS_BUFFERED)) ||
           ((bits & TLS_WRITABLE) && (w->events & (EPOLLOUT | EPOLLWRNORM)));
}

void watch_armed(struct watch *w)
{
    w->edge_in = w->edge_out = true;
    if (has_more(w))
        watch_list(w);
}

int watch_add(struct epoll_file *ep, struct net_socket *s, int fd, const struct epoll_event *event)
{
    static uint32_t generation;
    struct watch *w = calloc(1, sizeof *w);
    int r = w ? slot_take(ep, w) : -ENOMEM;
    if (r < 0) {
        free(w);
        return r;
    }
    w->epoll = ep;
    w->socket = s;
    w->fd = fd;
    w->generation = ++generation & WATCH_GENERATION_MASK;
    w->references = 1;
    w->events = event->events;
    w->data = event->data.u64;
    w->next_of_socket = s->watches;
    s->watches = w;
    long h = watch_tell_host(w, EPOLL_CTL_ADD);
    if (h < 0) {
        watch_drop(w);
        return (int)h;
    }
    /* As at the host, a descriptor that is ready when it is added counts as a change. */
    watch_armed(w);
    return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static bool is_edge(const struct watch *w)
{
    return w->events & EPOLLET;
}

/* One shot is done with edges at the host: a level would come back again and again between the shot
 * and the guest's re-arming, and re-arming the host's own one shot would cost a call each time an
 * event brought nothing for the guest. */
uint32_t watch_host_events(const struct watch *w)
{
    const struct net_socket *s = w->socket;
    uint32_t asked = w->events & ~(uint32_t)(EPOLLEXCLUSIVE | EPOLLWAKEUP);
    if (s->kind != NET_TLS)
        return asked;
    uint32_t wanted = asked & (EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    if (asked & EPOLLRDNORM)
        wanted |= EPOLLIN;
    if (asked & EPOLLWRNORM)
        wanted |= EPOLLOUT;
    short needed = s->claimed ? tls_conn_host_events(s->tls, (short)(wanted & (EPOLLIN | EPOLLOUT)))
                   : s->rule->listen ? POLLIN
                                     : POLLIN | POLLOUT;
    uint32_t host = ((uint32_t)needed & (POLLIN | POLLOUT)) | (wanted & EPOLLRDHUP);
    if (asked & (EPOLLET | EPOLLONESHOT)) /* more costs nothing, changing it does */
        host |= EPOLLET | EPOLLIN | (wanted & EPOLLOUT) | (w->host_events & (EPOLLIN | EPOLLOUT));
    return host;
}

long watch_tell_host(struct watch *w, int operation)
{
    uint32_t events = watch_host_events(w);
    struct epoll_event event = {events, {.u64 = watch_mark(w->slot, w->generation)}};
    int epoll_fd = atomic_load(&w->epoll->file.host_fd);
    if (epoll_fd < 0)
        return -EBADF;
    long r = host_call(SYS_epoll_ctl, epoll_fd, operation, w->fd, &event);
    if (r == 0)
        w->host_events = events;
    return r;
}

uint32_t watch_ready(const struct watch *w, unsigned bits, uint32_t host)
{
    uint32_t ready = host & (EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLPRI);
    if (w->socket->kind != NET_TLS)
        ready = host;
    else if (w->socket->read_shut)
        bits |= TLS_READABLE | TLS_ENDED;
    if (bits & TLS_READABLE)
        ready |= EPOLLIN | EPOLLRDNORM;
    if (bits & TLS_WRITABLE)
        ready |= EPOLLOUT | EPOLLWRNORM;
    if (bits & TLS_ENDED)
        ready |= EPOLLRDHUP;
    if (bits & TLS_FAILED)
        ready |= EPOLLERR | EPOLLHUP;
    return ready & (w->events | EPOLLERR | EPOLLHUP);
}

/* Edges: pass on the host's if they brought something; see watch.h. */
static bool judge_edge(struct watch *w, uint32_t ready, uint32_t host, bool from_host)
{
    const uint32_t IN = EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
    bool in = (w->edge_in || (from_host && (host & IN))) && (ready & IN);
    bool out = w->edge_out && (ready & (EPOLLOUT | EPOLLWRNORM));
    bool fires = w->socket->kind == NET_TLS ? in || out : ready != 0;
    w->edge_in = false;
    if (fires && (ready & (EPOLLOUT | EPOLLWRNORM)))
        w->edge_out = false;
    watch_unlist(w);
    return fires;
}

bool watch_judge(struct watch *w, unsigned bits, uint32_t host, bool from_host,
                 struct epoll_event *ret_event)
{
    if (!w->epoll || w->disabled)
        return false;
    uint32_t ready = watch_ready(w, bits, host);
    bool fires;
    if (is_edge(w)) {
        fires = judge_edge(w, ready, host, from_host);
    } else {
        fires = ready != 0;
        w->edge_in = w->edge_out = false;
        if (fires && (bits & TLS_READABLE))
            watch_list(w); /* the host may be silent: look again before the next wait */
        else
            watch_unlist(w);
    }
    if (!fires)
        return false;
    if (w->events & EPOLLONESHOT) {
        w->disabled = true;
        watch_unlist(w);
    }
    ret_event->events = ready;
    ret_event->data.u64 = w->data;
    return true;
}

void watches_update(struct net_socket *s, bool took_edge, bool owes_out)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.watch_lock);
    unsigned bits = s->claimed ? tls_conn_state(s->tls) : 0;
    for (struct watch *w = s->watches; w; w = w->next_of_socket) {
        if (watch_host_events(w) != w->host_events && !w->disabled)
            (void)watch_tell_host(w, EPOLL_CTL_MOD);
        w->edge_in |= took_edge;
        w->edge_out |= owes_out;
        bool there =
            (bits & (TLS_READABLE | TLS_BUFFERED)) || (s->claimed && tls_conn_owes(s->tls));
        if (!w->disabled && ((there && (!is_edge(w) || took_edge)) ||
                             (w->edge_out && (bits & TLS_WRITABLE) && (w->events & EPOLLOUT))))
            watch_list(w);
    }
}

void watches_drop(struct net_socket *s)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.watch_lock);
    while (s->watches)
        watch_drop(s->watches);
}
