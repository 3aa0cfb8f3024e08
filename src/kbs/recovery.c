/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/recovery.h"

#include "base/hex.h"
#include "crypto/base64.h"
#include "crypto/crypto.h"
#include "kbs/shamir.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARE_TAG "coffer-share 1 "
#define SEALED_TAG "coffer-sealed-share 1 "
#define SEALED_KEY_TAG "coffer-sealed-volume-key 1 "
#define BACKUP_MAGIC "CFKB0001"

enum { SET_SIZE = 8, MAGIC_SIZE = 8, NEED_MAX = 16 };

/* ---- sealing to a holder's key: ephemeral ECDH, HKDF, AES-GCM ---- */

static bool is_p256(EVP_PKEY *key)
{
    char group[32] = "";
    return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static int point_of(EVP_PKEY *key, uint8_t ret[P256_PUBLIC_SIZE])
{
    size_t size = 0;
    return EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, ret, P256_PUBLIC_SIZE,
                                           &size) == 1 &&
                   size == P256_PUBLIC_SIZE
               ? 0
               : -EIO;
}

static EVP_PKEY *key_from_point(const uint8_t point[P256_PUBLIC_SIZE])
{
    char group[] = "prime256v1";
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, P256_PUBLIC_SIZE),
        OSSL_PARAM_construct_end()};
    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return key;
}

/* The key both sides come to, bound to the two points. */
static int agree(EVP_PKEY *own, EVP_PKEY *other, const uint8_t ephemeral[P256_PUBLIC_SIZE],
                 const char *info, struct key256 *ret)
{
    uint8_t shared[32];
    size_t size = sizeof shared;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
    int ok = ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, other) == 1 &&
             EVP_PKEY_derive(ctx, shared, &size) == 1 && size == sizeof shared;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    int r = ok ? hkdf_sha256(slice_of(shared, sizeof shared), slice_of(ephemeral, P256_PUBLIC_SIZE),
                             slice_of_text(info), ret)
               : -EBADMSG;
    secret_wipe(shared, sizeof shared);
    return r;
}

/* What is sealed, and by which words it is known: two kinds never pass for each other. */
struct sealed_kind {
    const char *tag, *info;
    size_t size_max;
};

static const struct sealed_kind g_share = {SEALED_TAG, "coffer sealed share",
                                           RECOVERY_SHARE_SIZE_MAX};
static const struct sealed_kind g_volume_key = {SEALED_KEY_TAG, "coffer sealed volume key",
                                                RECOVERY_SEALED_SIZE_MAX};

static int seal(const struct sealed_kind *kind, struct slice text, EVP_PKEY *holder,
                struct buf *ret)
{
    SCOPED(key256_wipe) struct key256 key = {0};
    SCOPED(aead_freep) struct aead *aead = NULL;
    SCOPED(buf_done) struct buf bytes = {0};
    if (!is_p256(holder))
        return -EOPNOTSUPP;
    if (text.size > kind->size_max)
        return -EINVAL;
    size_t size = P256_PUBLIC_SIZE + AEAD_NONCE_SIZE + text.size + AEAD_TAG_SIZE;
    uint8_t *point = buf_reserve(&bytes, size);
    if (!point)
        return -ENOMEM;
    uint8_t *nonce = point + P256_PUBLIC_SIZE, *out = nonce + AEAD_NONCE_SIZE;
    EVP_PKEY *ephemeral = EVP_EC_gen("P-256");
    int r = ephemeral ? point_of(ephemeral, point) : -EIO;
    if (r == 0)
        r = agree(ephemeral, holder, point, kind->info, &key);
    EVP_PKEY_free(ephemeral);
    if (r == 0)
        r = crypto_random(nonce, AEAD_NONCE_SIZE);
    if (r == 0)
        r = aead_new(&key, &aead);
    if (r == 0)
        r = aead_seal(aead, nonce, slice_of(point, P256_PUBLIC_SIZE), text.bytes, text.size, out,
                      out + text.size);
    if (r == 0)
        r = buf_append_text(ret, kind->tag);
    return r < 0 ? r : crypto_base64_encode(slice_of(point, size), ret);
}

static struct slice trimmed(struct slice text)
{
    while (text.size > 0 &&
           (text.bytes[text.size - 1] == '\n' || text.bytes[text.size - 1] == '\r'))
        text.size--;
    return text;
}

