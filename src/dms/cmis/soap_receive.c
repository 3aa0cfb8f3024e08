/* SPDX-License-Identifier: Apache-2.0 */
/* Envelopes as they come, alone or as the root of a multipart/related body (MTOM).
 *
 * Credentials come with HTTP or as a WS-Security UsernameToken. In the latter case the reader stops
 * where the envelope's body begins, and what arrived beyond that waits (at most one read of the
 * connection) until the password is checked: nobody unknown stores a byte.
 *
 * A content stands in the message as base64, or as a part that the message refers to, before or
 * after it. It goes into call->draft as it comes and is dropped with a request that fails. */
#include "dms/cmis/binding.h"
#include "dms/cmis/soap.h"
#include "dms/cmis/xml_stream.h"
#include "server/base64.h"
#include "server/multipart.h"

#include <errno.h>

enum part { PART_NONE, PART_ROOT, PART_CONTENT, PART_OTHER };
enum held { HELD_PART, HELD_DATA, HELD_END };

struct soap_call {
    struct call *call;
    struct cmis_call cmis;
    const struct cmis_operation *operation;
    enum cmis_service service;
    struct xml_reader *reader;
    struct multipart multipart;
    bool is_multipart;
    bool waiting; /* for the password */
    bool failed;
    enum part part;
    bool root_seen;
    char *start;      /* Content-ID of the root part; NULL: the first is it */
    char *include;    /* Content-ID that the message refers to */
    char *part_id;    /* of the part that is in the draft */
    bool has_inline;  /* bytes of a content stood in the message */
    bool part_base64; /* the part is encoded though MTOM needs no encoding */
    struct base64_decoder decoder;
    struct buf held; /* events of the multipart reader that came while waiting */
};

static void soap_fail(struct soap_call *soap, int error)
{
    struct call *call = soap->call;
    if (soap->failed || http_responded(call->req))
        return;
    soap->failed = true;
    content_drop(call->dms->store, &call->draft);
    if (error == -EACCES)
        unauthorized(call, "Sign in with Basic or with a UsernameToken and its password as text.");
    else if (error == -EFBIG)
        soap_fault(call, CMIS_CONSTRAINT, "The content is larger than this server accepts.");
    else if (error == -ENOSPC)
        soap_fault(call, CMIS_STORAGE, "The storage is full; nothing was changed.");
    else if (error == -EIO || error == -ENOMEM)
        soap_fault(call, CMIS_RUNTIME, "The server failed; nothing was changed.");
    else if (error == -EINVAL)
        soap_fault(call, CMIS_INVALID_ARGUMENT,
                   "The multipart message is malformed: it has one root part, and its content "
                   "stands in one part, or in the message.");
    else
        soap_fault(call, CMIS_INVALID_ARGUMENT, xml_error_text(error));
}

/* Running */

static void operation_run(struct call *call)
{
    struct soap_call *soap = call->soap;
    struct slice accept = http_request_header(call->req, "Accept");
    bool mtom = soap->is_multipart || !accept.bytes;
    for (size_t i = 0; i + 3 <= accept.size && !mtom; i++)
        mtom = memcmp(accept.bytes + i, "*/*", 3) == 0 ||
               (i + 9 <= accept.size && memcmp(accept.bytes + i, "multipart", 9) == 0);
    if (cmis_run(&soap->cmis, soap->operation) < 0)
        soap_fault(call, soap->cmis.error, soap->cmis.message);
    else
        soap_put(call, &soap->cmis, soap->operation, mtom);
}

/* 1: there is a content; 0: there is none. */
static int content_take(struct soap_call *soap, const struct xml_node *request)
{
    struct cmis_call *cmis = &soap->cmis;
    const struct xml_node *content = xml_child(request, XML_NS_CMISM, "contentStream");
    if (!content || xml_is_nil(content))
        return 0;
    if (soap->include && (soap->has_inline || !soap->part_id))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                         "The part that the content refers to did not come.");
    if (!soap->include && !xml_child(content, XML_NS_CMISM, "stream"))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The content has no stream.");
    int r = xml_take_stream(cmis, soap->call, xml_child_text(content, XML_NS_CMISM, "mimeType"),
                            xml_child_text(content, XML_NS_CMISM, "filename"));
    return r < 0 ? r : 1;
}

