/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: routing, waiting for the commit, answering. */
#include "base/log.h"
#include "dms/derive.h"
#include "dms/dms.h"
#include "dms/hooks.h"
#include "dms/outside.h"
#include "dms/store_audit.h"
#include "dms/sweep.h"
#include "server/problem.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define AUDIT_DELAY_NS ((uint64_t)1000000000)

/* Answering */

static void reply_drop(struct call *call)
{
    if (call->reply == REPLY_FILE)
        (void)close(call->fd);
    if (call->reply == REPLY_SOURCE)
        call->source.close(call->source.arg);
    buf_done(&call->body);
    call->reply = REPLY_NONE;
}

static void reply_send(struct call *call)
{
    enum reply_kind kind = call->reply;
    call->reply = REPLY_NONE;
    if (kind == REPLY_FILE)
        http_respond_file(call->req, call->status, call->type, call->fd, call->offset, call->size);
    else if (kind == REPLY_SOURCE)
        http_respond_source(call->req, call->status, call->type, call->size, call->source);
    else if (call->type)
        http_respond_buf(call->req, call->status, call->type, &call->body);
    else
        http_respond_empty(call->req, call->status);
}

void call_list_init(struct call_list *list)
{
    *list = (struct call_list){.end = &list->first};
}

static void call_list_add(struct call_list *list, struct call *call)
{
    call->waits_in = list;
    call->next_waiting = NULL;
    *list->end = call;
    list->end = &call->next_waiting;
}

static struct call *call_list_take(struct call_list *list)
{
    struct call *call = list->first;
    if (!call)
        return NULL;
    list->first = call->next_waiting;
    if (!list->first)
        list->end = &list->first;
    call->waits_in = NULL;
    return call;
}

static void call_list_remove(struct call *call)
{
    struct call_list *list = call->waits_in;
    struct call **link = &list->first;
    while (*link != call)
        link = &(*link)->next_waiting;
    *link = call->next_waiting;
    if (!*link)
        list->end = link;
    call->waits_in = NULL;
}

void call_list_move(struct call_list *from, struct call_list *to)
{
    for (struct call *call; (call = call_list_take(from)) != NULL;)
        call_list_add(to, call);
}

void calls_answer(struct call_list *list)
{
    for (struct call *call; (call = call_list_take(list)) != NULL;)
        reply_send(call);
}

static void commit(void *arg)
{
    struct dms *dms = arg;
    int r = store_commit(dms->store);
    metric_add(&dms->metrics[r < 0 ? DMS_COMMITS_FAILED : DMS_COMMITS], 1);
    if (r == 0 && store_has_doomed(dms->store))
        sweep_wait(dms); /* what is answered as purged is gone from the disk */
    else if (r == 0)
        calls_answer(&dms->waiting);
    for (struct call *call; (call = call_list_take(&dms->waiting)) != NULL;) {
        reply_drop(call);
        http_problem_errno(call->req, r);
    }
    sweep_start(dms);
    if (r == 0)
        derive_kick(dms->derive);
    if (r == 0)
        hooks_kick(dms->hooks);
}

void dms_commit_later(struct dms *dms)
{
    loop_defer(dms->loop, &dms->commit_task, commit, dms);
}

static void audit_settle_now(void *arg)
{
    struct dms *dms = arg;
    dms->audit_timer_set = false;
    if (audit_settle(dms->store) < 0)
        LOG_WARNING("the audit trail could not be written; it is tried again");
    if (store_in_transaction(dms->store))
        loop_defer(dms->loop, &dms->commit_task, commit, dms);
}

void dms_audit_later(struct dms *dms)
{
    if (dms->audit_timer_set)
        return;
    int r = loop_timer_set(dms->loop, &dms->audit_timer, loop_now_ns(dms->loop) + AUDIT_DELAY_NS,
                           audit_settle_now, dms);
    dms->audit_timer_set = r == 0;
}

