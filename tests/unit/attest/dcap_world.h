/* SPDX-License-Identifier: Apache-2.0 */
/* A world of our own that looks like Intel's: root, authorities, platform, collateral and a quote,
 * with one knob for each thing that can be wrong in it. */
#ifndef COFFER_TESTS_ATTEST_DCAP_WORLD_H
#define COFFER_TESTS_ATTEST_DCAP_WORLD_H

#include "attest/dcap/verify.h"
#include "base/buf.h"
#include "base/hex.h"
#include "base/writer.h"
#include "tap.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define WORLD_NOW_S 1770000000 /* 2026-02-02T02:40:00Z */
#define DAY_S 86400
#define WORLD_MODULE_VERSION 1

/* What to do differently; zeros: a platform that is up to date. */
struct knobs {
    bool td, td_1_5;
    const char *platform_status, *qe_status, *module_status; /* NULL: UpToDate */
    const char *now_status; /* of the level that the newer components reach */
    bool revoke_pck, revoke_authority, revoke_signer;
    bool pck_expired, pck_future, authority_expired, signer_expired;
    bool tcb_info_old, tcb_info_future, identity_old, pck_crl_old, root_crl_old, pck_crl_future;
    bool pck_crl_by_stranger, pck_crl_of_root, tcb_info_by_stranger, identity_by_stranger;
    bool authority_by_stranger, pck_by_stranger, root_stranger;
    bool pck_other_name, authority_not_ca, signer_other_name, pck_without_extension;
    bool other_fmspc, other_pce_id, other_tee, identity_other_tee;
    bool qe_debug, qe_other_signer, qe_other_product, qe_old, qe_other_attributes;
    bool qe_report_by_stranger, unbound, quote_by_stranger, binding_tail;
    bool platform_old, pce_old, module_old, module_unknown, module_other_signer, module_attributes;
    bool no_chain, root_forbids_authorities;
    /* What the trust domain or enclave itself says. */
    const uint8_t *report_data; /* 64 bytes; NULL: something */
    bool td_debug, td_sept_ve, enclave_debug;
    uint8_t image; /* fills MRTD; RTMR i is filled with image + 1 + i */
};

struct world {
    struct p256_key *root, *authority, *signer, *platform, *attestation, *stranger;
    X509 *root_cert, *authority_cert, *signer_cert, *platform_cert;
    struct buf tcb_info, identity, signer_chain, authority_chain, pck_crl, root_crl, quote;
    uint8_t root_hash[SHA256_SIZE];
};

static const uint8_t world_fmspc[DCAP_FMSPC_SIZE] = {0, 0, 0, 0, 0, 1};

static ASN1_TIME *asn1_time(int64_t s)
{
    ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)s);
    REQUIRE(time);
    return time;
}

static void extension_add(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    REQUIRE(extension && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

struct cert_terms {
    const char *name, *issuer_name;
    long serial;
    int64_t from_s, to_s;
    bool authority, forbids_authorities;
    struct slice pck; /* the platform's extension; empty: none */
};

static X509 *cert_make(const struct cert_terms *terms, const struct p256_key *key,
                       const struct p256_key *issuer)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_NAME_new(), *signer = X509_NAME_new();
    ASN1_TIME *from = asn1_time(terms->from_s), *to = asn1_time(terms->to_s);
    REQUIRE(cert && subject && signer);
    REQUIRE(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)terms->name,
                                       -1, -1, 0) == 1);
    REQUIRE(X509_NAME_add_entry_by_txt(signer, "CN", MBSTRING_ASC,
                                       (const uint8_t *)terms->issuer_name, -1, -1, 0) == 1);
    REQUIRE(X509_set_version(cert, X509_VERSION_3) && X509_set_subject_name(cert, subject) &&
            X509_set_issuer_name(cert, signer) && X509_set1_notBefore(cert, from) &&
            X509_set1_notAfter(cert, to) && X509_set_pubkey(cert, p256_pkey(key)) &&
            ASN1_INTEGER_set(X509_get_serialNumber(cert), terms->serial));
    extension_add(cert, NID_basic_constraints,
                  !terms->authority            ? "critical,CA:FALSE"
                  : terms->forbids_authorities ? "critical,CA:TRUE,pathlen:0"
                                               : "critical,CA:TRUE");
    extension_add(cert, NID_key_usage,
                  terms->authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    if (terms->pck.size > 0) {
        ASN1_OBJECT *oid = OBJ_txt2obj(DCAP_PCK_OID, 1);
        ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        REQUIRE(oid && value &&
                ASN1_OCTET_STRING_set(value, terms->pck.bytes, (int)terms->pck.size));
        X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value);
        REQUIRE(extension && X509_add_ext(cert, extension, -1) == 1);
        X509_EXTENSION_free(extension);
        ASN1_OCTET_STRING_free(value);
        ASN1_OBJECT_free(oid);
    }
    REQUIRE(X509_sign(cert, p256_pkey(issuer), EVP_sha256()) > 0);
    X509_NAME_free(subject);
    X509_NAME_free(signer);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return cert;
}

