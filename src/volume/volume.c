/* SPDX-License-Identifier: Apache-2.0 */
/* Creating, opening, syncing and closing a volume; attributes and holds. */
#include "base/log.h"
#include "platform/host.h"
#include "platform/ops.h"
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static const struct volume_tuning TUNING_DEFAULT = {.segment_size = 512 << 10,
                                                    .checkpoint_size = 1 << 20,
                                                    .checkpoint_count = 1024,
                                                    .garbage_size = 768 << 10};

static void volume_free(struct volume *v)
{
    if (!v)
        return;
    while (v->newest)
        block_forget(v, v->newest);
    for (unsigned i = 0; i < v->inode_buckets; i++)
        while (v->inodes[i])
            inode_forget(v, v->inodes[i]);
    free(v->inodes);
    free(v->blocks);
    tree_done(&v->tree);
    snapshots_free(v);
    pack_trim(v);
    buf_done(&v->record);
    free(v->batch.bytes);
    volume_keys_done(v);
    for (unsigned i = 0; i < v->segment_count; i++)
        mentions_forget(v, &v->segments[i]);
    free(v->segments);
    free(v->garbage);
    if (v->has_backend_lock)
        v->backend->ops->unlock(v->backend);
    (void)pthread_mutex_destroy(&v->lock);
    (void)pthread_mutex_destroy(&v->sync_lock);
    (void)pthread_mutex_destroy(&v->report_lock);
    (void)pthread_mutex_destroy(&v->super_lock);
    secret_wipe(v, sizeof *v);
    free(v);
}

static void volume_freep(struct volume **v)
{
    volume_free(*v);
}

static int volume_new(const struct volume_options *o, struct volume **ret_volume, struct error *e)
{
    if (!o->authority && o->mode != VOLUME_MODE_NONE)
        return error_set(e, -EINVAL, "this mode needs an authority");
    SCOPED(volume_freep) struct volume *v = calloc(1, sizeof *v);
    if (!v)
        return error_set(e, -ENOMEM, "no memory for the volume");
    (void)pthread_mutex_init(&v->lock, NULL);
    (void)pthread_mutex_init(&v->sync_lock, NULL);
    (void)pthread_mutex_init(&v->report_lock, NULL);
    (void)pthread_mutex_init(&v->super_lock, NULL);
    v->backend = o->backend;
    v->mode = o->mode;
    v->size_max = v->size_max_option = o->size_max;
    v->salvage = o->salvage;
    v->found = o->found;
    v->found_ctx = o->found_ctx;
    v->cache_size = o->cache_size ? o->cache_size : CACHE_SIZE_DEFAULT;
    v->now_ns = o->now_ns ? o->now_ns : host_realtime_ns;
    v->copy = o->copy;
    v->tuning = o->tuning ? *o->tuning : TUNING_DEFAULT;
    memcpy(v->id, o->id, sizeof v->id);
    if (o->authority) {
        v->authority = *o->authority;
        v->has_authority = true;
    }
    int r = volume_keys_init(v, o->key);
    if (r == 0)
        r = platform()->random(v->opening_id, sizeof v->opening_id);
    if (r < 0)
        return error_set(e, r, "the volume's keys cannot be made");
    r = v->backend->ops->lock(v->backend);
    if (r < 0)
        return error_set(e, r,
                         r == -EBUSY ? "another process has this volume open"
                                     : "the volume cannot be locked");
    v->has_backend_lock = true;
    *ret_volume = TAKE(v);
    return 0;
}

static int authority_open(struct volume *v, struct volume_head *ret_head, struct error *e)
{
    if (!v->has_authority || v->salvage)
        return 0;
    int64_t now_ns = host_monotonic_ns(), wall_ns = v->now_ns();
    struct volume_lease lease = {.asked_ns = now_ns, .term_ns = TERM_DEFAULT_NS};
    int r = v->authority.open(v->authority.ctx, v->id, v->opening_id, ret_head, e);
    if (r < 0)
        return error_prefix(e, r, "the volume's freshness authority");
    if (v->authority.lease)
        v->authority.lease(v->authority.ctx, v->id, &lease);
    v->reported_ns = lease.asked_ns;
    v->reported_wall_ns = wall_ns - MAX(now_ns - lease.asked_ns, 0);
    v->term_ns = lease.term_ns / 5 * 4; /* clocks do not run alike */
    return 0;
}

