/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "tap.h"

#include <errno.h>

TEST(error_grows_from_the_inside_out)
{
    struct error e = {0};
    CHECK_EQ(error_set(&e, -EINVAL, "line %d: no such key", 3), -EINVAL);
    CHECK_EQ(error_prefix(&e, -EINVAL, "in '%s'", "policy.yaml"), -EINVAL);
    CHECK_TEXT(error_text(&e, e.code), "in 'policy.yaml': line 3: no such key");
}

TEST(error_without_text_names_the_errno)
{
    struct error e = {0};
    CHECK_TEXT(error_text(&e, -ENOENT), "No such file or directory");
    CHECK_TEXT(error_text(NULL, -ENOENT), "No such file or directory");
    CHECK_EQ(error_set(NULL, -EIO, "nobody reads this"), -EIO);
}

TEST(error_cuts_text_that_is_too_long)
{
    struct error e = {0};
    for (int i = 0; i < 100; i++)
        CHECK_EQ(error_prefix(&e, -EIO, "a long description of a place"), -EIO);
    CHECK(strlen(e.text) < sizeof e.text);
}

TAP_MAIN()
