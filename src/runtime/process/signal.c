/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's calls about signals, and the host's side of them. */
#include "runtime/process/signal.h"
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/guest.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define ACTION_FLAGS_HOST (SA_NOCLDSTOP | SA_NOCLDWAIT)
#define SA_RESTORER_FLAG 0x04000000
#define SA_EXPOSE_TAGBITS_FLAG 0x00000800
#define ACTION_FLAGS_KNOWN                                                                     \
    ((uint64_t)(unsigned)(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | \
                          SA_NODEFER | (int)SA_RESETHAND | SA_EXPOSE_TAGBITS_FLAG |            \
                          SA_RESTORER_FLAG))
#define SS_AUTODISARM_FLAG ((int)(1u << 31))
#define MINSIGSTKSZ_KERNEL 2048

static void host_action_set(int signal, uint64_t handler, uint64_t flags)
{
    const struct signal_action action = {
        .handler = handler,
        .flags = flags | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_RESTORER_FLAG,
        .restorer = (uint64_t)rt_host_restorer,
        .mask = ~0ull,
    };
    (void)host_call(SYS_rt_sigaction, signal, &action, 0, 8);
}

_Atomic int g_signal_dying;
_Atomic bool g_signal_in_order;

/* vfs/vfs.h, where it is linked in. */
__attribute__((weak)) bool vfs_owns_volumes(void);

/* By default this signal ends the process, and what it has written to its own volumes must be
 * committed first: the host would end it where it is. */
static bool must_end_in_order(int signal)
{
    const uint64_t others = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) |
                            SIGNAL_BIT(SIGWINCH) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) |
                            SIGNAL_BIT(SIGTTOU);
    bool ends = !(SIGNAL_BIT(signal) & others) && vfs_owns_volumes && vfs_owns_volumes();
    if (ends)
        atomic_store(&g_signal_in_order, true);
    return ends;
}

void signal_host_action(int signal, const struct signal_action *guest)
{
    if (signal == SIGSYS || signal == SIGKILL || signal == SIGSTOP)
        return;
    uint64_t handler = guest->handler;
    if (handler > (uint64_t)SIG_IGN || (SIGNAL_BIT(signal) & SIGNALS_OURS) ||
        (handler == (uint64_t)SIG_DFL && must_end_in_order(signal)))
        handler = (uint64_t)signal_host_handler;
    host_action_set(signal, handler, guest->flags & ACTION_FLAGS_HOST);
}

void signal_host_restore(int signal)
{
    struct signal_actions *actions = process_self()->actions;
    lock_acquire(&actions->lock);
    signal_host_action(signal, &actions->of[signal]);
    lock_release(&actions->lock);
}

void signal_start(void)
{
    struct process *process = process_self();
    host_action_set(SIGSYS, (uint64_t)signal_host_sigsys, 0);
    for (int signal = 1; signal <= SIGNAL_COUNT; signal++) {
        struct signal_action *action = &process->actions->of[signal];
        if (signal == SIGSYS || signal == SIGKILL || signal == SIGSTOP)
            continue;
        (void)host_call(SYS_rt_sigaction, signal, 0, action, 8);
        if (action->handler != (uint64_t)SIG_IGN)
            *action = (struct signal_action){0};
        bool in_order = action->handler == (uint64_t)SIG_DFL && must_end_in_order(signal);
        if (in_order || (SIGNAL_BIT(signal) & SIGNALS_OURS))
            host_action_set(signal, (uint64_t)signal_host_handler, 0);
    }
}

void signal_stack_install(struct thread *t, void *stack)
{
    t->host_signal_stack = stack;
    const stack_t host = {.ss_sp = stack, .ss_size = SIGNAL_STACK_SIZE};
    (void)host_call(SYS_sigaltstack, &host, 0);
}

void signal_stack_remove(void)
{
    const stack_t none = {.ss_flags = SS_DISABLE};
    (void)host_call(SYS_sigaltstack, &none, 0);
}

static void change_begin(struct signal_actions *actions)
{
    lock_acquire(&actions->lock);
    atomic_fetch_add(&actions->sequence, 1);
}

static void change_end(struct signal_actions *actions)
{
    atomic_fetch_add(&actions->sequence, 1);
    lock_release(&actions->lock);
}

