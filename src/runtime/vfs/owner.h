/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/owner.h: what exists once for a family of processes: the open volumes, which files are open,
 * who locked what, and the one plaintext copy of files that are mapped shared.
 *
 * It lives in the process that opened the volumes until that process forks for the first time, then
 * in the volume server. It makes no decision about permissions but search permission on the way of
 * a path; that, and what a descriptor may do, is the asker's business. */
#ifndef COFFER_RUNTIME_VFS_OWNER_H
#define COFFER_RUNTIME_VFS_OWNER_H

#include "runtime/vfs/lock_table.h"
#include "runtime/vfs/request.h"
#include "runtime/vfs/shared_map.h"

#include <pthread.h>
#include <stdatomic.h>

#define OWNER_VOLUMES_MAX 32
#define OWNER_CLIENTS_MAX 512
#define OWNER_OPEN_CHUNK 256
#define OWNER_OPEN_MAX (256 * OWNER_OPEN_CHUNK)
#define OWNER_BUCKETS 256
#define OWNER_MOUNTS_MAX 64

/* A file that somebody has open. */
struct owner_inode {
    struct owner_inode *next; /* in its bucket */
    uint32_t volume;
    uint32_t references; /* open files and a live shared map */
    uint32_t slot;       /* in owner_public; 0: none */
    bool has_pages;      /* some were published under `content` */
    uint64_t ino;
    uint64_t content; /* what its published pages go by; 0: none are, for it is or was mapped */
    struct lock_table locks;
    _Atomic(struct shared_map *) map; /* NULL while nobody has it mapped shared */
};

/* An open file description. */
struct owner_open {
    struct owner_inode *inode; /* NULL: free */
    uint32_t client_count;
    uint32_t next_free;
    uint64_t clients[OWNER_CLIENTS_MAX / 64];
};

struct owner_client {
    bool live;
    bool
        leaves; /* it has said goodbye and may still be reading the answer: nobody gets its number */
    int32_t pid;
    uint32_t blocked_on; /* the client whose POSIX lock it waits for, + 1; 0: none */
};

/* A mount inside a volume: `name` in directory `dir` is another mount's root. */
struct owner_mount {
    uint32_t volume;
    uint32_t mount;
    uint64_t dir;
    char name[VOLUME_NAME_MAX + 1];
};

/* What an inode's attributes were after the last request that changed them. */
struct owner_public_inode {
    _Atomic uint32_t sequence; /* odd while it is being written; 0: nothing is there */
    uint64_t generation;       /* of `owner_public` when they were taken */
    uint64_t content;          /* owner_inode.content */
    struct volume_attr attr;
};

#define OWNER_PAGE_SIZE 4096
#define OWNER_PAGES 2048 /* 8 MiB; memory for as many as were ever used */
#define OWNER_PAGE_WAYS 4

/* A page of some file's contents. */
struct owner_page {
    _Atomic uint32_t sequence; /* odd while it is being written; 0: nothing is there */
    uint64_t content, index;
};

/* Published for the clients of a volume server: answers to their most frequent questions. Written
 * by the server alone. */
struct owner_public {
    _Atomic uint64_t generation;            /* counts what may change names, or attributes of any */
    _Atomic uint32_t slots[OWNER_OPEN_MAX]; /* by handle; 0: none */
    struct owner_public_inode inodes[OWNER_OPEN_MAX];
    struct owner_page pages[OWNER_PAGES];
    uint8_t page_bytes[OWNER_PAGES][OWNER_PAGE_SIZE] __attribute__((aligned(4096)));
};

struct owner {
    pthread_mutex_t lock; /* protects all below but `volumes`' own contents and `map` contents */
    struct volume *volumes[OWNER_VOLUMES_MAX];
    /* For each volume the policy's patterns of what is erased for good when it is deleted, ended by
     * NULL; borrowed; may be NULL. See purge.h. */
    char *const *purge[OWNER_VOLUMES_MAX];
    /* Opens volume `index` when it is first asked for (in-memory ones); may be NULL. */
    int (*open_volume)(uint32_t index, struct volume **ret_volume);
    struct owner_open *opens[OWNER_OPEN_MAX / OWNER_OPEN_CHUNK];
    uint32_t open_count; /* handles ever used; handle 0 is none */
    uint32_t free_open;
    struct owner_inode *buckets[OWNER_BUCKETS];
    struct owner_client clients[OWNER_CLIENTS_MAX];
    struct owner_mount mounts[OWNER_MOUNTS_MAX];
    unsigned mount_count;
    uint32_t kept_count;  /* the volumes below this index outlive the process: see owner_push() */
    _Atomic bool changed; /* one of them, since it was last given to the host */
    int arena_fd;         /* shared mappings' memory; -1 until the first */
    uint8_t map_slots[SHARED_MAP_SLOTS]; /* 1: that stretch of the arena is taken */
    /* Counts up whenever a lock goes; those who wait for one watch it. In shared memory once there
     * are several processes. */
    _Atomic uint32_t *unlock_count;
    _Atomic uint32_t own_unlock_count;
    struct owner_public *published; /* NULL: nobody else would read it */
    /* By handle, with `published`: the client that closed it but keeps it for its next open, + 1; 0:
     * none. Only who turns it back to 0 may use or close it. In memory that clients write. */
    _Atomic uint32_t *kept;
    pthread_mutex_t publish_lock;               /* one writer at a time; taken last */
    uint64_t public_slots[OWNER_OPEN_MAX / 64]; /* bits of those in use */
    pthread_mutex_t pages_lock; /* one writer of published pages at a time; before publish_lock */
    _Atomic uint64_t last_content;
};

