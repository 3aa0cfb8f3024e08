/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_share.h: links that give one document to whoever has them, until an end. A link is
 * stored as the hash of its token. As store.h: one thread, -errno, results in the arena. */
#ifndef COFFER_DMS_STORE_SHARE_H
#define COFFER_DMS_STORE_SHARE_H

#include "dms/store.h"

#define SHARES_MAX 1000 /* of one node */

struct share {
    int64_t key;
    int64_t node;
    char *user; /* who shared it: the link reads what this user may read */
    int64_t created_ms, expires_ms;
    char *password_hash;              /* Argon2's own encoding, or NULL: the link is enough */
    int64_t downloads, downloads_max; /* max 0: as often as one likes */
};

/* -EDQUOT: SHARES_MAX of this node live. */
must_check int share_add(struct store *store, const struct actor *actor, struct share *share,
                         const uint8_t hash[TOKEN_HASH_SIZE]);
must_check int share_find(struct store *store, struct arena *arena,
                          const uint8_t hash[TOKEN_HASH_SIZE], struct share *ret);
must_check int share_get(struct store *store, struct arena *arena, int64_t key, struct share *ret);
must_check int share_count(struct store *store, const struct share *share); /* one download more */
must_check int share_remove(struct store *store, const struct actor *actor,
                            const struct share *share);

/* By key, after `after`. node 0: of all; user NULL: of all. */
typedef int share_fn(void *arg, const struct share *share);
must_check int share_list(struct store *store, int64_t node, const char *user, int64_t after,
                          int limit, share_fn *fn, void *arg, bool *ret_more);

/* Ends all links of a user, each noted in the audit trail. Within a step. */
must_check int shares_remove_of(struct store *store, const struct actor *actor, const char *user);

#endif
