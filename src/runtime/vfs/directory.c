/* SPDX-License-Identifier: Apache-2.0 */
/* Directories on a volume, and O_PATH descriptors. A directory's position is 0 for ".", 1 for "..",
 * then 2 + the volume's cookie; mounts inside come last. */
#include "runtime/vfs/calls.h"
#include "runtime/vfs/dirents.h"
#include "runtime/vfs/file_ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POSITION_MOUNTS (INT64_MAX - FS_MOUNTS_MAX)
#define ENTRIES_PER_REQUEST 32

static uint64_t parent_of(struct volume_file *vf)
{
    struct request rq = {
        .op = REQUEST_WALK, .volume = vf->volume, .ino = vf->ino, .in = slice_of_text("..")};
    return fs_request(&rq) == WALK_DONE ? rq.ino : vf->ino;
}

static int64_t add_dots(struct volume_file *vf, struct dirents *d, int64_t position)
{
    if (position == 0 && dirents_add(d, vf->ino, 1, DT_DIR, ".", 1))
        position = 1;
    if (position == 1 && dirents_add(d, parent_of(vf), 2, DT_DIR, "..", 2))
        position = 2;
    return position;
}

/* Names that exist because another mount begins there. `skip` those the directory itself has. */
static int64_t add_mounts(struct volume_file *vf, struct dirents *d, int64_t position)
{
    char here[PATH_MAX];
    int64_t n = position - POSITION_MOUNTS < g_fs.mount_count
                    ? volume_file_path(vf, here, sizeof here)
                    : -ENOENT;
    if (n < 0)
        return position;
    for (int64_t i = position - POSITION_MOUNTS; i < g_fs.mount_count; i++) {
        const char *name = fs_mount_name_in(&g_fs.mounts[i], here, (size_t)n);
        position = POSITION_MOUNTS + i + 1;
        if (!name || !g_fs.mounts[i].inside)
            continue;
        struct request rq = {
            .op = REQUEST_WALK, .volume = vf->volume, .ino = vf->ino, .in = slice_of_text(name)};
        uint8_t type = fs_mount_is_directory(&g_fs.mounts[i]) ? DT_DIR : DT_REG;
        if (fs_request(&rq) == WALK_DONE && rq.ino != 0)
            continue;
        if (!dirents_add(d, UINT32_MAX - (uint64_t)i, position, type, name, strlen(name)))
            return position - 1;
    }
    return position;
}

static int64_t add_entries(struct volume_file *vf, struct dirents *d, int64_t position)
{
    struct volume_entry entries[ENTRIES_PER_REQUEST];
    while (position < POSITION_MOUNTS && !d->full) {
        struct request rq = {.op = REQUEST_READDIR,
                             .volume = vf->volume,
                             .ino = vf->ino,
                             .offset = (uint64_t)position - 2,
                             .out = entries,
                             .out_size = sizeof entries};
        int64_t count = fs_request(&rq);
        if (count < 0)
            return count;
        if (count == 0)
            return POSITION_MOUNTS;
        for (int64_t i = 0; i < count && i < ENTRIES_PER_REQUEST; i++) {
            const struct volume_entry *e = &entries[i];
            if (e->cookie > (uint64_t)POSITION_MOUNTS - 3)
                return -EOVERFLOW;
            int64_t next = (int64_t)e->cookie + 2;
            if (!dirents_add(d, e->ino, next, e->type, e->name, e->name_len))
                return position;
            position = next;
        }
    }
    return position;
}

int64_t directory_fill(struct file *f, struct dirents *d)
{
    struct volume_file *vf = volume_file_of(f);
    position_acquire(vf);
    int64_t start = atomic_load(&vf->position->offset);
    struct volume_attr attr;
    if (start == 0 && ref_getattr(vf->volume, vf->ino, &attr) == 0 && attr.nlink == 0) {
        position_release(vf);
        return -ENOENT; /* removed: not even "." is in it */
    }
    int64_t position = start < 2 ? add_dots(vf, d, start) : start;
    if (position >= 2)
        position = add_entries(vf, d, position);
    if (position >= POSITION_MOUNTS && !d->full)
        position = add_mounts(vf, d, position);
    if (position > start)
        atomic_store(&vf->position->offset, position);
    position_release(vf);
    if (position < 0)
        return d->used > 0 ? (int64_t)d->used : position;
    return d->used == 0 && d->full ? -EINVAL : (int64_t)d->used;
}

