/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/type_fields.h"
#include "base/macros.h"

#include <string.h>

enum kind {
    TEXT,
    BOOLEAN, /* bool */
    ENUM,    /* an enum, by its name */
    EITHER,  /* a bool with two names */
    WORD,    /* one of some texts, or NULL */
    NUMBER,  /* int64_t, 0: not said */
    LIMIT,   /* a value of the property's type, and a bool whether it is there */
    DEFAULTS,
    CHOICES,
    IDS,
    GROUP, /* opens another object for the fields that follow, up to END */
    END,
    PROPERTIES,
};

struct field {
    const char *name;
    enum kind kind;
    size_t place;  /* in the structure */
    size_t has;    /* of a LIMIT: where it says whether it is there */
    unsigned only; /* 1 << base or property type, of those that have it; 0: all */
    const char *(*name_of)(int i);
    int count, fallback; /* -1: it must be said */
};

static const char *type_name(int i)
{
    return cmis_property_type_name((enum cmis_property_type)i);
}

static const char *updatability_name(int i)
{
    return cmis_updatability_name((enum cmis_updatability)i);
}

static const char *rule_name(int i)
{
    return cmis_stream_rule_name((enum cmis_stream_rule)i);
}

static const char *base_name(int i)
{
    return cmis_base_id((enum cmis_base)i);
}

static const char *cardinality_name(int i)
{
    return i ? "multi" : "single";
}

static const char *resolution_name(int i)
{
    static const char *const names[] = {"year", "date", "time"};
    return names[i];
}

/* clang-format off */
#define F(name_, kind_, ...) {.name = (name_), .kind = (kind_), __VA_ARGS__}
#define T(member) .place = offsetof(struct cmis_type, member)
#define P(member) .place = PLACE(member)
#define PLACE(member) offsetof(struct cmis_property_definition, member)
#define OR(otherwise) .fallback = (otherwise)
#define NAMES(function, number) .name_of = (function), .count = (number)
#define NUMBERS (1u << CMIS_INTEGER | 1u << CMIS_DECIMAL)
#define TEXTS (1u << CMIS_STRING | 1u << CMIS_ID | 1u << CMIS_HTML | 1u << CMIS_URI)
#define DOCUMENTS (1u << CMIS_BASE_DOCUMENT)
#define RELATIONSHIPS (1u << CMIS_BASE_RELATIONSHIP)

static const struct field type_fields[] = {
    F("id", TEXT, T(id), OR(-1)),
    F("localName", TEXT, T(local_name)),
    F("localNamespace", TEXT, T(local_namespace)),
    F("displayName", TEXT, T(display_name)),
    F("queryName", TEXT, T(query_name)),
    F("description", TEXT, T(description)),
    F("baseId", ENUM, T(base), NAMES(base_name, CMIS_BASE_COUNT)),
    F("parentId", TEXT, T(parent)),
    F("creatable", BOOLEAN, T(creatable), OR(true)),
    F("fileable", BOOLEAN, T(fileable), OR(true)),
    F("queryable", BOOLEAN, T(queryable), OR(true)),
    F("fulltextIndexed", BOOLEAN, T(fulltext_indexed), OR(true)),
    F("includedInSupertypeQuery", BOOLEAN, T(in_supertype_query), OR(true)),
    F("controllablePolicy", BOOLEAN, T(controllable_policy), OR(true)),
    F("controllableACL", BOOLEAN, T(controllable_acl), OR(true)),
    F("typeMutability", GROUP),
    F("create", BOOLEAN, T(can_create), OR(true)),
    F("update", BOOLEAN, T(can_update), OR(true)),
    F("delete", BOOLEAN, T(can_delete), OR(true)),
    F("typeMutability", END),
    F("propertyDefinitions", PROPERTIES),
    F("versionable", BOOLEAN, T(versionable), .only = DOCUMENTS, OR(true)),
    F("contentStreamAllowed", ENUM, T(stream_rule), NAMES(rule_name, 3), .only = DOCUMENTS),
    F("allowedSourceTypes", IDS, T(sources), .only = RELATIONSHIPS),
    F("allowedTargetTypes", IDS, T(targets), .only = RELATIONSHIPS),
};

