/* SPDX-License-Identifier: Apache-2.0 */
/* What ties objects together: further folders, relationships, policies. */
#include "dms/cmis/model.h"

#include <errno.h>

/* Multi-filing */

int cmis_addObjectToFolder(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    struct row row, folder;
    int64_t *parents = NULL;
    size_t count = 0;
    if (row_get(cmis, args->object_id, &row) < 0 || right_check(cmis, &row, RIGHT_WRITE) < 0 ||
        row_get_base(cmis, args->folder_id, CMIS_BASE_FOLDER, &folder) < 0 ||
        right_check(cmis, &folder, RIGHT_WRITE) < 0)
        return -1;
    if (!row.type->fileable || row_base(&row) == CMIS_BASE_FOLDER)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Objects of this type cannot be filed again.");
    if (!args->all_versions)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "All versions are filed together.");
    if (row_parents(cmis, &row, &parents, &count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (parents[i] == folder.node.key)
            return 0;
    struct node there;
    int r = node_place_check(cmis->store, folder.node.key, row.node.name, row.node.key);
    if (r == 0 && node_child(cmis->store, cmis->arena, folder.node.key, row.node.name, &there) == 0)
        r = -EEXIST;
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    if (row.node.parent < 0)
        return RUN(cmis, STMT_NODE_PARENT, "ii", row.node.key, folder.node.key);
    return RUN(cmis, STMT_FILING_ADD, "ii", folder.node.key, row.node.key);
}

/* Out of one folder; the first of the others becomes the one it is in. */
int filing_remove(struct cmis_call *cmis, const struct row *row, int64_t folder)
{
    int64_t *parents = NULL;
    size_t count = 0;
    if (row->node.parent != folder)
        return RUN(cmis, STMT_FILING_REMOVE, "ii", folder, row->node.key);
    if (row_parents(cmis, row, &parents, &count) < 0)
        return -1;
    if (count < 2)
        return RUN(cmis, STMT_NODE_PARENT, "ii", row->node.key, -row->node.key);
    if (RUN(cmis, STMT_FILING_REMOVE, "ii", parents[1], row->node.key) < 0)
        return -1;
    return RUN(cmis, STMT_NODE_PARENT, "ii", row->node.key, parents[1]);
}

static int filing_remove_all(struct cmis_call *cmis, const struct row *row)
{
    if (RUN(cmis, STMT_FILING_OF, "i", row->node.key) < 0)
        return -1;
    return RUN(cmis, STMT_NODE_PARENT, "ii", row->node.key, -row->node.key);
}

int cmis_removeObjectFromFolder(struct cmis_call *cmis)
{
    struct row row, folder;
    int64_t *parents = NULL;
    size_t count = 0;
    if (row_get(cmis, cmis->args.object_id, &row) < 0 || right_check(cmis, &row, RIGHT_WRITE) < 0)
        return -1;
    if (!row.type->fileable || row_base(&row) == CMIS_BASE_FOLDER)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Objects of this type stay in their folder.");
    if (!cmis_args_has(cmis, CMIS_IN_FOLDER_ID))
        return filing_remove_all(cmis, &row);
    if (row_get_base(cmis, cmis->args.folder_id, CMIS_BASE_FOLDER, &folder) < 0 ||
        right_check(cmis, &folder, RIGHT_WRITE) < 0 ||
        row_parents(cmis, &row, &parents, &count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (parents[i] == folder.node.key)
            return filing_remove(cmis, &row, folder.node.key);
    return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The object is not in this folder.");
}

/* Relationships */

/* Of the objects whose keys a statement gives the next that the user may read: 1, 0 at the end, or
 * -1. */
static int readable_next(struct cmis_call *cmis, sqlite3_stmt *stmt, struct row *ret)
{
    for (;;) {
        int r = stmt ? store_step(cmis->store, stmt) : -EIO;
        if (r < 0)
            return cmis_fail_errno(cmis, r);
        if (r == 0)
            return 0;
        *ret = (struct row){0};
        if (row_by_key(cmis, sqlite3_column_int64(stmt, 0), ret) < 0)
            return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
        if (rights_of(cmis, &ret->node) & RIGHT_READ)
            return 1;
    }
}

int relationships_of(struct cmis_call *cmis, const struct row *row, int direction,
                     struct cmis_object *object)
{
    const struct object_view view = {.rendition_filter = "cmis:none", .actions = false};
    int64_t ends = direction == CMIS_RELATIONSHIPS_SOURCE   ? 1
                   : direction == CMIS_RELATIONSHIPS_TARGET ? 2
                                                            : 3;
    const struct cmis_object **list = call_alloc(cmis, CMIS_IDS_MAX * sizeof(void *));
    size_t count = 0;
    struct row one;
    int r = 0;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt =
        store_query(cmis->store, STMT_RELATIONSHIP_LIST, "ii", row->node.key, ends);
    while (list && count < CMIS_IDS_MAX && (r = readable_next(cmis, stmt, &one)) == 1)
        if (object_build(cmis, &one, &view, &list[count++]) < 0)
            return -1;
    object->relationships = list;
    object->relationship_count = count;
    return list && r >= 0 ? 0 : -1;
}

static bool is_asked_for(struct cmis_call *cmis, const struct row *row)
{
    const char *type =
        cmis_args_has(cmis, CMIS_IN_TYPE_ID) ? cmis->args.type_id : "cmis:relationship";
    bool below = cmis->args.include_sub_relationship_types || !cmis_args_has(cmis, CMIS_IN_TYPE_ID);
    return below ? type_is_a(cmis->store, row->type, type) : strcmp(row->type->id, type) == 0;
}

int cmis_getObjectRelationships(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    struct object_view view = view_of_args(cmis);
    int64_t ends = args->relationship_direction == CMIS_DIRECTION_SOURCE   ? 1
                   : args->relationship_direction == CMIS_DIRECTION_TARGET ? 2
                                                                           : 3;
    struct entry_list list = {0};
    struct row row, one;
    int64_t total = 0;
    int r;
    view.rendition_filter = "cmis:none";
    if (row_get(cmis, args->object_id, &row) < 0 || view_check(cmis, &view) < 0)
        return -1;
    if (cmis_args_has(cmis, CMIS_IN_TYPE_ID)) {
        const struct cmis_type *type = type_find(cmis->store, args->type_id);
        if (!type || type->base != CMIS_BASE_RELATIONSHIP)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There is no relationship type '%.100s'.",
                             args->type_id);
    }
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_RELATIONSHIP_LIST, "ii", row.node.key, ends);
    while ((r = readable_next(cmis, stmt, &one)) == 1) {
        struct cmis_entry entry = {0};
        if (!is_asked_for(cmis, &one))
            continue;
        if (total >= args->skip_count && (int64_t)list.count < args->max_items &&
            (object_build(cmis, &one, &view, &entry.object) < 0 ||
             entry_add(cmis, &list, &entry) < 0))
            return -1;
        total++;
    }
    cmis->result.list = (struct cmis_entries){
        list.count, list.entries, args->skip_count + (int64_t)list.count < total, total};
    return r;
}

/* Policies */

int policy_ids_of(struct cmis_call *cmis, const struct row *row, struct cmis_ids *ret)
{
    const char **ids = call_alloc(cmis, CMIS_IDS_MAX * sizeof *ids);
    size_t count = 0;
    struct row policy;
    int r = 0;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_APPLIED_LIST, "i", row->node.key);
    while (ids && count < CMIS_IDS_MAX && (r = readable_next(cmis, stmt, &policy)) == 1)
        if (!(ids[count++] = row_id(cmis, &policy)))
            return -1;
    *ret = (struct cmis_ids){ids, count};
    return ids && r >= 0 ? 0 : -1;
}

