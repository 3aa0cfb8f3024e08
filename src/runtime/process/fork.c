/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes. fork() is glibc's, so that its own locks are right in the child; vfork() shares
 * the memory and gets a thread, a descriptor table and signal actions of its own. */
#include "runtime/process/fork.h"
#include "platform/host.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/memory/memory.h"
#include "runtime/process/ending.h"
#include "runtime/process/exec_image.h"
#include "runtime/process/libc_fork.h"
#include "runtime/process/process.h"
#include "runtime/process/signal.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"
#include "runtime/syscall/sites.h"
#include "runtime/vfs/vfs.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VFORK_STACK_SIZE ((size_t)512 << 10)
#define VFORK_STACK_ABOVE ((size_t)64 << 10) /* host_mmap() takes what is so near for a lie */
#define FORK_FLAGS_KNOWN                                                               \
    (CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS |  \
     CLONE_VFORK | CLONE_DETACHED | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_PARENT | \
     CLONE_SYSVSEM | CLONE_IO)

static void release_locks(void)
{
    lock_release(&process_self()->fds->lock);
    sites_fork_done();
    memory_fork_done();
    lock_release(&g_threads_lock);
}

int fork_prepare(void)
{
    int r = vfs_fork_prepare();
    if (r < 0)
        return r;
    lock_acquire(&g_threads_lock);
    memory_fork_prepare();
    sites_fork_prepare();
    lock_acquire(&process_self()->fds->lock);
    r = vfs_fork_lock();
    if (r < 0)
        release_locks();
    return r;
}

void fork_parent(long pid)
{
    vfs_fork_parent(pid);
    release_locks();
}

/* Whose parent waits until it has become another program or is gone: what to close then. */
static _Atomic int g_waiter = -1;

void fork_waiter_release(void)
{
    int fd = atomic_exchange(&g_waiter, -1);
    if (fd >= 0)
        fd_hidden_close(fd);
}

/* A child of vfork() has forked: what it had beside its parent's is this process's own. */
static void become_process(struct thread *t)
{
    struct process *borrowed = t->process;
    struct signal_actions *actions = g_process.actions;
    struct fd_table *parents = g_process.fds;
    atomic_store(&actions->lock, 0);
    atomic_store(&actions->sequence, 0);
    for (int i = 0; i <= SIGNAL_COUNT; i++)
        actions->of[i] = borrowed->actions->of[i];
    g_process.pid = borrowed->pid;
    g_process.fds = borrowed->fds;
    memcpy(g_process.limits, borrowed->limits, sizeof g_process.limits);
    atomic_store(&g_process.vfs_umask, atomic_load(&borrowed->vfs_umask));
    atomic_store(&g_process.hidden_reserved, atomic_load(&borrowed->hidden_reserved));
    t->process = &g_process;
    vfs_fork_child();
    vfs_set_cwd(borrowed->vfs_cwd);
    fd_table_free(parents);
}

void fork_child(void)
{
    struct thread *t = thread_self();
    struct process *process = t->process;
    g_threads = t;
    t->next = t->previous = NULL;
    ending_over();
    process->pid = t->tid = (int)host_call(SYS_getpid);
    fork_waiter_release();
    release_locks();
    if (process->vfork_child)
        become_process(t);
    else
        vfs_fork_child();
    atomic_store(&g_process.thread_count, 1);
    fd_room_after_fork();
    fd_after_fork();
}

/* Whether the host gives descriptors of processes, and a number is free: what can fail must fail
 * before there is a child. */
static int pidfd_try(const struct clone_request *request)
{
    const int none = -1;
    if (!(request->flags & CLONE_PIDFD))
        return 0;
    if (guest_put(request->pidfd, &none) < 0)
        return -EFAULT;
    long fd = host_call(SYS_pidfd_open, process_self()->pid, 0);
    if (fd >= 0)
        host_close((int)fd);
    return fd < 0 ? (int)fd : 0;
}

/* In the parent: a descriptor of child `pid`, close-on-exec as pidfd_open() makes it. -1 stays at
 * the guest's address when the child has ended and been waited for already. */
static void pidfd_give(const struct clone_request *request, int64_t pid)
{
    if (pid <= 0 || !(request->flags & CLONE_PIDFD))
        return;
    const int fd = (int)host_call(SYS_pidfd_open, pid, 0);
    if (fd >= 0 && !fd_is_hidden(fd) && !fd_is_shielded(fd) && guest_put(request->pidfd, &fd) < 0)
        host_close(fd);
}

