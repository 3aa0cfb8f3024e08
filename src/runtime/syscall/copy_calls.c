/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that move bytes between two descriptors inside the kernel. Where one of them is shielded
 * the bytes pass through a buffer here instead. */
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/syscall/call.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK_SIZE ((size_t)32 << 10)
#define COPY_SIZE_MAX 0x7ffff000ull
#define SPLICE_FLAGS 15u

/* One end of a copy. `offset` -1: at the descriptor's own position. */
struct end {
    int fd;
    struct file *file; /* NULL: a plain host descriptor */
    int64_t offset;
    int flags;           /* as F_GETFL gives */
    uint32_t type;       /* S_IFMT bits */
    uint64_t dev, inode; /* of files */
};

static void end_done(struct end *e)
{
    file_put(e->file);
}

static int end_open(struct end *e, int fd)
{
    struct statx stat = {0};
    int64_t r;
    *e = (struct end){.fd = fd, .file = fd_get(fd), .offset = -1};
    if (e->file) {
        e->flags = atomic_load(&e->file->flags);
        r = e->file->ops->stat ? e->file->ops->stat(e->file, &stat) : -EOPNOTSUPP;
    } else {
        r = host_call(SYS_fcntl, fd, F_GETFL);
        if (r < 0)
            return -EBADF;
        e->flags = (int)r;
        r = host_call(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &stat);
    }
    e->type = r < 0 ? S_IFSOCK : stat.stx_mode & S_IFMT;
    e->dev = (uint64_t)stat.stx_dev_major << 32 | stat.stx_dev_minor;
    e->inode = stat.stx_ino;
    return e->flags & O_PATH ? -EBADF : 0;
}

static bool end_allows(const struct end *e, bool write)
{
    int access = e->flags & O_ACCMODE;
    return access == O_RDWR || access == (write ? O_WRONLY : O_RDONLY);
}

static bool is_pipe(const struct end *e)
{
    return e->type == S_IFIFO;
}

static int64_t end_read(const struct end *e, void *bytes, size_t size)
{
    struct iovec iov = {bytes, size};
    if (e->file)
        return e->file->ops->read ? e->file->ops->read(e->file, &iov, 1, e->offset, 0) : -EINVAL;
    return e->offset < 0 ? rt_block(SYS_read, e->fd, bytes, size)
                         : rt_block(SYS_pread64, e->fd, bytes, size, e->offset);
}

/* `flags`: MSG_MORE for a shielded socket if more of the same copy follows. */
static int64_t end_write(const struct end *e, void *bytes, size_t size, int flags)
{
    struct iovec iov = {bytes, size};
    if (e->file && e->type == S_IFSOCK)
        return e->file->ops->write(e->file, &iov, 1, e->offset, flags);
    if (e->file)
        return e->file->ops->write ? e->file->ops->write(e->file, &iov, 1, e->offset, 0) : -EINVAL;
    return e->offset < 0 ? rt_block(SYS_write, e->fd, bytes, size)
                         : rt_block(SYS_pwrite64, e->fd, bytes, size, e->offset);
}

static void advance(struct end *e, int64_t n)
{
    if (e->offset >= 0)
        e->offset += n;
}

/* A source read at its own position cannot take back what the target refuses; so a chunk is
 * written to its end before the call says it was interrupted. */
static int64_t write_all(struct end *to, char *bytes, size_t size, int flags)
{
    size_t done = 0;
    while (done < size) {
        int64_t n = end_write(to, bytes + done, size - done, flags);
        if (n <= 0)
            return done > 0 ? (int64_t)done : n;
        advance(to, n);
        done += (size_t)n;
    }
    return (int64_t)done;
}

/* What has come through a pipe or a socket is passed on at once. */
static bool is_stream(const struct end *e)
{
    return e->type == S_IFIFO || e->type == S_IFSOCK;
}

