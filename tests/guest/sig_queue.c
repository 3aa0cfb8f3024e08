/* SPDX-License-Identifier: Apache-2.0 */
/* Queued signals: values and their order, senders, waiting for signals without handlers, what is
 * pending and who inherits it. */
#include "say.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#define MANY 400

static volatile int got[MANY * 4], got_count, sender, code, value, seen[65];
static volatile uint64_t mask_inside;

static void record(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    if (got_count < MANY * 4)
        got[got_count++] = info->si_value.sival_int;
    sender = info->si_pid;
    code = info->si_code;
    value = info->si_value.sival_int;
    memcpy((void *)&mask_inside, &uc->uc_sigmask, 8);
    seen[signal]++;
}

static void install(int signal, int flags)
{
    struct sigaction action = {.sa_sigaction = record, .sa_flags = SA_SIGINFO | flags};
    sigaction(signal, &action, NULL);
}

static sigset_t set_of(int first, ...)
{
    sigset_t set;
    __builtin_va_list list;
    sigemptyset(&set);
    __builtin_va_start(list, first);
    for (int s = first; s != 0; s = __builtin_va_arg(list, int))
        sigaddset(&set, s);
    __builtin_va_end(list);
    return set;
}

static int in_order(void)
{
    for (int i = 1; i < got_count; i++)
        if (got[i] != got[i - 1] + 1)
            return 0;
    return 1;
}

static int send_info(int how, int signal, int si_code, int number)
{
    siginfo_t info = {.si_signo = signal, .si_code = si_code};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = number;
    if (how == SYS_rt_tgsigqueueinfo)
        return (int)syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, &info);
    return (int)syscall(SYS_rt_sigqueueinfo, getpid(), signal, &info);
}

static void values(void)
{
    sigset_t set = set_of(SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 5, 0), old;
    install(SIGRTMIN, 0);
    install(SIGRTMIN + 1, 0);
    install(SIGRTMIN + 5, 0);
    SAY(sigprocmask(SIG_BLOCK, &set, &old));
    for (int i = 0; i < 8; i++)
        sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = i});
    SAY(got_count);
    SAY(sigprocmask(SIG_SETMASK, &old, NULL));
    SAY(got_count);
    SAY(in_order());
    SAY(code == SI_QUEUE);
    SAY(sender == getpid());
    got_count = 0;
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = 3});
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 2});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1});
    sigprocmask(SIG_SETMASK, &old, NULL);
    for (int i = 0; i < got_count; i++)
        SAY(got[i]); /* frames are stacked lowest first, so the highest runs first */
    got_count = 0;
    SAY(send_info(SYS_rt_tgsigqueueinfo, SIGRTMIN, SI_QUEUE, 77));
    SAY(value);
    SAY(send_info(SYS_rt_tgsigqueueinfo, SIGRTMIN, -60, 78));
    SAY(value);
    SAY(code);
    SAY(send_info(SYS_rt_sigqueueinfo, SIGRTMIN, SI_QUEUE, 79));
    SAY(value);
    SAY(syscall(SYS_tgkill, getpid(), -1, SIGRTMIN));
    SAY(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 65));
    SAY(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0));
    SAY(syscall(SYS_tkill, syscall(SYS_gettid), SIGRTMIN));
    SAY(code == SI_TKILL);
    SAY(kill(getpid(), SIGRTMIN));
    SAY(code == SI_USER);
    SAY(kill(getpid(), 65));
    SAY(sigqueue(getpid(), 65, (union sigval){0}));
    SAY(kill(0x7ffffff0, 0));
}

static void *send_many(void *arg)
{
    for (int i = 0; i < MANY; i++)
        while (pthread_sigqueue(*(pthread_t *)arg, SIGRTMIN + 2, (union sigval){.sival_int = i}) ==
               EAGAIN)
            ;
    return NULL;
}

/* The receiver is in and out of system calls all the time; SA_NODEFER is off, so each handler ends
 * before the next of its number begins. */
