/* SPDX-License-Identifier: Apache-2.0 */
/* A world of our own that looks like AMD's: root, authority, chip and a report, with one knob for
 * each thing that can be wrong in it. */
#ifndef COFFER_TESTS_ATTEST_SNP_WORLD_H
#define COFFER_TESTS_ATTEST_SNP_WORLD_H

#include "attest/snp/verify.h"
#include "tap.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#define CHIP 7

struct knobs {
    bool other_chip, other_product, other_tcb, current_below_reported;
    bool debug, migration;
    unsigned vmpl;
    uint8_t image;              /* fills the launch digest */
    const uint8_t *report_data; /* 64 bytes; NULL: zeros */
};

static X509 *cert_make(const char *name, const char *issuer, EVP_PKEY *key, bool authority)
{
    X509 *cert = X509_new();
    REQUIRE(cert && X509_set_version(cert, X509_VERSION_3) && X509_set_pubkey(cert, key));
    REQUIRE(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                       (const uint8_t *)name, -1, -1, 0));
    X509_NAME *from = X509_NAME_new();
    REQUIRE(from && X509_NAME_add_entry_by_txt(from, "CN", MBSTRING_ASC, (const uint8_t *)issuer,
                                               -1, -1, 0));
    REQUIRE(X509_set_issuer_name(cert, from) && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1));
    X509_NAME_free(from);
    REQUIRE(X509_gmtime_adj(X509_getm_notBefore(cert), 0) &&
            X509_gmtime_adj(X509_getm_notAfter(cert), 86400));
    const char *values[] = {authority ? "critical,CA:TRUE" : "critical,CA:FALSE",
                            authority ? "critical,keyCertSign,cRLSign"
                                      : "critical,digitalSignature"};
    const int nids[] = {NID_basic_constraints, NID_key_usage};
    for (int i = 0; i < 2; i++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nids[i], values[i]);
        REQUIRE(extension && X509_add_ext(cert, extension, -1));
        X509_EXTENSION_free(extension);
    }
    return cert;
}

static void extension_add(X509 *cert, const char *oid, const uint8_t *bytes, int size)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    REQUIRE(object && value && ASN1_OCTET_STRING_set(value, bytes, size));
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, value);
    REQUIRE(extension && X509_add_ext(cert, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
}

static void report_make(const struct knobs *k, EVP_PKEY *key, uint8_t report[SNP_REPORT_SIZE])
{
    uint8_t der[160];
    size_t size = sizeof der;
    memset(report, 0, SNP_REPORT_SIZE);
    report[0] = 3;
    report[0x0a] = 2; /* the policy's bit that is always one */
    report[0x0a] |= (uint8_t)((k->debug ? 8 : 0) | (k->migration ? 4 : 0));
    report[0x30] = (uint8_t)k->vmpl;
    memset(report + 0x90, k->image, SNP_MEASUREMENT_SIZE);
    if (k->report_data)
        memcpy(report + 0x50, k->report_data, SNP_REPORT_DATA_SIZE);
    report[0x34] = 1; /* ECDSA P-384 with SHA-384 */
    report[0x38] = k->current_below_reported ? 0 : 9;
    report[0x180] = 1; /* boot loader reported */
    report[0x188] = 0x19;
    report[0x189] = k->other_product ? 0x11 : 0x01;
    memset(report + 0x1a0, CHIP, SNP_CHIP_ID_SIZE);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    REQUIRE(md && EVP_DigestSignInit(md, NULL, EVP_sha384(), NULL, key) == 1 &&
            EVP_DigestSign(md, der, &size, report, SNP_SIGNED_SIZE) == 1);
    EVP_MD_CTX_free(md);
    const uint8_t *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)size);
    REQUIRE(signature && BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), report + 0x2a0, 72) == 72 &&
            BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), report + 0x2e8, 72) == 72);
    ECDSA_SIG_free(signature);
}

struct snp_world {
    EVP_PKEY *ark, *ask, *vcek;
    struct snp_certificates all;
    struct snp_roots roots;
    uint8_t report[SNP_REPORT_SIZE];
};

static void snp_world_make(struct snp_world *w, const struct knobs *k)
{
    static const char *const spls[] = {"1", "2", "3", "8"};
    uint8_t chip[SNP_CHIP_ID_SIZE];
    *w = (struct snp_world){.all.count = 3};
    w->ark = EVP_EC_gen("P-384");
    w->ask = EVP_EC_gen("P-384");
    w->vcek = EVP_EC_gen("P-384");
    REQUIRE(w->ark && w->ask && w->vcek);
    X509 **c = w->all.certificate;
    c[0] = cert_make("ARK-Milan", "ARK-Milan", w->ark, true);
    c[1] = cert_make("SEV-Milan", "ARK-Milan", w->ask, true);
    c[2] = cert_make("SEV-VCEK", "SEV-Milan", w->vcek, false);
    for (size_t i = 0; i < ARRAY_COUNT(spls); i++) {
        char oid[64];
        const uint8_t spl[] = {0x02, 0x01, (uint8_t)((i == 0) + (i == 3 && k->other_tcb))};
        snprintf(oid, sizeof oid, "1.3.6.1.4.1.3704.1.3.%s", spls[i]);
        extension_add(c[2], oid, spl, sizeof spl);
    }
    memset(chip, k->other_chip ? CHIP + 1 : CHIP, sizeof chip);
    extension_add(c[2], "1.3.6.1.4.1.3704.1.4", chip, sizeof chip);
    REQUIRE(X509_sign(c[0], w->ark, EVP_sha384()) > 0 &&
            X509_sign(c[1], w->ark, EVP_sha384()) > 0 && X509_sign(c[2], w->ask, EVP_sha384()) > 0);
    REQUIRE(x509_key_hash(c[0], w->roots.key_hash[SNP_MILAN]) == 0);
    report_make(k, w->vcek, w->report);
}

static void snp_world_done(struct snp_world *w)
{
    snp_certificates_done(&w->all);
    EVP_PKEY_free(w->ark);
    EVP_PKEY_free(w->ask);
    EVP_PKEY_free(w->vcek);
}

#endif
