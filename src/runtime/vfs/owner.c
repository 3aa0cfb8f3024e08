/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/owner.h"

#include "platform/host.h"
#include "runtime/vfs/purge.h"
#include "runtime/vfs/shared_map.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>

struct owner *owner_new(void)
{
    struct owner *owner = calloc(1, sizeof *owner);
    if (!owner)
        return NULL;
    pthread_mutex_init(&owner->lock, NULL);
    pthread_mutex_init(&owner->publish_lock, NULL);
    pthread_mutex_init(&owner->pages_lock, NULL);
    owner->arena_fd = -1;
    owner->open_count = 1;
    owner->clients[0].live = true;
    owner->unlock_count = &owner->own_unlock_count;
    return owner;
}

static void free_tables(struct owner *owner)
{
    for (unsigned i = 0; i < OWNER_BUCKETS; i++) {
        while (owner->buckets[i]) {
            struct owner_inode *inode = owner->buckets[i];
            owner->buckets[i] = inode->next;
            while (inode->locks.ranges) {
                struct lock_range *range = inode->locks.ranges;
                inode->locks.ranges = range->next;
                free(range);
            }
            shared_map_free(owner, atomic_load(&inode->map));
            free(inode);
        }
    }
    for (unsigned i = 0; i < ARRAY_COUNT(owner->opens); i++)
        free(owner->opens[i]);
    pthread_mutex_destroy(&owner->pages_lock);
    pthread_mutex_destroy(&owner->publish_lock);
    pthread_mutex_destroy(&owner->lock);
    free(owner);
}

int owner_close(struct owner *owner)
{
    if (!owner)
        return 0;
    int first = shared_map_write_back_all(owner);
    for (unsigned i = 0; i < OWNER_VOLUMES_MAX; i++) {
        int r = owner->volumes[i] ? volume_close(owner->volumes[i]) : 0;
        if (r < 0 && first == 0)
            first = r;
    }
    free_tables(owner);
    return first;
}

void owner_abandon(struct owner *owner)
{
    if (!owner)
        return;
    for (unsigned i = 0; i < OWNER_VOLUMES_MAX; i++)
        if (owner->volumes[i])
            volume_abandon(owner->volumes[i]);
    free_tables(owner);
}

int owner_volume(struct owner *owner, uint32_t index, struct volume **ret_volume)
{
    if (index >= OWNER_VOLUMES_MAX)
        return -EINVAL;
    struct volume *volume = __atomic_load_n(&owner->volumes[index], __ATOMIC_ACQUIRE);
    int r = 0;
    if (!volume) {
        pthread_mutex_lock(&owner->lock);
        volume = owner->volumes[index];
        if (!volume) {
            r = owner->open_volume ? owner->open_volume(index, &volume) : -ENODEV;
            if (r == 0)
                __atomic_store_n(&owner->volumes[index], volume, __ATOMIC_RELEASE);
        }
        pthread_mutex_unlock(&owner->lock);
    }
    if (r == 0)
        *ret_volume = volume;
    return r;
}

/* --- open files --- */

static struct owner_open *open_at(struct owner *owner, uint32_t handle)
{
    if (handle == 0 || handle >= owner->open_count)
        return NULL;
    struct owner_open *chunk =
        __atomic_load_n(&owner->opens[handle / OWNER_OPEN_CHUNK], __ATOMIC_ACQUIRE);
    return chunk ? &chunk[handle % OWNER_OPEN_CHUNK] : NULL;
}

static bool client_has(const struct owner_open *open, uint32_t client)
{
    return client < OWNER_CLIENTS_MAX && (open->clients[client / 64] >> (client % 64) & 1);
}

/* Takes no lock: a handle stays what it is while its client has it open, and a client that races
 * its own close gets one answer or the other. */
struct owner_inode *owner_file(struct owner *owner, const struct request *rq)
{
    struct owner_open *open = open_at(owner, rq->handle);
    return open && client_has(open, rq->client) ? open->inode : NULL;
}

static unsigned bucket_of(uint32_t volume, uint64_t ino)
{
    return (unsigned)((ino * 0x9e3779b97f4a7c15u >> 32 ^ volume) % OWNER_BUCKETS);
}

