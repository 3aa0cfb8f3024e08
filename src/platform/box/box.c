/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/box/box.h"

#include "platform/box/internal.h"
#include "platform/linux/linux.h"
#include "platform/linux/sim_device.h"

#include <errno.h>
#include <sys/syscall.h>

const struct box_runtime *g_box;
static const char *g_report;

static long box_do(const volatile uint32_t *stop, long nr, const long args[6])
{
    const struct box_rule *rule = box_rule_of(nr);
    box_count(COUNT_CALLS, nr);
    switch ((enum box_kind)rule->kind) {
    case BOX_REFUSED:
        box_count(COUNT_REFUSED, nr);
        return -rule->error;
    case BOX_MAPPED:
        box_count(COUNT_EXCEPTED, nr);
        return box_map(args);
    case BOX_EXCEPTED:
        box_count(COUNT_EXCEPTED, nr);
        return box_pass(stop, nr, args, true);
    case BOX_COPIED:
        break;
    }
    if (nr == SYS_exit_group) {
        const long end[6] = {box_end(g_report, (int)args[0])};
        return box_gate(nr, end);
    }
    return box_pass(stop, nr, args, false);
}

static long box_call(long nr, const long args[6])
{
    return box_do(NULL, nr, args);
}

/* The guest's own calls too: a signal ends the call, not the copying around it. */
static long box_call_unless(const volatile uint32_t *stop, long nr, const long args[6])
{
    return box_do(stop, nr, args);
}

/* From the host, through the area. SGX: RDRAND, which the host does not see. */
static int box_random(void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        const long args[6] = {(long)bytes + (long)done, (long)(size - done)};
        long n = box_call(SYS_getrandom, args);
        if (n == -EINTR)
            continue;
        if (n <= 0 || (size_t)n > size - done)
            return -EIO;
        done += (size_t)n;
    }
    return 0;
}

int box_start(const struct box_runtime *runtime, const char *report)
{
    g_box = runtime;
    g_report = report;
    return exchange_start();
}

const struct platform_ops platform_box = {
    .name = "box",
    .enclave = true,
    .call = box_call,
    .call_unless = box_call_unless,
    .random = box_random,
    .seal_key = sim_device_seal_key,
    .evidence = sim_device_evidence,
};
