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
#include "dms/cmis/mtom.h"
#include "dms/cmis/soap.h"
#include "dms/cmis/xml_stream.h"

#include <errno.h>

struct soap_call {
    struct call *call;
    struct cmis_call cmis;
    const struct cmis_operation *operation;
    enum cmis_service service;
    struct mtom mtom;
    bool failed;
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
    bool mtom = soap->mtom.is_multipart || !accept.bytes;
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
    if (soap->mtom.include && (soap->mtom.has_inline || !soap->mtom.part_id))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                         "The part that the content refers to did not come.");
    if (!soap->mtom.include && !xml_child(content, XML_NS_CMISM, "stream"))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The content has no stream.");
    int r = xml_take_stream(cmis, soap->call, xml_child_text(content, XML_NS_CMISM, "mimeType"),
                            xml_child_text(content, XML_NS_CMISM, "filename"));
    return r < 0 ? r : 1;
}

static int request_take(struct soap_call *soap)
{
    struct cmis_call *cmis = &soap->cmis;
    const struct xml_node *envelope = xml_reader_root(soap->mtom.reader);
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
    const struct xml_node *header =
        xml_child(xml_reader_root(soap->mtom.reader), XML_NS_SOAP, "Header");
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
    return 1;           /* wait */
}

static int on_element(void *arg, const struct xml_node *node)
{
    struct soap_call *soap = arg;
    if (!node->parent)
        return xml_is(node, XML_NS_SOAP, "Envelope") ? 0 : -EBADMSG;
    if (!xml_is(node, XML_NS_SOAP, "Body") || node->parent->parent || soap->call->user.key)
        return 0;
    return token_check(soap);
}

static int content_store(void *arg, struct slice bytes)
{
    struct call *call = ((struct soap_call *)arg)->call;
    if ((uint64_t)call->draft.size + bytes.size > call->dms->settings.upload_size_max)
        return -EFBIG;
    return content_draft_write(call->dms->store, &call->draft, bytes);
}

/* The body of the HTTP request */

static void signed_in(struct call *call)
{
    struct soap_call *soap = call->soap;
    int r = mtom_resume(&soap->mtom);
    if (r < 0)
        soap_fail(soap, r);
    else
        http_request_resume(call->req);
}

static void sign_in(struct soap_call *soap)
{
    const struct xml_node *header =
        xml_child(xml_reader_root(soap->mtom.reader), XML_NS_SOAP, "Header");
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
    int r = mtom_feed(&soap->mtom, bytes);
    if (r < 0)
        soap_fail(soap, r);
    else if (soap->mtom.waiting)
        sign_in(soap);
}

static void soap_end(struct http_request *req, int status, void *arg)
{
    struct soap_call *soap = arg;
    if (status < 0 || http_responded(req))
        return;
    int r = mtom_finish(&soap->mtom);
    if (r < 0)
        soap_fail(soap, r);
    else
        message_complete(soap);
}

void soap_done(struct call *call)
{
    if (call->soap)
        mtom_done(&call->soap->mtom);
    call->soap = NULL;
}

/* What an upload of the largest content takes as base64, and the message around it. */
static uint64_t body_size_max(const struct dms *dms)
{
    return dms->settings.upload_size_max / 3 * 4 + dms->settings.upload_size_max / 16 +
           2 * XML_MARKUP_SIZE_MAX;
}

static void soap_read(struct call *call)
{
    struct soap_call *soap = call->soap;
    soap->mtom.is_known = call->user.key != 0;
    if (mtom_begin(&soap->mtom, http_request_header(call->req, "Content-Type")) < 0)
        soap_fail(soap, -EINVAL);
    else
        http_request_body(call->req, body_size_max(call->dms), soap_data, soap_end, soap);
}

/* With an Authorization header the user is found before a byte of the body is read. */
void soap_post(struct call *call)
{
    struct soap_call *soap = arena_alloc(&call->req->arena, sizeof *soap);
    const struct mtom_events events = {on_element, content_store, soap};
    int service = soap_service_find(call->params[0]);
    if (service < 0) {
        call_problem(call, 404, "not-found", "There is no such service of CMIS.");
        return;
    }
    if (!soap || mtom_init(&soap->mtom, &call->model_arena, &events) < 0) {
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
