/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/ca.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CA_DAYS = 3650, SERIAL_SIZE = 16, NAMES_TEXT_SIZE = 4096, HOUR_S = 3600, DAY_S = 86400 };

struct ca {
    struct p256_key *key;
    X509 *certificate;
};

static void x509_freep(X509 **certificate)
{
    X509_free(*certificate);
}

static void bio_freep(BIO **bio)
{
    BIO_free(*bio);
}

static int pem_append(X509 *certificate, struct buf *out)
{
    SCOPED(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (!bio || PEM_write_bio_X509(bio, certificate) != 1)
        return -EIO;
    long size = BIO_get_mem_data(bio, &text);
    return size > 0 ? buf_append(out, text, (size_t)size) : -EIO;
}

static int extension_add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    int ok = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ERR_clear_error();
    return ok ? 0 : -EIO;
}

static int serial_set(X509 *certificate)
{
    uint8_t bytes[SERIAL_SIZE];
    int r = crypto_random(bytes, sizeof bytes);
    if (r < 0)
        return r;
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and always of one length */
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    int ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(certificate));
    BN_free(n);
    return ok ? 0 : -EIO;
}

/* For the usual kinds: X509_set_pubkey() encodes the key and parses it again, which costs more than the
 * signature. */
static int key_copy(X509 *certificate, const X509_PUBKEY *from)
{
    const uint8_t *bytes = NULL;
    const void *value = NULL;
    X509_ALGOR *algorithm = NULL;
    ASN1_OBJECT *kind = NULL;
    int size = 0, type = 0;
    if (X509_PUBKEY_get0_param(&kind, &bytes, &size, &algorithm, from) != 1 || size <= 0)
        return -EIO;
    X509_ALGOR_get0(NULL, &type, &value, algorithm);
    /* Kinds without parameters, or with a curve's name; an RSA key has NULL. */
    ASN1_OBJECT *curve = type == V_ASN1_OBJECT ? OBJ_dup(value) : NULL;
    uint8_t *copy = OPENSSL_memdup(bytes, (size_t)size);
    if ((type != V_ASN1_OBJECT && type != V_ASN1_UNDEF && type != V_ASN1_NULL) || !copy ||
        (type == V_ASN1_OBJECT && !curve) ||
        X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(certificate), OBJ_nid2obj(OBJ_obj2nid(kind)),
                               type, curve, copy, size) != 1) {
        ASN1_OBJECT_free(curve);
        OPENSSL_free(copy);
        return -EIO;
    }
    return 0;
}

/* Whose certificate: `encoded`, where it is at hand, says the same as `key`. */
struct subject_key {
    EVP_PKEY *key;
    const X509_PUBKEY *encoded;
};

/* Version, serial, names, dates and key; the extensions and the signature are still to come. */
static int certificate_begin(X509 *certificate, const char *subject, X509 *issuer,
                             const struct subject_key *key, int64_t now_s, int64_t valid_s)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    time_t from = (time_t)(now_s - HOUR_S), until = (time_t)(now_s + valid_s);
    char common[65];
    snprintf(common, sizeof common, "%.64s", subject);
    int ok =
        X509_set_version(certificate, X509_VERSION_3) == 1 && serial_set(certificate) == 0 &&
        X509_time_adj_ex(X509_getm_notBefore(certificate), 0, 0, &from) &&
        X509_time_adj_ex(X509_getm_notAfter(certificate), 0, 0, &until) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)common, -1, -1, 0) ==
            1 &&
        X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name) == 1 &&
        ((key->encoded && key_copy(certificate, key->encoded) == 0) ||
         X509_set_pubkey(certificate, key->key) == 1);
    return ok ? 0 : -EIO;
}

static int certificate_sign(X509 *certificate, EVP_PKEY *key)
{
    const EVP_MD *digest = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    return X509_sign(certificate, key, digest) > 0 ? 0 : -EIO;
}

