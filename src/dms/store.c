/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_internal.h"

#include "base/log.h"
#include "dms/store_audit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHANGES_MAX = 100000 };

/* Each takes the database from the version before it to its own; the first makes version 1. */
static const char *const schema_steps[] = {
    "CREATE TABLE content(key INTEGER PRIMARY KEY, size INTEGER NOT NULL, "
    "refs INTEGER NOT NULL, file TEXT, data BLOB);"
    "CREATE TABLE doomed(file TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE node(key INTEGER PRIMARY KEY, parent INTEGER NOT NULL, "
    "kind INTEGER NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, "
    "created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL, created_by TEXT NOT NULL, "
    "modified_by TEXT NOT NULL, has_properties INTEGER NOT NULL, trash INTEGER NOT NULL, "
    "trashed_ms INTEGER NOT NULL, version INTEGER NOT NULL, content INTEGER NOT NULL, "
    "size INTEGER NOT NULL, type TEXT);"
    "CREATE UNIQUE INDEX node_name ON node(parent, name) WHERE trash = 0;"
    "CREATE INDEX node_trash ON node(parent, trash) WHERE trash <> 0;"
    "CREATE TABLE version(node INTEGER, number INTEGER, content INTEGER NOT NULL, "
    "size INTEGER NOT NULL, type TEXT, created_ms INTEGER NOT NULL, created_by TEXT NOT NULL, "
    "PRIMARY KEY(node, number)) WITHOUT ROWID;"
    "CREATE TABLE property(node INTEGER, name TEXT, value TEXT NOT NULL, PRIMARY KEY(node, name)) "
    "WITHOUT ROWID;"
    "CREATE INDEX property_value ON property(name, value, node);"
    "CREATE VIRTUAL TABLE search USING fts5(name, properties, content='', columnsize=0, "
    "tokenize='unicode61 remove_diacritics 2');"
    "CREATE TABLE user(key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, "
    "role INTEGER NOT NULL, hash TEXT NOT NULL, must_change INTEGER NOT NULL, "
    "created_ms INTEGER NOT NULL);"
    "CREATE TABLE session(hash BLOB PRIMARY KEY, user INTEGER NOT NULL, "
    "expires_s INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "INSERT INTO node VALUES(1, 0, 1, '', 1, 0, 0, '', '', 0, 0, 0, 0, 0, 0, NULL);",

    /* WebDAV's locks and properties */
    "CREATE TABLE dav_lock(token TEXT PRIMARY KEY, node INTEGER NOT NULL, shared INTEGER NOT NULL, "
    "deep INTEGER NOT NULL, owner TEXT NOT NULL, user TEXT NOT NULL, expires_s INTEGER NOT NULL) "
    "WITHOUT ROWID;"
    "CREATE INDEX dav_lock_node ON dav_lock(node);"
    "CREATE TABLE dav_property(node INTEGER, ns TEXT, name TEXT, value TEXT NOT NULL, "
    "PRIMARY KEY(node, ns, name)) WITHOUT ROWID;",

    /* What CMIS knows of an object beyond its name and content.
     * - A document's row says what its latest version is; the row in `version` of that one leaves out
     *   what stands there (name, who changed it when, revision), older ones and the private working copy
     *   have it (VERSION_FREEZE).
     * - `value` has typed properties, by version for documents and with number 0 for the others.
     * - `acl`: 0 only what the folder gives, 1 that and rows in `ace`, 2 only rows in `ace`.
     * - `filing` has folders beside `parent`. An object that is in no folder has minus its key as
     *   parent, so that the index of names holds.
     * - `extract` is the text of a document's latest content; the index needs it to forget it again. */
    "ALTER TABLE node ADD COLUMN cmis_type TEXT;"
    "ALTER TABLE node ADD COLUMN checked_out INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE node ADD COLUMN checked_out_by TEXT;"
    "ALTER TABLE node ADD COLUMN numbers_used INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE node ADD COLUMN acl INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX node_acl ON node(key) WHERE acl = 2;"
    "CREATE INDEX node_type ON node(cmis_type) WHERE cmis_type IS NOT NULL;"
    "CREATE INDEX node_out ON node(key) WHERE checked_out <> 0;"
    "ALTER TABLE version ADD COLUMN pwc INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE version ADD COLUMN major INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE version ADD COLUMN minor INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE version ADD COLUMN comment TEXT;"
    "ALTER TABLE version ADD COLUMN file_name TEXT;"
    "ALTER TABLE version ADD COLUMN name TEXT;"
    "ALTER TABLE version ADD COLUMN modified_ms INTEGER;"
    "ALTER TABLE version ADD COLUMN modified_by TEXT;"
    "ALTER TABLE version ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;"
    "UPDATE version SET major = number;"
    "UPDATE version SET name = (SELECT name FROM node WHERE key = version.node), "
    "modified_ms = created_ms, modified_by = created_by, revision = 1 "
    "WHERE number <> (SELECT version FROM node WHERE key = version.node);"
    "CREATE TABLE value(node INTEGER, number INTEGER, property TEXT, place INTEGER, value, "
    "PRIMARY KEY(node, number, property, place)) WITHOUT ROWID;"
    "CREATE INDEX value_of ON value(property, value);"
    "CREATE TABLE cmis_type(id TEXT PRIMARY KEY, definition TEXT NOT NULL);"
    "CREATE TABLE ace(node INTEGER, principal TEXT, permission TEXT, "
    "PRIMARY KEY(node, principal, permission)) WITHOUT ROWID;"
    "CREATE TABLE filing(parent INTEGER, node INTEGER, PRIMARY KEY(parent, node)) "
    "WITHOUT ROWID;"
    "CREATE INDEX filing_node ON filing(node);"
    "CREATE TABLE applied(node INTEGER, policy INTEGER, PRIMARY KEY(node, policy)) "
    "WITHOUT ROWID;"
    "CREATE INDEX applied_policy ON applied(policy);"
    "CREATE TABLE relationship(node INTEGER PRIMARY KEY, source INTEGER NOT NULL, "
    "source_id TEXT NOT NULL, target INTEGER NOT NULL, target_id TEXT NOT NULL);"
    "CREATE INDEX relationship_source ON relationship(source);"
    "CREATE INDEX relationship_target ON relationship(target);"
    "CREATE TABLE change(key INTEGER PRIMARY KEY AUTOINCREMENT, node INTEGER NOT NULL, "
    "number INTEGER NOT NULL, kind INTEGER NOT NULL, at_ms INTEGER NOT NULL);"
    "CREATE TABLE extract(node INTEGER PRIMARY KEY, text TEXT NOT NULL);"
    "DROP TABLE search;"
    "CREATE VIRTUAL TABLE search USING fts5(name, properties, content, content='', "
    "tokenize='unicode61 remove_diacritics 2');"
    "INSERT OR REPLACE INTO setting VALUES('indexed', '1');"
    "INSERT INTO ace VALUES(1, 'anyone', 'cmis:all');"
    "UPDATE node SET acl = 1, name = 'Root' WHERE key = 1;",

    STORE_PARTIAL_SCHEMA,

    /* The audit trail */
    "CREATE TABLE audit(sequence INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, "
    "action TEXT NOT NULL, user TEXT NOT NULL, node INTEGER NOT NULL, origin TEXT NOT NULL, "
    "name TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL, salt BLOB NOT NULL, "
    "mark BLOB NOT NULL);"
    "CREATE INDEX audit_node ON audit(node, sequence) WHERE node <> 0;"
    "CREATE INDEX audit_user ON audit(user, sequence);",

    /* Links that share a document */
    "CREATE TABLE share(key INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE, "
    "node INTEGER NOT NULL, user TEXT NOT NULL, created_ms INTEGER NOT NULL, "
    "expires_ms INTEGER NOT NULL, password TEXT, downloads INTEGER NOT NULL DEFAULT 0, "
    "downloads_max INTEGER NOT NULL);"
    "CREATE INDEX share_node ON share(node);",

    /* API tokens, second factors */
    "CREATE TABLE token(key INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE, "
    "user INTEGER NOT NULL, name TEXT NOT NULL, scopes INTEGER NOT NULL, "
    "created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX token_user ON token(user);"
    "CREATE TABLE factor(user INTEGER PRIMARY KEY, secret BLOB NOT NULL, "
    "confirmed INTEGER NOT NULL, last_step INTEGER NOT NULL);"
    "CREATE TABLE recovery(user INTEGER, hash BLOB, PRIMARY KEY(user, hash)) WITHOUT ROWID;",

    /* Times to keep, legal holds */
    "CREATE TABLE retention(node INTEGER PRIMARY KEY, until_ms INTEGER NOT NULL, "
    "user TEXT NOT NULL);"
    "CREATE TABLE hold(key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, "
    "reason TEXT NOT NULL, created_by TEXT NOT NULL, created_ms INTEGER NOT NULL, release_by TEXT, "
    "released_ms INTEGER NOT NULL DEFAULT 0);"
    "CREATE UNIQUE INDEX hold_name ON hold(name) WHERE released_ms = 0;"
    "CREATE TABLE held(hold INTEGER, node INTEGER, PRIMARY KEY(hold, node)) WITHOUT ROWID;"
    "CREATE INDEX held_node ON held(node);",

    STORE_MARKS_SCHEMA,

    STORE_SESSION_SCHEMA,

    STORE_GROUP_SCHEMA,

    STORE_QUOTA_SCHEMA,

    /* The SHA-256 of contents; NULL: not known. Contents of the same bytes share a file. */
    "ALTER TABLE content ADD COLUMN digest BLOB;"
    "CREATE INDEX content_digest ON content(digest) WHERE file IS NOT NULL;"
    "CREATE INDEX content_file ON content(file) WHERE file IS NOT NULL;",

    STORE_FIXITY_SCHEMA,

    STORE_DERIVED_SCHEMA,

    STORE_IDENTITY_SCHEMA,

    /* Beginnings of two and three characters have an index of their own (decision 027). What was
     * indexed is so again when it is first searched, or at rest. */
    "DROP TABLE search;"
    "CREATE VIRTUAL TABLE search USING fts5(name, properties, content, content='', prefix='2 3', "
    "tokenize='unicode61 remove_diacritics 2');"
    "INSERT OR REPLACE INTO setting VALUES('indexed', '1');",

    STORE_HOOK_SCHEMA,
};

