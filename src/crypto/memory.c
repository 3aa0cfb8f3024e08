/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define KEPT_COUNT 2

/* Each holds CRYPTO_KEPT_MAX bytes. */
static void *_Atomic g_kept[KEPT_COUNT];

static bool is_kept_size(size_t size)
{
    return size >= CRYPTO_KEPT_MIN && size <= CRYPTO_KEPT_MAX;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (size == 0) /* as OpenSSL's own */
        return NULL;
    if (!is_kept_size(size))
        return malloc(size);
    for (int i = 0; i < KEPT_COUNT; i++) {
        void *kept = atomic_load_explicit(&g_kept[i], memory_order_relaxed);
        if (kept && (kept = atomic_exchange(&g_kept[i], NULL)))
            return kept;
    }
    return malloc(CRYPTO_KEPT_MAX);
}

static void release(void *bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    const size_t size = bytes ? malloc_usable_size(bytes) : 0;
    bool could_be = size >= CRYPTO_KEPT_MAX && size < CRYPTO_KEPT_MAX + 64;
    for (int i = 0; could_be && i < KEPT_COUNT; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong(&g_kept[i], &none, bytes))
            return;
    }
    free(bytes);
}

static void *resize(void *bytes, size_t size, const char *file, int line)
{
    if (!bytes)
        return allocate(size, file, line);
    if (size > 0)
        return realloc(bytes, size);
    release(bytes, file, line);
    return NULL;
}

void crypto_memory_start(void)
{
    (void)CRYPTO_set_mem_functions(allocate, resize, release);
}
