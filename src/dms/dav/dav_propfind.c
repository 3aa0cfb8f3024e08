/* SPDX-License-Identifier: Apache-2.0 */
/* PROPFIND and PROPPATCH. A listing is written while it is sent, a page of children at a time, so a
 * folder of any size needs the same memory. */
#include "dms/dav/dav.h"
#include "dms/paged.h"
#include "dms/store_quota.h"
#include "server/markup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Live properties: what the server knows by itself. */

struct listing {
    struct paged paged;
    const struct dav_body *wanted;
    struct node self;
    struct buf base;  /* the folder's href */
    struct buf after; /* the name of the last child that was written */
    bool begun, deep;
};

typedef int live_fn(struct listing *listing, struct buf *out, const struct node *node);

static int live_created(struct listing *listing, struct buf *out, const struct node *node)
{
    (void)listing;
    char text[32];
    struct tm tm;
    time_t seconds = (time_t)(node->created_ms / 1000);
    if (!gmtime_r(&seconds, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return -EINVAL;
    return buf_append_text(out, text);
}

static int live_display_name(struct listing *listing, struct buf *out, const struct node *node)
{
    (void)listing;
    markup_text(out, slice_of_text(node->name));
    return 0;
}

static int live_length(struct listing *listing, struct buf *out, const struct node *node)
{
    (void)listing;
    return buf_printf(out, "%lld", (long long)node->size);
}

static int live_type(struct listing *listing, struct buf *out, const struct node *node)
{
    (void)listing;
    markup_text(out, slice_of_text(node->type ? node->type : "application/octet-stream"));
    return 0;
}

static int live_etag(struct listing *listing, struct buf *out, const struct node *node)
{
    (void)listing;
    char etag[32];
    content_etag(etag, sizeof etag, node->content);
    markup_text(out, slice_of_text(etag));
    return 0;
}

static int live_modified(struct listing *listing, struct buf *out, const struct node *node)
{
    (void)listing;
    char date[HTTP_DATE_SIZE];
    http_date_format(node->modified_ms / 1000, date);
    return buf_append_text(out, date);
}

static int live_resource_type(struct listing *listing, struct buf *out, const struct node *node)
{
    (void)listing;
    return node->kind == NODE_FOLDER ? buf_append_text(out, "<D:collection/>") : 0;
}

static int live_supported_lock(struct listing *listing, struct buf *out, const struct node *node)
{
    (void)listing, (void)node;
    return buf_append_text(out, "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope>"
                                "<D:locktype><D:write/></D:locktype></D:lockentry>"
                                "<D:lockentry><D:lockscope><D:shared/></D:lockscope>"
                                "<D:locktype><D:write/></D:locktype></D:lockentry>");
}

static int live_locks(struct listing *listing, struct buf *out, const struct node *node)
{
    return dav_locks_write(listing->paged.call, out, node->key);
}

/* RFC 4331: told of folders to those who have a quota, and only when asked for by name. */

static int live_quota(struct listing *listing, struct buf *out, const struct node *node)
{
    struct usage usage;
    const struct call *call = listing->paged.call;
    (void)node;
    int r = usage_get(call->dms->store, call->user.key, &usage);
    return r < 0 ? r
                 : buf_printf(
                       out, "%lld",
                       (long long)MAX(0, usage.bytes_max - usage.bytes - usage.bytes_unfinished));
}

static int live_used(struct listing *listing, struct buf *out, const struct node *node)
{
    struct usage usage;
    const struct call *call = listing->paged.call;
    (void)node;
    int r = usage_get(call->dms->store, call->user.key, &usage);
    return r < 0 ? r : buf_printf(out, "%lld", (long long)usage.bytes);
}

enum live_of { LIVE_ALL, LIVE_DOCUMENTS, LIVE_QUOTA };

static const struct live {
    const char *name;
    live_fn *write;
    enum live_of of;
} live_properties[] = {
    {"creationdate", live_created, LIVE_ALL},
    {"displayname", live_display_name, LIVE_ALL},
    {"getcontentlength", live_length, LIVE_DOCUMENTS},
    {"getcontenttype", live_type, LIVE_DOCUMENTS},
    {"getetag", live_etag, LIVE_DOCUMENTS},
    {"getlastmodified", live_modified, LIVE_ALL},
    {"resourcetype", live_resource_type, LIVE_ALL},
    {"supportedlock", live_supported_lock, LIVE_ALL},
    {"lockdiscovery", live_locks, LIVE_ALL},
    {"quota-available-bytes", live_quota, LIVE_QUOTA},
    {"quota-used-bytes", live_used, LIVE_QUOTA},
};

static const struct live *live_find(const struct dav_name *name)
{
    for (size_t i = 0; strcmp(name->ns, DAV_NS) == 0 && i < ARRAY_COUNT(live_properties); i++)
        if (strcmp(name->local, live_properties[i].name) == 0)
            return &live_properties[i];
    return NULL;
}

static bool live_has(struct listing *listing, const struct live *live, const struct node *node)
{
    struct usage usage;
    const struct call *call = listing->paged.call;
    if (live->of != LIVE_QUOTA)
        return live->of == LIVE_ALL || node->kind == NODE_DOCUMENT;
    return node->kind == NODE_FOLDER && usage_get(call->dms->store, call->user.key, &usage) == 0 &&
           usage.bytes_max >= 0;
}

static int live_write(struct listing *listing, struct buf *out, const struct live *live,
                      const struct node *node)
{
    (void)buf_printf(out, "<D:%s>", live->name);
    int r = live->write(listing, out, node);
    (void)buf_printf(out, "</D:%s>", live->name);
    return r;
}

/* One resource's answer */

static void name_write(struct buf *out, const struct dav_name *name)
{
    (void)buf_printf(out, "<%s xmlns=\"", name->local);
    markup_attribute(out, slice_of_text(name->ns));
    (void)buf_append_text(out, "\"/>");
}

struct dead {
    struct dav_property *list;
    size_t count;
};

static const struct dav_property *dead_find(const struct dead *dead, const struct dav_name *name)
{
    for (size_t i = 0; i < dead->count; i++)
        if (strcmp(dead->list[i].name.ns, name->ns) == 0 &&
            strcmp(dead->list[i].name.local, name->local) == 0)
            return &dead->list[i];
    return NULL;
}

static int all_write(struct listing *listing, struct buf *out, const struct node *node,
                     const struct dead *dead)
{
    bool names_only = listing->wanted->kind == DAV_PROPFIND_NAMES;
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(live_properties); i++) {
        const struct live *live = &live_properties[i];
        if (live->of == LIVE_QUOTA || !live_has(listing, live, node))
            continue;
        r = names_only ? buf_printf(out, "<D:%s/>", live->name)
                       : live_write(listing, out, live, node);
    }
    for (size_t i = 0; i < dead->count; i++) {
        if (names_only)
            name_write(out, &dead->list[i].name);
        else
            (void)buf_append_text(out, dead->list[i].value);
    }
    return r;
}

/* What is there goes to `out`, the rest to `missing`. */
static int some_write(struct listing *listing, struct buf *out, struct buf *missing,
                      const struct node *node, const struct dead *dead)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < listing->wanted->name_count; i++) {
        const struct dav_name *name = &listing->wanted->names[i];
        const struct live *live = live_find(name);
        const struct dav_property *property = live ? NULL : dead_find(dead, name);
        if (live && live_has(listing, live, node))
            r = live_write(listing, out, live, node);
        else if (property)
            r = buf_append_text(out, property->value);
        else
            name_write(missing, name);
    }
    return r;
}

