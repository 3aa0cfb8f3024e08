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
    FORMAT_VERSION = 1,
    TAG_SIZE = 16,     /* AES-GCM */
    BLOCK_SIZE = 4096, /* file data is encrypted in blocks of this many bytes */
    UNIT_SIZE = BLOCK_SIZE + TAG_SIZE,
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
    UNIT_KEY_TABLE = 6, /* reserved: segment keys under an erase key */
};

/* Where something lies in the log. segment 0: nowhere. */
struct position {
    uint64_t segment;
    uint32_t offset;
    uint32_t size; /* of the ciphertext, tags included */
};

struct superblock {
    uint8_t id[VOLUME_ID_SIZE];
    uint64_t generation;
    uint64_t epoch; /* of the opening that wrote it */
    struct position checkpoint;
    uint64_t checkpoint_sequence;
    uint8_t checkpoint_tag[VOLUME_TAG_SIZE];
    uint64_t durable_sequence; /* everything up to here was synced before this was written */
    bool closed;               /* nothing follows the checkpoint in its segment */
};

struct segment_header {
    uint8_t id[VOLUME_ID_SIZE];
    uint64_t segment;
    uint64_t epoch;
    uint8_t opening_id[16];
    uint64_t first_sequence;               /* of the first batch in it */
    uint8_t previous_tag[VOLUME_TAG_SIZE]; /* of the batch before that */
    uint32_t erase_epoch;                  /* 0: the key is wrapped under the volume key alone */
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
enum { SUPERBLOCK_CLEAR_SIZE = 48, SEGMENT_CLEAR_SIZE = 128 };
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
    ITEM_SNAPSHOT = 17, /* reserved: sub: its number */
    ITEM_CONTENT = 18,  /* reserved: deduplicated content */
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
};
enum { EXTENT_VALUE_SIZE = 17, INODE_VALUE_SIZE = 81 };

static inline uint32_t extent_blocks(const struct extent *extent)
{
    return (extent->len + BLOCK_SIZE - 1) / BLOCK_SIZE;
}
static inline uint32_t extent_size(const struct extent *extent)
{
    return extent->len + extent_blocks(extent) * TAG_SIZE;
}

void extent_encode(const struct extent *extent, uint8_t out[EXTENT_VALUE_SIZE]);
must_check int extent_decode(struct slice in, struct extent *ret_extent);

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
    OP_SNAPSHOT = 6,   /* reserved */
    OP_KEY_TABLE = 7,  /* reserved */
};

struct node_ref {
    uint64_t segment; /* 0: none */
    uint32_t offset;
    uint16_t size; /* of the plaintext; the tag follows it in the log */
};

struct segment_state {
    uint64_t id;
    uint32_t used;
    uint32_t size;
    uint64_t live;
    uint64_t last_sequence;
};
enum { SEGMENT_STATE_SIZE = 32 };

struct checkpoint {
    struct node_ref root;
    uint8_t level; /* of the root */
    uint64_t next_ino;
    uint64_t inode_count;
    uint8_t hash_key[16];
    uint32_t segment_count;
    struct slice segments; /* segment_count encoded states */
};

struct op {
    enum op_kind kind;
    struct item_key key;
    struct slice value; /* OP_PUT */
    uint8_t level;      /* OP_NODE; `key` is its first */
    struct node_ref node;
    struct checkpoint checkpoint;
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
/* The states follow, each by segment_state_encode(). */
void op_checkpoint(struct buf *record, const struct checkpoint *checkpoint);
void segment_state_append(struct buf *record, const struct segment_state *state);
must_check int segment_state_decode(struct reader *rd, struct segment_state *ret_state);

#endif
