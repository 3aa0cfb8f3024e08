/* SPDX-License-Identifier: Apache-2.0 */
/* Queries: what is selected and in which order, and running the whole: rows become objects. */
#include "dms/cmis/query_compile.h"

#include <errno.h>

/* Columns of the answer */

struct selected {
    size_t table;
    const struct cmis_property_definition *definition; /* NULL: the score */
    const char *name;
};
struct selection {
    size_t count;
    struct selected items[CMIS_PROPERTIES_MAX];
};

static int select_add(struct compiler *compiler, struct selection *selection, size_t table,
                      const struct cmis_property_definition *definition, const char *name)
{
    if (!name)
        return -1; /* no memory; the error is set */
    if (selection->count == CMIS_PROPERTIES_MAX)
        return query_wrong(compiler, "there are too many columns at", name);
    /* An answer names its columns by this alone (2.1.14.2.2), and an object of JSON has a name once. */
    for (size_t i = 0; i < selection->count; i++)
        if (query_same_name(selection->items[i].name, name))
            return query_wrong(compiler, "two columns are called", name);
    selection->items[selection->count++] = (struct selected){table, definition, name};
    return 0;
}

static const char *qualified(struct compiler *compiler, const char *qualifier, const char *name)
{
    return qualifier ? call_printf(compiler->cmis, "%s.%s", qualifier, name) : name;
}

static int select_all(struct compiler *compiler, struct selection *selection, size_t table,
                      const char *qualifier)
{
    const struct cmis_type *type = compiler->types[table];
    for (size_t i = 0; i < type->property_count; i++) {
        const struct cmis_property_definition *definition = &type->properties[i];
        if (select_add(compiler, selection, table, definition,
                       qualified(compiler, qualifier, definition->query_name)) < 0)
            return -1;
    }
    return 0;
}

static int select_column(struct compiler *compiler, struct selection *selection,
                         const struct query_column *column)
{
    const struct cmis_property_definition *definition;
    size_t table = 0;
    if (column->is_score)
        return select_add(compiler, selection, 0, NULL,
                          column->alias ? column->alias : "SEARCH_SCORE");
    if (strcmp(column->name, "*") == 0) {
        if (column->qualifier)
            return query_table_of(compiler, column->qualifier, &table) < 0
                       ? -1
                       : select_all(compiler, selection, table, column->qualifier);
        for (; table < compiler->query->table_count; table++) {
            const struct query_table *it = &compiler->query->tables[table];
            const char *qualifier = compiler->query->table_count == 1 ? NULL
                                    : it->alias                       ? it->alias
                                                                      : it->type;
            if (select_all(compiler, selection, table, qualifier) < 0)
                return -1;
        }
        return 0;
    }
    if (query_column_find(compiler, column, &table, &definition) < 0)
        return -1;
    return select_add(compiler, selection, table, definition,
                      column->alias
                          ? column->alias
                          : qualified(compiler, column->qualifier, definition->query_name));
}

static int select_compile(struct compiler *compiler, struct selection *selection)
{
    const struct query *query = compiler->query;
    for (size_t i = 0; i < query->column_count; i++) {
        if (select_column(compiler, selection, &query->columns[i]) < 0)
            return -1;
        compiler->scored = compiler->scored || query->columns[i].is_score;
    }
    for (size_t i = 0; i < query->order_count; i++)
        compiler->scored = compiler->scored || query->order[i].column.is_score;
    if (compiler->scored && !compiler->match)
        return query_wrong(compiler, "CONTAINS is missing for", "SCORE()");
    return 0;
}

static const char *score_column(const struct compiler *compiler)
{
    return compiler->streams ? "bm25(m.search)" : "s.score";
}

