/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_hook.h"

#include "base/secret.h"
#include "dms/store_audit.h"
#include "dms/store_internal.h"

#include <errno.h>
#include <stdio.h>

static int hook_read(sqlite3_stmt *stmt, struct arena *arena, struct hook *ret)
{
    *ret = (struct hook){
        .key = sqlite3_column_int64(stmt, 0),
        .name = column_text(stmt, 1, arena),
        .url = column_text(stmt, 2, arena),
        .user = column_text(stmt, 4, arena),
        .created_ms = sqlite3_column_int64(stmt, 5),
        .kinds = column_text(stmt, 6, arena),
        .folder = sqlite3_column_int64(stmt, 7),
        .paused = sqlite3_column_int(stmt, 8) != 0,
        .place = sqlite3_column_int64(stmt, 9),
        .failures = sqlite3_column_int64(stmt, 10),
        .next_ms = sqlite3_column_int64(stmt, 11),
        .last_ms = sqlite3_column_int64(stmt, 12),
        .ok_ms = sqlite3_column_int64(stmt, 13),
        .last = column_text(stmt, 14, arena),
        .delivered = sqlite3_column_int64(stmt, 15),
        .dead = sqlite3_column_int64(stmt, 16),
    };
    if (sqlite3_column_bytes(stmt, 3) != HOOK_SECRET_SIZE)
        return -EBADMSG;
    memcpy(ret->secret, sqlite3_column_blob(stmt, 3), HOOK_SECRET_SIZE);
    return ret->name && ret->url && ret->user && ret->kinds && ret->last ? 0 : -ENOMEM;
}

int hook_count(struct store *store, int64_t *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_HOOK_COUNT, "");
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r != 1)
        return r < 0 ? r : -EIO;
    *ret = sqlite3_column_int64(stmt, 0);
    return 0;
}

static int add(struct store *store, const struct actor *actor, const struct hook *hook,
               int64_t *ret_key)
{
    struct audit_head head;
    int64_t count = 0;
    int r = hook_count(store, &count);
    if (r == 0 && count >= HOOKS_MAX)
        r = -EDQUOT;
    if (r == 0)
        r = audit_settle(store);
    audit_head_get(store, &head);
    if (r == 0)
        r = store_run(store, STMT_HOOK_ADD, "ssbsisii", hook->name, hook->url,
                      slice_of(hook->secret, sizeof hook->secret), hook->user, actor->now_ms,
                      hook->kinds, hook->folder, head.sequence);
    if (r < 0)
        return r;
    *ret_key = sqlite3_last_insert_rowid(store->db);
    return audit_add(store, actor, "hook-add", 0, hook->name, hook->url);
}

int hook_add(struct store *store, const struct actor *actor, const struct hook *hook,
             int64_t *ret_key)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, add(store, actor, hook, ret_key));
}

int hook_get(struct store *store, struct arena *arena, int64_t key, struct hook *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_HOOK_GET, "i", key);
    int r = stmt ? store_step(store, stmt) : -EIO;
    return r == 1 ? hook_read(stmt, arena, ret) : r < 0 ? r : -ENOENT;
}

int hook_remove(struct store *store, const struct actor *actor, const struct hook *hook)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_HOOK_REMOVE, "i", hook->key);
    if (r == 0)
        r = audit_add(store, actor, "hook-remove", 0, hook->name, hook->url);
    return store_step_end(store, r);
}

static int change(struct store *store, const struct actor *actor, const struct hook *hook,
                  bool paused, int64_t place)
{
    char detail[64];
    int64_t to = place < 0 ? hook->place : place;
    int r = store_run(store, STMT_HOOK_CHANGE, "iii", hook->key, (int64_t)paused, to);
    if (r == 0 && place >= 0) /* what is told again is dead no longer */
        r = store_run(store, STMT_HOOK_DEAD_FORGET, "ii", hook->key, place);
    (void)snprintf(detail, sizeof detail, "%s, after %lld", paused ? "paused" : "on",
                   (long long)to);
    return r < 0 ? r : audit_add(store, actor, "hook-change", 0, hook->name, detail);
}

int hook_change(struct store *store, const struct actor *actor, const struct hook *hook,
                bool paused, int64_t place)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, change(store, actor, hook, paused, place));
}

int hook_list(struct store *store, int64_t after, int limit, hook_fn *fn, void *arg, bool *ret_more)
{
    SCOPED(arena_done) struct arena arena = {0};
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_HOOK_LIST, "ii", after, (int64_t)limit + 1);
    int count = 0, r = stmt ? 0 : -EIO;
    *ret_more = false;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct hook hook;
        if (count++ == limit) {
            *ret_more = true;
            return 0;
        }
        r = hook_read(stmt, &arena, &hook);
        if (r == 0)
            r = fn(arg, &hook);
        secret_wipe(hook.secret, sizeof hook.secret);
        arena_reset(&arena);
    }
    return r;
}

int hook_note(struct store *store, const struct hook *hook)
{
    int r = store_step_begin(store);
    return r < 0 ? r
                 : store_step_end(store,
                                  store_run(store, STMT_HOOK_NOTE, "iiiiiisiii", hook->key,
                                            hook->place, hook->failures, hook->next_ms,
                                            hook->last_ms, hook->ok_ms, hook->last, hook->delivered,
                                            hook->dead, (int64_t)hook->paused));
}

int hook_dead_add(struct store *store, const struct hook_dead *dead)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_HOOK_DEAD_ADD, "iiiiis", dead->hook, dead->first, dead->last,
                  dead->count, dead->at_ms, dead->why);
    if (r == 0)
        r = store_run(store, STMT_HOOK_DEAD_TRIM, "ii", dead->hook, (int64_t)HOOK_DEAD_MAX);
    return store_step_end(store, r);
}

int hook_dead_list(struct store *store, int64_t hook, hook_dead_fn *fn, void *arg)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_HOOK_DEAD_LIST, "i", hook);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        const struct hook_dead dead = {
            .hook = hook,
            .first = sqlite3_column_int64(stmt, 0),
            .last = sqlite3_column_int64(stmt, 1),
            .count = sqlite3_column_int64(stmt, 2),
            .at_ms = sqlite3_column_int64(stmt, 3),
            .why = (const char *)sqlite3_column_text(stmt, 4),
        };
        r = dead.why ? fn(arg, &dead) : -ENOMEM;
    }
    return r;
}
