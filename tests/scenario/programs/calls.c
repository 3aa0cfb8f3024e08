/* SPDX-License-Identifier: Apache-2.0 */
/* Calls the kernel by inline assembly and from code made at run time, starts processes by vfork(),
 * posix_spawn() and clone3(), and asks for io_uring; prints what two runs must have in common. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

/* The first of them, as in <linux/sched.h>, which musl's headers lack. */
struct clone3_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

extern char **environ;

static long raw(long nr, long a, long b, long c)
{
    long r;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return r;
}

static void inline_calls(const char *folder)
{
    char path[200], text[8] = "";
    (void)snprintf(path, sizeof path, "%s/raw", folder);
    long fd = raw(SYS_open, (long)path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    printf("raw %ld", raw(SYS_write, fd, (long)"hello", 5));
    printf(" %ld", raw(SYS_lseek, fd, 1, SEEK_SET));
    printf(" %ld", raw(SYS_read, fd, (long)text, 3));
    printf(" %s %ld %ld", text, raw(SYS_read, 999, (long)text, 3), raw(SYS_close, fd, 0, 0));
    long other = 0;
    for (int i = 0; i < 1000; i++)
        other += raw(SYS_getpid, 0, 0, 0) != getpid();
    printf(" %ld %ld\n", other, raw(9999, 0, 0, 0));
}

/* mov $186,%eax; syscall; ret: gettid(), in a page that is writable before it can run, then again at
 * the same place with getuid(): a site that was rewritten may not be remembered. */
static void code_at_run_time(void)
{
    uint8_t code[] = {0xb8, 186, 0, 0, 0, 0x0f, 0x05, 0xc3};
    uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 4; round++) {
        code[1] = round % 2 ? 102 : 186;
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
        memcpy(page, code, sizeof code);
        mprotect(page, 4096, PROT_READ | PROT_EXEC);
        long wanted = round % 2 ? (long)getuid() : (long)getpid(), wrong = 0;
        for (int i = 0; i < 100; i++)
            wrong += ((long (*)(void))(uintptr_t)page)() != wanted;
        printf("made %d %ld\n", round, wrong);
    }
    uint8_t *wild =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(wild, code, sizeof code);
    printf("wild %d\n", ((long (*)(void))(uintptr_t)wild)() == (long)getuid());
    wild[1] = 186;
    printf("wild %d\n", ((long (*)(void))(uintptr_t)wild)() == (long)getpid());
}

static int ended(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void processes(void)
{
    char *const good[] = {"sh", "-c", "exit 7", NULL};
    char *const bad[] = {"none", NULL};
    pid_t pid = vfork();
    if (pid == 0) {
        execv("/bin/sh", good);
        _exit(1);
    }
    printf("vfork %d\n", ended(pid));
    pid = vfork();
    if (pid == 0) {
        execv("/nowhere/none", bad);
        _exit(errno);
    }
    printf("vfork %d\n", ended(pid));
    printf("spawn %d", posix_spawn(&pid, "/bin/sh", NULL, NULL, good, environ));
    printf(" %d\n", ended(pid));
    printf("spawn %d\n", posix_spawn(&pid, "/nowhere/none", NULL, NULL, bad, environ));
}

static void clone_three(void)
{
    struct clone3_arguments args;
    memset(&args, 0, sizeof args);
    args.exit_signal = SIGCHLD;
    (void)fflush(stdout);
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0)
        _exit(raw(SYS_getpid, 0, 0, 0) == getpid() ? 5 : 6);
    if (pid > 0)
        printf("clone3 %d\n", ended((pid_t)pid));
    else
        printf("clone3 fails: %s\n", strerror(errno));
    printf("clone3 %ld", syscall(SYS_clone3, &args, 8UL));
    printf(" %s\n", strerror(errno));
}

/* Natively it may work or be forbidden: all that counts is that a program is told no and goes on. */
static void ring(void)
{
    char parameters[120] = "";
    long fd = syscall(SYS_io_uring_setup, 8, parameters);
    printf("io_uring is answered: %d\n", fd >= 0 || errno == ENOSYS || errno == EPERM);
    if (fd >= 0)
        close((int)fd);
}

int main(int argc, char **argv)
{
    inline_calls(argc > 1 ? argv[1] : ".");
    code_at_run_time();
    processes();
    clone_three();
    ring();
    return 0;
}