static int request_take(struct soap_call *soap)
{
    struct cmis_call *cmis = &soap->cmis;
    const struct xml_node *envelope = xml_reader_root(soap->reader);
    const struct xml_node *body = xml_child(envelope, XML_NS_SOAP, "Body");
    const struct xml_node *request = body ? body->children : NULL;
    if (!request || request->next || request->ns != XML_NS_CMISM)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                         "The envelope's body has not one operation of CMIS 1.1.");
    soap->operation = cmis_operation_find(soap->service, slice_of_text(request->name));
    if (!soap->operation)
        return cmis_fail(cmis, CMIS_NOT_SUPPORTED, "%s has no operation %.60s; see its WSDL.",
                         cmis_service_name(soap->service), request->name);
    if (binding_scope_check(soap->call, cmis, soap->operation) < 0 ||
        soap_take(cmis, soap->operation, request) < 0)
        return -1;
    return content_take(soap, request);
}

static void message_complete(struct soap_call *soap)
{
    struct call *call = soap->call;
    metric_add(&call->dms->metrics[DMS_SOAP_CALLS], 1);
    if (call->user.key == 0) {
        soap_fail(soap, -EACCES);
        return;
    }
    binding_init(call, &soap->cmis);
    int r = request_take(soap);
    if (r < 0) {
        content_drop(call->dms->store, &call->draft);
        soap_fault(call, soap->cmis.error, soap->cmis.message);
    } else if (r == 0) {
        content_drop(call->dms->store, &call->draft);
        operation_run(call);
    } else {
        upload_sync(call, operation_run);
    }
}

/* The envelope */

static int token_check(struct soap_call *soap)
{
    const struct xml_node *header = xml_child(xml_reader_root(soap->reader), XML_NS_SOAP, "Header");
    const struct xml_node *token =
        xml_child(xml_child(header, XML_NS_WSSE, "Security"), XML_NS_WSSE, "UsernameToken");
    const struct xml_node *password = xml_child(token, XML_NS_WSSE, "Password");
    const char *type = xml_attribute(password, XML_NS_NONE, "Type");
    const char *digest = "#PasswordDigest";
    if (!password || !xml_child(token, XML_NS_WSSE, "Username"))
        return -EACCES;
    if (type && strlen(type) >= strlen(digest) &&
        strcmp(type + strlen(type) - strlen(digest), digest) == 0)
        return -EACCES; /* that would need the password itself kept */
    soap->waiting = true;
    return 1;
}

static int include_take(struct soap_call *soap, const struct xml_node *node)
{
    static const char scheme[] = "cid:";
    const char *href = xml_attribute(node, XML_NS_NONE, "href");
    if (!href || strncmp(href, scheme, strlen(scheme)) != 0 || soap->include ||
        !xml_is(node->parent, XML_NS_CMISM, "stream"))
        return -EINVAL;
    int r = http_decode(&soap->call->req->arena, slice_of_text(href + strlen(scheme)), false,
                        &soap->include);
    if (r == 0 && soap->part_id && strcmp(soap->part_id, soap->include) != 0)
        r = -EINVAL; /* the part that came before is another */
    return r;
}

static int on_element(void *arg, const struct xml_node *node)
{
    struct soap_call *soap = arg;
    if (!node->parent)
        return xml_is(node, XML_NS_SOAP, "Envelope") ? 0 : -EBADMSG;
    if (xml_is(node, XML_NS_XOP, "Include"))
        return include_take(soap, node);
    if (!xml_is(node, XML_NS_SOAP, "Body") || node->parent->parent || soap->call->user.key)
        return 0;
    return token_check(soap);
}

static int content_store(struct soap_call *soap, struct slice bytes)
{
    struct call *call = soap->call;
    if ((uint64_t)call->draft.size + bytes.size > call->dms->settings.upload_size_max)
        return -EFBIG;
    return content_draft_write(call->dms->store, &call->draft, bytes);
}

static int on_content_begins(void *arg, enum xml_content kind, const struct xml_node *node)
{
    (void)arg, (void)node;
    return kind == XML_CONTENT_STREAM ? 0 : -EBADMSG;
}

static int on_content(void *arg, struct slice bytes)
{
    struct soap_call *soap = arg;
    if (soap->part_id || soap->include)
        return -EINVAL;
    soap->has_inline = true;
    return content_store(soap, bytes);
}

