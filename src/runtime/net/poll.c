/* SPDX-License-Identifier: Apache-2.0 */
/* poll and select over descriptors of which some are shielded: those are asked first and after each
 * wake-up, the host is asked about the rest and about what the shielded ones wait for. */
#include "base/macros.h"
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/fd.h"
#include "runtime/guest.h"
#include "runtime/net/calls.h"
#include "runtime/net/internal.h"
#include "runtime/net/watch.h"
#include "runtime/syscall/call.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

enum { COUNT_MAX = 1 << 16, COUNT_ON_STACK = 64 };

/* The guest's question, and what the host is asked about each. */
struct poll_set {
    struct pollfd *guest, *host;
    unsigned count;
};

int call_timeout(unsigned long address, int64_t *ret_ns)
{
    struct timespec ts;
    int64_t ns;
    *ret_ns = NET_TIMEOUT_NONE;
    if (!address)
        return 0;
    if (guest_get(&ts, address) < 0)
        return -EFAULT;
    if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000)
        return -EINVAL;
    if (!__builtin_mul_overflow(ts.tv_sec, 1000000000, &ns) &&
        !__builtin_add_overflow(ns, ts.tv_nsec, &ns))
        *ret_ns = ns;
    return 0;
}

int call_host_mask(unsigned long address, unsigned long size, uint64_t *ret_mask)
{
    static const int OPEN[] = {SIGSYS, SIGSEGV, SIGBUS, SIGTRAP};
    uint64_t mask;
    if (size != sizeof mask)
        return -EINVAL;
    if (guest_get(&mask, address) < 0)
        return -EFAULT;
    for (size_t i = 0; i < ARRAY_COUNT(OPEN); i++)
        mask &= ~(1ull << (OPEN[i] - 1));
    *ret_mask = mask;
    return 0;
}

static bool set_has_shielded(const struct pollfd *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (fds[i].fd >= 0 && fd_is_shielded(fds[i].fd))
            return true;
    return false;
}

/* A shielded file's answer, and what to ask the host for. Files without a poll of their own are
 * always ready, as regular files are. */
static short ask_file(struct file *f, short events, short *ret_host_events)
{
    int host_events = 0;
    int ready = f->ops->poll ? f->ops->poll(f, events, &host_events) : events & (POLLIN | POLLOUT);
    *ret_host_events = (short)host_events;
    return (short)ready;
}

/* Is what the host says the answer, or only a reason to ask the file again? */
static bool host_is_right(const struct file *f)
{
    if (f->ops == &epoll_file_ops) /* it knows of everything in it, see epoll_watched() */
        return true;
    return f->ops == &net_socket_ops &&
           container_of(f, const struct net_socket, file)->kind != NET_TLS;
}

/* Asks the shielded ones and prepares the question to the host. How many are ready. */
static unsigned set_ask(struct poll_set *set)
{
    unsigned ready = 0;
    for (unsigned i = 0; i < set->count; i++) {
        struct pollfd *g = &set->guest[i], *h = &set->host[i];
        *h = (struct pollfd){.fd = g->fd, .events = g->events};
        g->revents = 0;
        struct file *f = g->fd >= 0 ? fd_get(g->fd) : NULL;
        if (!f)
            continue;
        g->revents = ask_file(f, g->events, &h->events);
        if (g->revents) {
            /* Only the host knows that the peer's end has come behind what is still to be read. */
            h->events &= POLLRDHUP;
            ready++;
        }
        file_put(f);
    }
    return ready;
}

/* After the host's answer. How many are ready now. */
static unsigned set_answer(struct poll_set *set)
{
    unsigned ready = 0;
    for (unsigned i = 0; i < set->count; i++) {
        struct pollfd *g = &set->guest[i], *h = &set->host[i];
        if (h->fd >= 0 && h->revents) {
            struct file *f = fd_get(g->fd);
            short unused;
            if (g->revents)
                g->revents |= h->revents & (short)(POLLERR | POLLHUP | (g->events & POLLRDHUP));
            else if (!f || host_is_right(f))
                g->revents = h->revents;
            else
                g->revents = (short)(ask_file(f, g->events, &unused) |
                                     (h->revents & (POLLERR | POLLHUP | POLLNVAL)) |
                                     (h->revents & g->events & POLLRDHUP));
            file_put(f);
        }
        ready += g->revents != 0;
    }
    return ready;
}

