/* SPDX-License-Identifier: Apache-2.0 */
/* `access` and `totp`: who may read, update and create, and how many of them must agree. */
#include "policy/policy_internal.h"

#include <errno.h>

enum { DEPTH_MAX = 4 };

static int approval_parse(const struct yaml_node *node, unsigned depth, struct policy *policy,
                          struct policy_approval *ret, struct error *e);

static bool totp_known(const struct policy *policy, const char *name)
{
    for (unsigned i = 0; i < policy->totp_count; i++)
        if (strcmp(policy->totp[i], name) == 0)
            return true;
    return false;
}

static int of_parse(const struct yaml_node *list, unsigned depth, struct policy *policy,
                    struct policy_approval *ret, struct error *e)
{
    int r = policy_list(list, POLICY_APPROVALS_MAX, "of", e);
    if (r == 0 && list->count == 0)
        r = yaml_error(list, e, "'of' is empty: nobody could agree");
    if (r < 0)
        return r;
    ret->of = arena_alloc(&policy->arena, list->count * sizeof *ret->of);
    if (!ret->of)
        return -ENOMEM;
    memset(ret->of, 0, list->count * sizeof *ret->of);
    for (const struct yaml_node *n = list->first; n && r == 0; n = n->next)
        r = approval_parse(n, depth + 1, policy, &ret->of[ret->of_count++], e);
    return r;
}

static int group_parse(const struct yaml_node *map, unsigned depth, struct policy *policy,
                       struct policy_approval *ret, struct error *e)
{
    static const char *const keys[] = {"require", "of", NULL};
    uint64_t require = 0;
    int r = yaml_expect_keys(map, keys, "access", e);
    ret->kind = POLICY_APPROVAL_OF;
    if (r == 0)
        r = yaml_expect(yaml_get(map, "require"), YAML_SCALAR, "require", e);
    if (r == 0)
        r = of_parse(yaml_get(map, "of"), depth, policy, ret, e);
    if (r == 0)
        r = yaml_uint(yaml_get(map, "require"), 1, ret->of_count, "require", &require, e);
    ret->require = (unsigned)require;
    return r;
}

/* "owner", "sha256:HEX" of a key, {totp: NAME}, or {require: M, of: [...]}. */
static int approval_parse(const struct yaml_node *node, unsigned depth, struct policy *policy,
                          struct policy_approval *ret, struct error *e)
{
    static const char *const totp_keys[] = {"totp", NULL};
    const struct yaml_node *totp = yaml_get(node, "totp");
    ret->line = node->line;
    if (depth > DEPTH_MAX)
        return yaml_error(node, e, "approvals are nested too deeply");
    if (node->kind == YAML_SCALAR && strcmp(node->text, "owner") == 0) {
        ret->kind = POLICY_APPROVAL_OWNER;
        return 0;
    }
    if (node->kind == YAML_SCALAR) {
        ret->kind = POLICY_APPROVAL_KEY;
        return yaml_digest(node, "access", ret->key, e);
    }
    if (!totp)
        return yaml_locate(node, group_parse(node, depth, policy, ret, e), e);
    ret->kind = POLICY_APPROVAL_TOTP;
    int r = yaml_expect_keys(node, totp_keys, "access", e);
    if (r == 0)
        r = policy_name(totp, "totp", &ret->totp, e);
    if (r == 0 && !totp_known(policy, ret->totp))
        r = yaml_error(totp, e, "'totp' has no '%s': list it at the top of the policy", ret->totp);
    return r;
}

static int right_parse(const struct yaml_node *node, struct policy *policy,
                       struct policy_approval **ret, struct error *e)
{
    if (!node)
        return 0;
    struct policy_approval *approval = arena_alloc(&policy->arena, sizeof *approval);
    if (!approval)
        return -ENOMEM;
    *approval = (struct policy_approval){.line = node->line};
    *ret = approval;
    if (node->kind != YAML_LIST)
        return approval_parse(node, 0, policy, approval, e);
    /* A plain list: any one of them. */
    approval->kind = POLICY_APPROVAL_OF;
    approval->require = 1;
    return of_parse(node, 0, policy, approval, e);
}

static int totp_parse(const struct yaml_node *list, struct policy *policy, struct error *e)
{
    int r = list ? policy_list(list, POLICY_TOTP_MAX, "totp", e) : 0;
    for (const struct yaml_node *n = r == 0 && list ? list->first : NULL; n && r == 0;
         n = n->next) {
        const char *name = NULL;
        r = policy_name(n, "totp", &name, e);
        if (r == 0 && totp_known(policy, name))
            r = yaml_error(n, e, "there are two '%s' in 'totp'", name);
        if (r == 0)
            policy->totp[policy->totp_count++] = name;
    }
    return r;
}

int policy_access(const struct yaml_node *root, struct policy *policy, struct error *e)
{
    static const char *const keys[] = {"read", "update", "create", NULL};
    const struct yaml_node *access = yaml_get(root, "access");
    int r = totp_parse(yaml_get(root, "totp"), policy, e);
    if (r < 0 || !access)
        return r;
    r = yaml_expect_keys(access, keys, "access", e);
    if (r == 0)
        r = right_parse(yaml_get(access, "read"), policy, &policy->access.read, e);
    if (r == 0)
        r = right_parse(yaml_get(access, "update"), policy, &policy->access.update, e);
    if (r == 0)
        r = right_parse(yaml_get(access, "create"), policy, &policy->access.create, e);
    return yaml_locate(access, r, e);
}
