/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: from the superblock's checkpoint along the chain of batches to its end.
 *
 * Hostile: every byte read. Invariant: nothing is applied before its record has verified, chains to
 * the one before, and, where it may be an unsynced tail, all that it wrote has verified too. What
 * must have been on the disk and is not is damage, and named; what may have been lost is cut. */
#include "base/log.h"
#include "volume/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILES_MAX = 1 << 20, BATCHES_MAX = 1 << 20, SCAN_SIZE = 64 << 10 };

struct found_batch {
    uint64_t segment;
    uint32_t offset;
    struct batch_header header;
    uint8_t tag[VOLUME_TAG_SIZE];
    struct buf record;
};

/* A segment that the checkpoint does not know: made after it, or garbage. */
struct candidate {
    uint64_t file;
    bool readable; /* its header verified */
    bool chained;
    bool passed_over; /* what is sought does not come after it */
    bool hopeless;    /* where it continues is nowhere in the log */
    struct segment_header header;
};

struct recovery {
    struct volume *v;
    struct error *e;
    struct found_batch *batches;
    size_t count, capacity;
    struct candidate *candidates;
    size_t candidate_count, candidate_capacity;
    uint64_t segment; /* where the walk stands */
    uint64_t offset;
    uint64_t epoch;
    uint64_t epoch_seen;
    uint64_t durable; /* everything up to here must be there */
    uint64_t sequence;
    uint8_t tag[VOLUME_TAG_SIZE];
};

static void recovery_done(struct recovery *rc)
{
    for (size_t i = 0; i < rc->count; i++)
        buf_done(&rc->batches[i].record);
    free(rc->batches);
    free(rc->candidates);
}

static int grow(void **array, size_t *capacity, size_t count, size_t size, size_t max)
{
    if (count < *capacity)
        return 0;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown = count < max ? realloc(*array, wanted * size) : NULL;
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *capacity = wanted;
    return 0;
}

/* --- the checkpoint --- */

static int checkpoint_load(struct recovery *rc, const struct checkpoint *c)
{
    struct volume *v = rc->v;
    struct reader rd = reader_over(c->segments);
    while (v->segment_count > 0)
        segment_forget(v, &v->segments[0]);
    for (uint32_t i = 0; i < c->segment_count; i++) {
        struct segment_state state;
        int r = segment_state_decode(&rd, &state);
        if (r == 0)
            r = segment_add(v, &state);
        if (r < 0)
            return r == -ENOMEM ? r : -EBADMSG;
    }
    v->next_ino = c->next_ino;
    v->inode_count = c->inode_count;
    memcpy(v->hash_key, c->hash_key, sizeof v->hash_key);
    if (c->level >= TREE_LEVELS_MAX)
        return -EBADMSG;
    tree_init(&v->tree,
              &(struct tree_store){volume_tree_store.read, volume_tree_store.write,
                                   volume_tree_store.dropped, v},
              &c->root, c->level);
    return 0;
}

static int checkpoint_find(struct recovery *rc, const struct buf *record)
{
    struct reader rd = reader_over(buf_slice(record));
    struct op op;
    while (op_next(&rd, &op) == 0) {
        if (op.kind == OP_CHECKPOINT)
            return checkpoint_load(rc, &op.checkpoint);
        int r = op.kind == OP_KEY_TABLE ? key_table_load(rc->v, &op.key_table) : 0;
        if (r < 0)
            return r;
    }
    return -EBADMSG;
}

static int checkpoint_read(struct recovery *rc)
{
    struct volume *v = rc->v;
    const struct superblock *sb = &v->superblock;
    SCOPED(buf_done) struct buf record = {0};
    struct batch_header h;
    struct segment_state first = {.id = sb->checkpoint.segment, .used = SEGMENT_SIZE_MAX};
    int r = segment_add(v, &first);
    if (r == 0)
        r = batch_read(v, sb->checkpoint.segment, sb->checkpoint.offset, &h, &record, rc->tag);
    if (r == 0 && (h.sequence != sb->checkpoint_sequence ||
                   memcmp(rc->tag, sb->checkpoint_tag, sizeof rc->tag) != 0 ||
                   batch_size(&h) != sb->checkpoint.size))
        r = -EBADMSG;
    if (r == 0)
        r = checkpoint_find(rc, &record);
    if (r < 0)
        return error_set(rc->e, r == -ENODATA ? -EBADMSG : r,
                         "segment file %016llx: the checkpoint at offset %u is missing or damaged",
                         (unsigned long long)sb->checkpoint.segment, sb->checkpoint.offset);
    rc->segment = sb->checkpoint.segment;
    rc->offset = sb->checkpoint.offset + sb->checkpoint.size;
    rc->sequence = sb->checkpoint_sequence;
    rc->epoch = sb->epoch;
    struct segment *s = segment_find(v, rc->segment);
    if (!s)
        return -EBADMSG;
    s->state.used = (uint32_t)rc->offset;
    s->state.last_sequence = rc->sequence;
    return 0;
}

