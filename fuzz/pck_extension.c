/* SPDX-License-Identifier: Apache-2.0 */
/* An extension that parses is one DER element of exactly its size: a byte more or less is refused. */
#include "attest/dcap/pck.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dcap_pck pck;
    if (dcap_pck_parse(slice_of(data, size), &pck) < 0)
        return 0;
    assert(pck.sgx_type <= 2);
    assert(dcap_pck_parse(slice_of(data, size - 1), &pck) < 0);
    uint8_t *longer = calloc(1, size + 1);
    assert(longer);
    memcpy(longer, data, size);
    assert(dcap_pck_parse(slice_of(longer, size + 1), &pck) < 0);
    free(longer);
    return 0;
}
