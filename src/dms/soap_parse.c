/* SPDX-License-Identifier: Apache-2.0 */
/* One table says which element may stand in which and what becomes of its text; CMIS grows by rows.
 * An element without a row is skipped with all that is in it. */
#include "dms/soap_parse.h"
#include "server/base64.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>

enum element {
    ELEMENT_TOP,
    ELEMENT_ENVELOPE,
    ELEMENT_HEADER,
    ELEMENT_SECURITY,
    ELEMENT_TOKEN,
    ELEMENT_USER,
    ELEMENT_PASSWORD,
    ELEMENT_BODY,
    ELEMENT_CREATE,
    ELEMENT_GET,
    ELEMENT_REPOSITORY,
    ELEMENT_FOLDER,
    ELEMENT_OBJECT,
    ELEMENT_OFFSET,
    ELEMENT_LENGTH,
    ELEMENT_PROPERTIES,
    ELEMENT_PROPERTY,
    ELEMENT_VALUE,
    ELEMENT_CONTENT,
    ELEMENT_MEDIA_TYPE,
    ELEMENT_STREAM,
    ELEMENT_INCLUDE,
    ELEMENT_SKIPPED,
};

static const struct row {
    enum element parent, element;
    const char *name; /* namespace '|' local name */
    size_t text;      /* offset in struct soap_message of where its text goes; 0: nowhere */
} rows[] = {
#define M(member) offsetof(struct soap_message, member)
    {ELEMENT_TOP, ELEMENT_ENVELOPE, SOAP_NS_ENVELOPE "|Envelope", 0},
    {ELEMENT_ENVELOPE, ELEMENT_HEADER, SOAP_NS_ENVELOPE "|Header", 0},
    {ELEMENT_HEADER, ELEMENT_SECURITY, SOAP_NS_WSSE "|Security", 0},
    {ELEMENT_SECURITY, ELEMENT_TOKEN, SOAP_NS_WSSE "|UsernameToken", 0},
    {ELEMENT_TOKEN, ELEMENT_USER, SOAP_NS_WSSE "|Username", M(user)},
    {ELEMENT_TOKEN, ELEMENT_PASSWORD, SOAP_NS_WSSE "|Password", M(password)},
    {ELEMENT_ENVELOPE, ELEMENT_BODY, SOAP_NS_ENVELOPE "|Body", 0},
    {ELEMENT_BODY, ELEMENT_CREATE, SOAP_NS_MESSAGING "|createDocument", 0},
    {ELEMENT_BODY, ELEMENT_GET, SOAP_NS_MESSAGING "|getContentStream", 0},
    {ELEMENT_CREATE, ELEMENT_REPOSITORY, SOAP_NS_MESSAGING "|repositoryId", M(repository)},
    {ELEMENT_GET, ELEMENT_REPOSITORY, SOAP_NS_MESSAGING "|repositoryId", M(repository)},
    {ELEMENT_CREATE, ELEMENT_FOLDER, SOAP_NS_MESSAGING "|folderId", M(folder)},
    {ELEMENT_CREATE, ELEMENT_PROPERTIES, SOAP_NS_MESSAGING "|properties", 0},
    {ELEMENT_PROPERTIES, ELEMENT_PROPERTY, SOAP_NS_CORE "|propertyString", 0},
    {ELEMENT_PROPERTIES, ELEMENT_PROPERTY, SOAP_NS_CORE "|propertyId", 0},
    {ELEMENT_PROPERTY, ELEMENT_VALUE, SOAP_NS_CORE "|value", 0},
    {ELEMENT_CREATE, ELEMENT_CONTENT, SOAP_NS_MESSAGING "|contentStream", 0},
    {ELEMENT_CONTENT, ELEMENT_MEDIA_TYPE, SOAP_NS_MESSAGING "|mimeType", M(media_type)},
    {ELEMENT_CONTENT, ELEMENT_STREAM, SOAP_NS_MESSAGING "|stream", 0},
    {ELEMENT_STREAM, ELEMENT_INCLUDE, SOAP_NS_XOP "|Include", 0},
    {ELEMENT_GET, ELEMENT_OBJECT, SOAP_NS_MESSAGING "|objectId", M(object)},
    {ELEMENT_GET, ELEMENT_OFFSET, SOAP_NS_MESSAGING "|offset", M(offset)},
    {ELEMENT_GET, ELEMENT_LENGTH, SOAP_NS_MESSAGING "|length", M(length)},
#undef M
};

