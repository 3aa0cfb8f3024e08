/* SPDX-License-Identifier: Apache-2.0 */
/* wait4, waitid and waitpid with all their options; descriptors of processes. */
#include "say.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static pid_t child_that(int status)
{
    pid_t child = fork();
    if (child == 0)
        _exit(status);
    return child;
}

static pid_t child_that_waits(void)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    return child;
}

static void say_status(int status)
{
    SAY(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    SAY(WIFSIGNALED(status) ? WTERMSIG(status) : -1);
    SAY(WIFSTOPPED(status) ? WSTOPSIG(status) : -1);
    SAY(WIFCONTINUED(status));
}

static void say_info(const siginfo_t *info, pid_t child)
{
    SAY(info->si_signo);
    SAY(info->si_code);
    SAY(info->si_status);
    SAY_TRUE(info->si_pid == child);
    SAY_TRUE(info->si_uid == getuid());
}

static void plain(void)
{
    int status = 0;
    SAY(wait4(-1, &status, __WALL | WNOHANG, NULL));
    SAY(waitpid(-1, &status, WNOHANG));
    SAY(waitpid(-1, NULL, 0x40));
    SAY(waitpid(4000000, NULL, 0));
    SAY(waitpid(-4000000, NULL, 0));
    pid_t child = child_that(7);
    SAY_TRUE(waitpid(child, &status, 0) == child);
    say_status(status);
    SAY(waitpid(child, &status, 0));
    child = child_that_waits();
    SAY(waitpid(child, &status, WNOHANG));
    kill(child, SIGSTOP);
    SAY_TRUE(waitpid(child, &status, WUNTRACED) == child);
    say_status(status);
    SAY(waitpid(child, &status, WUNTRACED | WNOHANG));
    kill(child, SIGCONT);
    SAY_TRUE(waitpid(child, &status, WCONTINUED) == child);
    say_status(status);
    kill(child, SIGKILL);
    struct rusage usage;
    SAY_TRUE(wait4(child, &status, 0, &usage) == child);
    say_status(status);
    SAY(wait4(child_that(1), (int *)8, 0, NULL));
    SAY(wait4(child_that(1), NULL, 0, (struct rusage *)8));
    while (wait(NULL) > 0)
        ;
}

static void groups(void)
{
    int status;
    pid_t one = child_that(1), two = fork();
    if (two == 0) {
        setpgid(0, 0);
        _exit(2);
    }
    setpgid(two, two);
    SAY_TRUE(waitpid(-two, &status, 0) == two);
    SAY(waitpid(-two, &status, 0));
    SAY_TRUE(waitpid(0, &status, 0) == one);
    SAY(waitpid(0, &status, 0));
}

static void clones(void)
{
    int status;
    pid_t child = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0); /* tells nobody that it ends */
    if (child == 0)
        _exit(3);
    SAY(waitpid(child, &status, 0));
    SAY_TRUE(waitpid(child, &status, __WCLONE) == child);
    say_status(status);
    child = (pid_t)syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
    if (child == 0)
        _exit(4);
    SAY_TRUE(waitpid(child, &status, __WALL) == child);
    say_status(status);
    child = child_that(5);
    SAY(waitpid(child, &status, __WCLONE));
    SAY_TRUE(waitpid(-1, &status, __WALL | __WNOTHREAD) == child);
}

static void ids(void)
{
    siginfo_t info = {0};
    pid_t child = child_that(9);
    SAY(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
    say_info(&info, child);
    memset(&info, 0, sizeof info);
    SAY(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT | WNOHANG));
    SAY_TRUE(info.si_pid == child);
    SAY(waitid(P_ALL, 0, &info, WEXITED));
    SAY(waitid(P_ALL, 0, &info, WEXITED));
    SAY(waitid(P_PID, (id_t)child, &info, 0));
    SAY(waitid(P_PID, 0, &info, WEXITED));
    SAY(waitid(9, 0, &info, WEXITED));
    SAY(waitid(P_PGID, 4000000, &info, WEXITED));
    child = child_that_waits();
    memset(&info, 7, sizeof info);
    SAY(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG));
    SAY(info.si_pid);
    SAY(info.si_signo);
    kill(child, SIGSTOP);
    SAY(waitid(P_PID, (id_t)child, &info, WSTOPPED));
    say_info(&info, child);
    kill(child, SIGCONT);
    SAY(waitid(P_PID, (id_t)child, &info, WCONTINUED | WNOWAIT));
    say_info(&info, child);
    SAY(waitid(P_PID, (id_t)child, &info, WCONTINUED | WEXITED));
    kill(child, SIGTERM);
    SAY(waitid(P_PGID, 0, &info, WEXITED));
    say_info(&info, child);
    child = fork();
    if (child == 0)
        abort();
    SAY(waitid(P_PID, (id_t)child, &info, WEXITED));
    SAY(info.si_code == CLD_DUMPED || info.si_code == CLD_KILLED);
    SAY(info.si_status);
}

