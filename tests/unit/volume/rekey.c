/* SPDX-License-Identifier: Apache-2.0 */
/* Other keys for a volume, and erasing for good: each tried interrupted after every host operation. */
#include "digest.h"
#include "tap.h"
#include "volume/fault/fault.h"
#include "volume/store.h"

#include <linux/falloc.h>

static const struct key256 NEW_KEY = {{9, 8, 7}};

struct keyed_authority {
    struct test_authority base;
    struct key256 keys[64]; /* by epoch; a test erases only so often */
    uint32_t newest, oldest;
    size_t dropped_at; /* host operations when a key was last destroyed */
    bool later;        /* a new key cannot be had now */
};

static struct keyed_authority g_authority;
static struct volume_backend *g_fault;
static struct volume_options g_options;

static int keyed_erase_key(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch,
                           struct key256 *ret_key)
{
    struct keyed_authority *a = ctx;
    (void)id;
    if (epoch == a->newest + 1 && a->later)
        return -EAGAIN;
    if (epoch == a->newest + 1 && epoch < ARRAY_COUNT(a->keys)) {
        a->newest++;
        a->keys[epoch].bytes[0] = (uint8_t)(40 + epoch);
    }
    if (epoch > a->newest || epoch < a->oldest)
        return -ENOKEY;
    *ret_key = a->keys[epoch];
    return 0;
}

static int keyed_erase_drop(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch)
{
    struct keyed_authority *a = ctx;
    (void)id;
    if (epoch > a->oldest) {
        a->oldest = epoch;
        a->dropped_at = volume_fault_count(g_fault);
    }
    return 0;
}

static void authority_init(struct keyed_authority *a)
{
    *a = (struct keyed_authority){.oldest = 1};
    test_authority_init(&a->base);
    a->base.ops.ctx = a;
    a->base.ops.erase_key = keyed_erase_key;
    a->base.ops.erase_drop = keyed_erase_drop;
}

static uint64_t file_put(struct volume *v, const char *name, uint8_t byte, size_t size)
{
    const struct volume_attr attr = {.mode = S_IFREG | 0600};
    static uint8_t bytes[1 << 16];
    uint64_t ino;
    memset(bytes, byte, sizeof bytes);
    if (volume_lookup(v, VOLUME_ROOT_INO, name_of(name), &ino) < 0)
        REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of(name), &attr, (struct slice){0}, &ino) ==
                0);
    for (size_t at = 0; at < size; at += sizeof bytes) {
        size_t n = MIN(size - at, sizeof bytes);
        REQUIRE(volume_write(v, ino, at, bytes, n) == (ssize_t)n);
    }
    return ino;
}

static struct volume *fresh(void)
{
    struct volume *v;
    platform_set(&platform_sim);
    authority_init(&g_authority);
    REQUIRE(volume_fault_new(&g_fault) == 0);
    g_options = test_options(g_fault);
    g_options.authority = &g_authority.base.ops;
    g_options.mode = VOLUME_MODE_STRICT;
    g_options.tuning = &SMALL;
    REQUIRE(volume_create(&g_options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&g_options, &v, NULL) == 0);
    for (uint8_t i = 0; i < 6; i++) {
        file_put(v, "a", i, 60000);
        file_put(v, i % 2 ? "b" : "c", i, 30000);
        REQUIRE(volume_sync(v, 0, false) == 0);
    }
    return v;
}

/* The state after a crash once `point` host operations were done, opened with `key`. */
static int open_at(size_t point, const struct key256 *key, struct volume_backend **ret_image,
                   struct volume **ret_volume, struct error *e)
{
    static struct keyed_authority authority;
    struct volume_options options = g_options;
    REQUIRE(volume_fault_image(g_fault, point, FAULT_TAIL_LOST, 1, ret_image) == 0);
    authority = g_authority;
    authority.base.ops.ctx = &authority;
    /* The newest head may not have been reported yet; what it says is not what is tested here. */
    authority.base.head.sequence = 0;
    options.authority = &authority.base.ops;
    options.mode = VOLUME_MODE_PERIODIC;
    options.backend = *ret_image;
    options.key = key;
    *e = (struct error){0};
    return volume_open(&options, ret_volume, e);
}

