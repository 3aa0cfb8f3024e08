/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/agent.h: decides when each client's document server starts, receives connections, stops
 * and is replaced. A state machine without I/O or clock of its own: it acts through agent_ops, and
 * whatever happens is told to it with the time. One thread.
 *
 *   ABSENT --connection--> QUEUED --slot, memory--> STARTING --READY--> RUNNING
 *   RUNNING --idle--> DRAINING --gone--> ABSENT, or QUEUED if connections wait
 *   STARTING/RUNNING --gone--> FAILED (back-off) --time--> QUEUED if connections wait, else ABSENT
 *
 * Invariant: a connection belongs to the agent until the server says BEGUN. What a server that goes
 * away has not begun is given to its replacement, in the order of arrival. */
#ifndef COFFER_GATEWAY_AGENT_H
#define COFFER_GATEWAY_AGENT_H

#include "base/handover.h"
#include "base/macros.h"
#include "base/slice.h"

#define AGENT_TENANT_NAME_SIZE 64 /* one DNS label and a NUL */
#define AGENT_ERROR_SIZE 320
#define AGENT_ERROR_UNKNOWN "went away unasked" /* until its exit code is known */

enum tenant_state {
    TENANT_ABSENT,
    TENANT_QUEUED,
    TENANT_STARTING,
    TENANT_RUNNING,
    TENANT_DRAINING,
    TENANT_FAILED,
};
const char *tenant_state_name(enum tenant_state state);

struct agent_connection;

/* Read by the dashboard; changed by agent.c alone. */
struct tenant {
    char name[AGENT_TENANT_NAME_SIZE];
    enum tenant_state state;
    void *server;                 /* what agent_ops.start() made; NULL: none. Owned by the ops */
    uint64_t deadline_ns;         /* of this state; 0: none */
    uint64_t asked_ns;            /* when the start was asked for */
    uint64_t active_ns;           /* newest hand-over; the status page may be newer */
    uint64_t start_ns;            /* how long the last start took, from asked for to READY */
    uint64_t starts;              /* successful ones */
    uint64_t failures;            /* servers that went away unasked */
    unsigned failed_in_row;       /* sets the back-off */
    char error[AGENT_ERROR_SIZE]; /* why the last one went away; "" if it did as asked */

    struct agent_connection *waiting, **waiting_end; /* not sent; oldest first */
    struct agent_connection *sent, **sent_end;       /* sent, not begun; oldest first */
    unsigned waiting_count, sent_count;
    struct tenant *next_in_bucket, *next_in_queue, *next;
};

struct agent_ops {
    /* Starts a server for `t`: afterwards t->server is set, and send() works on it even before it
     * runs. 0, -EAGAIN: try again later (no launcher), or another error: the start has failed. */
    int (*start)(void *ctx, struct tenant *t);
    /* Hands over a copy of `fd`. 0, -EAGAIN: try again later; else the server will soon be gone. */
    int (*send)(void *ctx, struct tenant *t, uint64_t id, int fd);
    void (*drain)(void *ctx, struct tenant *t);
    void (*kill)(void *ctx, struct tenant *t);    /* it will be gone later; agent_gone() follows */
    void (*release)(void *ctx, struct tenant *t); /* frees t->server and sets it to NULL */
    void (*close)(void *ctx, int fd);
    uint64_t (*active_ns)(void *ctx, const struct tenant *t); /* from the status page */
    uint64_t (*memory_available)(void *ctx);                  /* bytes */
};

struct agent_settings {
    uint64_t starts_at_once_max;
    uint64_t memory_reserve;    /* bytes that stay free on this machine */
    uint64_t memory_per_server; /* bytes to count for a server that is starting */
    uint64_t sent_max;          /* not begun, per client: HANDOVER_UNACKNOWLEDGED_MAX */
    uint64_t waiting_max;       /* further ones, per client */
    uint64_t waiting_ns_max;    /* then the connection is closed */
    uint64_t idle_ns;           /* without plaintext, then the server is stopped; 0: never */
    uint64_t start_ns_max;
    uint64_t drain_ns_max;
    uint64_t back_off_ns_min, back_off_ns_max;
};

struct agent_counts {
    uint64_t handed_over, begun, returned, redelivered, closed_waiting, closed_over_limit;
    uint64_t starts, start_failures, crashes, idle_stops;
    uint64_t states[TENANT_FAILED + 1];
};

struct agent;

/* `settings`, `ops` and `ctx` must outlive the agent. NULL without memory. */
must_check struct agent *agent_new(const struct agent_settings *settings,
                                   const struct agent_ops *ops, void *ctx);
/* Closes the connections it holds and releases the servers without waiting for them. */
void agent_free(struct agent *agent);

/* A tenant's name is one DNS label: a-z, 0-9 and inner hyphens. */
bool tenant_name_is_valid(struct slice name);

/* -EINVAL: not a name, -EEXIST, -ENOMEM. */
must_check int agent_tenant_add(struct agent *agent, struct slice name, struct tenant **ret_tenant);
struct tenant *agent_tenant_find(const struct agent *agent, struct slice name);
struct tenant *agent_tenants(const struct agent *agent); /* the list, through `next` */

/* What happened. Each takes the monotonic time `now_ns`. The connection `fd` is the agent's from
 * here on, also on failure. */
void agent_connection_add(struct agent *agent, struct tenant *t, int fd, uint64_t now_ns);
void agent_message(struct agent *agent, struct tenant *t, const struct handover_message *message,
                   uint64_t now_ns);
/* The server is no more. `why` may be NULL where nothing is known. */
void agent_gone(struct agent *agent, struct tenant *t, const char *why, uint64_t now_ns);
/* Stops the server as if it had been idle. */
void agent_tenant_stop(struct agent *agent, struct tenant *t, uint64_t now_ns);
/* No start from here on; drains all servers. Done when agent_is_quiet(). */
void agent_shut_down(struct agent *agent, uint64_t now_ns);
bool agent_is_quiet(const struct agent *agent);

/* Does what is due and returns when to call again (UINT64_MAX: not before something happens). */
uint64_t agent_tick(struct agent *agent, uint64_t now_ns);

const struct agent_counts *agent_counts(const struct agent *agent);

#endif
