/* SPDX-License-Identifier: Apache-2.0 */
/* platform/liar/: a hostile host, for tests. Every call is made, and one of them is answered with a
 * lie: an impossible result (longer than asked for, errors the call cannot give, a descriptor that
 * is open, an address inside the runtime, an answer that is no error and no result), or bytes the
 * kernel would not have written (lengths, sizes, times, records, names of nothing but one byte).
 * Which lies a call has follows from the shapes of its row. Linked into coffer-runtime-liar and
 * tests only. */
#ifndef COFFER_PLATFORM_LIAR_LIAR_H
#define COFFER_PLATFORM_LIAR_LIAR_H

#include "base/call_shape.h"
#include "platform/ops.h"

#include <stdint.h>

#define LIAR_CALLS 512

/* How the liar finds the shapes; see call_shapes() of the runtime. */
typedef int liar_shape_fn(long nr, const unsigned long args[SHAPE_ARGS], struct call_shape *ret);

extern const struct platform_ops platform_liar;

/* Once, before any other thread. Tells the truth until liar_plan(). */
void liar_start(liar_shape_fn *shape_of_call);

/* The `nth` call (from 1) of `nr` is answered with lie number `lie`; the counts begin again. */
void liar_plan(long nr, unsigned nth, unsigned lie);

/* How many lies a call of these shapes has; numbers below that are valid for liar_plan(). */
unsigned liar_lies(long nr, const unsigned long args[SHAPE_ARGS]);

/* Since the last plan: calls of `nr`; lies its first call had; whether the lie was told. */
unsigned liar_count(long nr);
unsigned liar_lies_seen(long nr);
bool liar_told(void);

/* False if somebody wrote to the memory that a lie about an address pointed at. */
bool liar_memory_is_whole(void);

#endif