TEST(rekey_interrupted_anywhere_leaves_one_key_that_opens)
{
    struct digest before, now;
    struct error e = {0};
    for (int anew = 0; anew < 2; anew++) {
        struct volume *v = fresh();
        REQUIRE(digest_contents(v, &before) == 0);
        size_t from = volume_fault_count(g_fault), old_opens = 0, new_opens = 0, none = 0;
        CHECK_EQ(volume_rekey(v, &NEW_KEY, anew), 0);
        CHECK(!volume_is_rewriting(v));
        CHECK_EQ(volume_check(v, print_damage, NULL), 0);
        volume_abandon(v);
        size_t to = volume_fault_count(g_fault);
        for (size_t point = from; point <= to; point++) {
            struct volume_backend *image;
            bool opened[2];
            for (int k = 0; k < 2; k++) {
                int r = open_at(point, k ? &NEW_KEY : &TEST_KEY, &image, &v, &e);
                opened[k] = r == 0;
                if (r == 0) {
                    r = digest_contents(v, &now);
                    if (r < 0 || !digest_equals(&now, &before))
                        printf("# point %zu of %zu..%zu, key %d: shows something else (%d)\n",
                               point, from, to, k, r);
                    CHECK(r == 0 && digest_equals(&now, &before));
                    if (k && anew) { /* goes on, and ends */
                        CHECK_EQ(volume_rekey(v, &NEW_KEY, true), 0);
                        CHECK(!volume_is_rewriting(v));
                        CHECK(digest_contents(v, &now) == 0 && digest_equals(&now, &before));
                        CHECK_EQ(volume_check(v, print_damage, NULL), 0);
                    }
                    volume_abandon(v);
                }
                volume_mem_free(image);
            }
            old_opens += opened[0];
            new_opens += opened[1];
            none += !opened[0] && !opened[1];
            if (point == to) {
                CHECK(!opened[0]);
                CHECK(opened[1]);
            }
        }
        printf("# %s: %zu points, the old key opens %zu, the new one %zu, none %zu\n",
               anew ? "anew" : "wrapped", to - from + 1, old_opens, new_opens, none);
        CHECK_EQ(none, 0);
        volume_fault_free(g_fault);
    }
}

TEST(rekey_with_a_snapshot_is_only_possible_without_rewriting)
{
    struct volume *v = fresh();
    CHECK_EQ(volume_snapshot_make(v, "s"), 0);
    CHECK_EQ(volume_rekey(v, &NEW_KEY, true), -EBUSY);
    CHECK_EQ(volume_rekey(v, &NEW_KEY, false), 0);
    CHECK_EQ(volume_close(v), 0);
    CHECK_EQ(volume_open(&g_options, &v, NULL), -EBADMSG);
    g_options.key = &NEW_KEY;
    CHECK_EQ(volume_open(&g_options, &v, NULL), 0);
    CHECK_EQ(volume_snapshot_remove(v, "s"), 0);
    CHECK_EQ(volume_rekey(v, NULL, true), 0);
    CHECK_EQ(volume_close(v), 0);
    CHECK_EQ(volume_open(&g_options, &v, NULL), 0);
    CHECK_EQ(volume_close(v), 0);
    volume_fault_free(g_fault);
}

/* The adversary: all old disk images, the volume key, and every erase key but the destroyed ones.
 * Whatever opens shows nothing of the file; what stays is whole. */
