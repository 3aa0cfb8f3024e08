/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/shared_map.h"

#include "base/log.h"
#include "platform/host.h"
#include "runtime/fd.h"
#include "runtime/vfs/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

int shared_map_arena(struct owner *owner)
{
    if (owner->arena_fd >= 0)
        return owner->arena_fd;
    long fd = host_call(SYS_memfd_create, "coffer-shared", MFD_CLOEXEC);
    if (fd < 0)
        return (int)fd;
    int hidden = fd_hide((int)fd);
    if (hidden < 0)
        return hidden;
    int r = host_ftruncate(hidden, SHARED_MAP_STRETCH * SHARED_MAP_SLOTS);
    if (r < 0) {
        fd_hidden_close(hidden);
        return r;
    }
    owner->arena_fd = hidden;
    return hidden;
}

struct shared_map *shared_map_live(struct owner_inode *inode)
{
    struct shared_map *map = atomic_load_explicit(&inode->map, memory_order_acquire);
    if (!map)
        return NULL;
    pthread_mutex_lock(&map->lock);
    if (map->total > 0)
        return map;
    pthread_mutex_unlock(&map->lock);
    return NULL;
}

void shared_map_unlock(struct shared_map *map)
{
    pthread_mutex_unlock(&map->lock);
}

void shared_map_free(struct owner *owner, struct shared_map *map)
{
    if (!map)
        return;
    owner->map_slots[map->base / SHARED_MAP_STRETCH] = 0;
    pthread_mutex_destroy(&map->lock);
    free(map->loaded);
    free(map);
}

static bool is_loaded(const struct shared_map *map, uint64_t page)
{
    return page < map->loaded_pages && (map->loaded[page / 8] >> (page % 8) & 1);
}

static int make_room(struct shared_map *map, uint64_t pages)
{
    if (pages <= map->loaded_pages)
        return 0;
    uint64_t grown = round_up(MAX(pages, (uint64_t)64), 64);
    uint8_t *loaded = realloc(map->loaded, grown / 8);
    if (!loaded)
        return -ENOMEM;
    memset(loaded + map->loaded_pages / 8, 0, (grown - map->loaded_pages) / 8);
    map->loaded = loaded;
    map->loaded_pages = grown;
    return 0;
}

/* Calls `each` for every piece of [offset, offset + size) that lies within one loaded page. */
typedef int piece_fn(int arena, uint64_t at, void *bytes, size_t size);

static int for_loaded(struct owner *owner, struct shared_map *map, uint64_t offset, void *bytes,
                      size_t size, piece_fn *each)
{
    for (size_t done = 0; done < size;) {
        uint64_t at = offset + done;
        size_t piece = MIN(size - done, SHARED_MAP_PAGE - at % SHARED_MAP_PAGE);
        if (is_loaded(map, at / SHARED_MAP_PAGE)) {
            int r = each(owner->arena_fd, map->base + at, (uint8_t *)bytes + done, piece);
            if (r < 0)
                return r;
        }
        done += piece;
    }
    return 0;
}

static int piece_out(int arena, uint64_t at, void *bytes, size_t size)
{
    ssize_t n = host_pread(arena, bytes, size, at);
    return n == (ssize_t)size ? 0 : n < 0 ? (int)n : -EIO;
}

static int piece_in(int arena, uint64_t at, void *bytes, size_t size)
{
    return host_pwrite(arena, bytes, size, at);
}

int shared_map_overlay(struct owner *owner, struct shared_map *map, uint64_t offset, void *bytes,
                       size_t size)
{
    return for_loaded(owner, map, offset, bytes, size, piece_out);
}

int shared_map_update(struct owner *owner, struct shared_map *map, uint64_t offset,
                      const void *bytes, size_t size)
{
    return for_loaded(owner, map, offset, (void *)(uintptr_t)bytes, size, piece_in);
}

int shared_map_cut(struct owner *owner, struct shared_map *map, uint64_t size)
{
    if (size >= map->loaded_pages * SHARED_MAP_PAGE)
        return 0;
    for (uint64_t page = (size + SHARED_MAP_PAGE - 1) / SHARED_MAP_PAGE; page < map->loaded_pages;
         page++)
        map->loaded[page / 8] &= (uint8_t) ~(1 << (page % 8));
    return host_fallocate(owner->arena_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          map->base + size, map->loaded_pages * SHARED_MAP_PAGE - size);
}

