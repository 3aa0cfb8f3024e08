/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of real machines, with what they say and whose certificates endorse them. */
#include "attest/dcap/tcb.h"
#include "attest/snp/verify.h"

#include "base/hex.h"
#include "vectors.h"

#include <errno.h>

static void add_file(struct snp_certificates *all, const char *name)
{
    struct slice bytes = vector_file(name);
    CHECK_EQ(snp_certificates_add(all, bytes), 0);
    free((void *)bytes.bytes);
}

static void roots_add(struct snp_certificates *all)
{
    static const char *const kinds[] = {"ark", "ask", "asvk"};
    static const char *const products[] = {"milan", "genoa", "turin"};
    char path[64];
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++)
        for (size_t p = 0; p < ARRAY_COUNT(products); p++) {
            snprintf(path, sizeof path, "roots/%s_%s.der", kinds[k], products[p]);
            add_file(all, path);
        }
}

/* Some files are hexadecimal text. */
static struct slice report_file(const char *name)
{
    struct slice bytes = vector_file(name);
    if (bytes.size < (size_t)2 * SNP_REPORT_SIZE)
        return bytes;
    uint8_t *raw = malloc(SNP_REPORT_SIZE);
    REQUIRE(raw && hex_decode(slice_of(bytes.bytes, (size_t)2 * SNP_REPORT_SIZE), raw,
                              SNP_REPORT_SIZE) == 0);
    free((void *)bytes.bytes);
    return slice_of(raw, SNP_REPORT_SIZE);
}

static void hex_check(const struct vector_row *row, const char *column, const void *bytes,
                      size_t size)
{
    char text[2 * 64 + 1];
    hex_encode(slice_of(bytes, size), text);
    CHECK_TEXT(text, vector_value(row, column));
}

static void tcb_check(const struct vector_row *row, const char *column, uint64_t word)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(word >> 8 * i);
    hex_check(row, column, bytes, sizeof bytes);
}

static void fields_check(const struct vector_row *row, const struct snp_report *report)
{
    CHECK_EQ(report->vmpl, strtoul(vector_value(row, "vmpl"), NULL, 10));
    CHECK_EQ(report->policy, strtoull(vector_value(row, "policy"), NULL, 16));
    CHECK_EQ(report->platform_info, strtoull(vector_value(row, "platform_info"), NULL, 16));
    CHECK_EQ(report->author_key, strcmp(vector_value(row, "author_key_en"), "1") == 0);
    CHECK_TEXT(report->signing_key == SNP_VLEK ? "VLEK" : "VCEK", vector_value(row, "signing_key"));
    tcb_check(row, "reported_tcb", report->tcb_reported);
    tcb_check(row, "committed_tcb", report->tcb_committed);
    tcb_check(row, "current_tcb", report->tcb_current);
    tcb_check(row, "launch_tcb", report->tcb_launch);
    hex_check(row, "measurement", report->measurement, sizeof report->measurement);
    hex_check(row, "report_data", report->report_data, sizeof report->report_data);
    hex_check(row, "host_data", report->host_data, sizeof report->host_data);
    hex_check(row, "chip_id", report->chip_id, sizeof report->chip_id);
}

static int64_t first_day(const struct vector_row *row)
{
    char text[32];
    int64_t s = 0;
    snprintf(text, sizeof text, "%.10sT23:59:59Z", vector_value(row, "vek_valid"));
    CHECK_EQ(dcap_time_parse(text, &s), 0);
    return s;
}

static void row_check(const struct vector_row *row)
{
    struct snp_certificates all = {0};
    struct snp_report report;
    struct snp_verdict verdict;
    char product[64];
    int before = tap_failures_in_test;
    struct slice bytes = report_file(vector_value(row, "file"));
    REQUIRE(snp_report_parse(bytes, &report) == 0);
    fields_check(row, &report);
    roots_add(&all);
    add_file(&all, vector_value(row, "vek"));
    CHECK_EQ(snp_verify(&report, &all, &snp_amd_roots, first_day(row), &verdict), 0);
    snprintf(product, sizeof product, "ARK-%s/", snp_product_name(verdict.product));
    CHECK(strncmp(product, vector_value(row, "product"), strlen(product)) == 0);
    CHECK_EQ(verdict.debug, strcmp(vector_value(row, "debug"), "1") == 0);
    CHECK_EQ(verdict.migration, strcmp(vector_value(row, "migrate_ma"), "1") == 0);
    CHECK_EQ(verdict.crl_checked, false);
    /* A century later, and before there was any of it. */
    CHECK_EQ(snp_verify(&report, &all, &snp_amd_roots, 4900000000, &verdict), -EACCES);
    CHECK_EQ(verdict.fault, SNP_FAULT_VEK_EXPIRED);
    CHECK_EQ(snp_verify(&report, &all, &snp_amd_roots, 1000000000, &verdict), -EACCES);
    CHECK_EQ(verdict.fault, SNP_FAULT_VEK_NOT_YET_VALID);
    if (tap_failures_in_test > before)
        printf("# in row %s: %s\n", vector_value(row, "id"), snp_fault_code(verdict.fault));
    snp_certificates_done(&all);
    free((void *)bytes.bytes);
}

