/* SPDX-License-Identifier: Apache-2.0 */
/* Type definitions and the repository's description, written. */
#include "dms/cmis/xml_model.h"

#include <stdio.h>

static void put_value(struct xml *xml, const char *name, enum cmis_property_type type,
                      const union cmis_value *value)
{
    char text[CMIS_DECIMAL_SIZE];
    switch (type) {
    case CMIS_INTEGER:
        xml_put_int(xml, name, value->integer);
        break;
    case CMIS_BOOLEAN:
        xml_put_bool(xml, name, value->boolean);
        break;
    case CMIS_DATETIME:
        xml_put_date(xml, name, value->integer);
        break;
    case CMIS_DECIMAL:
        cmis_decimal_format(value->decimal, text);
        xml_put(xml, name, text);
        break;
    case CMIS_STRING:
    case CMIS_ID:
    case CMIS_HTML:
    case CMIS_URI:
    case CMIS_PROPERTY_TYPE_COUNT:
        xml_put(xml, name, value->text);
        break;
    }
}

static void put_choice(struct xml *xml, enum cmis_property_type type,
                       const struct cmis_choice *choice)
{
    xml_open(xml, "cmis:choice");
    xml_put_attribute(xml, "displayName", choice->display_name ? choice->display_name : "");
    for (size_t i = 0; i < choice->count; i++)
        put_value(xml, "cmis:value", type, &choice->values[i]);
    for (size_t i = 0; i < choice->choice_count; i++)
        put_choice(xml, type, &choice->choices[i]);
    xml_close(xml, "cmis:choice");
}

static void put_default(struct xml *xml, const struct cmis_property_definition *definition)
{
    if (definition->default_count == 0)
        return;
    xml_open(xml, "cmis:defaultValue");
    xml_put_attribute(xml, "propertyDefinitionId", definition->id);
    for (size_t i = 0; i < definition->default_count; i++)
        put_value(xml, "cmis:value", definition->type, &definition->defaults[i]);
    xml_close(xml, "cmis:defaultValue");
}

static void put_limits(struct xml *xml, const struct cmis_property_definition *definition)
{
    enum cmis_property_type type = definition->type;
    if (type == CMIS_INTEGER || type == CMIS_DECIMAL) {
        if (definition->has_max)
            put_value(xml, "cmis:maxValue", type, &definition->max);
        if (definition->has_min)
            put_value(xml, "cmis:minValue", type, &definition->min);
    }
    if (type == CMIS_DECIMAL && definition->precision > 0)
        xml_put_int(xml, "cmis:precision", definition->precision);
    if (type == CMIS_DATETIME)
        xml_put(xml, "cmis:resolution", definition->resolution);
    if (type == CMIS_STRING && definition->max_length > 0)
        xml_put_int(xml, "cmis:maxLength", definition->max_length);
}

static void put_definition(struct xml *xml, const struct cmis_property_definition *definition)
{
    char name[48];
    (void)snprintf(name, sizeof name, "cmis:property%sDefinition",
                   xml_property_kind(definition->type));
    xml_open(xml, name);
    xml_put(xml, "cmis:id", definition->id);
    xml_put(xml, "cmis:localName",
            definition->local_name ? definition->local_name : definition->id);
    xml_put(xml, "cmis:localNamespace", definition->local_namespace);
    xml_put(xml, "cmis:displayName", definition->display_name);
    xml_put(xml, "cmis:queryName", definition->query_name);
    xml_put(xml, "cmis:description", definition->description);
    xml_put(xml, "cmis:propertyType", cmis_property_type_name(definition->type));
    xml_put(xml, "cmis:cardinality", definition->multi ? "multi" : "single");
    xml_put(xml, "cmis:updatability", cmis_updatability_name(definition->updatability));
    xml_put_bool(xml, "cmis:inherited", definition->inherited);
    xml_put_bool(xml, "cmis:required", definition->required);
    xml_put_bool(xml, "cmis:queryable", definition->queryable);
    xml_put_bool(xml, "cmis:orderable", definition->orderable);
    if (definition->choice_count > 0)
        xml_put_bool(xml, "cmis:openChoice", definition->open_choice);
    put_default(xml, definition);
    put_limits(xml, definition);
    for (size_t i = 0; i < definition->choice_count; i++)
        put_choice(xml, definition->type, &definition->choices[i]);
    xml_close(xml, name);
}

