/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/confine/landlock.h: what a thread may still do with files, by landlock(7) rules of its own.
 *
 * The host enforces them for the host's files and TCP ports. Here they are judged for what the host
 * does not see (volumes, files in memory), and where the runtime opens or needs what the guest may not.
 * A file is known by identity: the host's by device and inode, a volume's by inode, one in memory by its
 * rule. What a rule allows holds for all that lies beneath, across mounts. */
#ifndef COFFER_RUNTIME_CONFINE_LANDLOCK_H
#define COFFER_RUNTIME_CONFINE_LANDLOCK_H

#include "base/reader.h"
#include "runtime/vfs/place.h"

#include <linux/landlock.h>

/* Newer than Debian 12's headers; from the kernel's include/uapi/linux/landlock.h. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#define LANDLOCK_LAYERS_MAX 16
#define LANDLOCK_FS_ALL ((1ull << 15) - 1) /* version 4 of the interface */

struct buf;
struct landlock_layer;

struct landlock_spot {
    uint32_t ground; /* enum landlock_ground */
    uint64_t a, b;   /* device and inode; volume and inode; the mount's index */
};

enum landlock_ground { GROUND_HOST, GROUND_VOLUME, GROUND_MOUNT };

struct landlock_rule {
    struct landlock_spot at;
    uint64_t allowed;
};

/* One landlock_restrict_self(): the rules as they were then. */
struct landlock_layer {
    _Atomic unsigned holders;
    unsigned depth; /* 1: the outermost */
    struct landlock_layer *outer;
    uint64_t handled;
    int host_fd; /* hidden: the host's ruleset, for the leader's exec; -1: it needs none */
    unsigned count;
    struct landlock_rule rules[];
};

/* Has the calling thread rules about files? */
bool landlock_is_on(void);

/* What `file` is, for a rule; also whether it is a directory. -EBADFD: nothing that has a place. */
must_check int landlock_spot_of(struct file *file, struct landlock_spot *ret_spot,
                                bool *ret_is_directory);
/* Of a host descriptor. */
must_check int landlock_spot_of_host(int fd, struct landlock_spot *ret_spot,
                                     bool *ret_is_directory);

/* May the calling thread do this (LANDLOCK_ACCESS_FS_*) to what is at the place; in the directory it
 * is in; to the host's file at `path`, or behind `fd`? 0 or -EACCES. */
must_check int landlock_check(struct place *place, uint64_t rights);
must_check int landlock_check_parent(const struct place *place, uint64_t rights);
must_check int landlock_check_host(const char *path, uint64_t rights);
must_check int landlock_check_host_fd(int fd, uint64_t rights);
/* Does the host let through what the guest's rules may not, because the runtime needs it? */
bool landlock_is_lent(const char *path);

/* Do the calling thread's rules refuse everything on all volumes? */
bool landlock_refuses_volumes(void);

/* What open(2) with `flags` does to a file of `mode`, and what making one is. */
uint64_t landlock_open_rights(uint32_t mode, int flags);
uint64_t landlock_make_right(uint32_t mode);

/* A name on a volume that moves, or that another is made for (`link`), to `to` (ino 0: nothing is
 * there). 0, -EACCES, or -EXDEV where only the move is refused. */
struct landlock_name {
    const struct mount *mount;
    uint32_t volume, mode;
    uint64_t dir, ino;
};
must_check int landlock_check_move(const struct landlock_name *from, const struct landlock_name *to,
                                   bool link, bool exchange);

struct landlock_layer *landlock_hold(struct landlock_layer *layer);
void landlock_put(struct landlock_layer *layer);

/* Over a host exec. */
must_check int landlock_save(const struct landlock_layer *layer, struct buf *to);
must_check int landlock_restore(struct landlock_layer **ret_layer, struct reader *from);

#endif
