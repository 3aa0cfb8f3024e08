/* SPDX-License-Identifier: Apache-2.0 */
/* The edges of calls on files: modes of access that are none, offsets, vectors, pipes in the way, copies
 * between files, locks and leases that cannot be, bad addresses, names too long, links in circles.
 * An argument: the directory to work in. */
#include "say.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define BAD ((void *)8)

static char g_long_name[NAME_MAX + 2];
static char g_long_path[PATH_MAX + 2];
static char g_text[70000];
static const char *g_base;

static int make(const char *name, const char *text)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        perror(name);
    return fd;
}

static void show(int fd)
{
    char text[200];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    printf("[%.*s] at %d\n", (int)(n < 0 ? 0 : n), text, (int)lseek(fd, 0, SEEK_CUR));
}

/* --- open --- */

static void opening(void)
{
    int fd = make("o", "hello");
    close(fd);
    fd = open("o", 3); /* neither reading nor writing, but ioctl */
    char byte;
    SAY(read(fd, &byte, 1));
    SAY(write(fd, "x", 1));
    SAY(fcntl(fd, F_GETFL) & 0xffff7fff);
    SAY(ftruncate(fd, 0));
    SAY(fchmod(fd, 0600));
    SAY(lseek(fd, 2, SEEK_SET));
    SAY(mmap(NULL, 10, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
    int n;
    SAY(ioctl(fd, FIONREAD, &n));
    SAY(ioctl(fd, FIONREAD, BAD));
    SAY(fsync(fd));
    close(fd);
    SAY(open("o", O_CREAT | O_DIRECTORY, 0600));
    SAY(open("o/", O_RDONLY));
    SAY(open("none/", O_CREAT | O_RDWR, 0600));
    SAY(open(".", O_CREAT | O_RDWR, 0600));
    SAY(open(".", O_RDWR));
    SAY(open(".", O_WRONLY | O_TRUNC));
    SAY(open("o", O_CREAT | O_EXCL | O_RDWR, 0600));
    SAY(open("o", O_DIRECTORY));
    SAY(open("", O_RDONLY));
    SAY(open(NULL, O_RDONLY));
    SAY(open(BAD, O_RDONLY));
    SAY(open(g_long_name, O_RDONLY));
    SAY(open(g_long_name, O_CREAT | O_RDWR, 0600));
    SAY(open(g_long_path, O_RDONLY));
    SAY(open("o/x", O_RDONLY));
    SAY(open("none/x", O_CREAT | O_RDWR, 0600));
    SAY(openat(-1, "o", O_RDONLY));
    SAY(openat(1000, "o", O_RDONLY));
    SAY(openat(-1, g_base, O_RDONLY) >= 0);
    fd = open("o", O_RDONLY);
    SAY(openat(fd, "o", O_RDONLY));
    SAY(openat(fd, "", O_RDONLY));
    close(fd);
    SAY(open(".", O_TMPFILE | O_RDONLY, 0600));
    SAY(open("none", O_TMPFILE | O_RDWR, 0600));
    SAY(open("o", O_TMPFILE | O_RDWR, 0600));
    SAY(open(".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600));
    symlink("loop1", "loop2");
    symlink("loop2", "loop1");
    SAY(open("loop1", O_RDONLY));
    SAY(open("loop1/x", O_RDONLY));
    SAY(open("loop1", O_CREAT | O_RDWR, 0600));
    SAY(open("loop1", O_CREAT | O_EXCL | O_RDWR, 0600));
    SAY(open("loop1", O_RDONLY | O_NOFOLLOW));
    symlink("to-be", "dangling");
    SAY(open("dangling", O_RDONLY));
    fd = open("dangling", O_CREAT | O_WRONLY, 0640);
    SAY(fd >= 0);
    close(fd);
    SAY(access("to-be", F_OK));
    SAY(creat("dangling2/", 0600));
    fd = creat("created", 0444);
    SAY(write(fd, "abc", 3));
    SAY(read(fd, &byte, 1));
    close(fd);
    struct stat st;
    stat("created", &st);
    SAY(st.st_mode);
    fd = open("o", O_RDONLY | O_APPEND);
    SAY(fcntl(fd, F_GETFL) & 0xffff7fff);
    close(fd);
    fd = open("o", O_RDWR | O_APPEND | O_SYNC | O_NONBLOCK | O_DSYNC | O_NOCTTY | O_CLOEXEC);
    SAY(fcntl(fd, F_GETFL) & 0xffff7fff);
    SAY(fcntl(fd, F_SETFL, 0));
    SAY(fcntl(fd, F_GETFL) & 0xffff7fff);
    SAY(fcntl(fd, F_SETFL, O_RDONLY | O_TRUNC | O_CREAT | O_APPEND));
    SAY(fcntl(fd, F_GETFL) & 0xffff7fff);
    close(fd);
    /* A long way of links: 40 are followed. */
    char name[16], target[16];
    make("l0", "end");
    for (int i = 1; i <= 42; i++) {
        snprintf(name, sizeof name, "l%d", i);
        snprintf(target, sizeof target, "l%d", i - 1);
        symlink(target, name);
    }
    SAY(access("l39", F_OK));
    SAY(access("l40", F_OK));
    SAY(access("l41", F_OK));
    SAY(readlink("l40", name, 0));
    SAY(readlink("l40", name, 1));
    SAY(readlink("l40", name, -1));
    SAY(readlink("l40", BAD, 10));
    SAY(readlink("l0", name, 10));
    SAY(readlink("", name, 10));
    SAY(readlinkat(AT_FDCWD, "", name, 10));
    SAY(symlink("", "x"));
    SAY(symlink("x", ""));
    SAY(symlink(g_long_path, "x"));
    SAY(symlink("x", g_long_name));
    SAY(symlink("x", "o"));
    SAY(symlink("x", "o/x"));
    SAY(symlink("x", "none/x"));
    SAY(symlink("x", "sl/"));
}

/* --- reading and writing --- */

static void offsets(void)
{
    int fd = make("w", "0123456789"), back;
    char text[100];
    SAY(lseek(fd, -1, SEEK_SET));
    SAY(lseek(fd, -11, SEEK_END));
    SAY(lseek(fd, -10, SEEK_END));
    SAY(lseek(fd, -1, SEEK_CUR));
    SAY(lseek(fd, INT64_MAX, SEEK_SET) == INT64_MAX);
    SAY(lseek(fd, 1, SEEK_CUR));
    SAY(lseek(fd, INT64_MAX, SEEK_END));
    SAY(lseek(fd, 0, 5));
    SAY(lseek(fd, 0, -1));
    SAY(lseek(fd, 0, SEEK_DATA));
    SAY(lseek(fd, 0, SEEK_HOLE));
    SAY(lseek(fd, 10, SEEK_DATA));
    SAY(lseek(fd, 10, SEEK_HOLE));
    SAY(lseek(fd, 11, SEEK_HOLE));
    SAY(lseek(fd, -1, SEEK_DATA));
    SAY(lseek(fd, -1, SEEK_HOLE));
    SAY(pread(fd, text, 10, -1));
    SAY(pread(fd, text, 10, 5));
    SAY(pread(fd, text, 10, 10));
    SAY(pread(fd, text, 10, 1000));
    SAY(pread(fd, text, 10, INT64_MAX));
    SAY(pread(fd, text, 10, INT64_MAX - 4));
    SAY(pwrite(fd, "x", 1, -1));
    SAY(pwrite(fd, "x", 1, INT64_MAX));
    SAY(pread(fd, BAD, 10, 5));
    SAY(pread(fd, BAD, 10, 100));
    SAY(pread(fd, BAD, 0, 0));
    SAY(read(fd, BAD, 0));
    SAY(write(fd, BAD, 0));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(write(fd, BAD, 5));
    SAY(read(fd, BAD, 5));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(read(fd, text, (size_t)-1));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(read(fd, text, SSIZE_MAX));
    SAY(write(fd, text, (size_t)-1));
    back = open("w", O_RDONLY);
    SAY(write(back, "x", 1));
    SAY(pwrite(back, "x", 1, 0));
    SAY(ftruncate(back, 1));
    SAY(ftruncate(fd, -1));
    SAY(truncate("w", -1));
    SAY(truncate("none", 0));
    SAY(truncate(".", 0));
    SAY(truncate("", 0));
    SAY(truncate(BAD, 0));
    SAY(truncate("w/x", 0));
    SAY(truncate("loop1", 0));
    SAY(truncate(g_long_name, 0));
    SAY(ftruncate(-1, 0));
    SAY(fallocate(back, 0, 0, 10));
    SAY(fallocate(fd, 0, 0, 0));
    SAY(fallocate(fd, 0, -1, 10));
    SAY(fallocate(fd, 0, 0, -1));
    SAY(fallocate(fd, 0, INT64_MAX, 10));
    SAY(fallocate(fd, 0x100000, 0, 10));
    SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
    SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 10));
    SAY(fallocate(-1, 0, 0, 10));
    SAY(posix_fallocate(fd, 0, 20));
    show(fd);
    SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3));
    SAY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
    struct stat st;
    fstat(fd, &st);
    SAY(st.st_size);
    int dir = open(".", O_RDONLY);
    SAY(read(dir, text, 10));
    SAY(write(dir, text, 10));
    SAY(pread(dir, text, 10, 0));
    SAY(ftruncate(dir, 0));
    SAY(fallocate(dir, 0, 0, 10));
    SAY(fsync(dir));
    SAY(fdatasync(dir));
    SAY(posix_fadvise(dir, 0, 0, POSIX_FADV_NORMAL));
    SAY(posix_fadvise(fd, 0, 0, 100));
    SAY(posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL));
    SAY(posix_fadvise(fd, -1, 1, POSIX_FADV_DONTNEED));
    SAY(posix_fadvise(-1, 0, 0, POSIX_FADV_NORMAL));
    SAY(readahead(fd, 0, 100));
    SAY(readahead(dir, 0, 100));
    SAY(readahead(-1, 0, 100));
    SAY(syscall(SYS_readahead, fd, -1L, 100));
    SAY(sync_file_range(fd, 0, 10, 0));
    SAY(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    SAY(sync_file_range(fd, -1, 10, 0));
    SAY(sync_file_range(fd, 0, -1, 0));
    SAY(sync_file_range(fd, 0, 10, 8));
    SAY(sync_file_range(dir, 0, 10, 1));
    SAY(sync_file_range(-1, 0, 10, 0));
    SAY(syncfs(fd));
    SAY(syncfs(-1));
    close(dir);
    close(back);
    close(fd);
    /* Holes. */
    fd = make("holes", "");
    pwrite(fd, "a", 1, 0);
    pwrite(fd, "b", 1, 1 << 20);
    ftruncate(fd, 3 << 20);
    SAY(lseek(fd, 0, SEEK_DATA));
    SAY(lseek(fd, 2 << 20, SEEK_DATA));
    SAY(lseek(fd, 2 << 20, SEEK_HOLE));
    SAY(lseek(fd, 1 << 20, SEEK_DATA));
    SAY(lseek(fd, 512 << 10, SEEK_HOLE) == 512 << 10);
    SAY(lseek(fd, 1 << 20, SEEK_HOLE) <= (1 << 20) + 65536);
    SAY(lseek(fd, 3 << 20, SEEK_DATA));
    SAY(lseek(fd, 3 << 20, SEEK_HOLE));
    close(fd);
}

