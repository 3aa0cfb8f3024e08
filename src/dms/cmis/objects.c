/* SPDX-License-Identifier: Apache-2.0 */
/* What answers say of an object: its properties by filter, allowable actions and what else was
 * asked for. */
#include "dms/cmis/model.h"

#include <errno.h>

/* Filters */

static bool is_filter_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr(":_-.*", c) != NULL;
}

/* The next name of a comma-separated list; false at its end. */
static bool filter_next(const char **at, struct slice *ret)
{
    const char *start = *at;
    if (!start)
        return false;
    size_t size = strcspn(start, ",");
    *at = start[size] ? start + size + 1 : NULL;
    while (size > 0 && *start == ' ') {
        start++;
        size--;
    }
    while (size > 0 && start[size - 1] == ' ')
        size--;
    *ret = slice_of(start, size);
    return true;
}

int view_check(struct cmis_call *cmis, const struct object_view *view)
{
    struct slice name;
    if (rendition_filter_check(cmis, view->rendition_filter) < 0)
        return -1;
    if (!view->filter || !*view->filter)
        return 0;
    for (const char *at = view->filter; filter_next(&at, &name);) {
        bool good = name.size > 0;
        for (size_t i = 0; i < name.size; i++)
            good = good && is_filter_char((char)name.bytes[i]);
        if (!good)
            return cmis_fail(cmis, CMIS_FILTER_NOT_VALID,
                             "filter is '*' or query names with commas between.");
    }
    return 0;
}

static bool is_wanted(const struct object_view *view, const char *query_name)
{
    struct slice name;
    if (!view->filter || !*view->filter)
        return true;
    for (const char *at = view->filter; filter_next(&at, &name);)
        if (slice_is_text(name, "*") || slice_is_text(name, query_name))
            return true;
    return false;
}

struct object_view view_of_args(const struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    return (struct object_view){
        .filter = args->filter,
        .actions = args->include_allowable_actions,
        .acl = args->include_acl,
        .policy_ids = args->include_policy_ids,
        .relationships = args->include_relationships,
        .rendition_filter = args->rendition_filter,
    };
}

/* Properties */

static int one_text(struct cmis_call *cmis, struct cmis_property *property, const char *text)
{
    union cmis_value *value = text ? call_alloc(cmis, sizeof *value) : NULL;
    if (!text)
        return cmis->error ? -1 : 0;
    if (!value)
        return -1;
    value->text = text;
    property->values = value;
    property->count = 1;
    return 0;
}

static int one_number(struct cmis_call *cmis, struct cmis_property *property, int64_t number)
{
    union cmis_value *value = call_alloc(cmis, sizeof *value);
    if (!value)
        return -1;
    if (property->type == CMIS_BOOLEAN)
        value->boolean = number != 0;
    else
        value->integer = number;
    property->values = value;
    property->count = 1;
    return 0;
}

static bool is_latest_major(struct cmis_call *cmis, const struct row *row)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_OBJECT_MAJOR, "i", row->node.key);
    return !row->is_pwc && row->minor == 0 && stmt && store_step(cmis->store, stmt) == 1 &&
           sqlite3_column_int64(stmt, 0) == row->number;
}

static const char *version_label(struct cmis_call *cmis, const struct row *row)
{
    return row->is_pwc
               ? "pwc"
               : call_printf(cmis, "%lld.%lld", (long long)row->major, (long long)row->minor);
}

static int relationship_end(struct cmis_call *cmis, const struct row *row, int column,
                            const char **ret)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_RELATIONSHIP_GET, "i", row->node.key);
    int r = stmt ? store_step(cmis->store, stmt) : -EIO;
    *ret = r == 1 ? column_text(stmt, column, cmis->arena) : NULL;
    return *ret ? 0 : cmis_fail_errno(cmis, r < 0 ? r : -EIO);
}

enum source {
    FROM_NAME,
    FROM_ID,
    FROM_BASE,
    FROM_TYPE,
    FROM_CREATED_BY,
    FROM_CREATED,
    FROM_MODIFIED_BY,
    FROM_MODIFIED,
    FROM_TOKEN,
    FROM_IMMUTABLE,
    FROM_LATEST,
    FROM_MAJOR,
    FROM_LATEST_MAJOR,
    FROM_PWC,
    FROM_LABEL,
    FROM_SERIES,
    FROM_OUT,
    FROM_OUT_BY,
    FROM_OUT_ID,
    FROM_COMMENT,
    FROM_LENGTH,
    FROM_MIME,
    FROM_FILE_NAME,
    FROM_STREAM_ID,
    FROM_PARENT,
    FROM_PATH,
    FROM_ALLOWED,
    FROM_SOURCE,
    FROM_TARGET,
    FROM_STORED,
};

