/* SPDX-License-Identifier: Apache-2.0 */
/* Directories, links, attributes: who finds what under which name. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oracle.h"

static const char *g_base;

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void list(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, by_name);
    printf("%s:", path);
    if (count < 0)
        printf(" %s", strerrorname_np(errno));
    for (int i = 0; i < count; i++)
        printf(" %s/%d", entries[i]->d_name, entries[i]->d_type);
    printf("\n");
}

static void show(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        printf("%s: %s\n", path, strerrorname_np(errno));
    else
        printf("%s: mode %o links %lu uid %u gid %u\n", path, st.st_mode,
               S_ISDIR(st.st_mode) ? 0 : (unsigned long)st.st_nlink, st.st_uid, st.st_gid);
}

/* The working directory without what differs between a native and a shielded run. */
static void where(void)
{
    char cwd[4096];
    if (!getcwd(cwd, sizeof cwd))
        printf("cwd %s\n", strerrorname_np(errno));
    else if (strncmp(cwd, g_base, strlen(g_base)) == 0)
        printf("cwd BASE%s\n", cwd + strlen(g_base));
    else
        printf("cwd elsewhere\n");
}

static void making(void)
{
    T(mkdir("d", 0755));
    T(mkdir("d", 0755));
    T(mkdir("d/", 0755));
    T(mkdir("none/d", 0755));
    T(mkdir("d/e/", 0700));
    T(mkdir("d/e/f", 07777));
    T(mkdir(".", 0755));
    T(mkdir("d/..", 0755));
    show("d/e/f");
    T(rmdir("d/e"));
    T(rmdir("d/e/."));
    T(rmdir("d/e/.."));
    T(rmdir("none"));
    T(creat("d/file", 0666));
    T(rmdir("d/file"));
    T(unlink("d/e"));
    T(mknod("d/fifo", S_IFIFO | 0600, 0));
    T(mknod("d/plain", S_IFREG | 0600, 0));
    T(mknod("d/plain", S_IFREG | 0600, 0));
    T(mknod("d/dir", S_IFDIR | 0700, 0));
    show("d/fifo");
    list("d");
    list(".");
    list("none");
    list("d/file");
    T(close(3));
}

