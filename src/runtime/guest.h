/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/guest.h: the only way to touch memory at an address that a guest gave.
 *
 * A fault becomes -EFAULT. What was read is a copy: judge the copy, never the original, which
 * another guest thread may change meanwhile. */
#ifndef COFFER_RUNTIME_GUEST_H
#define COFFER_RUNTIME_GUEST_H

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define GUEST_IOV_MAX 1024

/* Could it be the guest's at all? What the kernel asks before anything else of a call. */
bool guest_may_be(unsigned long address, size_t size);

must_check int guest_read(void *target, unsigned long from, size_t size);
must_check int guest_write(unsigned long to, const void *source, size_t size);

/* A NUL-terminated string of less than `size` bytes. Its length, or -EFAULT, or -ENAMETOOLONG. */
must_check ssize_t guest_text(char *target, unsigned long from, size_t size);

/* The iovec array itself, copied and checked: count 0..1024 (-EINVAL), sum of lengths fits ssize_t
 * (-EINVAL), every address below the guest's limit (-EFAULT). The sum of the lengths. */
must_check ssize_t guest_iov(struct iovec *target, unsigned long from, unsigned long count);

/* Between memory of ours and of the guest, which is whichever may fault: up to the end of the first page
 * that does. How many bytes. A volume_copy_fn. */
size_t guest_copy_some(void *to, const void *from, size_t size);

/* Between the guest's buffers, from their byte `skip` on, and memory of ours. How many bytes were
 * copied: `room` or `size`, or fewer at the end of the buffers or where the guest's memory ends;
 * -EFAULT if not one byte could be. */
must_check ssize_t guest_gather(void *to, size_t room, const struct iovec *iov, int count,
                                size_t skip);
must_check ssize_t guest_scatter(const struct iovec *iov, int count, size_t skip, const void *from,
                                 size_t size);
size_t guest_iov_size(const struct iovec *iov, int count);

/* One value of any type: guest_get(&value, address). */
#define guest_get(ret_, from_) guest_read((ret_), (from_), sizeof(*(ret_)))
#define guest_put(to_, value_) guest_write((to_), (value_), sizeof(*(value_)))

/* struct stat from struct statx, as stat(2) and its kin give it. 0 or -EFAULT. */
must_check int guest_put_stat(unsigned long to, const struct statx *stat);

#endif
