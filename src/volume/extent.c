/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

enum {
    EXTENT_LEN_MAX = 1 << 20,
    READ_UNITS_MAX = 31 /* a buffer below what malloc() maps anew each time */
};

static struct item_key extent_key(uint64_t ino, uint64_t block)
{
    return (struct item_key){ino, ITEM_EXTENT, block};
}

static bool is_extent_of(const struct item *item, uint64_t ino)
{
    return item->key.ino == ino && item->key.type == ITEM_EXTENT;
}

int extent_find(struct volume *v, uint64_t ino, uint64_t block, struct extent *ret_extent,
                uint64_t *ret_first)
{
    return extent_find_in(&v->tree, ino, block, ret_extent, ret_first);
}

int extent_find_in(struct tree *tree, uint64_t ino, uint64_t block, struct extent *ret_extent,
                   uint64_t *ret_first)
{
    const struct item_key key = extent_key(ino, block);
    struct extent extent;
    struct item item;
    int r = tree_seek_back(tree, &key, &item);
    if (r == 0 && is_extent_of(&item, ino)) {
        r = extent_decode(item.value, &extent);
        if (r < 0)
            return r;
        if (block - item.key.sub < extent_blocks(&extent)) {
            *ret_extent = extent;
            *ret_first = item.key.sub;
            return 1;
        }
    }
    if (r < 0 && r != -ENOENT)
        return r;
    r = tree_seek(tree, &key, &item);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_first = r == 0 && is_extent_of(&item, ino) ? item.key.sub : UINT64_MAX;
    return 0;
}

/* The part of an extent from its block `skip` on, at most `blocks` of them. */
static struct extent extent_part(const struct extent *extent, uint64_t skip, uint64_t blocks)
{
    struct extent part = *extent;
    if (extent->packed)
        part.skip = (uint8_t)(extent->skip + skip);
    else
        part.offset += (uint32_t)skip * UNIT_SIZE;
    part.len -= (uint32_t)skip * BLOCK_SIZE;
    if (blocks < extent_blocks(&part))
        part.len = (uint32_t)blocks * BLOCK_SIZE;
    return part;
}

static void stage_put(struct volume *v, uint64_t ino, uint64_t block, const struct extent *extent)
{
    uint8_t bytes[EXTENT_VALUE_MAX];
    const struct item_key key = extent_key(ino, block);
    size_t size = extent_encode(extent, bytes);
    op_put(&v->record, &key, slice_of(bytes, size));
}

/* Stages that first..end-1 leave the old extents. *ret_removed counts their blocks. */
static int stage_cut(struct volume *v, uint64_t ino, uint64_t first, uint64_t end,
                     uint64_t *ret_removed)
{
    uint64_t removed = 0, at = first;
    while (at < end) {
        struct extent old;
        uint64_t start;
        int r = extent_find(v, ino, at, &old, &start);
        if (r < 0)
            return r;
        if (r == 0) {
            at = start;
            continue;
        }
        uint64_t old_end = start + extent_blocks(&old);
        if (start < first) {
            struct extent left = extent_part(&old, 0, first - start);
            stage_put(v, ino, start, &left);
        } else {
            const struct item_key key = extent_key(ino, start);
            op_delete(&v->record, &key);
        }
        if (old_end > end) {
            struct extent right = extent_part(&old, end - start, UINT64_MAX);
            stage_put(v, ino, end, &right);
        }
        removed += MIN(old_end, end) - MAX(start, first);
        at = old_end;
    }
    *ret_removed = removed;
    return 0;
}

/* If the extent before `first` ends, in the file and in the log, where `extent` begins: stages the
 * two as one. */
static int stage_join(struct volume *v, uint64_t ino, uint64_t first, const struct extent *extent,
                      bool *ret_joined)
{
    struct extent before;
    uint64_t start;
    *ret_joined = false;
    if (first == 0)
        return 0;
    int r = extent_find(v, ino, first - 1, &before, &start);
    if (r <= 0)
        return r;
    if (before.packed || extent->packed)
        return 0;
    if (start + extent_blocks(&before) != first || before.segment != extent->segment ||
        before.offset + extent_size(&before) != extent->offset || before.len % BLOCK_SIZE != 0 ||
        before.len + extent->len > EXTENT_LEN_MAX)
        return 0;
    before.len += extent->len;
    stage_put(v, ino, start, &before);
    *ret_joined = true;
    return 0;
}

