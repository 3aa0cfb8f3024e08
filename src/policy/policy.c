/* SPDX-License-Identifier: Apache-2.0 */
/* The top of a policy: names, who may run, the command. The rest is in policy_parts.c. */
#include "policy/policy.h"

#include "policy/policy_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { TEXT_SIZE_MAX = 4096, NAMESPACES_MAX = 4 };

bool policy_name_is_valid(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > POLICY_NAME_SIZE_MAX || name[0] == '-' || name[len - 1] == '-')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

int policy_name(const struct yaml_node *node, const char *what, const char **ret_name,
                struct error *e)
{
    int r = yaml_expect(node, YAML_SCALAR, what, e);
    if (r < 0 || !node)
        return -EINVAL;
    if (!policy_name_is_valid(node->text))
        return yaml_error(node, e, "'%s' must be 1 to %d of a-z, 0-9 and inner '-'", what,
                          POLICY_NAME_SIZE_MAX);
    *ret_name = node->text;
    return 0;
}

bool policy_path_is_valid(const char *path)
{
    char part[POLICY_NAME_SIZE_MAX + 1];
    if (strlen(path) > POLICY_PATH_SIZE_MAX)
        return false;
    for (unsigned depth = 0; depth < NAMESPACES_MAX; depth++) {
        size_t len = strcspn(path, "/");
        if (len >= sizeof part)
            return false;
        memcpy(part, path, len);
        part[len] = '\0';
        if (!policy_name_is_valid(part))
            return false;
        if (path[len] == '\0')
            return true;
        path += len + 1;
    }
    return false;
}

int policy_path_name(const struct yaml_node *node, const char *what, const char **ret_name,
                     struct error *e)
{
    int r = yaml_expect(node, YAML_SCALAR, what, e);
    if (r < 0)
        return r;
    if (!policy_path_is_valid(node->text))
        return yaml_error(node, e,
                          "'%s' must be 1 to %d of a-z, 0-9 and inner '-', or up to %d of "
                          "those with '/' between them",
                          what, POLICY_NAME_SIZE_MAX, NAMESPACES_MAX);
    *ret_name = node->text;
    return 0;
}

int policy_path(const struct yaml_node *node, const char *what, const char **ret_path,
                struct error *e)
{
    int r = yaml_expect(node, YAML_SCALAR, what, e);
    if (r < 0)
        return r;
    const char *path = node->text;
    size_t len = strlen(path);
    if (path[0] != '/' || len > TEXT_SIZE_MAX || strstr(path, "//") || strstr(path, "/./") ||
        strstr(path, "/../") || (len > 1 && path[len - 1] == '/') ||
        (len >= 2 && strcmp(path + len - 2, "/.") == 0) ||
        (len >= 3 && strcmp(path + len - 3, "/..") == 0))
        return yaml_error(node, e, "'%s' must be an absolute path without '.', '..' or a last '/'",
                          what);
    *ret_path = path;
    return 0;
}

int policy_list(const struct yaml_node *node, unsigned max, const char *what, struct error *e)
{
    int r = yaml_expect(node, YAML_LIST, what, e);
    if (r == 0 && node->count > max)
        return yaml_error(node, e, "'%s' has %u entries, and at most %u are allowed", what,
                          node->count, max);
    return r;
}

static int digests_parse(const struct yaml_node *list, const char *what, struct who_digests *ret,
                         struct error *e)
{
    if (!list)
        return 0;
    int r = policy_list(list, WHO_DIGESTS_MAX, what, e);
    if (r < 0)
        return r;
    if (list->count == 0)
        return yaml_error(list, e, "'%s' is empty: leave it out, or name one", what);
    ret->line = list->line;
    for (const struct yaml_node *n = list->first; n; n = n->next) {
        r = yaml_digest(n, what, ret->digest[ret->count], e);
        if (r < 0)
            return r;
        ret->count++;
    }
    return 0;
}

/* Without `tee`, everything but the simulation. */
static int tee_list_parse(const struct yaml_node *root, struct who *who, struct error *e)
{
    const struct yaml_node *list = yaml_get(root, "tee");
    if (!list) {
        who->tees = 1u << TEE_TDX | 1u << TEE_SNP | 1u << TEE_SGX;
        who->tees_line = root->line;
        return 0;
    }
    int r = policy_list(list, TEE_COUNT, "tee", e);
    if (r < 0)
        return r;
    who->tees_line = list->line;
    for (const struct yaml_node *n = list->first; n; n = n->next) {
        enum tee tee;
        r = yaml_expect(n, YAML_SCALAR, "tee", e);
        if (r < 0)
            return r;
        if (tee_parse(slice_of_text(n->text), &tee) < 0)
            return yaml_error(n, e, "there is no TEE '%.20s'; there are sim, tdx, snp and sgx",
                              n->text);
        who->tees |= 1u << tee;
    }
    return who->tees ? 0 : yaml_error(list, e, "'tee' is empty: nobody could run");
}

