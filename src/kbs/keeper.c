/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/keeper.h"

#include "attest/json_memory.h"
#include "base/reader.h"
#include "kbs/call.h"
#include "kbs/committer.h"
#include "server/transcript.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

enum { PARKED_SIZE_MAX = 16 << 20 };

/* What is known of a client's connection. */
struct connection {
    unsigned
        references; /* by its number, and by calls that wait: a number may be given away again */
    bool certified; /* a certificate was made for this handshake */
    uint8_t hash[TRANSCRIPT_HASH_SIZE_MAX];
    size_t hash_size; /* 0: nothing was signed, or it has served its purpose */
    uint8_t signature[TRANSCRIPT_SIGNATURE_SIZE_MAX];
    size_t signature_size;
    struct tls_peer peer;
    uint64_t proved_ms;
    bool resumed; /* by the proof of an earlier connection */
    struct kbs_asker asker;
};

/* A client that has proved itself, for when it comes back. */
struct proof {
    uint8_t token[TLS_TOKEN_SIZE]; /* its place is by the first two bytes; zeros: none is here */
    uint8_t key_hash[SHA256_SIZE];
    uint64_t proved_ms;
};
enum { PROOFS = 8192 };

/* An answer that waits for the turn's commit. */
struct pending {
    uint32_t id;
    int status;
    bool closes;
    json_t *out;
    struct pending *next;
};

/* A call that came during a commit. */
struct parked {
    uint32_t id;
    struct message_call call;
    struct connection *connection; /* as it was then; NULL: nobody's */
    struct parked *next;
};

struct keeper {
    struct loop *loop;
    struct kbs *kbs;
    struct link *link;
    struct p256_key *key; /* of the TLS server */
    X509 *certificate;    /* of `key`; changed for each handshake */
    ratls_evidence_fn *evidence;
    void *evidence_ctx;
    struct loop_task commit;
    struct pending *first, **last;
    /* With another key broker a commit speaks to that one, on this thread: then there is none. */
    struct committer *committer;
    struct pending *committing; /* what waits for it */
    struct parked *parked_first, **parked_last;
    size_t parked_size;
    bool draining;
    int result;
    struct connection *connections[TLS_CONNECTIONS_MAX];
    struct proof proofs[PROOFS];
};

static const struct tls_peer nobody = {.kind = TLS_PEER_NONE};

static void stop(struct keeper *k, int result)
{
    k->result = result;
    loop_stop(k->loop);
}

/* ---- connections ---- */

static void connection_put(struct connection *c)
{
    if (!c || --c->references > 0)
        return;
    X509_free(c->peer.certificate);
    pair_done(&c->asker.pair);
    free(c);
}

static void connection_forget(struct keeper *k, uint32_t id)
{
    connection_put(k->connections[id]);
    k->connections[id] = NULL;
}

static struct connection *connection_new(struct keeper *k, uint32_t id)
{
    connection_forget(k, id);
    k->connections[id] = calloc(1, sizeof(struct connection));
    if (k->connections[id])
        k->connections[id]->references = 1;
    return k->connections[id];
}

/* What has changed of the certificate: the other end has the rest. */
static int certificate_write(struct keeper *k, struct buf *out)
{
    const ASN1_BIT_STRING *signature = NULL;
    struct message_certificate changed;
    X509_get0_signature(&signature, NULL, k->certificate);
    int r = signature ? ratls_extension(k->certificate, &changed.evidence) : -EIO;
    if (r < 0)
        return r;
    changed.signature = slice_of(signature->data, (size_t)signature->length);
    return message_certificate_write(&changed, out);
}

static void hello_answer(struct keeper *k, uint32_t id, struct slice random)
{
    SCOPED(buf_done) struct buf body = {0};
    struct connection *c = connection_new(k, id);
    struct error e = {0};
    int r = c ? ratls_certificate(k->key, random.bytes, k->evidence, k->evidence_ctx,
                                  &k->certificate, &e)
              : -ENOMEM;
    if (r == 0 && k->kbs->peer)
        r = ratls_certificate_hash(k->certificate, c->asker.server_certificate);
    if (r == 0)
        r = certificate_write(k, &body);
    if (r < 0) {
        LOG_ERROR("no certificate for a handshake", LOG_TEXT("why", error_text(&e, r)));
        buf_clear(&body);
    }
    if (c)
        c->certified = r == 0;
    link_send(k->link, MESSAGE_CERTIFICATE, id, buf_slice(&body));
}

