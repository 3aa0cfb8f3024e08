/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/syscall/entry.h: the assembly of entry.S and the two levels of dispatch under it. */
#ifndef COFFER_RUNTIME_SYSCALL_ENTRY_H
#define COFFER_RUNTIME_SYSCALL_ENTRY_H

#include "runtime/thread.h"

extern const char rt_entry[], rt_entry_switched[], rt_entry_end[];
extern const char rt_exit_begin[], rt_exit_end[];
extern const char rt_host_restorer[];

/* How thread_enter_guest() ends. */
enum thread_leave { THREAD_LEAVE_EXIT = 1, THREAD_LEAVE_EXEC = 2 };

int thread_enter_guest(struct thread *t, const struct regs *regs);
void thread_leave_guest(int how) __attribute__((noreturn));
void rt_resume_frame(void *uc, uint64_t guest_fs) __attribute__((noreturn));
long rt_vfork(unsigned long flags, void *stack, void (*fn)(void *), void *arg);

/* Called by entry.S on the guest's FS and vectors: general registers only, no libc. 0: done, the
 * result is in regs->rax; 1: dispatch_slow() must run. */
int dispatch_fast(struct regs *regs);
int dispatch_work(struct regs *regs);
/* Called on the runtime's FS with vectors saved. */
void dispatch_slow(struct regs *regs);

/* Settings of dispatch, before the first guest instruction. */
extern bool g_dispatch_trace; /* every call takes the slow path and prints a line */
extern bool g_dispatch_stats; /* counters for --stats */

struct dispatch_counters {
    _Atomic uint64_t traps, rewritten, slow, signals;
};
extern struct dispatch_counters g_counters;

/* One line on the runtime's standard error, for --trace. */
void trace_call(const struct regs *regs, const unsigned long args[6], int64_t result);

/* Arms system-call dispatch for the calling thread. 0 or -errno. */
must_check int dispatch_arm(void);

/* The bounds of the runtime's own text: what dispatch lets through. */
void dispatch_text_bounds(uint64_t *ret_from, uint64_t *ret_size);

#endif