static int program_parse(const struct yaml_node *program, struct who *who, struct error *e)
{
    static const char *const keys[] = {"measurements", "signers", "svn_min", "product", NULL};
    const struct yaml_node *svn = yaml_get(program, "svn_min");
    const struct yaml_node *product_node = yaml_get(program, "product");
    uint64_t svn_min = 0, product = 0;
    int r = yaml_expect_keys(program, keys, "program", e);
    if (r == 0)
        r = digests_parse(yaml_get(program, "measurements"), "program.measurements", &who->program,
                          e);
    if (r == 0)
        r = digests_parse(yaml_get(program, "signers"), "program.signers", &who->signer, e);
    if (r == 0)
        r = yaml_uint(svn, 0, UINT32_MAX, "program.svn_min", &svn_min, e);
    if (r == 0)
        r = yaml_uint(product_node, 0, UINT16_MAX, "program.product", &product, e);
    if (r < 0)
        return r;
    who->product = (int32_t)product;
    who->product_line = yaml_line(product_node);
    who->svn_min = (uint32_t)svn_min;
    who->svn_min_line = svn ? svn->line : program ? program->line : 0;
    if (who->program.count == 0 && who->signer.count == 0)
        return yaml_error(program, e,
                          "'program' must name measurements or signers: otherwise "
                          "anything could run");
    return 0;
}

static int who_parse(const struct yaml_node *root, bool local, struct who *who, struct error *e)
{
    static const char *const runtime_keys[] = {"measurements", NULL};
    const struct yaml_node *runtime = yaml_get(root, "runtime");
    const struct yaml_node *debug = yaml_get(root, "allow_debug");
    const struct yaml_node *program = yaml_get(root, "program");
    const struct yaml_node *platform = yaml_get(root, "platform");
    int r = tee_list_parse(root, who, e);
    if (local && !yaml_get(root, "tee"))
        who->tees |= 1u << TEE_SIM;
    if (r == 0)
        r = yaml_bool(debug, "allow_debug", &who->allow_debug, e);
    if (r == 0)
        r = yaml_locate(platform, policy_platform(platform, &who->platform, e), e);
    /* A whole virtual machine may be what runs: then its image says it all. */
    if (r == 0 && (program || !(local || who->platform.measurement.count > 0)))
        r = program_parse(program, who, e);
    if (r == 0 && !program && !local && who->tees & (1u << TEE_SIM | 1u << TEE_SGX))
        r = yaml_error(root, e, "'program' is missing: only a virtual machine can do without");
    if (r == 0 && runtime)
        r = yaml_expect_keys(runtime, runtime_keys, "runtime", e);
    if (r == 0)
        r = digests_parse(yaml_get(runtime, "measurements"), "runtime.measurements", &who->runtime,
                          e);
    who->allow_debug_line = debug ? debug->line : root->line;
    return r;
}

static int arguments_parse(const struct yaml_node *list, struct policy *policy, struct error *e)
{
    int r = policy_list(list, POLICY_ARGUMENTS_MAX, "command.arguments", e);
    if (r == 0 && list->count == 0)
        r = yaml_error(list, e, "'command.arguments' is empty: the first is the program's name");
    for (const struct yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next) {
        r = yaml_expect(n, YAML_SCALAR, "command.arguments", e);
        if (r == 0)
            r = policy_value(n, "command.arguments", policy, e);
        if (r == 0)
            policy->arguments[policy->argument_count++] = n->text;
    }
    return r;
}

static int environment_parse(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    if (!map)
        return 0;
    int r = yaml_expect(map, YAML_MAP, "command.environment", e);
    if (r == 0 && map->count > POLICY_ENVIRONMENT_MAX)
        r = yaml_error(map, e, "'command.environment' has more than %d entries",
                       POLICY_ENVIRONMENT_MAX);
    for (const struct yaml_node *n = r == 0 ? map->first : NULL; n && r == 0; n = n->next) {
        if (n->key[0] == '\0' || strchr(n->key, '='))
            return yaml_error(n, e, "'%.40s' is no name for a variable", n->key);
        r = yaml_expect(n, YAML_SCALAR, "command.environment", e);
        if (r == 0)
            r = policy_value(n, "command.environment", policy, e);
        if (r == 0)
            policy->environment[policy->environment_count++] =
                (struct policy_variable){n->key, n->text};
    }
    return r;
}

static int command_parse(const struct yaml_node *command, bool local, struct policy *policy,
                         struct error *e)
{
    static const char *const keys[] = {"arguments", "environment", "directory", NULL};
    const struct yaml_node *directory = yaml_get(command, "directory");
    const struct yaml_node *arguments = yaml_get(command, "arguments");
    int r = yaml_expect_keys(command, keys, "command", e);
    if (r == 0 && (arguments || !local))
        r = arguments_parse(arguments, policy, e);
    if (r == 0)
        r = environment_parse(yaml_get(command, "environment"), policy, e);
    if (r == 0 && directory)
        r = policy_path(directory, "command.directory", &policy->directory, e);
    return r;
}

static int names_parse(const struct yaml_node *root, bool local, struct policy *policy,
                       struct error *e)
{
    const struct yaml_node *tenant = yaml_get(root, "tenant"), *name = yaml_get(root, "name");
    int r = tenant || !local ? policy_name(tenant, "tenant", &policy->tenant, e) : 0;
    return r < 0 || (local && !name) ? r : policy_path_name(name, "name", &policy->name, e);
}

