/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/tls_conn.h"

#include "runtime/net/inbox.h"
#include "runtime/net/sock.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RECORD_SIZE_MAX = 16384,              /* RFC 8446, section 5.1 */
    WRITE_SIZE_MAX = 2 * RECORD_SIZE_MAX, /* plaintext that becomes one host write */
    OUT_SIZE_MAX = 4 * RECORD_SIZE_MAX,   /* ciphertext held; more is a mistake of ours */
    NOT_DATA_MAX = 32,                    /* records in a row that carry no plaintext */
    FAILURE_SIZE = 96,
};

struct tls_conn {
    struct tls_context *context;
    SSL *ssl; /* made at first use, freed at failure */
    char *server_name;
    struct inbox inbox; /* read before what OpenSSL still has */
    size_t low_water;   /* so many bytes make it readable */
    uint8_t *corked;    /* plaintext that waits for more; less than a record, room for one */
    size_t corked_size;
    uint8_t *out; /* ciphertext for the socket */
    size_t out_at, out_size, out_capacity;
    int fd;
    int error;         /* errno for SO_ERROR, until taken */
    int read_error;    /* the same, for the next read */
    uint8_t not_data;  /* see NOT_DATA_MAX */
    uint8_t held_byte; /* what was sent but not acknowledged */
    bool held;
    bool established;
    bool failed;
    bool ended;          /* close_notify came */
    bool shut;           /* close_notify was said */
    bool deferred;       /* what is in `out` may wait for the next write: tickets */
    bool has_received;   /* a byte ever */
    bool received;       /* for tls_conn_take_received() */
    bool blocked;        /* the last read of the socket was -EAGAIN */
    bool drained;        /* the socket gave less than it was asked for, when it was asked last */
    bool trusts_drained; /* something was read: what has come since will make its own event */
    bool owes;           /* see tls_conn_owes() */
    bool socket_ended;   /* end of the stream below TLS */
    int socket_error;    /* -errno of the socket */
    char failure[FAILURE_SIZE];
};

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
        uint8_t *out = realloc(conn->out, capacity);
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

static bool out_is_empty(const struct tls_conn *conn)
{
    return conn->out_at == conn->out_size;
}

/* `more`: the rest of what the program wrote follows. Without saying so each piece would end in a
 * short packet, and Nagle's algorithm would keep the second one until the peer has seen the first. 0
 * when all is sent, -EAGAIN, or the socket's error. */
static int out_send(struct tls_conn *conn, bool more)
{
    while (!out_is_empty(conn)) {
        ssize_t n =
            sock_send(conn->fd, conn->out + conn->out_at, conn->out_size - conn->out_at, more);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return -EPIPE;
        conn->out_at += (size_t)n;
    }
    free(conn->out);
    conn->out = NULL;
    conn->out_at = conn->out_size = conn->out_capacity = 0;
    conn->deferred = false;
    return 0;
}

static int out_flush(struct tls_conn *conn)
{
    return out_send(conn, false);
}

static void out_drop(struct tls_conn *conn)
{
    free(conn->out);
    conn->out = NULL;
    conn->out_at = conn->out_size = conn->out_capacity = 0;
}

