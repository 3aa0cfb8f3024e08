/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <errno.h>
#include <string.h>

#define WORD_SIZE_MAX 32 /* longer words get no suggestion */
#define ROWS_MAX 64

/* Levenshtein's distance; both words shorter than WORD_SIZE_MAX. */
static size_t word_distance(const char *a, const char *b)
{
    size_t row[WORD_SIZE_MAX + 1];
    size_t b_size = strlen(b);
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_size; j++) {
            size_t changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            size_t moved = MIN(row[j], row[j + 1]) + 1;
            row[j + 1] = MIN(changed, moved);
        }
    }
    return row[b_size];
}

const char *options_closest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 3;
    if (strlen(word) >= WORD_SIZE_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance =
            strlen(names[i]) < WORD_SIZE_MAX ? word_distance(word, names[i]) : WORD_SIZE_MAX;
        if (distance < best_distance && distance < strlen(names[i])) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}

static int uint_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (*text == '\0')
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(number, 10U, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
            return -EINVAL;
    }
    if (number < min || number > max)
        return -ERANGE;
    *ret_number = number;
    return 0;
}

static int row_set(const struct option_row *row, const char *value, void *settings, struct error *e)
{
    char *member = (char *)settings + row->offset;
    uint64_t number = 0;
    bool on = true;
    switch (row->kind) {
    case OPTION_FLAG:
        memcpy(member, &on, sizeof on);
        return 0;
    case OPTION_TEXT:
        memcpy(member, &value, sizeof value);
        return 0;
    case OPTION_UINT:
        if (uint_parse(value, row->min, row->max, &number) < 0)
            return error_set(e, -EINVAL, "--%s takes a number from %llu to %llu, not '%s'",
                             row->name, (unsigned long long)row->min, (unsigned long long)row->max,
                             value);
        memcpy(member, &number, sizeof number);
        return 0;
    }
    return -EINVAL;
}

static int fallbacks_set(const struct option_row *rows, size_t row_count, void *settings,
                         struct error *e)
{
    for (size_t i = 0; i < row_count; i++) {
        if (!rows[i].fallback)
            continue;
        int r = row_set(&rows[i], rows[i].fallback, settings, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int unknown_flag(const struct option_row *rows, size_t row_count, struct slice name,
                        struct error *e)
{
    const char *names[ROWS_MAX];
    char word[WORD_SIZE_MAX] = "";
    row_count = MIN(row_count, (size_t)ROWS_MAX);
    for (size_t i = 0; i < row_count; i++)
        names[i] = rows[i].name;
    if (name.size < sizeof word)
        memcpy(word, name.bytes, name.size);
    const char *closest = options_closest(word, names, row_count);
    if (closest)
        return error_set(e, -EINVAL, "there is no flag '--%.*s'; did you mean '--%s'?",
                         (int)name.size, (const char *)name.bytes, closest);
    return error_set(e, -EINVAL, "there is no flag '--%.*s'", (int)name.size,
                     (const char *)name.bytes);
}

static const struct option_row *row_find(const struct option_row *rows, size_t row_count,
                                         struct slice name)
{
    for (size_t i = 0; i < row_count; i++)
        if (slice_is_text(name, rows[i].name))
            return &rows[i];
    return NULL;
}

/* Takes the flag at argv[*at] and its value, and moves *at to the last argument it used. */
static int flag_take(const struct option_row *rows, size_t row_count, int argc, char **argv,
                     int *at, void *settings, struct error *e)
{
    const char *text = argv[*at] + 2;
    const char *value = strchr(text, '=');
    struct slice name = slice_of(text, value ? (size_t)(value - text) : strlen(text));
    const struct option_row *row = row_find(rows, row_count, name);
    if (!row)
        return unknown_flag(rows, row_count, name, e);
    if (row->kind == OPTION_FLAG)
        return value ? error_set(e, -EINVAL, "--%s takes no value", row->name)
                     : row_set(row, "", settings, e);
    if (!value && *at + 1 >= argc)
        return error_set(e, -EINVAL, "--%s needs a value: --%s %s", row->name, row->name,
                         row->value_name);
    return row_set(row, value ? value + 1 : argv[++*at], settings, e);
}

int options_parse(const struct option_row *rows, size_t row_count, int argc, char **argv,
                  void *settings, int *ret_count, struct error *e)
{
    int count = 0;
    int r = fallbacks_set(rows, row_count, settings, e);
    for (int i = 0; r >= 0 && i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                argv[count++] = argv[i];
        } else if (strncmp(argv[i], "--", 2) == 0) {
            r = flag_take(rows, row_count, argc, argv, &i, settings, e);
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            r = error_set(e, -EINVAL, "there is no flag '%s'; flags are words after two dashes",
                          argv[i]);
        } else {
            argv[count++] = argv[i];
        }
    }
    if (r < 0)
        return r;
    *ret_count = count;
    return 0;
}

int options_help(const struct option_row *rows, size_t row_count, struct buf *out)
{
    for (size_t i = 0; i < row_count; i++) {
        const struct option_row *row = &rows[i];
        struct buf left = {0};
        buf_printf(&left, "--%s%s%s", row->name, row->value_name ? " " : "",
                   row->value_name ? row->value_name : "");
        const char *text = buf_text(&left);
        buf_printf(out, "  %-28s %s", text ? text : row->name, row->help);
        if (row->fallback && row->fallback[0])
            buf_printf(out, " (%s)", row->fallback);
        buf_append_text(out, "\n");
        buf_done(&left);
    }
    return out->failed ? -ENOMEM : 0;
}
