/* SPDX-License-Identifier: Apache-2.0 */
/* landlock(7): files of a directory, by rules of the program's own; natively, on the host's files under
 * the runtime, and on an encrypted volume the same. The directory is the argument. Each fact has a
 * process of its own. */
#include "say.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

/* Newer than Debian 12's headers. */
#define TRUNCATE (1ull << 14)
#define RULE_PORT 2
#define ALL ((1ull << 15) - 1)
#define EXECUTE LANDLOCK_ACCESS_FS_EXECUTE
#define WRITE LANDLOCK_ACCESS_FS_WRITE_FILE
#define READ LANDLOCK_ACCESS_FS_READ_FILE
#define LIST LANDLOCK_ACCESS_FS_READ_DIR
#define MAKE LANDLOCK_ACCESS_FS_MAKE_REG
#define REMOVE LANDLOCK_ACCESS_FS_REMOVE_FILE
#define REFER LANDLOCK_ACCESS_FS_REFER

#define APART(what_, ...)                           \
    do {                                            \
        printf("-- %s\n", what_);                   \
        fflush(stdout);                             \
        pid_t apart_ = fork();                      \
        if (apart_ == 0) {                          \
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); \
            __VA_ARGS__;                            \
            fflush(stdout);                         \
            _exit(0);                               \
        }                                           \
        ended(apart_);                              \
    } while (0)

struct attributes {
    uint64_t fs, net, more;
};

static void ended(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("   killed by %s\n", sigabbrev_np(WTERMSIG(status)));
    else
        printf("   exit %d\n", WEXITSTATUS(status));
    fflush(stdout);
}

static int ruleset(uint64_t fs, uint64_t net)
{
    struct attributes attributes = {fs, net, 0};
    return (int)syscall(SYS_landlock_create_ruleset, &attributes, net ? 16 : 8, 0);
}

static int beneath(int set, const char *path, uint64_t allowed)
{
    struct landlock_path_beneath_attr rule = {allowed, open(path, O_PATH | O_CLOEXEC)};
    int r = (int)syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int error = errno;
    close(rule.parent_fd);
    errno = error;
    return r;
}

static int enter(int set)
{
    int r = (int)syscall(SYS_landlock_restrict_self, set, 0);
    close(set);
    return r;
}

/* Everything is handled; `allowed` beneath `path`. */
static void confine(const char *path, uint64_t allowed)
{
    int set = ruleset(ALL, 0);
    SAY(beneath(set, path, allowed));
    SAY(enter(set));
}

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags, 0644);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int list(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    closedir(dir);
    return 0;
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    (void)!write(fd, text, strlen(text));
    close(fd);
}

static void prepare(void)
{
    mkdir("in", 0755);
    mkdir("in/deep", 0755);
    mkdir("out", 0755);
    put("in/file", "inside");
    put("in/deep/file", "deep");
    put("out/file", "outside");
    put("out/exec", "#!/bin/true\n");
    chmod("out/exec", 0755);
    symlink("../out/file", "in/link");
    symlink("in/file", "link");
}

