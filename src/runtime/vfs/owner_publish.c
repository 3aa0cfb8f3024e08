/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of open files for the clients of a volume server, in memory that these only read: a
 * program that asks for a file's size before every query would otherwise wake the server each time.
 *
 * Every request that changes an inode ends with owner_publish(), which reads the attributes under
 * the lock that orders the writers: what was changed before is in them, what is changed later will
 * be published after. A change by name (link, unlink, rename) reaches inodes that are not at hand;
 * it counts the generation up, and what was taken under an older one counts for its size alone. */
#include "runtime/vfs/owner.h"

#include <string.h>

static uint32_t slot_new(struct owner *owner)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(owner->public_slots); i++) {
        uint64_t taken = owner->public_slots[i] | (i == 0); /* slot 0 is none */
        if (taken == UINT64_MAX)
            continue;
        uint32_t bit = (uint32_t)__builtin_ctzll(~taken);
        owner->public_slots[i] |= UINT64_C(1) << bit;
        return i * 64 + bit;
    }
    return 0;
}

void owner_publish_inode(struct owner *owner, struct owner_inode *inode)
{
    if (!owner->published)
        return;
    inode->slot = slot_new(owner);
    inode->content = atomic_load(&inode->map) ? 0 : atomic_fetch_add(&owner->last_content, 1) + 1;
    if (inode->slot != 0)
        owner_publish(owner, inode);
}

void owner_publish_end(struct owner *owner, struct owner_inode *inode)
{
    if (!owner->published || inode->slot == 0)
        return;
    owner->public_slots[inode->slot / 64] &= ~(UINT64_C(1) << (inode->slot % 64));
    inode->slot = 0;
}

void owner_publish_handle(struct owner *owner, uint32_t handle, const struct owner_inode *inode)
{
    if (owner->published)
        atomic_store(&owner->published->slots[handle], inode ? inode->slot : 0);
}

void owner_publish(struct owner *owner, const struct owner_inode *inode)
{
    if (!owner->published || inode->slot == 0)
        return;
    struct owner_public_inode *slot = &owner->published->inodes[inode->slot];
    struct volume_attr attr;
    pthread_mutex_lock(&owner->publish_lock);
    uint64_t generation = atomic_load(&owner->published->generation);
    uint32_t sequence = atomic_load(&slot->sequence) | 1;
    atomic_store(&slot->sequence, sequence);
    atomic_thread_fence(memory_order_seq_cst);
    if (volume_getattr(owner->volumes[inode->volume], inode->ino, &attr) == 0) {
        slot->attr = attr;
        slot->generation = generation;
        slot->content = inode->content;
        sequence = sequence + 1 == 0 ? 2 : sequence + 1;
        atomic_store(&slot->sequence, sequence);
    } /* else it stays odd: nobody reads it */
    pthread_mutex_unlock(&owner->publish_lock);
}

void owner_publish_changed(struct owner *owner)
{
    if (owner->published)
        atomic_fetch_add(&owner->published->generation, 1);
}

void owner_publish_found(struct owner *owner, uint32_t volume, uint64_t ino)
{
    if (!owner->published)
        return;
    pthread_mutex_lock(&owner->lock);
    const struct owner_inode *inode = owner_inode_find(owner, volume, ino);
    if (inode && owner->published->inodes[inode->slot].generation !=
                     atomic_load(&owner->published->generation))
        owner_publish(owner, inode);
    pthread_mutex_unlock(&owner->lock);
}

void owner_publish_start(struct owner *owner, struct owner_public *published,
                         _Atomic uint32_t *kept)
{
    owner->published = published;
    owner->kept = kept;
    for (unsigned i = 0; i < OWNER_BUCKETS; i++)
        for (struct owner_inode *inode = owner->buckets[i]; inode; inode = inode->next)
            owner_publish_inode(owner, inode);
    for (uint32_t handle = 1; handle < owner->open_count; handle++) {
        const struct owner_open *chunk = owner->opens[handle / OWNER_OPEN_CHUNK];
        owner_publish_handle(owner, handle, chunk[handle % OWNER_OPEN_CHUNK].inode);
    }
}

bool owner_published(const struct owner_public *published, uint32_t handle,
                     struct volume_attr *ret_attr, bool size_only)
{
    uint32_t index = handle < OWNER_OPEN_MAX ? atomic_load(&published->slots[handle]) : 0;
    if (index == 0 || index >= OWNER_OPEN_MAX)
        return false;
    const struct owner_public_inode *slot = &published->inodes[index];
    uint32_t before = atomic_load(&slot->sequence);
    uint64_t now = atomic_load(&published->generation);
    if (before == 0 || (before & 1))
        return false;
    memcpy(ret_attr, &slot->attr, sizeof *ret_attr);
    uint64_t generation = slot->generation;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load(&slot->sequence) == before && (size_only || generation == now);
}
