/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/confine.h"

#include "base/log.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a loop, its sockets, its memory and its log need. Whatever else is EPERM: an attacker has no use
 * for that, and a call that a C library makes on the way fails instead of ending the service. */
static const unsigned allowed[] = {
    SYS_read,
    SYS_readv,
    SYS_write,
    SYS_writev,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_sendto,
    SYS_sendmsg,
    SYS_accept,
    SYS_accept4,
    SYS_shutdown,
    SYS_close,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
    SYS_getpeername,
    SYS_epoll_ctl,
    SYS_epoll_wait,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_poll,
    SYS_ppoll,
    SYS_fcntl,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_brk,
    SYS_futex,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_gettimeofday,
    SYS_getrandom,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_getpid,
    SYS_gettid,
    SYS_sched_yield,
    SYS_exit,
    SYS_exit_group,
};

static int filter_enter(struct error *e)
{
    enum { HEAD = 4 };
    struct sock_filter code[HEAD + ARRAY_COUNT(allowed) + 2];
    struct sock_fprog program = {.len = ARRAY_COUNT(code), .filter = code};
    size_t at = 0;
    code[at++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[at++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < ARRAY_COUNT(allowed); i++)
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
                                                  (unsigned char)(ARRAY_COUNT(allowed) - i), 0);
    code[at++] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (EPERM & 0xffff));
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
        return error_set(e, -errno, "cannot enter a system call filter (%s)", strerror(errno));
    return 0;
}

static int limits_enter(struct error *e)
{
    static const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
        return error_set(e, -errno, "cannot lower a limit (%s)", strerror(errno));
    return 0;
}

/* Newer than Debian 12's headers; from the kernel's include/uapi/linux/landlock.h. */
struct ruleset_attr {
    uint64_t fs, net;
};
#define FS_ALL_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* ABI 1 */
#define FS_REFER (1ULL << 13)                             /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)                          /* ABI 3 */
#define NET_ALL 3ULL                                      /* ABI 4: bind and connect by TCP */

/* No file and no new TCP connection. What the filter refuses as well, it refuses by going in the way of
 * calls; under our runtime this is what the kernel keeps, whatever machine code runs in the process.
 * A kernel that has no Landlock leaves it at the filter. */
static int landlock_enter(struct error *e)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    const struct ruleset_attr attr = {
        .fs = FS_ALL_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0),
        .net = abi >= 4 ? NET_ALL : 0,
    };
    if (abi < 1) {
        LOG_NOTICE("this kernel has no Landlock: the network process has a filter only");
        return 0;
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
                               abi >= 4 ? sizeof attr : sizeof attr.fs, 0);
    int r = ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
    if (ruleset >= 0)
        (void)close(ruleset);
    return r < 0 ? error_set(e, r, "cannot enter a Landlock domain (%s)", strerror(-r)) : 0;
}

int confine_enter(struct error *e)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return error_set(e, -errno, "cannot bind the process to its parent (%s)", strerror(errno));
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set(e, -errno, "cannot make the process untraceable (%s)", strerror(errno));
    int r = limits_enter(e);
    if (r == 0)
        r = landlock_enter(e);
    return r < 0 ? r : filter_enter(e);
}