/* ECDSA over a digest that was made here. Returns its size, 0 if the library failed. */
static size_t digest_sign(const struct p256_key *key, const uint8_t digest[SHA256_SIZE],
                          uint8_t ret_der[TRANSCRIPT_SIGNATURE_SIZE_MAX])
{
    size_t size = TRANSCRIPT_SIGNATURE_SIZE_MAX;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, p256_pkey(key), NULL);
    int ok = ctx && EVP_PKEY_sign_init(ctx) == 1 &&
             EVP_PKEY_sign(ctx, ret_der, &size, digest, SHA256_SIZE) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok ? size : 0;
}

/* Once for each certificate: what is signed is a server's CertificateVerify and nothing else. */
static void sign_answer(struct keeper *k, uint32_t id, struct slice hash)
{
    struct connection *c = k->connections[id];
    struct slice signature = {0};
    uint8_t digest[SHA256_SIZE];
    if (c && c->certified && hash.size <= sizeof c->hash &&
        transcript_server_digest(hash, digest) == 0) {
        c->certified = false;
        c->signature_size = digest_sign(k->key, digest, c->signature);
        c->hash_size = c->signature_size > 0 ? hash.size : 0;
        memcpy(c->hash, hash.bytes, c->hash_size);
        signature = slice_of(c->signature, c->signature_size);
    }
    link_send(k->link, MESSAGE_SIGNATURE, id, signature);
}

static struct proof *proof_place(struct keeper *k, const uint8_t token[TLS_TOKEN_SIZE])
{
    return &k->proofs[(token[0] | (unsigned)token[1] << 8) % PROOFS];
}

static void proof_keep(struct keeper *k, const struct connection *c, struct slice token)
{
    struct proof *proof = proof_place(k, token.bytes);
    if (c->peer.kind != TLS_PEER_KEY && c->peer.kind != TLS_PEER_ATTESTED)
        return;
    memcpy(proof->token, token.bytes, sizeof proof->token);
    memcpy(proof->key_hash, c->peer.key_hash, sizeof proof->key_hash);
    proof->proved_ms = c->proved_ms;
}

/* Who comes back has the time of the proof that it comes back by; it shows no evidence, so it is a key
 * and no more, and its certificate has not been seen. Without a proof it is nobody, and told to begin
 * anew. */
static void resume_take(struct keeper *k, uint32_t id, struct slice token)
{
    static const uint8_t none[TLS_TOKEN_SIZE];
    const struct proof *proof = proof_place(k, token.bytes);
    struct connection *c = connection_new(k, id);
    if (!c)
        return;
    c->resumed = true;
    if (slice_equals(token, slice_of(none, sizeof none)) ||
        !slice_equals(token, slice_of(proof->token, sizeof proof->token)))
        return;
    c->peer.kind = TLS_PEER_KEY;
    memcpy(c->peer.key_hash, proof->key_hash, sizeof proof->key_hash);
    c->proved_ms = proof->proved_ms;
}

/* The handshake as the network process has seen it, which proves itself or is refused. */
static void peer_take(struct keeper *k, uint32_t id, struct slice body)
{
    const struct slice token = slice_of(body.bytes, TLS_TOKEN_SIZE);
    const struct slice messages = slice_of(body.bytes + TLS_TOKEN_SIZE, body.size - TLS_TOKEN_SIZE);
    struct connection *c = k->connections[id];
    struct transcript_peer shown = {0};
    const struct collateral *collateral = k->kbs->collateral;
    if (!c || c->hash_size == 0)
        return;
    int r = transcript_verify(messages, slice_of(c->hash, c->hash_size),
                              slice_of(c->signature, c->signature_size), &shown);
    c->hash_size = 0; /* one handshake proves one connection */
    c->proved_ms = k->kbs->now_ms();
    if (r < 0) {
        c->peer.kind = TLS_PEER_REFUSED;
        refusal_set(&c->peer.refusal, REFUSAL_INTERNAL, NULL, 0, NULL, NULL);
        LOG_WARNING("a handshake does not prove its client", LOG_INT("error", -r));
        return;
    }
    tls_peer_judge(shown.certificate, shown.server_random,
                   collateral ? collateral_verifier(k->kbs->collateral) : NULL, &c->peer);
    proof_keep(k, c, token);
}

