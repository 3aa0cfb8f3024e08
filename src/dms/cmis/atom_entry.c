/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of objects: what Atom wants of an entry, and every link that CMIS 1.1 (3.4.3) names for
 * the kind of object. */
#include "dms/cmis/atom.h"
#include "dms/link.h"

#include <errno.h>
#include <stdarg.h>

static const char *href_make(struct atom *atom, const char *resource, va_list pairs)
{
    struct buf *href = &atom->href;
    const char *name;
    char mark = '?';
    buf_clear(href);
    (void)buf_append_text(href, resource ? atom->root : atom->base);
    if (resource) {
        (void)buf_append_byte(href, '/');
        (void)buf_append_text(href, resource);
    }
    while ((name = va_arg(pairs, const char *)) != NULL) {
        const char *value = va_arg(pairs, const char *);
        if (!value)
            continue;
        (void)buf_append_byte(href, (uint8_t)mark);
        (void)buf_append_text(href, name);
        (void)buf_append_byte(href, '=');
        link_escape(href, value);
        mark = '&';
    }
    return buf_text(href);
}

const char *atom_href(struct atom *atom, const char *resource, ...)
{
    va_list pairs;
    va_start(pairs, resource);
    const char *href = href_make(atom, resource, pairs);
    va_end(pairs);
    return href ? href : "";
}

void atom_put_link_to(struct xml *xml, const char *rel, const char *type, const char *href)
{
    xml_open(xml, "atom:link");
    xml_put_attribute(xml, "rel", rel);
    xml_put_attribute(xml, "href", href);
    xml_put_attribute(xml, "type", type);
    xml_close(xml, "atom:link");
}

void atom_put_link(struct atom *atom, struct xml *xml, const char *rel, const char *type,
                   const char *resource, ...)
{
    va_list pairs;
    va_start(pairs, resource);
    const char *href = href_make(atom, resource, pairs);
    va_end(pairs);
    if (href)
        atom_put_link_to(xml, rel, type, href);
    else
        xml->out->failed = true;
}

void atom_open(struct xml *xml, const char *name)
{
    xml_open(xml, name);
    xml_put_namespaces(xml, 1u << XML_NS_ATOM | 1u << XML_NS_APP | 1u << XML_NS_CMIS |
                                1u << XML_NS_CMISRA | 1u << XML_NS_XSI);
}

void atom_put_person(struct xml *xml, const char *name)
{
    xml_open(xml, "atom:author");
    xml_put(xml, "atom:name", name && *name ? name : "unknown");
    xml_close(xml, "atom:author");
}

/* Links by kind of object */

static void put_renditions(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    for (size_t i = 0; i < object->rendition_count; i++) {
        const struct cmis_rendition *rendition = &object->renditions[i];
        const char *href = atom_href(atom, "content", "id", object->facts.id, "streamId",
                                     rendition->stream_id, ATOM_END);
        xml_open(xml, "atom:link");
        xml_put_attribute(xml, "rel", "alternate");
        xml_put_attribute(xml, "href", href);
        xml_put_attribute(xml, "type", rendition->mime_type);
        xml_put_attribute(xml, "title", rendition->title);
        xml_put_attributef(xml, "length", "%lld", (long long)rendition->size);
        xml_put_attribute(xml, "cmisra:renditionKind", rendition->kind);
        xml_close(xml, "atom:link");
    }
}

static void put_document_links(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    const char *id = object->facts.id, *latest = object->facts.latest_id;
    const char *working_copy = object->facts.working_copy_id;
    const char *type = object->facts.content_type;
    if (object->facts.has_content)
        atom_put_link(atom, xml, "enclosure", type, "content", "id", id, ATOM_END);
    atom_put_link(atom, xml, "edit-media", type, "content", "id", id, ATOM_END);
    if (object->facts.is_versionable) {
        atom_put_link(atom, xml, "version-history", ATOM_FEED, "versions", "id", id,
                      "versionSeries", object->facts.series_id, ATOM_END);
        if (latest)
            atom_put_link(atom, xml, "current-version", ATOM_ENTRY, "entry", "id", latest,
                          ATOM_END);
    }
    if (working_copy)
        atom_put_link(atom, xml, "working-copy", ATOM_ENTRY, "entry", "id", working_copy, ATOM_END);
    if (object->facts.is_working_copy && latest)
        atom_put_link(atom, xml, "via", ATOM_ENTRY, "entry", "id", latest, ATOM_END);
}

