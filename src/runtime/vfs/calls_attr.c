/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that change what a file's inode says: mode, owner, times, size. */
#include "platform/host.h"
#include "runtime/confine/landlock.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/handlers.h"
#include "runtime/vfs/host_directory.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/size_limit.h"
#include "runtime/vfs/volume_file.h"
#include "runtime/vfs/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <utime.h>

static int64_t set(const struct inode_ref *ref, unsigned mask, const struct volume_attr *attr)
{
    if (ref->mount->read_only)
        return -EROFS;
    struct request rq = {.op = REQUEST_SETATTR,
                         .volume = ref->volume,
                         .ino = ref->ino,
                         .mask = mask,
                         .creds = mask & VOLUME_ATTR_SIZE ? fs_writer() : NULL,
                         .attr = *attr};
    int64_t r = mask ? fs_request(&rq) : 0;
    if (r == 0 && mask && watch_any()) {
        struct watch_name what = watch_name_of_ref(ref);
        (mask & VOLUME_ATTR_SIZE ? watch_modified : watch_changed)(&what);
    }
    return r;
}

/* Runs `fn` on the file behind descriptor args[0], or gives the call to the host. */
typedef int64_t ref_fn(const struct inode_ref *ref, const void *arg);

/* Sockets and directories that are the host's. All else has a placeholder there, which is somebody
 * else's file: /dev/null. */
static bool host_has_it(const struct file *f)
{
    return is_host_directory(f) || !f->ops->stat;
}

static int64_t on_host_fd(struct syscall_call *c)
{
    if (fd_is_hidden((int)c->args[0]))
        return -EBADF;
    int r = place_may_change((int)c->args[0]);
    return r < 0 ? r : sys_pass(c);
}

static int64_t on_fd(struct syscall_call *c, ref_fn *fn, const void *arg)
{
    struct file *f = fd_get((int)c->args[0]);
    struct volume_file *vf = f ? volume_file_of(f) : NULL;
    bool path_only = f && (atomic_load(&f->flags) & O_PATH);
    int64_t r;
    if (!vf && (!f || host_has_it(f)))
        r = on_host_fd(c);
    else if (path_only)
        r = -EBADF;
    else if (!vf)
        r = -EROFS;
    else {
        struct place p = {.kind = PLACE_FILE, .file = f};
        struct inode_ref ref;
        r = place_inode(&p, &ref);
        if (r == 0)
            r = fn(&ref, arg);
    }
    file_put(f);
    return r;
}

struct ref_job {
    ref_fn *fn;
    const void *arg;
};

static int64_t ref_place(struct path_job *job, struct place *p)
{
    const struct ref_job *todo = job->more;
    struct inode_ref ref;
    int r = place_inode(p, &ref);
    return r < 0 ? r : todo->fn(&ref, todo->arg);
}

static int64_t on_path(struct syscall_call *c, int dir_arg, int path_arg, unsigned flags,
                       ref_fn *fn, const void *arg)
{
    struct ref_job todo = {fn, arg};
    struct path_job job = {.c = c,
                           .dir_arg = dir_arg,
                           .path_arg = path_arg,
                           .flags = flags,
                           .writes = true,
                           .more = &todo};
    return path_run(&job, ref_place);
}

static unsigned follow_unless(uint64_t flags)
{
    return (flags & AT_SYMLINK_NOFOLLOW ? 0 : PLACE_FOLLOW) |
           (flags & AT_EMPTY_PATH ? PLACE_EMPTY_PATH : 0);
}

static bool flags_are_known(uint64_t flags)
{
    return ((unsigned)flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) == 0;
}

/* --- chmod --- */

static int64_t chmod_ref(const struct inode_ref *ref, const void *arg)
{
    const struct creds *creds = fs_creds();
    int r = permission_own(&ref->attr, creds);
    if (r < 0)
        return r;
    if (S_ISLNK(ref->attr.mode))
        return -EOPNOTSUPP;
    struct volume_attr attr = ref->attr;
    attr.mode = (attr.mode & S_IFMT) | (*(const uint32_t *)arg & 07777);
    if (!permission_keeps_group_bit(attr.gid, creds))
        attr.mode &= (uint32_t)~S_ISGID;
    return set(ref, VOLUME_ATTR_MODE, &attr);
}

int64_t sys_chmod(struct syscall_call *c)
{
    uint32_t mode = (uint32_t)c->args[1];
    return on_path(c, NO_ARG, 0, PLACE_FOLLOW, chmod_ref, &mode);
}

