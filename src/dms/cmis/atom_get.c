/* SPDX-License-Identifier: Apache-2.0 */
/* What GET does to objects and lists of them. */
#include "dms/cmis/atom.h"
#include "dms/link.h"

#include <errno.h>

static void reply_entry(struct atom *atom, const struct cmis_object *object)
{
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    atom_put_entry(atom, &xml, object);
    atom_reply(atom, 200, ATOM_ENTRY, &body);
}

void atom_object_get(struct atom *atom)
{
    const char *version = atom_parameter(atom, "returnVersion");
    bool latest_major = version && strcmp(version, "latestmajor") == 0;
    const char *operation = "getObject";
    enum cmis_input id = CMIS_IN_OBJECT_ID;
    if (latest_major || (version && strcmp(version, "latest") == 0)) {
        operation = "getObjectOfLatestVersion";
        if (cmis_args_set_text(&atom->cmis, CMIS_IN_MAJOR, latest_major ? "true" : "false") < 0) {
            atom_fail(atom);
            return;
        }
    } else if (atom_parameter(atom, "path") && !atom_parameter(atom, "id")) {
        operation = "getObjectByPath";
        id = CMIS_INPUT_COUNT;
    }
    if (atom_run(atom, operation, id) == 0)
        reply_entry(atom, atom->cmis.result.object);
}

static void in_folder(struct atom *atom, const char *operation, const char *title, bool tree)
{
    if (atom_run(atom, operation, CMIS_IN_FOLDER_ID) < 0)
        return;
    const struct atom_feed feed = {
        .title = title,
        .type = tree ? ATOM_TREE : ATOM_FEED,
        .list = &atom->cmis.result.list,
        .place = {.segment_name = "cmisra:pathSegment"},
        .about = atom->cmis.args.folder_id,
        .collection = tree ? NULL : ATOM_ENTRY,
        .paged = !tree,
        .tree = tree,
    };
    atom_reply_feed(atom, 200, &feed);
}

void atom_children_get(struct atom *atom)
{
    in_folder(atom, "getChildren", "Children", false);
}

void atom_descendants_get(struct atom *atom)
{
    in_folder(atom, "getDescendants", "Descendants", true);
}

void atom_folder_tree_get(struct atom *atom)
{
    in_folder(atom, "getFolderTree", "Folder tree", true);
}

void atom_parents_get(struct atom *atom)
{
    if (atom_run(atom, "getObjectParents", CMIS_IN_OBJECT_ID) < 0)
        return;
    const struct atom_feed feed = {
        .title = "Parents",
        .type = ATOM_FEED,
        .list = &atom->cmis.result.list,
        .place = {.segment_name = "cmisra:relativePathSegment"},
        .about = atom->cmis.args.object_id,
    };
    atom_reply_feed(atom, 200, &feed);
}

void atom_parent_get(struct atom *atom)
{
    if (atom_run(atom, "getFolderParent", CMIS_IN_FOLDER_ID) == 0)
        reply_entry(atom, atom->cmis.result.object);
}

static void about_object(struct atom *atom, const char *operation, const char *title,
                         const char *collection, bool paged)
{
    if (atom_run(atom, operation, CMIS_IN_OBJECT_ID) < 0)
        return;
    const struct atom_feed feed = {
        .title = title,
        .type = ATOM_FEED,
        .list = &atom->cmis.result.list,
        .about = atom->cmis.args.object_id,
        .collection = collection,
        .paged = paged,
    };
    atom_reply_feed(atom, 200, &feed);
}

void atom_versions_get(struct atom *atom)
{
    about_object(atom, "getAllVersions", "Versions", NULL, false);
}

void atom_relationships_get(struct atom *atom)
{
    about_object(atom, "getObjectRelationships", "Relationships", ATOM_ENTRY, true);
}

