/* SPDX-License-Identifier: Apache-2.0 */
#include "load/pacer.h"

#include "load/histogram.h"
#include "tap.h"

#define MS 1000000ll
#define SECOND (1000 * MS)

static struct pacer at_rate(uint64_t per_second, uint64_t clients, int64_t end_ns)
{
    return (struct pacer){
        .end_ns = end_ns, .rate_per_ks = per_second * 1000, .client_count = clients};
}

TEST(arrivals_come_at_the_rate_and_go_round_the_clients)
{
    struct pacer p = at_rate(100, 3, SECOND);
    uint64_t client, count = 0;
    while (pacer_arrival(&p, 10 * SECOND, &client))
        CHECK_EQ(client, count++ % 3);
    CHECK_EQ(count, 100);
    CHECK_EQ(pacer_arrived_of(&p, 0), 34);
    CHECK_EQ(pacer_arrived_of(&p, 1), 33);
    CHECK_EQ(pacer_arrived_of(&p, 2), 33);
    CHECK_EQ(pacer_next_ns(&p), INT64_MAX);
}

TEST(an_arrival_is_not_announced_before_its_time)
{
    struct pacer p = at_rate(1000, 1, SECOND);
    uint64_t client;
    CHECK(pacer_arrival(&p, 0, &client));
    CHECK(!pacer_arrival(&p, MS - 1, &client));
    CHECK_EQ(pacer_next_ns(&p), MS);
    CHECK(pacer_arrival(&p, MS, &client));
}

TEST(rounding_does_not_accumulate)
{
    struct pacer p = at_rate(3, 1, INT64_MAX);
    CHECK_EQ(pacer_intended_ns(&p, 0, 3000000), 1000000 * SECOND);
}

TEST(a_closed_loop_has_no_arrivals)
{
    struct pacer p = at_rate(0, 5, SECOND);
    uint64_t client;
    CHECK(!pacer_arrival(&p, SECOND / 2, &client));
    CHECK_EQ(pacer_next_ns(&p), INT64_MAX);
}

/* One client, 100 requests a second for 10 s, each served in 1 ms, but the server stands still from
 * second 2 to second 3. In virtual time. */
static void run_with_stall(struct histogram *from_intended, struct histogram *from_start)
{
    struct pacer p = at_rate(100, 1, 10 * SECOND);
    int64_t free_ns = 0;
    uint64_t client;
    for (uint64_t number = 0; pacer_arrival(&p, INT64_MAX - 1, &client); number++) {
        int64_t intended_ns = pacer_intended_ns(&p, client, number);
        int64_t start_ns = intended_ns > free_ns ? intended_ns : free_ns;
        int64_t done_ns = start_ns + MS;
        if (start_ns >= 2 * SECOND && start_ns < 3 * SECOND && free_ns < 3 * SECOND)
            done_ns = 3 * SECOND + MS;
        histogram_record(from_intended, done_ns - intended_ns);
        histogram_record(from_start, done_ns - start_ns);
        free_ns = done_ns;
    }
}

TEST(a_stall_shows_as_latency_of_everything_that_came_meanwhile)
{
    struct histogram intended, start;
    REQUIRE(histogram_init(&intended, 1000, 3600 * SECOND, 3) == 0);
    REQUIRE(histogram_init(&start, 1000, 3600 * SECOND, 3) == 0);
    run_with_stall(&intended, &start);
    CHECK_EQ(intended.total, 1000);
    /* Measured from the actual start, one request in a thousand was slow ... */
    CHECK(histogram_at_percentile(&start, 99) < 2 * MS);
    /* ... while in truth a tenth of them came into the stall and waited half a second on average. */
    CHECK(histogram_at_percentile(&intended, 99) > 900 * MS);
    CHECK(histogram_at_percentile(&intended, 95) > 450 * MS);
    CHECK(histogram_at_percentile(&intended, 85) < 2 * MS);
    histogram_done(&intended);
    histogram_done(&start);
}

TAP_MAIN()
