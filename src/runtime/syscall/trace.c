/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/syscall/trace.h"

#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/fd.h"
#include "runtime/guest.h"
#include "runtime/process/process.h"
#include "runtime/syscall/entry.h"
#include "runtime/vfs/vfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static struct {
    int fd, own_fd; /* own_fd: of a file; 0: none */
    bool all;
    uint64_t calls[CALL_NR_MAX / 64];
} g_trace;

void trace_start(const struct runtime_config *config, int fd)
{
    if (!config->trace)
        return;
    int hidden = config->trace_fd > 0 ? fd_hide(config->trace_fd) : 0;
    g_trace.own_fd = hidden > 0 ? hidden : 0;
    g_trace.fd = hidden > 0 ? hidden : fd;
    memcpy(g_trace.calls, config->trace_calls, sizeof g_trace.calls);
    g_trace.all = true;
    for (size_t i = 0; i < ARRAY_COUNT(g_trace.calls); i++)
        g_trace.all &= g_trace.calls[i] == 0;
}

int trace_keep(bool across_exec)
{
    if (g_trace.own_fd > 0)
        (void)host_call(SYS_fcntl, g_trace.own_fd, F_SETFD, across_exec ? 0 : FD_CLOEXEC);
    return g_trace.own_fd;
}

static bool is_wanted(long nr)
{
    return g_trace.all ||
           (nr >= 0 && nr < CALL_NR_MAX && (g_trace.calls[nr / 64] & UINT64_C(1) << (nr % 64)));
}

/* What the first path of the call is to the shield. */
static void add_class(struct trace_line *l, const struct call_shape *shape,
                      const unsigned long args[6])
{
    char path[512];
    for (int i = 0; i < shape->count; i++) {
        if (shape->args[i].kind != SHAPE_PATH)
            continue;
        if (guest_text(path, args[i], sizeof path) > 0)
            trace_add(l, " <%s>", vfs_class_of(path));
        return;
    }
}

static void add_result(struct trace_line *l, const struct call_shape *shape, int64_t result)
{
    if (rt_was_interrupted(result))
        trace_add(l, ") = ? (interrupted)");
    else if (result < 0 && result >= -4095)
        trace_add(l, ") = -1 %s",
                  strerrorname_np((int)-result) ? strerrorname_np((int)-result) : "?");
    else if (shape->result == SHAPE_RESULT_ADDR)
        trace_add(l, ") = %#lx", (unsigned long)result);
    else
        trace_add(l, ") = %ld", (long)result);
}

static void begin(struct trace_line *l, long nr, const unsigned long args[6], bool done,
                  struct call_shape *shape)
{
    const char *name = call_name(nr);
    trace_add(l, "[%d/%d] ", thread_self()->process->pid, thread_self()->tid);
    if (name)
        trace_add(l, "%s(", name);
    else
        trace_add(l, "call_%ld(", nr);
    /* A selector that no variant has: the shapes as the row has them. */
    if (shape_of_call(nr, args, shape) < 0 && (!name || shape_parse(call_shapes(nr), shape) < 0))
        *shape = (struct call_shape){.count = 0};
    for (int i = 0; i < shape->count; i++) {
        trace_add(l, "%s", i > 0 ? ", " : "");
        trace_show(l, nr, i, &shape->args[i], args, done);
    }
}

static void end(struct trace_line *l)
{
    l->text[l->len++] = '\n';
    (void)host_call(SYS_write, g_trace.fd, l->text, l->len);
}

void trace_before(const struct regs *regs, const unsigned long args[6])
{
    struct trace_line l = {.len = 0};
    struct call_shape shape = {.count = 0};
    long nr = (long)regs->nr;
    if (!is_wanted(nr) || !call_name(nr) || shape_parse(call_shapes(nr), &shape) < 0 ||
        (shape.result != SHAPE_RESULT_NONE && nr != SYS_execve && nr != SYS_execveat))
        return;
    begin(&l, nr, args, false, &shape);
    trace_add(&l, ") = ?");
    add_class(&l, &shape, args);
    end(&l);
}

void trace_call(const struct regs *regs, const unsigned long args[6], int64_t result)
{
    struct trace_line l = {.len = 0};
    struct call_shape shape = {.count = 0};
    if (!is_wanted((long)regs->nr))
        return;
    begin(&l, (long)regs->nr, args, result >= 0, &shape);
    add_result(&l, &shape, result);
    add_class(&l, &shape, args);
    end(&l);
}
