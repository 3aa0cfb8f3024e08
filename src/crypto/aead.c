/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead_wide.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* Either a key for wide instructions or OpenSSL's contexts. */
struct aead {
    struct wide_key *wide;
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
};

int aead_new(const struct key256 *key, struct aead **ret_aead)
{
    SCOPED(aead_freep) struct aead *aead = calloc(1, sizeof *aead);
    if (!aead)
        return -ENOMEM;
    if (aead_wide_works()) {
        int r = wide_key_new(key, &aead->wide);
        if (r == 0)
            *ret_aead = TAKE(aead);
        return r;
    }
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
    if (aead->wide) {
        int r = wide_key_copy(aead->wide, &copy->wide);
        if (r == 0)
            *ret_aead = TAKE(copy);
        return r;
    }
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
    wide_key_free(aead->wide);
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
    if (aead->wide) {
        wide_seal(aead->wide, nonce, associated, in, size, out, ret_tag);
        return 0;
    }
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

static int open_wide(const struct wide_key *key, const uint8_t nonce[AEAD_NONCE_SIZE],
                     struct slice associated, struct slice in, const uint8_t tag[AEAD_TAG_SIZE],
                     void *out)
{
    uint8_t expected[AEAD_TAG_SIZE], got[AEAD_TAG_SIZE];
    memcpy(expected, tag, sizeof expected); /* `out` may be where it is, too */
    wide_open_unverified(key, nonce, associated, in.bytes, in.size, out, got);
    if (ct_verify(expected, got, sizeof got) == 0)
        return 0;
    secret_wipe(out, in.size);
    return -EBADMSG;
}

int aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], struct slice associated,
              const void *in, size_t size, const uint8_t tag[AEAD_TAG_SIZE], void *out)
{
    EVP_CIPHER_CTX *ctx = aead->open;
    uint8_t expected[AEAD_TAG_SIZE];
    int len;
    if (aead->wide)
        return open_wide(aead->wide, nonce, associated, slice_of(in, size), tag, out);
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
