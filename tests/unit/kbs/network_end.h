/* SPDX-License-Identifier: Apache-2.0 */
/* A keeper, and the network process's end of its line in the hands of a test: handshakes as clients
 * sign them, calls, and what is answered. */
#ifndef COFFER_TESTS_KBS_NETWORK_END_H
#define COFFER_TESTS_KBS_NETWORK_END_H

#include "kbs/keeper.h"
#include "kbs/link.h"
#include "platform/linux/sim_device.h"
#include "server/transcript.h"
#include "world.h"

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
    for (int i = 0; i < 4; i++) {
        REQUIRE(loop_turn(g_loop, false) == 0);
        keeper_settle(g_keeper);
    }
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

static inline void check_ends(int why)
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

/* The handshake, with a token by the number of its connection. */
static inline void show(uint32_t id, const struct buf *messages)
{
    struct buf body = {0};
    char token[40];
    snprintf(token, sizeof token, "%02u of a handshake", id);
    buf_append(&body, token, TLS_TOKEN_SIZE);
    buf_append_slice(&body, buf_slice(messages));
    say(MESSAGE_PEER, id, buf_slice(&body));
    buf_done(&body);
}

/* A connection that is resumed from the one that had the number `of`. */
static inline void resume(uint32_t id, uint32_t of)
{
    char token[40];
    snprintf(token, sizeof token, "%02u of a handshake", of);
    say(MESSAGE_RESUME, id, slice_of(token, TLS_TOKEN_SIZE));
}

static char g_code[64], g_message[200], g_remedy[200]; /* of the last refusal */

static void member_keep(const json_t *out, const char *name, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(out, name));
    snprintf(to, size, "%s", text ? text : "");
}

/* Takes `in`. */
static int status_of_document(uint32_t connection, const char *path, json_t *in, bool *ret_closes)
{
    struct buf body = {0};
    struct message_answer answer = {0};
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
    member_keep(out, "code", g_code, sizeof g_code);
    member_keep(out, "message", g_message, sizeof g_message);
    member_keep(out, "remedy", g_remedy, sizeof g_remedy);
    json_decref(out);
    return answer.status;
}

static int status_of(uint32_t connection, const char *path, bool *ret_closes)
{
    return status_of_document(connection, path, json_object(), ret_closes);
}

static inline int status_of_call(uint32_t connection, bool *ret_closes)
{
    return status_of(connection, "/v1/tenant/list", ret_closes);
}

#endif
