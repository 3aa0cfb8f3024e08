/* SPDX-License-Identifier: Apache-2.0 */
/* Guest threads: each runs on a thread of the runtime's own libc, whose stack holds its struct
 * thread and its host signal stack, so that nothing is left to free when it ends. */
#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/guest.h"
#include "runtime/guest_copy.h"
#include "runtime/libc_own.h"
#include "runtime/process/ending.h"
#include "runtime/process/fork.h"
#include "runtime/process/process.h"
#include "runtime/process/signal.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#define THREAD_STACK_SIZE ((size_t)512 << 10)
#define THREAD_ID_MAX (1 << 22) /* Linux has no larger one */
#define ROBUST_ENTRIES_MAX 2048
#define CLONE_ARGS_SIZE_MAX 4096 /* Linux reads no more */

#define FLAGS_OF_THREADS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define FLAGS_KNOWN                                                                               \
    (FLAGS_OF_THREADS | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | \
     CLONE_CHILD_CLEARTID | CLONE_DETACHED)

lock_word g_threads_lock;
struct thread *g_threads;

void thread_list_add(struct thread *t)
{
    lock_acquire(&g_threads_lock);
    t->previous = NULL;
    t->next = g_threads;
    if (g_threads)
        g_threads->previous = t;
    g_threads = t;
    lock_release(&g_threads_lock);
}

void thread_list_remove(struct thread *t)
{
    dispatch_count(t);
    lock_acquire(&g_threads_lock);
    if (t->previous)
        t->previous->next = t->next;
    else
        g_threads = t->next;
    if (t->next)
        t->next->previous = t->previous;
    lock_release(&g_threads_lock);
    ending_thread_gone();
}

/* What XSAVEC writes for all enabled state, rounded up to its alignment. */
static uint64_t xsave_size(void)
{
    static _Atomic uint64_t size;
    uint64_t known = atomic_load(&size);
    if (known == 0) {
        unsigned a = 0, b = 0, c = 0, d = 0;
        __cpuid_count(0xd, 1, a, b, c, d);
        known = round_up(b < 576 ? 576 : b, 64);
        atomic_store(&size, known);
    }
    return known;
}

int thread_begin(struct thread *t, void *signal_stack)
{
    t->xsave_size = xsave_size();
    signal_stack_install(t, signal_stack);
    /* The guest's libc registers its own; ours, made before this, has to go. */
    if (__rseq_size > 0)
        (void)host_call(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32,
                        RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
    thread_list_add(t);
    return dispatch_arm();
}

struct start {
    struct thread *parent;
    struct clone_request request;
    struct regs regs;
    _Atomic int done; /* 0 until the child has copied this; then its tid or -errno */
};

static void *thread_main(void *arg)
{
    struct start *start = arg;
    struct thread t;
    _Alignas(64) char signal_stack[SIGNAL_STACK_SIZE];
    struct process *process = start->parent->process;
    struct regs regs = start->regs;
    const struct clone_request *request = &start->request;
    t = (struct thread){.self = &t, .process = process, .in_runtime = 1};
    long tid = host_call(SYS_gettid);
    t.tid = (int)tid;
    t.signal_stack.ss_flags = SS_DISABLE;
    t.signal_mask = start->parent->signal_mask;
    t.guest_fs = request->flags & CLONE_SETTLS ? request->tls : start->parent->guest_fs;
    if (request->flags & CLONE_CHILD_CLEARTID)
        t.clear_tid = request->child_tid;
    int r = tid > 0 && tid <= THREAD_ID_MAX ? 0 : -EPROTO;
    if (r == 0 && host_call(SYS_arch_prctl, ARCH_SET_GS, &t) != 0)
        r = -EPROTO;
    if (r < 0) { /* no thread of ours yet: thread_self() would not find it */
        atomic_store(&start->done, r);
        futex_wake(&start->done, 1);
        return NULL;
    }
    r = thread_begin(&t, signal_stack);
    if (r == 0 && (request->flags & CLONE_PARENT_SETTID) && guest_put(request->parent_tid, &t.tid))
        r = -EFAULT;
    if (r == 0 && (request->flags & CLONE_CHILD_SETTID) && guest_put(request->child_tid, &t.tid))
        r = -EFAULT;
    if (r == 0)
        atomic_fetch_add(&process->thread_count, 1);
    atomic_store(&start->done, r < 0 ? r : t.tid);
    futex_wake(&start->done, 1);
    if (r == 0) {
        signal_open_on_exit(&t);
        int how = thread_enter_guest(&t, &regs);
        if (thread_is_leader(&t)) /* of a child that this thread forked */
            process_lead(&t, how);
    }
    thread_list_remove(&t);
    signal_stack_remove();
    if (r == 0 && atomic_fetch_sub(&process->thread_count, 1) >= 1)
        futex_wake(&process->thread_count, 1);
    libc_thread_ends();
    return NULL;
}

static int64_t thread_create(struct thread *parent, const struct clone_request *request)
{
    struct start start = {.parent = parent, .request = *request, .regs = *thread_regs(parent)};
    pthread_attr_t attributes;
    pthread_t handle;
    start.regs.rax = 0;
    if (request->stack != 0)
        start.regs.rsp = request->stack;
    if (pthread_attr_init(&attributes) != 0)
        return -EAGAIN;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);
    signal_block_all();
    int r = pthread_create(&handle, &attributes, thread_main, &start);
    int tid = 0;
    while (r == 0 && (tid = atomic_load(&start.done)) == 0)
        futex_wait(&start.done, 0);
    (void)pthread_attr_destroy(&attributes);
    signal_open_on_exit(parent);
    return r == 0 ? tid : -EAGAIN;
}

