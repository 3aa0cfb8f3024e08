/* SPDX-License-Identifier: Apache-2.0 */
/* The navigation service, and lists as such: pages with totals, in an order the client names. */
#include "dms/cmis/model.h"

#include <errno.h>

#define LATEST_FROM \
    "FROM node LEFT JOIN version ON version.node = node.key AND version.number = node.version "

/* Lists */

/* One that the user may see: readable, and no working copy of somebody else. */
static bool is_listed(struct cmis_call *cmis, const struct row *row)
{
    if (row->is_pwc && !cmis->is_admin &&
        (!row->node.checked_out_by || strcmp(row->node.checked_out_by, cmis->user) != 0))
        return false;
    return (rights_of(cmis, &row->node) & RIGHT_READ) != 0;
}

static int row_append(struct cmis_call *cmis, struct row *row, const struct object_view *view,
                      bool segments, struct entry_list *list)
{
    struct cmis_entry entry = {.segment = segments ? row->name : NULL};
    if (object_build(cmis, row, view, &entry.object) < 0)
        return -1;
    return entry_add(cmis, list, &entry);
}

/* Every row is looked at for the total; only those of the page are built. */
static int rows_filter(struct cmis_call *cmis, sqlite3_stmt *stmt, const struct object_view *view,
                       bool segments)
{
    struct entry_list list = {0};
    int64_t total = 0, from = cmis->args.skip_count, to = from + cmis->args.max_items;
    int r;
    while ((r = store_step(cmis->store, stmt)) == 1) {
        struct row row = {0};
        if (row_read(cmis, stmt, &row) < 0)
            return -1;
        if (!is_listed(cmis, &row))
            continue;
        if (total >= from && total < to && row_append(cmis, &row, view, segments, &list) < 0)
            return -1;
        total++;
    }
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    cmis->result.list =
        (struct cmis_entries){list.count, list.entries, from + (int64_t)list.count < total, total};
    return 0;
}

/* The statement has made the page already. */
static int rows_take(struct cmis_call *cmis, sqlite3_stmt *stmt, const struct object_view *view,
                     bool segments, int64_t total)
{
    struct entry_list list = {0};
    int r;
    while ((r = store_step(cmis->store, stmt)) == 1) {
        struct row row = {0};
        if (row_read(cmis, stmt, &row) < 0 || row_append(cmis, &row, view, segments, &list) < 0)
            return -1;
    }
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    cmis->result.list = (struct cmis_entries){
        list.count, list.entries, cmis->args.skip_count + (int64_t)list.count < total, total};
    return 0;
}

/* orderBy: query names, each with ASC or DESC, commas between. */
static int order_append(struct cmis_call *cmis, struct buf *sql)
{
    const char *at = cmis->args.order_by && *cmis->args.order_by ? cmis->args.order_by : NULL;
    (void)buf_append_text(sql, " ORDER BY ");
    while (at) {
        size_t size = strcspn(at, ",");
        char *term = arena_text(cmis->arena, slice_of(at, size));
        at = at[size] ? at + size + 1 : NULL; /* nothing behind a comma is a wrong term, too */
        char *save = NULL;
        char *name = term ? strtok_r(term, " ", &save) : NULL;
        char *way = name ? strtok_r(NULL, " ", &save) : NULL;
        bool down = way && strcasecmp(way, "DESC") == 0;
        if (!name || (way && !down && strcasecmp(way, "ASC") != 0) || strtok_r(NULL, " ", &save) ||
            order_column(cmis, name, sql) < 0)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                             "orderBy is query names of orderable properties, each with ASC or "
                             "DESC, commas between.");
        (void)buf_append_text(sql, down ? " DESC, " : ", ");
    }
    (void)buf_append_text(sql, "node.name COLLATE NOCASE, node.key");
    return 0;
}

static void finalizep(sqlite3_stmt **stmt)
{
    (void)sqlite3_finalize(*stmt);
}