/* ORDER BY takes a column's alias, too. */
static int order_one(struct compiler *compiler, const struct selection *selection,
                     const struct query_column *column, struct buf *sql)
{
    const struct cmis_property_definition *definition = NULL;
    size_t table = 0;
    bool found = false;
    for (size_t i = 0; !found && !column->qualifier && i < selection->count; i++) {
        found = query_same_name(selection->items[i].name, column->name);
        definition = selection->items[i].definition;
        table = selection->items[i].table;
    }
    if (column->is_score || (found && !definition)) {
        (void)buf_printf(sql, "-%s", score_column(compiler));
        return 0;
    }
    if (!found && query_column_find(compiler, column, &table, &definition) < 0)
        return -1;
    if (!definition->orderable)
        return query_wrong(compiler, "there is no order by", definition->query_name);
    if (query_column_append(compiler, sql, definition, table) < 0)
        return -1;
    if (definition->type == CMIS_STRING)
        (void)buf_append_text(sql, " COLLATE NOCASE");
    return 0;
}

static int order_compile(struct compiler *compiler, const struct selection *selection,
                         struct buf *sql)
{
    (void)buf_append_text(sql, " ORDER BY ");
    for (size_t i = 0; i < compiler->query->order_count; i++) {
        const struct query_order *order = &compiler->query->order[i];
        if (order_one(compiler, selection, &order->column, sql) < 0)
            return -1;
        (void)buf_append_text(sql, order->down ? " DESC, " : ", ");
    }
    (void)buf_append_text(sql, compiler->streams ? "m.rowid" : "n0.key");
    if (!compiler->latest)
        (void)buf_append_text(sql, ", v0.number");
    return 0;
}

/* Running */

static sqlite3_stmt *prepare(struct compiler *compiler, struct buf *sql)
{
    struct cmis_call *cmis = compiler->cmis;
    const char *text = buf_text(sql);
    sqlite3_stmt *stmt = NULL;
    int code = text ? sqlite3_prepare_v2(cmis->store->db, text, -1, &stmt, NULL) : SQLITE_NOMEM;
    for (size_t i = 0; code == SQLITE_OK && i < compiler->bound_count; i++) {
        const struct bound *bound = &compiler->bounds[i];
        int at = (int)i + 1;
        if (at > sqlite3_bind_parameter_count(stmt))
            break;
        code = bound->kind == 't'   ? sqlite3_bind_text(stmt, at, bound->text, -1, SQLITE_STATIC)
               : bound->kind == 'i' ? sqlite3_bind_int64(stmt, at, bound->integer)
                                    : sqlite3_bind_double(stmt, at, bound->decimal);
    }
    if (code == SQLITE_OK)
        return stmt;
    (void)sqlite3_finalize(stmt);
    (void)cmis_fail_errno(cmis, -EIO);
    return NULL;
}

static void finalizep(sqlite3_stmt **stmt)
{
    (void)sqlite3_finalize(*stmt);
}

/* How many rows there are, up to `most`. */
static int total_count(struct compiler *compiler, int64_t most, int64_t *ret)
{
    SCOPED(buf_done) struct buf sql = {0};
    (void)buf_append_text(&sql, "SELECT count(*) FROM (SELECT 1 FROM ");
    (void)buf_append_slice(&sql, buf_slice(&compiler->from));
    (void)buf_append_slice(&sql, buf_slice(&compiler->where));
    (void)buf_printf(&sql, " LIMIT %lld)", (long long)most);
    SCOPED(finalizep) sqlite3_stmt *stmt = prepare(compiler, &sql);
    int r = stmt ? store_step(compiler->cmis->store, stmt) : -EIO;
    if (r != 1)
        return compiler->cmis->error ? -1 : cmis_fail_errno(compiler->cmis, r < 0 ? r : -EIO);
    *ret = sqlite3_column_int64(stmt, 0);
    return 0;
}

