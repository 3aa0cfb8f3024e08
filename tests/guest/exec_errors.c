/* SPDX-License-Identifier: Apache-2.0 */
/* What execve() and execveat() refuse, and what the new program finds. An argument: the directory to make
 * files in. */
#include "say.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

extern char **environ;
static const char *g_self;
static char g_directory[200];

static int finish(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static const char *in(const char *name)
{
    static char paths[8][300];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, 300, "%s/%s", g_directory, name);
    return path;
}

static const char *make(const char *name, const void *bytes, size_t size, mode_t mode)
{
    const char *path = in(name);
    unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (write(fd, bytes, size) != (ssize_t)size)
        puts("cannot write");
    fchmod(fd, mode);
    close(fd);
    return path;
}

static const char *make_text(const char *name, const char *text)
{
    return make(name, text, strlen(text), 0755);
}

static void copy(const char *from, const char *to)
{
    char bytes[65536];
    int in_fd = open(from, O_RDONLY), out = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    for (ssize_t n; (n = read(in_fd, bytes, sizeof bytes)) > 0;)
        write(out, bytes, (size_t)n);
    fchmod(out, 0755);
    close(in_fd), close(out);
}

/* In a child: how the call fails, or what the program says. */
static void run(int line, const char *path, char *const argv[])
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execve(path, argv, environ);
        printf("%d: -%s\n", line, strerrorname_np(errno));
        fflush(stdout);
        _exit(77);
    }
    printf("%d: ends with %d\n", line, finish(child));
    fflush(stdout);
    child = vfork();
    if (child == 0) {
        execve(path, argv, environ);
        _exit(errno);
    }
    printf("%d: after vfork %d\n", line, finish(child));
    fflush(stdout);
}
#define RUN(path_, ...) run(__LINE__, path_, (char *const[]){__VA_ARGS__, NULL})

static void run_at(int line, int fd, const char *path, int flags)
{
    char *const argv[] = {"name", "said", NULL};
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        syscall(SYS_execveat, fd, path, argv, environ, flags);
        printf("%d: -%s\n", line, strerrorname_np(errno));
        fflush(stdout);
        _exit(77);
    }
    printf("%d: ends with %d\n", line, finish(child));
    fflush(stdout);
}
#define RUN_AT(fd_, path_, flags_) run_at(__LINE__, fd_, path_, flags_)

static void scripts(void)
{
    char line[600] = "#!";
    make_text("plain", "#!/bin/echo\n");
    RUN(in("plain"), "a", "b");
    make_text("argument", "#! \t/bin/echo  one two  \t\n");
    RUN(in("argument"), "a", "b");
    make_text("no newline", "#!/bin/echo");
    RUN(in("no newline"), "a");
    make_text("nothing", "#!\n");
    RUN(in("nothing"), "a");
    make_text("spaces", "#!   \n");
    RUN(in("spaces"), "a");
    make_text("missing", "#!/nonexistent/interpreter\n");
    RUN(in("missing"), "a");
    make_text("directory", "#!/etc\n");
    RUN(in("directory"), "a");
    make_text("not executable", "#!/etc/passwd\n");
    RUN(in("not executable"), "a");
    make_text("nul", "#!/bin/echo\0 x\n");
    RUN(in("nul"), "a");
    make("nul in argument", "#!/bin/echo x\0y z\n", 18, 0755);
    RUN(in("nul in argument"), "a");
    make_text("cr", "#!/bin/echo\r\n");
    RUN(in("cr"), "a");
    /* Lines longer than the 256 bytes that the kernel reads. */
    memset(line + 2, 'x', 300);
    line[2] = '/';
    memcpy(line + 302, "\n", sizeof "\n");
    make_text("long path", line);
    RUN(in("long path"), "a");
    memcpy(line, "#!/bin/echo ", sizeof "#!/bin/echo ");
    memset(line + 12, 'y', 400);
    memcpy(line + 412, "\n", sizeof "\n");
    make_text("long argument", line);
    RUN(in("long argument"), "a");
    memcpy(line, "#!/bin/echo", sizeof "#!/bin/echo");
    memset(line + 11, ' ', 400);
    memcpy(line + 411, "z\n", sizeof "z\n");
    make_text("long blank", line);
    RUN(in("long blank"), "a");
    for (int size = 252; size <= 258; size++) { /* all of the first line */
        char name[20];
        memcpy(line, "#!/bin/echo ", sizeof "#!/bin/echo ");
        memset(line + 12, 'w', 400);
        memcpy(line + size, "\n", sizeof "\n");
        snprintf(name, sizeof name, "edge %d", size);
        make_text(name, line);
        RUN(in(name), "a");
    }
    /* Interpreters that are scripts. */
    char text[400];
    make_text("level 0", "#!/bin/echo end\n");
    for (int i = 1; i < 8; i++) {
        char name[20];
        snprintf(text, sizeof text, "#!%s/level%d arg%d\n", g_directory, i - 1, i);
        if (i == 1)
            snprintf(text, sizeof text, "#!%s/level0 arg1\n", g_directory);
        snprintf(name, sizeof name, "level%d", i);
        make_text(name, text);
    }
    make_text("level0", "#!/bin/echo end\n");
    for (int i = 0; i < 8; i++) {
        char name[20];
        snprintf(name, sizeof name, "level%d", i);
        RUN(in(name), "a", "b");
    }
    snprintf(text, sizeof text, "#!%s/loop\n", g_directory);
    make_text("loop", text);
    RUN(in("loop"), "a");
    make_text("no argv", "#!/bin/echo x\n");
    run(__LINE__, in("no argv"), NULL);
    run(__LINE__, in("no argv"), (char *const[]){NULL});
    run(__LINE__, in("no argv"), (char *const[]){"", NULL});
}

