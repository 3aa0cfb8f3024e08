/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers are those that HdrHistogram's own implementations test for. */
#include "load/histogram.h"

#include "tap.h"

#include <errno.h>

#define HOUR_US 3600000000ll

static struct histogram made(void)
{
    struct histogram h;
    REQUIRE(histogram_init(&h, 1, HOUR_US, 3) == 0);
    return h;
}

/* The published example: 10,000 values of 1 ms, then one stall of 100 s, in microseconds. */
static struct histogram raw(void)
{
    struct histogram h = made();
    for (int i = 0; i < 10000; i++)
        histogram_record(&h, 1000);
    histogram_record(&h, 100000000);
    return h;
}

/* The same with the values that the stall hid, one each 10 ms. */
static struct histogram corrected(void)
{
    struct histogram h = raw();
    for (int64_t missing = 100000000 - 10000; missing >= 10000; missing -= 10000)
        histogram_record(&h, missing);
    return h;
}

static bool near(int64_t value, int64_t wanted)
{
    return value >= wanted - wanted / 1000 && value <= wanted + wanted / 1000;
}

TEST(layout_is_the_published_one)
{
    struct histogram h = made();
    CHECK_EQ(h.counts_size, 23552);
    CHECK_EQ(h.bucket_count, 22);
    CHECK_EQ(h.unit_magnitude, 0);
    CHECK_EQ(h.half_magnitude, 10);
    histogram_done(&h);
    REQUIRE(histogram_init(&h, 100, 500 * 1000ll * 1000 * 1000, 3) == 0);
    CHECK_EQ(h.unit_magnitude, 6);
    histogram_done(&h);
}

TEST(refuses_impossible_ranges)
{
    struct histogram h;
    CHECK_EQ(histogram_init(&h, 0, 64, 2), -EINVAL);
    CHECK_EQ(histogram_init(&h, 80, 110, 5), -EINVAL);
    CHECK_EQ(histogram_init(&h, 1, 64, 0), -EINVAL);
    CHECK_EQ(histogram_init(&h, 1, 64, 6), -EINVAL);
    CHECK_EQ(histogram_init(&h, (int64_t)1 << 60, INT64_MAX, 5), -EINVAL);
}

TEST(percentiles_of_a_stall_without_correction)
{
    struct histogram h = raw();
    CHECK_EQ(h.total, 10001);
    CHECK(near(histogram_at_percentile(&h, 30), 1000));
    CHECK(near(histogram_at_percentile(&h, 99), 1000));
    CHECK(near(histogram_at_percentile(&h, 99.99), 1000));
    CHECK(near(histogram_at_percentile(&h, 99.999), 100000000));
    CHECK(near(histogram_at_percentile(&h, 100), 100000000));
    CHECK_EQ(h.max, 100000000);
    CHECK_EQ(h.min, 1000);
    histogram_done(&h);
}

TEST(percentiles_of_a_stall_with_what_it_hid)
{
    struct histogram h = corrected();
    CHECK_EQ(h.total, 20000);
    CHECK(near(histogram_at_percentile(&h, 30), 1000));
    CHECK(near(histogram_at_percentile(&h, 50), 1000));
    CHECK(near(histogram_at_percentile(&h, 75), 50000000));
    CHECK(near(histogram_at_percentile(&h, 90), 80000000));
    CHECK(near(histogram_at_percentile(&h, 99), 98000000));
    CHECK(near(histogram_at_percentile(&h, 99.999), 100000000));
    CHECK(near((int64_t)histogram_mean(&h), 25000500));
    histogram_done(&h);
}

TEST(every_value_falls_into_a_bucket_that_contains_it)
{
    struct histogram h = made();
    size_t last = 0;
    for (int64_t value = 0; value < HOUR_US; value = value * 17 / 16 + 1) {
        int64_t low, high;
        size_t index = histogram_index(&h, value);
        histogram_range(&h, index, &low, &high);
        CHECK(low <= value && value <= high);
        CHECK(high - low <= value / 1000);
        CHECK(index >= last && index < h.counts_size);
        last = index;
    }
    histogram_done(&h);
}

TEST(values_beyond_the_range_count_at_its_ends)
{
    struct histogram h = made();
    histogram_record(&h, -5);
    histogram_record(&h, INT64_MAX);
    CHECK_EQ(h.total, 2);
    CHECK_EQ(h.min, 0);
    CHECK_EQ(h.max, HOUR_US);
    CHECK(near(histogram_at_percentile(&h, 100), HOUR_US));
    histogram_done(&h);
}

TEST(an_empty_histogram_answers_zero)
{
    struct histogram h = made();
    CHECK_EQ(histogram_at_percentile(&h, 50), 0);
    CHECK_EQ(h.max, 0);
    CHECK(histogram_mean(&h) < 1e-9);
    histogram_done(&h);
}

TEST(adding_is_the_same_as_recording_both)
{
    struct histogram a = raw(), b = corrected(), empty = made();
    histogram_add(&a, &b);
    histogram_add(&a, &empty);
    CHECK_EQ(a.total, 30001);
    CHECK_EQ(a.min, 1000);
    CHECK_EQ(a.max, 100000000);
    CHECK_EQ(a.counts[histogram_index(&a, 1000)], 20000);
    histogram_reset(&a);
    CHECK_EQ(a.total, 0);
    CHECK_EQ(histogram_at_percentile(&a, 99), 0);
    histogram_done(&a);
    histogram_done(&b);
    histogram_done(&empty);
}

TAP_MAIN()