TEST(erased_contents_are_in_no_old_image_for_whoever_lacks_the_erased_keys)
{
    struct error e = {0};
    uint8_t bytes[4096];
    struct volume *v = fresh();
    uint64_t ino = file_put(v, "secret", 0x5e, 50000), other;
    REQUIRE(volume_sync(v, 0, false) == 0);
    size_t written = volume_fault_count(g_fault);
    file_put(v, "a", 0x77, 60000);
    file_put(v, "secret", 0x5f, 20000);
    REQUIRE(volume_sync(v, 0, false) == 0);
    CHECK_EQ(volume_erase(v, &ino, 1, 0, UINT64_MAX), 0);
    CHECK_EQ(volume_read(v, ino, 0, bytes, sizeof bytes), 0);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    CHECK_EQ(g_authority.newest, 2);
    CHECK_EQ(g_authority.oldest, 2);
    size_t erased = volume_fault_count(g_fault), opened = 0, tried = 0;
    volume_abandon(v);
    for (size_t point = 0; point <= erased; point++) {
        struct volume_backend *image;
        int r = open_at(point, &TEST_KEY, &image, &v, &e);
        tried++;
        if (r == 0) {
            opened++;
            CHECK(volume_read(v, ino, 0, bytes, sizeof bytes) <= 0);
            CHECK_EQ(volume_lookup(v, VOLUME_ROOT_INO, name_of("a"), &other), 0);
            CHECK_EQ(volume_read(v, other, 0, bytes, sizeof bytes), sizeof bytes);
            CHECK_EQ(bytes[0], 0x77);
            volume_abandon(v);
        }
        volume_mem_free(image);
    }
    printf("# %zu images, written at %zu, erased at %zu: %zu open\n", tried, written, erased,
           opened);
    CHECK(opened > 0);
    /* The same search finds it where the key is still there: the test can fail. */
    g_authority.oldest = 1;
    struct volume_backend *image;
    CHECK_EQ(open_at(written, &TEST_KEY, &image, &v, &e), 0);
    CHECK_EQ(volume_read(v, ino, 0, bytes, sizeof bytes), sizeof bytes);
    CHECK_EQ(bytes[0], 0x5e);
    volume_abandon(v);
    volume_mem_free(image);
    volume_fault_free(g_fault);
}

TEST(erasing_interrupted_anywhere_loses_nothing_else)
{
    struct error e = {0};
    uint8_t bytes[4096];
    struct volume *v = fresh();
    uint64_t ino = file_put(v, "secret", 0x5e, 50000), other;
    file_put(v, "a", 0x77, 60000);
    REQUIRE(volume_sync(v, 0, false) == 0);
    /* Twice, so that the second finds keys in a table. */
    CHECK_EQ(volume_erase(v, &ino, 1, 4096, 4096), 0);
    CHECK_EQ(volume_read(v, ino, 4096, bytes, 10), 10);
    CHECK_EQ(bytes[0], 0);
    size_t from = volume_fault_count(g_fault);
    CHECK_EQ(volume_erase(v, &ino, 1, 0, UINT64_MAX), 0);
    size_t to = volume_fault_count(g_fault), dropped = g_authority.dropped_at, failed = 0;
    volume_abandon(v);
    uint32_t oldest = g_authority.oldest;
    for (size_t point = from; point <= to; point++) {
        struct volume_backend *image;
        g_authority.oldest = point >= dropped ? oldest : oldest - 1;
        int r = open_at(point, &TEST_KEY, &image, &v, &e);
        if (r == 0) {
            r = volume_lookup(v, VOLUME_ROOT_INO, name_of("a"), &other);
            CHECK_EQ(r, 0);
            CHECK_EQ(volume_read(v, other, 0, bytes, sizeof bytes), sizeof bytes);
            CHECK_EQ(bytes[0], 0x77);
            CHECK_EQ(volume_erase(v, &ino, 1, 0, UINT64_MAX), 0);
            CHECK_EQ(volume_check(v, print_damage, NULL), 0);
            CHECK_EQ(volume_close(v), 0);
        } else {
            printf("# point %zu of %zu..%zu: %s\n", point, from, to, error_text(&e, r));
            failed++;
        }
        volume_mem_free(image);
    }
    CHECK_EQ(failed, 0);
    volume_fault_free(g_fault);
}

