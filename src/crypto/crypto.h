/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/crypto.h: thin wrappers over OpenSSL's primitives; AES-GCM is another library's where
 * the processor is made for that (aead_wide.h). Wraps, never invents.
 *
 * Functions return 0, -EBADMSG where something does not verify, or -EIO where the library failed
 * (no memory, no randomness). All are safe on any thread; a struct aead on one at a time. */
#ifndef COFFER_CRYPTO_CRYPTO_H
#define COFFER_CRYPTO_CRYPTO_H

#include "base/buf.h"
#include "base/macros.h"
#include "base/secret.h"
#include "base/slice.h"

#define SHA256_SIZE 32
#define SHA384_SIZE 48
#define AEAD_NONCE_SIZE 12
#define AEAD_TAG_SIZE 16
#define P256_SIGNATURE_SIZE 64 /* r || s, 32 bytes each, big-endian */
#define P256_PUBLIC_SIZE 65    /* 0x04 || x || y (SEC 1, section 2.3.3) */

must_check int crypto_random(void *bytes, size_t size);

must_check int sha256(struct slice bytes, uint8_t ret_digest[SHA256_SIZE]);
must_check int sha384(struct slice bytes, uint8_t ret_digest[SHA384_SIZE]);

/* Over the concatenation of `parts`. */
must_check int sha256_parts(const struct slice *parts, size_t count,
                            uint8_t ret_digest[SHA256_SIZE]);
must_check int hmac_sha256(struct slice key, const struct slice *parts, size_t count,
                           uint8_t ret_mac[SHA256_SIZE]);

/* The same over bytes that come piece by piece. finish() may be called once; free() accepts NULL. */
struct sha256_stream;
must_check int sha256_stream_new(struct sha256_stream **ret_stream);
must_check int sha256_stream_add(struct sha256_stream *stream, struct slice bytes);
must_check int sha256_stream_finish(struct sha256_stream *stream, uint8_t ret_digest[SHA256_SIZE]);
void sha256_stream_free(struct sha256_stream *stream);
void sha256_stream_freep(struct sha256_stream **stream);

/* HKDF-SHA-256 (RFC 5869), extract and expand, to one 32-byte key. */
must_check int hkdf_sha256(struct slice secret, struct slice salt, struct slice info,
                           struct key256 *ret_key);

/* AES-256-GCM with 12-byte nonces and 16-byte tags (NIST SP 800-38D). A context holds one key; the
 * caller sees to it that no nonce is used twice under a key for sealing. */
struct aead;
must_check int aead_new(const struct key256 *key, struct aead **ret_aead);
/* For opening only, so that two threads can open under one key at the same time. */
must_check int aead_copy_open(const struct aead *aead, struct aead **ret_aead);
void aead_free(struct aead *aead);
void aead_freep(struct aead **aead);

/* Encrypts `size` bytes from `in` to `out` (may be the same) and writes the tag apart. */
must_check int aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE],
                         struct slice associated, const void *in, size_t size, void *out,
                         uint8_t ret_tag[AEAD_TAG_SIZE]);

/* The other way. On -EBADMSG `out` has been wiped: nothing unverified is ever returned. */
must_check int aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE],
                         struct slice associated, const void *in, size_t size,
                         const uint8_t tag[AEAD_TAG_SIZE], void *out);

/* ECDSA over P-256 with SHA-256 (FIPS 186-4). The private key never leaves the object but through
 * p256_private(). */
struct p256_key;
must_check int p256_generate(struct p256_key **ret_key);
must_check int p256_from_private(const struct key256 *scalar, struct p256_key **ret_key);
void p256_free(struct p256_key *key);
void p256_freep(struct p256_key **key);
must_check int p256_private(const struct p256_key *key, struct key256 *ret_scalar);
must_check int p256_public(const struct p256_key *key, uint8_t ret_point[P256_PUBLIC_SIZE]);
must_check int p256_sign(const struct p256_key *key, struct slice message,
                         uint8_t ret_signature[P256_SIGNATURE_SIZE]);
must_check int p256_verify(const uint8_t point[P256_PUBLIC_SIZE], struct slice message,
                           const uint8_t signature[P256_SIGNATURE_SIZE]);

/* The key as OpenSSL's EVP_PKEY, borrowed from `key`, for X.509 and TLS. */
struct evp_pkey_st;
struct evp_pkey_st *p256_pkey(const struct p256_key *key);

#endif
