/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that make, remove and move names. */
#include "platform/host.h"
#include "runtime/confine/landlock.h"
#include "runtime/guest.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/handlers.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/volume_file.h"
#include "runtime/vfs/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

/* A new name needs a place on a volume where there is none yet. */
static int may_make(const struct place *p, struct volume_attr *ret_dir)
{
    if (p->kind != PLACE_VOLUME)
        return -EEXIST; /* files in memory and what stands in for the host's always exist */
    if (p->ino != 0 || p->last != WALK_LAST_NAME)
        return -EEXIST;
    return place_may_create(p, ret_dir);
}

static int64_t make(struct place *p, uint32_t mode, uint64_t rdev, struct slice target)
{
    struct volume_attr dir;
    int r = may_make(p, &dir);
    if (r == -EEXIST && p->kind == PLACE_DEVICE)
        r = -EACCES;
    if (r < 0)
        return r;
    if (p->trailing_slash && !S_ISDIR(mode))
        return -ENOENT;
    r = landlock_check_parent(p, landlock_make_right(mode));
    if (r < 0)
        return r;
    struct request rq = {.op = REQUEST_MAKE,
                         .volume = p->volume,
                         .dir = p->dir,
                         .in = place_name(p),
                         .in2 = target,
                         .attr = attr_for_new(mode, &dir)};
    rq.attr.rdev = rdev;
    int64_t made = fs_request(&rq);
    if (made == 0) {
        struct watch_name what = {p->volume, p->dir, rq.ino, p->name, S_ISDIR(mode)};
        watch_made(&what);
    }
    return made;
}

/* --- mkdir, mknod, symlink --- */

static int64_t mkdir_place(struct path_job *job, struct place *p)
{
    return make(p, S_IFDIR | (uint32_t)(job->a & 01777), 0, (struct slice){0});
}

int64_t sys_mkdir(struct syscall_call *c)
{
    struct path_job job = {
        .c = c, .dir_arg = NO_ARG, .a = c->args[1], .flags = PLACE_NAME, .writes = true};
    return path_run(&job, mkdir_place);
}

int64_t sys_mkdirat(struct syscall_call *c)
{
    struct path_job job = {
        .c = c, .path_arg = 1, .a = c->args[2], .flags = PLACE_NAME, .writes = true};
    return path_run(&job, mkdir_place);
}

static int64_t mknod_place(struct path_job *job, struct place *p)
{
    uint32_t mode = (uint32_t)job->a & (S_IFMT | 07777), type = mode & S_IFMT;
    if (type == 0)
        mode |= S_IFREG;
    else if (type == S_IFDIR)
        return -EPERM;
    else if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR &&
             type != S_IFBLK)
        return -EINVAL;
    if ((type == S_IFBLK || (type == S_IFCHR && job->b != 0)) && !fs_may(POWER_MKNOD))
        return -EPERM;
    return make(p, mode, type == S_IFCHR || type == S_IFBLK ? job->b : 0, (struct slice){0});
}

int64_t sys_mknod(struct syscall_call *c)
{
    struct path_job job = {.c = c,
                           .dir_arg = NO_ARG,
                           .a = c->args[1],
                           .b = (uint32_t)c->args[2],
                           .flags = PLACE_NAME,
                           .writes = true};
    return path_run(&job, mknod_place);
}

int64_t sys_mknodat(struct syscall_call *c)
{
    struct path_job job = {.c = c,
                           .path_arg = 1,
                           .a = c->args[2],
                           .b = (uint32_t)c->args[3],
                           .flags = PLACE_NAME,
                           .writes = true};
    return path_run(&job, mknod_place);
}

static int64_t symlink_place(struct path_job *job, struct place *p)
{
    const char *target = job->more;
    return make(p, S_IFLNK | 0777, 0, slice_of_text(target));
}