static void reply(struct call *call)
{
    struct dms *dms = call->dms;
    if (!store_in_transaction(dms->store)) {
        reply_send(call);
        return;
    }
    call_list_add(&dms->waiting, call);
    loop_defer(dms->loop, &dms->commit_task, commit, dms);
}

void call_reply_buf(struct call *call, int status, const char *type, struct buf *body)
{
    if (body->failed) {
        buf_done(body);
        call_problem_errno(call, -ENOMEM);
        return;
    }
    call->reply = REPLY_BUF;
    call->status = status;
    call->type = type;
    call->body = *body;
    *body = (struct buf){0};
    reply(call);
}

void call_reply_text(struct call *call, int status, const char *type, const char *text)
{
    struct buf body = {0};
    (void)buf_append_text(&body, text);
    call_reply_buf(call, status, type, &body);
}

void call_reply_empty(struct call *call, int status)
{
    struct buf body = {0};
    call_reply_buf(call, status, NULL, &body);
}

void call_reply_file(struct call *call, int status, const char *type, int fd, uint64_t offset,
                     uint64_t size)
{
    call->reply = REPLY_FILE;
    call->status = status;
    call->type = type;
    call->fd = fd;
    call->offset = offset;
    call->size = size;
    reply(call);
}

void call_reply_source(struct call *call, int status, const char *type, uint64_t size,
                       struct http_source source)
{
    call->reply = REPLY_SOURCE;
    call->status = status;
    call->type = type;
    call->size = size;
    call->source = source;
    reply(call);
}

/* A problem tells of nothing that would have to be durable, but what it saw may still be undone. */
void call_problem(struct call *call, int status, const char *name, const char *detail, ...)
{
    SCOPED(buf_done) struct buf text = {0};
    va_list args;
    va_start(args, detail);
    if (detail)
        (void)buf_vprintf(&text, detail, args);
    va_end(args);
    const char *said = buf_text(&text);
    if (store_in_transaction(call->dms->store)) /* a read in this turn may rely on it */
        loop_defer(call->dms->loop, &call->dms->commit_task, commit, call->dms);
    http_problem(call->req, status, name, detail ? "%s" : NULL, said ? said : "");
}

void call_problem_errno(struct call *call, int error)
{
    if (error == -EPERM) {
        call_problem(call, 409, "kept",
                     "It, or something in it, must be kept: there is a time to keep or a legal "
                     "hold. See /api/documents/{id}/retention.");
        return;
    }
    if (error == -EQUOTA_BYTES || error == -EQUOTA_DOCUMENTS) {
        bool bytes = error == -EQUOTA_BYTES;
        call_problem(call, 507, bytes ? "quota-bytes" : "quota-documents",
                     "This is more than your quota of %s allows; nothing was changed.",
                     bytes ? "bytes" : "documents");
        return;
    }
    if (store_in_transaction(call->dms->store))
        loop_defer(call->dms->loop, &call->dms->commit_task, commit, call->dms);
    http_problem_errno(call->req, error);
}

static void call_done(struct http_request *req, int status, void *arg)
{
    (void)req;
    struct call *call = arg;
    struct dms *dms = call->dms;
    if (call->waits_in) /* the client is gone before the commit */
        call_list_remove(call);
    if (status < 0 && call->draft.size > 0)
        metric_add(&dms->metrics[DMS_UPLOADS_FAILED], 1);
    reply_drop(call);
    password_cancel(call->password_work);
    outside_stop(call->outside_job);
    upload_cancel(call);
    tus_cancel(call);
    soap_done(call);
    atom_done(call);
    content_drop(dms->store, &call->draft);
    if (call->json)
        json_decref(call->json);
    arena_done(&call->model_arena);
}

void call_audit(struct call *call, const char *action, int64_t node, const char *name,
                const char *detail)
{
    if (audit_add(call->dms->store, &call->actor, action, node, name, detail) < 0)
        store_spoil(call->dms->store);
}

/* Routing */