/* The cache is given back at rest (store_rest()). No shared memory: this process is the only one.
 * FULL: a commit is durable. */
static const char pragmas[] = "PRAGMA locking_mode = EXCLUSIVE;"
                              "PRAGMA journal_mode = WAL;"
                              "PRAGMA synchronous = FULL;"
                              "PRAGMA secure_delete = ON;"
                              "PRAGMA cache_size = -2048;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA mmap_size = 0;"
                              "PRAGMA wal_autocheckpoint = 1000;"
                              "PRAGMA journal_size_limit = 1048576;"
                              "PRAGMA trusted_schema = OFF;";

static const char *const statement_texts[] = {
#define STATEMENT_TEXT(id, sql) sql,
    STORE_STATEMENTS(STATEMENT_TEXT)};

/* What a trigger refused, which is named by its message. */
static int trigger_errno(struct store *store)
{
    const char *said = sqlite3_errmsg(store->db);
    if (strcmp(said, "quota-bytes") == 0)
        return -EQUOTA_BYTES;
    return strcmp(said, "quota-documents") == 0 ? -EQUOTA_DOCUMENTS : -EIO;
}

int store_errno(struct store *store, int sqlite_code)
{
    if (sqlite_code == SQLITE_CONSTRAINT_TRIGGER)
        return trigger_errno(store);
    switch (sqlite_code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    default:
        break;
    }
    int cause = store->db ? sqlite3_system_errno(store->db) : 0;
    return cause == ENOSPC || cause == EDQUOT || cause == EFBIG ? -ENOSPC : -EIO;
}

