/* SPDX-License-Identifier: Apache-2.0 */
/* Taking over a stream. Hostile: the stream's author, even with the key. Invariant: before the first
 * change the state is kept as a snapshot of a reserved name; until the last step, which names the
 * new snapshot and drops that one in one commit, every failure and every opening leads back to it. */
#include "volume/slot.h"
#include "volume/store.h"
#include "volume/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char KEPT[] = ".import";
enum { ENTRY_NAME_AT = 9, XATTR_NAME_AT = 0 };

struct import {
    struct volume *v;
    struct stream stream;
    struct stream_begin begin;
    bool begun, ended;
    uint64_t count;
    struct error *e;
};

static int refuse(struct import *m, const char *why)
{
    return error_set(m->e, -EBADMSG, "item %llu of the stream: %s", (unsigned long long)m->count,
                     why);
}

/* --- leading back --- */

/* If an import was cut short: as it was before. */
int import_settle(struct volume *v)
{
    unsigned at;
    if (snapshot_find(v, KEPT, &at) < 0)
        return 0;
    int r = snapshot_restore_locked(v, at);
    if (r == 0)
        r = snapshot_unstage(v, at);
    return r < 0 ? r : checkpoint_write(v);
}

/* --- beginning --- */

static bool is_zero(const uint8_t uid[16])
{
    static const uint8_t zeros[16];
    return memcmp(uid, zeros, sizeof zeros) == 0;
}

static int base_check(struct import *m)
{
    struct volume *v = m->v;
    bool same;
    for (unsigned i = 0; i < v->snapshot_count; i++) {
        if (memcmp(v->snapshots[i].uid, m->begin.base_uid, 16) != 0)
            continue;
        int r = trees_same(v, &v->snapshots[i], &same);
        if (r < 0)
            return r;
        return same && memcmp(m->begin.hash_key, v->hash_key, 16) == 0
                   ? 0
                   : error_set(m->e, -ESTALE,
                               "the volume has changed since snapshot '%s', on which the stream "
                               "builds; go back to that first",
                               v->snapshots[i].name);
    }
    return error_set(m->e, -ESTALE, "the volume lacks the snapshot on which the stream builds");
}

static int empty_check(struct import *m)
{
    struct volume *v = m->v;
    struct inode *root;
    int r = inode_get(v, VOLUME_ROOT_INO, &root);
    if (r < 0)
        return r;
    if (root->value.attr.size > 0 || v->inode_count > 1 || v->snapshot_count > 0)
        return error_set(m->e, -ENOTEMPTY,
                         "a whole volume can only be taken over into an empty one");
    memcpy(v->hash_key, m->begin.hash_key, sizeof v->hash_key);
    return checkpoint_write(v); /* which alone keeps the hash key */
}

static int begin(struct import *m, const struct stream_begin *b)
{
    struct volume *v = m->v;
    unsigned at;
    if (m->begun)
        return refuse(m, "it begins twice");
    m->begin = *b;
    if (!snapshot_name_is_good(b->snapshot.name))
        return refuse(m, "malformed name of the snapshot");
    if (snapshot_find(v, b->snapshot.name, &at) == 0)
        return error_set(m->e, -EEXIST, "the volume has a snapshot '%s' already", b->snapshot.name);
    if (v->inodes_held > 0)
        return -EBUSY;
    int r = log_prepare(v, 4096, ROOM_DATA);
    if (r == 0)
        r = log_write(v);
    if (r == 0)
        r = is_zero(b->base_uid) ? empty_check(m) : base_check(m);
    if (r == 0)
        r = snapshot_make_locked(v, KEPT);
    if (r == 0)
        r = durable_now(v);
    if (r < 0)
        return r;
    caches_forget(v);
    v->next_ino = MAX(v->next_ino, b->snapshot.next_ino);
    m->begun = true;
    return 0;
}

/* --- items --- */

static int inode_check(struct import *m, const struct stream_item *item)
{
    struct inode_value inode;
    if (item->key.sub != 0 || inode_value_decode(item->bytes, &inode) < 0)
        return refuse(m, "malformed inode");
    switch (inode.attr.mode & S_IFMT) {
    case S_IFDIR:
    case S_IFREG:
    case S_IFLNK:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
        return 0;
    default:
        return refuse(m, "an inode of no known type");
    }
}

