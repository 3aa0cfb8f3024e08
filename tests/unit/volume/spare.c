/* SPDX-License-Identifier: Apache-2.0 */
/* Files in which nothing lives: used again, or taken off the host in pieces while others go on. The
 * host is one in memory whose calls are watched. */
#include "support.h"
#include "tap.h"
#include "volume/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MIB = 1 << 20 };

static struct volume_backend *g_backend;
static struct volume_backend_ops g_real, g_watched;
static struct volume *g_volume;
static unsigned g_created, g_renamed, g_removed, g_removed_large, g_pieces;
static bool g_sync_fails, g_size_lies;
static uint64_t g_room = UINT64_MAX; /* on the host */
static unsigned g_locked;            /* slow calls that others had to wait for */

static void is_locked(void)
{
    if (!g_volume)
        return;
    if (pthread_mutex_trylock(&g_volume->lock) == 0)
        (void)pthread_mutex_unlock(&g_volume->lock);
    else
        g_locked++;
}

static int create(struct volume_backend *b, uint64_t file)
{
    g_created++;
    return g_real.create(b, file);
}

static int rename_to(struct volume_backend *b, uint64_t from, uint64_t to)
{
    g_renamed++;
    return g_real.rename(b, from, to);
}

static int remove_file(struct volume_backend *b, uint64_t file)
{
    uint64_t size = 0;
    (void)g_real.size(b, file, &size);
    g_removed++;
    g_removed_large += size > MIB;
    is_locked();
    return g_real.remove(b, file);
}

static int truncate_file(struct volume_backend *b, uint64_t file, uint64_t size)
{
    /* Of a segment that lives, space is cut off that was made ready and never used. */
    if (g_volume && segment_find(g_volume, file))
        return g_real.truncate(b, file, size);
    g_pieces++;
    is_locked();
    return g_real.truncate(b, file, size);
}

static int sync_file(struct volume_backend *b, uint64_t file)
{
    if (file == VOLUME_SUPERBLOCK_FILE)
        is_locked();
    return g_sync_fails ? -EIO : g_real.sync(b, file);
}

static int size_of(struct volume_backend *b, uint64_t file, uint64_t *ret_size)
{
    int r = g_real.size(b, file, ret_size);
    if (g_size_lies && file != VOLUME_SUPERBLOCK_FILE)
        *ret_size = UINT64_C(1) << 50;
    return r;
}

static uint64_t fresh(void)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    uint64_t ino;
    struct volume_options options;
    platform_set(&platform_sim);
    g_volume = NULL;
    REQUIRE(volume_mem_new(&g_backend) == 0);
    g_real = g_watched = *g_backend->ops;
    g_watched.create = create;
    g_watched.rename = rename_to;
    g_watched.remove = remove_file;
    g_watched.truncate = truncate_file;
    g_watched.size = size_of;
    g_watched.sync = sync_file;
    g_backend->ops = &g_watched;
    options = test_options(g_backend);
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    /* The first publishing writes both slots of the superblock, with the lock. */
    struct volume *first;
    REQUIRE(volume_open(&options, &first, NULL) == 0);
    REQUIRE(volume_make(first, VOLUME_ROOT_INO, name_of("file"), &attr, (struct slice){0}, &ino) ==
            0);
    REQUIRE(volume_close(first) == 0);
    REQUIRE(volume_open(&options, &g_volume, NULL) == 0);
    return ino;
}

static void done(void)
{
    struct volume *v = g_volume;
    g_volume = NULL;
    REQUIRE(volume_close(v) == 0);
    volume_mem_free(g_backend);
}

static void overwrite(uint64_t ino, unsigned mib, uint8_t byte)
{
    uint8_t *bytes = malloc(MIB);
    REQUIRE(bytes);
    memset(bytes, byte, MIB);
    for (unsigned i = 0; i < mib; i++)
        CHECK_EQ(volume_write(g_volume, ino, (uint64_t)i * MIB, bytes, MIB), MIB);
    CHECK_EQ(volume_sync(g_volume, ino, true), 0);
    free(bytes);
}

static void count_anew(void)
{
    g_created = g_renamed = g_removed = g_removed_large = g_pieces = g_locked = 0;
}

TEST(overwriting_a_file_again_and_again_makes_no_new_files)
{
    uint64_t ino = fresh();
    struct volume_stats stats;
    for (uint8_t k = 0; k < 4; k++)
        overwrite(ino, 16, k);
    count_anew();
    for (uint8_t k = 0; k < 4; k++)
        overwrite(ino, 16, k);
    CHECK_EQ(g_created, 0);
    CHECK(g_renamed >= 4 * 16 / 9); /* segments are of 8 MiB at most */
    CHECK_EQ(g_locked, 0);
    volume_statfs(g_volume, &stats);
    CHECK(stats.host_size < 3 * 16 * (uint64_t)MIB);
    done();
}

