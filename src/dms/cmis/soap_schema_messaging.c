/* SPDX-License-Identifier: Apache-2.0 */
/* The messages: one element for each operation's request and response, from the table. */
#include "dms/cmis/soap_schema.h"
#include "dms/cmis/xml_model.h"

#include <stdio.h>

static const char *input_type(enum cmis_input input)
{
    switch (cmis_input_kind(input)) {
    case CMIS_KIND_BOOLEAN:
        return "xs:boolean";
    case CMIS_KIND_INTEGER:
        return "xs:integer";
    case CMIS_KIND_ENUM:
        return input == CMIS_IN_INCLUDE_RELATIONSHIPS    ? "enumIncludeRelationships"
               : input == CMIS_IN_VERSIONING_STATE       ? "enumVersioningState"
               : input == CMIS_IN_UNFILE_OBJECTS         ? "enumUnfileObject"
               : input == CMIS_IN_RELATIONSHIP_DIRECTION ? "enumRelationshipDirection"
                                                         : "enumACLPropagation";
    case CMIS_KIND_PROPERTIES:
        return "cmisPropertiesType";
    case CMIS_KIND_ACL:
        return "cmisAccessControlListType";
    case CMIS_KIND_STREAM:
        return "cmism:cmisContentStreamType";
    case CMIS_KIND_TYPE:
        return "cmisTypeDefinitionType";
    case CMIS_KIND_BULK:
        return "cmisBulkUpdateType";
    case CMIS_KIND_EXTENSION:
        return "cmism:cmisExtensionType";
    case CMIS_KIND_TEXT:
    case CMIS_KIND_LIST:
        break;
    }
    return "xs:string";
}

/* Types of outputs, and how often their elements come. */
static const char *const output_types[CMIS_OUTPUT_COUNT] = {
    [CMIS_OUT_OBJECT_ID] = "xs:string",
    [CMIS_OUT_CHANGE_TOKEN] = "xs:string?",
    [CMIS_OUT_CONTENT_COPIED] = "xs:boolean",
    [CMIS_OUT_OBJECT] = "cmis:cmisObjectType",
    [CMIS_OUT_OBJECT_LIST] = "cmism:cmisObjectListType",
    [CMIS_OUT_OBJECT_IN_FOLDER_LIST] = "cmism:cmisObjectInFolderListType",
    [CMIS_OUT_OBJECT_TREE] = "cmism:cmisObjectInFolderContainerType*",
    [CMIS_OUT_OBJECT_PARENTS] = "cmism:cmisObjectParentsType*",
    [CMIS_OUT_OBJECTS] = "cmis:cmisObjectType*",
    [CMIS_OUT_OBJECT_PROPERTIES] = "cmis:cmisPropertiesType",
    [CMIS_OUT_ALLOWABLE_ACTIONS] = "cmis:cmisAllowableActionsType",
    [CMIS_OUT_ACL] = "cmism:cmisACLType",
    [CMIS_OUT_CONTENT_STREAM] = "cmism:cmisContentStreamType",
    [CMIS_OUT_RENDITIONS] = "cmis:cmisRenditionType*",
    [CMIS_OUT_TYPE] = "cmis:cmisTypeDefinitionType",
    [CMIS_OUT_TYPE_LIST] = "cmism:cmisTypeDefinitionListType",
    [CMIS_OUT_TYPE_TREE] = "cmism:cmisTypeContainer*",
    [CMIS_OUT_REPOSITORIES] = "cmism:cmisRepositoryEntryType*",
    [CMIS_OUT_REPOSITORY_INFO] = "cmis:cmisRepositoryInfoType",
    [CMIS_OUT_FAILED_TO_DELETE] = "cmism:cmisFailedToDeleteType",
    [CMIS_OUT_CHANGE_LOG_TOKEN] = "xs:string?",
    [CMIS_OUT_OBJECT_IDS_AND_TOKENS] = "cmis:cmisObjectIdAndChangeTokenType*",
};

static void message_open(struct xml *xml, const char *name, const char *ending)
{
    xml_open(xml, "xs:element");
    xml_put_attributef(xml, "name", "%s%s", name, ending);
    xml_open(xml, "xs:complexType");
    xml_open(xml, "xs:sequence");
}

static void message_close(struct xml *xml)
{
    xml_close(xml, "xs:sequence");
    xml_close(xml, "xs:complexType");
    xml_close(xml, "xs:element");
}

static void put_input(struct xml *xml, enum cmis_input input, bool required)
{
    const char *type = input_type(input);
    xml_open(xml, "xs:element");
    xml_put_attribute(xml, "name", cmis_input_name(input));
    xml_put_attributef(xml, "type", "%s%s", strchr(type, ':') ? "" : "cmis:", type);
    if (!required) {
        xml_put_attribute(xml, "minOccurs", "0");
        xml_put_attribute(xml, "nillable", "true");
    }
    if (cmis_input_kind(input) == CMIS_KIND_LIST)
        xml_put_attribute(xml, "maxOccurs", "unbounded");
    xml_close(xml, "xs:element");
}