static int64_t do_symlink(struct syscall_call *c, int dir_arg, int path_arg)
{
    char target[PATH_MAX];
    int64_t r = path_copy(target, c->args[0]);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    struct path_job job = {.c = c,
                           .dir_arg = dir_arg,
                           .path_arg = path_arg,
                           .more = target,
                           .flags = PLACE_NAME,
                           .writes = true};
    return path_run(&job, symlink_place);
}

int64_t sys_symlink(struct syscall_call *c)
{
    return do_symlink(c, NO_ARG, 1);
}

int64_t sys_symlinkat(struct syscall_call *c)
{
    return do_symlink(c, 1, 2);
}

/* --- unlink, rmdir --- */

static int may_remove(const struct place *p)
{
    struct volume_attr dir;
    if (p->mount->read_only)
        return -EROFS;
    int r = (int)ref_getattr(p->volume, p->dir, &dir);
    if (r < 0)
        return r;
    return permission_remove(&dir, &p->attr, fs_creds());
}

static struct watch_name watch_name_at(const struct place *p)
{
    return (struct watch_name){p->volume, p->dir, p->ino, p->name, S_ISDIR(p->attr.mode)};
}

static int64_t removed(const struct place *p, int64_t r)
{
    struct watch_name what = watch_name_at(p);
    if (r == 0)
        watch_removed(&what, what.is_dir || p->attr.nlink == 1);
    if (r == 0 && p->attr.nlink == 1 && (S_ISFIFO(p->attr.mode) || S_ISSOCK(p->attr.mode)))
        node_removed(p->volume, p->ino, p->attr.mode);
    return r;
}

static int64_t unlink_place(struct path_job *job, struct place *p)
{
    (void)job;
    if (p->kind != PLACE_VOLUME)
        return p->kind == PLACE_SELF ? -EPERM : -EROFS;
    if (p->ino == 0)
        return -ENOENT;
    if (p->last != WALK_LAST_NAME || S_ISDIR(p->attr.mode))
        return -EISDIR;
    if (p->trailing_slash)
        return -ENOTDIR;
    int r = may_remove(p);
    if (r == 0)
        r = landlock_check_parent(p, LANDLOCK_ACCESS_FS_REMOVE_FILE);
    if (r < 0)
        return r;
    struct request rq = {
        .op = REQUEST_UNLINK, .volume = p->volume, .dir = p->dir, .in = place_name(p)};
    return removed(p, fs_request(&rq));
}

static int64_t rmdir_place(struct path_job *job, struct place *p)
{
    (void)job;
    if (p->kind != PLACE_VOLUME)
        return p->kind == PLACE_DEVICE && p->path[0] == '\0' ? -EBUSY : -ENOTDIR;
    if (p->ino == 0)
        return -ENOENT;
    if (p->last == WALK_LAST_DOT)
        return -EINVAL;
    if (p->last == WALK_LAST_DOTDOT)
        return -ENOTEMPTY;
    if (p->last == WALK_LAST_NONE)
        return -EBUSY; /* where a volume is mounted */
    if (!S_ISDIR(p->attr.mode))
        return -ENOTDIR;
    int r = may_remove(p);
    if (r == 0)
        r = landlock_check_parent(p, LANDLOCK_ACCESS_FS_REMOVE_DIR);
    if (r < 0)
        return r;
    struct request rq = {
        .op = REQUEST_RMDIR, .volume = p->volume, .dir = p->dir, .in = place_name(p)};
    return removed(p, fs_request(&rq));
}

int64_t sys_unlink(struct syscall_call *c)
{
    struct path_job job = {.c = c, .dir_arg = NO_ARG, .flags = PLACE_NAME, .writes = true};
    return path_run(&job, unlink_place);
}

int64_t sys_rmdir(struct syscall_call *c)
{
    struct path_job job = {.c = c, .dir_arg = NO_ARG, .flags = PLACE_NAME, .writes = true};
    return path_run(&job, rmdir_place);
}

int64_t sys_unlinkat(struct syscall_call *c)
{
    struct path_job job = {.c = c, .path_arg = 1, .flags = PLACE_NAME, .writes = true};
    if (c->args[2] & ~(uint64_t)AT_REMOVEDIR)
        return -EINVAL;
    return path_run(&job, c->args[2] & AT_REMOVEDIR ? rmdir_place : unlink_place);
}

