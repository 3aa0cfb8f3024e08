/* SPDX-License-Identifier: Apache-2.0 */
/* The repository service's operations that make, change and delete types (CMIS 1.1, 2.1.10). */
#include "dms/cmis/model.h"
#include "server/json.h"

#include <errno.h>
#include <strings.h>

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

/* Limits and choices that some value keeps to, and defaults that do. */
static int limits_make_sense(struct cmis_call *cmis,
                             const struct cmis_property_definition *property)
{
    bool decimal = property->type == CMIS_DECIMAL;
    if (property->has_min && property->has_max &&
        (decimal ? property->min.decimal > property->max.decimal
                 : property->min.integer > property->max.integer))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s' has no value in its range.",
                         property->id);
    if (!property->multi && property->default_count > 1)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "Property '%.100s' has one value.",
                         property->id);
    for (size_t i = 0; i < property->default_count; i++)
        if (value_check(cmis, property, &property->defaults[i]) < 0)
            return -1;
    return 0;
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
            strcasecmp(type->properties[i].query_name, property->query_name) == 0)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "Property '%.100s' is there twice.",
                             property->id);
    for (size_t i = 0; parent && i < parent->property_count; i++)
        if (strcasecmp(parent->properties[i].query_name, property->query_name) == 0)
            return cmis_fail(cmis, CMIS_CONSTRAINT,
                             "Property '%.100s' has the query name of one of the parent type.",
                             property->id);
    return limits_make_sense(cmis, property);
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
    const char *definition = buf_text(&text), *id = call_text(cmis, own->id);
    if (!definition || !id)
        return cmis_fail_errno(cmis, -ENOMEM);
    if (!type_read(cmis->arena, definition)) /* what the store has must always be understood */
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The type definition is not understood.");
    if (RUN(cmis, STMT_TYPE_SET, "ss", id, definition) < 0)
        return -1;
    types_forget(cmis->store); /* `own` may have been of them */
    cmis->result.with_property_definitions = true;
    return type_get(cmis, id, &cmis->result.type);
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
            property_complete(property, NULL);
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
    if (!ret->description)
        ret->description = ret->display_name;
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
    if (sent->base_said && sent->base != parent->base)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The parent's base type is '%s', not '%s'.",
                         cmis_base_id(parent->base), cmis_base_id(sent->base));
    if (strncmp(sent->id, "cmis:", 5) == 0)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Types 'cmis:...' are the standard's.");
    if (type_find(cmis->store, sent->id))
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

/* Changing a type (2.2.2.7): what is sent names the properties that are new or change, each whole but
 * for its choices; all else of it is ignored. A change may only loosen, so that every value there
 * is stays a good one. */

static int tightens(struct cmis_call *cmis, const struct cmis_property_definition *is,
                    const char *what)
{
    return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s': %s.", is->id, what);
}

static bool range_narrows(const struct cmis_property_definition *was,
                          const struct cmis_property_definition *is)
{
    if ((is->has_min && !was->has_min) || (is->has_max && !was->has_max))
        return true;
    if (is->type == CMIS_DECIMAL)
        return (is->has_min && is->min.decimal > was->min.decimal) ||
               (is->has_max && is->max.decimal < was->max.decimal);
    return (is->has_min && is->min.integer > was->min.integer) ||
           (is->has_max && is->max.integer < was->max.integer);
}

/* Of two limits the smaller is the narrower, and 0 is none. */
static bool limit_narrows(int64_t was, int64_t is)
{
    return is > 0 && (was == 0 || is < was);
}

static int resolution_rank(const char *resolution)
{
    static const char *const names[] = {"year", "date", "time"};
    for (int i = 0; resolution && i < (int)ARRAY_COUNT(names); i++)
        if (strcmp(names[i], resolution) == 0)
            return i + 1;
    return 0;
}

static int loosening_check(struct cmis_call *cmis, const struct cmis_property_definition *was,
                           const struct cmis_property_definition *is)
{
    if (was->type != is->type || was->multi != is->multi)
        return tightens(cmis, is, "its kind and cardinality stay what they are");
    if (strcmp(was->query_name, is->query_name) != 0)
        return tightens(cmis, is, "its query name stays what it is");
    if (is->required && !was->required)
        return tightens(cmis, is, "it cannot become required");
    if (is->updatability != was->updatability && is->updatability != CMIS_READWRITE)
        return tightens(cmis, is, "its updatability can become readwrite only");
    if ((was->queryable && !is->queryable) || (was->orderable && !is->orderable))
        return tightens(cmis, is, "what can be asked for or ordered by stays so");
    if (range_narrows(was, is) || limit_narrows(was->max_length, is->max_length) ||
        limit_narrows(was->precision, is->precision) ||
        limit_narrows(resolution_rank(was->resolution), resolution_rank(is->resolution)))
        return tightens(cmis, is, "its limits can only widen");
    if (is->choice_count > 0 && !is->open_choice && (was->choice_count == 0 || was->open_choice))
        return tightens(cmis, is, "its values cannot become limited to choices");
    return 0;
}

static bool same_choice(enum cmis_property_type type, const struct cmis_choice *a,
                        const struct cmis_choice *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!value_same(type, &a->values[i], &b->values[i]))
            return false;
    return a->count > 0 || strcmp(a->display_name, b->display_name) == 0;
}

/* The choices that are there, with the names that were sent for them, and behind them the new ones.
 * One without values stands for those below it and is known by its name. */
