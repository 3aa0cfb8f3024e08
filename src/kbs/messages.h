/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/messages.h: what the network process and the keeper say to each other (docs/decisions/019).
 * Fixed shapes, a cap on each size; both ends treat the other as hostile. No I/O.
 *
 *     message = size (u32, of what follows the head), kind (u8), id (u32), body      little endian
 *
 * A JSON document of a client's does not travel as text: it is a tree of values, each a tag and, by
 * tag, nothing, 8 bytes, or a size (u32) and bytes; an array has a count (u32) before its values, an
 * object the same before its pairs of key (a size and bytes) and value. */
#ifndef COFFER_KBS_MESSAGES_H
#define COFFER_KBS_MESSAGES_H

#include "base/buf.h"
#include "base/macros.h"

#include <jansson.h>

#define MESSAGE_HEAD_SIZE 9
#define MESSAGE_CALL_SIZE_MAX (2u << 20)
#define MESSAGE_PEER_CALL_SIZE_MAX (18u << 20) /* a state or record of the other key broker */
#define MESSAGE_ANSWER_SIZE_MAX (64u << 20)
#define MESSAGE_PATH_SIZE_MAX 63
#define VALUE_DEPTH_MAX 16
#define VALUE_COUNT_MAX 20000
#define VALUE_KEY_SIZE_MAX 255

/* id: a connection (C), a call (c), or nothing. Columns: name, smallest and largest body. */
#define MESSAGES_TO_KEEPER(M)                                                                  \
    M(HELLO, 32, 32)                  /* C: ClientHello.random; answered by CERTIFICATE */     \
    M(SIGN, 32, 48)                   /* C: hash of a transcript; answered by SIGNATURE */     \
    M(PEER, 17, 257u << 10)           /* C: token, messages of its handshake (transcript.h) */ \
    M(CLOSED, 0, 0)                   /* C */                                                  \
    M(CALL, 6, MESSAGE_CALL_SIZE_MAX) /* c: struct message_call; answered by ANSWER */         \
    M(PEER_CALL, 6, MESSAGE_PEER_CALL_SIZE_MAX) /* c: the same, for a path of a peer's */      \
    M(METRICS, 16, 16)                          /* c: two counters; answered by ANSWER */      \
    M(DRAINED, 0, 0)                            /* nothing more will be asked */               \
    M(ALIVE, 0, 0)                              /* c: answered by ANSWER */                    \
    M(RESUME, 16, 16)                           /* C: it has no handshake, but the token of one */
#define MESSAGES_TO_NETWORK(M)                                                                \
    M(READY, 2, 4096) /* accept connections; 1: PEER_CALL too, there is another key broker, \
                         or 0; then the certificate (DER), without evidence */ \
    M(CERTIFICATE, 0, 128u << 10)         /* C: struct message_certificate; empty: none */    \
    M(SIGNATURE, 0, 80)                   /* C: DER; empty: there is none */                  \
    M(ANSWER, 3, MESSAGE_ANSWER_SIZE_MAX) /* c: struct message_answer */                      \
    M(DRAIN, 0, 0)                        /* finish what has begun, then say DRAINED */
enum message_kind {
    MESSAGE_NONE,
#define MESSAGE_ID(name, min, max) MESSAGE_##name,
    MESSAGES_TO_KEEPER(MESSAGE_ID) MESSAGES_TO_NETWORK(MESSAGE_ID)
#undef MESSAGE_ID
        MESSAGE_KIND_COUNT
};

struct message {
    enum message_kind kind;
    uint32_t id;
    struct slice body; /* borrows */
};

/* The first message of `bytes`, for the keeper or for the network process. 0 and *ret_size, what it
 * takes; -EAGAIN it is not all there; -EBADMSG no message of those, or over its limits: known from its
 * head on. */
must_check int message_parse(struct slice bytes, bool for_keeper, struct message *ret_message,
                             size_t *ret_size);
/* Appends. 0; -EMSGSIZE over its limits; -ENOMEM. */
must_check int message_write(struct buf *out, enum message_kind kind, uint32_t id,
                             struct slice body);

/* Bodies */

/* What changes of the certificate with each handshake, size (u32) and value, then the signature. */
struct message_certificate {
    struct slice evidence, signature; /* borrow */
};
must_check int message_certificate_write(const struct message_certificate *certificate,
                                         struct buf *out); /* -ENOMEM */
must_check int message_certificate_parse(struct slice body,
                                         struct message_certificate *ret); /* -EBADMSG */

struct message_call {
    uint32_t connection;
    char path[MESSAGE_PATH_SIZE_MAX + 1];
    json_t *in; /* the caller's; NULL: no document */
};
must_check int message_call_write(uint32_t connection, const char *path, const json_t *in,
                                  struct buf *out); /* -EMSGSIZE over a limit; -EINVAL; -ENOMEM */
must_check int message_call_parse(struct slice body, struct message_call *ret); /* -EBADMSG */

struct message_answer {
    uint16_t status;   /* of HTTP */
    bool closes;       /* the connection should end with it */
    struct slice text; /* borrows */
};
must_check int message_answer_write(uint16_t status, bool closes, struct slice text,
                                    struct buf *out);
must_check int message_answer_parse(struct slice body, struct message_answer *ret);

/* A tree of values. Writing: 0, -EMSGSIZE over a VALUE_..._MAX, -ENOMEM. Reading: 0, or -EBADMSG; texts are UTF-8 without NUL, keys of one object differ. */
must_check int value_write(const json_t *value, struct buf *out);
must_check int value_read(struct slice bytes, json_t **ret_value);

#endif
