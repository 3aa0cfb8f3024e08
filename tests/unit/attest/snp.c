/* SPDX-License-Identifier: Apache-2.0 */
/* What no published report shows: a genuine signature under a certificate of another chip, product or
 * version, in a world of our own that looks like AMD's. */
#include "snp_world.h"

#include <errno.h>

static enum snp_fault judged(const struct knobs *k)
{
    struct snp_world w;
    struct snp_report report;
    struct snp_verdict verdict;
    snp_world_make(&w, k);
    REQUIRE(snp_report_parse(slice_of(w.report, sizeof w.report), &report) == 0);
    int r = snp_verify(&report, &w.all, &w.roots, X509_ANY_TIME, &verdict);
    CHECK_EQ(r, verdict.fault ? -EACCES : 0);
    snp_world_done(&w);
    return verdict.fault;
}

TEST(a_report_of_this_chip_product_and_version_is_genuine)
{
    CHECK_EQ(judged(&(struct knobs){0}), SNP_FAULT_NONE);
}

TEST(a_certificate_of_another_chip_product_or_version_endorses_nothing)
{
    CHECK_EQ(judged(&(struct knobs){.other_chip = true}), SNP_FAULT_CHIP_MISMATCH);
    CHECK_EQ(judged(&(struct knobs){.other_product = true}), SNP_FAULT_PRODUCT_MISMATCH);
    CHECK_EQ(judged(&(struct knobs){.other_tcb = true}), SNP_FAULT_TCB_MISMATCH);
    CHECK_EQ(judged(&(struct knobs){.current_below_reported = true}), SNP_FAULT_TCB_ORDER);
}

TAP_MAIN()