/* --- creating --- */

static int any_file(void *ctx, uint64_t file)
{
    (void)ctx;
    (void)file;
    return -EEXIST;
}

static int root_make(struct volume *v, uint32_t uid, uint32_t gid)
{
    const struct volume_attr attr = {.mode = S_IFDIR | 0755, .uid = uid, .gid = gid};
    struct inode *root;
    int r = tree_init_empty(&v->tree,
                            &(struct tree_store){volume_tree_store.read, volume_tree_store.write,
                                                 volume_tree_store.dropped, v});
    if (r == 0)
        r = platform()->random(v->hash_key, sizeof v->hash_key);
    v->next_ino = VOLUME_ROOT_INO;
    if (r == 0)
        r = inode_new(v, &attr, &root);
    if (r != 0)
        return r;
    root->value.attr.nlink = 2;
    root->value.parent = VOLUME_ROOT_INO;
    return 0;
}

static int create(struct volume *v, uint32_t uid, uint32_t gid)
{
    static const uint8_t zeros[SUPERBLOCK_SLOTS * SUPERBLOCK_SLOT_SIZE];
    const struct volume_backend_ops *ops = v->backend->ops;
    int r = ops->create(v->backend, VOLUME_SUPERBLOCK_FILE);
    if (r == 0)
        r = ops->write(v->backend, VOLUME_SUPERBLOCK_FILE, 0, zeros, sizeof zeros);
    v->host_size = sizeof zeros;
    v->names_changed++;
    if (r == 0)
        r = master_renew(v);
    v->erase_epoch = v->has_authority && v->authority.erase_key ? 1 : 0;
    if (r == 0)
        r = root_make(v, uid, gid);
    return r < 0 ? r : checkpoint_write(v);
}

int volume_create(const struct volume_options *options, uint32_t uid, uint32_t gid, struct error *e)
{
    SCOPED(volume_freep) struct volume *v = NULL;
    struct volume_head head = {.epoch = 1};
    int r = volume_new(options, &v, e);
    if (r < 0)
        return r;
    r = v->backend->ops->list(v->backend, any_file, NULL);
    if (r < 0)
        return error_set(e, r,
                         r == -EEXIST ? "there is something here already"
                                      : "the volume's directory cannot be listed");
    r = authority_open(v, &head, e);
    if (r < 0)
        return r;
    /* An emptied directory is the oldest copy of all. */
    if (head.sequence != 0)
        return error_set(e, -EKEYREJECTED,
                         "this volume was created before, and its files are gone");
    v->epoch = head.epoch;
    v->superblock.packs = options->compress;
    /* Told last, when all is on the disk: what the authority knows of has to be there for ever. */
    v->reported_sequence = UINT64_MAX;
    r = create(v, uid, gid);
    if (r < 0)
        return error_set(e, r, "the volume cannot be created");
    head.sequence = v->sequence;
    memcpy(head.tag, v->tag, sizeof head.tag);
    if (v->has_authority)
        r = v->authority.close(v->authority.ctx, v->id, &head);
    return r < 0 ? error_set(e, r, "the authority did not take the new volume's state") : 0;
}

/* --- opening and closing --- */

int volume_key_opens(struct volume_backend *backend, const uint8_t id[VOLUME_ID_SIZE],
                     const struct key256 *key)
{
    struct volume *v = calloc(1, sizeof *v);
    if (!v)
        return -ENOMEM;
    v->backend = backend;
    memcpy(v->id, id, sizeof v->id);
    int r = volume_keys_init(v, key);
    if (r == 0)
        r = superblock_read(v, false);
    volume_keys_done(v);
    secret_wipe(v, sizeof *v);
    free(v);
    return r;
}

/* What is shown is a snapshot, and nothing can be changed. */
static int view_open(struct volume *v, const char *name, struct error *e)
{
    unsigned at;
    if (snapshot_find(v, name, &at) < 0)
        return error_set(e, -ENOENT, "the volume has no snapshot '%s'", name);
    snapshot_show(v, at);
    v->is_snapshot = true;
    v->stopped = -EROFS;
    return 0;
}

