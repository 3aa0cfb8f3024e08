/* SPDX-License-Identifier: Apache-2.0 */
/* The API without sockets: peers are made up here, times are ours. */
#include "kbs/kbs.h"

#include "base/hex.h"
#include "crypto/base64.h"
#include "tap.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

static char g_dir[64];
static int64_t g_now_s = 1800000000;
static uint64_t g_now_ms = 1000000;
static struct kbs *g_kbs;
static struct tls_peer g_operator, g_owner, g_runtime;
static EVP_PKEY *g_owner_key;

static int64_t now_s(void)
{
    return g_now_s;
}

static uint64_t now_ms(void)
{
    return g_now_ms;
}

static X509 *certificate_for(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    REQUIRE(X509_set_pubkey(certificate, key) == 1 &&
            X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static struct tls_peer peer_of(enum tls_peer_kind kind, EVP_PKEY *key)
{
    struct tls_peer peer = {.kind = kind, .certificate = certificate_for(key)};
    REQUIRE(ratls_key_hash(peer.certificate, peer.key_hash) == 0);
    return peer;
}

static struct evidence evidence_sample(void)
{
    struct evidence ev = {.tee = TEE_SIM};
    memset(ev.program, 0x22, sizeof ev.program);
    memset(ev.runtime, 0x11, sizeof ev.runtime);
    memset(ev.device, 0xdd, sizeof ev.device);
    return ev;
}

static void dir_remove(void)
{
    char command[128];
    kbs_free(g_kbs);
    snprintf(command, sizeof command, "rm -rf %s", g_dir);
    if (system(command) != 0)
        printf("# %s is left behind\n", g_dir);
    X509_free(g_operator.certificate);
    X509_free(g_owner.certificate);
    X509_free(g_runtime.certificate);
    EVP_PKEY_free(g_owner_key);
}

static void kbs_start(void)
{
    struct manifest *manifest = NULL;
    struct evidence self = evidence_sample();
    static const struct key256 key = {{1}};
    struct error e = {0};
    char text[400], hex[65];
    hex_encode(slice_of(g_operator.key_hash, 32), hex);
    snprintf(text, sizeof text,
             "version: 1\ndomain: localhost\ntee: [sim]\nfreshness: none\nsim_devices: [self]\n"
             "session_s: 600\ntenants_max: 3\noperators: [sha256:%s]\n",
             hex);
    REQUIRE(manifest_parse(slice_of_text(text), &manifest, &e) == 0);
    REQUIRE(kbs_prepare(manifest, g_dir, &key, &self, &g_kbs, &e) == 0);
    g_kbs->now_s = now_s;
    g_kbs->now_ms = now_ms;
    REQUIRE(kbs_restore(g_kbs, &e) == 0);
}

static void setup(void)
{
    EVP_PKEY *operator_key = EVP_EC_gen("P-256"), *runtime_key = EVP_EC_gen("P-256");
    g_owner_key = EVP_EC_gen("P-256");
    g_operator = peer_of(TLS_PEER_KEY, operator_key);
    g_owner = peer_of(TLS_PEER_KEY, g_owner_key);
    g_runtime = peer_of(TLS_PEER_ATTESTED, runtime_key);
    g_runtime.evidence = evidence_sample();
    EVP_PKEY_free(operator_key);
    EVP_PKEY_free(runtime_key);
    snprintf(g_dir, sizeof g_dir, "/tmp/coffer-calls-XXXXXX");
    REQUIRE(mkdtemp(g_dir) != NULL);
    atexit(dir_remove);
    kbs_start();
}

/* Calls with `in` (taken) and commits; the answer is the caller's. */
static json_t *call(const struct tls_peer *peer, const char *path, json_t *in, int *ret_status)
{
    struct kbs_call c = {.kbs = g_kbs, .peer = peer, .path = path, .in = in};
    kbs_call_run(&c);
    REQUIRE(kbs_commit(g_kbs) == 0);
    json_decref(in);
    *ret_status = c.status;
    return c.out;
}

static void check_ok(const struct tls_peer *peer, const char *path, json_t *in)
{
    int status = 0;
    json_t *out = call(peer, path, in, &status);
    if (status != 200) {
        char *text = json_dumps(out, 0);
        printf("# %s: %s\n", path, text);
        free(text);
    }
    CHECK_EQ(status, 200);
    json_decref(out);
}

static void check_refused(const struct tls_peer *peer, const char *path, json_t *in, int status,
                          const char *code)
{
    int got = 0;
    json_t *out = call(peer, path, in, &got);
    CHECK_EQ(got, status);
    CHECK_TEXT(json_string_value(json_object_get(out, "code")), code);
    CHECK(json_string_length(json_object_get(out, "remedy")) > 0);
    json_decref(out);
}

static json_t *tenant_request(const char *name)
{
    char hex[65];
    hex_encode(slice_of(g_owner.key_hash, 32), hex);
    return json_pack("{s:s, s:s}", "tenant", name, "owner", hex);
}

static json_t *policy_request(const char *name, const char *yaml, const char *replaces)
{
    SCOPED(buf_done) struct buf text = {0};
    uint8_t signature[128];
    size_t size = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    REQUIRE(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, g_owner_key) == 1);
    REQUIRE(EVP_DigestSign(ctx, signature, &size, (const uint8_t *)yaml, strlen(yaml)) == 1);
    EVP_MD_CTX_free(ctx);
    REQUIRE(crypto_base64_encode(slice_of(signature, size), &text) == 0);
    return json_pack("{s:s, s:s, s:s, s:s#, s:s*}", "tenant", "demo", "policy", name, "yaml", yaml,
                     "signature", (char *)text.bytes, (int)text.size, "replaces", replaces);
}

#define PROGRAM "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define OTHER "sha256:3333333333333333333333333333333333333333333333333333333333333333"

/* A policy `name` of the program `program`, with `more` at its end. */
static void policy_put(const char *name, const char *program, const char *more)
{
    char yaml[2000], hash[65];
    uint8_t digest[SHA256_SIZE];
    int status = 0;
    json_t *old = call(&g_owner, "/v1/policy/get",
                       json_pack("{s:s, s:s}", "tenant", "demo", "policy", name), &status);
    const char *replaces = json_string_value(json_object_get(old, "hash"));
    snprintf(yaml, sizeof yaml,
             "version: 1\ntenant: demo\nname: %s\ntee: [sim]\nprogram: {measurements: [%s]}\n"
             "command: {arguments: [server]}\n%s",
             name, program, more);
    check_ok(&g_owner, "/v1/policy/put", policy_request(name, yaml, replaces));
    REQUIRE(sha256(slice_of_text(yaml), digest) == 0);
    hex_encode(slice_of(digest, sizeof digest), hash);
    json_decref(old);
}

static json_t *provision_request(const char *policy)
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
        json_pack("{s:s, s:s, s:s#}", "tenant", "demo", "policy", policy, "csr", pem, (int)size);
    BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return in;
}

