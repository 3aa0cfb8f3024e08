/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: access entries of an object and of the folders above it. An object that is in no
 * folder inherits from the root. Administrators may do everything. */
#include "dms/cmis/model.h"
#include "dms/store_group.h"

#include <errno.h>

#define ANONYMOUS "anonymous" /* nobody signs in so; what it is given waits for somebody who does */
#define ME "cmis:user"        /* in a request: whoever asks */

static const char *const permissions[] = {"cmis:read", "cmis:write", "cmis:all"};

static unsigned bits_of(const char *permission)
{
    if (strcmp(permission, permissions[2]) == 0)
        return RIGHT_READ | RIGHT_WRITE | RIGHT_ALL;
    if (strcmp(permission, permissions[1]) == 0)
        return RIGHT_READ | RIGHT_WRITE;
    return strcmp(permission, permissions[0]) == 0 ? RIGHT_READ : 0;
}

/* What the entries of the user, its groups and anyone give at this node alone. */
static unsigned own_rights(struct store *store, const char *user, int64_t key)
{
    unsigned rights = 0;
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_ACE_OF_USER, "is", key, user);
    while (stmt && store_step(store, stmt) == 1) {
        const char *permission = (const char *)sqlite3_column_text(stmt, 0);
        rights |= permission ? bits_of(permission) : 0;
    }
    return rights;
}

static int64_t parent_key(const struct node *node)
{
    return node->key == STORE_ROOT ? 0 : node->parent > 0 ? node->parent : STORE_ROOT;
}

/* Up the folders until one does not inherit. What cannot be read gives nothing. */
static unsigned chain_rights(struct store *store, const char *user, const struct node *start)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = *start;
    unsigned rights = 0;
    for (int depth = 0; depth < STORE_DEPTH_MAX + 2; depth++) {
        if (node.acl != 0)
            rights |= own_rights(store, user, node.key);
        int64_t parent = node.acl == 2 ? 0 : parent_key(&node);
        if (parent == 0 || (rights & RIGHT_ALL))
            return rights;
        if (node_get(store, &arena, parent, &node) < 0)
            return 0;
    }
    return 0;
}

/* The folder asked for last is asked for again and again in a list. */
struct access_cache {
    int restricted; /* 0: not known yet, 1: yes, -1: no */
    int64_t folder;
    unsigned rights;
};

static bool is_restricted(struct store *store, const char *user)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_NODE_RESTRICTED, "");
    if (!stmt || store_step(store, stmt) != 0)
        return true;
    return (own_rights(store, user, STORE_ROOT) & RIGHT_ALL) == 0;
}

static struct access_cache *cache_of(struct cmis_call *cmis)
{
    if (!cmis->access)
        cmis->access = arena_alloc(cmis->arena, sizeof(struct access_cache));
    return cmis->access;
}

bool reads_all(struct cmis_call *cmis)
{
    struct access_cache *cache = cache_of(cmis);
    if (cmis->is_admin)
        return true;
    if (!cache)
        return false;
    if (cache->restricted == 0)
        cache->restricted = is_restricted(cmis->store, cmis->user) ? 1 : -1;
    return cache->restricted < 0;
}

unsigned rights_of(struct cmis_call *cmis, const struct node *node)
{
    if (reads_all(cmis))
        return RIGHT_READ | RIGHT_WRITE | RIGHT_ALL;
    struct access_cache *cache = cache_of(cmis);
    if (node->acl == 0 && cache && cache->folder == parent_key(node) && cache->folder > 0)
        return cache->rights;
    unsigned rights = chain_rights(cmis->store, cmis->user, node);
    if (node->acl == 0 && cache)
        *cache = (struct access_cache){cache->restricted, parent_key(node), rights};
    return rights;
}

int right_check(struct cmis_call *cmis, const struct row *row, enum right right)
{
    if (rights_of(cmis, &row->node) & (unsigned)right)
        return 0;
    return cmis_fail(cmis, CMIS_PERMISSION_DENIED, "You may not do this with '%.100s'.", row->name);
}