static void operations(void)
{
    struct attributes none = {0}, odd = {1ull << 40, 0, 0}, later = {1, 0, 1ull << 63};
    char large[4097] = {1};
    SAY(syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 4);
    SAY(syscall(SYS_landlock_create_ruleset, NULL, 8, 1));
    SAY(syscall(SYS_landlock_create_ruleset, &none, 0, 1));
    SAY(syscall(SYS_landlock_create_ruleset, &none, 8, 1 << 30));
    SAY(syscall(SYS_landlock_create_ruleset, NULL, 8, 0));
    SAY(syscall(SYS_landlock_create_ruleset, NULL, 0, 0));
    SAY(syscall(SYS_landlock_create_ruleset, &none, 7, 0));
    SAY(syscall(SYS_landlock_create_ruleset, &none, 8, 0));
    SAY(syscall(SYS_landlock_create_ruleset, &none, 16, 0));
    SAY(syscall(SYS_landlock_create_ruleset, &odd, 8, 0));
    SAY(syscall(SYS_landlock_create_ruleset, large, 4097, 0));
    SAY(syscall(SYS_landlock_create_ruleset, large, 4096, 0) >= 0);
    SAY_TRUE(syscall(SYS_landlock_create_ruleset, &later, 24, 0) < 0);
    int set = ruleset(READ | WRITE | LIST, 0), dir = open("in", O_PATH),
        file = open("in/file", O_RDONLY);
    struct landlock_path_beneath_attr rule = {READ, dir};
    SAY(fcntl(set, F_GETFD));
    SAY(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    SAY(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 1));
    SAY(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, NULL, 0));
    SAY(syscall(SYS_landlock_add_rule, set, 77, &rule, 0));
    SAY(syscall(SYS_landlock_add_rule, -1, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    SAY(syscall(SYS_landlock_add_rule, file, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    rule.allowed_access = 0;
    SAY(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    rule.allowed_access = EXECUTE;
    SAY(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    rule = (struct landlock_path_beneath_attr){READ | LIST, file};
    SAY(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    rule.allowed_access = READ;
    SAY(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    rule.parent_fd = -1;
    SAY(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    rule.parent_fd = set;
    SAY(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    SAY(syscall(SYS_landlock_restrict_self, set, 1 << 30));
    SAY(syscall(SYS_landlock_restrict_self, -1, 0));
    SAY(syscall(SYS_landlock_restrict_self, file, 0));
    SAY(read(set, large, 1));
    SAY(syscall(SYS_landlock_restrict_self, set, 0));
    SAY(try_open("in/file", O_RDONLY));
    SAY(try_open("in/file", O_RDWR));
    SAY(try_open("out/file", O_RDONLY));
}

static void privileges(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (getuid() == 0)
            setresuid(65534, 65534, 65534);
        int set = ruleset(READ, 0);
        SAY(syscall(SYS_landlock_restrict_self, set, 0));
        SAY(syscall(SYS_landlock_restrict_self, -1, 99));
        _exit(0);
    }
    ended(pid);
}

static void reads(void)
{
    int early = open("out/file", O_RDONLY), dir = open("out", O_RDONLY | O_DIRECTORY);
    confine("in", READ | LIST);
    SAY(try_open("in/file", O_RDONLY));
    SAY(try_open("in/deep/file", O_RDONLY));
    SAY(try_open("in/../in/deep/../file", O_RDONLY));
    SAY(try_open("link", O_RDONLY));
    SAY(try_open("in/link", O_RDONLY));
    SAY(try_open("out/file", O_RDONLY));
    SAY(try_open("out/file", O_PATH));
    SAY(try_open("out/missing", O_RDONLY));
    SAY(try_open("in/file", O_WRONLY));
    SAY(try_open("in/file", O_RDONLY | O_TRUNC));
    SAY(try_open("in/new", O_WRONLY | O_CREAT));
    SAY(access("in/new", F_OK));
    SAY(list("in"));
    SAY(list("in/deep"));
    SAY(list("out"));
    SAY(list("."));
    SAY(openat(dir, "file", O_RDONLY));
    char byte, name[64];
    SAY(read(early, &byte, 1));
    snprintf(name, sizeof name, "/proc/self/fd/%d", early);
    SAY(try_open(name, O_RDONLY));
    struct stat stat;
    SAY(lstat("out/file", &stat));
    SAY(access("out/file", R_OK));
    SAY(readlink("in/link", name, sizeof name));
    SAY(chmod("out/file", 0600));
    SAY(chmod("out/file", 0644));
    SAY(chdir("out"));
    SAY(try_open("file", O_RDONLY));
    SAY(try_open("../in/file", O_RDONLY));
    SAY(try_open("/proc/self/status", O_RDONLY));
    SAY(try_open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
    SAY(try_open("/etc/passwd", O_RDONLY));
    SAY(try_open("/dev/null", O_RDWR));
}

static void writes(void)
{
    int early = open("in/file", O_RDWR);
    int set = ruleset(ALL, 0);
    SAY(beneath(set, "in", READ | WRITE | MAKE));
    SAY(beneath(set, "in/deep", TRUNCATE | REMOVE | LANDLOCK_ACCESS_FS_MAKE_DIR));
    SAY(enter(set));
    SAY(try_open("in/file", O_RDWR));
    SAY(try_open("in/file", O_WRONLY | O_TRUNC));
    SAY(try_open("in/deep/file", O_WRONLY | O_TRUNC));
    SAY(truncate("in/file", 2));
    SAY(truncate("in/deep/file", 2));
    SAY(truncate("out/file", 2));
    SAY(ftruncate(early, 3));
    int fd = open("in/file", O_RDWR);
    SAY(ftruncate(fd, 1));
    fd = open("in/deep/file", O_RDWR);
    SAY(ftruncate(fd, 1));
    SAY(try_open("in/made", O_WRONLY | O_CREAT));
    SAY(try_open("in/made", O_WRONLY | O_CREAT));
    SAY(try_open("in/made2", O_WRONLY | O_CREAT | O_TRUNC));
    SAY(try_open("out/made", O_WRONLY | O_CREAT));
    SAY(unlink("in/made"));
    SAY(unlink("in/nothing"));
    SAY(mkdir("in/dir", 0755));
    SAY(mkdir("in/deep/dir", 0755));
    SAY(rmdir("in/deep/dir"));
    SAY(symlink("x", "in/sym"));
    SAY(mkfifo("in/fifo", 0644));
    SAY(mknod("in/deep/reg", S_IFREG | 0644, 0));
    SAY(unlink("in/deep/reg"));
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "in/socket"};
    SAY(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address));
    SAY(link("in/file", "in/hard"));
    SAY(rename("in/deep/file", "in/deep/moved"));
    SAY(rename("in/deep/moved", "in/deep/file"));
    SAY(rename("in/file", "in/other"));
    SAY(rename("in/made2", "in/deep/made2"));
    SAY(link("in/made2", "in/deep/hard"));
    SAY(rename("in/deep/file", "in/file"));
    SAY(rename("out/file", "in/stolen"));
    SAY(rename("in/nothing", "in/deep/x"));
}

static void no_write_of_made(void)
{
    confine("in", MAKE);
    SAY(try_open("in/blind", O_WRONLY | O_CREAT | O_EXCL));
    SAY(access("in/blind", F_OK));
    SAY(try_open("in/blind", O_WRONLY));
}

static void moves(void)
{
    int set = ruleset(ALL, 0);
    const uint64_t some = READ | WRITE | MAKE | REMOVE | REFER;
    mkdir("more", 0755);
    put("in/a", "a");
    put("more/b", "b");
    put("out/c", "c");
    SAY(beneath(set, "in", some));
    SAY(beneath(set, "more", some | EXECUTE));
    SAY(beneath(set, "out", READ | MAKE | REMOVE));
    SAY(enter(set));
    SAY(rename("in/a", "in/a2"));
    SAY(rename("in/a2", "more/a")); /* it could be executed there */
    SAY(rename("more/b", "in/b"));
    SAY(link("in/b", "more/b"));
    SAY(link("more/b2", "in/b2"));
    SAY(rename("out/c", "in/c"));
    SAY(rename("in/b", "out/b"));
    SAY(rename("out/c", "out/c2"));
    SAY(rename("out/c2", "elsewhere"));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "in/a2", AT_FDCWD, "in/b", 2));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "in/a2", AT_FDCWD, "out/c2", 2));
}

/* Without a word of moves, none leads into another directory. */
static void unspoken_moves(void)
{
    int set = ruleset(READ, 0);
    SAY(beneath(set, ".", READ));
    SAY(enter(set));
    SAY(rename("in/file", "in/file9"));
    SAY(rename("in/file9", "in/deep/file9"));
    SAY(rename("in/file9", "in/file"));
    SAY(mkdir("in/dir9", 0755));
    SAY(rmdir("in/dir9"));
}

static void layers(void)
{
    confine("in", READ | WRITE | LIST);
    SAY(try_open("in/file", O_RDWR));
    int set = ruleset(READ | WRITE, 0);
    SAY(beneath(set, ".", READ));
    SAY(enter(set));
    SAY(try_open("in/file", O_RDONLY));
    SAY(try_open("in/file", O_RDWR));
    SAY(try_open("out/file", O_RDONLY));
    SAY(list("in"));
    int more = 0;
    while (enter(ruleset(EXECUTE, 0)) == 0)
        more++;
    printf("%d more, then %s\n", more, strerrorname_np(errno));
    SAY(try_open("in/file", O_RDONLY));
}

static void a_file(void)
{
    confine("out/file", READ);
    SAY(try_open("out/file", O_RDONLY));
    SAY(try_open("out/exec", O_RDONLY));
    SAY(rename("out/file", "out/renamed"));
    SAY(try_open("in/file", O_RDONLY));
}

static void *reads_in_thread(void *arg)
{
    (void)arg;
    SAY(try_open("in/file", O_RDONLY));
    SAY(try_open("out/file", O_RDONLY));
    return NULL;
}

static void in_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, run, arg);
    pthread_join(thread, NULL);
}

static void *confines(void *arg)
{
    confine("in", READ);
    reads_in_thread(NULL);
    if (arg)
        execl("/proc/self/exe", "x", ".", "heir", NULL);
    return NULL;
}

static void heirs(void)
{
    int set = ruleset(READ | WRITE | EXECUTE, 0);
    SAY(beneath(set, "in", READ));
    SAY(beneath(set, "/", EXECUTE)); /* of all there is, programs may run */
    SAY(beneath(set, "/usr", READ | EXECUTE));
    SAY(beneath(set, "/proc/self/exe", READ | EXECUTE));
    SAY(beneath(set, "/etc", READ));
    SAY(enter(set));
    in_thread(reads_in_thread, NULL);
    if (fork() == 0) {
        reads_in_thread(NULL);
        _exit(0);
    }
    wait(NULL);
    for (int i = 0; i < 3; i++) {
        pid_t pid;
        char *const args[] = {"x", ".", "heir", NULL};
        int r = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, NULL);
        ended(pid);
        SAY(r);
    }
    execl("/proc/self/exe", "x", ".", "heir", NULL);
}