TEST(a_hole_in_a_file_that_asks_for_it_is_erased_for_good)
{
    struct error e = {0};
    uint8_t bytes[4096];
    struct volume *v = fresh();
    uint64_t ino = file_put(v, "secret", 0x5e, 50000);
    REQUIRE(volume_sync(v, 0, false) == 0);
    size_t written = volume_fault_count(g_fault);
    const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    CHECK_EQ(volume_allocate(v, ino, punch, 0, 4096), 0);
    CHECK_EQ(g_authority.newest, 1); /* nobody asked */
    CHECK_EQ(volume_setxattr(v, ino, name_of(VOLUME_ERASE_ATTRIBUTE), (struct slice){0}, 0), 0);
    CHECK_EQ(volume_allocate(v, ino, punch, 4096, 8192), 0);
    CHECK_EQ(g_authority.oldest, 2);
    CHECK_EQ(volume_read(v, ino, 4096, bytes, sizeof bytes), sizeof bytes);
    CHECK_EQ(bytes[0], 0);
    CHECK_EQ(volume_read(v, ino, 16384, bytes, sizeof bytes), sizeof bytes);
    CHECK_EQ(bytes[0], 0x5e);
    CHECK_EQ(volume_close(v), 0);
    struct volume_backend *image;
    int r = open_at(written, &TEST_KEY, &image, &v, &e);
    CHECK(r < 0 || volume_read(v, ino, 4096, bytes, sizeof bytes) < 0);
    if (r == 0)
        volume_abandon(v);
    volume_mem_free(image);
    volume_fault_free(g_fault);
}

/* Ways in which the last name of "secret" goes, which asks for erasing. */
enum end_kind { END_UNLINK, END_RENAME, END_HELD, END_COUNT };

static int secret_end(struct volume *v, enum end_kind kind, uint64_t ino)
{
    if (kind == END_RENAME)
        return volume_rename(v, VOLUME_ROOT_INO, name_of("b"), VOLUME_ROOT_INO, name_of("secret"),
                             0);
    int r = kind == END_HELD ? volume_hold(v, ino) : 0;
    if (r == 0)
        r = volume_unlink(v, VOLUME_ROOT_INO, name_of("secret"));
    if (r == 0 && kind == END_HELD) {
        CHECK_EQ(g_authority.oldest, 1); /* somebody still reads it */
        uint8_t byte = 0;
        CHECK_EQ(volume_read(v, ino, 4096, &byte, 1), 1);
        CHECK_EQ(byte, 0x5e);
        volume_release(v, ino);
    }
    return r;
}

static uint64_t secret_make(struct volume *v)
{
    uint64_t ino = file_put(v, "secret", 0x5e, 50000);
    file_put(v, "a", 0x77, 60000);
    CHECK_EQ(volume_setxattr(v, ino, name_of(VOLUME_ERASE_ATTRIBUTE), (struct slice){0}, 0), 0);
    REQUIRE(volume_sync(v, 0, false) == 0);
    return ino;
}

TEST(a_deleted_file_that_asks_for_it_is_erased_for_good)
{
    struct error e = {0};
    for (enum end_kind kind = 0; kind < END_COUNT; kind++) {
        uint8_t bytes[4096];
        struct volume *v = fresh();
        uint64_t ino = secret_make(v);
        size_t to = volume_fault_count(g_fault);
        CHECK_EQ(secret_end(v, kind, ino), 0);
        CHECK_EQ(g_authority.oldest, 2);
        CHECK_EQ(volume_check(v, print_damage, NULL), 0);
        CHECK_EQ(volume_close(v), 0);
        for (size_t point = 0; point <= to; point++) {
            struct volume_backend *image;
            if (open_at(point, &TEST_KEY, &image, &v, &e) == 0) {
                CHECK(volume_read(v, ino, 0, bytes, sizeof bytes) <= 0);
                volume_abandon(v);
            }
            volume_mem_free(image);
        }
        volume_fault_free(g_fault);
    }
}

