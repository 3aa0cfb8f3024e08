/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/snp/verify.h"

#include "base/reader.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>

#define EXTENSIONS "1.3.6.1.4.1.3704.1."
#define TURIN_HARDWARE_ID_SIZE 8

/* ARK-Milan, ARK-Genoa and ARK-Turin, as AMD's key distribution service serves them. */
const struct snp_roots snp_amd_roots = {{
    [SNP_MILAN] = {0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5,
                   0xff, 0xa8, 0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b,
                   0xed, 0x8d, 0x6f, 0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9},
    [SNP_GENOA] = {0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d,
                   0xb5, 0xfc, 0xda, 0x9c, 0x64, 0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a,
                   0x9c, 0xeb, 0xd6, 0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31},
    [SNP_TURIN] = {0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56,
                   0xf9, 0x24, 0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03,
                   0xf5, 0x3f, 0x90, 0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08},
}};

static const struct {
    const char *code, *message;
} faults[] = {
#define SNP_FAULT_ROW(id, code, message) [SNP_FAULT_##id] = {code, message},
    SNP_FAULTS(SNP_FAULT_ROW)
#undef SNP_FAULT_ROW
};

const char *snp_fault_code(enum snp_fault fault)
{
    return fault > SNP_FAULT_NONE && fault < SNP_FAULT_COUNT ? faults[fault].code : "NONE";
}

const char *snp_fault_message(enum snp_fault fault)
{
    return fault > SNP_FAULT_NONE && fault < SNP_FAULT_COUNT ? faults[fault].message : "";
}

/* A certificate's path: the leaf that signs reports, who signed it, the root. */
struct path {
    X509 *leaf, *authority, *root;
};

static X509 *named_find(const struct snp_certificates *all, const char *name, X509 *below)
{
    for (int i = 0; i < all->count; i++)
        if (x509_named(all->certificate[i], name) == 0 &&
            (!below || x509_issued(below, all->certificate[i]) == 0))
            return all->certificate[i];
    return NULL;
}

/* Does this leaf lead to the root of `product`? The names tell the product, the key hash decides. */
static bool path_find(const struct snp_certificates *all, const struct snp_roots *roots, X509 *leaf,
                      enum snp_key key, enum snp_product product, struct path *ret_path)
{
    char authority[32], root[32];
    uint8_t hash[SHA256_SIZE];
    struct path path = {.leaf = leaf};
    snprintf(authority, sizeof authority, "SEV-%s%s", key == SNP_VLEK ? "VLEK-" : "",
             snp_product_name(product));
    snprintf(root, sizeof root, "ARK-%s", snp_product_name(product));
    path.authority = named_find(all, authority, leaf);
    path.root = path.authority ? named_find(all, root, path.authority) : NULL;
    if (!path.root || x509_issued(path.root, path.root) < 0 || x509_key_hash(path.root, hash) < 0 ||
        memcmp(hash, roots->key_hash[product], sizeof hash) != 0)
        return false;
    *ret_path = path;
    return true;
}

/* The endorsement certificate of this report among those given. More than one may have the right
 * name (a cache of many chips): the one whose key signed the report is it. */
static bool is_signed_by(const struct snp_report *report, X509 *certificate)
{
    unsigned char *der = NULL;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(report->r, sizeof report->r, NULL);
    BIGNUM *s = BN_bin2bn(report->s, sizeof report->s, NULL);
    bool good = false;
    if (signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL;
        int size = i2d_ECDSA_SIG(signature, &der);
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        EVP_PKEY *key = X509_get0_pubkey(certificate);
        char group[32] = "";
        good = size > 0 && md && key &&
               EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
               strcmp(group, "secp384r1") == 0 &&
               EVP_DigestVerifyInit(md, NULL, EVP_sha384(), NULL, key) == 1 &&
               EVP_DigestVerify(md, der, (size_t)size, report->signed_part.bytes,
                                report->signed_part.size) == 1;
        EVP_MD_CTX_free(md);
    }
    BN_free(r);
    BN_free(s);
    OPENSSL_free(der);
    ECDSA_SIG_free(signature);
    ERR_clear_error();
    return good;
}

static enum snp_fault leaf_find(const struct snp_report *report, const struct snp_certificates *all,
                                X509 **ret_leaf)
{
    const char *name = report->signing_key == SNP_VLEK ? "SEV-VLEK" : "SEV-VCEK";
    enum snp_fault fault = SNP_FAULT_NO_VEK;
    for (int i = 0; i < all->count; i++) {
        if (x509_named(all->certificate[i], name) < 0)
            continue;
        fault = SNP_FAULT_REPORT_SIGNATURE;
        if (!is_signed_by(report, all->certificate[i]))
            continue;
        *ret_leaf = all->certificate[i];
        return SNP_FAULT_NONE;
    }
    return fault;
}

static enum snp_fault path_judge(const struct path *path, const struct snp_certificates *all,
                                 int64_t at_s, bool *ret_crl_checked)
{
    X509 *const certificates[] = {path->leaf, path->authority, path->root};
    for (size_t i = 0; i < ARRAY_COUNT(certificates); i++) {
        int r = x509_valid_at(certificates[i], at_s);
        if (r != 0)
            return r == -EAGAIN ? SNP_FAULT_VEK_NOT_YET_VALID : SNP_FAULT_VEK_EXPIRED;
    }
    for (int i = 0; i < all->crl_count; i++) {
        int r = x509_not_revoked(path->authority, all->crl[i]);
        if (r == -EINVAL)
            continue; /* another product's root */
        if (x509_crl_issued(all->crl[i], path->root) < 0 ||
            x509_crl_valid_at(all->crl[i], at_s) < 0)
            return SNP_FAULT_CRL;
        *ret_crl_checked = true;
        if (r < 0)
            return SNP_FAULT_VEK_REVOKED;
    }
    return SNP_FAULT_NONE;
}

