/* SPDX-License-Identifier: Apache-2.0 */
/* What POST does to collections (CMIS 1.1, 3.8 to 3.10). */
#include "dms/cmis/atom.h"
#include "dms/cmis/binding.h"
#include "dms/link.h"

#include <errno.h>

/* Gives one of the operation's texts, unless the text is NULL. */
static int give(struct atom *atom, enum cmis_input input, const char *text)
{
    return text ? cmis_args_set_text(&atom->cmis, input, text) : 0;
}

/* What an entry says of which object it is about; NULL: nothing. */
static const char *entry_id(struct atom *atom)
{
    return xml_property_text(&atom->cmis, "cmis:objectId");
}

/* Puts a property in front that the entry did not have. */
static int property_add(struct atom *atom, const char *id, enum cmis_property_type type,
                        const char *value)
{
    struct cmis_call *cmis = &atom->cmis;
    size_t count = cmis->args.properties.count;
    struct cmis_input_property *items = arena_alloc(cmis->arena, (count + 1) * sizeof *items);
    const char **values = arena_alloc(cmis->arena, sizeof *values);
    if (!items || !values)
        return cmis_fail_errno(cmis, -ENOMEM);
    values[0] = value;
    if (count > 0)
        memcpy(items + 1, cmis->args.properties.items, count * sizeof *items);
    items[0] = (struct cmis_input_property){id, type, 1, values};
    cmis->args.properties.items = items;
    cmis->args.properties.count = count + 1;
    cmis_args_mark(cmis, CMIS_IN_PROPERTIES);
    return 0;
}

/* cmis:name wins, then the entry's title, then what Slug asks for. */
static int name_find(struct atom *atom)
{
    const char *title = xml_child_text(xml_reader_root(atom->reader), XML_NS_ATOM, "title");
    struct slice slug = http_request_header(atom->call->req, "Slug");
    char *decoded;
    if (xml_property_text(&atom->cmis, "cmis:name"))
        return 0;
    if (title && *title)
        return property_add(atom, "cmis:name", CMIS_STRING, title);
    if (slug.size > 0 && http_decode(atom->cmis.arena, slug, false, &decoded) == 0)
        return property_add(atom, "cmis:name", CMIS_STRING, decoded);
    return 0;
}

/* Creates what the entry describes and answers with it. */
static void create(struct atom *atom, const char *operation, enum cmis_input id)
{
    if (atom_run(atom, operation, id) == 0)
        atom_reply_object(atom, 201, atom->cmis.result.object_id);
}

static int base_of_type(struct atom *atom, const char *type_id, enum cmis_base *ret_base)
{
    struct cmis_call other = atom->cmis;
    other.args = (struct cmis_args){0};
    other.result = (struct cmis_result){0};
    int r = cmis_args_set_text(&other, CMIS_IN_REPOSITORY_ID, CMIS_REPOSITORY_ID);
    if (r == 0)
        r = cmis_args_set_text(&other, CMIS_IN_TYPE_ID, type_id);
    if (r == 0)
        r = cmis_run(&other, cmis_operation_named("getTypeDefinition"));
    if (r == 0)
        *ret_base = other.result.type->base;
    else
        (void)cmis_fail(&atom->cmis, CMIS_INVALID_ARGUMENT, "There is no type '%.100s'.", type_id);
    return r;
}

static void created_in_folder(struct atom *atom)
{
    static const char *const operations[CMIS_BASE_COUNT] = {
        [CMIS_BASE_DOCUMENT] = "createDocument",
        [CMIS_BASE_FOLDER] = "createFolder",
        [CMIS_BASE_RELATIONSHIP] = "createRelationship",
        [CMIS_BASE_POLICY] = "createPolicy",
        [CMIS_BASE_ITEM] = "createItem",
    };
    const char *source = atom_parameter(atom, "sourceId");
    const char *type_id = xml_property_text(&atom->cmis, "cmis:objectTypeId");
    enum cmis_base base = CMIS_BASE_SECONDARY;
    if (source) {
        create(atom, "createDocumentFromSource", CMIS_IN_FOLDER_ID);
        return;
    }
    int r = type_id ? base_of_type(atom, type_id, &base)
                    : cmis_fail(&atom->cmis, CMIS_INVALID_ARGUMENT,
                                "The entry needs cmis:objectTypeId, or cmis:objectId.");
    if (r == 0 && base == CMIS_BASE_SECONDARY)
        r = cmis_fail(&atom->cmis, CMIS_CONSTRAINT, "No object has a secondary type alone.");
    if (r == 0 && base != CMIS_BASE_DOCUMENT && cmis_args_has(&atom->cmis, CMIS_IN_CONTENT_STREAM))
        r = cmis_fail(&atom->cmis, CMIS_CONSTRAINT,
                      "Objects of type '%.100s' have no content: it would be lost.", type_id);
    if (r < 0)
        atom_fail(atom);
    else
        create(atom, operations[base], CMIS_IN_FOLDER_ID);
}

