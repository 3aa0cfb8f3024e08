/* SPDX-License-Identifier: Apache-2.0 */
/* platform/linux/linux.h: what every platform that is a Linux process shares. */
#ifndef COFFER_PLATFORM_LINUX_LINUX_H
#define COFFER_PLATFORM_LINUX_LINUX_H

#include <stddef.h>
#include <stdint.h>

/* One system call; see struct platform_ops. */
long linux_call(long nr, const long args[6]);

/* The call that a signal may end (call.S), and its labels for the signal code of the runtime. */
long linux_call_unless(const volatile uint32_t *stop, long nr, const long args[6]);
extern const char linux_unless_begin[];   /* from here: `stop` is being looked at */
extern const char linux_unless_syscall[]; /* the instruction; %rcx 0: it has not run */
extern const char linux_unless_end[];     /* the instruction is done, %rax its result */
extern const char linux_unless_abort[];   /* returns -513: was not begun */

/* From getrandom(2). On a TEE the processor's own generator must be mixed in. 0 or -EIO. */
int linux_random(void *bytes, size_t size);

#endif
