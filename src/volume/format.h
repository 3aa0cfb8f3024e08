/* SPDX-License-Identifier: Apache-2.0 */
/* volume/format.h: the bytes on the host, as docs/volume-format.md defines them. Encodes and
 * decodes, bounded and checked; does no I/O and no cryptography. Everything that is decoded is
 * hostile until its tag has been verified, and is checked even then. */
#ifndef COFFER_VOLUME_FORMAT_H
#define COFFER_VOLUME_FORMAT_H

#include "base/buf.h"
#include "base/macros.h"
#include "base/reader.h"
#include "base/slice.h"
#include "base/writer.h"
#include "volume/volume.h"

enum {
    FORMAT_VERSION = 2,
    FORMAT_VERSION_PACKED = 3, /* of a superblock: contents may be compressed */
    TAG_SIZE = 16,             /* AES-GCM */
    BLOCK_SIZE = 4096,         /* file data is encrypted in blocks of this many bytes */
    UNIT_SIZE = BLOCK_SIZE + TAG_SIZE,
    PACK_BLOCKS = 8, /* so many at most are compressed together */
    PACK_SIZE = PACK_BLOCKS * BLOCK_SIZE,
    SUPERBLOCK_SLOT_SIZE = 4096,
    SUPERBLOCK_SLOTS = 2,
    SEGMENT_HEADER_SIZE = 256,
    SEGMENT_SIZE_MAX = 1 << 30,
    BATCH_HEADER_SIZE = 64,
    BATCH_ALIGN = 64,
    BATCH_SIZE_MAX = 8 << 20, /* the whole of it, with its record */
    NODE_SIZE_MAX = 4000,     /* a node of the index, encoded */
    VALUE_SIZE_MAX = 1800,
    KEY_SIZE = 17,
};

/* What a nonce is for; its first byte. */
enum unit_kind {
    UNIT_RECORD = 1,
    UNIT_DATA = 2,
    UNIT_NODE = 3,
    UNIT_SEGMENT_KEY = 4,
    UNIT_SUPERBLOCK = 5,
    UNIT_KEY_TABLE = 6, /* reserved */
};

/* Where something lies in the log. segment 0: nowhere. */
struct position {
    uint64_t segment;
    uint32_t offset;
    uint32_t size; /* of the ciphertext, tags included */
};

/* A 32-byte key under another: nonce, ciphertext and tag. */
enum { WRAPPED_KEY_SIZE = 12 + 32 + TAG_SIZE };

struct superblock {
    uint8_t id[VOLUME_ID_SIZE];
    bool packs; /* contents are compressed; by the version, which is associated data of all else */
    /* Master keys under the volume key: [0] the one in use, [1] the one before while segments of it
     * are being rewritten, zeros otherwise. */
    uint8_t masters[2][WRAPPED_KEY_SIZE];
    uint64_t generation;
    uint64_t epoch; /* of the opening that wrote it */
    struct position checkpoint;
    uint64_t checkpoint_sequence;
    uint8_t checkpoint_tag[VOLUME_TAG_SIZE];
    uint64_t durable_sequence; /* everything up to here was synced before this was written */
    bool closed;               /* nothing follows the checkpoint in its segment */
    bool has_previous_master;
    uint32_t master_epoch; /* of the master key in use; + 1 with each rewriting */
    uint32_t erase_epoch;  /* of the erase key in use; 0: this volume has none */
};

struct segment_header {
    uint8_t id[VOLUME_ID_SIZE];
    uint64_t segment;
    uint64_t epoch;
    uint8_t opening_id[16];
    uint64_t first_sequence;               /* of the first batch in it */
    uint8_t previous_tag[VOLUME_TAG_SIZE]; /* of the batch before that */
    uint32_t erase_epoch;                  /* 0: the key is wrapped under a master key alone */
    uint32_t master_epoch;
    uint8_t wrap_nonce[12];
    uint8_t wrapped_key[32 + TAG_SIZE];
};

struct batch_header {
    uint32_t data_size;
    uint32_t record_size; /* ciphertext and its tag */
    uint64_t sequence;
    uint64_t durable_sequence;
    uint8_t previous_tag[VOLUME_TAG_SIZE];
};

static inline size_t batch_size(const struct batch_header *header)
{
    size_t size = BATCH_HEADER_SIZE + (size_t)header->data_size + header->record_size;
    return (size_t)round_up(size, BATCH_ALIGN);
}

