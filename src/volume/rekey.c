/* SPDX-License-Identifier: Apache-2.0 */
/* Other keys for what is there: another volume key, another master key with everything rewritten, and
 * erasing for good. All three stop the world while they work. Interrupted anywhere, the volume opens
 * as before or as after, and the same call goes on. */
#include "base/log.h"
#include "volume/store.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>

/* Both slots, so that nothing of the old ones stays. */
static int slots_write(struct volume *v)
{
    for (unsigned i = 0; i < SUPERBLOCK_SLOTS; i++) {
        v->superblock.generation++;
        int r = superblock_write(v);
        if (r < 0)
            return volume_stop(v, r);
    }
    return 0;
}

/* --- another volume key --- */

static int key_change(struct volume *v, const struct key256 *key)
{
    struct aead *old = v->kek;
    v->kek = NULL;
    int r = volume_keys_init(v, key);
    if (r == 0)
        r = master_seal(v, 0);
    if (r == 0 && v->superblock.has_previous_master)
        r = master_seal(v, 1);
    if (r < 0) {
        aead_free(v->kek);
        v->kek = old;
        return r;
    }
    aead_free(old);
    return slots_write(v);
}

/* --- moving out of segments --- */

/* What is written from now on lies in a segment under the keys of now. */
static int active_renew(struct volume *v)
{
    int r = log_prepare(v, 4096, ROOM_FREEING);
    if (r == 0)
        r = log_write(v);
    if (r < 0)
        return r;
    v->batch.segment = 0; /* begun in the old one, and nothing is in it */
    v->batch.size = 0;
    return segment_rotate(v, segment_size_wanted(v));
}

/* A checkpoint that is on the superblock when this returns. */
static int checkpoint_surely(struct volume *v)
{
    int r = checkpoint_write(v);
    return r == 0 && v->pending_sequence != 0 ? -EAGAIN : r;
}

static int segment_empty(struct volume *v, uint64_t id)
{
    struct segment *s = segment_find(v, id);
    if (!s || s->doomed_by != 0 || s->state.live == 0)
        return 0;
    s->unclean = false;
    int r = segment_clean(v, id);
    s = segment_find(v, id);
    if (r == 0 && s && s->state.live > 0)
        r = s->unclean ? -EBADMSG : -EAGAIN;
    return r;
}

/* Empties those of `ids`, and waits until they are given back. */
static int segments_empty(struct volume *v, const uint64_t *ids, size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = segment_empty(v, ids[i]);
    if (r == 0)
        r = checkpoint_surely(v);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (segment_find(v, ids[i]))
            r = -EBUSY;
    return r;
}

static int segments_before(struct volume *v, uint64_t **ret_ids, size_t *ret_count)
{
    uint64_t *ids = calloc(v->segment_count + 1, sizeof *ids);
    size_t count = 0;
    if (!ids)
        return -ENOMEM;
    for (unsigned i = 0; i < v->segment_count; i++)
        if (v->segments[i].state.id != v->active)
            ids[count++] = v->segments[i].state.id;
    *ret_ids = ids;
    *ret_count = count;
    return 0;
}

/* --- everything anew --- */

static int rewrite(struct volume *v)
{
    uint64_t *ids = NULL;
    size_t count = 0;
    int r = 0;
    if (!v->superblock.has_previous_master) {
        r = master_renew(v);
        if (r == 0)
            r = slots_write(v);
    }
    if (r == 0)
        r = active_renew(v);
    if (r == 0)
        r = segments_before(v, &ids, &count);
    if (r == 0)
        r = segments_empty(v, ids, count);
    free(ids);
    if (r < 0)
        return r;
    master_forget_previous(v);
    return slots_write(v);
}

int volume_rekey(struct volume *v, const struct key256 *key, bool anew)
{
    volume_lock(v);
    int r = v->stopped ? -EROFS : anew && v->snapshot_count > 0 ? -EBUSY : 0;
    if (r == 0 && key)
        r = key_change(v, key);
    if (r == 0 && anew)
        r = rewrite(v);
    volume_finish(v);
    return r;
}

bool volume_is_rewriting(struct volume *v)
{
    volume_lock(v);
    bool is = v->superblock.has_previous_master;
    volume_unlock(v);
    return is;
}

/* --- erasing --- */

/* The segments to be emptied go to the front of ids. -EBUSY: a snapshot needs one. */
static int victims_find(struct volume *v, uint64_t *ids, size_t *count, const uint64_t *inos,
                        size_t ino_count)
{
    size_t found = 0;
    for (size_t i = 0; i < *count; i++) {
        int r = segment_mentions(v, ids[i], inos, ino_count);
        if (r < 0)
            return r;
        if (r == 1 && snapshot_pins(v, segment_find(v, ids[i])))
            return -EBUSY;
        if (r == 1)
            ids[found++] = ids[i];
    }
    *count = found;
    return 0;
}

