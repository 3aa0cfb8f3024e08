/* SPDX-License-Identifier: Apache-2.0 */
/* open(2), openat2(2) and what a descriptor opened in each way may do. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oracle.h"

static const char *g_base;
static char g_text[256];

/* Opens, says how it went and what F_GETFL answers, and closes. */
static long opened(long fd)
{
    if (fd < 0)
        return fd;
    int flags = fcntl((int)fd, F_GETFL);
    close((int)fd);
    return flags;
}

#define OPEN(...) T(opened(open(__VA_ARGS__)))

static long openat2_with(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return opened(syscall(SYS_openat2, dir, path, &how, sizeof how));
}

static void prepare(void)
{
    T(mkdir("d", 0755));
    T(mkdir("d/sub", 0755));
    T(symlink("file", "link"));
    T(symlink("d", "dirlink"));
    T(symlink("/etc/passwd", "absolute"));
    T(symlink("../file", "d/up"));
    T(symlink("../../../../../../../../etc/passwd", "d/far"));
    T(symlink("sub", "d/down"));
    T(symlink("self", "self"));
    T(symlink("nowhere", "dangling"));
    T(symlink("d/", "slashlink"));
    T(opened(open("file", O_CREAT | O_WRONLY, 0644)));
    T(opened(open("d/inner", O_CREAT | O_WRONLY, 0644)));
}

static void flags(void)
{
    OPEN("file", O_RDONLY);
    OPEN("file", O_WRONLY);
    OPEN("file", O_RDWR);
    OPEN("file", O_ACCMODE);
    OPEN("file", O_RDONLY | O_APPEND);
    OPEN("file", O_RDWR | O_APPEND | O_NONBLOCK);
    OPEN("file", O_RDWR | O_SYNC);
    OPEN("file", O_RDWR | O_DSYNC);
    OPEN("file", O_RDWR | O_DIRECT);
    OPEN("file", O_RDWR | O_NOATIME);
    OPEN("file", O_RDWR | O_NOCTTY);
    OPEN("file", O_RDWR | O_ASYNC);
    OPEN("file", O_RDONLY | O_CLOEXEC);
    OPEN("file", O_RDONLY | O_DIRECTORY);
    OPEN("file", O_RDONLY | O_NOFOLLOW);
    OPEN("file", O_RDONLY | O_TRUNC);
    OPEN("file", O_RDWR | O_CREAT, 0600);
    OPEN("file", O_RDWR | O_CREAT | O_EXCL, 0600);
    OPEN("file", O_RDWR | O_EXCL);
    OPEN("file", O_RDWR | O_CREAT | O_DIRECTORY, 0600);
    OPEN("absent", O_RDWR | O_CREAT | O_DIRECTORY, 0600);
    OPEN("absent", O_RDWR);
    OPEN("file", O_RDWR | 0x40000000);
    OPEN("file/", O_RDONLY);
    OPEN("file/.", O_RDONLY);
    OPEN("file/..", O_RDONLY);
    OPEN("d", O_RDONLY);
    OPEN("d", O_RDONLY | O_DIRECTORY);
    OPEN("d", O_WRONLY);
    OPEN("d", O_RDWR);
    OPEN("d", O_RDONLY | O_TRUNC);
    OPEN("d", O_RDONLY | O_CREAT, 0600);
    OPEN("d", O_RDONLY | O_CREAT | O_EXCL, 0600);
    OPEN("d/", O_RDONLY);
    OPEN("d/", O_RDWR | O_CREAT, 0600);
    OPEN("d/new/", O_RDWR | O_CREAT, 0600);
    OPEN("d/.", O_RDWR | O_CREAT, 0600);
    OPEN("d/..", O_RDONLY | O_CREAT | O_EXCL, 0600);
    OPEN(".", O_RDONLY);
    OPEN("..", O_PATH);
    OPEN("", O_RDONLY);
    OPEN("", O_RDONLY | O_CREAT, 0600);
    OPEN((char *)8, O_RDONLY);
    OPEN((char *)-1, O_RDONLY);
    T(opened(creat("created", 0640)));
    T(opened(creat("created", 0600)));
    T(opened(creat("d", 0600)));
    T(opened(creat("absent/x", 0600)));
    T(opened(creat("file/x", 0600)));
}

