/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is and how that changes: stat, statx, access, chmod, chown, times, truncate, umask,
 * statfs; setgid and sticky directories. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include "oracle.h"

static char g_text[8192];

static void show(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        printf("%s: %s\n", path, strerrorname_np(errno));
    else
        printf("%s: mode %o links %lu uid %u gid %u size %ld\n", path, st.st_mode,
               S_ISDIR(st.st_mode) ? 0 : (unsigned long)st.st_nlink, st.st_uid, st.st_gid,
               S_ISDIR(st.st_mode) ? 0 : (long)st.st_size);
}

static void times_of(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0)
        printf("%s: a %ld.%09ld m %ld.%09ld\n", path, (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
               (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void make(const char *path, mode_t mode)
{
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, mode);
    T(write(fd, "0123456789", 10));
    close(fd);
}

static void statting(void)
{
    struct stat st, st2;
    struct statx x;
    make("f", 0644);
    T(mkdir("d", 0755));
    T(symlink("f", "l"));
    int fd = open("f", O_RDWR);
    T(stat("f", &st));
    T(fstat(fd, &st2));
    T(st.st_ino == st2.st_ino && st.st_dev == st2.st_dev);
    T(st.st_blksize);
    T(st.st_blocks);
    T(st.st_rdev);
    T(stat("f", NULL));
    T(stat(NULL, &st));
    T(stat("", &st));
    T(stat("f/", &st));
    T(stat("l/", &st));
    T(lstat("l/", &st));
    T(lstat("l", &st));
    T(S_ISLNK(st.st_mode) ? st.st_size : -1);
    T(fstat(99, &st));
    T(fstat(fd, (struct stat *)8));
    T(fstatat(fd, "", &st, AT_EMPTY_PATH));
    T(fstatat(fd, "", &st, 0));
    T(fstatat(fd, "x", &st, 0));
    T(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    T(S_ISDIR(st.st_mode));
    T(fstatat(AT_FDCWD, "f", &st, 0x8000));
    T(fstatat(AT_FDCWD, "f", &st, AT_NO_AUTOMOUNT));
    T(fstatat(99, "f", &st, 0));
    T(syscall(SYS_newfstatat, fd, NULL, &st, AT_EMPTY_PATH));
    T(syscall(SYS_newfstatat, AT_FDCWD, "f", &st, 0x1000 | 0x8000));
    memset(&x, 0xee, sizeof x);
    T(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &x));
    T((x.stx_mask & (STATX_BASIC_STATS | STATX_BTIME)) == (STATX_BASIC_STATS | STATX_BTIME));
    T(x.stx_size);
    T(x.stx_nlink);
    T(x.stx_mode);
    T(x.stx_blksize);
    T(x.stx_btime.tv_sec > 1000000000);
    T(x.stx_ino == st2.st_ino);
    T(statx(AT_FDCWD, "f", 0, 0, &x));
    T(statx(AT_FDCWD, "f", 0, STATX_MNT_ID, &x));
    T((x.stx_mask & STATX_MNT_ID) != 0);
    T(x.stx_mnt_id != 0);
    T((x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0);
    T((x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0);
    T(statx(AT_FDCWD, "f", 0, 0x80000000u, &x));
    T(statx(AT_FDCWD, "f", 0x8000, STATX_SIZE, &x));
    T(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_SIZE, &x));
    T(statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_SIZE, &x));
    T(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &x));
    T(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x));
    T(S_ISLNK(x.stx_mode));
    T(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
    T(x.stx_size);
    T(syscall(SYS_statx, fd, NULL, AT_EMPTY_PATH, STATX_SIZE, &x));
    T(syscall(SYS_statx, AT_FDCWD, NULL, AT_EMPTY_PATH, STATX_SIZE, &x));
    T(S_ISDIR(x.stx_mode));
    T(statx(fd, "", 0, STATX_SIZE, &x));
    T(statx(AT_FDCWD, "f", 0, STATX_SIZE, NULL));
    T(statx(AT_FDCWD, "none", 0, STATX_SIZE, &x));
    close(fd);
}

static void accessing(void)
{
    T(access("f", F_OK));
    T(access("f", R_OK | W_OK));
    T(access("f", X_OK));
    T(access("f", 8));
    T(access("f/", F_OK));
    T(access("none", F_OK));
    T(access("d", X_OK));
    T(access("", F_OK));
    T(access(NULL, F_OK));
    T(faccessat(AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW));
    T(syscall(439, AT_FDCWD, "f", R_OK, 0x8000));
    T(syscall(439, AT_FDCWD, "f", R_OK, AT_EACCESS));
    T(syscall(439, AT_FDCWD, "", R_OK, AT_EMPTY_PATH));
    T(syscall(439, 99, "f", R_OK, 0));
}

static void modes(void)
{
    T(chmod("f", 0));
    show("f");
    T(open("f", O_RDWR) >= 0); /* root may */
    T(access("f", X_OK));
    T(chmod("f", 0100));
    T(access("f", X_OK));
    T(chmod("f", 07777));
    show("f");
    T(chmod("f", 010644));
    show("f");
    T(chmod("f", -1));
    show("f");
    T(chmod("l", 0640));
    show("f");
    show("l");
    T(chmod("none", 0600));
    T(chmod("f/", 0600));
    T(fchmod(99, 0600));
    T(syscall(SYS_fchmodat, AT_FDCWD, "f", 0611));
    T(syscall(452, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW));
    T(syscall(452, AT_FDCWD, "f", 0610, AT_SYMLINK_NOFOLLOW));
    T(syscall(452, AT_FDCWD, "f", 0610, 0x8000));
    T(syscall(452, AT_FDCWD, "", 0710, AT_EMPTY_PATH));
    T(syscall(452, AT_FDCWD, "", 0710, 0));
    show(".");
    T(chmod(".", 0755));
    int fd = open("f", O_RDONLY);
    T(fchmod(fd, 0644));
    T(syscall(452, fd, "", 0664, AT_EMPTY_PATH));
    show("f");
    close(fd);
    int mask = umask(0);
    T(mask);
    make("open", 07777);
    show("open");
    T(mkdir("open-d", 07777));
    show("open-d");
    T(umask(0777) == 0);
    make("closed", 0777);
    show("closed");
    T(umask(022));
}

static void owners(void)
{
    T(chown("f", 11, 22));
    show("f");
    T(chown("f", -1, 33));
    T(chown("f", 44, -1));
    show("f");
    T(chown("f", -1, -1));
    T(chown("l", 1, 2));
    show("f");
    show("l");
    T(lchown("l", 5, 6));
    show("l");
    T(chown("none", 1, 1));
    T(fchown(99, 1, 1));
    T(fchownat(AT_FDCWD, "l", 7, 8, AT_SYMLINK_NOFOLLOW));
    show("l");
    T(fchownat(AT_FDCWD, "l", 7, 8, 0x8000));
    T(fchownat(AT_FDCWD, "", 0, 0, 0));
    T(fchownat(AT_FDCWD, "", 0, 0, AT_EMPTY_PATH));
    T(chmod("f", 06755));
    T(chown("f", 0, 0));
    show("f");
    T(chmod("f", 06744));
    T(chown("f", 1, 1));
    show("f");
    T(chmod("d", 06755));
    T(chown("d", 3, 3));
    show("d");
    int fd = open("f", O_RDONLY);
    T(fchown(fd, 9, 9));
    show("f");
    close(fd);
    T(chown("f", 0, 0));
    T(chmod("f", 0644));
    /* Writing takes the set-user bit away from somebody who is not root only. */
    T(chmod("f", 06755));
    fd = open("f", O_WRONLY);
    T(write(fd, "x", 1));
    close(fd);
    show("f");
    T(truncate("f", 10));
    show("f");
    T(chmod("f", 0644));
}

#define SET(a_, an_, m_, mn_) \
    (struct timespec[2])      \
    {                         \
        {a_, an_},            \
        {                     \
            m_, mn_           \
        }                     \
    }

static void times(void)
{
    struct stat before, after;
    T(utimensat(AT_FDCWD, "f", SET(1, 2, 3, 4), 0));
    times_of("f");
    T(utimensat(AT_FDCWD, "f", SET(-5, 999999999, 0, 0), 0));
    times_of("f");
    T(utimensat(AT_FDCWD, "f", SET(0, UTIME_OMIT, 9, 9), 0));
    times_of("f");
    T(utimensat(AT_FDCWD, "f", SET(8, 8, 0, UTIME_OMIT), 0));
    times_of("f");
    T(utimensat(AT_FDCWD, "f", SET(0, UTIME_OMIT, 0, UTIME_OMIT), 0));
    T(utimensat(AT_FDCWD, "none", SET(0, UTIME_OMIT, 0, UTIME_OMIT), 0));
    T(utimensat(AT_FDCWD, "f", SET(0, 1000000000, 0, 0), 0));
    T(utimensat(AT_FDCWD, "f", SET(0, -1, 0, 0), 0));
    T(utimensat(AT_FDCWD, "f", SET(4000000000, 5, 4000000000, 6), 0));
    times_of("f");
    T(utimensat(AT_FDCWD, "l", SET(7, 7, 7, 7), AT_SYMLINK_NOFOLLOW));
    times_of("l");
    times_of("f");
    T(utimensat(AT_FDCWD, "f", SET(7, 7, 7, 7), 0x8000));
    T(utimensat(AT_FDCWD, "", SET(7, 7, 7, 7), 0));
    T(utimensat(AT_FDCWD, "d", SET(6, 6, 6, 6), 0));
    times_of("d");
    T(utimensat(AT_FDCWD, "f", (void *)8, 0));
    T(syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0));
    T(syscall(SYS_utimensat, 99, NULL, NULL, 0));
    int fd = open("f", O_RDONLY);
    T(futimens(fd, SET(10, 10, 20, 20)));
    times_of("f");
    T(syscall(SYS_utimensat, fd, NULL, SET(1, 1, 1, 1), AT_SYMLINK_NOFOLLOW));
    T(utimensat(fd, "", SET(11, 11, 21, 21), AT_EMPTY_PATH));
    times_of("f");
    T(futimens(fd, NULL));
    T(fstat(fd, &after));
    T(after.st_mtim.tv_sec > 1000000000 && after.st_atim.tv_sec > 1000000000);
    close(fd);
    T(utimes("f", (struct timeval[2]){{1, 2}, {3, 4}}));
    times_of("f");
    T(utimes("f", (struct timeval[2]){{1, 1000000}, {3, 4}}));
    T(utimes("none", NULL));
    T(lutimes("l", (struct timeval[2]){{1, 2}, {3, 4}}));
    times_of("l");
    T(syscall(SYS_utime, "f", &(struct utimbuf){100, 200}));
    times_of("f");
    T(syscall(SYS_utime, "f", NULL));
    T(syscall(SYS_futimesat, AT_FDCWD, "f", (struct timeval[2]){{1, 2}, {3, 4}}));
    times_of("f");
    /* What moves which time. */
    T(utimensat(AT_FDCWD, "f", SET(1, 0, 1, 0), 0));
    T(stat("f", &before));
    T(chmod("f", 0600));
    T(stat("f", &after));
    T(after.st_mtim.tv_sec);
    T(after.st_ctim.tv_sec >= before.st_ctim.tv_sec);
    fd = open("f", O_RDWR);
    T(write(fd, "", 0));
    T(fstat(fd, &after));
    T(after.st_mtim.tv_sec);
    T(write(fd, "w", 1));
    T(fstat(fd, &after));
    T(after.st_mtim.tv_sec > 1);
    T(futimens(fd, SET(1, 0, 1, 0)));
    T(ftruncate(fd, 10));
    T(fstat(fd, &after));
    T(after.st_mtim.tv_sec > 1);
    T(futimens(fd, SET(1, 0, 1, 0)));
    T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20));
    T(fstat(fd, &after));
    T(after.st_mtim.tv_sec > 1);
    close(fd);
    T(utimensat(AT_FDCWD, "f", SET(1, 0, 1, 0), 0));
    T(truncate("f", 10));
    T(stat("f", &after));
    T(after.st_mtim.tv_sec > 1);
    T(utimensat(AT_FDCWD, "f", SET(1, 0, 1, 0), 0));
    close(open("f", O_WRONLY | O_TRUNC));
    T(stat("f", &after));
    T(after.st_mtim.tv_sec > 1);
    T(utimensat(AT_FDCWD, "f", SET(1, 0, 1, 0), 0));
    close(open("f", O_WRONLY | O_TRUNC)); /* of an empty file as well */
    T(stat("f", &after));
    T(after.st_mtim.tv_sec > 1);
    T(utimensat(AT_FDCWD, "d", SET(1, 0, 1, 0), 0));
    make("d/x", 0600);
    T(stat("d", &after));
    T(after.st_mtim.tv_sec > 1);
    T(utimensat(AT_FDCWD, "d", SET(1, 0, 1, 0), 0));
    make("d/x", 0600);
    T(stat("d", &after));
    T(after.st_mtim.tv_sec);
    T(rename("d/x", "d/y"));
    T(stat("d", &after));
    T(after.st_mtim.tv_sec > 1);
    T(utimensat(AT_FDCWD, "d", SET(1, 0, 1, 0), 0));
    T(unlink("d/y"));
    T(stat("d", &after));
    T(after.st_mtim.tv_sec > 1);
}

