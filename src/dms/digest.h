/* SPDX-License-Identifier: Apache-2.0 */
/* dms/digest.h: SHA-256 and its HMAC, and HMAC-SHA-1 for one-time codes (RFC 6238; nothing else may use it).
 * Through functions of libcrypto that need no set-up and allocate nothing. */
#ifndef COFFER_DMS_DIGEST_H
#define COFFER_DMS_DIGEST_H

#include "base/slice.h"

#define DIGEST_SIZE 32
#define HMAC_SHA1_SIZE 20

void digest_sha256(struct slice bytes, uint8_t digest[DIGEST_SIZE]);

/* Over several pieces, one after the other. */
void digest_sha256_parts(const struct slice *parts, size_t count, uint8_t digest[DIGEST_SIZE]);

/* The same bit by bit: begin, add, end. May be copied; it is a plain value. */
struct digest_state {
    uint64_t opaque[16];
};
void digest_begin(struct digest_state *state);
void digest_add(struct digest_state *state, struct slice bytes);
/* Leaves the state as it is: more may be added. */
void digest_end(const struct digest_state *state, uint8_t digest[DIGEST_SIZE]);

/* HMAC-SHA-256 (RFC 2104) over the parts, one after the other. `key` of at most 64 bytes. */
void hmac_sha256(struct slice key, const struct slice *parts, size_t count,
                 uint8_t mac[DIGEST_SIZE]);

/* `key` of at most 64 bytes. */
void hmac_sha1(struct slice key, struct slice message, uint8_t mac[HMAC_SHA1_SIZE]);

#endif
