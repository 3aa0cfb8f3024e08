/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_marks.h"
#include "dms/store_internal.h"

#include <errno.h>

/* One number; -EIO if there is no row. */
static int number_get(struct store *store, enum statement id, int64_t key, int64_t *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, id, "i", key);
    if (!stmt || store_step(store, stmt) != 1)
        return -EIO;
    *ret = sqlite3_column_int64(stmt, 0);
    return 0;
}

/* Owns `stmt`; `max` rows of a key and a time. */
static int marked_read(struct store *store, struct arena *arena, sqlite3_stmt *stmt, size_t max,
                       struct marked *ret)
{
    struct marked marked = {.keys = arena_alloc(arena, max * sizeof(int64_t)),
                            .times = arena_alloc(arena, max * sizeof(int64_t))};
    int r = !marked.keys || !marked.times ? -ENOMEM : stmt ? 0 : -EIO;
    while (r == 0 && marked.count < max && (r = store_step(store, stmt)) == 1) {
        marked.keys[marked.count] = sqlite3_column_int64(stmt, 0);
        marked.times[marked.count++] = sqlite3_column_int64(stmt, 1);
        r = 0;
    }
    stmt_done(stmt);
    if (r == 0)
        *ret = marked;
    return r;
}

static int step(struct store *store, int r)
{
    return store_step_end(store, r);
}

int favourite_set(struct store *store, int64_t user, int64_t node, bool on, int64_t now_ms)
{
    int64_t count = 0;
    int r = on ? number_get(store, STMT_FAVOURITE_COUNT, user, &count) : 0;
    if (r == 0 && count >= FAVOURITES_MAX)
        r = -EDQUOT;
    if (r == 0)
        r = store_step_begin(store);
    if (r < 0)
        return r;
    if (on)
        return step(store, store_run(store, STMT_FAVOURITE_ADD, "iii", user, node, now_ms));
    return step(store, store_run(store, STMT_FAVOURITE_REMOVE, "ii", user, node));
}

int favourite_has(struct store *store, int64_t user, int64_t node, bool *ret)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_FAVOURITE_HAS, "ii", user, node);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r < 0)
        return r;
    *ret = r == 1;
    return 0;
}

int favourites_get(struct store *store, struct arena *arena, int64_t user, struct marked *ret)
{
    return marked_read(store, arena, store_query(store, STMT_FAVOURITE_LIST, "i", user),
                       FAVOURITES_MAX, ret);
}

int recent_add(struct store *store, int64_t user, int64_t node, int64_t now_ms)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_RECENT_ADD, "iii", user, node, now_ms);
    if (r == 0)
        r = store_run(store, STMT_RECENT_TRIM, "ii", user, (int64_t)RECENT_MAX);
    return step(store, r);
}

int recent_get(struct store *store, struct arena *arena, int64_t user, struct marked *ret)
{
    return marked_read(store, arena, store_query(store, STMT_RECENT_LIST, "i", user), RECENT_MAX,
                       ret);
}

/* Tags */

int tag_check(const char *tag)
{
    size_t size = strlen(tag);
    if (size == 0 || size > TAG_SIZE_MAX || tag[0] == ' ' || tag[size - 1] == ' ')
        return -EINVAL;
    for (const char *c = tag; *c; c++)
        if ((uint8_t)*c < 0x20 || *c == 0x7f || *c == ',')
            return -EINVAL;
    return 0;
}

int tags_set(struct store *store, int64_t node, const char *const *tags, size_t count)
{
    int r = count > TAGS_MAX ? -EINVAL : 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = tag_check(tags[i]);
    if (r == 0)
        r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_TAG_CLEAR, "i", node);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = store_run(store, STMT_TAG_ADD, "is", node, tags[i]);
    return step(store, r);
}

int tags_get(struct store *store, struct arena *arena, int64_t node, char ***ret_tags,
             size_t *ret_count)
{
    char **tags = arena_alloc(arena, TAGS_MAX * sizeof *tags);
    size_t count = 0;
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_TAG_LIST, "i", node);
    int r = !tags ? -ENOMEM : stmt ? 0 : -EIO;
    while (r == 0 && count < TAGS_MAX && (r = store_step(store, stmt)) == 1) {
        tags[count] = column_text(stmt, 0, arena);
        r = tags[count++] ? 0 : -ENOMEM;
    }
    if (r == 0) {
        *ret_tags = tags;
        *ret_count = count;
    }
    return r;
}