static const struct field property_fields[] = {
    F("id", TEXT, P(id), OR(-1)),
    F("localName", TEXT, P(local_name)),
    F("localNamespace", TEXT, P(local_namespace)),
    F("displayName", TEXT, P(display_name)),
    F("queryName", TEXT, P(query_name)),
    F("description", TEXT, P(description)),
    F("propertyType", ENUM, P(type), NAMES(type_name, CMIS_PROPERTY_TYPE_COUNT), OR(-1)),
    F("cardinality", EITHER, P(multi), NAMES(cardinality_name, 2)),
    F("updatability", ENUM, P(updatability), NAMES(updatability_name, CMIS_UPDATABILITY_COUNT),
      OR(CMIS_READWRITE)),
    F("inherited", BOOLEAN, P(inherited)),
    F("required", BOOLEAN, P(required)),
    F("queryable", BOOLEAN, P(queryable), OR(true)),
    F("orderable", BOOLEAN, P(orderable), OR(true)),
    F("openChoice", BOOLEAN, P(open_choice)),
    F("defaultValue", DEFAULTS),
    F("maxValue", LIMIT, P(max), .has = PLACE(has_max), .only = NUMBERS),
    F("minValue", LIMIT, P(min), .has = PLACE(has_min), .only = NUMBERS),
    F("precision", NUMBER, P(precision), .only = 1u << CMIS_DECIMAL),
    F("resolution", WORD, P(resolution), NAMES(resolution_name, 3), .only = 1u << CMIS_DATETIME),
    F("maxLength", NUMBER, P(max_length), .only = TEXTS),
    F("choice", CHOICES),
};
/* clang-format on */

static bool is_of(const struct field *field, unsigned which)
{
    return field->only == 0 || (field->only >> which & 1) != 0;
}

/* Writing */

static void truth_write(const struct type_sink *sink, const char *name, bool truth)
{
    const union cmis_value value = {.boolean = truth};
    sink->value(sink->to, name, CMIS_BOOLEAN, &value);
}

/* The kinds that are one value at a place. */
static void scalar_write(const struct type_sink *sink, const struct field *field, const void *place)
{
    const char *text = NULL;
    union cmis_value value = {0};
    switch (field->kind) {
    case TEXT:
    case WORD:
        text = *(const char *const *)place;
        break;
    case ENUM:
        text = field->name_of(*(const int *)place);
        break;
    case EITHER:
        text = field->name_of(*(const bool *)place);
        break;
    case BOOLEAN:
        truth_write(sink, field->name, *(const bool *)place);
        break;
    case NUMBER:
        value.integer = *(const int64_t *)place;
        if (value.integer > 0)
            sink->value(sink->to, field->name, CMIS_INTEGER, &value);
        break;
    default:
        break;
    }
    if (text)
        sink->text(sink->to, field->name, text);
}

static void property_field_write(const struct type_sink *sink, const struct field *field,
                                 const struct cmis_property_definition *property)
{
    const char *place = (const char *)property;
    switch (field->kind) {
    case LIMIT:
        if (*(const bool *)(place + field->has))
            sink->value(sink->to, field->name, property->type,
                        (const void *)(place + field->place));
        break;
    case DEFAULTS:
        if (property->default_count > 0)
            sink->defaults(sink->to, property);
        break;
    case CHOICES:
        if (property->choice_count > 0)
            sink->choices(sink->to, property->type, property->choice_count, property->choices);
        break;
    default:
        if (field->place != PLACE(open_choice) || property->choice_count > 0)
            scalar_write(sink, field, place + field->place);
    }
}

void property_fields_write(const struct type_sink *sink,
                           const struct cmis_property_definition *property)
{
    sink->property(sink->to, property, true);
    for (size_t i = 0; i < ARRAY_COUNT(property_fields); i++)
        if (is_of(&property_fields[i], property->type) &&
            (!sink->wants || sink->wants(sink->to, property_fields[i].name)))
            property_field_write(sink, &property_fields[i], property);
    sink->property(sink->to, property, false);
}

static void type_field_write(const struct type_sink *sink, const struct field *field,
                             const struct cmis_type *type)
{
    const char *place = (const char *)type + field->place;
    switch (field->kind) {
    case GROUP:
        sink->open(sink->to, field->name);
        break;
    case END:
        sink->close(sink->to, field->name);
        break;
    case IDS:
        sink->ids(sink->to, field->name, (const void *)place);
        break;
    case PROPERTIES:
        sink->properties(sink->to, true);
        for (size_t i = 0; i < type->property_count; i++)
            property_fields_write(sink, &type->properties[i]);
        sink->properties(sink->to, false);
        break;
    default:
        scalar_write(sink, field, place);
    }
}