/* Parts */

static struct slice id_strip(struct slice id)
{
    bool angles = id.size >= 2 && id.bytes[0] == '<' && id.bytes[id.size - 1] == '>';
    return angles ? slice_of(id.bytes + 1, id.size - 2) : id;
}

static int content_part(struct soap_call *soap, struct slice head, struct slice id)
{
    struct slice encoding = multipart_header(head, "Content-Transfer-Encoding");
    if (soap->part_id || soap->has_inline)
        return -EINVAL; /* a second content */
    soap->part_id = arena_text(&soap->call->req->arena, id);
    soap->part_base64 = http_text_equals(encoding, "base64");
    soap->part = PART_CONTENT;
    return soap->part_id ? 0 : -ENOMEM;
}

static int part_begins(struct soap_call *soap, struct slice head)
{
    struct slice id = id_strip(multipart_header(head, "Content-ID"));
    bool is_root = soap->start ? slice_is_text(id, soap->start) : !soap->root_seen;
    soap->part = PART_OTHER;
    if (is_root) {
        if (soap->root_seen)
            return -EINVAL;
        soap->root_seen = true;
        soap->part = PART_ROOT;
        return 0;
    }
    if (!soap->root_seen) /* the message will say whether this is its content */
        return soap->call->user.key == 0 ? -EACCES : content_part(soap, head, id);
    return soap->include && slice_is_text(id, soap->include) ? content_part(soap, head, id) : 0;
}

static int root_feed(struct soap_call *soap, struct slice bytes, bool last)
{
    int r = xml_reader_feed(soap->reader, bytes, last);
    return r < 0 ? r : 0;
}

static int part_data(struct soap_call *soap, struct slice bytes)
{
    uint8_t decoded[4096];
    if (soap->part == PART_ROOT)
        return root_feed(soap, bytes, false);
    if (soap->part != PART_CONTENT)
        return 0;
    if (!soap->part_base64)
        return content_store(soap, bytes);
    while (bytes.size > 0) {
        size_t size = MIN(bytes.size, sizeof decoded);
        ssize_t n = base64_feed(&soap->decoder, slice_of(bytes.bytes, size), decoded);
        int r = n > 0 ? content_store(soap, slice_of(decoded, (size_t)n)) : (int)n;
        if (r < 0)
            return r;
        bytes = slice_of(bytes.bytes + size, bytes.size - size);
    }
    return 0;
}

static int part_ends(struct soap_call *soap)
{
    if (soap->part == PART_ROOT)
        return root_feed(soap, slice_of("", 0), true);
    return soap->part == PART_CONTENT && soap->part_base64 ? base64_finish(&soap->decoder) : 0;
}

static int part_event(struct soap_call *soap, enum held kind, struct slice bytes)
{
    if (soap->waiting) {
        uint32_t head[2] = {kind, (uint32_t)bytes.size};
        (void)buf_append(&soap->held, head, sizeof head);
        return buf_append_slice(&soap->held, bytes);
    }
    return kind == HELD_PART   ? part_begins(soap, bytes)
           : kind == HELD_DATA ? part_data(soap, bytes)
                               : part_ends(soap);
}

static int held_replay(struct soap_call *soap)
{
    SCOPED(buf_done) struct buf held = soap->held;
    int r = 0;
    soap->held = (struct buf){0};
    for (size_t at = 0; at < held.size && r == 0;) {
        uint32_t head[2];
        memcpy(head, held.bytes + at, sizeof head);
        at += sizeof head;
        r = part_event(soap, (enum held)head[0], slice_of(held.bytes + at, head[1]));
        at += head[1];
    }
    return r;
}

static int on_part(void *arg, struct slice head)
{
    return part_event(arg, HELD_PART, head);
}

static int on_part_data(void *arg, struct slice bytes)
{
    return part_event(arg, HELD_DATA, bytes);
}

static int on_part_end(void *arg)
{
    return part_event(arg, HELD_END, slice_of("", 0));
}

/* The body of the HTTP request */

static void signed_in(struct call *call)
{
    struct soap_call *soap = call->soap;
    soap->waiting = false;
    xml_reader_markup_max(soap->reader, XML_MARKUP_SIZE_MAX);
    int r = xml_reader_resume(soap->reader);
    if (r == 0)
        r = held_replay(soap);
    if (r < 0)
        soap_fail(soap, r);
    else
        http_request_resume(call->req);
}

