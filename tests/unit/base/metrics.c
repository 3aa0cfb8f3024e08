/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"
#include "tap.h"

#define SAMPLE_METRICS(M)                         \
    M(HITS, COUNTER, "sample_hits_total", "Hits") \
    M(OPEN, GAUGE, "sample_open", "Open now")

TEST(metrics_are_written_as_prometheus_reads_them)
{
    static const struct metric_info infos[] = {SAMPLE_METRICS(METRIC_INFO)};
    static metric_value values[ARRAY_COUNT(infos)];
    struct buf out = {0};
    metric_add(&values[0], 3);
    metric_set(&values[1], -1);
    CHECK_EQ(metrics_write(&out, infos, values, ARRAY_COUNT(infos)), 0);
    CHECK_TEXT(buf_text(&out), "# HELP sample_hits_total Hits\n# TYPE sample_hits_total counter\n"
                               "sample_hits_total 3\n# HELP sample_open Open now\n"
                               "# TYPE sample_open gauge\nsample_open -1\n");
    buf_done(&out);
}

TAP_MAIN()
