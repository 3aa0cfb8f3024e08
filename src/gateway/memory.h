/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/memory.h: how much memory a process and this machine use, from /proc. */
#ifndef COFFER_GATEWAY_MEMORY_H
#define COFFER_GATEWAY_MEMORY_H

#include "base/macros.h"
#include "base/slice.h"

/* The number behind `name` in lines such as "Private_Dirty:     123 kB"; -ENOENT if there is none,
 * -ERANGE if it is no number below 2^40. */
must_check int memory_field_parse(struct slice text, const char *name, int64_t *ret_kib);

/* Private: pages no other process shares. Kernel: page tables and the stacks and task structures of
 * its threads. -errno if /proc does not tell (not our process, or it is gone). */
must_check int memory_of_process(int pid, int64_t *ret_private_kib, int64_t *ret_kernel_kib);

/* MemAvailable in bytes; UINT64_MAX if unknown, so that nothing is held back. */
uint64_t memory_available(void);

#endif