static enum source source_of(const char *id)
{
    static const char *const ids[] = {
        "cmis:name",
        "cmis:objectId",
        "cmis:baseTypeId",
        "cmis:objectTypeId",
        "cmis:createdBy",
        "cmis:creationDate",
        "cmis:lastModifiedBy",
        "cmis:lastModificationDate",
        "cmis:changeToken",
        "cmis:isImmutable",
        "cmis:isLatestVersion",
        "cmis:isMajorVersion",
        "cmis:isLatestMajorVersion",
        "cmis:isPrivateWorkingCopy",
        "cmis:versionLabel",
        "cmis:versionSeriesId",
        "cmis:isVersionSeriesCheckedOut",
        "cmis:versionSeriesCheckedOutBy",
        "cmis:versionSeriesCheckedOutId",
        "cmis:checkinComment",
        "cmis:contentStreamLength",
        "cmis:contentStreamMimeType",
        "cmis:contentStreamFileName",
        "cmis:contentStreamId",
        "cmis:parentId",
        "cmis:path",
        "cmis:allowedChildObjectTypeIds",
        "cmis:sourceId",
        "cmis:targetId",
    };
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++)
        if (strcmp(ids[i], id) == 0)
            return (enum source)i;
    return FROM_STORED;
}

static int stored_value(struct cmis_call *cmis, struct row *row, struct cmis_property *property)
{
    if (row_values(cmis, row) < 0)
        return -1;
    const struct stored *stored = row_stored(row, property->id);
    if (!stored)
        return 0;
    if (property->type == CMIS_BOOLEAN) {
        union cmis_value *values = call_alloc(cmis, stored->count * sizeof *values);
        for (size_t i = 0; values && i < stored->count; i++)
            values[i].boolean = stored->values[i].integer != 0;
        property->values = values;
        property->count = stored->count;
        return values ? 0 : -1;
    }
    property->values = stored->values;
    property->count = stored->count;
    return 0;
}

static int folder_value(struct cmis_call *cmis, struct row *row, enum source source,
                        struct cmis_property *ret)
{
    char *path = NULL;
    if (source == FROM_PARENT)
        return row->node.key == STORE_ROOT
                   ? 0
                   : one_text(cmis, ret, object_id(cmis, row->node.parent, 0));
    if (folder_path(cmis, &row->node, &path) < 0)
        return -1;
    return one_text(cmis, ret, path);
}

static int version_value(struct cmis_call *cmis, struct row *row, enum source source,
                         struct cmis_property *ret)
{
    const struct node *node = &row->node;
    switch (source) {
    case FROM_IMMUTABLE:
        return one_number(cmis, ret, 0);
    case FROM_LATEST:
        return one_number(cmis, ret, row->is_latest && !row->is_pwc);
    case FROM_MAJOR:
        return one_number(cmis, ret, !row->is_pwc && row->minor == 0);
    case FROM_LATEST_MAJOR:
        return one_number(cmis, ret, is_latest_major(cmis, row));
    case FROM_PWC:
        return one_number(cmis, ret, row->is_pwc);
    case FROM_LABEL:
        return one_text(cmis, ret, version_label(cmis, row));
    case FROM_SERIES:
        return one_text(cmis, ret, object_id(cmis, node->key, 0));
    case FROM_OUT:
        return one_number(cmis, ret, node->checked_out != 0);
    case FROM_OUT_BY:
        return node->checked_out ? one_text(cmis, ret, node->checked_out_by) : 0;
    case FROM_OUT_ID:
        return node->checked_out
                   ? one_text(cmis, ret, object_id(cmis, node->key, node->checked_out))
                   : 0;
    default:
        return one_text(cmis, ret, row->comment);
    }
}

