/* SPDX-License-Identifier: Apache-2.0 */
/* volume/backend.h: where a volume's bytes are kept. A backend knows numbered files and bytes,
 * nothing of the format, and is not trusted: it may return any bytes and any (judged) error.
 *
 * File 0 is the superblock, every other number a segment. A write or a change of names is certain
 * to survive a crash only after the sync for it has returned 0. Calls for one file may come from
 * two threads at once (write and sync); a backend that needs a lock has its own. */
#ifndef COFFER_VOLUME_BACKEND_H
#define COFFER_VOLUME_BACKEND_H

#include "base/macros.h"

#include <stdbool.h>
#include <sys/types.h>

#define VOLUME_SUPERBLOCK_FILE 0

typedef int volume_backend_file_fn(void *ctx, uint64_t file);

struct volume_backend;

/* All return 0 or -errno unless noted. */
struct volume_backend_ops {
    /* Exclusive use until unlock(). -EBUSY: somebody else has it. */
    int (*lock)(struct volume_backend *b);
    void (*unlock)(struct volume_backend *b);
    /* Calls `each` for every file, superblock included; stops at a result other than 0. */
    int (*list)(struct volume_backend *b, volume_backend_file_fn *each, void *ctx);
    int (*create)(struct volume_backend *b, uint64_t file); /* -EEXIST */
    int (*remove)(struct volume_backend *b, uint64_t file);
    /* Replaces `to` if it is there. */
    int (*rename)(struct volume_backend *b, uint64_t from, uint64_t to);
    int (*sync_names)(struct volume_backend *b);
    /* How many bytes were there, at most `size`; -ENOENT. */
    ssize_t (*read)(struct volume_backend *b, uint64_t file, uint64_t offset, void *bytes,
                    size_t size);
    int (*write)(struct volume_backend *b, uint64_t file, uint64_t offset, const void *bytes,
                 size_t size);
    /* Makes writes up to `size` certain not to fail for want of space. -EOPNOTSUPP. */
    int (*reserve)(struct volume_backend *b, uint64_t file, uint64_t size);
    /* Cuts what lies after `size`; nothing there is needed any more. */
    int (*truncate)(struct volume_backend *b, uint64_t file, uint64_t size);
    int (*sync)(struct volume_backend *b, uint64_t file);
    int (*size)(struct volume_backend *b, uint64_t file, uint64_t *ret_size);
    /* Bytes that can still be had, for statfs. */
    int (*space)(struct volume_backend *b, uint64_t *ret_free);
    /* Gives back descriptors and memory that it can get again. */
    void (*idle)(struct volume_backend *b);
};

/* Embedded first in each kind's own struct. */
struct volume_backend {
    const struct volume_backend_ops *ops;
};

/* dir/: a directory on the host. `path` is absolute or relative to the working directory. With
 * `create`, makes the directory if it is missing. */
must_check int volume_dir_open(const char *path, bool create, struct volume_backend **ret_backend);
void volume_dir_close(struct volume_backend *backend);
/* One of which nothing is written, not even a lock where there is none; writing fails. */
must_check int volume_dir_open_read_only(const char *path, struct volume_backend **ret_backend);

/* over/: such a directory, under changes that are kept in memory (1 GiB at most) and then forgotten. */
must_check int volume_over_open(const char *path, struct volume_backend **ret_backend);
void volume_over_close(struct volume_backend *backend);

/* Descriptors opened from now on go through `hide`, which gives them another number and closes the
 * old one, or returns a negative errno: for a process whose low numbers belong to somebody else.
 * `close_hidden` closes every descriptor from then on. Before any thread uses one. */
void volume_dir_hide_fds(int (*hide)(int fd), void (*close_hidden)(int fd));

/* mem/: in memory, for tests and for private file systems. */
must_check int volume_mem_new(struct volume_backend **ret_backend);
void volume_mem_free(struct volume_backend *backend);

#endif
