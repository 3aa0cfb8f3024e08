/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/hooks.h"

#include "base/hex.h"
#include "base/log.h"
#include "dms/dms.h"
#include "dms/outside.h"
#include "dms/store_audit.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    DESTINATIONS_MAX = 32,
    SCAN_MAX = 500,      /* entries that are looked at in one turn */
    PLACE_LAG_MAX = 500, /* entries that are none of a hook's, before its place is written down */
    DELIVERY_TIME_MS = 10000,
    JOBS_MAX = OUTSIDE_JOBS_MAX / 2, /* the others are for people who sign in */
    ANSWER_SIZE_MAX = 64 << 10
};
#define PAUSE_MAX_MS ((int64_t)3600 * 1000)
#define MS ((uint64_t)1000000)

struct destination {
    char *prefix, *origin;
    bool plain;
};

/* What is known of a hook beyond its row: the delivery under way, and how far it has looked. */
struct flight {
    int64_t key; /* 0: free */
    int64_t seen;
    struct outside_job *job;
    struct hooks *hooks;
    bool is_test;
    int64_t first, last, count;
};

struct hooks {
    struct dms *dms;
    struct destination destinations[DESTINATIONS_MAX];
    size_t destination_count;
    struct flight flights[HOOKS_MAX];
    struct loop_timer timer;
    struct loop_task task;
    bool none; /* there are no hooks */
};

static int64_t now_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Where to */

/* Visible ASCII without what parsers of URLs disagree about; the length of scheme and authority, 0: no URL
 * for this. */
static size_t origin_size(const char *url)
{
    bool https = strncmp(url, "https://", 8) == 0, http = strncmp(url, "http://", 7) == 0;
    size_t begin = https ? 8 : 7, size = strlen(url);
    if ((!https && !http) || size > HOOK_URL_MAX || strstr(url, "/../") || strstr(url, "/./") ||
        strcasestr(url, "%2e") || strcasestr(url, "%2f"))
        return 0;
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || strchr("@\\#\"<>^`{|}", *c))
            return 0;
    size_t authority = strcspn(url + begin, "/?");
    size_t path = begin + authority;
    size_t path_end = path + strcspn(url + path, "?");
    bool ends_in_dots = path_end - path >= 2 && url[path_end - 1] == '.' &&
                        (url[path_end - 2] == '/' || url[path_end - 2] == '.');
    return authority > 0 && !ends_in_dots ? path : 0;
}

int hooks_may_go(const struct hooks *hooks, const char *url, const char **ret_origin)
{
    if (origin_size(url) == 0)
        return -EINVAL;
    for (size_t i = 0; i < hooks->destination_count; i++) {
        const struct destination *to = &hooks->destinations[i];
        size_t size = strlen(to->prefix);
        bool at_end =
            to->prefix[size - 1] == '/' || (size <= strlen(url) && strchr("/?", url[size]));
        if (strncmp(url, to->prefix, size) == 0 && at_end) {
            if (ret_origin)
                *ret_origin = to->origin;
            return 0;
        }
    }
    return -EACCES;
}

static int destination_add(struct hooks *hooks, struct slice text, struct error *e)
{
    struct destination *to = &hooks->destinations[hooks->destination_count];
    if (hooks->destination_count == DESTINATIONS_MAX)
        return error_set(e, -EINVAL, "more than %d destinations of web hooks", DESTINATIONS_MAX);
    char *prefix = strndup((const char *)text.bytes, text.size);
    size_t size = prefix ? origin_size(prefix) : 0;
    if (!prefix || size == 0 || strchr(prefix, '?')) {
        int r = error_set(e, prefix ? -EINVAL : -ENOMEM,
                          "'%.*s' is no destination of web hooks; write https://HOST/PATH",
                          (int)MIN(text.size, (size_t)200), (const char *)text.bytes);
        free(prefix);
        return r;
    }
    to->prefix = prefix;
    to->origin = strndup(prefix, size);
    to->plain = strncmp(prefix, "http://", 7) == 0;
    hooks->destination_count++;
    if (to->plain)
        LOG_WARNING("web hooks to this destination go in the clear, unless something below "
                    "encrypts them",
                    LOG_TEXT("destination", to->prefix));
    return to->origin ? 0 : -ENOMEM;
}

/* Events */

struct gathering {
    struct hooks *hooks;
    const struct hook *hook;
    const struct user *user;
    struct json json;
    int64_t seen, first, last, count;
};

