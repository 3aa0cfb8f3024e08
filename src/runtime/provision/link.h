/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/provision/link.h: the way to the key broker: a socket through the platform, RA-TLS over
 * it, one JSON call at a time. Connects when there is something to say, with evidence the first
 * time and with the attested key afterwards, and again with evidence when the key broker asks for
 * it. Safe on any thread; after a fork the child makes a connection of its own. */
#ifndef COFFER_RUNTIME_PROVISION_LINK_H
#define COFFER_RUNTIME_PROVISION_LINK_H

#include "attest/channel.h"

#include <jansson.h>

struct link_options {
    const char *kbs, *pin, *tenant, *policy;
};

/* Copies. Nothing is connected yet. -EINVAL. */
must_check int link_init(const struct link_options *options, struct error *e);

/* Calls `path` with the object `request` (borrowed). *ret_answer is the caller's to release; it is
 * there whatever the status. `attest`: show evidence, on a connection of its own. 0; -EAGAIN not
 * reachable, or it cannot let us attest again now; -EACCES it does not; -EKEYREJECTED not the key
 * broker; -EBADMSG; what platform()->evidence() returned. */
must_check int link_call(const char *path, const json_t *request, bool attest, unsigned *ret_status,
                         json_t **ret_answer, struct error *e);

/* As they were given. */
void link_names(const char **ret_tenant, const char **ret_policy);

/* Closes the connection if there is one. */
void link_rest(void);

/* The refusal in an answer, as an error. -EAGAIN: not now (429, 500 and above: limits, a key broker that
 * is locked, a standby, or without one), so the same may be asked again; else -EACCES. */
int link_refused(const json_t *answer, unsigned status, struct error *e);

void link_sleep_ms(int64_t ms);

#endif
