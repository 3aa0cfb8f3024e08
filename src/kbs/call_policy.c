/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of owners about their policies. */
#include "kbs/call.h"

#include "base/hex.h"
#include "crypto/base64.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIGNATURE_TEXT_MAX = 2048 };

/* The error text begins with "line N:"; the refusal carries N as a number too. */
static int policy_invalid(struct kbs_call *call, const struct error *e)
{
    bool has_line = strncmp(e->text, "line ", 5) == 0;
    unsigned line = has_line ? (unsigned)strtoul(e->text + 5, NULL, 10) : 0;
    call->full_text = true;
    snprintf(call->detail, sizeof call->detail, "%s", e->text);
    return refusal_set(&call->refusal, REFUSAL_POLICY_INVALID, "policy", line, NULL, NULL);
}

static bool name_is_under(const char *name, const char *tenant, const char *domain)
{
    char own[512];
    int len = snprintf(own, sizeof own, "%s.%s", tenant, domain);
    size_t size = strlen(name);
    if (len < 0 || (size_t)len >= sizeof own || size < (size_t)len)
        return false;
    const char *tail = name + size - (size_t)len;
    return strcmp(tail, own) == 0 && (tail == name || tail[-1] == '.');
}

/* What only this key broker can judge: whose it is, and which names it may certify. */
static int policy_judge(struct kbs_call *call, const char *tenant, const char *name,
                        const struct policy *policy)
{
    struct error e = {0};
    const char *domain = call->kbs->manifest->domain;
    if (strcmp(policy->tenant, tenant) != 0 || strcmp(policy->name, name) != 0) {
        error_set(&e, -EINVAL, "the policy is for %s/%s, not for %s/%s", policy->tenant,
                  policy->name, tenant, name);
        return policy_invalid(call, &e);
    }
    for (unsigned i = 0; i < policy->tls_name_count; i++) {
        if (!name_is_under(policy->tls_names[i], tenant, domain)) {
            error_set(&e, -EINVAL, "TLS name '%.100s' is not %s.%s or under it",
                      policy->tls_names[i], tenant, domain);
            return policy_invalid(call, &e);
        }
    }
    for (unsigned i = 0; i < policy->secret_count; i++) {
        const struct policy_secret *s = &policy->secrets[i];
        for (unsigned n = 0; n < s->dns_count; n++) {
            if (!name_is_under(s->dns[n], tenant, domain)) {
                error_set(&e, -EINVAL, "line %u: '%.100s' is not %s.%s or under it", s->line,
                          s->dns[n], tenant, domain);
                return policy_invalid(call, &e);
            }
        }
    }
    return 0;
}

static int signature_verify(struct kbs_call *call, struct slice yaml, const char *text)
{
    SCOPED(buf_done) struct buf signature = {0};
    EVP_PKEY *key = X509_get0_pubkey(call->peer->certificate);
    int r = crypto_base64_decode(slice_of_text(text), &signature);
    if (r < 0)
        return r == -EBADMSG ? call_bad_request(call, "signature", "base64") : r;
    return access_signature_verify(key, yaml, buf_slice(&signature)) == 0
               ? 0
               : call_refuse(call, REFUSAL_POLICY_SIGNATURE, "signature", NULL, NULL);
}

static void store_policy_done(struct store_policy *policy)
{
    buf_done(&policy->yaml);
}

/* An update names what it replaces, so that nobody overwrites what they have not seen. `present`:
 * the hash of what is there, or "nothing". */
static int replaces_check(struct kbs_call *call, const char *present)
{
    const char *replaces = json_string_value(json_object_get(call->in, "replaces"));
    if (!replaces || !replaces[0])
        replaces = "nothing";
    if (strcmp(replaces, present) == 0)
        return 0;
    return call_refuse(call, REFUSAL_POLICY_CONFLICT, "replaces", present, replaces);
}

