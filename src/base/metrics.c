/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

int metrics_write(struct buf *out, const struct metric_info *infos, const metric_value *values,
                  size_t count)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        long long value = (long long)atomic_load_explicit(&values[i], memory_order_relaxed);
        r = buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", infos[i].name, infos[i].help,
                       infos[i].name, infos[i].kind == METRIC_COUNTER ? "counter" : "gauge",
                       infos[i].name, value);
    }
    return r;
}