static bool segment_next(struct slice *rest, struct slice *ret_segment)
{
    if (rest->size == 0 || rest->bytes[0] != '/')
        return false;
    const uint8_t *start = rest->bytes + 1;
    const uint8_t *end = rest->size > 1 ? memchr(start, '/', rest->size - 1) : NULL;
    size_t size = end ? (size_t)(end - start) : rest->size - 1;
    *ret_segment = slice_of(start, size);
    *rest = slice_of(start + size, rest->size - 1 - size);
    return true;
}

/* Most routes differ in their first letters: that is seen before any segment is cut. */
static bool begins_alike(const char *pattern, struct slice path)
{
    for (size_t i = 0; pattern[i] && pattern[i] != '{'; i++)
        if (i >= path.size || path.bytes[i] != (uint8_t)pattern[i])
            return false;
    return true;
}

static bool route_matches(const char *pattern, struct slice path, struct slice *params)
{
    if (!begins_alike(pattern, path))
        return false;
    struct slice wanted = slice_of_text(pattern), want = {0}, have = {0};
    unsigned count = 0;
    for (;;) {
        struct slice before = path;
        bool more_wanted = segment_next(&wanted, &want);
        bool more = segment_next(&path, &have);
        if (!more_wanted || !more)
            return more_wanted == more;
        if (want.size > 4 && memcmp(want.bytes + want.size - 4, "...}", 4) == 0) {
            params[count] = slice_of(before.bytes + 1, before.size - 1);
            return true;
        }
        if (want.size > 0 && want.bytes[0] == '{') {
            if (have.size == 0)
                return false;
            params[count++] = have;
        } else if (!slice_equals(want, have)) {
            return false;
        }
    }
}

/* HEAD is routed as GET. The route, or NULL with the methods there are. */
static const struct route *route_find(enum http_method method, struct slice path,
                                      struct slice *params, unsigned *ret_methods)
{
    enum http_method wanted = method == HTTP_METHOD_HEAD ? HTTP_METHOD_GET : method;
    *ret_methods = 0;
    for (size_t i = 0; i < dms_route_count; i++) {
        if (!route_matches(dms_routes[i].path, path, params))
            continue;
        *ret_methods |= 1u << dms_routes[i].method;
        if (dms_routes[i].method == wanted)
            return &dms_routes[i];
    }
    return NULL;
}

static void not_routed(struct call *call, unsigned methods)
{
    if (methods == 0) {
        call_problem(call, 404, "not-found", "There is nothing here. See /openapi.json.");
        return;
    }
    SCOPED(buf_done) struct buf allow = {0};
    for (unsigned m = 0; m < HTTP_METHOD_COUNT; m++)
        if (methods & 1u << m)
            (void)buf_printf(&allow, "%s%s%s", allow.size ? ", " : "", http_method_text(m),
                             m == HTTP_METHOD_GET ? ", HEAD" : "");
    const char *text = buf_text(&allow);
    http_response_header(call->req, "Allow", text ? text : "");
    if (call->req->method == HTTP_METHOD_OPTIONS)
        call_reply_empty(call, 204);
    else
        call_problem(call, 405, "method-not-allowed", "This address knows: %s.", text ? text : "");
}

/* A page of another site may make a browser that is signed in send requests; they name it. */
static bool is_foreign(const struct http_request *req)
{
    struct slice origin = http_request_header(req, "Origin");
    struct slice site = http_request_header(req, "Sec-Fetch-Site");
    if (req->method == HTTP_METHOD_GET || req->method == HTTP_METHOD_HEAD ||
        req->method == HTTP_METHOD_OPTIONS)
        return false;
    if (site.bytes)
        return !slice_is_text(site, "same-origin") && !slice_is_text(site, "none");
    if (!origin.bytes)
        return false;
    bool same =
        origin.size > req->host.size + 3 &&
        memcmp(origin.bytes + origin.size - req->host.size - 3, "://", 3) == 0 &&
        memcmp(origin.bytes + origin.size - req->host.size, req->host.bytes, req->host.size) == 0;
    return !same;
}

