/* SPDX-License-Identifier: Apache-2.0 */
/* The key broker as a whole: its state at start, routing, transactions, the audit log. */
#include "kbs/kbs.h"

#include "attest/json_memory.h"
#include "base/hex.h"
#include "base/writer.h"
#include "kbs/call.h"
#include "kbs/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { AUDIT_CHECKPOINT = 256 };

const struct metric_info kbs_metric_infos[KBS_METRIC_COUNT] = {KBS_METRICS(METRIC_INFO)};

static int64_t clock_now_s(void)
{
    struct timespec ts;
    return clock_gettime(CLOCK_REALTIME, &ts) == 0 ? ts.tv_sec : 0;
}

static uint64_t clock_now_ms(void)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int ca_restore(struct kbs *kbs, struct error *e)
{
    SCOPED(buf_done) struct buf scalar = {0}, der = {0};
    SCOPED(key256_wipe) struct key256 key = {0};
    int r = store_setting_get(kbs->store, "ca-key", &scalar);
    if (r == 0)
        r = store_setting_get(kbs->store, "ca-certificate", &der);
    if (r == 0 && scalar.size != sizeof key.bytes)
        r = -EBADMSG;
    if (r == 0) {
        memcpy(key.bytes, scalar.bytes, sizeof key.bytes);
        return ca_load(&key, buf_slice(&der), &kbs->ca);
    }
    if (r != -ENOENT)
        return error_set(e, r,
                         "the state holds a CA that this key broker cannot unseal: it belongs "
                         "to another device, program or manifest");
    r = ca_new(kbs->manifest->domain, kbs->now_s(), &kbs->ca);
    if (r == 0)
        r = ca_save(kbs->ca, &key, &der);
    if (r == 0)
        r = store_setting_put(kbs->store, "ca-key", slice_of(key.bytes, sizeof key.bytes));
    if (r == 0)
        r = store_setting_put(kbs->store, "ca-certificate", buf_slice(&der));
    return r;
}

static int audit_key_restore(struct kbs *kbs)
{
    SCOPED(buf_done) struct buf value = {0};
    SCOPED(key256_wipe) struct key256 scalar = {0};
    int r = store_setting_get(kbs->store, "audit-key", &value);
    if (r == 0 && value.size != sizeof scalar.bytes)
        return -EBADMSG;
    if (r == 0) {
        memcpy(scalar.bytes, value.bytes, sizeof scalar.bytes);
        return p256_from_private(&scalar, &kbs->audit_key);
    }
    if (r != -ENOENT)
        return r;
    r = p256_generate(&kbs->audit_key);
    if (r == 0)
        r = p256_private(kbs->audit_key, &scalar);
    return r < 0 ? r
                 : store_setting_put(kbs->store, "audit-key",
                                     slice_of(scalar.bytes, sizeof scalar.bytes));
}

static int state_restore(struct kbs *kbs, struct error *e)
{
    uint64_t commits = 0;
    int r = store_commits(kbs->store, &commits);
    /* A state that has just been made is nobody's old one. */
    kbs->locked = kbs->manifest->freshness == FRESHNESS_OWNER && commits > 0;
    if (r == 0)
        r = store_request_begin(kbs->store);
    if (r == 0)
        r = ca_restore(kbs, e);
    if (r == 0)
        r = audit_key_restore(kbs);
    if (r == 0)
        r = kbs_audit(kbs, "started", NULL, NULL, NULL);
    /* They were given by another clock, perhaps of another machine: each runs for a whole term from now. */
    if (r == 0)
        r = store_leases_restart(kbs->store, kbs->now_ms() + kbs->manifest->lease_term_ms);
    /* Also what failed is ended, or the next call would go on inside it. */
    int ended = store_request_end(kbs->store, r == 0);
    if (r == 0)
        r = ended;
    int committed = store_commit(kbs->store);
    return r < 0 ? r : committed;
}

