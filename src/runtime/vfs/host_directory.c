/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/host_directory.h"

#include "platform/host.h"
#include "runtime/fd_table.h"
#include "runtime/vfs/dirents.h"
#include "runtime/vfs/fs.h"
#include "runtime/vfs/write_behind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define INO_BASE ((uint64_t)1 << 48) /* unlike any that a host gives */

struct host_directory {
    struct file file;
    uint64_t dev, ino;
    unsigned listed;        /* mounts dealt with; under file.lock */
    bool names_descriptors; /* the runtime's are left out */
    bool names_threads;     /* the same */
};

static const struct file_ops host_directory_ops;

/* The parent of mounts[i], as the host numbers it; ino 0: none. */
static struct {
    uint64_t dev, ino;
} g_parents[FS_MOUNTS_MAX] LARGE_TABLE;

bool is_host_directory(const struct file *f)
{
    return f && f->ops == &host_directory_ops;
}

static bool identify(int fd, const char *path, uint64_t *ret_dev, uint64_t *ret_ino)
{
    struct statx stat;
    int flags = path[0] ? 0 : AT_EMPTY_PATH;
    if (host_call(SYS_statx, fd, path, flags, STATX_INO, &stat) < 0)
        return false;
    *ret_dev = (uint64_t)stat.stx_dev_major << 32 | stat.stx_dev_minor;
    *ret_ino = stat.stx_ino;
    return true;
}

void host_directory_init(void)
{
    for (unsigned i = 0; i < g_fs.mount_count; i++) {
        const struct mount *mount = &g_fs.mounts[i];
        char parent[PATH_MAX];
        if (!mount->hidden || mount->inside || mount->kind == MOUNT_DENIED)
            continue;
        size_t size = (size_t)(strrchr(mount->prefix, '/') - mount->prefix);
        memcpy(parent, mount->prefix, size);
        memcpy(parent + size, size ? "" : "/", size ? 1 : 2);
        if (!identify(AT_FDCWD, parent, &g_parents[i].dev, &g_parents[i].ino))
            g_parents[i].ino = 0;
    }
}

int64_t host_directory_opened(int64_t fd)
{
    uint64_t dev, ino;
    bool ours = false;
    if (!g_fs.redirects || fd_is_shielded((int)fd) || !identify((int)fd, "", &dev, &ino))
        return fd;
    for (unsigned i = 0; i < g_fs.mount_count && !ours; i++)
        ours = g_parents[i].ino == ino && g_parents[i].dev == dev && ino != 0;
    if (!ours)
        return fd;
    struct host_directory *dir = calloc(1, sizeof *dir);
    if (!dir)
        return fd; /* better an incomplete listing than none */
    dir->dev = dev;
    dir->ino = ino;
    file_init(&dir->file, &host_directory_ops, O_RDONLY | O_DIRECTORY);
    int r = fd_attach((int)fd, &dir->file);
    return r < 0 ? r : fd;
}

static struct slice last_name(const char *path)
{
    size_t size = strlen(path);
    while (size > 0 && path[size - 1] == '/')
        size--;
    const char *last = size > 0 ? memrchr(path, '/', size) : NULL;
    last = last ? last + 1 : path;
    return slice_of(last, (size_t)(path + size - last));
}

static bool names_threads(const char *path)
{
    return slice_is_text(last_name(path), "task");
}

bool names_descriptors(const char *path)
{
    struct slice name = last_name(path);
    return slice_is_text(name, "fd") || slice_is_text(name, "fdinfo") || names_threads(path);
}

