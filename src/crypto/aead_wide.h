/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/aead_wide.h: AES-256-GCM with 512-bit instructions (VAES, VPCLMULQDQ), about three times as
 * fast as OpenSSL 3.0's at 4 KiB; for aead.c alone. The code is that of Intel's Multi-Buffer Crypto
 * for IPsec Library, as Debian builds it (aead_wide.c); without that library nothing here works
 * (aead_wide_none.c). */
#ifndef COFFER_CRYPTO_AEAD_WIDE_H
#define COFFER_CRYPTO_AEAD_WIDE_H

#include "crypto/crypto.h"

/* The expanded key; read-only once made, so any number of threads may use it. */
struct wide_key;

/* Has this processor, and the system on it, all that is needed? Asked once. Any thread. */
bool aead_wide_works(void);

/* 0 or -ENOMEM. */
must_check int wide_key_new(const struct key256 *key, struct wide_key **ret_key);
must_check int wide_key_copy(const struct wide_key *key, struct wide_key **ret_key);
void wide_key_free(struct wide_key *key);

void wide_seal(const struct wide_key *key, const uint8_t nonce[AEAD_NONCE_SIZE],
               struct slice associated, const void *in, size_t size, void *out,
               uint8_t ret_tag[AEAD_TAG_SIZE]);
/* `out` is not wiped: the caller compares tags first. */
void wide_open_unverified(const struct wide_key *key, const uint8_t nonce[AEAD_NONCE_SIZE],
                          struct slice associated, const void *in, size_t size, void *out,
                          uint8_t ret_tag[AEAD_TAG_SIZE]);

#endif
