/* SPDX-License-Identifier: Apache-2.0 */
/* Small workloads, and every image that a power cut may leave of them: each subset of the unsynced
 * sectors, so each prefix, reordering and tearing of the writes, with each state of the names. Each opens
 * in the state after some whole number of changes, at least as new as the last completed sync. The same
 * for power cuts while such an image is recovered from, and while cleaning.
 * Where one point has more images than a bound, that many of them are picked, and it is counted.
 * CRASH_EVERY in the environment: how many workloads, with higher bounds. */
#include "digest.h"
#include "tap.h"
#include "volume/fault/fault.h"

enum { CHANGES = 14, AGAIN_CHANGES = 10, HEADS_MAX = 256, SIZE = 300 };

/* Such small limits that a dozen changes checkpoint, leave segments and clean. */
static const struct volume_tuning TINY = {.segment_size = 4 << 10,
                                          .checkpoint_size = 900,
                                          .checkpoint_count = 4,
                                          .garbage_size = 1 << 10};

struct run {
    struct volume_backend *backend;
    struct volume_options options;
    struct test_authority authority;
    int changes;
    struct digest states[CHANGES + 1]; /* [k]: after k changes */
    size_t issued_at[CHANGES + 1];     /* host operations when change k began */
    size_t synced_at[CHANGES + 1];     /* ... when state k was known synced; SIZE_MAX: never */
    struct volume_head heads[HEADS_MAX];
    size_t heads_at[HEADS_MAX];
    size_t head_count;
};

struct tally {
    uint64_t images, points, sampled, largest, bad;
    uint64_t max; /* images of a point */
    uint64_t cleaned;
};

static struct run g_run[2];
static struct run *g_recording;

static int recording_report(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                            const struct volume_head *head)
{
    int r = test_authority_report(ctx, id, head);
    struct run *run = g_recording;
    if (r == 0 && run->head_count < HEADS_MAX) {
        run->heads[run->head_count] = *head;
        run->heads_at[run->head_count++] = volume_fault_count(run->backend);
    }
    return r;
}

/* Opens what is there and changes it; the journal then has all of that. */
static void run_go(struct run *run, int changes, uint64_t seed)
{
    struct random rn = {seed};
    struct volume *v;
    struct error e = {0};
    run->changes = changes;
    run->issued_at[0] = run->synced_at[0] = volume_fault_count(run->backend);
    REQUIRE(volume_open(&run->options, &v, &e) == 0);
    REQUIRE(digest_contents(v, &run->states[0]) == 0);
    for (int k = 1; k <= changes; k++) {
        run->issued_at[k] = volume_fault_count(run->backend);
        run->synced_at[k] = SIZE_MAX;
        random_change(v, &rn, SIZE);
        REQUIRE(digest_contents(v, &run->states[k]) == 0);
        if (random_below(&rn, 3) == 0) {
            CHECK_EQ(volume_sync(v, 0, false), 0);
            run->synced_at[k] = volume_fault_count(run->backend);
        }
    }
    if (seed % 3 == 0)
        CHECK_EQ(volume_close(v), 0);
    else
        volume_abandon(v);
}

static void run_init(struct run *run, bool strict)
{
    *run = (struct run){0};
    REQUIRE(volume_fault_new(&run->backend) == 0);
    run->options = test_options(run->backend);
    run->options.tuning = &TINY;
    test_authority_init(&run->authority);
    run->authority.ops.report = run->authority.ops.close = recording_report;
    g_recording = run;
    if (strict) {
        run->options.authority = &run->authority.ops;
        run->options.mode = VOLUME_MODE_STRICT;
    }
}

struct checking {
    const struct run *run;
    size_t point;
    struct tally *tally;
    int first, last; /* states that may be seen */
};

static int image_check(void *ctx, struct volume_backend *mem)
{
    struct checking *c = ctx;
    struct volume_options options = c->run->options;
    struct test_authority authority;
    struct digest now, again;
    struct volume *v;
    struct error e = {0};
    bool found = false;
    test_authority_init(&authority);
    for (size_t i = 0; i < c->run->head_count; i++)
        if (c->run->heads_at[i] <= c->point)
            authority.head = c->run->heads[i];
    authority.head.epoch = c->run->authority.head.epoch;
    options.backend = mem;
    if (options.authority)
        options.authority = &authority.ops;
    int r = volume_open(&options, &v, &e);
    if (r == 0) {
        r = digest_contents(v, &now);
        for (int k = c->first; r == 0 && !found && k <= c->last; k++)
            found = digest_equals(&now, &c->run->states[k]);
        found = found && volume_check(v, print_damage, NULL) == 0;
        volume_abandon(v);
    }
    /* What the opening itself wrote must not take away from it. */
    if (found && c->tally->images % 8 == 0) {
        r = volume_open(&options, &v, &e);
        found = r == 0 && digest_contents(v, &again) == 0 && digest_equals(&now, &again);
        if (r == 0)
            volume_abandon(v);
    }
    c->tally->images++;
    if (!found && c->tally->bad++ < 3)
        printf("# point %zu, image %llu: %s\n", c->point, (unsigned long long)c->tally->images,
               r < 0 ? error_text(&e, r) : "a state that never was, or too old");
    return 0;
}

