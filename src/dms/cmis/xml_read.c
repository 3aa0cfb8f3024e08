/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/xml_read.h"
#include "server/base64.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <strings.h>

enum streaming { STREAMING_NO, STREAMING_SKIP, STREAMING_TEXT, STREAMING_BASE64 };

struct xml_reader {
    XML_Parser xml;
    struct arena *arena;
    struct xml_events events;
    struct xml_node *root, *node; /* the present element; NULL inside skipped ones */
    unsigned depth, skipped;      /* elements around; those that are skipped */
    unsigned elements;
    struct buf text; /* of the present element */
    enum streaming streaming;
    bool has_content, has_own_content; /* seen; it was no atom:content */
    struct base64_decoder decoder;
    size_t markup_size, markup_max;
    uint64_t fed;
    int error;
};

static const struct {
    const char *prefix, *uri;
} namespaces[] = {{"", ""},
#define NAMESPACE(id, prefix, uri) {prefix, uri},
                  XML_NAMESPACES(NAMESPACE)
#undef NAMESPACE
};

const char *xml_ns_uri(enum xml_ns ns)
{
    return namespaces[ns].uri;
}

static void stop(struct xml_reader *reader, int error)
{
    if (reader->error == 0)
        reader->error = error;
    (void)XML_StopParser(reader->xml, XML_FALSE);
}

/* Expat gives "uri|name", or "name" alone. */
static enum xml_ns name_split(const char *name, const char **ret_local)
{
    const char *bar = strrchr(name, '|');
    *ret_local = bar ? bar + 1 : name;
    if (!bar)
        return XML_NS_NONE;
    size_t size = (size_t)(bar - name);
    for (size_t i = 1; i < ARRAY_COUNT(namespaces); i++)
        if (strlen(namespaces[i].uri) == size && memcmp(namespaces[i].uri, name, size) == 0)
            return (enum xml_ns)i;
    return XML_NS_OTHER;
}

/* The arena has its own cap, which is reached before memory ends. */
static const char *copy(struct xml_reader *reader, const char *text)
{
    return arena_text(reader->arena, slice_of_text(text));
}

static int attributes_add(struct xml_reader *reader, struct xml_node *node, const char **from)
{
    struct xml_attribute **link = &node->attributes;
    for (; from[0] && from[1]; from += 2) {
        const char *local;
        enum xml_ns ns = name_split(from[0], &local);
        if (ns == XML_NS_OTHER)
            continue;
        struct xml_attribute *attribute = arena_alloc(reader->arena, sizeof *attribute);
        if (!attribute)
            return -E2BIG;
        *attribute = (struct xml_attribute){ns, copy(reader, local), copy(reader, from[1]), NULL};
        if (!attribute->name || !attribute->value)
            return -E2BIG;
        *link = attribute;
        link = &attribute->next;
    }
    return 0;
}

static int node_add(struct xml_reader *reader, enum xml_ns ns, const char *local,
                    const char **attributes)
{
    struct xml_node *node = arena_alloc(reader->arena, sizeof *node), *parent = reader->node;
    if (!node)
        return -E2BIG;
    node->ns = ns;
    node->name = copy(reader, local);
    node->text = "";
    node->parent = parent;
    if (!node->name || attributes_add(reader, node, attributes) < 0)
        return -E2BIG;
    if (!parent)
        reader->root = node;
    else if (parent->last)
        parent->last->next = node;
    else
        parent->children = node;
    if (parent)
        parent->last = node;
    reader->node = node;
    return 0;
}

/* Contents */

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcasecmp(text + size - end_size, end) == 0;
}

/* What an atom:content holds. */
static int atom_streaming(const struct xml_node *node)
{
    const char *type = xml_attribute(node, XML_NS_NONE, "type");
    if (xml_attribute(node, XML_NS_NONE, "src"))
        return STREAMING_SKIP;
    if (!type || strcmp(type, "text") == 0 || strcmp(type, "html") == 0)
        return STREAMING_TEXT;
    if (strcmp(type, "xhtml") == 0 || ends_with(type, "/xml") || ends_with(type, "+xml"))
        return -ENOTSUP;
    return strncasecmp(type, "text/", 5) == 0 ? STREAMING_TEXT : STREAMING_BASE64;
}

static int content_kind(const struct xml_node *node, enum xml_content *ret_kind)
{
    if (xml_is(node, XML_NS_CMISM, "stream")) {
        *ret_kind = XML_CONTENT_STREAM;
        return STREAMING_BASE64;
    }
    if (xml_is(node, XML_NS_CMISRA, "base64")) {
        *ret_kind = XML_CONTENT_BASE64;
        return STREAMING_BASE64;
    }
    if (xml_is(node, XML_NS_ATOM, "content")) {
        *ret_kind = XML_CONTENT_ATOM;
        return atom_streaming(node);
    }
    return STREAMING_NO;
}

