/* SPDX-License-Identifier: Apache-2.0 */
/* Queries: a parsed statement becomes SQL over the store's tables, its rows become objects. What a
 * client writes reaches SQLite as bound values only. */
#include "dms/cmis/query.h"
#include "dms/cmis/model.h"
#include "server/http.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct bound {
    char kind; /* t, i or d */
    const char *text;
    int64_t integer;
    double decimal;
};

struct compiler {
    struct cmis_call *cmis;
    struct query *query;
    const struct cmis_type *types[QUERY_TABLES_MAX];
    struct buf from, where;
    struct bound *bounds;
    size_t bound_count;
    const char *match; /* of CONTAINS */
    size_t match_at;   /* number of its bound value */
    bool scored;
};
enum { BOUNDS_MAX = QUERY_LITERALS_MAX + 64 };

static const char *const node_names[] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"};
static const char *const version_names[] = {"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"};

static int wrong(struct compiler *compiler, const char *what, const char *name)
{
    return cmis_fail(compiler->cmis, CMIS_INVALID_ARGUMENT, "The query: %s '%.100s'.", what, name);
}

/* A bound value's "?N". */
static int bind(struct compiler *compiler, struct buf *sql, struct bound bound)
{
    if (compiler->bound_count == BOUNDS_MAX)
        return wrong(compiler, "there are too many values at",
                     bound.text ? bound.text : "a number");
    compiler->bounds[compiler->bound_count++] = bound;
    (void)buf_printf(sql, "?%zu", compiler->bound_count);
    return 0;
}

/* Columns */

static bool same_name(const char *a, const char *b)
{
    return http_text_equals(slice_of_text(a), b);
}

static const struct cmis_property_definition *named_property(const struct cmis_type *type,
                                                             const char *name)
{
    for (size_t i = 0; i < type->property_count; i++)
        if (same_name(type->properties[i].query_name, name))
            return &type->properties[i];
    return NULL;
}

/* A secondary type's table has the columns every object has as well. */
static const struct cmis_property_definition *table_property(const struct cmis_type *type,
                                                             const char *name)
{
    const struct cmis_property_definition *found = named_property(type, name);
    return found || type->base != CMIS_BASE_SECONDARY
               ? found
               : named_property(&cmis_base_types[CMIS_BASE_ITEM], name);
}

static bool is_table(const struct compiler *compiler, size_t table, const char *qualifier)
{
    const struct query_table *it = &compiler->query->tables[table];
    return it->alias ? same_name(it->alias, qualifier) : same_name(it->type, qualifier);
}

static int table_of(struct compiler *compiler, const char *qualifier, size_t *ret)
{
    for (size_t i = 0; i < compiler->query->table_count; i++)
        if (!qualifier || is_table(compiler, i, qualifier)) {
            *ret = i;
            return 0;
        }
    return wrong(compiler, "there is no type or alias", qualifier);
}

static int column_find(struct compiler *compiler, const struct query_column *column,
                       size_t *ret_table, const struct cmis_property_definition **ret)
{
    if (column->qualifier) {
        if (table_of(compiler, column->qualifier, ret_table) < 0)
            return -1;
        *ret = table_property(compiler->types[*ret_table], column->name);
        return *ret ? 0 : wrong(compiler, "there is no column", column->name);
    }
    for (size_t i = 0; i < compiler->query->table_count; i++)
        if ((*ret = table_property(compiler->types[i], column->name)) != NULL) {
            *ret_table = i;
            return 0;
        }
    return wrong(compiler, "there is no column", column->name);
}

static int column_append(struct compiler *compiler, struct buf *sql,
                         const struct cmis_property_definition *definition, size_t table)
{
    int r = column_sql(sql, definition->id, node_names[table], version_names[table]);
    return r < 0 ? wrong(compiler, "there is no asking for", definition->query_name) : 0;
}

/* Values */

