/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/out/id_token.h"

#include "base/macros.h"
#include "base/secret.h"
#include "server/base64.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
    P256_SIZE = 32,
    ED25519_SIZE = 32,
    EXPONENT_SIZE_MAX = 5,
    NUMBER_SIZE_MAX = RSA_BITS_MAX / 8 + 1,
};

static const struct {
    const char *name, *kty, *crv;
    enum id_algorithm algorithm;
} algorithms[] = {
    {"RS256", "RSA", NULL, ID_RS256},
    {"PS256", "RSA", NULL, ID_PS256},
    {"ES256", "EC", "P-256", ID_ES256},
    {"EdDSA", "OKP", "Ed25519", ID_EDDSA},
};

unsigned id_algorithm_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(algorithms); i++)
        if (strcmp(algorithms[i].name, name) == 0)
            return algorithms[i].algorithm;
    return 0;
}

static void json_donep(json_t **json)
{
    json_decref(*json);
}
static void pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}
static void md_ctx_freep(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}
static void bn_freep(BIGNUM **number)
{
    BN_free(*number);
}
static void bld_freep(OSSL_PARAM_BLD **build)
{
    OSSL_PARAM_BLD_free(*build);
}
static void params_freep(OSSL_PARAM **params)
{
    OSSL_PARAM_free(*params);
}
static void sig_freep(ECDSA_SIG **sig)
{
    ECDSA_SIG_free(*sig);
}

/* A member that is text without NUL, or NULL. */
static const char *text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

/* A member in base64url. The size, or -EBADMSG. */
static ssize_t bytes_of(const json_t *object, const char *name, uint8_t *to, size_t room)
{
    const char *text = text_of(object, name);
    if (!text || strlen(text) > (room * 4 + 2) / 3)
        return -EBADMSG;
    return base64url_decode(slice_of_text(text), to);
}

/* Keys */

static int key_build(const char *type, OSSL_PARAM_BLD *build, EVP_PKEY **ret)
{
    SCOPED(params_freep) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    SCOPED(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !ctx)
        return -ENOMEM;
    if (EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return -EBADMSG;
    return 0;
}

static int rsa_key(const json_t *jwk, EVP_PKEY **ret)
{
    uint8_t n_bytes[NUMBER_SIZE_MAX + 4], e_bytes[EXPONENT_SIZE_MAX + 4];
    ssize_t n_size = bytes_of(jwk, "n", n_bytes, NUMBER_SIZE_MAX);
    ssize_t e_size = bytes_of(jwk, "e", e_bytes, EXPONENT_SIZE_MAX);
    if (n_size < RSA_BITS_MIN / 8 || e_size < 1)
        return -EBADMSG;
    SCOPED(bn_freep) BIGNUM *n = BN_bin2bn(n_bytes, (int)n_size, NULL);
    SCOPED(bn_freep) BIGNUM *e = BN_bin2bn(e_bytes, (int)e_size, NULL);
    SCOPED(bld_freep) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (!n || !e || !build)
        return -ENOMEM;
    if (BN_num_bits(n) < RSA_BITS_MIN || BN_num_bits(n) > RSA_BITS_MAX || !BN_is_odd(n) ||
        !BN_is_odd(e) || BN_is_one(e))
        return -EBADMSG;
    if (OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) != 1)
        return -ENOMEM;
    return key_build("RSA", build, ret);
}

static int ec_key(const json_t *jwk, EVP_PKEY **ret)
{
    uint8_t point[1 + 2 * P256_SIZE + 4] = {0x04}; /* uncompressed (SEC 1, 2.3.3) */
    if (bytes_of(jwk, "x", point + 1, P256_SIZE) != P256_SIZE ||
        bytes_of(jwk, "y", point + 1 + P256_SIZE, P256_SIZE) != P256_SIZE)
        return -EBADMSG;
    SCOPED(bld_freep) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (!build ||
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + 2 * P256_SIZE) != 1)
        return -ENOMEM;
    int r = key_build("EC", build, ret);
    SCOPED(pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = r == 0 ? EVP_PKEY_CTX_new_from_pkey(NULL, *ret, NULL) : NULL;
    return r < 0 ? r : ctx && EVP_PKEY_public_check(ctx) == 1 ? 0 : -EBADMSG;
}

