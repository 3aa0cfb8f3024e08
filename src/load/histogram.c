/* SPDX-License-Identifier: Apache-2.0 */
#include "load/histogram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The published layout: the first bucket has 2^(half_magnitude + 1) sub-buckets of one unit; each
 * bucket after it covers twice the range, and since its lower half repeats the bucket before, only
 * its upper half is kept. A unit is 2^unit_magnitude. */

static unsigned log2_floor(uint64_t n)
{
    return 63 - (unsigned)__builtin_clzll(n);
}

static unsigned log2_ceil(uint64_t n)
{
    return n <= 1 ? 0 : log2_floor(n - 1) + 1;
}

static unsigned buckets_needed(int64_t highest, unsigned sub_buckets_log2, unsigned unit_magnitude)
{
    int64_t untrackable = (int64_t)1 << (sub_buckets_log2 + unit_magnitude);
    unsigned count = 1;
    while (untrackable <= highest) {
        count++;
        if (untrackable > INT64_MAX / 2)
            break;
        untrackable <<= 1;
    }
    return count;
}

int histogram_init(struct histogram *h, int64_t lowest, int64_t highest, unsigned digits)
{
    if (lowest < 1 || digits < 1 || digits > 5 || highest / 2 < lowest)
        return -EINVAL;
    uint64_t largest_with_single_units = 2;
    for (unsigned i = 0; i < digits; i++)
        largest_with_single_units *= 10;
    struct histogram made = {.lowest = lowest, .highest = highest, .digits = digits};
    unsigned sub_buckets_log2 = log2_ceil(largest_with_single_units);
    made.unit_magnitude = log2_floor((uint64_t)lowest);
    made.half_magnitude = sub_buckets_log2 - 1;
    if (made.unit_magnitude + made.half_magnitude > 61)
        return -EINVAL;
    made.bucket_count = buckets_needed(highest, sub_buckets_log2, made.unit_magnitude);
    made.counts_size = ((size_t)made.bucket_count + 1) << made.half_magnitude;
    made.counts = calloc(made.counts_size, sizeof *made.counts);
    if (!made.counts)
        return -ENOMEM;
    *h = made;
    return 0;
}

void histogram_done(struct histogram *h)
{
    free(h->counts);
    *h = (struct histogram){0};
}

void histogram_reset(struct histogram *h)
{
    memset(h->counts, 0, h->counts_size * sizeof *h->counts);
    h->total = h->min = h->max = 0;
    h->sum = 0;
}

size_t histogram_index(const struct histogram *h, int64_t value)
{
    uint64_t mask = (((uint64_t)2 << h->half_magnitude) - 1) << h->unit_magnitude;
    unsigned bucket = log2_floor((uint64_t)value | mask) - h->unit_magnitude - h->half_magnitude;
    uint64_t sub_bucket = (uint64_t)value >> (bucket + h->unit_magnitude);
    uint64_t half = (uint64_t)1 << h->half_magnitude;
    return (((size_t)bucket + 1) << h->half_magnitude) + (size_t)(sub_bucket - half);
}

void histogram_range(const struct histogram *h, size_t index, int64_t *ret_low, int64_t *ret_high)
{
    uint64_t half = (uint64_t)1 << h->half_magnitude;
    uint64_t sub_bucket = (index & (half - 1)) + half;
    unsigned bucket = (unsigned)(index >> h->half_magnitude);
    if (bucket == 0)
        sub_bucket -= half;
    else
        bucket--;
    unsigned shift = bucket + h->unit_magnitude;
    *ret_low = (int64_t)(sub_bucket << shift);
    *ret_high = (int64_t)(((sub_bucket + 1) << shift) - 1);
}

void histogram_record(struct histogram *h, int64_t value)
{
    value = MAX(value, 0);
    value = MIN(value, h->highest);
    h->counts[histogram_index(h, value)]++;
    h->min = h->total == 0 ? value : MIN(h->min, value);
    h->max = MAX(h->max, value);
    h->total++;
    h->sum += (double)value;
}

void histogram_add(struct histogram *h, const struct histogram *from)
{
    if (from->total == 0)
        return;
    for (size_t i = 0; i < h->counts_size; i++)
        h->counts[i] += from->counts[i];
    h->min = h->total == 0 ? from->min : MIN(h->min, from->min);
    h->max = MAX(h->max, from->max);
    h->total += from->total;
    h->sum += from->sum;
}

int64_t histogram_at_percentile(const struct histogram *h, double percentile)
{
    double share = MIN(MAX(percentile, 0.0), 100.0) / 100.0;
    int64_t wanted = MAX((int64_t)(share * (double)h->total + 0.5), 1);
    int64_t seen = 0, low, high;
    for (size_t i = 0; i < h->counts_size; i++) {
        seen += h->counts[i];
        if (seen < wanted)
            continue;
        histogram_range(h, i, &low, &high);
        return high;
    }
    return 0;
}

double histogram_mean(const struct histogram *h)
{
    return h->total == 0 ? 0 : h->sum / (double)h->total;
}