static void put_flags(struct xml *xml, const struct cmis_type *type, enum cmis_version version)
{
    xml_put_bool(xml, "cmis:creatable", type->creatable);
    xml_put_bool(xml, "cmis:fileable", type->fileable);
    xml_put_bool(xml, "cmis:queryable", type->queryable);
    xml_put_bool(xml, "cmis:fulltextIndexed", type->fulltext_indexed);
    xml_put_bool(xml, "cmis:includedInSupertypeQuery", type->in_supertype_query);
    xml_put_bool(xml, "cmis:controllablePolicy", type->controllable_policy);
    xml_put_bool(xml, "cmis:controllableACL", type->controllable_acl);
    if (version == CMIS_1_0)
        return;
    xml_open(xml, "cmis:typeMutability");
    xml_put_bool(xml, "cmis:create", type->can_create);
    xml_put_bool(xml, "cmis:update", type->can_update);
    xml_put_bool(xml, "cmis:delete", type->can_delete);
    xml_close(xml, "cmis:typeMutability");
}

static void put_ids(struct xml *xml, const char *name, const struct cmis_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        xml_put(xml, name, ids->ids[i]);
}

void xml_put_type(struct xml *xml, const char *name, const char *id_attribute,
                  const struct cmis_type *type, bool with_properties, enum cmis_version version)
{
    static const char *const kinds[CMIS_BASE_COUNT] = {
        [CMIS_BASE_DOCUMENT] = "Document",
        [CMIS_BASE_FOLDER] = "Folder",
        [CMIS_BASE_RELATIONSHIP] = "Relationship",
        [CMIS_BASE_POLICY] = "Policy",
        [CMIS_BASE_ITEM] = "Item",
        [CMIS_BASE_SECONDARY] = "Secondary",
    };
    xml_open(xml, name);
    xml_put_attributef(xml, "xsi:type", "cmis:cmisType%sDefinitionType", kinds[type->base]);
    if (id_attribute)
        xml_put_attribute(xml, id_attribute, type->id);
    xml_put(xml, "cmis:id", type->id);
    xml_put(xml, "cmis:localName", type->local_name ? type->local_name : type->id);
    xml_put(xml, "cmis:localNamespace", type->local_namespace ? type->local_namespace : "");
    xml_put(xml, "cmis:displayName", type->display_name);
    xml_put(xml, "cmis:queryName", type->query_name);
    xml_put(xml, "cmis:description", type->description);
    xml_put(xml, "cmis:baseId", cmis_base_id(type->base));
    xml_put(xml, "cmis:parentId", type->parent);
    put_flags(xml, type, version);
    for (size_t i = 0; with_properties && i < type->property_count; i++)
        put_definition(xml, &type->properties[i]);
    if (type->base == CMIS_BASE_DOCUMENT) {
        xml_put_bool(xml, "cmis:versionable", type->versionable);
        xml_put(xml, "cmis:contentStreamAllowed", cmis_stream_rule_name(type->stream_rule));
    }
    if (type->base == CMIS_BASE_RELATIONSHIP) {
        put_ids(xml, "cmis:allowedSourceTypes", &type->sources);
        put_ids(xml, "cmis:allowedTargetTypes", &type->targets);
    }
    xml_close(xml, name);
}

/* The repository */

static void put_new_types(struct xml *xml, const struct cmis_repository_info *info)
{
    xml_open(xml, "cmis:capabilityCreatablePropertyTypes");
    for (unsigned i = 0; i < CMIS_PROPERTY_TYPE_COUNT; i++)
        if (info->creatable_types[i])
            xml_put(xml, "cmis:canCreate", cmis_property_type_name((enum cmis_property_type)i));
    xml_close(xml, "cmis:capabilityCreatablePropertyTypes");
    xml_open(xml, "cmis:capabilityNewTypeSettableAttributes");
    xml_put_bool(xml, "cmis:id", info->new_type_settable.id);
    xml_put_bool(xml, "cmis:localName", info->new_type_settable.local_name);
    xml_put_bool(xml, "cmis:localNamespace", info->new_type_settable.local_namespace);
    xml_put_bool(xml, "cmis:displayName", info->new_type_settable.display_name);
    xml_put_bool(xml, "cmis:queryName", info->new_type_settable.query_name);
    xml_put_bool(xml, "cmis:description", info->new_type_settable.description);
    xml_put_bool(xml, "cmis:creatable", info->new_type_settable.creatable);
    xml_put_bool(xml, "cmis:fileable", info->new_type_settable.fileable);
    xml_put_bool(xml, "cmis:queryable", info->new_type_settable.queryable);
    xml_put_bool(xml, "cmis:fulltextIndexed", info->new_type_settable.fulltext_indexed);
    xml_put_bool(xml, "cmis:includedInSupertypeQuery", info->new_type_settable.in_supertype_query);
    xml_put_bool(xml, "cmis:controllablePolicy", info->new_type_settable.controllable_policy);
    xml_put_bool(xml, "cmis:controllableACL", info->new_type_settable.controllable_acl);
    xml_close(xml, "cmis:capabilityNewTypeSettableAttributes");
}

