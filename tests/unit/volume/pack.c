/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes that compress: what that saves, that nothing else can be seen of it, and that no index, however
 * wrong, makes a compressed unit show what it does not hold. That the rest works is shown by the model,
 * the power cuts, and the tests that run again with VOLUME_COMPRESS. */
#include "digest.h"
#include "tap.h"
#include "volume/fault/fault.h"
#include "volume/store.h"

enum { MIB = 1 << 20, FILE_SIZE = 2 * MIB };

static const struct volume_attr FILE_ATTR = {.mode = S_IFREG | 0600};
static struct volume_backend *g_backend;
static struct volume_options g_options;
static struct volume *g_volume;
static uint8_t g_bytes[FILE_SIZE], g_read[FILE_SIZE];

/* Text of few words, or what cannot be compressed. */
static void fill(uint8_t *bytes, size_t size, bool text, uint64_t seed)
{
    static const char words[8][9] = {"invoice ", "amount  ", "street  ", "account ",
                                     "pending ", "0000000 ", "signed  ", "archive\n"};
    struct random rn = {seed};
    for (size_t i = 0; i < size; i += 8) {
        uint64_t next = random_next(&rn);
        memcpy(bytes + i, text ? (const void *)words[next % 8] : &next, MIN(size - i, (size_t)8));
    }
}

static void volume_start(bool compress)
{
    platform_set(&platform_sim);
    REQUIRE(volume_fault_new(&g_backend) == 0);
    g_options = test_options(g_backend);
    g_options.compress = compress;
    REQUIRE(volume_create(&g_options, 0, 0, NULL) == 0);
    g_options.compress = false; /* what the volume says counts */
    REQUIRE(volume_open(&g_options, &g_volume, NULL) == 0);
}

static void volume_end(void)
{
    CHECK_EQ(volume_check(g_volume, print_damage, NULL), 0);
    CHECK_EQ(volume_close(g_volume), 0);
    volume_fault_free(g_backend);
}

static void reopen(void)
{
    CHECK_EQ(volume_close(g_volume), 0);
    REQUIRE(volume_open(&g_options, &g_volume, NULL) == 0);
}

static uint64_t file_make(const char *name)
{
    uint64_t ino = 0;
    REQUIRE(volume_make(g_volume, VOLUME_ROOT_INO, name_of(name), &FILE_ATTR, (struct slice){0},
                        &ino) == 0);
    return ino;
}

/* Bytes of the log that a file of this content takes. */
static uint64_t cost(bool compress, bool text)
{
    struct volume_stats stats;
    volume_start(compress);
    CHECK_EQ(g_volume->superblock.packs, compress);
    uint64_t before = g_volume->live_size, ino = file_make("file");
    fill(g_bytes, FILE_SIZE, text, 1);
    CHECK_EQ(volume_write(g_volume, ino, 0, g_bytes, FILE_SIZE), FILE_SIZE);
    CHECK_EQ(volume_sync(g_volume, 0, false), 0);
    uint64_t size = g_volume->live_size - before;
    reopen();
    volume_statfs(g_volume, &stats);
    CHECK_EQ(stats.compresses, compress);
    CHECK_EQ(volume_read(g_volume, ino, 0, g_read, FILE_SIZE), FILE_SIZE);
    CHECK(memcmp(g_read, g_bytes, FILE_SIZE) == 0);
    volume_end();
    return size;
}

TEST(pack_saves_space_where_it_can_and_costs_next_to_none_where_it_cannot)
{
    uint64_t plain = cost(false, true), packed = cost(true, true);
    printf("# text of %d bytes: %llu in the log, compressed %llu\n", FILE_SIZE,
           (unsigned long long)plain, (unsigned long long)packed);
    CHECK(packed < plain / 3);
    uint64_t random = cost(true, false);
    CHECK(random < plain + plain / 100);
}

TEST(pack_stands_in_the_version_of_the_superblock)
{
    for (int compress = 0; compress < 2; compress++) {
        uint8_t slots[2][8], other;
        volume_start(compress);
        CHECK_EQ(volume_close(g_volume), 0);
        for (int i = 0; i < 2; i++) {
            const struct volume_backend_ops *ops = g_backend->ops;
            uint64_t at = (uint64_t)i * SUPERBLOCK_SLOT_SIZE;
            REQUIRE(ops->read(g_backend, VOLUME_SUPERBLOCK_FILE, at, slots[i], 8) == 8);
            CHECK(slots[i][7] == 0 || slots[i][7] == (compress ? 3 : 2));
            other = compress ? 2 : 3; /* nobody but the owner says so */
            REQUIRE(ops->write(g_backend, VOLUME_SUPERBLOCK_FILE, at + 7, &other, 1) == 0);
        }
        struct error e = {0};
        CHECK_EQ(volume_open(&g_options, &g_volume, &e), -EBADMSG);
        volume_fault_free(g_backend);
    }
}