/* The policy above in its namespace decides who may create; without one the owner does. */
static int create_check(struct kbs_call *call, struct access_request *request,
                        const struct store_tenant *tenant)
{
    SCOPED(policy_freep) struct policy *above = NULL;
    char name[POLICY_PATH_SIZE_MAX + 1];
    request->right = request->action = "create";
    snprintf(name, sizeof name, "%s", request->policy);
    char *slash = strrchr(name, '/');
    if (!slash)
        return access_check(call, request, NULL, tenant);
    *slash = '\0';
    int r = call_policy_load(call, request->tenant, name, NULL, &above);
    return r < 0 ? r : access_check(call, request, above->access.create, tenant);
}

/* The policy that is there decides who may replace it; not the one that wants to. */
static int update_check(struct kbs_call *call, struct access_request *request,
                        const struct store_policy *old, const struct store_tenant *tenant)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct error e = {0};
    int r = policy_parse(buf_slice(&old->yaml), &policy, &e);
    return r < 0 ? r : access_check(call, request, policy->access.update, tenant);
}

static int put_check(struct kbs_call *call, const char *tenant, const char *name, struct slice text)
{
    SCOPED(store_policy_done) struct store_policy old = {0};
    char present[2 * SHA256_SIZE + 1] = "nothing", wanted[2 * SHA256_SIZE + 1];
    uint8_t hash[SHA256_SIZE];
    struct store_tenant owner;
    struct access_request request = {"update", "update", tenant, name, present, wanted};
    int r = store_tenant_get(call->kbs->store, tenant, &owner);
    if (r == -ENOENT)
        return call_refuse(call, REFUSAL_TENANT, "tenant", NULL, tenant);
    if (r == 0)
        r = sha256(text, hash);
    if (r < 0)
        return r;
    hex_encode(slice_of(hash, sizeof hash), wanted);
    r = store_policy_get(call->kbs->store, tenant, name, &old);
    if (r < 0 && r != -ENOENT)
        return r;
    bool exists = r == 0;
    if (exists)
        hex_encode(slice_of(old.hash, sizeof old.hash), present);
    r = exists ? update_check(call, &request, &old, &owner) : create_check(call, &request, &owner);
    return r < 0 ? r : replaces_check(call, present);
}

static int policy_judge_text(struct kbs_call *call, const char *tenant, const char *name,
                             struct slice yaml)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct error e = {0};
    int r = policy_parse(yaml, &policy, &e);
    if (r < 0)
        return r == -ENOMEM ? r : policy_invalid(call, &e);
    r = policy_judge(call, tenant, name, policy);
    for (unsigned i = 0; r == 0 && i < policy->service_count; i++) {
        SCOPED(policy_freep) struct policy *one = NULL;
        r = policy_parse_service(yaml, policy->services[i], &one, &e);
        r = r < 0 ? r : policy_judge(call, tenant, name, one);
    }
    return r;
}

int call_policy_put(struct kbs_call *call)
{
    const char *tenant = "", *name = "", *yaml = "", *signature = "";
    uint8_t hash[SHA256_SIZE];
    SCOPED(buf_done) struct buf signature_bytes = {0};
    struct store *store = call->kbs->store;
    int r = call_name(call, "tenant", &tenant);
    if (r == 0)
        r = call_policy_name(call, "policy", &name);
    if (r == 0)
        r = call_text(call, "yaml", 256 << 10, &yaml);
    if (r == 0)
        r = call_text(call, "signature", SIGNATURE_TEXT_MAX, &signature);
    if (r < 0)
        return r;
    if (call->peer->kind != TLS_PEER_KEY)
        return call_refuse(call, REFUSAL_NOT_OWNER, "owner", NULL, "no certificate");
    struct slice text = slice_of_text(yaml);
    r = put_check(call, tenant, name, text);
    if (r == 0)
        r = policy_judge_text(call, tenant, name, text);
    if (r == 0)
        r = signature_verify(call, text, signature);
    if (r == 0)
        r = sha256(text, hash);
    if (r == 0)
        r = crypto_base64_decode(slice_of_text(signature), &signature_bytes);
    if (r == 0)
        r = store_policy_put(store, tenant, name, text, hash, buf_slice(&signature_bytes));
    /* Who was let in under the old text attests again. */
    if (r == 0)
        r = store_sessions_drop(store, tenant, name);
    if (r == 0)
        r = call_put(call->out, "hash", call_json_hex(slice_of(hash, sizeof hash)));
    return r < 0 ? r : kbs_audit(call->kbs, "policy put", tenant, name, NULL);
}