/* A DER integer of one byte's value. */
static bool spl_read(X509 *leaf, const char *oid, uint8_t *ret_svn)
{
    struct slice value;
    if (x509_extension(leaf, oid, &value) < 0)
        return false;
    struct reader rd = reader_over(value);
    bool integer = reader_u8(&rd) == 0x02;
    size_t size = reader_u8(&rd);
    if (size == 2 && reader_u8(&rd) != 0)
        return false;
    *ret_svn = reader_u8(&rd);
    return integer && (size == 1 || size == 2) && (size == 2) == (*ret_svn >= 0x80) &&
           reader_finished(&rd);
}

static bool tcb_read(X509 *leaf, enum snp_product product, struct snp_tcb *ret_tcb)
{
    return spl_read(leaf, EXTENSIONS "3.1", &ret_tcb->boot_loader) &&
           spl_read(leaf, EXTENSIONS "3.2", &ret_tcb->tee) &&
           spl_read(leaf, EXTENSIONS "3.3", &ret_tcb->snp) &&
           spl_read(leaf, EXTENSIONS "3.8", &ret_tcb->microcode) &&
           (product != SNP_TURIN || spl_read(leaf, EXTENSIONS "3.9", &ret_tcb->fmc));
}

/* Raw, or wrapped in an OCTET STRING. */
static bool chip_matches(const struct snp_report *report, X509 *leaf, enum snp_product product)
{
    static const uint8_t zeros[SNP_CHIP_ID_SIZE];
    size_t size = product == SNP_TURIN ? TURIN_HARDWARE_ID_SIZE : SNP_CHIP_ID_SIZE;
    struct slice id;
    bool masked = memcmp(report->chip_id, zeros, sizeof zeros) == 0; /* some operators do */
    if (report->signing_key == SNP_VLEK || masked)
        return true; /* a VLEK is a provider's, not a chip's */
    if (x509_extension(leaf, EXTENSIONS "4", &id) < 0)
        return false;
    if (id.size == size + 2 && id.bytes[0] == 0x04 && id.bytes[1] == size)
        id = slice_of(id.bytes + 2, size);
    return slice_equals(id, slice_of(report->chip_id, size)) &&
           memcmp(report->chip_id + size, zeros, sizeof zeros - size) == 0;
}

static enum snp_fault tcb_judge(const struct snp_report *report, X509 *leaf,
                                struct snp_verdict *verdict)
{
    struct snp_tcb certified = {0};
    struct snp_tcb current = snp_tcb_of(verdict->product, report->tcb_current);
    struct snp_tcb committed = snp_tcb_of(verdict->product, report->tcb_committed);
    verdict->reported = snp_tcb_of(verdict->product, report->tcb_reported);
    if (!tcb_read(leaf, verdict->product, &certified))
        return SNP_FAULT_VEK_EXTENSION;
    if (!snp_tcb_reaches(certified, verdict->reported) ||
        !snp_tcb_reaches(verdict->reported, certified))
        return SNP_FAULT_TCB_MISMATCH;
    if (!snp_tcb_reaches(current, committed) || !snp_tcb_reaches(current, verdict->reported))
        return SNP_FAULT_TCB_ORDER;
    return SNP_FAULT_NONE;
}

static enum snp_fault verify(const struct snp_report *report, const struct snp_certificates *all,
                             const struct snp_roots *roots, int64_t at_s,
                             struct snp_verdict *verdict)
{
    struct path path = {0};
    X509 *leaf = NULL;
    enum snp_fault fault = leaf_find(report, all, &leaf);
    if (fault)
        return fault;
    for (int p = SNP_MILAN; p < SNP_PRODUCT_COUNT && !path.root; p++)
        if (path_find(all, roots, leaf, report->signing_key, (enum snp_product)p, &path))
            verdict->product = (enum snp_product)p;
    if (!path.root)
        return SNP_FAULT_VEK_CHAIN;
    fault = path_judge(&path, all, at_s, &verdict->crl_checked);
    if (fault)
        return fault;
    /* Version 2 does not name the product: the certificate, which is genuine, does. */
    if (report->version > 2 && report->product != verdict->product)
        return SNP_FAULT_PRODUCT_MISMATCH;
    fault = tcb_judge(report, leaf, verdict);
    if (fault)
        return fault;
    return chip_matches(report, leaf, verdict->product) ? SNP_FAULT_NONE : SNP_FAULT_CHIP_MISMATCH;
}

int snp_verify(const struct snp_report *report, const struct snp_certificates *all,
               const struct snp_roots *roots, int64_t at_s, struct snp_verdict *ret_verdict)
{
    *ret_verdict = (struct snp_verdict){
        .debug = report->policy & SNP_POLICY_DEBUG,
        .migration = report->policy & SNP_POLICY_MIGRATE,
    };
    ret_verdict->fault = verify(report, all, roots, at_s, ret_verdict);
    return ret_verdict->fault ? -EACCES : 0;
}
