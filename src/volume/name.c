/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: names, links, renames. A directory's size is the number of its entries. */
#include "volume/slot.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/stat.h>

enum {
    ENTRY_NAME_AT = 9, /* ino, type, then the name */
    LINKS_MAX = 65000,
    SYMLINK_PIECE = 1024,
    SYMLINK_SIZE_MAX = 4095,
    DEPTH_MAX = 4096,
    CHANGE_SIZE = 2048, /* of the log, for one change of names */
};

struct entry {
    uint64_t slot;
    uint64_t ino;
    uint8_t type;
};

int name_check(struct slice name)
{
    if (name.size == 0)
        return -ENOENT;
    if (name.size > VOLUME_NAME_MAX)
        return -ENAMETOOLONG;
    if (memchr(name.bytes, '/', name.size) || memchr(name.bytes, 0, name.size) ||
        slice_is_text(name, ".") || slice_is_text(name, ".."))
        return -EINVAL;
    return 0;
}

static bool is_dir(const struct inode *inode)
{
    return (inode->value.attr.mode & S_IFMT) == S_IFDIR;
}

static int dir_get(struct volume *v, uint64_t ino, struct inode **ret_dir)
{
    int r = inode_get(v, ino, ret_dir);
    if (r < 0)
        return r;
    return is_dir(*ret_dir) ? 0 : -ENOTDIR;
}

static int entry_decode(struct slice value, struct entry *ret_entry)
{
    struct reader rd = reader_over(value);
    ret_entry->ino = reader_u64(&rd);
    ret_entry->type = reader_u8(&rd);
    return reader_ok(&rd) && ret_entry->ino != 0 ? 0 : -EBADMSG;
}

/* -ENOENT: entry->slot is where the name can go. */
static int entry_find(struct volume *v, uint64_t dir, struct slice name, struct entry *ret_entry)
{
    struct slot slot = {0};
    int r = slot_find(v, dir, ITEM_DIRENT, ENTRY_NAME_AT, name, &slot);
    *ret_entry = (struct entry){.slot = slot.number};
    return r < 0 ? r : entry_decode(slot.value, ret_entry);
}

static void stage_entry(struct volume *v, uint64_t dir, uint64_t slot, struct slice name,
                        const struct inode *inode)
{
    uint8_t bytes[ENTRY_NAME_AT + 1 + VOLUME_NAME_MAX];
    const struct item_key key = {dir, ITEM_DIRENT, slot};
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u64(&wr, inode->ino);
    writer_u8(&wr, (uint8_t)((inode->value.attr.mode & S_IFMT) >> 12)); /* DT_* */
    writer_u8(&wr, (uint8_t)name.size);
    writer_slice(&wr, name);
    op_put(&v->record, &key, writer_done(&wr));
}

static void stage_entry_remove(struct volume *v, uint64_t dir, uint64_t slot)
{
    const struct item_key key = {dir, ITEM_DIRENT, slot};
    op_delete(&v->record, &key);
}

static void stage_orphan(struct volume *v, uint64_t ino, bool add)
{
    const struct item_key key = {0, ITEM_ORPHAN, ino};
    if (add)
        op_put(&v->record, &key, (struct slice){0});
    else
        op_delete(&v->record, &key);
}

static void changed(struct volume *v, struct inode *inode, bool contents)
{
    int64_t now = v->now_ns();
    inode->value.attr.ctime_ns = now;
    if (contents)
        inode->value.attr.mtime_ns = now;
    inode_dirty(v, inode);
}

static void dir_count(struct volume *v, struct inode *dir, int entries, int subdirs)
{
    dir->value.attr.size += (uint64_t)(int64_t)entries;
    dir->value.attr.nlink += (uint32_t)subdirs;
    changed(v, dir, true);
}

/* An inode lost a name (or, for a directory, its only one). Removes it if it was the last. */
static int link_drop(struct volume *v, struct inode *inode)
{
    inode->value.attr.nlink = is_dir(inode) ? 0 : inode->value.attr.nlink - 1;
    changed(v, inode, false);
    if (inode->value.attr.nlink > 0)
        return 0;
    if (inode->holds > 0)
        return 0;
    return inode_end(v, inode);
}

static bool is_last_link(const struct inode *inode)
{
    return is_dir(inode) || inode->value.attr.nlink == 1;
}

/* Before the last name of a file goes whose contents are to be erased then: can they be? Afterwards
 * nobody could ask for it again. */
