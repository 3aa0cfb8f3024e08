/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what to a file: root, its owner, its group and others; identities of file access alone,
 * capabilities dropped and kept; sticky directories, set-group-id directories, set-id bits that go.
 * An argument: the directory to work in. Only root can become others; without it there is less to say. */
#include "say.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <utime.h>

#define OWNER 1001
#define GROUP 2001
#define OTHER 1002
#define OTHER_GROUP 2002

static void as(uid_t uid, gid_t gid, int group_count, void (*run)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        gid_t groups[] = {GROUP, 2003};
        if (setgroups((size_t)group_count, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
            setresuid(uid, uid, uid) < 0) {
            printf("cannot become %d\n", uid);
            _exit(1);
        }
        run();
        fflush(stdout);
        _exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    printf("ended with %#x\n", status);
}

static void caps(uint32_t drop, bool keep_only)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &head, data) < 0)
        perror("capget");
    data[0].effective = keep_only ? data[0].permitted & drop : data[0].effective & ~drop;
    if (syscall(SYS_capset, &head, data) < 0)
        perror("capset");
}

#define CAP(name_) (1u << CAP_##name_)

static void make(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
        perror(name);
    close(fd);
}

static void make_dir(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
    if (mkdir(name, 0700) < 0 || chown(name, uid, gid) < 0 || chmod(name, mode) < 0)
        perror(name);
}

static void show(const char *name)
{
    struct stat st;
    if (lstat(name, &st) < 0)
        printf("%s: -%s\n", name, strerrorname_np(errno));
    else
        printf("%s: %o %d:%d %d\n", name, st.st_mode, st.st_uid, st.st_gid, (int)st.st_size);
}

/* --- each way to use a file, whoever we are --- */

