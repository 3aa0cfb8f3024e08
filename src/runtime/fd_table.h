/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/fd_table.h: the descriptor table as a whole, for the generic calls and for processes. */
#ifndef COFFER_RUNTIME_FD_TABLE_H
#define COFFER_RUNTIME_FD_TABLE_H

#include "runtime/fd.h"

struct fd_table;

/* An empty table; -ENOMEM. It reserves address space for FD_MAX entries and touches little. */
must_check int fd_table_new(struct fd_table **ret_table);

/* A copy with its own references, for a child of vfork(). */
must_check int fd_table_copy(struct fd_table *table, struct fd_table **ret_table);

/* Puts every file. */
void fd_table_free(struct fd_table *table);

/* Takes the file out of the calling process's table without closing the host descriptor: for
 * close(), dup2() over it. NULL if there was none. The caller puts it. */
struct file *fd_detach(int fd);

/* Puts `f` (one reference goes to the table) behind `fd`, replacing what is there. For dup2(). */
must_check int fd_replace(int fd, struct file *f);

/* One past the highest shielded descriptor ever. */
int fd_limit(void);

/* True for a descriptor in the runtime's hidden range. */
bool fd_is_hidden(int fd);

/* The lowest hidden number: the guest's descriptors end here. Settles the range on first use. */
int fd_hidden_base(void);

/* How many entries of this process are shielded now; for the fast path. */
bool fd_any_shielded(void);

/* Calls after_fork of every file, in the child. */
void fd_after_fork(void);

#endif
