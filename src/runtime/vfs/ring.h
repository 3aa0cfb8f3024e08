/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/ring.h: the memory that a volume server shares with its clients.
 *
 * Slots, each with room for one request and its data. A client claims a free slot, fills it, rings
 * and waits; the server answers in place. Who waits does so on a futex in this memory. The server
 * copies what it judges out of a slot first; a client that is killed leaves a slot behind, which
 * the server takes back. It can spoil nothing but its own request. */
#ifndef COFFER_RUNTIME_VFS_RING_H
#define COFFER_RUNTIME_VFS_RING_H

#include "runtime/vfs/request.h"
#include "runtime/vfs/volume_file.h"

#define RING_SLOTS 32
#define RING_DATA_SIZE (REQUEST_DATA_MAX + 2 * REQUEST_TEXT_MAX)
#define RING_PATIENCE_NS 500000000 /* between looks whether the other side still lives */

enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_REQUESTED, SLOT_SERVING, SLOT_DONE };
#define SLOT_OF(state, client) ((int)(state) | (int)(client) << 8)
#define SLOT_STATE(word) ((word)&0xff)
#define SLOT_CLIENT(word) ((uint32_t)(word) >> 8)

struct ring_slot {
    _Atomic int state; /* futex; enum slot_state, and above it whose: SLOT_OF() */
    bool has_creds;
    struct creds creds;
    struct request request; /* pointers mean nothing; sizes do */
    int64_t result;
};

struct ring {
    _Atomic int doorbell; /* counts requests; futex of the server's threads */
    _Atomic int sleepers; /* server threads asleep on it */
    _Atomic int freed;    /* counts slots given back; futex of clients that found none */
    _Atomic int waiting;  /* such clients */
    _Atomic int ready;    /* 1: serving; -1: could not start */
    _Atomic int closed;   /* 1: everything committed and let go; futex */
    _Atomic int server_pid;
    _Atomic uint32_t unlock_count;
    struct ring_slot slots[RING_SLOTS];
    struct file_position positions[OWNER_OPEN_MAX];
    uint8_t data[RING_SLOTS][RING_DATA_SIZE] __attribute__((aligned(4096)));
};

/* A short spin: a request that is answered from memory is back before a thread could fall asleep
 * and wake. */
#define RING_SPINS 200
static inline void ring_pause(void)
{
    __builtin_ia32_pause();
}

void ring_wait(_Atomic int *word, int value); /* for RING_PATIENCE_NS at most */
void ring_wake(_Atomic int *word, int count);

#endif
