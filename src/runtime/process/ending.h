/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/process/ending.h: how a process stops being what it is: by one exec or one exit, whichever
 * thread was first. Before the shields close for good the other threads stand still, so that none
 * writes what nobody keeps or acknowledges what is not written. */
#ifndef COFFER_RUNTIME_PROCESS_ENDING_H
#define COFFER_RUNTIME_PROCESS_ENDING_H

#include "runtime/thread.h"

enum ending {
    ENDING_NONE,
    ENDING_EXEC,
    ENDING_EXIT,
};

/* Claims the end for the calling thread. ENDING_NONE: it is ours; else what is under way. */
must_check enum ending ending_claim(enum ending how);
enum ending ending_now(void);

/* The process goes on: as a new program, or as a child of fork() of its own. */
void ending_over(void);

/* The calling thread stands still until the process is gone. */
void ending_park(struct thread *t) __attribute__((noreturn));

/* After ending_claim(ENDING_EXIT): returns when every other guest thread of the process has parked
 * or ended, or has been in one call to the host for so long that waiting does not help. */
void ending_stop_others(struct thread *t);

/* Around a call in which the thread can neither run nor be called, a child of vfork() having the
 * memory. If the process has ended meanwhile, the second does not return. */
void ending_away(struct thread *t);
void ending_back(struct thread *t);

/* A thread has left the list of guest threads. */
void ending_thread_gone(void);

#endif
