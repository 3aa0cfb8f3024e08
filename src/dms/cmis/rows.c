/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as the store has them, and their ids: "KEY" for all but documents, "KEY;NUMBER" for a
 * document's version. "KEY" of a document stands for its latest version: that is what the REST
 * interface calls it. */
#include "dms/cmis/model.h"

#include <errno.h>
#include <stdio.h>

void *call_alloc(struct cmis_call *cmis, size_t size)
{
    void *memory = arena_alloc(cmis->arena, size);
    if (!memory)
        (void)cmis_fail(cmis, CMIS_RUNTIME, "The answer is too large; ask for less at once.");
    return memory;
}

const char *call_text(struct cmis_call *cmis, const char *text)
{
    const char *copy = arena_text(cmis->arena, slice_of_text(text));
    if (!copy)
        (void)cmis_fail(cmis, CMIS_RUNTIME, "The answer is too large; ask for less at once.");
    return copy;
}

const char *call_printf(struct cmis_call *cmis, const char *format, ...)
{
    SCOPED(buf_done) struct buf out = {0};
    va_list args;
    va_start(args, format);
    (void)buf_vprintf(&out, format, args);
    va_end(args);
    const char *text = buf_text(&out);
    return text ? call_text(cmis, text) : NULL;
}

int cmis_step_begin(struct cmis_call *cmis)
{
    return store_step_begin(cmis->store);
}

int cmis_step_end(struct cmis_call *cmis, int result)
{
    (void)!store_step_end(cmis->store, result);
    return result;
}

/* Ids */

const char *object_id(struct cmis_call *cmis, int64_t key, int64_t number)
{
    return number ? call_printf(cmis, "%lld;%lld", (long long)key, (long long)number)
                  : call_printf(cmis, "%lld", (long long)key);
}

const char *row_id(struct cmis_call *cmis, const struct row *row)
{
    return object_id(cmis, row->node.key, row->number);
}

static int number_parse(const char **at, int64_t *ret)
{
    int64_t n = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        if (*at - start >= 18)
            return -EINVAL;
        n = n * 10 + (**at - '0');
    }
    if (*at == start || *start == '0')
        return -EINVAL;
    *ret = n;
    return 0;
}

/* 0 or -EINVAL; number 0: none is named. */
static int id_parse(const char *id, int64_t *ret_key, int64_t *ret_number)
{
    *ret_number = 0;
    if (number_parse(&id, ret_key) < 0)
        return -EINVAL;
    if (*id == ';') {
        id++;
        if (number_parse(&id, ret_number) < 0)
            return -EINVAL;
    }
    return *id ? -EINVAL : 0;
}

/* Reading */

enum { VERSION_AT = 21 }; /* columns of NODE_COLUMNS */

int row_read(struct cmis_call *cmis, sqlite3_stmt *stmt, struct row *ret)
{
    struct arena *arena = cmis->arena;
    *ret = (struct row){0};
    node_read(stmt, arena, &ret->node);
    const struct node *node = &ret->node;
    if (!node->name || !node->created_by || !node->modified_by)
        return cmis_fail_errno(cmis, -ENOMEM);
    ret->type = type_of(cmis->store, node->cmis_type, node->kind);
    ret->name = node->name;
    ret->created_by = node->created_by;
    ret->modified_by = node->modified_by;
    ret->created_ms = node->created_ms;
    ret->modified_ms = node->modified_ms;
    ret->revision = node->revision;
    ret->is_latest = true;
    if (node->kind != NODE_DOCUMENT)
        return 0;
    ret->number = sqlite3_column_int64(stmt, VERSION_AT);
    if (ret->number == 0) /* there is no such version */
        return 0;
    ret->content = sqlite3_column_int64(stmt, VERSION_AT + 1);
    ret->size = sqlite3_column_int64(stmt, VERSION_AT + 2);
    ret->mime = column_text(stmt, VERSION_AT + 3, arena);
    ret->created_ms = sqlite3_column_int64(stmt, VERSION_AT + 4);
    ret->created_by = column_text(stmt, VERSION_AT + 5, arena);
    ret->is_pwc = sqlite3_column_int(stmt, VERSION_AT + 6) != 0;
    ret->major = sqlite3_column_int64(stmt, VERSION_AT + 7);
    ret->minor = sqlite3_column_int64(stmt, VERSION_AT + 8);
    ret->comment = column_text(stmt, VERSION_AT + 9, arena);
    ret->file_name = column_text(stmt, VERSION_AT + 10, arena);
    ret->is_latest = ret->number == node->version;
    if (ret->is_latest)
        return 0;
    ret->name = column_text(stmt, VERSION_AT + 11, arena);
    ret->modified_ms = sqlite3_column_int64(stmt, VERSION_AT + 12);
    ret->modified_by = column_text(stmt, VERSION_AT + 13, arena);
    ret->revision = sqlite3_column_int64(stmt, VERSION_AT + 14);
    if (!ret->name || !ret->modified_by || !ret->created_by)
        return cmis_fail_errno(cmis, -EIO);
    return 0;
}