static void vectors(void)
{
    int fd = make("v", "0123456789");
    char a[4] = "", b[4] = "";
    struct iovec two[2] = {{a, 3}, {b, 3}}, many[IOV_MAX + 1], none[2] = {{BAD, 3}, {b, 3}},
                 half[2] = {{a, 3}, {BAD, 3}}, large[2] = {{a, SSIZE_MAX}, {b, SSIZE_MAX}},
                 negative[1] = {{a, (size_t)-1}}, empty[2] = {{BAD, 0}, {a, 2}};
    for (int i = 0; i <= IOV_MAX; i++)
        many[i] = (struct iovec){a, 1};
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(readv(fd, two, 2));
    SAY(readv(fd, two, 0));
    SAY(readv(fd, two, -1));
    SAY(readv(fd, BAD, 1));
    SAY(readv(fd, BAD, 0));
    SAY(readv(fd, many, IOV_MAX + 1));
    SAY(readv(fd, negative, 1));
    SAY(readv(fd, large, 2));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(readv(fd, none, 2));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(readv(fd, half, 2));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(readv(fd, empty, 2));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(writev(fd, none, 2));
    SAY(writev(fd, half, 2));
    SAY(writev(fd, empty, 2));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(writev(fd, many, IOV_MAX));
    SAY(writev(fd, many, IOV_MAX + 1));
    SAY(writev(fd, negative, 1));
    SAY(writev(-1, two, 2));
    SAY(preadv(fd, two, 2, 1));
    SAY(preadv(fd, two, 2, -1));
    SAY(preadv2(fd, two, 2, -1, 0));
    SAY(preadv2(fd, two, 2, 0, 0x1000));
    SAY(preadv2(fd, two, 2, 0, RWF_HIPRI));
    SAY(preadv2(fd, two, 2, 0, RWF_NOWAIT));
    SAY(preadv2(fd, two, 2, -2, 0));
    SAY(pwritev(fd, two, 2, 1));
    SAY(pwritev(fd, two, 2, -1));
    SAY(pwritev2(fd, two, 2, 0, RWF_DSYNC | RWF_SYNC));
    SAY(lseek(fd, 3, SEEK_SET));
    SAY(pwritev2(fd, two, 2, -1, RWF_APPEND));
    SAY(lseek(fd, 0, SEEK_CUR) > 1000);
    SAY(pwritev2(fd, two, 2, 0, RWF_APPEND));
    SAY(pwritev2(fd, two, 2, 0, RWF_NOAPPEND));
    close(fd);
    fd = open("v", O_WRONLY);
    SAY(readv(fd, two, 2));
    SAY(preadv(fd, two, 2, 0));
    close(fd);
    fd = open("v", O_RDONLY);
    SAY(writev(fd, two, 2));
    SAY(pwritev(fd, two, 2, 0));
    close(fd);
    int p[2];
    pipe2(p, O_NONBLOCK);
    SAY(pread(p[0], a, 1, 0));
    SAY(pwrite(p[1], a, 1, 0));
    SAY(preadv(p[0], two, 2, 0));
    SAY(lseek(p[0], 0, SEEK_CUR));
    SAY(ftruncate(p[1], 0));
    SAY(fallocate(p[1], 0, 0, 1));
    SAY(fsync(p[1]));
    SAY(fdatasync(p[0]));
    SAY(sync_file_range(p[1], 0, 1, 1));
    SAY(posix_fadvise(p[0], 0, 0, 0));
    SAY(readahead(p[0], 0, 1));
    SAY(write(p[0], a, 1));
    SAY(read(p[1], a, 1));
    SAY(writev(p[1], half, 2));
    SAY(readv(p[0], two, 2));
    close(p[0]);
    close(p[1]);
}

