/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/fd.h: the guest's descriptor table.
 *
 * Guest descriptor n is host descriptor n. Where the runtime must see the calls on it (a file on a
 * volume, a TLS connection), n is a placeholder at the host and fd_get(n) yields its struct file:
 * an open file description, shared by dup() and fork(). A plain host descriptor has none, and its
 * calls pass. The runtime's own descriptors live in a hidden range, moved there by fd_hide().
 *
 * Errors are -errno. All functions are safe on any guest thread. */
#ifndef COFFER_RUNTIME_FD_H
#define COFFER_RUNTIME_FD_H

#include "base/macros.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#define FD_MAX 20480 /* descriptors above are passed to the host and never shielded */

struct file;

/* What a kind of file can do. A NULL entry answers what Linux answers for a kind of file that lacks
 * the operation (noted beside each). Buffers in `iov` are the guest's, or the runtime's own, and are
 * touched through runtime/guest.h only: another thread of the guest may take them away at any time.
 * What was moved before that counts. An implementation honours O_NONBLOCK in file->flags, and blocks
 * only through rt_block() (runtime/block.h). */
struct file_ops {
    const char *name;
    /* `offset` -1: at the file's position, which moves; `flags`: RWF_* or MSG_*. */
    int64_t (*read)(struct file *f, const struct iovec *iov, int count, int64_t offset, int flags);
    int64_t (*write)(struct file *f, const struct iovec *iov, int count, int64_t offset, int flags);
    int64_t (*seek)(struct file *f, int64_t offset, int whence);                 /* -ESPIPE */
    int64_t (*stat)(struct file *f, struct statx *ret_stat);                     /* the host's */
    int64_t (*truncate)(struct file *f, uint64_t size);                          /* -EINVAL */
    int64_t (*allocate)(struct file *f, int mode, int64_t offset, int64_t size); /* -EOPNOTSUPP */
    int64_t (*sync)(struct file *f, bool data_only);                             /* -EINVAL */
    /* `entries` is memory of ours. -ENOTDIR */
    int64_t (*getdents)(struct file *f, void *entries, size_t size);
    int64_t (*ioctl)(struct file *f, unsigned long request, unsigned long arg); /* -ENOTTY */
    int64_t (*fcntl)(struct file *f, int cmd, unsigned long arg); /* locks and the like; -EINVAL */
    int64_t (*flock)(struct file *f, int operation);
    /* Maps the file into the guest at `addr` as mmap(2) does; the address or -errno. -ENODEV */
    int64_t (*mmap)(struct file *f, void *addr, size_t size, int prot, int flags, uint64_t offset);
    /* Which of `events` (POLL*) hold now without blocking, from the runtime's own buffers;
     * `ret_host_events` is what to wait for at the host on descriptor `fd` otherwise. */
    int (*poll)(struct file *f, int events, int *ret_host_events);
    /* The last reference is gone: release everything. The host descriptor is closed by fd.c. */
    void (*release)(struct file *f);
    /* In a child just after fork(), before any guest instruction: drop what may not live twice. */
    void (*after_fork)(struct file *f);
};

/* Embedded first in each kind's own struct. */
struct file {
    const struct file_ops *ops;
    _Atomic unsigned references;
    _Atomic int flags;      /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_DIRECT, ... as F_GETFL gives */
    _Atomic int64_t offset; /* for kinds that have a position; under `lock` when it matters */
    _Atomic int lock;       /* futex; see runtime/lock.h */
    _Atomic int owner; /* F_SETOWN and F_SETSIG: kept for who asks, nothing here sends signals */
    _Atomic int owner_signal;
    _Atomic int host_fd; /* a descriptor it is behind now; -1: none. Kept by fd.c: set when it is
                             * installed, moved to a duplicate when this number is closed */
};

static inline void file_init(struct file *f, const struct file_ops *ops, int flags)
{
    *f = (struct file){.ops = ops, .flags = flags};
    atomic_init(&f->references, 1);
    atomic_init(&f->host_fd, -1);
}

/* May its bytes be read, written? Access 3 of open(2) and O_PATH are neither. */
static inline bool file_moves(const struct file *f, int access)
{
    int flags = atomic_load(&f->flags), own = flags & O_ACCMODE;
    return !(flags & O_PATH) && (own == O_RDWR || own == access);
}
static inline bool file_is_readable(const struct file *f)
{
    return file_moves(f, O_RDONLY);
}
static inline bool file_is_writable(const struct file *f)
{
    return file_moves(f, O_WRONLY);
}

/* The file behind guest descriptor `fd` with a reference taken, or NULL: a plain host one. */
must_check struct file *fd_get(int fd);
void file_put(struct file *f);

/* Puts `f` (its one reference goes to the table, also on failure) behind a new lowest-numbered
 * descriptor, for which a placeholder is opened at the host. `fd_flags`: FD_CLOEXEC or 0.
 * The descriptor or -errno. */
must_check int fd_install(struct file *f, int fd_flags);

/* Puts `f` behind a descriptor that the host has just opened (a socket): same rules. */
must_check int fd_attach(int fd, struct file *f);

/* Quick test without a reference; for the fast path. */
bool fd_is_shielded(int fd);

/* Moves a runtime-owned host descriptor to the hidden range, close-on-exec. The new number. */
must_check int fd_hide(int fd);

/* Closes a descriptor that fd_hide() gave; its number does not become the guest's. */
void fd_hidden_close(int fd);

#endif
