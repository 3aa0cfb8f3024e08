/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/dav/dav.h"

#include <errno.h>
#include <limits.h>

#define PREFIX "/dav"

/* Places */

static int place_of(struct call *call, struct slice path, struct dav_place *ret)
{
    *ret = (struct dav_place){0};
    int r = path_resolve(call, path, false, &ret->parent, &ret->name);
    if (r == -ENOENT) { /* not even the folder */
        *ret = (struct dav_place){0};
        return 0;
    }
    return r < 0 ? r : dav_place_reload(call, ret);
}

int dav_place_reload(struct call *call, struct dav_place *place)
{
    struct arena *arena = &call->req->arena;
    if (place->parent == 0)
        return 0;
    int r = *place->name
                ? node_child(call->dms->store, arena, place->parent, place->name, &place->node)
                : node_get(call->dms->store, arena, STORE_ROOT, &place->node);
    place->exists = r == 0;
    if (r == 0) /* one may know of it, or it is as if it were not there */
        r = access_check(call->dms->store, &call->user, &place->node, ACCESS_READ);
    else if (r == -ENOENT)
        r = 0;
    return r;
}

int dav_place_own(struct call *call, struct dav_place *ret)
{
    int r = place_of(call, call->params[0], ret);
    if (r < 0)
        dav_fail(call, r);
    return r;
}

/* Cuts "scheme://host"; -EXDEV if it is not this one. */
static int host_cut(struct call *call, struct slice *url)
{
    if (url->size > 0 && url->bytes[0] == '/')
        return 0;
    const uint8_t *colon = url->size ? memchr(url->bytes, ':', url->size) : NULL;
    size_t at = colon ? (size_t)(colon - url->bytes) : 0;
    if (!colon || url->size < at + 3 || memcmp(colon, "://", 3) != 0)
        return -EINVAL;
    struct slice rest = slice_of(colon + 3, url->size - at - 3);
    const uint8_t *slash = rest.size ? memchr(rest.bytes, '/', rest.size) : NULL;
    if (!slash)
        return -EINVAL;
    size_t size = (size_t)(slash - rest.bytes);
    *url = slice_of(slash, rest.size - size);
    return slice_equals(slice_of(rest.bytes, size), call->req->host) ? 0 : -EXDEV;
}

int dav_place_url(struct call *call, struct slice url, struct dav_place *ret)
{
    static const size_t prefix = sizeof PREFIX - 1;
    int r = host_cut(call, &url);
    if (r < 0)
        return r;
    if (url.size < prefix || memcmp(url.bytes, PREFIX, prefix) != 0 ||
        (url.size > prefix && url.bytes[prefix] != '/'))
        return -EXDEV;
    size_t skip = MIN(prefix + 1, url.size);
    return place_of(call, slice_of(url.bytes + skip, url.size - skip), ret);
}

int dav_href(struct store *store, int64_t key, struct buf *out)
{
    enum { LEVELS = STORE_DEPTH_MAX + 2 };
    SCOPED(arena_done) struct arena arena = {0};
    const char *names[LEVELS];
    size_t count = 0;
    bool is_folder = true;
    while (key != STORE_ROOT) {
        struct node node;
        int r = count == LEVELS ? -EINVAL : node_get(store, &arena, key, &node);
        if (r < 0)
            return r;
        if (count == 0)
            is_folder = node.kind == NODE_FOLDER;
        names[count++] = node.name;
        key = node.parent;
    }
    (void)buf_append_text(out, PREFIX "/");
    while (count > 0) {
        http_encode(out, names[--count]);
        if (count > 0 || is_folder)
            (void)buf_append_byte(out, '/');
    }
    return out->failed ? -ENOMEM : 0;
}

/* Refusals */

