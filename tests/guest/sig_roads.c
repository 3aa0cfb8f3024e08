/* SPDX-License-Identifier: Apache-2.0 */
/* Signals by every road: descriptors, masks of waiting calls, timers, queues; what a handler is told;
 * what happens without one. */
#include "say.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <time.h>

#ifndef SA_EXPOSE_TAGBITS
#define SA_EXPOSE_TAGBITS 0x00000800
#endif
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static int finish(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static volatile int g_count[65];
static siginfo_t g_info[65];
static volatile int g_order[64], g_ordered;
static ucontext_t *g_context;

static void note(int signal, siginfo_t *info, void *context)
{
    g_count[signal]++;
    g_info[signal] = *info;
    g_order[g_ordered++ % 64] = signal;
    g_context = context;
}

static void catch_with(int signal, int flags)
{
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | flags};
    sigfillset(&action.sa_mask);
    sigaction(signal, &action, NULL);
    g_count[signal] = 0;
}

static void block(int how, int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(how, &set, NULL);
}

static void say_info(int signal)
{
    const siginfo_t *info = &g_info[signal];
    SAY(info->si_signo);
    SAY(info->si_code);
    SAY(info->si_errno);
    SAY(info->si_pid == getpid() ? 1 : info->si_pid == 0 ? 0 : 2);
    SAY(info->si_uid);
}

static void sources(void)
{
    union sigval value = {.sival_int = 77};
    catch_with(SIGUSR1, 0);
    kill(getpid(), SIGUSR1);
    say_info(SIGUSR1);
    raise(SIGUSR1);
    say_info(SIGUSR1);
    sigqueue(getpid(), SIGUSR1, value);
    say_info(SIGUSR1);
    SAY(g_info[SIGUSR1].si_value.sival_int);
    pthread_kill(pthread_self(), SIGUSR1);
    say_info(SIGUSR1);
    pthread_sigqueue(pthread_self(), SIGUSR1, value);
    say_info(SIGUSR1);
    syscall(SYS_tkill, getpid(), SIGUSR1);
    say_info(SIGUSR1);
    siginfo_t own = {.si_signo = SIGUSR1, .si_code = -42};
    own.si_pid = 5, own.si_uid = 6, own.si_value.sival_int = 9;
    SAY(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &own));
    SAY(g_info[SIGUSR1].si_code);
    SAY(g_info[SIGUSR1].si_pid);
    own.si_code = SI_USER;
    SAY(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &own));
    catch_with(SIGCHLD, 0);
    pid_t child = fork();
    if (child == 0) {
        SAY(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &own));
        own.si_code = SI_TKILL;
        SAY(syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), SIGUSR1, &own));
        SAY(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &own));
        SAY(kill(getppid(), 65));
        SAY(kill(getppid(), -1));
        SAY(kill(4000000, 0));
        SAY(syscall(SYS_tgkill, getppid(), 4000000, SIGUSR1));
        SAY(syscall(SYS_tgkill, 4000000, getppid(), SIGUSR1));
        SAY(syscall(SYS_tgkill, -1, getppid(), SIGUSR1));
        SAY(syscall(SYS_tkill, 0, SIGUSR1));
        _exit(3);
    }
    SAY(finish(child));
    while (!g_count[SIGCHLD])
        sched_yield();
    SAY(g_info[SIGCHLD].si_code);
    SAY(g_info[SIGCHLD].si_status);
    SAY_TRUE(g_info[SIGCHLD].si_pid == child);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    g_count[SIGCHLD] = 0;
    kill(child, SIGSTOP);
    while (!g_count[SIGCHLD])
        sched_yield();
    SAY(g_info[SIGCHLD].si_code);
    SAY(g_info[SIGCHLD].si_status);
    g_count[SIGCHLD] = 0;
    kill(child, SIGCONT);
    while (!g_count[SIGCHLD])
        sched_yield();
    SAY(g_info[SIGCHLD].si_code);
    g_count[SIGCHLD] = 0;
    kill(child, SIGKILL);
    while (!g_count[SIGCHLD])
        sched_yield();
    SAY(g_info[SIGCHLD].si_code);
    SAY(g_info[SIGCHLD].si_status);
    SAY(finish(child));
    signal(SIGCHLD, SIG_DFL);
}