static int ed_key(const json_t *jwk, EVP_PKEY **ret)
{
    uint8_t bytes[ED25519_SIZE + 4];
    if (bytes_of(jwk, "x", bytes, ED25519_SIZE) != ED25519_SIZE)
        return -EBADMSG;
    *ret = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, bytes, ED25519_SIZE);
    return *ret ? 0 : -EBADMSG;
}

static int key_of(const json_t *jwk, EVP_PKEY **ret)
{
    const char *kty = text_of(jwk, "kty");
    if (kty && strcmp(kty, "RSA") == 0)
        return rsa_key(jwk, ret);
    return kty && strcmp(kty, "EC") == 0 ? ec_key(jwk, ret) : ed_key(jwk, ret);
}

static bool is_text(const json_t *object, const char *name, const char *wanted)
{
    const char *text = text_of(object, name);
    return text && strcmp(text, wanted) == 0;
}

/* Whether a key is of the kind that an algorithm needs, and meant for it. */
static bool key_fits(const json_t *jwk, size_t algorithm)
{
    const json_t *use = json_object_get(jwk, "use"), *alg = json_object_get(jwk, "alg");
    return is_text(jwk, "kty", algorithms[algorithm].kty) &&
           (!algorithms[algorithm].crv || is_text(jwk, "crv", algorithms[algorithm].crv)) &&
           (!use || is_text(jwk, "use", "sig")) &&
           (!alg || is_text(jwk, "alg", algorithms[algorithm].name));
}

static int key_copy(const json_t *jwk, json_t *to)
{
    static const char *const members[] = {"kty", "crv", "use", "alg", "kid", "n", "e", "x", "y"};
    SCOPED(json_donep) json_t *copy = json_object();
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        json_t *value = json_object_get(jwk, members[i]);
        if (value && (!json_is_string(value) || json_object_set(copy, members[i], value) < 0))
            return json_is_string(value) ? -ENOMEM : 0; /* a key as odd as that is none */
    }
    return json_array_append(to, copy) < 0 ? -ENOMEM : 0;
}

int jwk_set_take(const json_t *set, json_t **ret_jwks)
{
    const json_t *keys = json_object_get(set, "keys");
    SCOPED(json_donep) json_t *taken = json_array();
    if (!json_is_array(keys) || json_array_size(keys) > JWK_SET_KEYS_MAX)
        return -EBADMSG;
    for (size_t k = 0; k < json_array_size(keys); k++) {
        const json_t *jwk = json_array_get(keys, k);
        bool fits = false;
        for (size_t i = 0; i < ARRAY_COUNT(algorithms); i++)
            fits = fits || key_fits(jwk, i);
        int r = fits ? key_copy(jwk, taken) : 0;
        if (r < 0)
            return r;
    }
    if (json_array_size(taken) == 0)
        return -EBADMSG;
    *ret_jwks = json_pack("{s:O}", "keys", taken);
    return *ret_jwks ? 0 : -ENOMEM;
}

/* Signatures */

/* R and S side by side (RFC 7518, section 3.4), as OpenSSL wants them. */
static int der_of(struct slice raw, uint8_t **ret_der, size_t *ret_size)
{
    SCOPED(sig_freep) ECDSA_SIG *sig = ECDSA_SIG_new();
    SCOPED(bn_freep) BIGNUM *r = NULL;
    SCOPED(bn_freep) BIGNUM *s = NULL;
    if (raw.size != 2 * P256_SIZE)
        return -EKEYREJECTED;
    r = BN_bin2bn(raw.bytes, P256_SIZE, NULL);
    s = BN_bin2bn(raw.bytes + P256_SIZE, P256_SIZE, NULL);
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1)
        return -ENOMEM;
    r = s = NULL; /* the signature's now */
    int size = i2d_ECDSA_SIG(sig, ret_der);
    *ret_size = size > 0 ? (size_t)size : 0;
    return size > 0 ? 0 : -ENOMEM;
}

static void openssl_freep(uint8_t **bytes)
{
    OPENSSL_free(*bytes);
}

static int signature_check(enum id_algorithm algorithm, EVP_PKEY *key, struct slice said,
                           struct slice signature)
{
    SCOPED(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    SCOPED(openssl_freep) uint8_t *der = NULL;
    EVP_PKEY_CTX *key_ctx = NULL;
    if (!ctx)
        return -ENOMEM;
    if (algorithm == ID_ES256) {
        size_t size = 0;
        int r = der_of(signature, &der, &size);
        if (r < 0)
            return r;
        signature = slice_of(der, size);
    }
    if (EVP_DigestVerifyInit_ex(ctx, &key_ctx, algorithm == ID_EDDSA ? NULL : "SHA256", NULL, NULL,
                                key, NULL) != 1)
        return -EKEYREJECTED;
    if (algorithm == ID_PS256 &&
        (EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, RSA_PSS_SALTLEN_DIGEST) != 1))
        return -EKEYREJECTED;
    int good = EVP_DigestVerify(ctx, signature.bytes, signature.size, said.bytes, said.size);
    ERR_clear_error();
    return good == 1 ? 0 : -EKEYREJECTED;
}

