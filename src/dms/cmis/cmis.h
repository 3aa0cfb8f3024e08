/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/cmis.h: the CMIS 1.1 model and its operations, the same for every binding. Knows nothing
 * of HTTP, JSON or XML.
 *
 * A binding (Browser, AtomPub, Web Services) makes a struct cmis_call, fills `args` from what the
 * client sent, runs one operation of the table and writes `result` in its own form:
 *
 *     struct cmis_call cmis;
 *     cmis_call_init(&cmis, store, arena, user, now_ms);
 *     op = cmis_operation_find(CMIS_SERVICE_OBJECT, "getObject");
 *     if (cmis_args_set_text(&cmis, CMIS_IN_OBJECT_ID, text) < 0 || cmis_run(&cmis, op) < 0)
 *         ... cmis.error, cmis.message
 *
 * operations.def is the table: for each operation its inputs and outputs in the order of the CMIS
 * 1.1 schema (CMIS-Messaging.xsd, OASIS). What an input or output is called and what kind it has
 * stands in CMIS_INPUTS and CMIS_OUTPUTS below.
 *
 * Memory: everything lives in the call's arena, also what the binding puts into `args`. One thread.
 * An operation that fails changes nothing. Its changes are durable with the store's next commit, so
 * an answer waits for that (call_reply_...() does). */
#ifndef COFFER_DMS_CMIS_CMIS_H
#define COFFER_DMS_CMIS_CMIS_H

#include "dms/store.h"

#define CMIS_PAGE_DEFAULT 100
#define CMIS_PAGE_MAX 1000
#define CMIS_TREE_MAX 5000 /* objects in one answer of getDescendants and getFolderTree */
#define CMIS_PROPERTIES_MAX 256
#define CMIS_VALUES_MAX 1000 /* of one property */
#define CMIS_TEXT_SIZE_MAX ((size_t)64 << 10)
#define CMIS_IDS_MAX 1000
#define CMIS_ACES_MAX 256
#define CMIS_TYPES_MAX 1000
#define CMIS_CHOICES_MAX 1000 /* of one property */
#define CMIS_CHOICE_DEPTH_MAX 8

/* The exceptions of CMIS 1.1, 2.2.1.4. */
#define CMIS_ERRORS(E)                                           \
    E(INVALID_ARGUMENT, "invalidArgument", 400)                  \
    E(OBJECT_NOT_FOUND, "objectNotFound", 404)                   \
    E(NOT_SUPPORTED, "notSupported", 405)                        \
    E(PERMISSION_DENIED, "permissionDenied", 403)                \
    E(RUNTIME, "runtime", 500)                                   \
    E(CONSTRAINT, "constraint", 409)                             \
    E(CONTENT_ALREADY_EXISTS, "contentAlreadyExists", 409)       \
    E(FILTER_NOT_VALID, "filterNotValid", 400)                   \
    E(NAME_CONSTRAINT_VIOLATION, "nameConstraintViolation", 409) \
    E(STORAGE, "storage", 500)                                   \
    E(STREAM_NOT_SUPPORTED, "streamNotSupported", 403)           \
    E(UPDATE_CONFLICT, "updateConflict", 409)                    \
    E(VERSIONING, "versioning", 409)
#define CMIS_ERROR_ID(id, name, status) CMIS_##id,
enum cmis_error { CMIS_FINE, CMIS_ERRORS(CMIS_ERROR_ID) CMIS_ERROR_COUNT };
const char *cmis_error_name(enum cmis_error error); /* "invalidArgument" */
int cmis_error_status(enum cmis_error error);       /* of HTTP; the same in both HTTP bindings */

/* Values, properties */

enum cmis_property_type {
    CMIS_STRING,
    CMIS_ID,
    CMIS_INTEGER,
    CMIS_DECIMAL,
    CMIS_BOOLEAN,
    CMIS_DATETIME,
    CMIS_HTML,
    CMIS_URI,
    CMIS_PROPERTY_TYPE_COUNT,
    CMIS_TYPE_NOT_SAID = CMIS_PROPERTY_TYPE_COUNT, /* of an input: the definition decides */
};
const char *cmis_property_type_name(enum cmis_property_type type); /* "string", ... */