static void crl_make(const char *issuer_name, const struct p256_key *issuer, int64_t from_s,
                     int64_t to_s, long revoked, struct buf *out)
{
    X509_CRL *crl = X509_CRL_new();
    X509_NAME *name = X509_NAME_new();
    ASN1_TIME *from = asn1_time(from_s), *to = asn1_time(to_s);
    uint8_t *der = NULL;
    REQUIRE(crl && name &&
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)issuer_name, -1,
                                       -1, 0) == 1);
    REQUIRE(X509_CRL_set_version(crl, X509_CRL_VERSION_2) && X509_CRL_set_issuer_name(crl, name) &&
            X509_CRL_set1_lastUpdate(crl, from) && X509_CRL_set1_nextUpdate(crl, to));
    if (revoked) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        REQUIRE(entry && serial && ASN1_INTEGER_set(serial, revoked) &&
                X509_REVOKED_set_serialNumber(entry, serial) &&
                X509_REVOKED_set_revocationDate(entry, from) && X509_CRL_add0_revoked(crl, entry));
        ASN1_INTEGER_free(serial);
    }
    REQUIRE(X509_CRL_sort(crl) && X509_CRL_sign(crl, p256_pkey(issuer), EVP_sha256()) > 0);
    int size = i2d_X509_CRL(crl, &der);
    REQUIRE(size > 0 && buf_append(out, der, (size_t)size) == 0);
    OPENSSL_free(der);
    X509_CRL_free(crl);
    X509_NAME_free(name);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
}

static void pem_add(struct buf *out, X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    REQUIRE(bio && PEM_write_bio_X509(bio, cert));
    long size = BIO_get_mem_data(bio, &text);
    REQUIRE(size > 0 && buf_append(out, text, (size_t)size) == 0);
    BIO_free(bio);
}

/* One DER element around what `inner` has. */
static void der_wrap(struct buf *out, uint8_t tag, struct slice inner)
{
    REQUIRE(inner.size < 0x10000);
    buf_append_byte(out, tag);
    if (inner.size >= 0x100) {
        buf_append_byte(out, 0x82);
        buf_append_byte(out, (uint8_t)(inner.size >> 8));
    } else if (inner.size >= 0x80) {
        buf_append_byte(out, 0x81);
    }
    buf_append_byte(out, (uint8_t)inner.size);
    buf_append_slice(out, inner);
}

static void pck_member(struct buf *out, unsigned a, unsigned b, uint8_t tag, struct slice value)
{
    static const uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
    struct buf id = {0}, pair = {0};
    buf_append(&id, oid, sizeof oid);
    buf_append_byte(&id, (uint8_t)a);
    if (b)
        buf_append_byte(&id, (uint8_t)b);
    der_wrap(&pair, 0x06, buf_slice(&id));
    der_wrap(&pair, tag, value);
    der_wrap(out, 0x30, buf_slice(&pair));
    buf_done(&id);
    buf_done(&pair);
}