/* Statements */

sqlite3_stmt *store_stmt(struct store *store, enum statement id)
{
    sqlite3_stmt **stmt = &store->statements[id];
    if (!*stmt && sqlite3_prepare_v3(store->db, statement_texts[id], -1, SQLITE_PREPARE_PERSISTENT,
                                     stmt, NULL) != SQLITE_OK)
        return NULL;
    return *stmt;
}

void stmt_done(sqlite3_stmt *stmt)
{
    if (!stmt)
        return;
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
}

void stmt_donep(sqlite3_stmt **stmt)
{
    stmt_done(*stmt);
}

int store_step(struct store *store, sqlite3_stmt *stmt)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : store_errno(store, code);
}

static int bind_all(sqlite3_stmt *stmt, const char *kinds, va_list args)
{
    int code = SQLITE_OK;
    for (int i = 1; kinds[i - 1] && code == SQLITE_OK; i++) {
        if (kinds[i - 1] == 'i') {
            code = sqlite3_bind_int64(stmt, i, va_arg(args, int64_t));
        } else if (kinds[i - 1] == 's') {
            code = sqlite3_bind_text(stmt, i, va_arg(args, const char *), -1, SQLITE_STATIC);
        } else if (kinds[i - 1] == 'd') {
            code = sqlite3_bind_double(stmt, i, va_arg(args, double));
        } else {
            struct slice bytes = va_arg(args, struct slice);
            code = bytes.bytes
                       ? sqlite3_bind_blob64(stmt, i, bytes.bytes, bytes.size, SQLITE_STATIC)
                       : sqlite3_bind_null(stmt, i);
        }
    }
    return code;
}