struct owner_inode *owner_inode_find(struct owner *owner, uint32_t volume, uint64_t ino)
{
    struct owner_inode *inode = owner->buckets[bucket_of(volume, ino)];
    while (inode && (inode->volume != volume || inode->ino != ino))
        inode = inode->next;
    return inode;
}

/* The record of an inode on which the caller took a hold (given up if one exists already). */
static struct owner_inode *inode_get(struct owner *owner, uint32_t volume, uint64_t ino)
{
    struct owner_inode *inode = owner_inode_find(owner, volume, ino);
    if (inode) {
        inode->references++;
        volume_release(owner->volumes[volume], ino);
        return inode;
    }
    inode = calloc(1, sizeof *inode);
    if (!inode)
        return NULL;
    inode->volume = volume;
    inode->ino = ino;
    inode->references = 1;
    struct owner_inode **bucket = &owner->buckets[bucket_of(volume, ino)];
    inode->next = *bucket;
    *bucket = inode;
    owner_publish_inode(owner, inode);
    return inode;
}

void owner_inode_put(struct owner *owner, struct owner_inode *inode)
{
    if (--inode->references > 0)
        return;
    struct owner_inode **at = &owner->buckets[bucket_of(inode->volume, inode->ino)];
    while (*at != inode)
        at = &(*at)->next;
    *at = inode->next;
    owner_pages_gone(owner, inode);
    owner_publish_end(owner, inode);
    volume_release(owner->volumes[inode->volume], inode->ino);
    shared_map_free(owner, atomic_load(&inode->map));
    free(inode);
}

static struct owner_open *open_new(struct owner *owner, uint32_t *ret_handle)
{
    struct owner_open *open = open_at(owner, owner->free_open);
    if (open) {
        *ret_handle = owner->free_open;
        owner->free_open = open->next_free;
        return open;
    }
    if (owner->open_count >= OWNER_OPEN_MAX)
        return NULL;
    struct owner_open **chunk = &owner->opens[owner->open_count / OWNER_OPEN_CHUNK];
    if (!*chunk) {
        struct owner_open *fresh = calloc(OWNER_OPEN_CHUNK, sizeof *fresh);
        if (!fresh)
            return NULL;
        __atomic_store_n(chunk, fresh, __ATOMIC_RELEASE);
    }
    *ret_handle = owner->open_count;
    open = &(*chunk)[owner->open_count % OWNER_OPEN_CHUNK];
    __atomic_store_n(&owner->open_count, owner->open_count + 1, __ATOMIC_RELEASE);
    return open;
}

static int64_t open_inode(struct owner *owner, struct volume *volume, struct request *rq)
{
    uint32_t handle = 0;
    pthread_mutex_lock(&owner->lock);
    struct owner_open *open = open_new(owner, &handle);
    if (!open && owner_kept_end(owner, NULL))
        open = open_new(owner, &handle);
    struct owner_inode *inode = open ? inode_get(owner, rq->volume, rq->ino) : NULL;
    if (inode) {
        open->inode = inode;
        open->client_count = 1;
        open->clients[rq->client / 64] |= UINT64_C(1) << (rq->client % 64);
        owner_publish_handle(owner, handle, inode);
    } else if (open) {
        open->next_free = owner->free_open;
        owner->free_open = handle;
    }
    pthread_mutex_unlock(&owner->lock);
    if (!inode) {
        volume_release(volume, rq->ino);
        return open ? -ENOMEM : -ENFILE;
    }
    rq->handle = handle;
    return 0;
}

static int64_t do_open(struct owner *owner, struct request *rq)
{
    struct volume *volume;
    int r = owner_volume(owner, rq->volume, &volume);
    if (r != 0)
        return r;
    r = volume_hold(volume, rq->ino);
    return r < 0 ? r : open_inode(owner, volume, rq);
}

static int64_t do_open_unnamed(struct owner *owner, struct request *rq)
{
    struct volume *volume;
    int r = owner_volume(owner, rq->volume, &volume);
    if (r != 0)
        return r;
    r = volume_make_unnamed(volume, &rq->attr, &rq->ino);
    return r < 0 ? r : open_inode(owner, volume, rq);
}

