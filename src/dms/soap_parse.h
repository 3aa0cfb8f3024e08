/* SPDX-License-Identifier: Apache-2.0 */
/* dms/soap_parse.h: reads SOAP 1.1 requests with CMIS 1.1 messages as they come, in constant
 * memory. Does no I/O. A DOCTYPE is refused, depth, attributes, texts and the size of everything
 * but the content are capped; elements that no operation knows are skipped. */
#ifndef COFFER_DMS_SOAP_PARSE_H
#define COFFER_DMS_SOAP_PARSE_H

#include "base/arena.h"
#include "base/buf.h"

#define SOAP_DEPTH_MAX 32
#define SOAP_TEXT_SIZE_MAX 4096
#define SOAP_MARKUP_SIZE_MAX ((size_t)256 << 10)

#define SOAP_NS_ENVELOPE "http://schemas.xmlsoap.org/soap/envelope/"
#define SOAP_NS_MESSAGING "http://docs.oasis-open.org/ns/cmis/messaging/200908/"
#define SOAP_NS_CORE "http://docs.oasis-open.org/ns/cmis/core/200908/"
#define SOAP_NS_XOP "http://www.w3.org/2004/08/xop/include"
#define SOAP_NS_WSSE \
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"

enum soap_operation { SOAP_NONE, SOAP_CREATE_DOCUMENT, SOAP_GET_CONTENT_STREAM, SOAP_UNKNOWN };

/* Texts are NULL if absent, and live in the arena. */
struct soap_message {
    enum soap_operation operation;
    char *user, *password;
    char *repository, *folder, *object;
    char *name, *object_type, *media_type;
    char *offset, *length;
    char *content_id; /* of the part that has the content, without "cid:" */
    bool has_content; /* it stood in the message itself */
};

struct soap_events {
    /* The header is complete, the body begins: 0 to go on, 1 to suspend, -errno to give up. */
    int (*body)(void *arg);
    /* Content that stands in the message as base64, decoded. 0 or -errno. */
    int (*content)(void *arg, struct slice bytes);
    void *arg;
};

struct soap_parser;

must_check int soap_parser_new(struct arena *arena, const struct soap_events *events,
                               struct soap_parser **ret_parser);
/* Accepts NULL. */
void soap_parser_free(struct soap_parser *parser);

/* 0; 1: suspended, the rest of `bytes` is kept for soap_parser_resume(), feed nothing before that;
 * -EBADMSG: not well-formed, no envelope, or over a cap; -EPERM: a DOCTYPE; or what an event
 * returned. */
must_check int soap_parser_feed(struct soap_parser *parser, struct slice bytes, bool last);
must_check int soap_parser_resume(struct soap_parser *parser);

const struct soap_message *soap_parser_message(const struct soap_parser *parser);

#endif
