/* SPDX-License-Identifier: Apache-2.0 */
/* Type definitions as JSON, in and out: CMIS 1.1, 5.2.11 and the schema's names. */
#include "dms/cmis/model.h"
#include "server/json.h"

#include <errno.h>
#include <jansson.h>

/* Reading. The reader remembers failure; what it gives is of the arena. */
struct type_reader {
    struct arena *arena;
    const char *wrong; /* the first member that is not as it must be */
};

static void *take(struct type_reader *rd, size_t size)
{
    void *memory = arena_alloc(rd->arena, MAX(size, (size_t)1));
    if (!memory && !rd->wrong)
        rd->wrong = "memory";
    return memory;
}

static const char *copy_text(struct type_reader *rd, const json_t *value, const char *name)
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) != json_string_length(value) ||
        json_string_length(value) > CMIS_TEXT_SIZE_MAX) {
        rd->wrong = name;
        return "";
    }
    char *copy = arena_text(rd->arena, slice_of_text(text));
    if (!copy)
        rd->wrong = name;
    return copy ? copy : "";
}

/* NULL if it is not there, null or empty. */
static const char *read_text(struct type_reader *rd, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value))
        return NULL;
    const char *text = copy_text(rd, value, name);
    return *text ? text : NULL;
}

static bool read_bool(struct type_reader *rd, const json_t *object, const char *name,
                      bool otherwise)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value))
        return otherwise;
    if (!json_is_boolean(value))
        rd->wrong = name;
    return json_is_true(value);
}

static int read_name(struct type_reader *rd, const json_t *object, const char *name,
                     const char *(*name_of)(int), int count, int otherwise)
{
    const char *text = read_text(rd, object, name);
    if (!text)
        return otherwise;
    for (int i = 0; i < count; i++)
        if (strcmp(name_of(i), text) == 0)
            return i;
    rd->wrong = name;
    return otherwise;
}

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

static union cmis_value read_value(struct type_reader *rd, const json_t *value,
                                   enum cmis_property_type type, const char *name)
{
    union cmis_value out = {0};
    switch (type) {
    case CMIS_INTEGER:
    case CMIS_DATETIME:
        if (!json_is_integer(value))
            rd->wrong = name;
        out.integer = json_integer_value(value);
        break;
    case CMIS_DECIMAL:
        if (!json_is_number(value))
            rd->wrong = name;
        out.decimal = json_number_value(value);
        break;
    case CMIS_BOOLEAN:
        if (!json_is_boolean(value))
            rd->wrong = name;
        out.boolean = json_is_true(value);
        break;
    case CMIS_STRING:
    case CMIS_ID:
    case CMIS_HTML:
    case CMIS_URI:
    case CMIS_PROPERTY_TYPE_COUNT:
        out.text = copy_text(rd, value, name);
        break;
    }
    return out;
}

/* One value or an array of them. */
static const union cmis_value *read_values(struct type_reader *rd, const json_t *value,
                                           enum cmis_property_type type, const char *name,
                                           size_t *ret_count)
{
    size_t count = !value || json_is_null(value) ? 0
                   : json_is_array(value)        ? json_array_size(value)
                                                 : 1;
    *ret_count = 0;
    if (count == 0 || rd->wrong)
        return NULL;
    if (count > CMIS_VALUES_MAX)
        rd->wrong = name;
    union cmis_value *values = rd->wrong ? NULL : take(rd, count * sizeof *values);
    for (size_t i = 0; values && i < count; i++)
        values[i] =
            read_value(rd, json_is_array(value) ? json_array_get(value, i) : value, type, name);
    *ret_count = values ? count : 0;
    return values;
}

static const struct cmis_choice *read_choices(struct type_reader *rd, const json_t *array,
                                              enum cmis_property_type type, int depth,
                                              size_t *ret_count)
{
    size_t count = json_array_size(array);
    *ret_count = 0;
    if (count == 0)
        return NULL;
    if (count > CMIS_CHOICES_MAX || depth > CMIS_CHOICE_DEPTH_MAX) {
        rd->wrong = "choice";
        return NULL;
    }
    struct cmis_choice *choices = take(rd, count * sizeof *choices);
    for (size_t i = 0; choices && i < count; i++) {
        const json_t *one = json_array_get(array, i);
        const char *name = read_text(rd, one, "displayName");
        choices[i].display_name = name ? name : "";
        choices[i].values =
            read_values(rd, json_object_get(one, "value"), type, "value", &choices[i].count);
        choices[i].choices = read_choices(rd, json_object_get(one, "choice"), type, depth + 1,
                                          &choices[i].choice_count);
    }
    *ret_count = choices ? count : 0;
    return choices;
}

