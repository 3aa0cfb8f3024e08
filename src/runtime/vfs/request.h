/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/request.h: what a process asks of whoever owns its volumes.
 *
 * One plain struct for every operation, so that the same code (owner_execute()) answers a thread of
 * the process that owns the volumes and, after a fork, a client of the volume server. Paths, open
 * files and permissions are known here; volume.h below knows inodes only. */
#ifndef COFFER_RUNTIME_VFS_REQUEST_H
#define COFFER_RUNTIME_VFS_REQUEST_H

#include "base/macros.h"
#include "base/slice.h"
#include "runtime/creds.h"
#include "volume/volume.h"

#define REQUEST_DATA_MAX ((size_t)128 << 10) /* in or out, per request to a server */
#define REQUEST_TEXT_MAX 4096

enum request_op {
    REQUEST_WALK = 1, /* a path inside a volume, not above directory `more` if any: see walk.c */
    REQUEST_PATH,     /* the path of directory `ino` below its volume's root, into `out` */
    REQUEST_OPEN,     /* `ino` -> *handle; `attr` filled */
    REQUEST_OPEN_UNNAMED,
    REQUEST_CLOSE,   /* this client's last reference to `handle`, which is `ino` */
    REQUEST_READ,    /* `handle`, `offset`, `out` */
    REQUEST_WRITE,   /* `handle`, `offset` or the end with REQUEST_APPEND, `in` */
    REQUEST_GETATTR, /* `ino`; `handle` if it is open, 0 otherwise */
    REQUEST_SETATTR,
    REQUEST_MAKE,
    REQUEST_LINK,
    REQUEST_UNLINK,
    REQUEST_RMDIR,
    REQUEST_RENAME,
    REQUEST_READLINK,
    REQUEST_READDIR, /* `out`: struct volume_entry[] */
    REQUEST_ALLOCATE,
    REQUEST_SEEK,
    REQUEST_SYNC,
    REQUEST_GETXATTR,
    REQUEST_SETXATTR,
    REQUEST_LISTXATTR,
    REQUEST_REMOVEXATTR,
    REQUEST_STATFS, /* `out`: struct volume_stats */
    REQUEST_LOCK,
    REQUEST_LOCK_TEST,
    REQUEST_LOCK_FORGET, /* all POSIX locks of this client on the file behind `handle` */
    REQUEST_MAP,         /* `handle`, `offset`, `size`: have these bytes in the shared arena */
    REQUEST_UNMAP,
    REQUEST_MAP_SYNC,
    REQUEST_CLIENT_FORK, /* a second client with all that this one has open -> `handle` */
    REQUEST_CLIENT_PID,  /* client `handle` is process `ino` */
    REQUEST_CLIENT_DROP, /* client `handle` never came to life, or has ended */
    REQUEST_CLIENT_KEEP, /* this client has only the handles in `in` open, and nothing mapped */
    REQUEST_OP_COUNT,
};

enum request_flag {
    REQUEST_FOLLOW = 1 << 0, /* WALK: follow a symbolic link in the last component too */
    REQUEST_APPEND = 1 << 1,
    REQUEST_NO_FOLLOW_EVER = 1 << 3, /* WALK: not even before a trailing slash */
    REQUEST_DATA_ONLY = 1 << 2,      /* SYNC: as fdatasync(2) */
    REQUEST_KEEP = 1 << 4, /* CLOSE: nobody shares it, nothing is locked: see volume_kept.h */
};

enum walk_status {
    WALK_DONE = 0, /* `dir`, `ino` (0: no such name), `attr`, the last component's place */
    WALK_LINK,     /* a link on the way: its text is in `out` (`size` bytes), `dir` holds it */
    WALK_UP,       /* ".." out of the volume's root */
    WALK_MOUNT,    /* another mount begins here: its index in `more` */
};

enum walk_last { WALK_LAST_NAME, WALK_LAST_DOT, WALK_LAST_DOTDOT, WALK_LAST_NONE };

struct lock_want {
    uint32_t kind;       /* enum lock_kind */
    uint32_t type;       /* F_RDLCK, F_WRLCK, F_UNLCK */
    uint64_t start, end; /* inclusive */
    int32_t pid;
    bool waiting; /* the caller will wait: look for a deadlock */
};

struct request {
    uint32_t op;
    uint32_t client;
    uint32_t volume;
    uint32_t handle;
    uint64_t ino, dir, more;
    uint64_t offset, size;
    uint32_t flags, mask;
    uint32_t name_at, name_size; /* WALK: the last component within the path */
    uint32_t consumed;           /* WALK: bytes of the path dealt with */
    uint32_t last;               /* enum walk_last */
    struct volume_attr attr;
    struct lock_want lock;
    const struct creds *creds; /* WALK: NULL passes; WRITE, ALLOCATE, SETATTR of the size: whom
                                * set-id bits go for, NULL: nobody */
    struct slice in, in2;      /* data or a name; a second name */
    void *out;
    size_t out_size;
};

/* Waits for the host's disk, and holds no lock meanwhile that others need. */
static inline bool request_is_slow(uint32_t op)
{
    return op == REQUEST_SYNC || op == REQUEST_MAP_SYNC;
}

#endif
