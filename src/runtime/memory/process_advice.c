/* SPDX-License-Identifier: Apache-2.0 */
/* process_madvise(2) for the process itself; other processes are not the guest's to advise. */
#include "platform/host.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/memory/memory.h"
#include "runtime/process/process.h"
#include "runtime/syscall/call.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define PIDFS_MAGIC 0x50494446 /* where each process has an inode of its own: Linux 6.9 */

static bool is_on_pidfs(long fd)
{
    struct statfs fs = {0};
    return host_call(SYS_fstatfs, fd, &fs) == 0 && fs.f_type == PIDFS_MAGIC;
}

/* Is the descriptor this process's? Both numbers must say so. -EBADF: it is no process's at all; -EPERM:
 * another's, or an older kernel cannot tell. */
static int names_self(int fd)
{
    struct stat named = {0}, self = {0};
    if (fd_is_hidden(fd) || host_call(SYS_fstat, fd, &named) < 0)
        return -EBADF;
    long own = host_call(SYS_pidfd_open, process_self()->pid, 0);
    if (own < 0)
        return -EPERM;
    bool tells = is_on_pidfs(own) && host_call(SYS_fstat, own, &self) == 0;
    host_close((int)own);
    if (!tells)
        return -EPERM;
    if (!is_on_pidfs(fd))
        return -EBADF;
    return named.st_ino == self.st_ino && named.st_dev == self.st_dev ? 0 : -EPERM;
}

int64_t sys_process_madvise(struct syscall_call *c)
{
    struct iovec iov[GUEST_IOV_MAX];
    if ((unsigned)c->args[4] != 0)
        return -EINVAL;
    int64_t done = 0, r = guest_iov(iov, c->args[1], c->args[2]);
    if (r < 0)
        return r;
    r = names_self((int)c->args[0]);
    for (unsigned long i = 0; r == 0 && i < c->args[2]; i++) {
        r = memory_advise((uint64_t)iov[i].iov_base, iov[i].iov_len, (int)c->args[3]);
        done += r == 0 ? (int64_t)iov[i].iov_len : 0;
    }
    return done > 0 ? done : r;
}
