/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp(2) and prctl(PR_SET_SECCOMP): what Linux takes as a filter, what each answer of one does, who
 * inherits it, and that no road leads past it. Each fact has a process of its own. */
#include "say.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#define STMT(code_, k_)     \
    {                       \
        (code_), 0, 0, (k_) \
    }
#define JUMP(code_, k_, yes_, no_)   \
    {                                \
        (code_), (yes_), (no_), (k_) \
    }
#define LOAD(field_) STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field_))
#define RETURN(k_) STMT(BPF_RET | BPF_K, (k_))
/* Call `nr_`: `action_`; all others are allowed. */
#define ONLY(nr_, action_)                                                   \
    LOAD(nr), JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr_), 0, 1), RETURN(action_), \
        RETURN(SECCOMP_RET_ALLOW)
#define COUNT(array_) (sizeof(array_) / sizeof((array_)[0]))
#define INSTALL(...) \
    install((struct sock_filter[]){__VA_ARGS__}, COUNT(((struct sock_filter[]){__VA_ARGS__})), 0)
#define INSTALL_FLAGS(flags_, ...)                                                             \
    install((struct sock_filter[]){__VA_ARGS__}, COUNT(((struct sock_filter[]){__VA_ARGS__})), \
            flags_)
/* The body in a process of its own; how it ended. */
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

static long install(struct sock_filter *code, size_t count, unsigned flags)
{
    struct sock_fprog program = {(unsigned short)count, code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static long take(const struct sock_filter *code, size_t count)
{
    struct sock_fprog program = {(unsigned short)count, (struct sock_filter *)code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* --- what is a filter --- */

/* Each code with a harmless operand, before a return. */
static void every_code(void)
{
    unsigned taken = 0;
    for (unsigned code = 0; code <= 0xff; code++) {
        struct sock_filter program[] = {STMT(BPF_ST, 1),           {(unsigned short)code, 0, 0, 4},
                                        RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ALLOW),
                                        RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ALLOW),
                                        RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ALLOW)};
        program[0].k = 4;
        if (take(program, COUNT(program)) == 0)
            printf(" %02x", code), taken++;
    }
    printf("\n%u codes\n", taken);
    const struct sock_filter wide[] = {{0x100, 0, 0, 0}, RETURN(SECCOMP_RET_ALLOW)};
    SAY(take(wide, COUNT(wide)));
}

static void one(const char *name, struct sock_filter insn)
{
    const struct sock_filter program[] = {insn, RETURN(SECCOMP_RET_ALLOW),
                                          RETURN(SECCOMP_RET_ALLOW)};
    errno = 0;
    long r = take(program, COUNT(program));
    printf("%s: %s\n", name, r == 0 ? "taken" : strerrorname_np(errno));
}

static void edges(void)
{
    one("load behind the data", (struct sock_filter)STMT(BPF_LD | BPF_W | BPF_ABS, 64));
    one("load of the last word", (struct sock_filter)STMT(BPF_LD | BPF_W | BPF_ABS, 60));
    one("load askew", (struct sock_filter)STMT(BPF_LD | BPF_W | BPF_ABS, 2));
    one("load of an ancillary", (struct sock_filter)STMT(BPF_LD | BPF_W | BPF_ABS, 0xfffff000u));
    one("divide by 0", (struct sock_filter)STMT(BPF_ALU | BPF_DIV | BPF_K, 0));
    one("shift by 31", (struct sock_filter)STMT(BPF_ALU | BPF_LSH | BPF_K, 31));
    one("shift by 32", (struct sock_filter)STMT(BPF_ALU | BPF_RSH | BPF_K, 32));
    one("store in cell 15", (struct sock_filter)STMT(BPF_ST, 15));
    one("store in cell 16", (struct sock_filter)STMT(BPF_STX, 16));
    one("cell not written", (struct sock_filter)STMT(BPF_LD | BPF_MEM, 0));
    one("jump to the last", (struct sock_filter)STMT(BPF_JMP | BPF_JA, 1));
    one("jump behind it", (struct sock_filter)STMT(BPF_JMP | BPF_JA, 2));
    one("jump back", (struct sock_filter)STMT(BPF_JMP | BPF_JA, 0xffffffffu));
    one("branch behind it", (struct sock_filter)JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0));
    one("other branch behind it", (struct sock_filter)JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 255));
    const struct sock_filter no_end[] = {LOAD(nr)};
    SAY(take(no_end, 1));
    const struct sock_filter half[] = {LOAD(nr), JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 1, 0),
                                       STMT(BPF_ST, 2), STMT(BPF_LD | BPF_MEM, 2),
                                       RETURN(SECCOMP_RET_ALLOW)};
    SAY(take(half, COUNT(half)));
    SAY(take(half, 0));
    static struct sock_filter most[4098];
    for (size_t i = 0; i < COUNT(most); i++)
        most[i] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    SAY(take(most, 4097));
    int fits = 0;
    while (take(most, 4096) == 0)
        fits++;
    printf("%s of the longest, then %s\n", fits > 2 ? "some" : "none", strerrorname_np(errno));
}