/* What every authority of ours has; signs it. */
static int authority_finish(X509 *self, EVP_PKEY *key)
{
    int r = extension_add(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    if (r == 0)
        r = extension_add(self, self, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (r == 0)
        r = extension_add(self, self, NID_subject_key_identifier, "hash");
    return r < 0 ? r : certificate_sign(self, key);
}

int ca_new(const char *domain, int64_t now_s, struct ca **ret_ca)
{
    SCOPED(ca_freep) struct ca *ca = calloc(1, sizeof *ca);
    char subject[65];
    if (!ca)
        return -ENOMEM;
    snprintf(subject, sizeof subject, "Coffer CA %.50s", domain);
    ca->certificate = X509_new();
    int r = ca->certificate ? p256_generate(&ca->key) : -ENOMEM;
    if (r == 0)
        r = certificate_begin(ca->certificate, subject, NULL,
                              &(struct subject_key){.key = p256_pkey(ca->key)}, now_s,
                              (int64_t)CA_DAYS * DAY_S);
    if (r == 0)
        r = authority_finish(ca->certificate, p256_pkey(ca->key));
    if (r == 0)
        *ret_ca = TAKE(ca);
    return r;
}

int ca_load(const struct key256 *scalar, struct slice der, struct ca **ret_ca)
{
    SCOPED(ca_freep) struct ca *ca = calloc(1, sizeof *ca);
    const uint8_t *at = der.bytes;
    if (!ca)
        return -ENOMEM;
    ca->certificate = d2i_X509(NULL, &at, (long)der.size);
    int r = ca->certificate ? p256_from_private(scalar, &ca->key) : -EBADMSG;
    if (r == 0 && X509_check_private_key(ca->certificate, p256_pkey(ca->key)) != 1)
        r = -EBADMSG;
    ERR_clear_error();
    if (r == 0)
        *ret_ca = TAKE(ca);
    return r;
}

int ca_save(const struct ca *ca, struct key256 *ret_scalar, struct buf *ret_der)
{
    uint8_t *der = NULL;
    int size = i2d_X509(ca->certificate, &der);
    int r = size > 0 ? buf_append(ret_der, der, (size_t)size) : -EIO;
    OPENSSL_free(der);
    return r < 0 ? r : p256_private(ca->key, ret_scalar);
}

void ca_free(struct ca *ca)
{
    if (!ca)
        return;
    X509_free(ca->certificate);
    p256_free(ca->key);
    free(ca);
}

void ca_freep(struct ca **ca)
{
    ca_free(*ca);
}

int ca_pem(const struct ca *ca, struct buf *out)
{
    return pem_append(ca->certificate, out);
}

/* Names go into a text that OpenSSL parses: nothing but what a DNS name may hold. */
static bool dns_is_plain(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 253 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.*") == len;
}

static int names_text(const struct ca_names *names, char text[NAMES_TEXT_SIZE])
{
    size_t at = 0;
    if (names->count == 0)
        return -EINVAL;
    for (unsigned i = 0; i < names->count; i++) {
        if (!dns_is_plain(names->names[i]))
            return -EINVAL;
        int n =
            snprintf(text + at, NAMES_TEXT_SIZE - at, "%sDNS:%s", i ? "," : "", names->names[i]);
        if (n < 0 || (size_t)n >= NAMES_TEXT_SIZE - at)
            return -EINVAL;
        at += (size_t)n;
    }
    if (!names->uri)
        return 0;
    size_t len = strlen(names->uri);
    if (strspn(names->uri, "abcdefghijklmnopqrstuvwxyz0123456789-./:") != len)
        return -EINVAL;
    int n = snprintf(text + at, NAMES_TEXT_SIZE - at, ",URI:%s", names->uri);
    return n < 0 || (size_t)n >= NAMES_TEXT_SIZE - at ? -EINVAL : 0;
}

static bool key_is_strong(const EVP_PKEY *key)
{
    int kind = EVP_PKEY_get_base_id(key), bits = EVP_PKEY_get_bits(key);
    return (kind == EVP_PKEY_EC && bits >= 256) || (kind == EVP_PKEY_RSA && bits >= 2048) ||
           kind == EVP_PKEY_ED25519;
}

int ca_pem_new(EVP_PKEY *key, const char *subject, int64_t now_s, unsigned days,
               struct buf *ret_pem)
{
    SCOPED(x509_freep) X509 *certificate = X509_new();
    const struct subject_key self = {.key = key};
    int r = certificate
                ? certificate_begin(certificate, subject, NULL, &self, now_s, (int64_t)days * DAY_S)
                : -ENOMEM;
    if (r == 0)
        r = authority_finish(certificate, key);
    return r < 0 ? r : pem_append(certificate, ret_pem);
}

static int issue(EVP_PKEY *issuer_key, X509 *issuer, const struct subject_key *key,
                 const struct ca_names *names, int64_t now_s, unsigned days, struct buf *ret_pem)
{
    SCOPED(x509_freep) X509 *certificate = X509_new();
    char text[NAMES_TEXT_SIZE];
    int r = names_text(names, text);
    if (r == 0 && !key_is_strong(key->key))
        r = -EOPNOTSUPP;
    if (r == 0)
        r = certificate ? certificate_begin(certificate, names->names[0], issuer, key, now_s,
                                            (int64_t)days * DAY_S)
                        : -ENOMEM;
    if (r == 0)
        r = extension_add(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
    if (r == 0)
        r = extension_add(certificate, issuer, NID_key_usage, "critical,digitalSignature");
    if (r == 0)
        r = extension_add(certificate, issuer, NID_ext_key_usage,
                          names->client ? "serverAuth,clientAuth" : "serverAuth");
    if (r == 0)
        r = extension_add(certificate, issuer, NID_subject_alt_name, text);
    if (r == 0)
        r = extension_add(certificate, issuer, NID_authority_key_identifier, "keyid");
    if (r == 0)
        r = certificate_sign(certificate, issuer_key);
    return r < 0 ? r : pem_append(certificate, ret_pem);
}

int ca_pem_issue(EVP_PKEY *issuer_key, X509 *issuer, EVP_PKEY *key, const struct ca_names *names,
                 int64_t now_s, unsigned days, struct buf *ret_pem)
{
    return issue(issuer_key, issuer, &(struct subject_key){.key = key}, names, now_s, days,
                 ret_pem);
}

int ca_issue_key(const struct ca *ca, EVP_PKEY *key, const struct ca_names *names, int64_t now_s,
                 unsigned days, struct buf *ret_pem)
{
    return ca_pem_issue(p256_pkey(ca->key), ca->certificate, key, names, now_s, days, ret_pem);
}

int ca_issue_csr(const struct ca *ca, struct slice csr_pem, const struct ca_names *names,
                 int64_t now_s, unsigned days, struct buf *ret_pem)
{
    SCOPED(bio_freep)
    BIO *bio = BIO_new_mem_buf(csr_pem.bytes, (int)MIN(csr_pem.size, 16384u));
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    struct subject_key key = {.key = request ? X509_REQ_get0_pubkey(request) : NULL};
    int r = key.key && X509_REQ_verify(request, key.key) == 1 ? 0 : -EBADMSG;
    ERR_clear_error();
    if (r == 0)
        key.encoded = X509_REQ_get_X509_PUBKEY(request);
    if (r == 0)
        r = issue(p256_pkey(ca->key), ca->certificate, &key, names, now_s, days, ret_pem);
    X509_REQ_free(request);
    return r;
}