int shared_map_load(struct owner *owner, struct owner_inode *inode, struct shared_map *map,
                    uint64_t offset, uint64_t size)
{
    struct volume *volume = owner->volumes[inode->volume];
    uint8_t page_bytes[SHARED_MAP_PAGE];
    uint64_t first = offset / SHARED_MAP_PAGE;
    uint64_t end = (offset + size + SHARED_MAP_PAGE - 1) / SHARED_MAP_PAGE;
    int r = make_room(map, end);
    for (uint64_t page = first; r == 0 && page < end; page++) {
        if (is_loaded(map, page))
            continue;
        ssize_t n =
            volume_read(volume, inode->ino, page * SHARED_MAP_PAGE, page_bytes, sizeof page_bytes);
        if (n < 0)
            r = (int)n;
        else if (n > 0)
            r = host_pwrite(owner->arena_fd, page_bytes, (size_t)n,
                            map->base + page * SHARED_MAP_PAGE);
        if (r == 0)
            map->loaded[page / 8] |= (uint8_t)(1 << (page % 8));
    }
    secret_wipe(page_bytes, sizeof page_bytes);
    return r;
}

int shared_map_grown(struct owner *owner, struct owner_inode *inode, struct shared_map *map)
{
    struct volume_attr attr;
    int r = volume_getattr(owner->volumes[inode->volume], inode->ino, &attr);
    if (r < 0)
        return r;
    uint64_t end = MIN(round_up(attr.size, SHARED_MAP_PAGE), map->end);
    uint64_t last = end;
    while (last > map->start && !is_loaded(map, last / SHARED_MAP_PAGE - 1))
        last -= SHARED_MAP_PAGE;
    return last < end ? shared_map_load(owner, inode, map, last, end - last) : 0;
}

static int write_back_page(struct owner *owner, struct owner_inode *inode, uint64_t at,
                           uint64_t base, size_t size)
{
    struct volume *volume = owner->volumes[inode->volume];
    uint8_t mapped[SHARED_MAP_PAGE], stored[SHARED_MAP_PAGE];
    int r = piece_out(owner->arena_fd, base + at, mapped, size);
    if (r == 0) {
        ssize_t n = volume_read(volume, inode->ino, at, stored, size);
        if (n < 0)
            r = (int)n;
        else if ((size_t)n != size || memcmp(mapped, stored, size) != 0)
            n = volume_write(volume, inode->ino, at, mapped, size);
        if (n < 0)
            r = (int)n;
    }
    secret_wipe(mapped, sizeof mapped);
    secret_wipe(stored, sizeof stored);
    return r;
}

/* What lies beyond the file's end is not written: as on Linux, it is nowhere. */
int shared_map_write_back(struct owner *owner, struct owner_inode *inode, struct shared_map *map)
{
    if (!map->writable)
        return 0;
    struct volume_attr attr;
    int r = volume_getattr(owner->volumes[inode->volume], inode->ino, &attr);
    for (uint64_t page = 0; r == 0 && page < map->loaded_pages; page++) {
        uint64_t at = page * SHARED_MAP_PAGE;
        if (at >= attr.size)
            break;
        if (is_loaded(map, page))
            r = write_back_page(owner, inode, at, map->base,
                                (size_t)MIN(attr.size - at, SHARED_MAP_PAGE));
    }
    owner_publish(owner, inode); /* what was written has a time */
    return r;
}

int shared_map_write_back_all(struct owner *owner)
{
    int first = 0;
    pthread_mutex_lock(&owner->lock);
    for (unsigned i = 0; i < OWNER_BUCKETS; i++) {
        for (struct owner_inode *inode = owner->buckets[i]; inode; inode = inode->next) {
            struct shared_map *map = shared_map_live(inode);
            if (!map)
                continue;
            int r = shared_map_write_back(owner, inode, map);
            if (r < 0 && first == 0)
                first = r;
            shared_map_unlock(map);
        }
    }
    pthread_mutex_unlock(&owner->lock);
    return first;
}

/* --- who has it mapped --- */

static struct shared_map *map_new(struct owner *owner)
{
    unsigned slot = 0;
    while (slot < SHARED_MAP_SLOTS && owner->map_slots[slot])
        slot++;
    struct shared_map *map = slot < SHARED_MAP_SLOTS ? calloc(1, sizeof *map) : NULL;
    if (!map)
        return NULL;
    pthread_mutex_init(&map->lock, NULL);
    map->base = slot * SHARED_MAP_STRETCH;
    owner->map_slots[slot] = 1;
    return map;
}

/* The last mapping is gone: the volume is the truth again. */
static void map_retire(struct owner *owner, struct owner_inode *inode, struct shared_map *map)
{
    int r = shared_map_write_back(owner, inode, map);
    if (r < 0)
        LOG_ERROR("mapped changes are lost", LOG_INT("inode", inode->ino), LOG_INT("error", r));
    r = shared_map_cut(owner, map, 0);
    if (r < 0)
        LOG_WARNING("memory of a mapping is not given back", LOG_INT("error", r));
    free(map->loaded);
    map->loaded = NULL;
    map->loaded_pages = 0;
    map->end = 0;
    map->writable = false;
}

/* Forgets `count` mappings of a client; owner lock held. */
static void drop(struct owner *owner, struct owner_inode *inode, struct shared_map *map,
                 uint32_t client, uint32_t count)
{
    pthread_mutex_lock(&map->lock);
    map->counts[client] -= count;
    map->total -= count;
    bool last = count > 0 && map->total == 0;
    if (last)
        map_retire(owner, inode, map);
    pthread_mutex_unlock(&map->lock);
    if (last)
        owner_inode_put(owner, inode);
}

