/* SPDX-License-Identifier: Apache-2.0 */
/* Files: opening, moving bytes, sizes, names that go while the file is open. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "oracle.h"

static char g_text[256];

static const char *content(const char *path)
{
    int fd = open(path, O_RDONLY);
    memset(g_text, 0, sizeof g_text);
    if (fd < 0)
        return strerrorname_np(errno);
    ssize_t n = read(fd, g_text, sizeof g_text - 1);
    close(fd);
    for (ssize_t i = 0; i < n; i++)
        if (g_text[i] == '\0')
            g_text[i] = '~';
    return g_text;
}

static void show(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        printf("%s: %s\n", path, strerrorname_np(errno));
    else
        printf("%s: mode %o links %lu size %ld uid %u gid %u\n", path, st.st_mode,
               (unsigned long)st.st_nlink, (long)st.st_size, st.st_uid, st.st_gid);
}

static void opening(void)
{
    T(open("a", O_RDONLY));
    T(open("a", O_CREAT | O_EXCL | O_RDWR, 0640));
    show("a");
    T(write(3, "hello world", 11));
    T(open("a", O_CREAT | O_EXCL | O_RDWR, 0640));
    T(open("a", O_DIRECTORY));
    T(open("a/", O_RDONLY));
    T(open("a/b", O_RDONLY));
    T(open(".", O_RDWR));
    T(open(".", O_RDONLY | O_CREAT, 0600));
    T(open("new/", O_CREAT | O_RDWR, 0600));
    T(open("none/new", O_CREAT | O_RDWR, 0600));
    T(open("", O_RDONLY));
    T(read(3, g_text, 4));
    T(lseek(3, 0, SEEK_SET));
    T(read(3, g_text, 5));
    printf("%.5s\n", g_text);
    T(dup(3));
    T(read(4, g_text, 6));
    printf("%.6s\n", g_text);
    T(lseek(3, 0, SEEK_CUR));
    T(fcntl(3, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    T(fcntl(3, F_SETFL, O_APPEND));
    T(fcntl(4, F_GETFL) & O_APPEND);
    T(pwrite(3, "!", 1, 0));
    printf("%s\n", content("a"));
    T(close(3));
    T(close(4));
    T(read(3, g_text, 1));
}

static void reading_and_writing(void)
{
    int fd = open("b", O_CREAT | O_RDWR | O_TRUNC, 0600);
    char one[] = "one", none[] = "", three[] = "three";
    struct iovec out[3] = {{one, 3}, {none, 0}, {three, 5}};
    struct iovec in[2] = {{g_text, 4}, {g_text + 100, 100}};
    T(writev(fd, out, 3));
    T(preadv(fd, in, 2, 1));
    printf("%.4s %.3s\n", g_text, g_text + 100);
    T(pwrite(fd, "far", 3, 10000));
    T(lseek(fd, 0, SEEK_END));
    T(pread(fd, g_text, 10, 9998));
    T(pread(fd, g_text, 10, 10003));
    T(pread(fd, g_text, 10, 20000));
    T(pread(fd, g_text, 10, -1));
    T(ftruncate(fd, 5));
    printf("%s\n", content("b"));
    T(ftruncate(fd, 9));
    printf("%s\n", content("b"));
    T(ftruncate(fd, -1));
    T(truncate("b", 2));
    T(truncate("none", 2));
    T(truncate(".", 2));
    show("b");
    T(lseek(fd, -1, SEEK_SET));
    T(lseek(fd, 0, 77));
    T(lseek(fd, 100, SEEK_SET));
    T(read(fd, g_text, 1));
    T(fallocate(fd, 0, 0, 4096));
    show("b");
    T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192));
    show("b");
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 1));
    T(pread(fd, g_text, 2, 0));
    printf("%d %d\n", g_text[0], g_text[1]);
    T(fallocate(fd, 0, 0, 0));
    T(fsync(fd));
    T(fdatasync(fd));
    close(fd);
    fd = open("b", O_WRONLY);
    T(read(fd, g_text, 1));
    T(write(fd, NULL, 0));
    close(fd);
    fd = open("b", O_RDONLY);
    T(write(fd, "x", 1));
    T(ftruncate(fd, 0));
    T(ioctl(fd, 0x5401, g_text));
    close(fd);
    fd = open("b", O_RDONLY | O_PATH);
    T(read(fd, g_text, 1));
    T(fchmod(fd, 0600));
    close(fd);
}

static void names(void)
{
    char path[64], link_text[256];
    int fd = open("gone", O_CREAT | O_RDWR, 0600);
    T(write(fd, "data", 4));
    T(unlink("gone"));
    T(unlink("gone"));
    struct stat st;
    T(fstat(fd, &st));
    printf("links %lu size %ld\n", (unsigned long)st.st_nlink, (long)st.st_size);
    T(pread(fd, g_text, 4, 0));
    T(link("a", "a2"));
    show("a");
    T(link("a", "a2"));
    T(link("none", "x"));
    T(link(".", "x"));
    T(rename("a2", "a"));
    show("a2");
    T(unlink("a2"));
    T(rename("a", "a3"));
    T(rename("none", "x"));
    T(rename("a3", "none/x"));
    close(fd);
    fd = open(".", O_TMPFILE | O_RDWR, 0600);
    T(write(fd, "unnamed", 7));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    T(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    printf("%s\n", content("named"));
    int again = open(path, O_RDONLY);
    T(read(again, g_text, 7));
    T(readlink("named", link_text, sizeof link_text));
    close(fd);
    close(again);
}

static void large(void)
{
    enum { SIZE = 3 << 20 };
    unsigned char *bytes = malloc(SIZE), *again = malloc(SIZE);
    unsigned seed = 7;
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
    int fd = open("large", O_CREAT | O_RDWR, 0600);
    T(write(fd, bytes, SIZE));
    T(pread(fd, again, SIZE, 0));
    T(memcmp(bytes, again, SIZE));
    for (int i = 0; i < 200; i++) {
        off_t at = (off_t)((seed = seed * 1103515245 + 12345) >> 8) % (SIZE - 5000);
        size_t size = (seed = seed * 1103515245 + 12345) >> 16 & 0xfff;
        memset(bytes + at, i, size);
        if (pwrite(fd, bytes + at, size, at) != (ssize_t)size)
            printf("short write\n");
    }
    T(pread(fd, again, SIZE, 0));
    T(memcmp(bytes, again, SIZE));
    close(fd);
    free(bytes);
    free(again);
}

int main(int argc, char **argv)
{
    umask(022);
    T(argc == 2 && chdir(argv[1]) == 0);
    opening();
    reading_and_writing();
    names();
    large();
    return 0;
}
