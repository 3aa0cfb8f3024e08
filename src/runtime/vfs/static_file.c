/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/static_file.h"

#include "base/log.h"
#include "crypto/crypto.h"
#include "platform/host.h"
#include "runtime/guest.h"
#include "runtime/thread.h"
#include "runtime/vfs/file_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATIC_DEVICE_MINOR 0xc0ef
#define COPY_SIZE ((size_t)16 << 10) /* on the stack, on its way to the guest */

struct static_file {
    struct file file;
    const struct mount *mount;
    int memory_fd; /* authenticated: the sealed copy, shared by all; -1: a secret's bytes */
    struct slice bytes;
    uint64_t size;
};

/* The sealed copy of each authenticated file that was opened once. Under g_lock. */
struct verified {
    int fd; /* 0: none yet */
    uint32_t
        number; /* it was the so-manieth; 0: of a child of vfork() alone, which closes nothing */
    uint64_t size;
};
static lock_word g_lock;
static uint32_t g_count; /* of copies; under g_lock */
LARGE_TABLE static struct verified g_verified[RUNTIME_FILE_RULES_MAX];

static struct static_file *static_of(struct file *f)
{
    return (struct static_file *)(void *)f;
}

const struct mount *static_file_mount(struct file *f)
{
    return f && f->ops == &static_file_ops ? static_of(f)->mount : NULL;
}

void static_file_after_fork(void)
{
    atomic_store(&g_lock, 0);
}

/* --- authenticated files --- */

static int read_whole(const char *path, void **ret_bytes, uint64_t *ret_size)
{
    int fd = host_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        return fd;
    uint64_t size;
    void *bytes = NULL;
    int r = host_fstat_size(fd, &size, NULL);
    if (r == 0 && size > AUTHENTICATED_SIZE_MAX)
        r = -EFBIG;
    if (r == 0 && !(bytes = malloc(size ? size : 1)))
        r = -ENOMEM;
    if (r == 0) {
        ssize_t n = host_pread(fd, bytes, size, 0);
        r = n == (ssize_t)size ? 0 : n < 0 ? (int)n : -EBADMSG;
    }
    host_close(fd);
    if (r < 0) {
        free(bytes);
        return r;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
}

static int seal_copy(const void *bytes, uint64_t size)
{
    const unsigned seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    long fd = host_call(SYS_memfd_create, "coffer-verified", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return (int)fd;
    int hidden = fd_hide((int)fd);
    if (hidden < 0)
        return hidden;
    int r = host_pwrite(hidden, bytes, size, 0);
    if (r == 0)
        r = (int)host_call(SYS_fcntl, hidden, F_ADD_SEALS, seals);
    if (r < 0)
        fd_hidden_close(hidden);
    return r < 0 ? r : hidden;
}

static int verify(const struct mount *mount, struct verified *ret)
{
    void *bytes;
    uint64_t size;
    uint8_t digest[SHA256_SIZE];
    int r = read_whole(mount->prefix, &bytes, &size);
    if (r < 0)
        return r;
    r = sha256(slice_of(bytes, size), digest);
    if (r == 0 && memcmp(digest, mount->rule->digest, sizeof digest) != 0) {
        LOG_ERROR("file is not the one the rule names: another is in its place; if that was an "
                  "update of yours, put its new SHA-256 into the policy",
                  LOG_TEXT("path", mount->prefix));
        r = -EBADMSG;
    }
    if (r == 0)
        r = seal_copy(bytes, size);
    free(bytes);
    if (r < 0)
        return r;
    *ret = (struct verified){.fd = r, .size = size};
    return 0;
}

uint32_t static_file_verified(void)
{
    lock_acquire(&g_lock);
    uint32_t count = g_count;
    lock_release(&g_lock);
    return count;
}

/* A child of vfork() has our memory but descriptors of its own: what it opens its parent does not have, and what
 * is opened beside it after it began it does not have either. A copy that it makes ends with it. */
static int verified_copy(const struct mount *mount, struct verified *ret)
{
    struct verified *slot = &g_verified[mount->rule - g_fs.config->file_rules];
    bool borrowed = process_self()->vfork_child;
    int r = 0;
    lock_acquire(&g_lock);
    if (slot->fd == 0 && !borrowed) {
        r = verify(mount, slot);
        slot->number = r < 0 ? 0 : ++g_count;
    }
    struct verified copy = *slot;
    lock_release(&g_lock);
    if (borrowed && (copy.fd == 0 || copy.number > process_self()->vfs_verified)) {
        copy = (struct verified){0};
        r = verify(mount, &copy);
    }
    *ret = copy;
    return r;
}

int static_file_open(const struct mount *mount, int flags, struct file **ret_file)
{
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))
        return -EROFS;
    struct static_file *sf = calloc(1, sizeof *sf);
    if (!sf)
        return -ENOMEM;
    sf->mount = mount;
    sf->memory_fd = -1;
    int r = 0;
    if (mount->kind == MOUNT_SECRET) {
        sf->bytes = mount->secret->bytes;
        sf->size = sf->bytes.size;
    } else {
        struct verified copy = {0};
        r = verified_copy(mount, &copy);
        sf->memory_fd = copy.fd;
        sf->size = copy.size;
    }
    if (r < 0) {
        free(sf);
        return r;
    }
    file_init(&sf->file, &static_file_ops, flags);
    *ret_file = &sf->file;
    return 0;
}

