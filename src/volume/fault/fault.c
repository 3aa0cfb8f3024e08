/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/fault/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, KINDS = FAULT_RESERVE + 1, PIECES_MAX = 62 };

struct entry {
    enum fault_op op;
    uint64_t file;  /* by the name it has now */
    uint64_t inode; /* which file it is, whatever its name */
    uint64_t to;    /* FAULT_RENAME; FAULT_RESERVE: the size */
    uint64_t offset;
    size_t size;
    uint8_t *bytes;
};

struct failure {
    unsigned skip;
    int error;
    bool always;
};

struct fault_backend {
    struct volume_backend backend;
    struct volume_backend *mem; /* what a running host shows */
    struct entry *entries;
    size_t count, capacity;
    uint64_t inodes;
    struct failure failures[KINDS];
    uint64_t size_max;
};

static struct fault_backend *fault_of(const struct volume_backend *b)
{
    return container_of(b, struct fault_backend, backend);
}

/* --- the journal --- */

static uint64_t inode_of(const struct fault_backend *f, size_t count, uint64_t file)
{
    for (size_t i = count; i-- > 0;) {
        const struct entry *e = &f->entries[i];
        if (e->op == FAULT_CREATE && e->file == file)
            return e->inode;
        if (e->op == FAULT_RENAME && e->to == file)
            return e->inode;
    }
    return 0;
}

