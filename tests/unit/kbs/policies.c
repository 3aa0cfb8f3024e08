/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy may say beyond one program of one owner: services, namespaces, approvals, one-time
 * codes, imports, and secrets of every kind. */
#include "kbs/jwt.h"
#include "kbs/openapi.h"
#include "kbs/totp.h"
#include "world.h"

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static struct person g_alice, g_bob, g_other;

static void setup(void)
{
    w_start(NULL);
    g_alice = person_new();
    g_bob = person_new();
    g_other = person_new();
    tenant_add("demo", &w_owner);
    tenant_add("other", &g_other);
}

static json_t *approval(const struct person *by, const char *action, const char *name,
                        const char *replaces, const char *hash)
{
    SCOPED(buf_done) struct buf statement = {0};
    const struct access_request request = {action, action, "demo", name, replaces, hash};
    REQUIRE(access_statement(&request, &statement) == 0);
    return json_pack("{s:s, s:o}", "certificate", by->pem, "signature",
                     signature_of(by, buf_text(&statement)));
}

TEST(a_service_gets_what_is_its_own)
{
    setup();
    static const char yaml[] =
        "version: 1\ntenant: demo\nname: shop\ntee: [sim]\nservices:\n"
        "  web: {program: {measurements: [" PROGRAM "]}, command: {arguments: [web]}}\n"
        "  worker:\n    program: {measurements: [sha256:"
        "3333333333333333333333333333333333333333333333333333333333333333]}\n"
        "    command: {arguments: [worker]}\n";
    check_ok(&w_owner.peer, "/v1/policy/put", put_request(&w_owner, "demo", "shop", yaml, NULL));
    json_t *out = good(&w_runtime, "/v1/provision", provision_request("demo", "shop:web"));
    CHECK_TEXT(json_string_value(json_array_get(json_object_get(out, "argv"), 0)), "web");
    json_decref(out);
    check_refused(&w_runtime, "/v1/provision", provision_request("demo", "shop:worker"),
                  "PROGRAM_REFUSED");
    check_refused(&w_runtime, "/v1/provision", provision_request("demo", "shop:cook"),
                  "SERVICE_UNKNOWN");
    check_refused(&w_runtime, "/v1/provision", provision_request("demo", "shop"),
                  "SERVICE_UNKNOWN");
    json_t *in = provision_request("demo", "shop");
    json_object_set_new(in, "service", json_string("web"));
    check_ok(&w_runtime, "/v1/provision", in);
}

TEST(an_identity_is_in_the_certificate)
{
    json_t *out = good(&w_runtime, "/v1/provision", provision_request("demo", "shop:web"));
    const char *pem =
        json_string_value(json_object_get(json_object_get(out, "tls"), "certificate"));
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI)
            found = strcmp((const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                           "spiffe://bank/demo/shop/web") == 0;
    }
    CHECK(found);
    GENERAL_NAMES_free(names);
    X509_free(certificate);
    BIO_free(bio);
    json_decref(out);
}

