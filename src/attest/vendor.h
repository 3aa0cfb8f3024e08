/* SPDX-License-Identifier: Apache-2.0 */
/* attest/vendor.h: evidence of vendors' hardware turned into the claims that a policy judges
 * (attest/evidence.h). Does no I/O and reads no clock: time, collateral and roots come from the
 * caller. Safe on any thread if the sources are.
 *
 * Two tiers: the report of a virtual machine names the key of its launcher, and the launcher signs
 * the evidence of each process (attest/bundle.h). Or one: the report names the key of the
 * connection itself, as an enclave's always does. */
#ifndef COFFER_ATTEST_VENDOR_H
#define COFFER_ATTEST_VENDOR_H

#include "attest/bundle.h"
#include "attest/dcap/verify.h"
#include "attest/refusal.h"
#include "attest/snp/verify.h"

/* What `dcap` is asked for. */
struct vendor_platform {
    enum dcap_tee tee;
    uint8_t fmspc[DCAP_FMSPC_SIZE];
    bool processor_ca; /* the certificate is of Intel's processor CA, not of its platform CA */
};

struct vendor_sources {
    const uint8_t *intel_root; /* SHA256_SIZE */
    const struct snp_roots *amd_roots;
    /* The newest collateral for that platform, borrowed until the next call, or NULL. */
    const struct dcap_collateral *(*dcap)(void *ctx, const struct vendor_platform *platform);
    /* Adds the certificates and lists that are known; may be NULL. 0 or -E2BIG. */
    int (*snp)(void *ctx, const struct snp_report *report, struct snp_certificates *all);
    int64_t (*now_s)(void *ctx); /* Unix time */
    void *ctx;
};

/* Which platform a quote says it is from, before anything of it is believed: what to look for. 0;
 * -ENODATA the quote does not carry its platform's certificate. */
must_check int vendor_platform_of(const struct dcap_quote *quote,
                                  struct vendor_platform *ret_platform);

/* Verifies a bundle, or a bare SGX or TDX quote. 0; -EACCES with *ret_refusal (may be NULL) filled;
 * -ENOMEM, -EIO. On failure *ret_evidence is untouched. */
must_check int vendor_verify(const struct vendor_sources *sources, struct slice record,
                             struct evidence *ret_evidence, struct refusal *ret_refusal);

/* The same as an evidence_verifier's function: `ctx` is the sources. */
must_check int vendor_verify_fn(void *ctx, struct slice record, struct evidence *ret_evidence,
                                struct refusal *ret_refusal);

#endif
