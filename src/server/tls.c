/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tls.h"

#include "server/kept_key.h"
#include "server/transcript.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TICKET_CERTIFICATE_SIZE_MAX = 16 << 10 };

struct tls_server {
    SSL_CTX *ctx;
    struct p256_key *key;
    X509 *certificate; /* of `key` or `kept_key`; changed for each handshake */
    ratls_evidence_fn *evidence;
    void *evidence_ctx;
    const struct evidence_verifier *verifier; /* NULL: `sim` only */
    struct tls_keeper keeper;                 /* instead of key, certificate, evidence, verifier */
    bool kept;
    struct kept_key *kept_key; /* its public half, the key of `certificate` */
    struct slice given;        /* the keeper's signature of `certificate`, while that is put in */
    struct tls_transport *now; /* whose handshake OpenSSL is in */
    struct tls_transport *connections[TLS_CONNECTIONS_MAX]; /* of a kept one */
    uint32_t next;                                          /* where to look for a free number */
    struct tls_server_stats stats;
};

struct tls_transport {
    struct http_transport http; /* first */
    struct tls_server *server;
    SSL *ssl;
    bool established;
    struct tls_peer peer;
    uint32_t connection;
    bool asked; /* the keeper knows the connection */
    bool resumed;
    uint8_t token[TLS_TOKEN_SIZE];
    struct buf transcript; /* for the keeper; until it has been given away */
};

static const struct http_transport_ops tls_ops;

static struct tls_transport *transport_of(struct http_transport *http)
{
    return container_of(http, struct tls_transport, http);
}

/* OpenSSL has hashed what is to be signed already. The keeper hashes it again from the transcript, so
 * that it never signs anything but a handshake. */
static int kept_sign(void *ctx, struct slice digest, struct buf *ret_signature)
{
    struct tls_server *server = ctx;
    if (server->given.size > 0)
        return buf_append_slice(ret_signature, server->given);
    struct tls_transport *t = server->now;
    uint8_t hash[TRANSCRIPT_HASH_SIZE_MAX], ours[SHA256_SIZE];
    const SSL_CIPHER *cipher = t ? SSL_get_pending_cipher(t->ssl) : NULL;
    const EVP_MD *md = cipher ? SSL_CIPHER_get_handshake_digest(cipher) : NULL;
    if (!md)
        return -EIO;
    struct slice transcript_hash_bytes = slice_of(hash, (size_t)EVP_MD_get_size(md));
    int r = transcript_hash(buf_slice(&t->transcript), transcript_hash_bytes.size, hash);
    if (r == 0)
        r = transcript_server_digest(transcript_hash_bytes, ours);
    if (r == 0 && !slice_equals(digest, slice_of(ours, sizeof ours)))
        r = -EBADMSG;
    return r < 0 ? r
                 : server->keeper.sign(server->keeper.ctx, t->connection, transcript_hash_bytes,
                                       ret_signature);
}

static int kept_certificate(struct tls_server *server, struct tls_transport *t, SSL *ssl,
                            const uint8_t random[RATLS_NONCE_SIZE])
{
    SCOPED(buf_done) struct buf value = {0}, signature = {0};
    EVP_PKEY *key = server->kept_key ? kept_key_pkey(server->kept_key) : NULL;
    if (!key)
        return -EIO;
    t->asked = true;
    int r =
        server->keeper.certificate(server->keeper.ctx, t->connection, random, &value, &signature);
    if (r < 0 || value.size == 0 || signature.size == 0)
        return -EIO;
    server->given = buf_slice(&signature);
    r = ratls_certificate_set(server->certificate, buf_slice(&value), key);
    server->given = (struct slice){0};
    return r == 0 && SSL_use_certificate(ssl, server->certificate) == 1 &&
                   SSL_use_PrivateKey(ssl, key) == 1
               ? 0
               : -EIO;
}

/* Every handshake message as it is sent or has come, but for the client's Finished, which ends it, and
 * for tickets. */
static void message_seen(int sent, int version, int type, const void *bytes, size_t size, SSL *ssl,
                         void *arg)
{
    struct tls_transport *t = arg;
    (void)ssl;
    (void)version;
    static const uint8_t ticket = 4, finished = 20;
    if (type != SSL3_RT_HANDSHAKE || t->established || size == 0 ||
        *(const uint8_t *)bytes == (sent ? ticket : finished))
        return;
    buf_append(&t->transcript, bytes, size); /* over its limit it is of no use: kept_sign() fails */
}

