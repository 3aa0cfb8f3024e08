/* SPDX-License-Identifier: Apache-2.0 */
/* Locks, and the If header that shows a client's tokens. */
#include "dms/dav/dav.h"
#include "server/markup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* A lock ends by itself: a client that died must not keep a document for ever. Clients ask again
 * in time; what they ask for is a wish (RFC 4918 section 10.7). */
enum { LOCK_S_DEFAULT = 600, LOCK_S_MAX = 3600 };

static int64_t now_s(const struct call *call)
{
    return call->actor.now_ms / 1000;
}

/* The If header */

static bool place_has(const struct dav_place *place, const struct dav_condition *condition,
                      const struct dav_locks *locks)
{
    char etag[32];
    if (condition->is_etag) {
        if (!place->exists || place->node.kind != NODE_DOCUMENT)
            return false;
        content_etag(etag, sizeof etag, place->node.content);
        return strcmp(etag, condition->text) == 0;
    }
    for (size_t i = 0; i < locks->count; i++)
        if (strcmp(locks->list[i].token, condition->text) == 0)
            return true;
    return false;
}

static int list_holds(struct call *call, const struct dav_if *header, const struct dav_list *list,
                      bool *ret_holds)
{
    struct dav_place place;
    struct dav_locks locks = {0};
    *ret_holds = false;
    int r = list->resource ? dav_place_url(call, slice_of_text(list->resource), &place)
                           : dav_place_url(call, call->req->path, &place);
    if (r == -EINVAL || r == -EXDEV)
        return 0;
    int64_t node = place.exists ? place.node.key : place.parent;
    if (r == 0 && node)
        r = dav_locks_over(call->dms->store, &call->req->arena, node, now_s(call), &locks);
    if (r < 0)
        return r;
    for (size_t i = 0; i < list->count; i++) {
        const struct dav_condition *condition = &header->conditions[list->first + i];
        if (place_has(&place, condition, &locks) == condition->negated)
            return 0;
    }
    *ret_holds = true;
    return 0;
}

static int if_read(struct call *call, struct dav_if *ret)
{
    struct slice value = http_request_header(call->req, "If");
    *ret = (struct dav_if){0};
    return value.bytes ? dav_if_parse(&call->req->arena, value, ret) : 0;
}

int dav_conditions(struct call *call)
{
    struct dav_if header;
    int r = if_read(call, &header);
    if (r == -EBADMSG) {
        call_problem(call, 400, "bad-if", "The If header is malformed (RFC 4918 section 10.4).");
        return r;
    }
    bool holds = header.list_count == 0;
    for (size_t i = 0; r == 0 && !holds && i < header.list_count; i++)
        r = list_holds(call, &header, &header.lists[i], &holds);
    if (r < 0) {
        dav_fail(call, r);
        return r;
    }
    if (!holds)
        call_problem(call, 412, "changed", "What the If header asks for does not hold.");
    return holds ? 0 : -EINVAL;
}

/* Whether the request shows the token, and its user may. */
static bool is_shown(struct call *call, const struct dav_if *header, const struct dav_lock *lock)
{
    if (strcmp(lock->user, call->user.name) != 0)
        return false;
    for (size_t i = 0; i < header->condition_count; i++)
        if (!header->conditions[i].is_etag && strcmp(header->conditions[i].text, lock->token) == 0)
            return true;
    return false;
}

/* The first lock that stands in the way, or NULL. Of the shared locks on one node any one is
 * enough. */
static const struct dav_lock *in_the_way(struct call *call, const struct dav_if *header,
                                         const struct dav_locks *locks)
{
    for (size_t i = 0; i < locks->count; i++) {
        bool shown = false;
        for (size_t k = 0; k < locks->count && !shown; k++)
            shown = locks->list[k].node == locks->list[i].node &&
                    is_shown(call, header, &locks->list[k]);
        if (!shown)
            return &locks->list[i];
    }
    return NULL;
}

static int locks_pass(struct call *call, const struct dav_if *header, const struct dav_locks *locks)
{
    const struct dav_lock *lock = in_the_way(call, header, locks);
    if (!lock)
        return 0;
    dav_error(call, 423, "lock-token-submitted", lock->node);
    return -EBUSY;
}

static int rights_check(struct call *call, const struct dav_place *place, unsigned how)
{
    struct store *store = call->dms->store;
    struct node folder;
    int r = 0;
    if (place->exists)
        r = access_check(store, &call->user, &place->node, ACCESS_WRITE);
    if (r == 0 && (how & DAV_WRITE_MEMBER) && place->parent)
        r = node_get(store, &call->req->arena, place->parent, &folder);
    if (r == 0 && (how & DAV_WRITE_MEMBER) && place->parent)
        r = access_check(store, &call->user, &folder, ACCESS_WRITE);
    if (r < 0)
        dav_fail(call, r);
    return r;
}

