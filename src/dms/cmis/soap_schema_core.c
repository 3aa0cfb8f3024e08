/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/soap_schema.h"
#include "dms/cmis/xml_model.h"

#include <stdio.h>

/* Types as in soap_put_complex_type(); those marked open take foreign elements and attributes. */
static const struct {
    const char *name, *elements;
    bool open;
} types[] = {
    {"cmisObjectType",
     "properties cmisPropertiesType?, allowableActions cmisAllowableActionsType?, relationship "
     "cmisObjectType*, changeEventInfo cmisChangeEventType?, acl cmisAccessControlListType?, "
     "exactACL xs:boolean?, policyIds cmisListOfIdsType?, rendition cmisRenditionType*",
     true},
    {"cmisListOfIdsType", "id xs:string+", true},
    {"cmisObjectIdAndChangeTokenType", "id xs:string, newId xs:string?, changeToken xs:string?",
     true},
    {"cmisBulkUpdateType",
     "objectIdAndChangeToken cmisObjectIdAndChangeTokenType+, properties cmisPropertiesType?, "
     "addSecondaryTypeIds xs:string*, removeSecondaryTypeIds xs:string*",
     true},
    {"cmisTypeMutabilityCapabilitiesType",
     "create xs:boolean, update xs:boolean, delete xs:boolean", true},
    {"cmisQueryType",
     "statement xs:string, searchAllVersions xs:boolean?, includeAllowableActions xs:boolean?, "
     "includeRelationships enumIncludeRelationships?, renditionFilter xs:string?, maxItems "
     "xs:integer?, skipCount xs:integer?",
     true},
    {"cmisRepositoryInfoType",
     "repositoryId xs:string, repositoryName xs:string, repositoryDescription xs:string, "
     "vendorName xs:string, productName xs:string, productVersion xs:string, rootFolderId "
     "xs:string, latestChangeLogToken xs:string?, capabilities cmisRepositoryCapabilitiesType, "
     "aclCapability cmisACLCapabilityType?, cmisVersionSupported xs:string, thinClientURI "
     "xs:anyURI?, changesIncomplete xs:boolean?, changesOnType enumBaseObjectTypeIds*, "
     "principalAnonymous xs:string?, principalAnyone xs:string?, extendedFeatures "
     "cmisExtensionFeatureType*",
     true},
    {"cmisRepositoryCapabilitiesType",
     "capabilityACL xs:string, capabilityAllVersionsSearchable xs:boolean, capabilityChanges "
     "xs:string, capabilityContentStreamUpdatability xs:string, capabilityGetDescendants "
     "xs:boolean, capabilityGetFolderTree xs:boolean, capabilityOrderBy xs:string, "
     "capabilityMultifiling xs:boolean, capabilityPWCSearchable xs:boolean, "
     "capabilityPWCUpdatable xs:boolean, capabilityQuery xs:string, capabilityRenditions "
     "xs:string, capabilityUnfiling xs:boolean, capabilityVersionSpecificFiling xs:boolean, "
     "capabilityJoin xs:string, capabilityCreatablePropertyTypes cmisCreatablePropertyTypesType?, "
     "capabilityNewTypeSettableAttributes cmisNewTypeSettableAttributes?",
     true},
    {"cmisCreatablePropertyTypesType", "canCreate enumPropertyType*", true},
    {"cmisNewTypeSettableAttributes",
     "id xs:boolean, localName xs:boolean, localNamespace xs:boolean, displayName xs:boolean, "
     "queryName xs:boolean, description xs:boolean, creatable xs:boolean, fileable xs:boolean, "
     "queryable xs:boolean, fulltextIndexed xs:boolean, includedInSupertypeQuery xs:boolean, "
     "controllablePolicy xs:boolean, controllableACL xs:boolean",
     false},
    {"cmisExtensionFeatureKeyValuePair", "key xs:string, value xs:string", false},
    {"cmisExtensionFeatureType",
     "id xs:anyURI, url xs:anyURI?, commonName xs:string?, versionLabel xs:string?, description "
     "xs:string?, featureData cmisExtensionFeatureKeyValuePair*",
     true},
    {"cmisChangeEventType", "changeType enumTypeOfChanges, changeTime xs:dateTime", true},
    {"cmisPermissionDefinition", "permission xs:string, description xs:string?", true},
    {"cmisPermissionMapping", "key xs:string, permission xs:string+", true},
    {"cmisAccessControlPrincipalType", "principalId xs:string", true},
    {"cmisAccessControlEntryType",
     "principal cmisAccessControlPrincipalType, permission xs:string+, direct xs:boolean", true},
    {"cmisAccessControlListType", "permission cmisAccessControlEntryType*", true},
    {"cmisACLCapabilityType",
     "supportedPermissions xs:string, propagation enumACLPropagation, permissions "
     "cmisPermissionDefinition+, mapping cmisPermissionMapping*",
     false},
    {"cmisRenditionType",
     "streamId xs:string, mimetype xs:string, length xs:integer, kind xs:string, title "
     "xs:string?, height xs:integer?, width xs:integer?, renditionDocumentId xs:string?",
     true},
};

