/* SPDX-License-Identifier: Apache-2.0 */
/* Type definitions that clients send. */
#include "dms/cmis/xml_model.h"

#include <errno.h>

/* Reads the parts of one type; after the first mistake the rest does nothing. */
struct taker {
    struct cmis_call *cmis;
    size_t choices;
    bool failed;
};

static void fail(struct taker *taker, const char *what, const char *text)
{
    if (!taker->failed)
        (void)cmis_fail(taker->cmis, CMIS_INVALID_ARGUMENT,
                        "In the type definition %s cannot be '%.60s'.", what, text);
    taker->failed = true;
}

static void *room(struct taker *taker, size_t size)
{
    void *memory = arena_alloc(taker->cmis->arena, size);
    if (!memory && !taker->failed)
        (void)cmis_fail_errno(taker->cmis, -ENOMEM);
    taker->failed |= !memory;
    return memory;
}

/* Of a schema type that collapses blanks: the text without them, cut to what such a text can be. */
static void collapse(const char *text, char *to, size_t size)
{
    static const char blanks[] = " \t\r\n";
    size_t from = strspn(text, blanks), end = strlen(text);
    while (end > from && strchr(blanks, text[end - 1]))
        end--;
    size_t count = MIN(end - from, size - 1);
    memcpy(to, text + from, count);
    to[count] = 0;
}

static bool take_bool(struct taker *taker, const struct xml_node *node, const char *name,
                      bool fallback)
{
    const char *text = xml_child_text(node, XML_NS_CMIS, name);
    char plain[8];
    if (!text)
        return fallback;
    collapse(text, plain, sizeof plain);
    if (strcmp(plain, "true") == 0 || strcmp(plain, "1") == 0)
        return true;
    if (strcmp(plain, "false") != 0 && strcmp(plain, "0") != 0)
        fail(taker, name, text);
    return false;
}

static union cmis_value take_value(struct taker *taker, enum cmis_property_type type,
                                   const char *text)
{
    union cmis_value value = {.text = text};
    char plain[CMIS_DECIMAL_SIZE];
    if (type != CMIS_INTEGER && type != CMIS_DECIMAL && type != CMIS_BOOLEAN &&
        type != CMIS_DATETIME)
        return value; /* with its blanks */
    collapse(text, plain, sizeof plain);
    if (strlen(plain) == sizeof plain - 1 || cmis_value_parse(type, plain, &value) < 0)
        fail(taker, "a value", text);
    return value;
}

static const union cmis_value *take_values(struct taker *taker, enum cmis_property_type type,
                                           const struct xml_node *node, size_t *ret_count)
{
    size_t count = xml_count(node, XML_NS_CMIS, "value"), i = 0;
    union cmis_value *values =
        count > CMIS_VALUES_MAX ? NULL : room(taker, (count + 1) * sizeof *values);
    if (count > CMIS_VALUES_MAX)
        fail(taker, "the number of values", "more than 1000");
    *ret_count = values ? count : 0;
    for (node = xml_child(node, XML_NS_CMIS, "value"); node && values; node = xml_again(node))
        values[i++] = take_value(taker, type, node->text);
    return values;
}

static const struct cmis_choice *take_choices(struct taker *taker, enum cmis_property_type type,
                                              const struct xml_node *node, unsigned depth,
                                              size_t *ret_count)
{
    size_t count = xml_count(node, XML_NS_CMIS, "choice"), i = 0;
    taker->choices += count;
    *ret_count = 0;
    if (count > 0 && (taker->choices > CMIS_CHOICES_MAX || depth == CMIS_CHOICE_DEPTH_MAX)) {
        fail(taker, "the number or depth of choices", "more than 1000 or 8");
        return NULL;
    }
    struct cmis_choice *choices = count ? room(taker, count * sizeof *choices) : NULL;
    if (!choices)
        return NULL;
    for (node = xml_child(node, XML_NS_CMIS, "choice"); node; node = xml_again(node), i++) {
        struct cmis_choice *choice = &choices[i];
        choice->display_name = xml_attribute(node, XML_NS_NONE, "displayName");
        choice->values = take_values(taker, type, node, &choice->count);
        choice->choices = take_choices(taker, type, node, depth + 1, &choice->choice_count);
    }
    *ret_count = count;
    return choices;
}

