/* SPDX-License-Identifier: Apache-2.0 */
/* Bad pointers in every place where a call of the runtime's takes one. The calls come from the
 * runtime's own table: for each that it does not just pass, on each kind of descriptor, with each
 * pointer argument bad in each way while the others are good. One line says how each went. */
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/call_shape.h"
#include "oracle.h"

#define PAGE 4096l

enum call_class { PASS, FD, ANY, SHIELD, EMULATE, DENY };

static const struct row {
    const char *name, *shapes;
    int nr, class;
} rows[] = {
#define CALL(nr, name, class, handler, shapes, engines, why) {#name, shapes, nr, class},
#include "runtime/syscall/table.def"
#undef CALL
};

static const struct variant {
    const char *call, *shapes;
    unsigned selector;
} variants[] = {
#define VARIANT(call, selector, shapes) {#call, shapes, (unsigned)(selector)},
#include "runtime/syscall/variants.def"
#undef VARIANT
};

/* They end, replace, duplicate or stop the program, or change what it can do. */
static const char *const excluded[] = {
    "rt_sigreturn", "rt_sigsuspend",   "clone",           "clone3",
    "fork",         "vfork",           "execve",          "execveat",
    "exit",         "exit_group",      "prctl",           "arch_prctl",
    "setgroups",    "set_robust_list", "set_tid_address", "bind",
    "connect",      "sigaltstack"};

static bool is_excluded(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(excluded); i++)
        if (strcmp(excluded[i], name) == 0)
            return true;
    return false;
}

/* --- what the arguments are --- */

static char *g_good, *g_read_only, *g_none, *g_gone, *g_edge; /* g_edge: g_none follows the byte */
static char g_name[] = "there";

static struct {
    const char *name;
    int fd;
} g_fds[8];
static int g_fd_count;

static void add_fd(const char *name, int fd)
{
    if (fd < 0)
        printf("no %s\n", name);
    g_fds[g_fd_count].name = name;
    g_fds[g_fd_count++].fd = fd;
}

