/* SPDX-License-Identifier: Apache-2.0 */
/* dms/dav/dav_parse.h: what WebDAV clients send, read: the XML bodies of PROPFIND, PROPPATCH and
 * LOCK (RFC 4918, sections 9.1, 9.2, 9.10 and 14) and the If header (section 10.4). No I/O.
 *
 * Results live in the arena given. Errors: -EBADMSG malformed or over a limit, -EPERM a DOCTYPE,
 * -ENOMEM. */
#ifndef COFFER_DMS_DAV_PARSE_H
#define COFFER_DMS_DAV_PARSE_H

#include "base/arena.h"
#include "base/slice.h"

#define DAV_NS "DAV:"
#define DAV_BODY_SIZE_MAX ((size_t)64 << 10)
#define DAV_NAMES_MAX 128
#define DAV_DEPTH_MAX 32
#define DAV_VALUE_SIZE_MAX ((size_t)16 << 10)
#define DAV_CONDITIONS_MAX 64

/* A property's name; `ns` is "" where there is no namespace. */
struct dav_name {
    char *ns, *local;
};

enum dav_body_kind {
    DAV_PROPFIND_ALL,   /* allprop, or no body; `names` are those of include */
    DAV_PROPFIND_NAMES, /* propname */
    DAV_PROPFIND_SOME,  /* prop */
    DAV_PROPPATCH,
    DAV_LOCKINFO,
};

/* One property of a PROPPATCH, in the order in which the client wants them done. */
struct dav_change {
    struct dav_name name;
    char *
        value; /* the element as XML that stands alone, to be stored and given back; NULL: remove */
};

struct dav_body {
    enum dav_body_kind kind;
    struct dav_name *names;
    size_t name_count;
    struct dav_change *changes;
    size_t change_count;
    bool is_shared; /* of the lock asked for */
    char *owner;    /* the owner element as XML, or NULL */
};

/* An empty body is DAV_PROPFIND_ALL. Elements and attributes that RFC 4918 does not know are
 * ignored (section 17). */
must_check int dav_body_parse(struct arena *arena, struct slice xml, struct dav_body *ret_body);

/* One state token or entity tag that must, or must not, hold. */
struct dav_condition {
    bool negated;
    bool is_etag;
    char *text; /* a token without its <>, or an entity tag with its quotes */
};

/* Holds if all its conditions do. */
struct dav_list {
    char *resource; /* the URL that tags it, or NULL: the request's own */
    size_t first, count;
};

struct dav_if {
    struct dav_list *lists;
    size_t list_count;
    struct dav_condition *conditions;
    size_t condition_count;
};

must_check int dav_if_parse(struct arena *arena, struct slice header, struct dav_if *ret_if);

#endif
