/* SPDX-License-Identifier: Apache-2.0 */
/* volume/store.h: the inside of an open volume, shared by the files of src/volume/ and by nothing
 * else. Bottom up: segments and keys (segment.c), batches (log.c), checkpoints, cleaning
 * (clean.c), inodes, blocks, then the operations (file.c, name.c, xattr.c).
 *
 * Invariants. A position in a segment is written once under that segment's key. What the index
 * says is what the records say: every change is first staged as operations of the open record, then
 * applied from there, and replay at open applies the same bytes. A segment is given back only when
 * a checkpoint that does not need it is on the superblock. */
#ifndef COFFER_VOLUME_STORE_H
#define COFFER_VOLUME_STORE_H

#include "crypto/crypto.h"
#include "volume/backend.h"
#include "volume/format.h"
#include "volume/tree.h"
#include "volume/volume.h"

#include <pthread.h>

enum {
    PIECE_SIZE = 1 << 20,        /* one atomic piece of a write */
    BATCH_SIZE_SOFT = 1 << 20,   /* an open batch is written when it reaches this */
    SEGMENT_SOFT_MAX = 64 << 20, /* a segment is left at this size in a large volume */
    SEGMENT_STEP_MIN = 64 << 10, /* space is made ready in these steps */
    SEGMENT_STEP_MAX = 4 << 20,
    SEGMENT_FILL_STEP = 256 << 10,
    RESERVE_MIN = 24 << 10, /* kept for deleting and for checkpoints */
    DIRTY_NODES_MAX = 96,
    RESERVE_MAX = 256 << 10,
    BULK_SIZE_MIN = 16 << 10,   /* a write from this size on is bulk */
    BULK_BATCH_MIN = 128 << 10, /* space for a batch from this size on is not written ahead */
    BULK_RESERVE_MIN = 256 << 10,
    BULK_RESERVE_MAX = 2 << 20,
    CLOSE_CLEAN_MAX = 4 << 20,
    CACHE_SIZE_DEFAULT = 64 << 10, /* of plaintext blocks */
    DIRTY_SIZE_MAX = 256 << 10,    /* of plaintext blocks that wait for a batch */
    NODES_MAX = 16,                /* clean nodes in memory when nothing happens, and more ... */
    NODES_PART = 8,                /* ... in this part of the size of the plaintext cache */
    DIRTY_INODES_MAX = 1024,
    INODES_IDLE_MAX = 32,
    AEADS_MAX = 24, /* 1 KiB each, 4 by OpenSSL; one that is not there costs a host read */
    SPARES_MAX = 4,
    GONE_MAX = 32,
    BUCKETS_MIN = 64, /* of the hash tables, which grow with what is in them */
    HOLDS_MAX = 1 << 20,
};

#define REPORT_INTERVAL_NS ((int64_t)1000000000) /* periodic: a tag at most this late */
#define TERM_DEFAULT_NS \
    ((int64_t)15 * 1000000000) /* what the authority grants, if it does not say */

struct segment {
    struct segment_state state;
    struct aead *aead;  /* NULL: its key is not in memory */
    uint64_t aead_used; /* when, by v->clock */
    uint32_t written;   /* up to here all its blocks are, and none is only reserved; if active */
    uint64_t doomed_by; /* the checkpoint that does without it; given back once that is published */
    bool seen;          /* its file was there at the opening */
    bool unclean;       /* could not be cleaned */
    struct mentions *mentions; /* NULL: not known; see mention.c */
};

/* A file in which nothing lives; see spare.c. */
struct spare {
    uint64_t file;
    uint64_t size;
};

struct inode {
    struct inode *next; /* in its bucket */
    uint64_t ino;
    struct inode_value value;
    uint32_t holds;
    bool dirty;
};

struct block {
    struct block *next; /* in its bucket */
    struct block *newer, *older;
    uint64_t ino;
    uint64_t index; /* of the block in the file */
    bool dirty;
    bool ahead; /* read beside another, and not asked for yet */
    uint8_t bytes[BLOCK_SIZE];
};

