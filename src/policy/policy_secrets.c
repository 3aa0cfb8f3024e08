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

int policy_import(const struct yaml_node *map, const char *member, struct policy_import *ret,
                  struct error *e)
{
    const char *const keys[] = {"tenant", "policy", member, "hash", NULL};
    if (!map)
        return 0;
    const struct yaml_node *tenant = yaml_get(map, "tenant"), *hash = yaml_get(map, "hash");
    int r = yaml_expect_keys(map, keys, "import", e);
    if (r == 0)
        r = policy_path_name(yaml_get(map, "policy"), "import.policy", &ret->policy, e);
    if (r == 0)
        r = yaml_expect(yaml_get(map, member), YAML_SCALAR, member, e);
    if (r == 0)
        ret->name = yaml_get(map, member)->text;
    if (r == 0 && tenant)
        r = policy_name(tenant, "import.tenant", &ret->tenant, e);
    if (r == 0 && hash)
        r = yaml_digest(hash, "import.hash", ret->hash, e);
    ret->has_hash = hash != NULL;
    /* What another tenant changes at will is no more than a hope. */
    if (r == 0 && tenant && !hash)
        r = yaml_error(map, e,
                       "an import from another tenant needs `hash`: of the policy it is "
                       "exported by");
    return yaml_locate(map, r, e);
}

int policy_exports(const struct yaml_node *list, struct policy_export *ret, unsigned *ret_count,
                   struct error *e)
{
    static const char *const keys[] = {"tenant", "policy", NULL};
    int r = list ? policy_list(list, POLICY_EXPORTS_MAX, "export", e) : 0;
    for (const struct yaml_node *n = r == 0 && list ? list->first : NULL; n && r == 0;
         n = n->next) {
        struct policy_export *one = &ret[(*ret_count)++];
        r = yaml_expect_keys(n, keys, "export", e);
        if (r == 0)
            r = policy_path_name(yaml_get(n, "policy"), "export.policy", &one->policy, e);
        if (r == 0 && yaml_get(n, "tenant"))
            r = policy_name(yaml_get(n, "tenant"), "export.tenant", &one->tenant, e);
        r = yaml_locate(n, r, e);
    }
    return r;
}

static const struct policy_secret *key_of(const struct policy *policy, const char *name,
                                          enum policy_secret_kind kind)
{
    const struct policy_secret *key = name ? policy_secret_find(policy, name) : NULL;
    return key && key->kind == kind ? key : NULL;
}

static int generated_check(const struct yaml_node *map, const struct policy *policy,
                           struct policy_secret *s, struct error *e)
{
    bool certificate = s->kind == POLICY_SECRET_CERTIFICATE;
    if ((certificate || s->kind == POLICY_SECRET_JWT) &&
        !key_of(policy, s->key, POLICY_SECRET_PRIVATE_KEY))
        return yaml_error(map, e, "%s '%s' needs `key`: the name of a private_key above it",
                          certificate ? "certificate" : "jwt", s->name);
    if (certificate && s->dns_count == 0)
        return yaml_error(map, e, "certificate '%s' needs `names`", s->name);
    if (certificate && s->issuer && !key_of(policy, s->issuer, POLICY_SECRET_CA))
        return yaml_error(map, e, "certificate '%s' names an `issuer` that is no ca above it",
                          s->name);
    if (certificate && s->renew_days >= s->valid_days)
        return yaml_error(map, e,
                          "certificate '%s' would be renewed at every start: `renew_days` "
                          "must be less than `valid_days`",
                          s->name);
    return 0;
}

static int claims_parse(const struct yaml_node *map, struct policy_secret *s, struct error *e)
{
    int r = map ? yaml_expect(map, YAML_MAP, "claims", e) : 0;
    if (r == 0 && map && map->count > POLICY_CLAIMS_MAX)
        r = yaml_error(map, e, "'claims' has more than %d entries", POLICY_CLAIMS_MAX);
    for (const struct yaml_node *n = r == 0 && map ? map->first : NULL; n && r == 0; n = n->next) {
        if (strcmp(n->key, "iat") == 0 || strcmp(n->key, "exp") == 0 || strcmp(n->key, "nbf") == 0)
            return yaml_error(n, e, "'%s' is the key broker's to say: see `valid_s`", n->key);
        struct policy_variable *claim = &s->claims[s->claim_count++];
        claim->name = n->key;
        r = yaml_expect(n, YAML_SCALAR, "claims", e);
        if (r == 0)
            r = yaml_text(n, 1024, "claims", &claim->value, e);
    }
    return r;
}

static int numbers_parse(const struct yaml_node *map, struct policy_secret *s, struct error *e)
{
    s->valid_days = s->kind == POLICY_SECRET_CA ? 3650 : 365;
    s->renew_days = 30;
    s->valid_s = 3600;
    int r = yaml_uint(yaml_get(map, "size"), SECRET_SIZE_MIN, POLICY_SECRET_SIZE_MAX, "size",
                      &s->size, e);
    if (r == 0)
        r = yaml_uint(yaml_get(map, "valid_days"), 1, 36500, "valid_days", &s->valid_days, e);
    if (!yaml_get(map, "renew_days") && s->renew_days >= s->valid_days)
        s->renew_days = s->valid_days / 3;
    if (r == 0)
        r = yaml_uint(yaml_get(map, "renew_days"), 0, 36500, "renew_days", &s->renew_days, e);
    if (r == 0)
        r = yaml_uint(yaml_get(map, "valid_s"), 10, 31536000, "valid_s", &s->valid_s, e);
    return r;
}

