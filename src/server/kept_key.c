/* SPDX-License-Identifier: Apache-2.0 */
/* By a method of the key's own: the only way of OpenSSL 3.0 that needs neither an engine nor a provider
 * to load, and that later versions keep. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "server/kept_key.h"

#include "crypto/crypto.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

struct kept_key {
    EC_KEY_METHOD *method;
    EVP_PKEY *pkey;
    kept_key_sign_fn *sign;
    void *ctx;
};

static int key_index(void)
{
    static int index = -1;
    if (index < 0)
        index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

static int method_sign(int type, const unsigned char *digest, int size, unsigned char *to,
                       unsigned int *ret_size, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *ec)
{
    SCOPED(buf_done) struct buf signature = {0};
    const struct kept_key *key = EC_KEY_get_ex_data(ec, key_index());
    (void)type;
    (void)kinv;
    (void)r;
    if (!key || size <= 0 || key->sign(key->ctx, slice_of(digest, (size_t)size), &signature) < 0 ||
        signature.size == 0 || signature.size > (size_t)ECDSA_size(ec))
        return 0;
    memcpy(to, signature.bytes, signature.size);
    *ret_size = (unsigned int)signature.size;
    return 1;
}

static EC_KEY *ec_new(struct kept_key *key, const uint8_t point[P256_PUBLIC_SIZE])
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    if (ec && EC_KEY_oct2key(ec, point, P256_PUBLIC_SIZE, NULL) == 1 &&
        EC_KEY_set_method(ec, key->method) == 1 && EC_KEY_set_ex_data(ec, key_index(), key) == 1)
        return ec;
    EC_KEY_free(ec);
    return NULL;
}

int kept_key_new(const X509 *certificate, kept_key_sign_fn *sign, void *ctx,
                 struct kept_key **ret_key)
{
    uint8_t point[P256_PUBLIC_SIZE];
    size_t size = 0;
    char group[40] = "";
    EVP_PKEY *public = X509_get0_pubkey(certificate);
    if (!public || EVP_PKEY_get_group_name(public, group, sizeof group, NULL) != 1 ||
        strcmp(group, "prime256v1") != 0 ||
        EVP_PKEY_get_octet_string_param(public, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                        &size) != 1 ||
        size != sizeof point)
        return -EINVAL;
    struct kept_key *key = calloc(1, sizeof *key);
    if (!key)
        return -ENOMEM;
    key->sign = sign;
    key->ctx = ctx;
    key->method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    if (key->method)
        EC_KEY_METHOD_set_sign(key->method, method_sign, NULL, NULL);
    EC_KEY *ec = key->method ? ec_new(key, point) : NULL;
    key->pkey = ec ? EVP_PKEY_new() : NULL;
    if (!key->pkey || EVP_PKEY_assign_EC_KEY(key->pkey, ec) != 1) {
        EC_KEY_free(ec);
        kept_key_free(key);
        return -EIO;
    }
    *ret_key = key;
    return 0;
}

void kept_key_free(struct kept_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    EC_KEY_METHOD_free(key->method);
    free(key);
}

EVP_PKEY *kept_key_pkey(const struct kept_key *key)
{
    return key->pkey;
}
