/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/keeper.h: the half of the key broker that holds its keys, its state and its decisions. Opens no
 * socket to clients and parses none of their bytes but what it must judge: it answers the messages of
 * the network process (kbs/front.h), which may be anybody's by now. Who a client is it finds from the
 * handshake that the client has signed. Calls that come in one turn of the loop, or while the commit
 * before is being made durable, share one durable commit, and no answer leaves before it. One thread
 * but for that (kbs/committer.h). */
#ifndef COFFER_KBS_KEEPER_H
#define COFFER_KBS_KEEPER_H

#include "kbs/kbs.h"
#include "kbs/link.h"

/* How long a proved client is believed on one connection: nothing is done for it later. A little before,
 * the connection is to end with an answer, so that an honest client never meets the end. */
#define KEEPER_PROOF_MS (10u * 60 * 1000)
#define KEEPER_CLOSE_MS (9u * 60 * 1000)

struct keeper;

/* Serves the network process behind `fd`, which it owns, and lets it begin. `kbs` and `loop` are
 * borrowed. When the other process ends, the loop is stopped. 0 or -errno. */
must_check int keeper_new(struct loop *loop, struct kbs *kbs, int fd, ratls_evidence_fn *evidence,
                          void *evidence_ctx, struct keeper **ret_keeper, struct error *e);
void keeper_free(struct keeper *keeper);

/* Waits for the commit that is under way, if any, and sends its answers. */
void keeper_settle(struct keeper *keeper);

/* Has what has begun finished, then stops the loop. */
void keeper_drain(struct keeper *keeper);

/* After the loop: 0 if the end was asked for; -EPIPE the network process has ended by itself; -EBADMSG it
 * said what it never says. */
must_check int keeper_result(const struct keeper *keeper);

#endif
