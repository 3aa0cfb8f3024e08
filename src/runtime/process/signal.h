/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/process/signal.h: the guest's signals.
 *
 * The host's mask is the guest's but for a few that are never blocked (SIGNALS_OURS), so the host
 * queues, directs and wakes as for any program. A host handler that finds guest code makes the
 * guest's frame at once. One that finds the runtime at work keeps the signal with its thread,
 * blocks everything else and sets THREAD_WORK_SIGNAL; on the way out dispatch_work() sends itself a
 * SIGSYS that carries it, whose handler finds the guest's registers complete. So there is one way
 * to make a frame, the host always has the vector registers in it, and signals of one number keep
 * their order: the one that waits is delivered before the host may hand out the next. */
#ifndef COFFER_RUNTIME_PROCESS_SIGNAL_H
#define COFFER_RUNTIME_PROCESS_SIGNAL_H

#include "runtime/lock.h"
#include "runtime/thread.h"

#include <asm/ucontext.h>

#define SIGNAL_COUNT 64
#define SIGNAL_BIT(signal) (1ull << ((signal)-1))
#define SIGNALS_UNBLOCKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))
/* Never blocked at the host: traps and faults that the runtime itself must see. */
#define SIGNALS_OURS \
    (SIGNAL_BIT(SIGSYS) | SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGTRAP))

#define SIGNAL_STACK_SIZE ((size_t)48 << 10) /* for host handlers: AVX-512 frames are large */

/* struct sigaction as rt_sigaction(2) takes it. */
struct signal_action {
    uint64_t handler, flags, restorer, mask;
};

struct signal_actions {
    lock_word lock;            /* protects changes; readers on the guest's side check `sequence` */
    _Atomic uint32_t sequence; /* odd while a change is under way */
    struct signal_action of[SIGNAL_COUNT + 1];
};

/* The kernel's frame for x86-64 (arch/x86/include/asm/sigframe.h). */
struct signal_frame {
    uint64_t restorer;
    struct {
        uint64_t flags, link;
        stack_t stack;
        uint64_t gregs[23];
        uint64_t fpstate;
        uint64_t reserved[8];
        uint64_t mask;
    } uc;
    siginfo_t info;
};

/* The host's handlers (signal_host.c): SIGSYS, and all others. */
void signal_host_sigsys(int signal, siginfo_t *info, void *context);
void signal_host_handler(int signal, siginfo_t *info, void *context);

/* The signal whose default action ends the process, when that is to happen in order: by way of
 * process_exit(), which commits the volumes that this process owns. 0: none yet. */
extern _Atomic int g_signal_dying;
/* Whether it is to happen so. */
extern _Atomic bool g_signal_in_order;

/* Installs the runtime's own handlers. At start, and in nobody's child: fork() inherits them. */
void signal_start(void);

/* The host's alternate signal stack for the calling thread. */
void signal_stack_install(struct thread *t, void *stack);
void signal_stack_remove(void);
/* Opens the guest's mask at the host: what comes waits for the end of the call. */
void signal_open(const struct thread *t);

/* Handlers become default, ignored signals stay ignored: `actions` are the calling process's. */
void signal_actions_reset(struct signal_actions *actions);

/* After execve: handlers back to default, ignored ones stay ignored. */
void signal_reset_for_exec(struct thread *t);

/* Where a thread keeps what came with one of SIGNALS_OURS that the guest blocks. */
static inline unsigned signal_held_index(int signal)
{
    return signal == SIGSYS ? 0 : signal == SIGSEGV ? 1 : signal == SIGBUS ? 2 : 3;
}
static inline siginfo_t *signal_held_info(struct thread *t, int signal)
{
    return &t->held_info[signal_held_index(signal)];
}

/* Those of SIGNALS_OURS that were sent to the process while the thread that they came to blocks them. Whoever
 * unblocks one, or waits for it, has it: any thread but a child of vfork()'s. */
bool signal_shared_any(void);
uint64_t signal_shared_pending(void);
/* One of `wanted` that waits, or 0. Safe in handlers. */
int signal_shared_take(uint64_t wanted, siginfo_t *ret_info);
/* What waits of `wanted` is the calling thread's now, among what it holds. */
void signal_shared_adopt(struct thread *t, uint64_t wanted);
/* Did `signal` come only to have this thread look for it there? Says so once. */
bool signal_was_routed(struct thread *t, int signal);
/* In a child of fork(). */
void signal_shared_forget(void);

/* Host mask of the calling thread. */
void signal_block_all(void);

/* On the way out: the mask of the guest must be opened again (set after signal_block_all()). */
void signal_open_on_exit(struct thread *t);

/* The SIGSYS of a filter, which comes on the way out. False if the guest blocks or does not handle it:
 * then it is deadly. */
must_check bool signal_force_sigsys(struct thread *t, const siginfo_t *info);

/* What the host is told for a guest's action. */
void signal_host_action(int signal, const struct signal_action *guest);

/* After somebody else has changed it: what the host does with a signal is what the guest wants. */
void signal_host_restore(int signal);

/* Does a call that is about to wait under a mask of its own end at once, because the thread keeps a signal
 * that this lets in? Then it is -EINTR, and the signal comes. */
struct syscall_call;
bool signal_ends_wait(const struct syscall_call *c);

/* Ends the process as `signal` would by default. */
void signal_die(int signal) __attribute__((noreturn));

/* Wakes another thread out of whatever it does; it finds THREAD_WORK_KICK. */
void signal_kick(struct thread *t);

#endif
