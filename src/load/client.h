/* SPDX-License-Identifier: Apache-2.0 */
/* load/client.h: one client: a connection and the request that is on it. Moves as far as it can
 * without waiting; the engine says what it does next. */
#ifndef COFFER_LOAD_CLIENT_H
#define COFFER_LOAD_CLIENT_H

#include "load/connection.h"
#include "load/results.h"
#include "load/workload.h"

enum client_state {
    CLIENT_IDLE,       /* no request */
    CLIENT_CONNECTING, /* a request waits for its connection */
    CLIENT_SENDING,
    CLIENT_RECEIVING,
};

/* Per document server, for its start-up time. */
struct tenant_start {
    int64_t asked_ns; /* first connection begun; 0: not yet */
    int64_t byte_ns;  /* first byte of an answer; 0: not yet */
};

struct client {
    enum client_state state;
    struct connection connection;
    struct request request;
    struct response response;
    struct workload_client memory;
    const struct workload *workload;
    const struct load_tenant *tenant;
    struct tenant_start *start;
    struct results *results;
    uint64_t sent;                /* bytes of the request written */
    uint64_t connection_requests; /* begun on this connection */
    uint64_t begun;               /* measured requests begun: its place in the pacer's sequence */
    int64_t intended_ns;          /* latency counts from here */
    int64_t started_ns;
    int64_t connect_ns;
    int64_t not_before_ns; /* after a failure to connect or prepare: a pause until then */
    enum load_error last_error;
    unsigned failures; /* outside the measured part, but those that said "later" (429, 503) */
    bool measured;     /* this request counts */
    bool answered;     /* a byte of the answer has come */
    bool retried;
};

/* Begins client->request, connecting first if needed. `epoll_fd` learns of new connections with
 * the client as data. 0 while it goes on; 1 when it is over already. */
int client_begin(struct client *c, const struct load_options *options, int epoll_fd,
                 int64_t intended_ns, bool measured);

/* Goes on as far as possible. 1: the request is over, well or not, and is in the results. */
int client_advance(struct client *c, const struct load_options *options, int epoll_fd);

/* Ends the request as failed. */
void client_fail(struct client *c, enum load_error error);

void client_done(struct client *c);

int64_t load_now_ns(void);

#endif
