/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/process/libc_fork.h"
#include "platform/host.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local unsigned g_flags = SIGCHLD;

/* Where libc keeps a thread's id, as it tells libthread_db: size in bits, count, offset. */
extern const uint32_t libc_tid_place[3] __asm__("_thread_db_pthread_tid");

/* What libc's fork() calls when all its locks are held, in place of its own. The child's robust list
 * is the guest's affair. */
pid_t _Fork(void)
{
    char *tid = (char *)__builtin_thread_pointer() + libc_tid_place[2];
    long r =
        host_call(SYS_clone, g_flags | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, 0, 0, tid, 0);
    if (r >= 0)
        return (pid_t)r;
    errno = (int)-r;
    return -1;
}

int libc_fork(unsigned flags)
{
    g_flags = flags;
    pid_t pid = fork();
    g_flags = SIGCHLD;
    return pid;
}
