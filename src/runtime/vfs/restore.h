/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/restore.h: taking over what another process image left, for vfs_init(). */
#ifndef COFFER_RUNTIME_VFS_RESTORE_H
#define COFFER_RUNTIME_VFS_RESTORE_H

#include "base/error.h"
#include "base/macros.h"

#include <stdbool.h>

/* Has vfs_exec_restore() been given a state? */
bool restore_pending(void);
/* Once the rules are known. */
must_check int restore_apply(struct error *e);

/* fork.c: maps the ring behind `ring_fd` (hidden) and makes it the way to the volumes. */
must_check int client_connect(int ring_fd, int arena_fd);

#endif
