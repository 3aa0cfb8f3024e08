/* SPDX-License-Identifier: Apache-2.0 */
/* A thread unmaps, protects and maps again the memory that another gives to calls. Whatever comes of
 * them, it is EFAULT or a count, and what a count covers is right: one line says so for each. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oracle.h"

#define PAGE ((size_t)4096)
#define SIZE (8 * PAGE)
#define ROUNDS 400

static char *g_memory; /* SIZE bytes; the pages but the first come and go */
static volatile int g_stop;

static void *come_and_go(void *arg)
{
    (void)arg;
    for (unsigned n = 0; !g_stop; n++) {
        char *from = g_memory + (1 + n % 6) * PAGE;
        if (n % 3 == 0)
            munmap(from, PAGE);
        else
            mprotect(from, PAGE, n % 3 == 1 ? PROT_NONE : PROT_READ);
        mmap(from, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }
    return NULL;
}

/* Calls one thing over and over, while the memory comes and goes. */
typedef long one_fn(int fd, int round);

static void many(const char *name, int fd, one_fn *one, long most)
{
    long wrong = 0;
    for (int i = 0; i < ROUNDS; i++) {
        errno = 0;
        long r = one(fd, i);
        if (r == -1 ? errno != EFAULT : r < 0 || r > most) {
            if (wrong++ == 0)
                printf("%s: round %d: %ld %s\n", name, i, r, strerrorname_np(errno));
        }
    }
    printf("%s: %ld wrong\n", name, wrong);
}

static long one_pread(int fd, int round)
{
    return pread(fd, g_memory + round, SIZE - 512, 0);
}
static long one_pwrite(int fd, int round)
{
    return pwrite(fd, g_memory + round, SIZE - 512, 0);
}
static long one_small_pread(int fd, int round)
{
    return pread(fd, g_memory + PAGE + round, 100, 0);
}
static long one_small_pwrite(int fd, int round)
{
    return pwrite(fd, g_memory + PAGE + round, 100, 0);
}
static long one_read(int fd, int round)
{
    lseek(fd, round, SEEK_SET);
    return read(fd, g_memory + PAGE - 100, 2 * PAGE);
}
static long one_readv(int fd, int round)
{
    struct iovec iov[3] = {{g_memory + round, PAGE}, {g_memory + 3 * PAGE, 9000}, {g_memory, 10}};
    return preadv(fd, iov, 3, round);
}
static long one_writev(int fd, int round)
{
    struct iovec iov[3] = {{g_memory + round, PAGE}, {g_memory + 3 * PAGE, 9000}, {g_memory, 10}};
    return pwritev(fd, iov, 3, round);
}
static long one_vector_moves(int fd, int round) /* the list itself comes and goes */
{
    struct iovec *iov = (void *)(g_memory + 2 * PAGE - 8);
    (void)round;
    return readv(fd, iov, 3);
}
static long one_getdents(int fd, int round)
{
    lseek(fd, 0, SEEK_SET);
    return syscall(SYS_getdents64, fd, g_memory + PAGE + round % 7 * 8, 4 * PAGE);
}
static long one_fstat(int fd, int round)
{
    return fstat(fd, (void *)(g_memory + 2 * PAGE - round % 144));
}
static long one_statx(int fd, int round)
{
    return statx(fd, "", AT_EMPTY_PATH, STATX_ALL, (void *)(g_memory + 2 * PAGE - round % 256));
}
static long one_fstatfs(int fd, int round)
{
    return fstatfs(fd, (void *)(g_memory + 2 * PAGE - round % 120));
}
static long one_xattr(int fd, int round)
{
    return fgetxattr(fd, "user.name", g_memory + 3 * PAGE - round % 16, 16);
}
static long one_set_xattr(int fd, int round)
{
    return fsetxattr(fd, "user.name", g_memory + 3 * PAGE - round % 10, 10, 0);
}
static long one_getcwd(int fd, int round)
{
    (void)fd;
    return syscall(SYS_getcwd, g_memory + 2 * PAGE - round % 8, 2 * PAGE);
}
static long one_poll(int fd, int round)
{
    struct pollfd *at = (void *)(g_memory + 2 * PAGE - 12);
    (void)fd, (void)round;
    return poll(at, 3, 0);
}
static long one_epoll(int fd, int round)
{
    return epoll_wait(fd, (void *)(g_memory + 2 * PAGE - 4 - round % 8), 4, 0);
}
static long one_sendmsg(int fd, int round)
{
    struct iovec iov[2] = {{g_memory + PAGE - 9, 100}, {g_memory + 2 * PAGE + round, 300}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    char drain[512];
    long r = sendmsg(fd, &m, MSG_DONTWAIT);
    while (recv(fd + 1, drain, sizeof drain, MSG_DONTWAIT) > 0)
        continue;
    return r < 0 && errno == EAGAIN ? 0 : r;
}
static long one_path(int fd, int round)
{
    char *path = g_memory + 2 * PAGE - 4;
    (void)fd, (void)round;
    long r = access(path, F_OK);
    return r < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG) ? 0 : r;
}
static long one_random(int fd, int round)
{
    (void)fd;
    return syscall(SYS_getrandom, g_memory + PAGE + round, 2 * PAGE, 0);
}

/* What a count covers is the file's: read into pages that stay, beside one that does not. */
static void contents(int fd)
{
    long wrong = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct iovec iov[2] = {{g_memory, PAGE}, {g_memory + (1 + i % 6) * PAGE, PAGE}};
        memset(g_memory, 0, PAGE);
        long n = preadv(fd, iov, 2, 0);
        for (long at = 0; at < n && at < (long)PAGE; at++)
            wrong += g_memory[at] != 'c';
    }
    printf("contents: %ld wrong\n", wrong);
}

