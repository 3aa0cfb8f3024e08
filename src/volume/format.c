/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/format.h"

#include <errno.h>
#include <sys/stat.h>

static const char SUPERBLOCK_MAGIC[] = "CofferV";
static const char SEGMENT_MAGIC[] = "CofferS";
enum { MAGIC_SIZE = 7, BATCH_MAGIC = 0x31424643 /* "CFB1" */ };

static int magic_take(struct reader *rd, const char *magic, uint8_t version_max,
                      uint8_t *ret_version)
{
    const uint8_t *found = reader_take(rd, MAGIC_SIZE);
    uint8_t version = reader_u8(rd);
    if (!found || memcmp(found, magic, MAGIC_SIZE) != 0)
        return -EBADMSG;
    if (version < FORMAT_VERSION || version > version_max)
        return -EPROTONOSUPPORT;
    *ret_version = version;
    return 0;
}

static uint8_t superblock_version(const struct superblock *sb)
{
    return sb->packs ? FORMAT_VERSION_PACKED : FORMAT_VERSION;
}

void superblock_encode_clear(const struct superblock *sb, const uint8_t nonce[12],
                             uint8_t out[SUPERBLOCK_CLEAR_SIZE])
{
    struct writer wr = writer_over(out, SUPERBLOCK_CLEAR_SIZE);
    writer_bytes(&wr, SUPERBLOCK_MAGIC, MAGIC_SIZE);
    writer_u8(&wr, superblock_version(sb));
    writer_bytes(&wr, sb->id, sizeof sb->id);
    writer_bytes(&wr, nonce, 12);
    writer_zeros(&wr, 12);
    writer_bytes(&wr, sb->masters, sizeof sb->masters);
}

void master_associated(const struct superblock *sb, const uint8_t id[VOLUME_ID_SIZE],
                       unsigned which, uint8_t out[MASTER_ASSOCIATED_SIZE])
{
    struct writer wr = writer_over(out, MASTER_ASSOCIATED_SIZE);
    writer_bytes(&wr, SUPERBLOCK_MAGIC, MAGIC_SIZE);
    writer_u8(&wr, superblock_version(sb));
    writer_bytes(&wr, id, VOLUME_ID_SIZE);
    writer_u8(&wr, (uint8_t)which);
}

int superblock_decode_clear(struct slice in, struct superblock *ret_sb, uint8_t ret_nonce[12])
{
    struct reader rd = reader_over(in);
    uint8_t version;
    int r = magic_take(&rd, SUPERBLOCK_MAGIC, FORMAT_VERSION_PACKED, &version);
    if (r < 0)
        return r;
    ret_sb->packs = version == FORMAT_VERSION_PACKED;
    reader_copy(&rd, ret_sb->id, sizeof ret_sb->id);
    reader_copy(&rd, ret_nonce, 12);
    reader_take(&rd, 12);
    reader_copy(&rd, ret_sb->masters[0], WRAPPED_KEY_SIZE);
    reader_copy(&rd, ret_sb->masters[1], WRAPPED_KEY_SIZE);
    return reader_finished(&rd) ? 0 : -EBADMSG;
}

void superblock_encode_secret(const struct superblock *sb, uint8_t out[SUPERBLOCK_SECRET_SIZE])
{
    struct writer wr = writer_over(out, SUPERBLOCK_SECRET_SIZE);
    writer_u64(&wr, sb->generation);
    writer_u64(&wr, sb->epoch);
    writer_u64(&wr, sb->checkpoint.segment);
    writer_u32(&wr, sb->checkpoint.offset);
    writer_u32(&wr, sb->checkpoint.size);
    writer_u64(&wr, sb->checkpoint_sequence);
    writer_bytes(&wr, sb->checkpoint_tag, sizeof sb->checkpoint_tag);
    writer_u64(&wr, sb->durable_sequence);
    writer_u8(&wr, sb->closed);
    writer_u8(&wr, sb->has_previous_master);
    writer_u32(&wr, sb->master_epoch);
    writer_u32(&wr, sb->erase_epoch);
    writer_zeros(&wr, SUPERBLOCK_SECRET_SIZE - writer_size(&wr));
}

