/* SPDX-License-Identifier: Apache-2.0 */
/* An evidence extension, or its claims, that parses re-encodes to the same bytes. */
#include "attest/ratls.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size), evidence, claims_bytes;
    struct ratls_claims claims;
    struct buf out = {0};
    if (ratls_extension_parse(input, &evidence, &claims_bytes) == 0) {
        assert(ratls_extension_write(evidence, claims_bytes, &out) == 0);
        assert(slice_equals(buf_slice(&out), input));
        buf_clear(&out);
        input = claims_bytes;
    }
    if (ratls_claims_parse(input, &claims) == 0) {
        assert(ratls_claims_write(&claims, &out) == 0);
        assert(slice_equals(buf_slice(&out), input));
    }
    buf_done(&out);
    return 0;
}
