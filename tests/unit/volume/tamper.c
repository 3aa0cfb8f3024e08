/* SPDX-License-Identifier: Apache-2.0 */
/* A hostile host: changed bytes, files removed, swapped, put back. Each is refused or harmless;
 * nothing wrong is ever shown. Two owners, and a full disk. */
#include "digest.h"
#include "platform/host.h"
#include "tap.h"
#include "volume/fault/fault.h"

enum { FILES_MAX = 64 };

struct files {
    uint64_t numbers[FILES_MAX];
    size_t count;
};

static struct volume_backend *g_backend;
static struct test_authority g_authority;
static struct volume_backend *g_full;
static struct volume_options g_options;
static struct digest g_digest;

static int file_collect(void *ctx, uint64_t file)
{
    struct files *files = ctx;
    if (files->count < FILES_MAX)
        files->numbers[files->count++] = file;
    return 0;
}

static void files_of(struct volume_backend *b, struct files *files)
{
    files->count = 0;
    CHECK_EQ(b->ops->list(b, file_collect, files), 0);
}

static struct volume *open_or_die(void)
{
    struct error e = {0};
    struct volume *v = NULL;
    int r = volume_open(&g_options, &v, &e);
    if (r < 0)
        printf("# %s\n", error_text(&e, r));
    REQUIRE(r == 0);
    return v;
}

/* A small volume with a history over several openings, closed. */
static void setup(bool authority, int openings)
{
    struct error e = {0};
    struct random rn = {77};
    platform_set(&platform_sim);
    REQUIRE(volume_mem_new(&g_backend) == 0);
    g_options = test_options(g_backend);
    g_options.tuning = &SMALL;
    test_authority_init(&g_authority);
    if (authority) {
        g_options.authority = &g_authority.ops;
        g_options.mode = VOLUME_MODE_STRICT;
    }
    REQUIRE(volume_create(&g_options, 0, 0, &e) == 0);
    for (int i = 0; i < openings; i++) {
        struct volume *v = open_or_die();
        for (int k = 0; k < 30; k++)
            random_change(v, &rn, 20000);
        REQUIRE(digest_volume(v, &g_digest) == 0);
        CHECK_EQ(volume_close(v), 0);
    }
}

static void teardown(void)
{
    volume_mem_free(g_backend);
}

/* 0: refused or all as it was. 1: something wrong was shown. */
static int is_fooled(void)
{
    struct volume *v;
    struct digest now;
    struct volume_head head = g_authority.head;
    struct error e = {0};
    int fooled = 0, r = volume_open(&g_options, &v, &e);
    if (r == 0) {
        fooled = digest_volume(v, &now) == 0 && !digest_equals(&now, &g_digest);
        volume_abandon(v);
    } else {
        fooled = e.text[0] == '\0';
    }
    g_authority.head = head;
    return fooled;
}

static void flip(uint64_t file, uint64_t offset, uint8_t bits)
{
    uint8_t byte;
    REQUIRE(g_backend->ops->read(g_backend, file, offset, &byte, 1) == 1);
    byte ^= bits;
    REQUIRE(g_backend->ops->write(g_backend, file, offset, &byte, 1) == 0);
}

/* Every byte that was ever written, and a sample of the zeros after it. */
static void flip_all(void)
{
    struct files files;
    files_of(g_backend, &files);
    unsigned flips = 0, fooled = 0;
    for (size_t i = 0; i < files.count; i++) {
        uint64_t size = 0, run = 0;
        CHECK_EQ(g_backend->ops->size(g_backend, files.numbers[i], &size), 0);
        for (uint64_t at = 0; at < size; at++) {
            uint8_t byte;
            REQUIRE(g_backend->ops->read(g_backend, files.numbers[i], at, &byte, 1) == 1);
            run = byte ? 0 : run + 1;
            bool data_middle = at > 4096 && at % 61 != 0; /* of blocks: one byte is like another */
            if ((run > 64 && at % 509 != 0) || data_middle)
                continue;
            flip(files.numbers[i], at, (uint8_t)(1u << at % 8));
            fooled += (unsigned)is_fooled();
            flip(files.numbers[i], at, (uint8_t)(1u << at % 8));
            flips++;
        }
    }
    printf("# %u bytes changed\n", flips);
    CHECK(flips > 1000);
    CHECK_EQ(fooled, 0);
    CHECK_EQ(is_fooled(), 0);
}

TEST(volume_shows_nothing_wrong_whatever_byte_is_changed)
{
    setup(true, 2);
    flip_all();
    teardown();
}

TEST(volume_without_an_authority_shows_nothing_wrong_after_a_clean_close)
{
    setup(false, 2);
    flip_all();
    teardown();
}