/* Crashes at each point from `from` on at which most can be lost. */
static void run_check(const struct run *run, size_t from, struct tally *t)
{
    size_t end = volume_fault_count(run->backend);
    for (size_t point = from; point <= end; point++) {
        struct checking c = {.run = run, .point = point, .tally = t};
        uint64_t all, done;
        if (!volume_fault_syncs(run->backend, point))
            continue;
        for (int k = 0; k <= run->changes; k++) {
            c.first = run->synced_at[k] <= point ? k : c.first;
            c.last = run->issued_at[k] <= point ? k : c.last;
        }
        REQUIRE(volume_fault_images(run->backend, point, t->max, point, image_check, &c, &all,
                                    &done) == 0);
        t->points++;
        t->sampled += done < all;
        t->largest = MAX(t->largest, all);
    }
}

static void tally_print(const struct tally *t, const char *what)
{
    printf(
        "# %s: %llu images at %llu points, all of them but where a point has more than %llu: %llu "
        "points, at most %llu images\n",
        what, (unsigned long long)t->images, (unsigned long long)t->points,
        (unsigned long long)t->max, (unsigned long long)t->sampled, (unsigned long long)t->largest);
    CHECK_EQ(t->bad, 0);
    CHECK(t->images > 1000);
}

static unsigned long workloads(unsigned long fallback, struct tally *t, uint64_t max,
                               uint64_t max_long)
{
    const char *more = getenv("CRASH_EVERY");
    platform_set(&platform_sim);
    t->max = more ? max_long : max;
    return more ? strtoul(more, NULL, 10) : fallback;
}

static void work_run(struct run *run, uint64_t seed)
{
    run_init(run, seed % 2);
    run->options.compress = run->options.compress || seed % 4 == 3;
    REQUIRE(volume_create(&run->options, 0, 0, NULL) == 0);
    run->heads[0] = run->authority.head;
    run->heads_at[0] = 0;
    run->head_count = 1;
    run_go(run, CHANGES, seed);
}

TEST(every_image_that_a_power_cut_may_leave_opens_with_all_that_was_synced)
{
    struct tally t = {0};
    unsigned long count = workloads(20, &t, 1 << 11, 1 << 20);
    for (uint64_t seed = 1; seed <= count; seed++) {
        struct run *run = &g_run[0];
        work_run(run, seed);
        run_check(run, run->issued_at[0], &t);
        volume_fault_free(run->backend);
    }
    tally_print(&t, "power cuts");
}

/* --- again, while recovering and cleaning --- */

static int file_copy(void *ctx, uint64_t file)
{
    struct volume_backend **pair = ctx;
    uint64_t size;
    REQUIRE(pair[0]->ops->size(pair[0], file, &size) == 0);
    uint8_t *bytes = malloc(size + 1);
    REQUIRE(bytes && pair[0]->ops->read(pair[0], file, 0, bytes, size) == (ssize_t)size);
    REQUIRE(pair[1]->ops->create(pair[1], file) == 0);
    REQUIRE(pair[1]->ops->write(pair[1], file, 0, bytes, size) == 0);
    REQUIRE(pair[1]->ops->sync(pair[1], file) == 0);
    free(bytes);
    return 0;
}

struct second {
    const struct run *first;
    size_t point;
    struct tally *tally;
};

static int second_check(void *ctx, struct volume_backend *mem)
{
    struct second *s = ctx;
    struct run *run = &g_run[1];
    run_init(run, false);
    struct volume_backend *pair[2] = {mem, run->backend};
    REQUIRE(mem->ops->list(mem, file_copy, pair) == 0);
    REQUIRE(run->backend->ops->sync_names(run->backend) == 0);
    size_t removed = volume_fault_count_of(run->backend, FAULT_REMOVE) +
                     volume_fault_count_of(run->backend, FAULT_RENAME);
    run_go(run, AGAIN_CHANGES, s->point);
    s->tally->cleaned += volume_fault_count_of(run->backend, FAULT_REMOVE) +
                             volume_fault_count_of(run->backend, FAULT_RENAME) >
                         removed;
    run_check(run, run->issued_at[0], s->tally);
    volume_fault_free(run->backend);
    return 0;
}

TEST(every_image_of_a_second_power_cut_while_recovering_or_cleaning_opens)
{
    struct tally t = {0};
    unsigned long count = workloads(2, &t, 1 << 8, 1 << 20);
    bool is_long = getenv("CRASH_EVERY") != NULL;
    uint64_t firsts = 0;
    for (uint64_t seed = 2; seed <= (is_long ? count / 32 : count) * 2; seed += 2) {
        struct run *run = &g_run[0];
        work_run(run, seed); /* even: without an authority, which would have to go back, too */
        for (size_t point = run->issued_at[0]; point <= volume_fault_count(run->backend); point++) {
            struct second s = {run, point, &t};
            uint64_t all, done;
            if (!volume_fault_syncs(run->backend, point))
                continue;
            REQUIRE(volume_fault_images(run->backend, point, is_long ? 4 : 1, point, second_check,
                                        &s, &all, &done) == 0);
            firsts += done;
        }
        volume_fault_free(run->backend);
    }
    printf("# %llu first power cuts, %llu of them cleaned segments away afterwards\n",
           (unsigned long long)firsts, (unsigned long long)t.cleaned);
    CHECK(t.cleaned > 0);
    tally_print(&t, "second power cuts");
}

TAP_MAIN()
