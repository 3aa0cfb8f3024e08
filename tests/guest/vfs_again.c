/* SPDX-License-Identifier: Apache-2.0 */
/* Files that one process opens, reads, asks about and closes again and again while another changes
 * them: each time it sees what is there, under the name that it gave. */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

static int g_to_child[2], g_to_parent[2];

static void put(const char *name, int flags, const char *text, off_t at)
{
    int fd = open(name, flags, 0644);
    (void)!pwrite(fd, text, strlen(text), at);
    close(fd);
}

static void write_mapped(void)
{
    int fd = open("f", O_RDWR);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) {
        memcpy(map, "mapped", 6);
        munmap(map, 4096);
    }
}

static void step(char which)
{
    switch (which) {
    case 'w':
        put("f", O_WRONLY, "written", 3);
        break;
    case 'a':
        put("f", O_WRONLY | O_APPEND, "appended", 0);
        break;
    case 't':
        (void)!truncate("f", 5);
        break;
    case 'T':
        (void)!truncate("f", 5000);
        break;
    case 'O':
        put("f", O_WRONLY | O_TRUNC, "again", 0);
        break;
    case 'z':
        put("f", O_WRONLY, "far", 9000);
        break;
    case 'm':
        chmod("f", 0604);
        break;
    case 'l':
        link("f", "g");
        break;
    case 'g':
        put("g", O_WRONLY, "by the other name", 1);
        break;
    case 'u':
        unlink("f");
        break;
    case 'r':
        rename("g", "f");
        break;
    case 'n':
        put("other", O_CREAT | O_WRONLY, "another file", 0);
        break;
    case 'o':
        rename("other", "f");
        break;
    case 'd':
        rename("d", "e");
        break;
    case 'D':
        rename("e", "d");
        break;
    case 's':
        unlink("f");
        symlink("d/in", "f");
        break;
    case 'M':
        write_mapped();
        break;
    case 'p': {
        int fd = open("f", O_RDWR);
        (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3);
        close(fd);
        break;
    }
    }
}

static void child_main(void)
{
    char which;
    while (read(g_to_child[0], &which, 1) == 1) {
        step(which);
        (void)!write(g_to_parent[1], &which, 1);
    }
    _exit(0);
}

static void look_at(const char *name)
{
    static char text[16384];
    struct stat by_name, open_file;
    int fd = open(name, O_RDONLY);
    if (fd < 0) {
        printf("%s: %s\n", name, strerrorname_np(errno));
        return;
    }
    ssize_t first = read(fd, text, 3), rest = read(fd, text + 3, sizeof text - 3);
    unsigned sum = 0;
    for (ssize_t i = 0; i < first + rest; i++)
        sum = sum * 31 + (unsigned char)text[i];
    fstat(fd, &open_file);
    int found = stat(name, &by_name);
    printf(
        "%s: %zd + %zd bytes %u \"%.12s\" size %ld links %lu mode %o, by name %d %ld %lu %o %s\n",
        name, first, rest, sum, text, (long)open_file.st_size, (unsigned long)open_file.st_nlink,
        open_file.st_mode, found, (long)by_name.st_size, (unsigned long)by_name.st_nlink,
        by_name.st_mode, by_name.st_ino == open_file.st_ino ? "same" : "another");
    memset(text, 0, sizeof text);
    close(fd);
}

static void look(void)
{
    for (int turn = 0; turn < 3; turn++) {
        look_at("f");
        look_at("d/in");
        look_at("none");
    }
    fflush(stdout);
}

static void changes(void)
{
    put("f", O_CREAT | O_WRONLY, "0123456789", 0);
    mkdir("d", 0755);
    put("d/in", O_CREAT | O_WRONLY, "in a directory", 0);
    T(pipe(g_to_child));
    T(pipe(g_to_parent));
    pid_t child = fork();
    if (child == 0) {
        close(g_to_child[1]);
        child_main();
    }
    look();
    for (const char *which = "watTpzOlgurmnodDMwMas"; *which; which++) {
        printf("%c\n", *which);
        (void)!write(g_to_child[1], which, 1);
        char done;
        (void)!read(g_to_parent[0], &done, 1);
        look();
        step(*which); /* and the same by ourselves */
        look();
    }
    close(g_to_child[1]);
    T(waitpid(child, NULL, 0) == child);
}

