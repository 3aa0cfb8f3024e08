/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that connects and then says nothing, or a little now and then, must not have a connection for
 * ever: programs start their own clocks when the first plaintext comes. Handshakes under way stand in a
 * list, oldest first, which all have the same time for it; waits end in time for the first. */
#include "platform/host.h"
#include "runtime/net/internal.h"

#include <sys/socket.h>
#include <sys/syscall.h>

int64_t g_handshake_limit_ns = 60 * (int64_t)1000000000;

static lock_word g_lock; /* protects: the list; a leaf, inside the gate */
static struct net_socket *g_first, *g_last;
static _Atomic int g_count;

static void list_add(struct net_socket *s)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    s->handshake_until_ns = net_now_ns() + g_handshake_limit_ns;
    s->later_handshake = NULL;
    s->earlier_handshake = g_last;
    *(g_last ? &g_last->later_handshake : &g_first) = s;
    g_last = s;
    atomic_fetch_add(&g_count, 1);
}

static void list_remove(struct net_socket *s)
{
    *(s->earlier_handshake ? &s->earlier_handshake->later_handshake : &g_first) =
        s->later_handshake;
    *(s->later_handshake ? &s->later_handshake->earlier_handshake : &g_last) = s->earlier_handshake;
    s->handshake_until_ns = 0;
    atomic_fetch_sub(&g_count, 1);
}

void handshake_begins(struct net_socket *s)
{
    if (s->handshake_until_ns == 0)
        list_add(s);
}

void handshake_is_over(struct net_socket *s)
{
    if (s->handshake_until_ns == 0)
        return;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    if (s->handshake_until_ns != 0)
        list_remove(s);
}

/* The first that is too late, off the list and with a reference; NULL: none, and *ret_left_ns is how long
 * the first has (NET_TIMEOUT_NONE: there is no first). */
static struct net_socket *too_late(int64_t *ret_left_ns)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    *ret_left_ns = NET_TIMEOUT_NONE;
    while (g_first) {
        struct net_socket *s = g_first;
        int64_t left = s->handshake_until_ns - net_now_ns();
        if (left > 0) {
            *ret_left_ns = left;
            return NULL;
        }
        list_remove(s);
        if (socket_try_get(s)) /* else its last user is closing it */
            return s;
    }
    return NULL;
}

static void end(struct net_socket *s)
{
    socket_lock(s);
    if (socket_claim(s) == 0 && !tls_conn_is_established(s->tls)) {
        struct socket_was was = socket_before(s);
        tls_conn_expire(s->tls);
        socket_after(s, was, false);
        (void)host_call(SYS_shutdown, atomic_load(&s->file.host_fd),
                        SHUT_RDWR); /* wakes who waits */
    }
    socket_unlock(s);
}

int64_t handshake_turn(void)
{
    int64_t left = NET_TIMEOUT_NONE;
    while (atomic_load_explicit(&g_count, memory_order_relaxed) > 0) {
        gate_enter();
        struct net_socket *s = too_late(&left);
        gate_leave();
        if (!s)
            break;
        end(s);
        socket_put(s);
    }
    return left;
}

int64_t net_turn(void)
{
    int64_t linger_ns = linger_turn(), handshake_ns = handshake_turn();
    if (linger_ns < 0 || handshake_ns < 0)
        return MAX(linger_ns, handshake_ns);
    return MIN(linger_ns, handshake_ns);
}

/* In a child of fork(): those under way are the parent's. */
void handshake_after_fork(void)
{
    for (; g_first; g_first = g_first->later_handshake)
        g_first->handshake_until_ns = 0;
    g_last = NULL;
    atomic_store(&g_count, 0);
    atomic_store(&g_lock, 0);
}
