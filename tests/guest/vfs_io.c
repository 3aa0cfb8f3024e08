/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in and out: read and write in all forms, faults inside buffers, seeking, holes, fallocate,
 * copies inside the kernel, ioctl. */
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "oracle.h"

static char g_text[1 << 20];

static long sum_of(int fd)
{
    static char all[1 << 20];
    ssize_t n = pread(fd, all, sizeof all, 0);
    unsigned long sum = (unsigned long)n;
    for (ssize_t i = 0; i < n; i++)
        sum = sum * 31 + (unsigned char)all[i];
    return (long)(sum % 1000003);
}

static off_t size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_size : -1;
}

static int make(const char *path, size_t size)
{
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);
    for (size_t i = 0; i < size; i++)
        g_text[i] = (char)(i * 7 + i / 251);
    if (write(fd, g_text, size) != (ssize_t)size)
        printf("%s is short\n", path);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void plain(void)
{
    int fd = make("p", 10000);
    T(read(fd, g_text, 100));
    T(lseek(fd, 0, SEEK_CUR));
    T(read(fd, g_text, sizeof g_text));
    T(read(fd, g_text, 1));
    T(read(fd, g_text, 0));
    T(read(fd, NULL, 0));
    T(pread(fd, (char *)8, 1, 0));
    T(pread(fd, g_text, 100, 9950));
    T(pread(fd, g_text, 100, -1));
    T(pread(fd, g_text, 100, 0x7fffffffffffffff));
    T(pwrite(fd, "x", 1, -1));
    T(pwrite(fd, "x", 1, 0x7fffffffffffffff));
    T(pwrite(fd, "x", 1, 1l << 44));
    T(syscall(SYS_read, fd, g_text, -1l));
    T(syscall(SYS_write, fd, g_text, -1l));
    T(write(fd, (char *)8, 1));
    T(write(fd, g_text, 0));
    T(size_of(fd));
    T(lseek(fd, 20000, SEEK_SET));
    T(read(fd, g_text, 10));
    T(write(fd, "end", 3));
    T(size_of(fd));
    T(sum_of(fd));
    T(lseek(fd, -5, SEEK_END));
    T(lseek(fd, -50000, SEEK_END));
    T(lseek(fd, 1l << 50, SEEK_SET));
    T(lseek(fd, 10, 9));
    T(lseek(fd, 0x7fffffffffffffff, SEEK_CUR));
    T(lseek(99, 0, SEEK_SET));
    T(lseek(fd, 0, SEEK_SET));
    close(fd);
    fd = open("p", O_RDONLY);
    T(write(fd, "x", 1));
    T(pwrite(fd, "x", 1, 0));
    close(fd);
    fd = open("p", O_WRONLY);
    T(read(fd, g_text, 1));
    T(pread(fd, g_text, 1, 0));
    close(fd);
    fd = open("p", O_RDWR | O_APPEND);
    T(lseek(fd, 0, SEEK_CUR));
    T(write(fd, "appended", 8));
    T(lseek(fd, 0, SEEK_CUR));
    T(pwrite(fd, "end", 3, 0));
    T(size_of(fd));
    T(lseek(fd, 3, SEEK_SET));
    T(write(fd, "!", 1));
    T(lseek(fd, 0, SEEK_CUR));
    T(fcntl(fd, F_SETFL, 0));
    T(pwrite(fd, "0", 1, 0));
    T(sum_of(fd));
    close(fd);
    fd = open("p", O_ACCMODE);
    T(read(fd, g_text, 1));
    T(write(fd, g_text, 1));
    close(fd);
}

