/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the guest process. The host's first thread (the leader) carries the guest's first
 * thread and stays until the process ends, because an exec continues on it. */
#include "runtime/process/process.h"
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/loader/load.h"
#include "runtime/memory/memory.h"
#include "runtime/net/net.h"
#include "runtime/process/ending.h"
#include "runtime/process/exec.h"
#include "runtime/process/signal.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"
#include "runtime/vfs/vfs.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

const struct runtime_config *g_config;

static struct thread g_first_thread;
static struct thread *g_leader = &g_first_thread;
static struct signal_actions g_actions;
/* A frame of the kernel's takes some 3 KiB at its end: one page. */
LARGE_TABLE static _Alignas(4096) char g_leader_signal_stack[SIGNAL_STACK_SIZE];
static _Atomic int g_exit_status; /* of the last thread that ended */
static int g_stderr = 2;
static uint64_t g_start_mask;
static struct confined g_start_confined;
static int g_first_pid; /* prints the counters; its children do not */

int process_stderr(void)
{
    return g_stderr;
}

void process_stderr_keep(void)
{
    fd_room_enter();
    int copy = (int)host_call(SYS_fcntl, 2, F_DUPFD_CLOEXEC, fd_hidden_base());
    fd_room_leave();
    g_stderr = copy < 0 ? 2 : copy;
}

/* The process is the calling thread's to end. */
static void claim_exit(struct thread *t)
{
    enum ending other = ending_claim(ENDING_EXIT);
    if (other == ENDING_EXIT)
        ending_park(t);
    if (other == ENDING_EXEC) /* this thread ends with the old program, exec_take() with a signal */
        process_kicked(t);
    signal_block_all();
    if (vfs_must_close() || net_must_close())
        ending_stop_others(t);
}

void process_exit(int status)
{
    struct thread *t = thread_self();
    if (!t->process->vfork_child) {
        claim_exit(t);
        net_exit();
        vfs_exit();
        if (g_dispatch_stats && t->process->pid == g_first_pid)
            dispatch_stats_print(g_stderr);
        if (atomic_load(&g_signal_dying) != 0)
            signal_die(atomic_load(&g_signal_dying));
    }
    for (;;)
        (void)host_call(SYS_exit_group, status);
}

/* The leader's guest thread has ended and others live: wait for an exec or for the end. */
static void leader_park(struct thread *t)
{
    struct process *process = t->process;
    atomic_store(&process->thread_count_awaited, true);
    for (int count; (count = atomic_load(&process->thread_count)) > 0;) {
        if (atomic_fetch_and(&t->work, THREAD_WORK_KICK) & THREAD_WORK_KICK)
            return;
        (void)rt_block(SYS_futex, &process->thread_count, FUTEX_WAIT, count);
    }
}

static int load_and_enter(struct thread *t, struct program *program)
{
    struct regs regs;
    int r = program_load(program, &regs);
    if (r < 0) {
        (void)dprintf(g_stderr, "coffer-runtime: cannot load '%s': %s\n", program->path,
                      strerrordesc_np(-r));
        signal_die(SIGKILL);
    }
    program_free(program);
    t->guest_fs = 0;
    signal_open_on_exit(t);
    return thread_enter_guest(t, &regs);
}

void process_lead(struct thread *t, int how)
{
    for (;;) {
        if (how == THREAD_LEAVE_EXIT) {
            leader_park(t);
            if (ending_now() == ENDING_EXIT)
                ending_park(t);
            /* The last other thread may have ended because it executes a program. */
            if (!(atomic_load(&t->work) & THREAD_WORK_KICK) &&
                atomic_load(&t->process->thread_count) == 0)
                process_exit(atomic_load(&g_exit_status));
        }
        how = load_and_enter(t, exec_take(t));
    }
}

void process_start_mask(uint64_t mask)
{
    g_start_mask = mask;
}

struct confined *process_start_confined(void)
{
    return &g_start_confined;
}

void process_run(struct program *program)
{
    struct thread *t = thread_self();
    uint64_t mask = 0;
    (void)host_call(SYS_rt_sigprocmask, SIG_BLOCK, 0, &mask, 8);
    t->signal_mask = mask | (g_start_mask & SIGNALS_OURS);
    g_first_pid = process_self()->pid;
    signal_block_all();
    signal_start();
    if (thread_begin(t, g_leader_signal_stack) < 0)
        signal_die(SIGKILL);
    thread_list_add(t, NULL);
    process_lead(t, load_and_enter(t, program));
}

/* The first thread of the process; before anything that needs thread_self(). */
int process_start(void)
{
    int r = thread_adopt(&g_first_thread);
    g_process.actions = &g_actions;
    confined_inherit(&g_first_thread.confined, &g_start_confined);
    return r;
}

/* Clears and wakes the guest's word for the end of the thread. */
static void thread_tell_end(struct thread *t)
{
    const int zero = 0;
    if (t->clear_tid != 0 && guest_put(t->clear_tid, &zero) == 0)
        (void)host_call(SYS_futex, t->clear_tid, 1 /* FUTEX_WAKE */, 1);
    t->clear_tid = 0;
}

void thread_exit(struct thread *t, int status)
{
    struct process *process = t->process;
    if (process->vfork_child)
        process_exit(status);
    signal_block_all();
    robust_list_walk(t);
    robust_list_forget(); /* its memory may go before the host's thread does */
    rseq_forget(t);
    thread_tell_end(t);
    atomic_store(&g_exit_status, status);
    if (t == g_leader)
        atomic_fetch_sub(&process->thread_count, 1);
    thread_leave_guest(THREAD_LEAVE_EXIT);
}

void process_kicked(struct thread *t)
{
    if (ending_now() == ENDING_EXIT)
        ending_park(t);
    if (t == g_leader)
        thread_leave_guest(THREAD_LEAVE_EXEC);
    thread_exit(t, 0);
}

bool thread_is_leader(const struct thread *t)
{
    return t == g_leader;
}

struct thread *thread_leader(void)
{
    return g_leader;
}

int64_t sys_exit(struct syscall_call *c)
{
    thread_exit(c->thread, (int)(c->args[0] & 0xff));
}

int64_t sys_exit_group(struct syscall_call *c)
{
    process_exit((int)(c->args[0] & 0xff));
}

void thread_become_leader(struct thread *t)
{
    g_leader = t;
}
