/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/ring.h: the memory that a volume server shares with its clients.
 *
 * Slots, each with room for one request and its data. A client claims a free slot, fills it, sets
 * its bit and waits; the server answers in place. Who waits does so on a futex in this memory. The
 * server copies what it judges out of a slot first; a client that is killed leaves a slot behind,
 * which the server takes back. It can spoil nothing but its own request, and what processes share
 * anyway: positions, and which files are kept open (struct owner).
 *
 * Two that share a processor hand it to each other by sleeping: spinning would only keep the other
 * from its work. On two processors, where waking an idle one can take 20 microseconds, either side
 * spins about that long before it sleeps, as long as that has been worth it: struct ring_spin. */
#ifndef COFFER_RUNTIME_VFS_RING_H
#define COFFER_RUNTIME_VFS_RING_H

#include "runtime/vfs/request.h"
#include "runtime/vfs/volume_file.h"

#define RING_SLOTS 32
#define RING_DATA_SIZE (REQUEST_DATA_MAX + (size_t)2 * REQUEST_TEXT_MAX)
#define RING_PATIENCE_NS 500000000 /* between looks whether the other side still lives */

enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_REQUESTED, SLOT_SERVING, SLOT_DONE };
#define SLOT_OF(state, client) ((int)(state) | (int)(client) << 8)
#define SLOT_STATE(word) ((word)&0xff)
#define SLOT_CLIENT(word) ((uint32_t)(word) >> 8)

struct ring_slot {
    _Atomic int state;    /* futex; enum slot_state, and above it whose: SLOT_OF() */
    _Atomic int sleeping; /* the client waits for `state` to change */
    _Atomic uint32_t cpu; /* where the client is */
    bool has_creds;
    struct creds creds;
    struct request request; /* pointers mean nothing; sizes do */
    int64_t result;
};

struct ring {
    _Atomic int pending;  /* a bit for each slot with a request; futex of the thread that leads */
    _Atomic int sleeping; /* it sleeps there */
    _Atomic int away;     /* it is busy with a slow request, and no other leads: another may */
    _Atomic int calls;    /* for another, counted; futex of the others */
    _Atomic uint32_t cpu; /* where the server was last */
    _Atomic int freed;    /* counts slots given back; futex of clients that found none */
    _Atomic int waiting;  /* such clients */
    _Atomic int ready;    /* 1: serving; -1: could not start */
    _Atomic int closed;   /* 1: everything committed and let go; futex */
    _Atomic int server_pid;
    _Atomic uint32_t unlock_count;
    struct ring_slot slots[RING_SLOTS];
    struct file_position positions[OWNER_OPEN_MAX];
    _Atomic uint32_t kept[OWNER_OPEN_MAX];                        /* see struct owner */
    struct owner_public published __attribute__((aligned(4096))); /* the clients only read it */
    uint8_t data[RING_SLOTS][RING_DATA_SIZE] __attribute__((aligned(4096)));
};

#define RING_SPINS 800

/* Whether to spin: each time it was in vain, twice as many chances are let go by. */
struct ring_spin {
    _Atomic uint32_t skip, backoff;
};

static inline bool ring_spin_wanted(struct ring_spin *spin)
{
    uint32_t skip = atomic_load_explicit(&spin->skip, memory_order_relaxed);
    if (skip > 0)
        atomic_store_explicit(&spin->skip, skip - 1, memory_order_relaxed);
    return skip == 0;
}

static inline void ring_spin_ended(struct ring_spin *spin, bool worth_it)
{
    uint32_t backoff = atomic_load_explicit(&spin->backoff, memory_order_relaxed);
    backoff = worth_it ? 0 : MIN(backoff * 2 + 1, 255u);
    atomic_store_explicit(&spin->backoff, backoff, memory_order_relaxed);
    atomic_store_explicit(&spin->skip, backoff, memory_order_relaxed);
}

/* The processor we are on, as a hint; without the kernel. */
static inline uint32_t ring_cpu(void)
{
    uint32_t number = 0;
    __asm__ volatile("lsl %1, %0" : "+r"(number) : "r"(0x7bu) : "cc");
    return number & 0xfff;
}
static inline void ring_pause(void)
{
    __builtin_ia32_pause();
}

long ring_wait(_Atomic int *word, int value); /* for RING_PATIENCE_NS at most: -ETIMEDOUT */
void ring_wake(_Atomic int *word, int count);

#endif
