/* SPDX-License-Identifier: Apache-2.0 */
/* net/calls.h: what the handlers of the network's calls share. */
#ifndef COFFER_RUNTIME_NET_CALLS_H
#define COFFER_RUNTIME_NET_CALLS_H

#include "base/macros.h"
#include "runtime/syscall/call.h"

#include <stdint.h>

/* Every handler's prototype; what is not the network's is not defined here. */
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) syscall_fn fn_;
#include "runtime/syscall/table.def"
#undef CALL

/* A timespec at a guest address in nanoseconds; 0 (the address) means none: -1. -EINVAL, -EFAULT. */
must_check int call_timeout(unsigned long address, int64_t *ret_ns);

/* The signal mask a guest wants while it waits, as the host may have it: faults and the runtime's
 * own signals stay open. -EINVAL for a size other than 8, -EFAULT. */
must_check int call_host_mask(unsigned long address, unsigned long size, uint64_t *ret_mask);

#endif