int tags_walk(struct store *store, tag_fn *fn, void *arg)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_TAG_ALL, "");
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        const char *tag = (const char *)sqlite3_column_text(stmt, 0);
        r = tag ? fn(arg, tag, sqlite3_column_int64(stmt, 1)) : -ENOMEM;
    }
    return r;
}

int tag_nodes(struct store *store, struct arena *arena, const char *tag, struct marked *ret)
{
    return marked_read(store, arena, store_query(store, STMT_TAG_NODES, "s", tag), STORE_PAGE_MAX,
                       ret);
}

/* Comments */

int comment_add(struct store *store, const struct actor *actor, int64_t node, const char *text,
                int64_t *ret_key)
{
    int64_t count = 0, key = 0;
    int r = number_get(store, STMT_COMMENT_COUNT, node, &count);
    if (r == 0 && count >= COMMENTS_MAX)
        r = -EDQUOT;
    if (r == 0)
        r = store_step_begin(store);
    if (r < 0)
        return r;
    sqlite3_stmt *stmt =
        store_query(store, STMT_COMMENT_ADD, "issi", node, actor->user, text, actor->now_ms);
    r = stmt ? store_step(store, stmt) : -EIO;
    if (r == 1)
        key = sqlite3_column_int64(stmt, 0);
    stmt_done(stmt);
    r = step(store, r == 1 ? 0 : r < 0 ? r : -EIO);
    if (r == 0)
        *ret_key = key;
    return r;
}

static int comment_read(sqlite3_stmt *stmt, struct arena *arena, struct comment *ret)
{
    *ret = (struct comment){
        .key = sqlite3_column_int64(stmt, 0),
        .node = sqlite3_column_int64(stmt, 1),
        .user = column_text(stmt, 2, arena),
        .text = column_text(stmt, 3, arena),
        .created_ms = sqlite3_column_int64(stmt, 4),
        .edited_ms = sqlite3_column_int64(stmt, 5),
    };
    return ret->user && ret->text ? 0 : -ENOMEM;
}

int comment_get(struct store *store, struct arena *arena, int64_t key, struct comment *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_COMMENT_GET, "i", key);
    int r = stmt ? store_step(store, stmt) : -EIO;
    return r < 0 ? r : r == 0 ? -ENOENT : comment_read(stmt, arena, ret);
}

int comment_edit(struct store *store, int64_t key, const char *text, int64_t now_ms)
{
    int r = store_step_begin(store);
    return r < 0 ? r : step(store, store_run(store, STMT_COMMENT_EDIT, "isi", key, text, now_ms));
}

int comment_remove(struct store *store, int64_t key)
{
    int r = store_step_begin(store);
    return r < 0 ? r : step(store, store_run(store, STMT_COMMENT_REMOVE, "i", key));
}

int comments_walk(struct store *store, int64_t node, comment_fn *fn, void *arg)
{
    SCOPED(arena_done) struct arena arena = {0};
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_COMMENT_LIST, "i", node);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct comment comment;
        r = comment_read(stmt, &arena, &comment);
        if (r == 0)
            r = fn(arg, &comment);
        arena_reset(&arena);
    }
    return r;
}

/* Forgetting */

int marks_forget_node(struct store *store, int64_t node)
{
    static const enum statement all[] = {STMT_TAG_CLEAR, STMT_COMMENT_CLEAR, STMT_FAVOURITE_FORGET,
                                         STMT_RECENT_FORGET};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(all); i++)
        r = store_run(store, all[i], "i", node);
    return r;
}

int marks_forget_user(struct store *store, int64_t user)
{
    int r = store_run(store, STMT_FAVOURITE_FORGET_USER, "i", user);
    return r < 0 ? r : store_run(store, STMT_RECENT_FORGET_USER, "i", user);
}