TEST(what_was_deleted_leaves_the_disk_in_pieces_while_others_go_on)
{
    uint64_t ino = fresh(), other;
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    struct volume_stats before, after;
    overwrite(ino, 64, 1);
    volume_statfs(g_volume, &before);
    count_anew();
    CHECK_EQ(volume_unlink(g_volume, VOLUME_ROOT_INO, name_of("file")), 0);
    CHECK_EQ(
        volume_make(g_volume, VOLUME_ROOT_INO, name_of("other"), &attr, (struct slice){0}, &other),
        0);
    for (uint64_t i = 0; i < 300; i++) {
        CHECK_EQ(volume_write(g_volume, other, i * 100, "some bytes", 10), 10);
        if (i % 100 == 0)
            CHECK_EQ(volume_sync(g_volume, other, true), 0);
    }
    CHECK_EQ(g_locked, 0);
    CHECK_EQ(g_removed_large, 0);
    CHECK(g_removed > 4 && g_pieces > 30);
    volume_statfs(g_volume, &after);
    CHECK(before.host_size > 64 * (uint64_t)MIB && after.host_size < 20 * (uint64_t)MIB);
    done();
}

TEST(a_host_that_says_files_are_immense_is_not_believed)
{
    uint64_t ino = fresh();
    struct volume_stats stats;
    g_size_lies = true;
    for (uint8_t k = 0; k < 6; k++)
        overwrite(ino, 16, k);
    volume_statfs(g_volume, &stats);
    CHECK(stats.host_size < 6 * 16 * (uint64_t)MIB);
    CHECK(g_volume->spare_count == 0);
    g_size_lies = false;
    done();
}

static int sizes_add(void *ctx, uint64_t file)
{
    uint64_t *sum = ctx, size = 0;
    CHECK_EQ(g_real.size(g_backend, file, &size), 0);
    *sum += size;
    return 0;
}

static uint64_t sizes(void)
{
    uint64_t sum = 0;
    CHECK_EQ(g_real.list(g_backend, sizes_add, &sum), 0);
    return sum;
}

static int write_within(struct volume_backend *b, uint64_t file, uint64_t offset, const void *bytes,
                        size_t size)
{
    uint64_t have = 0;
    (void)g_real.size(b, file, &have);
    uint64_t more = offset + size > have ? offset + size - have : 0;
    return more > 0 && sizes() + more > g_room ? -ENOSPC
                                               : g_real.write(b, file, offset, bytes, size);
}

static int reserve_within(struct volume_backend *b, uint64_t file, uint64_t size)
{
    uint64_t have = 0;
    (void)g_real.size(b, file, &have);
    return size > have && sizes() + size - have > g_room ? -ENOSPC : g_real.reserve(b, file, size);
}

/* No limit of the volume's: the host's disk is full, and the kept files are what there is. */
TEST(what_is_kept_goes_where_the_hosts_disk_is_full)
{
    uint64_t ino = fresh(), other;
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    for (uint8_t k = 0; k < 4; k++)
        overwrite(ino, 16, k);
    CHECK(g_volume->spare_count > 0);
    uint64_t kept = 0, done_bytes = 0;
    for (unsigned i = 0; i < g_volume->spare_count; i++)
        kept += g_volume->spares[i].size;
    g_room = sizes();
    g_watched.write = write_within;
    g_watched.reserve = reserve_within;
    REQUIRE(volume_make(g_volume, VOLUME_ROOT_INO, name_of("other"), &attr, (struct slice){0},
                        &other) == 0);
    static uint8_t bytes[4096];
    while (volume_write(g_volume, other, done_bytes, bytes, sizeof bytes) == sizeof bytes)
        done_bytes += sizeof bytes;
    printf("# %" PRIu64 " of %" PRIu64 " bytes that were kept were used\n", done_bytes, kept);
    CHECK(done_bytes >= kept);
    g_room = UINT64_MAX;
    done();
}

/* As one whose lease has gone: the files may be somebody else's by now. */
TEST(a_stopped_volume_removes_nothing)
{
    uint64_t ino = fresh();
    struct volume *v = g_volume;
    overwrite(ino, 64, 1);
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("file")), 0);
    CHECK_EQ(volume_sync(v, 0, true), 0);
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    for (unsigned i = 0; v->gone_count == 0 && i < 1000; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "%u", i);
        REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of(name), &attr, (struct slice){0}, &ino) ==
                0);
        REQUIRE(volume_sync(v, 0, true) == 0);
    }
    CHECK(v->gone_count > 0);
    REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of("last"), &attr, (struct slice){0}, &ino) == 0);
    g_sync_fails = true;
    CHECK_EQ(volume_sync(v, 0, true), -EIO);
    CHECK(v->gone_count > 0);
    count_anew();
    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(volume_write(v, ino, 0, "x", 1), -EROFS);
    g_volume = NULL;
    CHECK(volume_close(v) < 0);
    CHECK_EQ(g_removed + g_pieces, 0);
    g_sync_fails = false;
    volume_mem_free(g_backend);
}

TAP_MAIN()
