/* SPDX-License-Identifier: Apache-2.0 */
/* server/markup.h: text as it may stand in XML 1.0 and HTML. What XML cannot carry (control
 * characters, U+FFFE, U+FFFF) becomes U+FFFD, so that one odd name does not make a whole answer
 * unreadable. The text is UTF-8; a buffer that fails stays failed. */
#ifndef COFFER_SERVER_MARKUP_H
#define COFFER_SERVER_MARKUP_H

#include "base/buf.h"

/* Between tags: line ends and tabs stay, but for the carriage return, which a reader would drop. */
void markup_text(struct buf *out, struct slice text);
/* Between quotes of either kind: a reader would make blanks of line ends and tabs. */
void markup_attribute(struct buf *out, struct slice text);

#endif