void owner_wake_lockers(struct owner *owner)
{
    atomic_fetch_add(owner->unlock_count, 1);
    (void)host_call(SYS_futex, owner->unlock_count, FUTEX_WAKE, INT_MAX, 0, 0, 0);
}

/* Client `client` no longer has it open; lock held. */
static void close_for(struct owner *owner, uint32_t handle, struct owner_open *open,
                      uint32_t client)
{
    open->clients[client / 64] &= ~(UINT64_C(1) << (client % 64));
    if (--open->client_count > 0)
        return;
    struct owner_inode *inode = TAKE(open->inode);
    bool of_description = lock_drop(&inode->locks, LOCK_KIND_OFD, handle);
    bool of_file = lock_drop(&inode->locks, LOCK_KIND_FLOCK, handle);
    if (of_description || of_file)
        owner_wake_lockers(owner);
    open->next_free = owner->free_open;
    owner->free_open = handle;
    owner_publish_handle(owner, handle, NULL);
    if (owner->kept)
        atomic_store(&owner->kept[handle], 0);
    owner_inode_put(owner, inode);
}

static bool is_kept_by_any(struct owner *owner, uint32_t handle)
{
    return owner->kept && atomic_load(&owner->kept[handle]) != 0;
}

bool owner_kept_end(struct owner *owner, const struct owner_inode *inode)
{
    bool any = false;
    for (uint32_t handle = 1; owner->kept && handle < owner->open_count; handle++) {
        uint32_t word = atomic_load_explicit(&owner->kept[handle], memory_order_relaxed);
        if (word == 0)
            continue;
        struct owner_open *open = open_at(owner, handle);
        if (!open || !open->inode || (inode && open->inode != inode) ||
            !client_has(open, word - 1) ||
            !atomic_compare_exchange_strong(&owner->kept[handle], &word, 0))
            continue;
        if (!any)
            owner_publish_changed(owner); /* nobody takes what is published of it any more */
        any = true;
        bool last = inode && inode->references == 1;
        close_for(owner, handle, open, word - 1);
        if (last)
            break;
    }
    return any;
}

static int64_t do_close(struct owner *owner, struct request *rq)
{
    pthread_mutex_lock(&owner->lock);
    struct owner_open *open = open_at(owner, rq->handle);
    bool has = open && open->inode && client_has(open, rq->client);
    if (has)
        close_for(owner, rq->handle, open, rq->client);
    pthread_mutex_unlock(&owner->lock);
    return has ? 0 : -EBADF;
}

/* --- locks --- */

static struct lock_range range_wanted(const struct request *rq)
{
    const struct lock_want *want = &rq->lock;
    return (struct lock_range){
        .owner = want->kind == LOCK_KIND_POSIX ? rq->client : rq->handle,
        .kind = want->kind,
        .type = want->type,
        .start = want->start,
        .end = want->end,
        .pid = want->pid,
    };
}

static bool lock_is_sane(const struct lock_want *want)
{
    return want->kind <= LOCK_KIND_FLOCK && want->start <= want->end && want->end <= LOCK_END_MAX &&
           (want->type == F_RDLCK || want->type == F_WRLCK || want->type == F_UNLCK);
}

/* Would waiting for `conflict` close a circle of clients that wait for each other? */
static bool deadlocks(struct owner *owner, uint32_t client, const struct lock_range *conflict)
{
    if (conflict->kind != LOCK_KIND_POSIX)
        return false;
    uint32_t at = (uint32_t)conflict->owner;
    for (unsigned steps = 0; steps < OWNER_CLIENTS_MAX; steps++) {
        if (at == client)
            return true;
        if (at >= OWNER_CLIENTS_MAX || owner->clients[at].blocked_on == 0)
            return false;
        at = owner->clients[at].blocked_on - 1;
    }
    return false;
}

