/* SPDX-License-Identifier: Apache-2.0 */
/* dms/link.h: absolute addresses for clients that need them (CMIS), made from the Host they used. */
#ifndef COFFER_DMS_LINK_H
#define COFFER_DMS_LINK_H

#include "dms/dms.h"

/* "https://host:port", in the call's model_arena; NULL without memory. https if the
 * setting says so or the request has X-Forwarded-Proto: https; it decides nothing but links. A
 * Host that is none becomes "localhost". */
must_check const char *link_origin(struct call *call);

/* Percent-encodes everything but RFC 3986's unreserved characters. */
void link_escape(struct buf *out, const char *text);

#endif
