/* SPDX-License-Identifier: Apache-2.0 */
/* The six base types with all properties CMIS 1.1 defines for them (2.1.4 to 2.1.9). */
#include "dms/cmis/model.h"

#define P(id_, display, type_, updatability_, flags)                                               \
    {                                                                                              \
        .id = (id_), .local_name = (id_), .local_namespace = CMIS_NAMESPACE,                       \
        .display_name = (display), .query_name = (id_), .description = (display), .type = (type_), \
        .multi = ((flags)&MULTI) != 0, .updatability = (updatability_),                            \
        .required = ((flags)&REQUIRED) != 0, .queryable = ((flags)&QUERY) != 0,                    \
        .orderable = ((flags)&ORDER) != 0                                                          \
    }
enum { MULTI = 1, REQUIRED = 2, QUERY = 4, ORDER = 8, BOTH = QUERY | ORDER };

/* clang-format off */
#define COMMON                                                                                     \
    P("cmis:name", "Name", CMIS_STRING, CMIS_READWRITE, REQUIRED | BOTH),                          \
    P("cmis:description", "Description", CMIS_STRING, CMIS_READWRITE, BOTH),                       \
    P("cmis:objectId", "Object id", CMIS_ID, CMIS_READONLY, BOTH),                                 \
    P("cmis:baseTypeId", "Base type id", CMIS_ID, CMIS_READONLY, BOTH),                            \
    P("cmis:objectTypeId", "Type id", CMIS_ID, CMIS_ONCREATE, REQUIRED | BOTH),                    \
    P("cmis:secondaryObjectTypeIds", "Secondary type ids", CMIS_ID, CMIS_READWRITE, MULTI | QUERY), \
    P("cmis:createdBy", "Created by", CMIS_STRING, CMIS_READONLY, BOTH),                           \
    P("cmis:creationDate", "Creation date", CMIS_DATETIME, CMIS_READONLY, BOTH),                   \
    P("cmis:lastModifiedBy", "Last modified by", CMIS_STRING, CMIS_READONLY, BOTH),                \
    P("cmis:lastModificationDate", "Last modification date", CMIS_DATETIME, CMIS_READONLY, BOTH),  \
    P("cmis:changeToken", "Change token", CMIS_STRING, CMIS_READONLY, 0)

static const struct cmis_property_definition document_properties[] = {
    COMMON,
    P("cmis:isImmutable", "Is immutable", CMIS_BOOLEAN, CMIS_READONLY, BOTH),
    P("cmis:isLatestVersion", "Is latest version", CMIS_BOOLEAN, CMIS_READONLY, BOTH),
    P("cmis:isMajorVersion", "Is major version", CMIS_BOOLEAN, CMIS_READONLY, BOTH),
    P("cmis:isLatestMajorVersion", "Is latest major version", CMIS_BOOLEAN, CMIS_READONLY, BOTH),
    P("cmis:isPrivateWorkingCopy", "Is private working copy", CMIS_BOOLEAN, CMIS_READONLY, BOTH),
    P("cmis:versionLabel", "Version label", CMIS_STRING, CMIS_READONLY, BOTH),
    P("cmis:versionSeriesId", "Version series id", CMIS_ID, CMIS_READONLY, BOTH),
    P("cmis:isVersionSeriesCheckedOut", "Is checked out", CMIS_BOOLEAN, CMIS_READONLY, BOTH),
    P("cmis:versionSeriesCheckedOutBy", "Checked out by", CMIS_STRING, CMIS_READONLY, BOTH),
    P("cmis:versionSeriesCheckedOutId", "Id of the working copy", CMIS_ID, CMIS_READONLY, BOTH),
    P("cmis:checkinComment", "Check-in comment", CMIS_STRING, CMIS_READONLY, BOTH),
    P("cmis:contentStreamLength", "Content length", CMIS_INTEGER, CMIS_READONLY, BOTH),
    P("cmis:contentStreamMimeType", "Content media type", CMIS_STRING, CMIS_READONLY, BOTH),
    P("cmis:contentStreamFileName", "Content file name", CMIS_STRING, CMIS_READONLY, BOTH),
    P("cmis:contentStreamId", "Content id", CMIS_ID, CMIS_READONLY, 0),
};
static const struct cmis_property_definition folder_properties[] = {
    COMMON,
    P("cmis:parentId", "Parent id", CMIS_ID, CMIS_READONLY, BOTH),
    P("cmis:path", "Path", CMIS_STRING, CMIS_READONLY, 0),
    P("cmis:allowedChildObjectTypeIds", "Allowed child type ids", CMIS_ID, CMIS_READONLY, MULTI),
};
static const struct cmis_property_definition relationship_properties[] = {
    COMMON,
    P("cmis:sourceId", "Source id", CMIS_ID, CMIS_ONCREATE, REQUIRED | BOTH),
    P("cmis:targetId", "Target id", CMIS_ID, CMIS_ONCREATE, REQUIRED | BOTH),
};
static const struct cmis_property_definition policy_properties[] = {
    COMMON,
    P("cmis:policyText", "Policy text", CMIS_STRING, CMIS_READWRITE, REQUIRED | BOTH),
};
static const struct cmis_property_definition item_properties[] = {COMMON};
/* clang-format on */

