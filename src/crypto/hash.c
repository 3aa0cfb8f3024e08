/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>

int crypto_random(void *bytes, size_t size)
{
    if (size > INT_MAX)
        return -EIO;
    return RAND_bytes(bytes, (int)size) == 1 ? 0 : -EIO;
}

static int digest(const EVP_MD *kind, const struct slice *parts, size_t count, uint8_t *ret_digest)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestInit_ex(ctx, kind, NULL) == 1;
    for (size_t i = 0; ok && i < count; i++)
        ok = EVP_DigestUpdate(ctx, parts[i].bytes, parts[i].size) == 1;
    ok = ok && EVP_DigestFinal_ex(ctx, ret_digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? 0 : -EIO;
}

int sha256(struct slice bytes, uint8_t ret_digest[SHA256_SIZE])
{
    return digest(EVP_sha256(), &bytes, 1, ret_digest);
}

int sha384(struct slice bytes, uint8_t ret_digest[SHA384_SIZE])
{
    return digest(EVP_sha384(), &bytes, 1, ret_digest);
}

int sha256_parts(const struct slice *parts, size_t count, uint8_t ret_digest[SHA256_SIZE])
{
    return digest(EVP_sha256(), parts, count, ret_digest);
}

struct sha256_stream {
    EVP_MD_CTX *ctx;
};

int sha256_stream_new(struct sha256_stream **ret_stream)
{
    SCOPED(sha256_stream_freep) struct sha256_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return -ENOMEM;
    stream->ctx = EVP_MD_CTX_new();
    if (!stream->ctx || EVP_DigestInit_ex(stream->ctx, EVP_sha256(), NULL) != 1)
        return -EIO;
    *ret_stream = TAKE(stream);
    return 0;
}

int sha256_stream_add(struct sha256_stream *stream, struct slice bytes)
{
    return EVP_DigestUpdate(stream->ctx, bytes.bytes, bytes.size) == 1 ? 0 : -EIO;
}

int sha256_stream_finish(struct sha256_stream *stream, uint8_t ret_digest[SHA256_SIZE])
{
    return EVP_DigestFinal_ex(stream->ctx, ret_digest, NULL) == 1 ? 0 : -EIO;
}

void sha256_stream_free(struct sha256_stream *stream)
{
    if (!stream)
        return;
    EVP_MD_CTX_free(stream->ctx);
    free(stream);
}

void sha256_stream_freep(struct sha256_stream **stream)
{
    sha256_stream_free(*stream);
}

int hmac_sha256(struct slice key, const struct slice *parts, size_t count,
                uint8_t ret_mac[SHA256_SIZE])
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                           OSSL_PARAM_construct_end()};
    size_t size = 0;
    int ok = ctx && EVP_MAC_init(ctx, key.bytes, key.size, params) == 1;
    for (size_t i = 0; ok && i < count; i++)
        ok = EVP_MAC_update(ctx, parts[i].bytes, parts[i].size) == 1;
    ok = ok && EVP_MAC_final(ctx, ret_mac, &size, SHA256_SIZE) == 1 && size == SHA256_SIZE;
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return ok ? 0 : -EIO;
}

int hkdf_sha256(struct slice secret, struct slice salt, struct slice info, struct key256 *ret_key)
{
    static const uint8_t no_salt[SHA256_SIZE];
    static const uint8_t first = 1;
    uint8_t extracted[SHA256_SIZE];
    if (salt.size == 0)
        salt = slice_of(no_salt, sizeof no_salt);
    int r = hmac_sha256(salt, &secret, 1, extracted);
    if (r == 0) {
        /* One block of output: T(1) = HMAC(PRK, info || 0x01). */
        const struct slice parts[] = {info, slice_of(&first, 1)};
        r = hmac_sha256(slice_of(extracted, sizeof extracted), parts, 2, ret_key->bytes);
    }
    secret_wipe(extracted, sizeof extracted);
    return r;
}