/* What a descriptor may not do it may not do in the next program either. */
enum { CUT_BEFORE = 100, CUT_NEVER };
static void cuts(void)
{
    dup2(open("in/file", O_RDWR), CUT_BEFORE);
    int set = ruleset(TRUNCATE, 0);
    SAY(enter(set));
    dup2(open("in/file", O_RDWR), CUT_NEVER);
    pid_t pid;
    char *const args[] = {"x", ".", "cuts", NULL};
    int r = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, NULL); /* shielded: a host exec */
    ended(pid);
    SAY(r);
    execv("/proc/self/exe", args);
}

static void cuts_after_exec(void)
{
    SAY(ftruncate(CUT_BEFORE, 4));
    SAY(ftruncate(CUT_NEVER, 2));
    SAY(lseek(CUT_NEVER, 0, SEEK_END));
}

static void executes(void)
{
    int set = ruleset(EXECUTE | READ, 0);
    SAY(beneath(set, "/", READ));
    SAY(beneath(set, "/usr/bin", EXECUTE));
    SAY(beneath(set, "/usr/lib", EXECUTE));
    SAY(beneath(set, "/lib64", EXECUTE));
    SAY(enter(set));
    APART("allowed", execl("/usr/bin/true", "true", NULL));
    APART("not allowed", SAY(execl("out/exec", "exec", NULL)));
    APART("spawned", pid_t pid; char *const args[] = {"exec", NULL};
          SAY(posix_spawn(&pid, "out/exec", NULL, NULL, args, NULL)));
    char name[64];
    int fd = open("out/exec", O_RDONLY);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    SAY(execl(name, "exec", NULL));
}

