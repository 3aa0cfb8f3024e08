/* SPDX-License-Identifier: Apache-2.0 */
/* Which files' contents, of now or of before, does a segment hold? Its records say so, and are read once:
 * what they said is kept as a Bloom filter, for nothing is added to a segment that has been left. So who
 * erases file after file reads what was written since, and the segments that are concerned. */
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

enum {
    BITS_EACH = 12, /* with BITS_SET of them set: one in a hundred is read in vain */
    BITS_SET = 4,
    INOS_MAX = 1 << 17,          /* of one segment; with more there is no filter */
    MENTIONS_SIZE_MAX = 1 << 20, /* of all filters */
};

struct mentions {
    uint32_t mask; /* bits - 1 */
    uint8_t bits[];
};

static size_t mentions_size(const struct mentions *m)
{
    return sizeof *m + ((size_t)m->mask + 1) / 8;
}

void mentions_forget(struct volume *v, struct segment *s)
{
    if (s->mentions)
        v->mentions_size -= mentions_size(s->mentions);
    free(s->mentions);
    s->mentions = NULL;
}

/* The k-th bit that stands for an inode. */
static uint32_t bit_of(const struct mentions *m, uint64_t ino, unsigned k)
{
    uint64_t z = (ino + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 29) * 0xbf58476d1ce4e5b9;
    z ^= z >> 32;
    return (uint32_t)(z + k * (z >> 40 | 1)) & m->mask;
}

static bool may_mention(const struct mentions *m, uint64_t ino)
{
    for (unsigned k = 0; k < BITS_SET; k++) {
        uint32_t bit = bit_of(m, ino, k);
        if (!(m->bits[bit / 8] & 1u << bit % 8))
            return false;
    }
    return true;
}

/* Without memory, or with too many: no filter, and the records are read again. */
static void mentions_keep(struct volume *v, uint64_t id, const struct buf *inos)
{
    struct segment *s = segment_find(v, id);
    size_t count = inos->size / sizeof(uint64_t), bits = 64;
    while (bits < count * BITS_EACH)
        bits *= 2;
    size_t size = sizeof(struct mentions) + bits / 8;
    if (!s || s->mentions || inos->failed || v->mentions_size + size > MENTIONS_SIZE_MAX)
        return;
    struct mentions *m = calloc(1, size);
    if (!m)
        return;
    m->mask = (uint32_t)bits - 1;
    for (size_t i = 0; i < count; i++)
        for (unsigned k = 0; k < BITS_SET; k++) {
            uint64_t ino;
            memcpy(&ino, inos->bytes + i * sizeof ino, sizeof ino);
            uint32_t bit = bit_of(m, ino, k);
            m->bits[bit / 8] |= (uint8_t)(1u << bit % 8);
        }
    s->mentions = m;
    v->mentions_size += size;
}

/* Appends the inode of each extent that a record puts, but for repeats one after the other. */
static int record_inos(const struct buf *record, struct buf *inos)
{
    struct reader rd = reader_over(buf_slice(record));
    uint64_t last = 0;
    struct op op;
    int r;
    while ((r = op_next(&rd, &op)) == 0) {
        if (op.kind != OP_PUT || op.key.type != ITEM_EXTENT || op.key.ino == last)
            continue;
        last = op.key.ino;
        r = buf_append(inos, &last, sizeof last);
        if (r < 0)
            return r;
    }
    return r == -ENODATA ? 0 : r;
}

static bool any_of(const struct buf *found, const uint64_t *inos, size_t count)
{
    for (size_t at = 0; at < found->size; at += sizeof(uint64_t)) {
        uint64_t ino;
        memcpy(&ino, found->bytes + at, sizeof ino);
        for (size_t i = 0; i < count; i++)
            if (ino == inos[i])
                return true;
    }
    return false;
}

static int records_mention(struct volume *v, uint64_t id, const uint64_t *inos, size_t count)
{
    SCOPED(buf_done) struct buf record = {0}, all = {0}, some = {0};
    uint64_t at = SEGMENT_HEADER_SIZE, end = segment_find(v, id)->state.used;
    bool found = false, whole = true;
    while (at < end) {
        struct batch_header header;
        uint8_t tag[VOLUME_TAG_SIZE];
        int r = batch_read(v, id, (uint32_t)at, &header, &record, tag);
        buf_clear(&some);
        if (r == 0)
            r = record_inos(&record, &some);
        if (r < 0)
            return r == -ENODATA ? -EBADMSG : r;
        found = found || any_of(&some, inos, count);
        whole = whole && all.size + some.size <= INOS_MAX * sizeof(uint64_t) &&
                buf_append_slice(&all, buf_slice(&some)) == 0;
        if (found && !whole)
            break;
        at += batch_size(&header);
    }
    if (whole)
        mentions_keep(v, id, &all);
    return found;
}

int segment_mentions(struct volume *v, uint64_t id, const uint64_t *inos, size_t count)
{
    const struct mentions *m = segment_find(v, id)->mentions;
    bool may = !m;
    for (size_t i = 0; !may && i < count; i++)
        may = may_mention(m, inos[i]);
    return may ? records_mention(v, id, inos, count) : 0;
}
