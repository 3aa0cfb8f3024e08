/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel asks, answered by the volume. Inode numbers are the volume's own; the kernel
 * checks permissions (default_permissions). */
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { REPLY_SIZE_MAX = 1 << 20, DOTS = 2, ENTRIES = 32, LINK_SIZE = 4096 };

/* For ever: nobody but this process can change an open volume. */
#define CACHE_SECONDS 86400.0

static struct mount *mount_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static void reply(fuse_req_t req, int r)
{
    (void)fuse_reply_err(req, r < 0 ? -r : 0);
}

static void changed(struct mount *m)
{
    atomic_fetch_add_explicit(&m->changes, 1, memory_order_relaxed);
}

/* --- attributes --- */

static struct timespec time_spec(int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

static int64_t time_ns(struct timespec ts)
{
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct stat stat_of(const struct volume_attr *a)
{
    return (struct stat){.st_ino = a->ino,
                         .st_mode = a->mode,
                         .st_nlink = a->nlink,
                         .st_uid = a->uid,
                         .st_gid = a->gid,
                         .st_rdev = a->rdev,
                         .st_size = (off_t)a->size,
                         .st_blksize = 4096,
                         .st_blocks = (blkcnt_t)(a->allocated_size / 512),
                         .st_atim = time_spec(a->atime_ns),
                         .st_mtim = time_spec(a->mtime_ns),
                         .st_ctim = time_spec(a->ctime_ns)};
}

static int entry_fill(struct mount *m, uint64_t ino, struct fuse_entry_param *ret_entry)
{
    struct volume_attr a;
    int r = volume_getattr(m->volume, ino, &a);
    if (r < 0)
        return r;
    *ret_entry = (struct fuse_entry_param){.ino = ino,
                                           .attr = stat_of(&a),
                                           .attr_timeout = CACHE_SECONDS,
                                           .entry_timeout = CACHE_SECONDS};
    return 0;
}

/* Gives the kernel an inode, which it will forget one day. */
static void entry_reply(fuse_req_t req, uint64_t ino)
{
    struct mount *m = mount_of(req);
    struct fuse_entry_param entry;
    int r = entry_fill(m, ino, &entry);
    if (r == 0)
        r = lookups_add(m->lookups, ino);
    if (r < 0)
        reply(req, r);
    else if (fuse_reply_entry(req, &entry) < 0 && lookups_forget(m->lookups, ino, 1))
        volume_release(m->volume, ino);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param none = {.entry_timeout = CACHE_SECONDS};
    uint64_t ino;
    int r = volume_lookup(mount_of(req)->volume, parent, slice_of_text(name), &ino);
    if (r == -ENOENT)
        (void)fuse_reply_entry(req, &none); /* the kernel remembers that there is nothing */
    else if (r < 0)
        reply(req, r);
    else
        entry_reply(req, ino);
}

static void forget(struct mount *m, uint64_t ino, uint64_t count)
{
    if (lookups_forget(m->lookups, ino, count))
        volume_release(m->volume, ino);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    forget(mount_of(req), ino, count);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *all)
{
    for (size_t i = 0; i < count; i++)
        forget(mount_of(req), all[i].ino, all[i].nlookup);
    fuse_reply_none(req);
}

static void attr_reply(fuse_req_t req, uint64_t ino)
{
    struct volume_attr a;
    int r = volume_getattr(mount_of(req)->volume, ino, &a);
    if (r < 0) {
        reply(req, r);
        return;
    }
    struct stat st = stat_of(&a);
    (void)fuse_reply_attr(req, &st, CACHE_SECONDS);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    attr_reply(req, ino);
}

static int64_t now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return time_ns(ts);
}

/* A mode without what a change of contents or owner takes: the set-user-id bit, and set-group-id where
 * the group may execute (elsewhere it is no such bit). */
static uint32_t mode_without_set_id(uint32_t mode)
{
    mode &= ~(uint32_t)S_ISUID;
    return mode & S_IXGRP ? mode & ~(uint32_t)S_ISGID : mode;
}

/* The kernel keeps attributes, and does not expect the mode to change with this request. */
static void mode_changed(struct mount *m, uint64_t ino)
{
    (void)fuse_lowlevel_notify_inval_inode(m->session, ino, -1, 0);
}

static int set_id_remove(struct mount *m, uint64_t ino)
{
    struct volume_attr a;
    int r = volume_getattr(m->volume, ino, &a);
    if (r < 0 || mode_without_set_id(a.mode) == a.mode)
        return r;
    a.mode = mode_without_set_id(a.mode);
    r = volume_setattr(m->volume, ino, VOLUME_ATTR_MODE, &a);
    if (r == 0)
        mode_changed(m, ino);
    return r;
}

/* The bits that go with a chown() or truncate(), in the same change. */
static int set_id_join(struct mount *m, uint64_t ino, unsigned *mask, struct volume_attr *attr)
{
    struct volume_attr a;
    if (!(*mask & VOLUME_ATTR_MODE)) {
        int r = volume_getattr(m->volume, ino, &a);
        if (r < 0)
            return r;
        if (S_ISDIR(a.mode) || mode_without_set_id(a.mode) == a.mode)
            return 0;
        attr->mode = a.mode;
    }
    attr->mode = mode_without_set_id(attr->mode);
    *mask |= VOLUME_ATTR_MODE;
    return 0;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int what,
                       struct fuse_file_info *fi)
{
    static const struct {
        int from;
        unsigned to;
    } rows[] = {
        {FUSE_SET_ATTR_MODE, VOLUME_ATTR_MODE},       {FUSE_SET_ATTR_UID, VOLUME_ATTR_UID},
        {FUSE_SET_ATTR_GID, VOLUME_ATTR_GID},         {FUSE_SET_ATTR_SIZE, VOLUME_ATTR_SIZE},
        {FUSE_SET_ATTR_ATIME, VOLUME_ATTR_ATIME},     {FUSE_SET_ATTR_MTIME, VOLUME_ATTR_MTIME},
        {FUSE_SET_ATTR_ATIME_NOW, VOLUME_ATTR_ATIME}, {FUSE_SET_ATTR_MTIME_NOW, VOLUME_ATTR_MTIME}};
    struct mount *m = mount_of(req);
    struct volume_attr a = {.mode = st->st_mode,
                            .uid = st->st_uid,
                            .gid = st->st_gid,
                            .size = (uint64_t)st->st_size,
                            .atime_ns = time_ns(st->st_atim),
                            .mtime_ns = time_ns(st->st_mtim)};
    unsigned mask = 0;
    (void)fi;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (what & rows[i].from)
            mask |= rows[i].to;
    if (what & FUSE_SET_ATTR_ATIME_NOW)
        a.atime_ns = now_ns();
    if (what & FUSE_SET_ATTR_MTIME_NOW)
        a.mtime_ns = now_ns();
    int r = wire_kills_set_id() ? set_id_join(m, ino, &mask, &a) : 0;
    if (r == 0 && mask)
        r = volume_setattr(m->volume, ino, mask, &a);
    changed(m);
    if (r < 0)
        reply(req, r);
    else
        attr_reply(req, ino);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char text[LINK_SIZE + 1];
    ssize_t n = volume_readlink(mount_of(req)->volume, ino, text, LINK_SIZE);
    if (n < 0) {
        reply(req, (int)n);
        return;
    }
    text[n] = '\0';
    (void)fuse_reply_readlink(req, text);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct volume_stats s;
    (void)ino;
    volume_statfs(mount_of(req)->volume, &s);
    const struct statvfs st = {.f_bsize = 4096,
                               .f_frsize = 4096,
                               .f_blocks = s.size_total / 4096,
                               .f_bfree = s.size_free / 4096,
                               .f_bavail = s.size_free / 4096,
                               .f_files = s.inode_count + s.size_free / 4096,
                               .f_ffree = s.size_free / 4096,
                               .f_favail = s.size_free / 4096,
                               .f_namemax = VOLUME_NAME_MAX};
    (void)fuse_reply_statfs(req, &st);
}

/* --- names --- */

/* Owner and permissions of what is made now: the group may come from the directory. */
static int attr_new(fuse_req_t req, uint64_t parent, mode_t mode, struct volume_attr *ret_attr)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    struct volume_attr dir;
    int r = volume_getattr(mount_of(req)->volume, parent, &dir);
    if (r < 0)
        return r;
    *ret_attr = (struct volume_attr){.mode = mode, .uid = ctx->uid, .gid = ctx->gid};
    if (dir.mode & S_ISGID) {
        ret_attr->gid = dir.gid;
        if (S_ISDIR(mode))
            ret_attr->mode |= S_ISGID;
    }
    return 0;
}

