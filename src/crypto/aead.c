/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct aead {
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
};

int aead_new(const struct key256 *key, struct aead **ret_aead)
{
    SCOPED(aead_freep) struct aead *aead = calloc(1, sizeof *aead);
    if (!aead)
        return -ENOMEM;
    aead->seal = EVP_CIPHER_CTX_new();
    aead->open = EVP_CIPHER_CTX_new();
    if (!aead->seal || !aead->open ||
        EVP_EncryptInit_ex(aead->seal, EVP_aes_256_gcm(), NULL, key->bytes, NULL) != 1 ||
        EVP_DecryptInit_ex(aead->open, EVP_aes_256_gcm(), NULL, key->bytes, NULL) != 1)
        return -EIO;
    *ret_aead = TAKE(aead);
    return 0;
}

int aead_copy_open(const struct aead *aead, struct aead **ret_aead)
{
    SCOPED(aead_freep) struct aead *copy = calloc(1, sizeof *copy);
    if (!copy)
        return -ENOMEM;
    copy->open = EVP_CIPHER_CTX_new();
    if (!copy->open || EVP_CIPHER_CTX_copy(copy->open, aead->open) != 1)
        return -EIO;
    *ret_aead = TAKE(copy);
    return 0;
}

void aead_free(struct aead *aead)
{
    if (!aead)
        return;
    EVP_CIPHER_CTX_free(aead->seal);
    EVP_CIPHER_CTX_free(aead->open);
    free(aead);
}

void aead_freep(struct aead **aead)
{
    aead_free(*aead);
}

int aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], struct slice associated,
              const void *in, size_t size, void *out, uint8_t ret_tag[AEAD_TAG_SIZE])
{
    EVP_CIPHER_CTX *ctx = aead->seal;
    int len;
    if (size > INT_MAX || associated.size > INT_MAX ||
        EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1)
        return -EIO;
    if (associated.size > 0 &&
        EVP_EncryptUpdate(ctx, NULL, &len, associated.bytes, (int)associated.size) != 1)
        return -EIO;
    if (size > 0 && EVP_EncryptUpdate(ctx, out, &len, in, (int)size) != 1)
        return -EIO;
    uint8_t none[AEAD_TAG_SIZE];
    if (EVP_EncryptFinal_ex(ctx, none, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, ret_tag) != 1)
        return -EIO;
    return 0;
}

int aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], struct slice associated,
              const void *in, size_t size, const uint8_t tag[AEAD_TAG_SIZE], void *out)
{
    EVP_CIPHER_CTX *ctx = aead->open;
    uint8_t expected[AEAD_TAG_SIZE];
    int len;
    if (size > INT_MAX || associated.size > INT_MAX ||
        EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1)
        return -EIO;
    if (associated.size > 0 &&
        EVP_DecryptUpdate(ctx, NULL, &len, associated.bytes, (int)associated.size) != 1)
        return -EIO;
    if (size > 0 && EVP_DecryptUpdate(ctx, out, &len, in, (int)size) != 1) {
        secret_wipe(out, size);
        return -EIO;
    }
    memcpy(expected, tag, sizeof expected);
    uint8_t none[AEAD_TAG_SIZE];
    if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, expected) != 1 ||
        EVP_DecryptFinal_ex(ctx, none, &len) != 1) {
        secret_wipe(out, size);
        return -EBADMSG;
    }
    return 0;
}
