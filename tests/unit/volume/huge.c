/* SPDX-License-Identifier: Apache-2.0 */
/* A volume far larger than the memory for its index: 2 GiB within one MiB of memory, or HUGE_GIB of the
 * environment within 16, in pieces that lie apart in the log. All of it is encrypted and written; the
 * backend keeps what is not file data, and of that every so many pieces. */
#include "digest.h"
#include "tap.h"
#include "volume/store.h"

#include <malloc.h>
#include <sys/mman.h>

enum {
    MIB = 1 << 20,
    PIECE = 64 << 10,
    PIECES = 1024, /* of a file */
    GIB_DEFAULT = 2,
    MEMORY_MAX = MIB,
    MEMORY_MAX_HUGE = 16 * MIB,
    FILES_MAX = 1 << 16,
    RANGES_MAX = 1 << 24,
    KEEP_ALL_MAX = 16 << 10,
};
#define ARENA_SIZE ((size_t)64 << 30) /* of addresses */

/* --- the backend: its memory is not the heap's, which is measured --- */

struct range {
    uint32_t next; /* in the file, ascending; 0: none */
    uint32_t offset, size;
    uint8_t *bytes;
};

struct file {
    uint64_t id, size;
    uint32_t first, last;
};

struct sparse {
    struct volume_backend base;
    struct file *files;
    unsigned count;
    struct range *ranges; /* from 1 */
    uint32_t range_count;
    uint8_t *arena;
    size_t used, written;
};

static struct sparse g_sparse;
static struct volume *g_volume;
static uint64_t g_keep; /* one piece in so many */

static void *addresses(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    REQUIRE(p != MAP_FAILED);
    return p;
}

static struct file *file_of(uint64_t id)
{
    for (unsigned i = g_sparse.count; i-- > 0;)
        if (g_sparse.files[i].id == id)
            return &g_sparse.files[i];
    return NULL;
}

static void keep(struct file *f, uint64_t offset, const uint8_t *bytes, size_t size)
{
    struct sparse *s = &g_sparse;
    REQUIRE(s->used + size <= ARENA_SIZE && s->range_count + 1 < RANGES_MAX);
    uint32_t at = ++s->range_count;
    s->ranges[at] = (struct range){
        .offset = (uint32_t)offset, .size = (uint32_t)size, .bytes = s->arena + s->used};
    memcpy(s->arena + s->used, bytes, size);
    s->used += size;
    *(f->last ? &s->ranges[f->last].next : &f->first) = at;
    f->last = at;
}

static bool is_kept(const struct item_key *key)
{
    return key->sub * BLOCK_SIZE / PIECE % g_keep == key->ino % g_keep;
}

/* A batch: header, nodes, pieces to be read again, record. */
static void batch_keep(struct file *f, uint64_t offset, const uint8_t *bytes, size_t size)
{
    struct reader rd = reader_over(buf_slice(&g_volume->record));
    struct batch_header h;
    struct op op;
    REQUIRE(batch_header_decode(slice_of(bytes, BATCH_HEADER_SIZE), &h) == 0);
    keep(f, offset, bytes, BATCH_HEADER_SIZE);
    while (op_next(&rd, &op) == 0) {
        struct extent e = {0};
        if (op.kind == OP_NODE)
            keep(f, op.node.offset, bytes + (op.node.offset - offset),
                 (size_t)op.node.size + TAG_SIZE);
        if (op.kind == OP_PUT && op.key.type == ITEM_EXTENT && is_kept(&op.key) &&
            extent_decode(op.value, &e) == 0 && e.segment == f->id && e.offset >= offset)
            keep(f, e.offset, bytes + (e.offset - offset), extent_size(&e));
    }
    size_t record = BATCH_HEADER_SIZE + h.data_size;
    keep(f, offset + record, bytes + record, size - record);
}

static int sparse_write(struct volume_backend *b, uint64_t id, uint64_t offset, const void *bytes,
                        size_t size)
{
    static const uint8_t zeros[4096];
    struct file *f = file_of(id);
    bool empty = true;
    (void)b;
    if (!f)
        return -ENOENT;
    g_sparse.written += size;
    f->size = MAX(f->size, offset + size);
    for (size_t at = 0; empty && at < size; at += sizeof zeros)
        empty = memcmp((const uint8_t *)bytes + at, zeros, MIN(size - at, sizeof zeros)) == 0;
    if (empty)
        return 0;
    if (g_volume && g_volume->batch.segment == id && g_volume->batch.offset == offset &&
        size > KEEP_ALL_MAX)
        batch_keep(f, offset, bytes, size);
    else
        keep(f, offset, bytes, size);
    return 0;
}

