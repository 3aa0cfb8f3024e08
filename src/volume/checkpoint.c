/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: the index is written out, and once that is durable and reported the superblock points
 * at it, so that an open replays little and dead segments can be given back. */
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

/* --- the tree's store --- */

static int node_read(void *ctx, const struct node_ref *ref, uint8_t *bytes)
{
    return unit_read(ctx, UNIT_NODE, ref->segment, ref->offset, bytes, ref->size);
}

static int node_write(void *ctx, uint8_t level, const struct item_key *first, struct slice bytes,
                      struct node_ref *ret_ref)
{
    struct volume *v = ctx;
    uint32_t offset;
    int r = 0;
    if (v->batch.size + v->record.size > BATCH_SIZE_SOFT)
        r = batch_store(v);
    if (r == 0)
        r = batch_room(v, bytes.size + TAG_SIZE, ROOM_CHECKPOINT);
    if (r == 0)
        r = batch_append(v, UNIT_NODE, bytes.bytes, bytes.size, &offset);
    if (r < 0)
        return r;
    struct node_ref ref = {v->batch.segment, offset, (uint16_t)bytes.size};
    size_t mark = v->record.size;
    op_node(&v->record, level, first, &ref);
    r = stage_apply(v, mark);
    if (r < 0)
        return r;
    live_add(v, ref.segment, (int64_t)bytes.size + TAG_SIZE);
    *ret_ref = ref;
    return 0;
}

static void node_dropped(void *ctx, const struct node_ref *ref)
{
    live_add(ctx, ref->segment, -((int64_t)ref->size + TAG_SIZE));
}

const struct tree_store volume_tree_store = {
    .read = node_read, .write = node_write, .dropped = node_dropped};

/* --- checkpoints --- */

bool checkpoint_due(const struct volume *v)
{
    return v->record_bytes >= v->tuning.checkpoint_size ||
           v->record_count >= v->tuning.checkpoint_count || v->tree.dirty > DIRTY_NODES_MAX;
}

static int checkpoint_stage(struct volume *v)
{
    struct checkpoint c = {.root = v->tree.root_ref,
                           .level = v->tree.level,
                           .next_ino = v->next_ino,
                           .inode_count = v->inode_count};
    memcpy(c.hash_key, v->hash_key, sizeof c.hash_key);
    size_t mark = v->record.size;
    for (unsigned i = 0; i < v->segment_count; i++) {
        struct segment *s = &v->segments[i];
        /* Dead as of here, and not needed to replay what comes after. */
        if (s->doomed_by == 0 && s->state.live == 0 && s->state.id != v->active) {
            if (!snapshot_pins(v, s))
                s->doomed_by = v->sequence + 1;
            else if (s->state.dead_since == 0)
                s->state.dead_since = v->sequence + 1;
        }
        c.segment_count += s->doomed_by == 0;
    }
    int r = key_table_stage(v);
    if (r < 0) {
        v->record.size = mark;
        return r;
    }
    op_checkpoint(&v->record, &c);
    for (unsigned i = 0; i < v->segment_count; i++)
        if (v->segments[i].doomed_by == 0)
            segment_state_append(&v->record, &v->segments[i].state);
    if (v->record.failed) {
        v->record.failed = false;
        v->record.size = mark;
        return -ENOMEM;
    }
    return 0;
}

/* The superblock in memory points at the waiting checkpoint. */
static void publish_begin(struct volume *v)
{
    struct superblock *sb = &v->superblock;
    memcpy(sb->id, v->id, sizeof sb->id);
    sb->generation++;
    sb->epoch = v->epoch;
    sb->checkpoint = v->pending;
    sb->checkpoint_sequence = v->pending_sequence;
    memcpy(sb->checkpoint_tag, v->pending_tag, sizeof sb->checkpoint_tag);
    sb->durable_sequence = v->durable_sequence;
    sb->erase_epoch = v->erase_epoch;
    sb->closed = v->closing;
}

/* The superblock on the host points at the checkpoint of `sequence`, unless `r` says it failed. */
static int publish_end(struct volume *v, uint64_t sequence, int r)
{
    if (r < 0)
        return volume_stop(v, r);
    if (v->pending_sequence == sequence)
        v->pending_sequence = 0; /* no newer one was written meanwhile */
    segments_release(v, sequence);
    return 0;
}

int checkpoint_publish(struct volume *v)
{
    if (v->stopped)
        return -EROFS;
    publish_begin(v);
    uint64_t sequence = v->pending_sequence;
    int r = publish_end(v, sequence, superblock_write(v));
    gone_drain(v);
    return r;
}

int checkpoint_publish_apart(struct volume *v)
{
    if (v->stopped)
        return -EROFS;
    publish_begin(v);
    uint64_t sequence = v->pending_sequence;
    return publish_end(v, sequence, superblock_write_apart(v));
}

int checkpoint_log(struct volume *v)
{
    if (v->stopped)
        return -EROFS;
    int r = log_write(v);
    if (r == 0)
        r = tree_flush(&v->tree);
    /* The table must be in a batch of the segment it calls active. */
    if (r == 0)
        r = batch_room(v, table_size(v), ROOM_CHECKPOINT);
    if (r == 0)
        r = checkpoint_stage(v);
    if (r < 0)
        return r;
    struct position at = {.segment = v->batch.segment, .offset = v->batch.offset};
    r = batch_store(v);
    if (r < 0)
        return r;
    at.size = segment_find(v, at.segment)->state.used - at.offset;
    v->pending = at;
    v->pending_sequence = v->sequence;
    memcpy(v->pending_tag, v->tag, sizeof v->pending_tag);
    v->record_bytes = v->record_count = 0;
    return 0;
}

int checkpoint_write(struct volume *v)
{
    int r = checkpoint_log(v);
    if (r == 0)
        r = durable_now(v);
    if (r == -EAGAIN)
        return 0; /* the older checkpoint stays the one to begin at, and nothing is given back */
    return r < 0 ? r : checkpoint_publish(v);
}

void upkeep(struct volume *v)
{
    int r = 0;
    if (!v->stopped && (size_t)v->block_dirty * BLOCK_SIZE > DIRTY_SIZE_MAX)
        r = blocks_flush(v);
    if (!v->stopped && r == 0 && v->batch.size + v->record.size > BATCH_SIZE_SOFT)
        r = log_write(v);
    if (!v->stopped && r == 0 && checkpoint_due(v))
        r = checkpoint_log(v);
    if (!v->stopped && r == 0 && clean_due(v))
        r = clean_slice(v, false);
    (void)r; /* what failed is tried again, or has stopped the volume and answers the next call */
    upkeep_memory(v);
}

void upkeep_memory(struct volume *v)
{
    if ((size_t)v->block_count * BLOCK_SIZE > v->cache_size)
        blocks_trim(v, v->cache_size);
    if (v->inode_cached > INODES_IDLE_MAX + v->inode_dirty + v->inodes_held)
        inodes_trim(v, INODES_IDLE_MAX);
    unsigned nodes = NODES_MAX + (unsigned)(v->cache_size / NODES_PART / NODE_SIZE_MAX);
    if (v->tree.nodes > v->tree.dirty + 2 * nodes)
        tree_trim(&v->tree, v->tree.dirty + nodes);
}
