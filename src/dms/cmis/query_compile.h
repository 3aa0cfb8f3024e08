/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/query_compile.h: what the two halves of running a query share: FROM and WHERE become SQL
 * in query_compile.c, SELECT and ORDER BY in query.c, which also runs it. */
#ifndef COFFER_DMS_CMIS_QUERY_COMPILE_H
#define COFFER_DMS_CMIS_QUERY_COMPILE_H

#include "dms/cmis/model.h"
#include "dms/cmis/query.h"

/* A value that SQLite gets beside the SQL. */
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
    bool latest;  /* of documents their latest version alone, which a row of `node` names */
    bool streams; /* FROM begins with the full-text index as `m`: its order is the answer's */
};
enum { BOUNDS_MAX = QUERY_LITERALS_MAX + 64, PATTERN_SIZE_MAX = 1024 };

/* Aliases of the tables `node` and `version` of the i-th type. */
extern const char *const query_node_names[QUERY_TABLES_MAX];
extern const char *const query_version_names[QUERY_TABLES_MAX];

/* Sets invalidArgument and returns -1. */
int query_wrong(struct compiler *compiler, const char *what, const char *name);
bool query_same_name(const char *a, const char *b);
/* The type with this name or alias; NULL: the first. */
must_check int query_table_of(struct compiler *compiler, const char *qualifier, size_t *ret);
must_check int query_column_find(struct compiler *compiler, const struct query_column *column,
                                 size_t *ret_table, const struct cmis_property_definition **ret);
must_check int query_column_append(struct compiler *compiler, struct buf *sql,
                                   const struct cmis_property_definition *definition, size_t table);
/* Fills compiler->from and compiler->where. */
must_check int query_from_compile(struct compiler *compiler);

#endif
