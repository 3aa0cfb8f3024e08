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

TEST(bytes_go_between_our_memory_and_the_buffers_in_their_order)
{
    char a[3] = "abc", b[4] = "defg", text[9] = "";
    struct iovec iov[3] = {{a, 3}, {NULL, 0}, {b, 4}};
    CHECK_EQ(guest_iov_size(iov, 3), 7);
    CHECK_EQ(guest_gather(text, 8, iov, 3, 0), 7);
    CHECK_TEXT(text, "abcdefg");
    CHECK_EQ(guest_gather(text, 3, iov, 3, 2), 3);
    CHECK_EQ(memcmp(text, "cde", 3), 0);
    CHECK_EQ(guest_gather(text, 8, iov, 3, 7), 0);
    CHECK_EQ(guest_scatter(iov, 3, 2, "XYZ", 3), 3);
    CHECK_EQ(memcmp(a, "abX", 3), 0);
    CHECK_EQ(memcmp(b, "YZfg", 4), 0);
    CHECK_EQ(guest_scatter(iov, 3, 6, "12", 2), 1);
}

TEST(what_lies_before_an_address_of_the_kernel_is_copied)
{
    char a[3] = "abc", text[9] = "";
    struct iovec iov[2] = {{a, 3}, {(void *)0xffff800000000000ul, 4}};
    CHECK_EQ(guest_gather(text, 8, iov, 2, 0), 3);
    CHECK_EQ(guest_gather(text, 8, iov, 2, 3), -EFAULT);
    CHECK_EQ(guest_scatter(iov, 2, 3, "x", 1), -EFAULT);
}

TAP_MAIN()