static void unexecutable(void)
{
    int set = ruleset(EXECUTE, 0);
    SAY(beneath(set, "out", EXECUTE)); /* a script, whose interpreter is elsewhere */
    SAY(enter(set));
    SAY(execl("out/exec", "exec", NULL));
    SAY(execl("/usr/bin/true", "true", NULL));
    SAY(execl("/nothing", "nothing", NULL));
}

static int port_of(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)!bind(fd, (struct sockaddr *)&address, size);
    listen(fd, 1);
    getsockname(fd, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static void ports(void)
{
    int here = port_of(socket(AF_INET, SOCK_STREAM, 0));
    int there = port_of(socket(AF_INET, SOCK_STREAM, 0));
    int set = ruleset(0, 3);
    uint64_t rule[2] = {2, (uint64_t)here}, wrong[2] = {2, 70000}, none[2] = {0, 1},
             more[2] = {4, 1};
    SAY(syscall(SYS_landlock_add_rule, set, RULE_PORT, rule, 0));
    SAY(syscall(SYS_landlock_add_rule, set, RULE_PORT, wrong, 0));
    SAY(syscall(SYS_landlock_add_rule, set, RULE_PORT, none, 0));
    SAY(syscall(SYS_landlock_add_rule, set, RULE_PORT, more, 0));
    SAY(syscall(SYS_landlock_add_rule, set, RULE_PORT, NULL, 0));
    SAY(beneath(set, ".", READ));
    SAY(enter(set));
    SAY(connect_to(here));
    SAY(connect_to(there));
    struct sockaddr_in address = {.sin_family = AF_INET};
    SAY(bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address));
    SAY(bind(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&address, sizeof address));
    SAY(try_open("out/file", O_RDONLY));
    SAY(rename("in/deep/file", "in/deep2"));
    SAY(rename("in/deep2", "in/deep/file"));
}