static void say_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
#define SAY_OPEN(call_)                                                                     \
    do {                                                                                    \
        errno = 0;                                                                          \
        int fd_ = (call_);                                                                  \
        printf("%d: %s = %s\n", __LINE__, #call_, fd_ < 0 ? strerrorname_np(errno) : "fd"); \
        say_close(fd_);                                                                     \
    } while (0)

static const mode_t g_modes[] = {0,   0100, 0200, 0300, 0400, 0500, 0600, 0700, 010,  020,
                                 030, 040,  050,  060,  070,  01,   02,   03,   04,   05,
                                 06,  07,   0777, 0666, 0555, 0444, 0333, 0222, 0111, 0707};

static void files_by_mode(void)
{
    for (unsigned i = 0; i < sizeof g_modes / sizeof g_modes[0]; i++) {
        char name[32], dir[32], in[64], out[64];
        snprintf(name, sizeof name, "f%o", g_modes[i]);
        snprintf(dir, sizeof dir, "d%o", g_modes[i]);
        snprintf(in, sizeof in, "%s/in", dir);
        snprintf(out, sizeof out, "%s/none", dir);
        int r = open(name, O_RDONLY), w = open(name, O_WRONLY), rw = open(name, O_RDWR),
            t = open(name, O_RDONLY | O_TRUNC), p = open(name, O_PATH), three = open(name, 3);
        printf("%s: open %d%d%d%d%d%d access %d%d%d%d faccessat %d%d euid %d%d truncate %d utimes "
               "%d%d\n",
               name, r >= 0, w >= 0, rw >= 0, t >= 0, p >= 0, three >= 0, access(name, F_OK),
               access(name, R_OK), access(name, W_OK), access(name, X_OK),
               faccessat(AT_FDCWD, name, R_OK | W_OK, 0), faccessat(AT_FDCWD, name, R_OK | X_OK, 0),
               faccessat(AT_FDCWD, name, R_OK | W_OK, AT_EACCESS),
               faccessat(AT_FDCWD, name, X_OK, AT_EACCESS), truncate(name, 1), utimes(name, NULL),
               utimes(name, (struct timeval[2]){{1, 0}, {2, 0}}));
        for (int *fd = (int[]){r, w, rw, t, p, three, -2}; *fd != -2; fd++)
            say_close(*fd);
        DIR *list = opendir(dir);
        struct stat st;
        int entered = chdir(dir);
        if (entered == 0)
            entered = chdir("..") == 0 ? 0 : -2;
        printf("%s: list %d stat %d open %d none %s chdir %d ", dir, list != NULL, stat(in, &st),
               access(in, R_OK), stat(out, &st) < 0 ? strerrorname_np(errno) : "there", entered);
        if (list)
            closedir(list);
        int made = open(out, O_CREAT | O_EXCL | O_WRONLY, 0600);
        printf("make %s mkdir %s ", made < 0 ? strerrorname_np(errno) : "made",
               mkdir(out, 0700) < 0 ? strerrorname_np(errno) : "made");
        say_close(made);
        printf("rename %s unlink %s rmdir %s\n",
               rename(in, out) < 0   ? strerrorname_np(errno)
               : rename(out, in) < 0 ? "half"
                                     : "done",
               unlink(out) < 0 ? strerrorname_np(errno) : "done",
               rmdir(out) < 0 ? strerrorname_np(errno) : "done");
    }
}

static void make_by_mode(void)
{
    for (unsigned i = 0; i < sizeof g_modes / sizeof g_modes[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%o", g_modes[i]);
        make(name, g_modes[i], OWNER, GROUP);
        snprintf(name, sizeof name, "d%o", g_modes[i]);
        make_dir(name, g_modes[i], OWNER, GROUP);
        snprintf(name, sizeof name, "d%o/in", g_modes[i]);
        make(name, 0666, OWNER, GROUP);
    }
}

/* --- changing what it is --- */

static void changes(void)
{
    SAY(chmod("c-own", 0640));
    SAY(chmod("c-own", 06755));
    show("c-own");
    SAY(chmod("c-root", 0777));
    SAY(chown("c-own", OWNER, GROUP));
    show("c-own");
    SAY(chown("c-own", -1, -1));
    SAY(chown("c-own", -1, 2003));
    SAY(chown("c-own", -1, OTHER_GROUP));
    SAY(chown("c-own", OTHER, -1));
    SAY(chown("c-root", -1, -1));
    SAY(chown("c-root", OWNER, -1));
    SAY(lchown("c-link", -1, 2003));
    SAY(lchown("c-link", OTHER, -1));
    show("c-own");
    SAY(utime("c-own", NULL));
    SAY(utime("c-root", NULL));
    SAY(utime("c-writable", NULL));
    struct utimbuf when = {1, 2};
    SAY(utime("c-writable", &when));
    SAY(utime("c-own", &when));
    struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}},
                    half[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}},
                    now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}}, bad[2] = {{0, 1000000000}, {0, 0}};
    SAY(utimensat(AT_FDCWD, "c-root", omit, 0));
    SAY(utimensat(AT_FDCWD, "c-writable", half, 0));
    SAY(utimensat(AT_FDCWD, "c-writable", now, 0));
    SAY(utimensat(AT_FDCWD, "c-own", bad, 0));
    SAY(utimensat(AT_FDCWD, "c-none", omit, 0));
    SAY(truncate("c-root", 0));
    SAY(setxattr("c-root", "user.a", "b", 1, 0));
    SAY(setxattr("c-own", "user.a", "b", 1, 0));
    SAY(setxattr("c-own", "trusted.a", "b", 1, 0));
    SAY(getxattr("c-own", "trusted.a", NULL, 0));
    SAY(link("c-own", "pub/l1"));
    SAY(link("c-root", "pub/l2"));
    SAY(link("c-writable", "pub/l3"));
    SAY(mknod("pub/dev", S_IFCHR | 0600, 0x103));
    SAY(mknod("pub/fifo", S_IFIFO | 0600, 0));
    SAY(mknod("pub/sock", S_IFSOCK | 0600, 0));
    SAY(mknod("pub/file", S_IFREG | 0600, 0));
    SAY(mknod("pub/dir", S_IFDIR | 0600, 0));
    SAY(mknod("pub/none", 0600, 0));
    SAY_OPEN(open("c-own", O_RDONLY | O_NOATIME));
    SAY_OPEN(open("c-root", O_RDONLY | O_NOATIME));
    SAY_OPEN(open("c-writable", O_RDONLY | O_NOATIME));
    SAY(chroot("."));
    int fd = open("c-writable", O_RDWR);
    SAY(fchmod(fd, 0600));
    SAY(fchown(fd, -1, GROUP));
    SAY(futimens(fd, now));
    SAY(futimens(fd, omit));
    SAY(futimens(fd, half));
    SAY(fcntl(fd, F_SETFL, O_NOATIME));
    SAY(fcntl(fd, F_SETLEASE, F_RDLCK));
    close(fd);
}

