/* SPDX-License-Identifier: Apache-2.0 */
/* Who may read, update and create a policy: the owner, or whom the policy names, as many of them as
 * it demands. An approval is a signature over one statement: what is to be done, to which policy,
 * from which state to which; it is good for nothing else. */
#include "kbs/call.h"

#include "base/hex.h"
#include "crypto/base64.h"
#include "kbs/totp.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

enum {
    PEM_MAX = 16384,
    SIGNATURE_MAX = 2048,
    SIGNERS_MAX = 32,
    TOTP_VALUE_SIZE = 28,
    TOTP_TRIES = 20
};

/* Who has agreed to this very request. */
struct agreed {
    uint8_t key[SIGNERS_MAX][SHA256_SIZE];
    unsigned count;
    bool owner;
};

int access_signature_verify(EVP_PKEY *key, struct slice message, struct slice signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *digest = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    int ok =
        ctx && EVP_DigestVerifyInit(ctx, NULL, digest, NULL, key) == 1 &&
        EVP_DigestVerify(ctx, signature.bytes, signature.size, message.bytes, message.size) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok ? 0 : -EKEYREJECTED;
}

static void agreed_add(struct agreed *agreed, const struct store_tenant *tenant,
                       const uint8_t key[SHA256_SIZE])
{
    if (memcmp(tenant->owner, key, SHA256_SIZE) == 0)
        agreed->owner = true;
    if (agreed->count < SIGNERS_MAX)
        memcpy(agreed->key[agreed->count++], key, SHA256_SIZE);
}

static X509 *certificate_read(const char *pem)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

static int approval_add(struct kbs_call *call, const json_t *entry, struct slice statement,
                        const struct store_tenant *tenant, struct agreed *agreed)
{
    SCOPED(buf_done) struct buf signature = {0};
    const char *pem = json_string_value(json_object_get(entry, "certificate"));
    const char *text = json_string_value(json_object_get(entry, "signature"));
    uint8_t key[SHA256_SIZE];
    if (!pem || strlen(pem) > PEM_MAX || !text || strlen(text) > SIGNATURE_MAX ||
        crypto_base64_decode(slice_of_text(text), &signature) < 0)
        return call_bad_request(call, "approvals", "objects with certificate and signature");
    X509 *certificate = certificate_read(pem);
    int r = certificate ? ratls_key_hash(certificate, key) : -EBADMSG;
    if (r == 0)
        r = access_signature_verify(X509_get0_pubkey(certificate), statement,
                                    buf_slice(&signature));
    X509_free(certificate);
    if (r == -EBADMSG)
        return call_bad_request(call, "approvals", "a certificate in PEM");
    if (r == -EKEYREJECTED) {
        char seen[2 * SHA256_SIZE + 1];
        hex_encode(slice_of(key, sizeof key), seen);
        return call_refuse(call, REFUSAL_APPROVAL_INVALID, "approvals", NULL, seen);
    }
    if (r == 0)
        agreed_add(agreed, tenant, key);
    return r;
}

int access_statement(const struct access_request *request, struct buf *out)
{
    return buf_printf(out,
                      "coffer approval 1\naction: %s\ntenant: %s\npolicy: %s\nreplaces: %s\n"
                      "hash: %s\n",
                      request->action, request->tenant, request->policy, request->replaces,
                      request->hash);
}

static int agreed_collect(struct kbs_call *call, const struct access_request *request,
                          const struct store_tenant *tenant, struct agreed *ret)
{
    SCOPED(buf_done) struct buf statement = {0};
    const json_t *list = json_object_get(call->in, "approvals");
    const json_t *entry;
    size_t i;
    int r = access_statement(request, &statement);
    if (json_array_size(list) > SIGNERS_MAX - 1)
        return call_bad_request(call, "approvals", "at most 31 of them");
    /* Whoever makes the request agrees with it. */
    if (call->peer->kind == TLS_PEER_KEY)
        agreed_add(ret, tenant, call->peer->key_hash);
    json_array_foreach(list, i, entry)
    {
        if (r == 0)
            r = approval_add(call, entry, buf_slice(&statement), tenant, ret);
    }
    return r;
}

static void totp_name(char name[64], const char *totp)
{
    snprintf(name, 64, "totp.%s", totp); /* no secret of a policy has a '.' */
}

/* 1: the code is good, and used up; 0: none was shown. */
static int totp_judge(struct kbs_call *call, const struct access_request *request, const char *totp)
{
    SCOPED(buf_done) struct buf value = {0};
    const char *code = json_string_value(json_object_get(json_object_get(call->in, "totp"), totp));
    uint64_t last = 0, step = 0;
    char name[64];
    bool revealed;
    if (!code)
        return 0;
    if (!log_allows(&call->kbs->totp_tries, call->kbs->now_s(), TOTP_TRIES))
        return call_refuse(call, REFUSAL_TOTP, "totp", NULL, "too many codes: wait a minute");
    totp_name(name, totp);
    int r = store_secret_get(call->kbs->store, request->tenant, request->policy, name, &value,
                             &revealed);
    if (r == 0 && value.size != TOTP_VALUE_SIZE)
        r = -EBADMSG;
    if (r == -ENOENT)
        return call_refuse(call, REFUSAL_TOTP, "totp", NULL, "nobody has enrolled for it");
    if (r < 0)
        return r;
    for (unsigned i = 0; i < 8; i++)
        last |= (uint64_t)value.bytes[TOTP_SECRET_SIZE + i] << 8 * i;
    r = totp_check(value.bytes, code, call->kbs->now_s(), last, &step);
    if (r == -EACCES)
        return call_refuse(call, REFUSAL_TOTP, "totp", NULL, totp);
    for (unsigned i = 0; i < 8; i++)
        value.bytes[TOTP_SECRET_SIZE + i] = (uint8_t)(step >> 8 * i);
    if (r == 0)
        r = store_secret_put(call->kbs->store, request->tenant, request->policy, name,
                             buf_slice(&value));
    if (r == 0)
        r = store_secret_revealed(call->kbs->store, request->tenant, request->policy, name);
    return r < 0 ? r : 1;
}

