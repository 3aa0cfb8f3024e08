/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-runtime-liar, for tests: the same runtime on a host that lies once. The environment says
 * about which call: COFFER_LIAR=NUMBER,NTH,LIE. With COFFER_LIAR_REPORT=FILE in place of that it
 * tells the truth and writes one line for every number: how many calls, how many lies. */
#include "platform/liar/liar.h"
#include "platform/linux/linux.h"
#include "platform/linux/sim_device.h"
#include "runtime/runtime.h"
#include "runtime/syscall/shape.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static const char *g_report;
static struct platform_ops g_ops;

static const char *value_of(char **envp, const char *name)
{
    size_t len = strlen(name);
    for (; *envp; envp++)
        if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
            return *envp + len + 1;
    return NULL;
}

static long own_call(long nr, long a, long b, long c, long d)
{
    return linux_call(nr, (const long[6]){a, b, c, d});
}

static void say(const char *file, const char *line, int len)
{
    long fd = own_call(SYS_openat, AT_FDCWD, (long)file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)own_call(SYS_write, fd, (long)line, len, 0);
    (void)own_call(SYS_close, fd, 0, 0, 0);
}

static void report(void)
{
    char line[64];
    for (long nr = 0; g_report && nr < LIAR_CALLS; nr++) {
        if (liar_count(nr) == 0)
            continue;
        int len =
            snprintf(line, sizeof line, "%ld %u %u\n", nr, liar_count(nr), liar_lies_seen(nr));
        say(g_report, line, len);
    }
}

static long liar_to_the_end(long nr, const long args[6])
{
    static const char broken[] = "coffer-runtime-liar: memory of the runtime was written to\n";
    if (nr == SYS_exit_group) {
        report();
        if (!liar_memory_is_whole())
            (void)own_call(SYS_write, 2, (long)broken, sizeof broken - 1, 0);
    }
    return platform_liar.call(nr, args);
}

const struct platform_ops *runtime_platform(char **envp)
{
    const char *plan = value_of(envp, "COFFER_LIAR");
    liar_start(shape_of_call);
    g_report = value_of(envp, "COFFER_LIAR_REPORT");
    if (plan) {
        char *end;
        long nr = strtol(plan, &end, 10);
        unsigned nth = *end ? (unsigned)strtoul(end + 1, &end, 10) : 0;
        liar_plan(nr, nth, *end ? (unsigned)strtoul(end + 1, NULL, 10) : 0);
    }
    g_ops = platform_liar;
    g_ops.call = liar_to_the_end;
    g_ops.seal_key = sim_device_seal_key;
    g_ops.evidence = sim_device_evidence;
    return &g_ops;
}