static int64_t do_lock(struct owner *owner, struct request *rq)
{
    if (!lock_is_sane(&rq->lock))
        return -EINVAL;
    struct lock_range want = range_wanted(rq);
    struct owner_client *client = &owner->clients[rq->client];
    pthread_mutex_lock(&owner->lock);
    struct owner_inode *inode = owner_file(owner, rq);
    int r = inode ? lock_set(&inode->locks, &want) : -EBADF;
    client->blocked_on = 0;
    if (r == -EAGAIN && rq->lock.waiting && want.kind == LOCK_KIND_POSIX) {
        const struct lock_range *conflict = lock_conflict(&inode->locks, &want);
        if (deadlocks(owner, rq->client, conflict))
            r = -EDEADLK;
        else if (conflict->kind == LOCK_KIND_POSIX)
            client->blocked_on = (uint32_t)conflict->owner + 1;
    }
    /* A write lock that became a read lock lets others in as well. */
    if (r == 0 && want.type != F_WRLCK)
        owner_wake_lockers(owner);
    rq->more = atomic_load(owner->unlock_count);
    pthread_mutex_unlock(&owner->lock);
    return r;
}

static int64_t do_lock_test(struct owner *owner, struct request *rq)
{
    if (!lock_is_sane(&rq->lock) || rq->lock.type == F_UNLCK)
        return -EINVAL;
    struct lock_range want = range_wanted(rq);
    pthread_mutex_lock(&owner->lock);
    struct owner_inode *inode = owner_file(owner, rq);
    const struct lock_range *conflict = inode ? lock_conflict(&inode->locks, &want) : NULL;
    if (conflict)
        rq->lock = (struct lock_want){.kind = conflict->kind,
                                      .type = conflict->type,
                                      .start = conflict->start,
                                      .end = conflict->end,
                                      .pid = conflict->pid};
    else
        rq->lock.type = F_UNLCK;
    pthread_mutex_unlock(&owner->lock);
    return inode ? 0 : -EBADF;
}

static int64_t do_lock_forget(struct owner *owner, struct request *rq)
{
    pthread_mutex_lock(&owner->lock);
    struct owner_inode *inode = owner_file(owner, rq);
    if (inode && lock_drop(&inode->locks, LOCK_KIND_POSIX, rq->client))
        owner_wake_lockers(owner);
    pthread_mutex_unlock(&owner->lock);
    return inode ? 0 : -EBADF;
}

/* --- clients --- */

static int64_t do_client_fork(struct owner *owner, struct request *rq)
{
    pthread_mutex_lock(&owner->lock);
    uint32_t child = 1;
    while (child < OWNER_CLIENTS_MAX &&
           (owner->clients[child].live || owner->clients[child].leaves))
        child++;
    if (child < OWNER_CLIENTS_MAX) {
        owner->clients[child] = (struct owner_client){.live = true};
        for (uint32_t handle = 1; handle < owner->open_count; handle++) {
            struct owner_open *open = open_at(owner, handle);
            if (!open || !open->inode || !client_has(open, rq->client) ||
                is_kept_by_any(owner, handle))
                continue;
            open->clients[child / 64] |= UINT64_C(1) << (child % 64);
            open->client_count++;
        }
        shared_map_client_fork(owner, rq->client, child);
    }
    pthread_mutex_unlock(&owner->lock);
    if (child >= OWNER_CLIENTS_MAX)
        return -EAGAIN;
    rq->handle = child;
    return 0;
}

static int64_t do_client_pid(struct owner *owner, struct request *rq)
{
    if (rq->handle >= OWNER_CLIENTS_MAX)
        return -EINVAL;
    pthread_mutex_lock(&owner->lock);
    owner->clients[rq->handle].pid = (int32_t)rq->ino;
    pthread_mutex_unlock(&owner->lock);
    return 0;
}

void owner_client_end(struct owner *owner, uint32_t client)
{
    if (client >= OWNER_CLIENTS_MAX)
        return;
    pthread_mutex_lock(&owner->lock);
    if (owner->clients[client].live) {
        for (unsigned i = 0; i < OWNER_BUCKETS; i++)
            for (struct owner_inode *inode = owner->buckets[i]; inode; inode = inode->next)
                lock_drop(&inode->locks, LOCK_KIND_POSIX, client);
        shared_map_client_end(owner, client);
        for (uint32_t handle = 1; handle < owner->open_count; handle++) {
            struct owner_open *open = open_at(owner, handle);
            if (open && open->inode && client_has(open, client))
                close_for(owner, handle, open, client);
        }
        owner->clients[client] = (struct owner_client){0};
        owner_wake_lockers(owner);
    }
    pthread_mutex_unlock(&owner->lock);
}