/* A platform whose components all have version 5, and PCE version 10. */
static void pck_extension_make(struct buf *out)
{
    static const uint8_t five[] = {5}, ten[] = {10}, zeros[16];
    struct buf all = {0}, tcb = {0};
    pck_member(&all, 1, 0, 0x04, slice_of(zeros, 16));
    for (unsigned i = 1; i <= DCAP_COMPONENTS; i++)
        pck_member(&tcb, 2, i, 0x02, slice_of(five, 1));
    pck_member(&tcb, 2, 17, 0x02, slice_of(ten, 1));
    pck_member(&tcb, 2, 18, 0x04, slice_of(zeros, 16));
    pck_member(&all, 2, 0, 0x30, buf_slice(&tcb));
    pck_member(&all, 3, 0, 0x04, slice_of(zeros, DCAP_PCE_ID_SIZE));
    pck_member(&all, 4, 0, 0x04, slice_of(world_fmspc, sizeof world_fmspc));
    pck_member(&all, 5, 0, 0x0a, slice_of(zeros, 1));
    der_wrap(out, 0x30, buf_slice(&all));
    buf_done(&all);
    buf_done(&tcb);
}

static void dates_put(struct buf *out, bool old, bool future)
{
    char from[DCAP_TIME_TEXT_SIZE], to[DCAP_TIME_TEXT_SIZE];
    dcap_time_write(WORLD_NOW_S + (future ? 1 : -DAY_S), from);
    dcap_time_write(WORLD_NOW_S + (old ? -1 : DAY_S), to);
    buf_printf(out, "\"issueDate\":\"%s\",\"nextUpdate\":\"%s\",", from, to);
}

static void components_put(struct buf *out, const char *name, int svn)
{
    buf_printf(out, "\"%s\":[", name);
    for (int i = 0; i < DCAP_COMPONENTS; i++)
        buf_printf(out, "%s{\"svn\":%d}", i ? "," : "", svn);
    buf_append_text(out, "],");
}

static void platform_level_put(struct buf *out, const struct knobs *k, int sgx, int tdx, int pce,
                               const char *status)
{
    buf_append_text(out, "{\"tcb\":{");
    components_put(out, "sgxtcbcomponents", sgx);
    if (k->td != k->other_tee)
        components_put(out, "tdxtcbcomponents", tdx);
    buf_printf(out,
               "\"pcesvn\":%d},\"tcbDate\":\"2025-0%d-01T00:00:00Z\",\"tcbStatus\":\"%s\","
               "\"advisoryIDs\":[\"A-%s\"]}",
               pce, tdx % 9 + 1, status, status);
}

static void module_put(struct buf *out, const struct knobs *k, const char *name, const char *levels)
{
    buf_printf(out,
               "{%s%s\"mrsigner\":\"%096d\",\"attributes\":\"%016d\",\"attributesMask\":"
               "\"FFFFFFFFFFFFFFFF\"%s}",
               name, *name ? "," : "", k->module_other_signer ? 1 : 0, 0, levels);
}

static const char *or_good(const char *status)
{
    return status ? status : "UpToDate";
}

static void tcb_info_put(struct buf *out, const struct knobs *k)
{
    char fmspc[2 * DCAP_FMSPC_SIZE + 1], levels[256];
    hex_encode(slice_of(world_fmspc, sizeof world_fmspc), fmspc);
    if (k->other_fmspc)
        fmspc[0] = 'A';
    bool td = k->td != k->other_tee;
    buf_printf(out, "{\"id\":\"%s\",\"version\":3,", td ? "TDX" : "SGX");
    dates_put(out, k->tcb_info_old, k->tcb_info_future);
    buf_printf(out,
               "\"fmspc\":\"%s\",\"pceId\":\"%s\",\"tcbType\":0,"
               "\"tcbEvaluationDataNumber\":18,",
               fmspc, k->other_pce_id ? "0100" : "0000");
    if (td) {
        snprintf(levels, sizeof levels,
                 ",\"tcbLevels\":[{\"tcb\":{\"isvsvn\":%d},\"tcbDate\":\"2025-06-01T00:00:00Z\","
                 "\"tcbStatus\":\"%s\",\"advisoryIDs\":[\"A-module\"]}]",
                 k->module_old ? 4 : 3, or_good(k->module_status));
        buf_append_text(out, "\"tdxModule\":");
        module_put(out, k, "", "");
        buf_append_text(out, ",\"tdxModuleIdentities\":[");
        module_put(out, k, k->module_unknown ? "\"id\":\"TDX_02\"" : "\"id\":\"TDX_01\"", levels);
        buf_append_text(out, "],");
    }
    buf_append_text(out, "\"tcbLevels\":[");
    if (k->now_status) {
        platform_level_put(out, k, 5, 7, 10, k->now_status);
        buf_append_byte(out, ',');
    }
    platform_level_put(out, k, k->platform_old ? 6 : 5, 3, k->pce_old ? 11 : 10,
                       or_good(k->platform_status));
    buf_append_text(out, "]}");
}