static bool kind_is_wanted(const struct hook *hook, const char *action)
{
    size_t size = strlen(action);
    const char *at = hook->kinds;
    if (!*at)
        return strcmp(action, "read") != 0;
    while (*at) {
        size_t word = strcspn(at, " ");
        if (word == size && memcmp(at, action, size) == 0)
            return true;
        at += word + (at[word] == ' ');
    }
    return false;
}

/* 1: in the folder, or it is that itself; 0. */
static int is_within(struct store *store, const struct node *start, int64_t folder)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = *start;
    for (int depth = 0; depth <= STORE_DEPTH_MAX + 1; depth++) {
        if (node.key == folder)
            return 1;
        if (node.parent <= 0)
            return 0;
        int r = node_get(store, &arena, node.parent, &node);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
    }
    return 0;
}

/* Whether it is told of, and by which name (NULL: by none, for it is gone). 1, 0, -errno. */
static int event_judge(const struct gathering *g, struct arena *arena,
                       const struct audit_entry *entry, const char **ret_name)
{
    struct store *store = g->hooks->dms->store;
    struct node node;
    *ret_name = NULL;
    if (!kind_is_wanted(g->hook, entry->action))
        return 0;
    if (entry->node == 0) { /* about users, groups, the server */
        *ret_name = *entry->name ? entry->name : NULL;
        return g->hook->folder == 0 && g->user->role == ROLE_ADMIN;
    }
    int r = node_get(store, arena, entry->node, &node);
    if (r == -ENOENT)
        return g->hook->folder == 0 && g->user->role == ROLE_ADMIN;
    if (r == 0)
        r = access_check(store, g->user, &node, ACCESS_READ);
    if (r < 0)
        return r == -ENOENT || r == -EACCES ? 0 : r;
    *ret_name = *entry->name ? entry->name : NULL;
    return g->hook->folder == 0 ? 1 : is_within(store, &node, g->hook->folder);
}

static void event_json(struct json *json, const struct audit_entry *entry, const char *name)
{
    char id[24];
    (void)snprintf(id, sizeof id, "%lld", (long long)entry->node);
    json_open_object(json, NULL);
    json_put_int(json, "sequence", entry->sequence);
    json_put_int(json, "time_ms", entry->time_ms);
    json_put_text(json, "action", entry->action);
    json_put_text(json, "user", entry->user);
    json_put_text(json, "id", entry->node == 0 ? NULL : entry->node == STORE_ROOT ? "root" : id);
    json_put_text(json, "name", name);
    json_close(json);
}

static int event_gather(void *arg, const struct audit_entry *entry)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct gathering *g = arg;
    const char *name;
    int r = event_judge(g, &arena, entry, &name);
    if (r < 0)
        return r;
    g->seen = entry->sequence;
    if (r == 0)
        return 0;
    event_json(&g->json, entry, name);
    g->first = g->count == 0 ? entry->sequence : g->first;
    g->last = entry->sequence;
    return ++g->count == HOOK_EVENTS_MAX ? 1 : 0; /* 1: enough */
}

/* Sending */

static struct flight *flight_of(struct hooks *hooks, int64_t key)
{
    struct flight *free_one = NULL;
    for (size_t i = 0; i < HOOKS_MAX; i++) {
        if (hooks->flights[i].key == key)
            return &hooks->flights[i];
        if (hooks->flights[i].key == 0 && !free_one)
            free_one = &hooks->flights[i];
    }
    if (free_one)
        *free_one = (struct flight){.key = key, .hooks = hooks};
    return free_one;
}

static void delivery_ended(void *arg, int result, const json_t *answer, const char *why);

