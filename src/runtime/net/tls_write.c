/* SPDX-License-Identifier: Apache-2.0 */
/* The writing half of a connection: pieces into records, records to the socket, and what waits for more. */
#include "runtime/net/tls_engine.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

void tls_corked_drop(struct tls_conn *conn)
{
    if (!conn->corked)
        return;
    OPENSSL_cleanse(conn->corked, conn->corked_size);
    free(conn->corked);
    conn->corked = NULL;
    conn->corked_size = 0;
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
    tls_conn_prepare(conn);
    int r = SSL_write_ex(conn->ssl, bytes, size, &written);
    if (r != 1) {
        r = tls_conn_judge(conn, r);
        return conn->failed ? -EPIPE : MIN(r, -EAGAIN);
    }
    r = tls_out_send(conn, more);
    if (r < 0 && r != -EAGAIN)
        return tls_conn_fail(conn, r);
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
                       : tls_conn_fail(conn, -ECONNRESET);
    return 0;
}

static int64_t write_all(struct tls_conn *conn, const struct iovec *iov, int count, size_t done)
{
    size_t total = tls_iov_size(iov, count), size;
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
    int r = tls_out_is_empty(conn) || conn->deferred ? 0 : tls_out_send(conn, false);
    if (r == 0) {
        r = write_piece(conn, conn->corked, conn->corked_size, false);
        conn->held = false; /* all of it was acknowledged when it was taken */
        tls_corked_drop(conn);
    }
    return r < 0 && r != -EAGAIN && !conn->failed ? tls_conn_fail(conn, r) : r;
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
    size_t total = tls_iov_size(iov, count);
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
        tls_corked_drop(conn);
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
    int r = tls_conn_handshake(conn);
    if (r < 0)
        return r == -EAGAIN || r == -ENOMEM ? r : -EPIPE;
    if (tls_iov_size(iov, count) == 0)
        return 0;
    if (!tls_out_is_empty(conn) && !conn->deferred) {
        r = tls_out_send(conn, false);
        if (r == -EAGAIN)
            return r;
        if (r < 0)
            return tls_conn_fail(conn, r);
    }
    int64_t done = conn->held ? write_resume(conn, iov, count) : 0;
    if (done >= 0 && (more || conn->corked_size > 0)) {
        done = write_corked(conn, iov, count, (size_t)done, more);
        if (done > 0 && !tls_out_is_empty(conn))
            return done;
    }
    return done < 0 ? done : write_all(conn, iov, count, (size_t)done);
}

bool tls_conn_is_corked(const struct tls_conn *conn)
{
    return conn->corked_size > 0;
}
