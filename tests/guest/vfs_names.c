/* SPDX-License-Identifier: Apache-2.0 */
/* Names made, moved and removed: mkdir, mknod, link, symlink, rename, unlink, rmdir and the *at
 * forms; reading directories while they change. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

static const char *g_base;
static char g_text[4096];

static void show(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        printf("%s: %s\n", path, strerrorname_np(errno));
    else
        printf("%s: mode %o links %lu uid %u gid %u size %ld rdev %lx\n", path, st.st_mode,
               (unsigned long)st.st_nlink, st.st_uid, st.st_gid,
               S_ISDIR(st.st_mode) ? 0 : (long)st.st_size, (unsigned long)st.st_rdev);
}

static void make(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (write(fd, text, strlen(text)) < 0)
        printf("%s: %s\n", path, strerrorname_np(errno));
    close(fd);
}

static void directories(void)
{
    T(mkdir("m", 0777));
    T(mkdir("m", 0777));
    T(mkdir("m/", 0777));
    T(mkdir("m/.", 0777));
    T(mkdir("m/..", 0777));
    T(mkdir(".", 0777));
    T(mkdir("", 0777));
    T(mkdir("none/x", 0777));
    T(mkdir("m/a///", 0777));
    T(mkdir("m/b", 07777));
    show("m");
    show("m/b");
    T(mkdirat(AT_FDCWD, "m/c", 0));
    show("m/c");
    T(mkdirat(77, "x", 0700));
    T(mkdirat(77, "/", 0700));
    make("plain", "plain");
    T(mkdir("plain", 0700));
    T(mkdir("plain/x", 0700));
    T(rmdir("plain"));
    T(rmdir("plain/"));
    T(rmdir("m"));
    T(rmdir("m/."));
    T(rmdir("m/.."));
    T(rmdir("m/a/.."));
    T(rmdir(""));
    T(rmdir("none"));
    T(rmdir("/"));
    T(unlink("m"));
    T(unlink("m/"));
    T(unlink("plain/"));
    T(unlink("m/."));
    T(unlink("."));
    T(unlink(""));
    T(unlinkat(AT_FDCWD, "m/a", 0));
    T(unlinkat(AT_FDCWD, "m/a", AT_REMOVEDIR));
    T(unlinkat(AT_FDCWD, "plain", AT_REMOVEDIR));
    T(unlinkat(AT_FDCWD, "plain", 0x8000));
    T(rmdir("m/b/"));
    T(rmdir("m/c"));
    show("m");
}

static void nodes(void)
{
    T(mknod("n-plain", 0640, 0));
    T(mknod("n-reg", S_IFREG | 0640, 5));
    T(mknod("n-fifo", S_IFIFO | 0640, 0));
    T(mknod("n-sock", S_IFSOCK | 0640, 0));
    T(mknod("n-null", S_IFCHR | 0666, makedev(1, 3)));
    T(mknod("n-block", S_IFBLK | 0600, makedev(7, 77)));
    T(mknod("n-dir", S_IFDIR | 0700, 0));
    T(mknod("n-link", S_IFLNK | 0700, 0));
    T(mknod("n-odd", 0170000 | 0700, 0));
    T(mknod("n-plain", S_IFIFO | 0700, 0));
    T(mknod("n-x/", S_IFREG | 0700, 0));
    T(mknod("none/x", S_IFREG | 0700, 0));
    T(mknodat(AT_FDCWD, "n-at", S_IFREG | 04711, 0));
    show("n-plain");
    show("n-reg");
    show("n-fifo");
    show("n-sock");
    show("n-null");
    show("n-block");
    show("n-at");
    T(chmod("n-fifo", 0600));
    T(rename("n-fifo", "n-pipe"));
    T(link("n-pipe", "n-pipe2"));
    show("n-pipe2");
    T(truncate("n-pipe", 0));
    T(truncate("n-null", 0));
    T(unlink("n-pipe"));
    T(unlink("n-sock"));
    T(unlink("n-block"));
    T(open("n-link", O_RDONLY));
}

static void symbolic(void)
{
    memset(g_text, 'x', sizeof g_text);
    g_text[4095] = 0;
    T(symlink(g_text, "long"));
    struct stat st;
    T(lstat("long", &st));
    T(st.st_size);
    T(readlink("long", g_text, sizeof g_text));
    T(open("long", O_RDONLY));
    T(symlink("plain", "s"));
    T(symlink("plain", "s"));
    T(symlink("plain", "m"));
    T(symlink("plain", "none/x"));
    T(symlink("plain", "s/x"));
    T(symlink("plain", "new/"));
    T(symlink("", "empty"));
    T(symlink("plain", ""));
    T(symlink(NULL, "x"));
    T(symlink("x", NULL));
    show("s");
    T(readlink("s", g_text, 100));
    T(readlink("s", g_text, 0));
    T(syscall(SYS_readlink, "s", g_text, -1));
    T(readlink("s", g_text, 2));
    T(readlink("s", NULL, 100));
    T(readlink("plain", g_text, 100));
    T(readlink("m", g_text, 100));
    T(readlink("none", g_text, 100));
    T(readlink("s/", g_text, 100));
    T(readlinkat(AT_FDCWD, "", g_text, 100));
    T(unlink("s/"));
    T(rmdir("s"));
    T(symlinkat("target", AT_FDCWD, "t"));
    T(symlinkat("target", 99, "t"));
    T(unlink("t"));
}

static void hard(void)
{
    T(link("plain", "h1"));
    T(link("plain", "h1"));
    T(link("none", "h2"));
    T(link("m", "h2"));
    T(link("plain", "none/h"));
    T(link("plain", "h2/"));
    T(link("plain/", "h2"));
    T(link("plain", "m"));
    T(link("", "h2"));
    T(link("plain", ""));
    T(link("s", "hs"));
    show("hs");
    T(linkat(AT_FDCWD, "s", AT_FDCWD, "hp", AT_SYMLINK_FOLLOW));
    show("hp");
    T(linkat(AT_FDCWD, "s", AT_FDCWD, "hq", 0x100));
    T(linkat(AT_FDCWD, "s", AT_FDCWD, "hq", 0x8000));
    T(linkat(99, "s", AT_FDCWD, "hq", 0));
    T(linkat(AT_FDCWD, "", AT_FDCWD, "hq", AT_EMPTY_PATH));
    int fd = open("plain", O_RDONLY);
    T(linkat(fd, "", AT_FDCWD, "by-fd", AT_EMPTY_PATH));
    T(linkat(fd, "", AT_FDCWD, "by-fd2", 0));
    close(fd);
    show("plain");
    T(unlink("h1"));
    T(unlink("hp"));
    T(unlink("by-fd"));
    show("plain");
}

static void renaming(void)
{
    make("r1", "one");
    make("r2", "two!");
    T(mkdir("rd", 0700));
    T(mkdir("rd/in", 0700));
    T(mkdir("re", 0700));
    T(rename("r1", "r1"));
    T(rename("r1", "r3"));
    show("r1");
    T(rename("r3", "r2"));
    show("r2");
    T(rename("none", "r1"));
    T(rename("r2", "none/r1"));
    T(rename("r2", "rd"));
    T(rename("rd", "r2"));
    T(rename("rd", "re"));
    T(mkdir("rd", 0700));
    T(rename("rd", "re"));
    T(rename("re", "re/in/x"));
    T(rename("re", "re/x"));
    T(rename("re/in", "re"));
    T(rename("re/in", "."));
    T(rename(".", "x"));
    T(rename("..", "x"));
    T(rename("re/.", "x"));
    T(rename("re", "x/."));
    T(rename("re/", "rf/"));
    T(rename("rf", "re/"));
    T(rename("r2/", "x"));
    T(rename("r2", "x/"));
    T(rename("", "x"));
    T(rename("r2", ""));
    T(rename(NULL, "x"));
    T(link("r2", "r4"));
    T(rename("r2", "r4"));
    show("r2");
    show("r4");
    T(rename("s", "s2"));
    show("s2");
    T(rename("s2", "s"));
    T(renameat(AT_FDCWD, "r4", AT_FDCWD, "r5"));
    T(renameat(99, "r4", AT_FDCWD, "r5"));
    T(renameat2(AT_FDCWD, "r5", AT_FDCWD, "r2", RENAME_NOREPLACE));
    T(renameat2(AT_FDCWD, "r5", AT_FDCWD, "r6", RENAME_NOREPLACE));
    T(renameat2(AT_FDCWD, "none", AT_FDCWD, "r6", RENAME_NOREPLACE));
    T(renameat2(AT_FDCWD, "r6", AT_FDCWD, "r6", RENAME_NOREPLACE));
    T(renameat2(AT_FDCWD, "r6", AT_FDCWD, "re", RENAME_EXCHANGE));
    show("r6");
    show("re");
    T(renameat2(AT_FDCWD, "r6", AT_FDCWD, "re", RENAME_EXCHANGE));
    T(renameat2(AT_FDCWD, "r6", AT_FDCWD, "none", RENAME_EXCHANGE));
    T(renameat2(AT_FDCWD, "re", AT_FDCWD, "re/in", RENAME_EXCHANGE));
    T(renameat2(AT_FDCWD, "re/in", AT_FDCWD, "re", RENAME_EXCHANGE));
    T(renameat2(AT_FDCWD, "r6", AT_FDCWD, "r2", RENAME_EXCHANGE | RENAME_NOREPLACE));
    T(renameat2(AT_FDCWD, "r6", AT_FDCWD, "r2", RENAME_EXCHANGE | RENAME_WHITEOUT));
    T(renameat2(AT_FDCWD, "r6", AT_FDCWD, "r7", 0x80));
    T(renameat2(AT_FDCWD, "r6", AT_FDCWD, "r7", RENAME_WHITEOUT));
    show("r6");
    show("r7");
    T(renameat2(AT_FDCWD, "none", AT_FDCWD, "r8", RENAME_WHITEOUT));
    T(unlink("r6"));
}

/* Link counts of directories, and ".." as they move. */
static void parents(void)
{
    struct stat a, b;
    T(mkdir("pa", 0700));
    T(mkdir("pb", 0700));
    T(mkdir("pa/x", 0700));
    T(mkdir("pa/x/y", 0700));
    show("pa");
    show("pa/x");
    T(rename("pa/x", "pb/x"));
    show("pa");
    show("pb");
    T(stat("pb", &a));
    T(stat("pb/x/..", &b));
    T(a.st_ino == b.st_ino);
    T(chdir("pb/x/y"));
    T(rename("../../x", "../../../x-moved"));
    T(stat("../../pb", &b));
    T(a.st_ino == b.st_ino);
    T(rmdir("../y"));
    T(stat("..", &b));
    T(stat(".", &b));
    T(b.st_nlink);
    T(open("new", O_CREAT | O_RDWR, 0600));
    T(mkdir("new", 0700));
    T(getcwd(g_text, sizeof g_text) != NULL);
    T(chdir(".."));
    T(chdir(g_base));
    T(rmdir("x-moved"));
    T(rmdir("pa"));
    show("pb");
}

