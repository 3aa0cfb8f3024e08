/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/process/fork.h: clone() in all its forms. */
#ifndef COFFER_RUNTIME_PROCESS_FORK_H
#define COFFER_RUNTIME_PROCESS_FORK_H

#include "runtime/thread.h"

/* What clone() or clone3() was asked for; addresses are the guest's. */
struct clone_request {
    uint64_t flags;
    int exit_signal;
    uint64_t stack; /* its top; 0: the parent's */
    uint64_t parent_tid, child_tid, tls, pidfd;
};

int64_t clone_process(struct thread *t, const struct clone_request *request);
int64_t process_fork(struct thread *t, const struct clone_request *request);
/* At exec: the parent of a child made with CLONE_VFORK and memory of its own goes on. */
void fork_waiter_release(void);
int64_t process_vfork(struct thread *t, const struct clone_request *request);

#endif
