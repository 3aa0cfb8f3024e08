/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/digest.h"

#include "base/secret.h"

#include <assert.h>
/* The functions that OpenSSL 3 would rather see replaced are the ones without set-up. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

void digest_sha256_parts(const struct slice *parts, size_t count, uint8_t digest[DIGEST_SIZE])
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    for (size_t i = 0; i < count; i++)
        SHA256_Update(&ctx, parts[i].bytes, parts[i].size);
    SHA256_Final(digest, &ctx);
    secret_wipe(&ctx, sizeof ctx);
}

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct digest_state), "room for the state");

void digest_begin(struct digest_state *state)
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    memcpy(state, &ctx, sizeof ctx);
}

void digest_add(struct digest_state *state, struct slice bytes)
{
    SHA256_CTX ctx;
    memcpy(&ctx, state, sizeof ctx);
    SHA256_Update(&ctx, bytes.bytes, bytes.size);
    memcpy(state, &ctx, sizeof ctx);
}

void digest_end(const struct digest_state *state, uint8_t digest[DIGEST_SIZE])
{
    SHA256_CTX ctx;
    memcpy(&ctx, state, sizeof ctx);
    SHA256_Final(digest, &ctx);
}

void digest_sha256(struct slice bytes, uint8_t digest[DIGEST_SIZE])
{
    digest_sha256_parts(&bytes, 1, digest);
}

void hmac_sha256(struct slice key, const struct slice *parts, size_t count,
                 uint8_t mac[DIGEST_SIZE])
{
    uint8_t pad[SHA256_CBLOCK];
    SHA256_CTX ctx;
    assert(key.size <= sizeof pad);
    for (int outer = 0; outer < 2; outer++) {
        memset(pad, outer ? 0x5c : 0x36, sizeof pad);
        for (size_t i = 0; i < key.size; i++)
            pad[i] ^= key.bytes[i];
        SHA256_Init(&ctx);
        SHA256_Update(&ctx, pad, sizeof pad);
        if (outer)
            SHA256_Update(&ctx, mac, DIGEST_SIZE);
        for (size_t i = 0; !outer && i < count; i++)
            SHA256_Update(&ctx, parts[i].bytes, parts[i].size);
        SHA256_Final(mac, &ctx);
    }
    secret_wipe(pad, sizeof pad);
    secret_wipe(&ctx, sizeof ctx);
}

void hmac_sha1(struct slice key, struct slice message, uint8_t mac[HMAC_SHA1_SIZE])
{
    uint8_t pad[SHA_CBLOCK];
    SHA_CTX ctx;
    assert(key.size <= sizeof pad);
    for (int outer = 0; outer < 2; outer++) {
        memset(pad, outer ? 0x5c : 0x36, sizeof pad);
        for (size_t i = 0; i < key.size; i++)
            pad[i] ^= key.bytes[i];
        SHA1_Init(&ctx);
        SHA1_Update(&ctx, pad, sizeof pad);
        if (outer)
            SHA1_Update(&ctx, mac, HMAC_SHA1_SIZE);
        else
            SHA1_Update(&ctx, message.bytes, message.size);
        SHA1_Final(mac, &ctx);
    }
    secret_wipe(pad, sizeof pad);
    secret_wipe(&ctx, sizeof ctx);
}