void dav_error(struct call *call, int status, const char *condition, int64_t node)
{
    struct buf body = {0};
    (void)buf_printf(&body,
                     "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                     "<D:error xmlns:D=\"DAV:\"><D:%s>",
                     condition);
    if (node) {
        (void)buf_append_text(&body, "<D:href>");
        if (dav_href(call->dms->store, node, &body) < 0)
            body.failed = true;
        (void)buf_append_text(&body, "</D:href>");
    }
    (void)buf_printf(&body, "</D:%s></D:error>\n", condition);
    call_reply_buf(call, status, "application/xml; charset=utf-8", &body);
}

void dav_fail(struct call *call, int error)
{
    switch (error) {
    case -EINVAL:
        call_problem(
            call, 400, "bad-name-or-place",
            "A name has 1 to %d bytes of UTF-8, no '/' and no control characters; a folder "
            "cannot go into itself, nor deeper than %d.",
            STORE_NAME_SIZE_MAX, STORE_DEPTH_MAX);
        break;
    case -EXDEV:
        call_problem(call, 502, "elsewhere", "The destination is not on this server.");
        break;
    case -EBADMSG:
        call_problem(call, 400, "malformed", "The XML body is malformed or over a limit.");
        break;
    case -E2BIG:
        call_problem(call, 403, "too-many", "This is more than is copied at once: copy its parts.");
        break;
    case -EBUSY:
        call_problem(call, 423, "checked-out", "Somebody has checked it out.");
        break;
    case -EDQUOT:
        call_problem(call, 507, "too-many", "There are too many locks, or properties.");
        break;
    default:
        call_problem_errno(call, error);
    }
}

static void no_folder(struct call *call)
{
    call_problem(call, 409, "no-folder", "The folder it should be in is not there.");
}

int dav_depth(struct call *call, int otherwise, int *ret_depth)
{
    struct slice value = http_request_header(call->req, "Depth");
    *ret_depth = otherwise;
    if (!value.bytes)
        return 0;
    if (http_text_equals(value, "infinity")) {
        *ret_depth = INT_MAX;
        return 0;
    }
    if (slice_is_text(value, "0") || slice_is_text(value, "1")) {
        *ret_depth = value.bytes[0] - '0';
        return 0;
    }
    call_problem(call, 400, "bad-depth", "Depth is 0, 1 or infinity.");
    return -EINVAL;
}

struct collecting {
    struct dav_body body;
    call_fn *then;
};

static void collected(struct http_request *req, struct slice bytes, void *arg)
{
    struct call *call = arg;
    struct dav_body *body = call->state;
    int r = dav_body_parse(&req->arena, bytes, body);
    if (r == -EPERM)
        call_problem(call, 400, "malformed", "A DOCTYPE is not allowed.");
    else if (r < 0)
        dav_fail(call, r);
    else
        call->then(call);
}

void dav_collect(struct call *call, call_fn *then)
{
    call->state = arena_alloc(&call->req->arena, sizeof(struct dav_body));
    call->then = then;
    if (call->state)
        http_request_collect(call->req, DAV_BODY_SIZE_MAX, collected, call);
    else
        call_problem_errno(call, -ENOMEM);
}

/* OPTIONS, GET, PUT */

void dav_options(struct call *call)
{
    http_response_header(call->req, "DAV", "1, 2");
    http_response_header(call->req, "MS-Author-Via", "DAV");
    http_response_header(call->req, "Allow",
                         "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, "
                         "LOCK, UNLOCK");
    call_reply_empty(call, 200);
}

void dav_get(struct call *call)
{
    struct dav_place place;
    if (dav_place_own(call, &place) < 0 || dav_conditions(call) < 0)
        return;
    if (!place.exists) {
        call_problem_errno(call, -ENOENT);
    } else if (place.node.kind == NODE_DOCUMENT) {
        call_reply_content(call, place.node.key, place.node.name, place.node.type,
                           place.node.content, place.node.modified_ms);
    } else { /* a person with a browser */
        http_response_header(call->req, "Location", "/");
        call_reply_empty(call, 303);
    }
}