static void formats(void)
{
    char elf[128] = "\177ELF";
    RUN(make("empty", "", 0, 0755), "a");
    RUN(make("short", "ab", 2, 0755), "a");
    RUN(make_text("text", "echo this is no program\n"), "a");
    RUN(make("elf only", elf, 4, 0755), "a");
    RUN(make("elf zeros", elf, 128, 0755), "a");
    elf[4] = 1; /* 32 bits */
    RUN(make("elf 32", elf, 128, 0755), "a");
    RUN(make_text("closed", "#!/bin/echo\n"), "a");
    chmod(in("closed"), 0644);
    RUN(in("closed"), "a");
    chmod(in("closed"), 0);
    RUN(in("closed"), "a");
    chmod(in("closed"), 0100);
    RUN(in("closed"), "a");
    mkdir(in("folder"), 0755);
    RUN(in("folder"), "a");
    RUN(in("folder/"), "a");
    RUN(in("plain/"), "a");
    RUN(in("plain/x"), "a");
    RUN(in("none"), "a");
    RUN("", "a");
    char longer[5000];
    memset(longer, 'a', sizeof longer);
    longer[0] = '/';
    longer[4999] = 0;
    RUN(longer, "a");
    longer[300] = 0;
    RUN(longer, "a");
    unlink(in("self link"));
    symlink("self link", in("self link"));
    RUN(in("self link"), "a");
    unlink(in("link"));
    symlink("plain", in("link"));
    RUN(in("link"), "a");
    RUN("/dev/null", "a");
    mkfifo(in("fifo"), 0755);
    RUN(in("fifo"), "a");
    SAY(execve((char *)8, NULL, NULL));
    SAY(execve(NULL, NULL, NULL));
    SAY(execve("/bin/true", (char **)8, NULL));
    SAY(execve("/bin/true", (char *const[]){(char *)8, NULL}, NULL));
    SAY(execve("/bin/true", (char *const[]){"a", NULL}, (char **)8));
    SAY(execve("/bin/true", (char *const[]){"a", NULL}, (char *const[]){(char *)8, NULL}));
    SAY(execve("/nonexistent", (char **)8, NULL));
    pid_t child = fork();
    if (child == 0) { /* not root: modes count */
        char *const argv[] = {"a", NULL};
        chmod(g_directory, 0755);
        setresgid(1234, 1234, 1234);
        setresuid(1234, 1234, 1234);
        SAY(execve(in("closed"), argv, environ));
        SAY(execve(in("text"), argv, environ));
        SAY(execve("/root/x", argv, environ));
        _exit(0);
    }
    SAY(finish(child));
}

static void busy(void)
{
    copy("/bin/true", in("true"));
    RUN(in("true"), "true");
    int fd = open(in("true"), O_WRONLY);
    RUN(in("true"), "true");
    close(fd);
    fd = open(in("true"), O_RDWR | O_APPEND);
    RUN(in("true"), "true");
    int second = dup(fd);
    close(fd);
    RUN(in("true"), "true");
    close(second);
    RUN(in("true"), "true");
    fd = open(in("plain"), O_WRONLY); /* scripts are read */
    RUN(in("plain"), "a");
    close(fd);
    copy(g_self, in("self"));
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[0], 0);
        close(ends[1]);
        execl(in("self"), "self", "wait", NULL);
        _exit(99);
    }
    char byte;
    close(ends[0]);
    int status;
    waitpid(child, &status, WUNTRACED); /* it stops itself when it runs */
    fd = open(in("self"), O_RDONLY);
    SAY_TRUE(fd >= 0);
    close(fd);
    SAY(rename(in("self"), in("self2")));
    SAY(unlink(in("self2")));
    kill(child, SIGCONT);
    close(ends[1]);
    SAY(finish(child));
    (void)byte;
}