int superblock_decode_secret(struct slice in, struct superblock *sb)
{
    struct reader rd = reader_over(in);
    sb->generation = reader_u64(&rd);
    sb->epoch = reader_u64(&rd);
    sb->checkpoint.segment = reader_u64(&rd);
    sb->checkpoint.offset = reader_u32(&rd);
    sb->checkpoint.size = reader_u32(&rd);
    sb->checkpoint_sequence = reader_u64(&rd);
    reader_copy(&rd, sb->checkpoint_tag, sizeof sb->checkpoint_tag);
    sb->durable_sequence = reader_u64(&rd);
    sb->closed = reader_u8(&rd) == 1;
    sb->has_previous_master = reader_u8(&rd) == 1;
    sb->master_epoch = reader_u32(&rd);
    sb->erase_epoch = reader_u32(&rd);
    return reader_ok(&rd) && sb->checkpoint.segment != 0 ? 0 : -EBADMSG;
}

void segment_header_encode(const struct segment_header *h, uint8_t out[SEGMENT_HEADER_SIZE])
{
    struct writer wr = writer_over(out, SEGMENT_HEADER_SIZE);
    writer_bytes(&wr, SEGMENT_MAGIC, MAGIC_SIZE);
    writer_u8(&wr, FORMAT_VERSION);
    writer_bytes(&wr, h->id, sizeof h->id);
    writer_u64(&wr, h->segment);
    writer_u64(&wr, h->epoch);
    writer_bytes(&wr, h->opening_id, sizeof h->opening_id);
    writer_u64(&wr, h->first_sequence);
    writer_bytes(&wr, h->previous_tag, sizeof h->previous_tag);
    writer_u32(&wr, h->erase_epoch);
    writer_u32(&wr, h->master_epoch);
    writer_zeros(&wr, SEGMENT_CLEAR_SIZE - writer_size(&wr));
    writer_bytes(&wr, h->wrap_nonce, sizeof h->wrap_nonce);
    writer_bytes(&wr, h->wrapped_key, sizeof h->wrapped_key);
    writer_zeros(&wr, SEGMENT_HEADER_SIZE - writer_size(&wr));
}

int segment_header_decode(struct slice in, struct segment_header *ret_header)
{
    struct reader rd = reader_over(in);
    struct segment_header h;
    uint8_t version;
    int r = magic_take(&rd, SEGMENT_MAGIC, FORMAT_VERSION, &version);
    if (r < 0)
        return r;
    reader_copy(&rd, h.id, sizeof h.id);
    h.segment = reader_u64(&rd);
    h.epoch = reader_u64(&rd);
    reader_copy(&rd, h.opening_id, sizeof h.opening_id);
    h.first_sequence = reader_u64(&rd);
    reader_copy(&rd, h.previous_tag, sizeof h.previous_tag);
    h.erase_epoch = reader_u32(&rd);
    h.master_epoch = reader_u32(&rd);
    reader_take(&rd, SEGMENT_CLEAR_SIZE - (size_t)(rd.at - in.bytes));
    reader_copy(&rd, h.wrap_nonce, sizeof h.wrap_nonce);
    reader_copy(&rd, h.wrapped_key, sizeof h.wrapped_key);
    if (!reader_ok(&rd) || h.segment == 0 || h.first_sequence == 0)
        return -EBADMSG;
    *ret_header = h;
    return 0;
}

void batch_header_encode(const struct batch_header *h, uint8_t out[BATCH_HEADER_SIZE])
{
    struct writer wr = writer_over(out, BATCH_HEADER_SIZE);
    writer_u32(&wr, BATCH_MAGIC);
    writer_u32(&wr, h->data_size);
    writer_u32(&wr, h->record_size);
    writer_u32(&wr, 0);
    writer_u64(&wr, h->sequence);
    writer_u64(&wr, h->durable_sequence);
    writer_bytes(&wr, h->previous_tag, sizeof h->previous_tag);
}

