/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/committer.h: makes a state durable on a thread of its own, so that the keeper answers handshakes
 * meanwhile: waiting for the disk is most of a commit. Does nothing else with the state, and while it
 * does, nobody else may. Everything here belongs to the loop's thread. */
#ifndef COFFER_KBS_COMMITTER_H
#define COFFER_KBS_COMMITTER_H

#include "kbs/store.h"
#include "server/loop.h"

struct committer;

/* What store_commit() has returned; on the loop's thread. */
typedef void committer_done_fn(void *arg, int result);

/* `loop` and `store` are borrowed. 0, -ENOMEM or -errno. */
must_check int committer_new(struct loop *loop, struct store *store, committer_done_fn *done,
                             void *arg, struct committer **ret_committer);
/* Waits for a commit that is under way; done() is not called any more. Accepts NULL. */
void committer_free(struct committer *committer);

/* From here on until done() the store is not the caller's. No commit is under way. */
void committer_begin(struct committer *committer);
bool committer_busy(const struct committer *committer);
/* Waits for the commit that is under way, if any, and calls done() for it. */
void committer_wait(struct committer *committer);

#endif