int64_t sys_fchmod(struct syscall_call *c)
{
    uint32_t mode = (uint32_t)c->args[1];
    return on_fd(c, chmod_ref, &mode);
}

int64_t sys_fchmodat(struct syscall_call *c)
{
    uint32_t mode = (uint32_t)c->args[2];
    return on_path(c, 0, 1, PLACE_FOLLOW, chmod_ref, &mode);
}

int64_t sys_fchmodat2(struct syscall_call *c)
{
    uint32_t mode = (uint32_t)c->args[2];
    if (!flags_are_known(c->args[3]))
        return -EINVAL;
    return on_path(c, 0, 1, follow_unless(c->args[3]), chmod_ref, &mode);
}

/* --- chown --- */

struct chown_arg {
    uint32_t uid, gid;
};

static int64_t chown_ref(const struct inode_ref *ref, const void *arg)
{
    const struct chown_arg *want = arg;
    const struct creds *creds = fs_creds();
    struct volume_attr attr = ref->attr;
    unsigned mask = 0;
    bool keeps_uid = want->uid == UINT32_MAX || want->uid == attr.uid;
    bool own_gid =
        want->gid == UINT32_MAX || want->gid == attr.gid || permission_in_group(creds, want->gid);
    if (!(creds->powers & POWER_CHOWN) && !(creds->uid == attr.uid && keeps_uid && own_gid) &&
        !(want->uid == UINT32_MAX && want->gid == UINT32_MAX))
        return -EPERM;
    if (want->uid != UINT32_MAX) {
        attr.uid = want->uid;
        mask |= VOLUME_ATTR_UID;
    }
    if (want->gid != UINT32_MAX) {
        attr.gid = want->gid;
        mask |= VOLUME_ATTR_GID;
    }
    /* Rights that the old owner gave must not pass to the new one; even where nothing changes. */
    uint32_t lost = S_ISDIR(attr.mode) ? 0 : permission_bits_lost(&ref->attr, creds);
    if (lost) {
        attr.mode &= ~lost;
        mask |= VOLUME_ATTR_MODE;
    }
    return set(ref, mask, &attr);
}

int64_t sys_chown(struct syscall_call *c)
{
    struct chown_arg arg = {(uint32_t)c->args[1], (uint32_t)c->args[2]};
    return on_path(c, NO_ARG, 0, PLACE_FOLLOW, chown_ref, &arg);
}

int64_t sys_lchown(struct syscall_call *c)
{
    struct chown_arg arg = {(uint32_t)c->args[1], (uint32_t)c->args[2]};
    return on_path(c, NO_ARG, 0, 0, chown_ref, &arg);
}

int64_t sys_fchown(struct syscall_call *c)
{
    struct chown_arg arg = {(uint32_t)c->args[1], (uint32_t)c->args[2]};
    return on_fd(c, chown_ref, &arg);
}

int64_t sys_fchownat(struct syscall_call *c)
{
    struct chown_arg arg = {(uint32_t)c->args[2], (uint32_t)c->args[3]};
    if (!flags_are_known(c->args[4]))
        return -EINVAL;
    return on_path(c, 0, 1, follow_unless(c->args[4]), chown_ref, &arg);
}

/* --- times --- */

struct times_arg {
    bool both_now;
    struct timespec times[2]; /* tv_nsec may be UTIME_NOW or UTIME_OMIT */
};

static int64_t ns_of(const struct timespec *time)
{
    if (time->tv_nsec == UTIME_NOW)
        return host_realtime_ns();
    int64_t ns;
    if (__builtin_mul_overflow(time->tv_sec, 1000000000, &ns) ||
        __builtin_add_overflow(ns, time->tv_nsec, &ns))
        return time->tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

static int64_t times_ref(const struct inode_ref *ref, const void *arg)
{
    const struct times_arg *want = arg;
    int r = permission_own(&ref->attr, fs_creds());
    if (r < 0 && want->both_now)
        r = permission_check(&ref->attr, fs_creds(), PERMISSION_WRITE);
    if (r < 0)
        return r;
    struct volume_attr attr = ref->attr;
    unsigned mask = 0;
    if (want->times[0].tv_nsec != UTIME_OMIT) {
        attr.atime_ns = ns_of(&want->times[0]);
        mask |= VOLUME_ATTR_ATIME;
    }
    if (want->times[1].tv_nsec != UTIME_OMIT) {
        attr.mtime_ns = ns_of(&want->times[1]);
        mask |= VOLUME_ATTR_MTIME;
    }
    return set(ref, mask, &attr);
}

static const struct times_arg times_now = {
    .both_now = true, .times = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}}};

