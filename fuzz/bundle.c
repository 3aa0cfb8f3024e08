/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle of vendor's evidence that parses re-encodes to the same bytes; a process's record in it that
 * verifies is one of that kind, and does not verify once a byte of it has changed. */
#include "attest/bundle.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct buf out = {0};
    struct bundle b;
    struct evidence ev;
    uint8_t point[EVIDENCE_POINT_SIZE], changed[EVIDENCE_RECORD_SIZE];
    if (bundle_parse(in, &b) == 0) {
        assert(bundle_is(in) && bundle_write(&b, &out) == 0);
        assert(slice_equals(buf_slice(&out), in));
        in = b.process;
    }
    for (unsigned tee = TEE_TDX; tee <= TEE_SNP; tee++) {
        if (evidence_launched_verify(in, (enum tee)tee, &ev, point) < 0)
            continue;
        assert(ev.tee == (enum tee)tee && in.size == sizeof changed);
        memcpy(changed, in.bytes, sizeof changed);
        changed[60] ^= 1;
        assert(evidence_launched_verify(slice_of(changed, sizeof changed), (enum tee)tee, &ev,
                                        point) < 0);
    }
    buf_done(&out);
    return 0;
}
