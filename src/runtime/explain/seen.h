/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/explain/seen.h: has this line been told before? A set of hashes with a fixed size: when it
 * is full, lines are told again. For explain/ only; the caller holds a lock. */
#ifndef COFFER_RUNTIME_EXPLAIN_SEEN_H
#define COFFER_RUNTIME_EXPLAIN_SEEN_H

#include "base/slice.h"

#include <stdbool.h>

#define SEEN_COUNT 4096 /* a power of two */
#define SEEN_PROBES 16

struct seen {
    uint64_t hashes[SEEN_COUNT]; /* 0: free */
};

/* True the first time, and when there is no room to remember. */
bool seen_first(struct seen *seen, struct slice line);

/* Where --record tells; 0: nowhere. */
void record_start(int fd);

#endif
