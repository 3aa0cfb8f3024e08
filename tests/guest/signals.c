/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: handlers, masks, stacks, restarts, faults, timers, contexts. */
#include "say.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile int seen[65], code, on_stack, depth, depth_max;
static char stack_bytes[65536];
static sigjmp_buf back;

static void count(int signal)
{
    seen[signal]++;
}

static void with_info(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    char here;
    seen[signal]++;
    code = info->si_code;
    on_stack = &here >= stack_bytes && &here < stack_bytes + sizeof stack_bytes;
    (void)uc;
}

static void nested(int signal)
{
    depth++;
    if (depth > depth_max)
        depth_max = depth;
    if (depth < 3)
        raise(signal);
    depth--;
}

static void skip_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    seen[signal]++;
    code = info->si_code;
    uc->uc_mcontext.gregs[REG_RIP] += 3; /* movb (%rdi), %al with a 3-byte encoding: see touch */
}

static void jump_out(int signal)
{
    seen[signal]++;
    siglongjmp(back, 1);
}

static void install(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signal, &action, NULL);
}

static void touch(volatile char *address)
{
    __asm__ volatile(".byte 0x40, 0x8a, 0x07" : : "D"(address) : "rax", "memory");
}

static void basics(void)
{
    sigset_t set, old;
    struct sigaction action = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = stack_bytes, .ss_size = sizeof stack_bytes}, previous;
    install(SIGUSR1, count, 0);
    SAY(raise(SIGUSR1));
    SAY(seen[SIGUSR1]);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    SAY(sigprocmask(SIG_BLOCK, &set, &old));
    raise(SIGUSR1);
    SAY(seen[SIGUSR1]);
    SAY(sigpending(&set));
    SAY(sigismember(&set, SIGUSR1));
    SAY(sigsuspend(&old));
    SAY(seen[SIGUSR1]);
    SAY(sigprocmask(SIG_SETMASK, &old, NULL));
    SAY(sigaltstack(&stack, &previous));
    SAY(previous.ss_flags);
    SAY(sigaction(SIGUSR2, &action, NULL));
    union sigval value = {.sival_int = 5};
    SAY(sigqueue(getpid(), SIGUSR2, value));
    SAY(seen[SIGUSR2] * 10 + on_stack);
    SAY(code);
    install(SIGHUP, nested, SA_NODEFER);
    raise(SIGHUP);
    SAY(depth_max);
    install(SIGHUP, count, SA_RESETHAND);
    raise(SIGHUP);
    struct sigaction now;
    sigaction(SIGHUP, NULL, &now);
    SAY_TRUE(now.sa_handler == SIG_DFL);
    SAY(sigaction(SIGKILL, &action, NULL));
    SAY(sigaction(65, &action, NULL));
}

