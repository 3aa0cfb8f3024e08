/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/front.h"

#include "attest/json_memory.h"
#include "base/log.h"
#include "base/writer.h"
#include "kbs/confine.h"
#include "kbs/link.h"
#include "kbs/openapi.h"
#include "server/http.h"
#include "server/tls.h"

#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BODY_SIZE_MAX = 512 << 10,
    PEER_BODY_SIZE_MAX = 17 << 20,
    CONNECTIONS_MAX = 4096,
    CALLS_MAX = CONNECTIONS_MAX, /* one request of a connection at a time */
    QUEUED_SIZE_MAX = 16 << 20,  /* for a keeper that is busy; above it clients are sent away */
    END_TRIES = 100,             /* to find that it has ended by itself */
    END_PAUSE_NS = 10000000,
};

/* A question to the keeper that has no answer yet. */
struct call {
    struct http_request *req; /* NULL: it was lost meanwhile, or the place is free */
    const char *type;
    uint32_t id; /* 0: the place is free */
};

struct front {
    struct loop *loop;
    struct link *link;
    struct tls_server *tls;
    struct http_server *http;
    int listen_fd;
    bool has_peer;  /* another key broker sends us more than a client may */
    uint32_t asked; /* calls so far */
    struct call calls[CALLS_MAX];
    int result;
};

/* ---- the keeper's part of a handshake ---- */

static int keeper_certificate(void *ctx, uint32_t connection,
                              const uint8_t random[RATLS_NONCE_SIZE], struct buf *ret_evidence,
                              struct buf *ret_signature)
{
    struct front *front = ctx;
    SCOPED(buf_done) struct buf body = {0};
    struct message_certificate changed;
    int r = link_ask(front->link, MESSAGE_HELLO, connection, slice_of(random, RATLS_NONCE_SIZE),
                     MESSAGE_CERTIFICATE, &body);
    if (r == 0)
        r = message_certificate_parse(buf_slice(&body), &changed);
    if (r == 0)
        r = buf_append_slice(ret_evidence, changed.evidence);
    return r < 0 ? r : buf_append_slice(ret_signature, changed.signature);
}

static int keeper_sign(void *ctx, uint32_t connection, struct slice hash, struct buf *ret_signature)
{
    struct front *front = ctx;
    return link_ask(front->link, MESSAGE_SIGN, connection, hash, MESSAGE_SIGNATURE, ret_signature);
}

static void keeper_closed(void *ctx, uint32_t connection)
{
    struct front *front = ctx;
    link_send(front->link, MESSAGE_CLOSED, connection, (struct slice){0});
}

/* ---- calls ---- */

/* Clients cannot make what waits for the keeper grow without end. The status says "not now": for any
 * other, the owner of a volume would take itself for replaced, and give the volume up. */
static void busy_respond(struct http_request *req)
{
    json_t *out = json_pack("{s:s, s:s, s:s, s:s}", "code", refusal_code(REFUSAL_LIMIT), "message",
                            refusal_message(REFUSAL_LIMIT), "remedy", refusal_remedy(REFUSAL_LIMIT),
                            "clause", "requests that wait");
    char *text = out ? json_dumps(out, JSON_COMPACT) : NULL;
    http_respond_text(req, 503, "application/json", text ? text : "{\"code\":\"LIMIT_REACHED\"}");
    json_memory_free(text);
    json_decref(out);
}

/* Numbers are not used again soon: an answer to a call that was lost meets no other. */
static struct call *call_new(struct front *front, struct http_request *req, const char *type)
{
    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &front->calls[++front->asked % CALLS_MAX];
        if (front->asked == 0 || call->id != 0)
            continue;
        *call = (struct call){req, type, front->asked};
        req->user = call;
        return call;
    }
    return NULL;
}

static void request_done(struct http_request *req, int status, void *arg)
{
    struct call *call = req->user;
    (void)status;
    (void)arg;
    if (call && call->req == req)
        call->req = NULL;
}

static void invalid_respond(struct http_request *req, int status)
{
    http_respond_text(req, status, "application/json", "{\"code\":\"REQUEST_INVALID\"}");
}

static void failed_respond(struct http_request *req)
{
    http_respond_text(req, 500, "application/json", "{\"code\":\"INTERNAL\"}");
}

