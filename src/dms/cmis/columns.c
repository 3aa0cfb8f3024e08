/* SPDX-License-Identifier: Apache-2.0 */
/* Properties as SQL expressions over the tables of objects. What goes into the SQL is constant, or
 * an id of a property that a type has, which cannot hold a quote; and is quoted all the same. */
#include "dms/cmis/model.h"
#include "server/http.h"

#include <errno.h>

/* N and V stand for the aliases of node and version. */
static const struct {
    const char *id, *sql;
} columns[] = {
    {"cmis:name", "CASE WHEN V.number IS NULL OR V.number = N.version THEN N.name ELSE V.name END"},
    {"cmis:objectId", "N.key || CASE WHEN V.number IS NULL THEN '' ELSE ';' || V.number END"},
    {"cmis:baseTypeId", "CASE N.kind WHEN 1 THEN 'cmis:folder' WHEN 2 THEN 'cmis:document' "
                        "WHEN 3 THEN 'cmis:item' WHEN 4 THEN 'cmis:relationship' ELSE "
                        "'cmis:policy' END"},
    {"cmis:objectTypeId", "coalesce(N.cmis_type, CASE N.kind WHEN 1 THEN 'cmis:folder' WHEN 2 THEN "
                          "'cmis:document' WHEN 3 THEN 'cmis:item' WHEN 4 THEN "
                          "'cmis:relationship' ELSE 'cmis:policy' END)"},
    {"cmis:createdBy", "coalesce(V.created_by, N.created_by)"},
    {"cmis:creationDate", "coalesce(V.created_ms, N.created_ms)"},
    {"cmis:lastModifiedBy", "CASE WHEN V.number IS NULL OR V.number = N.version THEN N.modified_by "
                            "ELSE V.modified_by END"},
    {"cmis:lastModificationDate", "CASE WHEN V.number IS NULL OR V.number = N.version THEN "
                                  "N.modified_ms ELSE V.modified_ms END"},
    {"cmis:isImmutable", "0 = 1"}, /* a number alone would be the number of a column to ORDER BY */
    {"cmis:isLatestVersion", "V.number = N.version AND V.pwc = 0"},
    {"cmis:isMajorVersion", "V.minor = 0 AND V.pwc = 0"},
    {"cmis:isLatestMajorVersion", "V.number = (SELECT max(m.number) FROM version AS m WHERE "
                                  "m.node = N.key AND m.pwc = 0 AND m.minor = 0)"},
    {"cmis:isPrivateWorkingCopy", "V.pwc"},
    {"cmis:versionLabel", "CASE WHEN V.pwc THEN 'pwc' ELSE V.major || '.' || V.minor END"},
    {"cmis:versionSeriesId", "CAST(N.key AS TEXT)"},
    {"cmis:isVersionSeriesCheckedOut", "N.checked_out <> 0"},
    {"cmis:versionSeriesCheckedOutBy", "N.checked_out_by"},
    {"cmis:versionSeriesCheckedOutId", "CASE WHEN N.checked_out <> 0 THEN N.key || ';' || "
                                       "N.checked_out END"},
    {"cmis:checkinComment", "V.comment"},
    {"cmis:contentStreamLength", "CASE WHEN V.content <> 0 THEN V.size END"},
    {"cmis:contentStreamMimeType", "CASE WHEN V.content <> 0 THEN coalesce(V.type, "
                                   "'application/octet-stream') END"},
    {"cmis:contentStreamFileName", "CASE WHEN V.content <> 0 THEN coalesce(V.file_name, N.name) "
                                   "END"},
    {"cmis:parentId", "CASE WHEN N.parent > 0 THEN CAST(N.parent AS TEXT) END"},
    {"cmis:sourceId", "(SELECT r.source_id FROM relationship AS r WHERE r.node = N.key)"},
    {"cmis:targetId", "(SELECT r.target_id FROM relationship AS r WHERE r.node = N.key)"},
};

/* The columns that the store does not have: paths and the like. */
static bool is_computed(const char *id)
{
    static const char *const ids[] = {"cmis:path", "cmis:changeToken", "cmis:contentStreamId",
                                      "cmis:allowedChildObjectTypeIds"};
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++)
        if (strcmp(ids[i], id) == 0)
            return true;
    return false;
}

static void aliased_append(struct buf *sql, const char *text, const char *n, const char *v)
{
    for (const char *c = text; *c; c++) {
        if ((*c == 'N' || *c == 'V') && c[1] == '.')
            (void)buf_append_text(sql, *c == 'N' ? n : v);
        else
            (void)buf_append_byte(sql, (uint8_t)*c);
    }
}

void sql_quote(struct buf *sql, const char *text)
{
    (void)buf_append_byte(sql, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            (void)buf_append_byte(sql, '\'');
        (void)buf_append_byte(sql, (uint8_t)*c);
    }
    (void)buf_append_byte(sql, '\'');
}

void value_rows_sql(struct buf *sql, const char *property, const char *n, const char *v)
{
    (void)buf_printf(sql,
                     "FROM value WHERE value.node = %s.key AND value.number = "
                     "coalesce(%s.number, 0) AND value.property = ",
                     n, v);
    sql_quote(sql, property);
}

int column_sql(struct buf *sql, const char *property, const char *n, const char *v)
{
    if (is_computed(property))
        return -ENOENT;
    for (size_t i = 0; i < ARRAY_COUNT(columns); i++)
        if (strcmp(columns[i].id, property) == 0) {
            (void)buf_append_byte(sql, '(');
            aliased_append(sql, columns[i].sql, n, v);
            return buf_append_byte(sql, ')');
        }
    (void)buf_append_text(sql, "(SELECT value.value ");
    value_rows_sql(sql, property, n, v);
    return buf_append_text(sql, " AND value.place = 0)");
}

int order_column(struct cmis_call *cmis, const char *query_name, struct buf *sql)
{
    const struct cmis_type *type;
    for (size_t i = 0; (type = type_at(cmis->store, i)) != NULL; i++)
        for (size_t p = 0; p < type->property_count; p++) {
            const struct cmis_property_definition *definition = &type->properties[p];
            if (strcmp(definition->query_name, query_name) != 0)
                continue;
            if (!definition->orderable)
                return -ENOENT;
            int r = column_sql(sql, definition->id, "node", "version");
            if (r == 0 && definition->type == CMIS_STRING) /* as in queries */
                (void)buf_append_text(sql, " COLLATE NOCASE");
            return r;
        }
    return -ENOENT;
}
