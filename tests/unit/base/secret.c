/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"
#include "tap.h"

#include <errno.h>

TEST(ct_verify_finds_a_difference_in_every_position)
{
    uint8_t a[32], b[32];
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = b[i] = (uint8_t)i;
    CHECK_EQ(ct_verify(a, b, sizeof a), 0);
    for (size_t i = 0; i < 8 * sizeof a; i++) {
        b[i / 8] ^= (uint8_t)(1 << i % 8);
        CHECK_EQ(ct_verify(a, b, sizeof a), -EBADMSG);
        b[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

TEST(key_is_wiped_when_its_scope_ends)
{
    struct key256 *seen;
    static struct key256 key;
    memset(&key, 0xaa, sizeof key);
    seen = &key;
    key256_wipe(seen);
    for (size_t i = 0; i < sizeof key; i++)
        CHECK_EQ(key.bytes[i], 0);
}

TEST(secret_memory_can_be_used_and_released)
{
    uint8_t *bytes = secret_alloc(5000);
    REQUIRE(bytes);
    memset(bytes, 1, 5000);
    secret_free(bytes, 5000);
    secret_free(NULL, 1);
}

TAP_MAIN()
