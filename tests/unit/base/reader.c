/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"
#include "base/writer.h"
#include "tap.h"

TEST(reader_reads_what_writer_wrote)
{
    uint8_t bytes[64];
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u8(&wr, 0xab);
    writer_u16(&wr, 0x1234);
    writer_u32(&wr, 0xdeadbeef);
    writer_u64(&wr, 0x0123456789abcdef);
    writer_uint_be(&wr, 0x010203, 3);
    writer_bytes(&wr, "hello", 5);
    REQUIRE(writer_ok(&wr));
    struct reader rd = reader_over(writer_done(&wr));
    CHECK_EQ(reader_u8(&rd), 0xab);
    CHECK_EQ(reader_u16(&rd), 0x1234);
    CHECK_EQ(reader_u32(&rd), 0xdeadbeef);
    CHECK(reader_u64(&rd) == 0x0123456789abcdef);
    CHECK_EQ(reader_u24_be(&rd), 0x010203);
    CHECK(slice_is_text(reader_slice(&rd, 5), "hello"));
    CHECK(reader_finished(&rd));
}

TEST(reader_stays_failed_after_the_end)
{
    static const uint8_t bytes[] = {1, 2, 3};
    struct reader rd = reader_over(slice_of(bytes, sizeof bytes));
    CHECK_EQ(reader_u32(&rd), 0);
    CHECK(!reader_ok(&rd));
    CHECK_EQ(reader_u8(&rd), 0);
    CHECK_EQ(reader_left(&rd), 0);
    CHECK_EQ(reader_slice(&rd, SIZE_MAX).size, 0);
}

TEST(writer_writes_nothing_past_its_end)
{
    uint8_t bytes[4] = {9, 9, 9, 9};
    struct writer wr = writer_over(bytes, 3);
    writer_u16(&wr, 1);
    writer_u16(&wr, 1);
    CHECK(!writer_ok(&wr));
    writer_u8(&wr, 7);
    CHECK_EQ(writer_size(&wr), 2);
    CHECK_EQ(bytes[2], 9);
    CHECK_EQ(bytes[3], 9);
}

TAP_MAIN()