TEST(two_of_three_must_agree_with_an_update)
{
    char hash[65], wanted[65], more[500];
    snprintf(more, sizeof more,
             "access:\n  read: [owner, sha256:%s]\n"
             "  update: {require: 2, of: [owner, sha256:%s, sha256:%s]}\n",
             g_bob.hash, g_alice.hash, g_bob.hash);
    policy_put(&w_owner, "demo", "vault", more, hash);
    snprintf(more + strlen(more), sizeof more - strlen(more), "explain: true\n");
    char *next = policy_text("demo", "vault", more);
    hash_text(next, wanted);
    /* One alone, whoever it is. */
    check_refused(&w_owner.peer, "/v1/policy/put",
                  put_request(&w_owner, "demo", "vault", next, hash), "APPROVAL_MISSING");
    check_refused(&g_other.peer, "/v1/policy/put",
                  put_request(&g_other, "demo", "vault", next, hash), "APPROVAL_MISSING");
    /* An approval of something else is worth nothing. */
    json_t *in = put_request(&w_owner, "demo", "vault", next, hash);
    json_object_set_new(in, "approvals",
                        json_pack("[o]", approval(&g_alice, "update", "vault", hash, hash)));
    check_refused(&w_owner.peer, "/v1/policy/put", in, "APPROVAL_INVALID");
    in = put_request(&w_owner, "demo", "vault", next, hash);
    json_object_set_new(in, "approvals",
                        json_pack("[o]", approval(&g_alice, "revoke", "vault", hash, wanted)));
    check_refused(&w_owner.peer, "/v1/policy/put", in, "APPROVAL_INVALID");
    /* Nor is the same one twice, nor a stranger's. */
    in = put_request(&g_alice, "demo", "vault", next, hash);
    json_object_set_new(in, "approvals",
                        json_pack("[o, o]", approval(&g_alice, "update", "vault", hash, wanted),
                                  approval(&g_other, "update", "vault", hash, wanted)));
    check_refused(&g_alice.peer, "/v1/policy/put", in, "APPROVAL_MISSING");
    in = put_request(&w_owner, "demo", "vault", next, hash);
    json_object_set_new(in, "approvals",
                        json_pack("[o]", approval(&g_alice, "update", "vault", hash, wanted)));
    check_ok(&w_owner.peer, "/v1/policy/put", in);
    /* Two who are not the owner may as well. */
    char *third = policy_text("demo", "vault", "");
    char third_hash[65];
    hash_text(third, third_hash);
    in = put_request(&g_bob, "demo", "vault", third, wanted);
    json_object_set_new(
        in, "approvals",
        json_pack("[o]", approval(&g_alice, "update", "vault", wanted, third_hash)));
    check_ok(&g_bob.peer, "/v1/policy/put", in);
    free(next);
    free(third);
}

TEST(who_may_read_is_said_by_the_policy)
{
    char hash[65], more[300];
    snprintf(more, sizeof more, "access: {read: [sha256:%s]}\n", g_bob.hash);
    policy_put(&w_owner, "demo", "readable", more, hash);
    json_t *in = json_pack("{s:s, s:s}", "tenant", "demo", "policy", "readable");
    check_ok(&g_bob.peer, "/v1/policy/get", json_incref(in));
    check_refused(&g_alice.peer, "/v1/policy/get", json_incref(in), "APPROVAL_MISSING");
    check_refused(&w_owner.peer, "/v1/policy/get", json_incref(in), "APPROVAL_MISSING");
    check_ok(&w_owner.peer, "/v1/policy/revoke", in);
}

TEST(a_namespace_says_who_may_create_in_it)
{
    char hash[65], more[300];
    char *text = policy_text("demo", "team/db", "");
    snprintf(more, sizeof more, "access: {create: [sha256:%s]}\n", g_alice.hash);
    check_refused(&w_owner.peer, "/v1/policy/put",
                  put_request(&w_owner, "demo", "team/db", text, NULL), "POLICY_UNKNOWN");
    policy_put(&w_owner, "demo", "team", more, hash);
    check_refused(&g_bob.peer, "/v1/policy/put", put_request(&g_bob, "demo", "team/db", text, NULL),
                  "APPROVAL_MISSING");
    check_ok(&g_alice.peer, "/v1/policy/put", put_request(&g_alice, "demo", "team/db", text, NULL));
    check_ok(&w_runtime, "/v1/provision", provision_request("demo", "team/db"));
    free(text);
}

/* The secret out of the text for the telephone. */
static void secret_of(const char *uri, uint8_t secret[TOTP_SECRET_SIZE])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const char *at = strstr(uri, "secret=") + 7;
    unsigned bits = 0, count = 0, size = 0;
    for (; *at && *at != '&' && size < TOTP_SECRET_SIZE; at++) {
        bits = bits << 5 | (unsigned)(strchr(letters, *at) - letters);
        count += 5;
        if (count >= 8)
            secret[size++] = (uint8_t)(bits >> (count -= 8));
    }
    REQUIRE(size == TOTP_SECRET_SIZE);
}

