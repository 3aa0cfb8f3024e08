/* SPDX-License-Identifier: Apache-2.0 */
/* server/base64.h: base64 (RFC 4648), also piece by piece. Not constant-time. */
#ifndef COFFER_SERVER_BASE64_H
#define COFFER_SERVER_BASE64_H

#include "base/buf.h"

#include <sys/types.h>

struct base64_decoder {
    uint32_t bits;
    unsigned count; /* of characters in the present group of four */
    unsigned padding;
};

/* Decodes a piece; blanks and line ends are skipped. `to` has room for text.size bytes. The bytes
 * written, or -EBADMSG. */
must_check ssize_t base64_feed(struct base64_decoder *decoder, struct slice text, uint8_t *to);
/* 0 if the text ended at a group's end, -EBADMSG otherwise. */
must_check int base64_finish(const struct base64_decoder *decoder);

/* A whole text. 0, -EBADMSG or -ENOMEM. */
must_check int base64_decode(struct slice text, struct buf *out);

/* base64url without padding (RFC 7515, section 2), strictly: no blanks, and only the one spelling of each
 * value. `to` has room for text.size * 3 / 4 bytes. The size, or -EBADMSG. */
must_check ssize_t base64url_decode(struct slice text, uint8_t *to);

/* With '-' and '_' and no padding if `url`. */
int base64_encode(struct slice bytes, bool url, struct buf *out);

#endif