int volume_open(const struct volume_options *options, struct volume **ret_volume, struct error *e)
{
    SCOPED(volume_freep) struct volume *v = NULL;
    struct error none = {0};
    struct volume_head head = {0};
    if (!e)
        e = &none;
    int r = volume_new(options, &v, e);
    if (r == 0)
        r = authority_open(v, &head, e);
    if (r == 0)
        r = volume_recover(v, v->has_authority && !v->salvage ? &head : NULL, e);
    if (r < 0)
        return r;
    v->tree.is_tolerant = v->salvage;
    r = snapshots_load(v);
    if (r == 0)
        r = limits_load(v);
    if (r == 0 && !v->salvage)
        r = erase_settle(v);
    if (v->salvage) {
        v->is_snapshot = true;
        v->stopped = -EROFS;
        r = r == -EBADMSG ? 0 : r; /* of snapshots none can be shown, then */
    }
    if (r == 0 && options->snapshot)
        r = view_open(v, options->snapshot, e);
    else if (r == 0 && !v->salvage)
        r = import_settle(v);
    if (r == 0 && !v->is_snapshot)
        r = orphans_reclaim(v);
    if (r < 0 && e->code != 0)
        return r;
    if (r == -EBADMSG)
        return error_set(e, r,
                         "the volume is damaged: segment file %016llx, offset %u, is not what "
                         "was written",
                         (unsigned long long)v->damage.segment, v->damage.offset);
    if (r < 0 && r != -ENOSPC)
        return error_set(e, r, "unlinked files cannot be reclaimed");
    *ret_volume = TAKE(v);
    return 0;
}

static int close_locked(struct volume *v)
{
    int r = v->is_snapshot ? 0 : v->stopped ? -EROFS : log_write(v);
    /* So that many short openings leave no trail of segments; a large volume has other times. */
    if (r == 0 && v->active != 0 && !v->is_snapshot && v->live_size < CLOSE_CLEAN_MAX &&
        clean_due(v))
        r = clean_slice(v, true);
    v->closing = true;
    if ((r == 0 || r == -ENOSPC) && !v->is_snapshot && (v->record_count > 0 || v->active != 0))
        r = checkpoint_write(v);
    if ((r == 0 || r == -ENOSPC) && !v->salvage)
        r = durable_now(v);
    if (!v->has_authority || v->salvage || (r == -EROFS && !v->is_snapshot))
        return v->salvage ? 0 : r;
    struct volume_head head = {.epoch = v->epoch, .sequence = v->sequence};
    memcpy(head.tag, v->tag, sizeof head.tag);
    int closed = v->authority.close(v->authority.ctx, v->id, &head);
    return r < 0 ? r : closed;
}

int volume_close(struct volume *v)
{
    if (!v)
        return 0;
    volume_lock(v);
    int r = close_locked(v);
    if (!v->stopped)
        gone_drain(v);
    volume_unlock(v);
    volume_free(v);
    return r;
}

void volume_abandon(struct volume *v)
{
    volume_free(v);
}

/* --- attributes, holds --- */

/* What waits for its batch has no extent yet, but a file with data in it is no file of holes. */
static uint64_t allocated_size(struct volume *v, const struct volume_attr *attr)
{
    uint64_t waiting = 0;
    if (attr->allocated_size >= attr->size || v->block_dirty == 0)
        return attr->allocated_size;
    for (const struct block *block = v->newest; block; block = block->older)
        if (block->dirty && block->ino == attr->ino)
            waiting += BLOCK_SIZE;
    return MAX(attr->allocated_size, waiting);
}

int volume_getattr(struct volume *v, uint64_t ino, struct volume_attr *ret_attr)
{
    struct inode *inode;
    volume_lock(v);
    int r = inode_get(v, ino, &inode);
    if (r == 0)
        *ret_attr = inode->value.attr;
    if (r == 0)
        ret_attr->allocated_size = allocated_size(v, &inode->value.attr);
    upkeep_memory(v);
    volume_unlock(v);
    return r;
}

