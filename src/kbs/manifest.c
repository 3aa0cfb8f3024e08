/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/manifest.h"

#include "policy/yaml_tree.h"

#include <errno.h>
#include <stdlib.h>

static int tees_parse(const struct yaml_node *list, struct manifest *m, struct error *e)
{
    int r = yaml_expect(list, YAML_LIST, "tee", e);
    for (const struct yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next) {
        enum tee tee;
        r = yaml_expect(n, YAML_SCALAR, "tee", e);
        if (r == 0 && tee_parse(slice_of_text(n->text), &tee) < 0)
            r = yaml_error(n, e, "there is no TEE '%.20s'", n->text);
        if (r == 0)
            m->tees |= 1u << tee;
    }
    return r;
}

static int digests_parse(const struct yaml_node *list, const char *what, struct who_digests *set,
                         bool *ret_self, struct error *e)
{
    int r = list ? yaml_expect(list, YAML_LIST, what, e) : 0;
    for (const struct yaml_node *n = r == 0 && list ? list->first : NULL; n && r == 0;
         n = n->next) {
        if (ret_self && n->kind == YAML_SCALAR && strcmp(n->text, "self") == 0) {
            *ret_self = true;
            continue;
        }
        if (set->count == WHO_DIGESTS_MAX)
            return yaml_error(n, e, "'%s' has more than %d entries", what, WHO_DIGESTS_MAX);
        r = yaml_digest(n, what, set->digest[set->count], e);
        if (r == 0)
            set->count++;
    }
    return r;
}

/* `none` is honest only where nothing protects the key broker's state from going back in time. */
static int freshness_parse(const struct yaml_node *root, struct manifest *m, struct error *e)
{
    static const char *const names[] = {"none", "peer", "owner", NULL};
    const struct yaml_node *node = yaml_get(root, "freshness");
    unsigned choice = 0;
    int r = yaml_choice(node, names, "freshness", &choice, e);
    m->freshness = (enum freshness)choice;
    if (r == 0)
        r = digests_parse(yaml_get(root, "confirmers"), "confirmers", &m->confirmers, NULL, e);
    if (r < 0)
        return r;
    if (m->freshness == FRESHNESS_NONE && m->tees != 1u << TEE_SIM)
        return yaml_error(node, e,
                          "`freshness: none` goes with `tee: [sim]` only; write "
                          "`freshness: owner` and name `confirmers`");
    if (m->freshness != FRESHNESS_NONE && m->confirmers.count == 0)
        return yaml_error(node, e,
                          "`freshness: %s` needs `confirmers`: whose keys confirm the head after a "
                          "start, or promote a standby",
                          names[choice]);
    return 0;
}

static int root_parse(const struct yaml_node *root, struct manifest *m, struct error *e)
{
    static const char *const keys[] = {"version",     "domain",     "tee",          "operators",
                                       "sim_devices", "freshness",  "lease_term_s", "session_s",
                                       "tenants_max", "confirmers", "holders",      "shares_needed",
                                       NULL};
    uint64_t version = 0, term_s = 15;
    int r = yaml_expect_keys(root, keys, "manifest", e);
    if (r == 0)
        r = yaml_expect(yaml_get(root, "version"), YAML_SCALAR, "version", e);
    if (r == 0)
        r = yaml_uint(yaml_get(root, "version"), 1, 1, "version", &version, e);
    if (r == 0)
        r = yaml_expect(yaml_get(root, "domain"), YAML_SCALAR, "domain", e);
    if (r == 0)
        r = yaml_text(yaml_get(root, "domain"), 200, "domain", &m->domain, e);
    if (r == 0)
        r = tees_parse(yaml_get(root, "tee"), m, e);
    if (r == 0)
        r = digests_parse(yaml_get(root, "operators"), "operators", &m->operators, NULL, e);
    if (r == 0)
        r = digests_parse(yaml_get(root, "sim_devices"), "sim_devices", &m->devices,
                          &m->device_self, e);
    if (r == 0)
        r = freshness_parse(root, m, e);
    if (r == 0)
        r = yaml_uint(yaml_get(root, "lease_term_s"), 1, 3600, "lease_term_s", &term_s, e);
    if (r == 0)
        r = yaml_uint(yaml_get(root, "session_s"), 60, 30 * 86400, "session_s", &m->session_s, e);
    if (r == 0)
        r = yaml_uint(yaml_get(root, "tenants_max"), 1, 1000000, "tenants_max", &m->tenants_max, e);
    if (r == 0)
        r = digests_parse(yaml_get(root, "holders"), "holders", &m->holders, NULL, e);
    if (r == 0 && m->holders.count > 0)
        r = yaml_uint(yaml_get(root, "shares_needed"), 2, m->holders.count, "shares_needed",
                      &m->shares_needed, e);
    if (r == 0 && m->holders.count > 0 && m->shares_needed == 0)
        r = yaml_error(root, e, "`holders` needs `shares_needed`: how many restore the root key");
    if (r == 0 && m->operators.count == 0)
        r = yaml_error(root, e, "'operators' names nobody: no tenant could ever be added");
    m->lease_term_ms = term_s * 1000;
    m->lease_margin_ms = 1000 + m->lease_term_ms / 10;
    return r;
}

int manifest_parse(struct slice yaml, struct manifest **ret_manifest, struct error *e)
{
    SCOPED(manifest_freep) struct manifest *m = calloc(1, sizeof *m);
    struct yaml_node *root = NULL;
    if (!m)
        return error_set(e, -ENOMEM, "no memory for a manifest");
    m->session_s = 86400;
    m->tenants_max = 10000;
    int r = yaml_parse(yaml, &m->arena, &root, e);
    if (r == 0)
        r = yaml_locate(root, root_parse(root, m, e), e);
    if (r == 0)
        r = sha256(yaml, m->hash);
    if (r == 0)
        *ret_manifest = TAKE(m);
    return r;
}

void manifest_free(struct manifest *m)
{
    if (!m)
        return;
    arena_done(&m->arena);
    free(m);
}

void manifest_freep(struct manifest **m)
{
    manifest_free(*m);
}