/* What is said of a secret that has no use for it is a mistake, not a wish. */
static int members_check(const struct yaml_node *map, const struct policy_secret *s,
                         struct error *e)
{
    static const struct {
        const char *key;
        unsigned kinds; /* that have it: bits 1 << kind */
    } members[] = {
        {"size", 1u << POLICY_SECRET_ASCII | 1u << POLICY_SECRET_BINARY},
        {"algorithm", 1u << POLICY_SECRET_PRIVATE_KEY | 1u << POLICY_SECRET_CA},
        {"key", 1u << POLICY_SECRET_CERTIFICATE | 1u << POLICY_SECRET_JWT},
        {"names", 1u << POLICY_SECRET_CERTIFICATE},
        {"issuer", 1u << POLICY_SECRET_CERTIFICATE},
        {"client", 1u << POLICY_SECRET_CERTIFICATE},
        {"renew_days", 1u << POLICY_SECRET_CERTIFICATE},
        {"valid_days", 1u << POLICY_SECRET_CERTIFICATE | 1u << POLICY_SECRET_CA},
        {"valid_s", 1u << POLICY_SECRET_JWT},
        {"claims", 1u << POLICY_SECRET_JWT},
    };
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        const struct yaml_node *n = yaml_get(map, members[i].key);
        if (n && !(members[i].kinds & 1u << s->kind))
            return yaml_error(n, e, "a secret of this kind has no '%s'", members[i].key);
    }
    if (yaml_get(map, "import") && s->source != POLICY_SOURCE_IMPORT)
        return yaml_error(yaml_get(map, "import"), e, "`import` goes with `source: import`");
    if (s->kind == POLICY_SECRET_JWT && s->source != POLICY_SOURCE_GENERATE)
        return yaml_error(map, e, "a jwt is always generated");
    if (s->reveal_once && (s->kind == POLICY_SECRET_CA || s->kind == POLICY_SECRET_JWT))
        return yaml_error(map, e, "a secret of this kind is never revealed");
    return 0;
}

static int kind_parse(const struct yaml_node *map, struct policy_secret *s, struct error *e)
{
    static const char *const kinds[] = {"ascii", "binary", "private_key", "certificate",
                                        "ca",    "jwt",    NULL};
    static const char *const sources[] = {"generate", "given", "import", NULL};
    static const char *const reveals[] = {"never", "once", NULL};
    static const char *const algorithms[] = {"p256",     "p384",     "ed25519", "rsa-2048",
                                             "rsa-3072", "rsa-4096", NULL};
    unsigned kind = 0, source = 0, reveal = 0, algorithm = 0;
    int r = yaml_choice(yaml_get(map, "kind"), kinds, "kind", &kind, e);
    if (r == 0)
        r = yaml_choice(yaml_get(map, "source"), sources, "source", &source, e);
    if (r == 0 && yaml_get(map, "reveal"))
        r = yaml_choice(yaml_get(map, "reveal"), reveals, "reveal", &reveal, e);
    if (r == 0 && yaml_get(map, "algorithm"))
        r = yaml_choice(yaml_get(map, "algorithm"), algorithms, "algorithm", &algorithm, e);
    s->kind = (enum policy_secret_kind)kind;
    s->source = (enum policy_secret_source)source;
    s->reveal_once = reveal == 1;
    s->algorithm = (enum policy_algorithm)algorithm;
    return r;
}

static int secret_parse(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    static const char *const keys[] = {
        "kind",      "source", "size",   "reveal", "import",     "export",     "key",     "names",
        "algorithm", "issuer", "client", "claims", "valid_days", "renew_days", "valid_s", NULL};
    struct policy_secret s = {.name = map->key, .line = map->line, .size = SECRET_SIZE_DEFAULT};
    if (!secret_name_is_valid(map->key))
        return yaml_error(map, e, "'%.60s' is no name for a secret", map->key);
    int r = yaml_expect_keys(map, keys, map->key, e);
    if (r == 0)
        r = kind_parse(map, &s, e);
    if (r == 0)
        r = members_check(map, &s, e);
    if (r == 0)
        r = numbers_parse(map, &s, e);
    if (r == 0)
        r = yaml_text(yaml_get(map, "key"), POLICY_NAME_SIZE_MAX, "key", &s.key, e);
    if (r == 0)
        r = yaml_text(yaml_get(map, "issuer"), POLICY_NAME_SIZE_MAX, "issuer", &s.issuer, e);
    if (r == 0)
        r = yaml_bool(yaml_get(map, "client"), "client", &s.client, e);
    if (r == 0 && yaml_get(map, "names"))
        r = dns_parse(yaml_get(map, "names"), &s, e);
    if (r == 0)
        r = claims_parse(yaml_get(map, "claims"), &s, e);
    if (r == 0 && s.source == POLICY_SOURCE_IMPORT)
        r = yaml_expect(yaml_get(map, "import"), YAML_MAP, "import", e);
    if (r == 0)
        r = policy_import(yaml_get(map, "import"), "secret", &s.import, e);
    if (r == 0)
        r = policy_exports(yaml_get(map, "export"), s.exports, &s.export_count, e);
    if (r == 0 && s.source == POLICY_SOURCE_GENERATE)
        r = generated_check(map, policy, &s, e);
    if (r == 0)
        policy->secrets[policy->secret_count++] = s;
    return yaml_locate(map, r, e);
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
