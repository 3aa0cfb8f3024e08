/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/peer.h: two key brokers with one state. The active one commits nothing before the standby has it
 * durably; the standby serves nobody until it is promoted, which raises the epoch and fences whoever
 * was active before. So no acknowledged write is lost with either, and the two never answer both.
 *
 * Roles, in the file STATE/role with the epoch behind them; no copy of the state carries them:
 *   active   commits with the standby's agreement only; without it, answers nothing
 *   alone    was promoted or released: commits by itself until a standby has the whole state
 *   standby  has all that the active one has; becomes `alone` when it is promoted
 *   behind   a standby that has not got everything yet: it cannot be promoted
 * An active one that meets a higher epoch has been replaced, and is behind until it has the rest.
 *
 * The two prove themselves to each other: the same program, runtime and manifest, on devices that the
 * manifest trusts. The root key travels inside that connection. Blocks while the other is asked, at
 * most a few seconds. One thread. */
#ifndef COFFER_KBS_PEER_H
#define COFFER_KBS_PEER_H

#include "kbs/kbs.h"

enum peer_role { PEER_ACTIVE, PEER_ALONE, PEER_STANDBY, PEER_BEHIND };

struct peer_settings {
    const char *dir;                   /* of the state */
    const char *address;               /* ADDRESS:PORT of the other, numeric */
    bool standby;                      /* at the first start: be the standby */
    uint64_t promote_after_ms;         /* 0: only when asked */
    const struct key256 *platform_key; /* copied: seals the root key that comes */
    ratls_evidence_fn *evidence;
    void *evidence_ctx;
};

struct peer;

/* Reads the role, or writes the first one. 0 or -errno with a text. */
must_check int peer_open(struct kbs *kbs, const struct peer_settings *settings,
                         struct peer **ret_peer, struct error *e);
void peer_free(struct peer *peer);
enum peer_role peer_role(const struct peer *peer);
uint64_t peer_epoch(const struct peer *peer);
const char *peer_role_name(enum peer_role role);
bool peer_is_standby(const struct peer *peer); /* in either way */

/* May this key broker answer now? Tries to bring the other up to date if that is due. 0; -EACCES with
 * the reason in *ret_refusal. */
must_check int peer_ready(struct peer *peer, struct refusal *ret_refusal);

/* Once a second: the active one shows that it lives; a standby that was left alone may promote itself. */
void peer_tick(struct peer *peer);

/* For call_peer.c: the other has said something; what the standby does. -ESTALE: an older epoch, or not
 * the standby. */
must_check int peer_accept(struct peer *peer, uint64_t epoch);
must_check int peer_state_take(struct peer *peer, struct slice database, const struct key256 *root);
must_check int peer_record_take(struct peer *peer, uint64_t before, struct slice record);
/* The active one says that we have everything, and that it commits nothing without us. */
must_check int peer_paired(struct peer *peer);
/* Raises the epoch. -EALREADY: it is active; -ENODATA: it has not got everything. */
must_check int peer_promote(struct peer *peer);
/* An active one goes on without its standby, because somebody who may says that it is gone. */
must_check int peer_release(struct peer *peer);
const struct who *peer_pin(const struct peer *peer);
/* SHA-256 of the record that was applied last; zeros: none since the start. */
const uint8_t *peer_last(const struct peer *peer);

/* The calls under /v1/peer/, outside of any transaction. */
void call_peer_run(struct kbs_call *call);

#endif
