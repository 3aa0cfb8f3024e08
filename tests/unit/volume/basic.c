/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"
#include "tap.h"
#include "volume/authority_file.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct volume_backend *g_backend;
static struct volume *g_volume;
static const struct volume_attr FILE_ATTR = {.mode = S_IFREG | 0644, .uid = 7, .gid = 8};
static const struct volume_attr DIR_ATTR = {.mode = S_IFDIR | 0755};
static const struct volume_attr LINK_ATTR = {.mode = S_IFLNK | 0777};

static void setup(void)
{
    platform_set(&platform_sim);
    REQUIRE(volume_mem_new(&g_backend) == 0);
    struct volume_options options = test_options(g_backend);
    struct error e = {0};
    int r = volume_create(&options, 1, 2, &e);
    if (r < 0)
        printf("# %s\n", error_text(&e, r));
    REQUIRE(r == 0);
    REQUIRE(volume_open(&options, &g_volume, &e) == 0);
}

static void reopen(bool clean)
{
    struct volume_options options = test_options(g_backend);
    struct error e = {0};
    if (clean)
        CHECK_EQ(volume_close(g_volume), 0);
    else
        volume_abandon(g_volume);
    int r = volume_open(&options, &g_volume, &e);
    if (r < 0)
        printf("# %s\n", error_text(&e, r));
    REQUIRE(r == 0);
}

static void damage(void *ctx, const char *what)
{
    (void)ctx;
    printf("# %s\n", what);
}

static void teardown(void)
{
    CHECK_EQ(volume_check(g_volume, damage, NULL), 0);
    CHECK_EQ(volume_close(g_volume), 0);
    volume_mem_free(g_backend);
}

static uint64_t make(uint64_t dir, const char *name, const struct volume_attr *attr)
{
    uint64_t ino = 0;
    CHECK_EQ(volume_make(g_volume, dir, name_of(name), attr, (struct slice){0}, &ino), 0);
    return ino;
}

static uint64_t lookup(uint64_t dir, const char *name)
{
    uint64_t ino = 0;
    int r = volume_lookup(g_volume, dir, name_of(name), &ino);
    return r < 0 ? 0 : ino;
}

TEST(volume_keeps_what_was_written_over_a_clean_close)
{
    char text[16] = {0};
    struct volume_attr attr;
    setup();
    uint64_t ino = make(VOLUME_ROOT_INO, "a", &FILE_ATTR);
    CHECK_EQ(volume_write(g_volume, ino, 0, "hello", 5), 5);
    reopen(true);
    CHECK_EQ(lookup(VOLUME_ROOT_INO, "a"), ino);
    CHECK_EQ(volume_read(g_volume, ino, 0, text, sizeof text), 5);
    CHECK_TEXT(text, "hello");
    CHECK_EQ(volume_getattr(g_volume, ino, &attr), 0);
    CHECK_EQ(attr.mode, S_IFREG | 0644);
    CHECK_EQ(attr.uid, 7);
    CHECK_EQ(attr.nlink, 1);
    CHECK_EQ(attr.size, 5);
    CHECK_EQ(attr.allocated_size, 4096);
    CHECK_EQ(volume_getattr(g_volume, VOLUME_ROOT_INO, &attr), 0);
    CHECK_EQ(attr.uid, 1);
    teardown();
}

TEST(volume_keeps_what_was_synced_over_a_crash)
{
    char text[16] = {0};
    setup();
    uint64_t ino = make(VOLUME_ROOT_INO, "a", &FILE_ATTR);
    CHECK_EQ(volume_write(g_volume, ino, 0, "hello", 5), 5);
    CHECK_EQ(volume_sync(g_volume, ino, true), 0);
    CHECK_EQ(volume_write(g_volume, ino, 0, "HELLO", 5), 5);
    reopen(false);
    CHECK_EQ(lookup(VOLUME_ROOT_INO, "a"), ino);
    CHECK_EQ(volume_read(g_volume, ino, 0, text, sizeof text), 5);
    CHECK_TEXT(text, "hello");
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(volume_append(g_volume, ino, "x", 1, NULL), 1);
        CHECK_EQ(volume_sync(g_volume, ino, true), 0);
        reopen(false);
    }
    CHECK_EQ(volume_read(g_volume, ino, 0, text, sizeof text), 16);
    CHECK(memcmp(text, "helloxxxxxxxxxxx", 16) == 0);
    teardown();
}