static void sign_in(struct soap_call *soap)
{
    const struct xml_node *header = xml_child(xml_reader_root(soap->reader), XML_NS_SOAP, "Header");
    const struct xml_node *token =
        xml_child(xml_child(header, XML_NS_WSSE, "Security"), XML_NS_WSSE, "UsernameToken");
    http_request_pause(soap->call->req);
    call_sign_in(soap->call, xml_child_text(token, XML_NS_WSSE, "Username"),
                 slice_of_text(xml_child_text(token, XML_NS_WSSE, "Password")), signed_in);
}

static void soap_data(struct http_request *req, struct slice bytes, void *arg)
{
    struct soap_call *soap = arg;
    (void)req;
    int r = soap->is_multipart ? multipart_feed(&soap->multipart, bytes)
                               : root_feed(soap, bytes, false);
    if (r < 0)
        soap_fail(soap, r == -EBADMSG && soap->is_multipart && !soap->root_seen ? -EINVAL : r);
    else if (soap->waiting)
        sign_in(soap);
}

static void soap_end(struct http_request *req, int status, void *arg)
{
    struct soap_call *soap = arg;
    if (status < 0 || http_responded(req))
        return;
    int r = 0;
    if (!soap->is_multipart)
        r = root_feed(soap, slice_of("", 0), true);
    else if (multipart_finish(&soap->multipart) < 0 || !soap->root_seen)
        r = -EINVAL;
    if (r < 0)
        soap_fail(soap, r);
    else
        message_complete(soap);
}

void soap_done(struct call *call)
{
    if (!call->soap)
        return;
    xml_reader_free(call->soap->reader);
    multipart_done(&call->soap->multipart);
    buf_done(&call->soap->held);
    call->soap = NULL;
}

static int multipart_begin(struct soap_call *soap, struct slice type)
{
    struct arena *arena = &soap->call->req->arena;
    const struct multipart_events parts = {on_part, on_part_data, on_part_end, soap};
    char *start = NULL;
    int r = multipart_init(&soap->multipart, type, &parts);
    if (r == 0)
        r = multipart_parameter(arena, type, "start", &start);
    if (r == 0) {
        soap->start = arena_text(arena, id_strip(slice_of_text(start)));
        r = soap->start ? 0 : -ENOMEM;
    }
    return r == -ENOENT ? 0 : r;
}

/* What an upload of the largest content takes as base64, and the message around it. */
static uint64_t body_size_max(const struct dms *dms)
{
    return dms->settings.upload_size_max / 3 * 4 + dms->settings.upload_size_max / 16 +
           2 * XML_MARKUP_SIZE_MAX;
}

static void soap_read(struct call *call)
{
    static const char prefix[] = "multipart/";
    const size_t prefix_size = strlen(prefix);
    struct soap_call *soap = call->soap;
    struct slice type = http_request_header(call->req, "Content-Type");
    soap->is_multipart =
        type.size > prefix_size && http_text_equals(slice_of(type.bytes, prefix_size), prefix);
    if (call->user.key == 0)
        xml_reader_markup_max(soap->reader, XML_MARKUP_SIZE_UNKNOWN_USER);
    if (soap->is_multipart && multipart_begin(soap, type) < 0)
        soap_fail(soap, -EINVAL);
    else
        http_request_body(call->req, body_size_max(call->dms), soap_data, soap_end, soap);
}

/* With an Authorization header the user is found before a byte of the body is read. */
void soap_post(struct call *call)
{
    struct soap_call *soap = arena_alloc(&call->req->arena, sizeof *soap);
    const struct xml_events events = {on_element, on_content_begins, on_content, soap};
    int service = soap_service_find(call->params[0]);
    if (service < 0) {
        call_problem(call, 404, "not-found", "There is no such service of CMIS.");
        return;
    }
    if (!soap || xml_reader_new(&call->model_arena, &events, &soap->reader) < 0) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    soap->call = call;
    soap->service = (enum cmis_service)service;
    call->soap = soap;
    call->access = ACCESS_USER;
    call->then_signed_in = soap_read;
    if (http_request_header(call->req, "Authorization").bytes)
        call_authenticate(call);
    else
        soap_read(call);
}