/* Rights are asked for at each open. */
static void rights(void)
{
    T(mkdir("closed", 0700));
    put("closed/f", O_CREAT | O_WRONLY, "secret", 0);
    for (int turn = 0; turn < 3; turn++) {
        look_at("closed/f");
        if (seteuid(12345) < 0)
            break;
        look_at("closed/f");
        seteuid(0);
    }
    look_at("closed/f");
    if (chown("closed", 12345, 12345) == 0)
        for (int turn = 0; turn < 4; turn++) {
            seteuid(12345 + turn % 2);
            look_at("closed/none");
            seteuid(0);
        }
    chmod("closed", 0755);
    chmod("closed/f", 0644);
    if (seteuid(12345) == 0) {
        look_at("closed/f");
        look_at("closed/f");
        seteuid(0);
        chmod("closed/f", 0600);
        seteuid(12345);
        look_at("closed/f");
        seteuid(0);
    }
}

/* What is closed lets go of everything: its place, its locks, its name. */
static void let_go(void)
{
    char text[8] = "";
    int fd = open("lock", O_CREAT | O_RDONLY, 0644);
    T(flock(fd, LOCK_EX));
    T(close(fd));
    pid_t child = fork();
    if (child == 0) {
        int own = open("lock", O_RDONLY);
        T(flock(own, LOCK_EX | LOCK_NB));
        _exit(0);
    }
    waitpid(child, NULL, 0);
    put("place", O_CREAT | O_WRONLY, "abcdef", 0);
    for (int turn = 0; turn < 3; turn++) {
        fd = open("place", O_RDONLY);
        T(read(fd, text, 4));
        close(fd);
    }
    printf("%s\n", text);
    for (int i = 0; i < 64; i++) {
        char name[16];
        snprintf(name, sizeof name, "many%d", i);
        put(name, O_CREAT | O_WRONLY, "y", 0);
        look_at(name);
        look_at(name);
        unlink(name);
        look_at(name);
    }
}

/* Whoever reads after a write has returned sees it. */
static void order(void)
{
    _Atomic int *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int value = 0, status, bad = 0;
    put("count", O_CREAT | O_WRONLY, "\0\0\0\0", 0);
    int fd = open("count", O_RDWR | O_TRUNC);
    (void)!write(fd, &value, sizeof value);
    pid_t child = fork();
    if (child == 0) {
        for (value = 1; value <= 3000; value++) {
            if (value % 100 == 0 &&
                (rename("count", "count2") < 0 || rename("count2", "count") < 0))
                _exit(1);
            if (pwrite(fd, &value, sizeof value, 0) != sizeof value ||
                pwrite(fd, &value, 1, value * 3) != 1)
                _exit(1);
            atomic_store(done, value);
        }
        _exit(0);
    }
    for (int last = 0; last < 3000;) {
        int least = atomic_load(done), got = -1;
        int own = open("count", O_RDONLY);
        struct stat about;
        if (own < 0)
            continue; /* between the two names */
        if (read(own, &got, sizeof got) != sizeof got || got < least)
            bad |= 1;
        if (fstat(own, &about) < 0 || about.st_size < least * 3)
            bad |= 2;
        if (stat("count", &about) == 0 && about.st_size < least * 3)
            bad |= 4;
        close(own);
        last = least;
    }
    waitpid(child, &status, 0);
    printf("bad %d, %d\n", bad, status);
}

int main(int argc, char **argv)
{
    if (argc != 2 || chdir(argv[1]) < 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    changes();
    rights();
    let_go();
    order();
    return 0;
}
