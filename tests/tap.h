/* SPDX-License-Identifier: Apache-2.0 */
/* tests/tap.h: a small test harness that speaks TAP 13.
 *
 *     #include "tap.h"
 *     TEST(reader_refuses_every_truncation) { CHECK_EQ(parse(x), -EBADMSG); }
 *     TAP_MAIN()
 *
 * A test's name states the fact it proves. CHECK goes on after a failure, REQUIRE ends the test
 * program: for preconditions without which nothing after makes sense. One file per program. */
#ifndef COFFER_TESTS_TAP_H
#define COFFER_TESTS_TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tap_test {
    const char *name;
    void (*run)(void);
    struct tap_test *next;
};

static struct tap_test *tap_first, **tap_last = &tap_first;
static int tap_failures_in_test;

#define TEST(name_)                                                     \
    static void test_##name_(void);                                     \
    static struct tap_test tap_##name_ = {#name_, test_##name_, NULL};  \
    __attribute__((constructor)) static void tap_register_##name_(void) \
    {                                                                   \
        *tap_last = &tap_##name_;                                       \
        tap_last = &tap_##name_.next;                                   \
    }                                                                   \
    static void test_##name_(void)

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            tap_failures_in_test++;                                            \
            printf("# %s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                      \
    } while (0)

#define CHECK_EQ(got_, wanted_)                                                           \
    do {                                                                                  \
        long long tap_got = (long long)(got_), tap_wanted = (long long)(wanted_);         \
        if (tap_got != tap_wanted) {                                                      \
            tap_failures_in_test++;                                                       \
            printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got_, tap_got, \
                   tap_wanted);                                                           \
        }                                                                                 \
    } while (0)

#define CHECK_TEXT(got_, wanted_)                                                    \
    do {                                                                             \
        const char *tap_got = (got_), *tap_wanted = (wanted_);                       \
        if (!tap_got || strcmp(tap_got, tap_wanted) != 0) {                          \
            tap_failures_in_test++;                                                  \
            printf("# %s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got_, \
                   tap_got ? tap_got : "(null)", tap_wanted);                        \
        }                                                                            \
    } while (0)

#define REQUIRE(condition)                                                             \
    do {                                                                               \
        if (!(condition)) {                                                            \
            printf("Bail out! %s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            exit(99);                                                                  \
        }                                                                              \
    } while (0)

static int tap_main(void)
{
    int number = 0, failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct tap_test *t = tap_first; t; t = t->next)
        number++;
    printf("TAP version 13\n1..%d\n", number);
    number = 0;
    for (struct tap_test *t = tap_first; t; t = t->next) {
        tap_failures_in_test = 0;
        t->run();
        failed += tap_failures_in_test > 0;
        printf("%sok %d - %s\n", tap_failures_in_test ? "not " : "", ++number, t->name);
    }
    return failed > 0;
}

#define TAP_MAIN()         \
    int main(void)         \
    {                      \
        return tap_main(); \
    }

#endif
