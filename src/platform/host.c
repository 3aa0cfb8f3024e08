/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/host.h"
#include "platform/ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#define PAGE_SIZE 4096ul
#define ADDRESS_MAX 0x7ffffffff000ul /* user addresses of x86-64 end here */
#define STACK_NEAR 8192ul            /* around the caller's frame there is its stack, for sure */

enum { ERRNO_MAX = 4095, LIST_BUFFER_SIZE = 4096, IOV_COUNT_MAX = 64 };

/* What each call may answer, zero-terminated. EBADF, EFAULT and the like would be our own mistake
 * or a lie; they are not listed. */
static const short ERRNOS_OF_OPEN[] = {
    EACCES, EEXIST, EISDIR, ELOOP,      EMFILE, ENAMETOOLONG, ENFILE, ENODEV,  ENOENT,
    ENOMEM, ENOSPC, ENXIO,  EOPNOTSUPP, EPERM,  EROFS,        ESTALE, ETXTBSY, ENOTDIR,
    EDQUOT, EIO,    EBUSY,  EFBIG,      EINVAL, EAGAIN,       0};
static const short ERRNOS_OF_IO[] = {EIO,    ENOSPC, EDQUOT, EFBIG,  EROFS,
                                     ESTALE, EPERM,  EAGAIN, ENOMEM, EOPNOTSUPP,
                                     EINVAL, ENXIO,  EISDIR, ENODEV, 0};
static const short ERRNOS_OF_NAMES[] = {
    EACCES, EBUSY,  EDQUOT,  EEXIST,    EISDIR, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOMEM,
    ENOSPC, EINVAL, ENOTDIR, ENOTEMPTY, EPERM,  EROFS, EXDEV,  ESTALE,       EIO,    0};
static const short ERRNOS_OF_LOCK[] = {EAGAIN, EACCES, ENOLCK, EDEADLK, EINVAL, EIO, EOPNOTSUPP, 0};

long host_call6(long nr, long a, long b, long c, long d, long e, long f)
{
    return platform()->call(nr, (const long[6]){a, b, c, d, e, f});
}

static int errno_allow(long result, const short *allowed)
{
    if (result >= -ERRNO_MAX && result < 0)
        for (; *allowed; allowed++)
            if (result == -*allowed)
                return (int)result;
    return -EPERM;
}

/* For calls that return 0 or an error. */
static int judge_zero(long result, const short *allowed)
{
    return result == 0 ? 0 : errno_allow(result, allowed);
}

#define RETRY(call)               \
    __extension__({               \
        long retry_;              \
        do                        \
            retry_ = (call);      \
        while (retry_ == -EINTR); \
        retry_;                   \
    })

int host_openat(int dir_fd, const char *path, int flags, unsigned mode)
{
    long fd = RETRY(host_call(SYS_openat, dir_fd, path, flags, mode));
    if (fd < 0)
        return errno_allow(fd, ERRNOS_OF_OPEN);
    return fd <= INT32_MAX ? (int)fd : -EPROTO;
}

void host_close(int fd)
{
    if (fd >= 0)
        (void)host_call(SYS_close, fd);
}

ssize_t host_pread(int fd, void *bytes, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        long n =
            RETRY(host_call(SYS_pread64, fd, (char *)bytes + done, size - done, offset + done));
        if (n < 0)
            return errno_allow(n, ERRNOS_OF_IO);
        if ((size_t)n > size - done)
            return -EPROTO;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int host_pwrite(int fd, const void *bytes, size_t size, uint64_t offset)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, size};
    return host_pwritev(fd, &iov, 1, offset);
}

