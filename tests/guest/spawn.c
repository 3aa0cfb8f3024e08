/* SPDX-License-Identifier: Apache-2.0 */
/* Many children of posix_spawn(), one after another and at once, and theirs: each is a process as if it
 * were the first. */
#include "say.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define CHILDREN 8

extern char **environ;
static const char *self;

static int finish(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static pid_t start(const char *depth)
{
    char *const argv[] = {"spawn", "child", (char *)depth, NULL};
    pid_t child = -1;
    int r = posix_spawn(&child, self, NULL, NULL, argv, environ);
    return r == 0 ? child : -r;
}

static void *thread(void *arg)
{
    *(int *)arg = syscall(SYS_gettid) != getpid();
    return NULL;
}

static int threads_work(void)
{
    pthread_t t[4];
    int ran[4] = {0}, sum = 0;
    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, thread, &ran[i]) != 0)
            return 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        sum += ran[i];
    }
    return sum == 4;
}

static int memory_works(void)
{
    for (int round = 0; round < 64; round++) {
        size_t size = 1000u << (round % 14);
        unsigned char *p = malloc(size);
        if (!p)
            return 0;
        memset(p, round, size);
        if (p[size - 1] != round)
            return 0;
        if (round % 3)
            free(p);
    }
    return sbrk(1 << 20) != (void *)-1 && sbrk(-(1 << 20)) != (void *)-1;
}

static int clocks_work(void)
{
    struct timespec library, kernel;
    if (clock_gettime(CLOCK_MONOTONIC, &library) < 0 ||
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &kernel) < 0)
        return 0;
    return kernel.tv_sec >= library.tv_sec && kernel.tv_sec - library.tv_sec < 100 &&
           time(NULL) > 1000000000;
}

/* Exit status: bits of what went wrong. */
static int child(const char *depth)
{
    int wrong = (threads_work() ? 0 : 1) | (memory_works() ? 0 : 2) | (clocks_work() ? 0 : 4);
    pid_t forked = fork();
    if (forked == 0)
        _exit(getppid() > 0 && syscall(SYS_gettid) == getpid() ? 5 : 6);
    wrong |= (finish(forked) != 5) << 3;
    wrong |= (getenv("COLOUR") == NULL || strcmp(getenv("COLOUR"), "green") != 0) << 4;
    wrong |= (signal(SIGUSR1, SIG_DFL) != SIG_IGN) << 5;
    wrong |= (signal(SIGUSR2, SIG_DFL) != SIG_DFL) << 6;
    signal(SIGUSR1, SIG_IGN);
    if (*depth != '0') {
        const char next[2] = {(char)(*depth - 1), 0};
        for (int i = 0; i < 3; i++)
            wrong |= finish(start(next)) != 0 ? 0x80 : 0;
    }
    return wrong;
}

static void handler(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    self = "/proc/self/exe";
    if (argc == 3)
        return child(argv[2]);
    setenv("COLOUR", "green", 1);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, handler);
    for (int i = 0; i < CHILDREN; i++)
        SAY(finish(start(i == 5 ? "2" : "0")));
    pid_t at_once[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        at_once[i] = start("1");
    for (int i = 0; i < CHILDREN; i++)
        SAY(finish(at_once[i]));
    pid_t forked = fork(); /* a child of fork() spawns too */
    if (forked == 0)
        _exit(finish(start("0")) | finish(start("1")));
    SAY(finish(forked));
    return 0;
}
