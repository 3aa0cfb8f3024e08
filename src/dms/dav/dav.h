/* SPDX-License-Identifier: Apache-2.0 */
/* dms/dav/dav.h: WebDAV, class 1 and 2 (RFC 4918), under /dav/: the same folders and documents that
 * REST shows. What the files of this folder share.
 *
 *     dav.c           OPTIONS, GET, PUT, DELETE, MKCOL, COPY, MOVE; where a URL leads
 *     dav_lock.c      LOCK, UNLOCK, the If header, who may write
 *     dav_propfind.c  PROPFIND, PROPPATCH
 *     dav_body.c, dav_if.c   parsing
 *
 * PUT on a document adds a version; DELETE puts into the trash. COPY and MOVE onto a document from a
 * document add a version to it, so that editors which save by renaming keep its history; onto
 * anything else they put what was there into the trash. Each request is one step: all or nothing. */
#ifndef COFFER_DMS_DAV_DAV_H
#define COFFER_DMS_DAV_DAV_H

#include "dms/dms.h"
#include "dms/store_dav.h"

/* Where a URL leads. Without `exists`, `parent` and `name` say where it would be; parent 0: not
 * even the folder is there. The root has an empty name. */
struct dav_place {
    bool exists;
    struct node node; /* if it exists */
    int64_t parent;
    char *name;
};

/* The request's own URL, and any other: an absolute URL of this host or an absolute path. 0,
 * -EINVAL (no URL, or a name that cannot be), -EXDEV (of another host, or outside /dav/). */
must_check int dav_place_own(struct call *call, struct dav_place *ret);
must_check int dav_place_url(struct call *call, struct slice url, struct dav_place *ret);
must_check int dav_place_reload(struct call *call, struct dav_place *place);

/* "/dav/a%20b/" of a node; folders end in '/'. */
must_check int dav_href(struct store *store, int64_t key, struct buf *out);

/* Ends the call with a body that names the precondition that failed (RFC 4918 section 16), and the
 * node it is about (0: none). */
void dav_error(struct call *call, int status, const char *condition, int64_t node);
/* Ends the call with what an errno of the store means here. */
void dav_fail(struct call *call, int error);

/* Reads the If header, once. 0, or the call has been ended (400, 412). */
must_check int dav_conditions(struct call *call);

enum dav_write {
    DAV_WRITE_MEMBER = 1, /* it is made or removed: the folder's own lock counts too */
    DAV_WRITE_TREE = 2,   /* everything below it changes too */
};
/* Whether this request has the tokens for what it wants to change. 0, or the call has been ended
 * (423). */
must_check int dav_may_write(struct call *call, const struct dav_place *place, unsigned how);

/* The value of lockdiscovery for a node. */
must_check int dav_locks_write(struct call *call, struct buf *out, int64_t node);

/* Depth: 0, 1 or INT_MAX for "infinity"; `otherwise` if absent. -EINVAL: the call has been ended. */
must_check int dav_depth(struct call *call, int otherwise, int *ret_depth);

/* Collects the body and parses it; `then` finds it in call->state. */
void dav_collect(struct call *call, call_fn *then);

call_fn dav_options, dav_get, dav_put, dav_delete, dav_mkcol, dav_copy, dav_move;
call_fn dav_propfind, dav_proppatch, dav_lock, dav_unlock;

#endif
