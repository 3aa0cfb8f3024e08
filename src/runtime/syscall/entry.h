/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/syscall/entry.h: the assembly of entry.S and the two levels of dispatch under it. */
#ifndef COFFER_RUNTIME_SYSCALL_ENTRY_H
#define COFFER_RUNTIME_SYSCALL_ENTRY_H

#include "runtime/thread.h"

/* See entry.S for what holds at which of them. */
extern const char rt_entry[], rt_fast_kept[], rt_fast_number[], rt_fast_flags[];
extern const char rt_fast_syscall[], rt_fast_end[], rt_fast_more[], rt_fast_more_end[];
extern const char rt_full[], rt_full_switched[], rt_full_end[];
extern const char rt_exit_begin[], rt_exit_end[];
extern const char rt_host_restorer[];

/* How thread_enter_guest() ends. */
enum thread_leave { THREAD_LEAVE_EXIT = 1, THREAD_LEAVE_EXEC = 2 };

int thread_enter_guest(struct thread *t, const struct regs *regs);
void thread_leave_guest(int how) __attribute__((noreturn));
void rt_resume_frame(void *uc, uint64_t guest_fs) __attribute__((noreturn));
long rt_vfork(unsigned long flags, void *stack, void (*fn)(void *), void *arg);

/* Which way entry.S takes for a call by its number; known there by value. */
enum dispatch_way {
    WAY_SLOW, /* dispatch_slow() */
    WAY_TIME, /* dispatch_time() */
    WAY_PASS, /* these are answered on the short way: by the host, */
    WAY_FD,   /* by the host if args[0] is no descriptor of the runtime's, */
    WAY_ANY,  /* by the host if no descriptor is shielded, */
    WAY_PID,  /* or from what the runtime knows */
    WAY_TID,
};
extern const uint8_t dispatch_ways[];

/* How dispatch_slow()'s caller saves vector registers: by XSAVEC if not by hand. */
enum dispatch_vectors { VECTORS_XSAVE, VECTORS_AVX, VECTORS_AVX512 };
extern uint8_t g_dispatch_vectors;

/* Called by entry.S on the guest's FS and vectors: general registers only, no libc. 0: done, the
 * result is in regs->rax; 1: dispatch_slow() must run. */
int dispatch_time(struct regs *regs);
int dispatch_work(struct regs *regs);
/* Called on the runtime's FS with vectors saved. */
void dispatch_slow(struct regs *regs);

/* Settings of dispatch, before the first guest instruction. */
extern bool g_dispatch_trace; /* every call prints a line */
extern bool g_dispatch_slow;  /* every call takes the slow path: for --trace, and in an enclave */
extern bool g_dispatch_stats; /* counters for --stats */
/* Time is not told without the kernel: there is no code for it, or that code has to make the call
 * (and would trap each time: set by the handler that sees it). */
extern bool g_dispatch_time_asks;

struct dispatch_counters {
    _Atomic uint64_t traps, slow, fast, signals; /* fast and slow: of threads that have ended */
};
extern struct dispatch_counters g_counters;

/* Adds what the ending thread counted for itself. */
void dispatch_count(const struct thread *t);

/* The line of --stats. */
void dispatch_stats_print(int fd);

/* After the settings, before the first guest instruction: chooses what suits processor and platform.
 */
void dispatch_start(void);

/* Arms system-call dispatch for the calling thread. 0 or -errno. */
must_check int dispatch_arm(void);

/* The bounds of the runtime's own text: what dispatch lets through. */
void dispatch_text_bounds(uint64_t *ret_from, uint64_t *ret_size);

#endif
