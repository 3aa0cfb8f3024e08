/* SPDX-License-Identifier: Apache-2.0 */
/* kill() of everybody, of groups and of nobody, in a process namespace of its own (see vfs_compare.py). The
 * argument is a directory. */
#include "say.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLAIN, LEADER, GRANDCHILD, CHILDREN };

static int g_reports[2];
static volatile sig_atomic_t g_mine;

static void count(int signal)
{
    (void)signal;
    g_mine++;
}

/* A child's life: says that it is there, then which signals come. */
static void report(char who)
{
    char line[2] = {who, '!'};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    close(g_reports[0]);
    for (;;) {
        int signal = 0;
        (void)!write(g_reports[1], line, 2);
        (void)sigwait(&set, &signal);
        line[1] = signal == SIGUSR1 ? '1' : '2';
    }
}

static pid_t start(int kind)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    if (kind == LEADER)
        setsid();
    if (kind == GRANDCHILD && fork() != 0)
        _exit(0);
    report("PLG"[kind]);
    _exit(1);
}

/* So many reports, in order of who makes them. */
static void hear(unsigned reports)
{
    char heard[2 * CHILDREN + 1] = "", line[2];
    for (unsigned i = 0; i < reports; i++) {
        unsigned at = 0;
        (void)!read(g_reports[0], line, 2);
        while (at < 2 * i && heard[at] < line[0])
            at += 2;
        memmove(heard + at + 2, heard + at, 2 * i - at);
        memcpy(heard + at, line, 2);
    }
    printf("heard %s\n", heard);
}

/* Files on volumes need their server. */
static void files_work(void)
{
    char bytes[8] = "";
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    SAY(fd >= 0);
    SAY(write(fd, "content", 7));
    SAY(fsync(fd));
    SAY(pread(fd, bytes, 7, 0));
    SAY(strcmp(bytes, "content"));
    SAY(close(fd));
}

int main(int argc, char **argv)
{
    pid_t children[CHILDREN];
    sigset_t set;
    int status;
    if (argc < 2 || chdir(argv[1]) != 0 || pipe(g_reports) != 0)
        return 1;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    setpgid(0, 0);
    SAY(kill(-1, 0)); /* nobody is there but the first process and this one */
    SAY(kill(-1, SIGUSR1));
    SAY(kill(-1, SIGKILL));
    files_work();
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < CHILDREN; i++)
        children[i] = start(i);
    SAY(waitpid(children[GRANDCHILD], &status, 0) == children[GRANDCHILD]);
    hear(3);
    signal(SIGUSR1, count);
    signal(SIGUSR2, count);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    SAY(kill(-1, 0));
    SAY(kill(-1, 65));
    SAY(kill(-1, -1));
    SAY(kill(0, 65));
    SAY(kill(-1, SIGUSR1));
    hear(3);
    SAY(g_mine);
    SAY(kill(0, SIGUSR2));
    hear(2);
    SAY(g_mine);
    SAY(kill(-getpgrp(), SIGUSR1));
    hear(2);
    SAY(g_mine);
    SAY(kill(-children[LEADER], SIGUSR2));
    hear(1);
    SAY(kill(-children[PLAIN], SIGUSR2));
    SAY(kill(1, 0));
    SAY(kill(-1, SIGSTOP));
    SAY(waitpid(children[PLAIN], &status, WUNTRACED) == children[PLAIN]);
    SAY(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    SAY(waitpid(children[LEADER], &status, WUNTRACED) == children[LEADER]);
    files_work();
    SAY(kill(-1, SIGCONT));
    SAY(kill(-1, SIGUSR1));
    hear(3);
    SAY(kill(-1, SIGKILL));
    close(g_reports[1]);
    SAY(waitpid(children[PLAIN], &status, 0) == children[PLAIN]);
    SAY(WIFSIGNALED(status) ? WTERMSIG(status) : -2);
    SAY(waitpid(children[LEADER], &status, 0) == children[LEADER]);
    SAY(WIFSIGNALED(status) ? WTERMSIG(status) : -2);
    SAY(wait(&status));
    SAY(read(g_reports[0], &status, 1)); /* the grandchild is gone too */
    files_work();
    return 0;
}