/* Any piece, over any number of groups, with parts of them replaced, cut off and punched out. */
TEST(pack_shows_any_piece_of_what_is_there)
{
    struct random rn = {5};
    struct volume_attr attr = {.size = FILE_SIZE - 9000};
    volume_start(true);
    uint64_t ino = file_make("file");
    fill(g_bytes, FILE_SIZE, true, 2);
    CHECK_EQ(volume_write(g_volume, ino, 0, g_bytes, FILE_SIZE), FILE_SIZE);
    for (int i = 0; i < 300; i++) {
        size_t at = random_below(&rn, FILE_SIZE), size = 1 + random_below(&rn, 20000);
        size = MIN(size, FILE_SIZE - at);
        if (i % 3 == 0) {
            fill(g_bytes + at, size, i % 2, (uint64_t)i);
            CHECK_EQ(volume_write(g_volume, ino, at, g_bytes + at, size), size);
        } else if (i % 10 == 1) {
            memset(g_bytes + at, 0, size);
            CHECK_EQ(volume_allocate(g_volume, ino, 3, at, size), 0);
        }
        if (i % 50 == 0)
            reopen();
        at = random_below(&rn, FILE_SIZE);
        size = MIN(random_below(&rn, 100000), FILE_SIZE - at);
        CHECK_EQ(volume_read(g_volume, ino, at, g_read, size), size);
        CHECK(memcmp(g_read, g_bytes + at, size) == 0);
    }
    CHECK_EQ(volume_setattr(g_volume, ino, VOLUME_ATTR_SIZE, &attr), 0);
    attr.size = FILE_SIZE;
    CHECK_EQ(volume_setattr(g_volume, ino, VOLUME_ATTR_SIZE, &attr), 0);
    memset(g_bytes + FILE_SIZE - 9000, 0, 9000);
    reopen();
    CHECK_EQ(volume_read(g_volume, ino, 0, g_read, FILE_SIZE), FILE_SIZE);
    CHECK(memcmp(g_read, g_bytes, FILE_SIZE) == 0);
    volume_end();
}

/* The cleaner counts on it: what it moves takes no more than was said to live there, or next to nothing
 * more. */
TEST(pack_moves_any_part_of_a_unit_into_what_the_part_is_said_to_take)
{
    volume_start(true);
    uint64_t ino = file_make("file");
    for (unsigned text = 0; text <= PACK_BLOCKS; text++) { /* so many blocks of it are text */
        struct inode *inode;
        fill(g_bytes, PACK_SIZE, false, 8);
        fill(g_bytes, (size_t)text * BLOCK_SIZE, true, 9);
        CHECK_EQ(volume_write(g_volume, ino, 0, g_bytes, PACK_SIZE), PACK_SIZE);
        volume_lock(g_volume);
        struct extent whole, now;
        uint64_t first;
        REQUIRE(extent_find(g_volume, ino, 0, &whole, &first) == 1);
        for (unsigned i = 0; i < PACK_BLOCKS * PACK_BLOCKS && whole.packed; i++) {
            uint64_t skip = i / PACK_BLOCKS, count = MIN(i % PACK_BLOCKS + 1, PACK_BLOCKS - skip);
            struct extent part = whole;
            part.skip = (uint8_t)skip;
            part.len = (uint32_t)count * BLOCK_SIZE;
            REQUIRE(log_prepare(g_volume, 2 * PACK_SIZE, ROOM_DATA) == 0);
            REQUIRE(inode_get(g_volume, ino, &inode) == 0);
            REQUIRE(extent_replace(g_volume, inode, 0, PACK_BLOCKS, NULL) == 0);
            REQUIRE(extent_replace(g_volume, inode, 0, count, &part) == 0);
            uint64_t live = g_volume->live_size, offset = g_volume->batch.size;
            CHECK_EQ(extent_move(g_volume, inode, 0, &part, 0, count), count);
            uint64_t more = extent_size(&part) / 64;
            CHECK(g_volume->live_size <= live + more);
            CHECK(g_volume->batch.size - offset <= extent_size(&part) + more);
            REQUIRE(extent_find(g_volume, ino, 0, &now, &first) == 1);
            CHECK(now.packed == 0 || now.whole == part.len);
            CHECK_EQ(extent_read(g_volume, &now, 0, g_read, BLOCK_SIZE, NULL), BLOCK_SIZE);
            CHECK(memcmp(g_read, g_bytes + skip * BLOCK_SIZE, BLOCK_SIZE) == 0);
        }
        volume_unlock(g_volume);
    }
    volume_end();
}