/* Copies all files of one backend into another, empty one. */
static struct volume_backend *copy_of(struct volume_backend *from)
{
    struct volume_backend *to;
    struct files files;
    files_of(from, &files);
    REQUIRE(volume_mem_new(&to) == 0);
    for (size_t i = 0; i < files.count; i++) {
        uint64_t size = 0;
        CHECK_EQ(from->ops->size(from, files.numbers[i], &size), 0);
        uint8_t *bytes = malloc(size + 1);
        CHECK_EQ(from->ops->read(from, files.numbers[i], 0, bytes, size), size);
        CHECK_EQ(to->ops->create(to, files.numbers[i]), 0);
        CHECK_EQ(to->ops->write(to, files.numbers[i], 0, bytes, size), 0);
        free(bytes);
    }
    return to;
}

/* Opens `b` in place of the volume's own files. The result of volume_open(), 0 only if what it
 * shows is right. */
static int open_instead(struct volume_backend *b)
{
    struct volume *v;
    struct digest now;
    struct volume_head head = g_authority.head;
    struct error e = {0};
    g_options.backend = b;
    int r = volume_open(&g_options, &v, &e);
    if (r == 0) {
        r = digest_volume(v, &now);
        CHECK(r < 0 || digest_equals(&now, &g_digest));
        volume_abandon(v);
    }
    g_options.backend = g_backend;
    g_authority.head = head;
    return r;
}

TEST(volume_refuses_missing_swapped_and_older_segments)
{
    struct files files;
    setup(true, 3);
    struct volume *v = open_or_die();
    struct volume_backend *older = copy_of(g_backend);
    struct random rn = {5};
    for (int i = 0; i < 60; i++)
        random_change(v, &rn, 20000);
    REQUIRE(digest_volume(v, &g_digest) == 0);
    CHECK_EQ(volume_close(v), 0);
    files_of(g_backend, &files);
    CHECK(files.count >= 3);
    unsigned refused = 0;
    for (size_t i = 0; i < files.count; i++) {
        struct volume_backend *b = copy_of(g_backend);
        CHECK_EQ(b->ops->remove(b, files.numbers[i]), 0);
        refused += open_instead(b) < 0;
        volume_mem_free(b);
    }
    CHECK_EQ(refused, files.count); /* a closed volume has no segment it can do without */
    for (size_t i = 0; i + 1 < files.count; i++) {
        struct volume_backend *b = copy_of(g_backend);
        uint64_t x = files.numbers[i], y = files.numbers[i + 1];
        CHECK_EQ(b->ops->rename(b, x, 12345), 0);
        CHECK_EQ(b->ops->rename(b, y, x), 0);
        CHECK_EQ(b->ops->rename(b, 12345, y), 0);
        CHECK(open_instead(b) < 0);
        volume_mem_free(b);
    }
    CHECK_EQ(open_instead(older), -EKEYREJECTED);
    volume_mem_free(older);
    teardown();
}

TEST(volume_refuses_an_older_copy_of_itself_at_every_age)
{
    struct volume_backend *copies[12];
    struct random rn = {9};
    setup(true, 1);
    for (size_t i = 0; i < ARRAY_COUNT(copies); i++) {
        struct volume *v = open_or_die();
        copies[i] = copy_of(g_backend);
        random_change(v, &rn, 9000);
        struct volume_attr attr = {.mtime_ns = (int64_t)i};
        CHECK_EQ(volume_setattr(v, VOLUME_ROOT_INO, VOLUME_ATTR_MTIME, &attr), 0);
        if (i % 2)
            CHECK_EQ(volume_sync(v, 0, false), 0);
        REQUIRE(digest_volume(v, &g_digest) == 0);
        if (i % 2)
            volume_abandon(v); /* a crash after a sync is as good as a close */
        else
            CHECK_EQ(volume_close(v), 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(copies); i++) {
        CHECK_EQ(open_instead(copies[i]), -EKEYREJECTED);
        volume_mem_free(copies[i]);
    }
    CHECK_EQ(is_fooled(), 0);
    teardown();
}

/* --- two owners --- */

TEST(volume_fences_the_first_owner_when_a_second_opens)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    struct volume *second;
    struct error e = {0};
    uint64_t ino;
    setup(true, 1);
    struct volume *first = open_or_die();
    CHECK_EQ(volume_make(first, VOLUME_ROOT_INO, name_of("one"), &attr, (struct slice){0}, &ino),
             0);
    CHECK_EQ(volume_sync(first, 0, false), 0);
    g_backend->ops->unlock(g_backend); /* another machine does not see this one's lock */
    REQUIRE(volume_open(&g_options, &second, &e) == 0);
    CHECK_EQ(volume_make(second, VOLUME_ROOT_INO, name_of("two"), &attr, (struct slice){0}, &ino),
             0);
    CHECK_EQ(volume_sync(second, 0, false), 0);
    CHECK_EQ(volume_make(first, VOLUME_ROOT_INO, name_of("lost"), &attr, (struct slice){0}, &ino),
             0);
    CHECK(volume_sync(first, 0, false) < 0);
    CHECK_EQ(volume_make(first, VOLUME_ROOT_INO, name_of("no"), &attr, (struct slice){0}, &ino),
             -EROFS);
    volume_abandon(first);
    CHECK_EQ(volume_make(second, VOLUME_ROOT_INO, name_of("three"), &attr, (struct slice){0}, &ino),
             0);
    CHECK_EQ(volume_close(second), 0);
    struct volume *third = open_or_die();
    CHECK_EQ(volume_lookup(third, VOLUME_ROOT_INO, name_of("one"), &ino), 0);
    CHECK_EQ(volume_lookup(third, VOLUME_ROOT_INO, name_of("two"), &ino), 0);
    CHECK_EQ(volume_lookup(third, VOLUME_ROOT_INO, name_of("three"), &ino), 0);
    CHECK_EQ(volume_lookup(third, VOLUME_ROOT_INO, name_of("lost"), &ino), -ENOENT);
    CHECK_EQ(volume_close(third), 0);
    teardown();
}

