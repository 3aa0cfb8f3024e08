/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/dirents.h: writes what getdents64(2) returns. */
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

/* The next entries of a directory on a volume. Bytes used or -errno. */
must_check int64_t directory_fill(struct file *f, struct dirents *d);

#endif
