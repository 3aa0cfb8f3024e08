/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "platform/host.h"
#include "volume/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH_CAPACITY_MIN = 16 << 10,
    BATCH_CAPACITY_IDLE = 16 << 10,
    UNIT_AD_SIZE = 8,
    DAMAGE_SAID_MAX = 20, /* events of one process; a damaged volume is read again and again */
    RECORD_AD_SIZE = BATCH_HEADER_SIZE + VOLUME_ID_SIZE + 8
};

int volume_stop(struct volume *v, int r)
{
    if (v->stopped == 0)
        v->stopped = r;
    return r;
}

/* --- units --- */

static void nonce_make(enum unit_kind kind, uint64_t offset, uint8_t nonce[AEAD_NONCE_SIZE])
{
    struct writer wr = writer_over(nonce, AEAD_NONCE_SIZE);
    writer_u8(&wr, kind);
    writer_zeros(&wr, 3);
    writer_u64(&wr, offset);
}

static struct slice unit_associated(uint64_t segment, uint8_t bytes[UNIT_AD_SIZE])
{
    struct writer wr = writer_over(bytes, UNIT_AD_SIZE);
    writer_u64(&wr, segment);
    return writer_done(&wr);
}

int volume_damage(struct volume *v, uint64_t segment, uint32_t offset, const char *what)
{
    static atomic_uint said;
    char name[17];
    if (v->recovering) /* the end of the log may well be torn; recovery judges and names */
        return -EBADMSG;
    v->damage = (struct position){.segment = segment, .offset = offset};
    snprintf(name, sizeof name, "%016" PRIx64, segment);
    if (atomic_fetch_add_explicit(&said, 1, memory_order_relaxed) < DAMAGE_SAID_MAX)
        LOG_ERROR("volume is damaged", LOG_TEXT("file", name), LOG_INT("offset", offset),
                  LOG_TEXT("what", what),
                  LOG_TEXT("to_do",
                           "put the file back from a copy of the newest state, or read what "
                           "is left"));
    return -EBADMSG;
}

int unit_open_quietly(struct aead *aead, enum unit_kind kind, uint64_t segment, uint32_t offset,
                      const uint8_t *cipher, void *bytes, size_t size)
{
    uint8_t nonce[AEAD_NONCE_SIZE], associated[UNIT_AD_SIZE];
    nonce_make(kind, offset, nonce);
    return aead_open(aead, nonce, unit_associated(segment, associated), cipher, size, cipher + size,
                     bytes);
}

int unit_open(struct volume *v, struct aead *aead, enum unit_kind kind, uint64_t segment,
              uint32_t offset, const uint8_t *cipher, void *bytes, size_t size)
{
    int r = unit_open_quietly(aead, kind, segment, offset, cipher, bytes, size);
    return r == -EBADMSG ? volume_damage(v, segment, offset, "bytes were changed") : r;
}

int log_read(struct volume *v, uint64_t segment, uint32_t offset, void *bytes, size_t size)
{
    if (segment == v->batch.segment && offset >= v->batch.offset) {
        size_t at = offset - v->batch.offset;
        if (at > v->batch.size || size > v->batch.size - at)
            return -EBADMSG;
        memcpy(bytes, v->batch.bytes + at, size);
        return 0;
    }
    ssize_t n = v->backend->ops->read(v->backend, segment, offset, bytes, size);
    if (n < 0)
        return n == -ENOENT ? volume_damage(v, segment, offset, "the file is missing") : (int)n;
    return (size_t)n == size ? 0 : volume_damage(v, segment, offset, "the file is too short");
}

int unit_read(struct volume *v, enum unit_kind kind, uint64_t segment, uint32_t offset, void *bytes,
              size_t size)
{
    uint8_t cipher[UNIT_SIZE];
    struct aead *aead;
    if (size > BLOCK_SIZE)
        return -EBADMSG;
    int r = segment_aead(v, segment, &aead);
    if (r == 0)
        r = log_read(v, segment, offset, cipher, size + TAG_SIZE);
    if (r == 0)
        r = unit_open(v, aead, kind, segment, offset, cipher, bytes, size);
    return r;
}