static void vectors(void)
{
    char a[10], b[10];
    struct iovec two[2] = {{a, 5}, {b, 7}}, bad[2] = {{a, 5}, {(void *)8, 7}};
    struct iovec first_bad[2] = {{(void *)8, 5}, {a, 5}}, neg[1] = {{a, (size_t)-1}};
    struct iovec none[3] = {{NULL, 0}, {a, 0}, {b, 3}};
    static struct iovec many[1025];
    int fd = make("v", 1000);
    T(readv(fd, two, 2));
    T(lseek(fd, 0, SEEK_CUR));
    T(readv(fd, bad, 2));
    T(lseek(fd, 0, SEEK_CUR));
    T(readv(fd, first_bad, 2));
    T(lseek(fd, 0, SEEK_CUR));
    T(readv(fd, neg, 1));
    T(readv(fd, none, 3));
    T(readv(fd, two, 0));
    T(readv(fd, NULL, 0));
    T(readv(fd, NULL, 1));
    T(readv(fd, two, -1));
    T(readv(fd, many, 1024));
    T(readv(fd, many, 1025));
    T(writev(fd, two, 2));
    T(writev(fd, bad, 2));
    T(lseek(fd, 0, SEEK_CUR));
    T(writev(fd, first_bad, 2));
    T(preadv(fd, two, 2, 990));
    T(preadv(fd, two, 2, 995));
    T(preadv(fd, two, 2, -1));
    T(pwritev(fd, two, 2, 2000));
    T(size_of(fd));
    T(preadv2(fd, two, 2, 0, 0));
    T(preadv2(fd, two, 2, -1, 0));
    T(lseek(fd, 0, SEEK_CUR));
    T(preadv2(fd, two, 2, -2, 0));
    T(preadv2(fd, two, 2, 0, RWF_HIPRI));
    T(preadv2(fd, two, 2, 0, 0x400000));
    T(preadv2(fd, two, 2, 0, RWF_APPEND));
    T(pwritev2(fd, two, 2, 0, RWF_DSYNC));
    T(pwritev2(fd, two, 2, 0, RWF_SYNC));
    T(pwritev2(fd, two, 2, 0, RWF_APPEND));
    T(size_of(fd));
    T(pwritev2(fd, two, 2, -1, RWF_APPEND));
    T(lseek(fd, 0, SEEK_CUR));
    T(pwritev2(fd, two, 2, 0, 0x400000));
    T(sum_of(fd));
    close(fd);
}

/* Buffers that end in the middle of the call: what was moved before counts. */
static void faults(void)
{
    char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + 2 * 4096, 4096);
    char *edge = pages + 2 * 4096;
    int fd = make("e", 20000), out = open("e2", O_CREAT | O_RDWR | O_TRUNC, 0600);
    struct iovec iov[2] = {{edge - 100, 200}, {g_text, 100}};
    struct iovec later[3] = {{g_text, 100}, {edge - 100, 200}, {g_text + 100, 100}};
    T(read(fd, edge - 8192, 8193) > 0);
    T(pread(fd, edge, 10, 0));
    T(pread(fd, edge - 10, 10, 0));
    T(pread(fd, edge - 10, 5, 100000));
    T(preadv(fd, iov, 2, 0) > 0);
    T(preadv(fd, later, 3, 0) >= 100);
    T(write(out, edge, 10));
    T(write(out, edge - 10, 10));
    T(size_of(out));
    T(pwrite(out, edge - 10, 10, 100));
    T(pwritev(out, later, 3, 0) >= 100);
    T(mprotect(pages, 4096, PROT_READ));
    T(pread(fd, pages, 10, 0));
    T(pwrite(out, pages, 10, 0));
    T(mprotect(pages, 4096, PROT_NONE));
    T(pread(fd, pages, 10, 0));
    T(pwrite(out, pages, 10, 0));
    T(readv(fd, (struct iovec *)edge, 1));
    T(readv(fd, (struct iovec *)(edge - 8), 1));
    close(fd);
    close(out);
    munmap(pages, 8192);
}

