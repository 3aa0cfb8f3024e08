/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors as such: dup, fcntl, close_range, memfd, /proc/self/fd and /dev/fd, across fork and
 * exec. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

static const char *g_base, *g_self;
static char g_text[4096];

static void duplicates(void)
{
    int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600);
    T(fd);
    T(write(fd, "0123456789", 10));
    T(dup(fd));
    T(dup2(fd, 20));
    T(dup3(fd, 21, O_CLOEXEC));
    T(dup3(fd, 22, 0));
    T(dup3(fd, fd, 0));
    T(dup3(fd, 23, O_NONBLOCK));
    T(dup2(fd, fd));
    T(dup2(99, 24));
    T(dup2(99, 99));
    T(dup2(fd, -1));
    T(dup2(fd, 100000000));
    T(dup(99));
    T(fcntl(21, F_GETFD));
    T(fcntl(22, F_GETFD));
    T(fcntl(fd, F_DUPFD, 30));
    T(fcntl(fd, F_DUPFD_CLOEXEC, 30));
    T(fcntl(31, F_GETFD));
    T(fcntl(fd, F_DUPFD, -1));
    T(fcntl(fd, F_DUPFD, 100000000));
    T(lseek(fd, 3, SEEK_SET));
    T(lseek(30, 0, SEEK_CUR));
    T(read(20, g_text, 2));
    T(lseek(22, 0, SEEK_CUR));
    T(fcntl(fd, F_SETFL, O_APPEND));
    T(fcntl(20, F_GETFL));
    T(fcntl(fd, F_SETFL, O_RDONLY | O_NONBLOCK | O_CREAT | O_TRUNC));
    T(fcntl(20, F_GETFL));
    T(fcntl(fd, F_SETFL, 0));
    T(close(fd));
    T(close(fd));
    T(write(20, "x", 1));
    T(pread(22, g_text, 10, 0));
    int null = open("/dev/null", O_RDWR);
    T(dup2(null, 20));
    T(write(20, "gone", 4));
    T(dup2(22, null));
    T(pread(null, g_text, 10, 0));
    T(syscall(SYS_close_range, 3, 100, 0));
    T(fcntl(22, F_GETFD));
    T(open("f", O_RDONLY));
    T(close(3));
}

static void commands(void)
{
    int fd = open("f", O_RDWR), dir = open(".", O_RDONLY);
    int owner[2] = {0, 0};
    T(fcntl(fd, F_GETFD));
    T(fcntl(fd, F_SETFD, FD_CLOEXEC));
    T(fcntl(fd, F_GETFD));
    T(fcntl(fd, F_SETFD, 0xff));
    T(fcntl(fd, F_GETFD));
    T(fcntl(fd, F_GETOWN));
    T(fcntl(fd, F_SETOWN, getpid()));
    T(fcntl(fd, F_GETOWN) == getpid());
    T(fcntl(fd, F_GETOWN_EX, owner));
    T(owner[0]);
    T(owner[1] == getpid());
    T(fcntl(fd, F_GETSIG));
    T(fcntl(fd, F_SETSIG, SIGUSR1));
    T(fcntl(fd, F_GETSIG));
    T(fcntl(fd, F_SETSIG, 0));
    T(fcntl(fd, F_GETPIPE_SZ));
    T(fcntl(fd, F_SETPIPE_SZ, 4096));
    T(fcntl(fd, F_GET_SEALS));
    T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    T(fcntl(fd, F_GETLEASE));
    T(fcntl(fd, F_SETLEASE, F_RDLCK));
    T(fcntl(fd, F_SETLEASE, 77));
    T(fcntl(dir, F_SETLEASE, F_RDLCK));
    T(fcntl(fd, F_NOTIFY, DN_CREATE));
    uint64_t hint = 5;
    T(fcntl(fd, F_GET_RW_HINT, &hint));
    T((long)hint);
    hint = RWH_WRITE_LIFE_SHORT;
    T(fcntl(fd, F_SET_RW_HINT, &hint));
    hint = 99;
    T(fcntl(fd, F_SET_RW_HINT, &hint));
    T(fcntl(fd, 4242, 0));
    T(fcntl(99, F_GETFL));
    T(fcntl(fd, F_GETLK, NULL));
    T(fcntl(fd, F_SETLK, NULL));
    T(fcntl(dir, F_GETFL));
    T(flock(dir, LOCK_EX | LOCK_NB));
    T(flock(dir, LOCK_UN));
    T(flock(99, LOCK_UN));
    close(fd), close(dir);
}

