/* SPDX-License-Identifier: Apache-2.0 */
/* After a crash at any point, with any allowed loss of what was not synced, a volume opens in the
 * state after some whole number of operations, at least as new as the last completed sync.
 * CRASH_SEEDS in the environment asks for more workloads. */
#include "digest.h"
#include "tap.h"
#include "volume/fault/fault.h"

enum { CHANGES = 40, CHECKPOINTS_MAX = 4096 };

struct workload {
    uint64_t seed;
    struct volume_backend *backend;
    struct volume_options options;
    struct test_authority authority;
    struct digest states[CHANGES + 1];    /* [k]: after k changes */
    size_t issued_at[CHANGES + 1];        /* host operations when change k began */
    size_t synced_at[CHANGES + 1];        /* ... when state k was known synced; SIZE_MAX: never */
    struct digest snapshots[CHANGES + 1]; /* [k]: what the snapshot that change k made shows */
    struct volume_head heads[CHECKPOINTS_MAX];
    size_t heads_at[CHECKPOINTS_MAX];
    size_t head_count;
};

static struct workload g_work;

static int recording_report(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                            const struct volume_head *head)
{
    int r = test_authority_report(ctx, id, head);
    if (r == 0 && g_work.head_count < CHECKPOINTS_MAX) {
        g_work.heads[g_work.head_count] = *head;
        g_work.heads_at[g_work.head_count++] = volume_fault_count(g_work.backend);
    }
    return r;
}

/* Now and then a snapshot comes or goes; both are durable when they return. */
static void change(struct workload *w, struct volume *v, struct random *rn, size_t k)
{
    struct volume_snapshot list[16];
    char name[8];
    int count = volume_snapshot_list(v, list, 16);
    uint64_t what = random_below(rn, 12);
    if (what == 0 && count < 4) {
        (void)snprintf(name, sizeof name, "s%zu", k);
        REQUIRE(digest_contents(v, &w->snapshots[k]) == 0);
        REQUIRE(volume_snapshot_make(v, name) == 0);
    } else if (what == 1 && count > 0) {
        REQUIRE(volume_snapshot_remove(v, list[random_below(rn, (uint64_t)count)].name) == 0);
    } else {
        random_change(v, rn, 60000);
    }
}

/* Each snapshot that is listed shows what it showed when it was made. */
static bool snapshots_check(struct workload *w, const struct volume_options *now,
                            const struct volume_snapshot *list, int count)
{
    struct volume_options options = *now;
    for (int i = 0; i < count; i++) {
        struct volume *v;
        struct digest shown;
        struct error e = {0};
        options.snapshot = list[i].name;
        int r = volume_open(&options, &v, &e);
        if (r < 0) {
            printf("# snapshot %s: %s\n", list[i].name, error_text(&e, r));
            return false;
        }
        r = digest_contents(v, &shown);
        volume_abandon(v);
        if (r < 0 || !digest_equals(&shown, &w->snapshots[strtoul(list[i].name + 1, NULL, 10)])) {
            printf("# snapshot %s shows something else (%d)\n", list[i].name, r);
            return false;
        }
    }
    return true;
}

static void work_run(struct workload *w, uint64_t seed)
{
    struct random rn = {seed};
    struct volume *v;
    struct error e = {0};
    *w = (struct workload){.seed = seed};
    REQUIRE(volume_fault_new(&w->backend) == 0);
    w->options = test_options(w->backend);
    w->options.tuning = &SMALL;
    test_authority_init(&w->authority);
    w->authority.ops.report = recording_report;
    if (seed % 2) {
        w->options.authority = &w->authority.ops;
        w->options.mode = VOLUME_MODE_STRICT;
    }
    REQUIRE(volume_create(&w->options, 0, 0, &e) == 0);
    w->heads[0] = w->authority.head;
    w->heads_at[0] = volume_fault_count(w->backend);
    w->head_count = 1;
    REQUIRE(volume_open(&w->options, &v, &e) == 0);
    for (size_t k = 0; k <= CHANGES; k++)
        w->synced_at[k] = SIZE_MAX;
    w->issued_at[0] = 0;
    w->synced_at[0] = volume_fault_count(w->backend);
    REQUIRE(digest_volume(v, &w->states[0]) == 0);
    for (size_t k = 1; k <= CHANGES; k++) {
        w->issued_at[k] = volume_fault_count(w->backend);
        change(w, v, &rn, k);
        REQUIRE(digest_volume(v, &w->states[k]) == 0);
        if (random_below(&rn, 4) == 0) {
            CHECK_EQ(volume_sync(v, 0, false), 0);
            w->synced_at[k] = volume_fault_count(w->backend);
        }
    }
    volume_abandon(v);
}

