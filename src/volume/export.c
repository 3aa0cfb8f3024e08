/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot as a stream, whole or as what differs from an older one. */
#include "volume/store.h"
#include "volume/stream.h"

#include <errno.h>
#include <stdlib.h>

enum { FRAME_SOFT = 512 << 10, NODES_KEPT = 64, ITEMS_PER_FRAME = 4096 };

/* One of the two trees that are compared, and where the comparison stands in it. */
struct side {
    struct tree tree;
    bool exists;
    bool ended;
    struct item item; /* valid until the next call on the tree */
};

struct differ {
    struct volume *v;
    struct side base, target;
    struct item_key from; /* nothing before this is left */
};

static void side_begin(struct volume *v, struct side *side, const struct snapshot_value *s)
{
    tree_init(&side->tree, &v->tree.store, &s->root, s->level);
    side->exists = true;
}

static void differ_done(struct differ *d)
{
    if (d->base.exists)
        tree_done(&d->base.tree);
    if (d->target.exists)
        tree_done(&d->target.tree);
}

static int side_seek(struct side *side, const struct item_key *from)
{
    side->ended = !side->exists;
    if (!side->exists)
        return 0;
    int r = tree_seek(&side->tree, from, &side->item);
    side->ended = r == -ENOENT;
    return r == -ENOENT ? 0 : r;
}

static bool key_next(struct item_key *key)
{
    if (++key->sub == 0 && ++key->type == 0)
        key->ino++;
    return key->ino != 0 || key->type != 0 || key->sub != 0;
}