/* What was kept; zeros elsewhere, which verify as nothing. */
static ssize_t sparse_read(struct volume_backend *b, uint64_t id, uint64_t offset, void *bytes,
                           size_t size)
{
    const struct file *f = file_of(id);
    (void)b;
    if (!f)
        return -ENOENT;
    size = offset < f->size ? (size_t)MIN(size, f->size - offset) : 0;
    memset(bytes, 0, size);
    for (uint32_t i = f->first; i != 0; i = g_sparse.ranges[i].next) {
        const struct range *r = &g_sparse.ranges[i];
        uint64_t from = MAX(offset, r->offset), to = MIN(offset + size, r->offset + r->size);
        if (from < to)
            memcpy((uint8_t *)bytes + (from - offset), r->bytes + (from - r->offset), to - from);
    }
    return (ssize_t)size;
}

static int sparse_create(struct volume_backend *b, uint64_t id)
{
    (void)b;
    if (file_of(id))
        return -EEXIST;
    REQUIRE(g_sparse.count < FILES_MAX);
    g_sparse.files[g_sparse.count++] = (struct file){.id = id};
    return 0;
}

static int sparse_remove(struct volume_backend *b, uint64_t id)
{
    struct file *f = file_of(id);
    (void)b;
    if (!f)
        return -ENOENT;
    *f = g_sparse.files[--g_sparse.count];
    return 0;
}

static int sparse_rename(struct volume_backend *b, uint64_t from, uint64_t to)
{
    struct file *f = file_of(from);
    if (!f)
        return -ENOENT;
    uint64_t size = f->size;
    (void)!sparse_remove(b, to);
    REQUIRE((f = file_of(from)) != NULL);
    *f = (struct file){.id = to, .size = size};
    return 0;
}

static int sparse_list(struct volume_backend *b, volume_backend_file_fn *each, void *ctx)
{
    (void)b;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < g_sparse.count; i++)
        r = each(ctx, g_sparse.files[i].id);
    return r;
}

static int sparse_size(struct volume_backend *b, uint64_t id, uint64_t *ret_size)
{
    const struct file *f = file_of(id);
    (void)b;
    if (f)
        *ret_size = f->size;
    return f ? 0 : -ENOENT;
}

static int sparse_set_size(struct volume_backend *b, uint64_t id, uint64_t size)
{
    struct file *f = file_of(id);
    (void)b;
    if (f)
        f->size = size;
    return f ? 0 : -ENOENT;
}

static int sparse_grow(struct volume_backend *b, uint64_t id, uint64_t size)
{
    const struct file *f = file_of(id);
    return f && f->size >= size ? 0 : sparse_set_size(b, id, size);
}

static int sparse_space(struct volume_backend *b, uint64_t *ret_free)
{
    (void)b;
    *ret_free = (uint64_t)1 << 50;
    return 0;
}

static int nothing(struct volume_backend *b)
{
    (void)b;
    return 0;
}

static void nothing_said(struct volume_backend *b)
{
    (void)b;
}

static int nothing_of(struct volume_backend *b, uint64_t file)
{
    (void)b;
    (void)file;
    return 0;
}

static const struct volume_backend_ops SPARSE = {.lock = nothing,
                                                 .unlock = nothing_said,
                                                 .list = sparse_list,
                                                 .create = sparse_create,
                                                 .remove = sparse_remove,
                                                 .rename = sparse_rename,
                                                 .sync_names = nothing,
                                                 .read = sparse_read,
                                                 .write = sparse_write,
                                                 .reserve = sparse_grow,
                                                 .truncate = sparse_set_size,
                                                 .sync = nothing_of,
                                                 .size = sparse_size,
                                                 .space = sparse_space,
                                                 .idle = nothing_said};

/* --- the volume --- */

static uint8_t g_bytes[PIECE], g_read[PIECE];
static size_t g_before, g_most;
static uint64_t g_inos[1 << 12];

static void memory_note(void)
{
    g_most = MAX(g_most, mallinfo2().uordblks - g_before);
}

/* Each block says whose it is. */
static void piece_make(uint64_t ino, uint64_t piece)
{
    for (size_t at = 0; at < sizeof g_bytes; at += BLOCK_SIZE) {
        uint64_t stamp[3] = {ino, piece, at};
        memcpy(g_bytes + at, stamp, sizeof stamp);
    }
}

