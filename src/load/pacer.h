/* SPDX-License-Identifier: Apache-2.0 */
/* load/pacer.h: when requests are meant to start. Reads no clock: time comes in as nanoseconds.
 *
 * Open loop: arrivals come at a fixed rate whatever the server does, and arrival i belongs to
 * client i modulo the number of clients. A client that is still busy starts late, but the latency
 * of that request counts from when it should have started; so a stall of the server shows as
 * latency of everything that came meanwhile (no coordinated omission). Closed loop (rate 0): each
 * client starts the next request when the last is done, which measures throughput, not latency
 * under a load. */
#ifndef COFFER_LOAD_PACER_H
#define COFFER_LOAD_PACER_H

#include "base/macros.h"

#include <stdbool.h>

struct pacer {
    int64_t start_ns;
    int64_t end_ns;        /* no arrival at or after it */
    uint64_t rate_per_ks;  /* arrivals in 1,000 s; 0: closed loop */
    uint64_t client_count; /* at least 1 */
    uint64_t arrived;      /* arrivals that pacer_arrival() has announced */
};

/* When the `number`-th request (from 0) of `client` is meant to start. Open loop only. */
int64_t pacer_intended_ns(const struct pacer *p, uint64_t client, uint64_t number);

/* Announces the arrivals up to `now_ns` one by one: true and the client whose turn it is. */
bool pacer_arrival(struct pacer *p, int64_t now_ns, uint64_t *ret_client);

/* When to call pacer_arrival() again: the next arrival, or INT64_MAX if none comes any more. */
int64_t pacer_next_ns(const struct pacer *p);

/* How many of this client's requests have arrived; it has a backlog while it has begun fewer. */
uint64_t pacer_arrived_of(const struct pacer *p, uint64_t client);

#endif