static int64_t copy(struct end *from, struct end *to, size_t size)
{
    char buffer[CHUNK_SIZE];
    size_t done = 0;
    size = MIN(size, (size_t)COPY_SIZE_MAX);
    while (done < size) {
        int64_t n = end_read(from, buffer, MIN(size - done, sizeof(buffer)));
        if (n <= 0) {
            if (done > 0 && to->file && to->type == S_IFSOCK) /* nothing follows after all */
                (void)end_write(to, buffer, 0, 0);
            return done > 0 ? (int64_t)done : n;
        }
        bool more = done + (size_t)n < size && !is_stream(from);
        int64_t written = write_all(to, buffer, (size_t)n, more ? MSG_MORE : 0);
        if (written > 0) {
            done += (size_t)written;
            advance(from, written);
        }
        if (written != n) {
            if (from->offset < 0 && from->file && from->file->ops->seek)
                (void)from->file->ops->seek(from->file, MAX(written, 0) - n, 1);
            else if (from->offset < 0 && !from->file)
                (void)host_call(SYS_lseek, from->fd, MAX(written, 0) - n, 1);
            return done > 0 ? (int64_t)done : written;
        }
        if (is_stream(from))
            break;
    }
    return (int64_t)done;
}

/* The offset an argument points to, if it is there. */
static int offset_get(unsigned long address, int64_t *ret_offset)
{
    *ret_offset = -1;
    if (address == 0)
        return 0;
    int r = guest_get(ret_offset, address);
    return r == 0 && *ret_offset < 0 ? -EINVAL : r;
}

static int offset_put(unsigned long address, const struct end *e)
{
    return address ? guest_put(address, &e->offset) : 0;
}

/* Both ends of a call; `check` says what the kernel would refuse. */
typedef int check_fn(const struct end *from, const struct end *to, size_t size, unsigned flags);

struct copy {
    int in, out;
    unsigned long in_offset, out_offset; /* where the guest keeps them; 0: nowhere */
    size_t size;
    unsigned flags;
    check_fn *check;
};

static check_fn range_check;

/* What goes into a pipe in one go: only what fits, or the one who shall empty it may be waiting for
 * us. 0: full, and the call may not wait. */
static size_t pipe_room(const struct end *to, size_t size, bool waits)
{
    int used = 0;
    long room = host_call(SYS_fcntl, to->fd, F_GETPIPE_SZ);
    struct pollfd poll = {.fd = to->fd, .events = POLLOUT};
    if (!waits && host_call(SYS_poll, &poll, 1, 0) == 0)
        return 0;
    if (room < 0 || host_call(SYS_ioctl, to->fd, FIONREAD, &used) < 0 || used < 0)
        return MIN(size, (size_t)PIPE_BUF);
    return MIN(size, (size_t)MAX(room - used, (long)PIPE_BUF));
}

static int64_t pipe_limit(const struct end *from, const struct end *to, size_t size, unsigned flags)
{
    bool waits = !(flags & SPLICE_F_NONBLOCK);
    struct pollfd poll = {.fd = from->fd, .events = POLLIN};
    if (!waits && is_pipe(from) && !from->file && host_call(SYS_poll, &poll, 1, 0) == 0)
        return -EAGAIN;
    if (is_pipe(from))
        size = MIN(size, CHUNK_SIZE);
    if (!is_pipe(to) || to->file)
        return (int64_t)size;
    size_t room = pipe_room(to, size, waits);
    return room > 0 ? (int64_t)room : -EAGAIN;
}

static int64_t copy_ends(const struct copy *c, struct end *from, struct end *to)
{
    int64_t in_start, out_start;
    if ((is_pipe(from) && c->in_offset) || (is_pipe(to) && c->out_offset))
        return -ESPIPE;
    int r = offset_get(c->in_offset, &in_start);
    if (r == 0)
        r = offset_get(c->out_offset, &out_start);
    if (r == -EINVAL && c->check == range_check && c->size > 0)
        r = -EOVERFLOW; /* this call sees a sum that wraps first */
    if (r < 0)
        return r;
    from->offset = in_start;
    to->offset = out_start;
    r = c->check(from, to, c->size, c->flags);
    int64_t size = r < 0 ? r : (int64_t)MIN(c->size, (size_t)COPY_SIZE_MAX);
    if (size > 0)
        size = pipe_limit(from, to, (size_t)size, c->flags);
    int64_t n = size <= 0 ? size : copy(from, to, (size_t)size);
    if (n >= 0 && (offset_put(c->in_offset, from) < 0 || offset_put(c->out_offset, to) < 0))
        return -EFAULT;
    return n;
}

