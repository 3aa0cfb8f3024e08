/* SPDX-License-Identifier: Apache-2.0 */
/* The SOAP road in and out: createDocument and getContentStream of CMIS 1.1's ObjectService, MTOM
 * or inline. Credentials come with HTTP or as a WS-Security UsernameToken; in the latter case the
 * parser stops where the header ends, and what has arrived beyond that waits (at most one read of
 * the connection) until the password is checked. So nobody unknown stores a byte. */
#include "dms/dms.h"
#include "dms/soap_parse.h"
#include "server/multipart.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

struct soap_call {
    struct call *call;
    struct soap_parser *parser;
    struct multipart multipart;
    bool is_multipart;
    bool waiting; /* for the password */
    bool failed;
    unsigned part; /* 1: the root part */
    bool in_content, content_seen;
    struct buf held; /* raw bytes that came while waiting */
};

/* Answers */

static void xml_text(struct buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '&' || *c == '<' || *c == '>' || *c == '"')
            (void)buf_printf(out, "&#%d;", *c);
        else if ((uint8_t)*c >= 0x20 || *c == '\t' || *c == '\n')
            (void)buf_append_byte(out, (uint8_t)*c);
    }
}

static const char envelope_open[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                    "<soap:Envelope xmlns:soap=\"" SOAP_NS_ENVELOPE
                                    "\" xmlns:m=\"" SOAP_NS_MESSAGING "\"><soap:Body>";
static const char envelope_close[] = "</soap:Body></soap:Envelope>\n";

static void fault(struct call *call, bool client, const char *type, const char *message)
{
    struct buf body = {0};
    (void)buf_printf(&body, "%s<soap:Fault><faultcode>soap:%s</faultcode><faultstring>",
                     envelope_open, client ? "Client" : "Server");
    xml_text(&body, message);
    (void)buf_printf(&body,
                     "</faultstring><detail><m:cmisFault><m:type>%s</m:type><m:code>0</m:code>"
                     "<m:message>",
                     type);
    xml_text(&body, message);
    (void)buf_printf(&body, "</m:message></m:cmisFault></detail></soap:Fault>%s", envelope_close);
    call_reply_buf(call, 500, "text/xml; charset=utf-8", &body);
}

static void fault_errno(struct call *call, int error)
{
    static const struct {
        int error;
        bool client;
        const char *type, *message;
    } faults[] = {
        {-ENOENT, true, "objectNotFound", "There is no such object."},
        {-EEXIST, true, "nameConstraintViolation", "There is something with this name already."},
        {-EINVAL, true, "invalidArgument", "A name, an id or a number is not allowed."},
        {-EBADMSG, true, "invalidArgument", "The message is malformed or over a limit."},
        {-EPERM, true, "invalidArgument", "A DOCTYPE is not allowed."},
        {-EFBIG, true, "constraint", "This is more than the server accepts."},
        {-ENOSPC, false, "storage", "The storage is full; nothing was changed."},
    };
    for (size_t i = 0; i < ARRAY_COUNT(faults); i++)
        if (faults[i].error == error) {
            fault(call, faults[i].client, faults[i].type, faults[i].message);
            return;
        }
    fault(call, false, "runtime", "The server failed; nothing was changed.");
}

static void soap_fail(struct soap_call *soap, int error)
{
    if (soap->failed || http_responded(soap->call->req))
        return;
    soap->failed = true;
    content_drop(soap->call->dms->store, &soap->call->draft);
    fault_errno(soap->call, error);
}

/* createDocument */

static void document_created(struct call *call)
{
    struct soap_call *soap = call->soap;
    const struct soap_message *message = soap_parser_message(soap->parser);
    int64_t parent = STORE_ROOT, key = 0;
    struct slice said =
        message->media_type ? slice_of_text(message->media_type) : (struct slice){0};
    int r = message->folder ? key_parse(slice_of_text(message->folder), &parent) : 0;
    if (r == 0)
        r = document_create(call->dms->store, &call->actor, parent, message->name,
                            upload_type(call, said, message->name), &call->draft, &key);
    if (r < 0) {
        fault_errno(call, r);
        return;
    }
    struct buf body = {0};
    (void)buf_printf(&body,
                     "%s<m:createDocumentResponse><m:objectId>%lld</m:objectId>"
                     "</m:createDocumentResponse>%s",
                     envelope_open, (long long)key, envelope_close);
    call_reply_buf(call, 200, "text/xml; charset=utf-8", &body);
}

static void create_document(struct call *call)
{
    struct soap_call *soap = call->soap;
    const struct soap_message *message = soap_parser_message(soap->parser);
    if (!message->name || (message->content_id && !soap->content_seen) ||
        (message->object_type && strcmp(message->object_type, "cmis:document") != 0))
        fault(call, true, "invalidArgument",
              "createDocument needs cmis:name, the type cmis:document and the part its content "
              "refers to.");
    else
        upload_sync(call, document_created);
}

/* getContentStream: an envelope, the content as a part of its own, and the end, from one source */

struct mtom {
    struct call *call;
    struct buf head, tail, content;
    int fd;
    uint64_t at, content_offset, content_size;
};

static void mtom_close(void *arg)
{
    struct mtom *mtom = arg;
    if (mtom->fd >= 0)
        (void)close(mtom->fd);
    buf_done(&mtom->head);
    buf_done(&mtom->tail);
    buf_done(&mtom->content);
}

static ssize_t mtom_read(void *arg, void *to, size_t size)
{
    struct mtom *mtom = arg;
    uint64_t at = mtom->at, head = mtom->head.size, content = mtom->content_size;
    ssize_t n;
    if (at < head) {
        n = (ssize_t)MIN((uint64_t)size, head - at);
        memcpy(to, mtom->head.bytes + at, (size_t)n);
    } else if (at < head + content) {
        uint64_t in_content = at - head;
        size_t count = (size_t)MIN((uint64_t)size, content - in_content);
        if (mtom->fd >= 0) {
            n = pread(mtom->fd, to, count, (off_t)(mtom->content_offset + in_content));
            if (n <= 0)
                return n < 0 ? -errno : -EPROTO;
        } else {
            memcpy(to, mtom->content.bytes + mtom->content_offset + in_content, count);
            n = (ssize_t)count;
        }
    } else {
        n = (ssize_t)MIN((uint64_t)size, head + content + mtom->tail.size - at);
        memcpy(to, mtom->tail.bytes + (at - head - content), (size_t)n);
    }
    mtom->at += (uint64_t)n;
    return n;
}

static int number_read(const char *text, uint64_t *ret_n)
{
    uint64_t n = 0;
    if (!text)
        return 0;
    if (!*text || strlen(text) > 18)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        n = n * 10 + (uint64_t)(*text - '0');
    }
    *ret_n = n;
    return 0;
}