/* Whatever interrupts it, afterwards the file is whole under its name, or its contents are gone for good
 * with the opening: the old key is destroyed. */
TEST(deleting_interrupted_anywhere_keeps_the_file_or_erases_it)
{
    struct error e = {0};
    for (enum end_kind kind = 0; kind < END_COUNT; kind++) {
        size_t whole = 0, erased = 0;
        struct volume *v = fresh();
        uint64_t ino = secret_make(v), found, other;
        size_t from = volume_fault_count(g_fault);
        CHECK_EQ(secret_end(v, kind, ino), 0);
        size_t to = volume_fault_count(g_fault), dropped = g_authority.dropped_at;
        volume_abandon(v);
        for (size_t point = from; point <= to; point++) {
            struct volume_backend *image;
            uint8_t byte = 0;
            g_authority.oldest = point >= dropped ? 2 : 1;
            int r = open_at(point, &TEST_KEY, &image, &v, &e);
            CHECK_EQ(r, 0);
            if (r < 0) {
                printf("# point %zu of %zu..%zu: %s\n", point, from, to, error_text(&e, r));
                volume_mem_free(image);
                continue;
            }
            r = volume_lookup(v, VOLUME_ROOT_INO, name_of("secret"), &found);
            if (r == 0 && found == ino) {
                CHECK_EQ(volume_read(v, ino, 4096, &byte, 1), 1);
                CHECK_EQ(byte, 0x5e);
                whole++;
            } else {
                struct volume_stats stats;
                volume_statfs(v, &stats);
                CHECK(stats.erase_epoch >= 2);
                erased++;
            }
            CHECK_EQ(volume_lookup(v, VOLUME_ROOT_INO, name_of("a"), &other), 0);
            CHECK_EQ(volume_read(v, other, 0, &byte, 1), 1);
            CHECK_EQ(byte, 0x77);
            CHECK_EQ(volume_check(v, print_damage, NULL), 0);
            CHECK_EQ(volume_close(v), 0);
            volume_mem_free(image);
        }
        printf("# way %d: %zu times whole, %zu times erased\n", (int)kind, whole, erased);
        CHECK(whole > 0 && erased > 0);
        volume_fault_free(g_fault);
    }
}

TEST(what_cannot_be_erased_is_not_deleted)
{
    struct volume *v = fresh();
    uint64_t ino = secret_make(v), found;
    CHECK_EQ(volume_link(v, ino, VOLUME_ROOT_INO, name_of("again")), 0);
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("again")), 0); /* not the last name */
    CHECK_EQ(g_authority.newest, 1);
    CHECK_EQ(volume_snapshot_make(v, "has-it"), 0);
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("secret")), -EBUSY);
    CHECK_EQ(volume_rename(v, VOLUME_ROOT_INO, name_of("b"), VOLUME_ROOT_INO, name_of("secret"), 0),
             -EBUSY);
    CHECK_EQ(volume_lookup(v, VOLUME_ROOT_INO, name_of("secret"), &found), 0);
    CHECK_EQ(volume_lookup(v, VOLUME_ROOT_INO, name_of("b"), &found), 0);
    /* What came after the snapshot it does not have. */
    uint64_t late = file_put(v, "late", 3, 5000);
    CHECK_EQ(volume_erase_at_end(v, VOLUME_ROOT_INO, name_of("late")), 0);
    CHECK_EQ(volume_erase_at_end(v, VOLUME_ROOT_INO, name_of("nothing")), 0);
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("late")), 0);
    CHECK_EQ(g_authority.oldest, 2);
    struct volume_attr attr;
    CHECK_EQ(volume_getattr(v, late, &attr), -ENOENT);
    /* Held while the snapshot came, it waits until an opening without that snapshot. */
    CHECK_EQ(volume_hold(v, ino), 0);
    CHECK_EQ(volume_snapshot_remove(v, "has-it"), 0);
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("secret")), 0);
    CHECK_EQ(volume_snapshot_make(v, "has-it-again"), 0);
    volume_release(v, ino);
    CHECK_EQ(g_authority.oldest, 2);
    CHECK_EQ(volume_close(v), 0);
    REQUIRE(volume_open(&g_options, &v, NULL) == 0);
    CHECK_EQ(g_authority.oldest, 2);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    CHECK_EQ(volume_snapshot_remove(v, "has-it-again"), 0);
    CHECK_EQ(volume_close(v), 0);
    REQUIRE(volume_open(&g_options, &v, NULL) == 0);
    CHECK_EQ(g_authority.oldest, 3);
    CHECK_EQ(volume_getattr(v, ino, &attr), -ENOENT);
    CHECK_EQ(volume_close(v), 0);
    volume_fault_free(g_fault);
}

