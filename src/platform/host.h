/* SPDX-License-Identifier: Apache-2.0 */
/* platform/host.h: host calls whose answers have been judged.
 *
 * Each wrapper makes its call through platform()->call(). A length that exceeds what was asked for
 * is -EPROTO, an error that the call cannot give becomes -EPERM, EINTR is retried. What was read
 * may still be any bytes at all. No state; safe on any thread. */
#ifndef COFFER_PLATFORM_HOST_H
#define COFFER_PLATFORM_HOST_H

#include "base/macros.h"
#include "base/slice.h"

#include <stdbool.h>
#include <sys/types.h>

struct iovec;

/* The call itself, unjudged: for calls without a wrapper. -4095..-1 are errors. */
long host_call6(long nr, long a, long b, long c, long d, long e, long f);
#define HOST_CALL_PICK(_1, _2, _3, _4, _5, _6, _7, name, ...) name
#define host_call(...)                                                                           \
    HOST_CALL_PICK(__VA_ARGS__, HOST_CALL_6, HOST_CALL_5, HOST_CALL_4, HOST_CALL_3, HOST_CALL_2, \
                   HOST_CALL_1, HOST_CALL_0, )                                                   \
    (__VA_ARGS__)
#define HOST_CALL_0(nr) host_call6((nr), 0, 0, 0, 0, 0, 0)
#define HOST_CALL_1(nr, a) host_call6((nr), (long)(a), 0, 0, 0, 0, 0)
#define HOST_CALL_2(nr, a, b) host_call6((nr), (long)(a), (long)(b), 0, 0, 0, 0)
#define HOST_CALL_3(nr, a, b, c) host_call6((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define HOST_CALL_4(nr, a, b, c, d) \
    host_call6((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define HOST_CALL_5(nr, a, b, c, d, e) \
    host_call6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define HOST_CALL_6(nr, a, b, c, d, e, f) \
    host_call6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* The descriptor (>= 0) or -errno. `mode` matters with O_CREAT and O_TMPFILE. */
must_check int host_openat(int dir_fd, const char *path, int flags, unsigned mode);

/* The descriptor is gone whatever the host says. */
void host_close(int fd);

/* All of `size`, or fewer at the end of the file; returns how many. */
must_check ssize_t host_pread(int fd, void *bytes, size_t size, uint64_t offset);

/* All of `size` or an error, after which any part may have been written. A host that takes nothing
 * is -EIO. */
must_check int host_pwrite(int fd, const void *bytes, size_t size, uint64_t offset);
must_check int host_pwritev(int fd, const struct iovec *iov, int count, uint64_t offset);

must_check int host_fdatasync(int fd);
must_check int host_fsync(int fd);
must_check int host_fallocate(int fd, int mode, uint64_t offset, uint64_t size);
must_check int host_ftruncate(int fd, uint64_t size);

/* The size in bytes and the bytes allocated; either may be NULL. */
must_check int host_fstat_size(int fd, uint64_t *ret_size, uint64_t *ret_allocated);

must_check int host_unlinkat(int dir_fd, const char *path, int flags);
must_check int host_renameat(int dir_fd, const char *path, int new_dir_fd, const char *new_path);
must_check int host_mkdirat(int dir_fd, const char *path, unsigned mode);

/* mmap(2) and mremap(2) whose answer has been looked at: a page of the process's half of memory, where
 * it was wanted if that was fixed, and never over this program's own image or the caller's stack. The
 * address or -errno; -EPROTO: a lie, and nothing is known about where a mapping is. */
must_check long host_mmap(unsigned long address, size_t size, int prot, int flags, int fd,
                          uint64_t offset);
must_check long host_mremap(unsigned long old, size_t old_size, size_t size, int flags,
                            unsigned long target);

/* Calls `each` for every entry of the directory but "." and ".."; a return other than 0 stops and
 * is returned. Names are NUL-terminated, 1..255 bytes, without '/'. An endless or malformed listing
 * is -EPROTO. Reads from the descriptor's position, which must be at the start. */
#define HOST_ENTRIES_MAX ((size_t)1 << 20)
typedef int host_entry_fn(void *ctx, const char *name);
must_check int host_list(int dir_fd, host_entry_fn *each, void *ctx);

/* An exclusive lock on the open file description. -EAGAIN: somebody else holds it. */
must_check int host_lock(int fd);

/* Nanoseconds. Never negative; 0 if the host has no such clock. The host may lie: use for display
 * and for how long to wait, not for a security decision. */
int64_t host_realtime_ns(void);
int64_t host_monotonic_ns(void);

#endif