/* What was cut out of a unit may have been erased, and is nowhere once the unit's segment is gone. */
TEST(pack_takes_nothing_along_that_a_part_does_not_show)
{
    static const uint32_t tails[] = {1, 100, 255, 256, 300, 3000, BLOCK_SIZE};
    volume_start(true);
    uint64_t ino = file_make("file");
    for (size_t i = 0; i < ARRAY_COUNT(tails); i++)
        for (unsigned kept = 1; kept < PACK_BLOCKS; kept++) {
            struct inode *inode;
            struct extent whole, now;
            uint64_t first;
            size_t size = PACK_SIZE - BLOCK_SIZE + tails[i], hidden = PACK_BLOCKS - kept;
            struct volume_attr attr = {.size = size};
            memset(g_bytes, 0x5a, size); /* next to nothing, compressed */
            CHECK_EQ(volume_setattr(g_volume, ino, VOLUME_ATTR_SIZE, &attr), 0);
            volume_lock(g_volume);
            REQUIRE(log_prepare(g_volume, 2 * PACK_SIZE, ROOM_DATA) == 0);
            REQUIRE(inode_get(g_volume, ino, &inode) == 0);
            CHECK_EQ(extent_write(g_volume, inode, 0, g_bytes, size, NULL), size);
            REQUIRE(extent_find(g_volume, ino, 0, &whole, &first) == 1 && whole.whole == size);
            REQUIRE(extent_replace(g_volume, inode, 0, hidden, NULL) == 0);
            REQUIRE(extent_find(g_volume, ino, hidden, &whole, &first) == 1);
            CHECK_EQ(extent_move(g_volume, inode, hidden, &whole, 0, kept), kept);
            REQUIRE(extent_find(g_volume, ino, hidden, &now, &first) == 1);
            CHECK_EQ(now.len, whole.len);
            CHECK(now.packed == 0 || now.whole == now.len);
            blocks_forget(g_volume, ino, 0, UINT64_MAX);
            volume_unlock(g_volume);
            CHECK_EQ(volume_read(g_volume, ino, hidden * BLOCK_SIZE, g_read, PACK_SIZE), now.len);
            CHECK(memcmp(g_read, g_bytes, now.len) == 0);
            attr.size = 0;
            CHECK_EQ(volume_setattr(g_volume, ino, VOLUME_ATTR_SIZE, &attr), 0);
        }
    volume_end();
}

/* --- an index that says what is not so --- */

static struct extent unit_make(const uint8_t *bytes, size_t size)
{
    struct extent extent = {0};
    REQUIRE(log_prepare(g_volume, 2 * PACK_SIZE, ROOM_DATA) == 0);
    REQUIRE(pack_append(g_volume, bytes, size, &extent) == 1);
    return extent;
}

static void show(uint64_t ino, const struct extent *extent)
{
    struct inode *inode;
    struct volume_attr attr = {.size = PACK_SIZE};
    volume_lock(g_volume);
    REQUIRE(log_prepare(g_volume, 4096, ROOM_DATA) == 0);
    REQUIRE(inode_get(g_volume, ino, &inode) == 0);
    REQUIRE(extent_replace(g_volume, inode, 0, extent_blocks(extent), extent) == 0);
    pack_trim(g_volume);
    blocks_forget(g_volume, ino, 0, UINT64_MAX);
    volume_unlock(g_volume);
    REQUIRE(volume_setattr(g_volume, ino, VOLUME_ATTR_SIZE, &attr) == 0);
}

static void refused(uint64_t ino, const struct extent *extent)
{
    show(ino, extent);
    CHECK_EQ(volume_read(g_volume, ino, 0, g_read, 100), -EBADMSG);
    CHECK_EQ(volume_read(g_volume, ino, 0, g_read, PACK_SIZE), -EBADMSG);
    CHECK_EQ(volume_sync(g_volume, 0, false), 0);
    CHECK_EQ(volume_read(g_volume, ino, 0, g_read, PACK_SIZE), -EBADMSG);
    CHECK(volume_check(g_volume, print_damage, NULL) > 0);
}

