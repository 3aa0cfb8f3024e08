/* SPDX-License-Identifier: Apache-2.0 */
/* A report that parses has no bit that was not read or demanded to be zero: changing a reserved one
 * is refused. Bytes that are no report are tried as certificates and tables of them. */
#include "attest/snp/verify.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snp_certificates all = {0};
    struct snp_report report;
    struct snp_verdict verdict;
    uint8_t copy[SNP_REPORT_SIZE];
    int added = snp_certificates_add(&all, slice_of(data, size));
    assert(added < 0 || all.count + all.crl_count > 0);
    if (snp_report_parse(slice_of(data, size), &report) == 0) {
        assert(size == SNP_REPORT_SIZE && report.vmpl <= 3);
        assert(snp_verify(&report, &all, &snp_amd_roots, X509_ANY_TIME, &verdict) < 0);
        memcpy(copy, data, sizeof copy);
        copy[0x210] ^= 1; /* reserved */
        assert(snp_report_parse(slice_of(copy, sizeof copy), &report) < 0);
    }
    snp_certificates_done(&all);
    return 0;
}
