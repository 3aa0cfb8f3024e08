/* SPDX-License-Identifier: Apache-2.0 */
/* What the Browser binding answers, as JSON: CMIS 1.1, 5.2 and 5.4. */
#include "dms/cmis/browser.h"
#include "dms/cmis/model.h"

/* Properties */

static void value_put(struct browser *browser, struct json *json, const char *key,
                      const struct cmis_property *property, size_t i)
{
    char date[CMIS_DATE_SIZE];
    if (property->type == CMIS_DATETIME && browser->simple_dates) {
        cmis_date_format(property->values[i].integer, date);
        json_put_text(json, key, date);
        return;
    }
    cmis_value_write(json, key, property->type, &property->values[i]);
}

static void values_put(struct browser *browser, struct json *json, const char *key,
                       const struct cmis_property *property)
{
    if (property->count == 0) {
        json_put_null(json, key);
    } else if (!property->multi) {
        value_put(browser, json, key, property, 0);
    } else {
        json_open_array(json, key);
        for (size_t i = 0; i < property->count; i++)
            value_put(browser, json, NULL, property, i);
        json_close(json);
    }
}

/* Rows of a query are keyed by query name, everything else by id. */
static void properties_members(struct browser *browser, struct json *json,
                               const struct cmis_object *object, bool by_query_name)
{
    for (size_t i = 0; i < object->property_count; i++) {
        const struct cmis_property *property = &object->properties[i];
        const char *key = by_query_name ? property->query_name : property->id;
        if (browser->succinct) {
            values_put(browser, json, key, property);
            continue;
        }
        json_open_object(json, key);
        json_put_text(json, "id", property->id);
        json_put_text(json, "localName", property->local_name);
        json_put_text(json, "displayName", property->display_name);
        json_put_text(json, "queryName", property->query_name);
        json_put_text(json, "type", cmis_property_type_name(property->type));
        json_put_text(json, "cardinality", property->multi ? "multi" : "single");
        values_put(browser, json, "value", property);
        json_close(json);
    }
}

static void properties_put(struct browser *browser, struct json *json,
                           const struct cmis_object *object, bool by_query_name)
{
    json_open_object(json, browser->succinct ? "succinctProperties" : "properties");
    properties_members(browser, json, object, by_query_name);
    json_close(json);
}

/* Objects */

static void actions_put(struct json *json, const char *key, uint64_t actions)
{
    json_open_object(json, key);
    for (int i = 0; i < CMIS_ACTION_COUNT; i++)
        json_put_bool(json, cmis_action_name((enum cmis_action)i), (actions >> i & 1) != 0);
    json_close(json);
}

static void acl_put(struct json *json, const char *key, const struct cmis_acl *acl)
{
    json_open_object(json, key);
    json_open_array(json, "aces");
    for (size_t i = 0; i < acl->count; i++) {
        const struct cmis_ace *ace = &acl->aces[i];
        json_open_object(json, NULL);
        json_open_object(json, "principal");
        json_put_text(json, "principalId", ace->principal);
        json_close(json);
        json_open_array(json, "permissions");
        for (size_t p = 0; p < ace->count; p++)
            json_put_text(json, NULL, ace->permissions[p]);
        json_close(json);
        json_put_bool(json, "isDirect", ace->direct);
        json_close(json);
    }
    json_close(json);
    json_put_bool(json, "isExact", acl->exact);
    json_close(json);
}

static void renditions_put(struct json *json, const char *key, const struct cmis_rendition *list,
                           size_t count)
{
    json_open_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_open_object(json, NULL);
        json_put_text(json, "streamId", list[i].stream_id);
        json_put_text(json, "mimeType", list[i].mime_type);
        if (list[i].size >= 0)
            json_put_int(json, "length", list[i].size);
        json_put_text(json, "kind", list[i].kind);
        if (list[i].title)
            json_put_text(json, "title", list[i].title);
        if (list[i].height >= 0)
            json_put_int(json, "height", list[i].height);
        if (list[i].width >= 0)
            json_put_int(json, "width", list[i].width);
        if (list[i].document_id)
            json_put_text(json, "renditionDocumentId", list[i].document_id);
        json_close(json);
    }
    json_close(json);
}

