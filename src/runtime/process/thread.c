/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/thread.h"
#include "platform/host.h"
#include "runtime/fd_table.h"

#include <asm/prctl.h>
#include <sys/syscall.h>

struct process g_process;

_Static_assert(
    offsetof(struct thread, stack) == 8 && offsetof(struct thread, guest_rsp) == 16 &&
        offsetof(struct thread, runtime_fs) == 24 && offsetof(struct thread, guest_fs) == 32 &&
        offsetof(struct thread, exit_rsp) == 40 && offsetof(struct thread, work) == 48 &&
        offsetof(struct thread, in_runtime) == 52 && offsetof(struct thread, xsave_size) == 56 &&
        offsetof(struct thread, trap_site) == 64 && offsetof(struct thread, process) == 72 &&
        offsetof(struct thread, call_return) == 80 && offsetof(struct thread, call_number) == 88 &&
        offsetof(struct thread, call_flags) == 96 && offsetof(struct thread, tid) == 100 &&
        offsetof(struct thread, fast_calls) == 104 && sizeof(struct regs) == 144 &&
        offsetof(struct process, pid) == 0 && offsetof(struct process, fds) == 8 &&
        offsetof(struct fd_table, count) == 4 && offsetof(struct fd_table, files) == 16 &&
        FD_MAX == 20480 && FD_HIDDEN_COUNT == 64,
    "syscall/entry.S knows these");

int thread_adopt(struct thread *t)
{
    if (!g_process.fds) {
        int r = fd_table_new(&g_process.fds);
        if (r < 0)
            return r;
        g_process.pid = (int)host_call(SYS_getpid);
    }
    *t = (struct thread){.self = t, .process = &g_process, .in_runtime = 1};
    t->tid = (int)host_call(SYS_gettid);
    t->signal_stack.ss_flags = SS_DISABLE;
    int r = (int)host_call(SYS_arch_prctl, ARCH_SET_GS, t);
    if (r < 0)
        return r;
    atomic_fetch_add(&g_process.thread_count, 1);
    return 0;
}

int thread_serve(struct thread *t)
{
    *t = (struct thread){.self = t, .process = &g_process, .in_runtime = 1};
    t->tid = (int)host_call(SYS_gettid);
    t->signal_stack.ss_flags = SS_DISABLE;
    return (int)host_call(SYS_arch_prctl, ARCH_SET_GS, t);
}
