/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and plain files, in the directory that argv[1] names. */
#include "say.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

static void transfer(int fd)
{
    char buffer[64];
    struct iovec out[2] = {{"hello ", 6}, {"world\n", 6}}, in[2] = {{buffer, 3}, {buffer + 3, 60}};
    SAY(writev(fd, out, 2));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(readv(fd, in, 2));
    SAY(memcmp(buffer, "hello world\n", 12));
    SAY(pread(fd, buffer, 5, 6));
    SAY(pwrite(fd, "WORLD", 5, 6));
    SAY(pread(fd, buffer, 64, 100));
    SAY(lseek(fd, -1, SEEK_SET));
    SAY(read(fd, (void *)8, 4));
    SAY(write(fd, (void *)8, 4));
    SAY(ftruncate(fd, 20000));
    SAY(lseek(fd, 0, SEEK_END));
    SAY(fsync(fd));
    SAY(fdatasync(fd));
    SAY(posix_fallocate(fd, 0, 30000));
}

static void duplicates(int fd)
{
    int copy;
    struct rlimit limit;
    SAY(copy = dup(fd));
    SAY(lseek(copy, 3, SEEK_SET));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(dup2(fd, 20));
    SAY(dup2(fd, fd));
    SAY(dup3(fd, fd, 0));
    SAY(dup3(fd, 21, O_CLOEXEC));
    SAY(fcntl(21, F_GETFD));
    SAY(fcntl(20, F_GETFD));
    SAY(fcntl(fd, F_DUPFD, 30));
    SAY(fcntl(fd, F_GETFL) & O_ACCMODE);
    SAY(close(copy));
    SAY(close(copy));
    SAY(close_range(20, 40, 0));
    SAY(fcntl(21, F_GETFD));
    SAY(close(-1));
    SAY(close(1023));
    SAY(getrlimit(RLIMIT_NOFILE, &limit));
    SAY_TRUE(limit.rlim_cur <= limit.rlim_max);
    limit.rlim_cur = 3000;
    SAY(setrlimit(RLIMIT_NOFILE, &limit));
    int opened = 0, usable = 0, many[2000];
    for (int i = 0; i < 2000; i++) { /* every descriptor that is given is the guest's */
        many[i] = dup(fd);
        opened += many[i] >= 0;
        usable += fcntl(many[i], F_GETFD) == 0;
    }
    SAY(opened);
    SAY(usable);
    for (int i = 0; i < 2000; i++)
        close(many[i]);
}

static void mapped(int fd)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    SAY_TRUE(p != MAP_FAILED);
    memcpy(p, "mapped", 6);
    SAY(msync(p, 8192, MS_SYNC));
    char buffer[8] = {0};
    SAY(pread(fd, buffer, 6, 0));
    SAY(strcmp(buffer, "mapped"));
    SAY(munmap(p, 8192));
}

static void names(void)
{
    struct stat s;
    char text[64];
    SAY(mkdir("d", 0755));
    SAY(mkdir("d", 0755));
    SAY(rename("f", "d/g"));
    SAY(stat("f", &s));
    SAY(stat("d/g", &s));
    SAY(s.st_size);
    SAY(symlink("d/g", "l"));
    SAY(lstat("l", &s));
    SAY_TRUE(S_ISLNK(s.st_mode));
    SAY(readlink("l", text, sizeof text));
    SAY(link("d/g", "h"));
    SAY(stat("h", &s));
    SAY(s.st_nlink);
    SAY(access("h", W_OK));
    SAY(chmod("h", 0400));
    SAY(rmdir("d"));
    SAY(unlink("h") + unlink("l") + unlink("d/g"));
    SAY(rmdir("d"));
    SAY(open("none", O_RDONLY));
    SAY(open((char *)8, O_RDONLY));
    SAY(open("", O_RDONLY));
}

int main(int argc, char **argv)
{
    int fd, other;
    if (argc < 2 || chdir(argv[1]) < 0)
        return 2;
    SAY(fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0644));
    transfer(fd);
    duplicates(fd);
    mapped(fd);
    SAY(flock(fd, LOCK_EX | LOCK_NB));
    struct flock lock = {.l_type = F_WRLCK};
    SAY(fcntl(fd, F_SETLK, &lock));
    SAY(other = open("copy", O_RDWR | O_CREAT, 0600));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(sendfile(other, fd, NULL, 12));
    loff_t from = 0;
    SAY(copy_file_range(fd, &from, other, NULL, 8, 0));
    SAY(lseek(other, 0, SEEK_CUR));
    SAY(close(other));
    SAY(unlink("copy"));
    names();
    SAY(close(fd));
    return 0;
}