static int content_value(struct cmis_call *cmis, struct row *row, enum source source,
                         struct cmis_property *ret)
{
    if (!row->content)
        return 0;
    switch (source) {
    case FROM_LENGTH:
        return one_number(cmis, ret, row->size);
    case FROM_MIME:
        return one_text(cmis, ret, row->mime ? row->mime : "application/octet-stream");
    case FROM_FILE_NAME:
        return one_text(cmis, ret, row->file_name ? row->file_name : row->name);
    default:
        return one_text(cmis, ret, call_printf(cmis, "c%lld", (long long)row->content));
    }
}

int property_value(struct cmis_call *cmis, struct row *row,
                   const struct cmis_property_definition *definition, struct cmis_property *ret)
{
    enum source source = source_of(definition->id);
    const char *end = NULL;
    *ret = (struct cmis_property){
        .id = definition->id,
        .local_name = definition->local_name,
        .display_name = definition->display_name,
        .query_name = definition->query_name,
        .type = definition->type,
        .multi = definition->multi,
    };
    switch (source) {
    case FROM_NAME:
        return one_text(cmis, ret, row->name);
    case FROM_ID:
        return one_text(cmis, ret, row_id(cmis, row));
    case FROM_BASE:
        return one_text(cmis, ret, cmis_base_id(row_base(row)));
    case FROM_TYPE:
        return one_text(cmis, ret, row->type->id);
    case FROM_CREATED_BY:
        return one_text(cmis, ret, *row->created_by ? row->created_by : "system");
    case FROM_CREATED:
        return one_number(cmis, ret, row->created_ms);
    case FROM_MODIFIED_BY:
        return one_text(cmis, ret, *row->modified_by ? row->modified_by : "system");
    case FROM_MODIFIED:
        return one_number(cmis, ret, row->modified_ms);
    case FROM_TOKEN:
        return one_text(cmis, ret, call_printf(cmis, "%lld", (long long)row->revision));
    case FROM_LENGTH:
    case FROM_MIME:
    case FROM_FILE_NAME:
    case FROM_STREAM_ID:
        return content_value(cmis, row, source, ret);
    case FROM_PARENT:
    case FROM_PATH:
        return folder_value(cmis, row, source, ret);
    case FROM_SOURCE:
    case FROM_TARGET:
        if (relationship_end(cmis, row, source == FROM_TARGET, &end) < 0)
            return -1;
        return one_text(cmis, ret, end);
    case FROM_ALLOWED:
        return 0;
    case FROM_STORED:
        return stored_value(cmis, row, ret);
    default:
        return version_value(cmis, row, source, ret);
    }
}

static int type_values(struct cmis_call *cmis, struct row *row, const struct cmis_type *type,
                       const struct object_view *view, struct cmis_object *object,
                       struct cmis_property *properties)
{
    for (size_t i = 0; i < type->property_count; i++) {
        const struct cmis_property_definition *definition = &type->properties[i];
        if (!is_wanted(view, definition->query_name) ||
            object->property_count == CMIS_PROPERTIES_MAX)
            continue;
        if (property_value(cmis, row, definition, &properties[object->property_count++]) < 0)
            return -1;
    }
    return 0;
}

static int properties_build(struct cmis_call *cmis, struct row *row, const struct object_view *view,
                            struct cmis_object *object)
{
    struct cmis_property properties[CMIS_PROPERTIES_MAX];
    if (type_values(cmis, row, row->type, view, object, properties) < 0 ||
        row_values(cmis, row) < 0)
        return -1;
    const struct stored *secondary = row_stored(row, SECONDARY_IDS);
    for (size_t i = 0; secondary && i < secondary->count; i++) {
        const struct cmis_type *type = type_find(cmis->store, secondary->values[i].text);
        if (type && type_values(cmis, row, type, view, object, properties) < 0)
            return -1;
    }
    size_t size = object->property_count * sizeof properties[0];
    struct cmis_property *copy = call_alloc(cmis, MAX(size, (size_t)1));
    if (!copy)
        return -1;
    memcpy(copy, properties, size);
    object->properties = copy;
    return 0;
}

/* Allowable actions */

static uint64_t can(bool may, enum cmis_action action)
{
    return may ? (uint64_t)1 << action : 0;
}