sqlite3_stmt *store_query(struct store *store, enum statement id, const char *kinds, ...)
{
    sqlite3_stmt *stmt = store_stmt(store, id);
    va_list args;
    va_start(args, kinds);
    if (stmt && bind_all(stmt, kinds, args) != SQLITE_OK) {
        stmt_done(stmt);
        stmt = NULL;
    }
    va_end(args);
    return stmt;
}

int store_run(struct store *store, enum statement id, const char *kinds, ...)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_stmt(store, id);
    if (!stmt)
        return store_errno(store, sqlite3_errcode(store->db));
    va_list args;
    va_start(args, kinds);
    int code = bind_all(stmt, kinds, args);
    va_end(args);
    int r = code == SQLITE_OK ? store_step(store, stmt) : store_errno(store, code);
    return r > 0 ? 0 : r;
}

char *column_text(sqlite3_stmt *stmt, int column, struct arena *arena)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text ? arena_text(arena, slice_of(text, (size_t)sqlite3_column_bytes(stmt, column)))
                : NULL;
}

/* Transactions */

bool store_in_transaction(const struct store *store)
{
    return store->in_transaction;
}

/* Names in incoming/ from `from` on will not be used after all. */
static void committing_drop(struct store *store, size_t from)
{
    for (size_t at = from; at < store->committing.size; at += 32) {
        char name[33] = {0};
        memcpy(name, store->committing.bytes + at, 32);
        (void)unlinkat(store->incoming_fd, name, 0);
    }
    store->committing.size = from;
}

/* A number among the settings; `otherwise` if it is not there. */
static int number_load(struct store *store, const char *name, int64_t otherwise, int64_t *ret)
{
    SCOPED(arena_done) struct arena arena = {.size_max = 256};
    char *text;
    int r = setting_get(store, &arena, name, &text);
    if (r == 0)
        *ret = strtoll(text, NULL, 10);
    else if (r == -ENOENT)
        *ret = otherwise;
    return r == -ENOENT ? 0 : r;
}

int number_store(struct store *store, const char *name, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    return store_run(store, STMT_SETTING_SET, "ss", name, text);
}

/* SQLite's AUTOINCREMENT would write one page more for each document. Instead the next key is the
 * largest plus one, and a key that was the largest leaves its successor in the settings when it
 * goes. */
int keys_load(struct store *store)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_KEYS_MAX, "");
    if (!stmt || store_step(store, stmt) != 1)
        return -EIO;
    int64_t node_next = 0, content_next = 0;
    int r = number_load(store, "node_next", 0, &node_next);
    if (r == 0)
        r = number_load(store, "content_next", 0, &content_next);
    if (r == 0)
        r = number_load(store, "indexed", STORE_ROOT, &store->indexed);
    store->node_next = MAX(node_next, sqlite3_column_int64(stmt, 0) + 1);
    store->content_next = MAX(content_next, sqlite3_column_int64(stmt, 1) + 1);
    return r;
}