static void call_send(struct front *front, struct http_request *req, const char *type,
                      enum message_kind kind, struct slice body)
{
    bool fits = link_queued(front->link) <= QUEUED_SIZE_MAX;
    struct call *call = fits ? call_new(front, req, type) : NULL;
    if (!call) {
        busy_respond(req);
        return;
    }
    http_request_on_done(req, request_done, front);
    link_send(front->link, kind, call->id, body);
}

/* The keeper judges who the client is, before the first call of a connection. */
static void peer_tell(struct front *front, struct http_transport *transport)
{
    SCOPED(buf_done) struct buf messages = {0}, body = {0};
    uint8_t token[TLS_TOKEN_SIZE];
    const uint32_t connection = tls_transport_connection(transport);
    bool resumed = tls_transport_token(transport, token);
    tls_transport_transcript(transport, &messages);
    if (messages.size == 0 || messages.failed) /* it has been told, or there is nobody */
        return;
    buf_append(&body, token, sizeof token);
    if (!resumed)
        buf_append_slice(&body, buf_slice(&messages));
    if (!body.failed)
        link_send(front->link, resumed ? MESSAGE_RESUME : MESSAGE_PEER, connection,
                  buf_slice(&body));
}

static bool is_of_peer(struct slice path)
{
    static const char peer[] = "/v1/peer/";
    return path.size > sizeof peer - 1 && memcmp(path.bytes, peer, sizeof peer - 1) == 0;
}

static void body_received(struct http_request *req, struct slice body, void *arg)
{
    struct front *front = arg;
    SCOPED(buf_done) struct buf message = {0};
    struct http_transport *transport = http_request_transport(req);
    char path[MESSAGE_PATH_SIZE_MAX + 1];
    json_t *in = NULL;
    if (req->path.size >= sizeof path) {
        invalid_respond(req, 404);
        return;
    }
    memcpy(path, req->path.bytes, req->path.size);
    path[req->path.size] = '\0';
    if (body.size > 0)
        in = json_loadb((const char *)body.bytes, body.size, JSON_REJECT_DUPLICATES, NULL);
    int r = message_call_write(tls_transport_connection(transport), path, in, &message);
    json_decref(in);
    if (r < 0) {
        invalid_respond(req, r == -EINVAL ? 404 : 400);
        return;
    }
    peer_tell(front, transport);
    call_send(front, req, "application/json",
              body.size > BODY_SIZE_MAX ? MESSAGE_PEER_CALL : MESSAGE_CALL, buf_slice(&message));
}

static void metrics_ask(struct front *front, struct http_request *req)
{
    const struct tls_server_stats *tls = tls_server_stats(front->tls);
    uint8_t counters[16];
    struct writer wr = writer_over(counters, sizeof counters);
    writer_u64(&wr, tls->handshakes);
    writer_u64(&wr, tls->handshakes_failed);
    call_send(front, req, "text/plain; version=0.0.4", MESSAGE_METRICS, writer_done(&wr));
}

static void openapi_respond(struct http_request *req)
{
    json_t *document = openapi_document();
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    if (text)
        http_respond(req, 200, "application/json", slice_of_text(text));
    else
        failed_respond(req);
    json_memory_free(text);
    json_decref(document);
}

static void request_handle(struct http_request *req, void *arg)
{
    struct front *front = arg;
    bool large = front->has_peer && is_of_peer(req->path);
    if (req->method == HTTP_METHOD_POST)
        http_request_collect(req, large ? PEER_BODY_SIZE_MAX : BODY_SIZE_MAX, body_received, front);
    else if (req->method == HTTP_METHOD_GET && slice_is_text(req->path, "/healthz"))
        call_send(front, req, "text/plain", MESSAGE_ALIVE, (struct slice){0});
    else if (req->method == HTTP_METHOD_GET && slice_is_text(req->path, "/metrics"))
        metrics_ask(front, req);
    else if (req->method == HTTP_METHOD_GET && slice_is_text(req->path, "/openapi.json"))
        openapi_respond(req);
    else if (req->method == HTTP_METHOD_GET && slice_is_text(req->path, "/v1/info"))
        body_received(req, (struct slice){0}, front);
    else
        invalid_respond(req, 404);
}

/* ---- the line ---- */

static void stop(struct front *front, int result)
{
    front->result = result;
    loop_stop(front->loop);
}

