/* SPDX-License-Identifier: Apache-2.0 */
/* syscall/trace.h: --trace: one line per system call, like strace's with the shield's view: what the
 * guest asked for, what it was told, and what its path or descriptor is to the shield. The arguments
 * are shown by the shapes of syscall/table.def.
 *
 * Buffers are never shown, only their size: a trace goes to the host, and what is read and written is
 * what the shield is for. Texts that a call needs as such (paths, addresses, program arguments) are
 * shown, so a trace still tells the host much: a key broker's policy must say allow_debug. */
#ifndef COFFER_RUNTIME_SYSCALL_TRACE_H
#define COFFER_RUNTIME_SYSCALL_TRACE_H

#include "runtime/config.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/shape.h"

struct regs;

/* --- choosing (trace_filter.c) --- */

/* "file,net,process,memory,signal,desc" and names of calls, with commas between. -EINVAL: a word is
 * neither. Adds to `calls`, a bit for each number. */
must_check int trace_filter(const char *text, uint64_t calls[CALL_NR_MAX / 64]);

/* --- lines (trace.c) --- */

/* Once; lines go to config->trace_fd, or to `fd` where that is 0. */
void trace_start(const struct runtime_config *config, int fd);
/* The file's descriptor, 0 for none, kept or not kept across a host exec. */
int trace_keep(bool across_exec);

/* Before a call that may not return: says it now. */
void trace_before(const struct regs *regs, const unsigned long args[6]);
void trace_call(const struct regs *regs, const unsigned long args[6], int64_t result);

/* --- arguments (trace_show.c) --- */

struct trace_line {
    char text[1024];
    size_t len;
};

void trace_add(struct trace_line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One argument; `done`: the call has returned, so what it fills may be looked at. */
void trace_show(struct trace_line *l, long nr, int index, const struct shape *shape,
                const unsigned long args[6], bool done);

#endif
