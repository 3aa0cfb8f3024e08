/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is: stat(2), access(2), readlink(2), statfs(2) and their kin. */
#include "platform/host.h"
#include "runtime/guest.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/device.h"
#include "runtime/vfs/handlers.h"
#include "runtime/vfs/host_directory.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/special.h"
#include "runtime/vfs/static_file.h"
#include "runtime/vfs/volume_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static int64_t statx_of(struct place *p, struct statx *ret_stat)
{
    switch (p->kind) {
    case PLACE_VOLUME:
        if (p->ino == 0)
            return -ENOENT;
        volume_file_statx(p->volume, &p->attr, ret_stat);
        return 0;
    case PLACE_STATIC:
        return static_file_statx(p->mount, ret_stat);
    case PLACE_SPECIAL:
        special_statx((enum special_kind)p->mount->volume, ret_stat);
        return 0;
    case PLACE_DEVICE:
        return device_statx(p->path, ret_stat);
    case PLACE_FILE:
        return p->file->ops->stat ? p->file->ops->stat(p->file, ret_stat) : -EOPNOTSUPP;
    default:
        return proc_statx(p, ret_stat);
    }
}

static int64_t stat_place(struct path_job *job, struct place *p)
{
    struct statx stat;
    int64_t r = statx_of(p, &stat);
    if (r == -EOPNOTSUPP && p->kind == PLACE_FILE)
        return sys_pass(job->c); /* a socket: what the host says of the descriptor */
    if (r < 0)
        return r;
    return job->b ? guest_put(job->a, &stat) : guest_put_stat(job->a, &stat);
}

static unsigned at_flags(uint64_t flags)
{
    return PLACE_LOOKS | (flags & AT_SYMLINK_NOFOLLOW ? 0 : PLACE_FOLLOW) |
           (flags & AT_EMPTY_PATH ? PLACE_EMPTY_PATH : 0);
}

int64_t sys_stat(struct syscall_call *c)
{
    struct path_job job = {
        .c = c, .dir_arg = NO_ARG, .flags = PLACE_FOLLOW | PLACE_LOOKS, .a = c->args[1]};
    return path_run(&job, stat_place);
}

int64_t sys_lstat(struct syscall_call *c)
{
    struct path_job job = {.c = c, .dir_arg = NO_ARG, .flags = PLACE_LOOKS, .a = c->args[1]};
    return path_run(&job, stat_place);
}

#define STAT_FLAGS \
    ((unsigned)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))

int64_t sys_newfstatat(struct syscall_call *c)
{
    if ((unsigned)c->args[3] & ~STAT_FLAGS)
        return -EINVAL;
    struct path_job job = {
        .c = c, .path_arg = 1, .flags = at_flags(c->args[3]) | PLACE_NULL_PATH, .a = c->args[2]};
    return path_run(&job, stat_place);
}