/* In the child, before any guest instruction. */
static void begin_child(struct thread *t, const struct clone_request *request)
{
    fork_child();
    t->clear_tid = request->flags & CLONE_CHILD_CLEARTID ? request->child_tid : 0;
    t->robust_head = 0;
    t->held_signals = 0;
    t->routes = false;
    atomic_store(&t->routed, 0);
    signal_shared_forget();
    t->deferred_signal = 0;
    atomic_store(&t->work, THREAD_WORK_SIGNAL); /* pending signals stay with the parent */
    if (request->flags & CLONE_SETTLS)
        t->guest_fs = request->tls;
    if (request->stack != 0)
        thread_regs(t)->rsp = request->stack;
    if (request->flags & CLONE_CLEAR_SIGHAND)
        signal_actions_reset(t->process->actions);
    if (request->flags & CLONE_CHILD_SETTID)
        (void)!guest_put(request->child_tid, &t->tid);
    thread_become_leader(t);
    if (dispatch_arm() < 0)
        signal_die(SIGKILL);
}

/* CLONE_VFORK with memory of its own: a pipe whose other end is gone when the child lets the parent go
 * on. Like all that the runtime needs, at a hidden number. */
struct waiter {
    int read_fd, write_fd;
};

static int waiter_make(const struct clone_request *request, struct waiter *ret_waiter)
{
    int ends[2] = {-1, -1};
    *ret_waiter = (struct waiter){-1, -1};
    if (!(request->flags & CLONE_VFORK))
        return 0;
    fd_room_enter();
    int r = (int)host_call(SYS_pipe2, ends, O_CLOEXEC);
    int read_fd = r < 0 ? r : fd_hide(ends[0]), write_fd = r < 0 ? r : fd_hide(ends[1]);
    fd_room_leave();
    if (r < 0)
        return r;
    if (read_fd >= 0 && write_fd >= 0) {
        *ret_waiter = (struct waiter){read_fd, write_fd};
        return 0;
    }
    host_close(read_fd < 0 ? ends[0] : read_fd);
    host_close(write_fd < 0 ? ends[1] : write_fd);
    return read_fd < 0 ? read_fd : write_fd;
}

static void waiter_close(const struct waiter *w)
{
    if (w->read_fd < 0)
        return;
    fd_hidden_close(w->read_fd);
    fd_hidden_close(w->write_fd);
}

static void waiter_in_child(const struct waiter *w)
{
    if (w->read_fd < 0)
        return;
    fd_hidden_close(w->read_fd);
    atomic_store(&g_waiter, w->write_fd);
}

/* Like the kernel's, this wait is for no signal but a deadly one. */
static void waiter_wait(struct thread *t, const struct waiter *w)
{
    char byte;
    if (w->read_fd < 0)
        return;
    fd_hidden_close(w->write_fd);
    ending_away(t);
    while (host_call(SYS_read, w->read_fd, &byte, 1) == -EINTR)
        ;
    ending_back(t);
    fd_hidden_close(w->read_fd);
}

/* What the kernel is asked for: the rest is done by begin_child(). */
static unsigned fork_flags(const struct clone_request *request)
{
    return (unsigned)request->exit_signal |
           (request->flags & (CLONE_PARENT | CLONE_SYSVSEM | CLONE_IO));
}

int64_t process_fork(struct thread *t, const struct clone_request *request)
{
    struct waiter waiter;
    if (request->flags & ~(uint64_t)FORK_FLAGS_KNOWN)
        return -EINVAL;
    int r = pidfd_try(request);
    if (r < 0)
        return r;
    signal_block_all();
    r = fork_prepare();
    if (r < 0) {
        signal_open_on_exit(t);
        return r;
    }
    r = waiter_make(request, &waiter); /* not before: the volume server would have it too */
    long pid = r < 0 ? r : libc_fork(fork_flags(request));
    if (pid == 0) {
        begin_child(t, request);
        waiter_in_child(&waiter);
        return 0;
    }
    if (r == 0 && pid < 0)
        pid = -errno;
    fork_parent(pid);
    if (pid > 0)
        waiter_wait(t, &waiter);
    else
        waiter_close(&waiter);
    signal_open_on_exit(t);
    if (pid > 0 && (request->flags & CLONE_PARENT_SETTID)) {
        const int tid = (int)pid;
        (void)!guest_put(request->parent_tid, &tid);
    }
    pidfd_give(request, pid);
    return pid;
}

