/* SPDX-License-Identifier: Apache-2.0 */
/* Counters only, and names of tenants to the operator who gave them; never names of documents. */
#include "base/metrics.h"
#include "gateway/gateway.h"

#include <errno.h>

#define FRESH_MAX 64       /* looks into /proc for one page */
#define ROWS_SHOWN_MAX 500 /* on the dashboard; /tenants has all */

/* M(kind, name, help, value) */
#define GATEWAY_METRICS(M)                                                                         \
    M(COUNTER, "coffer_gateway_connections_total", "Connections accepted", f->accepted)            \
    M(COUNTER, "coffer_gateway_connections_routed_total", "Connections with a known server name",  \
      f->routed)                                                                                   \
    M(GAUGE, "coffer_gateway_half_open", "Connections whose server name is not known yet",         \
      f->half_open)                                                                                \
    M(COUNTER, "coffer_gateway_closed_slow_total", "Closed: no server name in time",               \
      f->closed_slow)                                                                              \
    M(COUNTER, "coffer_gateway_closed_early_total", "Closed by the peer before its server name",   \
      f->closed_early)                                                                             \
    M(COUNTER, "coffer_gateway_closed_half_open_max_total", "Closed: too many half-open ones",     \
      f->closed_over_limit)                                                                        \
    M(COUNTER, "coffer_gateway_closed_half_open_per_address_max_total",                            \
      "Closed: too many half-open ones of one address", f->closed_over_address_limit)              \
    M(COUNTER, "coffer_gateway_refused_no_name_total", "Refused: no server name",                  \
      f->refused_no_name)                                                                          \
    M(COUNTER, "coffer_gateway_refused_unknown_name_total", "Refused: unknown server name",        \
      f->refused_unknown_name)                                                                     \
    M(COUNTER, "coffer_gateway_refused_malformed_total", "Refused: not a TLS ClientHello",         \
      f->refused_malformed)                                                                        \
    M(COUNTER, "coffer_gateway_refused_plain_http_total", "Refused: HTTP without TLS",             \
      f->refused_plain_http)                                                                       \
    M(COUNTER, "coffer_gateway_accept_failures_total", "Out of descriptors or memory",             \
      f->accept_failures)                                                                          \
    M(COUNTER, "coffer_agent_handed_over_total", "Connections given to document servers",          \
      a->handed_over)                                                                              \
    M(COUNTER, "coffer_agent_begun_total", "Connections that document servers began", a->begun)    \
    M(COUNTER, "coffer_agent_returned_total", "Connections that stopping servers gave back",       \
      a->returned)                                                                                 \
    M(COUNTER, "coffer_agent_redelivered_total", "Connections given to a replacement",             \
      a->redelivered)                                                                              \
    M(COUNTER, "coffer_agent_closed_waiting_total", "Closed: waited too long for a server",        \
      a->closed_waiting)                                                                           \
    M(COUNTER, "coffer_agent_closed_over_limit_total", "Closed: too many wait for one server",     \
      a->closed_over_limit)                                                                        \
    M(COUNTER, "coffer_agent_starts_total", "Document servers started", a->starts)                 \
    M(COUNTER, "coffer_agent_start_failures_total", "Starts that failed", a->start_failures)       \
    M(COUNTER, "coffer_agent_crashes_total", "Running document servers that went away unasked",    \
      a->crashes)                                                                                  \
    M(COUNTER, "coffer_agent_idle_stops_total", "Document servers stopped for idleness",           \
      a->idle_stops)                                                                               \
    M(GAUGE, "coffer_agent_tenants_absent", "Tenants without a server", a->states[TENANT_ABSENT])  \
    M(GAUGE, "coffer_agent_tenants_queued", "Tenants whose start waits", a->states[TENANT_QUEUED]) \
    M(GAUGE, "coffer_agent_tenants_starting", "Tenants whose server starts",                       \
      a->states[TENANT_STARTING])                                                                  \
    M(GAUGE, "coffer_agent_tenants_running", "Tenants whose server runs",                          \
      a->states[TENANT_RUNNING])                                                                   \
    M(GAUGE, "coffer_agent_tenants_draining", "Tenants whose server stops",                        \
      a->states[TENANT_DRAINING])                                                                  \
    M(GAUGE, "coffer_agent_tenants_failed", "Tenants whose server waits to be tried again",        \
      a->states[TENANT_FAILED])                                                                    \
    M(GAUGE, "coffer_agent_launcher_connected", "1 if the launcher is there",                      \
      servers_launcher_is_there(gateway->servers))

#define INFO(kind_, name_, help_, value_) {METRIC_##kind_, name_, help_},
static const struct metric_info g_infos[] = {GATEWAY_METRICS(INFO)};

int view_metrics(const struct gateway *gateway, struct buf *out)
{
    const struct front_counts *f = front_counts(gateway->front);
    const struct agent_counts *a = agent_counts(gateway->agent);
    metric_value values[ARRAY_COUNT(g_infos)];
    size_t at = 0;
#define VALUE(kind_, name_, help_, value_) metric_set(&values[at++], (int64_t)(value_));
    GATEWAY_METRICS(VALUE)
    return metrics_write(out, g_infos, values, ARRAY_COUNT(g_infos));
}

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* Errors carry text of servers, which are not trusted here: safe in JSON and in HTML. */
static void plain_append(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_append_byte(out, is_plain(*text) ? (uint8_t)*text : '\'');
}

