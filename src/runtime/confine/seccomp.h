/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/confine/seccomp.h: the guest's filters of its own system calls (Linux
 * Documentation/userspace-api/seccomp_filter.rst). */
#ifndef COFFER_RUNTIME_CONFINE_SECCOMP_H
#define COFFER_RUNTIME_CONFINE_SECCOMP_H

#include "runtime/syscall/call.h"

struct regs;

/* Whether the thread's filters let the call go on. Otherwise it is answered: `*ret_result` is for rax, and
 * a SIGSYS may wait for the way out; or the thread or process ends here. */
bool seccomp_judge(struct syscall_call *c, const struct regs *r, uint32_t arch,
                   int64_t *ret_result);

/* Do the thread's filters refuse call `nr` whatever its arguments? */
bool seccomp_refuses(const struct thread *t, int nr);

/* prctl(PR_SET_SECCOMP, ...). */
int64_t seccomp_prctl(struct thread *t, unsigned long mode, unsigned long filter);

#endif
