/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: what they show, what they pin, and going back to one. */
#include "digest.h"
#include "tap.h"

static struct volume_backend *g_backend;
static struct volume_options g_options;

static struct volume *fresh(void)
{
    struct volume *v;
    platform_set(&platform_sim);
    REQUIRE(volume_mem_new(&g_backend) == 0);
    g_options = test_options(g_backend);
    g_options.tuning = &SMALL;
    REQUIRE(volume_create(&g_options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&g_options, &v, NULL) == 0);
    return v;
}

static struct volume *again(struct volume *v, const char *snapshot)
{
    REQUIRE(volume_close(v) == 0);
    g_options.snapshot = snapshot;
    int r = volume_open(&g_options, &v, NULL);
    g_options.snapshot = NULL;
    REQUIRE(r == 0);
    return v;
}

static uint64_t file_put(struct volume *v, const char *name, uint8_t byte, size_t size)
{
    const struct volume_attr attr = {.mode = S_IFREG | 0600};
    uint64_t ino;
    uint8_t *bytes = malloc(size);
    memset(bytes, byte, size);
    if (volume_lookup(v, VOLUME_ROOT_INO, name_of(name), &ino) < 0)
        REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of(name), &attr, (struct slice){0}, &ino) ==
                0);
    for (size_t at = 0; at < size; at += 1 << 16) {
        size_t n = MIN(size - at, (size_t)1 << 16);
        REQUIRE(volume_write(v, ino, at, bytes, n) == (ssize_t)n);
    }
    free(bytes);
    return ino;
}

static uint64_t host_size(struct volume *v)
{
    struct volume_stats stats;
    volume_statfs(v, &stats);
    return stats.host_size;
}

TEST(snapshot_shows_what_was_and_nothing_can_be_changed_there)
{
    struct digest then, now, shown;
    uint64_t ino;
    struct volume *v = fresh();
    file_put(v, "a", 1, 100000);
    CHECK_EQ(digest_contents(v, &then), 0);
    CHECK_EQ(volume_snapshot_make(v, "monday"), 0);
    file_put(v, "a", 2, 150000);
    file_put(v, "b", 3, 5000);
    CHECK_EQ(digest_contents(v, &now), 0);
    v = again(v, "monday");
    CHECK_EQ(digest_contents(v, &shown), 0);
    CHECK(digest_equals(&shown, &then));
    CHECK_EQ(volume_lookup(v, VOLUME_ROOT_INO, name_of("a"), &ino), 0);
    CHECK_EQ(volume_write(v, ino, 0, "x", 1), -EROFS);
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("a")), -EROFS);
    CHECK_EQ(volume_snapshot_make(v, "other"), -EROFS);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    v = again(v, NULL);
    CHECK_EQ(digest_contents(v, &shown), 0);
    CHECK(digest_equals(&shown, &now));
    CHECK_EQ(volume_close(v), 0);
    volume_mem_free(g_backend);
}

TEST(snapshot_names_are_checked)
{
    char longest[VOLUME_SNAPSHOT_NAME_MAX + 2];
    struct volume_snapshot list[4];
    struct volume *v = fresh();
    memset(longest, 'n', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    CHECK_EQ(volume_snapshot_make(v, ""), -EINVAL);
    CHECK_EQ(volume_snapshot_make(v, "a/b"), -EINVAL);
    CHECK_EQ(volume_snapshot_make(v, "a b"), -EINVAL);
    CHECK_EQ(volume_snapshot_make(v, longest), -EINVAL);
    longest[VOLUME_SNAPSHOT_NAME_MAX] = '\0';
    CHECK_EQ(volume_snapshot_make(v, longest), 0);
    CHECK_EQ(volume_snapshot_make(v, longest), -EEXIST);
    CHECK_EQ(volume_snapshot_remove(v, "other"), -ENOENT);
    CHECK_EQ(volume_snapshot_list(v, list, 4), 1);
    CHECK_TEXT(list[0].name, longest);
    struct error e = {0};
    CHECK_EQ(volume_close(v), 0);
    g_options.snapshot = "missing";
    CHECK_EQ(volume_open(&g_options, &v, &e), -ENOENT);
    CHECK(strstr(e.text, "no snapshot 'missing'"));
    volume_mem_free(g_backend);
}

/* Each state is overwritten many times while its snapshot stands; then all goes away. */
TEST(snapshot_survives_the_cleaner_and_gives_its_space_back)
{
    enum { COUNT = 5, SIZE = 300000 };
    static const char *const names[COUNT] = {"one", "two", "three", "four", "five"};
    struct digest then[COUNT], shown;
    struct volume_stats stats;
    struct volume *v = fresh();
    for (uint8_t i = 0; i < COUNT; i++) {
        file_put(v, "a", i, SIZE);
        CHECK_EQ(digest_contents(v, &then[i]), 0);
        CHECK_EQ(volume_snapshot_make(v, names[i]), 0);
        for (uint8_t k = 0; k < 10; k++)
            file_put(v, "a", (uint8_t)(100 + k), SIZE);
    }
    volume_statfs(v, &stats);
    CHECK_EQ(stats.snapshot_count, COUNT);
    CHECK(stats.pinned_size >= COUNT * SIZE);
    printf("# %llu bytes on the host for %d states of %d\n", (unsigned long long)stats.host_size,
           COUNT, SIZE);
    CHECK(stats.host_size < 8 * COUNT * SIZE);
    for (int i = 0; i < COUNT; i++) {
        v = again(v, names[i]);
        CHECK_EQ(digest_contents(v, &shown), 0);
        CHECK(digest_equals(&shown, &then[i]));
    }
    v = again(v, NULL);
    uint64_t before = host_size(v);
    /* From the middle, from the ends: what remains still shows. */
    static const int order[COUNT] = {2, 0, 4, 1, 3};
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(volume_snapshot_remove(v, names[order[i]]), 0);
        for (int k = i + 1; k < COUNT; k++) {
            v = again(v, names[order[k]]);
            CHECK_EQ(digest_contents(v, &shown), 0);
            CHECK(digest_equals(&shown, &then[order[k]]));
        }
        v = again(v, NULL);
    }
    file_put(v, "a", 9, SIZE);
    CHECK_EQ(volume_sync(v, 0, false), 0);
    volume_statfs(v, &stats);
    CHECK_EQ(stats.pinned_size, 0);
    CHECK(stats.host_size < before / 2);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    CHECK_EQ(volume_close(v), 0);
    volume_mem_free(g_backend);
}