TEST(erasing_that_gets_no_new_key_now_goes_on_when_asked_again)
{
    struct volume *v = fresh();
    uint64_t ino = file_put(v, "secret", 1, 5000);
    (void)file_put(v, "other", 2, 5000);
    REQUIRE(volume_sync(v, ino, false) == 0);
    g_authority.later = true;
    CHECK_EQ(volume_erase(v, &ino, 1, 0, UINT64_MAX), -EAGAIN);
    CHECK_EQ(g_authority.oldest, 1);
    /* The volume has not stopped, and opens as it is. */
    (void)file_put(v, "more", 3, 70000);
    CHECK_EQ(volume_sync(v, ino, false), 0);
    CHECK_EQ(volume_close(v), 0);
    REQUIRE(volume_open(&g_options, &v, NULL) == 0);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    CHECK_EQ(volume_erase(v, &ino, 1, 0, UINT64_MAX), -EAGAIN);
    g_authority.later = false;
    CHECK_EQ(volume_erase(v, &ino, 1, 0, UINT64_MAX), 0);
    CHECK_EQ(g_authority.oldest, 2);
    CHECK_EQ(volume_close(v), 0);
    REQUIRE(volume_open(&g_options, &v, NULL) == 0);
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    CHECK_EQ(volume_close(v), 0);
    volume_fault_free(g_fault);
}

TEST(erasing_says_when_it_cannot)
{
    struct volume *v = fresh();
    uint64_t ino = file_put(v, "secret", 1, 5000);
    CHECK_EQ(volume_snapshot_make(v, "has-it"), 0);
    CHECK_EQ(volume_erase(v, &ino, 1, 0, UINT64_MAX), -EBUSY);
    CHECK_EQ(volume_snapshot_remove(v, "has-it"), 0);
    CHECK_EQ(volume_erase(v, &ino, 1, 0, UINT64_MAX), 0);
    CHECK_EQ(volume_close(v), 0);
    volume_fault_free(g_fault);
    authority_init(&g_authority);
    g_authority.base.ops.erase_key = NULL;
    g_authority.base.ops.erase_drop = NULL;
    REQUIRE(volume_fault_new(&g_fault) == 0);
    g_options.backend = g_fault;
    REQUIRE(volume_create(&g_options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&g_options, &v, NULL) == 0);
    ino = file_put(v, "secret", 1, 5000);
    CHECK_EQ(volume_erase(v, &ino, 1, 0, UINT64_MAX), -EOPNOTSUPP);
    CHECK_EQ(volume_erase_at_end(v, VOLUME_ROOT_INO, name_of("secret")), 0);
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("secret")), -EOPNOTSUPP);
    CHECK_EQ(volume_removexattr(v, ino, name_of(VOLUME_ERASE_ATTRIBUTE)), 0);
    CHECK_EQ(volume_unlink(v, VOLUME_ROOT_INO, name_of("secret")), 0);
    CHECK_EQ(volume_close(v), 0);
    volume_fault_free(g_fault);
}

