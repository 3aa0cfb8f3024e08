/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/sni.h: finds the server name in the first bytes of a TLS connection (RFC 8446, RFC 6066).
 * Pure: does no I/O, keeps no state, and never asks for more than SNI_HELLO_SIZE_MAX bytes. */
#ifndef COFFER_GATEWAY_SNI_H
#define COFFER_GATEWAY_SNI_H

#include "base/macros.h"
#include "base/slice.h"

#define SNI_HELLO_SIZE_MAX ((size_t)16 << 10) /* record headers included */
#define SNI_NAME_SIZE 254                     /* the longest DNS name and a NUL */

/* `bytes` are the first bytes of the connection; the ClientHello may span segments and records.
 * Returns 0 and fills `ret_name` (lower case; letters, digits, hyphens and dots only), or
 *   -EAGAIN    all is well so far, but the ClientHello is not complete
 *   -ENOENT    a complete ClientHello without a server name
 *   -EBADMSG   not a ClientHello, or a malformed one
 *   -EMSGSIZE  a ClientHello longer than SNI_HELLO_SIZE_MAX
 * Any answer but -EAGAIN stays the same however many bytes follow. On failure `ret_name` is
 * untouched. */
must_check int sni_parse(struct slice bytes, char ret_name[SNI_NAME_SIZE]);

/* Do these bytes look like the start of an HTTP request without TLS? */
bool sni_is_plain_http(struct slice bytes);

#endif
