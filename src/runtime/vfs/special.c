/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/special.h"

#include "base/secret.h"
#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define COPY_SIZE ((size_t)16 << 10) /* on the stack, on its way to the guest */

struct special {
    struct file file;
    enum special_kind kind;
};

static const struct file_ops special_ops;

static const struct {
    const char *path;
    uint32_t minor; /* of major 1, as Linux numbers them */
} specials[SPECIAL_COUNT] = {
    [SPECIAL_NULL] = {"/dev/null", 3},
    [SPECIAL_ZERO] = {"/dev/zero", 5},
    [SPECIAL_RANDOM] = {"/dev/random", 8},
    [SPECIAL_URANDOM] = {"/dev/urandom", 9},
};

const char *special_path(enum special_kind kind)
{
    return specials[kind].path;
}

int special_kind_of(const struct file *f)
{
    return f && f->ops == &special_ops ? (int)((const struct special *)(const void *)f)->kind : -1;
}

int special_open(enum special_kind kind, int flags, struct file **ret_file)
{
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    struct special *special = calloc(1, sizeof *special);
    if (!special)
        return -ENOMEM;
    file_init(&special->file, &special_ops,
              flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC));
    special->kind = kind;
    *ret_file = &special->file;
    return 0;
}

void special_statx(enum special_kind kind, struct statx *ret_stat)
{
    *ret_stat = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = 4096,
        .stx_nlink = 1,
        .stx_mode = S_IFCHR | 0666,
        .stx_ino = (uint64_t)kind + 1,
        .stx_rdev_major = 1,
        .stx_rdev_minor = specials[kind].minor,
        .stx_dev_minor = 5,
    };
}

static int64_t special_read(struct file *f, const struct iovec *iov, int count, int64_t offset,
                            int flags)
{
    enum special_kind kind = (enum special_kind)special_kind_of(f);
    size_t total = guest_iov_size(iov, count), done = 0;
    uint8_t bytes[COPY_SIZE] = {0};
    int64_t r = 0;
    (void)offset, (void)flags;
    while (kind != SPECIAL_NULL && done < total) {
        size_t size = MIN(total - done, sizeof bytes);
        r = kind == SPECIAL_ZERO ? 0 : platform()->random(bytes, size);
        if (r == 0)
            r = guest_scatter(iov, count, done, bytes, size);
        if (r <= 0)
            break;
        done += (size_t)r;
        if ((size_t)r < size)
            break;
    }
    secret_wipe(bytes, kind == SPECIAL_ZERO ? 0 : sizeof bytes);
    return done > 0 ? (int64_t)done : r;
}

static int64_t special_write(struct file *f, const struct iovec *iov, int count, int64_t offset,
                             int flags)
{
    int64_t done = 0;
    (void)f, (void)offset, (void)flags;
    for (int i = 0; i < count; i++)
        done += (int64_t)iov[i].iov_len;
    return done;
}

static int64_t special_seek(struct file *f, int64_t offset, int whence)
{
    (void)f, (void)offset, (void)whence;
    return 0;
}

static int64_t special_stat(struct file *f, struct statx *ret_stat)
{
    special_statx((enum special_kind)special_kind_of(f), ret_stat);
    return 0;
}

static int64_t special_mmap(struct file *f, void *addr, size_t size, int prot, int flags,
                            uint64_t offset)
{
    (void)offset;
    if (special_kind_of(f) != SPECIAL_ZERO)
        return -ENODEV;
    return host_mmap((unsigned long)addr, size, prot, flags | MAP_ANONYMOUS, -1, 0);
}

static int special_poll(struct file *f, int events, int *ret_host_events)
{
    (void)f;
    *ret_host_events = 0;
    return events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
}

static void special_release(struct file *f)
{
    free(f);
}

static const struct file_ops special_ops = {
    .name = "/dev",
    .read = special_read,
    .write = special_write,
    .seek = special_seek,
    .stat = special_stat,
    .mmap = special_mmap,
    .poll = special_poll,
    .release = special_release,
};
