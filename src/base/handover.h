/* SPDX-License-Identifier: Apache-2.0 */
/* base/handover.h: how the agent hands a client's connection to its document server.
 *
 * Agent and runtime share one SOCK_SEQPACKET pair per document server and one status page (a
 * memfd). One message per packet, little-endian, HANDOVER_MESSAGE_SIZE bytes. Both sides treat the
 * other's messages as hostile: wrong size or type is dropped, an unknown id ignored.
 *
 *   agent -> runtime  CONNECTION id, with the connected socket as SCM_RIGHTS
 *                     DRAIN: finish what was begun, accept nothing more, then exit
 *   runtime -> agent  READY: the program listens; connections will be accepted
 *                     BEGUN id: the runtime is about to read the first byte; the agent closes its
 *                     duplicate. Until then a restarted server may be given the same connection
 *                     RETURNED id: not begun and never will be (draining)
 *                     CLOSED id: a begun connection has ended */
#ifndef COFFER_BASE_HANDOVER_H
#define COFFER_BASE_HANDOVER_H

#include <stdatomic.h>
#include <stdint.h>

#define HANDOVER_MESSAGE_SIZE 16
#define HANDOVER_UNACKNOWLEDGED_MAX 64 /* CONNECTION messages not yet BEGUN, per client */

enum handover_type {
    HANDOVER_CONNECTION = 1,
    HANDOVER_DRAIN = 2,
    HANDOVER_READY = 3,
    HANDOVER_BEGUN = 4,
    HANDOVER_RETURNED = 5,
    HANDOVER_CLOSED = 6,
};

struct handover_message {
    uint32_t type;
    uint32_t zero;
    uint64_t id;
};

/* The status page: counters only, written by the runtime, read by the agent and the dashboard. */
struct handover_status {
    _Atomic uint64_t active_ns;   /* CLOCK_MONOTONIC of the last plaintext byte in or out */
    _Atomic uint64_t connections; /* open TLS connections */
    _Atomic uint64_t handshakes;
    _Atomic uint64_t handshakes_failed;
    _Atomic uint64_t volume_bytes; /* bytes the volumes take on the host */
};

#endif
