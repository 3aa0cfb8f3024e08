/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/copy_map.h: private mappings of shielded files. Each is anonymous memory that was filled from its
 * file once, and is remembered with a reference to that: what madvise(2) throws away comes from there
 * again. Pages behind the file's end fault with SIGBUS, as Linux's do; a file that grows or is cut later
 * does not change a mapping that exists. */
#ifndef COFFER_RUNTIME_VFS_COPY_MAP_H
#define COFFER_RUNTIME_VFS_COPY_MAP_H

#include "runtime/vfs/mapping.h"

bool copies_any(void);

/* [start, end) is unmapped, or something else is mapped over it. */
void copies_cut(uintptr_t start, uintptr_t end);

/* It has another protection now. */
void copies_protected(uintptr_t start, uintptr_t end, int prot);

/* MADV_DONTNEED for the first part of [start, end) that is one of these: 1 and the part, which holds what
 * the file does; 0: there is none. -errno. */
must_check int64_t copies_discard(uintptr_t start, uintptr_t end, uintptr_t *ret_from,
                                  uintptr_t *ret_to);

/* mremap(2) has moved or resized something. What was gained is the file's too. */
must_check int64_t copies_remapped(uintptr_t old, size_t old_size, uintptr_t start, size_t size);

bool copies_file_at(uintptr_t at, struct mapping_file *ret_file, char *path, size_t size);
void copies_after_fork(void);
void copies_forget(void);

#endif
