/* SPDX-License-Identifier: Apache-2.0 */
/* Locks between descriptions, duplicates and processes. Processes take turns through a pipe. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

static int lock(int fd, int command, short type, off_t start, off_t size)
{
    struct flock want = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = size};
    return fcntl(fd, command, &want);
}

/* Who stands against a write lock on the range, seen from `fd`. */
static void test_range(int fd, int command, off_t start, off_t size, pid_t child)
{
    struct flock want = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = size};
    int r = fcntl(fd, command, &want);
    const char *who = want.l_type == F_UNLCK   ? "nobody"
                      : want.l_pid == child    ? "child"
                      : want.l_pid == getpid() ? "self"
                      : want.l_pid == -1       ? "description"
                                               : "other";
    if (want.l_type == F_UNLCK)
        printf("getlk %d: %s\n", r, who);
    else
        printf("getlk %d: %s type %d from %ld size %ld\n", r, who, want.l_type, (long)want.l_start,
               (long)want.l_len);
    fflush(stdout);
}

static void flocks(void)
{
    int a = open("lock", O_CREAT | O_RDWR, 0600), b = open("lock", O_RDWR), c = dup(a);
    T(flock(a, LOCK_SH));
    T(flock(b, LOCK_SH | LOCK_NB));
    T(flock(b, LOCK_EX | LOCK_NB));
    T(flock(a, LOCK_UN));
    T(flock(b, LOCK_EX | LOCK_NB));
    T(flock(c, LOCK_SH | LOCK_NB));
    T(close(b));
    T(flock(c, LOCK_EX | LOCK_NB));
    T(close(a));
    b = open("lock", O_RDWR);
    T(flock(b, LOCK_SH | LOCK_NB));
    T(close(c));
    T(flock(b, LOCK_SH | LOCK_NB));
    T(flock(b, 77));
    T(close(b));
}

static void posix_alone(void)
{
    int a = open("lock", O_RDWR), b = open("lock", O_RDWR), r = open("lock", O_RDONLY);
    T(lock(a, F_SETLK, F_WRLCK, 0, 10));
    T(lock(b, F_SETLK, F_WRLCK, 5, 10));
    T(lock(r, F_SETLK, F_WRLCK, 5, 10));
    T(lock(r, F_SETLK, F_RDLCK, 5, 10));
    test_range(a, F_GETLK, 0, 0, 0);
    T(lock(a, F_OFD_SETLK, F_RDLCK, 0, 1));
    T(lock(a, F_OFD_SETLK, F_RDLCK, 100, 1));
    T(lock(b, F_OFD_SETLK, F_WRLCK, 100, 1));
    test_range(b, F_OFD_GETLK, 90, 20, 0);
    T(lock(a, F_SETLK, F_WRLCK, -5, 3));
    T(lock(a, F_SETLK, 99, 0, 3));
    T(close(a));
    T(close(b));
    T(close(r));
}

static void say(int to)
{
    if (write(to, "x", 1) != 1)
        _exit(9);
}

static void hear(int from)
{
    char byte;
    if (read(from, &byte, 1) != 1)
        _exit(9);
}

static void child_of_posix(int to, int from)
{
    int fd = open("lock", O_RDWR);
    int r = lock(fd, F_SETLK, F_WRLCK, 100, 50);
    r |= lock(fd, F_SETLK, F_RDLCK, 120, 10);
    say(to);
    hear(from);
    close(open("lock", O_RDONLY)); /* any close ends them */
    say(to);
    hear(from);
    r |= lock(fd, F_SETLKW, F_WRLCK, 0, 0);
    _exit(r != 0);
}

static void posix_between(void)
{
    int up[2], down[2], status;
    int fd = open("lock", O_RDWR);
    T(pipe(up) | pipe(down));
    T(lock(fd, F_SETLK, F_WRLCK, 0, 10));
    pid_t child = fork();
    if (child == 0)
        child_of_posix(up[1], down[0]);
    hear(up[0]);
    test_range(fd, F_GETLK, 0, 0, child);
    test_range(fd, F_GETLK, 120, 10, child);
    test_range(fd, F_GETLK, 150, 10, child);
    T(lock(fd, F_SETLK, F_WRLCK, 149, 1));
    T(lock(fd, F_SETLK, F_RDLCK, 125, 1));
    say(down[1]);
    hear(up[0]);
    test_range(fd, F_GETLK, 0, 0, child);
    T(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    say(down[1]);
    T(lock(fd, F_SETLK, F_UNLCK, 0, 0));
    T(waitpid(child, &status, 0) == child);
    printf("child %d\n", status);
    for (int i = 0; i < 2; i++) {
        close(up[i]);
        close(down[i]);
    }
    T(close(fd));
}

static void locks_of_the_dead(void)
{
    int up[2], status;
    int fd = open("lock", O_RDWR);
    T(pipe(up));
    pid_t child = fork();
    if (child == 0) {
        int own = open("lock", O_RDWR);
        lock(own, F_SETLK, F_WRLCK, 0, 0);
        flock(own, LOCK_EX);
        say(up[1]);
        pause();
    }
    hear(up[0]);
    T(flock(fd, LOCK_EX | LOCK_NB));
    T(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    kill(child, SIGKILL);
    T(waitpid(child, &status, 0) == child);
    T(flock(fd, LOCK_EX));
    T(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
    close(up[0]);
    close(up[1]);
    /* A lock of a description belongs to both after a fork, until both let go. */
    child = fork();
    if (child == 0)
        _exit(flock(fd, LOCK_EX | LOCK_NB));
    T(waitpid(child, &status, 0) == child);
    printf("child %d\n", status);
    int other = open("lock", O_RDWR);
    T(flock(other, LOCK_SH | LOCK_NB));
    T(close(fd));
    T(flock(other, LOCK_SH | LOCK_NB));
    T(close(other));
}

static void on_alarm(int number)
{
    (void)number;
}

static void interrupted(void)
{
    int up[2], status;
    int fd = open("lock", O_RDWR);
    T(pipe(up));
    pid_t child = fork();
    if (child == 0) {
        int own = open("lock", O_RDWR);
        flock(own, LOCK_EX);
        say(up[1]);
        pause();
    }
    hear(up[0]);
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    alarm(1);
    T(flock(fd, LOCK_EX));
    kill(child, SIGKILL);
    T(waitpid(child, &status, 0) == child);
    T(close(fd));
}

int main(int argc, char **argv)
{
    T(argc == 2 && chdir(argv[1]) == 0);
    flocks();
    posix_alone();
    posix_between();
    locks_of_the_dead();
    interrupted();
    return 0;
}
