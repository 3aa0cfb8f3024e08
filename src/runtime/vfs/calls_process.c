/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to the process: its working directory, its umask, who it is; and a few calls that
 * are answered in one line. */
#include "platform/host.h"
#include "runtime/guest.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/handlers.h"
#include "runtime/vfs/host_directory.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/vfs.h"
#include "runtime/vfs/volume_file.h"
#include "runtime/vfs/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

static int64_t enter(const struct inode_ref *ref)
{
    struct volume_file *vf;
    if (!S_ISDIR(ref->attr.mode))
        return -ENOTDIR;
    int r = permission_check(&ref->attr, fs_creds(), PERMISSION_EXECUTE);
    if (r == 0)
        r = volume_file_open(ref->mount, ref->volume, ref->ino, ref->attr.mode,
                             O_PATH | O_DIRECTORY, 0, (struct slice){0}, &vf);
    if (r == 0)
        fs_set_cwd(vf);
    return r;
}

static int64_t chdir_place(struct path_job *job, struct place *p)
{
    struct inode_ref ref;
    (void)job;
    int r = place_inode(p, &ref);
    return r < 0 ? (r == -EROFS ? -ENOTDIR : r) : enter(&ref);
}

/* When the host took it, the host's directory is the guest's. */
static int64_t host_took(int64_t r)
{
    if (r == 0)
        fs_set_cwd(NULL);
    return r;
}

int64_t sys_chdir(struct syscall_call *c)
{
    char path[PATH_MAX];
    struct place place;
    struct path_job job = {.c = c, .dir_arg = NO_ARG, .flags = PLACE_FOLLOW | PLACE_LOOKS};
    int64_t r = path_copy(path, c->args[0]);
    if (r >= 0)
        r = path_find(&job, path, false, &place);
    if (r < 0)
        return r;
    if (place.kind == PLACE_HOST && place.as_given) {
        r = host_took(sys_pass(c));
        if (r != -ENOENT || !path_may_lead_to_us(&job, path) ||
            path_find(&job, path, true, &place) < 0 || place.kind == PLACE_HOST)
            return r;
    }
    r = place.kind == PLACE_HOST ? host_took(path_pass(&job, place.path))
                                 : chdir_place(&job, &place);
    place_done(&place);
    return r;
}

/* The path of the place or, at the host, of what it links to may lead to a volume. */
static int start_on_volume(const char *directory)
{
    struct place place;
    int r = place_find(AT_FDCWD, directory, PLACE_FOLLOW | PLACE_LOOKS, true, &place);
    if (r < 0)
        return r;
    r = place.kind == PLACE_HOST ? -ENOENT : (int)chdir_place(NULL, &place);
    place_done(&place);
    return r;
}

int vfs_start_in(const char *directory, struct error *e)
{
    const struct mount *mount = fs_mount_of(directory, strlen(directory));
    int r = -ENOENT;
    if (!mount || mount->kind != MOUNT_VOLUME)
        r = (int)host_call(SYS_chdir, directory);
    if (r == -ENOENT && (g_fs.redirects || g_fs.shadowing))
        r = start_on_volume(directory);
    return r < 0 ? error_set(e, r, "cannot change to directory '%s'", directory) : 0;
}

int64_t sys_fchdir(struct syscall_call *c)
{
    struct file *f = fd_get((int)c->args[0]);
    if (!f || is_host_directory(f)) {
        if (f)
            file_put(f);
        return host_took(sys_pass(c));
    }
    struct place p = {.kind = PLACE_FILE, .file = f};
    struct inode_ref ref;
    int64_t r = place_inode(&p, &ref);
    r = r < 0 ? -ENOTDIR : enter(&ref);
    file_put(f);
    return r;
}

int64_t sys_getcwd(struct syscall_call *c)
{
    char path[PATH_MAX];
    struct volume_file *cwd = fs_cwd();
    if (!cwd)
        return sys_pass(c);
    int64_t n = volume_file_path(cwd, path, sizeof path);
    file_put(&cwd->file);
    if (n < 0)
        return n;
    if ((uint64_t)n + 1 > c->args[1])
        return -ERANGE;
    int r = guest_write(c->args[0], path, (size_t)n + 1);
    return r < 0 ? r : n + 1;
}

int64_t sys_umask(struct syscall_call *c)
{
    atomic_store(&process_self()->vfs_umask, (uint32_t)c->args[0] & 0777);
    return sys_pass(c);
}

/* setuid(2) and the rest of its family: the host keeps who we are, for its own files too. Volumes
 * go on with the rights they were opened with, so a process that owns some gives them to a volume
 * server first, as at a fork. */
int64_t sys_set_identity(struct syscall_call *c)
{
    int64_t r = vfs_fork_prepare();
    if (r < 0)
        return r;
    r = sys_pass(c);
    fs_creds_changed();
    return r;
}

int64_t sys_syncfs(struct syscall_call *c)
{
    struct file *f = fd_get((int)c->args[0]);
    struct volume_file *vf = volume_file_of(f);
    struct request rq = {.op = REQUEST_SYNC, .volume = vf ? vf->volume : 0};
    int64_t r;
    if (f && (atomic_load(&f->flags) & O_PATH))
        r = -EBADF;
    else
        r = vf ? fs_request(&rq) : sys_pass(c);
    if (f)
        file_put(f);
    return r;
}

int64_t sys_sync(struct syscall_call *c)
{
    for (unsigned i = 0; i < g_fs.mount_count; i++) {
        struct request rq = {.op = REQUEST_SYNC, .volume = g_fs.mounts[i].volume};
        if (g_fs.mounts[i].kind == MOUNT_VOLUME && !g_fs.mounts[i].read_only)
            (void)fs_request(&rq);
    }
    return sys_pass(c);
}

/* --- inotify --- */

static int64_t watch_place(struct path_job *job, struct place *p)
{
    char path[STAND_IN_PATH_MAX];
    struct inode_ref ref;
    int r = place_inode(p, &ref);
    if (r == -EROFS)
        return -ENOSPC; /* it never changes; this makes programs look themselves */
    if (r < 0)
        return r;
    if ((job->a & IN_ONLYDIR) && !S_ISDIR(ref.attr.mode))
        return -ENOTDIR;
    r = permission_check(&ref.attr, fs_creds(), PERMISSION_READ);
    if (r < 0)
        return r;
    struct watch_name what = watch_name_of_ref(&ref);
    r = watch_prepare(&what, path);
    return r < 0 ? r : host_call(SYS_inotify_add_watch, (int)job->c->args[0], path, job->a);
}

#define IN_KNOWN_BITS                                                                         \
    (IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | \
     IN_MASK_ADD | IN_MASK_CREATE | IN_ISDIR | IN_ONESHOT)

int64_t sys_inotify_add_watch(struct syscall_call *c)
{
    uint32_t mask = (uint32_t)c->args[2];
    const uint32_t both = IN_MASK_ADD | IN_MASK_CREATE;
    if ((mask & both) == both || !(mask & (IN_ALL_EVENTS | IN_KNOWN_BITS)))
        return -EINVAL;
    struct path_job job = {.c = c,
                           .dir_arg = NO_ARG,
                           .path_arg = 1,
                           .flags = mask & IN_DONT_FOLLOW ? 0 : PLACE_FOLLOW,
                           .a = mask};
    return path_run(&job, watch_place);
}