static int entry_add(struct fault_backend *f, struct entry entry, const void *bytes)
{
    if (f->count == f->capacity) {
        size_t capacity = f->capacity ? f->capacity * 2 : 64;
        struct entry *grown = realloc(f->entries, capacity * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        f->entries = grown;
        f->capacity = capacity;
    }
    if (bytes) {
        entry.bytes = malloc(entry.size ? entry.size : 1);
        if (!entry.bytes)
            return -ENOMEM;
        memcpy(entry.bytes, bytes, entry.size);
    }
    entry.inode = entry.op == FAULT_CREATE ? ++f->inodes : inode_of(f, f->count, entry.file);
    f->entries[f->count++] = entry;
    return 0;
}

static int failure_due(struct fault_backend *f, enum fault_op op)
{
    struct failure *failure = &f->failures[op];
    if (failure->error == 0)
        return 0;
    if (failure->skip > 0) {
        failure->skip--;
        return 0;
    }
    int error = failure->error;
    if (!failure->always)
        failure->error = 0;
    return error;
}

struct size_sum {
    struct volume_backend *mem;
    uint64_t size;
};

static int size_add(void *ctx, uint64_t file)
{
    struct size_sum *sum = ctx;
    uint64_t size = 0;
    int r = sum->mem->ops->size(sum->mem, file, &size);
    sum->size += size;
    return r;
}

/* -ENOSPC if `file` may not have `size` bytes. */
static int space_check(struct fault_backend *f, uint64_t file, uint64_t size)
{
    struct size_sum sum = {.mem = f->mem};
    uint64_t old = 0;
    if (f->size_max == 0)
        return 0;
    int r = f->mem->ops->list(f->mem, size_add, &sum);
    if (r == 0)
        r = f->mem->ops->size(f->mem, file, &old);
    if (r < 0)
        return r;
    return size > old && sum.size + (size - old) > f->size_max ? -ENOSPC : 0;
}

/* --- the functions of a backend --- */

static int fault_lock(struct volume_backend *b)
{
    return fault_of(b)->mem->ops->lock(fault_of(b)->mem);
}

static void fault_unlock(struct volume_backend *b)
{
    fault_of(b)->mem->ops->unlock(fault_of(b)->mem);
}

static int fault_list(struct volume_backend *b, volume_backend_file_fn *each, void *ctx)
{
    return fault_of(b)->mem->ops->list(fault_of(b)->mem, each, ctx);
}

static int fault_create(struct volume_backend *b, uint64_t file)
{
    struct fault_backend *f = fault_of(b);
    int r = failure_due(f, FAULT_CREATE);
    if (r == 0)
        r = f->mem->ops->create(f->mem, file);
    return r < 0 ? r : entry_add(f, (struct entry){.op = FAULT_CREATE, .file = file}, NULL);
}

static int fault_remove(struct volume_backend *b, uint64_t file)
{
    struct fault_backend *f = fault_of(b);
    int r = failure_due(f, FAULT_REMOVE);
    if (r == 0)
        r = entry_add(f, (struct entry){.op = FAULT_REMOVE, .file = file}, NULL);
    return r < 0 ? r : f->mem->ops->remove(f->mem, file);
}

static int fault_rename(struct volume_backend *b, uint64_t from, uint64_t to)
{
    struct fault_backend *f = fault_of(b);
    int r = failure_due(f, FAULT_RENAME);
    if (r == 0)
        r = entry_add(f, (struct entry){.op = FAULT_RENAME, .file = from, .to = to}, NULL);
    return r < 0 ? r : f->mem->ops->rename(f->mem, from, to);
}

static int fault_sync_names(struct volume_backend *b)
{
    struct fault_backend *f = fault_of(b);
    int r = failure_due(f, FAULT_SYNC_NAMES);
    return r < 0 ? r : entry_add(f, (struct entry){.op = FAULT_SYNC_NAMES}, NULL);
}

static ssize_t fault_read(struct volume_backend *b, uint64_t file, uint64_t offset, void *bytes,
                          size_t size)
{
    return fault_of(b)->mem->ops->read(fault_of(b)->mem, file, offset, bytes, size);
}

static int fault_write(struct volume_backend *b, uint64_t file, uint64_t offset, const void *bytes,
                       size_t size)
{
    struct fault_backend *f = fault_of(b);
    int failure = failure_due(f, FAULT_WRITE);
    if (failure < 0)
        size /= 2;
    int r = space_check(f, file, offset + size);
    if (r < 0)
        return r;
    r = entry_add(
        f, (struct entry){.op = FAULT_WRITE, .file = file, .offset = offset, .size = size}, bytes);
    if (r == 0)
        r = f->mem->ops->write(f->mem, file, offset, bytes, size);
    return failure < 0 ? failure : r;
}

static int fault_reserve(struct volume_backend *b, uint64_t file, uint64_t size)
{
    struct fault_backend *f = fault_of(b);
    int r = failure_due(f, FAULT_RESERVE);
    if (r == 0)
        r = space_check(f, file, size);
    if (r == 0)
        r = entry_add(f, (struct entry){.op = FAULT_RESERVE, .file = file, .to = size}, NULL);
    return r < 0 ? r : f->mem->ops->reserve(f->mem, file, size);
}

/* Not in the journal: only space that holds nothing is ever cut. */
static int fault_truncate(struct volume_backend *b, uint64_t file, uint64_t size)
{
    return fault_of(b)->mem->ops->truncate(fault_of(b)->mem, file, size);
}

static int fault_sync(struct volume_backend *b, uint64_t file)
{
    struct fault_backend *f = fault_of(b);
    int r = failure_due(f, FAULT_SYNC);
    return r < 0 ? r : entry_add(f, (struct entry){.op = FAULT_SYNC, .file = file}, NULL);
}

static int fault_size(struct volume_backend *b, uint64_t file, uint64_t *ret_size)
{
    return fault_of(b)->mem->ops->size(fault_of(b)->mem, file, ret_size);
}

static int fault_space(struct volume_backend *b, uint64_t *ret_free)
{
    return fault_of(b)->mem->ops->space(fault_of(b)->mem, ret_free);
}

static void fault_idle(struct volume_backend *b)
{
    (void)b;
}

static const struct volume_backend_ops fault_ops = {
    .lock = fault_lock,
    .unlock = fault_unlock,
    .list = fault_list,
    .create = fault_create,
    .remove = fault_remove,
    .rename = fault_rename,
    .sync_names = fault_sync_names,
    .read = fault_read,
    .write = fault_write,
    .reserve = fault_reserve,
    .truncate = fault_truncate,
    .sync = fault_sync,
    .size = fault_size,
    .space = fault_space,
    .idle = fault_idle,
};

int volume_fault_new(struct volume_backend **ret_backend)
{
    struct fault_backend *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    int r = volume_mem_new(&f->mem);
    if (r < 0) {
        free(f);
        return r;
    }
    f->backend.ops = &fault_ops;
    *ret_backend = &f->backend;
    return 0;
}

void volume_fault_free(struct volume_backend *backend)
{
    if (!backend)
        return;
    struct fault_backend *f = fault_of(backend);
    for (size_t i = 0; i < f->count; i++)
        free(f->entries[i].bytes);
    free(f->entries);
    volume_mem_free(f->mem);
    free(f);
}

size_t volume_fault_count(const struct volume_backend *backend)
{
    return fault_of(backend)->count;
}

void volume_fault_fail(struct volume_backend *backend, enum fault_op op, unsigned skip, int error,
                       bool always)
{
    fault_of(backend)->failures[op] = (struct failure){skip, error, always};
}

void volume_fault_space(struct volume_backend *backend, uint64_t size_max)
{
    fault_of(backend)->size_max = size_max;
}

/* --- images of a crash --- */

struct image {
    const struct fault_backend *f;
    size_t count;
    enum fault_tail tail;
    uint64_t random;
    struct volume_backend *mem;
};

static uint64_t image_random(struct image *image)
{
    uint64_t z = image->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static bool is_name_op(const struct entry *e)
{
    return e->op == FAULT_CREATE || e->op == FAULT_REMOVE || e->op == FAULT_RENAME;
}

/* Up to where changes of names are on the disk. */
static size_t names_end(struct image *image)
{
    size_t sure = 0;
    for (size_t i = 0; i < image->count; i++)
        if (image->f->entries[i].op == FAULT_SYNC_NAMES)
            sure = i;
    if (image->tail == FAULT_TAIL_KEPT)
        return image->count;
    if (image->tail == FAULT_TAIL_LOST)
        return sure;
    return sure + (size_t)(image_random(image) % (image->count - sure + 1));
}

/* What the file is called at the end; 0 and false if it has no name. */
static bool name_at_end(const struct image *image, size_t names, uint64_t inode, uint64_t *ret_file)
{
    bool named = false;
    for (size_t i = 0; i < names; i++) {
        const struct entry *e = &image->f->entries[i];
        if (!is_name_op(e))
            continue;
        if (e->inode == inode) {
            named = e->op != FAULT_REMOVE;
            *ret_file = e->op == FAULT_RENAME ? e->to : e->file;
        } else if (named && e->op == FAULT_RENAME && e->to == *ret_file) {
            named = false; /* replaced */
        }
    }
    return named;
}

static bool is_synced(const struct image *image, size_t at)
{
    for (size_t i = at + 1; i < image->count; i++)
        if (image->f->entries[i].op == FAULT_SYNC &&
            image->f->entries[i].inode == image->f->entries[at].inode)
            return true;
    return false;
}

static int write_sectors(struct image *image, uint64_t file, const struct entry *e)
{
    int r = 0;
    for (size_t at = 0; r == 0 && at < e->size;) {
        size_t n = MIN(e->size - at, SECTOR - (size_t)((e->offset + at) % SECTOR));
        if (image_random(image) & 1)
            r = image->mem->ops->write(image->mem, file, e->offset + at, e->bytes + at, n);
        at += n;
    }
    return r;
}

static int image_write(struct image *image, size_t at, uint64_t file)
{
    const struct entry *e = &image->f->entries[at];
    struct volume_backend *mem = image->mem;
    if (is_synced(image, at) || image->tail == FAULT_TAIL_KEPT)
        return mem->ops->write(mem, file, e->offset, e->bytes, e->size);
    if (image->tail == FAULT_TAIL_LOST)
        return 0;
    switch (image_random(image) % 3) {
    case 0:
        return 0;
    case 1:
        return write_sectors(image, file, e);
    default:
        return mem->ops->write(mem, file, e->offset, e->bytes, e->size);
    }
}

static int image_fill(struct image *image)
{
    size_t names = names_end(image);
    for (size_t i = 0; i < image->count; i++) {
        const struct entry *e = &image->f->entries[i];
        uint64_t file = 0;
        int r = 0;
        if (!name_at_end(image, names, e->inode, &file))
            continue;
        if (e->op == FAULT_CREATE)
            r = image->mem->ops->create(image->mem, file);
        else if (e->op == FAULT_WRITE)
            r = image_write(image, i, file);
        else if (e->op == FAULT_RESERVE && is_synced(image, i))
            r = image->mem->ops->reserve(image->mem, file, e->to);
        if (r < 0)
            return r;
    }
    return 0;
}

int volume_fault_image(const struct volume_backend *backend, size_t count, enum fault_tail tail,
                       uint64_t seed, struct volume_backend **ret_mem)
{
    const struct fault_backend *f = fault_of(backend);
    struct image image = {.f = f, .count = MIN(count, f->count), .tail = tail, .random = seed};
    int r = volume_mem_new(&image.mem);
    if (r == 0)
        r = image_fill(&image);
    if (r < 0) {
        volume_mem_free(image.mem);
        return r;
    }
    *ret_mem = image.mem;
    return 0;
}

/* --- all images of a crash --- */

/* What may be on the disk or not: some sectors of a write. */
struct piece {
    size_t entry;
    uint64_t offset;
    size_t size; /* 0: all of the write that changes nothing but the file's size */
};

struct choices {
    struct image image;
    struct piece *pieces;
    size_t count, capacity;
    size_t names[64]; /* where the names may end */
    size_t name_count;
};

bool volume_fault_syncs(const struct volume_backend *backend, size_t at)
{
    const struct fault_backend *f = fault_of(backend);
    return at >= f->count || f->entries[at].op == FAULT_SYNC ||
           f->entries[at].op == FAULT_SYNC_NAMES;
}

size_t volume_fault_count_of(const struct volume_backend *backend, enum fault_op op)
{
    const struct fault_backend *f = fault_of(backend);
    size_t count = 0;
    for (size_t i = 0; i < f->count; i++)
        count += f->entries[i].op == op;
    return count;
}

static int names_list(struct choices *c)
{
    size_t sure = 0;
    for (size_t i = 0; i < c->image.count; i++)
        if (c->image.f->entries[i].op == FAULT_SYNC_NAMES)
            sure = i;
    c->names[c->name_count++] = sure;
    for (size_t i = sure; i < c->image.count; i++) {
        if (!is_name_op(&c->image.f->entries[i]))
            continue;
        if (c->name_count == ARRAY_COUNT(c->names))
            return -E2BIG;
        c->names[c->name_count++] = i + 1;
    }
    return 0;
}

static int piece_add(struct choices *c, struct piece piece)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 64;
        struct piece *grown = realloc(c->pieces, capacity * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        c->pieces = grown;
        c->capacity = capacity;
    }
    c->pieces[c->count++] = piece;
    return 0;
}

/* Is there a piece before entry `end` that changes bytes of this sector? */
static bool is_touched(const struct choices *c, size_t end, uint64_t sector)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct piece *p = &c->pieces[i];
        if (p->entry < end && p->size > 0 && p->offset / SECTOR == sector &&
            c->image.f->entries[p->entry].inode == c->image.f->entries[end].inode)
            return true;
    }
    return false;
}

