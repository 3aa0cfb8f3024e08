/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/options_policy.h"

#include "base/hex.h"
#include "platform/linux/sim_device.h"
#include "policy/policy.h"
#include "runtime/net/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct policy *g_policy; /* the config borrows from it */

/* --- the command --- */

static int argument_denied(const struct options_policy *o, const char *given, const char *wanted,
                           unsigned index, struct error *e)
{
    return error_set(
        e, -EACCES,
        "denied argument %u '%.100s': 'command.arguments' in '%s' says %s%.100s%s; change "
        "the policy, or leave the program and its arguments out",
        index, given ? given : "(missing)", o->file, wanted ? "'" : "",
        wanted ? wanted : "that there is none", wanted ? "'" : "");
}

static int arguments_apply(struct runtime_config *config, const struct options_policy *o,
                           struct error *e)
{
    const struct policy *p = g_policy;
    if (p->argument_count == 0)
        return config->argv ? 0
                            : error_set(e, -EINVAL,
                                        "no program given, and '%s' has no "
                                        "'command.arguments'",
                                        o->file);
    for (unsigned i = 0; config->argv && (config->argv[i] || p->arguments[i]); i++) {
        const char *given = config->argv[i], *wanted = p->arguments[i];
        if (!given || !wanted || strcmp(given, wanted) != 0)
            return argument_denied(o, given, wanted, i, e);
    }
    config->argv = (char *const *)(const void *)p->arguments;
    return 0;
}

static int environment_apply(struct runtime_config *config, const struct options_policy *o,
                             struct error *e)
{
    const struct policy *p = g_policy;
    if (o->env_given)
        return error_set(e, -EACCES,
                         "denied --env: under a policy the environment is 'command.environment' of "
                         "'%s'; add the variable there",
                         o->file);
    char **envp = calloc(p->environment_count + 1, sizeof *envp);
    if (!envp)
        return error_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < p->environment_count; i++)
        if (asprintf(&envp[i], "%s=%s", p->environment[i].name, p->environment[i].value) < 0)
            return error_set(e, -ENOMEM, "out of memory");
    config->envp = envp;
    return 0;
}

/* --- volumes --- */

/* The directory that --volume gave for this mount. */
static const char *directory_given(const struct runtime_config *flags, const char *mount,
                                   unsigned *used)
{
    for (unsigned i = 0; i < flags->file_rule_count; i++) {
        const struct runtime_file_rule *rule = &flags->file_rules[i];
        if (strcmp(rule->prefix, mount) == 0) {
            ++*used;
            return flags->volumes[rule->volume].host_dir;
        }
    }
    return NULL;
}

static int volume_apply(struct runtime_config *config, const struct runtime_config *flags,
                        const struct options_policy *o, const struct policy_volume *from,
                        unsigned *used, struct error *e)
{
    static const enum volume_mode modes[] = {[POLICY_VOLUME_NONE] = VOLUME_MODE_NONE,
                                             [POLICY_VOLUME_PERIODIC] = VOLUME_MODE_PERIODIC,
                                             [POLICY_VOLUME_STRICT] = VOLUME_MODE_STRICT};
    const char *dir = directory_given(flags, from->mount, used);
    char *below = NULL;
    if (!dir && !o->volume_dir)
        return error_set(e, -EINVAL,
                         "the policy's volume '%s' needs --volume DIR:%s, or --volume-dir DIR",
                         from->name, from->mount);
    if (!dir && asprintf(&below, "%s/%s", o->volume_dir, from->name) < 0)
        return error_set(e, -ENOMEM, "out of memory");
    config->file_rules[config->file_rule_count++] = (struct runtime_file_rule){
        .prefix = from->mount, .class = FILE_CLASS_ENCRYPTED, .volume = config->volume_count};
    config->volumes[config->volume_count++] =
        (struct runtime_volume){.name = from->mount,
                                .host_dir = dir ? dir : below,
                                .mode = modes[from->mode],
                                .purge = (char *const *)from->purge,
                                .compress = from->compress,
                                .create = true};
    return 0;
}

static int volumes_apply(struct runtime_config *config, const struct options_policy *o,
                         struct error *e)
{
    struct runtime_config *flags = malloc(sizeof *flags);
    unsigned used = 0;
    int r = 0;
    if (!flags)
        return error_set(e, -ENOMEM, "out of memory");
    *flags = *config;
    config->file_rule_count = config->volume_count = 0;
    for (unsigned i = 0; r == 0 && i < g_policy->volume_count; i++)
        r = volume_apply(config, flags, o, &g_policy->volumes[i], &used, e);
    if (r == 0 && used != flags->file_rule_count)
        r = error_set(e, -EACCES,
                      "denied: with --policy the policy alone says what is where, and it names "
                      "no volume at a place that a flag names");
    free(flags);
    return r;
}

/* --- files and network --- */

