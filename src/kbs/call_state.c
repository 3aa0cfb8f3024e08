/* SPDX-License-Identifier: Apache-2.0 */
/* How new this state is, and what others know of it. A host can put back an older disk; it cannot
 * make anybody forget what they have seen. A head is signed, so that nobody can lock a key broker by
 * inventing one: only what was really told counts. */
#include "kbs/call.h"

#include "base/hex.h"

#include "base/writer.h"

#include <errno.h>
#include <stdio.h>

/* What somebody remembers: the number of commits then, and one entry of the audit log. */
struct state_head {
    uint64_t commits, sequence;
    uint8_t hash[SHA256_SIZE];
};

#define HEAD_CONTEXT "coffer state head 1"

static struct slice head_bytes(const struct state_head *head, uint8_t bytes[80])
{
    struct writer wr = writer_over(bytes, 80);
    writer_slice(&wr, slice_of_text(HEAD_CONTEXT));
    writer_u64(&wr, head->commits);
    writer_u64(&wr, head->sequence);
    writer_bytes(&wr, head->hash, sizeof head->hash);
    return slice_of(bytes, writer_size(&wr));
}

int call_put_state(struct kbs_call *call, const char *key)
{
    struct state_head head;
    uint8_t bytes[80], signature[P256_SIGNATURE_SIZE];
    json_t *out = json_object();
    int r = store_commits(call->kbs->store, &head.commits);
    /* The answer leaves after the commit of what has been changed until now. */
    if (r == 0 && store_changed(call->kbs->store))
        head.commits++;
    if (r == 0)
        r = store_audit_last(call->kbs->store, &head.sequence, head.hash);
    if (r == 0)
        r = p256_sign(call->kbs->audit_key, head_bytes(&head, bytes), signature);
    if (r == 0)
        r = call_put(out, "signature", call_json_hex(slice_of(signature, sizeof signature)));
    if (r == 0)
        r = call_put(out, "commits", json_integer((json_int_t)head.commits));
    if (r == 0)
        r = call_put(out, "sequence", json_integer((json_int_t)head.sequence));
    if (r == 0)
        r = call_put(out, "hash", call_json_hex(slice_of(head.hash, sizeof head.hash)));
    if (r == 0)
        return call_put(call->out, key, out);
    json_decref(out);
    return r;
}

static int head_parse(struct kbs_call *call, const char *member, struct state_head *ret)
{
    const json_t *in = json_object_get(call->in, member);
    const json_t *commits = json_object_get(in, "commits");
    const json_t *sequence = json_object_get(in, "sequence");
    const char *hash = json_string_value(json_object_get(in, "hash"));
    const char *sign = json_string_value(json_object_get(in, "signature"));
    uint8_t bytes[80], signature[P256_SIGNATURE_SIZE], point[P256_PUBLIC_SIZE];
    if (!json_is_integer(commits) || json_integer_value(commits) < 0 ||
        !json_is_integer(sequence) || json_integer_value(sequence) < 0 || !hash || !sign ||
        hex_decode(slice_of_text(hash), ret->hash, sizeof ret->hash) < 0 ||
        hex_decode(slice_of_text(sign), signature, sizeof signature) < 0)
        return call_bad_request(call, member, "a head as `state` of /v1/info tells it");
    ret->commits = (uint64_t)json_integer_value(commits);
    ret->sequence = (uint64_t)json_integer_value(sequence);
    int r = p256_public(call->kbs->audit_key, point);
    if (r == 0)
        r = p256_verify(point, head_bytes(ret, bytes), signature);
    return r == -EBADMSG ? call_bad_request(call, member, "a head that this key broker signed") : r;
}

/* 0: our state is that one, or came after it. -ESTALE: it is older, or another branch of it. */
static int head_judge(struct kbs *kbs, const struct state_head *known)
{
    uint64_t commits = 0;
    uint8_t hash[SHA256_SIZE];
    int r = store_commits(kbs->store, &commits);
    if (r < 0)
        return r;
    if (known->sequence == 0)
        return commits >= known->commits ? 0 : -ESTALE;
    r = store_audit_hash(kbs->store, known->sequence, hash);
    if (r == -ENOENT)
        return -ESTALE;
    if (r < 0)
        return r;
    return commits >= known->commits && memcmp(hash, known->hash, sizeof hash) == 0 ? 0 : -ESTALE;
}

static int state_old(struct kbs_call *call, const struct state_head *known)
{
    char seen[REFUSAL_VALUE_SIZE];
    uint64_t commits = 0;
    int r = store_commits(call->kbs->store, &commits);
    snprintf(seen, sizeof seen, "state %llu, entry %llu were seen; this is state %llu",
             (unsigned long long)known->commits, (unsigned long long)known->sequence,
             (unsigned long long)(r == 0 ? commits : 0));
    return call_refuse(call, REFUSAL_STATE_OLD, "freshness", NULL, seen);
}

int call_witness(struct kbs_call *call)
{
    struct state_head known;
    if (!json_object_get(call->in, "witness"))
        return 0;
    int r = head_parse(call, "witness", &known);
    if (r == 0)
        r = head_judge(call->kbs, &known);
    if (r != -ESTALE)
        return r;
    if (call->kbs->manifest->freshness != FRESHNESS_NONE) {
        call->kbs->locked = true;
        LOG_ERROR("a witness has seen a newer state than this one: locked");
    }
    return state_old(call, &known);
}

int call_confirmer(struct kbs_call *call)
{
    const struct who_digests *keys = &call->kbs->manifest->confirmers;
    char seen[2 * SHA256_SIZE + 1] = "no certificate";
    if (call->peer->kind == TLS_PEER_KEY) {
        for (unsigned i = 0; i < keys->count; i++)
            if (memcmp(keys->digest[i], call->peer->key_hash, SHA256_SIZE) == 0)
                return 0;
        hex_encode(slice_of(call->peer->key_hash, SHA256_SIZE), seen);
    }
    return call_refuse(call, REFUSAL_NOT_CONFIRMER, "confirmers", NULL, seen);
}

/* `head`: the newest that the confirmer knows. Or `accept`: the hash of our own newest entry, after a
 * backup was restored: what came after it is lost, and the confirmer says so knowingly. */
int call_unlock(struct kbs_call *call)
{
    struct state_head known;
    uint8_t accepted[SHA256_SIZE];
    uint64_t sequence = 0;
    bool accepts = json_object_get(call->in, "accept") != NULL;
    int r = call_confirmer(call);
    if (r == 0)
        r = accepts ? call_hex(call, "accept", accepted, sizeof accepted)
                    : head_parse(call, "head", &known);
    if (r == 0 && accepts) {
        /* Entries may have come since it was told: refusals are entered, too. */
        r = store_audit_find(call->kbs->store, accepted, &sequence);
        if (r == -ENOENT)
            return call_bad_request(call, "accept", "the hash of the state as /v1/info tells it");
    } else if (r == 0) {
        r = head_judge(call->kbs, &known);
        if (r == -ESTALE)
            return state_old(call, &known);
    }
    if (r == 0)
        r = kbs_audit(call->kbs, accepts ? "older state accepted" : "unlocked", NULL, NULL, NULL);
    if (r == 0)
        r = call_put_state(call, "state");
    if (r < 0)
        return r;
    call->kbs->unlocking |= call->kbs->locked;
    call->kbs->locked = false;
    return 0;
}