int main(int argc, char **argv)
{
    static char filling[SIZE];
    int pair[2];
    pthread_t thread;
    if (argc > 1 && chdir(argv[1]) < 0)
        return 1;
    g_memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int read_fd = open("read", O_CREAT | O_RDWR, 0600),
        write_fd = open("write", O_CREAT | O_RDWR, 0600);
    memset(filling, 'c', sizeof filling);
    T(write(read_fd, filling, sizeof filling));
    T(fsetxattr(read_fd, "user.name", "0123456789", 10, 0));
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "a file number %d", i);
        close(open(name, O_CREAT | O_RDWR, 0600));
    }
    int directory = open(".", O_RDONLY);
    int epoll = epoll_create1(0);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct epoll_event event = {.events = EPOLLOUT};
    epoll_ctl(epoll, EPOLL_CTL_ADD, pair[1], &event);
    epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event);
    pthread_create(&thread, NULL, come_and_go, NULL);
    many("pread", read_fd, one_pread, SIZE);
    many("pwrite", write_fd, one_pwrite, SIZE);
    many("small pread", read_fd, one_small_pread, 100);
    many("small pwrite", write_fd, one_small_pwrite, 100);
    many("read", read_fd, one_read, SIZE);
    many("preadv", read_fd, one_readv, SIZE);
    many("pwritev", write_fd, one_writev, SIZE);
    many("readv, list", read_fd, one_vector_moves, SIZE);
    many("getdents64", directory, one_getdents, SIZE);
    many("fstat", read_fd, one_fstat, 0);
    many("statx", read_fd, one_statx, 0);
    many("fstatfs", read_fd, one_fstatfs, 0);
    many("fgetxattr", read_fd, one_xattr, 10);
    many("fsetxattr", write_fd, one_set_xattr, 0);
    many("getcwd", 0, one_getcwd, SIZE);
    many("poll", 0, one_poll, 3);
    many("epoll_wait", epoll, one_epoll, 2);
    many("sendmsg", pair[0], one_sendmsg, 400);
    many("access", 0, one_path, 0);
    many("getrandom", 0, one_random, SIZE);
    contents(read_fd);
    g_stop = 1;
    pthread_join(thread, NULL);
    return 0;
}
