/* SPDX-License-Identifier: Apache-2.0 */
/* syscall/shape.h: what the argument shapes of syscall/table.def and variants.def say, as numbers.
 *
 * The grammar stands at the top of table.def. Pure functions over constant text; any thread. */
#ifndef COFFER_RUNTIME_SYSCALL_SHAPE_H
#define COFFER_RUNTIME_SYSCALL_SHAPE_H

#include "base/macros.h"

#include <stdint.h>

#define SHAPE_ARGS 6

enum shape_kind {
    SHAPE_NONE, /* no such argument */
    SHAPE_FD,
    SHAPE_DIRFD,
    SHAPE_INT,
    SHAPE_UINT,
    SHAPE_SIZE,
    SHAPE_OFF,
    SHAPE_FLAGS,
    SHAPE_MODE,
    SHAPE_SIG,
    SHAPE_ADDR, /* the last that is a value and nothing more */
    SHAPE_WORD,
    SHAPE_PATH,
    SHAPE_STR,
    SHAPE_STRV,
    SHAPE_BYTES, /* in, out or both */
    SHAPE_IOV,
    SHAPE_MSG,
    SHAPE_MMSG,
    SHAPE_SIGARG,
    SHAPE_WAITV,
    SHAPE_XATTR,
    SHAPE_PTRS,
    SHAPE_BY,
};

enum shape_size {
    SHAPE_SIZE_NONE,
    SHAPE_SIZE_FIXED, /* n bytes */
    SHAPE_SIZE_ARG,   /* argument n, divided (up), times, plus */
    SHAPE_SIZE_AT,    /* the u32 at the address in argument n */
    SHAPE_SIZE_OWN,   /* the u32 at offset n of the bytes, plus */
};

struct shape {
    uint8_t kind; /* enum shape_kind */
    uint8_t how;  /* enum shape_size */
    bool in, out;
    uint32_t n, divide, times, plus; /* divide and times are never 0 */
    uint32_t mask;                   /* of `by`: argument n & mask is the selector */
};

enum shape_result {
    SHAPE_RESULT_ZERO,
    SHAPE_RESULT_FD,
    SHAPE_RESULT_UP_TO, /* argument result_arg, or what its iovec or message holds */
    SHAPE_RESULT_INT,
    SHAPE_RESULT_OFF,
    SHAPE_RESULT_ADDR,
    SHAPE_RESULT_NONE,
};

struct call_shape {
    struct shape args[SHAPE_ARGS];
    int count;
    uint8_t result; /* enum shape_result */
    uint8_t result_arg;
};

/* -EINVAL if the text is not of the grammar or names an argument that is not there. */
must_check int shape_parse(const char *text, struct call_shape *ret);

/* The shapes of variants.def for `nr` and `selector`; NULL if there is none. */
const char *shape_variant(long nr, uint32_t selector);

/* The row of call `nr` with every `by` replaced by what these arguments select. -ENOSYS: no row.
 * -EINVAL: no such variant. */
must_check int shape_of_call(long nr, const unsigned long args[SHAPE_ARGS], struct call_shape *ret);

#endif
