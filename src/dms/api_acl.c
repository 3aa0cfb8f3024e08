/* SPDX-License-Identifier: Apache-2.0 */
/* Access lists: who may read one may read its list; who has all rights sets it. */
#include "dms/dms.h"
#include "dms/store_acl.h"

#include <errno.h>

/* 0 or the call has been ended. */
static int node_with(struct call *call, enum access_right right, struct node *ret)
{
    int64_t key;
    int r = call_key(call, 0, &key);
    if (r == 0)
        r = node_get(call->dms->store, &call->req->arena, key, ret);
    if (r == 0 && (ret->trash != 0 || ret->kind > NODE_DOCUMENT))
        r = -ENOENT;
    if (r == 0)
        r = access_check(call->dms->store, &call->user, ret, right);
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

static int entry_json(void *arg, const struct acl_entry *entry)
{
    struct json *json = arg;
    json_open_object(json, NULL);
    json_put_text(json, "principal", entry->principal);
    json_put_text(json, "permission", entry->permission);
    json_close(json);
    return json->out->failed ? -ENOMEM : 0;
}

static void reply_acl(struct call *call, int64_t key)
{
    struct buf body = {0};
    struct json json = json_into(&body);
    struct store *store = call->dms->store;
    struct node node;
    int r = node_get(store, &call->req->arena, key, &node);
    if (r == 0) {
        json_open_object(&json, NULL);
        json_put_bool(&json, "inherits", acl_inherits(&node));
        json_open_array(&json, "entries");
        r = acl_walk(store, &node, false, entry_json, &json);
        json_close(&json);
    }
    if (r == 0) {
        json_open_array(&json, "inherited");
        r = acl_walk(store, &node, true, entry_json, &json);
        json_close(&json);
        json_close(&json);
    }
    if (r < 0) {
        buf_done(&body);
        call_problem_errno(call, r);
        return;
    }
    call_reply_buf(call, 200, "application/json", &body);
}

void node_acl_get(struct call *call)
{
    struct node node;
    if (node_with(call, ACCESS_READ, &node) == 0)
        reply_acl(call, node.key);
}

static void bad_acl(struct call *call)
{
    call_problem(call, 422, "bad-acl",
                 "inherits is true or false; entries has at most %d objects with a principal "
                 "(\"anyone\", a user, \"group:NAME\") and a permission (read, write, all).",
                 ACL_ENTRIES_MAX);
}

static const char *member_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* 0, or the call has been ended. */
static int entries_read(struct call *call, const json_t *list, struct acl_entry **ret)
{
    size_t count = json_array_size(list);
    struct acl_entry *entries = arena_alloc(&call->req->arena, (count + 1) * sizeof *entries);
    if (!entries) {
        call_problem_errno(call, -ENOMEM);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        entries[i] =
            (struct acl_entry){member_text(entry, "principal"), member_text(entry, "permission")};
        if (!entries[i].principal || !entries[i].permission || json_object_size(entry) != 2) {
            bad_acl(call);
            return -EINVAL;
        }
    }
    *ret = entries;
    return 0;
}

static void acl_list_read(struct call *call)
{
    static const char *const members[] = {"inherits", "entries", NULL};
    const json_t *inherits = json_object_get(call->json, "inherits");
    const json_t *list = json_object_get(call->json, "entries");
    struct acl_entry *entries;
    struct node node;
    if (node_with(call, ACCESS_ALL, &node) < 0 || call_json_only(call, members) < 0)
        return;
    if (!json_is_boolean(inherits) || !json_is_array(list) ||
        json_array_size(list) > ACL_ENTRIES_MAX) {
        bad_acl(call);
        return;
    }
    if (entries_read(call, list, &entries) < 0)
        return;
    int r = acl_set(call->dms->store, &call->actor, &node, json_is_true(inherits), entries,
                    json_array_size(list));
    if (r == -EINVAL)
        bad_acl(call);
    else if (r == -ENXIO)
        call_problem(call, 422, "no-such-principal",
                     "An entry names a user or group that there is not. \"anyone\" is everybody "
                     "who signs in; \"anonymous\" can be given nothing here, for nobody comes "
                     "without signing in.");
    else if (r < 0)
        call_problem_errno(call, r);
    else
        reply_acl(call, node.key);
}

void node_acl_put(struct call *call)
{
    call_json(call, acl_list_read);
}
