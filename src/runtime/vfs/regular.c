/* SPDX-License-Identifier: Apache-2.0 */
/* Regular files on a volume. The guest's buffers may vanish while they are read or written: who copies at
 * last, the volume or the volume server's client, does so through runtime/guest.h. */
#include "platform/host.h"
#include "runtime/guest.h"
#include "runtime/thread.h"
#include "runtime/vfs/file_ops.h"
#include "runtime/vfs/size_limit.h"
#include "runtime/vfs/volume_client.h"
#include "runtime/vfs/watch.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RWF_NOAPPEND_BIT 0x20 /* newer than the headers */

/* --- the position --- */

/* A holder that was killed never lets go: after a while, look whether it still exists. */
static void steal_from_the_dead(struct file_position *position, int holder)
{
    if (host_call(SYS_kill, holder, 0) == -ESRCH)
        atomic_compare_exchange_strong(&position->lock, &holder, 0);
}

static void acquire(struct file_position *position)
{
    int me = 1, holder = 0;
    bool shared = g_fs.remote != NULL;
    if (shared)
        me = thread_self()->tid;
    if (atomic_compare_exchange_strong(&position->lock, &holder, me))
        return;
    atomic_fetch_add(&position->waiters, 1);
    for (;;) {
        holder = 0;
        if (atomic_compare_exchange_strong(&position->lock, &holder, me))
            break;
        struct timespec patience = {.tv_nsec = 100000000};
        long r = host_call(SYS_futex, &position->lock, FUTEX_WAIT, holder, &patience, 0, 0);
        if (r == -ETIMEDOUT && shared && holder > 1)
            steal_from_the_dead(position, holder);
    }
    atomic_fetch_sub(&position->waiters, 1);
}

/* A position moves to shared memory at the first fork, and not in anybody's hand. */
void position_acquire(struct volume_file *vf)
{
    fs_gate_enter();
    thread_self()->has_position = true;
    acquire(vf->position);
}

void position_release(struct volume_file *vf)
{
    struct file_position *position = vf->position;
    atomic_store(&position->lock, 0);
    if (atomic_load(&position->waiters) > 0)
        (void)host_call(SYS_futex, &position->lock, FUTEX_WAKE, 1, 0, 0, 0);
    thread_self()->has_position = false;
    fs_gate_leave();
}

/* --- data --- */

static int64_t read_at(struct volume_file *vf, const struct iovec *iov, int count, int64_t offset)
{
    int64_t done = 0;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len == 0)
            continue;
        struct request rq = {.op = REQUEST_READ,
                             .handle = vf->handle,
                             .offset = (uint64_t)(offset + done),
                             .out = iov[i].iov_base,
                             .out_size = MIN(iov[i].iov_len, (size_t)INT_MAX)};
        int64_t n = fs_request(&rq);
        if (n < 0)
            return done > 0 ? done : n;
        done += n;
        if ((size_t)n < iov[i].iov_len)
            break;
    }
    return done;
}

/* A stand-in behind the descriptor is read as well: somebody may watch for that. */
static int64_t seen(const struct file *f, int64_t n)
{
    char byte;
    if (n > 0 && watch_any())
        (void)host_call(SYS_pread64, atomic_load(&f->host_fd), &byte, 1, 0);
    return n;
}

static int64_t regular_read(struct file *f, const struct iovec *iov, int count, int64_t offset,
                            int flags)
{
    struct volume_file *vf = volume_file_of(f);
    (void)flags; /* RWF_NOWAIT and RWF_HIPRI change nothing here */
    if (!file_is_readable(f))
        return -EBADF;
    if (offset >= 0)
        return seen(f, read_at(vf, iov, count, offset));
    position_acquire(vf);
    int64_t at = atomic_load(&vf->position->offset);
    int64_t n = read_at(vf, iov, count, at);
    if (n > 0)
        atomic_store(&vf->position->offset, at + n);
    position_release(vf);
    return seen(f, n);
}

