/* SPDX-License-Identifier: Apache-2.0 */
/* The database itself: opening, statements, transactions, sealing. Tables are in store_tables.c. */
#include "kbs/store_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *const statements[STORE_STATEMENT_COUNT] = {
#define STORE_SQL(id, sql) [STORE_##id] = sql,
    STORE_STATEMENTS(STORE_SQL)
#undef STORE_SQL
};

/* One writer, one process: a second key broker on the same state finds it locked (both would hand
 * out epochs), and the write-ahead log needs no shared memory. FULL makes a commit durable before
 * it returns. */
static const char schema[] =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA secure_delete = ON;"
    "PRAGMA foreign_keys = ON;"
    "PRAGMA cache_size = -2000;"
    "CREATE TABLE IF NOT EXISTS head(id INTEGER PRIMARY KEY CHECK(id = 1),"
    " commits INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO head VALUES(1, 0);"
    "CREATE TABLE IF NOT EXISTS setting(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS tenant(name TEXT PRIMARY KEY, owner BLOB NOT NULL,"
    " created_s INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS policy(tenant TEXT NOT NULL REFERENCES tenant(name),"
    " name TEXT NOT NULL, yaml BLOB NOT NULL, hash BLOB NOT NULL, signature BLOB NOT NULL,"
    " revoked INTEGER NOT NULL, PRIMARY KEY(tenant, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS secret(tenant TEXT NOT NULL, policy TEXT NOT NULL,"
    " name TEXT NOT NULL, value BLOB NOT NULL, revealed INTEGER NOT NULL,"
    " PRIMARY KEY(tenant, policy, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS volume(id BLOB PRIMARY KEY, tenant TEXT NOT NULL,"
    " policy TEXT NOT NULL, name TEXT NOT NULL, key BLOB NOT NULL,"
    " epoch INTEGER NOT NULL DEFAULT 0, sequence INTEGER NOT NULL DEFAULT 0,"
    " tag BLOB NOT NULL DEFAULT (zeroblob(32)), held INTEGER NOT NULL DEFAULT 0,"
    " deadline_ms INTEGER NOT NULL DEFAULT 0, session BLOB NOT NULL DEFAULT (zeroblob(32)),"
    " instance BLOB NOT NULL DEFAULT (zeroblob(16)),"
    " opening BLOB NOT NULL DEFAULT (zeroblob(16)), UNIQUE(tenant, policy, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS erase_key(volume BLOB NOT NULL REFERENCES volume(id),"
    " number INTEGER NOT NULL, key BLOB NOT NULL, PRIMARY KEY(volume, number)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS volume_order(volume BLOB PRIMARY KEY REFERENCES volume(id),"
    " serial INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS session(key BLOB PRIMARY KEY, tenant TEXT NOT NULL,"
    " policy TEXT NOT NULL, instance BLOB NOT NULL, expires_s INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS session_expires ON session(expires_s);"
    "CREATE TABLE IF NOT EXISTS audit(sequence INTEGER PRIMARY KEY, time_s INTEGER NOT NULL,"
    " event TEXT NOT NULL, hash BLOB NOT NULL, signature BLOB NOT NULL);";

static int db_open(const char *path, struct store *store, struct error *e)
{
    char *why = NULL;
    int r = sqlite3_open_v2(path, &store->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                SQLITE_OPEN_NOFOLLOW,
                            NULL);
    if (r == SQLITE_OK)
        r = sqlite3_exec(store->db, schema, NULL, NULL, &why);
    if (r != SQLITE_OK) {
        error_set(e, -EIO, "cannot open the state '%s': %s", path,
                  why         ? why
                  : store->db ? sqlite3_errmsg(store->db)
                              : sqlite3_errstr(r));
        sqlite3_free(why);
        return -EIO;
    }
    return 0;
}

