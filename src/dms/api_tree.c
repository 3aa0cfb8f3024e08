/* SPDX-License-Identifier: Apache-2.0 */
/* Folders, and what folders and documents have in common: rename, move, properties, delete, lists,
 * search, trash. */
#include "dms/dms.h"

#include <errno.h>
#include <stdio.h>

/* Lists */

struct page {
    struct call *call;
    struct buf body;
    struct json json;
    char *last_name;
    int64_t last_key;
};

static void page_open(struct page *page, struct call *call)
{
    *page = (struct page){.call = call};
    page->json = json_into(&page->body);
    json_open_object(&page->json, NULL);
    json_open_array(&page->json, "items");
}

static int page_node(void *arg, const struct node *node)
{
    struct page *page = arg;
    if (access_check(page->call->dms->store, &page->call->user, node, ACCESS_READ) < 0) {
        page->last_key = node->key;
        page->last_name = arena_text(&page->call->req->arena, slice_of_text(node->name));
        return page->last_name ? 0 : -ENOMEM;
    }
    node_json(page->call, &page->json, NULL, node);
    page->last_key = node->key;
    page->last_name = arena_text(&page->call->req->arena, slice_of_text(node->name));
    return page->body.failed || !page->last_name ? -ENOMEM : 0;
}

static void page_close(struct page *page, int result, const char *next)
{
    if (result < 0) {
        buf_done(&page->body);
        if (result == -EINVAL)
            call_problem(page->call, 400, "bad-search", "The search has no words, or too many.");
        else
            call_problem_errno(page->call, result);
        return;
    }
    json_close(&page->json);
    json_put_text(&page->json, "next", next);
    json_close(&page->json);
    call_reply_buf(page->call, 200, "application/json", &page->body);
}

static const char *key_cursor(struct page *page, bool more, char text[24])
{
    (void)snprintf(text, 24, "%lld", (long long)page->last_key);
    return more ? text : NULL;
}

void folder_children(struct call *call)
{
    struct node node;
    struct page page;
    char *cursor;
    int limit;
    bool more = false;
    if (call_limit(call, &limit) < 0 || call_cursor(call, &cursor) < 0 ||
        call_node(call, 0, NODE_FOLDER, &node) < 0)
        return;
    page_open(&page, call);
    int r = node_children(call->dms->store, node.key, cursor, limit, page_node, &page, &more);
    page_close(&page, r, more ? page.last_name : NULL);
}

void search_get(struct call *call)
{
    struct page page;
    char *words = NULL, *property = NULL, *value = NULL, number[24];
    int64_t before;
    int limit;
    bool more = false;
    if (call_limit(call, &limit) < 0 || call_cursor_key(call, &before) < 0)
        return;
    int r = http_request_query(call->req, "q", &words);
    if (r == 0 || r == -ENOENT)
        r = http_request_query(call->req, "property", &property);
    if (r == 0)
        r = http_request_query(call->req, "value", &value);
    if ((r < 0 && !(r == -ENOENT && !property)) || (!words && !property)) {
        call_problem(call, 400, "bad-search", "Search with q=words, or property= and value=.");
        return;
    }
    page_open(&page, call);
    r = node_search(call->dms->store, words, property, value, before, limit, page_node, &page,
                    &more);
    page_close(&page, r, key_cursor(&page, more, number));
}

void trash_get(struct call *call)
{
    struct page page;
    char number[24];
    int64_t before;
    int limit;
    bool more = false;
    if (call_limit(call, &limit) < 0 || call_cursor_key(call, &before) < 0)
        return;
    page_open(&page, call);
    int r = node_trashed(call->dms->store, before, limit, page_node, &page, &more);
    page_close(&page, r, key_cursor(&page, more, number));
}

/* Changes */

