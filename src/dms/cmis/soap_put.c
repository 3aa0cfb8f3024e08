/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/soap.h"
#include "dms/cmis/xml_list.h"
#include "dms/cmis/xml_stream.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define XML_TYPE "text/xml; charset=utf-8"

static void envelope_open(struct xml *xml)
{
    xml_declaration(xml);
    xml_open(xml, "soap:Envelope");
    xml_put_namespaces(xml, 1u << XML_NS_SOAP | 1u << XML_NS_CMIS | 1u << XML_NS_CMISM |
                                1u << XML_NS_XSI | 1u << XML_NS_XOP);
    xml_open(xml, "soap:Body");
}

static void envelope_close(struct xml *xml)
{
    xml_close(xml, "soap:Body");
    xml_close(xml, "soap:Envelope");
}

/* Whose fault it was, in SOAP's words. */
static bool is_servers(enum cmis_error error)
{
    return error == CMIS_RUNTIME || error == CMIS_STORAGE;
}

void soap_fault(struct call *call, enum cmis_error error, const char *message)
{
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    envelope_open(&xml);
    xml_open(&xml, "soap:Fault");
    xml_put(&xml, "faultcode", is_servers(error) ? "soap:Server" : "soap:Client");
    xml_put(&xml, "faultstring", message);
    xml_open(&xml, "detail");
    xml_open(&xml, "cmism:cmisFault");
    xml_put(&xml, "cmism:type", cmis_error_name(error));
    xml_put_int(&xml, "cmism:code", 0);
    xml_put(&xml, "cmism:message", message);
    xml_close(&xml, "cmism:cmisFault");
    xml_close(&xml, "detail");
    xml_close(&xml, "soap:Fault");
    envelope_close(&xml);
    call_reply_buf(call, 500, XML_TYPE, &body);
}

/* Parts of lists and trees */

static void put_page(struct xml *xml, bool more, int64_t total)
{
    xml_put_bool(xml, "cmism:hasMoreItems", more);
    if (total >= 0)
        xml_put_int(xml, "cmism:numItems", total);
}

static void put_placed(struct xml *xml, const char *name, const char *segment_name,
                       const struct cmis_entry *entry)
{
    xml_open(xml, name);
    xml_put_object(xml, "cmism:object", entry->object);
    xml_put(xml, segment_name, entry->segment);
    xml_close(xml, name);
}

static void put_type_tree(struct xml *xml, const char *name, const struct cmis_type_tree *tree,
                          bool with_properties)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct cmis_type_tree *child = &tree->children[i];
        xml_open(xml, name);
        xml_put_type(xml, "cmism:type", NULL, child->type, with_properties, CMIS_1_1);
        put_type_tree(xml, "cmism:children", child, with_properties);
        xml_close(xml, name);
    }
}

static void put_type_list(struct xml *xml, const struct cmis_result *result)
{
    xml_open(xml, "cmism:types");
    for (size_t i = 0; i < result->types.count; i++)
        xml_put_type(xml, "cmism:types", NULL, result->types.types[i],
                     result->with_property_definitions, CMIS_1_1);
    put_page(xml, result->types.more, result->types.total);
    xml_close(xml, "cmism:types");
}

static void put_updated(struct xml *xml, const struct cmis_ids_and_tokens *updated)
{
    for (size_t i = 0; i < updated->count; i++) {
        xml_open(xml, "cmism:objectIdAndChangeToken");
        xml_put(xml, "cmis:id", updated->items[i].id);
        xml_put(xml, "cmis:newId", updated->items[i].new_id);
        xml_put(xml, "cmis:changeToken", updated->items[i].token);
        xml_close(xml, "cmism:objectIdAndChangeToken");
    }
}

