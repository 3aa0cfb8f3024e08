/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/static_file.h: read-only files whose bytes the runtime holds: secrets, and authenticated
 * files of the host, read once, verified against the rule's digest and kept in a sealed memory
 * file. Never reads the host's file again. */
#ifndef COFFER_RUNTIME_VFS_STATIC_FILE_H
#define COFFER_RUNTIME_VFS_STATIC_FILE_H

#include "runtime/vfs/fs.h"

#define AUTHENTICATED_SIZE_MAX ((uint64_t)512 << 20)

/* -EBADMSG if the host's bytes are not the ones the rule names (logged), -EROFS for flags that
 * would write. */
must_check int static_file_open(const struct mount *mount, int flags, struct file **ret_file);

must_check int static_file_statx(const struct mount *mount, struct statx *ret_stat);

/* The mount behind such a file, or NULL if it is of another kind. */
must_check const struct mount *static_file_mount(struct file *f);

/* How many authenticated files were read and verified so far, for a vfork() to note: its child has the
 * descriptors of these copies, and not of those that others make while it runs in the same memory. */
uint32_t static_file_verified(void);

/* In the child of a fork: locks of threads that are not here are free. */
void static_file_after_fork(void);

#endif