/* --- copies --- */

static void sending(void)
{
    int in = make("s-in", "0123456789"), out = make("s-out", ""), p[2], dir = open(".", O_RDONLY);
    off_t at = 2;
    lseek(in, 0, SEEK_SET);
    SAY(sendfile(out, in, NULL, 4));
    SAY(sendfile(out, in, &at, 100));
    SAY(at);
    SAY(sendfile(out, in, &at, 100));
    SAY(lseek(in, 0, SEEK_CUR));
    at = -1;
    SAY(sendfile(out, in, &at, 1));
    at = 100;
    SAY(sendfile(out, in, &at, 1));
    SAY(sendfile(out, in, BAD, 1));
    SAY(sendfile(out, in, NULL, 0));
    SAY(sendfile(-1, in, NULL, 1));
    SAY(sendfile(out, -1, NULL, 1));
    SAY(sendfile(out, dir, NULL, 1));
    SAY(sendfile(dir, in, NULL, 1));
    SAY(sendfile(out, in, NULL, (size_t)-1));
    int ro = open("s-in", O_RDONLY), wo = open("s-out", O_WRONLY),
        ap = open("s-out", O_WRONLY | O_APPEND);
    SAY(sendfile(ro, in, NULL, 1));
    SAY(sendfile(out, wo, NULL, 1));
    SAY(sendfile(ap, ro, NULL, 1));
    pipe2(p, O_NONBLOCK);
    at = 0;
    SAY(sendfile(p[1], in, &at, 10));
    SAY(sendfile(out, p[0], NULL, 10));
    SAY(sendfile(out, p[0], &at, 10));
    show(out);
    /* splice */
    loff_t from = 0, to = 0;
    SAY(splice(in, &from, out, &to, 5, 0));
    SAY(splice(p[0], NULL, out, &to, 5, 0));
    SAY(splice(p[0], &from, out, &to, 5, 0));
    SAY(splice(in, &from, p[1], &to, 5, 0));
    SAY(splice(in, &from, p[1], NULL, 5, 0));
    SAY(from);
    SAY(splice(in, NULL, p[0], NULL, 5, 0));
    SAY(splice(p[1], NULL, out, NULL, 5, 0));
    SAY(splice(p[0], NULL, ap, NULL, 5, 0));
    SAY(splice(p[0], NULL, ro, NULL, 5, 0));
    SAY(splice(p[0], NULL, p[1], NULL, 5, 0));
    SAY(splice(dir, NULL, p[1], NULL, 5, 0));
    SAY(splice(in, NULL, p[1], NULL, 0, 0));
    SAY(splice(in, NULL, p[1], NULL, 5, 0x100));
    SAY(splice(-1, NULL, p[1], NULL, 5, 0));
    SAY(splice(in, NULL, -1, NULL, 5, 0));
    SAY(splice(in, BAD, p[1], NULL, 5, 0));
    from = 100;
    SAY(splice(in, &from, p[1], NULL, 5, 0));
    from = -1;
    SAY(splice(in, &from, p[1], NULL, 5, 0));
    SAY(splice(p[0], NULL, out, NULL, 100, SPLICE_F_NONBLOCK));
    SAY(splice(p[0], NULL, out, NULL, 100, SPLICE_F_NONBLOCK));
    show(out);
    int q[2];
    pipe2(q, O_NONBLOCK);
    write(p[1], "pipe", 4);
    SAY(tee(p[0], q[1], 100, 0));
    SAY(tee(p[0], p[1], 100, 0));
    SAY(tee(in, q[1], 100, 0));
    SAY(tee(p[0], out, 100, 0));
    SAY(tee(p[0], q[1], 0, 0));
    SAY(tee(p[0], q[1], 1, 0x100));
    SAY(tee(-1, q[1], 1, 0));
    SAY(tee(q[1], p[0], 1, 0));
    SAY(splice(q[0], NULL, out, NULL, 100, 0));
    struct iovec iov = {"vm", 2}, bad = {BAD, 2};
    SAY(vmsplice(q[1], &iov, 1, 0));
    SAY(vmsplice(q[1], &bad, 1, 0));
    SAY(vmsplice(q[1], &iov, 0, 0));
    SAY(vmsplice(q[1], &iov, IOV_MAX + 1, 0));
    SAY(vmsplice(out, &iov, 1, 0));
    SAY(vmsplice(-1, &iov, 1, 0));
    SAY(vmsplice(q[1], &iov, 1, 0x100));
    SAY(splice(q[0], NULL, out, NULL, 100, 0));
    show(out);
    /* copy_file_range */
    from = 0;
    to = 3;
    ftruncate(out, 0);
    SAY(copy_file_range(in, &from, out, &to, 5, 0));
    SAY(from * 100 + to);
    SAY(copy_file_range(in, &from, out, &to, 100, 0));
    SAY(copy_file_range(in, &from, out, &to, 100, 0));
    SAY(copy_file_range(in, NULL, out, NULL, 5, 1));
    SAY(copy_file_range(in, NULL, ro, NULL, 5, 0));
    SAY(copy_file_range(wo, NULL, out, NULL, 5, 0));
    SAY(copy_file_range(in, NULL, ap, NULL, 5, 0));
    SAY(copy_file_range(in, NULL, dir, NULL, 5, 0));
    SAY(copy_file_range(dir, NULL, out, NULL, 5, 0));
    SAY(copy_file_range(in, NULL, p[1], NULL, 5, 0));
    SAY(copy_file_range(p[0], NULL, out, NULL, 5, 0));
    SAY(copy_file_range(-1, NULL, out, NULL, 5, 0));
    SAY(copy_file_range(in, BAD, out, NULL, 5, 0));
    from = 0, to = 2;
    SAY(copy_file_range(in, &from, in, &to, 5, 0));
    from = 0, to = 5;
    SAY(copy_file_range(in, &from, in, &to, 5, 0));
    from = INT64_MAX - 1, to = 0;
    SAY(copy_file_range(in, &from, out, &to, 5, 0));
    from = 0, to = INT64_MAX - 1;
    SAY(copy_file_range(in, &from, out, &to, 5, 0));
    from = -1;
    SAY(copy_file_range(in, &from, out, NULL, 5, 0));
    SAY(copy_file_range(in, NULL, out, NULL, 0, 0));
    show(in);
    show(out);
    struct file_clone_range clone = {in, 0, 0, 0};
    SAY(ioctl(out, FICLONE, in) < 0);
    SAY(ioctl(out, FICLONERANGE, &clone) < 0);
    for (int *fd = (int[]){in, out, dir, ro, wo, ap, p[0], p[1], q[0], q[1], -2}; *fd != -2; fd++)
        close(*fd);
}