static bool is_good_time(const struct timespec *time)
{
    return time->tv_nsec == UTIME_NOW || time->tv_nsec == UTIME_OMIT ||
           (time->tv_nsec >= 0 && time->tv_nsec < 1000000000);
}

int64_t sys_utimensat(struct syscall_call *c)
{
    struct times_arg arg = times_now;
    if (c->args[2]) {
        int r = guest_read(arg.times, c->args[2], sizeof arg.times);
        if (r < 0)
            return r;
        if (!is_good_time(&arg.times[0]) || !is_good_time(&arg.times[1]))
            return -EINVAL;
        if (arg.times[0].tv_nsec == UTIME_OMIT && arg.times[1].tv_nsec == UTIME_OMIT)
            return 0; /* not even the path is looked at */
        arg.both_now = arg.times[0].tv_nsec == UTIME_NOW && arg.times[1].tv_nsec == UTIME_NOW;
    }
    if (!flags_are_known(c->args[3]) || (c->args[1] == 0 && (unsigned)c->args[3] != 0))
        return -EINVAL;
    if (c->args[1] == 0)
        return (int)c->args[0] == AT_FDCWD ? -EFAULT : on_fd(c, times_ref, &arg);
    return on_path(c, 0, 1, follow_unless(c->args[3]), times_ref, &arg);
}

static int64_t timevals(unsigned long from, struct times_arg *arg)
{
    struct timeval values[2];
    *arg = times_now;
    if (!from)
        return 0;
    int r = guest_read(values, from, sizeof values);
    if (r < 0)
        return r;
    for (int i = 0; i < 2; i++) {
        if (values[i].tv_usec < 0 || values[i].tv_usec >= 1000000)
            return -EINVAL;
        arg->times[i] = (struct timespec){values[i].tv_sec, values[i].tv_usec * 1000};
    }
    arg->both_now = false;
    return 0;
}

int64_t sys_utimes(struct syscall_call *c)
{
    struct times_arg arg;
    int64_t r = timevals(c->args[1], &arg);
    return r < 0 ? r : on_path(c, NO_ARG, 0, PLACE_FOLLOW, times_ref, &arg);
}

int64_t sys_futimesat(struct syscall_call *c)
{
    struct times_arg arg;
    int64_t r = timevals(c->args[2], &arg);
    if (r < 0)
        return r;
    if (c->args[1] == 0)
        return (int)c->args[0] == AT_FDCWD ? -EFAULT : on_fd(c, times_ref, &arg);
    return on_path(c, 0, 1, PLACE_FOLLOW, times_ref, &arg);
}

int64_t sys_utime(struct syscall_call *c)
{
    struct times_arg arg = times_now;
    if (c->args[1]) {
        struct utimbuf values;
        int r = guest_get(&values, c->args[1]);
        if (r < 0)
            return r;
        arg.both_now = false;
        arg.times[0] = (struct timespec){.tv_sec = values.actime};
        arg.times[1] = (struct timespec){.tv_sec = values.modtime};
    }
    return on_path(c, NO_ARG, 0, PLACE_FOLLOW, times_ref, &arg);
}

/* --- truncate --- */

static int64_t truncate_ref(const struct inode_ref *ref, const void *arg)
{
    if (!S_ISREG(ref->attr.mode))
        return S_ISDIR(ref->attr.mode) ? -EISDIR : -EINVAL;
    int r = permission_check(&ref->attr, fs_creds(), PERMISSION_WRITE);
    struct place place = {.kind = PLACE_VOLUME,
                          .mount = ref->mount,
                          .volume = ref->volume,
                          .dir = ref->dir,
                          .ino = ref->ino,
                          .attr = ref->attr};
    if (r == 0)
        r = landlock_check(&place, LANDLOCK_ACCESS_FS_TRUNCATE);
    if (r < 0)
        return r;
    struct volume_attr attr = ref->attr;
    attr.size = *(const uint64_t *)arg;
    if (attr.size > FS_FILE_SIZE_MAX)
        return -EFBIG;
    r = size_limit_check(ref->attr.size, attr.size);
    return r < 0 ? r : set(ref, VOLUME_ATTR_SIZE, &attr);
}

int64_t sys_truncate(struct syscall_call *c)
{
    uint64_t size = c->args[1];
    if ((int64_t)size < 0)
        return -EINVAL;
    return on_path(c, NO_ARG, 0, PLACE_FOLLOW, truncate_ref, &size);
}
