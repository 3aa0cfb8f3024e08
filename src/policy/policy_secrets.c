/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a policy that names secrets, and the references to them. */
#include "policy/policy_internal.h"

#include <errno.h>

enum { SECRET_SIZE_MIN = 12, SECRET_SIZE_DEFAULT = 24, DNS_SIZE_MAX = 253 };

static bool secret_name_is_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= POLICY_NAME_SIZE_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

const struct policy_secret *policy_secret_find(const struct policy *policy, const char *name)
{
    for (unsigned i = 0; i < policy->secret_count; i++)
        if (strcmp(policy->secrets[i].name, name) == 0)
            return &policy->secrets[i];
    return NULL;
}

int policy_reference_next(const char *text, struct slice *ret_before,
                          char name[POLICY_NAME_SIZE_MAX + 1], const char **ret_after)
{
    static const char prefix[] = "${secret.";
    const char *at = strstr(text, "${");
    if (!at)
        return -ENOENT;
    if (strncmp(at, prefix, sizeof prefix - 1) != 0)
        return -EINVAL;
    const char *start = at + sizeof prefix - 1;
    const char *end = strchr(start, '}');
    if (!end || (size_t)(end - start) > POLICY_NAME_SIZE_MAX)
        return -EINVAL;
    memcpy(name, start, (size_t)(end - start));
    name[end - start] = '\0';
    *ret_before = slice_of(text, (size_t)(at - text));
    *ret_after = end + 1;
    return 0;
}

int policy_value(const struct yaml_node *node, const char *what, const struct policy *policy,
                 struct error *e)
{
    char name[POLICY_NAME_SIZE_MAX + 1];
    const char *text = node->text;
    struct slice before;
    for (;;) {
        int r = policy_reference_next(text, &before, name, &text);
        if (r == -ENOENT)
            return 0;
        if (r < 0)
            return yaml_error(node, e, "'%s' has a \"${\" that is not ${secret.NAME}", what);
        const struct policy_secret *secret = policy_secret_find(policy, name);
        if (!secret)
            return yaml_error(node, e, "'%s' names a secret '%s' that 'secrets' does not have",
                              what, name);
        if (secret->kind == POLICY_SECRET_BINARY)
            return yaml_error(node, e, "secret '%s' is binary and fits into files only", name);
    }
}

static int dns_parse(const struct yaml_node *list, struct policy_secret *secret, struct error *e)
{
    int r = policy_list(list, POLICY_NAMES_MAX, "names", e);
    for (const struct yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next)
        r = yaml_text(n, DNS_SIZE_MAX, "names", &secret->dns[secret->dns_count++], e);
    return r;
}

static int import_parse(const struct yaml_node *map, struct policy_secret *secret, struct error *e)
{
    static const char *const keys[] = {"policy", "secret", NULL};
    int r = yaml_expect_keys(map, keys, "import", e);
    if (r == 0)
        r = policy_name(yaml_get(map, "policy"), "import.policy", &secret->from_policy, e);
    if (r == 0)
        r = yaml_expect(yaml_get(map, "secret"), YAML_SCALAR, "import.secret", e);
    if (r == 0)
        secret->from_secret = yaml_get(map, "secret")->text;
    return r;
}

static int generated_check(const struct yaml_node *map, const struct policy *policy,
                           struct policy_secret *secret, struct error *e)
{
    if (secret->kind != POLICY_SECRET_CERTIFICATE)
        return 0;
    const struct policy_secret *key = secret->key ? policy_secret_find(policy, secret->key) : NULL;
    if (!key || key->kind != POLICY_SECRET_PRIVATE_KEY)
        return yaml_error(map, e,
                          "certificate '%s' needs `key`: the name of a private_key above it",
                          secret->name);
    if (secret->dns_count == 0)
        return yaml_error(map, e, "certificate '%s' needs `names`", secret->name);
    return 0;
}

static int secret_parse(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    static const char *const keys[] = {"kind",   "source", "size",  "reveal",
                                       "import", "key",    "names", NULL};
    static const char *const kinds[] = {"ascii", "binary", "private_key", "certificate", NULL};
    static const char *const sources[] = {"generate", "given", "import", NULL};
    static const char *const reveals[] = {"never", "once", NULL};
    struct policy_secret s = {.name = map->key, .line = map->line, .size = SECRET_SIZE_DEFAULT};
    unsigned kind = 0, source = 0, reveal = 0;
    if (!secret_name_is_valid(map->key))
        return yaml_error(map, e, "'%.60s' is no name for a secret", map->key);
    int r = yaml_expect_keys(map, keys, map->key, e);
    if (r == 0)
        r = yaml_choice(yaml_get(map, "kind"), kinds, "kind", &kind, e);
    if (r == 0)
        r = yaml_choice(yaml_get(map, "source"), sources, "source", &source, e);
    if (r == 0 && yaml_get(map, "reveal"))
        r = yaml_choice(yaml_get(map, "reveal"), reveals, "reveal", &reveal, e);
    if (r == 0)
        r = yaml_uint(yaml_get(map, "size"), SECRET_SIZE_MIN, POLICY_SECRET_SIZE_MAX, "size",
                      &s.size, e);
    if (r == 0)
        r = yaml_text(yaml_get(map, "key"), POLICY_NAME_SIZE_MAX, "key", &s.key, e);
    if (r == 0 && yaml_get(map, "names"))
        r = dns_parse(yaml_get(map, "names"), &s, e);
    s.kind = (enum policy_secret_kind)kind;
    s.source = (enum policy_secret_source)source;
    s.reveal_once = reveal == 1;
    if (r == 0 && s.source == POLICY_SOURCE_IMPORT)
        r = import_parse(yaml_get(map, "import"), &s, e);
    if (r == 0 && s.source == POLICY_SOURCE_GENERATE)
        r = generated_check(map, policy, &s, e);
    if (r == 0)
        policy->secrets[policy->secret_count++] = s;
    return r;
}

int policy_secrets(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    if (!map)
        return 0;
    int r = yaml_expect(map, YAML_MAP, "secrets", e);
    if (r == 0 && map->count > POLICY_SECRETS_MAX)
        r = yaml_error(map, e, "'secrets' has more than %d entries", POLICY_SECRETS_MAX);
    for (const struct yaml_node *n = r == 0 ? map->first : NULL; n && r == 0; n = n->next)
        r = secret_parse(n, policy, e);
    return r;
}