static void operations(void)
{
    SAY(syscall(SYS_seccomp, 99, 0, NULL));
    SAY(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
    SAY(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &errno));
    SAY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, NULL));
    SAY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
    SAY(take(NULL, 1));
    const uint32_t actions[] = {
        SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,  SECCOMP_RET_ERRNO,
        SECCOMP_RET_TRACE,        SECCOMP_RET_LOG,         SECCOMP_RET_ALLOW, 0x12340000u,
        SECCOMP_RET_ERRNO | 1};
    for (size_t i = 0; i < COUNT(actions); i++)
        SAY(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
    SAY(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &actions[0]));
    SAY(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, NULL));
    struct seccomp_notif_sizes sizes;
    SAY(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes));
    SAY(sizes.seccomp_notif * 10000 + sizes.seccomp_notif_resp * 100 + sizes.seccomp_data);
    SAY(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 1, &sizes));
    SAY(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    SAY(prctl(PR_SET_SECCOMP, 0, 0, 0, 0));
    SAY(prctl(PR_SET_SECCOMP, 3, 0, 0, 0));
    SAY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0));
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_ERRNO | 7)));
    SAY(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    SAY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0));
    SAY(getppid());
}

static void unprivileged(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (getuid() == 0)
            setresuid(65534, 65534, 65534);
        SAY(INSTALL(RETURN(SECCOMP_RET_ALLOW)));
        SAY(take(NULL, 0));
        SAY(take(NULL, 1));
        SAY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        SAY(INSTALL(RETURN(SECCOMP_RET_ALLOW)));
        _exit(0);
    }
    ended(pid);
}

/* --- what it says --- */

static volatile uintptr_t g_trapped_at, g_trapped_sp;
static volatile int g_trapped, g_signals;

static void on_sys(int signal, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    printf("signal %d code %d errno %d call %d arch %x at rip %s\n", signal, info->si_code,
           info->si_errno, info->si_syscall, info->si_arch,
           (uintptr_t)info->si_call_addr == (uintptr_t)g[REG_RIP] ? "yes" : "no");
    printf("rax %lld rdi %lld\n", (long long)g[REG_RAX], (long long)g[REG_RDI]);
    g_trapped++;
    if (g_trapped % 2 == 1)
        g[REG_RAX] = 4321;
}

static void handle_sys(int flags)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | flags};
    action.sa_sigaction = on_sys;
    sigaction(SIGSYS, &action, NULL);
}

static void traps(void)
{
    handle_sys(0);
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_TRAP | 99)));
    for (int i = 0; i < 24; i++) /* trapped by dispatch, then rewritten */
        printf("%ld\n", syscall(SYS_getppid, 17));
    SAY(g_trapped);
}

static void trap_blocked(void)
{
    sigset_t set;
    handle_sys(0);
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_TRAP)));
    getppid();
}

static void trap_ignored(void)
{
    signal(SIGSYS, SIG_IGN);
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_TRAP)));
    getppid();
}

