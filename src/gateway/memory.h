/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/memory.h: how much memory a process and this machine use, from /proc. */
#ifndef COFFER_GATEWAY_MEMORY_H
#define COFFER_GATEWAY_MEMORY_H

#include "base/macros.h"
#include "base/slice.h"

/* The number behind `name` in lines such as "Private_Dirty:     123 kB"; -ENOENT if there is none,
 * -ERANGE if it is no number below 2^40. */
must_check int memory_field_parse(struct slice text, const char *name, int64_t *ret_kib);

struct memory {
    int64_t private_kib; /* pages that no other process shares */
    int64_t kernel_kib;  /* page tables, and stacks and task structures of its threads */
    /* Only root may see which pages of another, untraceable process are shared: then this counts
     * all its anonymous ones, some of which it still shares with the launcher. */
    bool is_estimate;
};

/* -errno if /proc does not tell (it is gone). */
must_check int memory_of_process(int pid, struct memory *ret_memory);

/* MemAvailable in bytes; UINT64_MAX if unknown, so that nothing is held back. */
uint64_t memory_available(void);

#endif
