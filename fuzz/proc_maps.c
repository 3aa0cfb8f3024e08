/* SPDX-License-Identifier: Apache-2.0 */
/* The host's text of /proc/self/maps, smaps or numa_maps: whatever it says, what the guest is shown of
 * maps names its own ranges alone, or the kernel's pages. The input: which file, two ranges, the text. */
#include "platform/ops.h"
#include "runtime/memory/memory.h"
#include "runtime/syscall/call.h"
#include "runtime/vfs/proc_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* The rest of the runtime is not here, and not asked. */
int64_t sys_pass(struct syscall_call *c)
{
    (void)c;
    return -ENOSYS;
}
int64_t sys_bind(struct syscall_call *c)
{
    return sys_pass(c);
}
int64_t sys_connect(struct syscall_call *c)
{
    return sys_pass(c);
}

enum { SHOWN_MAX = 1 << 20, FD_TEXT = 100, FD_SHOWN = 101 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice g_text;
static uint64_t g_ranges[2][2];
static char g_shown[SHOWN_MAX + 1];
static size_t g_shown_size;

void memory_each(memory_range_fn *each, void *ctx)
{
    for (int i = 0; i < 2; i++)
        if (g_ranges[i][0] < g_ranges[i][1])
            each(ctx, g_ranges[i][0], g_ranges[i][1]);
}

void memory_names(struct memory_names *ret_names)
{
    *ret_names = (struct memory_names){0};
}

static long take(const void *bytes, size_t size)
{
    size_t n = MIN(size, SHOWN_MAX - g_shown_size);
    memcpy(g_shown + g_shown_size, bytes, n);
    g_shown_size += n;
    return (long)size;
}

/* Opens, reads from the input, and keeps what is written. */
static long host(long nr, const long a[6])
{
    switch (nr) {
    case SYS_openat:
        return strstr((const char *)a[1], "/fd/") ? -EACCES : FD_TEXT; /* NOLINT */
    case SYS_memfd_create:
        return FD_SHOWN;
    case SYS_pread64: {
        size_t at = (size_t)a[3];
        size_t n = at < g_text.size ? MIN(g_text.size - at, (size_t)a[2]) : 0;
        memcpy((void *)a[1], g_text.bytes + at, n); /* NOLINT(performance-no-int-to-ptr) */
        return (long)n;
    }
    case SYS_pwritev: {
        const struct iovec *iov = (const struct iovec *)a[1]; /* NOLINT */
        return take(iov->iov_base, iov->iov_len);
    }
    default:
        return 0;
    }
}

static bool is_guests(uint64_t from, uint64_t to)
{
    for (int i = 0; i < 2; i++)
        if (g_ranges[i][0] <= from && to <= g_ranges[i][1])
            return true;
    return false;
}

/* Each line that begins as one of a mapping does. */
static void check(void)
{
    char *rest = g_shown, *line;
    g_shown[g_shown_size] = '\0';
    while ((line = strsep(&rest, "\n"))) {
        uint64_t from, to;
        char perms[5];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4[rwxps-] %*x %*x:%*x %*u", &from, &to, perms) ==
                3 &&
            from < to && !strstr(line, "[v") && !is_guests(from, to))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct platform_ops ops = {.name = "fuzz", .call = host};
    static const char *const files[] = {"maps", "smaps", "numa_maps"};
    if (size < 1 + sizeof g_ranges)
        return 0;
    platform_set(&ops);
    const char *file = files[data[0] % 3];
    memcpy(g_ranges, data + 1, sizeof g_ranges);
    for (int i = 0; i < 4; i++)
        g_ranges[i / 2][i % 2] &= 0x7ffffffff000;
    if (g_ranges[1][0] < g_ranges[0][1])
        g_ranges[1][0] = g_ranges[1][1] = 0; /* in order, as the guest's are */
    g_text = slice_of(data + 1 + sizeof g_ranges, size - 1 - sizeof g_ranges);
    g_shown_size = 0;
    (void)!proc_memory_open(file, 0);
    if (strcmp(file, "maps") == 0)
        check();
    return 0;
}