union cmis_value {
    const char *text; /* string, id, html, uri */
    int64_t integer;  /* integer; datetime: milliseconds since 1970, UTC */
    double decimal;
    bool boolean;
};

/* Texts for a value: booleans "true"/"false", decimals without needless digits. */
#define CMIS_DATE_SIZE 32
void cmis_date_format(int64_t ms, char text[CMIS_DATE_SIZE]); /* 2024-02-29T12:00:00.000Z */
must_check int cmis_date_parse(const char *text,
                               int64_t *ret_ms); /* that, offsets, or digits: ms */
#define CMIS_DECIMAL_SIZE 352                    /* no exponents: xs:decimal has none */
void cmis_decimal_format(double value, char text[CMIS_DECIMAL_SIZE]);

/* A value from its text, which a text keeps borrowing: integers and decimals as XML Schema has them
 * (or with an exponent), "true", "false", "1", "0", dates as cmis_date_parse() takes them. 0 or
 * -EINVAL. */
must_check int cmis_value_parse(enum cmis_property_type type, const char *text,
                                union cmis_value *ret);

/* A property of an object. No value: not set. */
struct cmis_property {
    const char *id, *local_name, *display_name, *query_name;
    enum cmis_property_type type;
    bool multi;
    size_t count;
    const union cmis_value *values;
};

/* A property as a client sent it: the values as text (dates as cmis_date_parse() takes them). */
struct cmis_input_property {
    const char *id;
    enum cmis_property_type type; /* what the client says, or CMIS_TYPE_NOT_SAID */
    size_t count;
    const char *const *values;
};

struct cmis_ids {
    const char *const *ids;
    size_t count;
};

/* Types */

enum cmis_base {
    CMIS_BASE_DOCUMENT,
    CMIS_BASE_FOLDER,
    CMIS_BASE_RELATIONSHIP,
    CMIS_BASE_POLICY,
    CMIS_BASE_ITEM,
    CMIS_BASE_SECONDARY,
    CMIS_BASE_COUNT,
};
const char *cmis_base_id(enum cmis_base base); /* "cmis:document" */

enum cmis_updatability {
    CMIS_READONLY,
    CMIS_READWRITE,
    CMIS_WHENCHECKEDOUT,
    CMIS_ONCREATE,
    CMIS_UPDATABILITY_COUNT,
};
const char *cmis_updatability_name(enum cmis_updatability updatability);

enum cmis_stream_rule { CMIS_STREAM_ALLOWED, CMIS_STREAM_NOTALLOWED, CMIS_STREAM_REQUIRED };
const char *cmis_stream_rule_name(enum cmis_stream_rule rule); /* "allowed", ... */

struct cmis_choice {
    const char *display_name;
    size_t count; /* 0 or more values */
    const union cmis_value *values;
    size_t choice_count;
    const struct cmis_choice *choices;
};

struct cmis_property_definition {
    const char *id, *local_name, *local_namespace, *display_name, *query_name, *description;
    enum cmis_property_type type;
    bool multi;
    enum cmis_updatability updatability;
    bool inherited, required, queryable, orderable, open_choice;
    size_t default_count;
    const union cmis_value *defaults;
    size_t choice_count;
    const struct cmis_choice *choices;
    /* By type; each with whether it is there */
    bool has_min, has_max; /* integer, decimal */
    union cmis_value min, max;
    int64_t max_length;     /* string, html, uri, id; 0: none */
    int64_t precision;      /* decimal: 32 or 64; 0: none */
    const char *resolution; /* datetime: "year", "date", "time", or NULL */
};

