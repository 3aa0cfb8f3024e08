/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdio.h>

enum { LINE_SIZE_MAX = 2048 };

static log_sink_fn *g_sink;
static const char *g_program = "coffer";
static enum log_level g_level = LOG_LEVEL_NOTICE;

struct line {
    char text[LINE_SIZE_MAX];
    size_t len;
};

void log_set_sink(log_sink_fn *sink, const char *program, enum log_level level)
{
    g_program = program;
    g_level = level;
    g_sink = sink;
}

static void line_char(struct line *line, char c)
{
    if (line->len < sizeof line->text)
        line->text[line->len++] = c;
}

static void line_text(struct line *line, const char *text)
{
    for (; *text; text++)
        line_char(line, *text);
}

/* Quotes what could break the line or forge another field. */
static void line_value(struct line *line, struct slice value)
{
    static const char hex[] = "0123456789abcdef";
    line_char(line, '"');
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.bytes[i];
        if (c == '"' || c == '\\') {
            line_char(line, '\\');
            line_char(line, (char)c);
        } else if (c >= 0x20 && c < 0x7f) {
            line_char(line, (char)c);
        } else {
            line_text(line, "\\x");
            line_char(line, hex[c >> 4]);
            line_char(line, hex[c & 15]);
        }
    }
    line_char(line, '"');
}

static void line_field(struct line *line, const struct log_field *field)
{
    char digits[24];
    line_char(line, ' ');
    line_text(line, field->name);
    line_char(line, '=');
    switch (field->kind) {
    case LOG_FIELD_TEXT:
        line_value(line, slice_of_text(field->text ? field->text : ""));
        break;
    case LOG_FIELD_SLICE:
        line_value(line, field->slice);
        break;
    case LOG_FIELD_INT:
        (void)snprintf(digits, sizeof digits, "%lld", (long long)field->number);
        line_text(line, digits);
        break;
    }
}

void log_event(enum log_level level, const char *message, const struct log_field *fields,
               size_t count)
{
    static const char *const names[] = {"error", "warning", "notice", "debug"};
    if (!g_sink || level > g_level)
        return;
    struct line line = {.len = 0};
    line_text(&line, g_program);
    line_text(&line, ": ");
    line_text(&line, names[level]);
    line_text(&line, ": ");
    line_text(&line, message);
    for (size_t i = 0; i < count; i++)
        line_field(&line, &fields[i]);
    g_sink(level, slice_of(line.text, line.len));
}

bool log_allows(struct log_limit *limit, int64_t now_s, unsigned burst)
{
    if (limit->minute != now_s / 60) {
        limit->minute = now_s / 60;
        limit->count = 0;
    }
    return limit->count++ < burst;
}
