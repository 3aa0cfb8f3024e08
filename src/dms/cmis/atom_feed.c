/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/atom.h"
#include "dms/cmis/xml_list.h"
#include "dms/link.h"

#include <errno.h>

const char *atom_self(struct atom *atom)
{
    const struct http_request *req = atom->call->req;
    const char *own = strstr(atom->base, "/cmis/atom"); /* behind the origin */
    return arena_printf(atom->cmis.arena, "%.*s%.*s", (int)(own - atom->base), atom->base,
                        (int)req->target.size, (const char *)req->target.bytes);
}

/* Pages */

static bool parameter_is(struct slice pair, const char *name)
{
    size_t size = strlen(name);
    return pair.size > size && memcmp(pair.bytes, name, size) == 0 && pair.bytes[size] == '=';
}

/* `self` with another skipCount. */
static const char *page_href(struct atom *atom, const char *self, int64_t skip)
{
    struct buf *href = &atom->href;
    const char *query = strchr(self, '?');
    char mark = '?';
    buf_clear(href);
    (void)buf_append(href, self, query ? (size_t)(query - self) : strlen(self));
    for (const char *at = query ? query + 1 : ""; *at;) {
        size_t size = strcspn(at, "&");
        struct slice pair = slice_of(at, size);
        if (size > 0 && !parameter_is(pair, "skipCount") && !parameter_is(pair, "maxItems")) {
            (void)buf_append_byte(href, (uint8_t)mark);
            (void)buf_append_slice(href, pair);
            mark = '&';
        }
        at += size + (at[size] == '&');
    }
    if (atom->cmis.args.max_items > 0) {
        (void)buf_printf(href, "%cmaxItems=%lld", mark, (long long)atom->cmis.args.max_items);
        mark = '&';
    }
    (void)buf_printf(href, "%cskipCount=%lld", mark, (long long)skip);
    const char *text = buf_text(href);
    return text ? text : "";
}

void atom_put_pages(struct atom *atom, struct xml *xml, const char *self, bool more, int64_t total)
{
    int64_t skip = atom->cmis.args.skip_count, page = atom->cmis.args.max_items;
    if (skip > 0 && page > 0) {
        atom_put_link_to(xml, "first", ATOM_FEED, page_href(atom, self, 0));
        atom_put_link_to(xml, "previous", ATOM_FEED,
                         page_href(atom, self, skip > page ? skip - page : 0));
    }
    if (!more)
        return;
    atom_put_link_to(xml, "next", ATOM_FEED, page_href(atom, self, skip + page));
    if (total > 0 && page > 0)
        atom_put_link_to(xml, "last", ATOM_FEED, page_href(atom, self, (total - 1) / page * page));
}

/* Feeds */

static void put_about_links(struct atom *atom, struct xml *xml, const struct atom_feed *feed)
{
    const char *resource = atom->resource ? atom->resource->name : "";
    const char *id = feed->about;
    if (!id)
        return;
    atom_put_link(atom, xml, "via", ATOM_ENTRY, "entry", "id", id, ATOM_END);
    bool children = strcmp(resource, "children") == 0;
    if (children || strcmp(resource, "foldertree") == 0)
        atom_put_link(atom, xml, "down", ATOM_TREE, "descendants", "id", id, ATOM_END);
    if (!children && feed->tree)
        atom_put_link(atom, xml, "down", ATOM_FEED, "children", "id", id, ATOM_END);
    if (children || strcmp(resource, "descendants") == 0)
        atom_put_link(atom, xml, ATOM_LINK("foldertree"), ATOM_TREE, "foldertree", "id", id,
                      ATOM_END);
    if ((children || feed->tree) && strcmp(id, CMIS_ROOT_ID) != 0)
        atom_put_link(atom, xml, "up", ATOM_ENTRY, "parent", "id", id, ATOM_END);
}

static void put_collection(struct xml *xml, const char *title, const char *href, const char *accept)
{
    xml_open(xml, "app:collection");
    xml_put_attribute(xml, "href", href);
    xml_put(xml, "atom:title", title);
    xml_put(xml, "app:accept", accept);
    xml_close(xml, "app:collection");
}

static void put_next_changes(struct atom *atom, struct xml *xml, const struct atom_feed *feed)
{
    if (!feed->next_token || !feed->list->more)
        return;
    atom_put_link(atom, xml, "next", ATOM_FEED, "changes", "changeLogToken", feed->next_token,
                  "maxItems", atom_parameter(atom, "maxItems"), "includeProperties",
                  atom_parameter(atom, "includeProperties"), "includeACL",
                  atom_parameter(atom, "includeACL"), "includePolicyIds",
                  atom_parameter(atom, "includePolicyIds"), "filter",
                  atom_parameter(atom, "filter"), ATOM_END);
}

/* A feed on its way. */
struct feed_call {
    struct atom *atom;
    struct atom_feed feed;
};

static void feed_head(void *arg, struct xml *xml)
{
    struct atom *atom = ((struct feed_call *)arg)->atom;
    const struct atom_feed *feed = &((struct feed_call *)arg)->feed;
    xml_declaration(xml);
    atom_open(xml, "atom:feed");
    atom_put_person(xml, atom->call->user.name);
    xml_put(xml, "atom:id", feed->self);
    xml_put(xml, "atom:title", feed->title);
    xml_put_date(xml, "atom:updated", atom->cmis.now_ms);
    atom_put_link(atom, xml, "service", ATOM_SERVICE, NULL, "repositoryId", CMIS_REPOSITORY_ID,
                  ATOM_END);
    atom_put_link_to(xml, "self", feed->type, feed->self);
    put_about_links(atom, xml, feed);
    if (feed->paged)
        atom_put_pages(atom, xml, feed->self, feed->list->more, feed->list->total);
    put_next_changes(atom, xml, feed);
    if (feed->collection)
        put_collection(xml, feed->title, feed->self, feed->collection);
    if (feed->paged && feed->list->total >= 0)
        xml_put_int(xml, "cmisra:numItems", feed->list->total);
}

static void feed_enter(void *arg, struct xml *xml, const struct cmis_entry *entry, unsigned level)
{
    struct feed_call *call = arg;
    (void)level;
    atom_entry_open(call->atom, xml, entry, &call->feed.place, false);
}

static void feed_leave(void *arg, struct xml *xml, const struct cmis_entry *entry, unsigned level)
{
    (void)arg, (void)level;
    atom_entry_close(xml, entry);
}

static void feed_tail(void *arg, struct xml *xml)
{
    (void)arg;
    xml_close(xml, "atom:feed");
}

void atom_reply_feed(struct atom *atom, int status, const struct atom_feed *feed)
{
    struct feed_call *call = arena_alloc(&atom->call->req->arena, sizeof *call);
    const char *self = feed->self ? feed->self : atom_self(atom);
    if (!call || !self) {
        call_problem_errno(atom->call, -ENOMEM);
        return;
    }
    const struct xml_list_writer writer = {feed_head, feed_enter, feed_leave, feed_tail, call};
    *call = (struct feed_call){atom, *feed};
    call->feed.self = self;
    xml_reply_list(atom->call, status, feed->type, feed->list, &writer);
}
