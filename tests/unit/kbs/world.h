/* SPDX-License-Identifier: Apache-2.0 */
/* A key broker without sockets: peers are made up here, times are ours. */
#ifndef COFFER_TESTS_KBS_WORLD_H
#define COFFER_TESTS_KBS_WORLD_H

#include "kbs/call.h"

#include "base/hex.h"
#include "crypto/base64.h"
#include "tap.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM "sha256:2222222222222222222222222222222222222222222222222222222222222222"

/* Somebody with a key. */
struct person {
    EVP_PKEY *key;
    struct tls_peer peer;
    char hash[65];
    char *pem; /* of the certificate */
};

static char w_dir[64];
static int64_t w_now_s = 1800000000;
static uint64_t w_now_ms = 1000000;
static struct kbs *w_kbs;
static struct person w_operator, w_owner;
static struct tls_peer w_runtime;

static int64_t w_time_s(void)
{
    return w_now_s;
}

static uint64_t w_time_ms(void)
{
    return w_now_ms;
}

static struct person person_new(void)
{
    struct person p = {.key = EVP_EC_gen("P-256")};
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    REQUIRE(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
            X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) &&
            ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1));
    REQUIRE(p.key && X509_set_pubkey(certificate, p.key) == 1 &&
            X509_sign(certificate, p.key, EVP_sha256()) > 0);
    REQUIRE(PEM_write_bio_X509(bio, certificate) == 1);
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    p.pem = strndup(text, (size_t)size);
    BIO_free(bio);
    p.peer = (struct tls_peer){.kind = TLS_PEER_KEY, .certificate = certificate};
    REQUIRE(ratls_key_hash(certificate, p.peer.key_hash) == 0);
    hex_encode(slice_of(p.peer.key_hash, SHA256_SIZE), p.hash);
    return p;
}

static void person_done(struct person *p)
{
    EVP_PKEY_free(p->key);
    X509_free(p->peer.certificate);
    free(p->pem);
}

static void w_done(void)
{
    char command[128];
    kbs_free(w_kbs);
    snprintf(command, sizeof command, "rm -rf %s", w_dir);
    if (system(command) != 0)
        printf("# %s is left behind\n", w_dir);
    X509_free(w_runtime.certificate);
    person_done(&w_operator);
    person_done(&w_owner);
}

static struct evidence evidence_of(int program)
{
    struct evidence ev = {.tee = TEE_SIM};
    memset(ev.program, program, sizeof ev.program);
    memset(ev.device, 0xdd, sizeof ev.device);
    return ev;
}

/* Starts, or starts again on the same state. `more` ends the manifest. */
static void w_start(const char *more)
{
    struct manifest *manifest = NULL;
    struct evidence self = evidence_of(0x22);
    static const struct key256 key = {{1}};
    struct error e = {0};
    char text[1000];
    if (!w_dir[0]) {
        struct person runtime = person_new();
        w_operator = person_new();
        w_owner = person_new();
        w_runtime = runtime.peer;
        w_runtime.kind = TLS_PEER_ATTESTED;
        w_runtime.evidence = evidence_of(0x22);
        EVP_PKEY_free(runtime.key);
        free(runtime.pem);
        snprintf(w_dir, sizeof w_dir, "/tmp/coffer-kbs-test-XXXXXX");
        REQUIRE(mkdtemp(w_dir) != NULL);
        atexit(w_done);
    }
    snprintf(text, sizeof text,
             "version: 1\ndomain: bank\ntee: [sim]\nsim_devices: [self]\n"
             "operators: [sha256:%s]\n%s",
             w_operator.hash, more ? more : "freshness: none\n");
    if (manifest_parse(slice_of_text(text), &manifest, &e) < 0)
        printf("# %s\n", e.text);
    REQUIRE(manifest);
    REQUIRE(kbs_open(manifest, w_dir, &key, &self, &w_kbs, &e) == 0);
    w_kbs->now_s = w_time_s;
    w_kbs->now_ms = w_time_ms;
}