int key_retire(struct store *store, const char *setting, int64_t key, int64_t next)
{
    return key + 1 == next ? number_store(store, setting, next) : 0;
}

/* What is kept in memory of the database, after a part of it was undone. */
static int memory_reload(struct store *store)
{
    store->factors = -1;
    int r = keys_load(store);
    return r < 0 ? r : audit_reload(store);
}

int store_step_begin(struct store *store)
{
    int r = 0;
    bool begins = !store->in_transaction;
    if (begins)
        r = store_run(store, STMT_BEGIN, "");
    if (r < 0)
        return r;
    store->in_transaction = true;
    /* What was read before stands before. Where that finds no room it waits: making room must not
     * need any. */
    if (begins && store->audit && audit_settle(store) == -EIO)
        return -EIO;
    int saved = store_run(store, STMT_SAVE, "");
    if (saved < 0)
        return saved;
    assert(store->step_depth < STEP_DEPTH_MAX);
    store->step_marks[store->step_depth++] = store->committing.size;
    return 0;
}

/* The model reads it again when it needs it. */
static void model_forget(struct store *store)
{
    if (store->types)
        store->types_forget(store);
}

int store_step_end(struct store *store, int result)
{
    assert(store->step_depth > 0);
    size_t mark = store->step_marks[--store->step_depth];
    if (result < 0) {
        model_forget(store);
        committing_drop(store, mark);
        if (store_run(store, STMT_UNDO, "") < 0 || memory_reload(store) < 0)
            store->broken = true; /* so that the commit fails too */
    }
    if (store_run(store, STMT_RELEASE, "") < 0)
        store->broken = true;
    return result;
}

void store_spoil(struct store *store)
{
    store->broken = true;
}

static void rolled_back(struct store *store)
{
    model_forget(store);
    if (!sqlite3_get_autocommit(store->db))
        (void)!store_run(store, STMT_ROLLBACK, "");
    committing_drop(store, 0);
    store->in_transaction = false;
    audit_ended(store, false);
    store->broken = memory_reload(store) < 0;
}

static void committed(struct store *store)
{
    store->in_transaction = false;
    audit_ended(store, true);
    for (size_t at = 0; at < store->committing.size; at += 32) {
        char name[33] = {0};
        memcpy(name, store->committing.bytes + at, 32);
        /* If this fails the content is found in incoming/, now and at the next start. */
        (void)renameat(store->incoming_fd, name, store->content_fd, name);
    }
    buf_done(&store->committing);
    if (store->has_doomed && !store->sweeps_later)
        content_sweep(store);
}

int store_commit(struct store *store)
{
    if (!store->in_transaction)
        return 0;
    int r = store->broken ? -EIO : audit_settle(store);
    if (r == 0 || r == -ENOSPC)
        r = store_run(store, STMT_COMMIT, "");
    if (r < 0)
        rolled_back(store);
    else
        committed(store);
    return r;
}

/* Opening and closing */

static int directory_open(int at_fd, const char *name, int *ret_fd, struct error *e)
{
    if (mkdirat(at_fd, name, 0700) < 0 && errno != EEXIST)
        return error_set(e, -errno, "cannot make the directory '%s'", name);
    int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, -errno, "cannot open the directory '%s'", name);
    *ret_fd = fd;
    return 0;
}

static int database_exec(struct store *store, const char *sql, struct error *e)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return 0;
    int r = store_errno(store, code);
    return error_set(e, r, "the database cannot be used: %s", sqlite3_errmsg(store->db));
}

static int schema_version(struct store *store, int *ret_version)
{
    sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &stmt, NULL);
    if (code != SQLITE_OK)
        return store_errno(store, code);
    int r = store_step(store, stmt);
    *ret_version = r == 1 ? sqlite3_column_int(stmt, 0) : 0;
    (void)sqlite3_finalize(stmt);
    return r == 1 ? 0 : -EIO;
}