#define BASE(id_, name, about, base_, list, count, create, file, text, control)                   \
    {                                                                                             \
        .id = (id_), .local_name = (id_), .local_namespace = CMIS_NAMESPACE,                      \
        .display_name = (name), .query_name = (id_), .description = (about), .base = (base_),     \
        .creatable = (create), .fileable = (file), .queryable = true, .fulltext_indexed = (text), \
        .in_supertype_query = true, .controllable_policy = (control),                             \
        .controllable_acl = (control), .can_create = true,                                        \
        .versionable = (base_) == CMIS_BASE_DOCUMENT, .property_count = (count),                  \
        .properties = (list)                                                                      \
    }

const struct cmis_type cmis_base_types[CMIS_BASE_COUNT] = {
    BASE("cmis:document", "Document", "Document", CMIS_BASE_DOCUMENT, document_properties,
         ARRAY_COUNT(document_properties), true, true, true, true),
    BASE("cmis:folder", "Folder", "Folder", CMIS_BASE_FOLDER, folder_properties,
         ARRAY_COUNT(folder_properties), true, true, false, true),
    BASE("cmis:relationship", "Relationship", "Relationship", CMIS_BASE_RELATIONSHIP,
         relationship_properties, ARRAY_COUNT(relationship_properties), true, false, false, true),
    BASE("cmis:policy", "Policy",
         "What people agreed for the objects it is applied to; the server shows it and enforces "
         "nothing by it",
         CMIS_BASE_POLICY, policy_properties, ARRAY_COUNT(policy_properties), true, false, false,
         true),
    BASE("cmis:item", "Item", "Item", CMIS_BASE_ITEM, item_properties, ARRAY_COUNT(item_properties),
         true, true, false, true),
    BASE("cmis:secondary", "Secondary type", "Secondary type", CMIS_BASE_SECONDARY, NULL, 0, false,
         false, false, false),
};

const char *cmis_base_id(enum cmis_base base)
{
    return cmis_base_types[base].id;
}

/* Names of enums */

const char *cmis_property_type_name(enum cmis_property_type type)
{
    static const char *const names[] = {"string",  "id",       "integer", "decimal",
                                        "boolean", "datetime", "html",    "uri"};
    return names[type];
}

const char *cmis_updatability_name(enum cmis_updatability updatability)
{
    static const char *const names[] = {"readonly", "readwrite", "whencheckedout", "oncreate"};
    return names[updatability];
}

const char *cmis_stream_rule_name(enum cmis_stream_rule rule)
{
    static const char *const names[] = {"allowed", "notallowed", "required"};
    return names[rule];
}

const char *cmis_change_name(enum cmis_change change)
{
    static const char *const names[] = {"created", "updated", "deleted", "security"};
    return names[change];
}
