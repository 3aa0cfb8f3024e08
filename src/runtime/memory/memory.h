/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/memory/memory.h: the guest's address space. Knows which addresses are the guest's; all
 * others are the runtime's or free, and the guest may not change the runtime's. */
#ifndef COFFER_RUNTIME_MEMORY_MEMORY_H
#define COFFER_RUNTIME_MEMORY_MEMORY_H

#include "base/macros.h"

#include <stdint.h>

struct file;

/* Maps as mmap(2) does, for the guest; `file` (not NULL) is the shielded file behind `fd`. With
 * MAP_FIXED only free addresses and the guest's own are replaced. The address or -errno. */
must_check int64_t memory_map(uint64_t address, uint64_t size, int prot, int flags, int fd,
                              struct file *file, uint64_t offset);

/* Address space where nothing may be read or written yet, which no limit counts. The address or -errno. */
must_check int64_t memory_reserve(uint64_t address, uint64_t size);

/* Unmaps what of [address, address + size) is the guest's. */
must_check int memory_unmap(uint64_t address, uint64_t size);

/* Is all of it the guest's? */
bool memory_is_guest(uint64_t address, uint64_t size);

/* madvise(2). 0 or -errno. */
must_check int64_t memory_advise(uint64_t address, uint64_t size, int advice);

/* Unmaps everything of the guest's: before a new program, and in the volume server. */
void memory_release_guest(void);

/* Where the program's break begins (page-aligned). */
void memory_brk_start(uint64_t address);

/* Calls `each` for every range of the guest, in order of addresses; for /proc/self/maps. */
typedef void memory_range_fn(void *ctx, uint64_t from, uint64_t to);
void memory_each(memory_range_fn *each, void *ctx);

/* What Linux has names for. */
struct memory_names {
    uint64_t brk_start, brk_end, stack_start, stack_end;
};
void memory_names(struct memory_names *ret_names);
/* The program's stack is [from, to) and may grow down to `reserved`, with that protection. */
void memory_stack_is(uint64_t reserved, uint64_t from, uint64_t to, int prot);
/* Its limit is now `size`: a higher one takes from what is reserved. */
void memory_stack_may_be(uint64_t size);

void memory_fork_prepare(void);
void memory_fork_done(void);

#endif