/* --- room --- */

static int batch_capacity(struct volume *v, size_t need)
{
    struct batch *b = &v->batch;
    if (need > BATCH_SIZE_MAX)
        return -ENOSPC;
    if (need <= b->capacity)
        return 0;
    size_t capacity = MAX(b->capacity, (size_t)BATCH_CAPACITY_MIN);
    while (capacity < need)
        capacity *= 2;
    uint8_t *grown = realloc(b->bytes, capacity); /* ciphertext: no secret stays behind */
    if (!grown)
        return -ENOMEM;
    b->bytes = grown;
    b->capacity = capacity;
    return 0;
}

/* What the open batch will take once all that waits is in it. */
static size_t batch_projected(const struct volume *v)
{
    return MAX(v->batch.size, (size_t)BATCH_HEADER_SIZE) + v->record.size +
           v->block_dirty * (UNIT_SIZE + 128u) +
           v->inode_dirty * (INODE_VALUE_SIZE + KEY_SIZE + 3u) + TAG_SIZE + BATCH_ALIGN;
}

size_t table_size(const struct volume *v)
{
    return v->segment_count * (size_t)SEGMENT_STATE_SIZE +
           v->key_row_count * (size_t)KEY_TABLE_ROW_SIZE + 64;
}

static size_t checkpoint_projected(const struct volume *v)
{
    return (v->tree.dirty + 4u) * (NODE_SIZE_MAX + 64u) + table_size(v);
}

/* Room for deleting what fills a segment or two, after which the segment can be given back. */
static uint64_t reserve_size(const struct volume *v)
{
    return MAX((uint64_t)RESERVE_MIN, MIN((uint64_t)RESERVE_MAX, v->live_size / 16));
}

/* Room that large writes leave for small ones. */
static uint64_t bulk_reserve_size(const struct volume *v)
{
    return MAX((uint64_t)BULK_RESERVE_MIN, MIN((uint64_t)BULK_RESERVE_MAX, v->live_size / 8));
}

static uint32_t segment_soft_size(const struct volume *v)
{
    uint64_t size = v->tuning.segment_size;
    while (size < SEGMENT_SOFT_MAX && size < v->live_size / 4)
        size *= 2;
    return (uint32_t)size;
}

bool segment_is_full(struct volume *v)
{
    const struct segment *s = v->active ? segment_find(v, v->active) : NULL;
    return s && s->state.used >= segment_soft_size(v);
}

uint64_t segment_size_wanted(const struct volume *v)
{
    return reserve_size(v) + 2 * checkpoint_projected(v);
}

static int batch_begin(struct volume *v)
{
    struct batch *b = &v->batch;
    if (b->segment != 0)
        return 0;
    struct segment *s = v->active ? segment_find(v, v->active) : NULL;
    if (!s || s->state.used >= segment_soft_size(v)) {
        int r = segment_rotate(v, segment_size_wanted(v));
        if (r < 0 && (!s || v->stopped || r != -ENOSPC))
            return r; /* with no space for a new one the old one goes on */
        s = segment_find(v, v->active);
    }
    int r = batch_capacity(v, BATCH_CAPACITY_MIN);
    if (r < 0)
        return r;
    b->segment = v->active;
    b->offset = s->state.used;
    b->size = BATCH_HEADER_SIZE;
    memset(b->bytes, 0, BATCH_HEADER_SIZE);
    return 0;
}

