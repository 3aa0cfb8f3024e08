/* SPDX-License-Identifier: Apache-2.0 */
/* dms/hooks.h: delivers web hooks (docs/web-hooks.md): in order, at least once, one delivery of a hook at
 * a time, each of up to HOOK_EVENTS_MAX events; what fails is tried again after growing pauses, and in
 * the end noted and passed over. Connections are made by coffer-dms-out (outside.h), only to places that
 * the server's settings name. The loop's thread only. */
#ifndef COFFER_DMS_HOOKS_H
#define COFFER_DMS_HOOKS_H

#include "base/error.h"
#include "dms/store_hook.h"

#define HOOK_EVENTS_MAX 50

struct dms;
struct hooks;

/* Checks the settings that name destinations: -EINVAL with why. */
must_check int hooks_new(struct dms *dms, struct hooks **ret_hooks, struct error *e);
/* Accepts NULL. A delivery under way is cut off: it comes again. */
void hooks_free(struct hooks *hooks);
/* Something was committed: there may be news. */
void hooks_kick(struct hooks *hooks);

/* A hook was made, changed or removed (0: none was): what is on its way is cut off, and comes again. */
void hooks_forget(struct hooks *hooks, int64_t key);

/* Whether a hook may go there; *ret_origin (may be NULL): the destination's origin, which lives as long
 * as the settings. -EACCES: no setting names it; -EINVAL: it is no URL for this. */
must_check int hooks_may_go(const struct hooks *hooks, const char *url, const char **ret_origin);
/* Sends one delivery without events now; what comes of it is the hook's `last` then, behind "test: ".
 * -EBUSY: something is on its way already; -EACCES. */
must_check int hooks_test(struct hooks *hooks, const struct hook *hook);

#endif
