/* SPDX-License-Identifier: Apache-2.0 */
/* One request to a key broker with an owner and a policy, from "PEER PATH\nBODY" (PEER is n, k, o or a:
 * nobody, the owner's key, the operator, an attested process): every answer is an object, every refusal
 * has a code and a remedy, nothing fails inside, and nobody gets what is not for everybody. */
#include "kbs/kbs.h"

#include "base/hex.h"
#include "base/log.h"
#include "crypto/base64.h"

#include <assert.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLICY                                                                       \
    "version: 1\ntenant: t\nname: p\ntee: [sim]\n"                                   \
    "program: {measurements: "                                                       \
    "['sha256:2222222222222222222222222222222222222222222222222222222222222222']}\n" \
    "command: {arguments: [a, '${secret.s}']}\n"                                     \
    "volumes: [{name: v, mount: /v, mode: strict}]\n"                                \
    "secrets: {s: {kind: ascii, source: generate, reveal: once}}\n"

static char g_dir[64];
static struct kbs *g_kbs;
static struct tls_peer g_peers[4]; /* n k o a */
static EVP_PKEY *g_owner_key;

static int64_t now_s(void)
{
    return 1800000000;
}

static uint64_t now_ms(void)
{
    static uint64_t now;
    return now += 100;
}

static void nothing_said(enum log_level level, struct slice line)
{
    (void)level;
    (void)line;
}

static void dir_remove(void)
{
    char command[128];
    kbs_free(g_kbs);
    snprintf(command, sizeof command, "rm -rf %s", g_dir);
    if (system(command) != 0)
        abort();
    for (size_t i = 0; i < 4; i++)
        X509_free(g_peers[i].certificate);
    EVP_PKEY_free(g_owner_key);
}

static EVP_PKEY *peer_make(struct tls_peer *peer, enum tls_peer_kind kind)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    *peer = (struct tls_peer){.kind = kind, .certificate = X509_new()};
    if (!key || X509_set_pubkey(peer->certificate, key) != 1 ||
        X509_sign(peer->certificate, key, EVP_sha256()) <= 0 ||
        ratls_key_hash(peer->certificate, peer->key_hash) < 0)
        abort();
    return key;
}

static void call_good(const struct tls_peer *peer, const char *path, json_t *in)
{
    struct kbs_call c = {.kbs = g_kbs, .peer = peer, .path = path, .in = in};
    kbs_call_run(&c);
    if (c.status != 200 || kbs_commit(g_kbs) < 0)
        abort();
    json_decref(c.out);
    json_decref(in);
}

static void policy_put(void)
{
    struct buf base64 = {0};
    uint8_t signature[128];
    size_t size = sizeof signature;
    char hex[65];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, g_owner_key) != 1 ||
        EVP_DigestSign(ctx, signature, &size, (const uint8_t *)POLICY, strlen(POLICY)) != 1 ||
        crypto_base64_encode(slice_of(signature, size), &base64) < 0)
        abort();
    hex_encode(slice_of(g_peers[1].key_hash, 32), hex);
    call_good(&g_peers[2], "/v1/tenant/add", json_pack("{s:s, s:s}", "tenant", "t", "owner", hex));
    call_good(&g_peers[1], "/v1/policy/put",
              json_pack("{s:s, s:s, s:s, s:s%, s:s}", "tenant", "t", "policy", "p", "yaml", POLICY,
                        "signature", (const char *)base64.bytes, base64.size, "replaces", ""));
    EVP_MD_CTX_free(ctx);
    buf_done(&base64);
}

static void setup(void)
{
    struct evidence self = {.tee = TEE_SIM};
    struct manifest *manifest = NULL;
    static const struct key256 key = {{1}};
    char text[400], hex[65];
    log_set_sink(nothing_said, "fuzz", LOG_LEVEL_ERROR);
    g_owner_key = peer_make(&g_peers[1], TLS_PEER_KEY);
    EVP_PKEY_free(peer_make(&g_peers[2], TLS_PEER_KEY));
    EVP_PKEY_free(peer_make(&g_peers[3], TLS_PEER_ATTESTED));
    memset(self.device, 0xdd, sizeof self.device);
    g_peers[3].evidence = self;
    memset(g_peers[3].evidence.program, 0x22, sizeof self.program);
    snprintf(g_dir, sizeof g_dir, "/tmp/coffer-fuzz-XXXXXX");
    if (!mkdtemp(g_dir))
        abort();
    hex_encode(slice_of(g_peers[2].key_hash, 32), hex);
    snprintf(text, sizeof text,
             "version: 1\ndomain: localhost\ntee: [sim]\nfreshness: none\nsim_devices: [self]\n"
             "tenants_max: 3\noperators: [sha256:%s]\n",
             hex);
    if (manifest_parse(slice_of_text(text), &manifest, NULL) < 0 ||
        kbs_open(manifest, g_dir, &key, &self, &g_kbs, NULL) < 0)
        abort();
    g_kbs->now_s = now_s;
    g_kbs->now_ms = now_ms;
    atexit(dir_remove);
    policy_put();
}

static void check_answer(const struct kbs_call *c, const char *path)
{
    assert(json_is_object(c->out) && c->status != 500);
    if (c->status == 200) {
        assert(c->peer->kind != TLS_PEER_NONE || strcmp(path, "/v1/info") == 0 ||
               strcmp(path, "/v1/policy/check") == 0);
        assert(kbs_commit(g_kbs) == 0);
        return;
    }
    assert(json_string_length(json_object_get(c->out, "code")) > 0);
    assert(json_string_length(json_object_get(c->out, "remedy")) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char letters[] = "nkoa";
    const uint8_t *end = size > 2 ? memchr(data, '\n', size) : NULL;
    const char *letter = end ? memchr(letters, data[0], 4) : NULL;
    char path[80];
    if (!letter || end - data < 3 || (size_t)(end - data) > sizeof path)
        return 0;
    if (!g_kbs)
        setup();
    snprintf(path, sizeof path, "%.*s", (int)(end - data - 2), (const char *)data + 2);
    size_t body = size - (size_t)(end + 1 - data);
    struct kbs_call c = {.kbs = g_kbs, .peer = &g_peers[letter - letters], .path = path};
    c.in = json_loadb((const char *)end + 1, body, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(c.in)) {
        kbs_call_run(&c);
        check_answer(&c, path);
    }
    json_decref(c.out);
    json_decref(c.in);
    return 0;
}