/* --- descriptors --- */

static void descriptors(void)
{
    int fd = make("d", "0123456789"), p[2];
    SAY(fcntl(fd, F_DUPFD, -1));
    SAY(fcntl(fd, F_DUPFD, 1 << 20));
    SAY(fcntl(fd, F_DUPFD, 100));
    SAY(fcntl(fd, F_DUPFD_CLOEXEC, 100));
    SAY(fcntl(101, F_GETFD));
    SAY(fcntl(100, F_GETFD));
    SAY(fcntl(100, F_SETFD, -1));
    SAY(fcntl(100, F_GETFD));
    close(100);
    close(101);
    SAY(fcntl(-1, F_GETFD));
    SAY(fcntl(fd, 12345));
    SAY(fcntl(fd, -1));
    SAY(fcntl(fd, F_SETOWN, getpid()));
    SAY(fcntl(fd, F_GETOWN) == getpid());
    SAY(fcntl(fd, F_SETOWN, 0));
    SAY(fcntl(fd, F_SETOWN, 99999999));
    SAY(fcntl(fd, F_SETOWN, -99999999));
    SAY(fcntl(fd, F_SETOWN, INT_MIN));
    SAY(fcntl(fd, F_SETOWN, -getpgrp()));
    SAY(fcntl(fd, F_SETSIG, SIGUSR1));
    SAY(fcntl(fd, F_GETSIG));
    SAY(fcntl(fd, F_SETSIG, 65));
    SAY(fcntl(fd, F_SETSIG, 0));
    struct f_owner_ex owner = {F_OWNER_PID, getpid()};
    SAY(fcntl(fd, F_SETOWN_EX, &owner));
    owner.type = 7;
    SAY(fcntl(fd, F_SETOWN_EX, &owner));
    SAY(fcntl(fd, F_SETOWN_EX, BAD));
    SAY(fcntl(fd, F_GETOWN_EX, BAD));
    SAY(fcntl(fd, F_GETOWN_EX, &owner));
    SAY(owner.type);
    SAY(fcntl(fd, F_GETPIPE_SZ));
    SAY(fcntl(fd, F_GET_SEALS));
    SAY(fcntl(fd, F_ADD_SEALS, 1));
    SAY(fcntl(fd, F_NOTIFY, 1));
    int dir = open(".", O_RDONLY);
    SAY(fcntl(dir, F_SETLEASE, F_RDLCK));
    SAY(fcntl(dir, F_NOTIFY, 0));
    close(dir);
    SAY(fcntl(fd, F_GETLEASE));
    SAY(fcntl(fd, F_SETLEASE, F_RDLCK));
    SAY(fcntl(fd, F_SETLEASE, 77));
    SAY(fcntl(fd, F_SETLEASE, F_UNLCK));
    /* locks */
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 5};
    SAY(fcntl(fd, F_SETLK, &lock));
    lock.l_type = 9;
    SAY(fcntl(fd, F_SETLK, &lock));
    lock.l_type = F_WRLCK, lock.l_whence = 9;
    SAY(fcntl(fd, F_SETLK, &lock));
    lock.l_whence = SEEK_CUR, lock.l_start = -100;
    SAY(fcntl(fd, F_SETLK, &lock));
    lock.l_whence = SEEK_SET, lock.l_start = 5, lock.l_len = -3;
    SAY(fcntl(fd, F_SETLK, &lock));
    lock.l_len = -6;
    SAY(fcntl(fd, F_SETLK, &lock));
    lock.l_start = INT64_MAX, lock.l_len = 2;
    SAY(fcntl(fd, F_SETLK, &lock));
    SAY(fcntl(fd, F_SETLK, BAD));
    SAY(fcntl(fd, F_GETLK, BAD));
    lock = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET};
    SAY(fcntl(fd, F_GETLK, &lock));
    lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_pid = 5};
    SAY(fcntl(fd, F_OFD_SETLK, &lock));
    SAY(fcntl(fd, F_OFD_GETLK, &lock));
    int ro = open("d", O_RDONLY), wo = open("d", O_WRONLY);
    lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
    SAY(fcntl(ro, F_SETLK, &lock));
    lock.l_type = F_RDLCK;
    SAY(fcntl(wo, F_SETLK, &lock));
    SAY(flock(ro, LOCK_EX | LOCK_NB));
    SAY(flock(wo, LOCK_SH | LOCK_NB));
    SAY(flock(ro, LOCK_UN));
    SAY(flock(ro, 0));
    SAY(flock(ro, LOCK_SH | LOCK_EX));
    SAY(flock(-1, LOCK_SH));
    pipe(p);
    SAY(flock(p[0], LOCK_SH));
    lock.l_type = F_WRLCK;
    SAY(fcntl(p[1], F_SETLK, &lock));
    SAY(lockf(fd, 9, 0));
    SAY(lockf(fd, F_TEST, 0));
    SAY(dup2(fd, -1));
    SAY(dup2(fd, 1 << 20));
    SAY(dup2(-1, 50));
    SAY(dup3(fd, fd, 0));
    SAY(dup3(fd, 50, 1));
    SAY(dup3(fd, 50, O_CLOEXEC));
    SAY(fcntl(50, F_GETFD));
    SAY(syscall(SYS_close_range, 50, 40, 0));
    SAY(syscall(SYS_close_range, 50, 50, 0x100));
    SAY(syscall(SYS_close_range, 50, 60, CLOSE_RANGE_CLOEXEC));
    SAY(syscall(SYS_close_range, 50, ~0U, CLOSE_RANGE_UNSHARE));
    SAY(fcntl(50, F_GETFD));
    SAY(close(50));
    SAY(close(-1));
    for (int *i = (int[]){fd, ro, wo, p[0], p[1], -2}; *i != -2; i++)
        close(*i);
}

