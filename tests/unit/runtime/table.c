/* SPDX-License-Identifier: Apache-2.0 */
/* The table alone: the handlers are weak here, and absent. */
#include "runtime/syscall/call.h"
#include "tap.h"

#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) syscall_fn fn_ __attribute__((weak));
#include "runtime/syscall/table.def"
#undef CALL
#include "runtime/syscall/shape.c" /* NOLINT(bugprone-suspicious-include) */
#include "runtime/syscall/table.c" /* NOLINT(bugprone-suspicious-include) */

#include <sys/syscall.h>

TEST(every_call_of_the_headers_has_a_row)
{
    for (long nr = 0; nr <= SYS_set_mempolicy_home_node; nr++) {
        if (nr >= 335 && nr < 424) /* numbers that x86-64 does not use */
            continue;
        CHECK(call_table[nr].class != CALL_UNKNOWN);
        CHECK(call_name(nr) != NULL);
    }
    CHECK_TEXT(call_name(SYS_openat), "openat");
    CHECK_TEXT(call_name(SYS_clone3), "clone3");
    CHECK(call_name(400) == NULL);
    CHECK(call_name(-1) == NULL);
    CHECK(call_name(CALL_NR_MAX) == NULL);
}

static int bys(const struct call_shape *c)
{
    int count = 0;
    for (int i = 0; i < c->count; i++)
        count += c->args[i].kind == SHAPE_BY;
    return count;
}

TEST(every_row_has_shapes_of_the_grammar)
{
    for (long nr = 0; nr < CALL_NR_MAX; nr++) {
        struct call_shape c;
        if (!call_name(nr))
            continue;
        int r = shape_parse(call_shapes(nr), &c);
        if (r < 0)
            printf("# %s: %s\n", call_name(nr), call_shapes(nr));
        CHECK_EQ(r, 0);
    }
}

TEST(every_variant_fits_its_row)
{
    for (size_t i = 0; i < ARRAY_COUNT(g_variants); i++) {
        struct call_shape row, variant;
        long nr = g_variants[i].nr;
        unsigned long args[SHAPE_ARGS] = {0};
        CHECK_EQ(shape_parse(call_shapes(nr), &row), 0);
        CHECK_EQ(shape_parse_part(g_variants[i].shapes, &variant), 0);
        CHECK_EQ(variant.result, SHAPE_RESULT_ZERO);
        CHECK_EQ(variant.count, bys(&row));
        for (int k = 0; k < row.count; k++)
            if (row.args[k].kind == SHAPE_BY)
                args[row.args[k].n] = g_variants[i].selector;
        CHECK_EQ(shape_of_call(nr, args, &variant), 0);
        CHECK_EQ(bys(&variant), 0);
        for (size_t k = 0; k < i; k++)
            CHECK(g_variants[k].nr != nr || g_variants[k].selector != g_variants[i].selector);
    }
}

TEST(a_row_with_by_has_variants)
{
    for (long nr = 0; nr < CALL_NR_MAX; nr++) {
        struct call_shape row;
        bool found = false;
        if (!call_name(nr) || shape_parse(call_shapes(nr), &row) < 0 || bys(&row) == 0)
            continue;
        for (size_t i = 0; i < ARRAY_COUNT(g_variants); i++)
            found |= g_variants[i].nr == nr;
        CHECK(found);
    }
}

TEST(shapes_are_read_as_they_are_meant)
{
    struct call_shape c;
    CHECK_EQ(shape_parse("fd,out:2,size>2", &c), 0);
    CHECK_EQ(c.count, 3);
    CHECK_EQ(c.args[1].kind, SHAPE_BYTES);
    CHECK(c.args[1].out && !c.args[1].in);
    CHECK_EQ(c.args[1].how, SHAPE_SIZE_ARG);
    CHECK_EQ(c.args[1].n, 2);
    CHECK_EQ(c.result, SHAPE_RESULT_UP_TO);
    CHECK_EQ(c.result_arg, 2);
    CHECK_EQ(shape_parse("io:1/64*8,size", &c), 0);
    CHECK_EQ(c.args[0].divide, 64);
    CHECK_EQ(c.args[0].times, 8);
    CHECK_EQ(shape_parse("in:1+8,size", &c), 0);
    CHECK_EQ(c.args[0].plus, 8);
    CHECK_EQ(shape_parse("io^0+8", &c), 0);
    CHECK_EQ(c.args[0].how, SHAPE_SIZE_OWN);
    CHECK_EQ(shape_parse(">none", &c), 0);
    CHECK_EQ(c.result, SHAPE_RESULT_NONE);
    const unsigned long wait[6] = {0, FUTEX_WAIT | FUTEX_PRIVATE_FLAG}, odd[6] = {0, 99};
    CHECK_EQ(shape_of_call(SYS_futex, wait, &c), 0);
    CHECK_EQ(c.args[3].kind, SHAPE_BYTES);
    CHECK_EQ(c.args[3].n, 16);
    CHECK_EQ(c.args[4].kind, SHAPE_ADDR);
    CHECK_EQ(shape_of_call(SYS_futex, odd, &c), -EINVAL);
    CHECK_EQ(shape_of_call(400, odd, &c), -ENOSYS);
}

TEST(what_is_not_of_the_grammar_is_refused)
{
    static const char *const bad[] = {
        "ptr",
        "in",
        "in:",
        "in:1",
        "fd,",
        ",fd",
        "fd,,fd",
        "fd:3",
        "in=4294967296",
        "in:1/0,int",
        "out@1,int",
        "int>9",
        "int>1",
        "int>x",
        "by",
        "fd fd",
        "int,int,int,int,int,int,int",
        "in=0x",
        ">",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct call_shape c;
        if (shape_parse(bad[i], &c) != -EINVAL)
            printf("# %s\n", bad[i]);
        CHECK_EQ(shape_parse(bad[i], &c), -EINVAL);
    }
}

TEST(an_enclave_refuses_what_the_table_says)
{
    CHECK_EQ(call_enclave_errno(SYS_fork), -ENOSYS);
    CHECK_EQ(call_enclave_errno(SYS_vmsplice), -EINVAL);
    CHECK_EQ(call_enclave_errno(SYS_read), 0);
    CHECK_EQ(call_enclave_errno(400), 0);
    CHECK_TEXT(call_engines(SYS_mmap), "part");
    CHECK(call_engines(400) == NULL);
}

TEST(what_is_not_passed_says_why)
{
    for (long nr = 0; nr < CALL_NR_MAX; nr++) {
        bool silent = call_table[nr].class == CALL_PASS || call_table[nr].class == CALL_UNKNOWN;
        CHECK(silent || *call_why(nr));
    }
}

TAP_MAIN()