static int literal_number(struct compiler *compiler, const struct query_literal *literal,
                          const struct cmis_property_definition *definition, struct bound *ret)
{
    char *end;
    bool whole = !strpbrk(literal->text, ".eE");
    errno = 0;
    if (definition->type == CMIS_INTEGER && whole)
        *ret = (struct bound){.kind = 'i', .integer = strtoll(literal->text, &end, 10)};
    else
        *ret = (struct bound){.kind = 'd', .decimal = strtod(literal->text, &end)};
    if (*end || errno || (ret->kind == 'd' && !isfinite(ret->decimal)))
        return wrong(compiler, "this is no number:", literal->text);
    return 0;
}

static int literal_bind(struct compiler *compiler, struct buf *sql,
                        const struct query_literal *literal,
                        const struct cmis_property_definition *definition)
{
    static const enum query_literal_kind kinds[] = {
        [CMIS_STRING] = LITERAL_TEXT,     [CMIS_ID] = LITERAL_TEXT,
        [CMIS_INTEGER] = LITERAL_NUMBER,  [CMIS_DECIMAL] = LITERAL_NUMBER,
        [CMIS_BOOLEAN] = LITERAL_BOOLEAN, [CMIS_DATETIME] = LITERAL_TIMESTAMP,
        [CMIS_HTML] = LITERAL_TEXT,       [CMIS_URI] = LITERAL_TEXT,
    };
    struct arena *arena = compiler->cmis->arena;
    struct bound bound = {.kind = 't'};
    if (kinds[definition->type] != literal->kind)
        return wrong(compiler, "the value is of another type than", definition->query_name);
    switch (literal->kind) {
    case LITERAL_NUMBER:
        if (literal_number(compiler, literal, definition, &bound) < 0)
            return -1;
        break;
    case LITERAL_BOOLEAN:
        bound = (struct bound){.kind = 'i', .integer = *literal->text == '1'};
        break;
    case LITERAL_TIMESTAMP:
        bound.kind = 'i';
        if (cmis_date_parse(literal->text, &bound.integer) < 0)
            return wrong(compiler, "this is no date:", literal->text);
        break;
    case LITERAL_TEXT:
        bound.text = query_text(arena, literal->text);
        if (!bound.text)
            return cmis_fail_errno(compiler->cmis, -ENOMEM);
        break;
    }
    return bind(compiler, sql, bound);
}

static int literals_bind(struct compiler *compiler, struct buf *sql, const struct query_node *node,
                         const struct cmis_property_definition *definition)
{
    (void)buf_append_byte(sql, '(');
    for (size_t i = 0; i < node->literal_count; i++) {
        if (i > 0)
            (void)buf_append_text(sql, ", ");
        if (literal_bind(compiler, sql, &node->literals[i], definition) < 0)
            return -1;
    }
    return buf_append_byte(sql, ')') < 0 ? cmis_fail_errno(compiler->cmis, -ENOMEM) : 0;
}

/* Conditions */

static int any_append(struct compiler *compiler, const struct query_node *node,
                      const struct cmis_property_definition *definition, size_t table)
{
    struct buf *sql = &compiler->where;
    (void)buf_append_text(sql, "EXISTS (SELECT 1 ");
    value_rows_sql(sql, definition->id, node_names[table], version_names[table]);
    (void)buf_append_text(sql, " AND value.value ");
    if (node->kind == QUERY_LIKE) {
        const char *pattern = query_pattern(compiler->cmis->arena, node->literals[0].text);
        if (!pattern)
            return cmis_fail_errno(compiler->cmis, -ENOMEM);
        (void)buf_append_text(sql, node->negated ? "NOT LIKE " : "LIKE ");
        if (bind(compiler, sql, (struct bound){.kind = 't', .text = pattern}) < 0)
            return -1;
        (void)buf_append_text(sql, " ESCAPE '\\'");
    } else {
        (void)buf_append_text(sql, node->negated ? "NOT IN " : "IN ");
        if (literals_bind(compiler, sql, node, definition) < 0)
            return -1;
    }
    (void)buf_append_byte(sql, ')');
    return 0;
}

