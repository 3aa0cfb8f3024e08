/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_identity.h"
#include "dms/store_internal.h"

#include <errno.h>

static int identity_read(sqlite3_stmt *stmt, struct arena *arena, struct identity *ret)
{
    *ret = (struct identity){
        .key = sqlite3_column_int64(stmt, 0),
        .user = sqlite3_column_int64(stmt, 1),
        .kind = column_text(stmt, 2, arena),
        .issuer = column_text(stmt, 3, arena),
        .subject = column_text(stmt, 4, arena),
        .label = column_text(stmt, 5, arena),
        .created_ms = sqlite3_column_int64(stmt, 6),
        .used_ms = sqlite3_column_int64(stmt, 7),
    };
    return ret->kind && ret->issuer && ret->subject && ret->label ? 0 : -ENOMEM;
}

static int room_check(struct store *store, int64_t user)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_IDENTITY_COUNT, "i", user);
    if (!stmt || store_step(store, stmt) != 1)
        return -EIO;
    return sqlite3_column_int64(stmt, 0) < IDENTITIES_MAX ? 0 : -EDQUOT;
}

int identity_add(struct store *store, struct identity *identity)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = room_check(store, identity->user);
    if (r == 0)
        r = store_run(store, STMT_IDENTITY_ADD, "issssii", identity->user, identity->kind,
                      identity->issuer, identity->subject, identity->label, identity->created_ms,
                      identity->used_ms);
    if (r == 0)
        identity->key = sqlite3_last_insert_rowid(store->db);
    return store_step_end(store, r);
}

int identity_find(struct store *store, struct arena *arena, const char *kind, const char *issuer,
                  const char *subject, struct identity *ret)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_IDENTITY_FIND, "sss", kind, issuer, subject);
    int r = stmt ? store_step(store, stmt) : -EIO;
    return r == 1 ? identity_read(stmt, arena, ret) : r < 0 ? r : -ENOENT;
}

int identity_used(struct store *store, int64_t key, const char *label, int64_t now_ms)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    return store_step_end(store, store_run(store, STMT_IDENTITY_USED, "isi", key, label, now_ms));
}

int identity_remove(struct store *store, int64_t user, int64_t key)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_IDENTITY_REMOVE, "ii", user, key);
    if (r == 0 && sqlite3_changes(store->db) == 0)
        r = -ENOENT;
    if (r == 0)
        r = store_run(store, STMT_IDENTITY_END_SESSIONS, "i", key);
    return store_step_end(store, r);
}

int identity_list(struct store *store, int64_t user, identity_fn *fn, void *arg)
{
    SCOPED(arena_done) struct arena arena = {0};
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_IDENTITY_LIST, "i", user);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct identity identity;
        r = identity_read(stmt, &arena, &identity);
        if (r == 0)
            r = fn(arg, &identity);
        arena_reset(&arena);
    }
    return r;
}

int identity_began(struct store *store, int64_t key, const uint8_t hash[TOKEN_HASH_SIZE])
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_IDENTITY_BEGAN_PRUNE, "");
    if (r == 0)
        r = store_run(store, STMT_IDENTITY_BEGAN, "bi", slice_of(hash, TOKEN_HASH_SIZE), key);
    return store_step_end(store, r);
}

int identity_of_session(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE], const char *kind,
                        bool *ret_did)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt =
        store_query(store, STMT_IDENTITY_OF_SESSION, "bs", slice_of(hash, TOKEN_HASH_SIZE), kind);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r < 0)
        return r;
    *ret_did = r == 1;
    return 0;
}