static void tree_problem(struct call *call, int error)
{
    if (error == -EINVAL)
        call_problem(call, 422, "bad-name-or-place",
                     "A name has 1 to %d bytes of UTF-8, no '/' and no control characters, and is "
                     "not '.' or '..'; a folder cannot go into itself, nor deeper than %d.",
                     STORE_NAME_SIZE_MAX, STORE_DEPTH_MAX);
    else
        call_problem_errno(call, error);
}

static void folder_post_json(struct call *call)
{
    static const char *const members[] = {"name", "parent", "existing", NULL};
    bool ok = true;
    int64_t parent = STORE_ROOT, key = 0;
    struct node there;
    if (call_json_only(call, members) < 0)
        return;
    const char *name = call_json_text(call, "name", &ok);
    const char *place = call_json_text(call, "parent", &ok);
    if (!ok || !name) {
        call_problem(call, 422, "bad-body", "name is needed, as text; parent is an id.");
        return;
    }
    int r = place ? key_parse(slice_of_text(place), &parent) : 0;
    if (r == 0 && json_is_true(json_object_get(call->json, "existing")) &&
        node_child(call->dms->store, &call->req->arena, parent, name, &there) == 0 &&
        there.kind == NODE_FOLDER) {
        call_reply_node(call, 200, there.key);
        return;
    }
    if (r == 0)
        r = call_may_put(call, parent);
    if (r == 0)
        r = call_may_put(call, parent);
    if (r == 0)
        r = folder_create(call->dms->store, &call->actor, parent, name, &key);
    if (r < 0)
        tree_problem(call, r);
    else
        call_reply_node(call, 201, key);
}

void folder_post(struct call *call)
{
    call_json(call, folder_post_json);
}

static int kind_of(const struct call *call)
{
    return strstr(call->route->path, "/folders/") ? NODE_FOLDER : NODE_DOCUMENT;
}

void folder_get(struct call *call)
{
    struct node node;
    if (call_node(call, 0, kind_of(call), &node) == 0)
        call_reply_node(call, 200, node.key);
}

static int revision_check(struct call *call, const struct node *node)
{
    char etag[64];
    (void)snprintf(etag, sizeof etag, "\"n%lld-%lld\"", (long long)node->key,
                   (long long)node->revision);
    return call_if_match(call, etag);
}

/* The object's members as properties; -EINVAL if one is no text or out of bounds. */
static int properties_read(struct call *call, json_t *object, struct property **ret,
                           size_t *ret_count)
{
    struct property *list =
        arena_alloc(&call->req->arena, STORE_PROPERTIES_MAX * sizeof(struct property));
    size_t count = 0;
    const char *name;
    json_t *value;
    if (!list)
        return -ENOMEM;
    json_object_foreach(object, name, value)
    {
        const char *text = json_string_value(value);
        if (count == STORE_PROPERTIES_MAX || !text || strlen(text) != json_string_length(value) ||
            strlen(text) > STORE_PROPERTY_VALUE_MAX || !*name ||
            strlen(name) > STORE_PROPERTY_NAME_MAX)
            return -EINVAL;
        list[count].name = (char *)(uintptr_t)name;
        list[count++].value = (char *)(uintptr_t)text;
    }
    *ret = list;
    *ret_count = count;
    return 0;
}