static int64_t copy_run(const struct copy *c)
{
    struct end from, to;
    int r = end_open(&from, c->in);
    if (r < 0) {
        end_done(&from);
        return r;
    }
    int64_t n = end_open(&to, c->out);
    if (n == 0)
        n = copy_ends(c, &from, &to);
    end_done(&from);
    end_done(&to);
    return n;
}

static int sendfile_check(const struct end *from, const struct end *to, size_t size, unsigned flags)
{
    (void)flags;
    if (!end_allows(from, false) || !end_allows(to, true))
        return -EBADF;
    if (size > INT64_MAX || (from->type != S_IFREG && from->type != S_IFCHR))
        return -EINVAL;
    return (to->flags & O_APPEND) && !is_pipe(to) ? -EINVAL : 0;
}

/* --- sendfile(2) as servers call it: where one look will do ------------------------------------ */

/* Sends a chunk to what may be a socket of the host; -ENOTSOCK if it is not. */
static int64_t send_chunk(int fd, const char *bytes, size_t size, int flags)
{
    size_t done = 0;
    int64_t n = 0;
    while (done < size) {
        n = rt_block(SYS_sendto, fd, bytes + done, size - done, flags, NULL, 0);
        if (n <= 0 || (size_t)n > size - done)
            break;
        done += (size_t)n;
    }
    return done > 0 ? (int64_t)done : n;
}

/* From a shielded file to a socket of the host. False if it is something else, or if nothing was
 * read: the long way says what that means. */
static bool file_to_host(const struct copy *job, struct end *from, int64_t *ret)
{
    char buffer[CHUNK_SIZE];
    size_t done = 0, size = MIN(job->size, (size_t)COPY_SIZE_MAX);
    long flags = host_call(SYS_fcntl, job->out, F_GETFL);
    if (from->type != S_IFREG || !end_allows(from, false) || flags < 0 ||
        (flags & (O_PATH | O_APPEND)))
        return false;
    while (done < size) {
        int64_t n = end_read(from, buffer, MIN(size - done, sizeof buffer));
        if (n <= 0 && done == 0)
            return false;
        if (n <= 0)
            break;
        bool more = done + (size_t)n < size;
        int64_t sent = send_chunk(job->out, buffer, (size_t)n, more ? MSG_MORE : 0);
        *ret = sent;
        if (sent <= 0 && done == 0)
            return sent != -ENOTSOCK;
        if (sent <= 0)
            break;
        advance(from, sent);
        done += (size_t)sent;
        if (sent < n)
            break;
    }
    *ret = (int64_t)done;
    return true;
}

/* From a file of the host, one chunk, to a socket of the network shield; as above. What can be read at
 * an offset is a file, and open for reading. */
static bool host_to_socket(const struct copy *job, struct end *from, struct end *to, int64_t *ret)
{
    char buffer[CHUNK_SIZE];
    if (job->size > sizeof buffer || to->type != S_IFSOCK || (to->flags & O_APPEND) ||
        !end_allows(to, true))
        return false;
    int64_t n = rt_block(SYS_pread64, from->fd, buffer, job->size, from->offset);
    if (n <= 0 || n > (int64_t)job->size)
        return false;
    *ret = end_write(to, buffer, (size_t)n, 0);
    advance(from, MAX(*ret, (int64_t)0));
    return true;
}

/* False: nothing was done. */
static bool sendfile_short(const struct copy *job, int64_t *ret)
{
    struct end from = {.fd = job->in}, to = {.fd = job->out};
    bool from_file = fd_is_shielded(job->in), to_file = fd_is_shielded(job->out), done = false;
    int64_t at;
    if (from_file == to_file || !job->in_offset || job->size == 0 ||
        guest_get(&at, job->in_offset) < 0 || at < 0)
        return false;
    int r = from_file ? end_open(&from, job->in) : end_open(&to, job->out);
    from.offset = at;
    if (r == 0 && from.file)
        done = file_to_host(job, &from, ret);
    else if (r == 0 && to.file)
        done = host_to_socket(job, &from, &to, ret);
    end_done(&from);
    end_done(&to);
    if (done && offset_put(job->in_offset, &from) < 0)
        *ret = -EFAULT;
    return done;
}