/* The batch that is being put together. */
struct batch {
    uint8_t *bytes; /* header, then units as they are encrypted */
    size_t size;
    size_t capacity;
    uint64_t segment; /* 0: not begun */
    uint32_t offset;  /* where it will lie */
    bool sealed;      /* complete; only the host's write is missing, and may be repeated */
    bool after_small; /* the one before was no bulk */
    uint8_t tag[VOLUME_TAG_SIZE];
};

/* What wraps segment keys under one pair of keys. */
struct wrap {
    uint32_t master_epoch, erase_epoch;
    struct aead *aead;
};

struct volume {
    pthread_mutex_t sync_lock;   /* one sync at a time; taken before `lock` */
    pthread_mutex_t lock;        /* protects everything here but what says otherwise */
    pthread_mutex_t report_lock; /* heads go to the authority one by one, never an older after a
                                    newer; protects reported_*; taken after `lock` or alone */

    pthread_mutex_t super_lock; /* the superblock is written by one at a time, in the order of
                                   generations; taken with `lock` held, kept without it */

    struct volume_backend *backend;
    struct volume_authority authority;
    bool has_authority;
    bool has_backend_lock;
    enum volume_mode mode;
    uint64_t size_max; /* the smaller of the volume's own and the caller's */
    uint64_t size_max_option;
    struct volume_limits limits;
    size_t cache_size;
    unsigned ahead_tried, ahead_used; /* blocks read beside another one lately; see block.c */
    unsigned ahead_pause;             /* so many reads yet without */
    struct volume_tuning tuning;
    int64_t (*now_ns)(void);
    volume_copy_fn *copy; /* NULL: the caller's memory is as good as ours */
    uint8_t id[VOLUME_ID_SIZE];
    struct aead *kek;         /* for master keys, from the volume key */
    struct key256 masters[2]; /* as on the superblock */
    struct aead *super;       /* for the superblock */
    struct wrap wraps[4];     /* for segment keys */
    unsigned wrap_next;
    struct wrap table_wrap;   /* for the key table */
    uint32_t erase_epoch;     /* of new segments */
    struct key_row *key_rows; /* keys whose headers nobody can open any more */
    unsigned key_row_count;

    int stopped;            /* -errno: takes no more changes */
    bool recovering;        /* what does not verify may be a torn end */
    struct position damage; /* found last; segment 0: none */
    bool damaged;           /* the index in memory is not to be trusted for a checkpoint */

    uint64_t epoch; /* of this opening */
    uint8_t opening_id[16];
    bool opening_logged;
    uint64_t closed_epoch;  /* of the opening before this one, if that ended cleanly; 0 */
    uint32_t segments_made; /* in this opening */

    struct segment *segments; /* ascending by id */
    unsigned segment_count, segment_capacity;
    uint64_t active;                 /* segment that is appended to; 0: none yet in this opening */
    struct spare spares[SPARES_MAX]; /* to be used again */
    unsigned spare_count;
    struct spare gone[GONE_MAX]; /* to be removed, a piece at a time */
    unsigned gone_count;
    struct spare *garbage; /* files that were of no use to the opening; see spare.c */
    unsigned garbage_count;
    uint64_t names_changed, names_synced; /* counts of changes: made, and known to be on the disk */
    uint64_t clock;

    struct batch batch;
    struct buf record; /* operations since the last batch */
    uint64_t sequence; /* of the newest written batch */
    uint8_t tag[VOLUME_TAG_SIZE];
    uint64_t durable_sequence;
    uint64_t reported_sequence;
    int refused;         /* -errno: the authority's refusal, which stays; with report_lock held */
    int64_t reported_ns; /* by the monotonic clock, when the last answer was asked for */
    int64_t reported_wall_ns; /* the same by now_ns(): one clock may stand still while we do */
    int64_t term_ns;          /* periodic: without an answer for so long, ask first */
    size_t record_bytes, record_count; /* since the last checkpoint */
    struct position pending;           /* the newest checkpoint, on its way to the superblock */
    uint64_t pending_sequence;         /* 0: none */
    uint64_t pending_tried;            /* volume_finish() has tried to publish this one */
    uint8_t pending_tag[VOLUME_TAG_SIZE];