static void names(void)
{
    char name[4200];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    T(opened(open(name, O_CREAT | O_RDWR, 0600)));
    T(unlink(name));
    name[255] = 'n';
    name[256] = 0;
    T(opened(open(name, O_CREAT | O_RDWR, 0600)));
    T(opened(open(name, O_RDONLY)));
    T(access(name, F_OK));
    T(mkdir(name, 0700));
    T(symlink("x", name));
    T(rename("file", name));
    T(link("file", name));
    T(unlink(name));
    for (int i = 0; i < 2100; i++)
        memcpy(name + 2 * i, "./", 2);
    name[4095] = 0;
    T(opened(open(name, O_RDONLY)));
    name[4095] = '/';
    name[4096] = 0;
    T(opened(open(name, O_RDONLY)));
    name[4094] = 0;
    T(opened(open(name, O_RDONLY)));
    OPEN("\xff\xfe\x01", O_CREAT | O_RDWR, 0600);
    OPEN("a b\nc\\", O_CREAT | O_RDWR, 0600);
    T(unlink("\xff\xfe\x01"));
    T(unlink("a b\nc\\"));
    OPEN("./././/d//..//d/./sub/..//inner", O_RDONLY);
}

static void links(void)
{
    OPEN("link", O_RDONLY);
    OPEN("link", O_RDONLY | O_NOFOLLOW);
    OPEN("link", O_PATH | O_NOFOLLOW);
    OPEN("link", O_PATH);
    OPEN("link", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    OPEN("link/", O_RDONLY);
    OPEN("dirlink", O_RDONLY | O_NOFOLLOW);
    OPEN("dirlink", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    OPEN("dirlink/", O_RDONLY | O_NOFOLLOW);
    OPEN("dirlink/", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    OPEN("dirlink/inner", O_RDONLY | O_NOFOLLOW);
    OPEN("dirlink", O_PATH | O_DIRECTORY | O_NOFOLLOW);
    OPEN("self", O_RDONLY);
    OPEN("self/x", O_RDONLY);
    OPEN("self", O_RDONLY | O_CREAT, 0600);
    OPEN("self", O_PATH | O_NOFOLLOW);
    OPEN("dangling", O_RDONLY);
    OPEN("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600);
    OPEN("dangling", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
    OPEN("dangling", O_WRONLY | O_CREAT, 0600);
    T(access("nowhere", F_OK));
    T(unlink("nowhere"));
    OPEN("slashlink", O_RDONLY);
    OPEN("d/up", O_RDONLY);
    OPEN("d/down/../inner", O_RDONLY);
    OPEN("absolute", O_PATH | O_NOFOLLOW);
}

#define OPEN2(...) T(openat2_with(__VA_ARGS__))

static void resolve(void)
{
    int d = open("d", O_PATH | O_DIRECTORY);
    OPEN2(AT_FDCWD, "file", O_RDWR, 0, 0);
    OPEN2(AT_FDCWD, "file", O_RDWR, 0600, 0);
    OPEN2(AT_FDCWD, "made", O_RDWR | O_CREAT, 0600, 0);
    OPEN2(AT_FDCWD, "made", O_RDWR | O_CREAT, 010600, 0);
    OPEN2(AT_FDCWD, "made", O_RDWR | 0x40000000, 0, 0);
    OPEN2(AT_FDCWD, "made", O_RDWR | (1ull << 40), 0, 0);
    OPEN2(AT_FDCWD, "made", O_RDWR, 0, 0x40);
    OPEN2(AT_FDCWD, "made", O_PATH | O_RDWR, 0, 0);
    OPEN2(AT_FDCWD, "made", O_PATH | O_CLOEXEC, 0, 0);
    OPEN2(AT_FDCWD, "made", O_PATH | O_CREAT, 0600, 0);
    OPEN2(AT_FDCWD, "made", O_CREAT | O_DIRECTORY | O_RDWR, 0600, 0);
    OPEN2(d, "inner", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "sub/../inner", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "sub/../../d/inner", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "..", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "../file", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "up", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "down", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "far", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "/etc/passwd", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(AT_FDCWD, "absolute", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(AT_FDCWD, "d/up", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "brandnew", O_RDWR | O_CREAT | O_EXCL, 0600, RESOLVE_BENEATH);
    OPEN2(d, "brandnew", O_RDWR | O_CREAT | O_EXCL, 0600, RESOLVE_BENEATH);
    OPEN2(d, "/inner", O_RDONLY, 0, RESOLVE_IN_ROOT);
    OPEN2(d, "inner", O_RDONLY, 0, RESOLVE_IN_ROOT);
    OPEN2(d, "..", O_RDONLY, 0, RESOLVE_IN_ROOT);
    OPEN2(d, "../../inner", O_RDONLY, 0, RESOLVE_IN_ROOT);
    OPEN2(d, "up", O_RDONLY, 0, RESOLVE_IN_ROOT);
    OPEN2(d, "far", O_RDONLY, 0, RESOLVE_IN_ROOT);
    OPEN2(d, "/sub/../../../sub", O_RDONLY, 0, RESOLVE_IN_ROOT);
    T(symlink("/inner", "d/rooted"));
    OPEN2(d, "rooted", O_RDONLY, 0, RESOLVE_IN_ROOT);
    OPEN2(d, "rooted", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "rooted", O_RDONLY, 0, 0);
    OPEN2(AT_FDCWD, "/d/inner", O_RDONLY, 0, RESOLVE_IN_ROOT);
    OPEN2(d, "inner", O_RDONLY, 0, RESOLVE_IN_ROOT | RESOLVE_BENEATH);
    OPEN2(AT_FDCWD, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
    OPEN2(AT_FDCWD, "dirlink/inner", O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
    OPEN2(AT_FDCWD, "d/inner", O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
    OPEN2(AT_FDCWD, "link", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    OPEN2(AT_FDCWD, "link", O_RDONLY | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    OPEN2(AT_FDCWD, "link", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS);
    OPEN2(AT_FDCWD, "dirlink/inner", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS);
    OPEN2(AT_FDCWD, "d/inner", O_RDONLY, 0, RESOLVE_NO_XDEV);
    OPEN2(d, "up", O_RDONLY, 0, RESOLVE_NO_XDEV);
    OPEN2(d, "inner", O_RDONLY, 0, RESOLVE_NO_XDEV | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    OPEN2(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_XDEV);
    int file = open("file", O_RDONLY);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    OPEN2(AT_FDCWD, path, O_RDONLY, 0, 0);
    OPEN2(AT_FDCWD, path, O_RDONLY, 0, RESOLVE_NO_MAGICLINKS);
    OPEN2(AT_FDCWD, path, O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
    OPEN2(file, "x", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(99, "x", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(99, "/etc/passwd", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, "", O_RDONLY, 0, RESOLVE_BENEATH);
    OPEN2(d, ".", O_RDONLY, 0, RESOLVE_BENEATH);
    close(file);
    close(d);
}

static void sizes(void)
{
    struct {
        struct open_how how;
        uint64_t more[600];
    } big = {.how = {.flags = O_RDONLY}};
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", &big, 0)));
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", &big, 8)));
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", &big, 23)));
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", &big, 24)));
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", &big, 32)));
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", &big, 4096)));
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", &big, 4097)));
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", NULL, 24)));
    T(opened(syscall(SYS_openat2, AT_FDCWD, NULL, &big, 24)));
    big.more[3] = 1;
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", &big, 32)));
    T(opened(syscall(SYS_openat2, AT_FDCWD, "file", &big, 256)));
}

static void path_only(void)
{
    struct stat st;
    struct statfs fs;
    char path[64];
    int fd = open("file", O_PATH);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    T(read(fd, g_text, 1));
    T(write(fd, "x", 1));
    T(lseek(fd, 0, SEEK_SET));
    T(fstat(fd, &st));
    T(S_ISREG(st.st_mode));
    T(fstatfs(fd, &fs));
    T(ftruncate(fd, 0));
    T(fallocate(fd, 0, 0, 1));
    T(fsync(fd));
    T(fchmod(fd, 0600));
    T(fchown(fd, -1, -1));
    T(futimens(fd, NULL));
    T(fsetxattr(fd, "user.x", "1", 1, 0));
    T(fgetxattr(fd, "user.x", g_text, 1));
    T(flistxattr(fd, g_text, 1));
    T(fremovexattr(fd, "user.x"));
    T(fcntl(fd, F_GETFL));
    T(fcntl(fd, F_SETFL, O_APPEND));
    T(fcntl(fd, F_GETFD));
    T(fcntl(fd, F_SETFD, FD_CLOEXEC));
    T(fcntl(fd, F_GETFD));
    T(fcntl(fd, F_GETLK, &(struct flock){.l_type = F_RDLCK}));
    T(fcntl(fd, F_SETLEASE, F_RDLCK));
    T(opened(fcntl(fd, F_DUPFD, 0)));
    T(opened(open(path, O_RDWR)));
    T(opened(open(path, O_RDWR | O_DIRECTORY)));
    T(faccessat(fd, "", R_OK, AT_EMPTY_PATH));
    T(fchmodat(fd, "", 0640, AT_EMPTY_PATH));
    T(syscall(452, fd, "", 0640, AT_EMPTY_PATH));
    T(fchownat(fd, "", -1, -1, AT_EMPTY_PATH));
    T(utimensat(fd, "", NULL, AT_EMPTY_PATH));
    T(fstatat(fd, "", &st, AT_EMPTY_PATH));
    T(st.st_mode);
    T(readlinkat(fd, "", g_text, sizeof g_text));
    T(linkat(fd, "", AT_FDCWD, "by-descriptor", AT_EMPTY_PATH));
    T(unlink("by-descriptor"));
    T(fchdir(fd));
    T(openat(fd, "x", O_RDONLY));
    T(close(fd));
    fd = open("d", O_PATH);
    T(opened(openat(fd, "inner", O_RDONLY)));
    T(opened(openat(fd, ".", O_RDONLY | O_DIRECTORY)));
    T(syscall(SYS_getdents64, fd, g_text, sizeof g_text));
    T(fchdir(fd));
    T(access("inner", F_OK));
    T(chdir(g_base));
    T(close(fd));
    fd = open("link", O_PATH | O_NOFOLLOW);
    T(fstat(fd, &st));
    T(S_ISLNK(st.st_mode));
    T(readlinkat(fd, "", g_text, sizeof g_text));
    T(fchmod(fd, 0600));
    T(fchdir(fd));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    T(opened(open(path, O_RDONLY)));
    T(opened(open(path, O_PATH)));
    T(fchownat(fd, "", 1, 1, AT_EMPTY_PATH));
    T(fstatat(AT_FDCWD, "link", &st, AT_SYMLINK_NOFOLLOW));
    T(st.st_uid);
    T(linkat(fd, "", AT_FDCWD, "second-link", AT_EMPTY_PATH));
    T(readlink("second-link", g_text, sizeof g_text));
    T(close(fd));
    fd = open("file", O_PATH | O_CREAT | O_TRUNC | O_EXCL | O_RDWR | O_APPEND, 0600);
    T(opened(fd));
}

static void unnamed(void)
{
    char path[64];
    struct stat st;
    T(opened(open(".", O_TMPFILE | O_RDONLY, 0600)));
    T(opened(open("file", O_TMPFILE | O_RDWR, 0600)));
    T(opened(open("absent", O_TMPFILE | O_RDWR, 0600)));
    T(opened(open("d", O_TMPFILE | O_WRONLY, 0600)));
    T(opened(open("d", O_TMPFILE | O_RDWR | O_CREAT, 0600)));
    T(opened(open("d", O_TMPFILE | O_RDWR | O_EXCL, 0600)));
    int fd = open("d", O_TMPFILE | O_RDWR, 0604);
    T(fstat(fd, &st));
    T(st.st_nlink);
    T(st.st_mode);
    T(write(fd, "unnamed", 7));
    T(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
    T(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    T(linkat(AT_FDCWD, path, AT_FDCWD, "named2", AT_SYMLINK_FOLLOW));
    T(linkat(AT_FDCWD, path, AT_FDCWD, "named3", 0));
    T(fstat(fd, &st));
    T(st.st_nlink);
    T(close(fd));
    fd = open("d", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    T(linkat(fd, "", AT_FDCWD, "excluded", AT_EMPTY_PATH));
    T(close(fd));
    fd = open("doomed", O_CREAT | O_RDWR, 0600);
    T(unlink("doomed"));
    T(linkat(fd, "", AT_FDCWD, "risen", AT_EMPTY_PATH));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    T(linkat(AT_FDCWD, path, AT_FDCWD, "risen", AT_SYMLINK_FOLLOW));
    T(opened(open(path, O_RDWR)));
    T(close(fd));
}

int main(int argc, char **argv)
{
    umask(022);
    g_base = argc == 2 ? argv[1] : ".";
    T(chdir(g_base));
    prepare();
    flags();
    names();
    links();
    resolve();
    sizes();
    path_only();
    unnamed();
    return 0;
}