/* An entry with an id is there already: it is moved, or filed here too. */
static void file(struct atom *atom, const char *id)
{
    const char *source = atom_parameter(atom, "sourceFolderId");
    const char *folder = atom_parameter(atom, "id");
    const char *copy = arena_text(atom->cmis.arena, slice_of_text(id));
    bool moves = source && *source;
    atom_again(atom);
    if (!copy || give(atom, CMIS_IN_OBJECT_ID, copy) < 0 ||
        give(atom, moves ? CMIS_IN_TARGET_FOLDER_ID : CMIS_IN_FOLDER_ID, folder) < 0)
        atom_fail(atom);
    else if (atom_run(atom, moves ? "moveObject" : "addObjectToFolder", CMIS_INPUT_COUNT) == 0)
        atom_reply_object(atom, 201, moves ? atom->cmis.result.object_id : copy);
}

void atom_children_post(struct atom *atom)
{
    int r = atom_take_object(atom);
    const char *id = r == 0 ? entry_id(atom) : NULL;
    if (r == 0 && !id)
        r = name_find(atom);
    if (r < 0)
        atom_fail(atom);
    else if (id)
        file(atom, id);
    else
        atom_with_content(atom, created_in_folder);
}

void atom_relationships_post(struct atom *atom)
{
    if (atom_take_object(atom) < 0 || name_find(atom) < 0)
        atom_fail(atom);
    else
        create(atom, "createRelationship", CMIS_INPUT_COUNT);
}

static const char *object_of_entry(struct atom *atom)
{
    if (atom_take_object(atom) < 0)
        return NULL;
    if (!entry_id(atom))
        (void)cmis_fail(&atom->cmis, CMIS_INVALID_ARGUMENT, "The entry needs cmis:objectId.");
    return entry_id(atom);
}

void atom_policies_post(struct atom *atom)
{
    const char *policy = object_of_entry(atom);
    atom_again(atom);
    if (!policy || give(atom, CMIS_IN_POLICY_ID, policy) < 0) {
        (void)cmis_fail(&atom->cmis, CMIS_INVALID_ARGUMENT, "The entry needs cmis:objectId.");
        atom_fail(atom);
    } else if (atom_run(atom, "applyPolicy", CMIS_IN_OBJECT_ID) == 0) {
        atom_reply_object(atom, 201, policy);
    }
}

void atom_checked_out_post(struct atom *atom)
{
    const char *id = object_of_entry(atom);
    if (!id) {
        atom_fail(atom);
        return;
    }
    atom_again(atom);
    if (give(atom, CMIS_IN_OBJECT_ID, id) < 0)
        atom_fail(atom);
    else if (atom_run(atom, "checkOut", CMIS_INPUT_COUNT) == 0)
        atom_reply_object(atom, 201, atom->cmis.result.object_id);
}

/* Takes an object out of one folder or of all, or creates one that is in none. */
void atom_unfiled_post(struct atom *atom)
{
    const char *folder = atom_parameter(atom, "removeFrom");
    if (!folder)
        folder = atom_parameter(atom, "folderId");
    if (atom_take_object(atom) < 0) {
        atom_fail(atom);
        return;
    }
    const char *id = entry_id(atom);
    if (!id) {
        if (name_find(atom) < 0)
            atom_fail(atom);
        else
            atom_with_content(atom, created_in_folder);
        return;
    }
    atom_again(atom);
    if (give(atom, CMIS_IN_OBJECT_ID, id) < 0 || give(atom, CMIS_IN_FOLDER_ID, folder) < 0)
        atom_fail(atom);
    else if (atom_run(atom, "removeObjectFromFolder", CMIS_INPUT_COUNT) == 0)
        atom_reply_object(atom, 201, id);
}

