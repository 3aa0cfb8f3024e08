/* SPDX-License-Identifier: Apache-2.0 */
/* Forks and TLS. OpenSSL's locks and a connection's state must not be copied while a thread is in the
 * middle of them, and a connection may go on in one process only: two that encrypt under one key
 * would use a nonce twice. So a fork waits until no thread is inside the gate; a connection that has
 * begun stays the parent's; and one that has not gets an owner word in memory shared by both, which
 * the first to begin sets. */
#include "runtime/net/internal.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

static _Atomic int g_inside;
static _Atomic int g_forking;
static lock_word g_fork_lock; /* one fork at a time */

void gate_enter(void)
{
    for (;;) {
        atomic_fetch_add(&g_inside, 1);
        if (!atomic_load(&g_forking))
            return;
        gate_leave();
        futex_wait(&g_forking, 1);
    }
}

void gate_leave(void)
{
    if (atomic_fetch_sub(&g_inside, 1) == 1 && atomic_load(&g_forking))
        futex_wake(&g_inside, 1);
}

/* One page of owner words for the connections that a fork found not begun. */
struct owner_page {
    _Atomic uint32_t *words;
    size_t size;
    unsigned users; /* sockets of this process; under list_lock */
};

void owner_page_put(struct owner_page *page)
{
    if (!page || --page->users > 0)
        return;
    (void)munmap((void *)page->words, page->size);
    free(page);
}

static bool needs_owner(const struct net_socket *s)
{
    return s->kind == NET_TLS && !s->claimed && !s->foreign && !s->owner;
}

/* Without memory the connections stay the parent's: safe, if not what was wanted. */
static void owners_prepare(void)
{
    unsigned count = 0;
    for (struct net_socket *s = g_net.sockets; s; s = s->next)
        count += needs_owner(s);
    if (count == 0)
        return;
    struct owner_page *page = calloc(1, sizeof *page);
    if (!page)
        return;
    page->size = round_up(count * sizeof(uint32_t), 4096);
    void *words = mmap(NULL, page->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED) {
        free(page);
        return;
    }
    page->words = words;
    for (struct net_socket *s = g_net.sockets; s; s = s->next)
        if (needs_owner(s)) {
            s->owner = &page->words[page->users++];
            s->owner_page = page;
        }
}

static void prepare(void)
{
    lock_acquire(&g_fork_lock);
    atomic_store(&g_forking, 1);
    for (int inside; (inside = atomic_load(&g_inside)) > 0;)
        futex_wait(&g_inside, inside);
    lock_acquire(&g_net.context_lock);
    lock_acquire(&g_net.list_lock);
    lock_acquire(&g_net.watch_lock);
    owners_prepare();
}

static void resume(void)
{
    lock_release(&g_net.watch_lock);
    lock_release(&g_net.list_lock);
    lock_release(&g_net.context_lock);
    atomic_store(&g_forking, 0);
    futex_wake(&g_forking, INT_MAX);
    lock_release(&g_fork_lock);
}

/* The child's copies of connections that have begun are never used and so not even freed: that would
 * touch pages the two share. */
static void resume_child(void)
{
    for (struct net_socket *s = g_net.sockets; s; s = s->next)
        if (s->kind == NET_TLS && (s->claimed || !s->owner)) {
            s->foreign = true;
            s->claimed = false;
            s->tls = NULL;
        }
    linger_after_fork();
    cork_after_fork();
    handshake_after_fork();
    resume();
}

int gate_init(void)
{
    return -pthread_atfork(prepare, resume, resume_child);
}
