/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls.h: TLS 1.3 under server/http.h, for a service that proves itself by evidence (RA-TLS)
 * and asks its clients for a certificate. Says who the peer is; what that peer may do is the
 * service's question. A server that holds its key itself resumes nothing: a resumed session carries no
 * fresh evidence. One whose key another process holds gives tickets, and that one decides what a
 * connection that comes back may do (docs/decisions/024). Everything on the loop's thread. */
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

/* Whoever holds the server's key, in another process: what a server asks it for. `connection` numbers
 * a connection as long as it lives, below TLS_CONNECTIONS_MAX; the next to have that number begins
 * with another certificate(). All return 0 or -errno, which ends the handshake. */
#define TLS_CONNECTIONS_MAX 8192u
struct tls_keeper {
    /* What the holder's certificate is to say in answer to ClientHello.random: the value of its
     * evidence extension, and its signature (ECDSA, DER) with that. */
    int (*certificate)(void *ctx, uint32_t connection, const uint8_t random[RATLS_NONCE_SIZE],
                       struct buf *ret_evidence, struct buf *ret_signature);
    /* The signature (ECDSA, DER) of the server's CertificateVerify for that hash of the transcript. */
    int (*sign)(void *ctx, uint32_t connection, struct slice transcript_hash,
                struct buf *ret_signature);
    /* The connection is over. */
    void (*closed)(void *ctx, uint32_t connection);
    void *ctx;
};

struct tls_server;

/* A server that proves itself with `evidence` for its own fresh key. 0, -ENOMEM or -EIO. Outlives
 * its connections. */
must_check int tls_server_new(ratls_evidence_fn *evidence, void *evidence_ctx,
                              struct tls_server **ret_server);
/* A server whose key another process holds. Who its peers are is for that one to find, from their
 * handshakes' transcripts (server/transcript.h); tls_transport_peer() says TLS_PEER_NONE. `keeper` is
 * copied. 0, -ENOMEM or -EIO. */
must_check int tls_server_new_kept(const struct tls_keeper *keeper, struct tls_server **ret_server);
/* Before its first connection: the holder's certificate (DER; P-256), what it says apart. Parsed once:
 * that costs more than all the rest of a certificate. 0; -EINVAL another kind of key, or no certificate;
 * -ENOMEM, -EIO. */
must_check int tls_server_set_kept(struct tls_server *server, struct slice der);
/* From now on peers may show evidence that `verifier` verifies, which outlives the server. */
void tls_server_set_verifier(struct tls_server *server, const struct evidence_verifier *verifier);
void tls_server_free(struct tls_server *server);
const struct tls_server_stats *tls_server_stats(const struct tls_server *server);

/* The http_transport_open_fn; `arg` is the struct tls_server. */
must_check int tls_transport_open(int fd, void *arg, struct http_transport **ret_transport);

/* The peer of a connection made by tls_transport_open(), once a request has come over it. Lives as
 * long as the connection. */
const struct tls_peer *tls_transport_peer(const struct http_transport *transport);

/* For a server whose key another process holds: the connection's number, and the messages of its
 * handshake, which are given once. */
uint32_t tls_transport_connection(const struct http_transport *transport);
void tls_transport_transcript(struct http_transport *transport, struct buf *ret_messages);
/* What the connection's ticket has in it: random bytes of a full handshake, which come back with each
 * connection that resumes it. Is this one resumed? */
#define TLS_TOKEN_SIZE 16
#define TLS_TICKET_S 540 /* how long a ticket is good for at most; the keeper may say less */
bool tls_transport_token(const struct http_transport *transport, uint8_t ret_token[TLS_TOKEN_SIZE]);

/* What a proved certificate and its evidence say about who the peer is, in a handshake in which the
 * peer had to answer `nonce` (NULL: it could not be had). Fills all of *ret_peer and takes
 * `certificate`, which may be NULL: the peer showed none. */
void tls_peer_judge(X509 *certificate, const uint8_t *nonce,
                    const struct evidence_verifier *verifier, struct tls_peer *ret_peer);

#endif