/* Once there is a volume server it publishes what it is asked most. */
static int64_t getattr(struct volume_file *vf, bool size_only, struct volume_attr *ret_attr)
{
    struct volume_client *remote = g_fs.remote;
    if (remote && volume_client_attr(remote, vf->handle, ret_attr, size_only))
        return 0;
    struct request rq = {
        .op = REQUEST_GETATTR, .volume = vf->volume, .ino = vf->ino, .handle = vf->handle};
    int64_t r = fs_request(&rq);
    *ret_attr = rq.attr;
    return r;
}

static int64_t size_of(struct volume_file *vf)
{
    struct volume_attr attr;
    int64_t r = getattr(vf, true, &attr);
    return r < 0 ? r : (int64_t)attr.size;
}

/* What RLIMIT_FSIZE lets through: the buffers are cut in `cut`, which has room for `count`. How many of
 * them are left, or -EFBIG. */
static int64_t cut_to_limit(struct volume_file *vf, const struct iovec *iov, int count,
                            int64_t offset, bool append, struct iovec *cut)
{
    int64_t at = append ? size_of(vf) : offset;
    uint64_t room = at < 0 ? 0 : size_limit_room(at), wanted = 0;
    int n = 0;
    for (; n < count; n++) {
        cut[n] = iov[n];
        uint64_t left = room - MIN(wanted, room);
        cut[n].iov_len = MIN(iov[n].iov_len, left);
        wanted += iov[n].iov_len;
    }
    if (at < 0)
        return at;
    return room == 0 && wanted > 0 ? size_limit_signal() : n;
}

/* *offset moves to the end of what was written. */
static int64_t write_all(struct volume_file *vf, const struct iovec *iov, int count,
                         int64_t *offset, bool append)
{
    int64_t done = 0;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len == 0)
            continue;
        struct request rq = {.op = REQUEST_WRITE,
                             .handle = vf->handle,
                             .offset = (uint64_t)*offset,
                             .flags = append ? REQUEST_APPEND : 0,
                             .creds = fs_writer(),
                             .in = slice_of(iov[i].iov_base, MIN(iov[i].iov_len, (size_t)INT_MAX))};
        if (!append && *offset >= FS_FILE_SIZE_MAX)
            return done > 0 ? done : -EFBIG;
        if (!append)
            rq.in.size = MIN(rq.in.size, (size_t)(FS_FILE_SIZE_MAX - *offset));
        int64_t n = fs_request(&rq);
        if (n < 0)
            return done > 0 ? done : n;
        *offset = (int64_t)rq.offset + n;
        done += n;
        if ((size_t)n < iov[i].iov_len)
            break;
    }
    return done;
}

static __attribute__((noinline)) int64_t write_limited(struct volume_file *vf,
                                                       const struct iovec *iov, int count,
                                                       int64_t *offset, bool append)
{
    struct iovec cut[GUEST_IOV_MAX];
    int64_t n = cut_to_limit(vf, iov, MIN(count, GUEST_IOV_MAX), *offset, append, cut);
    return n < 0 ? n : write_all(vf, cut, (int)n, offset, append);
}

static int64_t write_at(struct volume_file *vf, const struct iovec *iov, int count, int64_t *offset,
                        bool append)
{
    return size_limit_any() ? write_limited(vf, iov, count, offset, append)
                            : write_all(vf, iov, count, offset, append);
}

static int64_t sync_after(struct file *f, int flags, int64_t n)
{
    bool sync = (flags & (RWF_SYNC | RWF_DSYNC)) || (atomic_load(&f->flags) & (O_SYNC | O_DSYNC));
    if (n <= 0 || !sync)
        return n;
    int64_t r = volume_file_sync(f, !(flags & RWF_SYNC));
    return r < 0 ? r : n;
}

static int64_t told(const struct volume_file *vf, int64_t n)
{
    if (n > 0 && watch_any()) {
        struct watch_name what = watch_name_of(vf);
        watch_modified(&what);
    }
    return n;
}