/* --- the files --- */

static int file_note(void *ctx, uint64_t file)
{
    struct recovery *rc = ctx;
    if (file == VOLUME_SUPERBLOCK_FILE)
        return 0;
    rc->epoch_seen = MAX(rc->epoch_seen, file >> 32);
    struct segment *known = segment_find(rc->v, file);
    if (known) {
        known->seen = true;
        return 0;
    }
    int r = grow((void **)&rc->candidates, &rc->candidate_capacity, rc->candidate_count,
                 sizeof *rc->candidates, FILES_MAX);
    if (r < 0)
        return r;
    rc->candidates[rc->candidate_count++] = (struct candidate){.file = file};
    return 0;
}

static const char *segment_name(uint64_t segment, char name[17])
{
    (void)snprintf(name, 17, "%016llx", (unsigned long long)segment);
    return name;
}

static int candidates_read(struct recovery *rc)
{
    struct volume *v = rc->v;
    char name[17];
    int r = v->backend->ops->list(v->backend, file_note, rc);
    if (r < 0)
        return error_set(rc->e, r, "the volume's directory cannot be listed");
    /* What else is there can still be read; what is not is said now, not at some later read. */
    for (unsigned i = 0; i < v->segment_count; i++)
        if (!v->segments[i].seen)
            LOG_ERROR("a segment file of the volume is missing",
                      LOG_TEXT("file", segment_name(v->segments[i].state.id, name)),
                      LOG_INT("live_bytes", v->segments[i].state.live));
    for (size_t i = 0; i < rc->candidate_count; i++) {
        SCOPED(key256_wipe) struct key256 key;
        struct candidate *c = &rc->candidates[i];
        r = segment_header_read(v, c->file, &c->header, &key);
        c->readable = r == 0;
        if (r < 0 && r != -EBADMSG && r != -EPROTONOSUPPORT)
            return error_set(rc->e, r, "segment file %016llx cannot be read",
                             (unsigned long long)c->file);
    }
    return 0;
}

/* --- the walk --- */

static int batch_take(struct recovery *rc, uint64_t segment, uint64_t offset)
{
    struct found_batch found = {.segment = segment, .offset = (uint32_t)offset};
    int r = offset <= SEGMENT_SIZE_MAX
                ? batch_read(rc->v, segment, found.offset, &found.header, &found.record, found.tag)
                : -ENODATA;
    if (r == 0 && (found.header.sequence != rc->sequence + 1 ||
                   memcmp(found.header.previous_tag, rc->tag, sizeof rc->tag) != 0))
        r = -EBADMSG;
    if (r == 0)
        r = grow((void **)&rc->batches, &rc->capacity, rc->count, sizeof *rc->batches, BATCHES_MAX);
    if (r < 0) {
        buf_done(&found.record);
        return r;
    }
    rc->batches[rc->count++] = found;
    rc->segment = segment;
    rc->offset = offset + batch_size(&found.header);
    rc->sequence++;
    memcpy(rc->tag, found.tag, sizeof rc->tag);
    rc->durable = MAX(rc->durable, found.header.durable_sequence);
    return 0;
}

/* A segment that continues exactly here. The newest epoch wins: who opened last decided where the
 * log goes on, and an owner that was fenced may have written on beside it. */
static struct candidate *candidate_next(struct recovery *rc, uint64_t epoch_below)
{
    struct candidate *best = NULL;
    for (size_t i = 0; i < rc->candidate_count; i++) {
        struct candidate *c = &rc->candidates[i];
        if (c->readable && !c->chained && !c->passed_over && c->header.epoch >= rc->epoch &&
            c->header.epoch < epoch_below && c->header.first_sequence == rc->sequence + 1 &&
            memcmp(c->header.previous_tag, rc->tag, sizeof rc->tag) == 0 &&
            (!best || c->file > best->file))
            best = c;
    }
    return best;
}