static int contents_drop(struct volume *v, uint64_t ino, uint64_t offset, uint64_t size)
{
    int r = log_prepare(v, 4 * (size_t)UNIT_SIZE, ROOM_FREEING);
    if (r < 0)
        return r;
    if (offset == 0 && size == UINT64_MAX)
        return file_setsize(v, ino, 0);
    return file_allocate(v, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, offset + size);
}

/* The keys of what stays go under a new erase key, and the old one is destroyed. */
static int erase_key_rotate(struct volume *v)
{
    int r = erase_key_prepare(v);
    if (r < 0)
        return r;
    v->erase_epoch++;
    r = active_renew(v);
    if (r == 0)
        r = key_table_make(v);
    if (r == -EAGAIN) {
        /* Nothing says so yet, and a segment of the next epoch can be read all the same. */
        v->erase_epoch--;
        return r;
    }
    if (r == 0)
        r = checkpoint_surely(v);
    if (r == 0)
        r = slots_write(v);
    if (r < 0)
        return volume_stop(v, r == -EAGAIN ? -EIO : r);
    wraps_forget(v);
    return v->authority.erase_drop(v->authority.ctx, v->id, v->erase_epoch);
}

/* What is moved would take the room that is kept for deleting: -ENOSPC, and nothing has happened. */
static int erase_room(struct volume *v)
{
    return log_prepare(v, 4096, ROOM_BULK);
}

/* What is written from now on lies in none of the segments of the files' contents, which are *ret_ids. */
static int victims_leave(struct volume *v, const uint64_t *inos, size_t count, uint64_t **ret_ids,
                         size_t *ret_id_count)
{
    int r = active_renew(v);
    free(*ret_ids);
    *ret_ids = NULL;
    if (r == 0)
        r = segments_before(v, ret_ids, ret_id_count);
    return r < 0 ? r : victims_find(v, *ret_ids, ret_id_count, inos, count);
}

static int erase_locked(struct volume *v, const uint64_t *inos, size_t count, uint64_t offset,
                        uint64_t size)
{
    uint64_t *ids = NULL;
    size_t id_count = 0;
    if (v->erase_epoch == 0 || !v->authority.erase_drop)
        return -EOPNOTSUPP;
    int r = erase_room(v);
    if (r == 0)
        r = victims_leave(v, inos, count, &ids, &id_count);
    uint64_t moves = v->moves;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = contents_drop(v, inos[i], offset, size);
    if (r == 0)
        r = log_write(v);
    /* For want of room it has been cleaned meanwhile, which may have moved what was to be dropped next. */
    if (r == 0 && v->moves != moves)
        r = victims_leave(v, inos, count, &ids, &id_count);
    if (r == 0)
        r = segments_empty(v, ids, id_count);
    free(ids);
    return r < 0 ? r : erase_key_rotate(v);
}

int erase_check(struct volume *v, uint64_t ino)
{
    uint64_t *ids = NULL;
    size_t count = 0;
    if (v->erase_epoch == 0 || !v->authority.erase_drop)
        return -EOPNOTSUPP;
    int r = erase_room(v);
    if (r < 0 || v->snapshot_count == 0)
        return r;
    r = active_renew(v); /* what has been written can then be looked through */
    if (r == 0)
        r = segments_before(v, &ids, &count);
    if (r == 0)
        r = victims_find(v, ids, &count, &ino, 1);
    free(ids);
    return r;
}

int erase_inode(struct volume *v, uint64_t ino)
{
    return erase_locked(v, &ino, 1, 0, UINT64_MAX);
}

int erase_postpone(struct volume *v, uint64_t ino)
{
    int r = contents_drop(v, ino, 0, UINT64_MAX);
    return r < 0 ? r : log_write(v);
}

int volume_erase(struct volume *v, const uint64_t *inos, size_t count, uint64_t offset,
                 uint64_t size)
{
    uint64_t end;
    if (size == 0 || (size != UINT64_MAX && __builtin_add_overflow(offset, size, &end)))
        return -EINVAL;
    volume_lock(v);
    int r = v->stopped ? -EROFS : erase_locked(v, inos, count, offset, size);
    volume_finish(v);
    return r;
}

/* After an erasing that was cut short: the key that the superblock does without is destroyed now. */
int erase_settle(struct volume *v)
{
    return v->erase_epoch > 0 && v->has_authority && v->authority.erase_drop
               ? v->authority.erase_drop(v->authority.ctx, v->id, v->erase_epoch)
               : 0;
}
