/* SPDX-License-Identifier: Apache-2.0 */
/* Host signal handlers. They run on the runtime's alternate stack with whatever FS the interrupted
 * code had, every signal blocked. Built for general registers without stack protector: no libc, no
 * thread-local state. What they find through GS is the interrupted thread's own. */
#include "platform/linux/linux.h"
#include "runtime/guest_copy.h"
#include "runtime/process/process.h"
#include "runtime/process/signal.h"
#include "runtime/syscall/entry.h"
#include "runtime/syscall/sites.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <stdalign.h>
#include <string.h>
#include <sys/syscall.h>

#define RFLAGS_CLEARED 0x10500ull /* TF, DF and RF are off when a handler starts */
#define FP_MAGIC1 0x46505853u
#define FP_LEGACY_SIZE 512
#define FP_SIZE_MAX (24u << 10)
#define RED_ZONE 128
#define SYS_USER_DISPATCH_CODE 2

enum { R8, R9, R10, R11, R12, R13, R14, R15, DI, SI, BP, BX, DX, AX, CX, SP, IP, FL };

/* What the interrupted thread was doing. */
enum place { PLACE_GUEST, PLACE_RUNTIME };

/* Only in the runtime's executables. */
__attribute__((weak)) bool crypto_late_fault(uint64_t address);

static long call(long nr, long a, long b, long c, long d)
{
    return linux_call(nr, (const long[6]){a, b, c, d, 0, 0});
}

static bool between(uint64_t rip, const char *from, const char *to)
{
    return rip >= (uint64_t)from && rip < (uint64_t)to;
}

static uint64_t host_mask(uint64_t guest_mask)
{
    return guest_mask & ~(SIGNALS_OURS | SIGNALS_UNBLOCKABLE);
}

static struct signal_action action_of(const struct process *process, int signal)
{
    struct signal_actions *actions = process->actions;
    struct signal_action copy;
    uint32_t before;
    do {
        before = atomic_load(&actions->sequence);
        const volatile struct signal_action *from = &actions->of[signal];
        copy.handler = from->handler;
        copy.flags = from->flags;
        copy.restorer = from->restorer;
        copy.mask = from->mask;
    } while ((before & 1) || atomic_load(&actions->sequence) != before);
    return copy;
}

static void regs_to_context(const struct regs *r, uint64_t *g)
{
    g[R8] = r->r8, g[R9] = r->r9, g[R10] = r->r10, g[R11] = r->r11;
    g[R12] = r->r12, g[R13] = r->r13, g[R14] = r->r14, g[R15] = r->r15;
    g[DI] = r->rdi, g[SI] = r->rsi, g[BP] = r->rbp, g[BX] = r->rbx;
    g[DX] = r->rdx, g[AX] = r->rax, g[CX] = r->rip, g[SP] = r->rsp;
    g[IP] = r->rip, g[FL] = r->rflags;
}

/* A call that a signal ended: run it again after the handler, or tell the guest. */
static void settle_restart(uint64_t *g, const struct regs *r, bool restart)
{
    int64_t result = (int64_t)g[AX];
    if (result == -513 || (result == -512 && restart)) {
        g[AX] = r->nr;
        g[IP] -= 2; /* the instruction itself, trapped or rewritten: see syscall/sites.h */
    } else if (result == -512) {
        g[AX] = (uint64_t)-EINTR;
    }
}

static void set_default_and_die(int signal, uint64_t *mask)
{
    const uint64_t action[4] = {0};
    (void)call(SYS_rt_sigaction, signal, (long)action, 0, 8);
    *mask &= ~SIGNAL_BIT(signal);
    struct thread *t = thread_self();
    (void)call(SYS_tgkill, t->process->pid, t->tid, signal, 0);
}

/* Where the handler's frame begins to grow down from. */
static uint64_t frame_stack(struct thread *t, const struct signal_action *action, uint64_t rsp)
{
    const stack_t *s = &t->signal_stack;
    uint64_t low = (uint64_t)s->ss_sp;
    bool on_it = !(s->ss_flags & SS_DISABLE) && rsp > low && rsp - low <= s->ss_size;
    if ((action->flags & SA_ONSTACK) && !(s->ss_flags & SS_DISABLE) && !on_it)
        return low + s->ss_size;
    return rsp - RED_ZONE;
}

