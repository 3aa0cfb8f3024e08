/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest.h"
#include "runtime/guest_copy.h"

#include <errno.h>
#include <limits.h>
#include <sys/sysmacros.h>

#define PAGE_SIZE 4096ul
#define ADDRESS_MAX 0x7ffffffff000ul /* user addresses of x86-64 end here */

static bool in_range(unsigned long address, size_t size)
{
    return size <= ADDRESS_MAX && address <= ADDRESS_MAX - size;
}

bool guest_may_be(unsigned long address, size_t size)
{
    return in_range(address, size);
}

int guest_read(void *target, unsigned long from, size_t size)
{
    if (size > 0 && !in_range(from, size))
        return -EFAULT;
    return guest_copy(target, (const void *)from, size);
}

int guest_write(unsigned long to, const void *source, size_t size)
{
    if (size > 0 && !in_range(to, size))
        return -EFAULT;
    return guest_copy((void *)to, source, size);
}

ssize_t guest_text(char *target, unsigned long from, size_t size)
{
    if (!in_range(from, 1))
        return -EFAULT;
    ssize_t n = guest_copy_text(target, (const char *)from, size);
    if (n < 0)
        return n;
    if (n == 0 || target[n - 1] != '\0')
        return -ENAMETOOLONG;
    return n - 1;
}

ssize_t guest_iov(struct iovec *target, unsigned long from, unsigned long count)
{
    if (count > GUEST_IOV_MAX)
        return -EINVAL;
    if (count == 0)
        return 0; /* whatever the address */
    int r = guest_read(target, from, count * sizeof(struct iovec));
    if (r < 0)
        return r;
    size_t sum = 0;
    for (unsigned long i = 0; i < count; i++) {
        if (__builtin_add_overflow(sum, target[i].iov_len, &sum) || sum > SSIZE_MAX)
            return -EINVAL;
        if (target[i].iov_len > 0 &&
            !in_range((unsigned long)target[i].iov_base, target[i].iov_len))
            return -EFAULT;
    }
    return (ssize_t)sum;
}

/* Either side may be the guest's: steps end where a page of either does. */
size_t guest_copy_some(void *to, const void *from, size_t size)
{
    size_t done = 0;
    if (guest_copy(to, from, size) == 0)
        return size;
    while (done < size) {
        size_t left_to = PAGE_SIZE - ((unsigned long)to + done) % PAGE_SIZE;
        size_t left_from = PAGE_SIZE - ((unsigned long)from + done) % PAGE_SIZE;
        size_t left = MIN(left_to, left_from), n = MIN(size - done, left);
        if (guest_copy((uint8_t *)to + done, (const uint8_t *)from + done, n) < 0)
            break;
        done += n;
    }
    return done;
}

/* What both ways of copying share: `in` is from the guest's buffers to `bytes`. */
static ssize_t copy_vector(const struct iovec *iov, int count, size_t skip, uint8_t *bytes,
                           size_t size, bool in)
{
    size_t done = 0;
    for (; count > 0 && done < size; iov++, count--) {
        if (skip >= iov->iov_len) {
            skip -= iov->iov_len;
            continue;
        }
        unsigned long guest = (unsigned long)iov->iov_base + skip;
        uint8_t *there = (uint8_t *)iov->iov_base + skip;
        size_t n = MIN(iov->iov_len - skip, size - done), copied = 0;
        skip = 0;
        if (in_range(guest, n))
            copied = guest_copy_some(in ? bytes + done : there, in ? there : bytes + done, n);
        done += copied;
        if (copied < n)
            return done > 0 ? (ssize_t)done : -EFAULT;
    }
    return (ssize_t)done;
}

ssize_t guest_gather(void *to, size_t room, const struct iovec *iov, int count, size_t skip)
{
    return copy_vector(iov, count, skip, to, room, true);
}

ssize_t guest_scatter(const struct iovec *iov, int count, size_t skip, const void *from,
                      size_t size)
{
    /* Only read: the cast serves both directions. */
    return copy_vector(iov, count, skip, (uint8_t *)(uintptr_t)from, size, false);
}

size_t guest_iov_size(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

int guest_put_stat(unsigned long to, const struct statx *stat)
{
    struct stat st = {
        .st_dev = makedev(stat->stx_dev_major, stat->stx_dev_minor),
        .st_ino = stat->stx_ino,
        .st_nlink = stat->stx_nlink,
        .st_mode = stat->stx_mode,
        .st_uid = stat->stx_uid,
        .st_gid = stat->stx_gid,
        .st_rdev = makedev(stat->stx_rdev_major, stat->stx_rdev_minor),
        .st_size = (off_t)stat->stx_size,
        .st_blksize = stat->stx_blksize,
        .st_blocks = (blkcnt_t)stat->stx_blocks,
        .st_atim = {stat->stx_atime.tv_sec, stat->stx_atime.tv_nsec},
        .st_mtim = {stat->stx_mtime.tv_sec, stat->stx_mtime.tv_nsec},
        .st_ctim = {stat->stx_ctime.tv_sec, stat->stx_ctime.tv_nsec},
    };
    return guest_put(to, &st);
}
