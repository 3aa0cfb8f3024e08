/* SPDX-License-Identifier: Apache-2.0 */
/* A file that the runtime has verified and holds in memory is like one on a read-only mount. */
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oracle.h"

static char g_text[256];
static const char *g_path;

static int lock_as(int fd, int command, short type)
{
    struct flock want = {.l_type = type};
    int r = fcntl(fd, command, &want);
    return r < 0 ? r : want.l_type;
}

static void by_path(void)
{
    struct stat st;
    struct statfs fs;
    struct statx x;
    T(access(g_path, R_OK));
    T(access(g_path, W_OK));
    T(stat(g_path, &st));
    T(st.st_size);
    T(S_ISREG(st.st_mode));
    T(st.st_nlink);
    T(lstat(g_path, &st));
    T(statx(AT_FDCWD, g_path, 0, STATX_ALL, &x));
    T(x.stx_size);
    T(open(g_path, O_RDWR));
    T(open(g_path, O_WRONLY));
    T(open(g_path, O_RDONLY | O_TRUNC));
    T(open(g_path, O_CREAT | O_EXCL | O_RDWR, 0600));
    T(open(g_path, O_RDONLY | O_DIRECTORY));
    T(statfs(g_path, &fs));
    T((fs.f_flags & ST_RDONLY) != 0);
    T(chmod(g_path, 0600));
    T(chown(g_path, 1, 1));
    T(truncate(g_path, 0));
    T(unlink(g_path));
    T(utimensat(AT_FDCWD, g_path, NULL, 0));
    T(mkdir(g_path, 0700));
    T(symlink("x", g_path));
    T(mknod(g_path, S_IFREG, 0));
    T(readlink(g_path, g_text, 10));
    T(chdir(g_path));
    snprintf(g_text, sizeof g_text, "%s/x", g_path);
    T(open(g_text, O_RDONLY));
    T(getxattr(g_path, "user.x", g_text, 10));
    T(listxattr(g_path, g_text, 100));
    T(setxattr(g_path, "user.x", g_text, 1, 0));
}

static void by_descriptor(void)
{
    struct stat st;
    struct statfs fs;
    int fd = open(g_path, O_RDONLY | O_NOFOLLOW), left;
    T(read(fd, g_text, 5));
    T(ioctl(fd, FIONREAD, &left));
    T(left);
    T(lseek(fd, 0, SEEK_CUR));
    T(lseek(fd, 0, SEEK_END));
    T(lseek(fd, 0, SEEK_DATA));
    T(lseek(fd, 0, SEEK_HOLE));
    T(pread(fd, g_text, 5, 1));
    T(pread(fd, g_text, 5, 1000));
    T(write(fd, "x", 1));
    T(pwrite(fd, "x", 1, 0));
    T(ftruncate(fd, 0));
    T(fallocate(fd, 0, 0, 1));
    T(fsync(fd));
    T(fchmod(fd, 0600));
    T(fchown(fd, 0, 0));
    T(futimens(fd, NULL));
    T(fgetxattr(fd, "user.x", g_text, 10));
    T(fsetxattr(fd, "user.x", g_text, 1, 0));
    T(flistxattr(fd, g_text, 100));
    T(flock(fd, LOCK_SH));
    T(flock(fd, LOCK_EX | LOCK_NB));
    T(flock(fd, LOCK_UN));
    T(lock_as(fd, F_GETLK, F_WRLCK));
    T(lock_as(fd, F_SETLK, F_RDLCK));
    T(lock_as(fd, F_SETLKW, F_UNLCK));
    T(lock_as(fd, F_SETLK, F_WRLCK));
    T(lock_as(fd, F_OFD_SETLK, F_RDLCK));
    T(lock_as(fd, F_SETLK, 9));
    T(fcntl(fd, F_GETFL) & O_ACCMODE);
    T(fstatfs(fd, &fs));
    T((fs.f_flags & ST_RDONLY) != 0);
    T(ioctl(fd, 0x5401, g_text));
    T(poll(&(struct pollfd){fd, POLLIN | POLLOUT, 0}, 1, 0));
    T(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    T(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
    T(mmap(NULL, 4096, PROT_WRITE | PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
    T(mmap(NULL, 4096, PROT_WRITE | PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    int pipes[2];
    off_t at = 0;
    T(pipe(pipes));
    T(sendfile(pipes[1], fd, &at, 5));
    T(splice(fd, &at, pipes[1], NULL, 3, 0));
    T(copy_file_range(fd, NULL, fd, NULL, 1, 0));
    T(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
    T(readahead(fd, 0, 10));
    T(syscall(SYS_getdents64, fd, g_text, 100));
    int only = open(g_path, O_PATH);
    T(only >= 0);
    T(fstat(only, &st));
    T(read(only, g_text, 1));
    T(fchmod(only, 0600));
    T(fcntl(only, F_GETFL));
    snprintf(g_text, sizeof g_text, "/proc/self/fd/%d", fd);
    T(open(g_text, O_RDWR));
    T(open(g_text, O_RDONLY) >= 0);
    T(readlink(g_text, g_text + 100, 100) == (ssize_t)strlen(g_path));
}

int main(int argc, char **argv)
{
    g_path = argc == 2 ? argv[1] : "/etc/hostname";
    by_path();
    by_descriptor();
    return 0;
}
