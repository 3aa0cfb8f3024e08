/* SPDX-License-Identifier: Apache-2.0 */
/* load/histogram.h: counts values in buckets whose width grows with the value, as HdrHistogram
 * publishes it (same buckets, same percentiles), so that results compare with other tools'. Every
 * value keeps `digits` significant decimal digits. Not safe on several threads at once. */
#ifndef COFFER_LOAD_HISTOGRAM_H
#define COFFER_LOAD_HISTOGRAM_H

#include "base/macros.h"

#include <stdbool.h>

struct histogram {
    int64_t lowest;  /* the smallest difference that matters, as a value */
    int64_t highest; /* values above are counted as this one */
    unsigned digits;
    unsigned unit_magnitude;
    unsigned half_magnitude; /* log2 of half the sub-buckets of a bucket */
    unsigned bucket_count;
    size_t counts_size; /* elements of `counts` */
    int64_t *counts;
    int64_t total;
    int64_t min, max; /* exact; 0 while total is 0 */
    double sum;
};

/* 0, -EINVAL (1 <= lowest, 2 * lowest <= highest, 1 <= digits <= 5) or -ENOMEM. */
must_check int histogram_init(struct histogram *h, int64_t lowest, int64_t highest,
                              unsigned digits);
void histogram_done(struct histogram *h);
void histogram_reset(struct histogram *h);

/* Negative values count as 0. */
void histogram_record(struct histogram *h, int64_t value);

/* Adds what `from` counted; both were made by the same histogram_init() arguments. */
void histogram_add(struct histogram *h, const struct histogram *from);

/* The largest value equivalent to the one at `percentile` (0..100); 0 if nothing was counted. */
int64_t histogram_at_percentile(const struct histogram *h, double percentile);
double histogram_mean(const struct histogram *h);

/* The bucket `index` counts values from *ret_low to *ret_high; for encoders and tests. */
size_t histogram_index(const struct histogram *h, int64_t value);
void histogram_range(const struct histogram *h, size_t index, int64_t *ret_low, int64_t *ret_high);

#endif
