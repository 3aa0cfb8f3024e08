/* SPDX-License-Identifier: Apache-2.0 */
/* The cleaner: moves what still lives in a mostly dead segment to the end of the log, in slices, so
 * that a checkpoint can give the segment back. What a segment holds is read from its own records. */
#include "base/log.h"
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

enum { SLICE_SIZE = 256 << 10, MOVE_BLOCKS = 16 };

/* Bytes in segments that are full and not given back, and how many of them are dead. */
static void garbage_count(const struct volume *v, uint64_t *ret_garbage, uint64_t *ret_dead)
{
    *ret_garbage = *ret_dead = 0;
    for (unsigned i = 0; i < v->segment_count; i++) {
        const struct segment *s = &v->segments[i];
        if (s->state.id == v->active || s->doomed_by != 0 || snapshot_pins(v, s))
            continue;
        *ret_garbage += s->state.size - MIN(s->state.live, (uint64_t)s->state.size);
        *ret_dead += s->state.live == 0 ? s->state.size : 0;
    }
}

bool clean_due(const struct volume *v)
{
    uint64_t garbage, dead;
    if (v->segment_count < 2)
        return false;
    garbage_count(v, &garbage, &dead);
    if (dead > v->tuning.garbage_size && v->pending_sequence == 0 && dead > v->live_size / 8)
        return true; /* files to be used again, which is cheaper than new ones */
    return garbage > v->tuning.garbage_size && garbage > v->live_size;
}

/* The segment with the smallest part alive. On a full disk, one whose part fits where we are. */
static struct segment *victim_choose(struct volume *v, bool hard)
{
    struct segment *best = NULL;
    const struct segment *active = hard && v->active ? segment_find(v, v->active) : NULL;
    uint64_t fits = active ? (active->state.size - active->state.used) / 2 : UINT64_MAX;
    for (unsigned i = 0; i < v->segment_count; i++) {
        struct segment *s = &v->segments[i];
        if (s->state.id == v->active || s->state.id == v->batch.segment || s->doomed_by != 0 ||
            s->unclean || s->state.live == 0 || s->state.live > fits || snapshot_pins(v, s))
            continue;
        if (s->state.live > (uint64_t)s->state.size * (hard ? 15 : 10) / 16)
            continue;
        if (!best || s->state.live * best->state.size < best->state.live * s->state.size)
            best = s;
    }
    return best;
}

/* Copies the blocks of one old extent that still lie in the victim. */
static int blocks_move(struct volume *v, uint64_t ino, uint64_t first, uint64_t end, size_t *moved)
{
    while (first < end) {
        struct extent extent;
        struct inode *inode;
        uint64_t start;
        int r = extent_find(v, ino, first, &extent, &start);
        if (r < 0)
            return r;
        if (r == 0 || extent.segment != v->victim) {
            first = r == 0 ? start : start + extent_blocks(&extent);
            continue;
        }
        uint64_t stop = MIN(start + extent_blocks(&extent), end);
        uint64_t count = MIN(stop - first, (uint64_t)MOVE_BLOCKS);
        r = inode_get(v, ino, &inode);
        v->moves++;
        ssize_t n = r == 0 ? extent_move(v, inode, first, &extent, first - start, count) : r;
        if (n < 0)
            return (int)n;
        *moved += (size_t)n * BLOCK_SIZE;
        first += (uint64_t)n;
    }
    return 0;
}

static int op_move(struct volume *v, const struct op *op, size_t *moved)
{
    struct extent extent;
    if (op->kind == OP_NODE) {
        struct node_ref ref = op->node;
        ref.segment = v->victim;
        int r = tree_relocate(&v->tree, op->level, &op->key, &ref);
        *moved += r > 0 ? ref.size : 0;
        return r < 0 ? r : 0;
    }
    if (op->kind != OP_PUT || op->key.type != ITEM_EXTENT)
        return 0;
    int r = extent_decode(op->value, &extent);
    if (r < 0 || extent.segment != v->victim)
        return r;
    return blocks_move(v, op->key.ino, op->key.sub, op->key.sub + extent_blocks(&extent), moved);
}

/* Moves what one batch of the victim holds. */
static int batch_move(struct volume *v, size_t *moved)
{
    SCOPED(buf_done) struct buf record = {0};
    struct batch_header header;
    uint8_t tag[VOLUME_TAG_SIZE];
    struct op op;
    int r = batch_read(v, v->victim, v->victim_offset, &header, &record, tag);
    if (r < 0)
        return r == -ENODATA ? -EBADMSG : r;
    struct reader rd = reader_over(buf_slice(&record));
    while ((r = op_next(&rd, &op)) == 0) {
        r = op_move(v, &op, moved);
        if (r < 0)
            return r;
    }
    if (r != -ENODATA)
        return r;
    v->victim_offset += (uint32_t)batch_size(&header);
    return 0;
}

static int victim_clean(struct volume *v, size_t budget, bool hard)
{
    size_t moved = 0;
    int r = 0;
    struct segment *s = segment_find(v, v->victim);
    while (r == 0 && s && s->state.live > 0 && v->victim_offset < s->state.used && moved < budget) {
        r = batch_move(v, &moved);
        if (r == 0 && v->batch.size > BATCH_SIZE_SOFT)
            r = batch_store(v);
        s = segment_find(v, v->victim);
    }
    if (r == -ENOSPC || r == -ENOMEM || v->stopped)
        return r;
    if (r < 0) {
        /* It stays as it is; reading what is broken in it will say so. */
        LOG_ERROR("segment cannot be cleaned", LOG_INT("segment", v->victim), LOG_INT("error", r));
        if (s)
            s->unclean = true;
        v->victim = 0;
        return 0;
    }
    if (!s || s->state.live == 0 || v->victim_offset >= s->state.used) {
        /* Nodes that moved are only marked; the checkpoint writes them. */
        v->victim = 0;
        if (s && s->state.live > 0) {
            LOG_ERROR("segment holds bytes that nothing names", LOG_INT("segment", s->state.id),
                      LOG_INT("bytes", s->state.live));
            s->unclean = true;
        }
        r = hard ? checkpoint_write(v) : checkpoint_log(v);
    }
    return r;
}

int clean_slice(struct volume *v, bool hard)
{
    uint64_t garbage, dead;
    if (v->stopped)
        return -EROFS;
    garbage_count(v, &garbage, &dead);
    int r = 0;
    if (dead > 0 && hard)
        r = checkpoint_write(v);
    else if (dead > garbage / 2 || (dead > v->tuning.garbage_size && garbage <= v->live_size))
        return v->pending_sequence ? 0 : checkpoint_log(v);
    else if (hard && v->victim == 0)
        r = log_write(v); /* what waits in memory may free a segment */
    if (r < 0)
        return r;
    if (v->victim == 0) {
        struct segment *s = victim_choose(v, hard);
        if (!s)
            return hard ? checkpoint_write(v) : 0;
        v->victim = s->state.id;
        v->victim_offset = SEGMENT_HEADER_SIZE;
    }
    return victim_clean(v, hard ? SIZE_MAX : (size_t)SLICE_SIZE, hard);
}

int segment_clean(struct volume *v, uint64_t id)
{
    v->victim = id;
    v->victim_offset = SEGMENT_HEADER_SIZE;
    return victim_clean(v, SIZE_MAX, true);
}
