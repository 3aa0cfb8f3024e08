/* SPDX-License-Identifier: Apache-2.0 */
/* What the short way of entry.S looks at, and the calls answered on the guest's FS with the guest's
 * vector registers live. Built for general registers without stack protector. */
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"

#include <sys/syscall.h>

bool g_dispatch_trace;
bool g_dispatch_slow;
bool g_dispatch_stats;
uint8_t g_dispatch_vectors;
struct dispatch_counters g_counters;

/* The way of a class. */
#define WAY_UNKNOWN WAY_SLOW
#define WAY_SHIELD WAY_SLOW
#define WAY_EMULATE WAY_SLOW
#define WAY_DENY WAY_SLOW

const uint8_t dispatch_ways[CALL_NR_MAX] = {
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) \
    [nr_] = (nr_) == SYS_getpid ? WAY_PID : (nr_) == SYS_gettid ? WAY_TID : WAY_##class_,
#include "runtime/syscall/table.def"
#undef CALL
};

int dispatch_time(struct regs *r)
{
    (void)r;
    return 1;
}