static int schema_settle(struct store *store, struct error *e)
{
    const int newest = (int)ARRAY_COUNT(schema_steps);
    char text[64];
    int version = 0;
    int r = schema_version(store, &version);
    if (r < 0)
        return error_set(e, r, "the database cannot be read: %s", sqlite3_errmsg(store->db));
    if (version == newest)
        return 0;
    if (version < 0 || version > newest)
        return error_set(e, -EPROTO, "the database is of version %d; this program knows %d",
                         version, newest);
    r = database_exec(store, "BEGIN EXCLUSIVE", e);
    for (int i = version; r == 0 && i < newest; i++)
        r = database_exec(store, schema_steps[i], e);
    (void)snprintf(text, sizeof text, "PRAGMA user_version = %d; COMMIT", newest);
    if (r == 0)
        r = database_exec(store, text, e);
    if (r == 0) /* a new store does not begin with a long log */
        (void)sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return r;
}

static int database_open(struct store *store, const char *directory, struct error *e)
{
    SCOPED(buf_done) struct buf path = {0};
    (void)buf_printf(&path, "%s/coffer.db", directory);
    const char *text = buf_text(&path);
    if (!text)
        return error_set(e, -ENOMEM, "no memory");
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 256, 48);
    int code = sqlite3_open_v2(
        text, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, NULL);
    if (code != SQLITE_OK)
        return error_set(e, store_errno(store, code), "cannot open the database '%s': %s", text,
                         store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code));
    (void)sqlite3_extended_result_codes(store->db, 1);
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int r = database_exec(store, pragmas, e);
    return r < 0 ? r : schema_settle(store, e);
}

static void store_freep(struct store **store)
{
    store_close(*store);
}

int store_open(const char *directory, struct store **ret_store, struct error *e)
{
    SCOPED(store_freep) struct store *store = calloc(1, sizeof *store);
    if (!store)
        return error_set(e, -ENOMEM, "no memory");
    store->dir_fd = store->content_fd = store->incoming_fd = -1;
    store->factors = -1;
    store->to_derive = true; /* perhaps */
    int r = directory_open(AT_FDCWD, directory, &store->dir_fd, e);
    if (r == 0)
        r = directory_open(store->dir_fd, "content", &store->content_fd, e);
    if (r == 0)
        r = directory_open(store->dir_fd, "incoming", &store->incoming_fd, e);
    if (r == 0)
        r = database_open(store, directory, e);
    if (r < 0)
        return r;
    r = keys_load(store);
    if (r == 0)
        r = audit_open(store);
    if (r == 0)
        r = content_recover(store);
    if (r == 0)
        room_keep(store);
    if (r < 0)
        return error_set(e, r, "cannot settle what a crash left behind in '%s'", directory);
    *ret_store = TAKE(store);
    return 0;
}

static void statements_finalize(struct store *store)
{
    for (size_t i = 0; i < STMT_COUNT; i++) {
        (void)sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->db && store->in_transaction)
        rolled_back(store);
    model_forget(store);

    if (store->audit && !store->broken && (audit_settle(store) < 0 || store_commit(store) < 0))
        LOG_WARNING("the last entries of the audit trail could not be written");
    audit_close(store);
    statements_finalize(store);
    if (store->db)
        (void)sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_close(store->db);
    int fds[] = {store->incoming_fd, store->content_fd, store->dir_fd};
    for (size_t i = 0; i < ARRAY_COUNT(fds); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    buf_done(&store->committing);
    free(store);
}

void store_rest(struct store *store)
{
    if (store->in_transaction)
        return;
    if (search_pending(store)) {
        int r = search_settle_all(store);
        if (store_commit(store) < 0 || r < 0)
            return; /* the next search tries again */
    }
    if (store->purged) /* merges the index, so that words of purged documents are gone from it */
        (void)sqlite3_exec(store->db, "INSERT INTO search(search) VALUES('optimize')", NULL, NULL,
                           NULL);
    store->purged = false;
    if (store_run(store, STMT_CHANGE_PRUNE, "i", (int64_t)CHANGES_MAX) < 0)
        return;
    (void)sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    model_forget(store);
    statements_finalize(store);
    room_keep(store);
    (void)sqlite3_db_release_memory(store->db);
}

int store_count(struct store *store, struct store_counts *ret_counts)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_COUNT_NODES, "");
    if (!stmt || store_step(store, stmt) != 1)
        return -EIO;
    *ret_counts =
        (struct store_counts){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                              sqlite3_column_int64(stmt, 2)};
    return 0;
}
