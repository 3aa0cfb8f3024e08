/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/calls.h"

#include "platform/host.h"
#include "runtime/confine/landlock.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/vfs/host_directory.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/volume_file.h"
#include "runtime/vfs/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

int64_t path_copy(char path[PATH_MAX], unsigned long from)
{
    return guest_text(path, from, PATH_MAX);
}

static int dir_fd_of(const struct path_job *job)
{
    return job->dir_arg == NO_ARG ? AT_FDCWD : (int)job->c->args[job->dir_arg];
}

int path_find(const struct path_job *job, const char *path, bool careful, struct place *ret_place)
{
    unsigned flags = job->flags | (job->writes ? PLACE_WRITES : 0);
    if (path[0] != '/' && fd_is_hidden(dir_fd_of(job))) /* the runtime's own */
        return -EBADF;
    int r = job->flags & PLACE_SCOPED ? 0 : proc_find(path, flags, ret_place);
    if (r > 0 && (job->flags & (PLACE_NO_XDEV | PLACE_NO_SYMLINKS | PLACE_NO_MAGICLINKS))) {
        place_done(ret_place); /* /proc is a mount, and all that is found there so is a link */
        return job->flags & PLACE_NO_XDEV ? -EXDEV : -ELOOP;
    }
    if (r != 0)
        return r < 0 ? r : 0;
    return place_find(dir_fd_of(job), path, flags, careful, ret_place);
}

int64_t path_pass(const struct path_job *job, const char *path)
{
    struct syscall_call call = *job->c;
    /* The walk is done, and `path` has no links: whoever adds one now must not be followed. */
    if (job->how && job->how->resolve != 0)
        job->how->resolve = job->flags & PLACE_FOLLOW ? RESOLVE_NO_SYMLINKS : RESOLVE_NO_MAGICLINKS;
    call.args[job->path_arg] = (unsigned long)path;
    if (job->dir_arg != NO_ARG)
        call.args[job->dir_arg] = (unsigned long)AT_FDCWD;
    return sys_pass(&call);
}

/* A relative path may pass a mount point that the host lacks; an absolute one only through a link,
 * which one call can tell. */
bool path_may_lead_to_us(const struct path_job *job, const char *path)
{
    if (!g_fs.redirects)
        return false;
    if (path[0] != '/')
        return true;
    (void)job;
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    long r = host_call(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (r >= 0)
        host_close((int)r);
    return r == -ELOOP;
}

/* What the host lets through for the runtime's sake is judged here. */
static int check_lent(const char *path, int flags)
{
    struct statx stat = {0};
    char target[PATH_MAX];
    long n = host_call(SYS_readlink, path, target, sizeof target - 1);
    if (n > 0 && n < (long)sizeof target) { /* of /proc, to an open file: the host judges that */
        target[n] = '\0';
        path = target;
    }
    if (!landlock_is_lent(path) || host_call(SYS_statx, AT_FDCWD, path, 0, STATX_TYPE, &stat) < 0)
        return 0;
    return landlock_check_host(path, landlock_open_rights(stat.stx_mode, flags));
}

static int64_t act(struct path_job *job, struct place *place, place_fn *ours)
{
    if (job->writes && place->mount && place->mount->read_only)
        return fs_refuse_write(place->kind == PLACE_HOST ? place->path : place->mount->prefix,
                               place->mount);
    if (place->kind != PLACE_HOST)
        return ours(job, place);
    int r = job->opens && landlock_is_on() ? check_lent(place->path, (int)job->a) : 0;
    return r < 0 ? r : path_pass(job, place->path);
}

int64_t path_run(struct path_job *job, place_fn *ours)
{
    char path[PATH_MAX];
    struct place place;
    unsigned long from = job->c->args[job->path_arg];
    int64_t r = 0;
    path[0] = '\0';
    if (from != 0 || !(job->flags & PLACE_NULL_PATH) || !(job->flags & PLACE_EMPTY_PATH))
        r = path_copy(path, from);
    if (r < 0)
        return r;
    job->names_descriptors = names_descriptors(path);
    r = path_find(job, path, job->opens && landlock_is_on(), &place);
    if (r < 0)
        return r;
    if (place.kind == PLACE_HOST && place.as_given) {
        r = sys_pass(job->c);
        if (r != -ENOENT || !path_may_lead_to_us(job, path))
            return r;
        int found = path_find(job, path, true, &place);
        if (found < 0 || place.kind == PLACE_HOST)
            return r;
    }
    r = act(job, &place, ours);
    place_done(&place);
    return r;
}

int64_t ref_getattr(uint32_t volume, uint64_t ino, struct volume_attr *ret_attr)
{
    struct request rq = {.op = REQUEST_GETATTR, .volume = volume, .ino = ino};
    int64_t r = fs_request(&rq);
    if (r == 0)
        *ret_attr = rq.attr;
    return r;
}

int place_inode(struct place *place, struct inode_ref *ret_ref)
{
    if (place->kind == PLACE_VOLUME) {
        if (place->ino == 0)
            return -ENOENT;
        *ret_ref = (struct inode_ref){place->mount, place->volume, place->ino,
                                      place->attr,  place->dir,    place->name};
        return 0;
    }
    struct volume_file *vf = place->kind == PLACE_FILE ? volume_file_of(place->file) : NULL;
    if (!vf)
        return -EROFS;
    *ret_ref = (struct inode_ref){
        .mount = vf->mount, .volume = vf->volume, .ino = vf->ino, .dir = vf->dir, .name = vf->name};
    return (int)ref_getattr(vf->volume, vf->ino, &ret_ref->attr);
}

struct watch_name watch_name_of_ref(const struct inode_ref *ref)
{
    return (struct watch_name){ref->volume, ref->dir, ref->ino, ref->name ? ref->name : "",
                               S_ISDIR(ref->attr.mode)};
}

int place_may_create(const struct place *place, struct volume_attr *ret_dir)
{
    if (place->mount->read_only)
        return -EROFS;
    int r = (int)ref_getattr(place->volume, place->dir, ret_dir);
    if (r < 0)
        return r;
    return permission_check(ret_dir, fs_creds(), PERMISSION_WRITE | PERMISSION_EXECUTE);
}

struct volume_attr attr_for_new(uint32_t mode, const struct volume_attr *dir)
{
    const struct creds *creds = fs_creds();
    struct volume_attr attr = {.mode = mode, .uid = creds->uid, .gid = creds->gid};
    if (dir->mode & S_ISGID) {
        const uint32_t as_group = S_ISGID | S_IXGRP;
        attr.gid = dir->gid;
        if (S_ISDIR(mode))
            attr.mode |= S_ISGID;
        else if ((mode & as_group) == as_group && !permission_keeps_group_bit(dir->gid, creds))
            attr.mode &= ~(uint32_t)S_ISGID;
    }
    if (!S_ISLNK(mode))
        attr.mode &= ~fs_umask();
    return attr;
}

int64_t install(struct file *f, int flags)
{
    return fd_install(f, flags & O_CLOEXEC ? FD_CLOEXEC : 0);
}
