/* SPDX-License-Identifier: Apache-2.0 */
#include "server/log_stderr.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

void log_to_stderr(enum log_level level, struct slice line)
{
    (void)level;
    struct iovec parts[] = {
        {.iov_base = (void *)(uintptr_t)line.bytes, .iov_len = line.size},
        {.iov_base = (void *)(uintptr_t) "\n", .iov_len = 1},
    };
    ssize_t n = writev(STDERR_FILENO, parts, (int)ARRAY_COUNT(parts));
    (void)n;
}

int log_start(const char *program, const char *level)
{
    static const char *const words[] = {"error", "warning", "notice", "debug"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (strcmp(level ? level : "notice", words[i]) == 0) {
            log_set_sink(log_to_stderr, program, (enum log_level)i);
            return 0;
        }
    return -EINVAL;
}
