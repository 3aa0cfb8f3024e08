/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that move bytes between two descriptors inside the kernel. Where one of them is shielded
 * the bytes pass through a buffer here instead. */
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/syscall/call.h"

#include <errno.h>
#include <sys/syscall.h>

#define CHUNK_SIZE ((size_t)32 << 10)
#define COPY_SIZE_MAX 0x7ffff000ull

/* One end of a copy. `offset` -1: at the descriptor's own position. */
struct end {
    int fd;
    struct file *file; /* NULL: a plain host descriptor */
    int64_t offset;
};

static int64_t end_read(const struct end *e, void *bytes, size_t size)
{
    struct iovec iov = {bytes, size};
    if (e->file)
        return e->file->ops->read ? e->file->ops->read(e->file, &iov, 1, e->offset, 0) : -EINVAL;
    return e->offset < 0 ? rt_block(SYS_read, e->fd, bytes, size)
                         : rt_block(SYS_pread64, e->fd, bytes, size, e->offset);
}

static int64_t end_write(const struct end *e, void *bytes, size_t size)
{
    struct iovec iov = {bytes, size};
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
static int64_t write_all(struct end *to, char *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        int64_t n = end_write(to, bytes + done, size - done);
        if (n <= 0)
            return done > 0 ? (int64_t)done : n;
        advance(to, n);
        done += (size_t)n;
    }
    return (int64_t)done;
}

static int64_t copy(struct end *from, struct end *to, size_t size)
{
    char buffer[CHUNK_SIZE];
    size_t done = 0;
    size = MIN(size, (size_t)COPY_SIZE_MAX);
    while (done < size) {
        int64_t n = end_read(from, buffer, MIN(size - done, sizeof(buffer)));
        if (n <= 0)
            return done > 0 ? (int64_t)done : n;
        int64_t written = write_all(to, buffer, (size_t)n);
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

static int64_t copy_between(int in, unsigned long in_offset, int out, unsigned long out_offset,
                            size_t size)
{
    struct end from = {.fd = in}, to = {.fd = out};
    int r = offset_get(in_offset, &from.offset);
    if (r == 0)
        r = offset_get(out_offset, &to.offset);
    if (r < 0)
        return r;
    from.file = fd_get(in);
    to.file = fd_get(out);
    int64_t n = copy(&from, &to, size);
    file_put(from.file);
    file_put(to.file);
    if (n >= 0 && in_offset && guest_put(in_offset, &from.offset) < 0)
        return -EFAULT;
    if (n >= 0 && out_offset && guest_put(out_offset, &to.offset) < 0)
        return -EFAULT;
    return n;
}

int64_t sys_sendfile(struct syscall_call *c)
{
    int out = (int)c->args[0], in = (int)c->args[1];
    if (!fd_is_shielded(in) && !fd_is_shielded(out))
        return sys_pass(c);
    return copy_between(in, c->args[2], out, 0, c->args[3]);
}

int64_t sys_copy_file_range(struct syscall_call *c)
{
    int in = (int)c->args[0], out = (int)c->args[2];
    if (!fd_is_shielded(in) && !fd_is_shielded(out))
        return sys_pass(c);
    if (c->args[5] != 0)
        return -EINVAL;
    return copy_between(in, c->args[1], out, c->args[3], c->args[4]);
}

int64_t sys_splice(struct syscall_call *c)
{
    int in = (int)c->args[0], out = (int)c->args[2];
    if (!fd_is_shielded(in) && !fd_is_shielded(out))
        return sys_pass(c);
    return copy_between(in, c->args[1], out, c->args[3], MIN(c->args[4], CHUNK_SIZE));
}

int64_t sys_tee(struct syscall_call *c)
{
    if (!fd_is_shielded((int)c->args[0]) && !fd_is_shielded((int)c->args[1]))
        return sys_pass(c);
    return -EINVAL; /* as for anything that is not a pipe */
}

int64_t sys_vmsplice(struct syscall_call *c)
{
    return fd_is_shielded((int)c->args[0]) ? -EBADF : sys_pass(c);
}
