/* SPDX-License-Identifier: Apache-2.0 */
/* dms/tool.h: runs one program over one content and takes what it writes. The content is anybody's and the
 * program may do what the content makes it do, so it is a process of its own with nothing but the
 * content, a pipe and a fixed environment; limited in memory, processor time, time and output; killed when
 * one is exceeded. Where it is confined it can also open nothing but the system's libraries and
 * fonts (Landlock), and has no sockets, no signals and no way to other processes (seccomp). Never uses a
 * shell. The loop's thread only. */
#ifndef COFFER_DMS_TOOL_H
#define COFFER_DMS_TOOL_H

#include "base/buf.h"
#include "server/loop.h"

/* What confines tools: made once, then inherited by each. The directory holds the programs. -ENOSYS: the
 * kernel has no Landlock or no seccomp filters (under the runtime a guest has neither); -errno. */
must_check int tool_confinement(const char *directory, int *ret_fd);

struct tool_order {
    const char *path;        /* of the program */
    const char *const *argv; /* NULL-ended, as for execve() */
    int input_fd;            /* its standard input, read from the beginning; stays the caller's */
    int confinement_fd;      /* -1: limits alone */
    size_t size_max;         /* of what it writes */
    size_t memory_max;       /* of its address space, in bytes */
    unsigned cpu_s;
    uint64_t time_ns;
};

enum tool_end {
    TOOL_DONE,   /* ended well; all of its output is there */
    TOOL_LARGE,  /* wrote more than size_max, and was killed; that much of it is there */
    TOOL_LATE,   /* took longer than time_ns, and was killed */
    TOOL_FAILED, /* ended otherwise */
};

struct tool;
/* Called once, on a later turn, unless stopped. `output` is the callee's to read until it returns. */
typedef void tool_fn(void *arg, enum tool_end end, struct slice output);

/* 0, or -errno of starting it (also: of limiting and confining it, and of execve()); then fn is not
 * called. */
must_check int tool_start(struct loop *loop, const struct tool_order *order, tool_fn *fn, void *arg,
                          struct tool **ret_tool);
/* Kills it and waits for its end; fn is not called. Accepts NULL. */
void tool_stop(struct tool *tool);

#endif
