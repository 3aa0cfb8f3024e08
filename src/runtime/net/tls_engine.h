/* SPDX-License-Identifier: Apache-2.0 */
/* net/tls_engine.h: what tls_conn.c and tls_write.c share of a connection; nobody else's. */
#ifndef COFFER_RUNTIME_NET_TLS_ENGINE_H
#define COFFER_RUNTIME_NET_TLS_ENGINE_H

#include "runtime/net/inbox.h"
#include "runtime/net/tls_conn.h"

#include <openssl/types.h>

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
    bool late;           /* the handshake took too long */
    bool owes;           /* see tls_conn_owes() */
    bool socket_ended;   /* end of the stream below TLS */
    int socket_error;    /* -errno of the socket */
    char failure[FAILURE_SIZE];
};

static inline size_t tls_iov_size(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

static inline bool tls_out_is_empty(const struct tls_conn *conn)
{
    return conn->out_at == conn->out_size;
}

/* Sends the ciphertext that waits. `more`: the rest of what the program wrote follows. Without saying so
 * each piece would end in a short packet, and Nagle's algorithm would keep the second one until the
 * peer has seen the first. 0 when all is sent, -EAGAIN, or the socket's error. */
must_check int tls_out_send(struct tls_conn *conn, bool more);

/* Before each OpenSSL call: it judges a result by the thread's error queue, which anybody may have left
 * something in. */
void tls_conn_prepare(struct tls_conn *conn);

/* What a failed OpenSSL call means: 0 (again: something that is no data was handled), -EAGAIN,
 * -ENODATA (the peer said it has ended), or an error, after which the connection has failed. */
must_check int tls_conn_judge(struct tls_conn *conn, int result);

/* Ends the connection with the error `r`, which it returns. */
int tls_conn_fail(struct tls_conn *conn, int r);

/* 0 when established. What the handshake has to say is sent before it waits. */
int tls_conn_handshake(struct tls_conn *conn);

/* Wipes what waits for more. */
void tls_corked_drop(struct tls_conn *conn);

#endif