struct cmis_type {
    const char *id, *local_name, *local_namespace, *display_name, *query_name, *description;
    enum cmis_base base;
    bool base_said;     /* of one that was sent: whether `base` stood in it */
    const char *parent; /* NULL: a base type */
    bool creatable, fileable, queryable, fulltext_indexed, in_supertype_query;
    bool controllable_policy, controllable_acl;
    bool can_create, can_update, can_delete; /* typeMutability */
    bool versionable;                        /* documents */
    enum cmis_stream_rule stream_rule;       /* documents */
    struct cmis_ids sources, targets;        /* relationships; none: any */
    size_t property_count;
    const struct cmis_property_definition *properties; /* inherited ones first */
};

struct cmis_type_list {
    size_t count;
    const struct cmis_type *const *types;
    bool more;
    int64_t total; /* numItems */
};

struct cmis_type_tree {
    const struct cmis_type *type;
    size_t count;
    const struct cmis_type_tree *children;
};

/* Objects */

/* Allowable actions, in the schema's order (cmisAllowableActionsType). */
#define CMIS_ACTIONS(A)                                       \
    A(DELETE_OBJECT, "canDeleteObject")                       \
    A(UPDATE_PROPERTIES, "canUpdateProperties")               \
    A(GET_FOLDER_TREE, "canGetFolderTree")                    \
    A(GET_PROPERTIES, "canGetProperties")                     \
    A(GET_OBJECT_RELATIONSHIPS, "canGetObjectRelationships")  \
    A(GET_OBJECT_PARENTS, "canGetObjectParents")              \
    A(GET_FOLDER_PARENT, "canGetFolderParent")                \
    A(GET_DESCENDANTS, "canGetDescendants")                   \
    A(MOVE_OBJECT, "canMoveObject")                           \
    A(DELETE_CONTENT_STREAM, "canDeleteContentStream")        \
    A(CHECK_OUT, "canCheckOut")                               \
    A(CANCEL_CHECK_OUT, "canCancelCheckOut")                  \
    A(CHECK_IN, "canCheckIn")                                 \
    A(SET_CONTENT_STREAM, "canSetContentStream")              \
    A(GET_ALL_VERSIONS, "canGetAllVersions")                  \
    A(ADD_OBJECT_TO_FOLDER, "canAddObjectToFolder")           \
    A(REMOVE_OBJECT_FROM_FOLDER, "canRemoveObjectFromFolder") \
    A(GET_CONTENT_STREAM, "canGetContentStream")              \
    A(APPLY_POLICY, "canApplyPolicy")                         \
    A(GET_APPLIED_POLICIES, "canGetAppliedPolicies")          \
    A(REMOVE_POLICY, "canRemovePolicy")                       \
    A(GET_CHILDREN, "canGetChildren")                         \
    A(CREATE_DOCUMENT, "canCreateDocument")                   \
    A(CREATE_FOLDER, "canCreateFolder")                       \
    A(CREATE_RELATIONSHIP, "canCreateRelationship")           \
    A(CREATE_ITEM, "canCreateItem")                           \
    A(DELETE_TREE, "canDeleteTree")                           \
    A(GET_RENDITIONS, "canGetRenditions")                     \
    A(GET_ACL, "canGetACL")                                   \
    A(APPLY_ACL, "canApplyACL")
#define CMIS_ACTION_ID(id, name) CMIS_CAN_##id,
enum cmis_action { CMIS_ACTIONS(CMIS_ACTION_ID) CMIS_ACTION_COUNT };
const char *cmis_action_name(enum cmis_action action);

struct cmis_ace {
    const char *principal;
    size_t count;
    const char *const *permissions;
    bool direct;
};
struct cmis_acl {
    size_t count;
    const struct cmis_ace *aces;
    bool exact;
};

struct cmis_rendition {
    const char *stream_id, *mime_type, *kind, *title, *document_id;
    int64_t size, height, width; /* -1: not known */
};

enum cmis_change { CMIS_CREATED, CMIS_UPDATED, CMIS_DELETED, CMIS_SECURITY };
const char *cmis_change_name(enum cmis_change change); /* "created", ... */

/* An object as an answer shows it. `facts` are there whatever the filter leaves in `properties`:
 * for links, titles and the like. In rows of a query that do not select an object they are empty
 * (id NULL). */
