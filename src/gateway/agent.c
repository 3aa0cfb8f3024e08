/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BUCKETS 16384
#define RETRY_NS 20000000U        /* after an -EAGAIN of the ops */
#define HEALTHY_NS 10000000000ULL /* a server that lived this long starts the back-off anew */

struct agent_connection {
    uint64_t id;
    int fd;
    uint64_t since_ns; /* when it came; it waits at most waiting_ns_max */
    struct agent_connection *next;
};

struct agent {
    const struct agent_settings *settings;
    const struct agent_ops *ops;
    void *ctx;
    struct tenant *buckets[BUCKETS];
    struct tenant *tenants;
    struct tenant *queue, **queue_end; /* first come, first served */
    uint64_t starting_count;
    uint64_t live_count; /* tenants with a server */
    uint64_t id_last;
    uint64_t next_ns; /* when agent_tick() has something to look at */
    bool is_shutting_down;
    struct agent_counts counts;
};

const char *tenant_state_name(enum tenant_state state)
{
    static const char *const names[] = {"absent",  "queued",   "starting",
                                        "running", "draining", "failed"};
    return names[state];
}

/* ---- lists of connections ---- */

static void list_append(struct agent_connection ***end, struct agent_connection *c)
{
    c->next = NULL;
    **end = c;
    *end = &c->next;
}

static struct agent_connection *waiting_take_first(struct tenant *t)
{
    struct agent_connection *c = t->waiting;
    t->waiting = c->next;
    if (!t->waiting)
        t->waiting_end = &t->waiting;
    t->waiting_count--;
    return c;
}

/* Everything sent goes back to the front of those that wait, with a fresh time to wait. */
static void sent_take_back(struct agent *agent, struct tenant *t, uint64_t now_ns)
{
    if (!t->sent)
        return;
    for (struct agent_connection *c = t->sent; c; c = c->next)
        c->since_ns = now_ns;
    agent->counts.redelivered += t->sent_count;
    *t->sent_end = t->waiting;
    if (!t->waiting)
        t->waiting_end = t->sent_end;
    t->waiting = t->sent;
    t->waiting_count += t->sent_count;
    t->sent = NULL;
    t->sent_end = &t->sent;
    t->sent_count = 0;
}

static struct agent_connection *sent_take(struct tenant *t, uint64_t id)
{
    for (struct agent_connection **at = &t->sent; *at; at = &(*at)->next) {
        struct agent_connection *c = *at;
        if (c->id != id)
            continue;
        *at = c->next;
        if (!c->next)
            t->sent_end = at;
        t->sent_count--;
        return c;
    }
    return NULL;
}

static void connection_free(struct agent *agent, struct agent_connection *c)
{
    agent->ops->close(agent->ctx, c->fd);
    free(c);
}

static void connections_drop(struct agent *agent, struct tenant *t)
{
    sent_take_back(agent, t, 0);
    while (t->waiting)
        connection_free(agent, waiting_take_first(t));
}

/* ---- states ---- */

static void agent_wake(struct agent *agent, uint64_t at_ns)
{
    agent->next_ns = MIN(agent->next_ns, at_ns);
}

static void state_set(struct agent *agent, struct tenant *t, enum tenant_state state,
                      uint64_t deadline_ns)
{
    agent->counts.states[t->state]--;
    agent->counts.states[state]++;
    agent->starting_count -= t->state == TENANT_STARTING;
    agent->starting_count += state == TENANT_STARTING;
    t->state = state;
    t->deadline_ns = deadline_ns;
    if (deadline_ns != 0)
        agent_wake(agent, deadline_ns);
}

static void tenant_enqueue(struct agent *agent, struct tenant *t, uint64_t now_ns)
{
    if (agent->is_shutting_down) {
        connections_drop(agent, t);
        state_set(agent, t, TENANT_ABSENT, 0);
        return;
    }
    state_set(agent, t, TENANT_QUEUED, 0);
    t->asked_ns = now_ns;
    t->next_in_queue = NULL;
    *agent->queue_end = t;
    agent->queue_end = &t->next_in_queue;
    agent_wake(agent, now_ns);
}

