/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_acl.h"
#include "dms/store_group.h"
#include "dms/store_internal.h"

#include <errno.h>

/* As CMIS calls them, which is what is stored. */
#define PERMISSION_PREFIX "cmis:"

static const char *const permissions[] = {"cmis:read", "cmis:write", "cmis:all"};

static const char *permission_stored(const char *permission)
{
    for (size_t i = 0; i < ARRAY_COUNT(permissions); i++)
        if (strcmp(permissions[i] + strlen(PERMISSION_PREFIX), permission) == 0)
            return permissions[i];
    return NULL;
}

static int entries_walk(struct store *store, int64_t node, acl_fn *fn, void *arg)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_ACE_LIST, "i", node);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        const char *principal = (const char *)sqlite3_column_text(stmt, 0);
        const char *permission = (const char *)sqlite3_column_text(stmt, 1);
        if (!principal || !permission)
            return -ENOMEM;
        if (strncmp(permission, PERMISSION_PREFIX, strlen(PERMISSION_PREFIX)) == 0)
            permission += strlen(PERMISSION_PREFIX);
        r = fn(arg, &(struct acl_entry){principal, permission});
    }
    return r;
}

bool acl_inherits(const struct node *node)
{
    return node->acl != 2 && node->key != STORE_ROOT;
}

static int inherited_walk(struct store *store, const struct node *start, acl_fn *fn, void *arg)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = *start;
    int r = 0;
    for (int depth = 0; r == 0 && acl_inherits(&node) && depth < STORE_DEPTH_MAX + 2; depth++) {
        r = node_get(store, &arena, node.parent > 0 ? node.parent : STORE_ROOT, &node);
        if (r == 0 && node.acl != 0)
            r = entries_walk(store, node.key, fn, arg);
    }
    return r;
}

int acl_walk(struct store *store, const struct node *node, bool inherited, acl_fn *fn, void *arg)
{
    if (inherited)
        return inherited_walk(store, node, fn, arg);
    return node->acl == 0 ? 0 : entries_walk(store, node->key, fn, arg);
}

static int entry_add(struct store *store, int64_t node, const struct acl_entry *entry)
{
    const char *permission = permission_stored(entry->permission);
    if (!permission)
        return -EINVAL;
    int r = principal_check(store, entry->principal);
    if (r < 0)
        return r == -ENOENT ? -ENXIO : r;
    return store_run(store, STMT_ACE_ADD, "iss", node, entry->principal, permission);
}

int acl_set(struct store *store, const struct actor *actor, const struct node *node, bool inherits,
            const struct acl_entry *entries, size_t count)
{
    /* The root's entries always count, and it has nothing to inherit. */
    int64_t acl = node->key == STORE_ROOT ? 1 : !inherits ? 2 : count > 0;
    if (count > ACL_ENTRIES_MAX)
        return -EINVAL;
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_ACE_CLEAR, "i", node->key);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = entry_add(store, node->key, &entries[i]);
    if (r == 0)
        r = store_run(store, STMT_NODE_ACL, "ii", node->key, acl);
    if (r == 0)
        r = change_add(store, actor, node->key, node->version, CHANGE_SECURITY);
    return store_step_end(store, r);
}
