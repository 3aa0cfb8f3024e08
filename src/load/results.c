/* SPDX-License-Identifier: Apache-2.0 */
#include "load/results.h"

#include <errno.h>
#include <stdio.h>

#define MICROSECOND_NS 1000
#define HOUR_NS 3600000000000ll

const char *const load_error_names[LOAD_ERROR_COUNT] = {
    "connect", "tls", "closed", "timeout", "http", "status", "content", "not started",
};

static const double percentiles[] = {50, 90, 99, 99.9};

int results_init(struct results *r, const struct workload *w)
{
    *r = (struct results){.size_count = w->size_count};
    memcpy(r->sizes, w->sizes, sizeof r->sizes);
    int result = histogram_init(&r->start_up, MICROSECOND_NS, HOUR_NS, 3);
    if (result == 0)
        result = histogram_init(&r->handshake, MICROSECOND_NS, HOUR_NS, 3);
    if (result == 0)
        result = histogram_init(&r->all, MICROSECOND_NS, HOUR_NS, 3);
    for (unsigned o = 0; o < OPERATION_COUNT; o++)
        for (unsigned s = 0; result == 0 && s < WORKLOAD_SIZES; s++)
            result = histogram_init(&r->latency[o][s], MICROSECOND_NS, HOUR_NS, 3);
    if (result < 0)
        results_done(r);
    return result;
}

void results_done(struct results *r)
{
    for (unsigned o = 0; o < OPERATION_COUNT; o++)
        for (unsigned s = 0; s < WORKLOAD_SIZES; s++)
            histogram_done(&r->latency[o][s]);
    histogram_done(&r->start_up);
    histogram_done(&r->handshake);
    histogram_done(&r->all);
}

bool results_are_good(const struct results *r, const struct load_options *options)
{
    return r->answered > 0 && r->unready == 0 && r->errors[LOAD_ERROR_CONTENT] == 0 &&
           (double)r->failed <= options->errors_max * (double)(r->answered + r->failed);
}

static double per_second(const struct results *r, double count)
{
    return r->elapsed_ns > 0 ? count * 1e9 / (double)r->elapsed_ns : 0;
}

static void size_text(uint64_t size, char text[16])
{
    if (size % (1 << 20) == 0)
        snprintf(text, 16, " %um", (unsigned)(size >> 20));
    else if (size % (1 << 10) == 0)
        snprintf(text, 16, " %uk", (unsigned)(size >> 10));
    else
        snprintf(text, 16, " %u", (unsigned)size);
}

static void row_name(const struct results *r, unsigned operation, unsigned size_class,
                     char name[48])
{
    char size[16] = "";
    if (operation_has_size(operation))
        size_text(r->sizes[size_class], size);
    snprintf(name, 48, "%s%s", operation_names[operation], size);
}

/* A bucket's upper end may lie above the largest value in it. */
static double percentile_ms(const struct histogram *h, double percentile)
{
    return (double)MIN(histogram_at_percentile(h, percentile), h->max) / 1e6;
}

static void text_row(const struct results *r, const char *name, const struct histogram *h,
                     struct buf *out)
{
    buf_printf(out, "  %-16s %9lld %10.1f", name, (long long)h->total,
               per_second(r, (double)h->total));
    for (size_t i = 0; i < ARRAY_COUNT(percentiles); i++)
        buf_printf(out, " %9.3f", percentile_ms(h, percentiles[i]));
    buf_printf(out, " %9.3f\n", (double)h->max / 1e6);
}

static void text_errors(const struct results *r, struct buf *out)
{
    buf_printf(out, "errors: %llu", (unsigned long long)r->failed);
    for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++)
        if (r->errors[i] > 0)
            buf_printf(out, "; %s %llu", load_error_names[i], (unsigned long long)r->errors[i]);
    for (unsigned i = 0; i < ARRAY_COUNT(r->statuses); i++)
        if (r->statuses[i] > 0)
            buf_printf(out, "; HTTP %u: %llu", i, (unsigned long long)r->statuses[i]);
    if (r->unready > 0)
        buf_printf(out, "; %llu clients could not prepare", (unsigned long long)r->unready);
    buf_append_text(out, "\n");
}

static void text_head(const struct results *r, const struct load_options *options, struct buf *out)
{
    buf_printf(out, "%llu clients, %zu document server%s, %s %s, %.3f s, ",
               (unsigned long long)options->client_count, options->tenant_count,
               options->tenant_count == 1 ? "" : "s", options->gateway,
               options->endpoint.tls ? "TLS 1.3" : "plain HTTP", (double)r->elapsed_ns / 1e9);
    if (options->rate_per_ks > 0)
        buf_printf(out, "%.3f requests/s arriving (latency from the intended start)\n",
                   (double)options->rate_per_ks / 1000);
    else
        buf_append_text(out, "closed loop (latency says little about a loaded system)\n");
}

