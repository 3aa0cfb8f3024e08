/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/lock.h"
#include "platform/host.h"

#include <linux/futex.h>
#include <sys/syscall.h>

void lock_acquire_slow(lock_word *lock)
{
    while (atomic_exchange_explicit(lock, 2, memory_order_acquire) != 0)
        futex_wait(lock, 2);
}

void lock_wake(lock_word *lock)
{
    futex_wake(lock, 1);
}

/* Without FUTEX_PRIVATE_FLAG: the words may lie in memory shared between processes. */
void futex_wait(_Atomic int *word, int value)
{
    (void)host_call(SYS_futex, word, FUTEX_WAIT, value);
}

void futex_wake(_Atomic int *word, int count)
{
    (void)host_call(SYS_futex, word, FUTEX_WAKE, count);
}
