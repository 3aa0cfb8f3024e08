/* SPDX-License-Identifier: Apache-2.0 */
/* net/identity.h: a certificate of its own for a server that was given none. */
#ifndef COFFER_RUNTIME_NET_IDENTITY_H
#define COFFER_RUNTIME_NET_IDENTITY_H

#include "base/buf.h"
#include "base/error.h"

/* A new P-256 key and a self-signed certificate over it for localhost, good for 30 days from `now_s`.
 * Appends PEM to both; 0 or -EIO. */
must_check int identity_make(int64_t now_s, struct buf *certificate, struct buf *key,
                             struct error *e);

#endif