/* --- two paths: rename, link --- */

struct two_paths {
    struct syscall_call *c;
    struct path_job from_job, to_job;
    char from_path[PATH_MAX], to_path[PATH_MAX];
    struct place from, to;
};

typedef int64_t two_places_fn(struct two_paths *t, uint64_t flags);

static int find_both(struct two_paths *t, bool careful)
{
    int r = path_find(&t->from_job, t->from_path, careful, &t->from);
    if (r < 0)
        return r;
    r = path_find(&t->to_job, t->to_path, careful, &t->to);
    if (r < 0)
        place_done(&t->from);
    return r;
}

static void done_both(struct two_paths *t)
{
    place_done(&t->from);
    place_done(&t->to);
}

static int64_t pass_both(struct two_paths *t)
{
    struct syscall_call call = *t->c;
    struct path_job *jobs[2] = {&t->from_job, &t->to_job};
    struct place *places[2] = {&t->from, &t->to};
    for (int i = 0; i < 2; i++) {
        if (places[i]->as_given)
            continue;
        if (places[i]->mount && places[i]->mount->read_only)
            return fs_refuse_write(places[i]->path, places[i]->mount);
        if (fs_holds_mount(places[i]->path)) /* what a rule is about would have another name */
            return -EBUSY;
        call.args[jobs[i]->path_arg] = (unsigned long)places[i]->path;
        if (jobs[i]->dir_arg != NO_ARG)
            call.args[jobs[i]->dir_arg] = (unsigned long)AT_FDCWD;
    }
    return sys_pass(&call);
}

/* The host, which would say so, is not asked where the other path is ours. */
static bool has_bad_directory(const struct path_job *job, const struct place *place)
{
    int fd = job->dir_arg == NO_ARG ? AT_FDCWD : (int)job->c->args[job->dir_arg];
    return place->kind == PLACE_HOST && place->as_given && fd != AT_FDCWD &&
           host_call(SYS_fcntl, fd, F_GETFD) < 0;
}

static bool ends_in_dots(const char *path)
{
    size_t size = strlen(path);
    while (size > 0 && path[size - 1] == '/')
        size--;
    size_t dots = 0;
    while (dots < size && path[size - 1 - dots] == '.')
        dots++;
    return (dots == 1 || dots == 2) && (dots == size || path[size - 1 - dots] == '/');
}

static int64_t act_on_both(struct two_paths *t, two_places_fn *ours, uint64_t flags)
{
    bool from_host = t->from.kind == PLACE_HOST, to_host = t->to.kind == PLACE_HOST;
    if (from_host && to_host)
        return pass_both(t);
    if (!from_host && !to_host)
        return ours(t, flags);
    if (has_bad_directory(&t->from_job, &t->from) || has_bad_directory(&t->to_job, &t->to))
        return -EBADF;
    return ends_in_dots(t->from_path) || ends_in_dots(t->to_path) ? -EBUSY : -EXDEV;
}

static int64_t run_both(struct two_paths *t, two_places_fn *ours, uint64_t flags)
{
    int64_t r = path_copy(t->from_path, t->c->args[t->from_job.path_arg]);
    if (r >= 0)
        r = path_copy(t->to_path, t->c->args[t->to_job.path_arg]);
    if (r >= 0)
        r = find_both(t, false);
    if (r < 0)
        return r;
    bool as_given = t->from.as_given || t->to.as_given;
    r = act_on_both(t, ours, flags);
    done_both(t);
    bool lost = r == -ENOENT || r == -EXDEV;
    if (!as_given || !lost ||
        (!path_may_lead_to_us(&t->from_job, t->from_path) &&
         !path_may_lead_to_us(&t->to_job, t->to_path)))
        return r;
    if (find_both(t, true) < 0)
        return r;
    r = act_on_both(t, ours, flags);
    done_both(t);
    return r;
}