static void put_texts(struct xml *xml, enum cmis_output output, const struct cmis_result *result)
{
    switch (output) {
    case CMIS_OUT_OBJECT_ID:
        xml_put(xml, "cmism:objectId", result->object_id);
        break;
    case CMIS_OUT_CHANGE_TOKEN:
        xml_put(xml, "cmism:changeToken", result->change_token);
        break;
    case CMIS_OUT_CONTENT_COPIED:
        xml_put_bool(xml, "cmism:contentCopied", result->content_copied);
        break;
    case CMIS_OUT_FAILED_TO_DELETE:
        xml_open(xml, "cmism:failedToDelete");
        for (size_t i = 0; i < result->failed.count; i++)
            xml_put(xml, "cmism:objectIds", result->failed.ids[i]);
        xml_close(xml, "cmism:failedToDelete");
        break;
    case CMIS_OUT_OBJECT_IDS_AND_TOKENS:
        put_updated(xml, &result->updated);
        break;
    default:
        xml_put(xml, "cmism:changeLogToken", result->change_log_token);
        break;
    }
}

static void put_acl_answer(struct xml *xml, const struct cmis_acl *acl)
{
    xml_open(xml, "cmism:ACL");
    xml_put_acl(xml, "cmism:ACL", acl);
    xml_put_bool(xml, "cmism:exact", acl->exact);
    xml_close(xml, "cmism:ACL");
}

static void put_output(struct xml *xml, enum cmis_output output, const struct cmis_result *result)
{
    switch (output) {
    case CMIS_OUT_OBJECT_ID:
    case CMIS_OUT_CHANGE_TOKEN:
    case CMIS_OUT_CONTENT_COPIED:
    case CMIS_OUT_FAILED_TO_DELETE:
    case CMIS_OUT_CHANGE_LOG_TOKEN:
    case CMIS_OUT_OBJECT_IDS_AND_TOKENS:
        put_texts(xml, output, result);
        break;
    case CMIS_OUT_OBJECT:
        xml_put_object(xml, "cmism:object", result->object);
        break;
    case CMIS_OUT_OBJECT_PROPERTIES:
        xml_put_properties(xml, "cmism:properties", result->object);
        break;
    case CMIS_OUT_ALLOWABLE_ACTIONS:
        xml_put_actions(xml, "cmism:allowableActions", result->actions);
        break;
    case CMIS_OUT_ACL:
        put_acl_answer(xml, &result->acl);
        break;
    case CMIS_OUT_RENDITIONS:
        for (size_t i = 0; i < result->rendition_count; i++)
            xml_put_rendition(xml, "cmism:renditions", &result->renditions[i]);
        break;
    case CMIS_OUT_TYPE:
        xml_put_type(xml, "cmism:type", NULL, result->type, true, CMIS_1_1);
        break;
    case CMIS_OUT_TYPE_LIST:
        put_type_list(xml, result);
        break;
    case CMIS_OUT_TYPE_TREE:
        put_type_tree(xml, "cmism:types", &result->type_tree, result->with_property_definitions);
        break;
    case CMIS_OUT_REPOSITORIES:
        xml_open(xml, "cmism:repositories");
        xml_put(xml, "cmism:repositoryId", result->repository->id);
        xml_put(xml, "cmism:repositoryName", result->repository->name);
        xml_close(xml, "cmism:repositories");
        break;
    case CMIS_OUT_REPOSITORY_INFO:
        xml_put_repository(xml, "cmism:repositoryInfo", result->repository, CMIS_1_1);
        break;
    case CMIS_OUT_OBJECT_LIST: /* list_put() */
    case CMIS_OUT_OBJECT_IN_FOLDER_LIST:
    case CMIS_OUT_OBJECT_TREE:
    case CMIS_OUT_OBJECT_PARENTS:
    case CMIS_OUT_OBJECTS:
    case CMIS_OUT_CONTENT_STREAM: /* content_put() */
    case CMIS_OUTPUT_COUNT:
        break;
    }
}

/* Lists and trees of objects: made as they are sent */

struct list_call {
    const struct cmis_operation *operation;
    const struct cmis_result *result;
    char response[80]; /* the response's element */
};

