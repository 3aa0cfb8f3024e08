/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-gateway: the gateway and the agent of one machine. Untrusted by design: it sees server
 * names and ciphertext, and can stop the service but not read it. */
#include "base/options.h"
#include "gateway/gateway.h"
#include "gateway/tenants_dir.h"
#include "server/address.h"
#include "server/log_stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FD_NONE 1000000U
#define MIB(n) ((uint64_t)(n) << 20)
#define MS_TO_NS(n) ((uint64_t)(n)*1000000)
#define S_TO_NS(n) ((uint64_t)(n)*1000000000)

struct options {
    const char *listen, *page, *state, *domain, *program, *policy;
    uint64_t listen_fd, operator_fd;
    uint64_t half_open_max, half_open_per_address_max, hello_ms;
    uint64_t idle_s, starts_at_once, memory_reserve_mib, memory_per_server_mib;
    uint64_t waiting_max, waiting_s, start_s, drain_s, uid_base;
    bool verbose, help;
};

#define ROW(name, kind, member, fallback, value, help, min, max)                               \
    {                                                                                          \
        name, OPTION_##kind, offsetof(struct options, member), fallback, value, help, min, max \
    }
static const struct option_row g_rows[] = {
    ROW("state", TEXT, state, NULL, "DIR", "State directory (tenants/ and run/ in it)", 0, 0),
    ROW("listen", TEXT, listen, "127.0.0.1:8443", "ADDRESS", "Where clients connect", 0, 0),
    ROW("listen-fd", UINT, listen_fd, "1000000", "FD", "Listen on this inherited socket", 0,
        FD_NONE),
    ROW("operator", TEXT, page, "127.0.0.1:8444", "ADDRESS", "The operator's page and /metrics", 0,
        0),
    ROW("operator-fd", UINT, operator_fd, "1000000", "FD", "The same, an inherited socket", 0,
        FD_NONE),
    ROW("domain", TEXT, domain, "localhost", "NAME", "Clients are TENANT.NAME", 0, 0),
    ROW("program", TEXT, program, NULL, "FILE", "The document server", 0, 0),
    ROW("policy", TEXT, policy, "documents", "NAME", "Policy that it is served under", 0, 0),
    ROW("half-open-max", UINT, half_open_max, "4096", "N",
        "Connections without a server name yet, in total", 1, 15000),
    ROW("half-open-per-address-max", UINT, half_open_per_address_max, "1024", "N",
        "The same, per address", 1, 15000),
    ROW("hello-ms", UINT, hello_ms, "5000", "MS", "Time for the server name to arrive", 1, 60000),
    ROW("idle-s", UINT, idle_s, "300", "S",
        "Stop a server after so long without plaintext; 0: never", 0, 1000000),
    ROW("starts-at-once", UINT, starts_at_once, "0", "N", "0: twice the processors", 0, 1000),
    ROW("memory-reserve-mib", UINT, memory_reserve_mib, "256", "MIB", "Start nothing below that", 0,
        1 << 30),
    ROW("memory-per-server-mib", UINT, memory_per_server_mib, "8", "MIB",
        "Counted for a server that starts", 0, 1 << 20),
    ROW("waiting-max", UINT, waiting_max, "256", "N", "Connections that wait, per client", 0,
        10000),
    ROW("waiting-s", UINT, waiting_s, "30", "S", "Then they are closed", 1, 3600),
    ROW("start-s", UINT, start_s, "60", "S", "Time for a server to be ready", 1, 3600),
    ROW("drain-s", UINT, drain_s, "15", "S", "Time for a server to stop", 1, 3600),
    ROW("uid-base", UINT, uid_base, "0", "UID",
        "As root: a uid for each client, from this on; 0: none", 0, 4000000000U),
    ROW("verbose", FLAG, verbose, NULL, NULL, "More events on standard error", 0, 0),
    ROW("help", FLAG, help, NULL, NULL, "This text", 0, 0),
};

/* ---- what joins the parts ---- */

static void on_tick(void *arg)
{
    gateway_agent_tick(arg);
}

static bool g_is_stopping;