static void propstat_write(struct buf *out, const struct buf *properties, const char *status)
{
    (void)buf_append_text(out, "<D:propstat><D:prop>");
    (void)buf_append_slice(out, buf_slice(properties));
    (void)buf_printf(out, "</D:prop><D:status>HTTP/1.1 %s</D:status></D:propstat>", status);
}

static int response_write(struct listing *listing, const struct node *node, const char *name)
{
    SCOPED(arena_done) struct arena arena = {0};
    SCOPED(buf_done) struct buf found = {0};
    SCOPED(buf_done) struct buf missing = {0};
    struct buf *out = &listing->paged.out;
    struct dead dead = {0};
    int r = dav_properties_get(listing->paged.call->dms->store, &arena, node->key, &dead.list,
                               &dead.count);
    if (r == 0)
        r = listing->wanted->kind == DAV_PROPFIND_SOME
                ? some_write(listing, &found, &missing, node, &dead)
                : all_write(listing, &found, node, &dead);
    if (r < 0)
        return r;
    (void)buf_append_text(out, "<D:response><D:href>");
    (void)buf_append_slice(out, buf_slice(&listing->base));
    if (name) {
        http_encode(out, name);
        if (node->kind == NODE_FOLDER)
            (void)buf_append_byte(out, '/');
    }
    (void)buf_append_text(out, "</D:href>");
    if (found.size > 0 || missing.size == 0)
        propstat_write(out, &found, "200 OK");
    if (missing.size > 0)
        propstat_write(out, &missing, "404 Not Found");
    (void)buf_append_text(out, "</D:response>\n");
    return out->failed || found.failed || missing.failed ? -ENOMEM : 0;
}

/* Sending */

enum { CHILDREN_PER_PAGE = 32 };

static int child_write(void *arg, const struct node *node)
{
    struct listing *listing = arg;
    buf_clear(&listing->after);
    int r = buf_append_text(&listing->after, node->name);
    if (r == 0)
        r = access_check(listing->paged.call->dms->store, &listing->paged.call->user, node,
                         ACCESS_READ);
    if (r == -ENOENT || r == -EACCES)
        return 0; /* not this user's to see */
    return r < 0 ? r : response_write(listing, node, node->name);
}

