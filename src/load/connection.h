/* SPDX-License-Identifier: Apache-2.0 */
/* load/connection.h: one non-blocking client connection, TLS 1.3 with SNI and session resumption,
 * or plain TCP. Never waits: it says -EAGAIN and the caller's epoll (edge-triggered, both
 * directions) says when to go on. */
#ifndef COFFER_LOAD_CONNECTION_H
#define COFFER_LOAD_CONNECTION_H

#include "base/error.h"
#include "base/macros.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;

/* Where all clients connect to. */
struct endpoint {
    struct sockaddr_storage address;
    socklen_t address_size;
    struct ssl_ctx_st *tls; /* NULL: plain */
};

/* `address` is IP:PORT or [IPV6]:PORT. -EINVAL with a text otherwise. */
must_check int endpoint_parse(const char *address, struct endpoint *ret_endpoint, struct error *e);
/* Makes the TLS context; servers must prove themselves by a chain to a certificate in `ca_file`. */
must_check int endpoint_use_tls(struct endpoint *endpoint, const char *ca_file, struct error *e);
void endpoint_done(struct endpoint *endpoint);

enum connection_state { CONNECTION_CLOSED, CONNECTION_CONNECTING, CONNECTION_TLS, CONNECTION_OPEN };

/* Starts as {.fd = -1}. Must not move in memory while open. */
struct connection {
    enum connection_state state;
    int fd;
    struct ssl_st *ssl;
    struct ssl_session_st *session; /* for the next handshake; survives connection_close() */
    bool resumed;                   /* this handshake used it */
};

/* Begins; then connection_advance() until it returns 0. -errno if the kernel has no socket. */
must_check int connection_open(struct connection *c, const struct endpoint *endpoint,
                               const char *server_name);

/* 0: open. -EAGAIN: not yet. -EPROTO: TLS refused; another -errno: TCP did. */
must_check int connection_advance(struct connection *c);

/* Bytes moved (0 from read: the peer has closed), -EAGAIN, or -errno. */
must_check ssize_t connection_read(struct connection *c, void *bytes, size_t size);
must_check ssize_t connection_write(struct connection *c, const void *bytes, size_t size);

void connection_close(struct connection *c);
/* Also forgets the session. */
void connection_done(struct connection *c);

#endif