void signal_actions_reset(struct signal_actions *actions)
{
    for (int signal = 1; signal <= SIGNAL_COUNT; signal++) {
        struct signal_action *action = &actions->of[signal];
        bool ignored = action->handler == (uint64_t)SIG_IGN;
        bool was_default = action->handler == (uint64_t)SIG_DFL;
        *action = (struct signal_action){.handler = ignored ? (uint64_t)SIG_IGN : 0};
        if (!was_default)
            signal_host_action(signal, action);
    }
}

void signal_reset_for_exec(struct thread *t)
{
    signal_actions_reset(t->process->actions);
    t->signal_stack = (stack_t){.ss_flags = SS_DISABLE};
}

void signal_block_all(void)
{
    const uint64_t all = ~(SIGNALS_OURS | SIGNALS_UNBLOCKABLE);
    (void)host_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
}

void signal_open(const struct thread *t)
{
    const uint64_t mask = t->signal_mask & ~(SIGNALS_OURS | SIGNALS_UNBLOCKABLE);
    (void)host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
}

void signal_open_on_exit(struct thread *t)
{
    atomic_fetch_or(&t->work, THREAD_WORK_SIGNAL);
}

void signal_die(int signal)
{
    const struct signal_action action = {0};
    const uint64_t mask = 0;
    (void)host_call(SYS_rt_sigaction, signal, &action, 0, 8);
    (void)host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
    for (;;) {
        (void)host_call(SYS_tgkill, process_self()->pid, thread_self()->tid, signal);
        (void)host_call(SYS_exit_group, 128 + signal);
    }
}

bool signal_force_sigsys(struct thread *t, const siginfo_t *info)
{
    struct signal_actions *actions = t->process->actions;
    lock_acquire(&actions->lock);
    uint64_t handler = actions->of[SIGSYS].handler;
    lock_release(&actions->lock);
    if (handler <= (uint64_t)SIG_IGN || (t->signal_mask & SIGNAL_BIT(SIGSYS)))
        return false;
    *signal_held_info(t, SIGSYS) = *info;
    t->held_signals |= SIGNAL_BIT(SIGSYS);
    signal_open_on_exit(t);
    return true;
}

void signal_kick(struct thread *t)
{
    atomic_fetch_or(&t->work, THREAD_WORK_KICK);
    (void)host_call(SYS_tgkill, t->process->pid, t->tid, SIGSYS);
}

int64_t sys_rt_sigaction(struct syscall_call *c)
{
    int signal = (int)c->args[0];
    struct signal_actions *actions = c->thread->process->actions;
    struct signal_action action;
    if (c->args[3] != 8 || signal < 1 || signal > SIGNAL_COUNT ||
        (c->args[1] && (signal == SIGKILL || signal == SIGSTOP)))
        return -EINVAL;
    if (c->args[1] && guest_get(&action, c->args[1]) < 0)
        return -EFAULT;
    change_begin(actions);
    struct signal_action old = actions->of[signal];
    if (c->args[1]) {
        action.mask &= ~SIGNALS_UNBLOCKABLE;
        action.flags &= ACTION_FLAGS_KNOWN; /* programs ask so what there is */
        actions->of[signal] = action;
        signal_host_action(signal, &action);
    }
    change_end(actions);
    return c->args[2] ? guest_put(c->args[2], &old) : 0;
}

/* What was sent to the process and `wanted` has is this thread's now. */
static void take_shared(struct thread *t, uint64_t wanted)
{
    atomic_thread_fence(memory_order_seq_cst); /* the mask is there to see, or the signal is */
    signal_shared_adopt(t, wanted);
}

/* The host's mask for the guest's new one. If a signal came meanwhile that waits for the end of the
 * call, the mask is opened there. */
