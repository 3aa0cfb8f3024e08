/* SPDX-License-Identifier: Apache-2.0 */
/* New objects of every base type. */
#include "dms/cmis/model.h"

#include <errno.h>

/* Where it goes; key 0: nowhere. */
static int place_settle(struct cmis_call *cmis, struct row *folder)
{
    *folder = (struct row){0};
    if (!cmis_args_has(cmis, CMIS_IN_FOLDER_ID) || !*cmis->args.folder_id)
        return 0;
    if (row_get_base(cmis, cmis->args.folder_id, CMIS_BASE_FOLDER, folder) < 0)
        return -1;
    return right_check(cmis, folder, RIGHT_WRITE);
}

static int name_check(struct cmis_call *cmis, const struct property_set *set)
{
    return set->name ? 0 : cmis_fail(cmis, CMIS_CONSTRAINT, "cmis:name is needed.");
}

/* What all creations end in: properties, policies, access entries. */
static int created(struct cmis_call *cmis, int64_t key, int64_t number,
                   const struct property_set *set)
{
    const struct cmis_args *args = &cmis->args;
    struct row row;
    if (properties_store(cmis, key, number, set) < 0)
        return -1;
    if ((number ? row_version(cmis, key, number, &row) : row_by_key(cmis, key, &row)) < 0)
        return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
    if (retention_apply(cmis, &row, set) < 0)
        return -1;
    for (size_t i = 0; i < args->policies.count; i++)
        if (policy_apply(cmis, args->policies.ids[i], &row) < 0)
            return -1;
    if (acl_change(cmis, &row, &args->add_aces, &args->remove_aces) < 0)
        return -1;
    cmis->result.object_id = object_id(cmis, key, number);
    return cmis->result.object_id ? 0 : -1;
}

/* The row of anything but a document. Returns its key through `ret_key`. */
static int node_make(struct cmis_call *cmis, enum node_kind kind, const struct row *folder,
                     const struct property_set *set, int64_t *ret_key)
{
    struct store *store = cmis->store;
    struct actor actor = actor_of(cmis);
    int64_t key = store->node_next;
    int64_t parent = folder->node.key ? folder->node.key : -key;
    const char *type = set->type->parent ? set->type->id : NULL;
    int r = folder->node.key ? node_place_check(store, parent, set->name, 0)
                             : node_name_check(set->name);
    if (r == 0 && kind == NODE_FOLDER)
        r = folder_depth_check(store, parent);
    if (r == 0)
        r = store_run(store, STMT_NODE_KIND_ADD, "iiisiss", key, parent, (int64_t)kind, set->name,
                      cmis->now_ms, cmis->user, type);
    if (r == 0)
        r = node_added(store, &actor, 0);
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    *ret_key = key;
    return 0;
}

static int simple_create(struct cmis_call *cmis, enum cmis_base base, enum node_kind kind)
{
    struct property_set set;
    struct row folder;
    int64_t key = 0;
    if (properties_judge(cmis, NULL, base, ON_CREATE, &set) < 0 || name_check(cmis, &set) < 0 ||
        properties_complete(cmis, &set) < 0 || place_settle(cmis, &folder) < 0)
        return -1;
    if (folder.node.key && !set.type->fileable)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Objects of this type are in no folder.");
    if (node_make(cmis, kind, &folder, &set, &key) < 0)
        return -1;
    return created(cmis, key, 0, &set);
}

int cmis_createFolder(struct cmis_call *cmis)
{
    return simple_create(cmis, CMIS_BASE_FOLDER, NODE_FOLDER);
}

int cmis_createItem(struct cmis_call *cmis)
{
    return simple_create(cmis, CMIS_BASE_ITEM, NODE_ITEM);
}

int cmis_createPolicy(struct cmis_call *cmis)
{
    return simple_create(cmis, CMIS_BASE_POLICY, NODE_POLICY);
}

/* Relationships */

static const char *text_of(const struct property_set *set, const char *id)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->items[i].definition->id, id) == 0 && set->items[i].count > 0)
            return set->items[i].values[0].text;
    return "";
}

static int end_check(struct cmis_call *cmis, const char *id, const struct cmis_ids *allowed,
                     struct row *ret)
{
    if (row_get(cmis, id, ret) < 0) {
        if (cmis->error == CMIS_OBJECT_NOT_FOUND)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There is no object '%.100s' to relate.",
                             id);
        return -1;
    }
    if (row_base(ret) == CMIS_BASE_RELATIONSHIP)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "A relationship cannot be related.");
    bool good = allowed->count == 0;
    for (size_t i = 0; !good && i < allowed->count; i++)
        good = type_is_a(cmis->store, ret->type, allowed->ids[i]);
    return good ? 0
                : cmis_fail(cmis, CMIS_CONSTRAINT,
                            "Objects of type '%.100s' cannot be related by this type.",
                            ret->type->id);
}