TEST(a_one_time_code_is_a_second_factor)
{
    uint8_t secret[TOTP_SECRET_SIZE];
    char hash[65], code[TOTP_DIGITS + 1];
    json_t *enroll =
        json_pack("{s:s, s:s, s:s}", "tenant", "demo", "policy", "factor", "totp", "phone");
    policy_put(&w_owner, "demo", "factor",
               "totp: [phone]\naccess: {update: {require: 2, of: [owner, {totp: phone}]}}\n", hash);
    json_t *revoke = json_pack("{s:s, s:s, s:{s:s}}", "tenant", "demo", "policy", "factor", "totp",
                               "phone", "000000");
    check_refused(&w_owner.peer, "/v1/policy/revoke", json_incref(revoke), "TOTP_REFUSED");
    check_refused(&g_alice.peer, "/v1/totp/enroll", json_incref(enroll), "NOT_OWNER");
    json_t *out = good(&w_owner.peer, "/v1/totp/enroll", json_incref(enroll));
    secret_of(json_string_value(json_object_get(out, "uri")), secret);
    json_decref(out);
    check_refused(&w_owner.peer, "/v1/totp/enroll", enroll, "SECRET_SPENT");
    REQUIRE(totp_code(secret, (uint64_t)w_now_s / TOTP_STEP_S, code) == 0);
    check_refused(&w_owner.peer, "/v1/policy/revoke",
                  json_pack("{s:s, s:s}", "tenant", "demo", "policy", "factor"),
                  "APPROVAL_MISSING");
    json_object_set_new(json_object_get(revoke, "totp"), "phone", json_string(code));
    check_refused(&g_alice.peer, "/v1/policy/revoke", json_incref(revoke), "APPROVAL_MISSING");
    check_ok(&w_owner.peer, "/v1/policy/revoke", json_incref(revoke));
    check_refused(&w_owner.peer, "/v1/policy/revoke", json_incref(revoke), "TOTP_REFUSED");
    for (int i = 0; i < 30; i++)
        check_refused(&w_owner.peer, "/v1/policy/revoke", json_incref(revoke), "TOTP_REFUSED");
    json_decref(revoke);
}

static json_t *provisioned(const char *tenant, const char *policy)
{
    return good(&w_runtime, "/v1/provision", provision_request(tenant, policy));
}

/* The i-th argument of what a runtime gets. */
static const char *argument(const json_t *out, size_t i)
{
    return json_string_value(json_array_get(json_object_get(out, "argv"), i));
}

TEST(an_import_is_pinned_and_must_be_exported)
{
    char hash[65], ignored[65], more[600];
    policy_put(
        &g_other, "other", "source",
        "secrets:\n  s: {kind: ascii, source: generate, export: [{tenant: demo, policy: sink}]}\n"
        "  t: {kind: ascii, source: generate}\n",
        hash);
    static const char sink[] =
        "command: {arguments: [x, \"${secret.s}\"]}\nsecrets:\n  s: {kind: ascii, source: import, "
        "import: {tenant: other, policy: source, secret: %s, hash: sha256:%s}}\n";
    char *text = NULL;
    snprintf(more, sizeof more, sink, "s", hash);
    REQUIRE(asprintf(&text,
                     "version: 1\ntenant: demo\nname: sink\ntee: [sim]\nprogram: {measurements: "
                     "[" PROGRAM "]}\n%s",
                     more) > 0);
    check_ok(&w_owner.peer, "/v1/policy/put", put_request(&w_owner, "demo", "sink", text, NULL));
    json_t *out = provisioned("demo", "sink");
    CHECK_EQ(strlen(argument(out, 1)), 24);
    json_decref(out);
    /* What is not exported to us is not ours. */
    hash_text(text, ignored);
    free(text);
    snprintf(more, sizeof more, sink, "t", hash);
    REQUIRE(asprintf(&text,
                     "version: 1\ntenant: demo\nname: sink\ntee: [sim]\nprogram: {measurements: "
                     "[" PROGRAM "]}\n%s",
                     more) > 0);
    check_ok(&w_owner.peer, "/v1/policy/put", put_request(&w_owner, "demo", "sink", text, ignored));
    check_refused(&w_runtime, "/v1/provision", provision_request("demo", "sink"), "NOT_EXPORTED");
    free(text);
    /* And once the other policy changes, nobody has agreed to what it is now. */
    policy_put(&g_other, "other", "source",
               "explain: true\nsecrets: {t: {kind: ascii, source: generate}}\n", hash);
    check_refused(&w_runtime, "/v1/provision", provision_request("demo", "sink"), "IMPORT_CHANGED");
}

