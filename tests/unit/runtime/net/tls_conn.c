/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/tls_conn.h"
#include "base/hex.h"
#include "runtime/net/inbox.h"

#include "platform/linux/linux.h"
#include "platform/ops.h"
#include "tap.h"

#include "pki.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- a host that deals in small pieces, and counts -------------------------------------------- */

static size_t g_recv_max, g_send_max; /* 0: no limit */
static unsigned g_recv_count, g_send_count;

static long test_call(long nr, const long args[6])
{
    long limited[6];
    memcpy(limited, args, sizeof limited);
    if (nr == SYS_recvfrom) {
        g_recv_count++;
        if (g_recv_max && (size_t)limited[2] > g_recv_max)
            limited[2] = (long)g_recv_max;
    }
    if (nr == SYS_sendto) {
        g_send_count++;
        if (g_send_max && (size_t)limited[2] > g_send_max)
            limited[2] = (long)g_send_max;
    }
    return linux_call(nr, limited);
}

static const struct platform_ops test_platform = {.name = "test", .call = test_call};

/* --- one connection: ours against OpenSSL's --------------------------------------------------- */

struct pair {
    struct pki pki;
    struct tls_context *context;
    struct tls_conn *ours;
    SSL_CTX *peer_ctx;
    SSL *peer;
    int fd, peer_fd;
};

static struct pair pair_new_with(struct runtime_tls tls, void (*tune)(SSL_CTX *))
{
    struct pair p = {.pki = pki_new("DNS:localhost")};
    int fds[2];
    platform_set(&test_platform);
    g_recv_max = g_send_max = 0;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    p.fd = fds[0];
    p.peer_fd = fds[1];
    tls.certificate_chain = p.pki.certificate_pem;
    tls.private_key = p.pki.key_pem;
    REQUIRE(tls_context_new_server(&tls, &p.context, NULL) == 0);
    REQUIRE(tls_conn_new(p.context, p.fd, NULL, &p.ours) == 0);
    p.peer_ctx = SSL_CTX_new(TLS_client_method());
    if (tune)
        tune(p.peer_ctx);
    p.peer = SSL_new(p.peer_ctx);
    SSL_set_fd(p.peer, p.peer_fd);
    SSL_set_connect_state(p.peer);
    return p;
}

static struct pair pair_new(void)
{
    return pair_new_with((struct runtime_tls){0}, NULL);
}

static void pair_done(struct pair *p)
{
    tls_conn_free(p->ours);
    tls_context_free(p->context);
    SSL_free(p->peer);
    SSL_CTX_free(p->peer_ctx);
    pki_done(&p->pki);
    close(p->fd);
    if (p->peer_fd >= 0)
        close(p->peer_fd);
    ERR_clear_error();
}

/* Turns both ends until the peer's handshake and ours are through, or either gives up. */
static bool pair_connect(struct pair *p)
{
    for (int turn = 0; turn < 20000; turn++) {
        int r = SSL_do_handshake(p->peer);
        if (r != 1 && SSL_get_error(p->peer, r) != SSL_ERROR_WANT_READ)
            return false;
        if (tls_conn_advance(p->ours) & TLS_FAILED)
            return false;
        if (r == 1 && tls_conn_is_established(p->ours))
            return true;
    }
    return false;
}

static int64_t ours_read(struct pair *p, void *bytes, size_t size)
{
    struct iovec iov = {bytes, size};
    return tls_conn_read(p->ours, &iov, 1);
}

static int64_t ours_write(struct pair *p, const void *bytes, size_t size)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, size};
    return tls_conn_write(p->ours, &iov, 1, false);
}

/* The peer's ciphertext of `text`, without sending it. */
static size_t peer_record(struct pair *p, const char *text, uint8_t *record, size_t size)
{
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    SSL_set_wfd(p->peer, fds[0]);
    REQUIRE(SSL_write(p->peer, text, (int)strlen(text)) == (int)strlen(text));
    ssize_t n = read(fds[1], record, size);
    REQUIRE(n > 0);
    SSL_set_wfd(p->peer, p->peer_fd);
    close(fds[0]);
    close(fds[1]);
    return (size_t)n;
}

