/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_fixity.h"
#include "dms/store_audit.h"
#include "dms/store_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PLACE "fixity"

int fixity_next(struct store *store, int64_t after, struct fixity_item *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_FIXITY_NEXT, "i", after);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *ret = (struct fixity_item){.key = sqlite3_column_int64(stmt, 0),
                                .size = sqlite3_column_int64(stmt, 1),
                                .in_file = sqlite3_column_int(stmt, 2) != 0};
    const void *digest = sqlite3_column_blob(stmt, 3);
    ret->has_digest = digest && sqlite3_column_bytes(stmt, 3) == DIGEST_SIZE;
    if (ret->has_digest)
        memcpy(ret->digest, digest, DIGEST_SIZE);
    return 0;
}

int fixity_place_get(struct store *store, struct fixity_place *ret)
{
    SCOPED(arena_done) struct arena arena = {.size_max = 1024};
    long long n[5] = {0};
    char *text;
    int r = setting_get(store, &arena, PLACE, &text);
    if (r == 0 && sscanf(text, "%lld %lld %lld %lld %lld", &n[0], &n[1], &n[2], &n[3], &n[4]) != 5)
        memset(n, 0, sizeof n); /* then it begins anew */
    if (r == 0 || r == -ENOENT)
        *ret = (struct fixity_place){n[0], n[1], n[2], n[3], n[4]};
    return r == -ENOENT ? 0 : r;
}

int fixity_place_set(struct store *store, const struct fixity_place *place)
{
    char text[128];
    (void)snprintf(text, sizeof text, "%lld %lld %lld %lld %lld", (long long)place->key,
                   (long long)place->begun_ms, (long long)place->ended_ms,
                   (long long)place->contents, (long long)place->bytes);
    return setting_set(store, PLACE, text);
}

/* The contents in the same file, itself among them; none if it has gone. */
static int alike_get(struct store *store, int64_t key, struct buf *keys)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_FIXITY_ALIKE, "i", key);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        int64_t one = sqlite3_column_int64(stmt, 0);
        r = buf_append(keys, &one, sizeof one);
    }
    return r;
}

static int is_damaged(struct store *store, int64_t key, bool *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_DAMAGE_GET, "i", key);
    int r = stmt ? store_step(store, stmt) : -EIO;
    *ret = r == 1;
    return r < 0 ? r : 0;
}

/* The first document that has it, which the audit trail names. */
static int damage_audit(struct store *store, const struct actor *actor, const char *action,
                        int64_t content, const char *wrong)
{
    SCOPED(arena_done) struct arena arena = {0};
    char detail[64];
    const char *name = NULL;
    int64_t node = 0;
    {
        SCOPED(stmt_donep)
        sqlite3_stmt *stmt = store_query(store, STMT_DAMAGE_NODES, "i", content);
        int r = stmt ? store_step(store, stmt) : -EIO;
        if (r < 0)
            return r;
        node = r == 1 ? sqlite3_column_int64(stmt, 0) : 0;
        name = r == 1 ? column_text(stmt, 2, &arena) : NULL;
    }
    (void)snprintf(detail, sizeof detail, "\"c%lld\"%s%s", (long long)content, wrong ? ", " : "",
                   wrong ? wrong : "");
    return audit_add(store, actor, action, node, name, detail);
}

static int one_note(struct store *store, const struct actor *actor, int64_t key, const char *wrong,
                    bool *news)
{
    bool was;
    int r = is_damaged(store, key, &was);
    if (r < 0 || was == (wrong != NULL))
        return r;
    *news |= !was;
    r = was ? store_run(store, STMT_DAMAGE_CLEAR, "i", key)
            : store_run(store, STMT_DAMAGE_SET, "iis", key, actor->now_ms, wrong);
    return r < 0 ? r
                 : damage_audit(store, actor, was ? "content-well" : "content-damaged", key, wrong);
}

int fixity_note(struct store *store, const struct actor *actor, const struct fixity_item *item,
                const uint8_t *digest, const char *wrong, bool *ret_damaged)
{
    SCOPED(buf_done) struct buf keys = {0};
    bool damaged;
    *ret_damaged = false;
    if (digest && item->has_digest && memcmp(digest, item->digest, DIGEST_SIZE) != 0)
        wrong = "changed";
    int r = is_damaged(store, item->key, &damaged);
    if (r < 0 || (damaged == (wrong != NULL) && (item->has_digest || !digest)))
        return r; /* nothing new, which is nearly always so: nothing is written */
    r = alike_get(store, item->key, &keys);
    if (r == 0)
        r = store_step_begin(store);
    if (r < 0)
        return r;
    for (size_t at = 0; r == 0 && at < keys.size; at += sizeof(int64_t)) {
        int64_t key;
        memcpy(&key, keys.bytes + at, sizeof key);
        r = one_note(store, actor, key, wrong, ret_damaged);
        if (r == 0 && digest && !item->has_digest)
            r = store_run(store, STMT_FIXITY_DIGEST, "ib", key, slice_of(digest, DIGEST_SIZE));
    }
    return store_step_end(store, r);
}

static int damage_nodes(struct store *store, struct damage *damage, damage_fn *fn, void *arg)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_DAMAGE_NODES, "i", damage->content);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        damage->node = sqlite3_column_int64(stmt, 0);
        damage->number = sqlite3_column_int64(stmt, 1);
        damage->name = (const char *)sqlite3_column_text(stmt, 2);
        damage->trash = sqlite3_column_int64(stmt, 3);
        r = damage->name ? fn(arg, damage) : -ENOMEM;
    }
    return r;
}

int damage_list(struct store *store, int64_t after, int limit, damage_fn *fn, void *arg,
                int64_t *ret_last, bool *ret_more)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_DAMAGE_LIST, "ii", after, (int64_t)limit + 1);
    int r = stmt ? 0 : -EIO;
    bool more = false;
    for (int count = 0; r == 0 && (r = store_step(store, stmt)) == 1; count++) {
        struct damage damage = {.content = sqlite3_column_int64(stmt, 0),
                                .found_ms = sqlite3_column_int64(stmt, 1),
                                .kind = (const char *)sqlite3_column_text(stmt, 2)};
        more = count == limit;
        if (more) {
            r = 0;
            break;
        }
        r = damage.kind ? damage_nodes(store, &damage, fn, arg) : -ENOMEM;
        *ret_last = damage.content;
    }
    if (r == 0)
        *ret_more = more;
    return r;
}

int damage_count(struct store *store, int64_t *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_DAMAGE_COUNT, "");
    if (!stmt || store_step(store, stmt) != 1)
        return -EIO;
    *ret = sqlite3_column_int64(stmt, 0);
    return 0;
}