static int null_append(struct compiler *compiler, const struct query_node *node,
                       const struct cmis_property_definition *definition, size_t table)
{
    struct buf *sql = &compiler->where;
    if (definition->multi) {
        (void)buf_append_text(sql, node->negated ? "EXISTS (SELECT 1 " : "NOT EXISTS (SELECT 1 ");
        value_rows_sql(sql, definition->id, node_names[table], version_names[table]);
        (void)buf_append_byte(sql, ')');
        return 0;
    }
    if (column_append(compiler, sql, definition, table) < 0)
        return -1;
    (void)buf_append_text(sql, node->negated ? " IS NOT NULL" : " IS NULL");
    return 0;
}

/* cmis:objectId = 'KEY;NUMBER' finds the row by its key. */
static int id_append(struct compiler *compiler, const struct query_node *node, size_t table)
{
    struct bound key = {.kind = 'i'};
    const char *text = query_text(compiler->cmis->arena, node->literals[0].text);
    char *end;
    if (!text)
        return cmis_fail_errno(compiler->cmis, -ENOMEM);
    key.integer = strtoll(text, &end, 10);
    (void)buf_printf(&compiler->where, "%s.key = ", node_names[table]);
    if (bind(compiler, &compiler->where, key) < 0)
        return -1;
    (void)buf_append_text(&compiler->where, " AND ");
    return 0;
}

static int column_condition(struct compiler *compiler, const struct query_node *node)
{
    const struct cmis_property_definition *definition;
    struct buf *sql = &compiler->where;
    size_t table;
    if (node->column.is_score)
        return wrong(compiler, "only SELECT and ORDER BY take", "SCORE()");
    if (column_find(compiler, &node->column, &table, &definition) < 0)
        return -1;
    if (!definition->queryable)
        return wrong(compiler, "a condition cannot ask for", definition->query_name);
    if (node->kind == QUERY_NULL)
        return null_append(compiler, node, definition, table);
    if (node->any != definition->multi)
        return wrong(compiler,
                     node->any ? "ANY is for several values, not for" : "several values need ANY:",
                     definition->query_name);
    if (node->any)
        return any_append(compiler, node, definition, table);
    if (node->kind == QUERY_COMPARE && strcmp(node->op, "=") == 0 &&
        strcmp(definition->id, "cmis:objectId") == 0 && node->literals[0].kind == LITERAL_TEXT &&
        id_append(compiler, node, table) < 0)
        return -1;
    if (column_append(compiler, sql, definition, table) < 0)
        return -1;
    if (node->kind == QUERY_IN) {
        (void)buf_append_text(sql, node->negated ? " NOT IN " : " IN ");
        return literals_bind(compiler, sql, node, definition);
    }
    if (node->kind == QUERY_LIKE) {
        const char *pattern = query_pattern(compiler->cmis->arena, node->literals[0].text);
        if (definition->type != CMIS_STRING && definition->type != CMIS_ID &&
            definition->type != CMIS_URI && definition->type != CMIS_HTML)
            return wrong(compiler, "LIKE is for texts, not for", definition->query_name);
        if (!pattern)
            return cmis_fail_errno(compiler->cmis, -ENOMEM);
        (void)buf_append_text(sql, node->negated ? " NOT LIKE " : " LIKE ");
        if (bind(compiler, sql, (struct bound){.kind = 't', .text = pattern}) < 0)
            return -1;
        (void)buf_append_text(sql, " ESCAPE '\\'");
        return 0;
    }
    if (definition->type == CMIS_BOOLEAN && strcmp(node->op, "=") != 0 &&
        strcmp(node->op, "<>") != 0)
        return wrong(compiler, "true and false have no order:", definition->query_name);
    (void)buf_printf(sql, " %s ", node->op);
    return literal_bind(compiler, sql, &node->literals[0], definition);
}