/* The index of the name that a child has; `fallback` without the child. */
static int take_name(struct taker *taker, const struct xml_node *node, const char *child,
                     const char *(*name)(int), int count, int fallback)
{
    const char *text = xml_child_text(node, XML_NS_CMIS, child);
    char plain[32];
    if (!text)
        return fallback;
    collapse(text, plain, sizeof plain);
    for (int i = 0; i < count; i++)
        if (strcmp(name(i), plain) == 0)
            return i;
    fail(taker, child, text);
    return fallback;
}

static const char *type_name(int i)
{
    return cmis_property_type_name((enum cmis_property_type)i);
}

static const char *updatability_name(int i)
{
    return cmis_updatability_name((enum cmis_updatability)i);
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

static const char *rule_name(int i)
{
    return cmis_stream_rule_name((enum cmis_stream_rule)i);
}

static const char *base_name(int i)
{
    return cmis_base_id((enum cmis_base)i);
}

static void take_limits(struct taker *taker, const struct xml_node *node,
                        struct cmis_property_definition *definition)
{
    enum cmis_property_type type = definition->type;
    const char *max = xml_child_text(node, XML_NS_CMIS, "maxValue");
    const char *min = xml_child_text(node, XML_NS_CMIS, "minValue");
    const char *length = xml_child_text(node, XML_NS_CMIS, "maxLength");
    const char *precision = xml_child_text(node, XML_NS_CMIS, "precision");
    if (type == CMIS_INTEGER || type == CMIS_DECIMAL) {
        definition->has_max = max != NULL;
        definition->has_min = min != NULL;
        if (max)
            definition->max = take_value(taker, type, max);
        if (min)
            definition->min = take_value(taker, type, min);
    }
    if (length)
        definition->max_length = take_value(taker, CMIS_INTEGER, length).integer;
    if (precision)
        definition->precision = (int)take_value(taker, CMIS_INTEGER, precision).integer;
    if (precision && definition->precision != 32 && definition->precision != 64)
        fail(taker, "precision", precision);
    if (xml_child_text(node, XML_NS_CMIS, "resolution"))
        definition->resolution =
            resolution_name(take_name(taker, node, "resolution", resolution_name, 3, 2));
}

static void take_definition(struct taker *taker, const struct xml_node *node,
                            struct cmis_property_definition *definition)
{
    definition->id = xml_child_text(node, XML_NS_CMIS, "id");
    definition->local_name = xml_child_text(node, XML_NS_CMIS, "localName");
    definition->local_namespace = xml_child_text(node, XML_NS_CMIS, "localNamespace");
    definition->display_name = xml_child_text(node, XML_NS_CMIS, "displayName");
    definition->query_name = xml_child_text(node, XML_NS_CMIS, "queryName");
    definition->description = xml_child_text(node, XML_NS_CMIS, "description");
    if (!definition->id || !*definition->id)
        fail(taker, "the id of a property", "");
    int type = take_name(taker, node, "propertyType", type_name, CMIS_PROPERTY_TYPE_COUNT,
                         (int)definition->type);
    if (type != (int)definition->type)
        fail(taker, "propertyType", type_name(type));
    definition->multi = take_name(taker, node, "cardinality", cardinality_name, 2, 0) == 1;
    definition->updatability = (enum cmis_updatability)take_name(
        taker, node, "updatability", updatability_name, CMIS_UPDATABILITY_COUNT, CMIS_READWRITE);
    definition->inherited = take_bool(taker, node, "inherited", false);
    definition->required = take_bool(taker, node, "required", false);
    definition->queryable = take_bool(taker, node, "queryable", true);
    definition->orderable = take_bool(taker, node, "orderable", false);
    definition->open_choice = take_bool(taker, node, "openChoice", false);
    definition->defaults =
        take_values(taker, definition->type, xml_child(node, XML_NS_CMIS, "defaultValue"),
                    &definition->default_count);
    take_limits(taker, node, definition);
    definition->choices = take_choices(taker, definition->type, node, 0, &definition->choice_count);
}

/* propertyStringDefinition and its siblings. */
static bool definition_kind(const struct xml_node *node, enum cmis_property_type *ret_type)
{
    for (unsigned i = 0; i < CMIS_PROPERTY_TYPE_COUNT; i++) {
        const char *kind = xml_property_kind((enum cmis_property_type)i);
        size_t size = strlen(kind);
        if (node->ns == XML_NS_CMIS && strncmp(node->name, "property", 8) == 0 &&
            strncmp(node->name + 8, kind, size) == 0 &&
            strcmp(node->name + 8 + size, "Definition") == 0) {
            *ret_type = (enum cmis_property_type)i;
            return true;
        }
    }
    return false;
}

static void take_definitions(struct taker *taker, const struct xml_node *node,
                             struct cmis_type *type)
{
    enum cmis_property_type kind;
    size_t count = 0, i = 0;
    for (const struct xml_node *child = node->children; child; child = child->next)
        count += definition_kind(child, &kind);
    if (count > CMIS_PROPERTIES_MAX) {
        fail(taker, "the number of properties", "more than 256");
        return;
    }
    struct cmis_property_definition *definitions =
        count ? room(taker, count * sizeof *definitions) : NULL;
    if (!definitions)
        return;
    for (const struct xml_node *child = node->children; child; child = child->next)
        if (definition_kind(child, &kind)) {
            definitions[i].type = kind;
            take_definition(taker, child, &definitions[i++]);
        }
    type->properties = definitions;
    type->property_count = count;
}

static void take_flags(struct taker *taker, const struct xml_node *node, struct cmis_type *type)
{
    type->creatable = take_bool(taker, node, "creatable", true);
    type->fileable =
        take_bool(taker, node, "fileable",
                  type->base != CMIS_BASE_RELATIONSHIP && type->base != CMIS_BASE_SECONDARY);
    type->queryable = take_bool(taker, node, "queryable", true);
    type->fulltext_indexed = take_bool(taker, node, "fulltextIndexed", false);
    type->in_supertype_query = take_bool(taker, node, "includedInSupertypeQuery", true);
    type->controllable_policy = take_bool(taker, node, "controllablePolicy", false);
    type->controllable_acl = take_bool(taker, node, "controllableACL", false);
    const struct xml_node *mutability = xml_child(node, XML_NS_CMIS, "typeMutability");
    type->can_create = take_bool(taker, mutability, "create", true);
    type->can_update = take_bool(taker, mutability, "update", true);
    type->can_delete = take_bool(taker, mutability, "delete", true);
    type->versionable = take_bool(taker, node, "versionable", false);
    type->stream_rule = (enum cmis_stream_rule)take_name(taker, node, "contentStreamAllowed",
                                                         rule_name, 3, CMIS_STREAM_ALLOWED);
}

int xml_take_type(struct cmis_call *cmis, const struct xml_node *node)
{
    struct taker taker = {.cmis = cmis};
    struct cmis_type *type = room(&taker, sizeof *type);
    if (!node)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "A type definition is needed.");
    if (!type)
        return -1;
    type->id = xml_child_text(node, XML_NS_CMIS, "id");
    type->local_name = xml_child_text(node, XML_NS_CMIS, "localName");
    type->local_namespace = xml_child_text(node, XML_NS_CMIS, "localNamespace");
    type->display_name = xml_child_text(node, XML_NS_CMIS, "displayName");
    type->query_name = xml_child_text(node, XML_NS_CMIS, "queryName");
    type->description = xml_child_text(node, XML_NS_CMIS, "description");
    type->parent = xml_child_text(node, XML_NS_CMIS, "parentId");
    if (!type->id || !*type->id)
        fail(&taker, "its id", "");
    type->base = (enum cmis_base)take_name(&taker, node, "baseId", base_name, CMIS_BASE_COUNT,
                                           CMIS_BASE_DOCUMENT);
    take_flags(&taker, node, type);
    take_definitions(&taker, node, type);
    if (taker.failed ||
        xml_take_ids(cmis, node, XML_NS_CMIS, "allowedSourceTypes", &type->sources) < 0 ||
        xml_take_ids(cmis, node, XML_NS_CMIS, "allowedTargetTypes", &type->targets) < 0)
        return -1;
    cmis->args.type = type;
    cmis_args_mark(cmis, CMIS_IN_TYPE);
    return 0;
}
