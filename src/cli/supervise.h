/* SPDX-License-Identifier: Apache-2.0 */
/* cli/supervise.h: keeps a few programs running: starts them in order, starts one that ends again
 * with growing pauses, and stops all, last started first. One loop, one thread. */
#ifndef COFFER_CLI_SUPERVISE_H
#define COFFER_CLI_SUPERVISE_H

#include "base/error.h"
#include "server/loop.h"

#include <sys/types.h>

#define SUPERVISE_MAX 4

struct supervised {
    const char *name;
    char *const *argv; /* argv[0]: path; must outlive the supervisor, as `name` */
    uint64_t stop_ns;  /* after SIGTERM, then it is killed */
    /* Filled in by the supervisor. */
    struct supervisor *supervisor;
    pid_t pid; /* 0: not running */
    uint64_t started_ns;
    unsigned failed_in_row;
    struct loop_timer timer; /* next start, or the kill */
};

struct supervisor {
    struct loop *loop;
    int log_fd; /* standard output and error of what is started */
    struct supervised programs[SUPERVISE_MAX];
    size_t count;
    bool is_stopping, is_stopped;
    struct loop_watch signals;
};

/* Adopts orphans of what it starts, and watches for their end. 0 or -errno. */
must_check int supervisor_init(struct supervisor *s, struct loop *loop, int log_fd);

/* Starts it now; from then on it is kept running. */
must_check int supervisor_start(struct supervisor *s, const char *name, char *const *argv,
                                uint64_t stop_ns, struct error *e);
bool supervisor_is_running(const struct supervisor *s, const char *name);

/* Stops all; the loop stops when the last has ended. */
void supervisor_stop(struct supervisor *s);
/* Runs the loop until all were stopped. 0 or -errno. */
must_check int supervisor_run(struct supervisor *s);

#endif