static int setattr(struct volume *v, uint64_t ino, unsigned mask, const struct volume_attr *attr)
{
    struct inode *inode;
    bool shrinks = mask & VOLUME_ATTR_SIZE;
    int r = log_prepare(v, 2 * (size_t)UNIT_SIZE, shrinks ? ROOM_FREEING : ROOM_DATA);
    if (r == 0 && (mask & VOLUME_ATTR_SIZE))
        r = file_setsize(v, ino, attr->size);
    if (r == 0)
        r = inode_get(v, ino, &inode);
    if (r != 0)
        return r;
    struct volume_attr *a = &inode->value.attr;
    if (mask & VOLUME_ATTR_MODE)
        a->mode = (a->mode & S_IFMT) | (attr->mode & 07777);
    if (mask & VOLUME_ATTR_UID)
        a->uid = attr->uid;
    if (mask & VOLUME_ATTR_GID)
        a->gid = attr->gid;
    if (mask & VOLUME_ATTR_ATIME)
        a->atime_ns = attr->atime_ns;
    if (mask & VOLUME_ATTR_MTIME)
        a->mtime_ns = attr->mtime_ns;
    if (mask & ~(unsigned)VOLUME_ATTR_ATIME)
        a->ctime_ns = v->now_ns();
    inode_dirty(v, inode);
    return 0;
}

int volume_setattr(struct volume *v, uint64_t ino, unsigned mask, const struct volume_attr *attr)
{
    volume_lock(v);
    int r = setattr(v, ino, mask, attr);
    volume_finish(v);
    return r;
}

int volume_hold(struct volume *v, uint64_t ino)
{
    struct inode *inode;
    volume_lock(v);
    int r = inode_get(v, ino, &inode);
    if (r == 0 && inode->holds == HOLDS_MAX)
        r = -EMFILE;
    if (r == 0)
        v->inodes_held += inode->holds++ == 0;
    volume_unlock(v);
    return r;
}

void volume_release(struct volume *v, uint64_t ino)
{
    struct inode *inode;
    volume_lock(v);
    int r = inode_get(v, ino, &inode);
    if (r == 0 && inode->holds > 0 && --inode->holds == 0) {
        v->inodes_held--;
        /* What cannot be reclaimed now goes at the next open. */
        if (inode->value.attr.nlink == 0)
            r = inode_end(v, inode);
    }
    volume_finish(v);
    (void)r;
}

int volume_inode_next(struct volume *v, uint64_t after, uint64_t *ret_ino)
{
    const struct item_key from = {after + 1, 0, 0};
    struct item item;
    volume_lock(v);
    int r = after == UINT64_MAX ? -ENOENT : tree_seek(&v->tree, &from, &item);
    if (r == 0)
        *ret_ino = item.key.ino;
    upkeep_memory(v);
    volume_unlock(v);
    return r;
}

void volume_rest(struct volume *v)
{
    volume_lock(v);
    upkeep_memory(v);
    inodes_trim(v, 0);
    tree_trim(&v->tree, v->tree.dirty);
    batch_trim(v);
    pack_trim(v);
    gone_drain(v);
    v->backend->ops->idle(v->backend);
    volume_unlock(v);
}

void volume_statfs(struct volume *v, struct volume_stats *ret_stats)
{
    uint64_t free_size = 0;
    volume_lock(v);
    struct volume_stats stats = {
        .inode_count = v->inode_count,
        .host_size = v->host_size,
        .unsynced_cut_size = v->cut_size,
        .head = {.epoch = v->epoch, .sequence = v->sequence},
    };
    memcpy(stats.head.tag, v->tag, sizeof stats.head.tag);
    (void)v->backend->ops->space(v->backend, &free_size);
    stats.size_total = v->host_size + free_size;
    if (v->size_max)
        stats.size_total = MIN(stats.size_total, v->size_max);
    stats.pinned_size = pinned_size(v);
    stats.snapshot_count = v->snapshot_count;
    stats.erase_epoch = v->erase_epoch;
    stats.master_epoch = v->superblock.master_epoch;
    stats.compresses = v->superblock.packs;
    uint64_t used = MIN(v->live_size + stats.pinned_size, stats.size_total);
    stats.size_free = stats.size_total - used;
    volume_unlock(v);
    *ret_stats = stats;
}
