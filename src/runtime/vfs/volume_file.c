/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/volume_file.h"

#include "platform/host.h"
#include "runtime/vfs/file_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define SPARE_MAX 32
#define DIRENT_SIZE_TYPICAL 24
#define DEVICE_MAJOR 0 /* like other file systems without a block device */

/* protects: g_files, g_spare, g_spare_count */
static lock_word g_lock;
static struct volume_file *g_files;
static struct volume_file *g_spare; /* ready for reuse: open() need not allocate */
static unsigned g_spare_count;

struct volume_file *volume_file_of(struct file *f)
{
    bool ours = f && (f->ops == &volume_regular_ops || f->ops == &volume_directory_ops ||
                      f->ops == &volume_path_ops);
    return ours ? (struct volume_file *)(void *)f : NULL;
}

static struct volume_file *file_alloc(void)
{
    lock_acquire(&g_lock);
    struct volume_file *vf = g_spare;
    if (vf) {
        g_spare = vf->next;
        g_spare_count--;
    }
    lock_release(&g_lock);
    return vf ? vf : malloc(sizeof *vf);
}

static void file_list(struct volume_file *vf)
{
    lock_acquire(&g_lock);
    vf->previous = NULL;
    vf->next = g_files;
    if (g_files)
        g_files->previous = vf;
    g_files = vf;
    lock_release(&g_lock);
}

static void file_free(struct volume_file *vf)
{
    lock_acquire(&g_lock);
    if (vf->next)
        vf->next->previous = vf->previous;
    if (vf->previous)
        vf->previous->next = vf->next;
    else if (g_files == vf)
        g_files = vf->next;
    bool keep = g_spare_count < SPARE_MAX;
    if (keep) {
        vf->next = g_spare;
        g_spare = vf;
        g_spare_count++;
    }
    lock_release(&g_lock);
    if (!keep)
        free(vf);
}

static const struct file_ops *ops_for(uint32_t mode, int flags)
{
    if (flags & O_PATH)
        return &volume_path_ops;
    return S_ISDIR(mode) ? &volume_directory_ops : &volume_regular_ops;
}

static void set_name(struct volume_file *vf, struct slice name)
{
    vf->name_size = (uint8_t)MIN(name.size, (size_t)VOLUME_NAME_MAX);
    if (vf->name_size > 0)
        memcpy(vf->name, name.bytes, vf->name_size);
    vf->name[vf->name_size] = '\0';
}

int volume_file_adopt(const struct mount *mount, const struct request *opened, uint32_t mode,
                      int flags, struct slice name, struct volume_file **ret_file)
{
    struct volume_file *vf = file_alloc();
    if (!vf)
        return -ENOMEM;
    file_init(&vf->file, ops_for(mode, flags), flags);
    vf->mount = mount;
    vf->volume = opened->volume;
    vf->handle = opened->handle;
    vf->ino = opened->ino;
    vf->dir = opened->dir;
    vf->type = mode & S_IFMT;
    vf->linkable = vf->dir == 0;
    vf->shared = true;
    vf->locked = false;
    vf->uncut = false;
    vf->own_position = (struct file_position){0};
    vf->position = fs_position(vf->handle, &vf->own_position);
    set_name(vf, name);
    file_list(vf);
    *ret_file = vf;
    return 0;
}

int volume_file_wrap(const struct mount *mount, const struct request *opened, uint32_t mode,
                     int flags, struct volume_file **ret_file)
{
    int r = volume_file_adopt(mount, opened, mode, flags, (struct slice){0}, ret_file);
    if (r < 0) {
        struct request rq = {.op = REQUEST_CLOSE, .handle = opened->handle};
        (void)fs_request(&rq);
        return r;
    }
    (*ret_file)->shared = false;
    struct file_position *position = (*ret_file)->position;
    atomic_store(&position->offset, 0);
    atomic_store(&position->lock, 0); /* who held it died with the file that had this handle */
    return 0;
}

int volume_file_open(const struct mount *mount, uint32_t volume, uint64_t ino, uint32_t mode,
                     int flags, uint64_t dir, struct slice name, struct volume_file **ret_file)
{
    struct request rq = {.op = REQUEST_OPEN, .volume = volume, .ino = ino, .dir = dir};
    int64_t r = fs_request(&rq);
    if (r < 0)
        return (int)r;
    struct volume_file *vf;
    r = volume_file_wrap(mount, &rq, mode, flags, &vf);
    if (r < 0)
        return (int)r;
    set_name(vf, name);
    *ret_file = vf;
    return 0;
}

/* As if it were opened anew. */
static bool may_be_kept(const struct volume_file *vf)
{
    return vf->file.ops == &volume_regular_ops && S_ISREG(vf->type) && !vf->shared && !vf->locked &&
           (atomic_load(&vf->file.flags) & O_ACCMODE) == O_RDONLY;
}

void volume_file_release(struct file *f)
{
    struct volume_file *vf = volume_file_of(f);
    struct request rq = {.op = REQUEST_CLOSE,
                         .flags = may_be_kept(vf) ? REQUEST_KEEP : 0,
                         .volume = vf->volume,
                         .ino = vf->ino,
                         .handle = vf->handle};
    (void)fs_request(&rq);
    file_free(vf);
}

