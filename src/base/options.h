/* SPDX-License-Identifier: Apache-2.0 */
/* base/options.h: command-line flags from one table, which also prints the help. Flags may stand
 * before and after other arguments; `--` ends them; both `--name value` and `--name=value` work. */
#ifndef COFFER_BASE_OPTIONS_H
#define COFFER_BASE_OPTIONS_H

#include "base/buf.h"
#include "base/error.h"

enum option_kind {
    OPTION_FLAG, /* bool; takes no value */
    OPTION_TEXT, /* const char *, borrowed from argv or from the table */
    OPTION_UINT, /* uint64_t within min and max */
};

struct option_row {
    const char *name; /* without the dashes */
    enum option_kind kind;
    size_t offset;          /* of the member in the caller's settings struct */
    const char *fallback;   /* OPTION_TEXT: NULL stays NULL; OPTION_UINT: a number */
    const char *value_name; /* in the help */
    const char *help;
    uint64_t min, max; /* OPTION_UINT */
};

/* Fills `settings` with the fallbacks and then from argv[0..argc), and moves the arguments that are
 * no flags to the front of argv, in order; *ret_count is how many. Returns 0, or -EINVAL with a
 * line in `e` that names the flag and what it might have been. */
must_check int options_parse(const struct option_row *rows, size_t row_count, int argc, char **argv,
                             void *settings, int *ret_count, struct error *e);

/* One line per row. 0 or -ENOMEM. */
int options_help(const struct option_row *rows, size_t row_count, struct buf *out);

/* The entry of names[0..count) closest to `word`, or NULL if none is close enough to suggest. */
const char *options_closest(const char *word, const char *const *names, size_t count);

#endif