TEST(plaintext_goes_both_ways)
{
    struct pair p = pair_new();
    char bytes[64] = "";
    CHECK(pair_connect(&p));
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), -EAGAIN);
    CHECK_EQ(SSL_write(p.peer, "question", 8), 8);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 8);
    CHECK(memcmp(bytes, "question", 8) == 0);
    CHECK_EQ(ours_write(&p, "answer", 6), 6);
    CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 6);
    CHECK(memcmp(bytes, "answer", 6) == 0);
    CHECK_TEXT(SSL_get_version(p.peer), "TLSv1.3");
    pair_done(&p);
}

TEST(any_fragmentation_gives_the_same_stream)
{
    for (size_t step = 1; step <= 7; step += 2) {
        struct pair p = pair_new();
        char bytes[64] = "";
        g_recv_max = g_send_max = step;
        CHECK(pair_connect(&p));
        CHECK_EQ(SSL_write(p.peer, "split", 5), 5);
        CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 5);
        size_t sent = 0, seen = 0;
        for (int turn = 0; turn < 1000 && (sent < 4 || seen < 4); turn++) {
            int64_t n = sent < 4 ? ours_write(&p, &"also"[sent], 4 - sent) : 0;
            sent += n > 0 ? (size_t)n : 0;
            int r = SSL_read(p.peer, bytes + seen, (int)(sizeof bytes - seen));
            seen += r > 0 ? (size_t)r : 0;
        }
        CHECK(sent == 4 && seen == 4 && memcmp(bytes, "also", 4) == 0);
        pair_done(&p);
    }
}

TEST(a_record_is_readable_only_when_its_last_byte_is_there)
{
    struct pair p = pair_new();
    uint8_t record[256];
    char bytes[16];
    CHECK(pair_connect(&p));
    size_t size = peer_record(&p, "whole", record, sizeof record);
    for (size_t i = 0; i + 1 < size; i++) {
        CHECK_EQ(write(p.peer_fd, record + i, 1), 1);
        CHECK(!(tls_conn_advance(p.ours) & TLS_READABLE));
        CHECK_EQ(ours_read(&p, bytes, sizeof bytes), -EAGAIN);
    }
    CHECK_EQ(write(p.peer_fd, record + size - 1, 1), 1);
    CHECK(tls_conn_advance(p.ours) & TLS_READABLE);
    CHECK_EQ(tls_conn_pending(p.ours), 5);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 5);
    pair_done(&p);
}

TEST(a_changed_byte_anywhere_fails_the_stream_and_yields_nothing)
{
    size_t size = 0;
    for (size_t i = 0; i == 0 || i < size; i++) {
        struct pair p = pair_new();
        uint8_t record[256];
        char bytes[16];
        CHECK(pair_connect(&p));
        size = peer_record(&p, "true", record, sizeof record);
        record[i] ^= 0x41;
        CHECK_EQ(write(p.peer_fd, record, size), size);
        shutdown(p.peer_fd, SHUT_WR); /* where the length grew, the rest never comes */
        CHECK_EQ(ours_read(&p, bytes, sizeof bytes), -ECONNRESET);
        CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 0);
        CHECK_EQ(ours_write(&p, "x", 1), -EPIPE);
        CHECK(tls_conn_failure(p.ours)[0] != '\0');
        pair_done(&p);
    }
}

TEST(a_cut_stream_is_an_error_and_a_finished_one_is_an_end)
{
    for (int polite = 0; polite < 2; polite++) {
        struct pair p = pair_new();
        char bytes[16];
        CHECK(pair_connect(&p));
        CHECK_EQ(SSL_write(p.peer, "last", 4), 4);
        if (polite)
            CHECK_EQ(SSL_shutdown(p.peer), 0);
        shutdown(p.peer_fd, SHUT_WR);
        CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 4);
        CHECK_EQ(ours_read(&p, bytes, sizeof bytes), polite ? 0 : -ECONNRESET);
        CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 0);
        if (polite) { /* the other half goes on */
            CHECK_EQ(ours_write(&p, "reply", 5), 5);
            CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 5);
        }
        pair_done(&p);
    }
}

