/* SPDX-License-Identifier: Apache-2.0 */
/* A throw-away authority for tests: self-signed P-256 certificates as PEM. */
#ifndef COFFER_TESTS_NET_PKI_H
#define COFFER_TESTS_NET_PKI_H

#include "base/slice.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

struct pki {
    X509 *certificate;
    EVP_PKEY *key;
    struct slice certificate_pem; /* allocated */
    struct slice key_pem;
};

static struct slice pki_take(BIO *bio)
{
    char *bytes;
    long size = BIO_get_mem_data(bio, &bytes);
    char *copy = malloc((size_t)size);
    REQUIRE(copy && size > 0);
    memcpy(copy, bytes, (size_t)size);
    BIO_free(bio);
    return slice_of(copy, (size_t)size);
}

/* `alternative` is a subjectAltName as in "DNS:localhost". */
static struct pki pki_new(const char *alternative)
{
    struct pki pki = {.certificate = X509_new(), .key = EVP_EC_gen("P-256")};
    REQUIRE(pki.certificate && pki.key);
    X509_set_version(pki.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(pki.certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(pki.certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(pki.certificate), 86400);
    X509_set_pubkey(pki.certificate, pki.key);
    X509_NAME *name = X509_get_subject_name(pki.certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"test", -1, -1, 0);
    X509_set_issuer_name(pki.certificate, name);
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    REQUIRE(san && X509_add_ext(pki.certificate, san, -1) == 1);
    X509_EXTENSION_free(san);
    REQUIRE(X509_sign(pki.certificate, pki.key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    REQUIRE(PEM_write_bio_X509(bio, pki.certificate) == 1);
    pki.certificate_pem = pki_take(bio);
    bio = BIO_new(BIO_s_mem());
    REQUIRE(PEM_write_bio_PrivateKey(bio, pki.key, NULL, NULL, 0, NULL, NULL) == 1);
    pki.key_pem = pki_take(bio);
    return pki;
}

static inline void pki_done(struct pki *pki)
{
    X509_free(pki->certificate);
    EVP_PKEY_free(pki->key);
    free((void *)(uintptr_t)pki->certificate_pem.bytes);
    free((void *)(uintptr_t)pki->key_pem.bytes);
}

#endif
