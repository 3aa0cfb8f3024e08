/* SPDX-License-Identifier: Apache-2.0 */
/* cli/command.h: the commands of `coffer`, in one table. A command gets the words after its name
 * and returns the exit code: 0, 1 failed, 2 called wrongly. */
#ifndef COFFER_CLI_COMMAND_H
#define COFFER_CLI_COMMAND_H

#include "base/buf.h"
#include "base/error.h"
#include "base/options.h"

struct command {
    const char *name;
    const char *usage; /* what follows the name */
    const char *help;
    int (*run)(int argc, char **argv);
};

#define EXIT_USAGE 2

int up_command(int argc, char **argv);
int run_command(int argc, char **argv);
int owner_command(int argc, char **argv);
int tenant_command(int argc, char **argv);
int doctor_command(int argc, char **argv);
int attest_command(int argc, char **argv);
int policy_command(int argc, char **argv);
int sgx_command(int argc, char **argv);
int kbs_command(int argc, char **argv);
int audit_command(int argc, char **argv);
int documents_command(int argc, char **argv);

/* Parses argv by `rows` and settles --help and mistakes: returns -1 to go on, or the exit code. The
 * words that are no flags are argv[0..*ret_count). */
int command_options(const char *command, const char *usage, const struct option_row *rows,
                    size_t row_count, int argc, char **argv, void *settings, int *ret_count);

/* One line on standard error, "coffer COMMAND: text", and the exit code for `code`: 2 for -EINVAL
 * where the user could have known, else 1. */
int command_fail(const char *command, const struct error *e, int code);

/* The program `name` beside this one. -ENOENT with a text. */
must_check int command_sibling(const char *name, char *ret_path, size_t size, struct error *e);

/* A client's name: 1 to 40 of a-z, 0-9 and inner hyphens, for it is also a DNS name. -EINVAL. */
must_check int command_tenant_name(const char *name, struct error *e);

/* --state, or $XDG_STATE_HOME/coffer, or ~/.local/state/coffer, absolute. */
must_check int command_state(const char *option, char *ret_path, size_t size, struct error *e);

#endif
