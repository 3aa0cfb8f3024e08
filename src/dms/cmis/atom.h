/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/atom.h: the AtomPub binding's parts (CMIS 1.1 part 3, RFC 4287, RFC 5023).
 *
 *     atom_call.c     one table of resources; requests in, problems out
 *     atom_service.c  the service document
 *     atom_entry.c    entries of objects and all their links
 *     atom_feed.c     feeds, trees and paging
 *     atom_type.c     types as entries and feeds
 *     atom_get.c      what GET does, but for types
 *     atom_post.c     what POST does to collections
 *     atom_put.c      what PUT and DELETE do, but to types and contents
 *     atom_content.c  contents
 *
 * Addresses: BASE/coffer/RESOURCE?id=... with BASE /cmis/atom, or /cmis/atom10 for clients of CMIS
 * 1.0, which are told nothing that is new in 1.1. */
#ifndef COFFER_DMS_CMIS_ATOM_H
#define COFFER_DMS_CMIS_ATOM_H

#include "dms/cmis/xml_model.h"
#include "dms/dms.h"

#define ATOM_ENTRY "application/atom+xml;type=entry"
#define ATOM_FEED "application/atom+xml;type=feed"
#define ATOM_TREE "application/cmistree+xml"
#define ATOM_SERVICE "application/atomsvc+xml"
#define ATOM_QUERY "application/cmisquery+xml"
#define ATOM_ACL "application/cmisacl+xml"
#define ATOM_ACTIONS "application/cmisallowableactions+xml"
#define ATOM_END ((const char *)NULL)
#define ATOM_LINK(name) "http://docs.oasis-open.org/ns/cmis/link/200908/" name

struct atom;
typedef void atom_fn(struct atom *atom);

struct atom_resource {
    const char *name;
    atom_fn *get, *post, *put, *delete; /* NULL: not supported */
    bool put_is_content;                /* the body of a PUT is a content as it is */
};

struct atom {
    struct call *call;
    struct cmis_call cmis;
    enum cmis_version version;
    const char *base, *root; /* "https://host/cmis/atom", the same and "/coffer" */
    const struct atom_resource *resource;
    atom_fn *then;
    struct buf href; /* being made */
    /* The document that was sent, if any */
    struct xml_reader *reader;
    bool has_content;
    const char *content_type; /* what atom:content said of it */
};

/* Parts of the answer */

/* <atom:link>; `resource` NULL: the service document. Pairs of parameter and value follow, ended by
 * ATOM_END; a NULL value leaves the pair out. `type` may be NULL. */
void atom_put_link(struct atom *atom, struct xml *xml, const char *rel, const char *type,
                   const char *resource, ...) __attribute__((sentinel));
/* The same address as text, until the next one is made. NULL without memory. */
const char *atom_href(struct atom *atom, const char *resource, ...) __attribute__((sentinel));
/* <atom:link> to an address as it is. */
void atom_put_link_to(struct xml *xml, const char *rel, const char *type, const char *href);

/* Opens the document's outermost element with all namespaces. */
void atom_open(struct xml *xml, const char *name);
void atom_put_person(struct xml *xml, const char *name);

struct atom_place {
    const char *segment_name; /* "cmisra:pathSegment" or "cmisra:relativePathSegment" */
    const char *policies_of;  /* of a policy: DELETE of its self removes it from this object */
};
/* An entry; between the two come its children's, if it has some. */
void atom_entry_open(struct atom *atom, struct xml *xml, const struct cmis_entry *entry,
                     const struct atom_place *place, bool outermost);
void atom_entry_close(struct xml *xml, const struct cmis_entry *entry);
/* A document of one entry. */
void atom_put_entry(struct atom *atom, struct xml *xml, const struct cmis_object *object);

struct atom_feed {
    const char *title, *type;
    const struct cmis_entries *list;
    struct atom_place place;
    const char *about;      /* the object it belongs to, or NULL */
    const char *collection; /* what may be posted to it, or NULL */
    const char *self;       /* NULL: the address that was asked for */
    bool paged, tree;
    const char *next_token; /* of the change log */
};
/* `feed` is copied; what it points to lives until the call is done. */
void atom_reply_feed(struct atom *atom, int status, const struct atom_feed *feed);
/* first, previous, next and last, from skipCount and maxItems. */
void atom_put_pages(struct atom *atom, struct xml *xml, const char *self, bool more, int64_t total);
/* The address that was asked for. */
const char *atom_self(struct atom *atom);

void atom_reply(struct atom *atom, int status, const char *type, struct buf *body);
/* Answers with the entry of an object as it is now, with Location and Content-Location. */
void atom_reply_object(struct atom *atom, int status, const char *id);
/* An operation's error, in the form that clients of CMIS know. */
void atom_fail(struct atom *atom);

/* Running */

/* Takes the operation's scalar inputs from the query by their names, `id` (if not NULL) from the
 * parameter "id" or the document, runs it, or answers with the problem: -1. */
must_check int atom_run(struct atom *atom, const char *operation, enum cmis_input id);
/* A parameter, or NULL. */
const char *atom_parameter(struct atom *atom, const char *name);
/* Forgets what a first operation was given, for a second one. */
void atom_again(struct atom *atom);
/* The entry's object: properties, policies and ACL into cmis->args; its name may be its title. */
must_check int atom_take_object(struct atom *atom);
/* With a content: makes it durable first. */
void atom_with_content(struct atom *atom, atom_fn *then);

atom_fn atom_object_get, atom_children_get, atom_descendants_get, atom_folder_tree_get,
    atom_parents_get, atom_parent_get, atom_versions_get, atom_relationships_get, atom_policies_get,
    atom_acl_get, atom_actions_get, atom_checked_out_get, atom_unfiled_get, atom_query_get,
    atom_changes_get, atom_content_get, atom_types_get, atom_type_tree_get, atom_type_get;
atom_fn atom_children_post, atom_relationships_post, atom_policies_post, atom_checked_out_post,
    atom_unfiled_post, atom_query_post, atom_update_post, atom_types_post;
atom_fn atom_object_put, atom_acl_put, atom_content_put, atom_type_put;
atom_fn atom_object_delete, atom_tree_delete, atom_content_delete, atom_policies_delete,
    atom_versions_delete, atom_type_delete;
void atom_service_get(struct atom *atom);

#endif