/* --- erasing file after file --- */

static struct volume_backend_ops g_counted;
static const struct volume_backend_ops *g_uncounted;
static unsigned g_reads;

static ssize_t counted_read(struct volume_backend *b, uint64_t file, uint64_t offset, void *bytes,
                            size_t size)
{
    g_reads++;
    return g_uncounted->read(b, file, offset, bytes, size);
}

enum { ERASED = 12, FILES_MAX_EACH = 240 };

/* What segments are known to mention is what their records say, and of `gone` files nothing. */
static void mentions_check(struct volume *v, const uint64_t *inos, size_t count, size_t gone)
{
    size_t known = 0, mentioned = 0;
    volume_lock(v);
    for (unsigned i = 0; i < v->segment_count; i++) {
        struct segment *s = &v->segments[i];
        if (s->state.id == v->active || !s->mentions)
            continue;
        known++;
        for (size_t k = 0; k < count; k++) {
            int by_filter = segment_mentions(v, s->state.id, &inos[k], 1);
            struct mentions *kept = s->mentions;
            s->mentions = NULL;
            int by_records = segment_mentions(v, s->state.id, &inos[k], 1);
            mentions_forget(v, s);
            s->mentions = kept;
            CHECK_EQ(by_filter, by_records);
            CHECK(k >= gone || by_records == 0);
            mentioned += by_records == 1;
        }
    }
    volume_unlock(v);
    CHECK(known > 3 && mentioned > 3);
}

/* Reads of the host that each of some erasings takes, but for the first, in a volume of so many files. */
static unsigned erasings_cost(unsigned files, unsigned *ret_first)
{
    static uint64_t inos[FILES_MAX_EACH];
    static uint8_t bytes[30000];
    struct random rn = {7};
    struct volume *v = fresh();
    char name[16];
    for (unsigned i = 0; i < files; i++) {
        (void)snprintf(name, sizeof name, "f%u", i);
        inos[i] = file_put(v, name, 0, 1);
        for (size_t at = 0; at < sizeof bytes;
             at += sizeof(uint64_t)) { /* as large if compressed */
            uint64_t word = random_next(&rn);
            memcpy(bytes + at, &word, sizeof word);
        }
        REQUIRE(volume_write(v, inos[i], 0, bytes, sizeof bytes) == sizeof bytes);
        REQUIRE(volume_sync(v, 0, false) == 0);
    }
    g_uncounted = g_fault->ops;
    g_counted = *g_uncounted;
    g_counted.read = counted_read;
    g_fault->ops = &g_counted;
    g_reads = 0;
    CHECK_EQ(volume_erase(v, &inos[0], 1, 0, UINT64_MAX), 0);
    *ret_first = g_reads;
    g_reads = 0;
    for (unsigned i = 1; i <= ERASED; i++)
        CHECK_EQ(volume_erase(v, &inos[i], 1, 0, UINT64_MAX), 0);
    unsigned later = g_reads / ERASED;
    mentions_check(v, inos, files, 1 + ERASED);
    g_fault->ops = g_uncounted;
    CHECK_EQ(volume_check(v, print_damage, NULL), 0);
    CHECK_EQ(volume_close(v), 0);
    volume_fault_free(g_fault);
    return later;
}

TEST(erasing_file_after_file_does_not_read_all_records_each_time)
{
    unsigned first[2], few = erasings_cost(60, &first[0]), many = erasings_cost(240, &first[1]);
    printf("# reads: of 60 files the first takes %u, others %u; of 240 %u, others %u\n", first[0],
           few, first[1], many);
    CHECK(many < first[1] / 4);
    CHECK(many < 2 * few);
}

/* --- erasing where there is hardly room --- */

enum { TIGHT_FILES = 120, TIGHT_SIZE = 5000, TIGHT_FROM = 100, TIGHT_TO = 4900 };

static const char TIGHT_SECRET[] = "what nobody reads any more";

