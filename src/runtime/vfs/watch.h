/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/watch.h: inotify(7) on volumes. Each watched inode has a stand-in at the host, which the host's
 * own inotify watches; whatever any process of the family does to the inode is done to the stand-in
 * as well, so that reading, polling, coalescing and cookies are the kernel's. Each function costs one
 * load while nothing is watched. Names are NUL-terminated. Never fails: a lost event is a lost event.
 */
#ifndef COFFER_RUNTIME_VFS_WATCH_H
#define COFFER_RUNTIME_VFS_WATCH_H

#include "runtime/vfs/stand_in.h"
#include "runtime/vfs/volume_file.h"

static inline bool watch_any(void)
{
    return g_stand_ins && atomic_load_explicit(&g_stand_ins->watched_count, memory_order_relaxed);
}

/* One name of an inode on a volume. `dir` 0: it has none. */
struct watch_name {
    uint32_t volume;
    uint64_t dir, ino;
    const char *name;
    bool is_dir;
};

/* The stand-in of that inode, ready to be watched, into `path`. 0 or -errno (-ENOSPC: too many). */
must_check int watch_prepare(const struct watch_name *what, char path[STAND_IN_PATH_MAX]);

void watch_made(const struct watch_name *what);
/* `gone`: it was the inode's last name. */
void watch_removed(const struct watch_name *what, bool gone);
void watch_moved(const struct watch_name *from, const struct watch_name *to);
/* Two names have changed places. */
void watch_exchanged(const struct watch_name *a, const struct watch_name *b);
void watch_modified(const struct watch_name *what);
void watch_changed(const struct watch_name *what); /* mode, owner, times, attributes */
/* A file is behind guest descriptor `fd` now: the placeholder becomes the stand-in, opened alike, so
 * that its last close is seen. */
void watch_opened(const struct watch_name *what, int fd, int flags);

/* The name a descriptor was opened by. */
struct watch_name watch_name_of(const struct volume_file *vf);

#endif