/* --- ioctl --- */

static void controls(void)
{
    int fd = make("i", "0123456789"), dir = open(".", O_RDONLY), n = -1;
    lseek(fd, 3, SEEK_SET);
    SAY(ioctl(fd, FIONREAD, &n));
    SAY(n);
    n = 1;
    SAY(ioctl(fd, FIONBIO, &n));
    SAY(fcntl(fd, F_GETFL) & O_NONBLOCK);
    SAY(ioctl(fd, FIONBIO, BAD));
    SAY(ioctl(fd, FIOCLEX));
    SAY(fcntl(fd, F_GETFD));
    SAY(ioctl(fd, FIONCLEX));
    SAY(ioctl(fd, FIOASYNC, &n));
    SAY(ioctl(fd, TCGETS, g_text));
    SAY(ioctl(fd, TIOCGWINSZ, g_text));
    SAY(ioctl(fd, 0x12345678, 0));
    SAY(ioctl(dir, FIONREAD, &n));
    SAY(ioctl(dir, 0x12345678, 0));
    SAY(ioctl(-1, FIONREAD, &n));
    SAY(ioctl(fd, FIGETBSZ, &n));
    SAY(n);
    long flags = -1;
    SAY(ioctl(fd, FS_IOC_GETFLAGS, BAD));
    SAY(ioctl(-1, FS_IOC_GETFLAGS, &flags));
    struct statfs fs;
    struct statvfs vfs;
    SAY(statfs("i", &fs));
    SAY(fs.f_namelen);
    SAY(fs.f_bsize);
    SAY(statfs("none", &fs));
    SAY(statfs("", &fs));
    SAY(statfs("i/x", &fs));
    SAY(statfs("loop1", &fs));
    SAY(statfs(g_long_name, &fs));
    SAY(statfs("i", BAD));
    SAY(fstatfs(fd, BAD));
    SAY(fstatfs(-1, &fs));
    SAY(fstatvfs(fd, &vfs));
    SAY(pathconf("i", _PC_NAME_MAX));
    SAY(pathconf("i", _PC_LINK_MAX) > 100);
    struct pollfd polled[2] = {{fd, POLLIN | POLLOUT | POLLPRI, 0}, {dir, POLLIN | POLLOUT, 0}};
    SAY(poll(polled, 2, 0));
    SAY(polled[0].revents);
    SAY(polled[1].revents);
    int e = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    SAY(epoll_ctl(e, EPOLL_CTL_ADD, fd, &event));
    SAY(epoll_ctl(e, EPOLL_CTL_ADD, dir, &event));
    SAY(epoll_ctl(e, EPOLL_CTL_ADD, e, &event));
    SAY(epoll_ctl(e, EPOLL_CTL_DEL, fd, NULL));
    SAY(epoll_ctl(e, EPOLL_CTL_ADD, -1, &event));
    SAY(epoll_ctl(fd, EPOLL_CTL_ADD, e, &event));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    FD_SET(dir, &set);
    SAY(select(64, &set, NULL, NULL, &(struct timeval){0}));
    close(e);
    close(fd);
    close(dir);
}

