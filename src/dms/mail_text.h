/* SPDX-License-Identifier: Apache-2.0 */
/* dms/mail_text.h: the words of an e-mail: who wrote to whom about what, its texts, the names of what is
 * attached. Does no I/O and follows nothing. The mail is anybody's: depth and parts have a limit, and what
 * is malformed is taken as far as it goes. Sources: RFC 5322 (messages), RFC 2045 and 2046 (MIME), RFC
 * 2047 (words in headers), RFC 2183 (file names). */
#ifndef COFFER_DMS_MAIL_TEXT_H
#define COFFER_DMS_MAIL_TEXT_H

#include "base/buf.h"

#define MAIL_DEPTH_MAX 8
#define MAIL_PARTS_MAX 200

/* A text, decoded; UTF-8 if its sender says what it was, else whatever it is. `markup`: HTML. The slice
 * lives during the call. 0, or a negative number that ends it all. */
typedef int mail_text_fn(void *arg, bool markup, struct slice text);

/* 0, -ENOMEM, or what fn gave. */
must_check int mail_text_read(struct slice mail, mail_text_fn *fn, void *arg);

/* The first field of that name of the message itself, decoded, its lines joined; nothing if it has none.
 * 0 or -ENOMEM. */
must_check int mail_field_read(struct slice mail, const char *name, struct buf *out);

#endif
