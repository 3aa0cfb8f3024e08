/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/store_internal.h: statements of the store, shared by store.c and store_tables.c. */
#ifndef COFFER_KBS_STORE_INTERNAL_H
#define COFFER_KBS_STORE_INTERNAL_H

#include "kbs/store.h"

#include <sqlite3.h>
#include <stdarg.h>

/* M(id, sql) */
#define STORE_STATEMENTS(M)                                                                      \
    M(BEGIN, "BEGIN IMMEDIATE")                                                                  \
    M(COMMIT, "COMMIT")                                                                          \
    M(ROLLBACK, "ROLLBACK")                                                                      \
    M(SAVEPOINT, "SAVEPOINT request")                                                            \
    M(RELEASE, "RELEASE request")                                                                \
    M(UNDO, "ROLLBACK TO request")                                                               \
    M(SETTING_GET, "SELECT value FROM setting WHERE name = ?")                                   \
    M(SETTING_PUT, "INSERT INTO setting(name, value) VALUES(?, ?) "                              \
                   "ON CONFLICT(name) DO UPDATE SET value = excluded.value")                     \
    M(TENANT_ADD, "INSERT INTO tenant(name, owner, created_s) VALUES(?, ?, ?)")                  \
    M(TENANT_GET, "SELECT name, owner, created_s FROM tenant WHERE name = ?")                    \
    M(TENANT_LIST, "SELECT name, owner, created_s FROM tenant ORDER BY name")                    \
    M(TENANT_COUNT, "SELECT count(*) FROM tenant")                                               \
    M(POLICY_GET, "SELECT yaml, hash, revoked FROM policy WHERE tenant = ? AND name = ?")        \
    M(POLICY_PUT, "INSERT INTO policy(tenant, name, yaml, hash, signature, revoked) "            \
                  "VALUES(?, ?, ?, ?, ?, 0) ON CONFLICT(tenant, name) DO UPDATE SET "            \
                  "yaml = excluded.yaml, hash = excluded.hash, signature = excluded.signature, " \
                  "revoked = 0")                                                                 \
    M(POLICY_REVOKE, "UPDATE policy SET revoked = 1 WHERE tenant = ? AND name = ?")              \
    M(SECRET_GET, "SELECT value, revealed FROM secret WHERE tenant = ? AND policy = ? "          \
                  "AND name = ?")                                                                \
    M(SECRET_PUT, "INSERT INTO secret(tenant, policy, name, value, revealed) "                   \
                  "VALUES(?, ?, ?, ?, 0) ON CONFLICT(tenant, policy, name) DO UPDATE SET "       \
                  "value = excluded.value, revealed = 0")                                        \
    M(SECRET_REVEALED, "UPDATE secret SET revealed = 1 WHERE tenant = ? AND policy = ? "         \
                       "AND name = ?")                                                           \
    M(VOLUME_GET, "SELECT id, key, epoch, sequence, tag, held, deadline_ms, session, instance, " \
                  "opening FROM volume WHERE tenant = ? AND policy = ? AND name = ?")            \
    M(VOLUME_FIND, "SELECT name, epoch, sequence, tag, held, deadline_ms, session, instance, "   \
                   "opening FROM volume WHERE tenant = ? AND policy = ? AND id = ?")             \
    M(VOLUME_ADD, "INSERT INTO volume(id, tenant, policy, name, key) VALUES(?, ?, ?, ?, ?)")     \
    M(VOLUME_PUT, "UPDATE volume SET epoch = ?, sequence = ?, tag = ?, held = ?, "               \
                  "deadline_ms = ?, session = ?, instance = ?, opening = ? WHERE id = ?")        \
    M(VOLUMES_REVOKE, "UPDATE volume SET epoch = epoch + 1, held = 0, session = zeroblob(32) "   \
                      "WHERE tenant = ? AND policy = ?")                                         \
    M(SESSION_GET, "SELECT tenant, policy, instance, expires_s FROM session WHERE key = ?")      \
    M(SESSION_PUT, "INSERT INTO session(key, tenant, policy, instance, expires_s) "              \
                   "VALUES(?, ?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET "                       \
                   "tenant = excluded.tenant, policy = excluded.policy, "                        \
                   "instance = excluded.instance, expires_s = excluded.expires_s")               \
    M(SESSION_EXPIRE, "DELETE FROM session WHERE expires_s < ?")                                 \
    M(SESSIONS_DROP, "DELETE FROM session WHERE tenant = ? AND policy = ?")                      \
    M(AUDIT_LAST, "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")             \
    M(AUDIT_HASH, "SELECT hash FROM audit WHERE sequence = ?")                                   \
    M(AUDIT_FIND, "SELECT sequence FROM audit WHERE hash = ?")                                   \
    M(LEASES_RESTART, "UPDATE volume SET deadline_ms = ? WHERE held = 1")                        \
    M(COMMITS_GET, "SELECT commits FROM head WHERE id = 1")                                      \
    M(COMMITS_ADD, "UPDATE head SET commits = commits + 1 WHERE id = 1")                         \
    M(AUDIT_ADD, "INSERT INTO audit(sequence, time_s, event, hash, signature) "                  \
                 "VALUES(?, ?, ?, ?, ?)")                                                        \
    M(AUDIT_LIST, "SELECT sequence, time_s, event, hash, signature FROM audit "                  \
                  "WHERE sequence > ? ORDER BY sequence LIMIT ?")                                \
    M(VOLUME_WHERE, "SELECT tenant, policy, name FROM volume WHERE id = ?")                      \
    M(VOLUME_KEY_PUT, "UPDATE volume SET key = ? WHERE id = ?")                                  \
    M(ERASE_KEY_LIST, "SELECT number, key FROM erase_key WHERE volume = ? ORDER BY number")      \
    M(ERASE_KEY_ADD, "INSERT INTO erase_key(volume, number, key) VALUES(?, ?, ?)")               \
    M(ERASE_KEY_DROP, "DELETE FROM erase_key WHERE volume = ? AND number < ?")                   \
    M(ORDER_GET, "SELECT serial, body FROM volume_order WHERE volume = ?")                       \
    M(ORDER_PUT, "INSERT INTO volume_order(volume, serial, body) VALUES(?, ?, ?) "               \
                 "ON CONFLICT(volume) DO UPDATE SET serial = excluded.serial, "                  \
                 "body = excluded.body")                                                         \
    M(ORDER_DROP, "DELETE FROM volume_order WHERE volume = ?")

