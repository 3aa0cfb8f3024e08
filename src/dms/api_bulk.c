/* SPDX-License-Identifier: Apache-2.0 */
/* One action on many folders and documents. Each is tried and its result told; what succeeded is in
 * one commit, so one answer covers it. */
#include "dms/dms.h"
#include "dms/store_marks.h"

#include <errno.h>
#include <stdio.h>

enum { BULK_MAX = 1000 };

struct bulk {
    int64_t parent;
    bool has_parent;
    const char *tag;
    int64_t made; /* by the action at hand; 0: nothing */
};

typedef int bulk_fn(struct call *call, struct bulk *bulk, const struct node *node);

static int do_trash(struct call *call, struct bulk *bulk, const struct node *node)
{
    (void)bulk;
    return node_trash(call->dms->store, &call->actor, node->key);
}

static int do_restore(struct call *call, struct bulk *bulk, const struct node *node)
{
    return node_restore(call->dms->store, &call->actor, node->key, bulk->parent);
}

static int do_purge(struct call *call, struct bulk *bulk, const struct node *node)
{
    (void)bulk;
    return node_purge(call->dms->store, &call->actor, node->key);
}

static int do_move(struct call *call, struct bulk *bulk, const struct node *node)
{
    return node_move(call->dms->store, &call->actor, node->key, bulk->parent, node->name);
}

static int do_copy(struct call *call, struct bulk *bulk, const struct node *node)
{
    if (node->kind != NODE_DOCUMENT)
        return -EINVAL;
    return document_copy(call->dms->store, &call->actor, node->key, bulk->parent, node->name,
                         &bulk->made);
}

/* The tags with `tag` added or left out. */
static int tag_switch(struct call *call, const struct bulk *bulk, const struct node *node, bool on)
{
    SCOPED(arena_done) struct arena arena = {0};
    const char *tags[TAGS_MAX + 1];
    char **now = NULL;
    size_t count = 0, kept = 0;
    int r = tags_get(call->dms->store, &arena, node->key, &now, &count);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (strcmp(now[i], bulk->tag) != 0)
            tags[kept++] = now[i];
    if (on)
        tags[kept++] = bulk->tag;
    return r < 0 ? r : tags_set(call->dms->store, node->key, tags, kept);
}

static int do_tag(struct call *call, struct bulk *bulk, const struct node *node)
{
    return tag_switch(call, bulk, node, true);
}

static int do_untag(struct call *call, struct bulk *bulk, const struct node *node)
{
    return tag_switch(call, bulk, node, false);
}

static int do_favourite(struct call *call, struct bulk *bulk, const struct node *node)
{
    (void)bulk;
    return favourite_set(call->dms->store, call->user.key, node->key, true, call->actor.now_ms);
}

static int do_unfavourite(struct call *call, struct bulk *bulk, const struct node *node)
{
    (void)bulk;
    return favourite_set(call->dms->store, call->user.key, node->key, false, call->actor.now_ms);
}

static const struct bulk_action {
    const char *name;
    bulk_fn *run;
    bool in_trash, needs_parent, needs_tag;
    bool reads; /* the right to read is enough */
} actions[] = {
    {"trash", do_trash, false, false, false, false},
    {"restore", do_restore, true, false, false, false},
    {"purge", do_purge, true, false, false, false},
    {"move", do_move, false, true, false, false},
    {"copy", do_copy, false, true, false, true},
    {"tag", do_tag, false, false, true, false},
    {"untag", do_untag, false, false, true, false},
    {"favourite", do_favourite, false, false, false, true},
    {"unfavourite", do_unfavourite, false, false, false, true},
};

