/* SPDX-License-Identifier: Apache-2.0 */
/* cli/kbs_client.h: calls of an operator or an owner to the key broker, which proves itself first:
 * nothing is sent to one that is not as pinned. */
#ifndef COFFER_CLI_KBS_CLIENT_H
#define COFFER_CLI_KBS_CLIENT_H

#include "cli/owner_keys.h"

#include <jansson.h>

struct kbs_client {
    const char *address; /* HOST:PORT, numeric */
    const char *pin;     /* text of attest/appraise.h */
    const struct owner_keys *keys;
};

/* A small file that says where the key broker is or who it is: `given`, or the one of that name which
 * `coffer up` keeps below `state`. -ENOENT: no such system runs. */
must_check int kbs_client_file(const char *given, const char *state, const char *name,
                               struct buf *out, struct error *e);

/* One call on a connection of its own. Takes `in` (may be NULL). *ret_out (may be NULL) is the
 * caller's. -EACCES refused: `e` says why and what to do, *ret_code (may be NULL, at least 64 bytes)
 * holds the stable code. -EKEYREJECTED: the peer is not the pinned key broker. */
must_check int kbs_client_call(const struct kbs_client *client, const char *path, json_t *in,
                               json_t **ret_out, char *ret_code, struct error *e);

/* The CA that signs the document servers' certificates, as PEM. */
must_check int kbs_client_ca(const struct kbs_client *client, struct buf *ret_pem, struct error *e);

/* As operator: reserves `tenant` for the owner with that certificate. 0 also if it is reserved
 * already for the same call's tenant name and `may_exist`. */
must_check int kbs_client_tenant_add(const struct kbs_client *client, const char *tenant,
                                     struct slice owner_certificate, bool may_exist,
                                     struct error *e);

/* As owner: signs `yaml` and puts it as policy `name`, replacing what is there unless it is the
 * same. */
must_check int kbs_client_policy_put(const struct kbs_client *client, const char *tenant,
                                     const char *name, struct slice yaml, struct error *e);

/* As owner: the value of a secret, once. -EALREADY: it was shown before. */
must_check int kbs_client_secret_reveal(const struct kbs_client *client, const char *tenant,
                                        const char *policy, const char *secret,
                                        struct buf *ret_value, struct error *e);

/* As operator: a backup of the whole state, sealed under the root key, into a file. */
must_check int kbs_client_backup(const struct kbs_client *client, const char *path,
                                 struct error *e);

#endif