TEST(reports_of_real_machines_verify_and_say_what_the_table_says)
{
    if (vectors_present("snp_vectors.tsv"))
        CHECK(vectors_each("snp_vectors.tsv", row_check) >= 8);
}

TEST(no_changed_byte_of_a_report_is_accepted)
{
    struct snp_certificates all = {0};
    struct snp_report report;
    struct snp_verdict verdict;
    if (!vectors_present("snp_vectors.tsv"))
        return;
    struct slice bytes = vector_file("snp/oak_turin_v5_report.bin");
    uint8_t copy[SNP_REPORT_SIZE];
    REQUIRE(bytes.size == sizeof copy);
    roots_add(&all);
    add_file(&all, "snp/snp5-oak-turin_vcek.der");
    int accepted = 0;
    for (size_t i = 0; i < sizeof copy; i++) {
        memcpy(copy, bytes.bytes, sizeof copy);
        copy[i] ^= (uint8_t)(1u << i % 8);
        if (snp_report_parse(slice_of(copy, sizeof copy), &report) == 0)
            accepted += snp_verify(&report, &all, &snp_amd_roots, X509_ANY_TIME, &verdict) == 0;
    }
    CHECK_EQ(accepted, 0);
    for (size_t size = 0; size < sizeof copy; size++)
        CHECK_EQ(snp_report_parse(slice_of(bytes.bytes, size), &report), -EBADMSG);
    snp_certificates_done(&all);
    free((void *)bytes.bytes);
}

TEST(the_table_of_a_kernel_holds_the_whole_chain)
{
    struct snp_certificates all = {0};
    struct snp_report report;
    struct snp_verdict verdict;
    if (!vectors_present("snp_vectors.tsv"))
        return;
    struct slice bytes = vector_file("snp/veraison_tsm_outblob.bin");
    struct slice table = vector_file("snp/veraison_tsm_auxblob.bin");
    REQUIRE(snp_report_parse(bytes, &report) == 0);
    CHECK_EQ(snp_certificates_add(&all, table), 0);
    CHECK_EQ(all.count, 3);
    CHECK_EQ(snp_verify(&report, &all, &snp_amd_roots, X509_ANY_TIME, &verdict), 0);
    snp_certificates_done(&all);
    for (size_t size = 0; size < table.size; size++) {
        int r = snp_certificates_add(&all, slice_of(table.bytes, size));
        CHECK(r < 0 || all.count <= 3);
        snp_certificates_done(&all);
    }
    free((void *)bytes.bytes);
    free((void *)table.bytes);
}

TEST(a_certificate_that_the_vendor_did_not_sign_endorses_nothing)
{
    static const char *const forged[] = {"snp/trustee_vcek_bad_signature_1.der",
                                         "snp/trustee_vcek_bad_signature_2.der"};
    if (!vectors_present("snp_vectors.tsv"))
        return;
    struct slice ask = vector_file("roots/ask_milan.der");
    struct x509_chain authority = {0};
    REQUIRE(x509_chain_read(ask, &authority) == 0);
    for (size_t i = 0; i < ARRAY_COUNT(forged); i++) {
        struct x509_chain leaf = {0};
        struct slice bytes = vector_file(forged[i]);
        REQUIRE(x509_chain_read(bytes, &leaf) == 0);
        CHECK_EQ(x509_issued(leaf.certificate[0], authority.certificate[0]), -EKEYREJECTED);
        x509_chain_done(&leaf);
        free((void *)bytes.bytes);
    }
    x509_chain_done(&authority);
    free((void *)ask.bytes);
}

TEST(without_its_authority_a_certificate_endorses_nothing)
{
    struct snp_certificates all = {0};
    struct snp_report report;
    struct snp_verdict verdict;
    if (!vectors_present("snp_vectors.tsv"))
        return;
    struct slice bytes = vector_file("snp/microsoft_genoa_v3_report.bin");
    REQUIRE(snp_report_parse(bytes, &report) == 0);
    CHECK_EQ(snp_verify(&report, &all, &snp_amd_roots, X509_ANY_TIME, &verdict), -EACCES);
    CHECK_EQ(verdict.fault, SNP_FAULT_NO_VEK);
    add_file(&all, "snp/snp5-lunal-genoa_vcek.der"); /* of another chip */
    CHECK_EQ(snp_verify(&report, &all, &snp_amd_roots, X509_ANY_TIME, &verdict), -EACCES);
    CHECK_EQ(verdict.fault, SNP_FAULT_REPORT_SIGNATURE);
    add_file(&all, "snp/snp3-ms-genoa_vcek.der");
    add_file(&all, "roots/ark_genoa.der");
    CHECK_EQ(snp_verify(&report, &all, &snp_amd_roots, X509_ANY_TIME, &verdict), -EACCES);
    CHECK_EQ(verdict.fault, SNP_FAULT_VEK_CHAIN);
    add_file(&all, "roots/ask_genoa.der");
    CHECK_EQ(snp_verify(&report, &all, &snp_amd_roots, X509_ANY_TIME, &verdict), 0);
    const struct snp_roots others = {{{0}}};
    CHECK_EQ(snp_verify(&report, &all, &others, X509_ANY_TIME, &verdict), -EACCES);
    CHECK_EQ(verdict.fault, SNP_FAULT_VEK_CHAIN);
    snp_certificates_done(&all);
    free((void *)bytes.bytes);
}

TAP_MAIN()