/* Drops what was written from the front. */
static void iov_advance(struct iovec **iov, int *count, size_t n)
{
    while (*count > 0 && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (*count > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

int host_pwritev(int fd, const struct iovec *iov, int count, uint64_t offset)
{
    struct iovec left[IOV_COUNT_MAX];
    size_t size = 0;
    if (count < 0 || count > IOV_COUNT_MAX)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        left[i] = iov[i];
        if (__builtin_add_overflow(size, iov[i].iov_len, &size))
            return -EINVAL;
    }
    struct iovec *at = left;
    while (size > 0) {
        long n = RETRY(host_call(SYS_pwritev, fd, at, count, offset, 0));
        if (n < 0)
            return errno_allow(n, ERRNOS_OF_IO);
        if ((size_t)n > size)
            return -EPROTO;
        if (n == 0)
            return -EIO;
        iov_advance(&at, &count, (size_t)n);
        size -= (size_t)n;
        offset += (size_t)n;
    }
    return 0;
}

int host_fdatasync(int fd)
{
    return judge_zero(RETRY(host_call(SYS_fdatasync, fd)), ERRNOS_OF_IO);
}

int host_fsync(int fd)
{
    return judge_zero(RETRY(host_call(SYS_fsync, fd)), ERRNOS_OF_IO);
}

int host_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
    return judge_zero(RETRY(host_call(SYS_fallocate, fd, mode, offset, size)), ERRNOS_OF_IO);
}

int host_ftruncate(int fd, uint64_t size)
{
    return judge_zero(RETRY(host_call(SYS_ftruncate, fd, size)), ERRNOS_OF_IO);
}

int host_fstat_size(int fd, uint64_t *ret_size, uint64_t *ret_allocated)
{
    struct stat st = {0};
    int r = judge_zero(host_call(SYS_fstat, fd, &st), ERRNOS_OF_IO);
    if (r < 0)
        return r;
    if (st.st_size < 0 || st.st_blocks < 0 || st.st_blocks > INT64_MAX / 512)
        return -EPROTO;
    if (ret_size)
        *ret_size = (uint64_t)st.st_size;
    if (ret_allocated)
        *ret_allocated = (uint64_t)st.st_blocks * 512;
    return 0;
}

int host_unlinkat(int dir_fd, const char *path, int flags)
{
    return judge_zero(RETRY(host_call(SYS_unlinkat, dir_fd, path, flags)), ERRNOS_OF_NAMES);
}

int host_renameat(int dir_fd, const char *path, int new_dir_fd, const char *new_path)
{
    return judge_zero(RETRY(host_call(SYS_renameat, dir_fd, path, new_dir_fd, new_path)),
                      ERRNOS_OF_NAMES);
}

int host_mkdirat(int dir_fd, const char *path, unsigned mode)
{
    return judge_zero(RETRY(host_call(SYS_mkdirat, dir_fd, path, mode)), ERRNOS_OF_NAMES);
}

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

static bool overlaps(uint64_t from, uint64_t size, uint64_t other_from, uint64_t other_to)
{
    return from < other_to && other_from < from + size;
}

static long judge_address(long at, size_t size, unsigned long wanted)
{
    uint64_t from = (uint64_t)at, stack = (uint64_t)__builtin_frame_address(0);
    if (at < 0 && at >= -ERRNO_MAX)
        return at;
    if (from % PAGE_SIZE != 0 || from < PAGE_SIZE || size > ADDRESS_MAX ||
        from > ADDRESS_MAX - size || (wanted != 0 && from != wanted))
        return -EPROTO;
    if (overlaps(from, size, (uint64_t)__ehdr_start, (uint64_t)_end) ||
        overlaps(from, size, stack - STACK_NEAR, stack + STACK_NEAR))
        return -EPROTO;
    return at;
}

long host_mmap(unsigned long address, size_t size, int prot, int flags, int fd, uint64_t offset)
{
    long at = host_call(SYS_mmap, address, size, prot, flags, fd, offset);
    bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    return judge_address(at, size, fixed ? address : 0);
}

long host_mremap(unsigned long old, size_t old_size, size_t size, int flags, unsigned long target)
{
    long at = host_call(SYS_mremap, old, old_size, size, flags, target);
    unsigned long wanted = flags & MREMAP_FIXED ? target : flags & MREMAP_MAYMOVE ? 0 : old;
    return judge_address(at, size, wanted);
}

/* One struct linux_dirent64 at `at`; its size, or 0 if it is malformed. */
static size_t entry_parse(const uint8_t *at, size_t left, const char **ret_name)
{
    const size_t name_at = offsetof(struct dirent64, d_name);
    uint16_t size;
    if (left < name_at + 2)
        return 0;
    memcpy(&size, at + offsetof(struct dirent64, d_reclen), sizeof size);
    if (size > left || size < name_at + 2)
        return 0;
    const char *name = (const char *)at + name_at;
    size_t len = strnlen(name, size - name_at);
    if (len == 0 || len == size - name_at || len > 255 || memchr(name, '/', len))
        return 0;
    *ret_name = name;
    return size;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int host_list(int dir_fd, host_entry_fn *each, void *ctx)
{
    _Alignas(8) uint8_t buffer[LIST_BUFFER_SIZE];
    size_t entries = 0;
    for (;;) {
        long n = RETRY(host_call(SYS_getdents64, dir_fd, buffer, sizeof buffer));
        if (n < 0)
            return errno_allow(n, ERRNOS_OF_NAMES);
        if (n == 0)
            return 0;
        if ((size_t)n > sizeof buffer)
            return -EPROTO;
        for (size_t at = 0, size; at < (size_t)n; at += size) {
            const char *name;
            size = entry_parse(buffer + at, (size_t)n - at, &name);
            if (size == 0 || ++entries > HOST_ENTRIES_MAX)
                return -EPROTO;
            int r = is_dots(name) ? 0 : each(ctx, name);
            if (r != 0)
                return r;
        }
    }
}

int host_lock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int r = judge_zero(RETRY(host_call(SYS_fcntl, fd, F_OFD_SETLK, &lock)), ERRNOS_OF_LOCK);
    return r == -EACCES ? -EAGAIN : r;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts = {0};
    if (host_call(SYS_clock_gettime, clock, &ts) != 0 || ts.tv_sec < 0 || ts.tv_nsec < 0 ||
        ts.tv_nsec >= 1000000000 || ts.tv_sec > INT64_MAX / 1000000000 - 1)
        return 0;
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t host_realtime_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int64_t host_monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}