static int end_check(struct volume *v, const struct inode *inode)
{
    int r = is_last_link(inode) ? inode_wants_erasing(v, inode) : 0;
    if (r <= 0)
        return r;
    r = erase_check(v, inode->ino);
    return r < 0 ? r : log_prepare(v, 2 * (size_t)CHANGE_SIZE, ROOM_FREEING);
}

int volume_lookup(struct volume *v, uint64_t dir, struct slice name, uint64_t *ret_ino)
{
    struct inode *parent;
    struct entry entry;
    if (name.size > VOLUME_NAME_MAX)
        return -ENAMETOOLONG;
    volume_lock(v);
    int r = dir_get(v, dir, &parent);
    if (r == 0)
        r = entry_find(v, dir, name, &entry);
    if (r == 0)
        *ret_ino = entry.ino;
    upkeep_memory(v);
    volume_unlock(v);
    return r;
}

int volume_parent(struct volume *v, uint64_t dir, uint64_t *ret_ino)
{
    struct inode *inode;
    volume_lock(v);
    int r = dir_get(v, dir, &inode);
    if (r == 0)
        *ret_ino = inode->value.parent;
    volume_unlock(v);
    return r;
}

/* --- making --- */

static void stage_symlink(struct volume *v, uint64_t ino, struct slice target)
{
    for (size_t at = 0; at < target.size; at += SYMLINK_PIECE) {
        const struct item_key key = {ino, ITEM_SYMLINK, at / SYMLINK_PIECE};
        op_put(&v->record, &key,
               slice_of(target.bytes + at, MIN(target.size - at, (size_t)SYMLINK_PIECE)));
    }
}

static int make_check(const struct volume_attr *attr, struct slice target)
{
    switch (attr->mode & S_IFMT) {
    case S_IFLNK:
        return target.size == 0 ? -ENOENT : target.size > SYMLINK_SIZE_MAX ? -ENAMETOOLONG : 0;
    case S_IFREG:
    case S_IFDIR:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
        return 0;
    default:
        return -EINVAL;
    }
}

static int make(struct volume *v, uint64_t dir, struct slice name, const struct volume_attr *attr,
                struct slice target, uint64_t *ret_ino)
{
    struct inode *parent, *inode;
    struct entry entry;
    bool subdir = (attr->mode & S_IFMT) == S_IFDIR;
    int r = log_prepare(v, CHANGE_SIZE + 2 * target.size, ROOM_DATA);
    if (r == 0)
        r = dir_get(v, dir, &parent);
    if (r != 0)
        return r;
    r = entry_find(v, dir, name, &entry);
    if (r != -ENOENT)
        return r == 0 ? -EEXIST : r;
    if (parent->value.attr.nlink == 0)
        return -ENOENT;
    if (subdir && parent->value.attr.nlink >= LINKS_MAX)
        return -EMLINK;
    r = inode_new(v, attr, &inode);
    if (r < 0)
        return r;
    size_t mark = v->record.size;
    stage_entry(v, dir, entry.slot, name, inode);
    stage_symlink(v, inode->ino, target);
    r = stage_apply(v, mark);
    if (r < 0) {
        v->inode_count--;
        inode_forget(v, inode);
        return r;
    }
    inode->value.attr.nlink = subdir ? 2 : 1;
    inode->value.attr.size = target.size;
    inode->value.parent = subdir ? dir : 0;
    dir_count(v, parent, 1, subdir);
    *ret_ino = inode->ino;
    return 0;
}

int volume_make(struct volume *v, uint64_t dir, struct slice name, const struct volume_attr *attr,
                struct slice target, uint64_t *ret_ino)
{
    if ((attr->mode & S_IFMT) != S_IFLNK)
        target.size = 0;
    int r = name_check(name);
    if (r == 0)
        r = make_check(attr, target);
    if (r < 0)
        return r;
    volume_lock(v);
    r = make(v, dir, name, attr, target, ret_ino);
    volume_finish(v);
    return r;
}

static int make_unnamed(struct volume *v, const struct volume_attr *attr, uint64_t *ret_ino)
{
    struct inode *inode;
    int r = log_prepare(v, CHANGE_SIZE, ROOM_DATA);
    if (r == 0)
        r = inode_new(v, attr, &inode);
    if (r != 0)
        return r;
    size_t mark = v->record.size;
    stage_orphan(v, inode->ino, true);
    r = stage_apply(v, mark);
    if (r < 0) {
        v->inode_count--;
        inode_forget(v, inode);
        return r;
    }
    inode->holds = 1;
    v->inodes_held++;
    *ret_ino = inode->ino;
    return 0;
}

