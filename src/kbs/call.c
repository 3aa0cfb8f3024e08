/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers share: members of a request, refusals, who is calling. */
#include "kbs/call.h"

#include "base/hex.h"
#include "crypto/base64.h"

#include <errno.h>

int call_refuse(struct kbs_call *call, enum refusal_reason reason, const char *clause,
                const char *expected, const char *seen)
{
    return refusal_set(&call->refusal, reason, clause, 0, expected, seen);
}

int call_bad_request(struct kbs_call *call, const char *member, const char *expected)
{
    call->full_text = true;
    return call_refuse(call, REFUSAL_REQUEST, member, expected, NULL);
}

int call_text(struct kbs_call *call, const char *member, size_t size_max, const char **ret_text)
{
    json_t *value = json_object_get(call->in, member);
    const char *text = json_string_value(value);
    if (!text || json_string_length(value) > size_max)
        return call_bad_request(call, member, "a text");
    *ret_text = text;
    return 0;
}

int call_name(struct kbs_call *call, const char *member, const char **ret_name)
{
    int r = call_text(call, member, POLICY_NAME_SIZE_MAX, ret_name);
    if (r == 0 && !policy_name_is_valid(*ret_name))
        return call_bad_request(call, member, "1 to 40 of a-z, 0-9 and inner '-'");
    return r;
}

int call_policy_name(struct kbs_call *call, const char *member, const char **ret_name)
{
    int r = call_text(call, member, POLICY_PATH_SIZE_MAX, ret_name);
    if (r == 0 && !policy_path_is_valid(*ret_name))
        return call_bad_request(call, member, "the name of a policy");
    return r;
}

int call_hex(struct kbs_call *call, const char *member, void *bytes, size_t size)
{
    const char *text = "";
    int r = call_text(call, member, 2 * size, &text);
    if (r == 0 && hex_decode(slice_of_text(text), bytes, size) < 0)
        return call_bad_request(call, member, "hexadecimal digits");
    return r;
}

int call_uint(struct kbs_call *call, const char *member, uint64_t *ret_n)
{
    json_t *value = json_object_get(call->in, member);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return call_bad_request(call, member, "a number");
    *ret_n = (uint64_t)json_integer_value(value);
    return 0;
}

int call_put(json_t *object, const char *key, json_t *value)
{
    return value && json_object_set_new(object, key, value) == 0 ? 0 : -ENOMEM;
}

json_t *call_json_hex(struct slice bytes)
{
    char text[2 * 64 + 1];
    if (bytes.size > 64)
        return NULL;
    hex_encode(bytes, text);
    return json_string(text);
}

json_t *call_json_base64(struct slice bytes)
{
    SCOPED(buf_done) struct buf text = {0};
    if (crypto_base64_encode(bytes, &text) < 0)
        return NULL;
    return json_stringn(text.size ? (const char *)text.bytes : "", text.size);
}

int call_operator(struct kbs_call *call)
{
    const struct who_digests *operators = &call->kbs->manifest->operators;
    char seen[2 * SHA256_SIZE + 1] = "no certificate";
    if (call->peer->kind == TLS_PEER_KEY) {
        for (unsigned i = 0; i < operators->count; i++)
            if (memcmp(operators->digest[i], call->peer->key_hash, SHA256_SIZE) == 0)
                return 0;
        hex_encode(slice_of(call->peer->key_hash, SHA256_SIZE), seen);
    }
    return call_refuse(call, REFUSAL_NOT_OPERATOR, "operators", NULL, seen);
}

int call_owner(struct kbs_call *call, const char *tenant, struct store_tenant *ret)
{
    char seen[2 * SHA256_SIZE + 1] = "no certificate";
    int r = store_tenant_get(call->kbs->store, tenant, ret);
    if (r == -ENOENT)
        return call_refuse(call, REFUSAL_TENANT, "tenant", NULL, tenant);
    if (r < 0)
        return r;
    if (call->peer->kind == TLS_PEER_KEY) {
        if (memcmp(ret->owner, call->peer->key_hash, SHA256_SIZE) == 0) {
            call->full_text = true;
            return 0;
        }
        hex_encode(slice_of(call->peer->key_hash, SHA256_SIZE), seen);
    }
    return call_refuse(call, REFUSAL_NOT_OWNER, "owner", NULL, seen);
}

static void store_policy_done(struct store_policy *policy)
{
    buf_done(&policy->yaml);
}

int call_policy_load(struct kbs_call *call, const char *tenant, const char *name,
                     const char *service, struct policy **ret_policy)
{
    SCOPED(store_policy_done) struct store_policy stored = {0};
    struct store_tenant ignored;
    struct error e = {0};
    int r = store_tenant_get(call->kbs->store, tenant, &ignored);
    if (r == -ENOENT)
        return call_refuse(call, REFUSAL_TENANT, "tenant", NULL, tenant);
    if (r == 0)
        r = store_policy_get(call->kbs->store, tenant, name, &stored);
    if (r == -ENOENT)
        return call_refuse(call, REFUSAL_POLICY, "policy", NULL, name);
    if (r < 0)
        return r;
    if (stored.revoked)
        return call_refuse(call, REFUSAL_POLICY_REVOKED, "policy", NULL, name);
    r = policy_parse_service(buf_slice(&stored.yaml), service, ret_policy, &e);
    if (r == -ENOENT)
        return call_refuse(call, REFUSAL_SERVICE, "services", NULL, service);
    if (r < 0)
        LOG_ERROR("a stored policy does not parse", LOG_TEXT("tenant", tenant),
                  LOG_TEXT("policy", name), LOG_TEXT("why", e.text));
    return r;
}

static bool export_names(const struct policy_export *exports, unsigned count, const char *from,
                         const struct policy *to)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(exports[i].tenant ? exports[i].tenant : from, to->tenant) == 0 &&
            strcmp(exports[i].policy, to->name) == 0)
            return true;
    return false;
}

int call_import_load(struct kbs_call *call, const struct policy *policy,
                     const struct policy_import *import, import_exports_fn *exports,
                     struct policy **ret_from)
{
    SCOPED(store_policy_done) struct store_policy stored = {0};
    SCOPED(policy_freep) struct policy *from = NULL;
    const char *tenant = import->tenant ? import->tenant : policy->tenant;
    char expected[2 * SHA256_SIZE + 1], seen[2 * SHA256_SIZE + 1];
    unsigned count = 0;
    bool known = false;
    int r = call_policy_load(call, tenant, import->policy, NULL, &from);
    if (r == 0)
        r = store_policy_get(call->kbs->store, tenant, import->policy, &stored);
    if (r < 0)
        return r;
    if (import->has_hash && memcmp(import->hash, stored.hash, sizeof stored.hash) != 0) {
        hex_encode(slice_of(import->hash, sizeof import->hash), expected);
        hex_encode(slice_of(stored.hash, sizeof stored.hash), seen);
        return call_refuse(call, REFUSAL_IMPORT_CHANGED, "import.hash", expected, seen);
    }
    const struct policy_export *list = exports(from, import->name, &count, &known);
    if (!known)
        return call_refuse(call, REFUSAL_NOT_EXPORTED, "import", NULL, import->name);
    /* Within a tenant all is one owner's; a list that there is counts all the same. */
    if ((count > 0 || strcmp(tenant, policy->tenant) != 0) &&
        !export_names(list, count, tenant, policy))
        return call_refuse(call, REFUSAL_NOT_EXPORTED, "export", NULL, import->name);
    *ret_from = TAKE(from);
    return 0;
}