    struct superblock superblock;     /* as last written */
    struct snapshot_value *snapshots; /* ascending by their items' numbers */
    uint64_t *snapshot_numbers;
    unsigned snapshot_count;
    bool is_snapshot; /* what is shown is one, or what could be salvaged: read-only */
    bool salvage;
    bool
        foreign_slot; /* the other slot of the superblock is not for this key: to be written over */
    void (*found)(void *ctx, const char *what);
    void *found_ctx;
    struct tree tree;
    uint64_t next_ino;
    uint64_t inode_count;
    uint8_t hash_key[16];

    struct inode **inodes;
    unsigned inode_buckets; /* a power of two, as the next */
    unsigned inode_cached, inode_dirty, inodes_held;
    struct block **blocks;
    unsigned block_buckets;
    struct block *newest, *oldest;
    unsigned block_count, block_dirty;

    struct packer *packer; /* these three: NULL while nothing has been compressed, or unpacked */
    struct unpacker *unpacker;
    struct unpacker *unpacker_apart; /* for the next who reads without the lock */

    uint64_t host_size;
    uint64_t live_size;
    size_t mentions_size; /* of what all segments mention */
    uint64_t cut_size;
    bool closing;    /* the checkpoint that comes is the last of this opening */
    uint64_t victim; /* segment being cleaned; 0: none */
    uint64_t moves;  /* of contents by the cleaner, so far */
    uint32_t victim_offset;
};

/* --- keys.c --- */

must_check int volume_keys_init(struct volume *v, const struct key256 *key);
void volume_keys_done(struct volume *v);
void wraps_forget(struct volume *v);
/* Wraps a master key for the superblock in memory; unwraps one of `sb`. -EBADMSG. */
must_check int master_seal(struct volume *v, unsigned which);
must_check int master_open(struct volume *v, const struct superblock *sb, unsigned which,
                           struct key256 *ret_key);
must_check int super_aead(const struct volume *v, const struct key256 *master,
                          struct aead **ret_aead);
/* A new master key; the old one stays beside it, unless there was none. */
must_check int master_renew(struct volume *v);
void master_forget_previous(struct volume *v);
must_check int header_wrap(struct volume *v, struct segment_header *h, const struct key256 *key);
/* Keys of all segments but the active one go to the table, to be written with each checkpoint. */
/* Has what wraps under the next erase key at hand, which may be the authority's to make: -EAGAIN it
 * cannot now, or another error of its; nothing has changed then. */
must_check int erase_key_prepare(struct volume *v);
must_check int key_table_make(struct volume *v);
must_check int key_table_stage(struct volume *v);
must_check int key_table_load(struct volume *v, const struct key_table_op *table);

/* --- segment.c --- */

struct segment *segment_find(struct volume *v, uint64_t id);
must_check int segment_add(struct volume *v, const struct segment_state *state);
void segment_forget(struct volume *v, struct segment *segment);
/* Reads and opens a segment's header; the key goes to *ret_key. -EBADMSG. */
must_check int segment_header_read(struct volume *v, uint64_t id, struct segment_header *ret_header,
                                   struct key256 *ret_key);
must_check int segment_aead(struct volume *v, uint64_t id, struct aead **ret_aead);
/* A new active segment of at least `size` that begins with the next batch. The old one is synced
 * first. */
must_check int segment_rotate(struct volume *v, uint64_t size);
/* Makes the active segment's space ready up to `size`. -ENOSPC. */
must_check int segment_grow(struct volume *v, uint64_t size, bool bulk);
/* Before a small batch that ends at `end` is written: zeros where space was only reserved, some more than
 * it needs, so that the syncs that follow need not change the host's metadata. */
void segment_fill(struct volume *v, uint64_t end);
void segments_aead_drop(struct volume *v, unsigned keep);
/* May another node, that does not know yet that it is fenced, have appended to that file what a
 * successor takes over? Then it is not cut. */