static void sizes(void)
{
    static char big[200 << 10];
    memset(big, 'b', sizeof big - 1);
    big[(128 << 10) - 1] = 0; /* 32 pages with its end */
    RUN(g_self, "self", "count", big);
    big[(128 << 10) - 1] = 'b';
    big[128 << 10] = 0;
    RUN(g_self, "self", "count", big);
    static char *many[300000];
    for (int i = 0; i < 299999; i++)
        many[i] = "x";
    many[0] = "self", many[1] = "count";
    many[299999] = NULL;
    pid_t child = fork();
    if (child == 0) {
        SAY(execve(g_self, many, environ));
        _exit(0);
    }
    SAY(finish(child));
    for (int i = 2; i < 299999; i++)
        many[i] = "0123456789012345678901234567890123456789";
    child = fork();
    if (child == 0) {
        SAY(execve(g_self, many, environ));
        _exit(0);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) {
        struct rlimit limit = {512 << 10, 512 << 10};
        setrlimit(RLIMIT_STACK, &limit);
        for (int i = 2; i < 299999; i++)
            many[i] = i < 20000 ? "x" : NULL;
        SAY(execve(g_self, many, environ));
        _exit(0);
    }
    SAY(finish(child));
    RUN(g_self, "self", "count", "", "", "last");
}

static void descriptors(int shielded)
{
    int directory = open(g_directory, O_RDONLY | O_DIRECTORY);
    int path = open(g_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    RUN_AT(directory, "plain", 0);
    RUN_AT(path, "plain", 0);
    RUN_AT(directory, "plain", AT_SYMLINK_NOFOLLOW);
    RUN_AT(directory, "link", AT_SYMLINK_NOFOLLOW);
    RUN_AT(directory, "link", 0);
    RUN_AT(directory, "none", 0);
    RUN_AT(directory, "", 0);
    RUN_AT(directory, "", AT_EMPTY_PATH);
    RUN_AT(directory, ".", 0);
    RUN_AT(-1, "plain", 0);
    RUN_AT(-1, in("plain"), 0);
    RUN_AT(-1, "", AT_EMPTY_PATH);
    RUN_AT(AT_FDCWD, in("plain"), 0);
    RUN_AT(AT_FDCWD, in("link"), AT_SYMLINK_NOFOLLOW);
    RUN_AT(directory, "plain", 0x1);
    RUN_AT(directory, NULL, 0);
    int file = open(in("plain"), O_RDONLY);
    RUN_AT(file, "plain", 0);
    close(file);
    copy("/bin/echo", in("echo"));
    chmod(in("echo"), 0755);
    int program = open(in("echo"), O_RDONLY | O_CLOEXEC),
        by_path = open(in("echo"), O_PATH | O_CLOEXEC);
    int script = open(in("plain"), O_RDONLY), closing = open(in("plain"), O_RDONLY | O_CLOEXEC);
    RUN_AT(program, "", AT_EMPTY_PATH);
    RUN_AT(by_path, "", AT_EMPTY_PATH);
    RUN_AT(program, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
    RUN_AT(closing, "", AT_EMPTY_PATH);
    RUN_AT(path, "plain", AT_EMPTY_PATH);
    fflush(stdout);
    pid_t child = fork();
    if (child ==
        0) { /* the script's name is the descriptor's: which number that is does not matter */
        dup2(script, 100);
        char *const argv[] = {"name", "said", NULL};
        syscall(SYS_execveat, 100, "", argv, environ, AT_EMPTY_PATH);
        _exit(77);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) {
        dup2(directory, 100);
        char *const argv[] = {"name", "said", NULL};
        syscall(SYS_execveat, 100, "plain", argv, environ, 0);
        _exit(77);
    }
    SAY(finish(child));
    int writer = open(in("echo"), O_WRONLY);
    if (!shielded)
        RUN_AT(program, "", AT_EMPTY_PATH);
    close(writer);
    int memory = memfd_create("program", MFD_CLOEXEC);
    char bytes[65536];
    int from = open("/bin/echo", O_RDONLY);
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;)
        write(memory, bytes, (size_t)n);
    RUN_AT(memory, "", AT_EMPTY_PATH); /* it is open for writing */
    fflush(stdout);
    child = fork();
    if (child == 0) {
        char *const argv[] = {"name", "fexecve", NULL};
        fexecve(program, argv, environ);
        _exit(77);
    }
    SAY(finish(child));
    close(memory), close(from), close(directory), close(path);
    close(program), close(by_path), close(script), close(closing);
}

/* What the new program is called and has. */
static void identities(void)
{
    RUN(g_self, "a name of its own", "identity", "x y", "");
    copy(g_self, in("another"));
    RUN(in("another"), "argv0", "identity");
    unlink(in("to another"));
    symlink("another", in("to another"));
    RUN(in("to another"), "argv0", "identity");
    copy(g_self, in("a very long name of a program"));
    RUN(in("a very long name of a program"), "argv0", "identity");
    char text[300];
    snprintf(text, sizeof text, "#!%s identity\n", in("another"));
    make_text("script", text);
    RUN(in("script"), "argv0", "from script");
    int program = open(in("another"), O_RDONLY | O_CLOEXEC);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup3(program, 200, O_CLOEXEC);
        char *const argv[] = {"fd", "identity", NULL};
        prctl(PR_SET_NAME, "before");
        syscall(SYS_execveat, 200, "", argv, environ, AT_EMPTY_PATH);
        _exit(77);
    }
    SAY(finish(child));
    close(program);
    int kept = open(in("plain"), O_RDONLY), lost = open(in("plain"), O_RDONLY | O_CLOEXEC);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    int poller = epoll_create1(EPOLL_CLOEXEC), stays = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 5};
    epoll_ctl(stays, EPOLL_CTL_ADD, pair[0], &event);
    SAY(lost > 0 && poller > 0);
    lseek(kept, 2, SEEK_SET);
    char number[20], epoll_number[20];
    snprintf(number, sizeof number, "%d", kept);
    snprintf(epoll_number, sizeof epoll_number, "%d", stays);
    RUN(g_self, "self", "descriptors", number, epoll_number);
    close(kept), close(lost), close(poller), close(stays), close(pair[0]), close(pair[1]);
}