static sigjmp_buf g_back;
static void escape(int signal, siginfo_t *info, void *context)
{
    note(signal, info, context);
    siglongjmp(g_back, 1);
}

static void say_fault(int signal, volatile int *address)
{
    SAY(g_count[signal]);
    SAY(g_info[signal].si_code);
    SAY_TRUE(g_info[signal].si_addr == (void *)address);
    g_count[signal] = 0;
}

static void faults(void)
{
    struct sigaction action = {.sa_sigaction = escape, .sa_flags = SA_SIGINFO | SA_NODEFER};
    for (const int *s = (int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, 0}; *s; s++)
        sigaction(*s, &action, NULL);
    volatile int *nowhere = (int *)24;
    if (sigsetjmp(g_back, 1) == 0)
        *nowhere = 1;
    say_fault(SIGSEGV, nowhere);
    volatile int *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sigsetjmp(g_back, 1) == 0)
        *page = 1;
    say_fault(SIGSEGV, page);
    if (sigsetjmp(g_back, 1) == 0)
        *(volatile int *)0x8000000000000000ul = 1;
    SAY(g_info[SIGSEGV].si_code);
    SAY_TRUE(g_info[SIGSEGV].si_addr == NULL);
    g_count[SIGSEGV] = 0;
    volatile int zero = 0, one = 1;
    if (sigsetjmp(g_back, 1) == 0)
        one /= zero;
    SAY(g_count[SIGFPE]);
    SAY(g_info[SIGFPE].si_code);
    if (sigsetjmp(g_back, 1) == 0)
        __asm__ volatile("ud2");
    SAY(g_count[SIGILL]);
    SAY(g_info[SIGILL].si_code);
    if (sigsetjmp(g_back, 1) == 0)
        __asm__ volatile("int3");
    SAY(g_count[SIGTRAP]);
    SAY(g_info[SIGTRAP].si_code);
    if (sigsetjmp(g_back, 1) == 0)
        __asm__ volatile("hlt");
    SAY(g_count[SIGSEGV]);
    SAY(g_info[SIGSEGV].si_code);
    int fd = memfd_create("m", 0);
    ftruncate(fd, 4096);
    volatile char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (sigsetjmp(g_back, 1) == 0)
        shared[4096] = 1;
    SAY(g_count[SIGBUS]);
    SAY(g_info[SIGBUS].si_code);
    SAY_TRUE(g_info[SIGBUS].si_addr == (void *)(shared + 4096));
    action.sa_flags |= SA_EXPOSE_TAGBITS;
    SAY(sigaction(SIGSEGV, &action, NULL));
    struct sigaction got;
    SAY(sigaction(SIGSEGV, NULL, &got));
    SAY((got.sa_flags & SA_EXPOSE_TAGBITS) != 0);
    action.sa_flags = SA_SIGINFO | 0x400; /* SA_UNSUPPORTED: cleared by the kernel */
    SAY(sigaction(SIGUSR1, &action, NULL));
    SAY(sigaction(SIGUSR1, NULL, &got));
    SAY(got.sa_flags & 0x400);
    for (const int *s = (int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, 0}; *s; s++)
        signal(*s, SIG_DFL);
    /* A fault that is blocked or ignored ends the process all the same. */
    for (int way = 0; way < 3; way++) {
        pid_t child = fork();
        if (child == 0) {
            struct rlimit none = {0, 0};
            setrlimit(RLIMIT_CORE, &none);
            if (way == 0)
                block(SIG_BLOCK, SIGSEGV);
            if (way == 1)
                signal(SIGSEGV, SIG_IGN);
            if (way == 2) {
                catch_with(SIGSEGV, 0);
                block(SIG_BLOCK, SIGSEGV);
            }
            *nowhere = 1;
            _exit(0);
        }
        SAY(finish(child));
    }
}

