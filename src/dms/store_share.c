/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_share.h"
#include "dms/store_audit.h"
#include "dms/store_internal.h"

#include <errno.h>
#include <stdio.h>

static int share_read(sqlite3_stmt *stmt, struct arena *arena, struct share *ret)
{
    *ret = (struct share){
        .key = sqlite3_column_int64(stmt, 0),
        .node = sqlite3_column_int64(stmt, 1),
        .user = column_text(stmt, 2, arena),
        .created_ms = sqlite3_column_int64(stmt, 3),
        .expires_ms = sqlite3_column_int64(stmt, 4),
        .password_hash = column_text(stmt, 5, arena),
        .downloads = sqlite3_column_int64(stmt, 6),
        .downloads_max = sqlite3_column_int64(stmt, 7),
    };
    bool has_password = sqlite3_column_type(stmt, 5) != SQLITE_NULL;
    return ret->user && (ret->password_hash || !has_password) ? 0 : -ENOMEM;
}

static int shares_of(struct store *store, int64_t node, int64_t *ret_count)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_SHARE_COUNT, "i", node);
    int r = stmt ? store_step(store, stmt) : -EIO;
    *ret_count = r == 1 ? sqlite3_column_int64(stmt, 0) : 0;
    return r == 1 ? 0 : -EIO;
}

static int audit_share(struct store *store, const struct actor *actor, const char *action,
                       const struct share *share)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    char detail[48];
    int r = node_get(store, &arena, share->node, &node);
    if (r < 0 && r != -ENOENT)
        return r;
    (void)snprintf(detail, sizeof detail, "link %lld", (long long)share->key);
    return audit_add(store, actor, action, share->node, node.name, detail);
}

static int add(struct store *store, const struct actor *actor, struct share *share,
               const uint8_t hash[TOKEN_HASH_SIZE])
{
    int64_t count;
    int r = store_run(store, STMT_SHARE_EXPIRE, "i", actor->now_ms);
    if (r == 0)
        r = shares_of(store, share->node, &count);
    if (r == 0 && count >= SHARES_MAX)
        r = -EDQUOT;
    if (r == 0)
        r = store_run(store, STMT_SHARE_ADD, "bisiisi", slice_of(hash, TOKEN_HASH_SIZE),
                      share->node, share->user, share->created_ms, share->expires_ms,
                      share->password_hash, share->downloads_max);
    if (r < 0)
        return r;
    share->key = sqlite3_last_insert_rowid(store->db);
    return audit_share(store, actor, "share", share);
}

int share_add(struct store *store, const struct actor *actor, struct share *share,
              const uint8_t hash[TOKEN_HASH_SIZE])
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, add(store, actor, share, hash));
}

/* Owns `stmt`. */
static int share_one(struct store *store, struct arena *arena, sqlite3_stmt *stmt,
                     struct share *ret)
{
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r == 1)
        r = share_read(stmt, arena, ret);
    else if (r == 0)
        r = -ENOENT;
    stmt_done(stmt);
    return r;
}

int share_find(struct store *store, struct arena *arena, const uint8_t hash[TOKEN_HASH_SIZE],
               struct share *ret)
{
    return share_one(store, arena,
                     store_query(store, STMT_SHARE_FIND, "b", slice_of(hash, TOKEN_HASH_SIZE)),
                     ret);
}

int share_get(struct store *store, struct arena *arena, int64_t key, struct share *ret)
{
    return share_one(store, arena, store_query(store, STMT_SHARE_GET, "i", key), ret);
}

int share_count(struct store *store, const struct share *share)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, store_run(store, STMT_SHARE_USED, "i", share->key));
}

int share_remove(struct store *store, const struct actor *actor, const struct share *share)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_SHARE_REMOVE, "i", share->key);
    if (r == 0)
        r = audit_share(store, actor, "share-end", share);
    return store_step_end(store, r);
}

int share_list(struct store *store, int64_t node, const char *user, int64_t after, int limit,
               share_fn *fn, void *arg, bool *ret_more)
{
    struct arena arena = {0};
    sqlite3_stmt *stmt =
        store_query(store, STMT_SHARE_LIST, "iiis", after, (int64_t)limit + 1, node, user);
    int count = 0, r = stmt ? 0 : -EIO;
    *ret_more = false;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct share share;
        if (count++ == limit) {
            *ret_more = true;
            r = 0;
            break;
        }
        r = share_read(stmt, &arena, &share);
        if (r == 0)
            r = fn(arg, &share);
        arena_reset(&arena);
    }
    stmt_done(stmt);
    arena_done(&arena);
    return r;
}

static int key_note(void *arg, const struct share *share)
{
    int64_t *key = arg;
    *key = share->key;
    return 0;
}

int shares_remove_of(struct store *store, const struct actor *actor, const char *user)
{
    SCOPED(arena_done) struct arena arena = {0};
    for (;;) {
        struct share share;
        int64_t key = 0;
        bool more;
        int r = share_list(store, 0, user, 0, 1, key_note, &key, &more);
        if (r < 0 || key == 0)
            return r;
        r = share_get(store, &arena, key, &share);
        if (r == 0)
            r = share_remove(store, actor, &share);
        if (r < 0)
            return r;
        arena_reset(&arena);
    }
}