static void put_folder_links(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    const char *id = object->facts.id;
    atom_put_link(atom, xml, "down", ATOM_FEED, "children", "id", id, ATOM_END);
    atom_put_link(atom, xml, "down", ATOM_TREE, "descendants", "id", id, ATOM_END);
    atom_put_link(atom, xml, ATOM_LINK("foldertree"), ATOM_TREE, "foldertree", "id", id, ATOM_END);
    if (!object->facts.is_root)
        atom_put_link(atom, xml, "up", ATOM_ENTRY, "parent", "id", id, ATOM_END);
}

/* What is filed nowhere has none; clients go by that. A folder has its parent as an entry too. */
static void put_parents_link(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    if (object->facts.parent_id && !object->facts.is_root)
        atom_put_link(atom, xml, "up", ATOM_FEED, "parents", "id", object->facts.id, ATOM_END);
}

static void put_kind_links(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    switch (object->facts.base) {
    case CMIS_BASE_DOCUMENT:
        put_document_links(atom, xml, object);
        break;
    case CMIS_BASE_FOLDER:
        put_folder_links(atom, xml, object);
        break;
    case CMIS_BASE_RELATIONSHIP:
        if (object->facts.source_id)
            atom_put_link(atom, xml, ATOM_LINK("source"), ATOM_ENTRY, "entry", "id",
                          object->facts.source_id, ATOM_END);
        if (object->facts.target_id)
            atom_put_link(atom, xml, ATOM_LINK("target"), ATOM_ENTRY, "entry", "id",
                          object->facts.target_id, ATOM_END);
        break;
    case CMIS_BASE_POLICY:
    case CMIS_BASE_ITEM:
    case CMIS_BASE_SECONDARY:
    case CMIS_BASE_COUNT:
        break;
    }
}

static void put_links(struct atom *atom, struct xml *xml, const struct cmis_object *object,
                      const struct atom_place *place)
{
    const char *id = object->facts.id;
    enum cmis_base base = object->facts.base;
    atom_put_link(atom, xml, "service", ATOM_SERVICE, NULL, "repositoryId", CMIS_REPOSITORY_ID,
                  ATOM_END);
    if (place->policies_of)
        atom_put_link(atom, xml, "self", ATOM_ENTRY, "policies", "id", place->policies_of,
                      "policyId", id, ATOM_END);
    else
        atom_put_link(atom, xml, "self", ATOM_ENTRY, "entry", "id", id, ATOM_END);
    atom_put_link(atom, xml, "edit", ATOM_ENTRY, "entry", "id", id, ATOM_END);
    atom_put_link(atom, xml, "describedby", ATOM_ENTRY, "type", "id", object->facts.type_id,
                  ATOM_END);
    atom_put_link(atom, xml, ATOM_LINK("allowableactions"), ATOM_ACTIONS, "allowableactions", "id",
                  id, ATOM_END);
    put_kind_links(atom, xml, object);
    put_parents_link(atom, xml, object);
    if (base != CMIS_BASE_RELATIONSHIP)
        atom_put_link(atom, xml, ATOM_LINK("relationships"), ATOM_FEED, "relationships", "id", id,
                      ATOM_END);
    atom_put_link(atom, xml, ATOM_LINK("policies"), ATOM_FEED, "policies", "id", id, ATOM_END);
    atom_put_link(atom, xml, ATOM_LINK("acl"), ATOM_ACL, "acl", "id", id, ATOM_END);
    put_renditions(atom, xml, object);
}

/* Entries */

static void put_head(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    const char *id = object->facts.id;
    int64_t modified_ms = object->has_change ? object->change_ms : object->facts.modified_ms;
    atom_put_person(xml, object->facts.created_by);
    buf_clear(&atom->href);
    (void)buf_append_text(&atom->href, "urn:coffer:object:");
    link_escape(&atom->href, id ? id : "row");
    xml_put(xml, "atom:id", buf_text(&atom->href));
    if (id && !object->has_change)
        xml_put_date(xml, "atom:published", object->facts.created_ms);
    xml_put(xml, "atom:title", object->facts.name ? object->facts.name : id ? id : "Result");
    xml_put_date(xml, "atom:updated", modified_ms);
    if (id)
        xml_put_date(xml, "app:edited", modified_ms);
}

static void put_content(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    const char *name = object->facts.name ? object->facts.name : "";
    if (!object->facts.id || !object->facts.has_content) {
        xml_open(xml, "atom:content");
        xml_put_attribute(xml, "type", "text");
        xml_put_text(xml, name);
        xml_close(xml, "atom:content");
        return;
    }
    const char *type = object->facts.content_type;
    xml_put(xml, "atom:summary", name); /* needed where the content is elsewhere */
    xml_open(xml, "atom:content");
    xml_put_attribute(xml, "src", atom_href(atom, "content", "id", object->facts.id, ATOM_END));
    xml_put_attribute(xml, "type", type ? type : "application/octet-stream");
    xml_close(xml, "atom:content");
}