TEST(volume_acknowledges_nothing_while_a_strict_authority_is_away)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    uint64_t ino;
    setup(true, 1);
    struct volume *v = open_or_die();
    g_authority.answer = -EAGAIN;
    CHECK_EQ(volume_make(v, VOLUME_ROOT_INO, name_of("a"), &attr, (struct slice){0}, &ino), 0);
    CHECK_EQ(volume_sync(v, 0, false), -EIO);
    CHECK_EQ(volume_sync(v, 0, false), -EIO);
    CHECK_EQ(volume_write(v, ino, 0, "x", 1), 1);
    g_authority.answer = 0;
    CHECK_EQ(volume_sync(v, 0, false), 0);
    CHECK_EQ(volume_close(v), 0);
    teardown();
}

static int64_t g_ahead_ns;

static int64_t clock_ahead(void)
{
    return host_realtime_ns() + g_ahead_ns;
}

/* Neither an authority that is silent afterwards, nor one that would take it again, changes that. */
static void refused_for_good(enum volume_mode mode, int refusal)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    static const int after[] = {-EAGAIN, 0, -EAGAIN};
    uint64_t ino;
    setup(true, 1);
    g_options.mode = mode;
    g_options.now_ns = clock_ahead;
    struct volume *v = open_or_die();
    CHECK_EQ(volume_make(v, VOLUME_ROOT_INO, name_of("a"), &attr, (struct slice){0}, &ino), 0);
    g_ahead_ns = 2000000000; /* so long that it asks, and the term is not over */
    g_authority.answer = refusal;
    CHECK_EQ(volume_sync(v, 0, false), -EROFS);
    for (size_t i = 0; i < ARRAY_COUNT(after); i++) {
        g_ahead_ns = i == 2 ? 0 : g_ahead_ns; /* as if it had been asked a moment ago */
        g_authority.answer = after[i];
        CHECK_EQ(volume_sync(v, 0, false), -EROFS);
    }
    CHECK_EQ(volume_write(v, ino, 0, "x", 1), -EROFS);
    CHECK_EQ(volume_close(v), -EROFS);
    teardown();
}

TEST(volume_refused_by_its_authority_acknowledges_nothing_any_more)
{
    static const int refusals[] = {-ESTALE, -EACCES, -ENOKEY};
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        refused_for_good(VOLUME_MODE_STRICT, refusals[i]);
        refused_for_good(VOLUME_MODE_PERIODIC, refusals[i]);
    }
}

/* --- a full disk, a failing disk --- */

static void full_disk(const struct volume_authority *authority)
{
    static uint8_t bytes[30000];
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    struct error e = {0};
    struct volume_backend *b;
    struct volume *v;
    char name[32];
    uint64_t ino;
    platform_set(&platform_sim);
    REQUIRE(volume_fault_new(&b) == 0);
    struct volume_options options = test_options(b);
    options.authority = authority;
    options.mode = authority ? VOLUME_MODE_PERIODIC : VOLUME_MODE_NONE;
    REQUIRE(volume_create(&options, 0, 0, &e) == 0);
    REQUIRE(volume_open(&options, &v, &e) == 0);
    volume_fault_space(b, 3 << 20);
    for (int round = 0; round < 5; round++) {
        int count = 0;
        ssize_t n;
        do {
            (void)snprintf(name, sizeof name, "f%d", count++);
            n = volume_make(v, VOLUME_ROOT_INO, name_of(name), &attr, (struct slice){0}, &ino);
            memset(bytes, count, sizeof bytes);
            if (n == 0)
                n = volume_write(v, ino, 0, bytes, sizeof bytes);
        } while (n >= 0 && count < 1000);
        CHECK_EQ(n, -ENOSPC);
        printf("# round %d: %d files\n", round, count - 1);
        CHECK(count > 40);
        CHECK_EQ(volume_sync(v, 0, false), 0);
        CHECK_EQ(volume_check(v, print_damage, NULL), 0);
        if (round % 2) {
            volume_abandon(v);
            REQUIRE(volume_open(&options, &v, &e) == 0);
        }
        int removed = 0;
        for (int i = 0; i < count; i++) {
            (void)snprintf(name, sizeof name, "f%d", i);
            int r = volume_unlink(v, VOLUME_ROOT_INO, name_of(name));
            CHECK(r == 0 || r == -ENOENT);
            removed += r == 0;
        }
        CHECK(removed >= count - 1);
    }
    CHECK_EQ(volume_close(v), 0);
    volume_fault_free(b);
}

