/* SPDX-License-Identifier: Apache-2.0 */
/* A volume's files in memory. */
#include "volume/backend.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct mem_file {
    struct mem_file *next;
    uint64_t number;
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

struct mem_backend {
    struct volume_backend backend;
    pthread_mutex_t lock; /* protects files, is_locked */
    struct mem_file *files;
    bool is_locked;
};

static struct mem_backend *mem_of(struct volume_backend *b)
{
    return container_of(b, struct mem_backend, backend);
}

static struct mem_file **file_at(struct mem_backend *m, uint64_t number)
{
    struct mem_file **at = &m->files;
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

static void file_free(struct mem_file *file)
{
    if (file)
        free(file->bytes);
    free(file);
}

static int mem_lock(struct volume_backend *b)
{
    struct mem_backend *m = mem_of(b);
    (void)pthread_mutex_lock(&m->lock);
    int r = m->is_locked ? -EBUSY : 0;
    m->is_locked = true;
    (void)pthread_mutex_unlock(&m->lock);
    return r;
}

static void mem_unlock(struct volume_backend *b)
{
    struct mem_backend *m = mem_of(b);
    (void)pthread_mutex_lock(&m->lock);
    m->is_locked = false;
    (void)pthread_mutex_unlock(&m->lock);
}

/* `each` may not change the set of files. */
static int mem_list(struct volume_backend *b, volume_backend_file_fn *each, void *ctx)
{
    int r = 0;
    for (struct mem_file *file = mem_of(b)->files; file && r == 0; file = file->next)
        r = each(ctx, file->number);
    return r;
}

static int mem_create(struct volume_backend *b, uint64_t number)
{
    struct mem_backend *m = mem_of(b);
    struct mem_file *file = calloc(1, sizeof *file);
    if (!file)
        return -ENOMEM;
    file->number = number;
    (void)pthread_mutex_lock(&m->lock);
    int r = *file_at(m, number) ? -EEXIST : 0;
    if (r == 0) {
        file->next = m->files;
        m->files = file;
    }
    (void)pthread_mutex_unlock(&m->lock);
    if (r < 0)
        free(file);
    return r;
}

static int mem_remove(struct volume_backend *b, uint64_t number)
{
    struct mem_backend *m = mem_of(b);
    (void)pthread_mutex_lock(&m->lock);
    struct mem_file **at = file_at(m, number), *file = *at;
    if (file)
        *at = file->next;
    (void)pthread_mutex_unlock(&m->lock);
    file_free(file);
    return file ? 0 : -ENOENT;
}

static int mem_rename(struct volume_backend *b, uint64_t from, uint64_t to)
{
    struct mem_backend *m = mem_of(b);
    (void)mem_remove(b, to);
    (void)pthread_mutex_lock(&m->lock);
    struct mem_file *file = *file_at(m, from);
    if (file)
        file->number = to;
    (void)pthread_mutex_unlock(&m->lock);
    return file ? 0 : -ENOENT;
}

static ssize_t mem_read(struct volume_backend *b, uint64_t number, uint64_t offset, void *bytes,
                        size_t size)
{
    struct mem_backend *m = mem_of(b);
    ssize_t n = -ENOENT;
    (void)pthread_mutex_lock(&m->lock);
    struct mem_file *file = *file_at(m, number);
    if (file) {
        size_t left = offset < file->size ? file->size - (size_t)offset : 0;
        n = (ssize_t)MIN(size, left);
        if (n > 0)
            memcpy(bytes, file->bytes + offset, (size_t)n);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return n;
}

static int file_extend(struct mem_file *file, size_t size)
{
    if (size > file->capacity) {
        size_t capacity = MAX(size, file->capacity * 2);
        uint8_t *grown = realloc(file->bytes, capacity);
        if (!grown)
            return -ENOSPC;
        file->bytes = grown;
        file->capacity = capacity;
    }
    if (size > file->size) {
        memset(file->bytes + file->size, 0, size - file->size);
        file->size = size;
    }
    return 0;
}

static int mem_write(struct volume_backend *b, uint64_t number, uint64_t offset, const void *bytes,
                     size_t size)
{
    struct mem_backend *m = mem_of(b);
    size_t end;
    if (__builtin_add_overflow(offset, size, &end))
        return -EFBIG;
    (void)pthread_mutex_lock(&m->lock);
    struct mem_file *file = *file_at(m, number);
    int r = file ? file_extend(file, end) : -ENOENT;
    if (r == 0 && size > 0)
        memcpy(file->bytes + offset, bytes, size);
    (void)pthread_mutex_unlock(&m->lock);
    return r;
}

static int mem_reserve(struct volume_backend *b, uint64_t number, uint64_t size)
{
    struct mem_backend *m = mem_of(b);
    (void)pthread_mutex_lock(&m->lock);
    struct mem_file *file = *file_at(m, number);
    int r = file ? file_extend(file, size) : -ENOENT;
    (void)pthread_mutex_unlock(&m->lock);
    return r;
}

static int mem_truncate(struct volume_backend *b, uint64_t number, uint64_t size)
{
    struct mem_backend *m = mem_of(b);
    (void)pthread_mutex_lock(&m->lock);
    struct mem_file *file = *file_at(m, number);
    if (file)
        file->size = (size_t)MIN(size, (uint64_t)file->size);
    (void)pthread_mutex_unlock(&m->lock);
    return file ? 0 : -ENOENT;
}

static int mem_sync(struct volume_backend *b, uint64_t number)
{
    struct mem_backend *m = mem_of(b);
    (void)pthread_mutex_lock(&m->lock);
    int r = *file_at(m, number) ? 0 : -ENOENT;
    (void)pthread_mutex_unlock(&m->lock);
    return r;
}

static int mem_sync_names(struct volume_backend *b)
{
    (void)b;
    return 0;
}

static int mem_size(struct volume_backend *b, uint64_t number, uint64_t *ret_size)
{
    struct mem_backend *m = mem_of(b);
    (void)pthread_mutex_lock(&m->lock);
    struct mem_file *file = *file_at(m, number);
    if (file)
        *ret_size = file->size;
    (void)pthread_mutex_unlock(&m->lock);
    return file ? 0 : -ENOENT;
}

static int mem_space(struct volume_backend *b, uint64_t *ret_free)
{
    (void)b;
    *ret_free = (uint64_t)1 << 40;
    return 0;
}

static void mem_idle(struct volume_backend *b)
{
    (void)b;
}

static const struct volume_backend_ops mem_ops = {
    .lock = mem_lock,
    .unlock = mem_unlock,
    .list = mem_list,
    .create = mem_create,
    .remove = mem_remove,
    .rename = mem_rename,
    .sync_names = mem_sync_names,
    .read = mem_read,
    .write = mem_write,
    .reserve = mem_reserve,
    .truncate = mem_truncate,
    .sync = mem_sync,
    .size = mem_size,
    .space = mem_space,
    .idle = mem_idle,
};

int volume_mem_new(struct volume_backend **ret_backend)
{
    struct mem_backend *m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->backend.ops = &mem_ops;
    (void)pthread_mutex_init(&m->lock, NULL);
    *ret_backend = &m->backend;
    return 0;
}

void volume_mem_free(struct volume_backend *backend)
{
    if (!backend)
        return;
    struct mem_backend *m = mem_of(backend);
    while (m->files) {
        struct mem_file *file = m->files;
        m->files = file->next;
        file_free(file);
    }
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}
