/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/fd_table.h: the descriptor table as a whole, for the generic calls and for processes. */
#ifndef COFFER_RUNTIME_FD_TABLE_H
#define COFFER_RUNTIME_FD_TABLE_H

#include "runtime/fd.h"
#include "runtime/lock.h"

struct fd_table {
    lock_word lock; /* protects: files, their count; a leaf but for the log's */
    _Atomic int count;
    _Atomic int limit;
    struct file *_Atomic files[FD_MAX];
};

/* Both without a lock, for the fast path. */
static inline bool fd_table_shields(const struct fd_table *table, int fd)
{
    return (unsigned)fd < FD_MAX &&
           atomic_load_explicit(&table->files[fd], memory_order_relaxed) != NULL;
}

static inline bool fd_table_any(const struct fd_table *table)
{
    return atomic_load_explicit(&table->count, memory_order_relaxed) > 0;
}

extern _Atomic int g_fd_hidden_base; /* 0: not settled yet */
#define FD_HIDDEN_COUNT 64

/* True for a descriptor in the runtime's hidden range. */
static inline bool fd_is_hidden(int fd)
{
    int base = atomic_load_explicit(&g_fd_hidden_base, memory_order_relaxed);
    return base > 0 && fd >= base && fd < base + FD_HIDDEN_COUNT;
}

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

/* Occupies the rest of the hidden range, once: before the guest's limit rises above it, so that the
 * host never gives the guest a number from it. 0 or -errno. */
must_check int fd_reserve_hidden(void);

/* Has the guest as many descriptors as it may? For calls that must not do their work then. */
must_check bool fd_is_full(void);

/* Between these the process may open descriptors beyond the guest's limit, up to the end of the hidden
 * range: the runtime's own. Nest. Other threads may open one too many meanwhile. */
void fd_room_enter(void);
void fd_room_leave(void);
/* In a child: nobody else is between them. */
void fd_room_after_fork(void);
/* Nobody is between them. */
void fd_room_lock(void);
void fd_room_unlock(void);

/* The lowest hidden number. Settles the range on first use. */
int fd_hidden_base(void);

/* Calls after_fork of every file, in the child. */
void fd_after_fork(void);

#endif