int batch_header_decode(struct slice in, struct batch_header *ret_header)
{
    struct reader rd = reader_over(in);
    struct batch_header h;
    uint32_t magic = reader_u32(&rd);
    h.data_size = reader_u32(&rd);
    h.record_size = reader_u32(&rd);
    uint32_t zero = reader_u32(&rd);
    h.sequence = reader_u64(&rd);
    h.durable_sequence = reader_u64(&rd);
    reader_copy(&rd, h.previous_tag, sizeof h.previous_tag);
    if (!reader_finished(&rd) || magic != BATCH_MAGIC || zero != 0)
        return -EBADMSG;
    if (h.data_size > BATCH_SIZE_MAX || h.record_size > BATCH_SIZE_MAX ||
        h.record_size < TAG_SIZE || batch_size(&h) > BATCH_SIZE_MAX ||
        h.durable_sequence >= h.sequence)
        return -EBADMSG;
    *ret_header = h;
    return 0;
}

void item_key_encode(const struct item_key *key, uint8_t out[KEY_SIZE])
{
    struct writer wr = writer_over(out, KEY_SIZE);
    writer_u64(&wr, key->ino);
    writer_u8(&wr, key->type);
    writer_u64(&wr, key->sub);
}

static struct item_key key_take(struct reader *rd)
{
    struct item_key key = {.ino = reader_u64(rd)};
    key.type = reader_u8(rd);
    key.sub = reader_u64(rd);
    return key;
}

struct item_key item_key_decode(const uint8_t in[KEY_SIZE])
{
    struct reader rd = reader_over(slice_of(in, KEY_SIZE));
    return key_take(&rd);
}

enum { EXTENT_PACKED = 1 };

size_t extent_encode(const struct extent *extent, uint8_t out[EXTENT_VALUE_MAX])
{
    struct writer wr = writer_over(out, EXTENT_VALUE_MAX);
    writer_u8(&wr, extent->packed ? EXTENT_PACKED : 0);
    writer_u64(&wr, extent->segment);
    writer_u32(&wr, extent->offset);
    writer_u32(&wr, extent->len);
    if (extent->packed) {
        writer_u16(&wr, extent->packed);
        writer_u16(&wr, extent->whole);
        writer_u8(&wr, extent->skip);
    }
    return writer_size(&wr);
}

/* Is it a part of a unit, whole blocks or up to its end? */
static bool packed_is_good(const struct extent *extent)
{
    uint64_t end = (uint64_t)extent->skip * BLOCK_SIZE + extent->len;
    return extent->packed > 0 && extent->packed < extent->whole && extent->whole <= PACK_SIZE &&
           end <= extent->whole && (end == extent->whole || extent->len % BLOCK_SIZE == 0);
}

int extent_decode(struct slice in, struct extent *ret_extent)
{
    struct reader rd = reader_over(in);
    uint8_t flags = reader_u8(&rd);
    struct extent extent = {.segment = reader_u64(&rd)};
    extent.offset = reader_u32(&rd);
    extent.len = reader_u32(&rd);
    if (flags == EXTENT_PACKED) {
        extent.packed = reader_u16(&rd);
        extent.whole = reader_u16(&rd);
        extent.skip = reader_u8(&rd);
    }
    if (!reader_finished(&rd) || flags > EXTENT_PACKED || extent.segment == 0 || extent.len == 0 ||
        extent.len > BATCH_SIZE_MAX || extent.offset > SEGMENT_SIZE_MAX ||
        (flags == EXTENT_PACKED && !packed_is_good(&extent)))
        return -EBADMSG;
    *ret_extent = extent;
    return 0;
}

