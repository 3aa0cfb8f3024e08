/* SPDX-License-Identifier: Apache-2.0 */
/* Type definitions: where they are found, and the repository service's operations on them. */
#include "dms/cmis/model.h"
#include "server/http.h"

#include <errno.h>
#include <stdlib.h>

/* User-defined types, inherited properties included, in the order they were made. */
struct cmis_types {
    struct arena arena;
    size_t count;
    const struct cmis_type **types;
};

static void types_free(void *arg)
{
    struct cmis_types *types = arg;
    if (types)
        arena_done(&types->arena);
    free(types);
}

void types_forget(struct store *store)
{
    types_free(store->types);
    store->types = NULL;
}

static const struct cmis_type *find_among(const struct cmis_types *types, const char *id)
{
    for (size_t i = 0; i < CMIS_BASE_COUNT; i++)
        if (strcmp(cmis_base_types[i].id, id) == 0)
            return &cmis_base_types[i];
    for (size_t i = 0; i < CMIS_RETENTION_TYPE_COUNT; i++)
        if (strcmp(cmis_retention_types[i].id, id) == 0)
            return &cmis_retention_types[i];
    for (size_t i = 0; types && i < types->count; i++)
        if (strcmp(types->types[i]->id, id) == 0)
            return types->types[i];
    return NULL;
}

void property_complete(struct cmis_property_definition *property,
                       const struct cmis_property_definition *was)
{
    if (!property->local_name)
        property->local_name = was ? was->local_name : property->id;
    if (!property->display_name)
        property->display_name = was ? was->display_name : property->id;
    if (!property->query_name)
        property->query_name = was ? was->query_name : property->id;
    property->orderable = property->orderable && !property->multi;
}

/* `own` with the properties of its parent in front. NULL without memory. */
static const struct cmis_type *inherit(struct arena *arena, const struct cmis_type *own,
                                       const struct cmis_type *parent)
{
    struct cmis_type *type = arena_alloc(arena, sizeof *type);
    size_t count = parent->property_count + own->property_count;
    struct cmis_property_definition *properties =
        arena_alloc(arena, MAX(count, (size_t)1) * sizeof *properties);
    if (!type || !properties)
        return NULL;
    *type = *own;
    for (size_t i = 0; i < parent->property_count; i++) {
        properties[i] = parent->properties[i];
        properties[i].inherited = true;
    }
    for (size_t i = 0; i < own->property_count; i++) {
        properties[parent->property_count + i] = own->properties[i];
        properties[parent->property_count + i].inherited = false;
        property_complete(&properties[parent->property_count + i], NULL);
    }
    type->base = parent->base;
    type->properties = properties;
    type->property_count = count;
    return type;
}

static int types_load(struct store *store, struct cmis_types *types)
{
    types->types = arena_alloc(&types->arena, CMIS_TYPES_MAX * sizeof(void *));
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_TYPE_LIST, "");
    int r = !types->types ? -ENOMEM : stmt ? 0 : -EIO;
    while (r == 0 && types->count < CMIS_TYPES_MAX && (r = store_step(store, stmt)) == 1) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        const struct cmis_type *own = text ? type_read(&types->arena, text) : NULL;
        const struct cmis_type *parent = own ? find_among(types, own->parent) : NULL;
        const struct cmis_type *whole = parent ? inherit(&types->arena, own, parent) : NULL;
        r = whole ? 0 : -EIO;
        if (whole)
            types->types[types->count++] = whole;
    }
    return r;
}

static const struct cmis_types *types_get(struct store *store)
{
    if (store->types)
        return store->types;
    struct cmis_types *types = calloc(1, sizeof *types);
    if (!types)
        return NULL;
    if (types_load(store, types) < 0) {
        types_free(types);
        return NULL;
    }
    store->types = types;
    store->types_forget = types_forget;
    return types;
}

const struct cmis_type *type_find(struct store *store, const char *id)
{
    const struct cmis_type *base = find_among(NULL, id);
    return base ? base : find_among(types_get(store), id);
}

const struct cmis_type *type_at(struct store *store, size_t i)
{
    if (i < CMIS_BASE_COUNT)
        return &cmis_base_types[i];
    i -= CMIS_BASE_COUNT;
    if (i < CMIS_RETENTION_TYPE_COUNT)
        return &cmis_retention_types[i];
    i -= CMIS_RETENTION_TYPE_COUNT;
    const struct cmis_types *types = types_get(store);
    return types && i < types->count ? types->types[i] : NULL;
}

