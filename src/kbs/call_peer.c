/* SPDX-License-Identifier: Apache-2.0 */
/* What the other of two key brokers asks, and what a confirmer says to one of them. */
#include "kbs/peer.h"

#include "base/hex.h"
#include "crypto/base64.h"
#include "kbs/call.h"

#include <errno.h>
#include <stdio.h>

enum { CHUNK = 256 << 10, STATE_MAX = 1 << 30, RECORD_MAX = 12 << 20 };

/* Proved to be the same program with the same manifest, on a device that is trusted here. */
static int peer_only(struct kbs_call *call)
{
    const struct tls_peer *peer = call->peer;
    if (peer->kind == TLS_PEER_REFUSED) {
        call->refusal = peer->refusal;
        return -EACCES;
    }
    if (peer->kind != TLS_PEER_ATTESTED)
        return call_refuse(call, REFUSAL_EVIDENCE_ABSENT, NULL, NULL, NULL);
    return appraise(peer_pin(call->kbs->peer), &peer->evidence, &call->refusal);
}

/* Said by the other's keeper itself, now: a network process that was taken over, ours or the other's, has
 * no word in this. */
static int keeper_only(struct kbs_call *call)
{
    struct kbs *kbs = call->kbs;
    struct kbs_asker *asker = call->asker;
    int r = peer_only(call);
    if (r == 0 && !asker)
        r = -EKEYREJECTED;
    if (r == 0)
        r = pair_begin(&asker->pair, kbs->served_key, call->peer->certificate,
                       asker->server_certificate, false);
    if (r == 0)
        r = pair_request_open(&asker->pair, call->path, call->in);
    return r == -EKEYREJECTED || r == -EOPNOTSUPP
               ? call_refuse(call, REFUSAL_PEER_STALE, "mac", NULL,
                             "no message of the other key broker's keeper, or an old one")
               : r;
}

static int stale(struct kbs_call *call, int r)
{
    char seen[64];
    snprintf(seen, sizeof seen, "%s in epoch %llu", peer_role_name(peer_role(call->kbs->peer)),
             (unsigned long long)peer_epoch(call->kbs->peer));
    return r == -ESTALE ? call_refuse(call, REFUSAL_PEER_STALE, "epoch", NULL, seen) : r;
}

static int call_status(struct kbs_call *call)
{
    struct peer *peer = call->kbs->peer;
    uint64_t commits = 0, sequence = 0, epoch = 0;
    uint8_t hash[SHA256_SIZE];
    struct key256 root;
    int r = call_uint(call, "epoch", &epoch);
    if (r == 0)
        r = store_root_id(call->kbs->store, &root);
    if (r == 0)
        r = store_commits(call->kbs->store, &commits);
    if (r == 0)
        r = store_audit_last(call->kbs->store, &sequence, hash);
    if (r == 0 && peer_is_standby(peer) && epoch >= peer_epoch(peer))
        r = peer_accept(peer, epoch);
    if (r == 0)
        r = call_put(call->out, "role", json_string(peer_role_name(peer_role(peer))));
    if (r == 0)
        r = call_put(call->out, "epoch", json_integer((json_int_t)peer_epoch(peer)));
    if (r == 0)
        r = call_put(call->out, "commits", json_integer((json_int_t)commits));
    if (r == 0)
        r = call_put(call->out, "root", call_json_hex(slice_of(root.bytes, sizeof root.bytes)));
    if (r == 0)
        r = call_put(call->out, "last", call_json_hex(slice_of(peer_last(peer), SHA256_SIZE)));
    return r < 0 ? r : call_put(call->out, "hash", call_json_hex(slice_of(hash, sizeof hash)));
}

static int call_paired(struct kbs_call *call)
{
    uint64_t epoch = 0;
    int r = call_uint(call, "epoch", &epoch);
    if (r == 0)
        r = stale(call, peer_accept(call->kbs->peer, epoch));
    return r < 0 ? r : stale(call, peer_paired(call->kbs->peer));
}

static int base64_member(struct kbs_call *call, const char *name, size_t max, struct buf *ret)
{
    const char *text = NULL;
    int r = call_text(call, name, max / 3 * 4 + 16, &text);
    if (r == 0)
        r = crypto_base64_decode(slice_of_text(text), ret);
    return r == -EBADMSG ? call_bad_request(call, name, "base64") : r;
}

static int root_member(struct kbs_call *call, struct key256 *ret)
{
    int r = pair_key_open(&call->asker->pair, json_object_get(call->in, "root"), ret);
    return r == -EBADMSG || r == -EKEYREJECTED ? call_bad_request(call, "root", "a sealed key") : r;
}