int64_t descriptor_directory_opened(int64_t fd)
{
    char link[64], text[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", (int)fd);
    long n = fd < 0 || fd_is_shielded((int)fd)
                 ? -1
                 : host_call(SYS_readlink, link, text, sizeof text - 1);
    if (n <= 0 || n >= (long)sizeof text)
        return fd;
    text[n] = '\0';
    if (strncmp(text, "/proc/", 6) != 0 || !names_descriptors(text))
        return fd;
    struct host_directory *dir = calloc(1, sizeof *dir);
    int flags = (int)host_call(SYS_fcntl, (int)fd, F_GETFL);
    if (!dir || flags < 0 || (flags & O_PATH)) {
        free(dir);
        return fd;
    }
    dir->names_threads = names_threads(text);
    dir->names_descriptors = !dir->names_threads;
    file_init(&dir->file, &host_directory_ops, flags);
    int r = fd_attach((int)fd, &dir->file);
    return r < 0 ? r : fd;
}

static struct host_directory *directory_of(struct file *f)
{
    return (struct host_directory *)(void *)f;
}

static void add_mounts(struct host_directory *dir, struct dirents *d)
{
    for (; dir->listed < g_fs.mount_count; dir->listed++) {
        unsigned i = dir->listed;
        const struct mount *mount = &g_fs.mounts[i];
        if (g_parents[i].ino != dir->ino || g_parents[i].dev != dir->dev)
            continue;
        const char *name = strrchr(mount->prefix, '/') + 1;
        uint8_t type = fs_mount_is_directory(mount) ? DT_DIR : DT_REG;
        if (!dirents_add(d, INO_BASE + i, INT64_MAX - FS_MOUNTS_MAX + i, type, name, strlen(name)))
            return;
    }
}

/* The runtime's own descriptors and threads. */
static bool is_hidden(const void *ctx, const char *name)
{
    const struct host_directory *dir = ctx;
    char *end;
    long number = strtol(name, &end, 10);
    if (name[0] < '0' || name[0] > '9' || *end != '\0')
        return false;
    if (dir->names_threads)
        return number == write_behind_tid();
    return number <= INT_MAX && fd_is_hidden((int)number);
}

static int64_t list_numbers(struct file *f, void *entries, size_t size)
{
    uint8_t chunk[8192];
    for (;;) {
        int64_t n =
            host_call(SYS_getdents64, atomic_load(&f->host_fd), chunk, MIN(size, sizeof chunk));
        if (n > (int64_t)MIN(size, sizeof chunk))
            return -EPROTO;
        if (n <= 0)
            return n;
        n = dirents_leave_out(chunk, n, is_hidden, directory_of(f));
        if (n < 0)
            return n;
        if (n > 0) {
            memcpy(entries, chunk, (size_t)n);
            return n;
        }
    }
}

static int64_t directory_getdents(struct file *f, void *entries, size_t size)
{
    struct host_directory *dir = directory_of(f);
    if (dir->names_descriptors || dir->names_threads)
        return list_numbers(f, entries, size);
    int64_t n = host_call(SYS_getdents64, atomic_load(&f->host_fd), entries, size);
    if (n > (int64_t)size)
        return -EPROTO;
    if (n != 0)
        return n;
    struct dirents d = {.bytes = entries, .size = size};
    lock_acquire(&f->lock);
    add_mounts(dir, &d);
    lock_release(&f->lock);
    return d.used == 0 && d.full ? -EINVAL : (int64_t)d.used;
}

static int64_t directory_seek(struct file *f, int64_t offset, int whence)
{
    int64_t r = host_call(SYS_lseek, atomic_load(&f->host_fd), offset, whence);
    if (r >= 0 && whence != SEEK_CUR)
        directory_of(f)->listed = 0;
    return r;
}

static int64_t directory_sync(struct file *f, bool data_only)
{
    return host_call(data_only ? SYS_fdatasync : SYS_fsync, atomic_load(&f->host_fd));
}

static int64_t directory_read(struct file *f, const struct iovec *iov, int count, int64_t offset,
                              int flags)
{
    (void)f, (void)iov, (void)count, (void)offset, (void)flags;
    return -EISDIR;
}

static int64_t directory_fcntl(struct file *f, int cmd, unsigned long arg)
{
    return host_call(SYS_fcntl, atomic_load(&f->host_fd), cmd, arg);
}

static int64_t directory_flock(struct file *f, int operation)
{
    return host_call(SYS_flock, atomic_load(&f->host_fd), operation);
}

static void directory_release(struct file *f)
{
    free(directory_of(f));
}

static const struct file_ops host_directory_ops = {
    .name = "host directory with mounts",
    .read = directory_read,
    .seek = directory_seek,
    .sync = directory_sync,
    .getdents = directory_getdents,
    .fcntl = directory_fcntl,
    .flock = directory_flock,
    .release = directory_release,
};