static void files_apply(struct runtime_config *config)
{
    static const enum file_class classes[] = {
        [POLICY_FILE_HOST] = FILE_CLASS_HOST,
        [POLICY_FILE_AUTHENTICATED] = FILE_CLASS_AUTHENTICATED,
        [POLICY_FILE_PRIVATE] = FILE_CLASS_PRIVATE,
        [POLICY_FILE_DENIED] = FILE_CLASS_DENIED,
    };
    for (unsigned i = 0; i < g_policy->file_count; i++) {
        const struct policy_file *from = &g_policy->files[i];
        struct runtime_file_rule *rule = &config->file_rules[config->file_rule_count++];
        *rule = (struct runtime_file_rule){
            .prefix = from->path, .class = classes[from->class], .read_only = from->read_only};
        memcpy(rule->digest, from->digest, sizeof rule->digest);
    }
}

static int network_apply(struct runtime_config *config, struct error *e)
{
    static const enum net_class classes[] = {[POLICY_NET_PLAIN] = NET_CLASS_PLAIN,
                                             [POLICY_NET_TLS] = NET_CLASS_TLS,
                                             [POLICY_NET_HANDOVER] = NET_CLASS_HANDOVER,
                                             [POLICY_NET_DENIED] = NET_CLASS_DENIED};
    static const enum net_protocol protocols[] = {
        [POLICY_TCP] = NET_TCP, [POLICY_UDP] = NET_UDP, [POLICY_UNIX] = NET_UNIX};
    char alpn[POLICY_ALPN_SIZE_MAX];
    if (config->net_rule_count > 0)
        return error_set(e, -EACCES,
                         "denied: with --policy the policy alone names ports and "
                         "destinations; add them under 'network'");
    for (unsigned i = 0; i < g_policy->network_count; i++) {
        const struct policy_net *from = &g_policy->network[i];
        struct runtime_net_rule *rule = &config->net_rules[config->net_rule_count++];
        if (from->class == POLICY_NET_HANDOVER)
            return error_set(e, -EINVAL, "'handover' needs a gateway: start it with coffer up");
        *rule = (struct runtime_net_rule){.listen = from->listen,
                                          .class = classes[from->class],
                                          .protocol = protocols[from->protocol],
                                          .address = from->address,
                                          .port = from->port,
                                          .server_name = from->server_name};
        if (from->trust)
            rule->trust_pem = slice_of_text(from->trust);
        if (from->class == POLICY_NET_TLS)
            rule->tls = net_options_identity(from->listen);
    }
    policy_alpn(g_policy, alpn);
    net_options_policy(g_policy->tls_client_ca, g_policy->tls_allow_1_2, alpn);
    return 0;
}

int options_policy(struct runtime_config *config, const struct options_policy *options,
                   struct error *e)
{
    _Static_assert(POLICY_FILES_MAX + POLICY_VOLUMES_MAX <= RUNTIME_FILE_RULES_MAX, "files");
    _Static_assert(POLICY_NETWORK_MAX <= RUNTIME_NET_RULES_MAX, "network");
    int r = policy_parse_local(options->yaml, &g_policy, e);
    if (r < 0)
        return error_prefix(e, -EINVAL, "policy '%s'", options->file);
    if (!(g_policy->who.tees & 1u << TEE_SIM))
        return error_set(e, -EACCES, "denied: 'tee' in '%s' does not name sim, and this is sim",
                         options->file);
    if (config->trace && !g_policy->who.allow_debug)
        return error_set(e, -EACCES,
                         "denied --trace: it shows the host what the program does; the policy "
                         "would have to say: allow_debug: true");
    if (config->insecure_debug && !g_policy->who.allow_debug)
        return error_set(
            e, -EACCES,
            "denied --insecure__debug: it lets the host read the program's memory; the "
            "policy would have to say: allow_debug: true");
    r = arguments_apply(config, options, e);
    if (r == 0)
        r = environment_apply(config, options, e);
    if (r == 0)
        r = volumes_apply(config, options, e);
    if (r == 0)
        r = network_apply(config, e);
    if (r < 0)
        return r;
    files_apply(config);
    if (g_policy->directory)
        config->cwd = g_policy->directory;
    config->explain |= g_policy->explain;
    config->has_policy = true;
    return 0;
}

/* --- who may run --- */

static int digest_check(const struct who_digests *allowed, const char *path, const char *clause,
                        struct error *e)
{
    uint8_t digest[32];
    char text[65];
    if (allowed->count == 0)
        return 0;
    int r = sim_device_measure(path, digest, e);
    for (unsigned i = 0; r == 0 && i < allowed->count; i++)
        if (memcmp(digest, allowed->digest[i], sizeof digest) == 0)
            return 0;
    if (r < 0)
        return r;
    hex_encode(slice_of(digest, sizeof digest), text);
    return error_set(e, -EACCES,
                     "denied '%s': line %u, '%s', does not name it; to allow it, add sha256:%s",
                     path, allowed->line, clause, text);
}

int options_policy_measure(const char *program, struct error *e)
{
    const struct who *who = &g_policy->who;
    if (who->signer.count > 0 && who->program.count == 0)
        return error_set(e, -EACCES,
                         "denied: 'program.signers' needs a key broker; name "
                         "'program.measurements'");
    int r = digest_check(&who->runtime, "/proc/self/exe", "runtime.measurements", e);
    return r < 0 ? r : digest_check(&who->program, program, "program.measurements", e);
}
