/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/memory/ranges.h"
#include "tap.h"

#define SPACE 200

/* The model: one bool per address. */
static void check_against(const struct ranges *set, const bool *model)
{
    for (size_t i = 0; i < set->count; i++) {
        REQUIRE(set->items[i].from < set->items[i].to);
        REQUIRE(i == 0 || set->items[i - 1].to < set->items[i].from);
    }
    for (uint64_t from = 0; from < SPACE; from += 3) {
        uint64_t to = from + 1 + from % 17;
        bool all = true;
        uint64_t count = 0;
        struct range inside = {0}, outside = {0}, piece;
        for (uint64_t at = from; at < to; at++) {
            all &= model[at];
            count += model[at];
            if (model[at] && (inside.to == 0 || inside.to == at))
                inside = (struct range){inside.to ? inside.from : at, at + 1};
            if (!model[at] && (outside.to == 0 || outside.to == at))
                outside = (struct range){outside.to ? outside.from : at, at + 1};
        }
        REQUIRE(ranges_contain(set, from, to) == all);
        REQUIRE(ranges_size(set, from, to) == count);
        REQUIRE(ranges_first_inside(set, from, to, &piece) == (inside.to != 0));
        REQUIRE(inside.to == 0 || (piece.from == inside.from && piece.to == inside.to));
        REQUIRE(ranges_first_outside(set, from, to, &piece) == (outside.to != 0));
        REQUIRE(outside.to == 0 || (piece.from == outside.from && piece.to == outside.to));
    }
}

TEST(the_set_agrees_with_a_model_through_random_changes)
{
    struct ranges set = {0};
    bool model[SPACE + 64] = {false};
    uint32_t state = 1;
    for (int step = 0; step < 3000; step++) {
        state = state * 1664525 + 1013904223;
        uint64_t from = (state >> 8) % SPACE, to = from + (state >> 24) % 24;
        bool add = state & 64;
        REQUIRE((add ? ranges_add(&set, from, to) : ranges_remove(&set, from, to)) == 0);
        for (uint64_t at = from; at < to; at++)
            model[at] = add;
        check_against(&set, model);
    }
    ranges_done(&set);
    CHECK_EQ(set.count, 0);
}

TEST(neighbours_become_one)
{
    struct ranges set = {0};
    CHECK_EQ(ranges_add(&set, 0, 10), 0);
    CHECK_EQ(ranges_add(&set, 20, 30), 0);
    CHECK_EQ(ranges_add(&set, 10, 20), 0);
    CHECK_EQ(set.count, 1);
    CHECK_EQ(ranges_remove(&set, 5, 6), 0);
    CHECK_EQ(set.count, 2);
    ranges_done(&set);
}

TAP_MAIN()
