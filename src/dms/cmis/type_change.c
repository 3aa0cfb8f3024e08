/* SPDX-License-Identifier: Apache-2.0 */
/* The repository service's operations that make, change and delete types (CMIS 1.1, 2.1.10). */
#include "dms/cmis/model.h"
#include "server/json.h"

#include <errno.h>

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
    return type_get(cmis, own->id, &cmis->result.type);
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
    if (type_get(cmis, sent->id, &old) < 0)
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
    if (admin_check(cmis) < 0 || type_get(cmis, cmis->args.type_id, &type) < 0)
        return -1;
    if (!type->can_delete)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "This type cannot be deleted.");
    for (size_t i = 0; (other = type_at(cmis->store, i)) != NULL; i++)
        if (type_has_parent(other, type->id))
            return cmis_fail(cmis, CMIS_CONSTRAINT, "This type has subtypes.");
    if (unused_check(cmis, STMT_TYPE_USED, type->id) < 0 ||
        unused_check(cmis, STMT_TYPE_SECONDARY_USED, type->id) < 0)
        return -1;
    if (RUN(cmis, STMT_TYPE_REMOVE, "s", type->id) < 0)
        return -1;
    types_forget(cmis->store);
    return 0;
}
