/* SPDX-License-Identifier: Apache-2.0 */
/* What --stats prints: one line a person reads and a test can take apart. */
#include "platform/host.h"
#include "runtime/process/process.h"
#include "runtime/syscall/entry.h"
#include "runtime/syscall/sites.h"

#include <stdio.h>
#include <sys/syscall.h>

void dispatch_count(const struct thread *t)
{
    atomic_fetch_add(&g_counters.fast, t->fast_calls);
    atomic_fetch_add(&g_counters.slow, t->slow_calls);
}

static void count_threads(uint64_t *fast, uint64_t *slow)
{
    *fast = atomic_load(&g_counters.fast);
    *slow = atomic_load(&g_counters.slow);
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_threads_lock);
    for (const struct thread *t = g_threads; t; t = t->next) {
        *fast += t->fast_calls;
        *slow += t->slow_calls;
    }
}

void dispatch_stats_print(int fd)
{
    char text[512];
    uint64_t fast, slow;
    count_threads(&fast, &slow);
    int n = snprintf(
        text, sizeof(text),
        "coffer-runtime: stats: traps %llu, fast calls %llu, slow calls %llu, signals %llu, "
        "sites rewritten %llu (mov %llu, padding %llu, before %llu), refused %llu\n",
        (unsigned long long)g_counters.traps, (unsigned long long)fast, (unsigned long long)slow,
        (unsigned long long)g_counters.signals,
        (unsigned long long)(g_sites.form_mov + g_sites.form_padding + g_sites.form_before),
        (unsigned long long)g_sites.form_mov, (unsigned long long)g_sites.form_padding,
        (unsigned long long)g_sites.form_before, (unsigned long long)g_sites.refused);
    (void)host_call(SYS_write, fd, text, n);
}
