/* SPDX-License-Identifier: Apache-2.0 */
/* base/error.h: what went wrong, for the person who may know.
 *
 * The first failure describes itself with error_set(); each caller adds only where, with
 * error_prefix(). Both return the code, so a function ends in `return error_set(e, -EINVAL, ...)`.
 * A NULL `e` means that nobody will read the text. Never put a secret into it. */
#ifndef COFFER_BASE_ERROR_H
#define COFFER_BASE_ERROR_H

#include "base/macros.h"

#define ERROR_TEXT_SIZE 512

struct error {
    int code;                   /* -errno of the first failure; 0: none */
    char text[ERROR_TEXT_SIZE]; /* one line, cut if too long, always NUL-terminated */
};

int error_set(struct error *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "where: " before the text that is there. */
int error_prefix(struct error *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__ /* it does not see into error.c, and took a failure for success */
#define error_set(e, code, ...) (error_set(e, code, __VA_ARGS__), (code))
#define error_prefix(e, code, ...) (error_prefix(e, code, __VA_ARGS__), (code))
#endif

/* The text, or the name of the errno where no text was set. Lives as long as `e`. */
const char *error_text(const struct error *e, int code);

#endif
