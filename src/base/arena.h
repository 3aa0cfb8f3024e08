/* SPDX-License-Identifier: Apache-2.0 */
/* base/arena.h: memory for one request. Everything taken from an arena goes at once, in
 * arena_reset() or arena_done(); nothing is freed alone. An arena starts as {.size_max = cap};
 * a cap of 0 means ARENA_SIZE_MAX. Not safe on several threads at once. */
#ifndef COFFER_BASE_ARENA_H
#define COFFER_BASE_ARENA_H

#include "base/macros.h"
#include "base/slice.h"

#define ARENA_SIZE_MAX ((size_t)64 << 20)

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t size;                /* handed out since the last reset */
    size_t size_max;
};

/* Zeroed memory, aligned for any type. NULL over the cap or without memory. */
must_check void *arena_alloc(struct arena *arena, size_t size);

/* Copies, NUL-terminated. NULL like arena_alloc(). */
must_check char *arena_text(struct arena *arena, struct slice text);
must_check char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Wipes and frees everything but one block, which the next request reuses. */
void arena_reset(struct arena *arena);
void arena_done(struct arena *arena);

#endif
