/* SPDX-License-Identifier: Apache-2.0 */
/* dms/header_parse.h: headers that clients fill as they like: cookies, and what tus says of an upload.
 * Does no I/O and knows no call. */
#ifndef COFFER_DMS_HEADER_PARSE_H
#define COFFER_DMS_HEADER_PARSE_H

#include "base/arena.h"

/* The value of the first cookie called `name` (RFC 6265, section 4.2.1); bytes == NULL if there is
 * none. A part of `header`. */
struct slice cookie_find(struct slice header, const char *name);

#define TUS_VALUE_SIZE_MAX 4096

/* Upload-Metadata (tus 1.0, extension Creation): pairs "key base64", separated by commas; a value may
 * be missing. NULL: not said. */
struct tus_metadata {
    char *name, *type, *parent, *document, *conflict;
};
/* Other keys are passed over, their values must be good all the same. -EBADMSG (base64, or a value that
 * is no text of at most TUS_VALUE_SIZE_MAX bytes of UTF-8) or -ENOMEM. */
must_check int tus_metadata_parse(struct arena *arena, struct slice header,
                                  struct tus_metadata *ret);

#endif