static int properties_apply(struct call *call, int64_t key, json_t *object)
{
    struct property *list;
    size_t count;
    int r = json_is_object(object) ? properties_read(call, object, &list, &count) : -EINVAL;
    if (r == -EINVAL) {
        call_problem(call, 422, "bad-properties",
                     "properties is an object of at most %d texts of at most %d bytes.",
                     STORE_PROPERTIES_MAX, STORE_PROPERTY_VALUE_MAX);
        return r;
    }
    if (r == 0)
        r = properties_set(call->dms->store, &call->actor, key, list, count);
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

/* Everything is looked at before anything is changed, but for names that are taken. */
static void node_patch_json(struct call *call)
{
    static const char *const members[] = {"name", "parent", "properties", NULL};
    struct node node;
    bool ok = true;
    if (call_json_only(call, members) < 0 || call_node(call, 0, kind_of(call), &node) < 0 ||
        revision_check(call, &node) < 0)
        return;
    const char *name = call_json_text(call, "name", &ok);
    const char *place = call_json_text(call, "parent", &ok);
    json_t *properties = json_object_get(call->json, "properties");
    int64_t parent = node.parent;
    if (!ok) {
        call_problem(call, 422, "bad-body", "name and parent are texts.");
        return;
    }
    int r = place ? key_parse(slice_of_text(place), &parent) : 0;
    if (r == 0 && place)
        r = call_may_put(call, parent);
    if (r == 0 && (name || place))
        r = node_move(call->dms->store, &call->actor, node.key, parent, name ? name : node.name);
    if (r < 0)
        tree_problem(call, r);
    else if (!properties || properties_apply(call, node.key, properties) == 0)
        call_reply_node(call, 200, node.key);
}

void node_patch(struct call *call)
{
    call_json(call, node_patch_json);
}

void node_delete(struct call *call)
{
    struct node node;
    if (call_node(call, 0, kind_of(call), &node) < 0 || revision_check(call, &node) < 0)
        return;
    int r = node_trash(call->dms->store, &call->actor, node.key);
    if (r == -EINVAL)
        call_problem(call, 409, "root", "The root folder cannot be deleted.");
    else if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_empty(call, 204);
}

/* Trash */

static int call_may_key(struct call *call, int64_t key)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node;
    int r = node_get(call->dms->store, &arena, key, &node);
    return r < 0 ? r : call_may_node(call, &node);
}

static void trash_restore_json(struct call *call)
{
    static const char *const members[] = {"parent", NULL};
    int64_t key = 0, parent = 0;
    bool ok = true;
    if (call->json && call_json_only(call, members) < 0)
        return;
    const char *place = call->json ? call_json_text(call, "parent", &ok) : NULL;
    int r = call_key(call, 0, &key);
    if (r == 0 && (!ok || (place && key_parse(slice_of_text(place), &parent) < 0)))
        r = -ENOENT;
    if (r == 0)
        r = call_may_key(call, key);
    if (r == 0)
        r = node_restore(call->dms->store, &call->actor, key, parent);
    if (r == -ENOENT)
        call_problem(call, 404, "not-found",
                     "It is not in the trash, or its folder is not there any more: then name "
                     "another as {\"parent\": ID}.");
    else if (r < 0)
        tree_problem(call, r);
    else
        call_reply_node(call, 200, key);
}

void trash_restore(struct call *call)
{
    if (call->req->body_size == 0)
        trash_restore_json(call);
    else
        call_json(call, trash_restore_json);
}

void trash_purge(struct call *call)
{
    int64_t key = 0;
    int r = call_key(call, 0, &key);
    if (r == 0)
        r = call_may_key(call, key);
    if (r == 0)
        r = node_purge(call->dms->store, &call->actor, key);
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_empty(call, 204);
}

static int note_key(void *arg, const struct node *node)
{
    *(int64_t *)arg = node->key;
    return 0;
}

/* A bounded number at a time, so that nobody waits long. The last of them may be asked for again. */
void trash_empty(struct call *call)
{
    enum { PURGES_PER_CALL = 500 };
    int r = 0;
    bool more = true;
    for (int i = 0; r == 0 && i < PURGES_PER_CALL; i++) {
        int64_t key = 0;
        r = node_trashed(call->dms->store, INT64_MAX, 1, note_key, &key, &more);
        if (r < 0 || key == 0 || (r = call_may_key(call, key)) < 0)
            break;
        r = node_purge(call->dms->store, &call->actor, key);
    }
    if (r < 0)
        call_problem_errno(call, r);
    else if (more)
        call_reply_text(call, 202, "application/json", "{\"more\":true}");
    else
        call_reply_empty(call, 204);
}