/* `disk` has what is surely there, each file under the number of its inode. */
static int write_split(struct choices *c, struct volume_backend *disk, size_t at)
{
    const struct entry *e = &c->image.f->entries[at];
    uint64_t size = 0;
    int r = disk->ops->size(disk, e->inode, &size);
    bool grows = false;
    for (size_t done = 0; r == 0 && done < e->size;) {
        uint64_t offset = e->offset + done;
        size_t n = MIN(e->size - done, SECTOR - (size_t)(offset % SECTOR));
        uint8_t old[SECTOR] = {0};
        ssize_t got = disk->ops->read(disk, e->inode, offset, old, n);
        if (got < 0)
            return (int)got;
        if (memcmp(old, e->bytes + done, n) != 0 || is_touched(c, at, offset / SECTOR))
            r = piece_add(c, (struct piece){at, offset, n});
        else if (offset + n > size)
            grows = true;
        done += n;
    }
    return r == 0 && grows ? piece_add(c, (struct piece){.entry = at}) : r;
}

static int pieces_list(struct choices *c)
{
    const struct fault_backend *f = c->image.f;
    struct volume_backend *disk;
    int r = volume_mem_new(&disk);
    for (size_t i = 0; r == 0 && i < c->image.count; i++) {
        const struct entry *e = &f->entries[i];
        if (e->op == FAULT_CREATE)
            r = disk->ops->create(disk, e->inode);
        else if (e->op == FAULT_WRITE && is_synced(&c->image, i))
            r = disk->ops->write(disk, e->inode, e->offset, e->bytes, e->size);
        else if (e->op == FAULT_RESERVE && is_synced(&c->image, i))
            r = disk->ops->reserve(disk, e->inode, e->to);
    }
    for (size_t i = 0; r == 0 && i < c->image.count; i++)
        if (f->entries[i].op == FAULT_WRITE && !is_synced(&c->image, i))
            r = write_split(c, disk, i);
    volume_mem_free(disk);
    return r;
}