TEST(our_shutdown_is_the_peers_end_while_we_read_on)
{
    struct pair p = pair_new();
    char bytes[16];
    CHECK(pair_connect(&p));
    CHECK_EQ(ours_write(&p, "bye", 3), 3);
    CHECK_EQ(tls_conn_shutdown(p.ours), 0);
    CHECK_EQ(tls_conn_shutdown(p.ours), 0);
    CHECK_EQ(ours_write(&p, "x", 1), -EPIPE);
    CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 3);
    CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 0);
    CHECK_EQ(SSL_get_error(p.peer, 0), SSL_ERROR_ZERO_RETURN);
    CHECK_EQ(SSL_write(p.peer, "more", 4), 4);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 4);
    pair_done(&p);
}

TEST(a_peer_that_leaves_before_a_byte_is_an_end)
{
    struct pair p = pair_new();
    char bytes[16];
    shutdown(p.peer_fd, SHUT_WR);
    CHECK_EQ(tls_conn_advance(p.ours), TLS_READABLE | TLS_ENDED);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 0);
    CHECK_EQ(ours_write(&p, "x", 1), -EPIPE);
    pair_done(&p);
}

TEST(a_reset_is_reported_once)
{
    struct pair p = pair_new();
    char bytes[16];
    CHECK(pair_connect(&p));
    CHECK_EQ(write(p.fd, "x", 1), 1); /* unread by the peer: its close is a reset */
    SSL_set_quiet_shutdown(p.peer, 1);
    close(p.peer_fd);
    p.peer_fd = -1;
    CHECK(tls_conn_advance(p.ours) & TLS_FAILED);
    CHECK_EQ(tls_conn_take_error(p.ours), ECONNRESET);
    CHECK_EQ(tls_conn_take_error(p.ours), 0);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 0);
    pair_done(&p);
}

TEST(plain_http_is_told_what_this_port_is)
{
    struct pair p = pair_new();
    char bytes[512] = "";
    static const char GET[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    CHECK_EQ(write(p.peer_fd, GET, sizeof GET - 1), sizeof GET - 1);
    CHECK(tls_conn_advance(p.ours) & TLS_FAILED);
    CHECK(read(p.peer_fd, bytes, sizeof bytes - 1) > 0);
    CHECK(strncmp(bytes, "HTTP/1.1 400 ", 13) == 0);
    const char *body = strstr(bytes, "\r\n\r\n");
    CHECK(body && strlen(body + 4) == 37);
    pair_done(&p);
}

static void only_1_2(SSL_CTX *ctx)
{
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
}

TEST(tls_1_2_is_refused_unless_the_rule_allows_it)
{
    struct pair p = pair_new_with((struct runtime_tls){0}, only_1_2);
    CHECK(!pair_connect(&p));
    pair_done(&p);
    p = pair_new_with((struct runtime_tls){.version_min = 0x0303}, only_1_2);
    CHECK(pair_connect(&p));
    CHECK_TEXT(SSL_get_version(p.peer), "TLSv1.2");
    SSL_renegotiate(p.peer);
    int r = SSL_do_handshake(p.peer);
    char bytes[8];
    CHECK(r != 1 || SSL_renegotiate_pending(p.peer));
    (void)ours_read(&p, bytes, sizeof bytes);
    CHECK(SSL_do_handshake(p.peer) != 1);
    pair_done(&p);
}

TEST(tickets_do_not_make_a_client_readable_and_ride_with_the_first_answer)
{
    struct pair p = pair_new();
    char bytes[16];
    CHECK(pair_connect(&p));
    CHECK(tls_conn_state(p.ours) & TLS_WRITABLE);
    CHECK_EQ(recv(p.peer_fd, bytes, 1, MSG_PEEK), -1);
    unsigned before = g_send_count;
    CHECK_EQ(ours_write(&p, "answer", 6), 6);
    CHECK_EQ(g_send_count - before, 1);
    CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 6);
    pair_done(&p);
}