static int check_renamed(const struct place *from, const struct place *to, uint64_t flags)
{
    if (from->last != WALK_LAST_NAME || to->last != WALK_LAST_NAME)
        return -EBUSY;
    if (from->ino == 0)
        return -ENOENT;
    if ((flags & RENAME_NOREPLACE) && to->ino != 0)
        return -EEXIST;
    if ((flags & RENAME_EXCHANGE) && to->ino == 0)
        return -ENOENT;
    if ((from->trailing_slash || to->trailing_slash) && !S_ISDIR(from->attr.mode))
        return -ENOTDIR;
    if (from->mount->read_only || to->mount->read_only)
        return -EROFS;
    bool onto_parent = to->ino != 0 && to->ino == from->dir;
    return onto_parent && !(flags & RENAME_EXCHANGE) ? -ENOTEMPTY : 0;
}

static int check_rename_permission(const struct place *from, const struct place *to)
{
    const struct creds *creds = fs_creds();
    if (!(~creds->powers & (POWER_OVERRIDE | POWER_OWNER)))
        return 0;
    struct volume_attr from_dir, to_dir;
    int r = (int)ref_getattr(from->volume, from->dir, &from_dir);
    if (r == 0)
        r = (int)ref_getattr(to->volume, to->dir, &to_dir);
    if (r == 0)
        r = permission_remove(&from_dir, &from->attr, creds);
    if (r == 0 && to->ino != 0)
        r = permission_remove(&to_dir, &to->attr, creds);
    else if (r == 0)
        r = permission_check(&to_dir, creds, PERMISSION_WRITE | PERMISSION_EXECUTE);
    /* Moving a directory rewrites its "..". */
    if (r == 0 && S_ISDIR(from->attr.mode) && from->dir != to->dir)
        r = permission_check(&from->attr, creds, PERMISSION_WRITE);
    return r;
}

/* What was replaced goes without a word of its own, as on Linux. */
static void tell_watchers(const struct place *from, const struct place *to, uint64_t flags)
{
    struct watch_name old = watch_name_at(from), new = watch_name_at(to), target = new;
    if (!watch_any())
        return;
    new.ino = from->ino;
    new.is_dir = old.is_dir;
    if (flags & RENAME_EXCHANGE) {
        watch_exchanged(&old, &target);
        return;
    }
    watch_moved(&old, &new);
    if (to->ino != 0 && (target.is_dir || to->attr.nlink == 1)) {
        target.dir = 0;
        watch_removed(&target, true);
    }
}

static struct landlock_name name_of(const struct place *p)
{
    return (struct landlock_name){p->mount, p->volume, p->attr.mode, p->dir, p->ino};
}

static int64_t rename_places(struct two_paths *t, uint64_t flags)
{
    const struct place *from = &t->from, *to = &t->to;
    if (from->kind != PLACE_VOLUME || to->kind != PLACE_VOLUME)
        return from->kind == to->kind ? -EROFS : -EXDEV;
    if (from->volume != to->volume)
        return -EXDEV;
    int r = check_renamed(from, to, flags);
    if (r == 0)
        r = from->ino == to->ino ? 1 : check_rename_permission(from, to);
    struct landlock_name old = name_of(from), new = name_of(to);
    if (r == 0)
        r = landlock_check_move(&old, &new, false, flags & RENAME_EXCHANGE);
    if (r != 0)
        return r < 0 ? r : 0; /* two names of one file both stay */
    struct request rq = {.op = REQUEST_RENAME,
                         .volume = from->volume,
                         .dir = from->dir,
                         .in = place_name(from),
                         .more = to->dir,
                         .in2 = place_name(to),
                         .flags = (uint32_t)flags};
    int64_t done = fs_request(&rq);
    if (done == 0)
        volume_file_moved(from->volume, from->ino, from->dir, to->dir, place_name(to));
    if (done == 0 && from->ino != to->ino)
        tell_watchers(from, to, flags);
    if (done == 0 && (flags & RENAME_EXCHANGE))
        volume_file_moved(from->volume, to->ino, to->dir, from->dir, place_name(from));
    return done;
}