static uint32_t fp_size(const char *fp)
{
    const uint32_t *software = (const uint32_t *)(fp + 464);
    if (software[0] != FP_MAGIC1 || software[1] < FP_LEGACY_SIZE || software[1] > FP_SIZE_MAX)
        return FP_LEGACY_SIZE;
    return software[1];
}

/* The handler starts with initial vector state and default rounding, as the kernel does it. */
static void fp_reset(char *fp)
{
    *(uint32_t *)(fp + 24) = 0x1f80;
    if (fp_size(fp) > FP_LEGACY_SIZE)
        *(uint64_t *)(fp + FP_LEGACY_SIZE) = 0;
}

static int stack_flags(const struct thread *t, uint64_t rsp)
{
    uint64_t low = (uint64_t)t->signal_stack.ss_sp;
    if (t->signal_stack.ss_flags & SS_DISABLE)
        return SS_DISABLE;
    return rsp > low && rsp - low <= t->signal_stack.ss_size ? SS_ONSTACK : 0;
}

/* Makes the guest's frame; `uc` holds the guest's registers. 0 or -EFAULT. */
static int frame_make(struct thread *t, int signal, const siginfo_t *info, struct ucontext *uc,
                      const struct signal_action *action, uint64_t return_mask)
{
    uint64_t *g = (uint64_t *)&uc->uc_mcontext;
    char *host_fp = (char *)uc->uc_mcontext.fpstate;
    uint64_t at = frame_stack(t, action, g[SP]);
    uint64_t fp = 0;
    if (host_fp) {
        uint32_t size = fp_size(host_fp);
        fp = (at - size) & ~63ull;
        if (fp > at || guest_copy((void *)fp, host_fp, size) < 0)
            return -EFAULT;
        at = fp;
    }
    struct signal_frame frame;
    at = ((at - sizeof(frame)) & ~15ull) - 8;
    frame.restorer = action->restorer;
    frame.uc.flags = uc->uc_flags;
    frame.uc.link = 0;
    frame.uc.stack = t->signal_stack;
    frame.uc.stack.ss_flags = stack_flags(t, g[SP]) | (t->signal_stack.ss_flags & (int)(1u << 31));
    for (int i = 0; i < 23; i++)
        frame.uc.gregs[i] = g[i];
    frame.uc.fpstate = fp;
    for (int i = 0; i < 8; i++)
        frame.uc.reserved[i] = 0;
    frame.uc.mask = return_mask;
    for (size_t i = 0; i < sizeof(*info) / 8; i++)
        ((uint64_t *)&frame.info)[i] = ((const uint64_t *)info)[i];
    if (guest_copy((void *)at, &frame, sizeof(frame)) < 0)
        return -EFAULT;
    if (host_fp)
        fp_reset(host_fp);
    g[DI] = (uint64_t)signal;
    g[SI] = at + offsetof(struct signal_frame, info);
    g[DX] = at + offsetof(struct signal_frame, uc);
    g[AX] = 0;
    g[SP] = at;
    g[IP] = action->handler;
    g[FL] &= ~RFLAGS_CLEARED;
    return 0;
}

static struct {
    _Atomic uint64_t taken; /* bits whose info is in use */
    _Atomic uint64_t there; /* of those that wait */
    siginfo_t info[THREAD_HELD_COUNT];
} g_shared;

bool signal_shared_any(void)
{
    return atomic_load(&g_shared.there) != 0;
}

uint64_t signal_shared_pending(void)
{
    return thread_self()->process->vfork_child ? 0 : atomic_load(&g_shared.there);
}

void signal_shared_forget(void)
{
    atomic_store(&g_shared.there, 0);
    atomic_store(&g_shared.taken, 0);
}