/* Owns `stmt`. 0, or -1 without an error set if there is no such row. */
static int row_one(struct cmis_call *cmis, sqlite3_stmt *stmt, struct row *ret)
{
    int r = stmt ? store_step(cmis->store, stmt) : -EIO;
    int result = r == 1 ? row_read(cmis, stmt, ret) : r < 0 ? cmis_fail_errno(cmis, r) : -1;
    stmt_done(stmt);
    return result;
}

static bool is_visible(struct cmis_call *cmis, const struct row *row)
{
    const struct node *node = &row->node;
    if (node->trash != 0 || (node->kind == NODE_DOCUMENT && row->number == 0))
        return false;
    if (row->is_pwc && !cmis->is_admin &&
        (!node->checked_out_by || strcmp(node->checked_out_by, cmis->user) != 0))
        return false;
    return (rights_of(cmis, node) & RIGHT_READ) != 0;
}

static int not_found(struct cmis_call *cmis, const char *id)
{
    return cmis->error ? -1
                       : cmis_fail(cmis, CMIS_OBJECT_NOT_FOUND, "There is no object '%.100s'.", id);
}

int row_get(struct cmis_call *cmis, const char *id, struct row *ret)
{
    int64_t key = 0, number = 0;
    if (id_parse(id, &key, &number) < 0)
        return not_found(cmis, id);
    int r = number ? row_version(cmis, key, number, ret) : row_by_key(cmis, key, ret);
    if (r < 0 || ret->number < number || !is_visible(cmis, ret))
        return not_found(cmis, id);
    return 0;
}

int row_by_key(struct cmis_call *cmis, int64_t key, struct row *ret)
{
    return row_one(cmis, store_query(cmis->store, STMT_OBJECT_LATEST, "i", key), ret);
}

int row_version(struct cmis_call *cmis, int64_t key, int64_t number, struct row *ret)
{
    return row_one(cmis, store_query(cmis->store, STMT_OBJECT_GET, "ii", key, number), ret);
}

enum cmis_base row_base(const struct row *row)
{
    return row->type->base;
}

int row_get_base(struct cmis_call *cmis, const char *id, enum cmis_base base, struct row *ret)
{
    if (row_get(cmis, id, ret) < 0)
        return -1;
    if (row_base(ret) != base)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "Object '%.100s' is no %s.", id,
                         cmis_base_id(base) + strlen("cmis:"));
    return 0;
}

/* Places */

int64_t row_parent(struct cmis_call *cmis, const struct row *row)
{
    if (row->node.parent >= 0)
        return row->node.parent;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_FILING_LIST, "i", row->node.key);
    return stmt && store_step(cmis->store, stmt) == 1 ? sqlite3_column_int64(stmt, 0) : 0;
}

int row_parents(struct cmis_call *cmis, const struct row *row, int64_t **ret_keys,
                size_t *ret_count)
{
    int64_t *keys = call_alloc(cmis, (CMIS_IDS_MAX + 1) * sizeof *keys);
    size_t count = 0;
    int r = 0;
    if (!keys)
        return -1;
    if (row->node.parent > 0)
        keys[count++] = row->node.parent;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_FILING_LIST, "i", row->node.key);
    while (stmt && count < CMIS_IDS_MAX && (r = store_step(cmis->store, stmt)) == 1)
        keys[count++] = sqlite3_column_int64(stmt, 0);
    if (!stmt || r < 0)
        return cmis_fail_errno(cmis, -EIO);
    *ret_keys = keys;
    *ret_count = count;
    return 0;
}

