/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel goes on sending what a program wrote after the program has closed the socket. What TLS
 * still holds then, at most one record and the close_notify, is kept here on a duplicate descriptor
 * and sent from inside the guest's next waits, for a few seconds. */
#include "platform/host.h"
#include "runtime/net/internal.h"
#include "runtime/net/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>

#define LINGER_COUNT_MAX 16
#define LINGER_NS ((int64_t)5 * 1000000000)
#define LINGER_TURN_NS ((int64_t)50 * 1000000)

struct lingering {
    struct tls_conn *tls; /* NULL: free */
    int fd;
    int64_t until_ns;
};

static struct lingering g_lingering[LINGER_COUNT_MAX]; /* under g_lock, inside the gate */
static _Atomic int g_lingering_count;
static lock_word g_lock;

static void lingering_drop(struct lingering *l)
{
    tls_conn_free(l->tls);
    (void)host_call(SYS_shutdown, l->fd, SHUT_WR);
    fd_hidden_close(l->fd);
    l->tls = NULL;
    atomic_fetch_sub(&g_lingering_count, 1);
}

void linger_add(struct tls_conn *tls, int fd)
{
    if (fd >= 0)
        tls_conn_set_fd(tls, fd);
    if (fd < 0 || tls_conn_shutdown(tls) != -EAGAIN) {
        tls_conn_free(tls);
        return;
    }
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    struct lingering *free_one = NULL;
    for (struct lingering *l = g_lingering; l < g_lingering + LINGER_COUNT_MAX && !free_one; l++)
        if (!l->tls)
            free_one = l;
    int copy = free_one ? (int)host_call(SYS_dup, fd) : -1;
    copy = copy < 0 ? copy : fd_hide(copy);
    if (copy < 0) {
        tls_conn_free(tls);
        return;
    }
    tls_conn_set_fd(tls, copy);
    *free_one = (struct lingering){tls, copy, net_now_ns() + LINGER_NS};
    atomic_fetch_add(&g_lingering_count, 1);
}

int64_t linger_turn(void)
{
    if (atomic_load_explicit(&g_lingering_count, memory_order_relaxed) == 0)
        return NET_TIMEOUT_NONE;
    gate_enter();
    lock_acquire(&g_lock);
    int64_t now = net_now_ns();
    for (struct lingering *l = g_lingering; l < g_lingering + LINGER_COUNT_MAX; l++)
        if (l->tls && (tls_conn_shutdown(l->tls) != -EAGAIN || now > l->until_ns))
            lingering_drop(l);
    lock_release(&g_lock);
    gate_leave();
    return atomic_load(&g_lingering_count) > 0 ? LINGER_TURN_NS : NET_TIMEOUT_NONE;
}

void linger_finish(int64_t timeout_ns)
{
    int64_t until = net_now_ns() + timeout_ns;
    while (linger_turn() >= 0 && net_now_ns() < until) {
        struct pollfd fds[LINGER_COUNT_MAX];
        unsigned count = 0;
        for (struct lingering *l = g_lingering; l < g_lingering + LINGER_COUNT_MAX; l++)
            if (l->tls)
                fds[count++] = (struct pollfd){.fd = l->fd, .events = POLLOUT};
        if (sock_poll(fds, count, LINGER_TURN_NS) < 0)
            break;
    }
}

/* In a child of fork(): they are the parent's to send. Their descriptors are only closed. */
void linger_after_fork(void)
{
    for (struct lingering *l = g_lingering; l < g_lingering + LINGER_COUNT_MAX; l++)
        if (l->tls) {
            fd_hidden_close(l->fd);
            l->tls = NULL;
        }
    atomic_store(&g_lingering_count, 0);
    atomic_store(&g_lock, 0);
}
