/* SPDX-License-Identifier: Apache-2.0 */
/* The log of changes. A token is the number of an event; asking with one gives that event again and
 * what came after it, as the standard wants. */
#include "dms/cmis/model.h"

#include <errno.h>
#include <stdlib.h>

static int token_parse(struct cmis_call *cmis, int64_t *ret)
{
    const char *token = cmis->args.change_log_token;
    int64_t first = 0, last = 0;
    if (change_ends(cmis, &first, &last) < 0)
        return -1;
    *ret = 0;
    if (!cmis_args_has(cmis, CMIS_IN_CHANGE_LOG_TOKEN) || !*token)
        return 0;
    size_t size = strspn(token, "0123456789");
    if (token[size] || size > 18)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "'%.40s' is no change log token.", token);
    *ret = strtoll(token, NULL, 10);
    if (*ret > last || (*ret > 0 && *ret < first))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "The log has no event '%.40s' any more.", token);
    return 0;
}

struct event {
    int64_t key, node, number, kind, at_ms;
};

/* What is known of something that may be gone: its id. */
static int ghost_build(struct cmis_call *cmis, const struct event *event,
                       const struct cmis_object **ret)
{
    struct cmis_object *object = call_alloc(cmis, sizeof *object);
    struct cmis_property *property = call_alloc(cmis, sizeof *property);
    union cmis_value *value = call_alloc(cmis, sizeof *value);
    const char *id = object_id(cmis, event->node, event->number);
    if (!object || !property || !value || !id)
        return -1;
    value->text = id;
    *property = (struct cmis_property){
        "cmis:objectId", "cmis:objectId", "Object id", "cmis:objectId", CMIS_ID, false, 1, value};
    object->facts.id = id;
    object->properties = property;
    object->property_count = 1;
    *ret = object;
    return 0;
}

static int event_build(struct cmis_call *cmis, const struct event *event,
                       const struct object_view *view, const struct cmis_object **ret)
{
    struct row row;
    const struct cmis_object *built = NULL;
    bool there = event->kind != CHANGE_DELETED && cmis->args.include_properties &&
                 (event->number ? row_version(cmis, event->node, event->number, &row)
                                : row_by_key(cmis, event->node, &row)) == 0 &&
                 row.node.trash == 0 && (row.node.kind != NODE_DOCUMENT || row.number != 0);
    if (cmis->error)
        return -1;
    if ((there ? object_build(cmis, &row, view, &built) : ghost_build(cmis, event, &built)) < 0)
        return -1;
    struct cmis_object *object = (struct cmis_object *)(uintptr_t)built;
    object->has_change = true;
    object->change = (enum cmis_change)event->kind;
    object->change_ms = event->at_ms;
    *ret = object;
    return 0;
}

/* Of what is gone the user is told that it went, of the rest what he may see. */
static int may_know(struct cmis_call *cmis, const struct event *event)
{
    struct node node;
    struct row row;
    if (event->kind == CHANGE_DELETED)
        return reads_all(cmis) || (node_get(cmis->store, cmis->arena, event->node, &node) == 0 &&
                                   (rights_of(cmis, &node) & RIGHT_READ) != 0);
    const char *id = object_id(cmis, event->node, event->number);
    if (!id)
        return -1;
    int r = row_get(cmis, id, &row);
    if (r < 0 && cmis->error != CMIS_OBJECT_NOT_FOUND)
        return -1;
    cmis->error = CMIS_FINE;
    return r == 0;
}

int cmis_getContentChanges(struct cmis_call *cmis)
{
    struct object_view view = view_of_args(cmis);
    struct entry_list list = {0};
    int64_t from = 0, last = 0, limit = MAX(cmis->args.max_items, 1);
    bool more = false;
    view.rendition_filter = "cmis:none";
    if (view_check(cmis, &view) < 0 || token_parse(cmis, &from) < 0)
        return -1;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_CHANGE_LIST, "i", from);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(cmis->store, stmt)) == 1) {
        struct event event = {sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                              sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3),
                              sqlite3_column_int64(stmt, 4)};
        struct cmis_entry entry = {0};
        int known = event.key == from ? 1 : may_know(cmis, &event);
        r = 0;
        if (known < 0)
            return -1;
        if (!known)
            continue;
        more = (int64_t)list.count == limit;
        if (more)
            break;
        last = event.key;
        if (event_build(cmis, &event, &view, &entry.object) < 0 ||
            entry_add(cmis, &list, &entry) < 0)
            return -1;
    }
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    cmis->result.list = (struct cmis_entries){list.count, list.entries, more, -1};
    cmis->result.change_log_token = call_printf(cmis, "%lld", (long long)MAX(last, from));
    return cmis->result.change_log_token ? 0 : -1;
}
