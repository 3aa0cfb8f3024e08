/* SPDX-License-Identifier: Apache-2.0 */
/* base/log.h: events for operators. A fixed message plus key=value pairs, so that it can be
 * counted and searched; values are escaped here, once. Names of documents, contents and secrets
 * never go into an event.
 *
 *     LOG_WARNING("lease lost", LOG_TEXT("volume", id), LOG_INT("epoch", epoch));
 *
 * Who must act: ERROR an operator, now; WARNING soon, and what we did instead; NOTICE nobody;
 * DEBUG developers. base/ does no I/O: a program sets a sink (log_to_stderr() is in server/ and
 * cli/). Until then events are dropped. Safe on any thread once the sink is set. */
#ifndef COFFER_BASE_LOG_H
#define COFFER_BASE_LOG_H

#include "base/macros.h"
#include "base/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

struct log_field {
    const char *name;
    enum { LOG_FIELD_TEXT, LOG_FIELD_SLICE, LOG_FIELD_INT } kind;
    const char *text;
    struct slice slice;
    int64_t number;
};

#define LOG_TEXT(name_, value_) \
    ((struct log_field){.name = (name_), .kind = LOG_FIELD_TEXT, .text = (value_)})
#define LOG_SLICE(name_, value_) \
    ((struct log_field){.name = (name_), .kind = LOG_FIELD_SLICE, .slice = (value_)})
#define LOG_INT(name_, value_) \
    ((struct log_field){.name = (name_), .kind = LOG_FIELD_INT, .number = (int64_t)(value_)})

/* Receives one finished line without its newline. Must not log. */
typedef void log_sink_fn(enum log_level level, struct slice line);

/* `program` is written into each line and must live for ever. Levels above `level` are dropped. */
void log_set_sink(log_sink_fn *sink, const char *program, enum log_level level);

void log_event(enum log_level level, const char *message, const struct log_field *fields,
               size_t count);

#define LOG_EVENT(level, message, ...)                                            \
    log_event(level, message, (const struct log_field[]){{0}, ##__VA_ARGS__} + 1, \
              sizeof((struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field) - 1)
#define LOG_ERROR(message, ...) LOG_EVENT(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)
#define LOG_WARNING(message, ...) LOG_EVENT(LOG_LEVEL_WARNING, message, ##__VA_ARGS__)
#define LOG_NOTICE(message, ...) LOG_EVENT(LOG_LEVEL_NOTICE, message, ##__VA_ARGS__)
#define LOG_DEBUG(message, ...) LOG_EVENT(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)

/* What a peer can cause is rate-limited: true for the first `burst` calls of each minute. */
struct log_limit {
    int64_t minute;
    unsigned count;
};
bool log_allows(struct log_limit *limit, int64_t now_s, unsigned burst);

#endif