/* Like the kernel, keeps one of each. */
static void shared_add(int signal, const siginfo_t *info)
{
    if (atomic_fetch_or(&g_shared.taken, SIGNAL_BIT(signal)) & SIGNAL_BIT(signal))
        return;
    g_shared.info[signal_held_index(signal)] = *info;
    atomic_fetch_or(&g_shared.there, SIGNAL_BIT(signal));
    g_dispatch_slow = true;
}

int signal_shared_take(uint64_t wanted, siginfo_t *ret_info)
{
    uint64_t ready;
    if (thread_self()->process->vfork_child)
        return 0;
    while ((ready = atomic_load(&g_shared.there) & wanted) != 0) {
        int signal = __builtin_ctzll(ready) + 1;
        if (!(atomic_fetch_and(&g_shared.there, ~SIGNAL_BIT(signal)) & SIGNAL_BIT(signal)))
            continue;
        *ret_info = g_shared.info[signal_held_index(signal)];
        atomic_fetch_and(&g_shared.taken, ~SIGNAL_BIT(signal));
        return signal;
    }
    return 0;
}

void signal_shared_adopt(struct thread *t, uint64_t wanted)
{
    siginfo_t info;
    int signal;
    while (signal_shared_any() &&
           (signal = signal_shared_take(wanted & ~t->held_signals, &info)) > 0) {
        *signal_held_info(t, signal) = info;
        t->held_signals |= SIGNAL_BIT(signal);
    }
}

/* Has a thread look that waits for it, or else one that does not block it. False: there is none. */
static bool shared_show(const struct thread *from, int signal, bool waits)
{
    const uint64_t bit = SIGNAL_BIT(signal);
    for (struct thread *t = g_threads; t; t = t->next) {
        uint64_t wants =
            waits ? atomic_load(&t->waits_for) : ~*(volatile uint64_t *)&t->signal_mask;
        if (!(wants & bit) || atomic_load(&t->parked))
            continue;
        atomic_fetch_or(&t->routed, bit);
        if (call(SYS_tgkill, from->process->pid, t->tid, signal, 0) == 0)
            return true;
    }
    return false;
}

/* Not inside the runtime: this thread may hold the lock. */
static void shared_route(struct thread *t)
{
    t->routes = false;
    if (!signal_shared_any() || t->process->vfork_child)
        return;
    int free = 0;
    while (!atomic_compare_exchange_strong(&g_threads_lock, &free, 1)) {
        free = 0;
        (void)call(SYS_sched_yield, 0, 0, 0, 0);
    }
    for (uint64_t rest = atomic_load(&g_shared.there); rest != 0; rest &= rest - 1) {
        int signal = __builtin_ctzll(rest) + 1;
        if (!shared_show(t, signal, true))
            (void)shared_show(t, signal, false);
    }
    if (atomic_exchange(&g_threads_lock, 0) == 2)
        (void)call(SYS_futex, (long)&g_threads_lock, FUTEX_WAKE, 1, 0);
}

bool signal_was_routed(struct thread *t, int signal)
{
    const uint64_t bit = SIGNAL_BIT(signal);
    return (atomic_load(&t->routed) & bit) && (atomic_fetch_and(&t->routed, ~bit) & bit);
}

/* Was it sent to the process, not to this thread? */
static bool is_everybodys(const struct thread *t, const siginfo_t *info)
{
    return info->si_code <= 0 && info->si_code != SI_TKILL && !t->process->vfork_child;
}

/* One of ours that the guest blocks: the host could not hold it back. Like the kernel, keeps one. */
static void hold(struct thread *t, int signal, const siginfo_t *info)
{
    bool blocked = t->signal_mask & SIGNAL_BIT(signal);
    if (blocked && !(atomic_load(&t->waits_for) & SIGNAL_BIT(signal)) && is_everybodys(t, info)) {
        shared_add(signal, info);
        t->routes = true;
        return;
    }
    if (!(t->held_signals & SIGNAL_BIT(signal)))
        *signal_held_info(t, signal) = *info;
    t->held_signals |= SIGNAL_BIT(signal);
    g_dispatch_slow = true; /* who waits under another mask must find it: see signal_ends_wait() */
}

/* The mask that the frame's return brings back: the guest's own, although a call such as
 * sigsuspend() may have opened others for as long as it waited. */
