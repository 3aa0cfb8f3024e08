/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/pair.h: what two keepers say to each other, kept from the processes that carry it. The key comes
 * from the two keys that they have proved to each other by evidence (the client's and the server's of
 * their TLS connection, P-256, of which each keeper alone has the private half), so neither end's network
 * process can read a root key, make a message, or change one. It is of one connection: the server's
 * keeper makes a certificate for each, which answers the client's random, so what was said over one is
 * nothing over the next. No I/O. One thread.
 *
 *     key       = HKDF-SHA-256(ECDH, salt: none, "coffer pair 2" || point of the client || of the server
 *                 || SHA-256 of the server's certificate)
 *     member n  = 1, 2, 3... in requests of one key
 *     member mac = hexadecimal HMAC-SHA-256 under the key over: "request" or "answer", 0, path, 0, in
 *                 answers the request's mac, 0, and the object without `mac`, compact, keys in order
 *     a key     = base64 of nonce, ciphertext and tag, AES-256-GCM, associated data "coffer pair key" */
#ifndef COFFER_KBS_PAIR_H
#define COFFER_KBS_PAIR_H

#include "crypto/crypto.h"

#include <jansson.h>
#include <openssl/types.h>

/* Of one connection. Starts as {0}; pair_done() wipes it. */
struct pair {
    bool known;
    struct key256 key;
    uint64_t count; /* of the requests that were made, or taken */
};
void pair_done(struct pair *pair);

/* With the holder of the key of `theirs`, whose evidence has been appraised, over the connection whose
 * server's certificate has that hash. `client`: we ask. Once begun it stays. 0; -EOPNOTSUPP its key is
 * not P-256; -EIO. */
must_check int pair_begin(struct pair *pair, const struct p256_key *ours, X509 *theirs,
                          const uint8_t server_certificate[SHA256_SIZE], bool client);

/* Add `n` and `mac`. 0, -ENOMEM, -EIO, -EINVAL (there is no pair yet). */
must_check int pair_request_seal(struct pair *pair, const char *path, json_t *request);
must_check int pair_answer_seal(const struct pair *pair, const char *path, const json_t *request,
                                json_t *answer);
/* 0; -EKEYREJECTED it is not what the other keeper has said, or was taken before; -ENOMEM, -EIO. */
must_check int pair_request_open(struct pair *pair, const char *path, const json_t *request);
must_check int pair_answer_open(const struct pair *pair, const char *path, const json_t *request,
                                const json_t *answer);

must_check int pair_key_seal(const struct pair *pair, const struct key256 *key, json_t **ret_text);
/* -EKEYREJECTED: of another pair, or changed; -EBADMSG: no sealed key. */
must_check int pair_key_open(const struct pair *pair, const json_t *text, struct key256 *ret_key);

#endif