int batch_room(struct volume *v, size_t more, enum room room)
{
    int r = batch_begin(v);
    if (r < 0)
        return r;
    struct segment *s = segment_find(v, v->active);
    uint64_t least = v->batch.offset + batch_projected(v) + more + BATCH_ALIGN;
    uint64_t want = least + reserve_size(v) + checkpoint_projected(v);
    if (room == ROOM_BULK)
        want += bulk_reserve_size(v);
    if (want <= s->state.size)
        return 0;
    r = segment_grow(v, want, batch_projected(v) + more >= BULK_BATCH_MIN);
    if (r == -ENOSPC && room == ROOM_FREEING && least + checkpoint_projected(v) <= s->state.size)
        r = 0; /* this is what the reserve is for */
    if (r == -ENOSPC && room == ROOM_CHECKPOINT && least <= s->state.size)
        r = 0;
    return r;
}

int log_prepare(struct volume *v, size_t more, enum room room)
{
    if (v->stopped)
        return -EROFS;
    if (v->batch.sealed || batch_projected(v) + more > BATCH_SIZE_SOFT + (256 << 10) ||
        v->inode_dirty > DIRTY_INODES_MAX) {
        int r = log_write(v);
        if (r < 0)
            return r;
    }
    int r = batch_room(v, more, room);
    if (r != -ENOSPC)
        return r;
    /* Give back what is dead, then see once more. */
    space_recall(v);
    r = clean_slice(v, true);
    space_recall(v); /* with what that has freed */
    if (r < 0 && r != -ENOSPC)
        return r;
    r = batch_room(v, more, room);
    if (r == -ENOSPC && room <= ROOM_DATA) {
        r = clean_slice(v, true);
        r = r < 0 ? r : batch_room(v, more, room);
    }
    return r;
}

int batch_append(struct volume *v, enum unit_kind kind, const void *bytes, size_t size,
                 uint32_t *ret_offset)
{
    struct batch *b = &v->batch;
    struct aead *aead;
    uint8_t nonce[AEAD_NONCE_SIZE], associated[UNIT_AD_SIZE];
    int r = batch_begin(v);
    if (r == 0)
        r = batch_capacity(v, b->size + size + TAG_SIZE);
    if (r == 0)
        r = segment_aead(v, b->segment, &aead);
    if (r < 0)
        return r;
    uint32_t offset = b->offset + (uint32_t)b->size;
    uint8_t *out = b->bytes + b->size;
    nonce_make(kind, offset, nonce);
    /* Counted first: a failed call may have left ciphertext, so the position is spent. */
    b->size += size + TAG_SIZE;
    r = aead_seal(aead, nonce, unit_associated(b->segment, associated), bytes, size, out,
                  out + size);
    if (r == 0)
        *ret_offset = offset;
    return r;
}

/* --- records --- */

static struct slice record_associated(const struct volume *v, const uint8_t *header,
                                      uint64_t segment, uint8_t bytes[RECORD_AD_SIZE])
{
    struct writer wr = writer_over(bytes, RECORD_AD_SIZE);
    writer_bytes(&wr, header, BATCH_HEADER_SIZE);
    writer_bytes(&wr, v->id, sizeof v->id);
    writer_u64(&wr, segment);
    return writer_done(&wr);
}