static int contains_append(struct compiler *compiler, const struct query_node *node)
{
    size_t table;
    if (compiler->match)
        return wrong(compiler, "there is one CONTAINS at most, not", node->literals[0].text);
    if (table_of(compiler, node->column.qualifier, &table) < 0)
        return -1;
    compiler->match = query_match(compiler->cmis->arena, node->literals[0].text);
    if (!compiler->match)
        return wrong(compiler, "there is no word to find in", node->literals[0].text);
    (void)buf_printf(&compiler->where, "(%s.key IN (SELECT rowid FROM search WHERE search MATCH ",
                     node_names[table]);
    if (bind(compiler, &compiler->where, (struct bound){.kind = 't', .text = compiler->match}) < 0)
        return -1;
    compiler->match_at = compiler->bound_count;
    /* The index has the words of latest versions. */
    (void)buf_printf(&compiler->where, ") AND (%s.number IS NULL OR %s.number = %s.version))",
                     version_names[table], version_names[table], node_names[table]);
    return 0;
}

/* A folder and all folders below it. */
#define FOLDERS_BELOW                                                                          \
    "WITH RECURSIVE below(key) AS (SELECT %lld UNION SELECT node.key FROM node JOIN below ON " \
    "node.parent = below.key WHERE node.trash = 0 AND node.kind = 1) SELECT key FROM below"

static int place_append(struct compiler *compiler, const struct query_node *node)
{
    const char *id = query_text(compiler->cmis->arena, node->literals[0].text);
    struct row folder;
    size_t table;
    if (!id || table_of(compiler, node->column.qualifier, &table) < 0)
        return id ? -1 : cmis_fail_errno(compiler->cmis, -ENOMEM);
    if (row_get(compiler->cmis, id, &folder) < 0 || folder.node.kind != NODE_FOLDER)
        return wrong(compiler, "there is no folder", id);
    const char *n = node_names[table];
    long long key = (long long)folder.node.key;
    if (node->kind == QUERY_IN_FOLDER)
        (void)buf_printf(&compiler->where,
                         "(%s.parent = %lld OR %s.key IN (SELECT filing.node FROM "
                         "filing WHERE filing.parent = %lld))",
                         n, key, n, key);
    else
        (void)buf_printf(&compiler->where,
                         "(%s.parent IN (" FOLDERS_BELOW ") OR %s.key IN (SELECT filing.node FROM "
                         "filing WHERE filing.parent IN (" FOLDERS_BELOW ")))",
                         n, key, n, key);
    return 0;
}

static int condition(struct compiler *compiler, const struct query_node *node)
{
    struct buf *sql = &compiler->where;
    switch (node->kind) {
    case QUERY_AND:
    case QUERY_OR:
        (void)buf_append_byte(sql, '(');
        if (condition(compiler, node->left) < 0)
            return -1;
        (void)buf_append_text(sql, node->kind == QUERY_AND ? " AND " : " OR ");
        if (condition(compiler, node->right) < 0)
            return -1;
        break;
    case QUERY_NOT:
        (void)buf_append_text(sql, "(NOT ");
        if (condition(compiler, node->left) < 0)
            return -1;
        break;
    case QUERY_CONTAINS:
        return contains_append(compiler, node);
    case QUERY_IN_FOLDER:
    case QUERY_IN_TREE:
        return place_append(compiler, node);
    case QUERY_COMPARE:
    case QUERY_IN:
    case QUERY_LIKE:
    case QUERY_NULL:
        (void)buf_append_byte(sql, '(');
        if (column_condition(compiler, node) < 0)
            return -1;
        break;
    }
    (void)buf_append_byte(sql, ')');
    return 0;
}

/* Tables */

/* The ids of a type and of those below it that its queries include. */
static void ids_append(struct compiler *compiler, struct buf *sql, const struct cmis_type *type)
{
    const struct cmis_type *other;
    bool first = true;
    (void)buf_append_byte(sql, '(');
    for (size_t i = 0; (other = type_at(compiler->cmis->store, i)) != NULL; i++) {
        if (other != type &&
            (!other->in_supertype_query || !type_is_a(compiler->cmis->store, other, type->id)))
            continue;
        if (!first)
            (void)buf_append_text(sql, ", ");
        sql_quote(sql, other->id);
        first = false;
    }
    (void)buf_append_byte(sql, ')');
}

