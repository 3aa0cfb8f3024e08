/* SPDX-License-Identifier: Apache-2.0 */
/* volume_check(): reads and verifies everything, and compares what the index says twice. */
#include "volume/slot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FINDINGS_MAX = 10000, ENTRY_NAME_AT = 9, PATH_SIZE = 512, PATHS_MAX = 200 };

struct check {
    struct volume *v;
    volume_damage_fn *damage;
    void *ctx;
    int count;
    uint64_t ino; /* the inode whose items come now */
    struct inode_value inode;
    bool has_inode;
    uint64_t entries, subdirs, blocks;
    uint64_t inodes;
    uint64_t *live; /* by segment */
    bool structure_only;
    uint64_t *targets; /* inode numbers that names lead to */
    size_t target_count, target_capacity;
    bool had_memory;
    unsigned paths_left; /* looking for a path reads all names: only so often */
};

static void finding(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void finding(struct check *c, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->count++;
    c->damage(c->ctx, text);
}

static void inode_finish(struct check *c)
{
    const struct volume_attr *a = &c->inode.attr;
    unsigned long long ino = c->ino;
    if (c->ino == 0)
        return;
    if (!c->has_inode) {
        finding(c, "inode %llu has contents but no attributes", ino);
        return;
    }
    if (a->allocated_size != c->blocks * BLOCK_SIZE)
        finding(c, "inode %llu: allocated size is %llu, its extents have %llu", ino,
                (unsigned long long)a->allocated_size, (unsigned long long)c->blocks * BLOCK_SIZE);
    if ((a->mode & S_IFMT) != S_IFDIR)
        return;
    if (a->size != c->entries)
        finding(c, "directory inode %llu: %llu entries counted, %llu found", ino,
                (unsigned long long)a->size, (unsigned long long)c->entries);
    if (a->nlink != 0 && a->nlink != 2 + c->subdirs)
        finding(c, "directory inode %llu: link count is %u, not %llu", ino, a->nlink,
                (unsigned long long)(2 + c->subdirs));
}

/* --- names for what is damaged --- */

struct search {
    uint64_t ino, dir; /* wanted; found in */
    char name[VOLUME_NAME_MAX + 1];
};

static int search_item(void *ctx, const struct item *item)
{
    struct search *s = ctx;
    struct reader rd = reader_over(item->value);
    if (item->key.type != ITEM_DIRENT || reader_u64(&rd) != s->ino)
        return 0;
    struct slice name = slot_name(item->value, ENTRY_NAME_AT);
    s->dir = item->key.ino;
    memcpy(s->name, name.bytes, name.size);
    s->name[name.size] = '\0';
    return 1;
}

/* A path to the inode, or its number where there is none or it is too long. */
static const char *path_of(struct check *c, uint64_t ino, char path[PATH_SIZE])
{
    size_t at = PATH_SIZE - 1;
    path[at] = '\0';
    for (struct search s = {.ino = ino}; s.ino != VOLUME_ROOT_INO; s.ino = s.dir) {
        size_t size = c->paths_left > 0 && tree_walk(&c->v->tree, search_item, &s) == 1
                          ? strlen(s.name)
                          : PATH_SIZE;
        if (size + 1 > at) {
            (void)snprintf(path, PATH_SIZE, "inode %llu", (unsigned long long)ino);
            return path;
        }
        at -= size;
        memcpy(path + at, s.name, size);
        path[--at] = '/';
    }
    c->paths_left -= c->paths_left > 0;
    return path[at] ? path + at : "/";
}

static void range_finding(struct check *c, uint64_t ino, uint64_t from, uint64_t to,
                          uint64_t segment)
{
    char path[PATH_SIZE];
    finding(c,
            "%s: bytes %llu to %llu do not verify (segment file %016llx): restore this file from a "
            "backup; the rest of it can still be read",
            path_of(c, ino, path), (unsigned long long)from, (unsigned long long)to - 1,
            (unsigned long long)segment);
}

static int extent_read_all(struct check *c, const struct item *item, const struct extent *extent,
                           uint64_t *bad_from, uint64_t *bad_to)
{
    uint8_t bytes[BLOCK_SIZE];
    const uint8_t *plain;
    int r = 0;
    if (extent->packed) {
        r = pack_load(c->v, extent, &plain);
        *bad_from = item->key.sub * BLOCK_SIZE;
        *bad_to = *bad_from + (r < 0 ? extent->len : 0);
        return r;
    }
    for (uint32_t at = 0, k = 0; at < extent->len; at += BLOCK_SIZE, k++) {
        size_t n = MIN(extent->len - at, (uint32_t)BLOCK_SIZE);
        uint64_t where = (item->key.sub + k) * BLOCK_SIZE;
        r = unit_read(c->v, UNIT_DATA, extent->segment, extent->offset + k * UNIT_SIZE, bytes, n);
        if (r < 0 && *bad_to != where) {
            if (*bad_to > *bad_from)
                range_finding(c, item->key.ino, *bad_from, *bad_to, extent->segment);
            *bad_from = where;
        }
        if (r < 0)
            *bad_to = where + n;
    }
    secret_wipe(bytes, sizeof bytes);
    return r;
}

static void extent_check(struct check *c, const struct item *item)
{
    struct volume *v = c->v;
    struct extent extent;
    char path[PATH_SIZE];
    uint64_t bad_from = 0, bad_to = 0;
    if (extent_decode(item->value, &extent) < 0) {
        finding(c, "%s: the index has a malformed extent for it", path_of(c, item->key.ino, path));
        return;
    }
    c->blocks += extent_blocks(&extent);
    struct segment *s = segment_find(v, extent.segment);
    if (s)
        c->live[s - v->segments] += extent_size(&extent);
    if (!c->structure_only)
        (void)extent_read_all(c, item, &extent, &bad_from, &bad_to);
    if (bad_to > bad_from)
        range_finding(c, item->key.ino, bad_from, bad_to, extent.segment);
}

static void target_note(struct check *c, uint64_t ino)
{
    if (c->target_count == c->target_capacity) {
        size_t capacity = c->target_capacity ? 2 * c->target_capacity : 1024;
        uint64_t *grown = realloc(c->targets, capacity * sizeof *grown);
        if (!grown) {
            c->had_memory = false;
            return;
        }
        c->targets = grown;
        c->target_capacity = capacity;
    }
    c->targets[c->target_count++] = ino;
}

static int number_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Second walk: every inode has as many names as it says. */
static int links_check(void *ctx, const struct item *item)
{
    struct check *c = ctx;
    struct inode_value inode;
    struct slice orphan;
    if (item->key.type != ITEM_INODE || inode_value_decode(item->value, &inode) < 0)
        return 0;
    uint64_t ino = item->key.ino, names = 0;
    while (c->target_count > 0 && *c->targets < ino) {
        c->targets++;
        c->target_count--;
    }
    while (names < c->target_count && c->targets[names] == ino)
        names++;
    bool is_dir = (inode.attr.mode & S_IFMT) == S_IFDIR;
    const struct item_key key = {0, ITEM_ORPHAN, ino};
    if (names == 0 && ino != VOLUME_ROOT_INO && tree_get(&c->v->tree, &key, &orphan) == 0)
        return 0; /* removed, and still open somewhere */
    if (is_dir ? names != (ino == VOLUME_ROOT_INO ? 0 : 1) : names != inode.attr.nlink)
        finding(c, "inode %llu: has %llu names, but counts %u links", (unsigned long long)ino,
                (unsigned long long)names, inode.attr.nlink);
    return c->count > FINDINGS_MAX ? -E2BIG : 0;
}

static int links(struct check *c)
{
    uint64_t *all = c->targets;
    if (c->target_count > 0)
        qsort(all, c->target_count, sizeof *all, number_order);
    int r = tree_walk(&c->v->tree, links_check, c);
    free(all);
    c->targets = NULL;
    return r;
}

static void entry_check(struct check *c, const struct item *item)
{
    struct reader rd = reader_over(item->value);
    const struct item_key key = inode_key(reader_u64(&rd));
    struct slice value, name = slot_name(item->value, ENTRY_NAME_AT);
    struct inode_value inode;
    int r = tree_get(&c->v->tree, &key, &value);
    if (r == 0)
        r = inode_value_decode(value, &inode);
    if (r != 0 || name.size == 0) {
        finding(c, "directory inode %llu: an entry leads nowhere (inode %llu)",
                (unsigned long long)item->key.ino, (unsigned long long)key.ino);
        return;
    }
    c->entries++;
    target_note(c, key.ino);
    if (slot_hash(c->v, name) != slot_hash_of(item->key.sub))
        finding(c, "directory inode %llu: a name cannot be found (inode %llu)",
                (unsigned long long)item->key.ino, (unsigned long long)key.ino);
    if ((inode.attr.mode & S_IFMT) == S_IFDIR) {
        c->subdirs++;
        if (inode.parent != item->key.ino)
            finding(c, "directory inode %llu: its parent is another", (unsigned long long)key.ino);
    }
}

static int item_check(void *ctx, const struct item *item)
{
    struct check *c = ctx;
    if (item->key.ino != c->ino) {
        inode_finish(c);
        c->ino = item->key.ino;
        c->has_inode = false;
        c->entries = c->subdirs = c->blocks = 0;
    }
    if (item->key.type == ITEM_INODE) {
        c->inodes++;
        c->has_inode = inode_value_decode(item->value, &c->inode) == 0;
    } else if (item->key.type == ITEM_EXTENT) {
        extent_check(c, item);
    } else if (item->key.type == ITEM_DIRENT) {
        entry_check(c, item);
    }
    return c->count > FINDINGS_MAX ? -E2BIG : 0;
}

static int check(struct check *c)
{
    struct volume *v = c->v;
    int r = v->stopped ? 0 : log_write(v); /* so that the index is all there is */
    if (r < 0)
        return r;
    c->live = calloc(v->segment_count + 1, sizeof *c->live);
    if (!c->live)
        return -ENOMEM;
    r = tree_walk(&v->tree, item_check, c);
    inode_finish(c);
    if (r < 0)
        finding(c, "the index cannot be read further after inode %llu", (unsigned long long)c->ino);
    else if (c->inodes != v->inode_count)
        finding(c, "%llu inodes counted, %llu found", (unsigned long long)v->inode_count,
                (unsigned long long)c->inodes);
    if (r == 0 && c->had_memory)
        r = links(c);
    for (unsigned i = 0; r == 0 && !v->is_snapshot && i < v->segment_count; i++)
        /* What lives beside file data is nodes of the index. */
        if (c->live[i] > v->segments[i].state.live)
            finding(c, "segment file %016llx: %llu bytes in use, %llu counted",
                    (unsigned long long)v->segments[i].state.id, (unsigned long long)c->live[i],
                    (unsigned long long)v->segments[i].state.live);
    free(c->live);
    free(c->targets);
    return c->count;
}

int check_structure(struct volume *v, volume_damage_fn *damage, void *ctx)
{
    struct check c = {.v = v,
                      .damage = damage,
                      .ctx = ctx,
                      .structure_only = true,
                      .had_memory = true,
                      .paths_left = PATHS_MAX};
    return check(&c);
}

int volume_check(struct volume *v, volume_damage_fn *damage, void *ctx)
{
    struct check c = {
        .v = v, .damage = damage, .ctx = ctx, .had_memory = true, .paths_left = PATHS_MAX};
    volume_lock(v);
    int r = check(&c);
    upkeep_memory(v);
    volume_unlock(v);
    return r;
}
