/* SPDX-License-Identifier: Apache-2.0 */
/* prctl, capabilities, identities over threads, priorities and schedulers, posix_spawn. */
#include "say.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/wait.h>

#define RESET_ON_FORK 1

/* <linux/sched/types.h>, which <sched.h> does not go with. */
struct scheduling {
    uint32_t size, sched_policy;
    uint64_t sched_flags;
    int32_t sched_nice;
    uint32_t sched_priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

extern char **environ;
static const char *g_self;

static int finish(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void in_child(void (*run)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run();
        fflush(stdout);
        _exit(0);
    }
    SAY(finish(child));
}

static void *name_thread(void *arg)
{
    char name[17] = "";
    prctl(PR_SET_NAME, "worker");
    pthread_getname_np(pthread_self(), name, sizeof name);
    printf("thread is %s\n", name);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)syscall(SYS_gettid));
    int fd = open(path, O_RDWR);
    SAY(write(fd, "by file", 7));
    close(fd);
    prctl(PR_GET_NAME, name);
    printf("thread is %s\n", name);
    return arg;
}

static void controls(void)
{
    char name[20] = "";
    int value = -1;
    SAY(prctl(PR_SET_NAME, "a name that is too long"));
    SAY(prctl(PR_GET_NAME, name));
    printf("name %s\n", name);
    SAY(prctl(PR_SET_NAME, 8));
    SAY(prctl(PR_GET_NAME, 8));
    pthread_t t;
    pthread_create(&t, NULL, name_thread, NULL);
    pthread_join(t, NULL);
    prctl(PR_GET_NAME, name);
    printf("name %s\n", name);
    SAY(prctl(PR_GET_PDEATHSIG, &value));
    SAY(value);
    SAY(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    SAY(prctl(PR_GET_PDEATHSIG, &value));
    SAY(value);
    SAY(prctl(PR_SET_PDEATHSIG, 65));
    SAY(prctl(PR_SET_PDEATHSIG, 0));
    SAY(prctl(PR_GET_DUMPABLE));
    SAY(prctl(PR_SET_DUMPABLE, 0));
    SAY(prctl(PR_GET_DUMPABLE));
    SAY(prctl(PR_SET_DUMPABLE, 2));
    SAY(prctl(PR_SET_DUMPABLE, 1));
    SAY(prctl(PR_SET_CHILD_SUBREAPER, 1));
    SAY(prctl(PR_GET_CHILD_SUBREAPER, &value));
    SAY(value);
    SAY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SAY(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SAY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 1));
    SAY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    SAY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SAY(prctl(PR_GET_TIMERSLACK));
    SAY(prctl(PR_SET_TIMERSLACK, 1234));
    SAY(prctl(PR_GET_TIMERSLACK));
    SAY(prctl(PR_SET_TIMERSLACK, 0));
    SAY(prctl(PR_GET_TIMERSLACK));
    SAY(prctl(PR_GET_KEEPCAPS));
    SAY(prctl(PR_SET_KEEPCAPS, 1));
    SAY(prctl(PR_GET_KEEPCAPS));
    SAY(prctl(PR_SET_KEEPCAPS, 2));
    SAY(prctl(PR_GET_SECUREBITS));
    SAY(prctl(PR_CAPBSET_READ, CAP_KILL));
    SAY(prctl(PR_CAPBSET_READ, 1000));
    SAY(prctl(PR_GET_TIMING));
    SAY(prctl(PR_SET_TIMING, 1));
    SAY(prctl(PR_GET_TSC, &value));
    SAY(prctl(PR_GET_SECCOMP));
    SAY(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
    SAY(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    SAY(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    SAY(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    SAY(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    SAY(prctl(PR_GET_UNALIGN, &value));
    SAY(prctl(PR_GET_FPEMU, &value));
    SAY(prctl(PR_GET_ENDIAN, &value));
    SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
    SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    SAY(prctl(PR_CAP_AMBIENT, 99, 0, 0, 0));
    SAY(prctl(PR_GET_SPECULATION_CTRL, 99, 0, 0, 0));
    SAY(prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
    SAY(prctl(9999, 0, 0, 0, 0));
    SAY(prctl(-1, 0, 0, 0, 0));
    char page[16] __attribute__((aligned(8)));
    (void)page;
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SAY(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 4096, "mine") == 0 || errno == EINVAL);
}

static int g_deaths;
static void on_death(int signal)
{
    (void)signal;
    g_deaths++;
}

static void death_of_parent(void)
{
    int told[2];
    char byte = 0;
    pipe(told);
    pid_t middle = fork();
    if (middle == 0) {
        pid_t parent = getpid();
        if (fork() == 0) {
            signal(SIGUSR1, on_death);
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            if (getppid() == parent)
                write(told[1], "r", 1);
            while (!g_deaths)
                pause();
            write(told[1], "d", 1);
            _exit(0);
        }
        read(told[0], &byte, 1);
        _exit(0);
    }
    SAY(finish(middle));
    SAY(read(told[0], &byte, 1));
    SAY(byte);
}

static void reapers(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t self = getpid();
    int told[2];
    pipe(told);
    pid_t middle = fork();
    if (middle == 0) {
        pid_t parent = getpid();
        if (fork() == 0) {
            while (getppid() == parent)
                sched_yield();
            _exit(getppid() == self ? 21 : 22);
        }
        _exit(0);
    }
    SAY(finish(middle));
    int status;
    SAY_TRUE(wait(&status) > 0);
    SAY(WEXITSTATUS(status));
    SAY(wait(&status));
}

static void capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2], before[2];
    SAY(syscall(SYS_capget, &header, before));
    SAY((before[0].effective & (1 << CAP_SETUID)) != 0);
    memcpy(data, before, sizeof data);
    data[0].effective &= ~(1u << CAP_KILL);
    SAY(syscall(SYS_capset, &header, data));
    SAY(syscall(SYS_capget, &header, data));
    SAY((data[0].effective & (1u << CAP_KILL)) != 0);
    SAY((data[0].permitted & (1u << CAP_KILL)) != 0);
    data[0].permitted &= ~(1u << CAP_KILL);
    SAY(syscall(SYS_capset, &header, data));
    SAY(syscall(SYS_capset, &header, before));
    header.version = 1;
    SAY(syscall(SYS_capget, &header, data));
    SAY_TRUE(header.version == _LINUX_CAPABILITY_VERSION_3);
    header.pid = 4000000;
    SAY(syscall(SYS_capget, &header, data));
    header.pid = -1;
    SAY(syscall(SYS_capget, &header, data));
    header.pid = 0;
    SAY(syscall(SYS_capget, 8, data));
    SAY(syscall(SYS_capget, &header, NULL));
    SAY(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME));
    SAY(prctl(PR_CAPBSET_READ, CAP_SYS_TIME));
    /* What is left after uid 0 is given up, with and without keeping. */
    SAY(prctl(PR_SET_KEEPCAPS, 1));
    SAY(setresuid(1000, 1000, 1000));
    SAY(syscall(SYS_capget, &header, data));
    SAY(data[0].effective);
    SAY((data[0].permitted & (1u << CAP_CHOWN)) != 0);
    data[0].effective = data[0].inheritable = 1u << CAP_CHOWN;
    SAY(syscall(SYS_capset, &header, data));
    SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
    fflush(stdout);
    execl("/bin/grep", "grep", "-E", "CapPrm|CapEff|CapAmb|NoNewPrivs", "/proc/self/status", NULL);
}

static uid_t g_uids[3];
static void *look_at_ids(void *arg)
{
    pthread_barrier_t *barrier = arg;
    pthread_barrier_wait(barrier); /* all run */
    pthread_barrier_wait(barrier); /* the first has changed them */
    getresuid(&g_uids[0], &g_uids[1], &g_uids[2]);
    pthread_barrier_wait(barrier);
    return NULL;
}

static void identities(void)
{
    gid_t groups[5] = {10, 20, 30};
    uid_t r, e, s;
    SAY(setgroups(3, groups));
    SAY(getgroups(0, NULL));
    SAY(getgroups(1, groups));
    SAY(getgroups(5, groups));
    SAY(groups[2]);
    SAY(setgroups(70000, groups));
    SAY(setgroups(3, (gid_t *)8));
    SAY(setresgid(100, 200, 300));
    SAY(getresgid(&r, &e, &s));
    SAY(r * 1000000 + e * 1000 + s);
    SAY(setfsgid(500));
    SAY(setfsgid(-1));
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 3);
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, look_at_ids, &barrier);
    pthread_barrier_wait(&barrier);
    SAY(setresuid(1001, 1002, 0)); /* glibc does it in every thread */
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    SAY(g_uids[0] * 10000 + g_uids[1]);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    SAY(setfsuid(-1));
    SAY(getuid());
    SAY(geteuid());
    SAY(seteuid(1001));
    SAY(seteuid(5));
    SAY(setuid(5));
    SAY(setreuid(-1, 0));
    SAY(setreuid(1003, 1004));
    SAY(getresuid(&r, &e, &s));
    SAY(s);
    SAY(setresuid(0, 0, 0));
    SAY(setgid(7));
    SAY(setgroups(0, NULL));
    SAY(getresuid((uid_t *)8, &e, &s));
    struct stat st;
    int fd = open("/proc/self/stat", O_RDONLY);
    SAY(fstat(fd, &st));
    SAY(access("/etc/shadow", R_OK));
    SAY(kill(1, 0));
    SAY(kill(getppid(), 0));
}

