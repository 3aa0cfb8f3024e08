/* SPDX-License-Identifier: Apache-2.0 */
/* Types as entries and feeds. */
#include "dms/cmis/atom.h"

#include <errno.h>

/* Which types a client of CMIS 1.0 may see. */
static bool is_shown(const struct atom *atom, const struct cmis_type *type)
{
    return atom->version != CMIS_1_0 ||
           (type->base != CMIS_BASE_ITEM && type->base != CMIS_BASE_SECONDARY);
}

static void put_links(struct atom *atom, struct xml *xml, const struct cmis_type *type)
{
    atom_put_link(atom, xml, "service", ATOM_SERVICE, NULL, "repositoryId", CMIS_REPOSITORY_ID,
                  ATOM_END);
    atom_put_link(atom, xml, "self", ATOM_ENTRY, "type", "id", type->id, ATOM_END);
    if (atom->version != CMIS_1_0)
        atom_put_link(atom, xml, "edit", ATOM_ENTRY, "type", "id", type->id, ATOM_END);
    atom_put_link(atom, xml, "describedby", ATOM_ENTRY, "type", "id", cmis_base_id(type->base),
                  ATOM_END);
    atom_put_link(atom, xml, "via", ATOM_ENTRY, "type", "id", cmis_base_id(type->base), ATOM_END);
    atom_put_link(atom, xml, "down", ATOM_FEED, "types", "id", type->id, ATOM_END);
    atom_put_link(atom, xml, "down", ATOM_TREE, "typedescendants", "id", type->id, ATOM_END);
    if (type->parent)
        atom_put_link(atom, xml, "up", ATOM_ENTRY, "type", "id", type->parent, ATOM_END);
}

struct type_view {
    bool with_properties, outermost;
};

static void put_type_tree(struct atom *atom, struct xml *xml, const struct cmis_type_tree *tree,
                          struct type_view view);

static void put_entry(struct atom *atom, struct xml *xml, const struct cmis_type *type,
                      const struct cmis_type_tree *tree, struct type_view view)
{
    if (view.outermost)
        atom_open(xml, "atom:entry");
    else
        xml_open(xml, "atom:entry");
    atom_put_person(xml, "Coffer");
    xml_put(xml, "atom:id", atom_href(atom, "type", "id", type->id, ATOM_END));
    xml_put(xml, "atom:title", type->display_name ? type->display_name : type->id);
    xml_put_date(xml, "atom:updated", atom->cmis.now_ms);
    xml_open(xml, "atom:content");
    xml_put_attribute(xml, "type", "text");
    xml_put_text(xml, type->description ? type->description : type->id);
    xml_close(xml, "atom:content");
    put_links(atom, xml, type);
    xml_put_type(xml, "cmisra:type", "cmisra:id", type, view.with_properties, atom->version);
    if (tree && tree->count > 0) {
        view.outermost = false;
        xml_open(xml, "cmisra:children");
        xml_open(xml, "atom:feed");
        atom_put_person(xml, "Coffer");
        xml_put(xml, "atom:id", atom_href(atom, "types", "id", type->id, ATOM_END));
        xml_put(xml, "atom:title", "Types");
        xml_put_date(xml, "atom:updated", atom->cmis.now_ms);
        put_type_tree(atom, xml, tree, view);
        xml_close(xml, "atom:feed");
        xml_close(xml, "cmisra:children");
    }
    xml_close(xml, "atom:entry");
}

static void put_type_tree(struct atom *atom, struct xml *xml, const struct cmis_type_tree *tree,
                          struct type_view view)
{
    for (size_t i = 0; i < tree->count; i++)
        if (is_shown(atom, tree->children[i].type))
            put_entry(atom, xml, tree->children[i].type, &tree->children[i], view);
}

static void reply_type(struct atom *atom, int status)
{
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    const struct cmis_type *type = atom->cmis.result.type;
    xml_declaration(&xml);
    put_entry(atom, &xml, type, NULL, (struct type_view){true, true});
    if (status == 201) {
        const char *href = atom_href(atom, "type", "id", type->id, ATOM_END);
        http_response_header(atom->call->req, "Location", href);
        http_response_header(atom->call->req, "Content-Location", href);
    }
    atom_reply(atom, status, ATOM_ENTRY, &body);
}