static void pidfds(void)
{
    siginfo_t info = {0};
    SAY(syscall(SYS_pidfd_open, 4000000, 0));
    SAY(syscall(SYS_pidfd_open, 0, 0));
    SAY(syscall(SYS_pidfd_open, -1, 0));
    SAY(syscall(SYS_pidfd_open, getpid(), 0x100));
    pid_t child = child_that_waits();
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    SAY(fcntl(fd, F_GETFD));
    SAY(fcntl(fd, F_GETFL) & O_NONBLOCK);
    int ready = (int)syscall(SYS_pidfd_open, child, O_NONBLOCK);
    SAY((fcntl(ready, F_GETFL) & O_NONBLOCK) != 0);
    SAY(waitid(P_PIDFD, (id_t)ready, &info, WEXITED));
    SAY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG));
    struct pollfd wait_for = {.fd = fd, .events = POLLIN};
    SAY(poll(&wait_for, 1, 0));
    SAY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    SAY(syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0));
    SAY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0x100));
    SAY(syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0));
    SAY(syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0));
    memset(&info, 0, sizeof info);
    info.si_signo = SIGTERM;
    info.si_code = SI_USER;
    SAY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, &info, 0));
    info.si_signo = SIGUSR1;
    info.si_code = SI_QUEUE;
    SAY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, &info, 0));
    SAY(waitid(P_PIDFD, 1, &info, WEXITED));
    SAY(waitid(P_PIDFD, (id_t)-1, &info, WEXITED));
    SAY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    SAY(poll(&wait_for, 1, -1));
    SAY(wait_for.revents);
    SAY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    say_info(&info, child);
    SAY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    SAY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    SAY(fcntl(fd, F_SETFL, 0));
    char byte;
    SAY(read(fd, &byte, 1));
    SAY(write(fd, "x", 1));
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    SAY(waitid(P_PIDFD, (id_t)self, &info, WEXITED));
    signal(SIGUSR2, SIG_IGN);
    SAY(syscall(SYS_pidfd_send_signal, self, SIGUSR2, NULL, 0));
    close(fd), close(ready), close(self);
}

static int counted;
static void count(int signal)
{
    (void)signal;
    counted++;
}

static void automatic(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigaction(SIGCHLD, &action, NULL);
    child_that(1), child_that(2);
    SAY(waitpid(-1, NULL, 0));
    action.sa_handler = count;
    action.sa_flags = SA_NOCLDWAIT;
    sigaction(SIGCHLD, &action, NULL);
    child_that(1);
    while (waitpid(-1, NULL, 0) == -1 && errno == EINTR)
        ;
    SAY_TRUE(errno == ECHILD);
    SAY(counted);
    action.sa_flags = SA_NOCLDSTOP | SA_RESTART;
    counted = 0;
    sigaction(SIGCHLD, &action, NULL);
    pid_t child = child_that_waits();
    int status;
    kill(child, SIGSTOP);
    SAY_TRUE(waitpid(child, &status, WUNTRACED) == child);
    SAY(counted);
    kill(child, SIGCONT);
    SAY_TRUE(waitpid(child, &status, WCONTINUED) == child);
    SAY(counted);
    kill(child, SIGKILL);
    SAY_TRUE(waitpid(child, &status, 0) == child);
    SAY(counted);
    signal(SIGCHLD, SIG_DFL);
}

static void orphans(void)
{
    int ends[2], status;
    char byte;
    pipe(ends);
    pid_t middle = fork();
    if (middle == 0) {
        pid_t parent = getpid();
        if (fork() == 0) {
            close(ends[0]);
            while (getppid() == parent)
                sched_yield();
            write(ends[1], "o", 1);
            _exit(0);
        }
        _exit(0);
    }
    close(ends[1]);
    SAY_TRUE(waitpid(middle, &status, 0) == middle);
    SAY(read(ends[0], &byte, 1));
    SAY(read(ends[0], &byte, 1));
    SAY(waitpid(-1, &status, __WALL));
    close(ends[0]);
}

int main(void)
{
    signal(SIGUSR1, SIG_IGN);
    plain();
    groups();
    clones();
    ids();
    pidfds();
    automatic();
    orphans();
    return 0;
}