/* Volumes keep no times of access but those that are set (as with noatime). */
static void access_times(void)
{
    struct stat st;
    make("a", 0600);
    T(utimensat(AT_FDCWD, "a", SET(1, 0, 2, 0), 0));
    int fd = open("a", O_RDONLY | O_NOATIME);
    T(read(fd, g_text, 1));
    T(fstat(fd, &st));
    T(st.st_atim.tv_sec);
    close(fd);
    fd = open("a", O_RDONLY);
    T(pread(fd, g_text, 0, 0));
    T(fstat(fd, &st));
    T(st.st_atim.tv_sec);
    T(futimens(fd, SET(st.st_ctim.tv_sec + 1000, 0, 2, 0)));
    T(read(fd, g_text, 1));
    time_t now = st.st_ctim.tv_sec;
    T(fstat(fd, &st));
    T(st.st_atim.tv_sec >= now + 1000);
    close(fd);
}

static void truncating(void)
{
    make("t", 0600);
    T(truncate("t", 5));
    show("t");
    T(truncate("t", 5000000000));
    show("t");
    T(truncate("t", 0));
    T(truncate("t", -1));
    T(truncate("none", 0));
    T(truncate("d", 0));
    T(truncate("t/", 0));
    T(truncate("", 0));
    T(truncate(NULL, 0));
    int fd = open("t", O_RDONLY);
    T(ftruncate(fd, 3));
    T(ftruncate(99, 3));
    close(fd);
    fd = open("t", O_WRONLY | O_APPEND);
    T(ftruncate(fd, 3));
    T(ftruncate(fd, 0x7fffffffffffffff));
    close(fd);
    show("t");
}

