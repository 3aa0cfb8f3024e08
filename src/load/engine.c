/* SPDX-License-Identifier: Apache-2.0 */
#include "load/engine.h"

#include "load/client.h"
#include "load/content.h"
#include "load/pacer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000ll
#define TICK_NS 100000000ll /* how often time limits are looked at */
#define EVENTS_MAX 256
#define PREPARE_FAILURES_MAX 4 /* of one client: then it is given up */

enum phase { PHASE_PREPARE, PHASE_MEASURE, PHASE_DRAIN, PHASE_REMOVE };

struct engine {
    const struct load_options *options;
    struct results *results;
    struct workload workload;
    struct pacer pacer;
    struct client *clients;
    struct tenant_start *starts;
    uint64_t busy; /* clients with a request */
    enum phase phase;
    int64_t tick_ns;
    int epoll_fd;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
    (void)signal;
    interrupted = 1;
}

static uint64_t index_of(const struct engine *en, const struct client *c)
{
    return (uint64_t)(c - en->clients);
}

/* Until a server has sent its first byte only the first of its clients asks, so that the time to
 * that byte is the start of a server and not a queue of handshakes. */
static bool must_let_first(const struct engine *en, const struct client *c)
{
    const struct client *first = &en->clients[index_of(en, c) % en->options->tenant_count];
    return c != first && c->start->byte_ns == 0 && first->failures < PREPARE_FAILURES_MAX;
}

/* Asks the workload for the client's next request in this phase; false: nothing to do. */
static bool request_choose(struct engine *en, struct client *c, int64_t now_ns,
                           int64_t *ret_intended_ns)
{
    *ret_intended_ns = now_ns;
    if (en->phase == PHASE_PREPARE) {
        return !must_let_first(en, c) && c->failures < PREPARE_FAILURES_MAX &&
               now_ns >= c->not_before_ns &&
               workload_prepare(&en->workload, &c->memory, c->tenant, &c->request);
    }
    if (en->phase == PHASE_REMOVE)
        return now_ns >= c->not_before_ns && workload_remove(&c->memory, c->tenant, &c->request);
    if (!c->memory.folder[0])
        return false; /* could not be made ready */
    if (en->pacer.rate_per_ks > 0) {
        if (c->begun >= pacer_arrived_of(&en->pacer, index_of(en, c)))
            return false;
        *ret_intended_ns = pacer_intended_ns(&en->pacer, index_of(en, c), c->begun);
    } else if (en->phase != PHASE_MEASURE || now_ns < c->not_before_ns) {
        return false;
    }
    workload_next(&en->workload, &c->memory, c->tenant, &c->request);
    return true;
}

/* The next request of an idle client, and the next if that is over at once. */
static void client_go_on(struct engine *en, struct client *c)
{
    bool measured = en->phase == PHASE_MEASURE || en->phase == PHASE_DRAIN;
    int64_t intended_ns;
    /* Bounded, so that one client that fails at once cannot hold up the loop. */
    for (unsigned turns = 0; turns < 8 && c->state == CLIENT_IDLE; turns++) {
        if (!request_choose(en, c, load_now_ns(), &intended_ns))
            return;
        c->begun++;
        if (client_begin(c, en->options, en->epoll_fd, intended_ns, measured) == 0)
            en->busy++;
    }
}

static void client_event(struct engine *en, struct client *c)
{
    if (client_advance(c, en->options, en->epoll_fd) == 1) {
        en->busy--;
        client_go_on(en, c);
    }
}

static void arrivals(struct engine *en, int64_t now_ns)
{
    uint64_t index;
    while (en->pacer.rate_per_ks > 0 && pacer_arrival(&en->pacer, now_ns, &index))
        if (en->clients[index].state == CLIENT_IDLE)
            client_go_on(en, &en->clients[index]);
}