static int segment_begin(struct volume *v, uint64_t file)
{
    uint64_t size;
    int r = v->backend->ops->size(v->backend, file, &size);
    if (r < 0)
        return r;
    struct segment_state state = {.id = file,
                                  .used = SEGMENT_HEADER_SIZE,
                                  .size = (uint32_t)MIN(size, (uint64_t)SEGMENT_SIZE_MAX)};
    return segment_add(v, &state);
}

static int segment_enter(struct recovery *rc, struct candidate *c)
{
    struct volume *v = rc->v;
    int r = segment_begin(v, c->file);
    if (r < 0)
        return r;
    r = batch_take(rc, c->file, SEGMENT_HEADER_SIZE);
    if (r < 0) {
        segment_forget(v, segment_find(v, c->file));
        return r;
    }
    c->chained = true;
    rc->epoch = c->header.epoch;
    return 0;
}

static bool is_hard(int r)
{
    return r < 0 && r != -ENODATA && r != -EBADMSG && r != -EPROTONOSUPPORT;
}

/* One batch further. -ENODATA: the chain ends here. */
static int walk_step(struct recovery *rc)
{
    uint64_t epoch_below = UINT64_MAX;
    for (struct candidate *c; (c = candidate_next(rc, epoch_below));) {
        int r = segment_enter(rc, c);
        if (r == 0 || is_hard(r))
            return r;
        epoch_below = c->header.epoch;
    }
    int r = batch_take(rc, rc->segment, rc->offset);
    return r == 0 || is_hard(r) ? r : -ENODATA;
}

static int walk_on(struct recovery *rc)
{
    int r;
    while ((r = walk_step(rc)) == 0) {
    }
    return r == -ENODATA ? 0 : r;
}

/* --- where the log forks ---
 *
 * An owner that was fenced may have written on behind what its successor saw, and the successor of that
 * one may have taken it over. So who wrote where the log forks does not say which way it goes: that says
 * the owner that came last, by what it continued, and the state that the authority remembers. */

/* Back to before batch `count`. */
static void walk_back(struct recovery *rc, size_t count)
{
    struct volume *v = rc->v;
    const struct superblock *sb = &v->superblock;
    while (rc->count > count)
        buf_done(&rc->batches[--rc->count].record);
    rc->segment = sb->checkpoint.segment;
    rc->offset = sb->checkpoint.offset + sb->checkpoint.size;
    rc->sequence = sb->checkpoint_sequence + count;
    rc->epoch = sb->epoch;
    rc->durable = sb->durable_sequence;
    memcpy(rc->tag, sb->checkpoint_tag, sizeof rc->tag);
    for (size_t i = 0; i < count; i++)
        rc->durable = MAX(rc->durable, rc->batches[i].header.durable_sequence);
    if (count > 0) {
        const struct found_batch *last = &rc->batches[count - 1];
        rc->segment = last->segment;
        rc->offset = last->offset + batch_size(&last->header);
        memcpy(rc->tag, last->tag, sizeof rc->tag);
    }
    for (size_t i = 0; i < rc->candidate_count; i++) {
        struct candidate *c = &rc->candidates[i];
        if (!c->chained)
            continue;
        if (c->header.first_sequence <= rc->sequence) {
            rc->epoch = MAX(rc->epoch, c->header.epoch);
            continue;
        }
        c->chained = false;
        segment_forget(v, segment_find(v, c->file));
    }
}

/* The segment that was entered last is passed over, and the walk is back before it. False: there is none. */
static bool walk_reconsider(struct recovery *rc)
{
    struct candidate *last = NULL;
    for (size_t i = 0; i < rc->candidate_count; i++) {
        struct candidate *c = &rc->candidates[i];
        if (c->chained && (!last || c->header.first_sequence > last->header.first_sequence))
            last = c;
    }
    if (!last)
        return false;
    last->passed_over = true;
    walk_back(rc, last->header.first_sequence - 1 - rc->v->superblock.checkpoint_sequence);
    return true;
}

static bool is_on_the_way(const struct recovery *rc, uint64_t sequence, const uint8_t *tag)
{
    const struct superblock *sb = &rc->v->superblock;
    if (sequence < sb->checkpoint_sequence || sequence - sb->checkpoint_sequence > rc->count)
        return false;
    const uint8_t *there = sequence == sb->checkpoint_sequence
                               ? sb->checkpoint_tag
                               : rc->batches[sequence - sb->checkpoint_sequence - 1].tag;
    return memcmp(there, tag, VOLUME_TAG_SIZE) == 0;
}

