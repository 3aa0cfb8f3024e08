/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/block.h: host calls that may wait, on behalf of a guest.
 *
 * rt_block(SYS_poll, fds, 1, -1) makes the call so that a guest's signal ends it. Besides the
 * call's own results it gives
 *   -EINTR            interrupted, and this call is never restarted (poll, nanosleep, ...)
 *   -RT_ERESTARTSYS   interrupted: restarted if the signal's handler has SA_RESTART, else EINTR
 *   -RT_ERESTARTNOINTR a signal came before the call began: always restarted
 * A handler returns these as they are when nothing has happened yet that the guest could see; a
 * part already done is returned as a short count. Once one of them was returned, every further
 * rt_block() of the same system call fails at once: finish up and return. */
#ifndef COFFER_RUNTIME_BLOCK_H
#define COFFER_RUNTIME_BLOCK_H

#include "base/macros.h"

#include <errno.h>
#include <stdint.h>

#define RT_ERESTARTSYS 512
#define RT_ERESTARTNOINTR 513

int64_t rt_block_args(long nr, const long args[6]);

#define rt_block(nr, ...) \
    rt_block_args((nr), (const long[6]){RT_BLOCK_ARGS(, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)})
#define RT_BLOCK_ARGS(skip, a, b, c, d, e, f, ...) \
    (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)

/* True for the results above that mean "a signal came". */
static inline bool rt_was_interrupted(int64_t r)
{
    return r == -EINTR || r == -RT_ERESTARTSYS || r == -RT_ERESTARTNOINTR;
}

#endif
