/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/out/id_token.h"
#include "base/buf.h"
#include "server/base64.h"
#include "tap.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#define NOW 2000000000

static const struct id_wanted usual = {"https://id.example", "coffer", "a-nonce", ID_ALL, NOW, -1};

/* A key of each kind, made once. */
static EVP_PKEY *rsa, *rsa_small, *p256, *ed25519;

static void keys_make(void)
{
    if (rsa)
        return;
    rsa = EVP_RSA_gen(2048);
    rsa_small = EVP_RSA_gen(1024);
    p256 = EVP_EC_gen("P-256");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    REQUIRE(rsa && rsa_small && p256 && ed25519);
}

static void code(struct buf *to, const void *bytes, size_t size)
{
    REQUIRE(base64_encode(slice_of(bytes, size), true, to) == 0);
}

/* The signature as JWS has it, behind what is signed. */
static void sign(const char *alg, EVP_PKEY *key, struct buf *token)
{
    uint8_t signature[1024];
    size_t size = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx = NULL;
    REQUIRE(EVP_DigestSignInit_ex(ctx, &key_ctx, strcmp(alg, "EdDSA") == 0 ? NULL : "SHA256", NULL,
                                  NULL, key, NULL) == 1);
    if (strcmp(alg, "PS256") == 0)
        REQUIRE(EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
    REQUIRE(EVP_DigestSign(ctx, signature, &size, token->bytes, token->size) == 1);
    EVP_MD_CTX_free(ctx);
    if (strcmp(alg, "ES256") == 0) {
        const uint8_t *at = signature;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)size);
        REQUIRE(sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32) == 32 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32) == 32);
        ECDSA_SIG_free(sig);
        size = 64;
    }
    (void)buf_append_byte(token, '.');
    code(token, signature, size);
}

static void said(const char *header, const char *claims, struct buf *token)
{
    buf_clear(token);
    code(token, header, strlen(header));
    (void)buf_append_byte(token, '.');
    code(token, claims, strlen(claims));
}

static void number_put(json_t *jwk, const char *name, EVP_PKEY *key, const char *param, int pad)
{
    uint8_t bytes[1024];
    BIGNUM *number = NULL;
    SCOPED(buf_done) struct buf text = {0};
    REQUIRE(EVP_PKEY_get_bn_param(key, param, &number) == 1);
    int size = pad ? BN_bn2binpad(number, bytes, pad) : BN_bn2bin(number, bytes);
    BN_free(number);
    REQUIRE(size > 0);
    code(&text, bytes, (size_t)size);
    json_object_set_new(jwk, name, json_string(buf_text(&text)));
}

