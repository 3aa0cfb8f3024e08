/* SPDX-License-Identifier: Apache-2.0 */
/* A path inside one volume, as far as it goes without leaving it: to its end, to a symbolic link
 * (whose text the caller puts in front of the rest), to ".." out of the root, or to another mount.
 * One request for the whole walk, so that a client of the volume server pays for one trip. */
#include "runtime/vfs/owner.h"
#include "runtime/vfs/permission.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct walk {
    struct owner *owner;
    struct volume *volume;
    struct request *rq;
    const char *path;
    uint32_t size, at;
    struct volume_attr attr; /* of `ino`, where the walk stands */
    uint64_t dir, ino;
    uint64_t floor; /* ".." from here leaves as well; 0: nowhere */
};

static void skip_slashes(struct walk *w)
{
    while (w->at < w->size && w->path[w->at] == '/')
        w->at++;
}

static struct slice next_name(struct walk *w)
{
    uint32_t start = w->at;
    while (w->at < w->size && w->path[w->at] != '/')
        w->at++;
    return slice_of(w->path + start, w->at - start);
}

static bool mount_begins(const struct walk *w, struct slice name)
{
    for (unsigned i = 0; i < w->owner->mount_count; i++) {
        const struct owner_mount *mount = &w->owner->mounts[i];
        if (mount->volume == w->rq->volume && mount->dir == w->ino &&
            slice_is_text(name, mount->name)) {
            w->rq->more = mount->mount;
            return true;
        }
    }
    return false;
}

static int64_t stop(struct walk *w, enum walk_status status)
{
    w->rq->consumed = w->at;
    return status;
}

static int64_t finish(struct walk *w)
{
    w->rq->dir = w->dir;
    w->rq->ino = w->ino;
    w->rq->attr = w->attr;
    if (w->ino != 0)
        owner_publish_found(w->owner, w->rq->volume, w->ino);
    return stop(w, WALK_DONE);
}

static int64_t step_up(struct walk *w, bool *ret_left)
{
    w->rq->last = WALK_LAST_DOTDOT;
    *ret_left = w->ino == VOLUME_ROOT_INO || w->ino == w->floor;
    if (*ret_left)
        return stop(w, WALK_UP);
    int r = volume_parent(w->volume, w->ino, &w->ino);
    if (r == 0)
        r = volume_getattr(w->volume, w->ino, &w->attr);
    w->dir = w->ino;
    return r;
}

/* Goes down one name. `*ret_stopped` when the result is the walk's. */
static int64_t step_down(struct walk *w, struct slice name, bool is_last, bool *ret_stopped)
{
    struct request *rq = w->rq;
    *ret_stopped = true;
    if (name.size > VOLUME_NAME_MAX)
        return -ENAMETOOLONG;
    rq->last = WALK_LAST_NAME;
    rq->name_at = (uint32_t)((const char *)name.bytes - w->path);
    rq->name_size = (uint32_t)name.size;
    w->dir = w->ino;
    if (w->owner->mount_count > 0 && mount_begins(w, name)) {
        rq->dir = w->dir;
        return stop(w, WALK_MOUNT);
    }
    uint64_t ino;
    int r = volume_lookup(w->volume, w->dir, name, &ino);
    if (r == -ENOENT && is_last) {
        w->ino = 0;
        w->attr = (struct volume_attr){0};
        return finish(w);
    }
    struct volume_attr attr;
    if (r == 0)
        r = volume_getattr(w->volume, ino, &attr);
    if (r < 0)
        return r;
    bool trailing = is_last && w->at < w->size && !(rq->flags & REQUEST_NO_FOLLOW_EVER);
    if (S_ISLNK(attr.mode) && (!is_last || trailing || (rq->flags & REQUEST_FOLLOW))) {
        ssize_t n = volume_readlink(w->volume, ino, rq->out, rq->out_size);
        if (n < 0)
            return n;
        if ((size_t)n >= rq->out_size)
            return -ENAMETOOLONG;
        rq->dir = w->dir;
        rq->size = (uint64_t)n;
        return stop(w, WALK_LINK);
    }
    w->ino = ino;
    w->attr = attr;
    *ret_stopped = false;
    return 0;
}

static bool only_slashes_left(const struct walk *w)
{
    uint32_t at = w->at;
    while (at < w->size && w->path[at] == '/')
        at++;
    return at == w->size;
}

int64_t owner_walk(struct owner *owner, struct request *rq)
{
    struct walk w = {.owner = owner, .rq = rq, .path = (const char *)rq->in.bytes, .ino = rq->ino};
    w.floor = rq->more;
    if (rq->in.size > REQUEST_TEXT_MAX)
        return -ENAMETOOLONG;
    w.size = (uint32_t)rq->in.size;
    int r = owner_volume(owner, rq->volume, &w.volume);
    if (r == 0)
        r = volume_getattr(w.volume, w.ino, &w.attr);
    if (r < 0)
        return r;
    rq->last = WALK_LAST_NONE;
    rq->name_size = 0;
    w.dir = w.ino;
    for (skip_slashes(&w); w.at < w.size; skip_slashes(&w)) {
        if (!S_ISDIR(w.attr.mode))
            return -ENOTDIR;
        r = rq->creds ? permission_check(&w.attr, rq->creds, PERMISSION_EXECUTE) : 0;
        if (r < 0)
            return r;
        struct slice name = next_name(&w);
        bool stopped = false;
        int64_t result = 0;
        if (slice_is_text(name, "."))
            rq->last = WALK_LAST_DOT;
        else if (slice_is_text(name, ".."))
            result = step_up(&w, &stopped);
        else
            result = step_down(&w, name, only_slashes_left(&w), &stopped);
        if (stopped || result < 0)
            return result;
    }
    return finish(&w);
}

/* Finds the name of `ino` in `dir`; into `name`, NUL-terminated. */
static int name_of(struct volume *volume, uint64_t dir, uint64_t ino,
                   char name[VOLUME_NAME_MAX + 1])
{
    struct volume_entry entries[8];
    uint64_t cookie = 0;
    for (;;) {
        int n = volume_readdir(volume, dir, cookie, entries, ARRAY_COUNT(entries));
        if (n < 0)
            return n;
        if (n == 0)
            return -ENOENT;
        for (int i = 0; i < n; i++) {
            if (entries[i].ino != ino)
                continue;
            memcpy(name, entries[i].name, entries[i].name_len);
            name[entries[i].name_len] = '\0';
            return 0;
        }
        cookie = entries[n - 1].cookie;
    }
}

/* Written from the end of `out` to the front, then moved: "/a/b", or "" for the root. */
int64_t owner_path(struct owner *owner, struct request *rq)
{
    struct volume *volume;
    int r = owner_volume(owner, rq->volume, &volume);
    if (r < 0)
        return r;
    char *out = rq->out;
    size_t at = rq->out_size;
    uint64_t ino = rq->ino;
    while (ino != VOLUME_ROOT_INO) {
        uint64_t dir;
        char name[VOLUME_NAME_MAX + 1];
        r = volume_parent(volume, ino, &dir);
        if (r == 0)
            r = name_of(volume, dir, ino, name);
        if (r < 0)
            return r;
        size_t size = strlen(name) + 1;
        if (size > at)
            return -ENAMETOOLONG;
        at -= size;
        out[at] = '/';
        memcpy(out + at + 1, name, size - 1);
        ino = dir;
    }
    size_t size = rq->out_size - at;
    memmove(out, out + at, size);
    return (int64_t)size;
}