/* What a property's definition has beside what all have, by its kind. */
static const char *const limits[CMIS_PROPERTY_TYPE_COUNT] = {
    [CMIS_INTEGER] = "maxValue xs:integer?, minValue xs:integer?, ",
    [CMIS_DECIMAL] = "maxValue xs:decimal?, minValue xs:decimal?, precision xs:integer?, ",
    [CMIS_DATETIME] = "resolution enumDateTimeResolution?, ",
    [CMIS_STRING] = "maxLength xs:integer?, ",
};

static const char *const value_types[CMIS_PROPERTY_TYPE_COUNT] = {
    [CMIS_STRING] = "xs:string",   [CMIS_ID] = "xs:string",       [CMIS_INTEGER] = "xs:integer",
    [CMIS_DECIMAL] = "xs:decimal", [CMIS_BOOLEAN] = "xs:boolean", [CMIS_DATETIME] = "xs:dateTime",
    [CMIS_HTML] = "xs:string",     [CMIS_URI] = "xs:anyURI",
};

void soap_put_element(struct xml *xml, const char *name, const char *type, char occurs)
{
    xml_open(xml, "xs:element");
    xml_put_attribute(xml, "name", name);
    xml_put_attributef(xml, "type", "%s%s", strchr(type, ':') ? "" : "cmis:", type);
    if (occurs == '?' || occurs == '*')
        xml_put_attribute(xml, "minOccurs", "0");
    if (occurs == '*' || occurs == '+')
        xml_put_attribute(xml, "maxOccurs", "unbounded");
    xml_close(xml, "xs:element");
}

static void put_elements(struct xml *xml, const char *elements)
{
    char name[64], type[64];
    int used = 0;
    while (sscanf(elements, " %63[^ ] %63[^,],%n", name, type, &used) >= 2) {
        size_t size = strlen(type);
        char occurs = strchr("?*+", type[size - 1]) ? type[size - 1] : '1';
        if (occurs != '1')
            type[size - 1] = 0;
        soap_put_element(xml, name, type, occurs);
        if (used == 0)
            break; /* the last one has no comma */
        elements += used;
        used = 0;
    }
}

static void put_any(struct xml *xml)
{
    xml_open(xml, "xs:any");
    xml_put_attribute(xml, "namespace", "##other");
    xml_put_attribute(xml, "processContents", "lax");
    xml_put_attribute(xml, "minOccurs", "0");
    xml_put_attribute(xml, "maxOccurs", "unbounded");
    xml_close(xml, "xs:any");
}

static void type_open(struct xml *xml, const char *name)
{
    xml_open(xml, "xs:complexType");
    xml_put_attribute(xml, "name", name);
}

static void put_any_attribute(struct xml *xml)
{
    xml_open(xml, "xs:anyAttribute");
    xml_put_attribute(xml, "namespace", "##other");
    xml_put_attribute(xml, "processContents", "lax");
    xml_close(xml, "xs:anyAttribute");
}

void soap_put_complex_type(struct xml *xml, const char *name, const char *elements, bool open)
{
    type_open(xml, name);
    xml_open(xml, "xs:sequence");
    put_elements(xml, elements);
    if (open)
        put_any(xml);
    xml_close(xml, "xs:sequence");
    if (open)
        put_any_attribute(xml);
    xml_close(xml, "xs:complexType");
}

/* A type that adds elements to another. */
static void put_extension(struct xml *xml, const char *name, const char *base, const char *elements)
{
    type_open(xml, name);
    xml_open(xml, "xs:complexContent");
    xml_open(xml, "xs:extension");
    xml_put_attributef(xml, "base", "cmis:%s", base);
    xml_open(xml, "xs:sequence");
    put_elements(xml, elements);
    xml_close(xml, "xs:sequence");
    xml_close(xml, "xs:extension");
    xml_close(xml, "xs:complexContent");
    xml_close(xml, "xs:complexType");
}

