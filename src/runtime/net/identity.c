/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/identity.h"

#include "crypto/crypto.h"
#include "crypto/provider.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

enum { SERIAL_SIZE = 16, LIFE_S = 30 * 86400, SKEW_S = 3600 };

static void x509p_free(X509 **certificate)
{
    X509_free(*certificate);
}

static void biop_free(BIO **bio)
{
    BIO_free(*bio);
}

static bool extension_add(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool serial_set(X509 *certificate)
{
    uint8_t serial[SERIAL_SIZE];
    if (crypto_random(serial, sizeof serial) < 0)
        return false;
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and of a fixed length */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return set;
}

static bool certificate_fill(X509 *certificate, EVP_PKEY *key, int64_t now_s)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    time_t from = (time_t)(now_s - SKEW_S), until = (time_t)(now_s + LIFE_S);
    return X509_set_version(certificate, 2) == 1 && serial_set(certificate) &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), from) &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), until) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"localhost", -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           extension_add(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
           extension_add(certificate, NID_subject_key_identifier, "hash") &&
           extension_add(certificate, NID_subject_alt_name,
                         "DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:::1") &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool bio_take(BIO *bio, struct buf *out)
{
    char *bytes;
    long size = BIO_get_mem_data(bio, &bytes);
    bool taken = size > 0 && buf_append(out, bytes, (size_t)size) == 0;
    OPENSSL_cleanse(bytes, (size_t)MAX(size, 0L));
    return taken;
}

int identity_make(int64_t now_s, struct buf *certificate_pem, struct buf *key_pem, struct error *e)
{
    struct p256_key *pair = NULL;
    int r = crypto_start();
    if (r == 0)
        r = p256_generate(&pair);
    EVP_PKEY *key = r == 0 ? p256_pkey(pair) : NULL;
    SCOPED(x509p_free) X509 *certificate = X509_new();
    SCOPED(biop_free) BIO *certificate_bio = BIO_new(BIO_s_mem());
    SCOPED(biop_free) BIO *key_bio = BIO_new(BIO_s_mem());
    bool made = key && certificate && certificate_bio && key_bio &&
                certificate_fill(certificate, key, now_s) &&
                PEM_write_bio_X509(certificate_bio, certificate) == 1 &&
                PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                bio_take(certificate_bio, certificate_pem) && bio_take(key_bio, key_pem);
    p256_free(pair);
    return made ? 0 : error_set(e, -EIO, "a certificate for localhost cannot be made");
}
