/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots. The index is copied on write, so a snapshot is the root of the index as it was, kept as
 * an item of the newest index. What it can need lies in segments that existed then and were in use
 * then: those are neither cleaned nor given back while it exists. */
#include "platform/ops.h"
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

enum { SNAPSHOTS_MAX = 1000 };

static struct item_key snapshot_key(uint64_t number)
{
    return (struct item_key){0, ITEM_SNAPSHOT, number};
}

void snapshots_free(struct volume *v)
{
    free(v->snapshots);
    free(v->snapshot_numbers);
    v->snapshots = NULL;
    v->snapshot_numbers = NULL;
    v->snapshot_count = 0;
}

static int list_append(struct volume *v, uint64_t number, const struct snapshot_value *s)
{
    unsigned count = v->snapshot_count + 1;
    struct snapshot_value *values = realloc(v->snapshots, count * sizeof *values);
    if (values)
        v->snapshots = values;
    uint64_t *numbers = realloc(v->snapshot_numbers, count * sizeof *numbers);
    if (numbers)
        v->snapshot_numbers = numbers;
    if (!values || !numbers)
        return -ENOMEM;
    values[count - 1] = *s;
    numbers[count - 1] = number;
    v->snapshot_count = count;
    return 0;
}

int snapshots_load(struct volume *v)
{
    struct item_key from = snapshot_key(0);
    struct snapshot_value s;
    struct item item;
    int r;
    snapshots_free(v);
    while ((r = tree_seek(&v->tree, &from, &item)) == 0 && item.key.ino == 0 &&
           item.key.type == ITEM_SNAPSHOT) {
        r = snapshot_decode(item.value, &s);
        if (r == 0)
            r = v->snapshot_count < SNAPSHOTS_MAX ? list_append(v, item.key.sub, &s) : -EBADMSG;
        if (r < 0)
            return r;
        from.sub = item.key.sub + 1;
    }
    return r == -ENOENT ? 0 : r;
}

bool snapshot_pins(const struct volume *v, const struct segment *s)
{
    for (unsigned i = 0; i < v->snapshot_count; i++)
        if (s->state.id <= v->snapshots[i].last_segment &&
            (s->state.dead_since == 0 || v->snapshots[i].sequence < s->state.dead_since))
            return true;
    return false;
}

uint64_t pinned_size(const struct volume *v)
{
    uint64_t size = 0;
    for (unsigned i = 0; v->snapshot_count > 0 && i < v->segment_count; i++) {
        const struct segment *s = &v->segments[i];
        if (snapshot_pins(v, s))
            size += s->state.size - MIN(s->state.live, (uint64_t)s->state.size);
    }
    return size;
}

int snapshot_find(const struct volume *v, const char *name, unsigned *ret_at)
{
    for (unsigned i = 0; i < v->snapshot_count; i++)
        if (strcmp(v->snapshots[i].name, name) == 0) {
            *ret_at = i;
            return 0;
        }
    return -ENOENT;
}

/* What begins with a dot is ours. */
bool snapshot_name_is_good(const char *name)
{
    size_t size = strlen(name);
    if (name[0] == '.')
        return false;
    for (size_t i = 0; i < size; i++)
        if (name[i] <= ' ' || name[i] == 0x7f || name[i] == '/')
            return false;
    return size > 0 && size <= VOLUME_SNAPSHOT_NAME_MAX;
}

void snapshot_show(struct volume *v, unsigned at)
{
    const struct snapshot_value *s = &v->snapshots[at];
    struct tree_store store = v->tree.store;
    tree_done(&v->tree);
    tree_init(&v->tree, &store, &s->root, s->level);
    v->inode_count = s->inode_count;
    v->next_ino = MAX(v->next_ino, s->next_ino); /* numbers are never used twice */
}

/* --- making, removing --- */

