/* SPDX-License-Identifier: Apache-2.0 */
/* The page on loopback only shows. Who may write to the Unix socket (mode 0600) may also change:
 *
 *     GET /  /metrics  /tenants        POST /tenants/NAME (reserve)  /tenants/NAME/stop */
#include "base/log.h"
#include "gateway/gateway.h"
#include "server/http.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct operator_page {
    struct gateway *gateway;
    struct http_server *page, *local;
};

typedef int view_fn(const struct gateway *gateway, struct buf *out);

static const struct {
    const char *path, *type;
    view_fn *view;
} g_views[] = {
    {"/", "text/html; charset=utf-8", view_dashboard},
    {"/metrics", "text/plain; version=0.0.4", view_metrics},
    {"/tenants", "application/json", view_tenants_json},
};

/* Returns false if there is no such view. */
static bool view_respond(const struct gateway *gateway, struct http_request *req)
{
    for (size_t i = 0; i < ARRAY_COUNT(g_views); i++) {
        SCOPED(buf_done) struct buf out = {0};
        if (!slice_is_text(req->path, g_views[i].path))
            continue;
        http_response_header(req, "Cache-Control", "no-store");
        http_response_header(req, "Content-Security-Policy",
                             "default-src 'none'; style-src 'unsafe-inline'");
        if (g_views[i].view(gateway, &out) < 0)
            http_respond_text(req, 500, "text/plain", "no memory\n");
        else
            http_respond_buf(req, 200, g_views[i].type, &out);
        return true;
    }
    return false;
}

/* A page of the web that a browser here shows must not read ours under a name of its own. */
static bool host_is_loopback(struct slice host)
{
    static const char *const allowed[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < ARRAY_COUNT(allowed); i++) {
        size_t size = strlen(allowed[i]);
        if (host.size >= size && memcmp(host.bytes, allowed[i], size) == 0 &&
            (host.size == size || host.bytes[size] == ':'))
            return true;
    }
    return false;
}

static void on_page_request(struct http_request *req, void *arg)
{
    const struct operator_page *page = arg;
    if (!host_is_loopback(req->host))
        http_respond_text(req, 403, "text/plain", "ask for this page by its loopback address\n");
    else if (req->method != HTTP_METHOD_GET && req->method != HTTP_METHOD_HEAD)
        http_respond_text(req, 405, "text/plain", "this page only shows; use `coffer tenant`\n");
    else if (!view_respond(page->gateway, req))
        http_respond_text(req, 404, "text/plain", "there are /, /metrics and /tenants\n");
}

static void tenant_add(struct gateway *gateway, struct http_request *req, struct slice name)
{
    struct error e = {0};
    int r = gateway_tenant_add(gateway, name, &e);
    if (r < 0) {
        LOG_WARNING("tenant not added", LOG_SLICE("tenant", name), LOG_TEXT("error", e.text));
        http_respond_text(req, r == -EINVAL ? 400 : 500, "text/plain", error_text(&e, r));
    } else {
        http_respond_text(req, 200, "text/plain", "added\n");
    }
}

static void tenant_stop(struct gateway *gateway, struct http_request *req, struct slice name)
{
    struct tenant *t = agent_tenant_find(gateway->agent, name);
    if (!t) {
        http_respond_text(req, 404, "text/plain", "no such tenant\n");
        return;
    }
    agent_tenant_stop(gateway->agent, t, loop_now_ns(gateway->loop));
    gateway_agent_tick(gateway);
    http_respond_text(req, 200, "text/plain", "stopping\n");
}

static void on_local_request(struct http_request *req, void *arg)
{
    static const char prefix[] = "/tenants/", stop[] = "/stop";
    struct operator_page *page = arg;
    struct slice name = req->path;
    if (req->method == HTTP_METHOD_GET && view_respond(page->gateway, req))
        return;
    if (req->method != HTTP_METHOD_POST || name.size < sizeof prefix - 1 ||
        memcmp(name.bytes, prefix, sizeof prefix - 1) != 0) {
        http_respond_text(req, 404, "text/plain", "no such request\n");
        return;
    }
    name = slice_of(name.bytes + sizeof prefix - 1, name.size - (sizeof prefix - 1));
    size_t stop_size = sizeof stop - 1;
    if (name.size > stop_size && memcmp(name.bytes + name.size - stop_size, stop, stop_size) == 0)
        tenant_stop(page->gateway, req, slice_of(name.bytes, name.size - stop_size));
    else
        tenant_add(page->gateway, req, name);
}

static int server_start(struct gateway *gateway, struct operator_page *page, int fd,
                        http_handler_fn *handler, struct http_server **ret_server)
{
    static const struct http_settings settings = {.connections_max = 16};
    int r = http_server_new(gateway->loop, &settings, handler, page, ret_server);
    if (r < 0) {
        close(fd);
        return r;
    }
    return http_server_listen(*ret_server, fd);
}

int operator_new(struct gateway *gateway, int page_fd, int local_fd,
                 struct operator_page **ret_page)
{
    struct operator_page *page = calloc(1, sizeof *page);
    if (!page) {
        close(local_fd);
        if (page_fd >= 0)
            close(page_fd);
        return -ENOMEM;
    }
    page->gateway = gateway;
    int r = server_start(gateway, page, local_fd, on_local_request, &page->local);
    if (r >= 0 && page_fd >= 0)
        r = server_start(gateway, page, page_fd, on_page_request, &page->page);
    if (r < 0) {
        operator_free(page);
        return r;
    }
    *ret_page = page;
    return 0;
}

void operator_free(struct operator_page *page)
{
    if (!page)
        return;
    http_server_free(page->page);
    http_server_free(page->local);
    free(page);
}
