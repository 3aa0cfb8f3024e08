/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_hold.h: what keeps a document from being deleted: a time it must be kept, and legal
 * holds. While either lasts, it goes into no trash and is not purged, alone or with a folder above
 * it, by nobody and by no interface (hold_check() is part of the store's deletions); new versions
 * can be added, and the old ones stay.
 *
 * A time to keep can only be made longer. A hold is a case with a name, put on any number of
 * documents, several on one; it ends when one administrator asks for its release and another one
 * confirms. Nothing here can be undone by whoever runs the software, short of the database. */
#ifndef COFFER_DMS_STORE_HOLD_H
#define COFFER_DMS_STORE_HOLD_H

#include "dms/store.h"

#define HOLD_NAME_MAX 200
#define HOLD_REASON_MAX 4000

struct retention {
    int64_t until_ms; /* 0: none */
    char *user;       /* who set it last */
};
must_check int retention_get(struct store *store, struct arena *arena, int64_t node,
                             struct retention *ret);
/* -EPERM: earlier than it is now. */
must_check int retention_set(struct store *store, const struct actor *actor, int64_t node,
                             int64_t until_ms);

struct hold {
    int64_t key;
    char *name, *reason;
    char *created_by;
    int64_t created_ms;
    char *release_by;    /* who asked for the release, or NULL */
    int64_t released_ms; /* 0: it holds */
    int64_t documents;
};
/* -EEXIST: the name is taken by a hold that holds. */
must_check int hold_add(struct store *store, const struct actor *actor, const char *name,
                        const char *reason, int64_t *ret_key);
must_check int hold_get(struct store *store, struct arena *arena, int64_t key, struct hold *ret);
/* The first asker is noted; another one's asking ends it. -EALREADY: the same asked again; -ENOENT:
 * it is released already. */
must_check int hold_release(struct store *store, const struct actor *actor, int64_t key,
                            bool *ret_released);
/* Takes an asking for release back. */
must_check int hold_keep(struct store *store, const struct actor *actor, int64_t key);
/* Puts it on a document. 0 also if it is there already. */
must_check int hold_put(struct store *store, const struct actor *actor, int64_t key, int64_t node);
typedef int hold_fn(void *arg, const struct hold *hold);
/* node 0: all; else those that hold this node. By key, after `after`. */
must_check int hold_list(struct store *store, int64_t node, int64_t after, int limit, hold_fn *fn,
                         void *arg, bool *ret_more);
typedef int held_fn(void *arg, int64_t node);
must_check int hold_nodes(struct store *store, int64_t key, int64_t after, int limit, held_fn *fn,
                          void *arg, bool *ret_more);

/* -EPERM: the node, or something below it, must be kept; `ret_node` (may be NULL) is what. */
must_check int hold_check(struct store *store, int64_t node, int64_t now_ms, int64_t *ret_node);

#endif
