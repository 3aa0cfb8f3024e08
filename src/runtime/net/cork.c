/* SPDX-License-Identifier: Apache-2.0 */
/* TCP_CORK and MSG_MORE: what a program writes in pieces becomes one record and one packet. Each piece by
 * itself would cost a record, an authentication tag and a host call. The kernel keeps such bytes for
 * 200 ms at most; here they leave when the program waits for anything, so no clock is needed. */
#include "runtime/net/internal.h"

static lock_word g_lock; /* protects: the list; a leaf, inside the gate */
static struct net_socket *g_corked;
static _Atomic int g_count;

void cork_note(struct net_socket *s)
{
    if (s->has_corked || !s->claimed || !tls_conn_is_corked(s->tls))
        return;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    s->has_corked = true;
    s->next_corked = g_corked;
    g_corked = s;
    atomic_fetch_add(&g_count, 1);
}

/* Takes the first off the list, with a reference. */
static struct net_socket *corked_next(void)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    struct net_socket *s = g_corked;
    while (s) {
        g_corked = s->next_corked;
        s->has_corked = false;
        atomic_fetch_sub(&g_count, 1);
        if (socket_try_get(s))
            return s;
        s = g_corked; /* its last user is closing it, and will send what waits */
    }
    return NULL;
}

void cork_flush(struct net_socket *s)
{
    socket_lock(s);
    if (s->claimed) {
        struct socket_was was = socket_before(s);
        (void)tls_conn_flush(s->tls);
        socket_after(s, was, false);
    }
    socket_unlock(s);
}

void cork_flush_all(void)
{
    struct net_socket *s;
    if (atomic_load_explicit(&g_count, memory_order_relaxed) == 0)
        return;
    for (;;) {
        gate_enter();
        s = corked_next();
        gate_leave();
        if (!s)
            return;
        cork_flush(s);
        socket_put(s);
    }
}

void cork_forget(struct net_socket *s)
{
    gate_enter();
    lock_acquire(&g_lock);
    for (struct net_socket **at = &g_corked; s->has_corked && *at; at = &(*at)->next_corked)
        if (*at == s) {
            *at = s->next_corked;
            s->has_corked = false;
            atomic_fetch_sub(&g_count, 1);
            break;
        }
    lock_release(&g_lock);
    gate_leave();
}

/* In a child of fork(): they are the parent's to send. */
void cork_after_fork(void)
{
    for (; g_corked; g_corked = g_corked->next_corked)
        g_corked->has_corked = false;
    atomic_store(&g_count, 0);
}