static void type_append(struct compiler *compiler, struct buf *sql, size_t table)
{
    static const int kinds[] = {NODE_DOCUMENT, NODE_FOLDER, NODE_RELATIONSHIP, NODE_POLICY,
                                NODE_ITEM};
    const struct cmis_type *type = compiler->types[table];
    const char *n = node_names[table], *v = version_names[table];
    (void)buf_printf(sql, "%s.trash = 0 AND (%s.number IS NULL OR %s.pwc = 0) AND ", n, v, v);
    if (type->base == CMIS_BASE_SECONDARY) {
        (void)buf_append_text(sql, "EXISTS (SELECT 1 ");
        value_rows_sql(sql, SECONDARY_IDS, n, v);
        (void)buf_append_text(sql, " AND value.value IN ");
        ids_append(compiler, sql, type);
        (void)buf_append_byte(sql, ')');
        return;
    }
    (void)buf_printf(sql, "%s.kind = %d", n, kinds[type->base]);
    if (type->parent)
        (void)buf_printf(sql, " AND %s.cmis_type IN ", n);
    else
        (void)buf_printf(sql, " AND coalesce(%s.cmis_type, '%s') IN ", n, type->id);
    ids_append(compiler, sql, type);
}

static void tables_append(struct compiler *compiler, struct buf *sql, size_t table)
{
    const char *n = node_names[table], *v = version_names[table];
    bool document = compiler->types[table]->base == CMIS_BASE_DOCUMENT;
    (void)buf_printf(sql, "node AS %s %sJOIN version AS %s ON %s.node = %s.key", n,
                     document ? "" : "LEFT ", v, v, n);
    if (!compiler->cmis->args.search_all_versions)
        (void)buf_printf(sql, " AND %s.number = %s.version", v, n);
}

static int join_append(struct compiler *compiler, size_t table)
{
    const struct query_table *it = &compiler->query->tables[table];
    const struct cmis_property_definition *left, *right;
    struct buf *sql = &compiler->from;
    size_t left_table, right_table;
    size_t count = compiler->query->table_count;
    (void)buf_append_text(sql, it->outer ? " LEFT JOIN (" : " JOIN (");
    tables_append(compiler, sql, table);
    (void)buf_append_text(sql, ") ON ");
    type_append(compiler, sql, table);
    (void)buf_append_text(sql, " AND ");
    compiler->query->table_count = table + 1; /* those to the right are not known yet */
    int r = column_find(compiler, &it->left, &left_table, &left);
    if (r == 0)
        r = column_find(compiler, &it->right, &right_table, &right);
    compiler->query->table_count = count;
    if (r < 0)
        return -1;
    if (left->multi || right->multi || !left->queryable || !right->queryable)
        return wrong(compiler, "a join cannot compare", left->query_name);
    if (strcmp(left->id, "cmis:objectId") == 0 && strcmp(right->id, "cmis:objectId") == 0) {
        (void)buf_printf(sql, "%s.key = %s.key AND %s.number IS %s.number", node_names[left_table],
                         node_names[right_table], version_names[left_table],
                         version_names[right_table]);
        return 0;
    }
    if (column_append(compiler, sql, left, left_table) < 0)
        return -1;
    (void)buf_append_text(sql, " = ");
    return column_append(compiler, sql, right, right_table);
}

static int types_settle(struct compiler *compiler)
{
    struct query *query = compiler->query;
    for (size_t i = 0; i < query->table_count; i++) {
        const struct query_table *it = &query->tables[i];
        compiler->types[i] = type_by_query_name(compiler->cmis->store, slice_of_text(it->type));
        if (!compiler->types[i] || !compiler->types[i]->queryable)
            return wrong(compiler, "there is no asking for type", it->type);
        for (size_t other = 0; other < i; other++)
            if (is_table(compiler, other, it->alias ? it->alias : it->type))
                return wrong(compiler, "two types are called", it->alias ? it->alias : it->type);
    }
    return 0;
}