static void put_attributes_type(struct xml *xml, const char *name, const char *const *attributes)
{
    type_open(xml, name);
    for (; *attributes; attributes++) {
        xml_open(xml, "xs:attribute");
        xml_put_attribute(xml, "name", *attributes);
        xml_put_attribute(xml, "type", "xs:string");
        xml_close(xml, "xs:attribute");
    }
    put_any_attribute(xml);
    xml_close(xml, "xs:complexType");
}

/* Everything that exists once per kind of property. */
static void put_kind(struct xml *xml, enum cmis_property_type type)
{
    const char *kind = xml_property_kind(type);
    char name[64], elements[256];
    (void)snprintf(name, sizeof name, "cmisProperty%s", kind);
    (void)snprintf(elements, sizeof elements, "value %s*", value_types[type]);
    put_extension(xml, name, "cmisProperty", elements);
    (void)snprintf(name, sizeof name, "cmisChoice%s", kind);
    (void)snprintf(elements, sizeof elements, "value %s*, choice cmisChoice%s*", value_types[type],
                   kind);
    put_extension(xml, name, "cmisChoice", elements);
    (void)snprintf(name, sizeof name, "cmisProperty%sDefinitionType", kind);
    (void)snprintf(elements, sizeof elements,
                   "defaultValue cmisProperty%s?, %schoice cmisChoice%s*", kind,
                   limits[type] ? limits[type] : "", kind);
    put_extension(xml, name, "cmisPropertyDefinitionType", elements);
}

/* A choice of one element per kind of property: "property" kind `ending`. */
static void put_kinds_choice(struct xml *xml, const char *ending, const char *type_ending)
{
    xml_open(xml, "xs:choice");
    xml_put_attribute(xml, "minOccurs", "0");
    xml_put_attribute(xml, "maxOccurs", "unbounded");
    for (unsigned i = 0; i < CMIS_PROPERTY_TYPE_COUNT; i++) {
        const char *kind = xml_property_kind((enum cmis_property_type)i);
        xml_open(xml, "xs:element");
        xml_put_attributef(xml, "name", "property%s%s", kind, ending);
        xml_put_attributef(xml, "type", "cmis:cmisProperty%s%s", kind, type_ending);
        xml_close(xml, "xs:element");
    }
    xml_close(xml, "xs:choice");
}

static void put_properties_type(struct xml *xml)
{
    type_open(xml, "cmisPropertiesType");
    xml_open(xml, "xs:sequence");
    put_kinds_choice(xml, "", "");
    put_any(xml);
    xml_close(xml, "xs:sequence");
    put_any_attribute(xml);
    xml_close(xml, "xs:complexType");
}

static void put_type_definitions(struct xml *xml)
{
    static const char *const plain[] = {"Folder", "Policy", "Item", "Secondary"};
    type_open(xml, "cmisTypeDefinitionType");
    xml_open(xml, "xs:sequence");
    put_elements(xml, "id xs:string, localName xs:string, localNamespace xs:anyURI, displayName "
                      "xs:string?, queryName xs:string?, description xs:string?, baseId "
                      "enumBaseObjectTypeIds, parentId xs:string?, creatable xs:boolean, fileable "
                      "xs:boolean, queryable xs:boolean, fulltextIndexed xs:boolean, "
                      "includedInSupertypeQuery xs:boolean, controllablePolicy xs:boolean, "
                      "controllableACL xs:boolean, typeMutability "
                      "cmisTypeMutabilityCapabilitiesType?");
    put_kinds_choice(xml, "Definition", "DefinitionType");
    put_any(xml);
    xml_close(xml, "xs:sequence");
    put_any_attribute(xml);
    xml_close(xml, "xs:complexType");
    put_extension(xml, "cmisTypeDocumentDefinitionType", "cmisTypeDefinitionType",
                  "versionable xs:boolean, contentStreamAllowed enumContentStreamAllowed");
    put_extension(xml, "cmisTypeRelationshipDefinitionType", "cmisTypeDefinitionType",
                  "allowedSourceTypes xs:string*, allowedTargetTypes xs:string*");
    for (size_t i = 0; i < ARRAY_COUNT(plain); i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "cmisType%sDefinitionType", plain[i]);
        put_extension(xml, name, "cmisTypeDefinitionType", "");
    }
}

static void enum_open(struct xml *xml, const char *name)
{
    xml_open(xml, "xs:simpleType");
    xml_put_attribute(xml, "name", name);
    xml_open(xml, "xs:restriction");
    xml_put_attribute(xml, "base", "xs:string");
}

static void put_enum_value(struct xml *xml, const char *value)
{
    xml_open(xml, "xs:enumeration");
    xml_put_attribute(xml, "value", value);
    xml_close(xml, "xs:enumeration");
}