static uint64_t back_off_ns(const struct agent *agent, unsigned failed_in_row)
{
    uint64_t ns = agent->settings->back_off_ns_min;
    for (unsigned i = 1; i < failed_in_row && ns < agent->settings->back_off_ns_max; i++)
        ns *= 2;
    return MIN(ns, agent->settings->back_off_ns_max);
}

/* The first failure in a row of a server that had worked is replaced at once. */
static void tenant_failed(struct agent *agent, struct tenant *t, const char *why, uint64_t now_ns)
{
    bool was_healthy = t->state == TENANT_RUNNING && now_ns - t->asked_ns >= HEALTHY_NS;
    /* A running start that has an error was killed for it. */
    if (t->state == TENANT_QUEUED || !t->error[0])
        snprintf(t->error, sizeof t->error, "%s", why ? why : AGENT_ERROR_UNKNOWN);
    if (t->state == TENANT_RUNNING)
        agent->counts.crashes++;
    else
        agent->counts.start_failures++;
    t->failures++;
    t->failed_in_row = was_healthy ? 1 : t->failed_in_row + 1;
    if (t->failed_in_row == 1 && t->state == TENANT_RUNNING) {
        if (t->waiting)
            tenant_enqueue(agent, t, now_ns);
        else
            state_set(agent, t, TENANT_ABSENT, 0);
        return;
    }
    state_set(agent, t, TENANT_FAILED, now_ns + back_off_ns(agent, t->failed_in_row));
}

static void waiting_flush(struct agent *agent, struct tenant *t, uint64_t now_ns)
{
    while (t->waiting && t->sent_count < agent->settings->sent_max) {
        int r = agent->ops->send(agent->ctx, t, t->waiting->id, t->waiting->fd);
        if (r < 0) {
            agent_wake(agent, now_ns + RETRY_NS);
            return;
        }
        t->active_ns = now_ns;
        agent->counts.handed_over++;
        list_append(&t->sent_end, waiting_take_first(t));
        t->sent_count++;
    }
}

static bool memory_suffices(const struct agent *agent)
{
    uint64_t wanted = agent->settings->memory_reserve +
                      (agent->starting_count + 1) * agent->settings->memory_per_server;
    return agent->ops->memory_available(agent->ctx) >= wanted;
}

static void queue_take_first(struct agent *agent)
{
    agent->queue = agent->queue->next_in_queue;
    if (!agent->queue)
        agent->queue_end = &agent->queue;
}

static void queue_serve(struct agent *agent, uint64_t now_ns)
{
    while (agent->queue && agent->starting_count < agent->settings->starts_at_once_max) {
        struct tenant *t = agent->queue;
        if (!t->waiting) { /* whoever asked has gone */
            queue_take_first(agent);
            state_set(agent, t, TENANT_ABSENT, 0);
            continue;
        }
        int r = memory_suffices(agent) ? agent->ops->start(agent->ctx, t) : -EAGAIN;
        if (r == -EAGAIN) {
            agent_wake(agent, now_ns + RETRY_NS);
            return;
        }
        queue_take_first(agent);
        if (r < 0) {
            tenant_failed(agent, t, strerror(-r), now_ns);
            continue;
        }
        agent->live_count++;
        t->active_ns = now_ns;
        t->error[0] = '\0';
        state_set(agent, t, TENANT_STARTING, now_ns + agent->settings->start_ns_max);
        waiting_flush(agent, t, now_ns);
    }
}

static void tenant_drain(struct agent *agent, struct tenant *t, uint64_t now_ns)
{
    state_set(agent, t, TENANT_DRAINING, now_ns + agent->settings->drain_ns_max);
    agent->ops->drain(agent->ctx, t);
}

/* ---- what happened ---- */

void agent_connection_add(struct agent *agent, struct tenant *t, int fd, uint64_t now_ns)
{
    uint64_t held = (uint64_t)t->waiting_count + t->sent_count;
    if (agent->is_shutting_down ||
        held >= agent->settings->sent_max + agent->settings->waiting_max) {
        agent->counts.closed_over_limit++;
        agent->ops->close(agent->ctx, fd);
        return;
    }
    struct agent_connection *c = malloc(sizeof *c);
    if (!c) {
        agent->ops->close(agent->ctx, fd);
        return;
    }
    *c = (struct agent_connection){.id = ++agent->id_last, .fd = fd, .since_ns = now_ns};
    list_append(&t->waiting_end, c);
    t->waiting_count++;
    agent_wake(agent, now_ns + agent->settings->waiting_ns_max);
    if (t->state == TENANT_ABSENT)
        tenant_enqueue(agent, t, now_ns);
    else if (t->state == TENANT_STARTING || t->state == TENANT_RUNNING)
        waiting_flush(agent, t, now_ns);
}