static void priorities(void)
{
    SAY(getpriority(PRIO_PROCESS, 0));
    SAY(nice(3));
    SAY(getpriority(PRIO_PROCESS, getpid()));
    SAY(setpriority(PRIO_PROCESS, 0, 10));
    SAY(nice(100));
    SAY(setpriority(PRIO_PROCESS, 4000000, 10));
    SAY(setpriority(99, 0, 10));
    SAY(getpriority(99, 0));
    SAY(getpriority(PRIO_PGRP, 0) <= 19);
    SAY(getpriority(PRIO_USER, 54321));
    SAY(sched_getscheduler(0));
    struct sched_param param = {0};
    SAY(sched_getparam(0, &param));
    SAY(param.sched_priority);
    SAY(sched_setscheduler(0, SCHED_BATCH, &param));
    SAY(sched_getscheduler(0));
    SAY(sched_setscheduler(0, SCHED_IDLE, &param));
    param.sched_priority = 5;
    SAY(sched_setscheduler(0, SCHED_OTHER, &param));
    SAY(sched_setscheduler(0, 99, &param));
    SAY(sched_setscheduler(4000000, SCHED_OTHER, &param));
    SAY(sched_setparam(0, &param));
    SAY(sched_setparam(0, NULL));
    SAY(sched_get_priority_max(SCHED_FIFO));
    SAY(sched_get_priority_min(SCHED_RR));
    SAY(sched_get_priority_min(77));
    struct timespec interval;
    SAY(sched_rr_get_interval(0, &interval));
    SAY(sched_rr_get_interval(4000000, &interval));
    SAY(sched_rr_get_interval(-1, &interval));
    cpu_set_t set, got;
    CPU_ZERO(&set);
    SAY(sched_getaffinity(0, sizeof got, &got));
    CPU_SET(0, &set);
    SAY(sched_setaffinity(0, sizeof set, &set));
    SAY(sched_getaffinity(0, sizeof got, &got));
    SAY(CPU_COUNT(&got));
    SAY(sched_getcpu());
    SAY(syscall(SYS_sched_getaffinity, 0, 4, &got));
    SAY(syscall(SYS_sched_getaffinity, 0, 8, &got) > 0);
    SAY(sched_getaffinity(4000000, sizeof got, &got));
    CPU_ZERO(&set);
    SAY(sched_setaffinity(0, sizeof set, &set));
    CPU_SET(1000, &set);
    SAY(sched_setaffinity(0, sizeof set, &set));
    struct scheduling attr = {.size = sizeof attr};
    SAY(syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0));
    SAY(attr.sched_policy);
    SAY(attr.sched_nice);
    SAY(syscall(SYS_sched_getattr, 0, &attr, 4, 0));
    attr.sched_flags = RESET_ON_FORK;
    SAY(syscall(SYS_sched_setattr, 0, &attr, 0));
    SAY(syscall(SYS_sched_setattr, 0, &attr, 1));
    SAY(sched_getscheduler(0) & SCHED_RESET_ON_FORK ? 1 : 0);
    SAY(syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0));
    SAY(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 5)));
    SAY(syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0));
    SAY(syscall(SYS_ioprio_get, 99, 0));
    struct tms tms;
    SAY(times(&tms) != -1);
    SAY(times(NULL) != -1);
    SAY(getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid)));
}