static void identity_put(struct buf *out, const struct knobs *k)
{
    bool td = k->td != k->identity_other_tee;
    buf_printf(out, "{\"id\":\"%s\",\"version\":2,", td ? "TD_QE" : "QE");
    dates_put(out, k->identity_old, false);
    buf_printf(out,
               "\"tcbEvaluationDataNumber\":18,\"miscselect\":\"00000000\",\"miscselectMask\":"
               "\"FFFFFFFF\",\"attributes\":\"%s\",\"attributesMask\":"
               "\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":\"%064d\",\"isvprodid\":%d,"
               "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":%d},\"tcbDate\":\"2025-05-01T00:00:00Z\","
               "\"tcbStatus\":\"%s\"}]}",
               k->qe_debug ? "12000000000000000000000000000000"
                           : "11000000000000000000000000000000",
               k->qe_other_signer ? 1 : 0, k->qe_other_product ? 3 : 2, k->qe_old ? 9 : 8,
               or_good(k->qe_status));
}

static void document_sign(struct buf *out, const char *name, const struct buf *object,
                          const struct p256_key *key)
{
    uint8_t signature[P256_SIGNATURE_SIZE];
    char hex[2 * P256_SIGNATURE_SIZE + 1];
    REQUIRE(!object->failed && p256_sign(key, buf_slice(object), signature) == 0);
    hex_encode(slice_of(signature, sizeof signature), hex);
    buf_printf(out, "{\"%s\":", name);
    buf_append_slice(out, buf_slice(object));
    buf_printf(out, ",\"signature\":\"%s\"}", hex);
}

static void number_put(struct buf *out, uint64_t n, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buf_append_byte(out, (uint8_t)(n >> 8 * i));
}

static void zeros_put(struct buf *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buf_append_byte(out, 0);
}

static void enclave_put(struct buf *out, uint8_t flags, unsigned product, unsigned svn,
                        const uint8_t data[64])
{
    zeros_put(out, 48);
    buf_append_byte(out, flags);
    zeros_put(out, 15 + 32 + 32 + 32 + 96);
    number_put(out, product, 2);
    number_put(out, svn, 2);
    zeros_put(out, 60);
    buf_append(out, data, 64);
}

static void fill_put(struct buf *out, uint8_t byte, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buf_append_byte(out, byte);
}

static void td_put(struct buf *out, const struct knobs *k)
{
    buf_append_byte(out, 3); /* the module's own version; its kind; then the components */
    buf_append_byte(out, WORLD_MODULE_VERSION);
    for (int i = 2; i < 16; i++)
        buf_append_byte(out, 3);
    zeros_put(out, 48 + 48);
    number_put(out, k->module_attributes ? 1 : 0, 8);
    number_put(out, (k->td_debug ? 1 : 0) | (k->td_sept_ve ? 0 : 1u << 28), 8);
    zeros_put(out, 8);
    fill_put(out, k->image, 48);
    zeros_put(out, 3 * 48);
    for (int i = 0; i < 4; i++)
        fill_put(out, k->image ? (uint8_t)(k->image + 1 + i) : 0, 48);
    if (k->report_data)
        buf_append(out, k->report_data, 64);
    else
        zeros_put(out, 64);
    if (!k->td_1_5)
        return;
    buf_append_byte(out, 3);
    buf_append_byte(out, WORLD_MODULE_VERSION);
    for (int i = 2; i < 16; i++)
        buf_append_byte(out, 7);
    zeros_put(out, 48);
}

