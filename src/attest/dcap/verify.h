/* SPDX-License-Identifier: Apache-2.0 */
/* attest/dcap/verify.h: is this quote genuine, and how good is the platform that made it? Whether
 * that is good enough, and whether the measurements are the expected ones, are a policy's questions.
 * Does no I/O and reads no clock: the caller brings collateral and the time. Safe on any thread; an
 * opened collateral may be used by several threads at once.
 *
 * The checks and their order: Intel SGX and TDX Provisioning Certification Service API and Intel's
 * quote verification library, step names 4.1.2.x. */
#ifndef COFFER_ATTEST_DCAP_VERIFY_H
#define COFFER_ATTEST_DCAP_VERIFY_H

#include "attest/dcap/tcb.h"
#include "attest/x509_check.h"

/* Why a quote is refused. M(id, code, message) */
#define DCAP_FAULTS(M)                                                                           \
    M(NO_PCK_CHAIN, "NO_PCK_CHAIN", "the quote does not carry its platform's certificates")      \
    M(PCK_CHAIN, "PCK_CHAIN", "the platform's certificates do not lead to the pinned root")      \
    M(PCK_NOT_YET_VALID, "PCK_NOT_YET_VALID", "a platform certificate is not valid yet")         \
    M(PCK_EXPIRED, "PCK_EXPIRED", "a platform certificate has expired")                          \
    M(PCK_REVOKED, "PCK_REVOKED", "a platform certificate has been revoked")                     \
    M(PCK_EXTENSION, "PCK_EXTENSION", "the platform's certificate does not describe a platform") \
    M(QE_SIGNATURE, "QE_SIGNATURE", "the platform did not sign the quoting enclave's report")    \
    M(QE_BINDING, "QE_BINDING", "the quoting enclave's report does not name the signing key")    \
    M(QUOTE_SIGNATURE, "QUOTE_SIGNATURE", "the quote is not signed by its quoting enclave")      \
    M(TCB_INFO_MISMATCH, "TCB_INFO_MISMATCH", "the collateral is of another kind of platform")   \
    M(COLLATERAL_NOT_YET_VALID, "COLLATERAL_NOT_YET_VALID", "the collateral is of the future")   \
    M(COLLATERAL_EXPIRED, "COLLATERAL_EXPIRED", "the collateral is too old")                     \
    M(QE_IDENTITY_MISMATCH, "QE_IDENTITY_MISMATCH", "the quoting enclave is not Intel's")        \
    M(QE_NOT_SUPPORTED, "QE_NOT_SUPPORTED", "no level covers the quoting enclave's version")     \
    M(TDX_MODULE_MISMATCH, "TDX_MODULE_MISMATCH", "the TDX module is not Intel's")               \
    M(TDX_MODULE_NOT_SUPPORTED, "TDX_MODULE_NOT_SUPPORTED", "no level covers the TDX module")    \
    M(TCB_NOT_SUPPORTED, "TCB_NOT_SUPPORTED", "no level covers the platform's versions")
#define DCAP_FAULT_ID(id, code, message) DCAP_FAULT_##id,
enum dcap_fault { DCAP_FAULT_NONE, DCAP_FAULTS(DCAP_FAULT_ID) DCAP_FAULT_COUNT };
#undef DCAP_FAULT_ID

const char *dcap_fault_code(enum dcap_fault fault);
const char *dcap_fault_message(enum dcap_fault fault);

/* SHA-256 of the SubjectPublicKeyInfo of "Intel SGX Root CA": its certificate has been renewed with
 * the same key, so the key is what is pinned. */
extern const uint8_t dcap_intel_root[SHA256_SIZE];

/* The files of a PCS or PCCS, as they are served. Borrowed during dcap_collateral_open() only. */
struct dcap_files {
    struct slice tcb_info, qe_identity, tcb_signing_chain;
    struct slice pck_crl, pck_crl_issuer_chain, root_ca_crl;
};

struct dcap_collateral;

/* Parses all of it and checks every signature up to the root with key hash `root`; dates are judged
 * at each verification. 0; -EBADMSG malformed; -EKEYREJECTED a signature, issuer or name is wrong;
 * -ENOMEM. `e` says which file. */
must_check int dcap_collateral_open(const struct dcap_files *files, const uint8_t root[SHA256_SIZE],
                                    struct dcap_collateral **ret_collateral, struct error *e);
void dcap_collateral_free(struct dcap_collateral *collateral);
void dcap_collateral_freep(struct dcap_collateral **collateral);

/* Is it about that kind of platform? And is one set newer than another about the same, by Intel's own
 * count and then by date? */
bool dcap_collateral_fits(const struct dcap_collateral *collateral, enum dcap_tee tee,
                          const uint8_t fmspc[DCAP_FMSPC_SIZE], bool processor_ca);
bool dcap_collateral_newer(const struct dcap_collateral *a, const struct dcap_collateral *b);

/* Plain; texts borrow from the collateral. */
struct dcap_verdict {
    enum dcap_fault fault;  /* why it was refused */
    enum tcb_status status; /* TCB_NONE: there was no collateral to judge by */
    enum tcb_status now;    /* TDX 1.5: of the module that runs now; TCB_NONE elsewhere */
    int64_t tcb_date_s;     /* the earliest of the levels that matched */
    uint32_t evaluation_number;
    const char *advisories[DCAP_ADVISORIES_MAX]; /* sorted, no duplicates */
    unsigned advisory_count;
    struct dcap_pck pck;
};

/* Verifies `quote` as of `at_s` (Unix time). Without collateral only structure, signatures and the
 * chain are checked, and the status stays TCB_NONE, which no policy may take for a yes; `at_s` may
 * then be X509_ANY_TIME. 0, or -EACCES with ret_verdict->fault (the verdict is filled as far as it
 * got), or -EIO. */
must_check int dcap_verify(const struct dcap_quote *quote, const struct dcap_collateral *collateral,
                           const uint8_t root[SHA256_SIZE], int64_t at_s,
                           struct dcap_verdict *ret_verdict);

#endif
