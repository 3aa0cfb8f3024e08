/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/base64.h: base64 (RFC 4648, section 4) with padding and without line breaks, through
 * OpenSSL, whose tables do not give secrets away by their timing. */
#ifndef COFFER_CRYPTO_BASE64_H
#define COFFER_CRYPTO_BASE64_H

#include "base/buf.h"

/* Appends; 0 or -ENOMEM. */
must_check int crypto_base64_encode(struct slice bytes, struct buf *out);

/* Appends what `text` stands for. 0, -EBADMSG (not this form) or -ENOMEM. */
must_check int crypto_base64_decode(struct slice text, struct buf *out);

#endif