static void *pages(int prot)
{
    return mmap(NULL, 2 * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void prepare(void)
{
    int pair[2];
    g_good = pages(PROT_READ | PROT_WRITE);
    g_read_only = pages(PROT_READ);
    g_none = pages(PROT_READ | PROT_WRITE);
    g_gone = pages(PROT_READ);
    munmap(g_gone, 2 * PAGE);
    memset(g_none, 'x', PAGE);
    g_edge = g_none + PAGE - 4;
    mprotect(g_none + PAGE, PAGE, PROT_NONE);
    close(open(g_name, O_CREAT | O_RDWR, 0600));
    mkdir("directory", 0700);
    close(open("directory/entry", O_CREAT | O_RDWR, 0600));
    add_fd("file", open(g_name, O_RDWR));
    add_fd("directory", open("directory", O_RDONLY));
    add_fd("path", open(g_name, O_PATH));
    add_fd("proc", open("/proc/self/maps", O_RDONLY));
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    add_fd("unix", pair[0]);
    add_fd("tcp", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    add_fd("epoll", epoll_create1(0));
    add_fd("inotify", inotify_init1(IN_NONBLOCK));
}

static bool is_pointer(const struct shape *s)
{
    return s->kind > SHAPE_WORD && s->kind != SHAPE_BY;
}

/* Of arguments that are values; the good pointer for the others. */
static long good(const struct shape *s, int number, long size, int fd)
{
    switch (s->kind) {
    case SHAPE_FD:
        return fd;
    case SHAPE_DIRFD:
        return AT_FDCWD;
    case SHAPE_INT:
    case SHAPE_UINT:
        return number;
    case SHAPE_SIZE:
        return size;
    case SHAPE_MODE:
        return 0600;
    case SHAPE_SIG:
        return SIGUSR2;
    case SHAPE_PATH:
    case SHAPE_STR:
        return (long)g_name;
    default:
        return is_pointer(s) ? (long)g_good : 0;
    }
}

static long call(int nr, const long a[6])
{
    long r = -1;
    errno = EINTR;
    for (int i = 0; i < 3 && r == -1 && errno == EINTR; i++)
        r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    return r == -1 ? -errno : r;
}

/* --- the ways --- */

static void say(long r)
{
    if (r < 0)
        printf(" %s", strerrorname_np((int)-r));
    else
        printf(" ok");
}

static void reset(int fd)
{
    memset(g_good, 0, 2 * PAGE);
    memset(g_none, 'x', PAGE);
    lseek(fd, 0, SEEK_SET);
}

/* One pointer argument, bad in each way. */
static void each_way(const struct row *row, const long args[6], int at, int fd)
{
    const long ways[] = {0,
                         1,
                         (long)g_gone,
                         (long)g_none + PAGE,
                         (long)g_read_only,
                         (long)g_edge,
                         (long)(1ul << 63),
                         (long)0xffffffffff600000ul,
                         -10};
    for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
        long bad[6];
        memcpy(bad, args, sizeof bad);
        bad[at] = ways[i];
        reset(fd);
        long r = call(row->nr, bad);
        say(r);
        if (r >= 0 && row->shapes[strlen(row->shapes) - 1] == 'd' && strstr(row->shapes, ">fd"))
            close((int)r);
    }
    printf("\n");
}

/* Natively what cannot be written at an offset says that first: a file of /proc. */
static bool is_known(const struct row *row, const char *name)
{
    return strcmp(name, "proc") == 0 && strncmp(row->name, "pwrite", 6) == 0;
}

static void each_pointer(const struct row *row, const struct call_shape *shape, int number,
                         long size, const char *name, int fd)
{
    long args[6] = {0};
    for (int i = 0; i < shape->count; i++)
        args[i] = good(&shape->args[i], number, size, fd);
    if (row->nr == SYS_setrlimit)
        args[0] = 12; /* of message queues */
    if (row->nr == SYS_prlimit64)
        args[0] = 0, args[1] = 12;
    for (int i = 0; i < shape->count; i++)
        if (is_pointer(&shape->args[i]) && !is_known(row, name)) {
            printf("%s(%s, %d, %ld) %d:", row->name, name, number, size, i);
            each_way(row, args, i, fd);
        }
}

/* Each file system has flags of its own, or none. */
static bool of_file_system(unsigned selector)
{
    return selector == FS_IOC_GETFLAGS || selector == FS_IOC_SETFLAGS ||
           selector == FS_IOC_FSGETXATTR || selector == FS_IOC_FSSETXATTR;
}

/* The commands of ioctl(2) and fcntl(2), which say what their argument is. */
static void each_variant(const struct row *row, const char *name, int fd)
{
    for (size_t i = 0; i < ARRAY_COUNT(variants); i++) {
        struct call_shape part;
        const char *shapes = variants[i].shapes;
        if (strcmp(variants[i].call, row->name) != 0 || of_file_system(variants[i].selector) ||
            shape_parse_part(shapes, &part) < 0 || !is_pointer(&part.args[0]))
            continue;
        const long args[6] = {fd, variants[i].selector};
        printf("%s(%s, %#x):", row->name, name, variants[i].selector);
        each_way(row, args, 2, fd);
    }
}

static void each_descriptor(const struct row *row, const struct call_shape *shape)
{
    bool any = false, sized = false, numbered = false, by = false;
    for (int i = 0; i < shape->count; i++) {
        any |= shape->args[i].kind == SHAPE_FD;
        sized |= shape->args[i].kind == SHAPE_SIZE;
        numbered |= shape->args[i].kind == SHAPE_INT || shape->args[i].kind == SHAPE_UINT;
        by |= shape->args[i].kind == SHAPE_BY;
    }
    for (int i = 0; i < (any ? g_fd_count : 1); i++) {
        const char *name = any ? g_fds[i].name : "-";
        if (by) {
            each_variant(row, name, g_fds[i].fd);
            continue;
        }
        for (int number = 0; number <= (numbered ? 1 : 0); number++)
            for (long size = sized && row->nr != SYS_getcwd ? 8 : 64; size <= 64; size += 56)
                each_pointer(row, shape, number, size, name, g_fds[i].fd);
    }
}

/* --- pointers behind pointers --- */

static void vectors(void)
{
    const long bases[] = {
        0, (long)g_gone, (long)g_none + PAGE, (long)g_read_only, (long)g_edge, (long)(1ul << 63)};
    static const struct {
        const char *name;
        int nr;
    } calls[] = {{"readv", SYS_readv},
                 {"writev", SYS_writev},
                 {"preadv", SYS_preadv},
                 {"pwritev", SYS_pwritev}};
    for (size_t c = 0; c < ARRAY_COUNT(calls); c++)
        for (int f = 0; f < g_fd_count; f++)
            for (size_t i = 0; i < ARRAY_COUNT(bases); i++)
                for (int first = 0; first < 2; first++) {
                    if (calls[c].nr == SYS_pwritev && strcmp(g_fds[f].name, "proc") == 0)
                        continue;
                    struct iovec iov[2] = {{g_good, 16}, {(void *)bases[i], 16}};
                    struct iovec turned[2] = {iov[1], iov[0]};
                    const long args[6] = {g_fds[f].fd, (long)(first ? turned : iov), 2};
                    if (pwrite(g_fds[f].fd, "sixteen bytes and sixteen more..", 32, 0) != 32)
                        errno = 0;
                    reset(g_fds[f].fd);
                    long r = call(calls[c].nr, args);
                    printf("%s %s %zu %d: %ld\n", calls[c].name, g_fds[f].name, i, first, r);
                }
}

static void messages(void)
{
    const long bad[] = {(long)g_gone, (long)g_none + PAGE, (long)g_edge, (long)(1ul << 63)};
    for (int f = 0; f < g_fd_count; f++)
        for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
            for (int part = 0; part < 4; part++) {
                struct iovec iov = {g_good, 8};
                struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
                if (part == 0)
                    m.msg_iov = (void *)bad[i];
                if (part == 1)
                    iov.iov_base = (void *)bad[i];
                if (part == 2)
                    m.msg_name = (void *)bad[i], m.msg_namelen = 16;
                if (part == 3)
                    m.msg_control = (void *)bad[i], m.msg_controllen = 32;
                const long args[6] = {g_fds[f].fd, (long)&m, MSG_DONTWAIT};
                printf("sendmsg %s %zu %d:", g_fds[f].name, i, part);
                say(call(SYS_sendmsg, args));
                printf(" recvmsg");
                say(call(SYS_recvmsg, args));
                printf("\n");
            }
}

/* In a child, so that one which takes what it should not ends only that. */
static void exec_one(const char *what, const char *path, char **argv, char **envp)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        long r = syscall(SYS_execve, path, argv, envp);
        _exit(r == -1 ? errno : 99);
    }
    int status;
    waitpid(child, &status, 0);
    printf("execve %s: %d\n", what, status);
}

