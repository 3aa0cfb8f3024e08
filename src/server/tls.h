/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls.h: TLS 1.3 under server/http.h, for a service that proves itself by evidence (RA-TLS)
 * and asks its clients for a certificate. Says who the peer is; what that peer may do is the
 * service's question. No resumption: a resumed session would carry no fresh evidence. Everything on
 * the loop's thread. */
#ifndef COFFER_SERVER_TLS_H
#define COFFER_SERVER_TLS_H

#include "attest/ratls.h"
#include "server/http.h"

enum tls_peer_kind {
    TLS_PEER_NONE,     /* no certificate */
    TLS_PEER_KEY,      /* an ordinary certificate; its key has been proved, nobody vouches for it */
    TLS_PEER_ATTESTED, /* evidence that is genuine, bound and fresh; not yet appraised */
    TLS_PEER_REFUSED,  /* evidence that is not; `refusal` says why */
};

struct tls_peer {
    enum tls_peer_kind kind;
    uint8_t key_hash[SHA256_SIZE]; /* of its SubjectPublicKeyInfo; but for TLS_PEER_NONE */
    X509 *certificate;             /* the leaf; NULL for TLS_PEER_NONE */
    struct evidence evidence;      /* for TLS_PEER_ATTESTED */
    struct refusal refusal;        /* for TLS_PEER_REFUSED */
};

struct tls_server_stats {
    uint64_t handshakes;
    uint64_t handshakes_failed;
};

struct tls_server;

/* A server that proves itself with `evidence` for its own fresh key. 0, -ENOMEM or -EIO. Outlives
 * its connections. */
must_check int tls_server_new(ratls_evidence_fn *evidence, void *evidence_ctx,
                              struct tls_server **ret_server);
/* From now on peers may show evidence that `verifier` verifies, which outlives the server. */
void tls_server_set_verifier(struct tls_server *server, const struct evidence_verifier *verifier);
void tls_server_free(struct tls_server *server);
const struct tls_server_stats *tls_server_stats(const struct tls_server *server);

/* The http_transport_open_fn; `arg` is the struct tls_server. */
must_check int tls_transport_open(int fd, void *arg, struct http_transport **ret_transport);

/* The peer of a connection made by tls_transport_open(), once a request has come over it. Lives as
 * long as the connection. */
const struct tls_peer *tls_transport_peer(const struct http_transport *transport);

#endif
