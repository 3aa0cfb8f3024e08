/* SPDX-License-Identifier: Apache-2.0 */
/* Files as memory, and files that several processes have open. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

#define PAGE 4096

extern char **environ;

static int make(const char *name, size_t size)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0600);
    for (size_t at = 0; at < size; at++) {
        char byte = (char)('a' + at % 26);
        if (write(fd, &byte, 1) != 1)
            printf("short\n");
    }
    return fd;
}

static void private_mapping(void)
{
    int fd = make("private", PAGE + 100);
    char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    printf("%.4s %.4s %d\n", at, at + PAGE, at[PAGE + 100]);
    memcpy(at, "XXXX", 4);
    char text[5] = "";
    T(pread(fd, text, 4, 0));
    printf("%s\n", text);
    T(mprotect(at, PAGE, PROT_READ));
    T(munmap(at, 2 * PAGE));
    at = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
    printf("%.4s\n", at);
    T(munmap(at, PAGE));
    T((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100));
    T((long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0));
    close(fd);
    fd = open("private", O_WRONLY);
    T((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
    T((long)mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    fd = open("private", O_RDONLY);
    T((long)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
}

/* What a private mapping has forgotten it reads from the file again, whatever its protection. */
static void private_again(void)
{
    int fd = make("again", 3 * PAGE);
    char *a = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    memset(a, '!', 3 * PAGE);
    T(pwrite(fd, "changed", 7, 2 * PAGE));
    T(madvise(a + PAGE, 2 * PAGE, MADV_DONTNEED));
    printf("%.4s %.4s %.7s\n", a, a + PAGE, a + 2 * PAGE);
    memset(a, '?', 3 * PAGE);
    T(mprotect(a, 2 * PAGE, PROT_READ));
    T(madvise(a, PAGE, MADV_DONTNEED));
    printf("%.4s %.4s\n", a, a + PAGE);
    T(munmap(a + PAGE, PAGE));
    T(madvise(a + 2 * PAGE, PAGE, MADV_DONTNEED));
    T(madvise(a, 3 * PAGE, MADV_DONTNEED));
    printf("%.4s %.7s\n", a, a + 2 * PAGE);
    char *b = mremap(a + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, a + PAGE);
    b[0] = 'C';
    T(madvise(b, PAGE, MADV_DONTNEED));
    printf("%.7s\n", b);
    pid_t child = fork();
    if (child == 0) {
        int bad = madvise(a, PAGE, MADV_DONTNEED) < 0 || memcmp(a, "abcd", 4) != 0;
        _exit(bad | munmap(a, 2 * PAGE));
    }
    int status;
    T(waitpid(child, &status, 0) == child);
    printf("%d\n", status);
    close(fd);
    T(madvise(a, 2 * PAGE, MADV_DONTNEED));
    printf("%.4s %.7s\n", a, b);
    T(munmap(a, 2 * PAGE));
    fd = open("again", O_RDONLY);
    a = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    a = mremap(a, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    printf("%.4s %.7s\n", a, a + 2 * PAGE);
    T(munmap(a, 3 * PAGE));
    close(fd);
}

static void shared_mapping(void)
{
    char text[16] = "";
    int fd = make("shared", 2 * PAGE);
    T((long)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
    char *a = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *b = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    memcpy(a + PAGE, "through a", 9);
    printf("%.9s\n", b);
    T(pwrite(fd, "by pwrite", 9, PAGE + 20));
    printf("%.9s\n", b + 20);
    memcpy(a, "mapped", 6);
    T(pread(fd, text, 6, 0));
    printf("%s\n", text);
    int other = open("shared", O_RDWR);
    T(pread(other, text, 9, PAGE));
    printf("%s\n", text);
    T(msync(a, 2 * PAGE, MS_SYNC));
    T(munmap(a, PAGE));
    memcpy(a + PAGE + 100, "tail", 4);
    T(munmap(a + PAGE, PAGE));
    T(pread(other, text, 4, PAGE + 100));
    printf("%.4s\n", text);
    T(munmap(b, PAGE));
    T(pread(other, text, 4, PAGE + 100));
    printf("%.4s\n", text);
    a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    close(other);
    memcpy(a + 50, "after close", 11);
    T(munmap(a, PAGE));
    fd = open("shared", O_RDWR);
    T(pread(fd, text, 11, 50));
    printf("%s\n", text);
    a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    T(ftruncate(fd, 10));
    T(ftruncate(fd, PAGE));
    printf("%d %c\n", a[10], a[9]);
    T(munmap(a, PAGE));
    close(fd);
}

static void growing(void)
{
    int fd = make("grow", PAGE);
    char *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    T(ftruncate(fd, 4 * PAGE));
    T(pwrite(fd, "third", 5, 2 * PAGE));
    memcpy(a, "first", 5);
    a = mremap(a, PAGE, 4 * PAGE, MREMAP_MAYMOVE);
    printf("%.5s %.5s\n", a, a + 2 * PAGE);
    memcpy(a + 3 * PAGE, "fourth", 6);
    T(munmap(a, 4 * PAGE));
    char text[8] = "";
    T(pread(fd, text, 6, 3 * PAGE));
    printf("%s\n", text);
    close(fd);
}

static sigjmp_buf g_back;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    siglongjmp(g_back, signal * 100 + info->si_code);
}

/* 0, or the signal and its code. */
static int touch(volatile char *at)
{
    int fault = sigsetjmp(g_back, 1);
    if (fault == 0)
        at[0] = at[0];
    return fault;
}

static void say_pages(const char *when, char *a, int count)
{
    printf("%s:", when);
    for (int i = 0; i < count; i++)
        printf(" %d", touch(a + i * PAGE));
    printf("\n");
    fflush(stdout);
}

/* A page beyond the file's end is SIGBUS, whoever moves the end, and in every process. */
/* Pages of a private mapping that the file does not reach, whatever becomes of the mapping. */
static void private_beyond(void)
{
    int fd = make("private beyond", PAGE + 10);
    char *a = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    printf("%d %d %d %d\n", touch(a), touch(a + PAGE), touch(a + 2 * PAGE), touch(a + 3 * PAGE));
    T(a[PAGE + 10]);
    T(read(fd, a + 2 * PAGE, 10));
    T(write(fd, a + 2 * PAGE, 10));
    T(mprotect(a, 4 * PAGE, PROT_READ));
    T(madvise(a, 4 * PAGE, MADV_DONTNEED));
    printf("%.3s %.3s\n", a, a + PAGE);
    T(mprotect(a, 4 * PAGE, PROT_READ | PROT_WRITE));
    printf("%d %d %d\n", touch(a), touch(a + PAGE), touch(a + 2 * PAGE));
    T(munmap(a, 4 * PAGE));
    a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    a[0] = '!';
    a = mremap(a, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    printf("%.3s %.3s\n", a, a + PAGE);
    printf("%d %d %d\n", touch(a), touch(a + PAGE), touch(a + 2 * PAGE));
    T(munmap(a, 3 * PAGE));
    a = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
    printf("%d\n", touch(a));
    T(munmap(a, PAGE));
    close(fd);
    fd = make("protections", 4 * PAGE);
    a = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    T(mprotect(a + PAGE, PAGE, PROT_READ | PROT_WRITE));
    a[PAGE] = '!';
    T(mprotect(a + 2 * PAGE, PAGE, PROT_NONE));
    T(madvise(a, 4 * PAGE, MADV_DONTNEED));
    printf("%.3s %.3s %.3s\n", a, a + PAGE, a + 3 * PAGE);
    printf("%d %d %d %d\n", touch(a), touch(a + PAGE), touch(a + 2 * PAGE), touch(a + 3 * PAGE));
    T(mprotect(a + 2 * PAGE, PAGE, PROT_READ));
    printf("%.3s\n", a + 2 * PAGE);
    T(munmap(a, 4 * PAGE));
    close(fd);
}

static void beyond_the_end(void)
{
    int fd = make("end", PAGE + 100), status, source = open("/proc/self/exe", O_RDONLY);
    char *a = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    say_pages("mapped", a, 6);
    printf("%d %d\n", a[PAGE + 99], a[PAGE + 100]);
    T(read(source, a + 2 * PAGE, 10));
    T(write(fd, a + 3 * PAGE, 10));
    T(ftruncate(fd, 3 * PAGE + 1));
    say_pages("longer", a, 6);
    T(pwrite(fd, "x", 1, 4 * PAGE));
    say_pages("written", a, 6);
    printf("%c %d\n", a[4 * PAGE], a[3 * PAGE + 5]);
    a[2 * PAGE + 7] = 'y';
    T(ftruncate(fd, PAGE));
    say_pages("shorter", a, 6);
    T(ftruncate(fd, 3 * PAGE));
    say_pages("longer", a, 6);
    printf("%d\n", a[2 * PAGE + 7]);
    pid_t child = fork();
    if (child == 0) {
        say_pages("child", a, 6);
        if (truncate("end", 2 * PAGE) < 0)
            _exit(1);
        say_pages("child shorter", a, 6);
        _exit(0);
    }
    T(waitpid(child, &status, 0) == child);
    printf("%d\n", status);
    say_pages("after the child", a, 6);
    T(fallocate(fd, 0, 0, 5 * PAGE));
    say_pages("allocated", a, 6);
    a = mremap(a, 6 * PAGE, 12 * PAGE, MREMAP_MAYMOVE);
    say_pages("moved", a, 12);
    T(ftruncate(fd, 9 * PAGE));
    say_pages("longer", a, 12);
    memset(a, 'z', PAGE);
    T(madvise(a, PAGE, MADV_REMOVE));
    printf("%d\n", a[5]);
    T(madvise(a, 2 * PAGE, MADV_DONTNEED));
    say_pages("advised", a, 2);
    T(munmap(a, 12 * PAGE));
    close(source);
    close(fd);
    fd = open("end", O_RDONLY);
    a = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    T(mprotect(a, PAGE, PROT_READ | PROT_WRITE));
    T(madvise(a, PAGE, MADV_REMOVE));
    T(munmap(a, PAGE));
    close(fd);
    signal(SIGBUS, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
}

static void over_fork(void)
{
    int fd = make("fork", PAGE), status;
    volatile char *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    T(lseek(fd, 10, SEEK_SET));
    pid_t child = fork();
    if (child == 0) {
        a[0] = '!';
        lseek(fd, 5, SEEK_CUR);
        int other = open("fork", O_RDWR);
        volatile char *b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
        b[1] = '?';
        _exit(write(fd, "child", 5) != 5);
    }
    T(waitpid(child, &status, 0) == child);
    printf("child %d\n", status);
    printf("%c%c\n", a[0], a[1]);
    T(lseek(fd, 0, SEEK_CUR));
    char text[8] = "";
    T(pread(fd, text, 5, 15));
    printf("%s\n", text);
    T(munmap((char *)a, PAGE));
    close(fd);
}

/* Many appenders, none of whose lines may be torn or lost. */
static void append_lines(int who, int count)
{
    int fd = open("log", O_WRONLY | O_APPEND | O_CREAT, 0600);
    char line[64];
    for (int i = 0; i < count; i++) {
        int n = snprintf(line, sizeof line, "process %d line %d\n", who, i);
        if (write(fd, line, (size_t)n) != n)
            _exit(1);
    }
    close(fd);
}

static void appending(void)
{
    int status, bad = 0, lines = 0;
    for (int who = 0; who < 4; who++)
        if (fork() == 0) {
            append_lines(who, 100);
            _exit(0);
        }
    for (int i = 0; i < 4; i++) {
        wait(&status);
        bad |= status;
    }
    FILE *log = fopen("log", "r");
    char line[128];
    int next[4] = {0}, who, number;
    while (log && fgets(line, sizeof line, log)) {
        lines++;
        if (sscanf(line, "process %d line %d", &who, &number) != 2 || who > 3 ||
            number != next[who]++)
            bad = 1;
    }
    if (log)
        fclose(log);
    printf("%d lines, bad %d\n", lines, bad);
}

static void *thread_main(void *arg)
{
    append_lines((int)(long)arg, 50);
    return NULL;
}

static void threads_and_unlinked(void)
{
    pthread_t threads[4];
    unlink("log");
    for (long i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, thread_main, (void *)i);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int fd = open("log", O_RDWR), status;
    T(lseek(fd, 0, SEEK_END) > 0);
    T(unlink("log"));
    pid_t child = fork();
    if (child == 0)
        _exit(pwrite(fd, "unlinked", 8, 0) != 8);
    T(waitpid(child, &status, 0) == child);
    char text[9] = "";
    T(pread(fd, text, 8, 0));
    printf("%s %d\n", text, status);
    close(fd);
}

/* posix_spawn(): a child of vfork() and another program that gets descriptors. */
static void spawning(void)
{
    char shell[] = "sh", option[] = "-c";
    char script[] = "read line; echo got $line; echo out >&5; echo made > by-child; cat by-child";
    char *const argv[] = {shell, option, script, NULL};
    int status, in = open("in", O_CREAT | O_RDWR, 0600);
    pid_t child;
    T(write(in, "first\nsecond\n", 13));
    T(lseek(in, 0, SEEK_SET));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_addopen(&actions, 5, "spawned", O_CREAT | O_WRONLY, 0600);
    fflush(stdout);
    T(mkdir("there", 0700) | chdir("there") | chdir(".."));
    int spawned = posix_spawn(&child, "/bin/sh", &actions, NULL, argv, environ);
    T(waitpid(child, &status, 0) == child);
    printf("spawned %d, child %d\n", spawned, status);
    posix_spawn_file_actions_destroy(&actions);
    T(lseek(in, 0, SEEK_CUR));
    close(in);
    char text[8] = "";
    int out = open("spawned", O_RDONLY);
    T(read(out, text, 8));
    printf("%s", text);
    close(out);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    T(argc == 2 && chdir(argv[1]) == 0);
    private_mapping();
    private_again();
    shared_mapping();
    growing();
    private_beyond();
    beyond_the_end();
    over_fork();
    appending();
    threads_and_unlinked();
    spawning();
    return 0;
}
