/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper against a network process that somebody has taken over: it gets certificates and
 * signatures for handshakes, and nothing in the name of who did not sign one. */
#include "network_end.h"

#include <errno.h>
#include <semaphore.h>

TEST(who_signed_the_handshake_is_who_asks)
{
    start();
    CHECK_EQ(heard().kind, MESSAGE_READY);
    struct buf messages = handshake(5, &w_operator, w_operator.key);
    CHECK_EQ(status_of_call(5, NULL), 403); /* not shown yet */
    show(5, &messages);
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
    show(1, &messages);
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
    show(2, &messages);
    CHECK_EQ(status_of_call(2, NULL), 403);
    (void)signed_by_keeper(1, slice_of(hash, sizeof hash), signature);
    show(1, &messages);
    CHECK_EQ(status_of_call(1, NULL), 403);
    buf_done(&messages);
    messages = handshake(3, &w_operator, w_operator.key);
    show(3, &messages);
    CHECK_EQ(status_of_call(3, NULL), 200);
    say(MESSAGE_CLOSED, 3, (struct slice){0});
    show(3, &messages);
    CHECK_EQ(status_of_call(3, NULL), 403);
    buf_done(&messages);
    stop();
}

static bool tenant_is_there(const char *name)
{
    json_t *out = good(&w_operator.peer, "/v1/tenant/list", json_object());
    char *text = json_dumps(out, JSON_COMPACT);
    bool there = strstr(text, name) != NULL;
    free(text);
    json_decref(out);
    return there;
}

static int tenant_add_status(uint32_t connection, const char *name, bool *ret_closes)
{
    return status_of_document(connection, "/v1/tenant/add",
                              json_pack("{s:s, s:s}", "tenant", name, "owner", w_owner.hash),
                              ret_closes);
}

/* Of a commit that does not end before the test says so. */
static sem_t g_begun, g_let;

static int commit_holds(void *ctx, uint64_t commits_before, struct slice record)
{
    (void)ctx;
    (void)commits_before;
    (void)record;
    (void)sem_post(&g_begun);
    while (sem_wait(&g_let) < 0 && errno == EINTR) {
    }
    return 0;
}

static void ask(uint32_t connection, uint32_t id, const char *path, json_t *in)
{
    struct buf body = {0}, bytes = {0};
    REQUIRE(message_call_write(connection, path, in, &body) == 0 &&
            message_write(&bytes, MESSAGE_CALL, id, buf_slice(&body)) == 0);
    REQUIRE(send(g_fd, bytes.bytes, bytes.size, MSG_NOSIGNAL) == (ssize_t)bytes.size);
    json_decref(in);
    buf_done(&body);
    buf_done(&bytes);
    REQUIRE(loop_turn(g_loop, false) == 0);
}

static int heard_status(uint32_t id)
{
    struct message_answer answer;
    struct message m = heard();
    REQUIRE(m.kind == MESSAGE_ANSWER && m.id == id && message_answer_parse(m.body, &answer) == 0);
    return answer.status;
}

TEST(handshakes_go_on_during_a_commit_and_calls_wait_as_whose_they_were)
{
    start();
    (void)heard();
    struct buf messages = handshake(5, &w_operator, w_operator.key);
    show(5, &messages);
    REQUIRE(sem_init(&g_begun, 0, 0) == 0 && sem_init(&g_let, 0, 0) == 0);
    store_ship_to(w_kbs->store, commit_holds, NULL);
    ask(5, 1, "/v1/tenant/add", json_pack("{s:s, s:s}", "tenant", "slow", "owner", w_owner.hash));
    REQUIRE(loop_turn(g_loop, false) == 0);
    while (sem_wait(&g_begun) < 0 && errno == EINTR) {
    }
    /* The connection ends, and its number is another's, before its second call is looked at. */
    ask(5, 2, "/v1/tenant/list", json_object());
    struct buf bytes = {0};
    REQUIRE(message_write(&bytes, MESSAGE_CLOSED, 5, (struct slice){0}) == 0 &&
            message_write(&bytes, MESSAGE_HELLO, 5, slice_of(g_random, sizeof g_random)) == 0);
    REQUIRE(send(g_fd, bytes.bytes, bytes.size, MSG_NOSIGNAL) == (ssize_t)bytes.size);
    REQUIRE(loop_turn(g_loop, false) == 0);
    CHECK_EQ(heard().kind, MESSAGE_CERTIFICATE);
    ask(5, 3, "/v1/tenant/list", json_object());
    CHECK_EQ(heard().kind, MESSAGE_NONE);
    store_ship_to(w_kbs->store, NULL, NULL);
    REQUIRE(sem_post(&g_let) == 0);
    keeper_settle(g_keeper);
    turns();
    CHECK_EQ(heard_status(1), 200);
    CHECK_EQ(heard_status(2), 200);
    CHECK_EQ(heard_status(3), 403);
    CHECK(tenant_is_there("slow"));
    buf_done(&messages);
    buf_done(&bytes);
    stop();
}

static int commit_fails(void *ctx, uint64_t commits_before, struct slice record)
{
    (void)ctx;
    (void)commits_before;
    (void)record;
    return -EIO;
}

