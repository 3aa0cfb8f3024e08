/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/place.h: from what a guest calls a file to where it is. Follows symbolic links across the
 * host and the volumes, bounded; decides by the longest matching rule. Creates nothing. */
#ifndef COFFER_RUNTIME_VFS_PLACE_H
#define COFFER_RUNTIME_VFS_PLACE_H

#include "runtime/explain/explain.h"
#include "runtime/vfs/fs.h"

enum place_kind {
    PLACE_HOST,
    PLACE_VOLUME,
    PLACE_STATIC,  /* authenticated or secret: a read-only file in memory */
    PLACE_DEVICE,  /* /dev/coffer and below */
    PLACE_SPECIAL, /* /dev/null and the like */
    PLACE_SELF,    /* /proc/self/...: `path` holds what follows */
    PLACE_FILE,    /* the open file `file` itself (AT_EMPTY_PATH, /proc/self/fd/N) */
};

enum place_flag {
    PLACE_FOLLOW = 1 << 0,     /* a link in the last component too */
    PLACE_EMPTY_PATH = 1 << 1, /* "" is the descriptor itself */
    PLACE_NAME = 1 << 2,       /* the name itself, for calls that make or remove it: a link in the
                                * last component is never followed, trailing slash or not */
    /* As RESOLVE_* of openat2(2). */
    PLACE_BENEATH = 1 << 3,
    PLACE_IN_ROOT = 1 << 4,
    PLACE_NO_XDEV = 1 << 5, /* a volume is a mount of its own */
    PLACE_NO_SYMLINKS = 1 << 6,
    PLACE_NO_MAGICLINKS = 1 << 7,
    PLACE_NULL_PATH = 1 << 8, /* with PLACE_EMPTY_PATH: no path at all is "" */
    /* What for, as explain.h names it; nothing said: reading, or writing with PLACE_NAME. */
    PLACE_READS = WISH_READ << 16,
    PLACE_WRITES = WISH_WRITE << 16,
    PLACE_EXECUTES = WISH_EXECUTE << 16,
    PLACE_LISTS = WISH_LIST << 16,
    PLACE_LOOKS = WISH_LOOK << 16,
};
#define PLACE_SCOPED ((unsigned)(PLACE_BENEATH | PLACE_IN_ROOT))

struct place {
    enum place_kind kind;
    bool as_given; /* PLACE_HOST: the guest's own arguments will do */
    bool trailing_slash;
    const struct mount *mount; /* NULL: no rule */
    uint32_t volume;
    uint64_t dir, ino;       /* PLACE_VOLUME; ino 0: no such name in `dir` */
    struct volume_attr attr; /* of `ino` */
    enum walk_last last;
    struct file *file; /* PLACE_FILE: a reference, dropped by place_done() */
    uint16_t name_size;
    char name[VOLUME_NAME_MAX + 1]; /* the last component */
    char path[PATH_MAX];            /* PLACE_HOST and PLACE_SELF; PLACE_DEVICE: what follows */
};

/* 0, or -errno as a path walk gives. `path` is ours. `careful` walks host paths link by link even
 * where the host would find the way alone. */
must_check int place_find(int dir_fd, const char *path, unsigned flags, bool careful,
                          struct place *ret_place);
/* May the guest change what host descriptor `fd` is open for (its mode, owner, times, attributes)? Having
 * it open says only that it may be looked at, or read. 0 or -errno. */
must_check int place_may_change(int fd);

void place_done(struct place *place);

static inline struct slice place_name(const struct place *place)
{
    return slice_of(place->name, place->name_size);
}

#endif
