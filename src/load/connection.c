/* SPDX-License-Identifier: Apache-2.0 */
#include "load/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int port_parse(const char *text, uint16_t *ret_port)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (end == text || *end || port < 1 || port > 65535)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

int endpoint_parse(const char *address, struct endpoint *ret_endpoint, struct error *e)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    bool bracketed = address[0] == '[' && colon && colon > address + 1 && colon[-1] == ']';
    const char *start = address + bracketed;
    size_t len = colon ? (size_t)(colon - start) - bracketed : 0;
    struct endpoint made = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&made.address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&made.address;
    uint16_t port = 0;
    if (!colon || len == 0 || len >= sizeof host || port_parse(colon + 1, &port) < 0)
        return error_set(e, -EINVAL, "'%s' is not an address like 127.0.0.1:8443", address);
    memcpy(host, start, len);
    host[len] = '\0';
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        made.address_size = sizeof *v4;
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        made.address_size = sizeof *v6;
    } else {
        return error_set(e, -EINVAL, "'%s' is not an IP address (names are not resolved)", host);
    }
    *ret_endpoint = made;
    return 0;
}

/* A ticket came: keep the newest for this connection's next handshake. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct connection *c = SSL_get_app_data(ssl);
    SSL_SESSION_free(c->session);
    c->session = session;
    return 1;
}

int endpoint_use_tls(struct endpoint *endpoint, const char *ca_file, struct error *e)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls)
        return error_set(e, -ENOMEM, "no memory for TLS");
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, on_session);
    if (SSL_CTX_load_verify_locations(tls, ca_file, NULL) != 1) {
        SSL_CTX_free(tls);
        return error_set(e, -ENOENT, "cannot read certificates from '%s' (--ca FILE)", ca_file);
    }
    endpoint->tls = tls;
    return 0;
}

void endpoint_done(struct endpoint *endpoint)
{
    SSL_CTX_free(endpoint->tls);
    endpoint->tls = NULL;
}

static int tls_begin(struct connection *c, SSL_CTX *tls, const char *server_name)
{
    c->ssl = SSL_new(tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 ||
        SSL_set_tlsext_host_name(c->ssl, server_name) != 1 ||
        SSL_set1_host(c->ssl, server_name) != 1)
        return -ENOMEM;
    SSL_set_app_data(c->ssl, c);
    SSL_set_connect_state(c->ssl);
    if (c->session) {
        /* A ticket is good for one handshake: used twice it would link the two. */
        SSL_set_session(c->ssl, c->session);
        SSL_SESSION_free(c->session);
        c->session = NULL;
    }
    return 0;
}

int connection_open(struct connection *c, const struct endpoint *endpoint, const char *server_name)
{
    const int one = 1;
    c->fd = socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -errno;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->resumed = false;
    int r = 0;
    if (connect(c->fd, (const struct sockaddr *)&endpoint->address, endpoint->address_size) < 0 &&
        errno != EINPROGRESS)
        r = -errno;
    else if (endpoint->tls)
        r = tls_begin(c, endpoint->tls, server_name);
    if (r < 0) {
        connection_close(c);
        return r;
    }
    c->state = CONNECTION_CONNECTING;
    return 0;
}

/* What a failed OpenSSL call means for the caller. */
static int tls_error(struct connection *c, int result)
{
    int saved = errno;
    int r = -EPROTO;
    switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        r = -EAGAIN;
        break;
    case SSL_ERROR_ZERO_RETURN:
        r = 0;
        break;
    case SSL_ERROR_SYSCALL:
        r = saved > 0 ? -saved : -ECONNRESET;
        break;
    default:
        /* OpenSSL 3 calls a connection that ends without close_notify a protocol error. */
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            r = -ECONNRESET;
    }
    ERR_clear_error();
    return r;
}

static int connect_finish(struct connection *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -errno;
    if (error != 0)
        return -error;
    if (getpeername(c->fd, (struct sockaddr *)&peer, &peer_size) < 0)
        return errno == ENOTCONN ? -EAGAIN : -errno;
    c->state = c->ssl ? CONNECTION_TLS : CONNECTION_OPEN;
    return 0;
}

int connection_advance(struct connection *c)
{
    if (c->state == CONNECTION_CONNECTING) {
        int r = connect_finish(c);
        if (r < 0)
            return r;
    }
    if (c->state == CONNECTION_TLS) {
        errno = 0;
        int result = SSL_do_handshake(c->ssl);
        if (result != 1) {
            int r = tls_error(c, result);
            return r == 0 ? -EPROTO : r;
        }
        c->resumed = SSL_session_reused(c->ssl);
        c->state = CONNECTION_OPEN;
    }
    return c->state == CONNECTION_OPEN ? 0 : -ENOTCONN;
}

ssize_t connection_read(struct connection *c, void *bytes, size_t size)
{
    if (!c->ssl) {
        ssize_t n = recv(c->fd, bytes, size, 0);
        return n < 0 ? -errno : n;
    }
    size_t done = 0;
    errno = 0;
    int result = SSL_read_ex(c->ssl, bytes, size, &done);
    return result == 1 ? (ssize_t)done : tls_error(c, result);
}

ssize_t connection_write(struct connection *c, const void *bytes, size_t size)
{
    if (!c->ssl) {
        ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
    }
    size_t done = 0;
    errno = 0;
    int result = SSL_write_ex(c->ssl, bytes, size, &done);
    if (result == 1)
        return (ssize_t)done;
    int r = tls_error(c, result);
    return r == 0 ? -ECONNRESET : r;
}

void connection_close(struct connection *c)
{
    if (c->ssl && c->state == CONNECTION_OPEN)
        (void)SSL_shutdown(c->ssl); /* sends close_notify; the answer does not matter */
    ERR_clear_error();
    SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
    c->state = CONNECTION_CLOSED;
}

void connection_done(struct connection *c)
{
    connection_close(c);
    SSL_SESSION_free(c->session);
    c->session = NULL;
}
