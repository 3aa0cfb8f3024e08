/* SPDX-License-Identifier: Apache-2.0 */
/* attest/appraise_platform.h: the part of a who-may-run clause that is about the machine and the
 * virtual machine's image: `platform` of a policy. Plain; does no I/O and reads no clock. */
#ifndef COFFER_ATTEST_APPRAISE_PLATFORM_H
#define COFFER_ATTEST_APPRAISE_PLATFORM_H

#include "attest/evidence.h"
#include "attest/refusal.h"

#define WHO_PLATFORM_MAX 16

/* SHA-384 digests of which one must match; none demands nothing. */
struct who_digests384 {
    uint8_t digest[WHO_PLATFORM_MAX][EVIDENCE_MEASUREMENT_SIZE];
    unsigned count, line;
};

struct who_chips {
    uint8_t id[WHO_PLATFORM_MAX][EVIDENCE_CHIP_SIZE];
    size_t size[WHO_PLATFORM_MAX];
    unsigned count, line;
};

/* A zeroed one tolerates nothing: UpToDate only, no advisory, VMPL 0, no migration. */
struct who_platform {
    unsigned line; /* of `platform`; 0: the policy has none */
    struct who_digests384 measurement;
    struct who_digests384 rtmr[EVIDENCE_RTMRS];
    struct who_digests384 id_key, author_key, config_id, service_td, host_data;
    struct who_chips chips;
    unsigned statuses; /* bits 1 << enum tcb_status; 0: UpToDate only */
    unsigned statuses_line;
    char advisories[EVIDENCE_ADVISORIES_MAX][EVIDENCE_ADVISORY_SIZE];
    unsigned advisory_count, advisories_line;
    int64_t date_min_s;
    unsigned date_min_line;
    uint32_t evaluation_min;
    unsigned evaluation_min_line;
    uint8_t snp_min[EVIDENCE_SNP_VERSIONS];
    unsigned snp_min_line;
    unsigned vmpl_max, vmpl_max_line;
    bool allow_migration, allow_sept_ve, require_revocation;
    unsigned allow_line;
};

/* Judges evidence of vendors' hardware; other evidence has nothing to judge here. 0, or -EACCES with
 * the first clause that failed in *ret_refusal (may be NULL). */
must_check int appraise_platform(const struct who_platform *who, const struct evidence *evidence,
                                 struct refusal *ret_refusal);

/* "INTEL-SA-00615": letters, digits and '-', shorter than EVIDENCE_ADVISORY_SIZE. */
bool advisory_name_is_valid(const char *name);

#endif