int dav_may_write(struct call *call, const struct dav_place *place, unsigned how)
{
    struct store *store = call->dms->store;
    struct arena *arena = &call->req->arena;
    struct dav_locks over = {0}, folder = {0}, below = {0};
    struct dav_if header;
    if (rights_check(call, place, how) < 0)
        return -EACCES;
    int r = if_read(call, &header);
    if (r == 0 && place->exists)
        r = dav_locks_over(store, arena, place->node.key, now_s(call), &over);
    if (r == 0 && (how & DAV_WRITE_MEMBER) && place->parent)
        r = dav_locks_over(store, arena, place->parent, now_s(call), &folder);
    if (r == 0 && (how & DAV_WRITE_TREE) && place->exists)
        r = dav_locks_below(store, arena, place->node.key, now_s(call), &below);
    if (r < 0) {
        dav_fail(call, r);
        return r;
    }
    r = locks_pass(call, &header, &over);
    if (r == 0)
        r = locks_pass(call, &header, &folder);
    return r < 0 ? r : locks_pass(call, &header, &below);
}

/* What a lock looks like */

static int active_lock(struct call *call, struct buf *out, const struct dav_lock *lock)
{
    int64_t left = MAX(lock->expires_s - now_s(call), 0);
    (void)buf_printf(out,
                     "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:%s/>"
                     "</D:lockscope><D:depth>%s</D:depth>%s<D:timeout>Second-%lld</D:timeout>"
                     "<D:locktoken><D:href>",
                     lock->is_shared ? "shared" : "exclusive", lock->is_deep ? "infinity" : "0",
                     lock->owner, (long long)left);
    markup_text(out, slice_of_text(lock->token));
    (void)buf_append_text(out, "</D:href></D:locktoken><D:lockroot><D:href>");
    int r = dav_href(call->dms->store, lock->node, out);
    (void)buf_append_text(out, "</D:href></D:lockroot></D:activelock>");
    return r;
}

int dav_locks_write(struct call *call, struct buf *out, int64_t node)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct dav_locks locks;
    int r = dav_locks_over(call->dms->store, &arena, node, now_s(call), &locks);
    for (size_t i = 0; r == 0 && i < locks.count; i++)
        r = active_lock(call, out, &locks.list[i]);
    return r;
}

static void lock_reply(struct call *call, int status, const struct dav_lock *lock)
{
    struct buf body = {0};
    (void)buf_append_text(&body, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                                 "<D:prop xmlns:D=\"DAV:\"><D:lockdiscovery>");
    if (active_lock(call, &body, lock) < 0)
        body.failed = true;
    (void)buf_append_text(&body, "</D:lockdiscovery></D:prop>\n");
    call_reply_buf(call, status, "application/xml; charset=utf-8", &body);
}

/* LOCK */

/* "Second-600", "Infinite", or several, of which the first counts. */
static int64_t lock_seconds(struct call *call)
{
    struct slice value = http_request_header(call->req, "Timeout");
    static const char prefix[] = "Second-";
    size_t at = sizeof prefix - 1;
    int64_t seconds = 0;
    if (value.size >= 8 && memcmp(value.bytes, "Infinite", 8) == 0)
        return LOCK_S_MAX;
    if (value.size <= at || memcmp(value.bytes, prefix, at) != 0)
        return LOCK_S_DEFAULT;
    for (; at < value.size && value.bytes[at] >= '0' && value.bytes[at] <= '9'; at++)
        seconds = MIN(seconds * 10 + (value.bytes[at] - '0'), (int64_t)LOCK_S_MAX);
    return seconds > 0 ? seconds : LOCK_S_DEFAULT;
}

/* RFC 4122 version 4, as a URN. */
static char *token_make(struct arena *arena)
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return NULL;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    return arena_printf(arena,
                        "urn:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
                        "%02x%02x%02x%02x%02x%02x",
                        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
                        b[12], b[13], b[14], b[15]);
}

/* The tokens of the If header name the lock that is to live longer. */
static void refresh(struct call *call)
{
    struct dav_place place;
    struct dav_if header;
    struct dav_locks locks = {0};
    if (dav_place_own(call, &place) < 0 || dav_conditions(call) < 0)
        return;
    int r = if_read(call, &header);
    if (r == 0 && place.exists)
        r = dav_locks_over(call->dms->store, &call->req->arena, place.node.key, now_s(call),
                           &locks);
    for (size_t i = 0; r == 0 && i < locks.count; i++) {
        struct dav_lock *lock = &locks.list[i];
        if (!is_shown(call, &header, lock))
            continue;
        lock->expires_s = now_s(call) + lock_seconds(call);
        r = dav_lock_extend(call->dms->store, lock->token, lock->expires_s);
        if (r == 0) {
            lock_reply(call, 200, lock);
            return;
        }
    }
    if (r < 0)
        dav_fail(call, r);
    else
        call_problem(call, 412, "no-lock",
                     "A LOCK without a body renews a lock: name its token in the If header.");
}

