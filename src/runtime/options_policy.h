/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/options_policy.h: `--policy FILE`: a runtime_config from a policy file, without a key broker.
 * For options_shield.c only. */
#ifndef COFFER_RUNTIME_OPTIONS_POLICY_H
#define COFFER_RUNTIME_OPTIONS_POLICY_H

#include "runtime/config.h"

/* What options_policy() needs besides the config as far as the flags have filled it: its argv (NULL:
 * the policy's own command), and its volumes, whose directories are taken over by mount. */
struct options_policy {
    struct slice yaml;
    const char *file;       /* its name, for errors */
    const char *volume_dir; /* volumes that no flag placed are below it; NULL: none */
    bool env_given;         /* --env */
};

/* Replaces what the flags said by what the policy says. -EACCES where they contradict it, -EINVAL for
 * a policy that cannot be used; one line in `e`. The result borrows from nothing. */
must_check int options_policy(struct runtime_config *config, const struct options_policy *options,
                              struct error *e);

/* May `program` (a host path) run, and this runtime run it? 0, or -EACCES with the clause. */
must_check int options_policy_measure(const char *program, struct error *e);

#endif