/* The state after a crash once `point` host operations were done. */
static bool crash_check(struct workload *w, size_t point, enum fault_tail tail, uint64_t seed)
{
    struct volume_backend *image;
    struct test_authority authority;
    struct volume *v;
    struct error e = {0};
    struct digest now;
    size_t first = 0, last = 0;
    REQUIRE(volume_fault_image(w->backend, point, tail, seed, &image) == 0);
    test_authority_init(&authority);
    for (size_t i = 0; i < w->head_count; i++)
        if (w->heads_at[i] <= point)
            authority.head = w->heads[i];
    authority.head.epoch = w->authority.head.epoch;
    struct volume_options options = w->options;
    options.backend = image;
    if (options.authority)
        options.authority = &authority.ops;
    for (size_t k = 0; k <= CHANGES; k++) {
        first = w->synced_at[k] <= point ? k : first;
        last = w->issued_at[k] <= point ? k : last;
    }
    int r = volume_open(&options, &v, &e);
    bool good = r == 0 && digest_volume(v, &now) == 0, found = false;
    for (size_t k = first; good && k <= last; k++)
        found = found || digest_equals(&now, &w->states[k]);
    if (!good || !found)
        printf("# seed %llu, crash after %zu host operations, tail %d.%llu: %s\n",
               (unsigned long long)w->seed, point, tail, (unsigned long long)seed,
               r < 0 ? error_text(&e, r) : "a state that never was, or too old");
    if (r == 0) {
        struct random rn = {seed};
        random_change(v, &rn, 1000);
        good = good && volume_sync(v, 0, false) == 0 && volume_check(v, print_damage, NULL) == 0;
        good = good && digest_volume(v, &now) == 0;
        struct volume_snapshot list[16];
        int count = volume_snapshot_list(v, list, 16);
        volume_abandon(v);
        good = good && snapshots_check(w, &options, list, count);
        r = volume_open(&options, &v, &e);
        struct digest again;
        good = good && r == 0 && digest_volume(v, &again) == 0 && digest_equals(&now, &again);
        if (!good)
            printf("# seed %llu, point %zu: does not go on after the crash: %s\n",
                   (unsigned long long)w->seed, point, error_text(&e, r));
        if (r == 0)
            volume_abandon(v);
    }
    volume_mem_free(image);
    return good && found;
}

static void work_check(uint64_t seed)
{
    struct workload *w = &g_work;
    work_run(w, seed);
    size_t count = volume_fault_count(w->backend), bad = 0, checked = 0;
    for (size_t point = w->synced_at[0]; point <= count && bad < 3; point++) {
        bad += !crash_check(w, point, FAULT_TAIL_KEPT, 0);
        bad += !crash_check(w, point, FAULT_TAIL_LOST, 0);
        bad += !crash_check(w, point, FAULT_TAIL_RANDOM, point * 2 + seed);
        bad += !crash_check(w, point, FAULT_TAIL_RANDOM, point * 2 + seed + 1);
        checked += 4;
    }
    printf("# seed %llu: %zu crashes\n", (unsigned long long)seed, checked);
    CHECK_EQ(bad, 0);
    volume_fault_free(w->backend);
}

