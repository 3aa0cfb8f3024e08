/* SPDX-License-Identifier: Apache-2.0 */
#include "load/content.h"

#include "tap.h"

TEST(content_is_the_same_in_whatever_pieces_it_is_made)
{
    uint8_t whole[1000], piece[1000];
    content_fill(7, 0, whole, sizeof whole);
    for (size_t start = 0; start < 40; start++) {
        for (size_t size = 0; size < 40; size++) {
            content_fill(7, start, piece, size);
            CHECK(memcmp(whole + start, piece, size) == 0);
            CHECK(content_matches(7, start, piece, size));
        }
    }
}

TEST(one_changed_byte_is_seen)
{
    uint8_t bytes[256];
    content_fill(9, 3, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 1;
        CHECK(!content_matches(9, 3, bytes, sizeof bytes));
        bytes[i] ^= 1;
    }
    CHECK(content_matches(9, 3, bytes, sizeof bytes));
    CHECK(!content_matches(10, 3, bytes, sizeof bytes));
    CHECK(!content_matches(9, 4, bytes, sizeof bytes));
}

TAP_MAIN()
