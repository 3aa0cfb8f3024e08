/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits: what is seen of them, what they forbid, who inherits them. An argument: the directory
 * to make files in. */
#include "say.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

static const char *g_self;

static int finish(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static long soft(int resource)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) < 0 ? -1 : (long)limit.rlim_cur;
}

static int set_soft(int resource, rlim_t value)
{
    struct rlimit limit;
    getrlimit(resource, &limit);
    limit.rlim_cur = value;
    return setrlimit(resource, &limit);
}

static void fill(int from, int to)
{
    for (int fd = from; fd < to; fd++)
        if (fcntl(fd, F_GETFD) == -1)
            dup2(0, fd);
}

static int receive_one(int socket, int *ret_flags)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int r = (int)recvmsg(socket, &m, 0);
    *ret_flags = m.msg_flags & MSG_CTRUNC;
    if (r < 0 || m.msg_controllen < sizeof(struct cmsghdr))
        return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}

static void send_one(int socket, int fd)
{
    char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    sendmsg(socket, &m, 0);
}

/* With every number below the limit taken. */
static void when_full(const char *file, int listener)
{
    int two[2], flags = 0;
    struct pollfd polls[64] = {0};
    sigset_t set;
    sigemptyset(&set);
    SAY(open("/dev/null", O_RDONLY));
    SAY(open(file, O_RDONLY));
    SAY(openat(AT_FDCWD, file, O_RDWR));
    SAY(dup(0));
    SAY(dup2(0, 39));
    SAY(dup2(0, 40));
    SAY(dup2(0, 1000000));
    SAY(dup2(0, -1));
    SAY(syscall(SYS_dup3, 0, 40, 0));
    SAY(syscall(SYS_dup3, 0, 39, O_CLOEXEC));
    SAY(fcntl(0, F_DUPFD, 0));
    SAY(fcntl(0, F_DUPFD, 39));
    SAY(fcntl(0, F_DUPFD, 40));
    SAY(fcntl(0, F_DUPFD_CLOEXEC, 41));
    SAY(fcntl(0, F_DUPFD, -1));
    SAY(pipe(two));
    SAY(socket(AF_UNIX, SOCK_STREAM, 0));
    SAY(socket(AF_INET, SOCK_STREAM, 0));
    SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, two));
    SAY(accept(listener, NULL, NULL));
    SAY(eventfd(0, 0));
    SAY(epoll_create1(0));
    SAY(timerfd_create(CLOCK_MONOTONIC, 0));
    SAY(signalfd(-1, &set, 0));
    SAY(inotify_init());
    SAY(memfd_create("m", 0));
    SAY(syscall(SYS_pidfd_open, getpid(), 0));
    SAY(poll(polls, 41, 0));
    SAY(poll(polls, 40, 0) >= 0);
    (void)flags;
}

static void descriptors(const char *directory)
{
    char path[256], other[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/limited", directory);
    snprintf(other, sizeof other, "%s/never made", directory);
    close(open(path, O_CREAT | O_RDWR, 0600));
    int pair[2], flags;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0coffer-limits"};
    snprintf(address.sun_path + 1, 40, "limits-%d", getpid());
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (void *)&address, sizeof address);
    listen(listener, 5);
    connect(client, (void *)&address, sizeof address);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    SAY(set_soft(RLIMIT_NOFILE, 40));
    SAY(soft(RLIMIT_NOFILE));
    SAY(sysconf(_SC_OPEN_MAX));
    SAY(getdtablesize());
    struct rlimit after;
    SAY(prlimit(0, RLIMIT_NOFILE, NULL, &after));
    SAY(after.rlim_cur);
    SAY_TRUE(after.rlim_max == limit.rlim_max);
    SAY(prlimit(getpid(), RLIMIT_NOFILE, NULL, &after));
    SAY(after.rlim_cur);
    fill(0, 40);
    when_full(path, listener);
    SAY(open(other, O_CREAT | O_RDWR, 0600));
    SAY(stat(other, &st));
    send_one(pair[0], 0);
    SAY(receive_one(pair[1], &flags));
    SAY(flags != 0);
    close(20);
    send_one(pair[0], 0);
    SAY(receive_one(pair[1], &flags));
    SAY(flags != 0);
    close(20);
    SAY(open(path, O_RDONLY));
    close(20);
    SAY(memfd_create("m", 0));
    close(20);
    SAY(pipe((int[2]){0}));
    SAY(fcntl(20, F_GETFD));
    pid_t child = fork();
    if (child == 0) {
        SAY(soft(RLIMIT_NOFILE));
        SAY(dup(0));
        SAY(dup(0));
        execl(g_self, g_self, "limited", NULL);
        _exit(99);
    }
    SAY(finish(child));
    child = vfork();
    if (child == 0) {
        execl(g_self, g_self, "limited", NULL);
        _exit(99);
    }
    SAY(finish(child));
    SAY(system("ulimit -n"));
    SAY(set_soft(RLIMIT_NOFILE, 45)); /* and up again */
    SAY(dup2(0, 44));
    SAY(dup2(0, 45));
    SAY(set_soft(RLIMIT_NOFILE, 10)); /* what is open above stays */
    SAY(fcntl(44, F_GETFD));
    SAY(dup2(44, 9));
    SAY(dup2(9, 43));
    SAY(read(44, path, 0));
    SAY(set_soft(RLIMIT_NOFILE, 3));
    SAY(open("/dev/null", O_RDONLY));
    SAY(access("/etc/passwd", R_OK));
    SAY(stat(directory, &st));
    child = fork();
    if (child == 0) {
        execl("/bin/true", "true", NULL); /* its libraries cannot be opened */
        _exit(99);
    }
    SAY(finish(child));
    SAY(set_soft(RLIMIT_NOFILE, 0));
    SAY(dup(0));
    SAY(fcntl(0, F_DUPFD, 0));
    SAY(set_soft(RLIMIT_NOFILE, limit.rlim_cur));
    SAY_TRUE(soft(RLIMIT_NOFILE) == (long)limit.rlim_cur);
    for (int fd = 3; fd < 50; fd++)
        close(fd);
}