TEST(volume_opens_after_every_crash_with_all_that_was_synced)
{
    const char *more = getenv("CRASH_SEEDS");
    platform_set(&platform_sim);
    for (uint64_t seed = 1; seed <= (more ? strtoull(more, NULL, 10) : 6); seed++)
        work_check(seed);
}

/* --- a second crash, while the first is being recovered from or a little later --- */

enum { AGAIN_CHANGES = 8 };

struct copying {
    struct volume_backend *from, *to;
};

static int file_copy(void *ctx, uint64_t file)
{
    struct copying *c = ctx;
    uint64_t size;
    REQUIRE(c->from->ops->size(c->from, file, &size) == 0);
    uint8_t *bytes = malloc(size + 1);
    REQUIRE(bytes && c->from->ops->read(c->from, file, 0, bytes, size) == (ssize_t)size);
    REQUIRE(c->to->ops->create(c->to, file) == 0);
    REQUIRE(c->to->ops->write(c->to, file, 0, bytes, size) == 0);
    REQUIRE(c->to->ops->sync(c->to, file) == 0);
    free(bytes);
    return 0;
}

/* Opens what a crash at `point` left, goes on a little, and crashes at every host operation of that. */
static size_t again_check(struct workload *w, size_t point)
{
    struct digest states[AGAIN_CHANGES + 1], now;
    size_t synced_at[AGAIN_CHANGES + 1], bad = 0;
    struct copying copying;
    struct volume_options options = w->options;
    struct random rn = {point};
    struct volume *v;
    REQUIRE(volume_fault_image(w->backend, point, FAULT_TAIL_RANDOM, point, &copying.from) == 0);
    REQUIRE(volume_fault_new(&copying.to) == 0);
    REQUIRE(copying.from->ops->list(copying.from, file_copy, &copying) == 0);
    REQUIRE(copying.to->ops->sync_names(copying.to) == 0);
    options.backend = copying.to;
    size_t begin = volume_fault_count(copying.to);
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    for (int k = 0; k <= AGAIN_CHANGES; k++) {
        if (k > 0)
            random_change(v, &rn, 60000);
        REQUIRE(digest_contents(v, &states[k]) == 0);
        synced_at[k] = k == 0 ? begin : SIZE_MAX;
        if (k % 3 == 2) {
            REQUIRE(volume_sync(v, 0, false) == 0);
            synced_at[k] = volume_fault_count(copying.to);
        }
    }
    if (point % 2)
        REQUIRE(volume_close(v) == 0);
    else
        volume_abandon(v);
    for (size_t at = begin; at <= volume_fault_count(copying.to); at++)
        for (uint64_t tail = 0; tail < 3; tail++) {
            int first = 0;
            bool found = false;
            REQUIRE(volume_fault_image(copying.to, at, (enum fault_tail)tail, at + tail,
                                       &options.backend) == 0);
            for (int k = 0; k <= AGAIN_CHANGES; k++)
                first = synced_at[k] <= at ? k : first;
            int r = volume_open(&options, &v, NULL);
            if (r == 0) {
                r = digest_contents(v, &now);
                for (int k = first; r == 0 && k <= AGAIN_CHANGES; k++)
                    found = found || digest_equals(&now, &states[k]);
                found = found && volume_check(v, print_damage, NULL) == 0;
                volume_abandon(v);
            }
            if (!found && bad++ < 3)
                printf("# seed %llu, crash at %zu, again at %zu, tail %llu: %d\n",
                       (unsigned long long)w->seed, point, at, (unsigned long long)tail, r);
            volume_mem_free(options.backend);
        }
    volume_fault_free(copying.to);
    volume_mem_free(copying.from);
    return bad;
}

TEST(volume_opens_after_a_second_crash_while_recovering_and_cleaning)
{
    const char *more = getenv("CRASH_SEEDS");
    platform_set(&platform_sim);
    size_t bad = 0, crashes = 0;
    for (uint64_t seed = 2; seed <= (more ? strtoull(more, NULL, 10) / 4 : 4); seed += 2) {
        struct workload *w = &g_work;
        work_run(w, seed); /* even: without an authority */
        size_t count = volume_fault_count(w->backend);
        for (size_t point = w->synced_at[0]; point <= count && bad == 0; point += more ? 1 : 7) {
            bad += again_check(w, point);
            crashes++;
        }
        volume_fault_free(w->backend);
    }
    printf("# %zu first crashes\n", crashes);
    CHECK_EQ(bad, 0);
}

