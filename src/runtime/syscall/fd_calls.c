/* SPDX-License-Identifier: Apache-2.0 */
/* The generic calls on descriptors, for shielded files: each finds the file, brings the guest's
 * buffers into shape and asks the file's operations. */
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/syscall/call.h"
#include "runtime/thread.h"
#include "runtime/vfs/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RWF_KNOWN (RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND_BIT)
#define RWF_NOAPPEND_BIT 0x20
#define READ_SIZE_MAX 0x7ffff000ull /* as Linux: more is cut */
#define DIRENTS_SIZE_MAX (64u << 10)

static void put_file(struct file **f)
{
    file_put(*f);
}
#define SCOPED_FILE(name, fd) SCOPED(put_file) struct file *name = fd_get((int)(fd))

/* Cuts the buffers to what one call moves at most. */
static void limit_iov(struct iovec *iov, int count)
{
    size_t left = READ_SIZE_MAX;
    for (int i = 0; i < count; i++) {
        iov[i].iov_len = MIN(iov[i].iov_len, left);
        left -= iov[i].iov_len;
    }
}

static int64_t move(struct file *f, struct iovec *iov, int count, int64_t offset, int flags,
                    bool write)
{
    limit_iov(iov, count);
    if (write)
        return f->ops->write ? f->ops->write(f, iov, count, offset, flags) : -EINVAL;
    return f->ops->read ? f->ops->read(f, iov, count, offset, flags) : -EINVAL;
}

static int64_t move_one(struct syscall_call *c, int64_t offset, bool write)
{
    SCOPED_FILE(f, c->args[0]);
    struct iovec iov = {(void *)c->args[1], c->args[2]};
    if (!f || !(write ? file_is_writable(f) : file_is_readable(f)))
        return -EBADF;
    if (!guest_may_be(c->args[1], c->args[2]))
        return -EFAULT;
    if (offset > 0 && (int64_t)c->args[2] > INT64_MAX - offset)
        return -EINVAL;
    return move(f, &iov, 1, offset, 0, write);
}

static int64_t move_vector(struct syscall_call *c, int64_t offset, int flags, bool write)
{
    SCOPED_FILE(f, c->args[0]);
    struct iovec iov[GUEST_IOV_MAX];
    if (!f || !(write ? file_is_writable(f) : file_is_readable(f)))
        return -EBADF;
    ssize_t size = guest_iov(iov, c->args[1], c->args[2]);
    if (size <= 0)
        return size;
    if (flags & ~RWF_KNOWN)
        return -EOPNOTSUPP;
    if (offset > 0 && size > INT64_MAX - offset)
        return -EINVAL;
    return move(f, iov, (int)c->args[2], offset, flags, write);
}

int64_t sys_read(struct syscall_call *c)
{
    return move_one(c, -1, false);
}

int64_t sys_write(struct syscall_call *c)
{
    return move_one(c, -1, true);
}

int64_t sys_pread64(struct syscall_call *c)
{
    return (int64_t)c->args[3] < 0 ? -EINVAL : move_one(c, (int64_t)c->args[3], false);
}

int64_t sys_pwrite64(struct syscall_call *c)
{
    return (int64_t)c->args[3] < 0 ? -EINVAL : move_one(c, (int64_t)c->args[3], true);
}

int64_t sys_readv(struct syscall_call *c)
{
    return move_vector(c, -1, 0, false);
}

int64_t sys_writev(struct syscall_call *c)
{
    return move_vector(c, -1, 0, true);
}

int64_t sys_preadv(struct syscall_call *c)
{
    return (int64_t)c->args[3] < 0 ? -EINVAL : move_vector(c, (int64_t)c->args[3], 0, false);
}

int64_t sys_pwritev(struct syscall_call *c)
{
    return (int64_t)c->args[3] < 0 ? -EINVAL : move_vector(c, (int64_t)c->args[3], 0, true);
}

int64_t sys_preadv2(struct syscall_call *c)
{
    int64_t offset = (int64_t)c->args[3];
    return offset < -1 ? -EINVAL : move_vector(c, offset, (int)c->args[5], false);
}

int64_t sys_pwritev2(struct syscall_call *c)
{
    int64_t offset = (int64_t)c->args[3];
    return offset < -1 ? -EINVAL : move_vector(c, offset, (int)c->args[5], true);
}

int64_t sys_lseek(struct syscall_call *c)
{
    SCOPED_FILE(f, c->args[0]);
    if (!f)
        return -EBADF;
    return f->ops->seek ? f->ops->seek(f, (int64_t)c->args[1], (int)c->args[2]) : -ESPIPE;
}

