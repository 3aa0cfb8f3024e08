/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "tap.h"

#include <errno.h>

TEST(hex_decodes_what_it_encoded_and_nothing_else)
{
    uint8_t bytes[256], again[256];
    char text[513];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    hex_encode(slice_of(bytes, sizeof bytes), text);
    CHECK_EQ(hex_decode(slice_of_text(text), again, sizeof again), 0);
    CHECK(memcmp(bytes, again, sizeof bytes) == 0);
    CHECK_EQ(hex_decode(slice_of_text("0"), again, 1), -EINVAL);
    CHECK_EQ(hex_decode(slice_of_text("0g"), again, 1), -EINVAL);
    CHECK_EQ(hex_decode(slice_of_text("0011"), again, 1), -EINVAL);
    CHECK_EQ(hex_decode(slice_of_text("Ff"), again, 1), 0);
    CHECK_EQ(again[0], 0xff);
}

TAP_MAIN()
