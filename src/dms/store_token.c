/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_token.h"
#include "base/secret.h"
#include "dms/store_internal.h"

#include <errno.h>

#define USED_EXACT_MS ((int64_t)3600 * 1000)

/* API tokens */

static int token_read(sqlite3_stmt *stmt, struct arena *arena, struct token *ret)
{
    *ret = (struct token){
        .key = sqlite3_column_int64(stmt, 0),
        .user = sqlite3_column_int64(stmt, 1),
        .name = column_text(stmt, 2, arena),
        .scopes = (unsigned)sqlite3_column_int(stmt, 3),
        .created_ms = sqlite3_column_int64(stmt, 4),
        .expires_ms = sqlite3_column_int64(stmt, 5),
        .used_ms = sqlite3_column_int64(stmt, 6),
    };
    return ret->name ? 0 : -ENOMEM;
}

static int count_of(struct store *store, int64_t user, int64_t *ret_count)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_TOKEN_COUNT, "i", user);
    int r = stmt ? store_step(store, stmt) : -EIO;
    *ret_count = r == 1 ? sqlite3_column_int64(stmt, 0) : 0;
    return r == 1 ? 0 : -EIO;
}

static int add(struct store *store, struct token *token, const uint8_t hash[TOKEN_HASH_SIZE])
{
    int64_t count;
    int r = count_of(store, token->user, &count);
    if (r == 0 && count >= TOKENS_MAX)
        r = -EDQUOT;
    if (r == 0)
        r = store_run(store, STMT_TOKEN_ADD, "bisiii", slice_of(hash, TOKEN_HASH_SIZE), token->user,
                      token->name, (int64_t)token->scopes, token->created_ms, token->expires_ms);
    if (r == 0)
        token->key = sqlite3_last_insert_rowid(store->db);
    return r;
}

int token_add(struct store *store, struct token *token, const uint8_t hash[TOKEN_HASH_SIZE])
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, add(store, token, hash));
}

int token_find(struct store *store, struct arena *arena, const uint8_t hash[TOKEN_HASH_SIZE],
               int64_t now_ms, struct token *ret)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt =
        store_query(store, STMT_TOKEN_FIND, "bi", slice_of(hash, TOKEN_HASH_SIZE), now_ms);
    int r = stmt ? store_step(store, stmt) : -EIO;
    return r == 1 ? token_read(stmt, arena, ret) : r < 0 ? r : -ENOENT;
}

int token_used(struct store *store, const struct token *token, int64_t now_ms)
{
    if (now_ms - token->used_ms < USED_EXACT_MS && now_ms >= token->used_ms)
        return 0;
    int r = store_step_begin(store);
    return r < 0
               ? r
               : store_step_end(store, store_run(store, STMT_TOKEN_USED, "ii", token->key, now_ms));
}

int token_remove(struct store *store, int64_t user, int64_t key)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_TOKEN_REMOVE, "ii", user, key);
    if (r == 0 && sqlite3_changes(store->db) == 0)
        r = -ENOENT;
    return store_step_end(store, r);
}

int tokens_remove_all(struct store *store, int64_t user)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, store_run(store, STMT_TOKEN_REMOVE_ALL, "i", user));
}

int token_list(struct store *store, int64_t user, token_fn *fn, void *arg)
{
    struct arena arena = {0};
    sqlite3_stmt *stmt = store_query(store, STMT_TOKEN_LIST, "i", user);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct token token;
        r = token_read(stmt, &arena, &token);
        if (r == 0)
            r = fn(arg, &token);
        arena_reset(&arena);
    }
    stmt_done(stmt);
    arena_done(&arena);
    return r;
}

/* The second factor */

bool factor_any(struct store *store)
{
    if (store->factors < 0) {
        SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_FACTOR_COUNT, "");
        if (!stmt || store_step(store, stmt) != 1)
            return true; /* then asking for one tells what is wrong */
        store->factors = sqlite3_column_int64(stmt, 0);
    }
    return store->factors > 0;
}

int factor_get(struct store *store, int64_t user, struct factor *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_FACTOR_GET, "i", user);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r != 1)
        return r < 0 ? r : -ENOENT;
    if (sqlite3_column_bytes(stmt, 0) != TOTP_SECRET_SIZE)
        return -EIO;
    memcpy(ret->secret, sqlite3_column_blob(stmt, 0), TOTP_SECRET_SIZE);
    ret->confirmed = sqlite3_column_int(stmt, 1) != 0;
    ret->last_step = sqlite3_column_int64(stmt, 2);
    return 0;
}

int factor_set(struct store *store, int64_t user, const struct factor *factor)
{
    int r = store_step_begin(store);
    store->factors = -1;
    return r < 0 ? r
                 : store_step_end(store, store_run(store, STMT_FACTOR_SET, "ibii", user,
                                                   slice_of(factor->secret, TOTP_SECRET_SIZE),
                                                   (int64_t)factor->confirmed, factor->last_step));
}

static int factor_drop(struct store *store, int64_t user)
{
    store->factors = -1;
    int r = store_run(store, STMT_FACTOR_REMOVE, "i", user);
    return r < 0 ? r : store_run(store, STMT_RECOVERY_CLEAR, "i", user);
}

int factor_remove(struct store *store, int64_t user)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, factor_drop(store, user));
}

static int recovery_replace(struct store *store, int64_t user,
                            const uint8_t hashes[RECOVERY_COUNT][TOKEN_HASH_SIZE])
{
    int r = store_run(store, STMT_RECOVERY_CLEAR, "i", user);
    for (int i = 0; r == 0 && i < RECOVERY_COUNT; i++)
        r = store_run(store, STMT_RECOVERY_ADD, "ib", user, slice_of(hashes[i], TOKEN_HASH_SIZE));
    return r;
}

int recovery_set(struct store *store, int64_t user,
                 const uint8_t hashes[RECOVERY_COUNT][TOKEN_HASH_SIZE])
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, recovery_replace(store, user, hashes));
}

int recovery_use(struct store *store, int64_t user, const uint8_t hash[TOKEN_HASH_SIZE])
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_RECOVERY_USE, "ib", user, slice_of(hash, TOKEN_HASH_SIZE));
    if (r == 0 && sqlite3_changes(store->db) == 0)
        r = -EKEYREJECTED;
    return store_step_end(store, r);
}