static int64_t directory_getdents(struct file *f, void *entries, size_t size)
{
    struct dirents d = {.bytes = entries, .size = size};
    return directory_fill(f, &d);
}

static int64_t directory_seek(struct file *f, int64_t offset, int whence)
{
    struct volume_file *vf = volume_file_of(f);
    if (whence == SEEK_CUR && offset == 0)
        return atomic_load(&vf->position->offset);
    if (whence != SEEK_SET || offset < 0)
        return -EINVAL;
    position_acquire(vf);
    atomic_store(&vf->position->offset, offset);
    position_release(vf);
    return offset;
}

static int64_t directory_read(struct file *f, const struct iovec *iov, int count, int64_t offset,
                              int flags)
{
    (void)f, (void)iov, (void)count, (void)offset, (void)flags;
    return -EISDIR;
}

static int64_t directory_write(struct file *f, const struct iovec *iov, int count, int64_t offset,
                               int flags)
{
    (void)f, (void)iov, (void)count, (void)offset, (void)flags;
    return -EBADF;
}

const struct file_ops volume_directory_ops = {
    .name = "directory on a volume",
    .read = directory_read,
    .write = directory_write,
    .seek = directory_seek,
    .stat = volume_file_stat,
    .sync = volume_file_sync,
    .getdents = directory_getdents,
    .ioctl = volume_file_ioctl,
    .fcntl = volume_file_fcntl,
    .flock = volume_file_flock,
    .release = volume_file_release,
};

/* --- O_PATH --- */

static int64_t path_io(struct file *f, const struct iovec *iov, int count, int64_t offset,
                       int flags)
{
    (void)f, (void)iov, (void)count, (void)offset, (void)flags;
    return -EBADF;
}
static int64_t path_seek(struct file *f, int64_t offset, int whence)
{
    (void)f, (void)offset, (void)whence;
    return -EBADF;
}
static int64_t path_truncate(struct file *f, uint64_t size)
{
    (void)f, (void)size;
    return -EBADF;
}
static int64_t path_allocate(struct file *f, int mode, int64_t offset, int64_t size)
{
    (void)f, (void)mode, (void)offset, (void)size;
    return -EBADF;
}
static int64_t path_sync(struct file *f, bool data_only)
{
    (void)f, (void)data_only;
    return -EBADF;
}
static int64_t path_getdents(struct file *f, void *entries, size_t size)
{
    (void)f, (void)entries, (void)size;
    return -EBADF;
}
static int64_t path_ioctl(struct file *f, unsigned long request, unsigned long arg)
{
    (void)f, (void)request, (void)arg;
    return -EBADF;
}
static int64_t path_flock(struct file *f, int operation)
{
    (void)f, (void)operation;
    return -EBADF;
}
static int64_t path_mmap(struct file *f, void *addr, size_t size, int prot, int flags,
                         uint64_t offset)
{
    (void)f, (void)addr, (void)size, (void)prot, (void)flags, (void)offset;
    return -EBADF;
}
static int64_t path_fcntl(struct file *f, int cmd, unsigned long arg)
{
    (void)f, (void)cmd, (void)arg;
    return -EBADF;
}

static int path_poll(struct file *f, int events, int *ret_host_events)
{
    (void)f, (void)events;
    *ret_host_events = 0;
    return POLLNVAL;
}

const struct file_ops volume_path_ops = {
    .name = "path on a volume",
    .read = path_io,
    .write = path_io,
    .seek = path_seek,
    .stat = volume_file_stat,
    .truncate = path_truncate,
    .allocate = path_allocate,
    .sync = path_sync,
    .getdents = path_getdents,
    .ioctl = path_ioctl,
    .fcntl = path_fcntl,
    .flock = path_flock,
    .mmap = path_mmap,
    .poll = path_poll,
    .release = volume_file_release,
};