static void etag_header(struct call *call, int64_t key)
{
    struct node node;
    char etag[32];
    if (node_get(call->dms->store, &call->req->arena, key, &node) < 0)
        return;
    content_etag(etag, sizeof etag, node.content);
    http_response_header(call->req, "ETag", etag);
}

/* What may keep a PUT from happening; again when the content has come. */
static int put_check(struct call *call, struct dav_place *place)
{
    char etag[32] = "";
    struct slice none = http_request_header(call->req, "If-None-Match");
    if (dav_place_own(call, place) < 0 || dav_conditions(call) < 0)
        return -EINVAL;
    if (place->exists && place->node.kind == NODE_FOLDER) {
        call_problem(call, 405, "is-folder", "There is a folder of this name.");
        return -EISDIR;
    }
    if (place->parent == 0 || !*place->name) {
        no_folder(call);
        return -ENOENT;
    }
    if (place->exists)
        content_etag(etag, sizeof etag, place->node.content);
    if (call_if_match(call, etag) < 0)
        return -EINVAL;
    if (none.bytes && place->exists && http_etag_matches(none, etag, true)) {
        call_problem(call, 412, "exists", "There is a document of this name already.");
        return -EEXIST;
    }
    return dav_may_write(call, place, place->exists ? 0 : DAV_WRITE_MEMBER);
}

static void put_store(struct call *call)
{
    struct store *store = call->dms->store;
    struct dav_place place;
    int64_t key = 0;
    if (put_check(call, &place) < 0)
        return;
    const char *type =
        upload_type(call, http_request_header(call->req, "Content-Type"), place.name);
    int r;
    if (place.exists) {
        key = place.node.key;
        r = document_update(store, &call->actor, key, type, &call->draft);
    } else {
        r = document_create(store, &call->actor, place.parent, place.name, type, &call->draft,
                            &key);
    }
    if (r < 0) {
        dav_fail(call, r);
        return;
    }
    etag_header(call, key);
    call_reply_empty(call, place.exists ? 204 : 201);
}

void dav_put(struct call *call)
{
    struct dav_place place;
    if (http_request_header(call->req, "Content-Range").bytes)
        call_problem(call, 400, "bad-range", "A part of a document cannot be written.");
    else if (put_check(call, &place) == 0 && upload_quota_check(call) == 0)
        upload_raw(call, put_store);
}

/* DELETE, MKCOL */

static int trash(struct call *call, int64_t key)
{
    int r = dav_locks_end(call->dms->store, key, call->actor.now_ms / 1000);
    return r < 0 ? r : node_trash(call->dms->store, &call->actor, key);
}

void dav_delete(struct call *call)
{
    struct dav_place place;
    int depth;
    if (dav_place_own(call, &place) < 0 || dav_conditions(call) < 0 ||
        dav_depth(call, INT_MAX, &depth) < 0)
        return;
    if (!place.exists) {
        call_problem_errno(call, -ENOENT);
        return;
    }
    if (!*place.name) {
        call_problem(call, 403, "root", "The outermost folder cannot be deleted.");
        return;
    }
    if (place.node.kind == NODE_FOLDER && depth != INT_MAX) {
        call_problem(call, 400, "bad-depth", "A folder is deleted with all that is in it.");
        return;
    }
    if (dav_may_write(call, &place, DAV_WRITE_MEMBER | DAV_WRITE_TREE) < 0)
        return;
    int r = trash(call, place.node.key);
    if (r < 0)
        dav_fail(call, r);
    else
        call_reply_empty(call, 204);
}

