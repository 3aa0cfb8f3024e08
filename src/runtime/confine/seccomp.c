/* SPDX-License-Identifier: Apache-2.0 */
/* Filters form a tree: each holds the one that was the newest of its thread before it, and threads hold
 * their newest one. What a filter says of a call without looking at its arguments is found once, so that
 * most calls of a filtered program cost one bit. */
#include "runtime/confine/seccomp.h"
#include "base/buf.h"
#include "base/reader.h"
#include "platform/host.h"
#include "runtime/confine/bpf.h"
#include "runtime/confine/landlock.h"
#include "runtime/guest.h"
#include "runtime/process/process.h"
#include "runtime/process/signal.h"
#include "runtime/syscall/entry.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* Of all filters of a thread (kernel/seccomp.c, which counts its translations: some two for one). */
#define PATH_INSNS_MAX 32768u
#define FILTER_PENALTY 4u /* what each earlier one counts beside its instructions */
#define ERRNO_MAX 4095u
#define FLAG_LISTENER SECCOMP_FILTER_FLAG_NEW_LISTENER
#define FLAGS_KNOWN                                                                         \
    (SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | \
     SECCOMP_FILTER_FLAG_TSYNC_ESRCH)
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

struct seccomp_filter {
    _Atomic unsigned holders;
    unsigned count;
    struct seccomp_filter *earlier;
    uint64_t allowed[CALL_NR_MAX / 64]; /* whatever the arguments, by this and all earlier ones */
    struct sock_filter code[];
};

static struct seccomp_filter *filter_hold(struct seccomp_filter *f)
{
    if (f)
        atomic_fetch_add(&f->holders, 1);
    return f;
}

static void filter_put(struct seccomp_filter *f)
{
    while (f && atomic_fetch_sub(&f->holders, 1) == 1) {
        struct seccomp_filter *earlier = f->earlier;
        free(f);
        f = earlier;
    }
}

static bool allowed_always(const struct seccomp_filter *f, long nr)
{
    return !f || (f->allowed[nr / 64] & (1ull << (nr % 64)));
}

