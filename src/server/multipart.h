/* SPDX-License-Identifier: Apache-2.0 */
/* server/multipart.h: reads multipart bodies (form-data, related) as they come, in constant memory.
 * Does no I/O. Parts do not nest. */
#ifndef COFFER_SERVER_MULTIPART_H
#define COFFER_SERVER_MULTIPART_H

#include "base/arena.h"
#include "base/buf.h"

#define MULTIPART_BOUNDARY_MAX 70
#define MULTIPART_HEAD_SIZE_MAX 4096
#define MULTIPART_PARTS_MAX 64

/* What happens; each returns 0, or -errno, which ends the parse with that error. */
struct multipart_events {
    /* A part begins; `head` is its header lines, for multipart_header(), borrowed for the call. */
    int (*part)(void *arg, struct slice head);
    int (*data)(void *arg, struct slice bytes); /* never empty */
    int (*part_end)(void *arg);
    void *arg;
};

struct multipart {
    struct multipart_events events;
    char delimiter[MULTIPART_BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
    size_t delimiter_size;
    size_t matched; /* bytes of the delimiter seen so far */
    unsigned state;
    unsigned parts;
    unsigned parts_max; /* MULTIPART_PARTS_MAX; may be set after multipart_init() */
    struct buf head;
};

/* From a Content-Type such as `multipart/related; boundary=x`. 0, or -EINVAL if it is no multipart
 * type or the boundary is missing or not allowed. Release with multipart_done(). */
must_check int multipart_init(struct multipart *multipart, struct slice content_type,
                              const struct multipart_events *events);
void multipart_done(struct multipart *multipart);

/* 0, -EBADMSG (malformed, too many parts, head too large), -ENOMEM, or what an event returned. */
must_check int multipart_feed(struct multipart *multipart, struct slice bytes);
/* 0 if the closing delimiter was seen, -EBADMSG otherwise. */
must_check int multipart_finish(const struct multipart *multipart);

/* A part's header by name, any case; bytes == NULL if absent. */
struct slice multipart_header(struct slice head, const char *name);

/* A parameter of a header value ("name" of `form-data; name="x"`), unquoted, into the arena; also
 * its RFC 5987 form `name*=UTF-8''...`, which wins. 0, -ENOENT, -EINVAL (malformed, not UTF-8) or
 * -ENOMEM. */
must_check int multipart_parameter(struct arena *arena, struct slice value, const char *name,
                                   char **ret_text);

#endif
