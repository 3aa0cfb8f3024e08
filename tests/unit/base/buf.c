/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "tap.h"

#include <errno.h>

TEST(buf_keeps_what_was_appended)
{
    struct buf buf = {0};
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(buf_printf(&buf, "%d,", i), 0);
    CHECK_EQ(buf.size, 10 * 2 + 90 * 3 + 900 * 4);
    CHECK(strncmp(buf_text(&buf), "0,1,2,3,", 8) == 0);
    buf_done(&buf);
}

TEST(buf_fails_over_its_cap_and_stays_failed)
{
    struct buf buf = {.size_max = 4};
    CHECK_EQ(buf_append_text(&buf, "abcd"), 0);
    CHECK_EQ(buf_append_byte(&buf, 'e'), -ENOMEM);
    CHECK(buf.failed);
    CHECK_EQ(buf.size, 4);
    buf_clear(&buf);
    CHECK_EQ(buf_append_text(&buf, "abcd"), 0);
    buf_consume(&buf, 3);
    CHECK(slice_is_text(buf_slice(&buf), "d"));
    CHECK_EQ(buf_append_byte(&buf, 'e'), 0);
    buf_done(&buf);
}

TEST(buf_refuses_sizes_that_overflow)
{
    struct buf buf = {0};
    CHECK_EQ(buf_append_byte(&buf, 'x'), 0);
    CHECK(!buf_reserve(&buf, SIZE_MAX));
    buf_done(&buf);
}

TAP_MAIN()
