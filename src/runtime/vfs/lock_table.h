/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/lock_table.h: advisory locks on one file: POSIX (by process), OFD and flock (by open file
 * description). Decides, never waits; the caller serialises. */
#ifndef COFFER_RUNTIME_VFS_LOCK_TABLE_H
#define COFFER_RUNTIME_VFS_LOCK_TABLE_H

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>

#define LOCK_END_MAX UINT64_C(0x7fffffffffffffff)
#define LOCK_RANGES_MAX 4096 /* per file */

/* POSIX and OFD locks conflict with each other; flock locks only among themselves. */
enum lock_kind { LOCK_KIND_POSIX, LOCK_KIND_OFD, LOCK_KIND_FLOCK };

struct lock_range {
    struct lock_range *next;
    uint64_t owner; /* a client for POSIX, an open file's handle otherwise */
    uint32_t kind;
    uint32_t type;       /* F_RDLCK or F_WRLCK */
    uint64_t start, end; /* inclusive */
    int32_t pid;
};

struct lock_table {
    struct lock_range *ranges;
    unsigned count;
};

/* The lock that begins first of those that stand against `want` (type not F_UNLCK), or NULL. */
const struct lock_range *lock_conflict(const struct lock_table *table,
                                       const struct lock_range *want);

/* Sets (or with F_UNLCK clears) `want`, splitting and replacing what its owner holds there. 0,
 * -EAGAIN on a conflict, -ENOLCK without memory or over the cap; on failure nothing changed. */
must_check int lock_set(struct lock_table *table, const struct lock_range *want);

/* Drops every lock of `owner` of that kind. True if there was one. */
bool lock_drop(struct lock_table *table, uint32_t kind, uint64_t owner);

#endif
