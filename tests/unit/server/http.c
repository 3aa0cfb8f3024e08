/* SPDX-License-Identifier: Apache-2.0 */
#include "http_fixture.h"

static int done_status, done_count;
static struct http_request *kept;

static void on_done(struct http_request *req, int status, void *arg)
{
    (void)req, (void)arg;
    done_status = status;
    done_count++;
    kept = NULL;
}

static void echo_body(struct http_request *req, struct slice body, void *arg)
{
    (void)arg;
    http_respond(req, 200, "application/octet-stream", body);
}

static void stream_data(struct http_request *req, struct slice bytes, void *arg)
{
    (void)arg;
    *(uint64_t *)req->user += bytes.size;
}

static void stream_end(struct http_request *req, int status, void *arg)
{
    (void)arg;
    done_status = status;
    if (status < 0)
        return;
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)*(uint64_t *)req->user);
    http_respond_text(req, 200, "text/plain", text);
}

static ssize_t letters_read(void *arg, void *to, size_t size)
{
    int *left = arg;
    if (*left == 0)
        return 0;
    size_t most = (size_t)MIN(*left, 7), n = MIN(size, most);
    memset(to, 'x', n);
    *left -= (int)n;
    return (ssize_t)n;
}

static void letters_close(void *arg)
{
    *(int *)arg = -1;
}

static int letters;

static void handler(struct http_request *req, void *arg)
{
    (void)arg;
    http_request_on_done(req, on_done, NULL);
    if (slice_is_text(req->path, "/echo")) {
        http_request_collect(req, 1000, echo_body, NULL);
    } else if (slice_is_text(req->path, "/count")) {
        req->user = arena_alloc(&req->arena, sizeof(uint64_t));
        http_request_body(req, 8 << 20, stream_data, stream_end, NULL);
    } else if (slice_is_text(req->path, "/later")) {
        kept = req;
    } else if (slice_is_text(req->path, "/letters")) {
        letters = 20;
        http_respond_source(req, 200, "text/plain", HTTP_SIZE_UNKNOWN,
                            (struct http_source){letters_read, letters_close, &letters});
    } else if (slice_is_text(req->path, "/empty")) {
        http_respond_empty(req, 204);
    } else if (slice_is_text(req->path, "/badheader")) {
        http_response_header(req, "X", "a\r\nSet-Cookie: b");
        http_respond_text(req, 200, "text/plain", "never");
    } else {
        http_respond(req, 200, "text/plain", req->path);
    }
}

static void start(void)
{
    fx_start(&(struct http_settings){.head_size_max = 2048, .headers_max = 8}, handler, NULL);
    done_count = 0;
}

TEST(every_split_of_a_pipelined_conversation_gives_the_same_answers)
{
    static const char talk[] =
        "GET /one HTTP/1.1\r\nHost: a\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\nT: r\r\n\r\n"
        "HEAD /two HTTP/1.1\r\nHost: a\r\n\r\n"
        "PUT /ignored HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz"
        "GET /letters HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    bool closed;
    start();
    char *whole = strdup(fx_exchange(talk, &closed));
    CHECK(closed);
    CHECK(strstr(whole, "\r\n\r\n/oneHTTP/1.1 200 OK\r\n"));
    CHECK(strstr(whole, "\r\n\r\nhelloHTTP/1.1 200 OK\r\n"));
    CHECK(strstr(whole, "\r\n\r\nabc0123456789HTTP/1.1 200 OK\r\n"));
    CHECK(strstr(whole, "Content-Length: 4\r\n\r\nHTTP/1.1 200 OK\r\n"));
    CHECK(strstr(whole, "\r\n\r\n/ignoredHTTP/1.1 200"));
    CHECK(strstr(whole, "00000007\r\nxxxxxxx\r\n00000006\r\nxxxxxx\r\n0\r\n\r\nHTTP"));
    CHECK(strstr(whole, "Connection: close\r\n\r\n/last"));
    for (size_t at = 1; at < sizeof talk - 1; at++) {
        int fd = fx_connect();
        fx_send(fd, talk, at);
        fx_turns(3);
        fx_send(fd, talk + at, sizeof talk - 1 - at);
        const char *answer = fx_receive(fd, &closed);
        CHECK_TEXT(answer, whole);
        close(fd);
        fx_turns(2);
    }
    int fd = fx_connect();
    for (size_t at = 0; at < sizeof talk - 1; at++)
        fx_send(fd, talk + at, 1);
    CHECK_TEXT(fx_receive(fd, &closed), whole);
    close(fd);
    free(whole);
    fx_stop();
}