int cmis_createRelationship(struct cmis_call *cmis)
{
    struct property_set set;
    struct row source = {0}, target = {0}, nowhere = {0};
    int64_t key = 0;
    if (properties_judge(cmis, NULL, CMIS_BASE_RELATIONSHIP, ON_CREATE, &set) < 0 ||
        name_check(cmis, &set) < 0 || properties_complete(cmis, &set) < 0)
        return -1;
    const char *source_id = text_of(&set, "cmis:sourceId");
    const char *target_id = text_of(&set, "cmis:targetId");
    if (end_check(cmis, source_id, &set.type->sources, &source) < 0 ||
        end_check(cmis, target_id, &set.type->targets, &target) < 0 ||
        node_make(cmis, NODE_RELATIONSHIP, &nowhere, &set, &key) < 0 ||
        RUN(cmis, STMT_RELATIONSHIP_ADD, "iisis", key, source.node.key, source_id, target.node.key,
            target_id) < 0)
        return -1;
    return created(cmis, key, 0, &set);
}

/* Documents */

struct new_document {
    int64_t key, content, size;
    const char *mime, *file_name;
    int state;
};

static int state_settle(struct cmis_call *cmis, const struct cmis_type *type, int *ret)
{
    bool said = cmis_args_has(cmis, CMIS_IN_VERSIONING_STATE);
    *ret = said                ? cmis->args.versioning_state
           : type->versionable ? CMIS_STATE_MAJOR
                               : CMIS_STATE_NONE;
    if (type->versionable == (*ret != CMIS_STATE_NONE))
        return 0;
    return cmis_fail(cmis, CMIS_CONSTRAINT, "Documents of this type are %sversionable.",
                     type->versionable ? "" : "not ");
}

static int stream_check(struct cmis_call *cmis, const struct cmis_type *type, bool has)
{
    if (has && type->stream_rule == CMIS_STREAM_NOTALLOWED)
        return cmis_fail(cmis, CMIS_STREAM_NOT_SUPPORTED, "This type has no content.");
    if (!has && type->stream_rule == CMIS_STREAM_REQUIRED)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "This type needs content.");
    return 0;
}

