/* SPDX-License-Identifier: Apache-2.0 */
/* FROM and WHERE of a query as SQL over the store's tables. What a client writes reaches SQLite as
 * bound values only. */
#include "dms/cmis/query_compile.h"
#include "server/http.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

const char *const query_node_names[QUERY_TABLES_MAX] = {"n0", "n1", "n2", "n3",
                                                        "n4", "n5", "n6", "n7"};
const char *const query_version_names[QUERY_TABLES_MAX] = {"v0", "v1", "v2", "v3",
                                                           "v4", "v5", "v6", "v7"};

int query_wrong(struct compiler *compiler, const char *what, const char *name)
{
    return cmis_fail(compiler->cmis, CMIS_INVALID_ARGUMENT, "The query: %s '%.100s'.", what, name);
}

/* A bound value's "?N". */
static int bind(struct compiler *compiler, struct buf *sql, struct bound bound)
{
    if (compiler->bound_count == BOUNDS_MAX)
        return query_wrong(compiler, "there are too many values at",
                           bound.text ? bound.text : "a number");
    compiler->bounds[compiler->bound_count++] = bound;
    (void)buf_printf(sql, "?%zu", compiler->bound_count);
    return 0;
}

/* Columns */

bool query_same_name(const char *a, const char *b)
{
    return http_text_equals(slice_of_text(a), b);
}

static const struct cmis_property_definition *named_property(const struct cmis_type *type,
                                                             const char *name)
{
    for (size_t i = 0; i < type->property_count; i++)
        if (query_same_name(type->properties[i].query_name, name))
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
    return it->alias ? query_same_name(it->alias, qualifier) : query_same_name(it->type, qualifier);
}

int query_table_of(struct compiler *compiler, const char *qualifier, size_t *ret)
{
    for (size_t i = 0; i < compiler->query->table_count; i++)
        if (!qualifier || is_table(compiler, i, qualifier)) {
            *ret = i;
            return 0;
        }
    return query_wrong(compiler, "there is no type or alias", qualifier);
}

int query_column_find(struct compiler *compiler, const struct query_column *column,
                      size_t *ret_table, const struct cmis_property_definition **ret)
{
    *ret = NULL;
    if (column->qualifier) {
        if (query_table_of(compiler, column->qualifier, ret_table) < 0)
            return -1;
        *ret = table_property(compiler->types[*ret_table], column->name);
    }
    for (size_t i = 0; !column->qualifier && !*ret && i < compiler->query->table_count; i++) {
        *ret = table_property(compiler->types[i], column->name);
        *ret_table = i;
    }
    if (*ret)
        return 0;
    (void)query_wrong(compiler, "there is no column", column->name);
    return -1;
}

