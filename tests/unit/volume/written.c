/* SPDX-License-Identifier: Apache-2.0 */
/* Small synced writes go to blocks of the host's file that have been written before, for others cost its
 * file system a change of metadata, and the sync that. The host is one in memory that counts. */
#include "support.h"
#include "tap.h"
#include "volume/backend.h"

#include <stdlib.h>

enum { MIB = 1 << 20, SMALL_MAX = 128 << 10, FILES_MAX = 64, SYNCS = 500, ALLOWED = 16 };

static struct volume_backend *g_backend;
static struct volume_backend_ops g_real, g_watched;
static struct {
    uint64_t file, end; /* up to here it has been written */
} g_files[FILES_MAX];
static unsigned g_count;
static unsigned g_small, g_new; /* small batches; those that went where nothing had been written */

static uint64_t *end_of(uint64_t file)
{
    for (unsigned i = 0; i < g_count; i++)
        if (g_files[i].file == file)
            return &g_files[i].end;
    REQUIRE(g_count < FILES_MAX);
    g_files[g_count].file = file;
    g_files[g_count].end = 0;
    return &g_files[g_count++].end;
}

static int watch_write(struct volume_backend *b, uint64_t file, uint64_t offset, const void *bytes,
                       size_t size)
{
    static const uint8_t zeros[16];
    uint64_t *end = end_of(file);
    bool is_batch = file != VOLUME_SUPERBLOCK_FILE && size < SMALL_MAX &&
                    memcmp(bytes, zeros, sizeof zeros) != 0;
    g_small += is_batch;
    g_new += is_batch && offset + size > *end;
    *end = MAX(*end, offset + size);
    return g_real.write(b, file, offset, bytes, size);
}

static int watch_rename(struct volume_backend *b, uint64_t from, uint64_t to)
{
    uint64_t end = *end_of(from);
    *end_of(to) = end;
    return g_real.rename(b, from, to);
}

TEST(small_synced_writes_go_to_written_space_whatever_came_before)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    static uint8_t bytes[MIB];
    struct volume *v;
    uint64_t ino;
    platform_set(&platform_sim);
    REQUIRE(volume_mem_new(&g_backend) == 0);
    g_real = g_watched = *g_backend->ops;
    g_watched.write = watch_write;
    g_watched.rename = watch_rename;
    g_backend->ops = &g_watched;
    struct volume_options options = test_options(g_backend);
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of("file"), &attr, (struct slice){0}, &ino) == 0);
    for (unsigned turn = 0; turn < 3; turn++) {
        for (unsigned i = 0; i < 9; i++)
            REQUIRE(volume_write(v, ino, (uint64_t)i * MIB, bytes, MIB) == MIB);
        REQUIRE(volume_sync(v, ino, true) == 0);
        g_small = g_new = 0;
        for (unsigned i = 0; i < SYNCS; i++) {
            REQUIRE(volume_write(v, ino, i * 8192, bytes, 4096) == 4096);
            REQUIRE(volume_sync(v, ino, true) == 0);
        }
        CHECK(g_small >= SYNCS);
        if (g_new > ALLOWED)
            printf("# turn %u: %u of %u\n", turn, g_new, g_small);
        CHECK(g_new <= ALLOWED);
    }
    REQUIRE(volume_close(v) == 0);
    volume_mem_free(g_backend);
}

TAP_MAIN()