static void descriptors(void)
{
    const int kinds[] = {SIGUSR1, SIGHUP, SIGINT, SIGQUIT, SIGWINCH, SIGTERM, SIGRTMIN + 3};
    sigset_t set, rest;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        sigaddset(&set, kinds[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    SAY(fcntl(fd, F_GETFD));
    struct signalfd_siginfo info[3];
    SAY(read(fd, info, sizeof info[0]));
    struct pollfd wait_for = {.fd = fd, .events = POLLIN};
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 7};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        SAY(poll(&wait_for, 1, 0));
        kill(getpid(), kinds[i]);
        SAY(poll(&wait_for, 1, 1000));
        SAY(epoll_wait(epoll, &event, 1, 0));
        sigpending(&rest);
        SAY(sigismember(&rest, kinds[i]));
        SAY(read(fd, info, sizeof info));
        SAY(info[0].ssi_signo);
        SAY(info[0].ssi_code);
        SAY_TRUE(info[0].ssi_pid == (uint32_t)getpid());
        sigpending(&rest);
        SAY(sigismember(&rest, kinds[i]));
    }
    union sigval value = {.sival_int = 31};
    sigqueue(getpid(), SIGHUP, value);
    SAY(read(fd, info, sizeof info));
    SAY(info[0].ssi_int);
    raise(SIGQUIT);
    SAY(read(fd, info, sizeof info));
    SAY(info[0].ssi_code);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGTERM);
    SAY(read(fd, info, sizeof info)); /* in the order of their numbers, faults first */
    SAY(info[0].ssi_signo);
    SAY(info[1].ssi_signo);
    SAY(info[2].ssi_signo);
    SAY(read(fd, info, 10));
    kill(getpid(), SIGUSR1);
    SAY(read(fd, (void *)8, sizeof info[0]));
    sigemptyset(&rest);
    sigaddset(&rest, SIGUSR1);
    struct timespec none = {0, 0};
    SAY(sigtimedwait(&rest, NULL, &none) >= -1);
    sigemptyset(&rest);
    sigaddset(&rest, SIGTERM);
    SAY_TRUE(signalfd(fd, &rest, 0) == fd); /* another set */
    kill(getpid(), SIGHUP);
    SAY(poll(&wait_for, 1, 0));
    SAY(signalfd(fd, &set, 0) == fd);
    SAY(poll(&wait_for, 1, 0));
    SAY(read(fd, info, sizeof info));
    SAY(signalfd(0, &set, 0));
    SAY(signalfd(-1, &set, 0x1000));
    SAY(syscall(SYS_signalfd4, -1, &set, 4, 0));
    SAY(syscall(SYS_signalfd4, -1, 8, 8, 0));
    fcntl(fd, F_SETFL, 0);
    pid_t child = fork();
    if (child == 0) { /* each reads its own */
        raise(SIGHUP);
        SAY(read(fd, info, sizeof info));
        SAY(info[0].ssi_signo);
        int again = dup(fd);
        kill(getpid(), SIGINT);
        SAY(read(again, info, sizeof info));
        pid_t parent = getpid();
        if (fork() == 0) { /* one that waits is woken */
            for (int i = 0; i < 2000; i++)
                sched_yield();
            kill(parent, SIGHUP);
            _exit(0);
        }
        SAY(read(fd, info, sizeof info));
        SAY(info[0].ssi_signo);
        if (fork() == 0) {
            for (int i = 0; i < 2000; i++)
                sched_yield();
            kill(parent, SIGQUIT);
            _exit(0);
        }
        SAY(poll(&wait_for, 1, -1));
        SAY(read(fd, info, sizeof info));
        SAY(info[0].ssi_signo);
        _exit(0);
    }
    SAY(finish(child));
    close(fd), close(epoll);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void masks(void)
{
    sigset_t none, old;
    sigemptyset(&none);
    struct timespec zero = {0, 0}, second = {1, 0};
    struct pollfd nothing = {.fd = -1};
    int epoll = epoll_create1(0);
    struct epoll_event event;
    for (const int *s = (int[]){SIGUSR1, SIGSEGV, SIGBUS, SIGTRAP, SIGSYS, 0}; *s; s++) {
        catch_with(*s, 0);
        block(SIG_BLOCK, *s);
        raise(*s);
        SAY(g_count[*s]);
        SAY(ppoll(&nothing, 1, &second, &none));
        SAY(g_count[*s]);
        raise(*s);
        SAY(pselect(0, NULL, NULL, NULL, &second, &none));
        SAY(g_count[*s]);
        raise(*s);
        SAY(epoll_pwait(epoll, &event, 1, 1000, &none));
        SAY(g_count[*s]);
        raise(*s);
        SAY(syscall(SYS_epoll_pwait2, epoll, &event, 1, &second, &none, 8));
        SAY(g_count[*s]);
        raise(*s);
        SAY(sigsuspend(&none));
        SAY(g_count[*s]);
        raise(*s);
        SAY(ppoll(&nothing, 1, &zero, NULL));
        SAY(g_count[*s]);
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, *s);
        siginfo_t info;
        SAY(sigtimedwait(&one, &info, &second));
        SAY(info.si_code);
        SAY(sigtimedwait(&one, &info, &zero));
        raise(*s);
        SAY(sigwaitinfo(&one, NULL));
        int got = 0;
        raise(*s);
        SAY(sigwait(&one, &got));
        SAY(got);
        sigprocmask(SIG_SETMASK, NULL, &old);
        SAY(sigismember(&old, *s));
        block(SIG_UNBLOCK, *s);
        signal(*s, SIG_DFL);
    }
    SAY(ppoll(&nothing, 1, &zero, (sigset_t *)8));
    SAY(syscall(SYS_ppoll, &nothing, 1, &zero, &none, 4));
    close(epoll);
}

