/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/lock.h: locks that are safe in the runtime.
 *
 * A futex word, no thread-local state, not recursive, works in shared memory too. Never held across
 * rt_block() or while guest memory is touched. After fork() only the forking thread exists: who
 * owns a process-wide lock registers it with pthread_atfork() (the runtime forks with glibc's
 * fork()): take it in prepare, lock_release() it in parent and child. Order, outermost first:
 *   threads > memory > descriptors > volume and net locks > log */
#ifndef COFFER_RUNTIME_LOCK_H
#define COFFER_RUNTIME_LOCK_H

#include "base/macros.h"

#include <stdatomic.h>

/* 0 free, 1 held, 2 held and somebody may wait. */
typedef _Atomic int lock_word;

void lock_acquire_slow(lock_word *lock);
void lock_wake(lock_word *lock);

static inline void lock_acquire(lock_word *lock)
{
    int expected = 0;
    if (!atomic_compare_exchange_strong_explicit(lock, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        lock_acquire_slow(lock);
}

static inline void lock_release(lock_word *lock)
{
    if (atomic_exchange_explicit(lock, 0, memory_order_release) == 2)
        lock_wake(lock);
}

/* SCOPED(lock_leave) lock_word *held = lock_enter(&lock); */
static inline lock_word *lock_enter(lock_word *lock)
{
    lock_acquire(lock);
    return lock;
}

static inline void lock_leave(lock_word **held)
{
    if (*held)
        lock_release(*held);
}

/* Waits while *word == value, until woken; may return early. Not interruptible by guest signals:
 * only for waits that the runtime itself ends. */
void futex_wait(_Atomic int *word, int value);
void futex_wake(_Atomic int *word, int count);

#endif
