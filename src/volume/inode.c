/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

enum { RECLAIM_SLICE = 64 };

static struct inode **bucket_of(struct volume *v, uint64_t ino)
{
    return &v->inodes[ino & (v->inode_buckets - 1)];
}

/* The table has about as many buckets as inodes; without memory for that the chains are longer. */
static int table_fit(struct volume *v)
{
    unsigned buckets = MAX(v->inode_buckets, (unsigned)BUCKETS_MIN);
    while (buckets < v->inode_cached && buckets < 1u << 20)
        buckets *= 2;
    if (buckets > 4 * BUCKETS_MIN && v->inode_cached < buckets / 16)
        buckets /= 4;
    if (buckets == v->inode_buckets)
        return 0;
    struct inode **old = v->inodes, **table = calloc(buckets, sizeof(struct inode *));
    if (!table)
        return v->inodes ? 0 : -ENOMEM;
    unsigned old_buckets = v->inode_buckets;
    v->inodes = table;
    v->inode_buckets = buckets;
    for (unsigned i = 0; i < old_buckets; i++)
        for (struct inode *inode = old[i], *next; inode; inode = next) {
            next = inode->next;
            inode->next = *bucket_of(v, inode->ino);
            *bucket_of(v, inode->ino) = inode;
        }
    free(old);
    return 0;
}

static struct inode *inode_cached(struct volume *v, uint64_t ino)
{
    struct inode *inode = v->inodes ? *bucket_of(v, ino) : NULL;
    while (inode && inode->ino != ino)
        inode = inode->next;
    return inode;
}

static struct inode *inode_insert(struct volume *v, uint64_t ino)
{
    if (table_fit(v) < 0)
        return NULL;
    struct inode *inode = calloc(1, sizeof *inode);
    if (!inode)
        return NULL;
    inode->ino = ino;
    inode->next = *bucket_of(v, ino);
    *bucket_of(v, ino) = inode;
    v->inode_cached++;
    return inode;
}

int inode_get(struct volume *v, uint64_t ino, struct inode **ret_inode)
{
    struct inode *inode = inode_cached(v, ino);
    if (!inode) {
        struct inode_value value;
        struct slice bytes;
        const struct item_key key = inode_key(ino);
        if (ino == 0)
            return -ENOENT;
        int r = tree_get(&v->tree, &key, &bytes);
        if (r == 0)
            r = inode_value_decode(bytes, &value);
        if (r < 0)
            return r;
        inode = inode_insert(v, ino);
        if (!inode)
            return -ENOMEM;
        inode->value = value;
        inode->value.attr.ino = ino;
    }
    *ret_inode = inode;
    return 0;
}

int inode_new(struct volume *v, const struct volume_attr *attr, struct inode **ret)
{
    int64_t now = v->now_ns();
    if (v->limits.inode_max > 0 && v->inode_count >= v->limits.inode_max)
        return -EDQUOT;
    struct inode *inode = inode_insert(v, v->next_ino);
    if (!inode)
        return -ENOMEM;
    inode->value.attr = (struct volume_attr){
        .ino = v->next_ino++,
        .mode = attr->mode,
        .uid = attr->uid,
        .gid = attr->gid,
        .rdev = attr->rdev,
        .atime_ns = now,
        .mtime_ns = now,
        .ctime_ns = now,
        .btime_ns = now,
    };
    v->inode_count++;
    inode_dirty(v, inode);
    *ret = inode;
    return 0;
}

void inode_dirty(struct volume *v, struct inode *inode)
{
    if (inode->dirty)
        return;
    inode->dirty = true;
    v->inode_dirty++;
}

void inode_forget(struct volume *v, struct inode *inode)
{
    struct inode **at = bucket_of(v, inode->ino);
    while (*at != inode)
        at = &(*at)->next;
    *at = inode->next;
    v->inode_cached--;
    v->inode_dirty -= inode->dirty;
    free(inode);
}

