/* SPDX-License-Identifier: Apache-2.0 */
/* clone() and clone3() as libraries use them, and the refusals; descriptors of processes. */
#include "say.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static char stack[1 << 16] __attribute__((aligned(16)));

/* Without a function of its own: a child on its parent's stack must not return from one. */
#define clone3(args_, size_)                                                 \
    ({                                                                       \
        long clone3_ = SYS_clone3;                                           \
        __asm__ volatile("syscall"                                           \
                         : "+a"(clone3_)                                     \
                         : "D"((void *)(args_)), "S"((unsigned long)(size_)) \
                         : "rcx", "r11", "memory");                          \
        if (clone3_ < 0) {                                                   \
            errno = (int)-clone3_;                                           \
            clone3_ = -1;                                                    \
        }                                                                    \
        clone3_;                                                             \
    })

static int status_of(long child)
{
    int status = -1;
    if (child < 0 || waitpid((pid_t)child, &status, __WALL) != child)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void forks(void)
{
    int parent_tid = 0, child_tid = 0;
    struct clone_args args = {.exit_signal = SIGCHLD};
    long child = clone3(&args, sizeof args);
    if (child == 0)
        _exit(getppid() > 1 ? 3 : 4);
    SAY(status_of(child));
    args.flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID;
    args.parent_tid = (uint64_t)(unsigned long)&parent_tid;
    args.child_tid = (uint64_t)(unsigned long)&child_tid;
    child = clone3(&args, sizeof args);
    if (child == 0)
        _exit(child_tid == syscall(SYS_gettid) && parent_tid == 0 ? 5 : 6);
    SAY_TRUE(parent_tid == child);
    SAY(child_tid);
    SAY(status_of(child));
    child = syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID, 0, &parent_tid, NULL, 0);
    if (child == 0)
        _exit(7);
    SAY_TRUE(parent_tid == child);
    SAY(status_of(child));
    child = syscall(SYS_fork);
    if (child == 0)
        _exit(8);
    SAY(status_of(child));
}

static void refusals(void)
{
    struct clone_args args = {.exit_signal = SIGCHLD};
    struct {
        struct clone_args args;
        char more[64];
    } longer = {.args = {.exit_signal = 100}};
    SAY(clone3(&args, 8));
    SAY(clone3(NULL, sizeof args));
    SAY(clone3(&args, 8192));
    longer.more[60] = 1;
    SAY(clone3(&longer.args, sizeof longer));
    longer.more[60] = 0;
    SAY(clone3(&longer.args, sizeof longer));
    args.flags = CLONE_SIGHAND;
    SAY(clone3(&args, sizeof args));
    args.flags = CLONE_THREAD | CLONE_VM;
    SAY(clone3(&args, sizeof args));
    args.flags = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND; /* with an exit signal */
    SAY(clone3(&args, sizeof args));
    args.flags = CLONE_DETACHED;
    SAY(clone3(&args, sizeof args));
    args.flags = 1;
    SAY(clone3(&args, sizeof args));
    args.flags = 0;
    args.exit_signal = 65;
    SAY(clone3(&args, sizeof args));
    args.exit_signal = SIGCHLD;
    args.stack = 4096;
    SAY(clone3(&args, sizeof args));
    args.stack = 0;
    args.stack_size = 4096;
    SAY(clone3(&args, sizeof args));
    args.stack_size = 0;
    args.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM;
    SAY(clone3(&args, sizeof args));
    args.flags = CLONE_PIDFD | CLONE_DETACHED;
    SAY(clone3(&args, sizeof args));
    args.flags = CLONE_NEWNS | CLONE_FS;
    SAY(clone3(&args, sizeof args));
    SAY(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, NULL, NULL, 0));
    SAY(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, NULL, NULL, 0));
    SAY(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, NULL, NULL, 0));
}

static void handler(int signal)
{
    (void)signal;
}

/* CLONE_CLEAR_SIGHAND: handlers become default, ignored signals stay ignored. */
static void cleared(uint64_t more)
{
    struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND | more, .exit_signal = SIGCHLD};
    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    long child = clone3(&args, sizeof args);
    if (child == 0) {
        struct sigaction one, two;
        sigaction(SIGUSR1, NULL, &one);
        sigaction(SIGUSR2, NULL, &two);
        if (two.sa_handler != SIG_IGN)
            _exit(2);
        if (one.sa_handler != SIG_DFL)
            _exit(1);
        raise(SIGUSR1);
        _exit(3);
    }
    SAY(status_of(child));
    struct sigaction one;
    sigaction(SIGUSR1, NULL, &one);
    SAY_TRUE(one.sa_handler == handler);
}