/* *ret_removed: how many blocks were somewhere else before. */
static int extent_swap(struct volume *v, uint64_t ino, uint64_t first, uint64_t end,
                       const struct extent *extent, uint64_t *ret_removed)
{
    size_t mark = v->record.size;
    bool joined = false;
    int r = stage_cut(v, ino, first, end, ret_removed);
    if (r == 0 && extent)
        r = stage_join(v, ino, first, extent, &joined);
    if (r < 0) {
        v->record.size = mark;
        v->record.failed = false;
        return r;
    }
    if (extent && !joined)
        stage_put(v, ino, first, extent);
    return stage_apply(v, mark);
}

int extent_replace(struct volume *v, struct inode *inode, uint64_t first, uint64_t end,
                   const struct extent *extent)
{
    uint64_t removed = 0;
    int r = extent_swap(v, inode->ino, first, end, extent, &removed);
    if (r < 0)
        return r;
    uint64_t added = extent ? end - first : 0;
    if (added != removed) {
        inode->value.attr.allocated_size += (added - removed) * BLOCK_SIZE;
        inode_dirty(v, inode);
    }
    return 0;
}

/* One block of the caller's in memory that stays: where it lies, or copied to `kept`. NULL: it is gone. */
static const uint8_t *block_of_caller(volume_copy_fn *copy, const uint8_t *bytes, size_t size,
                                      uint8_t kept[BLOCK_SIZE])
{
    if (!copy)
        return bytes;
    return copy(kept, bytes, size) == size ? kept : NULL;
}

/* Encrypts `size` bytes into the open batch, or fewer where `copy` ends: how many. *ret_extent is where
 * they lie. */
static ssize_t extent_append(struct volume *v, const uint8_t *bytes, size_t size,
                             volume_copy_fn *copy, struct extent *ret_extent)
{
    uint8_t kept[BLOCK_SIZE];
    size_t at = 0;
    while (at < size) {
        uint32_t offset;
        size_t n = MIN(size - at, (size_t)BLOCK_SIZE);
        const uint8_t *block = block_of_caller(copy, bytes + at, n, kept);
        if (!block)
            break;
        int r = batch_append(v, UNIT_DATA, block, n, &offset);
        if (r < 0)
            return r;
        if (at == 0)
            *ret_extent = (struct extent){.segment = v->batch.segment, .offset = offset};
        at += n;
    }
    ret_extent->len = (uint32_t)at;
    return at > 0 ? (ssize_t)at : -EFAULT;
}

/* As extent_append(), of at most as many blocks as are compressed together: compressed if that pays. */
static ssize_t extent_append_packed(struct volume *v, uint64_t first, const uint8_t *bytes,
                                    size_t size, volume_copy_fn *copy, struct extent *ret_extent)
{
    size = MIN(size, (size_t)(PACK_BLOCKS - first % PACK_BLOCKS) * BLOCK_SIZE);
    if (copy) {
        uint8_t *kept = pack_buffer(v);
        size_t copied = kept ? copy(kept, bytes, size) : 0;
        if (!kept)
            return -ENOMEM;
        if (copied < size)
            size = copied - copied % BLOCK_SIZE;
        bytes = kept;
    }
    int r = pack_append(v, bytes, size, ret_extent);
    if (r != 0)
        return r < 0 ? r : (ssize_t)size;
    return extent_append(v, bytes, size, NULL, ret_extent);
}

static ssize_t contents_append(struct volume *v, uint64_t first, const uint8_t *bytes, size_t size,
                               volume_copy_fn *copy, struct extent *ret_extent)
{
    return v->superblock.packs ? extent_append_packed(v, first, bytes, size, copy, ret_extent)
                               : extent_append(v, bytes, size, copy, ret_extent);
}

ssize_t extent_write(struct volume *v, struct inode *inode, uint64_t first, const uint8_t *bytes,
                     size_t size, volume_copy_fn *copy)
{
    size_t done = 0;
    while (done < size) {
        struct extent extent = {0};
        ssize_t n = contents_append(v, first, bytes + done, size - done, copy, &extent);
        uint64_t end = first + extent_blocks(&extent);
        int r = n < 0 ? (int)n : extent_replace(v, inode, first, end, &extent);
        if (r < 0)
            return done > 0 ? (ssize_t)done : r;
        done += (size_t)n;
        if (n % BLOCK_SIZE != 0)
            break;
        first = end;
    }
    return (ssize_t)done;
}

