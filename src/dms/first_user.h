/* SPDX-License-Identifier: Apache-2.0 */
/* dms/first_user.h: the first user, from the environment. */
#ifndef COFFER_DMS_FIRST_USER_H
#define COFFER_DMS_FIRST_USER_H

#include "base/error.h"
#include "dms/dms.h"

/* COFFER_DMS_FIRST_USER and COFFER_DMS_FIRST_PASSWORD. An empty store gets that user, an
 * administrator with a one-time password. Later the same password changes nothing, whatever became
 * of the user; another one than last time is the owner's way back in: it is set, one-time, and that
 * user's sessions end. The environment then forgets it. */
must_check int first_user_settle(struct dms *dms, struct error *e);

#endif
