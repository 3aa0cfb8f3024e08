/* SPDX-License-Identifier: Apache-2.0 */
/* Type definitions that clients send as XML. */
#include "dms/cmis/type_fields.h"
#include "dms/cmis/xml_model.h"

#include <stdio.h>

static const void *child_get(const void *node, const char *name)
{
    return xml_child(node, XML_NS_CMIS, name);
}

/* What stands under the name; of a default value it is one level deeper. */
static size_t parts_get(const void *node, const char *name, size_t count, const void **parts)
{
    if (strcmp(name, "defaultValue") == 0)
        return parts_get(child_get(node, name), "value", count, parts);
    const struct xml_node *part = xml_child(node, XML_NS_CMIS, name);
    for (size_t i = 0; part && i < count; part = xml_again(part))
        parts[i++] = part;
    return xml_count(node, XML_NS_CMIS, name);
}

/* propertyStringDefinition and its siblings. */
static bool is_kind(const void *node, enum cmis_property_type type)
{
    char name[64];
    (void)snprintf(name, sizeof name, "property%sDefinition", xml_property_kind(type));
    return strcmp(((const struct xml_node *)node)->name, name) == 0;
}

static bool is_definition(const struct xml_node *node)
{
    bool found = false;
    for (unsigned i = 0; node->ns == XML_NS_CMIS && !found && i < CMIS_PROPERTY_TYPE_COUNT; i++)
        found = is_kind(node, (enum cmis_property_type)i);
    return found;
}

static size_t definitions_get(const void *node, size_t count, const void **parts)
{
    size_t found = 0;
    for (const struct xml_node *child = ((const struct xml_node *)node)->children; child;
         child = child->next) {
        if (!is_definition(child))
            continue;
        if (found < count)
            parts[found] = child;
        found++;
    }
    return found;
}

static const char *text_get(struct type_source *source, const void *node)
{
    (void)source; /* the document is in the arena */
    return ((const struct xml_node *)node)->text;
}

/* The schema's types other than strings collapse blanks. */
static const char *word_get(struct type_source *source, const void *node)
{
    static const char blanks[] = " \t\r\n";
    const char *text = ((const struct xml_node *)node)->text;
    size_t from = strspn(text, blanks), end = strlen(text);
    while (end > from && strchr(blanks, text[end - 1]))
        end--;
    return arena_text(source->arena, slice_of(text + from, end - from));
}

static const char *title_get(struct type_source *source, const void *choice)
{
    (void)source;
    return xml_attribute(choice, XML_NS_NONE, "displayName");
}

static bool value_get(struct type_source *source, const void *node, enum cmis_property_type type,
                      union cmis_value *ret)
{
    bool is_text = type == CMIS_STRING || type == CMIS_ID || type == CMIS_HTML || type == CMIS_URI;
    const char *text = is_text ? text_get(source, node) : word_get(source, node);
    return text && cmis_value_parse(type, text, ret) == 0;
}

int xml_take_type(struct cmis_call *cmis, const struct xml_node *node)
{
    struct type_source source = {.arena = cmis->arena,
                                 .child = child_get,
                                 .parts = parts_get,
                                 .properties = definitions_get,
                                 .text = text_get,
                                 .word = word_get,
                                 .title = title_get,
                                 .value = value_get,
                                 .is_kind = is_kind};
    if (!node)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "A type definition is needed.");
    cmis->args.type = type_fields_read(&source, node);
    if (!cmis->args.type)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                         "The type definition is not understood: '%s' is not as it must be.",
                         source.wrong);
    cmis_args_mark(cmis, CMIS_IN_TYPE);
    return 0;
}