static int choices_merge(struct cmis_call *cmis, enum cmis_property_type type,
                         struct cmis_choice *into, const struct cmis_choice *sent)
{
    size_t count = into->choice_count;
    struct cmis_choice *all =
        call_alloc(cmis, MAX(count + sent->choice_count, (size_t)1) * sizeof *all);
    if (!all)
        return -1;
    if (count > 0)
        memcpy(all, into->choices, count * sizeof *all);
    for (size_t i = 0; i < sent->choice_count; i++) {
        const struct cmis_choice *one = &sent->choices[i];
        size_t at = 0;
        while (at < count && !same_choice(type, &all[at], one))
            at++;
        if (at == count) {
            all[count++] = *one;
            continue;
        }
        all[at].display_name = one->display_name;
        if (one->choice_count > 0 && choices_merge(cmis, type, &all[at], one) < 0)
            return -1;
    }
    into->choices = all;
    into->choice_count = count;
    return 0;
}

static size_t choices_all(size_t count, const struct cmis_choice *choices)
{
    size_t sum = count;
    for (size_t i = 0; i < count; i++)
        sum += choices_all(choices[i].choice_count, choices[i].choices);
    return sum;
}

static int property_change(struct cmis_call *cmis, struct cmis_property_definition *property,
                           const struct cmis_property_definition *sent)
{
    struct cmis_choice whole = {.choice_count = property->choice_count,
                                .choices = property->choices};
    const struct cmis_choice more = {.choice_count = sent->choice_count, .choices = sent->choices};
    struct cmis_property_definition is = *sent;
    property_complete(&is, property);
    is.open_choice = sent->open_choice || (sent->choice_count == 0 && property->open_choice);
    if (loosening_check(cmis, property, &is) < 0 ||
        choices_merge(cmis, sent->type, &whole, &more) < 0)
        return -1;
    if (choices_all(whole.choice_count, whole.choices) > CMIS_CHOICES_MAX)
        return tightens(cmis, sent, "it has too many choices");
    is.choice_count = whole.choice_count;
    is.choices = whole.choices;
    *property = is;
    return 0;
}

/* What is not the type's own stays as it is: sent as it is, it is no change. */
static int inherited_check(struct cmis_call *cmis, const struct cmis_property_definition *was,
                           const struct cmis_property_definition *is)
{
    SCOPED(buf_done) struct buf one = {0}, other = {0};
    struct json there = json_into(&one), sent = json_into(&other);
    struct cmis_property_definition same = *is;
    property_complete(&same, was);
    same.inherited = true;
    property_write(&there, was);
    property_write(&sent, &same);
    if (one.failed || other.failed)
        return cmis_fail_errno(cmis, -ENOMEM);
    return slice_equals(buf_slice(&one), buf_slice(&other))
               ? 0
               : cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s' is the parent type's.",
                           is->id);
}

static struct cmis_property_definition *own_find(struct cmis_property_definition *properties,
                                                 size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(properties[i].id, id) == 0)
            return &properties[i];
    return NULL;
}

/* The own properties of `old` as they will be: changed ones in their place, then new ones in the
 * order they were sent. */
static int properties_change(struct cmis_call *cmis, const struct cmis_type *old,
                             const struct cmis_type *sent, struct cmis_type *own)
{
    size_t count = 0, there;
    struct cmis_property_definition *all =
        call_alloc(cmis, (old->property_count + sent->property_count + 1) * sizeof *all);
    if (!all)
        return -1;
    for (size_t i = 0; i < old->property_count; i++)
        if (!old->properties[i].inherited)
            all[count++] = old->properties[i];
    there = count;
    for (size_t i = 0; i < sent->property_count; i++) {
        const struct cmis_property_definition *is = &sent->properties[i];
        const struct cmis_property_definition *was = type_property(old, is->id);
        int r = 0;
        if (!was && is->required)
            r = tightens(cmis, is, "it is new and cannot be required");
        else if (!was)
            all[count++] = *is;
        else if (was->inherited)
            r = inherited_check(cmis, was, is);
        else
            r = property_change(cmis, own_find(all, there, is->id), is);
        if (r < 0)
            return -1;
    }
    for (size_t i = there; i < count; i++)
        property_complete(&all[i], NULL);
    own->properties = all;
    own->property_count = count;
    return 0;
}

/* A property that is new must be new to every type below, too. */
static int below_check(struct cmis_call *cmis, const struct cmis_type *old,
                       const struct cmis_type *own, size_t added)
{
    const struct cmis_type *below;
    for (size_t i = 0; (below = type_at(cmis->store, i)) != NULL; i++) {
        if (below == old || !type_is_a(cmis->store, below, old->id))
            continue;
        if (below->property_count + added > CMIS_PROPERTIES_MAX)
            return cmis_fail(cmis, CMIS_CONSTRAINT, "Type '%.100s' would have too many properties.",
                             below->id);
        for (size_t p = 0; p < below->property_count; p++) {
            const struct cmis_property_definition *its = &below->properties[p];
            for (size_t n = own->property_count - added; n < own->property_count; n++)
                if (strcmp(own->properties[n].id, its->id) == 0 ||
                    strcasecmp(own->properties[n].query_name, its->query_name) == 0)
                    return cmis_fail(cmis, CMIS_CONSTRAINT,
                                     "Property '%.100s' is there in type '%.100s'.", its->id,
                                     below->id);
        }
    }
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
    parent = type_find(cmis->store, old->parent);
    if (!parent)
        return cmis_fail_errno(cmis, -EIO);
    own = *old;
    if (properties_change(cmis, old, sent, &own) < 0 || properties_check(cmis, &own, parent) < 0 ||
        below_check(cmis, old, &own,
                    own.property_count + parent->property_count - old->property_count) < 0)
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