static int move_room(struct volume *v, size_t size)
{
    return batch_room(v, size + size / 64 + 256, ROOM_FREEING);
}

ssize_t extent_move(struct volume *v, struct inode *inode, uint64_t first,
                    const struct extent *extent, uint64_t skip, uint64_t count)
{
    struct extent part = extent_part(extent, skip, count), moved = {0};
    size_t plain_size = part.len + (size_t)extent_blocks(&part) * TAG_SIZE;
    int r = move_room(v, extent_size(&part));
    if (r == 0 && part.packed)
        r = pack_move(v, &part, &moved);
    if (r == 0 && plain_size > extent_size(&part))
        r = move_room(v, plain_size);
    if (r < 0)
        return r;
    if (r == 1) {
        r = extent_replace(v, inode, first, first + extent_blocks(&moved), &moved);
        return r < 0 ? r : (ssize_t)extent_blocks(&moved);
    }
    SCOPED(buf_done) struct buf bytes = {0};
    uint8_t *plain = buf_reserve(&bytes, part.len);
    if (!plain)
        return -ENOMEM;
    ssize_t n = extent_read(v, extent, skip, plain, part.len, NULL);
    if (n >= 0)
        n = extent_write(v, inode, first, plain, part.len, NULL);
    return n < 0 ? n : (ssize_t)(((size_t)n + BLOCK_SIZE - 1) / BLOCK_SIZE);
}

int extent_write_at(struct volume *v, uint64_t ino, uint64_t first, const uint8_t *bytes,
                    size_t size)
{
    int r = 0;
    for (size_t done = 0; r == 0 && done < size;) {
        struct extent extent = {0};
        uint64_t removed;
        ssize_t n = contents_append(v, first, bytes + done, size - done, NULL, &extent);
        uint64_t end = first + extent_blocks(&extent);
        r = n < 0 ? (int)n : extent_swap(v, ino, first, end, &extent, &removed);
        done += r == 0 ? (size_t)n : 0;
        first = end;
    }
    return r;
}

int extent_cut_at(struct volume *v, uint64_t ino, uint64_t first, uint64_t end)
{
    uint64_t removed;
    return extent_swap(v, ino, first, end, NULL, &removed);
}

/* Opens one unit, straight to where the caller wants it or by way of memory that stays. 0, or -EFAULT
 * with *done short of the unit's end. */
static int unit_open_to(struct volume *v, struct aead *aead, const struct extent *unit,
                        const uint8_t *cipher, uint8_t *bytes, volume_copy_fn *copy, size_t *done)
{
    uint8_t plain[BLOCK_SIZE];
    int r = unit_open(v, aead, UNIT_DATA, unit->segment, unit->offset, cipher, copy ? plain : bytes,
                      unit->len);
    if (r < 0)
        return r;
    size_t copied = copy ? copy(bytes, plain, unit->len) : unit->len;
    *done += copied;
    return copied < unit->len ? -EFAULT : 0;
}

/* At most READ_UNITS_MAX blocks, read with one host call. `cipher` has room for them. */
static int units_read(struct volume *v, struct aead *aead, const struct extent *part,
                      uint8_t *cipher, uint8_t *bytes, volume_copy_fn *copy, size_t *done)
{
    int r = log_read(v, part->segment, part->offset, cipher, extent_size(part));
    for (uint32_t k = 0; r == 0 && k < extent_blocks(part); k++) {
        struct extent unit = extent_part(part, k, 1);
        r = unit_open_to(v, aead, &unit, cipher + (size_t)k * UNIT_SIZE,
                         bytes + (size_t)k * BLOCK_SIZE, copy, done);
    }
    return r;
}

size_t zeros_put(uint8_t *bytes, size_t size, volume_copy_fn *copy)
{
    static const uint8_t zeros[BLOCK_SIZE];
    size_t done = 0;
    if (!copy) {
        memset(bytes, 0, size);
        return size;
    }
    while (done < size) {
        size_t n = MIN(size - done, sizeof zeros), copied = copy(bytes + done, zeros, n);
        done += copied;
        if (copied < n)
            break;
    }
    return done;
}

