/* SPDX-License-Identifier: Apache-2.0 */
/* Every way round the shields that we know, tried under a policy with a volume (tests/scenario/
 * escapes.py, which also looks at the host's side). TAP on standard output: "ok" means that the
 * attempt was refused with the errno given here, or did what it does inside the shield.
 *
 * What is claimed, and why each may be refused: a shielded program and its children meet the host only
 * through the runtime's table. Calls that hand bytes, descriptors or memory to the kernel in a way the
 * runtime cannot see are denied; what would change the ground under the file rules (roots, mounts,
 * namespaces) too; so is whatever takes the runtime's memory, text or interception away.
 *
 * What is not claimed: the runtime is not a sandbox against its own program. A program that jumps to a
 * system call instruction in the runtime's text, or hands the kernel an address inside the runtime for a
 * call that passes (read() into it, a robust list, a futex, a signal stack), can break itself, and only
 * itself: host and key broker treat it as the same program. Checking every pointer of every passing call
 * would cost more than the call, so it is not done where a call passes; where the runtime handles it,
 * guest memory is checked. The vsyscall page can only tell the time. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK "escaped-plaintext-mark"
#define ESCAPED 77
#define PAGE 4096ul

static int g_count, g_failed;
static const char *g_data, *g_host; /* a directory on the volume, one of the host's */
static char g_secret_path[256];
static int g_secret;
static char *g_text, *g_memory; /* the runtime's: one page of its code, one of its data */

static void verdict(bool good, const char *name, const char *why, long r)
{
    g_count++;
    g_failed += !good;
    if (!good)
        printf("# %s: %ld, errno %s\n", why, r, r < 0 ? strerrorname_np((int)-r) : "-");
    printf("%s %d - %s\n", good ? "ok" : "not ok", g_count, name);
    fflush(stdout);
}

static long result(long r)
{
    return r < 0 ? -errno : r;
}

/* Refused, with one of these; 0 ends the list. */
static void refused(const char *name, long r, ...)
{
    va_list list;
    bool good = false;
    va_start(list, r);
    for (int e; (e = va_arg(list, int)) != 0;)
        good |= r == -e;
    va_end(list);
    verdict(good, name, "should be refused", r);
}

#define CALL(...) result(syscall(__VA_ARGS__))

/* --- calls that the runtime could not see through --- */

static void asynchronous_input_and_output(void)
{
    char params[256] = {0};
    unsigned long context = 0;
    refused("io_uring_setup: so that programs fall back", CALL(SYS_io_uring_setup, 4, params),
            ENOSYS, 0);
    refused("io_setup: so that programs fall back", CALL(SYS_io_setup, 4, &context), ENOSYS, 0);
    refused("fanotify_init", CALL(SYS_fanotify_init, 0, O_RDONLY), ENOSYS, 0);
    refused("userfaultfd", CALL(SYS_userfaultfd, O_CLOEXEC), ENOSYS, 0);
    refused("perf_event_open", CALL(SYS_perf_event_open, params, 0, -1, -1, 0), ENOSYS, 0);
    refused("bpf", CALL(SYS_bpf, 0, params, 120), EPERM, 0);
}

