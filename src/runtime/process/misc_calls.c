/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about the process that the runtime answers itself. */
#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/confine/seccomp.h"
#include "runtime/guest.h"
#include "runtime/process/exposure.h"
#include "runtime/process/process.h"
#include "runtime/syscall/call.h"
#include "runtime/thread.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/prctl.h>
#include <linux/random.h>
#include <sys/syscall.h>
#include <sys/timex.h>

#define ADDRESS_MAX 0x7ffffffff000ull

int64_t sys_arch_prctl(struct syscall_call *c)
{
    switch (c->args[0]) {
    case ARCH_SET_FS:
        if (c->args[1] >= ADDRESS_MAX)
            return -EPERM;
        c->thread->guest_fs = c->args[1];
        return 0;
    case ARCH_GET_FS:
        return guest_put(c->args[1], &c->thread->guest_fs);
    case ARCH_SET_GS: /* the runtime's */
        return -EPERM;
    case ARCH_GET_GS: {
        const uint64_t zero = 0;
        return guest_put(c->args[1], &zero);
    }
    default: /* shadow stacks, AMX permission, CPUID faulting: not offered */
        return -EINVAL;
    }
}

int64_t sys_prctl(struct syscall_call *c)
{
    switch ((int)c->args[0]) {
    case PR_SET_SECCOMP:
        return seccomp_prctl(c->thread, c->args[1], c->args[2]);
    case PR_GET_SECCOMP:
        return atomic_load(&c->thread->confined.mode);
    case PR_SET_SYSCALL_USER_DISPATCH:
    case PR_SET_MM:
    case PR_SET_TSC:
        return -EINVAL;
    case PR_SET_PTRACER:
        return -EINVAL;
    case PR_GET_TID_ADDRESS: /* the host's is of the runtime's own libc */
        return guest_put(c->args[1], &c->thread->clear_tid);
    case PR_GET_DUMPABLE:
    case PR_SET_DUMPABLE:
        return exposure_prctl(c);
    default:
        return sys_pass(c);
    }
}

int64_t sys_personality(struct syscall_call *c)
{
    if ((unsigned)c->args[0] == 0xffffffffu || c->args[0] == 0)
        return 0;
    return -EINVAL;
}

static _Atomic int g_timers_end; /* one past the highest number a timer has had; they only grow */

int64_t sys_timer_create(struct syscall_call *c)
{
    int id;
    int64_t r = sys_pass(c);
    if (r < 0 || guest_get(&id, c->args[2]) < 0)
        return r;
    for (int end = atomic_load(&g_timers_end); id >= end && id < INT32_MAX;)
        if (atomic_compare_exchange_weak(&g_timers_end, &end, id + 1))
            break;
    return r;
}

void timers_delete(void)
{
    for (int id = atomic_exchange(&g_timers_end, 0); id-- > 0;)
        (void)host_call(SYS_timer_delete, id);
}

int64_t sys_restart_syscall(struct syscall_call *c)
{
    (void)c;
    return -EINTR;
}

int64_t sys_getrandom(struct syscall_call *c)
{
    uint8_t chunk[256];
    size_t size = MIN(c->args[1], 0x7fffffful), done = 0;
    const unsigned sources = GRND_RANDOM | GRND_INSECURE;
    if (((unsigned)c->args[2] & ~(GRND_NONBLOCK | sources)) ||
        ((unsigned)c->args[2] & sources) == sources)
        return -EINVAL;
    if (!guest_may_be(c->args[0], size))
        return -EFAULT;
    while (done < size) {
        size_t n = MIN(size - done, sizeof(chunk));
        if (platform()->random(chunk, n) < 0)
            return -EIO;
        struct iovec to = {(void *)(c->args[0] + done), n};
        ssize_t given = guest_scatter(&to, 1, 0, chunk, n);
        if (given < 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        done += (size_t)given;
    }
    return (int64_t)done;
}

/* From a copy of ours, so that nobody turns a question into an order meanwhile. */
static int64_t ask_clock(int64_t (*ask)(const struct syscall_call *, struct timex *),
                         const struct syscall_call *c, unsigned long at)
{
    struct timex timex;
    int r = guest_get(&timex, at);
    if (r < 0)
        return r;
    if (timex.modes != 0 && timex.modes != ADJ_OFFSET_SS_READ)
        return -EPERM;
    int64_t state = ask(c, &timex);
    r = state < 0 ? 0 : guest_put(at, &timex);
    return r < 0 ? r : state;
}

static int64_t ask_adjtimex(const struct syscall_call *c, struct timex *io)
{
    (void)c;
    return host_call(SYS_adjtimex, io);
}

static int64_t ask_clock_adjtime(const struct syscall_call *c, struct timex *io)
{
    return host_call(SYS_clock_adjtime, c->args[0], io);
}

int64_t sys_adjtimex(struct syscall_call *c)
{
    return ask_clock(ask_adjtimex, c, c->args[0]);
}

int64_t sys_clock_adjtime(struct syscall_call *c)
{
    return ask_clock(ask_clock_adjtime, c, c->args[1]);
}
