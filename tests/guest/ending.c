/* SPDX-License-Identifier: Apache-2.0 */
/* A process that ends while its other threads write, sync and acknowledge, each in the way that its
 * second argument says. Driven by ending.py, which reads the acknowledgements. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define RECORD 16
#define ENOUGH 40

static int g_log;
static atomic_int g_acknowledged;

static void fail(const char *what)
{
    dprintf(2, "%s failed\n", what);
}

/* A record is on disk before its copy goes to standard output. */
static void *writer(void *arg)
{
    char record[40];
    for (unsigned i = 0;; i++) {
        snprintf(record, sizeof record, "%d.%05u-%07d\n", (int)(long)arg % 10, i % 100000,
                 getpid() % 10000000);
        if (write(g_log, record, RECORD) != RECORD)
            fail("write");
        if (fsync(g_log) != 0)
            fail("fsync");
        if (write(1, record, RECORD) != RECORD)
            fail("acknowledge");
        atomic_fetch_add(&g_acknowledged, 1);
    }
    return NULL;
}

/* Others that are never in a call, in one that waits, in the middle of a child's start. */
static void *spinner(void *arg)
{
    for (;;)
        (*(volatile int *)arg)++;
    return NULL;
}

static void *sleeper(void *arg)
{
    int ends[2];
    (void)arg;
    if (pipe(ends) == 0)
        (void)!read(ends[0], &ends[1], 1);
    return NULL;
}

static void *forker(void *arg)
{
    (void)arg;
    for (;;) {
        pid_t child = vfork();
        if (child == 0)
            _exit(0);
        waitpid(child, NULL, 0);
    }
    return NULL;
}

static void start(void *(*routine)(void *), void *arg)
{
    pthread_t t;
    if (pthread_create(&t, NULL, routine, arg) != 0)
        fail("pthread_create");
}

static void start_all(void)
{
    static int spins;
    for (long i = 0; i < THREADS; i++)
        start(writer, (void *)i);
    start(spinner, &spins);
    start(sleeper, NULL);
}

static void until_enough(void)
{
    while (atomic_load(&g_acknowledged) < ENOUGH)
        sched_yield();
}

static void *ender(void *arg)
{
    (void)arg;
    until_enough();
    syscall(SYS_exit_group, 3);
    return NULL;
}

static void end(const char *how)
{
    start_all();
    if (strcmp(how, "thread") == 0) {
        start(ender, NULL);
        for (;;)
            pause();
    }
    if (strcmp(how, "last") == 0) { /* the first thread is gone by then */
        start(ender, NULL);
        pthread_exit(NULL);
    }
    if (strcmp(how, "race") == 0)
        for (int i = 0; i < 3; i++)
            start(ender, NULL);
    if (strcmp(how, "vfork") == 0)
        start(forker, NULL);
    until_enough();
    if (strcmp(how, "signal") == 0)
        kill(getpid(), SIGTERM);
    else if (strcmp(how, "abort") == 0)
        abort();
    else if (strcmp(how, "fault") == 0)
        *(volatile int *)8 = 1;
    syscall(SYS_exit_group, 3);
}

int main(int argc, char **argv)
{
    char path[256];
    snprintf(path, sizeof path, "%s/log", argv[1]);
    g_log = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
    if (argc > 2 && strcmp(argv[2], "read") == 0) {
        char record[RECORD];
        while (read(g_log, record, RECORD) == RECORD)
            (void)!write(1, record, RECORD);
        return 0;
    }
    if (argc > 3) { /* in a child, and this process goes on */
        int status = 0;
        pid_t child = fork();
        if (child == 0)
            end(argv[2]);
        waitpid(child, &status, 0);
        return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    end(argv[2]);
}
