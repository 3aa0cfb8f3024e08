/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side against a server in this process's child: whom it believes, and when. */
#include "attest/channel.h"

#include "sample.h"
#include "server/loop.h"
#include "server/tls.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int g_fd;
static bool g_server_random_lost, g_client_random_lost; /* as if OpenSSL had none */

size_t __real_SSL_get_server_random(const SSL *ssl, unsigned char *out, size_t size);
size_t __real_SSL_get_client_random(const SSL *ssl, unsigned char *out, size_t size);
size_t __wrap_SSL_get_server_random(const SSL *ssl, unsigned char *out, size_t size);
size_t __wrap_SSL_get_client_random(const SSL *ssl, unsigned char *out, size_t size);

size_t __wrap_SSL_get_server_random(const SSL *ssl, unsigned char *out, size_t size)
{
    return g_server_random_lost ? 0 : __real_SSL_get_server_random(ssl, out, size);
}

size_t __wrap_SSL_get_client_random(const SSL *ssl, unsigned char *out, size_t size)
{
    return g_client_random_lost ? 0 : __real_SSL_get_client_random(ssl, out, size);
}

static ssize_t socket_read(void *ctx, void *bytes, size_t size)
{
    (void)ctx;
    ssize_t n = read(g_fd, bytes, size);
    return n < 0 ? -errno : n;
}

