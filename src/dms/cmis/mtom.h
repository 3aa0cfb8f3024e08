/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/mtom.h: an envelope of SOAP 1.1 and the one content that may come with it, out of a body:
 * XML alone with the content as base64 in it, or multipart/related (MTOM, XOP) with the content in a
 * part before or behind the envelope. Constant memory for contents; everything else is capped.
 * Knows no operation, no user and no request. Bytes are anybody's.
 *
 * The receiver may stop where an element begins (until a password is checked): then everything that
 * comes waits, and mtom_resume() goes on. Before it `is_known` is false, and a part in front of the
 * envelope is refused, so that nobody unknown stores a byte. */
#ifndef COFFER_DMS_CMIS_MTOM_H
#define COFFER_DMS_CMIS_MTOM_H

#include "dms/cmis/xml_read.h"
#include "server/base64.h"
#include "server/multipart.h"

struct mtom_events {
    /* An element begins. 0, 1: wait for mtom_resume(), or -errno, which ends all with that error. */
    int (*element)(void *arg, const struct xml_node *node);
    int (*content)(void *arg, struct slice bytes); /* never empty; 0 or -errno */
    void *arg;
};

enum mtom_part { MTOM_PART_NONE, MTOM_PART_ROOT, MTOM_PART_CONTENT, MTOM_PART_OTHER };

struct mtom {
    struct xml_reader *reader; /* its root is the envelope */
    bool is_multipart;
    bool is_known;   /* by the caller: whose body this is */
    bool waiting;    /* for mtom_resume() */
    char *include;   /* Content-ID that the message refers to, or NULL */
    char *part_id;   /* of the part that was the content, or NULL */
    bool has_inline; /* bytes of a content stood in the message */
    /* The module's own */
    struct arena *arena;
    struct mtom_events events;
    struct multipart multipart;
    enum mtom_part part;
    bool root_seen;
    char *start;      /* Content-ID of the root part; NULL: the first is it */
    bool part_base64; /* the part is encoded though MTOM needs no encoding */
    struct base64_decoder decoder;
    struct buf held; /* events of the multipart reader that came while waiting */
};

/* Texts and the tree go to `arena`, which outlives it. `events` is copied. 0 or -ENOMEM; then
 * mtom_done() follows at some time. */
must_check int mtom_init(struct mtom *mtom, struct arena *arena, const struct mtom_events *events);
/* By the body's Content-Type. 0, -EINVAL (malformed) or -ENOMEM. */
must_check int mtom_begin(struct mtom *mtom, struct slice type);
/* 0, with `waiting` set if an event asked for it: then feed nothing before mtom_resume(). -EINVAL: the
 * parts do not fit together; -EACCES: a part of somebody unknown; what xml_reader_feed() and
 * base64_feed() have; or what an event returned. */
must_check int mtom_feed(struct mtom *mtom, struct slice bytes);
/* The receiver is known now; what has waited is read. */
must_check int mtom_resume(struct mtom *mtom);
/* The body has ended: 0 if there is a whole envelope. */
must_check int mtom_finish(struct mtom *mtom);
void mtom_done(struct mtom *mtom);

#endif