static void refused(void)
{
    struct rlimit limit = {20, 10};
    SAY(setrlimit(RLIMIT_NOFILE, &limit));
    SAY(setrlimit(RLIMIT_CORE, &limit));
    SAY(setrlimit(99, &limit));
    SAY(getrlimit(99, &limit));
    SAY(prlimit(4000000, RLIMIT_CPU, NULL, &limit));
    SAY(prlimit(0, RLIMIT_CPU, (void *)8, NULL));
    SAY(prlimit(0, RLIMIT_CPU, NULL, (void *)8));
    SAY(prlimit(0, RLIMIT_NOFILE, (void *)8, NULL));
    SAY(prlimit(0, RLIMIT_NOFILE, NULL, NULL));
    limit = (struct rlimit){10, RLIM_INFINITY};
    SAY(setrlimit(RLIMIT_NOFILE, &limit));
    pid_t child = fork();
    if (child == 0) {
        SAY(setresuid(1000, 1000, 1000));
        limit = (struct rlimit){100, 200};
        SAY(setrlimit(RLIMIT_NOFILE, &limit));
        SAY(getrlimit(RLIMIT_NOFILE, &limit));
        SAY(limit.rlim_max);
        limit = (struct rlimit){100, 201};
        SAY(setrlimit(RLIMIT_NOFILE, &limit));
        SAY(set_soft(RLIMIT_NOFILE, 201));
        SAY(set_soft(RLIMIT_NOFILE, 200));
        SAY(soft(RLIMIT_NOFILE));
        SAY(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit));
        pid_t grandchild = fork();
        if (grandchild == 0) {
            SAY(getrlimit(RLIMIT_NOFILE, &limit));
            SAY(limit.rlim_max);
            SAY(set_soft(RLIMIT_NOFILE, 201));
            _exit(0);
        }
        SAY(finish(grandchild));
        grandchild = vfork();
        if (grandchild == 0) {
            execl(g_self, g_self, "hard", NULL);
            _exit(99);
        }
        SAY(finish(grandchild));
        limit = (struct rlimit){10, 20};
        SAY(setrlimit(RLIMIT_CORE, &limit));
        limit = (struct rlimit){10, 21};
        SAY(setrlimit(RLIMIT_CORE, &limit));
        _exit(0);
    }
    SAY(finish(child));
}

static int g_signals;
static siginfo_t g_info;
static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    g_info = *info;
    g_signals++;
}

