/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting. Documents, folders and items go to the trash, where the REST interface finds them; a
 * single version, a relationship and a policy are gone at once. */
#include "dms/cmis/model.h"
#include "dms/store_hold.h"

#include <errno.h>

static int trashed(struct cmis_call *cmis, const struct row *row)
{
    struct actor actor = actor_of(cmis);
    int r = trash_put(cmis->store, &actor, &row->node);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int dropped(struct cmis_call *cmis, const struct row *row)
{
    struct actor actor = actor_of(cmis);
    int r = change_add(cmis->store, &actor, row->node.key, 0, CHANGE_DELETED);
    if (r == 0)
        r = node_drop(cmis->store, row->node.key);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int64_t newest_number(struct cmis_call *cmis, int64_t key)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_OBJECT_NUMBER, "i", key);
    return stmt && store_step(cmis->store, stmt) == 1 ? sqlite3_column_int64(stmt, 0) : 0;
}

/* One version's row, content and properties. The number is not used again. */
int version_drop(struct cmis_call *cmis, const struct row *row)
{
    struct actor actor = actor_of(cmis);
    int64_t key = row->node.key;
    int r = row->is_pwc ? 0 : hold_check(cmis->store, key, cmis->now_ms, NULL);
    if (r == 0)
        r = content_ref(cmis->store, row->content, -1);
    if (r == 0)
        r = store_run(cmis->store, STMT_VALUE_VERSION_CLEAR, "ii", key, row->number);
    if (r == 0)
        r = store_run(cmis->store, STMT_VERSION_REMOVE, "ii", key, row->number);
    if (r == 0)
        r = store_run(cmis->store, STMT_NODE_NUMBERS, "ii", key, row->number);
    if (r == 0)
        r = change_add(cmis->store, &actor, key, row->number, CHANGE_DELETED);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

/* The document's own row says what this version is. */
int version_promote(struct cmis_call *cmis, const struct row *old, const struct row *row)
{
    struct store *store = cmis->store;
    struct node node = old->node;
    int r = search_remove(store, &node);
    if (r == 0)
        r = store_run(store, STMT_NODE_LATEST, "iisisiis", node.key, row->number, row->name,
                      row->modified_ms, row->modified_by, row->content, row->size, row->mime);
    node.name = (char *)(uintptr_t)row->name;
    node.content = row->content;
    node.type = (char *)(uintptr_t)row->mime;
    if (r == 0 && node.key <= store->indexed)
        r = extract_update(store, &node);
    if (r == 0)
        r = search_add(store, &node);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int version_delete(struct cmis_call *cmis, const struct row *row)
{
    struct row next;
    if (row->node.checked_out)
        return cmis_fail(cmis, CMIS_VERSIONING, "The document is checked out.");
    if (version_drop(cmis, row) < 0)
        return -1;
    int64_t newest = newest_number(cmis, row->node.key);
    if (newest == 0 || !row->is_latest)
        return 0;
    if (row_version(cmis, row->node.key, newest, &next) < 0)
        return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
    return version_promote(cmis, row, &next);
}

static bool has_other_version(struct cmis_call *cmis, const struct row *row)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt =
        store_query(cmis->store, STMT_VERSION_OTHER, "ii", row->node.key, row->number);
    return !stmt || store_step(cmis->store, stmt) != 0;
}

static int document_delete(struct cmis_call *cmis, struct row *row, bool all)
{
    if (row->is_pwc)
        return checkout_cancel(cmis, row);
    if (!all && has_other_version(cmis, row))
        return version_delete(cmis, row);
    if (row->node.checked_out) {
        struct row pwc;
        if (row_version(cmis, row->node.key, row->node.checked_out, &pwc) < 0 ||
            checkout_cancel(cmis, &pwc) < 0)
            return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
        row->node.checked_out = 0;
    }
    return trashed(cmis, row);
}

static bool has_children(struct cmis_call *cmis, int64_t folder)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(cmis->store, STMT_NODE_ANY, "i", folder);
    return !stmt || store_step(cmis->store, stmt) != 0;
}

static int folder_delete(struct cmis_call *cmis, const struct row *row)
{
    if (row->node.key == STORE_ROOT)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "The root folder cannot be deleted.");
    if (has_children(cmis, row->node.key))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "The folder is not empty.");
    return trashed(cmis, row);
}

int cmis_deleteObject(struct cmis_call *cmis)
{
    struct row row;
    if (row_get(cmis, cmis->args.object_id, &row) < 0 || right_check(cmis, &row, RIGHT_WRITE) < 0)
        return -1;
    switch (row_base(&row)) {
    case CMIS_BASE_DOCUMENT:
        return document_delete(cmis, &row, cmis->args.all_versions);
    case CMIS_BASE_FOLDER:
        return folder_delete(cmis, &row);
    case CMIS_BASE_ITEM:
        return trashed(cmis, &row);
    case CMIS_BASE_POLICY:
        if (policy_is_applied(cmis, row.node.key))
            return cmis_fail(cmis, CMIS_CONSTRAINT,
                             "The policy is applied; take it away from its objects first.");
        break;
    case CMIS_BASE_RELATIONSHIP:
    case CMIS_BASE_SECONDARY:
    case CMIS_BASE_COUNT:
        break;
    }
    return dropped(cmis, &row);
}

