/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/shared_map.h: the one plaintext copy of a file that is mapped shared.
 *
 * All such files live in one memory file (the arena), each in a stretch of its own, so that a
 * process needs one descriptor to map any of them. What the arena holds is newer than the volume;
 * reads look there first, and pages that differ are written back on msync, fsync, the last unmap
 * and at the end. The host sees a memory file, as it sees all of the process's memory: allowed in
 * sim, tdx and snp (design, section 3).
 *
 * Every page of the file that lies in a mapping is present in the arena, and none beyond the file's
 * end: mapping.c makes the kernel send SIGBUS for what is absent. */
#ifndef COFFER_RUNTIME_VFS_SHARED_MAP_H
#define COFFER_RUNTIME_VFS_SHARED_MAP_H

#include "base/macros.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SHARED_MAP_STRETCH (UINT64_C(1) << 40) /* arena bytes per file; larger ones: -EFBIG */
#define SHARED_MAP_SLOTS 1024
#define SHARED_MAP_PAGE ((size_t)4096)
#define SHARED_MAP_USERS_MAX 512

struct owner;
struct owner_inode;

struct shared_map {
    pthread_mutex_t lock; /* protects all below; taken after owner.lock where both are */
    uint64_t base;        /* in the arena */
    uint8_t *loaded;      /* one bit per page that the arena holds */
    size_t loaded_pages;  /* bits in it */
    uint64_t start, end;  /* in the file: all mappings lie between */
    bool writable;        /* somebody may have written through a mapping */
    uint32_t counts[SHARED_MAP_USERS_MAX]; /* mappings per client */
    uint32_t total;
};

/* Gives back its stretch of the arena. `map` may be NULL. */
void shared_map_free(struct owner *owner, struct shared_map *map);

/* Writes back what every map holds. 0 or the first error. */
int shared_map_write_back_all(struct owner *owner);

/* Owner lock held. */
void shared_map_client_fork(struct owner *owner, uint32_t parent, uint32_t child);
void shared_map_client_end(struct owner *owner, uint32_t client);

/* The arena's descriptor, made (and hidden) when first needed. Owner lock held. */
must_check int shared_map_arena(struct owner *owner);

/* The map of a file that is mapped now, locked; NULL if it is not. */
must_check struct shared_map *shared_map_live(struct owner_inode *inode);
void shared_map_unlock(struct shared_map *map);

/* On a locked map: takes over from the arena what it holds of the `size` bytes at `offset` that
 * were read from the volume into `bytes`; puts bytes that were written to the volume into it; cuts
 * off what lies beyond `size`. */
must_check int shared_map_overlay(struct owner *owner, struct shared_map *map, uint64_t offset,
                                  void *bytes, size_t size);
must_check int shared_map_update(struct owner *owner, struct shared_map *map, uint64_t offset,
                                 const void *bytes, size_t size);
must_check int shared_map_cut(struct owner *owner, struct shared_map *map, uint64_t size);
/* After a change of the file's size or of what lies at its end: loads what has come into mappings. */
must_check int shared_map_grown(struct owner *owner, struct owner_inode *inode,
                                struct shared_map *map);
/* Loads from the volume what the arena lacks of a range; writes back what differs. */
must_check int shared_map_load(struct owner *owner, struct owner_inode *inode,
                               struct shared_map *map, uint64_t offset, uint64_t size);
must_check int shared_map_write_back(struct owner *owner, struct owner_inode *inode,
                                     struct shared_map *map);

#endif
