/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of the box and what is printed of them. */
#include "platform/box/internal.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static _Atomic unsigned long g_counts[COUNT_KINDS][BOX_CALLS];
static _Atomic unsigned long g_in, g_out;

void box_count(enum box_count kind, long nr)
{
    atomic_fetch_add(&g_counts[kind][(unsigned long)nr < BOX_CALLS ? nr : BOX_CALLS - 1], 1);
}

void box_bytes(size_t in, size_t out)
{
    atomic_fetch_add(&g_in, in);
    atomic_fetch_add(&g_out, out);
}

unsigned long box_violations(void)
{
    unsigned long sum = 0;
    for (int kind = COUNT_NO_SHAPE; kind < COUNT_KINDS; kind++)
        for (int nr = 0; nr < BOX_CALLS; nr++)
            sum += atomic_load(&g_counts[kind][nr]);
    return sum;
}

/* Appends one line through the gate: the report's own bytes are in the exchange area too. */
static void say(long fd, const char *line, int len)
{
    struct exchange_frame frame = {.count = 0};
    char *bytes = len > 0 ? exchange_take(&frame, (size_t)len) : NULL;
    if (bytes) {
        memcpy(bytes, line, (size_t)len);
        (void)box_gate(SYS_write, (const long[6]){fd, (long)bytes, len});
    }
    exchange_release(&frame);
}

static unsigned long total(enum box_count kind)
{
    unsigned long sum = 0;
    for (int nr = 0; nr < BOX_CALLS; nr++)
        sum += atomic_load(&g_counts[kind][nr]);
    return sum;
}

static void say_kind(long fd, enum box_count kind)
{
    static const char *const words[] = {"call",     "exception", "refused",
                                        "no shape", "outside",   "address as a value"};
    for (int nr = 0; nr < BOX_CALLS; nr++) {
        unsigned long count = atomic_load(&g_counts[kind][nr]);
        char line[256];
        if (count == 0)
            continue;
        const char *name = g_box->call_name(nr), *why = box_rule_of(nr)->why;
        int n =
            snprintf(line, sizeof line, "box: %s %s %lu%s%s\n", words[kind], name ? name : "?",
                     count, kind < COUNT_NO_SHAPE ? ": " : "", kind < COUNT_NO_SHAPE ? why : "");
        say(fd, line, MIN(n, (int)sizeof line - 1));
    }
}

int box_end(const char *report, int status)
{
    unsigned long violations = box_violations();
    char line[256];
    long fd = 2;
    if (report) {
        struct exchange_frame frame = {.count = 0};
        size_t size = strlen(report) + 1;
        char *path = exchange_take(&frame, size);
        if (path) {
            memcpy(path, report, size);
            fd = box_gate(SYS_openat,
                          (const long[6]){AT_FDCWD, (long)path,
                                          O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600});
        }
        exchange_release(&frame);
    }
    if (report || violations > 0) {
        for (int kind = COUNT_EXCEPTED; kind < COUNT_KINDS; kind++)
            say_kind(fd, (enum box_count)kind);
        int n = snprintf(line, sizeof line,
                         "box: calls %lu, bytes in %lu, out %lu, refused %lu, violations %lu\n",
                         total(COUNT_CALLS), atomic_load(&g_in), atomic_load(&g_out),
                         total(COUNT_REFUSED), violations);
        say(fd, line, n);
    }
    return violations > 0 ? BOX_STATUS : status;
}