TEST(snapshot_can_be_gone_back_to)
{
    struct digest then, now, shown;
    struct volume_snapshot list[4];
    uint64_t ino;
    struct volume *v = fresh();
    file_put(v, "a", 1, 200000);
    CHECK_EQ(digest_contents(v, &then), 0);
    CHECK_EQ(volume_snapshot_make(v, "then"), 0);
    for (uint8_t k = 0; k < 10; k++)
        file_put(v, "a", k, 250000);
    ino = file_put(v, "b", 2, 100000);
    CHECK_EQ(digest_contents(v, &now), 0);
    CHECK_EQ(volume_snapshot_make(v, "now"), 0);
    CHECK_EQ(volume_hold(v, ino), 0);
    CHECK_EQ(volume_snapshot_restore(v, "then"), -EBUSY);
    volume_release(v, ino);
    CHECK_EQ(volume_snapshot_restore(v, "then"), 0);
    CHECK_EQ(digest_contents(v, &shown), 0);
    CHECK(digest_equals(&shown, &then));
    CHECK_EQ(volume_snapshot_list(v, list, 4), 2);
    CHECK(file_put(v, "c", 1, 100) > ino); /* numbers are not used twice */
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("c")), 0);
    volume_abandon(v);
    REQUIRE(volume_open(&g_options, &v, NULL) == 0);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    CHECK_EQ(volume_snapshot_restore(v, "now"), 0);
    CHECK_EQ(digest_contents(v, &shown), 0);
    CHECK(digest_equals(&shown, &now));
    for (uint8_t k = 0; k < 10; k++)
        file_put(v, "a", k, 250000);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    v = again(v, "then");
    CHECK_EQ(digest_contents(v, &shown), 0);
    CHECK(digest_equals(&shown, &then));
    CHECK_EQ(volume_close(v), 0);
    volume_mem_free(g_backend);
}

/* A full volume: removing a snapshot must work, and makes room. */
TEST(snapshot_can_be_removed_when_the_volume_is_full)
{
    uint8_t bytes[20000] = {1};
    uint64_t ino;
    ssize_t n = 0;
    struct volume *v = fresh();
    REQUIRE(volume_close(v) == 0);
    g_options.size_max = 3 << 20;
    REQUIRE(volume_open(&g_options, &v, NULL) == 0);
    file_put(v, "a", 1, 900000);
    CHECK_EQ(volume_snapshot_make(v, "full"), 0);
    ino = file_put(v, "b", 2, 1);
    for (uint64_t at = 0; n >= 0 && at < 8 << 20; at += sizeof bytes)
        n = volume_write(v, ino, at, bytes, sizeof bytes);
    CHECK_EQ(n, -ENOSPC);
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("a")), 0);
    CHECK_EQ(volume_snapshot_remove(v, "full"), 0);
    CHECK_EQ(volume_write(v, ino, 0, bytes, sizeof bytes), sizeof bytes);
    CHECK_EQ(volume_sync(v, 0, false), 0);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    CHECK_EQ(volume_close(v), 0);
    volume_mem_free(g_backend);
}

TAP_MAIN()
