/* SPDX-License-Identifier: Apache-2.0 */
/* `services`: several programs under one policy. A service is the policy with what the service says
 * in place of what all share, so that everything after this knows one kind of policy only. */
#include "policy/policy_internal.h"

#include <errno.h>

static const char *const service_keys[] = {
    "tee",     "allow_debug", "explain", "runtime",      "program",        "platform", "tls",
    "command", "files",       "network", "secret_files", "injected_files", "volumes",  NULL};

int policy_services(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    if (!map)
        return 0;
    int r = yaml_expect(map, YAML_MAP, "services", e);
    if (r == 0 && (map->count == 0 || map->count > POLICY_SERVICES_MAX))
        r = yaml_error(map, e, "'services' has 1 to %d entries", POLICY_SERVICES_MAX);
    for (const struct yaml_node *n = r == 0 ? map->first : NULL; n && r == 0; n = n->next) {
        if (!policy_name_is_valid(n->key))
            return yaml_error(n, e, "'%.60s' is no name for a service", n->key);
        r = yaml_expect_keys(n, service_keys, n->key, e);
        policy->services[policy->service_count++] = n->key;
    }
    return r;
}

static struct yaml_node *node_copy(struct policy *policy, const struct yaml_node *from)
{
    struct yaml_node *node = arena_alloc(&policy->arena, sizeof *node);
    if (node) {
        *node = *from;
        node->next = NULL;
    }
    return node;
}

static int node_append(struct policy *policy, struct yaml_node *to, struct yaml_node ***end,
                       const struct yaml_node *child)
{
    struct yaml_node *copy = node_copy(policy, child);
    if (!copy)
        return -ENOMEM;
    **end = copy;
    *end = &copy->next;
    to->count++;
    return 0;
}

static const struct yaml_node *volume_named(const struct yaml_node *list, const char *name)
{
    for (const struct yaml_node *n = list ? list->first : NULL; n; n = n->next) {
        const struct yaml_node *its = yaml_get(n, "name");
        if (its && its->kind == YAML_SCALAR && strcmp(its->text, name) == 0)
            return n;
    }
    return NULL;
}

/* A service names which of the policy's volumes it has. */
static int volumes_choose(struct policy *policy, const struct yaml_node *names,
                          const struct yaml_node *all, const struct yaml_node **ret,
                          struct error *e)
{
    int r = policy_list(names, POLICY_VOLUMES_MAX, "volumes", e);
    struct yaml_node *list = r == 0 ? node_copy(policy, names) : NULL;
    if (!list)
        return r < 0 ? r : -ENOMEM;
    struct yaml_node **end = &list->first;
    list->count = 0;
    list->first = NULL;
    for (const struct yaml_node *n = names->first; n && r == 0; n = n->next) {
        r = yaml_expect(n, YAML_SCALAR, "volumes", e);
        const struct yaml_node *volume = r == 0 ? volume_named(all, n->text) : NULL;
        if (r == 0 && !volume)
            r = yaml_error(n, e, "the policy has no volume '%.60s'", n->text);
        if (r == 0)
            r = node_append(policy, list, &end, volume);
    }
    *ret = list;
    return r;
}

int policy_service_root(const struct yaml_node *root, const char *name, struct policy *policy,
                        const struct yaml_node **ret_root, struct error *e)
{
    const struct yaml_node *service = yaml_get(yaml_get(root, "services"), name);
    const struct yaml_node *own_volumes = yaml_get(service, "volumes"), *chosen = NULL;
    struct yaml_node *merged = service ? node_copy(policy, root) : NULL;
    if (!service)
        return error_set(e, -ENOENT, "the policy has no service '%.60s'", name);
    if (!merged)
        return -ENOMEM;
    struct yaml_node **end = &merged->first;
    int r = 0;
    merged->count = 0;
    merged->first = NULL;
    if (own_volumes)
        r = volumes_choose(policy, own_volumes, yaml_get(root, "volumes"), &chosen, e);
    for (const struct yaml_node *n = root->first; n && r == 0; n = n->next)
        if (!yaml_get(service, n->key) && strcmp(n->key, "services") != 0)
            r = node_append(policy, merged, &end, n);
    for (const struct yaml_node *n = service->first; n && r == 0; n = n->next) {
        if (n != own_volumes) {
            r = node_append(policy, merged, &end, n);
            continue;
        }
        struct yaml_node *list = node_copy(policy, chosen);
        if (!list)
            return -ENOMEM;
        list->key = "volumes";
        r = node_append(policy, merged, &end, list);
    }
    merged->line = service->line;
    merged->column = service->column;
    policy->service = service->key;
    *ret_root = merged;
    return r;
}
