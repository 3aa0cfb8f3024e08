/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads on one volume: each sees its own writes, syncs are shared, nothing is torn. The
 * thread sanitizer is the other judge. */
#include "digest.h"
#include "tap.h"

#include <pthread.h>

enum { THREADS = 6, STEPS = 150 };

static struct volume *g_volume;

static void *work(void *arg)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    uintptr_t number = (uintptr_t)arg, failed = 0;
    struct random rn = {number};
    uint8_t bytes[9000], back[9000];
    char name[16];
    uint64_t ino;
    (void)snprintf(name, sizeof name, "thread-%d", (int)number);
    failed += volume_make(g_volume, VOLUME_ROOT_INO, slice_of_text(name), &attr, (struct slice){0},
                          &ino) != 0;
    for (int i = 0; i < STEPS; i++) {
        size_t size = (size_t)random_below(&rn, sizeof bytes) + 1;
        uint64_t at = random_below(&rn, 200000), found;
        memset(bytes, (int)random_next(&rn), size);
        failed += volume_write(g_volume, ino, at, bytes, size) != (ssize_t)size;
        if (random_below(&rn, 4) == 0)
            failed += volume_sync(g_volume, ino, true) != 0;
        failed += volume_read(g_volume, ino, at, back, size) != (ssize_t)size;
        failed += memcmp(bytes, back, size) != 0;
        failed += volume_lookup(g_volume, VOLUME_ROOT_INO, slice_of_text(name), &found) != 0;
        failed += found != ino;
    }
    return (void *)failed;
}

static void run(struct volume_backend *backend)
{
    pthread_t threads[THREADS];
    struct test_authority authority;
    struct volume_options options = test_options(backend);
    struct error e = {0};
    struct digest before, after;
    test_authority_init(&authority);
    options.authority = &authority.ops;
    options.mode = VOLUME_MODE_STRICT;
    options.tuning = &SMALL;
    int r = volume_create(&options, 0, 0, &e);
    if (r < 0)
        printf("# %s (%d)\n", error_text(&e, r), r);
    REQUIRE(r == 0);
    REQUIRE(volume_open(&options, &g_volume, &e) == 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        REQUIRE(pthread_join(threads[i], &failed) == 0);
        CHECK_EQ((uintptr_t)failed, 0);
    }
    CHECK_EQ(volume_sync(g_volume, 0, false), 0);
    CHECK_EQ(digest_volume(g_volume, &before), 0);
    volume_abandon(g_volume);
    REQUIRE(volume_open(&options, &g_volume, &e) == 0);
    CHECK_EQ(digest_volume(g_volume, &after), 0);
    CHECK(digest_equals(&before, &after));
    CHECK_EQ(volume_check(g_volume, print_damage, NULL), 0);
    CHECK_EQ(volume_close(g_volume), 0);
}

/* --- large reads beside a writer and the cleaner, which move what is being read --- */

enum { PIECE = 64 << 10, PIECES = 24, ROUNDS = 300 };

static uint64_t g_ino;
static atomic_bool g_written;

static void *large_reader(void *arg)
{
    static _Atomic uint64_t seed = 100;
    struct random rn = {atomic_fetch_add(&seed, 1)};
    uint8_t *bytes = malloc(4 * PIECE);
    uintptr_t wrong = 0;
    (void)arg;
    while (!atomic_load(&g_written)) {
        uint64_t at = random_below(&rn, PIECES - 3) * PIECE;
        if (volume_read(g_volume, g_ino, at, bytes, 4 * PIECE) != 4 * PIECE) {
            wrong++;
            break;
        }
        for (size_t block = 0; block < 4 * PIECE; block += 4096)
            wrong += memcmp(bytes + block, bytes + block + 1, 4095) != 0;
    }
    free(bytes);
    return (void *)wrong;
}

static void large_run(struct volume_backend *backend)
{
    static uint8_t bytes[PIECE];
    const struct volume_attr attr = {.mode = S_IFREG | 0600};
    struct volume_options options = test_options(backend);
    struct random rn = {4};
    pthread_t readers[3];
    options.tuning = &SMALL;
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&options, &g_volume, NULL) == 0);
    REQUIRE(volume_make(g_volume, VOLUME_ROOT_INO, name_of("f"), &attr, (struct slice){0},
                        &g_ino) == 0);
    atomic_store(&g_written, false);
    for (uint64_t i = 0; i < PIECES; i++)
        REQUIRE(volume_write(g_volume, g_ino, i * PIECE, bytes, PIECE) == PIECE);
    for (size_t i = 0; i < ARRAY_COUNT(readers); i++)
        REQUIRE(pthread_create(&readers[i], NULL, large_reader, NULL) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        memset(bytes, i, sizeof bytes);
        CHECK_EQ(volume_write(g_volume, g_ino, random_below(&rn, PIECES) * PIECE, bytes, PIECE),
                 PIECE);
        if (i % 10 == 0)
            CHECK_EQ(volume_sync(g_volume, 0, false), 0);
        if (i % 50 == 0)
            volume_rest(g_volume);
    }
    atomic_store(&g_written, true);
    for (size_t i = 0; i < ARRAY_COUNT(readers); i++) {
        void *wrong;
        REQUIRE(pthread_join(readers[i], &wrong) == 0);
        CHECK_EQ((uintptr_t)wrong, 0);
    }
    CHECK_EQ(volume_check(g_volume, print_damage, NULL), 0);
    CHECK_EQ(volume_close(g_volume), 0);
}