static int batch_seal(struct volume *v)
{
    struct batch *b = &v->batch;
    struct aead *aead;
    uint8_t nonce[AEAD_NONCE_SIZE], associated[RECORD_AD_SIZE];
    size_t data_size = b->size - BATCH_HEADER_SIZE, record_size = v->record.size + TAG_SIZE;
    int r = batch_capacity(v, (size_t)round_up(b->size + record_size, BATCH_ALIGN));
    if (r == 0)
        r = segment_aead(v, b->segment, &aead);
    if (r < 0)
        return r;
    struct batch_header h = {.data_size = (uint32_t)data_size,
                             .record_size = (uint32_t)record_size,
                             .sequence = v->sequence + 1,
                             .durable_sequence = v->durable_sequence};
    memcpy(h.previous_tag, v->tag, sizeof h.previous_tag);
    batch_header_encode(&h, b->bytes);
    uint8_t *out = b->bytes + b->size;
    nonce_make(UNIT_RECORD, b->offset, nonce);
    r = aead_seal(aead, nonce, record_associated(v, b->bytes, b->segment, associated),
                  v->record.bytes, v->record.size, out, out + v->record.size);
    const struct slice parts[] = {slice_of(b->bytes, BATCH_HEADER_SIZE),
                                  slice_of(out, record_size)};
    if (r == 0)
        r = sha256_parts(parts, ARRAY_COUNT(parts), b->tag);
    if (r < 0)
        return volume_stop(v, r); /* the position is spent and there is nothing to put there */
    b->size += record_size;
    size_t whole = (size_t)round_up(b->size, BATCH_ALIGN);
    memset(b->bytes + b->size, 0, whole - b->size);
    b->size = whole;
    b->sealed = true;
    return 0;
}

/* The batch is at the host: it is the newest now. */
static void batch_finish(struct volume *v)
{
    struct batch *b = &v->batch;
    struct segment *s = segment_find(v, b->segment);
    v->sequence++;
    memcpy(v->tag, b->tag, sizeof v->tag);
    s->state.used = b->offset + (uint32_t)b->size;
    s->written = MAX(s->written, s->state.used);
    s->state.last_sequence = v->sequence;
    if (s->state.used > s->state.size) {
        v->host_size += s->state.used - s->state.size;
        s->state.size = s->state.used;
    }
    v->record_bytes += v->record.size;
    v->record_count++;
    v->opening_logged = true;
    b->segment = 0;
    b->size = 0;
    b->sealed = false;
    secret_wipe(v->record.bytes, v->record.size);
    buf_clear(&v->record);
}

static int record_open_first(struct volume *v)
{
    if (v->opening_logged)
        return 0;
    /* Before all else in the first record of an opening. */
    SCOPED(buf_done) struct buf first = {0};
    op_opening(&first, v->epoch, v->opening_id, v->tag);
    buf_append_slice(&first, buf_slice(&v->record));
    if (first.failed)
        return -ENOMEM;
    struct buf old = v->record;
    v->record = first;
    first = old;
    return 0;
}

int batch_store(struct volume *v)
{
    struct batch *b = &v->batch;
    if (!b->sealed) {
        if (v->record.size == 0 && b->size <= BATCH_HEADER_SIZE)
            return 0;
        if (v->stopped)
            return -EROFS;
        int r = batch_begin(v);
        if (r == 0)
            r = record_open_first(v);
        if (r == 0)
            r = batch_seal(v);
        if (r < 0)
            return r;
    }
    bool small = b->size < BULK_BATCH_MIN;
    if (small && b->after_small)
        segment_fill(v, b->offset + b->size);
    b->after_small = small;
    /* A repeated write brings the same bytes to the same place. */
    int r = v->backend->ops->write(v->backend, b->segment, b->offset, b->bytes, b->size);
    if (r == -ENOSPC || r == -EDQUOT)
        return -ENOSPC;
    if (r < 0) {
        (void)volume_stop(v, r);
        return -EIO;
    }
    batch_finish(v);
    return 0;
}

int log_write(struct volume *v)
{
    int r = v->batch.sealed ? batch_store(v) : 0;
    if (r == 0 && v->stopped)
        r = v->block_dirty || v->inode_dirty || v->record.size ? -EROFS : 0;
    else if (r == 0)
        r = blocks_flush(v);
    if (r == 0)
        r = inodes_flush(v);
    return r < 0 ? r : batch_store(v);
}

void batch_trim(struct volume *v)
{
    if (v->batch.segment == 0 && v->batch.capacity > BATCH_CAPACITY_IDLE) {
        free(v->batch.bytes);
        v->batch.bytes = NULL;
        v->batch.capacity = 0;
    }
    if (v->record.size == 0 && v->record.capacity > BATCH_CAPACITY_IDLE)
        buf_done(&v->record);
}

