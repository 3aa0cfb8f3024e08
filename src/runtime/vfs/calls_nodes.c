/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes with a name on a volume: the name, its owner and mode are the volume's, the pipe behind it is a
 * stand-in of the host's. It is opened as such, so that waiting for the other end, polling and splicing
 * are the kernel's. For sockets see calls_sockets.c. */
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/stand_in.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#define STAND_IN_MODE 0666 /* the volume has judged already */

int64_t fifo_open(const struct inode_ref *ref, int flags)
{
    char path[STAND_IN_PATH_MAX];
    int r = stand_in_path(path, 'p', ref->volume, ref->ino, 0, NULL);
    if (r == 0)
        r = (int)host_call(SYS_mknod, path, S_IFIFO | 0600, 0);
    if (r == 0)
        r = (int)host_call(SYS_chmod, path, STAND_IN_MODE);
    if (r < 0 && r != -EEXIST)
        return r == -ENOSPC ? -ENXIO : r;
    int kept = flags & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    int64_t fd = rt_block(SYS_openat, AT_FDCWD, path, kept, 0);
    return fd == -EINTR ? -RT_ERESTARTSYS : fd;
}

void node_removed(uint32_t volume, uint64_t ino, uint32_t mode)
{
    char path[STAND_IN_PATH_MAX];
    if (g_stand_ins && atomic_load(&g_stand_ins->made) &&
        stand_in_path(path, S_ISSOCK(mode) ? 's' : 'p', volume, ino, 0, NULL) == 0)
        (void)host_call(SYS_unlink, path);
}
