/* SPDX-License-Identifier: Apache-2.0 */
/* What clients send of objects: properties, ACLs, lists of ids, bulk updates. */
#include "dms/cmis/xml_model.h"

#include <errno.h>

/* Schema types but string collapse blanks around. */
static const char *trimmed(struct cmis_call *cmis, const char *text)
{
    static const char blanks[] = " \t\r\n";
    size_t size = strlen(text);
    while (size > 0 && strchr(blanks, text[size - 1]))
        size--;
    size_t from = strspn(text, blanks);
    if (from == 0 && text[size] == 0)
        return text;
    return arena_text(cmis->arena, slice_of(text + MIN(from, size), size - MIN(from, size)));
}

static enum cmis_property_type kind_find(const char *name, const char *end)
{
    static const char prefix[] = "property";
    size_t size = strlen(name), end_size = strlen(end);
    if (strncmp(name, prefix, strlen(prefix)) != 0 || size <= strlen(prefix) + end_size ||
        strcmp(name + size - end_size, end) != 0)
        return CMIS_TYPE_NOT_SAID;
    struct slice kind = slice_of(name + strlen(prefix), size - strlen(prefix) - end_size);
    for (unsigned i = 0; i < CMIS_PROPERTY_TYPE_COUNT; i++)
        if (slice_is_text(kind, xml_property_kind((enum cmis_property_type)i)))
            return (enum cmis_property_type)i;
    return CMIS_TYPE_NOT_SAID;
}

static int take_property(struct cmis_call *cmis, const struct xml_node *node,
                         struct cmis_input_property *property)
{
    size_t count = xml_count(node, XML_NS_CMIS, "value"), i = 0;
    property->id = xml_attribute(node, XML_NS_NONE, "propertyDefinitionId");
    if (!property->id || !*property->id)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                         "A property needs its attribute propertyDefinitionId.");
    if (count > CMIS_VALUES_MAX)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "%.100s has more than %d values.",
                         property->id, CMIS_VALUES_MAX);
    const char **values = arena_alloc(cmis->arena, count * sizeof *values);
    if (!values)
        return cmis_fail_errno(cmis, -ENOMEM);
    bool as_sent = property->type == CMIS_STRING || property->type == CMIS_HTML;
    const struct xml_node *value = xml_child(node, XML_NS_CMIS, "value");
    for (; value; value = xml_again(value)) {
        values[i] = as_sent ? value->text : trimmed(cmis, value->text);
        if (!values[i++])
            return cmis_fail_errno(cmis, -ENOMEM);
    }
    property->count = count;
    property->values = values;
    return 0;
}

int xml_take_properties(struct cmis_call *cmis, const struct xml_node *node)
{
    size_t count = 0, i = 0;
    if (!node || xml_is_nil(node))
        return 0;
    for (const struct xml_node *child = node->children; child; child = child->next)
        count += child->ns == XML_NS_CMIS && kind_find(child->name, "") != CMIS_TYPE_NOT_SAID;
    if (count > CMIS_PROPERTIES_MAX)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "These are more than %d properties.",
                         CMIS_PROPERTIES_MAX);
    struct cmis_input_property *items = arena_alloc(cmis->arena, (count + 1) * sizeof *items);
    if (!items)
        return cmis_fail_errno(cmis, -ENOMEM);
    for (const struct xml_node *child = node->children; child; child = child->next) {
        enum cmis_property_type type =
            child->ns == XML_NS_CMIS ? kind_find(child->name, "") : CMIS_TYPE_NOT_SAID;
        if (type == CMIS_TYPE_NOT_SAID)
            continue;
        items[i].type = type;
        if (take_property(cmis, child, &items[i++]) < 0)
            return -1;
    }
    cmis->args.properties.count = count;
    cmis->args.properties.items = items;
    cmis_args_mark(cmis, CMIS_IN_PROPERTIES);
    return 0;
}

const char *xml_property_text(const struct cmis_call *cmis, const char *id)
{
    for (size_t i = 0; i < cmis->args.properties.count; i++) {
        const struct cmis_input_property *property = &cmis->args.properties.items[i];
        if (strcmp(property->id, id) == 0)
            return property->count > 0 ? property->values[0] : NULL;
    }
    return NULL;
}