void dav_mkcol(struct call *call)
{
    struct dav_place place;
    int64_t key;
    if (dav_place_own(call, &place) < 0 || dav_conditions(call) < 0)
        return;
    if (call->req->body_size != 0) {
        call_problem(call, 415, "body", "MKCOL has no body here.");
        return;
    }
    if (place.exists) {
        call_problem(call, 405, "exists", "There is something of this name already.");
        return;
    }
    if (place.parent == 0) {
        no_folder(call);
        return;
    }
    if (dav_may_write(call, &place, DAV_WRITE_MEMBER) < 0)
        return;
    int r = folder_create(call->dms->store, &call->actor, place.parent, place.name, &key);
    if (r < 0)
        dav_fail(call, r);
    else
        call_reply_empty(call, 201);
}

/* COPY and MOVE */

struct transfer {
    bool is_move;
    int depth;
    struct dav_place from, to;
};

/* Copying goes on in one turn of the loop, so it is bounded. */
enum { COPIES_MAX = 10000 };

struct children {
    struct buf keys;
    struct buf name; /* of the last */
};

static int child_note(void *arg, const struct node *node)
{
    struct children *children = arg;
    buf_clear(&children->name);
    (void)buf_append_text(&children->name, node->name);
    return buf_append(&children->keys, &node->key, sizeof node->key);
}

static int children_of(struct store *store, int64_t folder, struct children *children)
{
    bool more = true;
    int r = 0;
    while (r == 0 && more) {
        const char *after = buf_text(&children->name);
        r = after ? node_children(store, folder, after, STORE_PAGE_MAX, child_note, children, &more)
                  : -ENOMEM;
        if (children->keys.size > COPIES_MAX * sizeof(int64_t))
            return -E2BIG;
    }
    return r;
}

static int copy_tree(struct call *call, int64_t key, int64_t parent, const char *name, bool deep,
                     int *budget);

static int copy_children(struct call *call, int64_t from, int64_t to, int *budget)
{
    struct store *store = call->dms->store;
    struct children children = {0};
    int r = children_of(store, from, &children);
    for (size_t at = 0; r == 0 && at < children.keys.size; at += sizeof(int64_t)) {
        SCOPED(arena_done) struct arena arena = {0};
        struct node child;
        int64_t key;
        memcpy(&key, children.keys.bytes + at, sizeof key);
        r = node_get(store, &arena, key, &child);
        if (r == 0)
            r = access_check(store, &call->user, &child, ACCESS_READ);
        if (r == 0)
            r = copy_tree(call, key, to, child.name, true, budget);
        else if (r == -ENOENT || r == -EACCES)
            r = 0; /* not this user's to see */
    }
    buf_done(&children.keys);
    buf_done(&children.name);
    return r;
}

static int copy_tree(struct call *call, int64_t key, int64_t parent, const char *name, bool deep,
                     int *budget)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct store *store = call->dms->store;
    struct node node;
    int64_t made = 0;
    int r = --*budget < 0 ? -E2BIG : node_get(store, &arena, key, &node);
    if (r < 0)
        return r;
    r = node.kind == NODE_DOCUMENT ? document_copy(store, &call->actor, key, parent, name, &made)
                                   : folder_create(store, &call->actor, parent, name, &made);
    if (r == 0)
        r = dav_properties_copy(store, key, made);
    if (r == 0 && deep && node.kind == NODE_FOLDER)
        r = copy_children(call, key, made, budget);
    return r;
}

/* A document onto a document: a version more. */
static int replace(struct call *call, const struct transfer *transfer)
{
    struct store *store = call->dms->store;
    int64_t from = transfer->from.node.key, to = transfer->to.node.key;
    int r = document_update_from(store, &call->actor, to, from);
    if (r == 0)
        r = dav_properties_copy(store, from, to);
    return r == 0 && transfer->is_move ? trash(call, from) : r;
}

