/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/pair.h"

#include "attest/json_memory.h"
#include "base/hex.h"
#include "crypto/base64.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define KEY_LABEL "coffer pair key"
enum { SEALED_SIZE = AEAD_NONCE_SIZE + KEY256_SIZE + AEAD_TAG_SIZE };

void pair_done(struct pair *pair)
{
    secret_wipe(pair, sizeof *pair);
}

static int point_of(EVP_PKEY *key, uint8_t ret_point[P256_PUBLIC_SIZE])
{
    size_t size = 0;
    char group[40] = "";
    int ok = key && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
             strcmp(group, "prime256v1") == 0 &&
             EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, ret_point,
                                             P256_PUBLIC_SIZE, &size) == 1 &&
             size == P256_PUBLIC_SIZE;
    ERR_clear_error();
    return ok ? 0 : -EOPNOTSUPP;
}

static int agree(EVP_PKEY *ours, EVP_PKEY *theirs, struct slice info, struct key256 *ret_key)
{
    uint8_t shared[KEY256_SIZE];
    size_t size = sizeof shared;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ours, NULL);
    int ok = ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
             EVP_PKEY_derive(ctx, shared, &size) == 1 && size == sizeof shared;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    int r =
        ok ? hkdf_sha256(slice_of(shared, sizeof shared), (struct slice){0}, info, ret_key) : -EIO;
    secret_wipe(shared, sizeof shared);
    return r;
}

int pair_begin(struct pair *pair, const struct p256_key *ours, X509 *theirs,
               const uint8_t server_certificate[SHA256_SIZE], bool client)
{
    static const char label[] = "coffer pair 2";
    uint8_t info[sizeof label - 1 + 2 * P256_PUBLIC_SIZE + SHA256_SIZE];
    uint8_t *first = info + sizeof label - 1, *second = first + P256_PUBLIC_SIZE;
    EVP_PKEY *other = theirs ? X509_get0_pubkey(theirs) : NULL;
    if (pair->known)
        return 0;
    if (!ours || !other)
        return -EIO;
    memcpy(info, label, sizeof label - 1);
    memcpy(second + P256_PUBLIC_SIZE, server_certificate, SHA256_SIZE);
    int r = p256_public(ours, client ? first : second);
    if (r == 0)
        r = point_of(other, client ? second : first);
    if (r == 0)
        r = agree(p256_pkey(ours), other, slice_of(info, sizeof info), &pair->key);
    pair->known = r == 0;
    return r;
}

/* Over the object as it is but for `mac`. */
static int mac_of(const struct pair *pair, const char *kind, const char *path,
                  const char *request_mac, const json_t *object, char ret_hex[2 * SHA256_SIZE + 1])
{
    static const uint8_t zero[1];
    const struct slice end = {zero, sizeof zero};
    uint8_t mac[SHA256_SIZE];
    json_t *rest = pair->known ? json_copy((json_t *)(uintptr_t)object) : NULL;
    if (!rest)
        return pair->known ? -ENOMEM : -EINVAL;
    json_object_del(rest, "mac");
    char *text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(rest);
    if (!text)
        return -ENOMEM;
    const struct slice parts[] = {slice_of_text(kind),        end, slice_of_text(path), end,
                                  slice_of_text(request_mac), end, slice_of_text(text)};
    int r = hmac_sha256(slice_of(pair->key.bytes, sizeof pair->key.bytes), parts,
                        ARRAY_COUNT(parts), mac);
    json_memory_free(text);
    if (r == 0)
        hex_encode(slice_of(mac, sizeof mac), ret_hex);
    return r;
}

static int mac_add(const struct pair *pair, const char *kind, const char *path,
                   const char *request_mac, json_t *object)
{
    char hex[2 * SHA256_SIZE + 1];
    int r = mac_of(pair, kind, path, request_mac, object, hex);
    if (r == 0 && json_object_set_new(object, "mac", json_string(hex)) != 0)
        r = -ENOMEM;
    return r;
}