static void sizes(const char *directory)
{
    char path[256], bytes[3000] = {0};
    struct stat st;
    snprintf(path, sizeof path, "%s/sized", directory);
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGXFSZ, &action, NULL);
    SAY(set_soft(RLIMIT_FSIZE, 5000));
    SAY(soft(RLIMIT_FSIZE));
    SAY(write(fd, bytes, sizeof bytes));
    SAY(write(fd, bytes, sizeof bytes));
    SAY(g_signals);
    SAY(write(fd, bytes, sizeof bytes));
    SAY(g_signals);
    SAY(g_info.si_signo);
    SAY(g_info.si_code);
    SAY(write(fd, bytes, 0));
    SAY(pwrite(fd, bytes, 10, 4995));
    SAY(pwrite(fd, bytes, 10, 5000));
    SAY(g_signals);
    SAY(ftruncate(fd, 5000));
    SAY(ftruncate(fd, 5001));
    SAY(g_signals);
    SAY(truncate(path, 6000));
    SAY(g_signals);
    SAY(fallocate(fd, 0, 0, 5001));
    SAY(g_signals);
    SAY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8000));
    SAY(posix_fallocate(fd, 0, 7000));
    SAY(g_signals);
    SAY(fstat(fd, &st));
    SAY(st.st_size);
    lseek(fd, 4000, SEEK_SET);
    struct iovec iov[2] = {{bytes, 700}, {bytes, 700}};
    SAY(writev(fd, iov, 2));
    SAY(lseek(fd, 0, SEEK_CUR));
    int to = open(path, O_WRONLY | O_APPEND);
    SAY(write(to, bytes, 1));
    SAY(g_signals);
    int pipes[2];
    pipe(pipes);
    SAY(write(pipes[1], bytes, sizeof bytes)); /* no file */
    lseek(fd, 4900, SEEK_SET);
    SAY(splice(pipes[0], NULL, fd, NULL, 500, 0));
    SAY(splice(pipes[0], NULL, fd, NULL, 500, 0));
    SAY(g_signals);
    int source = open("/proc/self/exe", O_RDONLY);
    lseek(fd, 4990, SEEK_SET);
    SAY(sendfile(fd, source, NULL, 100));
    SAY(sendfile(fd, source, NULL, 100));
    SAY(g_signals);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGXFSZ, SIG_DFL);
        pwrite(fd, bytes, 1, 9000);
        _exit(1);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        SAY(pwrite(fd, bytes, 1, 9000));
        execl(g_self, g_self, "sized", path, NULL);
        _exit(1);
    }
    SAY(finish(child));
    SAY(set_soft(RLIMIT_FSIZE, RLIM_INFINITY));
    SAY(pwrite(fd, bytes, 10, 9000));
    signal(SIGXFSZ, SIG_DFL);
    close(fd), close(to), close(source), close(pipes[0]), close(pipes[1]);
    unlink(path);
}

static void *usage(void *arg)
{
    volatile long *sum = arg;
    for (int i = 0; i < 20000000; i++)
        (*sum)++;
    struct rusage thread;
    SAY(getrusage(RUSAGE_THREAD, &thread));
    SAY_TRUE(thread.ru_utime.tv_sec > 0 || thread.ru_utime.tv_usec > 0);
    return NULL;
}

#define MIB (1L << 20)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static char *map(long size, int prot, int flags)
{
    return mmap(NULL, (size_t)size, prot, flags, -1, 0);
}

#define SAY_MAPPED(call_) SAY_TRUE((call_) != MAP_FAILED)