/* The index as of now is in the log and nothing of it in memory alone. */
static int index_settle(struct volume *v)
{
    int r = log_prepare(v, 4096, ROOM_FREEING);
    if (r == 0)
        r = log_write(v);
    return r < 0 ? r : tree_flush(&v->tree);
}

static void snapshot_fill(const struct volume *v, const char *name, struct snapshot_value *s)
{
    *s = (struct snapshot_value){.made_ns = v->now_ns(),
                                 .sequence = v->sequence + 1,
                                 .last_segment = v->active,
                                 .root = v->tree.root_ref,
                                 .level = v->tree.level,
                                 .next_ino = v->next_ino,
                                 .inode_count = v->inode_count,
                                 .live = v->live_size};
    memcpy(s->name, name, strlen(name));
}

int snapshot_stage(struct volume *v, const struct snapshot_value *s)
{
    uint8_t bytes[SNAPSHOT_VALUE_MAX];
    uint64_t number = v->snapshot_count ? v->snapshot_numbers[v->snapshot_count - 1] + 1 : 1;
    const struct item_key key = snapshot_key(number);
    int r = list_append(v, number, s);
    if (r < 0)
        return r;
    size_t mark = v->record.size;
    op_put(&v->record, &key, slice_of(bytes, snapshot_encode(s, bytes)));
    r = stage_apply(v, mark);
    if (r < 0)
        v->snapshot_count--;
    return r;
}

int snapshot_prepare(struct volume *v, const char *name, struct snapshot_value *s)
{
    int r = index_settle(v);
    if (r < 0)
        return r;
    if (v->active == 0) /* nothing has changed since the opening */
        r = batch_room(v, 4096, ROOM_DATA);
    snapshot_fill(v, name, s);
    return r < 0 ? r : platform()->random(s->uid, sizeof s->uid);
}

int snapshot_make_locked(struct volume *v, const char *name)
{
    struct snapshot_value s;
    unsigned at;
    if (snapshot_find(v, name, &at) == 0)
        return -EEXIST;
    if (v->snapshot_count == SNAPSHOTS_MAX)
        return -EMFILE;
    int r = snapshot_prepare(v, name, &s);
    return r < 0 ? r : snapshot_stage(v, &s);
}

static int finish_synced(struct volume *v, int r)
{
    volume_finish(v);
    return r < 0 ? r : volume_sync(v, 0, false);
}

int volume_snapshot_make(struct volume *v, const char *name)
{
    if (!snapshot_name_is_good(name))
        return -EINVAL;
    volume_lock(v);
    int r = v->stopped ? -EROFS : snapshot_make_locked(v, name);
    return finish_synced(v, r);
}

static int stage_delete(struct volume *v, unsigned at)
{
    const struct item_key key = snapshot_key(v->snapshot_numbers[at]);
    size_t mark = v->record.size;
    op_delete(&v->record, &key);
    int r = stage_apply(v, mark);
    if (r < 0)
        return r;
    v->snapshot_count--;
    memmove(&v->snapshots[at], &v->snapshots[at + 1],
            (v->snapshot_count - at) * sizeof *v->snapshots);
    memmove(&v->snapshot_numbers[at], &v->snapshot_numbers[at + 1],
            (v->snapshot_count - at) * sizeof *v->snapshot_numbers);
    return 0;
}

int snapshot_unstage(struct volume *v, unsigned at)
{
    int r = log_prepare(v, 4096, ROOM_FREEING);
    return r < 0 ? r : stage_delete(v, at);
}

int snapshot_replace(struct volume *v, const char *old, const struct snapshot_value *s)
{
    unsigned at;
    int r = snapshot_find(v, old, &at);
    if (r == 0)
        r = snapshot_stage(v, s);
    return r < 0 ? r : stage_delete(v, at);
}

int volume_snapshot_remove(struct volume *v, const char *name)
{
    unsigned at;
    volume_lock(v);
    int r = v->stopped ? -EROFS : snapshot_find(v, name, &at);
    if (r == 0)
        r = snapshot_unstage(v, at);
    if (r == 0)
        r = checkpoint_write(v); /* gives back what nothing needs now */
    return finish_synced(v, r);
}