static int64_t regular_write(struct file *f, const struct iovec *iov, int count, int64_t offset,
                             int flags)
{
    struct volume_file *vf = volume_file_of(f);
    int own = atomic_load(&f->flags);
    if (!file_is_writable(f))
        return -EBADF;
    bool append = ((own & O_APPEND) && !(flags & RWF_NOAPPEND_BIT)) || (flags & RWF_APPEND);
    if (offset >= 0)
        return sync_after(f, flags, told(vf, write_at(vf, iov, count, &offset, append)));
    position_acquire(vf);
    int64_t at = atomic_load(&vf->position->offset);
    int64_t n = write_at(vf, iov, count, &at, append);
    if (n > 0)
        atomic_store(&vf->position->offset, at);
    position_release(vf);
    return sync_after(f, flags, told(vf, n));
}

static int64_t seek_data(struct volume_file *vf, int64_t offset, int whence)
{
    struct request rq = {.op = REQUEST_SEEK,
                         .volume = vf->volume,
                         .ino = vf->ino,
                         .offset = (uint64_t)offset,
                         .flags = (uint32_t)whence};
    int64_t r = offset < 0 ? -ENXIO : fs_request(&rq);
    return r < 0 ? r : (int64_t)rq.offset;
}

static int64_t regular_seek(struct file *f, int64_t offset, int whence)
{
    struct volume_file *vf = volume_file_of(f);
    int64_t base = 0, target;
    position_acquire(vf);
    if (whence == SEEK_CUR)
        base = atomic_load(&vf->position->offset);
    else if (whence == SEEK_END)
        base = size_of(vf);
    else if (whence == SEEK_DATA || whence == SEEK_HOLE)
        offset = seek_data(vf, offset, whence);
    else if (whence != SEEK_SET)
        base = -EINVAL;
    if (base < 0)
        target = base;
    else if (offset < 0 && whence >= SEEK_DATA)
        target = offset;
    else if (__builtin_add_overflow(base, offset, &target))
        target = -EINVAL;
    else if (target < 0 || target > FS_FILE_SIZE_MAX)
        target = -EINVAL;
    else
        atomic_store(&vf->position->offset, target);
    position_release(vf);
    return target;
}

static int64_t may_grow(struct volume_file *vf, uint64_t size)
{
    int64_t now = size_limit_any() ? size_of(vf) : 0;
    return now < 0 || !size_limit_any() ? now : size_limit_check((uint64_t)now, size);
}

static int64_t regular_truncate(struct file *f, uint64_t size)
{
    if (((struct volume_file *)f)->uncut)
        return -EACCES;
    struct volume_file *vf = volume_file_of(f);
    if (!file_is_writable(f))
        return -EINVAL;
    if (size > FS_FILE_SIZE_MAX)
        return -EFBIG;
    int64_t r = may_grow(vf, size);
    if (r < 0)
        return r;
    struct request rq = {.op = REQUEST_SETATTR,
                         .volume = vf->volume,
                         .ino = vf->ino,
                         .mask = VOLUME_ATTR_SIZE,
                         .creds = fs_writer(),
                         .attr = {.size = size}};
    r = fs_request(&rq);
    (void)told(vf, r == 0);
    return r;
}

static int64_t regular_allocate(struct file *f, int mode, int64_t offset, int64_t size)
{
    struct volume_file *vf = volume_file_of(f);
    if (!file_is_writable(f))
        return -EBADF;
    if (offset < 0 || size <= 0)
        return -EINVAL;
    if (size > FS_FILE_SIZE_MAX - MIN(offset, FS_FILE_SIZE_MAX))
        return -EFBIG;
    const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    if ((mode & ~known) ||
        (mode & FALLOC_FL_PUNCH_HOLE && (mode & known) != (FALLOC_FL_PUNCH_HOLE | 1)))
        return -EOPNOTSUPP;
    int64_t r = mode & FALLOC_FL_KEEP_SIZE ? 0 : may_grow(vf, (uint64_t)(offset + size));
    if (r < 0)
        return r;
    struct request rq = {.op = REQUEST_ALLOCATE,
                         .volume = vf->volume,
                         .ino = vf->ino,
                         .flags = (uint32_t)mode,
                         .offset = (uint64_t)offset,
                         .size = (uint64_t)size,
                         .creds = fs_writer()};
    r = fs_request(&rq);
    (void)told(vf, r == 0);
    return r;
}