TEST(volume_on_a_full_disk_refuses_cleanly_and_deletes_make_room)
{
    full_disk(NULL);
}

/* Whoever opens it after a crash does not know whether somebody else still writes, and yet needs the
 * space that was made ready for that. */
TEST(volume_on_a_full_disk_is_opened_after_a_crash_and_deletes_make_room)
{
    test_authority_init(&g_authority);
    full_disk(&g_authority.ops);
}

static int sizes_add(void *ctx, uint64_t file)
{
    uint64_t *sum = ctx, size = 0;
    CHECK_EQ(g_full->ops->size(g_full, file, &size), 0);
    *sum += size;
    return 0;
}

static uint64_t sizes(void)
{
    uint64_t sum = 0;
    CHECK_EQ(g_full->ops->list(g_full, sizes_add, &sum), 0);
    return sum;
}

/* It was opened after a crash, as above, but another owner has come since. */
TEST(a_fenced_owner_on_a_full_disk_takes_no_space_from_others)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    static uint8_t bytes[30000];
    struct volume *v;
    uint64_t ino;
    platform_set(&platform_sim);
    test_authority_init(&g_authority);
    REQUIRE(volume_fault_new(&g_full) == 0);
    struct volume_options options = test_options(g_full);
    options.authority = &g_authority.ops;
    options.mode = VOLUME_MODE_PERIODIC;
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of("file"), &attr, (struct slice){0}, &ino) == 0);
    REQUIRE(volume_write(v, ino, 0, bytes, sizeof bytes) == sizeof bytes);
    REQUIRE(volume_sync(v, 0, false) == 0);
    volume_abandon(v);
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    uint64_t before = sizes();
    volume_fault_space(g_full, before);
    g_authority.head.epoch++;
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("file")), -ENOSPC);
    CHECK_EQ(sizes(), before);
    volume_abandon(v);
    volume_fault_free(g_full);
}

TEST(volume_stops_when_a_host_write_or_sync_fails_and_opens_again)
{
    static const enum fault_op ops[] = {FAULT_WRITE, FAULT_SYNC, FAULT_CREATE, FAULT_SYNC_NAMES};
    platform_set(&platform_sim);
    for (unsigned i = 0; i < 200; i++) {
        struct volume_backend *b;
        struct volume *v;
        struct error e = {0};
        struct random rn = {i};
        struct digest synced, now;
        bool failed = false;
        REQUIRE(volume_fault_new(&b) == 0);
        struct volume_options options = test_options(b);
        options.tuning = &SMALL;
        REQUIRE(volume_create(&options, 0, 0, &e) == 0);
        REQUIRE(volume_open(&options, &v, &e) == 0);
        REQUIRE(digest_volume(v, &synced) == 0);
        int error = i % 3 == 0 ? -ENOSPC : -EIO;
        volume_fault_fail(b, ops[i % 4], i / 8, error, i % 8 < 4);
        for (int k = 0; k < 25 && !failed; k++) {
            struct digest before;
            random_change(v, &rn, 30000);
            failed = digest_volume(v, &before) < 0;
            CHECK(!failed); /* what is in memory stays readable */
            int r = volume_sync(v, 0, false);
            if (r == 0)
                synced = before;
            failed = r < 0 && r != -ENOSPC;
        }
        volume_fault_fail(b, ops[i % 4], 0, 0, false);
        volume_abandon(v);
        int r = volume_open(&options, &v, &e);
        if (r < 0)
            printf("# round %u: %s\n", i, error_text(&e, r));
        CHECK_EQ(r, 0);
        if (r < 0)
            continue;
        CHECK_EQ(digest_volume(v, &now), 0);
        CHECK(failed || digest_equals(&synced, &now) || error == -ENOSPC);
        CHECK_EQ(volume_check(v, print_damage, NULL), 0);
        CHECK_EQ(volume_close(v), 0);
        volume_fault_free(b);
    }
}

TAP_MAIN()
