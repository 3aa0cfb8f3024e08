/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a family of processes: what one does to a file is what the others see of it at once. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

/* A child that does one step each time it is told to, so that no two act at once. */
static int g_to_child[2], g_to_parent[2];

static void next(int step)
{
    char byte = (char)step;
    T(write(g_to_child[1], &byte, 1) == 1 && read(g_to_parent[0], &byte, 1) == 1);
}

static void child_main(int fd)
{
    char step;
    while (read(g_to_child[0], &step, 1) == 1 && step != 'q') {
        struct stat about;
        int own;
        switch (step) {
        case 'w':
            (void)!pwrite(fd, "12345", 5, 95);
            break;
        case 'a':
            own = open("f", O_WRONLY | O_APPEND);
            (void)!write(own, "appended", 8);
            close(own);
            break;
        case 't':
            (void)!truncate("f", 7);
            break;
        case 'm':
            chmod("f", 0640);
            break;
        case 'l':
            link("f", "g");
            break;
        case 'r':
            rename("g", "h");
            break;
        case 'u':
            unlink("h");
            break;
        case 'o':
            rename("other", "f");
            break;
        case 'h':
            (void)!fallocate(fd, 0, 0, 5000);
            break;
        case 'd':
            mkdir("d/e", 0700);
            break;
        case 's':
            printf("child sees %ld\n", (long)lseek(fd, 0, SEEK_END));
            fstat(fd, &about);
            printf("child sees %ld %lu\n", (long)about.st_size, (unsigned long)about.st_nlink);
            fflush(stdout);
            break;
        }
        (void)!write(g_to_parent[1], &step, 1);
    }
    _exit(0);
}

static void look(int fd)
{
    struct stat about;
    T(lseek(fd, 0, SEEK_END));
    T(fstat(fd, &about));
    printf("size %ld links %lu mode %o\n", (long)about.st_size, (unsigned long)about.st_nlink,
           about.st_mode);
    fflush(stdout);
}

static void attributes(void)
{
    int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600), status;
    int other = open("other", O_CREAT | O_RDWR | O_TRUNC, 0600);
    T(mkdir("d", 0755));
    int dir = open("d", O_RDONLY | O_DIRECTORY);
    T(write(fd, "123", 3));
    T(pipe(g_to_child));
    T(pipe(g_to_parent));
    pid_t child = fork();
    if (child == 0)
        child_main(fd);
    look(fd);
    for (const char *step = "wwatmlruhsa"; *step; step++) {
        printf("%c\n", *step);
        next(*step);
        look(fd);
    }
    struct stat about;
    T(fstat(dir, &about));
    printf("links %lu\n", (unsigned long)about.st_nlink);
    next('d');
    T(fstat(dir, &about));
    printf("links %lu\n", (unsigned long)about.st_nlink);
    T(ftruncate(fd, 123));
    T(link("f", "kept"));
    next('s');
    next('o'); /* another file takes the name: ours has one link left */
    look(fd);
    look(other);
    T(close(other));
    T(unlink("kept"));
    look(fd);
    struct stat before;
    fstat(fd, &before);
    next('w');
    fstat(fd, &about);
    T(about.st_mtim.tv_sec > before.st_mtim.tv_sec ||
      (about.st_mtim.tv_sec == before.st_mtim.tv_sec &&
       about.st_mtim.tv_nsec >= before.st_mtim.tv_nsec));
    int again = open("f", O_RDWR); /* its record may be one that was in use before */
    look(again);
    T(close(again));
    char quit = 'q';
    T(write(g_to_child[1], &quit, 1));
    T(waitpid(child, &status, 0) == child);
    printf("%d\n", status);
    close(fd);
    close(dir);
}

/* Nobody may see a size that goes back while the file only grows. */
static void growing(void)
{
    int fd = open("log", O_CREAT | O_RDWR | O_APPEND | O_TRUNC, 0600), status, bad = 0;
    for (int i = 0; i < 3; i++)
        if (fork() == 0) {
            off_t last = 0, now;
            for (int k = 0; k < 400; k++) {
                if (write(fd, "0123456789", 10) != 10)
                    _exit(1);
                now = lseek(fd, 0, SEEK_END);
                struct stat about;
                fstat(fd, &about);
                if (now < last + 10 || about.st_size < now)
                    _exit(2);
                last = now;
            }
            _exit(0);
        }
    for (int i = 0; i < 3; i++) {
        wait(&status);
        bad |= status;
    }
    printf("bad %d, size %ld\n", bad, (long)lseek(fd, 0, SEEK_END));
    close(fd);
}

/* Members that are killed wherever they are leave the others a file that works. */
static void killed(void)
{
    int fd = open("killed", O_CREAT | O_RDWR | O_TRUNC, 0600), status, bad = 0;
    static char block[8192], got[8192];
    for (int round = 0; round < 60; round++) {
        int ready[2];
        T(pipe(ready));
        pid_t child = fork();
        if (child == 0) {
            memset(block, 'a' + round % 26, sizeof block);
            (void)!write(ready[1], "r", 1);
            for (;;) {
                (void)!pwrite(fd, block, sizeof block, 0);
                (void)!pread(fd, got, sizeof got, 0);
                lseek(fd, 1, SEEK_CUR);
                struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
                fcntl(fd, F_SETLKW, &lock);
                lock.l_type = F_UNLCK;
                fcntl(fd, F_SETLK, &lock);
            }
        }
        (void)!read(ready[0], got, 1);
        for (int k = 0; k < round * 3; k++)
            (void)!pread(fd, got, 1, 0); /* lets it come to another place each time */
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        close(ready[0]);
        close(ready[1]);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
        if (fcntl(fd, F_SETLKW, &lock) < 0)
            bad = 1;
        if (pread(fd, got, sizeof got, 0) < 0)
            bad |= 2;
        lock.l_type = F_UNLCK;
        if (fcntl(fd, F_SETLK, &lock) < 0 || lseek(fd, 0, SEEK_SET) != 0)
            bad |= 4;
    }
    printf("bad %d\n", bad);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 2 || chdir(argv[1]) < 0)
        return 1;
    attributes();
    growing();
    killed();
    return 0;
}