/* Each segment continues in one place only, so what can be come to is a tree: this goes through all of it
 * at most, and then on. -ENOENT: what is sought is not there; the walk is as it was without it. */
static int walk_by_way_of(struct recovery *rc, uint64_t sequence, const uint8_t *tag)
{
    int r = 0;
    bool found;
    for (size_t i = 0; i < rc->candidate_count; i++)
        rc->candidates[i].passed_over = false;
    walk_back(rc, 0);
    while (!(found = is_on_the_way(rc, sequence, tag))) {
        r = rc->sequence >= sequence ? -ENODATA : walk_step(rc);
        if (is_hard(r) || (r < 0 && !walk_reconsider(rc)))
            break;
    }
    if (is_hard(r))
        return r;
    for (size_t i = 0; !found && i < rc->candidate_count; i++)
        rc->candidates[i].passed_over = false;
    if (!found)
        walk_back(rc, 0);
    r = walk_on(rc);
    return r < 0 ? r : found ? 0 : -ENOENT;
}

/* Of those begun by a later owner than the last on the way. */
static struct candidate *newest_left_out(struct recovery *rc)
{
    struct candidate *best = NULL;
    for (size_t i = 0; i < rc->candidate_count; i++) {
        struct candidate *c = &rc->candidates[i];
        if (c->readable && !c->chained && !c->hopeless && c->header.epoch > rc->epoch &&
            c->header.first_sequence > rc->v->superblock.checkpoint_sequence &&
            (!best || c->header.epoch > best->header.epoch ||
             (c->header.epoch == best->header.epoch &&
              c->header.first_sequence < best->header.first_sequence)))
            best = c;
    }
    return best;
}

/* Does its first batch verify? A segment without one was begun, and nothing was ever in it. */
static int has_first_batch(struct recovery *rc, const struct candidate *c)
{
    SCOPED(buf_done) struct buf record = {0};
    struct batch_header header;
    uint8_t tag[VOLUME_TAG_SIZE];
    int r = segment_begin(rc->v, c->file);
    if (r < 0)
        return r;
    r = batch_read(rc->v, c->file, SEGMENT_HEADER_SIZE, &header, &record, tag);
    segment_forget(rc->v, segment_find(rc->v, c->file));
    return is_hard(r) ? r : r == 0;
}

static int walk(struct recovery *rc, const struct volume_head *head)
{
    int r = walk_on(rc);
    for (struct candidate *c; r == 0 && (c = newest_left_out(rc));) {
        r = has_first_batch(rc, c);
        c->hopeless =
            r == 0 || is_on_the_way(rc, c->header.first_sequence - 1, c->header.previous_tag);
        if (r < 0 || c->hopeless)
            r = MIN(r, 0);
        else
            r = walk_by_way_of(rc, c->header.first_sequence - 1, c->header.previous_tag);
        c->hopeless = c->hopeless || !c->chained;
        r = r == -ENOENT ? 0 : r;
    }
    if (r == 0 && head && head->sequence > 0 && !is_on_the_way(rc, head->sequence, head->tag))
        r = walk_by_way_of(rc, head->sequence, head->tag);
    return r == -ENOENT ? 0 : r;
}

/* Counts what lies in vain after the end of the chain, in its segment. Is there a record that says
 * that more had been synced? */
static int segment_scan(struct recovery *rc, bool *ret_damage)
{
    struct volume *v = rc->v;
    uint64_t size;
    int r = v->backend->ops->size(v->backend, rc->segment, &size);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    SCOPED(buf_done) struct buf window = {0}, record = {0};
    uint8_t *bytes = buf_reserve(&window, SCAN_SIZE);
    if (!bytes)
        return -ENOMEM;
    for (uint64_t at = rc->offset; at < MIN(size, (uint64_t)SEGMENT_SIZE_MAX); at += SCAN_SIZE) {
        ssize_t n = v->backend->ops->read(v->backend, rc->segment, at, bytes, SCAN_SIZE);
        for (ssize_t i = 0; i + BATCH_HEADER_SIZE <= n; i += BATCH_ALIGN) {
            struct batch_header h;
            uint8_t tag[VOLUME_TAG_SIZE];
            if (bytes[i] == 0 || /* as nearly everywhere */
                batch_header_decode(slice_of(bytes + i, BATCH_HEADER_SIZE), &h) < 0 ||
                h.sequence <= rc->sequence ||
                batch_read(v, rc->segment, (uint32_t)(at + (uint64_t)i), &h, &record, tag) < 0)
                continue;
            v->cut_size += batch_size(&h);
            *ret_damage = *ret_damage || h.durable_sequence > rc->sequence;
        }
    }
    return 0;
}