static void pidfds(uint64_t more)
{
    int fd = -1, gate[2];
    siginfo_t info = {0};
    struct clone_args args = {
        .flags = CLONE_PIDFD | more, .exit_signal = SIGCHLD, .pidfd = (uint64_t)(unsigned long)&fd};
    pipe(gate);
    long child = clone3(&args, sizeof args);
    if (child == 0) {
        char c;
        if (!(more & CLONE_VFORK)) {
            close(gate[1]);
            read(gate[0], &c, 1);
        }
        _exit(21);
    }
    SAY_TRUE(fd > gate[1]);
    SAY(fcntl(fd, F_GETFD));
    SAY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    close(gate[1]);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    SAY(poll(&p, 1, -1));
    SAY(p.revents);
    SAY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOWAIT));
    SAY(info.si_status);
    SAY(info.si_pid == child && info.si_code == CLD_EXITED && info.si_signo == SIGCHLD);
    SAY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    SAY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    SAY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    close(fd);
    close(gate[0]);
}

static void opened(void)
{
    siginfo_t info = {0};
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    SAY_TRUE(fd >= 0);
    SAY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG));
    SAY(info.si_pid);
    SAY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    SAY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    SAY(info.si_status);
    SAY(info.si_code == CLD_KILLED);
    close(fd);
    SAY(syscall(SYS_pidfd_open, child, 0));
    SAY(syscall(SYS_pidfd_open, -1, 0));
    SAY(syscall(SYS_pidfd_open, getpid(), 1));
    SAY(waitid(P_PIDFD, 0, &info, WEXITED));
    /* to itself, with a value */
    siginfo_t value = {.si_signo = SIGRTMIN, .si_code = SI_QUEUE};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    value.si_value.sival_int = 5;
    fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    SAY(syscall(SYS_pidfd_send_signal, fd, SIGRTMIN, &value, 0));
    SAY(sigwaitinfo(&set, &info) == SIGRTMIN);
    SAY(info.si_value.sival_int);
    close(fd);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* A new stack, and memory shared until the child is done: what posix_spawn() and Go do. */
static int on_stack(void *arg)
{
    *(int *)arg += 1;
    return (uintptr_t)&arg - (uintptr_t)stack < sizeof stack ? 31 : 32;
}

static void shares(void)
{
    int n = 4, fd = -1;
    pid_t child = clone(on_stack, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &n);
    SAY(n);
    SAY(status_of(child));
    child = clone(on_stack, stack + sizeof stack, SIGCHLD, &n);
    SAY(status_of(child));
    SAY(n);
    child = clone(on_stack, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                  &n, &fd);
    SAY(n);
    SAY_TRUE(fd > 2);
    siginfo_t info = {0};
    SAY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    SAY(info.si_status);
    SAY_TRUE(info.si_pid == child);
    close(fd);
    int tid = 0;
    struct clone_args args = {.flags = CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID,
                              .exit_signal = SIGCHLD,
                              .parent_tid = (uint64_t)(unsigned long)&tid};
    volatile int seen = 0;
    long r = clone3(&args, sizeof args);
    if (r == 0) {
        seen = tid == getpid();
        _exit(1);
    }
    SAY(seen);
    SAY(status_of(r));
    child = clone(on_stack, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGUSR2, &n);
    SAY(waitpid(child, NULL, WNOHANG)); /* its end is not announced by SIGCHLD */
    SAY(status_of(child));
}

static void *fork_here(void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t t; /* the child of a thread is a process with threads of its own */
        if (arg) {
            pthread_create(&t, NULL, fork_here, NULL);
            void *r;
            pthread_join(t, &r);
            _exit((int)(long)r + (getpid() == syscall(SYS_gettid)));
        }
        _exit(40);
    }
    return (void *)(long)status_of(child);
}

static void from_threads(void)
{
    pthread_t t[8];
    void *r;
    long sum = 0;
    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, fork_here, (void *)1);
    for (int i = 0; i < 8; i++) {
        pthread_join(t[i], &r);
        sum += (long)r;
    }
    SAY(sum);
    int bad = 0;
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(i & 127);
        bad += status_of(child) != (i & 127);
    }
    SAY(bad);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    forks();
    refusals();
    cleared(0);
    cleared(CLONE_VM | CLONE_VFORK);
    pidfds(0);
    pidfds(CLONE_VM | CLONE_VFORK);
    opened();
    shares();
    from_threads();
    return 0;
}
