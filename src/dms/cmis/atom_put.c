/* SPDX-License-Identifier: Apache-2.0 */
/* What PUT (or PATCH) and DELETE do to objects, lists and ACLs. */
#include "dms/cmis/atom.h"

#include <errno.h>

/* An entry that was read and is sent back has what no client may set; that alone is no mistake. */
static bool is_never_set(const char *id)
{
    static const char *const ids[] = {"cmis:objectId", "cmis:baseTypeId", "cmis:changeToken"};
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++)
        if (strcmp(id, ids[i]) == 0)
            return true;
    return false;
}

static int properties_sift(struct atom *atom)
{
    struct cmis_call *cmis = &atom->cmis;
    size_t count = cmis->args.properties.count, kept = 0;
    struct cmis_input_property *items = arena_alloc(cmis->arena, (count + 1) * sizeof *items);
    if (!items)
        return cmis_fail_errno(cmis, -ENOMEM);
    for (size_t i = 0; i < count; i++)
        if (!is_never_set(cmis->args.properties.items[i].id))
            items[kept++] = cmis->args.properties.items[i];
    cmis->args.properties.items = items;
    cmis->args.properties.count = kept;
    return 0;
}

static void checked_in(struct atom *atom)
{
    if (atom_run(atom, "checkIn", CMIS_IN_OBJECT_ID) == 0)
        atom_reply_object(atom, 200, atom->cmis.result.object_id);
}

static int token_take(struct atom *atom)
{
    const char *token = xml_property_text(&atom->cmis, "cmis:changeToken");
    if (atom_parameter(atom, "changeToken") || !token || !*token)
        return 0;
    return cmis_args_set_text(&atom->cmis, CMIS_IN_CHANGE_TOKEN, token);
}

void atom_object_put(struct atom *atom)
{
    const char *checkin = atom_parameter(atom, "checkin");
    bool checks_in = checkin && strcmp(checkin, "true") == 0;
    int r = atom_take_object(atom);
    if (r == 0 && !checks_in)
        r = token_take(atom);
    if (r == 0)
        r = properties_sift(atom);
    if (r < 0)
        atom_fail(atom);
    else if (checks_in)
        atom_with_content(atom, checked_in);
    else if (atom_run(atom, "updateProperties", CMIS_IN_OBJECT_ID) == 0)
        atom_reply_object(atom, 200, atom->cmis.result.object_id);
}

/* ACLs: a document replaces the entries that are the object's own */

static bool has_permission(const struct cmis_ace *ace, const char *permission)
{
    for (size_t i = 0; i < ace->count; i++)
        if (strcmp(ace->permissions[i], permission) == 0)
            return true;
    return false;
}

static bool acl_allows(const struct cmis_acl *acl, const char *principal, const char *permission)
{
    for (size_t i = 0; i < acl->count; i++)
        if (acl->aces[i].direct && strcmp(acl->aces[i].principal, principal) == 0 &&
            has_permission(&acl->aces[i], permission))
            return true;
    return false;
}

/* What `from` allows directly and `but` does not. */
static int acl_minus(struct cmis_call *cmis, const struct cmis_acl *from,
                     const struct cmis_acl *but, struct cmis_acl *ret)
{
    struct cmis_ace *aces = arena_alloc(cmis->arena, (from->count + 1) * sizeof *aces);
    size_t count = 0;
    if (!aces)
        return cmis_fail_errno(cmis, -ENOMEM);
    for (size_t i = 0; i < from->count; i++) {
        const struct cmis_ace *ace = &from->aces[i];
        const char **permissions = arena_alloc(cmis->arena, (ace->count + 1) * sizeof *permissions);
        size_t kept = 0;
        if (!permissions)
            return cmis_fail_errno(cmis, -ENOMEM);
        for (size_t k = 0; k < ace->count && ace->direct; k++)
            if (!acl_allows(but, ace->principal, ace->permissions[k]))
                permissions[kept++] = ace->permissions[k];
        if (kept > 0)
            aces[count++] = (struct cmis_ace){ace->principal, kept, permissions, true};
    }
    *ret = (struct cmis_acl){.count = count, .aces = aces, .exact = true};
    return 0;
}

static int acl_differences(struct atom *atom, const struct cmis_acl *wanted)
{
    struct cmis_call *cmis = &atom->cmis;
    struct cmis_acl now = cmis->result.acl, add = {0}, remove = {0};
    if (acl_minus(cmis, wanted, &now, &add) < 0 || acl_minus(cmis, &now, wanted, &remove) < 0)
        return -1;
    atom_again(atom);
    cmis->args.add_aces = add;
    cmis->args.remove_aces = remove;
    if (add.count > 0)
        cmis_args_mark(cmis, CMIS_IN_ADD_ACES);
    if (remove.count > 0)
        cmis_args_mark(cmis, CMIS_IN_REMOVE_ACES);
    const char *propagation = atom_parameter(atom, "aclPropagation");
    return propagation ? cmis_args_set_text(cmis, CMIS_IN_ACL_PROPAGATION, propagation) : 0;
}

void atom_acl_put(struct atom *atom)
{
    struct cmis_call *cmis = &atom->cmis;
    const struct xml_node *root = xml_reader_root(atom->reader);
    if (!xml_is(root, XML_NS_CMIS, "acl")) {
        (void)cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "This needs an ACL document.");
        atom_fail(atom);
        return;
    }
    if (xml_take_acl(cmis, CMIS_IN_ADD_ACES, root) < 0 ||
        cmis_args_set_text(cmis, CMIS_IN_ONLY_BASIC_PERMISSIONS, "false") < 0) {
        atom_fail(atom);
        return;
    }
    struct cmis_acl wanted = cmis->args.add_aces;
    if (atom_run(atom, "getACL", CMIS_IN_OBJECT_ID) < 0)
        return;
    if (acl_differences(atom, &wanted) < 0) {
        atom_fail(atom);
        return;
    }
    if (atom_run(atom, "applyACL", CMIS_IN_OBJECT_ID) < 0)
        return;
    atom_again(atom);
    atom_acl_get(atom);
}

/* DELETE */

static void deleted(struct atom *atom, const char *operation, enum cmis_input id)
{
    if (atom_run(atom, operation, id) == 0)
        call_reply_empty(atom->call, 204);
}

/* Deleting a private working copy cancels the check-out. */
void atom_object_delete(struct atom *atom)
{
    if (atom_run(atom, "getObject", CMIS_IN_OBJECT_ID) < 0)
        return;
    bool is_working_copy = atom->cmis.result.object->facts.is_working_copy;
    atom_again(atom);
    deleted(atom, is_working_copy ? "cancelCheckOut" : "deleteObject", CMIS_IN_OBJECT_ID);
}

void atom_versions_delete(struct atom *atom)
{
    if (cmis_args_set_text(&atom->cmis, CMIS_IN_ALL_VERSIONS, "true") < 0)
        atom_fail(atom);
    else
        deleted(atom, "deleteObject", CMIS_IN_OBJECT_ID);
}

/* Clients ask the folder for what is left. */
void atom_tree_delete(struct atom *atom)
{
    if (atom_run(atom, "deleteTree", CMIS_IN_FOLDER_ID) < 0)
        return;
    if (atom->cmis.result.failed.count == 0) {
        call_reply_empty(atom->call, 204);
        return;
    }
    (void)cmis_fail(&atom->cmis, CMIS_RUNTIME, "%zu objects could not be deleted.",
                    atom->cmis.result.failed.count);
    atom_fail(atom);
}

void atom_policies_delete(struct atom *atom)
{
    deleted(atom, "removePolicy", CMIS_IN_OBJECT_ID);
}
