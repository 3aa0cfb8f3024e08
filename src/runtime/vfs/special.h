/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/special.h: /dev/null, /dev/zero, /dev/random and /dev/urandom, answered by the runtime. The
 * host may choose nobody's randomness; the other two so that a policy need not name them. */
#ifndef COFFER_RUNTIME_VFS_SPECIAL_H
#define COFFER_RUNTIME_VFS_SPECIAL_H

#include "runtime/fd.h"

enum special_kind { SPECIAL_NULL, SPECIAL_ZERO, SPECIAL_RANDOM, SPECIAL_URANDOM, SPECIAL_COUNT };

const char *special_path(enum special_kind kind);
must_check int special_open(enum special_kind kind, int flags, struct file **ret_file);
void special_statx(enum special_kind kind, struct statx *ret_stat);

/* Which one `f` is, or -1. */
int special_kind_of(const struct file *f);

#endif
