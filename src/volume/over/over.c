/* SPDX-License-Identifier: Apache-2.0 */
/* A directory that is only read, under changes that are kept in memory and go with the process. What an
 * opening writes (its segment, the superblock) is new; of old segments it only removes some, so nothing
 * large is ever copied up. */
#include "base/macros.h"
#include "volume/backend.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { COPY_UP_MAX = 64 << 10 };
#define WRITTEN_MAX ((uint64_t)1 << 30)

struct over_backend {
    struct volume_backend backend;
    struct volume_backend *lower, *upper;
    pthread_mutex_t lock; /* protects all below, and which of the two has a file */
    uint64_t *gone;       /* of the lower ones: removed, or replaced in the upper */
    size_t gone_count, gone_max;
    uint64_t written; /* bytes given to the upper */
};

static struct over_backend *over_of(struct volume_backend *b)
{
    return container_of(b, struct over_backend, backend);
}

static bool is_gone(const struct over_backend *o, uint64_t file)
{
    for (size_t i = 0; i < o->gone_count; i++)
        if (o->gone[i] == file)
            return true;
    return false;
}

static int gone_add(struct over_backend *o, uint64_t file)
{
    if (is_gone(o, file))
        return 0;
    if (o->gone_count == o->gone_max) {
        size_t max = 2 * o->gone_max + 16;
        uint64_t *grown = realloc(o->gone, max * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        o->gone = grown;
        o->gone_max = max;
    }
    o->gone[o->gone_count++] = file;
    return 0;
}

static bool in_upper(struct over_backend *o, uint64_t file)
{
    uint64_t size;
    return o->upper->ops->size(o->upper, file, &size) == 0;
}

/* The one that has it. */
static struct volume_backend *place_of(struct over_backend *o, uint64_t file)
{
    (void)pthread_mutex_lock(&o->lock);
    struct volume_backend *place = in_upper(o, file) || is_gone(o, file) ? o->upper : o->lower;
    (void)pthread_mutex_unlock(&o->lock);
    return place;
}

static int over_lock(struct volume_backend *b)
{
    struct over_backend *o = over_of(b);
    return o->lower->ops->lock(o->lower);
}

static void over_unlock(struct volume_backend *b)
{
    struct over_backend *o = over_of(b);
    o->lower->ops->unlock(o->lower);
}

struct listing {
    struct over_backend *over;
    volume_backend_file_fn *each;
    void *ctx;
};

static int lower_each(void *ctx, uint64_t file)
{
    struct listing *listing = ctx;
    (void)pthread_mutex_lock(&listing->over->lock);
    bool hidden = is_gone(listing->over, file);
    (void)pthread_mutex_unlock(&listing->over->lock);
    return hidden ? 0 : listing->each(listing->ctx, file);
}

static int over_list(struct volume_backend *b, volume_backend_file_fn *each, void *ctx)
{
    struct over_backend *o = over_of(b);
    struct listing listing = {o, each, ctx};
    int r = o->lower->ops->list(o->lower, lower_each, &listing);
    return r == 0 ? o->upper->ops->list(o->upper, each, ctx) : r;
}

static int over_create(struct volume_backend *b, uint64_t file)
{
    struct over_backend *o = over_of(b);
    uint64_t size;
    (void)pthread_mutex_lock(&o->lock);
    bool below = !is_gone(o, file) && o->lower->ops->size(o->lower, file, &size) == 0;
    int r = below ? -EEXIST : o->upper->ops->create(o->upper, file);
    (void)pthread_mutex_unlock(&o->lock);
    return r;
}

static int over_remove(struct volume_backend *b, uint64_t file)
{
    struct over_backend *o = over_of(b);
    uint64_t size;
    (void)pthread_mutex_lock(&o->lock);
    int r = -ENOENT;
    if (in_upper(o, file))
        r = o->upper->ops->remove(o->upper, file);
    else if (!is_gone(o, file))
        r = o->lower->ops->size(o->lower, file, &size);
    if (r == 0)
        r = gone_add(o, file);
    (void)pthread_mutex_unlock(&o->lock);
    return r;
}

/* Of a file below the name alone matters: it is a segment without life, to be written anew. */
static int over_rename(struct volume_backend *b, uint64_t from, uint64_t to)
{
    struct over_backend *o = over_of(b);
    uint64_t size = 0;
    if (from == VOLUME_SUPERBLOCK_FILE || to == VOLUME_SUPERBLOCK_FILE)
        return -EPERM;
    (void)pthread_mutex_lock(&o->lock);
    bool above = in_upper(o, from);
    int r = above ? 0 : is_gone(o, from) ? -ENOENT : o->lower->ops->size(o->lower, from, &size);
    if (r == 0 && size > WRITTEN_MAX - o->written)
        r = -ENOSPC;
    if (r == 0)
        r = gone_add(o, from);
    if (r == 0)
        r = gone_add(o, to);
    if (r == 0 && above)
        r = o->upper->ops->rename(o->upper, from, to);
    if (r == 0 && !above) {
        (void)o->upper->ops->remove(o->upper, to);
        o->written += size;
        r = o->upper->ops->create(o->upper, to);
        if (r == 0)
            r = o->upper->ops->reserve(o->upper, to, size);
    }
    (void)pthread_mutex_unlock(&o->lock);
    return r;
}

static int over_sync_names(struct volume_backend *b)
{
    (void)b;
    return 0;
}

static ssize_t over_read(struct volume_backend *b, uint64_t file, uint64_t offset, void *bytes,
                         size_t size)
{
    struct volume_backend *place = place_of(over_of(b), file);
    return place->ops->read(place, file, offset, bytes, size);
}

/* With the lock. */
static int copy_up(struct over_backend *o, uint64_t file)
{
    uint64_t size;
    if (in_upper(o, file))
        return 0;
    int r = is_gone(o, file) ? -ENOENT : o->lower->ops->size(o->lower, file, &size);
    if (r == 0 && size > COPY_UP_MAX)
        r = -EROFS;
    if (r < 0)
        return r;
    uint8_t *bytes = malloc(size + 1);
    ssize_t n = bytes ? o->lower->ops->read(o->lower, file, 0, bytes, size) : -ENOMEM;
    r = n < 0 ? (int)n : gone_add(o, file);
    if (r == 0)
        r = o->upper->ops->create(o->upper, file);
    if (r == 0)
        r = o->upper->ops->write(o->upper, file, 0, bytes, (size_t)n);
    free(bytes);
    return r;
}

static int over_write(struct volume_backend *b, uint64_t file, uint64_t offset, const void *bytes,
                      size_t size)
{
    struct over_backend *o = over_of(b);
    (void)pthread_mutex_lock(&o->lock);
    int r = size > WRITTEN_MAX - o->written ? -ENOSPC : copy_up(o, file);
    if (r == 0) {
        o->written += size;
        r = o->upper->ops->write(o->upper, file, offset, bytes, size);
    }
    (void)pthread_mutex_unlock(&o->lock);
    return r;
}

static int over_reserve(struct volume_backend *b, uint64_t file, uint64_t size)
{
    (void)b;
    (void)file;
    return size > WRITTEN_MAX ? -ENOSPC : -EOPNOTSUPP;
}

/* Nobody needs what lies after `size`: below it may stay. */
static int over_truncate(struct volume_backend *b, uint64_t file, uint64_t size)
{
    struct over_backend *o = over_of(b);
    struct volume_backend *place = place_of(o, file);
    return place == o->upper ? place->ops->truncate(place, file, size) : 0;
}

static int over_sync(struct volume_backend *b, uint64_t file)
{
    uint64_t size;
    struct volume_backend *place = place_of(over_of(b), file);
    return place->ops->size(place, file, &size);
}

static int over_size(struct volume_backend *b, uint64_t file, uint64_t *ret_size)
{
    struct volume_backend *place = place_of(over_of(b), file);
    return place->ops->size(place, file, ret_size);
}

static int over_space(struct volume_backend *b, uint64_t *ret_free)
{
    struct over_backend *o = over_of(b);
    (void)pthread_mutex_lock(&o->lock);
    *ret_free = WRITTEN_MAX - o->written;
    (void)pthread_mutex_unlock(&o->lock);
    return 0;
}

static void over_idle(struct volume_backend *b)
{
    struct over_backend *o = over_of(b);
    o->lower->ops->idle(o->lower);
}

static const struct volume_backend_ops over_ops = {
    .lock = over_lock,
    .unlock = over_unlock,
    .list = over_list,
    .create = over_create,
    .remove = over_remove,
    .rename = over_rename,
    .sync_names = over_sync_names,
    .read = over_read,
    .write = over_write,
    .reserve = over_reserve,
    .truncate = over_truncate,
    .sync = over_sync,
    .size = over_size,
    .space = over_space,
    .idle = over_idle,
};

static void over_free(struct volume_backend *backend)
{
    struct over_backend *o = over_of(backend);
    volume_dir_close(o->lower);
    volume_mem_free(o->upper);
    (void)pthread_mutex_destroy(&o->lock);
    free(o->gone);
    free(o);
}

int volume_over_open(const char *path, struct volume_backend **ret_backend)
{
    struct over_backend *o = calloc(1, sizeof *o);
    if (!o)
        return -ENOMEM;
    o->backend.ops = &over_ops;
    (void)pthread_mutex_init(&o->lock, NULL);
    int r = volume_dir_open_read_only(path, &o->lower);
    if (r == 0)
        r = volume_mem_new(&o->upper);
    if (r < 0) {
        over_free(&o->backend);
        return r;
    }
    *ret_backend = &o->backend;
    return 0;
}

void volume_over_close(struct volume_backend *backend)
{
    if (backend)
        over_free(backend);
}