int static_file_statx(const struct mount *mount, struct statx *ret_stat)
{
    struct verified copy = {0};
    int r = mount->kind == MOUNT_SECRET ? 0 : verified_copy(mount, &copy);
    if (r < 0)
        return r;
    if (copy.fd != 0 && copy.number == 0)
        fd_hidden_close(copy.fd);
    uint64_t size = mount->kind == MOUNT_SECRET ? mount->secret->bytes.size : copy.size;
    unsigned mode = mount->kind == MOUNT_SECRET ? mount->secret->mode & 07777 : 0555;
    *ret_stat = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = 4096,
        .stx_nlink = 1,
        .stx_uid = mount->kind == MOUNT_SECRET ? fs_creds()->uid : 0,
        .stx_gid = mount->kind == MOUNT_SECRET ? fs_creds()->gid : 0,
        .stx_mode = (uint16_t)(S_IFREG | (mode ? mode : 0400)),
        .stx_ino = (uint64_t)(mount - g_fs.mounts) + 2,
        .stx_size = size,
        .stx_blocks = (size + 511) / 512,
        .stx_dev_minor = STATIC_DEVICE_MINOR,
    };
    return 0;
}

/* --- operations --- */

static int64_t copy_out(struct static_file *sf, void *to, size_t size, uint64_t offset)
{
    if (offset >= sf->size)
        return 0;
    size = (size_t)MIN((uint64_t)size, sf->size - offset);
    if (sf->memory_fd >= 0)
        return host_pread(sf->memory_fd, to, size, offset);
    memcpy(to, sf->bytes.bytes + offset, size);
    return (int64_t)size;
}

static int64_t static_read(struct file *f, const struct iovec *iov, int count, int64_t offset,
                           int flags)
{
    struct static_file *sf = static_of(f);
    uint8_t bytes[COPY_SIZE];
    (void)flags;
    if (atomic_load(&f->flags) & O_PATH)
        return -EBADF;
    uint64_t at = (uint64_t)(offset >= 0 ? offset : atomic_load(&f->offset));
    size_t total = guest_iov_size(iov, count), done = 0;
    int64_t r = 0;
    while (done < total) {
        size_t want = MIN(total - done, sizeof bytes);
        int64_t n = copy_out(sf, bytes, want, at + done);
        r = n > 0 ? guest_scatter(iov, count, done, bytes, (size_t)n) : n;
        if (r <= 0)
            break;
        done += (size_t)r;
        if (r < n || (size_t)n < want)
            break;
    }
    if (offset < 0)
        atomic_store(&f->offset, (int64_t)(at + done));
    return done > 0 ? (int64_t)done : r;
}

