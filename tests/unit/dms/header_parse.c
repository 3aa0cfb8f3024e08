/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/header_parse.h"
#include "tap.h"

#include <errno.h>

static bool cookie_is(const char *header, const char *wanted)
{
    struct slice value = cookie_find(slice_of_text(header), "id");
    return wanted ? value.bytes && slice_is_text(value, wanted) : !value.bytes;
}

TEST(a_cookie_is_found_by_its_whole_name)
{
    CHECK(cookie_is("id=1", "1"));
    CHECK(cookie_is("a=b; id=1; c=d", "1"));
    CHECK(cookie_is("a=b;id=1", "1"));
    CHECK(cookie_is("id=1; id=2", "1")); /* the first, as browsers order them */
    CHECK(cookie_is("id=; id=2", "2"));  /* an empty one is none */
    CHECK(cookie_is("id=a=b", "a=b"));
    CHECK(cookie_is("", NULL));
    CHECK(cookie_is("id", NULL));
    CHECK(cookie_is("xid=1", NULL));
    CHECK(cookie_is("idx=1", NULL));
    CHECK(cookie_is("ID=1", NULL));
    CHECK(cookie_is("a=id=1", NULL));
    CHECK(cookie_is(";;; ;", NULL));
}

TEST(metadata_is_pairs_of_keys_and_base64)
{
    struct arena arena = {0};
    struct tus_metadata it;
    CHECK_EQ(tus_metadata_parse(&arena,
                                slice_of_text("filename d29ybGQudHh0, filetype dGV4dC9wbGFpbg==,"
                                              "parent MTI=,unknown eA==,conflict"),
                                &it),
             0);
    CHECK(strcmp(it.name, "world.txt") == 0 && strcmp(it.type, "text/plain") == 0);
    CHECK(strcmp(it.parent, "12") == 0 && strcmp(it.conflict, "") == 0 && !it.document);
    CHECK_EQ(tus_metadata_parse(&arena, slice_of_text(""), &it), 0);
    CHECK(!it.name && !it.type && !it.parent && !it.document && !it.conflict);
    arena_done(&arena);
}

TEST(values_that_are_no_text_are_refused)
{
    static const char *const wrong[] = {
        "filename !",    "filename YQ",
        "other !",       "filename AGE=", /* a NUL: what is behind it would be cut off */
        "filename /w==",                  /* no UTF-8 */
    };
    struct arena arena = {0};
    struct tus_metadata it;
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
        CHECK_EQ(tus_metadata_parse(&arena, slice_of_text(wrong[i]), &it), -EBADMSG);
    arena_done(&arena);
}

TAP_MAIN()
