/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/process/exposure.h"
#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/process/process.h"
#include "runtime/syscall/call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define STAT_FIELDS 52

/* What the guest believes where the host is told something else. */
static _Atomic int g_dumpable = 1;

static bool is_closed(const struct runtime_config *config)
{
    return config->has_policy && !config->insecure_debug;
}

int exposure_close(void)
{
    return (int)host_call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int exposure_start(const struct runtime_config *config, bool continues)
{
    if (is_closed(config))
        return exposure_close();
    return continues ? (int)host_call(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0) : 0;
}

void exposure_exec(void)
{
    atomic_store(&g_dumpable, 1);
    if (!is_closed(g_config))
        (void)host_call(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

int64_t exposure_prctl(struct syscall_call *c)
{
    if (!is_closed(g_config))
        return sys_pass(c);
    if ((int)c->args[0] == PR_GET_DUMPABLE)
        return atomic_load(&g_dumpable);
    if (c->args[1] > 1)
        return -EINVAL;
    atomic_store(&g_dumpable, (int)c->args[1]);
    return 0;
}

/* Only in coffer-runtime: where it began from an image, it knows without asking. */
__attribute__((weak)) bool image_mm(struct prctl_mm_map *ret);

/* The numbers of /proc/self/stat by their place in proc(5), from 1; the name in field 2 may hold
 * anything. */
static int read_stat(uint64_t fields[STAT_FIELDS + 1])
{
    char text[2048];
    int fd = host_openat(AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long size = host_call(SYS_read, fd, text, sizeof text - 1);
    host_close(fd);
    if (size <= 0 || size >= (long)sizeof text)
        return -EIO;
    text[size] = '\0';
    char *at = strrchr(text, ')');
    if (!at || strlen(at) < 4)
        return -EIO;
    at += 3; /* over the state, field 3 */
    for (int i = 4; i <= STAT_FIELDS; i++)
        fields[i] = strtoull(at, &at, 10);
    return 0;
}

static int read_map(struct prctl_mm_map *ret)
{
    uint64_t stat[STAT_FIELDS + 1] = {0};
    int r = read_stat(stat);
    *ret = (struct prctl_mm_map){
        .start_code = stat[26],
        .end_code = stat[27],
        .start_data = stat[45],
        .end_data = stat[46],
        .start_brk = stat[47],
        .start_stack = stat[28],
        .exe_fd = (uint32_t)-1,
    };
    return r;
}

void exposure_strings(const struct exposed_strings *at)
{
    struct prctl_mm_map map = {0};
    /* An enclave's memory is nothing that the host could show. */
    if (g_config->has_policy || platform()->enclave)
        return;
    if (!(image_mm && image_mm(&map)) && read_map(&map) < 0)
        return;
    map.brk = (uint64_t)host_call(SYS_brk, 0);
    map.arg_start = at->arguments;
    map.arg_end = at->arguments_end;
    map.env_start = at->environment;
    map.env_end = at->environment_end;
    (void)host_call(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
}