int batch_read(struct volume *v, uint64_t segment, uint32_t offset, struct batch_header *ret_header,
               struct buf *record, uint8_t tag[VOLUME_TAG_SIZE])
{
    uint8_t header[BATCH_HEADER_SIZE], nonce[AEAD_NONCE_SIZE], associated[RECORD_AD_SIZE];
    struct batch_header h;
    struct aead *aead;
    if (log_read(v, segment, offset, header, sizeof header) < 0 ||
        batch_header_decode(slice_of(header, sizeof header), &h) < 0)
        return -ENODATA;
    int r = segment_aead(v, segment, &aead);
    if (r < 0)
        return r;
    buf_clear(record);
    uint8_t *bytes = buf_reserve(record, h.record_size);
    if (!bytes)
        return -ENOMEM;
    r = log_read(v, segment, offset + BATCH_HEADER_SIZE + h.data_size, bytes, h.record_size);
    if (r < 0)
        return r;
    const struct slice parts[] = {slice_of(header, sizeof header), slice_of(bytes, h.record_size)};
    r = sha256_parts(parts, ARRAY_COUNT(parts), tag);
    if (r < 0)
        return r;
    size_t size = h.record_size - TAG_SIZE;
    nonce_make(UNIT_RECORD, offset, nonce);
    r = aead_open(aead, nonce, record_associated(v, header, segment, associated), bytes, size,
                  bytes + size, bytes);
    if (r < 0)
        return r;
    record->size = size;
    *ret_header = h;
    return 0;
}

/* --- staging --- */

static int extent_account(struct volume *v, struct slice value, int sign)
{
    struct extent extent;
    int r = extent_decode(value, &extent);
    if (r == 0)
        live_add(v, extent.segment, sign * (int64_t)extent_size(&extent));
    return r;
}

static int op_change(struct volume *v, const struct op *op)
{
    int r = 0;
    if (op->key.type == ITEM_EXTENT) {
        struct slice old;
        r = tree_get(&v->tree, &op->key, &old);
        if (r == 0)
            r = extent_account(v, old, -1);
        if ((r == 0 || r == -ENOENT) && op->kind == OP_PUT)
            r = extent_account(v, op->value, 1);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return op->kind == OP_PUT ? tree_put(&v->tree, &op->key, op->value)
                              : tree_delete(&v->tree, &op->key);
}

void inode_count_op(struct volume *v, const struct op *op)
{
    struct slice value;
    if ((op->kind != OP_PUT && op->kind != OP_DELETE) || op->key.type != ITEM_INODE)
        return;
    bool was = tree_get(&v->tree, &op->key, &value) == 0;
    if (op->kind == OP_PUT && !was)
        v->inode_count++;
    if (op->kind == OP_DELETE && was)
        v->inode_count--;
    v->next_ino = MAX(v->next_ino, op->key.ino + 1);
}

int op_apply(struct volume *v, const struct op *op)
{
    switch (op->kind) {
    case OP_PUT:
    case OP_DELETE:
        return op_change(v, op);
    case OP_NODE:
    case OP_OPENING:
        return 0;
    default:
        return -EBADMSG;
    }
}

int stage_apply(struct volume *v, size_t mark)
{
    if (v->record.failed) {
        v->record.failed = false;
        v->record.size = mark;
        return -ENOMEM;
    }
    struct reader rd = reader_over(slice_of(v->record.bytes + mark, v->record.size - mark));
    struct op op;
    int r;
    while ((r = op_next(&rd, &op)) == 0) {
        r = op_apply(v, &op);
        if (r < 0)
            break;
    }
    if (r == -ENODATA)
        return 0;
    /* Half an operation is in the index: nothing of it may reach the log. */
    v->damaged = true;
    return volume_stop(v, r);
}
