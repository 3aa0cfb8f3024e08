/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_dav.h"
#include "dms/store_internal.h"

#include <errno.h>

/* Locks */

static int lock_read(sqlite3_stmt *stmt, struct arena *arena, struct dav_lock *ret)
{
    *ret = (struct dav_lock){
        .token = column_text(stmt, 0, arena),
        .node = sqlite3_column_int64(stmt, 1),
        .is_shared = sqlite3_column_int(stmt, 2) != 0,
        .is_deep = sqlite3_column_int(stmt, 3) != 0,
        .owner = column_text(stmt, 4, arena),
        .user = column_text(stmt, 5, arena),
        .expires_s = sqlite3_column_int64(stmt, 6),
    };
    return ret->token && ret->owner && ret->user ? 0 : -ENOMEM;
}

static int locks_count(struct store *store, int64_t *ret_count)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_DAV_LOCK_COUNT, "");
    int r = stmt ? store_step(store, stmt) : -EIO;
    *ret_count = r == 1 ? sqlite3_column_int64(stmt, 0) : 0;
    return r == 1 ? 0 : -EIO;
}

static int lock_add(struct store *store, const struct dav_lock *lock, int64_t now_s)
{
    int64_t count = 0;
    int r = store_run(store, STMT_DAV_LOCK_EXPIRE, "i", now_s);
    if (r == 0)
        r = locks_count(store, &count);
    if (r == 0 && count >= DAV_LOCKS_MAX)
        r = -EDQUOT;
    return r < 0 ? r
                 : store_run(store, STMT_DAV_LOCK_ADD, "siiissi", lock->token, lock->node,
                             (int64_t)lock->is_shared, (int64_t)lock->is_deep, lock->owner,
                             lock->user, lock->expires_s);
}

int dav_lock_add(struct store *store, const struct dav_lock *lock, int64_t now_s)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, lock_add(store, lock, now_s));
}

int dav_lock_get(struct store *store, struct arena *arena, const char *token, int64_t now_s,
                 struct dav_lock *ret)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_DAV_LOCK_GET, "si", token, now_s);
    int r = stmt ? store_step(store, stmt) : -EIO;
    return r == 1 ? lock_read(stmt, arena, ret) : r < 0 ? r : -ENOENT;
}

int dav_lock_extend(struct store *store, const char *token, int64_t expires_s)
{
    int r = store_step_begin(store);
    return r < 0 ? r
                 : store_step_end(store,
                                  store_run(store, STMT_DAV_LOCK_EXTEND, "si", token, expires_s));
}

int dav_lock_remove(struct store *store, const char *token)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, store_run(store, STMT_DAV_LOCK_REMOVE, "s", token));
}

static int locks_append(struct arena *arena, struct dav_locks *locks, const struct dav_lock *lock)
{
    if (!locks->list)
        locks->list = arena_alloc(arena, DAV_LOCKS_MAX * sizeof(struct dav_lock));
    if (!locks->list)
        return -ENOMEM;
    if (locks->count == DAV_LOCKS_MAX)
        return -EDQUOT;
    locks->list[locks->count++] = *lock;
    return 0;
}

static int locks_on(struct store *store, struct arena *arena, int64_t node, int64_t now_s,
                    bool only_deep, struct dav_locks *locks)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_DAV_LOCK_ON, "ii", node, now_s);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct dav_lock lock;
        r = lock_read(stmt, arena, &lock);
        if (r == 0 && (lock.is_deep || !only_deep))
            r = locks_append(arena, locks, &lock);
    }
    return r;
}

static int parent_of(struct store *store, int64_t key, int64_t *ret_parent)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node;
    int r = node_get(store, &arena, key, &node);
    *ret_parent = r == 0 ? node.parent : 0;
    return r;
}