int access_check(struct store *store, const struct user *user, const struct node *node,
                 enum access_right right)
{
    if (user->role == ROLE_ADMIN)
        return 0;
    if (!is_restricted(store, user->name))
        return 0;
    unsigned rights = chain_rights(store, user->name, node);
    if (!(rights & RIGHT_READ))
        return -ENOENT;
    unsigned needed = right == ACCESS_READ    ? RIGHT_READ
                      : right == ACCESS_WRITE ? RIGHT_WRITE
                                              : RIGHT_ALL;
    return rights & needed ? 0 : -EACCES;
}

/* Lists */

static int ace_append(struct cmis_call *cmis, struct cmis_acl *acl, struct cmis_ace *aces,
                      const char *principal, const char *permission, bool direct)
{
    size_t at = 0;
    while (at < acl->count &&
           (aces[at].direct != direct || strcmp(aces[at].principal, principal) != 0))
        at++;
    if (at == CMIS_ACES_MAX)
        return 0; /* more than anybody reads; what counts is checked elsewhere */
    if (at == acl->count) {
        aces[at] = (struct cmis_ace){.principal = call_text(cmis, principal), .direct = direct};
        aces[at].permissions = call_alloc(cmis, ARRAY_COUNT(permissions) * sizeof(char *));
        if (!aces[at].principal || !aces[at].permissions)
            return -1;
        acl->count++;
    }
    const char **list = (const char **)(uintptr_t)aces[at].permissions;
    for (size_t i = 0; i < ARRAY_COUNT(permissions); i++)
        if (strcmp(permissions[i], permission) == 0 && aces[at].count < ARRAY_COUNT(permissions))
            list[aces[at].count++] = permissions[i];
    return 0;
}

static int aces_append(struct cmis_call *cmis, struct cmis_acl *acl, struct cmis_ace *aces,
                       int64_t key, bool direct)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(cmis->store, STMT_ACE_LIST, "i", key);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(cmis->store, stmt)) == 1)
        if ((r = ace_append(cmis, acl, aces, (const char *)sqlite3_column_text(stmt, 0),
                            (const char *)sqlite3_column_text(stmt, 1), direct)) < 0)
            return -1;
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

int acl_of(struct cmis_call *cmis, const struct node *start, struct cmis_acl *ret)
{
    struct cmis_ace *aces = call_alloc(cmis, CMIS_ACES_MAX * sizeof *aces);
    struct node node = *start;
    *ret = (struct cmis_acl){.aces = aces, .exact = true};
    if (!aces)
        return -1;
    for (int depth = 0; depth < STORE_DEPTH_MAX + 2; depth++) {
        if (node.acl != 0 && aces_append(cmis, ret, aces, node.key, depth == 0) < 0)
            return -1;
        int64_t parent = node.acl == 2 ? 0 : parent_key(&node);
        if (parent == 0)
            return 0;
        int r = node_get(cmis->store, cmis->arena, parent, &node);
        if (r < 0)
            return cmis_fail_errno(cmis, r);
    }
    return 0;
}

/* Changes */