int store_open(const char *dir, const struct key256 *seal_key, struct store **ret_store,
               struct error *e)
{
    SCOPED(store_freep) struct store *store = calloc(1, sizeof *store);
    char path[4096];
    if (!store)
        return error_set(e, -ENOMEM, "no memory for the store");
    int len = snprintf(path, sizeof path, "%s/kbs.db", dir);
    if (len < 0 || (size_t)len >= sizeof path)
        return error_set(e, -ENAMETOOLONG, "the state directory's path is too long");
    mode_t mask = umask(077);
    int r = db_open(path, store, e);
    umask(mask);
    if (r == 0)
        r = store_root_open(store, dir, seal_key, e);
    if (r == 0)
        *ret_store = TAKE(store);
    return r;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    key256_wipe(&store->seal_key);
    buf_done(&store->record);
    free(store);
}

void store_freep(struct store **store)
{
    store_free(*store);
}

static int bind_all(sqlite3_stmt *statement, const char *types, va_list args)
{
    int r = SQLITE_OK;
    for (int i = 0; types[i] && r == SQLITE_OK; i++) {
        if (types[i] == 't') {
            r = sqlite3_bind_text(statement, i + 1, va_arg(args, const char *), -1,
                                  SQLITE_TRANSIENT);
        } else if (types[i] == 'b') {
            const struct slice *bytes = va_arg(args, const struct slice *);
            r = sqlite3_bind_blob64(statement, i + 1, bytes->size ? bytes->bytes : (const void *)"",
                                    bytes->size, SQLITE_TRANSIENT);
        } else {
            r = sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
        }
    }
    return r;
}

sqlite3_stmt *store_bind(struct store *store, enum store_statement id, const char *types, ...)
{
    sqlite3_stmt **statement = &store->statements[id];
    va_list args;
    if (!*statement && sqlite3_prepare_v3(store->db, statements[id], -1, SQLITE_PREPARE_PERSISTENT,
                                          statement, NULL) != SQLITE_OK)
        return NULL;
    va_start(args, types);
    int r = bind_all(*statement, types, args);
    va_end(args);
    if (r == SQLITE_OK && store->ship && store_statement_writes(id)) {
        va_start(args, types);
        store_record(store, id, types, args);
        va_end(args);
    }
    store->forgets |= id == STORE_ERASE_KEY_DROP;
    if (r == SQLITE_OK)
        return *statement;
    store_reset(statement);
    return NULL;
}

void store_ship_to(struct store *store, store_ship_fn *ship, void *ctx)
{
    store->ship = ship;
    store->ship_ctx = ctx;
    buf_clear(&store->record);
    store->record_mark = 0;
}

bool store_statement_writes(enum store_statement id)
{
    const char *sql = statements[id];
    return strncmp(sql, "INSERT", 6) == 0 || strncmp(sql, "UPDATE", 6) == 0 ||
           strncmp(sql, "DELETE", 6) == 0;
}

void store_reset(sqlite3_stmt **statement)
{
    if (!*statement)
        return;
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement);
}

int store_step_done(sqlite3_stmt *statement)
{
    if (!statement)
        return -EIO;
    int r = sqlite3_step(statement);
    store_reset(&statement);
    return r == SQLITE_DONE || r == SQLITE_ROW ? 0 : r == SQLITE_CONSTRAINT ? -EEXIST : -EIO;
}

int store_step_row(sqlite3_stmt *statement)
{
    int r = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : -EIO;
}

struct slice store_column_slice(sqlite3_stmt *statement, int column)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    int size = sqlite3_column_bytes(statement, column);
    return slice_of(bytes, bytes && size > 0 ? (size_t)size : 0);
}

int store_column_fixed(sqlite3_stmt *statement, int column, void *bytes, size_t size)
{
    struct slice value = store_column_slice(statement, column);
    if (value.size != size)
        return -EBADMSG;
    memcpy(bytes, value.bytes, size);
    return 0;
}

int store_column_text(sqlite3_stmt *statement, int column, char *text, size_t size)
{
    const unsigned char *value = sqlite3_column_text(statement, column);
    int len = snprintf(text, size, "%s", value ? (const char *)value : "");
    return len < 0 || (size_t)len >= size ? -EBADMSG : 0;
}

