/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/front.h: HTTPS in front of the key broker. Calls that come in one turn of the loop share one
 * durable commit, and no answer leaves before it. */
#ifndef COFFER_KBS_FRONT_H
#define COFFER_KBS_FRONT_H

#include "kbs/kbs.h"

struct front;

/* Serves on `fd`, which it owns. `kbs` and `loop` are borrowed. 0 or -errno. */
must_check int front_new(struct loop *loop, struct kbs *kbs, int fd, ratls_evidence_fn *evidence,
                         void *evidence_ctx, struct front **ret_front, struct error *e);
void front_free(struct front *front);

/* Finishes what has begun, then stops the loop. */
void front_drain(struct front *front);

#endif
