/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/runtime.h: the runtime as a library, for coffer-runtime and for the launcher. A program
 * that links it calls runtime_continue() first thing in main(): the runtime may have executed the
 * program again on behalf of a guest. */
#ifndef COFFER_RUNTIME_RUNTIME_H
#define COFFER_RUNTIME_RUNTIME_H

#include "platform/ops.h"
#include "runtime/config.h"

/* What can be done once before many forks, and inherited: bounds, sizes, a look at the vDSO. Holds
 * no secret and opens nothing. Optional. */
must_check int runtime_warm(struct error *e);

/* The platform under coffer-runtime, chosen and started, first thing in its main(): on_sim.c has it;
 * coffer-runtime-box is linked with on_box.c instead. Ends the process if it cannot be started. */
const struct platform_ops *runtime_platform(char **envp);

/* If this process was executed to continue a guest, does so and does not return. */
void runtime_continue(int argc, char **argv);

#endif