static int from_compile(struct compiler *compiler)
{
    if (types_settle(compiler) < 0)
        return -1;
    tables_append(compiler, &compiler->from, 0);
    for (size_t i = 1; i < compiler->query->table_count; i++)
        if (join_append(compiler, i) < 0)
            return -1;
    (void)buf_append_text(&compiler->where, " WHERE ");
    type_append(compiler, &compiler->where, 0);
    if (!compiler->query->where)
        return 0;
    (void)buf_append_text(&compiler->where, " AND ");
    return condition(compiler, compiler->query->where);
}

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
        return wrong(compiler, "there are too many columns at", name);
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
            return table_of(compiler, column->qualifier, &table) < 0
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
    if (column_find(compiler, column, &table, &definition) < 0)
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
        return wrong(compiler, "CONTAINS is missing for", "SCORE()");
    return 0;
}

/* ORDER BY takes a column's alias, too. */
static int order_one(struct compiler *compiler, const struct selection *selection,
                     const struct query_column *column, struct buf *sql)
{
    const struct cmis_property_definition *definition = NULL;
    size_t table = 0;
    bool found = false;
    for (size_t i = 0; !found && !column->qualifier && i < selection->count; i++) {
        found = same_name(selection->items[i].name, column->name);
        definition = selection->items[i].definition;
        table = selection->items[i].table;
    }
    if (column->is_score || (found && !definition)) {
        (void)buf_append_text(sql, "-s.score");
        return 0;
    }
    if (!found && column_find(compiler, column, &table, &definition) < 0)
        return -1;
    if (!definition->orderable)
        return wrong(compiler, "there is no order by", definition->query_name);
    if (column_append(compiler, sql, definition, table) < 0)
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
    (void)buf_append_text(sql, "n0.key, v0.number");
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

static int total_count(struct compiler *compiler, int64_t *ret)
{
    SCOPED(buf_done) struct buf sql = {0};
    (void)buf_append_text(&sql, "SELECT count(*) FROM ");
    (void)buf_append_slice(&sql, buf_slice(&compiler->from));
    (void)buf_append_slice(&sql, buf_slice(&compiler->where));
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
    for (size_t i = 0; i < count; i++)
        (void)buf_printf(sql, "%s.key, coalesce(%s.number, 0), ", node_names[i], version_names[i]);
    (void)buf_append_text(sql, compiler->scored ? "s.score FROM " : "0 FROM ");
    (void)buf_append_slice(sql, buf_slice(&compiler->from));
    if (compiler->scored)
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

static int rows_run(struct compiler *compiler, const struct selection *selection)
{
    struct cmis_call *cmis = compiler->cmis;
    SCOPED(buf_done) struct buf sql = {0};
    bool all = reads_all(cmis);
    int64_t total = 0, seen = 0, from = cmis->args.skip_count, to = from + cmis->args.max_items;
    struct entry_list list = {0};
    struct row rows[QUERY_TABLES_MAX];
    int r;
    if (rows_compile(compiler, selection, &sql) < 0 || (all && total_count(compiler, &total) < 0))
        return -1;
    if (all)
        (void)buf_printf(&sql, " LIMIT %lld OFFSET %lld", (long long)cmis->args.max_items,
                         (long long)from);
    SCOPED(finalizep) sqlite3_stmt *stmt = prepare(compiler, &sql);
    if (!stmt)
        return -1;
    while ((r = store_step(cmis->store, stmt)) == 1) {
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
    cmis->result.list =
        (struct cmis_entries){list.count, list.entries, from + (int64_t)list.count < total, total};
    return 0;
}

/* The full-text index takes in what is new before it is asked. */
int index_settle(struct cmis_call *cmis)
{
    if (!search_pending(cmis->store))
        return 0;
    int r = store_step_begin(cmis->store);
    if (r == 0)
        r = store_step_end(cmis->store, search_settle(cmis->store));
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int query_run(struct compiler *compiler)
{
    struct selection *selection = call_alloc(compiler->cmis, sizeof *selection);
    compiler->bounds = call_alloc(compiler->cmis, BOUNDS_MAX * sizeof *compiler->bounds);
    if (!selection || !compiler->bounds || from_compile(compiler) < 0 ||
        select_compile(compiler, selection) < 0)
        return -1;
    if (compiler->match && index_settle(compiler->cmis) < 0)
        return -1;
    return rows_run(compiler, selection);
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
