/* SPDX-License-Identifier: Apache-2.0 */
/* A volume's files in a directory on the host: `volume` is the superblock, a segment's name is its
 * number in 16 hexadecimal digits, `lock` is empty. Descriptors: the directory, the lock, and up to 32
 * files while they are in use, eight where descriptors are hidden; two that nobody used lately stay.
 * The lock belongs to the open file description, so it passes to the child of a fork and lives until
 * both have let go. */
#include "platform/host.h"
#include "volume/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>

enum {
    SLOT_COUNT = 32,
    SLOT_COUNT_HIDDEN = 8,
    SLOTS_AT_REST = 2,
    IDLE_USES = 256,
    NAME_SIZE = 24,
    WRITE_OUT_MIN = 512 << 10,
    LOCK_TRIES = 100,
    LOCK_PAUSE_NS = 10000000,
};

/* An open file. A slot in use by a thread is not given to another file. */
struct slot {
    uint64_t file;
    int fd;       /* -1: none */
    bool is_gone; /* removed or renamed while in use */
    unsigned users;
    uint64_t used_at;
};

struct dir_backend {
    struct volume_backend backend;
    pthread_mutex_t lock; /* protects slots, clock */
    int dir_fd;
    int lock_fd; /* -1: not locked */
    bool read_only;
    uint64_t clock;
    struct slot slots[SLOT_COUNT];
};

static int (*g_hide)(int fd);
static void (*g_close_hidden)(int fd);

void volume_dir_hide_fds(int (*hide)(int fd), void (*close_hidden)(int fd))
{
    g_hide = hide;
    g_close_hidden = close_hidden;
}

static struct dir_backend *dir_of(struct volume_backend *b)
{
    return container_of(b, struct dir_backend, backend);
}

static void close_high(int fd)
{
    if (g_close_hidden)
        g_close_hidden(fd);
    else
        host_close(fd);
}

/* Opens out of the way of the numbers that the program in this process may count on. */
static int open_high(int dir_fd, const char *path, int flags, unsigned mode)
{
    int fd = host_openat(dir_fd, path, flags | O_CLOEXEC, mode);
    if (fd < 0 || !g_hide)
        return fd;
    int high = g_hide(fd);
    if (high < 0)
        host_close(fd);
    return high < 0 ? -EMFILE : high;
}

static const char *file_name(uint64_t file, char name[NAME_SIZE])
{
    if (file == VOLUME_SUPERBLOCK_FILE)
        return "volume";
    (void)snprintf(name, NAME_SIZE, "%016llx", (unsigned long long)file);
    return name;
}