int stream_take(struct cmis_call *cmis, const char *name, int64_t *ret_content, int64_t *ret_size,
                const char **ret_mime, const char **ret_name)
{
    const struct cmis_args *args = &cmis->args;
    *ret_size = cmis->draft->size;
    *ret_mime =
        args->stream.type && *args->stream.type ? args->stream.type : "application/octet-stream";
    *ret_name = args->stream.name && *args->stream.name ? args->stream.name : name;
    int r = content_add(cmis->store, cmis->draft, ret_content);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int document_rows(struct cmis_call *cmis, const struct row *folder,
                         const struct property_set *set, struct new_document *new)
{
    struct store *store = cmis->store;
    struct actor actor = actor_of(cmis);
    int64_t parent = folder->node.key ? folder->node.key : -new->key;
    bool out = new->state == CMIS_STATE_CHECKEDOUT, minor = new->state == CMIS_STATE_MINOR;
    int r = folder->node.key ? node_place_check(store, parent, set->name, 0)
                             : node_name_check(set->name);
    if (r == 0)
        r = content_ref(store, new->content, 1);
    if (r == 0)
        r = store_run(store, STMT_NODE_ADD, "iisisiiisi", parent, (int64_t)NODE_DOCUMENT, set->name,
                      cmis->now_ms, cmis->user, (int64_t)1, new->content, new->size, new->mime,
                      new->key);
    if (r == 0 && set->type->parent)
        r = store_run(store, STMT_NODE_TYPE, "is", new->key, set->type->id);
    if (r == 0)
        r = store_run(store, STMT_VERSION_INSERT, "iiiisisiiisss", new->key, (int64_t)1,
                      new->content, new->size, new->mime, cmis->now_ms, cmis->user, (int64_t)out,
                      (int64_t)!minor, (int64_t)minor, (char *)NULL, new->file_name, set->name);
    if (r == 0 && out)
        r = store_run(store, STMT_NODE_OUT, "iis", new->key, (int64_t)1, cmis->user);
    if (r == 0)
        r = node_added(store, &actor, 1);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

int cmis_createDocument(struct cmis_call *cmis)
{
    struct property_set set;
    struct row folder;
    struct new_document new = {.key = cmis->store->node_next};
    bool has_stream = cmis_args_has(cmis, CMIS_IN_CONTENT_STREAM);
    if (properties_judge(cmis, NULL, CMIS_BASE_DOCUMENT, ON_CREATE, &set) < 0 ||
        name_check(cmis, &set) < 0 || properties_complete(cmis, &set) < 0 ||
        state_settle(cmis, set.type, &new.state) < 0 ||
        stream_check(cmis, set.type, has_stream) < 0 || place_settle(cmis, &folder) < 0)
        return -1;
    if (has_stream &&
        stream_take(cmis, set.name, &new.content, &new.size, &new.mime, &new.file_name) < 0)
        return -1;
    if (document_rows(cmis, &folder, &set, &new) < 0)
        return -1;
    return created(cmis, new.key, 1, &set);
}

/* The source's properties that the new one may have, unless they were sent. */
static int source_copy(struct cmis_call *cmis, struct row *source, struct property_set *set)
{
    if (row_values(cmis, source) < 0)
        return -1;
    for (size_t i = 0; i < source->values.count; i++) {
        const struct stored *stored = &source->values.items[i];
        const struct cmis_property_definition *definition =
            set_definition(cmis, set, stored->property);
        bool there = !definition || strcmp(stored->property, SECONDARY_IDS) == 0;
        for (size_t s = 0; !there && s < set->count; s++)
            there = set->items[s].definition == definition;
        struct cmis_property property;
        if (there || set->count >= CMIS_PROPERTIES_MAX)
            continue;
        if (property_value(cmis, source, definition, &property) < 0)
            return -1;
        set->items[set->count++] = (struct input){definition, property.count,
                                                  (union cmis_value *)(uintptr_t)property.values};
    }
    return 0;
}

static bool is_sent(const struct cmis_call *cmis, const char *id)
{
    for (size_t i = 0; i < cmis->args.properties.count; i++)
        if (strcmp(cmis->args.properties.items[i].id, id) == 0)
            return true;
    return false;
}

/* What was sent wins; type, name and secondary types come from the source if they were not. */
static int source_defaults(struct cmis_call *cmis, struct row *source)
{
    size_t count = cmis->args.properties.count;
    struct cmis_input_property *items = call_alloc(cmis, (count + 3) * sizeof *items);
    if (!items || row_values(cmis, source) < 0)
        return -1;
    const struct stored *secondary = row_stored(source, SECONDARY_IDS);
    size_t secondaries = secondary ? secondary->count : 0, used = 0;
    const char **values = call_alloc(cmis, (secondaries + 2) * sizeof *values);
    if (!values)
        return -1;
    values[0] = source->type->id;
    values[1] = source->name;
    for (size_t i = 0; i < secondaries; i++)
        if (type_find(cmis->store, secondary->values[i].text) &&
            !retention_is_type(secondary->values[i].text))
            values[2 + used++] = secondary->values[i].text;
    if (count > 0)
        memcpy(items, cmis->args.properties.items, count * sizeof *items);
    const struct cmis_input_property defaults[] = {
        {"cmis:objectTypeId", CMIS_TYPE_NOT_SAID, 1, values},
        {"cmis:name", CMIS_TYPE_NOT_SAID, 1, values + 1},
        {SECONDARY_IDS, CMIS_TYPE_NOT_SAID, used, values + 2},
    };
    for (size_t i = 0; i < ARRAY_COUNT(defaults); i++)
        if (!is_sent(cmis, defaults[i].id))
            items[count++] = defaults[i];
    cmis->args.properties.items = items;
    cmis->args.properties.count = count;
    return 0;
}

int cmis_createDocumentFromSource(struct cmis_call *cmis)
{
    struct property_set set;
    struct row folder, source;
    struct new_document new = {.key = cmis->store->node_next};
    if (row_get_base(cmis, cmis->args.source_id, CMIS_BASE_DOCUMENT, &source) < 0 ||
        source_defaults(cmis, &source) < 0 ||
        properties_judge(cmis, NULL, CMIS_BASE_DOCUMENT, ON_CREATE, &set) < 0 ||
        name_check(cmis, &set) < 0 || source_copy(cmis, &source, &set) < 0 ||
        properties_complete(cmis, &set) < 0 || state_settle(cmis, set.type, &new.state) < 0 ||
        stream_check(cmis, set.type, source.content != 0) < 0 || place_settle(cmis, &folder) < 0)
        return -1;
    new.content = source.content;
    new.size = source.size;
    new.mime = source.mime;
    new.file_name = source.file_name;
    if (document_rows(cmis, &folder, &set, &new) < 0)
        return -1;
    return created(cmis, new.key, 1, &set);
}