static void errors(void)
{
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)));
    SAY(getppid());
    SAY(INSTALL(ONLY(SYS_getpgrp, SECCOMP_RET_ERRNO)));
    SAY(syscall(SYS_getpgrp));
    SAY(INSTALL(ONLY(SYS_getuid, SECCOMP_RET_ERRNO | 0xffff)));
    SAY(syscall(SYS_getuid));
    SAY(INSTALL(
        ONLY(SYS_getpid, SECCOMP_RET_ERRNO | EPERM))); /* the runtime answers these itself */
    SAY(syscall(SYS_getpid));
    SAY(INSTALL(ONLY(SYS_gettid, SECCOMP_RET_ERRNO | ESRCH)));
    SAY(syscall(SYS_gettid));
    SAY(INSTALL(ONLY(SYS_clock_gettime, SECCOMP_RET_ERRNO | ENOLCK)));
    struct timespec now;
    SAY(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now));
    SAY(clock_gettime(CLOCK_MONOTONIC, &now)); /* the vDSO makes no call */
    SAY(INSTALL(ONLY(SYS_geteuid, SECCOMP_RET_TRACE | 5)));
    SAY(syscall(SYS_geteuid));
    SAY(INSTALL(ONLY(SYS_getegid, SECCOMP_RET_USER_NOTIF)));
    SAY(syscall(SYS_getegid));
    SAY(INSTALL(ONLY(SYS_sched_yield, SECCOMP_RET_LOG)));
    SAY(syscall(SYS_sched_yield));
    SAY(INSTALL(ONLY(0x40000000u | SYS_getppid, SECCOMP_RET_ERRNO | EDOM))); /* x32 */
    SAY(syscall(0x40000000 | SYS_getppid));
    SAY(INSTALL(ONLY(777, SECCOMP_RET_ERRNO | ERANGE)));
    SAY(syscall(777));
    SAY(INSTALL(ONLY((uint32_t)-5, SECCOMP_RET_ERRNO | EBADE)));
    SAY(syscall(-5));
    SAY(syscall(0x1fffffffbl)); /* Linux looks at 32 bits */
}

/* By an argument's halves, the address, the architecture. */
static void looks(void)
{
    SAY(INSTALL(LOAD(nr), JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 0, 6), LOAD(args[1]),
                JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x89abcdefu, 0, 4),
                STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
                JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x01234567, 0, 2), RETURN(SECCOMP_RET_ERRNO | 33),
                RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ALLOW)));
    int fd = open("/", O_RDONLY);
    SAY(syscall(SYS_lseek, fd, 0x0123456789abcdefll, 77));
    SAY(syscall(SYS_lseek, fd, 0x0123456689abcdefll, 77));
    SAY(INSTALL(LOAD(arch), JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
                RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)));
    SAY(getppid() > 0);
    /* A number computed with every operation, compared with what the compiler says of it. */
    uint32_t nr = SYS_getppid, a = nr * 3 + 5;
    a = ((a << 7) ^ 0x55aa) - (a >> 3);
    a = (a | 0x1000) & 0xfffff;
    a = -(a / 7);
    SAY(INSTALL(LOAD(nr), STMT(BPF_ALU | BPF_MUL | BPF_K, 3), STMT(BPF_ALU | BPF_ADD | BPF_K, 5),
                STMT(BPF_ST, 3), STMT(BPF_ALU | BPF_LSH | BPF_K, 7),
                STMT(BPF_ALU | BPF_XOR | BPF_K, 0x55aa), STMT(BPF_ST, 5), STMT(BPF_LD | BPF_MEM, 3),
                STMT(BPF_ALU | BPF_RSH | BPF_K, 3), STMT(BPF_MISC | BPF_TAX, 0),
                STMT(BPF_LD | BPF_MEM, 5), STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
                STMT(BPF_ALU | BPF_OR | BPF_K, 0x1000), STMT(BPF_LDX | BPF_IMM, 0xfffff),
                STMT(BPF_ALU | BPF_AND | BPF_X, 0), STMT(BPF_LDX | BPF_IMM, 7),
                STMT(BPF_ALU | BPF_DIV | BPF_X, 0), STMT(BPF_ALU | BPF_NEG, 0),
                JUMP(BPF_JMP | BPF_JEQ | BPF_K, a, 0, 1), RETURN(SECCOMP_RET_ERRNO | 44),
                RETURN(SECCOMP_RET_ALLOW)));
    SAY(getppid());
    /* The action is computed. */
    SAY(INSTALL(LOAD(nr), JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgrp, 0, 3),
                STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), STMT(BPF_RET | BPF_A, 0),
                RETURN(SECCOMP_RET_ALLOW)));
    SAY(syscall(SYS_getpgrp, 12));
    SAY(syscall(SYS_getpgrp, 13));
    /* Shifts by a register take five bits of it. */
    SAY(INSTALL(LOAD(nr), JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 5),
                STMT(BPF_LDX | BPF_IMM, 33), STMT(BPF_LD | BPF_IMM, 4),
                STMT(BPF_ALU | BPF_LSH | BPF_X, 0),
                STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), STMT(BPF_RET | BPF_A, 0),
                RETURN(SECCOMP_RET_ALLOW)));
    SAY(syscall(SYS_getuid));
}

