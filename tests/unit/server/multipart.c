/* SPDX-License-Identifier: Apache-2.0 */
#include "server/multipart.h"
#include "tap.h"

#include <errno.h>

static struct buf trace;

static int on_part(void *arg, struct slice head)
{
    (void)arg;
    struct slice type = multipart_header(head, "content-type");
    return buf_printf(&trace, "[%.*s:", (int)type.size, type.bytes ? (const char *)type.bytes : "");
}

static int on_data(void *arg, struct slice bytes)
{
    (void)arg;
    return bytes.size == 0 ? -EINVAL : buf_append_slice(&trace, bytes);
}

static int on_part_end(void *arg)
{
    (void)arg;
    return buf_append_text(&trace, "]");
}

static const struct multipart_events events = {on_part, on_data, on_part_end, NULL};

static int parse(const char *type, const char *body, size_t split)
{
    struct multipart multipart;
    size_t size = strlen(body);
    buf_done(&trace);
    int r = multipart_init(&multipart, slice_of_text(type), &events);
    if (r < 0)
        return r;
    r = multipart_feed(&multipart, slice_of(body, split));
    if (r == 0)
        r = multipart_feed(&multipart, slice_of(body + split, size - split));
    if (r == 0)
        r = multipart_finish(&multipart);
    multipart_done(&multipart);
    return r;
}

TEST(parts_are_found_wherever_the_body_is_split)
{
    static const char body[] = "preamble\r\n--xy\r\nContent-Type: a/b\r\nX: y\r\n\r\n"
                               "one\r\n--x\r\r\n--xz\r\n\r\n--xy \t\r\n\r\n\r\n--xy\r\n"
                               "content-type:c/d \r\n\r\n\r\r\r\n-\r\n--xy--\r\nepilogue --xy";
    static const char wanted[] = "[a/b:one\r\n--x\r\r\n--xz\r\n][:][c/d:\r\r\r\n-]";
    for (size_t split = 0; split < sizeof body; split++) {
        CHECK_EQ(parse("multipart/related; boundary=\"xy\"; type=t", body, split), 0);
        CHECK_TEXT(buf_text(&trace), wanted);
    }
    CHECK_EQ(parse("Multipart/Form-Data;boundary=xy", "--xy\r\n\r\nx\r\n--xy--", 0), 0);
    CHECK_TEXT(buf_text(&trace), "[:x]");
    buf_done(&trace);
}

TEST(malformed_bodies_and_boundaries_are_refused)
{
    static const char *const bad[] = {
        "",
        "--xy",
        "--xy\r\n",
        "--xy\r\n\r\nabc",
        "--xy\n\nabc\r\n--xy--",
        "--xy-\r\n",
        "--xyz\r\n\r\n",
        "--xy\r\nA: b\n\r\n\r\n--xy--",
        "--xy\r\n\r\nabc\r\n--xy-",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(parse("multipart/mixed; boundary=xy", bad[i], 0), -EBADMSG);
    CHECK_EQ(parse("multipart/mixed", "", 0), -EINVAL);
    CHECK_EQ(parse("text/plain; boundary=xy", "", 0), -EINVAL);
    CHECK_EQ(parse("multipart/mixed; boundary=\"\"", "", 0), -EINVAL);
    CHECK_EQ(parse("multipart/mixed; boundary=\"a\rb\"", "", 0), -EINVAL);
    CHECK_EQ(parse("multipart/mixed; boundary="
                   "00000000011111111112222222222333333333344444444445555555555666666666677",
                   "", 0),
             -EINVAL);
    struct buf many = {0};
    for (int i = 0; i < MULTIPART_PARTS_MAX + 1; i++)
        (void)buf_append_text(&many, "--xy\r\n\r\n\r\n");
    (void)buf_append_text(&many, "--xy--");
    CHECK_EQ(parse("multipart/mixed; boundary=xy", buf_text(&many), 0), -EBADMSG);
    buf_clear(&many);
    (void)buf_append_text(&many, "--xy\r\nA: ");
    for (int i = 0; i < MULTIPART_HEAD_SIZE_MAX; i++)
        (void)buf_append_byte(&many, 'a');
    (void)buf_append_text(&many, "\r\n\r\n\r\n--xy--");
    CHECK_EQ(parse("multipart/mixed; boundary=xy", buf_text(&many), 0), -EBADMSG);
    buf_done(&many);
    buf_done(&trace);
}

TEST(parameters_are_unquoted_and_the_extended_form_wins)
{
    struct arena arena = {0};
    char *text;
    struct slice value = slice_of_text("form-data; name=\"a;b\"; filename=\"q\\\"\\\\x\\y\" ; "
                                       "filename*=UTF-8''%e2%82%ac%20rates; size=12 ");
    CHECK_EQ(multipart_parameter(&arena, value, "name", &text), 0);
    CHECK_TEXT(text, "a;b");
    CHECK_EQ(multipart_parameter(&arena, value, "filename", &text), 0);
    CHECK_TEXT(text, "\xe2\x82\xac rates");
    CHECK_EQ(multipart_parameter(&arena, value, "SIZE", &text), 0);
    CHECK_TEXT(text, "12");
    CHECK_EQ(multipart_parameter(&arena, value, "b", &text), -ENOENT);
    CHECK_EQ(multipart_parameter(&arena, slice_of_text("a; b=\"c"), "b", &text), -EINVAL);
    CHECK_EQ(multipart_parameter(&arena, slice_of_text("a; b=\xff"), "b", &text), -EINVAL);
    arena_done(&arena);
}

TAP_MAIN()
