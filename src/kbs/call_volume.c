/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes: who owns one, and what its newest state is. Decisions are in kbs/lease.c. */
#include "kbs/call.h"

#include <errno.h>
#include <stdio.h>

/* A key that has attested lately stands for its runtime; the policy must still be there. */
static int session_load(struct kbs_call *call, struct store_session *ret)
{
    struct kbs *kbs = call->kbs;
    if (call->peer->kind != TLS_PEER_KEY && call->peer->kind != TLS_PEER_ATTESTED)
        return call_refuse(call, REFUSAL_SESSION, "session", NULL, "no certificate");
    int r = store_session_get(kbs->store, call->peer->key_hash, ret);
    if (r == -ENOENT)
        return call_refuse(call, REFUSAL_SESSION, "session", NULL, "unknown");
    if (r == 0 && ret->expires_s < kbs->now_s())
        return call_refuse(call, REFUSAL_SESSION, "session", NULL, "expired");
    return r;
}

static const struct policy_export *volume_exports(const struct policy *from, const char *name,
                                                  unsigned *ret_count, bool *ret_known)
{
    const struct policy_volume *volume = policy_volume_find(from, name);
    *ret_known = volume && !volume->import.policy;
    *ret_count = *ret_known ? volume->export_count : 0;
    return *ret_known ? volume->exports : NULL;
}

int volume_source(struct kbs_call *call, const struct policy *policy,
                  const struct policy_volume *volume, struct policy **ret_from)
{
    return volume->import.policy
               ? call_import_load(call, policy, &volume->import, volume_exports, ret_from)
               : 0;
}

/* One that the policy imports: it has the id of where it comes from. */
static int imported_find(struct kbs_call *call, struct volume_call *ret)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    char name[64];
    int r = call_policy_load(call, ret->session.tenant, ret->session.policy, NULL, &policy);
    for (unsigned i = 0; r == 0 && i < policy->volume_count; i++) {
        SCOPED(policy_freep) struct policy *from = NULL;
        const struct policy_volume *volume = &policy->volumes[i];
        if (!volume->import.policy)
            continue;
        r = volume_source(call, policy, volume, &from);
        if (r < 0)
            return r;
        int found = store_volume_find(call->kbs->store, from->tenant, from->name, ret->id, name,
                                      &ret->lease);
        if (found == 0 && strcmp(name, volume->import.name) == 0) {
            snprintf(ret->name, sizeof ret->name, "%s", volume->name);
            return 0;
        }
    }
    return r < 0 ? r : -ENOENT;
}

int volume_call_load(struct kbs_call *call, struct volume_call *ret)
{
    int r = session_load(call, &ret->session);
    if (r == 0)
        r = call_hex(call, "id", ret->id, sizeof ret->id);
    if (r < 0)
        return r;
    r = store_volume_find(call->kbs->store, ret->session.tenant, ret->session.policy, ret->id,
                          ret->name, &ret->lease);
    if (r == -ENOENT)
        r = imported_find(call, ret);
    return r == -ENOENT ? call_refuse(call, REFUSAL_VOLUME, "id", NULL, NULL) : r;
}

struct lease_times kbs_lease_times(const struct kbs *kbs)
{
    return (struct lease_times){.now_ms = kbs->now_ms(),
                                .term_ms = kbs->manifest->lease_term_ms,
                                .margin_ms = kbs->manifest->lease_margin_ms};
}

static int put_head(json_t *object, const struct lease_head *head)
{
    int r = call_put(object, "epoch", json_integer((json_int_t)head->epoch));
    if (r == 0)
        r = call_put(object, "sequence", json_integer((json_int_t)head->sequence));
    return r < 0 ? r
                 : call_put(object, "tag", call_json_hex(slice_of(head->tag, sizeof head->tag)));
}

int call_put_lease(const struct kbs *kbs, json_t *object, const struct lease *lease)
{
    int r = put_head(object, &lease->head);
    return r < 0 ? r
                 : call_put(object, "term_ms",
                            json_integer((json_int_t)kbs->manifest->lease_term_ms));
}

static int lease_refuse(struct kbs_call *call, int r)
{
    if (r == -ESTALE) {
        metric_add(&call->kbs->metrics[KBS_METRIC_VOLUME_FENCED], 1);
        return call_refuse(call, REFUSAL_VOLUME_FENCED, "epoch", NULL, NULL);
    }
    if (r == -EKEYREJECTED)
        return call_refuse(call, REFUSAL_VOLUME_ROLLBACK, "sequence", NULL, NULL);
    return r;
}