static int unseal(const struct sealed_kind *kind, struct slice sealed, EVP_PKEY *holder,
                  struct buf *ret)
{
    SCOPED(buf_done) struct buf bytes = {0};
    SCOPED(key256_wipe) struct key256 key = {0};
    SCOPED(aead_freep) struct aead *aead = NULL;
    const size_t tag = strlen(kind->tag),
                 least = P256_PUBLIC_SIZE + AEAD_NONCE_SIZE + AEAD_TAG_SIZE;
    if (!is_p256(holder))
        return -EOPNOTSUPP;
    sealed = trimmed(sealed);
    if (sealed.size < tag || memcmp(sealed.bytes, kind->tag, tag) != 0 ||
        crypto_base64_decode(slice_of(sealed.bytes + tag, sealed.size - tag), &bytes) < 0 ||
        bytes.size < least || bytes.size > least + kind->size_max)
        return -EBADMSG;
    size_t size = bytes.size - least;
    const uint8_t *nonce = bytes.bytes + P256_PUBLIC_SIZE, *in = nonce + AEAD_NONCE_SIZE;
    EVP_PKEY *ephemeral = key_from_point(bytes.bytes);
    int r = ephemeral ? agree(holder, ephemeral, bytes.bytes, kind->info, &key) : -EBADMSG;
    EVP_PKEY_free(ephemeral);
    if (r == 0)
        r = aead_new(&key, &aead);
    uint8_t *to = r == 0 ? buf_reserve(ret, size + 1) : NULL;
    if (!to)
        return r < 0 ? r : -ENOMEM;
    r = aead_open(aead, nonce, slice_of(bytes.bytes, P256_PUBLIC_SIZE), in, size, in + size, to);
    if (r == 0)
        ret->size += size;
    return r;
}

int recovery_share_open(struct slice sealed, EVP_PKEY *holder, struct buf *ret_share)
{
    return unseal(&g_share, sealed, holder, ret_share);
}

int recovery_volume_key_seal(struct slice text, EVP_PKEY *owner, struct buf *ret_sealed)
{
    return seal(&g_volume_key, text, owner, ret_sealed);
}

int recovery_volume_key_open(struct slice sealed, EVP_PKEY *owner, struct buf *ret_text)
{
    return unseal(&g_volume_key, sealed, owner, ret_text);
}

/* ---- shares ---- */

int recovery_split(const struct key256 *root, unsigned need, EVP_PKEY *const *holders, unsigned of,
                   struct buf *ret_sealed)
{
    struct shamir_share shares[SHAMIR_SHARES_MAX];
    uint8_t random[SHAMIR_SECRET_SIZE * (NEED_MAX - 1)], set[SET_SIZE];
    char set_hex[2 * SET_SIZE + 1], y_hex[2 * SHAMIR_SECRET_SIZE + 1], text[256];
    if (need > NEED_MAX || need < 2)
        return -EINVAL;
    int r = crypto_random(random, sizeof random);
    if (r == 0)
        r = crypto_random(set, sizeof set);
    if (r == 0)
        r = shamir_split(root->bytes, need, of, random, shares);
    hex_encode(slice_of(set, sizeof set), set_hex);
    for (unsigned i = 0; i < of && r == 0; i++) {
        hex_encode(slice_of(shares[i].y, sizeof shares[i].y), y_hex);
        int n =
            snprintf(text, sizeof text, SHARE_TAG "%u %u %s %s", need, shares[i].x, set_hex, y_hex);
        r = seal(&g_share, slice_of(text, (size_t)n), holders[i], &ret_sealed[i]);
    }
    secret_wipe(shares, sizeof shares);
    secret_wipe(random, sizeof random);
    secret_wipe(text, sizeof text);
    secret_wipe(y_hex, sizeof y_hex);
    return r;
}

struct share_text {
    unsigned need, x;
    uint8_t set[SET_SIZE];
    struct shamir_share share;
};

