/* SPDX-License-Identifier: Apache-2.0 */
/* Type definitions and the repository's description, written. */
#include "dms/cmis/type_fields.h"
#include "dms/cmis/xml_model.h"

#include <stdio.h>

/* A type on its way into XML. */
struct type_out {
    struct xml *xml;
    enum cmis_version version;
    const struct cmis_property_definition *property; /* the one at hand */
};

static const char *prefixed(const char *name, char text[64])
{
    (void)snprintf(text, 64, "cmis:%s", name);
    return text;
}

/* CMIS 1.0 has no type mutability, and the schema a maxLength for strings alone. */
static bool wants(void *to, const char *name)
{
    const struct type_out *out = to;
    return !(out->version == CMIS_1_0 && strcmp(name, "typeMutability") == 0) &&
           !(out->property && out->property->type != CMIS_STRING && strcmp(name, "maxLength") == 0);
}

static void put_text(void *to, const char *name, const char *text)
{
    char full[64];
    xml_put(((struct type_out *)to)->xml, prefixed(name, full), text);
}

static void put_value(void *to, const char *name, enum cmis_property_type type,
                      const union cmis_value *value)
{
    struct xml *xml = ((struct type_out *)to)->xml;
    char full[64], text[CMIS_DECIMAL_SIZE];
    (void)prefixed(name, full);
    switch (type) {
    case CMIS_INTEGER:
        xml_put_int(xml, full, value->integer);
        break;
    case CMIS_BOOLEAN:
        xml_put_bool(xml, full, value->boolean);
        break;
    case CMIS_DATETIME:
        xml_put_date(xml, full, value->integer);
        break;
    case CMIS_DECIMAL:
        cmis_decimal_format(value->decimal, text);
        xml_put(xml, full, text);
        break;
    case CMIS_STRING:
    case CMIS_ID:
    case CMIS_HTML:
    case CMIS_URI:
    case CMIS_PROPERTY_TYPE_COUNT:
        xml_put(xml, full, value->text);
        break;
    }
}

static void put_defaults(void *to, const struct cmis_property_definition *property)
{
    struct xml *xml = ((struct type_out *)to)->xml;
    xml_open(xml, "cmis:defaultValue");
    xml_put_attribute(xml, "propertyDefinitionId", property->id);
    for (size_t i = 0; i < property->default_count; i++)
        put_value(to, "value", property->type, &property->defaults[i]);
    xml_close(xml, "cmis:defaultValue");
}

static void put_choices(void *to, enum cmis_property_type type, size_t count,
                        const struct cmis_choice *choices)
{
    struct xml *xml = ((struct type_out *)to)->xml;
    for (size_t i = 0; i < count; i++) {
        xml_open(xml, "cmis:choice");
        xml_put_attribute(xml, "displayName", choices[i].display_name);
        for (size_t v = 0; v < choices[i].count; v++)
            put_value(to, "value", type, &choices[i].values[v]);
        put_choices(to, type, choices[i].choice_count, choices[i].choices);
        xml_close(xml, "cmis:choice");
    }
}

static void put_ids(void *to, const char *name, const struct cmis_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        put_text(to, name, ids->ids[i]);
}

static void put_open(void *to, const char *name)
{
    char full[64];
    xml_open(((struct type_out *)to)->xml, prefixed(name, full));
}

static void put_close(void *to, const char *name)
{
    char full[64];
    xml_close(((struct type_out *)to)->xml, prefixed(name, full));
}

static void put_properties(void *to, bool begin)
{
    (void)to, (void)begin; /* they stand among the other fields */
}

static void put_property(void *to, const struct cmis_property_definition *property, bool begin)
{
    struct type_out *out = to;
    char name[64];
    (void)snprintf(name, sizeof name, "cmis:property%sDefinition",
                   xml_property_kind(property->type));
    if (begin)
        xml_open(out->xml, name);
    else
        xml_close(out->xml, name);
    out->property = begin ? property : NULL;
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
    struct type_out out = {xml, version, NULL};
    const struct type_sink sink = {&out,         wants,          put_text,    put_value,
                                   put_defaults, put_choices,    put_ids,     put_open,
                                   put_close,    put_properties, put_property};
    xml_open(xml, name);
    xml_put_attributef(xml, "xsi:type", "cmis:cmisType%sDefinitionType", kinds[type->base]);
    if (id_attribute)
        xml_put_attribute(xml, id_attribute, type->id);
    type_fields_write(&sink, type, with_properties);
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