static void holes(void)
{
    int fd = open("h", O_CREAT | O_RDWR | O_TRUNC, 0600);
    T(pwrite(fd, "a", 1, 0));
    T(pwrite(fd, "b", 1, 1 << 20));
    T(fsync(fd));
    T(lseek(fd, 0, SEEK_DATA));
    T(lseek(fd, 0, SEEK_HOLE));
    T(lseek(fd, 5000, SEEK_DATA));
    T(lseek(fd, 5000, SEEK_HOLE));
    T(lseek(fd, 1 << 20, SEEK_DATA));
    T(lseek(fd, 1 << 20, SEEK_HOLE));
    T(lseek(fd, (1 << 20) + 1, SEEK_DATA));
    T(lseek(fd, (1 << 20) + 1, SEEK_HOLE));
    T(lseek(fd, -1, SEEK_DATA));
    T(lseek(fd, 0, SEEK_CUR));
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    T(lseek(fd, 0, SEEK_DATA));
    T(pread(fd, g_text, 1, 0));
    T(g_text[0]);
    T(ftruncate(fd, 0));
    T(lseek(fd, 0, SEEK_DATA));
    T(lseek(fd, 0, SEEK_HOLE));
    close(fd);
    fd = make("h", 30000);
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 10000));
    T(sum_of(fd));
    T(fallocate(fd, FALLOC_FL_ZERO_RANGE, 15000, 50));
    T(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 29000, 10000));
    T(size_of(fd));
    T(fallocate(fd, FALLOC_FL_ZERO_RANGE, 29000, 10000));
    T(size_of(fd));
    T(sum_of(fd));
    T(fallocate(fd, 0, 0, 50000));
    T(size_of(fd));
    T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
    T(size_of(fd));
    T(sum_of(fd));
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    T(fallocate(fd, 0x4000, 0, 4096));
    T(fallocate(fd, 0, -1, 4096));
    T(fallocate(fd, 0, 0, 0));
    T(fallocate(fd, 0, 0x7fffffffffffffff, 1));
    T(fallocate(fd, 0, 1l << 44, 1));
    T(posix_fallocate(fd, 0, 60000));
    T(size_of(fd));
    T(sum_of(fd));
    close(fd);
    fd = open("h", O_RDONLY);
    T(fallocate(fd, 0, 0, 10));
    close(fd);
    fd = open(".", O_RDONLY);
    T(fallocate(fd, 0, 0, 10));
    close(fd);
}