/* In mode `strict` the old owner can acknowledge nothing any more, in `none` nobody asks. */
static int owner_describe(struct kbs_call *call, const struct volume_call *v,
                          struct lease_owner *ret)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    int r = call_policy_load(call, v->session.tenant, v->session.policy, NULL, &policy);
    if (r < 0)
        return r;
    const struct policy_volume *volume = policy_volume_find(policy, v->name);
    if (!volume)
        return call_refuse(call, REFUSAL_VOLUME, "volumes", NULL, v->name);
    ret->waits = volume->mode == POLICY_VOLUME_PERIODIC;
    memcpy(ret->session, call->peer->key_hash, sizeof ret->session);
    memcpy(ret->instance, v->session.instance, sizeof ret->instance);
    return 0;
}

int call_volume_open(struct kbs_call *call)
{
    struct volume_call v;
    struct lease_owner owner = {0};
    uint8_t opening[LEASE_OPENING_SIZE];
    uint64_t wait_ms = 0;
    int r = volume_call_load(call, &v);
    if (r == 0)
        r = call_hex(call, "opening", opening, sizeof opening);
    if (r == 0)
        r = owner_describe(call, &v, &owner);
    if (r < 0)
        return r;
    struct lease_times now = kbs_lease_times(call->kbs);
    r = lease_open(&v.lease, &owner, opening, &now, &wait_ms);
    if (r == -EBUSY) {
        r = call_put(call->out, "retry_after_ms", json_integer((json_int_t)wait_ms));
        return r < 0 ? r : call_refuse(call, REFUSAL_VOLUME_HELD, "lease", NULL, NULL);
    }
    if (r == 0)
        r = store_volume_put(call->kbs->store, v.id, &v.lease);
    if (r == 0)
        r = call_put_lease(call->kbs, call->out, &v.lease);
    if (r < 0)
        return r;
    metric_add(&call->kbs->metrics[KBS_METRIC_VOLUME_OPENED], 1);
    return kbs_audit(call->kbs, "volume opened", v.session.tenant, v.session.policy, v.name);
}

/* An owner that was given its volume together with its configuration names its key here. */
static int opening_parse(struct kbs_call *call, struct lease *lease)
{
    if (!json_object_get(call->in, "opening"))
        return 0;
    return call_hex(call, "opening", lease->opening, sizeof lease->opening);
}

static int head_parse(struct kbs_call *call, struct lease_head *ret)
{
    int r = call_uint(call, "epoch", &ret->epoch);
    if (r == 0)
        r = call_uint(call, "sequence", &ret->sequence);
    return r < 0 ? r : call_hex(call, "tag", ret->tag, sizeof ret->tag);
}

int call_volume_report(struct kbs_call *call)
{
    struct volume_call v;
    struct lease_head head;
    int r = volume_call_load(call, &v);
    if (r == 0)
        r = head_parse(call, &head);
    if (r < 0)
        return r;
    struct lease_times now = kbs_lease_times(call->kbs);
    r = lease_report(&v.lease, call->peer->key_hash, &head, &now);
    if (r < 0)
        return lease_refuse(call, r);
    r = opening_parse(call, &v.lease);
    if (r < 0)
        return r;
    metric_add(&call->kbs->metrics[KBS_METRIC_VOLUME_REPORTS], 1);
    return store_volume_put(call->kbs->store, v.id, &v.lease);
}

int call_volume_close(struct kbs_call *call)
{
    struct volume_call v;
    struct lease_head head;
    int r = volume_call_load(call, &v);
    if (r == 0)
        r = head_parse(call, &head);
    if (r < 0)
        return r;
    struct lease_times now = kbs_lease_times(call->kbs);
    r = lease_close(&v.lease, call->peer->key_hash, &head, &now);
    if (r < 0)
        return lease_refuse(call, r);
    r = opening_parse(call, &v.lease);
    if (r == 0)
        r = store_volume_put(call->kbs->store, v.id, &v.lease);
    return r < 0
               ? r
               : kbs_audit(call->kbs, "volume closed", v.session.tenant, v.session.policy, v.name);
}
