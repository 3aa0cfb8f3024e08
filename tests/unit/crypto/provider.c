/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/provider.h"

#include "crypto/crypto.h"
#include "tap.h"

#include <openssl/evp.h>

TEST(what_we_use_is_there_and_the_rest_is_not)
{
    CHECK_EQ(crypto_start(), 0);
    CHECK_EQ(crypto_start(), 0);
    EVP_CIPHER *used = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    EVP_CIPHER *unused = EVP_CIPHER_fetch(NULL, "CAMELLIA-128-CBC", NULL);
    EVP_MD *old = EVP_MD_fetch(NULL, "MD5", NULL);
    CHECK(used && !unused && !old);
    EVP_CIPHER_free(used);
}

TEST(the_wrappers_work_with_it)
{
    struct key256 key = {{1}}, derived;
    struct aead *aead;
    uint8_t nonce[AEAD_NONCE_SIZE] = {0}, tag[AEAD_TAG_SIZE], text[4] = "abc", digest[SHA384_SIZE];
    struct slice part = slice_of(text, sizeof text);
    CHECK_EQ(aead_new(&key, &aead), 0);
    CHECK_EQ(aead_seal(aead, nonce, part, text, sizeof text, text, tag), 0);
    CHECK_EQ(aead_open(aead, nonce, slice_of("abc", 4), text, sizeof text, tag, text), 0);
    CHECK(memcmp(text, "abc", 4) == 0);
    aead_free(aead);
    CHECK_EQ(crypto_random(digest, sizeof digest), 0);
    CHECK_EQ(sha256(part, digest), 0);
    CHECK_EQ(sha384(part, digest), 0);
    CHECK_EQ(hmac_sha256(part, &part, 1, digest), 0);
    CHECK_EQ(hkdf_sha256(part, part, part, &derived), 0);
    struct p256_key *pair;
    uint8_t point[P256_PUBLIC_SIZE], signature[P256_SIGNATURE_SIZE];
    CHECK_EQ(p256_generate(&pair), 0);
    CHECK_EQ(p256_public(pair, point), 0);
    CHECK_EQ(p256_sign(pair, part, signature), 0);
    CHECK_EQ(p256_verify(point, part, signature), 0);
    p256_free(pair);
}

TAP_MAIN()