/* Each encoder fills its fixed size; each decoder returns 0 or -EBADMSG, or -EPROTONOSUPPORT for
 * another version. The first *_CLEAR_SIZE bytes of superblock and segment header are not encrypted
 * but are associated data of what is. */
enum { SUPERBLOCK_CLEAR_SIZE = 48 + 2 * WRAPPED_KEY_SIZE, SEGMENT_CLEAR_SIZE = 128 };
enum { MASTER_ASSOCIATED_SIZE = 25 };
/* What the wrapped master key `which` is bound to. */
void master_associated(const struct superblock *sb, const uint8_t id[VOLUME_ID_SIZE],
                       unsigned which, uint8_t out[MASTER_ASSOCIATED_SIZE]);
void superblock_encode_clear(const struct superblock *sb, const uint8_t nonce[12],
                             uint8_t out[SUPERBLOCK_CLEAR_SIZE]);
must_check int superblock_decode_clear(struct slice in, struct superblock *ret_sb,
                                       uint8_t ret_nonce[12]);
enum { SUPERBLOCK_SECRET_SIZE = 128 };
void superblock_encode_secret(const struct superblock *sb, uint8_t out[SUPERBLOCK_SECRET_SIZE]);
must_check int superblock_decode_secret(struct slice in, struct superblock *sb);

void segment_header_encode(const struct segment_header *h, uint8_t out[SEGMENT_HEADER_SIZE]);
must_check int segment_header_decode(struct slice in, struct segment_header *ret_header);

void batch_header_encode(const struct batch_header *h, uint8_t out[BATCH_HEADER_SIZE]);
must_check int batch_header_decode(struct slice in, struct batch_header *ret_header);

/* Keys of the index, in order: inode, then kind of item, then what the kind says. */
struct item_key {
    uint64_t ino;
    uint8_t type;
    uint64_t sub;
};

enum item_type {
    ITEM_INODE = 1,
    ITEM_SYMLINK = 2,     /* sub: number of the piece */
    ITEM_XATTR = 3,       /* sub: slot, made from the name's hash */
    ITEM_DIRENT = 4,      /* sub: slot */
    ITEM_EXTENT = 5,      /* sub: number of the file's block it begins at */
    ITEM_XATTR_PIECE = 6, /* sub: made from the slot; see xattr.c */
    /* Under inode 0: */
    ITEM_ORPHAN = 16,   /* sub: an inode without a name, to be reclaimed */
    ITEM_SNAPSHOT = 17, /* sub: its number */
    ITEM_CONTENT = 18,  /* reserved: deduplicated content */
    ITEM_LIMITS = 19,   /* sub: 0 */
};

static inline int item_key_compare(const struct item_key *a, const struct item_key *b)
{
    if (a->ino != b->ino)
        return a->ino < b->ino ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->sub != b->sub)
        return a->sub < b->sub ? -1 : 1;
    return 0;
}

void item_key_encode(const struct item_key *key, uint8_t out[KEY_SIZE]);
struct item_key item_key_decode(const uint8_t in[KEY_SIZE]);

/* Values. */
struct extent {
    uint64_t segment;
    uint32_t offset;
    uint32_t len; /* bytes of plaintext; blocks but the last are whole */
    /* Compressed blocks are one unit of `packed` bytes (0: they are not) that unpacks to `whole` ones; of
     * these the extent has `len` from block `skip` on. */
    uint16_t packed, whole;
    uint8_t skip;
};
enum { EXTENT_VALUE_MAX = 22, INODE_VALUE_SIZE = 81 };

static inline uint32_t extent_blocks(const struct extent *extent)
{
    return (extent->len + BLOCK_SIZE - 1) / BLOCK_SIZE;
}
/* Bytes that live in the log by this extent: what moving it takes at most. Of a compressed unit all, or as
 * much as its blocks take plain if that is less; parts of it may add up to more than there is. */
static inline uint32_t extent_size(const struct extent *extent)
{
    uint32_t plain = extent->len + extent_blocks(extent) * TAG_SIZE;
    uint32_t packed = extent->packed + (uint32_t)TAG_SIZE;
    return extent->packed && packed < plain ? packed : plain;
}

/* Returns the size. */
size_t extent_encode(const struct extent *extent, uint8_t out[EXTENT_VALUE_MAX]);
must_check int extent_decode(struct slice in, struct extent *ret_extent);

struct node_ref {
    uint64_t segment; /* 0: none */
    uint32_t offset;
    uint16_t size; /* of the plaintext; the tag follows it in the log */
};