static void spawn_say(int line, posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                      const char *program, const char *mode)
{
    char *const argv[] = {"spawned", (char *)mode, NULL};
    pid_t child;
    fflush(stdout);
    int r = posix_spawn(&child, program, actions, attributes, argv, environ);
    if (r != 0)
        printf("%d: %s\n", line, strerrorname_np(r));
    else
        printf("%d: ends with %d\n", line, finish(child));
    fflush(stdout);
}
#define SPAWN(actions_, attributes_, mode_) \
    spawn_say(__LINE__, actions_, attributes_, g_self, mode_)

static void spawns(void)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t set;
    posix_spawnattr_init(&attributes);
    SPAWN(NULL, &attributes, "signals");
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, on_death);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    SPAWN(NULL, NULL, "signals");
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    posix_spawnattr_setsigdefault(&attributes, &set);
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    posix_spawnattr_setsigmask(&attributes, &set);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    SPAWN(NULL, &attributes, "signals");
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    SPAWN(NULL, &attributes, "group");
    posix_spawnattr_setpgroup(&attributes, 4000000);
    SPAWN(NULL, &attributes, "group");
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    SPAWN(NULL, &attributes, "session");
    struct sched_param param = {0};
    posix_spawnattr_setschedparam(&attributes, &param);
    posix_spawnattr_setschedpolicy(&attributes, SCHED_BATCH);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSCHEDULER);
    SPAWN(NULL, &attributes, "scheduler");
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_RESETIDS | POSIX_SPAWN_USEVFORK);
    SPAWN(NULL, &attributes, "ids");
    posix_spawnattr_setflags(&attributes, 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 50, "/etc/passwd", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 50, 51);
    posix_spawn_file_actions_adddup2(&actions, 51, 51);
    posix_spawn_file_actions_addclose(&actions, 50);
    posix_spawn_file_actions_addchdir_np(&actions, "/usr");
    SPAWN(&actions, &attributes, "files");
    int usr = open("/usr/bin", O_RDONLY | O_DIRECTORY);
    posix_spawn_file_actions_addfchdir_np(&actions, usr);
    posix_spawn_file_actions_addclosefrom_np(&actions, 40);
    SPAWN(&actions, &attributes, "files");
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 50, "/nonexistent", O_RDONLY, 0);
    SPAWN(&actions, &attributes, "files");
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 500, 51);
    SPAWN(&actions, &attributes, "files");
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, 500); /* no error */
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    SPAWN(&actions, NULL, "signals");
    posix_spawn_file_actions_destroy(&actions);
    spawn_say(__LINE__, NULL, NULL, "/etc", "x");
    spawn_say(__LINE__, NULL, NULL, "/etc/passwd", "x");
    spawn_say(__LINE__, NULL, NULL, "/nonexistent", "x");
    pid_t child;
    char *const none[] = {"no such program at all", NULL};
    SAY(posix_spawnp(&child, none[0], NULL, NULL, none, environ));
    char *const trueish[] = {"true", NULL};
    SAY(posix_spawnp(&child, trueish[0], NULL, NULL, trueish, environ));
    SAY(finish(child));
}

