/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_hold.h"
#include "dms/store_audit.h"
#include "dms/store_internal.h"

#include <errno.h>
#include <stdio.h>

/* Within a step: an entry about a node. */
static int note(struct store *store, const struct actor *actor, const char *action, int64_t key,
                const char *detail)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    int r = node_get(store, &arena, key, &node);
    return r < 0 ? r : audit_add(store, actor, action, key, node.name, detail);
}

/* Times to keep */

int retention_get(struct store *store, struct arena *arena, int64_t node, struct retention *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_RETENTION_GET, "i", node);
    int r = stmt ? store_step(store, stmt) : -EIO;
    *ret = (struct retention){0};
    if (r <= 0)
        return r;
    ret->until_ms = sqlite3_column_int64(stmt, 0);
    ret->user = column_text(stmt, 1, arena);
    return ret->user ? 0 : -ENOMEM;
}

static int retention_lengthen(struct store *store, const struct actor *actor, int64_t node,
                              int64_t until_ms)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct retention now;
    char detail[48];
    int r = retention_get(store, &arena, node, &now);
    if (r == 0 && until_ms < now.until_ms)
        r = -EPERM;
    if (r == 0)
        r = store_run(store, STMT_RETENTION_SET, "iis", node, until_ms, actor->user);
    (void)snprintf(detail, sizeof detail, "until %lld", (long long)until_ms);
    return r < 0 ? r : note(store, actor, "retention", node, detail);
}

int retention_set(struct store *store, const struct actor *actor, int64_t node, int64_t until_ms)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, retention_lengthen(store, actor, node, until_ms));
}

/* Holds */

static int hold_read(sqlite3_stmt *stmt, struct arena *arena, struct hold *ret)
{
    *ret = (struct hold){
        .key = sqlite3_column_int64(stmt, 0),
        .name = column_text(stmt, 1, arena),
        .reason = column_text(stmt, 2, arena),
        .created_by = column_text(stmt, 3, arena),
        .created_ms = sqlite3_column_int64(stmt, 4),
        .release_by = column_text(stmt, 5, arena),
        .released_ms = sqlite3_column_int64(stmt, 6),
        .documents = sqlite3_column_int64(stmt, 7),
    };
    return ret->name && ret->reason && ret->created_by ? 0 : -ENOMEM;
}

int hold_get(struct store *store, struct arena *arena, int64_t key, struct hold *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_HOLD_GET, "i", key);
    int r = stmt ? store_step(store, stmt) : -EIO;
    return r == 1 ? hold_read(stmt, arena, ret) : r < 0 ? r : -ENOENT;
}

static int add(struct store *store, const struct actor *actor, const char *name, const char *reason,
               int64_t *ret_key)
{
    int r = store_run(store, STMT_HOLD_ADD, "sssi", name, reason, actor->user, actor->now_ms);
    if (r < 0)
        return r;
    *ret_key = sqlite3_last_insert_rowid(store->db);
    return audit_add(store, actor, "hold-add", 0, name, reason);
}

int hold_add(struct store *store, const struct actor *actor, const char *name, const char *reason,
             int64_t *ret_key)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, add(store, actor, name, reason, ret_key));
}

/* A hold that holds. */
static int hold_live(struct store *store, struct arena *arena, int64_t key, struct hold *ret)
{
    int r = hold_get(store, arena, key, ret);
    return r == 0 && ret->released_ms != 0 ? -ENOENT : r;
}

static int release(struct store *store, const struct actor *actor, int64_t key, bool *ret_released)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct hold hold;
    *ret_released = false;
    int r = hold_live(store, &arena, key, &hold);
    if (r < 0)
        return r;
    if (!hold.release_by) {
        r = store_run(store, STMT_HOLD_ASK, "is", key, actor->user);
        return r < 0 ? r : audit_add(store, actor, "hold-release-asked", 0, hold.name, NULL);
    }
    if (strcmp(hold.release_by, actor->user) == 0)
        return -EALREADY;
    *ret_released = true;
    r = store_run(store, STMT_HOLD_END, "ii", key, actor->now_ms);
    return r < 0 ? r : audit_add(store, actor, "hold-release", 0, hold.name, hold.release_by);
}

int hold_release(struct store *store, const struct actor *actor, int64_t key, bool *ret_released)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, release(store, actor, key, ret_released));
}

static int keep(struct store *store, const struct actor *actor, int64_t key)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct hold hold;
    int r = hold_live(store, &arena, key, &hold);
    if (r == 0)
        r = store_run(store, STMT_HOLD_ASK, "is", key, NULL);
    return r < 0 ? r : audit_add(store, actor, "hold-kept", 0, hold.name, NULL);
}

int hold_keep(struct store *store, const struct actor *actor, int64_t key)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, keep(store, actor, key));
}

static int put(struct store *store, const struct actor *actor, int64_t key, int64_t node)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct hold hold;
    int r = hold_live(store, &arena, key, &hold);
    if (r == 0)
        r = store_run(store, STMT_HELD_ADD, "ii", key, node);
    return r < 0 ? r : note(store, actor, "hold", node, hold.name);
}

int hold_put(struct store *store, const struct actor *actor, int64_t key, int64_t node)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, put(store, actor, key, node));
}

int hold_list(struct store *store, int64_t node, int64_t after, int limit, hold_fn *fn, void *arg,
              bool *ret_more)
{
    struct arena arena = {0};
    sqlite3_stmt *stmt =
        node ? store_query(store, STMT_HOLD_OF_NODE, "iii", after, (int64_t)limit + 1, node)
             : store_query(store, STMT_HOLD_LIST, "ii", after, (int64_t)limit + 1);
    int count = 0, r = stmt ? 0 : -EIO;
    *ret_more = false;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct hold hold;
        if (count++ == limit) {
            *ret_more = true;
            r = 0;
            break;
        }
        r = hold_read(stmt, &arena, &hold);
        if (r == 0)
            r = fn(arg, &hold);
        arena_reset(&arena);
    }
    stmt_done(stmt);
    arena_done(&arena);
    return r;
}

int hold_nodes(struct store *store, int64_t key, int64_t after, int limit, held_fn *fn, void *arg,
               bool *ret_more)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_HELD_LIST, "iii", key, after, (int64_t)limit + 1);
    int count = 0, r = stmt ? 0 : -EIO;
    *ret_more = false;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        if (count++ == limit) {
            *ret_more = true;
            return 0;
        }
        r = fn(arg, sqlite3_column_int64(stmt, 0));
    }
    return r;
}

/* Deleting */

int hold_check(struct store *store, int64_t node, int64_t now_ms, int64_t *ret_node)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_KEPT, "ii", now_ms, node);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r == 1 && ret_node)
        *ret_node = sqlite3_column_int64(stmt, 0);
    return r == 1 ? -EPERM : r;
}