/* What a killed owner left is in the host's memory only. Whoever opens it builds on it, so it has to
 * be on the disk before that counts as synced. */
TEST(volume_syncs_the_tail_it_takes_over_before_it_builds_on_it)
{
    static uint8_t bytes[1 << 20];
    struct volume_backend *fault = NULL, *image = NULL;
    struct volume *v = NULL;
    const struct volume_attr file = {.mode = S_IFREG | 0644};
    uint64_t ino, found;
    platform_set(&platform_sim);
    REQUIRE(volume_fault_new(&fault) == 0);
    struct volume_options options = test_options(fault);
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of("a"), &file, (struct slice){0}, &ino) == 0);
    REQUIRE(volume_sync(v, 0, false) == 0);
    size_t before = volume_fault_count(fault);
    for (uint64_t i = 0; i < 4; i++)
        REQUIRE(volume_write(v, ino, i * sizeof bytes, bytes, sizeof bytes) == sizeof bytes);
    CHECK(volume_fault_count(fault) > before); /* some of it went to the host */
    volume_abandon(v);
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of("b"), &file, (struct slice){0}, &ino) == 0);
    REQUIRE(volume_sync(v, 0, false) == 0);
    volume_abandon(v);
    REQUIRE(volume_fault_image(fault, volume_fault_count(fault), FAULT_TAIL_LOST, 1, &image) == 0);
    options.backend = image;
    struct error e = {0};
    int r = volume_open(&options, &v, &e);
    CHECK_TEXT(r < 0 ? error_text(&e, r) : "opened", "opened");
    if (r == 0) {
        CHECK_EQ(volume_lookup(v, VOLUME_ROOT_INO, name_of("b"), &found), 0);
        volume_abandon(v);
    }
    volume_mem_free(image);
    volume_fault_free(fault);
}

/* A copy that went its own way is as long as the one that the authority knows, and every record of
 * it is genuine. */
TEST(volume_refuses_another_history_of_the_same_length)
{
    struct volume_backend *fault = NULL, *copy = NULL;
    struct volume *v = NULL;
    struct test_authority known, other;
    const struct volume_attr file = {.mode = S_IFREG | 0644};
    uint64_t ino;
    platform_set(&platform_sim);
    test_authority_init(&known);
    test_authority_init(&other);
    REQUIRE(volume_fault_new(&fault) == 0);
    struct volume_options options = test_options(fault);
    options.authority = &known.ops;
    options.mode = VOLUME_MODE_STRICT;
    REQUIRE(volume_create(&options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    REQUIRE(volume_close(v) == 0);
    REQUIRE(volume_fault_image(fault, volume_fault_count(fault), FAULT_TAIL_KEPT, 1, &copy) == 0);
    other.head = known.head;
    const char *const names[] = {"a", "b"};
    for (int i = 0; i < 2; i++) {
        options.backend = i ? copy : fault;
        options.authority = i ? &other.ops : &known.ops;
        REQUIRE(volume_open(&options, &v, NULL) == 0);
        REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of(names[i]), &file, (struct slice){0},
                            &ino) == 0);
        REQUIRE(volume_sync(v, 0, false) == 0);
        volume_abandon(v);
    }
    CHECK(known.head.sequence == other.head.sequence);
    options.authority = &known.ops;
    struct error e = {0};
    CHECK_EQ(volume_open(&options, &v, &e), -EKEYREJECTED);
    CHECK(strstr(e.text, "another history"));
    options.backend = fault;
    CHECK_EQ(volume_open(&options, &v, &e), 0);
    volume_abandon(v);
    volume_mem_free(copy);
    volume_fault_free(fault);
}

TAP_MAIN()
