/* SPDX-License-Identifier: Apache-2.0 */
/* A log that replays does so again, and padding behind it changes nothing. */
#include "attest/ccel.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ccel first, again;
    if (ccel_replay(slice_of(data, size), &first) < 0)
        return 0;
    assert(ccel_replay(slice_of(data, size), &again) == 0);
    assert(memcmp(&first, &again, sizeof first) == 0);
    uint8_t *padded = malloc(size + 64);
    assert(padded);
    memcpy(padded, data, size);
    memset(padded + size, 0xff, 64);
    if (ccel_replay(slice_of(padded, size + 64), &again) == 0)
        assert(memcmp(first.rtmr, again.rtmr, sizeof first.rtmr) == 0);
    free(padded);
    return 0;
}
