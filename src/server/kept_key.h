/* SPDX-License-Identifier: Apache-2.0 */
/* server/kept_key.h: a P-256 key for OpenSSL whose private half is elsewhere: what it has to sign is
 * asked for. Holds the public half only. One thread. */
#ifndef COFFER_SERVER_KEPT_KEY_H
#define COFFER_SERVER_KEPT_KEY_H

#include "base/buf.h"

#include <openssl/types.h>

struct kept_key;

/* The ECDSA signature (DER) of a digest. 0 or -errno. */
typedef int kept_key_sign_fn(void *ctx, struct slice digest, struct buf *ret_signature);

/* For the key of `certificate`, which is P-256. 0, -EINVAL another kind of key, -ENOMEM, -EIO. */
must_check int kept_key_new(const X509 *certificate, kept_key_sign_fn *sign, void *ctx,
                            struct kept_key **ret_key);
void kept_key_free(struct kept_key *key);

/* Borrowed. What uses it ends before the key does. */
EVP_PKEY *kept_key_pkey(const struct kept_key *key);

#endif