static void read_limits(struct type_reader *rd, const json_t *object,
                        struct cmis_property_definition *property)
{
    const json_t *min = json_object_get(object, "minValue");
    const json_t *max = json_object_get(object, "maxValue");
    bool number = property->type == CMIS_INTEGER || property->type == CMIS_DECIMAL;
    property->has_min = number && min && !json_is_null(min);
    property->has_max = number && max && !json_is_null(max);
    if (property->has_min)
        property->min = read_value(rd, min, property->type, "minValue");
    if (property->has_max)
        property->max = read_value(rd, max, property->type, "maxValue");
    const json_t *length = json_object_get(object, "maxLength");
    property->max_length = json_is_integer(length) ? MAX(json_integer_value(length), 0) : 0;
    const json_t *precision = json_object_get(object, "precision");
    int64_t bits = json_is_integer(precision) ? json_integer_value(precision) : 0;
    if (property->type == CMIS_DECIMAL)
        property->precision = bits == 32 ? 32 : bits == 64 ? 64 : 0;
    if (property->type == CMIS_DATETIME)
        property->resolution = read_text(rd, object, "resolution");
}

static void read_property(struct type_reader *rd, const json_t *object,
                          struct cmis_property_definition *property)
{
    property->id = read_text(rd, object, "id");
    if (!property->id) {
        rd->wrong = "id of a property";
        return;
    }
    property->local_name = read_text(rd, object, "localName");
    property->local_namespace = read_text(rd, object, "localNamespace");
    property->display_name = read_text(rd, object, "displayName");
    property->query_name = read_text(rd, object, "queryName");
    property->description = read_text(rd, object, "description");
    int type = read_name(rd, object, "propertyType", type_name, CMIS_PROPERTY_TYPE_COUNT, -1);
    if (type < 0) {
        rd->wrong = "propertyType";
        return;
    }
    property->type = (enum cmis_property_type)type;
    property->multi = read_name(rd, object, "cardinality", cardinality_name, 2, 0) == 1;
    property->updatability = (enum cmis_updatability)read_name(
        rd, object, "updatability", updatability_name, CMIS_UPDATABILITY_COUNT, CMIS_READWRITE);
    property->inherited = read_bool(rd, object, "inherited", false);
    property->required = read_bool(rd, object, "required", false);
    property->queryable = read_bool(rd, object, "queryable", true);
    property->orderable = read_bool(rd, object, "orderable", !property->multi) && !property->multi;
    property->open_choice = read_bool(rd, object, "openChoice", false);
    property->defaults = read_values(rd, json_object_get(object, "defaultValue"), property->type,
                                     "defaultValue", &property->default_count);
    property->choices = read_choices(rd, json_object_get(object, "choice"), property->type, 1,
                                     &property->choice_count);
    read_limits(rd, object, property);
}

static void read_properties(struct type_reader *rd, json_t *object, struct cmis_type *type)
{
    size_t count = json_object_size(object);
    const char *name;
    json_t *value;
    if (count > CMIS_PROPERTIES_MAX) {
        rd->wrong = "propertyDefinitions";
        return;
    }
    struct cmis_property_definition *properties = take(rd, count * sizeof *properties);
    json_object_foreach(object, name, value)
    {
        if (!properties || rd->wrong)
            return;
        read_property(rd, value, &properties[type->property_count++]);
    }
    type->properties = properties;
}

static struct cmis_ids read_ids(struct type_reader *rd, const json_t *array, const char *name)
{
    size_t count = json_array_size(array);
    const char **ids = count ? take(rd, count * sizeof *ids) : NULL;
    for (size_t i = 0; ids && i < count; i++)
        ids[i] = copy_text(rd, json_array_get(array, i), name);
    return (struct cmis_ids){ids, ids ? count : 0};
}