static void linking(void)
{
    char text[64];
    T(symlink("d/file", "s"));
    T(symlink("x", "s"));
    T(symlink("", "s2"));
    T(symlink("loop2", "loop1"));
    T(symlink("loop1", "loop2"));
    T(symlink("nowhere", "dangling"));
    T(symlink("d/", "sd"));
    memset(text, 0, sizeof text);
    T(readlink("s", text, sizeof text));
    printf("%s\n", text);
    T(readlink("s", text, 3));
    T(readlink("d", text, sizeof text));
    T(open("loop1", O_RDONLY));
    T(open("s", O_NOFOLLOW | O_RDONLY));
    T(open("dangling", O_RDONLY));
    T(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0600));
    T(open("dangling", O_CREAT | O_RDWR, 0600));
    T(close(3));
    show("nowhere");
    show("dangling");
    list("sd");
    T(mkdir("sd/viasd", 0700));
    T(rmdir("sd"));
    T(rmdir("d/viasd"));
    T(unlink("sd/"));
    T(open("s/x", O_RDONLY));
    T(access("s", F_OK));
    T(access("loop1", F_OK));
    T(faccessat(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
    T(rename("s", "s-renamed"));
    show("s-renamed");
    T(link("s-renamed", "s-hard"));
    show("s-hard");
}

static void renaming(void)
{
    T(mkdir("r1", 0700));
    T(mkdir("r2", 0700));
    T(mkdir("r2/sub", 0700));
    T(rename("r1", "r2"));
    T(rename("r2", "r2/sub/x"));
    T(rename("r1", "d/file"));
    T(rename("d/file", "r1"));
    T(rename("r2/sub", "r1"));
    list("r2");
    T(rename("r1", "."));
    T(rename(".", "x"));
    T(rename("r1/", "r3/"));
    T(rename("d/file", "r4/"));
    T(renameat2(AT_FDCWD, "d/file", AT_FDCWD, "r3", RENAME_NOREPLACE));
    T(renameat2(AT_FDCWD, "d/file", AT_FDCWD, "r3", RENAME_EXCHANGE));
    show("r3");
    show("d/file");
    T(renameat2(AT_FDCWD, "d/file", AT_FDCWD, "r3", RENAME_EXCHANGE));
    T(rename("d/file", "d/file"));
}

static void moving_about(void)
{
    int d = open("d", O_RDONLY | O_DIRECTORY);
    T(mkdirat(d, "at", 0700));
    T(openat(d, "at/new", O_CREAT | O_RDWR, 0600));
    T(close(4));
    T(faccessat(d, "../d/./at//new", R_OK, 0));
    T(fchdir(d));
    where();
    T(chdir("at"));
    where();
    T(chdir(".."));
    where();
    T(chdir("file"));
    T(chdir("none"));
    T(chdir(".."));
    where();
    T(unlinkat(d, "at", 0));
    T(unlinkat(d, "at/new", 0));
    T(unlinkat(d, "at", AT_REMOVEDIR));
    T(unlinkat(d, "x", 99));
    T(openat(d, g_base, O_RDONLY | O_DIRECTORY));
    T(close(4));
    T(openat(99, "x", O_RDONLY));
    T(close(d));
    int file = open("d/file", O_RDONLY);
    T(openat(file, "x", O_RDONLY));
    T(fchdir(file));
    T(close(file));
    T(mkdir("doomed", 0700));
    T(chdir("doomed"));
    T(rmdir("../doomed"));
    T(creat("x", 0600));
    T(chdir(g_base));
}

static void attributes(void)
{
    struct stat st;
    struct timespec times[2] = {{1000, 1}, {2000, 2}};
    char value[16];
    T(chmod("d/file", 06755));
    show("d/file");
    T(chown("d/file", 3, 4));
    show("d/file");
    T(lchown("dangling", 5, 6));
    show("dangling");
    T(chmod("dangling", 0600));
    T(chmod("none", 0600));
    T(utimensat(AT_FDCWD, "d/file", times, 0));
    T(stat("d/file", &st));
    printf("%ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
           (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = 3000;
    T(utimensat(AT_FDCWD, "d/file", times, 0));
    T(stat("d/file", &st));
    printf("%ld %ld\n", (long)st.st_atim.tv_sec, (long)st.st_mtim.tv_sec);
    times[0].tv_nsec = 2000000000;
    T(utimensat(AT_FDCWD, "d/file", times, 0));
    T(setxattr("d/file", "user.one", "1", 1, 0));
    T(setxattr("d/file", "user.one", "22", 2, XATTR_CREATE));
    T(setxattr("d/file", "user.two", "22", 2, XATTR_REPLACE));
    T(setxattr("d/file", "user.one", "333", 3, XATTR_REPLACE));
    T(getxattr("d/file", "user.one", value, sizeof value));
    T(getxattr("d/file", "user.one", value, 1));
    T(getxattr("d/file", "user.one", NULL, 0));
    T(getxattr("d/file", "user.none", value, sizeof value));
    T(getxattr("d/file", "what", value, sizeof value));
    T(listxattr("d/file", value, sizeof value));
    T(removexattr("d/file", "user.one"));
    T(removexattr("d/file", "user.one"));
    T(umask(077));
    T(creat("masked", 0666));
    show("masked");
    T(close(3));
    T(mkdir("masked-dir", 0777));
    show("masked-dir");
    T(chmod("masked-dir", 02775));
    T(mkdir("masked-dir/inherits", 0700));
    show("masked-dir/inherits");
    T(umask(022));
    struct statfs fs;
    T(statfs(".", &fs));
    T(fs.f_namelen);
}

/* As somebody who is not root. */
static void permissions(void)
{
    T(chmod(g_base, 0755));
    T(mkdir("closed", 0700));
    T(creat("closed/in", 0666));
    T(creat("readable", 0644));
    T(mkdir("sticky", 0777));
    T(chmod("sticky", 01777));
    T(creat("sticky/roots", 0666));
    T(mkdir("open", 0777));
    T(chmod("open", 0777));
    if (setgid(12345) != 0 || setuid(12345) != 0) {
        printf("not root\n");
        return;
    }
    T(open("closed/in", O_RDONLY));
    T(stat("closed/in", (struct stat[1]){{0}}));
    T(chdir("closed"));
    T(open("readable", O_RDWR));
    T(access("readable", W_OK));
    T(access("readable", R_OK));
    T(unlink("readable"));
    T(unlink("sticky/roots"));
    T(rename("sticky/roots", "sticky/mine"));
    T(creat("sticky/own", 0600));
    T(unlink("sticky/own"));
    T(mkdir("new", 0700));
    T(creat("open/own", 0640));
    show("open/own");
    T(chmod("readable", 0777));
    T(chown("open/own", 0, 0));
    T(chown("open/own", 12345, 12345));
    T(truncate("readable", 0));
    T(link("closed/in", "open/stolen"));
    T(mknod("open/device", S_IFCHR | 0600, makedev(1, 3)));
    T(utimensat(AT_FDCWD, "readable", NULL, 0));
}

int main(int argc, char **argv)
{
    umask(022);
    g_base = argc == 2 ? argv[1] : ".";
    T(chdir(g_base));
    where();
    making();
    linking();
    renaming();
    moving_about();
    attributes();
    permissions();
    return 0;
}