void gateway_agent_tick(struct gateway *gateway)
{
    uint64_t next_ns = agent_tick(gateway->agent, loop_now_ns(gateway->loop));
    if (g_is_stopping && agent_is_quiet(gateway->agent))
        loop_stop(gateway->loop);
    if (next_ns == UINT64_MAX)
        loop_timer_stop(gateway->loop, &gateway->tick);
    else if (loop_timer_set(gateway->loop, &gateway->tick, next_ns, on_tick, gateway) < 0)
        LOG_ERROR("no memory for a timer");
}

static void on_changed(void *ctx)
{
    gateway_agent_tick(ctx);
}

/* demo.localhost is tenant `demo` of the domain `localhost`. */
static int route(void *ctx, const char *name, int fd)
{
    struct gateway *gateway = ctx;
    const char *dot = strchr(name, '.');
    if (!dot || strcmp(dot + 1, gateway->domain) != 0)
        return -ENOENT;
    struct tenant *t = agent_tenant_find(gateway->agent, slice_of(name, (size_t)(dot - name)));
    if (!t)
        return -ENOENT;
    agent_connection_add(gateway->agent, t, fd, loop_now_ns(gateway->loop));
    gateway_agent_tick(gateway);
    return 0;
}

int gateway_tenant_add(struct gateway *gateway, struct slice name, struct error *e)
{
    char text[AGENT_TENANT_NAME_SIZE] = "";
    struct tenant *t = NULL;
    if (!tenant_name_is_valid(name))
        return error_set(e, -EINVAL, "'%.*s' cannot be a client's name: use a-z, 0-9 and hyphens",
                         (int)MIN(name.size, (size_t)80), (const char *)name.bytes);
    if (agent_tenant_find(gateway->agent, name))
        return 0;
    memcpy(text, name.bytes, name.size);
    int r = tenants_dir_add(gateway->tenants_dir, text, gateway->uid_base, e);
    if (r < 0)
        return r;
    r = agent_tenant_add(gateway->agent, name, &t);
    return r < 0 ? error_set(e, r, "cannot serve '%s'", text) : 0;
}

static int tenant_found(void *ctx, const char *name)
{
    struct gateway *gateway = ctx;
    struct tenant *t = NULL;
    return agent_tenant_add(gateway->agent, slice_of_text(name), &t);
}

/* First signal: drain. The loop stops when all servers are gone. */
static void on_stop_signal(void *arg)
{
    struct gateway *gateway = arg;
    LOG_NOTICE(g_is_stopping ? "stopping at once" : "stopping");
    if (g_is_stopping) {
        loop_stop(gateway->loop);
        return;
    }
    g_is_stopping = true;
    front_free(gateway->front);
    gateway->front = NULL;
    agent_shut_down(gateway->agent, loop_now_ns(gateway->loop));
    gateway_agent_tick(gateway);
}

/* ---- start ---- */

