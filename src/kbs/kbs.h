/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/kbs.h: the key broker itself: what it is made of, and one call of its API. Knows neither
 * sockets nor HTTP nor TLS: kbs/front.c brings a call and takes its answer away. One thread. */
#ifndef COFFER_KBS_KBS_H
#define COFFER_KBS_KBS_H

#include "base/log.h"
#include "base/metrics.h"
#include "kbs/ca.h"
#include "kbs/collateral.h"
#include "kbs/manifest.h"
#include "kbs/pair.h"
#include "kbs/store.h"
#include "policy/policy.h"
#include "server/tls.h"

#include <jansson.h>

#define KBS_METRICS(M)                                                                            \
    M(PROVISIONED, COUNTER, "kbs_provisioned_total", "Runtimes given their configuration")        \
    M(REFUSED, COUNTER, "kbs_refused_total", "Requests refused by evidence, policy or ownership") \
    M(REQUESTS, COUNTER, "kbs_requests_total", "Calls of the API")                                \
    M(VOLUME_OPENED, COUNTER, "kbs_volume_opened_total", "Volumes given to a new owner")          \
    M(VOLUME_REPORTS, COUNTER, "kbs_volume_reports_total", "New heads of volumes recorded")       \
    M(VOLUME_FENCED, COUNTER, "kbs_volume_fenced_total", "Reports of owners that were replaced")  \
    M(COMMITS, COUNTER, "kbs_commits_total", "Durable commits of the state")                      \
    M(HANDSHAKES, COUNTER, "kbs_handshakes_total", "TLS handshakes completed")                    \
    M(HANDSHAKES_FAILED, COUNTER, "kbs_handshakes_failed_total", "TLS handshakes that failed")
#define KBS_METRIC_ID(id, kind, name, help) KBS_METRIC_##id,
enum kbs_metric { KBS_METRICS(KBS_METRIC_ID) KBS_METRIC_COUNT };

struct kbs {
    struct manifest *manifest; /* owned */
    struct store *store;       /* owned */
    struct ca *ca;
    struct p256_key *audit_key;
    struct who_digests devices; /* simulated devices that are believed */
    struct evidence self;       /* what our own evidence says */
    struct peer *peer;          /* the other of two; owned; NULL: there is one key broker only */
    bool restored; /* CA and audit key are there; a standby has none until it is promoted */
    const struct p256_key *served_key; /* of our TLS server, borrowed; NULL: nothing is served */
    struct buf incoming, outgoing;     /* a state on its way from, or to, the other */
    struct key256 incoming_root;
    bool locked;                   /* until the head has been confirmed: nothing is released */
    bool unlocking;                /* what confirmed it is in the commit to come */
    struct collateral *collateral; /* of vendors; owned, may be NULL: then only `sim` is known */
    int64_t (*now_s)(void);        /* Unix time: dates of certificates and of the audit log */
    uint64_t (*now_ms)(void);      /* monotonic: leases */
    metric_value metrics[KBS_METRIC_COUNT];
    struct log_limit totp_tries; /* codes that were shown lately */
    struct log_limit refusals_logged;
    char last_refusal_tenant[64];
};

/* Opens the state in `dir`, or makes it. Takes `manifest`, also on failure. `self` is the verified
 * evidence of this process. */
must_check int kbs_open(struct manifest *manifest, const char *dir, const struct key256 *seal_key,
                        const struct evidence *self, struct kbs **ret_kbs, struct error *e);
/* The same, but stops before anything is written: of two key brokers only one may, and which is known
 * later. Then kbs_restore(). */
must_check int kbs_prepare(struct manifest *manifest, const char *dir,
                           const struct key256 *seal_key, const struct evidence *self,
                           struct kbs **ret_kbs, struct error *e);
must_check int kbs_restore(struct kbs *kbs, struct error *e);
void kbs_free(struct kbs *kbs);
void kbs_freep(struct kbs **kbs);

/* A connection of the other key broker's keeper, who asks over it. */
struct kbs_asker {
    uint8_t server_certificate[SHA256_SIZE]; /* hash of the one that we made for it */
    struct pair pair;
};

/* One call. `in` is the request's JSON object or NULL. */
struct kbs_call {
    struct kbs *kbs;
    const struct tls_peer *peer;
    struct kbs_asker *asker; /* for /v1/peer/, may be NULL: nobody's keeper can ask */
    const char *path;        /* "/v1/provision" */
    json_t *in;
    json_t *out;    /* the answer; the caller releases it */
    int status;     /* of HTTP */
    bool full_text; /* the peer owns what was refused: it may see what would have been accepted */
    struct refusal refusal;
    char detail[ERROR_TEXT_SIZE]; /* of the refusal, in words */
};

/* Runs it inside the store's transaction; the answer may leave only after kbs_commit() has returned
 * 0. Always fills status and out (which is NULL only without memory). */
void kbs_call_run(struct kbs_call *call);
/* -EHOSTDOWN: the standby has not agreed; all was undone. */
must_check int kbs_commit(struct kbs *kbs);
/* For who has called store_commit() itself: counts and logs what it returned. */
void kbs_commit_told(struct kbs *kbs, int result);
/* Fills status and answer for what a handler has returned, and records a refusal. */
void kbs_call_finish(struct kbs_call *call, int r);

/* The paths of the API, but for those of a peer. */
size_t kbs_route_count(void);
const char *kbs_route_path(size_t i);

extern const struct metric_info kbs_metric_infos[KBS_METRIC_COUNT];

#endif