/* At most READ_UNITS_MAX whole blocks, by any thread. */
static int units_read_apart(struct volume *v, struct aead *aead, const struct extent *part,
                            uint8_t *cipher, uint8_t *bytes, volume_copy_fn *copy, size_t *done)
{
    uint8_t plain[BLOCK_SIZE];
    size_t size = extent_size(part);
    ssize_t got = v->backend->ops->read(v->backend, part->segment, part->offset, cipher, size);
    if (got != (ssize_t)size)
        return got < 0 && got != -ENOENT ? (int)got : -EBADMSG;
    for (uint32_t k = 0; k < extent_blocks(part); k++) {
        uint8_t *to = bytes + (size_t)k * BLOCK_SIZE;
        int r = unit_open_quietly(aead, UNIT_DATA, part->segment, part->offset + k * UNIT_SIZE,
                                  cipher + (size_t)k * UNIT_SIZE, copy ? plain : to, BLOCK_SIZE);
        if (r < 0)
            return r;
        size_t copied = copy ? copy(to, plain, BLOCK_SIZE) : BLOCK_SIZE;
        *done += copied;
        if (copied < BLOCK_SIZE)
            return -EFAULT;
    }
    return 0;
}

ssize_t extent_read_apart(struct volume *v, const struct extent *extent, uint64_t skip_blocks,
                          uint8_t *bytes, size_t size, volume_copy_fn *copy)
{
    struct extent part = extent_part(extent, skip_blocks, size / BLOCK_SIZE);
    struct aead *aead, *own = NULL;
    size_t done = 0;
    if (part.segment == v->batch.segment || part.len != size || size % BLOCK_SIZE != 0)
        return 0; /* some of it may be in memory only, or it is no whole number of blocks */
    int r = segment_aead(v, part.segment, &aead);
    if (r == 0)
        r = aead_copy_open(aead, &own);
    if (r == 0 && part.packed) {
        ssize_t n = pack_read_apart(v, own, &part, bytes, copy);
        aead_free(own);
        return n == -EBADMSG ? 0 : n;
    }
    uint8_t *cipher = r == 0 ? malloc((size_t)READ_UNITS_MAX * UNIT_SIZE) : NULL;
    if (r == 0 && !cipher)
        r = -ENOMEM;
    if (r == 0)
        volume_unlock(v);
    for (uint32_t k = 0; cipher && r == 0 && k < extent_blocks(&part); k += READ_UNITS_MAX) {
        struct extent some = extent_part(&part, k, READ_UNITS_MAX);
        r = units_read_apart(v, own, &some, cipher, bytes + (size_t)k * BLOCK_SIZE, copy, &done);
    }
    if (cipher)
        volume_lock(v);
    free(cipher);
    aead_free(own);
    if (r == -EBADMSG)
        return 0;
    return r == 0 || (r == -EFAULT && done > 0) ? (ssize_t)done : r;
}

ssize_t extent_read(struct volume *v, const struct extent *extent, uint64_t skip_blocks,
                    uint8_t *bytes, size_t size, volume_copy_fn *copy)
{
    uint8_t few[UNIT_SIZE];
    uint8_t *cipher = few, *many = NULL;
    size_t done = 0;
    struct aead *aead;
    uint64_t blocks = (size + BLOCK_SIZE - 1) / BLOCK_SIZE;
    struct extent part = extent_part(extent, skip_blocks, blocks);
    if (part.len > size)
        return -EINVAL;
    if (part.packed) {
        ssize_t n = pack_read(v, &part, bytes, copy);
        return n < (ssize_t)part.len ? n
                                     : n + (ssize_t)zeros_put(bytes + n, size - (size_t)n, copy);
    }
    int r = segment_aead(v, extent->segment, &aead);
    if (r < 0)
        return r;
    if (part.len > BLOCK_SIZE) {
        cipher = many = malloc((size_t)READ_UNITS_MAX * UNIT_SIZE);
        if (!many)
            return -ENOMEM;
    }
    uint32_t count = extent_blocks(&part);
    for (uint32_t k = 0; r == 0 && k < count; k += READ_UNITS_MAX) {
        struct extent some = extent_part(&part, k, READ_UNITS_MAX);
        r = units_read(v, aead, &some, cipher, bytes + (size_t)k * BLOCK_SIZE, copy, &done);
    }
    free(many);
    if (r == 0)
        done += zeros_put(bytes + part.len, size - part.len, copy);
    return r == 0 || (r == -EFAULT && done > 0) ? (ssize_t)done : r;
}