static bool slice_same(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

/* The next key at which the two differ: *ret_old, *ret_new are NULL where there is none. -ENODATA:
 * no more. At most `budget` equal items are passed; 1: none found among them. */
static int differ_next(struct differ *d, unsigned budget, const struct item **ret_old,
                       const struct item **ret_new)
{
    while (budget-- > 0) {
        int r = side_seek(&d->base, &d->from);
        if (r == 0)
            r = side_seek(&d->target, &d->from);
        if (r < 0)
            return r;
        if (d->base.ended && d->target.ended)
            return -ENODATA;
        int order = d->base.ended     ? 1
                    : d->target.ended ? -1
                                      : item_key_compare(&d->base.item.key, &d->target.item.key);
        *ret_old = order <= 0 ? &d->base.item : NULL;
        *ret_new = order >= 0 ? &d->target.item : NULL;
        d->from = order <= 0 ? d->base.item.key : d->target.item.key;
        if (!key_next(&d->from))
            return -ENODATA;
        if (order != 0 || !slice_same(d->base.item.value, d->target.item.value))
            return 0;
    }
    return 1;
}

int trees_same(struct volume *v, const struct snapshot_value *s, bool *ret_same)
{
    struct differ d = {.v = v, .from = {.ino = 1}};
    const struct item *old, *new;
    int r = tree_flush(&v->tree);
    if (r < 0)
        return r;
    const struct snapshot_value now = {.root = v->tree.root_ref, .level = v->tree.level};
    side_begin(v, &d.base, s);
    side_begin(v, &d.target, &now);
    while ((r = differ_next(&d, UINT32_MAX, &old, &new)) == 1) {
    }
    differ_done(&d);
    *ret_same = r == -ENODATA;
    return r < 0 && r != -ENODATA ? r : 0;
}

/* --- writing --- */

struct export
{
    struct differ d;
    struct stream stream;
    struct buf frame;
    volume_stream_write_fn *write;
    void *ctx;
    uint64_t count;
    uint8_t uid[16];
    /* An extent whose contents are being written. */
    struct extent extent;
    uint64_t ino, first;
    uint64_t done; /* blocks of it */
};

static int frame_begin(struct export *x)
{
    buf_clear(&x->frame);
    return buf_append(&x->frame, "\0\0\0", 4);
}

/* As much of the extent at hand as this frame takes. */
static int data_add(struct export *x)
{
    uint64_t left = extent_blocks(&x->extent) - x->done;
    uint64_t blocks = MIN(left, (uint64_t)STREAM_DATA_MAX / BLOCK_SIZE);
    uint32_t size = (uint32_t)MIN(blocks * BLOCK_SIZE, x->extent.len - x->done * BLOCK_SIZE);
    uint8_t *to = stream_data_append(&x->frame, x->ino, x->first + x->done, size);
    if (!to)
        return -ENOMEM;
    ssize_t n = extent_read(x->d.v, &x->extent, x->done, to, size, NULL);
    x->done += blocks;
    x->count++;
    return n < 0 ? (int)n : 0;
}

/* Blocks that had contents: holes are said, where there are contents now they are written. */
static int holes_add(struct export *x, const struct item *old)
{
    struct extent extent;
    int r = extent_decode(old->value, &extent);
    uint64_t at = old->key.sub, end = at + extent_blocks(&extent);
    while (r >= 0 && at < end) {
        struct extent now;
        uint64_t first;
        r = extent_find_in(&x->d.target.tree, old->key.ino, at, &now, &first);
        if (r == 1) {
            at = first + extent_blocks(&now);
        } else if (r == 0) {
            uint64_t stop = MIN(first, end);
            stream_hole_append(&x->frame, old->key.ino, at, stop);
            x->count++;
            at = stop;
        }
    }
    return r < 0 ? r : 0;
}

static int difference_add(struct export *x, const struct item *old, const struct item *new)
{
    const struct item_key key = new ? new->key : old->key;
    if (key.type != ITEM_EXTENT) {
        x->count++;
        if (new)
            stream_put_append(&x->frame, &key, new->value);
        else
            stream_delete_append(&x->frame, &key);
        return 0;
    }
    int r = 0;
    if (new) {
        r = extent_decode(new->value, &x->extent);
        x->ino = key.ino;
        x->first = key.sub;
        x->done = 0;
    }
    if (r == 0 && old)
        r = holes_add(x, old);
    return r;
}

/* Fills a frame. 0: there is more; 1: that was all. */
static int frame_fill(struct export *x)
{
    unsigned at;
    unsigned items = 0;
    bool still = false;
    for (at = 0; at < x->d.v->snapshot_count; at++)
        still = still || memcmp(x->d.v->snapshots[at].uid, x->uid, sizeof x->uid) == 0;
    if (!still)
        return -ENOENT; /* removed meanwhile */
    while (x->frame.size < FRAME_SOFT && items++ < ITEMS_PER_FRAME) {
        const struct item *old = NULL, *new = NULL;
        int r;
        if (x->done < extent_blocks(&x->extent)) {
            r = data_add(x);
        } else {
            r = differ_next(&x->d, ITEMS_PER_FRAME, &old, &new);
            if (r == 0)
                r = difference_add(x, old, new);
        }
        if (r == -ENODATA)
            return 1;
        if (r < 0)
            return r;
    }
    return 0;
}

static int frame_step(struct export *x)
{
    struct volume *v = x->d.v;
    volume_lock(v);
    int r = frame_fill(x);
    if (x->d.base.exists)
        tree_trim(&x->d.base.tree, NODES_KEPT);
    tree_trim(&x->d.target.tree, NODES_KEPT);
    volume_unlock(v);
    if (r == 1)
        stream_end_append(&x->frame, x->count);
    int sealed = r < 0 ? r : stream_seal(&x->stream, &x->frame);
    if (sealed == 0)
        sealed = x->write(x->ctx, x->frame.bytes, x->frame.size);
    return sealed < 0 ? sealed : r;
}

static int export_begin(struct export *x, const char *name, const char *base,
                        const struct key256 *key)
{
    struct volume *v = x->d.v;
    struct stream_begin begin = {0};
    unsigned at, base_at = 0;
    int r = snapshot_find(v, name, &at);
    if (r == 0 && base)
        r = snapshot_find(v, base, &base_at);
    if (r < 0)
        return r;
    begin.snapshot = v->snapshots[at];
    memcpy(begin.hash_key, v->hash_key, sizeof begin.hash_key);
    memcpy(x->uid, begin.snapshot.uid, sizeof x->uid);
    side_begin(v, &x->d.target, &v->snapshots[at]);
    if (base) {
        memcpy(begin.base_uid, v->snapshots[base_at].uid, sizeof begin.base_uid);
        side_begin(v, &x->d.base, &v->snapshots[base_at]);
    }
    x->d.from = (struct item_key){.ino = 1}; /* orphans and snapshots stay here */
    r = stream_make(&x->stream, key, v->id);
    if (r == 0)
        r = frame_begin(x);
    stream_begin_append(&x->frame, &begin);
    return r;
}

int volume_export(struct volume *v, const char *snapshot, const char *base,
                  const struct key256 *key, volume_stream_write_fn *write, void *ctx)
{
    struct export x = {.d = {.v = v}, .write = write, .ctx = ctx};
    volume_lock(v);
    int r = export_begin(&x, snapshot, base, key);
    volume_unlock(v);
    if (r == 0)
        r = write(ctx, x.stream.header, sizeof x.stream.header);
    while (r == 0) {
        r = frame_step(&x);
        if (r == 0)
            r = frame_begin(&x);
    }
    volume_lock(v);
    differ_done(&x.d);
    volume_unlock(v);
    buf_done(&x.frame);
    stream_done(&x.stream);
    return r == 1 ? 0 : r;
}
