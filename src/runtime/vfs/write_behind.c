/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/write_behind.h"

#include "base/log.h"
#include "platform/host.h"
#include "runtime/thread.h"
#include "runtime/vfs/fs.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

enum { STACK_SIZE = 256 << 10, IDLE_TURNS = 10 };

enum state { STATE_NO_THREAD, STATE_IDLE, STATE_CHANGED };

static _Atomic int g_state, g_tid;
static lock_word g_lock; /* protects: the owner, against write_behind_end(); inside the gate */
static bool g_over;      /* under g_lock */

static void push(void)
{
    fs_gate_enter();
    lock_acquire(&g_lock);
    struct owner *owner = g_over ? NULL : g_fs.owner;
    int r = owner && atomic_exchange(&owner->changed, false) ? owner_push(owner) : 0;
    lock_release(&g_lock);
    fs_gate_leave();
    if (r < 0)
        LOG_ERROR("what was written could not be stored", LOG_INT("error", r));
}

static void pause_turn(void)
{
    const struct timespec turn = {.tv_nsec = WRITE_BEHIND_MS * 1000000l};
    (void)host_call(SYS_nanosleep, &turn, NULL);
}

/* Ends when nothing has changed for a while, unless something just has. */
static void *thread_main(void *arg)
{
    struct thread self;
    unsigned idle = 0;
    int state;
    (void)arg;
    if (thread_serve(&self) < 0) {
        atomic_store(&g_state, STATE_NO_THREAD);
        return NULL;
    }
    atomic_store(&g_tid, (int)host_call(SYS_gettid));
    futex_wake(&g_tid, INT_MAX);
    for (;;) {
        pause_turn();
        state = STATE_CHANGED;
        if (atomic_compare_exchange_strong(&g_state, &state, STATE_IDLE)) {
            push();
            idle = 0;
            continue;
        }
        state = STATE_IDLE;
        if (++idle >= IDLE_TURNS &&
            atomic_compare_exchange_strong(&g_state, &state, STATE_NO_THREAD))
            return NULL;
    }
}

/* It takes no signal: they are for the guest's threads. */
static int thread_start(void)
{
    pthread_attr_t attributes;
    pthread_t handle;
    sigset_t all;
    atomic_store(&g_tid, 0);
    if (pthread_attr_init(&attributes) != 0)
        return -1;
    (void)sigfillset(&all);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    (void)pthread_attr_setsigmask_np(&attributes, &all);
    int r = pthread_create(&handle, &attributes, thread_main, NULL);
    (void)pthread_attr_destroy(&attributes);
    return r;
}

void write_behind_note(struct owner *owner)
{
    if (!atomic_load_explicit(&owner->changed, memory_order_relaxed) ||
        atomic_load_explicit(&g_state, memory_order_relaxed) == STATE_CHANGED)
        return;
    if (atomic_exchange(&g_state, STATE_CHANGED) != STATE_NO_THREAD)
        return;
    if (thread_start() == 0)
        return;
    atomic_store(&g_state, STATE_NO_THREAD); /* tried again after the next change */
    futex_wake(&g_tid, INT_MAX);
}

/* The last one's, for it may take a moment to be gone. */
int write_behind_tid(void)
{
    while (atomic_load(&g_state) != STATE_NO_THREAD && atomic_load(&g_tid) == 0)
        futex_wait(&g_tid, 0);
    return atomic_load(&g_tid);
}

void write_behind_end(void)
{
    lock_acquire(&g_lock);
    g_over = true;
    lock_release(&g_lock);
}

void write_behind_after_fork(void)
{
    atomic_store(&g_lock, 0);
    atomic_store(&g_tid, 0);
    atomic_store(&g_state, STATE_NO_THREAD);
}
