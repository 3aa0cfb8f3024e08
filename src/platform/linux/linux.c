/* SPDX-License-Identifier: Apache-2.0 */
/* The `sim` platform: a plain Linux process. Nothing protects its memory. */
#include "platform/linux/linux.h"

#include "platform/linux/sim_device.h"
#include "platform/ops.h"

#include <errno.h>
#include <sys/syscall.h>

/* Not libc's syscall(): the runtime calls this without a thread-local errno in reach, and from the
 * one stretch of text that system-call dispatch lets through. */
long linux_call(long nr, const long args[6])
{
    /* All read before the registers are set: a sanitizer makes a call of each read. */
    long a = args[0], b = args[1], c = args[2], d = args[3], e = args[4], f = args[5];
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

int linux_random(void *bytes, size_t size)
{
    char *at = bytes;
    while (size > 0) {
        long n = linux_call(SYS_getrandom, (const long[6]){(long)at, (long)size, 0});
        if (n == -EINTR)
            continue;
        if (n <= 0 || (size_t)n > size)
            return -EIO;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

const struct platform_ops platform_sim = {
    .name = "sim",
    .call = linux_call,
    .call_unless = linux_call_unless,
    .random = linux_random,
    .seal_key = sim_device_seal_key,
    .evidence = sim_device_evidence,
};
