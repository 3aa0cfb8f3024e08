/* SPDX-License-Identifier: Apache-2.0 */
/* server/http_internal.h: what the files of the HTTP server share. Not for its users. */
#ifndef COFFER_SERVER_HTTP_INTERNAL_H
#define COFFER_SERVER_HTTP_INTERNAL_H

#include "server/http.h"

#define HTTP_SCRATCH_SIZE ((size_t)64 << 10)
#define HTTP_LISTENERS_MAX 4

/* http_head.c: parses a complete head, from the request line to the empty line. No I/O. */
struct http_head_limits {
    size_t target_size_max;
    size_t headers_max;
};
/* 0 with the request's public fields filled, or the HTTP status to refuse it with. `bytes` must
 * live as long as the request. */
struct http_head {
    bool keep_alive;
    bool expects_continue;
};
must_check int http_head_parse(struct slice bytes, const struct http_head_limits *limits,
                               struct http_request *req, struct http_head *ret_head);

/* The size of the head at the beginning of `bytes`, its empty line included; 0 if it is not
 * complete; -EBADMSG for a byte no head may contain. `*scanned` remembers between calls. */
must_check ssize_t http_head_find(struct slice bytes, size_t *scanned);

/* http_body.c: where a body ends. No I/O. */
struct http_body {
    bool chunked;
    uint64_t left; /* of the body, or of the present chunk */
    unsigned state;
    unsigned line_size; /* of the present chunk line or of all trailers */
    bool done;
};
void http_body_start(struct http_body *body, uint64_t size);
/* Looks at `bytes`: *ret_data becomes the first run of body bytes in it (perhaps empty). Returns
 * how many bytes were used up, framing and data together; never 0 for bytes.size > 0 unless done.
 * -EBADMSG: malformed. */
must_check ssize_t http_body_feed(struct http_body *body, struct slice bytes,
                                  struct slice *ret_data);

/* http_response.c */
enum http_source_kind { SOURCE_NONE, SOURCE_MEMORY, SOURCE_FILE, SOURCE_CALLBACK };

struct http_response {
    bool set;          /* the handler has answered */
    bool started;      /* the head is in conn->out */
    bool chunked;      /* callback of unknown size */
    bool source_ended; /* a callback has given its last byte */
    bool source_waits; /* ... or has none at present */
    bool broken;       /* a header could not be added */
    int status;
    enum http_source_kind kind;
    struct buf headers; /* lines added by the handler */
    struct buf memory;
    int file_fd;
    uint64_t offset; /* of the next byte in memory or file */
    uint64_t left;   /* bytes of the body still to be written */
    struct http_source source;
};

/* http_conn.c */
enum conn_phase {
    CONN_IDLE,    /* no byte of a request has come */
    CONN_HEAD,    /* some have */
    CONN_REQUEST, /* a handler has it */
    CONN_LINGER,  /* answered and closing: reads on for a moment so that the answer arrives */
    CONN_DEAD,
};

enum conn_timer_mode { TIMER_NONE, TIMER_IDLE, TIMER_HEAD, TIMER_READ, TIMER_WRITE, TIMER_LINGER };

struct http_conn {
    struct http_request req; /* first: container_of() both ways */
    struct http_server *server;
    struct http_transport *transport;
    struct loop_watch watch;
    struct loop_timer timer;
    struct loop_timer yield;
    struct loop_task task;
    struct http_conn *next, *prev;           /* all of the server's */
    struct http_conn *idle_next, *idle_prev; /* those in CONN_IDLE, longest first */
    enum conn_phase phase;
    enum conn_timer_mode timer_mode;
    bool busy; /* conn_advance() is on the stack */
    bool in_idle_list;
    bool keep_alive;
    bool expects_continue;
    bool wants_body;
    bool body_paused;
    bool read_blocked, write_blocked;
    bool eof; /* the peer has sent its last byte */
    bool aborted;
    uint64_t since_ns; /* when this phase, CONN_IDLE or CONN_HEAD, began */
    uint64_t moved;    /* bytes in or out in this window */
    uint64_t lingered;
    struct buf in; /* read, not used yet */
    size_t head_scanned;
    size_t in_stuck; /* so many bytes of `in` were looked at in vain */
    struct buf out;
    size_t out_sent;
    struct http_body body;
    uint64_t body_received, body_size_max;
    http_data_fn *on_data;
    http_end_fn *on_end;
    void *body_arg;
    http_collected_fn *on_collected;
    void *collected_arg;
    struct buf collected;
    http_done_fn *on_done;
    void *done_arg;
    struct http_response response;
};

struct http_server {
    struct loop *loop;
    struct http_settings settings;
    http_handler_fn *handler;
    void *handler_arg;
    http_transport_open_fn *transport_open;
    void *transport_arg;
    struct loop_watch listeners[HTTP_LISTENERS_MAX];
    size_t listener_count;
    bool accepting; /* the listeners are watched */
    struct loop_timer accept_timer;
    struct http_conn *conns;
    struct http_conn *idle_first, *idle_last;
    size_t conn_count, busy_count;
    bool draining;
    loop_fn *on_drained;
    void *drained_arg;
    struct loop_task drained_task;
    loop_fn *on_quiet;
    void *quiet_arg;
    struct loop_timer quiet_timer;
    uint64_t quiet_since_ns; /* when the last request ended */
    uint8_t *scratch;        /* HTTP_SCRATCH_SIZE; NULL while quiet */
    struct http_stats stats;
};

static inline struct http_conn *conn_of(const struct http_request *req)
{
    return (struct http_conn *)(void *)(uintptr_t)req;
}

/* Owns `transport`. */
must_check int conn_new(struct http_server *server, struct http_transport *transport);
/* Does everything that can be done without waiting, then arranges to be called again. */
void conn_advance(struct http_conn *conn);
/* Something changed outside conn_advance(): call it at the end of this turn. */
void conn_poke(struct http_conn *conn);
/* Frees the connection; never while busy. */
void conn_destroy(struct http_conn *conn, int status);
/* The server's own answer; then the connection closes. */
void conn_refuse(struct http_conn *conn, int status);

/* http_response.c */
/* Builds the head into conn->out. */
void response_start(struct http_conn *conn);
/* 1: progress; 0: blocked, or waiting for the source; 2: the answer is out; -errno: broken. */
must_check int response_write(struct http_conn *conn);
void response_done(struct http_response *response);

/* http_server.c */
void server_conn_add(struct http_server *server, struct http_conn *conn);
void server_conn_removed(struct http_server *server, struct http_conn *conn);
void server_conn_idle(struct http_server *server, struct http_conn *conn, bool idle);
void server_request_begins(struct http_server *server);
void server_request_ended(struct http_server *server);
uint8_t *server_scratch(struct http_server *server);

#endif
