/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/permission.h: who may do what to an inode, by the rules of Linux (no ACLs). Knows no volume
 * and no process: attributes and credentials in, 0 or -errno out. */
#ifndef COFFER_RUNTIME_VFS_PERMISSION_H
#define COFFER_RUNTIME_VFS_PERMISSION_H

#include "runtime/vfs/request.h"

enum { PERMISSION_EXECUTE = 1, PERMISSION_WRITE = 2, PERMISSION_READ = 4 };

bool permission_in_group(const struct creds *creds, uint32_t gid);

/* Do the set-id bits of an inode outlive a write, and its set-group-id bit a change of owner or mode, by
 * these? The bits that go. */
uint32_t permission_bits_lost(const struct volume_attr *attr, const struct creds *creds);
/* Does the set-group-id bit of a file go that is not one's group's? */
bool permission_keeps_group_bit(uint32_t gid, const struct creds *creds);

/* May the caller give another name to an inode? -EPERM: it is another's, and may not be read and written
 * or would run as its owner (as with fs.protected_hardlinks = 1, which distributions set). */
must_check int permission_link(const struct volume_attr *attr, const struct creds *creds);

/* -EACCES unless all of `wanted` is allowed. */
must_check int permission_check(const struct volume_attr *attr, const struct creds *creds,
                                unsigned wanted);

/* May an entry whose inode is `victim` go from directory `dir`? -EACCES, or -EPERM by the sticky
 * bit. */
must_check int permission_remove(const struct volume_attr *dir, const struct volume_attr *victim,
                                 const struct creds *creds);

/* May the caller change mode, times or attributes that need ownership? -EPERM. */
must_check int permission_own(const struct volume_attr *attr, const struct creds *creds);

#endif