static void host_mask_set(struct thread *t)
{
    const uint64_t mask = t->signal_mask & ~(SIGNALS_OURS | SIGNALS_UNBLOCKABLE);
    (void)rt_block(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
    take_shared(t, ~t->signal_mask);
    if (t->held_signals & ~t->signal_mask)
        signal_open_on_exit(t);
}

int64_t sys_rt_sigprocmask(struct syscall_call *c)
{
    struct thread *t = c->thread;
    uint64_t set, old = t->signal_mask;
    if (c->args[3] != 8)
        return -EINVAL;
    if (c->args[1]) {
        if (guest_get(&set, c->args[1]) < 0)
            return -EFAULT;
        set &= ~SIGNALS_UNBLOCKABLE;
        switch (c->args[0]) {
        case SIG_BLOCK:
            set |= old;
            break;
        case SIG_UNBLOCK:
            set = old & ~set;
            break;
        case SIG_SETMASK:
            break;
        default:
            return -EINVAL;
        }
        t->signal_mask = set;
        host_mask_set(t);
    }
    return c->args[2] ? guest_put(c->args[2], &old) : 0;
}

/* With a copy of the mask that leaves ours open. */
int64_t sys_rt_sigsuspend(struct syscall_call *c)
{
    uint64_t mask;
    if (c->args[1] != 8)
        return -EINVAL;
    if (guest_get(&mask, c->args[0]) < 0)
        return -EFAULT;
    atomic_store(&c->thread->waits_for, ~mask & SIGNALS_OURS);
    take_shared(c->thread, ~mask);
    int64_t r = -EINTR;
    const uint64_t host = mask & ~(SIGNALS_OURS | SIGNALS_UNBLOCKABLE);
    if (c->thread->held_signals & ~mask)
        signal_open_on_exit(c->thread);
    else
        r = rt_block(SYS_rt_sigsuspend, &host, 8);
    atomic_store(&c->thread->waits_for, 0);
    return r;
}

/* Where the mask is that a call waits under; 0: it has none. */
static uint64_t wait_mask_place(const struct syscall_call *c)
{
    uint64_t at = 0;
    switch (c->nr) {
    case SYS_ppoll:
        return c->args[3];
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return c->args[4];
    case SYS_pselect6:
        return c->args[5] != 0 && guest_get(&at, c->args[5]) == 0 ? at : 0;
    default:
        return 0;
    }
}

bool signal_ends_wait(const struct syscall_call *c)
{
    uint64_t mask, at = wait_mask_place(c);
    if (at == 0 || guest_get(&mask, at) < 0)
        return false;
    take_shared(c->thread, ~mask);
    if (!(c->thread->held_signals & ~mask))
        return false;
    signal_open_on_exit(c->thread);
    return true;
}

int64_t sys_rt_sigpending(struct syscall_call *c)
{
    uint64_t set = 0;
    if (c->args[1] > 8)
        return -EINVAL;
    int64_t r = host_call(SYS_rt_sigpending, &set, 8);
    set |= c->thread->held_signals | signal_shared_pending();
    return r < 0 ? r : guest_write(c->args[0], &set, c->args[1]);
}

/* One of `set` that waits with the thread, or 0. */
static int64_t take_held(struct thread *t, uint64_t set, unsigned long info_at)
{
    uint64_t ready = t->held_signals & set;
    if (ready == 0)
        return 0;
    int signal = __builtin_ctzll(ready) + 1;
    t->held_signals &= ~SIGNAL_BIT(signal);
    if (info_at && guest_put(info_at, signal_held_info(t, signal)) < 0)
        return -EFAULT;
    return signal;
}

int64_t sys_rt_sigtimedwait(struct syscall_call *c)
{
    uint64_t set;
    if (c->args[3] != 8)
        return -EINVAL;
    if (guest_get(&set, c->args[0]) < 0)
        return -EFAULT;
    atomic_store(&c->thread->waits_for, set & SIGNALS_OURS);
    take_shared(c->thread, set & SIGNALS_OURS);
    int64_t r = take_held(c->thread, set, c->args[1]);
    while (r == 0) {
        r = sys_pass(c);
        bool looks = r > 0 && r <= SIGNAL_COUNT && signal_was_routed(c->thread, (int)r);
        if (looks)
            take_shared(c->thread, SIGNAL_BIT(r));
        int64_t held = looks || rt_was_interrupted(r) ? take_held(c->thread, set, c->args[1]) : 0;
        r = looks || held != 0 ? held : r; /* 0: another thread has it */
    }
    atomic_store(&c->thread->waits_for, 0);
    return r;
}

/* Is the guest on its alternate stack? One that disarms itself is never in use. */
static bool on_signal_stack(const struct thread *t, uint64_t rsp)
{
    const stack_t *s = &t->signal_stack;
    uint64_t low = (uint64_t)s->ss_sp;
    return !(s->ss_flags & (SS_DISABLE | SS_AUTODISARM_FLAG)) && rsp > low &&
           rsp - low <= s->ss_size;
}

int64_t sys_sigaltstack(struct syscall_call *c)
{
    struct thread *t = c->thread;
    bool on_it = on_signal_stack(t, thread_regs(t)->rsp);
    stack_t old = t->signal_stack, new;
    old.ss_flags = (on_it ? SS_ONSTACK : 0) | (old.ss_flags & (SS_DISABLE | SS_AUTODISARM_FLAG));
    if (c->args[0]) {
        if (guest_get(&new, c->args[0]) < 0)
            return -EFAULT;
        if (on_it)
            return -EPERM;
        int mode = new.ss_flags & ~SS_AUTODISARM_FLAG;
        if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK)
            return -EINVAL;
        if (mode != SS_DISABLE && new.ss_size < MINSIGSTKSZ_KERNEL)
            return -ENOMEM;
        if (mode == SS_DISABLE)
            new = (stack_t){.ss_flags = SS_DISABLE};
        new.ss_flags &= SS_DISABLE | SS_AUTODISARM_FLAG;
        t->signal_stack = new;
    }
    return c->args[1] ? guest_put(c->args[1], &old) : 0;
}