static uint64_t document_actions(const struct row *row, bool read, bool write, bool kept)
{
    bool out = row->node.checked_out != 0;
    bool changeable = write && (row->is_pwc || (row->is_latest && !out));
    bool stream = row->type->stream_rule != CMIS_STREAM_NOTALLOWED;
    bool settled = write && row->is_latest && !out;
    bool loses = row->is_pwc || !kept; /* what there was may go */
    return can(changeable, CMIS_CAN_UPDATE_PROPERTIES) |
           can(write && loses && (row->is_pwc || !out), CMIS_CAN_DELETE_OBJECT) |
           can(changeable && stream && loses, CMIS_CAN_SET_CONTENT_STREAM) |
           can(changeable && loses && row->content &&
                   row->type->stream_rule != CMIS_STREAM_REQUIRED,
               CMIS_CAN_DELETE_CONTENT_STREAM) |
           can(read && row->content, CMIS_CAN_GET_CONTENT_STREAM) |
           can(settled && row->type->versionable, CMIS_CAN_CHECK_OUT) |
           can(write && row->is_pwc, CMIS_CAN_CHECK_IN) |
           can(write && row->is_pwc, CMIS_CAN_CANCEL_CHECK_OUT) |
           can(read && row->type->versionable, CMIS_CAN_GET_ALL_VERSIONS) |
           can(write && !out && row->node.parent > 0, CMIS_CAN_MOVE_OBJECT) |
           can(write, CMIS_CAN_ADD_OBJECT_TO_FOLDER) |
           can(write && row->node.parent > 0, CMIS_CAN_REMOVE_OBJECT_FROM_FOLDER) |
           can(read, CMIS_CAN_GET_OBJECT_PARENTS) | can(read, CMIS_CAN_GET_RENDITIONS);
}

static uint64_t folder_actions(const struct row *row, bool read, bool write)
{
    bool root = row->node.key == STORE_ROOT;
    return can(write, CMIS_CAN_UPDATE_PROPERTIES) | can(write && !root, CMIS_CAN_DELETE_OBJECT) |
           can(write && !root, CMIS_CAN_DELETE_TREE) | can(write && !root, CMIS_CAN_MOVE_OBJECT) |
           can(read, CMIS_CAN_GET_FOLDER_TREE) | can(read, CMIS_CAN_GET_DESCENDANTS) |
           can(read, CMIS_CAN_GET_CHILDREN) | can(read && !root, CMIS_CAN_GET_FOLDER_PARENT) |
           can(read && !root, CMIS_CAN_GET_OBJECT_PARENTS) | can(write, CMIS_CAN_CREATE_DOCUMENT) |
           can(write, CMIS_CAN_CREATE_FOLDER) | can(write, CMIS_CAN_CREATE_ITEM);
}

uint64_t row_actions(struct cmis_call *cmis, const struct row *row)
{
    unsigned rights = rights_of(cmis, &row->node);
    bool read = (rights & RIGHT_READ) != 0, write = (rights & RIGHT_WRITE) != 0;
    enum cmis_base base = row_base(row);
    bool relates = base != CMIS_BASE_RELATIONSHIP;
    uint64_t actions = can(read, CMIS_CAN_GET_PROPERTIES) |
                       can(read && relates, CMIS_CAN_GET_OBJECT_RELATIONSHIPS) |
                       can(read && relates, CMIS_CAN_CREATE_RELATIONSHIP);
    if (row->type->controllable_policy)
        actions |= can(write, CMIS_CAN_APPLY_POLICY) | can(write, CMIS_CAN_REMOVE_POLICY) |
                   can(read, CMIS_CAN_GET_APPLIED_POLICIES);
    if (row->type->controllable_acl)
        actions |= can(read, CMIS_CAN_GET_ACL) | can((rights & RIGHT_ALL) != 0, CMIS_CAN_APPLY_ACL);
    if (base == CMIS_BASE_DOCUMENT)
        return actions | document_actions(row, read, write, row_kept(cmis, row->node.key));
    if (base == CMIS_BASE_FOLDER)
        return actions | folder_actions(row, read, write);
    bool filed = base == CMIS_BASE_ITEM;
    bool applied = base == CMIS_BASE_POLICY && policy_is_applied(cmis, row->node.key);
    return actions | can(write, CMIS_CAN_UPDATE_PROPERTIES) |
           can(write && !applied, CMIS_CAN_DELETE_OBJECT) |
           can(read && filed, CMIS_CAN_GET_OBJECT_PARENTS) |
           can(write && filed, CMIS_CAN_ADD_OBJECT_TO_FOLDER) |
           can(write && filed && row->node.parent > 0, CMIS_CAN_MOVE_OBJECT) |
           can(write && filed && row->node.parent > 0, CMIS_CAN_REMOVE_OBJECT_FROM_FOLDER);
}