TEST(a_commit_that_fails_is_not_acknowledged)
{
    start();
    (void)heard();
    struct buf messages = handshake(1, &w_operator, w_operator.key);
    show(1, &messages);
    store_ship_to(w_kbs->store, commit_fails, NULL);
    CHECK_EQ(tenant_add_status(1, "lost", NULL), 500);
    /* Nor if another call has had it committed before the end of the turn. */
    struct buf body = {0}, bytes = {0};
    json_t *in = json_pack("{s:s, s:s}", "tenant", "lost", "owner", w_owner.hash);
    REQUIRE(message_call_write(1, "/v1/tenant/add", in, &body) == 0 &&
            message_write(&bytes, MESSAGE_CALL, 1, buf_slice(&body)) == 0);
    buf_clear(&body);
    REQUIRE(message_call_write(1, "/v1/peer/status", NULL, &body) == 0 &&
            message_write(&bytes, MESSAGE_CALL, 2, buf_slice(&body)) == 0);
    REQUIRE(send(g_fd, bytes.bytes, bytes.size, MSG_NOSIGNAL) == (ssize_t)bytes.size);
    turns();
    CHECK_EQ(heard_status(1), 500);
    (void)heard_status(2);
    store_ship_to(w_kbs->store, NULL, NULL);
    json_decref(in);
    buf_done(&body);
    buf_done(&bytes);
    CHECK(!tenant_is_there("lost"));
    buf_done(&messages);
    stop();
}

TEST(a_proof_has_its_time_and_after_it_nothing_is_done)
{
    bool closes = true;
    start();
    (void)heard();
    struct buf messages = handshake(1, &w_operator, w_operator.key);
    show(1, &messages);
    w_now_ms += KEEPER_CLOSE_MS - 1;
    CHECK_EQ(tenant_add_status(1, "early", &closes), 200);
    CHECK(!closes);
    w_now_ms += 1;
    CHECK_EQ(tenant_add_status(1, "later", &closes), 200);
    CHECK(closes);
    /* Who does not end it then has had his time. */
    w_now_ms += KEEPER_PROOF_MS - KEEPER_CLOSE_MS;
    CHECK_EQ(tenant_add_status(1, "too-late", &closes), 503);
    CHECK(closes);
    CHECK_TEXT(g_code, "CONNECTION_OLD");
    CHECK(tenant_is_there("early") && tenant_is_there("later"));
    CHECK(!tenant_is_there("too-late"));
    buf_done(&messages);
    stop();
}

TEST(who_comes_back_is_a_key_and_has_the_time_of_its_proof)
{
    static const uint8_t zeros[TLS_TOKEN_SIZE];
    bool closes = true;
    start();
    (void)heard();
    struct buf messages = handshake(1, &w_operator, w_operator.key);
    show(1, &messages);
    say(MESSAGE_CLOSED, 1, (struct slice){0});
    resume(2, 1);
    CHECK_EQ(status_of(2, "/v1/info", &closes), 200);
    CHECK(!closes);
    /* The key is known, and that it has attested nothing. */
    CHECK_EQ(status_of(2, "/v1/volume/report", &closes), 403);
    CHECK_TEXT(g_code, "SESSION_INVALID");
    /* Nobody's deed, key or secret comes of it. */
    static const char *const others[] = {
        "/v1/tenant/list",      "/v1/tenant/add", "/v1/provision", "/v1/volume/open",
        "/v1/volume/erase/key", "/v1/policy/put", "/v1/unlock",    "/v1/peer/status"};
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        CHECK_EQ(status_of(2, others[i], &closes), 503);
        CHECK(closes);
        CHECK_TEXT(g_code, "CONNECTION_OLD");
    }
    /* What no handshake has said is nothing to come back by. */
    resume(3, 7);
    CHECK_EQ(status_of(3, "/v1/info", NULL), 503);
    say(MESSAGE_RESUME, 3, slice_of(zeros, sizeof zeros));
    CHECK_EQ(status_of(3, "/v1/info", NULL), 503);
    w_now_ms += KEEPER_PROOF_MS - 1;
    resume(4, 1);
    CHECK_EQ(status_of(4, "/v1/info", &closes), 200);
    CHECK(closes);
    w_now_ms += 1;
    CHECK_EQ(status_of(4, "/v1/info", NULL), 503);
    resume(5, 1);
    CHECK_EQ(status_of(5, "/v1/info", NULL), 503);
    buf_done(&messages);
    stop();
}

TEST(who_was_refused_does_not_come_back)
{
    start();
    (void)heard();
    struct buf messages = handshake(1, &w_operator, w_owner.key);
    show(1, &messages);
    resume(2, 1);
    CHECK_EQ(status_of(2, "/v1/info", NULL), 503);
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
    show(1, &messages);
    CHECK_EQ(status_of(1, "/v1/provision", NULL), 400);
    CHECK_TEXT(g_code, "REQUEST_INVALID"); /* so it is past the evidence */
    buf_done(&messages);
    messages = handshake(2, &stale, stale.key);
    show(2, &messages);
    CHECK_EQ(status_of(2, "/v1/provision", NULL), 403);
    CHECK_TEXT(g_code, "EVIDENCE_STALE");
    /* What proves itself needs no young connection; all else does. */
    w_now_ms += KEEPER_PROOF_MS;
    (void)status_of(1, "/v1/peer/status", &closes);
    CHECK(!closes);
    CHECK_EQ(status_of(1, "/v1/provision", &closes), 503);
    CHECK(closes);
    CHECK_TEXT(g_code, "CONNECTION_OLD");
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