static int64_t host_wait(struct poll_set *set, int64_t timeout_ns, const uint64_t *mask)
{
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    int64_t n =
        rt_block(SYS_ppoll, set->host, set->count, timeout_ns < 0 ? NULL : &timeout, mask, 8);
    return n > set->count ? -EPROTO : n;
}

/* Waits; fills the guest's revents. How many are ready or -errno. */
static int64_t set_wait(struct poll_set *set, int64_t timeout_ns, const uint64_t *mask)
{
    int64_t deadline = timeout_ns == 0 ? 0 : deadline_after(timeout_ns);
    cork_flush_all();
    for (;;) {
        int64_t turn_ns = net_turn(); /* may make something ready */
        unsigned ready = set_ask(set);
        int64_t left = ready > 0 || timeout_ns == 0 ? 0
                       : deadline < 0               ? NET_TIMEOUT_NONE
                                                    : MAX(deadline - net_now_ns(), (int64_t)0);
        bool cut = turn_ns >= 0 && (left < 0 || left > turn_ns);
        int64_t n = host_wait(set, cut ? turn_ns : left, mask);
        if (n < 0)
            return ready > 0 ? ready : n;
        ready = set_answer(set);
        if (ready > 0 || (n == 0 && !cut) || left == 0)
            return ready;
    }
}

/* --- poll ------------------------------------------------------------------------------------- */

static int64_t poll_call(struct syscall_call *c, int64_t timeout_ns, const uint64_t *mask)
{
    struct pollfd on_stack[2 * COUNT_ON_STACK];
    unsigned count = (unsigned)c->args[1];
    if (count > COUNT_MAX)
        return -EINVAL;
    struct pollfd *fds =
        count <= COUNT_ON_STACK ? on_stack : calloc(2 * (size_t)count, sizeof *fds);
    if (!fds)
        return -ENOMEM;
    int64_t r = guest_read(fds, c->args[0], count * sizeof *fds);
    if (r == 0 && !set_has_shielded(fds, count)) {
        r = sys_pass(c);
    } else if (r == 0) {
        struct poll_set set = {fds, fds + count, count};
        r = set_wait(&set, timeout_ns, mask);
        if (r >= 0 && guest_write(c->args[0], fds, count * sizeof *fds) < 0)
            r = -EFAULT;
    }
    if (fds != on_stack)
        free(fds);
    return r;
}

int64_t sys_poll(struct syscall_call *c)
{
    int timeout = (int)c->args[2];
    return poll_call(c, timeout < 0 ? NET_TIMEOUT_NONE : (int64_t)timeout * 1000000, NULL);
}

int64_t sys_ppoll(struct syscall_call *c)
{
    int64_t timeout_ns;
    uint64_t mask;
    int r = call_timeout(c->args[2], &timeout_ns);
    if (r == 0 && c->args[3])
        r = call_host_mask(c->args[3], c->args[4], &mask);
    return r < 0 ? r : poll_call(c, timeout_ns, c->args[3] ? &mask : NULL);
}

/* --- select ----------------------------------------------------------------------------------- */

#define SELECT_IN (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SELECT_OUT (POLLWRNORM | POLLWRBAND | POLLOUT | POLLERR)

static const struct {
    short asks, answers;
} SELECT_KINDS[3] = {
    {POLLIN | POLLRDNORM, SELECT_IN}, {POLLOUT | POLLWRNORM, SELECT_OUT}, {POLLPRI, POLLPRI}};

struct select_sets {
    uint64_t bits[3][(FD_MAX + 63) / 64];
    unsigned long address[3];
    unsigned count;
};

static size_t select_size(const struct select_sets *sets)
{
    return ((size_t)sets->count + 63) / 64 * 8;
}