/* ?1, if the statement has it, is the user. */
static sqlite3_stmt *prepare(struct cmis_call *cmis, struct buf *sql)
{
    const char *text = buf_text(sql);
    sqlite3_stmt *stmt = NULL;
    int code = text ? sqlite3_prepare_v2(cmis->store->db, text, -1, &stmt, NULL) : SQLITE_NOMEM;
    if (code == SQLITE_OK && sqlite3_bind_parameter_count(stmt) > 0)
        code = sqlite3_bind_text(stmt, 1, cmis->user, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        return stmt;
    (void)sqlite3_finalize(stmt);
    (void)cmis_fail_errno(cmis, -EIO);
    return NULL;
}

/* All rows, in order; the caller finalizes. */
static sqlite3_stmt *list_prepare(struct cmis_call *cmis, const char *from, const char *where)
{
    SCOPED(buf_done) struct buf sql = {0};
    (void)buf_printf(&sql, "SELECT " OBJECT_COLUMNS " %s%s", from, where);
    return order_append(cmis, &sql) < 0 ? NULL : prepare(cmis, &sql);
}

/* Whoever may read everything still does not see the working copies of others. */
static int page_run(struct cmis_call *cmis, const char *from, const char *where,
                    const struct object_view *view, bool segments)
{
    SCOPED(buf_done) struct buf count = {0}, page = {0};
    const char *mine =
        cmis->is_admin ? "" : " AND (version.pwc IS NOT 1 OR node.checked_out_by = ?1)";
    (void)buf_printf(&count, "SELECT count(*) %s%s%s", from, where, mine);
    SCOPED(finalizep) sqlite3_stmt *counter = prepare(cmis, &count);
    int r = counter ? store_step(cmis->store, counter) : -EIO;
    if (r != 1)
        return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
    int64_t total = sqlite3_column_int64(counter, 0);
    (void)buf_printf(&page, "SELECT " OBJECT_COLUMNS " %sWHERE node.key IN (SELECT node.key %s%s%s",
                     from, from, where, mine);
    if (order_append(cmis, &page) < 0)
        return -1;
    (void)buf_printf(&page, " LIMIT %lld OFFSET %lld)", (long long)cmis->args.max_items,
                     (long long)cmis->args.skip_count);
    if (order_append(cmis, &page) < 0)
        return -1;
    SCOPED(finalizep) sqlite3_stmt *stmt = prepare(cmis, &page);
    return stmt ? rows_take(cmis, stmt, view, segments, total) : -1;
}

/* A page of what `from` and `where` find. */
static int list_run(struct cmis_call *cmis, const char *from, const char *where,
                    const struct object_view *view, bool segments)
{
    if (reads_all(cmis))
        return page_run(cmis, from, where, view, segments);
    SCOPED(finalizep) sqlite3_stmt *stmt = list_prepare(cmis, from, where);
    return stmt ? rows_filter(cmis, stmt, view, segments) : -1;
}

static const char *children_where(struct cmis_call *cmis, int64_t folder)
{
    return call_printf(cmis,
                       "WHERE node.trash = 0 AND (node.parent = %lld OR node.key IN (SELECT "
                       "filing.node FROM filing WHERE filing.parent = %lld))",
                       (long long)folder, (long long)folder);
}

int cmis_getChildren(struct cmis_call *cmis)
{
    struct object_view view = view_of_args(cmis);
    struct row folder;
    if (row_get_base(cmis, cmis->args.folder_id, CMIS_BASE_FOLDER, &folder) < 0 ||
        view_check(cmis, &view) < 0)
        return -1;
    const char *where = children_where(cmis, folder.node.key);
    return where ? list_run(cmis, LATEST_FROM, where, &view, cmis->args.include_path_segment) : -1;
}

int cmis_getCheckedOutDocs(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    struct object_view view = view_of_args(cmis);
    const char *where = "WHERE node.checked_out <> 0 AND node.trash = 0 AND "
                        "node.checked_out_by = ?1";
    struct row folder;
    if (view_check(cmis, &view) < 0)
        return -1;
    if (cmis_args_has(cmis, CMIS_IN_FOLDER_ID)) {
        if (row_get_base(cmis, args->folder_id, CMIS_BASE_FOLDER, &folder) < 0)
            return -1;
        where = call_printf(cmis, "%s AND node.parent = %lld", where, (long long)folder.node.key);
    }
    return where ? list_run(cmis,
                            "FROM node JOIN version ON version.node = node.key AND "
                            "version.number = node.checked_out ",
                            where, &view, false)
                 : -1;
}

/* Trees */

struct tree {
    struct object_view view;
    bool folders_only, segments;
    size_t left; /* objects that may still be taken */
};

static int tree_level(struct cmis_call *cmis, struct tree *tree, int64_t folder, int64_t depth,
                      struct entry_list *list);

static int tree_row(struct cmis_call *cmis, struct tree *tree, struct row *row, int64_t depth,
                    struct entry_list *list)
{
    struct cmis_entry entry = {.segment = tree->segments ? row->name : NULL};
    struct entry_list below = {0};
    if (tree->left == 0)
        return cmis_fail(cmis, CMIS_CONSTRAINT,
                         "There are more than %d objects below; ask for less depth.",
                         CMIS_TREE_MAX);
    tree->left--;
    if (object_build(cmis, row, &tree->view, &entry.object) < 0)
        return -1;
    if (row->node.kind == NODE_FOLDER && depth != 1 &&
        tree_level(cmis, tree, row->node.key, depth - 1, &below) < 0)
        return -1;
    entry.children = below.entries;
    entry.count = below.count;
    return entry_add(cmis, list, &entry);
}

static int tree_level(struct cmis_call *cmis, struct tree *tree, int64_t folder, int64_t depth,
                      struct entry_list *list)
{
    const char *where = children_where(cmis, folder);
    sqlite3_stmt *stmt = where ? list_prepare(cmis, LATEST_FROM, where) : NULL;
    int r = stmt ? 0 : -1, step;
    while (r == 0 && (step = store_step(cmis->store, stmt)) != 0) {
        struct row row = {0};
        r = step < 0 ? cmis_fail_errno(cmis, step) : row_read(cmis, stmt, &row);
        if (r == 0 && is_listed(cmis, &row) &&
            (!tree->folders_only || row.node.kind == NODE_FOLDER))
            r = tree_row(cmis, tree, &row, depth, list);
    }
    (void)sqlite3_finalize(stmt);
    return r;
}

static int tree_answer(struct cmis_call *cmis, bool folders_only)
{
    const struct cmis_args *args = &cmis->args;
    struct tree tree = {.view = view_of_args(cmis),
                        .folders_only = folders_only,
                        .segments = args->include_path_segment,
                        .left = CMIS_TREE_MAX};
    struct entry_list list = {0};
    struct row folder;
    if (args->depth == 0 || args->depth < -1)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "depth is -1 or at least 1.");
    if (row_get_base(cmis, args->folder_id, CMIS_BASE_FOLDER, &folder) < 0 ||
        view_check(cmis, &tree.view) < 0 ||
        tree_level(cmis, &tree, folder.node.key, args->depth, &list) < 0)
        return -1;
    cmis->result.list = (struct cmis_entries){list.count, list.entries, false, -1};
    return 0;
}

