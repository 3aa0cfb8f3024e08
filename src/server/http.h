/* SPDX-License-Identifier: Apache-2.0 */
/* server/http.h: an HTTP/1.1 server on a loop (server/loop.h): parses requests, streams bodies in
 * and out with back pressure, keeps connections within limits. Knows no routes, and no TLS: what
 * lies under it is a struct http_transport.
 *
 * A handler is called when the head of a request is complete. It answers with exactly one
 * http_respond_...(), at once or later, before or after the body; to have the body it asks for it
 * with http_request_body() or http_request_collect() (until then no body byte is read, and a client
 * that sent `Expect: 100-continue` is not told to go on). An answer before the body's end makes the
 * server drop the rest, and close the connection if the rest is large.
 *
 *     static void hello(struct http_request *req, void *arg)
 *     {
 *         http_respond_text(req, 200, "text/plain", "hello\n");
 *     }
 *     http_server_new(loop, &(struct http_settings){0}, hello, NULL, &server);
 *     http_listen("127.0.0.1", 8080, &fd);  http_server_listen(server, fd);  loop_run(loop);
 *
 * Rules for callbacks: everything happens on the loop's thread; functions that take a request may
 * be called from any callback of that loop while the request lives, and never call back into the
 * caller directly. A request lives until its on_done callback (http_request_on_done()), which comes
 * exactly once: the answer is out (0) or the connection is lost (-errno). Requests of one
 * connection are handled one after the other, whatever the client pipelines.
 *
 * Refused here, before any handler: heads over the limits (431, 414), anything but HTTP/1.0 and 1.1
 * (505), unknown methods (501), bare CR or LF, NUL, folded headers, bad names, Host missing or
 * twice, Content-Length with Transfer-Encoding, twice or not plain digits, any transfer coding but
 * `chunked`, malformed chunks (all 400), clients slower than the limits (408 or a close). */
#ifndef COFFER_SERVER_HTTP_H
#define COFFER_SERVER_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "server/loop.h"

#include <sys/types.h>

#define HTTP_SIZE_UNKNOWN UINT64_MAX

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_PROPFIND, /* WebDAV's, RFC 4918 */
    HTTP_METHOD_PROPPATCH,
    HTTP_METHOD_MKCOL,
    HTTP_METHOD_COPY,
    HTTP_METHOD_MOVE,
    HTTP_METHOD_LOCK,
    HTTP_METHOD_UNLOCK,
    HTTP_METHOD_COUNT,
};

/* A zero means the default in brackets. */
struct http_settings {
    size_t head_size_max;     /* request line and headers together [16 KiB] */
    size_t target_size_max;   /* path and query [4 KiB] */
    size_t headers_max;       /* [64] */
    size_t connections_max;   /* over it the longest idle one is closed, or accepting waits [256] */
    size_t arena_size_max;    /* per request [1 MiB] */
    uint64_t head_timeout_ns; /* from a request's first byte to the end of its head [10 s] */
    uint64_t idle_timeout_ns; /* between requests, and before the first [60 s] */
    uint64_t progress_window_ns; /* a body in or out must move ... [20 s] */
    uint64_t progress_size_min;  /* ... at least so many bytes in each such window [1024] */
    uint64_t quiet_ns;           /* see http_server_on_quiet() [1 s] */
};

/* Transports */

/* What carries a connection's bytes; TLS implements this. Embed it in a struct of your own. */
struct http_transport;
struct http_transport_ops {
    /* Up to `size` bytes (size > 0). The count, 0 at the clean end of the peer's data, -EAGAIN
     * (then `read_waits` says for what), or another -errno, after which only close() follows. */
    ssize_t (*read)(struct http_transport *transport, void *to, size_t size);
    /* As read(), never 0. After -EAGAIN the same bytes come again, perhaps at another address and
     * with more behind them (OpenSSL: SSL_MODE_ENABLE_PARTIAL_WRITE and
     * SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER). */
    ssize_t (*write)(struct http_transport *transport, const void *from, size_t size);
    /* No more will be written: tell the peer (close_notify, SHUT_WR). Best effort. */
    void (*shutdown)(struct http_transport *transport);
    /* Closes the descriptor and frees the transport. No other function is called afterwards. */
    void (*close)(struct http_transport *transport);
};
struct http_transport {
    const struct http_transport_ops *ops;
    int fd;               /* non-blocking; what the loop waits for */
    uint32_t read_waits;  /* EPOLLIN or EPOLLOUT: what a read that gave -EAGAIN waits for */
    uint32_t write_waits; /* the same for write */
    bool buffers;         /* may hold bytes that the loop cannot see: read until -EAGAIN */
    bool plain;           /* bytes go to `fd` as they are: sendfile() may be used */
};

