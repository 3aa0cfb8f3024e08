/* SPDX-License-Identifier: Apache-2.0 */
/* dms/out/id_token.h: is this ID token the one that was asked for? (OpenID Connect Core 1.0, sections 2 and
 * 3.1.3.7; JWS compact serialization, RFC 7515; JWK sets, RFC 7517; algorithms of RFC 7518, section 3, and
 * RFC 8037.) Does no I/O and reads no clock. Which algorithms may be used is the caller's to say: the
 * token chooses among them, and only one that fits the kind of the key. Keys come from the set alone, never
 * from the token. */
#ifndef COFFER_DMS_OUT_ID_TOKEN_H
#define COFFER_DMS_OUT_ID_TOKEN_H

#include "base/error.h"
#include "base/slice.h"

#include <jansson.h>

#define ID_TOKEN_SIZE_MAX ((size_t)32 << 10)
#define JWK_SET_KEYS_MAX 64
#define ID_TOKEN_SKEW_S 60     /* that clocks may differ */
#define ID_TOKEN_AGE_MAX_S 600 /* since it was issued: it comes straight from the provider */
#define SUBJECT_SIZE_MAX 255   /* OpenID Connect Core, section 2 */

enum id_algorithm { ID_RS256 = 1, ID_PS256 = 2, ID_ES256 = 4, ID_EDDSA = 8, ID_ALL = 15 };

/* The one called so, or 0. */
unsigned id_algorithm_of(const char *name);

struct id_wanted {
    const char *issuer, *client, *nonce;
    unsigned algorithms; /* bits of enum id_algorithm */
    int64_t now_s;
    int64_t max_age_s; /* since the person signed in there; -1: any */
};

/* 0 and the claims, the caller's. -ENOKEY: the set has no key of this name, a newer set may have; -EBADMSG:
 * malformed; -EKEYREJECTED: genuine or not, not this one; -ENOMEM. The text says why, without the token. */
must_check int id_token_check(struct slice token, const json_t *jwks,
                              const struct id_wanted *wanted, json_t **ret_claims, struct error *e);

/* A set as it came, with only the public keys that could verify a signature and only what they need: the
 * caller's. -EBADMSG: it is no set, or has no such key. */
must_check int jwk_set_take(const json_t *set, json_t **ret_jwks);

#endif
