/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/provision/provision.h: proves this process to the key broker and fills a runtime_config
 * from its answer. The key broker's own evidence is checked first; until then it is told nothing.
 * Uses the host only through platform(), starts no thread, and keeps no connection at rest. */
#ifndef COFFER_RUNTIME_PROVISION_PROVISION_H
#define COFFER_RUNTIME_PROVISION_PROVISION_H

#include "base/error.h"
#include "runtime/config.h"

/* Everything is copied or used before provision_run() returns. */
struct provision_options {
    const char *kbs;        /* "127.0.0.1:8500" or "[::1]:8500": numeric, nothing is resolved */
    const char *kbs_pin;    /* whom to believe to be the key broker: text of attest/pin.h */
    const char *tenant;     /* for example "demo" */
    const char *policy;     /* for example "documents" */
    const char *program;    /* host path of the program that the evidence measures */
    const char *volume_dir; /* host directory; the volume `name` lives in VOLUME_DIR/name, which is
                             * made (0700) if absent */
    int handover_fd;        /* -1: none; copied into the config */
    int handover_status_fd; /* -1: none */
    /* How long to go on while the key broker cannot be reached, says "not now" (429, 5xx: locked, a
     * standby, busy) or another owner's lease is still running. 0: fail at once. A refusal fails at
     * once always. */
    int64_t patience_ms;
};

/* Before: platform_set() and, for `sim`, sim_device_set() with the identity of this process (the
 * launcher's child calls both after the fork and before it enters its sandbox; the host directory
 * and the key broker's address must stay reachable inside it).
 *
 * On success *ret_config is complete (has_policy is set, volumes[].authority is connected to the
 * key broker on demand) and can be given to runtime_run(); all it points to lives as long as the
 * process. Called once per process. Errors: -EACCES refused by the key broker (`e` holds code,
 * clause and what to do), -EKEYREJECTED the peer is not the pinned key broker, -EAGAIN not
 * reachable, or not ready, within the patience, -EBADMSG an answer that makes no sense. */
must_check int provision_run(const struct provision_options *options,
                             struct runtime_config *ret_config, struct error *e);

/* Another server certificate of the same policy, for a key made here: proves this process again. As PEM
 * that the caller frees. For runtime_tls.renew; in the process that was provisioned, on any thread. */
must_check int provision_certificate(struct slice *ret_chain, struct slice *ret_key,
                                     struct error *e);

/* Optional, in a launcher before it forks: what every child would otherwise do again before its first
 * byte (algorithms, one handshake with itself). Leaves no key and no connection. 0 or -EIO. */
must_check int provision_warm(void);

/* Closes the connection to the key broker if one is open: for a process that comes to rest. The next
 * report connects again. */
void provision_rest(void);

#endif
