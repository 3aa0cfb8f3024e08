/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/snp/report.h"

#include "base/reader.h"

#include <errno.h>

#define ALGORITHM_ECDSA_P384_SHA384 1
#define SIGNATURE_NUMBER_SIZE 72 /* of which the last 24 bytes are zero */
#define POLICY_KNOWN_BITS 26
#define KEY_NONE 7

static void zeros(struct reader *rd, size_t size)
{
    const uint8_t *bytes = reader_take(rd, size);
    for (size_t i = 0; bytes && i < size; i++)
        rd->failed |= bytes[i] != 0;
}

/* A little-endian number that must fit into 48 bytes. */
static void signature_number(struct reader *rd, uint8_t be[48])
{
    const uint8_t *bytes = reader_take(rd, 48);
    for (size_t i = 0; bytes && i < 48; i++)
        be[i] = bytes[47 - i];
    zeros(rd, SIGNATURE_NUMBER_SIZE - 48);
}

/* Families and models: AMD, "Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface
 * Specification" (publication 57230), section 1.4. */
static enum snp_product product_of(unsigned family, unsigned model)
{
    if (family == 0x19 && model <= 0x0f)
        return SNP_MILAN;
    if (family == 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)))
        return SNP_GENOA;
    if (family == 0x1a && model <= 0x11)
        return SNP_TURIN;
    return SNP_PRODUCT_UNKNOWN;
}

static void key_word_read(struct reader *rd, struct snp_report *report, bool *ret_known)
{
    uint32_t word = reader_u32(rd);
    unsigned key = word >> 2 & 7;
    report->author_key = word & 1;
    report->chip_key_masked = word & 2;
    report->signing_key = key == 1 ? SNP_VLEK : SNP_VCEK;
    *ret_known = key <= 1;
    rd->failed |= word >> 5 != 0;
}

static void identity_read(struct reader *rd, struct snp_report *report)
{
    reader_copy(rd, report->report_data, sizeof report->report_data);
    reader_copy(rd, report->measurement, sizeof report->measurement);
    reader_copy(rd, report->host_data, sizeof report->host_data);
    reader_copy(rd, report->id_key_digest, sizeof report->id_key_digest);
    reader_copy(rd, report->author_key_digest, sizeof report->author_key_digest);
    reader_copy(rd, report->report_id, sizeof report->report_id);
    reader_copy(rd, report->report_id_ma, sizeof report->report_id_ma);
    report->tcb_reported = reader_u64(rd);
}

static void cpu_read(struct reader *rd, struct snp_report *report)
{
    report->cpu_family = reader_u8(rd);
    report->cpu_model = reader_u8(rd);
    report->cpu_stepping = reader_u8(rd);
    rd->failed |= report->version == 2 &&
                  (report->cpu_family | report->cpu_model | report->cpu_stepping) != 0;
    report->product = report->version == 2 ? SNP_PRODUCT_UNKNOWN
                                           : product_of(report->cpu_family, report->cpu_model);
    zeros(rd, 21);
}

static void versions_read(struct reader *rd, struct snp_report *report)
{
    reader_copy(rd, report->chip_id, sizeof report->chip_id);
    report->tcb_committed = reader_u64(rd);
    reader_copy(rd, report->firmware_current, sizeof report->firmware_current);
    zeros(rd, 1);
    reader_copy(rd, report->firmware_committed, sizeof report->firmware_committed);
    zeros(rd, 1);
    report->tcb_launch = reader_u64(rd);
    if (report->version >= 5)
        (void)reader_take(rd, 16); /* mitigations at launch and now */
    else
        zeros(rd, 16);
    zeros(rd, SNP_SIGNED_SIZE - 0x208);
}

static bool policy_good(uint64_t policy)
{
    return (policy & SNP_POLICY_RESERVED_ONE) && policy >> POLICY_KNOWN_BITS == 0;
}

int snp_report_parse(struct slice bytes, struct snp_report *ret_report)
{
    struct snp_report report = {0};
    struct reader rd = reader_over(bytes);
    bool key_known = false;
    if (bytes.size != SNP_REPORT_SIZE)
        return -EBADMSG;
    report.version = reader_u32(&rd);
    if (report.version != 2 && report.version != 3 && report.version != 5)
        return -EOPNOTSUPP;
    report.guest_svn = reader_u32(&rd);
    report.policy = reader_u64(&rd);
    reader_copy(&rd, report.family_id, sizeof report.family_id);
    reader_copy(&rd, report.image_id, sizeof report.image_id);
    report.vmpl = reader_u32(&rd);
    uint32_t algorithm = reader_u32(&rd);
    report.tcb_current = reader_u64(&rd);
    report.platform_info = reader_u64(&rd);
    key_word_read(&rd, &report, &key_known);
    zeros(&rd, 4);
    identity_read(&rd, &report);
    cpu_read(&rd, &report);
    versions_read(&rd, &report);
    signature_number(&rd, report.r);
    signature_number(&rd, report.s);
    zeros(&rd, SNP_REPORT_SIZE - SNP_SIGNED_SIZE - (size_t)2 * SIGNATURE_NUMBER_SIZE);
    if (!reader_finished(&rd) || !policy_good(report.policy) || report.vmpl > 3)
        return -EBADMSG;
    if (algorithm != ALGORITHM_ECDSA_P384_SHA384 || !key_known)
        return -EOPNOTSUPP;
    report.signed_part = slice_of(bytes.bytes, SNP_SIGNED_SIZE);
    *ret_report = report;
    return 0;
}

struct snp_tcb snp_tcb_of(enum snp_product product, uint64_t word)
{
    uint8_t byte[8];
    for (int i = 0; i < 8; i++)
        byte[i] = (uint8_t)(word >> 8 * i);
    if (product == SNP_TURIN)
        return (struct snp_tcb){byte[0], byte[1], byte[2], byte[3], byte[7]};
    return (struct snp_tcb){0, byte[0], byte[1], byte[6], byte[7]};
}

bool snp_tcb_reaches(struct snp_tcb a, struct snp_tcb b)
{
    return a.fmc >= b.fmc && a.boot_loader >= b.boot_loader && a.tee >= b.tee && a.snp >= b.snp &&
           a.microcode >= b.microcode;
}

const char *snp_product_name(enum snp_product product)
{
    static const char *const names[SNP_PRODUCT_COUNT] = {"unknown", "Milan", "Genoa", "Turin"};
    return names[product < SNP_PRODUCT_COUNT ? product : SNP_PRODUCT_UNKNOWN];
}
