/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "dms/dav/dav_parse.h"
#include "server/markup.h"

#include <errno.h>
#include <expat.h>

/* Between namespace and name; no XML document can contain it. */
#define SEPARATOR '\x1f'

struct body_parser {
    XML_Parser xml;
    struct arena *arena;
    struct dav_body body;
    int error;
    unsigned depth;             /* of open elements */
    struct slice section, part; /* local names of the elements at depths 2 and 3, "" if not DAV: */
    char section_text[24], part_text[24];
    bool has_root, has_scope, has_type;
    unsigned capture_depth; /* 0: nothing is being captured */
    struct buf capture;
};

static void stop(struct body_parser *parser, int error)
{
    if (parser->error == 0)
        parser->error = error;
    (void)XML_StopParser(parser->xml, XML_FALSE);
}

static struct slice ns_of(const char *name)
{
    const char *end = strchr(name, SEPARATOR);
    return slice_of(name, end ? (size_t)(end - name) : 0);
}

static const char *local_of(const char *name)
{
    const char *end = strchr(name, SEPARATOR);
    return end ? end + 1 : name;
}

static bool is_dav(const char *name, const char *local)
{
    return slice_is_text(ns_of(name), DAV_NS) && (!local || strcmp(local_of(name), local) == 0);
}

static int name_copy(struct body_parser *parser, const char *name, struct dav_name *ret)
{
    ret->ns = arena_text(parser->arena, ns_of(name));
    ret->local = arena_text(parser->arena, slice_of_text(local_of(name)));
    return ret->ns && ret->local ? 0 : -ENOMEM;
}

/* Capturing: the element is written anew, each element with the namespaces it needs. */

static void attribute_write(struct buf *out, unsigned number, const char *name, const char *value)
{
    struct slice ns = ns_of(name);
    if (slice_is_text(ns, "http://www.w3.org/XML/1998/namespace")) {
        (void)buf_printf(out, " xml:%s=\"", local_of(name));
    } else if (ns.size > 0) {
        (void)buf_printf(out, " xmlns:a%u=\"", number);
        markup_attribute(out, ns);
        (void)buf_printf(out, "\" a%u:%s=\"", number, local_of(name));
    } else {
        (void)buf_printf(out, " %s=\"", local_of(name));
    }
    markup_attribute(out, slice_of_text(value));
    (void)buf_append_byte(out, '"');
}

static void capture_start(struct body_parser *parser, const char *name, const char **attributes)
{
    struct buf *out = &parser->capture;
    (void)buf_append_byte(out, '<');
    (void)buf_append_text(out, local_of(name));
    (void)buf_append_text(out, " xmlns=\"");
    markup_attribute(out, ns_of(name));
    (void)buf_append_byte(out, '"');
    for (unsigned i = 0; attributes[i]; i += 2)
        attribute_write(out, i / 2, attributes[i], attributes[i + 1]);
    (void)buf_append_byte(out, '>');
}

static void capture_begin(struct body_parser *parser, const char *name, const char **attributes)
{
    parser->capture_depth = parser->depth;
    parser->capture = (struct buf){.size_max = DAV_VALUE_SIZE_MAX};
    capture_start(parser, name, attributes);
}

static int capture_take(struct body_parser *parser, char **ret_text)
{
    const char *text = buf_text(&parser->capture);
    *ret_text = text ? arena_text(parser->arena, slice_of_text(text)) : NULL;
    int r = !text ? -EBADMSG : *ret_text ? 0 : -ENOMEM;
    buf_done(&parser->capture);
    parser->capture_depth = 0;
    return r;
}

/* Elements by depth: 1 the root, 2 its sections, 3 and 4 what is in them. */

static int root_starts(struct body_parser *parser, const char *name)
{
    static const struct {
        const char *local;
        enum dav_body_kind kind;
    } roots[] = {{"propfind", DAV_PROPFIND_ALL},
                 {"propertyupdate", DAV_PROPPATCH},
                 {"lockinfo", DAV_LOCKINFO}};
    for (size_t i = 0; i < ARRAY_COUNT(roots); i++)
        if (is_dav(name, roots[i].local)) {
            parser->body.kind = roots[i].kind;
            parser->has_root = true;
            return 0;
        }
    return -EBADMSG;
}

static int section_starts(struct body_parser *parser, const char *name, const char **attributes)
{
    struct dav_body *body = &parser->body;
    if (body->kind == DAV_LOCKINFO) {
        if (is_dav(name, "owner") && !body->owner)
            capture_begin(parser, name, attributes);
        return 0;
    }
    if (body->kind == DAV_PROPPATCH)
        return 0;
    if (is_dav(name, "prop") && body->kind == DAV_PROPFIND_ALL)
        body->kind = DAV_PROPFIND_SOME;
    else if (is_dav(name, "propname") && body->kind == DAV_PROPFIND_ALL)
        body->kind = DAV_PROPFIND_NAMES;
    return 0;
}

static int name_add(struct body_parser *parser, const char *name)
{
    struct dav_body *body = &parser->body;
    if (body->name_count == DAV_NAMES_MAX)
        return -EBADMSG;
    return name_copy(parser, name, &body->names[body->name_count++]);
}