TEST(volume_reads_large_files_and_overwrites_parts_of_them)
{
    enum { SIZE = 5 << 20 };
    uint8_t *a = malloc(SIZE), *b = malloc(SIZE);
    struct random rn = {1};
    setup();
    for (size_t i = 0; i < SIZE; i++)
        a[i] = (uint8_t)random_next(&rn);
    uint64_t ino = make(VOLUME_ROOT_INO, "big", &FILE_ATTR);
    CHECK_EQ(volume_write(g_volume, ino, 0, a, SIZE), SIZE);
    for (int i = 0; i < 300; i++) {
        size_t at = random_below(&rn, SIZE - 40000), size = random_below(&rn, 40000) + 1;
        memset(a + at, i, size);
        CHECK_EQ(volume_write(g_volume, ino, at, a + at, size), size);
    }
    for (int round = 0; round < 3; round++) {
        memset(b, 0, SIZE);
        CHECK_EQ(volume_read(g_volume, ino, 0, b, SIZE), SIZE);
        CHECK(memcmp(a, b, SIZE) == 0);
        for (int i = 0; i < 300; i++) {
            size_t at = random_below(&rn, SIZE - 40000), size = random_below(&rn, 40000) + 1;
            CHECK_EQ(volume_read(g_volume, ino, at, b, size), size);
            CHECK(memcmp(a + at, b, size) == 0);
        }
        reopen(round == 0);
        if (round == 1)
            CHECK_EQ(volume_sync(g_volume, 0, false), 0);
    }
    teardown();
    free(a);
    free(b);
}

TEST(volume_names_behave_like_a_local_file_system)
{
    uint64_t ino;
    struct volume_attr attr;
    setup();
    uint64_t d = make(VOLUME_ROOT_INO, "d", &DIR_ATTR), f = make(d, "f", &FILE_ATTR);
    CHECK_EQ(volume_make(g_volume, d, name_of("f"), &FILE_ATTR, (struct slice){0}, &ino), -EEXIST);
    CHECK_EQ(volume_make(g_volume, f, name_of("x"), &FILE_ATTR, (struct slice){0}, &ino), -ENOTDIR);
    CHECK_EQ(volume_make(g_volume, 999, name_of("x"), &FILE_ATTR, (struct slice){0}, &ino),
             -ENOENT);
    CHECK_EQ(volume_make(g_volume, d, name_of("a/b"), &FILE_ATTR, (struct slice){0}, &ino),
             -EINVAL);
    CHECK_EQ(volume_rmdir(g_volume, VOLUME_ROOT_INO, name_of("d")), -ENOTEMPTY);
    CHECK_EQ(volume_unlink(g_volume, VOLUME_ROOT_INO, name_of("d")), -EISDIR);
    CHECK_EQ(volume_rmdir(g_volume, d, name_of("f")), -ENOTDIR);
    CHECK_EQ(volume_link(g_volume, f, VOLUME_ROOT_INO, name_of("g")), 0);
    CHECK_EQ(volume_link(g_volume, d, VOLUME_ROOT_INO, name_of("h")), -EPERM);
    CHECK_EQ(volume_getattr(g_volume, f, &attr), 0);
    CHECK_EQ(attr.nlink, 2);
    CHECK_EQ(volume_unlink(g_volume, d, name_of("f")), 0);
    CHECK_EQ(volume_rmdir(g_volume, VOLUME_ROOT_INO, name_of("d")), 0);
    CHECK_EQ(lookup(VOLUME_ROOT_INO, "g"), f);
    CHECK_EQ(volume_unlink(g_volume, VOLUME_ROOT_INO, name_of("g")), 0);
    CHECK_EQ(volume_getattr(g_volume, f, &attr), -ENOENT);
    CHECK_EQ(volume_getattr(g_volume, VOLUME_ROOT_INO, &attr), 0);
    CHECK_EQ(attr.nlink, 2);
    CHECK_EQ(attr.size, 0);
    teardown();
}