static int listen_or_inherit(const char *text, uint64_t fd, const char *flag, struct error *e)
{
    if (fd == FD_NONE)
        return address_listen(text, flag, NULL, e);
    int flags = fcntl((int)fd, F_GETFL);
    if (flags < 0 || fcntl((int)fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
        return error_set(e, -EBADF, "%s-fd %llu is no open socket", flag, (unsigned long long)fd);
    return (int)fd;
}

static void paths_make(const struct options *o, char *tenants, char *launcher, char *local,
                       size_t size)
{
    snprintf(tenants, size, "%s/tenants", o->state);
    snprintf(launcher, size, "%s/run/launcher", o->state);
    snprintf(local, size, "%s/run/gateway", o->state);
}

static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void settings_make(const struct options *o, struct agent_settings *agent,
                          struct front_settings *front)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *agent = (struct agent_settings){
        .starts_at_once_max =
            o->starts_at_once ? o->starts_at_once : (uint64_t)(cores > 0 ? 2 * cores : 2),
        .memory_reserve = MIB(o->memory_reserve_mib),
        .memory_per_server = MIB(o->memory_per_server_mib),
        .sent_max = HANDOVER_UNACKNOWLEDGED_MAX,
        .waiting_max = o->waiting_max,
        .waiting_ns_max = S_TO_NS(o->waiting_s),
        .idle_ns = S_TO_NS(o->idle_s),
        .start_ns_max = S_TO_NS(o->start_s),
        .drain_ns_max = S_TO_NS(o->drain_s),
        .back_off_ns_min = MS_TO_NS(100U),
        .back_off_ns_max = S_TO_NS(10U),
    };
    *front = (struct front_settings){
        .half_open_max = o->half_open_max,
        .half_open_per_address_max = o->half_open_per_address_max,
        .hello_ns_max = MS_TO_NS(o->hello_ms),
    };
}

static int gateway_run(const struct options *o, struct error *e)
{
    static char tenants[4000], launcher[4000], local[4000];
    static struct agent_settings agent_settings;
    static struct front_settings front_settings;
    static struct gateway gateway;
    struct operator_page *page = NULL;

    descriptors_raise();
    paths_make(o, tenants, launcher, local, sizeof tenants);
    settings_make(o, &agent_settings, &front_settings);
    static struct servers_settings servers_settings;
    servers_settings = (struct servers_settings){launcher, o->policy, o->program, tenants};
    gateway.domain = o->domain;
    gateway.tenants_dir = tenants;
    gateway.uid_base = o->uid_base;

    /* Who is answered on one may use those before it. */
    int local_fd = address_listen_unix(local, SOCK_STREAM, e);
    if (local_fd < 0)
        return local_fd;
    int page_fd = listen_or_inherit(o->page, o->operator_fd, "--operator", e);
    if (page_fd < 0)
        return page_fd;
    int listen_fd = listen_or_inherit(o->listen, o->listen_fd, "--listen", e);
    if (listen_fd < 0)
        return listen_fd;
    int r = loop_new(&gateway.loop);
    if (r >= 0)
        r = loop_on_stop_signal(gateway.loop, on_stop_signal, &gateway);
    if (r >= 0)
        r = servers_new(gateway.loop, &servers_settings, &gateway.servers);
    if (r < 0)
        return error_set(e, r, "cannot start the event loop");
    gateway.agent = agent_new(&agent_settings, &servers_ops, gateway.servers);
    if (!gateway.agent)
        return error_set(e, -ENOMEM, "no memory");
    servers_set_agent(gateway.servers, gateway.agent, on_changed, &gateway);
    r = tenants_dir_scan(tenants, tenant_found, &gateway, e);
    if (r < 0)
        return r;
    r = operator_new(&gateway, page_fd, local_fd, &page);
    if (r >= 0)
        r = front_new(gateway.loop, &front_settings, listen_fd, route, &gateway, &gateway.front);
    if (r < 0)
        return error_set(e, r, "cannot start serving");
    LOG_NOTICE("ready", LOG_TEXT("listen", o->listen), LOG_TEXT("domain", o->domain));
    r = loop_run(gateway.loop);
    operator_free(page);
    front_free(gateway.front);
    agent_free(gateway.agent);
    servers_free(gateway.servers);
    loop_free(gateway.loop);
    return r < 0 ? error_set(e, r, "the event loop failed") : 0;
}

static int help_print(void)
{
    SCOPED(buf_done) struct buf out = {0};
    buf_append_text(&out, "usage: coffer-gateway --state DIR --program FILE [FLAGS]\n\n");
    (void)options_help(g_rows, ARRAY_COUNT(g_rows), &out);
    const char *text = buf_text(&out);
    fputs(text ? text : "no memory\n", stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct error e = {0};
    int count = 0;
    int r = options_parse(g_rows, ARRAY_COUNT(g_rows), argc - 1, argv + 1, &o, &count, &e);
    if (r >= 0 && o.help)
        return help_print();
    if (r >= 0 && (count > 0 || !o.state || !o.program))
        r = error_set(&e, -EINVAL, count > 0 ? "takes flags only" : "needs --state and --program");
    if (r < 0) {
        fprintf(stderr, "coffer-gateway: %s\n(coffer-gateway --help lists all flags)\n", e.text);
        return 2;
    }
    (void)umask(077);
    r = log_start("coffer-gateway", o.verbose ? "debug" : "notice");
    if (r >= 0)
        r = gateway_run(&o, &e);
    if (r < 0)
        fprintf(stderr, "coffer-gateway: %s\n", error_text(&e, r));
    return r < 0 ? 1 : 0;
}