static void tenant_json(const struct gateway *gateway, const struct tenant *t, bool fresh,
                        struct buf *out)
{
    struct server_view view;
    servers_view(t, fresh, &view);
    buf_printf(out, "{\"name\":\"%s\",\"address\":\"%s.%s\",\"state\":\"%s\"", t->name, t->name,
               gateway->domain, tenant_state_name(t->state));
    buf_printf(out, ",\"start_ms\":%.1f,\"starts\":%llu,\"failures\":%llu",
               (double)t->start_ns / 1e6, (unsigned long long)t->starts,
               (unsigned long long)t->failures);
    buf_append_text(out, ",\"error\":\"");
    plain_append(out, t->error);
    buf_printf(out, "\",\"waiting\":%u", t->waiting_count + t->sent_count);
    if (t->server)
        buf_printf(out,
                   ",\"pid\":%d,\"connections\":%llu,\"handshakes\":%llu,"
                   "\"handshakes_failed\":%llu,\"volume_bytes\":%llu",
                   view.pid, (unsigned long long)view.connections,
                   (unsigned long long)view.handshakes, (unsigned long long)view.handshakes_failed,
                   (unsigned long long)view.volume_bytes);
    if (view.memory.private_kib >= 0)
        buf_printf(out, ",\"private_kib\":%lld,\"kernel_kib\":%lld,\"memory_is_estimate\":%s",
                   (long long)view.memory.private_kib, (long long)view.memory.kernel_kib,
                   view.memory.is_estimate ? "true" : "false");
    buf_append_text(out, "}");
}

int view_tenants_json(const struct gateway *gateway, struct buf *out)
{
    unsigned looks = 0;
    bool is_first = true;
    buf_append_text(out, "[");
    for (struct tenant *t = agent_tenants(gateway->agent); t; t = t->next) {
        buf_append_text(out, is_first ? "\n" : ",\n");
        tenant_json(gateway, t, t->server && looks++ < FRESH_MAX, out);
        is_first = false;
    }
    buf_append_text(out, "\n]\n");
    return out->failed ? -ENOMEM : 0;
}

static void tenant_row(const struct gateway *gateway, const struct tenant *t, bool fresh,
                       struct buf *out)
{
    struct server_view view;
    servers_view(t, fresh, &view);
    buf_printf(out, "<tr class=%s><td>%s.%s<td>%s", tenant_state_name(t->state), t->name,
               gateway->domain, tenant_state_name(t->state));
    buf_printf(out, "<td class=n>%.1f", (double)t->start_ns / 1e6);
    if (view.memory.private_kib >= 0)
        buf_printf(out, "<td class=n>%s%.2f", view.memory.is_estimate ? "~" : "",
                   (double)(view.memory.private_kib + view.memory.kernel_kib) / 1024);
    else
        buf_append_text(out, "<td class=n>&ndash;");
    buf_printf(out, "<td class=n>%llu<td class=n>%llu<td class=n>%llu<td>",
               (unsigned long long)view.connections, (unsigned long long)t->starts,
               (unsigned long long)t->failures);
    plain_append(out, t->error);
    buf_append_text(out, "</tr>\n");
}

/* Those with a server come first. */
static void dashboard_rows(const struct gateway *gateway, struct buf *out)
{
    unsigned rows = 0;
    for (int pass = 0; pass < 2; pass++)
        for (struct tenant *t = agent_tenants(gateway->agent); t; t = t->next)
            if ((t->state == TENANT_ABSENT) == (pass == 1) && rows < ROWS_SHOWN_MAX)
                tenant_row(gateway, t, rows++ < FRESH_MAX, out);
}

int view_dashboard(const struct gateway *gateway, struct buf *out)
{
    const struct front_counts *f = front_counts(gateway->front);
    const struct agent_counts *a = agent_counts(gateway->agent);
    buf_append_text(
        out, "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2>"
             "<meta name=viewport content='width=device-width'><title>Coffer</title><style>"
             "body{font:15px/1.5 system-ui,sans-serif;margin:2em;max-width:70em}"
             "table{border-collapse:collapse;width:100%}td,th{padding:.2em .7em;text-align:left;"
             "border-bottom:1px solid #ddd}.n{text-align:right;font-variant-numeric:tabular-nums}"
             ".running td:nth-child(2){color:#070}.failed td:nth-child(2){color:#b00}"
             ".absent{color:#777}</style><h1>Coffer on this machine</h1>");
    if (!servers_launcher_is_there(gateway->servers))
        buf_append_text(out, "<p><b>The launcher is not there: nothing can start.</b>");
    buf_printf(out,
               "<p>%llu servers run, %llu start or wait, %llu failed. %llu connections accepted, "
               "%llu handed over, %llu half-open, %llu refused. %.1f GiB of memory available.",
               (unsigned long long)a->states[TENANT_RUNNING],
               (unsigned long long)(a->states[TENANT_STARTING] + a->states[TENANT_QUEUED]),
               (unsigned long long)a->states[TENANT_FAILED], (unsigned long long)f->accepted,
               (unsigned long long)a->handed_over, (unsigned long long)f->half_open,
               (unsigned long long)(f->refused_no_name + f->refused_unknown_name +
                                    f->refused_malformed + f->refused_plain_http),
               (double)memory_available() / (double)(1 << 30));
    buf_append_text(out, "<table><tr><th>Client<th>State<th class=n>Start, ms<th class=n>Memory, "
                         "MiB<th class=n>Connections<th class=n>Starts<th class=n>Failures<th>"
                         "Last error</tr>\n");
    dashboard_rows(gateway, out);
    buf_append_text(out, "</table><p><a href=/metrics>metrics</a> &middot; "
                         "<a href=/tenants>tenants as JSON</a></html>\n");
    return out->failed ? -ENOMEM : 0;
}
