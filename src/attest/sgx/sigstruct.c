/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/sgx/sigstruct.h"

#include "base/reader.h"
#include "base/writer.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#define EXPONENT 3
#define HEAD_SIZE 128
#define BODY_AT 900
#define BODY_SIZE 128

static const uint8_t header1[16] = {6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1};
static const uint8_t header2[16] = {1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1};

static bool zeros_take(struct reader *rd, size_t size)
{
    struct slice bytes = reader_slice(rd, size);
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.bytes[i] != 0)
            return false;
    return bytes.size == size;
}

int sigstruct_parse(struct slice bytes, struct sigstruct *ret)
{
    struct reader rd = reader_over(bytes);
    struct sigstruct s = {0};
    bool good = slice_equals(reader_slice(&rd, 16), slice_of(header1, 16));
    s.vendor = reader_u32(&rd);
    s.date = reader_u32(&rd);
    good &= slice_equals(reader_slice(&rd, 16), slice_of(header2, 16));
    s.software_defined = reader_u32(&rd);
    good &= zeros_take(&rd, 84);
    reader_copy(&rd, s.modulus, sizeof s.modulus);
    good &= reader_u32(&rd) == EXPONENT;
    reader_copy(&rd, s.signature, sizeof s.signature);
    s.misc_select = reader_u32(&rd);
    s.misc_mask = reader_u32(&rd);
    s.cet_attributes = reader_u8(&rd);
    s.cet_attributes_mask = reader_u8(&rd);
    good &= zeros_take(&rd, 2);
    reader_copy(&rd, s.family_id, sizeof s.family_id);
    reader_copy(&rd, s.attributes, sizeof s.attributes);
    reader_copy(&rd, s.attributes_mask, sizeof s.attributes_mask);
    reader_copy(&rd, s.mr_enclave, sizeof s.mr_enclave);
    good &= zeros_take(&rd, 16);
    reader_copy(&rd, s.extended_product_id, sizeof s.extended_product_id);
    s.product_id = reader_u16(&rd);
    s.svn = reader_u16(&rd);
    good &= zeros_take(&rd, 12);
    reader_copy(&rd, s.q1, sizeof s.q1);
    reader_copy(&rd, s.q2, sizeof s.q2);
    if (!reader_finished(&rd) || !good)
        return -EBADMSG;
    *ret = s;
    return 0;
}

void sigstruct_write(const struct sigstruct *s, uint8_t ret[SIGSTRUCT_SIZE])
{
    struct writer wr = writer_over(ret, SIGSTRUCT_SIZE);
    writer_bytes(&wr, header1, sizeof header1);
    writer_u32(&wr, s->vendor);
    writer_u32(&wr, s->date);
    writer_bytes(&wr, header2, sizeof header2);
    writer_u32(&wr, s->software_defined);
    writer_zeros(&wr, 84);
    writer_bytes(&wr, s->modulus, sizeof s->modulus);
    writer_u32(&wr, EXPONENT);
    writer_bytes(&wr, s->signature, sizeof s->signature);
    writer_u32(&wr, s->misc_select);
    writer_u32(&wr, s->misc_mask);
    writer_bytes(&wr, &s->cet_attributes, 1);
    writer_bytes(&wr, &s->cet_attributes_mask, 1);
    writer_zeros(&wr, 2);
    writer_bytes(&wr, s->family_id, sizeof s->family_id);
    writer_bytes(&wr, s->attributes, sizeof s->attributes);
    writer_bytes(&wr, s->attributes_mask, sizeof s->attributes_mask);
    writer_bytes(&wr, s->mr_enclave, sizeof s->mr_enclave);
    writer_zeros(&wr, 16);
    writer_bytes(&wr, s->extended_product_id, sizeof s->extended_product_id);
    writer_u16(&wr, s->product_id);
    writer_u16(&wr, s->svn);
    writer_zeros(&wr, 12);
    writer_bytes(&wr, s->q1, sizeof s->q1);
    writer_bytes(&wr, s->q2, sizeof s->q2);
}

static void signed_bytes(const struct sigstruct *s, uint8_t ret[HEAD_SIZE + BODY_SIZE])
{
    uint8_t all[SIGSTRUCT_SIZE];
    sigstruct_write(s, all);
    memcpy(ret, all, HEAD_SIZE);
    memcpy(ret + HEAD_SIZE, all + BODY_AT, BODY_SIZE);
}

static void bytes_reverse(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        uint8_t one = bytes[i];
        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = one;
    }
}