static uint64_t take_return_mask(struct thread *t)
{
    uint64_t mask = t->signal_mask;
    if (t->has_wait_mask)
        t->signal_mask = t->wait_mask;
    t->has_wait_mask = false;
    return mask;
}

/* The default is to end. With volumes of its own the process does so by itself: as on_kick(), into
 * the runtime by a call, of which the guest knows nothing. */
static void end_process(struct thread *t, int signal, struct ucontext *uc)
{
    uint64_t *g = (uint64_t *)&uc->uc_mcontext;
    int none = 0;
    if (!atomic_load(&g_signal_in_order) || t->process->vfork_child ||
        !atomic_compare_exchange_strong(&g_signal_dying, &none, signal)) {
        set_default_and_die(signal, (uint64_t *)&uc->uc_sigmask);
        return;
    }
    g[CX] = g[IP];
    g[AX] = SYS_exit_group;
    g[IP] = (uint64_t)rt_full;
}

/* `uc` holds the guest's registers: run its handler, or what the default is. `due`: it came when
 * the guest did not block it. */
static void deliver(struct thread *t, int signal, const siginfo_t *info, struct ucontext *uc,
                    bool due)
{
    struct signal_action action = action_of(t->process, signal);
    bool fault = info->si_code > 0 && (SIGNAL_BIT(signal) & SIGNALS_OURS);
    bool blocked = !due && (t->signal_mask & SIGNALS_OURS & SIGNAL_BIT(signal));
    uint64_t *mask = (uint64_t *)&uc->uc_sigmask;
    *mask = host_mask(t->signal_mask);
    if (action.handler == (uint64_t)SIG_IGN && !fault)
        return;
    if (blocked && !fault) {
        hold(t, signal, info);
        return;
    }
    if (action.handler <= (uint64_t)SIG_IGN || blocked) {
        end_process(t, signal, uc);
        return;
    }
    uint64_t return_mask = take_return_mask(t);
    if (frame_make(t, signal, info, uc, &action, return_mask) < 0) {
        end_process(t, SIGSEGV, uc);
        return;
    }
    g_counters.signals++;
    if (action.flags & SA_RESETHAND)
        ((volatile struct signal_action *)&t->process->actions->of[signal])->handler = 0;
    if (t->signal_stack.ss_flags & (int)(1u << 31)) /* SS_AUTODISARM */
        t->signal_stack = (stack_t){.ss_flags = SS_DISABLE};
    t->signal_mask |= action.mask;
    if (!(action.flags & SA_NODEFER))
        t->signal_mask |= SIGNAL_BIT(signal);
    t->signal_mask &= ~SIGNALS_UNBLOCKABLE;
    *mask = host_mask(t->signal_mask);
}

/* Is a call begun again after this signal as if it had not come? */
static bool restarts(const struct signal_action *action)
{
    return action->handler <= (uint64_t)SIG_IGN || (action->flags & SA_RESTART);
}

/* The flags as entry.S keeps them. */
static uint64_t flags_kept(uint64_t flags, uint32_t kept)
{
    const uint64_t low = 0xd5, overflow = 1u << 11;
    return (flags & ~(low | overflow)) | ((kept >> 8) & low) | (kept & 1 ? overflow : 0);
}

/* On the short way of entry.S the guest's call has not begun, has been ended by this very signal, or
 * is done: its registers become those of the instruction before, or of the one behind it. */
static void settle_fast(const struct thread *t, const struct signal_action *action, uint64_t *g)
{
    uint64_t ip = g[IP], back = ip == (uint64_t)rt_entry ? g[CX] : t->call_return;
    bool more = between(ip, rt_fast_more, rt_fast_more_end);
    bool early = more || ip < (uint64_t)rt_fast_syscall, at_call = ip == (uint64_t)rt_fast_syscall;
    if (early && ip >= (uint64_t)rt_fast_number)
        g[AX] = t->call_number;
    if ((early || at_call) && ip >= (uint64_t)rt_fast_flags)
        g[FL] = flags_kept(g[FL], t->call_flags);
    bool again = early || (at_call && (g[CX] == 0 || restarts(action)));
    if (at_call && !again)
        g[AX] = (uint64_t)-EINTR;
    g[CX] = back;
    g[IP] = again ? back - 2 : back;
}

