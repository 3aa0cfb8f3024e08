/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/proc_memory.h: /proc/self/maps, smaps and numa_maps with the guest's mappings alone. */
#ifndef COFFER_RUNTIME_VFS_PROC_MEMORY_H
#define COFFER_RUNTIME_VFS_PROC_MEMORY_H

#include "runtime/vfs/place.h"

/* As proc_find(). `reads`: it is to be opened for reading. */
must_check int proc_memory_find(const char *path, bool reads, struct place *ret_place);
/* Is it what such a place's path says? */
bool proc_memory_is(const char *what);
/* A descriptor of the text as it is now, or -errno. */
int64_t proc_memory_open(const char *what, int flags);

/* proc.c: `text` as a file of the host's memory that cannot be written. The descriptor or -errno. */
int64_t proc_text_open(const char *name, struct slice text, int flags);

#endif
