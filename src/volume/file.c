/* SPDX-License-Identifier: Apache-2.0 */
/* Regular files: reading, writing, cutting, holes. */
#include "volume/store.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DIRECT_BLOCKS_MIN = 4,
    CACHE_FILL_MIN = 8 << 20,
    FILL_BLOCKS_MAX = 31,
    CUT_SLICE = 256,
    RECORD_SIZE_SLICE = 2 << 20
};

/* The inode of a regular file. */
static int file_get(struct volume *v, uint64_t ino, struct inode **ret_inode)
{
    int r = inode_get(v, ino, ret_inode);
    if (r < 0)
        return r;
    uint32_t type = (*ret_inode)->value.attr.mode & S_IFMT;
    return type == S_IFREG ? 0 : type == S_IFDIR ? -EISDIR : -EINVAL;
}

/* Between the caller's memory and ours: how many bytes. */
static size_t copy_some(struct volume *v, void *to, const void *from, size_t size)
{
    if (v->copy)
        return v->copy(to, from, size);
    memcpy(to, from, size);
    return size;
}

/* --- reading --- */

/* How many whole blocks from `at` on, all in the extent, are not in the cache. */
static uint64_t direct_run(struct volume *v, uint64_t ino, uint64_t at, uint64_t blocks_max)
{
    uint64_t n = 0;
    if (v->block_count == 0)
        return blocks_max;
    while (n < blocks_max && !block_find(v, ino, at + n))
        n++;
    return n;
}

/* A piece that goes to the cache, too: by way of memory that only we can change. */
static ssize_t read_filling(struct volume *v, uint64_t ino, uint64_t block,
                            const struct extent *extent, uint64_t skip, uint8_t *bytes, size_t size)
{
    size = MIN(size, (size_t)FILL_BLOCKS_MAX * BLOCK_SIZE);
    uint8_t *plain = malloc(size);
    if (!plain)
        return -ENOMEM;
    ssize_t n = extent_read(v, extent, skip, plain, size, NULL);
    if (n > 0) {
        blocks_fill(v, ino, block, plain, size);
        size_t copied = copy_some(v, bytes, plain, size);
        n = copied > 0 ? (ssize_t)copied : -EFAULT;
    }
    secret_wipe(plain, size);
    free(plain);
    return n;
}

/* Reads straight into the caller's memory what is large and not in the cache. Returns bytes, or 0
 * if there is no such run here. */
static ssize_t read_direct(struct volume *v, uint64_t ino, uint64_t block, uint8_t *bytes,
                           size_t size, bool apart)
{
    struct extent extent;
    uint64_t first, blocks = size / BLOCK_SIZE;
    int r = extent_find(v, ino, block, &extent, &first);
    if (r < 0)
        return r;
    if (r == 0) {
        if (first != UINT64_MAX)
            blocks = MIN(blocks, first - block);
        blocks = direct_run(v, ino, block, blocks);
        size_t n = zeros_put(bytes, (size_t)blocks * BLOCK_SIZE, v->copy);
        return n > 0 || blocks == 0 ? (ssize_t)n : -EFAULT;
    }
    blocks = MIN(blocks, first + extent_blocks(&extent) - block);
    blocks = direct_run(v, ino, block, blocks);
    if (blocks < DIRECT_BLOCKS_MIN)
        return 0;
    size = (size_t)blocks * BLOCK_SIZE;
    if (v->cache_size >= CACHE_FILL_MIN)
        return read_filling(v, ino, block, &extent, block - first, bytes, size);
    if (!apart)
        return extent_read(v, &extent, block - first, bytes, size, v->copy);
    ssize_t n = extent_read_apart(v, &extent, block - first, bytes, size, v->copy);
    return n != 0 ? n : read_direct(v, ino, block, bytes, size, false); /* from where it is now */
}

static ssize_t read_some(struct volume *v, uint64_t ino, uint64_t offset, uint8_t *bytes,
                         size_t size)
{
    uint64_t block = offset / BLOCK_SIZE;
    size_t skip = offset % BLOCK_SIZE;
    struct block *cached;
    if (skip == 0 && size >= (size_t)DIRECT_BLOCKS_MIN * BLOCK_SIZE) {
        ssize_t n = read_direct(v, ino, block, bytes, size, true);
        if (n != 0)
            return n;
    }
    int r = block_get(v, ino, block, false, &cached);
    if (r < 0)
        return r;
    size_t n = MIN(size, BLOCK_SIZE - skip);
    n = copy_some(v, bytes, cached->bytes + skip, n);
    return n > 0 ? (ssize_t)n : -EFAULT;
}

