/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest.h"
#include "runtime/guest_copy.h"

#include <errno.h>
#include <limits.h>

#define PAGE_SIZE 4096ul
#define ADDRESS_MAX 0x7ffffffff000ul /* user addresses of x86-64 end here */

static bool in_range(unsigned long address, size_t size)
{
    return size <= ADDRESS_MAX && address <= ADDRESS_MAX - size;
}

int guest_read(void *target, unsigned long from, size_t size)
{
    if (!in_range(from, size))
        return -EFAULT;
    return guest_copy(target, (const void *)from, size);
}

int guest_write(unsigned long to, const void *source, size_t size)
{
    if (!in_range(to, size))
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

static int probe(const struct iovec *iov, bool write)
{
    unsigned long from = (unsigned long)iov->iov_base, size = iov->iov_len;
    if (size == 0)
        return 0;
    if (!in_range(from, size))
        return -EFAULT;
    for (unsigned long at = from; at < from + size; at = round_down(at, PAGE_SIZE) + PAGE_SIZE) {
        int r = write ? guest_touch_write((void *)at) : guest_touch_read((const void *)at);
        if (r < 0)
            return r;
    }
    return 0;
}

int guest_probe_read(const struct iovec *iov, int count)
{
    for (int i = 0; i < count; i++) {
        int r = probe(&iov[i], false);
        if (r < 0)
            return r;
    }
    return 0;
}

int guest_probe_write(const struct iovec *iov, int count)
{
    for (int i = 0; i < count; i++) {
        int r = probe(&iov[i], true);
        if (r < 0)
            return r;
    }
    return 0;
}