TEST(malformed_requests_are_refused_and_the_connection_ends)
{
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        {400, "GET / HTTP/1.1\nHost: a\n\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"},
        {400, "GET nothing HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
        {505, "GET /\r\n\r\n"},
        {400,
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400,
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
              "chunked\r\n\r\n"},
        {400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400,
         "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"},
        {400,
         "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\n"},
        {400, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"},
        {400, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"},
        {400, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
              "fffffffffffffffff\r\n"},
        {413, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"},
        {414, NULL},
        {417, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n"},
        {431, "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\nF: 1\r\nG: "
              "1\r\nH: 1\r\n\r\n"},
        {501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {501, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
        {505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
        {400, "\r\n\r\n"},
        {400, "\x16\x03\x01\x02"},
    };
    char long_target[1800] = "GET /";
    memset(long_target + 5, 'a', 1500);
    static const char rest[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
    memcpy(long_target + 1505, rest, sizeof rest);
    fx_start(
        &(struct http_settings){.head_size_max = 2048, .headers_max = 8, .target_size_max = 1000},
        handler, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        bool closed;
        const char *answer = fx_exchange(cases[i].text ? cases[i].text : long_target, &closed);
        int status = strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
        if (status != cases[i].status || !closed || strstr(answer + 1, "HTTP/1.1 "))
            printf("# case %zu: %s\n", i, cases[i].text ? cases[i].text : "(long)");
        CHECK_EQ(status, cases[i].status);
        CHECK(closed);
        CHECK(!strstr(answer + 1, "HTTP/1.1 ")); /* nothing after it was taken for a request */
    }
    fx_stop();
}

TEST(nul_anywhere_in_a_head_is_refused)
{
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
    start();
    for (size_t at = 0; at < sizeof head - 3; at++) {
        char bad[sizeof head];
        bool closed;
        memcpy(bad, head, sizeof head);
        bad[at] = 0;
        int fd = fx_connect();
        fx_send(fd, bad, sizeof head - 1);
        CHECK(strncmp(fx_receive(fd, &closed), "HTTP/1.1 400", 12) == 0);
        CHECK(closed);
        close(fd);
    }
    fx_stop();
}

TEST(a_head_over_the_limit_is_refused_while_it_arrives)
{
    char big[4096];
    bool closed;
    memset(big, 'a', sizeof big);
    memcpy(big, "GET /", 5);
    start();
    int fd = fx_connect();
    fx_send(fd, big, sizeof big);
    CHECK(strncmp(fx_receive(fd, &closed), "HTTP/1.1 431", 12) == 0);
    close(fd);
    fx_stop();
}

TEST(continue_is_sent_once_the_body_is_wanted)
{
    bool closed;
    start();
    int fd = fx_connect();
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                               "Expect: 100-continue\r\n\r\n";
    fx_send(fd, head, sizeof head - 1);
    CHECK_TEXT(fx_receive(fd, &closed), "HTTP/1.1 100 Continue\r\n\r\n");
    fx_say(fd, "ok");
    CHECK(strstr(fx_receive(fd, &closed), "\r\n\r\nok"));
    CHECK(!closed);
    /* Not wanted: the answer comes at once, and the connection ends, body or not. */
    fx_say(fd, "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
               "Expect: 100-continue\r\n\r\n");
    CHECK(strstr(fx_receive(fd, &closed), "Connection: close\r\n\r\n/no"));
    close(fd);
    fx_stop();
}

TEST(a_large_body_streams_and_a_cut_one_is_reported)
{
    static char block[1 << 20];
    bool closed;
    start();
    int fd = fx_connect();
    static const char head[] = "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5242880\r\n\r\n";
    fx_send(fd, head, sizeof head - 1);
    for (int i = 0; i < 5; i++)
        fx_send(fd, block, sizeof block);
    CHECK(strstr(fx_receive(fd, &closed), "\r\n\r\n5242880"));
    CHECK_EQ(done_count, 1);
    CHECK_EQ(done_status, 0);
    fx_send(fd, head, sizeof head - 1);
    fx_send(fd, block, 1000);
    close(fd);
    fx_turns(4);
    CHECK_EQ(done_count, 2);
    CHECK_EQ(done_status, -ECONNRESET);
    CHECK_EQ(http_server_stats(fx_server)->connections_now, 0);
    fx_stop();
}

TEST(an_answer_before_a_small_body_keeps_the_connection_and_before_a_large_one_ends_it)
{
    bool closed;
    start();
    int fd = fx_connect();
    static const char small[] = "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
    fx_send(fd, small, sizeof small - 1);
    CHECK(strstr(fx_receive(fd, &closed), "\r\n\r\n/no"));
    CHECK(!closed);
    fx_say(fd, "012345678GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(strstr(fx_receive(fd, &closed), "\r\n\r\n/next"));
    static const char large[] = "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\nabc";
    fx_send(fd, large, sizeof large - 1);
    CHECK(strstr(fx_receive(fd, &closed), "Connection: close\r\n\r\n/no"));
    close(fd);
    fx_turns(2);
    CHECK_EQ(http_server_stats(fx_server)->connections_now, 0);
    fx_stop();
}

TEST(an_answer_may_come_later_and_a_lost_client_is_noticed_meanwhile)
{
    bool closed;
    start();
    int fd = fx_connect();
    fx_say(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_TEXT(fx_receive(fd, &closed), "");
    REQUIRE(kept);
    http_respond_text(kept, 200, "text/plain", "at last");
    CHECK(strstr(fx_receive(fd, &closed), "\r\n\r\nat last"));
    CHECK_EQ(done_count, 1);
    fx_say(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    fx_turns(3);
    REQUIRE(kept);
    close(fd);
    fx_turns(3);
    CHECK(!kept);
    CHECK_EQ(done_status, -ECONNRESET);
    fx_stop();
}

TEST(header_injection_becomes_a_500)
{
    bool closed;
    start();
    const char *answer = fx_exchange("GET /badheader HTTP/1.1\r\nHost: a\r\n\r\n", &closed);
    CHECK(strncmp(answer, "HTTP/1.1 500", 12) == 0);
    CHECK(!strstr(answer, "Set-Cookie"));
    fx_stop();
}

TEST(http_1_0_closes_unless_asked_and_gets_no_chunks)
{
    bool closed;
    start();
    CHECK(strstr(fx_exchange("GET /a HTTP/1.0\r\n\r\n", &closed), "\r\n\r\n/a"));
    CHECK(closed);
    CHECK(strstr(fx_exchange("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &closed),
                 "Connection: keep-alive\r\n"));
    CHECK(!closed);
    CHECK(strstr(fx_exchange("GET /letters HTTP/1.0\r\n\r\n", &closed),
                 "\r\n\r\nxxxxxxxxxxxxxxxxxxxx"));
    CHECK(closed);
    CHECK_EQ(letters, -1); /* the source was closed */
    CHECK(strncmp(fx_exchange("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n", &closed),
                  "HTTP/1.1 204 No Content\r\n\r\n", 27) == 0);
    fx_stop();
}

TEST(slow_clients_are_cut_off)
{
    bool closed;
    fx_start(&(struct http_settings){.head_timeout_ns = 1, .idle_timeout_ns = 1}, handler, NULL);
    int fd = fx_connect();
    fx_turns(4);
    CHECK_TEXT(fx_receive(fd, &closed), "");
    CHECK(closed);
    close(fd);
    fx_stop();
    fx_start(&(struct http_settings){.head_timeout_ns = 1, .progress_window_ns = 1}, handler, NULL);
    fd = fx_connect();
    fx_say(fd, "GET / HT");
    CHECK(strncmp(fx_receive(fd, &closed), "HTTP/1.1 408", 12) == 0);
    close(fd);
    fx_stop();
    fx_start(&(struct http_settings){.progress_window_ns = 1}, handler, NULL);
    fd = fx_connect();
    fx_say(fd, "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    CHECK(strncmp(fx_receive(fd, &closed), "HTTP/1.1 408", 12) == 0);
    CHECK_EQ(http_server_stats(fx_server)->timeouts, 1);
    close(fd);
    fx_stop();
}

TEST(over_the_cap_the_longest_idle_connection_goes)
{
    bool closed;
    fx_start(&(struct http_settings){.connections_max = 2}, handler, NULL);
    int first = fx_connect(), second = fx_connect();
    fx_turns(2);
    int third = fx_connect();
    fx_say(third, "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(strstr(fx_receive(third, &closed), "\r\n\r\n/3"));
    (void)fx_receive(first, &closed);
    CHECK(closed);
    (void)fx_receive(second, &closed);
    CHECK(!closed);
    CHECK_EQ(http_server_stats(fx_server)->connections_now, 2);
    close(first), close(second), close(third);
    fx_stop();
}

static void note(void *arg)
{
    ++*(int *)arg;
}

TEST(draining_ends_idle_connections_and_finishes_the_others)
{
    bool closed;
    int drained = 0;
    start();
    int idle = fx_connect(), busy = fx_connect();
    fx_say(busy, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    fx_turns(3);
    REQUIRE(kept);
    http_server_drain(fx_server, note, &drained);
    (void)fx_receive(idle, &closed);
    CHECK(closed);
    CHECK_EQ(drained, 0);
    http_respond_text(kept, 200, "text/plain", "bye");
    CHECK(strstr(fx_receive(busy, &closed), "Connection: close\r\n\r\nbye"));
    CHECK(closed);
    CHECK_EQ(drained, 1);
    close(idle), close(busy);
    fx_stop();
}

TEST(quiet_comes_once_after_the_last_request)
{
    int quiet = 0;
    bool closed;
    fx_start(&(struct http_settings){.quiet_ns = 1}, handler, NULL);
    http_server_on_quiet(fx_server, note, &quiet);
    fx_turns(3);
    CHECK_EQ(quiet, 0);
    (void)fx_exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &closed);
    fx_turns(3);
    CHECK_EQ(quiet, 1);
    fx_stop();
}

static int file_fd = -1;
static uint64_t file_size;

static void file_handler(struct http_request *req, void *arg)
{
    (void)arg;
    http_respond_file(req, 200, NULL, dup(file_fd), 1, file_size - 1);
}

TEST(files_of_any_size_arrive_whole)
{
    static char block[700000];
    static const uint64_t sizes[] = {1, 2, 4096, 65536, 65537, 700000, 3000000};
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 31 % 251);
    char name[] = "/tmp/coffer-http-XXXXXX";
    file_fd = mkstemp(name);
    REQUIRE(file_fd >= 0 && unlink(name) == 0);
    for (int i = 0; i < 5; i++)
        REQUIRE(write(file_fd, block, sizeof block) == sizeof block);
    fx_start(&(struct http_settings){0}, file_handler, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        file_size = sizes[i];
        int fd = fx_connect();
        static char got[4 << 20];
        size_t size = 0;
        fx_say(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        for (ssize_t n; (n = recv(fd, got + size, sizeof got - size, 0)) != 0;) {
            fx_turns(1);
            size += n > 0 ? (size_t)n : 0;
        }
        const char *body = strstr(got, "\r\n\r\n");
        REQUIRE(body);
        body += 4;
        CHECK_EQ(size - (size_t)(body - got), file_size - 1);
        bool same = true;
        for (size_t k = 0; k < file_size - 1; k++)
            same &= body[k] == block[(k + 1) % sizeof block];
        CHECK(same);
        close(fd);
    }
    fx_stop();
    close(file_fd);
}

TAP_MAIN()
