/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_partial.h: uploads that come in parts (tus.c): what they are to become, and the bytes
 * that are here so far, in DIR/partial/ID. A lost tail is not a lost upload: how far one has come
 * is the size of its file, so parts are not synced; only what makes a document of it is. As
 * store.h: one thread, -errno, results in the arena. */
#ifndef COFFER_DMS_STORE_PARTIAL_H
#define COFFER_DMS_STORE_PARTIAL_H

#include "dms/store.h"

#define PARTIAL_ID_SIZE 32
#define PARTIALS_MAX 1000 /* of one user */

struct partial {
    char *id;
    int64_t user;
    int64_t length;
    int64_t parent;
    int64_t document; /* a new version of it; 0: a new document */
    char *name;
    char *type;     /* what the client says, or "" */
    char *conflict; /* "fail", "version" or "rename" */
    int64_t expires_s;
    int64_t made; /* the document it became; 0: not yet */
};

/* Fills ret_id (PARTIAL_ID_SIZE + 1 bytes). -EDQUOT: PARTIALS_MAX. */
must_check int partial_add(struct store *store, const struct partial *partial, int64_t now_s,
                           char *ret_id);
/* -ENOENT also for one that has expired or is another user's. */
must_check int partial_get(struct store *store, struct arena *arena, const char *id, int64_t user,
                           int64_t now_s, struct partial *ret);
must_check int partial_touch(struct store *store, const char *id, int64_t expires_s);
must_check int partial_made(struct store *store, const char *id, int64_t node);
must_check int partial_remove(struct store *store, const char *id);
/* Forgets what has expired. */
must_check int partial_expire(struct store *store, int64_t now_s);

/* The bytes: opened, with the size so far. The caller owns the descriptor. */
must_check int partial_open(struct store *store, const char *id, int *ret_fd, int64_t *ret_size);
/* Makes the bytes a draft, which then owns them. */
must_check int partial_take(struct store *store, const char *id, struct content_draft *draft);

#define STORE_PARTIAL_STATEMENTS(S)                                                               \
    S(PARTIAL_ADD, "INSERT INTO partial(id, user, length, parent, document, name, type, "         \
                   "conflict, expires_s, made) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)")    \
    S(PARTIAL_GET, "SELECT id, user, length, parent, document, name, type, conflict, expires_s, " \
                   "made FROM partial WHERE id = ?1 AND user = ?2 AND expires_s > ?3")            \
    S(PARTIAL_COUNT, "SELECT count(*) FROM partial WHERE user = ?1")                              \
    S(PARTIAL_TOUCH, "UPDATE partial SET expires_s = ?2 WHERE id = ?1")                           \
    S(PARTIAL_MADE, "UPDATE partial SET made = ?2 WHERE id = ?1")                                 \
    S(PARTIAL_REMOVE, "DELETE FROM partial WHERE id = ?1")                                        \
    S(PARTIAL_EXPIRED, "SELECT id FROM partial WHERE expires_s <= ?1 LIMIT 100")

#define STORE_PARTIAL_SCHEMA                                                                     \
    "CREATE TABLE partial(id TEXT PRIMARY KEY, user INTEGER NOT NULL, length INTEGER NOT NULL, " \
    "parent INTEGER NOT NULL, document INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT "     \
    "NULL, conflict TEXT NOT NULL, expires_s INTEGER NOT NULL, made INTEGER NOT NULL) "          \
    "WITHOUT ROWID;"

#endif
