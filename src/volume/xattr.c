/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/slot.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* An attribute is one item, as far as it fits: name and value. The rest of a large value is in
 * pieces, numbered under the slot; the value ends with the last of them. */
enum {
    XATTR_NAME_AT = 0,
    VALUE_BYTES_MAX = 65536,
    XATTR_CHANGE_SIZE = 2 * VALUE_SIZE_MAX,
    XATTR_PIECE = 1024,
    PIECES_MAX = 64,
    PIECE_COST = 64, /* key and size in the log */
    SLOT_COUNT_BITS = 16,
    SLOT_COUNT_MAX = 1 << (SLOT_COUNT_BITS - 6), /* with a larger count pieces have no key */
};

static struct item_key piece_key(uint64_t ino, uint64_t slot, unsigned piece)
{
    uint64_t count = slot & ((1u << SLOT_COUNT_BITS) - 1);
    return (struct item_key){ino, ITEM_XATTR_PIECE, slot - count + count * PIECES_MAX + piece};
}

/* Appends the pieces to value[done..size), or only counts. The size of the whole value. */
static ssize_t pieces_get(struct volume *v, uint64_t ino, uint64_t slot, uint8_t *value,
                          size_t done, size_t size)
{
    for (unsigned i = 0; i < PIECES_MAX; i++) {
        const struct item_key key = piece_key(ino, slot, i);
        struct slice piece;
        int r = tree_get(&v->tree, &key, &piece);
        if (r == -ENOENT)
            break;
        if (r < 0)
            return r;
        if (size > 0 && piece.size > size - done)
            return -ERANGE;
        if (size > 0 && piece.size > 0)
            memcpy(value + done, piece.bytes, piece.size);
        done += piece.size;
    }
    return (ssize_t)done;
}

/* Stages the pieces of `rest`, and the end of those that were there before. */
static int pieces_put(struct volume *v, uint64_t ino, uint64_t slot, struct slice rest)
{
    unsigned count = 0;
    for (size_t at = 0; at < rest.size; at += XATTR_PIECE) {
        const struct item_key key = piece_key(ino, slot, count++);
        op_put(&v->record, &key,
               slice_of(rest.bytes + at, MIN(rest.size - at, (size_t)XATTR_PIECE)));
    }
    for (unsigned i = count; i < PIECES_MAX; i++) {
        const struct item_key key = piece_key(ino, slot, i);
        struct slice piece;
        int r = tree_get(&v->tree, &key, &piece);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        op_delete(&v->record, &key);
    }
    return 0;
}

static bool pieces_fit(uint64_t slot)
{
    return (slot & ((1u << SLOT_COUNT_BITS) - 1)) < SLOT_COUNT_MAX;
}

static int name_valid(struct slice name)
{
    if (name.size == 0 || name.size > VOLUME_NAME_MAX)
        return -ERANGE;
    return memchr(name.bytes, 0, name.size) ? -EINVAL : 0;
}

static int attribute_find(struct volume *v, uint64_t ino, struct slice name, struct slot *ret_slot)
{
    struct inode *inode;
    int r = inode_get(v, ino, &inode);
    if (r < 0)
        return r == -ENOENT ? -ESTALE : r; /* -ENOENT means the name here */
    return slot_find(v, ino, ITEM_XATTR, XATTR_NAME_AT, name, ret_slot);
}

static int found(int r)
{
    return r == -ENOENT ? -ENODATA : r == -ESTALE ? -ENOENT : r;
}

ssize_t volume_getxattr(struct volume *v, uint64_t ino, struct slice name, void *value, size_t size)
{
    struct slot slot;
    ssize_t n = name_valid(name);
    if (n < 0)
        return n;
    volume_lock(v);
    n = found(attribute_find(v, ino, name, &slot));
    if (n == 0) {
        size_t head = 1 + name.size;
        n = (ssize_t)(slot.value.size - head);
        if (size > 0 && (size_t)n > size)
            n = -ERANGE;
        else if (size > 0 && n > 0)
            memcpy(value, slot.value.bytes + head, (size_t)n);
        if (n >= 0 && pieces_fit(slot.number))
            n = pieces_get(v, ino, slot.number, value, (size_t)n, size);
    }
    upkeep_memory(v);
    volume_unlock(v);
    return n;
}