struct cmis_object {
    struct {
        const char *id;
        enum cmis_base base;
        const char *type_id, *name, *created_by, *modified_by;
        int64_t created_ms, modified_ms;
        const char *parent_id;       /* of the first folder it is filed in; NULL: none, or root */
        const char *series_id;       /* documents */
        const char *latest_id;       /* documents: object id of the latest version */
        const char *working_copy_id; /* documents: the private working copy's; NULL: none */
        const char *path;            /* folders */
        bool is_root, is_working_copy, is_latest, is_versionable;
        bool has_content;
        const char *content_type, *content_name;
        int64_t content_size;
        const char *source_id, *target_id; /* relationships */
    } facts;
    size_t property_count;
    const struct cmis_property *properties;
    bool has_actions;
    uint64_t actions;           /* 1 << enum cmis_action */
    const struct cmis_acl *acl; /* NULL: not asked for */
    size_t relationship_count;
    const struct cmis_object *const *relationships;
    size_t rendition_count;
    const struct cmis_rendition *renditions;
    bool has_policy_ids;
    struct cmis_ids policy_ids;
    bool has_change; /* in a change log */
    enum cmis_change change;
    int64_t change_ms;
};

/* One of a list or tree. `segment` is pathSegment or relativePathSegment, NULL if not asked for. */
struct cmis_entry {
    const struct cmis_object *object;
    const char *segment;
    size_t count; /* trees */
    const struct cmis_entry *children;
};
struct cmis_entries {
    size_t count;
    const struct cmis_entry *entries;
    bool more;     /* hasMoreItems */
    int64_t total; /* numItems; -1: not known */
};

/* A content to send: content_load(store, content) gives its bytes; `length` of them from `offset`
 * are asked for. `total` is the size of the whole. */
struct cmis_stream {
    int64_t node; /* the object's, for the audit trail */
    int64_t content;
    const char *name, *type;
    int64_t total, offset, length;
    int64_t modified_ms;
};

struct cmis_id_and_token {
    const char *id, *new_id, *token;
};
struct cmis_ids_and_tokens {
    size_t count;
    const struct cmis_id_and_token *items;
};

/* Repository */

struct cmis_permission_mapping {
    const char *key; /* "canGetDescendents.Folder" */
    size_t count;
    const char *const *permissions;
};
struct cmis_repository_info {
    const char *id, *name, *description, *vendor, *product, *product_version, *root_folder_id;
    const char *latest_change_token, *version_supported, *thin_client_uri;
    bool changes_incomplete;
    struct cmis_ids changes_on_type; /* base type ids */
    const char *principal_anonymous, *principal_anyone;
    /* capabilities, as the spec spells their values */
    const char *acl, *changes, *content_stream_updates, *join, *order_by, *query, *renditions;
    bool all_versions_searchable, get_descendants, get_folder_tree, multifiling, pwc_searchable;
    bool pwc_updatable, unfiling, version_specific_filing;
    bool creatable_types[CMIS_PROPERTY_TYPE_COUNT]; /* creatablePropertyTypes */
    struct {
        bool id, local_name, local_namespace, display_name, query_name, description, creatable;
        bool fileable, queryable, fulltext_indexed, in_supertype_query, controllable_policy;
        bool controllable_acl;
    } new_type_settable;
    /* aclCapabilities */
    const char *supported_permissions, *propagation;
    size_t permission_count;
    const char *const (*permissions)[2]; /* id, description */
    size_t mapping_count;
    const struct cmis_permission_mapping *mappings;
};

/* Operations */

#define CMIS_SERVICES(S)                   \
    S(REPOSITORY, "RepositoryService")     \
    S(NAVIGATION, "NavigationService")     \
    S(OBJECT, "ObjectService")             \
    S(MULTIFILING, "MultiFilingService")   \
    S(DISCOVERY, "DiscoveryService")       \
    S(VERSIONING, "VersioningService")     \
    S(RELATIONSHIP, "RelationshipService") \
    S(POLICY, "PolicyService")             \
    S(ACL, "ACLService")
