/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/front.h"

#include "attest/json_memory.h"
#include "kbs/openapi.h"

#include <errno.h>
#include <stdlib.h>

enum { BODY_SIZE_MAX = 512 << 10, PEER_BODY_SIZE_MAX = 17 << 20 };

/* An answer that waits for the turn's commit. Lives in its request's arena. */
struct pending {
    struct http_request *req;
    json_t *out;
    int status;
    struct pending *next;
};

struct front {
    struct loop *loop;
    struct kbs *kbs;
    struct tls_server *tls;
    struct http_server *http;
    struct loop_task commit;
    struct pending *first, **last;
};

static void json_respond(struct http_request *req, int status, const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text)
        http_respond(req, status, "application/json", slice_of_text(text));
    else
        http_respond_text(req, 500, "application/json", "{\"code\":\"INTERNAL\"}");
    json_memory_free(text);
}

/* Nothing was done: whoever asked may ask again. */
static void standby_respond(struct http_request *req)
{
    json_t *out = json_pack("{s:s, s:s, s:s}", "code", refusal_code(REFUSAL_PEER_ABSENT), "message",
                            refusal_message(REFUSAL_PEER_ABSENT), "remedy",
                            refusal_remedy(REFUSAL_PEER_ABSENT));
    json_respond(req, 503, out);
    json_decref(out);
}

/* The end of the turn: one commit for all, then all the answers. */
static void turn_commit(void *arg)
{
    struct front *front = arg;
    int r = kbs_commit(front->kbs);
    struct pending *p = front->first;
    front->first = NULL;
    front->last = &front->first;
    while (p) {
        struct pending *next = p->next;
        json_t *out = p->out;
        int status = p->status;
        p->out = NULL;
        if (r == -EHOSTDOWN)
            standby_respond(p->req);
        else
            json_respond(p->req, r < 0 ? 500 : status, r < 0 ? NULL : out);
        json_decref(out);
        p = next;
    }
}

static void request_done(struct http_request *req, int status, void *arg)
{
    struct front *front = arg;
    struct pending *p = req->user;
    (void)status;
    if (!p || !p->out)
        return;
    /* Lost before its commit: its arena goes now, so it leaves the list. */
    for (struct pending **at = &front->first; *at; at = &(*at)->next) {
        if (*at != p)
            continue;
        *at = p->next;
        if (!*at)
            front->last = at;
        json_decref(p->out);
        p->out = NULL;
        return;
    }
}

static void call_answer(struct front *front, struct http_request *req, struct kbs_call *call)
{
    struct pending *p = arena_alloc(&req->arena, sizeof *p);
    if (!p || !call->out) {
        json_decref(call->out);
        http_respond_text(req, 500, "application/json", "{\"code\":\"INTERNAL\"}");
        return;
    }
    *p = (struct pending){.req = req, .out = call->out, .status = call->status};
    req->user = p;
    http_request_on_done(req, request_done, front);
    *front->last = p;
    front->last = &p->next;
    loop_defer(front->loop, &front->commit, turn_commit, front);
}

static void body_received(struct http_request *req, struct slice body, void *arg)
{
    struct front *front = arg;
    char path[64];
    if (req->path.size >= sizeof path) {
        http_respond_text(req, 404, "application/json", "{\"code\":\"REQUEST_INVALID\"}");
        return;
    }
    memcpy(path, req->path.bytes, req->path.size);
    path[req->path.size] = '\0';
    struct kbs_call call = {
        .kbs = front->kbs, .peer = tls_transport_peer(http_request_transport(req)), .path = path};
    if (body.size > 0)
        call.in = json_loadb((const char *)body.bytes, body.size, JSON_REJECT_DUPLICATES, NULL);
    kbs_call_run(&call);
    json_decref(call.in);
    call_answer(front, req, &call);
}

static void metrics_respond(struct front *front, struct http_request *req)
{
    struct buf text = {0};
    const struct tls_server_stats *tls = tls_server_stats(front->tls);
    metric_set(&front->kbs->metrics[KBS_METRIC_HANDSHAKES], (int64_t)tls->handshakes);
    metric_set(&front->kbs->metrics[KBS_METRIC_HANDSHAKES_FAILED], (int64_t)tls->handshakes_failed);
    if (metrics_write(&text, kbs_metric_infos, front->kbs->metrics, KBS_METRIC_COUNT) < 0)
        text.failed = true;
    http_respond_buf(req, 200, "text/plain; version=0.0.4", &text);
}

static void request_handle(struct http_request *req, void *arg)
{
    struct front *front = arg;
    if (req->method == HTTP_METHOD_POST) {
        static const char peer[] = "/v1/peer/";
        bool large = front->kbs->peer && req->path.size > sizeof peer - 1 &&
                     memcmp(req->path.bytes, peer, sizeof peer - 1) == 0;
        http_request_collect(req, large ? PEER_BODY_SIZE_MAX : BODY_SIZE_MAX, body_received, front);
    } else if (req->method == HTTP_METHOD_GET && slice_is_text(req->path, "/healthz")) {
        http_respond_text(req, 200, "text/plain", "ok\n");
    } else if (req->method == HTTP_METHOD_GET && slice_is_text(req->path, "/metrics")) {
        metrics_respond(front, req);
    } else if (req->method == HTTP_METHOD_GET && slice_is_text(req->path, "/openapi.json")) {
        json_t *document = openapi_document();
        json_respond(req, 200, document);
        json_decref(document);
    } else if (req->method == HTTP_METHOD_GET && slice_is_text(req->path, "/v1/info")) {
        body_received(req, (struct slice){0}, front);
    } else {
        http_respond_text(req, 404, "application/json", "{\"code\":\"REQUEST_INVALID\"}");
    }
}

int front_new(struct loop *loop, struct kbs *kbs, int fd, ratls_evidence_fn *evidence,
              void *evidence_ctx, struct front **ret_front, struct error *e)
{
    const struct http_settings settings = {.connections_max = 4096,
                                           .idle_timeout_ns = 10ull * 1000000000};
    struct front *front = calloc(1, sizeof *front);
    if (!front)
        return error_set(e, -ENOMEM, "no memory for the front");
    front->loop = loop;
    front->kbs = kbs;
    front->last = &front->first;
    int r = tls_server_new(evidence, evidence_ctx, &front->tls);
    if (r == 0 && kbs->collateral)
        tls_server_set_verifier(front->tls, collateral_verifier(kbs->collateral));
    if (r == 0)
        r = http_server_new(loop, &settings, request_handle, front, &front->http);
    if (r == 0) {
        http_server_set_transport(front->http, tls_transport_open, front->tls);
        r = http_server_listen(front->http, fd);
    }
    if (r < 0) {
        front_free(front);
        return error_set(e, r, "cannot serve HTTPS");
    }
    *ret_front = front;
    return 0;
}

void front_free(struct front *front)
{
    if (!front)
        return;
    http_server_free(front->http);
    loop_defer_stop(front->loop, &front->commit);
    tls_server_free(front->tls);
    free(front);
}

static void drained(void *arg)
{
    loop_stop(arg);
}

void front_drain(struct front *front)
{
    http_server_drain(front->http, drained, front->loop);
}