TEST(key_updates_are_followed_and_are_no_data)
{
    struct pair p = pair_new();
    char bytes[16];
    CHECK(pair_connect(&p));
    CHECK_EQ(SSL_key_update(p.peer, SSL_KEY_UPDATE_REQUESTED), 1);
    CHECK_EQ(SSL_do_handshake(p.peer), 1);
    CHECK(!(tls_conn_advance(p.ours) & TLS_READABLE));
    CHECK_EQ(SSL_write(p.peer, "new key", 7), 7);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 7);
    CHECK_EQ(ours_write(&p, "new too", 7), 7);
    CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 7);
    pair_done(&p);
}

TEST(a_flood_of_key_updates_is_ended)
{
    struct pair p = pair_new();
    CHECK(pair_connect(&p));
    for (int i = 0; i < 100; i++)
        if (SSL_key_update(p.peer, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
            SSL_do_handshake(p.peer) != 1)
            break;
    g_recv_max = 27; /* one at a time */
    CHECK(tls_conn_advance(p.ours) & TLS_FAILED);
    pair_done(&p);
}

TEST(small_pieces_become_one_record_and_one_host_write)
{
    struct pair p = pair_new();
    char bytes[64];
    static char text[] = "one two three";
    struct iovec iov[] = {{text, 4}, {text, 0}, {text + 4, 4}, {text + 8, 5}};
    CHECK(pair_connect(&p));
    unsigned before = g_send_count;
    CHECK_EQ(tls_conn_write(p.ours, iov, 4, false), 13);
    CHECK_EQ(g_send_count - before, 1);
    CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 13);
    CHECK(memcmp(bytes, "one two three", 13) == 0);
    pair_done(&p);
}

TEST(a_read_is_filled_across_records_without_asking_a_drained_socket)
{
    struct pair p = pair_new();
    char bytes[64];
    CHECK(pair_connect(&p));
    CHECK(!(tls_conn_advance(p.ours) & TLS_READABLE));
    CHECK_EQ(SSL_write(p.peer, "one", 3), 3);
    CHECK_EQ(SSL_write(p.peer, "two", 3), 3);
    unsigned before = g_recv_count;
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 6);
    CHECK_EQ(g_recv_count - before, 1);
    pair_done(&p);
}

TEST(a_peek_leaves_what_it_shows)
{
    struct pair p = pair_new();
    char bytes[16];
    struct iovec iov = {bytes, 2};
    CHECK(pair_connect(&p));
    CHECK_EQ(SSL_write(p.peer, "seen", 4), 4);
    CHECK_EQ(tls_conn_peek(p.ours, &iov, 1), 2);
    CHECK_EQ(tls_conn_peek(p.ours, &iov, 1), 2);
    CHECK_EQ(tls_conn_pending(p.ours), 4);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 4);
    CHECK(memcmp(bytes, "seen", 4) == 0);
    pair_done(&p);
}

TEST(a_peek_sees_several_records_and_the_end_waits_behind_them)
{
    struct pair p = pair_new();
    char bytes[16];
    struct iovec iov = {bytes, sizeof bytes};
    CHECK(pair_connect(&p));
    CHECK_EQ(SSL_write(p.peer, "one", 3), 3);
    CHECK_EQ(SSL_write(p.peer, "two", 3), 3);
    CHECK_EQ(SSL_shutdown(p.peer), 0);
    CHECK_EQ(tls_conn_peek(p.ours, &iov, 1), 6);
    CHECK(memcmp(bytes, "onetwo", 6) == 0);
    CHECK_EQ(tls_conn_pending(p.ours), 6);
    CHECK_EQ(ours_read(&p, bytes, 4), 4);
    CHECK_EQ(tls_conn_peek(p.ours, &iov, 1), 2);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 2);
    CHECK_EQ(tls_conn_peek(p.ours, &iov, 1), 0);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 0);
    pair_done(&p);
}

