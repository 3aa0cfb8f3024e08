/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/block.h"
#include "platform/ops.h"
#include "runtime/thread.h"

int64_t rt_block_args(long nr, const long args[6])
{
    return platform()->call_unless((const volatile uint32_t *)&thread_self()->work, nr, args);
}
