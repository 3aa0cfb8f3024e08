/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/calls.h: what the handlers of path calls share. A handler describes its arguments in a struct
 * path_job and gives the function that acts on a place of ours; what is the host's goes there. */
#ifndef COFFER_RUNTIME_VFS_CALLS_H
#define COFFER_RUNTIME_VFS_CALLS_H

#include "runtime/syscall/call.h"
#include "runtime/vfs/place.h"

#define NO_ARG (-1)

struct open_how;
struct watch_name;

struct path_job {
    struct syscall_call *c;
    int dir_arg;    /* which argument is the directory's descriptor; NO_ARG: AT_FDCWD */
    int path_arg;   /* which one is the path */
    unsigned flags; /* enum place_flag */
    bool writes;    /* refuse it on what a rule makes read-only */
    /* whatever the acting function needs */
    uint64_t a, b;
    const void *more;
    bool opens;             /* what landlock(7) rules are about: `a` are the flags */
    bool names_descriptors; /* out of path_run(): the path may be /proc/self/fd or the like */
    struct open_how *how; /* of openat2(2), our copy; what confined the walk goes when it is done */
};

typedef int64_t place_fn(struct path_job *job, struct place *place);

/* Finds the place and acts: `ours` for everything but PLACE_HOST, the host otherwise. */
int64_t path_run(struct path_job *job, place_fn *ours);

/* Gives the call to the host with `path` (ours, absolute) in place of the guest's. */
int64_t path_pass(const struct path_job *job, const char *path);

/* Copies the guest's path. Its length or -errno. */
must_check int64_t path_copy(char path[PATH_MAX], unsigned long from);

/* Like place_find(), and knows /proc/self and /dev/fd as well. */
must_check int path_find(const struct path_job *job, const char *path, bool careful,
                         struct place *ret_place);

/* Does a host call that found nothing deserve a second, careful look? */
bool path_may_lead_to_us(const struct path_job *job, const char *path);

/* The inode that a place of ours names, with fresh attributes. -EROFS for files in memory that
 * cannot be changed, -ENOENT where there is none. */
struct inode_ref {
    const struct mount *mount;
    uint32_t volume;
    uint64_t ino;
    struct volume_attr attr;
    uint64_t dir;     /* where it was found; 0: nowhere */
    const char *name; /* borrowed from the place */
};
struct watch_name watch_name_of_ref(const struct inode_ref *ref);
must_check int place_inode(struct place *place, struct inode_ref *ret_ref);

/* Of the directory `place->dir`: may an entry be made in it? */
must_check int place_may_create(const struct place *place, struct volume_attr *ret_dir);

/* calls_nodes.c: a pipe's stand-in, opened at the host (it may wait for the other end); permissions are
 * the caller's business. The host's descriptor or -errno. And: the last name of a pipe or socket is
 * gone. */
int64_t fifo_open(const struct inode_ref *ref, int flags);
void node_removed(uint32_t volume, uint64_t ino, uint32_t mode);

/* Attributes for a new inode of `mode` in a directory with attributes `dir`. */
struct volume_attr attr_for_new(uint32_t mode, const struct volume_attr *dir);

int64_t ref_getattr(uint32_t volume, uint64_t ino, struct volume_attr *ret_attr);

/* A descriptor for `f`, whose reference it takes, also on failure. */
int64_t install(struct file *f, int flags);

/* proc.c: recognises what must not go to the host as it is. 1: *ret_place is filled; 0: ordinary;
 * else -errno. */
must_check int proc_find(const char *path, unsigned flags, struct place *ret_place);
/* On PLACE_SELF, which is a link that was not to be followed: "exe", "cwd", "fd/N". */
int64_t proc_open(struct place *place, int flags);
int64_t proc_statx(struct place *place, struct statx *ret_stat);
int64_t proc_readlink(struct place *place, char *text, size_t size);

#endif
