/* SPDX-License-Identifier: Apache-2.0 */
/* Guest threads: each runs on a thread of the runtime's own libc, whose stack holds its host signal
 * stack. */
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
#include <stdlib.h>
#include <sys/rseq.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>

#define THREAD_STACK_SIZE ((size_t)512 << 10)
#define LIBC_SIGSETXID 33
#define THREAD_ID_MAX (1 << 22) /* Linux has no larger one */
#define ROBUST_ENTRIES_MAX 2048
#define CLONE_ARGS_SIZE_MAX 4096 /* Linux reads no more */

#define FLAGS_OF_THREADS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define FLAGS_KNOWN                                                                               \
    (FLAGS_OF_THREADS | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | \
     CLONE_CHILD_CLEARTID | CLONE_DETACHED)

lock_word g_threads_lock;
struct thread *g_threads;

void thread_list_add(struct thread *t, const struct thread *creator)
{
    lock_acquire(&g_threads_lock);
    if (creator)
        confined_inherit(&t->confined, &creator->confined);
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
uint64_t thread_xsave_size(void)
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
    t->xsave_size = thread_xsave_size();
    signal_stack_install(t, signal_stack);
    /* The guest's libc registers its own; ours, made before this, has to go. */
    const char *own_rseq = (const char *)__builtin_thread_pointer() + __rseq_offset;
    if (__rseq_size > 0 && (int)((const struct rseq *)(const void *)own_rseq)->cpu_id >= 0)
        (void)host_call(SYS_rseq, own_rseq, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
    return dispatch_arm();
}

/* A thread on its way: made by its creator, given up by the thread itself when it ends. The creator knows
 * its number from libc as soon as there is one and puts it into the list; the thread waits for that, not
 * the creator for the thread, which on one processor would be two switches more. */
struct start {
    struct thread thread;
    struct regs regs;
    _Atomic int state;
};

enum start_state {
    START_MADE,
    START_AWAITED, /* the thread sleeps until the creator is done */
    START_GO,
    START_CANCELLED,
};

static enum start_state await_creator(struct start *start)
{
    int state = START_MADE;
    if (atomic_compare_exchange_strong(&start->state, &state, START_AWAITED))
        state = START_AWAITED;
    for (; state == START_AWAITED; state = atomic_load(&start->state))
        futex_wait(&start->state, START_AWAITED);
    return (enum start_state)state;
}

/* The last that the creator does with it. */
static void start_release(struct start *start, enum start_state state)
{
    if (atomic_exchange(&start->state, state) == START_AWAITED)
        futex_wake(&start->state, 1);
}

static void *thread_main(void *arg)
{
    struct start *start = arg;
    struct thread *t = &start->thread;
    _Alignas(64) char signal_stack[SIGNAL_STACK_SIZE];
    __asm__ volatile("wrgsbase %0" : : "r"(t) : "memory");
    if (await_creator(start) == START_CANCELLED) {
        free(start);
        return NULL;
    }
    /* The guest has been told that it is there: what fails now ends the process. */
    if (thread_begin(t, signal_stack) < 0)
        signal_die(SIGKILL);
    signal_open_on_exit(t);
    int how = thread_enter_guest(t, &start->regs);
    if (thread_is_leader(t)) /* of a child that this thread forked */
        process_lead(t, how);
    struct process *process = t->process;
    thread_list_remove(t);
    signal_stack_remove();
    atomic_fetch_sub(&process->thread_count, 1);
    if (atomic_load(&process->thread_count_awaited))
        futex_wake(&process->thread_count, 1);
    libc_thread_ends();
    confined_leave(&t->confined);
    free(start);
    return NULL;
}

static struct start *start_new(struct thread *parent, const struct clone_request *request)
{
    struct start *start = malloc(sizeof(*start));
    if (!start)
        return NULL;
    *start = (struct start){
        .thread = {.self = &start->thread,
                   .process = parent->process,
                   .in_runtime = 1,
                   .signal_stack = {.ss_flags = SS_DISABLE},
                   .signal_mask = parent->signal_mask,
                   .creds = parent->creds,
                   .guest_fs = request->flags & CLONE_SETTLS ? request->tls : parent->guest_fs,
                   .clear_tid = request->flags & CLONE_CHILD_CLEARTID ? request->child_tid : 0},
        .regs = *thread_regs(parent),
    };
    start->regs.rax = 0;
    if (request->stack != 0)
        start->regs.rsp = request->stack;
    return start;
}

/* The number of a thread that libc has just made, from the name of its clock (the kernel's own way of
 * naming it: include/linux/posix-timers.h, make_thread_cpuclock()). */
static int tid_of(pthread_t handle)
{
    clockid_t clock;
    int tid = pthread_getcpuclockid(handle, &clock) == 0 ? ~(clock >> 3) : 0;
    return tid > 0 && tid <= THREAD_ID_MAX ? tid : -EPROTO;
}

static int libc_thread(pthread_t *ret_handle, struct start *start)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return -EAGAIN;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);
    bool first = __libc_single_threaded;
    int r = pthread_create(ret_handle, &attributes, thread_main, start);
    if (first) /* libc has put a handler of its own there, for setuid() of its own */
        signal_host_restore(LIBC_SIGSETXID);
    (void)pthread_attr_destroy(&attributes);
    return r == 0 ? 0 : -EAGAIN;
}

/* What Linux does for the two as well, and cares as little whether it can. */
static void tell_tid(const struct clone_request *request, int tid)
{
    if (request->flags & CLONE_PARENT_SETTID)
        (void)!guest_put(request->parent_tid, &tid);
    if (request->flags & CLONE_CHILD_SETTID)
        (void)!guest_put(request->child_tid, &tid);
}

static int64_t thread_create(struct thread *parent, const struct clone_request *request)
{
    const uint64_t every = ~0ull;
    struct start *start = start_new(parent, request);
    pthread_t handle;
    if (!start)
        return -EAGAIN;
    /* Not even what is never blocked may reach the thread as long as its GS is its creator's. */
    (void)host_call(SYS_rt_sigprocmask, SIG_SETMASK, &every, 0, 8);
    int tid = libc_thread(&handle, start);
    signal_open(parent);
    if (tid < 0) {
        free(start);
        return tid;
    }
    tid = tid_of(handle);
    if (tid > 0) {
        start->thread.tid = tid;
        tell_tid(request, tid);
        atomic_fetch_add(&parent->process->thread_count, 1);
        thread_list_add(&start->thread, parent);
    }
    start_release(start, tid > 0 ? START_GO : START_CANCELLED);
    return tid;
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
}

void robust_list_forget(void)
{
    if (kernel_knows_robust_list())
        (void)host_call(SYS_set_robust_list, NULL, sizeof(struct robust_list_head));
}
