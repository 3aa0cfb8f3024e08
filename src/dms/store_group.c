/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_group.h"
#include "dms/store_internal.h"

#include <errno.h>

static int group_read(sqlite3_stmt *stmt, struct arena *arena, struct group *ret)
{
    *ret = (struct group){
        .key = sqlite3_column_int64(stmt, 0),
        .name = column_text(stmt, 1, arena),
        .role = sqlite3_column_int(stmt, 2) == ROLE_ADMIN ? ROLE_ADMIN : ROLE_USER,
        .created_ms = sqlite3_column_int64(stmt, 3),
        .members = sqlite3_column_int64(stmt, 4),
    };
    return ret->name ? 0 : -ENOMEM;
}

int group_find(struct store *store, struct arena *arena, const char *name, struct group *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_GROUP_FIND, "s", name);
    int r = stmt ? store_step(store, stmt) : -EIO;
    return r == 1 ? group_read(stmt, arena, ret) : r < 0 ? r : -ENOENT;
}

static int room_check(struct store *store)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_GROUP_COUNT, "");
    if (!stmt || store_step(store, stmt) != 1)
        return -EIO;
    return sqlite3_column_int64(stmt, 0) < GROUPS_MAX ? 0 : -EDQUOT;
}

int group_add(struct store *store, const char *name, enum role role, int64_t now_ms)
{
    int r = room_check(store);
    if (r == 0)
        r = store_step_begin(store);
    if (r < 0)
        return r;
    return store_step_end(store,
                          store_run(store, STMT_GROUP_ADD, "sii", name, (int64_t)role, now_ms));
}

/* Ends a step after which an administrator must be there. */
static int step_end_with_admin(struct store *store, int r)
{
    if (r == 0)
        r = admin_left_check(store);
    return store_step_end(store, r);
}

int group_change(struct store *store, int64_t key, enum role role)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    return step_end_with_admin(store,
                               store_run(store, STMT_GROUP_CHANGE, "ii", key, (int64_t)role));
}

int member_set(struct store *store, int64_t group, int64_t user, bool is_member)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    return step_end_with_admin(
        store,
        store_run(store, is_member ? STMT_MEMBER_ADD : STMT_MEMBER_REMOVE, "ii", group, user));
}

int group_remove(struct store *store, const struct group *group)
{
    SCOPED(arena_done) struct arena arena = {.size_max = 1024};
    const char *principal = arena_printf(&arena, GROUP_PREFIX "%s", group->name);
    if (!principal)
        return -ENOMEM;
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_ACE_FORGET, "s", principal);
    if (r == 0)
        r = store_run(store, STMT_MEMBER_CLEAR, "i", group->key);
    if (r == 0)
        r = store_run(store, STMT_GROUP_REMOVE, "i", group->key);
    return step_end_with_admin(store, r);
}

/* Owns `stmt`; `limit` rows and one more, which only says that there are more. */
static int groups_walk(struct store *store, sqlite3_stmt *stmt, int limit, group_fn *fn, void *arg,
                       bool *ret_more)
{
    SCOPED(arena_done) struct arena arena = {0};
    SCOPED(stmt_donep) sqlite3_stmt *owned = stmt;
    int r = owned ? 0 : -EIO;
    bool more = false;
    for (int count = 0; r == 0 && (r = store_step(store, owned)) == 1; count++) {
        struct group group;
        more = count == limit;
        if (more) {
            r = 0;
            break;
        }
        r = group_read(owned, &arena, &group);
        if (r == 0)
            r = fn(arg, &group);
        arena_reset(&arena);
    }
    if (r == 0)
        *ret_more = more;
    return r;
}

int group_list(struct store *store, const char *after, int limit, group_fn *fn, void *arg,
               bool *ret_more)
{
    limit = MAX(1, MIN(limit, STORE_PAGE_MAX));
    return groups_walk(store, store_query(store, STMT_GROUP_LIST, "si", after, (int64_t)limit + 1),
                       limit, fn, arg, ret_more);
}

int groups_of(struct store *store, int64_t user, group_fn *fn, void *arg)
{
    bool more;
    return groups_walk(store, store_query(store, STMT_GROUPS_OF, "i", user), GROUPS_MAX, fn, arg,
                       &more);
}

int member_list(struct store *store, int64_t group, const char *after, int limit, user_fn *fn,
                void *arg, bool *ret_more)
{
    limit = MAX(1, MIN(limit, STORE_PAGE_MAX));
    return users_walk(store,
                      store_query(store, STMT_MEMBER_LIST, "sii", after, (int64_t)limit + 1, group),
                      limit, fn, arg, ret_more);
}

int principal_check(struct store *store, const char *principal)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct user user;
    struct group group;
    const size_t size = strlen(GROUP_PREFIX);
    if (strcmp(principal, "anyone") == 0)
        return 0;
    return strncmp(principal, GROUP_PREFIX, size) == 0
               ? group_find(store, &arena, principal + size, &group)
               : user_find(store, &arena, principal, &user);
}
