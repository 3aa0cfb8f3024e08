/* SPDX-License-Identifier: Apache-2.0 */
/* base/macros.h: the few macros that every file may use. Nothing here allocates or does I/O. */
#ifndef COFFER_BASE_MACROS_H
#define COFFER_BASE_MACROS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The result says whether a check passed or memory was had; dropping it does not compile. */
#define must_check __attribute__((warn_unused_result))

/* Runs fn(&variable) when the variable leaves its scope. */
#define SCOPED(fn) __attribute__((cleanup(fn)))

/* Yields the pointer and leaves NULL behind, so a SCOPED() variable no longer owns it. */
#define TAKE(p)                     \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* On a large variable that starts as zero and of which a process touches little: it lies apart from the
 * small ones. These then share a few pages, and the first write to each after a fork is a fault. */
#define LARGE_TABLE __attribute__((section(".bss.large")))

#define container_of(ptr, type, member) \
    ((type *)(void *)((char *)(void *)(ptr)-offsetof(type, member)))

#define MIN(a, b)                          \
    __extension__({                        \
        __typeof__(a) min_a_ = (a);        \
        __typeof__(b) min_b_ = (b);        \
        min_a_ < min_b_ ? min_a_ : min_b_; \
    })
#define MAX(a, b)                          \
    __extension__({                        \
        __typeof__(a) max_a_ = (a);        \
        __typeof__(b) max_b_ = (b);        \
        max_a_ > max_b_ ? max_a_ : max_b_; \
    })

/* Rounds `n` up to a multiple of `to`, a power of two. The caller has bounded `n`. */
static inline uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) & ~(to - 1);
}

static inline uint64_t round_down(uint64_t n, uint64_t to)
{
    return n & ~(to - 1);
}

#endif
