/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/tenants_dir.h: which tenants this machine serves: one directory each, which holds their
 * volumes. Where the gateway runs as root each directory has an owner (uid) of its own, which the
 * launcher gives to the server. */
#ifndef COFFER_GATEWAY_TENANTS_DIR_H
#define COFFER_GATEWAY_TENANTS_DIR_H

#include "base/error.h"
#include "base/macros.h"

#include <stdint.h>

/* Calls fn(ctx, name) for each directory whose name may be a tenant's; stops at a negative answer.
 * Makes `path` if it is not there. */
must_check int tenants_dir_scan(const char *path, int (*fn)(void *ctx, const char *name), void *ctx,
                                struct error *e);

/* Makes PATH/name, mode 0700, for the first free uid from `uid_base` on (0: ours). A directory that
 * is there already is left as it is. `name` has passed tenant_name_is_valid(). */
must_check int tenants_dir_add(const char *path, const char *name, uint64_t uid_base,
                               struct error *e);

#endif
