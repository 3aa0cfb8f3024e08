/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/vfs/vfs.h: the file shield, as the rest of the runtime calls it.
 *
 * Which file is where is decided by the longest matching rule of the configuration; files on
 * volumes behave as on a local Linux file system. Plaintext of a protected file is never given to
 * the host. Errors are -errno; handlers of system calls are in vfs/handlers.h. */
#ifndef COFFER_RUNTIME_VFS_VFS_H
#define COFFER_RUNTIME_VFS_VFS_H

#include "base/buf.h"
#include "runtime/config.h"
#include "runtime/fd.h"

/* Opens (and where asked for, makes) the volumes and learns the rules. `config` must live for ever.
 * Once, before the program is loaded and before any guest thread. On failure nothing is open. */
must_check int vfs_init(const struct runtime_config *config, struct error *e);

/* Commits and closes the volumes; nothing of the guest may run any more. In a process that does not
 * own the volumes, says goodbye to who does; the last one to do so waits for the commit. Errors are
 * logged. Never in a child of vfork(). */
void vfs_exit(void);
/* Is there anything that vfs_exit() closes? */
bool vfs_must_close(void);
/* Does this process own volumes, so that what it has written ends with it if nobody calls that? */
bool vfs_owns_volumes(void);
/* The process id of the family's volume server, or 0: there is none. */
int vfs_server_pid(void);

/* May Unix sockets have names on volumes? */
bool vfs_names_sockets(void);

/* The bytes that volumes take on the host, for the status page. */
uint64_t vfs_host_size(void);

/* A program to load: exactly one of *ret_fd (a plain host descriptor, low: the caller closes it)
 * and *ret_file (a shielded file: the caller puts it) is set, the other is -1 or NULL. Follows
 * links; checks the rules and, on volumes, the permission to execute. `path` may be relative to
 * the guest's working directory or to `dir_fd`; an empty path is the descriptor itself. `no_follow`:
 * a link at its end is -ELOOP. */
must_check int vfs_program_open_at(int dir_fd, const char *path, bool no_follow, int *ret_fd,
                                   struct file **ret_file);
/* Where a program on a volume lies, without its NUL; -errno for other files. */
must_check int64_t vfs_program_path(struct file *f, char *text, size_t size);
/* For people: what the rules say of a path as it is written (links are not followed): "host",
 * "volume", "private", ... */
const char *vfs_class_of(const char *path);
/* What /proc/self/exe names from now on (absolute, or it is made so). */
void vfs_program_is(const char *path);

/* Around fork, in this order. prepare(): no lock is held; it may start the volume server (with
 * glibc's fork()). lock(): all other locks are held; no request is under way from here on. Both may
 * refuse the fork; after prepare() alone nothing is to be undone. Then parent() in the parent, with
 * the child's process id or -errno, and child() in the child, which has one thread, before any guest
 * instruction. */
must_check int vfs_fork_prepare(void);
must_check int vfs_fork_lock(void);
void vfs_fork_parent(long pid);
void vfs_fork_child(void);

/* The calling thread may be somebody else at the host now, or have less capabilities. */
void vfs_identity_changed(void);

/* The directory that the program starts in, the host's or one on a volume; which files' rules there
 * are is no matter. Once, after vfs_init(). */
must_check int vfs_start_in(const char *directory, struct error *e);
/* The working directory on a volume (its reference goes along), or NULL: the host's. */
struct volume_file;
void vfs_set_cwd(struct volume_file *cwd);

/* The calling thread's landlock(7) rules have changed. If they leave nothing of any volume, and the
 * process has no other thread, file or mapping of one, it gives up its way to the volume server: what
 * can be refused by not being there is refused also to machine code that goes around the runtime. */
void vfs_leave(void);

/* Before a limit on the size of files: volumes are another process's to write. */
must_check int vfs_file_size_prepare(void);

/* Around vfork: requests go on. The child's process struct keeps what is its own. If the child
 * became another program by a host exec, that is a client from then on; parent() comes when the
 * child has left the parent's memory, and before its descriptor table is freed. */
struct process;
must_check int vfs_vfork_prepare(struct process *child);
void vfs_vfork_parent(struct process *child, long pid);

/* State for that host exec: what save() appends, restore() takes in the new process, before
 * vfs_init(). The hidden descriptors it names stay open across the exec. */
must_check int vfs_exec_save(struct buf *state);
must_check int vfs_exec_restore(struct slice state);

/* The guest's memory [address, address + size) is about to be unmapped or mapped over. */
void vfs_unmapping(uint64_t address, uint64_t size);
/* msync(2) on a range; 0 where there is nothing of ours. */
must_check int64_t vfs_msync(uint64_t address, uint64_t size, int flags);
/* mremap(2) has moved or resized a range. */
must_check int vfs_remapped(uint64_t old, uint64_t old_size, uint64_t address, uint64_t size);
/* Is there any mapping of a shielded file? For the fast path. */
bool vfs_any_mapping(void);
/* madvise(MADV_DONTNEED): the first part of the range that is a private mapping of a shielded file holds
 * what that does, again. 1 and the part; 0: there is none; -errno. */
must_check int64_t vfs_discard(uint64_t address, uint64_t size, uint64_t *ret_from,
                               uint64_t *ret_to);
/* The protection of the range has changed. */
void vfs_protected(uint64_t address, uint64_t size, int prot);
/* madvise(MADV_REMOVE) on such mappings. */
must_check int64_t vfs_remove_mapped(uint64_t address, uint64_t size);
/* Is any of the range such a mapping; one of a file that was not open for writing? */
bool vfs_is_mapping(uint64_t address, uint64_t size);
bool vfs_is_read_only_mapping(uint64_t address, uint64_t size);

/* One descriptor of `f` is being closed (there may be others): POSIX locks end. */
void vfs_closing(struct file *f);

#endif
