/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self, /dev and /dev/shm as a program sees them; locks that wait in a circle. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

static const char *g_base;
static char g_text[65536];

static long bytes_of(const char *path)
{
    int fd = open(path, O_RDONLY);
    long n = fd < 0 ? -1 : read(fd, g_text, sizeof g_text - 1);
    int error = errno;
    close(fd);
    errno = error;
    g_text[n > 0 ? n : 0] = 0;
    return n;
}

static void link_of(const char *path)
{
    char text[4096];
    ssize_t n = readlink(path, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    bool below = strncmp(text, g_base, strlen(g_base)) == 0;
    printf("%s -> %s%s %s\n", path, below ? "BASE" : "", below ? text + strlen(g_base) : text,
           n < 0 ? strerrorname_np(errno) : "");
}

static void self(void)
{
    char path[64];
    T(mkdir("cwd", 0755));
    T(chdir("cwd"));
    link_of("/proc/self/cwd");
    link_of("/proc/thread-self/cwd");
    T(close(open("made", O_CREAT | O_RDWR, 0600)));
    T(access("/proc/self/cwd/made", F_OK));
    T(access("/proc/self/cwd/../cwd/made", F_OK));
    link_of("/proc/self/root");
    T(chdir(g_base));
    T(bytes_of("/proc/self/comm") > 0);
    printf("%s", g_text);
    T(bytes_of("/proc/self/status") > 0);
    T(strstr(g_text, "Umask:\t0022") != NULL);
    T(bytes_of("/proc/self/stat") > 0);
    T((int)strtol(g_text, NULL, 10) == getpid());
    T(bytes_of("/proc/self/statm") > 0);
    T(bytes_of("/proc/self/limits") > 0);
    T(bytes_of("/proc/self/mounts") > 0);
    T(strstr(g_text, " / ") != NULL);
    T(bytes_of("/proc/mounts") > 0);
    T(bytes_of("/proc/self/mountinfo") > 0);
    T(bytes_of("/proc/self/none"));
    snprintf(path, sizeof path, "/proc/%d/comm", getpid());
    T(bytes_of(path) > 0);
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", getpid());
    T(bytes_of(path) > 0);
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    for (struct dirent *e; tasks && (e = readdir(tasks));)
        count += e->d_name[0] != '.';
    T(count);
    closedir(tasks);
    struct stat st;
    T(stat("/proc/self/exe", &st));
    T(S_ISREG(st.st_mode));
    T(lstat("/proc/self/exe", &st));
    T(S_ISLNK(st.st_mode));
    T(unlink("/proc/self/exe"));
    T(mkdir("/proc/self/x", 0700) == -1);
    T(bytes_of("/proc/sys/kernel/ostype"));
    printf("%s", g_text);
}

static void devices(void)
{
    static const char *const names[] = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                        "/dev/urandom", "/dev/tty",  "/dev/ptmx"};
    char bytes[64];
    struct stat st;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (stat(names[i], &st) == 0)
            printf("%s: %o %u:%u\n", names[i], st.st_mode & S_IFMT, major(st.st_rdev),
                   minor(st.st_rdev));
        else
            printf("%s: %s\n", names[i], strerrorname_np(errno));
    }
    int fd = open("/dev/null", O_RDWR);
    T(write(fd, "x", 1));
    T(read(fd, bytes, 1));
    T(lseek(fd, 100, SEEK_SET));
    T(ftruncate(fd, 1));
    T(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
    close(fd);
    T(close(open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600)));
    T(open("/dev/null", O_WRONLY | O_CREAT | O_EXCL, 0600));
    fd = open("/dev/zero", O_RDWR);
    T(read(fd, bytes, 64));
    T(bytes[63]);
    char *zeros = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    T(zeros != MAP_FAILED && zeros[4095] == 0);
    close(fd);
    fd = open("/dev/full", O_RDWR);
    T(write(fd, "x", 1));
    T(read(fd, bytes, 4));
    close(fd);
    fd = open("/dev/urandom", O_RDONLY);
    T(read(fd, bytes, 64));
    T(write(fd, "x", 1));
    close(fd);
    fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    T(fd >= 0);
    T(grantpt(fd));
    T(unlockpt(fd));
    int other = open(ptsname(fd), O_RDWR | O_NOCTTY);
    long r;
    T(write(other, "line\n", 5));
    long got = 0; /* the terminal may give it in parts */
    while (got < 6 && (r = read(fd, bytes, sizeof bytes)) > 0)
        got += r;
    T(got);
    T(isatty(other));
    close(fd), close(other);
}

static void shared_memory(void)
{
    char name[64];
    int status;
    snprintf(name, sizeof name, "/coffer-guest-%d", getpid());
    int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    T(fd >= 0);
    T(shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
    T(ftruncate(fd, 8192));
    char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    T(at != MAP_FAILED);
    fflush(stdout);
    if (fork() == 0) {
        at[100] = 'c';
        _exit(0);
    }
    T(wait(&status) > 0);
    T(at[100]);
    T(shm_unlink(name));
    T(shm_unlink(name));
    close(fd);
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    T(semaphore != SEM_FAILED);
    fflush(stdout);
    if (fork() == 0) {
        sem_post(semaphore);
        _exit(0);
    }
    T(sem_wait(semaphore));
    T(wait(&status) > 0);
    T(sem_close(semaphore));
    T(sem_unlink(name));
    sem_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    T(sem_init(shared, 1, 0));
    fflush(stdout);
    if (fork() == 0) {
        sem_post(shared);
        _exit(0);
    }
    T(sem_wait(shared));
    T(wait(&status) > 0);
}

static int lock_at(int fd, int command, short type, off_t start)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};
    return fcntl(fd, command, &l);
}

/* Each has one and wants the other's: one of the two is told so, the other gets its lock. */
static void circle(void)
{
    int up[2], down[2], status, fd = open("lock", O_CREAT | O_RDWR, 0600);
    char byte;
    T(pipe(up) | pipe(down));
    T(lock_at(fd, F_SETLK, F_WRLCK, 0));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int r = lock_at(fd, F_SETLK, F_WRLCK, 1);
        r |= write(up[1], "x", 1) != 1;
        r |= lock_at(fd, F_SETLKW, F_WRLCK, 0) == -1 ? (errno == EDEADLK ? 2 : 4) : 0;
        _exit(r);
    }
    T(read(up[0], &byte, 1));
    int r = lock_at(fd, F_SETLKW, F_WRLCK, 1);
    int first = r == -1 && errno == EDEADLK;
    if (first)
        lock_at(fd, F_SETLK, F_UNLCK, 0);
    T(waitpid(child, &status, 0) == child);
    T(first + (WEXITSTATUS(status) == 2));
    T(r == 0 || first);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    T(fcntl(fd, F_GETLK, &l));
    T(l.l_type);
    close(fd);
    close(up[0]), close(up[1]), close(down[0]), close(down[1]);
}

int main(int argc, char **argv)
{
    umask(022);
    g_base = argc == 2 ? argv[1] : ".";
    T(chdir(g_base));
    self();
    devices();
    shared_memory();
    circle();
    return 0;
}