ssize_t volume_read(struct volume *v, uint64_t ino, uint64_t offset, void *bytes, size_t size)
{
    struct inode *inode;
    size_t done = 0;
    volume_lock(v);
    int r = file_get(v, ino, &inode);
    if (r == 0 && offset < inode->value.attr.size)
        size = (size_t)MIN(size, inode->value.attr.size - offset);
    else
        size = 0;
    while (r == 0 && done < size) {
        ssize_t n = read_some(v, ino, offset + done, (uint8_t *)bytes + done, size - done);
        if (n < 0)
            r = (int)n;
        else
            done += (size_t)n;
    }
    upkeep_memory(v);
    volume_unlock(v);
    return r < 0 && done == 0 ? r : (ssize_t)done;
}

/* --- writing --- */

static void inode_touch(struct volume *v, struct inode *inode)
{
    inode->value.attr.mtime_ns = inode->value.attr.ctime_ns = v->now_ns();
    inode_dirty(v, inode);
}

/* Part of a block, or a few whole ones: through the cache. Returns bytes. */
static ssize_t write_block(struct volume *v, struct inode *inode, uint64_t offset,
                           const uint8_t *bytes, size_t size)
{
    uint64_t index = offset / BLOCK_SIZE, size_now = inode->value.attr.size;
    size_t skip = offset % BLOCK_SIZE, n = MIN(size, BLOCK_SIZE - skip);
    uint8_t kept[BLOCK_SIZE]; /* the block must not change by halves, nor meanwhile */
    struct block *block;
    if (v->copy) {
        n = v->copy(kept, bytes, n);
        bytes = kept;
    }
    if (n == 0)
        return -EFAULT;
    /* Nothing of the old block shows through if all of it is written or it lies past the end. */
    bool fresh =
        n == BLOCK_SIZE || index * BLOCK_SIZE >= size_now || (skip == 0 && offset + n >= size_now);
    int r = block_get(v, inode->ino, index, fresh, &block);
    if (r < 0)
        return r;
    memcpy(block->bytes + skip, bytes, n);
    block_dirty(v, block);
    return (ssize_t)n;
}

static ssize_t write_some(struct volume *v, struct inode *inode, uint64_t offset,
                          const uint8_t *bytes, size_t size)
{
    if (offset % BLOCK_SIZE != 0 || size < (size_t)DIRECT_BLOCKS_MIN * BLOCK_SIZE)
        return write_block(v, inode, offset, bytes, size);
    uint64_t first = offset / BLOCK_SIZE;
    ssize_t n = extent_write(v, inode, first, bytes, size - size % BLOCK_SIZE, v->copy);
    if (n == -EFAULT)
        return write_block(v, inode, offset, bytes, size); /* what there is of the first block */
    if (n > 0)
        blocks_forget(v, inode->ino, first, first + (uint64_t)n / BLOCK_SIZE);
    return n;
}

/* At most PIECE_SIZE bytes, all in one batch. `append`: at the end, which goes to *offset. */
static ssize_t write_piece(struct volume *v, uint64_t ino, uint64_t *offset, const uint8_t *bytes,
                           size_t size, bool append)
{
    struct inode *inode;
    size_t done = 0;
    ssize_t n = 0;
    int r = log_prepare(v, size + size / BLOCK_SIZE * TAG_SIZE + 2 * (size_t)UNIT_SIZE + 512,
                        size >= BULK_SIZE_MIN ? ROOM_BULK : ROOM_DATA);
    if (r == 0)
        r = file_get(v, ino, &inode);
    if (r != 0)
        return r;
    if (append)
        *offset = inode->value.attr.size;
    if (*offset > (uint64_t)INT64_MAX - size)
        return -EFBIG;
    while (done < size) {
        n = write_some(v, inode, *offset + done, bytes + done, size - done);
        if (n < 0)
            break;
        done += (size_t)n;
        inode->value.attr.size = MAX(inode->value.attr.size, *offset + done);
    }
    if (done == 0)
        return n;
    inode_touch(v, inode);
    return (ssize_t)done;
}