static void order_under_load(void)
{
    pthread_t self = pthread_self(), t;
    install(SIGRTMIN + 2, SA_RESTART);
    for (int round = 0; round < 5; round++) {
        got_count = 0;
        pthread_create(&t, NULL, send_many, &self);
        for (int i = 0; got_count < MANY; i++) {
            sigset_t set;
            struct sigaction action;
            switch (i % 4) {
            case 0:
                syscall(SYS_getppid);
                break;
            case 1:
                sigaction(SIGUSR2, NULL, &action);
                break;
            case 2:
                sigprocmask(SIG_BLOCK, NULL, &set);
                break;
            default:
                syscall(SYS_sched_yield);
            }
        }
        pthread_join(t, NULL);
        SAY(got_count);
        SAY(in_order());
    }
}

/* The sender of a fault signal that is no fault. */
static void senders(void)
{
    static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGTRAP, SIGSYS, SIGILL, SIGFPE, SIGTERM};
    for (unsigned i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++) {
        int s = SIGNALS[i];
        sigset_t set = set_of(s, 0);
        install(s, 0);
        value = code = sender = 0;
        SAY(kill(getpid(), s));
        SAY(seen[s] == 1 && code == SI_USER && sender == getpid());
        SAY(sigqueue(getpid(), s, (union sigval){.sival_int = 40 + s}));
        SAY(seen[s] == 2 && code == SI_QUEUE && value == 40 + s);
        SAY(raise(s));
        SAY(seen[s] == 3 && code == SI_TKILL);
        sigprocmask(SIG_BLOCK, &set, NULL);
        value = code = 0;
        SAY(sigqueue(getpid(), s, (union sigval){.sival_int = 80 + s}));
        SAY(sigqueue(getpid(), s, (union sigval){.sival_int = 81 + s})); /* is lost */
        SAY(seen[s]);
        sigset_t pending;
        sigemptyset(&pending);
        SAY(sigpending(&pending));
        SAY(sigismember(&pending, s));
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        SAY(seen[s] == 4 && code == SI_QUEUE && value == 80 + s);
        SAY(mask_inside == (1ull << (s - 1)) || mask_inside == 0);
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(s);
        struct timespec none = {0};
        siginfo_t info;
        SAY(sigtimedwait(&set, &info, &none) == s);
        SAY(info.si_code == SI_TKILL && info.si_pid == getpid());
        SAY(sigtimedwait(&set, &info, &none));
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        SAY(seen[s]);
    }
}

static void *queue_one(void *arg)
{
    pthread_sigqueue(*(pthread_t *)arg, SIGRTMIN + 3, (union sigval){.sival_int = 9});
    return NULL;
}

