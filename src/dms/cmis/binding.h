/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/binding.h: what the bindings share: an operation on behalf of a call. */
#ifndef COFFER_DMS_CMIS_BINDING_H
#define COFFER_DMS_CMIS_BINDING_H

#include "dms/cmis/cmis.h"
#include "dms/dms.h"

/* For the call's user. One who comes with an API token without the scope `admin` is no
 * administrator here. */
void binding_init(struct call *call, struct cmis_call *cmis);

/* An API token has the scope that the operation needs: HTTP's method alone does not tell, since a
 * POST may read. 0, or -1 with permissionDenied. */
must_check int binding_scope_check(const struct call *call, struct cmis_call *cmis,
                                   const struct cmis_operation *operation);

/* Answers with what getContentStream has found: with HTTP's ranges and conditions, and a part alone
 * where the operation's own offset and length ask for one. */
void binding_reply_content(struct call *call, const struct cmis_call *cmis);

#endif