must_check bool segment_is_shared(const struct volume *v, uint64_t id);
/* Gives back what the published checkpoint does not need. */
void segments_release(struct volume *v, uint64_t sequence);
void live_add(struct volume *v, uint64_t segment, int64_t size);
must_check int superblock_write(struct volume *v);
/* The same without v->lock, which it gives back meanwhile. */
must_check int superblock_write_apart(struct volume *v);
/* The newest slot that verifies, and its keys; with `older` the other one. */
must_check int superblock_read(struct volume *v, bool older);

/* --- spare.c --- */

/* A file that nothing lives in: to be used again, or removed by the steps and drains that follow. */
void segment_give_back(struct volume *v, uint64_t file);
/* Renames a kept one to `id`; *ret_size is its size. -ENOENT: there is none. */
must_check int spare_take(struct volume *v, uint64_t id, uint64_t *ret_size);
/* A file that the opening found to hold nothing. Where there may be other owners, it stays until a
 * checkpoint of this one is on the superblock. */
void garbage_keep(struct volume *v, uint64_t file);
/* Gives all of that back. */
void garbage_release(struct volume *v);
/* Removes a piece of what is to be removed; without v->lock. */
void gone_step(struct volume *v);
/* All of it, with the lock. */
void gone_drain(struct volume *v);
/* The kept ones, too: where the space is needed now. */
void space_recall(struct volume *v);

/* --- log.c --- */

/* What the room is for: large writes leave room for small ones, small ones a reserve, freeing leaves
 * what a checkpoint takes, and a checkpoint may take all. So on a full disk a program can still note
 * in its database that it deletes, deleting works, and so does giving back what was deleted. */
enum room { ROOM_BULK, ROOM_DATA, ROOM_FREEING, ROOM_CHECKPOINT };

/* Whoever reads gets an error number; what an operator can act on is said here, a few times per
 * process. Returns -EBADMSG. */
int volume_damage(struct volume *v, uint64_t segment, uint32_t offset, const char *what);

/* What a new segment begins with, so that something can be deleted when there is no more. */
uint64_t segment_size_wanted(const struct volume *v);
/* Will the next batch begin another segment? */
bool segment_is_full(struct volume *v);
/* Begins a mutating operation that will add about `more` bytes to the log. */
must_check int log_prepare(struct volume *v, size_t more, enum room room);
/* As log_prepare() for what happens inside a batch: never writes one or checkpoints. */
must_check int batch_room(struct volume *v, size_t more, enum room room);
/* Encrypts `size` bytes as one unit into the open batch. */
must_check int batch_append(struct volume *v, enum unit_kind kind, const void *bytes, size_t size,
                            uint32_t *ret_offset);
/* Closes the open batch, if there is anything in it, and writes it. Does not sync. */
must_check int batch_store(struct volume *v);
/* Blocks, inodes, then batch_store(). */
must_check int log_write(struct volume *v);
void batch_trim(struct volume *v);
/* What the tables of a checkpoint take. */
size_t table_size(const struct volume *v);
/* Ciphertext as it lies in the log or in the open batch. A short one is -EBADMSG. */
must_check int log_read(struct volume *v, uint64_t segment, uint32_t offset, void *bytes,
                        size_t size);
/* Decrypts and verifies one unit; any thread, with an AEAD of its own. */
must_check int unit_open_quietly(struct aead *aead, enum unit_kind kind, uint64_t segment,
                                 uint32_t offset, const uint8_t *cipher, void *bytes, size_t size);
/* Reads, decrypts and verifies one unit; `size` is the plaintext's. */
must_check int unit_read(struct volume *v, enum unit_kind kind, uint64_t segment, uint32_t offset,
                         void *bytes, size_t size);
must_check int unit_open(struct volume *v, struct aead *aead, enum unit_kind kind, uint64_t segment,
                         uint32_t offset, const uint8_t *cipher, void *bytes, size_t size);
/* What a batch's record says, decrypted and verified into `record`; the header goes to
 * *ret_header, its tag to `tag`. -EBADMSG, or -ENODATA if there is nothing like a batch. */
