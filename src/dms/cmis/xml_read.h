/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/xml_read.h: reads XML of CMIS clients (SOAP envelopes, Atom entries, query and ACL
 * documents) as it comes. Everything but contents becomes a small tree in the arena; contents are
 * decoded and handed on piece by piece, so a message of any size takes constant memory. Does no I/O.
 *
 * Hostile input: a DOCTYPE is refused, so there are no entities but XML's own; depth, attributes,
 * text, number of elements, unfinished markup and the size of all that is no content are capped.
 * Elements of namespaces that CMIS does not use are skipped with all that is in them. */
#ifndef COFFER_DMS_CMIS_XML_READ_H
#define COFFER_DMS_CMIS_XML_READ_H

#include "base/arena.h"
#include "base/buf.h"

#define XML_DEPTH_MAX 64
#define XML_ATTRIBUTES_MAX 32
#define XML_ELEMENTS_MAX 20000
#define XML_TEXT_SIZE_MAX ((size_t)64 << 10)
#define XML_TOKEN_SIZE_MAX ((size_t)32 << 10) /* a tag, comment or the like */
#define XML_MARKUP_SIZE_MAX ((size_t)1 << 20)
#define XML_MARKUP_SIZE_UNKNOWN_USER ((size_t)64 << 10)

/* id, usual prefix, URI. The URIs are those of CMIS 1.1 (OASIS), Atom (RFC 4287, 5023), SOAP 1.1,
 * WS-Security 1.0 and XOP; the last is where Apache clients put a content's file name. */
#define XML_NAMESPACES(N)                                                                  \
    N(CMIS, "cmis", "http://docs.oasis-open.org/ns/cmis/core/200908/")                     \
    N(CMISM, "cmism", "http://docs.oasis-open.org/ns/cmis/messaging/200908/")              \
    N(CMISRA, "cmisra", "http://docs.oasis-open.org/ns/cmis/restatom/200908/")             \
    N(ATOM, "atom", "http://www.w3.org/2005/Atom")                                         \
    N(APP, "app", "http://www.w3.org/2007/app")                                            \
    N(SOAP, "soap", "http://schemas.xmlsoap.org/soap/envelope/")                           \
    N(WSSE, "wsse",                                                                        \
      "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd") \
    N(XOP, "xop", "http://www.w3.org/2004/08/xop/include")                                 \
    N(XSI, "xsi", "http://www.w3.org/2001/XMLSchema-instance")                             \
    N(CHEMISTRY, "chemistry", "http://chemistry.apache.org/")
#define XML_NS_ID(id, prefix, uri) XML_NS_##id,
enum xml_ns { XML_NS_NONE, XML_NAMESPACES(XML_NS_ID) XML_NS_OTHER };
const char *xml_ns_uri(enum xml_ns ns);

struct xml_attribute {
    enum xml_ns ns; /* XML_NS_NONE: without prefix */
    const char *name, *value;
    struct xml_attribute *next;
};

struct xml_node {
    enum xml_ns ns;
    const char *name;
    const char *text; /* "" for elements with children: text between elements is dropped */
    struct xml_attribute *attributes;
    struct xml_node *children, *next; /* in document order */
    struct xml_node *last, *parent;   /* the reader's */
};

/* Which element a content stands in. */
enum xml_content {
    XML_CONTENT_STREAM, /* cmism:stream, base64 */
    XML_CONTENT_BASE64, /* cmisra:base64 */
    XML_CONTENT_ATOM,   /* atom:content: text, or base64, as its type says (RFC 4287, 4.1.3.3) */
};

/* What happens; each returns 0, or -errno, which ends the parse with that error. */
struct xml_events {
    /* An element begins; may be NULL. Its children and text are not there yet. 1: suspend. */
    int (*element)(void *arg, const struct xml_node *node);
    /* A content begins. One of AtomPub's own elements replaces an atom:content before it; one after
     * it is not reported. */
    int (*content_begins)(void *arg, enum xml_content kind, const struct xml_node *node);
    int (*content)(void *arg, struct slice bytes); /* decoded, never empty */
    void *arg;
};

struct xml_reader;

/* `events` without content_begins: contents are skipped. 0 or -ENOMEM. */
must_check int xml_reader_new(struct arena *arena, const struct xml_events *events,
                              struct xml_reader **ret_reader);
/* Accepts NULL. */
void xml_reader_free(struct xml_reader *reader);

/* The cap on all that is no content; XML_MARKUP_SIZE_MAX at first. */
void xml_reader_markup_max(struct xml_reader *reader, size_t size_max);

/* 0; 1: suspended, the rest of `bytes` is kept for xml_reader_resume(), feed nothing before that;
 * -EBADMSG: not well-formed; -E2BIG: over a cap; -EPERM: a DOCTYPE; -ENOTSUP: an XML document
 * inside an atom:content; -ENOMEM; or what an event returned. */
must_check int xml_reader_feed(struct xml_reader *reader, struct slice bytes, bool last);
must_check int xml_reader_resume(struct xml_reader *reader);
/* What those errors mean, for the client. */
const char *xml_error_text(int error);

/* The outermost element; NULL before it begins. */
const struct xml_node *xml_reader_root(const struct xml_reader *reader);

/* Looking at the tree. All accept NULL nodes. */
bool xml_is(const struct xml_node *node, enum xml_ns ns, const char *name);
const struct xml_node *xml_child(const struct xml_node *node, enum xml_ns ns, const char *name);
/* The next sibling of the same namespace and name. */
const struct xml_node *xml_again(const struct xml_node *node);
size_t xml_count(const struct xml_node *node, enum xml_ns ns, const char *name);
/* A child's text; NULL without that child, or if it says xsi:nil. */
const char *xml_child_text(const struct xml_node *node, enum xml_ns ns, const char *name);
const char *xml_attribute(const struct xml_node *node, enum xml_ns ns, const char *name);
bool xml_is_nil(const struct xml_node *node);

#endif
