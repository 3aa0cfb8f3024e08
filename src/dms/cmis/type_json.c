/* SPDX-License-Identifier: Apache-2.0 */
/* Type definitions as JSON, in and out: CMIS 1.1, 5.2.11. */
#include "dms/cmis/model.h"
#include "dms/cmis/type_fields.h"
#include "server/json.h"

#include <jansson.h>

/* Reading */

static const void *child_get(const void *node, const char *name)
{
    const json_t *value = json_object_get(node, name);
    return value && !json_is_null(value) ? value : NULL;
}

/* An array, or one value alone. */
static size_t parts_get(const void *node, const char *name, size_t count, const void **parts)
{
    const json_t *value = child_get(node, name);
    if (!json_is_array(value)) {
        if (count > 0)
            parts[0] = value;
        return value ? 1 : 0;
    }
    for (size_t i = 0; i < count; i++)
        parts[i] = json_array_get(value, i);
    return json_array_size(value);
}

static size_t definitions_get(const void *node, size_t count, const void **parts)
{
    json_t *all = json_object_get(node, "propertyDefinitions");
    const char *name;
    json_t *value;
    size_t i = 0;
    if (count > 0)
        json_object_foreach(all, name, value) parts[i++] = value;
    return json_object_size(all);
}

static const char *text_get(struct type_source *source, const void *node)
{
    const char *text = json_string_value(node);
    size_t size = json_string_length(node);
    return text && strlen(text) == size && size <= CMIS_TEXT_SIZE_MAX
               ? arena_text(source->arena, slice_of(text, size))
               : NULL;
}

static const char *title_get(struct type_source *source, const void *choice)
{
    const void *title = child_get(choice, "displayName");
    const char *text = title ? text_get(source, title) : NULL;
    if (title && !text && !source->wrong)
        source->wrong = "displayName";
    return text;
}

static bool value_get(struct type_source *source, const void *node, enum cmis_property_type type,
                      union cmis_value *ret)
{
    const json_t *value = node;
    switch (type) {
    case CMIS_INTEGER:
    case CMIS_DATETIME:
        ret->integer = json_integer_value(value);
        return json_is_integer(value);
    case CMIS_DECIMAL:
        ret->decimal = json_number_value(value);
        return json_is_number(value);
    case CMIS_BOOLEAN:
        ret->boolean = json_is_true(value);
        return json_is_boolean(value);
    case CMIS_STRING:
    case CMIS_ID:
    case CMIS_HTML:
    case CMIS_URI:
    case CMIS_PROPERTY_TYPE_COUNT:
        break;
    }
    ret->text = text_get(source, value);
    return ret->text != NULL;
}

static const struct cmis_type *read_all(struct type_source *source, const char *text)
{
    *source = (struct type_source){.arena = source->arena,
                                   .is_stored = source->is_stored,
                                   .child = child_get,
                                   .parts = parts_get,
                                   .properties = definitions_get,
                                   .text = text_get,
                                   .word = text_get,
                                   .title = title_get,
                                   .value = value_get};
    json_error_t error;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    const struct cmis_type *type = NULL;
    if (json_is_object(object))
        type = type_fields_read(source, object);
    else
        source->wrong = "type";
    json_decref(object);
    return type;
}

const struct cmis_type *type_read(struct arena *arena, const char *text)
{
    struct type_source source = {.arena = arena, .is_stored = true};
    return read_all(&source, text);
}

int type_parse(struct cmis_call *cmis, const char *text, const struct cmis_type **ret)
{
    struct type_source source = {.arena = cmis->arena};
    *ret = read_all(&source, text);
    return *ret ? 0
                : cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                            "The type definition is not understood: '%s' is not as it must be.",
                            source.wrong);
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

static void put_text(void *to, const char *name, const char *text)
{
    json_put_text(to, name, text);
}

static void put_value(void *to, const char *name, enum cmis_property_type type,
                      const union cmis_value *value)
{
    cmis_value_write(to, name, type, value);
}

static void put_values(struct json *json, const char *name, enum cmis_property_type type,
                       size_t count, const union cmis_value *values)
{
    json_open_array(json, name);
    for (size_t i = 0; i < count; i++)
        cmis_value_write(json, NULL, type, &values[i]);
    json_close(json);
}

static void put_defaults(void *to, const struct cmis_property_definition *property)
{
    put_values(to, "defaultValue", property->type, property->default_count, property->defaults);
}

static void put_choices(void *to, enum cmis_property_type type, size_t count,
                        const struct cmis_choice *choices)
{
    json_open_array(to, "choice");
    for (size_t i = 0; i < count; i++) {
        json_open_object(to, NULL);
        json_put_text(to, "displayName", choices[i].display_name);
        put_values(to, "value", type, choices[i].count, choices[i].values);
        if (choices[i].choice_count > 0)
            put_choices(to, type, choices[i].choice_count, choices[i].choices);
        json_close(to);
    }
    json_close(to);
}

static void put_ids(void *to, const char *name, const struct cmis_ids *ids)
{
    json_open_array(to, name);
    for (size_t i = 0; i < ids->count; i++)
        json_put_text(to, NULL, ids->ids[i]);
    json_close(to);
}

static void put_open(void *to, const char *name)
{
    json_open_object(to, name);
}

static void put_close(void *to, const char *name)
{
    (void)name;
    json_close(to);
}

static void put_properties(void *to, bool begin)
{
    if (begin)
        json_open_object(to, "propertyDefinitions");
    else
        json_close(to);
}

static void put_property(void *to, const struct cmis_property_definition *property, bool begin)
{
    if (begin)
        json_open_object(to, property->id);
    else
        json_close(to);
}

static struct type_sink sink_into(struct json *json)
{
    return (struct type_sink){.to = json,
                              .text = put_text,
                              .value = put_value,
                              .defaults = put_defaults,
                              .choices = put_choices,
                              .ids = put_ids,
                              .open = put_open,
                              .close = put_close,
                              .properties = put_properties,
                              .property = put_property};
}

void property_write(struct json *json, const struct cmis_property_definition *property)
{
    const struct type_sink sink = sink_into(json);
    property_fields_write(&sink, property);
}

void type_write(struct json *json, const char *key, const struct cmis_type *type, bool properties)
{
    const struct type_sink sink = sink_into(json);
    json_open_object(json, key);
    type_fields_write(&sink, type, properties);
    json_close(json);
}