static void ranges(void)
{
    for (int i = 40; i < 50; i++)
        dup2(0, i);
    int fd = open("f", O_RDONLY);
    for (int i = 42; i < 46; i++)
        dup2(fd, i);
    T(close_range(43, 44, 0));
    T(fcntl(42, F_GETFD));
    T(fcntl(43, F_GETFD));
    T(fcntl(44, F_GETFD));
    T(fcntl(45, F_GETFD));
    T(close_range(45, 46, CLOSE_RANGE_CLOEXEC));
    T(fcntl(45, F_GETFD));
    T(fcntl(46, F_GETFD));
    T(read(45, g_text, 1));
    T(close_range(50, 40, 0));
    T(close_range(40, 50, 8));
    T(close_range(47, 47, CLOSE_RANGE_UNSHARE));
    T(fcntl(47, F_GETFD));
    T(close_range(40, ~0u, 0));
    T(fcntl(49, F_GETFD));
    T(read(fd, g_text, 1));
    close(fd);
    T(open("f", O_RDONLY) == fd); /* the lowest number is free again */
    close(fd);
}

static void memory_files(void)
{
    int fd = memfd_create("name", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    T(fd);
    T(write(fd, "hello", 5));
    T(fcntl(fd, F_GET_SEALS));
    T(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
    T(ftruncate(fd, 1));
    T(ftruncate(fd, 10));
    T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
    T(write(fd, "x", 1));
    T(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    snprintf(g_text, 64, "/proc/self/fd/%d", fd);
    int again = open(g_text, O_RDONLY);
    T(again >= 0);
    T(read(again, g_text, 5));
    T(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    T(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    close(fd), close(again);
}

static void link_of(const char *path)
{
    char text[4096];
    ssize_t n = readlink(path, text, sizeof text - 1);
    if (n < 0) {
        printf("%s: %s\n", path, strerrorname_np(errno));
        return;
    }
    text[n] = 0;
    bool below = strncmp(text, g_base, strlen(g_base)) == 0;
    printf("%s -> %s%s\n", path, below ? "BASE" : "", below ? text + strlen(g_base) : text);
}

static void in_proc(void)
{
    char path[64];
    struct stat st, st2;
    int fd = open("f", O_RDWR), dir = open("sub", O_RDONLY | O_DIRECTORY);
    int unlinked = open("unlinked", O_CREAT | O_RDWR, 0600), only = open("f", O_PATH);
    int moved = open("moved", O_CREAT | O_RDWR, 0600);
    T(unlink("unlinked"));
    T(rename("moved", "sub/moved"));
    T(fd);
    T(moved);
    for (int i = fd; i <= moved; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", i);
        link_of(path);
        T(lstat(path, &st));
        T(S_ISLNK(st.st_mode));
        T(st.st_mode & 0700);
        T(stat(path, &st));
        T(fstat(i, &st2));
        T(st.st_ino == st2.st_ino);
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    T(lseek(fd, 4, SEEK_SET));
    int again = open(path, O_RDONLY);
    T(lseek(again, 0, SEEK_CUR));
    T(write(again, "x", 1));
    T(read(again, g_text, 3));
    close(again);
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    again = open(path, O_RDWR | O_APPEND);
    T(fcntl(again, F_GETFL));
    T(write(again, "tail", 4));
    close(again);
    T(truncate(path, 8));
    T(chmod(path, 0640));
    T(access(path, W_OK));
    snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
    link_of(path);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), fd);
    T(access(path, F_OK));
    snprintf(path, sizeof path, "/proc/self/fd/%d/moved", dir);
    T(access(path, F_OK));
    snprintf(path, sizeof path, "/proc/self/fd/%d/../f", dir);
    T(access(path, F_OK));
    snprintf(path, sizeof path, "/proc/self/fd/%d", unlinked);
    again = open(path, O_RDWR);
    T(again >= 0);
    T(write(again, "alive", 5));
    T(pread(unlinked, g_text, 5, 0));
    close(again);
    T(open("/proc/self/fd/99", O_RDONLY));
    T(readlink("/proc/self/fd/99", g_text, 10));
    T(readlink("/proc/self/fd/x", g_text, 10));
    T(open("/dev/fd/99", O_RDONLY));
    T(dup2(fd, 0));
    again = open("/dev/stdin", O_RDONLY);
    T(read(again, g_text, 100));
    close(again);
    link_of("/dev/stdin");
    link_of("/proc/self/fd/0");
    /* All that is open, and nothing else. */
    DIR *list = opendir("/proc/self/fd");
    int own = dirfd(list), seen[64] = {0}, other = 0;
    for (struct dirent *e; (e = readdir(list));) {
        if (e->d_name[0] == '.')
            continue;
        long n = strtol(e->d_name, NULL, 10);
        if (n >= 0 && n < 64)
            seen[n]++;
        else
            other++;
    }
    for (int i = 0; i < 64; i++)
        if (seen[i])
            printf("%d%s ", i, i == own ? " (the list)" : "");
    printf("and %d others\n", other);
    closedir(list);
    list = opendir("/dev/fd");
    int count = 0;
    for (struct dirent *e; list && (e = readdir(list));)
        count++;
    T(count);
    closedir(list);
    list = opendir("/proc/self/fdinfo");
    count = 0;
    for (struct dirent *e; list && (e = readdir(list));)
        count++;
    T(count);
    closedir(list);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *info = fopen(path, "r");
    T(info != NULL);
    while (info && fgets(g_text, sizeof g_text, info))
        if (strncmp(g_text, "pos:", 4) == 0 || strncmp(g_text, "flags:", 6) == 0)
            printf("%s", g_text);
    if (info)
        fclose(info);
    T(close(fd) | close(dir) | close(unlinked) | close(only) | close(moved));
}

/* What an exec keeps. */
static void over_exec(void)
{
    char number[16], cloexec[16];
    int keep = open("f", O_RDWR), drop = open("f", O_RDWR | O_CLOEXEC);
    T(lseek(keep, 2, SEEK_SET));
    snprintf(number, sizeof number, "%d", keep);
    snprintf(cloexec, sizeof cloexec, "%d", drop);
    fflush(stdout);
    if (fork() == 0) {
        execl(g_self, g_self, "child", number, cloexec, NULL);
        _exit(9);
    }
    int status;
    T(wait(&status) > 0);
    T(WEXITSTATUS(status));
    T(lseek(keep, 0, SEEK_CUR));
    fflush(stdout);
    if (vfork() == 0) {
        execl(g_self, g_self, "child", number, cloexec, NULL);
        _exit(9);
    }
    T(wait(&status) > 0);
    T(WEXITSTATUS(status));
    T(lseek(keep, 0, SEEK_CUR));
    close(keep), close(drop);
}

static int child(char **argv)
{
    int keep = (int)strtol(argv[2], NULL, 10), drop = (int)strtol(argv[3], NULL, 10);
    T(fcntl(drop, F_GETFD));
    T(read(keep, g_text, 1));
    T(g_text[0]);
    T(fcntl(keep, F_GETFL));
    return 7;
}

/* Descriptors of the host's travel while shielded ones are open. */
static void passed(void)
{
    int pair[2], fd = open("f", O_RDONLY);
    T(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {"x", 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &pair[1], sizeof pair[1]);
    T(sendmsg(pair[0], &msg, 0));
    T(recvmsg(pair[1], &msg, 0));
    close(pair[0]), close(pair[1]), close(fd);
}

static bool is_none(long r)
{
    return r == -1 && errno == EBADF;
}

/* Calls that take a descriptor beside a path, with every number: only what is open here is there. */
static void no_others(void)
{
    int looked_at = 0, found_in = 0, linked = 0, changed = 0, read_from = 0, is_open = 0;
    struct rlimit limit;
    struct statx stx;
    struct stat st;
    T(getrlimit(RLIMIT_NOFILE, &limit));
    for (int fd = 3; fd < (int)limit.rlim_max && fd < 1 << 16; fd++) {
        is_open += !is_none(fcntl(fd, F_GETFD));
        looked_at += !is_none(fstatat(fd, "", &st, AT_EMPTY_PATH)) ||
                     !is_none(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &stx));
        found_in += !is_none(openat(fd, "x", O_RDONLY)) || !is_none(faccessat(fd, "x", F_OK, 0));
        linked += linkat(fd, "", AT_FDCWD, "taken", AT_EMPTY_PATH) == 0;
        changed += !is_none(fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH));
        read_from += !is_none(readlinkat(fd, "", g_text, sizeof g_text));
    }
    T(is_open);
    T(looked_at);
    T(found_in);
    T(linked);
    T(changed);
    T(read_from);
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return child(argv);
    umask(022);
    g_base = argc == 2 ? argv[1] : ".";
    g_self = argv[0];
    T(chdir(g_base));
    T(mkdir("sub", 0755));
    duplicates();
    commands();
    ranges();
    memory_files();
    in_proc();
    over_exec();
    passed();
    close_range(3, ~0u, 0);
    no_others();
    return 0;
}