int kbs_prepare(struct manifest *manifest, const char *dir, const struct key256 *seal_key,
                const struct evidence *self, struct kbs **ret_kbs, struct error *e)
{
    SCOPED(kbs_freep) struct kbs *kbs = calloc(1, sizeof *kbs);
    if (!kbs) {
        manifest_free(manifest);
        return error_set(e, -ENOMEM, "no memory for the key broker");
    }
    kbs->manifest = manifest;
    kbs->self = *self;
    kbs->now_s = clock_now_s;
    kbs->now_ms = clock_now_ms;
    kbs->devices = manifest->devices;
    if (manifest->device_self && kbs->devices.count < WHO_DIGESTS_MAX)
        memcpy(kbs->devices.digest[kbs->devices.count++], self->device, sizeof self->device);
    int r = store_open(dir, seal_key, &kbs->store, e);
    if (r == 0)
        *ret_kbs = TAKE(kbs);
    return r;
}

int kbs_restore(struct kbs *kbs, struct error *e)
{
    struct error ignored = {0};
    e = e ? e : &ignored;
    ca_free(kbs->ca);
    kbs->ca = NULL;
    p256_free(kbs->audit_key);
    kbs->audit_key = NULL;
    int r = state_restore(kbs, e);
    kbs->restored = r == 0;
    return r < 0 && !e->code ? error_set(e, r, "cannot restore the state") : r;
}

int kbs_open(struct manifest *manifest, const char *dir, const struct key256 *seal_key,
             const struct evidence *self, struct kbs **ret_kbs, struct error *e)
{
    SCOPED(kbs_freep) struct kbs *kbs = NULL;
    int r = kbs_prepare(manifest, dir, seal_key, self, &kbs, e);
    if (r == 0)
        r = kbs_restore(kbs, e);
    if (r == 0)
        *ret_kbs = TAKE(kbs);
    return r;
}

void kbs_free(struct kbs *kbs)
{
    if (!kbs)
        return;
    store_free(kbs->store);
    ca_free(kbs->ca);
    p256_free(kbs->audit_key);
    peer_free(kbs->peer);
    buf_done(&kbs->incoming);
    buf_done(&kbs->outgoing);
    key256_wipe(&kbs->incoming_root);
    collateral_free(kbs->collateral);
    manifest_free(kbs->manifest);
    free(kbs);
}

void kbs_freep(struct kbs **kbs)
{
    kbs_free(*kbs);
}

/* Now and then an entry that says how new the state is, and a line in the log: who keeps the host's logs
 * elsewhere keeps checkpoints with them. */
static int audit_checkpoint(struct kbs *kbs, uint64_t sequence, const uint8_t hash[SHA256_SIZE])
{
    char text[96], hex[2 * SHA256_SIZE + 1];
    uint64_t commits = 0;
    if (sequence % AUDIT_CHECKPOINT != 0)
        return 0;
    hex_encode(slice_of(hash, SHA256_SIZE), hex);
    LOG_NOTICE("audit checkpoint", LOG_INT("sequence", sequence), LOG_TEXT("hash", hex));
    int r = store_commits(kbs->store, &commits);
    snprintf(text, sizeof text, "state %llu", (unsigned long long)commits);
    return r < 0 ? r : kbs_audit(kbs, "checkpoint", NULL, NULL, text);
}

/* hash = SHA-256(previous hash || sequence || time || event): no entry can be dropped or changed
 * without breaking all after it; the signature says that this key broker wrote it. */
int kbs_audit(struct kbs *kbs, const char *event, const char *tenant, const char *policy,
              const char *detail)
{
    struct store_audit entry = {.time_s = kbs->now_s()};
    uint8_t previous[SHA256_SIZE], numbers[16];
    struct writer wr = writer_over(numbers, sizeof numbers);
    json_t *json = json_pack("{s:s, s:s*, s:s*, s:s*}", "event", event, "tenant", tenant, "policy",
                             policy, "detail", detail);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    int r = text ? store_audit_last(kbs->store, &entry.sequence, previous) : -ENOMEM;
    entry.sequence++;
    writer_u64(&wr, entry.sequence);
    writer_u64(&wr, (uint64_t)entry.time_s);
    if (r == 0) {
        const struct slice parts[] = {slice_of(previous, sizeof previous),
                                      slice_of(numbers, sizeof numbers), slice_of_text(text)};
        r = sha256_parts(parts, ARRAY_COUNT(parts), entry.hash);
    }
    if (r == 0)
        r = p256_sign(kbs->audit_key, slice_of(entry.hash, sizeof entry.hash), entry.signature);
    entry.event = text;
    if (r == 0)
        r = store_audit_add(kbs->store, &entry);
    json_memory_free(text);
    return r < 0 ? r : audit_checkpoint(kbs, entry.sequence, entry.hash);
}