#define FP_MAGIC1 0x46505853u
#define FP_LEGACY_SIZE 512u
#define FP_SIZE_MAX (24u << 10)
#define RESUME_SIZE (sizeof(struct signal_frame) + FP_SIZE_MAX + 64)

/* Copies the vector state the guest's context names. 0 or -EFAULT. */
static int copy_fp(uint64_t from, char *target)
{
    if (guest_read(target, from, FP_LEGACY_SIZE) < 0)
        return -EFAULT;
    uint32_t magic, size;
    memcpy(&magic, target + 464, sizeof(magic));
    memcpy(&size, target + 468, sizeof(size));
    if (magic != FP_MAGIC1)
        return 0;
    if (size <= FP_LEGACY_SIZE || size > FP_SIZE_MAX)
        return -EFAULT;
    return guest_read(target + FP_LEGACY_SIZE, from + FP_LEGACY_SIZE, size - FP_LEGACY_SIZE);
}

static void stack_restore(struct thread *t, const stack_t *s)
{
    if (s->ss_flags & SS_DISABLE)
        t->signal_stack = (stack_t){.ss_flags = SS_DISABLE};
    else if (s->ss_size >= MINSIGSTKSZ_KERNEL)
        t->signal_stack = *s;
    t->signal_stack.ss_flags &= SS_DISABLE | SS_AUTODISARM_FLAG;
}

/* The guest's context is judged by the host's own sigreturn, which refuses what no user code may
 * set; ours to keep are the segment registers and the host's stack and mask. */
int64_t sys_rt_sigreturn(struct syscall_call *c)
{
    struct thread *t = c->thread;
    _Alignas(64) char space[RESUME_SIZE];
    char *fp = space;
    struct signal_frame *frame = (struct signal_frame *)(void *)(space + FP_SIZE_MAX);
    uint64_t at = thread_regs(t)->rsp - sizeof(uint64_t);
    if (guest_read(frame, at, sizeof(*frame)) < 0 ||
        (frame->uc.fpstate && copy_fp(frame->uc.fpstate, fp) < 0))
        signal_die(SIGSEGV);
    if (frame->uc.fpstate)
        frame->uc.fpstate = (uint64_t)fp;
    uint16_t code_segment, stack_segment;
    __asm__("movw %%cs, %0; movw %%ss, %1" : "=r"(code_segment), "=r"(stack_segment));
    frame->uc.gregs[18] = code_segment | (uint64_t)stack_segment << 48;
    t->signal_mask = frame->uc.mask & ~SIGNALS_UNBLOCKABLE;
    if (!on_signal_stack(t, at))
        stack_restore(t, &frame->uc.stack);
    const uint64_t everything = ~0ull;
    (void)host_call(SYS_rt_sigprocmask, SIG_SETMASK, &everything, 0, 8);
    if (atomic_load(&t->work) & THREAD_WORK_KICK) {
        signal_block_all();
        return 0;
    }
    atomic_fetch_and(&t->work, ~(uint32_t)THREAD_WORK_SIGNAL);
    take_shared(t, ~t->signal_mask);
    if (t->deferred_signal != 0 || (t->held_signals & ~t->signal_mask)) {
        t->carrying = true; /* comes when the host's sigreturn opens the mask */
        (void)host_call(SYS_tgkill, t->process->pid, t->tid, SIGSYS);
    }
    frame->uc.mask = t->signal_mask & ~(SIGNALS_OURS | SIGNALS_UNBLOCKABLE);
    frame->uc.stack = (stack_t){.ss_sp = t->host_signal_stack, .ss_size = SIGNAL_STACK_SIZE};
    rt_resume_frame(&frame->uc, t->guest_fs);
}