static void mtom_frame(struct mtom *mtom, const struct node *node, const char *boundary)
{
    const char *type = node->type ? node->type : "application/octet-stream";
    (void)buf_printf(&mtom->head,
                     "--%s\r\nContent-Type: application/xop+xml; charset=UTF-8; "
                     "type=\"text/xml\"\r\nContent-Transfer-Encoding: binary\r\n"
                     "Content-ID: <root>\r\n\r\n%s<m:getContentStreamResponse><m:contentStream>"
                     "<m:length>%llu</m:length><m:mimeType>",
                     boundary, envelope_open, (unsigned long long)mtom->content_size);
    xml_text(&mtom->head, type);
    (void)buf_append_text(&mtom->head, "</m:mimeType><m:filename>");
    xml_text(&mtom->head, node->name);
    (void)buf_printf(&mtom->head,
                     "</m:filename><m:stream><xop:Include xmlns:xop=\"" SOAP_NS_XOP
                     "\" href=\"cid:content\"/></m:stream></m:contentStream>"
                     "</m:getContentStreamResponse>%s\r\n--%s\r\nContent-Type: %s\r\n"
                     "Content-Transfer-Encoding: binary\r\nContent-ID: <content>\r\n\r\n",
                     envelope_close, boundary, type);
    (void)buf_printf(&mtom->tail, "\r\n--%s--\r\n", boundary);
}

