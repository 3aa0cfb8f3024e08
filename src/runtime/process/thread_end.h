/* SPDX-License-Identifier: Apache-2.0 */
/* process/thread_end.h: who is told that a thread has ended.
 *
 * Two wait for it: libc, which may use the stack again, and the guest, who may have joined the thread
 * and had a word of its own cleared and woken (CLONE_CHILD_CLEARTID). The kernel clears one word when
 * the thread is gone. If the thread told the guest itself, the guest would run before it has ended,
 * and it would have to be called back for its last few steps: a switch more for each thread. So
 * the kernel's word becomes the guest's, and libc's is left to the kernel as a robust futex, which
 * is given up at the same moment. */
#ifndef COFFER_RUNTIME_PROCESS_THREAD_END_H
#define COFFER_RUNTIME_PROCESS_THREAD_END_H

#include "runtime/thread.h"

/* Will the kernel tell the guest? Not from within an enclave, where it clears no memory, and not where
 * too many threads end at once. The thread, not the leader, is still on the list of all. */
must_check bool thread_end_begin(struct thread *t);

/* Then the last that it does: t->clear_tid, which is not 0, is cleared and woken when it has ended. */
void thread_end_prepare(struct thread *t);

/* Before the guest's memory becomes another program's: no thread is left that the kernel would clear a
 * word in it for. Nobody starts threads meanwhile. The caller, `self`, may have the number of one that
 * ended long ago. */
void thread_end_await_all(int pid, int self);

#endif