int xml_take_ids(struct cmis_call *cmis, const struct xml_node *node, enum xml_ns ns,
                 const char *name, struct cmis_ids *ret)
{
    size_t count = xml_count(node, ns, name), i = 0;
    if (count > CMIS_IDS_MAX)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "%s stands there more than %d times.", name,
                         CMIS_IDS_MAX);
    const char **ids = arena_alloc(cmis->arena, (count + 1) * sizeof *ids);
    if (!ids)
        return cmis_fail_errno(cmis, -ENOMEM);
    for (node = xml_child(node, ns, name); node; node = xml_again(node))
        if (!xml_is_nil(node) && !(ids[i++] = trimmed(cmis, node->text)))
            return cmis_fail_errno(cmis, -ENOMEM);
    *ret = (struct cmis_ids){ids, i};
    return 0;
}

static int take_ace(struct cmis_call *cmis, const struct xml_node *node, struct cmis_ace *ace)
{
    struct cmis_ids permissions;
    const char *direct = xml_child_text(node, XML_NS_CMIS, "direct");
    ace->principal =
        xml_child_text(xml_child(node, XML_NS_CMIS, "principal"), XML_NS_CMIS, "principalId");
    if (!ace->principal || !*ace->principal)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "An ACE needs its principalId.");
    if (xml_take_ids(cmis, node, XML_NS_CMIS, "permission", &permissions) < 0)
        return -1;
    ace->count = permissions.count;
    ace->permissions = permissions.ids;
    ace->direct = !direct || strcmp(direct, "false") != 0;
    return 0;
}

int xml_take_acl(struct cmis_call *cmis, enum cmis_input input, const struct xml_node *node)
{
    size_t count = xml_count(node, XML_NS_CMIS, "permission"), i = 0;
    if (!node || xml_is_nil(node))
        return 0;
    if (count > CMIS_ACES_MAX)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The ACL has more than %d entries.",
                         CMIS_ACES_MAX);
    struct cmis_ace *aces = arena_alloc(cmis->arena, (count + 1) * sizeof *aces);
    if (!aces)
        return cmis_fail_errno(cmis, -ENOMEM);
    for (node = xml_child(node, XML_NS_CMIS, "permission"); node; node = xml_again(node))
        if (take_ace(cmis, node, &aces[i++]) < 0)
            return -1;
    struct cmis_acl *acl =
        input == CMIS_IN_ADD_ACES ? &cmis->args.add_aces : &cmis->args.remove_aces;
    *acl = (struct cmis_acl){.count = count, .aces = aces, .exact = true};
    cmis_args_mark(cmis, input);
    return 0;
}

int xml_take_bulk(struct cmis_call *cmis, const struct xml_node *node)
{
    size_t count = xml_count(node, XML_NS_CMIS, "objectIdAndChangeToken"), i = 0;
    if (!node)
        return 0;
    if (count > CMIS_IDS_MAX)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "These are more than %d objects.",
                         CMIS_IDS_MAX);
    struct cmis_id_and_token *items = arena_alloc(cmis->arena, (count + 1) * sizeof *items);
    if (!items)
        return cmis_fail_errno(cmis, -ENOMEM);
    const struct xml_node *item = xml_child(node, XML_NS_CMIS, "objectIdAndChangeToken");
    for (; item; item = xml_again(item), i++) {
        items[i].id = xml_child_text(item, XML_NS_CMIS, "id");
        items[i].token = xml_child_text(item, XML_NS_CMIS, "changeToken");
        if (!items[i].id)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "An object of the update has no id.");
    }
    if (xml_take_properties(cmis, xml_child(node, XML_NS_CMIS, "properties")) < 0 ||
        xml_take_ids(cmis, node, XML_NS_CMIS, "addSecondaryTypeIds", &cmis->args.add_secondary) <
            0 ||
        xml_take_ids(cmis, node, XML_NS_CMIS, "removeSecondaryTypeIds",
                     &cmis->args.remove_secondary) < 0)
        return -1;
    cmis->args.bulk = (struct cmis_ids_and_tokens){count, items};
    cmis_args_mark(cmis, CMIS_IN_BULK_UPDATE_DATA);
    return 0;
}