static bool piece_is_right(uint64_t ino, uint64_t piece)
{
    piece_make(ino, piece);
    return volume_read(g_volume, ino, piece * PIECE, g_read, PIECE) == PIECE &&
           memcmp(g_read, g_bytes, PIECE) == 0;
}

static uint64_t pieces_read(unsigned files)
{
    uint64_t right = 0, read = 0;
    for (unsigned i = 0; i < files; i++)
        for (uint64_t piece = g_inos[i] % g_keep; piece < PIECES; piece += g_keep, read++) {
            right += piece_is_right(g_inos[i], piece);
            memory_note();
        }
    CHECK_EQ(right, read);
    return read;
}

static void files_write(unsigned files)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    char name[16];
    for (unsigned i = 0; i < files; i++) {
        (void)snprintf(name, sizeof name, "f%u", i);
        REQUIRE(volume_make(g_volume, VOLUME_ROOT_INO, name_of(name), &attr, (struct slice){0},
                            &g_inos[i]) == 0);
    }
    /* Pieces of two files in turn, so that no two join. */
    for (unsigned i = 0; i < files; i += 2)
        for (uint64_t piece = 0; piece < PIECES; piece++)
            for (unsigned k = 0; k < 2; k++) {
                piece_make(g_inos[i + k], piece);
                REQUIRE(volume_write(g_volume, g_inos[i + k], piece * PIECE, g_bytes, PIECE) ==
                        PIECE);
                memory_note();
            }
}

TEST(huge_volume_needs_little_memory_for_its_index)
{
    const char *gib = getenv("HUGE_GIB");
    unsigned files = (gib ? (unsigned)strtoul(gib, NULL, 10) : GIB_DEFAULT) * 16;
    struct volume_attr mode = {.mode = 0711};
    struct volume_stats stats;
    platform_set(&platform_sim);
    REQUIRE(files <= ARRAY_COUNT(g_inos));
    g_sparse.base.ops = &SPARSE;
    g_sparse.files = addresses(FILES_MAX * sizeof *g_sparse.files);
    g_sparse.ranges = addresses(RANGES_MAX * sizeof *g_sparse.ranges);
    g_sparse.arena = addresses(ARENA_SIZE);
    g_keep = MAX(files / 4u, 61u);
    struct volume_options options = test_options(&g_sparse.base);
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    g_before = mallinfo2().uordblks;
    REQUIRE(volume_open(&options, &g_volume, NULL) == 0);
    files_write(files);
    CHECK_EQ(volume_sync(g_volume, 0, false), 0);
    uint64_t read = pieces_read(files);
    volume_statfs(g_volume, &stats);
    CHECK(stats.host_size >= (uint64_t)files * PIECES * PIECE);
    CHECK_EQ(volume_snapshot_make(g_volume, "all"), 0);
    /* The last batch before the crash has no data that the backend would not have. */
    CHECK_EQ(volume_setattr(g_volume, VOLUME_ROOT_INO, VOLUME_ATTR_MODE, &mode), 0);
    CHECK_EQ(volume_sync(g_volume, 0, false), 0);
    volume_abandon(g_volume);
    g_volume = NULL;
    REQUIRE(volume_open(&options, &g_volume, NULL) == 0);
    read += pieces_read(files);
    volume_lock(g_volume);
    CHECK_EQ(check_structure(g_volume, print_damage, NULL), 0);
    volume_unlock(g_volume);
    memory_note();
    CHECK_EQ(volume_snapshot_remove(g_volume, "all"), 0);
    CHECK_EQ(volume_unlink(g_volume, VOLUME_ROOT_INO, name_of("f0")), 0);
    CHECK_EQ(volume_unlink(g_volume, VOLUME_ROOT_INO, name_of("f1")), 0);
    memory_note();
    CHECK_EQ(volume_close(g_volume), 0);
    printf("# %u MiB in %u pieces, %zu MiB written, %llu read: at most %zu KiB of memory\n",
           files * (PIECES * PIECE / MIB), files * PIECES, g_sparse.written / MIB,
           (unsigned long long)read, g_most / 1024);
    if (getenv("ASAN_OPTIONS") == NULL && g_before != 0)
        CHECK(g_most < (gib ? (size_t)MEMORY_MAX_HUGE : (size_t)MEMORY_MAX));
}

TAP_MAIN()