#define CMIS_SERVICE_ID(id, name) CMIS_SERVICE_##id,
enum cmis_service { CMIS_SERVICES(CMIS_SERVICE_ID) CMIS_SERVICE_COUNT };
const char *cmis_service_name(enum cmis_service service);

/* TEXT: const char *; BOOLEAN: bool; INTEGER: int64_t; ENUM: int, an index into the enum's names;
 * LIST: struct cmis_ids; the others: the member of struct cmis_args below. */
enum cmis_kind {
    CMIS_KIND_TEXT,
    CMIS_KIND_BOOLEAN,
    CMIS_KIND_INTEGER,
    CMIS_KIND_ENUM,
    CMIS_KIND_LIST,
    CMIS_KIND_PROPERTIES,
    CMIS_KIND_ACL,
    CMIS_KIND_STREAM,
    CMIS_KIND_TYPE,
    CMIS_KIND_BULK, /* cmisBulkUpdateType: the members bulk, properties, add/remove secondary */
    CMIS_KIND_EXTENSION,
};

/* id, element name, kind, member of struct cmis_args, enum's names or NULL */
#define CMIS_INPUTS(I)                                                                          \
    I(REPOSITORY_ID, "repositoryId", TEXT, repository_id, NULL)                                 \
    I(TYPE_ID, "typeId", TEXT, type_id, NULL)                                                   \
    I(INCLUDE_PROPERTY_DEFINITIONS, "includePropertyDefinitions", BOOLEAN,                      \
      include_property_definitions, NULL)                                                       \
    I(MAX_ITEMS, "maxItems", INTEGER, max_items, NULL)                                          \
    I(SKIP_COUNT, "skipCount", INTEGER, skip_count, NULL)                                       \
    I(DEPTH, "depth", INTEGER, depth, NULL)                                                     \
    I(TYPE, "type", TYPE, type, NULL)                                                           \
    I(FOLDER_ID, "folderId", TEXT, folder_id, NULL)                                             \
    I(OBJECT_ID, "objectId", TEXT, object_id, NULL)                                             \
    I(FILTER, "filter", TEXT, filter, NULL)                                                     \
    I(ORDER_BY, "orderBy", TEXT, order_by, NULL)                                                \
    I(INCLUDE_ALLOWABLE_ACTIONS, "includeAllowableActions", BOOLEAN, include_allowable_actions, \
      NULL)                                                                                     \
    I(INCLUDE_RELATIONSHIPS, "includeRelationships", ENUM, include_relationships,               \
      cmis_include_relationships_names)                                                         \
    I(RENDITION_FILTER, "renditionFilter", TEXT, rendition_filter, NULL)                        \
    I(INCLUDE_PATH_SEGMENT, "includePathSegment", BOOLEAN, include_path_segment, NULL)          \
    I(INCLUDE_RELATIVE_PATH_SEGMENT, "includeRelativePathSegment", BOOLEAN,                     \
      include_relative_path_segment, NULL)                                                      \
    I(INCLUDE_POLICY_IDS, "includePolicyIds", BOOLEAN, include_policy_ids, NULL)                \
    I(INCLUDE_ACL, "includeACL", BOOLEAN, include_acl, NULL)                                    \
    I(INCLUDE_PROPERTIES, "includeProperties", BOOLEAN, include_properties, NULL)               \
    I(PATH, "path", TEXT, path, NULL)                                                           \
    I(STREAM_ID, "streamId", TEXT, stream_id, NULL)                                             \
    I(OFFSET, "offset", INTEGER, offset, NULL)                                                  \
    I(LENGTH, "length", INTEGER, length, NULL)                                                  \
    I(CHANGE_TOKEN, "changeToken", TEXT, change_token, NULL)                                    \
    I(PROPERTIES, "properties", PROPERTIES, properties, NULL)                                   \
    I(VERSIONING_STATE, "versioningState", ENUM, versioning_state, cmis_versioning_state_names) \
    I(POLICIES, "policies", LIST, policies, NULL)                                               \
    I(ADD_ACES, "addACEs", ACL, add_aces, NULL)                                                 \
    I(REMOVE_ACES, "removeACEs", ACL, remove_aces, NULL)                                        \
    I(CONTENT_STREAM, "contentStream", STREAM, stream, NULL)                                    \
    I(SOURCE_ID, "sourceId", TEXT, source_id, NULL)                                             \
    I(TARGET_FOLDER_ID, "targetFolderId", TEXT, target_folder_id, NULL)                         \
    I(SOURCE_FOLDER_ID, "sourceFolderId", TEXT, source_folder_id, NULL)                         \
    I(ALL_VERSIONS, "allVersions", BOOLEAN, all_versions, NULL)                                 \
    I(UNFILE_OBJECTS, "unfileObjects", ENUM, unfile_objects, cmis_unfile_objects_names)         \
    I(CONTINUE_ON_FAILURE, "continueOnFailure", BOOLEAN, continue_on_failure, NULL)             \
    I(OVERWRITE_FLAG, "overwriteFlag", BOOLEAN, overwrite_flag, NULL)                           \
    I(IS_LAST_CHUNK, "isLastChunk", BOOLEAN, is_last_chunk, NULL)                               \
    I(BULK_UPDATE_DATA, "bulkUpdateData", BULK, bulk, NULL)                                     \
    I(STATEMENT, "statement", TEXT, statement, NULL)                                            \
    I(SEARCH_ALL_VERSIONS, "searchAllVersions", BOOLEAN, search_all_versions, NULL)             \
    I(CHANGE_LOG_TOKEN, "changeLogToken", TEXT, change_log_token, NULL)                         \
    I(MAJOR, "major", BOOLEAN, major, NULL)                                                     \
    I(CHECKIN_COMMENT, "checkinComment", TEXT, checkin_comment, NULL)                           \
    I(INCLUDE_SUB_RELATIONSHIP_TYPES, "includeSubRelationshipTypes", BOOLEAN,                   \
      include_sub_relationship_types, NULL)                                                     \
    I(RELATIONSHIP_DIRECTION, "relationshipDirection", ENUM, relationship_direction,            \
      cmis_relationship_direction_names)                                                        \
    I(POLICY_ID, "policyId", TEXT, policy_id, NULL)                                             \
    I(ONLY_BASIC_PERMISSIONS, "onlyBasicPermissions", BOOLEAN, only_basic_permissions, NULL)    \
    I(ACL_PROPAGATION, "ACLPropagation", ENUM, acl_propagation, cmis_acl_propagation_names)     \
    I(EXTENSION, "extension", EXTENSION, extension, NULL)
