/* SPDX-License-Identifier: Apache-2.0 */
/* Signals sent to the process while some or all of its threads block them: who gets them. Those of faults
 * among them, which the runtime must see for itself. */
#include "say.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static const int SIGNALS[] = {SIGTERM, SIGSEGV, SIGBUS, SIGTRAP, SIGSYS};
#define EACH(s_) for (int i_ = 0, s_; i_ < 5 && ((s_) = SIGNALS[i_]); i_++)

static sem_t g_ready, g_go, g_done;
static volatile int g_count, g_code, g_value, g_sender;
static volatile pthread_t g_where;
static int g_signal;

static void record(int signal, siginfo_t *info, void *context)
{
    (void)context;
    g_count += signal == g_signal;
    g_code = info->si_code;
    g_value = info->si_value.sival_int;
    g_sender = info->si_pid == getpid();
    g_where = pthread_self();
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) != 0)
        ;
}

static sigset_t only(int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    return set;
}

static void mask(int how, int signal)
{
    sigset_t set = only(signal);
    pthread_sigmask(how, &set, NULL);
}

static int is_pending(int signal)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, signal);
}

static int take(int signal, siginfo_t *info)
{
    sigset_t set = only(signal);
    struct timespec none = {0};
    return sigtimedwait(&set, info, &none);
}

static void told(const char *what, const siginfo_t *info)
{
    printf("%s: code %d, value %d, from us %d\n", what, info->si_code, info->si_value.sival_int,
           info->si_pid == getpid());
    fflush(stdout);
}

static void *waits(void *arg)
{
    sigset_t set = only(g_signal);
    siginfo_t info = {0};
    sem_post(&g_ready);
    int got = sigwaitinfo(&set, &info);
    wait_for(&g_go);
    info.si_value.sival_int = arg ? info.si_value.sival_int : 0;
    told(got == g_signal ? "it waited for that" : "no", &info);
    return NULL;
}

static void *is_open(void *arg)
{
    (void)arg;
    mask(SIG_UNBLOCK, g_signal);
    sem_post(&g_ready);
    wait_for(&g_done);
    mask(SIG_BLOCK, g_signal);
    return NULL;
}

static void *suspends(void *arg)
{
    sigset_t set;
    (void)arg;
    sigemptyset(&set);
    sem_post(&g_ready);
    int r = sigsuspend(&set);
    wait_for(&g_go);
    SAY(r < 0 && errno == EINTR);
    return NULL;
}

/* Blocked by all: seen by all, taken by one. */
static void *looks(void *arg)
{
    siginfo_t info = {0};
    (void)arg;
    wait_for(&g_go);
    SAY(is_pending(g_signal));
    SAY(take(g_signal, &info) == g_signal);
    told("taken", &info);
    SAY(take(g_signal, &info));
    SAY(is_pending(g_signal));
    sem_post(&g_done);
    wait_for(&g_go);
    mask(SIG_UNBLOCK, g_signal);
    SAY(g_count);
    SAY(pthread_equal(g_where, pthread_self()) != 0);
    mask(SIG_BLOCK, g_signal);
    sem_post(&g_done);
    return NULL;
}

static void *own(void *arg)
{
    siginfo_t info = {0};
    (void)arg;
    sem_post(&g_ready);
    wait_for(&g_go);
    SAY(is_pending(g_signal));
    SAY(take(g_signal, &info) == g_signal);
    told("its own", &info);
    return NULL;
}

static void handle(int signal)
{
    struct sigaction action = {.sa_sigaction = record, .sa_flags = SA_SIGINFO};
    sigaction(signal, &action, NULL);
    g_signal = signal;
    g_count = 0;
}

static void one(int signal)
{
    pthread_t t;
    siginfo_t info;
    printf("--- %s\n", strsignal(signal));
    handle(signal);
    mask(SIG_BLOCK, signal);
    pthread_create(&t, NULL, waits, NULL);
    wait_for(&g_ready);
    SAY(kill(getpid(), signal));
    sem_post(&g_go);
    pthread_join(t, NULL);
    pthread_create(&t, NULL, waits, "with a value");
    wait_for(&g_ready);
    SAY(sigqueue(getpid(), signal, (union sigval){.sival_int = 77}));
    sem_post(&g_go);
    pthread_join(t, NULL);
    pthread_create(&t, NULL, is_open, NULL);
    wait_for(&g_ready);
    SAY(kill(getpid(), signal));
    while (g_count == 0)
        syscall(SYS_sched_yield);
    SAY(pthread_equal(g_where, t) != 0);
    SAY(g_code == SI_USER && g_sender);
    sem_post(&g_done);
    pthread_join(t, NULL);
    g_count = 0;
    pthread_create(&t, NULL, looks, NULL);
    SAY(kill(getpid(), signal));
    SAY(kill(getpid(), signal));
    SAY(is_pending(signal));
    sem_post(&g_go);
    wait_for(&g_done);
    SAY(is_pending(signal));
    SAY(kill(getpid(), signal));
    sem_post(&g_go);
    wait_for(&g_done);
    SAY(take(signal, &info));
    pthread_join(t, NULL);
    pthread_create(&t, NULL, own, NULL);
    wait_for(&g_ready);
    SAY(pthread_kill(t, signal));
    SAY(is_pending(signal));
    SAY(take(signal, &info));
    sem_post(&g_go);
    pthread_join(t, NULL);
    g_count = 0;
    pthread_create(&t, NULL, suspends, NULL);
    wait_for(&g_ready);
    SAY(kill(getpid(), signal));
    sem_post(&g_go);
    pthread_join(t, NULL);
    SAY(g_count);
    SAY(pthread_equal(g_where, t) != 0);
}

static void after_fork(const char *self)
{
    EACH(s)
    {
        mask(SIG_BLOCK, s);
        kill(getpid(), s);
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        EACH(s)
        SAY(is_pending(s));
        EACH(s)
        kill(getpid(), s);
        execl(self, self, "pending", NULL);
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    SAY(status);
    EACH(s)
    {
        SAY(is_pending(s));
        SAY(take(s, NULL) == s);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        EACH(s)
        {
            SAY(is_pending(s));
            SAY(take(s, NULL) == s);
            SAY(is_pending(s));
        }
        return 0;
    }
    sem_init(&g_ready, 0, 0);
    sem_init(&g_go, 0, 0);
    sem_init(&g_done, 0, 0);
    EACH(s)
    one(s);
    after_fork(argv[0]);
    return 0;
}