static bool is_list(enum cmis_output output)
{
    return output == CMIS_OUT_OBJECT_LIST || output == CMIS_OUT_OBJECT_IN_FOLDER_LIST ||
           output == CMIS_OUT_OBJECT_TREE || output == CMIS_OUT_OBJECT_PARENTS ||
           output == CMIS_OUT_OBJECTS;
}

/* Those that have an element around them, with hasMoreItems and numItems at its end. */
static bool is_page(enum cmis_output output)
{
    return output == CMIS_OUT_OBJECT_LIST || output == CMIS_OUT_OBJECT_IN_FOLDER_LIST;
}

static void list_head(void *arg, struct xml *xml)
{
    const struct list_call *call = arg;
    envelope_open(xml);
    xml_open(xml, call->response);
    if (is_page(call->operation->outputs[0]))
        xml_open(xml, "cmism:objects");
}

static void list_enter(void *arg, struct xml *xml, const struct cmis_entry *entry, unsigned level)
{
    const struct list_call *call = arg;
    switch (call->operation->outputs[0]) {
    case CMIS_OUT_OBJECT_IN_FOLDER_LIST:
        put_placed(xml, "cmism:objects", "cmism:pathSegment", entry);
        break;
    case CMIS_OUT_OBJECT_TREE:
        xml_open(xml, level == 0 ? "cmism:objects" : "cmism:children");
        put_placed(xml, "cmism:objectInFolder", "cmism:pathSegment", entry);
        break;
    case CMIS_OUT_OBJECT_PARENTS:
        put_placed(xml, "cmism:parents", "cmism:relativePathSegment", entry);
        break;
    default:
        xml_put_object(xml, "cmism:objects", entry->object);
        break;
    }
}

static void list_leave(void *arg, struct xml *xml, const struct cmis_entry *entry, unsigned level)
{
    const struct list_call *call = arg;
    (void)entry;
    if (call->operation->outputs[0] == CMIS_OUT_OBJECT_TREE)
        xml_close(xml, level == 0 ? "cmism:objects" : "cmism:children");
}

static void list_tail(void *arg, struct xml *xml)
{
    const struct list_call *call = arg;
    const struct cmis_operation *operation = call->operation;
    if (is_page(operation->outputs[0])) {
        put_page(xml, call->result->list.more, call->result->list.total);
        xml_close(xml, "cmism:objects");
    }
    for (size_t i = 1; i < operation->output_count; i++)
        put_output(xml, operation->outputs[i], call->result);
    xml_close(xml, call->response);
    envelope_close(xml);
}

static void list_put(struct call *call, struct cmis_call *cmis,
                     const struct cmis_operation *operation)
{
    struct list_call *list = arena_alloc(&call->req->arena, sizeof *list);
    if (!list) {
        soap_fault(call, CMIS_RUNTIME, "There is no memory for the answer.");
        return;
    }
    const struct xml_list_writer writer = {list_head, list_enter, list_leave, list_tail, list};
    list->operation = operation;
    list->result = &cmis->result;
    (void)snprintf(list->response, sizeof list->response, "cmism:%sResponse", operation->name);
    xml_reply_list(call, 200, XML_TYPE, &cmis->result.list, &writer);
}

/* getContentStream: an answer around a content */

#define INCLUDE "<xop:Include href=\"cid:content@coffer\"/>"

static void content_head(struct xml *xml, const struct cmis_stream *stream, bool mtom)
{
    envelope_open(xml);
    xml_open(xml, "cmism:getContentStreamResponse");
    xml_open(xml, "cmism:contentStream");
    xml_put_int(xml, "cmism:length", stream->length);
    xml_put(xml, "cmism:mimeType", stream->type ? stream->type : "application/octet-stream");
    xml_put(xml, "cmism:filename", stream->name);
    xml_open(xml, "cmism:stream");
    xml_content(xml);
    if (mtom)
        (void)buf_append_text(xml->out, INCLUDE);
}

