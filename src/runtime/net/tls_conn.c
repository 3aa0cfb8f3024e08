/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/tls_engine.h"

#include "crypto/memory.h"
#include "runtime/guest.h"
#include "runtime/net/sock.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the socket, as OpenSSL sees it --------------------------------------------------------- */

static int bio_read(BIO *bio, char *bytes, int size)
{
    struct tls_conn *conn = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0 || conn->socket_ended || conn->socket_error)
        return 0;
    ssize_t n =
        conn->drained && conn->trusts_drained ? -EAGAIN : sock_recv(conn->fd, bytes, (size_t)size);
    if (n > 0) {
        conn->drained = n < size;
        conn->has_received = conn->received = true;
        return (int)n;
    }
    if (n == -EAGAIN) {
        conn->blocked = true;
        conn->owes = false;
        BIO_set_retry_read(bio);
        return -1;
    }
    if (n == 0)
        conn->socket_ended = true;
    else
        conn->socket_error = (int)n;
    return 0;
}

static uint8_t *out_reserve(struct tls_conn *conn, size_t more)
{
    if (conn->out_at == conn->out_size)
        conn->out_at = conn->out_size = 0;
    if (more > OUT_SIZE_MAX - conn->out_size)
        return NULL;
    if (conn->out_size + more > conn->out_capacity) {
        size_t capacity = MAX(conn->out_size + more, 2 * conn->out_capacity);
        if (capacity >= CRYPTO_KEPT_MIN) /* one that is kept: crypto/memory.h */
            capacity = MAX(capacity, (size_t)CRYPTO_KEPT_MAX);
        uint8_t *out = OPENSSL_realloc(conn->out, capacity);
        if (!out)
            return NULL;
        conn->out = out;
        conn->out_capacity = capacity;
    }
    return conn->out + conn->out_size;
}

/* Collects; out_flush() sends. So a flight, or a response with its ticket, is one host write. */
static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct tls_conn *conn = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    uint8_t *to = size > 0 ? out_reserve(conn, (size_t)size) : NULL;
    if (!to) {
        conn->socket_error = -ENOMEM;
        return -1;
    }
    memcpy(to, bytes, (size_t)size);
    conn->out_size += (size_t)size;
    return size;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_PUSH || command == BIO_CTRL_POP;
}

static BIO_METHOD *g_bio_method; /* one per process, made by whoever comes first, never freed */

static const BIO_METHOD *bio_method(void)
{
    BIO_METHOD *method = __atomic_load_n(&g_bio_method, __ATOMIC_ACQUIRE);
    if (method)
        return method;
    method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x7f, "coffer socket");
    if (!method || BIO_meth_set_read(method, bio_read) != 1 ||
        BIO_meth_set_write(method, bio_write) != 1 || BIO_meth_set_ctrl(method, bio_ctrl) != 1) {
        BIO_meth_free(method);
        return NULL;
    }
    BIO_METHOD *none = NULL;
    if (!__atomic_compare_exchange_n(&g_bio_method, &none, method, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        BIO_meth_free(method);
        method = none;
    }
    return method;
}

int tls_out_send(struct tls_conn *conn, bool more)
{
    while (!tls_out_is_empty(conn)) {
        ssize_t n =
            sock_send(conn->fd, conn->out + conn->out_at, conn->out_size - conn->out_at, more);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return -EPIPE;
        conn->out_at += (size_t)n;
    }
    OPENSSL_free(conn->out);
    conn->out = NULL;
    conn->out_at = conn->out_size = conn->out_capacity = 0;
    conn->deferred = false;
    return 0;
}

static int out_flush(struct tls_conn *conn)
{
    return tls_out_send(conn, false);
}

static void out_drop(struct tls_conn *conn)
{
    OPENSSL_free(conn->out);
    conn->out = NULL;
    conn->out_at = conn->out_size = conn->out_capacity = 0;
}

/* --- the connection ------------------------------------------------------------------------- */

