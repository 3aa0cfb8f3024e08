/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/query.h: CMIS SQL (CMIS 1.1, 2.1.14): from text to a tree. Parsing knows no types and no
 * store; its input is anybody's and bounded. */
#ifndef COFFER_DMS_CMIS_QUERY_H
#define COFFER_DMS_CMIS_QUERY_H

#include "base/arena.h"

#define QUERY_SIZE_MAX ((size_t)64 << 10)
#define QUERY_DEPTH_MAX 64
#define QUERY_TABLES_MAX 8
#define QUERY_COLUMNS_MAX 256
#define QUERY_LITERALS_MAX 2000 /* in the whole statement */

enum query_literal_kind { LITERAL_TEXT, LITERAL_NUMBER, LITERAL_BOOLEAN, LITERAL_TIMESTAMP };
struct query_literal {
    enum query_literal_kind kind;
    const char *text; /* of a text: as written, escapes and all; of a boolean: "1" or "0" */
};

/* `qualifier` NULL: none. `name` "*": all columns. */
struct query_column {
    const char *qualifier, *name;
    const char *alias;
    bool is_score;
};

struct query_table {
    const char *type, *alias;        /* alias NULL: none */
    bool outer;                      /* LEFT JOIN */
    struct query_column left, right; /* ON left = right; not for the first */
};

struct query_order {
    struct query_column column;
    bool down;
};

enum query_kind {
    QUERY_AND,
    QUERY_OR,
    QUERY_NOT,
    QUERY_COMPARE, /* column op literals[0]; with `any`: literals[0] = ANY column */
    QUERY_IN,      /* column [NOT] IN literals; with `any`: ANY column */
    QUERY_LIKE,
    QUERY_NULL,     /* column IS [NOT] NULL */
    QUERY_CONTAINS, /* literals[0]; the qualifier in column.qualifier */
    QUERY_IN_FOLDER,
    QUERY_IN_TREE,
};
struct query_node {
    enum query_kind kind;
    bool negated, any;
    const char *op; /* "=", "<>", "<", ">", "<=", ">=" */
    struct query_column column;
    size_t literal_count;
    const struct query_literal *literals;
    const struct query_node *left, *right;
};

struct query {
    bool distinct;
    size_t column_count;
    struct query_column columns[QUERY_COLUMNS_MAX];
    size_t table_count;
    struct query_table tables[QUERY_TABLES_MAX];
    const struct query_node *where; /* NULL: none */
    size_t order_count;
    struct query_order order[16];
};

/* 0; -EINVAL with *ret_wrong saying where and what (in the arena, or constant); -ENOMEM. */
must_check int query_parse(struct arena *arena, const char *text, struct query *ret,
                           const char **ret_wrong);

/* A text literal as it is meant: \' and \\ are the characters, as is ''. NULL without memory. */
const char *query_text(struct arena *arena, const char *literal);
/* A LIKE pattern for SQLite with ESCAPE '\'. */
const char *query_pattern(struct arena *arena, const char *literal);
/* The text of CONTAINS as FTS5 wants it; NULL if there is no word in it, or no memory. */
const char *query_match(struct arena *arena, const char *literal);

#endif
