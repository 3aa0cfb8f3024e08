/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: made, given, imported, shown once. */
#include "kbs/call.h"

#include "crypto/base64.h"
#include "kbs/jwt.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>

enum { IMPORT_DEPTH_MAX = 4 };

static int secret_stored(struct kbs_call *call, const struct policy *policy, const char *name,
                         struct buf *ret_value);

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

static EVP_PKEY *key_new(enum policy_algorithm algorithm)
{
    switch (algorithm) {
    case POLICY_KEY_P256:
        return EVP_EC_gen("P-256");
    case POLICY_KEY_P384:
        return EVP_EC_gen("P-384");
    case POLICY_KEY_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case POLICY_KEY_RSA_2048:
        return EVP_RSA_gen(2048);
    case POLICY_KEY_RSA_3072:
        return EVP_RSA_gen(3072);
    case POLICY_KEY_RSA_4096:
        return EVP_RSA_gen(4096);
    }
    return NULL;
}

static int key_write(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    int r = bio ? 0 : -ENOMEM;
    if (r == 0 && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        r = -EIO;
    if (r == 0)
        r = bio_take(bio, out);
    BIO_free(bio);
    return r;
}

static int key_generate(enum policy_algorithm algorithm, struct buf *out)
{
    EVP_PKEY *key = key_new(algorithm);
    int r = key ? key_write(key, out) : -EIO;
    EVP_PKEY_free(key);
    ERR_clear_error();
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

static X509 *certificate_read(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.bytes, (int)pem.size);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

static bool certificate_reads(struct slice pem)
{
    X509 *certificate = certificate_read(pem);
    X509_free(certificate);
    return certificate != NULL;
}

/* Key and certificate of an authority, in one value; the key is never given out. */
static int authority_generate(struct kbs_call *call, const struct policy *policy,
                              const struct policy_secret *secret, struct buf *out)
{
    char subject[128];
    EVP_PKEY *key = key_new(secret->algorithm);
    int r = key ? key_write(key, out) : -EIO;
    snprintf(subject, sizeof subject, "%s %s", policy->tenant, secret->name);
    if (r == 0)
        r = ca_pem_new(key, subject, call->kbs->now_s(), (unsigned)secret->valid_days, out);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return r;
}

/* By the policy's own authority, or the key broker's. */
static int certificate_generate(struct kbs_call *call, const struct policy *policy,
                                const struct policy_secret *secret, struct buf *out)
{
    SCOPED(buf_done) struct buf key_pem = {0}, issuer_pem = {0};
    const struct ca_names names = {secret->dns, secret->dns_count, NULL, secret->client};
    unsigned days = (unsigned)secret->valid_days;
    int64_t now = call->kbs->now_s();
    int r = secret_value(call, policy, secret->key, &key_pem);
    if (r == 0 && secret->issuer)
        r = secret_stored(call, policy, secret->issuer, &issuer_pem);
    if (r < 0)
        return r;
    EVP_PKEY *key = key_read(buf_slice(&key_pem));
    EVP_PKEY *issuer_key = secret->issuer ? key_read(buf_slice(&issuer_pem)) : NULL;
    X509 *issuer = secret->issuer ? certificate_read(buf_slice(&issuer_pem)) : NULL;
    if (!key || (secret->issuer && (!issuer_key || !issuer)))
        r = -EBADMSG;
    else if (secret->issuer)
        r = ca_pem_issue(issuer_key, issuer, key, &names, now, days, out);
    else
        r = ca_issue_key(call->kbs->ca, key, &names, now, days, out);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer_key);
    X509_free(issuer);
    return r;
}

/* A token is made for each start: it is short-lived, and says when it was made. */
static int token_generate(struct kbs_call *call, const struct policy *policy,
                          const struct policy_secret *secret, struct buf *out)
{
    SCOPED(buf_done) struct buf pem = {0};
    int64_t now = call->kbs->now_s();
    int r = secret_value(call, policy, secret->key, &pem);
    if (r < 0)
        return r;
    EVP_PKEY *key = key_read(buf_slice(&pem));
    json_t *claims = json_pack("{s:I, s:I}", "iat", (json_int_t)now, "exp",
                               (json_int_t)(now + (int64_t)secret->valid_s));
    for (unsigned i = 0; claims && i < secret->claim_count; i++)
        if (json_object_set_new(claims, secret->claims[i].name,
                                json_string(secret->claims[i].value)) < 0)
            r = -ENOMEM;
    if (r == 0)
        r = key && claims ? jwt_sign(key, "JWT", NULL, claims, out) : -EBADMSG;
    json_decref(claims);
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
        return key_generate(secret->algorithm, out);
    case POLICY_SECRET_CERTIFICATE:
        return certificate_generate(call, policy, secret, out);
    case POLICY_SECRET_CA:
        return authority_generate(call, policy, secret, out);
    case POLICY_SECRET_JWT:
        return token_generate(call, policy, secret, out);
    }
    return -EINVAL;
}

/* Is what is stored still good? A certificate near its end, or of another key than the one that the
 * policy has now, is made anew. */
static bool is_current(struct kbs_call *call, const struct policy *policy,
                       const struct policy_secret *secret, struct slice value)
{
    SCOPED(buf_done) struct buf pem = {0};
    if (secret->kind != POLICY_SECRET_CERTIFICATE || secret->source != POLICY_SOURCE_GENERATE)
        return true;
    X509 *certificate = certificate_read(value);
    time_t renew_at = (time_t)(call->kbs->now_s() + (int64_t)secret->renew_days * 86400);
    bool good = certificate && X509_cmp_time(X509_get0_notAfter(certificate), &renew_at) > 0;
    if (good && secret_value(call, policy, secret->key, &pem) == 0) {
        EVP_PKEY *key = key_read(buf_slice(&pem));
        good = key && X509_check_private_key(certificate, key) == 1;
        EVP_PKEY_free(key);
    }
    X509_free(certificate);
    ERR_clear_error();
    return good;
}