static const struct bulk_action *action_find(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_COUNT(actions); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

static int one_run(struct call *call, const struct bulk_action *action, struct bulk *bulk,
                   const char *id)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    int64_t key = 0;
    bulk->made = 0;
    int r = key_parse(slice_of_text(id), &key);
    if (r == 0)
        r = node_get(call->dms->store, &arena, key, &node);
    if (r == 0)
        r = access_check(call->dms->store, &call->user, &node,
                         action->reads ? ACCESS_READ : ACCESS_WRITE);
    if (r == 0 && bulk->parent)
        r = call_may_put(call, bulk->parent);
    if (r == 0 && (node.trash != 0) != action->in_trash)
        r = -ENOENT;
    return r < 0 ? r : action->run(call, bulk, &node);
}

static void one_json(struct json *json, const char *id, int r, int64_t made)
{
    static const struct {
        int error, status;
        const char *type;
    } rows[] = {
        {0, 200, NULL},
        {-ENOENT, 404, "not-found"},
        {-EEXIST, 409, "name-exists"},
        {-EINVAL, 422, "bad-name-or-place"},
        {-EACCES, 403, "forbidden"},
        {-EPERM, 409, "kept"},
        {-ETXTBSY, 423, "checked-out"},
        {-EDQUOT, 409, "too-many"},
        {-ENOSPC, 507, "storage-full"},
        {-EQUOTA_BYTES, 507, "quota-bytes"},
        {-EQUOTA_DOCUMENTS, 507, "quota-documents"},
    };
    char type[64], node[24];
    size_t i = 0;
    while (i < ARRAY_COUNT(rows) && rows[i].error != r)
        i++;
    bool known = i < ARRAY_COUNT(rows);
    json_open_object(json, NULL);
    json_put_text(json, "id", id);
    json_put_int(json, "status", known ? rows[i].status : 500);
    if (r < 0) {
        (void)snprintf(type, sizeof type, "urn:coffer:problem:%s",
                       known ? rows[i].type : "internal");
        json_put_text(json, "type", type);
    }
    if (made) {
        (void)snprintf(node, sizeof node, "%lld", (long long)made);
        json_put_text(json, "node", node);
    }
    json_close(json);
}

/* 0, or the call has been ended. */
static int bulk_read(struct call *call, const struct bulk_action **ret_action, struct bulk *ret)
{
    static const char *const members[] = {"action", "ids", "parent", "tag", NULL};
    bool ok = true;
    if (call_json_only(call, members) < 0)
        return -EINVAL;
    const struct bulk_action *action = action_find(call_json_text(call, "action", &ok));
    const char *parent = call_json_text(call, "parent", &ok);
    const json_t *ids = json_object_get(call->json, "ids");
    ret->tag = call_json_text(call, "tag", &ok);
    ret->has_parent = parent != NULL;
    bool good = ok && action && json_is_array(ids) && json_array_size(ids) <= BULK_MAX &&
                (!action->needs_parent || parent) &&
                (!action->needs_tag || (ret->tag && tag_check(ret->tag) == 0)) &&
                (!parent || key_parse(slice_of_text(parent), &ret->parent) == 0);
    for (size_t i = 0; good && i < json_array_size(ids); i++)
        good = json_is_string(json_array_get(ids, i));
    *ret_action = action;
    if (good)
        return 0;
    call_problem(call, 422, "bad-bulk",
                 "action (trash, restore, purge, move, copy, tag, untag, favourite, unfavourite) "
                 "and ids, at most %d, are needed; parent to move and copy, tag to tag and untag.",
                 BULK_MAX);
    return -EINVAL;
}

static void bulk_json(struct call *call)
{
    const struct bulk_action *action = NULL;
    struct bulk bulk = {0};
    if (bulk_read(call, &action, &bulk) < 0)
        return;
    const json_t *ids = json_object_get(call->json, "ids");
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_open_array(&json, "results");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        int r = one_run(call, action, &bulk, id);
        one_json(&json, id, r, bulk.made);
    }
    json_close(&json);
    json_close(&json);
    call_reply_buf(call, 200, "application/json", &body);
}

void bulk_post(struct call *call)
{
    call_json(call, bulk_json);
}