static int principal_of(struct cmis_call *cmis, const char *sent, const char **ret)
{
    *ret = strcmp(sent, ME) == 0 ? cmis->user : sent;
    if (strcmp(*ret, ANONYMOUS) == 0)
        return 0;
    int r = principal_check(cmis->store, *ret);
    if (r == -ENOENT)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There is no user or group '%.70s'.", *ret);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int permission_check(struct cmis_call *cmis, const char *permission)
{
    return bits_of(permission)
               ? 0
               : cmis_fail(cmis, CMIS_CONSTRAINT, "There is no permission '%.60s'.", permission);
}

/* Whether an entry comes from above. */
static bool is_inherited(const struct cmis_acl *acl, const char *principal, const char *permission)
{
    for (size_t i = 0; i < acl->count; i++)
        for (size_t p = 0; p < acl->aces[i].count; p++)
            if (!acl->aces[i].direct && strcmp(acl->aces[i].principal, principal) == 0 &&
                strcmp(acl->aces[i].permissions[p], permission) == 0)
                return true;
    return false;
}

/* From now on the object's entries are its own: what it inherited is copied. */
static int inheritance_end(struct cmis_call *cmis, struct row *row, const struct cmis_acl *acl)
{
    for (size_t i = 0; i < acl->count; i++)
        for (size_t p = 0; p < acl->aces[i].count; p++)
            if (RUN(cmis, STMT_ACE_ADD, "iss", row->node.key, acl->aces[i].principal,
                    acl->aces[i].permissions[p]) < 0)
                return -1;
    row->node.acl = 2;
    return RUN(cmis, STMT_NODE_ACL, "ii", row->node.key, (int64_t)2);
}

static int ace_remove(struct cmis_call *cmis, struct row *row, const struct cmis_ace *ace)
{
    const char *principal;
    struct cmis_acl acl;
    if (principal_of(cmis, ace->principal, &principal) < 0)
        return -1;
    for (size_t p = 0; p < ace->count; p++) {
        if (permission_check(cmis, ace->permissions[p]) < 0 || acl_of(cmis, &row->node, &acl) < 0 ||
            (is_inherited(&acl, principal, ace->permissions[p]) &&
             inheritance_end(cmis, row, &acl) < 0) ||
            RUN(cmis, STMT_ACE_REMOVE, "iss", row->node.key, principal, ace->permissions[p]) < 0)
            return -1;
    }
    return 0;
}

static int ace_add(struct cmis_call *cmis, struct row *row, const struct cmis_ace *ace)
{
    const char *principal;
    if (principal_of(cmis, ace->principal, &principal) < 0)
        return -1;
    for (size_t p = 0; p < ace->count; p++)
        if (permission_check(cmis, ace->permissions[p]) < 0 ||
            RUN(cmis, STMT_ACE_ADD, "iss", row->node.key, principal, ace->permissions[p]) < 0)
            return -1;
    if (row->node.acl == 0) {
        row->node.acl = 1;
        return RUN(cmis, STMT_NODE_ACL, "ii", row->node.key, (int64_t)1);
    }
    return 0;
}

int acl_change(struct cmis_call *cmis, struct row *row, const struct cmis_acl *add,
               const struct cmis_acl *remove)
{
    if (add->count + remove->count == 0)
        return 0;
    if (!row->type->controllable_acl)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Objects of this type have no access list.");
    for (size_t i = 0; i < remove->count; i++)
        if (ace_remove(cmis, row, &remove->aces[i]) < 0)
            return -1;
    for (size_t i = 0; i < add->count; i++)
        if (ace_add(cmis, row, &add->aces[i]) < 0)
            return -1;
    cmis->access = NULL;
    return 0;
}

int cmis_getACL(struct cmis_call *cmis)
{
    struct row row;
    if (row_get(cmis, cmis->args.object_id, &row) < 0)
        return -1;
    return acl_of(cmis, &row.node, &cmis->result.acl);
}

int cmis_applyACL(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    struct actor actor = actor_of(cmis);
    struct row row;
    if (row_get(cmis, args->object_id, &row) < 0 || right_check(cmis, &row, RIGHT_ALL) < 0)
        return -1;
    if (args->acl_propagation == CMIS_PROPAGATION_OBJECT && row_base(&row) == CMIS_BASE_FOLDER)
        return cmis_fail(cmis, CMIS_CONSTRAINT,
                         "A folder's entries are inherited by what is in it: propagate.");
    if (acl_change(cmis, &row, &args->add_aces, &args->remove_aces) < 0)
        return -1;
    int r = change_add(cmis->store, &actor, row.node.key, row.number, CHANGE_SECURITY);
    return r < 0 ? cmis_fail_errno(cmis, r) : acl_of(cmis, &row.node, &cmis->result.acl);
}
