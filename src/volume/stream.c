/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/stream.h"
#include "platform/ops.h"

#include <errno.h>

static const char MAGIC[8] = "CofferX\1";
enum { SALT_AT = 24, SALT_SIZE = 32, KEY_HEAD = 1 + KEY_SIZE };

/* --- what a frame says --- */

static struct writer op_begin(struct buf *frame, enum stream_op op, size_t size)
{
    uint8_t *to = buf_reserve(frame, size + 1);
    if (!to)
        return (struct writer){.failed = true};
    struct writer wr = writer_over(to, size + 1);
    writer_u8(&wr, op);
    frame->size += size + 1;
    return wr;
}

void stream_begin_append(struct buf *frame, const struct stream_begin *begin)
{
    uint8_t snapshot[SNAPSHOT_VALUE_MAX];
    size_t size = snapshot_encode(&begin->snapshot, snapshot);
    struct writer wr = op_begin(frame, STREAM_BEGIN, 16 + 16 + 2 + size);
    writer_bytes(&wr, begin->base_uid, 16);
    writer_bytes(&wr, begin->hash_key, 16);
    writer_u16(&wr, (uint16_t)size);
    writer_bytes(&wr, snapshot, size);
}

static void key_put(struct writer *wr, const struct item_key *key)
{
    uint8_t bytes[KEY_SIZE];
    item_key_encode(key, bytes);
    writer_bytes(wr, bytes, sizeof bytes);
}

void stream_put_append(struct buf *frame, const struct item_key *key, struct slice value)
{
    struct writer wr = op_begin(frame, STREAM_PUT, KEY_SIZE + 2 + value.size);
    key_put(&wr, key);
    writer_u16(&wr, (uint16_t)value.size);
    writer_slice(&wr, value);
}

void stream_delete_append(struct buf *frame, const struct item_key *key)
{
    struct writer wr = op_begin(frame, STREAM_DELETE, KEY_SIZE);
    key_put(&wr, key);
}

uint8_t *stream_data_append(struct buf *frame, uint64_t ino, uint64_t block, uint32_t size)
{
    struct writer wr = op_begin(frame, STREAM_DATA, 8 + 8 + 4 + (size_t)size);
    writer_u64(&wr, ino);
    writer_u64(&wr, block);
    writer_u32(&wr, size);
    return writer_take(&wr, size);
}

void stream_hole_append(struct buf *frame, uint64_t ino, uint64_t block, uint64_t end)
{
    struct writer wr = op_begin(frame, STREAM_HOLE, 24);
    writer_u64(&wr, ino);
    writer_u64(&wr, block);
    writer_u64(&wr, end);
}

void stream_end_append(struct buf *frame, uint64_t count)
{
    struct writer wr = op_begin(frame, STREAM_END, 8);
    writer_u64(&wr, count);
}

static int begin_take(struct reader *rd, struct stream_begin *begin)
{
    reader_copy(rd, begin->base_uid, 16);
    reader_copy(rd, begin->hash_key, 16);
    struct slice snapshot = reader_slice(rd, reader_u16(rd));
    return reader_ok(rd) ? snapshot_decode(snapshot, &begin->snapshot) : -EBADMSG;
}

static struct item_key key_take(struct reader *rd)
{
    uint8_t bytes[KEY_SIZE] = {0};
    reader_copy(rd, bytes, sizeof bytes);
    return item_key_decode(bytes);
}

int stream_next(struct reader *rd, struct stream_item *ret_item)
{
    if (reader_finished(rd))
        return -ENODATA;
    struct stream_item item = {.op = reader_u8(rd)};
    int r = 0;
    switch (item.op) {
    case STREAM_BEGIN:
        r = begin_take(rd, &item.begin);
        break;
    case STREAM_PUT:
        item.key = key_take(rd);
        item.bytes = reader_slice(rd, reader_u16(rd));
        r = item.bytes.size <= VALUE_SIZE_MAX ? 0 : -EBADMSG;
        break;
    case STREAM_DELETE:
        item.key = key_take(rd);
        break;
    case STREAM_DATA:
        item.key.ino = reader_u64(rd);
        item.key.sub = reader_u64(rd);
        item.bytes = reader_slice(rd, reader_u32(rd));
        r = item.bytes.size > 0 && item.bytes.size <= STREAM_DATA_MAX ? 0 : -EBADMSG;
        break;
    case STREAM_HOLE:
        item.key.ino = reader_u64(rd);
        item.key.sub = reader_u64(rd);
        item.end = reader_u64(rd);
        break;
    case STREAM_END:
        item.end = reader_u64(rd);
        break;
    default:
        return -EBADMSG;
    }
    if (r < 0 || !reader_ok(rd))
        return -EBADMSG;
    *ret_item = item;
    return 0;
}

/* --- frames --- */

static int key_make(struct stream *s, const struct key256 *key)
{
    SCOPED(key256_wipe) struct key256 derived;
    s->frame = 0;
    int r = hkdf_sha256(slice_of(key->bytes, sizeof key->bytes),
                        slice_of(s->header + SALT_AT, SALT_SIZE),
                        slice_of_text("coffer volume stream 1"), &derived);
    return r < 0 ? r : aead_new(&derived, &s->aead);
}

int stream_make(struct stream *s, const struct key256 *key, const uint8_t id[VOLUME_ID_SIZE])
{
    *s = (struct stream){0};
    memcpy(s->header, MAGIC, sizeof MAGIC);
    memcpy(s->header + sizeof MAGIC, id, VOLUME_ID_SIZE);
    int r = platform()->random(s->header + SALT_AT, SALT_SIZE);
    return r < 0 ? r : key_make(s, key);
}

int stream_open(struct stream *s, const struct key256 *key)
{
    if (memcmp(s->header, MAGIC, sizeof MAGIC - 1) != 0)
        return -EBADMSG;
    return s->header[sizeof MAGIC - 1] == MAGIC[sizeof MAGIC - 1] ? key_make(s, key)
                                                                  : -EPROTONOSUPPORT;
}

void stream_done(struct stream *s)
{
    aead_free(s->aead);
    s->aead = NULL;
}

static void nonce_make(struct stream *s, uint8_t nonce[AEAD_NONCE_SIZE])
{
    struct writer wr = writer_over(nonce, AEAD_NONCE_SIZE);
    writer_zeros(&wr, 4);
    writer_u64(&wr, s->frame++);
}

int stream_seal(struct stream *s, struct buf *frame)
{
    uint8_t nonce[AEAD_NONCE_SIZE];
    uint8_t *tag = buf_reserve(frame, AEAD_TAG_SIZE);
    if (!tag || frame->failed)
        return -ENOMEM;
    size_t size = frame->size - 4;
    struct writer wr = writer_over(frame->bytes, 4);
    writer_u32(&wr, (uint32_t)size);
    nonce_make(s, nonce);
    int r = aead_seal(s->aead, nonce, slice_of(s->header, sizeof s->header), frame->bytes + 4, size,
                      frame->bytes + 4, frame->bytes + 4 + size);
    frame->size += AEAD_TAG_SIZE;
    return r;
}

int stream_unseal(struct stream *s, uint8_t *bytes, size_t size)
{
    uint8_t nonce[AEAD_NONCE_SIZE];
    nonce_make(s, nonce);
    return aead_open(s->aead, nonce, slice_of(s->header, sizeof s->header), bytes, size,
                     bytes + size, bytes);
}
