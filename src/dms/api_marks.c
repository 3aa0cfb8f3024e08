/* SPDX-License-Identifier: Apache-2.0 */
/* Favourites, what was opened last, tags, comments. */
#include "dms/dms.h"
#include "dms/store_marks.h"

#include <errno.h>
#include <stdio.h>

/* Reading is enough for a star or a comment, whatever the method. 0 or the call has been ended. */
static int readable_node(struct call *call, struct node *ret)
{
    int64_t key;
    int r = call_key(call, 0, &key);
    if (r == 0)
        r = node_get(call->dms->store, &call->req->arena, key, ret);
    if (r == 0 && ret->trash != 0)
        r = -ENOENT;
    if (r == 0)
        r = access_check(call->dms->store, &call->user, ret, ACCESS_READ);
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

static bool may_read(struct call *call, const struct node *node)
{
    return access_check(call->dms->store, &call->user, node, ACCESS_READ) == 0;
}

static void marks_problem(struct call *call, int error)
{
    if (error == -EDQUOT)
        call_problem(call, 409, "too-many", "There are as many as there may be.");
    else
        call_problem_errno(call, error);
}

static void reply_done(struct call *call, int r)
{
    if (r < 0)
        marks_problem(call, r);
    else
        call_reply_empty(call, 204);
}

/* A page of nodes; a node that has gone meanwhile is left out. */
static void reply_marked(struct call *call, const struct marked *marked, const char *time_name)
{
    struct buf body = {0};
    struct json json = json_into(&body);
    int r = 0;
    json_open_object(&json, NULL);
    json_open_array(&json, "items");
    for (size_t i = 0; r == 0 && i < marked->count; i++) {
        SCOPED(arena_done) struct arena arena = {0};
        struct node node;
        r = node_get(call->dms->store, &arena, marked->keys[i], &node);
        if (r == 0 && may_read(call, &node)) {
            const struct node_extra extra = {time_name, marked->times[i]};
            node_json_with(call, &json, NULL, &node, time_name ? &extra : NULL);
        }
        r = r == -ENOENT ? 0 : r;
    }
    json_close(&json);
    json_put_null(&json, "next");
    json_close(&json);
    if (r < 0) {
        buf_done(&body);
        call_problem_errno(call, r);
        return;
    }
    call_reply_buf(call, 200, "application/json", &body);
}

/* Favourites and the recent */

void favourites_list(struct call *call)
{
    struct marked marked = {0};
    int r = favourites_get(call->dms->store, &call->req->arena, call->user.key, &marked);
    if (r < 0)
        call_problem_errno(call, r);
    else
        reply_marked(call, &marked, NULL);
}

static void favourite_switch(struct call *call, bool on)
{
    struct node node = {0};
    if (readable_node(call, &node) == 0)
        reply_done(call, favourite_set(call->dms->store, call->user.key, node.key, on,
                                       call->actor.now_ms));
}

void favourite_put(struct call *call)
{
    favourite_switch(call, true);
}

void favourite_delete(struct call *call)
{
    favourite_switch(call, false);
}

void recent_list(struct call *call)
{
    struct marked marked = {0};
    int r = recent_get(call->dms->store, &call->req->arena, call->user.key, &marked);
    if (r < 0)
        call_problem_errno(call, r);
    else
        reply_marked(call, &marked, "opened_ms");
}

void recent_put(struct call *call)
{
    struct node node = {0};
    if (readable_node(call, &node) == 0)
        reply_done(call,
                   recent_add(call->dms->store, call->user.key, node.key, call->actor.now_ms));
}

/* Tags */

struct tag_count {
    struct call *call;
    struct json json;
    char tag[TAG_SIZE_MAX + 1];
    int64_t count;
};

static void tag_flush(struct tag_count *counted)
{
    if (counted->count == 0)
        return;
    json_open_object(&counted->json, NULL);
    json_put_text(&counted->json, "tag", counted->tag);
    json_put_int(&counted->json, "count", counted->count);
    json_close(&counted->json);
    counted->count = 0;
}

/* The name of a tag on what one may not see is not told either. */
static int tag_count(void *arg, const char *tag, int64_t key)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct tag_count *counted = arg;
    struct node node = {0};
    if (strcmp(counted->tag, tag) != 0)
        tag_flush(counted);
    (void)snprintf(counted->tag, sizeof counted->tag, "%s", tag);
    int r = node_get(counted->call->dms->store, &arena, key, &node);
    if (r == 0 && may_read(counted->call, &node))
        counted->count++;
    return r < 0 && r != -ENOENT ? r : counted->json.out->failed ? -ENOMEM : 0;
}

void tags_list(struct call *call)
{
    struct buf body = {0};
    struct tag_count counted = {.call = call, .json = json_into(&body)};
    json_open_object(&counted.json, NULL);
    json_open_array(&counted.json, "items");
    int r = tags_walk(call->dms->store, tag_count, &counted);
    tag_flush(&counted);
    json_close(&counted.json);
    json_close(&counted.json);
    if (r < 0) {
        buf_done(&body);
        call_problem_errno(call, r);
        return;
    }
    call_reply_buf(call, 200, "application/json", &body);
}

