/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_hook.h: web hooks: whom to tell of what happens, and how far each has been told. A hook is a
 * place in the audit trail, so it misses nothing and survives a restart. What could not be delivered is
 * noted and passed over. Opens no connection: hooks.c does. As store.h: one thread, -errno, results in
 * the arena. */
#ifndef COFFER_DMS_STORE_HOOK_H
#define COFFER_DMS_STORE_HOOK_H

#include "dms/store.h"

#define HOOKS_MAX 32
#define HOOK_NAME_MAX 128
#define HOOK_URL_MAX 2000
#define HOOK_KINDS_MAX 1000 /* bytes of their names with a blank between */
#define HOOK_SECRET_SIZE 32
#define HOOK_DEAD_MAX 100 /* notes kept of one hook; older ones go */

struct hook {
    int64_t key;
    char *name, *url;
    uint8_t secret[HOOK_SECRET_SIZE];
    char *user; /* who made it: it tells what this user may see */
    int64_t created_ms;
    char *kinds;    /* actions of the audit trail, a blank between; "": all but reading */
    int64_t folder; /* only what is about something in it; 0: all */
    bool paused;
    int64_t place;           /* the last entry that it has been told of, or that is not for it */
    int64_t failures;        /* in a row */
    int64_t next_ms;         /* not before; 0: at once */
    int64_t last_ms, ok_ms;  /* of the last try, and of the last that succeeded; 0: none */
    char *last;              /* what came of it: a status, or why there is none */
    int64_t delivered, dead; /* events, ever */
};

/* Those of `hook`: name, url, secret, user, kinds, folder; its place is the end of the trail. *ret_key.
 * -EDQUOT: HOOKS_MAX are there; -EEXIST: the name is taken. */
must_check int hook_add(struct store *store, const struct actor *actor, const struct hook *hook,
                        int64_t *ret_key);
must_check int hook_get(struct store *store, struct arena *arena, int64_t key, struct hook *ret);
must_check int hook_remove(struct store *store, const struct actor *actor, const struct hook *hook);
/* Paused or going on, from `place` on (-1: where it is); either way it tries again at once. */
must_check int hook_change(struct store *store, const struct actor *actor, const struct hook *hook,
                           bool paused, int64_t place);
must_check int hook_count(struct store *store, int64_t *ret);

typedef int hook_fn(void *arg, const struct hook *hook);
must_check int hook_list(struct store *store, int64_t after, int limit, hook_fn *fn, void *arg,
                         bool *ret_more);

/* What came of a try: `hook` as it is to be from now on (place, failures, next_ms, last..., delivered,
 * dead, paused). Not in the audit trail, which would never end. */
must_check int hook_note(struct store *store, const struct hook *hook);

struct hook_dead {
    int64_t hook, first, last; /* entries of the audit trail */
    int64_t count, at_ms;
    const char *why;
};
must_check int hook_dead_add(struct store *store, const struct hook_dead *dead);
/* Newest first; texts live during the call. */
typedef int hook_dead_fn(void *arg, const struct hook_dead *dead);
must_check int hook_dead_list(struct store *store, int64_t hook, hook_dead_fn *fn, void *arg);

#define HOOK_COLUMNS                                                                     \
    "key, name, url, secret, user, created_ms, kinds, folder, paused, place, failures, " \
    "next_ms, last_ms, ok_ms, last, delivered, dead"

#define STORE_HOOK_STATEMENTS(S)                                                                  \
    S(HOOK_ADD, "INSERT INTO hook(name, url, secret, user, created_ms, kinds, folder, place) "    \
                "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                                         \
    S(HOOK_GET, "SELECT " HOOK_COLUMNS " FROM hook WHERE key = ?1")                               \
    S(HOOK_LIST, "SELECT " HOOK_COLUMNS " FROM hook WHERE key > ?1 ORDER BY key LIMIT ?2")        \
    S(HOOK_COUNT, "SELECT count(*) FROM hook")                                                    \
    S(HOOK_REMOVE, "DELETE FROM hook WHERE key = ?1")                                             \
    S(HOOK_CHANGE, "UPDATE hook SET paused = ?2, place = ?3, failures = 0, next_ms = 0 WHERE "    \
                   "key = ?1")                                                                    \
    S(HOOK_NOTE, "UPDATE hook SET place = ?2, failures = ?3, next_ms = ?4, last_ms = ?5, "        \
                 "ok_ms = ?6, last = ?7, delivered = ?8, dead = ?9, paused = ?10 WHERE key = ?1") \
    S(HOOK_FORGET_USER, "UPDATE hook SET user = '', paused = 1, last = 'who made it is no user "  \
                        "any more' WHERE user = ?1")                                              \
    S(HOOK_DEAD_ADD, "INSERT OR REPLACE INTO hook_dead(hook, first, last, count, at_ms, why) "    \
                     "VALUES(?1, ?2, ?3, ?4, ?5, ?6)")                                            \
    S(HOOK_DEAD_TRIM, "DELETE FROM hook_dead WHERE hook = ?1 AND first NOT IN (SELECT first "     \
                      "FROM hook_dead WHERE hook = ?1 ORDER BY first DESC LIMIT ?2)")             \
    S(HOOK_DEAD_LIST, "SELECT first, last, count, at_ms, why FROM hook_dead WHERE hook = ?1 "     \
                      "ORDER BY first DESC")                                                      \
    S(HOOK_DEAD_FORGET, "DELETE FROM hook_dead WHERE hook = ?1 AND first > ?2")

#define STORE_HOOK_SCHEMA                                                                        \
    "CREATE TABLE hook(key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, "       \
    "url TEXT NOT NULL, secret BLOB NOT NULL, user TEXT NOT NULL, created_ms INTEGER NOT NULL, " \
    "kinds TEXT NOT NULL, folder INTEGER NOT NULL, paused INTEGER NOT NULL DEFAULT 0, "          \
    "place INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0, "                              \
    "next_ms INTEGER NOT NULL DEFAULT 0, last_ms INTEGER NOT NULL DEFAULT 0, "                   \
    "ok_ms INTEGER NOT NULL DEFAULT 0, last TEXT NOT NULL DEFAULT '', "                          \
    "delivered INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0);"                    \
    "CREATE TABLE hook_dead(hook INTEGER, first INTEGER, last INTEGER NOT NULL, "                \
    "count INTEGER NOT NULL, at_ms INTEGER NOT NULL, why TEXT NOT NULL, "                        \
    "PRIMARY KEY(hook, first)) WITHOUT ROWID;"                                                   \
    "CREATE TRIGGER hook_removed AFTER DELETE ON hook BEGIN "                                    \
    "DELETE FROM hook_dead WHERE hook = OLD.key; END;"

#endif
