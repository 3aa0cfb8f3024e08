/* SPDX-License-Identifier: Apache-2.0 */
/* The service document: the repository, its collections, and the templates of addresses. */
#include "dms/cmis/atom.h"

static void put_collection(struct xml *xml, const char *type, const char *title, const char *href,
                           const char *accept)
{
    xml_open(xml, "app:collection");
    xml_put_attribute(xml, "href", href);
    xml_put(xml, "atom:title", title);
    xml_put(xml, "app:accept", accept);
    xml_put(xml, "cmisra:collectionType", type);
    xml_close(xml, "app:collection");
}

static void put_collections(struct atom *atom, struct xml *xml, const char *root_id)
{
    put_collection(xml, "root", "Root folder", atom_href(atom, "children", "id", root_id, ATOM_END),
                   ATOM_ENTRY);
    put_collection(xml, "types", "Types", atom_href(atom, "types", ATOM_END),
                   atom->version == CMIS_1_0 ? "" : ATOM_ENTRY);
    put_collection(xml, "query", "Query", atom_href(atom, "query", ATOM_END), ATOM_QUERY);
    put_collection(xml, "checkedout", "Checked out", atom_href(atom, "checkedout", ATOM_END),
                   ATOM_ENTRY);
    put_collection(xml, "unfiled", "Unfiled", atom_href(atom, "unfiled", ATOM_END), ATOM_ENTRY);
    if (atom->version != CMIS_1_0)
        put_collection(xml, "update", "Bulk update", atom_href(atom, "update", ATOM_END),
                       ATOM_ENTRY);
}

static void put_template(struct atom *atom, struct xml *xml, const char *type, const char *media,
                         const char *rest)
{
    xml_open(xml, "cmisra:uritemplate");
    xml_open(xml, "cmisra:template");
    xml_put_text(xml, atom->root);
    xml_put_text(xml, rest);
    xml_close(xml, "cmisra:template");
    xml_put(xml, "cmisra:type", type);
    xml_put(xml, "cmisra:mediatype", media);
    xml_close(xml, "cmisra:uritemplate");
}

#define INCLUDES                                                               \
    "&includeAllowableActions={includeAllowableActions}&includeRelationships=" \
    "{includeRelationships}"

static void put_templates(struct atom *atom, struct xml *xml)
{
    static const char object[] =
        "&filter={filter}" INCLUDES "&includePolicyIds={includePolicyIds}&includeACL={includeACL}"
        "&renditionFilter={renditionFilter}";
    const char *by_id =
        arena_printf(atom->cmis.arena, "/entry?id={id}%s%s", object,
                     atom->version == CMIS_1_0 ? "" : "&returnVersion={returnVersion}");
    const char *by_path = arena_printf(atom->cmis.arena, "/entry?path={path}%s", object);
    put_template(atom, xml, "objectbyid", ATOM_ENTRY, by_id ? by_id : "");
    put_template(atom, xml, "objectbypath", ATOM_ENTRY, by_path ? by_path : "");
    put_template(atom, xml, "typebyid", ATOM_ENTRY, "/type?id={id}");
    put_template(atom, xml, "query", ATOM_FEED,
                 "/query?q={q}&searchAllVersions={searchAllVersions}" INCLUDES
                 "&maxItems={maxItems}&skipCount={skipCount}&renditionFilter={renditionFilter}");
}

static void put_workspace(struct atom *atom, struct xml *xml,
                          const struct cmis_repository_info *info)
{
    const char *root = info->root_folder_id;
    xml_open(xml, "app:workspace");
    xml_put(xml, "atom:title", info->name);
    put_collections(atom, xml, root);
    if (info->get_descendants)
        atom_put_link(atom, xml, ATOM_LINK("rootdescendants"), ATOM_TREE, "descendants", "id", root,
                      ATOM_END);
    if (info->get_folder_tree)
        atom_put_link(atom, xml, ATOM_LINK("foldertree"), ATOM_TREE, "foldertree", "id", root,
                      ATOM_END);
    atom_put_link(atom, xml, ATOM_LINK("typedescendants"), ATOM_TREE, "typedescendants", ATOM_END);
    if (strcmp(info->changes, "none") != 0)
        atom_put_link(atom, xml, ATOM_LINK("changes"), ATOM_FEED, "changes", ATOM_END);
    xml_put_repository(xml, "cmisra:repositoryInfo", info, atom->version);
    put_templates(atom, xml);
    xml_close(xml, "app:workspace");
}

void atom_service_get(struct atom *atom)
{
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    if (atom_run(atom, "getRepositoryInfo", CMIS_INPUT_COUNT) < 0)
        return;
    const char *wanted = atom_parameter(atom, "repositoryId");
    if (wanted && *wanted && strcmp(wanted, CMIS_REPOSITORY_ID) != 0) {
        (void)cmis_fail(&atom->cmis, CMIS_OBJECT_NOT_FOUND, "There is no such repository.");
        atom_fail(atom);
        return;
    }
    xml_declaration(&xml);
    atom_open(&xml, "app:service");
    put_workspace(atom, &xml, atom->cmis.result.repository);
    xml_close(&xml, "app:service");
    atom_reply(atom, 200, ATOM_SERVICE, &body);
}