struct soap_parser {
    XML_Parser xml;
    struct arena *arena;
    struct soap_events events;
    struct soap_message message;
    enum element stack[SOAP_DEPTH_MAX + 1];
    unsigned depth;
    char **target; /* where the present element's text goes */
    bool is_stream;
    struct buf text;
    struct base64_decoder decoder;
    size_t markup_size; /* bytes of text and names that were no content */
    char *property;     /* propertyDefinitionId of the present property */
    bool seen_body;
    int error;
};

static void stop(struct soap_parser *parser, int error)
{
    if (parser->error == 0)
        parser->error = error;
    (void)XML_StopParser(parser->xml, XML_FALSE);
}

static const struct row *row_find(enum element parent, const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (rows[i].parent == parent && strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static const char *attribute(const char **attributes, const char *name)
{
    for (; attributes[0]; attributes += 2)
        if (strcmp(attributes[0], name) == 0)
            return attributes[1];
    return NULL;
}

static char **value_target(struct soap_parser *parser)
{
    if (parser->property && strcmp(parser->property, "cmis:name") == 0)
        return &parser->message.name;
    if (parser->property && strcmp(parser->property, "cmis:objectTypeId") == 0)
        return &parser->message.object_type;
    return NULL;
}

static int text_copy(struct soap_parser *parser, const char *text, char **ret_copy)
{
    if (!text || strlen(text) > SOAP_TEXT_SIZE_MAX)
        return -EBADMSG;
    *ret_copy = arena_text(parser->arena, slice_of_text(text));
    return *ret_copy ? 0 : -ENOMEM;
}

static int include_read(struct soap_parser *parser, const char **attributes)
{
    static const char scheme[] = "cid:";
    const char *href = attribute(attributes, "href");
    if (!href || strncmp(href, scheme, strlen(scheme)) != 0 || parser->message.content_id)
        return -EBADMSG;
    return text_copy(parser, href + strlen(scheme), &parser->message.content_id);
}

static int body_begins(struct soap_parser *parser)
{
    if (parser->seen_body)
        return -EBADMSG;
    parser->seen_body = true;
    int r = parser->events.body(parser->events.arg);
    if (r == 1)
        (void)XML_StopParser(parser->xml, XML_TRUE);
    return r < 0 ? r : 0;
}

static int operation_begins(struct soap_parser *parser, enum soap_operation operation)
{
    if (parser->message.operation != SOAP_NONE)
        return -EBADMSG;
    parser->message.operation = operation;
    return 0;
}

static int element_begins(struct soap_parser *parser, enum element element, const char **attributes)
{
    switch (element) {
    case ELEMENT_BODY:
        return body_begins(parser);
    case ELEMENT_CREATE:
        return operation_begins(parser, SOAP_CREATE_DOCUMENT);
    case ELEMENT_GET:
        return operation_begins(parser, SOAP_GET_CONTENT_STREAM);
    case ELEMENT_PROPERTY:
        return text_copy(parser, attribute(attributes, "propertyDefinitionId"), &parser->property);
    case ELEMENT_VALUE:
        parser->target = value_target(parser);
        return 0;
    case ELEMENT_INCLUDE:
        return include_read(parser, attributes);
    case ELEMENT_STREAM:
        parser->is_stream = true;
        return parser->message.has_content || parser->message.content_id ? -EBADMSG : 0;
    default:
        return 0;
    }
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
    struct soap_parser *parser = arg;
    enum element parent = parser->stack[parser->depth];
    const struct row *row = row_find(parent, name);
    int r = parser->depth == SOAP_DEPTH_MAX ? -EBADMSG : 0;
    if (parent == ELEMENT_TOP && !row)
        r = -EBADMSG; /* not an envelope */
    parser->markup_size += strlen(name);
    for (size_t i = 0; attributes[i]; i++)
        parser->markup_size += strlen(attributes[i]) + 1;
    if (XML_GetSpecifiedAttributeCount(parser->xml) > 2 * 32 ||
        parser->markup_size > SOAP_MARKUP_SIZE_MAX)
        r = -EBADMSG;
    if (r < 0) {
        stop(parser, r);
        return;
    }
    parser->stack[++parser->depth] = row ? row->element : ELEMENT_SKIPPED;
    buf_clear(&parser->text);
    parser->is_stream = false;
    parser->target =
        row && row->text ? (char **)(void *)((char *)&parser->message + row->text) : NULL;
    if (parent == ELEMENT_BODY && !row)
        r = operation_begins(parser, SOAP_UNKNOWN);
    if (row && r == 0)
        r = element_begins(parser, row->element, attributes);
    if (r < 0)
        stop(parser, r);
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct soap_parser *parser = arg;
    (void)name;
    int r = 0;
    if (parser->stack[parser->depth] == ELEMENT_STREAM)
        r = base64_finish(&parser->decoder);
    if (parser->target) {
        if (*parser->target || !buf_text(&parser->text))
            r = -EBADMSG; /* twice */
        else
            r = text_copy(parser, buf_text(&parser->text), parser->target);
        buf_done(&parser->text); /* wipes a password */
    }
    parser->target = NULL;
    parser->is_stream = false;
    parser->depth--;
    if (r < 0)
        stop(parser, r);
}

static int stream_text(struct soap_parser *parser, struct slice text)
{
    uint8_t decoded[1024];
    while (text.size > 0) {
        size_t size = MIN(text.size, sizeof decoded);
        ssize_t n = base64_feed(&parser->decoder, slice_of(text.bytes, size), decoded);
        if (n < 0)
            return (int)n;
        if (n > 0) {
            parser->message.has_content = true;
            int r = parser->events.content(parser->events.arg, slice_of(decoded, (size_t)n));
            if (r < 0)
                return r;
        }
        text = slice_of(text.bytes + size, text.size - size);
    }
    return 0;
}

static void XMLCALL on_text(void *arg, const char *bytes, int size)
{
    struct soap_parser *parser = arg;
    struct slice text = slice_of(bytes, (size_t)size);
    int r = 0;
    if (parser->is_stream) {
        r = stream_text(parser, text);
    } else {
        parser->markup_size += text.size;
        if (parser->markup_size > SOAP_MARKUP_SIZE_MAX ||
            (parser->target && parser->text.size + text.size > SOAP_TEXT_SIZE_MAX))
            r = -EBADMSG;
        else if (parser->target)
            r = buf_append_slice(&parser->text, text);
    }
    if (r < 0)
        stop(parser, r);
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system, const char *public,
                               int has_internal)
{
    (void)name, (void)system, (void)public, (void)has_internal;
    stop(arg, -EPERM);
}

int soap_parser_new(struct arena *arena, const struct soap_events *events,
                    struct soap_parser **ret_parser)
{
    struct soap_parser *parser = calloc(1, sizeof *parser);
    if (parser)
        parser->xml = XML_ParserCreateNS(NULL, '|');
    if (!parser || !parser->xml) {
        free(parser);
        return -ENOMEM;
    }
    parser->arena = arena;
    parser->events = *events;
    XML_SetUserData(parser->xml, parser);
    XML_SetElementHandler(parser->xml, on_start, on_end);
    XML_SetCharacterDataHandler(parser->xml, on_text);
    XML_SetStartDoctypeDeclHandler(parser->xml, on_doctype);
    *ret_parser = parser;
    return 0;
}

void soap_parser_free(struct soap_parser *parser)
{
    if (!parser)
        return;
    XML_ParserFree(parser->xml);
    buf_done(&parser->text);
    free(parser);
}

static int status_read(struct soap_parser *parser, enum XML_Status status)
{
    if (parser->error < 0)
        return parser->error;
    if (status == XML_STATUS_SUSPENDED)
        return 1;
    if (status == XML_STATUS_OK)
        return 0;
    return XML_GetErrorCode(parser->xml) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
}

int soap_parser_feed(struct soap_parser *parser, struct slice bytes, bool last)
{
    static const size_t piece_max = 1 << 20;
    while (bytes.size > piece_max) {
        int r = status_read(
            parser, XML_Parse(parser->xml, (const char *)bytes.bytes, (int)piece_max, XML_FALSE));
        if (r != 0)
            return r == 1 ? -EBADMSG : r; /* callers feed less than this at once */
        bytes = slice_of(bytes.bytes + piece_max, bytes.size - piece_max);
    }
    return status_read(parser,
                       XML_Parse(parser->xml, (const char *)bytes.bytes, (int)bytes.size, last));
}

int soap_parser_resume(struct soap_parser *parser)
{
    return status_read(parser, XML_ResumeParser(parser->xml));
}

const struct soap_message *soap_parser_message(const struct soap_parser *parser)
{
    return &parser->message;
}