/* sendfile() to a socket, each way it may end. */
static void to_socket(int pair[2], int a, int wo)
{
    off_t at = 1000000;
    int size = 1 << 20;
    T(sendfile(pair[0], a, &at, 10));
    T(at);
    at = 5;
    T(sendfile(pair[0], wo, &at, 10));
    T(sendfile(pair[0], a, &at, 0));
    T(sendfile(pair[0], a, (off_t *)8, 10));
    T(at);
    T(fcntl(pair[0], F_SETFL, O_APPEND));
    T(sendfile(pair[0], a, &at, 10));
    T(fcntl(pair[0], F_SETFL, 0));
    T(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    T(sendfile(pair[0], a, &at, 45000));
    T(at);
    unsigned sum = 0;
    for (int left = 45000; left > 0;) {
        ssize_t n = read(pair[1], g_text, sizeof g_text);
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + (unsigned char)g_text[i];
        left -= n > 0 ? (int)n : left;
    }
    T(sum);
    T(fcntl(pair[0], F_SETFL, O_NONBLOCK));
    ssize_t sent, all = 0;
    while (at = 7, (sent = sendfile(pair[0], a, &at, 40000)) > 0)
        all += at - 7 == sent ? sent : 1 << 30;
    T(sent);
    T(all > 40000 && all < 1 << 30);
    T(at);
    T(shutdown(pair[1], SHUT_RD));
    signal(SIGPIPE, SIG_IGN);
    T(sendfile(pair[0], a, &at, 10));
    T(at);
}

static void copies(void)
{
    off_t at, to;
    int a = make("c1", 50000), b = open("c2", O_CREAT | O_RDWR | O_TRUNC, 0600), pipes[2], pair[2];
    T(copy_file_range(a, NULL, b, NULL, 20000, 0));
    T(lseek(a, 0, SEEK_CUR));
    T(lseek(b, 0, SEEK_CUR));
    at = 45000, to = 100;
    T(copy_file_range(a, &at, b, &to, 20000, 0));
    T(at);
    T(to);
    T(lseek(a, 0, SEEK_CUR));
    T(copy_file_range(a, &at, b, &to, 10, 0));
    T(copy_file_range(a, NULL, b, NULL, 10, 1));
    T(copy_file_range(a, NULL, b, NULL, 0, 0));
    at = 0, to = 10;
    T(copy_file_range(a, &at, a, &to, 100, 0));
    at = 0, to = 200;
    T(copy_file_range(a, &at, a, &to, 100, 0));
    at = -1;
    T(copy_file_range(a, &at, b, NULL, 100, 0));
    T(copy_file_range(a, (off_t *)8, b, NULL, 100, 0));
    T(copy_file_range(99, NULL, b, NULL, 100, 0));
    T(sum_of(b));
    int ro = open("c1", O_RDONLY), wo = open("c3", O_CREAT | O_WRONLY | O_TRUNC, 0600);
    int ap = open("c3", O_WRONLY | O_APPEND), dir = open(".", O_RDONLY);
    T(copy_file_range(a, NULL, ro, NULL, 10, 0));
    T(copy_file_range(wo, NULL, b, NULL, 10, 0));
    T(copy_file_range(a, NULL, ap, NULL, 10, 0));
    T(copy_file_range(dir, NULL, b, NULL, 10, 0));
    T(copy_file_range(a, NULL, dir, NULL, 10, 0));
    T(pipe(pipes));
    T(copy_file_range(a, NULL, pipes[1], NULL, 10, 0));
    T(lseek(a, 0, SEEK_SET));
    T(sendfile(wo, a, NULL, 30000));
    at = 49000;
    T(sendfile(wo, a, &at, 30000));
    T(at);
    T(lseek(a, 0, SEEK_CUR));
    T(sendfile(ap, a, NULL, 10));
    T(sendfile(ro, a, NULL, 10));
    T(sendfile(wo, wo, NULL, 10));
    T(sendfile(wo, 99, NULL, 10));
    T(sendfile(wo, dir, NULL, 10));
    T(sendfile(wo, pipes[0], NULL, 10));
    at = -1;
    T(sendfile(wo, a, &at, 10));
    at = 0;
    T(sendfile(pipes[1], a, &at, 1000));
    T(read(pipes[0], g_text, sizeof g_text));
    T(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    T(sendfile(pair[0], a, &at, 2000));
    T(read(pair[1], g_text, sizeof g_text));
    T(at);
    to_socket(pair, a, wo);
    at = 0;
    T(splice(a, &at, pipes[1], NULL, 3000, 0));
    T(at);
    to = 60000;
    T(splice(pipes[0], NULL, b, &to, 3000, 0));
    T(to);
    T(size_of(b));
    T(splice(a, &at, b, NULL, 3000, 0));
    T(splice(a, NULL, pipes[1], &at, 30, 0));
    at = -1;
    T(splice(a, NULL, pipes[1], &at, 30, 0));
    T(splice(a, NULL, pipes[1], NULL, 30, 0x80));
    T(splice(ro, NULL, pipes[1], NULL, 40, SPLICE_F_MOVE));
    T(splice(pipes[0], NULL, ro, NULL, 40, 0));
    T(splice(pipes[0], NULL, ap, NULL, 40, 0));
    T(splice(pipes[0], NULL, wo, NULL, 40, 0));
    T(splice(pipes[0], NULL, wo, NULL, 40, SPLICE_F_NONBLOCK));
    T(tee(a, pipes[1], 10, 0));
    T(tee(pipes[0], b, 10, 0));
    T(vmsplice(a, &(struct iovec){g_text, 10}, 1, 0));
    T(vmsplice(99, &(struct iovec){g_text, 10}, 1, 0));
    T(sum_of(b));
    close(a), close(b), close(ro), close(wo), close(ap), close(dir);
    close(pipes[0]), close(pipes[1]), close(pair[0]), close(pair[1]);
}

static void controls(void)
{
    int fd = make("i", 1000), value = -1, dir = open(".", O_RDONLY), path = open("i", O_PATH);
    T(lseek(fd, 900, SEEK_SET));
    T(ioctl(fd, FIONREAD, &value));
    T(value);
    T(ioctl(fd, FIONREAD, NULL));
    T(ioctl(dir, FIONREAD, &value));
    T(ioctl(fd, TCGETS, g_text));
    T(ioctl(fd, TIOCGWINSZ, g_text));
    T(ioctl(fd, 0xdeadbeef, g_text));
    T(ioctl(path, FIONREAD, &value));
    T(ioctl(fd, FICLONE, dir));
    T(ioctl(fd, FICLONE, 99));
    T(ioctl(fd, FICLONE, fd));
    T(ioctl(fd, FIOCLEX));
    T(fcntl(fd, F_GETFD));
    T(ioctl(fd, FIONCLEX));
    T(fcntl(fd, F_GETFD));
    value = 1;
    T(ioctl(fd, FIONBIO, &value));
    T(fcntl(fd, F_GETFL) & O_NONBLOCK);
    value = 0;
    T(ioctl(fd, FIONBIO, &value));
    T(fcntl(fd, F_GETFL) & O_NONBLOCK);
    T(ioctl(fd, FIGETBSZ, &value));
    T(value);
    T(ioctl(dir, FIGETBSZ, &value));
    T(isatty(fd));
    T(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    T(posix_fadvise(fd, 0, 0, 77));
    T(posix_fadvise(99, 0, 0, POSIX_FADV_NORMAL));
    T(posix_fadvise(path, 0, 0, POSIX_FADV_NORMAL));
    T(readahead(fd, 0, 100));
    T(readahead(dir, 0, 100));
    T(readahead(99, 0, 100));
    T(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    T(sync_file_range(fd, 0, 0, 0x80));
    T(sync_file_range(fd, -1, 0, SYNC_FILE_RANGE_WRITE));
    T(sync_file_range(path, 0, 0, SYNC_FILE_RANGE_WRITE));
    T(fsync(fd));
    T(fdatasync(fd));
    T(fsync(dir));
    T(fsync(99));
    T(syncfs(path));
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN | POLLOUT | POLLPRI},
                          {.fd = dir, .events = POLLIN | POLLOUT}};
    T(poll(p, 2, 0));
    T(p[0].revents);
    T(p[1].revents);
    p[0].fd = path;
    T(poll(p, 1, 0));
    T(p[0].revents);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(fd, &in);
    FD_SET(fd, &out);
    FD_SET(dir, &in);
    T(select(dir + 1, &in, &out, NULL, &(struct timeval){0, 0}));
    int ep = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    T(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
    T(epoll_ctl(ep, EPOLL_CTL_ADD, dir, &event));
    close(ep), close(fd), close(dir), close(path);
}

static void direct(void)
{
    char *page = NULL;
    T(posix_memalign((void **)&page, 4096, 8192));
    memset(page, 'd', 8192);
    int fd = open("dio", O_CREAT | O_RDWR | O_DIRECT, 0600);
    T(fd >= 0);
    T(write(fd, page, 8192));
    T(pread(fd, page, 4096, 4096));
    T(pread(fd, page, 4096, 8192));
    T(page[0]);
    T(fcntl(fd, F_GETFL) & O_DIRECT);
    T(fcntl(fd, F_SETFL, 0));
    T(pwrite(fd, "odd", 3, 1));
    T(fcntl(fd, F_SETFL, O_DIRECT));
    T(pread(fd, page, 4096, 0));
    T(memcmp(page, "dodd", 4));
    close(fd);
    fd = open("sync", O_CREAT | O_RDWR | O_SYNC, 0600);
    T(write(fd, "x", 1));
    T(fcntl(fd, F_GETFL) & (O_SYNC | O_DSYNC));
    T(fcntl(fd, F_SETFL, 0));
    T(fcntl(fd, F_GETFL) & (O_SYNC | O_DSYNC));
    close(fd);
}

int main(int argc, char **argv)
{
    umask(022);
    T(chdir(argc == 2 ? argv[1] : "."));
    plain();
    vectors();
    faults();
    holes();
    copies();
    controls();
    direct();
    return 0;
}
