/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/options.h: the command line of `coffer-runtime` and `coffer run`. */
#ifndef COFFER_RUNTIME_OPTIONS_H
#define COFFER_RUNTIME_OPTIONS_H

#include "runtime/config.h"

#define RUNTIME_OPTIONS_HELP 1 /* the help was asked for and has been printed */

/* 0, RUNTIME_OPTIONS_HELP, or -errno with one line in `e`; -EINVAL for a wrong flag. The result
 * borrows from argv and envp. */
must_check int runtime_options(int argc, char **argv, char **envp,
                               struct runtime_config *ret_config, struct error *e);

#endif