/* A socket holds so much more than FIONREAD looks at only if its buffer is large: here the peer's bytes
 * come in between. */
TEST(a_count_that_reached_its_limit_owes_an_edge_until_the_socket_is_empty)
{
    struct pair p = pair_new();
    static char bytes[INBOX_SIZE_MAX];
    CHECK(pair_connect(&p));
    size_t sent = 0, pending = 0;
    for (int turn = 0; turn < 200 && pending < INBOX_SIZE_MAX; turn++) {
        int n = SSL_write(p.peer, bytes, 16384);
        sent += n > 0 ? (size_t)n : 0;
        pending = tls_conn_pending(p.ours);
        CHECK(pending == INBOX_SIZE_MAX || !tls_conn_owes(p.ours));
    }
    CHECK(pending >= INBOX_SIZE_MAX);
    CHECK(tls_conn_owes(p.ours));
    CHECK(!(tls_conn_state(p.ours) & TLS_FAILED));
    while (sent > 0) {
        int64_t n = ours_read(&p, bytes, sizeof bytes);
        CHECK(n > 0);
        if (n <= 0)
            break;
        sent -= MIN((size_t)n, sent);
    }
    CHECK_EQ(ours_read(&p, bytes, 1), -EAGAIN);
    CHECK(!tls_conn_owes(p.ours));
    pair_done(&p);
}

TEST(fewer_bytes_than_the_low_water_mark_do_not_make_it_readable)
{
    struct pair p = pair_new();
    char bytes[16];
    CHECK(pair_connect(&p));
    tls_conn_set_low_water(p.ours, 5);
    CHECK_EQ(SSL_write(p.peer, "one", 3), 3);
    CHECK(!(tls_conn_advance(p.ours) & TLS_READABLE));
    CHECK_EQ(SSL_write(p.peer, "two", 3), 3);
    CHECK(tls_conn_advance(p.ours) & TLS_READABLE);
    CHECK_EQ(ours_read(&p, bytes, 5), 5);
    CHECK(!(tls_conn_advance(p.ours) & TLS_READABLE));
    CHECK_EQ(SSL_shutdown(p.peer), 0);
    CHECK(tls_conn_advance(p.ours) & TLS_READABLE);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 1);
    CHECK_EQ(ours_read(&p, bytes, sizeof bytes), 0);
    pair_done(&p);
}

TEST(small_writes_that_wait_for_more_become_one_record)
{
    struct pair p = pair_new();
    char bytes[64];
    char head_bytes[] = "head,", tail_bytes[] = "tail";
    struct iovec head = {head_bytes, 5}, tail = {tail_bytes, 4};
    CHECK(pair_connect(&p));
    CHECK_EQ(tls_conn_write(p.ours, &head, 1, true), 5);
    CHECK(tls_conn_is_corked(p.ours));
    CHECK(SSL_read(p.peer, bytes, sizeof bytes) < 0);
    CHECK_EQ(tls_conn_write(p.ours, &head, 1, true), 5);
    CHECK_EQ(tls_conn_write(p.ours, &tail, 1, false), 4);
    CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 14);
    CHECK(memcmp(bytes, "head,head,tail", 14) == 0);
    CHECK_EQ(tls_conn_write(p.ours, &tail, 1, true), 4);
    CHECK_EQ(tls_conn_flush(p.ours), 0);
    CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 4);
    CHECK_EQ(tls_conn_write(p.ours, &tail, 1, true), 4);
    CHECK(!(tls_conn_advance(p.ours) & TLS_READABLE)); /* who waits for an answer has asked */
    CHECK_EQ(SSL_read(p.peer, bytes, sizeof bytes), 4);
    pair_done(&p);
}

