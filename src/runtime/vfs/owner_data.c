/* SPDX-License-Identifier: Apache-2.0 */
/* What files contain: reads and writes, which look into the shared copy first where a file is
 * mapped. Bytes that go to the volume inside a request come from guest memory or a client's slot
 * and may change or vanish underneath: they are copied once, with guest_copy_some(). */
#include "runtime/guest.h"
#include "runtime/vfs/owner.h"
#include "runtime/vfs/permission.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

/* Of a mapped file, whose two copies must become one before the caller sees a byte, in memory that may
 * vanish: by pieces that stay. */
static int64_t read_mapped(struct owner *owner, struct volume *volume, struct shared_map *map,
                           uint64_t ino, const struct request *rq)
{
    uint8_t kept[SHARED_MAP_PAGE];
    size_t done = 0;
    int64_t r = 0;
    while (done < rq->out_size) {
        uint64_t at = rq->offset + done;
        size_t want = MIN(rq->out_size - done, sizeof kept);
        ssize_t n = volume_read(volume, ino, at, kept, want);
        r = n > 0 ? shared_map_overlay(owner, map, at, kept, (size_t)n) : n;
        size_t given =
            r < 0 || n <= 0 ? 0 : guest_copy_some((uint8_t *)rq->out + done, kept, (size_t)n);
        if (r == 0 && n > 0 && given == 0)
            r = -EFAULT;
        done += given;
        if (r < 0 || given < want)
            break;
    }
    return done > 0 ? (int64_t)done : r;
}

int64_t owner_read(struct owner *owner, struct request *rq)
{
    struct owner_inode *inode = owner_file(owner, rq);
    if (!inode)
        return -EBADF;
    struct volume *volume = owner->volumes[inode->volume];
    struct shared_map *map = shared_map_live(inode);
    int64_t n;
    if (!map)
        return owner_pages_read(owner, inode, rq, &n)
                   ? n
                   : volume_read(volume, inode->ino, rq->offset, rq->out, rq->out_size);
    n = read_mapped(owner, volume, map, inode->ino, rq);
    shared_map_unlock(map);
    return n;
}

static ssize_t write_bytes(struct volume *volume, struct owner_inode *inode, struct request *rq)
{
    if (rq->flags & REQUEST_APPEND)
        return volume_append(volume, inode->ino, rq->in.bytes, rq->in.size, &rq->offset);
    return volume_write(volume, inode->ino, rq->offset, rq->in.bytes, rq->in.size);
}

static int64_t write_mapped(struct owner *owner, struct volume *volume, struct owner_inode *inode,
                            struct shared_map *map, struct request *rq)
{
    uint8_t kept[SHARED_MAP_PAGE];
    struct request piece = *rq;
    size_t done = 0;
    int64_t r = 0;
    while (r == 0 && done < rq->in.size) {
        size_t want = MIN(rq->in.size - done, sizeof kept);
        size_t got = guest_copy_some(kept, rq->in.bytes + done, want);
        piece.in = slice_of(kept, got);
        ssize_t n = got > 0 ? write_bytes(volume, inode, &piece) : -EFAULT;
        r = n > 0 ? shared_map_update(owner, map, piece.offset, kept, (size_t)n) : n;
        if (r < 0)
            break;
        if (done == 0)
            rq->offset = piece.offset;
        piece.offset += (size_t)n;
        piece.flags &= ~(uint32_t)REQUEST_APPEND;
        done += (size_t)n;
        if ((size_t)n < want)
            break;
    }
    if (done > 0 || r == 0)
        r = shared_map_grown(owner, inode, map);
    return r < 0 || done == 0 ? r : (int64_t)done;
}

/* Who changes a program that runs with its owner's rights must not thereby get them. */
static void drop_rights(struct volume *volume, uint64_t ino, const struct creds *creds)
{
    struct volume_attr attr;
    if (volume_getattr(volume, ino, &attr) < 0)
        return;
    uint32_t lost = S_ISREG(attr.mode) ? permission_bits_lost(&attr, creds) : 0;
    if (!lost)
        return;
    attr.mode &= ~lost;
    (void)!volume_setattr(volume, ino, VOLUME_ATTR_MODE, &attr);
}

int64_t owner_write(struct owner *owner, struct request *rq)
{
    struct owner_inode *inode = owner_file(owner, rq);
    if (!inode)
        return -EBADF;
    struct volume *volume = owner->volumes[inode->volume];
    if (rq->creds)
        drop_rights(volume, inode->ino, rq->creds);
    owner_pages_write(owner, inode, rq->flags & REQUEST_APPEND ? UINT64_MAX : rq->offset,
                      rq->in.size);
    struct shared_map *map = shared_map_live(inode);
    int64_t n = map ? write_mapped(owner, volume, inode, map, rq) : write_bytes(volume, inode, rq);
    if (map)
        shared_map_unlock(map);
    owner_publish(owner, inode);
    return n;
}