static ssize_t write_pieces(struct volume *v, uint64_t ino, uint64_t *offset, const uint8_t *bytes,
                            size_t size, bool append)
{
    size_t done = 0;
    while (done < size) {
        uint64_t at = *offset + done;
        volume_lock(v);
        ssize_t n =
            write_piece(v, ino, &at, bytes + done, MIN(size - done, (size_t)PIECE_SIZE), append);
        volume_finish(v);
        if (n < 0)
            return done > 0 ? (ssize_t)done : n;
        if (append && done == 0)
            *offset = at;
        append = false;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t volume_write(struct volume *v, uint64_t ino, uint64_t offset, const void *bytes,
                     size_t size)
{
    return offset > INT64_MAX ? -EFBIG : write_pieces(v, ino, &offset, bytes, size, false);
}

ssize_t volume_append(struct volume *v, uint64_t ino, const void *bytes, size_t size,
                      uint64_t *ret_offset)
{
    uint64_t offset = 0;
    ssize_t n = write_pieces(v, ino, &offset, bytes, size, true);
    if (n >= 0 && ret_offset)
        *ret_offset = offset;
    return n;
}

/* --- cutting --- */

/* Removes the last CUT_SLICE extents at or after block `keep`. The file ends, for a crash between
 * two slices, where the slice begins. 1: there may be more. */
static int cut_slice(struct volume *v, struct inode *inode, uint64_t keep, uint64_t size)
{
    uint64_t start = UINT64_MAX;
    struct item_key key = {inode->ino, ITEM_EXTENT, UINT64_MAX};
    unsigned count = 0;
    int r = 0;
    while (count < CUT_SLICE) {
        struct extent extent;
        struct item item;
        r = tree_seek_back(&v->tree, &key, &item);
        if (r < 0 || item.key.ino != inode->ino || item.key.type != ITEM_EXTENT)
            break;
        r = extent_decode(item.value, &extent);
        if (r < 0 || item.key.sub + extent_blocks(&extent) <= keep)
            break;
        start = MAX(item.key.sub, keep);
        count++;
        if (item.key.sub <= keep)
            break;
        key.sub = item.key.sub - 1;
    }
    if (r < 0 && r != -ENOENT)
        return r;
    if (count == 0)
        return 0;
    inode->value.attr.size = MAX(size, start * BLOCK_SIZE);
    r = extent_replace(v, inode, start, UINT64_MAX, NULL);
    return r < 0 ? r : count == CUT_SLICE;
}

/* Zeros part of a block unless it is a hole. */
static int block_zero(struct volume *v, struct inode *inode, uint64_t index, size_t from, size_t to)
{
    struct block *block = block_find(v, inode->ino, index);
    if (!block) {
        struct extent extent;
        uint64_t first;
        int r = extent_find(v, inode->ino, index, &extent, &first);
        if (r == 1)
            r = block_get(v, inode->ino, index, false, &block);
        if (r < 0 || !block)
            return r;
    }
    memset(block->bytes + from, 0, to - from);
    block_dirty(v, block);
    return 0;
}

static int file_truncate(struct volume *v, struct inode *inode, uint64_t size)
{
    int r = 0;
    if (size > INT64_MAX)
        return -EFBIG;
    if (size < inode->value.attr.size) {
        uint64_t keep = (size + BLOCK_SIZE - 1) / BLOCK_SIZE;
        if (size % BLOCK_SIZE != 0)
            r = block_zero(v, inode, size / BLOCK_SIZE, size % BLOCK_SIZE, BLOCK_SIZE);
        if (r < 0)
            return r;
        blocks_forget(v, inode->ino, keep, UINT64_MAX);
        while ((r = cut_slice(v, inode, keep, size)) > 0) {
            inode_dirty(v, inode);
            if (v->record.size > RECORD_SIZE_SLICE)
                r = log_write(v);
            if (r >= 0)
                r = batch_room(v, (size_t)CUT_SLICE * 64, ROOM_FREEING);
            if (r < 0)
                break;
        }
        if (r < 0)
            return r;
    }
    inode->value.attr.size = size;
    inode_touch(v, inode);
    return 0;
}

int file_setsize(struct volume *v, uint64_t ino, uint64_t size)
{
    struct inode *inode;
    int r = file_get(v, ino, &inode);
    return r < 0 ? r : file_truncate(v, inode, size);
}

/* Makes a hole of offset..end-1. */
static int file_punch(struct volume *v, struct inode *inode, uint64_t offset, uint64_t end)
{
    uint64_t first = (offset + BLOCK_SIZE - 1) / BLOCK_SIZE, last = end / BLOCK_SIZE;
    int r = 0;
    if (offset / BLOCK_SIZE == end / BLOCK_SIZE)
        return block_zero(v, inode, last, offset % BLOCK_SIZE, end % BLOCK_SIZE);
    if (offset % BLOCK_SIZE != 0)
        r = block_zero(v, inode, offset / BLOCK_SIZE, offset % BLOCK_SIZE, BLOCK_SIZE);
    if (r == 0 && end % BLOCK_SIZE != 0)
        r = block_zero(v, inode, last, 0, end % BLOCK_SIZE);
    if (r < 0 || first >= last)
        return r;
    blocks_forget(v, inode->ino, first, last);
    while (r == 0 && first < last) {
        uint64_t next = first, count = 0;
        while (next < last && count < CUT_SLICE) {
            struct extent extent;
            uint64_t start;
            r = extent_find(v, inode->ino, next, &extent, &start);
            if (r < 0)
                return r;
            next = r == 0 ? start : start + extent_blocks(&extent);
            count += (uint64_t)r;
        }
        next = MIN(next, last);
        r = extent_replace(v, inode, first, next, NULL);
        if (r == 0 && v->record.size > RECORD_SIZE_SLICE)
            r = log_write(v);
        first = next;
    }
    return r;
}

int file_allocate(struct volume *v, uint64_t ino, int mode, uint64_t offset, uint64_t end)
{
    struct inode *inode;
    bool freeing = mode & FALLOC_FL_PUNCH_HOLE;
    int r = log_prepare(v, 2 * UNIT_SIZE + 4096, freeing ? ROOM_FREEING : ROOM_DATA);
    if (r == 0)
        r = file_get(v, ino, &inode);
    if (r != 0)
        return r;
    uint64_t size = inode->value.attr.size;
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) && offset < size)
        r = file_punch(v, inode, offset, MIN(end, (uint64_t)round_up(size, BLOCK_SIZE)));
    if (r < 0)
        return r;
    if (!(mode & FALLOC_FL_KEEP_SIZE))
        inode->value.attr.size = MAX(size, end);
    inode_touch(v, inode);
    return 0;
}