/* As large if compressed. */
static uint64_t tight_file(struct volume *v, const char *name, uint64_t seed)
{
    static uint8_t bytes[TIGHT_SIZE];
    struct random rn = {seed};
    uint64_t ino = file_put(v, name, 0, 1);
    for (size_t at = 0; at < sizeof bytes; at += sizeof(uint64_t)) {
        uint64_t word = random_next(&rn);
        memcpy(bytes + at, &word, sizeof word);
    }
    memcpy(bytes + TIGHT_FROM, TIGHT_SECRET, sizeof TIGHT_SECRET);
    REQUIRE(volume_write(v, ino, 0, bytes, sizeof bytes) == sizeof bytes);
    return ino;
}

/* How often segments whose keys there are hold the first block of one of the files, of now or of before, with
 * what was erased. */
static unsigned erased_shown(struct volume *v, const uint64_t *inos, size_t count)
{
    unsigned shown = 0;
    struct buf record = {0};
    volume_lock(v);
    for (unsigned i = 0; i < v->segment_count; i++) {
        uint64_t id = v->segments[i].state.id, at = SEGMENT_HEADER_SIZE;
        while (at < v->segments[i].state.used) {
            struct batch_header header;
            uint8_t tag[VOLUME_TAG_SIZE], bytes[2 * BLOCK_SIZE];
            struct op op;
            REQUIRE(batch_read(v, id, (uint32_t)at, &header, &record, tag) == 0);
            struct reader rd = reader_over(buf_slice(&record));
            while (op_next(&rd, &op) == 0) {
                struct extent e;
                bool is_one = false;
                for (size_t k = 0; k < count; k++)
                    is_one = is_one || op.key.ino == inos[k];
                if (op.kind != OP_PUT || op.key.type != ITEM_EXTENT || !is_one)
                    continue;
                REQUIRE(extent_decode(op.value, &e) == 0);
                if (e.segment != id || op.key.sub != 0)
                    continue;
                REQUIRE(e.len <= sizeof bytes);
                REQUIRE(extent_read(v, &e, 0, bytes, sizeof bytes, NULL) == sizeof bytes);
                shown += memcmp(bytes + TIGHT_FROM, TIGHT_SECRET, sizeof TIGHT_SECRET) == 0;
            }
            at += batch_size(&header);
        }
    }
    volume_unlock(v);
    buf_done(&record);
    return shown;
}

/* With little room there may be cleaning while contents are dropped, and that must not keep any of them. */
TEST(erasing_with_hardly_any_room_leaves_nothing_behind)
{
    unsigned done = 0, refused = 0;
    for (unsigned k = 0; k < 24; k++) {
        char name[16];
        uint64_t inos[TIGHT_FILES];
        struct volume *v = fresh();
        for (unsigned i = 0; i < TIGHT_FILES; i++) {
            (void)snprintf(name, sizeof name, "secret%u", i);
            inos[i] = tight_file(v, name, i);
            (void)tight_file(v, "other", i);
            REQUIRE(volume_sync(v, 0, false) == 0);
        }
        CHECK(erased_shown(v, inos, TIGHT_FILES) >= TIGHT_FILES);
        volume_fault_space(g_fault, v->host_size + k * 32768);
        int r = volume_erase(v, inos, TIGHT_FILES, TIGHT_FROM, TIGHT_TO - TIGHT_FROM);
        volume_fault_space(g_fault, UINT64_MAX);
        CHECK(r == 0 || r == -ENOSPC);
        done += r == 0;
        refused += r != 0;
        if (r == 0)
            CHECK_EQ(erased_shown(v, inos, TIGHT_FILES), 0);
        CHECK_EQ(volume_check(v, print_damage, NULL), 0);
        CHECK_EQ(volume_close(v), 0);
        volume_fault_free(g_fault);
    }
    printf("# %u erased, %u refused\n", done, refused);
    CHECK(done > 3 && refused > 0);
}

TAP_MAIN()