static void corked_drop(struct tls_conn *conn)
{
    if (!conn->corked)
        return;
    OPENSSL_cleanse(conn->corked, conn->corked_size);
    free(conn->corked);
    conn->corked = NULL;
    conn->corked_size = 0;
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
    corked_drop(conn);
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

static int conn_fail(struct tls_conn *conn, int r)
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

/* What a failed OpenSSL call means: 0 (again: something that is no data was handled), -EAGAIN,
 * -ENODATA (the peer said it has ended), or an error, after which the connection has failed. */
static int conn_judge(struct tls_conn *conn, int result)
{
    int reason = SSL_get_error(conn->ssl, result);
    if (reason == SSL_ERROR_ZERO_RETURN) {
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
        return conn_fail(conn, conn->socket_error);
    return conn_fail(conn, -ECONNRESET);
}

/* OpenSSL judges a result by the thread's error queue, which anybody may have left something in. */
static void conn_prepare(struct tls_conn *conn)
{
    ERR_clear_error();
    conn->blocked = false;
}

/* 0 when established. What the handshake has to say is sent before it waits. */
static int conn_handshake(struct tls_conn *conn)
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
        conn_prepare(conn);
        r = SSL_do_handshake(conn->ssl);
        if (r == 1)
            break;
        r = conn_judge(conn, r);
        int flushed = conn->failed || out_is_empty(conn) ? 0 : out_flush(conn);
        if (flushed < 0 && flushed != -EAGAIN)
            return conn_fail(conn, flushed);
        if (r < 0)
            return r;
    }
    conn->established = true;
    conn->not_data = 0;
    /* A TLS 1.3 server has only tickets left to send: they ride with its first answer. Alone they
     * would cost a segment, and Nagle's algorithm would hold the answer back for the delayed ACK. */
    conn->deferred = SSL_is_server(conn->ssl) && SSL_version(conn->ssl) == TLS1_3_VERSION;
    if (conn->deferred || out_is_empty(conn))
        return 0;
    r = out_flush(conn);
    return r < 0 && r != -EAGAIN ? conn_fail(conn, r) : 0;
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
        conn_prepare(conn);
        int r = peek ? SSL_peek_ex(conn->ssl, bytes, size, &n)
                     : SSL_read_ex(conn->ssl, bytes, size, &n);
        if (r == 1) {
            conn->not_data = 0;
            return (int64_t)n;
        }
        r = conn_judge(conn, r);
        if (r < 0)
            return r;
    }
}

/* Everything that was read from the socket has been given out, and the socket had no more. */
static bool is_dry(const struct tls_conn *conn)
{
    return conn->drained && inbox_size(&conn->inbox) == 0 && !SSL_has_pending(conn->ssl);
}

/* Fills `bytes`; stops early only where the socket has nothing more. A short count must mean that:
 * programs that wait for edges rely on it (epoll(7), question 9). */
static int64_t read_fill(struct tls_conn *conn, uint8_t *bytes, size_t size, size_t done)
{
    size_t filled = inbox_take(&conn->inbox, bytes, size);
    while (filled < size && !conn->ended && !conn->failed) {
        conn->trusts_drained = done + filled > 0;
        int64_t n = read_some(conn, bytes + filled, size - filled, false);
        if (n < 0)
            return filled > 0 ? (int64_t)filled : n;
        filled += (size_t)n;
        if (is_dry(conn))
            break;
    }
    return (int64_t)filled;
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
    if (conn->failed || out_is_empty(conn) || conn->deferred)
        return;
    int r = out_flush(conn);
    if (r < 0 && r != -EAGAIN)
        (void)conn_fail(conn, r);
}

static size_t iov_size(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
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
    size_t done = 0;
    (void)tls_conn_flush(conn); /* who waits for an answer has said all of the question */
    if (inbox_size(&conn->inbox) == 0) {
        r = conn_handshake(conn);
        if (r < 0)
            return r == -ENODATA ? 0 : conn->failed ? read_failed(conn) : r;
    }
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len == 0)
            continue;
        r = read_fill(conn, iov[i].iov_base, iov[i].iov_len, done);
        if (r <= 0)
            break;
        done += (size_t)r;
        if ((size_t)r < iov[i].iov_len)
            break;
    }
    conn->trusts_drained = false;
    conn_answer(conn);
    return done > 0 ? (int64_t)done : read_end(conn, r);
}

int64_t tls_conn_peek(struct tls_conn *conn, const struct iovec *iov, int count)
{
    (void)tls_conn_flush(conn);
    int64_t r = conn_handshake(conn);
    if (r == 0)
        look_ahead(conn, iov_size(iov, count));
    conn_answer(conn);
    size_t n = inbox_peek(&conn->inbox, iov, count);
    if (n > 0 || iov_size(iov, count) == 0)
        return (int64_t)n;
    return read_end(conn, r < 0 ? r : -EAGAIN);
}