bool policy_is_applied(struct cmis_call *cmis, int64_t key)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(cmis->store, STMT_APPLIED_BY, "i", key);
    return !stmt || store_step(cmis->store, stmt) != 0;
}

int policy_apply(struct cmis_call *cmis, const char *id, const struct row *row)
{
    struct row policy;
    if (row_get_base(cmis, id, CMIS_BASE_POLICY, &policy) < 0)
        return -1;
    if (!row->type->controllable_policy)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Objects of this type have no policies.");
    return RUN(cmis, STMT_APPLIED_ADD, "ii", row->node.key, policy.node.key);
}

static int policy_change_note(struct cmis_call *cmis, const struct row *row)
{
    struct actor actor = actor_of(cmis);
    int r = change_add(cmis->store, &actor, row->node.key, row->number, CHANGE_SECURITY);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

int cmis_applyPolicy(struct cmis_call *cmis)
{
    struct row row;
    if (row_get(cmis, cmis->args.object_id, &row) < 0 || right_check(cmis, &row, RIGHT_WRITE) < 0 ||
        policy_apply(cmis, cmis->args.policy_id, &row) < 0)
        return -1;
    return policy_change_note(cmis, &row);
}

int cmis_removePolicy(struct cmis_call *cmis)
{
    struct row row, policy;
    if (row_get(cmis, cmis->args.object_id, &row) < 0 || right_check(cmis, &row, RIGHT_WRITE) < 0 ||
        row_get_base(cmis, cmis->args.policy_id, CMIS_BASE_POLICY, &policy) < 0)
        return -1;
    {
        SCOPED(stmt_donep)
        sqlite3_stmt *stmt =
            store_query(cmis->store, STMT_APPLIED_REMOVE, "ii", row.node.key, policy.node.key);
        int r = stmt ? store_step(cmis->store, stmt) : -EIO;
        if (r == 0)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The policy is not applied.");
        if (r == 1)
            r = store_step(cmis->store, stmt);
        if (r < 0)
            return cmis_fail_errno(cmis, r);
    }
    return policy_change_note(cmis, &row);
}

int cmis_getAppliedPolicies(struct cmis_call *cmis)
{
    struct object_view view = view_of_args(cmis);
    struct entry_list list = {0};
    struct row row, policy;
    int r;
    view.rendition_filter = "cmis:none";
    view.policy_ids = false; /* not asked for, and of the same statement */
    if (row_get(cmis, cmis->args.object_id, &row) < 0 || view_check(cmis, &view) < 0)
        return -1;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_APPLIED_LIST, "i", row.node.key);
    while ((r = readable_next(cmis, stmt, &policy)) == 1) {
        struct cmis_entry entry = {0};
        if (object_build(cmis, &policy, &view, &entry.object) < 0 ||
            entry_add(cmis, &list, &entry) < 0)
            return -1;
    }
    cmis->result.list = (struct cmis_entries){list.count, list.entries, false, (int64_t)list.count};
    return r;
}
