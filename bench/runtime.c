/* SPDX-License-Identifier: Apache-2.0 */
/* What a system call, a thread, a process costs. Prints "name nanoseconds" per line, the median of
 * several batches. Run natively and under coffer-runtime by bench/runtime.py. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 31 /* short ones: whoever else runs here spoils few of them */

extern char **environ;
static int zero_fd, file_fd, pipe_ends[2], there[2], back[2];

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, void (*once)(void), int count)
{
    double batch[BATCHES];
    for (int i = 0; i < count / 4 + 1; i++)
        once();
    for (int b = 0; b < BATCHES; b++) {
        double start = now_ns();
        for (int i = 0; i < count; i++)
            once();
        batch[b] = (now_ns() - start) / count;
    }
    qsort(batch, BATCHES, sizeof(batch[0]), compare);
    printf("%s %.0f\n", name, batch[BATCHES / 2]);
}

static void call_getppid(void)
{
    (void)getppid();
}

static void call_read(void)
{
    char byte;
    (void)!read(zero_fd, &byte, 1);
}

static void call_pread(void)
{
    static char page[4096];
    (void)!pread(file_fd, page, sizeof(page), 0);
}

/* The instruction itself, nothing near it that a library call would have. */
__attribute__((noinline)) static long raw(long nr)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr) : "rcx", "r11", "memory");
    return r;
}

static void call_raw(void)
{
    (void)raw(SYS_getppid);
}

static void call_raw_clock(void)
{
    static struct timespec t;
    (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
}

static void call_getpid(void)
{
    (void)raw(SYS_getpid);
}

static void call_clock(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
}

static void call_open(void)
{
    close(open("/dev/null", O_RDONLY));
}

static void call_pipe(void)
{
    char byte = 'x';
    (void)!write(pipe_ends[1], &byte, 1);
    (void)!read(pipe_ends[0], &byte, 1);
}

/* To another process and back, both on one processor. */
static void call_partner(void)
{
    char byte = 'x';
    (void)!write(there[1], &byte, 1);
    (void)!read(back[0], &byte, 1);
}

static pid_t start_partner(void)
{
    char byte;
    pid_t child = fork();
    if (child != 0)
        return child;
    close(there[1]);
    while (read(there[0], &byte, 1) == 1)
        (void)!write(back[1], &byte, 1);
    _exit(0);
}

/* Waking another processor costs more than all that is measured here. */
static void stay_on_one_processor(void)
{
    cpu_set_t one;
    int cpu = sched_getcpu();
    CPU_ZERO(&one);
    CPU_SET(cpu < 0 ? 0 : (unsigned)cpu, &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
}

static void *nothing(void *arg)
{
    return arg;
}

static void one_thread(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, nothing, NULL) == 0)
        pthread_join(t, NULL);
}

static void one_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
}

static void fork_and_exec(void)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    waitpid(child, NULL, 0);
}

static void one_spawn(void)
{
    static char name[] = "true";
    char *const argv[] = {name, NULL};
    pid_t child;
    if (posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ) == 0)
        waitpid(child, NULL, 0);
}

int main(void)
{
    stay_on_one_processor();
    zero_fd = open("/dev/zero", O_RDONLY);
    file_fd = open("/bin/true", O_RDONLY);
    if (zero_fd < 0 || file_fd < 0 || pipe(pipe_ends) < 0 || pipe(there) < 0 || pipe(back) < 0)
        return 1;
    measure("getppid", call_getppid, 2000);
    measure("raw-getppid", call_raw, 2000);
    measure("raw-getpid", call_getpid, 2000);
    measure("read", call_read, 2000);
    measure("pread-4KiB", call_pread, 2000);
    measure("clock_gettime", call_clock, 2000);
    measure("raw-clock", call_raw_clock, 2000);
    measure("open+close", call_open, 1000);
    measure("pipe", call_pipe, 2000);
    pid_t partner = start_partner();
    measure("pipe-partner", call_partner, 500);
    close(there[1]);
    waitpid(partner, NULL, 0);
    measure("thread", one_thread, 20);
    measure("fork", one_fork, 5);
    measure("fork+exec", fork_and_exec, 2);
    measure("spawn", one_spawn, 2);
    return 0;
}