int cmis_getDescendants(struct cmis_call *cmis)
{
    return tree_answer(cmis, false);
}

int cmis_getFolderTree(struct cmis_call *cmis)
{
    return tree_answer(cmis, true);
}

/* Parents */

int cmis_getFolderParent(struct cmis_call *cmis)
{
    struct object_view view = view_of_args(cmis);
    struct row folder, parent;
    if (row_get_base(cmis, cmis->args.folder_id, CMIS_BASE_FOLDER, &folder) < 0 ||
        view_check(cmis, &view) < 0)
        return -1;
    if (folder.node.key == STORE_ROOT)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The root folder has no parent.");
    if (row_by_key(cmis, folder.node.parent, &parent) < 0)
        return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
    if (right_check(cmis, &parent, RIGHT_READ) < 0)
        return -1;
    return object_build(cmis, &parent, &view, &cmis->result.object);
}

int cmis_getObjectParents(struct cmis_call *cmis)
{
    struct object_view view = view_of_args(cmis);
    struct entry_list list = {0};
    struct row row, parent;
    int64_t *keys;
    size_t count;
    if (row_get(cmis, cmis->args.object_id, &row) < 0 || view_check(cmis, &view) < 0)
        return -1;
    if (!row.type->fileable)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Objects of this type are in no folder.");
    if (row_parents(cmis, &row, &keys, &count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct cmis_entry entry = {.segment =
                                       cmis->args.include_relative_path_segment ? row.name : NULL};
        if (row_by_key(cmis, keys[i], &parent) < 0)
            return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
        if (!is_listed(cmis, &parent))
            continue;
        if (object_build(cmis, &parent, &view, &entry.object) < 0 ||
            entry_add(cmis, &list, &entry) < 0)
            return -1;
    }
    cmis->result.list = (struct cmis_entries){list.count, list.entries, false, (int64_t)list.count};
    return 0;
}
