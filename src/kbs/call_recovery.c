/* SPDX-License-Identifier: Apache-2.0 */
/* What brings the state back elsewhere: backups, which an operator may take and nobody but the root key
 * opens; shares of that key, each for one holder whom the manifest names; and for the owner of a volume
 * what opens it without any key broker. */
#include "kbs/call.h"
#include "kbs/recovery.h"

#include "base/hex.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

enum { CHUNK = 256 << 10, PEM_MAX = 16384 };

/* The first part takes the picture; the others are of the same one. Inside a transaction the picture
 * holds all that was committed before. */
int call_backup(struct kbs_call *call)
{
    struct kbs *kbs = call->kbs;
    SCOPED(key256_wipe) struct key256 root = {0};
    SCOPED(buf_done) struct buf database = {0};
    uint64_t offset = 0;
    int r = call_operator(call);
    if (r == 0)
        r = call_uint(call, "offset", &offset);
    if (r == 0 && offset == 0) {
        buf_done(&kbs->outgoing);
        store_root(kbs->store, &root);
        r = store_serialize(kbs->store, &database);
        if (r == 0)
            r = backup_seal(&root, buf_slice(&database), &kbs->outgoing);
        if (r == 0)
            r = kbs_audit(kbs, "backup taken", NULL, NULL, NULL);
    }
    if (r == 0 && offset >= kbs->outgoing.size)
        return call_bad_request(call, "offset", "an offset inside the backup");
    if (r < 0)
        return r;
    struct slice part = slice_of(kbs->outgoing.bytes + offset,
                                 MIN(kbs->outgoing.size - (size_t)offset, (size_t)CHUNK));
    r = call_put(call->out, "total", json_integer((json_int_t)kbs->outgoing.size));
    if (r == 0)
        r = call_put(call->out, "base64", call_json_base64(part));
    if (offset + part.size == kbs->outgoing.size)
        buf_done(&kbs->outgoing);
    return r;
}

/* -EBADMSG: no certificate. *ret (may be NULL after a failure) is the caller's. */
static int certificate_read(const char *pem, uint8_t hash[SHA256_SIZE], EVP_PKEY **ret)
{
    BIO *bio = pem && strlen(pem) <= PEM_MAX ? BIO_new_mem_buf(pem, -1) : NULL;
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    int r = certificate ? ratls_key_hash(certificate, hash) : -EBADMSG;
    *ret = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return r;
}

static int holder_read(struct kbs_call *call, const char *pem, unsigned i, EVP_PKEY **ret)
{
    const struct who_digests *holders = &call->kbs->manifest->holders;
    uint8_t hash[SHA256_SIZE];
    char seen[2 * SHA256_SIZE + 1];
    int r = certificate_read(pem, hash, ret);
    if (r < 0)
        return call_bad_request(call, "holders",
                                "certificates in PEM, as the manifest orders them");
    if (memcmp(hash, holders->digest[i], sizeof hash) == 0)
        return 0;
    hex_encode(slice_of(hash, sizeof hash), seen);
    return call_refuse(call, REFUSAL_NOT_HOLDER, "holders", NULL, seen);
}

/* `holders`: the certificates of all whom the manifest names, in its order. Whoever asks gets nothing
 * that it can open, unless it is a holder itself. */
int call_shares(struct kbs_call *call)
{
    const struct manifest *m = call->kbs->manifest;
    const json_t *list = json_object_get(call->in, "holders");
    SCOPED(key256_wipe) struct key256 root = {0};
    EVP_PKEY *keys[WHO_DIGESTS_MAX] = {NULL};
    struct buf sealed[WHO_DIGESTS_MAX] = {{0}};
    json_t *shares = json_array();
    int r = call_operator(call);
    if (r == 0 && m->holders.count == 0)
        r = call_bad_request(call, "holders", "a manifest that names `holders`");
    if (r == 0 && json_array_size(list) != m->holders.count)
        r = call_bad_request(call, "holders", "one certificate for each holder of the manifest");
    for (unsigned i = 0; r == 0 && i < m->holders.count; i++)
        r = holder_read(call, json_string_value(json_array_get(list, i)), i, &keys[i]);
    store_root(call->kbs->store, &root);
    if (r == 0)
        r = recovery_split(&root, (unsigned)m->shares_needed, keys, m->holders.count, sealed);
    if (r == -EOPNOTSUPP)
        r = call_bad_request(call, "holders", "keys on P-256");
    for (unsigned i = 0; i < m->holders.count; i++) {
        if (r == 0 && json_array_append_new(
                          shares, json_stringn((const char *)sealed[i].bytes, sealed[i].size)) < 0)
            r = -ENOMEM;
        EVP_PKEY_free(keys[i]);
        buf_done(&sealed[i]);
    }
    if (r == 0)
        r = call_put(call->out, "shares", json_incref(shares));
    json_decref(shares);
    return r < 0 ? r : kbs_audit(call->kbs, "root key split", NULL, NULL, NULL);
}

/* ---- a volume's key, for its owner ---- */

/* Whoever may replace the policy could have any program given the key, so the same must agree; and it is
 * sealed to the owner's key, whoever asks. */