static int page_write(struct paged *paged)
{
    struct listing *listing = container_of(paged, struct listing, paged);
    struct buf *out = &paged->out;
    bool more = false;
    if (!listing->begun) {
        listing->begun = true;
        (void)buf_append_text(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                                   "<D:multistatus xmlns:D=\"DAV:\">\n");
        int r = response_write(listing, &listing->self, NULL);
        if (r < 0 || listing->deep)
            return r;
    } else {
        const char *after = buf_text(&listing->after);
        int r = after ? node_children(listing->paged.call->dms->store, listing->self.key, after,
                                      CHILDREN_PER_PAGE, child_write, listing, &more)
                      : -ENOMEM;
        if (r < 0 || more)
            return r;
    }
    paged->ended = true;
    return buf_append_text(out, "</D:multistatus>\n");
}

static void listing_free(struct paged *paged)
{
    struct listing *listing = container_of(paged, struct listing, paged);
    buf_done(&listing->base);
    buf_done(&listing->after);
    free(listing);
}

static void propfind_body(struct call *call)
{
    const struct dav_body *body = call->state;
    struct dav_place place;
    int depth;
    if (dav_place_own(call, &place) < 0 || dav_conditions(call) < 0 ||
        dav_depth(call, INT_MAX, &depth) < 0)
        return;
    if (!place.exists) {
        call_problem_errno(call, -ENOENT);
        return;
    }
    if (body->kind > DAV_PROPFIND_SOME) {
        call_problem(call, 400, "bad-propfind", "The body of a PROPFIND is a propfind element.");
        return;
    }
    if (depth == INT_MAX && place.node.kind == NODE_FOLDER) {
        dav_error(call, 403, "propfind-finite-depth", 0);
        return;
    }
    struct listing *listing = calloc(1, sizeof *listing);
    int r = listing ? dav_href(call->dms->store, place.node.key, &listing->base) : -ENOMEM;
    if (r < 0) {
        if (listing)
            buf_done(&listing->base);
        free(listing);
        dav_fail(call, r);
        return;
    }
    listing->paged.write = page_write;
    listing->paged.free = listing_free;
    listing->paged.call = call;
    listing->wanted = body;
    listing->self = place.node;
    listing->deep = depth > 0 && place.node.kind == NODE_FOLDER;
    call_reply_paged(call, 207, "application/xml; charset=utf-8", &listing->paged);
}

void dav_propfind(struct call *call)
{
    dav_collect(call, propfind_body);
}

/* PROPPATCH: all of it or nothing. */

static void patch_reply(struct call *call, const struct dav_place *place,
                        const struct dav_body *body, bool refused)
{
    SCOPED(buf_done) struct buf good = {0};
    SCOPED(buf_done) struct buf bad = {0};
    struct buf out = {0};
    for (size_t i = 0; i < body->change_count; i++)
        name_write(live_find(&body->changes[i].name) ? &bad : &good, &body->changes[i].name);
    (void)buf_append_text(&out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                                "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>");
    if (dav_href(call->dms->store, place->node.key, &out) < 0)
        out.failed = true;
    (void)buf_append_text(&out, "</D:href>");
    if (good.size > 0)
        propstat_write(&out, &good, refused ? "424 Failed Dependency" : "200 OK");
    if (bad.size > 0) {
        (void)buf_append_text(&out, "<D:propstat><D:prop>");
        (void)buf_append_slice(&out, buf_slice(&bad));
        (void)buf_append_text(&out, "</D:prop><D:status>HTTP/1.1 403 Forbidden</D:status>"
                                    "<D:error><D:cannot-modify-protected-property/></D:error>"
                                    "</D:propstat>");
    }
    (void)buf_append_text(&out, "</D:response></D:multistatus>\n");
    out.failed |= good.failed || bad.failed;
    call_reply_buf(call, 207, "application/xml; charset=utf-8", &out);
}

static void proppatch_body(struct call *call)
{
    const struct dav_body *body = call->state;
    struct dav_place place;
    bool refused = false;
    if (dav_place_own(call, &place) < 0 || dav_conditions(call) < 0)
        return;
    if (!place.exists) {
        call_problem_errno(call, -ENOENT);
        return;
    }
    if (body->kind != DAV_PROPPATCH || body->change_count == 0) {
        call_problem(call, 400, "bad-proppatch",
                     "The body of a PROPPATCH is a propertyupdate that sets or removes something.");
        return;
    }
    if (dav_may_write(call, &place, 0) < 0)
        return;
    for (size_t i = 0; i < body->change_count; i++)
        refused |= live_find(&body->changes[i].name) != NULL;
    int r = refused ? 0
                    : dav_properties_change(call->dms->store, place.node.key, body->changes,
                                            body->change_count);
    if (r < 0)
        dav_fail(call, r);
    else
        patch_reply(call, &place, body, refused);
}

void dav_proppatch(struct call *call)
{
    dav_collect(call, proppatch_body);
}