static int tail_scan(struct recovery *rc, bool *ret_damage)
{
    const struct superblock *sb = &rc->v->superblock;
    *ret_damage = false;
    int r = 0;
    if (!sb->closed || rc->sequence != sb->checkpoint_sequence)
        r = segment_scan(rc, ret_damage);
    for (size_t i = 0; i < rc->candidate_count; i++) {
        const struct candidate *c = &rc->candidates[i];
        /* A segment is begun only when all before it is on the disk. */
        if (c->readable && !c->chained && c->header.epoch >= rc->epoch &&
            c->header.first_sequence > rc->sequence + 1)
            *ret_damage = true;
    }
    return r;
}

static int end_judge(struct recovery *rc, const struct volume_head *head)
{
    bool damage;
    int r = tail_scan(rc, &damage);
    if (r < 0)
        return error_set(rc->e, r, "the end of the log cannot be read");
    if ((damage || rc->durable > rc->sequence) &&
        !salvage_passes(rc->v,
                        "the log is damaged in segment file %016llx, offset %llu: what was written "
                        "after commit %llu is lost",
                        (unsigned long long)rc->segment, (unsigned long long)rc->offset,
                        (unsigned long long)rc->sequence))
        return error_set(rc->e, -EBADMSG,
                         "segment file %016llx: the log is damaged at offset %llu (commit %llu); "
                         "later commits had been written",
                         (unsigned long long)rc->segment, (unsigned long long)rc->offset,
                         (unsigned long long)rc->sequence + 1);
    if (head && head->sequence > rc->sequence)
        return error_set(rc->e, -EKEYREJECTED,
                         "this is an old copy of the volume, or its newest part is lost: it ends "
                         "at commit %llu, but commit %llu is known to exist",
                         (unsigned long long)rc->sequence, (unsigned long long)head->sequence);
    return 0;
}

/* The state that the authority remembers must be on the way here. */
static int head_check(struct recovery *rc, const struct volume_head *head)
{
    const struct superblock *sb = &rc->v->superblock;
    if (!head || head->sequence == 0)
        return 0;
    const uint8_t *tag = NULL;
    if (head->sequence == sb->checkpoint_sequence)
        tag = sb->checkpoint_tag;
    else if (head->sequence > sb->checkpoint_sequence && head->sequence <= rc->sequence)
        tag = rc->batches[head->sequence - sb->checkpoint_sequence - 1].tag;
    if (!tag || memcmp(tag, head->tag, VOLUME_TAG_SIZE) != 0)
        return error_set(rc->e, -EKEYREJECTED,
                         "this is another history of the volume than the one known: commit %llu "
                         "is not what was reported",
                         (unsigned long long)head->sequence);
    return 0;
}

/* --- the unsynced tail --- */

static int unit_verify(struct recovery *rc, enum unit_kind kind, uint32_t offset, size_t size)
{
    uint8_t bytes[BLOCK_SIZE];
    int r = unit_read(rc->v, kind, rc->segment, offset, bytes, size);
    secret_wipe(bytes, sizeof bytes);
    return r;
}

static bool is_within(const struct found_batch *b, uint64_t segment, uint32_t offset)
{
    return segment == b->segment && offset >= b->offset + BATCH_HEADER_SIZE &&
           offset < b->offset + BATCH_HEADER_SIZE + b->header.data_size;
}

static int op_verify(struct recovery *rc, const struct found_batch *b, const struct op *op)
{
    struct extent extent;
    if (op->kind == OP_NODE)
        return unit_verify(rc, UNIT_NODE, op->node.offset, op->node.size);
    if (op->kind != OP_PUT || op->key.type != ITEM_EXTENT)
        return 0;
    int r = extent_decode(op->value, &extent);
    if (r == 0 && extent.packed) {
        const uint8_t *plain;
        return is_within(b, extent.segment, extent.offset) ? pack_load(rc->v, &extent, &plain) : 0;
    }
    for (uint32_t at = 0, k = 0; r == 0 && at < extent.len; at += BLOCK_SIZE, k++) {
        uint32_t offset = extent.offset + k * UNIT_SIZE;
        if (is_within(b, extent.segment, offset))
            r = unit_verify(rc, UNIT_DATA, offset, MIN(extent.len - at, (uint32_t)BLOCK_SIZE));
    }
    return r;
}