void type_fields_write(const struct type_sink *sink, const struct cmis_type *type, bool properties)
{
    bool skipped = false; /* a group and what is in it */
    for (size_t i = 0; i < ARRAY_COUNT(type_fields); i++) {
        const struct field *field = &type_fields[i];
        bool wanted = !sink->wants || sink->wants(sink->to, field->name);
        if (field->kind == GROUP)
            skipped = !wanted;
        if (is_of(field, type->base) && !skipped && wanted &&
            (field->kind != PROPERTIES || properties))
            type_field_write(sink, field, type);
        if (field->kind == END)
            skipped = false;
    }
}

/* Reading. After the first mistake the rest does nothing that matters. */

static void fail(struct type_source *source, const char *what)
{
    if (!source->wrong)
        source->wrong = what;
}

static void *room(struct type_source *source, size_t count, size_t size)
{
    void *memory = source->wrong ? NULL : arena_alloc(source->arena, MAX(count, (size_t)1) * size);
    if (!memory)
        fail(source, "memory");
    return memory;
}

static const void **parts_get(struct type_source *source, const void *node, const char *name,
                              size_t most, size_t *ret_count)
{
    size_t count = source->parts(node, name, 0, NULL);
    *ret_count = 0;
    if (count > most)
        fail(source, name);
    const void **parts = count > 0 && count <= most ? room(source, count, sizeof *parts) : NULL;
    if (parts)
        *ret_count = source->parts(node, name, count, parts);
    return parts;
}

static const char *text_read(struct type_source *source, const void *node, const char *name)
{
    const char *text = source->text(source, node);
    if (!text)
        fail(source, name);
    return text && *text ? text : NULL; /* an empty one is none */
}

static int name_read(struct type_source *source, const void *node, const struct field *field)
{
    const char *word = source->word(source, node);
    for (int i = 0; word && i < field->count; i++)
        if (strcmp(field->name_of(i), word) == 0)
            return i;
    fail(source, field->name);
    return MAX(field->fallback, 0);
}

static const char *word_read(struct type_source *source, const void *node,
                             const struct field *field)
{
    const char *word = source->word(source, node);
    for (int i = 0; word && i < field->count; i++)
        if (strcmp(field->name_of(i), word) == 0)
            return field->name_of(i);
    if (!source->is_stored) /* older versions kept any word */
        fail(source, field->name);
    return NULL;
}

static bool truth_read(struct type_source *source, const void *node, const char *name)
{
    union cmis_value value = {0};
    if (!source->value(source, node, CMIS_BOOLEAN, &value))
        fail(source, name);
    return value.boolean;
}

static void number_read(struct type_source *source, const void *node, const struct field *field,
                        int64_t *place)
{
    union cmis_value value = {0};
    if (!source->value(source, node, CMIS_INTEGER, &value) || value.integer < 0 ||
        (field->place == PLACE(precision) && value.integer != 32 && value.integer != 64))
        fail(source, field->name);
    *place = value.integer;
}

static void scalar_read(struct type_source *source, const void *node, const struct field *field,
                        void *place)
{
    const void *child = source->child(node, field->name);
    if (!child && field->fallback < 0)
        fail(source, field->name);
    switch (field->kind) {
    case TEXT:
        *(const char **)place = child ? text_read(source, child, field->name) : NULL;
        if (!*(const char **)place && field->fallback < 0)
            fail(source, field->name);
        break;
    case BOOLEAN:
        *(bool *)place = child ? truth_read(source, child, field->name) : field->fallback != 0;
        break;
    case ENUM:
        *(int *)place = child ? name_read(source, child, field) : MAX(field->fallback, 0);
        break;
    case EITHER:
        *(bool *)place = child && name_read(source, child, field) != 0;
        break;
    case WORD:
        *(const char **)place = child ? word_read(source, child, field) : NULL;
        break;
    case NUMBER:
        if (child)
            number_read(source, child, field, place);
        break;
    default:
        break;
    }
}

static const union cmis_value *values_read(struct type_source *source, const void *node,
                                           const char *name, enum cmis_property_type type,
                                           size_t *ret_count)
{
    size_t count;
    const void **parts = parts_get(source, node, name, CMIS_VALUES_MAX, &count);
    union cmis_value *values = count > 0 ? room(source, count, sizeof *values) : NULL;
    *ret_count = 0;
    if (!values)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!source->value(source, parts[i], type, &values[i]))
            fail(source, name);
    *ret_count = count;
    return values;
}