static int content_begins(struct xml_reader *reader, const struct xml_node *node)
{
    enum xml_content kind = XML_CONTENT_STREAM;
    int streaming = content_kind(node, &kind);
    if (streaming <= STREAMING_NO)
        return streaming;
    if (streaming == STREAMING_SKIP || !reader->events.content_begins ||
        (kind == XML_CONTENT_ATOM && reader->has_own_content)) {
        reader->streaming = STREAMING_SKIP;
        return 0;
    }
    if (reader->has_content && (kind == XML_CONTENT_ATOM || reader->has_own_content))
        return -EBADMSG; /* twice */
    reader->has_content = true;
    reader->has_own_content = kind != XML_CONTENT_ATOM;
    reader->streaming = (enum streaming)streaming;
    reader->decoder = (struct base64_decoder){0};
    return reader->events.content_begins(reader->events.arg, kind, node);
}

static int base64_text(struct xml_reader *reader, struct slice text)
{
    uint8_t decoded[4096];
    while (text.size > 0) {
        size_t size = MIN(text.size, sizeof decoded);
        ssize_t n = base64_feed(&reader->decoder, slice_of(text.bytes, size), decoded);
        int r = n > 0 ? reader->events.content(reader->events.arg, slice_of(decoded, (size_t)n))
                      : (int)n;
        if (r < 0)
            return r;
        text = slice_of(text.bytes + size, text.size - size);
    }
    return 0;
}

/* Expat's callbacks */

static int element_begins(struct xml_reader *reader, const char *name, const char **attributes)
{
    const char *local;
    enum xml_ns ns = name_split(name, &local);
    reader->markup_size += strlen(name);
    for (size_t i = 0; attributes[i]; i++)
        reader->markup_size += strlen(attributes[i]) + 1;
    if (++reader->depth > XML_DEPTH_MAX || ++reader->elements > XML_ELEMENTS_MAX ||
        XML_GetSpecifiedAttributeCount(reader->xml) > 2 * XML_ATTRIBUTES_MAX ||
        reader->markup_size > reader->markup_max)
        return -E2BIG;
    /* Inside a content only XOP's reference to a part means anything. */
    if (reader->skipped == 0 && reader->streaming > STREAMING_SKIP && ns != XML_NS_XOP)
        return -EBADMSG;
    if (reader->skipped > 0 || reader->streaming == STREAMING_SKIP ||
        (ns == XML_NS_OTHER && reader->root)) {
        reader->skipped++;
        return 0;
    }
    buf_clear(&reader->text);
    reader->streaming = STREAMING_NO;
    int r = node_add(reader, ns, local, attributes);
    if (r == 0)
        r = content_begins(reader, reader->node);
    if (r == 0 && reader->events.element)
        r = reader->events.element(reader->events.arg, reader->node);
    if (r == 1)
        (void)XML_StopParser(reader->xml, XML_TRUE);
    return r < 0 ? r : 0;
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
    struct xml_reader *reader = arg;
    int r = reader->error ? 0 : element_begins(reader, name, attributes);
    if (r < 0)
        stop(reader, r);
}

static int element_ends(struct xml_reader *reader)
{
    struct xml_node *node = reader->node;
    int r = 0;
    reader->depth--;
    if (reader->skipped > 0) {
        reader->skipped--;
        return 0;
    }
    if (reader->streaming == STREAMING_BASE64)
        r = base64_finish(&reader->decoder);
    reader->streaming = STREAMING_NO;
    if (!node->children && reader->text.size > 0) {
        node->text = arena_text(reader->arena, buf_slice(&reader->text));
        if (!node->text)
            r = -E2BIG;
    }
    if (node->ns == XML_NS_WSSE)
        buf_done(&reader->text); /* wipes a password */
    buf_clear(&reader->text);
    reader->node = node->parent;
    return r;
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct xml_reader *reader = arg;
    (void)name;
    int r = reader->error ? 0 : element_ends(reader);
    if (r < 0)
        stop(reader, r);
}

static int text_comes(struct xml_reader *reader, struct slice text)
{
    if (reader->skipped == 0 && reader->streaming == STREAMING_BASE64)
        return base64_text(reader, text);
    if (reader->skipped == 0 && reader->streaming == STREAMING_TEXT)
        return reader->events.content(reader->events.arg, text);
    reader->markup_size += text.size;
    if (reader->markup_size > reader->markup_max)
        return -E2BIG;
    if (reader->skipped > 0 || reader->streaming == STREAMING_SKIP)
        return 0;
    if (reader->text.size + text.size > XML_TEXT_SIZE_MAX)
        return -E2BIG;
    return buf_append_slice(&reader->text, text);
}

