/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/size_limit.h"
#include "platform/host.h"
#include "runtime/thread.h"
#include "runtime/vfs/fs.h"
#include "runtime/vfs/vfs.h"

#include <errno.h>
#include <sys/syscall.h>

bool size_limit_any(void)
{
    const struct limit_view *view = &process_self()->limits[LIMIT_FILE_SIZE];
    return view->set && view->guest.rlim_cur != RLIM_INFINITY;
}

static uint64_t limit_now(void)
{
    return size_limit_any() ? process_self()->limits[LIMIT_FILE_SIZE].guest.rlim_cur : UINT64_MAX;
}

uint64_t size_limit_room(int64_t offset)
{
    uint64_t limit = limit_now();
    return (uint64_t)offset >= limit ? 0 : limit - (uint64_t)offset;
}

int size_limit_check(uint64_t size, uint64_t new_size)
{
    return new_size > size && new_size > limit_now() ? size_limit_signal() : 0;
}

int size_limit_signal(void)
{
    const struct thread *t = thread_self();
    siginfo_t info = {.si_signo = SIGXFSZ, .si_code = SI_USER};
    info.si_pid = t->process->pid;
    info.si_uid = (uid_t)host_call(SYS_getuid);
    (void)host_call(SYS_rt_tgsigqueueinfo, t->process->pid, t->tid, SIGXFSZ, &info);
    return -EFBIG;
}

/* A process that writes its volumes itself could not: the limit would be on their files as well. */
int vfs_file_size_prepare(void)
{
    return g_fs.owner ? vfs_fork_prepare() : 0;
}