static json_t *volume_request(const char *id, const char *opening)
{
    return json_pack("{s:s, s:s}", "id", id, "opening", opening);
}

static json_t *report_request(const char *id, int epoch, int sequence)
{
    char tag[65];
    memset(tag, '0' + sequence % 10, sizeof tag - 1);
    tag[64] = '\0';
    return json_pack("{s:s, s:i, s:i, s:s}", "id", id, "epoch", epoch, "sequence", sequence, "tag",
                     tag);
}

#define OPENING "000102030405060708090a0b0c0d0e0f"
#define NO_ID "00000000000000000000000000000000"

TEST(operators_add_tenants_within_the_limit)
{
    setup();
    check_refused(&g_owner, "/v1/tenant/add", tenant_request("demo"), 403, "NOT_OPERATOR");
    check_refused(&g_runtime, "/v1/tenant/add", tenant_request("demo"), 403, "NOT_OPERATOR");
    check_ok(&g_operator, "/v1/tenant/add", tenant_request("demo"));
    check_refused(&g_operator, "/v1/tenant/add", tenant_request("demo"), 409, "TENANT_TAKEN");
    check_refused(&g_operator, "/v1/tenant/add", tenant_request("../x"), 400, "REQUEST_INVALID");
    check_ok(&g_operator, "/v1/tenant/add", tenant_request("two"));
    check_ok(&g_operator, "/v1/tenant/add", tenant_request("three"));
    check_refused(&g_operator, "/v1/tenant/add", tenant_request("four"), 429, "LIMIT_REACHED");
}