static void divides(void)
{
    SAY(INSTALL(LOAD(nr), JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 3),
                STMT(BPF_LDX | BPF_IMM, 0), STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
                RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ALLOW)));
    getppid();
}

static void strictest(void)
{
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_ERRNO | 1)));
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_ERRNO | 2)));
    SAY(getppid());
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_ALLOW)));
    SAY(getppid());
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_LOG)));
    SAY(getppid());
    handle_sys(0);
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_TRAP | 3)));
    SAY(syscall(SYS_getppid, 18));
    SAY(INSTALL(ONLY(SYS_getppid, 0x00010000u))); /* no action of this name */
    getppid();
}

/* --- who has it --- */

static void *in_thread(void *arg)
{
    (void)arg;
    SAY(getppid());
    SAY(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    return NULL;
}

static int on_shared_memory(void *arg)
{
    (void)arg;
    return (int)syscall(SYS_getpgrp) == -1 && errno == ENOTDIR ? 5 : 6;
}

static void heirs(char **argv)
{
    pthread_t thread;
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)));
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    APART("child", SAY(getppid()); SAY(INSTALL(ONLY(SYS_getpgrp, SECCOMP_RET_ERRNO | ENOTDIR)));
          SAY(syscall(SYS_getpgrp)));
    SAY(syscall(SYS_getpgrp) > 0);
    for (int i = 0; i < 3; i++) { /* spawned ones: from the third on out of an image */
        pid_t pid;
        char *const args[] = {argv[0], "heir", NULL};
        posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, NULL);
        ended(pid);
    }
    static char stack[65536];
    SAY(INSTALL(ONLY(SYS_getpgrp, SECCOMP_RET_ERRNO | ENOTDIR)));
    pid_t pid =
        clone(on_shared_memory, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    ended(pid);
    execl("/proc/self/exe", argv[0], "heir", NULL);
}

static void *executes(void *arg)
{
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)));
    execl("/proc/self/exe", (char *)arg, "heir", NULL);
    return NULL;
}

static void exec_from_thread(char **argv)
{
    pthread_t thread;
    pthread_create(&thread, NULL, executes, argv[0]);
    pthread_join(thread, NULL);
}

/* --- other threads --- */

static pthread_barrier_t g_barrier;
static pid_t g_tid;

static void *waits(void *arg)
{
    if (arg)
        SAY(INSTALL(ONLY(SYS_getpgrp, SECCOMP_RET_ERRNO | EMFILE)));
    g_tid = (pid_t)syscall(SYS_gettid);
    pthread_barrier_wait(&g_barrier);
    pthread_barrier_wait(&g_barrier);
    SAY(getppid() > 0);
    errno = 0;
    SAY(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    return NULL;
}

static void alone(void)
{
    pthread_t thread;
    pthread_barrier_init(&g_barrier, NULL, 2);
    pthread_create(&thread, NULL, waits, NULL);
    pthread_barrier_wait(&g_barrier);
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)));
    SAY(getppid());
    pthread_barrier_wait(&g_barrier);
    pthread_join(thread, NULL);
}

static void together(void)
{
    pthread_t thread;
    pthread_barrier_init(&g_barrier, NULL, 2);
    pthread_create(&thread, NULL, waits, NULL);
    pthread_barrier_wait(&g_barrier);
    SAY(INSTALL_FLAGS(SECCOMP_FILTER_FLAG_TSYNC, ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)));
    SAY(INSTALL_FLAGS(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG,
                      ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EISDIR)));
    pthread_barrier_wait(&g_barrier);
    pthread_join(thread, NULL);
}

static void apart(void)
{
    pthread_t thread;
    pthread_barrier_init(&g_barrier, NULL, 2);
    pthread_create(&thread, NULL, waits, (void *)1);
    pthread_barrier_wait(&g_barrier);
    SAY(INSTALL_FLAGS(SECCOMP_FILTER_FLAG_TSYNC, ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)) ==
        g_tid);
    SAY(INSTALL_FLAGS(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
                      ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)));
    SAY(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    pthread_barrier_wait(&g_barrier);
    pthread_join(thread, NULL);
}

static void *dies(void *arg)
{
    (void)arg;
    INSTALL(ONLY(SYS_getppid, SECCOMP_RET_KILL_THREAD));
    getppid();
    printf("not reached\n");
    return NULL;
}