static int select_read(struct select_sets *sets, const struct syscall_call *c)
{
    int count = (int)c->args[0];
    if (count < 0)
        return -EINVAL;
    sets->count = (unsigned)MIN(count, FD_MAX);
    for (int kind = 0; kind < 3; kind++) {
        sets->address[kind] = c->args[1 + kind];
        if (sets->address[kind] &&
            guest_read(sets->bits[kind], sets->address[kind], select_size(sets)) < 0)
            return -EFAULT;
    }
    return 0;
}

static bool select_has(const struct select_sets *sets, int kind, unsigned fd)
{
    return sets->address[kind] && (sets->bits[kind][fd / 64] >> (fd % 64) & 1);
}

static unsigned select_to_poll(const struct select_sets *sets, struct pollfd *fds,
                               bool *ret_shielded)
{
    unsigned count = 0;
    *ret_shielded = false;
    for (unsigned fd = 0; fd < sets->count; fd++) {
        short events = 0;
        for (int kind = 0; kind < 3; kind++)
            events |= select_has(sets, kind, fd) ? SELECT_KINDS[kind].asks : 0;
        if (!events)
            continue;
        fds[count++] = (struct pollfd){.fd = (int)fd, .events = events};
        *ret_shielded |= fd_is_shielded((int)fd);
    }
    return count;
}

/* The bits that are set, or -EBADF. */
static int64_t select_answer(struct select_sets *sets, const struct poll_set *set)
{
    struct select_sets *asked = sets;
    int64_t n = 0;
    uint64_t out[3][(FD_MAX + 63) / 64] = {0};
    for (unsigned i = 0; i < set->count; i++) {
        unsigned fd = (unsigned)set->guest[i].fd;
        if (set->guest[i].revents & POLLNVAL)
            return -EBADF;
        for (int kind = 0; kind < 3; kind++)
            if (select_has(asked, kind, fd) &&
                (set->guest[i].revents & SELECT_KINDS[kind].answers)) {
                out[kind][fd / 64] |= 1ull << (fd % 64);
                n++;
            }
    }
    for (int kind = 0; kind < 3; kind++)
        if (sets->address[kind] &&
            guest_write(sets->address[kind], out[kind], select_size(sets)) < 0)
            return -EFAULT;
    return n;
}

static int64_t select_call(struct syscall_call *c, int64_t timeout_ns, const uint64_t *mask)
{
    struct select_sets *sets = calloc(1, sizeof *sets);
    int64_t r = sets ? select_read(sets, c) : -ENOMEM;
    struct pollfd *fds = r == 0 ? calloc(2 * (size_t)sets->count + 1, sizeof *fds) : NULL;
    bool shielded = false;
    if (r == 0 && !fds)
        r = -ENOMEM;
    if (r == 0) {
        struct poll_set set = {fds, fds + sets->count, 0};
        set.count = select_to_poll(sets, fds, &shielded);
        if (shielded) {
            r = set_wait(&set, timeout_ns, mask);
            r = r < 0 ? r : select_answer(sets, &set);
        }
    }
    free(fds);
    free(sets);
    return r == 0 && !shielded ? sys_pass(c) : r;
}

int64_t sys_select(struct syscall_call *c)
{
    struct timeval tv;
    int64_t timeout_ns = NET_TIMEOUT_NONE;
    if (c->args[4]) {
        if (guest_get(&tv, c->args[4]) < 0)
            return -EFAULT;
        if (tv.tv_sec < 0 || tv.tv_usec < 0)
            return -EINVAL;
        if (tv.tv_sec < INT64_MAX / 1000000000 - tv.tv_usec / 1000000 - 1)
            timeout_ns = tv.tv_sec * 1000000000 + tv.tv_usec * 1000;
    }
    return select_call(c, timeout_ns, NULL);
}

int64_t sys_pselect6(struct syscall_call *c)
{
    struct {
        uint64_t address, size;
    } argument = {0};
    int64_t timeout_ns;
    uint64_t mask;
    int r = call_timeout(c->args[4], &timeout_ns);
    if (r == 0 && c->args[5])
        r = guest_get(&argument, c->args[5]);
    if (r == 0 && argument.address)
        r = call_host_mask(argument.address, argument.size, &mask);
    return r < 0 ? r : select_call(c, timeout_ns, argument.address ? &mask : NULL);
}