static void answer_take(struct front *front, const struct message *m)
{
    struct call *call = &front->calls[m->id % CALLS_MAX];
    struct message_answer answer;
    if (m->id == 0 || call->id != m->id || message_answer_parse(m->body, &answer) < 0) {
        stop(front, -EBADMSG);
        return;
    }
    struct http_request *req = call->req;
    const char *type = call->type;
    *call = (struct call){0};
    if (!req)
        return;
    req->user = NULL;
    if (answer.closes)
        http_response_close(req);
    http_respond(req, answer.status, type, answer.text);
}

static void drained(void *arg)
{
    struct front *front = arg;
    link_send(front->link, MESSAGE_DRAINED, 0, (struct slice){0});
}

static void ready_take(struct front *front, struct slice body)
{
    struct slice certificate = slice_of(body.bytes + 1, body.size - 1);
    front->has_peer = body.bytes[0] == 1;
    if (tls_server_set_kept(front->tls, certificate) < 0 ||
        (front->listen_fd >= 0 && http_server_listen(front->http, front->listen_fd) < 0))
        stop(front, -EIO);
    front->listen_fd = -1;
}

static void message_take(void *arg, const struct message *m)
{
    struct front *front = arg;
    switch (m->kind) {
    case MESSAGE_READY:
        ready_take(front, m->body);
        return;
    case MESSAGE_ANSWER:
        answer_take(front, m);
        return;
    case MESSAGE_DRAIN:
        http_server_drain(front->http, drained, front);
        return;
    default:
        stop(front, -EBADMSG);
    }
}

static void link_ended(void *arg, int why)
{
    stop(arg, why);
}

/* ---- the process ---- */

static int front_open(struct front *front, int link_fd)
{
    const struct http_settings settings = {.connections_max = CONNECTIONS_MAX,
                                           .idle_timeout_ns = 10ull * 1000000000};
    const struct tls_keeper keeper = {keeper_certificate, keeper_sign, keeper_closed, front};
    int r = loop_new(&front->loop);
    if (r == 0)
        r = link_new(front->loop, link_fd, false, message_take, link_ended, front, &front->link);
    if (r == 0)
        r = tls_server_new_kept(&keeper, &front->tls);
    if (r == 0)
        r = http_server_new(front->loop, &settings, request_handle, front, &front->http);
    if (r == 0)
        http_server_set_transport(front->http, tls_transport_open, front->tls);
    return r;
}

/* Its end is the keeper's to cause: by a message, or by ending itself. */
static void signals_leave(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

static _Noreturn void front_run(int listen_fd, int link_fd)
{
    static struct front front;
    struct error e = {0};
    uint8_t first[1];
    prctl(PR_SET_NAME, "kbs-network", 0, 0, 0);
    signals_leave();
    front.listen_fd = listen_fd;
    int r = front_open(&front, link_fd);
    /* What OpenSSL opens at its first use it opens now. */
    if (r == 0 && RAND_bytes(first, sizeof first) != 1)
        r = -EIO;
    if (r == 0)
        r = confine_enter(&e);
    if (r == 0)
        r = loop_run(front.loop);
    if (r == 0)
        r = front.result;
    if (r < 0)
        LOG_ERROR("the network process ends", LOG_TEXT("why", error_text(&e, r)));
    _exit(r < 0);
}

int front_start(int listen_fd, pid_t *ret_pid, int *ret_fd, struct error *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        int r = -errno;
        close(listen_fd);
        return error_set(e, r, "cannot make a socket pair");
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        front_run(listen_fd, pair[1]);
    }
    int r = pid < 0 ? -errno : 0;
    close(listen_fd);
    close(pair[1]);
    if (r < 0) {
        close(pair[0]);
        return error_set(e, r, "cannot start the network process");
    }
    *ret_pid = pid;
    *ret_fd = pair[0];
    return 0;
}

void front_end(pid_t pid, int fd)
{
    const struct timespec pause = {.tv_nsec = END_PAUSE_NS};
    pid_t ended = 0;
    if (fd >= 0)
        close(fd);
    for (unsigned i = 0; pid > 0 && ended == 0; i++) {
        if (i > 0)
            (void)nanosleep(&pause, NULL);
        if (i == END_TRIES)
            (void)kill(pid, SIGKILL);
        ended = waitpid(pid, NULL, i < END_TRIES ? WNOHANG : 0);
        if (ended < 0 && errno == EINTR)
            ended = 0;
    }
}