int query_column_append(struct compiler *compiler, struct buf *sql,
                        const struct cmis_property_definition *definition, size_t table)
{
    int r = column_sql(sql, definition->id, query_node_names[table], query_version_names[table]);
    return r < 0 ? query_wrong(compiler, "there is no asking for", definition->query_name) : 0;
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
        return query_wrong(compiler, "this is no number:", literal->text);
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
        return query_wrong(compiler, "the value is of another type than", definition->query_name);
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
            return query_wrong(compiler, "this is no date:", literal->text);
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

/* The pattern, bound. */
static int pattern_bind(struct compiler *compiler, struct buf *sql, const struct query_node *node)
{
    const char *pattern = query_pattern(compiler->cmis->arena, node->literals[0].text);
    if (!pattern)
        return cmis_fail_errno(compiler->cmis, -ENOMEM);
    if (strlen(pattern) > PATTERN_SIZE_MAX)
        return query_wrong(compiler, "this pattern is too long:", pattern);
    (void)buf_append_text(sql, node->negated ? " NOT LIKE " : " LIKE ");
    if (bind(compiler, sql, (struct bound){.kind = 't', .text = pattern}) < 0)
        return -1;
    (void)buf_append_text(sql, " ESCAPE '\\'");
    return 0;
}

static int any_append(struct compiler *compiler, const struct query_node *node,
                      const struct cmis_property_definition *definition, size_t table)
{
    struct buf *sql = &compiler->where;
    (void)buf_append_text(sql, "EXISTS (SELECT 1 ");
    value_rows_sql(sql, definition->id, query_node_names[table], query_version_names[table]);
    (void)buf_append_text(sql, " AND value.value ");
    if (node->kind == QUERY_LIKE) {
        if (pattern_bind(compiler, sql, node) < 0)
            return -1;
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
        value_rows_sql(sql, definition->id, query_node_names[table], query_version_names[table]);
        (void)buf_append_byte(sql, ')');
        return 0;
    }
    if (query_column_append(compiler, sql, definition, table) < 0)
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
    (void)buf_printf(&compiler->where, "%s.key = ", query_node_names[table]);
    if (bind(compiler, &compiler->where, key) < 0)
        return -1;
    (void)buf_append_text(&compiler->where, " AND ");
    return 0;
}

static int column_condition(struct compiler *compiler, const struct query_node *node)
{
    const struct cmis_property_definition *definition;
    struct buf *sql = &compiler->where;
    size_t table = 0;
    if (node->column.is_score)
        return query_wrong(compiler, "only SELECT and ORDER BY take", "SCORE()");
    if (query_column_find(compiler, &node->column, &table, &definition) < 0)
        return -1;
    if (!definition->queryable)
        return query_wrong(compiler, "a condition cannot ask for", definition->query_name);
    if (node->kind == QUERY_NULL)
        return null_append(compiler, node, definition, table);
    if (node->any != definition->multi)
        return query_wrong(
            compiler, node->any ? "ANY is for several values, not for" : "several values need ANY:",
            definition->query_name);
    if (node->any)
        return any_append(compiler, node, definition, table);
    if (node->kind == QUERY_COMPARE && strcmp(node->op, "=") == 0 &&
        strcmp(definition->id, "cmis:objectId") == 0 && node->literals[0].kind == LITERAL_TEXT &&
        id_append(compiler, node, table) < 0)
        return -1;
    if (query_column_append(compiler, sql, definition, table) < 0)
        return -1;
    if (node->kind == QUERY_IN) {
        (void)buf_append_text(sql, node->negated ? " NOT IN " : " IN ");
        return literals_bind(compiler, sql, node, definition);
    }
    if (node->kind == QUERY_LIKE) {
        if (definition->type != CMIS_STRING && definition->type != CMIS_ID &&
            definition->type != CMIS_URI && definition->type != CMIS_HTML)
            return query_wrong(compiler, "LIKE is for texts, not for", definition->query_name);
        return pattern_bind(compiler, sql, node);
    }
    if (definition->type == CMIS_BOOLEAN && strcmp(node->op, "=") != 0 &&
        strcmp(node->op, "<>") != 0)
        return query_wrong(compiler, "true and false have no order:", definition->query_name);
    (void)buf_printf(sql, " %s ", node->op);
    return literal_bind(compiler, sql, &node->literals[0], definition);
}

static int contains_append(struct compiler *compiler, const struct query_node *node)
{
    size_t table = 0;
    if (compiler->match)
        return query_wrong(compiler, "there is one CONTAINS at most, not", node->literals[0].text);
    if (query_table_of(compiler, node->column.qualifier, &table) < 0)
        return -1;
    compiler->match = query_match(compiler->cmis->arena, node->literals[0].text);
    if (!compiler->match)
        return query_wrong(compiler, "there is no word to find in", node->literals[0].text);
    if (compiler->streams)
        (void)buf_append_text(&compiler->where, "(m.search MATCH ");
    else
        (void)buf_printf(&compiler->where,
                         "(%s.key IN (SELECT rowid FROM search WHERE search MATCH ",
                         query_node_names[table]);
    if (bind(compiler, &compiler->where, (struct bound){.kind = 't', .text = compiler->match}) < 0)
        return -1;
    compiler->match_at = compiler->bound_count;
    (void)buf_append_text(&compiler->where, compiler->streams ? ")" : "))");
    if (!compiler->latest) /* the index has the words of latest versions */
        (void)buf_printf(&compiler->where, " AND (%s.number IS NULL OR %s.number = %s.version)",
                         query_version_names[table], query_version_names[table],
                         query_node_names[table]);
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
    size_t table = 0;
    if (!id || query_table_of(compiler, node->column.qualifier, &table) < 0)
        return id ? -1 : cmis_fail_errno(compiler->cmis, -ENOMEM);
    if (row_get(compiler->cmis, id, &folder) < 0 || folder.node.kind != NODE_FOLDER)
        return query_wrong(compiler, "there is no folder", id);
    const char *n = query_node_names[table];
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
    const char *n = query_node_names[table], *v = query_version_names[table];
    (void)buf_printf(sql, "%s.trash = 0 AND ", n);
    if (compiler->latest) /* one that never was checked in has its working copy as latest version */
        (void)buf_printf(sql, "(%s.checked_out = 0 OR %s.checked_out <> %s.version) AND ", n, n, n);
    else
        (void)buf_printf(sql, "(%s.number IS NULL OR %s.pwc = 0) AND ", v, v);
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
    const char *n = query_node_names[table], *v = query_version_names[table];
    /* A LEFT JOIN of one row at most is left out by SQLite where nothing asks for its columns. */
    bool inner = compiler->types[table]->base == CMIS_BASE_DOCUMENT && !compiler->latest;
    (void)buf_printf(sql, "node AS %s %sJOIN version AS %s ON %s.node = %s.key", n,
                     inner ? "" : "LEFT ", v, v, n);
    if (compiler->latest)
        (void)buf_printf(sql, " AND %s.number = %s.version", v, n);
}

static int join_append(struct compiler *compiler, size_t table)
{
    const struct query_table *it = &compiler->query->tables[table];
    const struct cmis_property_definition *left, *right;
    struct buf *sql = &compiler->from;
    size_t left_table = 0, right_table = 0;
    size_t count = compiler->query->table_count;
    (void)buf_append_text(sql, it->outer ? " LEFT JOIN (" : " JOIN (");
    tables_append(compiler, sql, table);
    (void)buf_append_text(sql, ") ON ");
    type_append(compiler, sql, table);
    (void)buf_append_text(sql, " AND ");
    compiler->query->table_count = table + 1; /* those to the right are not known yet */
    bool found = query_column_find(compiler, &it->left, &left_table, &left) == 0 &&
                 query_column_find(compiler, &it->right, &right_table, &right) == 0;
    compiler->query->table_count = count;
    if (!found)
        return -1;
    if (left->multi || right->multi || !left->queryable || !right->queryable)
        return query_wrong(compiler, "a join cannot compare", left->query_name);
    if (strcmp(left->id, "cmis:objectId") == 0 && strcmp(right->id, "cmis:objectId") == 0) {
        (void)buf_printf(sql, "%s.key = %s.key AND %s.number IS %s.number",
                         query_node_names[left_table], query_node_names[right_table],
                         query_version_names[left_table], query_version_names[right_table]);
        return 0;
    }
    if (query_column_append(compiler, sql, left, left_table) < 0)
        return -1;
    (void)buf_append_text(sql, " = ");
    return query_column_append(compiler, sql, right, right_table);
}

static int types_settle(struct compiler *compiler)
{
    struct query *query = compiler->query;
    for (size_t i = 0; i < query->table_count; i++) {
        const struct query_table *it = &query->tables[i];
        compiler->types[i] = type_by_query_name(compiler->cmis->store, slice_of_text(it->type));
        if (!compiler->types[i] || !compiler->types[i]->queryable)
            return query_wrong(compiler, "there is no asking for type", it->type);
        for (size_t other = 0; other < i; other++)
            if (is_table(compiler, other, it->alias ? it->alias : it->type))
                return query_wrong(compiler, "two types are called",
                                   it->alias ? it->alias : it->type);
    }
    return 0;
}

static bool has_kind(const struct query_node *node, enum query_kind kind)
{
    return node &&
           (node->kind == kind || has_kind(node->left, kind) || has_kind(node->right, kind));
}

/* Whether all that is found must match a CONTAINS. */
static bool is_all_contained(const struct query_node *node)
{
    return node && (node->kind == QUERY_CONTAINS ||
                    (node->kind == QUERY_AND &&
                     (is_all_contained(node->left) || is_all_contained(node->right))));
}

int query_from_compile(struct compiler *compiler)
{
    const struct query *query = compiler->query;
    if (types_settle(compiler) < 0)
        return -1;
    compiler->latest = !compiler->cmis->args.search_all_versions;
    /* In the order of the index the first rows are there before the last is found. What a folder has
     * is fewer, mostly: there the index is asked for them. */
    compiler->streams = query->table_count == 1 && is_all_contained(query->where) &&
                        !has_kind(query->where, QUERY_IN_FOLDER) &&
                        !has_kind(query->where, QUERY_IN_TREE);
    if (compiler->streams)
        (void)buf_append_text(&compiler->from, "search AS m CROSS JOIN ");
    tables_append(compiler, &compiler->from, 0);
    for (size_t i = 1; i < compiler->query->table_count; i++)
        if (join_append(compiler, i) < 0)
            return -1;
    (void)buf_append_text(&compiler->where,
                          compiler->streams ? " WHERE n0.key = m.rowid AND " : " WHERE ");
    type_append(compiler, &compiler->where, 0);
    if (!compiler->query->where)
        return 0;
    (void)buf_append_text(&compiler->where, " AND ");
    return condition(compiler, compiler->query->where);
}