static int rows_compile(struct compiler *compiler, const struct selection *selection,
                        struct buf *sql)
{
    size_t count = compiler->query->table_count;
    (void)buf_append_text(sql, "SELECT ");
    for (size_t i = 0; i < count; i++) {
        bool known = compiler->latest && compiler->types[i]->base == CMIS_BASE_DOCUMENT;
        (void)buf_printf(sql, "%s.key, coalesce(%s.%s, 0), ", query_node_names[i],
                         known ? query_node_names[i] : query_version_names[i],
                         known ? "version" : "number");
    }
    (void)buf_printf(sql, "%s FROM ", compiler->scored ? score_column(compiler) : "0");
    (void)buf_append_slice(sql, buf_slice(&compiler->from));
    if (compiler->scored && !compiler->streams)
        (void)buf_printf(sql,
                         " LEFT JOIN (SELECT rowid AS key, bm25(search) AS score FROM search WHERE "
                         "search MATCH ?%zu) AS s ON s.key = n0.key",
                         compiler->match_at);
    (void)buf_append_slice(sql, buf_slice(&compiler->where));
    return order_compile(compiler, selection, sql);
}

/* bm25 is smaller the better a row matches; a score is between 0 and 1, larger the better. */
static double score_of(double bm25)
{
    double size = bm25 < 0 ? -bm25 : 0;
    return size / (1 + size);
}

static int cell_build(struct cmis_call *cmis, const struct selected *selected, struct row *rows,
                      double bm25, struct cmis_property *ret)
{
    if (!selected->definition) {
        union cmis_value *value = call_alloc(cmis, sizeof *value);
        if (!value)
            return -1;
        value->decimal = score_of(bm25);
        *ret = (struct cmis_property){selected->name, selected->name, "Score", selected->name,
                                      CMIS_DECIMAL,   false,          1,       value};
        return 0;
    }
    if (rows[selected->table].node.key == 0) { /* an outer join found nothing */
        *ret = (struct cmis_property){.id = selected->definition->id,
                                      .local_name = selected->definition->local_name,
                                      .display_name = selected->definition->display_name,
                                      .type = selected->definition->type,
                                      .multi = selected->definition->multi};
    } else if (property_value(cmis, &rows[selected->table], selected->definition, ret) < 0) {
        return -1;
    }
    ret->query_name = selected->name;
    return 0;
}

/* The rows of the tables that make one row of the answer. 0 if the user may not see all of them. */
static int rows_load(struct compiler *compiler, sqlite3_stmt *stmt, struct row *rows)
{
    struct cmis_call *cmis = compiler->cmis;
    for (size_t i = 0; i < compiler->query->table_count; i++) {
        int64_t key = sqlite3_column_int64(stmt, (int)i * 2);
        int64_t number = sqlite3_column_int64(stmt, (int)i * 2 + 1);
        rows[i] = (struct row){0};
        if (key == 0)
            continue;
        if ((number ? row_version(cmis, key, number, &rows[i]) : row_by_key(cmis, key, &rows[i])) <
            0)
            return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
        if (!(rights_of(cmis, &rows[i].node) & RIGHT_READ))
            return 0;
    }
    return 1;
}

static int row_answer(struct compiler *compiler, const struct selection *selection,
                      struct row *rows, double bm25, struct entry_list *list)
{
    struct cmis_call *cmis = compiler->cmis;
    struct object_view view = view_of_args(cmis);
    struct cmis_object *object = call_alloc(cmis, sizeof *object);
    struct cmis_property *properties =
        call_alloc(cmis, MAX(selection->count, (size_t)1) * sizeof *properties);
    struct cmis_entry entry = {.object = object};
    if (!object || !properties)
        return -1;
    for (size_t i = 0; i < selection->count; i++)
        if (cell_build(cmis, &selection->items[i], rows, bm25, &properties[i]) < 0)
            return -1;
    view.acl = view.policy_ids = false;
    if (object_facts(cmis, &rows[0], object) < 0 ||
        (compiler->query->table_count == 1 && object_extras(cmis, &rows[0], &view, object) < 0))
        return -1;
    object->properties = properties;
    object->property_count = selection->count;
    return entry_add(cmis, list, &entry);
}