static void read_type(struct type_reader *rd, json_t *object, struct cmis_type *type)
{
    const json_t *mutability = json_object_get(object, "typeMutability");
    type->id = read_text(rd, object, "id");
    type->local_name = read_text(rd, object, "localName");
    type->local_namespace = read_text(rd, object, "localNamespace");
    type->display_name = read_text(rd, object, "displayName");
    type->query_name = read_text(rd, object, "queryName");
    type->description = read_text(rd, object, "description");
    type->base = (enum cmis_base)read_name(rd, object, "baseId", base_name, CMIS_BASE_COUNT, 0);
    type->parent = read_text(rd, object, "parentId");
    type->creatable = read_bool(rd, object, "creatable", true);
    type->fileable = read_bool(rd, object, "fileable", true);
    type->queryable = read_bool(rd, object, "queryable", true);
    type->fulltext_indexed = read_bool(rd, object, "fulltextIndexed", true);
    type->in_supertype_query = read_bool(rd, object, "includedInSupertypeQuery", true);
    type->controllable_policy = read_bool(rd, object, "controllablePolicy", true);
    type->controllable_acl = read_bool(rd, object, "controllableACL", true);
    type->can_create = read_bool(rd, mutability, "create", true);
    type->can_update = read_bool(rd, mutability, "update", true);
    type->can_delete = read_bool(rd, mutability, "delete", true);
    type->versionable = read_bool(rd, object, "versionable", true);
    type->stream_rule =
        (enum cmis_stream_rule)read_name(rd, object, "contentStreamAllowed", rule_name, 3, 0);
    type->sources =
        read_ids(rd, json_object_get(object, "allowedSourceTypes"), "allowedSourceTypes");
    type->targets =
        read_ids(rd, json_object_get(object, "allowedTargetTypes"), "allowedTargetTypes");
    json_t *properties = json_object_get(object, "propertyDefinitions");
    if (json_is_object(properties))
        read_properties(rd, properties, type);
}

static const struct cmis_type *read_all(struct type_reader *rd, const char *text)
{
    json_error_t error;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    struct cmis_type *type = json_is_object(object) ? take(rd, sizeof *type) : NULL;
    if (type)
        read_type(rd, object, type);
    else
        rd->wrong = "type";
    json_decref(object);
    return rd->wrong ? NULL : type;
}

const struct cmis_type *type_read(struct arena *arena, const char *text)
{
    struct type_reader rd = {.arena = arena};
    return read_all(&rd, text);
}

int type_parse(struct cmis_call *cmis, const char *text, const struct cmis_type **ret)
{
    struct type_reader rd = {.arena = cmis->arena};
    *ret = read_all(&rd, text);
    return *ret ? 0
                : cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                            "The type definition is not understood: '%s' is not as it must be.",
                            rd.wrong);
}

/* Writing */

void cmis_value_write(struct json *json, const char *key, enum cmis_property_type type,
                      const union cmis_value *value)
{
    char text[CMIS_DECIMAL_SIZE];
    switch (type) {
    case CMIS_INTEGER:
    case CMIS_DATETIME:
        json_put_int(json, key, value->integer);
        break;
    case CMIS_DECIMAL:
        cmis_decimal_format(value->decimal, text);
        json_put_raw(json, key, text);
        break;
    case CMIS_BOOLEAN:
        json_put_bool(json, key, value->boolean);
        break;
    case CMIS_STRING:
    case CMIS_ID:
    case CMIS_HTML:
    case CMIS_URI:
    case CMIS_PROPERTY_TYPE_COUNT:
        json_put_text(json, key, value->text);
        break;
    }
}

static void write_values(struct json *json, const char *key, enum cmis_property_type type,
                         bool as_array, size_t count, const union cmis_value *values)
{
    if (!as_array) {
        if (count > 0)
            cmis_value_write(json, key, type, &values[0]);
        return;
    }
    json_open_array(json, key);
    for (size_t i = 0; i < count; i++)
        cmis_value_write(json, NULL, type, &values[i]);
    json_close(json);
}