must_check int batch_read(struct volume *v, uint64_t segment, uint32_t offset,
                          struct batch_header *ret_header, struct buf *record,
                          uint8_t tag[VOLUME_TAG_SIZE]);

/* Applies what was staged in v->record since `mark`, or takes it back. */
must_check int stage_apply(struct volume *v, size_t mark);
must_check int op_apply(struct volume *v, const struct op *op);
/* Before op_apply(): keeps the count of inodes and the next number. */
void inode_count_op(struct volume *v, const struct op *op);
/* Stops the volume: it takes no more changes. Returns `r`. */
int volume_stop(struct volume *v, int r);

/* --- checkpoint.c --- */

/* Writes a checkpoint into the log; it waits to be published. */
must_check int checkpoint_log(struct volume *v);
/* The waiting checkpoint is durable and reported: the superblock points at it from now on. */
must_check int checkpoint_publish(struct volume *v);
/* The same with the lock given back while the host writes. */
must_check int checkpoint_publish_apart(struct volume *v);
/* Both, with all that takes, while everybody waits: for closing and for a full disk. */
must_check int checkpoint_write(struct volume *v);
bool checkpoint_due(const struct volume *v);
/* After an operation: writes what is over its limit, checkpoints, cleans, trims. */
void upkeep(struct volume *v);

/* --- sync.c --- */

/* Syncs up to the newest batch and reports it. -EAGAIN: it could not be reported now. */
must_check int durable_now(struct volume *v);
/* 0: the authority answers, now, that this owner is the present one. All must be durable; with the lock. */
must_check int owner_confirm(struct volume *v);
/* Syncs the names if any changed since; with the lock, and the host's call is waited for. */
must_check int names_sync(struct volume *v);
/* Ends an operation that may have changed something: upkeep, unlock, and a waiting checkpoint on its
 * way, others going on meanwhile. */
void volume_finish(struct volume *v);

extern const struct tree_store volume_tree_store;

/* --- clean.c --- */

/* One bounded slice of cleaning, if worthwhile. With `hard`, also where it hardly pays. */
must_check int clean_slice(struct volume *v, bool hard);
bool clean_due(const struct volume *v);
/* Moves out of one segment all that lives there. */
must_check int segment_clean(struct volume *v, uint64_t id);

/* --- mention.c --- */

/* Does a segment that has been left hold contents, of now or of before, of one of the files? 1, 0 or
 * -errno. */
must_check int segment_mentions(struct volume *v, uint64_t id, const uint64_t *inos, size_t count);
void mentions_forget(struct volume *v, struct segment *s);

/* --- rekey.c --- */

must_check int erase_settle(struct volume *v);
/* Could all that the file has be erased now? Changes nothing that counts. -EOPNOTSUPP, -EBUSY, -ENOSPC:
 * only what is kept for deleting is left. */
must_check int erase_check(struct volume *v, uint64_t ino);
/* volume_erase() of all the file has, with v->lock held. */
must_check int erase_inode(struct volume *v, uint64_t ino);
/* Where that found no room: the file's contents go as others do, so that their space comes back, and what
 * old segments have of them is erased when erase_inode() is called again. */
must_check int erase_postpone(struct volume *v, uint64_t ino);

/* --- snapshot.c --- */

/* Reads the list from the index; after recovery. */
must_check int snapshots_load(struct volume *v);
void snapshots_free(struct volume *v);
/* Does a snapshot need this segment? */
bool snapshot_pins(const struct volume *v, const struct segment *s);
must_check int snapshot_find(const struct volume *v, const char *name, unsigned *ret_at);
/* The tree of a snapshot becomes what is shown. */
void snapshot_show(struct volume *v, unsigned at);
uint64_t pinned_size(const struct volume *v);
/* A snapshot's item is put, or deleted. */
must_check int snapshot_stage(struct volume *v, const struct snapshot_value *s);
must_check int snapshot_unstage(struct volume *v, unsigned at);
must_check int snapshot_restore_locked(struct volume *v, unsigned at);
must_check int live_recount(struct volume *v);
bool snapshot_name_is_good(const char *name);
must_check int snapshot_make_locked(struct volume *v, const char *name);
/* All of the index is in the log; `s` says what a snapshot of now would say. */
must_check int snapshot_prepare(struct volume *v, const char *name, struct snapshot_value *s);
/* In one record: snapshot `old` goes, `s` comes. */
must_check int snapshot_replace(struct volume *v, const char *old, const struct snapshot_value *s);
/* Blocks and inodes that wait for nothing. */
void caches_forget(struct volume *v);