static void everywhere(void)
{
    confine("/", READ | LIST | EXECUTE);
    SAY(try_open("in/file", O_RDONLY));
    SAY(try_open("in/file", O_RDWR));
    SAY(list("in"));
    SAY(try_open("/proc/self/status", O_RDONLY));
    SAY(try_open("/dev/null", O_RDONLY));
    SAY(try_open("/dev/null", O_WRONLY));
}

static void unnamed(void)
{
    confine("in", READ | WRITE);
    SAY(open("in", O_TMPFILE | O_RDWR, 0600) >= 0);
    SAY(open("out", O_TMPFILE | O_RDWR, 0600) >= 0);
    SAY(syscall(SYS_memfd_create, "x", 0) >= 0);
    int ends[2];
    char name[64];
    SAY(pipe(ends));
    snprintf(name, sizeof name, "/proc/self/fd/%d", ends[0]);
    SAY(try_open(name, O_RDONLY));
}

int main(int argc, char **argv)
{
    setbuf(stdout, NULL);
    if (argc < 2 || chdir(argv[1]) < 0)
        return 2;
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 4) {
        printf("this kernel has no version 4 of it\n");
        return 0;
    }
    if (argc > 2) {
        if (strcmp(argv[2], "cuts") == 0)
            cuts_after_exec();
        else
            reads_in_thread(NULL);
        return 0;
    }
    umask(022);
    prepare();
    APART("operations", operations());
    privileges();
    APART("reads", reads());
    APART("a file's maker", no_write_of_made());
    APART("writes", writes());
    APART("moves", moves());
    prepare();
    APART("unspoken moves", unspoken_moves());
    APART("layers", layers());
    APART("a file", a_file());
    prepare();
    APART("a thread", in_thread(confines, NULL); reads_in_thread(NULL));
    APART("exec from a thread", in_thread(confines, (void *)1));
    APART("heirs", heirs());
    APART("cuts after exec", cuts());
    APART("executes", executes());
    APART("does not execute", unexecutable());
    APART("ports", ports());
    APART("everywhere", everywhere());
    APART("unnamed", unnamed());
    printf("-- unconfined\n");
    SAY(try_open("out/file", O_RDWR));
    return 0;
}
