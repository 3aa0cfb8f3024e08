/* SPDX-License-Identifier: Apache-2.0 */
/* cli/up.h: what the parts of `coffer up` share. */
#ifndef COFFER_CLI_UP_H
#define COFFER_CLI_UP_H

#include "cli/supervise.h"

#include <limits.h>

#define UP_ARGS_MAX 40

struct up_options {
    const char *state, *listen, *page, *kbs, *domain, *program;
    uint64_t idle_s, uid_base;
    bool demo, verbose;
};

struct up {
    struct up_options options;
    char state[PATH_MAX];
    int lock_fd, log_fd, listen_fd, operator_fd;
    uint16_t port; /* clients connect there */
    uint16_t operator_port;
    char program[PATH_MAX]; /* the document server */
    char kbs[64];           /* address of the key broker */
    char kbs_pin[4096];     /* whom to believe to be the key broker */
    struct loop *loop;
    struct supervisor supervisor;
};

/* state/NAME as a new string, or NULL. */
char *up_path(const struct up *up, const char *name);

/* cli/up_state.c: makes the state directory, takes its lock, opens the log. */
must_check int up_state_open(struct up *up, struct error *e);

/* cli/up_programs.c: starts key broker, launcher and gateway, each when the one before answers. */
must_check int up_programs_start(struct up *up, struct error *e);
/* Lets what runs go on while waiting for `path` (a Unix socket) or `address`. -ETIMEDOUT. */
must_check int up_wait_address(struct up *up, const char *address, const char *program,
                               struct error *e);
must_check int up_wait_unix(struct up *up, const char *path, int type, const char *program,
                            struct error *e);

/* cli/up_kbs.c: the operator's key and the manifest, made once; then, by running the key broker's
 * own command line `argv`, its pin; and the CA's certificate, from the running one. */
must_check int up_kbs_prepare(struct up *up, struct error *e);
must_check int up_kbs_pin(struct up *up, char *const *argv, struct error *e);
must_check int up_kbs_ca(struct up *up, struct error *e);

/* cli/up_demo.c: the client `demo`, made once, and what the user reads about it. */
must_check int up_demo(struct up *up, struct error *e);

#endif