static json_t *job_make(const struct hooks *hooks, const struct hook *hook, const char *origin,
                        const char *body, const struct flight *flight)
{
    uint8_t mac[DIGEST_SIZE];
    char hex[2 * DIGEST_SIZE + 1], time_text[24], hook_header[48], delivery[96], signature[96],
        time_header[48];
    (void)snprintf(time_text, sizeof time_text, "%lld", (long long)(now_ms() / 1000));
    const struct slice parts[] = {slice_of_text(time_text), slice_of_text("."),
                                  slice_of_text(body)};
    hmac_sha256(slice_of(hook->secret, sizeof hook->secret), parts, ARRAY_COUNT(parts), mac);
    hex_encode(slice_of(mac, sizeof mac), hex);
    (void)snprintf(time_header, sizeof time_header, "Coffer-Time: %s", time_text);
    (void)snprintf(hook_header, sizeof hook_header, "Coffer-Hook: %lld", (long long)hook->key);
    (void)snprintf(delivery, sizeof delivery, "Coffer-Delivery: %lld-%lld-%lld",
                   (long long)hook->key, (long long)flight->first, (long long)flight->last);
    (void)snprintf(signature, sizeof signature, "Coffer-Signature: sha256=%s", hex);
    json_t *job = json_pack(
        "{s:s, s:s, s:s, s:b, s:[s,s,s,s,s,s], s:s, s:i, s:i}", "method", "POST", "url", hook->url,
        "origin", origin, "plain", strncmp(origin, "http://", 7) == 0, "headers",
        "Content-Type: application/json", "User-Agent: Coffer", hook_header, delivery, time_header,
        signature, "body", body, "size_max", ANSWER_SIZE_MAX, "time_ms", DELIVERY_TIME_MS);
    const char *ca = hooks->dms->settings.hook_ca;
    if (job && ca && *ca && json_object_set_new(job, "ca_file", json_string(ca)) < 0) {
        json_decref(job);
        return NULL;
    }
    return job;
}

static bool is_full(const struct hooks *hooks)
{
    int count = 0;
    for (size_t i = 0; i < HOOKS_MAX; i++)
        count += hooks->flights[i].job != NULL;
    return count >= JOBS_MAX;
}

static int send_now(struct hooks *hooks, const struct hook *hook, const char *body,
                    struct flight *flight)
{
    const char *origin = NULL;
    int r = hooks_may_go(hooks, hook->url, &origin);
    if (r == 0 && is_full(hooks))
        r = -EBUSY;
    if (r < 0)
        return r;
    json_t *job = job_make(hooks, hook, origin, body, flight);
    r = job ? outside_start(hooks->dms->outside, "fetch", job, DELIVERY_TIME_MS / 1000 + 5,
                            delivery_ended, flight, &flight->job)
            : -ENOMEM;
    json_decref(job);
    if (r == 0 || r == -EBUSY || r == -ENOMEM)
        return r;
    /* Not there, not named by the policy: a try that failed, and its reason is to be seen. */
    char why[100];
    (void)snprintf(why, sizeof why, "coffer-dms-out cannot be started (%s)", strerror(-r));
    LOG_WARNING("a web hook cannot deliver", LOG_INT("hook", hook->key), LOG_TEXT("reason", why));
    delivery_ended(flight, r, NULL, why);
    return 0;
}

static void note(struct hooks *hooks, const struct hook *hook)
{
    if (hook_note(hooks->dms->store, hook) < 0)
        LOG_WARNING("how far a web hook is could not be written down", LOG_INT("hook", hook->key));
    dms_commit_later(hooks->dms);
}

static int64_t pause_ms(const struct hooks *hooks, int64_t failures)
{
    int64_t first = (int64_t)hooks->dms->settings.hook_retry_ms;
    int64_t shift = MIN(failures - 1, (int64_t)20);
    return MIN(first << MAX(shift, (int64_t)0), PAUSE_MAX_MS);
}

/* It did not arrive: later again, or once and for all noted as dead. */
static void failed(struct hooks *hooks, struct hook *hook, const struct flight *flight,
                   const char *why)
{
    hook->failures++;
    hook->next_ms = now_ms() + pause_ms(hooks, hook->failures);
    if (hook->failures < (int64_t)hooks->dms->settings.hook_attempts || flight->count == 0)
        return;
    const struct hook_dead dead = {.hook = hook->key,
                                   .first = flight->first,
                                   .last = flight->last,
                                   .count = flight->count,
                                   .at_ms = now_ms(),
                                   .why = why};
    if (hook_dead_add(hooks->dms->store, &dead) < 0)
        return; /* then it is tried on */
    LOG_WARNING("a web hook's delivery was given up", LOG_INT("hook", hook->key),
                LOG_INT("events", flight->count), LOG_TEXT("reason", why));
    metric_add(&hooks->dms->metrics[DMS_HOOKS_DEAD], flight->count);
    hook->dead += flight->count;
    hook->place = flight->last;
    hook->failures = 0;
}