static void enum_close(struct xml *xml)
{
    xml_close(xml, "xs:restriction");
    xml_close(xml, "xs:simpleType");
}

static void put_enum(struct xml *xml, const char *name, const char *const *values)
{
    enum_open(xml, name);
    for (; *values; values++)
        put_enum_value(xml, *values);
    enum_close(xml);
}

static void put_enums(struct xml *xml)
{
    static const char *const resolutions[] = {"year", "date", "time", NULL};
    put_enum(xml, "enumIncludeRelationships", cmis_include_relationships_names);
    put_enum(xml, "enumVersioningState", cmis_versioning_state_names);
    put_enum(xml, "enumUnfileObject", cmis_unfile_objects_names);
    put_enum(xml, "enumRelationshipDirection", cmis_relationship_direction_names);
    put_enum(xml, "enumACLPropagation", cmis_acl_propagation_names);
    put_enum(xml, "enumDateTimeResolution", resolutions);
    enum_open(xml, "enumBaseObjectTypeIds");
    for (unsigned i = 0; i < CMIS_BASE_COUNT; i++)
        put_enum_value(xml, cmis_base_id((enum cmis_base)i));
    enum_close(xml);
    enum_open(xml, "enumPropertyType");
    for (unsigned i = 0; i < CMIS_PROPERTY_TYPE_COUNT; i++)
        put_enum_value(xml, cmis_property_type_name((enum cmis_property_type)i));
    enum_close(xml);
    enum_open(xml, "enumUpdatability");
    for (unsigned i = 0; i < CMIS_UPDATABILITY_COUNT; i++)
        put_enum_value(xml, cmis_updatability_name((enum cmis_updatability)i));
    enum_close(xml);
    enum_open(xml, "enumContentStreamAllowed");
    for (unsigned i = CMIS_STREAM_ALLOWED; i <= CMIS_STREAM_REQUIRED; i++)
        put_enum_value(xml, cmis_stream_rule_name((enum cmis_stream_rule)i));
    enum_close(xml);
    enum_open(xml, "enumTypeOfChanges");
    for (unsigned i = CMIS_CREATED; i <= CMIS_SECURITY; i++)
        put_enum_value(xml, cmis_change_name((enum cmis_change)i));
    enum_close(xml);
}

static void put_actions_type(struct xml *xml)
{
    type_open(xml, "cmisAllowableActionsType");
    xml_open(xml, "xs:sequence");
    for (unsigned i = 0; i < CMIS_ACTION_COUNT; i++)
        soap_put_element(xml, cmis_action_name((enum cmis_action)i), "xs:boolean", '?');
    put_any(xml);
    xml_close(xml, "xs:sequence");
    put_any_attribute(xml);
    xml_close(xml, "xs:complexType");
}

void soap_put_core_schema(struct xml *xml)
{
    static const char *const property[] = {"propertyDefinitionId", "localName", "displayName",
                                           "queryName", NULL};
    static const char *const choice[] = {"displayName", NULL};
    xml_open(xml, "xs:schema");
    xml_put_attribute(xml, "elementFormDefault", "qualified");
    xml_put_attribute(xml, "targetNamespace", xml_ns_uri(XML_NS_CMIS));
    put_enums(xml);
    put_attributes_type(xml, "cmisProperty", property);
    put_attributes_type(xml, "cmisChoice", choice);
    soap_put_complex_type(
        xml, "cmisPropertyDefinitionType",
        "id xs:string, localName xs:string, localNamespace xs:anyURI?, displayName xs:string?, "
        "queryName xs:string?, description xs:string?, propertyType enumPropertyType, cardinality "
        "xs:string, updatability enumUpdatability, inherited xs:boolean?, required xs:boolean, "
        "queryable xs:boolean, orderable xs:boolean, openChoice xs:boolean?",
        true);
    for (unsigned i = 0; i < CMIS_PROPERTY_TYPE_COUNT; i++)
        put_kind(xml, (enum cmis_property_type)i);
    put_properties_type(xml);
    put_type_definitions(xml);
    put_actions_type(xml);
    for (size_t i = 0; i < ARRAY_COUNT(types); i++)
        soap_put_complex_type(xml, types[i].name, types[i].elements, types[i].open);
    soap_put_element(xml, "allowableActions", "cmisAllowableActionsType", '1');
    soap_put_element(xml, "query", "cmisQueryType", '1');
    soap_put_element(xml, "acl", "cmisAccessControlListType", '1');
    xml_close(xml, "xs:schema");
}