/* Those that the guest no longer blocks. */
static void deliver_held(struct thread *t, struct ucontext *uc)
{
    for (;;) {
        uint64_t ready = t->held_signals & ~(t->has_wait_mask ? t->wait_mask : t->signal_mask);
        if (ready == 0)
            return;
        int signal = __builtin_ctzll(ready) + 1;
        t->held_signals &= ~SIGNAL_BIT(signal);
        deliver(t, signal, signal_held_info(t, signal), uc, true);
    }
}

/* What the thread kept while the runtime was at work. */
static void deliver_waiting(struct thread *t, struct ucontext *uc)
{
    int signal = t->deferred_signal;
    t->deferred_signal = 0;
    if (signal > 0)
        deliver(t, signal, &t->deferred_info, uc, true);
    deliver_held(t, uc);
}

/* The mask of a call that waits under another one than the guest's, if a signal has ended it. */
static void find_wait_mask(struct thread *t, const struct regs *r)
{
    uint64_t at = 0;
    t->has_wait_mask = false;
    if ((int64_t)r->rax != -EINTR)
        return;
    switch (r->nr) {
    case SYS_rt_sigsuspend:
        at = r->rdi;
        break;
    case SYS_ppoll:
        at = r->r10;
        break;
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        at = r->r8;
        break;
    case SYS_pselect6:
        if (r->r9 != 0 && guest_copy(&at, (const void *)r->r9, sizeof(at)) < 0)
            at = 0;
        break;
    default:
        break;
    }
    t->has_wait_mask = at != 0 && guest_copy(&t->wait_mask, (const void *)at, 8) == 0;
}

/* The first signal that will be delivered decides whether an interrupted call goes on. */
static bool restart_wanted(const struct thread *t, int signal)
{
    int first = t->deferred_signal > 0 ? t->deferred_signal : signal;
    struct signal_action action = action_of(t->process, first);
    return restarts(&action);
}

/* If the interrupted code counts as the guest's, completes the guest's registers in `uc`. */
static enum place settle_place(struct thread *t, int signal, struct ucontext *uc)
{
    uint64_t *g = (uint64_t *)&uc->uc_mcontext;
    if (between(g[IP], rt_entry, rt_fast_end) || between(g[IP], rt_fast_more, rt_fast_more_end)) {
        const struct signal_action action = action_of(t->process, signal);
        settle_fast(t, &action, g);
        return PLACE_GUEST;
    }
    if (between(g[IP], rt_full, rt_full_end)) {
        if (g[IP] >= (uint64_t)rt_full_switched)
            g[SP] = t->guest_rsp;
        g[IP] = g[CX] - 2;
        if (t->foreign_call)
            g[CX] = t->foreign_ecx;
        t->foreign_call = false;
        t->in_runtime = 0;
        return PLACE_GUEST;
    }
    if (t->delivering || between(g[IP], rt_exit_begin, rt_exit_end)) {
        const struct regs *r = thread_regs(t);
        regs_to_context(r, g);
        settle_restart(g, r, restart_wanted(t, signal));
        t->delivering = false;
        atomic_fetch_and(&t->work, ~(uint32_t)THREAD_WORK_SIGNAL);
        t->in_runtime = 0;
        return PLACE_GUEST;
    }
    return t->in_runtime ? PLACE_RUNTIME : PLACE_GUEST;
}

/* Ends the interruptible host call the thread is in, if it is in one. */
static void abort_call(uint64_t *g)
{
    if (between(g[IP], linux_unless_begin, linux_unless_syscall) ||
        (g[IP] == (uint64_t)linux_unless_syscall && g[CX] == 0)) {
        g[IP] = (uint64_t)linux_unless_abort;
    } else if (g[IP] == (uint64_t)linux_unless_syscall) {
        g[IP] = (uint64_t)linux_unless_end;
        g[AX] = (uint64_t)-512;
    }
}