/* Parts in order; the last makes it ours. */
static int call_state(struct kbs_call *call)
{
    struct kbs *kbs = call->kbs;
    SCOPED(buf_done) struct buf part = {0};
    uint64_t epoch = 0, offset = 0, total = 0;
    int r = call_uint(call, "epoch", &epoch);
    if (r == 0)
        r = call_uint(call, "offset", &offset);
    if (r == 0)
        r = call_uint(call, "total", &total);
    if (r == 0)
        r = stale(call, peer_accept(kbs->peer, epoch));
    if (r == 0)
        r = base64_member(call, "base64", CHUNK, &part);
    if (r < 0)
        return r;
    if (offset == 0) {
        buf_done(&kbs->incoming);
        kbs->incoming.size_max = STATE_MAX;
        r = root_member(call, &kbs->incoming_root);
    }
    if (r == 0 && (offset != kbs->incoming.size || total > STATE_MAX || offset + part.size > total))
        return call_bad_request(call, "offset", "the parts in their order");
    if (r == 0)
        r = buf_append_slice(&kbs->incoming, buf_slice(&part));
    if (r < 0 || kbs->incoming.size < total)
        return r;
    r = peer_state_take(kbs->peer, buf_slice(&kbs->incoming), &kbs->incoming_root);
    buf_done(&kbs->incoming);
    key256_wipe(&kbs->incoming_root);
    return r;
}

static int call_commit(struct kbs_call *call)
{
    SCOPED(buf_done) struct buf record = {.size_max = RECORD_MAX};
    uint64_t epoch = 0, before = 0;
    int r = call_uint(call, "epoch", &epoch);
    if (r == 0)
        r = call_uint(call, "before", &before);
    if (r == 0)
        r = stale(call, peer_accept(call->kbs->peer, epoch));
    if (r == 0)
        r = base64_member(call, "base64", RECORD_MAX, &record);
    return r < 0 ? r : stale(call, peer_record_take(call->kbs->peer, before, buf_slice(&record)));
}

static int call_fetch(struct kbs_call *call)
{
    struct kbs *kbs = call->kbs;
    SCOPED(key256_wipe) struct key256 root = {0};
    uint64_t offset = 0;
    int r = call_uint(call, "offset", &offset);
    if (r == 0 && !peer_is_standby(kbs->peer))
        r = stale(call, -ESTALE);
    if (r == 0 && offset == 0) {
        buf_done(&kbs->outgoing);
        r = store_serialize(kbs->store, &kbs->outgoing);
    }
    if (r == 0 && offset >= kbs->outgoing.size)
        return call_bad_request(call, "offset", "an offset inside the state");
    if (r < 0)
        return r;
    struct slice part = slice_of(kbs->outgoing.bytes + offset,
                                 MIN(kbs->outgoing.size - (size_t)offset, (size_t)CHUNK));
    r = call_put(call->out, "total", json_integer((json_int_t)kbs->outgoing.size));
    if (r == 0)
        r = call_put(call->out, "base64", call_json_base64(part));
    if (r == 0 && offset == 0) {
        json_t *sealed = NULL;
        store_root(kbs->store, &root);
        r = pair_key_seal(&call->asker->pair, &root, &sealed);
        if (r == 0)
            r = call_put(call->out, "root", sealed);
    }
    if (offset + part.size == kbs->outgoing.size)
        buf_done(&kbs->outgoing);
    return r;
}

static int changed(struct kbs_call *call, int r)
{
    if (r == -EALREADY)
        return stale(call, -ESTALE);
    if (r == -ENODATA)
        return call_refuse(call, REFUSAL_PEER_STALE, "state", NULL,
                           "it has not got the whole state yet");
    r = stale(call, r);
    return r < 0 ? r
                 : call_put(call->out, "epoch",
                            json_integer((json_int_t)peer_epoch(call->kbs->peer)));
}

static const struct {
    const char *path;
    bool confirmer; /* who may ask: a confirmer, or the other key broker */
    int (*run)(struct kbs_call *call);
} calls[] = {{"/v1/peer/status", false, call_status}, {"/v1/peer/state", false, call_state},
             {"/v1/peer/paired", false, call_paired}, {"/v1/peer/commit", false, call_commit},
             {"/v1/peer/fetch", false, call_fetch},   {"/v1/peer/promote", true, NULL},
             {"/v1/peer/release", true, NULL}};

static int run(struct kbs_call *call)
{
    struct kbs *kbs = call->kbs;
    if (!kbs->peer)
        return call_refuse(call, REFUSAL_REQUEST, "path", NULL, "this key broker has no peer");
    for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
        if (strcmp(calls[i].path, call->path) != 0)
            continue;
        int r = calls[i].confirmer ? call_confirmer(call) : keeper_only(call);
        if (r == 0 && calls[i].run)
            r = calls[i].run(call);
        if (r == 0 && calls[i].run)
            r = pair_answer_seal(&call->asker->pair, call->path, call->in, call->out);
        if (r < 0 || calls[i].run)
            return r;
        return changed(call, strcmp(call->path, "/v1/peer/promote") == 0 ? peer_promote(kbs->peer)
                                                                         : peer_release(kbs->peer));
    }
    return call_refuse(call, REFUSAL_REQUEST, "path", NULL, call->path);
}

void call_peer_run(struct kbs_call *call)
{
    int r = kbs_commit(call->kbs); /* what came before in this turn */
    call->out = json_object();
    call->status = 200;
    if (r == 0)
        r = call->out ? run(call) : -ENOMEM;
    kbs_call_finish(call, r);
}
