/* SPDX-License-Identifier: Apache-2.0 */
/* Type definitions: where they are found, and the repository service's operations on them. */
#include "dms/cmis/model.h"
#include "server/http.h"
#include "server/json.h"

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

static int type_arg(struct cmis_call *cmis, const char *id, const struct cmis_type **ret)
{
    *ret = type_find(cmis->store, id);
    return *ret ? 0 : cmis_fail(cmis, CMIS_OBJECT_NOT_FOUND, "There is no type '%.100s'.", id);
}

static bool has_parent(const struct cmis_type *type, const char *parent)
{
    return parent ? type->parent && strcmp(type->parent, parent) == 0 : !type->parent;
}

int cmis_getTypeDefinition(struct cmis_call *cmis)
{
    cmis->result.with_property_definitions = true;
    return type_arg(cmis, cmis->args.type_id, &cmis->result.type);
}

int cmis_getTypeChildren(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    const struct cmis_type *type, **list = NULL;
    struct cmis_type_list *types = &cmis->result.types;
    const char *parent = cmis_args_has(cmis, CMIS_IN_TYPE_ID) ? args->type_id : NULL;
    if (parent && type_arg(cmis, parent, &type) < 0)
        return -1;
    list = call_alloc(cmis, (CMIS_BASE_COUNT + CMIS_RETENTION_TYPE_COUNT + CMIS_TYPES_MAX) *
                                sizeof(void *));
    if (!list)
        return -1;
    for (size_t i = 0; (type = type_at(cmis->store, i)) != NULL; i++) {
        if (!has_parent(type, parent))
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
        count += has_parent(type, parent);
    struct cmis_type_tree *children = call_alloc(cmis, MAX(count, (size_t)1) * sizeof *children);
    if (!children)
        return -1;
    for (size_t i = 0; (type = type_at(cmis->store, i)) != NULL; i++) {
        if (!has_parent(type, parent))
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
    if (parent && type_arg(cmis, parent, &type) < 0)
        return -1;
    cmis->result.with_property_definitions = args->include_property_definitions;
    return tree_fill(cmis, parent, parent ? args->depth : -1, &cmis->result.type_tree);
}

/* Creating and changing types */

static bool is_name(const char *text, const char *odd)
{
    if (!*text || strlen(text) > 200)
        return false;
    for (; *text; text++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
              (*text >= '0' && *text <= '9') || strchr(odd, *text)))
            return false;
    return true;
}

static int property_check(struct cmis_call *cmis, const struct cmis_type *type,
                          const struct cmis_type *parent, size_t at)
{
    const struct cmis_property_definition *property = &type->properties[at];
    if (!is_name(property->id, ":_-.") || !is_name(property->query_name, ":_-"))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                         "Property '%.100s': ids and query names have letters, digits, ':', '_' "
                         "and '-'.",
                         property->id);
    if (strncmp(property->id, "cmis:", 5) == 0)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Properties 'cmis:...' are the standard's.");
    if (parent && type_property(parent, property->id))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s' is there in the parent type.",
                         property->id);
    for (size_t i = 0; i < at; i++)
        if (strcmp(type->properties[i].id, property->id) == 0 ||
            strcmp(type->properties[i].query_name, property->query_name) == 0)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "Property '%.100s' is there twice.",
                             property->id);
    if (!property->multi && property->default_count > 1)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "Property '%.100s' has one value.",
                         property->id);
    return 0;
}

static int properties_check(struct cmis_call *cmis, const struct cmis_type *type,
                            const struct cmis_type *parent)
{
    if (type->property_count + parent->property_count > CMIS_PROPERTIES_MAX)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "A type has at most %d properties.",
                         CMIS_PROPERTIES_MAX);
    for (size_t i = 0; i < type->property_count; i++)
        if (property_check(cmis, type, parent, i) < 0)
            return -1;
    return 0;
}

static int type_save(struct cmis_call *cmis, const struct cmis_type *own)
{
    SCOPED(buf_done) struct buf text = {0};
    struct json json = json_into(&text);
    type_write(&json, NULL, own, true);
    const char *definition = buf_text(&text);
    if (!definition)
        return cmis_fail_errno(cmis, -ENOMEM);
    if (RUN(cmis, STMT_TYPE_SET, "ss", own->id, definition) < 0)
        return -1;
    types_forget(cmis->store);
    cmis->result.with_property_definitions = true;
    return type_arg(cmis, own->id, &cmis->result.type);
}

static int admin_check(struct cmis_call *cmis)
{
    return cmis->is_admin
               ? 0
               : cmis_fail(cmis, CMIS_PERMISSION_DENIED, "Only an administrator may change types.");
}

