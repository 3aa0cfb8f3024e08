/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "tap.h"

static char g_line[4096];
static int g_lines;

static void keep(enum log_level level, struct slice line)
{
    (void)level;
    REQUIRE(line.size < sizeof g_line);
    memcpy(g_line, line.bytes, line.size);
    g_line[line.size] = '\0';
    g_lines++;
}

TEST(log_escapes_values_so_that_no_field_can_be_forged)
{
    log_set_sink(keep, "test", LOG_LEVEL_NOTICE);
    LOG_NOTICE("asked", LOG_TEXT("name", "a\" b=\"c\n\x80"), LOG_INT("n", -5));
    CHECK_TEXT(g_line, "test: notice: asked name=\"a\\\" b=\\\"c\\x0a\\x80\" n=-5");
    LOG_NOTICE("bare");
    CHECK_TEXT(g_line, "test: notice: bare");
}

TEST(log_drops_what_is_below_its_level)
{
    int before = g_lines;
    LOG_DEBUG("unseen", LOG_INT("n", 1));
    CHECK_EQ(g_lines, before);
}

TEST(log_limit_lets_only_a_burst_pass_each_minute)
{
    struct log_limit limit = {0};
    CHECK(log_allows(&limit, 6000, 2));
    CHECK(log_allows(&limit, 6001, 2));
    CHECK(!log_allows(&limit, 6002, 2));
    CHECK(log_allows(&limit, 6060, 2));
}

TAP_MAIN()
