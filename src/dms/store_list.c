/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: each reads one row more than asked for, to know whether there are more. */
#include "dms/store_internal.h"

#include <errno.h>

static int limited(int limit)
{
    return MAX(1, MIN(limit, STORE_PAGE_MAX));
}

/* Owns `stmt`. */
static int nodes_walk(struct store *store, sqlite3_stmt *stmt, int limit, node_fn *fn, void *arg,
                      bool *ret_more)
{
    struct arena arena = {0};
    int r = stmt ? 0 : store_errno(store, sqlite3_errcode(store->db));
    bool more = false;
    for (int count = 0; r == 0 && (r = store_step(store, stmt)) == 1; count++) {
        if (count == limit) {
            more = true;
            r = 0;
            break;
        }
        struct node node;
        node_read(stmt, &arena, &node);
        r = node.name && node.created_by && node.modified_by ? fn(arg, &node) : -ENOMEM;
        arena_reset(&arena);
    }
    stmt_done(stmt);
    arena_done(&arena);
    if (r == 0)
        *ret_more = more;
    return r;
}

int node_children(struct store *store, int64_t parent, const char *after, int limit, node_fn *fn,
                  void *arg, bool *ret_more)
{
    limit = limited(limit);
    return nodes_walk(
        store, store_query(store, STMT_NODE_CHILDREN, "isi", parent, after, (int64_t)limit + 1),
        limit, fn, arg, ret_more);
}

/* FTS5's query language is not for users: each word becomes a quoted prefix. But for a single letter
 * or digit: nearly all there is begins with it, and beginnings of one character have no index. */
static int match_text(const char *words, struct buf *out)
{
    int count = 0;
    for (const char *at = words; *at;) {
        size_t blank = strspn(at, " \t"), size = strcspn(at + blank, " \t");
        at += blank;
        if (size == 0)
            break;
        if (++count > 16)
            return -EINVAL;
        (void)buf_append_text(out, "\"");
        for (size_t i = 0; i < size; i++) {
            if (at[i] == '"')
                (void)buf_append_byte(out, '"');
            (void)buf_append_byte(out, (uint8_t)at[i]);
        }
        (void)buf_append_text(out, size == 1 ? "\" " : "\"* ");
        at += size;
    }
    return out->failed ? -ENOMEM : count > 0 ? 0 : -EINVAL;
}

int node_search(struct store *store, const char *words, const char *property, const char *value,
                int64_t before, int limit, node_fn *fn, void *arg, bool *ret_more)
{
    SCOPED(buf_done) struct buf match = {0};
    enum statement id = !words     ? STMT_NODE_BY_PROPERTY
                        : property ? STMT_NODE_BOTH
                                   : STMT_NODE_WORDS;
    int r = words ? match_text(words, &match) : 0;
    if (r == 0 && words)
        r = search_settle_all(store);
    const char *text = r == 0 ? buf_text(&match) : NULL;
    limit = limited(limit);
    if (!text)
        return r < 0 ? r : -ENOMEM;
    return nodes_walk(store,
                      store_query(store, id, property ? "siiss" : "sii", text, before,
                                  (int64_t)limit + 1, property, value),
                      limit, fn, arg, ret_more);
}

int node_trashed(struct store *store, int64_t before, int limit, node_fn *fn, void *arg,
                 bool *ret_more)
{
    limit = limited(limit);
    return nodes_walk(store,
                      store_query(store, STMT_NODE_TRASHED, "ii", before, (int64_t)limit + 1),
                      limit, fn, arg, ret_more);
}

/* Versions */

static int version_read(sqlite3_stmt *stmt, struct arena *arena, struct version *ret)
{
    *ret = (struct version){
        .number = sqlite3_column_int64(stmt, 0),
        .content = sqlite3_column_int64(stmt, 1),
        .size = sqlite3_column_int64(stmt, 2),
        .type = column_text(stmt, 3, arena),
        .created_ms = sqlite3_column_int64(stmt, 4),
        .created_by = column_text(stmt, 5, arena),
    };
    return ret->created_by ? 0 : -ENOMEM;
}

int version_get(struct store *store, struct arena *arena, int64_t key, int64_t number,
                struct version *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_VERSION_GET, "ii", key, number);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    return version_read(stmt, arena, ret);
}

int version_list(struct store *store, int64_t key, int64_t before, int limit, version_fn *fn,
                 void *arg, bool *ret_more)
{
    SCOPED(arena_done) struct arena arena = {0};
    limit = limited(limit);
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt =
        store_query(store, STMT_VERSION_LIST, "iii", key, before, (int64_t)limit + 1);
    int r = stmt ? 0 : -EIO;
    bool more = false;
    for (int count = 0; r == 0 && (r = store_step(store, stmt)) == 1; count++) {
        struct version version;
        more = count == limit;
        if (more) {
            r = 0;
            break;
        }
        r = version_read(stmt, &arena, &version);
        if (r == 0)
            r = fn(arg, &version);
        arena_reset(&arena);
    }
    if (r == 0)
        *ret_more = more;
    return r;
}

int properties_get(struct store *store, struct arena *arena, int64_t key, struct property **ret,
                   size_t *ret_count)
{
    struct property *list = arena_alloc(arena, STORE_PROPERTIES_MAX * sizeof *list);
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_PROPERTY_LIST, "i", key);
    int r = !list ? -ENOMEM : stmt ? 0 : -EIO;
    size_t count = 0;
    while (r == 0 && count < STORE_PROPERTIES_MAX && (r = store_step(store, stmt)) == 1) {
        list[count].name = column_text(stmt, 0, arena);
        list[count].value = column_text(stmt, 1, arena);
        r = list[count].name && list[count].value ? 0 : -ENOMEM;
        count++;
    }
    if (r < 0)
        return r;
    *ret = list;
    *ret_count = count;
    return 0;
}