/* As many bytes of `iov` from byte `skip` on as fit; how many. */
static size_t gather_into(uint8_t *to, size_t room, const struct iovec *iov, int count, size_t skip)
{
    size_t size = 0;
    for (; count > 0 && size < room; iov++, count--) {
        bool reaches = iov->iov_base && iov->iov_len > skip;
        size_t n = reaches ? MIN(iov->iov_len - skip, room - size) : 0;
        if (n > 0)
            memcpy(to + size, (const uint8_t *)iov->iov_base + skip, n);
        skip -= MIN(skip, iov->iov_len);
        size += n;
    }
    return size;
}

/* Up to WRITE_SIZE_MAX bytes from `iov`, from byte `skip` on: where they lie if they lie together,
 * else gathered into *ret_copy, which the caller frees. */
static const uint8_t *gather(const struct iovec *iov, int count, size_t skip, size_t *ret_size,
                             uint8_t **ret_copy)
{
    while (count > 0 && skip >= iov->iov_len) {
        skip -= iov->iov_len;
        iov++;
        count--;
    }
    *ret_size = 0;
    if (count == 0)
        return NULL;
    const uint8_t *first = (const uint8_t *)iov->iov_base + skip;
    size_t first_size = iov->iov_len - skip;
    if (count == 1 || first_size >= RECORD_SIZE_MAX) {
        *ret_size = MIN(first_size, (size_t)WRITE_SIZE_MAX);
        return first;
    }
    uint8_t *copy = *ret_copy ? *ret_copy : malloc(RECORD_SIZE_MAX);
    if (!copy)
        return NULL;
    *ret_copy = copy;
    *ret_size = gather_into(copy, RECORD_SIZE_MAX, iov, count, skip);
    return copy;
}

/* Encrypts and sends one piece. 0, -EAGAIN (encrypted, but not all sent) or an error. */
static int write_piece(struct tls_conn *conn, const uint8_t *bytes, size_t size, bool more)
{
    size_t written = 0;
    conn_prepare(conn);
    int r = SSL_write_ex(conn->ssl, bytes, size, &written);
    if (r != 1) {
        r = conn_judge(conn, r);
        return conn->failed ? -EPIPE : MIN(r, -EAGAIN);
    }
    r = out_send(conn, more);
    if (r < 0 && r != -EAGAIN)
        return conn_fail(conn, r);
    if (r == -EAGAIN) {
        conn->deferred = false;
        conn->held = true;
        conn->held_byte = bytes[size - 1];
    }
    return r;
}

/* The first byte was sent with the write before; see the header. */
static int write_resume(struct tls_conn *conn, const struct iovec *iov, int count)
{
    conn->held = false;
    for (; count > 0; iov++, count--)
        if (iov->iov_len > 0)
            return *(const uint8_t *)iov->iov_base == conn->held_byte
                       ? 1
                       : conn_fail(conn, -ECONNRESET);
    return 0;
}

static int64_t write_all(struct tls_conn *conn, const struct iovec *iov, int count, size_t done)
{
    size_t total = iov_size(iov, count), size;
    uint8_t *copy = NULL;
    int r = 0;
    while (r == 0 && done < total) {
        const uint8_t *bytes = gather(iov, count, done, &size, &copy);
        r = bytes ? write_piece(conn, bytes, size, done + size < total) : -ENOMEM;
        if (r == 0 || r == -EAGAIN)
            done += size - (conn->held ? 1 : 0);
    }
    if (copy) {
        OPENSSL_cleanse(copy, MIN(total, (size_t)RECORD_SIZE_MAX));
        free(copy);
    }
    return done > 0 ? (int64_t)done : r;
}

int tls_conn_flush(struct tls_conn *conn)
{
    if (conn->corked_size == 0 || conn->failed)
        return 0;
    int r = out_is_empty(conn) || conn->deferred ? 0 : out_flush(conn);
    if (r == 0) {
        r = write_piece(conn, conn->corked, conn->corked_size, false);
        conn->held = false; /* all of it was acknowledged when it was taken */
        corked_drop(conn);
    }
    return r < 0 && r != -EAGAIN && !conn->failed ? conn_fail(conn, r) : r;
}

/* Puts what fits behind what waits already. How many bytes, from byte `skip` on. */
static ssize_t cork(struct tls_conn *conn, const struct iovec *iov, int count, size_t skip)
{
    if (!conn->corked && !(conn->corked = malloc(RECORD_SIZE_MAX)))
        return -ENOMEM;
    size_t n = gather_into(conn->corked + conn->corked_size, RECORD_SIZE_MAX - conn->corked_size,
                           iov, count, skip);
    conn->corked_size += n;
    return (ssize_t)n;
}

