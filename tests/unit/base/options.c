/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include "tap.h"

#include <errno.h>

struct settings {
    const char *listen;
    uint64_t port;
    bool demo;
};

static const struct option_row g_rows[] = {
    {"listen", OPTION_TEXT, offsetof(struct settings, listen), "127.0.0.1", "ADDRESS", "Where", 0,
     0},
    {"port", OPTION_UINT, offsetof(struct settings, port), "8443", "PORT", "Which", 1, 65535},
    {"demo", OPTION_FLAG, offsetof(struct settings, demo), NULL, NULL, "Whether", 0, 0},
};

static char g_line[200];
static char *g_argv[16];

/* The words of `line`, split at spaces, stay in g_argv. */
static int parse(const char *line, struct settings *settings, int *count, struct error *e)
{
    int argc = 0;
    char *rest = NULL;
    snprintf(g_line, sizeof g_line, "%s", line);
    for (char *word = strtok_r(g_line, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        g_argv[argc++] = word;
    *settings = (struct settings){0};
    *e = (struct error){0};
    return options_parse(g_rows, ARRAY_COUNT(g_rows), argc, g_argv, settings, count, e);
}

TEST(without_flags_the_fallbacks_stand)
{
    struct settings s;
    struct error e;
    int count = -1;
    CHECK_EQ(parse("word", &s, &count, &e), 0);
    CHECK_EQ(count, 1);
    CHECK_TEXT(s.listen, "127.0.0.1");
    CHECK_EQ(s.port, 8443);
    CHECK(!s.demo);
}

TEST(flags_stand_anywhere_and_words_keep_their_order)
{
    struct settings s;
    struct error e;
    int count = -1;
    CHECK_EQ(parse("add --port 1 acme --demo --listen=::1 -- --x", &s, &count, &e), 0);
    CHECK_EQ(count, 3);
    CHECK_TEXT(g_argv[0], "add");
    CHECK_TEXT(g_argv[1], "acme");
    CHECK_TEXT(g_argv[2], "--x");
    CHECK_TEXT(s.listen, "::1");
    CHECK_EQ(s.port, 1);
    CHECK(s.demo);
}

TEST(a_wrong_flag_gets_a_suggestion)
{
    struct settings s;
    struct error e;
    int count = -1;
    CHECK_EQ(parse("--lisen x", &s, &count, &e), -EINVAL);
    CHECK_TEXT(e.text, "there is no flag '--lisen'; did you mean '--listen'?");
    CHECK_EQ(parse("--entirely-else", &s, &count, &e), -EINVAL);
    CHECK_TEXT(e.text, "there is no flag '--entirely-else'");
    CHECK_EQ(parse("-x", &s, &count, &e), -EINVAL);
    CHECK_EQ(count, -1);
}

TEST(values_that_are_missing_or_out_of_range_are_named)
{
    struct settings s;
    struct error e;
    int count = -1;
    CHECK_EQ(parse("--port", &s, &count, &e), -EINVAL);
    CHECK_TEXT(e.text, "--port needs a value: --port PORT");
    CHECK_EQ(parse("--port 65536", &s, &count, &e), -EINVAL);
    CHECK_TEXT(e.text, "--port takes a number from 1 to 65535, not '65536'");
    CHECK_EQ(parse("--port=", &s, &count, &e), -EINVAL);
    CHECK_EQ(parse("--port 99999999999999999999999", &s, &count, &e), -EINVAL);
    CHECK_EQ(parse("--port 12a", &s, &count, &e), -EINVAL);
    CHECK_EQ(parse("--demo=yes", &s, &count, &e), -EINVAL);
}

TEST(the_help_comes_from_the_table)
{
    struct buf out = {0};
    CHECK_EQ(options_help(g_rows, ARRAY_COUNT(g_rows), &out), 0);
    const char *text = buf_text(&out);
    CHECK(text && strstr(text, "--port PORT") && strstr(text, "(8443)") && strstr(text, "--demo"));
    buf_done(&out);
}

TAP_MAIN()