int volume_make_unnamed(struct volume *v, const struct volume_attr *attr, uint64_t *ret_ino)
{
    if ((attr->mode & S_IFMT) != S_IFREG)
        return -EINVAL;
    volume_lock(v);
    int r = make_unnamed(v, attr, ret_ino);
    volume_finish(v);
    return r;
}

static int link_make(struct volume *v, uint64_t ino, uint64_t dir, struct slice name)
{
    struct inode *parent, *inode;
    struct entry entry;
    int r = log_prepare(v, CHANGE_SIZE, ROOM_DATA);
    if (r == 0)
        r = inode_get(v, ino, &inode);
    if (r == 0)
        r = dir_get(v, dir, &parent);
    if (r != 0)
        return r;
    if (is_dir(inode))
        return -EPERM;
    if (inode->value.attr.nlink >= LINKS_MAX)
        return -EMLINK;
    if (parent->value.attr.nlink == 0)
        return -ENOENT;
    r = entry_find(v, dir, name, &entry);
    if (r != -ENOENT)
        return r == 0 ? -EEXIST : r;
    size_t mark = v->record.size;
    stage_entry(v, dir, entry.slot, name, inode);
    if (inode->value.attr.nlink == 0)
        stage_orphan(v, ino, false);
    r = stage_apply(v, mark);
    if (r < 0)
        return r;
    inode->value.attr.nlink++;
    changed(v, inode, false);
    dir_count(v, parent, 1, 0);
    return 0;
}

int volume_link(struct volume *v, uint64_t ino, uint64_t dir, struct slice name)
{
    int r = name_check(name);
    if (r < 0)
        return r;
    volume_lock(v);
    r = link_make(v, ino, dir, name);
    volume_finish(v);
    return r;
}

/* --- removing --- */

static int name_remove(struct volume *v, uint64_t dir, struct slice name, bool want_dir)
{
    struct inode *parent, *inode;
    struct entry entry;
    int r = log_prepare(v, CHANGE_SIZE, ROOM_FREEING);
    if (r == 0)
        r = dir_get(v, dir, &parent);
    if (r == 0)
        r = entry_find(v, dir, name, &entry);
    if (r == 0)
        r = inode_get(v, entry.ino, &inode);
    if (r != 0)
        return r;
    if (is_dir(inode) != want_dir)
        return want_dir ? -ENOTDIR : -EISDIR;
    if (want_dir && inode->value.attr.size > 0)
        return -ENOTEMPTY;
    r = end_check(v, inode);
    if (r < 0)
        return r;
    size_t mark = v->record.size;
    stage_entry_remove(v, dir, entry.slot);
    if (is_last_link(inode))
        stage_orphan(v, inode->ino, true);
    r = stage_apply(v, mark);
    if (r < 0)
        return r;
    dir_count(v, parent, -1, want_dir ? -1 : 0);
    return link_drop(v, inode);
}

static int name_remove_locked(struct volume *v, uint64_t dir, struct slice name, bool want_dir)
{
    int r = name_check(name);
    if (r < 0)
        return r;
    volume_lock(v);
    r = name_remove(v, dir, name, want_dir);
    volume_finish(v);
    return r;
}

static int erase_at_end(struct volume *v, uint64_t dir, struct slice name)
{
    struct inode *parent, *inode;
    struct entry entry;
    int r = dir_get(v, dir, &parent);
    if (r == 0)
        r = entry_find(v, dir, name, &entry);
    if (r == 0)
        r = inode_get(v, entry.ino, &inode);
    if (r < 0 || !is_last_link(inode) || (inode->value.attr.mode & S_IFMT) != S_IFREG)
        return r == -ENOENT ? 0 : r;
    r = inode_wants_erasing(v, inode);
    return r != 0 ? MIN(r, 0) : inode_want_erasing(v, inode->ino);
}

int volume_erase_at_end(struct volume *v, uint64_t dir, struct slice name)
{
    int r = name_check(name);
    if (r < 0)
        return r;
    volume_lock(v);
    r = erase_at_end(v, dir, name);
    volume_finish(v);
    return r;
}

int volume_unlink(struct volume *v, uint64_t dir, struct slice name)
{
    return name_remove_locked(v, dir, name, false);
}

int volume_rmdir(struct volume *v, uint64_t dir, struct slice name)
{
    return name_remove_locked(v, dir, name, true);
}

/* --- renaming --- */

