/* SPDX-License-Identifier: Apache-2.0 */
/* Documents by id and by path: contents in and out, versions, copies. */
#include "dms/dms.h"
#include "dms/store_derived.h"

#include <errno.h>
#include <stdio.h>

static void document_problem(struct call *call, int error)
{
    if (error == -EINVAL)
        call_problem(call, 422, "bad-name-or-place",
                     "A name has 1 to %d bytes of UTF-8, no '/' and no control characters, and is "
                     "not '.' or '..'.",
                     STORE_NAME_SIZE_MAX);
    else
        call_problem_errno(call, error);
}

/* Creating */

struct creation {
    char *name;
    int64_t parent;
};

/* Refuses early what would be refused after the upload. */
static int creation_check(struct call *call, const struct creation *creation)
{
    struct store *store = call->dms->store;
    struct arena *arena = &call->req->arena;
    struct node node;
    int r = node_name_check(creation->name);
    if (r == 0)
        r = call_may_put(call, creation->parent);
    if (r == 0)
        r = node_get(store, arena, creation->parent, &node);
    if (r == 0 && (node.kind != NODE_FOLDER || node.trash != 0))
        r = -ENOENT;
    if (r == 0) {
        r = node_child(store, arena, creation->parent, creation->name, &node);
        r = r == 0 ? -EEXIST : r == -ENOENT ? 0 : r;
    }
    if (r < 0)
        document_problem(call, r);
    return r;
}

static void document_store(struct call *call)
{
    struct creation *creation = call->state;
    struct slice said =
        call->form ? upload_file_type(call) : http_request_header(call->req, "Content-Type");
    int64_t key = 0;
    if (call->form && !creation->name)
        creation->name = (char *)(uintptr_t)upload_file_name(call);
    if (!creation->name) {
        call_problem(call, 422, "no-name", "The document needs a name.");
        return;
    }
    int r = call_may_put(call, creation->parent);
    if (r == 0)
        r = document_create(call->dms->store, &call->actor, creation->parent, creation->name,
                            upload_type(call, said, creation->name), &call->draft, &key);
    if (r < 0)
        document_problem(call, r);
    else
        call_reply_node(call, 201, key);
}

static int form_field(struct call *call, const char *name, const char *value)
{
    struct creation *creation = call->state;
    if (strcmp(name, "name") == 0)
        creation->name = (char *)(uintptr_t)value;
    else if (strcmp(name, "parent") == 0)
        return key_parse(slice_of_text(value), &creation->parent);
    else
        return -EINVAL;
    return 0;
}

static bool is_form(const struct call *call)
{
    static const char type[] = "multipart/form-data";
    struct slice said = http_request_header(call->req, "Content-Type");
    return said.size > strlen(type) && http_text_equals(slice_of(said.bytes, strlen(type)), type);
}

void document_post(struct call *call)
{
    struct creation *creation = arena_alloc(&call->req->arena, sizeof *creation);
    char *parent = NULL;
    if (!creation) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    call->state = creation;
    creation->parent = STORE_ROOT;
    int r = http_request_query(call->req, "name", &creation->name);
    if (r == 0 || r == -ENOENT)
        r = http_request_query(call->req, "parent", &parent);
    if (r == 0)
        r = key_parse(slice_of_text(parent), &creation->parent);
    else if (r == -ENOENT)
        r = 0;
    if (r < 0) {
        document_problem(call, r);
        return;
    }
    if (is_form(call))
        upload_form(call, form_field, document_store);
    else if (!creation->name)
        call_problem(call, 422, "no-name", "The document needs a name: ?name=...");
    else if (creation_check(call, creation) == 0 && upload_quota_check(call) == 0)
        upload_raw(call, document_store);
}

/* Contents */

void document_get(struct call *call)
{
    struct node node;
    if (call_node(call, 0, NODE_DOCUMENT, &node) == 0)
        call_reply_node(call, 200, node.key);
}

void document_content_get(struct call *call)
{
    struct node node;
    if (call_node(call, 0, NODE_DOCUMENT, &node) == 0)
        call_reply_content(call, node.key, node.name, node.type, node.content, node.modified_ms);
}

void document_thumbnail_get(struct call *call)
{
    struct node node;
    struct thumbnail thumbnail;
    if (call_node(call, 0, NODE_DOCUMENT, &node) < 0)
        return;
    int r = derived_thumbnail(call->dms->store, node.content, &thumbnail);
    if (r == -ENOENT)
        call_problem(call, 404, "no-thumbnail", "There is no thumbnail of this document.");
    else if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_content(call, node.key, node.name, "image/jpeg", thumbnail.content,
                           node.modified_ms);
}

