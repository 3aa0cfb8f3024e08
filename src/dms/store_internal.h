/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_internal.h: what the files of the store share. */
#ifndef COFFER_DMS_STORE_INTERNAL_H
#define COFFER_DMS_STORE_INTERNAL_H

#include "dms/store.h"

#include <sqlite3.h>

/* Every statement the store runs, prepared at first use and kept until it rests. */
#define STORE_STATEMENTS(S)                                                                        \
    S(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    S(COMMIT, "COMMIT")                                                                            \
    S(ROLLBACK, "ROLLBACK")                                                                        \
    S(SAVE, "SAVEPOINT step")                                                                      \
    S(RELEASE, "RELEASE step")                                                                     \
    S(UNDO, "ROLLBACK TO step")                                                                    \
    S(CONTENT_ADD, "INSERT INTO content(key, size, refs, file, data) VALUES(?4, ?1, 0, ?2, ?3)")   \
    S(CONTENT_GET, "SELECT size, file, data FROM content WHERE key = ?1")                          \
    S(CONTENT_REF, "UPDATE content SET refs = refs + ?2 WHERE key = ?1 RETURNING refs, file")      \
    S(CONTENT_REMOVE, "DELETE FROM content WHERE key = ?1")                                        \
    S(CONTENT_BY_FILE, "SELECT 1 FROM content WHERE file = ?1")                                    \
    S(DOOMED_ADD, "INSERT OR IGNORE INTO doomed(file) VALUES(?1)")                                 \
    S(DOOMED_LIST, "SELECT file FROM doomed")                                                      \
    S(DOOMED_REMOVE, "DELETE FROM doomed WHERE file = ?1")                                         \
    S(NODE_GET, "SELECT " NODE_COLUMNS " FROM node WHERE key = ?1")                                \
    S(NODE_CHILD,                                                                                  \
      "SELECT " NODE_COLUMNS " FROM node WHERE parent = ?1 AND name = ?2 AND trash = 0")           \
    S(NODE_ADD, "INSERT INTO node(key, parent, kind, name, revision, created_ms, modified_ms, "    \
                "created_by, modified_by, has_properties, trash, trashed_ms, version, content, "   \
                "size, type) VALUES(?10, ?1, ?2, ?3, 1, ?4, ?4, ?5, ?5, 0, 0, 0, ?6, ?7, ?8, ?9)") \
    S(NODE_CONTENT, "UPDATE node SET revision = revision + 1, modified_ms = ?2, "                  \
                    "modified_by = ?3, version = ?4, content = ?5, size = ?6, type = ?7 "          \
                    "WHERE key = ?1")                                                              \
    S(NODE_MOVE, "UPDATE node SET revision = revision + 1, modified_ms = ?2, modified_by = ?3, "   \
                 "parent = ?4, name = ?5 WHERE key = ?1")                                          \
    S(NODE_PROPERTIES, "UPDATE node SET revision = revision + 1, modified_ms = ?2, "               \
                       "modified_by = ?3, has_properties = ?4 WHERE key = ?1")                     \
    S(NODE_TRASH, "WITH RECURSIVE below(key) AS (SELECT ?1 UNION ALL SELECT node.key FROM node "   \
                  "JOIN below ON node.parent = below.key WHERE node.trash = 0) "                   \
                  "UPDATE node SET trash = ?1, trashed_ms = ?2, revision = revision + 1 "          \
                  "WHERE key IN below")                                                            \
    S(NODE_UNTRASH, "UPDATE node SET trash = 0, trashed_ms = 0, revision = revision + 1 "          \
                    "WHERE trash = ?1 AND trash <> 0")                                             \
    S(NODE_BELOW, "WITH RECURSIVE below(key) AS (SELECT ?1 UNION ALL SELECT node.key FROM node "   \
                  "JOIN below ON node.parent = below.key WHERE node.trash <> 0) "                  \
                  "SELECT key FROM below")                                                         \
    S(NODE_REMOVE, "DELETE FROM node WHERE key = ?1")                                              \
    S(NODE_CHILDREN, "SELECT " NODE_COLUMNS " FROM node WHERE parent = ?1 AND trash = 0 "          \
                     "AND name > ?2 ORDER BY name LIMIT ?3")                                       \
    S(NODE_WORDS, "SELECT " NODE_COLUMNS " FROM search JOIN node ON node.key = search.rowid "      \
                  "WHERE search MATCH ?1 AND search.rowid < ?2 AND trash = 0 "                     \
                  "ORDER BY search.rowid DESC LIMIT ?3")                                           \
    S(NODE_BY_PROPERTY, "SELECT " NODE_COLUMNS " FROM property JOIN node ON node.key = "           \
                        "property.node WHERE property.name = ?4 AND property.value = ?5 "          \
                        "AND property.node < ?2 AND trash = 0 ORDER BY property.node DESC "        \
                        "LIMIT ?3")                                                                \
    S(NODE_BOTH, "SELECT " NODE_COLUMNS " FROM search JOIN node ON node.key = search.rowid "       \
                 "WHERE search MATCH ?1 AND search.rowid < ?2 AND trash = 0 AND EXISTS (SELECT "   \
                 "1 FROM property AS p WHERE p.node = node.key AND p.name = ?4 AND p.value = ?5) " \
                 "ORDER BY search.rowid DESC LIMIT ?3")                                            \
    S(NODE_TRASHED, "SELECT " NODE_COLUMNS " FROM node WHERE trash = key AND trash <> 0 "          \
                    "AND key < ?1 ORDER BY key DESC LIMIT ?2")                                     \
    S(PROPERTY_LIST, "SELECT name, value FROM property WHERE node = ?1 ORDER BY name")             \
    S(PROPERTY_CLEAR, "DELETE FROM property WHERE node = ?1")                                      \
    S(PROPERTY_ADD, "INSERT INTO property(node, name, value) VALUES(?1, ?2, ?3)")                  \
    S(SEARCH_PENDING, "SELECT " NODE_COLUMNS " FROM node WHERE key > ?1 ORDER BY key")             \
    S(SEARCH_ADD, "INSERT INTO search(rowid, name, properties) VALUES(?1, ?2, ?3)")                \
    S(SEARCH_REMOVE, "INSERT INTO search(search, rowid, name, properties) "                        \
                     "VALUES('delete', ?1, ?2, ?3)")                                               \
    S(VERSION_ADD, "INSERT INTO version(node, number, content, size, type, created_ms, "           \
                   "created_by) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                               \
    S(VERSION_GET, "SELECT number, content, size, type, created_ms, created_by FROM version "      \
                   "WHERE node = ?1 AND number = ?2")                                              \
    S(VERSION_LIST, "SELECT number, content, size, type, created_ms, created_by FROM version "     \
                    "WHERE node = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3")               \
    S(VERSION_REMOVE, "DELETE FROM version WHERE node = ?1 AND number = ?2")                       \
    S(USER_FIND, "SELECT key, name, role, hash, must_change, created_ms FROM user "                \
                 "WHERE name = ?1")                                                                \
    S(USER_GET, "SELECT key, name, role, hash, must_change, created_ms FROM user WHERE key = ?1")  \
    S(USER_LIST, "SELECT key, name, role, hash, must_change, created_ms FROM user "                \
                 "WHERE name > ?1 ORDER BY name LIMIT ?2")                                         \
    S(USER_ADD, "INSERT INTO user(name, role, hash, must_change, created_ms) "                     \
                "VALUES(?1, ?2, ?3, ?4, ?5)")                                                      \
    S(USER_CHANGE, "UPDATE user SET role = ?2, hash = ?3, must_change = ?4 WHERE key = ?1")        \
    S(USER_REMOVE, "DELETE FROM user WHERE key = ?1")                                              \
    S(USER_COUNT, "SELECT count(*), coalesce(sum(role = 1), 0) FROM user")                         \
    S(SESSION_ADD, "INSERT INTO session(hash, user, expires_s) VALUES(?1, ?2, ?3)")                \
    S(SESSION_FIND, "SELECT user FROM session WHERE hash = ?1 AND expires_s > ?2")                 \
    S(SESSION_REMOVE, "DELETE FROM session WHERE hash = ?1")                                       \
    S(SESSION_REMOVE_ALL, "DELETE FROM session WHERE user = ?1 AND hash IS NOT ?2")                \
    S(SESSION_EXPIRE, "DELETE FROM session WHERE expires_s <= ?1")                                 \
    S(KEYS_MAX, "SELECT coalesce((SELECT max(key) FROM node), 0), "                                \
                "coalesce((SELECT max(key) FROM content), 0)")                                     \
    S(DAV_LOCK_ADD, "INSERT INTO dav_lock(token, node, shared, deep, owner, user, expires_s) "     \
                    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                          \
    S(DAV_LOCK_GET, "SELECT " DAV_LOCK_COLUMNS " FROM dav_lock "                                   \
                    "WHERE token = ?1 AND expires_s > ?2")                                         \
    S(DAV_LOCK_ON, "SELECT " DAV_LOCK_COLUMNS " FROM dav_lock "                                    \
                   "WHERE node = ?1 AND expires_s > ?2")                                           \
    S(DAV_LOCK_ALL, "SELECT " DAV_LOCK_COLUMNS " FROM dav_lock WHERE expires_s > ?1")              \
    S(DAV_LOCK_EXTEND, "UPDATE dav_lock SET expires_s = ?2 WHERE token = ?1")                      \
    S(DAV_LOCK_REMOVE, "DELETE FROM dav_lock WHERE token = ?1")                                    \
    S(DAV_LOCK_END, "DELETE FROM dav_lock WHERE node = ?1")                                        \
    S(DAV_LOCK_EXPIRE, "DELETE FROM dav_lock WHERE expires_s <= ?1")                               \
    S(DAV_LOCK_COUNT, "SELECT count(*) FROM dav_lock")                                             \
    S(DAV_PROPERTIES, "SELECT ns, name, value FROM dav_property WHERE node = ?1")                  \
    S(DAV_PROPERTY_SET, "INSERT OR REPLACE INTO dav_property(node, ns, name, value) "              \
                        "VALUES(?1, ?2, ?3, ?4)")                                                  \
    S(DAV_PROPERTY_REMOVE, "DELETE FROM dav_property WHERE node = ?1 AND ns = ?2 AND name = ?3")   \
    S(DAV_PROPERTY_COUNT, "SELECT count(*) FROM dav_property WHERE node = ?1")                     \
    S(DAV_PROPERTY_CLEAR, "DELETE FROM dav_property WHERE node = ?1")                              \
    S(DAV_PROPERTY_COPY, "INSERT INTO dav_property(node, ns, name, value) "                        \
                         "SELECT ?2, ns, name, value FROM dav_property WHERE node = ?1")           \
    S(SETTING_GET, "SELECT value FROM setting WHERE name = ?1")                                    \
    S(SETTING_SET, "INSERT OR REPLACE INTO setting(name, value) VALUES(?1, ?2)")                   \
    S(COUNT_NODES,                                                                                 \
      "SELECT coalesce(sum(kind = 2 AND trash = 0), 0), "                                          \
      "coalesce(sum(kind = 1 AND trash = 0), 0), coalesce(sum(trash <> 0), 0) FROM node")

#define NODE_COLUMNS                                                                     \
    "node.key, parent, kind, node.name, revision, created_ms, modified_ms, created_by, " \
    "modified_by, has_properties, trash, trashed_ms, version, content, size, type"

#define DAV_LOCK_COLUMNS "token, node, shared, deep, owner, user, expires_s"

#define STATEMENT_ID(id, sql) STMT_##id,
enum statement { STORE_STATEMENTS(STATEMENT_ID) STMT_COUNT };

struct store {
    sqlite3 *db;
    int dir_fd, content_fd, incoming_fd;
    sqlite3_stmt *statements[STMT_COUNT];
    bool in_transaction;
    int64_t node_next, content_next; /* keys are never used again: see keys_load() */
    int64_t indexed;                 /* nodes up to this key are in the full-text index */
    bool purged;                     /* the index still holds words of what was purged */
    bool has_doomed;                 /* files to delete after the commit */
    bool broken;                     /* a step could not be undone */
    size_t step_mark;                /* of `committing`, when the present step began */
    struct buf committing; /* names in incoming/ that this transaction makes good, 32 bytes each */
};

/* A statement ready for binding; NULL without memory or if the database is broken. Always hand it
 * to stmt_done(). */
must_check sqlite3_stmt *store_stmt(struct store *store, enum statement id);
void stmt_done(sqlite3_stmt *stmt);
void stmt_donep(sqlite3_stmt **stmt);

/* Steps once: 1 a row, 0 done, -errno. */
must_check int store_step(struct store *store, sqlite3_stmt *stmt);
/* The -errno for what just failed in SQLite. */
must_check int store_errno(struct store *store, int sqlite_code);

/* Binds by the letters of `kinds`: i int64_t, s const char * (NULL: null), b struct slice. Static:
 * what is bound must live until stmt_done(). Runs a statement that yields no row. */
must_check int store_run(struct store *store, enum statement id, const char *kinds, ...);
/* Binds and leaves the statement for stepping; NULL as store_stmt(). */
must_check sqlite3_stmt *store_query(struct store *store, enum statement id, const char *kinds,
                                     ...);

/* A text column as the arena's; NULL if it is null or without memory. */
char *column_text(sqlite3_stmt *stmt, int column, struct arena *arena);

/* A key was given up: makes sure that it is not used again after a start. */
must_check int key_retire(struct store *store, const char *setting, int64_t key, int64_t next);
must_check int number_store(struct store *store, const char *name, int64_t number);
/* What the store keeps in memory of the database; again after a rollback. */
must_check int keys_load(struct store *store);

/* Adds a content with the draft's bytes, refs 0. */
must_check int content_add(struct store *store, struct content_draft *draft, int64_t *ret_key);
must_check int content_ref(struct store *store, int64_t key, int by);
/* Deletes the files whose rows are gone. */
void content_sweep(struct store *store);
/* After a crash: settles what is in incoming/. */
must_check int content_recover(struct store *store);

void node_read(sqlite3_stmt *stmt, struct arena *arena, struct node *ret);
/* The index takes in new nodes late and many at once, which costs a fraction of one by one: before
 * a search, at rest, and every SEARCH_PENDING_MAX nodes. Until then these do nothing for them. */
#define SEARCH_PENDING_MAX 1000
must_check int search_settle(struct store *store); /* within a step */
static inline bool search_pending(const struct store *store)
{
    return store->indexed + 1 < store->node_next;
}
/* The index entry for a node as it is now. */
must_check int search_add(struct store *store, const struct node *node);
must_check int search_remove(struct store *store, const struct node *node);

#endif