int64_t sys_fstat(struct syscall_call *c)
{
    SCOPED_FILE(f, c->args[0]);
    struct statx stat = {0};
    if (!f)
        return -EBADF;
    if (!f->ops->stat)
        return sys_pass(c);
    int64_t r = f->ops->stat(f, &stat);
    return r < 0 ? r : guest_put_stat(c->args[1], &stat);
}

int64_t sys_ftruncate(struct syscall_call *c)
{
    SCOPED_FILE(f, c->args[0]);
    if (!f)
        return -EBADF;
    if ((int64_t)c->args[1] < 0)
        return -EINVAL;
    if (atomic_load(&f->flags) & O_PATH)
        return -EBADF;
    if (!file_is_writable(f))
        return -EINVAL;
    return f->ops->truncate ? f->ops->truncate(f, c->args[1]) : -EINVAL;
}

/* A shielded socket is a real one at the host, which must know whether to wait. */
static bool is_socket(const struct file *f)
{
    return strcmp(f->ops->name, "socket") == 0;
}

int64_t sys_fallocate(struct syscall_call *c)
{
    SCOPED_FILE(f, c->args[0]);
    int64_t offset = (int64_t)c->args[2], size = (int64_t)c->args[3], end;
    if (!f || !file_is_writable(f))
        return -EBADF;
    if (offset < 0 || size <= 0)
        return -EINVAL;
    if (__builtin_add_overflow(offset, size, &end))
        return -EFBIG;
    if (is_socket(f))
        return -ENODEV;
    return f->ops->allocate ? f->ops->allocate(f, (int)c->args[1], offset, size) : -EOPNOTSUPP;
}

static int64_t sync_file(struct syscall_call *c, bool data_only)
{
    SCOPED_FILE(f, c->args[0]);
    if (!f)
        return -EBADF;
    return f->ops->sync ? f->ops->sync(f, data_only) : -EINVAL;
}

int64_t sys_fsync(struct syscall_call *c)
{
    return sync_file(c, false);
}

int64_t sys_fdatasync(struct syscall_call *c)
{
    return sync_file(c, true);
}

static bool is_path_only(const struct file *f)
{
    return atomic_load(&f->flags) & O_PATH;
}

int64_t sys_sync_file_range(struct syscall_call *c)
{
    const unsigned long known =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    int64_t offset = (int64_t)c->args[1], size = (int64_t)c->args[2], end;
    SCOPED_FILE(f, c->args[0]);
    if (!f || is_path_only(f))
        return -EBADF;
    if ((c->args[3] & ~known) || offset < 0 || size < 0 ||
        __builtin_add_overflow(offset, size, &end))
        return -EINVAL;
    return sync_file(c, true);
}

int64_t sys_readahead(struct syscall_call *c)
{
    SCOPED_FILE(f, c->args[0]);
    if (!f || !file_is_readable(f))
        return -EBADF;
    return f->ops->mmap ? 0 : -EINVAL;
}

int64_t sys_fadvise64(struct syscall_call *c)
{
    SCOPED_FILE(f, c->args[0]);
    if (!f || is_path_only(f))
        return -EBADF;
    return (int64_t)c->args[2] < 0 || (int)c->args[3] < 0 || (int)c->args[3] > POSIX_FADV_NOREUSE
               ? -EINVAL
               : 0;
}

int64_t sys_flock(struct syscall_call *c)
{
    SCOPED_FILE(f, c->args[0]);
    if (!f)
        return -EBADF;
    return f->ops->flock ? f->ops->flock(f, (int)c->args[1]) : -EINVAL;
}

/* Entries that do not reach the guest are given again by the next call. */
static int64_t put_dirents(struct file *f, unsigned long to, const uint8_t *entries, int64_t size)
{
    int64_t done = 0, next = -1;
    if (guest_write(to, entries, (size_t)size) == 0)
        return size;
    while (done < size) {
        struct dirent64 head;
        memcpy(&head, entries + done, offsetof(struct dirent64, d_name));
        if (guest_write(to + (unsigned long)done, entries + done, head.d_reclen) < 0)
            break;
        done += head.d_reclen;
        next = head.d_off;
    }
    if (done > 0 && f->ops->seek)
        (void)f->ops->seek(f, next, SEEK_SET);
    return done > 0 ? done : -EFAULT;
}

int64_t sys_getdents64(struct syscall_call *c)
{
    SCOPED_FILE(f, c->args[0]);
    size_t size = MIN((unsigned)c->args[2], (unsigned)DIRENTS_SIZE_MAX);
    if (!f)
        return -EBADF;
    if (!f->ops->getdents)
        return is_path_only(f) ? -EBADF : -ENOTDIR;
    int64_t start = f->ops->seek ? f->ops->seek(f, 0, SEEK_CUR) : -ESPIPE;
    uint8_t *entries = malloc(MAX(size, (size_t)1));
    if (!entries)
        return -ENOMEM;
    int64_t n = f->ops->getdents(f, entries, size);
    if (n > 0)
        n = put_dirents(f, c->args[1], entries, n);
    if (n == -EFAULT && start >= 0)
        (void)f->ops->seek(f, start, SEEK_SET);
    free(entries);
    return n;
}