static void file_systems(void)
{
    struct statfs fs;
    struct statvfs vfs;
    T(statfs("f", &fs));
    T(fs.f_type);
    T(fs.f_bsize);
    T(fs.f_namelen);
    T(fs.f_blocks > 0 && fs.f_bfree <= fs.f_blocks && fs.f_bavail <= fs.f_bfree);
    T(fs.f_files > 0 && fs.f_ffree <= fs.f_files);
    T(statfs("none", &fs));
    T(statfs("f/", &fs));
    T(statfs("f", NULL));
    T(fstatfs(99, &fs));
    int fd = open("d", O_RDONLY);
    T(fstatfs(fd, &fs));
    T(syncfs(fd));
    T(fsync(fd));
    close(fd);
    T(syncfs(99));
    T(statvfs("f", &vfs));
    T(vfs.f_frsize);
    sync();
}

static void inheriting(void)
{
    T(mkdir("sg", 0755));
    T(chown("sg", 100, 200));
    T(chmod("sg", 02777));
    make("sg/f", 0644);
    T(mkdir("sg/d", 0755));
    T(symlink("x", "sg/l"));
    T(mknod("sg/p", S_IFIFO | 0600, 0));
    show("sg/f");
    show("sg/d");
    show("sg/l");
    show("sg/p");
    T(mkdir("st", 0777));
    T(chmod("st", 01777));
    make("st/roots", 0666);
    T(chmod("st/roots", 0666));
    make("st/his", 0600);
    T(chown("st/his", 12345, 12345));
    T(mkdir("st/mine", 0777));
    T(chown("st/mine", 54321, 54321));
    make("sg/exec", 0777);
    T(chmod("sg/exec", 02777));
    T(chmod("sg/f", 0777));
    if (fork() == 0) {
        struct stat st;
        T(setgid(12345));
        T(setuid(12345));
        T(unlink("st/roots"));
        T(rename("st/roots", "st/r"));
        T(rename("st/his", "st/roots"));
        T(rename("st/his", "st/hers"));
        T(unlink("st/hers"));
        T(rmdir("st/mine"));
        make("sg/his", 0640);
        show("sg/his");
        T(chmod("sg/his", 02755)); /* not in the group: the bit goes */
        show("sg/his");
        T(chown("sg/his", -1, 12345));
        T(chmod("sg/his", 06755));
        show("sg/his");
        int fd = open("sg/his", O_WRONLY);
        T(write(fd, "x", 1));
        T(close(fd));
        show("sg/his");
        T(chmod("sg/his", 06755));
        T(truncate("sg/his", 1));
        show("sg/his");
        T(chown("sg/his", 12345, 0));
        T(chown("sg/his", 0, -1));
        T(chown("sg/his", -1, -1));
        T(chown("f", -1, -1));
        T(chmod("f", 0777));
        T(utimensat(AT_FDCWD, "f", SET(1, 1, 1, 1), 0));
        T(utimensat(AT_FDCWD, "f", NULL, 0));
        T(utimensat(AT_FDCWD, "sg/f", NULL, 0));
        T(utimensat(AT_FDCWD, "sg/f", SET(0, UTIME_NOW, 0, UTIME_NOW), 0));
        T(utimensat(AT_FDCWD, "sg/f", SET(0, UTIME_NOW, 0, UTIME_OMIT), 0));
        T(utimensat(AT_FDCWD, "sg/f", SET(1, 1, 1, 1), 0));
        T(truncate("f", 0));
        T(mkdir("no", 0700));
        T(mknod("sg/chr", S_IFCHR | 0600, 0x103));
        T(mknod("sg/fifo", S_IFIFO | 0600, 0));
        T(open("sg/f", O_RDONLY | O_NOATIME));
        T(open("sg/his", O_RDONLY | O_NOATIME) >= 0);
        T(link("sg/f", "sg/f2"));
        T(stat("closed", &st));
        T(access("closed", R_OK));
        T(open("closed", O_RDONLY));
        T(open("closed", O_PATH) >= 0);
        T(chdir("open-d"));
        T(syscall(SYS_chroot, "."));
        _exit(0);
    }
    int status;
    T(wait(&status) > 0 && status == 0);
}

int main(int argc, char **argv)
{
    umask(022);
    T(chdir(argc == 2 ? argv[1] : "."));
    T(chmod(".", 0755));
    statting();
    accessing();
    modes();
    owners();
    times();
    access_times();
    truncating();
    file_systems();
    inheriting();
    return 0;
}
