/* SPDX-License-Identifier: Apache-2.0 */
/* The calendar of libc_own.c against libc's. */
#include "tap.h"

#define gmtime_r own_gmtime_r
#define getrandom own_getrandom
#define getentropy own_getentropy
#include "runtime/libc_own.c" /* NOLINT(bugprone-suspicious-include) */
#undef gmtime_r

extern struct tm *gmtime_r(const time_t *clock, struct tm *ret);

static bool same(time_t clock)
{
    struct tm own, theirs;
    if (!own_gmtime_r(&clock, &own) || !gmtime_r(&clock, &theirs))
        return false;
    return own.tm_year == theirs.tm_year && own.tm_mon == theirs.tm_mon &&
           own.tm_mday == theirs.tm_mday && own.tm_hour == theirs.tm_hour &&
           own.tm_min == theirs.tm_min && own.tm_sec == theirs.tm_sec &&
           own.tm_wday == theirs.tm_wday && own.tm_yday == theirs.tm_yday;
}

TEST(every_day_of_eight_centuries_is_the_one_libc_says)
{
    bool all = true;
    for (int64_t day = -146097; day <= 146097; day++)
        all = all && same(day * DAY) && same(day * DAY + DAY - 1);
    CHECK(all);
}

TEST(times_at_the_ends_of_what_can_be_said)
{
    CHECK(same(0));
    CHECK(same(-1));
    CHECK(same(INT32_MAX));
    CHECK(same(67767976233532799)); /* the last second of year 2^31 + 1899 */
    struct tm tm;
    time_t beyond = 67768036191676800, before = INT64_MIN;
    CHECK(own_gmtime_r(&beyond, &tm) == NULL);
    CHECK(own_gmtime_r(&before, &tm) == NULL);
}

TEST(randomness_is_the_platforms)
{
    char bytes[300];
    platform_set(&platform_null);
    CHECK_EQ(own_getrandom(bytes, 10, 0), -1);
    CHECK_EQ(errno, EIO);
    CHECK_EQ(own_getentropy(bytes, 10), -1);
    platform_set(&platform_sim);
    CHECK_EQ(own_getrandom(bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    CHECK_EQ(own_getentropy(bytes, 256), 0);
    CHECK_EQ(own_getentropy(bytes, 257), -1);
}

TAP_MAIN()