/* The rest */

int object_facts(struct cmis_call *cmis, struct row *row, struct cmis_object *object)
{
    const struct node *node = &row->node;
    int64_t parent = row_parent(cmis, row);
    object->facts.id = row_id(cmis, row);
    object->facts.base = row_base(row);
    object->facts.type_id = row->type->id;
    object->facts.name = row->name;
    object->facts.created_by = *row->created_by ? row->created_by : "system";
    object->facts.modified_by = *row->modified_by ? row->modified_by : "system";
    object->facts.created_ms = row->created_ms;
    object->facts.modified_ms = row->modified_ms;
    object->facts.parent_id = parent > 0 ? object_id(cmis, parent, 0) : NULL;
    object->facts.is_root = node->key == STORE_ROOT;
    object->facts.is_latest = row->is_latest && !row->is_pwc;
    if (object->facts.base == CMIS_BASE_DOCUMENT) {
        object->facts.series_id = object_id(cmis, node->key, 0);
        object->facts.latest_id = object_id(cmis, node->key, node->version);
        object->facts.working_copy_id =
            node->checked_out ? object_id(cmis, node->key, node->checked_out) : NULL;
        object->facts.is_working_copy = row->is_pwc;
        object->facts.is_versionable = row->type->versionable;
        object->facts.has_content = row->content != 0;
        object->facts.content_type = row->mime ? row->mime : "application/octet-stream";
        object->facts.content_name = row->file_name ? row->file_name : row->name;
        object->facts.content_size = row->size;
    } else if (object->facts.base == CMIS_BASE_FOLDER) {
        char *path;
        if (folder_path(cmis, node, &path) < 0)
            return -1;
        object->facts.path = path;
    } else if (object->facts.base == CMIS_BASE_RELATIONSHIP) {
        if (relationship_end(cmis, row, 0, &object->facts.source_id) < 0 ||
            relationship_end(cmis, row, 1, &object->facts.target_id) < 0)
            return -1;
    }
    return cmis->error ? -1 : 0;
}

int object_extras(struct cmis_call *cmis, struct row *row, const struct object_view *view,
                  struct cmis_object *object)
{
    if (view->actions) {
        object->has_actions = true;
        object->actions = row_actions(cmis, row);
    }
    if (view->acl && row->type->controllable_acl) {
        struct cmis_acl *acl = call_alloc(cmis, sizeof *acl);
        if (!acl || acl_of(cmis, &row->node, acl) < 0)
            return -1;
        object->acl = acl;
    }
    if (view->policy_ids) {
        object->has_policy_ids = true;
        if (policy_ids_of(cmis, row, &object->policy_ids) < 0)
            return -1;
    }
    if (view->relationships != CMIS_RELATIONSHIPS_NONE && row_base(row) != CMIS_BASE_RELATIONSHIP &&
        relationships_of(cmis, row, view->relationships, object) < 0)
        return -1;
    return renditions_of(cmis, row, view->rendition_filter, &object->renditions,
                         &object->rendition_count);
}

int object_build(struct cmis_call *cmis, struct row *row, const struct object_view *view,
                 const struct cmis_object **ret)
{
    struct cmis_object *object = call_alloc(cmis, sizeof *object);
    if (!object || object_facts(cmis, row, object) < 0 ||
        properties_build(cmis, row, view, object) < 0 || object_extras(cmis, row, view, object) < 0)
        return -1;
    *ret = object;
    return 0;
}

int entry_add(struct cmis_call *cmis, struct entry_list *list, const struct cmis_entry *entry)
{
    if (list->count == list->capacity) {
        size_t wanted = list->capacity ? list->capacity * 2 : 16;
        struct cmis_entry *larger = call_alloc(cmis, wanted * sizeof *larger);
        if (!larger)
            return -1;
        if (list->count > 0)
            memcpy(larger, list->entries, list->count * sizeof *larger);
        list->entries = larger;
        list->capacity = wanted;
    }
    list->entries[list->count++] = *entry;
    return 0;
}