const struct cmis_type *type_by_query_name(struct store *store, struct slice name)
{
    const struct cmis_type *type;
    for (size_t i = 0; (type = type_at(store, i)) != NULL; i++)
        if (type->query_name && http_text_equals(name, type->query_name))
            return type;
    return NULL;
}

const struct cmis_type *type_of(struct store *store, const char *id, enum node_kind kind)
{
    static const enum cmis_base bases[] = {
        [NODE_FOLDER] = CMIS_BASE_FOLDER, [NODE_DOCUMENT] = CMIS_BASE_DOCUMENT,
        [NODE_ITEM] = CMIS_BASE_ITEM,     [NODE_RELATIONSHIP] = CMIS_BASE_RELATIONSHIP,
        [NODE_POLICY] = CMIS_BASE_POLICY,
    };
    const struct cmis_type *type = id ? type_find(store, id) : NULL;
    return type ? type : &cmis_base_types[bases[kind]];
}

bool type_is_a(struct store *store, const struct cmis_type *type, const char *ancestor)
{
    while (type) {
        if (strcmp(type->id, ancestor) == 0)
            return true;
        type = type->parent ? type_find(store, type->parent) : NULL;
    }
    return false;
}

const struct cmis_property_definition *type_property(const struct cmis_type *type, const char *id)
{
    for (size_t i = 0; i < type->property_count; i++)
        if (strcmp(type->properties[i].id, id) == 0)
            return &type->properties[i];
    return NULL;
}

/* Repository service */

int type_get(struct cmis_call *cmis, const char *id, const struct cmis_type **ret)
{
    *ret = type_find(cmis->store, id);
    return *ret ? 0 : cmis_fail(cmis, CMIS_OBJECT_NOT_FOUND, "There is no type '%.100s'.", id);
}

bool type_has_parent(const struct cmis_type *type, const char *parent)
{
    return parent ? type->parent && strcmp(type->parent, parent) == 0 : !type->parent;
}

int cmis_getTypeDefinition(struct cmis_call *cmis)
{
    cmis->result.with_property_definitions = true;
    return type_get(cmis, cmis->args.type_id, &cmis->result.type);
}

int cmis_getTypeChildren(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    const struct cmis_type *type, **list = NULL;
    struct cmis_type_list *types = &cmis->result.types;
    const char *parent = cmis_args_has(cmis, CMIS_IN_TYPE_ID) ? args->type_id : NULL;
    if (parent && type_get(cmis, parent, &type) < 0)
        return -1;
    list = call_alloc(cmis, (CMIS_BASE_COUNT + CMIS_RETENTION_TYPE_COUNT + CMIS_TYPES_MAX) *
                                sizeof(void *));
    if (!list)
        return -1;
    for (size_t i = 0; (type = type_at(cmis->store, i)) != NULL; i++) {
        if (!type_has_parent(type, parent))
            continue;
        if (types->total >= args->skip_count && (int64_t)types->count < args->max_items)
            list[types->count++] = type;
        types->total++;
    }
    types->types = list;
    types->more = args->skip_count + (int64_t)types->count < types->total;
    cmis->result.with_property_definitions = args->include_property_definitions;
    return 0;
}

static int tree_fill(struct cmis_call *cmis, const char *parent, int64_t depth,
                     struct cmis_type_tree *tree)
{
    const struct cmis_type *type;
    size_t count = 0;
    for (size_t i = 0; (type = type_at(cmis->store, i)) != NULL; i++)
        count += type_has_parent(type, parent);
    struct cmis_type_tree *children = call_alloc(cmis, MAX(count, (size_t)1) * sizeof *children);
    if (!children)
        return -1;
    for (size_t i = 0; (type = type_at(cmis->store, i)) != NULL; i++) {
        if (!type_has_parent(type, parent))
            continue;
        children[tree->count].type = type;
        if (depth != 1 && tree_fill(cmis, type->id, depth - 1, &children[tree->count]) < 0)
            return -1;
        tree->count++;
    }
    tree->children = children;
    return 0;
}

int cmis_getTypeDescendants(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    const struct cmis_type *type;
    const char *parent = cmis_args_has(cmis, CMIS_IN_TYPE_ID) ? args->type_id : NULL;
    if (args->depth == 0 || args->depth < -1)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "depth is -1 or at least 1.");
    if (parent && type_get(cmis, parent, &type) < 0)
        return -1;
    cmis->result.with_property_definitions = args->include_property_definitions;
    return tree_fill(cmis, parent, parent ? args->depth : -1, &cmis->result.type_tree);
}
