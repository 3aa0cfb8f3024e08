/* SPDX-License-Identifier: Apache-2.0 */
/* launcher/launcher.h: takes start commands from the agent (base/launch.h), forks a server for each
 * and says how it ends. Single-threaded; holds no client's secret; parses nothing but start commands
 * and its children's requests for evidence. Two descriptors per server at most.
 *
 * Promise: no second server of a tenant starts while a first one lives. */
#ifndef COFFER_LAUNCHER_LAUNCHER_H
#define COFFER_LAUNCHER_LAUNCHER_H

#include "base/buf.h"
#include "base/launch.h"
#include "launcher/child.h"
#include "launcher/program.h"
#include "server/loop.h"

struct launcher_settings {
    uint16_t kbs_port; /* the only port a server may connect to */
    uint64_t
        uid_base; /* as root: volumes belong to uids from this on, and so will servers; 0: no */
    child_fn *run;
    /* Signs evidence for the program with that digest. Appends; 0 or -errno with a text. */
    int (*evidence)(const uint8_t program[SHA256_SIZE],
                    const uint8_t report_data[LAUNCH_REPORT_DATA_SIZE], struct buf *ret_evidence,
                    struct error *e);
};

struct launcher;

/* Serves the agent that connects to `listen_fd` (SOCK_SEQPACKET; belongs to the launcher from here
 * on). `settings` must outlive it. */
must_check int launcher_new(struct loop *loop, const struct launcher_settings *settings,
                            int listen_fd, struct launcher **ret_launcher);
/* Measures a program before the first start asks for it. */
must_check int launcher_warm(struct launcher *launcher, const char *program, struct error *e);
/* Ends all servers: asks first, kills after a time; then the loop stops. */
void launcher_stop(struct launcher *launcher);
void launcher_free(struct launcher *launcher);

#endif