TEST(volume_reads_large_pieces_while_they_move)
{
    char dir[] = "/tmp/coffer-large-XXXXXX", command[64];
    struct volume_backend *backend;
    platform_set(&platform_sim);
    REQUIRE(volume_mem_new(&backend) == 0);
    large_run(backend);
    volume_mem_free(backend);
    REQUIRE(mkdtemp(dir));
    REQUIRE(volume_dir_open(dir, false, &backend) == 0);
    large_run(backend);
    volume_dir_close(backend);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK_EQ(system(command), 0);
}

TEST(volume_in_memory_serves_many_threads)
{
    struct volume_backend *backend;
    platform_set(&platform_sim);
    REQUIRE(volume_mem_new(&backend) == 0);
    run(backend);
    volume_mem_free(backend);
}

TEST(volume_in_a_directory_serves_many_threads)
{
    char dir[] = "/tmp/coffer-threads-XXXXXX", command[64];
    struct volume_backend *backend;
    platform_set(&platform_sim);
    REQUIRE(mkdtemp(dir));
    REQUIRE(volume_dir_open(dir, false, &backend) == 0);
    run(backend);
    volume_dir_close(backend);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK_EQ(system(command), 0);
}

/* --- names are on the disk before the superblock leads to them --- */

static struct volume_backend_ops g_plain_ops, g_watched_ops;
static bool g_names_unsynced, g_hook;
static unsigned g_too_early;

static int watched_create(struct volume_backend *b, uint64_t file)
{
    g_names_unsynced = true;
    return g_plain_ops.create(b, file);
}

static int watched_rename(struct volume_backend *b, uint64_t from, uint64_t to)
{
    g_names_unsynced = true;
    return g_plain_ops.rename(b, from, to);
}

static int watched_sync_names(struct volume_backend *b)
{
    g_names_unsynced = false;
    return g_plain_ops.sync_names(b);
}

static int watched_write(struct volume_backend *b, uint64_t file, uint64_t offset,
                         const void *bytes, size_t size)
{
    g_too_early += file == VOLUME_SUPERBLOCK_FILE && g_names_unsynced;
    return g_plain_ops.write(b, file, offset, bytes, size);
}

/* While one waits for the disk, somebody else writes a checkpoint. */
static int watched_sync(struct volume_backend *b, uint64_t file)
{
    if (g_hook) {
        g_hook = false;
        CHECK_EQ(volume_snapshot_remove(g_volume, "before"), 0);
    }
    return g_plain_ops.sync(b, file);
}

TEST(a_sync_under_way_does_not_count_for_names_yet)
{
    const struct volume_attr attr = {.mode = S_IFREG | 0600};
    struct volume_backend *backend;
    uint64_t ino;
    REQUIRE(volume_mem_new(&backend) == 0);
    g_plain_ops = g_watched_ops = *backend->ops;
    g_watched_ops.create = watched_create;
    g_watched_ops.rename = watched_rename;
    g_watched_ops.sync_names = watched_sync_names;
    g_watched_ops.write = watched_write;
    g_watched_ops.sync = watched_sync;
    struct volume_options options = test_options(backend);
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&options, &g_volume, NULL) == 0);
    CHECK_EQ(volume_snapshot_make(g_volume, "before"), 0);
    CHECK_EQ(volume_close(g_volume), 0);
    backend->ops = &g_watched_ops;
    REQUIRE(volume_open(&options, &g_volume, NULL) == 0);
    CHECK_EQ(volume_make(g_volume, VOLUME_ROOT_INO, name_of("f"), &attr, (struct slice){0}, &ino),
             0);
    CHECK_EQ(volume_push(g_volume), 0);
    CHECK(g_names_unsynced);
    g_hook = true;
    CHECK_EQ(volume_sync(g_volume, ino, false), 0);
    CHECK(!g_hook && !g_names_unsynced);
    CHECK_EQ(g_too_early, 0);
    CHECK_EQ(volume_close(g_volume), 0);
    volume_mem_free(backend);
}

TAP_MAIN()
