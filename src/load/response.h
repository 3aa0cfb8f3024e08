/* SPDX-License-Identifier: Apache-2.0 */
/* load/response.h: reads one HTTP/1.1 response from bytes as they come, keeping a short body and
 * comparing a long one with what it should be. Does no I/O. */
#ifndef COFFER_LOAD_RESPONSE_H
#define COFFER_LOAD_RESPONSE_H

#include "base/buf.h"
#include "base/macros.h"

#include <llhttp.h>

#define RESPONSE_KEPT_MAX ((size_t)2 << 20)

/* Starts as {0}. */
struct response {
    llhttp_t parser;
    unsigned status; /* 0 until the head is complete */
    bool complete;
    bool keep_alive; /* once complete: the connection may be used again */
    uint64_t body_size;
    struct buf body; /* the first RESPONSE_KEPT_MAX bytes, unless `compare` */
    bool compare;    /* the body of a 200 is content `seed`: see load/content.h */
    bool differs;
    uint64_t seed;
};

/* Makes ready for the next response. With `compare` the body is not kept but compared. */
void response_begin(struct response *r, bool compare, uint64_t seed);

/* 0, or -EBADMSG if this is not HTTP. Bytes after a complete response are -EBADMSG too. */
must_check int response_feed(struct response *r, const void *bytes, size_t size);

/* The peer has closed: true if that ends the response as HTTP allows (a body without length). */
must_check bool response_ends_at_close(struct response *r);

void response_done(struct response *r);

#endif
