/* SPDX-License-Identifier: Apache-2.0 */
/* attest/evidence.h: what a piece of evidence says, once its signature has been checked. Whether
 * that is good enough is attest/appraise.h's question. Does no I/O and reads no clock.
 *
 * Read here: the record of the simulated device (base/evidence_record.h). Evidence of vendors'
 * hardware is for who has collateral: it goes through a struct evidence_verifier. A kind that is not
 * known is refused as such, never skipped. */
#ifndef COFFER_ATTEST_EVIDENCE_H
#define COFFER_ATTEST_EVIDENCE_H

#include "base/evidence_record.h"
#include "base/macros.h"
#include "base/slice.h"

#include "attest/tcb_status.h"

#define EVIDENCE_MEASUREMENT_SIZE 48
#define EVIDENCE_RTMRS 4
#define EVIDENCE_CHIP_SIZE 64
#define EVIDENCE_ADVISORIES_MAX 32
#define EVIDENCE_ADVISORY_SIZE 24

enum tee { TEE_SIM, TEE_TDX, TEE_SNP, TEE_SGX, TEE_COUNT };

/* Versions of the parts of an AMD platform, in this order in `snp_versions`. */
enum evidence_snp_version {
    EVIDENCE_SNP_BOOT_LOADER,
    EVIDENCE_SNP_TEE,
    EVIDENCE_SNP_SNP,
    EVIDENCE_SNP_MICROCODE,
    EVIDENCE_SNP_FMC,
    EVIDENCE_SNP_VERSIONS,
};

/* The machine below a process, as its vendor vouches for it. Plain; `present` only for hardware. */
struct evidence_platform {
    bool present;
    bool launched;                                  /* a launcher signed for the process */
    uint8_t measurement[EVIDENCE_MEASUREMENT_SIZE]; /* MRTD; launch digest of SEV-SNP */
    uint8_t rtmr[EVIDENCE_RTMRS][EVIDENCE_MEASUREMENT_SIZE];
    uint8_t config_id[EVIDENCE_MEASUREMENT_SIZE];  /* MRCONFIGID */
    uint8_t service_td[EVIDENCE_MEASUREMENT_SIZE]; /* MRSERVICETD; zeros: none */
    bool sept_ve;                                  /* SEPT_VE_DISABLE is not set */
    uint8_t host_data[32];
    uint8_t id_key[EVIDENCE_MEASUREMENT_SIZE], author_key[EVIDENCE_MEASUREMENT_SIZE];
    uint8_t chip[EVIDENCE_CHIP_SIZE]; /* PPID, or chip id; zeros: masked */
    size_t chip_size;
    unsigned vmpl;
    bool migration, revocation_checked;
    uint8_t snp_versions[EVIDENCE_SNP_VERSIONS];
    enum tcb_status tcb; /* of Intel's platforms */
    int64_t tcb_date_s;
    uint32_t evaluation;
    char advisories[EVIDENCE_ADVISORIES_MAX][EVIDENCE_ADVISORY_SIZE];
    unsigned advisory_count;
    bool advisories_cut; /* there are more, or one with a longer name */
};

/* Plain values; zeros where the kind of evidence has no such claim. */
struct evidence {
    enum tee tee;
    uint32_t svn;
    uint16_t product; /* ISVPRODID */
    bool debug;
    uint8_t runtime[EVIDENCE_DIGEST_SIZE];
    uint8_t program[EVIDENCE_DIGEST_SIZE];
    uint8_t signer[EVIDENCE_DIGEST_SIZE];
    uint8_t config[EVIDENCE_DIGEST_SIZE];
    uint8_t device[EVIDENCE_DIGEST_SIZE]; /* SHA-256 of the device's public point */
    uint8_t instance[EVIDENCE_INSTANCE_SIZE];
    uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE];
    struct evidence_platform platform;
};

/* Verifies evidence of other kinds than this module reads. The function returns 0; -EACCES with
 * *ret_refusal (may be NULL) filled; -ENOMEM or -EIO. */
struct refusal;
struct evidence_verifier {
    int (*verify)(void *ctx, struct slice record, struct evidence *ret_evidence,
                  struct refusal *ret_refusal);
    void *ctx;
};

/* Parses and checks the signature. 0; -EBADMSG malformed; -EKEYREJECTED well-formed, but its
 * signature is not the device's; -EOPNOTSUPP a kind or version that is not known; -EIO. On failure
 * *ret_evidence is untouched. Safe on any thread. */
must_check int evidence_verify(struct slice record, struct evidence *ret_evidence);

/* A record that a launcher signed for a process in a virtual machine of that kind; *ret_point is the
 * launcher's key, which the machine's own report must name. The platform is zeros. As above. */
must_check int evidence_launched_verify(struct slice record, enum tee tee,
                                        struct evidence *ret_evidence,
                                        uint8_t ret_point[EVIDENCE_POINT_SIZE]);

/* "sim", "tdx", "snp", "sgx". */
const char *tee_name(enum tee tee);
must_check int tee_parse(struct slice name, enum tee *ret_tee); /* -EINVAL */

#endif