int64_t sys_statx(struct syscall_call *c)
{
    unsigned flags = (unsigned)c->args[2], mask = (unsigned)c->args[3];
    if ((flags & ~STAT_FLAGS) || (mask & STATX__RESERVED) ||
        (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
        return -EINVAL;
    struct path_job job = {
        .c = c, .path_arg = 1, .flags = at_flags(flags) | PLACE_NULL_PATH, .a = c->args[4], .b = 1};
    return path_run(&job, stat_place);
}

/* --- access --- */

static int64_t access_place(struct path_job *job, struct place *p)
{
    struct statx stat;
    int64_t r = statx_of(p, &stat);
    if (r < 0)
        return r;
    unsigned wanted = (unsigned)job->a & 7;
    if ((wanted & PERMISSION_WRITE) && !S_ISCHR(stat.stx_mode) &&
        (p->kind == PLACE_STATIC || (p->mount && p->mount->read_only)))
        return -EROFS;
    struct volume_attr attr = {.mode = stat.stx_mode, .uid = stat.stx_uid, .gid = stat.stx_gid};
    return wanted ? permission_check(&attr, fs_creds(), wanted) : 0;
}

/* The way there too is walked as who the thread really is. */
static int64_t access_really(struct path_job *job)
{
    struct creds *creds = &job->c->thread->creds, kept = *creds;
    creds->uid = creds->real_uid;
    creds->gid = creds->real_gid;
    creds->powers = creds->real_powers;
    int64_t r = path_run(job, access_place);
    *creds = kept;
    return r;
}

static int64_t do_access(struct syscall_call *c, int dir_arg, int path_arg, uint64_t mode,
                         uint64_t flags)
{
    if (mode & ~(uint64_t)7)
        return -EINVAL;
    struct path_job job = {
        .c = c, .dir_arg = dir_arg, .path_arg = path_arg, .flags = at_flags(flags), .a = mode};
    return flags & AT_EACCESS ? path_run(&job, access_place) : access_really(&job);
}

int64_t sys_access(struct syscall_call *c)
{
    return do_access(c, NO_ARG, 0, c->args[1], 0);
}

int64_t sys_faccessat(struct syscall_call *c)
{
    return do_access(c, 0, 1, c->args[2], 0);
}

int64_t sys_faccessat2(struct syscall_call *c)
{
    if (c->args[3] & ~(uint64_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    return do_access(c, 0, 1, c->args[2], c->args[3]);
}

/* --- readlink --- */

static int64_t link_text(struct place *p, char *text, size_t size)
{
    struct inode_ref ref;
    if (p->kind == PLACE_SELF)
        return proc_readlink(p, text, size);
    if (p->kind == PLACE_STATIC || p->kind == PLACE_DEVICE || p->kind == PLACE_SPECIAL)
        return -EINVAL;
    int r = place_inode(p, &ref);
    if (r < 0)
        return r;
    if (!S_ISLNK(ref.attr.mode))
        return p->kind == PLACE_FILE ? -ENOENT : -EINVAL;
    struct request rq = {.op = REQUEST_READLINK,
                         .volume = ref.volume,
                         .ino = ref.ino,
                         .out = text,
                         .out_size = size};
    return fs_request(&rq);
}

static int64_t readlink_place(struct path_job *job, struct place *p)
{
    char text[PATH_MAX];
    int64_t n = link_text(p, text, sizeof text);
    if (n < 0)
        return n;
    size_t size = (size_t)MIN((uint64_t)n, job->b);
    int r = guest_write(job->a, text, size);
    return r < 0 ? r : (int64_t)size;
}

static int64_t do_readlink(struct syscall_call *c, int dir_arg, int path_arg, unsigned flags)
{
    struct path_job job = {.c = c,
                           .dir_arg = dir_arg,
                           .path_arg = path_arg,
                           .flags = flags | PLACE_LOOKS,
                           .a = c->args[path_arg + 1],
                           .b = c->args[path_arg + 2]};
    if ((int)job.b <= 0)
        return -EINVAL;
    return path_run(&job, readlink_place);
}

int64_t sys_readlink(struct syscall_call *c)
{
    return do_readlink(c, NO_ARG, 0, 0);
}

int64_t sys_readlinkat(struct syscall_call *c)
{
    return do_readlink(c, 0, 1, PLACE_EMPTY_PATH);
}

/* --- statfs --- */

#define ST_VALID_KERNEL 0x20 /* f_flags says something */

static int64_t put_statfs(unsigned long to, uint32_t volume, bool read_only)
{
    struct volume_stats stats = {0};
    struct request rq = {
        .op = REQUEST_STATFS, .volume = volume, .out = &stats, .out_size = sizeof stats};
    int64_t r = fs_request(&rq);
    if (r < 0)
        return r;
    struct statfs st = {
        .f_type = EXT4_SUPER_MAGIC, /* "a local file system" to programs that ask */
        .f_bsize = 4096,
        .f_frsize = 4096,
        .f_blocks = stats.size_total / 4096,
        .f_bfree = stats.size_free / 4096,
        .f_bavail = stats.size_free / 4096,
        .f_files = stats.inode_count + stats.size_free / 4096,
        .f_ffree = stats.size_free / 4096,
        .f_namelen = VOLUME_NAME_MAX,
        .f_flags = ST_VALID_KERNEL | ST_NOATIME | (read_only ? ST_RDONLY : 0),
    };
    st.f_fsid.__val[0] = (int)volume + 1;
    return guest_put(to, &st);
}

/* Of a file that the runtime holds in memory. */
static int64_t put_statfs_of_memory(unsigned long to)
{
    struct statfs st = {.f_type = TMPFS_MAGIC,
                        .f_bsize = 4096,
                        .f_frsize = 4096,
                        .f_namelen = VOLUME_NAME_MAX,
                        .f_flags = ST_VALID_KERNEL | ST_RDONLY};
    return guest_put(to, &st);
}

static int64_t statfs_place(struct path_job *job, struct place *p)
{
    struct inode_ref ref;
    if (p->kind == PLACE_STATIC || p->kind == PLACE_DEVICE || p->kind == PLACE_SPECIAL ||
        (p->kind == PLACE_FILE && !volume_file_of(p->file)))
        return put_statfs_of_memory(job->a);
    int r = place_inode(p, &ref);
    return r < 0 ? r : put_statfs(job->a, ref.volume, ref.mount->read_only);
}

int64_t sys_statfs(struct syscall_call *c)
{
    struct path_job job = {
        .c = c, .dir_arg = NO_ARG, .flags = PLACE_FOLLOW | PLACE_LOOKS, .a = c->args[1]};
    return path_run(&job, statfs_place);
}

int64_t sys_fstatfs(struct syscall_call *c)
{
    struct file *f = fd_get((int)c->args[0]);
    if (!f)
        return sys_pass(c);
    struct volume_file *vf = volume_file_of(f);
    int64_t r;
    if (vf)
        r = put_statfs(c->args[1], vf->volume, vf->mount->read_only);
    else
        r = f->ops->stat && !is_host_directory(f) ? put_statfs_of_memory(c->args[1]) : sys_pass(c);
    file_put(f);
    return r;
}