static int part_starts(struct body_parser *parser, const char *name)
{
    struct dav_body *body = &parser->body;
    if (body->kind == DAV_LOCKINFO) {
        bool scope = slice_is_text(parser->section, "lockscope");
        if (scope && is_dav(name, "shared"))
            body->is_shared = true;
        else if (scope && !is_dav(name, "exclusive"))
            return -EBADMSG;
        parser->has_scope |= scope;
        parser->has_type |= slice_is_text(parser->section, "locktype") && is_dav(name, "write");
        return 0;
    }
    if (body->kind == DAV_PROPPATCH)
        return 0;
    bool wanted =
        slice_is_text(parser->section, "prop") || slice_is_text(parser->section, "include");
    return wanted ? name_add(parser, name) : 0;
}

static int property_starts(struct body_parser *parser, const char *name, const char **attributes)
{
    struct dav_body *body = &parser->body;
    bool set = slice_is_text(parser->section, "set");
    if (body->kind != DAV_PROPPATCH || !slice_is_text(parser->part, "prop") ||
        (!set && !slice_is_text(parser->section, "remove")))
        return 0;
    if (body->change_count == DAV_NAMES_MAX)
        return -EBADMSG;
    int r = name_copy(parser, name, &body->changes[body->change_count++].name);
    if (r == 0 && set)
        capture_begin(parser, name, attributes);
    return r;
}

/* Remembers a DAV: element's name while it is open; longer ones are none of ours. */
static struct slice remember(const char *name, char text[24])
{
    size_t size = is_dav(name, NULL) ? strlen(local_of(name)) : 0;
    size = size < 24 ? size : 0;
    memcpy(text, local_of(name), size);
    return slice_of(text, size);
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
    struct body_parser *parser = arg;
    int r = 0;
    parser->depth++;
    if (parser->depth > DAV_DEPTH_MAX) {
        r = -EBADMSG;
    } else if (parser->capture_depth) {
        capture_start(parser, name, attributes);
    } else if (parser->depth == 1) {
        r = root_starts(parser, name);
    } else if (parser->depth == 2) {
        parser->section = remember(name, parser->section_text);
        r = section_starts(parser, name, attributes);
    } else if (parser->depth == 3) {
        parser->part = remember(name, parser->part_text);
        r = part_starts(parser, name);
    } else if (parser->depth == 4) {
        r = property_starts(parser, name, attributes);
    }
    if (r < 0)
        stop(parser, r);
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct body_parser *parser = arg;
    struct dav_body *body = &parser->body;
    int r = 0;
    if (parser->capture_depth)
        (void)buf_printf(&parser->capture, "</%s>", local_of(name));
    if (parser->capture_depth && parser->capture_depth == parser->depth)
        r = capture_take(parser, body->kind == DAV_LOCKINFO
                                     ? &body->owner
                                     : &body->changes[body->change_count - 1].value);
    parser->depth--;
    if (r < 0)
        stop(parser, r);
}

static void XMLCALL on_text(void *arg, const char *bytes, int size)
{
    struct body_parser *parser = arg;
    if (parser->capture_depth)
        markup_text(&parser->capture, slice_of(bytes, (size_t)size));
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system, const char *public,
                               int has_internal)
{
    (void)name, (void)system, (void)public, (void)has_internal;
    stop(arg, -EPERM);
}

static int parsed(struct body_parser *parser, enum XML_Status status)
{
    if (parser->error < 0)
        return parser->error;
    if (status != XML_STATUS_OK)
        return XML_GetErrorCode(parser->xml) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
    bool whole_lock = parser->has_scope && parser->has_type;
    return parser->body.kind == DAV_LOCKINFO && !whole_lock ? -EBADMSG : 0;
}

int dav_body_parse(struct arena *arena, struct slice xml, struct dav_body *ret_body)
{
    struct body_parser parser = {.arena = arena};
    *ret_body = (struct dav_body){0};
    if (xml.size == 0)
        return 0;
    if (xml.size > DAV_BODY_SIZE_MAX)
        return -EBADMSG;
    parser.body.names = arena_alloc(arena, DAV_NAMES_MAX * sizeof(struct dav_name));
    parser.body.changes = arena_alloc(arena, DAV_NAMES_MAX * sizeof(struct dav_change));
    parser.xml = XML_ParserCreateNS(NULL, SEPARATOR);
    if (!parser.xml || !parser.body.names || !parser.body.changes) {
        XML_ParserFree(parser.xml);
        return -ENOMEM;
    }
    XML_SetUserData(parser.xml, &parser);
    XML_SetElementHandler(parser.xml, on_start, on_end);
    XML_SetCharacterDataHandler(parser.xml, on_text);
    XML_SetStartDoctypeDeclHandler(parser.xml, on_doctype);
    int r =
        parsed(&parser, XML_Parse(parser.xml, (const char *)xml.bytes, (int)xml.size, XML_TRUE));
    XML_ParserFree(parser.xml);
    buf_done(&parser.capture);
    if (r == 0)
        *ret_body = parser.body;
    return r;
}