int dav_locks_over(struct store *store, struct arena *arena, int64_t node, int64_t now_s,
                   struct dav_locks *ret)
{
    int64_t held = 0;
    *ret = (struct dav_locks){0};
    int r = locks_count(store, &held);
    for (int64_t at = node; r == 0 && held > 0 && at != 0;) {
        r = locks_on(store, arena, at, now_s, at != node, ret);
        if (r == 0)
            r = parent_of(store, at, &at);
    }
    return r;
}

/* 1 if `key` lies below `above`, 0 if not. */
static int is_below(struct store *store, int64_t key, int64_t above)
{
    int r = 0;
    while (r == 0 && key != 0) {
        r = parent_of(store, key, &key);
        if (r == 0 && key == above)
            return 1;
    }
    return r == -ENOENT ? 0 : r;
}

int dav_locks_below(struct store *store, struct arena *arena, int64_t node, int64_t now_s,
                    struct dav_locks *ret)
{
    struct dav_locks all = {0};
    *ret = (struct dav_locks){0};
    {
        SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_DAV_LOCK_ALL, "i", now_s);
        int r = stmt ? 0 : -EIO;
        while (r == 0 && (r = store_step(store, stmt)) == 1) {
            struct dav_lock lock;
            r = lock_read(stmt, arena, &lock);
            if (r == 0)
                r = locks_append(arena, &all, &lock);
        }
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < all.count; i++) {
        int r = is_below(store, all.list[i].node, node);
        if (r == 1)
            r = locks_append(arena, ret, &all.list[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int locks_end(struct store *store, int64_t node, int64_t now_s)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct dav_locks below;
    int r = dav_locks_below(store, &arena, node, now_s, &below);
    for (size_t i = 0; r == 0 && i < below.count; i++)
        r = store_run(store, STMT_DAV_LOCK_REMOVE, "s", below.list[i].token);
    return r < 0 ? r : store_run(store, STMT_DAV_LOCK_END, "i", node);
}

int dav_locks_end(struct store *store, int64_t node, int64_t now_s)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, locks_end(store, node, now_s));
}

/* Properties */

int dav_properties_get(struct store *store, struct arena *arena, int64_t node,
                       struct dav_property **ret, size_t *ret_count)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_DAV_PROPERTIES, "i", node);
    struct dav_property *list = arena_alloc(arena, DAV_PROPERTIES_MAX * sizeof *list);
    size_t count = 0;
    if (!list)
        return -ENOMEM;
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1 && count < DAV_PROPERTIES_MAX) {
        list[count] = (struct dav_property){
            .name = {column_text(stmt, 0, arena), column_text(stmt, 1, arena)},
            .value = column_text(stmt, 2, arena),
        };
        r = list[count].name.ns && list[count].name.local && list[count].value ? 0 : -ENOMEM;
        count++;
    }
    *ret = list;
    *ret_count = count;
    return r < 0 ? r : 0;
}

static int properties_change(struct store *store, int64_t node, const struct dav_change *changes,
                             size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = changes[i].value
                ? store_run(store, STMT_DAV_PROPERTY_SET, "isss", node, changes[i].name.ns,
                            changes[i].name.local, changes[i].value)
                : store_run(store, STMT_DAV_PROPERTY_REMOVE, "iss", node, changes[i].name.ns,
                            changes[i].name.local);
    if (r < 0)
        return r;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_DAV_PROPERTY_COUNT, "i", node);
    r = stmt ? store_step(store, stmt) : -EIO;
    if (r != 1)
        return -EIO;
    return sqlite3_column_int64(stmt, 0) > DAV_PROPERTIES_MAX ? -EDQUOT : 0;
}

int dav_properties_change(struct store *store, int64_t node, const struct dav_change *changes,
                          size_t count)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, properties_change(store, node, changes, count));
}

int dav_properties_copy(struct store *store, int64_t from, int64_t to)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_DAV_PROPERTY_CLEAR, "i", to);
    if (r == 0)
        r = store_run(store, STMT_DAV_PROPERTY_COPY, "ii", from, to);
    return store_step_end(store, r);
}