static void delivery_judge(struct hooks *hooks, struct flight *flight, int status, const char *why)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct hook hook;
    char text[300];
    bool ok = status >= 200 && status < 300;
    if (hook_get(hooks->dms->store, &arena, flight->key, &hook) < 0) {
        flight->key = 0; /* removed meanwhile */
        return;
    }
    const char *test = flight->is_test ? "test: " : "";
    if (status)
        (void)snprintf(text, sizeof text, "%sHTTP %d", test, status);
    else
        (void)snprintf(text, sizeof text, "%s%.200s", test, why ? why : "");
    hook.last = text;
    hook.last_ms = now_ms();
    if (ok) {
        hook.ok_ms = hook.last_ms;
        metric_add(&hooks->dms->metrics[DMS_HOOKS_DELIVERED], flight->count);
    }
    if (ok && !flight->is_test) {
        hook.place = MAX(flight->last, hook.place);
        hook.delivered += flight->count;
        hook.failures = hook.next_ms = 0;
    } else if (!ok && !flight->is_test) {
        failed(hooks, &hook, flight, text);
    }
    flight->seen = hook.place;
    note(hooks, &hook);
    secret_wipe(hook.secret, sizeof hook.secret);
}

static void delivery_ended(void *arg, int result, const json_t *answer, const char *why)
{
    struct flight *flight = arg;
    int status = result == 0 ? (int)json_integer_value(json_object_get(answer, "status")) : 0;
    flight->job = NULL;
    delivery_judge(flight->hooks, flight, status, why);
    hooks_kick(flight->hooks);
}

static int body_begin(struct gathering *g, struct buf *body)
{
    char id[24];
    g->json = json_into(body);
    (void)snprintf(id, sizeof id, "%lld", (long long)g->hook->key);
    json_open_object(&g->json, NULL);
    json_put_text(&g->json, "hook", id);
    json_open_array(&g->json, "events");
    return body->failed ? -ENOMEM : 0;
}

static const char *body_end(struct gathering *g, struct buf *body)
{
    json_close(&g->json);
    json_close(&g->json);
    return buf_text(body);
}

/* What is new for it, on its way; or nothing is. -errno: it is looked at again later. */
static int deliver(struct hooks *hooks, const struct hook *hook, struct flight *flight,
                   const struct user *user)
{
    SCOPED(buf_done) struct buf body = {0};
    struct gathering g = {.hooks = hooks, .hook = hook, .user = user};
    bool more = false;
    assert(!store_in_transaction(hooks->dms->store)); /* what is told has happened */
    g.seen = MAX(flight->seen, hook->place);
    int r = body_begin(&g, &body);
    if (r == 0)
        r = audit_export(hooks->dms->store, g.seen, SCAN_MAX, event_gather, &g, &more);
    if (r < 0)
        return r;
    flight->seen = g.seen;
    if (g.count == 0) {
        if (more)
            hooks_kick(hooks);
        if (g.seen - hook->place > PLACE_LAG_MAX) {
            struct hook moved = *hook;
            moved.place = g.seen;
            note(hooks, &moved);
            secret_wipe(moved.secret, sizeof moved.secret);
        }
        return 0;
    }
    flight->first = g.first;
    flight->last = g.last;
    flight->count = g.count;
    flight->is_test = false;
    const char *text = body_end(&g, &body);
    r = text ? send_now(hooks, hook, text, flight) : -ENOMEM;
    if (r < 0)
        flight->seen = hook->place; /* it was not told of them */
    return r;
}

/* Looking */

static void run_later(void *arg);

static void look_at(struct hooks *hooks, int64_t at_ms)
{
    int64_t delay = MAX(at_ms - now_ms(), (int64_t)1);
    uint64_t deadline = loop_now_ns(hooks->dms->loop) + (uint64_t)MIN(delay, PAUSE_MAX_MS) * MS;
    if (hooks->timer.place != 0 && hooks->timer.deadline_ns <= deadline)
        return;
    int r = loop_timer_set(hooks->dms->loop, &hooks->timer, deadline, run_later, hooks);
    if (r < 0)
        LOG_WARNING("web hooks wait for the next change", LOG_TEXT("reason", strerror(-r)));
}

static void hook_stop(struct hooks *hooks, const struct hook *hook, const char *why)
{
    struct hook stopped = *hook;
    stopped.paused = true;
    stopped.last_ms = now_ms();
    stopped.last = (char *)(uintptr_t)why;
    LOG_WARNING("a web hook was paused", LOG_INT("hook", hook->key), LOG_TEXT("reason", why));
    note(hooks, &stopped);
    secret_wipe(stopped.secret, sizeof stopped.secret);
}

