/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and Unix sockets with a name on a volume: the name, its owner and mode are the volume's, the
 * pipe or socket behind it is a stand-in of the host's. It is opened as such, so that waiting for the
 * other end, polling and splicing are the kernel's. */
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/explain/explain.h"
#include "runtime/guest.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/handlers.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/stand_in.h"
#include "runtime/vfs/volume_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

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

/* --- sockets --- */

/* The path in a Unix socket's address. False: it has none that could be ours. */
static bool path_of_address(struct syscall_call *c, char path[sizeof(struct sockaddr_un)])
{
    struct sockaddr_un address = {0};
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    if (c->args[2] <= head || c->args[2] > sizeof address ||
        guest_read(&address, c->args[1], c->args[2]) < 0 || address.sun_family != AF_UNIX ||
        address.sun_path[0] == '\0')
        return false;
    size_t size = strnlen(address.sun_path, c->args[2] - head);
    memcpy(path, address.sun_path, size);
    path[size] = '\0';
    return true;
}

/* By the path's text alone: a link of the host's into a volume is not looked for, since asking about
 * every socket of the host would have the file rules refuse what the network rules allow. */
static bool may_be_on_volume(const char *path)
{
    const struct mount *mount = path[0] == '/' ? fs_mount_of(path, strlen(path)) : NULL;
    struct volume_file *cwd = path[0] == '/' ? NULL : fs_cwd();
    if (cwd)
        file_put(&cwd->file);
    return cwd || (mount && mount->kind == MOUNT_VOLUME);
}

/* A denied place has no sockets either. Where a policy names sockets, their path alone counts. */
static bool is_denied(struct path_job *job, const char *path)
{
    const struct mount *mount = path[0] == '/' ? fs_mount_of(path, strlen(path)) : NULL;
    struct place place;
    if (mount && mount->kind == MOUNT_DENIED)
        return fs_refuse(path, WISH_WRITE, mount) < 0;
    if (!g_fs.shadowing || g_fs.has_policy)
        return false;
    int r = path_find(job, path, true, &place);
    if (r >= 0)
        place_done(&place);
    return r == -EACCES;
}

/* The place that path is at, if it is on a volume: 1. 0: the host's. Or -errno. */
static int find_on_volume(struct syscall_call *c, unsigned flags, struct place *place)
{
    char path[sizeof(struct sockaddr_un)];
    struct path_job job = {.c = c, .dir_arg = NO_ARG, .path_arg = 1, .flags = flags};
    if (!path_of_address(c, path))
        return 0;
    if (is_denied(&job, path))
        return -EACCES;
    if (!g_stand_ins || !may_be_on_volume(path))
        return 0;
    int r = path_find(&job, path, true, place);
    if (r < 0)
        return r;
    if (place->kind == PLACE_VOLUME)
        return 1;
    place_done(place);
    return 0;
}

/* The call at the host, on the stand-in of that inode. */
static int64_t pass_stand_in(struct syscall_call *c, uint32_t volume, uint64_t ino,
                             struct sockaddr_un *address)
{
    char path[STAND_IN_PATH_MAX];
    struct syscall_call call = *c;
    int r = stand_in_path(path, 's', volume, ino, 0, NULL);
    size_t size = strlen(path);
    if (r < 0 || size >= sizeof address->sun_path)
        return r < 0 ? r : -ENAMETOOLONG;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, size + 1);
    call.args[1] = (unsigned long)address;
    call.args[2] = sizeof *address;
    return sys_pass(&call);
}

static int64_t bind_at(struct syscall_call *c, const struct place *p)
{
    struct volume_attr dir;
    struct sockaddr_un address;
    if (p->ino != 0 || p->last != WALK_LAST_NAME)
        return -EADDRINUSE;
    int r = place_may_create(p, &dir);
    if (r < 0)
        return r;
    struct request rq = {.op = REQUEST_MAKE,
                         .volume = p->volume,
                         .dir = p->dir,
                         .in = place_name(p),
                         .attr = attr_for_new(S_IFSOCK | 0777, &dir)};
    int64_t made = fs_request(&rq);
    if (made < 0)
        return made == -EEXIST ? -EADDRINUSE : made;
    int64_t bound = pass_stand_in(c, p->volume, rq.ino, &address);
    if (bound == 0) {
        (void)host_call(SYS_chmod, address.sun_path, STAND_IN_MODE);
        return 0;
    }
    struct request undo = {
        .op = REQUEST_UNLINK, .volume = p->volume, .dir = p->dir, .in = place_name(p)};
    (void)fs_request(&undo);
    return bound;
}

int64_t sys_bind_path(struct syscall_call *c)
{
    struct place place;
    int found = find_on_volume(c, PLACE_NAME, &place);
    if (found <= 0)
        return found < 0 ? found : sys_bind(c);
    int64_t r = bind_at(c, &place);
    place_done(&place);
    return r;
}

static int64_t connect_to(struct syscall_call *c, const struct place *p)
{
    struct sockaddr_un address;
    if (p->ino == 0)
        return -ENOENT;
    int r = permission_check(&p->attr, fs_creds(), PERMISSION_WRITE);
    if (r < 0)
        return r;
    if (!S_ISSOCK(p->attr.mode))
        return -ECONNREFUSED;
    int64_t done = pass_stand_in(c, p->volume, p->ino, &address);
    return done == -ENOENT ? -ECONNREFUSED : done; /* a name from an earlier run: nobody is there */
}

int64_t sys_connect_path(struct syscall_call *c)
{
    struct place place;
    int found = find_on_volume(c, PLACE_FOLLOW, &place);
    if (found <= 0)
        return found < 0 ? found : sys_connect(c);
    int64_t r = connect_to(c, &place);
    place_done(&place);
    return r;
}