/* Trees */

struct deletion {
    struct cmis_call *cmis;
    const char **failed;
    size_t failed_count;
    bool go_on;
};

static int fail_note(struct deletion *deletion, const struct row *row)
{
    struct cmis_call *cmis = deletion->cmis;
    const char *id = row_id(cmis, row);
    if (!id)
        return -1;
    if (deletion->failed_count < CMIS_IDS_MAX)
        deletion->failed[deletion->failed_count++] = id;
    return 0;
}

/* The keys of what a folder holds or has filed, in the arena. */
static int keys_below(struct cmis_call *cmis, int64_t folder, int64_t **ret, size_t *ret_count)
{
    SCOPED(buf_done) struct buf keys = {0};
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(cmis->store, STMT_NODE_KEYS, "i", folder);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(cmis->store, stmt)) == 1) {
        int64_t key = sqlite3_column_int64(stmt, 0);
        r = buf_append(&keys, &key, sizeof key);
    }
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    *ret = call_alloc(cmis, MAX(keys.size, (size_t)1));
    if (!*ret)
        return -1;
    if (keys.size > 0)
        memcpy(*ret, keys.bytes, keys.size);
    *ret_count = keys.size / sizeof **ret;
    return 0;
}

bool row_kept(struct cmis_call *cmis, int64_t key)
{
    return hold_check(cmis->store, key, cmis->now_ms, NULL) != 0;
}

static bool may_go(struct cmis_call *cmis, const struct row *row)
{
    const struct node *node = &row->node;
    bool others = node->checked_out && !cmis->is_admin && node->checked_out_by &&
                  strcmp(node->checked_out_by, cmis->user) != 0;
    return !others && (rights_of(cmis, node) & RIGHT_WRITE) != 0;
}

/* Something that is no folder, found in `folder`. 1 if it stays. */
static int leaf_go(struct deletion *deletion, struct row *row, int64_t folder)
{
    struct cmis_call *cmis = deletion->cmis;
    int unfile = cmis->args.unfile_objects;
    int64_t *parents;
    size_t count;
    if (!may_go(cmis, row))
        return fail_note(deletion, row) < 0 ? -1 : 1;
    if (row_parents(cmis, row, &parents, &count) < 0)
        return -1;
    if (unfile == CMIS_UNFILE || (unfile == CMIS_DELETE_SINGLE_FILED && count > 1))
        return filing_remove(cmis, row, folder);
    if (row_kept(cmis, row->node.key))
        return fail_note(deletion, row) < 0 ? -1 : 1;
    if (row->node.kind == NODE_DOCUMENT) {
        if (row->is_pwc) /* it has no version yet */
            return checkout_cancel(cmis, row);
        return document_delete(cmis, row, true);
    }
    return trashed(cmis, row);
}

/* What is in a folder, then the folder if nothing stayed. 1 if something did. */
static int tree_go(struct deletion *deletion, struct row *folder, int depth)
{
    struct cmis_call *cmis = deletion->cmis;
    int64_t *keys = NULL;
    size_t count = 0;
    bool stays = false;
    if (depth > STORE_DEPTH_MAX + 1 || keys_below(cmis, folder->node.key, &keys, &count) < 0)
        return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
    for (size_t i = 0; i < count && (deletion->go_on || deletion->failed_count == 0); i++) {
        struct row row;
        if (row_by_key(cmis, keys[i], &row) < 0)
            return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
        int r = row.node.kind == NODE_FOLDER ? tree_go(deletion, &row, depth + 1)
                                             : leaf_go(deletion, &row, folder->node.key);
        if (r < 0)
            return -1;
        stays = stays || r > 0;
    }
    if (stays || (deletion->failed_count > 0 && !deletion->go_on) || !may_go(cmis, folder))
        return fail_note(deletion, folder) < 0 ? -1 : 1;
    return trashed(cmis, folder);
}

/* The common case: all of it may go and nothing is filed, checked out or to be kept there, so it goes
 * into the trash as one, and comes back as one. */
static bool is_plain(struct cmis_call *cmis, int64_t folder)
{
    if (!reads_all(cmis) || cmis->args.unfile_objects != CMIS_DELETE || row_kept(cmis, folder))
        return false;
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(cmis->store, STMT_TREE_ODD, "i", folder);
    return stmt && store_step(cmis->store, stmt) == 0;
}

int cmis_deleteTree(struct cmis_call *cmis)
{
    struct deletion deletion = {.cmis = cmis, .go_on = cmis->args.continue_on_failure};
    struct row folder;
    if (row_get_base(cmis, cmis->args.folder_id, CMIS_BASE_FOLDER, &folder) < 0 ||
        right_check(cmis, &folder, RIGHT_WRITE) < 0)
        return -1;
    if (folder.node.key == STORE_ROOT)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "The root folder cannot be deleted.");
    if (is_plain(cmis, folder.node.key))
        return trashed(cmis, &folder);
    deletion.failed = call_alloc(cmis, CMIS_IDS_MAX * sizeof *deletion.failed);
    if (!deletion.failed || tree_go(&deletion, &folder, 0) < 0)
        return -1;
    cmis->result.failed = (struct cmis_ids){deletion.failed, deletion.failed_count};
    return 0;
}
