/* SPDX-License-Identifier: Apache-2.0 */
/* platform/linux/linux.h: what every platform that is a Linux process shares. */
#ifndef COFFER_PLATFORM_LINUX_LINUX_H
#define COFFER_PLATFORM_LINUX_LINUX_H

#include <stddef.h>

/* One system call; see struct platform_ops. */
long linux_call(long nr, const long args[6]);

/* From getrandom(2). On a TEE the processor's own generator must be mixed in. 0 or -EIO. */
int linux_random(void *bytes, size_t size);

#endif