void document_text_get(struct call *call)
{
    struct node node;
    struct buf text = {0};
    if (call_node(call, 0, NODE_DOCUMENT, &node) < 0)
        return;
    int r = document_text(call->dms->store, &node, &text);
    if (r == 0)
        r = call_read_note(call, node.key, node.content, node.name);
    if (r == 0) {
        call_text_headers(call);
        call_reply_buf(call, 200, "text/plain; charset=utf-8", &text);
        return;
    }
    buf_done(&text);
    if (r == -ENOENT)
        call_problem(call, 404, "no-text", "No text is known of this document.");
    else
        call_problem_errno(call, r);
}

/* If-Match is looked at again when the body is here: somebody may have been faster. */
static void content_store(struct call *call)
{
    const int64_t *key = call->state;
    char etag[32];
    struct node node;
    int r = node_get(call->dms->store, &call->req->arena, *key, &node);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    content_etag(etag, sizeof etag, node.content);
    if (call_if_match(call, etag) < 0)
        return;
    const char *type = upload_type(call, http_request_header(call->req, "Content-Type"), node.name);
    r = document_update(call->dms->store, &call->actor, *key, type, &call->draft);
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_node(call, 200, *key);
}

static void content_put(struct call *call, const struct node *node)
{
    char etag[32];
    int64_t *key = arena_alloc(&call->req->arena, sizeof *key);
    content_etag(etag, sizeof etag, node->content);
    if (!key) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    if (call_if_match(call, etag) < 0 || upload_quota_check(call) < 0)
        return;
    *key = node->key;
    call->state = key;
    upload_raw(call, content_store);
}

void document_content_put(struct call *call)
{
    struct node node;
    if (call_node(call, 0, NODE_DOCUMENT, &node) == 0)
        content_put(call, &node);
}

/* Copies */

static void document_copy_json(struct call *call)
{
    static const char *const members[] = {"name", "parent", NULL};
    struct node node;
    bool ok = true;
    int64_t key = 0;
    if (call_json_only(call, members) < 0 || call_node(call, 0, NODE_DOCUMENT, &node) < 0)
        return;
    const char *name = call_json_text(call, "name", &ok);
    const char *place = call_json_text(call, "parent", &ok);
    int64_t parent = node.parent;
    int r = !ok ? -EINVAL : place ? key_parse(slice_of_text(place), &parent) : 0;
    if (r == 0)
        r = call_may_put(call, parent);
    if (r == 0)
        r = document_copy(call->dms->store, &call->actor, node.key, parent, name ? name : node.name,
                          &key);
    if (r < 0)
        document_problem(call, r);
    else
        call_reply_node(call, 201, key);
}

void document_copy_post(struct call *call)
{
    call_json(call, document_copy_json);
}

/* Versions */

static void version_json(struct json *json, const struct version *version)
{
    char etag[32];
    content_etag(etag, sizeof etag, version->content);
    json_open_object(json, NULL);
    json_put_int(json, "version", version->number);
    json_put_int(json, "size", version->size);
    json_put_text(json, "type", version->type);
    json_put_int(json, "created_ms", version->created_ms);
    json_put_text(json, "created_by", version->created_by);
    json_put_text(json, "etag", etag);
    json_close(json);
}

struct version_page {
    struct buf body;
    struct json json;
    int64_t last;
};

static int page_version(void *arg, const struct version *version)
{
    struct version_page *page = arg;
    version_json(&page->json, version);
    page->last = version->number;
    return page->body.failed ? -ENOMEM : 0;
}

void versions_get(struct call *call)
{
    struct node node;
    int64_t before;
    int limit;
    bool more = false;
    if (call_limit(call, &limit) < 0 || call_cursor_key(call, &before) < 0 ||
        call_node(call, 0, NODE_DOCUMENT, &node) < 0)
        return;
    struct version_page page = {0};
    char next[24];
    page.json = json_into(&page.body);
    json_open_object(&page.json, NULL);
    json_open_array(&page.json, "items");
    int r = version_list(call->dms->store, node.key, before, limit, page_version, &page, &more);
    if (r < 0) {
        buf_done(&page.body);
        call_problem_errno(call, r);
        return;
    }
    (void)snprintf(next, sizeof next, "%lld", (long long)page.last);
    json_close(&page.json);
    json_put_text(&page.json, "next", more ? next : NULL);
    json_close(&page.json);
    call_reply_buf(call, 200, "application/json", &page.body);
}

