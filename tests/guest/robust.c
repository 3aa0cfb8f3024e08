/* SPDX-License-Identifier: Apache-2.0 */
/* Locks between processes whose holder goes away in every way there is, and the futex calls below. */
#include "say.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

enum way { EXIT, EXIT_GROUP, KILLED, THREAD_ENDS, EXECS, FAULTS, WAYS };

static struct shared {
    pthread_mutex_t robust, inherits;
    uint32_t word;
} * g_shared;

static const char *g_self;

static void mutex_make(pthread_mutex_t *mutex, int protocol)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static void *lock_it(void *mutex)
{
    pthread_mutex_lock(mutex);
    return NULL;
}

static void hold(pthread_mutex_t *mutex, enum way way)
{
    pthread_t t;
    if (way == THREAD_ENDS) {
        pthread_create(&t, NULL, lock_it, mutex);
        pthread_join(t, NULL);
        SAY(pthread_mutex_lock(mutex)); /* at once, not some time later */
        _exit(0);
    }
    pthread_mutex_lock(mutex);
    if (way == EXIT)
        syscall(SYS_exit, 0);
    if (way == KILLED)
        raise(SIGKILL);
    if (way == FAULTS)
        *(volatile int *)8 = 1;
    if (way == EXECS)
        execl(g_self, g_self, "executed", NULL);
    _exit(0);
}

static void lose(pthread_mutex_t *mutex, enum way way)
{
    pid_t child = fork();
    if (child == 0)
        hold(mutex, way);
    int r = 0;
    waitpid(child, NULL, 0);
    SAY(r = pthread_mutex_trylock(mutex));
    if (r == EOWNERDEAD)
        SAY(pthread_mutex_consistent(mutex));
    if (r == 0 || r == EOWNERDEAD)
        SAY(pthread_mutex_unlock(mutex));
}

/* Who waits is woken by the death of the holder. */
static void wait_for_death(pthread_mutex_t *mutex)
{
    int ends[2];
    char byte;
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(mutex);
        write(ends[1], "", 1);
        for (;;)
            pause();
    }
    read(ends[0], &byte, 1);
    if (fork() == 0) { /* kills it some time after the parent waits */
        for (int i = 0; i < 1000; i++)
            sched_yield();
        kill(child, SIGKILL);
        _exit(0);
    }
    SAY(pthread_mutex_lock(mutex));
    SAY(pthread_mutex_consistent(mutex));
    SAY(pthread_mutex_unlock(mutex));
    while (wait(NULL) > 0)
        ;
}

static void lists(void)
{
    struct robust_list_head head = {.list = {&head.list}}, *got = NULL;
    size_t size = 0;
    SAY(syscall(SYS_set_robust_list, &head, 8));
    SAY(syscall(SYS_set_robust_list, &head, sizeof head));
    SAY(syscall(SYS_get_robust_list, 0, &got, &size));
    SAY_TRUE(got == &head && size == sizeof head);
    got = NULL;
    SAY(syscall(SYS_get_robust_list, getpid(), &got, &size));
    SAY_TRUE(got == &head);
    SAY(syscall(SYS_get_robust_list, 0, (void *)8, &size));
    SAY(syscall(SYS_get_robust_list, 4000000, &got, &size));
    int status = 0;
    pid_t child = fork(); /* its own */
    if (child == 0) {
        syscall(SYS_get_robust_list, 0, &got, &size);
        _exit(got != &head);
    }
    waitpid(child, &status, 0);
    SAY_TRUE(WEXITSTATUS(status) == 1);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    got = NULL;
    SAY(syscall(SYS_get_robust_list, child, &got, &size));
    SAY_TRUE(got != &head);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    SAY(syscall(SYS_set_robust_list, NULL, sizeof head));
}

static void priorities(void)
{
    uint32_t *word = &g_shared->word;
    const struct timespec past = {0, 0};
    *word = 0;
    SAY(syscall(SYS_futex, word, FUTEX_LOCK_PI, 0, NULL));
    SAY_TRUE(*word == (uint32_t)getpid());
    SAY(syscall(SYS_futex, word, FUTEX_LOCK_PI, 0, NULL));
    SAY(syscall(SYS_futex, word, FUTEX_TRYLOCK_PI, 0, NULL));
    pid_t child = fork();
    if (child == 0) {
        SAY(syscall(SYS_futex, word, FUTEX_TRYLOCK_PI, 0, NULL));
        SAY(syscall(SYS_futex, word, FUTEX_LOCK_PI, 0, &past));
        SAY(syscall(SYS_futex, word, FUTEX_UNLOCK_PI, 0, NULL));
        _exit(0);
    }
    waitpid(child, NULL, 0);
    SAY(syscall(SYS_futex, word, FUTEX_UNLOCK_PI, 0, NULL));
    SAY(*word);
    *word = 4000000; /* nobody */
    SAY(syscall(SYS_futex, word, FUTEX_LOCK_PI, 0, NULL));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return 0;
    g_self = argv[0];
    g_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mutex_make(&g_shared->robust, PTHREAD_PRIO_NONE);
    mutex_make(&g_shared->inherits, PTHREAD_PRIO_INHERIT);
    for (enum way way = EXIT; way < WAYS; way++) {
        SAY(way);
        lose(&g_shared->robust, way);
        lose(&g_shared->inherits, way);
    }
    wait_for_death(&g_shared->robust);
    wait_for_death(&g_shared->inherits);
    priorities();
    lists();
    return 0;
}