struct rename {
    struct inode *from_dir, *to_dir, *inode, *old; /* old: what the new name meant; may be NULL */
    struct entry from, to;
    struct slice from_name, to_name;
    unsigned flags;
};

/* Is `dir` the directory `ino` or below it? */
static int is_below(struct volume *v, uint64_t dir, uint64_t ino)
{
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        struct inode *inode;
        if (dir == ino)
            return 1;
        if (dir == VOLUME_ROOT_INO)
            return 0;
        int r = dir_get(v, dir, &inode);
        if (r < 0)
            return r;
        dir = inode->value.parent;
    }
    return -ELOOP;
}

static int rename_find(struct volume *v, uint64_t dir, uint64_t new_dir, struct rename *rn)
{
    int r = dir_get(v, dir, &rn->from_dir);
    if (r == 0)
        r = dir_get(v, new_dir, &rn->to_dir);
    if (r == 0)
        r = entry_find(v, dir, rn->from_name, &rn->from);
    if (r == 0)
        r = inode_get(v, rn->from.ino, &rn->inode);
    if (r < 0)
        return r;
    r = entry_find(v, new_dir, rn->to_name, &rn->to);
    if (r == 0)
        r = inode_get(v, rn->to.ino, &rn->old);
    else if (r == -ENOENT)
        r = rn->flags & RENAME_EXCHANGE ? -ENOENT : 0;
    return r;
}

static int rename_check(struct volume *v, const struct rename *rn)
{
    if (rn->to_dir->value.attr.nlink == 0)
        return -ENOENT;
    if (rn->old && (rn->flags & RENAME_NOREPLACE))
        return -EEXIST;
    if (is_dir(rn->inode)) {
        int r = is_below(v, rn->to_dir->ino, rn->inode->ino);
        if (r != 0)
            return r < 0 ? r : -EINVAL;
    }
    if (rn->flags & RENAME_EXCHANGE) {
        if (!rn->old)
            return -ENOENT;
        int r = is_dir(rn->old) ? is_below(v, rn->from_dir->ino, rn->old->ino) : 0;
        return r < 0 ? r : r ? -EINVAL : 0;
    }
    if (!rn->old || rn->old == rn->inode)
        return 0;
    if (is_dir(rn->inode) && !is_dir(rn->old))
        return -ENOTDIR;
    if (!is_dir(rn->inode) && is_dir(rn->old))
        return -EISDIR;
    return is_dir(rn->old) && rn->old->value.attr.size > 0 ? -ENOTEMPTY : end_check(v, rn->old);
}

static void parent_set(struct inode *inode, uint64_t dir)
{
    if (is_dir(inode))
        inode->value.parent = dir;
}

static int rename_exchange(struct volume *v, struct rename *rn)
{
    size_t mark = v->record.size;
    stage_entry(v, rn->from_dir->ino, rn->from.slot, rn->from_name, rn->old);
    stage_entry(v, rn->to_dir->ino, rn->to.slot, rn->to_name, rn->inode);
    int r = stage_apply(v, mark);
    if (r < 0)
        return r;
    int moved = (int)is_dir(rn->inode) - (int)is_dir(rn->old);
    parent_set(rn->inode, rn->to_dir->ino);
    parent_set(rn->old, rn->from_dir->ino);
    dir_count(v, rn->from_dir, 0, -moved);
    dir_count(v, rn->to_dir, 0, moved);
    changed(v, rn->inode, false);
    changed(v, rn->old, false);
    return 0;
}

/* What RENAME_WHITEOUT leaves behind: a device that is none. */
static const struct volume_attr whiteout_attr = {.mode = S_IFCHR};

static int rename_replace(struct volume *v, struct rename *rn)
{
    struct inode *white = NULL;
    int r = rn->flags & RENAME_WHITEOUT ? inode_new(v, &whiteout_attr, &white) : 0;
    if (r < 0)
        return r;
    size_t mark = v->record.size;
    if (white)
        stage_entry(v, rn->from_dir->ino, rn->from.slot, rn->from_name, white);
    else
        stage_entry_remove(v, rn->from_dir->ino, rn->from.slot);
    stage_entry(v, rn->to_dir->ino, rn->to.slot, rn->to_name, rn->inode);
    if (rn->old && is_last_link(rn->old))
        stage_orphan(v, rn->old->ino, true);
    r = stage_apply(v, mark);
    if (r < 0 && white) {
        v->inode_count--;
        inode_forget(v, white);
    }
    if (r < 0)
        return r;
    if (white)
        white->value.attr.nlink = 1;
    int subdir = is_dir(rn->inode), old_subdir = rn->old && is_dir(rn->old);
    parent_set(rn->inode, rn->to_dir->ino);
    dir_count(v, rn->from_dir, white ? 0 : -1, -subdir);
    dir_count(v, rn->to_dir, rn->old ? 0 : 1, subdir - old_subdir);
    changed(v, rn->inode, false);
    return rn->old ? link_drop(v, rn->old) : 0;
}