static int share_parse(struct slice text, struct share_text *ret)
{
    char copy[RECOVERY_SHARE_SIZE_MAX], set[2 * SET_SIZE + 1], y[2 * SHAMIR_SECRET_SIZE + 1];
    char need[4] = "", x[4] = "";
    text = trimmed(text);
    if (text.size >= sizeof copy)
        return -EBADMSG;
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = '\0';
    int used = 0;
    int got = sscanf(copy, SHARE_TAG "%3[0-9] %3[0-9] %16s %64s%n", need, x, set, y, &used);
    ret->need = (unsigned)strtoul(need, NULL, 10);
    ret->x = (unsigned)strtoul(x, NULL, 10);
    int r = got == 4 && copy[used] == '\0' && ret->x >= 1 && ret->x <= SHAMIR_SHARES_MAX &&
                    ret->need >= 2 && ret->need <= NEED_MAX &&
                    hex_decode(slice_of_text(set), ret->set, sizeof ret->set) == 0 &&
                    hex_decode(slice_of_text(y), ret->share.y, sizeof ret->share.y) == 0
                ? 0
                : -EBADMSG;
    ret->share.x = (uint8_t)ret->x;
    secret_wipe(copy, sizeof copy);
    secret_wipe(y, sizeof y);
    return r;
}

int recovery_combine(const struct slice *texts, unsigned count, struct key256 *ret_root,
                     struct error *e)
{
    struct shamir_share shares[NEED_MAX];
    struct share_text first = {0}, one;
    int r = count > 0 ? share_parse(texts[0], &first) : -EBADMSG;
    if (r < 0)
        return error_set(e, r, "share 1 is no share of a root key (was it opened by its holder?)");
    if (count < first.need)
        r = error_set(e, -ENODATA, "%u shares are needed, and there are %u", first.need, count);
    for (unsigned i = 0; i < first.need && r == 0; i++) {
        r = share_parse(texts[i], &one);
        if (r < 0 || one.need != first.need || memcmp(one.set, first.set, sizeof one.set) != 0)
            r = error_set(e, -EBADMSG, "share %u is not one of the same splitting as share 1",
                          i + 1);
        else
            shares[i] = one.share;
    }
    if (r == 0 && shamir_combine(shares, first.need, ret_root->bytes) < 0)
        r = error_set(e, -EBADMSG, "one share is there twice");
    secret_wipe(shares, sizeof shares);
    secret_wipe(&first, sizeof first);
    secret_wipe(&one, sizeof one);
    return r;
}

/* ---- backups ---- */

static int backup_key(const struct key256 *root, struct aead **ret)
{
    SCOPED(key256_wipe) struct key256 key = {0};
    int r = hkdf_sha256(slice_of(root->bytes, sizeof root->bytes), (struct slice){0},
                        slice_of_text("coffer key broker backup"), &key);
    return r < 0 ? r : aead_new(&key, ret);
}

int backup_seal(const struct key256 *root, struct slice database, struct buf *ret)
{
    SCOPED(aead_freep) struct aead *aead = NULL;
    uint8_t nonce[AEAD_NONCE_SIZE];
    int r = backup_key(root, &aead);
    if (r == 0)
        r = crypto_random(nonce, sizeof nonce);
    if (r == 0)
        r = buf_append_text(ret, BACKUP_MAGIC);
    if (r == 0)
        r = buf_append(ret, nonce, sizeof nonce);
    uint8_t *to = r == 0 ? buf_reserve(ret, database.size + AEAD_TAG_SIZE) : NULL;
    if (!to)
        return r < 0 ? r : -ENOMEM;
    r = aead_seal(aead, nonce, slice_of_text(BACKUP_MAGIC), database.bytes, database.size, to,
                  to + database.size);
    if (r == 0)
        ret->size += database.size + AEAD_TAG_SIZE;
    return r;
}

int backup_open(const struct key256 *root, struct slice backup, struct buf *ret_database)
{
    SCOPED(aead_freep) struct aead *aead = NULL;
    const size_t around = MAGIC_SIZE + AEAD_NONCE_SIZE + AEAD_TAG_SIZE;
    if (backup.size < around || memcmp(backup.bytes, BACKUP_MAGIC, MAGIC_SIZE) != 0)
        return -EBADMSG;
    size_t size = backup.size - around;
    const uint8_t *nonce = backup.bytes + MAGIC_SIZE, *in = nonce + AEAD_NONCE_SIZE;
    int r = backup_key(root, &aead);
    uint8_t *to = r == 0 ? buf_reserve(ret_database, size + 1) : NULL;
    if (!to)
        return r < 0 ? r : -ENOMEM;
    r = aead_open(aead, nonce, slice_of_text(BACKUP_MAGIC), in, size, in + size, to);
    if (r == 0)
        ret_database->size += size;
    return r == -EBADMSG ? -EKEYREJECTED : r;
}
