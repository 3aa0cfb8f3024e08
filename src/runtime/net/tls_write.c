/* SPDX-License-Identifier: Apache-2.0 */
/* The writing half of a connection: pieces into records, records to the socket, and what waits for more. */
#include "runtime/net/tls_engine.h"

#include "runtime/guest.h"

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

/* Encrypts one piece, which waits in `out` then. 0 or an error. */
static int encrypt(struct tls_conn *conn, const uint8_t *bytes, size_t size)
{
    size_t written = 0;
    tls_conn_prepare(conn);
    int r = SSL_write_ex(conn->ssl, bytes, size, &written);
    if (r == 1)
        return 0;
    r = tls_conn_judge(conn, r);
    return conn->failed ? -EPIPE : MIN(r, -EAGAIN);
}

/* Sends what was encrypted, whose last byte was `last`. 0, -EAGAIN (not all sent) or an error. */
static int send_piece(struct tls_conn *conn, uint8_t last, bool more)
{
    int r = tls_out_send(conn, more);
    if (r < 0 && r != -EAGAIN)
        return tls_conn_fail(conn, r);
    if (r == -EAGAIN) {
        conn->deferred = false;
        conn->held = true;
        conn->held_byte = last;
    }
    return r;
}

static int write_piece(struct tls_conn *conn, const uint8_t *bytes, size_t size, bool more)
{
    int r = encrypt(conn, bytes, size);
    return r < 0 ? r : send_piece(conn, bytes[size - 1], more);
}

/* Copies what fits of the guest's buffers, from byte `skip` on: all of it or, as the kernel's own, nothing
 * (-EFAULT). */
static ssize_t copy_in(uint8_t *to, size_t room, const struct iovec *iov, int count, size_t skip)
{
    size_t wanted = MIN(room, tls_iov_size(iov, count) - skip);
    ssize_t n = wanted > 0 ? guest_gather(to, wanted, iov, count, skip) : 0;
    return n == (ssize_t)wanted ? n : -EFAULT;
}

/* Encrypts what one host write carries at most, from byte `skip` of the guest's buffers on; it is
 * copied first, for they may vanish or change meanwhile. How much, or an error if nothing. */
static ssize_t encrypt_from(struct tls_conn *conn, const struct iovec *iov, int count, size_t skip,
                            size_t size_max, uint8_t *ret_last)
{
    uint8_t plain[RECORD_SIZE_MAX];
    size_t done = 0;
    ssize_t n = 0;
    while (done < size_max) {
        n = copy_in(plain, MIN(sizeof plain, size_max - done), iov, count, skip + done);
        if (n <= 0)
            break;
        int r = encrypt(conn, plain, (size_t)n);
        if (r < 0)
            return r;
        *ret_last = plain[n - 1];
        done += (size_t)n;
    }
    return done > 0 ? (ssize_t)done : n;
}

/* The first byte was sent with the write before; see the header. */
static int write_resume(struct tls_conn *conn, const struct iovec *iov, int count)
{
    uint8_t first;
    ssize_t n = guest_gather(&first, 1, iov, count, 0);
    if (n < 0)
        return (int)n;
    conn->held = false;
    if (n == 0)
        return 0;
    return first == conn->held_byte ? 1 : tls_conn_fail(conn, -ECONNRESET);
}

static int64_t write_all(struct tls_conn *conn, const struct iovec *iov, int count, size_t done)
{
    size_t total = tls_iov_size(iov, count);
    int64_t r = 0;
    while (r == 0 && done < total) {
        uint8_t last = 0;
        ssize_t n = encrypt_from(conn, iov, count, done, WRITE_SIZE_MAX, &last);
        r = n > 0 ? send_piece(conn, last, done + (size_t)n < total) : n;
        if (n > 0 && (r == 0 || r == -EAGAIN))
            done += (size_t)n - (conn->held ? 1 : 0);
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
    ssize_t n = copy_in(conn->corked + conn->corked_size, RECORD_SIZE_MAX - conn->corked_size, iov,
                        count, skip);
    if (n > 0)
        conn->corked_size += (size_t)n;
    else if (conn->corked_size == 0)
        tls_corked_drop(conn);
    return n;
}

/* Through the record that waits: it is sent when it is full and more is there, or if no `more` comes;
 * then the rest goes its own way. What waits is never empty while a packet at the host does. */
static int64_t write_corked(struct tls_conn *conn, const struct iovec *iov, int count, size_t done,
                            bool more)
{
    size_t total = tls_iov_size(iov, count);
    for (;;) {
        if (conn->corked_size == 0 && total - done > RECORD_SIZE_MAX) {
            uint8_t last = 0; /* a record, and at least a byte behind it */
            ssize_t n = encrypt_from(conn, iov, count, done, RECORD_SIZE_MAX, &last);
            int r = n > 0 ? send_piece(conn, last, true) : (int)n;
            if (r < 0 && r != -EAGAIN)
                return done > 0 && r == -EFAULT ? (int64_t)done : r;
            done += (size_t)n - conn->held;
            if (r == -EAGAIN)
                return (int64_t)done;
            continue;
        }
        ssize_t taken = cork(conn, iov, count, done);
        if (taken < 0)
            return done > 0 && taken == -EFAULT ? (int64_t)done : taken;
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

bool tls_conn_is_shut(const struct tls_conn *conn)
{
    return conn->shut;
}

bool tls_conn_is_corked(const struct tls_conn *conn)
{
    return conn->corked_size > 0;
}
