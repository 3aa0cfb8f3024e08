/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/http_answer.h"

#include "attest/channel.h"
#include "tap.h"

#include <errno.h>

static int parse(const char *text, struct http_answer *ret)
{
    return http_answer_parse(slice_of_text(text), ret);
}

TEST(an_answer_has_a_status_and_a_body)
{
    struct http_answer a;
    CHECK_EQ(parse("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX: y\r\n\r\nhi and more", &a), 0);
    CHECK_EQ(a.status, 200);
    CHECK(slice_is_text(a.body, "hi"));
    CHECK_EQ(parse("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", &a), 0);
    CHECK_EQ(a.status, 404);
    CHECK_EQ(parse("HTTP/1.1 204 No Content\r\n\r\n", &a), 0);
    CHECK_EQ(a.body.size, 0);
}

TEST(a_part_of_an_answer_asks_for_more)
{
    static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    struct http_answer a;
    for (size_t size = 0; size < sizeof whole - 1; size++)
        CHECK_EQ(http_answer_parse(slice_of(whole, size), &a), -EAGAIN);
    CHECK_EQ(http_answer_parse(slice_of(whole, sizeof whole - 1), &a), 0);
}

TEST(other_forms_are_refused)
{
    static const char *const bad[] = {
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
        "nonsense\r\n\r\n"};
    struct http_answer a;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(parse(bad[i], &a), -EBADMSG);
}

TEST(a_head_without_end_is_refused_at_its_cap)
{
    static char head[CHANNEL_HEAD_SIZE_MAX];
    struct http_answer a;
    memset(head, 'x', sizeof head);
    CHECK_EQ(http_answer_parse(slice_of(head, sizeof head - 1), &a), -EAGAIN);
    CHECK_EQ(http_answer_parse(slice_of(head, sizeof head), &a), -EBADMSG);
}

TAP_MAIN()