/* --- export.c, import.c --- */

/* Is the newest state what the snapshot shows? */
must_check int trees_same(struct volume *v, const struct snapshot_value *s, bool *ret_same);
must_check int import_settle(struct volume *v);

/* --- check.c --- */

/* As volume_check(), without reading contents; with v->lock held. */
must_check int check_structure(struct volume *v, volume_damage_fn *damage, void *ctx);

/* --- recover.c --- */

must_check int volume_recover(struct volume *v, const struct volume_head *head, struct error *e);
must_check int orphans_reclaim(struct volume *v);

/* --- limits.c --- */

must_check int limits_load(struct volume *v);

/* --- recover.c, again --- */

/* In salvage: says what is passed over, and true. */
bool salvage_passes(struct volume *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- inode.c --- */

must_check int inode_get(struct volume *v, uint64_t ino, struct inode **ret_inode);
/* A new one in the cache, dirty, not yet named. */
must_check int inode_new(struct volume *v, const struct volume_attr *attr, struct inode **ret);
void inode_dirty(struct volume *v, struct inode *inode);
void inode_forget(struct volume *v, struct inode *inode);
must_check int inodes_flush(struct volume *v);
void inodes_trim(struct volume *v, unsigned idle_max);
/* Removes everything an unnamed inode has; its last hold is gone. */
must_check int inode_reclaim(struct volume *v, struct inode *inode);
/* The same, contents erased for good first where the file asks for it. What has no room now goes at
 * the next opening; so does what cannot be erased now, and that is said. */
must_check int inode_end(struct volume *v, struct inode *inode);

/* --- block.c --- */

struct block *block_find(struct volume *v, uint64_t ino, uint64_t index);
/* In the cache, read if it was not, or zeros if `fresh`. May drop clean ones, never a dirty one. */
must_check int block_get(struct volume *v, uint64_t ino, uint64_t index, bool fresh,
                         struct block **ret_block);
void block_dirty(struct volume *v, struct block *block);
void block_forget(struct volume *v, struct block *block);
void blocks_forget(struct volume *v, uint64_t ino, uint64_t first, uint64_t end);
must_check int blocks_flush(struct volume *v);
void blocks_trim(struct volume *v, size_t size_max);
/* Keeps a copy of what was read directly, where the cache is large enough to be worth it. */
void blocks_fill(struct volume *v, uint64_t ino, uint64_t first, const uint8_t *bytes, size_t size);

/* --- pack.c --- */

enum { PACK_SIZE_MIN = 256 };

/* Compresses up to PACK_SIZE bytes and encrypts them as one unit into the open batch: 1, *ret_extent is
 * where they lie. 0: it does not pay. */
must_check int pack_append(struct volume *v, const uint8_t *bytes, size_t size,
                           struct extent *ret_extent);
/* PACK_SIZE bytes for what is to be compressed, which the next call may overwrite; NULL: no memory. */
uint8_t *pack_buffer(struct volume *v);
/* The contents of the unit that a compressed extent is part of, until the next call. */
must_check int pack_load(struct volume *v, const struct extent *extent, const uint8_t **ret_plain);
/* Writes what a compressed extent shows anew, and nothing else of its unit, in no more than extent_size() and
 * a 64th of it: 1, and *ret_extent is where it lies now. 0: plain it has to be, which is for the caller. */
must_check int pack_move(struct volume *v, const struct extent *part, struct extent *ret_extent);
/* The extent's bytes, fewer where `copy` ends, -EFAULT if that is at once. The second gives v->lock back
 * meanwhile; -EBADMSG there may also mean that the unit has moved. */
must_check ssize_t pack_read(struct volume *v, const struct extent *part, uint8_t *bytes,
                             volume_copy_fn *copy);
must_check ssize_t pack_read_apart(struct volume *v, struct aead *own, const struct extent *part,
                                   uint8_t *bytes, volume_copy_fn *copy);
void pack_trim(struct volume *v);

/* --- extent.c --- */

/* The extent that holds `block`: 1, *ret_first is the block it begins at. 0: a hole up to
 * *ret_first (UINT64_MAX: to the end). */
must_check int extent_find(struct volume *v, uint64_t ino, uint64_t block,
                           struct extent *ret_extent, uint64_t *ret_first);
must_check int extent_find_in(struct tree *tree, uint64_t ino, uint64_t block,
                              struct extent *ret_extent, uint64_t *ret_first);
/* As extent_write() and extent_replace() for an import, which brings the counts itself. */
must_check int extent_write_at(struct volume *v, uint64_t ino, uint64_t first, const uint8_t *bytes,
                               size_t size);
must_check int extent_cut_at(struct volume *v, uint64_t ino, uint64_t first, uint64_t end);
/* The blocks first..end-1 now lie at `extent`, or nowhere if it is NULL. */
must_check int extent_replace(struct volume *v, struct inode *inode, uint64_t first, uint64_t end,
                              const struct extent *extent);
/* Encrypts `size` bytes as blocks of the file from `first` on. How many: with a `copy` fewer, and whole
 * blocks, where that ends; -EFAULT if it does in the first. */
must_check ssize_t extent_write(struct volume *v, struct inode *inode, uint64_t first,
                                const uint8_t *bytes, size_t size, volume_copy_fn *copy);
/* Writes `count` blocks from `skip` on of the file's extent at `first` anew, for the cleaner. How many. */
must_check ssize_t extent_move(struct volume *v, struct inode *inode, uint64_t first,
                               const struct extent *extent, uint64_t skip, uint64_t count);
/* As extent_read(), whole blocks only, without v->lock, which it gives back meanwhile. 0: what it looked
 * for may have moved; read with the lock. */
must_check ssize_t extent_read_apart(struct volume *v, const struct extent *extent,
                                     uint64_t skip_blocks, uint8_t *bytes, size_t size,
                                     volume_copy_fn *copy);
/* Reads whole or last blocks of an extent; the rest of `bytes` becomes zeros. How many: `size`, or fewer
 * where `copy` ends; -EFAULT if that is at once. */
must_check ssize_t extent_read(struct volume *v, const struct extent *extent, uint64_t skip_blocks,
                               uint8_t *bytes, size_t size, volume_copy_fn *copy);
/* Zeros for the caller; how many. */
size_t zeros_put(uint8_t *bytes, size_t size, volume_copy_fn *copy);

/* --- file.c, volume.c --- */

must_check int file_setsize(struct volume *v, uint64_t ino, uint64_t size);
must_check int file_allocate(struct volume *v, uint64_t ino, int mode, uint64_t offset,
                             uint64_t end);
/* xattr.c: does the file ask that what it loses be erased for good? 1, 0 or -errno; the second with
 * v->lock held. */
must_check int file_wants_erasing(struct volume *v, uint64_t ino);
must_check int inode_wants_erasing(struct volume *v, const struct inode *inode);
/* Makes it ask so, in the room that deleting has. */
must_check int inode_want_erasing(struct volume *v, uint64_t ino);
/* The part of upkeep() that readers need: caches within their limits. */
void upkeep_memory(struct volume *v);

static inline void volume_lock(struct volume *v)
{
    (void)pthread_mutex_lock(&v->lock);
}

static inline void volume_unlock(struct volume *v)
{
    (void)pthread_mutex_unlock(&v->lock);
}

/* --- helpers --- */

static inline struct item_key inode_key(uint64_t ino)
{
    return (struct item_key){ino, ITEM_INODE, 0};
}

must_check int name_check(struct slice name);
uint64_t name_hash(const struct volume *v, struct slice name);

#endif