static void kill_thread(void)
{
    pthread_t thread;
    struct timespec until;
    pthread_create(&thread, NULL, dies, NULL);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    SAY(pthread_timedjoin_np(thread, NULL, &until));
    SAY(getppid() > 0);
}

static void *kills_all(void *arg)
{
    (void)arg;
    INSTALL(ONLY(SYS_getppid, SECCOMP_RET_KILL_PROCESS));
    getppid();
    return NULL;
}

static void kill_process(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, kills_all, NULL);
    pthread_join(thread, NULL);
    printf("not reached\n");
}

/* --- strict --- */

static void strict(long call)
{
    char byte = 'x';
    printf("strict, then call %ld\n", call);
    fflush(stdout);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0)
        _exit(9);
    (void)!write(1, "written\n", 8);
    (void)!syscall(call, -1, &byte, 1);
    syscall(SYS_exit, 3);
}

/* --- other roads --- */

static long by_int80(long nr)
{
    long r;
    __asm__ volatile("int $0x80"
                     : "=a"(r)
                     : "a"(nr), "b"(1), "c"(2), "d"(3)
                     : "memory", "r8", "r9", "r10", "r11");
    return r;
}

static void int80(void)
{
    SAY(INSTALL(LOAD(arch), JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 3), LOAD(nr),
                JUMP(BPF_JMP | BPF_JEQ | BPF_K, 64, 0, 1), RETURN(SECCOMP_RET_ERRNO | ENOTTY),
                RETURN(SECCOMP_RET_ALLOW)));
    SAY(by_int80(64) == -ENOTTY);
    SAY(getppid() > 0);
    SAY(INSTALL(LOAD(arch), JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 3),
                STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
                JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS),
                RETURN(SECCOMP_RET_ALLOW)));
    by_int80(20);
    printf("not reached\n");
}

static volatile int g_ticks;

static void on_alarm(int signal)
{
    (void)signal;
    g_ticks++;
}

/* A call begun again after a signal is judged again. */
static void interrupted(void)
{
    struct sigaction action = {.sa_flags = SA_RESTART};
    int ends[2];
    char byte;
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    (void)!pipe(ends);
    SAY(INSTALL(ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)));
    pid_t parent = getpid();
    if (fork() == 0) {
        for (int i = 0; i < 3; i++)
            kill(parent, SIGALRM);
        (void)!write(ends[1], "y", 1);
        _exit(0);
    }
    SAY(read(ends[0], &byte, 1));
    SAY_TRUE(g_ticks > 0);
    wait(NULL);
}

/* What is in the way of a signal's return is in the way of the program. */
static void no_return(void)
{
    struct sigaction action = {0};
    action.sa_handler = on_alarm;
    sigaction(SIGUSR1, &action, NULL);
    SAY(INSTALL(ONLY(SYS_rt_sigreturn, SECCOMP_RET_KILL_PROCESS)));
    raise(SIGUSR1);
    printf("not reached\n");
}

int main(int argc, char **argv)
{
    setbuf(stdout, NULL);
    if (argc > 1) {
        in_thread(NULL);
        return 0;
    }
    APART("codes", every_code());
    APART("edges", edges());
    APART("operations", operations());
    unprivileged();
    APART("traps", traps());
    APART("trap, blocked", trap_blocked());
    APART("trap, ignored", trap_ignored());
    APART("trap, nobody handles it", INSTALL(ONLY(SYS_getppid, SECCOMP_RET_TRAP)); getppid());
    APART("errors", errors());
    APART("looks", looks());
    APART("divides by 0", divides());
    APART("the strictest", strictest());
    APART("heirs", heirs(argv));
    APART("exec from a thread", exec_from_thread(argv));
    APART("alone", alone());
    APART("together", together());
    APART("apart", apart());
    APART("kill thread", kill_thread());
    APART("kill the only thread", dies(NULL));
    APART("kill process", kill_process());
    APART("exit refused", INSTALL(ONLY(SYS_exit_group, SECCOMP_RET_ERRNO | 1));
          kill(getpid(), SIGTERM));
    APART("strict", strict(SYS_read));
    APART("strict", strict(SYS_getpid));
    APART("strict", strict(SYS_exit_group));
    APART("int 0x80", int80());
    APART("interrupted", interrupted());
    APART("no return", no_return());
    printf("-- unfiltered\n");
    SAY(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    return 0;
}