TEST(volume_renames_replace_exchange_and_refuse)
{
    struct volume_attr attr;
    uint64_t ino;
    setup();
    uint64_t a = make(VOLUME_ROOT_INO, "a", &DIR_ATTR), b = make(a, "b", &DIR_ATTR);
    uint64_t f = make(VOLUME_ROOT_INO, "f", &FILE_ATTR), g = make(b, "g", &FILE_ATTR);
    CHECK_EQ(volume_rename(g_volume, VOLUME_ROOT_INO, name_of("a"), b, name_of("x"), 0), -EINVAL);
    CHECK_EQ(volume_rename(g_volume, VOLUME_ROOT_INO, name_of("f"), a, name_of("b"), 0), -EISDIR);
    CHECK_EQ(
        volume_rename(g_volume, VOLUME_ROOT_INO, name_of("f"), b, name_of("g"), RENAME_NOREPLACE),
        -EEXIST);
    CHECK_EQ(
        volume_rename(g_volume, VOLUME_ROOT_INO, name_of("f"), b, name_of("g"), RENAME_EXCHANGE),
        0);
    CHECK_EQ(lookup(VOLUME_ROOT_INO, "f"), g);
    CHECK_EQ(lookup(b, "g"), f);
    CHECK_EQ(volume_rename(g_volume, VOLUME_ROOT_INO, name_of("f"), b, name_of("g"), 0), 0);
    CHECK_EQ(lookup(b, "g"), g);
    CHECK_EQ(volume_getattr(g_volume, f, &attr), -ENOENT);
    CHECK_EQ(volume_rename(g_volume, a, name_of("b"), VOLUME_ROOT_INO, name_of("b"), 0), 0);
    CHECK_EQ(volume_parent(g_volume, b, &ino), 0);
    CHECK_EQ(ino, VOLUME_ROOT_INO);
    CHECK_EQ(volume_getattr(g_volume, VOLUME_ROOT_INO, &attr), 0);
    CHECK_EQ(attr.nlink, 4);
    CHECK_EQ(attr.size, 2);
    CHECK_EQ(volume_rename(g_volume, b, name_of("g"), b, name_of("g"), 0), 0);
    CHECK_EQ(volume_rename(g_volume, b, name_of("g"), a, name_of("w"), RENAME_WHITEOUT), 0);
    CHECK_EQ(lookup(a, "w"), g);
    CHECK_EQ(volume_getattr(g_volume, lookup(b, "g"), &attr), 0);
    CHECK_EQ(attr.mode, S_IFCHR);
    CHECK_EQ(attr.nlink, 1);
    CHECK_EQ(volume_getattr(g_volume, b, &attr), 0);
    CHECK_EQ(attr.size, 1);
    CHECK_EQ(volume_rename(g_volume, b, name_of("g"), a, name_of("w"),
                           RENAME_WHITEOUT | RENAME_EXCHANGE),
             -EINVAL);
    teardown();
}

