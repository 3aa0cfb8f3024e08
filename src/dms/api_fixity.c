/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the contents are still what came in, for administrators. */
#include "dms/dms.h"
#include "dms/fixity.h"

#include <errno.h>
#include <stdio.h>

static void time_json(struct json *json, const char *name, int64_t at_ms)
{
    if (at_ms)
        json_put_int(json, name, at_ms);
    else
        json_put_null(json, name);
}

static void reply_state(struct call *call, int status)
{
    struct fixity_place place;
    struct buf body = {0};
    struct json json = json_into(&body);
    int64_t damaged;
    fixity_place(call->dms->fixity, &place);
    int r = damage_count(call->dms->store, &damaged);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    json_open_object(&json, NULL);
    json_put_bool(&json, "running", place.begun_ms && !place.ended_ms);
    time_json(&json, "begun_ms", place.begun_ms);
    time_json(&json, "ended_ms", place.ended_ms);
    json_put_int(&json, "contents", place.contents);
    json_put_int(&json, "bytes", place.bytes);
    json_put_int(&json, "damaged", damaged);
    json_close(&json);
    call_reply_buf(call, status, "application/json", &body);
}

void fixity_get(struct call *call)
{
    reply_state(call, 200);
}

void fixity_post(struct call *call)
{
    fixity_start(call->dms->fixity);
    call_audit(call, "fixity-start", 0, NULL, NULL);
    reply_state(call, 202);
}

static int damage_json(void *arg, const struct damage *damage)
{
    struct json *json = arg;
    char id[24], etag[32];
    (void)snprintf(id, sizeof id, "%lld", (long long)damage->node);
    content_etag(etag, sizeof etag, damage->content);
    json_open_object(json, NULL);
    json_put_text(json, "id", id);
    json_put_text(json, "name", damage->name);
    json_put_int(json, "version", damage->number);
    json_put_bool(json, "in_trash", damage->trash != 0);
    json_put_text(json, "etag", etag);
    json_put_text(json, "kind", damage->kind);
    json_put_int(json, "found_ms", damage->found_ms);
    json_close(json);
    return json->out->failed ? -ENOMEM : 0;
}

void damage_get(struct call *call)
{
    struct buf body = {0};
    struct json json = json_into(&body);
    int64_t after, last = 0;
    int limit;
    bool more = false;
    char next[24];
    if (call_limit(call, &limit) < 0 || call_cursor_key(call, &after) < 0)
        return;
    json_open_object(&json, NULL);
    json_open_array(&json, "items");
    int r = damage_list(call->dms->store, after == INT64_MAX ? 0 : after, limit, damage_json, &json,
                        &last, &more);
    json_close(&json);
    (void)snprintf(next, sizeof next, "%lld", (long long)last);
    json_put_text(&json, "next", more ? next : NULL);
    json_close(&json);
    if (r < 0) {
        buf_done(&body);
        call_problem_errno(call, r);
        return;
    }
    call_reply_buf(call, 200, "application/json", &body);
}