/* Requests out of time, and idle clients that had to pause. */
static void tick(struct engine *en, int64_t now_ns)
{
    if (now_ns < en->tick_ns)
        return;
    en->tick_ns = now_ns + TICK_NS;
    for (uint64_t i = 0; i < en->options->client_count; i++) {
        struct client *c = &en->clients[i];
        if (c->state != CLIENT_IDLE && now_ns - c->started_ns > en->options->timeout_ns) {
            client_fail(c, LOAD_ERROR_TIMEOUT);
            en->busy--;
        }
        if (c->state == CLIENT_IDLE)
            client_go_on(en, c);
    }
}

/* One turn of the loop, waiting until `until_ns` at most. */
static int turn(struct engine *en, int64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t now_ns = load_now_ns();
    int64_t next_ns = MIN(until_ns, en->tick_ns);
    if (en->phase == PHASE_MEASURE)
        next_ns = MIN(next_ns, pacer_next_ns(&en->pacer));
    int64_t wait_ns = MAX(next_ns - now_ns, 0);
    struct timespec wait = {wait_ns / SECOND_NS, wait_ns % SECOND_NS};
    int count = epoll_pwait2(en->epoll_fd, events, EVENTS_MAX, &wait, NULL);
    if (count < 0 && errno != EINTR)
        return -errno;
    now_ns = load_now_ns();
    if (en->phase == PHASE_MEASURE)
        arrivals(en, now_ns);
    for (int i = 0; i < count; i++)
        client_event(en, events[i].data.ptr);
    tick(en, load_now_ns());
    return 0;
}

static void phase_begin(struct engine *en, enum phase phase)
{
    en->phase = phase;
    en->tick_ns = 0;
    for (uint64_t i = 0; phase != PHASE_DRAIN && i < en->options->client_count; i++) {
        struct client *c = &en->clients[i];
        c->begun = 0;
        c->not_before_ns = 0;
        client_go_on(en, c);
    }
}

/* Runs until no client has anything to do, `until_ns` at most. */
static int settle(struct engine *en, int64_t until_ns)
{
    int r = 0;
    while (r == 0 && en->busy > 0 && load_now_ns() < until_ns && !interrupted)
        r = turn(en, until_ns);
    return r;
}

/* What is still waiting when the run is over has waited that long at least. */
static void leftovers(struct engine *en)
{
    for (uint64_t i = 0; i < en->options->client_count; i++) {
        struct client *c = &en->clients[i];
        if (c->state != CLIENT_IDLE) {
            client_fail(c, LOAD_ERROR_TIMEOUT);
            en->busy--;
        }
        uint64_t arrived = en->pacer.rate_per_ks ? pacer_arrived_of(&en->pacer, i) : c->begun;
        for (; c->begun < arrived; c->begun++) {
            workload_next(&en->workload, &c->memory, c->tenant, &c->request);
            c->intended_ns = pacer_intended_ns(&en->pacer, i, c->begun);
            c->measured = true;
            client_fail(c, LOAD_ERROR_NOT_STARTED);
        }
    }
}

static int measure(struct engine *en)
{
    const struct load_options *o = en->options;
    int64_t now_ns = load_now_ns();
    en->pacer = (struct pacer){.start_ns = now_ns,
                               .end_ns = now_ns + o->duration_ns,
                               .rate_per_ks = o->rate_per_ks,
                               .client_count = o->client_count};
    phase_begin(en, PHASE_MEASURE);
    int r = 0;
    while (r == 0 && !interrupted && load_now_ns() < en->pacer.end_ns)
        r = turn(en, en->pacer.end_ns);
    if (r == 0)
        arrivals(en, MIN(load_now_ns(), en->pacer.end_ns));
    phase_begin(en, PHASE_DRAIN);
    if (r == 0)
        r = settle(en, load_now_ns() + o->timeout_ns);
    en->results->elapsed_ns = load_now_ns() - now_ns;
    leftovers(en);
    return r;
}

/* A client that is refused (too many sign-ins at once) tries again after a pause. */
static bool is_preparing(const struct engine *en, const struct client *c)
{
    return c->state != CLIENT_IDLE ||
           (c->failures < PREPARE_FAILURES_MAX && !workload_is_ready(&en->workload, &c->memory));
}

