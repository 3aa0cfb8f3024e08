/* SPDX-License-Identifier: Apache-2.0 */
/* What is there for everyone: the guide, health, metrics. */
#include "dms/dms.h"

#include <errno.h>

extern const char dms_guide[]; /* docs/rest-api.md, made into C by the build */
extern const size_t dms_guide_size;

void docs_get(struct call *call)
{
    struct buf body = {0};
    web_headers(call);
    (void)buf_append(&body, dms_guide, dms_guide_size);
    call_reply_buf(call, 200, "text/plain; charset=utf-8", &body);
}

/* Healthy: the database answers. */
void health_get(struct call *call)
{
    int64_t users, admins;
    int r = user_counts(call->dms->store, &users, &admins);
    if (r < 0)
        call_problem(call, 503, "unhealthy", "The store does not answer.");
    else
        call_reply_text(call, 200, "text/plain", "ok\n");
}

static int http_metrics_write(struct buf *out, const struct http_stats *stats)
{
    const struct {
        const char *name, *kind, *help;
        uint64_t value;
    } rows[] = {
        {"coffer_http_connections_total", "counter", "Connections accepted", stats->connections},
        {"coffer_http_connections", "gauge", "Connections open", stats->connections_now},
        {"coffer_http_requests_total", "counter", "Requests handled", stats->requests},
        {"coffer_http_requests_bad_total", "counter", "Requests refused as malformed",
         stats->requests_bad},
        {"coffer_http_timeouts_total", "counter", "Clients cut off as too slow", stats->timeouts},
        {"coffer_http_received_bytes_total", "counter", "Bytes received", stats->bytes_in},
        {"coffer_http_sent_bytes_total", "counter", "Bytes sent", stats->bytes_out},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        (void)buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", rows[i].name, rows[i].help,
                         rows[i].name, rows[i].kind, rows[i].name,
                         (unsigned long long)rows[i].value);
    (void)buf_printf(out, "# HELP coffer_http_responses_total Answers by class of status\n"
                          "# TYPE coffer_http_responses_total counter\n");
    for (int i = 1; i < 6; i++)
        (void)buf_printf(out, "coffer_http_responses_total{class=\"%dxx\"} %llu\n", i,
                         (unsigned long long)stats->responses[i]);
    return out->failed ? -ENOMEM : 0;
}

void metrics_get(struct call *call)
{
    static const struct metric_info infos[] = {DMS_METRICS(METRIC_INFO)};
    struct buf body = {0};
    int r = metrics_write(&body, infos, call->dms->metrics, DMS_METRIC_COUNT);
    if (r == 0)
        r = http_metrics_write(&body, http_server_stats(call->dms->server));
    if (r < 0) {
        buf_done(&body);
        call_problem_errno(call, r);
        return;
    }
    call_reply_buf(call, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}