static int conflict_check(struct call *call, int64_t node, const struct dav_lock *wanted)
{
    struct arena *arena = &call->req->arena;
    struct dav_locks over, below = {0};
    int r = dav_locks_over(call->dms->store, arena, node, now_s(call), &over);
    if (r == 0 && wanted->is_deep)
        r = dav_locks_below(call->dms->store, arena, node, now_s(call), &below);
    if (r < 0) {
        dav_fail(call, r);
        return r;
    }
    for (size_t i = 0; i < over.count + below.count; i++) {
        const struct dav_lock *held = i < over.count ? &over.list[i] : &below.list[i - over.count];
        if (wanted->is_shared && held->is_shared)
            continue;
        dav_error(call, 423, "no-conflicting-lock", held->node);
        return -EBUSY;
    }
    return 0;
}

/* Locking a name that nothing has makes an empty document (RFC 4918 section 7.3). */
static int empty_document(struct call *call, const struct dav_place *place, int64_t *ret_key)
{
    struct content_draft draft = {.fd = -1};
    int r = document_create(call->dms->store, &call->actor, place->parent, place->name,
                            upload_type(call, (struct slice){0}, place->name), &draft, ret_key);
    content_drop(call->dms->store, &draft);
    return r;
}

static int lock_make(struct call *call, const struct dav_place *place, struct dav_lock *lock)
{
    int r = place->exists ? 0 : empty_document(call, place, &lock->node);
    return r < 0 ? r : dav_lock_add(call->dms->store, lock, now_s(call));
}

static void lock_body(struct call *call)
{
    const struct dav_body *body = call->state;
    struct dav_place place;
    int depth;
    if (dav_place_own(call, &place) < 0 || dav_conditions(call) < 0 ||
        dav_depth(call, INT_MAX, &depth) < 0)
        return;
    if (body->kind != DAV_LOCKINFO || depth == 1) {
        call_problem(call, 400, "bad-lock", "A LOCK has a lockinfo, and a Depth of 0 or infinity.");
        return;
    }
    if (place.parent == 0) {
        call_problem(call, 409, "no-folder", "The folder it should be in is not there.");
        return;
    }
    struct dav_lock lock = {
        .token = token_make(&call->req->arena),
        .node = place.exists ? place.node.key : place.parent,
        .is_shared = body->is_shared,
        .is_deep = depth != 0,
        .owner = body->owner ? body->owner : (char *)(uintptr_t) "",
        .user = call->user.name,
        .expires_s = now_s(call) + lock_seconds(call),
    };
    if (!place.exists && dav_may_write(call, &place, DAV_WRITE_MEMBER) < 0)
        return;
    if (place.exists && rights_check(call, &place, 0) < 0)
        return;
    if (place.exists && conflict_check(call, lock.node, &lock) < 0)
        return;
    int r = lock.token ? store_step_begin(call->dms->store) : -EIO;
    if (r == 0)
        r = store_step_end(call->dms->store, lock_make(call, &place, &lock));
    if (r < 0) {
        dav_fail(call, r);
        return;
    }
    http_response_headerf(call->req, "Lock-Token", "<%s>", lock.token);
    lock_reply(call, place.exists ? 200 : 201, &lock);
}

void dav_lock(struct call *call)
{
    if (call->req->body_size == 0)
        refresh(call);
    else
        dav_collect(call, lock_body);
}

/* UNLOCK */

void dav_unlock(struct call *call)
{
    struct slice header = http_request_header(call->req, "Lock-Token");
    struct dav_place place;
    struct dav_locks locks = {0};
    if (dav_place_own(call, &place) < 0 || dav_conditions(call) < 0)
        return;
    if (header.size < 3 || header.bytes[0] != '<' || header.bytes[header.size - 1] != '>') {
        call_problem(call, 400, "bad-token", "Lock-Token is <URI>.");
        return;
    }
    struct slice token = slice_of(header.bytes + 1, header.size - 2);
    int r = place.exists ? dav_locks_over(call->dms->store, &call->req->arena, place.node.key,
                                          now_s(call), &locks)
                         : 0;
    const struct dav_lock *lock = NULL;
    for (size_t i = 0; i < locks.count && !lock; i++)
        if (slice_is_text(token, locks.list[i].token))
            lock = &locks.list[i];
    if (r < 0) {
        dav_fail(call, r);
        return;
    }
    if (!lock) {
        dav_error(call, 409, "lock-token-matches-request-uri", 0);
        return;
    }
    if (strcmp(lock->user, call->user.name) != 0 && call->user.role != ROLE_ADMIN) {
        call_problem(call, 403, "not-yours", "This lock is another user's.");
        return;
    }
    r = dav_lock_remove(call->dms->store, lock->token);
    if (r < 0)
        dav_fail(call, r);
    else
        call_reply_empty(call, 204);
}