/* The runtime is at work: the signal waits with the thread, all others at the host. */
static void defer(struct thread *t, int signal, const siginfo_t *info, struct ucontext *uc)
{
    if (SIGNAL_BIT(signal) & SIGNALS_OURS) { /* cannot be blocked at the host */
        hold(t, signal, info);
    } else {
        if (t->deferred_signal == 0) {
            t->deferred_signal = signal;
            t->deferred_info = *info;
        } else { /* the mask was opened too early; never seen */
            (void)call(SYS_rt_tgsigqueueinfo, t->process->pid, t->tid, signal, (long)info);
        }
        *(uint64_t *)&uc->uc_sigmask = host_mask(~0ull);
    }
    atomic_fetch_or(&t->work, THREAD_WORK_SIGNAL);
    abort_call((uint64_t *)&uc->uc_mcontext);
}

static void complain(const char *text, uint64_t value)
{
    char line[96];
    size_t n = strnlen(text, 64);
    memcpy(line, text, n);
    for (int shift = 60; shift >= 0; shift -= 4)
        line[n++] = "0123456789abcdef"[(value >> shift) & 15];
    line[n++] = '\n';
    (void)call(SYS_write, 2, (long)line, (long)n, 0);
}

/* A fault in the runtime: a copy routine's is -EFAULT, any other ends the process. */
static void runtime_fault(int signal, const siginfo_t *info, struct ucontext *uc)
{
    uint64_t *g = (uint64_t *)&uc->uc_mcontext;
    if (between(g[IP], guest_copy_begin, guest_copy_end)) {
        g[IP] = (uint64_t)guest_copy_fault;
        return;
    }
    if (crypto_late_fault && crypto_late_fault((uint64_t)info->si_addr))
        return;
    uint64_t from, size;
    dispatch_text_bounds(&from, &size);
    complain("coffer-runtime: fault in the runtime, text offset ", g[IP] - from);
    complain("coffer-runtime: at address ", (uint64_t)info->si_addr);
    set_default_and_die(signal, (uint64_t *)&uc->uc_sigmask);
}

void signal_host_handler(int signal, siginfo_t *info, void *context)
{
    struct thread *t = thread_self();
    struct ucontext *uc = context;
    uint64_t *g = (uint64_t *)&uc->uc_mcontext;
    siginfo_t shared;
    if (info->si_code == SI_TKILL && signal_was_routed(t, signal)) {
        if (signal_shared_take(SIGNAL_BIT(signal), &shared) == 0)
            return; /* another thread has it */
        info = &shared;
    }
    bool fault = info->si_code > 0 &&
                 (SIGNAL_BIT(signal) & (SIGNALS_OURS | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGFPE)));
    if (signal == SIGTRAP && sites_breakpoint(g[IP] - 1)) {
        g[IP] -= 1;
        return;
    }
    if (fault && t->in_runtime && !t->delivering && !between(g[IP], rt_exit_begin, rt_exit_end)) {
        runtime_fault(signal, info, uc);
        return;
    }
    if (settle_place(t, signal, uc) == PLACE_RUNTIME) {
        defer(t, signal, info, uc);
        return;
    }
    g[IP] = sites_original(g[IP]);
    if (t->deferred_signal != 0)
        deliver_waiting(t, uc);
    deliver(t, signal, info, uc, false);
    deliver_held(t, uc);
    t->has_wait_mask = false;
    if (t->routes)
        shared_route(t);
}

/* The SIGSYS that dispatch_work() or sigreturn sent for what waits. */
static void on_carrier(struct thread *t, int signal, const siginfo_t *info, struct ucontext *uc)
{
    uint64_t *g = (uint64_t *)&uc->uc_mcontext;
    t->carrying = false;
    if (info->si_code != SI_TKILL || info->si_pid != t->process->pid)
        hold(t, signal, info); /* somebody else's, which came instead of ours */
    siginfo_t shared;
    if (signal_was_routed(t, signal) && signal_shared_take(SIGNAL_BIT(signal), &shared) == signal)
        hold(t, signal, &shared);
    if (settle_place(t, signal, uc) == PLACE_RUNTIME) {
        atomic_fetch_or(&t->work, THREAD_WORK_SIGNAL);
        abort_call(g);
        return;
    }
    g[IP] = sites_original(g[IP]);
    *(uint64_t *)&uc->uc_sigmask = host_mask(t->signal_mask);
    deliver_waiting(t, uc);
    t->has_wait_mask = false;
}