static int mtom_open(struct call *call, const struct node *node, struct mtom *mtom)
{
    const struct soap_message *message = soap_parser_message(call->soap->parser);
    int64_t size = 0;
    uint64_t length = UINT64_MAX;
    int r = number_read(message->offset, &mtom->content_offset);
    if (r == 0)
        r = number_read(message->length, &length);
    if (r == 0)
        r = content_load(call->dms->store, node->content, &mtom->content, &mtom->fd, &size);
    if (r == 0 && mtom->content_offset > (uint64_t)size)
        r = -EINVAL;
    if (r == 0)
        mtom->content_size = MIN(length, (uint64_t)size - mtom->content_offset);
    return r;
}

static void get_content_stream(struct call *call)
{
    const struct soap_message *message = soap_parser_message(call->soap->parser);
    struct mtom *mtom = arena_alloc(&call->req->arena, sizeof *mtom);
    uint8_t random[16];
    char boundary[64] = "coffer-";
    struct node node = {0};
    int64_t key = 0;
    int r = message->object ? key_parse(slice_of_text(message->object), &key) : -EINVAL;
    if (r == 0)
        r = node_get(call->dms->store, &call->req->arena, key, &node);
    if (r == 0 && (node.kind != NODE_DOCUMENT || node.trash != 0))
        r = -ENOENT;
    if (r == 0 && (!mtom || getrandom(random, sizeof random, 0) != sizeof random))
        r = -ENOMEM;
    if (r < 0) {
        fault_errno(call, r);
        return;
    }
    mtom->call = call;
    mtom->fd = -1;
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(boundary + 7 + 2 * i, 3, "%02x", random[i]);
    r = mtom_open(call, &node, mtom);
    mtom_frame(mtom, &node, boundary);
    if (r == 0 && (mtom->head.failed || mtom->tail.failed))
        r = -ENOMEM;
    char *type = arena_printf(&call->req->arena,
                              "multipart/related; boundary=\"%s\"; type=\"application/xop+xml\"; "
                              "start=\"<root>\"; start-info=\"text/xml\"",
                              boundary);
    if (r < 0 || !type) {
        mtom_close(mtom);
        fault_errno(call, r < 0 ? r : -ENOMEM);
        return;
    }
    metric_add(&call->dms->metrics[DMS_DOWNLOADS], 1);
    call_reply_source(call, 200, type, mtom->head.size + mtom->content_size + mtom->tail.size,
                      (struct http_source){mtom_read, mtom_close, mtom});
}

/* Reading the request */

static void message_complete(struct soap_call *soap)
{
    struct call *call = soap->call;
    metric_add(&call->dms->metrics[DMS_SOAP_CALLS], 1);
    if (call->user.key == 0) {
        unauthorized(call, "Sign in with Basic or a UsernameToken.");
        return;
    }
    const struct soap_message *message = soap_parser_message(soap->parser);
    if (message->repository && strcmp(message->repository, "coffer") != 0)
        fault(call, true, "objectNotFound", "The repository is called coffer.");
    else if (message->operation == SOAP_CREATE_DOCUMENT)
        create_document(call);
    else if (message->operation == SOAP_GET_CONTENT_STREAM)
        get_content_stream(call);
    else
        fault(call, true, "notSupported",
              "This server knows createDocument and getContentStream; see its WSDL.");
}

static int bytes_feed(struct soap_call *soap, struct slice bytes);

static void signed_in(struct call *call)
{
    struct soap_call *soap = call->soap;
    struct buf held = soap->held;
    soap->held = (struct buf){0};
    soap->waiting = false;
    int r = soap_parser_resume(soap->parser);
    if (r == 0)
        r = bytes_feed(soap, buf_slice(&held));
    buf_done(&held);
    if (r < 0)
        soap_fail(soap, r == -EACCES ? -EBADMSG : r);
    else
        http_request_resume(call->req);
}

static int on_body(void *arg)
{
    struct soap_call *soap = arg;
    const struct soap_message *message = soap_parser_message(soap->parser);
    if (soap->call->user.key != 0)
        return 0;
    if (!message->user || !message->password)
        return -EACCES;
    soap->waiting = true;
    return 1;
}

static int on_content(void *arg, struct slice bytes)
{
    struct soap_call *soap = arg;
    return content_draft_write(soap->call->dms->store, &soap->call->draft, bytes);
}