static int make(fuse_req_t req, uint64_t parent, const char *name, mode_t mode, dev_t rdev,
                struct slice target, uint64_t *ret_ino)
{
    struct mount *m = mount_of(req);
    struct volume_attr attr;
    int r = attr_new(req, parent, mode, &attr);
    if (r < 0)
        return r;
    attr.rdev = rdev;
    changed(m);
    return volume_make(m->volume, parent, slice_of_text(name), &attr, target, ret_ino);
}

static void make_reply(fuse_req_t req, uint64_t parent, const char *name, mode_t mode, dev_t rdev,
                       struct slice target)
{
    uint64_t ino;
    int r = make(req, parent, name, mode, rdev, target, &ino);
    if (r < 0)
        reply(req, r);
    else
        entry_reply(req, ino);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    make_reply(req, parent, name, mode, rdev, (struct slice){0});
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    make_reply(req, parent, name, S_IFDIR | (mode & 07777), 0, (struct slice){0});
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    make_reply(req, parent, name, S_IFLNK | 0777, 0, slice_of_text(target));
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    struct mount *m = mount_of(req);
    int r = volume_link(m->volume, ino, parent, slice_of_text(name));
    changed(m);
    if (r < 0)
        reply(req, r);
    else
        entry_reply(req, ino);
}

