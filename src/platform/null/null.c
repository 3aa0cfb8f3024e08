/* SPDX-License-Identifier: Apache-2.0 */
/* The platform without a host: every entry is there and fails politely. */
#include "platform/ops.h"

#include <errno.h>

static long null_call(long nr, const long args[6])
{
    (void)nr;
    (void)args;
    return -ENOSYS;
}

static long null_call_unless(const volatile uint32_t *stop, long nr, const long args[6])
{
    (void)stop;
    return null_call(nr, args);
}

static int null_random(void *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    return -EIO;
}

static int null_seal_key(struct slice label, struct key256 *ret_key, struct error *e)
{
    (void)label;
    (void)ret_key;
    return error_set(e, -EOPNOTSUPP, "this platform has no sealing key");
}

static int null_evidence(const uint8_t report_data[REPORT_DATA_SIZE], struct buf *ret_evidence,
                         struct error *e)
{
    (void)report_data;
    (void)ret_evidence;
    return error_set(e, -EOPNOTSUPP, "this platform makes no evidence");
}

const struct platform_ops platform_null = {
    .name = "null",
    .call = null_call,
    .call_unless = null_call_unless,
    .random = null_random,
    .seal_key = null_seal_key,
    .evidence = null_evidence,
};