/* Tenant and policy of a request, what is stored, and whether those have agreed who must. A policy
 * that does not parse (written by a later release) is the owner's alone. */
static int policy_find(struct kbs_call *call, const char *right, const char *action,
                       const char **ret_tenant, const char **ret_name, struct store_policy *ret)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    char hash[2 * SHA256_SIZE + 1] = "nothing";
    struct store_tenant owner;
    int r = call_name(call, "tenant", ret_tenant);
    if (r == 0)
        r = call_policy_name(call, "policy", ret_name);
    if (r == 0)
        r = store_tenant_get(call->kbs->store, *ret_tenant, &owner);
    if (r == -ENOENT)
        return call_refuse(call, REFUSAL_TENANT, "tenant", NULL, *ret_tenant);
    if (r == 0)
        r = store_policy_get(call->kbs->store, *ret_tenant, *ret_name, ret);
    bool exists = r == 0;
    if (r < 0 && r != -ENOENT)
        return r;
    if (exists && policy_parse(buf_slice(&ret->yaml), &policy, NULL) == 0)
        hex_encode(slice_of(ret->hash, sizeof ret->hash), hash);
    const struct access_request request = {right, action, *ret_tenant, *ret_name, "nothing", hash};
    const struct policy_approval *who = !policy                      ? NULL
                                        : strcmp(right, "read") == 0 ? policy->access.read
                                                                     : policy->access.update;
    r = access_check(call, &request, who, &owner);
    return r < 0 || exists ? r : call_refuse(call, REFUSAL_POLICY, "policy", NULL, *ret_name);
}

int call_policy_get(struct kbs_call *call)
{
    SCOPED(store_policy_done) struct store_policy stored = {0};
    const char *tenant = "", *name = "";
    int r = policy_find(call, "read", "read", &tenant, &name, &stored);
    if (r < 0)
        return r;
    r = call_put(call->out, "yaml",
                 json_stringn((const char *)stored.yaml.bytes, stored.yaml.size));
    if (r == 0)
        r = call_put(call->out, "hash", call_json_hex(slice_of(stored.hash, sizeof stored.hash)));
    return r < 0 ? r : call_put(call->out, "revoked", json_boolean(stored.revoked));
}

/* For anybody: does this text parse? Nothing of ours is told. */
int call_policy_check(struct kbs_call *call)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct error e = {0};
    const char *yaml = "";
    int r = call_text(call, "yaml", 256 << 10, &yaml);
    if (r < 0)
        return r;
    r = policy_parse(slice_of_text(yaml), &policy, &e);
    return r == 0 || r == -ENOMEM ? r : policy_invalid(call, &e);
}

int call_policy_revoke(struct kbs_call *call)
{
    SCOPED(store_policy_done) struct store_policy stored = {0};
    const char *tenant = "", *name = "";
    struct store *store = call->kbs->store;
    int r = policy_find(call, "update", "revoke", &tenant, &name, &stored);
    if (r == 0)
        r = store_policy_revoke(store, tenant, name);
    if (r == 0)
        r = store_sessions_drop(store, tenant, name);
    if (r == 0)
        r = store_volumes_revoke(store, tenant, name);
    return r < 0 ? r : kbs_audit(call->kbs, "policy revoked", tenant, name, NULL);
}
