/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: made, given, imported, shown once. */
#include "kbs/call.h"

#include "crypto/base64.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { IMPORT_DEPTH_MAX = 4, CERTIFICATE_DAYS = 365 };

static int ascii_generate(size_t size, struct buf *out)
{
    /* 32 letters that nobody mixes up: 5 bits each, without bias. */
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789A";
    uint8_t *to = buf_reserve(out, size);
    int r = to ? crypto_random(to, size) : -ENOMEM;
    for (size_t i = 0; r == 0 && i < size; i++)
        to[i] = (uint8_t)letters[to[i] & 31];
    if (r == 0)
        out->size += size;
    return r;
}

static int binary_generate(size_t size, struct buf *out)
{
    uint8_t *to = buf_reserve(out, size);
    int r = to ? crypto_random(to, size) : -ENOMEM;
    if (r == 0)
        out->size += size;
    return r;
}

static int bio_take(BIO *bio, struct buf *out)
{
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    return size > 0 ? buf_append(out, text, (size_t)size) : -EIO;
}

static int key_generate(struct buf *out)
{
    SCOPED(p256_freep) struct p256_key *key = NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    int r = bio ? p256_generate(&key) : -ENOMEM;
    if (r == 0 && PEM_write_bio_PrivateKey(bio, p256_pkey(key), NULL, NULL, 0, NULL, NULL) != 1)
        r = -EIO;
    if (r == 0)
        r = bio_take(bio, out);
    BIO_free(bio);
    return r;
}

static EVP_PKEY *key_read(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.bytes, (int)pem.size);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static bool certificate_reads(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.bytes, (int)pem.size);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool ok = certificate != NULL;
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return ok;
}

static int certificate_generate(struct kbs_call *call, const struct policy *policy,
                                const struct policy_secret *secret, struct buf *out)
{
    SCOPED(buf_done) struct buf key_pem = {0};
    const struct ca_names names = {secret->dns, secret->dns_count};
    int r = secret_value(call, policy, secret->key, &key_pem);
    if (r < 0)
        return r;
    EVP_PKEY *key = key_read(buf_slice(&key_pem));
    r = key ? ca_issue_key(call->kbs->ca, key, &names, call->kbs->now_s(), CERTIFICATE_DAYS, out)
            : -EBADMSG;
    EVP_PKEY_free(key);
    return r;
}

static int generate(struct kbs_call *call, const struct policy *policy,
                    const struct policy_secret *secret, struct buf *out)
{
    switch (secret->kind) {
    case POLICY_SECRET_ASCII:
        return ascii_generate(secret->size, out);
    case POLICY_SECRET_BINARY:
        return binary_generate(secret->size, out);
    case POLICY_SECRET_PRIVATE_KEY:
        return key_generate(out);
    case POLICY_SECRET_CERTIFICATE:
        return certificate_generate(call, policy, secret, out);
    }
    return -EINVAL;
}

static int secret_missing(struct kbs_call *call, const struct policy_secret *secret)
{
    return refusal_set(&call->refusal, REFUSAL_SECRET_MISSING, "secrets", secret->line, NULL,
                       secret->name);
}

/* Another policy of the same tenant; that one may import too, but not for ever. */
static int imported(struct kbs_call *call, const struct policy *policy,
                    const struct policy_secret *secret, unsigned depth, struct buf *out);

static int value_at(struct kbs_call *call, const struct policy *policy, const char *name,
                    unsigned depth, struct buf *out)
{
    const struct policy_secret *secret = policy_secret_find(policy, name);
    struct store *store = call->kbs->store;
    bool revealed;
    if (!secret)
        return call_refuse(call, REFUSAL_SECRET_MISSING, "secrets", NULL, name);
    if (secret->source == POLICY_SOURCE_IMPORT)
        return imported(call, policy, secret, depth, out);
    int r = store_secret_get(store, policy->tenant, policy->name, name, out, &revealed);
    if (r != -ENOENT)
        return r;
    if (secret->source == POLICY_SOURCE_GIVEN)
        return secret_missing(call, secret);
    r = generate(call, policy, secret, out);
    return r < 0 ? r : store_secret_put(store, policy->tenant, policy->name, name, buf_slice(out));
}

static int imported(struct kbs_call *call, const struct policy *policy,
                    const struct policy_secret *secret, unsigned depth, struct buf *out)
{
    SCOPED(policy_freep) struct policy *from = NULL;
    if (depth == 0)
        return secret_missing(call, secret);
    int r = call_policy_load(call, policy->tenant, secret->from_policy, &from);
    return r < 0 ? r : value_at(call, from, secret->from_secret, depth - 1, out);
}

