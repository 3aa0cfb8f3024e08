/* SPDX-License-Identifier: Apache-2.0 */
/* Small reads bring their neighbours along while those are used. Reads of the host are counted. */
#include "support.h"
#include "tap.h"

#include <stdlib.h>

enum { BLOCK = 4096, BLOCKS = 1024 };

static struct volume_backend *g_backend;
static struct volume_backend_ops g_real, g_watched;
static struct volume *g_volume;
static unsigned g_reads;
static size_t g_bytes;

static ssize_t counted_read(struct volume_backend *b, uint64_t file, uint64_t offset, void *bytes,
                            size_t size)
{
    g_reads++;
    g_bytes += size;
    return g_real.read(b, file, offset, bytes, size);
}

/* A file of BLOCKS blocks, each of its own number's bytes, in a volume just opened. */
static uint64_t fresh(size_t cache_size)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    static uint8_t bytes[BLOCKS * BLOCK];
    uint64_t ino;
    platform_set(&platform_sim);
    REQUIRE(volume_mem_new(&g_backend) == 0);
    struct volume_options options = test_options(g_backend);
    options.cache_size = cache_size;
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&options, &g_volume, NULL) == 0);
    REQUIRE(volume_make(g_volume, VOLUME_ROOT_INO, name_of("file"), &attr, (struct slice){0},
                        &ino) == 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i / BLOCK * 7 + i % 5);
    REQUIRE(volume_write(g_volume, ino, 0, bytes, sizeof bytes) == sizeof bytes);
    REQUIRE(volume_close(g_volume) == 0);
    REQUIRE(volume_open(&options, &g_volume, NULL) == 0);
    g_real = g_watched = *g_backend->ops;
    g_watched.read = counted_read;
    g_backend->ops = &g_watched;
    g_reads = 0;
    g_bytes = 0;
    return ino;
}

static void done(void)
{
    REQUIRE(volume_close(g_volume) == 0);
    volume_mem_free(g_backend);
}

static void read_block(uint64_t ino, uint64_t block)
{
    uint8_t bytes[BLOCK];
    REQUIRE(volume_read(g_volume, ino, block * BLOCK, bytes, BLOCK) == BLOCK);
    for (size_t i = 0; i < BLOCK; i++)
        REQUIRE(bytes[i] == (uint8_t)(block * 7 + (block * BLOCK + i) % 5));
}

TEST(blocks_read_one_by_one_come_eight_at_a_time)
{
    uint64_t ino = fresh(2 << 20);
    for (uint64_t i = 0; i < BLOCKS; i++)
        read_block(ino, i);
    CHECK(g_reads < BLOCKS / 8 + 40); /* and some for the index and for keys */
    done();
}

TEST(blocks_that_nobody_asks_for_are_soon_not_read)
{
    uint64_t ino = fresh(2 << 20);
    for (uint64_t i = 0; i < 400; i++)
        read_block(ino, i * 9 * 37 % BLOCKS / 9 * 9); /* never two in one piece */
    unsigned before = g_reads;
    size_t bytes = g_bytes;
    for (uint64_t i = 0; i < 400; i++)
        read_block(ino, 1000 - i % 9 * 100 - i / 9);
    CHECK(g_bytes - bytes <= (g_reads - before) * (size_t)(BLOCK + 64));
    done();
}

TEST(a_small_cache_keeps_its_room_for_what_is_read)
{
    uint64_t ino = fresh(0);
    for (uint64_t i = 0; i < 100; i++)
        read_block(ino, i);
    CHECK(g_reads >= 100);
    done();
}

TEST(a_block_that_waits_to_be_written_is_not_read_over)
{
    uint64_t ino = fresh(2 << 20);
    uint8_t bytes[BLOCK], changed[BLOCK];
    memset(changed, 0xee, sizeof changed);
    CHECK_EQ(volume_write(g_volume, ino, 3 * BLOCK, changed, BLOCK), BLOCK);
    read_block(ino, 1);
    CHECK_EQ(volume_read(g_volume, ino, 3 * BLOCK, bytes, BLOCK), BLOCK);
    CHECK(memcmp(bytes, changed, BLOCK) == 0);
    read_block(ino, 2);
    read_block(ino, 4);
    done();
}

TAP_MAIN()
