/* SPDX-License-Identifier: Apache-2.0 */
/* open(2) and its kin. */
#include "runtime/confine/landlock.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/device.h"
#include "runtime/vfs/handlers.h"
#include "runtime/vfs/host_directory.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/special.h"
#include "runtime/vfs/static_file.h"
#include "runtime/vfs/volume_file.h"
#include "runtime/vfs/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#define O_LARGEFILE_KERNEL 0100000 /* what O_LARGEFILE is to the kernel; 0 to us */
#define NOT_KEPT (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)
#define CREATE_RETRIES 16
#define O_TMPFILE_BIT ((uint64_t)(O_TMPFILE & ~O_DIRECTORY))
#define FLAGS_OF_PATH ((uint64_t)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
#define FLAGS_VALID                                                                         \
    (FLAGS_OF_PATH |                                                                        \
     (uint64_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | \
                O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT | O_NOATIME | O_LARGEFILE_KERNEL) |   \
     O_TMPFILE_BIT)
#define HOW_SIZE_MAX 4096

static unsigned wanted_access(int flags)
{
    switch (flags & O_ACCMODE) {
    case O_RDONLY:
        return PERMISSION_READ;
    case O_WRONLY:
        return PERMISSION_WRITE;
    default:
        return PERMISSION_READ | PERMISSION_WRITE;
    }
}

