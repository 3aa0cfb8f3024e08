/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever parses as a quote refers to its own bytes only; and nothing verifies under a root that
 * signed nothing. */
#include "attest/dcap/verify.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(const uint8_t *data, size_t size, const uint8_t *from, size_t count)
{
    return from >= data && from <= data + size && count <= (size_t)(data + size - from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nobody[SHA256_SIZE];
    struct dcap_quote quote;
    struct dcap_verdict verdict;
    if (dcap_quote_parse(slice_of(data, size), &quote) < 0)
        return 0;
    assert(within(data, size, quote.signed_part.bytes, quote.signed_part.size));
    assert(within(data, size, quote.signature, 64) &&
           within(data, size, quote.attestation_key, 64));
    assert(within(data, size, quote.qe_report.bytes, SGX_REPORT_SIZE));
    assert(within(data, size, quote.certification.bytes, quote.certification.size));
    assert(quote.trailing < size);
    assert(dcap_verify(&quote, NULL, nobody, X509_ANY_TIME, &verdict) < 0);
    assert(verdict.fault != DCAP_FAULT_NONE && verdict.status == TCB_NONE);
    return 0;
}