TEST(requests_that_make_no_sense_are_refused_whatever_is_missing)
{
    static const char *const paths[] = {"/v1/tenant/add",    "/v1/policy/put",
                                        "/v1/policy/get",    "/v1/policy/revoke",
                                        "/v1/secret/reveal", "/v1/secret/give",
                                        "/v1/policy/check",  "/v1/audit",
                                        "/v1/provision",     "/v1/volume/report",
                                        "/v1/volume/open",   "/v1/volume/close",
                                        "/v1/nothing",       "",
                                        "/v1/tenant/list/x", "/v1/info/"};
    const struct tls_peer *const peers[] = {&g_operator, &g_owner, &g_runtime};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        for (size_t p = 0; p < ARRAY_COUNT(peers); p++) {
            json_t *const inputs[] = {NULL, json_array(), json_object(),
                                      json_pack("{s:i, s:i}", "tenant", 1, "policy", 2)};
            for (size_t n = 0; n < ARRAY_COUNT(inputs); n++) {
                int status = 0;
                json_t *out = call(peers[p], paths[i], inputs[n], &status);
                CHECK(status == 400 || status == 403);
                json_decref(out);
            }
        }
    }
}

TEST(the_policys_names_must_be_the_tenants_own)
{
    const char *yaml = "version: 1\ntenant: demo\nname: a\nprogram: {measurements: [" PROGRAM "]}\n"
                       "command: {arguments: [x]}\ntls: {names: [evildemo.localhost]}\n";
    check_refused(&g_owner, "/v1/policy/put", policy_request("a", yaml, NULL), 400,
                  "POLICY_INVALID");
    check_refused(&g_owner, "/v1/policy/put", policy_request("b", yaml, NULL), 400,
                  "POLICY_INVALID");
    policy_put("a", PROGRAM, "tls: {names: [demo.localhost, www.demo.localhost]}\n");
}

TEST(evidence_decides_before_anything_is_told)
{
    struct tls_peer bad = g_runtime;
    bad.kind = TLS_PEER_REFUSED;
    refusal_set(&bad.refusal, REFUSAL_EVIDENCE_STALE, NULL, 0, NULL, NULL);
    check_refused(&bad, "/v1/provision", provision_request("a"), 403, "EVIDENCE_STALE");
    check_refused(&g_owner, "/v1/provision", provision_request("a"), 403, "EVIDENCE_ABSENT");
    bad = g_runtime;
    bad.evidence.tee = TEE_TDX;
    check_refused(&bad, "/v1/provision", provision_request("a"), 403, "TEE_REFUSED");
    bad = g_runtime;
    bad.evidence.program[0] ^= 1;
    check_refused(&bad, "/v1/provision", provision_request("a"), 403, "PROGRAM_REFUSED");
    bad = g_runtime;
    bad.evidence.device[0] ^= 1;
    check_refused(&bad, "/v1/provision", provision_request("a"), 403, "DEVICE_REFUSED");
    bad = g_runtime;
    bad.evidence.debug = true;
    check_refused(&bad, "/v1/provision", provision_request("a"), 403, "DEBUG_REFUSED");
    check_ok(&g_runtime, "/v1/provision", provision_request("a"));
}

TEST(a_refusal_tells_the_peer_what_it_showed_and_not_what_would_do)
{
    struct tls_peer bad = g_runtime;
    int status = 0;
    bad.evidence.program[0] ^= 1;
    json_t *out = call(&bad, "/v1/provision", provision_request("a"), &status);
    CHECK_TEXT(json_string_value(json_object_get(out, "clause")), "program.measurements");
    CHECK_EQ(json_integer_value(json_object_get(out, "line")), 5);
    CHECK(strncmp(json_string_value(json_object_get(out, "seen")), "2322", 4) == 0);
    CHECK(json_object_get(out, "expected") == NULL);
    CHECK(json_object_get(out, "volumes") == NULL && json_object_get(out, "tls") == NULL);
    json_decref(out);
}