/* --- names --- */

static void names(void)
{
    struct stat st;
    struct statx stx;
    char text[20];
    mkdir("dir", 0755);
    make("dir/f", "x");
    SAY(mkdir("dir", 0755));
    SAY(mkdir("", 0755));
    SAY(mkdir("none/x", 0755));
    SAY(mkdir("i/x", 0755));
    SAY(mkdir("loop1", 0755));
    SAY(mkdir("loop1/x", 0755));
    SAY(mkdir(g_long_name, 0755));
    SAY(mkdir(g_long_path, 0755));
    SAY(mkdir(BAD, 0755));
    SAY(mkdir("dir/.", 0755));
    SAY(mkdir("dir/..", 0755));
    SAY(mkdir("dir/new/", 0755));
    SAY(mkdir("dangling", 0755));
    SAY(mkdirat(-1, "x", 0755));
    SAY(mkdirat(1000, g_base, 0755));
    SAY(rmdir("dir"));
    SAY(rmdir("i"));
    SAY(rmdir("none"));
    SAY(rmdir(""));
    SAY(rmdir("."));
    SAY(rmdir(".."));
    SAY(rmdir("dir/new/."));
    SAY(rmdir("dir/new/.."));
    SAY(rmdir("i/x"));
    SAY(rmdir("loop1"));
    SAY(rmdir("loop1/x"));
    SAY(rmdir(g_long_name));
    SAY(rmdir(BAD));
    SAY(rmdir("dir/new/"));
    SAY(unlink("dir"));
    SAY(unlink("none"));
    SAY(unlink(""));
    SAY(unlink("i/x"));
    SAY(unlink("i/"));
    SAY(unlink("loop1/x"));
    SAY(unlink(g_long_name));
    SAY(unlink(g_long_path));
    SAY(unlink(BAD));
    SAY(unlink("."));
    SAY(unlinkat(AT_FDCWD, "dir", 0));
    SAY(unlinkat(AT_FDCWD, "i", AT_REMOVEDIR));
    SAY(unlinkat(AT_FDCWD, "i", 0x1));
    SAY(unlinkat(-1, "i", 0));
    SAY(link("none", "x"));
    SAY(link("dir", "x"));
    SAY(link("i", "d"));
    SAY(link("i", "i"));
    SAY(link("i", "none/x"));
    SAY(link("i", "d/x"));
    SAY(link("i/x", "x"));
    SAY(link("", "x"));
    SAY(link("i", ""));
    SAY(link("i", BAD));
    SAY(link(BAD, "x"));
    SAY(link("i", g_long_name));
    SAY(link(g_long_name, "x"));
    SAY(link("loop1/x", "x"));
    SAY(link("loop1", "loop3"));
    SAY(link("i", "new/"));
    SAY(linkat(AT_FDCWD, "loop1", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
    SAY(linkat(AT_FDCWD, "i", AT_FDCWD, "x", 0x1));
    SAY(linkat(-1, "i", AT_FDCWD, "x", 0));
    SAY(linkat(AT_FDCWD, "i", -1, "x", 0));
    SAY(rename("none", "x"));
    SAY(rename("i", "none/x"));
    SAY(rename("i", "dir"));
    SAY(rename("dir", "i"));
    SAY(rename("dir", "dir/x"));
    SAY(rename("dir", "dir"));
    SAY(rename("dir/f", "dir"));
    SAY(rename("dir", "dir/f"));
    SAY(rename("i", "i"));
    SAY(rename("i", "d/x"));
    SAY(rename("i/x", "x"));
    SAY(rename("", "x"));
    SAY(rename("i", ""));
    SAY(rename(".", "x"));
    SAY(rename("..", "x"));
    SAY(rename("dir", "."));
    SAY(rename("dir/.", "x"));
    SAY(rename("i", "x/"));
    SAY(rename("i/", "x"));
    SAY(rename("dir/", "dir2/"));
    SAY(rename("dir2", "dir"));
    SAY(rename("loop1/x", "x"));
    SAY(rename("i", "loop1/x"));
    SAY(rename(g_long_name, "x"));
    SAY(rename("i", g_long_name));
    SAY(rename("i", BAD));
    mkdir("full", 0755);
    mkdir("full/sub", 0755);
    mkdir("empty", 0755);
    SAY(rename("empty", "full"));
    SAY(rename("full", "empty"));
    SAY(rename("empty/sub", "."));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "i", AT_FDCWD, "d", RENAME_NOREPLACE));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "i", AT_FDCWD, "none", RENAME_EXCHANGE));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "i", AT_FDCWD, "d", RENAME_EXCHANGE | RENAME_NOREPLACE));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "i", AT_FDCWD, "d", RENAME_EXCHANGE | RENAME_WHITEOUT));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "i", AT_FDCWD, "d", 0x100));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "i", AT_FDCWD, "empty", RENAME_EXCHANGE));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "i", AT_FDCWD, "empty", RENAME_EXCHANGE));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "empty", AT_FDCWD, "empty/sub", RENAME_EXCHANGE));
    SAY(stat("i", BAD));
    SAY(stat("", &st));
    SAY(stat(BAD, &st));
    SAY(stat("loop1", &st));
    SAY(lstat("loop1/", &st));
    SAY(lstat("dangling/", &st));
    SAY(stat(g_long_name, &st));
    SAY(stat("i/.", &st));
    SAY(fstat(-1, &st));
    SAY(fstat(0, BAD));
    SAY(fstatat(AT_FDCWD, "i", &st, 0x4000));
    SAY(fstatat(-1, "i", &st, 0));
    SAY(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    SAY(statx(AT_FDCWD, "i", 0x4000000, STATX_ALL, &stx));
    SAY(statx(AT_FDCWD, "i", 0, 1u << 31, &stx));
    SAY(statx(AT_FDCWD, "i", 0, STATX_BASIC_STATS, &stx));
    SAY(stx.stx_mask & STATX_BASIC_STATS);
    SAY(statx(AT_FDCWD, "i", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &stx));
    SAY(statx(AT_FDCWD, "i", 0, STATX_ALL, BAD));
    SAY(statx(-1, "", AT_EMPTY_PATH, STATX_ALL, &stx));
    SAY(statx(AT_FDCWD, BAD, 0, STATX_ALL, &stx));
    SAY(chdir("i"));
    SAY(chdir("none"));
    SAY(chdir(""));
    SAY(chdir(BAD));
    SAY(chdir("loop1"));
    SAY(chdir(g_long_name));
    SAY(chdir(g_long_path));
    SAY(fchdir(-1));
    SAY(fchdir(0) < 0);
    SAY(syscall(SYS_getcwd, text, 0));
    SAY(syscall(SYS_getcwd, text, 1));
    SAY(syscall(SYS_getcwd, BAD, 4096));
    SAY(chmod("none", 0));
    SAY(chmod(BAD, 0));
    SAY(chmod("loop1", 0));
    SAY(chmod("i/x", 0));
    SAY(chmod(g_long_name, 0));
    SAY(fchmod(-1, 0));
    SAY(fchmodat(AT_FDCWD, "i", 0644, AT_SYMLINK_NOFOLLOW));
    SAY(syscall(452, AT_FDCWD, "i", 0644, 0x1));
    SAY(syscall(452, AT_FDCWD, "dangling", 0644, AT_SYMLINK_NOFOLLOW));
    SAY(chown("none", -1, -1));
    SAY(chown(BAD, -1, -1));
    SAY(chown("loop1", -1, -1));
    SAY(lchown("loop1", -1, -1));
    SAY(chown(g_long_name, -1, -1));
    SAY(fchown(-1, -1, -1));
    SAY(fchownat(AT_FDCWD, "i", -1, -1, 0x1));
    SAY(fchownat(AT_FDCWD, "", -1, -1, AT_EMPTY_PATH));
    SAY(utimes("none", NULL));
    SAY(syscall(SYS_utimes, "i", BAD));
    SAY(syscall(SYS_utimes, "i", (struct timeval[2]){{0, 1000000}, {0, 0}}));
    SAY(utimensat(AT_FDCWD, "i", NULL, 0x1));
    SAY(utimensat(-1, "i", NULL, 0));
    SAY(futimens(-1, NULL));
    SAY(syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0));
    SAY(syscall(SYS_futimesat, AT_FDCWD, NULL, NULL));
    SAY(access("i", 8));
    SAY(access("i", -1));
    SAY(access("none", F_OK));
    SAY(access("", F_OK));
    SAY(access(BAD, F_OK));
    SAY(access("loop1", F_OK));
    SAY(access("i/x", F_OK));
    SAY(access(g_long_name, F_OK));
    SAY(syscall(SYS_faccessat2, AT_FDCWD, "i", F_OK, 0x1));
    SAY(syscall(SYS_faccessat2, AT_FDCWD, "loop1", F_OK, AT_SYMLINK_NOFOLLOW));
    SAY(syscall(SYS_faccessat2, -1, "i", F_OK, 0));
    SAY(syscall(SYS_faccessat2, AT_FDCWD, "", F_OK, AT_EMPTY_PATH));
    SAY(mknod("i", S_IFIFO | 0600, 0));
    SAY(mknod("", S_IFIFO | 0600, 0));
    SAY(mknod("none/x", S_IFIFO | 0600, 0));
    SAY(mknod("i/x", S_IFIFO | 0600, 0));
    SAY(mknod("loop1/x", S_IFIFO | 0600, 0));
    SAY(mknod(g_long_name, S_IFIFO | 0600, 0));
    SAY(mknod(BAD, S_IFIFO | 0600, 0));
    SAY(mknod("node", 0160000 | 0600, 0));
    SAY(mknod("node", S_IFDIR | 0600, 0));
    SAY(mknod("node/", S_IFREG | 0600, 0));
    SAY(setxattr("i", "user.x", "v", 1, XATTR_REPLACE));
    SAY(setxattr("i", "user.x", "v", 1, XATTR_CREATE));
    SAY(setxattr("i", "user.x", "v", 1, XATTR_CREATE));
    SAY(setxattr("i", "user.x", "v", 1, 4));
    SAY(setxattr("i", "user.x", "v", 1, 3));
    SAY(setxattr("i", "user.x", g_text, 65537, 0));
    SAY(setxattr("i", "", "v", 1, 0));
    SAY(setxattr("i", g_long_name, "v", 1, 0));
    SAY(setxattr("i", "user.", "v", 1, 0));
    SAY(setxattr("i", "nothing.x", "v", 1, 0));
    SAY(setxattr("i", "user.x", BAD, 1, 0));
    SAY(setxattr("i", BAD, "v", 1, 0));
    SAY(setxattr("none", "user.x", "v", 1, 0));
    SAY(setxattr("i", "user.empty", NULL, 0, 0));
    SAY(getxattr("i", "user.x", text, 0));
    SAY(getxattr("i", "user.x", text, 1));
    SAY(getxattr("i", "user.empty", text, 1));
    SAY(getxattr("i", "user.none", text, 1));
    SAY(setxattr("i", "user.long", "value", 5, 0));
    SAY(getxattr("i", "user.long", text, 1));
    SAY(getxattr("i", "user.long", BAD, 10));
    SAY(listxattr("i", text, 1));
    SAY(listxattr("i", NULL, 0));
    SAY(listxattr("i", BAD, 100));
    SAY(removexattr("i", "user.none"));
    SAY(removexattr("i", "user.long"));
    SAY(removexattr("i", g_long_name));
    SAY(fgetxattr(-1, "user.x", text, 1));
    SAY(fsetxattr(-1, "user.x", text, 1, 0));
    SAY(flistxattr(-1, text, 1));
    SAY(fremovexattr(-1, "user.x"));
}

