/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_BLOCK_SIZE = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    _Alignas(max_align_t) uint8_t bytes[];
};

static struct arena_block *block_new(size_t need)
{
    size_t capacity = MAX(need, ARENA_BLOCK_SIZE - sizeof(struct arena_block));
    struct arena_block *block = calloc(1, sizeof *block + capacity);
    if (block)
        block->capacity = capacity;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t cap = arena->size_max ? arena->size_max : ARENA_SIZE_MAX;
    if (size > cap || arena->size > cap - size)
        return NULL;
    size_t need = (size_t)round_up(size ? size : 1, _Alignof(max_align_t));
    struct arena_block *block = arena->blocks;
    if (!block || block->capacity - block->used < need) {
        block = block_new(need);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *at = block->bytes + block->used;
    block->used += need;
    arena->size += size;
    return at;
}

char *arena_text(struct arena *arena, struct slice text)
{
    char *copy = arena_alloc(arena, text.size + 1);
    if (copy && text.size > 0)
        memcpy(copy, text.bytes, text.size);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    (void)vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

static void blocks_free(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        secret_wipe(block->bytes, block->used);
        free(block);
        block = next;
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = arena->blocks;
    arena->size = 0;
    if (!kept)
        return;
    blocks_free(kept->next);
    kept->next = NULL;
    secret_wipe(kept->bytes, kept->used);
    kept->used = 0;
}

void arena_done(struct arena *arena)
{
    blocks_free(arena->blocks);
    *arena = (struct arena){.size_max = arena->size_max};
}