static void XMLCALL on_text(void *arg, const char *bytes, int size)
{
    struct xml_reader *reader = arg;
    int r = reader->error ? 0 : text_comes(reader, slice_of(bytes, (size_t)size));
    if (r < 0)
        stop(reader, r);
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system, const char *public,
                               int has_internal)
{
    (void)name, (void)system, (void)public, (void)has_internal;
    stop(arg, -EPERM);
}

int xml_reader_new(struct arena *arena, const struct xml_events *events,
                   struct xml_reader **ret_reader)
{
    struct xml_reader *reader = calloc(1, sizeof *reader);
    if (reader)
        reader->xml = XML_ParserCreateNS(NULL, '|');
    if (!reader || !reader->xml) {
        free(reader);
        return -ENOMEM;
    }
    reader->arena = arena;
    reader->events = *events;
    reader->markup_max = XML_MARKUP_SIZE_MAX;
    XML_SetUserData(reader->xml, reader);
    XML_SetElementHandler(reader->xml, on_start, on_end);
    XML_SetCharacterDataHandler(reader->xml, on_text);
    XML_SetStartDoctypeDeclHandler(reader->xml, on_doctype);
    *ret_reader = reader;
    return 0;
}

void xml_reader_free(struct xml_reader *reader)
{
    if (!reader)
        return;
    XML_ParserFree(reader->xml);
    buf_done(&reader->text);
    free(reader);
}

void xml_reader_markup_max(struct xml_reader *reader, size_t size_max)
{
    reader->markup_max = size_max;
}

static int status_read(struct xml_reader *reader, enum XML_Status status)
{
    if (reader->error < 0)
        return reader->error;
    if (status == XML_STATUS_SUSPENDED)
        return 1;
    if (status == XML_STATUS_ERROR)
        return XML_GetErrorCode(reader->xml) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
    /* What expat keeps of a tag whose end has not come. */
    int64_t seen = XML_GetCurrentByteIndex(reader->xml);
    if (seen >= 0 && reader->fed > (uint64_t)seen + XML_TOKEN_SIZE_MAX)
        return reader->error = -E2BIG;
    return 0;
}

int xml_reader_feed(struct xml_reader *reader, struct slice bytes, bool last)
{
    if (reader->error < 0)
        return reader->error;
    reader->fed += bytes.size;
    return status_read(reader,
                       XML_Parse(reader->xml, (const char *)bytes.bytes, (int)bytes.size, last));
}

int xml_reader_resume(struct xml_reader *reader)
{
    return reader->error < 0 ? reader->error : status_read(reader, XML_ResumeParser(reader->xml));
}

const char *xml_error_text(int error)
{
    switch (error) {
    case -E2BIG:
        return "The XML is over a limit: of depth, of a text, of elements or of all but the "
               "content.";
    case -EPERM:
        return "A DOCTYPE is not allowed.";
    case -ENOTSUP:
        return "An XML document inside atom:content is not taken: send it as cmisra:content.";
    default:
        return "The XML is not well-formed, or its content is not base64.";
    }
}

const struct xml_node *xml_reader_root(const struct xml_reader *reader)
{
    return reader->root;
}

/* Looking at the tree */

bool xml_is(const struct xml_node *node, enum xml_ns ns, const char *name)
{
    return node && node->ns == ns && strcmp(node->name, name) == 0;
}

static const struct xml_node *find(const struct xml_node *node, enum xml_ns ns, const char *name)
{
    while (node && !xml_is(node, ns, name))
        node = node->next;
    return node;
}

const struct xml_node *xml_child(const struct xml_node *node, enum xml_ns ns, const char *name)
{
    return node ? find(node->children, ns, name) : NULL;
}

const struct xml_node *xml_again(const struct xml_node *node)
{
    return node ? find(node->next, node->ns, node->name) : NULL;
}

size_t xml_count(const struct xml_node *node, enum xml_ns ns, const char *name)
{
    size_t count = 0;
    for (node = xml_child(node, ns, name); node; node = xml_again(node))
        count++;
    return count;
}

const char *xml_child_text(const struct xml_node *node, enum xml_ns ns, const char *name)
{
    const struct xml_node *child = xml_child(node, ns, name);
    return child && !xml_is_nil(child) ? child->text : NULL;
}

const char *xml_attribute(const struct xml_node *node, enum xml_ns ns, const char *name)
{
    for (const struct xml_attribute *a = node ? node->attributes : NULL; a; a = a->next)
        if (a->ns == ns && strcmp(a->name, name) == 0)
            return a->value;
    return NULL;
}

bool xml_is_nil(const struct xml_node *node)
{
    const char *nil = xml_attribute(node, XML_NS_XSI, "nil");
    return nil && (strcmp(nil, "true") == 0 || strcmp(nil, "1") == 0);
}