void tag_nodes_list(struct call *call)
{
    struct marked marked = {0};
    char *tag = NULL;
    int r = http_decode(&call->req->arena, call->params[0], false, &tag);
    if (r == 0)
        r = tag_nodes(call->dms->store, &call->req->arena, tag, &marked);
    if (r < 0)
        call_problem_errno(call, r);
    else
        reply_marked(call, &marked, NULL);
}

static void tags_put_json(struct call *call)
{
    static const char *const members[] = {"tags", NULL};
    const char *tags[TAGS_MAX];
    struct node node = {0};
    if (call_json_only(call, members) < 0 || call_node(call, 0, 0, &node) < 0)
        return;
    const json_t *list = json_object_get(call->json, "tags");
    size_t count = json_array_size(list);
    int r = json_is_array(list) && count <= TAGS_MAX ? 0 : -EINVAL;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const json_t *one = json_array_get(list, i);
        tags[i] = json_string_value(one);
        if (!tags[i] || strlen(tags[i]) != json_string_length(one))
            r = -EINVAL;
    }
    if (r == 0)
        r = tags_set(call->dms->store, node.key, tags, count);
    if (r == -EINVAL)
        call_problem(call, 422, "bad-tags",
                     "tags is a list of at most %d texts of 1 to %d bytes without commas.",
                     TAGS_MAX, TAG_SIZE_MAX);
    else if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_node(call, 200, node.key);
}

void tags_put(struct call *call)
{
    call_json(call, tags_put_json);
}

/* Comments */

static void comment_json(struct json *json, const struct comment *comment)
{
    char key[24], node[24];
    (void)snprintf(key, sizeof key, "%lld", (long long)comment->key);
    (void)snprintf(node, sizeof node, "%lld", (long long)comment->node);
    json_open_object(json, NULL);
    json_put_text(json, "id", key);
    json_put_text(json, "node", node);
    json_put_text(json, "user", comment->user);
    json_put_text(json, "text", comment->text);
    json_put_int(json, "created_ms", comment->created_ms);
    if (comment->edited_ms)
        json_put_int(json, "edited_ms", comment->edited_ms);
    json_close(json);
}

static int comment_put(void *arg, const struct comment *comment)
{
    struct json *json = arg;
    comment_json(json, comment);
    return json->out->failed ? -ENOMEM : 0;
}

void comments_list(struct call *call)
{
    struct node node = {0};
    if (readable_node(call, &node) < 0)
        return;
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_open_array(&json, "items");
    int r = comments_walk(call->dms->store, node.key, comment_put, &json);
    json_close(&json);
    json_close(&json);
    if (r < 0) {
        buf_done(&body);
        call_problem_errno(call, r);
        return;
    }
    call_reply_buf(call, 200, "application/json", &body);
}

static void reply_comment(struct call *call, int status, int64_t key)
{
    struct comment comment = {0};
    struct buf body = {0};
    struct json json = json_into(&body);
    int r = comment_get(call->dms->store, &call->req->arena, key, &comment);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    comment_json(&json, &comment);
    call_reply_buf(call, status, "application/json", &body);
}

/* The text of the body, or NULL and the call has been ended. */
static const char *comment_text(struct call *call)
{
    static const char *const members[] = {"text", NULL};
    bool ok = true;
    if (call_json_only(call, members) < 0)
        return NULL;
    const char *text = call_json_text(call, "text", &ok);
    if (ok && text && *text && strlen(text) <= COMMENT_SIZE_MAX)
        return text;
    call_problem(call, 422, "bad-comment", "text has 1 to %d bytes.", COMMENT_SIZE_MAX);
    return NULL;
}

static void comments_post_json(struct call *call)
{
    struct node node = {0};
    int64_t key = 0;
    const char *text = comment_text(call);
    if (!text || readable_node(call, &node) < 0)
        return;
    int r = comment_add(call->dms->store, &call->actor, node.key, text, &key);
    if (r < 0)
        marks_problem(call, r);
    else
        reply_comment(call, 201, key);
}

void comments_post(struct call *call)
{
    call_json(call, comments_post_json);
}

/* A comment belongs to who wrote it; an administrator may remove it, not change it. */
static int own_comment(struct call *call, bool admins_too, struct comment *ret)
{
    int64_t key;
    struct node node = {0};
    int r = call_key(call, 0, &key);
    if (r == 0)
        r = comment_get(call->dms->store, &call->req->arena, key, ret);
    if (r == 0)
        r = node_get(call->dms->store, &call->req->arena, ret->node, &node);
    if (r == 0 && (node.trash || !may_read(call, &node)))
        r = -ENOENT;
    if (r == 0 && strcmp(ret->user, call->user.name) != 0 &&
        !(admins_too && call->user.role == ROLE_ADMIN))
        r = -EACCES;
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

static void comment_patch_json(struct call *call)
{
    struct comment comment = {0};
    const char *text = comment_text(call);
    if (!text || own_comment(call, false, &comment) < 0)
        return;
    int r = comment_edit(call->dms->store, comment.key, text, call->actor.now_ms);
    if (r < 0)
        call_problem_errno(call, r);
    else
        reply_comment(call, 200, comment.key);
}

void comment_patch(struct call *call)
{
    call_json(call, comment_patch_json);
}

void comment_delete(struct call *call)
{
    struct comment comment = {0};
    if (own_comment(call, true, &comment) == 0)
        reply_done(call, comment_remove(call->dms->store, comment.key));
}
