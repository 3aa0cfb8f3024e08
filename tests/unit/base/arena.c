/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "tap.h"

TEST(arena_memory_is_zeroed_and_aligned)
{
    struct arena arena = {0};
    for (size_t size = 0; size < 9000; size = size * 2 + 1) {
        uint8_t *at = arena_alloc(&arena, size);
        REQUIRE(at);
        CHECK_EQ((uintptr_t)at % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            CHECK_EQ(at[i], 0);
        memset(at, 0xff, size);
    }
    arena_reset(&arena);
    uint8_t *again = arena_alloc(&arena, 64);
    REQUIRE(again);
    CHECK_EQ(again[0] | again[63], 0);
    arena_done(&arena);
}

TEST(arena_refuses_what_is_over_its_cap)
{
    struct arena arena = {.size_max = 100};
    CHECK(arena_alloc(&arena, 60));
    CHECK(!arena_alloc(&arena, 41));
    CHECK(arena_alloc(&arena, 40));
    CHECK(!arena_alloc(&arena, SIZE_MAX));
    arena_done(&arena);
}

TEST(arena_text_is_terminated)
{
    struct arena arena = {0};
    CHECK_TEXT(arena_text(&arena, slice_of_text("abc")), "abc");
    CHECK_TEXT(arena_printf(&arena, "%s-%d", "n", 7), "n-7");
    arena_done(&arena);
}

TAP_MAIN()