static void queues(void)
{
    for (int i = 0; i < 5; i++)
        catch_with(SIGRTMIN + i, 0);
    catch_with(SIGUSR1, 0);
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    g_ordered = 0;
    for (int i = 0; i < 15; i++) {
        union sigval value = {.sival_int = i};
        sigqueue(getpid(), SIGRTMIN + 4 - i % 5, value);
    }
    kill(getpid(), SIGUSR1), kill(getpid(), SIGUSR1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    for (int i = 0; i < 16; i++)
        printf("%d ", g_order[i]);
    printf("\n");
    SAY(g_ordered);
    SAY(g_info[SIGRTMIN].si_value.sival_int);
    sigprocmask(SIG_BLOCK, &all, &old);
    for (int i = 0; i < 8; i++) {
        union sigval value = {.sival_int = i};
        sigqueue(getpid(), SIGRTMIN + 2, value);
    }
    siginfo_t info;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN + 2);
    for (int i = 0; i < 8; i++) {
        sigwaitinfo(&one, &info);
        printf("%d ", info.si_value.sival_int);
    }
    printf("\n");
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void nested(int signal)
{
    g_order[g_ordered++ % 64] = signal;
    if (g_ordered < 6)
        raise(signal);
    g_order[g_ordered++ % 64] = -signal;
}

static char *g_stack_seen;
static void on_stack(int signal)
{
    char here;
    g_stack_seen = &here;
    stack_t now;
    sigaltstack(NULL, &now);
    printf("signal %d, stack flags %x\n", signal, (unsigned)now.ss_flags);
    fflush(stdout);
}

static void flags(void)
{
    struct sigaction action = {.sa_handler = nested, .sa_flags = SA_NODEFER}, got;
    sigaction(SIGUSR1, &action, NULL);
    g_ordered = 0;
    raise(SIGUSR1);
    for (int i = 0; i < g_ordered; i++)
        printf("%d ", g_order[i]);
    printf("\n");
    action.sa_flags = 0;
    sigaction(SIGUSR1, &action, NULL);
    g_ordered = 0;
    raise(SIGUSR1);
    for (int i = 0; i < g_ordered; i++)
        printf("%d ", g_order[i]);
    printf("\n");
    catch_with(SIGUSR2, SA_RESETHAND);
    raise(SIGUSR2);
    sigaction(SIGUSR2, NULL, &got);
    SAY(got.sa_handler == SIG_DFL);
    SAY((got.sa_flags & SA_RESETHAND) != 0);
    static char memory[65536];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory}, old;
    SAY(sigaltstack(&stack, NULL));
    action.sa_handler = on_stack;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    SAY_TRUE(g_stack_seen > memory && g_stack_seen < memory + sizeof memory);
    action.sa_flags = 0;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    SAY_TRUE(g_stack_seen > memory && g_stack_seen < memory + sizeof memory);
    stack.ss_flags = (int)SS_AUTODISARM;
    SAY(sigaltstack(&stack, NULL));
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    SAY_TRUE(g_stack_seen > memory && g_stack_seen < memory + sizeof memory);
    SAY(sigaltstack(NULL, &old));
    SAY((unsigned)old.ss_flags == SS_AUTODISARM);
    stack.ss_flags = 0;
    stack.ss_size = 100;
    SAY(sigaltstack(&stack, NULL));
    stack.ss_size = sizeof memory;
    stack.ss_flags = 99;
    SAY(sigaltstack(&stack, NULL));
    stack.ss_flags = SS_DISABLE;
    SAY(sigaltstack(&stack, &old));
    SAY(sigaltstack(NULL, &old));
    SAY(old.ss_flags);
    SAY(sigaltstack((stack_t *)8, NULL));
    SAY(sigaction(SIGKILL, &action, NULL));
    SAY(sigaction(SIGSTOP, &action, NULL));
    SAY(sigaction(SIGKILL, NULL, &got));
    SAY(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
    SAY(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
    SAY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    SAY(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8));
    SAY(syscall(SYS_rt_sigprocmask, 99, NULL, NULL, 8));
    sigset_t set;
    sigfillset(&set);
    SAY(syscall(SYS_rt_sigprocmask, 99, &set, NULL, 8));
    sigset_t before, after;
    sigprocmask(SIG_SETMASK, &set, &before);
    sigprocmask(SIG_SETMASK, &before, &after);
    SAY(sigismember(&after, SIGKILL));
    SAY(sigismember(&after, SIGSTOP));
    SAY(sigismember(&after, SIGSEGV));
    SAY(sigismember(&after, SIGSYS));
    signal(SIGUSR1, SIG_DFL);
}

static void await(int signal)
{
    while (!g_count[signal])
        usleep(100);
}

static void timers(void)
{
    struct itimerval once = {.it_value.tv_usec = 1000}, off = {0}, left;
    catch_with(SIGALRM, 0);
    catch_with(SIGVTALRM, 0);
    catch_with(SIGPROF, 0);
    SAY(setitimer(ITIMER_REAL, &once, NULL));
    await(SIGALRM);
    say_info(SIGALRM);
    SAY(setitimer(ITIMER_VIRTUAL, &once, NULL));
    while (!g_count[SIGVTALRM])
        ;
    SAY(g_info[SIGVTALRM].si_code);
    SAY(setitimer(ITIMER_PROF, &once, NULL));
    while (!g_count[SIGPROF])
        ;
    SAY(g_info[SIGPROF].si_code);
    SAY(getitimer(ITIMER_REAL, &left));
    SAY(left.it_value.tv_sec + left.it_value.tv_usec);
    SAY(setitimer(ITIMER_REAL, &off, NULL));
    SAY(setitimer(99, &once, NULL));
    once.it_value.tv_usec = 1000000;
    SAY(setitimer(ITIMER_REAL, &once, NULL));
    SAY(alarm(100));
    SAY(alarm(0));
    timer_t timer;
    catch_with(SIGRTMIN, 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    event.sigev_value.sival_int = 55;
    struct itimerspec spec = {.it_value.tv_nsec = 1000000}, rest;
    for (const clockid_t *clock =
             (clockid_t[]){CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
                           CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, -1};
         *clock != -1; clock++) {
        g_count[SIGRTMIN] = 0;
        SAY(timer_create(*clock, &event, &timer));
        SAY(timer_settime(timer, 0, &spec, NULL));
        while (!g_count[SIGRTMIN])
            ;
        SAY(g_info[SIGRTMIN].si_code);
        SAY(g_info[SIGRTMIN].si_value.sival_int);
        SAY(g_info[SIGRTMIN].si_overrun);
        SAY(timer_gettime(timer, &rest));
        SAY(rest.it_value.tv_nsec);
        SAY(timer_delete(timer));
    }
    SAY(timer_delete(timer));
    SAY(timer_getoverrun(timer));
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
    g_count[SIGRTMIN] = 0;
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    SAY(timer_settime(timer, 0, &spec, NULL));
    await(SIGRTMIN);
    SAY(timer_delete(timer));
    event.sigev_notify_thread_id = 1;
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    event.sigev_notify = SIGEV_NONE;
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    SAY(timer_settime(timer, TIMER_ABSTIME, &spec, NULL));
    SAY(timer_gettime(timer, &rest));
    SAY(rest.it_value.tv_sec + rest.it_value.tv_nsec);
    SAY(timer_delete(timer));
    event.sigev_notify = 99;
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = 99;
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    SAY(timer_create(77, NULL, &timer));
    catch_with(SIGALRM, 0);
    SAY(timer_create(CLOCK_MONOTONIC, NULL, &timer));
    SAY(timer_settime(timer, 0, &spec, NULL));
    await(SIGALRM);
    SAY(g_info[SIGALRM].si_code);
    spec.it_value.tv_nsec = 1000000000;
    SAY(timer_settime(timer, 0, &spec, NULL));
    SAY(timer_delete(timer));
    /* Overruns while it is blocked; one signal for them all. */
    event.sigev_signo = SIGRTMIN;
    block(SIG_BLOCK, SIGRTMIN);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    spec = (struct itimerspec){{0, 1000000}, {0, 1000000}};
    timer_settime(timer, 0, &spec, NULL);
    usleep(20000);
    spec = (struct itimerspec){0};
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN);
    siginfo_t info;
    SAY_TRUE(sigwaitinfo(&one, &info) == SIGRTMIN && info.si_overrun > 5);
    SAY_TRUE(timer_getoverrun(timer) > 5);
    timer_delete(timer);
    block(SIG_UNBLOCK, SIGRTMIN);
}

/* A handler that repairs and goes on. */
static volatile char *volatile g_page; /* set before the store that faults */
static void repair(int signal, siginfo_t *info, void *context)
{
    (void)context;
    g_count[signal]++;
    if (info->si_addr != (void *)g_page)
        _exit(99);
    mprotect((void *)g_page, 4096, PROT_READ | PROT_WRITE);
}

static void skip(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)info;
    g_count[signal]++;
    uc->uc_mcontext.gregs[REG_RIP] += 2; /* over ud2 */
    uc->uc_mcontext.gregs[REG_RAX] = 1234;
}