/* What is found is counted so far; numItems of more is not told, as the standard allows: to count a
 * hundred thousand takes a hundred times the page that was asked for. */
enum { COUNTED_MAX = 1000 };

static int rows_run(struct compiler *compiler, const struct selection *selection)
{
    struct cmis_call *cmis = compiler->cmis;
    SCOPED(buf_done) struct buf sql = {0};
    bool all = reads_all(cmis);
    int64_t total = 0, seen = 0, from = cmis->args.skip_count, to = from + cmis->args.max_items;
    int64_t most = MAX(to, (int64_t)COUNTED_MAX) + 1;
    struct entry_list list = {0};
    struct row rows[QUERY_TABLES_MAX];
    int r = 0;
    if (rows_compile(compiler, selection, &sql) < 0 ||
        (all && total_count(compiler, most, &total) < 0))
        return -1;
    if (all)
        (void)buf_printf(&sql, " LIMIT %lld OFFSET %lld", (long long)cmis->args.max_items,
                         (long long)from);
    SCOPED(finalizep) sqlite3_stmt *stmt = prepare(compiler, &sql);
    if (!stmt)
        return -1;
    while (seen < most && (r = store_step(cmis->store, stmt)) == 1) {
        int seeable = rows_load(compiler, stmt, rows);
        double bm25 = sqlite3_column_double(stmt, (int)compiler->query->table_count * 2);
        if (seeable < 0)
            return -1;
        bool on_page = all || (seen >= from && seen < to);
        seen += seeable;
        if (seeable && on_page && row_answer(compiler, selection, rows, bm25, &list) < 0)
            return -1;
    }
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    total = all ? total : seen;
    bool more = from + (int64_t)list.count < total;
    cmis->result.list =
        (struct cmis_entries){list.count, list.entries, more, total < most ? total : -1};
    return 0;
}

/* The full-text index takes in what is new before it is asked. */
int index_settle(struct cmis_call *cmis)
{
    int r = search_settle_all(cmis->store);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

/* A query that a hostile or careless client makes costly (joins of everything with everything) ends
 * after so many steps of SQLite's machine: one or two seconds. */
enum { STEPS_PER_TICK = 10000, TICKS_MAX = 10000 };

static int tick(void *arg)
{
    int *left = arg;
    return --*left <= 0;
}

static int rows_run_bounded(struct compiler *compiler, const struct selection *selection)
{
    struct cmis_call *cmis = compiler->cmis;
    int left = TICKS_MAX;
    sqlite3_progress_handler(cmis->store->db, STEPS_PER_TICK, tick, &left);
    int r = rows_run(compiler, selection);
    sqlite3_progress_handler(cmis->store->db, 0, NULL, NULL);
    if (r < 0 && left <= 0)
        return cmis_fail(cmis, CMIS_CONSTRAINT,
                         "The query takes too long: add conditions, or join on cmis:objectId.");
    return r;
}

static int query_run(struct compiler *compiler)
{
    struct selection *selection = call_alloc(compiler->cmis, sizeof *selection);
    compiler->bounds = call_alloc(compiler->cmis, BOUNDS_MAX * sizeof *compiler->bounds);
    if (!selection || !compiler->bounds || query_from_compile(compiler) < 0 ||
        select_compile(compiler, selection) < 0)
        return -1;
    if (compiler->match && index_settle(compiler->cmis) < 0)
        return -1;
    return rows_run_bounded(compiler, selection);
}

int cmis_query(struct cmis_call *cmis)
{
    struct query *query = call_alloc(cmis, sizeof *query);
    const char *where = "?";
    int r = query ? query_parse(cmis->arena, cmis->args.statement, query, &where) : -ENOMEM;
    if (r == -EINVAL)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The query is not understood: %s.", where);
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    if (query->distinct)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "CMIS SQL has no DISTINCT.");
    struct compiler compiler = {.cmis = cmis, .query = query};
    r = query_run(&compiler);
    buf_done(&compiler.from);
    buf_done(&compiler.where);
    return r;
}