static void server_is_ready(struct agent *agent, struct tenant *t, uint64_t now_ns)
{
    if (t->state != TENANT_STARTING)
        return;
    t->start_ns = now_ns - t->asked_ns;
    t->starts++;
    t->error[0] = '\0';
    t->active_ns = now_ns;
    agent->counts.starts++;
    uint64_t idle_ns = agent->settings->idle_ns;
    state_set(agent, t, TENANT_RUNNING, idle_ns ? now_ns + idle_ns : 0);
    agent_wake(agent, now_ns); /* a start slot is free */
}

void agent_message(struct agent *agent, struct tenant *t, const struct handover_message *message,
                   uint64_t now_ns)
{
    struct agent_connection *c = NULL;
    switch (message->type) {
    case HANDOVER_READY:
        server_is_ready(agent, t, now_ns);
        break;
    case HANDOVER_BEGUN:
        c = sent_take(t, message->id);
        if (!c)
            break;
        agent->counts.begun++;
        t->active_ns = now_ns;
        connection_free(agent, c);
        if (t->state != TENANT_DRAINING)
            waiting_flush(agent, t, now_ns);
        break;
    case HANDOVER_RETURNED:
        c = sent_take(t, message->id);
        if (!c)
            break;
        agent->counts.returned++;
        list_append(&t->waiting_end, c);
        t->waiting_count++;
        break;
    default: /* CLOSED is counted on the status page; others do not exist */
        break;
    }
}

void agent_gone(struct agent *agent, struct tenant *t, const char *why, uint64_t now_ns)
{
    if (!t->server)
        return;
    agent->ops->release(agent->ctx, t);
    agent->live_count--;
    sent_take_back(agent, t, now_ns);
    if (t->state == TENANT_STARTING || t->state == TENANT_RUNNING) {
        tenant_failed(agent, t, why, now_ns);
    } else {
        t->failed_in_row = 0;
        if (t->waiting)
            tenant_enqueue(agent, t, now_ns);
        else
            state_set(agent, t, TENANT_ABSENT, 0);
    }
    agent_wake(agent, now_ns);
}

void agent_tenant_stop(struct agent *agent, struct tenant *t, uint64_t now_ns)
{
    if (t->state == TENANT_RUNNING || t->state == TENANT_STARTING)
        tenant_drain(agent, t, now_ns);
}

void agent_shut_down(struct agent *agent, uint64_t now_ns)
{
    agent->is_shutting_down = true;
    agent->queue = NULL;
    agent->queue_end = &agent->queue;
    for (struct tenant *t = agent->tenants; t; t = t->next) {
        if (t->state == TENANT_QUEUED || t->state == TENANT_FAILED) {
            connections_drop(agent, t);
            state_set(agent, t, TENANT_ABSENT, 0);
        }
        agent_tenant_stop(agent, t, now_ns);
    }
}

bool agent_is_quiet(const struct agent *agent)
{
    return agent->live_count == 0;
}

/* ---- time ---- */

static void waiting_expire(struct agent *agent, struct tenant *t, uint64_t now_ns)
{
    while (t->waiting) {
        uint64_t until_ns = t->waiting->since_ns + agent->settings->waiting_ns_max;
        if (until_ns > now_ns) {
            agent_wake(agent, until_ns);
            return;
        }
        agent->counts.closed_waiting++;
        connection_free(agent, waiting_take_first(t));
    }
}

/* Idle: no plaintext and no hand-over for a time. Keep-alive alone does not count. */
static void running_tick(struct agent *agent, struct tenant *t, uint64_t now_ns)
{
    uint64_t page_ns = agent->ops->active_ns(agent->ctx, t);
    uint64_t active_ns = MAX(t->active_ns, MIN(page_ns, now_ns)); /* the page may lie */
    if (agent->settings->idle_ns == 0)
        return;
    if (t->sent || t->waiting || active_ns + agent->settings->idle_ns > now_ns) {
        t->deadline_ns = MAX(active_ns + agent->settings->idle_ns, now_ns + RETRY_NS);
        agent_wake(agent, t->deadline_ns);
        return;
    }
    agent->counts.idle_stops++;
    tenant_drain(agent, t, now_ns);
}

