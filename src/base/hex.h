/* SPDX-License-Identifier: Apache-2.0 */
/* base/hex.h: bytes as lower-case hexadecimal text and back. Not for secrets. */
#ifndef COFFER_BASE_HEX_H
#define COFFER_BASE_HEX_H

#include "base/macros.h"
#include "base/slice.h"

/* Writes 2 * bytes.size digits and a NUL; `text` has room for that. */
void hex_encode(struct slice bytes, char *text);

/* 0 if `text` is exactly `size` bytes in hexadecimal of either case, -EINVAL otherwise. */
must_check int hex_decode(struct slice text, void *bytes, size_t size);

#endif
