/* SPDX-License-Identifier: Apache-2.0 */
/* launcher/child.h: from fork() to a shut-in process with nothing of the launcher but what its job
 * names. The line between the two (base/launch.h) carries its requests for evidence. */
#ifndef COFFER_LAUNCHER_CHILD_H
#define COFFER_LAUNCHER_CHILD_H

#include "base/error.h"
#include "launcher/sandbox.h"

struct child_job {
    char tenant[64];
    char policy[64];
    const char *program;    /* /proc/self/fd/N of the measured bytes */
    const char *volume_dir; /* /proc/self/fd/N */
    int program_fd, volume_fd, handover_fd, status_fd, line_fd;
    struct sandbox sandbox;
};

/* Becomes the server; returns only if that fails, with -errno and a text in `e`. */
typedef int child_fn(struct child_job *job, struct error *e);

/* After fork(), in the child. Does not return: exits with 1 after telling the launcher why. */
void child_main(struct child_job *job, child_fn *run) __attribute__((noreturn));

#endif