/* Reads what the peer can, returns whether all of it continues the pattern. */
static bool peer_drain(struct pair *p, size_t *at)
{
    uint8_t bytes[8192];
    for (int n; (n = SSL_read(p->peer, bytes, sizeof bytes)) > 0;)
        for (int i = 0; i < n; i++, (*at)++)
            if (bytes[i] != (uint8_t)(*at * 31 >> 3))
                return false;
    return true;
}

TEST(a_full_socket_never_hides_that_something_is_left_to_send)
{
    enum { SIZE = 3000000 };
    struct pair p = pair_new();
    uint8_t *bytes = malloc(SIZE);
    size_t sent = 0, seen = 0;
    unsigned blocked = 0;
    REQUIRE(bytes && pair_connect(&p));
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    for (int turn = 0; sent < SIZE && turn < 100000; turn++) {
        int64_t n = ours_write(&p, bytes + sent, SIZE - sent);
        if (n > 0) {
            sent += (size_t)n;
            if (sent < SIZE)
                CHECK(!(tls_conn_state(p.ours) & TLS_WRITABLE));
            continue;
        }
        CHECK_EQ(n, -EAGAIN);
        CHECK(tls_conn_host_events(p.ours, POLLIN) & POLLOUT);
        blocked++;
        CHECK(peer_drain(&p, &seen));
    }
    CHECK(blocked > 0);
    CHECK(tls_conn_state(p.ours) & TLS_WRITABLE); /* all acknowledged: nothing is left here */
    CHECK(peer_drain(&p, &seen));
    CHECK_EQ(seen, SIZE);
    free(bytes);
    pair_done(&p);
}

TEST(a_short_write_must_be_continued_with_the_same_bytes)
{
    struct pair p = pair_new();
    static uint8_t bytes[1 << 20];
    CHECK(pair_connect(&p));
    int64_t n = ours_write(&p, bytes, sizeof bytes);
    CHECK(n > 0 && n < (int64_t)sizeof bytes);
    size_t seen = 0;
    for (int i = 0; i < 1000; i++)
        (void)peer_drain(&p, &seen);
    CHECK_EQ(ours_write(&p, "different", 9), -ECONNRESET);
    pair_done(&p);
}

TEST(sessions_resume_with_the_same_ticket_key_only)
{
    struct key256 keys[2] = {{{1}}, {{2}}};
    SSL_SESSION *session = NULL;
    for (int i = 0; i < 3; i++) { /* first; same key after a "restart"; another client's key */
        struct pair p = pair_new_with(
            (struct runtime_tls){.ticket_key = keys[i == 2], .has_ticket_key = true}, NULL);
        char byte;
        if (session)
            SSL_set_session(p.peer, session);
        CHECK(pair_connect(&p));
        CHECK_EQ(SSL_session_reused(p.peer), i == 1);
        CHECK_EQ(ours_write(&p, "x", 1), 1);
        CHECK_EQ(SSL_read(p.peer, &byte, 1), 1);
        if (!session)
            session = SSL_get1_session(p.peer);
        SSL_shutdown(p.peer);
        pair_done(&p);
    }
    SSL_SESSION_free(session);
}

static void offer_alpn(SSL_CTX *ctx)
{
    static const uint8_t LIST[] = "\x02h2\x08http/1.1";
    SSL_CTX_set_alpn_protos(ctx, LIST, sizeof LIST - 1);
}

TEST(http_1_1_is_chosen_from_what_is_offered)
{
    struct pair p = pair_new_with((struct runtime_tls){0}, offer_alpn);
    const uint8_t *name;
    unsigned size;
    CHECK(pair_connect(&p));
    SSL_get0_alpn_selected(p.peer, &name, &size);
    CHECK(size == 8 && memcmp(name, "http/1.1", 8) == 0);
    pair_done(&p);
}

