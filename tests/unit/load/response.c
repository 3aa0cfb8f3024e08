/* SPDX-License-Identifier: Apache-2.0 */
#include "load/response.h"

#include "load/content.h"
#include "tap.h"

#include <errno.h>

static struct response response;

/* Feeds a text in pieces of `step` bytes. */
static int feed(const char *text, size_t step)
{
    size_t size = strlen(text);
    int r = 0;
    for (size_t at = 0; r == 0 && at < size; at += step)
        r = response_feed(&response, text + at, MIN(step, size - at));
    return r;
}

TEST(a_response_is_read_in_whatever_pieces_it_comes)
{
    static const char text[] = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
    for (size_t step = 1; step <= sizeof text; step++) {
        response_begin(&response, false, 0);
        CHECK_EQ(feed(text, step), 0);
        CHECK(response.complete && response.keep_alive);
        CHECK_EQ(response.status, 201);
        CHECK(slice_is_text(buf_slice(&response.body), "hello"));
    }
    response_done(&response);
}

TEST(chunks_are_joined_and_an_interim_answer_is_skipped)
{
    response_begin(&response, false, 0);
    CHECK_EQ(feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                  "Connection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                  7),
             0);
    CHECK(response.complete && !response.keep_alive);
    CHECK(slice_is_text(buf_slice(&response.body), "abcde"));
    response_done(&response);
}

TEST(a_body_may_end_with_the_connection)
{
    response_begin(&response, false, 0);
    CHECK_EQ(feed("HTTP/1.1 200 OK\r\n\r\nabc", 100), 0);
    CHECK(!response.complete);
    CHECK(response_ends_at_close(&response) && !response.keep_alive);
    response_begin(&response, false, 0);
    CHECK_EQ(feed("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 100), 0);
    CHECK(!response_ends_at_close(&response));
    response_begin(&response, false, 0);
    CHECK(!response_ends_at_close(&response));
    response_done(&response);
}

TEST(what_is_not_one_response_is_refused)
{
    response_begin(&response, false, 0);
    CHECK_EQ(feed("SSH-2.0-server\r\n", 100), -EBADMSG);
    response_begin(&response, false, 0);
    CHECK_EQ(feed("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n", 100), -EBADMSG);
    response_begin(&response, false, 0);
    CHECK_EQ(feed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", 100), 0);
    CHECK_EQ(feed("b", 1), -EBADMSG);
    response_done(&response);
}

TEST(a_compared_body_is_not_kept_and_a_difference_is_seen)
{
    uint8_t content[64];
    for (int wrong = 0; wrong < 2; wrong++) {
        response_begin(&response, true, 42);
        CHECK_EQ(feed("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n", 100), 0);
        content_fill(42, 0, content, sizeof content);
        content[63] ^= (uint8_t)wrong;
        CHECK_EQ(response_feed(&response, content, 40), 0);
        CHECK_EQ(response_feed(&response, content + 40, 24), 0);
        CHECK(response.complete);
        CHECK_EQ(response.differs, wrong);
        CHECK_EQ(response.body_size, 64);
        CHECK_EQ(response.body.size, 0);
    }
    response_done(&response);
}

TAP_MAIN()