/* Queries */

static int query_take(struct atom *atom, const struct xml_node *query)
{
    const struct cmis_operation *operation = cmis_operation_named("query");
    for (size_t i = 0; i < operation->input_count; i++) {
        enum cmis_input input = operation->inputs[i].input;
        if (input != CMIS_IN_REPOSITORY_ID && input != CMIS_IN_EXTENSION &&
            give(atom, input, xml_child_text(query, XML_NS_CMIS, cmis_input_name(input))) < 0)
            return -1;
    }
    return 0;
}

/* The same query as an address, for the other pages. */
static const char *query_href(struct atom *atom, const struct xml_node *query)
{
    const char *href = atom_href(
        atom, "query", "q", atom->cmis.args.statement, "searchAllVersions",
        xml_child_text(query, XML_NS_CMIS, "searchAllVersions"), "includeAllowableActions",
        xml_child_text(query, XML_NS_CMIS, "includeAllowableActions"), "includeRelationships",
        xml_child_text(query, XML_NS_CMIS, "includeRelationships"), "renditionFilter",
        xml_child_text(query, XML_NS_CMIS, "renditionFilter"), ATOM_END);
    return arena_text(atom->cmis.arena, slice_of_text(href));
}

void atom_query_post(struct atom *atom)
{
    const struct xml_node *query = xml_reader_root(atom->reader);
    if (!xml_is(query, XML_NS_CMIS, "query")) {
        (void)cmis_fail(&atom->cmis, CMIS_INVALID_ARGUMENT, "This needs a query document.");
        atom_fail(atom);
        return;
    }
    if (binding_scope_check(atom->call, &atom->cmis, cmis_operation_named("query")) < 0 ||
        query_take(atom, query) < 0) {
        atom_fail(atom);
        return;
    }
    if (atom_run(atom, "query", CMIS_INPUT_COUNT) < 0)
        return;
    const struct atom_feed feed = {
        .title = "Query",
        .type = ATOM_FEED,
        .list = &atom->cmis.result.list,
        .self = query_href(atom, query),
        .paged = true,
    };
    if (feed.self) {
        http_response_header(atom->call->req, "Location", feed.self);
        http_response_header(atom->call->req, "Content-Location", feed.self);
    }
    atom_reply_feed(atom, 201, &feed);
}

/* Bulk update: the answer has an entry for each object that was updated. */

static int updated_get(struct atom *atom, const struct cmis_ids_and_tokens *updated,
                       struct cmis_entry *entries, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < updated->count; i++) {
        const char *id = updated->items[i].new_id ? updated->items[i].new_id : updated->items[i].id;
        atom_again(atom);
        if (give(atom, CMIS_IN_REPOSITORY_ID, CMIS_REPOSITORY_ID) == 0 &&
            give(atom, CMIS_IN_OBJECT_ID, id) == 0 &&
            cmis_run(&atom->cmis, cmis_operation_named("getObject")) == 0)
            entries[count++].object = atom->cmis.result.object;
    }
    *ret_count = count;
    return 0;
}

void atom_update_post(struct atom *atom)
{
    struct cmis_call *cmis = &atom->cmis;
    const struct xml_node *bulk =
        xml_child(xml_reader_root(atom->reader), XML_NS_CMISRA, "bulkUpdate");
    if (!bulk)
        (void)cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The entry needs cmisra:bulkUpdate.");
    if (!bulk || xml_take_bulk(cmis, bulk) < 0) {
        atom_fail(atom);
        return;
    }
    if (atom_run(atom, "bulkUpdateProperties", CMIS_INPUT_COUNT) < 0)
        return;
    struct cmis_ids_and_tokens updated = cmis->result.updated;
    struct cmis_entries *list = arena_alloc(cmis->arena, sizeof *list);
    struct cmis_entry *entries = arena_alloc(cmis->arena, (updated.count + 1) * sizeof *entries);
    if (!list || !entries || updated_get(atom, &updated, entries, &list->count) < 0) {
        call_problem_errno(atom->call, -ENOMEM);
        return;
    }
    list->entries = entries;
    list->total = (int64_t)list->count;
    const struct atom_feed feed = {.title = "Updated", .type = ATOM_FEED, .list = list};
    atom_reply_feed(atom, 201, &feed);
}