static void find_allowed(struct seccomp_filter *f)
{
    for (int nr = 0; nr < CALL_NR_MAX; nr++) {
        uint32_t action;
        if (allowed_always(f->earlier, nr) &&
            bpf_constant(f->code, AUDIT_ARCH_X86_64, nr, &action) &&
            (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW)
            f->allowed[nr / 64] |= 1ull << (nr % 64);
    }
}

static struct seccomp_filter *filter_new(size_t count)
{
    struct seccomp_filter *f = calloc(1, sizeof(*f) + count * sizeof(f->code[0]));
    if (!f)
        return NULL;
    atomic_init(&f->holders, 1);
    f->count = (unsigned)count;
    return f;
}

void confined_inherit(struct confined *to, const struct confined *from)
{
    atomic_store(&to->filter, filter_hold(atomic_load(&from->filter)));
    atomic_store(&to->mode, atomic_load(&from->mode));
    to->domain = landlock_hold(from->domain);
    atomic_store(&to->no_new_privs_due, atomic_load(&from->no_new_privs_due));
}

void confined_leave(struct confined *c)
{
    filter_put(atomic_exchange(&c->filter, NULL));
    landlock_put(c->domain);
    c->domain = NULL;
}

static bool may_filter(struct thread *t)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    if (atomic_load(&t->confined.no_new_privs_due) ||
        host_call(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return true;
    return host_call(SYS_capget, &header, data) == 0 &&
           (data[CAP_SYS_ADMIN / 32].effective & (1u << (CAP_SYS_ADMIN % 32)));
}

/* The guest's struct sock_fprog, as Linux checks it and in its order. */
static int filter_read(struct thread *t, unsigned long at, struct seccomp_filter **ret)
{
    struct sock_fprog program;
    if (guest_get(&program, at) < 0)
        return -EFAULT;
    if (program.len == 0 || program.len > BPF_MAXINSNS)
        return -EINVAL;
    if (!may_filter(t))
        return -EACCES;
    if (!program.filter)
        return -EINVAL;
    struct seccomp_filter *f = filter_new(program.len);
    if (!f)
        return -ENOMEM;
    int r = guest_read(f->code, (unsigned long)program.filter, program.len * sizeof(f->code[0]));
    if (r == 0)
        r = bpf_check(f->code, f->count);
    if (r == 0)
        *ret = f;
    else
        free(f);
    return r;
}

static bool is_earlier(const struct seccomp_filter *f, const struct seccomp_filter *of)
{
    if (!f)
        return true;
    while (of && of != f)
        of = of->earlier;
    return of != NULL;
}

static bool is_sibling(const struct thread *t, const struct thread *self)
{
    return t != self && t->process == self->process;
}

/* The number of a thread that has a filter the calling one has not; 0: none. Under the threads lock. */
static int find_stranger(const struct thread *self)
{
    const struct seccomp_filter *own = atomic_load(&self->confined.filter);
    for (const struct thread *t = g_threads; t; t = t->next)
        if (is_sibling(t, self) && (atomic_load(&t->confined.mode) == SECCOMP_MODE_STRICT ||
                                    !is_earlier(atomic_load(&t->confined.filter), own)))
            return t->tid;
    return 0;
}

/* A thread's own chain grows only by itself or under the threads lock, where this is called. */
static int chain_fits(const struct seccomp_filter *newest, const struct seccomp_filter *f)
{
    uint64_t sum = f->count;
    for (const struct seccomp_filter *e = newest; e; e = e->earlier)
        sum += e->count + FILTER_PENALTY;
    return sum > PATH_INSNS_MAX ? -ENOMEM : 0;
}

static void sync_others(struct thread *self, struct seccomp_filter *f)
{
    bool due = host_call(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    for (struct thread *t = g_threads; t; t = t->next) {
        if (!is_sibling(t, self))
            continue;
        /* The old one is an earlier one of the new: whoever runs it just now may go on. */
        filter_put(atomic_exchange(&t->confined.filter, filter_hold(f)));
        atomic_store(&t->confined.mode, SECCOMP_MODE_FILTER);
        if (due)
            atomic_store(&t->confined.no_new_privs_due, true);
    }
}

/* Takes `f` if it succeeds: 0. With TSYNC: the number of the thread in the way, or -ESRCH. */
static int64_t attach_locked(struct thread *t, struct seccomp_filter *f, unsigned long flags)
{
    int r = chain_fits(atomic_load(&t->confined.filter), f);
    int stranger = r == 0 && (flags & SECCOMP_FILTER_FLAG_TSYNC) ? find_stranger(t) : 0;
    if (r < 0)
        return r;
    if (stranger != 0)
        return flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -ESRCH : stranger;
    f->earlier = atomic_load(&t->confined.filter);
    find_allowed(f);
    atomic_store(&t->confined.filter, f);
    atomic_store(&t->confined.mode, SECCOMP_MODE_FILTER);
    g_dispatch_slow = true; /* the short way knows nothing of filters */
    if (flags & SECCOMP_FILTER_FLAG_TSYNC)
        sync_others(t, f);
    return 0;
}

static int64_t set_filter(struct thread *t, unsigned long flags, unsigned long at)
{
    struct seccomp_filter *f = NULL;
    /* A listener would see the guest's calls from another process: not offered. */
    if (flags & ~FLAGS_KNOWN)
        return -EINVAL;
    int r = filter_read(t, at, &f);
    if (r < 0)
        return r;
    lock_acquire(&g_threads_lock);
    int64_t result = atomic_load(&t->confined.mode) == SECCOMP_MODE_STRICT
                         ? -EINVAL
                         : attach_locked(t, f, flags);
    lock_release(&g_threads_lock);
    if (result != 0)
        free(f);
    return result;
}

static int64_t set_strict(struct thread *t)
{
    uint8_t none = SECCOMP_MODE_DISABLED;
    if (!atomic_compare_exchange_strong(&t->confined.mode, &none, SECCOMP_MODE_STRICT) &&
        none != SECCOMP_MODE_STRICT)
        return -EINVAL;
    g_dispatch_slow = true;
    return 0;
}

static int64_t action_available(unsigned long at)
{
    uint32_t action;
    if (guest_get(&action, at) < 0)
        return -EFAULT;
    switch (action) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
    case SECCOMP_RET_ERRNO:
    case SECCOMP_RET_TRACE:
    case SECCOMP_RET_LOG:
    case SECCOMP_RET_ALLOW:
        return 0;
    default:
        return -EOPNOTSUPP;
    }
}

int64_t sys_seccomp(struct syscall_call *c)
{
    const unsigned op = (unsigned)c->args[0], flags = (unsigned)c->args[1];
    static const struct seccomp_notif_sizes sizes = {.seccomp_notif = sizeof(struct seccomp_notif),
                                                     .seccomp_notif_resp =
                                                         sizeof(struct seccomp_notif_resp),
                                                     .seccomp_data = sizeof(struct seccomp_data)};
    switch (op) {
    case SECCOMP_SET_MODE_STRICT:
        return flags != 0 || c->args[2] != 0 ? -EINVAL : set_strict(c->thread);
    case SECCOMP_SET_MODE_FILTER:
        return set_filter(c->thread, flags, c->args[2]);
    case SECCOMP_GET_ACTION_AVAIL:
        return flags != 0 ? -EINVAL : action_available(c->args[2]);
    case SECCOMP_GET_NOTIF_SIZES:
        return flags != 0 ? -EINVAL : guest_put(c->args[2], &sizes);
    default:
        return -EINVAL;
    }
}

int64_t seccomp_prctl(struct thread *t, unsigned long mode, unsigned long filter)
{
    switch (mode) {
    case SECCOMP_MODE_STRICT:
        return set_strict(t);
    case SECCOMP_MODE_FILTER:
        return set_filter(t, 0, filter);
    default:
        return -EINVAL;
    }
}

/* As by a signal that nobody handles; in order where volumes must be closed first. */
static void end_process(struct thread *t, int signal)
{
    int none = 0;
    if (!t->process->vfork_child && atomic_load(&g_signal_in_order)) {
        (void)atomic_compare_exchange_strong(&g_signal_dying, &none, signal);
        process_exit(128 + signal);
    }
    signal_die(signal);
}

/* Only this thread, unless it is the last. */
static void end_thread(struct thread *t, int signal)
{
    if (t->process->vfork_child || atomic_load(&t->process->thread_count) <= 1)
        end_process(t, signal);
    thread_exit(t, 0);
}

static bool strict_allows(long nr, uint32_t arch)
{
    return arch == AUDIT_ARCH_X86_64 &&
           (nr == SYS_read || nr == SYS_write || nr == SYS_exit || nr == SYS_rt_sigreturn);
}

/* Linux: a forced SIGSYS; rax is the number again. */
static int64_t trap(struct thread *t, const struct seccomp_data *data, uint32_t action,
                    const struct regs *r)
{
    siginfo_t info = {.si_signo = SIGSYS, .si_code = SYS_SECCOMP};
    info.si_errno = (int)(action & SECCOMP_RET_DATA);
    info.si_call_addr = (void *)data->instruction_pointer;
    info.si_syscall = data->nr;
    info.si_arch = data->arch;
    if (!signal_force_sigsys(t, &info))
        end_process(t, SIGSYS);
    return (int64_t)r->nr;
}

/* The strictest of all filters' answers; of those alike, the newest one's. */
static uint32_t strictest(const struct seccomp_filter *f, const struct seccomp_data *data)
{
    uint32_t chosen = SECCOMP_RET_ALLOW;
    for (; f; f = f->earlier) {
        uint32_t action = bpf_run(f->code, data);
        if ((int32_t)(action & SECCOMP_RET_ACTION_FULL) <
            (int32_t)(chosen & SECCOMP_RET_ACTION_FULL))
            chosen = action;
    }
    return chosen;
}

static bool filters_allow(struct thread *t, const struct seccomp_data *data, const struct regs *r,
                          int64_t *ret_result)
{
    uint32_t action = strictest(atomic_load(&t->confined.filter), data);
    switch (action & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
        return true;
    case SECCOMP_RET_ERRNO:
        *ret_result = -(int64_t)MIN(action & SECCOMP_RET_DATA, ERRNO_MAX);
        return false;
    case SECCOMP_RET_TRACE: /* nobody traces */
    case SECCOMP_RET_USER_NOTIF:
        *ret_result = -ENOSYS;
        return false;
    case SECCOMP_RET_TRAP:
        *ret_result = trap(t, data, action, r);
        return false;
    case SECCOMP_RET_KILL_THREAD:
        end_thread(t, SIGSYS);
        return false;
    default:
        end_process(t, SIGSYS);
        return false;
    }
}

bool seccomp_refuses(const struct thread *t, int nr)
{
    for (const struct seccomp_filter *f = atomic_load(&t->confined.filter); f; f = f->earlier) {
        uint32_t action;
        if (bpf_constant(f->code, AUDIT_ARCH_X86_64, nr, &action) &&
            (int32_t)(action & SECCOMP_RET_ACTION_FULL) < (int32_t)SECCOMP_RET_LOG)
            return true;
    }
    return false;
}

bool seccomp_judge(struct syscall_call *c, const struct regs *r, uint32_t arch, int64_t *ret_result)
{
    struct thread *t = c->thread;
    uint8_t mode = atomic_load(&t->confined.mode);
    if (atomic_load(&t->confined.no_new_privs_due) &&
        atomic_exchange(&t->confined.no_new_privs_due, false))
        (void)host_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (mode == SECCOMP_MODE_DISABLED)
        return true;
    if (c->nr == SYS_exit_group && atomic_load(&g_signal_dying) != 0)
        return true; /* the runtime's own: see end_process() of signal_host.c */
    if (mode == SECCOMP_MODE_STRICT) {
        if (!strict_allows(c->nr, arch))
            end_thread(t, SIGKILL);
        return true;
    }
    if (arch == AUDIT_ARCH_X86_64 && c->nr >= 0 && c->nr < CALL_NR_MAX &&
        allowed_always(atomic_load(&t->confined.filter), c->nr))
        return true;
    struct seccomp_data data = {.nr = (int)c->nr, .arch = arch, .instruction_pointer = r->rip};
    for (unsigned i = 0; i < 6; i++)
        data.args[i] = c->args[i];
    return filters_allow(t, &data, r, ret_result);
}

int confined_save(const struct confined *c, struct buf *to)
{
    const struct seccomp_filter *chain[PATH_INSNS_MAX / (FILTER_PENALTY + 1) + 2];
    uint32_t count = 0;
    const uint8_t mode = atomic_load(&c->mode);
    for (const struct seccomp_filter *f = atomic_load(&c->filter); f; f = f->earlier)
        chain[count++] = f;
    int r = buf_append_byte(to, mode);
    if (r == 0)
        r = buf_append(to, &count, sizeof(count));
    while (r == 0 && count-- > 0) { /* the oldest first */
        const uint32_t insns = chain[count]->count;
        r = buf_append(to, &insns, sizeof(insns));
        if (r == 0)
            r = buf_append(to, chain[count]->code, insns * sizeof(struct sock_filter));
    }
    return r < 0 ? r : landlock_save(c->domain, to);
}

static int restore_filter(struct confined *c, struct reader *from)
{
    uint32_t count = reader_u32(from);
    struct seccomp_filter *f = count > 0 && count <= BPF_MAXINSNS &&
                                       count * sizeof(struct sock_filter) <= reader_left(from)
                                   ? filter_new(count)
                                   : NULL;
    if (!f)
        return -EBADMSG;
    reader_copy(from, f->code, count * sizeof(f->code[0]));
    if (bpf_check(f->code, count) < 0 || chain_fits(atomic_load(&c->filter), f) < 0) {
        free(f);
        return -EBADMSG;
    }
    f->earlier = atomic_load(&c->filter);
    find_allowed(f);
    atomic_store(&c->filter, f);
    return 0;
}

int confined_restore(struct confined *ret, struct reader *from)
{
    uint8_t mode = reader_u8(from);
    uint32_t count = reader_u32(from);
    if (!reader_ok(from) || (mode != SECCOMP_MODE_DISABLED && mode != SECCOMP_MODE_FILTER) ||
        (mode == SECCOMP_MODE_FILTER) != (count > 0))
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++) {
        int r = restore_filter(ret, from);
        if (r < 0)
            return r;
    }
    atomic_store(&ret->mode, mode);
    if (mode != SECCOMP_MODE_DISABLED)
        g_dispatch_slow = true;
    return landlock_restore(&ret->domain, from);
}