int secret_value(struct kbs_call *call, const struct policy *policy, const char *name,
                 struct buf *ret_value)
{
    return value_at(call, policy, name, IMPORT_DEPTH_MAX, ret_value);
}

int secret_check(const struct policy_secret *secret, struct slice value)
{
    EVP_PKEY *key;
    if (value.size == 0 || value.size > POLICY_SECRET_SIZE_MAX)
        return -EINVAL;
    switch (secret->kind) {
    case POLICY_SECRET_ASCII:
        for (size_t i = 0; i < value.size; i++)
            if (value.bytes[i] < 0x20 || value.bytes[i] > 0x7e)
                return -EINVAL;
        return 0;
    case POLICY_SECRET_BINARY:
        return 0;
    case POLICY_SECRET_PRIVATE_KEY:
        key = key_read(value);
        EVP_PKEY_free(key);
        return key ? 0 : -EINVAL;
    case POLICY_SECRET_CERTIFICATE:
        return certificate_reads(value) ? 0 : -EINVAL;
    }
    return -EINVAL;
}

/* Tenant, policy and secret of a request that its owner makes. `ret_policy` is the caller's. */
static int owner_secret(struct kbs_call *call, struct policy **ret_policy,
                        const struct policy_secret **ret_secret)
{
    const char *tenant, *name, *secret;
    struct store_tenant owner;
    int r = call_name(call, "tenant", &tenant);
    if (r == 0)
        r = call_name(call, "policy", &name);
    if (r == 0)
        r = call_text(call, "secret", POLICY_NAME_SIZE_MAX, &secret);
    if (r == 0)
        r = call_owner(call, tenant, &owner);
    if (r == 0)
        r = call_policy_load(call, tenant, name, ret_policy);
    if (r < 0)
        return r;
    *ret_secret = policy_secret_find(*ret_policy, secret);
    return *ret_secret ? 0 : call_refuse(call, REFUSAL_SECRET_MISSING, "secrets", NULL, secret);
}

int call_secret_reveal(struct kbs_call *call)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    SCOPED(buf_done) struct buf value = {0}, again = {0};
    const struct policy_secret *secret;
    struct store *store = call->kbs->store;
    bool revealed = false;
    int r = owner_secret(call, &policy, &secret);
    if (r < 0)
        return r;
    if (!secret->reveal_once || secret->source == POLICY_SOURCE_IMPORT)
        return refusal_set(&call->refusal, REFUSAL_SECRET_SPENT, "reveal", secret->line, "once",
                           "never");
    r = secret_value(call, policy, secret->name, &value);
    if (r == 0)
        r = store_secret_get(store, policy->tenant, policy->name, secret->name, &again, &revealed);
    if (r == 0 && revealed)
        return refusal_set(&call->refusal, REFUSAL_SECRET_SPENT, "reveal", secret->line, NULL,
                           secret->name);
    if (r == 0)
        r = store_secret_revealed(store, policy->tenant, policy->name, secret->name);
    if (r == 0)
        r = secret->kind == POLICY_SECRET_BINARY
                ? call_put(call->out, "base64", call_json_base64(buf_slice(&value)))
                : call_put(call->out, "value", json_stringn((const char *)value.bytes, value.size));
    return r < 0 ? r
                 : kbs_audit(call->kbs, "secret revealed", policy->tenant, policy->name,
                             secret->name);
}

/* A new value: the owner's, or for a generated one a fresh one. */
int call_secret_give(struct kbs_call *call)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    SCOPED(buf_done) struct buf value = {0};
    const struct policy_secret *secret;
    const char *text;
    int r = owner_secret(call, &policy, &secret);
    if (r < 0)
        return r;
    if (secret->source == POLICY_SOURCE_GENERATE) {
        r = generate(call, policy, secret, &value);
    } else if (secret->source == POLICY_SOURCE_GIVEN) {
        r = call_text(call, "base64", 2 * POLICY_SECRET_SIZE_MAX, &text);
        if (r == 0)
            r = crypto_base64_decode(slice_of_text(text), &value);
        if (r == -EBADMSG || (r == 0 && secret_check(secret, buf_slice(&value)) < 0))
            return call_bad_request(call, "base64", "a value of the secret's kind");
    } else {
        return call_bad_request(call, "secret", "a secret that is not imported");
    }
    if (r == 0)
        r = store_secret_put(call->kbs->store, policy->tenant, policy->name, secret->name,
                             buf_slice(&value));
    return r < 0 ? r
                 : kbs_audit(call->kbs, "secret given", policy->tenant, policy->name, secret->name);
}
