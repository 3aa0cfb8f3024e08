/* SPDX-License-Identifier: Apache-2.0 */
/* platform/box/: a model of an enclave's boundary, for tests. The kernel is real, what the runtime
 * may do with it is what it could do from inside an enclave:
 *
 * - Every host call's bytes travel through an exchange area; they are copied in and out by the
 *   shapes of the system-call table (pass.c). The kernel never sees another address, but for the
 *   calls in the table of exceptions (rules.c), each with its reason and what SGX does instead.
 * - What needs memory that the host shares or copies is refused: shared mappings of files, memory
 *   files, System V memory, children with copied memory (rules.c). A private mapping of a file
 *   becomes anonymous memory with a copy of the bytes, program text included.
 * - A filter in the kernel ends the process at any system call instruction outside the gate, but
 *   for what libc does for memory and threads (filter.c), where a monitor would answer.
 *
 * What breaks a rule is counted as a violation; a process that ends with one ends with status 121
 * instead of its own. Linked into coffer-runtime-box and tests only. */
#ifndef COFFER_PLATFORM_BOX_BOX_H
#define COFFER_PLATFORM_BOX_BOX_H

#include "base/call_shape.h"
#include "platform/ops.h"

#include <sys/types.h>

#define BOX_STATUS 121

/* What the box needs to know and must not include. */
struct box_runtime {
    int (*shape_of_call)(long nr, const unsigned long args[SHAPE_ARGS], struct call_shape *ret);
    const char *(*call_name)(long nr);
    int (*copy)(void *target, const void *source, size_t size); /* 0 or -EFAULT */
    ssize_t (*copy_text)(char *target, const char *source, size_t size);
};

extern const struct platform_ops platform_box;

/* Once, before any other thread. `runtime` and `report` must live for ever; `report` may be NULL,
 * else at the end lines of `box: ...` are appended to that file. 0 or -errno. */
must_check int box_start(const struct box_runtime *runtime, const char *report);

/* Violations so far. */
unsigned long box_violations(void);

/* Installs the filter of filter.c; cannot be undone. */
must_check int box_filter(void);

#endif
