/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/memory.h"

#include "tap.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

static const char g_rollup[] = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\n"
                               "Rss:                1460 kB\n"
                               "Private_Clean:         4 kB\n"
                               "Private_Dirty:       100 kB\n"
                               "Bad:                   x kB\n"
                               "Huge: 99999999999999999999 kB\n"
                               "Last: 7";

TEST(fields_are_found_by_their_whole_name)
{
    int64_t kib = -1;
    struct slice text = slice_of_text(g_rollup);
    CHECK_EQ(memory_field_parse(text, "Private_Dirty", &kib), 0);
    CHECK_EQ(kib, 100);
    CHECK_EQ(memory_field_parse(text, "Last", &kib), 0);
    CHECK_EQ(kib, 7);
    CHECK_EQ(memory_field_parse(text, "Private", &kib), -ENOENT);
    CHECK_EQ(memory_field_parse(text, "Missing", &kib), -ENOENT);
    CHECK_EQ(memory_field_parse(text, "Bad", &kib), -ERANGE);
    CHECK_EQ(memory_field_parse(text, "Huge", &kib), -ERANGE);
    CHECK_EQ(memory_field_parse(slice_of_text(""), "Last", &kib), -ENOENT);
    CHECK_EQ(kib, 7);
}

TEST(this_process_and_this_machine_use_memory)
{
    struct memory memory = {.private_kib = -1};
    CHECK_EQ(memory_of_process(getpid(), &memory), 0);
    CHECK(memory.private_kib > 0 && memory.kernel_kib > 0 && !memory.is_estimate);
    CHECK(memory_of_process(0, &memory) < 0);
    CHECK(memory_available() > 1 << 20);
}

TAP_MAIN()
