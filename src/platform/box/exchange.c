/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange area: blocks of two sizes, each a bit in a map. No lock, so that a signal handler may
 * take a block while the thread it interrupts takes one. */
#include "platform/box/internal.h"
#include "platform/linux/linux.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define SMALL_SIZE ((size_t)32 << 10)
#define LARGE_SIZE (EXCHANGE_BLOCK_MAX + 4096)
#define SMALL_COUNT 4096 /* more than threads in one test; only touched pages cost */
#define LARGE_COUNT 128

struct pool {
    size_t size, count;
    uint8_t *bytes;
    _Atomic uint64_t *taken;
};

static _Atomic uint64_t g_small_taken[SMALL_COUNT / 64], g_large_taken[LARGE_COUNT / 64];
static struct pool g_small = {SMALL_SIZE, SMALL_COUNT, NULL, g_small_taken};
static struct pool g_large = {LARGE_SIZE, LARGE_COUNT, NULL, g_large_taken};

static int pool_map(struct pool *pool)
{
    long at = linux_call(
        SYS_mmap, (const long[6]){0, (long)(pool->size * pool->count), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0});
    if (at < 0 && at > -4096)
        return (int)at;
    pool->bytes = (uint8_t *)at; /* NOLINT(performance-no-int-to-ptr) */
    return 0;
}

int exchange_start(void)
{
    int r = pool_map(&g_small);
    return r < 0 ? r : pool_map(&g_large);
}

static uint8_t *pool_take(struct pool *pool)
{
    for (size_t word = 0; word < pool->count / 64; word++) {
        uint64_t taken = atomic_load(&pool->taken[word]);
        while (~taken != 0) {
            unsigned bit = (unsigned)__builtin_ctzll(~taken);
            if (atomic_compare_exchange_weak(&pool->taken[word], &taken, taken | 1ull << bit))
                return pool->bytes + (word * 64 + bit) * pool->size;
        }
    }
    return NULL;
}

static bool pool_holds(const struct pool *pool, unsigned long address, size_t size)
{
    unsigned long from = (unsigned long)pool->bytes, whole = pool->size * pool->count;
    return address >= from && size <= whole && address - from <= whole - size;
}

static void pool_give(struct pool *pool, const uint8_t *block)
{
    size_t i = (size_t)(block - pool->bytes) / pool->size;
    atomic_fetch_and(&pool->taken[i / 64], ~(1ull << (i % 64)));
}

void *exchange_take(struct exchange_frame *frame, size_t size)
{
    size_t need = (MAX(size, (size_t)1) + 15) & ~(size_t)15;
    for (int i = 0; i < frame->count; i++) {
        struct exchange_block *b = &frame->blocks[i];
        if (b->size - b->used < need)
            continue;
        b->used += need;
        return b->bytes + b->used - need;
    }
    struct pool *pool = need <= SMALL_SIZE ? &g_small : &g_large;
    if (need > pool->size || frame->count == EXCHANGE_BLOCKS_MAX)
        return NULL;
    uint8_t *bytes = pool_take(pool);
    if (!bytes)
        return NULL;
    frame->blocks[frame->count++] = (struct exchange_block){bytes, pool->size, need};
    return bytes;
}

void exchange_release(struct exchange_frame *frame)
{
    for (int i = 0; i < frame->count; i++) {
        const uint8_t *bytes = frame->blocks[i].bytes;
        pool_give(pool_holds(&g_small, (unsigned long)bytes, 1) ? &g_small : &g_large, bytes);
    }
    frame->count = 0;
}

bool exchange_holds(unsigned long address, size_t size)
{
    return pool_holds(&g_small, address, size) || pool_holds(&g_large, address, size);
}