static int attribute_put(struct volume *v, uint64_t ino, struct slice name, struct slice value,
                         int flags, enum room room)
{
    struct slot slot;
    struct inode *inode;
    uint8_t bytes[VALUE_SIZE_MAX];
    struct slice first = slice_of(value.bytes, MIN(value.size, sizeof bytes - 1 - name.size));
    struct slice rest = slice_of(value.bytes + first.size, value.size - first.size);
    int r = log_prepare(v, XATTR_CHANGE_SIZE + rest.size + (size_t)PIECES_MAX * PIECE_COST, room);
    if (r < 0)
        return r;
    r = attribute_find(v, ino, name, &slot);
    if (r == -ESTALE || (r < 0 && r != -ENOENT))
        return found(r);
    if (r == 0 && (flags & XATTR_CREATE))
        return -EEXIST;
    if (r == -ENOENT && (flags & XATTR_REPLACE))
        return -ENODATA;
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u8(&wr, (uint8_t)name.size);
    writer_slice(&wr, name);
    writer_slice(&wr, first);
    if (!writer_ok(&wr) || (rest.size > 0 && !pieces_fit(slot.number)))
        return -ENOSPC;
    const struct item_key key = {ino, ITEM_XATTR, slot.number};
    r = inode_get(v, ino, &inode);
    if (r < 0)
        return r;
    size_t mark = v->record.size;
    op_put(&v->record, &key, writer_done(&wr));
    if (pieces_fit(slot.number))
        r = pieces_put(v, ino, slot.number, rest);
    if (r < 0) {
        v->record.size = mark;
        return r;
    }
    r = stage_apply(v, mark);
    if (r == 0) {
        inode->value.attr.ctime_ns = v->now_ns();
        inode_dirty(v, inode);
    }
    return r;
}

int inode_wants_erasing(struct volume *v, const struct inode *inode)
{
    struct slot slot;
    if ((inode->value.attr.mode & S_IFMT) != S_IFREG)
        return 0;
    int r = attribute_find(v, inode->ino, slice_of_text(VOLUME_ERASE_ATTRIBUTE), &slot);
    return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int file_wants_erasing(struct volume *v, uint64_t ino)
{
    struct inode *inode;
    volume_lock(v);
    int r = inode_get(v, ino, &inode);
    if (r == 0)
        r = inode_wants_erasing(v, inode);
    volume_unlock(v);
    return r;
}

int inode_want_erasing(struct volume *v, uint64_t ino)
{
    return attribute_put(v, ino, slice_of_text(VOLUME_ERASE_ATTRIBUTE), (struct slice){0}, 0,
                         ROOM_FREEING);
}

int volume_setxattr(struct volume *v, uint64_t ino, struct slice name, struct slice value,
                    int flags)
{
    int r = name_valid(name);
    if (r < 0)
        return r;
    if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
        return -EINVAL;
    if (value.size > VALUE_BYTES_MAX)
        return -E2BIG;
    volume_lock(v);
    r = attribute_put(v, ino, name, value, flags, ROOM_DATA);
    volume_finish(v);
    return r;
}

ssize_t volume_listxattr(struct volume *v, uint64_t ino, char *names, size_t size)
{
    struct item_key key = {ino, ITEM_XATTR, 0};
    struct inode *inode;
    struct item item;
    size_t done = 0;
    volume_lock(v);
    int r = inode_get(v, ino, &inode);
    while (r == 0 && (r = tree_seek(&v->tree, &key, &item)) == 0 && item.key.ino == ino &&
           item.key.type == ITEM_XATTR) {
        struct slice name = slot_name(item.value, XATTR_NAME_AT);
        if (name.size == 0)
            r = -EBADMSG;
        else if (size > 0 && name.size + 1 > size - done)
            r = -ERANGE;
        else if (size > 0) {
            memcpy(names + done, name.bytes, name.size);
            names[done + name.size] = '\0';
        }
        done += name.size + 1;
        key.sub = item.key.sub + 1;
    }
    upkeep_memory(v);
    volume_unlock(v);
    return r < 0 && r != -ENOENT ? r : (ssize_t)done;
}

static int attribute_remove(struct volume *v, uint64_t ino, struct slice name)
{
    struct slot slot;
    struct inode *inode;
    int r = log_prepare(v, 512 + PIECES_MAX * PIECE_COST, ROOM_FREEING);
    if (r < 0)
        return r;
    r = found(attribute_find(v, ino, name, &slot));
    if (r == 0)
        r = inode_get(v, ino, &inode);
    if (r != 0)
        return r;
    const struct item_key key = {ino, ITEM_XATTR, slot.number};
    size_t mark = v->record.size;
    op_delete(&v->record, &key);
    if (pieces_fit(slot.number))
        r = pieces_put(v, ino, slot.number, (struct slice){0});
    if (r < 0) {
        v->record.size = mark;
        return r;
    }
    r = stage_apply(v, mark);
    if (r == 0) {
        inode->value.attr.ctime_ns = v->now_ns();
        inode_dirty(v, inode);
    }
    return r;
}

int volume_removexattr(struct volume *v, uint64_t ino, struct slice name)
{
    int r = name_valid(name);
    if (r < 0)
        return r;
    volume_lock(v);
    r = attribute_remove(v, ino, name);
    volume_finish(v);
    return r;
}
