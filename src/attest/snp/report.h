/* SPDX-License-Identifier: Apache-2.0 */
/* attest/snp/report.h: the bytes of an AMD SEV-SNP attestation report as fields. No I/O.
 *
 * Format: AMD SEV Secure Nested Paging Firmware ABI (publication 56860), table "ATTESTATION_REPORT
 * Structure". Integers are little-endian. */
#ifndef COFFER_ATTEST_SNP_REPORT_H
#define COFFER_ATTEST_SNP_REPORT_H

#include "base/macros.h"
#include "base/slice.h"

#define SNP_REPORT_SIZE 1184
#define SNP_SIGNED_SIZE 0x2a0
#define SNP_REPORT_DATA_SIZE 64
#define SNP_MEASUREMENT_SIZE 48
#define SNP_CHIP_ID_SIZE 64

enum snp_product { SNP_PRODUCT_UNKNOWN, SNP_MILAN, SNP_GENOA, SNP_TURIN, SNP_PRODUCT_COUNT };
enum snp_key { SNP_VCEK, SNP_VLEK };

/* Bits of the guest's policy. */
#define SNP_POLICY_SMT (1ull << 16)
#define SNP_POLICY_RESERVED_ONE (1ull << 17)
#define SNP_POLICY_MIGRATE (1ull << 18)
#define SNP_POLICY_DEBUG (1ull << 19)
#define SNP_POLICY_SINGLE_SOCKET (1ull << 20)

/* Versions of the parts that are trusted, as one word of eight bytes lays them out for the product.
 * Before Turin there is no `fmc`. */
struct snp_tcb {
    uint8_t fmc, boot_loader, tee, snp, microcode;
};

/* Plain values. */
struct snp_report {
    unsigned version, vmpl;
    uint32_t guest_svn;
    uint64_t policy, platform_info;
    uint8_t family_id[16], image_id[16];
    enum snp_key signing_key;
    bool author_key, chip_key_masked;
    enum snp_product product; /* of versions from 3 on; unknown in version 2 */
    uint8_t report_data[SNP_REPORT_DATA_SIZE];
    uint8_t measurement[SNP_MEASUREMENT_SIZE];
    uint8_t host_data[32];
    uint8_t id_key_digest[48], author_key_digest[48];
    uint8_t report_id[32], report_id_ma[32];
    uint64_t tcb_current, tcb_reported, tcb_committed, tcb_launch;
    uint8_t cpu_family, cpu_model, cpu_stepping;
    uint8_t chip_id[SNP_CHIP_ID_SIZE];
    uint8_t firmware_current[3], firmware_committed[3]; /* build, minor, major */
    struct slice signed_part;                           /* borrows from the report */
    uint8_t r[48], s[48];                               /* big-endian */
};

/* 0; -EBADMSG: a reserved field is not zero, the size or a number is wrong; -EOPNOTSUPP: a version,
 * an algorithm or a signing key that is not known here. */
must_check int snp_report_parse(struct slice bytes, struct snp_report *ret_report);

/* The parts of a TCB word of that product. */
struct snp_tcb snp_tcb_of(enum snp_product product, uint64_t word);
/* Is no part of `a` older than that of `b`? */
bool snp_tcb_reaches(struct snp_tcb a, struct snp_tcb b);

const char *snp_product_name(enum snp_product product); /* "Milan"; "unknown" */

#endif