static int recovery_allowed(struct kbs_call *call, const char *tenant, const char *name,
                            const struct policy *policy, const struct store_tenant *owner)
{
    struct store_policy stored = {0};
    char hash[2 * SHA256_SIZE + 1];
    int r = store_policy_get(call->kbs->store, tenant, name, &stored);
    buf_done(&stored.yaml);
    if (r < 0)
        return r;
    hex_encode(slice_of(stored.hash, sizeof stored.hash), hash);
    const struct access_request request = {"update", "recovery-key", tenant, name, "nothing", hash};
    return access_check(call, &request, policy->access.update, owner);
}

static void hex_line(struct buf *out, const char *word, const void *bytes, size_t size)
{
    char text[2 * sizeof(struct key256) + 1];
    hex_encode(slice_of(bytes, size), text);
    (void)buf_printf(out, "%s%s\n", word, text);
    secret_wipe(text, sizeof text);
}

/* The text of volume/recovery_key.h. */
static int volume_recovery_put(struct kbs_call *call, const char *tenant, const char *name,
                               const char *volume, struct buf *out)
{
    SCOPED(store_erase_keys_wipe) struct store_erase_keys erase = {0};
    struct store_volume stored = {0};
    const struct lease_head *head = &stored.lease.head;
    char word[64];
    int r = store_volume_get(call->kbs->store, tenant, name, volume, &stored);
    if (r == 0)
        r = store_erase_keys_get(call->kbs->store, stored.id, &erase);
    if (r == 0 && head->epoch == 0)
        r = call_refuse(call, REFUSAL_VOLUME, "volume", "one that has been opened", volume);
    if (r == 0) {
        (void)buf_append_text(out, "coffer-volume-key 1\n");
        hex_line(out, "volume ", stored.id, sizeof stored.id);
        (void)buf_printf(out, "name %s/%s/%s\nmade %lld\n", tenant, name, volume,
                         (long long)call->kbs->now_s());
        hex_line(out, "key ", stored.key.bytes, sizeof stored.key.bytes);
        (void)snprintf(word, sizeof word, "head %llu %llu ", (unsigned long long)head->epoch,
                       (unsigned long long)head->sequence);
        hex_line(out, word, head->tag, sizeof head->tag);
        for (unsigned i = 0; i < erase.count; i++) {
            (void)snprintf(word, sizeof word, "erase %u ", erase.numbers[i]);
            hex_line(out, word, erase.keys[i].bytes, sizeof erase.keys[i].bytes);
        }
        r = out->failed ? -ENOMEM : 0;
    }
    key256_wipe(&stored.key);
    return r;
}

static int owners_key(struct kbs_call *call, const struct store_tenant *owner, EVP_PKEY **ret)
{
    uint8_t hash[SHA256_SIZE];
    char seen[2 * SHA256_SIZE + 1];
    const char *pem = json_string_value(json_object_get(call->in, "certificate"));
    int r = certificate_read(pem, hash, ret);
    if (r < 0)
        return call_bad_request(call, "certificate", "the owner's certificate in PEM");
    if (memcmp(hash, owner->owner, sizeof hash) == 0)
        return 0;
    hex_encode(slice_of(hash, sizeof hash), seen);
    return call_refuse(call, REFUSAL_NOT_OWNER, "certificate", NULL, seen);
}

static int volume_recovery(struct kbs_call *call, const char *tenant, const char *name,
                           const char *volume, EVP_PKEY *key)
{
    SCOPED(buf_done) struct buf text = {0};
    SCOPED(buf_done) struct buf sealed = {0};
    int r = volume_recovery_put(call, tenant, name, volume, &text);
    if (r == 0)
        r = recovery_volume_key_seal(buf_slice(&text), key, &sealed);
    if (r == -EOPNOTSUPP)
        return call_bad_request(call, "certificate", "a key on P-256");
    return r < 0 ? r
                 : call_put(call->out, "sealed",
                            json_stringn((const char *)sealed.bytes, sealed.size));
}

int call_volume_recovery(struct kbs_call *call)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct store_tenant owner = {0};
    const char *tenant = "", *name = "", *volume = "";
    EVP_PKEY *key = NULL;
    int r = call_name(call, "tenant", &tenant);
    if (r == 0)
        r = call_owner(call, tenant, &owner);
    if (r == 0)
        r = call_policy_name(call, "policy", &name);
    if (r == 0)
        r = call_name(call, "volume", &volume);
    if (r == 0)
        r = call_policy_load(call, tenant, name, NULL, &policy);
    if (r == 0)
        r = recovery_allowed(call, tenant, name, policy, &owner);
    const struct policy_volume *found = r == 0 ? policy_volume_find(policy, volume) : NULL;
    if (r == 0 && (!found || found->import.policy))
        r = call_refuse(call, REFUSAL_VOLUME, "volumes", NULL, volume);
    if (r == 0)
        r = owners_key(call, &owner, &key);
    if (r == 0)
        r = volume_recovery(call, tenant, name, volume, key);
    EVP_PKEY_free(key);
    return r < 0 ? r : kbs_audit(call->kbs, "recovery key of a volume given", tenant, name, volume);
}