static bool is_chosen(struct choices *c, uint64_t bits, size_t piece)
{
    return piece < PIECES_MAX ? bits >> piece & 1 : image_random(&c->image) & 1;
}

/* The sectors of write `at` that are there. What changes nothing is written where its piece is chosen. */
static int choice_write(struct choices *c, uint64_t bits, size_t at, uint64_t file)
{
    const struct entry *e = &c->image.f->entries[at];
    struct volume_backend *mem = c->image.mem;
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->count; i++) {
        const struct piece *p = &c->pieces[i];
        if (p->entry != at || !is_chosen(c, bits, i))
            continue;
        if (p->size == 0)
            r = mem->ops->reserve(mem, file, e->offset + e->size);
        else
            r = mem->ops->write(mem, file, p->offset, e->bytes + (p->offset - e->offset), p->size);
    }
    return r;
}

static int choice_fill(struct choices *c, size_t names, uint64_t bits)
{
    struct volume_backend *mem = c->image.mem;
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->image.count; i++) {
        const struct entry *e = &c->image.f->entries[i];
        uint64_t file = 0;
        if (!name_at_end(&c->image, names, e->inode, &file))
            continue;
        if (e->op == FAULT_CREATE)
            r = mem->ops->create(mem, file);
        else if (e->op == FAULT_WRITE && is_synced(&c->image, i))
            r = mem->ops->write(mem, file, e->offset, e->bytes, e->size);
        else if (e->op == FAULT_RESERVE && is_synced(&c->image, i))
            r = mem->ops->reserve(mem, file, e->to);
        else if (e->op == FAULT_WRITE)
            r = choice_write(c, bits, i, file);
    }
    return r;
}