static int64_t do_rename(struct syscall_call *c, bool at, uint64_t flags)
{
    struct two_paths t;
    if (flags & ~(uint64_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT) ||
        ((flags & RENAME_EXCHANGE) && flags != RENAME_EXCHANGE))
        return -EINVAL;
    t.c = c;
    t.from_job = (struct path_job){.c = c, .dir_arg = at ? 0 : NO_ARG, .path_arg = at ? 1 : 0};
    t.to_job = (struct path_job){.c = c, .dir_arg = at ? 2 : NO_ARG, .path_arg = at ? 3 : 1};
    t.from_job.flags = t.to_job.flags = PLACE_NAME;
    return run_both(&t, rename_places, flags);
}

int64_t sys_rename(struct syscall_call *c)
{
    return do_rename(c, false, 0);
}

int64_t sys_renameat(struct syscall_call *c)
{
    return do_rename(c, true, 0);
}

int64_t sys_renameat2(struct syscall_call *c)
{
    return do_rename(c, true, (uint32_t)c->args[4]);
}

/* What has lost its last name gets none again, unless it never had one. */
static bool may_be_linked(const struct place *from, const struct inode_ref *ref)
{
    struct volume_file *vf = from->kind == PLACE_FILE ? volume_file_of(from->file) : NULL;
    return ref->attr.nlink > 0 || (vf && vf->linkable);
}

static int64_t link_places(struct two_paths *t, uint64_t flags)
{
    struct inode_ref ref;
    (void)flags;
    if (t->to.kind != PLACE_VOLUME)
        return -EEXIST;
    int r = place_inode(&t->from, &ref);
    if (r < 0)
        return r == -EROFS ? -EXDEV : r;
    if (ref.volume != t->to.volume)
        return -EXDEV;
    if (!may_be_linked(&t->from, &ref))
        return -ENOENT;
    if (S_ISDIR(ref.attr.mode))
        return -EPERM;
    if (t->to.trailing_slash)
        return -ENOENT;
    r = t->to.ino == 0 ? permission_link(&ref.attr, fs_creds()) : 0;
    struct volume_attr dir;
    if (r == 0)
        r = may_make(&t->to, &dir);
    struct landlock_name old = {ref.mount, ref.volume, ref.attr.mode, ref.dir, ref.ino};
    struct landlock_name new = name_of(&t->to);
    if (r == 0)
        r = landlock_check_move(&old, &new, true, false);
    if (r < 0)
        return r;
    struct request rq = {.op = REQUEST_LINK,
                         .volume = ref.volume,
                         .ino = ref.ino,
                         .dir = t->to.dir,
                         .in = place_name(&t->to)};
    int64_t done = fs_request(&rq);
    struct watch_name what = {ref.volume, t->to.dir, ref.ino, t->to.name, false};
    if (done == 0)
        watch_made(&what);
    return done;
}

static int64_t do_link(struct syscall_call *c, bool at, uint64_t flags)
{
    struct two_paths t;
    if (flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    t.c = c;
    t.from_job = (struct path_job){.c = c, .dir_arg = at ? 0 : NO_ARG, .path_arg = at ? 1 : 0};
    t.from_job.flags = (flags & AT_SYMLINK_FOLLOW ? PLACE_FOLLOW : 0) |
                       (flags & AT_EMPTY_PATH ? PLACE_EMPTY_PATH : 0);
    t.to_job = (struct path_job){.c = c, .dir_arg = at ? 2 : NO_ARG, .path_arg = at ? 3 : 1};
    t.to_job.flags = PLACE_NAME;
    return run_both(&t, link_places, 0);
}

int64_t sys_link(struct syscall_call *c)
{
    return do_link(c, false, 0);
}

int64_t sys_linkat(struct syscall_call *c)
{
    return do_link(c, true, c->args[4]);
}