int tls_conn_new(struct tls_context *context, int fd, const char *server_name,
                 struct tls_conn **ret_conn)
{
    struct tls_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return -ENOMEM;
    conn->context = tls_context_ref(context);
    conn->fd = fd;
    conn->low_water = 1;
    if (server_name && !(conn->server_name = strdup(server_name))) {
        tls_context_free(context);
        free(conn);
        return -ENOMEM;
    }
    *ret_conn = conn;
    return 0;
}

void tls_conn_free(struct tls_conn *conn)
{
    if (!conn)
        return;
    SSL_free(conn->ssl);
    out_drop(conn);
    inbox_clear(&conn->inbox);
    tls_corked_drop(conn);
    free(conn->server_name);
    tls_context_free(conn->context);
    free(conn);
}

void tls_conn_set_fd(struct tls_conn *conn, int fd)
{
    conn->fd = fd;
}

static int conn_start(struct tls_conn *conn)
{
    if (conn->ssl)
        return 0;
    const BIO_METHOD *method = bio_method();
    BIO *bio = method ? BIO_new(method) : NULL;
    SSL *ssl = bio ? tls_context_ssl(conn->context, conn->server_name) : NULL;
    if (!ssl) {
        BIO_free(bio);
        ERR_clear_error();
        return -ENOMEM;
    }
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    conn->ssl = ssl;
    return 0;
}