/* The token's parts */

struct parts {
    struct slice said;      /* what is signed: header and payload as they came */
    struct slice signature; /* decoded, in `bytes` */
    json_t *header, *payload;
    uint8_t *bytes;
};

static void parts_done(struct parts *parts)
{
    json_decref(parts->header);
    json_decref(parts->payload);
    free(parts->bytes);
}

/* Decodes what stands before the next dot, or all of it for the last part. */
static int part_next(struct slice *rest, bool last, uint8_t **at, struct slice *ret)
{
    const uint8_t *dot = rest->size ? memchr(rest->bytes, '.', rest->size) : NULL;
    if (last == (dot != NULL))
        return -EBADMSG;
    size_t size = dot ? (size_t)(dot - rest->bytes) : rest->size;
    ssize_t n = base64url_decode(slice_of(rest->bytes, size), *at);
    if (n <= 0)
        return -EBADMSG;
    *ret = slice_of(*at, (size_t)n);
    *at += n;
    if (dot)
        *rest = slice_of(dot + 1, rest->size - size - 1);
    return 0;
}

static int object_of(struct slice text, json_t **ret)
{
    *ret = json_loadb((const char *)text.bytes, text.size, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(*ret) ? 0 : -EBADMSG;
}

static int parts_take(struct slice token, struct parts *ret)
{
    struct slice header, payload, rest = token;
    if (token.size > ID_TOKEN_SIZE_MAX)
        return -EBADMSG;
    ret->bytes = malloc(token.size + 1);
    uint8_t *at = ret->bytes;
    if (!at)
        return -ENOMEM;
    int r = part_next(&rest, false, &at, &header);
    if (r == 0)
        r = part_next(&rest, false, &at, &payload);
    if (r < 0)
        return r;
    ret->said = slice_of(token.bytes, token.size - rest.size - 1);
    r = part_next(&rest, true, &at, &ret->signature);
    if (r == 0)
        r = object_of(header, &ret->header);
    return r < 0 ? r : object_of(payload, &ret->payload);
}

static int algorithm_find(const struct parts *parts, const struct id_wanted *wanted,
                          size_t *ret_algorithm, struct error *e)
{
    const char *alg = text_of(parts->header, "alg"), *typ = text_of(parts->header, "typ");
    if (json_object_get(parts->header, "crit"))
        return error_set(e, -EKEYREJECTED, "the token asks for an extension (crit)");
    if (json_object_get(parts->header, "typ") && (!typ || strcasecmp(typ, "JWT") != 0))
        return error_set(e, -EKEYREJECTED, "the token is of another kind (typ)");
    for (size_t i = 0; alg && i < ARRAY_COUNT(algorithms); i++) {
        if (strcmp(alg, algorithms[i].name) == 0 &&
            (wanted->algorithms & algorithms[i].algorithm)) {
            *ret_algorithm = i;
            return 0;
        }
    }
    return error_set(e, -EKEYREJECTED, "the token is signed by an algorithm that is not allowed");
}

/* The one key of the token's name that fits; without a name there must be only one that fits. */
static int key_find(const struct parts *parts, const json_t *jwks, size_t algorithm,
                    const json_t **ret_jwk, struct error *e)
{
    const json_t *keys = json_object_get(jwks, "keys");
    const json_t *named = json_object_get(parts->header, "kid");
    const char *kid = text_of(parts->header, "kid");
    const json_t *found = NULL;
    if (named && !kid)
        return error_set(e, -EBADMSG, "the token's kid is no text");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *jwk = json_array_get(keys, i);
        if (!key_fits(jwk, algorithm) || (kid && !is_text(jwk, "kid", kid)))
            continue;
        if (found)
            return error_set(e, -EKEYREJECTED, "several keys could be the token's");
        found = jwk;
    }
    if (!found)
        return error_set(e, -ENOKEY, "the provider has no such key for the token");
    *ret_jwk = found;
    return 0;
}

/* Claims */