/* What was sent, without properties that it inherits, and with what goes without saying. */
static int own_type(struct cmis_call *cmis, const struct cmis_type *sent,
                    const struct cmis_type *parent, struct cmis_type *ret)
{
    struct cmis_property_definition *own =
        call_alloc(cmis, MAX(sent->property_count, (size_t)1) * sizeof *own);
    *ret = *sent;
    if (!own)
        return -1;
    ret->property_count = 0;
    for (size_t i = 0; i < sent->property_count; i++)
        if (!sent->properties[i].inherited) {
            struct cmis_property_definition *property = &own[ret->property_count++];
            *property = sent->properties[i];
            if (!property->query_name)
                property->query_name = property->id;
        }
    ret->properties = own;
    ret->base = parent->base;
    ret->parent = parent->id;
    if (!ret->query_name)
        ret->query_name = ret->id;
    if (!ret->local_name)
        ret->local_name = ret->id;
    if (!ret->local_namespace)
        ret->local_namespace = CMIS_NAMESPACE;
    if (!ret->display_name)
        ret->display_name = ret->id;
    ret->fileable = parent->fileable;
    ret->controllable_acl = parent->controllable_acl;
    ret->controllable_policy = parent->controllable_policy;
    ret->creatable = sent->creatable && ret->base != CMIS_BASE_SECONDARY;
    ret->can_create = ret->can_update = ret->can_delete = true;
    return 0;
}

int cmis_createType(struct cmis_call *cmis)
{
    const struct cmis_type *sent = cmis->args.type, *parent;
    struct cmis_type own;
    size_t count = 0;
    if (admin_check(cmis) < 0)
        return -1;
    if (!sent->id || !is_name(sent->id, ":_-.") ||
        (sent->query_name && !is_name(sent->query_name, ":_-")))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                         "A type needs an id and a query name of letters, digits, ':', '_', '-'.");
    if (!sent->parent)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "A type needs a parent.");
    if (!(parent = type_find(cmis->store, sent->parent)))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There is no parent type '%.100s'.",
                         sent->parent);
    if (type_find(cmis->store, sent->id) || strncmp(sent->id, "cmis:", 5) == 0)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "There is a type '%.100s' already.", sent->id);
    if (own_type(cmis, sent, parent, &own) < 0 || properties_check(cmis, &own, parent) < 0)
        return -1;
    if (type_by_query_name(cmis->store, slice_of_text(own.query_name)))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "There is a type with that query name already.");
    while (type_at(cmis->store, count))
        count++;
    if (count >= CMIS_TYPES_MAX)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "There are %zu types already.", count);
    return type_save(cmis, &own);
}

/* What may change: names, descriptions, flags that loosen, new properties that are not required. */
static int update_check(struct cmis_call *cmis, const struct cmis_type *old,
                        const struct cmis_type *own)
{
    for (size_t i = 0; i < own->property_count; i++) {
        const struct cmis_property_definition *is = &own->properties[i];
        const struct cmis_property_definition *was = type_property(old, is->id);
        if (!was && is->required)
            return cmis_fail(cmis, CMIS_CONSTRAINT,
                             "Property '%.100s' is new and cannot be required.", is->id);
        if (was &&
            (was->type != is->type || was->multi != is->multi || (is->required && !was->required)))
            return cmis_fail(cmis, CMIS_CONSTRAINT,
                             "Property '%.100s' cannot change its kind, its cardinality or become "
                             "required.",
                             is->id);
    }
    for (size_t i = 0; i < old->property_count; i++)
        if (!old->properties[i].inherited && !type_property(own, old->properties[i].id))
            return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s' cannot be removed.",
                             old->properties[i].id);
    return 0;
}

int cmis_updateType(struct cmis_call *cmis)
{
    const struct cmis_type *sent = cmis->args.type, *old, *parent;
    struct cmis_type own;
    if (admin_check(cmis) < 0)
        return -1;
    if (!sent->id)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "A type needs an id.");
    if (type_arg(cmis, sent->id, &old) < 0)
        return -1;
    if (!old->can_update)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "This type cannot be changed.");
    if ((sent->parent && strcmp(sent->parent, old->parent) != 0) ||
        (sent->query_name && strcmp(sent->query_name, old->query_name) != 0))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Parent and query name stay what they are.");
    parent = type_find(cmis->store, old->parent);
    if (!parent)
        return cmis_fail_errno(cmis, -EIO);
    if (own_type(cmis, sent, parent, &own) < 0)
        return -1;
    own.query_name = old->query_name;
    if (properties_check(cmis, &own, parent) < 0 || update_check(cmis, old, &own) < 0)
        return -1;
    return type_save(cmis, &own);
}

static int unused_check(struct cmis_call *cmis, enum statement id, const char *type)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(cmis->store, id, "s", type);
    int r = stmt ? store_step(cmis->store, stmt) : -EIO;
    if (r == 1)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "There are objects of this type.");
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

int cmis_deleteType(struct cmis_call *cmis)
{
    const struct cmis_type *type, *other;
    if (admin_check(cmis) < 0 || type_arg(cmis, cmis->args.type_id, &type) < 0)
        return -1;
    if (!type->can_delete)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "This type cannot be deleted.");
    for (size_t i = 0; (other = type_at(cmis->store, i)) != NULL; i++)
        if (has_parent(other, type->id))
            return cmis_fail(cmis, CMIS_CONSTRAINT, "This type has subtypes.");
    if (unused_check(cmis, STMT_TYPE_USED, type->id) < 0 ||
        unused_check(cmis, STMT_TYPE_SECONDARY_USED, type->id) < 0)
        return -1;
    if (RUN(cmis, STMT_TYPE_REMOVE, "s", type->id) < 0)
        return -1;
    types_forget(cmis->store);
    return 0;
}
