/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/volume_file.h: an open file or directory on a volume, as the guest's descriptor table holds
 * it. The owner knows it by its handle. */
#ifndef COFFER_RUNTIME_VFS_VOLUME_FILE_H
#define COFFER_RUNTIME_VFS_VOLUME_FILE_H

#include "runtime/vfs/fs.h"

/* The part that processes share after a fork, in shared memory; before that, in the file. */
struct file_position {
    _Atomic int64_t offset;
    _Atomic int lock; /* the thread that moves it, or 0 */
    _Atomic int waiters;
};

struct volume_file {
    struct file file;
    const struct mount *mount;
    uint32_t volume, handle;
    uint64_t ino;
    uint64_t dir;  /* where it was opened; 0: unnamed */
    bool linkable; /* unnamed, and may be given a name: O_TMPFILE without O_EXCL */
    bool uncut;    /* landlock(7) rules of who opened it forbid ftruncate() */
    bool shared;   /* another process may have the same open file */
    bool locked;   /* it was asked to lock something */
    uint32_t type; /* S_IFMT bits */
    struct file_position own_position;
    struct file_position *position;
    struct volume_file *next, *previous; /* all of this process, under the list's lock */
    uint8_t name_size;
    char name[VOLUME_NAME_MAX + 1];
};

/* `f` as a file on a volume, or NULL if it is of another kind. */
must_check struct volume_file *volume_file_of(struct file *f);

/* Opens inode `ino`; `flags` as F_GETFL gives them, O_PATH and O_DIRECTORY understood. `name` is
 * how it was found in `dir`. One reference is the caller's. */
must_check int volume_file_open(const struct mount *mount, uint32_t volume, uint64_t ino,
                                uint32_t mode, int flags, uint64_t dir, struct slice name,
                                struct volume_file **ret_file);
/* The same around a handle that is open already (O_TMPFILE). */
must_check int volume_file_wrap(const struct mount *mount, const struct request *opened,
                                uint32_t mode, int flags, struct volume_file **ret_file);

/* The same around a handle whose position is somewhere already, after a host exec. */
must_check int volume_file_adopt(const struct mount *mount, const struct request *opened,
                                 uint32_t mode, int flags, struct slice name,
                                 struct volume_file **ret_file);

/* The path the guest would use: "/data/dir/name", with " (deleted)" where the name is gone.
 * NUL-terminated; its length or -errno. */
must_check int64_t volume_file_path(struct volume_file *vf, char *path, size_t size);

/* `ino` has moved from `dir` to `name` in `new_dir`: this process's descriptors show it there. */
void volume_file_moved(uint32_t volume, uint64_t ino, uint64_t dir, uint64_t new_dir,
                       struct slice name);

/* Calls `each` on every open file of this process. For forks: nothing else runs. */
void volume_file_each(void (*each)(struct volume_file *vf, void *ctx), void *ctx);
/* Every open file of this process will be another's as well. */
void volume_file_share_all(void);
/* After fork(), in the child: the list's lock is free. */
void volume_file_after_fork(void);

/* struct statx from attributes; the device number is that of fs.h. */
void volume_file_statx(uint32_t volume, const struct volume_attr *attr, struct statx *ret_stat);

#endif
