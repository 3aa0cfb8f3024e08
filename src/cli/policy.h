/* SPDX-License-Identifier: Apache-2.0 */
/* cli/policy.h: what the files of `coffer policy` share. Functions return an exit code, or -errno with
 * a text. */
#ifndef COFFER_CLI_POLICY_H
#define COFFER_CLI_POLICY_H

#include "cli/command.h"
#include "policy/policy.h"

struct yaml_node;

struct policy_options {
    const char *expect, *evidence, *collateral, *at, *service, *keys, *replaces, *approvals, *totp,
        *value, *action, *out, *state, *kbs, *kbs_pin;
};

#define POLICY_NO_VERB (-10000)

must_check int policy_file_read(const char *path, struct buf *ret, struct error *e);

/* `try`: would this evidence be allowed, and if not, why? */
must_check int policy_try(const struct policy_options *o, const char *path, struct error *e);

/* The verbs that speak to the key broker. POLICY_NO_VERB: none of them. */
must_check int policy_calls(const struct policy_options *o, const char *verb, int count,
                            char **argv, struct error *e);

/* `first`: watches one run of `program` (NULL-terminated; NULL: none given), writes its policy as a
 * file and gives it to the key broker as `word`, TENANT/NAME. */
must_check int policy_first(const struct policy_options *o, const char *word, char **program,
                            struct error *e);

/* `platform` of evidence as an expectation writes it; may be NULL. */
must_check int policy_claims_platform(const struct yaml_node *map, struct evidence *ret,
                                      struct error *e);
/* Is there a refusal of that code? 0 or -ENOENT. */
must_check int policy_refusal_known(const char *code);

#endif