static int mac_check(const struct pair *pair, const char *kind, const char *path,
                     const char *request_mac, const json_t *object)
{
    char hex[2 * SHA256_SIZE + 1];
    const json_t *shown = json_object_get(object, "mac");
    int r = mac_of(pair, kind, path, request_mac, object, hex);
    if (r == -EINVAL || (r == 0 && json_string_length(shown) != sizeof hex - 1))
        return -EKEYREJECTED;
    if (r == 0 && ct_verify(json_string_value(shown), hex, sizeof hex - 1) < 0)
        r = -EKEYREJECTED;
    return r;
}

int pair_request_seal(struct pair *pair, const char *path, json_t *request)
{
    if (!pair->known)
        return -EINVAL;
    pair->count++;
    if (json_object_set_new(request, "n", json_integer((json_int_t)pair->count)) != 0)
        return -ENOMEM;
    return mac_add(pair, "request", path, "", request);
}

int pair_request_open(struct pair *pair, const char *path, const json_t *request)
{
    const json_t *n = json_object_get(request, "n");
    if (!json_is_object(request))
        return -EKEYREJECTED;
    int r = mac_check(pair, "request", path, "", request);
    if (r == 0 && (!json_is_integer(n) || json_integer_value(n) <= 0 ||
                   (uint64_t)json_integer_value(n) <= pair->count))
        r = -EKEYREJECTED;
    if (r == 0)
        pair->count = (uint64_t)json_integer_value(n);
    return r;
}

static const char *mac_text(const json_t *request)
{
    const char *text = json_string_value(json_object_get(request, "mac"));
    return text ? text : "";
}

int pair_answer_seal(const struct pair *pair, const char *path, const json_t *request,
                     json_t *answer)
{
    return mac_add(pair, "answer", path, mac_text(request), answer);
}

int pair_answer_open(const struct pair *pair, const char *path, const json_t *request,
                     const json_t *answer)
{
    return mac_check(pair, "answer", path, mac_text(request), answer);
}

int pair_key_seal(const struct pair *pair, const struct key256 *key, json_t **ret_text)
{
    SCOPED(aead_freep) struct aead *aead = NULL;
    SCOPED(buf_done) struct buf text = {0};
    uint8_t sealed[SEALED_SIZE], *out = sealed + AEAD_NONCE_SIZE;
    int r = pair->known ? aead_new(&pair->key, &aead) : -EINVAL;
    if (r == 0)
        r = crypto_random(sealed, AEAD_NONCE_SIZE);
    if (r == 0)
        r = aead_seal(aead, sealed, slice_of_text(KEY_LABEL), key->bytes, KEY256_SIZE, out,
                      out + KEY256_SIZE);
    if (r == 0)
        r = crypto_base64_encode(slice_of(sealed, sizeof sealed), &text);
    if (r < 0)
        return r;
    *ret_text = json_stringn((const char *)text.bytes, text.size);
    return *ret_text ? 0 : -ENOMEM;
}

int pair_key_open(const struct pair *pair, const json_t *text, struct key256 *ret_key)
{
    SCOPED(aead_freep) struct aead *aead = NULL;
    SCOPED(buf_done) struct buf sealed = {.size_max = 1024};
    const struct slice base64 = slice_of(json_string_value(text), json_string_length(text));
    if (!base64.bytes || crypto_base64_decode(base64, &sealed) < 0 || sealed.size != SEALED_SIZE)
        return -EBADMSG;
    const uint8_t *in = sealed.bytes + AEAD_NONCE_SIZE;
    int r = pair->known ? aead_new(&pair->key, &aead) : -EKEYREJECTED;
    if (r == 0)
        r = aead_open(aead, sealed.bytes, slice_of_text(KEY_LABEL), in, KEY256_SIZE,
                      in + KEY256_SIZE, ret_key->bytes);
    return r == -EBADMSG ? -EKEYREJECTED : r;
}