/* A snapshot's item: the index as it was. */
struct snapshot_value {
    uint8_t uid[16]; /* random; the same in an imported copy */
    int64_t made_ns;
    uint64_t sequence;     /* commits up to here are in it */
    uint64_t last_segment; /* the newest segment that it can need */
    struct node_ref root;
    uint8_t level;
    uint64_t next_ino, inode_count;
    uint64_t live; /* bytes it referred to */
    char name[VOLUME_SNAPSHOT_NAME_MAX + 1];
};
enum {
    SNAPSHOT_VALUE_MAX = 1 + 16 + 8 + 8 + 8 + 14 + 1 + 8 + 8 + 8 + 1 + VOLUME_SNAPSHOT_NAME_MAX
};
size_t snapshot_encode(const struct snapshot_value *snapshot, uint8_t out[SNAPSHOT_VALUE_MAX]);
must_check int snapshot_decode(struct slice in, struct snapshot_value *ret_snapshot);

enum { LIMITS_VALUE_SIZE = 17 };
void limits_encode(const struct volume_limits *limits, uint8_t out[LIMITS_VALUE_SIZE]);
must_check int limits_decode(struct slice in, struct volume_limits *ret_limits);

struct inode_value {
    struct volume_attr attr;
    uint64_t parent; /* directories */
};
void inode_value_encode(const struct inode_value *inode, uint8_t out[INODE_VALUE_SIZE]);
must_check int inode_value_decode(struct slice in, struct inode_value *ret_inode);

/* What a record says, in order. */
enum op_kind {
    OP_PUT = 1,
    OP_DELETE = 2,
    OP_NODE = 3,       /* a node of the index lies in this batch */
    OP_CHECKPOINT = 4, /* the index as of here is the tree under this root */
    OP_OPENING = 5,    /* first in the first batch of an opening */
    OP_SNAPSHOT = 6,   /* reserved: a snapshot is an item of the index */
    OP_KEY_TABLE = 7,  /* beside a checkpoint: keys of segments under the erase key in use */
};

struct segment_state {
    uint64_t id;
    uint32_t used;
    uint32_t size;
    uint64_t live;
    uint64_t last_sequence;
    uint64_t dead_since; /* the checkpoint from which on only snapshots need it; 0: in use */
};
enum { SEGMENT_STATE_SIZE = 40 };

struct checkpoint {
    struct node_ref root;
    uint8_t level; /* of the root */
    uint64_t next_ino;
    uint64_t inode_count;
    uint8_t hash_key[16];
    uint32_t segment_count;
    struct slice segments; /* segment_count encoded states */
};

/* Rows of segment (8) and key (32), encrypted as a whole. */
struct key_table_op {
    uint32_t erase_epoch;
    uint8_t nonce[12];
    uint32_t count;
    struct slice sealed; /* with its tag */
};
enum { KEY_TABLE_ROW_SIZE = 40 };

struct op {
    enum op_kind kind;
    struct item_key key;
    struct slice value; /* OP_PUT */
    uint8_t level;      /* OP_NODE; `key` is its first */
    struct node_ref node;
    struct checkpoint checkpoint;
    struct key_table_op key_table;
    uint64_t epoch; /* OP_OPENING */
    uint8_t opening_id[16];
    uint8_t base_tag[VOLUME_TAG_SIZE];
};

/* The next operation of a record. -EBADMSG if it is malformed, -ENODATA at the end. */
must_check int op_next(struct reader *rd, struct op *ret_op);

/* Each appends one operation; the buffer remembers a failure. */
void op_put(struct buf *record, const struct item_key *key, struct slice value);
void op_delete(struct buf *record, const struct item_key *key);
void op_node(struct buf *record, uint8_t level, const struct item_key *key,
             const struct node_ref *ref);
void op_opening(struct buf *record, uint64_t epoch, const uint8_t opening_id[16],
                const uint8_t base_tag[VOLUME_TAG_SIZE]);
/* Room for `table->count` rows and the tag, which the caller fills; NULL: no memory. */
uint8_t *op_key_table(struct buf *record, const struct key_table_op *table);
/* The states follow, each by segment_state_encode(). */
void op_checkpoint(struct buf *record, const struct checkpoint *checkpoint);
void segment_state_append(struct buf *record, const struct segment_state *state);
must_check int segment_state_decode(struct reader *rd, struct segment_state *ret_state);

#endif
