/* SPDX-License-Identifier: Apache-2.0 */
/* The cursor under every parser: whatever it is asked, it stays inside its bytes, fails for good,
 * and what it hands out adds up to what it has moved. Input: one byte of operation per step, the
 * rest is what is read. */
#include "base/reader.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* One step chosen by `operation`; returns how many bytes it asked for. */
static size_t step(struct reader *rd, uint8_t operation)
{
    uint8_t copy[16];
    size_t asked = operation >> 4;
    switch (operation & 3) {
    case 0:
        (void)reader_u8(rd);
        return 1;
    case 1:
        (void)reader_u32(rd);
        return 4;
    case 2:
        reader_copy(rd, copy, asked);
        return asked;
    default: {
        struct slice piece = reader_slice(rd, asked);
        HOLDS(rd->failed ? piece.size == 0 : piece.size == asked);
        return asked;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t steps = size / 2;
    struct reader rd = reader_over(slice_of(data + steps, size - steps));
    for (size_t i = 0; i < steps; i++) {
        size_t before = reader_left(&rd);
        bool failed = rd.failed;
        size_t asked = step(&rd, data[i]);
        HOLDS(!failed || rd.failed);
        HOLDS(rd.failed ? reader_left(&rd) == 0 : reader_left(&rd) == before - asked);
        HOLDS(rd.at >= data + steps && rd.at <= data + size);
    }
    return 0;
}