static uint64_t preparing_count(const struct engine *en)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < en->options->client_count; i++)
        count += is_preparing(en, &en->clients[i]);
    return count;
}

/* Says why nobody is ready, from what the first client met. */
static int prepare_explain(const struct engine *en, struct error *e)
{
    const struct client *c = &en->clients[0];
    const char *name = en->options->tenants[0].server_name;
    if (c->response.status)
        return error_set(e, -EREMOTEIO, "no client could make its folder: %s answered %u", name,
                         c->response.status);
    return error_set(e, -ECONNREFUSED,
                     "no client could make its folder: no answer from %s for %s (%s)",
                     en->options->gateway, name, load_error_names[c->last_error]);
}

static int prepare(struct engine *en, struct error *e)
{
    int r = 0;
    int64_t until_ns = load_now_ns() + 2 * en->options->timeout_ns;
    phase_begin(en, PHASE_PREPARE);
    while (r == 0 && !interrupted && preparing_count(en) > 0 && load_now_ns() < until_ns)
        r = turn(en, until_ns);
    if (r < 0 || interrupted)
        return error_set(e, r < 0 ? r : -EINTR, "interrupted while preparing");
    for (uint64_t i = 0; i < en->options->client_count; i++) {
        struct client *c = &en->clients[i];
        if (c->state != CLIENT_IDLE)
            client_fail(c, LOAD_ERROR_TIMEOUT);
        en->results->unready += !workload_is_ready(&en->workload, &c->memory);
    }
    en->busy = 0;
    return en->results->unready == en->options->client_count ? prepare_explain(en, e) : 0;
}

static int descriptors_raise(uint64_t wanted, struct error *e)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return error_set(e, -errno, "cannot read the limit on open files");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < wanted)
        return error_set(e, -EMFILE, "%llu clients need %llu open files; the limit is %llu",
                         (unsigned long long)wanted - 32, (unsigned long long)wanted,
                         (unsigned long long)limit.rlim_cur);
    return 0;
}

static int clients_make(struct engine *en, struct error *e)
{
    const struct load_options *o = en->options;
    en->clients = calloc(o->client_count, sizeof *en->clients);
    en->starts = calloc(o->tenant_count, sizeof *en->starts);
    en->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!en->clients || !en->starts || en->epoll_fd < 0)
        return error_set(e, -ENOMEM, "no memory for %llu clients",
                         (unsigned long long)o->client_count);
    for (uint64_t i = 0; i < o->client_count; i++) {
        struct client *c = &en->clients[i];
        uint64_t random = o->seed + i;
        c->connection.fd = -1;
        c->tenant = &o->tenants[i % o->tenant_count];
        c->start = &en->starts[i % o->tenant_count];
        c->results = en->results;
        c->workload = &en->workload;
        c->memory.number = i;
        c->memory.random = content_random(&random);
    }
    return 0;
}

static void engine_done(struct engine *en)
{
    for (uint64_t i = 0; en->clients && i < en->options->client_count; i++)
        client_done(&en->clients[i]);
    free(en->clients);
    free(en->starts);
    if (en->epoll_fd >= 0)
        close(en->epoll_fd);
}

int engine_run(const struct load_options *options, struct results *ret_results, struct error *e)
{
    SCOPED(engine_done) struct engine en = {.options = options, .epoll_fd = -1};
    struct results results;
    workload_init(&en.workload, options, (uint64_t)time(NULL));
    if (results_init(&results, &en.workload) < 0)
        return error_set(e, -ENOMEM, "no memory for results");
    en.results = &results;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int r = descriptors_raise(options->client_count + 32, e);
    if (r == 0)
        r = clients_make(&en, e);
    if (r == 0)
        r = prepare(&en, e);
    if (r == 0)
        r = measure(&en);
    interrupted = 0;
    if (r == 0 && !options->keep) {
        phase_begin(&en, PHASE_REMOVE);
        r = settle(&en, load_now_ns() + options->timeout_ns);
    }
    if (r < 0) {
        results_done(&results);
        return error_prefix(e, r, "load");
    }
    *ret_results = results;
    return 0;
}