/* Makes the transport of a connection just accepted. Owns `fd` from the call on, also on failure
 * (0, or -errno: the connection is dropped). Must not block: handshakes happen in read and write. */
typedef int http_transport_open_fn(int fd, void *arg, struct http_transport **ret_transport);

/* TCP or Unix stream, nothing in between. */
must_check int http_transport_plain_open(int fd, void *arg, struct http_transport **ret_transport);

/* Servers */

struct http_server;
struct http_request;

typedef void http_handler_fn(struct http_request *req, void *arg);

/* 0 or -ENOMEM. `settings` is copied. Released by http_server_free(). */
must_check int http_server_new(struct loop *loop, const struct http_settings *settings,
                               http_handler_fn *handler, void *arg,
                               struct http_server **ret_server);

/* Closes every connection (requests get on_done(-ECANCELED)) and every listener. Not from a callback
 * of a request. Accepts NULL. */
void http_server_free(struct http_server *server);

/* A numeric IPv4 or IPv6 address, never a name; port 0: the kernel chooses. Non-blocking, with
 * SO_REUSEADDR. 0, -EINVAL for an address that is none, or -errno. */
must_check int http_listen(const char *address, uint16_t port, int *ret_fd);
/* The port a socket is bound to, or 0. */
uint16_t http_listen_port(int fd);

/* Accepts connections from `fd` (non-blocking), which belongs to the server from now on. At most 4
 * listeners: -E2BIG. */
must_check int http_server_listen(struct http_server *server, int fd);

/* Transports for connections accepted from now on; NULL: plain. */
void http_server_set_transport(struct http_server *server, http_transport_open_fn *open, void *arg);

/* Serves a connection that came another way. Owns `transport`, also on failure: -ENOMEM, -EMFILE
 * (connections_max reached) or -ESHUTDOWN (draining). */
must_check int http_server_adopt(struct http_server *server, struct http_transport *transport);

/* Stops listening, closes idle connections, answers what is begun with `Connection: close`, and
 * calls fn(arg) when the last connection is gone, perhaps in this turn, never in this call. */
void http_server_drain(struct http_server *server, loop_fn *fn, void *arg);

/* fn(arg) is called once each time no request has been in progress for `quiet_ns`: the moment to
 * give memory back. The server then has released its own. */
void http_server_on_quiet(struct http_server *server, loop_fn *fn, void *arg);

struct http_stats {
    uint64_t connections; /* accepted ever */
    uint64_t connections_now;
    uint64_t requests;
    uint64_t requests_bad; /* refused before any handler */
    uint64_t timeouts;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t responses[6]; /* by hundreds: [2] counts 2xx */
};
const struct http_stats *http_server_stats(const struct http_server *server);

/* Requests */

struct http_header {
    struct slice name;
    struct slice value; /* without blanks around */
};

/* Read-only for handlers, but for `user`. Slices live as long as the request. */
struct http_request {
    enum http_method method;
    struct slice target; /* path and query as sent; begins with '/', or is "*" for OPTIONS */
    struct slice path;   /* as sent, still percent-encoded, without the query */
    struct slice query;  /* as sent, without '?' */
    struct slice host;   /* the Host header; may be empty for HTTP/1.0 */
    const struct http_header *headers;
    size_t header_count;
    unsigned version_minor; /* 0 or 1 */
    uint64_t body_size;     /* HTTP_SIZE_UNKNOWN if chunked */
    struct arena arena;     /* for whatever should live as long as the request */
    void *user;             /* the handler's own */
};

/* A header's value by name (any case), the first if there are several; bytes == NULL if absent. */
struct slice http_request_header(const struct http_request *req, const char *name);

/* A query parameter, decoded ('+' is a blank), the first if there are several. 0; -ENOENT: not
 * there; -EINVAL: bad encoding, NUL or not UTF-8; -ENOMEM. */
must_check int http_request_query(struct http_request *req, const char *name, char **ret_value);

/* Calls fn once, at the request's end, with 0 or -errno. Replaces what was set before. */
typedef void http_done_fn(struct http_request *req, int status, void *arg);
void http_request_on_done(struct http_request *req, http_done_fn *fn, void *arg);

/* The transport under the request's connection: peer certificates and the like. */
struct http_transport *http_request_transport(struct http_request *req);

struct http_server *http_request_server(struct http_request *req);

/* Streams the body: on_data for each piece as it comes (never empty, borrowed for the call), then
 * on_end with 0, or with what went wrong, in which case the server has already dealt with the
 * client and the callback must not answer: -EFBIG over `size_max` (413), -EBADMSG malformed (400),
 * -ETIMEDOUT (408), -ECONNRESET. After an answer neither is called any more. Once per request. */