/* --- going back --- */

static int extent_count(void *ctx, const struct item *item)
{
    struct extent extent;
    if (item->key.type != ITEM_EXTENT)
        return 0;
    int r = extent_decode(item->value, &extent);
    if (r == 0)
        live_add(ctx, extent.segment, (int64_t)extent_size(&extent));
    return r;
}

static int node_count(void *ctx, const struct node_ref *ref)
{
    live_add(ctx, ref->segment, (int64_t)ref->size + TAG_SIZE);
    return 0;
}

/* What lives in which segment, counted anew from the index. */
int live_recount(struct volume *v)
{
    for (unsigned i = 0; i < v->segment_count; i++) {
        v->live_size -= v->segments[i].state.live;
        v->segments[i].state.live = 0;
    }
    int r = tree_walk(&v->tree, extent_count, v);
    if (r == 0)
        r = tree_refs(&v->tree, node_count, v);
    for (unsigned i = 0; i < v->segment_count; i++)
        if (v->segments[i].state.live > 0)
            v->segments[i].state.dead_since = 0;
    return r;
}

void caches_forget(struct volume *v)
{
    while (v->newest)
        block_forget(v, v->newest);
    inodes_trim(v, 0);
    pack_trim(v);
}

/* Until the checkpoint is on the superblock a crash leads back to where we came from; and nothing
 * may be written behind it before. */
int snapshot_restore_locked(struct volume *v, unsigned at)
{
    unsigned count = v->snapshot_count;
    if (v->inodes_held > 0)
        return -EBUSY;
    int r = index_settle(v);
    if (r < 0)
        return r;
    caches_forget(v);
    snapshot_show(v, at);
    r = live_recount(v);
    size_t mark = v->record.size;
    for (unsigned i = 0; r == 0 && i < count; i++) {
        uint8_t bytes[SNAPSHOT_VALUE_MAX];
        const struct item_key key = snapshot_key(v->snapshot_numbers[i]);
        op_put(&v->record, &key, slice_of(bytes, snapshot_encode(&v->snapshots[i], bytes)));
    }
    if (r == 0 && (v->limits.size_max || v->limits.inode_max)) { /* those of now stay */
        uint8_t bytes[LIMITS_VALUE_SIZE];
        const struct item_key key = {0, ITEM_LIMITS, 0};
        limits_encode(&v->limits, bytes);
        op_put(&v->record, &key, slice_of(bytes, sizeof bytes));
    }
    if (r == 0)
        r = stage_apply(v, mark);
    if (r == 0)
        r = checkpoint_write(v);
    if (r == 0 && v->pending_sequence != 0)
        r = -EAGAIN;
    if (r < 0) {
        v->damaged = true;
        return volume_stop(v, r == -EAGAIN ? -EIO : r);
    }
    return 0;
}

int volume_snapshot_restore(struct volume *v, const char *name)
{
    unsigned at;
    volume_lock(v);
    int r = v->stopped ? -EROFS : snapshot_find(v, name, &at);
    if (r == 0)
        r = snapshot_restore_locked(v, at);
    return finish_synced(v, r);
}

int volume_snapshot_list(struct volume *v, struct volume_snapshot *list, size_t max)
{
    volume_lock(v);
    for (unsigned i = 0; i < MIN((size_t)v->snapshot_count, max); i++) {
        const struct snapshot_value *s = &v->snapshots[i];
        list[i] = (struct volume_snapshot){.made_ns = s->made_ns,
                                           .sequence = s->sequence,
                                           .inode_count = s->inode_count,
                                           .size = s->live};
        memcpy(list[i].name, s->name, sizeof list[i].name);
        memcpy(list[i].uid, s->uid, sizeof list[i].uid);
    }
    int count = (int)v->snapshot_count;
    volume_unlock(v);
    return count;
}