TEST(an_imported_volume_is_the_very_same)
{
    char hash[65];
    policy_put(&w_owner, "demo", "keeper", "volumes: [{name: data, mount: /d, mode: strict}]\n",
               hash);
    policy_put(&w_owner, "demo", "reader",
               "volumes: [{name: theirs, mount: /t, mode: strict, import: {policy: keeper, volume: "
               "data}}]\n",
               hash);
    json_t *first = provisioned("demo", "keeper"), *second = provisioned("demo", "reader");
    json_t *a = json_array_get(json_object_get(first, "volumes"), 0);
    json_t *b = json_array_get(json_object_get(second, "volumes"), 0);
    CHECK(json_equal(json_object_get(a, "id"), json_object_get(b, "id")));
    CHECK(json_equal(json_object_get(a, "key"), json_object_get(b, "key")));
    CHECK_TEXT(json_string_value(json_object_get(b, "mount")), "/t");
    /* The newest session is the reader's, and it may open what it imports. */
    check_ok(&w_runtime, "/v1/volume/open",
             json_pack("{s:O, s:s}", "id", json_object_get(b, "id"), "opening",
                       "000102030405060708090a0b0c0d0e0f"));
    json_decref(first);
    json_decref(second);
    policy_put(&w_owner, "demo", "keeper",
               "volumes: [{name: data, mount: /d, mode: strict, export: [{policy: friend}]}]\n",
               hash);
    check_refused(&w_runtime, "/v1/provision", provision_request("demo", "reader"), "NOT_EXPORTED");
}

static X509 *certificate_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    REQUIRE(certificate);
    return certificate;
}

static EVP_PKEY *key_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

/* The signed result that other relying parties get. */
TEST(a_result_says_what_was_found)
{
    char hash[65];
    json_t *claims = NULL;
    policy_put(&w_owner, "demo", "seen", "", hash);
    json_t *in = json_pack("{s:s, s:s, s:s}", "tenant", "demo", "policy", "seen", "nonce", "n-1");
    json_t *out = good(&w_runtime, "/v1/result", json_incref(in));
    const char *token = json_string_value(json_object_get(out, "ear"));
    CHECK_EQ(jwt_verify(p256_pkey(w_kbs->audit_key), slice_of_text(token), &claims), 0);
    CHECK_TEXT(json_string_value(json_object_get(claims, "eat_nonce")), "n-1");
    const json_t *found = json_object_get(json_object_get(claims, "submods"), "coffer");
    /* A simulation is honestly said to protect nothing, whatever the policy allows. */
    CHECK_TEXT(json_string_value(json_object_get(found, "ear.status")), "contraindicated");
    CHECK_TEXT(json_string_value(json_object_get(found, "ear.appraisal-policy-id")),
               "coffer:demo/seen");
    json_decref(claims);
    json_decref(out);
    struct tls_peer other = w_runtime;
    other.evidence = evidence_of(0x33);
    check_refused(&other, "/v1/result", json_incref(in), "PROGRAM_REFUSED");
    check_refused(&w_owner.peer, "/v1/result", in, "EVIDENCE_ABSENT");
}

TEST(every_call_is_in_the_openapi_document)
{
    json_t *document = openapi_document();
    const json_t *paths = json_object_get(document, "paths");
    CHECK_TEXT(json_string_value(json_object_get(document, "openapi")), "3.1.0");
    CHECK_EQ(json_object_size(paths), kbs_route_count());
    for (size_t i = 0; i < kbs_route_count(); i++) {
        if (!openapi_has(kbs_route_path(i)))
            printf("# %s\n", kbs_route_path(i));
        CHECK(json_object_get(paths, kbs_route_path(i)) != NULL);
    }
    json_decref(document);
}

