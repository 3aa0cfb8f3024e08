/* SPDX-License-Identifier: Apache-2.0 */
/* policy/policy_internal.h: what policy.c and policy_parts.c share. All return 0 or -EINVAL with the
 * line in `e`. */
#ifndef COFFER_POLICY_POLICY_INTERNAL_H
#define COFFER_POLICY_POLICY_INTERNAL_H

#include "policy/policy.h"
#include "policy/yaml_tree.h"

must_check int policy_name(const struct yaml_node *node, const char *what, const char **ret_name,
                           struct error *e);
must_check int policy_path(const struct yaml_node *node, const char *what, const char **ret_path,
                           struct error *e);
must_check int policy_list(const struct yaml_node *node, unsigned max, const char *what,
                           struct error *e);

/* A policy's name, with its namespaces. */
must_check int policy_path_name(const struct yaml_node *node, const char *what,
                                const char **ret_name, struct error *e);

/* `import` and `export` of secrets and volumes; both may be NULL. `member`: what the thing is
 * called. */
must_check int policy_import(const struct yaml_node *map, const char *member,
                             struct policy_import *ret, struct error *e);
must_check int policy_exports(const struct yaml_node *list, struct policy_export *ret,
                              unsigned *ret_count, struct error *e);

/* The root as the service `name` has it; `services` has been checked. -ENOENT. */
must_check int policy_service_root(const struct yaml_node *root, const char *name,
                                   struct policy *policy, const struct yaml_node **ret_root,
                                   struct error *e);
/* Names of `services`; may be NULL. */
must_check int policy_services(const struct yaml_node *map, struct policy *policy, struct error *e);

/* `totp` and `access`; may be NULL. */
must_check int policy_access(const struct yaml_node *root, struct policy *policy, struct error *e);

/* A text with references to secrets: each must exist and be text. */
must_check int policy_value(const struct yaml_node *node, const char *what,
                            const struct policy *policy, struct error *e);

/* `platform`; may be NULL. */
must_check int policy_platform(const struct yaml_node *map, struct who_platform *who,
                               struct error *e);

/* `secrets`; may be NULL. */
must_check int policy_secrets(const struct yaml_node *map, struct policy *policy, struct error *e);

/* volumes, files, network, tls, secret_files. */
must_check int policy_parts(const struct yaml_node *root, struct policy *policy, struct error *e);

#endif