/* What may lose its last name is held while that happens, and afterwards for as long as the kernel
 * knows it. */
static void hold_settle(struct mount *m, uint64_t ino)
{
    struct volume_attr a;
    if (volume_getattr(m->volume, ino, &a) == 0 && a.nlink == 0 && lookups_keep(m->lookups, ino))
        return;
    volume_release(m->volume, ino);
}

static void name_remove(fuse_req_t req, uint64_t parent, const char *text, bool is_dir)
{
    struct mount *m = mount_of(req);
    struct slice name = slice_of_text(text);
    uint64_t ino;
    int r = volume_lookup(m->volume, parent, name, &ino);
    if (r == 0)
        r = volume_hold(m->volume, ino);
    if (r < 0) {
        reply(req, r);
        return;
    }
    r = is_dir ? volume_rmdir(m->volume, parent, name) : volume_unlink(m->volume, parent, name);
    changed(m);
    hold_settle(m, ino);
    reply(req, r);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    name_remove(req, parent, name, false);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    name_remove(req, parent, name, true);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned flags)
{
    struct mount *m = mount_of(req);
    uint64_t old = 0;
    bool held = volume_lookup(m->volume, new_parent, slice_of_text(new_name), &old) == 0 &&
                volume_hold(m->volume, old) == 0;
    int r = volume_rename(m->volume, parent, slice_of_text(name), new_parent,
                          slice_of_text(new_name), flags);
    changed(m);
    if (held)
        hold_settle(m, old);
    reply(req, r);
}

/* --- directories --- */

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    int r = volume_hold(m->volume, ino);
    if (r < 0) {
        reply(req, r);
        return;
    }
    fi->cache_readdir = 1;
    fi->keep_cache = 1;
    if (fuse_reply_open(req, fi) < 0)
        volume_release(m->volume, ino);
}

struct listing {
    fuse_req_t req;
    uint64_t dir;
    bool plus;
    char *bytes;
    size_t size, done;
};

/* 1: there was no room for it. */
static int listing_add(struct listing *l, const char *name, uint64_t ino, uint8_t type,
                       uint64_t next, bool is_dot)
{
    struct mount *m = mount_of(l->req);
    struct fuse_entry_param entry = {.ino = ino,
                                     .attr = {.st_ino = ino, .st_mode = (mode_t)type << 12}};
    size_t room = l->size - l->done, need;
    if (l->plus && !is_dot && entry_fill(m, ino, &entry) < 0)
        return 0; /* removed meanwhile */
    need =
        l->plus
            ? fuse_add_direntry_plus(l->req, l->bytes + l->done, room, name, &entry, (off_t)next)
            : fuse_add_direntry(l->req, l->bytes + l->done, room, name, &entry.attr, (off_t)next);
    if (need > room)
        return 1;
    if (l->plus && !is_dot) {
        int r = lookups_add(m->lookups, ino);
        if (r < 0)
            return r;
    }
    l->done += need;
    return 0;
}

static int listing_dots(struct listing *l, uint64_t *offset)
{
    uint64_t parent = l->dir;
    int r = 0;
    if (*offset == 0) {
        r = listing_add(l, ".", l->dir, S_IFDIR >> 12, 1, true);
        *offset = 1;
    }
    if (r == 0 && *offset == 1) {
        r = volume_parent(mount_of(l->req)->volume, l->dir, &parent);
        if (r == 0)
            r = listing_add(l, "..", parent, S_IFDIR >> 12, DOTS, true);
        *offset = DOTS;
    }
    return r;
}