/* What Linux refuses of clone() and clone3() alike. */
static bool contradicts(uint64_t flags)
{
    return ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) ||
           ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) ||
           ((flags & CLONE_PIDFD) && (flags & CLONE_DETACHED));
}

int64_t clone_process(struct thread *t, const struct clone_request *request)
{
    if (contradicts(request->flags))
        return -EINVAL;
    if ((request->flags & FLAGS_OF_THREADS) == FLAGS_OF_THREADS) {
        if (request->flags & ~(uint64_t)FLAGS_KNOWN)
            return -EINVAL;
        return thread_create(t, request);
    }
    if (platform()->enclave)
        return -ENOSYS;
    if (request->flags & CLONE_VM)
        return request->flags & CLONE_VFORK ? process_vfork(t, request) : -EINVAL;
    return process_fork(t, request);
}

int64_t sys_clone(struct syscall_call *c)
{
    const struct clone_request request = {
        .flags = c->args[0] & 0xffffff00u,
        .exit_signal = (int)(c->args[0] & 0xff),
        .stack = c->args[1],
        .parent_tid = c->args[2],
        .child_tid = c->args[3],
        .tls = c->args[4],
        .pidfd = c->args[2],
    };
    if ((request.flags & CLONE_PIDFD) && (request.flags & CLONE_PARENT_SETTID))
        return -EINVAL; /* both would be told at one address */
    return clone_process(c->thread, &request);
}

/* The guest's struct clone_args, which may be shorter or longer than the one known here. */
static int read_clone_args(struct clone_args *ret, uint64_t from, uint64_t size)
{
    char bytes[CLONE_ARGS_SIZE_MAX] = {0};
    if (size < CLONE_ARGS_SIZE_VER0 || size > sizeof(bytes))
        return size < CLONE_ARGS_SIZE_VER0 ? -EINVAL : -E2BIG;
    if (guest_read(bytes, from, size) < 0)
        return -EFAULT;
    for (size_t i = sizeof(*ret); i < size; i++)
        if (bytes[i] != 0)
            return -E2BIG;
    __builtin_memcpy(ret, bytes, sizeof(*ret));
    return 0;
}

static bool clone_args_valid(const struct clone_args *args)
{
    const uint64_t sighand = CLONE_SIGHAND | CLONE_CLEAR_SIGHAND;
    if ((args->flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME))) ||
        (args->flags & sighand) == sighand)
        return false;
    if ((args->flags & (CLONE_THREAD | CLONE_PARENT)) && args->exit_signal != 0)
        return false;
    return args->set_tid_size == 0 && args->exit_signal <= SIGNAL_COUNT &&
           (args->stack == 0) == (args->stack_size == 0);
}

