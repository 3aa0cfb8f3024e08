/* SPDX-License-Identifier: Apache-2.0 */
/* Plaintext blocks of files in memory: changed ones that wait for the next batch, and as a cache
 * within v->cache_size. */
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

enum {
    FILL_PART = 16, /* a read of up to this part of the cache is kept in it */
    AHEAD_BLOCKS = 8,
    AHEAD_CACHE_MIN = 1 << 20,
    AHEAD_TRIES = 128, /* after so many it is judged whether reading ahead is worth it */
    AHEAD_WORTH = 8,   /* one in so many must have been asked for */
    AHEAD_PAUSE = 2048
};

static struct block **bucket_of(struct volume *v, uint64_t ino, uint64_t index)
{
    return &v->blocks[(ino * 31 + index) & (v->block_buckets - 1)];
}

/* About as many buckets as blocks. -ENOMEM only where there is no table yet. */
static int table_fit(struct volume *v)
{
    unsigned buckets = MAX(v->block_buckets, (unsigned)BUCKETS_MIN);
    while (buckets < v->block_count && buckets < 1u << 24)
        buckets *= 2;
    if (buckets > 4 * BUCKETS_MIN && v->block_count < buckets / 16)
        buckets /= 4;
    if (buckets == v->block_buckets)
        return 0;
    struct block **old = v->blocks, **table = calloc(buckets, sizeof(struct block *));
    if (!table)
        return v->blocks ? 0 : -ENOMEM;
    unsigned old_buckets = v->block_buckets;
    v->blocks = table;
    v->block_buckets = buckets;
    for (unsigned i = 0; i < old_buckets; i++)
        for (struct block *block = old[i], *next; block; block = next) {
            next = block->next;
            block->next = *bucket_of(v, block->ino, block->index);
            *bucket_of(v, block->ino, block->index) = block;
        }
    free(old);
    return 0;
}

static void list_remove(struct volume *v, struct block *block)
{
    *(block->newer ? &block->newer->older : &v->newest) = block->older;
    *(block->older ? &block->older->newer : &v->oldest) = block->newer;
}

static void list_push(struct volume *v, struct block *block)
{
    block->newer = NULL;
    block->older = v->newest;
    *(v->newest ? &v->newest->newer : &v->oldest) = block;
    v->newest = block;
}

struct block *block_find(struct volume *v, uint64_t ino, uint64_t index)
{
    struct block *block = v->blocks ? *bucket_of(v, ino, index) : NULL;
    while (block && (block->ino != ino || block->index != index))
        block = block->next;
    if (block && block != v->newest) {
        list_remove(v, block);
        list_push(v, block);
    }
    return block;
}

void block_forget(struct volume *v, struct block *block)
{
    struct block **at = bucket_of(v, block->ino, block->index);
    while (*at != block)
        at = &(*at)->next;
    *at = block->next;
    list_remove(v, block);
    v->block_count--;
    v->block_dirty -= block->dirty;
    secret_wipe(block->bytes, sizeof block->bytes);
    free(block);
}

void blocks_trim(struct volume *v, size_t size_max)
{
    for (struct block *block = v->oldest, *newer;
         block && (size_t)v->block_count * BLOCK_SIZE > size_max; block = newer) {
        newer = block->newer;
        if (!block->dirty)
            block_forget(v, block);
    }
}

void blocks_forget(struct volume *v, uint64_t ino, uint64_t first, uint64_t end)
{
    if (end - first < v->block_count) {
        for (uint64_t i = first; i < end; i++) {
            struct block *block = block_find(v, ino, i);
            if (block)
                block_forget(v, block);
        }
        return;
    }
    for (struct block *block = v->newest, *older; block; block = older) {
        older = block->older;
        if (block->ino == ino && block->index >= first && block->index < end)
            block_forget(v, block);
    }
}

static int block_read(struct volume *v, struct block *block)
{
    struct extent extent;
    uint64_t first;
    int r = extent_find(v, block->ino, block->index, &extent, &first);
    if (r < 0)
        return r;
    if (r == 0) {
        memset(block->bytes, 0, BLOCK_SIZE);
        return 0;
    }
    ssize_t n = extent_read(v, &extent, block->index - first, block->bytes, BLOCK_SIZE, NULL);
    return n < 0 ? (int)n : 0;
}

/* May blocks beside the one that is missing be read with it? As long as enough of them are used. */
static bool ahead_wanted(struct volume *v)
{
    if (v->cache_size < AHEAD_CACHE_MIN)
        return false;
    if (v->ahead_pause > 0) {
        v->ahead_pause--;
        return false;
    }
    if (v->ahead_tried < AHEAD_TRIES)
        return true;
    if (v->ahead_used < v->ahead_tried / AHEAD_WORTH)
        v->ahead_pause = AHEAD_PAUSE;
    v->ahead_tried = v->ahead_used = 0;
    return v->ahead_pause == 0;
}

/* Reads the missing block and those that lie behind it in its extent with one host call: for a disk it
 * is one read either way, and files are read in pieces that belong together. Whatever fails here
 * leaves the block to be read alone. */
static void blocks_read_ahead(struct volume *v, uint64_t ino, uint64_t index)
{
    struct extent extent;
    uint64_t first, blocks = 1;
    if (extent_find(v, ino, index, &extent, &first) != 1)
        return;
    uint64_t left = first + extent.len / BLOCK_SIZE - MIN(index, first + extent.len / BLOCK_SIZE);
    while (blocks < MIN(left, (uint64_t)AHEAD_BLOCKS) && !block_find(v, ino, index + blocks))
        blocks++;
    if (blocks == 1 || left == 0)
        return;
    size_t size = (size_t)blocks * BLOCK_SIZE;
    uint8_t *plain = malloc(size);
    if (plain && extent_read(v, &extent, index - first, plain, size, NULL) == (ssize_t)size) {
        blocks_fill(v, ino, index, plain, size);
        for (uint64_t i = 1; i < blocks; i++) {
            struct block *block = block_find(v, ino, index + i);
            if (block)
                block->ahead = true;
        }
        v->ahead_tried += (unsigned)blocks - 1;
    }
    if (plain)
        secret_wipe(plain, size);
    free(plain);
}