static int rename_locked(struct volume *v, uint64_t dir, uint64_t new_dir, struct rename *rn)
{
    int r = log_prepare(v, 2 * (size_t)CHANGE_SIZE, ROOM_FREEING);
    if (r == 0)
        r = rename_find(v, dir, new_dir, rn);
    if (r == 0)
        r = rename_check(v, rn);
    if (r < 0)
        return r;
    if (rn->old == rn->inode)
        return 0; /* two names of one file: nothing happens (POSIX) */
    return rn->flags & RENAME_EXCHANGE ? rename_exchange(v, rn) : rename_replace(v, rn);
}

int volume_rename(struct volume *v, uint64_t dir, struct slice name, uint64_t new_dir,
                  struct slice new_name, unsigned flags)
{
    if ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) ||
        ((flags & RENAME_EXCHANGE) && flags != RENAME_EXCHANGE))
        return -EINVAL;
    int r = name_check(name);
    if (r == 0)
        r = name_check(new_name);
    if (r < 0)
        return r;
    struct rename rn = {.from_name = name, .to_name = new_name, .flags = flags};
    volume_lock(v);
    r = rename_locked(v, dir, new_dir, &rn);
    volume_finish(v);
    return r;
}

/* --- listing --- */

static ssize_t readlink_locked(struct volume *v, uint64_t ino, char *text, size_t size)
{
    struct inode *inode;
    size_t done = 0;
    int r = inode_get(v, ino, &inode);
    if (r < 0)
        return r;
    if ((inode->value.attr.mode & S_IFMT) != S_IFLNK)
        return -EINVAL;
    size = (size_t)MIN(size, inode->value.attr.size);
    while (done < size) {
        const struct item_key key = {ino, ITEM_SYMLINK, done / SYMLINK_PIECE};
        struct slice piece;
        r = tree_get(&v->tree, &key, &piece);
        if (r < 0 || piece.size == 0)
            return r == -ENOENT || r == 0 ? -EBADMSG : r;
        size_t n = MIN(piece.size, size - done);
        memcpy(text + done, piece.bytes, n);
        done += n;
    }
    return (ssize_t)done;
}

ssize_t volume_readlink(struct volume *v, uint64_t ino, char *text, size_t size)
{
    volume_lock(v);
    ssize_t n = readlink_locked(v, ino, text, size);
    upkeep_memory(v);
    volume_unlock(v);
    return n;
}

static int entry_next(struct volume *v, uint64_t dir, uint64_t cookie, struct volume_entry *ret)
{
    const struct item_key key = {dir, ITEM_DIRENT, cookie + 1};
    struct entry entry;
    struct item item;
    int r = tree_seek(&v->tree, &key, &item);
    if (r < 0)
        return r;
    if (item.key.ino != dir || item.key.type != ITEM_DIRENT)
        return -ENOENT;
    r = entry_decode(item.value, &entry);
    struct slice name = slot_name(item.value, ENTRY_NAME_AT);
    if (r < 0 || name.size == 0)
        return -EBADMSG;
    *ret = (struct volume_entry){.ino = entry.ino,
                                 .cookie = item.key.sub,
                                 .type = entry.type,
                                 .name_len = (uint8_t)name.size};
    memcpy(ret->name, name.bytes, name.size);
    return 0;
}

int volume_readdir(struct volume *v, uint64_t dir, uint64_t cookie, struct volume_entry *entries,
                   size_t entries_max)
{
    struct inode *inode;
    size_t count = 0;
    volume_lock(v);
    int r = dir_get(v, dir, &inode), next = r;
    entries_max = MIN(entries_max, (size_t)INT32_MAX);
    while (next == 0 && count < entries_max && cookie < INT64_MAX) {
        next = entry_next(v, dir, cookie, &entries[count]);
        if (next == 0)
            cookie = entries[count++].cookie;
    }
    if (r == 0 && count == 0 && next != -ENOENT)
        r = next;
    upkeep_memory(v);
    volume_unlock(v);
    return r < 0 ? r : (int)count;
}
