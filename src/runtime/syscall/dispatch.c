/* SPDX-License-Identifier: Apache-2.0 */
/* The fast level of dispatch: calls that the host may see as they are. Built for general registers
 * without stack protector; runs on the guest's FS with the guest's vector registers live. */
#include "platform/ops.h"
#include "runtime/fd_table.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"
#include "runtime/syscall/sites.h"

#include <sys/syscall.h>

bool g_dispatch_trace;
bool g_dispatch_stats;
struct dispatch_counters g_counters;

static bool needs_handler(const struct thread *t, const struct regs *r)
{
    switch ((enum call_class)call_table[r->nr].class) {
    case CALL_PASS:
        return false;
    case CALL_FD:
        return fd_table_shields(t->process->fds, (int)r->rdi) || fd_is_hidden((int)r->rdi);
    case CALL_ANY:
        return fd_table_any(t->process->fds);
    default:
        return true;
    }
}

int dispatch_fast(struct regs *r)
{
    struct thread *t = thread_self();
    if (t->trap_site != 0) {
        if (g_sites_enabled && sites_count(t->trap_site))
            return 1;
        t->trap_site = 0;
    }
    if (g_dispatch_trace || r->nr >= CALL_NR_MAX)
        return 1;
    if (r->nr == SYS_getpid || r->nr == SYS_gettid) {
        r->rax = (uint64_t)(r->nr == SYS_getpid ? t->process->pid : t->tid);
        return 0;
    }
    if (needs_handler(t, r))
        return 1;
    const long args[6] = {(long)r->rdi, (long)r->rsi, (long)r->rdx,
                          (long)r->r10, (long)r->r8,  (long)r->r9};
    r->rax =
        (uint64_t)platform()->call_unless((const volatile uint32_t *)&t->work, (long)r->nr, args);
    return 0;
}
