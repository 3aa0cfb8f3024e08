/* SPDX-License-Identifier: Apache-2.0 */
/* Children that borrow their parent's memory or time, and their own children. */
#include "say.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

static int finish(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, __WALL) != pid)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static long raw_clone(unsigned long flags)
{
    return syscall(SYS_clone, flags, 0, 0, 0, 0);
}

/* The parent waits although it has memory of its own. */
static void waits_without_sharing(const char *self)
{
    volatile int *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static volatile int own;
    int ends[2];
    pipe(ends);
    long child = raw_clone(CLONE_VFORK | SIGCHLD);
    if (child == 0) {
        own = 1;
        for (int i = 0; i < 2000; i++)
            sched_yield();
        *shared = 1;
        _exit(6);
    }
    SAY(*shared);
    SAY(own);
    SAY(finish((pid_t)child));
    child = raw_clone(CLONE_VFORK | SIGCHLD);
    if (child == 0) {
        for (int i = 0; i < 2000; i++)
            sched_yield();
        *shared = 2;
        execl(self, self, "slow", NULL);
        _exit(9);
    }
    SAY(*shared);
    SAY(finish((pid_t)child));
    child = raw_clone(CLONE_VFORK | SIGCHLD);
    if (child == 0) { /* a grandchild does not keep the parent waiting */
        if (fork() == 0) {
            char byte;
            close(ends[1]);
            read(ends[0], &byte, 1);
            _exit(0);
        }
        *shared = 3;
        _exit(7);
    }
    SAY(*shared);
    SAY(finish((pid_t)child));
    child = raw_clone(CLONE_VFORK | SIGCHLD);
    if (child == 0)
        raise(SIGKILL);
    SAY(finish((pid_t)child));
    child = raw_clone(CLONE_VFORK | SIGCHLD);
    if (child == 0) {
        execl("/nonexistent", "x", NULL);
        *shared = errno;
        _exit(8);
    }
    SAY(*shared);
    SAY(finish((pid_t)child));
    close(ends[0]), close(ends[1]);
    signal(SIGCHLD, SIG_IGN); /* it is gone before it could be asked after */
    child = raw_clone(CLONE_VFORK | SIGCHLD);
    if (child == 0)
        _exit(0);
    SAY_TRUE(child > 0);
    SAY(waitpid((pid_t)child, NULL, 0));
    signal(SIGCHLD, SIG_DFL);
}

static void grandchildren(const char *self)
{
    static volatile int seen;
    pid_t child = vfork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            seen = 100; /* its own copy */
            _exit(getppid() > 1 ? 3 : 4);
        }
        seen = finish(grandchild);
        _exit(5);
    }
    SAY(finish(child));
    SAY(seen);
    child = vfork();
    if (child == 0) {
        static volatile pid_t inner;
        inner = vfork();
        if (inner == 0) {
            seen = 21;
            _exit(2);
        }
        seen += finish(inner);
        _exit(6);
    }
    SAY(finish(child));
    SAY(seen);
    child = vfork();
    if (child == 0) {
        pid_t inner = vfork();
        if (inner == 0) {
            execl(self, self, "quick", NULL);
            _exit(1);
        }
        _exit(finish(inner));
    }
    SAY(finish(child));
    child = vfork();
    if (child == 0) { /* a child of the child goes on when that is gone */
        int ends[2];
        char byte = 'n';
        pipe(ends);
        pid_t inner = fork();
        if (inner == 0) {
            close(ends[0]);
            pid_t again = fork();
            if (again == 0)
                write(ends[1], "y", 1);
            _exit(again == 0 ? 0 : finish(again));
        }
        close(ends[1]);
        read(ends[0], &byte, 1);
        close(ends[0]);
        _exit(byte == 'y' ? finish(inner) : 99);
    }
    SAY(finish(child));
    child = vfork();
    if (child == 0) {
        pid_t spawned;
        char *const argv[] = {(char *)self, "quick", NULL};
        int r = posix_spawn(&spawned, self, NULL, NULL, argv, environ);
        _exit(r == 0 ? finish(spawned) : 98);
    }
    SAY(finish(child));
    child = vfork();
    if (child == 0) {
        pid_t inner = fork();
        if (inner == 0) {
            execl(self, self, "quick", NULL);
            _exit(1);
        }
        _exit(finish(inner));
    }
    SAY(finish(child));
}

static void files(void)
{
    int fd = open("/dev/null", O_RDWR);
    pid_t child = vfork();
    if (child == 0) {
        close(fd);
        pid_t inner = fork();
        if (inner == 0)
            _exit(fcntl(fd, F_GETFD) == -1);
        _exit(finish(inner));
    }
    SAY(finish(child));
    SAY(fcntl(fd, F_GETFD));
    close(fd);
}

static void *vfork_in_thread(void *self)
{
    volatile long r = 0;
    for (volatile int i = 0; i < 20; i++) {
        pid_t child = vfork();
        if (child == 0) {
            if (i & 1)
                execl(self, self, "quick", NULL);
            _exit(11);
        }
        r += finish(child);
    }
    return (void *)r;
}

static void threads(const char *self)
{
    pthread_t t[4];
    long sum = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, vfork_in_thread, (void *)self);
    for (int i = 0; i < 4; i++) {
        void *r;
        pthread_join(t[i], &r);
        sum += (long)r;
    }
    SAY(sum);
}

static int g_signals;
static void on_signal(int signal)
{
    (void)signal;
    g_signals++;
}

/* A signal for the parent waits until the child lets it go on. */
static void signals(void)
{
    pid_t parent = getpid();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    pid_t child = vfork();
    if (child == 0) {
        kill(parent, SIGUSR1);
        _exit(g_signals);
    }
    SAY(finish(child));
    SAY(g_signals);
    child = vfork();
    if (child == 0) {
        action.sa_handler = SIG_IGN; /* the child's own */
        sigaction(SIGUSR1, &action, NULL);
        raise(SIGUSR1);
        _exit(g_signals);
    }
    SAY(finish(child));
    raise(SIGUSR1);
    SAY(g_signals);
}

int main(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] != '/')
        return strcmp(argv[1], "slow") == 0 ? 12 : 13;
    waits_without_sharing(argv[0]);
    grandchildren(argv[0]);
    files();
    threads(argv[0]);
    signals();
    SAY(waitpid(-1, NULL, __WALL | WNOHANG));
    return 0;
}
