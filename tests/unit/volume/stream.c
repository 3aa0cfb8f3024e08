/* SPDX-License-Identifier: Apache-2.0 */
/* Export and import: the same volume on the other side, whole and by increments; changed, cut and
 * foreign streams; an import interrupted at every byte of the stream and every host operation. */
#include "digest.h"
#include "tap.h"
#include "volume/fault/fault.h"

static const struct key256 STREAM_KEY = {{4, 4, 4}};

struct memory_stream {
    struct buf bytes;
    size_t at, cut; /* cut: -EIO from here on */
};

static int stream_write(void *ctx, const void *bytes, size_t size)
{
    struct memory_stream *s = ctx;
    return buf_append(&s->bytes, bytes, size);
}

static ssize_t stream_read(void *ctx, void *bytes, size_t size)
{
    struct memory_stream *s = ctx;
    if (s->at >= s->cut)
        return -EIO;
    size_t left = MIN(s->bytes.size, s->cut) - s->at;
    size_t n = MIN(size, left);
    if (n > 0)
        memcpy(bytes, s->bytes.bytes + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

static void rewind_stream(struct memory_stream *s)
{
    s->at = 0;
    s->cut = SIZE_MAX;
}

struct side {
    struct volume_backend *backend;
    struct volume_options options;
    struct volume *v;
};

static void side_make(struct side *s, const char *id, bool fault)
{
    platform_set(&platform_sim);
    REQUIRE((fault ? volume_fault_new(&s->backend) : volume_mem_new(&s->backend)) == 0);
    s->options = test_options(s->backend);
    memcpy(s->options.id, id, VOLUME_ID_SIZE);
    s->options.tuning = &SMALL;
    REQUIRE(volume_create(&s->options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&s->options, &s->v, NULL) == 0);
}

static void side_done(struct side *s, bool fault)
{
    CHECK_EQ(volume_close(s->v), 0);
    if (fault)
        volume_fault_free(s->backend);
    else
        volume_mem_free(s->backend);
}

static void export(struct side *s, const char *name, const char *base, struct memory_stream *out)
{
    buf_clear(&out->bytes);
    rewind_stream(out);
    REQUIRE(volume_export(s->v, name, base, &STREAM_KEY, stream_write, out) == 0);
}

static int import(struct side *s, struct memory_stream *in, struct error *e)
{
    *e = (struct error){0};
    return volume_import(s->v, &STREAM_KEY, stream_read, in, e);
}

TEST(stream_brings_a_volume_and_then_its_changes)
{
    struct memory_stream stream = {0};
    struct error e;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct random rn = {seed};
        struct side from, to;
        struct digest there, here;
        char name[8] = "", base[8] = "";
        side_make(&from, "the first volume", false);
        side_make(&to, "another volume..", false);
        for (int step = 0; step < 5; step++) {
            for (int i = 0; i < 120; i++)
                random_change(from.v, &rn, 60000);
            REQUIRE(digest_contents(from.v, &there) == 0);
            (void)snprintf(name, sizeof name, "s%d", step);
            REQUIRE(volume_snapshot_make(from.v, name) == 0);
            for (int i = 0; i < 20; i++) /* what comes after is not in it */
                random_change(from.v, &rn, 60000);
            export(&from, name, step ? base : NULL, &stream);
            int r = import(&to, &stream, &e);
            if (r < 0)
                printf("# seed %llu, step %d: %s\n", (unsigned long long)seed, step,
                       error_text(&e, r));
            REQUIRE(r == 0);
            REQUIRE(digest_contents(to.v, &here) == 0);
            CHECK(digest_equals(&there, &here));
            CHECK_EQ(volume_check(to.v, print_damage, NULL), 0);
            memcpy(base, name, sizeof base);
        }
        printf("# seed %llu: the last increment has %zu bytes\n", (unsigned long long)seed,
               stream.bytes.size);
        /* Every snapshot has come along. */
        struct volume_snapshot ours[8], theirs[8];
        CHECK_EQ(volume_snapshot_list(from.v, theirs, 8), 5);
        CHECK_EQ(volume_snapshot_list(to.v, ours, 8), 5);
        for (int i = 0; i < 5; i++)
            CHECK(memcmp(ours[i].uid, theirs[i].uid, 16) == 0);
        side_done(&from, false);
        side_done(&to, false);
    }
    buf_done(&stream.bytes);
}

TEST(stream_is_refused_where_it_does_not_fit)
{
    struct memory_stream whole = {0}, more = {0};
    struct random rn = {3};
    struct side from, to;
    struct error e;
    struct digest before, now;
    side_make(&from, "the first volume", false);
    side_make(&to, "another volume..", false);
    for (int i = 0; i < 60; i++)
        random_change(from.v, &rn, 30000);
    REQUIRE(volume_snapshot_make(from.v, "one") == 0);
    for (int i = 0; i < 60; i++)
        random_change(from.v, &rn, 30000);
    REQUIRE(volume_snapshot_make(from.v, "two") == 0);
    export(&from, "one", NULL, &whole);
    export(&from, "two", "one", &more);
    CHECK_EQ(import(&to, &more, &e), -ESTALE);
    CHECK(strstr(e.text, "lacks the snapshot"));
    CHECK_EQ(import(&to, &whole, &e), 0);
    rewind_stream(&whole);
    CHECK_EQ(import(&to, &whole, &e), -EEXIST);
    uint64_t ino;
    const struct volume_attr attr = {.mode = S_IFREG | 0600};
    REQUIRE(volume_make(to.v, VOLUME_ROOT_INO, name_of("mine"), &attr, (struct slice){0}, &ino) ==
            0);
    REQUIRE(digest_volume(to.v, &before) == 0);
    rewind_stream(&more);
    CHECK_EQ(import(&to, &more, &e), -ESTALE);
    CHECK(strstr(e.text, "has changed since snapshot 'one'"));
    CHECK(digest_volume(to.v, &now) == 0 && digest_equals(&now, &before));
    CHECK_EQ(volume_snapshot_restore(to.v, "one"), 0);
    rewind_stream(&more);
    CHECK_EQ(import(&to, &more, &e), 0);
    /* Another key; a whole one where something is. */
    const struct key256 other = {{1}};
    rewind_stream(&whole);
    CHECK_EQ(volume_import(to.v, &other, stream_read, &whole, &e), -EBADMSG);
    CHECK_EQ(volume_snapshot_remove(to.v, "one"), 0);
    CHECK_EQ(volume_snapshot_remove(to.v, "two"), 0);
    rewind_stream(&whole);
    CHECK_EQ(import(&to, &whole, &e), -ENOTEMPTY);
    CHECK_EQ(volume_export(to.v, "none", NULL, &STREAM_KEY, stream_write, &more), -ENOENT);
    side_done(&from, false);
    side_done(&to, false);
    buf_done(&whole.bytes);
    buf_done(&more.bytes);
}

TEST(stream_changed_or_cut_anywhere_leaves_what_was)
{
    struct memory_stream stream = {0};
    struct random rn = {5};
    struct side from, to;
    struct error e;
    struct digest before, now;
    size_t tried = 0, refused = 0;
    side_make(&from, "the first volume", false);
    side_make(&to, "another volume..", false);
    for (int i = 0; i < 40; i++)
        random_change(from.v, &rn, 3000);
    REQUIRE(volume_snapshot_make(from.v, "one") == 0);
    export(&from, "one", NULL, &stream);
    REQUIRE(digest_volume(to.v, &before) == 0);
    for (size_t at = 0; at < stream.bytes.size; at += at < 600 ? 1 : 97) {
        for (int cut = 0; cut < 3; cut++) {
            size_t size = stream.bytes.size;
            rewind_stream(&stream);
            if (cut == 0)
                stream.bytes.bytes[at] ^= 0x10;
            else if (cut == 1)
                stream.cut = at; /* the source fails */
            else
                stream.bytes.size = at; /* the source ends */
            /* The bytes 8 to 23 of the header name the source, for whoever looks for the key. */
            int r = import(&to, &stream, &e);
            if (cut == 0)
                stream.bytes.bytes[at] ^= 0x10;
            stream.bytes.size = size;
            tried++;
            refused += r < 0;
            REQUIRE(digest_volume(to.v, &now) == 0);
            CHECK(digest_equals(&now, &before));
        }
    }
    printf("# %zu of %zu refused, of a stream of %zu bytes\n", refused, tried, stream.bytes.size);
    CHECK_EQ(refused, tried);
    rewind_stream(&stream);
    CHECK_EQ(import(&to, &stream, &e), 0);
    CHECK_EQ(volume_check(to.v, print_damage, NULL), 0);
    side_done(&from, false);
    side_done(&to, false);
    buf_done(&stream.bytes);
}

TEST(import_interrupted_at_every_host_operation_is_all_or_nothing)
{
    struct memory_stream whole = {0}, more = {0};
    struct random rn = {7};
    struct side from, to;
    struct error e;
    struct digest before, after, now;
    size_t old = 0, new = 0;
    side_make(&from, "the first volume", false);
    side_make(&to, "another volume..", true);
    for (int i = 0; i < 100; i++)
        random_change(from.v, &rn, 60000);
    REQUIRE(volume_snapshot_make(from.v, "one") == 0);
    for (int i = 0; i < 100; i++)
        random_change(from.v, &rn, 60000);
    REQUIRE(volume_snapshot_make(from.v, "two") == 0);
    export(&from, "one", NULL, &whole);
    export(&from, "two", "one", &more);
    REQUIRE(import(&to, &whole, &e) == 0);
    REQUIRE(digest_volume(to.v, &before) == 0);
    size_t start = volume_fault_count(to.backend);
    REQUIRE(import(&to, &more, &e) == 0);
    REQUIRE(digest_volume(to.v, &after) == 0);
    size_t stop = volume_fault_count(to.backend);
    for (size_t point = start; point <= stop; point++)
        for (int tail = 0; tail < 4; tail++) {
            struct volume_options options = to.options;
            struct volume *v;
            REQUIRE(volume_fault_image(to.backend, point, (enum fault_tail)MIN(tail, 2),
                                       point * 2 + (size_t)tail, &options.backend) == 0);
            int r = volume_open(&options, &v, &e);
            if (r < 0)
                printf("# point %zu of %zu..%zu, tail %d: %s\n", point, start, stop, tail,
                       error_text(&e, r));
            REQUIRE(r == 0);
            REQUIRE(digest_volume(v, &now) == 0);
            old += digest_equals(&now, &before);
            new += digest_equals(&now, &after);
            CHECK(digest_equals(&now, &before) || digest_equals(&now, &after));
            CHECK(point < stop || digest_equals(&now, &after));
            CHECK_EQ(volume_check(v, print_damage, NULL), 0);
            rewind_stream(&more);
            if (digest_equals(&now, &before))
                CHECK_EQ(volume_import(v, &STREAM_KEY, stream_read, &more, &e), 0);
            CHECK_EQ(volume_close(v), 0);
            volume_mem_free(options.backend);
        }
    printf("# %zu crashes: %zu as before, %zu as after\n", 4 * (stop - start + 1), old, new);
    CHECK(old > 0 && new > 0);
    side_done(&from, false);
    side_done(&to, true);
    buf_done(&whole.bytes);
    buf_done(&more.bytes);
}

TAP_MAIN()
