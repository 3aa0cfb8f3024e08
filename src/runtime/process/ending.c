/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/process/ending.h"
#include "base/log.h"
#include "platform/host.h"
#include "runtime/process/process.h"
#include "runtime/process/signal.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#define PATIENCE_NS 100000000 /* then whoever has not come is kicked again */
#define PATIENCE_MAX 50       /* in one call of the host's for 5 s: it may be hung */

static _Atomic int g_ending;
static _Atomic int g_stopped; /* how many threads have parked or gone since the end was claimed */
static _Atomic int g_awaited; /* the value of that at which the waiting thread looks again */

enum ending ending_claim(enum ending how)
{
    int now = ENDING_NONE;
    return atomic_compare_exchange_strong(&g_ending, &now, (int)how) ? ENDING_NONE
                                                                     : (enum ending)now;
}

enum ending ending_now(void)
{
    return (enum ending)atomic_load(&g_ending);
}

void ending_over(void)
{
    atomic_store(&g_ending, ENDING_NONE);
}

static void count_stopped(void)
{
    if (atomic_fetch_add(&g_stopped, 1) + 1 >= atomic_load(&g_awaited))
        futex_wake(&g_stopped, 1);
}

void ending_park(struct thread *t)
{
    static _Atomic int never;
    signal_block_all();
    atomic_store(&t->parked, true);
    count_stopped();
    for (;;)
        futex_wait(&never, 0);
}

void ending_thread_gone(void)
{
    if (ending_now() == ENDING_EXIT)
        count_stopped();
}

void ending_away(struct thread *t)
{
    atomic_store(&t->parked, true);
}

void ending_back(struct thread *t)
{
    if (t->process->vfork_child) /* another process, which none of this is about */
        return;
    lock_acquire(&g_threads_lock);
    bool late = ending_now() == ENDING_EXIT;
    atomic_store(&t->parked, late);
    lock_release(&g_threads_lock);
    if (late)
        ending_park(t);
}

/* How many have not stopped yet; each of them has been kicked, `again` if need be. */
static int kick_running(struct thread *self, bool again)
{
    int count = 0;
    lock_acquire(&g_threads_lock);
    for (struct thread *t = g_threads; t; t = t->next) {
        if (t == self || atomic_load(&t->parked))
            continue;
        count++;
        if (again || !(atomic_load(&t->work) & THREAD_WORK_KICK))
            signal_kick(t);
    }
    lock_release(&g_threads_lock);
    return count;
}

/* False after PATIENCE_NS in which nobody stopped. */
static bool await_stopped(int count)
{
    const struct timespec patience = {.tv_nsec = PATIENCE_NS};
    for (int now; (now = atomic_load(&g_stopped)) - count < 0;)
        if (host_call(SYS_futex, &g_stopped, FUTEX_WAIT, now, &patience, 0, 0) == -ETIMEDOUT &&
            atomic_load(&g_stopped) == now)
            return false;
    return true;
}

void ending_stop_others(struct thread *t)
{
    bool again = false;
    int running = 0;
    for (int patience = PATIENCE_MAX; patience > 0;) {
        int before = atomic_load(&g_stopped);
        running = kick_running(t, again);
        if (running == 0)
            return;
        atomic_store(&g_awaited, before + running);
        again = !await_stopped(before + running);
        patience -= again;
    }
    LOG_ERROR("threads did not stop before the shields close", LOG_INT("threads", running));
}