void volume_file_moved(uint32_t volume, uint64_t ino, uint64_t dir, uint64_t new_dir,
                       struct slice name)
{
    lock_acquire(&g_lock);
    for (struct volume_file *vf = g_files; vf; vf = vf->next)
        if (vf->ino == ino && vf->volume == volume && vf->dir == dir) {
            vf->dir = new_dir;
            set_name(vf, name);
        }
    lock_release(&g_lock);
}

void volume_file_each(void (*each)(struct volume_file *vf, void *ctx), void *ctx)
{
    for (struct volume_file *vf = g_files; vf; vf = vf->next)
        each(vf, ctx);
}

void volume_file_share_all(void)
{
    lock_acquire(&g_lock);
    for (struct volume_file *vf = g_files; vf; vf = vf->next)
        vf->shared = true;
    lock_release(&g_lock);
}

void volume_file_after_fork(void)
{
    atomic_store(&g_lock, 0);
}

/* --- what it is called --- */

static int64_t path_of_dir(const struct mount *mount, uint32_t volume, uint64_t dir, char *path,
                           size_t size)
{
    if (mount->prefix_size >= size)
        return -ERANGE;
    memcpy(path, mount->prefix, mount->prefix_size);
    struct request rq = {.op = REQUEST_PATH,
                         .volume = volume,
                         .ino = dir,
                         .out = path + mount->prefix_size,
                         .out_size = size - mount->prefix_size - 1};
    int64_t n = fs_request(&rq);
    if (n < 0)
        return n == -ENAMETOOLONG ? -ERANGE : n;
    n += (int64_t)mount->prefix_size;
    if (n == 0)
        path[n++] = '/';
    path[n] = '\0';
    return n;
}

int64_t volume_file_path(struct volume_file *vf, char *path, size_t size)
{
    if (S_ISDIR(vf->type)) {
        int64_t n = path_of_dir(vf->mount, vf->volume, vf->ino, path, size);
        return n;
    }
    struct volume_file at; /* where it is now; a rename may move it meanwhile */
    lock_acquire(&g_lock);
    at = *vf;
    lock_release(&g_lock);
    int64_t n = at.dir ? path_of_dir(vf->mount, vf->volume, at.dir, path, size) : -ENOENT;
    if (n == -ENOENT)
        n = snprintf(path, size, "%s/", vf->mount->prefix);
    if (n < 0)
        return n;
    struct request rq = {.op = REQUEST_WALK,
                         .volume = vf->volume,
                         .ino = at.dir,
                         .in = slice_of(at.name, at.name_size)};
    bool there = at.dir && at.name_size > 0 && fs_request(&rq) == WALK_DONE && rq.ino == vf->ino;
    char unnamed[32];
    snprintf(unnamed, sizeof unnamed, "#%llu", (unsigned long long)vf->ino);
    int more = snprintf(path + n, size - (size_t)n, "%s%s%s", path[n - 1] == '/' ? "" : "/",
                        at.name_size ? at.name : unnamed, there ? "" : " (deleted)");
    if (more < 0 || (size_t)n + (size_t)more >= size)
        return -ERANGE;
    return n + more;
}

/* --- what stat says --- */

static struct statx_timestamp timestamp(int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return (struct statx_timestamp){.tv_sec = seconds, .tv_nsec = (uint32_t)rest};
}

/* A directory has no bytes of its own; to programs it is as large as one of as many entries on ext4. */
static uint64_t size_shown(const struct volume_attr *attr)
{
    return S_ISDIR(attr->mode) ? round_up(attr->size * DIRENT_SIZE_TYPICAL + 1, 4096) : attr->size;
}

void volume_file_statx(uint32_t volume, const struct volume_attr *attr, struct statx *ret_stat)
{
    *ret_stat = (struct statx){
        .stx_mask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID,
        .stx_blksize = 4096,
        .stx_attributes_mask = STATX_ATTR_MOUNT_ROOT,
        .stx_attributes = attr->ino == VOLUME_ROOT_INO ? STATX_ATTR_MOUNT_ROOT : 0,
        .stx_mnt_id = FS_MOUNT_ID(volume),
        .stx_nlink = attr->nlink,
        .stx_uid = attr->uid,
        .stx_gid = attr->gid,
        .stx_mode = (uint16_t)attr->mode,
        .stx_ino = attr->ino,
        .stx_size = size_shown(attr),
        .stx_blocks = (S_ISDIR(attr->mode) ? size_shown(attr) : attr->allocated_size) / 512,
        .stx_atime = timestamp(attr->atime_ns),
        .stx_btime = timestamp(attr->btime_ns),
        .stx_ctime = timestamp(attr->ctime_ns),
        .stx_mtime = timestamp(attr->mtime_ns),
        .stx_rdev_major = major(attr->rdev),
        .stx_rdev_minor = minor(attr->rdev),
        .stx_dev_major = DEVICE_MAJOR,
        .stx_dev_minor = g_fs.device_minors[volume % OWNER_VOLUMES_MAX],
    };
}