void inode_value_encode(const struct inode_value *inode, uint8_t out[INODE_VALUE_SIZE])
{
    const struct volume_attr *a = &inode->attr;
    struct writer wr = writer_over(out, INODE_VALUE_SIZE);
    writer_u8(&wr, 0);
    writer_u32(&wr, a->mode);
    writer_u32(&wr, a->uid);
    writer_u32(&wr, a->gid);
    writer_u32(&wr, a->nlink);
    writer_u64(&wr, a->rdev);
    writer_u64(&wr, a->size);
    writer_u64(&wr, a->allocated_size);
    writer_u64(&wr, (uint64_t)a->atime_ns);
    writer_u64(&wr, (uint64_t)a->mtime_ns);
    writer_u64(&wr, (uint64_t)a->ctime_ns);
    writer_u64(&wr, (uint64_t)a->btime_ns);
    writer_u64(&wr, inode->parent);
}

int inode_value_decode(struct slice in, struct inode_value *ret_inode)
{
    struct reader rd = reader_over(in);
    struct inode_value v = {0};
    uint8_t version = reader_u8(&rd);
    v.attr.mode = reader_u32(&rd);
    v.attr.uid = reader_u32(&rd);
    v.attr.gid = reader_u32(&rd);
    v.attr.nlink = reader_u32(&rd);
    v.attr.rdev = reader_u64(&rd);
    v.attr.size = reader_u64(&rd);
    v.attr.allocated_size = reader_u64(&rd);
    v.attr.atime_ns = (int64_t)reader_u64(&rd);
    v.attr.mtime_ns = (int64_t)reader_u64(&rd);
    v.attr.ctime_ns = (int64_t)reader_u64(&rd);
    v.attr.btime_ns = (int64_t)reader_u64(&rd);
    v.parent = reader_u64(&rd);
    if (!reader_finished(&rd) || version != 0 || v.attr.size > INT64_MAX)
        return -EBADMSG;
    *ret_inode = v;
    return 0;
}

void limits_encode(const struct volume_limits *limits, uint8_t out[LIMITS_VALUE_SIZE])
{
    struct writer wr = writer_over(out, LIMITS_VALUE_SIZE);
    writer_u8(&wr, 0); /* version */
    writer_u64(&wr, limits->size_max);
    writer_u64(&wr, limits->inode_max);
}

int limits_decode(struct slice in, struct volume_limits *ret_limits)
{
    struct reader rd = reader_over(in);
    uint8_t version = reader_u8(&rd);
    struct volume_limits limits = {.size_max = reader_u64(&rd)};
    limits.inode_max = reader_u64(&rd);
    if (!reader_finished(&rd) || version != 0)
        return -EBADMSG;
    *ret_limits = limits;
    return 0;
}

size_t snapshot_encode(const struct snapshot_value *s, uint8_t out[SNAPSHOT_VALUE_MAX])
{
    size_t name_size = strlen(s->name);
    struct writer wr = writer_over(out, SNAPSHOT_VALUE_MAX);
    writer_u8(&wr, 0); /* version */
    writer_u64(&wr, (uint64_t)s->made_ns);
    writer_u64(&wr, s->sequence);
    writer_u64(&wr, s->last_segment);
    writer_u64(&wr, s->root.segment);
    writer_u32(&wr, s->root.offset);
    writer_u16(&wr, s->root.size);
    writer_u8(&wr, s->level);
    writer_u64(&wr, s->next_ino);
    writer_u64(&wr, s->inode_count);
    writer_u64(&wr, s->live);
    writer_bytes(&wr, s->uid, sizeof s->uid);
    writer_u8(&wr, (uint8_t)name_size);
    writer_bytes(&wr, s->name, name_size);
    return writer_size(&wr);
}

