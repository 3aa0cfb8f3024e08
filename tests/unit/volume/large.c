/* SPDX-License-Identifier: Apache-2.0 */
/* Many files: a directory of 100,000 (LARGE_FILES in the environment: or more), within a megabyte of
 * memory for the index, listed whole, found, removed. */
#include "digest.h"
#include "tap.h"

#include <malloc.h>

enum { FILES_DEFAULT = 100000, MEMORY_MAX = 1 << 20 };

static void name_make(char name[16], unsigned long i)
{
    (void)snprintf(name, 16, "n%lu", i * 7919);
}

/* What takes time is the work, not the disk that others use as well. */
static unsigned long g_syncs;

static int sync_count(struct volume_backend *b, uint64_t file)
{
    (void)b;
    (void)file;
    g_syncs++;
    return 0;
}

static int names_sync_count(struct volume_backend *b)
{
    return sync_count(b, 0);
}

static void syncs_count(struct volume_backend *backend)
{
    static struct volume_backend_ops ops;
    ops = *backend->ops;
    ops.sync = sync_count;
    ops.sync_names = names_sync_count;
    backend->ops = &ops;
}

TEST(volume_holds_a_large_directory_in_little_memory)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    const char *more = getenv("LARGE_FILES");
    unsigned long files = more ? strtoul(more, NULL, 10) : FILES_DEFAULT, found = 0;
    char dir[] = "/tmp/coffer-large-XXXXXX", command[64], name[16];
    struct volume_backend *backend;
    struct volume_entry entries[64];
    struct volume *v;
    uint64_t parent, ino, cookie = 0;
    size_t most = 0;
    platform_set(&platform_sim);
    REQUIRE(mkdtemp(dir));
    REQUIRE(volume_dir_open(dir, false, &backend) == 0);
    syncs_count(backend);
    struct volume_options options = test_options(backend);
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    size_t before = mallinfo2().uordblks;
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    const struct volume_attr folder = {.mode = S_IFDIR | 0700};
    REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of("d"), &folder, (struct slice){0}, &parent) ==
            0);
    for (unsigned long i = 0; i < files; i++) {
        name_make(name, i);
        REQUIRE(volume_make(v, parent, name_of(name), &attr, (struct slice){0}, &ino) == 0);
        if (i % 1000 == 0)
            most = MAX(most, mallinfo2().uordblks - before);
    }
    CHECK_EQ(volume_sync(v, 0, false), 0);
    CHECK_EQ(volume_make(v, parent, name_of("n0"), &attr, (struct slice){0}, &ino), -EEXIST);
    for (unsigned long i = 0; i < files; i += 97) {
        name_make(name, i);
        CHECK_EQ(volume_lookup(v, parent, name_of(name), &ino), 0);
    }
    for (int n; (n = volume_readdir(v, parent, cookie, entries, 64)) > 0;) {
        found += (unsigned long)n;
        cookie = entries[n - 1].cookie;
    }
    CHECK_EQ(found, files);
    most = MAX(most, mallinfo2().uordblks - before);
    volume_rest(v);
    printf("# %lu files: at most %zu KiB of memory, %zu KiB at rest\n", files, most / 1024,
           (mallinfo2().uordblks - before) / 1024);
    if (getenv("ASAN_OPTIONS") == NULL && mallinfo2().uordblks != 0)
        CHECK(most < MEMORY_MAX);
    CHECK_EQ(volume_close(v), 0);
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    for (unsigned long i = 0; i < files; i++) {
        name_make(name, i);
        REQUIRE(volume_unlink(v, parent, name_of(name)) == 0);
    }
    CHECK_EQ(volume_rmdir(v, VOLUME_ROOT_INO, name_of("d")), 0);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    CHECK_EQ(volume_close(v), 0);
    printf("# %lu syncs\n", g_syncs);
    CHECK(g_syncs < files / 10);
    volume_dir_close(backend);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK_EQ(system(command), 0);
}

TAP_MAIN()
