/* SPDX-License-Identifier: Apache-2.0 */
/* load/own_tenant.h: a client called `load` of its own in a system started by `coffer up` on this
 * machine, so that `coffer load run` needs no credentials there and touches nobody's documents. */
#ifndef COFFER_LOAD_OWN_TENANT_H
#define COFFER_LOAD_OWN_TENANT_H

#include "base/error.h"
#include "load/connection.h"

#define OWN_TENANT "load"
#define OWN_TENANT_PATH_MAX 4096

/* `option`, or $XDG_STATE_HOME/coffer, or ~/.local/state/coffer; as `coffer up` chooses. */
must_check int own_tenant_state(const char *option, char ret_state[OWN_TENANT_PATH_MAX],
                                struct error *e);

/* Sees to it that the client exists: the first time, with `coffer owner` and `coffer tenant` as a
 * person would. *ret_path is a tenants file (0600) that names it with its user and password. */
must_check int own_tenant_ensure(const char *state, const struct endpoint *endpoint,
                                 const char *domain, char ret_path[OWN_TENANT_PATH_MAX],
                                 struct error *e);

#endif