/* At the low end of the child's runtime stack. */
struct vfork_child {
    struct thread thread;
    struct process process;
    struct signal_actions actions;
    struct regs regs;
    struct clone_request request;
    _Alignas(64) char signal_stack[SIGNAL_STACK_SIZE];
};

static void vfork_main(void *arg)
{
    struct vfork_child *child = arg;
    struct thread *t = &child->thread;
    (void)host_call(SYS_arch_prctl, ARCH_SET_GS, t);
    t->tid = child->process.pid = (int)host_call(SYS_getpid);
    signal_stack_install(t, child->signal_stack);
    if (child->request.flags & CLONE_PARENT_SETTID) /* the memory is the parent's too */
        (void)!guest_put(child->request.parent_tid, &t->tid);
    if (child->request.flags & CLONE_CHILD_SETTID)
        (void)!guest_put(child->request.child_tid, &t->tid);
    if (child->request.flags & CLONE_CLEAR_SIGHAND)
        signal_actions_reset(&child->actions);
    if (dispatch_arm() < 0)
        (void)host_call(SYS_exit_group, 127);
    signal_open_on_exit(t);
    int how = thread_enter_guest(t, &child->regs);
    if (thread_is_leader(t)) /* it forked, and this is its child */
        process_lead(t, how);
    (void)host_call(SYS_exit_group, 0);
}

static int vfork_prepare(struct thread *t, const struct clone_request *request,
                         struct vfork_child *child)
{
    child->process = (struct process){.actions = &child->actions, .vfork_child = true};
    memcpy(child->process.limits, t->process->limits, sizeof child->process.limits);
    atomic_init(&child->process.thread_count, 1);
    atomic_init(&child->process.vfs_umask, atomic_load(&t->process->vfs_umask));
    atomic_init(&child->process.hidden_reserved, atomic_load(&t->process->hidden_reserved));
    for (int i = 0; i <= SIGNAL_COUNT; i++)
        child->actions.of[i] = t->process->actions->of[i];
    child->thread = (struct thread){
        .self = &child->thread,
        .process = &child->process,
        .in_runtime = 1,
        .xsave_size = t->xsave_size,
        .signal_mask = t->signal_mask,
        .creds = t->creds,
        .signal_stack = t->signal_stack,
        .guest_fs = request->flags & CLONE_SETTLS ? request->tls : t->guest_fs,
    };
    child->request = *request;
    child->regs = *thread_regs(t);
    child->regs.rax = 0;
    if (request->stack != 0)
        child->regs.rsp = request->stack;
    int r = fd_table_copy(t->process->fds, &child->process.fds);
    if (r == 0)
        confined_inherit(&child->thread.confined, &t->confined);
    return r;
}

/* The last child's, with its pages. */
static void *_Atomic g_vfork_spare;

static void *vfork_stack_take(void)
{
    void *spare = atomic_exchange(&g_vfork_spare, NULL);
    if (spare)
        return spare;
    void *stack = mmap(NULL, VFORK_STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return stack == MAP_FAILED ? NULL : stack;
}

static void vfork_stack_give(void *stack)
{
    void *none = NULL;
    if (!atomic_compare_exchange_strong(&g_vfork_spare, &none, stack))
        (void)munmap(stack, VFORK_STACK_SIZE);
}

int64_t process_vfork(struct thread *t, const struct clone_request *request)
{
    int64_t r = pidfd_try(request);
    if (r < 0)
        return r;
    void *stack = vfork_stack_take();
    if (!stack)
        return -ENOMEM;
    struct vfork_child *child = stack;
    r = vfork_prepare(t, request, child);
    if (r == 0)
        r = vfs_vfork_prepare(&child->process);
    if (r == 0) {
        exec_image_prepare();
        signal_block_all();
        ending_away(t);
        r = rt_vfork(CLONE_VM | CLONE_VFORK | (unsigned)request->exit_signal,
                     (char *)stack + VFORK_STACK_SIZE - VFORK_STACK_ABOVE, vfork_main, child);
        ending_back(t);
        vfs_vfork_parent(&child->process, r);
        signal_open_on_exit(t);
    }
    confined_leave(&child->thread.confined);
    fd_table_free(child->process.fds);
    vfork_stack_give(stack);
    pidfd_give(request, r);
    return r;
}

int64_t sys_fork(struct syscall_call *c)
{
    const struct clone_request request = {.exit_signal = SIGCHLD};
    return process_fork(c->thread, &request);
}

int64_t sys_vfork(struct syscall_call *c)
{
    const struct clone_request request = {.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD};
    return process_vfork(c->thread, &request);
}