static void object_put(struct browser *browser, struct json *json, const char *key,
                       const struct cmis_object *object, bool by_query_name)
{
    json_open_object(json, key);
    properties_put(browser, json, object, by_query_name);
    if (object->has_actions)
        actions_put(json, "allowableActions", object->actions);
    if (object->relationship_count > 0) {
        json_open_array(json, "relationships");
        for (size_t i = 0; i < object->relationship_count; i++)
            object_put(browser, json, NULL, object->relationships[i], false);
        json_close(json);
    }
    if (object->has_change) {
        json_open_object(json, "changeEventInfo");
        json_put_text(json, "changeType", cmis_change_name(object->change));
        json_put_int(json, "changeTime", object->change_ms);
        json_close(json);
    }
    if (object->acl) {
        acl_put(json, "acl", object->acl);
        json_put_bool(json, "exactACL", object->acl->exact);
    }
    if (object->has_policy_ids) {
        json_open_object(json, "policyIds");
        json_open_array(json, "ids");
        for (size_t i = 0; i < object->policy_ids.count; i++)
            json_put_text(json, NULL, object->policy_ids.ids[i]);
        json_close(json);
        json_close(json);
    }
    if (object->rendition_count > 0)
        renditions_put(json, "renditions", object->renditions, object->rendition_count);
    json_close(json);
}

void browser_object_write(struct browser *browser, struct json *json, const char *key,
                          const struct cmis_object *object)
{
    object_put(browser, json, key, object, false);
}

/* Lists and trees */

static void page_put(struct json *json, const struct cmis_entries *list)
{
    json_put_bool(json, "hasMoreItems", list->more);
    if (list->total >= 0)
        json_put_int(json, "numItems", list->total);
}

/* With `wrapper` each object stands in an object of its own beside its path segment. */
static void entries_put(struct browser *browser, struct json *json, const char *key,
                        const struct cmis_entries *list, const char *segment, bool by_query_name)
{
    json_open_array(json, key);
    for (size_t i = 0; i < list->count; i++) {
        const struct cmis_entry *entry = &list->entries[i];
        if (!segment) {
            object_put(browser, json, NULL, entry->object, by_query_name);
            continue;
        }
        json_open_object(json, NULL);
        object_put(browser, json, "object", entry->object, by_query_name);
        if (entry->segment)
            json_put_text(json, segment, entry->segment);
        json_close(json);
    }
    json_close(json);
}

static void tree_put(struct browser *browser, struct json *json, const char *key,
                     const struct cmis_entry *entries, size_t count)
{
    json_open_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_open_object(json, NULL);
        json_open_object(json, "object");
        object_put(browser, json, "object", entries[i].object, false);
        if (entries[i].segment)
            json_put_text(json, "pathSegment", entries[i].segment);
        json_close(json);
        if (entries[i].count > 0)
            tree_put(browser, json, "children", entries[i].children, entries[i].count);
        json_close(json);
    }
    json_close(json);
}

static void type_list_put(struct json *json, const struct cmis_type_list *types, bool definitions)
{
    json_open_object(json, NULL);
    json_open_array(json, "types");
    for (size_t i = 0; i < types->count; i++)
        type_write(json, NULL, types->types[i], definitions);
    json_close(json);
    json_put_bool(json, "hasMoreItems", types->more);
    json_put_int(json, "numItems", types->total);
    json_close(json);
}

static void type_tree_put(struct json *json, const char *key, const struct cmis_type_tree *tree,
                          bool definitions)
{
    json_open_array(json, key);
    for (size_t i = 0; i < tree->count; i++) {
        json_open_object(json, NULL);
        type_write(json, "type", tree->children[i].type, definitions);
        if (tree->children[i].count > 0)
            type_tree_put(json, "children", &tree->children[i], definitions);
        json_close(json);
    }
    json_close(json);
}

/* The repository */

static void ids_put(struct json *json, const char *key, const char *const *ids, size_t count)
{
    json_open_array(json, key);
    for (size_t i = 0; i < count; i++)
        json_put_text(json, NULL, ids[i]);
    json_close(json);
}