TEST(a_client_certificate_is_demanded_where_the_rule_names_an_authority)
{
    struct pki owner = pki_new("DNS:owner"), stranger = pki_new("DNS:stranger");
    const struct pki *shown[] = {NULL, &stranger, &owner};
    for (int i = 0; i < 3; i++) {
        struct pair p =
            pair_new_with((struct runtime_tls){.client_ca = owner.certificate_pem}, NULL);
        if (shown[i]) {
            SSL_use_certificate(p.peer, shown[i]->certificate);
            SSL_use_PrivateKey(p.peer, shown[i]->key);
        }
        CHECK_EQ(pair_connect(&p), i == 2);
        char who[TLS_PEER_SIZE] = "nobody";
        CHECK_EQ(tls_conn_peer(p.ours, who), i == 2 ? 0 : -ENOPROTOOPT);
        CHECK(strncmp(who, i == 2 ? "coffer-client sha256:" : "nobody", i == 2 ? 21 : 7) == 0);
        pair_done(&p);
    }
    pki_done(&owner);
    pki_done(&stranger);
}

TEST(a_client_that_needs_no_certificate_is_nobody)
{
    struct pki owner = pki_new("DNS:owner");
    struct pair p = pair_new();
    char who[TLS_PEER_SIZE];
    SSL_use_certificate(p.peer, owner.certificate); /* not asked for, so not sent */
    SSL_use_PrivateKey(p.peer, owner.key);
    CHECK_EQ(tls_conn_peer(p.ours, who), -ENOPROTOOPT);
    CHECK(pair_connect(&p));
    CHECK_EQ(tls_conn_peer(p.ours, who), -ENOPROTOOPT);
    pair_done(&p);
    pki_done(&owner);
}

TEST(a_client_is_known_by_the_hash_of_its_key)
{
    struct pki owner = pki_new("DNS:owner");
    struct pair p = pair_new_with((struct runtime_tls){.client_ca = owner.certificate_pem}, NULL);
    char who[TLS_PEER_SIZE] = "", wanted[TLS_PEER_SIZE] = "coffer-client sha256:";
    uint8_t hash[32], *der = NULL;
    SSL_use_certificate(p.peer, owner.certificate);
    SSL_use_PrivateKey(p.peer, owner.key);
    CHECK(pair_connect(&p));
    int size = i2d_PUBKEY(owner.key, &der);
    REQUIRE(size > 0 && EVP_Digest(der, (size_t)size, hash, NULL, EVP_sha256(), NULL) == 1);
    OPENSSL_free(der);
    hex_encode(slice_of(hash, sizeof hash), wanted + strlen(wanted));
    CHECK_EQ(tls_conn_peer(p.ours, who), 0);
    CHECK(strncmp(who, wanted, strlen(wanted)) == 0);
    CHECK(who[strlen(wanted)] == ' ');
    pair_done(&p);
    pki_done(&owner);
}

/* Our client against OpenSSL's server; whether the client's side stands. */
static bool client_connects(const char *names, const char *wanted, bool trusted)
{
    struct pki pki = pki_new(names), other = pki_new(names);
    struct tls_context *context = NULL;
    struct tls_conn *conn = NULL;
    int fds[2];
    platform_set(&test_platform);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    struct slice trust = trusted ? pki.certificate_pem : other.certificate_pem;
    REQUIRE(tls_context_new_client(trust, NULL, &context, NULL) == 0);
    REQUIRE(tls_conn_new(context, fds[0], wanted, &conn) == 0);
    CHECK_EQ(tls_conn_host_events(conn, POLLIN), POLLIN | POLLOUT);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(ctx, pki.certificate);
    SSL_CTX_use_PrivateKey(ctx, pki.key);
    SSL *peer = SSL_new(ctx);
    SSL_set_fd(peer, fds[1]);
    SSL_set_accept_state(peer);
    for (int turn = 0; turn < 10; turn++) {
        if (tls_conn_advance(conn) & TLS_FAILED)
            break;
        (void)SSL_do_handshake(peer);
    }
    bool stands = tls_conn_is_established(conn) && !(tls_conn_state(conn) & TLS_FAILED);
    if (stands) /* two tickets came; they are no data */
        CHECK(!(tls_conn_advance(conn) & TLS_READABLE));
    SSL_free(peer);
    SSL_CTX_free(ctx);
    tls_conn_free(conn);
    tls_context_free(context);
    pki_done(&pki);
    pki_done(&other);
    close(fds[0]);
    close(fds[1]);
    ERR_clear_error();
    return stands;
}

