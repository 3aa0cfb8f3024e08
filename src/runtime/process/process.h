/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/process/process.h: the life of the guest process: threads, exec, exit. */
#ifndef COFFER_RUNTIME_PROCESS_PROCESS_H
#define COFFER_RUNTIME_PROCESS_PROCESS_H

#include "runtime/config.h"
#include "runtime/fd_table.h"
#include "runtime/lock.h"
#include "runtime/thread.h"

struct program; /* loader/load.h */

extern const struct runtime_config *g_config;

/* Makes the calling thread the process's first and runs `program` (owned from here) on it. */
void process_run(struct program *program) __attribute__((noreturn));

/* What the first program's mask has beside what the host knows: the signals that the host never
 * blocks. For a runtime that continues another. */
void process_start_mask(uint64_t mask);

/* What confines the first program, likewise. */
struct confined *process_start_confined(void);

/* Orderly exit: shields flush, counters are printed. */
void process_exit(int status) __attribute__((noreturn));

/* The calling thread found THREAD_WORK_KICK: it exits, or runs the pending exec, or stands still for
 * the end of the process. */
void process_kicked(struct thread *t) __attribute__((noreturn));

/* Ends the calling guest thread. */
void thread_exit(struct thread *t, int status) __attribute__((noreturn));

/* A thread that begins: host signal stack, dispatch, rseq. The caller has blocked signals, set
 * t->process, and puts it into the list. */
must_check int thread_begin(struct thread *t, void *signal_stack);

/* Asks the processor once. */
uint64_t thread_xsave_size(void);

/* The list of guest threads. */
extern lock_word g_threads_lock;
extern struct thread *g_threads;
/* With what confines its creator, if that is another thread of the process. */
void thread_list_add(struct thread *t, const struct thread *creator);
void thread_list_remove(struct thread *t);

/* The host's first thread, on which the program was started and every exec continues. */
bool thread_is_leader(const struct thread *t);
struct thread *thread_leader(void);

/* In a forked child: the one thread there is. */
void thread_become_leader(struct thread *t);

/* On the leader, when thread_enter_guest() returned `how`: execs go on, or the process ends. */
void process_lead(struct thread *t, int how) __attribute__((noreturn));

/* thread_adopt() for the leader. */
must_check int process_start(void);

/* Takes the guest's rseq area back from the kernel, which would write to it after it is gone. */
void rseq_forget(struct thread *t);

/* What the kernel does with a robust list (set_robust_list(2)) when a thread ends. */
void robust_list_walk(struct thread *t);
/* The host no longer knows where the guest's list is. */
void robust_list_forget(void);

/* At exec: the old program's POSIX timers end with it. */
void timers_delete(void);

/* Around every fork: hooks of the shields and all locks. */
must_check int fork_prepare(void);
void fork_parent(long pid);
void fork_child(void);

/* The runtime's own standard error: not changed by what the guest does to descriptor 2. */
int process_stderr(void);
void process_stderr_keep(void);

#endif