static bool stays_open(const struct request *rq, uint32_t handle)
{
    for (size_t at = 0; at + sizeof handle <= rq->in.size; at += sizeof handle)
        if (memcmp(rq->in.bytes + at, &handle, sizeof handle) == 0)
            return true;
    return false;
}

/* After a host exec: what was closed on it, and all mappings, are gone. */
static int64_t do_client_keep(struct owner *owner, struct request *rq)
{
    pthread_mutex_lock(&owner->lock);
    shared_map_client_end(owner, rq->client);
    for (uint32_t handle = 1; handle < owner->open_count; handle++) {
        struct owner_open *open = open_at(owner, handle);
        if (open && open->inode && client_has(open, rq->client) && !stays_open(rq, handle))
            close_for(owner, handle, open, rq->client);
    }
    pthread_mutex_unlock(&owner->lock);
    return 0;
}

static int64_t do_client_drop(struct owner *owner, struct request *rq)
{
    owner_client_end(owner, rq->handle);
    return 0;
}

/* --- everything else is the volume's --- */

/* Of a name that this takes away: is its file one that the policy has erased? */
static int purge(struct owner *owner, struct volume *v, const struct request *rq)
{
    char *const *patterns = owner->purge[rq->volume];
    if (rq->op == REQUEST_UNLINK)
        return purge_mark(v, patterns, rq->dir, rq->in);
    if (rq->op == REQUEST_RENAME && !(rq->flags & (RENAME_EXCHANGE | RENAME_NOREPLACE)))
        return purge_mark(v, patterns, rq->more, rq->in2);
    return 0;
}

/* The inode that a name is about to lose, if anybody keeps a file; 0 otherwise. */
static uint64_t losing_its_name(struct owner *owner, struct volume *v, const struct request *rq)
{
    bool renames = rq->op == REQUEST_RENAME;
    uint64_t ino = 0;
    if (!owner->kept || (!renames && rq->op != REQUEST_UNLINK))
        return 0;
    int r = volume_lookup(v, renames ? rq->more : rq->dir, renames ? rq->in2 : rq->in, &ino);
    return r < 0 ? 0 : ino;
}

/* A file without a name takes no room because somebody may open it again. */
static void end_if_nameless(struct owner *owner, const struct request *rq, uint64_t ino)
{
    struct volume_attr attr;
    pthread_mutex_lock(&owner->lock);
    struct owner_inode *inode = owner_inode_find(owner, rq->volume, ino);
    if (inode && volume_getattr(owner->volumes[rq->volume], ino, &attr) == 0 && attr.nlink == 0)
        (void)owner_kept_end(owner, inode);
    pthread_mutex_unlock(&owner->lock);
}

static int64_t on_volume(struct volume *v, struct request *rq)
{
    switch (rq->op) {
    case REQUEST_MAKE:
        return volume_make(v, rq->dir, rq->in, &rq->attr, rq->in2, &rq->ino);
    case REQUEST_LINK:
        return volume_link(v, rq->ino, rq->dir, rq->in);
    case REQUEST_UNLINK:
        return volume_unlink(v, rq->dir, rq->in);
    case REQUEST_RMDIR:
        return volume_rmdir(v, rq->dir, rq->in);
    case REQUEST_RENAME:
        return volume_rename(v, rq->dir, rq->in, rq->more, rq->in2, rq->flags);
    case REQUEST_READLINK:
        return volume_readlink(v, rq->ino, rq->out, rq->out_size);
    case REQUEST_READDIR:
        return volume_readdir(v, rq->ino, rq->offset, rq->out,
                              rq->out_size / sizeof(struct volume_entry));
    case REQUEST_SEEK:
        return volume_seek(v, rq->ino, rq->offset, (int)rq->flags, &rq->offset);
    case REQUEST_GETXATTR:
        return volume_getxattr(v, rq->ino, rq->in, rq->out, rq->out_size);
    case REQUEST_SETXATTR:
        return volume_setxattr(v, rq->ino, rq->in, rq->in2, (int)rq->flags);
    case REQUEST_LISTXATTR:
        return volume_listxattr(v, rq->ino, rq->out, rq->out_size);
    case REQUEST_REMOVEXATTR:
        return volume_removexattr(v, rq->ino, rq->in);
    case REQUEST_STATFS:
        if (rq->out_size < sizeof(struct volume_stats))
            return -EINVAL;
        volume_statfs(v, rq->out);
        return 0;
    default:
        return -ENOSYS;
    }
}