/* A write by who may not keep set-id bits takes them away. */
static void bits_after_write(void)
{
    static const mode_t modes[] = {04755, 02755, 06755, 02745, 06666, 02666};
    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%o", modes[i]);
        int fd = open(name, O_RDWR);
        printf("%s: write %d ", name, (int)write(fd, "yy", 2));
        struct stat st;
        fstat(fd, &st);
        printf("%o ", st.st_mode & 07777);
        chmod(name, modes[i]);
        stat(name, &st);
        printf("chmod %o ", st.st_mode & 07777);
        int r = ftruncate(fd, 1);
        fstat(fd, &st);
        printf("truncate %d %o ", r, st.st_mode & 07777);
        chmod(name, modes[i]);
        r = fallocate(fd, 0, 0, 10);
        fstat(fd, &st);
        printf("fallocate %d %o ", r, st.st_mode & 07777);
        chmod(name, modes[i]);
        r = chown(name, -1, -1);
        fstat(fd, &st);
        printf("chown nobody %d %o ", r, st.st_mode & 07777);
        chmod(name, modes[i]);
        r = chown(name, -1, GROUP);
        fstat(fd, &st);
        printf("chown %d %o\n", r, st.st_mode & 07777);
        close(fd);
    }
}

static void set_id_bits(uid_t uid)
{
    static const mode_t modes[] = {04755, 02755, 06755, 02745, 06666, 02666};
    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%o", modes[i]);
        unlink(name);
        make(name, modes[i], uid, GROUP);
        chown(name, uid, GROUP);
        chmod(name, modes[i]);
    }
}

/* --- directories with a bit of their own --- */

static void in_sticky(void)
{
    SAY(unlink("sticky/root"));
    SAY(unlink("sticky/owner"));
    SAY(unlink("sticky/other"));
    SAY(rename("sticky/root2", "sticky/x"));
    SAY(rename("sticky/owner2", "sticky/root2"));
    SAY(rename("sticky/other2", "sticky/y"));
    SAY(rename("pub/mine", "sticky/root2"));
    SAY(rename("sticky/root2", "pub/z"));
    SAY(rmdir("sticky/dir-root"));
    SAY(rmdir("sticky/dir-owner"));
    SAY(link("sticky/other3", "sticky/l"));
    SAY_OPEN(open("sticky/root3", O_RDWR));
    SAY_OPEN(open("sticky/root3", O_RDWR | O_CREAT,
                  0600)); /* fs.protected_regular is for world-writable */
}

