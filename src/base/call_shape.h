/* SPDX-License-Identifier: Apache-2.0 */
/* base/call_shape.h: argument shapes of system calls, as runtime/syscall/table.def writes them, in
 * numbers. The grammar stands there. Pure functions over constant text; any thread. */
#ifndef COFFER_BASE_CALL_SHAPE_H
#define COFFER_BASE_CALL_SHAPE_H

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

/* The same for a part of a row, which may name arguments that stand elsewhere. */
must_check int shape_parse_part(const char *text, struct call_shape *ret);

/* -EINVAL if a shape names an argument that is not there. */
must_check int shape_check(const struct call_shape *call);

#endif
