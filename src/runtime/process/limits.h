/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/process/limits.h: resource limits of the guest. */
#ifndef COFFER_RUNTIME_PROCESS_LIMITS_H
#define COFFER_RUNTIME_PROCESS_LIMITS_H

/* Before the first guest instruction: descriptors that the host gives end where the hidden ones begin. */
void limits_start(void);

#include <sys/resource.h>

/* How large the stack of the next program may be. */
rlim_t limits_stack(void);

/* Around what the runtime itself writes to a file of the host's in a process whose guest may not. */
void limits_file_size_lift(void);
void limits_file_size_restore(void);

#endif