#define CMIS_INPUT_ID(id, name, kind, member, names) CMIS_IN_##id,
enum cmis_input { CMIS_INPUTS(CMIS_INPUT_ID) CMIS_INPUT_COUNT };

/* NULL-ended; an ENUM's value is the index. */
extern const char *const cmis_include_relationships_names[];  /* none source target both */
extern const char *const cmis_versioning_state_names[];       /* none checkedout minor major */
extern const char *const cmis_unfile_objects_names[];         /* unfile deletesinglefiled delete */
extern const char *const cmis_relationship_direction_names[]; /* source target either */
extern const char
    *const cmis_acl_propagation_names[]; /* repositorydetermined objectonly propagate */
enum {
    CMIS_RELATIONSHIPS_NONE,
    CMIS_RELATIONSHIPS_SOURCE,
    CMIS_RELATIONSHIPS_TARGET,
    CMIS_RELATIONSHIPS_BOTH
};
enum { CMIS_STATE_NONE, CMIS_STATE_CHECKEDOUT, CMIS_STATE_MINOR, CMIS_STATE_MAJOR };
enum { CMIS_UNFILE, CMIS_DELETE_SINGLE_FILED, CMIS_DELETE };
enum { CMIS_DIRECTION_SOURCE, CMIS_DIRECTION_TARGET, CMIS_DIRECTION_EITHER };
enum { CMIS_PROPAGATION_REPOSITORY, CMIS_PROPAGATION_OBJECT, CMIS_PROPAGATION_PROPAGATE };