/* The number, or -1 for a file that is none of ours. */
static int file_number(const char *name, uint64_t *ret_file)
{
    uint64_t file = 0;
    *ret_file = VOLUME_SUPERBLOCK_FILE;
    if (strcmp(name, "volume") == 0)
        return 0;
    for (unsigned i = 0; i < 16; i++) {
        char c = name[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return -1;
        file = file << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret_file = file;
    return name[16] == '\0' && file != VOLUME_SUPERBLOCK_FILE ? 0 : -1;
}

/* --- descriptors --- */

static struct slot *slot_choose(struct dir_backend *d)
{
    unsigned count = g_hide ? SLOT_COUNT_HIDDEN : SLOT_COUNT;
    struct slot *best = NULL;
    for (unsigned i = 0; i < count; i++) {
        struct slot *s = &d->slots[i];
        if (s->users == 0 && (!best || s->used_at < best->used_at))
            best = s;
    }
    return best;
}

static struct slot *slot_of(struct dir_backend *d, uint64_t file)
{
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        if (d->slots[i].file == file && d->slots[i].fd >= 0 && !d->slots[i].is_gone)
            return &d->slots[i];
    return NULL;
}

/* Closes what was not used for a while, but the newest. */
static void slots_trim(struct dir_backend *d)
{
    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        struct slot *s = &d->slots[i];
        unsigned newer = 0;
        for (unsigned k = 0; k < SLOT_COUNT; k++)
            newer += d->slots[k].fd >= 0 && d->slots[k].used_at > s->used_at;
        if (s->fd >= 0 && s->users == 0 && newer >= SLOTS_AT_REST &&
            s->used_at + IDLE_USES < d->clock) {
            close_high(s->fd);
            *s = (struct slot){.fd = -1};
        }
    }
}

/* A descriptor for the file until fd_put(); `flags`: O_CREAT | O_EXCL or 0. */
static int fd_get(struct dir_backend *d, uint64_t file, int flags, struct slot **ret_slot)
{
    char name[NAME_SIZE];
    *ret_slot = NULL;
    (void)pthread_mutex_lock(&d->lock);
    struct slot *s = slot_of(d, file);
    int fd = s && flags == 0 ? s->fd : -1;
    if (fd < 0) {
        fd = d->read_only && flags != 0
                 ? -EROFS
                 : open_high(d->dir_fd, file_name(file, name),
                             (d->read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW | flags, 0600);
        s = fd >= 0 ? slot_choose(d) : NULL;
        if (s) {
            close_high(s->fd);
            *s = (struct slot){.file = file, .fd = fd};
        }
    }
    if (s) {
        s->users++;
        s->used_at = ++d->clock;
        *ret_slot = s;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return fd;
}

static void fd_put(struct dir_backend *d, int fd, struct slot *slot)
{
    if (!slot) {
        close_high(fd);
        return;
    }
    (void)pthread_mutex_lock(&d->lock);
    slot->users--;
    (void)pthread_mutex_unlock(&d->lock);
}

static void fd_drop(struct dir_backend *d, uint64_t file)
{
    (void)pthread_mutex_lock(&d->lock);
    struct slot *s = slot_of(d, file);
    if (s && s->users == 0) {
        close_high(s->fd);
        *s = (struct slot){.fd = -1};
    } else if (s) {
        s->is_gone = true;
    }
    (void)pthread_mutex_unlock(&d->lock);
}

/* --- the functions of a backend --- */

static int dir_lock(struct volume_backend *b)
{
    struct dir_backend *d = dir_of(b);
    int flags = O_RDWR | O_NOFOLLOW | (d->read_only ? 0 : O_CREAT);
    int fd = open_high(d->dir_fd, "lock", flags, 0600);
    if (d->read_only && (fd == -ENOENT || fd == -EROFS || fd == -EACCES))
        return 0; /* a copy, or a disk that nobody can write to */
    if (fd < 0)
        return fd;
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    int r = host_lock(fd);
    /* A process that was killed may still be ending, or the one that serves it. */
    for (unsigned i = 1; r == -EAGAIN && i < LOCK_TRIES; i++) {
        (void)host_call(SYS_nanosleep, &pause, NULL);
        r = host_lock(fd);
    }
    if (r < 0) {
        close_high(fd);
        return r == -EAGAIN ? -EBUSY : r;
    }
    d->lock_fd = fd;
    return 0;
}

static void dir_unlock(struct volume_backend *b)
{
    struct dir_backend *d = dir_of(b);
    close_high(d->lock_fd);
    d->lock_fd = -1;
}

struct listing {
    volume_backend_file_fn *each;
    void *ctx;
};

static int name_each(void *ctx, const char *name)
{
    struct listing *listing = ctx;
    uint64_t file;
    return file_number(name, &file) == 0 ? listing->each(listing->ctx, file) : 0;
}

static int dir_list(struct volume_backend *b, volume_backend_file_fn *each, void *ctx)
{
    struct listing listing = {each, ctx};
    int fd = open_high(dir_of(b)->dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int r = host_list(fd, name_each, &listing);
    close_high(fd);
    return r;
}

static int dir_create(struct volume_backend *b, uint64_t file)
{
    struct slot *slot;
    int fd = fd_get(dir_of(b), file, O_CREAT | O_EXCL, &slot);
    if (fd >= 0)
        fd_put(dir_of(b), fd, slot);
    return fd < 0 ? fd : 0;
}

static int dir_remove(struct volume_backend *b, uint64_t file)
{
    char name[NAME_SIZE];
    if (dir_of(b)->read_only)
        return -EROFS;
    fd_drop(dir_of(b), file);
    return host_unlinkat(dir_of(b)->dir_fd, file_name(file, name), 0);
}

static int dir_rename(struct volume_backend *b, uint64_t from, uint64_t to)
{
    struct dir_backend *d = dir_of(b);
    char name[NAME_SIZE], new_name[NAME_SIZE];
    if (d->read_only)
        return -EROFS;
    fd_drop(d, from);
    fd_drop(d, to);
    return host_renameat(d->dir_fd, file_name(from, name), d->dir_fd, file_name(to, new_name));
}

static int dir_sync_names(struct volume_backend *b)
{
    return host_fsync(dir_of(b)->dir_fd);
}

static ssize_t dir_read(struct volume_backend *b, uint64_t file, uint64_t offset, void *bytes,
                        size_t size)
{
    struct slot *slot;
    int fd = fd_get(dir_of(b), file, 0, &slot);
    if (fd < 0)
        return fd;
    ssize_t n = host_pread(fd, bytes, size, offset);
    fd_put(dir_of(b), fd, slot);
    return n;
}

static int dir_write(struct volume_backend *b, uint64_t file, uint64_t offset, const void *bytes,
                     size_t size)
{
    struct slot *slot;
    int fd = fd_get(dir_of(b), file, 0, &slot);
    if (fd < 0)
        return fd;
    int r = host_pwrite(fd, bytes, size, offset);
    /* The disk may begin at once: the sync that comes then waits less. A hint; it may fail. */
    if (r == 0 && size >= WRITE_OUT_MIN)
        (void)host_call(SYS_sync_file_range, fd, offset, size, SYNC_FILE_RANGE_WRITE);
    fd_put(dir_of(b), fd, slot);
    return r;
}

static int dir_reserve(struct volume_backend *b, uint64_t file, uint64_t size)
{
    struct slot *slot;
    int fd = fd_get(dir_of(b), file, 0, &slot);
    if (fd < 0)
        return fd;
    int r = host_fallocate(fd, 0, 0, size);
    fd_put(dir_of(b), fd, slot);
    return r;
}

/* By name, not by a descriptor that may be older than a new owner's name for the same file. */
static int dir_truncate(struct volume_backend *b, uint64_t file, uint64_t size)
{
    char name[NAME_SIZE];
    if (dir_of(b)->read_only)
        return -EROFS;
    int fd = open_high(dir_of(b)->dir_fd, file_name(file, name), O_RDWR | O_NOFOLLOW, 0);
    if (fd < 0)
        return fd;
    int r = host_ftruncate(fd, size);
    close_high(fd);
    return r;
}

static int dir_sync(struct volume_backend *b, uint64_t file)
{
    struct slot *slot;
    int fd = fd_get(dir_of(b), file, 0, &slot);
    if (fd < 0)
        return fd;
    int r = host_fdatasync(fd);
    fd_put(dir_of(b), fd, slot);
    (void)pthread_mutex_lock(&dir_of(b)->lock);
    slots_trim(dir_of(b));
    (void)pthread_mutex_unlock(&dir_of(b)->lock);
    return r;
}

static int dir_size(struct volume_backend *b, uint64_t file, uint64_t *ret_size)
{
    struct slot *slot;
    int fd = fd_get(dir_of(b), file, 0, &slot);
    if (fd < 0)
        return fd;
    int r = host_fstat_size(fd, ret_size, NULL);
    fd_put(dir_of(b), fd, slot);
    return r;
}

static int dir_space(struct volume_backend *b, uint64_t *ret_free)
{
    struct statfs fs = {0};
    long r = host_call(SYS_fstatfs, dir_of(b)->dir_fd, &fs);
    uint64_t size;
    if (r != 0)
        return -EIO;
    if (fs.f_bsize <= 0 ||
        __builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_bsize, &size))
        return -EPROTO;
    *ret_free = MIN(size, (uint64_t)INT64_MAX / 4);
    return 0;
}

static void dir_idle(struct volume_backend *b)
{
    struct dir_backend *d = dir_of(b);
    (void)pthread_mutex_lock(&d->lock);
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        if (d->slots[i].users == 0) {
            close_high(d->slots[i].fd);
            d->slots[i] = (struct slot){.fd = -1};
        }
    (void)pthread_mutex_unlock(&d->lock);
}

static const struct volume_backend_ops dir_ops = {
    .lock = dir_lock,
    .unlock = dir_unlock,
    .list = dir_list,
    .create = dir_create,
    .remove = dir_remove,
    .rename = dir_rename,
    .sync_names = dir_sync_names,
    .read = dir_read,
    .write = dir_write,
    .reserve = dir_reserve,
    .truncate = dir_truncate,
    .sync = dir_sync,
    .size = dir_size,
    .space = dir_space,
    .idle = dir_idle,
};

static int open_dir(const char *path, bool create, bool read_only,
                    struct volume_backend **ret_backend)
{
    struct dir_backend *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    int r = create ? host_mkdirat(AT_FDCWD, path, 0700) : 0;
    if (r == 0 || r == -EEXIST)
        r = d->dir_fd = open_high(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (r < 0) {
        free(d);
        return r;
    }
    d->backend.ops = &dir_ops;
    d->lock_fd = -1;
    d->read_only = read_only;
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        d->slots[i].fd = -1;
    (void)pthread_mutex_init(&d->lock, NULL);
    *ret_backend = &d->backend;
    return 0;
}

int volume_dir_open(const char *path, bool create, struct volume_backend **ret_backend)
{
    return open_dir(path, create, false, ret_backend);
}

int volume_dir_open_read_only(const char *path, struct volume_backend **ret_backend)
{
    return open_dir(path, false, true, ret_backend);
}

void volume_dir_close(struct volume_backend *backend)
{
    if (!backend)
        return;
    struct dir_backend *d = dir_of(backend);
    dir_idle(backend);
    close_high(d->lock_fd);
    close_high(d->dir_fd);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}