static const struct {
    const char *path;
    call_fn *fn;
} routes[] = {
    {"/v1/info", call_info},
    {"/v1/unlock", call_unlock},
    {"/v1/backup", call_backup},
    {"/v1/shares", call_shares},
    {"/v1/tenant/add", call_tenant_add},
    {"/v1/tenant/list", call_tenant_list},
    {"/v1/policy/put", call_policy_put},
    {"/v1/policy/get", call_policy_get},
    {"/v1/policy/check", call_policy_check},
    {"/v1/policy/revoke", call_policy_revoke},
    {"/v1/totp/enroll", call_totp_enroll},
    {"/v1/secret/reveal", call_secret_reveal},
    {"/v1/secret/give", call_secret_give},
    {"/v1/audit", call_audit},
    {"/v1/provision", call_provision},
    {"/v1/result", call_result},
    {"/v1/volume/open", call_volume_open},
    {"/v1/volume/report", call_volume_report},
    {"/v1/volume/close", call_volume_close},
    {"/v1/volume/erase/key", call_volume_erase_key},
    {"/v1/volume/erase/drop", call_volume_erase_drop},
    {"/v1/volume/order", call_volume_order},
    {"/v1/volume/ordered", call_volume_ordered},
    {"/v1/volume/done", call_volume_done},
    {"/v1/volume/recovery", call_volume_recovery},
};

size_t kbs_route_count(void)
{
    return ARRAY_COUNT(routes);
}

const char *kbs_route_path(size_t i)
{
    return routes[i].path;
}

static int status_of(enum refusal_reason reason)
{
    switch (reason) {
    case REFUSAL_TENANT:
    case REFUSAL_POLICY:
    case REFUSAL_VOLUME:
    case REFUSAL_ERASE_KEY_GONE:
    case REFUSAL_SERVICE:
        return 404;
    case REFUSAL_POLICY_CONFLICT:
    case REFUSAL_TENANT_TAKEN:
    case REFUSAL_VOLUME_FENCED:
    case REFUSAL_VOLUME_ROLLBACK:
    case REFUSAL_SECRET_SPENT:
    case REFUSAL_SECRET_MISSING:
    case REFUSAL_IMPORT_CHANGED:
        return 409;
    case REFUSAL_VOLUME_HELD:
        return 423;
    case REFUSAL_POLICY_INVALID:
    case REFUSAL_REQUEST:
        return 400;
    case REFUSAL_LIMIT:
        return 429;
    /* Not now: a runtime waits, and does not take it for having been replaced. */
    case REFUSAL_LOCKED:
    case REFUSAL_STATE_OLD:
    case REFUSAL_STANDBY:
    case REFUSAL_PEER_ABSENT:
    case REFUSAL_CONNECTION_OLD:
        return 503;
    case REFUSAL_PEER_STALE:
        return 409;
    case REFUSAL_INTERNAL:
        return 500;
    default:
        return 403;
    }
}

/* To a peer: nothing of what would have been accepted, unless it is its own. */
static void refusal_answer(struct kbs_call *call)
{
    const struct refusal *f = &call->refusal;
    json_t *out = call->out ? call->out : json_object();
    call->out = out;
    call->status = status_of(f->reason);
    if (!out)
        return;
    json_object_set_new(out, "code", json_string(refusal_code(f->reason)));
    json_object_set_new(out, "message", json_string(refusal_message(f->reason)));
    json_object_set_new(out, "remedy", json_string(refusal_remedy(f->reason)));
    if (f->clause[0])
        json_object_set_new(out, "clause", json_string(f->clause));
    if (f->line)
        json_object_set_new(out, "line", json_integer(f->line));
    if (f->seen[0])
        json_object_set_new(out, "seen", json_string(f->seen));
    if (call->detail[0])
        json_object_set_new(out, "detail", json_string(call->detail));
    if (call->full_text && f->expected[0])
        json_object_set_new(out, "expected", json_string(f->expected));
}

