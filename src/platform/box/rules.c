/* SPDX-License-Identifier: Apache-2.0 */
/* Which host calls are not simply copied, and why. The first table that SGX's monitor has to answer. */
#include "platform/box/internal.h"

#include <errno.h>
#include <sys/syscall.h>

#define FUTEX_WAKE_NR 454 /* newer than the headers */
#define FUTEX_WAIT_NR 455
#define FUTEX_REQUEUE_NR 456

#define EXCEPT(nr_, why_)          \
    {                              \
        nr_, BOX_EXCEPTED, 0, why_ \
    }
#define REFUSE(nr_, error_, why_)      \
    {                                  \
        nr_, BOX_REFUSED, error_, why_ \
    }

#define OWN_MEMORY "the process's own pages; SGX: the monitor's page calls (EAUG, EACCEPT, EMODPR)"
#define WORD "words of this process; SGX: the monitor's wait queues, the host sees a word outside"
#define THREAD "where the kernel keeps a thread's state; SGX: in the thread's control structure"
#define SIGNAL "frames on the process's own stack; SGX: the monitor's exception entry"
#define INTERCEPTION "of the guest's calls; SGX: every system call instruction faults"
#define SHARED "memory that the host would share"
#define CHILD "a child with copied memory"
#define IMAGE "another image in the host process"
#define BLIND "the host sees no memory"

static const struct box_rule g_rules[] = {
    {SYS_mmap, BOX_MAPPED, 0, OWN_MEMORY},
    EXCEPT(SYS_munmap, OWN_MEMORY),
    EXCEPT(SYS_mprotect, OWN_MEMORY),
    EXCEPT(SYS_madvise, OWN_MEMORY),
    EXCEPT(SYS_mremap, OWN_MEMORY),
    EXCEPT(SYS_msync, OWN_MEMORY),
    EXCEPT(SYS_mincore, OWN_MEMORY),
    EXCEPT(SYS_mlock, OWN_MEMORY),
    EXCEPT(SYS_mlock2, OWN_MEMORY),
    EXCEPT(SYS_munlock, OWN_MEMORY),
    EXCEPT(SYS_mbind, OWN_MEMORY),
    EXCEPT(SYS_get_mempolicy, OWN_MEMORY),
    EXCEPT(SYS_set_mempolicy_home_node, OWN_MEMORY),
    EXCEPT(SYS_futex, WORD),
    EXCEPT(SYS_futex_waitv, WORD),
    EXCEPT(FUTEX_WAIT_NR, WORD),
    EXCEPT(FUTEX_WAKE_NR, WORD),
    EXCEPT(FUTEX_REQUEUE_NR, WORD),
    EXCEPT(SYS_set_robust_list, THREAD),
    EXCEPT(SYS_set_tid_address, THREAD),
    EXCEPT(SYS_rseq, THREAD),
    EXCEPT(SYS_arch_prctl, THREAD),
    EXCEPT(SYS_prctl, INTERCEPTION),
    EXCEPT(SYS_rt_sigaction, SIGNAL),
    EXCEPT(SYS_sigaltstack, SIGNAL),
    EXCEPT(SYS_getcpu, "an argument that Linux ignores"),
    REFUSE(SYS_memfd_create, ENOSYS, SHARED),
    REFUSE(SYS_memfd_secret, ENOSYS, SHARED),
    REFUSE(SYS_shmget, ENOSYS, SHARED),
    REFUSE(SYS_shmat, ENOSYS, SHARED),
    REFUSE(SYS_shmctl, ENOSYS, SHARED),
    REFUSE(SYS_shmdt, ENOSYS, SHARED),
    REFUSE(SYS_io_uring_setup, ENOSYS, SHARED),
    REFUSE(SYS_io_setup, ENOSYS, SHARED),
    REFUSE(SYS_vmsplice, EINVAL, SHARED),
    REFUSE(SYS_brk, ENOSYS, "the break is libc's alone"),
    REFUSE(SYS_fork, ENOSYS, CHILD),
    REFUSE(SYS_vfork, ENOSYS, CHILD),
    REFUSE(SYS_clone, ENOSYS, CHILD),
    REFUSE(SYS_clone3, ENOSYS, CHILD),
    REFUSE(SYS_execve, ENOSYS, IMAGE),
    REFUSE(SYS_execveat, ENOSYS, IMAGE),
    REFUSE(SYS_ptrace, EPERM, BLIND),
    REFUSE(SYS_process_vm_readv, EPERM, BLIND),
    REFUSE(SYS_process_vm_writev, EPERM, BLIND),
    REFUSE(SYS_bpf, EPERM, "addresses inside its structures"),
};

const struct box_rule *box_rule_of(long nr)
{
    static const struct box_rule copied = {0, BOX_COPIED, 0, ""};
    for (size_t i = 0; i < ARRAY_COUNT(g_rules); i++)
        if (g_rules[i].nr == nr)
            return &g_rules[i];
    return &copied;
}
