/* SPDX-License-Identifier: Apache-2.0 */
/* net/tls_conn.h: one TLS connection on a host socket, as the plain stream that a program expects.
 *
 * Trusted: OpenSSL, this process. Hostile: the socket, which may yield any bytes in any pieces at any
 * time. Invariant: what a reader gets has passed its record's authentication, in order, and the end
 * of the stream is reported only if the peer's close_notify said so; a stream that is merely cut is
 * -ECONNRESET.
 *
 * Nothing here blocks: what cannot go on is -EAGAIN, and tls_conn_host_events() says what to wait
 * for. The handshake runs inside whatever is called first. A connection is used by one thread at a
 * time (the caller locks) and knows nothing of the guest, its descriptors or epoll.
 *
 * Ciphertext that the socket does not take at once stays here. So that a program never stops
 * watching for room while that is so, a write then acknowledges all but the last byte: the program
 * comes back with the rest, of which the first byte has then been sent already. */
#ifndef COFFER_RUNTIME_NET_TLS_CONN_H
#define COFFER_RUNTIME_NET_TLS_CONN_H

#include "base/macros.h"
#include "runtime/net/tls_context.h"

#include <sys/types.h>
#include <sys/uio.h>

struct tls_conn;

enum {
    TLS_READABLE = 1 << 0, /* plaintext, the end or an error is there */
    TLS_WRITABLE = 1 << 1, /* a write will take something, or fail at once */
    TLS_ENDED = 1 << 2,    /* the peer will send nothing more */
    TLS_FAILED = 1 << 3,
    TLS_BUFFERED = 1 << 4, /* bytes are here that tls_conn_advance() has yet to look at */
};

/* Takes a reference to `context`; `fd` stays the caller's. `server_name` is who a client
 * insists on talking to (it is copied), NULL for a server. 0 or -ENOMEM. */
must_check int tls_conn_new(struct tls_context *context, int fd, const char *server_name,
                            struct tls_conn **ret_conn);

/* Wipes and frees; sends nothing. */
void tls_conn_free(struct tls_conn *conn);

/* The socket has another number now. */
void tls_conn_set_fd(struct tls_conn *conn, int fd);

/* Plaintext into `iov`: its size (>= 1), 0 at the end, -EAGAIN, or -errno (ECONNRESET and the
 * socket's own) once, after which the stream is at its end. */
must_check int64_t tls_conn_read(struct tls_conn *conn, const struct iovec *iov, int count);

/* The same, but what it gives is left to be read: up to INBOX_SIZE_MAX bytes, more than one record if
 * they are there. */
must_check int64_t tls_conn_peek(struct tls_conn *conn, const struct iovec *iov, int count);

/* Sends plaintext; with `more`, less than a record may be kept until the next write without, or until
 * the connection is read, advanced, flushed or shut (TCP_CORK, MSG_MORE). How much was taken (>= 1; 0 only for an empty `iov`), -EAGAIN, -EPIPE, or
 * -ECONNRESET if the bytes after a short write are not those it left over. */
must_check int64_t tls_conn_write(struct tls_conn *conn, const struct iovec *iov, int count,
                                  bool more);

/* Who the client has proved to be, where the rule demands a certificate: "coffer-client sha256:HEX SUBJECT",
 * the hash of its key (SubjectPublicKeyInfo) and its name by RFC 2253 (for people; may be empty). 0;
 * -ENOPROTOOPT: nobody, or the certificate has expired meanwhile. */
#define TLS_PEER_SIZE 352
must_check int tls_conn_peer(const struct tls_conn *conn, char text[TLS_PEER_SIZE]);

/* Has our side said that it will send no more? A write then fails, an empty one too. */
bool tls_conn_is_shut(const struct tls_conn *conn);

/* Sends what was kept. 0, -EAGAIN (the rest goes when the socket has room) or -errno. */
int tls_conn_flush(struct tls_conn *conn);

/* Is something kept? */
bool tls_conn_is_corked(const struct tls_conn *conn);

/* Does what the socket allows (handshake, pending ciphertext, one record); returns TLS_* bits. */
unsigned tls_conn_advance(struct tls_conn *conn);

/* The same bits as far as they are known without asking the socket. */
must_check unsigned tls_conn_state(const struct tls_conn *conn);

/* What to poll the socket for (POLLIN, POLLOUT) so that a caller who waits for `events` (the same
 * two) makes progress. */
must_check short tls_conn_host_events(const struct tls_conn *conn, short events);

/* Takes from the socket what it has, up to a limit: the plaintext bytes that can be read now. */
must_check size_t tls_conn_pending(struct tls_conn *conn);

/* More may be at the socket than was told when tls_conn_pending() reached its limit. A program that
 * reads more than it was told takes that for news, and waits for their edge (nginx does): one has to
 * be made up until the socket was seen empty. */
must_check bool tls_conn_owes(const struct tls_conn *conn);

/* From now on fewer bytes than these do not make it readable, unless no more come (SO_RCVLOWAT). */
void tls_conn_set_low_water(struct tls_conn *conn, size_t bytes);

/* The handshake has had its time: unless it is done, the connection has failed with ETIMEDOUT. */
void tls_conn_expire(struct tls_conn *conn);

/* Says close_notify and sends what is pending. 0, -EAGAIN (call again when the socket has room) or
 * -errno. Reading goes on. */
must_check int tls_conn_shutdown(struct tls_conn *conn);

/* The error of the connection (a positive errno as SO_ERROR gives) and forgets it; 0: none. */
must_check int tls_conn_take_error(struct tls_conn *conn);

/* Whether bytes were taken off the socket since this was asked last. */
must_check bool tls_conn_take_received(struct tls_conn *conn);

/* Why it failed, in words for a log; "" if it has not. */
const char *tls_conn_failure(const struct tls_conn *conn);

bool tls_conn_is_established(const struct tls_conn *conn);

#endif
