/* SPDX-License-Identifier: Apache-2.0 */
/* platform/linux/vdso.h: time as the kernel gives it without being called. The code is the kernel's,
 * mapped into every process, general registers only. Where the kernel is not trusted (an enclave),
 * nothing here is used. */
#ifndef COFFER_PLATFORM_LINUX_VDSO_H
#define COFFER_PLATFORM_LINUX_VDSO_H

#include "base/macros.h"

#include <sys/time.h>
#include <time.h>

/* Each NULL if the kernel offers none: 0 or -errno, as the system calls. They may make the call
 * themselves, by an instruction in the kernel's own text. */
struct linux_vdso {
    long (*clock_gettime)(clockid_t clock, struct timespec *ret_time);
    long (*getcpu)(unsigned *ret_cpu, unsigned *ret_node, void *unused);
};
extern struct linux_vdso g_linux_vdso;

/* Fills it in, from the auxiliary vector. Once, before any thread starts. */
void linux_vdso_find(void);

#endif
