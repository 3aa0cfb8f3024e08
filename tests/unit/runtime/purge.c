/* SPDX-License-Identifier: Apache-2.0 */
/* Which deleted files the patterns of a policy name, by whichever way one comes to them. */
#include "runtime/vfs/purge.h"
#include "platform/ops.h"
#include "tap.h"
#include "volume/backend.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static struct volume *g_volume;
static struct volume_backend *g_backend;

static uint64_t make(uint64_t dir, const char *name, uint32_t mode)
{
    const struct volume_attr attr = {.mode = mode};
    uint64_t ino;
    REQUIRE(volume_make(g_volume, dir, slice_of_text(name), &attr, (struct slice){0}, &ino) == 0);
    return ino;
}

/* Makes what is missing of `path`, asks about its last name, and takes that away again. */
static int named(const char *pattern, const char *path)
{
    char *patterns[] = {(char *)"/never/matches", (char *)pattern, NULL};
    uint64_t dir = VOLUME_ROOT_INO, next;
    for (;;) {
        path += strspn(path, "/");
        struct slice name = slice_of(path, strcspn(path, "/"));
        path += name.size;
        char text[256];
        snprintf(text, sizeof text, "%.*s", (int)name.size, (const char *)name.bytes);
        if (*path == '\0') {
            uint64_t ino = make(dir, text, S_IFREG | 0600);
            CHECK_EQ(purge_mark(g_volume, patterns, dir, name), 0);
            ssize_t n =
                volume_getxattr(g_volume, ino, slice_of_text(VOLUME_ERASE_ATTRIBUTE), NULL, 0);
            CHECK(n == 0 || n == -ENODATA);
            if (n == 0) /* without an erase key nothing that asks so can go */
                CHECK_EQ(volume_removexattr(g_volume, ino, slice_of_text(VOLUME_ERASE_ATTRIBUTE)),
                         0);
            CHECK_EQ(volume_unlink(g_volume, dir, name), 0);
            return n == 0;
        }
        if (volume_lookup(g_volume, dir, name, &next) < 0)
            next = make(dir, text, S_IFDIR | 0700);
        dir = next;
    }
}

TEST(a_pattern_names_paths_from_the_root)
{
    static const struct key256 key = {{1}};
    platform_set(&platform_sim);
    REQUIRE(volume_mem_new(&g_backend) == 0);
    const struct volume_options options = {
        .backend = g_backend, .key = &key, .id = "purged volume..", .mode = VOLUME_MODE_NONE};
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&options, &g_volume, NULL) == 0);
    static const struct {
        const char *pattern, *path;
        int is;
    } cases[] = {
        {"/a", "/a", 1},
        {"/a", "/b", 0},
        {"/a", "/a1", 0},
        {"/a", "/d/a", 0},
        {"/d/a", "/d/a", 1},
        {"/d/a", "/d/e/a", 0},
        {"/d/*", "/d/a", 1},
        {"/d/*", "/d/e/a", 0},
        {"/*", "/a", 1},
        {"/*/key", "/d/key", 1},
        {"/*/key", "/key", 0},
        {"/*/key", "/d/e/key", 0},
        {"/e*/key", "/d/key", 0},
        {"/d?/key", "/d1/key", 1},
        {"/d?/key", "/d/key", 0},
        {"/d?*/*.pem", "/d123/x.pem", 1},
        {"/*.pem", "/x.pem.txt", 0},
        {"/*a*b*c", "/xaybzc", 1},
        {"/*a*b*c", "/xaybz", 0},
        {"/a?c", "/abc", 1},
        {"/[ab]", "/a", 0},
        {"/[ab]", "/[ab]", 1},
        {"/d/**", "/d/a", 1},
        {"/d/**", "/d/e/f/g/a", 1},
        {"/d/**", "/e/a", 0},
        {"/d/**", "/d1/a", 0},
        {"/d/e/**", "/d/a", 0},
        {"/**", "/a", 1},
        {"/**", "/d/e/a", 1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int is = named(cases[i].pattern, cases[i].path);
        if (is != cases[i].is)
            printf("# %s and %s: %d\n", cases[i].pattern, cases[i].path, is);
        CHECK_EQ(is, cases[i].is);
    }
}

TEST(depth_does_not_matter)
{
    char deep[2 + 200 * 2 + 1] = "/d", exact[62 * 2 + 1] = "";
    for (int i = 0; i < 200; i++)
        memcpy(deep + 2 + i * 2, "/x", 3);
    CHECK_EQ(named("/d/**", deep), 1);
    CHECK_EQ(named("/e/**", deep), 0);
    CHECK_EQ(named("/d/x/*", deep), 0);
    for (int i = 0; i < 62; i++) /* as many names as a pattern can have */
        memcpy(exact + i * 2, "/y", 3);
    CHECK_EQ(named(exact, exact), 1);
    CHECK_EQ(volume_close(g_volume), 0);
    volume_mem_free(g_backend);
}

TAP_MAIN()