static void other_processes(void)
{
    char word[8];
    struct iovec here = {word, 8}, there = {g_memory, 8};
    pid_t self = getpid(), parent = getppid(), child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    pid_t targets[] = {self, parent, child};
    for (int i = 0; i < 3; i++) {
        refused("process_vm_readv of itself, its parent, its child",
                CALL(SYS_process_vm_readv, targets[i], &here, 1, &there, 1, 0), EPERM, 0);
        refused("process_vm_writev of itself, its parent, its child",
                CALL(SYS_process_vm_writev, targets[i], &here, 1, &there, 1, 0), EPERM, 0);
        refused("ptrace attach", CALL(SYS_ptrace, PTRACE_ATTACH, targets[i], 0, 0), EPERM, 0);
        refused("ptrace seize", CALL(SYS_ptrace, 0x4206, targets[i], 0, 0), EPERM, 0);
        refused("kcmp", CALL(SYS_kcmp, targets[i], self, 0, 0, 1), EPERM, 0);
        int pidfd = (int)syscall(SYS_pidfd_open, targets[i], 0);
        refused("pidfd_getfd", CALL(SYS_pidfd_getfd, pidfd, g_secret, 0), EPERM, 0);
        if (i > 0) /* its own memory it may advise */
            refused("process_madvise", CALL(SYS_process_madvise, pidfd, &there, 1, MADV_COLD, 0),
                    EPERM, 0);
        close(pidfd);
    }
    refused("ptrace traceme", CALL(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0), EPERM, 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void handles_and_namespaces(void)
{
    struct {
        uint32_t bytes, type;
        char rest[128];
    } handle = {128, 0, {0}};
    int id;
    refused("name_to_handle_at of the secret",
            CALL(SYS_name_to_handle_at, AT_FDCWD, g_secret_path, &handle, &id, 0), EOPNOTSUPP, 0);
    refused("name_to_handle_at of what the host has",
            CALL(SYS_name_to_handle_at, AT_FDCWD, g_host, &handle, &id, 0), EOPNOTSUPP, 0);
    refused("open_by_handle_at", CALL(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY), EPERM,
            0);
    static const int kinds[] = {CLONE_NEWNS,  CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
                                CLONE_NEWIPC, CLONE_NEWUTS,  CLONE_FS,     CLONE_FILES};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        refused("unshare", CALL(SYS_unshare, kinds[i]), EPERM, 0);
    for (size_t i = 0; i < 6; i++) {
        long r = CALL(SYS_clone, (long)kinds[i] | SIGCHLD, 0, 0, 0, 0);
        if (r == 0)
            _exit(ESCAPED);
        refused("clone into a namespace", r, EPERM, EINVAL, 0);
        uint64_t args[11] = {(uint64_t)kinds[i]};
        args[4] = SIGCHLD;
        r = CALL(SYS_clone3, args, sizeof args);
        if (r == 0)
            _exit(ESCAPED);
        refused("clone3 into a namespace", r, EPERM, EINVAL, ENOSYS, 0);
    }
    int ns = open("/proc/self/ns/mnt", O_RDONLY);
    refused("setns", CALL(SYS_setns, ns, 0), EPERM, 0);
    close(ns);
    refused("mount", CALL(SYS_mount, "none", g_host, "tmpfs", 0, 0), EPERM, 0);
    refused("bind mount over the volume", CALL(SYS_mount, g_host, g_data, 0, 4096, 0), EPERM, 0);
    refused("umount2", CALL(SYS_umount2, "/proc", 2), EPERM, 0);
    refused("pivot_root", CALL(SYS_pivot_root, g_host, g_host), EPERM, 0);
    refused("chroot", CALL(SYS_chroot, g_host), EPERM, 0);
    refused("open_tree", CALL(SYS_open_tree, AT_FDCWD, g_host, 1), EPERM, 0);
    refused("move_mount", CALL(SYS_move_mount, AT_FDCWD, g_host, AT_FDCWD, g_data, 0), EPERM, 0);
    refused("fsopen", CALL(SYS_fsopen, "tmpfs", 0), EPERM, 0);
    refused("mount_setattr", CALL(SYS_mount_setattr, AT_FDCWD, "/", 0, &handle, 32), EPERM, 0);
    refused("swapon", CALL(SYS_swapon, g_secret_path, 0), EPERM, 0);
    refused("quotactl", CALL(SYS_quotactl, 0x800007, g_host, 0, &handle), EPERM, 0);
    refused("acct", CALL(SYS_acct, g_secret_path), EPERM, 0);
}

static void the_kernel(void)
{
    refused("kexec_load", CALL(SYS_kexec_load, 0, 0, 0, 0), EPERM, 0);
    refused("init_module", CALL(SYS_init_module, "x", 1, ""), EPERM, 0);
    refused("finit_module", CALL(SYS_finit_module, g_secret, "", 0), EPERM, 0);
    refused("delete_module", CALL(SYS_delete_module, "x", 0), EPERM, 0);
    refused("reboot", CALL(SYS_reboot, 0xfee1dead, 672274793, 0, 0), EPERM, 0);
    refused("iopl", CALL(SYS_iopl, 3), EPERM, 0);
    refused("ioperm", CALL(SYS_ioperm, 0x80, 1, 1), EPERM, 0);
    refused("syslog", CALL(SYS_syslog, 3, g_memory, 8), EPERM, 0);
    refused("add_key", CALL(SYS_add_key, "user", "x", "y", 1, -3), ENOSYS, 0);
}

/* --- interception --- */

/* A filter that answers every call with success would, if the host had it, let the runtime believe
 * anything. The guest's own answers are its business. */
static void the_filters(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {5, code};
    pid_t pid = fork();
    if (pid == 0) {
        char status[4096] = {0};
        int fd = open("/proc/self/status", O_RDONLY);
        (void)CALL(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        long r = CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
        bool answered =
            CALL(SYS_open, g_secret, 0) == 0 && CALL(SYS_pread64, fd, status, 4095, 0) == 0;
        _exit(r == 0 && answered && status[0] == 0 ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    refused("a filter that answers for the runtime", status == 0 ? -EPERM : 0, EPERM, 0);
}

static void interception(void)
{
    struct {
        unsigned short count;
        void *filter;
    } program = {0, NULL};
    char descriptor[16] = {0};
    refused("seccomp", CALL(SYS_seccomp, 1, 0, &program), EINVAL, 0);
    refused("prctl(PR_SET_SECCOMP)", CALL(SYS_prctl, PR_SET_SECCOMP, 2, &program, 0, 0), EINVAL, 0);
    the_filters();
    refused("prctl(PR_SET_SYSCALL_USER_DISPATCH off)", CALL(SYS_prctl, 59, 0, 0, 0, 0), EINVAL,
            EPERM, 0);
    refused("prctl(PR_SET_SYSCALL_USER_DISPATCH everywhere)",
            CALL(SYS_prctl, 59, 1, 0, -1ul, descriptor), EINVAL, EPERM, 0);
    refused("prctl(PR_SET_MM)", CALL(SYS_prctl, PR_SET_MM, PR_SET_MM_BRK, g_memory, 0, 0), EINVAL,
            EPERM, 0);
    refused("arch_prctl(ARCH_SET_GS)", CALL(SYS_arch_prctl, 0x1001, g_memory), EPERM, 0);
    refused("arch_prctl(ARCH_SHSTK_ENABLE)", CALL(SYS_arch_prctl, 0x5001, 1), EINVAL, ENOTSUP,
            EPERM, 0);
    refused("map_shadow_stack", CALL(453, 0, 8192, 0), ENOSYS, 0);
    refused("modify_ldt", CALL(SYS_modify_ldt, 1, descriptor, 16), ENOSYS, 0);
    refused("set_thread_area", CALL(SYS_set_thread_area, descriptor), ENOSYS, 0);
    refused("personality(READ_IMPLIES_EXEC)", CALL(SYS_personality, 0x0400000), EINVAL, EPERM, 0);
    refused("pkey_alloc", CALL(SYS_pkey_alloc, 0, 0), ENOSYS, ENOSPC, 0);
    struct sigaction action;
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGSYS, &action, NULL);
    refused("ignoring SIGSYS changes nothing", CALL(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0), EPERM, 0);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    refused("nor does blocking it", CALL(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0), EPERM, 0);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
}

/* Runs code in a child. What it must not do is leave with ESCAPED, which only a call that the
 * runtime did not see can make it. */
static void code_in_child(const char *name, const unsigned char *code, size_t size, bool narrow)
{
    unsigned char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    memcpy(page, code, size);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGILL, SIG_DFL);
        alarm(20);
        if (narrow)
            __asm__ volatile("pushq $0x23\n\tpushq %0\n\tlretq" ::"r"((uint64_t)page) : "memory");
        else
            __asm__ volatile("jmp *%0" ::"r"(page) : "memory");
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    bool hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    verdict(!(WIFEXITED(status) && WEXITSTATUS(status) == ESCAPED) && !hung, name, "status",
            status);
    munmap(page, PAGE);
}

static void other_ways_into_the_kernel(void)
{
    /* exit(77) by 32-bit number 1, then hlt, a fault */
    static const unsigned char int80[] = {0xb8, 1, 0, 0, 0, 0xbb, 77, 0, 0, 0, 0xcd, 0x80, 0xf4};
    static const unsigned char sysenter[] = {0xb8, 1, 0, 0, 0, 0xbb, 77, 0, 0, 0, 0x0f, 0x34, 0xf4};
    static const unsigned char syscall32[] = {0xb8, 1, 0, 0,    0,    0xbb, 77,
                                              0,    0, 0, 0x0f, 0x05, 0xf4};
    code_in_child("int 0x80 in 64-bit code", int80, sizeof int80, false);
    code_in_child("sysenter in 64-bit code", sysenter, sizeof sysenter, false);
    code_in_child("int 0x80 after a far return to 32-bit code", int80, sizeof int80, true);
    code_in_child("sysenter after a far return to 32-bit code", sysenter, sizeof sysenter, true);
    code_in_child("syscall after a far return to 32-bit code", syscall32, sizeof syscall32, true);
    /* Code made at run time traps as any other: ptrace(PTRACE_TRACEME) is refused. */
    static const unsigned char made[] = {0xb8, 101, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05, 0xc3};
    void *page =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, made, sizeof made);
    long (*run)(void);
    memcpy(&run, &page, sizeof run);
    refused("a system call from code made at run time", run(), EPERM, 0);
    munmap(page, PAGE);
}

/* --- the runtime's memory --- */

static void is_whole(const char *name, long r)
{
    char path[300];
    bool good = r < 0 && r >= -4095;
    snprintf(path, sizeof path, "%s/after", g_data);
    int fd = open(path, O_RDWR | O_CREAT, 0600); /* goes through all of it */
    good &= fd >= 0 && write(fd, "x", 1) == 1;
    close(fd);
    verdict(good, name, "should be refused, and leave the runtime whole", r);
}

static void over_the_runtime(char *at, const char *what)
{
    char name[96];
    void *mine = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#define OVER(call, ...) \
    (snprintf(name, sizeof name, call " over its %s", what), is_whole(name, CALL(__VA_ARGS__)))
    OVER("mmap", SYS_mmap, at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    OVER("mmap of the secret", SYS_mmap, at, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, g_secret, 0);
    OVER("mmap, from before it,", SYS_mmap, at - PAGE, 2 * PAGE, PROT_READ,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    OVER("mmap without replacing", SYS_mmap, at, PAGE, PROT_READ,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    OVER("mprotect to write and execute", SYS_mprotect, at, PAGE,
         PROT_READ | PROT_WRITE | PROT_EXEC);
    OVER("mprotect to nothing", SYS_mprotect, at, PAGE, PROT_NONE);
    /* Where the guest has nothing, unmapping succeeds and does nothing. */
    snprintf(name, sizeof name, "munmap over its %s", what);
    is_whole(name, munmap(at, PAGE) == 0 ? -EINVAL : -errno);
    OVER("mremap away from", SYS_mremap, at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, mine);
    OVER("mremap onto", SYS_mremap, mine, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
    OVER("mremap longer", SYS_mremap, at, PAGE, 16 * PAGE, MREMAP_MAYMOVE);
    OVER("madvise(MADV_DONTNEED)", SYS_madvise, at, PAGE, MADV_DONTNEED);
    OVER("madvise(MADV_FREE)", SYS_madvise, at, PAGE, MADV_FREE);
    OVER("madvise(MADV_DONTFORK)", SYS_madvise, at, PAGE, MADV_DONTFORK);
    OVER("remap_file_pages", SYS_remap_file_pages, at, PAGE, 0, 0, 0);
    OVER("pkey_mprotect", SYS_pkey_mprotect, at, PAGE, PROT_NONE, -1);
    OVER("mseal", 462, at, PAGE, 0);
    int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
    OVER("shmat", SYS_shmat, id, at, SHM_REMAP);
    shmctl(id, IPC_RMID, NULL);
    munmap(mine, 2 * PAGE);
}

/* --- /proc --- */

/* Opening may be refused; if not, the runtime's memory must not come out of it. */
static void no_memory_by(const char *name, int fd)
{
    char word[8];
    long r = fd < 0 ? -errno : pread(fd, word, sizeof word, (off_t)(uintptr_t)g_memory);
    verdict(r <= 0, name, "reads the runtime's memory", r);
    if (fd >= 0)
        close(fd);
}

static void memory_by_proc(void)
{
    char path[300], link[300];
    no_memory_by("/proc/self/mem", open("/proc/self/mem", O_RDWR));
    no_memory_by("/proc/thread-self/mem", open("/proc/thread-self/mem", O_RDWR));
    snprintf(path, sizeof path, "/proc/%d/mem", getpid());
    no_memory_by("/proc/PID/mem", open(path, O_RDWR));
    snprintf(path, sizeof path, "/proc/self/task/%d/mem", getpid());
    no_memory_by("/proc/self/task/TID/mem", open(path, O_RDWR));
    no_memory_by("/proc/./self/../self/mem", open("/proc/./self/../self/mem", O_RDONLY));
    no_memory_by("//proc//self//mem", open("//proc//self//mem", O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/mem", getppid());
    no_memory_by("its parent's mem", open(path, O_RDWR));
    int dir = open("/proc/self", O_RDONLY | O_DIRECTORY);
    no_memory_by("mem beside a descriptor of /proc/self", openat(dir, "mem", O_RDWR));
    int proc = open("/proc", O_RDONLY | O_DIRECTORY);
    no_memory_by("self/mem beside a descriptor of /proc", openat(proc, "self/mem", O_RDWR));
    char old[300];
    if (getcwd(old, sizeof old) && chdir("/proc/self") == 0) {
        no_memory_by("mem in /proc/self as working directory", open("mem", O_RDWR));
        (void)!chdir(old);
    }
    snprintf(link, sizeof link, "%s/link", g_host);
    (void)!symlink("/proc/self/mem", link);
    no_memory_by("through a link of the host's", open(link, O_RDWR));
    unlink(link);
    snprintf(link, sizeof link, "%s/link", g_data);
    (void)!symlink("/proc/self/mem", link);
    no_memory_by("through a link on the volume", open(link, O_RDWR));
    unlink(link);
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (long)g_memory,
             (long)g_memory + PAGE);
    no_memory_by("map_files", open(path, O_RDONLY));
    close(dir);
    close(proc);
}

/* The policy gives /proc to the host; that must not give everything else. */
static void around_the_rules_by_proc(void)
{
    static const char *const doors[] = {"/proc/self/root/etc/shadow", "/proc/1/root/etc/shadow",
                                        "/proc/self/cwd/../../../../../../../../etc/shadow",
                                        "/proc/thread-self/root/etc/shadow",
                                        "/proc/self/task/../root/etc/shadow"};
    char path[300];
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++)
        refused(doors[i], result(open(doors[i], O_RDONLY)), EACCES, ENOENT, 0);
    int root = open("/proc/self/root", O_PATH | O_DIRECTORY);
    refused("etc/shadow beside a descriptor of /proc/self/root",
            result(root < 0 ? root : openat(root, "etc/shadow", O_RDONLY)), EACCES, ENOENT, 0);
    close(root);
    snprintf(path, sizeof path, "%s/denied/file", g_host);
    refused("a denied file", result(open(path, O_RDONLY)), EACCES, 0);
    snprintf(path, sizeof path, "/proc/self/root%s/denied/file", g_host);
    refused("a denied file by /proc/self/root", result(open(path, O_RDONLY)), EACCES, 0);
    int dir = open(g_host, O_PATH | O_DIRECTORY);
    snprintf(path, sizeof path, "/proc/self/fd/%d/denied/file", dir);
    refused("a denied file by /proc/self/fd/N/", result(open(path, O_RDONLY)), EACCES, 0);
    refused("a denied file beside a descriptor", result(openat(dir, "denied/file", O_RDONLY)),
            EACCES, 0);
    close(dir);
}

/* --- descriptors of shielded files --- */

static long send_descriptor(int socket, int fd, bool many)
{
    char byte = 'x', control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    struct mmsghdr several = {.msg_hdr = message};
    return result(many ? sendmmsg(socket, &several, 1, 0) : sendmsg(socket, &message, 0));
}

/* Moved to a pipe by the kernel it would be the placeholder's; by the runtime it is the content. */
static void content_or_refused(const char *name, long moved, int pipe_out)
{
    char got[sizeof MARK] = {0};
    bool good = moved < 0 || (moved > 0 && read(pipe_out, got, sizeof got - 1) == moved &&
                              strncmp(got, MARK, (size_t)moved) == 0);
    verdict(good, name, "what came out of the pipe is not the content", moved);
}

/* No number that is none of the guest's may be moved from or to, whatever the argument it is in. */
static int moved_from_hidden(int pipe_in, int pipe_out)
{
    int moved = 0;
    for (int fd = 3; fd < 1 << 15; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        moved += CALL(SYS_sendfile, pipe_out, fd, NULL, 1) != -EBADF;
        moved += CALL(SYS_splice, fd, NULL, pipe_out, NULL, 1, SPLICE_F_NONBLOCK) != -EBADF;
        moved += CALL(SYS_splice, pipe_in, NULL, fd, NULL, 1, SPLICE_F_NONBLOCK) != -EBADF;
        moved += CALL(SYS_tee, pipe_in, fd, 1, SPLICE_F_NONBLOCK) != -EBADF;
        moved += CALL(SYS_copy_file_range, fd, NULL, fd, NULL, 1, 0) != -EBADF;
        moved += CALL(SYS_sendmsg, fd, &(struct msghdr){0}, MSG_DONTWAIT) != -EBADF;
    }
    return moved;
}

static void hidden_descriptors(int pipe_in, int pipe_out)
{
    int status = -1;
    verdict(moved_from_hidden(pipe_in, pipe_out) == 0, "nothing moves by the runtime's descriptors",
            "something did", 0);
    pid_t pid = fork();
    if (pid == 0) { /* calls take the short way once nothing is shielded */
        close(g_secret);
        _exit(moved_from_hidden(pipe_in, pipe_out) != 0);
    }
    verdict(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0,
            "nor where no descriptor is shielded", "something did", status);
}

static void descriptors(void)
{
    int pair[2], pipes[2];
    char path[300], text[300] = {0};
    loff_t zero = 0;
    off_t start = 0;
    (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    (void)!pipe(pipes);
    refused("a shielded descriptor over a Unix socket", send_descriptor(pair[0], g_secret, false),
            EPERM, 0);
    refused("the same by sendmmsg", send_descriptor(pair[0], g_secret, true), EPERM, 0);
    refused("a descriptor of the runtime's own, if there were one",
            send_descriptor(pair[0], 1000000, false), EBADF, 0);
    verdict(send_descriptor(pair[0], pipes[0], false) == 1, "a plain one goes", "refused", 0);
    content_or_refused("splice", CALL(SYS_splice, g_secret, &zero, pipes[1], 0, 8, 0), pipes[0]);
    content_or_refused("sendfile", result(sendfile(pipes[1], g_secret, &start, 8)), pipes[0]);
    content_or_refused("copy_file_range to a pipe",
                       CALL(SYS_copy_file_range, g_secret, &zero, pipes[1], 0, 8, 0), pipes[0]);
    struct iovec iov = {text, 8};
    refused("vmsplice to a shielded file", CALL(SYS_vmsplice, g_secret, &iov, 1, 0), EBADF, EINVAL,
            0);
    refused("tee from a shielded file", CALL(SYS_tee, g_secret, pipes[1], 8, 0), EBADF, EINVAL, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", g_secret);
    ssize_t n = readlink(path, text, sizeof text - 1);
    verdict(n > 0 && strcmp(text, g_secret_path) == 0, "its name in /proc is the guest's", text, n);
    int again = open(path, O_RDONLY);
    char got[sizeof MARK] = {0};
    verdict(again >= 0 && read(again, got, sizeof MARK - 1) > 0 && strcmp(got, MARK) == 0,
            "opened by its name in /proc it is shielded", got, again);
    close(again);
    int memfd = (int)syscall(SYS_memfd_create, "x", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", memfd);
    again = open(path, O_RDWR);
    verdict(again >= 0 && write(again, "y", 1) == 1 && pread(memfd, got, 1, 0) == 1 &&
                got[0] == 'y',
            "a memfd by its name in /proc is the guest's own", "not", again);
    close(again);
    close(memfd);
    refused("the runtime's descriptors are none", result(fcntl(20000 - 1, F_GETFD)), EBADF, 0);
    hidden_descriptors(pipes[0], pipes[1]);
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        close(pipes[i]);
    }
}

static void processes_that_share_memory(void)
{
    long r = CALL(SYS_clone, CLONE_VM | SIGCHLD, g_text, 0, 0, 0);
    if (r == 0)
        _exit(ESCAPED);
    refused("clone with shared memory that is no thread", r, EINVAL, EPERM, 0);
    r = CALL(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (r == 0)
        _exit(ESCAPED);
    refused("clone with shared descriptors that is no thread", r, EINVAL, EPERM, 0);
}

int main(int argc, char **argv)
{
    unsigned long text, memory;
    if (argc != 3)
        return 2;
    g_data = argv[1];
    g_host = argv[2];
    snprintf(g_secret_path, sizeof g_secret_path, "%s/secret", g_data);
    g_secret = open(g_secret_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (g_secret < 0 || write(g_secret, MARK, sizeof MARK - 1) != sizeof MARK - 1)
        return 3;
    /* Where the runtime lies is asked of somebody who sees the host's view. */
    printf("# pid %d\n", getpid());
    fflush(stdout);
    if (scanf("%lx %lx", &text, &memory) != 2)
        return 4;
    g_text = (char *)text;
    g_memory = (char *)memory;
    asynchronous_input_and_output();
    other_processes();
    handles_and_namespaces();
    the_kernel();
    interception();
    processes_that_share_memory();
    descriptors();
    memory_by_proc();
    around_the_rules_by_proc();
    other_ways_into_the_kernel();
    over_the_runtime(g_text, "text");
    over_the_runtime(g_memory, "data");
    printf("1..%d\n", g_count);
    return g_failed > 0;
}
