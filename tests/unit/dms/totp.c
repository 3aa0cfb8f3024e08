/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/totp.h"

#include "base/hex.h"
#include "dms/digest.h"
#include "tap.h"

#include <errno.h>

/* RFC 6238, appendix B, and RFC 4226, appendix D, have this secret. */
static const uint8_t secret[TOTP_SECRET_SIZE + 1] = "12345678901234567890";

TEST(hmac_sha256_is_that_of_rfc_4231)
{
    /* Test case 2, in pieces. */
    static const char wanted[] = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const struct slice parts[] = {slice_of_text("what do ya want "), slice_of_text("for nothing?")};
    uint8_t mac[DIGEST_SIZE];
    char hex[2 * DIGEST_SIZE + 1];
    hmac_sha256(slice_of_text("Jefe"), parts, ARRAY_COUNT(parts), mac);
    hex_encode(slice_of(mac, sizeof mac), hex);
    CHECK_TEXT(hex, wanted);
}

TEST(hmac_sha1_is_that_of_rfc_2202)
{
    static const uint8_t key[] = "Jefe",
                         wanted[] = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
                                     0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
    uint8_t mac[HMAC_SHA1_SIZE];
    hmac_sha1(slice_of(key, 4), slice_of_text("what do ya want for nothing?"), mac);
    CHECK(memcmp(mac, wanted, sizeof mac) == 0);
}

TEST(codes_are_those_of_the_standards)
{
    static const unsigned by_counter[] = {755224, 287082, 359152, 969429, 338314,
                                          254676, 287922, 162583, 399871, 520489};
    static const struct {
        int64_t time_s;
        unsigned code; /* the last six of the eight digits there */
    } by_time[] = {{59, 287082},       {1111111109, 81804},  {1111111111, 50471},
                   {1234567890, 5924}, {2000000000, 279037}, {20000000000, 353130}};
    for (size_t i = 0; i < ARRAY_COUNT(by_counter); i++)
        CHECK_EQ(totp_code(secret, (int64_t)i), by_counter[i]);
    for (size_t i = 0; i < ARRAY_COUNT(by_time); i++)
        CHECK_EQ(totp_code(secret, by_time[i].time_s / TOTP_STEP_S), by_time[i].code);
}

TEST(a_code_is_good_for_a_moment_and_once)
{
    int64_t step = 0;
    const int64_t now = 1111111109;
    CHECK_EQ(totp_check(secret, slice_of_text("081804"), now, 0, &step), 0);
    CHECK_EQ(step, now / TOTP_STEP_S);
    CHECK_EQ(totp_check(secret, slice_of_text("081804"), now, step, &step), -EKEYREJECTED);
    CHECK_EQ(totp_check(secret, slice_of_text("081804"), now + 30, 0, &step), 0);
    CHECK_EQ(totp_check(secret, slice_of_text("081804"), now - 30, 0, &step), 0);
    CHECK_EQ(totp_check(secret, slice_of_text("081804"), now + 60, 0, &step), -EKEYREJECTED);
    CHECK_EQ(totp_check(secret, slice_of_text("081804"), now - 60, 0, &step), -EKEYREJECTED);
    CHECK_EQ(totp_check(secret, slice_of_text("81804"), now, 0, &step), -EKEYREJECTED);
    CHECK_EQ(totp_check(secret, slice_of_text("08180x"), now, 0, &step), -EKEYREJECTED);
    CHECK_EQ(totp_check(secret, slice_of_text(""), now, 0, &step), -EKEYREJECTED);
}

TEST(a_secret_is_written_as_programs_read_it)
{
    char text[TOTP_BASE32_SIZE];
    totp_base32(secret, text);
    CHECK_TEXT(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
}

TAP_MAIN()
