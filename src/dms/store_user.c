/* SPDX-License-Identifier: Apache-2.0 */
/* Users and sessions. A session is stored as the hash of its token: whoever reads the database
 * cannot use it. */
#include "dms/store_internal.h"
#include "dms/store_share.h"
#include "dms/store_token.h"

#include <errno.h>

static int user_read(sqlite3_stmt *stmt, struct arena *arena, struct user *ret)
{
    bool alone = sqlite3_column_int(stmt, 2) == ROLE_ADMIN;
    *ret = (struct user){
        .key = sqlite3_column_int64(stmt, 0),
        .name = column_text(stmt, 1, arena),
        .role = alone || sqlite3_column_int(stmt, 6) == 1 ? ROLE_ADMIN : ROLE_USER,
        .own_role = alone ? ROLE_ADMIN : ROLE_USER,
        .hash = column_text(stmt, 3, arena),
        .must_change = sqlite3_column_int(stmt, 4) != 0,
        .created_ms = sqlite3_column_int64(stmt, 5),
    };
    return ret->name && ret->hash ? 0 : -ENOMEM;
}

/* Owns `stmt`. */
static int user_one(struct store *store, struct arena *arena, sqlite3_stmt *stmt, struct user *ret)
{
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r == 1)
        r = user_read(stmt, arena, ret);
    else if (r == 0)
        r = -ENOENT;
    stmt_done(stmt);
    return r;
}

int user_find(struct store *store, struct arena *arena, const char *name, struct user *ret)
{
    return user_one(store, arena, store_query(store, STMT_USER_FIND, "s", name), ret);
}

int user_by_key(struct store *store, struct arena *arena, int64_t key, struct user *ret)
{
    return user_one(store, arena, store_query(store, STMT_USER_GET, "i", key), ret);
}

int user_add(struct store *store, const char *name, enum role role, const char *hash,
             bool must_change, int64_t now_ms)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    return store_step_end(store, store_run(store, STMT_USER_ADD, "sisii", name, (int64_t)role, hash,
                                           (int64_t)must_change, now_ms));
}

int user_change(struct store *store, int64_t key, enum role role, const char *hash,
                bool must_change)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_USER_CHANGE, "iisi", key, (int64_t)role, hash, (int64_t)must_change);
    return store_step_end(store, r < 0 ? r : admin_left_check(store));
}

int admin_left_check(struct store *store)
{
    int64_t users, admins;
    int r = user_counts(store, &users, &admins);
    return r < 0 ? r : admins > 0 ? 0 : -EBUSY;
}

int user_remove(struct store *store, const struct actor *actor, const struct user *user)
{
    static const enum statement by_name[] = {STMT_ACE_FORGET, STMT_DAV_LOCK_FORGET_USER,
                                             STMT_COMMENT_UNNAME, STMT_CHECKED_OUT_UNNAME,
                                             STMT_HOOK_FORGET_USER};
    static const enum statement by_key[] = {STMT_MEMBER_FORGET_USER, STMT_PARTIAL_FORGET_USER,
                                            STMT_IDENTITY_FORGET_USER, STMT_USER_REMOVE};
    int64_t key = user->key;
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_SESSION_REMOVE_ALL, "ib", key, (struct slice){0});
    if (r == 0)
        r = store_run(store, STMT_TOKEN_REMOVE_ALL, "i", key);
    if (r == 0)
        r = factor_remove(store, key);
    if (r == 0)
        r = marks_forget_user(store, key);
    if (r == 0)
        r = shares_remove_of(store, actor, user->name);
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(by_name); i++)
        r = store_run(store, by_name[i], "s", user->name);
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(by_key); i++)
        r = store_run(store, by_key[i], "i", key);
    return store_step_end(store, r < 0 ? r : admin_left_check(store));
}

int users_walk(struct store *store, sqlite3_stmt *stmt, int limit, user_fn *fn, void *arg,
               bool *ret_more)
{
    SCOPED(arena_done) struct arena arena = {0};
    SCOPED(stmt_donep) sqlite3_stmt *owned = stmt;
    int r = owned ? 0 : -EIO;
    bool more = false;
    for (int count = 0; r == 0 && (r = store_step(store, owned)) == 1; count++) {
        struct user user;
        more = count == limit;
        if (more) {
            r = 0;
            break;
        }
        r = user_read(owned, &arena, &user);
        if (r == 0)
            r = fn(arg, &user);
        arena_reset(&arena);
    }
    if (r == 0)
        *ret_more = more;
    return r;
}

int user_list(struct store *store, const char *after, int limit, user_fn *fn, void *arg,
              bool *ret_more)
{
    limit = MAX(1, MIN(limit, STORE_PAGE_MAX));
    return users_walk(store, store_query(store, STMT_USER_LIST, "si", after, (int64_t)limit + 1),
                      limit, fn, arg, ret_more);
}

int user_counts(struct store *store, int64_t *ret_users, int64_t *ret_admins)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_USER_COUNT, "");
    if (!stmt || store_step(store, stmt) != 1)
        return -EIO;
    *ret_users = sqlite3_column_int64(stmt, 0);
    *ret_admins = sqlite3_column_int64(stmt, 1);
    return 0;
}

int session_add(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE], int64_t user,
                int64_t expires_s, int64_t now_s)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_SESSION_EXPIRE, "i", now_s);
    if (r == 0)
        r = store_run(store, STMT_SESSION_ADD, "bii", slice_of(hash, TOKEN_HASH_SIZE), user,
                      expires_s);
    return store_step_end(store, r);
}

int session_find(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE], int64_t now_s,
                 int64_t *ret_user)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt =
        store_query(store, STMT_SESSION_FIND, "bi", slice_of(hash, TOKEN_HASH_SIZE), now_s);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *ret_user = sqlite3_column_int64(stmt, 0);
    return 0;
}

int session_remove(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE])
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    return store_step_end(
        store, store_run(store, STMT_SESSION_REMOVE, "b", slice_of(hash, TOKEN_HASH_SIZE)));
}

int session_remove_all(struct store *store, int64_t user, const uint8_t *except)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    struct slice kept = except ? slice_of(except, TOKEN_HASH_SIZE) : (struct slice){0};
    return store_step_end(store, store_run(store, STMT_SESSION_REMOVE_ALL, "ib", user, kept));
}

int setting_get(struct store *store, struct arena *arena, const char *name, char **ret_value)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_SETTING_GET, "s", name);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *ret_value = column_text(stmt, 0, arena);
    return *ret_value ? 0 : -ENOMEM;
}

int setting_set(struct store *store, const char *name, const char *value)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    return store_step_end(store, store_run(store, STMT_SETTING_SET, "ss", name, value));
}