/* NULL without memory. Client 0 exists from the start. */
must_check struct owner *owner_new(void);

/* Closes every volume (commits) and frees. 0 or the first error. */
int owner_close(struct owner *owner);

/* Gives what was written to the host, without a sync: see volume_push(). 0 or the first error. */
must_check int owner_push(struct owner *owner);

/* Frees without committing, wiping all keys: the state goes on in another process. */
void owner_abandon(struct owner *owner);

/* Answers a request. The result is a count or 0, or -errno; results besides are in the request.
 * Safe on any thread. Every number in the request may be nonsense; its slices and `out` are as
 * long as they say. */
int64_t owner_execute(struct owner *owner, struct request *rq);

/* --- between the owner's files --- */
must_check int owner_volume(struct owner *owner, uint32_t index, struct volume **ret_volume);
/* The open file behind `handle`, which `client` must have open; NULL otherwise. */
must_check struct owner_inode *owner_file(struct owner *owner, const struct request *rq);
void owner_inode_put(struct owner *owner, struct owner_inode *inode); /* lock held */
must_check struct owner_inode *owner_inode_find(struct owner *owner, uint32_t volume,
                                                uint64_t ino); /* lock held; no reference */
void owner_client_end(struct owner *owner, uint32_t client);
void owner_wake_lockers(struct owner *owner);

/* owner_publish.c. Nothing is open yet that has a slot; the clients are none but client 0. */
void owner_publish_start(struct owner *owner, struct owner_public *published,
                         _Atomic uint32_t *kept);
/* `inode` is in use from now on; `inode` is no more. Owner lock held. */
void owner_publish_inode(struct owner *owner, struct owner_inode *inode);
void owner_publish_end(struct owner *owner, struct owner_inode *inode);
/* `handle` is `inode` (NULL: free). Owner lock held. */
void owner_publish_handle(struct owner *owner, uint32_t handle, const struct owner_inode *inode);
/* The attributes as they are now: after every change, before it is answered. */
void owner_publish(struct owner *owner, const struct owner_inode *inode);
/* After a change to an inode that is known by a name only. */
void owner_publish_changed(struct owner *owner);
/* In a client: what was published. `size_only`: the rest may be old. False: ask the owner. */
must_check bool owner_published(const struct owner_public *published, uint32_t handle,
                                struct volume_attr *ret_attr, bool size_only);
/* Publishes what a walk has found, if somebody has it open and what is published is old. */
void owner_publish_found(struct owner *owner, uint32_t volume, uint64_t ino);

/* owner_pages.c: published contents of files, so that reading again what was read needs no request.
 * Reads through them where that may be; false: read from the volume. */
must_check bool owner_pages_read(struct owner *owner, struct owner_inode *inode,
                                 const struct request *rq, int64_t *ret_result);
/* Before bytes change: all of the file's, or those of a write (`offset` UINT64_MAX: an append). */
void owner_pages_end(struct owner *owner, struct owner_inode *inode);
void owner_pages_write(struct owner *owner, struct owner_inode *inode, uint64_t offset,
                       uint64_t size);
/* Nobody has it open any more: nothing stays of what has no name either. Owner lock held. */
void owner_pages_gone(struct owner *owner, struct owner_inode *inode);
/* Before it is mapped shared: others write it then without our knowing. Owner lock held. */
void owner_pages_stop(struct owner *owner, struct owner_inode *inode);
/* In a client: reads as much as is published, at most to the end of the file. How much, or -EFAULT;
 * `*ret_whole`: there is no more to read, or no memory to read into. */
must_check int64_t owner_pages_published(const struct owner_public *published, uint32_t handle,
                                         uint64_t offset, void *out, size_t size, bool *ret_whole);

/* Closes what clients only keep of `inode` (NULL: of any). Owner lock held. True if there was any. */
bool owner_kept_end(struct owner *owner, const struct owner_inode *inode);

int64_t owner_walk(struct owner *owner, struct request *rq);
int64_t owner_path(struct owner *owner, struct request *rq);
int64_t owner_read(struct owner *owner, struct request *rq);
int64_t owner_write(struct owner *owner, struct request *rq);
int64_t owner_getattr(struct owner *owner, struct request *rq);
int64_t owner_setattr(struct owner *owner, struct request *rq);
int64_t owner_allocate(struct owner *owner, struct request *rq);
int64_t owner_sync(struct owner *owner, struct request *rq);
int64_t owner_map(struct owner *owner, struct request *rq);
int64_t owner_unmap(struct owner *owner, struct request *rq);
int64_t owner_map_sync(struct owner *owner, struct request *rq);

#endif