/* One file is one file whichever way one asks, by the old calls too. */
static void numbers(void)
{
    int fd = make("number", "x"), dir = open(".", O_RDONLY);
    struct stat by_fd, by_path, by_at;
    struct statx by_statx;
    SAY(syscall(SYS_fstat, fd, &by_fd));
    SAY(syscall(SYS_stat, "number", &by_path));
    SAY(syscall(SYS_newfstatat, dir, "number", &by_at, 0));
    SAY(statx(dir, "number", 0, STATX_ALL, &by_statx));
    SAY_TRUE(by_fd.st_dev == by_path.st_dev && by_fd.st_dev == by_at.st_dev &&
             by_fd.st_dev == makedev(by_statx.stx_dev_major, by_statx.stx_dev_minor));
    SAY_TRUE(by_fd.st_ino == by_path.st_ino && by_fd.st_ino == by_at.st_ino &&
             by_fd.st_ino == by_statx.stx_ino);
    SAY(syscall(SYS_fstat, dir, &by_fd));
    SAY(syscall(SYS_lstat, ".", &by_path));
    SAY_TRUE(by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino);
    close(fd);
    close(dir);
}

static void directories(void)
{
    struct {
        long ino, off;
        unsigned short size;
        char type, name[256];
    } entry;
    int dir = open("empty", O_RDONLY), file = open("i", O_RDONLY), gone;
    SAY(syscall(SYS_getdents64, dir, &entry, 5));
    SAY(syscall(SYS_getdents64, dir, &entry, 0));
    SAY(syscall(SYS_getdents64, dir, BAD, 1000));
    SAY(syscall(SYS_getdents64, file, &entry, sizeof entry));
    SAY(syscall(SYS_getdents64, -1, &entry, sizeof entry));
    SAY(syscall(SYS_getdents, file, &entry, sizeof entry));
    SAY(syscall(SYS_getdents64, dir, &entry, 24));
    SAY(lseek(dir, 0, SEEK_SET));
    SAY(lseek(dir, -1, SEEK_SET));
    mkdir("gone", 0755);
    gone = open("gone", O_RDONLY);
    rmdir("gone");
    SAY(syscall(SYS_getdents64, gone, &entry, sizeof entry));
    SAY(mkdirat(gone, "x", 0755));
    SAY(openat(gone, "x", O_CREAT | O_RDWR, 0600));
    SAY(openat(gone, ".", O_RDONLY) >= 0);
    SAY(symlinkat("x", gone, "x"));
    SAY(linkat(AT_FDCWD, "i", gone, "x", 0));
    SAY(renameat(AT_FDCWD, "i", gone, "x"));
    SAY(fchdir(gone));
    char cwd[PATH_MAX];
    SAY(syscall(SYS_getcwd, cwd, sizeof cwd) < 0 ? -1 : strncmp(cwd, "(unreachable)", 13) == 0);
    SAY(open("x", O_CREAT | O_RDWR, 0600));
    SAY(mkdir("x", 0700));
    SAY(open(".", O_RDONLY) >= 0);
    SAY(access("..", F_OK));
    struct stat st;
    SAY(fstat(gone, &st));
    SAY(st.st_nlink);
}

int main(int argc, char **argv)
{
    if (argc < 2 || chdir(argv[1]) < 0)
        return 1;
    g_base = argv[1];
    umask(022);
    mkdir("top", 0755);
    chdir("top");
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN);
    memset(g_long_name, 'n', sizeof g_long_name - 1);
    memset(g_long_path, '/', sizeof g_long_path - 1);
    opening();
    offsets();
    vectors();
    sending();
    descriptors();
    controls();
    names();
    numbers();
    directories();
    return 0;
}