static int version_check(const struct yaml_node *root, struct error *e)
{
    uint64_t version = 0;
    int r = yaml_expect(yaml_get(root, "version"), YAML_SCALAR, "version", e);
    return r < 0 ? r : yaml_uint(yaml_get(root, "version"), 1, 1, "version", &version, e);
}

/* What is it for: one service, or all that the services share. */
enum form {
    FORM_LOCAL,   /* a file, without a key broker */
    FORM_WHOLE,   /* a policy that is one service itself */
    FORM_SERVICE, /* one service of a policy */
    FORM_SHARED,  /* a policy with services: the program may be left to them */
};

static int contents_parse(const struct yaml_node *root, enum form form, struct policy *policy,
                          struct error *e)
{
    const struct yaml_node *secrets = yaml_get(root, "secrets");
    const struct yaml_node *command = yaml_get(root, "command");
    bool local = form == FORM_LOCAL, partly = local || form == FORM_SHARED;
    int r = version_check(root, e);
    if (r == 0)
        r = names_parse(root, local, policy, e);
    if (r == 0)
        r = who_parse(root, partly, &policy->who, e);
    if (form == FORM_SHARED && !yaml_get(root, "tee"))
        policy->who.tees &= ~(1u << TEE_SIM); /* who_parse() is kind to files only */
    if (r == 0 && local && secrets)
        r = yaml_error(secrets, e, "'secrets' come from a key broker, and there is none");
    if (r == 0)
        r = policy_secrets(secrets, policy, e);
    if (r == 0 && (command || !partly))
        r = command_parse(command, partly, policy, e);
    if (r == 0)
        r = yaml_bool(yaml_get(root, "explain"), "explain", &policy->explain, e);
    if (r == 0)
        r = policy_parts(root, policy, e);
    return r < 0 ? r : policy_access(root, policy, e);
}

static int root_parse(const struct yaml_node *root, enum form form, const char *service,
                      struct policy *policy, struct error *e)
{
    static const char *const keys[] = {
        "version", "tenant",  "name",     "tee",          "allow_debug",    "explain",
        "runtime", "program", "platform", "tls",          "command",        "volumes",
        "files",   "network", "secrets",  "secret_files", "injected_files", "services",
        "totp",    "access",  NULL};
    const struct yaml_node *services = yaml_get(root, "services");
    int r = yaml_expect_keys(root, keys, "policy", e);
    if (r == 0 && form == FORM_LOCAL && (services || yaml_get(root, "access")))
        r = yaml_error(services ? services : yaml_get(root, "access"), e,
                       "'services' and 'access' are for policies of a key broker");
    if (r == 0)
        r = policy_services(services, policy, e);
    if (r == 0 && service)
        r = policy_service_root(root, service, policy, &root, e);
    if (r == 0)
        r = contents_parse(root,
                           form == FORM_LOCAL ? form
                           : service          ? FORM_SERVICE
                           : services         ? FORM_SHARED
                                              : FORM_WHOLE,
                           policy, e);
    return yaml_locate(root, r, e);
}

static int parse(struct slice yaml, enum form form, const char *service, struct policy **ret_policy,
                 struct error *e)
{
    SCOPED(policy_freep) struct policy *policy = calloc(1, sizeof *policy);
    struct yaml_node *root = NULL;
    struct error ignored = {0};
    if (!policy)
        return error_set(e, -ENOMEM, "no memory for a policy");
    policy->arena.size_max = 8 * YAML_SIZE_MAX;
    e = e ? e : &ignored;
    int r = yaml_parse(yaml, &policy->arena, &root, e);
    if (r == 0)
        r = root_parse(root, form, service, policy, e);
    if (r == 0)
        *ret_policy = TAKE(policy);
    return r;
}

/* Services are judged when the whole is: a mistake in one is nobody's surprise at its first start.
 */
static int services_check(struct slice yaml, const struct policy *policy, struct error *e)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < policy->service_count; i++) {
        SCOPED(policy_freep) struct policy *one = NULL;
        r = parse(yaml, FORM_SERVICE, policy->services[i], &one, e);
    }
    return r;
}

int policy_parse(struct slice yaml, struct policy **ret_policy, struct error *e)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    int r = parse(yaml, FORM_WHOLE, NULL, &policy, e);
    if (r == 0)
        r = services_check(yaml, policy, e);
    if (r == 0)
        *ret_policy = TAKE(policy);
    return r;
}

int policy_parse_service(struct slice yaml, const char *service, struct policy **ret_policy,
                         struct error *e)
{
    return service ? parse(yaml, FORM_SERVICE, service, ret_policy, e)
                   : policy_parse(yaml, ret_policy, e);
}

int policy_parse_local(struct slice yaml, struct policy **ret_policy, struct error *e)
{
    return parse(yaml, FORM_LOCAL, NULL, ret_policy, e);
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    arena_done(&policy->arena);
    free(policy);
}

void policy_freep(struct policy **policy)
{
    policy_free(*policy);
}
