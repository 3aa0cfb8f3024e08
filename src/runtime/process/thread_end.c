/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/process/thread_end.h"

#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/process/process.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define RECORD_SIZE_LEAST 1024 /* of libc's struct pthread */

/* What the kernel walks when the thread ends. It lies on the thread's own stack block, which nobody uses
 * again before libc's word is given up, and then the kernel has read all of this. */
static _Thread_local struct {
    struct robust_list_head head;
    struct robust_list entry;
} g_last;

/* The word that libc had the kernel note for this thread; it lies in libc's record of the thread, at the
 * same place in each. NULL: it is somewhere else, or the host does not say. */
static _Atomic int *word_of_libc(int tid)
{
    static _Atomic size_t known; /* + 1 */
    const uintptr_t record = (uintptr_t)pthread_self();
    size_t place = atomic_load(&known);
    uintptr_t at = 0;
    if (place == 0) {
        if (host_call(SYS_prctl, PR_GET_TID_ADDRESS, &at) != 0 || at < record ||
            at - record > RECORD_SIZE_LEAST - sizeof(int) || at % sizeof(int) != 0)
            return NULL;
        place = at - record + 1;
        atomic_store(&known, place);
    }
    _Atomic int *word = (_Atomic int *)(record + place - 1); /* NOLINT(performance-no-int-to-ptr) */
    return atomic_load(word) == tid ? word : NULL;
}

static bool give_up_at_end(_Atomic int *libc_word, int tid)
{
    g_last.entry.next = &g_last.head.list;
    g_last.head.list.next = &g_last.entry;
    g_last.head.futex_offset = (long)((uintptr_t)libc_word - (uintptr_t)&g_last.entry);
    if (host_call(SYS_set_robust_list, &g_last.head, sizeof g_last.head) != 0)
        return false;
    /* The kernel leaves this bit when it gives up the word, whose sign then says to libc that the stack
     * is free (nptl: a positive one is a living thread's). */
    atomic_store(libc_word, tid | (int)FUTEX_WAITERS);
    return true;
}

/* Those that end now. A place is free again when the host knows no such thread any more. */
#define PARTING_MAX 64
static _Atomic int g_parting[PARTING_MAX];
static _Atomic unsigned g_turn;

static bool is_gone(int pid, int tid)
{
    return tid == 0 || host_call(SYS_tgkill, pid, tid, 0) == -ESRCH;
}

bool thread_end_begin(struct thread *t)
{
    if (platform()->enclave)
        return false;
    _Atomic int *place = &g_parting[atomic_fetch_add(&g_turn, 1) % PARTING_MAX];
    int before = atomic_load(place);
    return is_gone(t->process->pid, before) &&
           atomic_compare_exchange_strong(place, &before, t->tid);
}

void thread_end_await_all(int pid, int self)
{
    for (unsigned i = 0; i < PARTING_MAX; i++) {
        int tid = atomic_load(&g_parting[i]);
        while (tid != self && !is_gone(pid, tid))
            (void)host_call(SYS_sched_yield);
        atomic_store(&g_parting[i], 0);
    }
}

void thread_end_prepare(struct thread *t)
{
    _Atomic int *libc_word = word_of_libc(t->tid);
    if (libc_word && give_up_at_end(libc_word, t->tid)) {
        (void)host_call(SYS_set_tid_address, t->clear_tid);
        return;
    }
    robust_list_forget();
    rseq_forget(t);
    thread_tell_end(t);
}