bool store_busy(const struct store *store)
{
    return store->in_transaction;
}

bool store_changed(const struct store *store)
{
    return store->in_transaction && sqlite3_total_changes64(store->db) != store->changes_before;
}

int store_request_begin(struct store *store)
{
    if (!store->in_transaction) {
        int r = store_run(store, STORE_BEGIN, "");
        if (r < 0)
            return r;
        store->in_transaction = true;
        buf_clear(&store->record);
        store->changes_before = sqlite3_total_changes64(store->db);
    }
    store->record_mark = store->record.size;
    return store_run(store, STORE_SAVEPOINT, "");
}

int store_request_end(struct store *store, bool keep)
{
    int r = keep ? 0 : store_run(store, STORE_UNDO, "");
    if (!keep)
        store->record.size = store->record_mark;
    int released = store_run(store, STORE_RELEASE, "");
    return r < 0 ? r : released;
}

/* What changes something counts, and another agrees first if there is one. */
static int changes_finish(struct store *store)
{
    uint64_t before = 0;
    if (!store_changed(store))
        return 0;
    int r = store_commits(store, &before);
    if (r == 0)
        r = store_run(store, STORE_COMMITS_ADD, "");
    if (r == 0 && store->record.failed)
        r = -ENOMEM;
    return r < 0 || !store->ship ? r
                                 : store->ship(store->ship_ctx, before, buf_slice(&store->record));
}

int store_forget(struct store *store)
{
    bool due = store->forgets;
    store->forgets = false;
    return !due || sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                             NULL) == SQLITE_OK
               ? 0
               : -EIO;
}

int store_commit(struct store *store)
{
    if (!store->in_transaction)
        return 0;
    int r = changes_finish(store);
    if (r == 0)
        r = store_run(store, STORE_COMMIT, "");
    if (r < 0 && store_run(store, STORE_ROLLBACK, "") < 0)
        r = -EIO;
    store->in_transaction = false;
    buf_clear(&store->record);
    return r < 0 ? r : store_forget(store);
}

int store_seal(struct store *store, const char *where, struct slice plain, struct buf *ret_sealed)
{
    SCOPED(aead_freep) struct aead *aead = NULL;
    uint8_t nonce[AEAD_NONCE_SIZE], tag[AEAD_TAG_SIZE];
    int r = crypto_random(nonce, sizeof nonce);
    if (r == 0)
        r = aead_new(&store->seal_key, &aead);
    if (r == 0)
        r = buf_append(ret_sealed, nonce, sizeof nonce);
    uint8_t *to = r == 0 ? buf_reserve(ret_sealed, plain.size + sizeof tag) : NULL;
    if (!to)
        return r < 0 ? r : -ENOMEM;
    r = aead_seal(aead, nonce, slice_of_text(where), plain.bytes, plain.size, to, tag);
    memcpy(to + plain.size, tag, sizeof tag);
    ret_sealed->size += plain.size + sizeof tag;
    return r;
}

int store_unseal(struct store *store, const char *where, struct slice sealed, struct buf *ret_plain)
{
    SCOPED(aead_freep) struct aead *aead = NULL;
    if (sealed.size < AEAD_NONCE_SIZE + AEAD_TAG_SIZE)
        return -EBADMSG;
    size_t size = sealed.size - AEAD_NONCE_SIZE - AEAD_TAG_SIZE;
    const uint8_t *in = sealed.bytes + AEAD_NONCE_SIZE;
    int r = aead_new(&store->seal_key, &aead);
    uint8_t *to = r == 0 ? buf_reserve(ret_plain, size + 1) : NULL;
    if (!to)
        return r < 0 ? r : -ENOMEM;
    r = aead_open(aead, sealed.bytes, slice_of_text(where), in, size, in + size, to);
    if (r == 0)
        ret_plain->size += size;
    return r;
}