TEST(volume_lists_large_directories_while_they_change)
{
    enum { COUNT = 3000 };
    static struct volume_entry entries[7];
    static uint8_t seen[COUNT];
    char name[300];
    setup();
    uint64_t d = make(VOLUME_ROOT_INO, "d", &DIR_ATTR);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof name, "%0*d", i % 255 + 1 < 5 ? 5 : i % 255 + 1, i);
        make(d, name, &FILE_ATTR);
    }
    reopen(true);
    memset(seen, 0, sizeof seen);
    uint64_t cookie = 0;
    int n, total = 0;
    while ((n = volume_readdir(g_volume, d, cookie, entries, ARRAY_COUNT(entries))) > 0) {
        for (int i = 0; i < n; i++) {
            int number = (int)strtol(entries[i].name, NULL, 10);
            CHECK_EQ(entries[i].type, 8);
            seen[number]++;
            if (number % 2)
                CHECK_EQ(volume_unlink(g_volume, d, slice_of(entries[i].name, entries[i].name_len)),
                         0);
        }
        total += n;
        cookie = entries[n - 1].cookie;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(total, COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(seen[i], 1);
    teardown();
}

TEST(volume_keeps_unlinked_files_while_they_are_held)
{
    struct volume_attr attr;
    uint64_t unnamed;
    char text[8] = {0};
    setup();
    uint64_t f = make(VOLUME_ROOT_INO, "f", &FILE_ATTR);
    CHECK_EQ(volume_hold(g_volume, f), 0);
    CHECK_EQ(volume_write(g_volume, f, 0, "abc", 3), 3);
    CHECK_EQ(volume_unlink(g_volume, VOLUME_ROOT_INO, name_of("f")), 0);
    CHECK_EQ(volume_sync(g_volume, 0, false), 0);
    CHECK_EQ(volume_read(g_volume, f, 0, text, sizeof text), 3);
    CHECK_EQ(volume_make_unnamed(g_volume, &FILE_ATTR, &unnamed), 0);
    CHECK_EQ(volume_link(g_volume, unnamed, VOLUME_ROOT_INO, name_of("u")), 0);
    volume_release(g_volume, unnamed);
    CHECK_EQ(lookup(VOLUME_ROOT_INO, "u"), unnamed);
    reopen(false); /* a crash with f still held */
    CHECK_EQ(volume_getattr(g_volume, f, &attr), -ENOENT);
    CHECK_EQ(volume_make_unnamed(g_volume, &FILE_ATTR, &unnamed), 0);
    volume_release(g_volume, unnamed);
    CHECK_EQ(volume_getattr(g_volume, unnamed, &attr), -ENOENT);
    teardown();
}

TEST(volume_truncates_punches_and_seeks)
{
    static uint8_t bytes[100000], back[100000];
    uint64_t at;
    struct volume_attr attr = {.size = 10};
    setup();
    uint64_t f = make(VOLUME_ROOT_INO, "f", &FILE_ATTR);
    memset(bytes, 'x', sizeof bytes);
    CHECK_EQ(volume_write(g_volume, f, 0, bytes, sizeof bytes), sizeof bytes);
    CHECK_EQ(volume_setattr(g_volume, f, VOLUME_ATTR_SIZE, &attr), 0);
    attr.size = 50000;
    CHECK_EQ(volume_setattr(g_volume, f, VOLUME_ATTR_SIZE, &attr), 0);
    CHECK_EQ(volume_read(g_volume, f, 0, back, sizeof back), 50000);
    memset(bytes + 10, 0, sizeof bytes - 10);
    CHECK(memcmp(bytes, back, 50000) == 0);
    CHECK_EQ(volume_seek(g_volume, f, 5, SEEK_HOLE, &at), 0);
    CHECK_EQ(at, 4096);
    CHECK_EQ(volume_seek(g_volume, f, 5000, SEEK_DATA, &at), -ENXIO);
    memset(bytes, 'y', 50000);
    CHECK_EQ(volume_write(g_volume, f, 0, bytes, 50000), 50000);
    CHECK_EQ(volume_allocate(g_volume, f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 20000),
             0);
    memset(bytes + 5000, 0, 20000);
    CHECK_EQ(volume_read(g_volume, f, 0, back, sizeof back), 50000);
    CHECK(memcmp(bytes, back, 50000) == 0);
    CHECK_EQ(volume_seek(g_volume, f, 0, SEEK_HOLE, &at), 0);
    CHECK_EQ(at, 8192);
    CHECK_EQ(volume_seek(g_volume, f, at, SEEK_DATA, &at), 0);
    CHECK_EQ(at, 24576);
    CHECK_EQ(volume_seek(g_volume, f, at, SEEK_HOLE, &at), 0);
    CHECK_EQ(at, 50000);
    CHECK_EQ(volume_allocate(g_volume, f, 0, 60000, 10), 0);
    CHECK_EQ(volume_getattr(g_volume, f, &attr), 0);
    CHECK_EQ(attr.size, 60010);
    CHECK_EQ(volume_allocate(g_volume, f, FALLOC_FL_ZERO_RANGE, 40000, 30000), 0);
    CHECK_EQ(volume_getattr(g_volume, f, &attr), 0);
    CHECK_EQ(attr.size, 70000);
    memset(bytes + 40000, 0, 30000);
    CHECK_EQ(volume_read(g_volume, f, 0, back, sizeof back), 70000);
    CHECK(memcmp(bytes, back, 70000) == 0);
    CHECK_EQ(volume_allocate(g_volume, f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -EOPNOTSUPP);
    teardown();
}

TEST(volume_keeps_links_targets_and_attributes)
{
    char target[4000], back[4096];
    uint64_t ino;
    setup();
    memset(target, 't', sizeof target);
    CHECK_EQ(volume_make(g_volume, VOLUME_ROOT_INO, name_of("l"), &LINK_ATTR,
                         slice_of(target, sizeof target), &ino),
             0);
    CHECK_EQ(volume_setxattr(g_volume, ino, name_of("user.a"), slice_of("1", 1), XATTR_REPLACE),
             -ENODATA);
    CHECK_EQ(volume_setxattr(g_volume, ino, name_of("user.a"), slice_of("12345", 5), 0), 0);
    CHECK_EQ(volume_setxattr(g_volume, ino, name_of("user.b"), slice_of("", 0), 0), 0);
    CHECK_EQ(volume_setxattr(g_volume, ino, name_of("user.a"), slice_of("1", 1), XATTR_CREATE),
             -EEXIST);
    reopen(true);
    CHECK_EQ(volume_readlink(g_volume, ino, back, sizeof back), 4000);
    CHECK(memcmp(back, target, 4000) == 0);
    CHECK_EQ(volume_getxattr(g_volume, ino, name_of("user.a"), back, 0), 5);
    CHECK_EQ(volume_getxattr(g_volume, ino, name_of("user.a"), back, 3), -ERANGE);
    CHECK_EQ(volume_getxattr(g_volume, ino, name_of("user.a"), back, 30), 5);
    CHECK(memcmp(back, "12345", 5) == 0);
    CHECK_EQ(volume_getxattr(g_volume, ino, name_of("user.c"), back, 30), -ENODATA);
    CHECK_EQ(volume_listxattr(g_volume, ino, back, 0), 14);
    CHECK_EQ(volume_listxattr(g_volume, ino, back, 100), 14);
    CHECK_EQ(volume_removexattr(g_volume, ino, name_of("user.a")), 0);
    CHECK_EQ(volume_removexattr(g_volume, ino, name_of("user.a")), -ENODATA);
    CHECK_EQ(volume_listxattr(g_volume, ino, back, 100), 7);
    CHECK_TEXT(back, "user.b");
    teardown();
}

TEST(volume_keeps_attributes_of_every_size)
{
    static const size_t sizes[] = {0, 1, 1791, 1792, 1793, 3000, 65536, 2817, 2816, 40000, 5};
    static char value[65537], back[65537];
    setup();
    uint64_t f = make(VOLUME_ROOT_INO, "f", &FILE_ATTR);
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            value[k] = (char)(k * 31 + k / 256 + i);
        CHECK_EQ(volume_setxattr(g_volume, f, name_of("user.x"), slice_of(value, sizes[i]), 0), 0);
        CHECK_EQ(volume_sync(g_volume, 0, false), 0);
        if (i % 2)
            reopen(i % 4 == 1);
        CHECK_EQ(volume_getxattr(g_volume, f, name_of("user.x"), NULL, 0), (ssize_t)sizes[i]);
        if (sizes[i] > 1)
            CHECK_EQ(volume_getxattr(g_volume, f, name_of("user.x"), back, sizes[i] - 1), -ERANGE);
        CHECK_EQ(volume_getxattr(g_volume, f, name_of("user.x"), back, sizeof back),
                 (ssize_t)sizes[i]);
        CHECK(memcmp(value, back, sizes[i]) == 0);
    }
    CHECK_EQ(volume_setxattr(g_volume, f, name_of("user.x"), slice_of(value, 65537), 0), -E2BIG);
    CHECK_EQ(volume_setxattr(g_volume, f, name_of("user.x"), slice_of(value, 60000), 0), 0);
    CHECK_EQ(volume_setxattr(g_volume, f, name_of("user.y"), slice_of(value, 50000), 0), 0);
    CHECK_EQ(volume_removexattr(g_volume, f, name_of("user.x")), 0);
    CHECK_EQ(volume_getxattr(g_volume, f, name_of("user.x"), back, sizeof back), -ENODATA);
    CHECK_EQ(volume_setxattr(g_volume, f, name_of("user.x"), slice_of("7", 1), 0), 0);
    CHECK_EQ(volume_getxattr(g_volume, f, name_of("user.x"), back, sizeof back), 1);
    CHECK_EQ(volume_getxattr(g_volume, f, name_of("user.y"), back, sizeof back), 50000);
    CHECK_EQ(volume_unlink(g_volume, VOLUME_ROOT_INO, name_of("f")), 0);
    teardown();
}

TEST(volume_refuses_a_wrong_key_and_a_second_owner)
{
    static const struct key256 other = {{9}};
    struct volume *second;
    struct error e = {0};
    setup();
    struct volume_options options = test_options(g_backend);
    CHECK_EQ(volume_open(&options, &second, &e), -EBUSY);
    CHECK_EQ(volume_close(g_volume), 0);
    options.key = &other;
    CHECK_EQ(volume_open(&options, &second, &e), -EBADMSG);
    options.key = &TEST_KEY;
    options.id[0] ^= 1;
    CHECK_EQ(volume_open(&options, &second, &e), -EKEYREJECTED);
    options.id[0] ^= 1;
    CHECK_EQ(volume_create(&options, 0, 0, &e), -EEXIST);
    REQUIRE(volume_open(&options, &g_volume, &e) == 0);
    teardown();
}

static int remove_file(void *ctx, uint64_t file)
{
    struct volume_backend *b = ctx;
    return b->ops->remove(b, file);
}

TEST(volume_in_a_directory_is_few_files_and_notices_its_own_older_copy)
{
    char dir[] = "/tmp/coffer-volume-XXXXXX", path[64], command[256], text[8] = {0};
    struct error e = {0};
    struct authority_file *authority;
    struct volume *v;
    uint64_t ino;
    platform_set(&platform_sim);
    REQUIRE(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/v", dir);
    REQUIRE(volume_dir_open(path, true, &g_backend) == 0);
    struct volume_options options = test_options(g_backend);
    (void)snprintf(path, sizeof path, "%s/head", dir);
    REQUIRE(authority_file_new(path, &TEST_KEY, &authority, &e) == 0);
    options.authority = authority_file_ops(authority);
    options.mode = VOLUME_MODE_STRICT;
    int r = volume_create(&options, 0, 0, &e);
    if (r < 0)
        printf("# %s\n", error_text(&e, r));
    REQUIRE(r == 0);
    (void)snprintf(command, sizeof command,
                   "cd %s/v && test $(ls | wc -l) -le 3 && "
                   "test $(cat * | wc -c) -le 131072 && cp -r ../v ../old",
                   dir);
    CHECK_EQ(system(command), 0);
    REQUIRE(volume_open(&options, &v, &e) == 0);
    CHECK_EQ(volume_make(v, VOLUME_ROOT_INO, name_of("a"), &FILE_ATTR, (struct slice){0}, &ino), 0);
    CHECK_EQ(volume_write(v, ino, 0, "hello", 5), 5);
    CHECK_EQ(volume_sync(v, ino, false), 0);
    CHECK_EQ(volume_close(v), 0);
    REQUIRE(volume_open(&options, &v, &e) == 0);
    CHECK_EQ(volume_read(v, ino, 0, text, sizeof text), 5);
    CHECK_TEXT(text, "hello");
    CHECK_EQ(volume_close(v), 0);
    volume_dir_close(g_backend);
    (void)snprintf(command, sizeof command, "cd %s && rm -r v && mv old v", dir);
    CHECK_EQ(system(command), 0);
    (void)snprintf(path, sizeof path, "%s/v", dir);
    REQUIRE(volume_dir_open(path, false, &g_backend) == 0);
    options.backend = g_backend;
    CHECK_EQ(volume_open(&options, &v, &e), -EKEYREJECTED);
    for (int left = 1; left;)
        left = g_backend->ops->list(g_backend, remove_file, g_backend) != 0;
    CHECK_EQ(volume_create(&options, 0, 0, &e), -EKEYREJECTED);
    volume_dir_close(g_backend);
    authority_file_free(authority);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK_EQ(system(command), 0);
}

TAP_MAIN()
