/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/memory/ranges.h: a set of addresses as sorted, disjoint, merged ranges. No locks, no
 * host calls: the caller owns both. Ranges are half open and never empty. */
#ifndef COFFER_RUNTIME_MEMORY_RANGES_H
#define COFFER_RUNTIME_MEMORY_RANGES_H

#include "base/macros.h"

#include <stdint.h>

struct range {
    uint64_t from, to;
};

struct ranges {
    struct range *items;
    size_t count, capacity;
};

void ranges_done(struct ranges *set);

/* -ENOMEM leaves the set as it was. */
must_check int ranges_add(struct ranges *set, uint64_t from, uint64_t to);
must_check int ranges_remove(struct ranges *set, uint64_t from, uint64_t to);

/* Is all of [from, to) in the set? */
bool ranges_contain(const struct ranges *set, uint64_t from, uint64_t to);

/* How much of [from, to) is in the set. */
must_check uint64_t ranges_size(const struct ranges *set, uint64_t from, uint64_t to);

/* The first piece of [from, to) that is in the set; false if there is none. */
bool ranges_first_inside(const struct ranges *set, uint64_t from, uint64_t to,
                         struct range *ret_piece);

/* The first piece of [from, to) that is not in the set; false if there is none. */
bool ranges_first_outside(const struct ranges *set, uint64_t from, uint64_t to,
                          struct range *ret_piece);

#endif