static int choice_show(struct choices *c, size_t names, uint64_t bits, volume_fault_image_fn *each,
                       void *ctx)
{
    int r = volume_mem_new(&c->image.mem);
    if (r < 0)
        return r;
    r = choice_fill(c, names, bits);
    if (r == 0)
        r = each(ctx, c->image.mem);
    volume_mem_free(c->image.mem);
    return r;
}

int volume_fault_images(const struct volume_backend *backend, size_t count, uint64_t max,
                        uint64_t seed, volume_fault_image_fn *each, void *ctx, uint64_t *ret_all,
                        uint64_t *ret_done)
{
    const struct fault_backend *f = fault_of(backend);
    struct choices c = {.image = {.f = f, .count = MIN(count, f->count), .random = seed}};
    uint64_t all = UINT64_MAX, done = 0;
    int r = names_list(&c);
    if (r == 0)
        r = pieces_list(&c);
    if (r == 0 && (c.count >= PIECES_MAX ||
                   __builtin_mul_overflow((uint64_t)c.name_count, 1ull << c.count, &all)))
        all = UINT64_MAX;
    for (; r == 0 && done < MIN(all, max); done++) {
        bool picks = all > max;
        uint64_t nth = picks ? image_random(&c.image) : done;
        r = choice_show(&c, c.names[nth % c.name_count], nth / c.name_count, each, ctx);
    }
    free(c.pieces);
    *ret_all = all;
    *ret_done = done;
    return r;
}