static int listing_fill(struct listing *l, uint64_t offset)
{
    struct volume_entry entries[ENTRIES];
    int r = listing_dots(l, &offset), n;
    uint64_t cookie = offset - DOTS;
    while (r == 0 &&
           (n = volume_readdir(mount_of(l->req)->volume, l->dir, cookie, entries, ENTRIES)) != 0) {
        r = n < 0 ? n : 0;
        for (int i = 0; r == 0 && i < n; i++)
            r = listing_add(l, entries[i].name, entries[i].ino, entries[i].type,
                            entries[i].cookie + DOTS, false);
        cookie = n > 0 ? entries[n - 1].cookie : 0;
    }
    return r < 0 && l->done == 0 ? r : 0;
}

static void list(fuse_req_t req, uint64_t ino, size_t size, off_t offset, bool plus)
{
    struct listing l = {.req = req, .dir = ino, .plus = plus};
    l.size = MIN(size, (size_t)REPLY_SIZE_MAX);
    l.bytes = malloc(l.size);
    int r = l.bytes ? listing_fill(&l, (uint64_t)offset) : -ENOMEM;
    if (r < 0)
        reply(req, r);
    else
        (void)fuse_reply_buf(req, l.bytes, l.done);
    free(l.bytes);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, offset, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, offset, true);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    volume_release(mount_of(req)->volume, ino);
    reply(req, 0);
}

static void sync_reply(fuse_req_t req, uint64_t ino, int data_only)
{
    reply(req, volume_sync(mount_of(req)->volume, ino, data_only != 0));
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
    (void)fi;
    sync_reply(req, ino, data_only);
}

/* --- files --- */

/* open(2) with O_TRUNC. */
static int file_empty(struct mount *m, uint64_t ino)
{
    struct volume_attr a = {.size = 0, .mtime_ns = now_ns()};
    unsigned mask = VOLUME_ATTR_SIZE | VOLUME_ATTR_MTIME;
    int r = wire_kills_set_id() ? set_id_join(m, ino, &mask, &a) : 0;
    if (r == 0)
        r = volume_setattr(m->volume, ino, mask, &a);
    if (mask & VOLUME_ATTR_MODE)
        mode_changed(m, ino);
    changed(m);
    return r;
}

static int open_prepare(struct mount *m, uint64_t ino, struct fuse_file_info *fi)
{
    int r = volume_hold(m->volume, ino);
    if (r == 0 && (fi->flags & O_TRUNC)) {
        r = file_empty(m, ino);
        if (r < 0)
            volume_release(m->volume, ino);
    }
    fi->keep_cache = 1;
    return r;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    int r = open_prepare(m, ino, fi);
    if (r < 0)
        reply(req, r);
    else if (fuse_reply_open(req, fi) < 0)
        volume_release(m->volume, ino);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    struct fuse_entry_param entry;
    uint64_t ino;
    int r = make(req, parent, name, S_IFREG | (mode & 07777), 0, (struct slice){0}, &ino);
    if (r == 0)
        r = open_prepare(m, ino, fi);
    if (r < 0) {
        reply(req, r);
        return;
    }
    r = entry_fill(m, ino, &entry);
    if (r == 0)
        r = lookups_add(m->lookups, ino);
    if (r == 0 && fuse_reply_create(req, &entry, fi) == 0)
        return;
    if (r == 0)
        forget(m, ino, 1);
    else
        reply(req, r);
    volume_release(m->volume, ino);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    size = MIN(size, (size_t)REPLY_SIZE_MAX);
    char *bytes = malloc(size);
    (void)fi;
    ssize_t n =
        bytes ? volume_read(mount_of(req)->volume, ino, (uint64_t)offset, bytes, size) : -ENOMEM;
    if (n < 0)
        reply(req, (int)n);
    else
        (void)fuse_reply_buf(req, bytes, (size_t)n);
    free(bytes);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    (void)fi;
    ssize_t n = wire_kills_set_id() ? set_id_remove(m, ino) : 0;
    if (n == 0)
        n = volume_write(m->volume, ino, (uint64_t)offset, bytes, size);
    changed(m);
    if (n < 0)
        reply(req, (int)n);
    else
        (void)fuse_reply_write(req, (size_t)n);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t size,
                         struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    (void)fi;
    /* This request has no flag; who may keep the bits cannot be asked, so only root does. */
    int r = fuse_req_ctx(req)->uid != 0 ? set_id_remove(m, ino) : 0;
    if (r == 0)
        r = volume_allocate(m->volume, ino, mode, (uint64_t)offset, (uint64_t)size);
    changed(m);
    reply(req, r);
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
                     struct fuse_file_info *fi)
{
    uint64_t found;
    (void)fi;
    /* The kernel asks without writing back first: what it holds would look like a hole. Told this,
     * it takes the whole file for data. */
    if (mount_of(req)->writeback) {
        reply(req, -ENOSYS);
        return;
    }
    int r = offset < 0 ? -ENXIO
                       : volume_seek(mount_of(req)->volume, ino, (uint64_t)offset, whence, &found);
    if (r < 0)
        reply(req, r);
    else
        (void)fuse_reply_lseek(req, (off_t)found);
}