static void write_choices(struct json *json, const struct cmis_property_definition *property,
                          size_t count, const struct cmis_choice *choices)
{
    json_open_array(json, "choice");
    for (size_t i = 0; i < count; i++) {
        json_open_object(json, NULL);
        json_put_text(json, "displayName", choices[i].display_name);
        write_values(json, "value", property->type, true, choices[i].count, choices[i].values);
        if (choices[i].choice_count > 0)
            write_choices(json, property, choices[i].choice_count, choices[i].choices);
        json_close(json);
    }
    json_close(json);
}

void property_write(struct json *json, const struct cmis_property_definition *property)
{
    json_open_object(json, property->id);
    json_put_text(json, "id", property->id);
    json_put_text(json, "localName", property->local_name);
    if (property->local_namespace)
        json_put_text(json, "localNamespace", property->local_namespace);
    json_put_text(json, "displayName", property->display_name);
    json_put_text(json, "queryName", property->query_name);
    if (property->description)
        json_put_text(json, "description", property->description);
    json_put_text(json, "propertyType", cmis_property_type_name(property->type));
    json_put_text(json, "cardinality", property->multi ? "multi" : "single");
    json_put_text(json, "updatability", cmis_updatability_name(property->updatability));
    json_put_bool(json, "inherited", property->inherited);
    json_put_bool(json, "required", property->required);
    json_put_bool(json, "queryable", property->queryable);
    json_put_bool(json, "orderable", property->orderable);
    if (property->choice_count > 0) {
        json_put_bool(json, "openChoice", property->open_choice);
        write_choices(json, property, property->choice_count, property->choices);
    }
    if (property->default_count > 0)
        write_values(json, "defaultValue", property->type, true, property->default_count,
                     property->defaults);
    if (property->has_min)
        cmis_value_write(json, "minValue", property->type, &property->min);
    if (property->has_max)
        cmis_value_write(json, "maxValue", property->type, &property->max);
    if (property->max_length > 0)
        json_put_int(json, "maxLength", property->max_length);
    if (property->precision > 0)
        json_put_int(json, "precision", property->precision);
    if (property->resolution)
        json_put_text(json, "resolution", property->resolution);
    json_close(json);
}

static void write_ids(struct json *json, const char *key, const struct cmis_ids *ids)
{
    json_open_array(json, key);
    for (size_t i = 0; i < ids->count; i++)
        json_put_text(json, NULL, ids->ids[i]);
    json_close(json);
}

void type_write(struct json *json, const char *key, const struct cmis_type *type, bool properties)
{
    json_open_object(json, key);
    json_put_text(json, "id", type->id);
    json_put_text(json, "localName", type->local_name);
    json_put_text(json, "localNamespace", type->local_namespace);
    json_put_text(json, "displayName", type->display_name);
    json_put_text(json, "queryName", type->query_name);
    json_put_text(json, "description", type->description ? type->description : type->display_name);
    json_put_text(json, "baseId", cmis_base_id(type->base));
    if (type->parent)
        json_put_text(json, "parentId", type->parent);
    json_put_bool(json, "creatable", type->creatable);
    json_put_bool(json, "fileable", type->fileable);
    json_put_bool(json, "queryable", type->queryable);
    json_put_bool(json, "fulltextIndexed", type->fulltext_indexed);
    json_put_bool(json, "includedInSupertypeQuery", type->in_supertype_query);
    json_put_bool(json, "controllablePolicy", type->controllable_policy);
    json_put_bool(json, "controllableACL", type->controllable_acl);
    json_open_object(json, "typeMutability");
    json_put_bool(json, "create", type->can_create);
    json_put_bool(json, "update", type->can_update);
    json_put_bool(json, "delete", type->can_delete);
    json_close(json);
    if (type->base == CMIS_BASE_DOCUMENT) {
        json_put_bool(json, "versionable", type->versionable);
        json_put_text(json, "contentStreamAllowed", cmis_stream_rule_name(type->stream_rule));
    }
    if (type->base == CMIS_BASE_RELATIONSHIP) {
        write_ids(json, "allowedSourceTypes", &type->sources);
        write_ids(json, "allowedTargetTypes", &type->targets);
    }
    if (properties) {
        json_open_object(json, "propertyDefinitions");
        for (size_t i = 0; i < type->property_count; i++)
            property_write(json, &type->properties[i]);
        json_close(json);
    }
    json_close(json);
}
