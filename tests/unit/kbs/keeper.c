/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper against a network process that somebody has taken over: it gets certificates and
 * signatures for handshakes, and nothing in the name of who did not sign one. */
#include "kbs/keeper.h"

#include "kbs/link.h"
#include "platform/linux/sim_device.h"
#include "server/transcript.h"
#include "world.h"

#include <errno.h>
#include <sys/socket.h>

static struct loop *g_loop;
static struct keeper *g_keeper;
static int g_fd; /* the network process's end */
static char g_device[80];

static int evidence(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                    struct buf *ret_evidence, struct error *e)
{
    (void)ctx;
    return sim_device_evidence(report_data, ret_evidence, e);
}

static void start(void)
{
    int pair[2];
    struct error e = {0};
    struct sim_identity id = {.debug = true};
    if (!w_kbs)
        w_start(NULL);
    snprintf(g_device, sizeof g_device, "%s/device", w_dir);
    REQUIRE(sim_device_set(g_device, &id, &e) == 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    g_fd = pair[0];
    REQUIRE(loop_new(&g_loop) == 0);
    REQUIRE(keeper_new(g_loop, w_kbs, pair[1], evidence, NULL, &g_keeper, &e) == 0);
}

static void stop(void)
{
    keeper_free(g_keeper);
    loop_free(g_loop);
    close(g_fd);
}

static void turns(void)
{
    for (int i = 0; i < 4; i++)
        REQUIRE(loop_turn(g_loop, false) == 0);
}

static void say(enum message_kind kind, uint32_t id, struct slice body)
{
    struct buf bytes = {0};
    REQUIRE(message_write(&bytes, kind, id, body) == 0);
    REQUIRE(send(g_fd, bytes.bytes, bytes.size, MSG_NOSIGNAL) == (ssize_t)bytes.size);
    buf_done(&bytes);
    turns();
}

/* The next thing that it says; MESSAGE_NONE: nothing. The body lives until the next. */
static struct message heard(void)
{
    static struct buf in, body;
    struct message m = {0};
    size_t size = 0;
    uint8_t *to = buf_reserve(&in, 1 << 20);
    ssize_t n = recv(g_fd, to, 1 << 20, 0);
    in.size += n > 0 ? (size_t)n : 0;
    if (in.size == 0 || message_parse(buf_slice(&in), false, &m, &size) < 0)
        return (struct message){0};
    buf_clear(&body);
    buf_append_slice(&body, m.body);
    m.body = buf_slice(&body);
    buf_consume(&in, size);
    return m;
}

static void check_ends(int why)
{
    turns();
    CHECK_EQ(keeper_result(g_keeper), why);
}

static const uint8_t g_random[32] = {9};

/* A handshake as the network process would do it, up to the server's signature. */
static struct slice signed_by_keeper(uint32_t id, struct slice hash, uint8_t ret[80])
{
    say(MESSAGE_HELLO, id, slice_of(g_random, sizeof g_random));
    struct message m = heard();
    REQUIRE(m.kind == MESSAGE_CERTIFICATE && m.id == id && m.body.size > 100);
    say(MESSAGE_SIGN, id, hash);
    m = heard();
    REQUIRE(m.kind == MESSAGE_SIGNATURE && m.id == id && m.body.size <= 80);
    memcpy(ret, m.body.bytes, m.body.size);
    return slice_of(ret, m.body.size);
}

static void put(struct buf *out, int type, const void *body, size_t size)
{
    const uint8_t head[4] = {(uint8_t)type, (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                             (uint8_t)size};
    buf_append(out, head, sizeof head);
    buf_append(out, body, size);
}

static void verify_put(struct buf *out, struct slice signature)
{
    uint8_t body[200] = {4, 3, 0, (uint8_t)signature.size};
    memcpy(body + 4, signature.bytes, signature.size);
    put(out, 15, body, 4 + signature.size);
}

static void hello_put(struct buf *out)
{
    uint8_t server[38] = {3, 3, 1};
    put(out, 1, "hello", 5);
    put(out, 2, server, sizeof server);
    put(out, 8, "", 0);
    put(out, 13, "r", 1);
    put(out, 11, "c", 1);
}

static void certificate_put(struct buf *out, X509 *certificate)
{
    uint8_t *der = NULL, body[4096] = {0};
    int size = i2d_X509(certificate, &der);
    REQUIRE(size > 0 && size < 4000);
    body[2] = (uint8_t)((size + 5) >> 8);
    body[3] = (uint8_t)(size + 5);
    body[5] = (uint8_t)(size >> 8);
    body[6] = (uint8_t)size;
    memcpy(body + 7, der, (size_t)size);
    put(out, 11, body, (size_t)size + 9);
    OPENSSL_free(der);
}

/* Of `who`, signed by `signer` and by the keeper as `id`. */
static struct buf handshake(uint32_t id, const struct person *who, EVP_PKEY *signer)
{
    struct buf out = {0};
    uint8_t hash[48], signature[80], content[64 + 34 + 48];
    size_t size = sizeof signature;
    hello_put(&out);
    REQUIRE(sha384(buf_slice(&out), hash) == 0);
    verify_put(&out, signed_by_keeper(id, slice_of(hash, sizeof hash), signature));
    put(&out, 20, "f", 1);
    certificate_put(&out, who->peer.certificate);
    memset(content, ' ', 64);
    memcpy(content + 64, "TLS 1.3, client CertificateVerify", 34);
    REQUIRE(sha384(buf_slice(&out), content + 98) == 0);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    REQUIRE(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, signer) == 1 &&
            EVP_DigestSign(ctx, signature, &size, content, sizeof content) == 1);
    EVP_MD_CTX_free(ctx);
    verify_put(&out, slice_of(signature, size));
    return out;
}

static char g_code[64]; /* of the last refusal */

static int status_of(uint32_t connection, const char *path, bool *ret_closes)
{
    struct buf body = {0};
    struct message_answer answer = {0};
    json_t *in = json_object();
    REQUIRE(message_call_write(connection, path, in, &body) == 0);
    json_decref(in);
    say(MESSAGE_CALL, 77, buf_slice(&body));
    buf_done(&body);
    struct message m = heard();
    REQUIRE(m.kind == MESSAGE_ANSWER && m.id == 77);
    REQUIRE(message_answer_parse(m.body, &answer) == 0);
    if (ret_closes)
        *ret_closes = answer.closes;
    json_t *out = json_loadb((const char *)answer.text.bytes, answer.text.size, 0, NULL);
    const char *code = json_string_value(json_object_get(out, "code"));
    snprintf(g_code, sizeof g_code, "%s", code ? code : "");
    json_decref(out);
    return answer.status;
}

static int status_of_call(uint32_t connection, bool *ret_closes)
{
    return status_of(connection, "/v1/tenant/list", ret_closes);
}

TEST(who_signed_the_handshake_is_who_asks)
{
    start();
    CHECK_EQ(heard().kind, MESSAGE_READY);
    struct buf messages = handshake(5, &w_operator, w_operator.key);
    CHECK_EQ(status_of_call(5, NULL), 403); /* not shown yet */
    say(MESSAGE_PEER, 5, buf_slice(&messages));
    CHECK_EQ(status_of_call(5, NULL), 200);
    CHECK_EQ(status_of_call(6, NULL), 403);
    say(MESSAGE_CLOSED, 5, (struct slice){0});
    CHECK_EQ(status_of_call(5, NULL), 403);
    buf_done(&messages);
    stop();
}

TEST(a_certificate_without_its_keys_signature_is_nobodys)
{
    start();
    (void)heard();
    struct buf messages = handshake(1, &w_operator, w_owner.key);
    say(MESSAGE_PEER, 1, buf_slice(&messages));
    CHECK_EQ(status_of_call(1, NULL), 403);
    buf_done(&messages);
    stop();
}

TEST(a_handshake_proves_one_connection_once)
{
    start();
    (void)heard();
    struct buf messages = handshake(1, &w_operator, w_operator.key);
    uint8_t hash[48] = {0}, signature[80];
    /* On a connection of another handshake, and on one that had this number and has begun again. */
    (void)signed_by_keeper(2, slice_of(hash, sizeof hash), signature);
    say(MESSAGE_PEER, 2, buf_slice(&messages));
    CHECK_EQ(status_of_call(2, NULL), 403);
    (void)signed_by_keeper(1, slice_of(hash, sizeof hash), signature);
    say(MESSAGE_PEER, 1, buf_slice(&messages));
    CHECK_EQ(status_of_call(1, NULL), 403);
    buf_done(&messages);
    messages = handshake(3, &w_operator, w_operator.key);
    say(MESSAGE_PEER, 3, buf_slice(&messages));
    CHECK_EQ(status_of_call(3, NULL), 200);
    say(MESSAGE_CLOSED, 3, (struct slice){0});
    say(MESSAGE_PEER, 3, buf_slice(&messages));
    CHECK_EQ(status_of_call(3, NULL), 403);
    buf_done(&messages);
    stop();
}

TEST(a_proof_has_its_time)
{
    bool closes = true;
    start();
    (void)heard();
    struct buf messages = handshake(1, &w_operator, w_operator.key);
    say(MESSAGE_PEER, 1, buf_slice(&messages));
    w_now_ms += KEEPER_PROOF_MS - 1;
    CHECK_EQ(status_of_call(1, &closes), 200);
    CHECK(!closes);
    w_now_ms += 1;
    CHECK_EQ(status_of_call(1, &closes), 200);
    CHECK(closes);
    CHECK_EQ(status_of_call(1, &closes), 403);
    buf_done(&messages);
    stop();
}

/* A runtime, whose evidence answers `nonce`. The handshakes here have one ServerHello.random. */
static struct person attested(const uint8_t nonce[RATLS_NONCE_SIZE])
{
    struct person p = {0};
    struct p256_key *key = NULL;
    REQUIRE(p256_generate(&key) == 0);
    REQUIRE(ratls_certificate(key, nonce, evidence, NULL, &p.peer.certificate, NULL) == 0);
    p.key = p256_pkey(key);
    EVP_PKEY_up_ref(p.key);
    p256_free(key);
    return p;
}

TEST(evidence_is_judged_by_the_handshake_it_came_in)
{
    uint8_t nonce[RATLS_NONCE_SIZE] = {1}, other[RATLS_NONCE_SIZE] = {2};
    bool closes = true;
    start();
    (void)heard();
    struct person fresh = attested(nonce), stale = attested(other);
    struct buf messages = handshake(1, &fresh, fresh.key);
    CHECK_EQ(status_of(1, "/v1/provision", NULL), 403);
    CHECK_TEXT(g_code, "EVIDENCE_ABSENT");
    say(MESSAGE_PEER, 1, buf_slice(&messages));
    CHECK_EQ(status_of(1, "/v1/provision", NULL), 400);
    CHECK_TEXT(g_code, "REQUEST_INVALID"); /* so it is past the evidence */
    buf_done(&messages);
    messages = handshake(2, &stale, stale.key);
    say(MESSAGE_PEER, 2, buf_slice(&messages));
    CHECK_EQ(status_of(2, "/v1/provision", NULL), 403);
    CHECK_TEXT(g_code, "EVIDENCE_STALE");
    /* What proves itself needs no young connection; all else does. */
    w_now_ms += KEEPER_PROOF_MS;
    (void)status_of(1, "/v1/peer/status", &closes);
    CHECK(!closes);
    (void)status_of(1, "/v1/provision", &closes);
    CHECK(closes);
    buf_done(&messages);
    person_done(&fresh);
    person_done(&stale);
    stop();
}

TEST(one_signature_for_one_certificate)
{
    uint8_t hash[48] = {1}, signature[80];
    start();
    (void)heard();
    say(MESSAGE_SIGN, 1, slice_of(hash, sizeof hash));
    struct message m = heard();
    CHECK(m.kind == MESSAGE_SIGNATURE && m.body.size == 0);
    (void)signed_by_keeper(1, slice_of(hash, sizeof hash), signature);
    say(MESSAGE_SIGN, 1, slice_of(hash, sizeof hash));
    m = heard();
    CHECK(m.kind == MESSAGE_SIGNATURE && m.body.size == 0);
    say(MESSAGE_HELLO, 1, slice_of(g_random, sizeof g_random));
    (void)heard();
    say(MESSAGE_SIGN, 1, slice_of(hash, 40)); /* no hash has this size */
    m = heard();
    CHECK(m.kind == MESSAGE_SIGNATURE && m.body.size == 0);
    stop();
}

TEST(what_the_network_process_never_says_ends_it)
{
    static const uint8_t nothing[64];
    struct buf call = {0};
    REQUIRE(message_call_write(TLS_CONNECTIONS_MAX, "/v1/info", NULL, &call) == 0);
    const struct {
        enum message_kind kind;
        uint32_t id;
        struct slice body;
    } wrong[] = {
        {MESSAGE_HELLO, TLS_CONNECTIONS_MAX, slice_of(nothing, 32)},
        {MESSAGE_CLOSED, UINT32_MAX, {0}},
        {MESSAGE_DRAINED, 0, {0}},                      /* not asked for */
        {MESSAGE_CALL, 1, buf_slice(&call)},            /* of no connection */
        {MESSAGE_CALL, 1, slice_of(nothing, 64)},       /* no call */
        {MESSAGE_PEER_CALL, 1, slice_of(nothing, 64)},  /* there is no other key broker */
        {MESSAGE_ANSWER, 1, slice_of("\xc8\0\0{}", 5)}, /* not for the keeper */
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        start();
        say(wrong[i].kind, wrong[i].id, wrong[i].body);
        check_ends(-EBADMSG);
        stop();
    }
    buf_done(&call);
}

TEST(the_end_of_the_network_process_is_the_end)
{
    start();
    shutdown(g_fd, SHUT_RDWR);
    check_ends(-EPIPE);
    stop();
    start();
    (void)heard();
    keeper_drain(g_keeper);
    turns();
    CHECK_EQ(heard().kind, MESSAGE_DRAIN);
    say(MESSAGE_DRAINED, 0, (struct slice){0});
    check_ends(0);
    stop();
}

TAP_MAIN()