static int inode_flush(struct volume *v, struct inode *inode)
{
    uint8_t bytes[INODE_VALUE_SIZE];
    const struct item_key key = inode_key(inode->ino);
    size_t mark = v->record.size;
    inode_value_encode(&inode->value, bytes);
    op_put(&v->record, &key, slice_of(bytes, sizeof bytes));
    int r = stage_apply(v, mark);
    if (r < 0)
        return r;
    inode->dirty = false;
    v->inode_dirty--;
    return 0;
}

int inodes_flush(struct volume *v)
{
    for (unsigned i = 0; v->inode_dirty > 0 && i < v->inode_buckets; i++)
        for (struct inode *inode = v->inodes[i]; inode; inode = inode->next) {
            int r = inode->dirty ? inode_flush(v, inode) : 0;
            if (r < 0)
                return r;
        }
    return 0;
}

void inodes_trim(struct volume *v, unsigned idle_max)
{
    for (unsigned i = 0; i < v->inode_buckets && v->inode_cached > idle_max; i++)
        for (struct inode *inode = v->inodes[i], *next; inode; inode = next) {
            next = inode->next;
            if (!inode->dirty && inode->holds == 0)
                inode_forget(v, inode);
        }
}

/* Stages the removal of up to RECLAIM_SLICE items of the inode. 1: there may be more. */
static int reclaim_slice(struct volume *v, uint64_t ino)
{
    struct item_key from = {ino, ITEM_SYMLINK, 0}; /* all but the inode itself */
    size_t mark = v->record.size;
    unsigned count = 0;
    struct item item;
    int r;
    while ((r = tree_seek(&v->tree, &from, &item)) == 0 && item.key.ino == ino) {
        op_delete(&v->record, &item.key);
        from = item.key;
        from.sub++;
        if (++count == RECLAIM_SLICE)
            break;
    }
    if (r < 0 && r != -ENOENT) {
        v->record.size = mark;
        return r;
    }
    r = stage_apply(v, mark);
    return r < 0 ? r : count == RECLAIM_SLICE;
}

int inode_reclaim(struct volume *v, struct inode *inode)
{
    const struct item_key orphan = {0, ITEM_ORPHAN, inode->ino}, key = inode_key(inode->ino);
    int r;
    blocks_forget(v, inode->ino, 0, UINT64_MAX);
    do {
        r = log_prepare(v, (size_t)RECLAIM_SLICE * (KEY_SIZE + 1), ROOM_FREEING);
        if (r == 0)
            r = reclaim_slice(v, inode->ino);
        if (r < 0)
            return r;
    } while (r > 0);
    size_t mark = v->record.size;
    op_delete(&v->record, &key);
    op_delete(&v->record, &orphan);
    r = stage_apply(v, mark);
    if (r < 0)
        return r;
    v->inode_count--;
    inode_forget(v, inode);
    return 0;
}

int inode_end(struct volume *v, struct inode *inode)
{
    int wants = inode_wants_erasing(v, inode);
    int r = wants > 0 ? erase_inode(v, inode->ino) : wants;
    if (r < 0) {
        LOG_WARNING(
            "the contents of a deleted file are not erased yet; the next opening tries again",
            LOG_INT("error", -r));
        if (r == -ENOSPC && erase_postpone(v, inode->ino) < 0)
            LOG_WARNING("nor is their space free");
        return r;
    }
    r = inode_reclaim(v, inode);
    return r == -ENOSPC ? 0 : r;
}

int orphans_reclaim(struct volume *v)
{
    struct item_key from = {0, ITEM_ORPHAN, 0};
    struct item item;
    int r;
    while ((r = tree_seek(&v->tree, &from, &item)) == 0 && item.key.ino == 0 &&
           item.key.type == ITEM_ORPHAN) {
        struct inode *inode;
        from.sub = item.key.sub + 1;
        r = inode_get(v, item.key.sub, &inode);
        if (r == 0)
            r = inode_end(v, inode);
        /* What a snapshot has, or cannot be erased for another reason, keeps nobody from the rest. */
        if (r < 0 && (r == -EBADMSG || v->stopped))
            return r;
    }
    return r == -ENOENT ? 0 : r;
}