/* 1 holds, 0 does not, or a refusal of something that was shown and is wrong. */
static int approval_holds(struct kbs_call *call, const struct access_request *request,
                          const struct policy_approval *a, const struct agreed *agreed)
{
    unsigned count = 0;
    switch (a->kind) {
    case POLICY_APPROVAL_OWNER:
        return agreed->owner;
    case POLICY_APPROVAL_KEY:
        for (unsigned i = 0; i < agreed->count; i++)
            if (memcmp(agreed->key[i], a->key, SHA256_SIZE) == 0)
                return 1;
        return 0;
    case POLICY_APPROVAL_TOTP:
        return totp_judge(call, request, a->totp);
    case POLICY_APPROVAL_OF:
        break;
    }
    for (unsigned i = 0; i < a->of_count; i++) {
        int r = approval_holds(call, request, &a->of[i], agreed);
        if (r < 0)
            return r;
        count += (unsigned)r;
    }
    return count >= a->require;
}

int access_check(struct kbs_call *call, const struct access_request *request,
                 const struct policy_approval *right, const struct store_tenant *tenant)
{
    struct agreed agreed = {.count = 0};
    char clause[64], seen[64], expected[64];
    int r = agreed_collect(call, request, tenant, &agreed);
    if (r < 0)
        return r;
    if (!right) {
        char key[2 * SHA256_SIZE + 1] = "no certificate";
        call->full_text = agreed.owner;
        if (agreed.owner)
            return 0;
        if (call->peer->kind == TLS_PEER_KEY)
            hex_encode(slice_of(call->peer->key_hash, SHA256_SIZE), key);
        return call_refuse(call, REFUSAL_NOT_OWNER, "owner", NULL, key);
    }
    r = approval_holds(call, request, right, &agreed);
    if (r != 0) {
        call->full_text = r == 1;
        return r < 0 ? r : 0;
    }
    snprintf(clause, sizeof clause, "access.%s", request->right);
    snprintf(seen, sizeof seen, "%u signed", agreed.count);
    snprintf(expected, sizeof expected, "%u of %u",
             right->kind == POLICY_APPROVAL_OF ? right->require : 1,
             right->kind == POLICY_APPROVAL_OF ? right->of_count : 1);
    return refusal_set(&call->refusal, REFUSAL_APPROVAL_MISSING, clause, right->line, expected,
                       seen);
}

/* The text that a telephone is shown, once. */
int call_totp_enroll(struct kbs_call *call)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    SCOPED(buf_done) struct buf value = {0}, uri = {0}, account = {0};
    const char *tenant = "", *name = "", *totp = "";
    struct store_tenant owner;
    char stored[64];
    bool known = false, revealed;
    int r = call_name(call, "tenant", &tenant);
    if (r == 0)
        r = call_policy_name(call, "policy", &name);
    if (r == 0)
        r = call_name(call, "totp", &totp);
    if (r == 0)
        r = call_owner(call, tenant, &owner);
    if (r == 0)
        r = call_policy_load(call, tenant, name, NULL, &policy);
    if (r < 0)
        return r;
    for (unsigned i = 0; policy && i < policy->totp_count; i++)
        known |= strcmp(policy->totp[i], totp) == 0;
    if (!known)
        return call_refuse(call, REFUSAL_TOTP, "totp", NULL, totp);
    totp_name(stored, totp);
    r = store_secret_get(call->kbs->store, tenant, name, stored, &value, &revealed);
    if (r == 0)
        return call_refuse(call, REFUSAL_SECRET_SPENT, "totp", NULL, totp);
    uint8_t *to = r == -ENOENT ? buf_reserve(&value, TOTP_VALUE_SIZE) : NULL;
    if (!to)
        return r == -ENOENT ? -ENOMEM : r;
    memset(to, 0, TOTP_VALUE_SIZE);
    value.size = TOTP_VALUE_SIZE;
    r = crypto_random(to, TOTP_SECRET_SIZE);
    if (r == 0)
        r = store_secret_put(call->kbs->store, tenant, name, stored, buf_slice(&value));
    if (r == 0)
        r = buf_printf(&account, "%s/%s/%s", tenant, name, totp);
    const char *text = r == 0 ? buf_text(&account) : NULL;
    if (r == 0)
        r = text ? totp_uri(value.bytes, call->kbs->manifest->domain, text, &uri) : -ENOMEM;
    if (r == 0)
        r = call_put(call->out, "uri", json_stringn((const char *)uri.bytes, uri.size));
    return r < 0 ? r : kbs_audit(call->kbs, "one-time codes enrolled", tenant, name, totp);
}