int snapshot_decode(struct slice in, struct snapshot_value *ret_snapshot)
{
    struct reader rd = reader_over(in);
    struct snapshot_value s = {0};
    uint8_t version = reader_u8(&rd);
    s.made_ns = (int64_t)reader_u64(&rd);
    s.sequence = reader_u64(&rd);
    s.last_segment = reader_u64(&rd);
    s.root.segment = reader_u64(&rd);
    s.root.offset = reader_u32(&rd);
    s.root.size = reader_u16(&rd);
    s.level = reader_u8(&rd);
    s.next_ino = reader_u64(&rd);
    s.inode_count = reader_u64(&rd);
    s.live = reader_u64(&rd);
    reader_copy(&rd, s.uid, sizeof s.uid);
    uint8_t name_size = reader_u8(&rd);
    if (!reader_ok(&rd) || name_size == 0 || name_size > VOLUME_SNAPSHOT_NAME_MAX)
        return -EBADMSG;
    reader_copy(&rd, s.name, name_size);
    if (!reader_finished(&rd) || version != 0 || s.root.segment == 0 ||
        s.root.size > NODE_SIZE_MAX || strlen(s.name) != name_size)
        return -EBADMSG;
    *ret_snapshot = s;
    return 0;
}

/* --- operations of a record --- */

static int node_take(struct reader *rd, struct op *op)
{
    op->level = reader_u8(rd);
    op->key = key_take(rd);
    op->node.offset = reader_u32(rd);
    op->node.size = reader_u16(rd);
    return op->node.size <= NODE_SIZE_MAX ? 0 : -EBADMSG;
}

static int checkpoint_take(struct reader *rd, struct checkpoint *c)
{
    c->root.segment = reader_u64(rd);
    c->root.offset = reader_u32(rd);
    c->root.size = reader_u16(rd);
    c->level = reader_u8(rd);
    c->next_ino = reader_u64(rd);
    c->inode_count = reader_u64(rd);
    reader_copy(rd, c->hash_key, sizeof c->hash_key);
    c->segment_count = reader_u32(rd);
    c->segments = reader_slice(rd, (size_t)c->segment_count * SEGMENT_STATE_SIZE);
    return c->root.segment != 0 && c->root.size <= NODE_SIZE_MAX ? 0 : -EBADMSG;
}

static int key_table_take(struct reader *rd, struct key_table_op *t)
{
    t->erase_epoch = reader_u32(rd);
    reader_copy(rd, t->nonce, sizeof t->nonce);
    t->count = reader_u32(rd);
    t->sealed = reader_slice(rd, (size_t)t->count * KEY_TABLE_ROW_SIZE + TAG_SIZE);
    return t->erase_epoch != 0 ? 0 : -EBADMSG;
}

int op_next(struct reader *rd, struct op *ret_op)
{
    if (reader_finished(rd))
        return -ENODATA;
    struct op op = {.kind = reader_u8(rd)};
    int r = 0;
    switch (op.kind) {
    case OP_PUT:
        op.key = key_take(rd);
        op.value = reader_slice(rd, reader_u16(rd));
        r = op.value.size <= VALUE_SIZE_MAX ? 0 : -EBADMSG;
        break;
    case OP_DELETE:
        op.key = key_take(rd);
        break;
    case OP_NODE:
        r = node_take(rd, &op);
        break;
    case OP_CHECKPOINT:
        r = checkpoint_take(rd, &op.checkpoint);
        break;
    case OP_KEY_TABLE:
        r = key_table_take(rd, &op.key_table);
        break;
    case OP_OPENING:
        op.epoch = reader_u64(rd);
        reader_copy(rd, op.opening_id, sizeof op.opening_id);
        reader_copy(rd, op.base_tag, sizeof op.base_tag);
        break;
    default:
        return -EBADMSG;
    }
    if (r < 0 || !reader_ok(rd))
        return -EBADMSG;
    *ret_op = op;
    return 0;
}

static struct writer op_begin(struct buf *record, enum op_kind kind, size_t size)
{
    uint8_t *to = buf_reserve(record, size + 1);
    if (!to)
        return (struct writer){.failed = true};
    struct writer wr = writer_over(to, size + 1);
    writer_u8(&wr, (uint8_t)kind);
    record->size += size + 1;
    return wr;
}

