/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/xml_stream.h: contents of the XML bindings. One that has arrived, as an operation's
 * input; and an answer of some XML, a content from the store (as it is, or as base64) and some XML
 * again, sent in constant memory whatever the content's size. */
#ifndef COFFER_DMS_CMIS_XML_STREAM_H
#define COFFER_DMS_CMIS_XML_STREAM_H

#include "dms/cmis/cmis.h"
#include "dms/dms.h"

/* What a client says of a content that has arrived in call->draft: type and name, or NULL each. 0,
 * or -1 with an error. */
must_check int xml_take_stream(struct cmis_call *cmis, struct call *call, const char *type,
                               const char *name);

struct xml_stream {
    struct buf head, tail; /* by the caller */
    bool base64;           /* the content goes as base64 */
    struct buf content;    /* the store's: bytes, or the file */
    int fd;
    uint64_t offset, length; /* of the content */
    uint64_t at;             /* in all that is sent */
    uint8_t piece[4096];     /* base64 that was not asked for yet */
    size_t piece_from, piece_size;
    uint64_t encoded; /* bytes of the content that went through `piece` */
};

/* A new one in the request's arena, which outlives the answer, with its content opened; -errno, or
 * 0: then xml_stream_source() or
 * xml_stream_drop() follows. */
must_check int xml_stream_open(struct call *call, const struct cmis_stream *content,
                               struct xml_stream **ret_stream);
uint64_t xml_stream_size(const struct xml_stream *stream);
/* The source that owns the stream from now on. */
struct http_source xml_stream_source(struct xml_stream *stream);
void xml_stream_drop(struct xml_stream *stream);

#endif
