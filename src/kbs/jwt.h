/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/jwt.h: JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, signed with ES256, ES384,
 * EdDSA or RS256, whatever the key is made for. Pure. */
#ifndef COFFER_KBS_JWT_H
#define COFFER_KBS_JWT_H

#include "base/buf.h"

#include <jansson.h>
#include <openssl/types.h>

/* Appends HEADER.CLAIMS.SIGNATURE. `type` is the header's `typ`; `kid` may be NULL. 0, -EOPNOTSUPP
 * (a key of another kind), -ENOMEM, -EIO. */
must_check int jwt_sign(EVP_PKEY *key, const char *type, const char *kid, const json_t *claims,
                        struct buf *out);

/* Checks the signature and returns the claims, which the caller releases. 0, -EBADMSG (no token,
 * another algorithm than the key's), -EKEYREJECTED. Dates are the caller's to judge. */
must_check int jwt_verify(EVP_PKEY *key, struct slice token, json_t **ret_claims);

/* Base64 for URLs without padding (RFC 4648, section 5). */
must_check int base64url_encode(struct slice bytes, struct buf *out);
must_check int base64url_decode(struct slice text, struct buf *out); /* -EBADMSG */

#endif