static int64_t static_write(struct file *f, const struct iovec *iov, int count, int64_t offset,
                            int flags)
{
    (void)f, (void)iov, (void)count, (void)offset, (void)flags;
    return -EBADF;
}

static int64_t static_seek(struct file *f, int64_t offset, int whence)
{
    int64_t size = (int64_t)static_of(f)->size;
    int64_t base = whence == SEEK_SET   ? 0
                   : whence == SEEK_CUR ? atomic_load(&f->offset)
                   : whence == SEEK_END ? size
                                        : -1;
    if (whence == SEEK_DATA || whence == SEEK_HOLE) {
        if (offset < 0 || offset >= size)
            return -ENXIO;
        base = whence == SEEK_DATA ? 0 : size - offset;
    }
    int64_t target;
    if (base < 0 || __builtin_add_overflow(base, offset, &target) || target < 0)
        return -EINVAL;
    atomic_store(&f->offset, target);
    return target;
}

static int64_t static_stat(struct file *f, struct statx *ret_stat)
{
    return static_file_statx(static_of(f)->mount, ret_stat);
}

static int64_t static_sync(struct file *f, bool data_only)
{
    (void)f, (void)data_only;
    return 0;
}

/* Nothing can change the bytes, so a shared mapping may be a private one. */
static int64_t static_mmap(struct file *f, void *addr, size_t size, int prot, int flags,
                           uint64_t offset)
{
    struct static_file *sf = static_of(f);
    bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
    if (shared && (prot & PROT_WRITE))
        return -EACCES;
    if (sf->memory_fd < 0)
        return file_mmap_private(f, addr, size, prot, (flags & ~MAP_TYPE) | MAP_PRIVATE, offset);
    return host_mmap((unsigned long)addr, size, prot, (flags & ~MAP_TYPE) | MAP_PRIVATE,
                     sf->memory_fd, offset);
}

static int64_t static_flock(struct file *f, int operation)
{
    (void)f, (void)operation;
    return 0; /* read-only and private to this family: nobody to exclude */
}

static int static_poll(struct file *f, int events, int *ret_host_events)
{
    (void)f;
    *ret_host_events = 0;
    return events & (0x0001 | 0x0004 | 0x0040 | 0x0100);
}

static void static_release(struct file *f)
{
    free(static_of(f));
}

/* Nobody can have it open for writing, so read locks never meet another. */
static int64_t static_fcntl(struct file *f, int cmd, unsigned long arg)
{
    struct flock want;
    bool gets = cmd == F_GETLK || cmd == F_OFD_GETLK;
    (void)f;
    if (!gets && cmd != F_SETLK && cmd != F_SETLKW && cmd != F_OFD_SETLK && cmd != F_OFD_SETLKW)
        return -EINVAL;
    int r = guest_get(&want, arg);
    if (r < 0)
        return r;
    if (want.l_type != F_RDLCK && want.l_type != F_WRLCK && (gets || want.l_type != F_UNLCK))
        return -EINVAL;
    if (!gets)
        return want.l_type == F_WRLCK ? -EBADF : 0;
    want.l_type = F_UNLCK;
    return guest_put(arg, &want);
}

static int64_t static_ioctl(struct file *f, unsigned long request, unsigned long arg)
{
    struct statx stat;
    if (request != FIONREAD)
        return -ENOTTY;
    int64_t r = static_stat(f, &stat);
    int64_t left = (int64_t)stat.stx_size - atomic_load(&f->offset);
    int answer = (int)MIN(MAX(left, (int64_t)0), (int64_t)INT_MAX);
    return r < 0 ? r : guest_put(arg, &answer);
}

const struct file_ops static_file_ops = {
    .name = "verified or secret file",
    .read = static_read,
    .write = static_write,
    .seek = static_seek,
    .stat = static_stat,
    .sync = static_sync,
    .ioctl = static_ioctl,
    .fcntl = static_fcntl,
    .flock = static_flock,
    .mmap = static_mmap,
    .poll = static_poll,
    .release = static_release,
};
