/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/volume_client.h"

#include "base/log.h"
#include "platform/host.h"
#include "runtime/guest.h"
#include "runtime/vfs/ring.h"
#include "runtime/vfs/volume_kept.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

long ring_wait(_Atomic int *word, int value)
{
    struct timespec patience = {.tv_nsec = RING_PATIENCE_NS};
    return host_call(SYS_futex, word, FUTEX_WAIT, value, &patience, 0, 0);
}

void ring_wake(_Atomic int *word, int count)
{
    (void)host_call(SYS_futex, word, FUTEX_WAKE, count, 0, 0, 0);
}

static bool server_lives(struct volume_client *client)
{
    if (atomic_load(&client->lost))
        return false;
    if (host_call(SYS_kill, atomic_load(&client->ring->server_pid), 0) != -ESRCH)
        return true;
    bool in_order = atomic_load(&client->ring->closed); /* it has ended with its last client */
    if (!atomic_exchange(&client->lost, true) && !in_order)
        LOG_ERROR("volume server is gone", LOG_TEXT("effect", "files on volumes give EIO"));
    return false;
}

/* A free slot, claimed; NULL once the server is gone. */
static struct ring_slot *claim(struct volume_client *client, uint32_t id)
{
    struct ring *ring = client->ring;
    unsigned start = id * 5;
    while (!atomic_load_explicit(&client->lost, memory_order_relaxed)) {
        int freed = atomic_load(&ring->freed);
        for (unsigned i = 0; i < RING_SLOTS; i++) {
            struct ring_slot *slot = &ring->slots[(start + i) % RING_SLOTS];
            int expected = SLOT_FREE;
            if (atomic_load_explicit(&slot->state, memory_order_relaxed) == SLOT_FREE &&
                atomic_compare_exchange_strong(&slot->state, &expected, SLOT_OF(SLOT_CLAIMED, id)))
                return slot;
        }
        atomic_fetch_add(&ring->waiting, 1);
        ring_wait(&ring->freed, freed);
        atomic_fetch_sub(&ring->waiting, 1);
        (void)server_lives(client);
    }
    return NULL;
}

static void give_back(struct ring *ring, struct ring_slot *slot)
{
    atomic_store(&slot->state, SLOT_FREE);
    atomic_fetch_add(&ring->freed, 1);
    if (atomic_load(&ring->waiting) > 0)
        ring_wake(&ring->freed, 1);
}

static void ring_bell(struct ring *ring, const struct ring_slot *slot)
{
    atomic_fetch_or(&ring->pending, (int)(1u << (slot - ring->slots)));
    if (atomic_load(&ring->sleeping)) {
        ring_wake(&ring->pending, 1);
    } else if (atomic_load(&ring->away)) {
        atomic_fetch_add(&ring->calls, 1);
        ring_wake(&ring->calls, 1);
    }
}

static bool is_done(struct ring_slot *slot)
{
    return SLOT_STATE(atomic_load_explicit(&slot->state, memory_order_acquire)) == SLOT_DONE;
}

static bool spin_for_answer(struct volume_client *client, struct ring_slot *slot)
{
    bool apart = atomic_load_explicit(&client->ring->cpu, memory_order_relaxed) !=
                 atomic_load_explicit(&slot->cpu, memory_order_relaxed);
    if (request_is_slow(slot->request.op) || !apart || !ring_spin_wanted(&client->spin))
        return is_done(slot);
    bool done = is_done(slot);
    for (unsigned i = 0; !done && i < RING_SPINS; i++) {
        ring_pause();
        done = is_done(slot);
    }
    ring_spin_ended(&client->spin, done);
    return done;
}

static bool await_answer(struct volume_client *client, struct ring_slot *slot)
{
    if (spin_for_answer(client, slot))
        return true;
    atomic_store(&slot->sleeping, 1);
    for (;;) {
        int state = atomic_load(&slot->state);
        if (SLOT_STATE(state) == SLOT_DONE)
            return true;
        if (ring_wait(&slot->state, state) == -ETIMEDOUT && !server_lives(client))
            return false;
    }
}

/* What goes with a request: names are ours, data may be the guest's. How much of the first, or -errno. */
static ssize_t fill_slot(uint8_t *data, const struct request *rq)
{
    struct iovec in = {(void *)(uintptr_t)rq->in.bytes, rq->in.size};
    ssize_t n = rq->in.size > 0 ? guest_gather(data, rq->in.size, &in, 1, 0) : 0;
    if (n >= 0 && rq->in2.size > 0)
        memcpy(data + rq->in.size, rq->in2.bytes, rq->in2.size);
    return n;
}

/* The answer's bytes: how much of `out` they are is its count for texts and data, all of it for
 * structs. The result again, or fewer where the guest's memory ends. */
static int64_t take_answer(const struct request *rq, const uint8_t *data, int64_t result)
{
    size_t size = result < 0 ? 0 : rq->out_size;
    if (result >= 0 && rq->op == REQUEST_READ)
        size = MIN((size_t)result, rq->out_size);
    if (result >= 0 && rq->op == REQUEST_READDIR)
        size = MIN((size_t)result * sizeof(struct volume_entry), rq->out_size);
    if (size == 0)
        return result;
    struct iovec out = {rq->out, size};
    ssize_t n = guest_scatter(&out, 1, 0, data, size);
    return n < 0 || rq->op == REQUEST_READ ? n : result;
}