static void children_open(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    xml_open(xml, "cmisra:children");
    xml_open(xml, "atom:feed");
    atom_put_person(xml, object->facts.created_by);
    xml_put(xml, "atom:id", atom_href(atom, "children", "id", object->facts.id, ATOM_END));
    xml_put(xml, "atom:title", object->facts.name);
    xml_put_date(xml, "atom:updated", object->facts.modified_ms);
}

/* Apache's clients take an entry without cmis:objectId for none of CMIS, whatever the filter. A row
 * of a query is what was selected and nothing else. */
static void put_object(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    static const char id[] = "cmis:objectId";
    struct cmis_object whole = *object;
    const union cmis_value value = {.text = object->facts.id};
    size_t count = object->property_count;
    bool has_id = !object->facts.id || cmis_args_has(&atom->cmis, CMIS_IN_STATEMENT);
    for (size_t i = 0; i < count && !has_id; i++)
        has_id = object->properties[i].id && strcmp(object->properties[i].id, id) == 0;
    struct cmis_property *all =
        has_id ? NULL : arena_alloc(atom->cmis.arena, (count + 1) * sizeof *all);
    if (all) {
        if (count > 0)
            memcpy(all, object->properties, count * sizeof *all);
        all[count] = (struct cmis_property){.id = id,
                                            .local_name = id,
                                            .display_name = "Object id",
                                            .query_name = id,
                                            .type = CMIS_ID,
                                            .count = 1,
                                            .values = &value};
        whole.properties = all;
        whole.property_count = count + 1;
    }
    xml_open(xml, "cmisra:object");
    xml_put_object_parts(xml, &whole);
    xml_close(xml, "cmisra:object");
}

void atom_entry_open(struct atom *atom, struct xml *xml, const struct cmis_entry *entry,
                     const struct atom_place *place, bool outermost)
{
    const struct cmis_object *object = entry->object;
    if (outermost)
        atom_open(xml, "atom:entry");
    else
        xml_open(xml, "atom:entry");
    put_head(atom, xml, object);
    put_content(atom, xml, object);
    if (object->facts.id && object->facts.type_id)
        put_links(atom, xml, object, place);
    put_object(atom, xml, object);
    if (place->segment_name)
        xml_put(xml, place->segment_name, entry->segment);
    if (entry->count > 0)
        children_open(atom, xml, object);
}

void atom_entry_close(struct xml *xml, const struct cmis_entry *entry)
{
    if (entry->count > 0) {
        xml_close(xml, "atom:feed");
        xml_close(xml, "cmisra:children");
    }
    xml_close(xml, "atom:entry");
}

void atom_put_entry(struct atom *atom, struct xml *xml, const struct cmis_object *object)
{
    static const struct atom_place nowhere = {0};
    const struct cmis_entry entry = {.object = object};
    xml_declaration(xml);
    atom_entry_open(atom, xml, &entry, &nowhere, true);
    atom_entry_close(xml, &entry);
}

void atom_reply_object(struct atom *atom, int status, const char *id)
{
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    const char *copy = arena_text(atom->cmis.arena, slice_of_text(id ? id : ""));
    atom_again(atom);
    const struct cmis_operation *get = cmis_operation_named("getObject");
    if (!copy || cmis_args_set_text(&atom->cmis, CMIS_IN_REPOSITORY_ID, CMIS_REPOSITORY_ID) < 0 ||
        cmis_args_set_text(&atom->cmis, CMIS_IN_OBJECT_ID, copy) < 0 ||
        cmis_args_set_text(&atom->cmis, CMIS_IN_INCLUDE_ALLOWABLE_ACTIONS, "true") < 0 ||
        cmis_args_set_text(&atom->cmis, CMIS_IN_INCLUDE_ACL, "true") < 0 ||
        cmis_run(&atom->cmis, get) < 0) {
        atom_fail(atom);
        return;
    }
    const struct cmis_object *object = atom->cmis.result.object;
    atom_put_entry(atom, &xml, object);
    const char *href = atom_href(atom, "entry", "id", object->facts.id, ATOM_END);
    http_response_header(atom->call->req, "Content-Location", href);
    http_response_header(atom->call->req, "Location", href);
    atom_reply(atom, status, ATOM_ENTRY, &body);
}