/* A record of getdents64() becomes one of getdents(): they take the same room, and the type goes
 * from before the name to the record's last byte. */
static int64_t to_old_dirents(unsigned long entries, int64_t size)
{
    uint8_t record[512];
    for (int64_t at = 0; at < size;) {
        uint16_t length;
        int r = guest_read(&length, entries + (unsigned long)at + 16, sizeof length);
        if (r == 0 && (length < 24 || length > sizeof record || length > size - at))
            r = -EIO; /* another thread of the guest writes there */
        if (r == 0)
            r = guest_read(record, entries + (unsigned long)at, length);
        if (r < 0)
            return r;
        uint8_t type = record[18];
        memmove(record + 18, record + 19, (size_t)length - 19);
        record[length - 1] = type;
        r = guest_write(entries + (unsigned long)at, record, length);
        if (r < 0)
            return r;
        at += length;
    }
    return size;
}

int64_t sys_getdents(struct syscall_call *c)
{
    int64_t n = sys_getdents64(c);
    return n > 0 ? to_old_dirents(c->args[1], n) : n;
}

int64_t sys_ioctl(struct syscall_call *c)
{
    SCOPED_FILE(f, c->args[0]);
    int value;
    if (!f || is_path_only(f))
        return -EBADF;
    switch (c->args[1]) {
    case FIOCLEX:
    case FIONCLEX:
        return sys_pass(c); /* the placeholder keeps the descriptor's own flag */
    case FIONBIO:
        if (guest_get(&value, c->args[2]) < 0)
            return -EFAULT;
        if (value)
            atomic_fetch_or(&f->flags, O_NONBLOCK);
        else
            atomic_fetch_and(&f->flags, ~O_NONBLOCK);
        return is_socket(f) ? sys_pass(c) : 0;
    case FIOASYNC: /* nothing here sends signals */
        if (is_socket(f))
            break;
        if (guest_get(&value, c->args[2]) < 0)
            return -EFAULT;
        return !value == !(atomic_load(&f->flags) & O_ASYNC) ? 0 : -ENOTTY;
    default:
        break;
    }
    return f->ops->ioctl ? f->ops->ioctl(f, c->args[1], c->args[2]) : -ENOTTY;
}

/* The file behind a descriptor that the host has just duplicated. */
static int64_t duplicated(int64_t fd, struct file *f)
{
    if (fd < 0) {
        file_put(f);
        return fd;
    }
    if (fd >= FD_MAX || fd_is_hidden((int)fd)) {
        host_close((int)fd);
        file_put(f);
        return -EMFILE;
    }
    int r = fd_replace((int)fd, f);
    return r < 0 ? r : fd;
}

/* Who shall get signals: nobody, or somebody that there is. */
static int64_t set_owner(struct file *f, int type, int id)
{
    int64_t r = 0;
    if (id != 0 && type == F_OWNER_PGRP)
        r = host_call(SYS_kill, -id, 0);
    else if (id != 0)
        r = type == F_OWNER_PID ? host_call(SYS_kill, id, 0) : host_call(SYS_tkill, id, 0);
    if (r == -ESRCH || r == -EINVAL)
        return -ESRCH;
    atomic_store(&f->owner, type == F_OWNER_PGRP ? -id : id);
    return 0;
}

/* F_GETOWN_EX and F_SETOWN_EX know threads, processes and groups; a group is a negative number. */
static int64_t owner_ex(struct file *f, int command, unsigned long arg)
{
    struct f_owner_ex ex;
    if (command == F_GETOWN_EX) {
        int owner = atomic_load(&f->owner);
        ex.type = owner < 0 ? F_OWNER_PGRP : F_OWNER_PID;
        ex.pid = owner < 0 ? -owner : owner;
        return guest_put(arg, &ex);
    }
    int r = guest_get(&ex, arg);
    if (r < 0)
        return r;
    if (ex.type < F_OWNER_TID || ex.type > F_OWNER_PGRP)
        return -EINVAL;
    return set_owner(f, ex.type, ex.pid);
}

