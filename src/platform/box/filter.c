/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own eye on the gate: a system call instruction anywhere else in the runtime ends the
 * process, but for what libc and the signal code do below platform/, where SGX's monitor answers. */
#include "platform/box/internal.h"
#include "platform/linux/linux.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* libc's malloc and pthread_create; SGX: the monitor's pages, thread control structures and waits. */
static const short g_libc[] = {
    SYS_munmap, SYS_mprotect, SYS_madvise, SYS_mremap, SYS_brk, SYS_futex, SYS_rseq, SYS_gettid,
    SYS_rt_sigprocmask, SYS_set_robust_list, SYS_exit,
    /* how large qsort may make its copy */
    SYS_sysinfo,
    /* process/signal_host.c, in a handler; SGX: the monitor's exception entry */
    SYS_rt_sigreturn, SYS_rt_sigaction, SYS_tgkill, SYS_rt_tgsigqueueinfo,
    /* the last words of a runtime that cannot go on */
    SYS_write, SYS_exit_group, SYS_getpid};

enum { PROGRAM_MAX = 64 };

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short len;
};

static void add(struct program *p, unsigned short code, uint32_t k, uint8_t yes, uint8_t no)
{
    if (p->len < PROGRAM_MAX)
        p->code[p->len++] = (struct sock_filter){code, yes, no, k};
}

static void load(struct program *p, size_t offset)
{
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(struct program *p, uint32_t action)
{
    add(p, BPF_RET | BPF_K, action, 0, 0);
}

#define POINTER offsetof(struct seccomp_data, instruction_pointer)
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + (size_t)8 * (size_t)(n))

static void allow_at(struct program *p, const char *behind)
{
    uint64_t address = (uint64_t)behind;
    load(p, POINTER);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)address, 0, 3);
    load(p, POINTER + 4);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(address >> 32), 0, 1);
    answer(p, SECCOMP_RET_ALLOW);
}

/* Call `nr` if argument `arg` has one of `bits`. */
static void allow_with(struct program *p, uint32_t nr, int arg, uint32_t bits)
{
    add(p, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 4);
    load(p, ARGUMENT(arg));
    add(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    answer(p, SECCOMP_RET_ALLOW);
    answer(p, SECCOMP_RET_KILL_PROCESS);
}

int box_filter(void)
{
    struct program p = {.len = 0};
    allow_at(&p, box_gate_after);
    allow_at(&p, linux_unless_end);
    load(&p, offsetof(struct seccomp_data, nr));
    allow_with(&p, SYS_mmap, 3, MAP_ANONYMOUS);
    allow_with(&p, SYS_clone, 0, CLONE_THREAD);
    add(&p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1); /* its flags are in memory */
    answer(&p, SECCOMP_RET_ERRNO | ENOSYS);
    for (size_t i = 0; i < ARRAY_COUNT(g_libc); i++) {
        add(&p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)g_libc[i], 0, 1);
        answer(&p, SECCOMP_RET_ALLOW);
    }
    answer(&p, SECCOMP_RET_KILL_PROCESS);
    const struct sock_fprog program = {.len = p.len, .filter = p.code};
    long r = box_gate(SYS_prctl, (const long[6]){PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0});
    if (r == 0)
        r = box_gate(SYS_seccomp, (const long[6]){SECCOMP_SET_MODE_FILTER, 0, (long)&program});
    return (int)r;
}