/* A whole record from byte `skip` of `iov` on, if it lies in one buffer. */
static const uint8_t *lying_together(const struct iovec *iov, int count, size_t skip)
{
    for (; count > 0 && skip >= iov->iov_len; iov++, count--)
        skip -= iov->iov_len;
    return count > 0 && iov->iov_len - skip >= RECORD_SIZE_MAX
               ? (const uint8_t *)iov->iov_base + skip
               : NULL;
}

/* Through the record that waits: it is sent when it is full and more is there, or if no `more` comes;
 * then the rest goes its own way. What waits is never empty while a packet at the host does. */
static int64_t write_corked(struct tls_conn *conn, const struct iovec *iov, int count, size_t done,
                            bool more)
{
    size_t total = iov_size(iov, count);
    for (;;) {
        const uint8_t *whole = conn->corked_size == 0 && total - done > RECORD_SIZE_MAX
                                   ? lying_together(iov, count, done)
                                   : NULL;
        if (whole) { /* a record, and at least a byte behind it */
            int r = write_piece(conn, whole, RECORD_SIZE_MAX, true);
            if (r < 0 && r != -EAGAIN)
                return r;
            done += RECORD_SIZE_MAX - conn->held;
            if (r == -EAGAIN)
                return (int64_t)done;
            continue;
        }
        ssize_t taken = cork(conn, iov, count, done);
        if (taken < 0)
            return taken;
        done += (size_t)taken;
        if (done == total && more)
            return (int64_t)done;
        int r = write_piece(conn, conn->corked, conn->corked_size, done < total);
        corked_drop(conn);
        if (r < 0 && r != -EAGAIN)
            return r;
        if (taken == 0) /* all of it was acknowledged before */
            conn->held = false;
        done -= conn->held;
        if (r == -EAGAIN)
            return done > 0 ? (int64_t)done : r;
        if (done == total || !more)
            return (int64_t)done;
    }
}

int64_t tls_conn_write(struct tls_conn *conn, const struct iovec *iov, int count, bool more)
{
    if (conn->shut)
        return -EPIPE;
    int r = conn_handshake(conn);
    if (r < 0)
        return r == -EAGAIN || r == -ENOMEM ? r : -EPIPE;
    if (iov_size(iov, count) == 0)
        return 0;
    if (!out_is_empty(conn) && !conn->deferred) {
        r = out_flush(conn);
        if (r == -EAGAIN)
            return r;
        if (r < 0)
            return conn_fail(conn, r);
    }
    int64_t done = conn->held ? write_resume(conn, iov, count) : 0;
    if (done >= 0 && (more || conn->corked_size > 0)) {
        done = write_corked(conn, iov, count, (size_t)done, more);
        if (done > 0 && !out_is_empty(conn))
            return done;
    }
    return done < 0 ? done : write_all(conn, iov, count, (size_t)done);
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
    if (out_is_empty(conn) || conn->deferred || conn->shut)
        bits |= TLS_WRITABLE;
    return bits;
}

unsigned tls_conn_advance(struct tls_conn *conn)
{
    uint8_t byte;
    (void)tls_conn_flush(conn);
    conn->drained = false;      /* somebody was told of new bytes, perhaps */
    (void)conn_handshake(conn); /* whatever came of it is in the state */
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
    bool pending = !out_is_empty(conn) && !conn->deferred;
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
    (void)conn_handshake(conn);
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
        conn_prepare(conn);
        r = SSL_shutdown(conn->ssl);
        if (r < 0 && conn_judge(conn, r) < 0 && conn->failed)
            return -EPIPE;
    }
    conn->shut = true;
    conn->deferred = conn->held = false;
    int r = out_is_empty(conn) ? 0 : out_flush(conn);
    return r < 0 && r != -EAGAIN ? conn_fail(conn, r) : r;
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

bool tls_conn_is_corked(const struct tls_conn *conn)
{
    return conn->corked_size > 0;
}