/* Not for a connection that is resumed. As hello_answer(). */
static int certificate_choose(SSL *ssl, void *arg)
{
    struct tls_server *server = arg;
    uint8_t random[RATLS_NONCE_SIZE];
    return SSL_get_client_random(ssl, random, sizeof random) == sizeof random && server->now &&
           kept_certificate(server, server->now, ssl, random) == 0;
}

static int ticket_make(SSL *ssl, void *arg)
{
    struct tls_server *server = arg;
    struct tls_transport *t = server->now;
    return t && crypto_random(t->token, sizeof t->token) == 0 &&
           SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), t->token, sizeof t->token) == 1;
}

static SSL_TICKET_RETURN ticket_take(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                     size_t name_size, SSL_TICKET_STATUS status, void *arg)
{
    struct tls_server *server = arg;
    void *token = NULL;
    size_t size = 0;
    (void)ssl;
    (void)name;
    (void)name_size;
    if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) || !server->now ||
        SSL_SESSION_get0_ticket_appdata(session, &token, &size) != 1 || size != TLS_TOKEN_SIZE)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    memcpy(server->now->token, token, size);
    return SSL_TICKET_RETURN_USE;
}

/* The client's random is here, no certificate chosen yet: make one that answers it. OpenSSL writes it
 * out in the same call, so the next handshake may change it. */