static void settable_put(struct json *json, const struct cmis_repository_info *info)
{
    const struct {
        const char *name;
        bool can;
    } attributes[] = {
        {"id", info->new_type_settable.id},
        {"localName", info->new_type_settable.local_name},
        {"localNamespace", info->new_type_settable.local_namespace},
        {"displayName", info->new_type_settable.display_name},
        {"queryName", info->new_type_settable.query_name},
        {"description", info->new_type_settable.description},
        {"creatable", info->new_type_settable.creatable},
        {"fileable", info->new_type_settable.fileable},
        {"queryable", info->new_type_settable.queryable},
        {"fulltextIndexed", info->new_type_settable.fulltext_indexed},
        {"includedInSupertypeQuery", info->new_type_settable.in_supertype_query},
        {"controllablePolicy", info->new_type_settable.controllable_policy},
        {"controllableACL", info->new_type_settable.controllable_acl},
    };
    json_open_object(json, "capabilityNewTypeSettableAttributes");
    for (size_t i = 0; i < ARRAY_COUNT(attributes); i++)
        json_put_bool(json, attributes[i].name, attributes[i].can);
    json_close(json);
}

static void capabilities_put(struct json *json, const struct cmis_repository_info *info)
{
    json_open_object(json, "capabilities");
    json_put_text(json, "capabilityContentStreamUpdatability", info->content_stream_updates);
    json_put_text(json, "capabilityChanges", info->changes);
    json_put_text(json, "capabilityRenditions", info->renditions);
    json_put_bool(json, "capabilityGetDescendants", info->get_descendants);
    json_put_bool(json, "capabilityGetFolderTree", info->get_folder_tree);
    json_put_bool(json, "capabilityMultifiling", info->multifiling);
    json_put_bool(json, "capabilityUnfiling", info->unfiling);
    json_put_bool(json, "capabilityVersionSpecificFiling", info->version_specific_filing);
    json_put_bool(json, "capabilityPWCSearchable", info->pwc_searchable);
    json_put_bool(json, "capabilityPWCUpdatable", info->pwc_updatable);
    json_put_bool(json, "capabilityAllVersionsSearchable", info->all_versions_searchable);
    json_put_text(json, "capabilityOrderBy", info->order_by);
    json_put_text(json, "capabilityQuery", info->query);
    json_put_text(json, "capabilityJoin", info->join);
    json_put_text(json, "capabilityACL", info->acl);
    json_open_object(json, "capabilityCreatablePropertyTypes");
    json_open_array(json, "canCreate");
    for (int i = 0; i < CMIS_PROPERTY_TYPE_COUNT; i++)
        if (info->creatable_types[i])
            json_put_text(json, NULL, cmis_property_type_name((enum cmis_property_type)i));
    json_close(json);
    json_close(json);
    settable_put(json, info);
    json_close(json);
}

static void acl_capabilities_put(struct json *json, const struct cmis_repository_info *info)
{
    json_open_object(json, "aclCapabilities");
    json_put_text(json, "supportedPermissions", info->supported_permissions);
    json_put_text(json, "propagation", info->propagation);
    json_open_array(json, "permissions");
    for (size_t i = 0; i < info->permission_count; i++) {
        json_open_object(json, NULL);
        json_put_text(json, "permission", info->permissions[i][0]);
        json_put_text(json, "description", info->permissions[i][1]);
        json_close(json);
    }
    json_close(json);
    json_open_array(json, "permissionMapping");
    for (size_t i = 0; i < info->mapping_count; i++) {
        json_open_object(json, NULL);
        json_put_text(json, "key", info->mappings[i].key);
        ids_put(json, "permission", info->mappings[i].permissions, info->mappings[i].count);
        json_close(json);
    }
    json_close(json);
    json_close(json);
}

static void url_put(struct browser *browser, struct json *json, const char *key, const char *path)
{
    const char *text = call_url(browser->call, path);
    json_put_text(json, key, text ? text : path);
}

void browser_repositories_write(struct browser *browser, struct json *json)
{
    const struct cmis_repository_info *info = browser->cmis.result.repository;
    json_open_object(json, NULL);
    json_open_object(json, info->id);
    json_put_text(json, "repositoryId", info->id);
    json_put_text(json, "repositoryName", info->name);
    json_put_text(json, "repositoryDescription", info->description);
    json_put_text(json, "vendorName", info->vendor);
    json_put_text(json, "productName", info->product);
    json_put_text(json, "productVersion", info->product_version);
    json_put_text(json, "rootFolderId", info->root_folder_id);
    capabilities_put(json, info);
    acl_capabilities_put(json, info);
    json_put_text(json, "latestChangeLogToken", info->latest_change_token);
    json_put_text(json, "cmisVersionSupported", info->version_supported);
    json_put_text(json, "thinClientURI", info->thin_client_uri ? info->thin_client_uri : "");
    json_put_bool(json, "changesIncomplete", info->changes_incomplete);
    ids_put(json, "changesOnType", info->changes_on_type.ids, info->changes_on_type.count);
    json_put_text(json, "principalIdAnonymous", info->principal_anonymous);
    json_put_text(json, "principalIdAnyone", info->principal_anyone);
    json_open_array(json, "extendedFeatures");
    json_close(json);
    url_put(browser, json, "repositoryUrl", BROWSER_URL "/" CMIS_REPOSITORY_ID);
    url_put(browser, json, "rootFolderUrl", BROWSER_URL "/" CMIS_REPOSITORY_ID "/root");
    json_close(json);
    json_close(json);
}