static void say_file(const char *path)
{
    char text[400];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == 0)
            text[i] = '|';
    text[n < 0 ? 0 : n] = 0;
    printf("%s: %s\n", path, text);
}

static int executed(int argc, char **argv)
{
    char text[400];
    if (strcmp(argv[1], "wait") == 0) {
        raise(SIGSTOP);
        return (int)read(0, text, 1);
    }
    if (strcmp(argv[1], "count") == 0) {
        size_t sum = 0;
        for (int i = 0; i < argc; i++)
            sum += strlen(argv[i]);
        printf("%d arguments of %zu\n", argc, sum);
        return 3;
    }
    if (strcmp(argv[1], "descriptors") == 0) {
        int open_count = 0;
        struct epoll_event event;
        for (int fd = 3; fd < 100; fd++)
            open_count += fcntl(fd, F_GETFD) != -1;
        SAY(open_count);
        SAY(lseek((int)strtol(argv[2], NULL, 10), 0, SEEK_CUR));
        SAY(read((int)strtol(argv[2], NULL, 10), text, 3));
        SAY(epoll_wait((int)strtol(argv[3], NULL, 10), &event, 1, 0));
        return 0;
    }
    ssize_t n = readlink("/proc/self/exe", text, sizeof text - 1);
    text[n < 0 ? 0 : n] = 0;
    printf("exe %s\n", strrchr(text, '/'));
    prctl(PR_GET_NAME, text);
    printf("name %s\n", text);
    for (int i = 0; i < argc; i++)
        printf("argument %s\n", strrchr(argv[i], '/') ? strrchr(argv[i], '/') : argv[i]);
    char *name = (char *)getauxval(AT_EXECFN);
    printf("execfn %s\n", strrchr(name, '/') ? strrchr(name, '/') : name);
    SAY(getauxval(AT_SECURE));
    if (!strchr(argv[0], '/') && !strstr(argv[argc - 1], "script"))
        say_file("/proc/self/cmdline");
    say_file("/proc/self/comm");
    return 0;
}

int main(int argc, char **argv)
{
    g_self = argv[0];
    if (argc > 1 && argv[1][0] != '/')
        return executed(argc, argv);
    if (argc > 1 && chdir(argv[1]) != 0)
        return 1;
    (void)snprintf(g_directory, sizeof g_directory, ".");
    signal(SIGALRM, SIG_DFL);
    alarm(60);
    scripts();
    formats();
    if (argc == 1) /* a volume does not know who writes when a program starts */
        busy();
    sizes();
    descriptors(argc > 1);
    identities();
    return 0;
}
