/* SPDX-License-Identifier: Apache-2.0 */
/* What brings the state back elsewhere: backups, which an operator may take and nobody but the root key
 * opens; and shares of that key, each for one holder whom the manifest names. */
#include "kbs/call.h"
#include "kbs/recovery.h"

#include "base/hex.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

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

static int holder_read(struct kbs_call *call, const char *pem, unsigned i, EVP_PKEY **ret)
{
    const struct who_digests *holders = &call->kbs->manifest->holders;
    uint8_t hash[SHA256_SIZE];
    char seen[2 * SHA256_SIZE + 1];
    BIO *bio = pem && strlen(pem) <= PEM_MAX ? BIO_new_mem_buf(pem, -1) : NULL;
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    int r = certificate ? ratls_key_hash(certificate, hash) : -EBADMSG;
    *ret = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
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