static void in_setgid(const char *who)
{
    char name[64];
    int fd;
    snprintf(name, sizeof name, "sgid/%s-f", who);
    fd = open(name, O_CREAT | O_WRONLY, 0666);
    close(fd);
    show(name);
    snprintf(name, sizeof name, "sgid/%s-x", who);
    fd = open(name, O_CREAT | O_WRONLY, 02775);
    close(fd);
    show(name);
    snprintf(name, sizeof name, "sgid/%s-y", who);
    fd = open(name, O_CREAT | O_WRONLY, 02765); /* no execution for the group: the bit stays */
    close(fd);
    show(name);
    snprintf(name, sizeof name, "sgid/%s-u", who);
    fd = open(name, O_CREAT | O_WRONLY, 06755);
    close(fd);
    show(name);
    snprintf(name, sizeof name, "sgid/%s-d", who);
    mkdir(name, 0755);
    show(name);
    chmod(name, 02755);
    show(name);
    snprintf(name, sizeof name, "sgid/%s-n", who);
    mknod(name, S_IFIFO | 02755, 0);
    show(name);
    snprintf(name, sizeof name, "sgid/%s-l", who);
    symlink("nowhere", name);
    show(name);
    snprintf(name, sizeof name, "sgid/%s-t", who);
    fd = open("sgid", O_TMPFILE | O_RDWR, 02755);
    struct stat st;
    if (fstat(fd, &st) == 0)
        printf("%o %d:%d\n", st.st_mode, st.st_uid, st.st_gid);
    close(fd);
    umask(0);
    snprintf(name, sizeof name, "sgid/%s-m", who);
    mkdir(name, 07777);
    show(name);
    umask(022);
}

static void in_setgid_owner(void)
{
    in_setgid("owner");
}

static void in_setgid_other(void)
{
    in_setgid("other");
}

/* --- identities that differ --- */

static void open_both(void)
{
    SAY_OPEN(open("f700", O_RDONLY));
    SAY_OPEN(open("f70", O_RDONLY));
    SAY_OPEN(open("f7", O_RDONLY));
    SAY(access("f700", R_OK));
    SAY(faccessat(AT_FDCWD, "f700", R_OK, AT_EACCESS));
    SAY(chmod("f700", 0700));
    SAY(chown("f7", -1, -1));
}