static const struct cmis_choice *choices_read(struct type_source *source, const void *node,
                                              enum cmis_property_type type, unsigned depth,
                                              size_t *ret_count)
{
    size_t count;
    const void **parts = parts_get(source, node, "choice", CMIS_CHOICES_MAX, &count);
    *ret_count = 0;
    source->choices += count;
    if (count > 0 && (source->choices > CMIS_CHOICES_MAX || depth == CMIS_CHOICE_DEPTH_MAX))
        fail(source, "the number or depth of choices");
    struct cmis_choice *choices = count > 0 ? room(source, count, sizeof *choices) : NULL;
    for (size_t i = 0; choices && i < count; i++) {
        const char *title = source->title(source, parts[i]);
        choices[i] = (struct cmis_choice){.display_name = title ? title : ""};
        choices[i].values = values_read(source, parts[i], "value", type, &choices[i].count);
        choices[i].choices =
            choices_read(source, parts[i], type, depth + 1, &choices[i].choice_count);
    }
    *ret_count = choices ? count : 0;
    return choices;
}

static void limit_read(struct type_source *source, const void *node, const struct field *field,
                       struct cmis_property_definition *property)
{
    const void *child = source->child(node, field->name);
    char *base = (char *)property;
    *(bool *)(base + field->has) = child != NULL;
    if (child && !source->value(source, child, property->type, (void *)(base + field->place)))
        fail(source, field->name);
}

static void property_read(struct type_source *source, const void *node,
                          struct cmis_property_definition *property)
{
    source->choices = 0;
    for (size_t i = 0; i < ARRAY_COUNT(property_fields) && !source->wrong; i++) {
        const struct field *field = &property_fields[i];
        if (!is_of(field, property->type)) /* which is read before the fields that depend on it */
            continue;
        if (field->kind == LIMIT)
            limit_read(source, node, field, property);
        else if (field->kind == DEFAULTS)
            property->defaults =
                values_read(source, node, field->name, property->type, &property->default_count);
        else if (field->kind == CHOICES)
            property->choices =
                choices_read(source, node, property->type, 0, &property->choice_count);
        else
            scalar_read(source, node, field, (char *)property + field->place);
    }
    if (source->is_kind && !source->is_kind(node, property->type))
        fail(source, "propertyType");
    property->orderable = property->orderable && !property->multi;
}

static void properties_read(struct type_source *source, const void *node, struct cmis_type *type)
{
    size_t count = source->properties(node, 0, NULL);
    if (count > CMIS_PROPERTIES_MAX)
        fail(source, "the number of properties");
    const void **parts = room(source, count, sizeof *parts);
    struct cmis_property_definition *properties = room(source, count, sizeof *properties);
    if (!parts || !properties)
        return;
    count = source->properties(node, count, parts);
    for (size_t i = 0; i < count; i++)
        property_read(source, parts[i], &properties[i]);
    type->properties = properties;
    type->property_count = count;
}

static void ids_read(struct type_source *source, const void *node, const char *name,
                     struct cmis_ids *ret)
{
    size_t count;
    const void **parts = parts_get(source, node, name, CMIS_IDS_MAX, &count);
    const char **ids = count > 0 ? room(source, count, sizeof *ids) : NULL;
    for (size_t i = 0; ids && i < count; i++)
        if (!(ids[i] = source->word(source, parts[i])))
            fail(source, name);
    *ret = (struct cmis_ids){ids, ids ? count : 0};
}

const struct cmis_type *type_fields_read(struct type_source *source, const void *node)
{
    struct cmis_type *type = room(source, 1, sizeof *type);
    const void *at = node; /* or the group that is open */
    if (!type)
        return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(type_fields) && !source->wrong; i++) {
        const struct field *field = &type_fields[i];
        char *place = (char *)type + field->place;
        if (field->kind == GROUP)
            at = source->child(node, field->name);
        else if (field->kind == END)
            at = node;
        else if (field->kind == PROPERTIES)
            properties_read(source, node, type);
        else if (field->kind == IDS)
            ids_read(source, node, field->name, (struct cmis_ids *)(void *)place);
        else
            scalar_read(source, at, field, place);
    }
    type->base_said = source->child(node, "baseId") != NULL;
    return source->wrong ? NULL : type;
}