static int hook_look(void *arg, const struct hook *hook)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct hooks *hooks = arg;
    struct flight *flight = flight_of(hooks, hook->key);
    struct user user;
    if (!flight || flight->job || hook->paused)
        return 0;
    if (store_in_transaction(hooks->dms->store)) { /* what is not committed may still be undone */
        look_at(hooks, now_ms());
        return 0;
    }
    if (hook->next_ms > now_ms()) {
        look_at(hooks, hook->next_ms);
        return 0;
    }
    int r = user_find(hooks->dms->store, &arena, hook->user, &user);
    if (r == -ENOENT) {
        hook_stop(hooks, hook, "who made it is no user any more");
        return 0;
    }
    if (r == 0)
        r = deliver(hooks, hook, flight, &user);
    if (r == -EACCES || r == -EINVAL)
        hook_stop(hooks, hook, "the server's settings do not name its destination any more");
    else if (r < 0)
        look_at(hooks, now_ms() + 1000);
    return 0;
}

/* Rows that are gone leave their flights. */
static void flights_trim(struct hooks *hooks)
{
    SCOPED(arena_done) struct arena arena = {0};
    for (size_t i = 0; i < HOOKS_MAX; i++) {
        struct flight *flight = &hooks->flights[i];
        struct hook hook = {0};
        if (flight->key && !flight->job &&
            hook_get(hooks->dms->store, &arena, flight->key, &hook) == -ENOENT)
            flight->key = 0;
        secret_wipe(hook.secret, sizeof hook.secret);
    }
}

static void run(void *arg)
{
    struct hooks *hooks = arg;
    int64_t count = 0;
    bool more;
    int r = hook_count(hooks->dms->store, &count);
    hooks->none = r == 0 && count == 0;
    if (r < 0 || hooks->none)
        return;
    flights_trim(hooks);
    if (hook_list(hooks->dms->store, 0, HOOKS_MAX, hook_look, hooks, &more) < 0)
        look_at(hooks, now_ms() + 1000);
}

/* What this turn wrote is committed first: its task was there before. */
static void run_later(void *arg)
{
    struct hooks *hooks = arg;
    loop_defer(hooks->dms->loop, &hooks->task, run, hooks);
}

/* A timer, not a task alone: what one turn found is on its way before the next looks. */
void hooks_kick(struct hooks *hooks)
{
    if (hooks && !hooks->none)
        look_at(hooks, now_ms());
}

void hooks_forget(struct hooks *hooks, int64_t key)
{
    hooks->none = false;
    for (size_t i = 0; key && i < HOOKS_MAX; i++)
        if (hooks->flights[i].key == key) {
            outside_stop(hooks->flights[i].job);
            hooks->flights[i] = (struct flight){0};
        }
    hooks_kick(hooks);
}

int hooks_test(struct hooks *hooks, const struct hook *hook)
{
    SCOPED(buf_done) struct buf body = {0};
    struct gathering g = {.hooks = hooks, .hook = hook};
    struct flight *flight = flight_of(hooks, hook->key);
    if (!flight || flight->job)
        return -EBUSY;
    int r = body_begin(&g, &body);
    const char *text = r == 0 ? body_end(&g, &body) : NULL;
    if (!text)
        return -ENOMEM;
    flight->first = flight->last = flight->count = 0;
    flight->is_test = true;
    return send_now(hooks, hook, text, flight);
}

int hooks_new(struct dms *dms, struct hooks **ret_hooks, struct error *e)
{
    struct hooks *hooks = calloc(1, sizeof *hooks);
    const char *at = dms->settings.hook_destinations ? dms->settings.hook_destinations : "";
    int r = hooks ? 0 : error_set(e, -ENOMEM, "no memory");
    if (hooks)
        hooks->dms = dms;
    while (r == 0 && *at) {
        size_t size = strcspn(at, ",");
        r = destination_add(hooks, slice_of((const uint8_t *)at, size), e);
        at += size + (at[size] == ',');
    }
    if (r < 0) {
        hooks_free(hooks);
        return r;
    }
    *ret_hooks = hooks;
    return 0;
}

void hooks_free(struct hooks *hooks)
{
    if (!hooks)
        return;
    loop_timer_stop(hooks->dms->loop, &hooks->timer);
    loop_defer_stop(hooks->dms->loop, &hooks->task);
    for (size_t i = 0; i < HOOKS_MAX; i++)
        outside_stop(hooks->flights[i].job);
    for (size_t i = 0; i < hooks->destination_count; i++) {
        free(hooks->destinations[i].prefix);
        free(hooks->destinations[i].origin);
    }
    free(hooks);
}