/* A second mapping of what the client has mapped, by volume and inode: the file may be closed. */
static struct owner_inode *mapped_already(struct owner *owner, const struct request *rq)
{
    struct owner_inode *inode = owner_inode_find(owner, rq->volume, rq->ino);
    struct shared_map *map = inode ? atomic_load(&inode->map) : NULL;
    return map && map->counts[rq->client] > 0 ? inode : NULL;
}

int64_t owner_map(struct owner *owner, struct request *rq)
{
    if (rq->size == 0 || rq->size > SHARED_MAP_STRETCH ||
        rq->offset > SHARED_MAP_STRETCH - rq->size)
        return -EFBIG;
    pthread_mutex_lock(&owner->lock);
    struct owner_inode *inode = rq->handle ? owner_file(owner, rq) : mapped_already(owner, rq);
    int arena = shared_map_arena(owner);
    struct shared_map *map = inode ? atomic_load(&inode->map) : NULL;
    if (inode && arena >= 0 && !map) {
        map = map_new(owner);
        atomic_store_explicit(&inode->map, map, memory_order_release);
    }
    int64_t r = !inode ? -EBADF : arena < 0 ? arena : !map ? -ENOMEM : 0;
    if (r == 0) {
        struct volume_attr attr;
        owner_pages_stop(owner, inode);
        pthread_mutex_lock(&map->lock);
        r = volume_getattr(owner->volumes[inode->volume], inode->ino, &attr);
        uint64_t end = round_up(attr.size, SHARED_MAP_PAGE);
        if (r == 0 && rq->offset < end)
            r = shared_map_load(owner, inode, map, rq->offset, MIN(rq->size, end - rq->offset));
        if (r == 0) {
            map->start = map->total == 0 ? rq->offset : MIN(map->start, rq->offset);
            map->end = MAX(map->end, round_up(rq->offset + rq->size, SHARED_MAP_PAGE));
            inode->references += map->total == 0;
            map->counts[rq->client]++;
            map->total++;
            map->writable |= rq->mask != 0;
            rq->more = map->base;
            rq->ino = inode->ino;
            rq->volume = inode->volume;
        }
        pthread_mutex_unlock(&map->lock);
    }
    pthread_mutex_unlock(&owner->lock);
    return r;
}

static struct shared_map *map_of(struct owner *owner, const struct request *rq,
                                 struct owner_inode **ret_inode)
{
    *ret_inode = owner_inode_find(owner, rq->volume, rq->ino);
    return *ret_inode ? atomic_load(&(*ret_inode)->map) : NULL;
}

int64_t owner_unmap(struct owner *owner, struct request *rq)
{
    struct owner_inode *inode;
    pthread_mutex_lock(&owner->lock);
    struct shared_map *map = map_of(owner, rq, &inode);
    bool has = map && map->counts[rq->client] > 0;
    if (has)
        drop(owner, inode, map, rq->client, 1);
    pthread_mutex_unlock(&owner->lock);
    return has ? 0 : -EINVAL;
}

int64_t owner_map_sync(struct owner *owner, struct request *rq)
{
    struct owner_inode *inode;
    int64_t r = -EINVAL;
    pthread_mutex_lock(&owner->lock);
    struct shared_map *map = map_of(owner, rq, &inode);
    struct volume *volume = NULL;
    if (map && map->counts[rq->client] > 0) {
        pthread_mutex_lock(&map->lock);
        r = shared_map_write_back(owner, inode, map);
        pthread_mutex_unlock(&map->lock);
        volume = owner->volumes[rq->volume];
    }
    pthread_mutex_unlock(&owner->lock);
    return r == 0 && !(rq->flags & REQUEST_DATA_ONLY) ? volume_sync(volume, rq->ino, false) : r;
}

void shared_map_client_fork(struct owner *owner, uint32_t parent, uint32_t child)
{
    for (unsigned i = 0; i < OWNER_BUCKETS; i++) {
        for (struct owner_inode *inode = owner->buckets[i]; inode; inode = inode->next) {
            struct shared_map *map = shared_map_live(inode);
            if (!map)
                continue;
            map->counts[child] = map->counts[parent];
            map->total += map->counts[child];
            shared_map_unlock(map);
        }
    }
}

void shared_map_client_end(struct owner *owner, uint32_t client)
{
    for (unsigned i = 0; i < OWNER_BUCKETS; i++) {
        struct owner_inode *next;
        for (struct owner_inode *inode = owner->buckets[i]; inode; inode = next) {
            next = inode->next;
            struct shared_map *map = atomic_load(&inode->map);
            if (map && map->counts[client] > 0)
                drop(owner, inode, map, client, map->counts[client]);
        }
    }
}