static void faults(void)
{
    struct sigaction action = {.sa_sigaction = skip_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    touch(NULL);
    SAY(seen[SIGSEGV]);
    SAY(code == SEGV_MAPERR);
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    touch(page);
    SAY(seen[SIGSEGV]);
    SAY(code == SEGV_ACCERR);
    install(SIGSEGV, jump_out, 0);
    for (int i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0)
            touch(page);
    SAY(seen[SIGSEGV]);
    install(SIGFPE, jump_out, 0);
    volatile int zero = 0;
    if (sigsetjmp(back, 1) == 0)
        zero = 1 / zero;
    SAY(seen[SIGFPE]);
    install(SIGTRAP, count, 0);
    __asm__ volatile("int3");
    SAY(seen[SIGTRAP]);
    SAY(kill(getpid(), SIGTRAP));
    SAY(seen[SIGTRAP]);
    install(SIGSYS, count, 0);
    SAY(raise(SIGSYS));
    SAY(seen[SIGSYS]);
}

static void *send_later(void *arg)
{
    pid_t pid = getpid();
    long tid = (long)arg;
    struct timespec wait = {.tv_nsec = 30000000};
    nanosleep(&wait, NULL);
    syscall(SYS_tgkill, pid, tid, SIGUSR1);
    return NULL;
}

#define INTERRUPTED(call_)                                                      \
    do {                                                                        \
        pthread_t sender;                                                       \
        pthread_create(&sender, NULL, send_later, (void *)syscall(SYS_gettid)); \
        SAY(call_);                                                             \
        pthread_join(sender, NULL);                                             \
    } while (0)

static int pipe_ends[2];

static void *write_later(void *arg)
{
    (void)arg;
    struct timespec wait = {.tv_nsec = 90000000};
    nanosleep(&wait, NULL);
    return (void *)(long)write(pipe_ends[1], "x", 1);
}

static void interruptions(void)
{
    char byte;
    struct pollfd p;
    struct timespec second = {.tv_sec = 5}, left;
    sigset_t none;
    struct epoll_event event;
    int epoll = epoll_create1(0);
    fd_set reads;
    sigemptyset(&none);
    SAY(pipe(pipe_ends));
    p = (struct pollfd){.fd = pipe_ends[0], .events = POLLIN};
    install(SIGUSR1, count, 0);
    INTERRUPTED(read(pipe_ends[0], &byte, 1));
    INTERRUPTED(poll(&p, 1, 5000));
    INTERRUPTED(ppoll(&p, 1, &second, &none));
    INTERRUPTED(epoll_wait(epoll, &event, 1, 5000));
    INTERRUPTED(nanosleep(&second, &left));
    SAY(left.tv_sec);
    INTERRUPTED(pause());
    FD_ZERO(&reads);
    FD_SET(pipe_ends[0], &reads);
    INTERRUPTED(pselect(pipe_ends[0] + 1, &reads, NULL, NULL, &second, &none));
    INTERRUPTED(waitpid(-1, NULL, 0));
    install(SIGUSR1, count, SA_RESTART);
    pthread_t t;
    pthread_create(&t, NULL, write_later, NULL);
    INTERRUPTED(read(pipe_ends[0], &byte, 1)); /* goes on after the signal */
    pthread_join(t, NULL);
    INTERRUPTED(poll(&p, 1, 5000)); /* is never restarted */
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    sigset_t open = old;
    sigdelset(&open, SIGUSR1);
    int before = seen[SIGUSR1];
    INTERRUPTED(ppoll(&p, 1, &second, &open));
    SAY(seen[SIGUSR1] - before); /* opened by the temporary mask only */
    int fd = signalfd(-1, &set, 0);
    raise(SIGUSR1);
    struct signalfd_siginfo info;
    SAY(read(fd, &info, sizeof info));
    SAY(info.ssi_signo == SIGUSR1);
    raise(SIGUSR1);
    SAY(sigtimedwait(&set, NULL, &second) == SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(fd);
}

static void timers(void)
{
    struct itimerval every = {{0, 500}, {0, 500}}, off = {0};
    install(SIGALRM, count, SA_RESTART);
    double value = 1.0;
    setitimer(ITIMER_REAL, &every, NULL);
    while (seen[SIGALRM] < 300) { /* vectors and system calls under fire */
        value = value * 1.0000001 + 0.5 - 0.5;
        if (syscall(SYS_getppid) < 0 || value < 1.0)
            break;
    }
    setitimer(ITIMER_REAL, &off, NULL);
    SAY(seen[SIGALRM] >= 300);
    SAY(value > 1.0);
}

static ucontext_t main_context, other_context;
static void in_other(void)
{
    printf("in the other context\n");
    swapcontext(&other_context, &main_context);
}

static void contexts(void)
{
    static char other_stack[65536];
    getcontext(&other_context);
    other_context.uc_stack.ss_sp = other_stack;
    other_context.uc_stack.ss_size = sizeof other_stack;
    makecontext(&other_context, in_other, 0);
    SAY(swapcontext(&main_context, &other_context));
}

static void deaths(void)
{
    static const int signals[] = {SIGTERM, SIGSEGV, SIGSYS, SIGABRT, SIGKILL, SIGUSR1, SIGPIPE};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            signal(signals[i], SIG_DFL);
            raise(signals[i]);
            _exit(1);
        }
        waitpid(child, &status, 0);
        SAY(WIFSIGNALED(status) ? WTERMSIG(status) : -2);
    }
    pid_t child = fork();
    int status;
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        *(volatile int *)16 = 1;
        _exit(1);
    }
    waitpid(child, &status, 0);
    SAY(WTERMSIG(status));
}

int main(void)
{
    basics();
    faults();
    interruptions();
    timers();
    contexts();
    deaths();
    return 0;
}