static int batch_verify(struct recovery *rc, const struct found_batch *b)
{
    struct reader rd = reader_over(buf_slice(&b->record));
    struct op op;
    int r;
    rc->segment = b->segment;
    while ((r = op_next(&rd, &op)) == 0) {
        r = op_verify(rc, b, &op);
        if (r < 0)
            return r;
    }
    return r == -ENODATA ? 0 : r;
}

/* Cuts from the first batch on that may have been lost and was, in part. */
static int tail_verify(struct recovery *rc, const struct volume_head *head)
{
    uint64_t base = rc->v->superblock.checkpoint_sequence;
    uint64_t sure = MAX(rc->durable, head ? head->sequence : 0);
    for (size_t i = 0; i < rc->count; i++) {
        if (base + i + 1 <= sure)
            continue;
        int r = batch_verify(rc, &rc->batches[i]);
        if (is_hard(r))
            return error_set(rc->e, r, "the end of the log cannot be read");
        if (r == 0)
            continue;
        for (size_t k = i; k < rc->count; k++) {
            rc->v->cut_size += batch_size(&rc->batches[k].header);
            buf_done(&rc->batches[k].record);
        }
        rc->count = i;
        rc->sequence = base + i;
        memcpy(rc->tag, i > 0 ? rc->batches[i - 1].tag : rc->v->superblock.checkpoint_tag,
               sizeof rc->tag);
        break;
    }
    return 0;
}

/* --- taking over --- */

static int batch_apply(struct recovery *rc, struct found_batch *b)
{
    struct volume *v = rc->v;
    struct reader rd = reader_over(buf_slice(&b->record));
    struct op op;
    int r;
    while ((r = op_next(&rd, &op)) == 0) {
        if (op.kind == OP_CHECKPOINT || op.kind == OP_KEY_TABLE)
            continue; /* one that was not published; the state is the same without it */
        inode_count_op(v, &op);
        r = op_apply(v, &op);
        if (r < 0)
            return r;
    }
    struct segment *s = segment_find(v, b->segment);
    if (!s || r != -ENODATA)
        return -EBADMSG;
    s->state.used = b->offset + (uint32_t)batch_size(&b->header);
    s->state.last_sequence = b->header.sequence;
    v->record_bytes += b->record.size;
    v->record_count++;
    return 0;
}

static int batches_apply(struct recovery *rc)
{
    for (size_t i = 0; i < rc->count; i++) {
        int r = batch_apply(rc, &rc->batches[i]);
        if (r < 0)
            return error_set(rc->e, r, "segment file %016llx: commit %llu cannot be replayed",
                             (unsigned long long)rc->batches[i].segment,
                             (unsigned long long)rc->batches[i].header.sequence);
        buf_done(&rc->batches[i].record);
    }
    return 0;
}

/* What a crash of this process alone left in the host's cache must be on its disk before anything
 * is built on it. */
static int tail_sync(struct recovery *rc)
{
    struct volume *v = rc->v;
    if (rc->durable >= rc->sequence)
        return 0;
    for (size_t i = 0; i < rc->count; i++) {
        if (i > 0 && rc->batches[i].segment == rc->batches[i - 1].segment)
            continue;
        int r = v->backend->ops->sync(v->backend, rc->batches[i].segment);
        if (r < 0)
            return error_set(rc->e, r, "segment file %016llx cannot be synced",
                             (unsigned long long)rc->batches[i].segment);
    }
    int r = v->backend->ops->sync_names(v->backend);
    return r < 0 ? error_set(rc->e, r, "the volume's directory cannot be synced") : 0;
}

/* Segments that were cut off or never chained hold nothing. */
static void garbage_remove(struct recovery *rc)
{
    struct volume *v = rc->v;
    for (size_t i = 0; i < rc->candidate_count; i++) {
        struct candidate *c = &rc->candidates[i];
        bool used = false;
        for (size_t k = 0; k < rc->count; k++)
            used = used || rc->batches[k].segment == c->file;
        struct segment *s = segment_find(v, c->file);
        if (used)
            continue;
        if (s)
            segment_forget(v, s);
        garbage_keep(v, c->file);
    }
    gone_drain(v);
}

