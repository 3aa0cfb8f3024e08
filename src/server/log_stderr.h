/* SPDX-License-Identifier: Apache-2.0 */
/* server/log_stderr.h: the log sink of every service: one line, one write, to standard error. */
#ifndef COFFER_SERVER_LOG_STDERR_H
#define COFFER_SERVER_LOG_STDERR_H

#include "base/log.h"

/* For log_set_sink(). A line that cannot be written is lost, never waited for longer
 * than write() does. */
void log_to_stderr(enum log_level level, struct slice line);

/* log_set_sink() with this sink, and the level from a word (error, warning, notice, debug; NULL:
 * notice). -EINVAL for another word. */
must_check int log_start(const char *program, const char *level);

#endif