static bool changes_attributes(uint32_t op)
{
    return op == REQUEST_MAKE || op == REQUEST_LINK || op == REQUEST_UNLINK ||
           op == REQUEST_RMDIR || op == REQUEST_RENAME || op == REQUEST_SETXATTR ||
           op == REQUEST_REMOVEXATTR;
}

typedef int64_t execute_fn(struct owner *owner, struct request *rq);

static execute_fn *const executors[REQUEST_OP_COUNT] = {
    [REQUEST_WALK] = owner_walk,
    [REQUEST_PATH] = owner_path,
    [REQUEST_OPEN] = do_open,
    [REQUEST_OPEN_UNNAMED] = do_open_unnamed,
    [REQUEST_CLOSE] = do_close,
    [REQUEST_READ] = owner_read,
    [REQUEST_WRITE] = owner_write,
    [REQUEST_GETATTR] = owner_getattr,
    [REQUEST_SETATTR] = owner_setattr,
    [REQUEST_ALLOCATE] = owner_allocate,
    [REQUEST_SYNC] = owner_sync,
    [REQUEST_LOCK] = do_lock,
    [REQUEST_LOCK_TEST] = do_lock_test,
    [REQUEST_LOCK_FORGET] = do_lock_forget,
    [REQUEST_MAP] = owner_map,
    [REQUEST_UNMAP] = owner_unmap,
    [REQUEST_MAP_SYNC] = owner_map_sync,
    [REQUEST_CLIENT_FORK] = do_client_fork,
    [REQUEST_CLIENT_PID] = do_client_pid,
    [REQUEST_CLIENT_DROP] = do_client_drop,
    [REQUEST_CLIENT_KEEP] = do_client_keep,
};

int owner_push(struct owner *owner)
{
    int first = 0;
    for (uint32_t i = 0; i < owner->kept_count; i++) {
        int r = owner->volumes[i] ? volume_push(owner->volumes[i]) : 0;
        if (r < 0 && first == 0)
            first = r;
    }
    return first;
}

static bool changes_volume(uint32_t op)
{
    const uint64_t changing =
        1ull << REQUEST_OPEN_UNNAMED | 1ull << REQUEST_WRITE | 1ull << REQUEST_SETATTR |
        1ull << REQUEST_MAKE | 1ull << REQUEST_LINK | 1ull << REQUEST_UNLINK |
        1ull << REQUEST_RMDIR | 1ull << REQUEST_RENAME | 1ull << REQUEST_ALLOCATE |
        1ull << REQUEST_SETXATTR | 1ull << REQUEST_REMOVEXATTR | 1ull << REQUEST_UNMAP;
    return changing >> op & 1;
}

int64_t owner_execute(struct owner *owner, struct request *rq)
{
    if (rq->op < REQUEST_OP_COUNT && changes_volume(rq->op) && owner->kept_count > 0 &&
        !atomic_load_explicit(&owner->changed, memory_order_relaxed))
        atomic_store(&owner->changed, true);
    if (rq->op >= REQUEST_OP_COUNT || rq->client >= OWNER_CLIENTS_MAX)
        return -EINVAL;
    if (executors[rq->op])
        return executors[rq->op](owner, rq);
    struct volume *volume;
    int r = owner_volume(owner, rq->volume, &volume);
    if (r != 0)
        return r;
    uint64_t losing = losing_its_name(owner, volume, rq);
    r = purge(owner, volume, rq);
    int64_t result = r < 0 ? r : on_volume(volume, rq);
    if (changes_attributes(rq->op))
        owner_publish_changed(owner);
    if (losing != 0)
        end_if_nameless(owner, rq, losing);
    return result;
}
