/* SPDX-License-Identifier: Apache-2.0 */
/* The table alone: the handlers are weak here, and absent. */
#include "runtime/syscall/call.h"
#include "tap.h"

#define CALL(nr_, name_, class_, fn_, shapes_, why_) syscall_fn fn_ __attribute__((weak));
#include "runtime/syscall/table.def"
#undef CALL
#include "runtime/syscall/table.c"

#include <sys/syscall.h>

#define KINDS "fd|dirfd|path|strv|int|uint|flags|mode|sig|size|ptr|"

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

/* One shape, without its comma. */
static bool shape_known(const char *shape, size_t len)
{
    static const char *const sized[] = {"in:", "out:", "in=", "out=", "iov_in:", "iov_out:"};
    char word[32] = {0};
    if (len == 0 || len >= sizeof(word) - 1)
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(sized); i++) {
        size_t n = strlen(sized[i]);
        if (len > n && memcmp(shape, sized[i], n) == 0)
            return strspn(shape + n, "0123456789") == len - n;
    }
    memcpy(word, shape, len);
    word[len] = '|';
    return strstr(KINDS, word) != NULL;
}

TEST(every_shape_is_a_word_of_the_vocabulary)
{
    for (long nr = 0; nr < CALL_NR_MAX; nr++) {
        const char *shape = call_shapes(nr);
        int count = 0;
        while (shape && *shape) {
            size_t len = strcspn(shape, ",");
            if (!shape_known(shape, len))
                printf("# %s: %.*s\n", call_name(nr), (int)len, shape);
            CHECK(shape_known(shape, len));
            shape += len + (shape[len] == ',');
            count++;
        }
        CHECK(count <= 6);
    }
}

TEST(what_is_not_passed_says_why)
{
    for (long nr = 0; nr < CALL_NR_MAX; nr++) {
        bool silent = call_table[nr].class == CALL_PASS || call_table[nr].class == CALL_UNKNOWN ||
                      call_table[nr].class == CALL_DENY;
        CHECK(silent || *call_why(nr));
    }
}

TAP_MAIN()