/* ---- calls ---- */

static void answer_send(struct keeper *k, const struct pending *p, int status, json_t *out)
{
    SCOPED(buf_done) struct buf body = {0};
    char *text = out ? json_dumps(out, JSON_COMPACT) : NULL;
    int r = text ? message_answer_write((uint16_t)status, p->closes, slice_of_text(text), &body)
                 : -ENOMEM;
    json_memory_free(text);
    if (r < 0) {
        buf_clear(&body);
        r = message_answer_write(500, true, slice_of_text("{\"code\":\"INTERNAL\"}"), &body);
    }
    if (r == 0)
        link_send(k->link, MESSAGE_ANSWER, p->id, buf_slice(&body));
}

/* Nothing was done: whoever asked may ask again. */
static json_t *standby_answer(void)
{
    return json_pack("{s:s, s:s, s:s}", "code", refusal_code(REFUSAL_PEER_ABSENT), "message",
                     refusal_message(REFUSAL_PEER_ABSENT), "remedy",
                     refusal_remedy(REFUSAL_PEER_ABSENT));
}

static void answers_send(struct keeper *k, struct pending *p, int r)
{
    while (p) {
        struct pending *next = p->next;
        json_t *instead = r == -EHOSTDOWN ? standby_answer() : NULL;
        if (r == 0)
            answer_send(k, p, p->status, p->out);
        else
            answer_send(k, p, instead ? 503 : 500, instead);
        json_decref(instead);
        json_decref(p->out);
        free(p);
        p = next;
    }
}

static struct pending *pending_take(struct keeper *k)
{
    struct pending *p = k->first;
    k->first = NULL;
    k->last = &k->first;
    return p;
}

static void commit_now(struct keeper *k)
{
    int r = kbs_commit(k->kbs);
    answers_send(k, pending_take(k), r);
}

/* The end of the turn: one commit for all, then all the answers. */
static void turn_commit(void *arg)
{
    struct keeper *k = arg;
    assert(!committer_busy(k->committer));
    if (k->committer && store_changed(k->kbs->store)) {
        k->committing = pending_take(k);
        committer_begin(k->committer);
        return;
    }
    commit_now(k);
}

static void call_run(struct keeper *k, uint32_t id, struct connection *c,
                     const struct message_call *message);

static void parked_free(struct parked *parked)
{
    json_decref(parked->call.in);
    connection_put(parked->connection);
    free(parked);
}

/* The commit is done, and the state is ours again: what came meanwhile is a turn of its own. */
static void committed(void *arg, int result)
{
    struct keeper *k = arg;
    struct pending *p = k->committing;
    struct parked *parked = k->parked_first;
    k->committing = NULL;
    k->parked_first = NULL;
    k->parked_last = &k->parked_first;
    k->parked_size = 0;
    kbs_commit_told(k->kbs, result);
    answers_send(k, p, result);
    while (parked) {
        struct parked *next = parked->next;
        if (k->result == 0)
            call_run(k, parked->id, parked->connection, &parked->call);
        parked_free(parked);
        parked = next;
    }
}

/* Takes the document. */
static void call_park(struct keeper *k, uint32_t id, struct message_call *call, size_t size)
{
    struct parked *parked = calloc(1, sizeof *parked);
    if (!parked) {
        stop(k, -ENOMEM);
        return;
    }
    *parked = (struct parked){id, *call, k->connections[call->connection], NULL};
    if (parked->connection)
        parked->connection->references++;
    call->in = NULL;
    *k->parked_last = parked;
    k->parked_last = &parked->next;
    k->parked_size += sizeof *parked + size;
}

static bool is_of_peer(const char *path)
{
    return strncmp(path, "/v1/peer/", 9) == 0;
}

/* How long ago a client was proved; 0 for who needs no proof: nobody, and the other key broker, whose
 * messages prove themselves one by one (kbs/pair.h) and whose commit would be undone at the end of a
 * connection. */
static uint64_t proof_age_ms(const struct keeper *k, const struct connection *c, const char *path)
{
    if (!c || c->peer.kind == TLS_PEER_NONE ||
        (c->peer.kind == TLS_PEER_ATTESTED && is_of_peer(path)))
        return 0;
    return k->kbs->now_ms() - c->proved_ms;
}

