/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/channel.h"

#include "attest/http_answer.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct channel {
    SSL_CTX *ctx;
    SSL *ssl;
    struct channel_io io;
    int io_error;                          /* what `io` said, since a BIO can only say "failed" */
    const struct channel_options *options; /* during the handshake */
    struct channel_session *session;
    struct evidence peer;
    struct refusal refusal;
    int callback_error; /* of a callback that OpenSSL made */
    struct error callback_text;
    struct buf in; /* received, not yet used */
};

static int bio_read(BIO *bio, char *bytes, int size)
{
    struct channel *ch = BIO_get_data(bio);
    ssize_t n = size > 0 ? ch->io.read(ch->io.ctx, bytes, (size_t)size) : 0;
    if (n < 0)
        ch->io_error = (int)n;
    return n > size ? -1 : (int)n;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct channel *ch = BIO_get_data(bio);
    ssize_t n = size > 0 ? ch->io.write(ch->io.ctx, bytes, (size_t)size) : 0;
    if (n < 0)
        ch->io_error = (int)n;
    return n > size ? -1 : (int)n;
}

static long bio_ctrl(BIO *bio, int command, long larg, void *parg)
{
    (void)bio;
    (void)larg;
    (void)parg;
    return command == BIO_CTRL_FLUSH;
}

/* One for the process; made at the first channel, never changed after. */
static const BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *method;
    if (method)
        return method;
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "channel");
    if (made && BIO_meth_set_read(made, bio_read) == 1 &&
        BIO_meth_set_write(made, bio_write) == 1 && BIO_meth_set_ctrl(made, bio_ctrl) == 1)
        method = made;
    else
        BIO_meth_free(made);
    return method;
}

void channel_close(struct channel *ch)
{
    if (!ch)
        return;
    if (ch->ssl && !ch->io_error && SSL_is_init_finished(ch->ssl))
        (void)SSL_shutdown(ch->ssl);
    SSL_free(ch->ssl);
    SSL_CTX_free(ch->ctx);
    buf_done(&ch->in);
    ERR_clear_error();
    free(ch);
}

void channel_abandon(struct channel *ch)
{
    if (ch)
        ch->io_error = -ESHUTDOWN;
    channel_close(ch);
}

void channel_closep(struct channel **channel)
{
    channel_close(*channel);
}

