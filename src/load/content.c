/* SPDX-License-Identifier: Apache-2.0 */
#include "load/content.h"

#include <string.h>

/* splitmix64: one word for each eight bytes, from seed and position alone. */
static uint64_t mix(uint64_t n)
{
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
    return n ^ (n >> 31);
}

static uint64_t word_at(uint64_t seed, uint64_t index)
{
    return mix(seed + (index + 1) * 0x9e3779b97f4a7c15u);
}

void content_fill(uint64_t seed, uint64_t offset, void *bytes, size_t size)
{
    uint8_t *to = bytes;
    while (size > 0) {
        uint64_t word = word_at(seed, offset / 8);
        size_t skip = offset % 8, take = MIN(8 - skip, size);
        memcpy(to, (uint8_t *)&word + skip, take);
        to += take;
        offset += take;
        size -= take;
    }
}

bool content_matches(uint64_t seed, uint64_t offset, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        uint64_t word = word_at(seed, offset / 8);
        size_t skip = offset % 8, take = MIN(8 - skip, size);
        if (memcmp(at, (uint8_t *)&word + skip, take) != 0)
            return false;
        at += take;
        offset += take;
        size -= take;
    }
    return true;
}

uint64_t content_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return mix(*state);
}