static void content_tail(struct xml *xml)
{
    xml_close(xml, "cmism:stream");
    xml_close(xml, "cmism:contentStream");
    xml_close(xml, "cmism:getContentStreamResponse");
    envelope_close(xml);
}

/* A header's value of what a client once said: never a line end. */
static void header_value(struct buf *out, const char *text)
{
    for (; *text; text++)
        (void)buf_append_byte(out, (uint8_t)*text < 0x20 || (uint8_t)*text >= 0x7f ? '_' : *text);
}

static int mtom_frame(struct xml_stream *out, const struct cmis_stream *stream, char *boundary,
                      size_t boundary_size)
{
    uint8_t random[12];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return -EIO;
    size_t at = (size_t)snprintf(boundary, boundary_size, "coffer-");
    for (size_t i = 0; i < sizeof random; i++)
        at += (size_t)snprintf(boundary + at, boundary_size - at, "%02x", random[i]);
    struct xml xml = xml_into(&out->head);
    (void)buf_printf(&out->head,
                     "--%s\r\nContent-Type: application/xop+xml; charset=UTF-8; "
                     "type=\"text/xml\"\r\nContent-Transfer-Encoding: binary\r\n"
                     "Content-ID: <root@coffer>\r\n\r\n",
                     boundary);
    content_head(&xml, stream, true);
    content_tail(&xml);
    (void)buf_printf(&out->head, "\r\n--%s\r\nContent-Type: ", boundary);
    header_value(&out->head, stream->type ? stream->type : "application/octet-stream");
    (void)buf_append_text(&out->head, "\r\nContent-Transfer-Encoding: binary\r\n"
                                      "Content-ID: <content@coffer>\r\n\r\n");
    (void)buf_printf(&out->tail, "\r\n--%s--\r\n", boundary);
    return 0;
}

static void content_put(struct call *call, struct cmis_call *cmis, bool mtom)
{
    const struct cmis_stream *stream = &cmis->result.stream;
    struct xml_stream *out = NULL;
    char boundary[64] = "";
    const char *type = XML_TYPE;
    int r = xml_stream_open(call, stream, &out);
    if (r == 0 && mtom) {
        r = mtom_frame(out, stream, boundary, sizeof boundary);
        type = arena_printf(&call->req->arena,
                            "multipart/related; type=\"application/xop+xml\"; boundary=\"%s\"; "
                            "start=\"<root@coffer>\"; start-info=\"text/xml\"",
                            boundary);
    } else if (r == 0) {
        struct xml head = xml_into(&out->head), tail = xml_into(&out->tail);
        content_head(&head, stream, false);
        content_tail(&tail);
        out->base64 = true;
    }
    if (r == 0 && (!type || out->head.failed || out->tail.failed))
        r = -ENOMEM;
    if (r < 0) {
        if (out)
            xml_stream_drop(out);
        soap_fault(call, CMIS_STORAGE, "The content cannot be read.");
        return;
    }
    metric_add(&call->dms->metrics[DMS_DOWNLOADS], 1);
    call_reply_source(call, 200, type, xml_stream_size(out), xml_stream_source(out));
}

void soap_put(struct call *call, struct cmis_call *cmis, const struct cmis_operation *operation,
              bool mtom)
{
    char name[80];
    if (operation->output_count == 1 && operation->outputs[0] == CMIS_OUT_CONTENT_STREAM) {
        content_put(call, cmis, mtom);
        return;
    }
    if (operation->output_count > 0 && is_list(operation->outputs[0])) {
        list_put(call, cmis, operation);
        return;
    }
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    (void)snprintf(name, sizeof name, "cmism:%sResponse", operation->name);
    envelope_open(&xml);
    xml_open(&xml, name);
    for (size_t i = 0; i < operation->output_count; i++)
        put_output(&xml, operation->outputs[i], &cmis->result);
    xml_close(&xml, name);
    envelope_close(&xml);
    call_reply_buf(call, 200, XML_TYPE, &body);
}