int results_text(const struct results *r, const struct load_options *options, struct buf *out)
{
    char name[48];
    text_head(r, options, out);
    buf_printf(out, "  %-16s %9s %10s %9s %9s %9s %9s %9s\n", "latency in ms", "count", "per s",
               "p50", "p90", "p99", "p99.9", "max");
    for (unsigned o = 0; o < OPERATION_COUNT; o++) {
        for (unsigned s = 0; s < WORKLOAD_SIZES; s++) {
            row_name(r, o, s, name);
            if (r->latency[o][s].total > 0)
                text_row(r, name, &r->latency[o][s], out);
        }
    }
    text_row(r, "all", &r->all, out);
    if (r->handshake.total > 0)
        text_row(r, "TLS handshake", &r->handshake, out);
    if (r->start_up.total > 0)
        text_row(r, "first byte", &r->start_up, out);
    buf_printf(out,
               "throughput: %.1f requests/s, %.1f MiB/s up, %.1f MiB/s down; "
               "%llu handshakes, %llu resumed\n",
               per_second(r, (double)r->answered), per_second(r, (double)r->bytes_up) / 1048576,
               per_second(r, (double)r->bytes_down) / 1048576, (unsigned long long)r->handshakes,
               (unsigned long long)r->resumed);
    text_errors(r, out);
    return out->failed ? -ENOMEM : 0;
}

static void json_histogram(const char *name, const struct results *r, const struct histogram *h,
                           struct buf *out)
{
    buf_printf(out, "{\"name\": \"%s\", \"count\": %lld, \"per_s\": %.3f, \"mean_ms\": %.6f", name,
               (long long)h->total, per_second(r, (double)h->total), histogram_mean(h) / 1e6);
    for (size_t i = 0; i < ARRAY_COUNT(percentiles); i++)
        buf_printf(out, ", \"p%g_ms\": %.6f", percentiles[i], percentile_ms(h, percentiles[i]));
    buf_printf(out, ", \"max_ms\": %.6f}", (double)h->max / 1e6);
}

static void json_operations(const struct results *r, struct buf *out)
{
    const char *comma = "";
    buf_append_text(out, " \"operations\": [");
    for (unsigned o = 0; o < OPERATION_COUNT; o++) {
        for (unsigned s = 0; s < WORKLOAD_SIZES; s++) {
            char name[48];
            if (r->latency[o][s].total == 0)
                continue;
            row_name(r, o, s, name);
            buf_printf(out, "%s\n  ", comma);
            json_histogram(name, r, &r->latency[o][s], out);
            comma = ",";
        }
    }
    buf_append_text(out, "],\n");
}

static void json_errors(const struct results *r, struct buf *out)
{
    const char *comma = "";
    buf_append_text(out, " \"errors\": {");
    for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++)
        buf_printf(out, "%s\"%s\": %llu", i ? ", " : "", load_error_names[i],
                   (unsigned long long)r->errors[i]);
    buf_append_text(out, "},\n \"statuses\": {");
    for (unsigned i = 0; i < ARRAY_COUNT(r->statuses); i++) {
        if (r->statuses[i] > 0) {
            buf_printf(out, "%s\"%u\": %llu", comma, i, (unsigned long long)r->statuses[i]);
            comma = ", ";
        }
    }
    buf_append_text(out, "},\n");
}

int results_json(const struct results *r, const struct load_options *options, struct buf *out)
{
    buf_printf(out,
               "{\"clients\": %llu, \"tenants\": %zu, \"tls\": %s, \"elapsed_s\": %.6f,\n"
               " \"rate_per_s\": %.3f, \"open_loop\": %s, \"answered\": %llu, \"failed\": %llu,\n"
               " \"requests_per_s\": %.3f, \"bytes_up\": %llu, \"bytes_down\": %llu,\n"
               " \"handshakes\": %llu, \"resumed\": %llu, \"reconnects\": %llu, \"good\": %s,\n"
               " \"unready\": %llu,\n",
               (unsigned long long)options->client_count, options->tenant_count,
               options->endpoint.tls ? "true" : "false", (double)r->elapsed_ns / 1e9,
               (double)options->rate_per_ks / 1000, options->rate_per_ks > 0 ? "true" : "false",
               (unsigned long long)r->answered, (unsigned long long)r->failed,
               per_second(r, (double)r->answered), (unsigned long long)r->bytes_up,
               (unsigned long long)r->bytes_down, (unsigned long long)r->handshakes,
               (unsigned long long)r->resumed, (unsigned long long)r->reconnects,
               results_are_good(r, options) ? "true" : "false", (unsigned long long)r->unready);
    json_operations(r, out);
    json_errors(r, out);
    buf_append_text(out, " \"all\": ");
    json_histogram("all", r, &r->all, out);
    buf_append_text(out, ",\n \"handshake\": ");
    json_histogram("TLS handshake", r, &r->handshake, out);
    buf_append_text(out, ",\n \"start_up\": ");
    json_histogram("first byte", r, &r->start_up, out);
    buf_append_text(out, "}\n");
    return out->failed ? -ENOMEM : 0;
}
