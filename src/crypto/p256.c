/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

enum { SCALAR_SIZE = 32, DER_SIZE_MAX = 80 };

struct p256_key {
    EVP_PKEY *pkey;
};

void p256_free(struct p256_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

void p256_freep(struct p256_key **key)
{
    p256_free(*key);
}

struct evp_pkey_st *p256_pkey(const struct p256_key *key)
{
    return key->pkey;
}

int p256_generate(struct p256_key **ret_key)
{
    SCOPED(p256_freep) struct p256_key *key = calloc(1, sizeof *key);
    if (!key)
        return -ENOMEM;
    key->pkey = EVP_EC_gen("P-256");
    if (!key->pkey)
        return -EIO;
    *ret_key = TAKE(key);
    return 0;
}

/* An EVP_PKEY from a point and, unless NULL, a scalar. NULL if the library refuses them. */
static EVP_PKEY *pkey_from_parts(const uint8_t point[P256_PUBLIC_SIZE], const BIGNUM *scalar)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    int selection = scalar ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    if (build && ctx &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, P256_PUBLIC_SIZE) ==
            1 &&
        (!scalar || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1))
        params = OSSL_PARAM_BLD_to_param(build);
    if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, selection, params) != 1)
        pkey = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

int p256_from_private(const struct key256 *scalar, struct p256_key **ret_key)
{
    uint8_t point_bytes[P256_PUBLIC_SIZE];
    SCOPED(p256_freep) struct p256_key *key = calloc(1, sizeof *key);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = group ? EC_POINT_new(group) : NULL;
    BIGNUM *d = BN_secure_new();
    if (key && point && d && BN_bin2bn(scalar->bytes, SCALAR_SIZE, d) && !BN_is_zero(d) &&
        BN_cmp(d, EC_GROUP_get0_order(group)) < 0 &&
        EC_POINT_mul(group, point, d, NULL, NULL, NULL) == 1 &&
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, point_bytes,
                           sizeof point_bytes, NULL) == sizeof point_bytes)
        key->pkey = pkey_from_parts(point_bytes, d);
    BN_clear_free(d);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    if (!key)
        return -ENOMEM;
    if (!key->pkey)
        return -EIO;
    *ret_key = TAKE(key);
    return 0;
}

int p256_private(const struct p256_key *key, struct key256 *ret_scalar)
{
    BIGNUM *d = NULL;
    int ok = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
             BN_bn2binpad(d, ret_scalar->bytes, SCALAR_SIZE) == SCALAR_SIZE;
    BN_clear_free(d);
    return ok ? 0 : -EIO;
}

int p256_public(const struct p256_key *key, uint8_t ret_point[P256_PUBLIC_SIZE])
{
    size_t size = 0;
    int ok = EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY, ret_point,
                                             P256_PUBLIC_SIZE, &size);
    return ok == 1 && size == P256_PUBLIC_SIZE ? 0 : -EIO;
}

int p256_sign(const struct p256_key *key, struct slice message,
              uint8_t ret_signature[P256_SIGNATURE_SIZE])
{
    uint8_t der[DER_SIZE_MAX];
    size_t size = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
             EVP_DigestSign(ctx, der, &size, message.bytes, message.size) == 1;
    EVP_MD_CTX_free(ctx);
    const uint8_t *at = der;
    ECDSA_SIG *sig = ok ? d2i_ECDSA_SIG(NULL, &at, (long)size) : NULL;
    ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret_signature, SCALAR_SIZE) == SCALAR_SIZE &&
         BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret_signature + SCALAR_SIZE, SCALAR_SIZE) ==
             SCALAR_SIZE;
    ECDSA_SIG_free(sig);
    return ok ? 0 : -EIO;
}

/* r || s as the DER that EVP wants. Returns the size, 0 if the library failed. */
static int signature_to_der(const uint8_t signature[P256_SIGNATURE_SIZE],
                            uint8_t ret_der[DER_SIZE_MAX])
{
    int size = 0;
    uint8_t *at = ret_der;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, SCALAR_SIZE, NULL);
    BIGNUM *s = BN_bin2bn(signature + SCALAR_SIZE, SCALAR_SIZE, NULL);
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; /* owned by sig now */
        size = i2d_ECDSA_SIG(sig, &at);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return size;
}

int p256_verify(const uint8_t point[P256_PUBLIC_SIZE], struct slice message,
                const uint8_t signature[P256_SIGNATURE_SIZE])
{
    uint8_t der[DER_SIZE_MAX];
    int size = signature_to_der(signature, der);
    if (size <= 0)
        return -EIO;
    EVP_PKEY *pkey = pkey_from_parts(point, NULL);
    EVP_MD_CTX *ctx = pkey ? EVP_MD_CTX_new() : NULL;
    int ok = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
             EVP_DigestVerify(ctx, der, (size_t)size, message.bytes, message.size) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok ? 0 : -EBADMSG;
}
