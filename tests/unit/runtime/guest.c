/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest.h"
#include "tap.h"

#include <errno.h>
#include <limits.h>

TEST(text_needs_its_nul_within_the_size)
{
    char target[4];
    CHECK_EQ(guest_text(target, (unsigned long)"abc", 4), 3);
    CHECK_TEXT(target, "abc");
    CHECK_EQ(guest_text(target, (unsigned long)"abcd", 4), -ENAMETOOLONG);
    CHECK_EQ(guest_text(target, (unsigned long)"", 4), 0);
}

TEST(addresses_of_the_kernel_are_refused_without_a_touch)
{
    char byte;
    CHECK_EQ(guest_read(&byte, 0xffff800000000000ul, 1), -EFAULT);
    CHECK_EQ(guest_write(0x7fffffffffffff00ul, &byte, 1), -EFAULT);
    CHECK_EQ(guest_read(&byte, (unsigned long)&byte, SIZE_MAX), -EFAULT);
}

TEST(iovec_arrays_are_bounded)
{
    struct iovec copy[GUEST_IOV_MAX], two[2] = {{&copy, 8}, {&copy, 8}};
    CHECK_EQ(guest_iov(copy, (unsigned long)two, 2), 16);
    CHECK_EQ(guest_iov(copy, (unsigned long)two, GUEST_IOV_MAX + 1), -EINVAL);
    CHECK_EQ(guest_iov(copy, 0, 0), 0);
    two[1].iov_len = SSIZE_MAX;
    CHECK_EQ(guest_iov(copy, (unsigned long)two, 2), -EINVAL);
    two[1].iov_len = SSIZE_MAX - 8;
    CHECK_EQ(guest_iov(copy, (unsigned long)two, 2), -EFAULT);
}

TEST(probing_touches_without_changing)
{
    char buffer[3 * 4096];
    for (size_t i = 0; i < sizeof buffer; i++)
        buffer[i] = (char)i;
    struct iovec iov[2] = {{buffer, sizeof buffer}, {NULL, 0}};
    CHECK_EQ(guest_probe_write(iov, 2), 0);
    CHECK_EQ(guest_probe_read(iov, 2), 0);
    for (size_t i = 0; i < sizeof buffer; i++)
        REQUIRE(buffer[i] == (char)i);
}

TAP_MAIN()