/* By what the operation's table says comes out */

static void updated_put(struct json *json, const struct cmis_ids_and_tokens *updated)
{
    json_open_array(json, NULL);
    for (size_t i = 0; i < updated->count; i++) {
        json_open_object(json, NULL);
        json_put_text(json, "id", updated->items[i].id);
        json_put_text(json, "newId", updated->items[i].new_id);
        json_put_text(json, "changeToken", updated->items[i].token);
        json_close(json);
    }
    json_close(json);
}

static void list_put(struct browser *browser, struct json *json,
                     const struct cmis_operation *operation)
{
    const struct cmis_result *result = &browser->cmis.result;
    bool query = strcmp(operation->name, "query") == 0;
    json_open_object(json, NULL);
    entries_put(browser, json, query ? "results" : "objects", &result->list, NULL, query);
    page_put(json, &result->list);
    if (result->change_log_token)
        json_put_text(json, "changeLogToken", result->change_log_token);
    json_close(json);
}

void browser_write(struct browser *browser, struct json *json,
                   const struct cmis_operation *operation)
{
    const struct cmis_result *result = &browser->cmis.result;
    switch (operation->outputs[0]) {
    case CMIS_OUT_OBJECT:
        object_put(browser, json, NULL, result->object, false);
        break;
    case CMIS_OUT_OBJECT_PROPERTIES:
        json_open_object(json, NULL);
        properties_members(browser, json, result->object, false);
        json_close(json);
        break;
    case CMIS_OUT_OBJECT_LIST:
        list_put(browser, json, operation);
        break;
    case CMIS_OUT_OBJECT_IN_FOLDER_LIST:
        json_open_object(json, NULL);
        entries_put(browser, json, "objects", &result->list, "pathSegment", false);
        page_put(json, &result->list);
        json_close(json);
        break;
    case CMIS_OUT_OBJECT_TREE:
        tree_put(browser, json, NULL, result->list.entries, result->list.count);
        break;
    case CMIS_OUT_OBJECT_PARENTS:
        entries_put(browser, json, NULL, &result->list, "relativePathSegment", false);
        break;
    case CMIS_OUT_OBJECTS:
        entries_put(browser, json, NULL, &result->list, NULL, false);
        break;
    case CMIS_OUT_ALLOWABLE_ACTIONS:
        actions_put(json, NULL, result->actions);
        break;
    case CMIS_OUT_ACL:
        acl_put(json, NULL, &result->acl);
        break;
    case CMIS_OUT_RENDITIONS:
        renditions_put(json, NULL, result->renditions, result->rendition_count);
        break;
    case CMIS_OUT_TYPE:
        type_write(json, NULL, result->type, true);
        break;
    case CMIS_OUT_TYPE_LIST:
        type_list_put(json, &result->types, result->with_property_definitions);
        break;
    case CMIS_OUT_TYPE_TREE:
        type_tree_put(json, NULL, &result->type_tree, result->with_property_definitions);
        break;
    case CMIS_OUT_REPOSITORIES:
    case CMIS_OUT_REPOSITORY_INFO:
        browser_repositories_write(browser, json);
        break;
    case CMIS_OUT_FAILED_TO_DELETE:
        json_open_object(json, NULL);
        ids_put(json, "ids", result->failed.ids, result->failed.count);
        json_close(json);
        break;
    case CMIS_OUT_OBJECT_IDS_AND_TOKENS:
        updated_put(json, &result->updated);
        break;
    case CMIS_OUT_OBJECT_ID:
    case CMIS_OUT_CHANGE_TOKEN:
    case CMIS_OUT_CONTENT_COPIED:
    case CMIS_OUT_CONTENT_STREAM:
    case CMIS_OUT_CHANGE_LOG_TOKEN:
    case CMIS_OUTPUT_COUNT:
        break; /* answered otherwise */
    }
}
