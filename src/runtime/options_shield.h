/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/options_shield.h: the flags about files, network and trust, and what they make of a
 * runtime_config. For options.c only. */
#ifndef COFFER_RUNTIME_OPTIONS_SHIELD_H
#define COFFER_RUNTIME_OPTIONS_SHIELD_H

#include "runtime/config.h"

/* Flags as they were given; NULL: not given. */
struct options_shield {
    const char *volume_key;
    const char *sim_device, *manifest;
    const char *kbs, *kbs_pin, *tenant, *policy, *volume_dir;
    const char *volume_recovery; /* the number of a descriptor */
    bool seal_to_signer, env_given, accept_older;
};

/* Each parses one value into the config. -EINVAL with a line in `e`. */
must_check int options_add_volume(struct runtime_config *config, const char *value,
                                  struct error *e);
must_check int options_add_file_rule(struct runtime_config *config, const char *value,
                                     struct error *e);

/* When all flags are known and config->argv is set: identity, keys, certificates, and the key
 * broker if there is one. */
must_check int options_finish(struct runtime_config *config, const struct options_shield *shield,
                              struct error *e);

#endif