/* In words, without OpenSSL's text tables, which cost memory in every process. */
static const char *reason_text(const struct tls_conn *conn, unsigned long code)
{
    static const struct {
        int reason;
        const char *text;
    } TEXTS[] = {
        {SSL_R_HTTP_REQUEST, "the peer speaks plain HTTP"},
        {SSL_R_HTTPS_PROXY_REQUEST, "the peer speaks to an HTTP proxy"},
        {SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS"},
        {SSL_R_UNSUPPORTED_PROTOCOL, "the peer has no TLS version that is allowed here"},
        {SSL_R_NO_SHARED_CIPHER, "no cipher in common"},
        {SSL_R_CERTIFICATE_VERIFY_FAILED, "the peer's certificate is not trusted"},
        {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the peer shows no certificate"},
        {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the peer does not trust our certificate"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the peer does not accept our certificate"},
        {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the peer does not accept our certificate"},
        {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record was changed on its way"},
        {SSL_R_UNEXPECTED_EOF_WHILE_READING, "the stream was cut"},
        {SSL_R_NO_RENEGOTIATION, "renegotiation is refused"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(TEXTS); i++)
        if (code && ERR_GET_REASON(code) == TEXTS[i].reason)
            return TEXTS[i].text;
    if (conn->late)
        return "the handshake took too long";
    if (conn->socket_error)
        return "the socket failed";
    return conn->socket_ended ? "the stream was cut" : "the peer breaks the protocol";
}

/* A person who opened http:// at a TLS port reads why, instead of an alert's bytes. */
static void answer_plain_http(struct tls_conn *conn)
{
    static const char ANSWER[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                                 "Content-Length: 37\r\nConnection: close\r\n\r\n"
                                 "This port speaks TLS: use https://.\r\n";
    out_drop(conn);
    uint8_t *to = out_reserve(conn, sizeof ANSWER - 1);
    if (!to)
        return;
    memcpy(to, ANSWER, sizeof ANSWER - 1);
    conn->out_size = sizeof ANSWER - 1;
}

int tls_conn_fail(struct tls_conn *conn, int r)
{
    unsigned long code = ERR_peek_error();
    snprintf(conn->failure, sizeof conn->failure, "%s (%d)", reason_text(conn, code),
             code ? ERR_GET_REASON(code) : -conn->socket_error);
    ERR_clear_error();
    if (code && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)
        answer_plain_http(conn);
    if (out_flush(conn) < 0) /* the alert; whether it gets through is no longer our concern */
        out_drop(conn);
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    conn->failed = true;
    conn->error = conn->read_error = -r;
    return r;
}

void tls_conn_expire(struct tls_conn *conn)
{
    if (conn->established || conn->failed)
        return;
    conn->late = true;
    (void)tls_conn_fail(conn, -ETIMEDOUT);
}

int tls_conn_judge(struct tls_conn *conn, int result)
{
    int reason = SSL_get_error(conn->ssl, result);
    if (reason == SSL_ERROR_ZERO_RETURN) {
        if (conn->server_name && !conn->established)
            return tls_conn_fail(conn, -ECONNRESET); /* not a word of the server's own yet */
        conn->ended = true;
        return -ENODATA;
    }
    if (reason == SSL_ERROR_WANT_READ && conn->blocked) {
        conn->blocked = false;
        return -EAGAIN;
    }
    if (reason == SSL_ERROR_WANT_READ && ++conn->not_data <= NOT_DATA_MAX)
        return 0;
    if (conn->socket_ended && !conn->has_received &&
        !conn->server_name) { /* somebody tried the port and left */
        conn->ended = true;
        return -ENODATA;
    }
    if (conn->socket_error && conn->socket_error != -EPIPE)
        return tls_conn_fail(conn, conn->socket_error);
    return tls_conn_fail(conn, -ECONNRESET);
}

void tls_conn_prepare(struct tls_conn *conn)
{
    ERR_clear_error();
    conn->blocked = false;
}

int tls_conn_handshake(struct tls_conn *conn)
{
    if (conn->failed)
        return -EPIPE;
    if (conn->established)
        return 0;
    if (conn->ended)
        return -ENODATA;
    int r = conn_start(conn);
    if (r < 0)
        return r;
    for (;;) {
        tls_conn_prepare(conn);
        r = SSL_do_handshake(conn->ssl);
        if (r == 1)
            break;
        r = tls_conn_judge(conn, r);
        int flushed = conn->failed || tls_out_is_empty(conn) ? 0 : out_flush(conn);
        if (flushed < 0 && flushed != -EAGAIN)
            return tls_conn_fail(conn, flushed);
        if (r < 0)
            return r;
    }
    conn->established = true;
    conn->not_data = 0;
    /* A TLS 1.3 server has only tickets left to send: they ride with its first answer. Alone they
     * would cost a segment, and Nagle's algorithm would hold the answer back for the delayed ACK. */
    conn->deferred = SSL_is_server(conn->ssl) && SSL_version(conn->ssl) == TLS1_3_VERSION;
    if (conn->deferred || tls_out_is_empty(conn))
        return 0;
    r = out_flush(conn);
    return r < 0 && r != -EAGAIN ? tls_conn_fail(conn, r) : 0;
}

/* The error of a stream that has failed: once, then its end. */
static int64_t read_failed(struct tls_conn *conn)
{
    int r = -conn->read_error;
    conn->read_error = 0;
    if (r)
        conn->error = 0;
    return r;
}

/* One SSL_read or SSL_peek that gives data, or why not. */
static int64_t read_some(struct tls_conn *conn, void *bytes, size_t size, bool peek)
{
    for (;;) {
        size_t n = 0;
        tls_conn_prepare(conn);
        int r = peek ? SSL_peek_ex(conn->ssl, bytes, size, &n)
                     : SSL_read_ex(conn->ssl, bytes, size, &n);
        if (r == 1) {
            conn->not_data = 0;
            return (int64_t)n;
        }
        r = tls_conn_judge(conn, r);
        if (r < 0)
            return r;
    }
}

/* Everything that was read from the socket has been given out, and the socket had no more. */
static bool is_dry(const struct tls_conn *conn)
{
    return conn->drained && inbox_size(&conn->inbox) == 0 && !SSL_has_pending(conn->ssl);
}

/* Decrypts some for the buffers, from their byte `done` on. What the guest's memory does not take waits
 * in the inbox, whole, as a packet does at the kernel's. */
static int64_t read_through(struct tls_conn *conn, const struct iovec *iov, int count, size_t done)
{
    uint8_t plain[RECORD_SIZE_MAX];
    size_t room = tls_iov_size(iov, count) - done;
    int64_t n = read_some(conn, plain, MIN(room, sizeof plain), false);
    if (n <= 0 || guest_scatter(iov, count, done, plain, (size_t)n) == n)
        return n;
    uint8_t *kept = inbox_reserve(&conn->inbox, (size_t)n);
    if (!kept)
        return tls_conn_fail(conn, -ENOMEM); /* a stream with a hole is none */
    memcpy(kept, plain, (size_t)n);
    conn->inbox.end += (size_t)n;
    return -EFAULT;
}

/* Fills the buffers; stops early only where the socket has nothing more, or the guest's memory ends. A
 * short count must mean that: programs that wait for edges rely on it (epoll(7), question 9). */
static int64_t read_fill(struct tls_conn *conn, const struct iovec *iov, int count)
{
    size_t total = tls_iov_size(iov, count);
    int64_t n = inbox_take(&conn->inbox, iov, count);
    size_t filled = n > 0 ? (size_t)n : 0;
    while (n >= 0 && filled < total && !conn->ended && !conn->failed) {
        conn->trusts_drained = filled > 0;
        n = read_through(conn, iov, count, filled);
        filled += n > 0 ? (size_t)n : 0;
        if (n > 0 && is_dry(conn))
            break;
    }
    return filled > 0 ? (int64_t)filled : MIN(n, (int64_t)0);
}

/* Decrypts ahead until `wanted` bytes can be read without OpenSSL, or no more are there. */
static void look_ahead(struct tls_conn *conn, size_t wanted)
{
    int64_t n = 0;
    wanted = MIN(wanted, INBOX_SIZE_MAX);
    while (conn->established && !conn->ended && !conn->failed &&
           inbox_size(&conn->inbox) < wanted) {
        size_t more = wanted - inbox_size(&conn->inbox);
        uint8_t *to = inbox_reserve(&conn->inbox, MIN(more, (size_t)RECORD_SIZE_MAX));
        conn->trusts_drained = n > 0;
        n = to ? read_some(conn, to, MIN(more, (size_t)RECORD_SIZE_MAX), false) : -ENOMEM;
        if (n < 0)
            break;
        conn->inbox.end += (size_t)n;
    }
    conn->owes |= n > 0 && inbox_size(&conn->inbox) == INBOX_SIZE_MAX;
    conn->trusts_drained = false;
}

/* Reading may have made something to say: a key update's answer. */
static void conn_answer(struct tls_conn *conn)
{
    if (conn->failed || tls_out_is_empty(conn) || conn->deferred)
        return;
    int r = out_flush(conn);
    if (r < 0 && r != -EAGAIN)
        (void)tls_conn_fail(conn, r);
}

/* Nothing more comes: the end or, once, the error that cut the stream. */
static int64_t read_end(struct tls_conn *conn, int64_t r)
{
    if (conn->failed)
        return read_failed(conn);
    return conn->ended || r == -ENODATA ? 0 : MIN(r, 0);
}

int64_t tls_conn_read(struct tls_conn *conn, const struct iovec *iov, int count)
{
    int64_t r = 0;
    (void)tls_conn_flush(conn); /* who waits for an answer has said all of the question */
    if (inbox_size(&conn->inbox) == 0) {
        r = tls_conn_handshake(conn);
        if (r < 0)
            return r == -ENODATA ? 0 : conn->failed ? read_failed(conn) : r;
    }
    r = read_fill(conn, iov, count);
    conn->trusts_drained = false;
    conn_answer(conn);
    return r > 0 ? r : read_end(conn, r);
}

int64_t tls_conn_peek(struct tls_conn *conn, const struct iovec *iov, int count)
{
    (void)tls_conn_flush(conn);
    int64_t r = tls_conn_handshake(conn);
    if (r == 0)
        look_ahead(conn, tls_iov_size(iov, count));
    conn_answer(conn);
    ssize_t n = inbox_peek(&conn->inbox, iov, count);
    if (n != 0 || tls_iov_size(iov, count) == 0)
        return n;
    return read_end(conn, r < 0 ? r : -EAGAIN);
}

static size_t decrypted(const struct tls_conn *conn)
{
    int n = conn->established && !conn->failed ? SSL_pending(conn->ssl) : 0;
    return inbox_size(&conn->inbox) + (n > 0 ? (size_t)n : 0);
}

unsigned tls_conn_state(const struct tls_conn *conn)
{
    if (conn->failed)
        return TLS_READABLE | TLS_WRITABLE | TLS_ENDED | TLS_FAILED;
    unsigned bits = conn->ended ? TLS_READABLE | TLS_ENDED : 0;
    if (!conn->established)
        return bits;
    if (decrypted(conn) >= conn->low_water)
        bits |= TLS_READABLE;
    else if (SSL_has_pending(conn->ssl))
        bits |= TLS_BUFFERED;
    if (tls_out_is_empty(conn) || conn->deferred || conn->shut)
        bits |= TLS_WRITABLE;
    return bits;
}

unsigned tls_conn_advance(struct tls_conn *conn)
{
    uint8_t byte;
    (void)tls_conn_flush(conn);
    conn->drained = false;          /* somebody was told of new bytes, perhaps */
    (void)tls_conn_handshake(conn); /* whatever came of it is in the state */
    if (conn->low_water > 1)
        look_ahead(conn, conn->low_water);
    else if (conn->established && !conn->failed && !conn->ended && decrypted(conn) == 0)
        (void)read_some(conn, &byte, 1, true); /* leaves a record decrypted, or the end noted */
    conn_answer(conn);
    return tls_conn_state(conn);
}

short tls_conn_host_events(const struct tls_conn *conn, short events)
{
    if (conn->failed)
        return 0;
    bool pending = !tls_out_is_empty(conn) && !conn->deferred;
    short host = 0;
    if (conn->established) {
        host = (short)(events & POLLIN);
        if ((events & POLLOUT) || pending)
            host |= POLLOUT;
        return host;
    }
    /* A client that waits for its connection to be made waits for room. */
    bool starts = !conn->ssl && conn->server_name;
    return (short)(POLLIN | (pending || starts ? POLLOUT : 0));
}

size_t tls_conn_pending(struct tls_conn *conn)
{
    (void)tls_conn_flush(conn);
    (void)tls_conn_handshake(conn);
    look_ahead(conn, INBOX_SIZE_MAX);
    conn_answer(conn);
    return decrypted(conn);
}

void tls_conn_set_low_water(struct tls_conn *conn, size_t bytes)
{
    conn->low_water = MIN(MAX(bytes, (size_t)1), INBOX_SIZE_MAX);
}

int tls_conn_shutdown(struct tls_conn *conn)
{
    if (conn->failed)
        return -EPIPE;
    if (conn->established && !conn->shut) {
        int r = tls_conn_flush(conn);
        if (r == -EAGAIN && conn->corked_size > 0)
            return r; /* what waits comes before the goodbye */
        if (conn->failed)
            return -EPIPE;
        tls_conn_prepare(conn);
        r = SSL_shutdown(conn->ssl);
        if (r < 0 && tls_conn_judge(conn, r) < 0 && conn->failed)
            return -EPIPE;
    }
    conn->shut = true;
    conn->deferred = conn->held = false;
    int r = tls_out_is_empty(conn) ? 0 : out_flush(conn);
    return r < 0 && r != -EAGAIN ? tls_conn_fail(conn, r) : r;
}

int tls_conn_take_error(struct tls_conn *conn)
{
    int error = conn->error;
    if (error)
        conn->error = conn->read_error = 0;
    return error;
}

bool tls_conn_take_received(struct tls_conn *conn)
{
    bool received = conn->received;
    conn->received = false;
    return received;
}

const char *tls_conn_failure(const struct tls_conn *conn)
{
    return conn->failure;
}

bool tls_conn_is_established(const struct tls_conn *conn)
{
    return conn->established;
}

bool tls_conn_owes(const struct tls_conn *conn)
{
    return conn->owes && !conn->failed && !conn->ended;
}