static int hello_answer(SSL *ssl, int *alert, void *arg)
{
    struct tls_server *server = arg;
    const uint8_t *random = NULL;
    struct error e = {0};
    *alert = SSL_AD_INTERNAL_ERROR;
    if (SSL_client_hello_get0_random(ssl, &random) != RATLS_NONCE_SIZE)
        return SSL_CLIENT_HELLO_ERROR;
    int r = ratls_certificate(server->key, random, server->evidence, server->evidence_ctx,
                              &server->certificate, &e);
    int ok = r == 0 && SSL_use_certificate(ssl, server->certificate) == 1 &&
             SSL_use_PrivateKey(ssl, p256_pkey(server->key)) == 1;
    return ok ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

/* Whoever the peer is, the handshake goes on: a refusal is then said in words over the connection,
 * not as an alert. OpenSSL has still to verify that the peer holds the certificate's key.
 * Only who shows a certificate has something to come back with; the ticket holds it, so it is small. */
static int peer_accept(X509_STORE_CTX *store, void *arg)
{
    const struct tls_server *server = arg;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    int size = certificate ? i2d_X509(certificate, NULL) : 0;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    if (server->kept && server->now && size > 0 && size <= TICKET_CERTIFICATE_SIZE_MAX)
        (void)SSL_set_num_tickets(server->now->ssl, 1);
    return 1;
}

static int server_new(struct tls_server **ret_server)
{
    struct tls_server *server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1)
        server->ctx = SSL_CTX_new(TLS_server_method());
    if (!server->ctx || SSL_CTX_set_min_proto_version(server->ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(server->ctx, 0) != 1 ||
        SSL_CTX_set1_groups_list(server->ctx, "X25519:P-256:P-384") != 1 ||
        SSL_CTX_set1_client_sigalgs_list(server->ctx, TRANSCRIPT_SIGNATURES) != 1) {
        tls_server_free(server);
        return -EIO;
    }
    SSL_CTX_set_session_cache_mode(server->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(server->ctx,
                        SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(server->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(server->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(server->ctx, peer_accept, server);
    *ret_server = server;
    return 0;
}

int tls_server_new(ratls_evidence_fn *evidence, void *evidence_ctx, struct tls_server **ret_server)
{
    struct tls_server *server = NULL;
    int r = server_new(&server);
    if (r < 0)
        return r;
    server->evidence = evidence;
    server->evidence_ctx = evidence_ctx;
    SSL_CTX_set_client_hello_cb(server->ctx, hello_answer, server);
    if (p256_generate(&server->key) < 0) {
        tls_server_free(server);
        return -EIO;
    }
    *ret_server = server;
    return 0;
}

int tls_server_new_kept(const struct tls_keeper *keeper, struct tls_server **ret_server)
{
    struct tls_server *server = NULL;
    int r = server_new(&server);
    if (r < 0)
        return r;
    server->keeper = *keeper;
    server->kept = true;
    SSL_CTX_set_cert_cb(server->ctx, certificate_choose, server);
    SSL_CTX_clear_options(server->ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_timeout(server->ctx, TLS_TICKET_S);
    if (SSL_CTX_set_session_id_context(server->ctx, (const uint8_t *)"kbs", 3) != 1 ||
        SSL_CTX_set_session_ticket_cb(server->ctx, ticket_make, ticket_take, server) != 1) {
        tls_server_free(server);
        return -EIO;
    }
    *ret_server = server;
    return 0;
}

int tls_server_set_kept(struct tls_server *server, struct slice der)
{
    const uint8_t *at = der.bytes;
    X509 *certificate = der.size <= LONG_MAX ? d2i_X509(NULL, &at, (long)der.size) : NULL;
    int r = certificate && !server->kept_key
                ? kept_key_new(certificate, kept_sign, server, &server->kept_key)
                : -EINVAL;
    ERR_clear_error();
    if (r == 0)
        server->certificate = TAKE(certificate);
    X509_free(certificate);
    return r;
}

void tls_server_set_verifier(struct tls_server *server, const struct evidence_verifier *verifier)
{
    server->verifier = verifier;
}

void tls_server_free(struct tls_server *server)
{
    if (!server)
        return;
    SSL_CTX_free(server->ctx);
    X509_free(server->certificate);
    kept_key_free(server->kept_key);
    p256_free(server->key);
    free(server);
}

const struct tls_server_stats *tls_server_stats(const struct tls_server *server)
{
    return &server->stats;
}

/* -EMFILE: all numbers are taken. */
static int connection_number(struct tls_server *server, struct tls_transport *t)
{
    for (uint32_t i = 0; i < TLS_CONNECTIONS_MAX; i++) {
        uint32_t number = (server->next + i) % TLS_CONNECTIONS_MAX;
        if (server->connections[number])
            continue;
        server->connections[number] = t;
        server->next = number + 1;
        t->connection = number;
        return 0;
    }
    return -EMFILE;
}

int tls_transport_open(int fd, void *arg, struct http_transport **ret_transport)
{
    struct tls_server *server = arg;
    struct tls_transport *t = calloc(1, sizeof *t);
    if (t)
        t->ssl = SSL_new(server->ctx);
    int r = t && t->ssl && SSL_set_fd(t->ssl, fd) == 1 ? 0 : -ENOMEM;
    if (r == 0 && server->kept)
        r = connection_number(server, t);
    if (r < 0) {
        if (t)
            SSL_free(t->ssl);
        free(t);
        close(fd);
        return r;
    }
    if (server->kept) {
        t->transcript.size_max = TRANSCRIPT_SIZE_MAX;
        SSL_set_msg_callback(t->ssl, message_seen);
        SSL_set_msg_callback_arg(t->ssl, t);
    }
    SSL_set_accept_state(t->ssl);
    t->server = server;
    t->http = (struct http_transport){
        .ops = &tls_ops, .fd = fd, .read_waits = EPOLLIN, .write_waits = EPOLLOUT, .buffers = true};
    *ret_transport = &t->http;
    return 0;
}

void tls_peer_judge(X509 *certificate, const uint8_t *nonce,
                    const struct evidence_verifier *verifier, struct tls_peer *ret_peer)
{
    struct tls_peer *peer = ret_peer;
    *peer = (struct tls_peer){.certificate = certificate};
    if (!certificate)
        return;
    peer->kind = TLS_PEER_REFUSED;
    int r = ratls_key_hash(certificate, peer->key_hash);
    if (r == 0)
        r = nonce ? ratls_verify(certificate, nonce, verifier, &peer->evidence, &peer->refusal)
                  : -EIO; /* nothing to judge it by: refused below */
    if (r == 0)
        peer->kind = TLS_PEER_ATTESTED;
    else if (r == -ENODATA)
        peer->kind = TLS_PEER_KEY;
    else if (peer->refusal.reason == REFUSAL_NONE)
        refusal_set(&peer->refusal, REFUSAL_INTERNAL, NULL, 0, NULL, NULL);
}

static void peer_judge(struct tls_transport *t)
{
    uint8_t nonce[SSL3_RANDOM_SIZE];
    bool known = SSL_get_server_random(t->ssl, nonce, sizeof nonce) == sizeof nonce;
    if (!t->server->kept)
        tls_peer_judge(SSL_get1_peer_certificate(t->ssl), known ? nonce : NULL, t->server->verifier,
                       &t->peer);
}

/* What to tell the loop after OpenSSL has returned `n`. */
static ssize_t ssl_wait(struct tls_transport *t, int n, uint32_t *ret_waits)
{
    int saved = errno;
    int why = SSL_get_error(t->ssl, n);
    ERR_clear_error();
    switch (why) {
    case SSL_ERROR_WANT_READ:
        *ret_waits = EPOLLIN;
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        *ret_waits = EPOLLOUT;
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return saved > 0 ? -saved : -ECONNRESET;
    default:
        return -EPROTO;
    }
}

static ssize_t handshake(struct tls_transport *t, uint32_t *ret_waits)
{
    ERR_clear_error();
    t->server->now = t;
    int n = SSL_do_handshake(t->ssl);
    t->server->now = NULL;
    if (n == 1) {
        t->established = true;
        t->resumed = SSL_session_reused(t->ssl) == 1;
        t->asked |= t->resumed; /* it will be told */
        t->server->stats.handshakes++;
        peer_judge(t);
        return 1;
    }
    ssize_t r = ssl_wait(t, n, ret_waits);
    if (r != -EAGAIN)
        t->server->stats.handshakes_failed++;
    return r == 0 ? -ECONNRESET : r;
}

static ssize_t tls_read(struct http_transport *http, void *to, size_t size)
{
    struct tls_transport *t = transport_of(http);
    ssize_t r = t->established ? 1 : handshake(t, &http->read_waits);
    if (r < 0)
        return r;
    ERR_clear_error();
    int n = SSL_read(t->ssl, to, (int)MIN(size, (size_t)INT_MAX));
    return n > 0 ? n : ssl_wait(t, n, &http->read_waits);
}

static ssize_t tls_write(struct http_transport *http, const void *from, size_t size)
{
    struct tls_transport *t = transport_of(http);
    ssize_t r = t->established ? 1 : handshake(t, &http->write_waits);
    if (r < 0)
        return r;
    ERR_clear_error();
    int n = SSL_write(t->ssl, from, (int)MIN(size, (size_t)INT_MAX));
    if (n > 0)
        return n;
    r = ssl_wait(t, n, &http->write_waits);
    return r == 0 ? -EPIPE : r;
}

static void tls_shutdown(struct http_transport *http)
{
    struct tls_transport *t = transport_of(http);
    if (t->established)
        (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

static void tls_close(struct http_transport *http)
{
    struct tls_transport *t = transport_of(http);
    struct tls_server *server = t->server;
    if (server->kept) {
        server->connections[t->connection] = NULL;
        if (t->asked)
            server->keeper.closed(server->keeper.ctx, t->connection);
    }
    buf_done(&t->transcript);
    X509_free(t->peer.certificate);
    SSL_free(t->ssl);
    close(http->fd);
    free(t);
}

static const struct http_transport_ops tls_ops = {
    .read = tls_read, .write = tls_write, .shutdown = tls_shutdown, .close = tls_close};

const struct tls_peer *tls_transport_peer(const struct http_transport *http)
{
    const struct tls_transport *t = container_of(http, struct tls_transport, http);
    return &t->peer;
}

uint32_t tls_transport_connection(const struct http_transport *http)
{
    const struct tls_transport *t = container_of(http, struct tls_transport, http);
    return t->connection;
}

bool tls_transport_token(const struct http_transport *http, uint8_t ret_token[TLS_TOKEN_SIZE])
{
    const struct tls_transport *t = container_of(http, struct tls_transport, http);
    memcpy(ret_token, t->token, sizeof t->token);
    return t->resumed;
}

void tls_transport_transcript(struct http_transport *http, struct buf *ret_messages)
{
    struct tls_transport *t = transport_of(http);
    *ret_messages = t->transcript;
    t->transcript = (struct buf){0};
}