int64_t volume_file_stat(struct file *f, struct statx *ret_stat)
{
    struct volume_file *vf = volume_file_of(f);
    struct volume_attr attr;
    int64_t r = getattr(vf, false, &attr);
    if (r == 0)
        volume_file_statx(vf->volume, &attr, ret_stat);
    return r;
}

int64_t volume_file_sync(struct file *f, bool data_only)
{
    struct volume_file *vf = volume_file_of(f);
    struct request rq = {.op = REQUEST_SYNC,
                         .volume = vf->volume,
                         .ino = vf->ino,
                         .flags = data_only ? REQUEST_DATA_ONLY : 0};
    return fs_request(&rq);
}

/* FICLONE: the source is judged as Linux does, but no file here shares its blocks with another. */
static int64_t clone_from(struct file *f, unsigned long source)
{
    struct file *from = fd_get((int)source);
    struct volume_file *vf = volume_file_of(from), *to = volume_file_of(f);
    int64_t r = -EOPNOTSUPP;
    if (!from)
        r = host_call(SYS_fcntl, (int)source, F_GETFD) < 0 ? -EBADF : -EXDEV;
    else if (atomic_load(&from->flags) & O_PATH)
        r = -EBADF;
    else if (S_ISDIR(to->type) || (vf && S_ISDIR(vf->type)))
        r = -EISDIR;
    else if (!vf || vf->volume != to->volume)
        r = -EXDEV;
    if (from)
        file_put(from);
    return r;
}

static int64_t clone_range_from(struct file *f, unsigned long arg)
{
    struct file_clone_range range;
    int r = guest_get(&range, arg);
    return r < 0 ? r : clone_from(f, (unsigned long)range.src_fd);
}

static int64_t put_int(unsigned long to, int value)
{
    return guest_put(to, &value);
}

/* FIOQSIZE: the room that it takes. */
static int64_t put_room(struct file *f, unsigned long to)
{
    struct statx about;
    int64_t r = volume_file_stat(f, &about), room = (int64_t)about.stx_blocks * 512;
    return r < 0 ? r : guest_put(to, &room);
}

#define FLAGS_OF_EXTENTS 0x80000 /* what ext4 says of its files: "by extents" */

int64_t volume_file_ioctl(struct file *f, unsigned long request, unsigned long arg)
{
    switch (request) {
    case FIGETBSZ:
        return put_int(arg, 4096);
    case FIOQSIZE:
        return put_room(f, arg);
    case FS_IOC_GETFLAGS:
        return put_int(arg, FLAGS_OF_EXTENTS);
    case FS_IOC_SETFLAGS:
    case FS_IOC_FIEMAP:
        return -EOPNOTSUPP;
    case FICLONE:
        return clone_from(f, arg);
    case FICLONERANGE:
        return clone_range_from(f, arg);
    default:
        return -ENOTTY;
    }
}

static int64_t regular_ioctl(struct file *f, unsigned long request, unsigned long arg)
{
    struct volume_file *vf = volume_file_of(f);
    if (request != FIONREAD)
        return volume_file_ioctl(f, request, arg);
    int64_t size = size_of(vf), left = size - atomic_load(&vf->position->offset);
    if (size < 0)
        return size;
    return put_int(arg, (int)MIN(MAX(left, (int64_t)0), (int64_t)INT_MAX));
}

static int regular_poll(struct file *f, int events, int *ret_host_events)
{
    (void)f;
    *ret_host_events = 0;
    return events & (0x0001 | 0x0004 | 0x0040 | 0x0100); /* POLLIN, OUT, RDNORM, WRNORM */
}

const struct file_ops volume_regular_ops = {
    .name = "file on a volume",
    .read = regular_read,
    .write = regular_write,
    .seek = regular_seek,
    .stat = volume_file_stat,
    .truncate = regular_truncate,
    .allocate = regular_allocate,
    .sync = volume_file_sync,
    .ioctl = regular_ioctl,
    .fcntl = volume_file_fcntl,
    .flock = volume_file_flock,
    .mmap = volume_file_mmap,
    .poll = regular_poll,
    .release = volume_file_release,
};
