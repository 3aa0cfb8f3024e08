/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/dirents.h: what getdents64(2) returns, written, or a host's filtered. */
#ifndef COFFER_RUNTIME_VFS_DIRENTS_H
#define COFFER_RUNTIME_VFS_DIRENTS_H

#include "runtime/fd.h"

struct dirents {
    uint8_t *bytes;
    size_t size, used;
    bool full; /* an entry did not fit */
};

/* False if it does not fit any more. */
bool dirents_add(struct dirents *d, uint64_t ino, int64_t next, uint8_t type, const char *name,
                 size_t name_size);

/* Takes those out of a host's entries[0..size) whose names are `hidden`. What is left, in bytes, or -EPROTO:
 * they are malformed. Each name has an end, whatever the host says. */
typedef bool dirents_name_fn(const void *ctx, const char *name);
must_check int64_t dirents_leave_out(uint8_t *entries, int64_t size, dirents_name_fn *hidden,
                                     const void *ctx);

/* The next entries of a directory on a volume. Bytes used or -errno. */
must_check int64_t directory_fill(struct file *f, struct dirents *d);

#endif