int block_get(struct volume *v, uint64_t ino, uint64_t index, bool fresh, struct block **ret_block)
{
    struct block *block = block_find(v, ino, index);
    if (!block && !fresh) {
        if (ahead_wanted(v))
            blocks_read_ahead(v, ino, index);
        block = block_find(v, ino, index);
    }
    if (block && block->ahead) {
        block->ahead = false;
        v->ahead_used++;
    }
    if (!block) {
        if (v->cache_size >= BLOCK_SIZE)
            blocks_trim(v, v->cache_size - BLOCK_SIZE);
        block = table_fit(v) == 0 ? malloc(sizeof *block) : NULL;
        if (!block)
            return -ENOMEM;
        block->ino = ino;
        block->index = index;
        block->dirty = block->ahead = false;
        int r = 0;
        if (fresh)
            memset(block->bytes, 0, BLOCK_SIZE);
        else
            r = block_read(v, block);
        if (r < 0) {
            free(block);
            return r;
        }
        block->next = *bucket_of(v, ino, index);
        *bucket_of(v, ino, index) = block;
        list_push(v, block);
        v->block_count++;
    }
    *ret_block = block;
    return 0;
}

void block_dirty(struct volume *v, struct block *block)
{
    if (block->dirty)
        return;
    block->dirty = true;
    v->block_dirty++;
}

void blocks_fill(struct volume *v, uint64_t ino, uint64_t first, const uint8_t *bytes, size_t size)
{
    if (v->cache_size / FILL_PART < size)
        return;
    for (size_t at = 0; at < size; at += BLOCK_SIZE) {
        struct block *block;
        uint64_t index = first + at / BLOCK_SIZE;
        if (block_find(v, ino, index))
            continue; /* written meanwhile */
        if (block_get(v, ino, index, true, &block) < 0)
            return;
        memcpy(block->bytes, bytes + at, BLOCK_SIZE);
    }
}

static int block_order(const void *a, const void *b)
{
    const struct block *x = *(struct block *const *)a, *y = *(struct block *const *)b;
    if (x->ino != y->ino)
        return x->ino < y->ino ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* How much of a block lies before the file's end. */
static size_t block_size(const struct inode *inode, const struct block *block)
{
    uint64_t start = block->index * BLOCK_SIZE, size = inode->value.attr.size;
    return size > start ? (size_t)MIN(size - start, (uint64_t)BLOCK_SIZE) : 0;
}

/* As run_flush(), compressed: by pieces of what is compressed together. */
static int run_flush_packed(struct volume *v, struct inode *inode, struct block **run,
                            unsigned count)
{
    uint8_t *bytes = pack_buffer(v);
    if (!bytes)
        return -ENOMEM;
    for (unsigned i = 0; i < count;) {
        const struct block *first = run[i];
        size_t size = 0, n;
        do {
            n = block_size(inode, run[i]);
            memcpy(bytes + size, run[i]->bytes, n);
            size += n;
            i++;
        } while (i < count && n == BLOCK_SIZE && run[i]->index % PACK_BLOCKS != 0);
        for (size_t done = 0; done < size;) {
            ssize_t wrote = extent_write(v, inode, first->index + done / BLOCK_SIZE, bytes + done,
                                         size - done, NULL);
            if (wrote < 0)
                return (int)wrote;
            done += (size_t)wrote;
        }
        if (n < BLOCK_SIZE)
            break; /* the rest was cut off since */
    }
    return 0;
}

/* Writes `count` adjacent blocks of one file. */
static int run_flush(struct volume *v, struct block **run, unsigned count)
{
    struct inode *inode;
    int r = inode_get(v, run[0]->ino, &inode);
    if (r < 0)
        return r;
    if (v->superblock.packs)
        return run_flush_packed(v, inode, run, count);
    struct extent extent = {0};
    for (unsigned i = 0; i < count; i++) {
        uint32_t offset, n = (uint32_t)block_size(inode, run[i]);
        if (n == 0) { /* cut off since; nothing to keep */
            count = i;
            break;
        }
        r = batch_append(v, UNIT_DATA, run[i]->bytes, n, &offset);
        if (r < 0)
            return r;
        if (i == 0)
            extent = (struct extent){.segment = v->batch.segment, .offset = offset};
        extent.len += n;
    }
    return count == 0 ? 0 : extent_replace(v, inode, run[0]->index, run[0]->index + count, &extent);
}

int blocks_flush(struct volume *v)
{
    if (v->block_dirty == 0)
        return 0;
    unsigned count = 0;
    struct block **dirty = malloc(v->block_dirty * sizeof(struct block *));
    if (!dirty)
        return -ENOMEM;
    for (struct block *block = v->newest; block; block = block->older)
        if (block->dirty)
            dirty[count++] = block;
    qsort(dirty, count, sizeof(struct block *), block_order);
    int r = 0;
    for (unsigned i = 0, n; r == 0 && i < count; i += n) {
        for (n = 1; i + n < count && dirty[i + n]->ino == dirty[i]->ino &&
                    dirty[i + n]->index == dirty[i]->index + n;)
            n++;
        r = run_flush(v, dirty + i, n);
        for (unsigned k = 0; r == 0 && k < n; k++) {
            dirty[i + k]->dirty = false;
            v->block_dirty--;
        }
    }
    free(dirty);
    return r;
}