TEST(a_request_for_a_certificate_must_be_one)
{
    json_t *in = provision_request("a");
    json_object_set_new(in, "csr", json_string("-----BEGIN nothing"));
    check_refused(&g_runtime, "/v1/provision", in, 400, "REQUEST_INVALID");
}

TEST(secrets_are_imported_from_policies_of_the_same_tenant_only)
{
    int status = 0;
    policy_put("source", PROGRAM,
               "secrets:\n  s: {kind: ascii, source: generate, size: 16, reveal: once}\n");
    policy_put("middle", PROGRAM,
               "secrets: {m: {kind: ascii, source: import, import: {policy: source, secret: s}}}\n"
               "secret_files: [{path: /m, secret: m}]\n");
    policy_put("end", PROGRAM,
               "secrets: {e: {kind: ascii, source: import, import: {policy: middle, secret: m}}}\n"
               "secret_files: [{path: /e, secret: e}]\n");
    json_t *value = call(
        &g_owner, "/v1/secret/reveal",
        json_pack("{s:s, s:s, s:s}", "tenant", "demo", "policy", "source", "secret", "s"), &status);
    json_t *out = call(&g_runtime, "/v1/provision", provision_request("end"), &status);
    CHECK_EQ(status, 200);
    json_t *file = json_array_get(json_object_get(out, "secret_files"), 0);
    SCOPED(buf_done) struct buf got = {0};
    const char *base64 = json_string_value(json_object_get(file, "bytes"));
    REQUIRE(base64 && crypto_base64_decode(slice_of_text(base64), &got) == 0);
    CHECK_EQ(got.size, 16);
    CHECK(slice_is_text(buf_slice(&got), json_string_value(json_object_get(value, "value"))));
    json_decref(value);
    json_decref(out);
    policy_put("loop", PROGRAM,
               "secrets: {l: {kind: ascii, source: import, import: {policy: loop, secret: l}}}\n"
               "secret_files: [{path: /l, secret: l}]\n");
    check_refused(&g_runtime, "/v1/provision", provision_request("loop"), 409, "SECRET_MISSING");
}