int volume_allocate(struct volume *v, uint64_t ino, int mode, uint64_t offset, uint64_t size)
{
    uint64_t end;
    if (size == 0 || __builtin_add_overflow(offset, size, &end))
        return -EINVAL;
    if (end > INT64_MAX)
        return -EFBIG;
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        return -EOPNOTSUPP;
    if ((mode & FALLOC_FL_PUNCH_HOLE) &&
        (!(mode & FALLOC_FL_KEEP_SIZE) || (mode & FALLOC_FL_ZERO_RANGE)))
        return -EOPNOTSUPP;
    int wants = mode & FALLOC_FL_PUNCH_HOLE ? file_wants_erasing(v, ino) : 0;
    if (wants != 0)
        return wants < 0 ? wants : volume_erase(v, &ino, 1, offset, size);
    volume_lock(v);
    int r = file_allocate(v, ino, mode, offset, end);
    volume_finish(v);
    return r;
}

static int seek(struct volume *v, struct inode *inode, uint64_t offset, int whence,
                uint64_t *ret_offset)
{
    uint64_t size = inode->value.attr.size, at = offset / BLOCK_SIZE;
    if (offset >= size)
        return -ENXIO;
    for (;;) {
        struct extent extent;
        uint64_t first;
        int r = at * BLOCK_SIZE < size ? extent_find(v, inode->ino, at, &extent, &first) : 0;
        if (r < 0)
            return r;
        if (at * BLOCK_SIZE >= size || (r == 0 && whence == SEEK_HOLE))
            break;
        if (r == 1 && whence == SEEK_DATA) {
            *ret_offset = MAX(offset, at * BLOCK_SIZE);
            return 0;
        }
        if (r == 0 && first == UINT64_MAX)
            return -ENXIO;
        at = r == 0 ? first : first + extent_blocks(&extent);
    }
    if (whence == SEEK_DATA)
        return -ENXIO;
    *ret_offset = MIN(MAX(offset, at * BLOCK_SIZE), size);
    return 0;
}

int volume_seek(struct volume *v, uint64_t ino, uint64_t offset, int whence, uint64_t *ret_offset)
{
    struct inode *inode;
    if (whence != SEEK_DATA && whence != SEEK_HOLE)
        return -EINVAL;
    volume_lock(v);
    int r = file_get(v, ino, &inode);
    if (r == 0 && v->block_dirty > 0 && !v->stopped) {
        r = log_prepare(v, 0, ROOM_FREEING); /* what waits is data too */
        if (r == 0)
            r = blocks_flush(v);
    }
    if (r == 0)
        r = seek(v, inode, offset, whence, ret_offset);
    volume_finish(v);
    return r;
}
