/* SPDX-License-Identifier: Apache-2.0 */
/* Times to keep and legal holds: store_hold.h says what they do. */
#include "dms/list_page.h"
#include "dms/store_hold.h"

#include <errno.h>
#include <stdio.h>

/* Times */

static void key_put(struct json *json, const char *name, int64_t key)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)key);
    json_put_text(json, name, text);
}

static void hold_json(struct json *json, const struct hold *hold)
{
    json_open_object(json, NULL);
    key_put(json, "id", hold->key);
    json_put_text(json, "name", hold->name);
    json_put_text(json, "reason", hold->reason);
    json_put_text(json, "created_by", hold->created_by);
    json_put_int(json, "created_ms", hold->created_ms);
    json_put_text(json, "release_asked_by", hold->release_by);
    json_put_bool(json, "released", hold->released_ms != 0);
    json_put_int(json, "documents", hold->documents);
    json_close(json);
}

static int hold_name(void *arg, const struct hold *hold)
{
    json_put_text(arg, NULL, hold->name);
    return 0;
}

void document_retention_get(struct call *call)
{
    struct store *store = call->dms->store;
    struct retention retention;
    struct node node;
    bool more;
    if (call_node(call, 0, NODE_DOCUMENT, &node) < 0)
        return;
    int r = retention_get(store, &call->req->arena, node.key, &retention);
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    if (r == 0 && retention.until_ms) {
        json_put_int(&json, "until_ms", retention.until_ms);
        json_put_text(&json, "set_by", retention.user);
    } else {
        json_put_null(&json, "until_ms");
        json_put_null(&json, "set_by");
    }
    json_open_array(&json, "holds");
    if (r == 0)
        r = hold_list(store, node.key, 0, STORE_PAGE_MAX, hold_name, &json, &more);
    json_close(&json);
    json_put_bool(&json, "kept",
                  r == 0 && hold_check(store, node.key, call->actor.now_ms, NULL) == -EPERM);
    json_close(&json);
    if (r == 0) {
        call_reply_buf(call, 200, "application/json", &body);
        return;
    }
    buf_done(&body);
    call_problem_errno(call, r);
}

static void retention_put_json(struct call *call)
{
    static const char *const members[] = {"until_ms", NULL};
    json_t *until = json_object_get(call->json, "until_ms");
    struct node node;
    if (call_json_only(call, members) < 0 || call_node(call, 0, NODE_DOCUMENT, &node) < 0)
        return;
    if (!json_is_integer(until) || json_integer_value(until) <= call->actor.now_ms) {
        call_problem(call, 422, "bad-time", "until_ms is needed, and lies ahead.");
        return;
    }
    int r = retention_set(call->dms->store, &call->actor, node.key, json_integer_value(until));
    if (r == -EPERM)
        call_problem(call, 409, "kept", "A time to keep can only be made longer.");
    else if (r < 0)
        call_problem_errno(call, r);
    else
        document_retention_get(call);
}

void document_retention_put(struct call *call)
{
    call_json(call, retention_put_json);
}

/* Holds */

static int hold_of(struct call *call, unsigned param, struct hold *ret)
{
    int64_t key = 0;
    int r = call_key(call, param, &key);
    if (r == 0)
        r = hold_get(call->dms->store, &call->req->arena, key, ret);
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

static void hold_reply(struct call *call, int status, int64_t key)
{
    struct hold hold;
    struct buf body = {0};
    struct json json = json_into(&body);
    int r = hold_get(call->dms->store, &call->req->arena, key, &hold);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    hold_json(&json, &hold);
    call_reply_buf(call, status, "application/json", &body);
}

static void hold_post_json(struct call *call)
{
    static const char *const members[] = {"name", "reason", NULL};
    bool ok = true;
    int64_t key = 0;
    if (call_json_only(call, members) < 0)
        return;
    const char *name = call_json_text(call, "name", &ok);
    const char *reason = call_json_text(call, "reason", &ok);
    if (!ok || !name || !*name || strlen(name) > HOLD_NAME_MAX || !reason || !*reason ||
        strlen(reason) > HOLD_REASON_MAX) {
        call_problem(call, 422, "bad-hold", "name (up to %d bytes) and reason (%d) are needed.",
                     HOLD_NAME_MAX, HOLD_REASON_MAX);
        return;
    }
    int r = hold_add(call->dms->store, &call->actor, name, reason, &key);
    if (r < 0)
        call_problem_errno(call, r);
    else
        hold_reply(call, 201, key);
}

void hold_post(struct call *call)
{
    call_json(call, hold_post_json);
}

static int page_hold(void *arg, const struct hold *hold)
{
    struct list_page *page = arg;
    hold_json(&page->json, hold);
    return list_page_item(page, hold->key);
}

static int page_held(void *arg, int64_t node)
{
    struct list_page *page = arg;
    key_put(&page->json, NULL, node);
    return list_page_item(page, node);
}

void holds_get(struct call *call)
{
    struct list_page page;
    bool more = false;
    if (list_page_begin(&page, call, false) < 0)
        return;
    int r = hold_list(call->dms->store, 0, page.from, page.limit, page_hold, &page, &more);
    list_page_end(&page, r, more);
}

void hold_documents_get(struct call *call)
{
    struct list_page page;
    struct hold hold;
    bool more = false;
    if (hold_of(call, 0, &hold) < 0 || list_page_begin(&page, call, false) < 0)
        return;
    int r = hold_nodes(call->dms->store, hold.key, page.from, page.limit, page_held, &page, &more);
    list_page_end(&page, r, more);
}

void hold_document_put(struct call *call)
{
    struct hold hold;
    struct node node;
    if (hold_of(call, 0, &hold) < 0 || call_node(call, 1, NODE_DOCUMENT, &node) < 0)
        return;
    int r = hold_put(call->dms->store, &call->actor, hold.key, node.key);
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_empty(call, 204);
}

void hold_release_post(struct call *call)
{
    struct hold hold;
    bool released;
    if (hold_of(call, 0, &hold) < 0)
        return;
    int r = hold_release(call->dms->store, &call->actor, hold.key, &released);
    if (r == -EALREADY)
        call_problem(call, 409, "four-eyes",
                     "You have asked for it already: another administrator confirms.");
    else if (r < 0)
        call_problem_errno(call, r);
    else
        hold_reply(call, released ? 200 : 202, hold.key);
}

void hold_release_delete(struct call *call)
{
    struct hold hold;
    if (hold_of(call, 0, &hold) < 0)
        return;
    int r = hold_keep(call->dms->store, &call->actor, hold.key);
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_empty(call, 204);
}
