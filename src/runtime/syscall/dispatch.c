/* SPDX-License-Identifier: Apache-2.0 */
/* What the short way of entry.S looks at, and the calls answered on the guest's FS with the guest's
 * vector registers live. Built for general registers without stack protector. */
#include "platform/linux/vdso.h"
#include "runtime/guest_copy.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"

#include <errno.h>
#include <sys/syscall.h>

bool g_dispatch_trace;
bool g_dispatch_slow;
bool g_dispatch_stats;
bool g_dispatch_time_asks = true;
uint8_t g_dispatch_vectors;
struct dispatch_counters g_counters;

/* The way of a class. */
#define WAY_UNKNOWN WAY_SLOW
#define WAY_SHIELD WAY_SLOW
#define WAY_EMULATE WAY_SLOW
#define WAY_DENY WAY_SLOW

#define IS_TIME(nr)                                                               \
    ((nr) == SYS_clock_gettime || (nr) == SYS_gettimeofday || (nr) == SYS_time || \
     (nr) == SYS_getcpu)

const uint8_t dispatch_ways[CALL_NR_MAX] = {
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) \
    [nr_] = (nr_) == SYS_getpid   ? WAY_PID                    \
            : (nr_) == SYS_gettid ? WAY_TID                    \
            : IS_TIME(nr_)        ? WAY_TIME                   \
                                  : WAY_##class_,
#include "runtime/syscall/table.def"
#undef CALL
};

static int64_t put(uint64_t address, const void *from, size_t size)
{
    return address == 0 ? 0 : guest_copy((void *)address, from, size);
}

/* The clocks that the kernel's own code reads without a call. */
static bool clock_is_read(uint64_t clock)
{
    return clock <= CLOCK_MONOTONIC || (clock >= CLOCK_MONOTONIC_RAW && clock <= CLOCK_BOOTTIME);
}

static int64_t time_of(uint64_t clock, struct timespec *ret_time)
{
    return g_linux_vdso.clock_gettime((clockid_t)clock, ret_time);
}

int dispatch_time(struct regs *r)
{
    struct timespec now;
    unsigned cpu = 0, node = 0;
    int64_t result = 0;
    if (g_dispatch_time_asks)
        return 1;
    switch (r->nr) {
    case SYS_clock_gettime:
        if (!clock_is_read(r->rdi) || time_of(r->rdi, &now) != 0)
            return 1;
        result = r->rsi == 0 ? -EFAULT : put(r->rsi, &now, sizeof(now));
        break;
    case SYS_gettimeofday:
        if (r->rsi != 0 || time_of(CLOCK_REALTIME, &now) != 0) /* the time zone is the kernel's */
            return 1;
        now.tv_nsec /= 1000;
        result = put(r->rdi, &now, sizeof(now));
        break;
    case SYS_time:
        if (time_of(CLOCK_REALTIME_COARSE, &now) != 0)
            return 1;
        result = put(r->rdi, &now.tv_sec, sizeof(now.tv_sec));
        result = result == 0 ? now.tv_sec : result;
        break;
    case SYS_getcpu:
        if (!g_linux_vdso.getcpu || g_linux_vdso.getcpu(&cpu, &node, NULL) != 0)
            return 1;
        result = put(r->rdi, &cpu, sizeof(cpu));
        result = result == 0 ? put(r->rsi, &node, sizeof(node)) : result;
        break;
    default:
        return 1;
    }
    thread_self()->fast_calls++;
    r->rax = (uint64_t)result;
    return 0;
}