/* What a client sent. cmis_call_init() sets the spec's defaults; `present` says what was there. A
 * binding sets scalars with cmis_args_set_text(), the others by hand together with
 * cmis_args_mark(). */
struct cmis_args {
    uint64_t present; /* 1 << enum cmis_input */
    const char *repository_id, *type_id, *folder_id, *object_id, *filter, *order_by;
    const char *rendition_filter, *path, *stream_id, *change_token, *source_id, *target_folder_id;
    const char *source_folder_id, *statement, *change_log_token, *checkin_comment, *policy_id;
    bool include_property_definitions, include_allowable_actions, include_path_segment;
    bool include_relative_path_segment, include_policy_ids, include_acl, include_properties;
    bool all_versions, continue_on_failure, overwrite_flag, is_last_chunk, search_all_versions;
    bool major, include_sub_relationship_types, only_basic_permissions;
    int64_t max_items, skip_count, depth, offset, length;
    int include_relationships, versioning_state, unfile_objects, relationship_direction;
    int acl_propagation;
    struct {
        size_t count;
        const struct cmis_input_property *items;
    } properties;
    struct cmis_ids policies;
    struct cmis_ids add_secondary, remove_secondary; /* bulk update */
    struct cmis_ids_and_tokens bulk;
    struct cmis_acl add_aces, remove_aces; /* `direct` does not matter */
    const struct cmis_type *type;          /* createType, updateType */
    /* A content that has arrived: its bytes are in cmis_call.draft. `type` and `name` may be NULL. */
    struct {
        const char *name, *type;
    } stream;
    int extension; /* never set: extensions are ignored */
};

#define CMIS_OUTPUTS(O)                                                                   \
    O(OBJECT_ID, "objectId")                 /* const char *object_id */                  \
    O(CHANGE_TOKEN, "changeToken")           /* const char *change_token or NULL */       \
    O(CONTENT_COPIED, "contentCopied")       /* bool content_copied */                    \
    O(OBJECT, "object")                      /* object */                                 \
    O(OBJECT_LIST, "objects")                /* list: cmisObjectListType */               \
    O(OBJECT_IN_FOLDER_LIST, "objects")      /* list: cmisObjectInFolderListType */       \
    O(OBJECT_TREE, "objects")                /* list: cmisObjectInFolderContainerType* */ \
    O(OBJECT_PARENTS, "parents")             /* list: cmisObjectParentsType* */           \
    O(OBJECTS, "objects")                    /* list: cmisObjectType* */                  \
    O(OBJECT_PROPERTIES, "properties")       /* object's properties alone */              \
    O(ALLOWABLE_ACTIONS, "allowableActions") /* actions */                                \
    O(ACL, "ACL")                            /* acl: cmisACLType */                       \
    O(CONTENT_STREAM, "contentStream")       /* stream */                                 \
    O(RENDITIONS, "renditions")              /* renditions: cmisRenditionType* */         \
    O(TYPE, "type")                          /* type */                                   \
    O(TYPE_LIST, "types")                    /* types: cmisTypeDefinitionListType */      \
    O(TYPE_TREE, "types")                    /* type_tree: cmisTypeContainer* */          \
    O(REPOSITORIES, "repositories")          /* repository: cmisRepositoryEntryType* */   \
    O(REPOSITORY_INFO, "repositoryInfo")     /* repository */                             \
    O(FAILED_TO_DELETE, "failedToDelete")    /* failed */                                 \
    O(CHANGE_LOG_TOKEN, "changeLogToken")    /* change_log_token */                       \
    O(OBJECT_IDS_AND_TOKENS,                                                              \
      "objectIdAndChangeToken") /* updated: cmisObjectIdAndChangeTokenType* */