static void execs(void)
{
    static char *argv[] = {"true", NULL}, *none[] = {NULL};
    char *bad_text[] = {"true", g_gone, NULL}, *edge_text[] = {"true", g_edge, NULL};
    exec_one("good", "/bin/true", argv, none);
    exec_one("no path", NULL, argv, none);
    exec_one("path that is gone", g_gone, argv, none);
    exec_one("path without end", g_edge, argv, none);
    exec_one("arguments gone", "/bin/true", (char **)g_gone, none);
    exec_one("arguments cut", "/bin/true", (char **)g_edge, none);
    exec_one("arguments beyond", "/bin/true", (char **)(1ul << 63), none);
    exec_one("environment gone", "/bin/true", argv, (char **)g_gone);
    exec_one("an argument gone", "/bin/true", bad_text, none);
    exec_one("an argument without end", "/bin/true", edge_text, none);
    exec_one("a variable gone", "/bin/true", argv, bad_text);
}

static void on_alarm(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (argc > 1 && chdir(argv[1]) < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    prepare();
    vectors();
    messages();
    execs();
    /* What waits for ever without this pointer is interrupted. */
    struct itimerval often = {{0, 20000}, {0, 20000}};
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct call_shape shape;
        bool ours = rows[i].class != PASS && rows[i].class != DENY;
        if (!ours || is_excluded(rows[i].name) || shape_parse(rows[i].shapes, &shape) < 0)
            continue;
        each_descriptor(&rows[i], &shape);
    }
    return 0;
}