/* --- extended attributes --- */

/* Access control lists are not evaluated, so they are not kept either. */
static bool name_unsupported(const char *name)
{
    return strncmp(name, "system.", 7) == 0;
}

static void xattr_reply(fuse_req_t req, char *bytes, ssize_t n, size_t asked)
{
    if (n < 0)
        reply(req, (int)n);
    else if (asked == 0)
        (void)fuse_reply_xattr(req, (size_t)n);
    else
        (void)fuse_reply_buf(req, bytes, (size_t)n);
    free(bytes);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    if (name_unsupported(name)) {
        reply(req, -EOPNOTSUPP);
        return;
    }
    char *bytes = size > 0 ? malloc(MIN(size, (size_t)REPLY_SIZE_MAX)) : NULL;
    ssize_t n = size > 0 && !bytes
                    ? -ENOMEM
                    : volume_getxattr(mount_of(req)->volume, ino, slice_of_text(name), bytes,
                                      MIN(size, (size_t)REPLY_SIZE_MAX));
    xattr_reply(req, bytes, n, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    char *bytes = size > 0 ? malloc(MIN(size, (size_t)REPLY_SIZE_MAX)) : NULL;
    ssize_t n = size > 0 && !bytes ? -ENOMEM
                                   : volume_listxattr(mount_of(req)->volume, ino, bytes,
                                                      MIN(size, (size_t)REPLY_SIZE_MAX));
    xattr_reply(req, bytes, n, size);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    struct mount *m = mount_of(req);
    int r = name_unsupported(name) ? -EOPNOTSUPP
                                   : volume_setxattr(m->volume, ino, slice_of_text(name),
                                                     slice_of(value, size), flags);
    changed(m);
    reply(req, r);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    struct mount *m = mount_of(req);
    int r = name_unsupported(name) ? -EOPNOTSUPP
                                   : volume_removexattr(m->volume, ino, slice_of_text(name));
    changed(m);
    reply(req, r);
}

/* --- greeting --- */

static void want(struct fuse_conn_info *conn, unsigned flag, bool on)
{
    if (on && (conn->capable & flag))
        conn->want |= flag;
    else
        conn->want &= ~flag;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    struct mount *m = userdata;
    want(conn, FUSE_CAP_WRITEBACK_CACHE, m->writeback && !m->read_only);
    want(conn, FUSE_CAP_CACHE_SYMLINKS, true);
    want(conn, FUSE_CAP_PARALLEL_DIROPS, true);
    want(conn, FUSE_CAP_READDIRPLUS_AUTO, true);
    want(conn, FUSE_CAP_HANDLE_KILLPRIV, false); /* its second version, see wire.c */
    /* Requests come in one piece of memory; moving pages about costs more than copying them. */
    want(conn, FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE, false);
    conn->max_write = REPLY_SIZE_MAX;
    conn->max_readahead = REPLY_SIZE_MAX;
    conn->max_background = 64;
    conn->congestion_threshold = 48;
    conn->time_gran = 1;
    mount_ready(m);
}

const struct fuse_lowlevel_ops mount_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .symlink = op_symlink,
    .rename = op_rename,
    .link = op_link,
    .open = op_open,
    .create = op_create,
    .read = op_read,
    .write = op_write,
    .release = op_release,
    .fsync = op_fsync,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_release,
    .fsyncdir = op_fsync,
    .statfs = op_statfs,
    .setxattr = op_setxattr,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .removexattr = op_removexattr,
    .fallocate = op_fallocate,
    .lseek = op_lseek,
};
