/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/mapping.h: which of the guest's memory is a shared mapping of a file on a volume. */
#ifndef COFFER_RUNTIME_VFS_MAPPING_H
#define COFFER_RUNTIME_VFS_MAPPING_H

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>

/* For the fast path: does any such mapping live in this process? */
bool mapping_any(void);

/* What is mapped at an address: false if it is no file of ours. `path` gets the guest's name. */
struct mapping_file {
    uint64_t offset, ino;
    uint64_t device;
};
must_check bool mapping_file_at(uintptr_t at, struct mapping_file *ret_file, char *path,
                                size_t size);

struct mapping_file mapping_file_seen(uint32_t volume, uint64_t ino, uint64_t offset);

/* Of a mapping's flags, those that say where it goes. */
#define MAPPING_PLACE_FLAGS \
    (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_NORESERVE | MAP_32BIT | MAP_STACK)

/* See vfs.h. */
void mapping_unmapping(uintptr_t start, size_t size);
/* Does any touch the range; only those of files that were open for reading alone? */
bool mapping_is(uintptr_t start, size_t size, bool read_only);
/* MADV_REMOVE: a hole in the file. */
must_check int64_t mapping_remove(uintptr_t start, size_t size);
must_check int mapping_sync(uintptr_t start, size_t size, int flags);
must_check int mapping_remapped(uintptr_t old, size_t old_size, uintptr_t start, size_t size);
void mapping_after_fork(void);
/* In the volume server: they are the clients' to end. */
void mapping_forget(void);

#endif