/* A limit on address space that the program itself takes little of. */
static void address_space(void)
{
    SAY(set_soft(RLIMIT_AS, 64 * MIB));
    SAY(soft(RLIMIT_AS));
    char *first = map(40 * MIB, PROT_NONE, ANON | MAP_NORESERVE);
    SAY_TRUE(first != MAP_FAILED);
    SAY_MAPPED(map(40 * MIB, PROT_READ, ANON));
    SAY(errno);
    SAY_MAPPED(map(40 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS));
    SAY_TRUE(sbrk(40 * MIB) == (void *)-1);
    SAY_MAPPED(mremap(first, 40 * MIB, 80 * MIB, MREMAP_MAYMOVE));
    SAY(errno);
    SAY_MAPPED(mremap(first, 40 * MIB, 40 * MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
    SAY(errno);
    SAY_MAPPED(mremap(first, 40 * MIB, 20 * MIB, 0));
    SAY_MAPPED(mremap(first, 20 * MIB, 40 * MIB, MREMAP_MAYMOVE));
    SAY_TRUE(sbrk(MIB) != (void *)-1);
    SAY_MAPPED(mmap(first, 40 * MIB, RW, ANON | MAP_FIXED, -1, 0)); /* in its own place */
    SAY_MAPPED(mmap(first, 80 * MIB, RW, ANON | MAP_FIXED, -1, 0));
    SAY(errno);
    SAY(munmap(first, 40 * MIB));
    SAY_MAPPED(first = map(40 * MIB, RW, ANON));
    SAY(munmap(first, 40 * MIB));
    SAY(set_soft(RLIMIT_AS, MIB)); /* less than there is already */
    SAY_MAPPED(map(4096, RW, ANON));
    SAY(fork() == 0 ? (_exit(3), 0) : 1);
    int status;
    SAY(wait(&status) > 0 && WEXITSTATUS(status) == 3);
    SAY(set_soft(RLIMIT_AS, RLIM_INFINITY));
    SAY_MAPPED(map(400 * MIB, RW, ANON | MAP_NORESERVE));
}

/* Private and writable is what RLIMIT_DATA counts, when it becomes that. */
static void data(void)
{
    SAY(set_soft(RLIMIT_DATA, 32 * MIB));
    SAY(soft(RLIMIT_DATA));
    char *read_only = map(40 * MIB, PROT_READ, ANON);
    SAY_TRUE(read_only != MAP_FAILED);
    SAY(mprotect(read_only, 40 * MIB, RW));
    SAY(mprotect(read_only, 20 * MIB, RW));
    SAY(mprotect(read_only + 20 * MIB, 20 * MIB, RW));
    SAY(mprotect(read_only, 20 * MIB, RW));
    SAY_MAPPED(map(20 * MIB, RW, ANON));
    SAY_TRUE(sbrk(20 * MIB) == (void *)-1);
    SAY_MAPPED(mremap(read_only, 20 * MIB, 40 * MIB, MREMAP_MAYMOVE));
    SAY_MAPPED(mremap(read_only, 20 * MIB, 20 * MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
    SAY(mprotect(read_only, 20 * MIB, PROT_READ));
    SAY(mprotect(read_only + 20 * MIB, 20 * MIB, RW));
    SAY_MAPPED(map(20 * MIB, RW, ANON));
    SAY_MAPPED(map(80 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS));
    SAY(munmap(read_only, 40 * MIB));
    SAY_MAPPED(read_only = map(20 * MIB, RW, ANON));
    SAY_MAPPED(mmap(read_only, 20 * MIB, RW, ANON | MAP_FIXED, -1, 0));
    SAY(munmap(read_only, 20 * MIB));
    SAY_TRUE(sbrk(20 * MIB) != (void *)-1);
    SAY_TRUE(malloc(20 * MIB) == NULL);
}

static __attribute__((noinline)) long deep(long bytes)
{
    volatile char frame[16384];
    frame[0] = (char)bytes;
    return bytes <= 0 ? 0 : deep(bytes - (long)sizeof frame) + frame[0] - frame[0] + 1;
}

/* A program that needs more stack than it began with asks for it. */
static void stack_raised(void)
{
    SAY(set_soft(RLIMIT_STACK, 60 * MIB));
    SAY(soft(RLIMIT_STACK));
    SAY_TRUE(deep(40 * MIB) > 0);
}

/* Less than the runtime takes for itself: a program that is small enough starts, and has what is left. */
static void small_program(void)
{
    SAY(set_soft(RLIMIT_AS, 12 * MIB));
    pid_t child = vfork();
    if (child == 0) {
        execl(g_self, g_self, "small", NULL);
        _exit(1);
    }
    SAY(finish(child));
    execl(g_self, g_self, "small", NULL);
}

static void in_child(void (*part)(void))
{
    pid_t child = fork();
    if (child == 0) {
        part();
        _exit(0);
    }
    SAY(finish(child));
}

static void memory(void)
{
    in_child(address_space);
    in_child(data);
    in_child(stack_raised);
    in_child(small_program);
    pid_t child = fork();
    if (child == 0) {
        SAY(set_soft(RLIMIT_AS, 256 << 20));
        SAY(soft(RLIMIT_AS));
        SAY_TRUE(mmap(NULL, 512 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                 MAP_FAILED);
        SAY(errno);
        SAY_TRUE(mmap(NULL, 100 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                 MAP_FAILED);
        SAY_TRUE(malloc(300 << 20) == NULL);
        pid_t again = fork();
        if (again == 0) {
            execl(g_self, g_self, "memory", NULL);
            _exit(1);
        }
        SAY(finish(again));
        again = vfork();
        if (again == 0) {
            execl(g_self, g_self, "memory", NULL);
            _exit(1);
        }
        SAY(finish(again));
        _exit(0);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) {
        SAY(set_soft(RLIMIT_DATA, 64 << 20));
        SAY(soft(RLIMIT_DATA));
        SAY_TRUE(mmap(NULL, 128 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0) == MAP_FAILED);
        SAY_TRUE(mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                 MAP_FAILED);
        SAY_TRUE(sbrk(100 << 20) == (void *)-1);
        SAY_TRUE(malloc(10 << 20) != NULL);
        _exit(0);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) {
        SAY(set_soft(RLIMIT_STACK, 1 << 20));
        SAY(soft(RLIMIT_STACK));
        execl(g_self, g_self, "stack", NULL);
        _exit(1);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        SAY(setrlimit(RLIMIT_CORE, &none));
        SAY(soft(RLIMIT_CORE));
        abort();
    }
    int status;
    waitpid(child, &status, 0);
    SAY(WTERMSIG(status));
    SAY(WCOREDUMP(status) != 0);
    child = fork();
    if (child == 0) {
        set_soft(RLIMIT_MEMLOCK, 65536);
        setresuid(1000, 1000, 1000);
        char *page =
            mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        SAY(mlock(page, 1 << 20));
        SAY(mlock(page, 4096));
        _exit(0);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) {
        setresuid(54321, 54321, 54321);
        SAY(set_soft(RLIMIT_NPROC, 1));
        SAY(fork());
        SAY(vfork());
        pthread_t t;
        SAY(pthread_create(&t, NULL, usage, NULL));
        _exit(0);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) {
        sigset_t set;
        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, NULL);
        SAY(set_soft(RLIMIT_SIGPENDING, 0));
        union sigval value = {0};
        SAY(sigqueue(getpid(), SIGRTMIN, value));
        SAY(kill(getpid(), SIGUSR1));
        _exit(0);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) {
        struct rlimit one = {1, 2}, none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        setrlimit(RLIMIT_CPU, &one);
        for (;;)
            ;
    }
    SAY(finish(child));
}

static void usages(void)
{
    struct rusage use;
    long sum = 0;
    pthread_t t;
    pthread_create(&t, NULL, usage, &sum);
    pthread_join(t, NULL);
    SAY(getrusage(RUSAGE_SELF, &use));
    SAY(getrusage(RUSAGE_CHILDREN, &use));
    SAY(getrusage(99, &use));
    SAY(getrusage(RUSAGE_SELF, (void *)8));
}

static int executed(char **argv)
{
    struct rlimit limit;
    if (strcmp(argv[1], "limited") == 0) {
        getrlimit(RLIMIT_NOFILE, &limit);
        int highest = 0, fd;
        close(30);
        while ((fd = dup(0)) >= 0)
            highest = fd > highest ? fd : highest;
        printf("executed: %ld, %d %s\n", (long)limit.rlim_cur, highest, strerrorname_np(errno));
    } else if (strcmp(argv[1], "hard") == 0) {
        getrlimit(RLIMIT_NOFILE, &limit);
        printf("executed: %ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
        limit.rlim_max++;
        SAY(setrlimit(RLIMIT_NOFILE, &limit));
    } else if (strcmp(argv[1], "sized") == 0) {
        int fd = open(argv[2], O_RDWR);
        SAY(soft(RLIMIT_FSIZE));
        SAY(pwrite(fd, "x", 1, 6000));
    } else if (strcmp(argv[1], "memory") == 0) {
        SAY(soft(RLIMIT_AS));
        SAY_TRUE(malloc(300 << 20) == NULL);
        SAY_TRUE(malloc(30 << 20) != NULL);
    } else if (strcmp(argv[1], "small") == 0) {
        SAY(soft(RLIMIT_AS));
        SAY_MAPPED(map(MIB, RW, ANON));
        SAY_MAPPED(map(12 * MIB, RW, ANON));
    } else {
        pthread_attr_t attributes;
        size_t size = 0;
        SAY(soft(RLIMIT_STACK));
        pthread_getattr_np(pthread_self(), &attributes);
        pthread_attr_getstacksize(&attributes, &size);
        SAY_TRUE(size > 900 << 10 && size <= 1 << 20);
    }
    return 0;
}

int main(int argc, char **argv)
{
    g_self = argv[0];
    if (argc > 1 && argv[1][0] != '/')
        return executed(argv);
    const char *directory = argc > 1 ? argv[1] : ".";
    for (int fd = 3; fd < 100; fd++)
        close(fd);
    refused();
    descriptors(directory);
    sizes(directory);
    memory();
    usages();
    return 0;
}