void dms_handle(struct http_request *req, void *arg)
{
    struct dms *dms = arg;
    struct call *call = arena_alloc(&req->arena, sizeof *call);
    if (!call) {
        http_problem_errno(req, -ENOMEM);
        return;
    }
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    call->dms = dms;
    call->req = req;
    call->draft.fd = -1;
    call->actor = (struct actor){"", (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, ""};
    req->user = call;
    http_request_on_done(req, call_done, call);
    unsigned methods;
    call->route = route_find(req->method, req->path, call->params, &methods);
    if (!call->route)
        not_routed(call, methods);
    else if (is_foreign(req))
        call_problem(call, 403, "foreign-origin", "A page of another site sent this request.");
    else if ((call->access = call->route->access) == ACCESS_ANYONE)
        call->route->run(call);
    else
        call_authenticate(call);
}

/* Parameters */

int key_parse(struct slice text, int64_t *ret_key)
{
    int64_t key = 0;
    if (slice_is_text(text, "root")) {
        *ret_key = STORE_ROOT;
        return 0;
    }
    if (text.size == 0 || text.size > 18)
        return -ENOENT;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return -ENOENT;
        key = key * 10 + (text.bytes[i] - '0');
    }
    if (key <= 0 || text.bytes[0] == '0')
        return -ENOENT;
    *ret_key = key;
    return 0;
}

int call_key(struct call *call, unsigned param, int64_t *ret_key)
{
    return key_parse(call->params[param], ret_key);
}

int call_may_node(struct call *call, const struct node *node)
{
    enum http_method method = call->req->method;
    bool reads = method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD;
    return access_check(call->dms->store, &call->user, node, reads ? ACCESS_READ : ACCESS_WRITE);
}

int call_may_put(struct call *call, int64_t folder)
{
    struct node node;
    int r = node_get(call->dms->store, &call->req->arena, folder, &node);
    return r < 0 ? r : access_check(call->dms->store, &call->user, &node, ACCESS_WRITE);
}

int call_node(struct call *call, unsigned param, int kind, struct node *ret)
{
    int64_t key;
    int r = call_key(call, param, &key);
    if (r == 0)
        r = node_get(call->dms->store, &call->req->arena, key, ret);
    if (r == 0 && (ret->trash != 0 || (kind && (int)ret->kind != kind)))
        r = -ENOENT;
    if (r == 0)
        r = call_may_node(call, ret);
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

int call_limit(struct call *call, int *ret_limit)
{
    char *text;
    int64_t n = 100;
    int r = http_request_query(call->req, "limit", &text);
    if (r == 0)
        r = key_parse(slice_of_text(text), &n);
    else if (r == -ENOENT)
        r = 0;
    if (r < 0 || n > STORE_PAGE_MAX) {
        call_problem(call, 400, "bad-limit", "limit is a number from 1 to %d.", STORE_PAGE_MAX);
        return -EINVAL;
    }
    *ret_limit = (int)n;
    return 0;
}

int call_cursor(struct call *call, char **ret_cursor)
{
    int r = http_request_query(call->req, "cursor", ret_cursor);
    if (r == -ENOENT)
        *ret_cursor = arena_text(&call->req->arena, slice_of("", 0));
    if ((r == 0 || r == -ENOENT) && *ret_cursor)
        return 0;
    call_problem(call, 400, "bad-cursor", "cursor is the `next` of the page before.");
    return r;
}

int call_cursor_key(struct call *call, int64_t *ret_key)
{
    char *text;
    int r = call_cursor(call, &text);
    *ret_key = INT64_MAX;
    if (r == 0 && text[0] && key_parse(slice_of_text(text), ret_key) < 0) {
        call_problem(call, 400, "bad-cursor", "cursor is the `next` of the page before.");
        return -EINVAL;
    }
    return r;
}