/* A system call instruction outside the runtime's text: go on at the entry. */
static void on_dispatch(struct thread *t, uint64_t *g, const siginfo_t *info)
{
    if (info->si_arch != AUDIT_ARCH_X86_64) {
        if (atomic_load(&t->confined.mode) == 0 || t->in_runtime) {
            g[AX] = (uint64_t)-ENOSYS; /* int 0x80 */
            return;
        }
        t->foreign_call = true;
        t->foreign_ecx = g[CX];
        g[CX] = g[IP];
        g[IP] = (uint64_t)rt_full;
        return;
    }
    if (t->in_runtime) { /* we ourselves in the vDSO, which had to ask the kernel */
        g_dispatch_time_asks = true;
        const long args[6] = {(long)g[DI],  (long)g[SI], (long)g[DX],
                              (long)g[R10], (long)g[R8], (long)g[R9]};
        g[AX] = (uint64_t)linux_call((long)g[AX], args);
        return;
    }
    g_counters.traps++;
    g[CX] = g[IP];
    g[R11] = g[FL];
    bool hot = g_sites_enabled && sites_count(g[IP] - 2);
    if (hot)
        t->trap_site = g[IP] - 2;
    /* A kick that was sent while this trap's signal was pending is one with it: only the full way
     * looks for work. */
    g[IP] = (uint64_t)(hot || atomic_load(&t->work) != 0 ? rt_full : rt_entry);
}

static void on_kick(struct thread *t, struct ucontext *uc)
{
    uint64_t *g = (uint64_t *)&uc->uc_mcontext;
    if (settle_place(t, SIGSYS, uc) == PLACE_RUNTIME) {
        abort_call(g);
        return;
    }
    /* Into the runtime by a call that does nothing; this thread never comes back to here. */
    g[CX] = g[IP];
    g[AX] = SYS_sched_yield;
    g[IP] = (uint64_t)rt_full;
}

void signal_host_sigsys(int signal, siginfo_t *info, void *context)
{
    struct thread *t = thread_self();
    struct ucontext *uc = context;
    if (info->si_code == SYS_USER_DISPATCH_CODE)
        on_dispatch(t, (uint64_t *)&uc->uc_mcontext, info);
    else if (info->si_code == SI_TKILL && (atomic_load(&t->work) & THREAD_WORK_KICK))
        on_kick(t, uc);
    else if (t->carrying)
        on_carrier(t, signal, info, uc);
    else
        signal_host_handler(signal, info, context);
}

/* On the way out: opens the guest's mask, so that the handler above finds complete registers. */
int dispatch_work(struct regs *regs)
{
    struct thread *t = thread_self();
    if (atomic_load(&t->work) & THREAD_WORK_KICK)
        return 1;
    const uint64_t open = host_mask(t->signal_mask);
    find_wait_mask(t, regs);
    uint64_t closed = t->has_wait_mask ? t->wait_mask : t->signal_mask;
    signal_shared_adopt(t, ~closed);
    if (t->routes)
        shared_route(t);
    t->delivering = true;
    if (t->deferred_signal != 0 || (t->held_signals & ~closed)) {
        t->carrying = true; /* what follows does not come back here */
        (void)call(SYS_tgkill, t->process->pid, t->tid, SIGSYS, 0);
    }
    (void)call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&open, 0, 8);
    /* Nothing was delivered after all. A kick may have come. */
    t->delivering = t->has_wait_mask = false;
    atomic_fetch_and(&t->work, ~(uint32_t)THREAD_WORK_SIGNAL);
    uint64_t g[18];
    g[AX] = regs->rax;
    g[IP] = regs->rip;
    settle_restart(g, regs, true);
    regs->rax = g[AX];
    regs->rip = g[IP];
    return 0;
}