static int key_check(EVP_PKEY *key, struct error *e)
{
    BIGNUM *exponent = NULL;
    int good = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) == 3072 &&
               EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
               BN_is_word(exponent, EXPONENT);
    BN_free(exponent);
    ERR_clear_error();
    return good ? 0
                : error_set(e, -EINVAL,
                            "an enclave is signed with an RSA key of 3072 bits and exponent 3 "
                            "(openssl genrsa -3 3072)");
}

static int modulus_take(struct sigstruct *s, EVP_PKEY *key)
{
    BIGNUM *n = NULL;
    int good = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
               BN_bn2lebinpad(n, s->modulus, sizeof s->modulus) == sizeof s->modulus;
    BN_free(n);
    return good ? 0 : -EIO;
}

/* q1 = floor(sig^2 / n), q2 = floor((sig^3 - q1 * sig * n) / n): with them a processor checks
 * sig^3 mod n without dividing. */
static int quotients(const struct sigstruct *s, uint8_t ret_q1[SIGSTRUCT_KEY_SIZE],
                     uint8_t ret_q2[SIGSTRUCT_KEY_SIZE])
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *n = BN_lebin2bn(s->modulus, sizeof s->modulus, NULL);
    BIGNUM *sig = BN_lebin2bn(s->signature, sizeof s->signature, NULL);
    BIGNUM *square = BN_new(), *q1 = BN_new(), *rest = BN_new(), *q2 = BN_new();
    int good = ctx && n && sig && square && q1 && rest && q2 && !BN_is_zero(n) &&
               BN_sqr(square, sig, ctx) && BN_div(q1, rest, square, n, ctx) &&
               BN_mul(square, rest, sig, ctx) && BN_div(q2, rest, square, n, ctx) &&
               BN_bn2lebinpad(q1, ret_q1, SIGSTRUCT_KEY_SIZE) == SIGSTRUCT_KEY_SIZE &&
               BN_bn2lebinpad(q2, ret_q2, SIGSTRUCT_KEY_SIZE) == SIGSTRUCT_KEY_SIZE;
    BN_free(n);
    BN_free(sig);
    BN_free(square);
    BN_free(q1);
    BN_free(rest);
    BN_free(q2);
    BN_CTX_free(ctx);
    ERR_clear_error();
    return good ? 0 : -EBADMSG;
}

int sigstruct_sign(struct sigstruct *s, EVP_PKEY *key, struct error *e)
{
    uint8_t message[HEAD_SIZE + BODY_SIZE];
    size_t size = sizeof s->signature;
    int r = key_check(key, e);
    if (r == 0)
        r = modulus_take(s, key);
    if (r < 0)
        return r;
    signed_bytes(s, message);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int good = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
               EVP_DigestSign(ctx, s->signature, &size, message, sizeof message) == 1 &&
               size == sizeof s->signature;
    EVP_MD_CTX_free(ctx);
    if (!good)
        return error_set(e, -EIO, "the enclave cannot be signed with this key");
    bytes_reverse(s->signature, sizeof s->signature);
    return quotients(s, s->q1, s->q2);
}

static EVP_PKEY *public_key(const struct sigstruct *s)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_lebin2bn(s->modulus, sizeof s->modulus, NULL);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    if (build && n && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_ulong(build, OSSL_PKEY_PARAM_RSA_E, EXPONENT))
        params = OSSL_PARAM_BLD_to_param(build);
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(n);
    return key;
}

int sigstruct_verify(const struct sigstruct *s)
{
    uint8_t message[HEAD_SIZE + BODY_SIZE], signature[SIGSTRUCT_KEY_SIZE];
    uint8_t q1[SIGSTRUCT_KEY_SIZE], q2[SIGSTRUCT_KEY_SIZE];
    EVP_PKEY *key = public_key(s);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    memcpy(signature, s->signature, sizeof signature);
    bytes_reverse(signature, sizeof signature);
    signed_bytes(s, message);
    int good = key && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
               EVP_DigestVerify(ctx, signature, sizeof signature, message, sizeof message) == 1 &&
               quotients(s, q1, q2) == 0 && memcmp(q1, s->q1, sizeof q1) == 0 &&
               memcmp(q2, s->q2, sizeof q2) == 0;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good ? 0 : -EKEYREJECTED;
}

int sigstruct_signer(const struct sigstruct *s, uint8_t ret[SHA256_SIZE])
{
    return sha256(slice_of(s->modulus, sizeof s->modulus), ret);
}