static json_t *called(const struct tls_peer *peer, const char *path, json_t *in, int *ret_status)
{
    struct kbs_call c = {.kbs = w_kbs, .peer = peer, .path = path, .in = in};
    kbs_call_run(&c);
    REQUIRE(kbs_commit(w_kbs) == 0);
    json_decref(in);
    *ret_status = c.status;
    return c.out;
}

/* The answer to a call that must succeed; the caller releases it. */
static json_t *good(const struct tls_peer *peer, const char *path, json_t *in)
{
    int status = 0;
    json_t *out = called(peer, path, in, &status);
    if (status != 200) {
        char *text = json_dumps(out, 0);
        printf("# %s: %s\n", path, text);
        free(text);
    }
    CHECK_EQ(status, 200);
    return out;
}

static void check_ok(const struct tls_peer *peer, const char *path, json_t *in)
{
    json_decref(good(peer, path, in));
}

static inline void check_refused(const struct tls_peer *peer, const char *path, json_t *in,
                                 const char *code)
{
    int status = 0;
    json_t *out = called(peer, path, in, &status);
    CHECK(status >= 400);
    CHECK_TEXT(json_string_value(json_object_get(out, "code")), code);
    CHECK(json_string_length(json_object_get(out, "remedy")) > 0);
    json_decref(out);
}

static inline void tenant_add(const char *name, const struct person *owner)
{
    check_ok(&w_operator.peer, "/v1/tenant/add",
             json_pack("{s:s, s:s}", "tenant", name, "owner", owner->hash));
}

static json_t *signature_of(const struct person *p, const char *text)
{
    SCOPED(buf_done) struct buf base64 = {0};
    uint8_t signature[128];
    size_t size = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    REQUIRE(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, p->key) == 1);
    REQUIRE(EVP_DigestSign(ctx, signature, &size, (const uint8_t *)text, strlen(text)) == 1);
    EVP_MD_CTX_free(ctx);
    REQUIRE(crypto_base64_encode(slice_of(signature, size), &base64) == 0);
    return json_stringn((char *)base64.bytes, base64.size);
}

static void hash_text(const char *text, char hex[65])
{
    uint8_t digest[SHA256_SIZE];
    REQUIRE(sha256(slice_of_text(text), digest) == 0);
    hex_encode(slice_of(digest, sizeof digest), hex);
}

/* What `by` sends to put `yaml`; `replaces` is the hash it replaces, or NULL. */
static inline json_t *put_request(const struct person *by, const char *tenant, const char *name,
                                  const char *yaml, const char *replaces)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s*}", "tenant", tenant, "policy", name, "yaml", yaml,
                     "signature", signature_of(by, yaml), "replaces", replaces);
}

/* A policy of one program, with `more` at its end; the text is the caller's. */
static inline char *policy_text(const char *tenant, const char *name, const char *more)
{
    char *text = NULL;
    REQUIRE(asprintf(&text,
                     "version: 1\ntenant: %s\nname: %s\ntee: [sim]\nprogram: {measurements: "
                     "[" PROGRAM "]}\ncommand: {arguments: [server]}\n%s",
                     tenant, name, more) > 0);
    return text;
}

/* Puts it as its owner, whatever is there. */
static inline void policy_put(const struct person *by, const char *tenant, const char *name,
                              const char *more, char ret_hash[65])
{
    char *text = policy_text(tenant, name, more);
    int status = 0;
    json_t *old = called(&by->peer, "/v1/policy/get",
                         json_pack("{s:s, s:s}", "tenant", tenant, "policy", name), &status);
    check_ok(&by->peer, "/v1/policy/put",
             put_request(by, tenant, name, text, json_string_value(json_object_get(old, "hash"))));
    hash_text(text, ret_hash);
    json_decref(old);
    free(text);
}

static inline json_t *provision_request(const char *tenant, const char *policy)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    REQUIRE(X509_REQ_set_pubkey(request, key) == 1);
    REQUIRE(X509_REQ_sign(request, key, EVP_sha256()) > 0);
    REQUIRE(PEM_write_bio_X509_REQ(bio, request) == 1);
    long size = BIO_get_mem_data(bio, &pem);
    json_t *in =
        json_pack("{s:s, s:s, s:s#}", "tenant", tenant, "policy", policy, "csr", pem, (int)size);
    BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return in;
}

#endif