/* With policyId: the entry of one that is applied. */
static void policy_get(struct atom *atom, const char *policy)
{
    const struct cmis_entries *list = &atom->cmis.result.list;
    for (size_t i = 0; i < list->count; i++) {
        const char *id = list->entries[i].object->facts.id;
        if (id && strcmp(id, policy) == 0) {
            reply_entry(atom, list->entries[i].object);
            return;
        }
    }
    (void)cmis_fail(&atom->cmis, CMIS_OBJECT_NOT_FOUND, "This policy is not applied to it.");
    atom_fail(atom);
}

void atom_policies_get(struct atom *atom)
{
    const char *policy = atom_parameter(atom, "policyId");
    if (atom_run(atom, "getAppliedPolicies", CMIS_IN_OBJECT_ID) < 0)
        return;
    if (policy) {
        policy_get(atom, policy);
        return;
    }
    const struct atom_feed feed = {
        .title = "Policies",
        .type = ATOM_FEED,
        .list = &atom->cmis.result.list,
        .place = {.policies_of = atom->cmis.args.object_id},
        .about = atom->cmis.args.object_id,
        .collection = ATOM_ENTRY,
    };
    atom_reply_feed(atom, 200, &feed);
}

static void document_open(struct xml *xml)
{
    xml_put_namespaces(xml, 1u << XML_NS_CMIS);
}

void atom_acl_get(struct atom *atom)
{
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    if (atom_run(atom, "getACL", CMIS_IN_OBJECT_ID) < 0)
        return;
    const struct cmis_acl *acl = &atom->cmis.result.acl;
    xml_declaration(&xml);
    xml_open(&xml, "cmis:acl");
    document_open(&xml);
    xml_put_aces(&xml, acl);
    xml_close(&xml, "cmis:acl");
    atom_reply(atom, 200, ATOM_ACL, &body);
}

void atom_actions_get(struct atom *atom)
{
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    if (atom_run(atom, "getAllowableActions", CMIS_IN_OBJECT_ID) < 0)
        return;
    xml_declaration(&xml);
    xml_open(&xml, "cmis:allowableActions");
    document_open(&xml);
    xml_put_each_action(&xml, atom->cmis.result.actions);
    xml_close(&xml, "cmis:allowableActions");
    atom_reply(atom, 200, ATOM_ACTIONS, &body);
}

void atom_checked_out_get(struct atom *atom)
{
    if (atom_run(atom, "getCheckedOutDocs", CMIS_IN_FOLDER_ID) < 0)
        return;
    const struct atom_feed feed = {
        .title = "Checked out",
        .type = ATOM_FEED,
        .list = &atom->cmis.result.list,
        .collection = ATOM_ENTRY,
        .paged = true,
    };
    atom_reply_feed(atom, 200, &feed);
}

/* CMIS has no operation that lists what is unfiled: it is where such objects are posted. */
void atom_unfiled_get(struct atom *atom)
{
    static const struct cmis_entries none = {.total = 0};
    const struct atom_feed feed = {
        .title = "Unfiled", .type = ATOM_FEED, .list = &none, .collection = ATOM_ENTRY};
    atom_reply_feed(atom, 200, &feed);
}

void atom_query_get(struct atom *atom)
{
    const char *statement = atom_parameter(atom, "q");
    if (statement && cmis_args_set_text(&atom->cmis, CMIS_IN_STATEMENT, statement) < 0) {
        atom_fail(atom);
        return;
    }
    if (atom_run(atom, "query", CMIS_INPUT_COUNT) < 0)
        return;
    const struct atom_feed feed = {
        .title = "Query", .type = ATOM_FEED, .list = &atom->cmis.result.list, .paged = true};
    atom_reply_feed(atom, 200, &feed);
}

void atom_changes_get(struct atom *atom)
{
    if (atom_run(atom, "getContentChanges", CMIS_INPUT_COUNT) < 0)
        return;
    const struct atom_feed feed = {
        .title = "Changes",
        .type = ATOM_FEED,
        .list = &atom->cmis.result.list,
        .next_token = atom->cmis.result.change_log_token,
    };
    atom_reply_feed(atom, 200, &feed);
}
