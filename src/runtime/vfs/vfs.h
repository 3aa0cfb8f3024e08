/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/vfs/vfs.h: the file shield, as the rest of the runtime calls it.
 *
 * Which file is where is decided by the longest matching rule of the configuration; files on
 * volumes behave as on a local Linux file system. Plaintext of a protected file is never given to
 * the host. Errors are -errno; handlers of system calls are in vfs/handlers.h. */
#ifndef COFFER_RUNTIME_VFS_VFS_H
#define COFFER_RUNTIME_VFS_VFS_H

#include "runtime/config.h"
#include "runtime/fd.h"

/* Opens (and where asked for, makes) the volumes and learns the rules. `config` must live for ever.
 * Once, before the program is loaded and before any guest thread. On failure nothing is open. */
must_check int vfs_init(const struct runtime_config *config, struct error *e);

/* Commits and closes the volumes; nothing of the guest may run any more. 0 or the first error
 * (which the caller logs). Does nothing in a process that does not own the volumes but say goodbye
 * to who does. */
int vfs_exit(void);

/* The bytes that volumes take on the host, for the status page. */
uint64_t vfs_host_size(void);

/* A program to load: exactly one of *ret_fd (a plain host descriptor, low: the caller closes it)
 * and *ret_file (a shielded file: the caller puts it) is set, the other is -1 or NULL. Follows
 * links; checks the rules and, on volumes, the permission to execute. `path` may be relative to
 * the guest's working directory; for AT_EMPTY_PATH give an empty path and the descriptor. */
must_check int vfs_program_open(int dir_fd, const char *path, int *ret_fd, struct file **ret_file);
/* What /proc/self/exe names from now on (absolute, or it is made so). */
void vfs_program_is(const char *path);

/* Around fork. prepare() comes first, in the parent; it may start the volume server, and holds off
 * all requests; on failure there is no fork. Its `client` goes to parent() in the parent, with the
 * child's process id or -errno, and to child() in the child, which has one thread, before any guest
 * instruction. With `vfork`, requests go on, parent() comes when the child has left the parent's
 * memory, and child() never. prepare() itself forks with glibc's fork(): no lock that an atfork
 * handler takes may be held. */
must_check int vfs_fork_prepare(bool vfork, uint32_t *ret_client);
void vfs_fork_parent(bool vfork, uint32_t client, int pid);
void vfs_fork_child(uint32_t client);

/* The guest's memory [addr, addr + size) is about to be unmapped or mapped over. */
void vfs_unmapping(void *addr, size_t size);
/* msync(2) on a range; 0 where there is nothing of ours. */
must_check int vfs_msync(void *addr, size_t size, int flags);
/* mremap(2) has moved or resized a range. */
must_check int vfs_remapped(void *old, size_t old_size, void *addr, size_t size);
/* Is there any shared mapping of a shielded file? For the fast path. */
bool vfs_any_mapping(void);

/* One descriptor of `f` is being closed (there may be others): POSIX locks end. */
void vfs_closing(struct file *f);

#endif