static int carry_out(struct call *call, struct transfer *transfer)
{
    struct store *store = call->dms->store;
    int budget = COPIES_MAX, r = 0;
    if (transfer->to.exists && transfer->to.node.kind == NODE_DOCUMENT &&
        transfer->from.node.kind == NODE_DOCUMENT)
        return replace(call, transfer);
    if (transfer->to.exists)
        r = trash(call, transfer->to.node.key);
    if (r == 0 && !transfer->is_move)
        return copy_tree(call, transfer->from.node.key, transfer->to.parent, transfer->to.name,
                         transfer->depth != 0, &budget);
    if (r == 0)
        r = dav_locks_end(store, transfer->from.node.key, call->actor.now_ms / 1000);
    return r < 0 ? r
                 : node_move(store, &call->actor, transfer->from.node.key, transfer->to.parent,
                             transfer->to.name);
}

/* Whether `key` is `folder` or lies in it; -errno. */
static int is_within(struct call *call, int64_t key, int64_t folder)
{
    while (key != folder && key != 0) {
        SCOPED(arena_done) struct arena arena = {0};
        struct node node;
        int r = node_get(call->dms->store, &arena, key, &node);
        if (r < 0)
            return r;
        key = node.parent;
    }
    return key == folder;
}

/* One lies in the other: then the one that goes takes the other along. */
static int overlaps(struct call *call, const struct transfer *transfer)
{
    int r = is_within(call, transfer->to.parent, transfer->from.node.key);
    if (r == 0 && transfer->to.exists)
        r = is_within(call, transfer->from.node.key, transfer->to.node.key);
    return r;
}

static int transfer_places(struct call *call, struct transfer *transfer)
{
    struct slice destination = http_request_header(call->req, "Destination");
    if (dav_place_own(call, &transfer->from) < 0 || dav_conditions(call) < 0 ||
        dav_depth(call, INT_MAX, &transfer->depth) < 0)
        return -EINVAL;
    int r = destination.bytes ? dav_place_url(call, destination, &transfer->to) : -EINVAL;
    if (r < 0) {
        dav_fail(call, r);
        return r;
    }
    if (!transfer->from.exists) {
        call_problem_errno(call, -ENOENT);
        return -ENOENT;
    }
    if (transfer->depth == 1 || (transfer->is_move && transfer->depth != INT_MAX &&
                                 transfer->from.node.kind == NODE_FOLDER)) {
        call_problem(call, 400, "bad-depth", "A folder is moved whole, copied alone or whole.");
        return -EINVAL;
    }
    if (!*transfer->from.name || (transfer->to.name && !*transfer->to.name)) {
        call_problem(call, 403, "root", "The outermost folder cannot be moved or replaced.");
        return -EPERM;
    }
    if (transfer->to.parent == 0) {
        no_folder(call);
        return -ENOENT;
    }
    r = overlaps(call, transfer);
    if (r == 1)
        call_problem(call, 403, "within-itself", "Source and destination lie in each other.");
    else if (r < 0)
        dav_fail(call, r);
    return r == 1 ? -EINVAL : r;
}

static void transfer_run(struct call *call, bool is_move)
{
    struct transfer transfer = {.is_move = is_move};
    if (transfer_places(call, &transfer) < 0)
        return;
    struct slice overwrite = http_request_header(call->req, "Overwrite");
    bool replaces = transfer.to.exists;
    if (replaces && slice_is_text(overwrite, "F")) {
        call_problem(call, 412, "exists", "There is something at the destination.");
        return;
    }
    if (is_move && dav_may_write(call, &transfer.from, DAV_WRITE_MEMBER | DAV_WRITE_TREE) < 0)
        return;
    if (dav_may_write(call, &transfer.to,
                      replaces ? DAV_WRITE_MEMBER | DAV_WRITE_TREE : DAV_WRITE_MEMBER) < 0)
        return;
    int r = store_step_begin(call->dms->store);
    if (r == 0)
        r = store_step_end(call->dms->store, carry_out(call, &transfer));
    if (r < 0)
        dav_fail(call, r);
    else
        call_reply_empty(call, replaces ? 204 : 201);
}

void dav_copy(struct call *call)
{
    transfer_run(call, false);
}

void dav_move(struct call *call)
{
    transfer_run(call, true);
}