/* Whoever holds a connection that long may not be who proved it. */
static void call_too_late(struct kbs_call *call)
{
    call->status = 200;
    call->out = json_object();
    kbs_call_finish(call, call_refuse(call, REFUSAL_CONNECTION_OLD, "connection", NULL, NULL));
}

/* What the owner of a volume says as long as it has it, which no key and no secret is in. For all else a
 * client signs a handshake. */
static bool is_for_resumed(const char *path)
{
    static const char *const paths[] = {"/v1/info", "/v1/volume/report", "/v1/volume/close"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++)
        if (strcmp(path, paths[i]) == 0)
            return true;
    return false;
}

static bool is_too_late(const struct connection *c, const char *path, uint64_t age_ms)
{
    return age_ms >= KEEPER_PROOF_MS ||
           (c && c->resumed && (c->peer.kind == TLS_PEER_NONE || !is_for_resumed(path)));
}

static void call_run(struct keeper *k, uint32_t id, struct connection *c,
                     const struct message_call *message)
{
    uint64_t age_ms = proof_age_ms(k, c, message->path);
    struct pending *p = calloc(1, sizeof *p);
    if (!p) {
        stop(k, -ENOMEM);
        return;
    }
    struct kbs_call call = {.kbs = k->kbs,
                            .peer = c ? &c->peer : &nobody,
                            .asker = c ? &c->asker : NULL,
                            .path = message->path,
                            .in = message->in};
    /* Outside of any transaction: what came before in this turn has its own commit and answers. */
    if (is_of_peer(message->path) && store_busy(k->kbs->store))
        commit_now(k);
    bool too_late = is_too_late(c, message->path, age_ms);
    if (too_late)
        call_too_late(&call);
    else
        kbs_call_run(&call);
    *p = (struct pending){.id = id,
                          .status = call.status,
                          .closes = too_late || age_ms >= KEEPER_CLOSE_MS,
                          .out = call.out};
    *k->last = p;
    k->last = &p->next;
    loop_defer(k->loop, &k->commit, turn_commit, k);
}

static void metrics_answer(struct keeper *k, uint32_t id, struct slice counters)
{
    SCOPED(buf_done) struct buf text = {0}, body = {0};
    struct reader rd = reader_over(counters);
    metric_value *metrics = k->kbs->metrics;
    metric_set(&metrics[KBS_METRIC_HANDSHAKES], (int64_t)reader_u64(&rd));
    metric_set(&metrics[KBS_METRIC_HANDSHAKES_FAILED], (int64_t)reader_u64(&rd));
    int r = metrics_write(&text, kbs_metric_infos, metrics, KBS_METRIC_COUNT);
    r = message_answer_write(r < 0 ? 500 : 200, false, buf_slice(&text), &body);
    if (r == 0)
        link_send(k->link, MESSAGE_ANSWER, id, buf_slice(&body));
}

/* Whoever watches over the service wants to know of both processes. */
static void alive_answer(struct keeper *k, uint32_t id)
{
    SCOPED(buf_done) struct buf body = {0};
    if (message_answer_write(200, false, slice_of_text("ok\n"), &body) == 0)
        link_send(k->link, MESSAGE_ANSWER, id, buf_slice(&body));
}

/* ---- the line ---- */

static void call_take(struct keeper *k, const struct message *m)
{
    struct message_call call = {0};
    bool stray = m->kind == MESSAGE_PEER_CALL && !k->kbs->peer;
    int r = stray ? -EBADMSG : message_call_parse(m->body, &call);
    if (r == 0 && call.connection >= TLS_CONNECTIONS_MAX)
        r = -EBADMSG;
    /* Too much waits: then the line waits too. */
    if (r == 0 && k->parked_size > PARKED_SIZE_MAX)
        committer_wait(k->committer);
    if (r < 0)
        stop(k, r);
    else if (committer_busy(k->committer))
        call_park(k, m->id, &call, m->body.size);
    else
        call_run(k, m->id, k->connections[call.connection], &call);
    json_decref(call.in);
}