static void certification_put(struct buf *out, const struct world *w, const struct knobs *k)
{
    static const uint8_t authentication[32] = {1, 2, 3};
    uint8_t data[64] = {0}, point[P256_PUBLIC_SIZE], signature[P256_SIGNATURE_SIZE];
    struct buf report = {0}, chain = {0};
    REQUIRE(p256_public(w->attestation, point) == 0);
    const struct slice parts[] = {slice_of(point + 1, 64),
                                  slice_of(authentication, sizeof authentication)};
    REQUIRE(sha256_parts(parts, 2, data) == 0);
    data[0] ^= k->unbound;
    data[63] ^= k->binding_tail;
    enclave_put(&report, k->qe_debug ? 0x12 : k->qe_other_attributes ? 0x31 : 0x11, 2, 8, data);
    REQUIRE(p256_sign(k->qe_report_by_stranger ? w->stranger : w->platform, buf_slice(&report),
                      signature) == 0);
    buf_append_slice(out, buf_slice(&report));
    buf_append(out, signature, sizeof signature);
    number_put(out, sizeof authentication, 2);
    buf_append(out, authentication, sizeof authentication);
    pem_add(&chain, w->platform_cert);
    pem_add(&chain, w->authority_cert);
    pem_add(&chain, w->root_cert);
    number_put(out, k->no_chain ? 3 : 5, 2);
    number_put(out, chain.size, 4);
    buf_append_slice(out, buf_slice(&chain));
    buf_done(&report);
    buf_done(&chain);
}

static void quote_make(struct buf *out, const struct world *w, const struct knobs *k)
{
    static const uint8_t vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                       0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
    static const uint8_t said[64] = {'h', 'i'};
    uint8_t point[P256_PUBLIC_SIZE], signature[P256_SIGNATURE_SIZE];
    struct buf inner = {0}, certification = {0};
    unsigned version = k->td_1_5 ? 5 : k->td ? 4 : 3;
    number_put(out, version, 2);
    number_put(out, 2, 2);
    number_put(out, k->td ? 0x81 : 0, 4);
    zeros_put(out, 4);
    buf_append(out, vendor, sizeof vendor);
    zeros_put(out, 20);
    if (version == 5) {
        number_put(out, 3, 2);
        number_put(out, 648, 4);
    }
    if (k->td)
        td_put(out, k);
    else
        enclave_put(out, k->enclave_debug ? 0x07 : 0x05, 1, 1,
                    k->report_data ? k->report_data : said);
    REQUIRE(!out->failed && p256_public(w->attestation, point) == 0 &&
            p256_sign(k->quote_by_stranger ? w->stranger : w->attestation, buf_slice(out),
                      signature) == 0);
    certification_put(&certification, w, k);
    buf_append(&inner, signature, sizeof signature);
    buf_append(&inner, point + 1, 64);
    if (version > 3) {
        number_put(&inner, 6, 2);
        number_put(&inner, certification.size, 4);
    }
    buf_append_slice(&inner, buf_slice(&certification));
    number_put(out, inner.size, 4);
    buf_append_slice(out, buf_slice(&inner));
    buf_done(&inner);
    buf_done(&certification);
}

#define ROOT_NAME "Intel SGX Root CA"
#define AUTHORITY_NAME "Intel SGX PCK Platform CA"

