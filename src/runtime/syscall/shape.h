/* SPDX-License-Identifier: Apache-2.0 */
/* syscall/shape.h: the shapes in the rows of table.def and variants.def. Pure; any thread. */
#ifndef COFFER_RUNTIME_SYSCALL_SHAPE_H
#define COFFER_RUNTIME_SYSCALL_SHAPE_H

#include "base/call_shape.h"

/* The shapes of variants.def for `nr` and `selector`; NULL if there is none. */
const char *shape_variant(long nr, uint32_t selector);

/* The row of call `nr` with every `by` replaced by what these arguments select. -ENOSYS: no row.
 * -EINVAL: no such variant. */
must_check int shape_of_call(long nr, const unsigned long args[SHAPE_ARGS], struct call_shape *ret);

#endif