/* Seconds; fractions are cut. -1: it is not there, or no time. */
static int64_t time_of(const json_t *claims, const char *name)
{
    const json_t *value = json_object_get(claims, name);
    double number = json_is_number(value) ? json_number_value(value) : -1;
    return number >= 0 && number < 1e15 ? (int64_t)number : -1;
}

static int audience_check(const json_t *claims, const char *client, struct error *e)
{
    const json_t *aud = json_object_get(claims, "aud");
    bool named = is_text(claims, "aud", client);
    for (size_t i = 0; i < json_array_size(aud); i++) {
        const char *one = json_string_value(json_array_get(aud, i));
        named = named || (one && strcmp(one, client) == 0);
    }
    if (!named)
        return error_set(e, -EKEYREJECTED, "the token is for somebody else (aud)");
    if ((json_array_size(aud) > 1 || json_object_get(claims, "azp")) &&
        !is_text(claims, "azp", client))
        return error_set(e, -EKEYREJECTED, "the token was given to somebody else (azp)");
    return 0;
}

static int times_check(const json_t *claims, const struct id_wanted *wanted, struct error *e)
{
    int64_t exp = time_of(claims, "exp"), iat = time_of(claims, "iat");
    int64_t nbf = time_of(claims, "nbf"), auth = time_of(claims, "auth_time");
    int64_t now = wanted->now_s;
    if (exp < 0 || iat < 0)
        return error_set(e, -EKEYREJECTED, "the token does not say when it begins and ends");
    if (exp + ID_TOKEN_SKEW_S <= now)
        return error_set(e, -EKEYREJECTED, "the token has expired (exp)");
    if (iat > now + ID_TOKEN_SKEW_S || (json_object_get(claims, "nbf") && nbf < 0) ||
        nbf > now + ID_TOKEN_SKEW_S)
        return error_set(e, -EKEYREJECTED, "the token is of the future (iat, nbf)");
    if (iat + ID_TOKEN_AGE_MAX_S + ID_TOKEN_SKEW_S < now)
        return error_set(e, -EKEYREJECTED, "the token is old (iat)");
    if (wanted->max_age_s >= 0 && (auth < 0 || auth > now + ID_TOKEN_SKEW_S ||
                                   auth + wanted->max_age_s + ID_TOKEN_SKEW_S < now))
        return error_set(e, -EKEYREJECTED, "the sign-in there is too long ago (auth_time)");
    return 0;
}

static bool same_secret(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && ct_verify(a, b, strlen(a)) == 0;
}

static int claims_check(const json_t *claims, const struct id_wanted *wanted, struct error *e)
{
    const char *nonce = text_of(claims, "nonce"), *sub = text_of(claims, "sub");
    if (!is_text(claims, "iss", wanted->issuer))
        return error_set(e, -EKEYREJECTED, "the token is another issuer's (iss)");
    int r = audience_check(claims, wanted->client, e);
    if (r == 0)
        r = times_check(claims, wanted, e);
    if (r < 0)
        return r;
    if (!nonce || !same_secret(nonce, wanted->nonce))
        return error_set(e, -EKEYREJECTED, "the token is of another sign-in (nonce)");
    if (!sub || !*sub || strlen(sub) > SUBJECT_SIZE_MAX)
        return error_set(e, -EKEYREJECTED, "the token names nobody (sub)");
    return 0;
}

int id_token_check(struct slice token, const json_t *jwks, const struct id_wanted *wanted,
                   json_t **ret_claims, struct error *e)
{
    SCOPED(parts_done) struct parts parts = {{0}, {0}, NULL, NULL, NULL};
    SCOPED(pkey_freep) EVP_PKEY *key = NULL;
    const json_t *jwk = NULL;
    size_t algorithm = 0;
    int r = parts_take(token, &parts);
    if (r < 0)
        return error_set(e, r, "the token is malformed");
    r = algorithm_find(&parts, wanted, &algorithm, e);
    if (r == 0)
        r = key_find(&parts, jwks, algorithm, &jwk, e);
    if (r < 0)
        return r;
    r = key_of(jwk, &key);
    if (r < 0)
        return error_set(e, r, "the provider's key is malformed or too small");
    r = signature_check(algorithms[algorithm].algorithm, key, parts.said, parts.signature);
    if (r < 0)
        return error_set(e, r, "the token's signature is wrong");
    r = claims_check(parts.payload, wanted, e);
    if (r == 0)
        *ret_claims = TAKE(parts.payload);
    return r;
}
