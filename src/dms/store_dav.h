/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_dav.h: what WebDAV keeps of its own: locks, and properties that mean nothing to the
 * server ("dead" ones, RFC 4918 section 4). Locks are kept in the store because a server may stop
 * and start between two requests of a client. As store.h: one thread, -errno, results in the
 * arena. */
#ifndef COFFER_DMS_STORE_DAV_H
#define COFFER_DMS_STORE_DAV_H

#include "dms/dav/dav_parse.h"
#include "dms/store.h"

#define DAV_LOCKS_MAX 1000    /* in the whole store */
#define DAV_PROPERTIES_MAX 64 /* of a node */

struct dav_lock {
    char *token; /* a URI */
    int64_t node;
    bool is_shared;
    bool is_deep; /* covers everything below the node too */
    char *owner;  /* XML as the client gave it, or "" */
    char *user;   /* only this user may use the token */
    int64_t expires_s;
};

struct dav_locks {
    struct dav_lock *list;
    size_t count;
};

/* -EDQUOT: DAV_LOCKS_MAX are held. Forgets those that have ended. */
must_check int dav_lock_add(struct store *store, const struct dav_lock *lock, int64_t now_s);
must_check int dav_lock_get(struct store *store, struct arena *arena, const char *token,
                            int64_t now_s, struct dav_lock *ret);
must_check int dav_lock_extend(struct store *store, const char *token, int64_t expires_s);
must_check int dav_lock_remove(struct store *store, const char *token);

/* Those on the node itself and deep ones on the folders above it. */
must_check int dav_locks_over(struct store *store, struct arena *arena, int64_t node, int64_t now_s,
                              struct dav_locks *ret);
/* Those on nodes below it, not on itself. */
must_check int dav_locks_below(struct store *store, struct arena *arena, int64_t node,
                               int64_t now_s, struct dav_locks *ret);
/* Ends all on the node and below: it was moved or deleted. */
must_check int dav_locks_end(struct store *store, int64_t node, int64_t now_s);

struct dav_property {
    struct dav_name name;
    char *value; /* the whole element */
};
must_check int dav_properties_get(struct store *store, struct arena *arena, int64_t node,
                                  struct dav_property **ret, size_t *ret_count);
/* All changes or none. -EDQUOT: more than DAV_PROPERTIES_MAX. */
must_check int dav_properties_change(struct store *store, int64_t node,
                                     const struct dav_change *changes, size_t count);
/* Gives `to` those of `from`, and no other. */
must_check int dav_properties_copy(struct store *store, int64_t from, int64_t to);

#endif