int folder_path(struct cmis_call *cmis, const struct node *folder, char **ret_path)
{
    struct node node = *folder;
    char *path = arena_text(cmis->arena, slice_of_text(node.key == STORE_ROOT ? "/" : ""));
    for (int depth = 0; path && node.key != STORE_ROOT; depth++) {
        path = arena_printf(cmis->arena, "/%s%s", node.name, path);
        if (depth > STORE_DEPTH_MAX + 1 ||
            node_get(cmis->store, cmis->arena, node.parent, &node) < 0)
            return cmis_fail_errno(cmis, -EIO);
    }
    *ret_path = path;
    return path ? 0 : cmis_fail_errno(cmis, -ENOMEM);
}

/* Typed properties */

const struct stored *row_stored(const struct row *row, const char *property)
{
    for (size_t i = 0; i < row->values.count; i++)
        if (strcmp(row->values.items[i].property, property) == 0)
            return &row->values.items[i];
    return NULL;
}

/* As SQLite has it: an integer, a real or text; which the definition says. */
static int value_column(struct cmis_call *cmis, sqlite3_stmt *stmt, union cmis_value *ret)
{
    switch (sqlite3_column_type(stmt, 1)) {
    case SQLITE_INTEGER:
        ret->integer = sqlite3_column_int64(stmt, 1);
        return 0;
    case SQLITE_FLOAT:
        ret->decimal = sqlite3_column_double(stmt, 1);
        return 0;
    default:
        ret->text = column_text(stmt, 1, cmis->arena);
        return ret->text ? 0 : -ENOMEM;
    }
}

/* Rows of one property come one after the other; they are gathered in a block that grows. */
static int stored_append(struct cmis_call *cmis, struct stored *stored,
                         const union cmis_value *value)
{
    if ((stored->count & (stored->count - 1)) == 0) { /* a power of two: it is full */
        union cmis_value *larger =
            arena_alloc(cmis->arena, MAX(stored->count * 2, (size_t)1) * sizeof *larger);
        if (!larger)
            return -ENOMEM;
        if (stored->count > 0)
            memcpy(larger, stored->values, stored->count * sizeof *larger);
        stored->values = larger;
    }
    stored->values[stored->count++] = *value;
    return 0;
}

int row_values(struct cmis_call *cmis, struct row *row)
{
    struct stored *items = NULL;
    size_t count = 0, capacity = 0;
    if (row->has_values)
        return 0;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt =
        store_query(cmis->store, STMT_VALUE_LIST, "ii", row->node.key, row->number);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(cmis->store, stmt)) == 1) {
        const char *property = (const char *)sqlite3_column_text(stmt, 0);
        union cmis_value value = {0};
        if (count == 0 || strcmp(items[count - 1].property, property) != 0) {
            if (count == capacity) {
                size_t wanted = capacity ? capacity * 2 : 8;
                struct stored *larger = arena_alloc(cmis->arena, wanted * sizeof *larger);
                if (larger && count > 0)
                    memcpy(larger, items, count * sizeof *items);
                items = larger;
                capacity = wanted;
            }
            if (items)
                items[count++] =
                    (struct stored){.property = arena_text(cmis->arena, slice_of_text(property))};
        }
        r = items && items[count - 1].property ? value_column(cmis, stmt, &value) : -ENOMEM;
        if (r == 0)
            r = stored_append(cmis, &items[count - 1], &value);
    }
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    row->values.items = items;
    row->values.count = count;
    row->has_values = true;
    return retention_values(cmis, row);
}

const struct cmis_property_definition *row_definition(struct cmis_call *cmis, const struct row *row,
                                                      const char *id)
{
    const struct cmis_property_definition *definition = type_property(row->type, id);
    const struct stored *secondary = definition ? NULL : row_stored(row, SECONDARY_IDS);
    for (size_t i = 0; !definition && secondary && i < secondary->count; i++) {
        const struct cmis_type *type = type_find(cmis->store, secondary->values[i].text);
        definition = type ? type_property(type, id) : NULL;
    }
    return definition;
}