static void put_capabilities(struct xml *xml, const struct cmis_repository_info *info,
                             enum cmis_version version)
{
    xml_open(xml, "cmis:capabilities");
    xml_put(xml, "cmis:capabilityACL", info->acl);
    xml_put_bool(xml, "cmis:capabilityAllVersionsSearchable", info->all_versions_searchable);
    xml_put(xml, "cmis:capabilityChanges", info->changes);
    xml_put(xml, "cmis:capabilityContentStreamUpdatability", info->content_stream_updates);
    xml_put_bool(xml, "cmis:capabilityGetDescendants", info->get_descendants);
    xml_put_bool(xml, "cmis:capabilityGetFolderTree", info->get_folder_tree);
    if (version != CMIS_1_0)
        xml_put(xml, "cmis:capabilityOrderBy", info->order_by);
    xml_put_bool(xml, "cmis:capabilityMultifiling", info->multifiling);
    xml_put_bool(xml, "cmis:capabilityPWCSearchable", info->pwc_searchable);
    xml_put_bool(xml, "cmis:capabilityPWCUpdatable", info->pwc_updatable);
    xml_put(xml, "cmis:capabilityQuery", info->query);
    xml_put(xml, "cmis:capabilityRenditions", info->renditions);
    xml_put_bool(xml, "cmis:capabilityUnfiling", info->unfiling);
    xml_put_bool(xml, "cmis:capabilityVersionSpecificFiling", info->version_specific_filing);
    xml_put(xml, "cmis:capabilityJoin", info->join);
    if (version != CMIS_1_0)
        put_new_types(xml, info);
    xml_close(xml, "cmis:capabilities");
}

static void put_acl_capability(struct xml *xml, const struct cmis_repository_info *info)
{
    if (!info->supported_permissions)
        return;
    xml_open(xml, "cmis:aclCapability");
    xml_put(xml, "cmis:supportedPermissions", info->supported_permissions);
    xml_put(xml, "cmis:propagation", info->propagation);
    for (size_t i = 0; i < info->permission_count; i++) {
        xml_open(xml, "cmis:permissions");
        xml_put(xml, "cmis:permission", info->permissions[i][0]);
        xml_put(xml, "cmis:description", info->permissions[i][1]);
        xml_close(xml, "cmis:permissions");
    }
    for (size_t i = 0; i < info->mapping_count; i++) {
        xml_open(xml, "cmis:mapping");
        xml_put(xml, "cmis:key", info->mappings[i].key);
        for (size_t k = 0; k < info->mappings[i].count; k++)
            xml_put(xml, "cmis:permission", info->mappings[i].permissions[k]);
        xml_close(xml, "cmis:mapping");
    }
    xml_close(xml, "cmis:aclCapability");
}

void xml_put_repository(struct xml *xml, const char *name, const struct cmis_repository_info *info,
                        enum cmis_version version)
{
    xml_open(xml, name);
    xml_put(xml, "cmis:repositoryId", info->id);
    xml_put(xml, "cmis:repositoryName", info->name);
    xml_put(xml, "cmis:repositoryDescription", info->description);
    xml_put(xml, "cmis:vendorName", info->vendor);
    xml_put(xml, "cmis:productName", info->product);
    xml_put(xml, "cmis:productVersion", info->product_version);
    xml_put(xml, "cmis:rootFolderId", info->root_folder_id);
    xml_put(xml, "cmis:latestChangeLogToken", info->latest_change_token);
    put_capabilities(xml, info, version);
    put_acl_capability(xml, info);
    xml_put(xml, "cmis:cmisVersionSupported",
            version == CMIS_1_0 ? "1.0" : info->version_supported);
    xml_put(xml, "cmis:thinClientURI", info->thin_client_uri);
    xml_put_bool(xml, "cmis:changesIncomplete", info->changes_incomplete);
    for (size_t i = 0; i < info->changes_on_type.count; i++)
        if (version != CMIS_1_0 || (strcmp(info->changes_on_type.ids[i], "cmis:item") != 0 &&
                                    strcmp(info->changes_on_type.ids[i], "cmis:secondary") != 0))
            xml_put(xml, "cmis:changesOnType", info->changes_on_type.ids[i]);
    xml_put(xml, "cmis:principalAnonymous", info->principal_anonymous);
    xml_put(xml, "cmis:principalAnyone", info->principal_anyone);
    xml_close(xml, name);
}