TEST(pack_refuses_what_unpacks_to_another_size_and_what_is_no_frame)
{
    volume_start(true);
    uint64_t ino = file_make("file");
    fill(g_bytes, PACK_SIZE, true, 3);
    struct extent right = unit_make(g_bytes, PACK_SIZE), wrong = right;
    show(ino, &right);
    CHECK_EQ(volume_read(g_volume, ino, 0, g_read, PACK_SIZE), PACK_SIZE);
    CHECK(memcmp(g_read, g_bytes, PACK_SIZE) == 0);
    wrong.len = wrong.whole = (uint16_t)(right.whole - BLOCK_SIZE);
    refused(ino, &wrong);
    wrong = unit_make(g_bytes, PACK_SIZE - 1);
    wrong.len = wrong.whole = PACK_SIZE;
    refused(ino, &wrong);
    wrong = right;
    wrong.packed -= 1;
    refused(ino, &wrong);
    wrong = right; /* an authentic unit, but not compressed */
    fill(g_read, 4000, false, 4);
    REQUIRE(log_prepare(g_volume, 4096, ROOM_DATA) == 0);
    REQUIRE(batch_append(g_volume, UNIT_DATA, g_read, 4000, &wrong.offset) == 0);
    wrong.segment = g_volume->batch.segment;
    wrong.packed = 4000;
    refused(ino, &wrong);
    volume_abandon(g_volume);
    volume_fault_free(g_backend);
}

TEST(pack_refuses_extents_that_are_no_part_of_a_unit)
{
    static const struct extent good = {7, 64, 3 * BLOCK_SIZE, 5000, 8 * BLOCK_SIZE, 5};
    static const struct extent bad[] = {
        {7, 64, 3 * BLOCK_SIZE, 5000, 8 * BLOCK_SIZE, 6},           /* beyond its end */
        {7, 64, 100, 5000, 8 * BLOCK_SIZE, 5},                      /* ends within a block of it */
        {7, 64, 3 * BLOCK_SIZE, 8 * BLOCK_SIZE, 8 * BLOCK_SIZE, 5}, /* not smaller */
        {7, 64, BLOCK_SIZE, 5000, 9 * BLOCK_SIZE, 0},               /* larger than any */
        {7, 64, 0, 5000, 8 * BLOCK_SIZE, 8},
    };
    uint8_t bytes[EXTENT_VALUE_MAX];
    struct extent e;
    CHECK_EQ(extent_decode(slice_of(bytes, extent_encode(&good, bytes)), &e), 0);
    CHECK(e.packed == 5000 && e.whole == 8 * BLOCK_SIZE && e.skip == 5 && e.len == good.len);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(extent_decode(slice_of(bytes, extent_encode(&bad[i], bytes)), &e), -EBADMSG);
    size_t size = extent_encode(&good, bytes);
    for (size_t n = 0; n < size; n++)
        CHECK_EQ(extent_decode(slice_of(bytes, n), &e), -EBADMSG);
    bytes[0] = 2;
    CHECK_EQ(extent_decode(slice_of(bytes, size), &e), -EBADMSG);
}

/* --- memory of the caller's that ends --- */

static const uint8_t *g_wall;

static size_t copy_until_wall(void *to, const void *from, size_t size)
{
    const uint8_t *in = from, *out = to;
    if (in < g_wall && in >= g_wall - FILE_SIZE)
        size = MIN(size, (size_t)(g_wall - in));
    if (out < g_wall && out >= g_wall - FILE_SIZE)
        size = MIN(size, (size_t)(g_wall - out));
    if (in == g_wall || out == g_wall)
        return 0;
    memcpy(to, from, size);
    return size;
}

TEST(pack_takes_what_there_is_where_the_callers_memory_ends)
{
    static uint8_t memory[FILE_SIZE];
    volume_start(true);
    CHECK_EQ(volume_close(g_volume), 0);
    g_options.copy = copy_until_wall;
    REQUIRE(volume_open(&g_options, &g_volume, NULL) == 0);
    for (int i = 0; i < 4; i++) {
        char name[8];
        size_t have = (size_t)i * 10 * BLOCK_SIZE + 700;
        (void)snprintf(name, sizeof name, "%d", i);
        uint64_t ino = file_make(name);
        fill(memory, sizeof memory, true, (uint64_t)i);
        memcpy(g_bytes, memory, sizeof memory);
        g_wall = memory + have;
        CHECK_EQ(volume_write(g_volume, ino, 0, memory, 60 * BLOCK_SIZE), have);
        CHECK_EQ(volume_sync(g_volume, 0, false), 0);
        memset(memory, 0, sizeof memory);
        g_wall = memory + have / 2;
        ssize_t n = volume_read(g_volume, ino, 0, memory, have);
        CHECK(n > 0 && n <= (ssize_t)(have / 2));
        CHECK(memcmp(memory, g_bytes, (size_t)n) == 0);
        g_wall = memory + sizeof memory;
        CHECK_EQ(volume_read(g_volume, ino, 0, memory, sizeof memory), have);
        CHECK(memcmp(memory, g_bytes, have) == 0);
    }
    volume_end();
}

