/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/hooks.h: what the core calls in the file shield and the network shield. Weak: a program
 * that links only one of them, or neither, leaves the others out. */
#ifndef COFFER_RUNTIME_HOOKS_H
#define COFFER_RUNTIME_HOOKS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "runtime/config.h"

struct file;

#define HOOK __attribute__((weak))

/* Before the program is loaded. */
HOOK int vfs_init(const struct runtime_config *config, struct error *e);
HOOK int net_init(const struct runtime_config *config, struct error *e);

/* At the process's orderly end, after its last guest thread; never in a child of vfork(). */
HOOK void vfs_exit(void);
HOOK void net_exit(void);

/* Around every fork: prepare may refuse it; locks are held until parent or child. `pid` may be
 * -errno. For vfork() there is no child call. */
HOOK int vfs_fork_prepare(void);
HOOK void vfs_fork_parent(long pid);
HOOK void vfs_fork_child(void);
HOOK void net_fork_prepare(void);
HOOK void net_fork_parent(void);
HOOK void net_fork_child(void);

/* Opens a program: a host descriptor (*ret_file NULL), or a shielded file (*ret_fd -1). */
HOOK int vfs_program_open(const char *path, int *ret_fd, struct file **ret_file);

/* State for a host exec of the runtime, by a child of vfork(). */
HOOK int vfs_exec_save(struct buf *state);
HOOK int vfs_exec_restore(struct slice state);

/* The guest's range is about to be unmapped or mapped over; to be written back. */
HOOK void vfs_unmapping(uint64_t address, uint64_t size);
HOOK int64_t vfs_msync(uint64_t address, uint64_t size, int flags);

/* Directory entries of a plain host descriptor, with mount points added. */
HOOK int64_t vfs_getdents_host(int fd, void *entries, size_t size);

#endif