/* --- reading a directory while it changes --- */

static int seen[300];

static int number(const char *name)
{
    return strncmp(name, "entry", 5) == 0 ? (int)strtol(name + 5, NULL, 10) : -1;
}

static void listing(void)
{
    char name[64];
    struct dirent *e;
    int dots = 0, twice = 0, missed = 0;
    T(mkdir("big", 0700));
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "big/entry%d", i);
        make(name, "");
    }
    DIR *dir = opendir("big");
    for (int i = 0; i < 50 && (e = readdir(dir)); i++)
        if (number(e->d_name) >= 0)
            seen[number(e->d_name)]++;
    for (int i = 0; i < 200; i += 2) { /* half of it goes while the other half stays */
        snprintf(name, sizeof name, "big/entry%d", i);
        T(unlink(name) != 0);
    }
    while ((e = readdir(dir)))
        if (number(e->d_name) >= 0)
            seen[number(e->d_name)]++;
    for (int i = 1; i < 200; i += 2) {
        missed += seen[i] == 0;
        twice += seen[i] > 1;
    }
    T(missed);
    T(twice);
    rewinddir(dir);
    int count = 0;
    long places[200];
    static char names[200][64];
    while (count < 200) {
        places[count] = telldir(dir);
        if (!(e = readdir(dir)))
            break;
        dots += e->d_name[0] == '.';
        snprintf(names[count++], 64, "%.63s", e->d_name);
    }
    T(count);
    T(dots);
    int same = 0;
    for (int i = count - 1; i >= 0; i -= 7) { /* each place leads back to its entry */
        seekdir(dir, places[i]);
        e = readdir(dir);
        same += e && strcmp(e->d_name, names[i]) == 0;
    }
    T(same);
    T(readdir(dir) != NULL);
    closedir(dir);
    int fd = open("big", O_RDONLY | O_DIRECTORY);
    T(syscall(SYS_getdents64, fd, g_text, 1));
    T(syscall(SYS_getdents64, fd, g_text, 20));
    T(syscall(SYS_getdents64, fd, NULL, 4096));
    T(syscall(SYS_getdents64, fd, g_text, sizeof g_text) > 0);
    T(lseek(fd, 0, SEEK_CUR) > 0);
    T(lseek(fd, -1, SEEK_SET));
    T(lseek(fd, 0, SEEK_SET));
    T(read(fd, g_text, 10));
    T(write(fd, g_text, 10));
    T(pread(fd, g_text, 10, 0));
    T(ftruncate(fd, 0));
    T(fsync(fd));
    T(fdatasync(fd));
    T(syscall(SYS_getdents, fd, g_text, sizeof g_text) > 0);
    close(fd);
    fd = open("plain", O_RDONLY);
    T(syscall(SYS_getdents64, fd, g_text, sizeof g_text));
    close(fd);
    T(rmdir("big"));
    dir = opendir("big");
    for (int i = 1; i < 200; i += 2) {
        snprintf(name, sizeof name, "big/entry%d", i);
        unlink(name);
    }
    T(rmdir("big"));
    T(readdir(dir) != NULL);
    closedir(dir);
}