/* --- a full disk --- */

/* Where parts of units live on, moving them takes more than what they seem to take. */
TEST(pack_on_a_full_disk_refuses_cleanly_and_deletes_make_room)
{
    char name[16];
    volume_start(true);
    volume_fault_space(g_backend, 3 << 20);
    for (int round = 0; round < 5; round++) {
        uint64_t inos[400];
        int count = 0, more = 0;
        ssize_t n = 0;
        for (; n >= 0 && count < 400; count++) {
            (void)snprintf(name, sizeof name, "f%d", count);
            n = volume_make(g_volume, VOLUME_ROOT_INO, name_of(name), &FILE_ATTR, (struct slice){0},
                            &inos[count]);
            fill(g_bytes, 60000, count % 3, (uint64_t)count);
            if (n == 0)
                n = volume_write(g_volume, inos[count], 0, g_bytes, 60000);
            count -= n == -ENOSPC &&
                     volume_lookup(g_volume, VOLUME_ROOT_INO, name_of(name), &inos[count]) != 0;
        }
        CHECK_EQ(n, -ENOSPC);
        CHECK(count > 30);
        for (n = 0; n >= 0 && more < 3000; more++) { /* one block in each unit */
            uint64_t at = (uint64_t)(more / count % 15) * BLOCK_SIZE;
            fill(g_bytes, BLOCK_SIZE, false, (uint64_t)more);
            n = volume_write(g_volume, inos[more % count], at, g_bytes, BLOCK_SIZE);
        }
        printf("# round %d: %d files, %d blocks over them\n", round, count, more);
        CHECK_EQ(volume_sync(g_volume, 0, false), 0);
        CHECK_EQ(volume_check(g_volume, print_damage, NULL), 0);
        if (round % 2) {
            volume_abandon(g_volume);
            REQUIRE(volume_open(&g_options, &g_volume, NULL) == 0);
        }
        for (int i = 0; i < count; i++) {
            (void)snprintf(name, sizeof name, "f%d", i);
            CHECK_EQ(volume_unlink(g_volume, VOLUME_ROOT_INO, name_of(name)), 0);
        }
    }
    volume_end();
}

/* --- a disk that lies --- */

TEST(pack_with_any_byte_changed_shows_nothing_wrong)
{
    unsigned found = 0, tried = 0;
    volume_start(true);
    uint64_t ino = file_make("file"), segment;
    fill(g_bytes, 20000, true, 6);
    CHECK_EQ(volume_write(g_volume, ino, 0, g_bytes, 20000), 20000);
    CHECK_EQ(volume_close(g_volume), 0);
    REQUIRE(volume_open(&g_options, &g_volume, NULL) == 0);
    struct extent e;
    uint64_t first;
    REQUIRE(extent_find(g_volume, ino, 0, &e, &first) == 1 && e.packed > 0);
    segment = e.segment;
    for (uint32_t at = e.offset; at < e.offset + e.packed + TAG_SIZE; at++) {
        uint8_t byte, changed;
        REQUIRE(g_backend->ops->read(g_backend, segment, at, &byte, 1) == 1);
        changed = byte ^ (uint8_t)(1u << at % 8);
        REQUIRE(g_backend->ops->write(g_backend, segment, at, &changed, 1) == 0);
        caches_forget(g_volume);
        found += volume_read(g_volume, ino, 0, g_read, at % 2 ? 20000 : 10) == -EBADMSG;
        tried++;
        REQUIRE(g_backend->ops->write(g_backend, segment, at, &byte, 1) == 0);
    }
    CHECK(tried > 1000);
    CHECK_EQ(found, tried);
    caches_forget(g_volume);
    CHECK_EQ(volume_read(g_volume, ino, 0, g_read, 20000), 20000);
    CHECK(memcmp(g_read, g_bytes, 20000) == 0);
    volume_end();
}

TAP_MAIN()
