/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http.h"
#include "tap.h"

#include <errno.h>

static int range(const char *value, uint64_t size, uint64_t *offset, uint64_t *count)
{
    return http_range_parse(value ? slice_of_text(value) : (struct slice){0}, size, offset, count);
}

TEST(one_range_is_served_several_are_ignored_and_one_outside_is_an_error)
{
    uint64_t offset, count;
    CHECK_EQ(range("bytes=0-0", 10, &offset, &count), 0);
    CHECK(offset == 0 && count == 1);
    CHECK_EQ(range("bytes=3-", 10, &offset, &count), 0);
    CHECK(offset == 3 && count == 7);
    CHECK_EQ(range("bytes=3-99", 10, &offset, &count), 0);
    CHECK(offset == 3 && count == 7);
    CHECK_EQ(range("bytes=-4", 10, &offset, &count), 0);
    CHECK(offset == 6 && count == 4);
    CHECK_EQ(range("bytes=-40", 10, &offset, &count), 0);
    CHECK(offset == 0 && count == 10);
    CHECK_EQ(range("bytes=10-", 10, &offset, &count), -ERANGE);
    CHECK_EQ(range("bytes=-0", 10, &offset, &count), -ERANGE);
    CHECK_EQ(range("bytes=-1", 0, &offset, &count), -ERANGE);
    CHECK_EQ(range("bytes=0-", 0, &offset, &count), -ERANGE);
    static const char *const ignored[] = {
        NULL,        "",           "bytes=",
        "bytes=-",   "bytes=5-4",  "bytes=0-1,3-4",
        "lines=1-2", "bytes=a-b",  "bytes=1-2-3",
        "bytes 1-2", "bytes=+1-2", "bytes=1",
        "byte",      "bytes=1- 2", "bytes=99999999999999999999-",
    };
    for (size_t i = 0; i < ARRAY_COUNT(ignored); i++)
        CHECK_EQ(range(ignored[i], 10, &offset, &count), -ENOENT);
}

TEST(dates_go_both_ways)
{
    static const struct {
        int64_t s;
        const char *text;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1709164800, "Thu, 29 Feb 2024 00:00:00 GMT"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[HTTP_DATE_SIZE];
        int64_t s;
        http_date_format(cases[i].s, text);
        CHECK_TEXT(text, cases[i].text);
        CHECK_EQ(http_date_parse(slice_of_text(text), &s), 0);
        CHECK_EQ(s, cases[i].s);
    }
    int64_t s;
    CHECK_EQ(http_date_parse(slice_of_text("Fri, 30 Feb 2024 00:00:00 GMT"), &s), -EINVAL);
    CHECK_EQ(http_date_parse(slice_of_text("Mon, 06 Nov 1994 08:49:37 GMT"), &s), -EINVAL);
    CHECK_EQ(http_date_parse(slice_of_text("Sun, 06 Nov 1994 08:49:37 UTC"), &s), -EINVAL);
    CHECK_EQ(http_date_parse(slice_of_text("Sunday, 06-Nov-94 08:49:37 GMT"), &s), -EINVAL);
    CHECK_EQ(http_date_parse(slice_of_text(""), &s), -EINVAL);
}

TEST(escapes_decode_or_are_refused)
{
    struct arena arena = {0};
    char *text;
    CHECK_EQ(http_decode(&arena, slice_of_text("a%20b+c%C3%a4"), false, &text), 0);
    CHECK_TEXT(text, "a b+c\xc3\xa4");
    CHECK_EQ(http_decode(&arena, slice_of_text("a+b"), true, &text), 0);
    CHECK_TEXT(text, "a b");
    static const char *const bad[] = {"%",   "%1",     "%zz",       "a%0", "%00",
                                      "%ff", "%c0%80", "%ed%a0%80", "%c3", "%f4%90%80%80"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(http_decode(&arena, slice_of_text(bad[i]), false, &text), -EINVAL);
    struct http_request req = {.query = slice_of_text("x&a=1&b=%41+%42&a=2&c=")};
    CHECK_EQ(http_request_query(&req, "b", &text), 0);
    CHECK_TEXT(text, "A B");
    CHECK_EQ(http_request_query(&req, "a", &text), 0);
    CHECK_TEXT(text, "1");
    CHECK_EQ(http_request_query(&req, "c", &text), 0);
    CHECK_TEXT(text, "");
    CHECK_EQ(http_request_query(&req, "d", &text), -ENOENT);
    arena_done(&arena);
    arena_done(&req.arena);
}

TEST(entity_tags_compare_as_the_header_asks)
{
    CHECK(http_etag_matches(slice_of_text("*"), "\"a\"", false));
    CHECK(http_etag_matches(slice_of_text("\"b\", \"a\""), "\"a\"", false));
    CHECK(!http_etag_matches(slice_of_text("W/\"a\""), "\"a\"", false));
    CHECK(http_etag_matches(slice_of_text("W/\"a\""), "\"a\"", true));
    CHECK(!http_etag_matches(slice_of_text("\"ab\""), "\"a\"", true));
    CHECK(!http_etag_matches(slice_of_text(""), "\"a\"", true));
}

TAP_MAIN()
