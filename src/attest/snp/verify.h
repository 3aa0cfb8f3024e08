/* SPDX-License-Identifier: Apache-2.0 */
/* attest/snp/verify.h: is this SEV-SNP report genuine? What it measures and which versions are new
 * enough is a policy's question; debug and migration are reported, not judged. Does no I/O and reads
 * no clock. Safe on any thread.
 *
 * Sources: AMD publications 56860 (the report) and 57230 (certificates and their extensions). */
#ifndef COFFER_ATTEST_SNP_VERIFY_H
#define COFFER_ATTEST_SNP_VERIFY_H

#include "attest/snp/report.h"
#include "attest/x509_check.h"

#define SNP_CERTIFICATES_MAX 24
#define SNP_CRLS_MAX 8 /* for VCEK and VLEK of each product */

/* Why a report is refused. M(id, code, message) */
#define SNP_FAULTS(M)                                                                           \
    M(NO_VEK, "NO_VEK", "no endorsement certificate of the kind that signs this report")        \
    M(VEK_CHAIN, "VEK_CHAIN", "the endorsement certificate does not lead to a pinned AMD root") \
    M(VEK_NOT_YET_VALID, "VEK_NOT_YET_VALID", "a certificate is not valid yet")                 \
    M(VEK_EXPIRED, "VEK_EXPIRED", "a certificate has expired")                                  \
    M(VEK_REVOKED, "VEK_REVOKED", "a certificate has been revoked")                             \
    M(CRL, "CRL", "the revocation list is not signed by the root, or not valid now")            \
    M(VEK_EXTENSION, "VEK_EXTENSION", "the endorsement certificate does not describe a chip")   \
    M(REPORT_SIGNATURE, "REPORT_SIGNATURE", "the report is not signed by its endorsement key")  \
    M(PRODUCT_MISMATCH, "PRODUCT_MISMATCH", "report and certificate are of different products") \
    M(TCB_MISMATCH, "TCB_MISMATCH", "report and certificate name different versions")           \
    M(TCB_ORDER, "TCB_ORDER", "the report's versions contradict each other")                    \
    M(CHIP_MISMATCH, "CHIP_MISMATCH", "report and certificate name different chips")
#define SNP_FAULT_ID(id, code, message) SNP_FAULT_##id,
enum snp_fault { SNP_FAULT_NONE, SNP_FAULTS(SNP_FAULT_ID) SNP_FAULT_COUNT };
#undef SNP_FAULT_ID

const char *snp_fault_code(enum snp_fault fault);
const char *snp_fault_message(enum snp_fault fault);

/* Key hashes of the roots, by product; the first entry is unused. */
struct snp_roots {
    uint8_t key_hash[SNP_PRODUCT_COUNT][SHA256_SIZE];
};
extern const struct snp_roots snp_amd_roots;

/* Certificates in any order, as an auxblob or a folder has them: VCEK or VLEK, ASK or ASVK, ARK.
 * Starts as {0}; the caller releases it with _done(). */
struct snp_certificates {
    X509 *certificate[SNP_CERTIFICATES_MAX];
    int count;
    X509_CRL *crl[SNP_CRLS_MAX]; /* of ARKs; may be none */
    int crl_count;
};
/* Adds what `bytes` has: PEM texts, one DER certificate or revocation list, or the certificate table
 * of configfs-tsm's auxblob (publication 56421, section 4.1.8.1). 0, -EBADMSG, -E2BIG. */
must_check int snp_certificates_add(struct snp_certificates *all, struct slice bytes);
/* Adds all of `from` to `to` as well. 0, -E2BIG. */
must_check int snp_certificates_share(const struct snp_certificates *from,
                                      struct snp_certificates *to);
void snp_certificates_done(struct snp_certificates *all);

struct snp_verdict {
    enum snp_fault fault;
    enum snp_product product;
    struct snp_tcb reported;
    bool crl_checked; /* a revocation list of this root was there */
    bool debug, migration;
};

/* Verifies as of `at_s` (Unix time, or X509_ANY_TIME). 0, -EACCES with the fault, -EIO. */
must_check int snp_verify(const struct snp_report *report, const struct snp_certificates *all,
                          const struct snp_roots *roots, int64_t at_s,
                          struct snp_verdict *ret_verdict);

#endif