static int on_part(void *arg, struct slice head)
{
    struct soap_call *soap = arg;
    const struct soap_message *message = soap_parser_message(soap->parser);
    soap->in_content = false;
    if (++soap->part == 1)
        return 0;
    struct slice id = multipart_header(head, "Content-ID");
    if (id.size >= 2 && id.bytes[0] == '<' && id.bytes[id.size - 1] == '>')
        id = slice_of(id.bytes + 1, id.size - 2);
    soap->in_content = message->content_id && slice_is_text(id, message->content_id);
    if (soap->in_content && soap->content_seen)
        return -EBADMSG;
    soap->content_seen |= soap->in_content;
    return 0;
}

/* The root part goes to the parser; held back if a password is being checked meanwhile. */
static int on_data(void *arg, struct slice bytes)
{
    struct soap_call *soap = arg;
    if (soap->part > 1)
        return soap->in_content ? on_content(soap, bytes) : 0;
    int r = soap_parser_feed(soap->parser, bytes, false);
    return r < 0 ? r : 0;
}

static int on_part_end(void *arg)
{
    struct soap_call *soap = arg;
    return soap->part == 1 ? soap_parser_feed(soap->parser, slice_of("", 0), true) : 0;
}

/* A multipart reader cannot stop in the middle of a piece; so until the user is known it is fed
 * byte by byte, and stops at the byte that completed the header. */
static int bytes_feed(struct soap_call *soap, struct slice bytes)
{
    size_t used = 0;
    int r = 0;
    while (used < bytes.size && r >= 0 && !soap->waiting) {
        size_t size = soap->call->user.key ? bytes.size - used : 1;
        struct slice piece = slice_of(bytes.bytes + used, size);
        r = soap->is_multipart ? multipart_feed(&soap->multipart, piece) : on_data(soap, piece);
        used += size;
    }
    if (r < 0 || used == bytes.size)
        return r < 0 ? r : 0;
    return buf_append(&soap->held, bytes.bytes + used, bytes.size - used);
}

static void soap_data(struct http_request *req, struct slice bytes, void *arg)
{
    struct soap_call *soap = arg;
    int r = bytes_feed(soap, bytes);
    if (r == -EACCES) {
        unauthorized(soap->call, "Sign in with Basic or a UsernameToken.");
    } else if (r < 0) {
        soap_fail(soap, r);
    } else if (soap->waiting && !soap->call->password_work) {
        const struct soap_message *message = soap_parser_message(soap->parser);
        http_request_pause(req);
        call_sign_in(soap->call, message->user, slice_of_text(message->password), signed_in);
    }
}

static void soap_end(struct http_request *req, int status, void *arg)
{
    struct soap_call *soap = arg;
    if (status < 0 || http_responded(req))
        return;
    int r = soap->is_multipart ? multipart_finish(&soap->multipart)
                               : soap_parser_feed(soap->parser, slice_of("", 0), true);
    if (r == 0 && soap->part == 0 && soap->is_multipart)
        r = -EBADMSG;
    if (r < 0)
        soap_fail(soap, r);
    else
        message_complete(soap);
}

void soap_done(struct call *call)
{
    if (!call->soap)
        return;
    soap_parser_free(call->soap->parser);
    multipart_done(&call->soap->multipart);
    buf_done(&call->soap->held);
    call->soap = NULL;
}

static void soap_read(struct call *call)
{
    struct soap_call *soap = arena_alloc(&call->req->arena, sizeof *soap);
    const struct multipart_events parts = {on_part, on_data, on_part_end, soap};
    const struct soap_events events = {on_body, on_content, soap};
    struct slice type = http_request_header(call->req, "Content-Type");
    if (!soap || soap_parser_new(&call->req->arena, &events, &soap->parser) < 0) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    soap->call = call;
    call->soap = soap;
    soap->is_multipart = type.size > 10 && http_text_equals(slice_of(type.bytes, 10), "multipart/");
    if (soap->is_multipart && multipart_init(&soap->multipart, type, &parts) < 0)
        call_problem(call, 400, "malformed", "The multipart body has no usable boundary.");
    else
        http_request_body(call->req, call->dms->settings.upload_size_max, soap_data, soap_end,
                          soap);
}

/* With an Authorization header the user is found before a byte of the body is read. */
void soap_post(struct call *call)
{
    call->access = ACCESS_USER;
    call->then_signed_in = soap_read;
    if (http_request_header(call->req, "Authorization").bytes)
        call_authenticate(call);
    else
        soap_read(call);
}