TEST(keys_certificates_authorities_and_tokens_are_made)
{
    static const char yaml[] =
        "version: 1\ntenant: demo\nname: keys\ntee: [sim]\nprogram: {measurements: [" PROGRAM "]}\n"
        "secrets:\n"
        "  root: {kind: ca, source: generate, algorithm: p384}\n"
        "  p256: {kind: private_key, source: generate}\n"
        "  p384: {kind: private_key, source: generate, algorithm: p384}\n"
        "  ed: {kind: private_key, source: generate, algorithm: ed25519}\n"
        "  rsa: {kind: private_key, source: generate, algorithm: rsa-2048}\n"
        "  cert: {kind: certificate, source: generate, key: ed, issuer: root, names: [demo.bank],\n"
        "         valid_days: 90, renew_days: 30, client: true}\n"
        "  token: {kind: jwt, source: generate, key: p384, valid_s: 60, claims: {aud: db}}\n"
        "command:\n  arguments: [x, \"${secret.root}\", \"${secret.p256}\", \"${secret.p384}\",\n"
        "    \"${secret.ed}\", \"${secret.rsa}\", \"${secret.cert}\", \"${secret.token}\"]\n"
        "injected_files: [{path: /etc/c, content: \"key = ${secret.p256}\"}]\n";
    check_ok(&w_owner.peer, "/v1/policy/put", put_request(&w_owner, "demo", "keys", yaml, NULL));
    json_t *out = provisioned("demo", "keys");
    static const int kinds[] = {EVP_PKEY_EC, EVP_PKEY_EC, EVP_PKEY_ED25519, EVP_PKEY_RSA};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        EVP_PKEY *key = key_of(argument(out, 2 + i));
        CHECK_EQ(EVP_PKEY_get_base_id(key), kinds[i]);
        EVP_PKEY_free(key);
    }
    /* The authority's key stays where it is; its certificate signs ours. */
    CHECK(strstr(argument(out, 1), "PRIVATE") == NULL);
    X509 *root = certificate_of(argument(out, 1)), *leaf = certificate_of(argument(out, 6));
    CHECK_EQ(X509_verify(leaf, X509_get0_pubkey(root)), 1);
    CHECK_EQ(X509_verify(root, X509_get0_pubkey(root)), 1);
    EVP_PKEY *ed = key_of(argument(out, 4)), *p384 = key_of(argument(out, 3));
    CHECK_EQ(X509_check_private_key(leaf, ed), 1);
    json_t *claims = NULL;
    CHECK_EQ(jwt_verify(p384, slice_of_text(argument(out, 7)), &claims), 0);
    CHECK_TEXT(json_string_value(json_object_get(claims, "aud")), "db");
    CHECK_EQ(json_integer_value(json_object_get(claims, "exp")), w_now_s + 60);
    json_decref(claims);
    json_t *file = json_array_get(json_object_get(out, "secret_files"), 0);
    CHECK_TEXT(json_string_value(json_object_get(file, "path")), "/etc/c");
    /* The same again, but for the token; and near its end a new certificate. */
    w_now_s += 59 * 86400;
    json_t *later = provisioned("demo", "keys");
    CHECK_TEXT(argument(later, 6), argument(out, 6));
    CHECK(strcmp(argument(later, 7), argument(out, 7)) != 0);
    json_decref(later);
    w_now_s += 2 * 86400;
    later = provisioned("demo", "keys");
    CHECK(strcmp(argument(later, 6), argument(out, 6)) != 0);
    X509 *renewed = certificate_of(argument(later, 6));
    CHECK_EQ(X509_verify(renewed, X509_get0_pubkey(root)), 1);
    X509_free(renewed);
    json_decref(later);
    X509_free(root);
    X509_free(leaf);
    EVP_PKEY_free(ed);
    EVP_PKEY_free(p384);
    json_decref(out);
    person_done(&g_alice);
    person_done(&g_bob);
    person_done(&g_other);
}

TAP_MAIN()
