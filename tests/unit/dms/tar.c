/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/tar.h"
#include "tap.h"

#include <stdlib.h>

static struct buf out;

static const char *block(size_t number)
{
    REQUIRE(out.size >= (number + 1) * TAR_BLOCK_SIZE);
    return (const char *)out.bytes + number * TAR_BLOCK_SIZE;
}

/* The value of a record in the extended header at the archive's begin; its stated size is right. */
static bool record_is(const char *key, const char *value)
{
    char wanted[2048];
    unsigned long size = strtoul(block(1), NULL, 10);
    snprintf(wanted, sizeof wanted, "%lu %s=%s\n", size, key, value);
    return strlen(wanted) == size && strtoul(block(0) + 124, NULL, 8) == size &&
           memcmp(block(1), wanted, size) == 0;
}

static bool sum_is_right(const char *head)
{
    unsigned sum = 8 * ' ';
    for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
        sum += i >= 148 && i < 156 ? 0 : (uint8_t)head[i];
    return strtoul(head + 148, NULL, 8) == sum;
}

TEST(a_short_name_needs_one_block)
{
    const struct tar_member member = {"a/b.txt", 5, 1000};
    CHECK_EQ(tar_head(&member, &out), 0);
    CHECK_EQ(out.size, TAR_BLOCK_SIZE);
    CHECK(strcmp(block(0), "a/b.txt") == 0 && block(0)[156] == '0');
    CHECK_EQ(strtoul(block(0) + 124, NULL, 8), 5);
    CHECK_EQ(strtoul(block(0) + 136, NULL, 8), 1000);
    CHECK(memcmp(block(0) + 257, "ustar\00000", 8) == 0 && sum_is_right(block(0)));
    CHECK(tar_pad(5, &out) == 0 && out.size == TAR_BLOCK_SIZE + 507);
    buf_done(&out);
}

TEST(names_of_every_length_are_whole)
{
    for (size_t len = 101; len < 1200; len++) {
        char path[1201];
        memset(path, 'x', len);
        path[len] = 0;
        const struct tar_member member = {path, 0, 0};
        REQUIRE(tar_head(&member, &out) == 0);
        CHECK(block(0)[156] == 'x' && sum_is_right(block(0)) && record_is("path", path));
        CHECK(out.size % TAR_BLOCK_SIZE == 0);
        buf_done(&out);
    }
}

TEST(names_that_are_not_ascii_and_large_sizes_stand_in_records)
{
    const struct tar_member named = {"ü", 1, 0};
    CHECK_EQ(tar_head(&named, &out), 0);
    CHECK(record_is("path", "ü"));
    buf_done(&out);
    const struct tar_member large = {"large", (uint64_t)9 << 30, 0};
    CHECK_EQ(tar_head(&large, &out), 0);
    CHECK(record_is("size", "9663676416"));
    CHECK(strcmp(block(2), "large") == 0 && sum_is_right(block(2)));
    buf_done(&out);
    const struct tar_member just = {"just", 077777777777, 0};
    CHECK_EQ(tar_head(&just, &out), 0);
    CHECK_EQ(strtoul(block(0) + 124, NULL, 8), 077777777777);
    buf_done(&out);
}

TEST(a_folder_is_one_and_the_end_is_two_blocks)
{
    const struct tar_member member = {"folder/", 0, 0};
    CHECK_EQ(tar_head(&member, &out), 0);
    CHECK(block(0)[156] == '5');
    CHECK_EQ(tar_end(&out), 0);
    CHECK_EQ(out.size, 3 * TAR_BLOCK_SIZE);
    buf_done(&out);
}

TAP_MAIN()