/* What every kind of file but sockets keeps, and what only pipes have. 1: another command. */
static int64_t common_fcntl(struct file *f, int command, unsigned long arg)
{
    switch (command) {
    case F_GETOWN:
        return atomic_load(&f->owner);
    case F_SETOWN:
        if ((int)arg == INT_MIN)
            return -EINVAL;
        return set_owner(f, (int)arg < 0 ? F_OWNER_PGRP : F_OWNER_PID, abs((int)arg));
    case F_GETOWN_EX:
    case F_SETOWN_EX:
        return owner_ex(f, command, arg);
    case F_GETSIG:
        return atomic_load(&f->owner_signal);
    case F_SETSIG:
        if (arg > 64)
            return -EINVAL;
        atomic_store(&f->owner_signal, (int)arg);
        return 0;
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ:
        return -EBADF;
    default:
        return 1;
    }
}

/* Of a file that says whose it is. */
static bool is_owner(struct file *f, const struct creds *creds)
{
    struct statx stat;
    return (creds->powers & POWER_OWNER) || !f->ops->stat || f->ops->stat(f, &stat) < 0 ||
           stat.stx_uid == creds->uid;
}

#define FLAGS_SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC)

int64_t sys_fcntl(struct syscall_call *c)
{
    int command = (int)c->args[1];
    struct file *f = fd_get((int)c->args[0]);
    if (!f)
        return -EBADF;
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        return duplicated(sys_pass(c), f); /* the reference goes to the new descriptor */
    SCOPED(put_file) struct file *held = f;
    bool path_only = atomic_load(&f->flags) & O_PATH;
    if (path_only && command != F_GETFD && command != F_SETFD && command != F_GETFL)
        return -EBADF;
    switch (command) {
    case F_GETFD:
    case F_SETFD:
        return sys_pass(c);
    case F_GETFL:
        return atomic_load(&f->flags);
    case F_SETFL: {
        int flags = atomic_load(&f->flags);
        if ((c->args[2] & O_NOATIME) && !(flags & O_NOATIME) && !is_owner(f, &c->thread->creds))
            return -EPERM;
        atomic_store(&f->flags, (flags & ~FLAGS_SETTABLE) | ((int)c->args[2] & FLAGS_SETTABLE));
        return is_socket(f) ? sys_pass(c) : 0;
    }
    default: {
        int64_t r = is_socket(f) ? 1 : common_fcntl(f, command, c->args[2]);
        if (r != 1 || command == F_GETOWN || command == F_GETSIG)
            return r;
        return f->ops->fcntl ? f->ops->fcntl(f, command, c->args[2]) : -EINVAL;
    }
    }
}

int64_t sys_dup(struct syscall_call *c)
{
    struct file *f = fd_get((int)c->args[0]);
    return f ? duplicated(sys_pass(c), f) : -EBADF;
}

/* One descriptor of the guest goes away: the file first, so that no other thread finds it behind
 * whatever the host puts there next. */
static void detach_closing(int fd)
{
    struct file *f = fd_detach(fd);
    if (f)
        vfs_closing(f);
    file_put(f);
}

static int64_t dup_to(struct syscall_call *c)
{
    int from = (int)c->args[0], to = (int)c->args[1];
    if (fd_is_hidden(from) || fd_is_hidden(to))
        return -EBADF;
    struct file *f = fd_get(from);
    if (!f && !fd_is_shielded(to))
        return sys_pass(c);
    if (host_call(SYS_fcntl, from, F_GETFD) < 0) {
        file_put(f);
        return -EBADF;
    }
    detach_closing(to);
    int64_t r = sys_pass(c);
    return f ? duplicated(r, f) : r;
}

int64_t sys_dup2(struct syscall_call *c)
{
    if (c->args[0] == c->args[1])
        return host_call(SYS_fcntl, c->args[0], F_GETFD) < 0 ? -EBADF : (int64_t)c->args[0];
    return dup_to(c);
}

int64_t sys_dup3(struct syscall_call *c)
{
    if (c->args[0] == c->args[1] || (c->args[2] & ~(unsigned long)O_CLOEXEC))
        return -EINVAL;
    return dup_to(c);
}

int64_t sys_close(struct syscall_call *c)
{
    detach_closing((int)c->args[0]);
    return host_call(SYS_close, c->args[0]);
}

int64_t sys_close_range(struct syscall_call *c)
{
    unsigned first = (unsigned)c->args[0], last = (unsigned)c->args[1];
    unsigned flags = (unsigned)c->args[2];
    unsigned base = (unsigned)fd_hidden_base();
    if (first > last || (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
        return -EINVAL;
    if (!(flags & CLOSE_RANGE_CLOEXEC))
        for (unsigned fd = first; fd <= last && fd < (unsigned)fd_limit(); fd++)
            detach_closing((int)fd);
    int64_t r = 0;
    if (first < base)
        r = host_call(SYS_close_range, first, MIN(last, base - 1), flags);
    if (r == 0 && last >= base + FD_HIDDEN_COUNT)
        r = host_call(SYS_close_range, MAX(first, base + FD_HIDDEN_COUNT), last, flags);
    return r;
}