/* Inside the handshake, with the peer's certificate at hand and before ours is sent. */
static int peer_judge(X509_STORE_CTX *store, void *arg)
{
    struct channel *ch = arg;
    uint8_t nonce[SSL3_RANDOM_SIZE];
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    int r = -EKEYREJECTED;
    if (certificate && SSL_get_client_random(ch->ssl, nonce, sizeof nonce) == sizeof nonce)
        r = ratls_verify(certificate, nonce, ch->options->verifier, &ch->peer, &ch->refusal);
    if (r == -ENODATA)
        r = refusal_set(&ch->refusal, REFUSAL_EVIDENCE_ABSENT, NULL, 0, NULL, NULL);
    if (r == 0)
        r = appraise(ch->options->pin, &ch->peer, &ch->refusal);
    if (r == -EACCES) {
        refusal_error(&ch->refusal, &ch->callback_text);
        r = -EKEYREJECTED;
    }
    ch->callback_error = r;
    X509_STORE_CTX_set_error(store, r == 0 ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return r == 0;
}

/* OpenSSL asks for our certificate when the server has: its random is known by then. */
static int certificate_present(SSL *ssl, void *arg)
{
    struct channel *ch = arg;
    const struct channel_options *options = ch->options;
    uint8_t nonce[SSL3_RANDOM_SIZE];
    X509 *certificate = NULL;
    if (SSL_get_server_random(ssl, nonce, sizeof nonce) != sizeof nonce)
        return 0;
    int r = ratls_certificate(options->evidence_key, nonce, options->evidence,
                              options->evidence_ctx, &certificate, &ch->callback_text);
    ch->callback_error = r;
    int ok = r == 0 && SSL_use_certificate(ssl, certificate) == 1 &&
             SSL_use_PrivateKey(ssl, p256_pkey(options->evidence_key)) == 1;
    X509_free(certificate);
    return ok;
}

void channel_session_done(struct channel_session *session)
{
    SSL_SESSION_free(session->ticket);
    *session = (struct channel_session){0};
}

/* Once the handshake is over: `peer` has been judged. */
static int ticket_keep(SSL *ssl, SSL_SESSION *ticket)
{
    struct channel *ch = SSL_get_app_data(ssl);
    channel_session_done(ch->session);
    ch->session->ticket = ticket; /* ours now */
    ch->session->peer = ch->peer;
    return 1;
}

static int session_use(struct channel *ch, const struct channel_options *options)
{
    ch->session = options->session;
    if (!ch->session)
        return 0;
    SSL_CTX_set_session_cache_mode(ch->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ch->ctx, ticket_keep);
    if (!options->resume || !ch->session->ticket)
        return 0;
    /* A copy: OpenSSL uses a ticket once, so that nobody on the way sees who comes back. Whoever is on
     * this way sees it anyhow. */
    SSL_SESSION *copy = SSL_SESSION_dup(ch->session->ticket);
    int ok = copy && SSL_set_session(ch->ssl, copy) == 1;
    SSL_SESSION_free(copy);
    return ok ? 0 : -EIO;
}

static int tls_configure(struct channel *ch)
{
    const struct channel_options *options = ch->options;
    /* No configuration file: the host would write it. */
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return -EIO;
    ch->ctx = SSL_CTX_new(TLS_client_method());
    if (!ch->ctx || SSL_CTX_set_min_proto_version(ch->ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ch->ctx, "TLS_AES_256_GCM_SHA384") != 1 ||
        SSL_CTX_set1_groups_list(ch->ctx, "X25519:P-256") != 1)
        return -ENOMEM;
    SSL_CTX_set_session_cache_mode(ch->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ch->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ch->ctx, peer_judge, ch);
    SSL_CTX_set_mode(ch->ctx, SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS);
    ch->ssl = SSL_new(ch->ctx);
    BIO *bio = bio_method() ? BIO_new(bio_method()) : NULL;
    if (!ch->ssl || !bio) {
        BIO_free(bio);
        return -ENOMEM;
    }
    BIO_set_data(bio, ch);
    BIO_set_init(bio, 1);
    SSL_set_bio(ch->ssl, bio, bio);
    SSL_set_connect_state(ch->ssl);
    SSL_set_app_data(ch->ssl, ch);
    if (session_use(ch, options) < 0)
        return -EIO;
    if (options->evidence)
        SSL_set_cert_cb(ch->ssl, certificate_present, ch);
    else if (options->key && (SSL_use_certificate(ch->ssl, options->certificate) != 1 ||
                              SSL_use_PrivateKey(ch->ssl, options->key) != 1))
        return -EINVAL;
    return 0;
}

static int handshake_failed(struct channel *ch, struct error *e)
{
    char reason[160] = "the peer closed the connection";
    unsigned long code = ERR_peek_last_error();
    if (ch->callback_error < 0) {
        if (ch->callback_error == -EKEYREJECTED)
            return error_set(e, -EKEYREJECTED, "the peer is not the expected key broker: %s",
                             error_text(&ch->callback_text, -EKEYREJECTED));
        return error_set(e, ch->callback_error, "%s",
                         error_text(&ch->callback_text, ch->callback_error));
    }
    if (ch->io_error < 0)
        return error_set(e, ch->io_error, "the connection to the key broker broke");
    if (code)
        ERR_error_string_n(code, reason, sizeof reason);
    return error_set(e, -ECONNABORTED, "no TLS with the key broker: %s", reason);
}

int channel_open(const struct channel_options *options, const struct channel_io *io,
                 struct channel **ret_channel, struct error *e)
{
    SCOPED(channel_closep) struct channel *ch = calloc(1, sizeof *ch);
    if (!ch)
        return error_set(e, -ENOMEM, "no memory for a connection");
    ch->io = *io;
    ch->options = options;
    ERR_clear_error();
    int r = tls_configure(ch);
    if (r < 0)
        return error_set(e, r, "cannot prepare TLS for the key broker");
    if (SSL_do_handshake(ch->ssl) != 1)
        return handshake_failed(ch, e);
    ch->options = NULL;
    /* It was judged when it gave the ticket, which nobody else can use. */
    if (channel_is_resumed(ch))
        ch->peer = ch->session->peer;
    *ret_channel = TAKE(ch);
    return 0;
}

bool channel_is_resumed(const struct channel *ch)
{
    return SSL_session_reused(ch->ssl) == 1;
}

X509 *channel_peer_certificate(const struct channel *ch)
{
    return SSL_get0_peer_certificate(ch->ssl);
}

const struct evidence *channel_peer(const struct channel *ch)
{
    return &ch->peer;
}

static int broken(struct channel *ch, struct error *e)
{
    ERR_clear_error();
    int r = ch->io_error < 0 ? ch->io_error : -ECONNRESET;
    ch->io_error = r;
    return error_set(e, r, "the connection to the key broker broke");
}

static int request_send(struct channel *ch, const char *method, const char *path, struct slice body,
                        struct error *e)
{
    SCOPED(buf_done) struct buf out = {0};
    size_t sent = 0;
    buf_printf(&out,
               "%s %s HTTP/1.1\r\nHost: kbs\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n",
               method, path, body.size);
    buf_append_slice(&out, body);
    if (out.failed)
        return error_set(e, -ENOMEM, "no memory for a request");
    ch->io_error = 0;
    while (sent < out.size) {
        size_t n = 0;
        if (SSL_write_ex(ch->ssl, out.bytes + sent, out.size - sent, &n) != 1)
            return broken(ch, e);
        sent += n;
    }
    return 0;
}

/* Adds what comes next to ch->in. */
static int receive(struct channel *ch, struct error *e)
{
    size_t n = 0;
    uint8_t *to = buf_reserve(&ch->in, 4096);
    if (!to)
        return error_set(e, -ENOMEM, "no memory for an answer");
    if (SSL_read_ex(ch->ssl, to, 4096, &n) != 1)
        return broken(ch, e);
    ch->in.size += n;
    return 0;
}

int channel_exchange(struct channel *ch, const char *method, const char *path, struct slice body,
                     unsigned *ret_status, struct buf *ret_body, struct error *e)
{
    struct http_answer answer;
    ch->in.size_max = CHANNEL_HEAD_SIZE_MAX + CHANNEL_BODY_SIZE_MAX + 4096;
    int r = request_send(ch, method, path, body, e);
    while (r == 0) {
        r = http_answer_parse(buf_slice(&ch->in), &answer);
        if (r == 0)
            break;
        if (r == -EBADMSG)
            return error_set(e, r, "the key broker's answer makes no sense");
        r = receive(ch, e);
    }
    if (r < 0)
        return r;
    if (buf_append_slice(ret_body, answer.body) < 0)
        return error_set(e, -ENOMEM, "no memory for an answer");
    *ret_status = answer.status;
    secret_wipe(ch->in.bytes, ch->in.size);
    buf_consume(&ch->in, answer.size);
    return 0;
}
