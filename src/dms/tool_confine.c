/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock and seccomp (Linux Documentation/userspace-api/landlock.rst, seccomp_filter.rst). */
#include "dms/tool_confine.h"

#include "dms/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's headers; from the kernel's include/uapi/linux/landlock.h. */
struct ruleset_attr {
    uint64_t fs, net, scoped;
};
enum {
    FS_REFER = 1 << 13,     /* ABI 2 */
    FS_TRUNCATE = 1 << 14,  /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
    NET_ALL = 3,            /* ABI 4: bind and connect by TCP */
    SCOPE_ALL = 3,          /* ABI 6: abstract Unix sockets, signals */
};
#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_EXECUTE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE)

static const struct {
    const char *path;
    uint64_t access;
} system_paths[] = {
    {"/lib", FS_READ | LANDLOCK_ACCESS_FS_EXECUTE},
    {"/lib64", FS_READ | LANDLOCK_ACCESS_FS_EXECUTE},
    {"/usr/lib", FS_READ | LANDLOCK_ACCESS_FS_EXECUTE},
    {"/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE},
    {"/etc/fonts", FS_READ},
    {"/usr/share/fontconfig", FS_READ},
    {"/usr/share/fonts", FS_READ},
    {"/usr/share/poppler", FS_READ},
    {"/usr/share/ghostscript", FS_READ}, /* fonts of other packages */
    {"/var/cache/fontconfig", FS_READ},
};

/* Libraries lie in /usr/lib anyway; of the tools' directory nothing but to run what is in it. */
static int rule_add(int ruleset, const char *path, uint64_t access)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno; /* not on this system: then it is denied */
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    int r = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
                ? -errno
                : 0;
    (void)close(fd);
    return r;
}

static uint64_t fs_all(long abi)
{
    return ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) | (abi >= 2 ? FS_REFER : 0U) |
           (abi >= 3 ? FS_TRUNCATE : 0U) | (abi >= 5 ? FS_IOCTL_DEV : 0U);
}

int tool_confinement(const char *directory, int *ret_fd)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1 || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
        return -ENOSYS;
    const struct ruleset_attr attr = {fs_all(abi), abi >= 4 ? NET_ALL : 0,
                                      abi >= 6 ? SCOPE_ALL : 0};
    size_t size = abi >= 6   ? sizeof attr
                  : abi >= 4 ? offsetof(struct ruleset_attr, scoped)
                             : offsetof(struct ruleset_attr, net);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return -errno;
    int r = rule_add(ruleset, directory, FS_EXECUTE);
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(system_paths); i++)
        r = rule_add(ruleset, system_paths[i].path, system_paths[i].access);
    if (r < 0) {
        (void)close(ruleset);
        return r;
    }
    *ret_fd = ruleset;
    return 0;
}

/* Refused: everything that reaches a network, another process or much of the kernel. What Landlock
 * refuses already is not repeated. New calls (numbers beyond these headers) are refused as well. */
#define REFUSE(name)                                       \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
static const struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_process_mrelease + 2, 0, 1), /* and all of x32 */
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    REFUSE(socket),
    REFUSE(socketpair),
    REFUSE(kill),
    REFUSE(tkill),
    REFUSE(tgkill),
    REFUSE(rt_sigqueueinfo),
    REFUSE(rt_tgsigqueueinfo),
    REFUSE(pidfd_open),
    REFUSE(pidfd_getfd),
    REFUSE(pidfd_send_signal),
    REFUSE(ptrace),
    REFUSE(process_vm_readv),
    REFUSE(process_vm_writev),
    REFUSE(process_madvise),
    REFUSE(process_mrelease),
    REFUSE(kcmp),
    REFUSE(prlimit64),
    REFUSE(setpriority),
    REFUSE(sched_setscheduler),
    REFUSE(fork),
    REFUSE(vfork),
    REFUSE(unshare),
    REFUSE(setns),
    REFUSE(mount),
    REFUSE(umount2),
    REFUSE(pivot_root),
    REFUSE(chroot),
    REFUSE(fsopen),
    REFUSE(open_tree),
    REFUSE(move_mount),
    REFUSE(bpf),
    REFUSE(perf_event_open),
    REFUSE(userfaultfd),
    REFUSE(io_uring_setup),
    REFUSE(add_key),
    REFUSE(request_key),
    REFUSE(keyctl),
    REFUSE(init_module),
    REFUSE(finit_module),
    REFUSE(kexec_load),
    REFUSE(shmget),
    REFUSE(msgget),
    REFUSE(semget),
    REFUSE(mq_open),
    REFUSE(chmod),
    REFUSE(fchmod),
    REFUSE(fchmodat),
    REFUSE(chown),
    REFUSE(fchown),
    REFUSE(lchown),
    REFUSE(fchownat),
    REFUSE(setxattr),
    REFUSE(lsetxattr),
    REFUSE(fsetxattr),
    REFUSE(removexattr),
    REFUSE(lremovexattr),
    REFUSE(fremovexattr),
    REFUSE(utimensat),
    REFUSE(utime),
    REFUSE(utimes),
    REFUSE(futimesat),
    REFUSE(truncate), /* Landlock has it since ABI 3 (Linux 6.2) */
    /* A descriptor's owner is sent signals of the program's choice, by Landlock until ABI 6. */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 5),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETOWN, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETOWN_EX, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    /* Threads, but no processes, which would outlive it; glibc falls back from clone3(). */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

int tool_confine(int confinement_fd)
{
    const struct sock_fprog program = {(unsigned short)ARRAY_COUNT(filter),
                                       (struct sock_filter *)(uintptr_t)filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, confinement_fd, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return -errno;
    return 0;
}
