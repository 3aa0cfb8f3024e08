/* SPDX-License-Identifier: Apache-2.0 */
/* What this repository is and can do: true is what is built. */
#include "dms/cmis/model.h"

#include <errno.h>

static const char *const base_ids[] = {"cmis:document", "cmis:folder", "cmis:relationship",
                                       "cmis:policy", "cmis:item"};
static const char *const permission_list[][2] = {
    {"cmis:read", "Read"}, {"cmis:write", "Write"}, {"cmis:all", "All"}};

static const char *const read_permission[] = {"cmis:read", "cmis:write", "cmis:all"};
static const char *const write_permission[] = {"cmis:write", "cmis:all"};
static const char *const all_permission[] = {"cmis:all"};
#define READS(key)                                         \
    {                                                      \
        key, ARRAY_COUNT(read_permission), read_permission \
    }
#define WRITES(key)                                          \
    {                                                        \
        key, ARRAY_COUNT(write_permission), write_permission \
    }
#define ALL(key)                                         \
    {                                                    \
        key, ARRAY_COUNT(all_permission), all_permission \
    }

/* The standard's keys, as the schema spells them (enumAllowableActionsKey). */
static const struct cmis_permission_mapping mappings[] = {
    READS("canGetDescendents.Folder"),
    READS("canGetChildren.Folder"),
    READS("canGetParents.Folder"),
    READS("canGetFolderParent.Object"),
    WRITES("canCreateDocument.Folder"),
    WRITES("canCreateFolder.Folder"),
    WRITES("canCreatePolicy.Folder"),
    READS("canCreateRelationship.Source"),
    READS("canCreateRelationship.Target"),
    READS("canGetProperties.Object"),
    WRITES("canUpdateProperties.Object"),
    WRITES("canMove.Object"),
    WRITES("canMove.Target"),
    WRITES("canMove.Source"),
    WRITES("canDelete.Object"),
    READS("canViewContent.Object"),
    WRITES("canSetContent.Document"),
    WRITES("canDeleteContent.Document"),
    WRITES("canDeleteTree.Folder"),
    WRITES("canAddToFolder.Object"),
    WRITES("canAddToFolder.Folder"),
    WRITES("canRemoveFromFolder.Object"),
    WRITES("canRemoveFromFolder.Folder"),
    WRITES("canCheckout.Document"),
    WRITES("canCancelCheckout.Document"),
    WRITES("canCheckin.Document"),
    READS("canGetAllVersions.VersionSeries"),
    READS("canGetObjectRelationships.Object"),
    WRITES("canAddPolicy.Object"),
    READS("canAddPolicy.Policy"),
    WRITES("canRemovePolicy.Object"),
    READS("canRemovePolicy.Policy"),
    READS("canGetAppliedPolicies.Object"),
    READS("canGetACL.Object"),
    ALL("canApplyACL.Object"),
};

static const struct cmis_repository_info repository = {
    .id = CMIS_REPOSITORY_ID,
    .name = "Coffer",
    .description = "One client's documents, protected by Coffer",
    .vendor = "Coffer",
    .product = "Coffer document server",
    .product_version = "0.1.0",
    .root_folder_id = CMIS_ROOT_ID,
    .version_supported = "1.1",
    .changes_incomplete = true, /* older ones are dropped after a time */
    .changes_on_type = {base_ids, ARRAY_COUNT(base_ids)},
    .principal_anonymous = "anonymous",
    .principal_anyone = "anyone",
    .acl = "manage",
    .changes = "objectidsonly",
    .content_stream_updates = "anytime",
    .join = "innerandouter",
    .order_by = "custom",
    .query = "bothcombined",
    .renditions = "read",
    .all_versions_searchable = true,
    .get_descendants = true,
    .get_folder_tree = true,
    .multifiling = true,
    .pwc_searchable = false,
    .pwc_updatable = true,
    .unfiling = true,
    .version_specific_filing = false,
    .creatable_types = {true, true, true, true, true, true, true, true},
    .new_type_settable =
        {
            .id = true,
            .local_name = true,
            .local_namespace = true,
            .display_name = true,
            .query_name = true,
            .description = true,
            .creatable = true,
            .queryable = true,
            .fulltext_indexed = true,
            .in_supertype_query = true,
        },
    .supported_permissions = "basic",
    .propagation = "propagate",
    .permission_count = ARRAY_COUNT(permission_list),
    .permissions = permission_list,
    .mapping_count = ARRAY_COUNT(mappings),
    .mappings = mappings,
};

int change_ends(struct cmis_call *cmis, int64_t *ret_first, int64_t *ret_last)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(cmis->store, STMT_CHANGE_ENDS, "");
    if (!stmt || store_step(cmis->store, stmt) != 1)
        return cmis_fail_errno(cmis, -EIO);
    *ret_first = sqlite3_column_int64(stmt, 0);
    *ret_last = sqlite3_column_int64(stmt, 1);
    return 0;
}

int cmis_getRepositoryInfo(struct cmis_call *cmis)
{
    int64_t first = 0, last = 0;
    struct cmis_repository_info *info = call_alloc(cmis, sizeof *info);
    if (!info || change_ends(cmis, &first, &last) < 0)
        return -1;
    *info = repository;
    info->thin_client_uri = cmis->home;
    info->latest_change_token = call_printf(cmis, "%lld", (long long)last);
    cmis->result.repository = info;
    return info->latest_change_token ? 0 : -1;
}

int cmis_getRepositories(struct cmis_call *cmis)
{
    return cmis_getRepositoryInfo(cmis);
}