static ssize_t socket_write(void *ctx, const void *bytes, size_t size)
{
    (void)ctx;
    ssize_t n = send(g_fd, bytes, size, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static const struct channel_io g_io = {socket_read, socket_write, NULL};

/* Answers with who the peer is. */
static void handle(struct http_request *req, void *arg)
{
    static const char *const kinds[] = {"none", "key", "attested", "refused"};
    (void)arg;
    const struct tls_peer *peer = tls_transport_peer(http_request_transport(req));
    http_respond_text(req, 200, "text/plain", kinds[peer->kind]);
}

/* A server in a child, on one end of a socket pair; the other end is g_fd. */
static pid_t serve(ratls_evidence_fn *evidence)
{
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    g_fd = pair[0];
    if (pid > 0) {
        close(pair[1]);
        return pid;
    }
    struct loop *loop = NULL;
    struct tls_server *tls = NULL;
    struct http_server *http = NULL;
    struct http_transport *transport = NULL;
    close(pair[0]);
    if (loop_new(&loop) < 0 || tls_server_new(evidence, NULL, &tls) < 0 ||
        http_server_new(loop, &(struct http_settings){0}, handle, NULL, &http) < 0 ||
        tls_transport_open(pair[1], tls, &transport) < 0 || http_server_adopt(http, transport) < 0)
        _exit(1);
    _exit(loop_run(loop) < 0);
}

static void stop(pid_t pid)
{
    close(g_fd);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static struct who pin_sample(void)
{
    struct who pin;
    SCOPED(buf_done) struct buf record = {0};
    static const uint8_t report_data[REPORT_DATA_SIZE];
    struct sim_identity id = sample_identity();
    struct evidence ev;
    sample_device_set(&id);
    REQUIRE(sample_evidence(NULL, report_data, &record, NULL) == 0);
    REQUIRE(evidence_verify(buf_slice(&record), &ev) == 0);
    pin_from_evidence(&ev, &pin);
    return pin;
}

static void check_kind(struct channel *ch, const char *kind)
{
    SCOPED(buf_done) struct buf body = {0};
    unsigned status = 0;
    CHECK_EQ(channel_exchange(ch, "GET", "/", (struct slice){0}, &status, &body, NULL), 0);
    CHECK_EQ(status, 200);
    CHECK(slice_is_text(buf_slice(&body), kind));
}

TEST(both_ends_prove_themselves_in_one_handshake)
{
    struct who pin = pin_sample();
    SCOPED(p256_freep) struct p256_key *key = NULL;
    SCOPED(channel_closep) struct channel *ch = NULL;
    REQUIRE(p256_generate(&key) == 0);
    struct channel_options options = {
        .pin = &pin, .evidence_key = key, .evidence = sample_evidence};
    pid_t pid = serve(sample_evidence);
    CHECK_EQ(channel_open(&options, &g_io, &ch, NULL), 0);
    REQUIRE(ch != NULL);
    check_kind(ch, "attested");
    check_kind(ch, "attested");
    CHECK_EQ(channel_peer(ch)->program[0], 0x22);
    channel_close(TAKE(ch));
    stop(pid);
}

TEST(an_ordinary_certificate_and_none_are_told_apart)
{
    static const uint8_t no_nonce[RATLS_NONCE_SIZE];
    struct who pin = pin_sample();
    SCOPED(p256_freep) struct p256_key *key = NULL;
    struct channel *ch = NULL;
    X509 *certificate = NULL;
    REQUIRE(p256_generate(&key) == 0);
    REQUIRE(ratls_certificate(key, no_nonce, NULL, NULL, &certificate, NULL) == 0);
    struct channel_options options = {
        .pin = &pin, .key = p256_pkey(key), .certificate = certificate};
    pid_t pid = serve(sample_evidence);
    REQUIRE(channel_open(&options, &g_io, &ch, NULL) == 0);
    check_kind(ch, "key");
    channel_close(TAKE(ch));
    stop(pid);
    options = (struct channel_options){.pin = &pin};
    pid = serve(sample_evidence);
    REQUIRE(channel_open(&options, &g_io, &ch, NULL) == 0);
    check_kind(ch, "none");
    channel_close(TAKE(ch));
    stop(pid);
    X509_free(certificate);
}

TEST(a_server_that_is_not_the_pinned_one_is_refused_with_the_reason)
{
    struct who pin = pin_sample();
    struct channel *ch = NULL;
    struct error e = {0};
    struct channel_options options = {.pin = &pin};
    pin.config.digest[0][0] ^= 1;
    pid_t pid = serve(sample_evidence);
    CHECK_EQ(channel_open(&options, &g_io, &ch, &e), -EKEYREJECTED);
    CHECK(ch == NULL && strstr(e.text, "CONFIG_REFUSED"));
    stop(pid);
}

/* Evidence of the same device, but over other report data: as if it were recorded elsewhere. */
static int recorded_evidence(void *ctx, const uint8_t report_data[REPORT_DATA_SIZE],
                             struct buf *ret_evidence, struct error *e)
{
    uint8_t other[REPORT_DATA_SIZE];
    (void)ctx;
    memcpy(other, report_data, sizeof other);
    other[0] ^= 1;
    return sim_device_evidence(other, ret_evidence, e);
}

TEST(recorded_evidence_is_refused)
{
    struct who pin = pin_sample();
    struct channel *ch = NULL;
    struct error e = {0};
    struct channel_options options = {.pin = &pin};
    pid_t pid = serve(recorded_evidence);
    CHECK_EQ(channel_open(&options, &g_io, &ch, &e), -EKEYREJECTED);
    CHECK(strstr(e.text, "EVIDENCE_BINDING") != NULL);
    stop(pid);
}

static int no_evidence(void *ctx, const uint8_t report_data[REPORT_DATA_SIZE],
                       struct buf *ret_evidence, struct error *e)
{
    (void)ctx;
    (void)report_data;
    (void)ret_evidence;
    return error_set(e, -EOPNOTSUPP, "there is no device");
}

TEST(a_side_without_evidence_ends_the_handshake)
{
    struct who pin = pin_sample();
    SCOPED(p256_freep) struct p256_key *key = NULL;
    struct channel *ch = NULL;
    struct error e = {0};
    REQUIRE(p256_generate(&key) == 0);
    struct channel_options options = {.pin = &pin, .evidence_key = key, .evidence = no_evidence};
    pid_t pid = serve(sample_evidence);
    CHECK_EQ(channel_open(&options, &g_io, &ch, &e), -EOPNOTSUPP);
    CHECK(strstr(e.text, "no device") != NULL);
    stop(pid);
    options = (struct channel_options){.pin = &pin};
    pid = serve(no_evidence);
    CHECK_EQ(channel_open(&options, &g_io, &ch, NULL), -ECONNABORTED);
    stop(pid);
}

TEST(without_a_nonce_no_evidence_is_taken_for_verified)
{
    struct who pin = pin_sample();
    SCOPED(p256_freep) struct p256_key *key = NULL;
    struct channel *ch = NULL;
    REQUIRE(p256_generate(&key) == 0);
    struct channel_options options = {
        .pin = &pin, .evidence_key = key, .evidence = sample_evidence};
    /* The server has no nonce to judge its client's evidence by. */
    g_server_random_lost = true;
    pid_t pid = serve(sample_evidence);
    g_server_random_lost = false;
    CHECK_EQ(channel_open(&options, &g_io, &ch, NULL), 0);
    REQUIRE(ch != NULL);
    check_kind(ch, "refused");
    channel_close(TAKE(ch));
    stop(pid);
    /* The client has none to answer with, or none to judge its server by. */
    pid = serve(sample_evidence);
    g_server_random_lost = true;
    CHECK(channel_open(&options, &g_io, &ch, NULL) < 0);
    g_server_random_lost = false;
    stop(pid);
    pid = serve(sample_evidence);
    g_client_random_lost = true;
    CHECK_EQ(channel_open(&options, &g_io, &ch, NULL), -EKEYREJECTED);
    g_client_random_lost = false;
    stop(pid);
}

TEST(a_peer_that_goes_away_is_a_broken_connection)
{
    struct who pin = pin_sample();
    struct channel *ch = NULL;
    SCOPED(buf_done) struct buf body = {0};
    unsigned status;
    struct channel_options options = {.pin = &pin};
    pid_t pid = serve(sample_evidence);
    REQUIRE(channel_open(&options, &g_io, &ch, NULL) == 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK(channel_exchange(ch, "GET", "/", (struct slice){0}, &status, &body, NULL) < 0);
    channel_close(ch);
    close(g_fd);
}

TEST(warming_up_works)
{
    CHECK_EQ(channel_warm(), 0);
}

TAP_MAIN()
