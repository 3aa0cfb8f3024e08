/* SPDX-License-Identifier: Apache-2.0 */
/* attest/channel.h: a client's TLS 1.3 connection to the key broker, and plain request and answer
 * over it. The peer is judged inside the handshake: before that nothing of ours has left. Moves
 * bytes through functions of the caller's (which may block), so runtime and command line share it.
 * A channel belongs to one thread at a time; it keeps no state outside itself. */
#ifndef COFFER_ATTEST_CHANNEL_H
#define COFFER_ATTEST_CHANNEL_H

#include "attest/appraise.h"
#include "attest/ratls.h"

#include <sys/types.h>

#define CHANNEL_HEAD_SIZE_MAX (8u << 10)
#define CHANNEL_BODY_SIZE_MAX (4u << 20)

/* The bytes below TLS. Both return how many (at least 1), 0 at the end, or -errno. */
struct channel_io {
    ssize_t (*read)(void *ctx, void *bytes, size_t size);
    ssize_t (*write)(void *ctx, const void *bytes, size_t size);
    void *ctx;
};

/* What a client that has proved itself to the key broker, which proved itself to it, comes back with: no
 * certificate and no signature, but a key that both have of that handshake. Starts as {0}. */
struct channel_session {
    struct ssl_session_st *ticket; /* NULL: none */
    struct evidence peer;          /* who gave it */
};
void channel_session_done(struct channel_session *session);

/* Borrowed during channel_open() only, but for `key` and `session`, which outlive the channel. Who we are: a key
 * with `evidence` (an attested runtime), a key with `certificate` (an owner, an operator, a session),
 * or no key at all. */
struct channel_options {
    const struct who *pin;                    /* who the key broker must be */
    const struct evidence_verifier *verifier; /* of vendors' evidence; NULL: only `sim` is known */
    EVP_PKEY *key;
    const struct p256_key *evidence_key; /* with `evidence`; then `key` is not used */
    ratls_evidence_fn *evidence;
    void *evidence_ctx;
    X509 *certificate;
    /* NULL: none. A ticket that comes over this channel is kept there; one that is there is used, with
     * `resume`. It was had under the same pin. What the peer makes of it is told by its answers. */
    struct channel_session *session;
    bool resume;
};

struct channel;

/* Takes part in the handshake. 0; -EKEYREJECTED the peer is not who `pin` says (`e` has the whole
 * refusal); -ECONNABORTED the handshake failed otherwise; what `io` or `evidence` returned; -ENOMEM.
 * `io` is copied. */
must_check int channel_open(const struct channel_options *options, const struct channel_io *io,
                            struct channel **ret_channel, struct error *e);

/* One request and its answer. `body` may be empty. Appends to `ret_body`, which the caller wipes
 * with buf_done(). 0 whatever the status; -ECONNRESET the peer closed; -EBADMSG an answer that is no
 * HTTP, or over the limits; what `io` returned. After an error only close is left. */
must_check int channel_exchange(struct channel *channel, const char *method, const char *path,
                                struct slice body, unsigned *ret_status, struct buf *ret_body,
                                struct error *e);

/* Was the ticket used? */
bool channel_is_resumed(const struct channel *channel);

/* What the peer has proved to be. Lives as long as the channel. */
const struct evidence *channel_peer(const struct channel *channel);

/* The certificate it was in. Borrowed, lives as long. */
X509 *channel_peer_certificate(const struct channel *channel);

/* Says goodbye as well as it can and frees. The descriptor under `io` is the caller's. */
void channel_close(struct channel *channel);
/* Frees without a byte: the other end of a fork uses this connection. */
void channel_abandon(struct channel *channel);
/* Optional, once before many forks: makes OpenSSL find its algorithms, so that no child has to. Leaves
 * no key behind. 0 or -EIO. */
must_check int channel_warm(void);
void channel_closep(struct channel **channel);

#endif