TEST(a_generated_certificate_belongs_to_its_generated_key)
{
    int status = 0;
    SCOPED(buf_done) struct buf key_pem = {0}, pem = {0};
    policy_put("pki", PROGRAM,
               "secrets:\n  k: {kind: private_key, source: generate}\n"
               "  c: {kind: certificate, source: generate, key: k, names: [x.demo.localhost]}\n"
               "secret_files: [{path: /k, secret: k}, {path: /c, secret: c}]\n");
    json_t *out = call(&g_runtime, "/v1/provision", provision_request("pki"), &status);
    REQUIRE(status == 200);
    const json_t *files = json_object_get(out, "secret_files");
    const char *k = json_string_value(json_object_get(json_array_get(files, 0), "bytes"));
    const char *c = json_string_value(json_object_get(json_array_get(files, 1), "bytes"));
    REQUIRE(crypto_base64_decode(slice_of_text(k), &key_pem) == 0);
    REQUIRE(crypto_base64_decode(slice_of_text(c), &pem) == 0);
    BIO *a = BIO_new_mem_buf(key_pem.bytes, (int)key_pem.size);
    BIO *b = BIO_new_mem_buf(pem.bytes, (int)pem.size);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(a, NULL, NULL, NULL);
    X509 *certificate = PEM_read_bio_X509(b, NULL, NULL, NULL);
    CHECK_EQ(X509_check_private_key(certificate, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(a);
    BIO_free(b);
    json_decref(out);
}

/* Provisions the runtime for a policy with one volume; its id. */
static void volume_id(const char *policy, const char *mode, char id[33])
{
    char more[100];
    int status = 0;
    snprintf(more, sizeof more, "volumes: [{name: data, mount: /data, mode: %s}]\n", mode);
    policy_put(policy, PROGRAM, more);
    json_t *out = call(&g_runtime, "/v1/provision", provision_request(policy), &status);
    REQUIRE(status == 200);
    json_t *volume = json_array_get(json_object_get(out, "volumes"), 0);
    snprintf(id, 33, "%s", json_string_value(json_object_get(volume, "id")));
    CHECK_EQ(json_is_true(json_object_get(volume, "fresh")), 1);
    json_decref(out);
}

TEST(volumes_belong_to_the_policy_of_their_session)
{
    char a[33], b[33];
    volume_id("va", "periodic", a);
    volume_id("vb", "periodic", b);
    check_refused(&g_runtime, "/v1/volume/open", volume_request(a, OPENING), 404, "VOLUME_UNKNOWN");
    check_refused(&g_runtime, "/v1/volume/open", volume_request(NO_ID, OPENING), 404,
                  "VOLUME_UNKNOWN");
    check_refused(&g_owner, "/v1/volume/open", volume_request(b, OPENING), 403, "SESSION_INVALID");
    check_ok(&g_runtime, "/v1/volume/open", volume_request(b, OPENING));
    check_ok(&g_runtime, "/v1/volume/report", report_request(b, 1, 1));
    check_refused(&g_runtime, "/v1/volume/report", report_request(b, 1, 0), 409, "VOLUME_ROLLBACK");
    check_refused(&g_runtime, "/v1/volume/report", report_request(b, 2, 2), 409, "VOLUME_FENCED");
    check_ok(&g_runtime, "/v1/volume/close", report_request(b, 1, 2));
}

TEST(a_held_volume_says_how_long_to_wait)
{
    char id[33];
    struct tls_peer other = g_runtime;
    int status = 0;
    volume_id("held", "periodic", id);
    check_ok(&g_runtime, "/v1/volume/open", volume_request(id, OPENING));
    memset(other.key_hash, 9, sizeof other.key_hash);
    check_ok(&other, "/v1/provision", provision_request("held"));
    json_t *out = call(&other, "/v1/volume/open", volume_request(id, OPENING), &status);
    CHECK_EQ(status, 423);
    CHECK_EQ(json_integer_value(json_object_get(out, "retry_after_ms")), 15000 + 2500);
    json_decref(out);
    g_now_ms += 17500;
    check_ok(&other, "/v1/volume/open", volume_request(id, OPENING));
    check_refused(&g_runtime, "/v1/volume/report", report_request(id, 1, 1), 409, "VOLUME_FENCED");
}

TEST(a_lease_outlives_a_restart_on_a_machine_whose_clock_is_ahead)
{
    char id[33];
    struct tls_peer other = g_runtime;
    int status = 0;
    volume_id("moved", "periodic", id);
    json_t *opened = call(&g_runtime, "/v1/volume/open", volume_request(id, OPENING), &status);
    CHECK_EQ(json_integer_value(json_object_get(opened, "term_ms")), 15000);
    json_decref(opened);
    kbs_free(TAKE(g_kbs));
    g_now_ms += 1000000000;
    kbs_start();
    memset(other.key_hash, 9, sizeof other.key_hash);
    check_ok(&other, "/v1/provision", provision_request("moved"));
    check_refused(&other, "/v1/volume/open", volume_request(id, OPENING), 423, "VOLUME_HELD");
    check_ok(&g_runtime, "/v1/volume/close", report_request(id, 1, 2));
    check_ok(&other, "/v1/volume/open", volume_request(id, OPENING));
}

TEST(sessions_end_by_time_and_with_their_policy)
{
    char id[33];
    volume_id("session", "strict", id);
    g_now_s += 601;
    check_refused(&g_runtime, "/v1/volume/open", volume_request(id, OPENING), 403,
                  "SESSION_INVALID");
    check_ok(&g_runtime, "/v1/provision",
             json_pack("{s:s, s:s, s:b}", "tenant", "demo", "policy", "session", "renew", 1));
    check_ok(&g_runtime, "/v1/volume/open", volume_request(id, OPENING));
    policy_put("session", OTHER, "");
    check_refused(&g_runtime, "/v1/volume/open", volume_request(id, OPENING), 403,
                  "SESSION_INVALID");
    check_refused(&g_runtime, "/v1/provision", provision_request("session"), 403,
                  "PROGRAM_REFUSED");
}

TEST(state_survives_a_restart_and_audit_goes_on)
{
    int status = 0;
    json_t *before = call(&g_operator, "/v1/info", NULL, &status);
    kbs_free(TAKE(g_kbs));
    kbs_start();
    json_t *after = call(&g_operator, "/v1/info", NULL, &status);
    CHECK(json_integer_value(json_object_get(json_object_get(after, "state"), "commits")) >
          json_integer_value(json_object_get(json_object_get(before, "state"), "commits")));
    json_object_del(before, "state");
    json_object_del(after, "state");
    CHECK(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    json_t *audit = call(&g_operator, "/v1/audit", json_pack("{s:i}", "after", 0), &status);
    const json_t *entries = json_object_get(audit, "entries");
    CHECK(json_array_size(entries) > 20);
    for (size_t i = 0; i < json_array_size(entries); i++)
        CHECK_EQ(json_integer_value(json_object_get(json_array_get(entries, i), "sequence")),
                 (long long)i + 1);
    json_decref(audit);
}

/* A key broker whose state somebody may have put back, with the operator's key to confirm. */
static void kbs_start_owner(void)
{
    struct manifest *manifest = NULL;
    struct evidence self = evidence_sample();
    static const struct key256 key = {{1}};
    char text[500], hex[65];
    hex_encode(slice_of(g_operator.key_hash, 32), hex);
    snprintf(text, sizeof text,
             "version: 1\ndomain: localhost\ntee: [sim, tdx]\nfreshness: owner\n"
             "confirmers: [sha256:%s]\nsim_devices: [self]\noperators: [sha256:%s]\n",
             hex, hex);
    REQUIRE(manifest_parse(slice_of_text(text), &manifest, NULL) == 0);
    REQUIRE(kbs_open(manifest, g_dir, &key, &self, &g_kbs, NULL) == 0);
    g_kbs->now_s = now_s;
    g_kbs->now_ms = now_ms;
}

static json_t *state_of(void)
{
    int status = 0;
    json_t *info = call(&g_operator, "/v1/info", NULL, &status);
    json_t *state = json_incref(json_object_get(info, "state"));
    json_decref(info);
    return state;
}

TEST(who_asks_is_told_the_state_that_his_call_leaves_behind)
{
    int status = 0;
    json_t *request = provision_request("a");
    json_object_set_new(request, "state", json_true());
    json_t *out = call(&g_runtime, "/v1/provision", request, &status);
    json_t *present = state_of();
    CHECK_EQ(status, 200);
    const json_t *told = json_object_get(out, "state");
    CHECK(json_is_object(told));
    /* All but the signatures, which are never the same twice. */
    CHECK(json_equal(json_object_get(told, "commits"), json_object_get(present, "commits")));
    CHECK(json_equal(json_object_get(told, "hash"), json_object_get(present, "hash")));
    check_ok(&g_operator, "/v1/info", json_pack("{s:O}", "witness", told));
    json_decref(out);
    out = call(&g_operator, "/v1/tenant/list", json_object(), &status);
    CHECK(!json_object_get(out, "state"));
    json_decref(out);
    json_decref(present);
}

TEST(a_locked_key_broker_releases_nothing_until_its_head_is_confirmed)
{
    int status = 0;
    kbs_free(TAKE(g_kbs));
    kbs_start_owner();
    json_t *known = state_of();
    CHECK(g_kbs->locked);
    check_refused(&g_runtime, "/v1/provision", provision_request("session"), 503, "LOCKED");
    check_refused(&g_owner, "/v1/policy/get",
                  json_pack("{s:s, s:s}", "tenant", "demo", "policy", "session"), 503, "LOCKED");
    check_refused(&g_owner, "/v1/unlock", json_pack("{s:O}", "head", known), 403, "NOT_CONFIRMER");
    json_t *forged = json_deep_copy(known);
    json_object_set_new(forged, "commits", json_integer(1));
    check_refused(&g_operator, "/v1/unlock", json_pack("{s:o}", "head", forged), 400,
                  "REQUEST_INVALID");
    check_ok(&g_operator, "/v1/unlock", json_pack("{s:O}", "head", known));
    CHECK(!g_kbs->locked);
    json_t *out = call(&g_owner, "/v1/policy/get",
                       json_pack("{s:s, s:s}", "tenant", "demo", "policy", "session"), &status);
    CHECK_EQ(status, 200);
    json_decref(out);
    json_decref(known);
}

static int commit_fails(void *ctx, uint64_t commits_before, struct slice record)
{
    (void)ctx;
    (void)commits_before;
    (void)record;
    return -EIO;
}

TEST(a_key_broker_is_locked_again_if_what_unlocked_it_is_not_on_the_disk)
{
    kbs_free(TAKE(g_kbs));
    kbs_start_owner();
    json_t *in = json_pack("{s:o}", "head", state_of());
    struct kbs_call c = {.kbs = g_kbs, .peer = &g_operator, .path = "/v1/unlock", .in = in};
    store_ship_to(g_kbs->store, commit_fails, NULL);
    kbs_call_run(&c);
    CHECK_EQ(c.status, 200); /* which nobody hears */
    CHECK(kbs_commit(g_kbs) < 0);
    CHECK(g_kbs->locked);
    store_ship_to(g_kbs->store, NULL, NULL);
    check_refused(&g_owner, "/v1/policy/get",
                  json_pack("{s:s, s:s}", "tenant", "demo", "policy", "session"), 503, "LOCKED");
    check_ok(&g_operator, "/v1/unlock", json_incref(in));
    CHECK(!g_kbs->locked);
    json_decref(c.out);
    json_decref(in);
}

static void copy(const char *from, const char *to)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s && cp -r %s %s", to, from, to);
    REQUIRE(system(command) == 0);
}

TEST(an_older_state_is_found_by_who_has_seen_a_newer_one)
{
    char older[128];
    snprintf(older, sizeof older, "%s-older", g_dir);
    kbs_free(TAKE(g_kbs));
    copy(g_dir, older);
    kbs_start_owner();
    json_t *newest = state_of();
    check_ok(&g_operator, "/v1/unlock", json_pack("{s:O}", "head", newest));
    json_decref(newest);
    newest = state_of();
    kbs_free(TAKE(g_kbs));
    copy(older, g_dir);
    kbs_start_owner();
    check_refused(&g_operator, "/v1/unlock", json_pack("{s:O}", "head", newest), 503, "STATE_OLD");
    CHECK(g_kbs->locked);
    /* Whoever knows that something is lost may go on knowingly. */
    check_refused(&g_operator, "/v1/unlock", json_pack("{s:s}", "accept", OPENING OPENING), 400,
                  "REQUEST_INVALID");
    json_t *present = state_of();
    check_ok(&g_operator, "/v1/unlock",
             json_pack("{s:O}", "accept", json_object_get(present, "hash")));
    CHECK(!g_kbs->locked);
    /* A runtime that still remembers locks it again. */
    check_refused(&g_runtime, "/v1/info", json_pack("{s:O}", "witness", newest), 503, "STATE_OLD");
    CHECK(g_kbs->locked);
    json_decref(present);
    json_decref(newest);
    copy("/dev/null", older);
    REQUIRE(unlink(older) == 0);
}

static void audit_key_put(struct slice value)
{
    REQUIRE(store_request_begin(g_kbs->store) == 0);
    REQUIRE(store_setting_put(g_kbs->store, "audit-key", value) == 0);
    REQUIRE(store_request_end(g_kbs->store, true) == 0 && store_commit(g_kbs->store) == 0);
}

TEST(a_state_that_cannot_be_restored_leaves_nothing_open)
{
    SCOPED(buf_done) struct buf key = {0};
    struct error e = {0};
    REQUIRE(store_setting_get(g_kbs->store, "audit-key", &key) == 0);
    audit_key_put(slice_of_text("short"));
    CHECK_EQ(kbs_restore(g_kbs, &e), -EBADMSG);
    CHECK(!g_kbs->restored && !store_busy(g_kbs->store));
    audit_key_put(buf_slice(&key));
    CHECK_EQ(kbs_restore(g_kbs, NULL), 0);
    CHECK(g_kbs->restored && !store_busy(g_kbs->store));
}

TAP_MAIN()