static int executed(const char *mode)
{
    if (strcmp(mode, "signals") == 0) {
        struct sigaction one, two;
        sigset_t set;
        sigaction(SIGUSR1, NULL, &one);
        sigaction(SIGUSR2, NULL, &two);
        sigprocmask(SIG_BLOCK, NULL, &set);
        printf("ignored %d %d, blocked %d %d\n", one.sa_handler == SIG_IGN,
               two.sa_handler == SIG_IGN, sigismember(&set, SIGTERM), sigismember(&set, SIGHUP));
        return 1;
    }
    if (strcmp(mode, "group") == 0)
        return getpgrp() == getpid() ? 2 : 3;
    if (strcmp(mode, "session") == 0)
        return getsid(0) == getpid() ? 4 : 5;
    if (strcmp(mode, "scheduler") == 0)
        return 10 + sched_getscheduler(0);
    if (strcmp(mode, "ids") == 0)
        return getuid() == geteuid() ? 6 : 7;
    char directory[100];
    printf("%d %d in %s\n", fcntl(50, F_GETFD), fcntl(51, F_GETFD),
           getcwd(directory, sizeof directory));
    return 8;
}

int main(int argc, char **argv)
{
    g_self = realpath("/proc/self/exe", NULL);
    if (argc > 1 && argv[1][0] != '/')
        return executed(argv[1]);
    in_child(controls);
    in_child(death_of_parent);
    in_child(reapers);
    in_child(capabilities);
    in_child(identities);
    in_child(priorities);
    in_child(spawns);
    return 0;
}
