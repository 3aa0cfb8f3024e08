/* SPDX-License-Identifier: Apache-2.0 */
/* Built where the library for aead_wide.c is missing: aead.c asks aead_wide_works() first. */
#include "crypto/aead_wide.h"

#include <errno.h>
#include <stdlib.h>

bool aead_wide_works(void)
{
    return false;
}

int wide_key_new(const struct key256 *key, struct wide_key **ret_key)
{
    (void)key;
    (void)ret_key;
    return -EOPNOTSUPP;
}

int wide_key_copy(const struct wide_key *key, struct wide_key **ret_key)
{
    (void)key;
    (void)ret_key;
    return -EOPNOTSUPP;
}

void wide_key_free(struct wide_key *key)
{
    (void)key;
}

void wide_seal(const struct wide_key *key, const uint8_t nonce[AEAD_NONCE_SIZE],
               struct slice associated, const void *in, size_t size, void *out,
               uint8_t ret_tag[AEAD_TAG_SIZE])
{
    (void)key, (void)nonce, (void)associated, (void)in, (void)size, (void)out, (void)ret_tag;
    abort();
}

void wide_open_unverified(const struct wide_key *key, const uint8_t nonce[AEAD_NONCE_SIZE],
                          struct slice associated, const void *in, size_t size, void *out,
                          uint8_t ret_tag[AEAD_TAG_SIZE])
{
    (void)key, (void)nonce, (void)associated, (void)in, (void)size, (void)out, (void)ret_tag;
    abort();
}