static void key_put(struct writer *wr, const struct item_key *key)
{
    writer_u64(wr, key->ino);
    writer_u8(wr, key->type);
    writer_u64(wr, key->sub);
}

void op_put(struct buf *record, const struct item_key *key, struct slice value)
{
    struct writer wr = op_begin(record, OP_PUT, KEY_SIZE + 2 + value.size);
    key_put(&wr, key);
    writer_u16(&wr, (uint16_t)value.size);
    writer_slice(&wr, value);
}

void op_delete(struct buf *record, const struct item_key *key)
{
    struct writer wr = op_begin(record, OP_DELETE, KEY_SIZE);
    key_put(&wr, key);
}

void op_node(struct buf *record, uint8_t level, const struct item_key *key,
             const struct node_ref *ref)
{
    struct writer wr = op_begin(record, OP_NODE, 1 + KEY_SIZE + 4 + 2);
    writer_u8(&wr, level);
    key_put(&wr, key);
    writer_u32(&wr, ref->offset);
    writer_u16(&wr, ref->size);
}

void op_opening(struct buf *record, uint64_t epoch, const uint8_t opening_id[16],
                const uint8_t base_tag[VOLUME_TAG_SIZE])
{
    struct writer wr = op_begin(record, OP_OPENING, 8 + 16 + VOLUME_TAG_SIZE);
    writer_u64(&wr, epoch);
    writer_bytes(&wr, opening_id, 16);
    writer_bytes(&wr, base_tag, VOLUME_TAG_SIZE);
}

void op_checkpoint(struct buf *record, const struct checkpoint *c)
{
    struct writer wr = op_begin(record, OP_CHECKPOINT, 14 + 1 + 8 + 8 + 16 + 4);
    writer_u64(&wr, c->root.segment);
    writer_u32(&wr, c->root.offset);
    writer_u16(&wr, c->root.size);
    writer_u8(&wr, c->level);
    writer_u64(&wr, c->next_ino);
    writer_u64(&wr, c->inode_count);
    writer_bytes(&wr, c->hash_key, sizeof c->hash_key);
    writer_u32(&wr, c->segment_count);
}

uint8_t *op_key_table(struct buf *record, const struct key_table_op *table)
{
    size_t size = (size_t)table->count * KEY_TABLE_ROW_SIZE + TAG_SIZE;
    struct writer wr = op_begin(record, OP_KEY_TABLE, 4 + 12 + 4 + size);
    writer_u32(&wr, table->erase_epoch);
    writer_bytes(&wr, table->nonce, sizeof table->nonce);
    writer_u32(&wr, table->count);
    return writer_ok(&wr) ? record->bytes + record->size - size : NULL;
}

void segment_state_append(struct buf *record, const struct segment_state *state)
{
    uint8_t *to = buf_reserve(record, SEGMENT_STATE_SIZE);
    if (!to)
        return;
    struct writer wr = writer_over(to, SEGMENT_STATE_SIZE);
    writer_u64(&wr, state->id);
    writer_u32(&wr, state->used);
    writer_u32(&wr, state->size);
    writer_u64(&wr, state->live);
    writer_u64(&wr, state->last_sequence);
    writer_u64(&wr, state->dead_since);
    record->size += SEGMENT_STATE_SIZE;
}

int segment_state_decode(struct reader *rd, struct segment_state *ret_state)
{
    struct segment_state s = {.id = reader_u64(rd)};
    s.used = reader_u32(rd);
    s.size = reader_u32(rd);
    s.live = reader_u64(rd);
    s.last_sequence = reader_u64(rd);
    s.dead_since = reader_u64(rd);
    if (!reader_ok(rd) || s.id == 0 || s.used > SEGMENT_SIZE_MAX + BATCH_SIZE_MAX)
        return -EBADMSG;
    *ret_state = s;
    return 0;
}