static void where(const char *what)
{
    if (!getcwd(g_text, sizeof g_text))
        printf("%s: %s\n", what, strerrorname_np(errno));
    else
        printf("%s: %s\n", what,
               strncmp(g_text, g_base, strlen(g_base)) == 0 ? g_text + strlen(g_base)
                                                            : "elsewhere");
}

static void working_directory(void)
{
    char small[2];
    T(mkdir("w", 0755));
    T(mkdir("w/x", 0755));
    T(symlink("w/x", "wx"));
    T(chdir("wx"));
    where("wx");
    T(chdir("../../w/./x/.."));
    where("w");
    T(rename("../w", "../w2"));
    where("renamed");
    T(syscall(SYS_getcwd, small, sizeof small));
    T(syscall(SYS_getcwd, NULL, 4096));
    T(syscall(SYS_getcwd, small, 0));
    T(chdir("none"));
    T(chdir(""));
    T(chdir("../plain"));
    T(chdir("../plain/.."));
    int fd = open("x", O_RDONLY | O_DIRECTORY);
    T(fchdir(fd));
    where("fchdir");
    close(fd);
    T(fchdir(fd));
    T(chdir("/"));
    T(chdir(g_base));
    T(chdir("w2/x"));
    T(rmdir("../x"));
    T(chdir("."));
    T(chdir(".."));
    where("w2");
    T(chdir(g_base));
    if (fork() == 0) {
        T(chdir("w2"));
        where("child");
        _exit(0);
    }
    wait(NULL);
    where("parent");
}

int main(int argc, char **argv)
{
    umask(022);
    g_base = argc == 2 ? argv[1] : ".";
    T(chdir(g_base));
    directories();
    nodes();
    symbolic();
    hard();
    renaming();
    parents();
    listing();
    working_directory();
    return 0;
}
