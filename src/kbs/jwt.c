/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/jwt.h"

#include "attest/json_memory.h"
#include "crypto/base64.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

enum { SIGNATURE_MAX = 1024, TOKEN_MAX = 64 << 10 };

struct algorithm {
    const char *name;
    const char *digest; /* NULL: the key's own */
    size_t scalar;      /* of ECDSA; 0: the signature is taken as it is */
};

static const struct algorithm *algorithm_of(EVP_PKEY *key)
{
    static const struct algorithm es256 = {"ES256", "SHA256", 32}, es384 = {"ES384", "SHA384", 48},
                                  eddsa = {"EdDSA", NULL, 0}, rs256 = {"RS256", "SHA256", 0};
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
        return EVP_PKEY_get_bits(key) == 256   ? &es256
               : EVP_PKEY_get_bits(key) == 384 ? &es384
                                               : NULL;
    case EVP_PKEY_ED25519:
        return &eddsa;
    case EVP_PKEY_RSA:
        return &rs256;
    default:
        return NULL;
    }
}

int base64url_encode(struct slice bytes, struct buf *out)
{
    SCOPED(buf_done) struct buf text = {0};
    int r = crypto_base64_encode(bytes, &text);
    for (size_t i = 0; r == 0 && i < text.size && text.bytes[i] != '='; i++) {
        uint8_t c = text.bytes[i];
        r = buf_append_byte(out, c == '+' ? '-' : c == '/' ? '_' : c);
    }
    return r;
}

int base64url_decode(struct slice text, struct buf *out)
{
    SCOPED(buf_done) struct buf usual = {0};
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        if (c == '+' || c == '/' || c == '=')
            return -EBADMSG;
        buf_append_byte(&usual, c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (usual.size % 4 != 0 && !usual.failed)
        buf_append_byte(&usual, '=');
    return usual.failed ? -ENOMEM : crypto_base64_decode(buf_slice(&usual), out);
}

static int json_append(struct buf *out, const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    int r = text ? base64url_encode(slice_of_text(text), out) : -ENOMEM;
    json_memory_free(text);
    return r;
}

/* OpenSSL's DER as r || s, and back. */
static int der_to_raw(struct slice der, size_t scalar, uint8_t raw[2 * 48])
{
    const uint8_t *at = der.bytes;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)der.size);
    int ok = signature &&
             BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, (int)scalar) == (int)scalar &&
             BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + scalar, (int)scalar) == (int)scalar;
    ECDSA_SIG_free(signature);
    return ok ? 0 : -EIO;
}

static int raw_to_der(struct slice raw, size_t scalar, uint8_t der[SIGNATURE_MAX], size_t *ret_size)
{
    if (raw.size != 2 * scalar)
        return -EKEYREJECTED;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.bytes, (int)scalar, NULL);
    BIGNUM *s = BN_bin2bn(raw.bytes + scalar, (int)scalar, NULL);
    int size = -1;
    if (signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL;
        uint8_t *at = der;
        size = i2d_ECDSA_SIG(signature, NULL) <= SIGNATURE_MAX ? i2d_ECDSA_SIG(signature, &at) : -1;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    *ret_size = size > 0 ? (size_t)size : 0;
    return size > 0 ? 0 : -EIO;
}

static int signature_append(EVP_PKEY *key, const struct algorithm *a, struct buf *out)
{
    uint8_t bytes[SIGNATURE_MAX], raw[2 * 48];
    size_t size = sizeof bytes;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestSignInit_ex(ctx, NULL, a->digest, NULL, NULL, key, NULL) == 1 &&
             EVP_DigestSign(ctx, bytes, &size, out->bytes, out->size) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    int r = ok ? 0 : -EIO;
    struct slice signature = slice_of(bytes, size);
    if (r == 0 && a->scalar) {
        r = der_to_raw(signature, a->scalar, raw);
        signature = slice_of(raw, 2 * a->scalar);
    }
    if (r == 0)
        r = buf_append_byte(out, '.');
    return r < 0 ? r : base64url_encode(signature, out);
}

int jwt_sign(EVP_PKEY *key, const char *type, const char *kid, const json_t *claims,
             struct buf *out)
{
    SCOPED(buf_done) struct buf token = {0};
    const struct algorithm *a = algorithm_of(key);
    if (!a)
        return -EOPNOTSUPP;
    json_t *header = json_pack("{s:s, s:s, s:s*}", "alg", a->name, "typ", type, "kid", kid);
    int r = json_append(&token, header);
    json_decref(header);
    if (r == 0)
        r = buf_append_byte(&token, '.');
    if (r == 0)
        r = json_append(&token, claims);
    if (r == 0)
        r = signature_append(key, a, &token);
    return r < 0 ? r : buf_append_slice(out, buf_slice(&token));
}

static json_t *part_parse(struct slice text)
{
    SCOPED(buf_done) struct buf bytes = {0};
    if (base64url_decode(text, &bytes) < 0)
        return NULL;
    return json_loadb((const char *)bytes.bytes, bytes.size, JSON_REJECT_DUPLICATES, NULL);
}

static int signature_check(EVP_PKEY *key, const struct algorithm *a, struct slice message,
                           struct slice text)
{
    SCOPED(buf_done) struct buf raw = {0};
    uint8_t der[SIGNATURE_MAX];
    int r = base64url_decode(text, &raw);
    struct slice signature = buf_slice(&raw);
    if (r == 0 && a->scalar) {
        r = raw_to_der(buf_slice(&raw), a->scalar, der, &signature.size);
        signature.bytes = der;
    }
    if (r < 0)
        return r;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok =
        ctx && EVP_DigestVerifyInit_ex(ctx, NULL, a->digest, NULL, NULL, key, NULL) == 1 &&
        EVP_DigestVerify(ctx, signature.bytes, signature.size, message.bytes, message.size) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok ? 0 : -EKEYREJECTED;
}

int jwt_verify(EVP_PKEY *key, struct slice token, json_t **ret_claims)
{
    const struct algorithm *a = algorithm_of(key);
    const uint8_t *first =
        token.size && token.size <= TOKEN_MAX ? memchr(token.bytes, '.', token.size) : NULL;
    size_t head = first ? (size_t)(first - token.bytes) : 0;
    const uint8_t *second = first ? memchr(first + 1, '.', token.size - head - 1) : NULL;
    if (!a || !second)
        return -EBADMSG;
    size_t signed_size = (size_t)(second - token.bytes);
    json_t *header = part_parse(slice_of(token.bytes, head));
    const char *name = json_string_value(json_object_get(header, "alg"));
    int r = name && strcmp(name, a->name) == 0 ? 0 : -EBADMSG;
    json_decref(header);
    if (r == 0)
        r = signature_check(key, a, slice_of(token.bytes, signed_size),
                            slice_of(second + 1, token.size - signed_size - 1));
    if (r < 0)
        return r;
    *ret_claims = part_parse(slice_of(first + 1, signed_size - head - 1));
    return *ret_claims ? 0 : -EBADMSG;
}