static int call_version(struct call *call, struct node *ret_node, struct version *ret_version)
{
    int64_t number = 0;
    if (call_node(call, 0, NODE_DOCUMENT, ret_node) < 0)
        return -ENOENT;
    int r = call_key(call, 1, &number);
    if (r == 0)
        r = version_get(call->dms->store, &call->req->arena, ret_node->key, number, ret_version);
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

void version_get_one(struct call *call)
{
    struct node node;
    struct version version;
    if (call_version(call, &node, &version) < 0)
        return;
    struct buf body = {0};
    struct json json = json_into(&body);
    version_json(&json, &version);
    call_reply_buf(call, 200, "application/json", &body);
}

void version_content_get(struct call *call)
{
    struct node node;
    struct version version;
    if (call_version(call, &node, &version) == 0)
        call_reply_content(call, node.key, node.name, version.type, version.content,
                           version.created_ms);
}

void version_restore_post(struct call *call)
{
    struct node node;
    struct version version;
    if (call_version(call, &node, &version) < 0)
        return;
    int r = version_restore(call->dms->store, &call->actor, node.key, version.number);
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_node(call, 200, node.key);
}

/* By path */

int path_resolve(struct call *call, struct slice path, bool create, int64_t *ret_parent,
                 char **ret_name)
{
    struct arena *arena = &call->req->arena;
    int64_t parent = STORE_ROOT;
    for (;;) {
        const uint8_t *slash = path.size ? memchr(path.bytes, '/', path.size) : NULL;
        size_t size = slash ? (size_t)(slash - path.bytes) : path.size;
        char *name;
        struct node node;
        int r = http_decode(arena, slice_of(path.bytes, size), false, &name);
        if (r == 0 && size > 0)
            r = node_name_check(name);
        if (r < 0)
            return r;
        if (!slash || slash + 1 == path.bytes + path.size) { /* the last; one '/' may follow */
            *ret_parent = parent;
            *ret_name = name;
            return 0;
        }
        if (size == 0)
            return -EINVAL;
        r = node_child(call->dms->store, arena, parent, name, &node);
        if (r == 0 && node.kind != NODE_FOLDER)
            return -ENOENT;
        if (r == -ENOENT && create && (r = call_may_put(call, parent)) == 0)
            r = folder_create(call->dms->store, &call->actor, parent, name, &node.key);
        if (r < 0)
            return r;
        parent = node.key;
        path = slice_of(slash + 1, path.size - size - 1);
    }
}

/* What a path names; "" is the root. */
static int path_node(struct call *call, struct node *ret)
{
    int64_t parent = 0;
    char *name = NULL;
    int r = path_resolve(call, call->params[0], false, &parent, &name);
    if (r == 0 && !*name)
        r = node_get(call->dms->store, &call->req->arena, parent, ret);
    else if (r == 0)
        r = node_child(call->dms->store, &call->req->arena, parent, name, ret);
    return r < 0 ? r : call_may_node(call, ret);
}

void file_get(struct call *call)
{
    struct node node;
    int r = path_node(call, &node);
    if (r < 0) {
        document_problem(call, r);
    } else if (node.kind == NODE_DOCUMENT) {
        call_reply_content(call, node.key, node.name, node.type, node.content, node.modified_ms);
    } else {
        char *key = arena_printf(&call->req->arena, "%lld", (long long)node.key);
        if (key) {
            call->params[0] = slice_of_text(key);
            folder_children(call);
        } else {
            call_problem_errno(call, -ENOMEM);
        }
    }
}

static void file_store(struct call *call)
{
    struct store *store = call->dms->store;
    struct slice said = http_request_header(call->req, "Content-Type");
    struct node node;
    int64_t parent = 0, key = 0;
    char *name = NULL;
    int r = path_resolve(call, call->params[0], true, &parent, &name);
    if (r == 0)
        r = node_child(store, &call->req->arena, parent, name, &node);
    if (r == 0 && node.kind == NODE_DOCUMENT) {
        r = document_update(store, &call->actor, node.key, upload_type(call, said, name),
                            &call->draft);
        if (r == 0) {
            call_reply_node(call, 200, node.key);
            return;
        }
    } else if (r == 0) {
        r = -EEXIST;
    } else if (r == -ENOENT && (r = call_may_put(call, parent)) == 0) {
        r = document_create(store, &call->actor, parent, name, upload_type(call, said, name),
                            &call->draft, &key);
        if (r == 0) {
            call_reply_node(call, 201, key);
            return;
        }
    }
    document_problem(call, r);
}

/* The path's folders are made when the content is here, in the same commit. */
void file_put(struct call *call)
{
    struct node node;
    int r = path_node(call, &node);
    if (r == 0 && node.kind == NODE_FOLDER)
        r = -EEXIST;
    if (r < 0 && r != -ENOENT) {
        document_problem(call, r);
        return;
    }
    if (r == 0) {
        content_put(call, &node);
        return;
    }
    if (http_request_header(call->req, "If-Match").bytes)
        call_problem(call, 412, "changed", "There is nothing under this address.");
    else if (upload_quota_check(call) == 0)
        upload_raw(call, file_store);
}

void file_delete(struct call *call)
{
    struct node node;
    int r = path_node(call, &node);
    if (r == 0)
        r = node_trash(call->dms->store, &call->actor, node.key);
    if (r < 0)
        document_problem(call, r);
    else
        call_reply_empty(call, 204);
}