/* The slot must be one that looking for the name tries. */
static int named_check(struct import *m, const struct stream_item *item, size_t name_at)
{
    struct slice name = slot_name(item->bytes, name_at);
    if (name.size == 0 || name.size > VOLUME_NAME_MAX ||
        slot_hash(m->v, name) != slot_hash_of(item->key.sub))
        return refuse(m, "a name in the wrong place");
    return name_at == ENTRY_NAME_AT && name_check(name) < 0 ? refuse(m, "malformed name") : 0;
}

static int put_check(struct import *m, const struct stream_item *item)
{
    if (item->key.ino == 0 || item->key.ino >= m->v->next_ino)
        return refuse(m, "an inode number out of range");
    switch (item->key.type) {
    case ITEM_INODE:
        return inode_check(m, item);
    case ITEM_DIRENT:
        return named_check(m, item, ENTRY_NAME_AT);
    case ITEM_XATTR:
        return named_check(m, item, XATTR_NAME_AT);
    case ITEM_SYMLINK:
    case ITEM_XATTR_PIECE:
        return item->bytes.size <= 1024 ? 0 : refuse(m, "a piece that is too long");
    default:
        return refuse(m, "an item of no known type");
    }
}

static int item_apply(struct import *m, const struct stream_item *item)
{
    struct volume *v = m->v;
    struct op op = {.kind = item->op == STREAM_PUT ? OP_PUT : OP_DELETE,
                    .key = item->key,
                    .value = item->bytes};
    int r = item->op == STREAM_PUT ? put_check(m, item) : 0;
    if (item->op == STREAM_DELETE &&
        (item->key.ino == 0 || item->key.type == ITEM_EXTENT || item->key.type > ITEM_XATTR_PIECE))
        r = refuse(m, "it removes what no stream may");
    if (r == 0)
        r = log_prepare(v, item->bytes.size + 256, ROOM_BULK);
    if (r < 0)
        return r;
    inode_count_op(v, &op);
    size_t mark = v->record.size;
    if (op.kind == OP_PUT)
        op_put(&v->record, &op.key, op.value);
    else
        op_delete(&v->record, &op.key);
    return stage_apply(v, mark);
}

static int range_check(struct import *m, uint64_t ino, uint64_t first, uint64_t end)
{
    return ino == 0 || ino >= m->v->next_ino || first >= end || end - first > 256 ||
                   end > (uint64_t)1 << 51
               ? refuse(m, "blocks out of range")
               : 0;
}

static int data_apply(struct import *m, const struct stream_item *item)
{
    struct volume *v = m->v;
    uint64_t first = item->key.sub;
    size_t size = item->bytes.size;
    int r = range_check(m, item->key.ino, first, first + (size + BLOCK_SIZE - 1) / BLOCK_SIZE);
    if (r == 0)
        r = log_prepare(v, size + size / 64 + 512, ROOM_BULK);
    return r < 0 ? r : extent_write_at(v, item->key.ino, first, item->bytes.bytes, size);
}

static int hole_apply(struct import *m, const struct stream_item *item)
{
    int r = range_check(m, item->key.ino, item->key.sub, item->end);
    if (r == 0)
        r = log_prepare(m->v, 4096, ROOM_FREEING);
    return r < 0 ? r : extent_cut_at(m->v, item->key.ino, item->key.sub, item->end);
}

/* --- ending --- */

static void damage_note(void *ctx, const char *what)
{
    struct import *m = ctx;
    if (m->e && m->e->code == 0)
        (void)error_set(m->e, -EBADMSG, "the stream makes no whole volume: %s", what);
}

static int end(struct import *m, uint64_t count)
{
    struct volume *v = m->v;
    struct snapshot_value s;
    if (!m->begun || count != m->count)
        return refuse(m, "it ends at the wrong place");
    int r = check_structure(v, damage_note, m);
    if (r != 0)
        return r < 0 ? r : -EBADMSG;
    r = snapshot_prepare(v, m->begin.snapshot.name, &s);
    if (r < 0)
        return r;
    memcpy(s.uid, m->begin.snapshot.uid, sizeof s.uid);
    s.made_ns = m->begin.snapshot.made_ns;
    /* One record: the new name and the end of the old state. */
    r = snapshot_replace(v, KEPT, &s);
    if (r == 0)
        r = log_write(v);
    if (r == 0)
        r = durable_now(v);
    m->ended = r == 0;
    return r;
}