static void waits(void)
{
    sigset_t set = set_of(SIGRTMIN + 3, SIGUSR1, SIGSEGV, 0), got_set;
    struct timespec none = {0}, brief = {.tv_nsec = 1000000};
    siginfo_t info;
    pthread_t self = pthread_self(), t;
    sigprocmask(SIG_BLOCK, &set, NULL);
    SAY(sigtimedwait(&set, &info, &none));
    SAY(sigtimedwait(&set, &info, &brief));
    pthread_create(&t, NULL, queue_one, &self);
    SAY(sigwaitinfo(&set, &info) == SIGRTMIN + 3);
    pthread_join(t, NULL);
    SAY(info.si_value.sival_int);
    raise(SIGUSR1);
    int signal = 0;
    SAY(sigwait(&set, &signal));
    SAY(signal == SIGUSR1);
    raise(SIGSEGV);
    SAY(sigwaitinfo(&set, NULL) == SIGSEGV);
    SAY(syscall(SYS_rt_sigtimedwait, &set, &info, &none, 4));
    SAY(syscall(SYS_rt_sigtimedwait, 8, &info, &none, 8));
    SAY(syscall(SYS_rt_sigtimedwait, &set, &info, &(struct timespec){0, 2000000000}, 8));
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo s[4];
    SAY(read(fd, s, sizeof s));
    sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 1});
    sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 2});
    raise(SIGUSR1);
    SAY(read(fd, s, sizeof s));
    SAY(s[0].ssi_signo == SIGUSR1 && s[0].ssi_code == SI_TKILL);
    SAY(s[1].ssi_int);
    SAY(s[2].ssi_int);
    SAY(read(fd, s, 8));
    SAY(signalfd(fd, &(sigset_t){0}, 0) == fd);
    SAY(signalfd(0, &set, 0));
    SAY(close(fd));
    SAY(sigpending(&got_set));
    SAY(sigismember(&got_set, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Several signals that a temporary mask opens are all handled before the call returns. */
static void suspends(void)
{
    sigset_t set = set_of(SIGUSR1, SIGUSR2, SIGHUP, 0), old, open;
    install(SIGUSR1, 0);
    install(SIGUSR2, 0);
    install(SIGHUP, 0);
    seen[SIGUSR1] = seen[SIGUSR2] = seen[SIGHUP] = 0;
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    raise(SIGUSR2);
    raise(SIGHUP);
    open = set_of(SIGHUP, 0);
    SAY(sigsuspend(&open));
    SAY(seen[SIGUSR1] * 100 + seen[SIGUSR2] * 10 + seen[SIGHUP]);
    sigprocmask(SIG_BLOCK, NULL, &open);
    SAY(sigismember(&open, SIGUSR1) && sigismember(&open, SIGUSR2));
    sigprocmask(SIG_SETMASK, &old, NULL);
    SAY(seen[SIGHUP]);
}

static int status_of(pid_t child)
{
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void inheritance(const char *self)
{
    sigset_t set = set_of(SIGUSR1, SIGSEGV, SIGSYS, SIGRTMIN + 4, 0), old, now;
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    raise(SIGSEGV);
    pid_t child = fork();
    if (child == 0) {
        sigemptyset(&now);
        sigpending(&now);
        sigset_t mask;
        sigprocmask(SIG_BLOCK, NULL, &mask);
        _exit(sigismember(&now, SIGUSR1) * 2 + sigismember(&now, SIGSEGV) +
              sigismember(&mask, SIGUSR1) * 4 + sigismember(&mask, SIGSEGV) * 8 +
              sigismember(&mask, SIGSYS) * 16);
    }
    SAY(status_of(child));
    child = fork();
    if (child == 0) { /* a pending signal and the mask survive exec, handlers do not */
        signal(SIGHUP, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        raise(SIGUSR1);
        raise(SIGSEGV);
        execl(self, self, "exec", NULL);
        _exit(99);
    }
    SAY(status_of(child));
    child = vfork();
    if (child == 0) {
        execl(self, self, "exec", NULL);
        _exit(99);
    }
    SAY(status_of(child));
    struct timespec none = {0};
    SAY(sigtimedwait(&set, NULL, &none) == SIGUSR1);
    SAY(sigtimedwait(&set, NULL, &none) == SIGSEGV);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static int executed(void)
{
    sigset_t mask, pending;
    struct sigaction hup, usr2, pipes;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigpending(&pending);
    sigaction(SIGHUP, NULL, &hup);
    sigaction(SIGPIPE, NULL, &pipes);
    sigaction(SIGUSR2, NULL, &usr2);
    printf("executed: ");
    for (int s = 1; s <= 64; s++) {
        if (sigismember(&mask, s) == 1)
            printf("blocked %d ", s);
        if (sigismember(&pending, s) == 1)
            printf("pending %d ", s);
    }
    printf("ignored %d %d default %d\n", hup.sa_handler == SIG_IGN, pipes.sa_handler == SIG_IGN,
           usr2.sa_handler == SIG_DFL);
    return 3;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1)
        return executed();
    values();
    order_under_load();
    senders();
    waits();
    suspends();
    inheritance(argv[0]);
    return 0;
}