#define CMIS_OUTPUT_ID(id, name) CMIS_OUT_##id,
enum cmis_output { CMIS_OUTPUTS(CMIS_OUTPUT_ID) CMIS_OUTPUT_COUNT };

struct cmis_result {
    const char *object_id, *change_token, *change_log_token;
    bool content_copied;
    const struct cmis_object *object;
    struct cmis_entries list;
    uint64_t actions;
    struct cmis_acl acl;
    struct cmis_stream stream;
    size_t rendition_count;
    const struct cmis_rendition *renditions;
    const struct cmis_type *type;
    struct cmis_type_list types;
    struct cmis_type_tree type_tree; /* `type` NULL: its children are the answer */
    bool with_property_definitions;  /* of types and type_tree */
    const struct cmis_repository_info *repository;
    struct cmis_ids failed;
    struct cmis_ids_and_tokens updated;
};

struct cmis_types;

/* One operation on its way. */
struct cmis_call {
    struct store *store;
    struct arena *arena;
    const char *user;
    bool is_admin;
    int64_t now_ms;
    const char *from;            /* the peer's address, for the audit trail; may be NULL */
    const char *home;            /* the address of the web interface; may be NULL */
    struct content_draft *draft; /* for args.stream; the operation takes what it uses */
    struct cmis_args args;
    struct cmis_result result;
    enum cmis_error error;
    const char *message;      /* for the person; never NULL after a failure */
    struct cmis_types *types; /* the model's own */
    void *access;             /* the model's own */
};
void cmis_call_init(struct cmis_call *cmis, struct store *store, struct arena *arena,
                    const struct user *user, int64_t now_ms);

typedef int cmis_operation_fn(struct cmis_call *cmis);

#define CMIS_OPERATION_INPUTS_MAX 16
#define CMIS_OPERATION_OUTPUTS_MAX 3
struct cmis_operation {
    enum cmis_service service;
    const char *name;
    bool writes;
    cmis_operation_fn *run;
    struct {
        enum cmis_input input;
        bool required;
    } inputs[CMIS_OPERATION_INPUTS_MAX];
    size_t input_count;
    enum cmis_output outputs[CMIS_OPERATION_OUTPUTS_MAX];
    size_t output_count;
};
extern const struct cmis_operation cmis_operations[];
extern const size_t cmis_operation_count;
/* By its element name; NULL if the service has no such operation. */
const struct cmis_operation *cmis_operation_find(enum cmis_service service, struct slice name);
/* By name alone (names are unique but for none): for the bindings over HTTP. */
const struct cmis_operation *cmis_operation_named(const char *name);

const char *cmis_input_name(enum cmis_input input);
enum cmis_kind cmis_input_kind(enum cmis_input input);
const char *const *cmis_input_enum(enum cmis_input input);
const char *cmis_output_name(enum cmis_output output);

/* Sets a TEXT, BOOLEAN, INTEGER or ENUM from its text, which is copied if it is a TEXT. Blank text
 * of the other kinds counts as absent. 0, or -1 with an error set (invalidArgument). */
must_check int cmis_args_set_text(struct cmis_call *cmis, enum cmis_input input, const char *text);
static inline void cmis_args_mark(struct cmis_call *cmis, enum cmis_input input)
{
    cmis->args.present |= (uint64_t)1 << input;
}
static inline bool cmis_args_has(const struct cmis_call *cmis, enum cmis_input input)
{
    return (cmis->args.present >> input & 1) != 0;
}

/* Checks that what the operation requires is there and that the repository is this one, then runs
 * it in a step of the store's transaction. 0, or -1 with cmis->error and cmis->message. */
must_check int cmis_run(struct cmis_call *cmis, const struct cmis_operation *operation);

/* Sets the error and returns -1. */
int cmis_fail(struct cmis_call *cmis, enum cmis_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a -errno of the store. */
int cmis_fail_errno(struct cmis_call *cmis, int error);

/* The one repository's id, and the object id of its root folder. */
#define CMIS_REPOSITORY_ID "coffer"
#define CMIS_ROOT_ID "1"

#endif