static int apply(struct import *m, const struct stream_item *item)
{
    if (m->ended)
        return refuse(m, "something follows its end");
    if (!m->begun && item->op != STREAM_BEGIN)
        return refuse(m, "it does not begin");
    switch (item->op) {
    case STREAM_BEGIN:
        return begin(m, &item->begin);
    case STREAM_END:
        return end(m, item->end);
    case STREAM_DATA:
        m->count++;
        return data_apply(m, item);
    case STREAM_HOLE:
        m->count++;
        return hole_apply(m, item);
    default:
        m->count++;
        return item_apply(m, item);
    }
}

/* --- reading --- */

static int read_whole(volume_stream_read_fn *read, void *ctx, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(ctx, (uint8_t *)bytes + done, size - done);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return -ENODATA;
        done += (size_t)n;
    }
    return 0;
}

static int frame_apply(struct import *m, struct slice frame)
{
    struct volume *v = m->v;
    struct reader rd = reader_over(frame);
    struct stream_item item;
    int r;
    volume_lock(v);
    r = v->stopped ? -EROFS : 0;
    while (r == 0 && (r = stream_next(&rd, &item)) == 0)
        r = apply(m, &item);
    if (r == -EBADMSG && m->e && m->e->code == 0)
        r = refuse(m, "malformed");
    volume_finish(v);
    return r == -ENODATA ? 0 : r;
}

static int frame_read(struct import *m, struct buf *frame, volume_stream_read_fn *read, void *ctx)
{
    uint8_t head[4];
    int r = read_whole(read, ctx, head, sizeof head);
    struct reader rd = reader_over(slice_of(head, sizeof head));
    size_t size = reader_u32(&rd);
    if (r < 0)
        return r;
    if (size > STREAM_FRAME_MAX)
        return -EBADMSG;
    buf_clear(frame);
    uint8_t *bytes = buf_reserve(frame, size + AEAD_TAG_SIZE);
    if (!bytes)
        return -ENOMEM;
    r = read_whole(read, ctx, bytes, size + AEAD_TAG_SIZE);
    if (r == 0)
        r = stream_unseal(&m->stream, bytes, size);
    frame->size = size;
    return r;
}

static int stream_take(struct import *m, volume_stream_read_fn *read, void *ctx)
{
    SCOPED(buf_done) struct buf frame = {0};
    int r = 0;
    while (r == 0 && !m->ended) {
        r = frame_read(m, &frame, read, ctx);
        if (r == -ENODATA)
            return error_set(m->e, -EBADMSG, "the stream is cut off");
        if (r == -EBADMSG)
            return error_set(m->e, r, "the stream was changed, or the key is another");
        if (r == 0)
            r = frame_apply(m, buf_slice(&frame));
    }
    return r;
}

int volume_import(struct volume *v, const struct key256 *key, volume_stream_read_fn *read,
                  void *ctx, struct error *e)
{
    struct error none = {0};
    struct import m = {.v = v, .e = e ? e : &none};
    int r = read_whole(read, ctx, m.stream.header, sizeof m.stream.header);
    if (r == 0)
        r = stream_open(&m.stream, key);
    if (r < 0)
        return error_set(m.e, r == -ENODATA ? -EBADMSG : r,
                         r == -EPROTONOSUPPORT ? "the stream has a format that this version does "
                                                 "not know"
                                               : "this is no stream of a volume");
    r = stream_take(&m, read, ctx);
    stream_done(&m.stream);
    if (r < 0) {
        volume_lock(v);
        int back = v->stopped ? -EROFS : import_settle(v);
        volume_finish(v);
        if (back < 0)
            return error_prefix(m.e, r, "(what was begun goes away at the next opening)");
    }
    return r < 0 && m.e->code == 0 ? error_set(m.e, r, "the stream cannot be taken over") : r;
}

int volume_stream_id(const uint8_t header[VOLUME_STREAM_HEADER_SIZE], uint8_t id[VOLUME_ID_SIZE])
{
    if (memcmp(header, "CofferX", 7) != 0)
        return -EBADMSG;
    memcpy(id, header + 8, VOLUME_ID_SIZE);
    return 0;
}
