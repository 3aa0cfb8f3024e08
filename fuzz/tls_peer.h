/* SPDX-License-Identifier: Apache-2.0 */
/* What the TLS targets share: a host whose one socket has the input for a peer, cut into steps. */
#ifndef COFFER_FUZZ_TLS_PEER_H
#define COFFER_FUZZ_TLS_PEER_H

#include "platform/linux/linux.h"
#include "platform/ops.h"

#include <stdlib.h>
#include <sys/syscall.h>

#define HOLDS(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static struct slice g_left;
static size_t g_step;

/* The host: a socket whose peer is the input. */
static long fuzz_call(long nr, const long args[6])
{
    if (nr == SYS_sendto)
        return args[2];
    if (nr != SYS_recvfrom)
        return linux_call(nr, args);
    size_t n = MIN(g_left.size, g_step);
    n = MIN(n, (size_t)args[2]);
    if (n > 0)
        memcpy((void *)args[1], g_left.bytes, n);
    g_left = slice_of(g_left.bytes + n, g_left.size - n);
    return (long)n;
}

static const struct platform_ops fuzz_platform = {.name = "fuzz", .call = fuzz_call};

#endif
