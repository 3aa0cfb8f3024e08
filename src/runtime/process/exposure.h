/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/process/exposure.h: what the host's ordinary tools are shown of the process: whether it may
 * be dumped and read (PR_SET_DUMPABLE), and its arguments and environment in /proc/PID.
 *
 * Under a policy nothing is shown, unless `--insecure__debug` asks for it. */
#ifndef COFFER_RUNTIME_PROCESS_EXPOSURE_H
#define COFFER_RUNTIME_PROCESS_EXPOSURE_H

#include "runtime/config.h"

/* Addresses in the guest. */
struct exposed_strings {
    uint64_t arguments, arguments_end, environment, environment_end;
};

/* Before anything secret is read: neither dumps nor other processes of the user. -errno. */
must_check int exposure_close(void);

/* When the configuration is known. Closes under a policy; `continues`: after exposure_close() in a
 * runtime that continues another, opens again where nothing is to be hidden. -errno. */
must_check int exposure_start(const struct runtime_config *config, bool continues);

/* An exec in place: the new program is dumpable, as the kernel has it. */
void exposure_exec(void);

struct syscall_call;
/* The guest's PR_GET_DUMPABLE and PR_SET_DUMPABLE: virtual while the process is closed. */
int64_t exposure_prctl(struct syscall_call *c);

/* Tells the host where the program's strings lie, for ps(1). Not under a policy: they may have come
 * from the key broker, and /proc/PID/environ is for every process of the same user. */
void exposure_strings(const struct exposed_strings *at);

#endif