static void effective(void)
{
    fflush(stdout);
    if (fork() == 0) {
        SAY(setresgid(-1, OTHER_GROUP, -1));
        SAY(setgroups(0, NULL));
        SAY(setresuid(-1, OTHER, -1));
        open_both();
        SAY(setresuid(-1, OWNER, -1));
        SAY(setresuid(-1, 0, -1));
        open_both();
        SAY(setresuid(-1, OWNER, -1));
        open_both();
        SAY(setresuid(OWNER, 0, 0));
        open_both(); /* access(2) asks for who it really is */
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    if (fork() == 0) {
        setgroups(0, NULL);
        SAY(setfsgid(OTHER_GROUP));
        SAY(setfsuid(OTHER));
        open_both();
        int fd = open("pub/by-fs", O_CREAT | O_WRONLY, 0600);
        close(fd);
        show("pub/by-fs");
        SAY(setfsuid(OWNER));
        open_both();
        SAY(setfsuid(-1));
        SAY(setfsuid(0));
        SAY(setfsgid(0));
        open_both();
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
}

static void less(void)
{
    SAY_OPEN(open("f0", O_RDONLY));
    SAY_OPEN(open("f0", O_WRONLY));
    SAY(access("d0/in", F_OK));
    SAY_OPEN(open("d0", O_RDONLY | O_DIRECTORY));
    SAY(chmod("c-own", 0640));
    SAY(chown("c-own", OWNER, GROUP));
    SAY(chown("c-own", OTHER, GROUP));
    SAY(unlink("sticky/victim"));
    SAY(mknod("pub/device", S_IFCHR | 0600, 0x103));
    SAY(unlink("pub/device"));
    SAY(setxattr("c-own", "trusted.b", "b", 1, 0));
    SAY(getxattr("c-own", "trusted.b", NULL, 0));
    SAY_OPEN(open("c-own", O_RDONLY | O_NOATIME));
    SAY(utime("c-own", &(struct utimbuf){1, 2}));
    SAY(link("f0", "pub/lf0"));
    SAY(unlink("pub/lf0"));
    set_id_bits(0);
    bits_after_write();
    make("sticky/victim", 0600, OTHER, GROUP);
}

static void capabilities(void)
{
    static const uint32_t sets[] = {0,
                                    CAP(DAC_OVERRIDE),
                                    CAP(DAC_READ_SEARCH),
                                    CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH),
                                    CAP(FOWNER),
                                    CAP(FSETID),
                                    CAP(CHOWN),
                                    CAP(MKNOD),
                                    CAP(SYS_ADMIN),
                                    CAP(SYS_RESOURCE),
                                    CAP(FOWNER) | CAP(CHOWN) | CAP(DAC_OVERRIDE) |
                                        CAP(DAC_READ_SEARCH) | CAP(FSETID)};
    make("sticky/victim", 0600, OTHER, GROUP);
    for (unsigned i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        printf("without %#x\n", sets[i]);
        fflush(stdout);
        if (fork() == 0) {
            caps(sets[i], false);
            less();
            fflush(stdout);
            _exit(0);
        }
        wait(NULL);
    }
    /* Kept by one who is not root. */
    fflush(stdout);
    if (fork() == 0) {
        SAY(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
        setgroups(0, NULL);
        SAY(setresgid(OTHER_GROUP, OTHER_GROUP, OTHER_GROUP));
        SAY(setresuid(OTHER, OTHER, OTHER));
        SAY_OPEN(open("f0", O_RDONLY));
        caps(CAP(DAC_READ_SEARCH), true);
        SAY_OPEN(open("f0", O_RDONLY));
        SAY_OPEN(open("f0", O_WRONLY));
        SAY(access("f0", R_OK));
        SAY_OPEN(open("d0/in", O_RDONLY));
        caps(CAP(DAC_OVERRIDE), true);
        SAY_OPEN(open("f0", O_RDWR));
        SAY(chmod("f0", 0));
        caps(CAP(FOWNER), true);
        SAY_OPEN(open("f0", O_RDONLY));
        SAY(chmod("f0", 0));
        SAY(unlink("sticky/victim"));
        caps(CAP(CHOWN), true);
        SAY(chown("f0", OWNER, GROUP));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
}

static void *other_thread(void *arg)
{
    (void)arg;
    SAY(syscall(SYS_setfsgid, OTHER_GROUP));
    SAY(syscall(SYS_setfsuid, OTHER));
    SAY_OPEN(open("f700", O_RDONLY));
    int fd = open("pub/by-thread", O_CREAT | O_WRONLY, 0600);
    close(fd);
    return NULL;
}

/* The kernel's identities are of threads; only the C library makes them a process's. */
static void of_threads(void)
{
    pthread_t thread;
    fflush(stdout);
    if (fork() == 0) {
        pthread_create(&thread, NULL, other_thread, NULL);
        pthread_join(thread, NULL);
        SAY_OPEN(open("f700", O_RDONLY));
        int fd = open("pub/by-main", O_CREAT | O_WRONLY, 0600);
        close(fd);
        show("pub/by-thread");
        show("pub/by-main");
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
}

/* It has its parent's memory, and an identity and a umask of its own. */
static void of_vfork(void)
{
    fflush(stdout);
    pid_t pid = vfork();
    if (pid == 0) {
        umask(0);
        syscall(SYS_setresgid, OTHER_GROUP, OTHER_GROUP, OTHER_GROUP);
        syscall(SYS_setresuid, OTHER, OTHER, OTHER);
        int fd = open("pub/by-vfork", O_CREAT | O_WRONLY, 0666);
        close(fd);
        _exit(open("f700", O_RDONLY) < 0 ? 3 : 4);
    }
    int status = 0;
    SAY(waitpid(pid, &status, 0) == pid ? status : -1);
    int fd = open("pub/after-vfork", O_CREAT | O_WRONLY, 0666);
    close(fd);
    SAY_OPEN(open("f700", O_RDONLY));
    show("pub/by-vfork");
    show("pub/after-vfork");
}

/* The next program: what one who is not root has kept ends, and files go by the effective identity. */
static void exec_self(void)
{
    fflush(stdout);
    execl("/proc/self/exe", "users", ".", "after-exec", NULL);
    printf("execl: %s\n", strerrorname_np(errno));
    _exit(1);
}

static void after_exec(void)
{
    uid_t uid[3], gid[3];
    SAY(getresuid(&uid[0], &uid[1], &uid[2]));
    SAY(getresgid(&gid[0], &gid[1], &gid[2]));
    printf("%d %d %d, %d %d %d\n", uid[0], uid[1], uid[2], gid[0], gid[1], gid[2]);
    SAY_OPEN(open("f0", O_RDONLY));
    SAY_OPEN(open("f700", O_RDONLY));
    SAY(access("f0", R_OK));
    SAY(chmod("f7", 07));
    fflush(stdout);
}

static void of_exec(void)
{
    fflush(stdout);
    if (fork() == 0) {
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
        setgroups(0, NULL);
        SAY(setresgid(OTHER_GROUP, OTHER_GROUP, OTHER_GROUP));
        SAY(setresuid(OTHER, OTHER, OTHER));
        caps(CAP(DAC_OVERRIDE) | CAP(FOWNER), true);
        SAY_OPEN(open("f0", O_RDONLY));
        exec_self();
    }
    wait(NULL);
    if (fork() == 0) {
        setgroups(0, NULL);
        SAY(setresgid(OTHER_GROUP, OTHER_GROUP, 0));
        SAY(setresuid(OTHER, OTHER, 0));
        SAY_OPEN(open("f700", O_RDONLY));
        exec_self();
    }
    wait(NULL);
    if (fork() == 0) {
        setfsgid(OTHER_GROUP);
        setfsuid(OTHER);
        SAY_OPEN(open("f700", O_RDONLY));
        exec_self();
    }
    wait(NULL);
}

int main(int argc, char **argv)
{
    if (argc < 2 || chdir(argv[1]) < 0)
        return 1;
    if (argc > 2) {
        after_exec();
        return 0;
    }
    umask(022);
    if (geteuid() != 0) {
        printf("not root\n");
        return 0;
    }
    make_by_mode();
    make_dir("pub", 0777, 0, 0);
    make_dir("sticky", 01777, 0, 0);
    make_dir("sgid", 02777, 0, OTHER_GROUP);
    files_by_mode();
    as(OWNER, GROUP, 0, files_by_mode);
    as(OWNER, OTHER_GROUP, 0, files_by_mode);
    as(OTHER, GROUP, 0, files_by_mode);
    as(OTHER, OTHER_GROUP, 1, files_by_mode);
    as(OTHER, OTHER_GROUP, 0, files_by_mode);
    make("c-own", 0644, OWNER, GROUP);
    make("c-root", 0644, 0, 0);
    make("c-writable", 0666, 0, 0);
    symlink("c-own", "c-link");
    lchown("c-link", OWNER, GROUP);
    as(OWNER, GROUP, 2, changes);
    show("pub/l1");
    for (int i = 0; i < 2; i++) {
        set_id_bits(i ? OWNER : 0);
        bits_after_write();
        set_id_bits(OWNER);
        as(OWNER, i ? GROUP : OTHER_GROUP, 0, bits_after_write);
    }
    make("sticky/root", 0666, 0, 0);
    make("sticky/owner", 0666, OWNER, GROUP);
    make("sticky/other", 0666, OTHER, GROUP);
    make("sticky/root2", 0666, 0, 0);
    make("sticky/owner2", 0666, OWNER, GROUP);
    make("sticky/other2", 0666, OTHER, GROUP);
    make("sticky/root3", 0666, 0, 0);
    make("sticky/other3", 0600, OTHER, GROUP);
    make_dir("sticky/dir-root", 0777, 0, 0);
    make_dir("sticky/dir-owner", 0777, OWNER, GROUP);
    make("pub/mine", 0666, OWNER, GROUP);
    as(OWNER, GROUP, 0, in_sticky);
    chown("sticky", OWNER, GROUP);
    as(OWNER, GROUP, 0, in_sticky);
    in_setgid("root");
    as(OWNER, GROUP, 0, in_setgid_owner);
    as(OTHER, OTHER_GROUP, 0, in_setgid_other);
    effective();
    capabilities();
    of_threads();
    of_vfork();
    of_exec();
    return 0;
}