static void *faults_in_thread(void *arg)
{
    volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)arg;
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGSEGV);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    if (sigsetjmp(g_back, 1) == 0)
        *page = 1;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    return (void *)(long)(g_count[SIGSEGV] * 10 + sigismember(&set, SIGUSR1));
}

static void repairs(void)
{
    struct sigaction action = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    g_count[SIGSEGV] = 0;
    g_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *g_page = 5;
    SAY(*g_page);
    SAY(g_count[SIGSEGV]);
    mprotect((void *)g_page, 4096, PROT_NONE);
    int ends[2];
    pipe(ends);
    write(ends[1], "x", 1);
    SAY(read(ends[0], (void *)g_page, 1)); /* the kernel does not call handlers */
    action.sa_sigaction = skip;
    sigaction(SIGILL, &action, NULL);
    long value = 0;
    __asm__ volatile("ud2" : "=a"(value) : "a"(value));
    SAY(value);
    action.sa_sigaction = escape;
    sigaction(SIGSEGV, &action, NULL);
    g_count[SIGSEGV] = 0;
    pthread_t t;
    void *result;
    pthread_create(&t, NULL, faults_in_thread, NULL);
    pthread_join(t, &result);
    SAY((long)result);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGILL, SIG_DFL);
}

static int g_cleaned;
static void clean(void *arg)
{
    (void)arg;
    g_cleaned++;
}