static json_t *jwk_of(EVP_PKEY *key, const char *kid)
{
    json_t *jwk = json_pack("{s:s*,s:s}", "kid", kid, "use", "sig");
    if (EVP_PKEY_is_a(key, "RSA")) {
        json_object_set_new(jwk, "kty", json_string("RSA"));
        number_put(jwk, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
        number_put(jwk, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        json_object_set_new(jwk, "kty", json_string("EC"));
        json_object_set_new(jwk, "crv", json_string("P-256"));
        number_put(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
        number_put(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    } else {
        uint8_t bytes[32];
        size_t size = sizeof bytes;
        SCOPED(buf_done) struct buf text = {0};
        REQUIRE(EVP_PKEY_get_raw_public_key(key, bytes, &size) == 1);
        code(&text, bytes, size);
        json_object_set_new(jwk, "kty", json_string("OKP"));
        json_object_set_new(jwk, "crv", json_string("Ed25519"));
        json_object_set_new(jwk, "x", json_string(buf_text(&text)));
    }
    return jwk;
}

/* Keys "rsa", "ec", "ed" and "small". */
static json_t *set_of_all(void)
{
    keys_make();
    return json_pack("{s:[o,o,o,o]}", "keys", jwk_of(rsa, "rsa"), jwk_of(p256, "ec"),
                     jwk_of(ed25519, "ed"), jwk_of(rsa_small, "small"));
}

static int check(struct slice token, const json_t *set, const struct id_wanted *wanted,
                 const char *why)
{
    struct error e = {0};
    json_t *claims = NULL;
    int r = id_token_check(token, set, wanted, &claims, &e);
    CHECK((r == 0) == (claims != NULL));
    if (why && !strstr(e.text, why)) {
        CHECK(!"the reason is another");
        printf("# '%s', not '%s'\n", e.text, why);
    }
    json_decref(claims);
    return r;
}

#define GOOD_CLAIMS                                                                             \
    "{\"iss\":\"https://id.example\",\"sub\":\"ada\",\"aud\":\"coffer\",\"nonce\":\"a-nonce\"," \
    "\"iat\":2000000000,\"exp\":2000000600}"

/* A token with these claims, signed well. */
static int try_claims(const char *claims, const struct id_wanted *wanted, const char *why)
{
    SCOPED(buf_done) struct buf token = {0};
    json_t *set = set_of_all();
    said("{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", claims, &token);
    sign("EdDSA", ed25519, &token);
    int r = check(buf_slice(&token), set, wanted, why);
    json_decref(set);
    return r;
}

static int try_header(const char *header, const char *alg, EVP_PKEY **key, const char *why)
{
    SCOPED(buf_done) struct buf token = {0};
    json_t *set = set_of_all();
    said(header, GOOD_CLAIMS, &token);
    sign(alg, *key, &token);
    int r = check(buf_slice(&token), set, &usual, why);
    json_decref(set);
    return r;
}

TEST(each_algorithm_is_believed_with_its_own_key)
{
    CHECK_EQ(try_header("{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "RS256", &rsa, NULL), 0);
    CHECK_EQ(try_header("{\"alg\":\"PS256\",\"kid\":\"rsa\"}", "PS256", &rsa, NULL), 0);
    CHECK_EQ(try_header("{\"alg\":\"ES256\",\"kid\":\"ec\"}", "ES256", &p256, NULL), 0);
    CHECK_EQ(
        try_header("{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"typ\":\"JWT\"}", "EdDSA", &ed25519, NULL),
        0);
    CHECK_EQ(try_header("{\"alg\":\"ES256\"}", "ES256", &p256, NULL),
             0); /* the only one it can be */
}

TEST(a_signature_of_rfc_7515_is_good)
{
    /* Appendixes A.2 and A.3: what they say is no ID token, which is seen behind the signature. */
    static const char rs256[] =
        "eyJhbGciOiJSUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ."
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
        "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS"
        "jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv"
        "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    static const char es256[] =
        "eyJhbGciOiJFUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ."
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    json_t *set = json_pack(
        "{s:[{s:s,s:s,s:s},{s:s,s:s,s:s,s:s}]}", "keys", "kty", "RSA", "n",
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt"
        "0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX"
        "ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5"
        "IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e", "AQAB", "kty", "EC", "crv", "P-256", "x",
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    struct id_wanted joe = usual;
    joe.issuer = "joe";
    CHECK_EQ(check(slice_of_text(rs256), set, &joe, "(aud)"), -EKEYREJECTED);
    CHECK_EQ(check(slice_of_text(es256), set, &joe, "(aud)"), -EKEYREJECTED);
    json_decref(set);
}

TEST(the_token_does_not_choose_how_it_is_verified)
{
    SCOPED(buf_done) struct buf token = {0};
    json_t *set = set_of_all();
    static const char *const none[] = {"{\"alg\":\"none\"}",
                                       "{\"alg\":\"None\"}",
                                       "{\"alg\":null}",
                                       "{}",
                                       "{\"alg\":\"HS256\",\"kid\":\"rsa\"}",
                                       "{\"alg\":\"RS1\"}"};
    for (size_t i = 0; i < ARRAY_COUNT(none); i++) {
        said(none[i], GOOD_CLAIMS, &token);
        (void)buf_append_text(&token, ".AAAA");
        CHECK_EQ(check(buf_slice(&token), set, &usual, "not allowed"), -EKEYREJECTED);
    }
    said(none[0], GOOD_CLAIMS, &token);
    (void)buf_append_byte(&token, '.');
    CHECK_EQ(check(buf_slice(&token), set, &usual, "malformed"), -EBADMSG);
    json_decref(set);
    /* One key's algorithm with another's key. */
    CHECK_EQ(try_header("{\"alg\":\"RS256\",\"kid\":\"ec\"}", "ES256", &p256, "no such key"),
             -ENOKEY);
    CHECK_EQ(try_header("{\"alg\":\"EdDSA\",\"kid\":\"rsa\"}", "RS256", &rsa, "no such key"),
             -ENOKEY);
    CHECK_EQ(try_header("{\"alg\":\"PS256\",\"kid\":\"rsa\"}", "RS256", &rsa, "signature"),
             -EKEYREJECTED);
    CHECK_EQ(try_header("{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "PS256", &rsa, "signature"),
             -EKEYREJECTED);
    CHECK_EQ(try_header("{\"alg\":\"ES256\",\"kid\":\"ec\",\"crit\":[\"b64\"],\"b64\":false}",
                        "ES256", &p256, "crit"),
             -EKEYREJECTED);
    CHECK_EQ(
        try_header("{\"alg\":\"ES256\",\"kid\":\"ec\",\"typ\":\"at+jwt\"}", "ES256", &p256, "typ"),
        -EKEYREJECTED);
}

TEST(keys_are_those_of_the_set)
{
    CHECK_EQ(try_header("{\"alg\":\"ES256\",\"kid\":\"new\"}", "ES256", &p256, "no such key"),
             -ENOKEY);
    CHECK_EQ(try_header("{\"alg\":\"ES256\",\"kid\":7}", "ES256", &p256, "kid"), -EBADMSG);
    /* Two RSA keys: without a name it could be either. */
    CHECK_EQ(try_header("{\"alg\":\"RS256\"}", "RS256", &rsa, "several"), -EKEYREJECTED);
    CHECK_EQ(try_header("{\"alg\":\"RS256\",\"kid\":\"small\"}", "RS256", &rsa_small, "too small"),
             -EBADMSG);
    EVP_PKEY *other = EVP_EC_gen("P-256");
    CHECK_EQ(try_header("{\"alg\":\"ES256\",\"kid\":\"ec\"}", "ES256", &other, "signature"),
             -EKEYREJECTED);
    /* A key that the token brings along is not looked at. */
    CHECK_EQ(try_header("{\"alg\":\"ES256\",\"kid\":\"ec\",\"jwk\":{\"kty\":\"EC\"},"
                        "\"jku\":\"https://evil.example/\"}",
                        "ES256", &other, "signature"),
             -EKEYREJECTED);
    EVP_PKEY_free(other);
}

TEST(an_algorithm_that_is_not_configured_is_refused)
{
    struct id_wanted wanted = usual;
    wanted.algorithms = ID_RS256 | ID_ES256;
    CHECK_EQ(try_claims(GOOD_CLAIMS, &usual, NULL), 0);
    CHECK_EQ(try_claims(GOOD_CLAIMS, &wanted, "not allowed"), -EKEYREJECTED);
}

#define WITH(iss, sub, aud, nonce, iat, exp)                                            \
    "{\"iss\":" iss ",\"sub\":" sub ",\"aud\":" aud ",\"nonce\":" nonce ",\"iat\":" iat \
    ",\"exp\":" exp "}"
#define ISS "\"https://id.example\""
#define SUB "\"ada\""
#define AUD "\"coffer\""
#define NONCE "\"a-nonce\""
#define IAT "2000000000"
#define EXP "2000000600"

TEST(each_claim_is_checked)
{
    static const struct {
        const char *claims, *why; /* NULL: good */
    } cases[] = {
        {WITH(ISS, SUB, AUD, NONCE, IAT, EXP), NULL},
        {WITH("\"https://id.example/\"", SUB, AUD, NONCE, IAT, EXP), "(iss)"},
        {WITH("\"https://evil.example\"", SUB, AUD, NONCE, IAT, EXP), "(iss)"},
        {WITH("null", SUB, AUD, NONCE, IAT, EXP), "(iss)"},
        {WITH("[" ISS "]", SUB, AUD, NONCE, IAT, EXP), "(iss)"},
        {WITH(ISS, SUB, "\"other\"", NONCE, IAT, EXP), "(aud)"},
        {WITH(ISS, SUB, "[]", NONCE, IAT, EXP), "(aud)"},
        {WITH(ISS, SUB, "[\"other\",7]", NONCE, IAT, EXP), "(aud)"},
        {WITH(ISS, SUB, "{\"coffer\":1}", NONCE, IAT, EXP), "(aud)"},
        {WITH(ISS, SUB, "[\"coffer\"]", NONCE, IAT, EXP), NULL},
        {WITH(ISS, SUB, "[\"coffer\",\"other\"]", NONCE, IAT, EXP), "(azp)"},
        {WITH(ISS, SUB, "[\"coffer\",\"other\"],\"azp\":\"other\"", NONCE, IAT, EXP), "(azp)"},
        {WITH(ISS, SUB, "[\"coffer\",\"other\"],\"azp\":\"coffer\"", NONCE, IAT, EXP), NULL},
        {WITH(ISS, SUB, "\"coffer\",\"azp\":\"other\"", NONCE, IAT, EXP), "(azp)"},
        {WITH(ISS, SUB, AUD, "\"b-nonce\"", IAT, EXP), "(nonce)"},
        {WITH(ISS, SUB, AUD, "\"\"", IAT, EXP), "(nonce)"},
        {WITH(ISS, SUB, AUD, "null", IAT, EXP), "(nonce)"},
        {WITH(ISS, SUB, AUD, NONCE, IAT, "1999999941"), NULL}, /* clocks differ */
        {WITH(ISS, SUB, AUD, NONCE, IAT, "1999999940"), "(exp)"},
        {WITH(ISS, SUB, AUD, NONCE, IAT, "\"2000000600\""), "begins and ends"},
        {WITH(ISS, SUB, AUD, NONCE, IAT, "-1"), "begins and ends"},
        {WITH(ISS, SUB, AUD, NONCE, IAT, "1e300"), "begins and ends"},
        {WITH(ISS, SUB, AUD, NONCE, IAT, "2000000600.5"), NULL},
        {WITH(ISS, SUB, AUD, NONCE, "null", EXP), "begins and ends"},
        {WITH(ISS, SUB, AUD, NONCE, "2000000060", EXP), NULL},
        {WITH(ISS, SUB, AUD, NONCE, "2000000061", EXP), "future"},
        {WITH(ISS, SUB, AUD, NONCE, "1999999340", EXP), NULL},
        {WITH(ISS, SUB, AUD, NONCE, "1999999339", EXP), "(iat)"},
        {WITH(ISS, SUB, AUD, NONCE, IAT ",\"nbf\":2000000061", EXP), "future"},
        {WITH(ISS, SUB, AUD, NONCE, IAT ",\"nbf\":\"x\"", EXP), "future"},
        {WITH(ISS, "\"\"", AUD, NONCE, IAT, EXP), "(sub)"},
        {WITH(ISS, "7", AUD, NONCE, IAT, EXP), "(sub)"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        CHECK_EQ(try_claims(cases[i].claims, &usual, cases[i].why),
                 cases[i].why ? -EKEYREJECTED : 0);
    CHECK_EQ(try_claims("{\"iss\":1,\"iss\":1}", &usual, "malformed"), -EBADMSG);
    CHECK_EQ(try_claims("[]", &usual, "malformed"), -EBADMSG);
    CHECK_EQ(try_claims("{\"sub\":\"ada\\u0000eve\"}", &usual, "malformed"), -EBADMSG);
    CHECK_EQ(try_claims("{\"a\":\"\xff\"}", &usual, "malformed"), -EBADMSG);
}

TEST(how_long_ago_the_person_signed_in_is_checked_if_asked)
{
    struct id_wanted wanted = usual;
    wanted.max_age_s = 100;
    CHECK_EQ(try_claims(GOOD_CLAIMS, &wanted, "(auth_time)"), -EKEYREJECTED);
    CHECK_EQ(
        try_claims(WITH(ISS, SUB, AUD, NONCE, IAT, EXP ",\"auth_time\":1999999840"), &wanted, NULL),
        0);
    CHECK_EQ(try_claims(WITH(ISS, SUB, AUD, NONCE, IAT, EXP ",\"auth_time\":1999999839"), &wanted,
                        "(auth_time)"),
             -EKEYREJECTED);
    CHECK_EQ(try_claims(WITH(ISS, SUB, AUD, NONCE, IAT, EXP ",\"auth_time\":2000000061"), &wanted,
                        "(auth_time)"),
             -EKEYREJECTED);
}

TEST(a_token_of_another_shape_is_malformed)
{
    static const char *const cases[] = {"",
                                        ".",
                                        "..",
                                        "...",
                                        "a.b",
                                        "e30.e30.",
                                        "e30.e30.AA.AA",
                                        "e30.e30.A",
                                        "e30=.e30.AA",
                                        "e30.e3 0.AA",
                                        "e30.e31.AA",
                                        "AA.AA.AA",
                                        "e30.e30.AA\n"};
    json_t *set = set_of_all();
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        CHECK_EQ(check(slice_of_text(cases[i]), set, &usual, "malformed"), -EBADMSG);
    SCOPED(buf_done) struct buf large = {0};
    for (size_t i = 0; i <= ID_TOKEN_SIZE_MAX; i++)
        REQUIRE(buf_append_byte(&large, 'A') == 0);
    CHECK_EQ(check(buf_slice(&large), set, &usual, "malformed"), -EBADMSG);
    json_decref(set);
}

TEST(a_set_is_reduced_to_what_can_verify)
{
    json_t *taken = NULL;
    json_t *set = set_of_all();
    json_t *keys = json_object_get(set, "keys");
    json_array_append_new(keys, json_pack("{s:s,s:s}", "kty", "oct", "k", "AAAA"));
    json_array_append_new(keys, json_pack("{s:s,s:s,s:s}", "kty", "RSA", "use", "enc", "n", "AA"));
    json_array_append_new(keys, json_string("no key"));
    json_object_set_new(json_array_get(keys, 0), "x5c", json_string("a certificate"));
    CHECK_EQ(jwk_set_take(set, &taken), 0);
    const json_t *left = json_object_get(taken, "keys");
    CHECK_EQ(json_array_size(left), 4);
    CHECK(!json_object_get(json_array_get(left, 0), "x5c"));
    json_decref(taken);
    json_decref(set);

    static const char *const bad[] = {"{}", "{\"keys\":[]}", "{\"keys\":{}}",
                                      "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        set = json_loads(bad[i], 0, NULL);
        CHECK_EQ(jwk_set_take(set, &taken), -EBADMSG);
        json_decref(set);
    }
    set = json_pack("{s:[]}", "keys");
    for (int i = 0; i <= JWK_SET_KEYS_MAX; i++)
        json_array_append_new(json_object_get(set, "keys"), jwk_of(p256, NULL));
    CHECK_EQ(jwk_set_take(set, &taken), -EBADMSG);
    json_decref(set);
}

TAP_MAIN()