static bool wants_write(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static int check_kind(uint32_t mode, int flags)
{
    if ((flags & O_DIRECTORY) && !S_ISDIR(mode))
        return -ENOTDIR;
    if (flags & O_PATH)
        return 0;
    if (S_ISLNK(mode))
        return -ELOOP;
    if (S_ISDIR(mode))
        return wants_write(flags) || (flags & O_CREAT) ? -EISDIR : 0;
    if (S_ISCHR(mode) || S_ISBLK(mode))
        return -EACCES; /* as on a file system mounted with nodev */
    return S_ISSOCK(mode) ? -ENXIO : 0;
}

static int check_permission(const struct mount *mount, const struct volume_attr *attr, int flags)
{
    if (flags & O_PATH)
        return 0;
    if (wants_write(flags) && mount->read_only)
        return -EROFS;
    unsigned wanted = wanted_access(flags) | (flags & O_TRUNC ? PERMISSION_WRITE : 0);
    int r = permission_check(attr, fs_creds(), wanted);
    return r == 0 && (flags & O_NOATIME) ? permission_own(attr, fs_creds()) : r;
}

/* Whether ftruncate() on it will be refused, which is settled when it is opened. */
static bool landlock_denies_cut(const struct inode_ref *ref, struct volume_file *vf)
{
    struct place place = {.kind = PLACE_VOLUME,
                          .mount = ref->mount,
                          .volume = ref->volume,
                          .dir = vf->dir,
                          .ino = ref->ino,
                          .attr = ref->attr};
    return landlock_check(&place, LANDLOCK_ACCESS_FS_TRUNCATE) < 0;
}

static int64_t finish(const struct mount *mount, const struct inode_ref *ref, int flags,
                      uint64_t dir, struct slice name)
{
    struct volume_file *vf;
    int kept = (flags & ~NOT_KEPT) | O_LARGEFILE_KERNEL;
    if (flags & O_PATH)
        kept = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
    int r = volume_file_open(mount, ref->volume, ref->ino, ref->attr.mode, kept, dir, name, &vf);
    if (r < 0)
        return r;
    if ((flags & O_TRUNC) && !(flags & O_PATH)) {
        int64_t cut = fd_is_full() ? -EMFILE : vf->file.ops->truncate(&vf->file, 0);
        /* O_RDONLY | O_TRUNC truncates as well on Linux; the descriptor itself could not. */
        if (cut == -EINVAL) {
            struct request rq = {.op = REQUEST_SETATTR,
                                 .volume = ref->volume,
                                 .ino = ref->ino,
                                 .mask = VOLUME_ATTR_SIZE,
                                 .creds = fs_writer()};
            cut = fs_request(&rq);
        }
        if (cut < 0) {
            file_put(&vf->file);
            return cut;
        }
    }
    struct watch_name what = watch_name_of(vf);
    char named[VOLUME_NAME_MAX + 1]; /* another thread may close the file at once */
    memcpy(named, vf->name, (size_t)vf->name_size + 1);
    what.name = named;
    vf->uncut = landlock_is_on() && landlock_denies_cut(ref, vf);
    int64_t fd = install(&vf->file, flags);
    if (fd >= 0)
        watch_opened(&what, (int)fd, flags);
    return fd;
}

static int64_t open_inode(struct place *p, struct inode_ref *ref, int flags, uint64_t dir,
                          struct slice name)
{
    int r = check_kind(ref->attr.mode, flags);
    if (r == 0)
        r = check_permission(ref->mount, &ref->attr, flags);
    if (r == 0)
        r = landlock_check(p, landlock_open_rights(ref->attr.mode, flags));
    if (r == 0 && S_ISFIFO(ref->attr.mode) && !(flags & O_PATH))
        return fifo_open(ref, flags);
    return r < 0 ? r : finish(ref->mount, ref, flags, dir, name);
}

static int64_t open_unnamed(struct place *p, int flags, uint32_t mode)
{
    if (p->ino == 0 || !S_ISDIR(p->attr.mode))
        return p->ino ? -ENOTDIR : -ENOENT;
    if (!((flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR))
        return -EINVAL;
    int r = p->mount->read_only
                ? -EROFS
                : permission_check(&p->attr, fs_creds(), PERMISSION_WRITE | PERMISSION_EXECUTE);
    if (r == 0) /* the file is in no directory, but is judged as if it were */
        r = landlock_check(p, landlock_open_rights(S_IFREG, flags));
    if (r < 0)
        return r;
    if (fd_is_full())
        return -EMFILE;
    struct request rq = {.op = REQUEST_OPEN_UNNAMED,
                         .volume = p->volume,
                         .attr = attr_for_new(S_IFREG | (mode & 07777), &p->attr)};
    int64_t opened = fs_request(&rq);
    if (opened < 0)
        return opened;
    rq.dir = 0;
    struct volume_file *vf;
    r = volume_file_wrap(p->mount, &rq, S_IFREG, (flags & ~NOT_KEPT) | O_LARGEFILE_KERNEL, &vf);
    if (r < 0)
        return r;
    vf->linkable = !(flags & O_EXCL);
    return install(&vf->file, flags);
}

/* -EEXIST where somebody else was faster. */
static int64_t create(struct place *p, int flags, uint32_t mode)
{
    struct volume_attr dir;
    if (p->trailing_slash)
        return -EISDIR;
    int r = fd_is_full() ? -EMFILE : place_may_create(p, &dir);
    if (r == 0)
        r = landlock_check_parent(p, LANDLOCK_ACCESS_FS_MAKE_REG);
    if (r < 0)
        return r;
    struct request rq = {.op = REQUEST_MAKE,
                         .volume = p->volume,
                         .dir = p->dir,
                         .in = place_name(p),
                         .attr = attr_for_new(S_IFREG | (mode & 07777), &dir)};
    int64_t made = fs_request(&rq);
    if (made < 0)
        return made;
    struct inode_ref ref = {p->mount, p->volume, rq.ino, rq.attr, p->dir, p->name};
    ref.attr.size = 0;
    struct watch_name what = {p->volume, p->dir, rq.ino, p->name, false};
    watch_made(&what);
    p->ino = rq.ino; /* a file that its maker may not open stays, as on Linux */
    p->attr = rq.attr;
    r = landlock_check(p, landlock_open_rights(S_IFREG, flags & ~O_TRUNC));
    if (r < 0)
        return r;
    /* The creator may open it as asked, whatever the mode says. */
    return finish(p->mount, &ref, flags & ~O_TRUNC, p->dir, place_name(p));
}

static int64_t open_on_volume(struct place *p, int flags, uint32_t mode)
{
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return open_unnamed(p, flags, mode);
    if (p->ino == 0)
        return flags & O_CREAT ? create(p, flags, mode) : -ENOENT;
    if ((flags & O_CREAT) && (flags & O_EXCL) && !(flags & O_PATH))
        return -EEXIST;
    struct inode_ref ref = {p->mount, p->volume, p->ino, p->attr, p->dir, p->name};
    return open_inode(p, &ref, flags, p->dir, place_name(p));
}

static int64_t open_file_again(struct place *p, int flags)
{
    struct inode_ref ref;
    const struct mount *mount = static_file_mount(p->file);
    if (mount || special_kind_of(p->file) >= 0) {
        int refused = landlock_check(p, landlock_open_rights(S_IFREG, flags));
        if (refused < 0)
            return refused;
    }
    if (mount) {
        struct file *f;
        int r = static_file_open(mount, flags, &f);
        return r < 0 ? r : install(f, flags);
    }
    int r, special = special_kind_of(p->file);
    if (special >= 0) {
        struct file *f;
        r = special_open((enum special_kind)special, flags, &f);
        return r < 0 ? r : install(f, flags);
    }
    r = place_inode(p, &ref);
    if (r < 0)
        return r == -EROFS ? -EACCES : r;
    struct volume_file *vf = volume_file_of(p->file);
    return open_inode(p, &ref, flags, vf->dir, slice_of(vf->name, vf->name_size));
}

static int64_t open_shielded(const struct path_job *job, struct place *p)
{
    int flags = (int)job->a;
    struct file *f;
    int r;
    switch (p->kind) {
    case PLACE_VOLUME:
    case PLACE_FILE:
        break;
    default: /* a file in memory; what is a directory of those is asked for as one */
        r = landlock_check(p, landlock_open_rights(flags & O_DIRECTORY ? S_IFDIR : S_IFREG, flags));
        if (r < 0)
            return r;
    }
    switch (p->kind) {
    case PLACE_VOLUME:
        return open_on_volume(p, flags, (uint32_t)job->b);
    case PLACE_STATIC:
        r = static_file_open(p->mount, (flags & ~NOT_KEPT) | (flags & (O_CREAT | O_EXCL | O_TRUNC)),
                             &f);
        break;
    case PLACE_SPECIAL:
        r = special_open((enum special_kind)p->mount->volume, flags, &f);
        break;
    case PLACE_DEVICE:
        r = device_open(p->path, flags & ~NOT_KEPT, &f);
        break;
    case PLACE_FILE:
        return open_file_again(p, flags);
    default:
        return proc_open(p, flags);
    }
    return r < 0 ? r : install(f, flags);
}

static int64_t open_place(struct path_job *job, struct place *p)
{
    int64_t r = open_shielded(job, p);
    return r < 0 && fd_is_full() ? -EMFILE : r; /* the kernel looks at this first */
}

/* What the kernel's build_open_flags() refuses whatever the file is. */
static int check_flags(uint64_t flags)
{
    if ((flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT))
        return -EINVAL;
    if ((flags & O_TMPFILE_BIT) && (!(flags & O_DIRECTORY) || (flags & O_ACCMODE) == O_RDONLY))
        return -EINVAL;
    return 0;
}

static int64_t run_open(struct path_job *job)
{
    uint64_t flags = job->a;
    job->opens = true;
    bool exclusive = (flags & O_CREAT) && (flags & O_EXCL);
    if (!(flags & O_NOFOLLOW) && !exclusive)
        job->flags |= PLACE_FOLLOW;
    job->writes = !(flags & O_PATH) && (wants_write((int)flags) || (flags & O_CREAT));
    if (!job->writes)
        job->flags |= flags & O_PATH        ? PLACE_LOOKS
                      : flags & O_DIRECTORY ? PLACE_LISTS
                                            : PLACE_READS;
    int64_t r = -EEXIST;
    for (int i = 0; i < CREATE_RETRIES && r == -EEXIST; i++) {
        r = path_run(job, open_place);
        if (!(flags & O_CREAT) || (flags & O_EXCL))
            break;
    }
    if (r >= 0 && job->names_descriptors)
        return descriptor_directory_opened(r);
    return r >= 0 && (flags & O_DIRECTORY) ? host_directory_opened(r) : r;
}

/* Flags that open(2) does not know it ignores, unlike openat2(2). */
static int64_t do_open(struct syscall_call *c, int dir_arg, int path_arg, uint64_t flags,
                       uint64_t mode)
{
    flags &= flags & O_PATH ? FLAGS_OF_PATH : FLAGS_VALID;
    struct path_job job = {
        .c = c, .dir_arg = dir_arg, .path_arg = path_arg, .a = flags, .b = mode & 07777};
    int r = check_flags(flags);
    return r < 0 ? r : run_open(&job);
}

int64_t sys_open(struct syscall_call *c)
{
    return do_open(c, NO_ARG, 0, (uint32_t)c->args[1], c->args[2]);
}

int64_t sys_creat(struct syscall_call *c)
{
    return do_open(c, NO_ARG, 0, O_CREAT | O_WRONLY | O_TRUNC, c->args[1]);
}

int64_t sys_openat(struct syscall_call *c)
{
    return do_open(c, 0, 1, (uint32_t)c->args[2], c->args[3]);
}

static int check_how(const struct open_how *how)
{
    const uint64_t resolves = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                              RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
    bool makes = how->flags & (O_CREAT | O_TMPFILE_BIT);
    if ((how->flags & ~FLAGS_VALID) || (how->resolve & ~resolves))
        return -EINVAL;
    if ((how->resolve & RESOLVE_BENEATH) && (how->resolve & RESOLVE_IN_ROOT))
        return -EINVAL;
    if (how->mode & (makes ? ~(uint64_t)07777 : UINT64_MAX))
        return -EINVAL;
    if ((how->flags & O_PATH) && (how->flags & ~FLAGS_OF_PATH))
        return -EINVAL;
    if ((how->resolve & RESOLVE_CACHED) && (how->flags & (O_CREAT | O_TRUNC | O_TMPFILE_BIT)))
        return -EAGAIN;
    return check_flags(how->flags);
}

/* A struct of any size: what we do not know must be zero. */
static int copy_how(struct open_how *how, unsigned long from, uint64_t size)
{
    uint8_t more[HOW_SIZE_MAX - sizeof *how];
    if (size < sizeof *how)
        return -EINVAL;
    if (size > HOW_SIZE_MAX)
        return -E2BIG;
    int r = guest_get(how, from);
    if (r == 0)
        r = guest_read(more, from + sizeof *how, size - sizeof *how);
    for (uint64_t i = 0; r == 0 && i < size - sizeof *how; i++)
        r = more[i] ? -E2BIG : 0;
    return r;
}

static unsigned flags_of_resolve(uint64_t resolve)
{
    return (resolve & RESOLVE_BENEATH ? PLACE_BENEATH : 0) |
           (resolve & RESOLVE_IN_ROOT ? PLACE_IN_ROOT : 0) |
           (resolve & RESOLVE_NO_XDEV ? PLACE_NO_XDEV : 0) |
           (resolve & RESOLVE_NO_SYMLINKS ? PLACE_NO_SYMLINKS : 0) |
           (resolve & RESOLVE_NO_MAGICLINKS ? PLACE_NO_MAGICLINKS : 0);
}

int64_t sys_openat2(struct syscall_call *c)
{
    struct open_how how;
    struct syscall_call call = *c;
    int r = copy_how(&how, c->args[2], c->args[3]);
    if (r == 0)
        r = check_how(&how);
    if (r < 0)
        return r;
    call.args[2] = (unsigned long)&how; /* the host sees what was judged */
    call.args[3] = sizeof how;
    struct path_job job = {.c = &call,
                           .path_arg = 1,
                           .a = how.flags,
                           .b = how.mode,
                           .flags = flags_of_resolve(how.resolve),
                           .how = &how};
    return run_open(&job);
}
