/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the volume's decoders accept, its encoders write again, byte for byte; and an index node
 * that decodes is a node. The first byte chooses the decoder. */
#include "volume/format.h"
#include "volume/node.h"
#include "volume/slot.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static void try_superblock(struct slice in)
{
    uint8_t nonce[12], clear[SUPERBLOCK_CLEAR_SIZE], secret[SUPERBLOCK_SECRET_SIZE];
    struct superblock sb = {0};
    if (in.size == sizeof clear && superblock_decode_clear(in, &sb, nonce) == 0) {
        superblock_encode_clear(&sb, nonce, clear);
        MUST(memcmp(clear, in.bytes, 36) == 0);
    }
    if (in.size == sizeof secret && superblock_decode_secret(in, &sb) == 0) {
        superblock_encode_secret(&sb, secret);
        MUST(memcmp(secret, in.bytes, 80) == 0);
    }
}

static void try_segment(struct slice in)
{
    uint8_t again[SEGMENT_HEADER_SIZE];
    struct segment_header h;
    if (in.size != sizeof again || segment_header_decode(in, &h) < 0)
        return;
    segment_header_encode(&h, again);
    MUST(memcmp(again, in.bytes, 104) == 0);
    MUST(memcmp(again + 128, in.bytes + 128, 60) == 0);
}

static void try_batch(struct slice in)
{
    uint8_t again[BATCH_HEADER_SIZE];
    struct batch_header h;
    if (batch_header_decode(in, &h) < 0)
        return;
    MUST(batch_size(&h) <= BATCH_SIZE_MAX && h.durable_sequence < h.sequence);
    batch_header_encode(&h, again);
    MUST(memcmp(again, in.bytes, sizeof again) == 0);
}

static void op_again(struct buf *again, const struct op *op)
{
    struct reader rd = reader_over(op->checkpoint.segments);
    struct segment_state state;
    uint8_t *to;
    switch (op->kind) {
    case OP_PUT:
        op_put(again, &op->key, op->value);
        break;
    case OP_DELETE:
        op_delete(again, &op->key);
        break;
    case OP_NODE:
        op_node(again, op->level, &op->key, &op->node);
        break;
    case OP_OPENING:
        op_opening(again, op->epoch, op->opening_id, op->base_tag);
        break;
    case OP_KEY_TABLE:
        to = op_key_table(again, &op->key_table);
        if (to)
            memcpy(to, op->key_table.sealed.bytes, op->key_table.sealed.size);
        break;
    case OP_CHECKPOINT:
        op_checkpoint(again, &op->checkpoint);
        for (uint32_t i = 0; i < op->checkpoint.segment_count; i++)
            if (segment_state_decode(&rd, &state) == 0)
                segment_state_append(again, &state);
            else
                buf_append(again, op->checkpoint.segments.bytes + (size_t)i * SEGMENT_STATE_SIZE,
                           SEGMENT_STATE_SIZE);
        break;
    default:
        abort();
    }
}

static void try_record(struct slice in)
{
    SCOPED(buf_done) struct buf again = {0};
    struct reader rd = reader_over(in);
    struct op op = {0};
    size_t whole = 0;
    while (op_next(&rd, &op) == 0) {
        op_again(&again, &op);
        whole = (size_t)(rd.at - in.bytes);
        memset(&op, 0, sizeof op);
    }
    MUST(again.failed ||
         (again.size == whole && (whole == 0 || memcmp(again.bytes, in.bytes, whole) == 0)));
}

static void try_node(struct slice in)
{
    uint8_t again[NODE_SIZE_MAX];
    struct node *node;
    uint8_t level = in.size > 0 ? in.bytes[0] : 0;
    if (in.size > NODE_SIZE_MAX || node_decode(in, level, &node) < 0)
        return;
    MUST(node_encode(node, again) == in.size && memcmp(again, in.bytes, in.size) == 0);
    bool found;
    for (unsigned i = 0; level == 0 && i < node->count; i++) {
        struct item_key key = leaf_key(node, i);
        MUST(leaf_find(node, &key, &found) == i && found);
    }
    while (level == 0 && node->count > 0)
        leaf_remove(node, node->count / 2u);
    MUST(level > 0 || node->leaf.used == 0);
    node_free(node);
}

static void try_values(struct slice in)
{
    struct extent extent;
    struct inode_value inode;
    struct snapshot_value snapshot;
    struct volume_limits limits;
    uint8_t bytes[INODE_VALUE_SIZE];
    /* Names of directory entries and of attributes lie inside their items. */
    for (size_t at = 0; at < 12; at++) {
        struct slice name = slot_name(in, at);
        MUST(name.size == 0 || (name.bytes > in.bytes + at && name.size < in.size - at &&
                                name.bytes + name.size <= in.bytes + in.size));
    }
    if (extent_decode(in, &extent) == 0) {
        MUST(extent_encode(&extent, bytes) == in.size);
        MUST(memcmp(bytes, in.bytes, in.size) == 0);
        MUST(extent_blocks(&extent) > 0);
        MUST(extent.packed ? extent_size(&extent) <= extent.packed + (uint32_t)TAG_SIZE &&
                                 extent.skip * BLOCK_SIZE + extent.len <= extent.whole &&
                                 extent.whole <= PACK_SIZE
                           : extent_size(&extent) >= extent.len);
    }
    if (limits_decode(in, &limits) == 0) {
        limits_encode(&limits, bytes);
        MUST(memcmp(bytes, in.bytes, LIMITS_VALUE_SIZE) == 0);
    }
    if (snapshot_decode(in, &snapshot) == 0) {
        uint8_t again[SNAPSHOT_VALUE_MAX];
        MUST(snapshot_encode(&snapshot, again) == in.size && memcmp(again, in.bytes, in.size) == 0);
    }
    if (inode_value_decode(in, &inode) == 0) {
        inode_value_encode(&inode, bytes);
        MUST(memcmp(bytes, in.bytes, INODE_VALUE_SIZE) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct slice) = {try_superblock, try_segment, try_batch,
                                                  try_record,     try_node,    try_values};
    if (size > 0)
        tries[data[0] % ARRAY_COUNT(tries)](slice_of(data + 1, size - 1));
    return 0;
}