typedef void http_data_fn(struct http_request *req, struct slice bytes, void *arg);
typedef void http_end_fn(struct http_request *req, int status, void *arg);
void http_request_body(struct http_request *req, uint64_t size_max, http_data_fn *on_data,
                       http_end_fn *on_end, void *arg);

/* No on_data and no on_end comes between pause and resume; the client is held back by TCP. */
void http_request_pause(struct http_request *req);
void http_request_resume(struct http_request *req);

/* Gathers the whole body, at most `size_max`, then calls fn; `body` lives as long as the request.
 * If it does not arrive whole, the server deals with it (413, 400, 408) and fn is never called. */
typedef void http_collected_fn(struct http_request *req, struct slice body, void *arg);
void http_request_collect(struct http_request *req, size_t size_max, http_collected_fn *fn,
                          void *arg);

/* Answers: exactly one per request. Content-Length, Date, Connection and Transfer-Encoding are the
 * server's; a HEAD request gets the same head and no body. A status of 204 or 304 has no body. */

/* Adds a header to the answer to come. A name or value with control characters, or without memory,
 * makes the answer a 500. */
void http_response_header(struct http_request *req, const char *name, const char *value);
void http_response_headerf(struct http_request *req, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The connection ends after this answer. */
void http_response_close(struct http_request *req);

/* `type` may be NULL (no Content-Type). The body is copied. */
void http_respond(struct http_request *req, int status, const char *type, struct slice body);
void http_respond_text(struct http_request *req, int status, const char *type, const char *body);
void http_respond_empty(struct http_request *req, int status);

/* Takes the buffer's memory and leaves {0}. A failed buffer becomes a 500. */
void http_respond_buf(struct http_request *req, int status, const char *type, struct buf *body);

/* `size` bytes of a regular file from `offset`; owns `fd`. A file that turns out shorter ends the
 * connection, so that the client sees that bytes are missing. */
void http_respond_file(struct http_request *req, int status, const char *type, int fd,
                       uint64_t offset, uint64_t size);

/* From a callback. read(): up to `size` bytes to `to`; 0 at the end, -EAGAIN (the source calls
 * http_response_resume() when there is more), another -errno breaks the connection. close() comes
 * exactly once, also if nothing was read. `size` may be HTTP_SIZE_UNKNOWN: chunked. A source must
 * give exactly `size` bytes. */
struct http_source {
    ssize_t (*read)(void *arg, void *to, size_t size);
    void (*close)(void *arg);
    void *arg;
};
void http_respond_source(struct http_request *req, int status, const char *type, uint64_t size,
                         struct http_source source);
void http_response_resume(struct http_request *req);

/* Breaks the connection without an answer, soon. */
void http_abort(struct http_request *req);

bool http_responded(const struct http_request *req);

/* Helpers without a connection: http_util.c */

const char *http_method_text(enum http_method method);
const char *http_status_text(int status);

/* Percent-decodes into the arena. 0, -EINVAL (bad escape, NUL, not UTF-8) or -ENOMEM. */
must_check int http_decode(struct arena *arena, struct slice text, bool plus_is_blank,
                           char **ret_text);

/* Appends a path segment or parameter with everything but RFC 3986's unreserved characters encoded. */
void http_encode(struct buf *out, const char *text);

/* "Sun, 06 Nov 1994 08:49:37 GMT", the only form that is produced. 30 bytes with the NUL. */
#define HTTP_DATE_SIZE 30
void http_date_format(int64_t unix_s, char *text);
/* Accepts that form only; -EINVAL otherwise. */
must_check int http_date_parse(struct slice text, int64_t *ret_unix_s);

/* Range: 0 and the part for one satisfiable range of bytes; -ENOENT if there is no range to serve,
 * so the whole is (absent, malformed, another unit, or several ranges: RFC 9110 14.2 lets a server
 * ignore those); -ERANGE for a range that lies outside (416). */
must_check int http_range_parse(struct slice value, uint64_t size, uint64_t *ret_offset,
                                uint64_t *ret_size);

/* Whether an If-Match or If-None-Match value lists `etag` (with its quotes) or is "*". `weak`:
 * compare weakly, as If-None-Match does. */
bool http_etag_matches(struct slice value, const char *etag, bool weak);

/* Case-insensitive ASCII. */
bool http_text_equals(struct slice a, const char *b);
/* Whether a comma-separated header value contains the token. */
bool http_list_has(struct slice value, const char *token);
/* Well-formed UTF-8 without NUL. */
bool http_is_utf8(struct slice text);

#endif