/* One request that fits a slot. */
static int64_t call_once(struct volume_client *client, struct request *rq)
{
    uint32_t id = rq->client;
    struct ring_slot *slot = claim(client, id);
    if (!slot)
        return -EIO;
    uint8_t *data = client->ring->data[slot - client->ring->slots];
    size_t in_size = rq->in.size + rq->in2.size;
    size_t out_at = round_up(in_size, 64);
    slot->request = *rq;
    atomic_store_explicit(&slot->sleeping, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->cpu, ring_cpu(), memory_order_relaxed);
    slot->has_creds = rq->creds != NULL;
    if (rq->creds)
        slot->creds = *rq->creds;
    ssize_t filled = fill_slot(data, rq);
    if (filled < 0) {
        give_back(client->ring, slot);
        return filled;
    }
    if ((size_t)filled < rq->in.size) /* data: only a write's is as long as that */
        slot->request.in.size = (size_t)filled;
    atomic_store(&slot->state, SLOT_OF(SLOT_REQUESTED, id));
    ring_bell(client->ring, slot);
    if (!await_answer(client, slot))
        return -EIO;
    int64_t result = slot->result;
    struct request answer = slot->request;
    result = take_answer(rq, data + out_at, result);
    give_back(client->ring, slot);
    answer.in = rq->in;
    answer.in2 = rq->in2;
    answer.out = rq->out;
    answer.out_size = rq->out_size;
    answer.creds = rq->creds;
    *rq = answer;
    return result;
}

static int64_t read_in_pieces(struct volume_client *client, struct request *rq)
{
    int64_t done = 0;
    while ((size_t)done < rq->out_size) {
        struct request piece = *rq;
        piece.offset += (uint64_t)done;
        piece.out = (uint8_t *)rq->out + done;
        piece.out_size = MIN(rq->out_size - (size_t)done, REQUEST_DATA_MAX);
        int64_t n = call_once(client, &piece);
        if (n < 0)
            return done > 0 ? done : n;
        done += n;
        if ((size_t)n < piece.out_size)
            break;
    }
    return done;
}

/* After an append, `rq->offset` is such that offset + result is where the last piece ended. */
static int64_t write_in_pieces(struct volume_client *client, struct request *rq)
{
    int64_t done = 0;
    uint64_t end = rq->offset;
    while ((size_t)done < rq->in.size) {
        struct request piece = *rq;
        if (!(rq->flags & REQUEST_APPEND))
            piece.offset += (uint64_t)done;
        piece.in = slice_of(rq->in.bytes + done, MIN(rq->in.size - (size_t)done, REQUEST_DATA_MAX));
        int64_t n = call_once(client, &piece);
        if (n < 0 && done == 0)
            return n;
        if (n <= 0)
            break;
        done += n;
        end = piece.offset + (uint64_t)n;
        if ((size_t)n < piece.in.size)
            break;
    }
    rq->offset = end - (uint64_t)done;
    return done;
}

/* What is published first; the server gives the rest. */
static int64_t read_all(struct volume_client *client, struct request *rq)
{
    bool whole;
    int64_t done = owner_pages_published(&client->ring->published, rq->handle, rq->offset, rq->out,
                                         rq->out_size, &whole);
    if (whole)
        return done;
    struct request rest = *rq;
    rest.offset += (uint64_t)done;
    rest.out = (uint8_t *)rq->out + done;
    rest.out_size -= (size_t)done;
    int64_t n = read_in_pieces(client, &rest);
    return n < 0 && done == 0 ? n : done + MAX(n, (int64_t)0);
}

static int64_t walk(struct volume_client *client, struct request *rq)
{
    if (volume_kept_walk(client->ring, rq))
        return WALK_DONE;
    uint64_t generation = atomic_load(&client->ring->published.generation);
    struct request asked = *rq;
    int64_t r = call_once(client, rq);
    if (r == WALK_DONE)
        volume_kept_note_walk(&asked, rq, generation);
    return r;
}

int64_t volume_client_call(struct volume_client *client, struct request *rq)
{
    if (rq->op == REQUEST_READ)
        return read_all(client, rq);
    if (rq->op == REQUEST_WRITE && rq->in.size > REQUEST_DATA_MAX)
        return write_in_pieces(client, rq);
    if (rq->in.size + rq->in2.size + 64 + rq->out_size > RING_DATA_SIZE)
        return -E2BIG;
    if (rq->op == REQUEST_WALK)
        return walk(client, rq);
    if ((rq->op == REQUEST_OPEN && volume_kept_open(client->ring, rq)) ||
        (rq->op == REQUEST_CLOSE && volume_kept_close(client->ring, rq)))
        return 0;
    return call_once(client, rq);
}

struct file_position *volume_client_position(struct volume_client *client, uint32_t handle)
{
    return &client->ring->positions[handle % OWNER_OPEN_MAX];
}

_Atomic uint32_t *volume_client_unlock_count(struct volume_client *client)
{
    return &client->ring->unlock_count;
}

bool volume_client_attr(struct volume_client *client, uint32_t handle, struct volume_attr *ret_attr,
                        bool size_only)
{
    return owner_published(&client->ring->published, handle, ret_attr, size_only);
}

int volume_client_arena(struct volume_client *client)
{
    return client->arena_fd;
}

void volume_client_goodbye(struct volume_client *client)
{
    struct request rq = {.op = REQUEST_CLIENT_DROP, .client = g_fs.client, .handle = g_fs.client};
    if (volume_client_call(client, &rq) != 0)
        return; /* others are left, or the server is gone */
    while (!atomic_load(&client->ring->closed) && server_lives(client))
        ring_wait(&client->ring->closed, 0);
}