int64_t sys_sendfile(struct syscall_call *c)
{
    struct copy job = {.out = (int)c->args[0],
                       .in = (int)c->args[1],
                       .in_offset = c->args[2],
                       .size = c->args[3],
                       .check = sendfile_check};
    if (!fd_is_shielded(job.in) && !fd_is_shielded(job.out))
        return sys_pass(c);
    int64_t at = 0, r;
    if (sendfile_short(&job, &r))
        return r;
    r = job.in_offset ? guest_get(&at, job.in_offset) : 0;
    if (r == 0)
        r = copy_run(&job);
    /* This call alone gives the offset back also where it fails. */
    if (r < 0 && job.in_offset && guest_put(job.in_offset, &at) < 0)
        r = -EFAULT;
    return r;
}

static bool overlaps(const struct end *from, const struct end *to, size_t size)
{
    int64_t a = from->offset, b = to->offset;
    if (a < 0)
        a = from->file ? from->file->ops->seek(from->file, 0, SEEK_CUR)
                       : host_call(SYS_lseek, from->fd, 0, SEEK_CUR);
    if (b < 0)
        b = to->file ? to->file->ops->seek(to->file, 0, SEEK_CUR)
                     : host_call(SYS_lseek, to->fd, 0, SEEK_CUR);
    return a < 0 || b < 0 || (a < b ? (uint64_t)(b - a) : (uint64_t)(a - b)) < size;
}

static int range_check(const struct end *from, const struct end *to, size_t size, unsigned flags)
{
    if (flags != 0)
        return -EINVAL;
    if (from->type == S_IFDIR || to->type == S_IFDIR)
        return -EISDIR;
    if (from->type != S_IFREG || to->type != S_IFREG)
        return -EINVAL;
    if (!end_allows(from, false) || !end_allows(to, true) || (to->flags & O_APPEND))
        return -EBADF;
    int64_t far = MAX(from->offset, to->offset);
    if (far > 0 && size > UINT64_MAX - (uint64_t)far)
        return -EOVERFLOW;
    bool same = from->inode == to->inode && from->dev == to->dev;
    return same && overlaps(from, to, size) ? -EINVAL : 0;
}

int64_t sys_copy_file_range(struct syscall_call *c)
{
    struct copy job = {.in = (int)c->args[0],
                       .in_offset = c->args[1],
                       .out = (int)c->args[2],
                       .out_offset = c->args[3],
                       .size = c->args[4],
                       .flags = (unsigned)c->args[5],
                       .check = range_check};
    if (!fd_is_shielded(job.in) && !fd_is_shielded(job.out))
        return sys_pass(c);
    return copy_run(&job);
}

static int splice_check(const struct end *from, const struct end *to, size_t size, unsigned flags)
{
    (void)size, (void)flags;
    if (!end_allows(from, false) || !end_allows(to, true))
        return -EBADF;
    if (!is_pipe(from) && !is_pipe(to))
        return -EINVAL;
    if (from->type == S_IFDIR || to->type == S_IFDIR)
        return -EINVAL;
    return (to->flags & O_APPEND) && !is_pipe(to) ? -EINVAL : 0;
}

int64_t sys_splice(struct syscall_call *c)
{
    struct copy job = {.in = (int)c->args[0],
                       .in_offset = c->args[1],
                       .out = (int)c->args[2],
                       .out_offset = c->args[3],
                       .size = c->args[4],
                       .flags = (unsigned)c->args[5],
                       .check = splice_check};
    if (!fd_is_shielded(job.in) && !fd_is_shielded(job.out))
        return sys_pass(c);
    if (job.flags & ~SPLICE_FLAGS)
        return -EINVAL;
    return job.size == 0 ? 0 : copy_run(&job);
}

int64_t sys_tee(struct syscall_call *c)
{
    if (!fd_is_shielded((int)c->args[0]) && !fd_is_shielded((int)c->args[1]))
        return sys_pass(c);
    return -EINVAL; /* as for anything that is not a pipe */
}

int64_t sys_vmsplice(struct syscall_call *c)
{
    struct iovec iov[GUEST_IOV_MAX];
    struct file *f = fd_get((int)c->args[0]);
    bool path_only = f && (atomic_load(&f->flags) & O_PATH);
    file_put(f);
    if (!f)
        return sys_pass(c);
    if (path_only)
        return -EBADF;
    ssize_t size = guest_iov(iov, c->args[1], c->args[2]);
    return size > 0 ? -EBADF : size; /* no pipe */
}
