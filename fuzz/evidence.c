/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence that verifies is exactly one record, and no longer verifies when a byte of it changes. */
#include "attest/evidence.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t changed[EVIDENCE_RECORD_SIZE];
    struct evidence ev;
    if (evidence_verify(slice_of(data, size), &ev) < 0)
        return 0;
    assert(size == EVIDENCE_RECORD_SIZE);
    memcpy(changed, data, size);
    changed[ev.program[0]] ^= 1;
    assert(evidence_verify(slice_of(changed, size), &ev) < 0);
    return 0;
}