static int secret_missing(struct kbs_call *call, const struct policy_secret *secret)
{
    return refusal_set(&call->refusal, REFUSAL_SECRET_MISSING, "secrets", secret->line, NULL,
                       secret->name);
}

/* Another policy; that one may import too, but not for ever. */
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
    if (secret->kind == POLICY_SECRET_JWT)
        return generate(call, policy, secret, out);
    size_t before = out->size;
    int r = store_secret_get(store, policy->tenant, policy->name, name, out, &revealed);
    if (r == 0 &&
        is_current(call, policy, secret, slice_of(out->bytes + before, out->size - before)))
        return 0;
    if (r < 0 && r != -ENOENT)
        return r;
    if (secret->source == POLICY_SOURCE_GIVEN)
        return secret_missing(call, secret);
    SCOPED(buf_done) struct buf made = {0};
    out->size = before;
    r = generate(call, policy, secret, &made);
    if (r == 0)
        r = store_secret_put(store, policy->tenant, policy->name, name, buf_slice(&made));
    return r < 0 ? r : buf_append_slice(out, buf_slice(&made));
}

static const struct policy_export *secret_exports(const struct policy *from, const char *name,
                                                  unsigned *ret_count, bool *ret_known)
{
    const struct policy_secret *secret = policy_secret_find(from, name);
    *ret_known = secret != NULL;
    *ret_count = secret ? secret->export_count : 0;
    return secret ? secret->exports : NULL;
}

static int imported(struct kbs_call *call, const struct policy *policy,
                    const struct policy_secret *secret, unsigned depth, struct buf *out)
{
    SCOPED(policy_freep) struct policy *from = NULL;
    if (depth == 0)
        return secret_missing(call, secret);
    int r = call_import_load(call, policy, &secret->import, secret_exports, &from);
    if (r < 0)
        return r;
    const struct policy_secret *source = policy_secret_find(from, secret->import.name);
    if (source && source->kind != secret->kind)
        return refusal_set(&call->refusal, REFUSAL_SECRET_MISSING, "import", secret->line,
                           "a secret of the same kind", secret->name);
    return value_at(call, from, secret->import.name, depth - 1, out);
}

/* As it is kept: of an authority, its key too. */
static int secret_stored(struct kbs_call *call, const struct policy *policy, const char *name,
                         struct buf *ret_value)
{
    return value_at(call, policy, name, IMPORT_DEPTH_MAX, ret_value);
}

int secret_value(struct kbs_call *call, const struct policy *policy, const char *name,
                 struct buf *ret_value)
{
    SCOPED(buf_done) struct buf value = {0};
    const struct policy_secret *secret = policy_secret_find(policy, name);
    int r = secret_stored(call, policy, name, &value);
    if (r < 0)
        return r;
    struct slice given = buf_slice(&value);
    static const char mark[] = "-----BEGIN CERTIFICATE-----";
    if (secret && secret->kind == POLICY_SECRET_CA) {
        const uint8_t *at =
            given.bytes ? memmem(given.bytes, given.size, mark, sizeof mark - 1) : NULL;
        if (!at)
            return -EBADMSG;
        given = slice_of(at, (size_t)(given.bytes + given.size - at));
    }
    return buf_append_slice(ret_value, given);
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
    case POLICY_SECRET_CA:
        key = key_read(value);
        EVP_PKEY_free(key);
        return key && certificate_reads(value) ? 0 : -EINVAL;
    case POLICY_SECRET_JWT:
        return -EINVAL;
    }
    return -EINVAL;
}

/* Tenant, policy and secret of a request that its owner makes. `ret_policy` is the caller's. */
static int owner_secret(struct kbs_call *call, struct policy **ret_policy,
                        const struct policy_secret **ret_secret)
{
    const char *tenant = "", *name = "", *secret = "";
    struct store_tenant owner;
    int r = call_name(call, "tenant", &tenant);
    if (r == 0)
        r = call_policy_name(call, "policy", &name);
    if (r == 0)
        r = call_text(call, "secret", POLICY_NAME_SIZE_MAX, &secret);
    if (r == 0)
        r = call_owner(call, tenant, &owner);
    if (r == 0)
        r = call_policy_load(call, tenant, name, NULL, ret_policy);
    if (r == 0 && !*ret_policy)
        r = -ENOENT;
    if (r != 0)
        return r;
    *ret_secret = policy_secret_find(*ret_policy, secret);
    return *ret_secret ? 0 : call_refuse(call, REFUSAL_SECRET_MISSING, "secrets", NULL, secret);
}

int call_secret_reveal(struct kbs_call *call)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    SCOPED(buf_done) struct buf value = {0}, again = {0};
    const struct policy_secret *secret = NULL;
    struct store *store = call->kbs->store;
    bool revealed = false;
    int r = owner_secret(call, &policy, &secret);
    if (r != 0)
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
    const struct policy_secret *secret = NULL;
    const char *text = "";
    int r = owner_secret(call, &policy, &secret);
    if (r != 0)
        return r;
    if (secret->source == POLICY_SOURCE_GENERATE) {
        r = generate(call, policy, secret, &value);
    } else if (secret->source == POLICY_SOURCE_GIVEN) {
        r = call_text(call, "base64", 2 * (size_t)POLICY_SECRET_SIZE_MAX, &text);
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