static void *cancelled(void *how)
{
    pthread_cleanup_push(clean, NULL);
    if (how) {
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
        for (;;)
            ;
    }
    int ends[2];
    char byte;
    pipe(ends);
    read(ends[0], &byte, 1);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *waits_for_signal(void *arg)
{
    (void)arg;
    while (!g_count[SIGUSR2])
        sched_yield();
    return (void *)(long)(g_info[SIGUSR2].si_code);
}

static void threads(void)
{
    for (long how = 0; how < 2; how++) {
        pthread_t t;
        void *result;
        pthread_create(&t, NULL, cancelled, (void *)how);
        for (int i = 0; i < 100; i++)
            sched_yield();
        SAY(pthread_cancel(t));
        SAY(pthread_join(t, &result));
        SAY_TRUE(result == PTHREAD_CANCELED);
        SAY(g_cleaned);
    }
    catch_with(SIGUSR2, 0);
    block(SIG_BLOCK, SIGUSR2);
    pthread_t t;
    void *result;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    pthread_attr_setsigmask_np(&attributes, &none);
    pthread_create(&t, &attributes, waits_for_signal, NULL);
    kill(getpid(), SIGUSR2); /* goes to who does not block it */
    pthread_join(t, &result);
    SAY((long)result);
    block(SIG_UNBLOCK, SIGUSR2);
}

static void groups(void)
{
    pid_t leader = fork();
    if (leader == 0) {
        setpgid(0, 0);
        catch_with(SIGUSR1, 0);
        int told[2];
        pipe(told);
        pid_t child = fork();
        if (child == 0) {
            write(told[1], "r", 1);
            while (!g_count[SIGUSR1])
                sched_yield();
            _exit(7);
        }
        pid_t other = fork();
        if (other == 0) { /* another group, which is not meant */
            setpgid(0, 0);
            write(told[1], "r", 1);
            while (!g_count[SIGUSR2] && !g_count[SIGUSR1])
                sched_yield();
            _exit(g_count[SIGUSR1]);
        }
        char byte;
        read(told[0], &byte, 1), read(told[0], &byte, 1);
        SAY(kill(0, SIGUSR1));
        SAY(g_count[SIGUSR1]);
        SAY(finish(child));
        SAY(kill(-getpgrp(), SIGUSR1));
        SAY(g_count[SIGUSR1]);
        SAY(kill(-4000000, SIGUSR1));
        SAY(kill(-other, 0));
        kill(other, SIGKILL);
        SAY(finish(other));
        SAY(kill(other, 0));
        _exit(0);
    }
    SAY(finish(leader));
}

static void defaults(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (int signal = 1; signal < 65; signal++) {
        if (signal == SIGSTOP || signal == 32 || signal == 33)
            continue;
        pid_t child = fork();
        if (child == 0) {
            struct sigaction action = {.sa_handler = SIG_DFL};
            sigaction(signal, &action, NULL);
            kill(getpid(), signal);
            _exit(1);
        }
        int status = 0;
        waitpid(child, &status, WUNTRACED);
        printf("%d: %s %d\n", signal,
               WIFSTOPPED(status)    ? "stops"
               : WIFSIGNALED(status) ? "ends"
                                     : "nothing",
               WIFSTOPPED(status)    ? WSTOPSIG(status)
               : WIFSIGNALED(status) ? WTERMSIG(status)
                                     : 0);
        if (WIFSTOPPED(status)) {
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
        }
    }
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_IGN);
        kill(getpid(), SIGTERM);
        _exit(4);
    }
    SAY(finish(child));
    int ends[2];
    pipe(ends);
    close(ends[0]);
    child = fork();
    if (child == 0) {
        write(ends[1], "x", 1);
        _exit(1);
    }
    SAY(finish(child));
    signal(SIGPIPE, SIG_IGN);
    SAY(write(ends[1], "x", 1));
    catch_with(SIGPIPE, 0);
    SAY(write(ends[1], "x", 1));
    SAY(g_count[SIGPIPE]);
    SAY(g_info[SIGPIPE].si_code);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    close(pair[0]);
    SAY(send(pair[1], "x", 1, MSG_NOSIGNAL));
    SAY(g_count[SIGPIPE]);
    SAY(send(pair[1], "x", 1, 0));
    SAY(g_count[SIGPIPE]);
    /* Signals of descriptors. */
    catch_with(SIGIO, 0);
    catch_with(SIGRTMIN + 1, 0);
    pipe(ends);
    SAY(fcntl(ends[0], F_SETOWN, getpid()));
    SAY(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK));
    write(ends[1], "x", 1);
    await(SIGIO);
    SAY(g_info[SIGIO].si_code);
    SAY(fcntl(ends[0], F_SETSIG, SIGRTMIN + 1));
    write(ends[1], "x", 1);
    await(SIGRTMIN + 1);
    SAY(g_info[SIGRTMIN + 1].si_code);
    SAY_TRUE(g_info[SIGRTMIN + 1].si_fd == ends[0]);
    SAY(g_info[SIGRTMIN + 1].si_band);
}

int main(void)
{
    sources();
    faults();
    descriptors();
    masks();
    queues();
    flags();
    timers();
    repairs();
    threads();
    groups();
    defaults();
    return 0;
}