static void certificates_make(struct world *w, const struct knobs *k)
{
    const int64_t before = WORLD_NOW_S - 100 * DAY_S, after = WORLD_NOW_S + 100 * DAY_S;
    struct buf pck = {0};
    if (!k->pck_without_extension)
        pck_extension_make(&pck);
    const struct cert_terms root = {
        ROOT_NAME, ROOT_NAME, 1, before, after, true, k->root_forbids_authorities, {0}};
    const struct cert_terms authority = {
        AUTHORITY_NAME,       ROOT_NAME, 2,  before, k->authority_expired ? WORLD_NOW_S - 1 : after,
        !k->authority_not_ca, false,     {0}};
    const struct cert_terms signer = {k->signer_other_name ? "Somebody" : "Intel SGX TCB Signing",
                                      ROOT_NAME,
                                      3,
                                      before,
                                      k->signer_expired ? WORLD_NOW_S - 1 : after,
                                      false,
                                      false,
                                      {0}};
    const struct cert_terms platform = {k->pck_other_name ? "Somebody"
                                                          : "Intel SGX PCK Certificate",
                                        AUTHORITY_NAME,
                                        4,
                                        k->pck_future ? WORLD_NOW_S + 1 : before,
                                        k->pck_expired ? WORLD_NOW_S - 1 : after,
                                        false,
                                        false,
                                        buf_slice(&pck)};
    w->root_cert = cert_make(&root, w->root, w->root);
    w->authority_cert =
        cert_make(&authority, w->authority, k->authority_by_stranger ? w->stranger : w->root);
    w->signer_cert = cert_make(&signer, w->signer, w->root);
    w->platform_cert =
        cert_make(&platform, w->platform, k->pck_by_stranger ? w->stranger : w->authority);
    buf_done(&pck);
}

static void files_make(struct world *w, const struct knobs *k)
{
    struct buf object = {0};
    tcb_info_put(&object, k);
    document_sign(&w->tcb_info, "tcbInfo", &object,
                  k->tcb_info_by_stranger ? w->stranger : w->signer);
    buf_clear(&object);
    identity_put(&object, k);
    document_sign(&w->identity, "enclaveIdentity", &object,
                  k->identity_by_stranger ? w->stranger : w->signer);
    buf_done(&object);
    pem_add(&w->signer_chain, w->signer_cert);
    pem_add(&w->signer_chain, w->root_cert);
    pem_add(&w->authority_chain, w->authority_cert);
    pem_add(&w->authority_chain, w->root_cert);
    crl_make(k->pck_crl_of_root ? ROOT_NAME : AUTHORITY_NAME,
             k->pck_crl_by_stranger ? w->stranger : w->authority,
             WORLD_NOW_S + (k->pck_crl_future ? 1 : -DAY_S),
             WORLD_NOW_S + (k->pck_crl_old ? -1 : DAY_S), k->revoke_pck ? 4 : 0, &w->pck_crl);
    crl_make(ROOT_NAME, w->root, WORLD_NOW_S - DAY_S, WORLD_NOW_S + (k->root_crl_old ? -1 : DAY_S),
             k->revoke_authority ? 2
             : k->revoke_signer  ? 3
                                 : 0,
             &w->root_crl);
}

static void world_make(struct world *w, const struct knobs *k)
{
    *w = (struct world){0};
    REQUIRE(p256_generate(&w->root) == 0 && p256_generate(&w->authority) == 0 &&
            p256_generate(&w->signer) == 0 && p256_generate(&w->platform) == 0 &&
            p256_generate(&w->attestation) == 0 && p256_generate(&w->stranger) == 0);
    certificates_make(w, k);
    files_make(w, k);
    quote_make(&w->quote, w, k);
    REQUIRE(x509_key_hash(w->root_cert, w->root_hash) == 0);
    w->root_hash[0] ^= k->root_stranger;
}

static void world_done(struct world *w)
{
    struct p256_key *keys[] = {w->root,     w->authority,   w->signer,
                               w->platform, w->attestation, w->stranger};
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        p256_free(keys[i]);
    X509_free(w->root_cert);
    X509_free(w->authority_cert);
    X509_free(w->signer_cert);
    X509_free(w->platform_cert);
    buf_done(&w->tcb_info);
    buf_done(&w->identity);
    buf_done(&w->signer_chain);
    buf_done(&w->authority_chain);
    buf_done(&w->pck_crl);
    buf_done(&w->root_crl);
    buf_done(&w->quote);
}

#endif