/* In full to the log and to the audit log; bounded, because peers cause it. */
static void refusal_record(struct kbs_call *call)
{
    struct kbs *kbs = call->kbs;
    struct error text = {0};
    const char *tenant = json_string_value(json_object_get(call->in, "tenant"));
    metric_add(&kbs->metrics[KBS_METRIC_REFUSED], 1);
    if (!log_allows(&kbs->refusals_logged, kbs->now_s(), 600))
        return;
    bool writes = kbs->restored; /* a standby enters nothing of its own */
    refusal_error(&call->refusal, &text);
    LOG_WARNING("refused", LOG_TEXT("call", call->path), LOG_TEXT("tenant", tenant ? tenant : ""),
                LOG_TEXT("reason", text.text), LOG_TEXT("detail", call->detail));
    if (!writes || store_request_begin(kbs->store) < 0)
        return;
    int r = kbs_audit(kbs, "refused", tenant, call->path, text.text);
    if (store_request_end(kbs->store, r == 0) < 0 || r < 0)
        LOG_ERROR("a refusal could not be entered into the audit log");
}

/* Locked, only what tells or changes the lock itself is answered. */
static bool answers_locked(const char *path)
{
    return strcmp(path, "/v1/info") == 0 || strcmp(path, "/v1/unlock") == 0;
}

static int handler_run(struct kbs_call *call)
{
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++)
        if (strcmp(routes[i].path, call->path) == 0)
            return routes[i].fn(call);
    return call_refuse(call, REFUSAL_REQUEST, "path", NULL, call->path);
}

static int route(struct kbs_call *call)
{
    if (call->kbs->locked && !answers_locked(call->path))
        return call_refuse(call, REFUSAL_LOCKED, "freshness", NULL, NULL);
    int r = call_witness(call);
    if (r == 0)
        r = handler_run(call);
    /* Whoever asks is told how new the state is that it has been answered from. */
    if (r == 0 && json_is_true(json_object_get(call->in, "state")))
        r = call_put_state(call, "state");
    return r;
}

void kbs_call_finish(struct kbs_call *call, int r)
{
    if (r == 0)
        return;
    if (call->refusal.reason == REFUSAL_NONE) {
        refusal_set(&call->refusal, REFUSAL_INTERNAL, NULL, 0, NULL, NULL);
        LOG_ERROR("a call failed", LOG_TEXT("call", call->path), LOG_INT("error", -r));
    }
    if (call->refusal.reason != REFUSAL_VOLUME_HELD) {
        refusal_record(call);
        if (call->out)
            json_object_clear(call->out);
    }
    refusal_answer(call);
}

void kbs_call_run(struct kbs_call *call)
{
    struct kbs *kbs = call->kbs;
    metric_add(&kbs->metrics[KBS_METRIC_REQUESTS], 1);
    if (strncmp(call->path, "/v1/peer/", 9) == 0) {
        call_peer_run(call);
        return;
    }
    call->status = 200;
    call->out = json_object();
    int r = call->out ? 0 : -ENOMEM;
    if (r == 0 && kbs->peer && !store_busy(kbs->store))
        r = peer_ready(kbs->peer, &call->refusal);
    if (r == 0)
        r = store_request_begin(kbs->store);
    if (r == 0) {
        r = route(call);
        int ended = store_request_end(kbs->store, r == 0);
        r = r < 0 ? r : ended;
    }
    kbs_call_finish(call, r);
}

int kbs_commit(struct kbs *kbs)
{
    int r = store_commit(kbs->store);
    kbs_commit_told(kbs, r);
    return r;
}

void kbs_commit_told(struct kbs *kbs, int r)
{
    /* Nothing was released meanwhile: that would have been in the same commit. */
    kbs->locked |= r < 0 && kbs->unlocking;
    kbs->unlocking = false;
    if (r == 0)
        metric_add(&kbs->metrics[KBS_METRIC_COMMITS], 1);
    else if (r != -EHOSTDOWN) /* that has been said */
        LOG_ERROR("the state cannot be written; nothing was acknowledged", LOG_INT("error", -r));
}