/* The checkpoint was written before its segment had its last size. */
static void size_update(struct volume *v, uint64_t file)
{
    struct segment *s = segment_find(v, file);
    uint64_t size;
    if (!s || v->backend->ops->size(v->backend, file, &size) < 0 || size > SEGMENT_SIZE_MAX)
        return;
    v->host_size += size - s->state.size;
    s->state.size = (uint32_t)size;
}

static int recover(struct recovery *rc, const struct volume_head *head)
{
    struct volume *v = rc->v;
    v->recovering = true;
    int r = checkpoint_read(rc);
    if (r == 0)
        r = candidates_read(rc);
    if (r < 0)
        return r;
    rc->durable = v->superblock.durable_sequence;
    r = walk(rc, head);
    if (r < 0)
        return error_set(rc->e, r, "segment file %016llx cannot be read",
                         (unsigned long long)rc->segment);
    r = end_judge(rc, head);
    if (r == 0)
        r = head_check(rc, head);
    if (r == 0)
        r = tail_verify(rc, head);
    v->recovering = false;
    if (r == 0)
        r = batches_apply(rc);
    if (r == 0 && !v->salvage)
        r = tail_sync(rc);
    if (r < 0)
        return r;
    if (head && head->epoch <= MAX(rc->epoch, v->superblock.epoch))
        return error_set(rc->e, -EKEYREJECTED,
                         "the authority is older than the volume: its epoch is %llu, the "
                         "volume's %llu",
                         (unsigned long long)head->epoch, (unsigned long long)rc->epoch);
    if (!v->salvage)
        garbage_remove(rc);
    size_update(v, v->superblock.checkpoint.segment);
    v->host_size += (uint64_t)SUPERBLOCK_SLOTS * SUPERBLOCK_SLOT_SIZE;
    if (v->cut_size > 0)
        LOG_WARNING("unsynced end of the log was cut", LOG_INT("bytes", v->cut_size),
                    LOG_INT("commit", rc->sequence));
    v->closed_epoch = v->superblock.closed && rc->count == 0 ? v->superblock.epoch : 0;
    v->sequence = v->durable_sequence = rc->sequence;
    v->reported_sequence = head ? head->sequence : 0;
    memcpy(v->tag, rc->tag, sizeof v->tag);
    /* Without an authority the opening counts itself. */
    v->epoch = head ? head->epoch : MAX(rc->epoch_seen, v->superblock.epoch) + 1;
    return v->epoch <= UINT32_MAX ? 0 : error_set(rc->e, -EOVERFLOW, "too many openings");
}

bool salvage_passes(struct volume *v, const char *format, ...)
{
    char text[256];
    va_list args;
    if (!v->salvage)
        return false;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (v->found)
        v->found(v->found_ctx, text);
    return true;
}

static void recovery_reset(struct volume *v)
{
    while (v->segment_count > 0)
        segment_forget(v, &v->segments[0]);
    tree_done(&v->tree);
    v->host_size = v->live_size = 0;
    v->record_bytes = v->record_count = 0;
}

int volume_recover(struct volume *v, const struct volume_head *head, struct error *e)
{
    struct recovery rc = {.v = v, .e = e};
    int r = superblock_read(v, false);
    if (r == -EKEYREJECTED)
        return error_set(e, r, "the superblock is another volume's");
    if (r == -EPROTONOSUPPORT)
        return error_set(e, r, "the volume has a format that this version does not know");
    if (r < 0)
        return error_set(e, r,
                         r == -ENOENT ? "there is no volume here"
                                      : "the superblock is damaged or the key is wrong");
    r = recover(&rc, head);
    recovery_done(&rc);
    if (r < 0 && !is_hard(r) &&
        salvage_passes(v, "the newest checkpoint cannot be used (%s); going back to the one before",
                       error_text(e, r)) &&
        superblock_read(v, true) == 0) {
        recovery_reset(v);
        rc = (struct recovery){.v = v, .e = e};
        *e = (struct error){0};
        r = recover(&rc, head);
        recovery_done(&rc);
    }
    if (r < 0 && e && e->code == 0)
        return error_set(e, r, "the volume cannot be opened");
    return r;
}