TEST(a_client_checks_authority_and_name)
{
    CHECK(client_connects("DNS:db.example", "db.example", true));
    CHECK(!client_connects("DNS:db.example", "db.example", false));
    CHECK(!client_connects("DNS:other.example", "db.example", true));
    CHECK(client_connects("IP:127.0.0.1", "127.0.0.1", true));
    CHECK(!client_connects("IP:127.0.0.2", "127.0.0.1", true));
}

/* One connection of ours to OpenSSL's server; whether it went on where an earlier one had stopped. */
static bool client_resumes(struct tls_context *context, SSL_CTX *server, const char *name)
{
    struct tls_conn *conn = NULL;
    int fds[2];
    char byte;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    REQUIRE(tls_conn_new(context, fds[0], name, &conn) == 0);
    SSL *peer = SSL_new(server);
    SSL_set_fd(peer, fds[1]);
    SSL_set_accept_state(peer);
    for (int turn = 0; turn < 10; turn++) {
        REQUIRE(!(tls_conn_advance(conn) & TLS_FAILED));
        (void)SSL_do_handshake(peer);
    }
    REQUIRE(tls_conn_is_established(conn) && SSL_is_init_finished(peer));
    struct iovec iov = {&byte, 1}; /* a ticket lies before the first byte of data */
    CHECK_EQ(SSL_write(peer, "x", 1), 1);
    CHECK_EQ(tls_conn_read(conn, &iov, 1), 1);
    bool resumed = SSL_session_reused(peer);
    SSL_free(peer);
    tls_conn_free(conn);
    close(fds[0]);
    close(fds[1]);
    ERR_clear_error();
    return resumed;
}

TEST(a_client_resumes_with_the_same_server_and_uses_each_ticket_once)
{
    struct pki pki = pki_new("DNS:db.example,DNS:other.example");
    struct tls_context *context = NULL;
    platform_set(&test_platform);
    REQUIRE(tls_context_new_client(pki.certificate_pem, NULL, &context, NULL) == 0);
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(server, pki.certificate);
    SSL_CTX_use_PrivateKey(server, pki.key);
    SSL_CTX_set_num_tickets(server, 1);
    CHECK(!client_resumes(context, server, "db.example"));
    SSL_CTX_set_num_tickets(server, 0);
    CHECK(client_resumes(context, server, "db.example"));
    CHECK(!client_resumes(context, server, "db.example")); /* it had got no new one */
    SSL_CTX_set_num_tickets(server, 1);
    CHECK(!client_resumes(context, server, "db.example"));
    CHECK(!client_resumes(context, server, "other.example"));
    CHECK(client_resumes(context, server, "other.example"));
    CHECK(client_resumes(context, server, "other.example"));
    SSL_CTX_free(server);
    tls_context_free(context);
    pki_done(&pki);
}

TEST(an_identity_that_is_no_good_says_why)
{
    struct pki one = pki_new("DNS:one"), two = pki_new("DNS:two");
    struct tls_context *context = NULL;
    struct error e = {0};
    struct runtime_tls tls = {.certificate_chain = slice_of_text("no PEM"),
                              .private_key = one.key_pem};
    CHECK_EQ(tls_context_new_server(&tls, &context, &e), -EINVAL);
    CHECK(strstr(e.text, "certificate"));
    tls.certificate_chain = one.certificate_pem;
    tls.private_key = two.key_pem;
    CHECK_EQ(tls_context_new_server(&tls, &context, &e), -EINVAL);
    tls.private_key = (struct slice){0};
    CHECK_EQ(tls_context_new_server(&tls, &context, &e), -EINVAL);
    CHECK_EQ(tls_context_new_client(slice_of_text("nobody"), NULL, &context, &e), -EINVAL);
    CHECK(context == NULL);
    pki_done(&one);
    pki_done(&two);
}

TAP_MAIN()