#define STORE_ID(id, sql) STORE_##id,
enum store_statement { STORE_STATEMENTS(STORE_ID) STORE_STATEMENT_COUNT };
#undef STORE_ID

/* Where a sealed value belongs; names hold no '/', so two places never have one text. */
enum { STORE_WHERE_SIZE = 256 };
void store_where(char where[STORE_WHERE_SIZE], const char *table, const char *a, const char *b,
                 const char *c);

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT]; /* prepared at first use */
    struct key256 seal_key;
    bool in_transaction;
    bool forgets;        /* what it deletes shall not linger in the write-ahead log */
    store_ship_fn *ship; /* NULL: commits are ours alone */
    void *ship_ctx;
    struct buf record;            /* what the transaction has changed so far */
    size_t record_mark;           /* how much of it was there when the present request began */
    sqlite3_int64 changes_before; /* rows changed when the transaction began */
};

/* A reset statement with `types` bound: 't' const char *, 'b' const struct slice *, 'i' int64_t.
 * NULL if the library fails. The caller steps it and resets it with store_reset(). */
must_check sqlite3_stmt *store_bind(struct store *store, enum store_statement id, const char *types,
                                    ...);
void store_reset(sqlite3_stmt **statement);

/* After a commit that destroyed keys: nothing of them stays in the database's files. 0 or -EIO. */
must_check int store_forget(struct store *store);

/* Is it one that changes rows, so that another must repeat it? */
bool store_statement_writes(enum store_statement id);
/* Adds it to the record; on a statement that writes, while somebody is shipped to. */
void store_record(struct store *store, enum store_statement id, const char *types, va_list args);

must_check int store_root_open(struct store *store, const char *dir,
                               const struct key256 *platform_key, struct error *e);

/* Binds, steps once, expects no row. 0, -EEXIST for a constraint, -EIO. */
#define store_run(store, id, types, ...) \
    store_step_done(store_bind(store, id, types, ##__VA_ARGS__))
must_check int store_step_done(sqlite3_stmt *statement);

/* 1: a row; 0: none; -EIO. */
must_check int store_step_row(sqlite3_stmt *statement);

/* A column of exactly `size` bytes; -EBADMSG otherwise. */
must_check int store_column_fixed(sqlite3_stmt *statement, int column, void *bytes, size_t size);
must_check int store_column_text(sqlite3_stmt *statement, int column, char *text, size_t size);
struct slice store_column_slice(sqlite3_stmt *statement, int column);

/* Seals under the store's key, bound to `where`; opens. */
must_check int store_seal(struct store *store, const char *where, struct slice plain,
                          struct buf *ret_sealed);
must_check int store_unseal(struct store *store, const char *where, struct slice sealed,
                            struct buf *ret_plain);

#endif
