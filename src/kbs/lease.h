/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/lease.h: who owns a volume now, and what its newest state is. Pure decisions over a plain
 * record: no I/O, no clock.
 *
 * Every opening takes the next epoch, which fences all before it at once: their reports are refused
 * from then on. In mode `periodic` an owner acknowledges writes without asking, for at most a term
 * after its last report; so a successor waits until that term (and a margin) is over, unless the
 * owner has closed, or the launcher of both promises that the owner is dead (same instance). */
#ifndef COFFER_KBS_LEASE_H
#define COFFER_KBS_LEASE_H

#include "base/evidence_record.h"
#include "base/macros.h"

#include <stdbool.h>

#define LEASE_TAG_SIZE 32
#define LEASE_SESSION_SIZE 32
#define LEASE_OPENING_SIZE 16

struct lease_head {
    uint64_t epoch;
    uint64_t sequence;
    uint8_t tag[LEASE_TAG_SIZE];
};

struct lease {
    struct lease_head head;
    bool held;
    uint64_t deadline_ms; /* while held: until when its owner may acknowledge by itself */
    uint8_t session[LEASE_SESSION_SIZE]; /* of the newest owner */
    uint8_t instance[EVIDENCE_INSTANCE_SIZE];
    uint8_t opening[LEASE_OPENING_SIZE]; /* id of the key its tail is written with */
};

struct lease_owner {
    uint8_t session[LEASE_SESSION_SIZE];
    uint8_t instance[EVIDENCE_INSTANCE_SIZE];
    bool waits; /* in this mode a successor waits for the term */
};

struct lease_times {
    uint64_t now_ms; /* monotonic; after a restart it may have begun anew */
    uint64_t term_ms;
    uint64_t margin_ms;
};

/* 0: `owner` owns it from now on, under epoch + 1. -EBUSY: *ret_wait_ms until that may be. */
must_check int lease_open(struct lease *lease, const struct lease_owner *owner,
                          const uint8_t opening[LEASE_OPENING_SIZE], const struct lease_times *t,
                          uint64_t *ret_wait_ms);

/* A new head, and another term. -ESTALE: another has opened it since. -EKEYREJECTED: the head is
 * older than the one known, or another one of the same sequence: nothing has changed. */
must_check int lease_report(struct lease *lease, const uint8_t session[LEASE_SESSION_SIZE],
                            const struct lease_head *head, const struct lease_times *t);

/* A last report that also gives the lease back. */
must_check int lease_close(struct lease *lease, const uint8_t session[LEASE_SESSION_SIZE],
                           const struct lease_head *head, const struct lease_times *t);

/* Whoever owns it no longer does. */
void lease_revoke(struct lease *lease);

#endif
