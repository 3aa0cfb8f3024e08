/* SPDX-License-Identifier: Apache-2.0 */
/* volume_check(): reads and verifies everything, and compares what the index says twice. */
#include "volume/slot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FINDINGS_MAX = 10000, ENTRY_NAME_AT = 9 };

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
};

static void finding(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void finding(struct check *c, const char *format, ...)
{
    char text[256];
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

static void extent_check(struct check *c, const struct item *item)
{
    struct volume *v = c->v;
    struct extent extent;
    uint8_t bytes[BLOCK_SIZE];
    if (extent_decode(item->value, &extent) < 0) {
        finding(c, "inode %llu: malformed extent", (unsigned long long)item->key.ino);
        return;
    }
    c->blocks += extent_blocks(&extent);
    struct segment *s = segment_find(v, extent.segment);
    if (s)
        c->live[s - v->segments] += extent_size(&extent);
    for (uint32_t at = 0, k = 0; at < extent.len; at += BLOCK_SIZE, k++) {
        size_t n = MIN(extent.len - at, (uint32_t)BLOCK_SIZE);
        int r = unit_read(v, UNIT_DATA, extent.segment, extent.offset + k * UNIT_SIZE, bytes, n);
        if (r < 0)
            finding(c,
                    "inode %llu: the %zu bytes at offset %llu are damaged (segment file %016llx)",
                    (unsigned long long)item->key.ino, n,
                    (unsigned long long)(item->key.sub + k) * BLOCK_SIZE,
                    (unsigned long long)extent.segment);
    }
    secret_wipe(bytes, sizeof bytes);
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
    if (r < 0 || name.size == 0) {
        finding(c, "directory inode %llu: an entry leads nowhere (inode %llu)",
                (unsigned long long)item->key.ino, (unsigned long long)key.ino);
        return;
    }
    c->entries++;
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
    for (unsigned i = 0; r == 0 && !v->is_snapshot && i < v->segment_count; i++)
        /* What lives beside file data is nodes of the index. */
        if (c->live[i] > v->segments[i].state.live)
            finding(c, "segment file %016llx: %llu bytes in use, %llu counted",
                    (unsigned long long)v->segments[i].state.id, (unsigned long long)c->live[i],
                    (unsigned long long)v->segments[i].state.live);
    free(c->live);
    return c->count;
}

int volume_check(struct volume *v, volume_damage_fn *damage, void *ctx)
{
    struct check c = {.v = v, .damage = damage, .ctx = ctx};
    volume_lock(v);
    int r = check(&c);
    upkeep_memory(v);
    volume_unlock(v);
    return r;
}
