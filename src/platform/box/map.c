/* SPDX-License-Identifier: Apache-2.0 */
/* mmap in the box: anonymous memory is the process's own, a private mapping of a file is a copy of
 * its bytes, a shared one does not exist. */
#include "platform/box/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static bool is_error(long r)
{
    return r < 0 && r >= -4095;
}

/* The bytes of the file from `offset` on, as far as there are any. */
static long fill(long fd, uint8_t *at, size_t size, long offset)
{
    for (size_t done = 0; done < size;) {
        struct exchange_frame frame = {.count = 0};
        size_t piece = MIN(size - done, EXCHANGE_BLOCK_MAX);
        uint8_t *bytes = exchange_take(&frame, piece);
        long n = -ENOMEM;
        if (bytes)
            n = box_gate(SYS_pread64,
                         (const long[6]){fd, (long)bytes, (long)piece, offset + (long)done});
        if (n > (long)piece)
            n = -EPROTO;
        if (n > 0 && g_box->copy(at + done, bytes, (size_t)n) < 0)
            n = -EFAULT;
        exchange_release(&frame);
        if (n <= 0)
            return n;
        box_bytes(0, (size_t)n);
        done += (size_t)n;
    }
    return 0;
}

/* What mmap says where pread said `r`. */
static long refusal(long fd, long r)
{
    if (r == -EBADF) /* no such descriptor, or one that cannot be read */
        return box_gate(SYS_fcntl, (const long[6]){fd, F_GETFD}) < 0 ? -EBADF : -EACCES;
    return r == -ESPIPE || r == -EISDIR ? -ENODEV : r;
}

long box_map(const long args[6])
{
    long flags = args[3], prot = args[2];
    bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
    if (flags & MAP_ANONYMOUS) { /* shared with children, of which there are none */
        flags = (flags & ~(long)MAP_TYPE) | MAP_PRIVATE;
        return box_gate(SYS_mmap, (const long[6]){args[0], args[1], prot, flags, -1, 0});
    }
    if (shared) {
        box_count(COUNT_REFUSED, SYS_mmap);
        return -ENODEV;
    }
    long at = box_gate(SYS_mmap, (const long[6]){args[0], args[1], PROT_READ | PROT_WRITE,
                                                 flags | MAP_ANONYMOUS, -1, 0});
    if (is_error(at))
        return at;
    long r = fill(args[4], (uint8_t *)at, /* NOLINT(performance-no-int-to-ptr) */
                  (size_t)args[1], args[5]);
    if (r == 0 && prot != (PROT_READ | PROT_WRITE))
        r = box_gate(SYS_mprotect, (const long[6]){at, args[1], prot});
    if (r < 0) {
        (void)box_gate(SYS_munmap, (const long[6]){at, args[1]});
        return refusal(args[4], r);
    }
    return at;
}