static void deadline_tick(struct agent *agent, struct tenant *t, uint64_t now_ns)
{
    switch (t->state) {
    case TENANT_STARTING:
        snprintf(t->error, sizeof t->error, "was not ready in time");
        __attribute__((fallthrough));
    case TENANT_DRAINING: /* it had its time */
        t->deadline_ns = now_ns + agent->settings->drain_ns_max;
        agent_wake(agent, t->deadline_ns);
        agent->ops->kill(agent->ctx, t);
        break;
    case TENANT_RUNNING:
        running_tick(agent, t, now_ns);
        break;
    case TENANT_FAILED:
        if (t->waiting)
            tenant_enqueue(agent, t, now_ns);
        else
            state_set(agent, t, TENANT_ABSENT, 0);
        break;
    case TENANT_ABSENT:
    case TENANT_QUEUED:
        break;
    }
}

uint64_t agent_tick(struct agent *agent, uint64_t now_ns)
{
    if (now_ns < agent->next_ns)
        return agent->next_ns;
    agent->next_ns = UINT64_MAX;
    for (struct tenant *t = agent->tenants; t; t = t->next) {
        waiting_expire(agent, t, now_ns);
        if (t->deadline_ns != 0 && t->deadline_ns <= now_ns)
            deadline_tick(agent, t, now_ns);
        else if (t->deadline_ns != 0)
            agent_wake(agent, t->deadline_ns);
        if (t->waiting && (t->state == TENANT_STARTING || t->state == TENANT_RUNNING))
            waiting_flush(agent, t, now_ns);
    }
    queue_serve(agent, now_ns);
    return agent->next_ns;
}

/* ---- tenants ---- */

bool tenant_name_is_valid(struct slice name)
{
    if (name.size == 0 || name.size >= AGENT_TENANT_NAME_SIZE || name.bytes[0] == '-' ||
        name.bytes[name.size - 1] == '-')
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.bytes[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

static size_t bucket_of(struct slice name)
{
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a; names come from the operator */
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ name.bytes[i]) * 1099511628211ULL;
    return (size_t)(hash % BUCKETS);
}

struct tenant *agent_tenant_find(const struct agent *agent, struct slice name)
{
    for (struct tenant *t = agent->buckets[bucket_of(name)]; t; t = t->next_in_bucket)
        if (slice_is_text(name, t->name))
            return t;
    return NULL;
}

int agent_tenant_add(struct agent *agent, struct slice name, struct tenant **ret_tenant)
{
    if (!tenant_name_is_valid(name))
        return -EINVAL;
    if (agent_tenant_find(agent, name))
        return -EEXIST;
    struct tenant *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    memcpy(t->name, name.bytes, name.size);
    t->waiting_end = &t->waiting;
    t->sent_end = &t->sent;
    size_t bucket = bucket_of(name);
    t->next_in_bucket = agent->buckets[bucket];
    agent->buckets[bucket] = t;
    t->next = agent->tenants;
    agent->tenants = t;
    agent->counts.states[TENANT_ABSENT]++;
    *ret_tenant = t;
    return 0;
}

struct tenant *agent_tenants(const struct agent *agent)
{
    return agent->tenants;
}

const struct agent_counts *agent_counts(const struct agent *agent)
{
    return &agent->counts;
}

struct agent *agent_new(const struct agent_settings *settings, const struct agent_ops *ops,
                        void *ctx)
{
    struct agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        return NULL;
    agent->settings = settings;
    agent->ops = ops;
    agent->ctx = ctx;
    agent->queue_end = &agent->queue;
    agent->next_ns = UINT64_MAX;
    return agent;
}

void agent_free(struct agent *agent)
{
    if (!agent)
        return;
    while (agent->tenants) {
        struct tenant *t = agent->tenants;
        agent->tenants = t->next;
        connections_drop(agent, t);
        if (t->server)
            agent->ops->release(agent->ctx, t);
        free(t);
    }
    free(agent);
}