static void message_take(void *arg, const struct message *m)
{
    struct keeper *k = arg;
    bool of_connection = m->kind == MESSAGE_HELLO || m->kind == MESSAGE_SIGN ||
                         m->kind == MESSAGE_PEER || m->kind == MESSAGE_RESUME ||
                         m->kind == MESSAGE_CLOSED;
    if (k->result < 0)
        return;
    if (of_connection && m->id >= TLS_CONNECTIONS_MAX) {
        stop(k, -EBADMSG);
        return;
    }
    switch (m->kind) {
    case MESSAGE_HELLO:
        hello_answer(k, m->id, m->body);
        return;
    case MESSAGE_SIGN:
        sign_answer(k, m->id, m->body);
        return;
    case MESSAGE_PEER:
        peer_take(k, m->id, m->body);
        return;
    case MESSAGE_RESUME:
        resume_take(k, m->id, m->body);
        return;
    case MESSAGE_CLOSED:
        connection_forget(k, m->id);
        return;
    case MESSAGE_CALL:
    case MESSAGE_PEER_CALL:
        call_take(k, m);
        return;
    case MESSAGE_METRICS:
        metrics_answer(k, m->id, m->body);
        return;
    case MESSAGE_ALIVE:
        alive_answer(k, m->id);
        return;
    case MESSAGE_DRAINED:
        stop(k, k->draining ? 0 : -EBADMSG);
        return;
    default:
        stop(k, -EBADMSG);
    }
}

static void link_ended(void *arg, int why)
{
    struct keeper *k = arg;
    /* What was done stays done, though nobody hears of it. */
    keeper_settle(k);
    turn_commit(k);
    keeper_settle(k);
    if (k->result == 0)
        stop(k, why < 0 ? why : k->draining ? 0 : -EPIPE);
}

/* The other end may begin; with the certificate as far as it never changes. */
static int ready_send(struct keeper *k)
{
    static const uint8_t no_nonce[RATLS_NONCE_SIZE];
    SCOPED(buf_done) struct buf body = {0};
    uint8_t *der = NULL;
    int r = ratls_certificate(k->key, no_nonce, NULL, NULL, &k->certificate, NULL);
    int size = r == 0 ? i2d_X509(k->certificate, &der) : 0;
    buf_append_byte(&body, k->kbs->peer != NULL);
    if (size > 0)
        buf_append(&body, der, (size_t)size);
    OPENSSL_free(der);
    if (size <= 0 || body.failed)
        return r < 0 ? r : -EIO;
    link_send(k->link, MESSAGE_READY, 0, buf_slice(&body));
    return 0;
}

int keeper_new(struct loop *loop, struct kbs *kbs, int fd, ratls_evidence_fn *evidence,
               void *evidence_ctx, struct keeper **ret_keeper, struct error *e)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        return error_set(e, -ENOMEM, "no memory for the keeper");
    k->loop = loop;
    k->kbs = kbs;
    k->evidence = evidence;
    k->evidence_ctx = evidence_ctx;
    k->last = &k->first;
    k->parked_last = &k->parked_first;
    int r = link_new(loop, fd, true, message_take, link_ended, k, &k->link);
    if (r == 0)
        r = p256_generate(&k->key);
    if (r == 0 && !kbs->peer)
        r = committer_new(loop, kbs->store, committed, k, &k->committer);
    if (r == 0)
        r = ready_send(k);
    if (r < 0) {
        keeper_free(k);
        return error_set(e, r, "cannot talk to the network process");
    }
    kbs->served_key = k->key;
    *ret_keeper = k;
    return 0;
}

static void pending_free(struct pending *p)
{
    while (p) {
        struct pending *next = p->next;
        json_decref(p->out);
        free(p);
        p = next;
    }
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    committer_free(k->committer);
    link_free(k->link);
    loop_defer_stop(k->loop, &k->commit);
    pending_free(k->committing);
    pending_free(k->first);
    for (struct parked *parked = k->parked_first, *next; parked; parked = next) {
        next = parked->next;
        parked_free(parked);
    }
    for (uint32_t id = 0; id < TLS_CONNECTIONS_MAX; id++)
        connection_forget(k, id);
    X509_free(k->certificate);
    if (k->kbs->served_key == k->key)
        k->kbs->served_key = NULL;
    p256_free(k->key);
    free(k);
}

void keeper_settle(struct keeper *k)
{
    committer_wait(k->committer);
}

void keeper_drain(struct keeper *k)
{
    k->draining = true;
    link_send(k->link, MESSAGE_DRAIN, 0, (struct slice){0});
}

int keeper_result(const struct keeper *k)
{
    return k->result;
}