void atom_type_get(struct atom *atom)
{
    if (atom_run(atom, "getTypeDefinition", CMIS_IN_TYPE_ID) < 0)
        return;
    if (is_shown(atom, atom->cmis.result.type)) {
        reply_type(atom, 200);
    } else {
        (void)cmis_fail(&atom->cmis, CMIS_OBJECT_NOT_FOUND, "There is no such type in CMIS 1.0.");
        atom_fail(atom);
    }
}

/* Opens a feed of types below `parent` (NULL: the base types). 0 or answered. */
static int feed_open(struct atom *atom, struct xml *xml, const char *media)
{
    const char *self = atom_self(atom), *parent = atom->cmis.args.type_id;
    if (!self) {
        call_problem_errno(atom->call, -ENOMEM);
        return -ENOMEM;
    }
    xml_declaration(xml);
    atom_open(xml, "atom:feed");
    atom_put_person(xml, "Coffer");
    xml_put(xml, "atom:id", self);
    xml_put(xml, "atom:title", "Types");
    xml_put_date(xml, "atom:updated", atom->cmis.now_ms);
    atom_put_link(atom, xml, "service", ATOM_SERVICE, NULL, "repositoryId", CMIS_REPOSITORY_ID,
                  ATOM_END);
    atom_put_link_to(xml, "self", media, self);
    if (parent) {
        atom_put_link(atom, xml, "via", ATOM_ENTRY, "type", "id", parent, ATOM_END);
        atom_put_link(atom, xml, "describedby", ATOM_ENTRY, "type", "id", parent, ATOM_END);
    }
    if (strcmp(media, ATOM_FEED) == 0)
        atom_put_link(atom, xml, "down", ATOM_TREE, "typedescendants", "id", parent, ATOM_END);
    else
        atom_put_link(atom, xml, "down", ATOM_FEED, "types", "id", parent, ATOM_END);
    return 0;
}

void atom_types_get(struct atom *atom)
{
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    if (atom_run(atom, "getTypeChildren", CMIS_IN_TYPE_ID) < 0 ||
        feed_open(atom, &xml, ATOM_FEED) < 0) {
        buf_done(&body);
        return;
    }
    const struct cmis_result *result = &atom->cmis.result;
    const struct type_view view = {result->with_property_definitions, false};
    const char *self = atom_self(atom);
    atom_put_pages(atom, &xml, self ? self : "", result->types.more, result->types.total);
    xml_put_int(&xml, "cmisra:numItems", result->types.total);
    for (size_t i = 0; i < result->types.count; i++)
        if (is_shown(atom, result->types.types[i]))
            put_entry(atom, &xml, result->types.types[i], NULL, view);
    xml_close(&xml, "atom:feed");
    atom_reply(atom, 200, ATOM_FEED, &body);
}

void atom_type_tree_get(struct atom *atom)
{
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    if (atom_run(atom, "getTypeDescendants", CMIS_IN_TYPE_ID) < 0 ||
        feed_open(atom, &xml, ATOM_TREE) < 0) {
        buf_done(&body);
        return;
    }
    const struct type_view view = {atom->cmis.result.with_property_definitions, false};
    put_type_tree(atom, &xml, &atom->cmis.result.type_tree, view);
    xml_close(&xml, "atom:feed");
    atom_reply(atom, 200, ATOM_TREE, &body);
}

static int type_take(struct atom *atom)
{
    const struct xml_node *entry = xml_reader_root(atom->reader);
    const struct xml_node *type = xml_child(entry, XML_NS_CMISRA, "type");
    if (!xml_is(entry, XML_NS_ATOM, "entry") || !type)
        return cmis_fail(&atom->cmis, CMIS_INVALID_ARGUMENT,
                         "This needs an Atom entry with cmisra:type.");
    return xml_take_type(&atom->cmis, type);
}

static void type_write(struct atom *atom, const char *operation, int status)
{
    if (type_take(atom) < 0)
        atom_fail(atom);
    else if (atom_run(atom, operation, CMIS_INPUT_COUNT) == 0)
        reply_type(atom, status);
}

void atom_types_post(struct atom *atom)
{
    type_write(atom, "createType", 201);
}

void atom_type_put(struct atom *atom)
{
    type_write(atom, "updateType", 200);
}

void atom_type_delete(struct atom *atom)
{
    if (atom_run(atom, "deleteType", CMIS_IN_TYPE_ID) == 0)
        call_reply_empty(atom->call, 204);
}
