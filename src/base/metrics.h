/* SPDX-License-Identifier: Apache-2.0 */
/* base/metrics.h: counters and gauges in the Prometheus text format (exposition 0.0.4).
 *
 * A program has one table of struct metric_info, indexed by its enum, and one array of values:
 *
 *     #define KBS_METRICS(M) M(KEYS_RELEASED, COUNTER, "kbs_keys_released_total", "Keys given")
 *
 * No names of documents, no contents, no label per client. Values are updated with relaxed
 * atomics and may be read on any thread. */
#ifndef COFFER_BASE_METRICS_H
#define COFFER_BASE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric_info {
    enum metric_kind kind;
    const char *name;
    const char *help;
};

typedef _Atomic int64_t metric_value;

static inline void metric_add(metric_value *value, int64_t n)
{
    atomic_fetch_add_explicit(value, n, memory_order_relaxed);
}

static inline void metric_set(metric_value *value, int64_t n)
{
    atomic_store_explicit(value, n, memory_order_relaxed);
}

/* Appends all of them to `out`; 0 or -ENOMEM. */
must_check int metrics_write(struct buf *out, const struct metric_info *infos,
                             const metric_value *values, size_t count);

#define METRIC_INFO(id, kind_, name_, help_) {METRIC_##kind_, name_, help_},

#endif