int64_t sys_clone3(struct syscall_call *c)
{
    struct clone_args args;
    int r = read_clone_args(&args, c->args[0], c->args[1]);
    if (r < 0)
        return r;
    if (!clone_args_valid(&args))
        return -EINVAL;
    if (args.flags & CLONE_INTO_CGROUP)
        return -ENOSYS; /* callers fall back to clone() */
    const struct clone_request request = {
        .flags = args.flags,
        .exit_signal = (int)args.exit_signal,
        .stack = args.stack + args.stack_size,
        .parent_tid = args.parent_tid,
        .child_tid = args.child_tid,
        .tls = args.tls,
        .pidfd = args.pidfd,
    };
    return clone_process(c->thread, &request);
}

int64_t sys_set_tid_address(struct syscall_call *c)
{
    c->thread->clear_tid = c->args[0];
    return c->thread->tid;
}

/* The kernel walks it too if the process is killed, for the sake of locks in shared memory. */
static bool kernel_knows_robust_list(void)
{
    return !platform()->enclave;
}

int64_t sys_set_robust_list(struct syscall_call *c)
{
    if (c->args[1] != sizeof(struct robust_list_head))
        return -EINVAL;
    c->thread->robust_head = c->args[0];
    return kernel_knows_robust_list() ? sys_pass(c) : 0;
}

int64_t sys_get_robust_list(struct syscall_call *c)
{
    const uint64_t size = sizeof(struct robust_list_head);
    if (c->args[0] != 0 && (int)c->args[0] != c->thread->tid)
        return kernel_knows_robust_list() ? sys_pass(c) : -EPERM;
    if (guest_put(c->args[1], &c->thread->robust_head) < 0 || guest_put(c->args[2], &size) < 0)
        return -EFAULT;
    return 0;
}

int64_t sys_rseq(struct syscall_call *c)
{
    struct thread *t = c->thread;
    int64_t r = sys_pass(c);
    if (r == 0 && !(c->args[2] & RSEQ_FLAG_UNREGISTER)) {
        t->rseq_address = c->args[0];
        t->rseq_size = (uint32_t)c->args[1];
        t->rseq_signature = (uint32_t)c->args[3];
    } else if (r == 0) {
        t->rseq_address = 0;
    }
    return r;
}

void rseq_forget(struct thread *t)
{
    if (t->rseq_address != 0)
        (void)host_call(SYS_rseq, t->rseq_address, t->rseq_size, RSEQ_FLAG_UNREGISTER,
                        t->rseq_signature);
    t->rseq_address = 0;
}

int64_t sys_gettid(struct syscall_call *c)
{
    return c->thread->tid;
}

int64_t sys_getpid(struct syscall_call *c)
{
    return c->thread->process->pid;
}

/* One lock of a thread that ended with it held (kernel/futex: handle_futex_death). */
static void robust_release(const struct thread *t, uint64_t address)
{
    uint32_t value;
    if (address % 4 != 0 || guest_get(&value, address) < 0)
        return;
    while ((value & FUTEX_TID_MASK) == (uint32_t)t->tid) {
        uint32_t expected = value;
        if (guest_exchange_u32((void *)address, &expected,
                               (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) < 0)
            return;
        if (expected == value) {
            if (value & FUTEX_WAITERS)
                (void)host_call(SYS_futex, address, FUTEX_WAKE, 1);
            return;
        }
        value = expected;
    }
}

static void walk(const struct thread *t, uint64_t head_at)
{
    struct robust_list_head head;
    if (guest_get(&head, head_at) < 0)
        return;
    uint64_t entry = (uint64_t)head.list.next;
    for (int i = 0; i < ROBUST_ENTRIES_MAX && entry != head_at; i++) {
        uint64_t next, node = entry & ~1ull;
        if (guest_get(&next, node) < 0)
            break;
        if (node != ((uint64_t)head.list_op_pending & ~1ull))
            robust_release(t, node + (uint64_t)head.futex_offset);
        entry = next;
    }
    if (head.list_op_pending)
        robust_release(t, ((uint64_t)head.list_op_pending & ~1ull) + (uint64_t)head.futex_offset);
}

void robust_list_walk(struct thread *t)
{
    if (t->robust_head == 0)
        return;
    walk(t, t->robust_head);
    t->robust_head = 0;
    if (kernel_knows_robust_list()) /* the list's memory may go before the host's thread does */
        (void)host_call(SYS_set_robust_list, NULL, sizeof(struct robust_list_head));
}
