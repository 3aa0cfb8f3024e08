/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_identity.h: who a user is elsewhere: at an OpenID Connect provider (issuer and subject), or by
 * a client certificate. One identity is one user's; a session that began with it ends with it. As store.h:
 * one thread, -errno, results in the arena. */
#ifndef COFFER_DMS_STORE_IDENTITY_H
#define COFFER_DMS_STORE_IDENTITY_H

#include "dms/store.h"

#define IDENTITIES_MAX 20 /* of one user */
#define IDENTITY_ISSUER_MAX 1024
#define IDENTITY_SUBJECT_MAX 255
#define IDENTITY_OPENID "openid"           /* issuer: the provider's; subject: its `sub` */
#define IDENTITY_CERTIFICATE "certificate" /* issuer: ""; subject: see certificate.h */

struct identity {
    int64_t key, user;
    const char *kind, *issuer, *subject;
    const char *label; /* what it was called when it was last used: for people, decides nothing */
    int64_t created_ms, used_ms; /* used 0: never */
};

/* -EEXIST: it is somebody's already; -EDQUOT: IDENTITIES_MAX. Sets the key. */
must_check int identity_add(struct store *store, struct identity *identity);
must_check int identity_find(struct store *store, struct arena *arena, const char *kind,
                             const char *issuer, const char *subject, struct identity *ret);
must_check int identity_used(struct store *store, int64_t key, const char *label, int64_t now_ms);
/* With the sessions that began with it. -ENOENT: the user has none of this key. */
must_check int identity_remove(struct store *store, int64_t user, int64_t key);
typedef int identity_fn(void *arg, const struct identity *identity);
must_check int identity_list(struct store *store, int64_t user, identity_fn *fn, void *arg);

/* The session with this hash, which was added, began with it. */
must_check int identity_began(struct store *store, int64_t key,
                              const uint8_t hash[TOKEN_HASH_SIZE]);
/* Whether it began with one of this kind (NULL: of any). */
must_check int identity_of_session(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE],
                                   const char *kind, bool *ret_did);

#define IDENTITY_SELECT \
    "SELECT key, user, kind, issuer, subject, label, created_ms, used_ms FROM identity "

#define STORE_IDENTITY_STATEMENTS(S)                                                            \
    S(IDENTITY_ADD, "INSERT INTO identity(user, kind, issuer, subject, label, created_ms, "     \
                    "used_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                              \
    S(IDENTITY_FIND, IDENTITY_SELECT "WHERE kind = ?1 AND issuer = ?2 AND subject = ?3")        \
    S(IDENTITY_LIST, IDENTITY_SELECT "WHERE user = ?1 ORDER BY key")                            \
    S(IDENTITY_COUNT, "SELECT count(*) FROM identity WHERE user = ?1")                          \
    S(IDENTITY_USED, "UPDATE identity SET label = ?2, used_ms = ?3 WHERE key = ?1")             \
    S(IDENTITY_REMOVE, "DELETE FROM identity WHERE user = ?1 AND key = ?2")                     \
    S(IDENTITY_FORGET_USER, "DELETE FROM identity WHERE user = ?1")                             \
    S(IDENTITY_BEGAN, "INSERT OR REPLACE INTO session_identity(hash, identity) VALUES(?1, ?2)") \
    S(IDENTITY_BEGAN_PRUNE,                                                                     \
      "DELETE FROM session_identity WHERE hash NOT IN (SELECT hash FROM session)")              \
    S(IDENTITY_END_SESSIONS, "DELETE FROM session WHERE hash IN (SELECT hash FROM "             \
                             "session_identity WHERE identity = ?1)")                           \
    S(IDENTITY_OF_SESSION,                                                                      \
      "SELECT 1 FROM session_identity JOIN identity ON identity.key = "                         \
      "session_identity.identity WHERE hash = ?1 AND (?2 IS NULL OR kind = ?2)")

#define STORE_IDENTITY_SCHEMA                                                                \
    "CREATE TABLE identity(key INTEGER PRIMARY KEY AUTOINCREMENT, user INTEGER NOT NULL, "   \
    "kind TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL, label TEXT NOT NULL, " \
    "created_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL, UNIQUE(kind, issuer, subject));" \
    "CREATE INDEX identity_user ON identity(user);"                                          \
    "CREATE TABLE session_identity(hash BLOB PRIMARY KEY, identity INTEGER NOT NULL) "       \
    "WITHOUT ROWID;"

#endif