static void put_output(struct xml *xml, enum cmis_output output)
{
    char type[64];
    (void)snprintf(type, sizeof type, "%s", output_types[output]);
    size_t size = strlen(type);
    char occurs = strchr("?*", type[size - 1]) ? type[size - 1] : '1';
    if (occurs != '1')
        type[size - 1] = 0;
    soap_put_element(xml, cmis_output_name(output), type, occurs);
}

static void put_operation(struct xml *xml, const struct cmis_operation *operation)
{
    message_open(xml, operation->name, "");
    for (size_t i = 0; i < operation->input_count; i++)
        put_input(xml, operation->inputs[i].input, operation->inputs[i].required);
    message_close(xml);
    message_open(xml, operation->name, "Response");
    for (size_t i = 0; i < operation->output_count; i++)
        put_output(xml, operation->outputs[i]);
    if (operation->writes)
        put_input(xml, CMIS_IN_EXTENSION, false);
    message_close(xml);
}

static void put_content_stream_type(struct xml *xml)
{
    xml_open(xml, "xs:complexType");
    xml_put_attribute(xml, "name", "cmisContentStreamType");
    xml_open(xml, "xs:sequence");
    soap_put_element(xml, "length", "xs:integer", '?');
    soap_put_element(xml, "mimeType", "xs:string", '?');
    soap_put_element(xml, "filename", "xs:string", '?');
    xml_open(xml, "xs:element");
    xml_put_attribute(xml, "name", "stream");
    xml_put_attribute(xml, "type", "xs:base64Binary");
    xml_put_attribute(xml, "xmime:expectedContentTypes", "application/octet-stream");
    xml_close(xml, "xs:element");
    xml_close(xml, "xs:sequence");
    xml_close(xml, "xs:complexType");
}

static void put_fault(struct xml *xml)
{
    xml_open(xml, "xs:simpleType");
    xml_put_attribute(xml, "name", "enumServiceException");
    xml_open(xml, "xs:restriction");
    xml_put_attribute(xml, "base", "xs:string");
    for (unsigned i = CMIS_FINE + 1; i < CMIS_ERROR_COUNT; i++) {
        xml_open(xml, "xs:enumeration");
        xml_put_attribute(xml, "value", cmis_error_name((enum cmis_error)i));
        xml_close(xml, "xs:enumeration");
    }
    xml_close(xml, "xs:restriction");
    xml_close(xml, "xs:simpleType");
    soap_put_complex_type(xml, "cmisFaultType",
                          "type cmism:enumServiceException, code xs:integer, message xs:string",
                          true);
    soap_put_element(xml, "cmisFault", "cmism:cmisFaultType", '1');
}

static void put_types(struct xml *xml)
{
    static const struct {
        const char *name, *elements;
    } types[] = {
        {"cmisExtensionType", ""},
        {"cmisTypeContainer", "type cmisTypeDefinitionType, children cmism:cmisTypeContainer*"},
        {"cmisTypeDefinitionListType",
         "types cmisTypeDefinitionType*, hasMoreItems xs:boolean, numItems xs:integer?"},
        {"cmisObjectInFolderContainerType", "objectInFolder cmism:cmisObjectInFolderType, children "
                                            "cmism:cmisObjectInFolderContainerType*"},
        {"cmisObjectListType",
         "objects cmisObjectType*, hasMoreItems xs:boolean, numItems xs:integer?"},
        {"cmisObjectInFolderType", "object cmisObjectType, pathSegment xs:string?"},
        {"cmisObjectParentsType", "object cmisObjectType, relativePathSegment xs:string?"},
        {"cmisObjectInFolderListType",
         "objects cmism:cmisObjectInFolderType*, hasMoreItems xs:boolean, numItems xs:integer?"},
        {"cmisRepositoryEntryType", "repositoryId xs:string, repositoryName xs:string"},
        {"cmisACLType", "ACL cmisAccessControlListType, exact xs:boolean?"},
        {"cmisFailedToDeleteType", "objectIds xs:string*"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(types); i++)
        soap_put_complex_type(xml, types[i].name, types[i].elements, true);
}

void soap_put_messaging_schema(struct xml *xml)
{
    xml_open(xml, "xs:schema");
    xml_put_attribute(xml, "elementFormDefault", "qualified");
    xml_put_attribute(xml, "targetNamespace", xml_ns_uri(XML_NS_CMISM));
    xml_open(xml, "xs:import");
    xml_put_attribute(xml, "namespace", xml_ns_uri(XML_NS_CMIS));
    xml_close(xml, "xs:import");
    put_fault(xml);
    put_types(xml);
    put_content_stream_type(xml);
    for (size_t i = 0; i < cmis_operation_count; i++)
        put_operation(xml, &cmis_operations[i]);
    xml_close(xml, "xs:schema");
}
