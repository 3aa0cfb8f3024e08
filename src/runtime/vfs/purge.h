/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/vfs/purge.h: which files of a volume lose their contents for good when they are deleted: those
 * whose path from the volume's root a pattern of the policy names. '*' and '?' stand for characters of
 * one name, a last name "**" for all that is below. Decides by inodes, so it does not matter by which way
 * a program came there. */
#ifndef COFFER_RUNTIME_VFS_PURGE_H
#define COFFER_RUNTIME_VFS_PURGE_H

#include "volume/volume.h"

/* Before the name `name` in `dir` goes: marks its file if one of the NULL-terminated patterns names it.
 * `patterns` may be NULL. 0 or -errno; then the name must not go. Any thread. */
must_check int purge_mark(struct volume *volume, char *const *patterns, uint64_t dir,
                          struct slice name);

#endif
