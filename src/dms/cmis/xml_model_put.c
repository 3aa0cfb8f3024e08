/* SPDX-License-Identifier: Apache-2.0 */
/* Objects and what belongs to them, written. */
#include "dms/cmis/xml_model.h"

#include <stdio.h>

void xml_put_namespaces(struct xml *xml, unsigned namespaces)
{
#define PUT(id, prefix, uri)            \
    if (namespaces & 1u << XML_NS_##id) \
        xml_put_attribute(xml, "xmlns:" prefix, uri);
    XML_NAMESPACES(PUT)
#undef PUT
}

const char *xml_property_kind(enum cmis_property_type type)
{
    static const char *const kinds[] = {
        [CMIS_STRING] = "String",   [CMIS_ID] = "Id",           [CMIS_INTEGER] = "Integer",
        [CMIS_DECIMAL] = "Decimal", [CMIS_BOOLEAN] = "Boolean", [CMIS_DATETIME] = "DateTime",
        [CMIS_HTML] = "Html",       [CMIS_URI] = "Uri",
    };
    return kinds[type];
}

void xml_put_date(struct xml *xml, const char *name, int64_t ms)
{
    char text[CMIS_DATE_SIZE];
    cmis_date_format(ms, text);
    xml_put(xml, name, text);
}

static void put_property(struct xml *xml, const struct cmis_property *property)
{
    char name[40], text[CMIS_DECIMAL_SIZE];
    (void)snprintf(name, sizeof name, "cmis:property%s", xml_property_kind(property->type));
    xml_open(xml, name);
    xml_put_attribute(xml, "propertyDefinitionId", property->id);
    xml_put_attribute(xml, "localName", property->local_name);
    xml_put_attribute(xml, "displayName", property->display_name);
    xml_put_attribute(xml, "queryName", property->query_name);
    for (size_t i = 0; i < property->count; i++) {
        const union cmis_value *value = &property->values[i];
        if (property->type == CMIS_INTEGER) {
            xml_put_int(xml, "cmis:value", value->integer);
        } else if (property->type == CMIS_BOOLEAN) {
            xml_put_bool(xml, "cmis:value", value->boolean);
        } else if (property->type == CMIS_DATETIME) {
            xml_put_date(xml, "cmis:value", value->integer);
        } else if (property->type == CMIS_DECIMAL) {
            cmis_decimal_format(value->decimal, text);
            xml_put(xml, "cmis:value", text);
        } else {
            xml_put(xml, "cmis:value", value->text);
        }
    }
    xml_close(xml, name);
}

void xml_put_properties(struct xml *xml, const char *name, const struct cmis_object *object)
{
    xml_open(xml, name);
    for (size_t i = 0; i < object->property_count; i++)
        put_property(xml, &object->properties[i]);
    xml_close(xml, name);
}

void xml_put_each_action(struct xml *xml, uint64_t actions)
{
    for (unsigned i = 0; i < CMIS_ACTION_COUNT; i++) {
        char element[48];
        (void)snprintf(element, sizeof element, "cmis:%s", cmis_action_name((enum cmis_action)i));
        xml_put_bool(xml, element, (actions >> i & 1) != 0);
    }
}

void xml_put_actions(struct xml *xml, const char *name, uint64_t actions)
{
    xml_open(xml, name);
    xml_put_each_action(xml, actions);
    xml_close(xml, name);
}

void xml_put_aces(struct xml *xml, const struct cmis_acl *acl)
{
    for (size_t i = 0; i < acl->count; i++) {
        const struct cmis_ace *ace = &acl->aces[i];
        xml_open(xml, "cmis:permission");
        xml_open(xml, "cmis:principal");
        xml_put(xml, "cmis:principalId", ace->principal);
        xml_close(xml, "cmis:principal");
        for (size_t k = 0; k < ace->count; k++)
            xml_put(xml, "cmis:permission", ace->permissions[k]);
        xml_put_bool(xml, "cmis:direct", ace->direct);
        xml_close(xml, "cmis:permission");
    }
}

void xml_put_acl(struct xml *xml, const char *name, const struct cmis_acl *acl)
{
    xml_open(xml, name);
    xml_put_aces(xml, acl);
    xml_close(xml, name);
}

static void put_known_int(struct xml *xml, const char *name, int64_t value)
{
    if (value >= 0)
        xml_put_int(xml, name, value);
}

void xml_put_rendition(struct xml *xml, const char *name, const struct cmis_rendition *rendition)
{
    xml_open(xml, name);
    xml_put(xml, "cmis:streamId", rendition->stream_id);
    xml_put(xml, "cmis:mimetype", rendition->mime_type);
    xml_put_int(xml, "cmis:length", rendition->size);
    xml_put(xml, "cmis:kind", rendition->kind);
    xml_put(xml, "cmis:title", rendition->title);
    put_known_int(xml, "cmis:height", rendition->height);
    put_known_int(xml, "cmis:width", rendition->width);
    xml_put(xml, "cmis:renditionDocumentId", rendition->document_id);
    xml_close(xml, name);
}

static void put_change(struct xml *xml, const struct cmis_object *object)
{
    xml_open(xml, "cmis:changeEventInfo");
    xml_put(xml, "cmis:changeType", cmis_change_name(object->change));
    xml_put_date(xml, "cmis:changeTime", object->change_ms);
    xml_close(xml, "cmis:changeEventInfo");
}

void xml_put_object_parts(struct xml *xml, const struct cmis_object *object)
{
    xml_put_properties(xml, "cmis:properties", object);
    if (object->has_actions)
        xml_put_actions(xml, "cmis:allowableActions", object->actions);
    for (size_t i = 0; i < object->relationship_count; i++)
        xml_put_object(xml, "cmis:relationship", object->relationships[i]);
    if (object->has_change)
        put_change(xml, object);
    if (object->acl) {
        xml_put_acl(xml, "cmis:acl", object->acl);
        xml_put_bool(xml, "cmis:exactACL", object->acl->exact);
    }
    if (object->has_policy_ids && object->policy_ids.count > 0) {
        xml_open(xml, "cmis:policyIds");
        for (size_t i = 0; i < object->policy_ids.count; i++)
            xml_put(xml, "cmis:id", object->policy_ids.ids[i]);
        xml_close(xml, "cmis:policyIds");
    }
    for (size_t i = 0; i < object->rendition_count; i++)
        xml_put_rendition(xml, "cmis:rendition", &object->renditions[i]);
}

void xml_put_object(struct xml *xml, const char *name, const struct cmis_object *object)
{
    xml_open(xml, name);
    xml_put_object_parts(xml, object);
    xml_close(xml, name);
}