int64_t owner_getattr(struct owner *owner, struct request *rq)
{
    struct volume *volume;
    int r = owner_volume(owner, rq->volume, &volume);
    if (r == 0)
        r = volume_getattr(volume, rq->ino, &rq->attr);
    const struct owner_inode *inode = r == 0 && rq->handle ? owner_file(owner, rq) : NULL;
    if (inode)
        owner_publish(owner, inode);
    return r;
}

/* The inode's record with a reference if anybody has it open; NULL otherwise. */
static struct owner_inode *inode_in_use(struct owner *owner, const struct request *rq)
{
    pthread_mutex_lock(&owner->lock);
    struct owner_inode *inode = owner_inode_find(owner, rq->volume, rq->ino);
    if (inode)
        inode->references++;
    pthread_mutex_unlock(&owner->lock);
    return inode;
}

static void inode_put(struct owner *owner, struct owner_inode *inode)
{
    if (!inode)
        return;
    pthread_mutex_lock(&owner->lock);
    owner_inode_put(owner, inode);
    pthread_mutex_unlock(&owner->lock);
}

int64_t owner_setattr(struct owner *owner, struct request *rq)
{
    struct volume *volume;
    int r = owner_volume(owner, rq->volume, &volume);
    if (r < 0)
        return r;
    if (!(rq->mask & VOLUME_ATTR_SIZE)) {
        r = volume_setattr(volume, rq->ino, rq->mask, &rq->attr);
        owner_publish_changed(owner);
        return r;
    }
    struct owner_inode *inode = inode_in_use(owner, rq);
    struct shared_map *map = inode ? shared_map_live(inode) : NULL;
    if (rq->creds)
        drop_rights(volume, rq->ino, rq->creds);
    if (inode)
        owner_pages_end(owner, inode);
    r = volume_setattr(volume, rq->ino, rq->mask, &rq->attr);
    if (map) {
        if (r == 0)
            r = shared_map_cut(owner, map, rq->attr.size);
        if (r == 0)
            r = shared_map_grown(owner, inode, map);
        shared_map_unlock(map);
    }
    if (inode)
        owner_publish(owner, inode);
    inode_put(owner, inode);
    return r;
}

/* Zeroed or punched ranges become zeros in the shared copy too. */
static int zero_range(struct owner *owner, struct shared_map *map, uint64_t offset, uint64_t size)
{
    static const uint8_t zeros[SHARED_MAP_PAGE];
    uint64_t end = MIN(offset + size, map->loaded_pages * SHARED_MAP_PAGE);
    for (uint64_t at = offset; at < end;) {
        size_t piece = (size_t)MIN(end - at, SHARED_MAP_PAGE - at % SHARED_MAP_PAGE);
        int r = shared_map_update(owner, map, at, zeros, piece);
        if (r < 0)
            return r;
        at += piece;
    }
    return 0;
}

int64_t owner_allocate(struct owner *owner, struct request *rq)
{
    struct volume *volume;
    int r = owner_volume(owner, rq->volume, &volume);
    if (r < 0)
        return r;
    if (rq->offset > INT64_MAX || rq->size > INT64_MAX - rq->offset)
        return -EFBIG;
    struct owner_inode *inode = inode_in_use(owner, rq);
    struct shared_map *map = inode ? shared_map_live(inode) : NULL;
    if (rq->creds)
        drop_rights(volume, rq->ino, rq->creds);
    if (inode)
        owner_pages_end(owner, inode);
    r = volume_allocate(volume, rq->ino, (int)rq->flags, rq->offset, rq->size);
    if (map) {
        bool zeroes = rq->flags & (uint32_t)~1; /* more than FALLOC_FL_KEEP_SIZE */
        if (r == 0 && zeroes)
            r = zero_range(owner, map, rq->offset, rq->size);
        if (r == 0)
            r = shared_map_grown(owner, inode, map);
        shared_map_unlock(map);
    }
    if (inode)
        owner_publish(owner, inode);
    inode_put(owner, inode);
    return r;
}

int64_t owner_sync(struct owner *owner, struct request *rq)
{
    struct volume *volume;
    int r = owner_volume(owner, rq->volume, &volume);
    if (r < 0)
        return r;
    if (rq->ino == 0) {
        r = shared_map_write_back_all(owner);
        return r < 0 ? r : volume_sync(volume, 0, false);
    }
    struct owner_inode *inode = inode_in_use(owner, rq);
    struct shared_map *map = inode ? shared_map_live(inode) : NULL;
    if (map) {
        r = shared_map_write_back(owner, inode, map);
        shared_map_unlock(map);
    }
    inode_put(owner, inode);
    return r < 0 ? r : volume_sync(volume, rq->ino, rq->flags & REQUEST_DATA_ONLY);
}
