/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations against a simple model in memory: files are byte arrays under names. Every read
 * is compared; now and then the volume is closed, or abandoned after a sync, and opened again. A
 * failure prints the seed, and then the fewest steps of it that still fail. In the environment
 * MODEL_SEEDS asks for more runs, MODEL_SECONDS for as many as fit, from a seed of the day's or
 * MODEL_SEED on. */
#include "digest.h"
#include "tap.h"

#include <linux/falloc.h>
#include <time.h>

enum { NAMES = 12, SIZE_MAX_FILE = 3 << 20, STEPS = 1500 };

struct model_file {
    bool exists;
    uint64_t ino;
    size_t size;
    uint8_t *bytes;
};

struct model_snapshot {
    char name[16];
    struct digest shows;
};

static struct model_snapshot g_snapshots[3];
static unsigned g_snapshot_count;
static struct model_file g_model[NAMES];
static struct volume_backend *g_backend;
static struct volume_options g_options;
static struct volume *g_volume;
static uint64_t g_seed;
static int g_step;
static uint8_t g_bytes[SIZE_MAX_FILE];

static bool g_quiet; /* while a failure is made smaller */
static unsigned g_failures;
static unsigned long long g_operations;

#define AGREE(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            if (!g_quiet)                                                         \
                printf("# seed %llu, step %d: not true: %s (line %d)\n",          \
                       (unsigned long long)g_seed, g_step, #condition, __LINE__); \
            g_failures++;                                                         \
        }                                                                         \
    } while (0)

static struct slice name_number(unsigned i)
{
    static char name[2][16];
    static int which;
    which ^= 1;
    (void)snprintf(name[which], sizeof name[which], "file-%u", i);
    return slice_of_text(name[which]);
}

static void snapshots_compare(void)
{
    struct volume_options options = g_options;
    for (unsigned i = 0; i < g_snapshot_count; i++) {
        struct digest shows = {0};
        struct volume *v = NULL;
        options.snapshot = g_snapshots[i].name;
        AGREE(volume_open(&options, &v, NULL) == 0);
        if (!v)
            return;
        AGREE(digest_contents(v, &shows) == 0 && digest_equals(&shows, &g_snapshots[i].shows));
        AGREE(volume_check(v, print_damage, NULL) == 0);
        AGREE(volume_close(v) == 0);
    }
}

static void snapshot_step(struct random *rn)
{
    if (g_snapshot_count < ARRAY_COUNT(g_snapshots)) {
        struct model_snapshot *s = &g_snapshots[g_snapshot_count++];
        (void)snprintf(s->name, sizeof s->name, "at-%d", g_step);
        AGREE(digest_contents(g_volume, &s->shows) == 0);
        AGREE(volume_snapshot_make(g_volume, s->name) == 0);
        AGREE(volume_snapshot_make(g_volume, s->name) == -EEXIST);
        return;
    }
    unsigned at = (unsigned)random_below(rn, g_snapshot_count);
    AGREE(volume_snapshot_remove(g_volume, g_snapshots[at].name) == 0);
    AGREE(volume_snapshot_remove(g_volume, g_snapshots[at].name) == -ENOENT);
    g_snapshots[at] = g_snapshots[--g_snapshot_count];
}

static void reopen(bool clean)
{
    struct error e = {0};
    if (clean)
        AGREE(volume_close(g_volume) == 0);
    else
        volume_abandon(g_volume);
    snapshots_compare();
    int r = volume_open(&g_options, &g_volume, &e);
    if (r < 0 && !g_quiet)
        printf("# seed %llu, step %d: %s\n", (unsigned long long)g_seed, g_step, error_text(&e, r));
    AGREE(r == 0);
    if (r < 0)
        g_volume = NULL;
}

static void file_make(struct model_file *f, unsigned i)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    AGREE(volume_make(g_volume, VOLUME_ROOT_INO, name_number(i), &attr, (struct slice){0},
                      &f->ino) == 0);
    f->exists = true;
    f->size = 0;
    memset(f->bytes, 0, SIZE_MAX_FILE);
}

static void file_write(struct model_file *f, struct random *rn, bool append)
{
    uint64_t at = append ? f->size : random_below(rn, f->size + f->size / 4 + 9000);
    size_t size = random_below(rn, 8) == 0 ? 300000 : random_below(rn, 3) == 0 ? 9000 : 700;
    size = (size_t)random_below(rn, size) + 1;
    if (random_below(rn, 3) == 0) {
        at = append ? at : at & ~(uint64_t)4095;
        size = (size_t)round_up(size, 4096);
    }
    if (at + size > SIZE_MAX_FILE)
        return;
    size_t run = random_below(rn, 2) ? 8 : 80; /* what can be compressed, and what cannot */
    uint64_t word = 0;
    for (size_t i = 0; i < size; i += sizeof word) {
        word = i % run == 0 ? random_next(rn) : word;
        memcpy(g_bytes + i, &word, MIN(size - i, sizeof word));
    }
    memcpy(f->bytes + at, g_bytes, size);
    uint64_t where = at;
    ssize_t n = append ? volume_append(g_volume, f->ino, g_bytes, size, &where)
                       : volume_write(g_volume, f->ino, at, g_bytes, size);
    AGREE(n == (ssize_t)size);
    AGREE(where == at);
    f->size = MAX(f->size, at + size);
}

static void file_read(struct model_file *f, struct random *rn)
{
    uint64_t at = random_below(rn, f->size + 100);
    size_t size = (size_t)random_below(rn, random_below(rn, 4) ? 10000 : SIZE_MAX_FILE);
    size_t want = at < f->size ? MIN(size, f->size - (size_t)at) : 0;
    AGREE(volume_read(g_volume, f->ino, at, g_bytes, size) == (ssize_t)want);
    AGREE(memcmp(g_bytes, f->bytes + at, want) == 0);
}

static void file_resize(struct model_file *f, struct random *rn)
{
    struct volume_attr attr = {.size = random_below(rn, f->size + f->size / 2 + 5000)};
    if (attr.size > SIZE_MAX_FILE)
        return;
    AGREE(volume_setattr(g_volume, f->ino, VOLUME_ATTR_SIZE, &attr) == 0);
    if (attr.size < f->size)
        memset(f->bytes + attr.size, 0, f->size - attr.size);
    f->size = attr.size;
}

static void file_punch(struct model_file *f, struct random *rn)
{
    uint64_t at = random_below(rn, f->size + 1);
    size_t size = (size_t)random_below(rn, 50000) + 1;
    int mode = random_below(rn, 2) ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
                                   : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    AGREE(volume_allocate(g_volume, f->ino, mode, at, size) == 0);
    memset(f->bytes + at, 0, MIN(size, f->size - (size_t)at));
}

static void files_compare(void)
{
    for (unsigned i = 0; i < NAMES; i++) {
        struct model_file *f = &g_model[i];
        struct volume_attr attr;
        uint64_t ino = 0;
        int r = volume_lookup(g_volume, VOLUME_ROOT_INO, name_number(i), &ino);
        AGREE(r == (f->exists ? 0 : -ENOENT));
        if (!f->exists)
            continue;
        AGREE(ino == f->ino);
        AGREE(volume_getattr(g_volume, ino, &attr) == 0 && attr.size == f->size);
        AGREE(volume_read(g_volume, ino, 0, g_bytes, SIZE_MAX_FILE) == (ssize_t)f->size);
        AGREE(memcmp(g_bytes, f->bytes, f->size) == 0);
    }
}

static void step(struct random *rn)
{
    unsigned i = (unsigned)random_below(rn, NAMES), k = (unsigned)random_below(rn, NAMES);
    struct model_file *f = &g_model[i];
    uint64_t what = random_below(rn, 100);
    if (random_below(rn, 100) == 0) {
        snapshot_step(rn);
    } else if (!f->exists) {
        file_make(f, i);
    } else if (what < 35) {
        file_write(f, rn, false);
    } else if (what < 42) {
        file_write(f, rn, true);
    } else if (what < 75) {
        file_read(f, rn);
    } else if (what < 80) {
        file_resize(f, rn);
    } else if (what < 85) {
        file_punch(f, rn);
    } else if (what < 89) {
        AGREE(volume_unlink(g_volume, VOLUME_ROOT_INO, name_number(i)) == 0);
        f->exists = false;
    } else if (what < 93 && k != i) {
        AGREE(volume_rename(g_volume, VOLUME_ROOT_INO, name_number(i), VOLUME_ROOT_INO,
                            name_number(k), 0) == 0);
        struct model_file old = g_model[k];
        g_model[k] = *f;
        *f = (struct model_file){.bytes = old.bytes};
    } else if (what < 97) {
        AGREE(volume_sync(g_volume, 0, false) == 0);
        if (what == 96)
            reopen(false);
    } else if (what == 97) {
        reopen(true);
    } else if (what == 98) {
        AGREE(volume_check(g_volume, print_damage, NULL) == 0);
    } else {
        files_compare();
    }
}

struct plan {
    uint64_t seed;
    const struct volume_tuning *tuning;
    size_t cache_size;
    bool compress;
    bool skip[STEPS]; /* these steps are left out */
};

static void end_check(void)
{
    struct volume_stats stats;
    uint64_t live = 0;
    files_compare();
    reopen(true);
    if (!g_volume)
        return;
    while (g_snapshot_count > 0)
        AGREE(volume_snapshot_remove(g_volume, g_snapshots[--g_snapshot_count].name) == 0);
    for (int i = 0; i < 50; i++) /* the cleaner gets its turns */
        AGREE(volume_setattr(g_volume, VOLUME_ROOT_INO, VOLUME_ATTR_MODE,
                             &(struct volume_attr){.mode = 0755}) == 0);
    AGREE(volume_sync(g_volume, 0, false) == 0);
    AGREE(volume_check(g_volume, print_damage, NULL) == 0);
    volume_statfs(g_volume, &stats);
    for (unsigned i = 0; i < NAMES; i++)
        live += g_model[i].exists ? g_model[i].size : 0;
    AGREE(stats.host_size < 3 * live + (8 << 20)); /* the cleaner keeps the garbage within bounds */
}

/* Each step has a random generator of its own, so that leaving some out leaves the others alone. */
static bool run(const struct plan *p)
{
    g_seed = p->seed;
    g_snapshot_count = g_failures = 0;
    REQUIRE(volume_mem_new(&g_backend) == 0);
    g_options = test_options(g_backend);
    g_options.tuning = p->tuning;
    g_options.cache_size = p->cache_size;
    g_options.compress = p->compress;
    for (unsigned i = 0; i < NAMES; i++) {
        g_model[i] = (struct model_file){.bytes = calloc(1, SIZE_MAX_FILE)};
        REQUIRE(g_model[i].bytes);
    }
    REQUIRE(volume_create(&g_options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&g_options, &g_volume, NULL) == 0);
    for (g_step = 0; g_step < STEPS && g_failures == 0 && g_volume; g_step++) {
        struct random rn = {p->seed << 20 | (uint64_t)g_step};
        if (!p->skip[g_step])
            step(&rn);
        g_operations++;
    }
    if (g_failures == 0)
        end_check();
    for (unsigned i = 0; i < NAMES; i++)
        free(g_model[i].bytes);
    if (g_volume)
        AGREE(volume_close(g_volume) == 0);
    volume_mem_free(g_backend);
    return g_failures == 0;
}

/* Leaves out whatever the failure does not need: halves, quarters, at last single steps. */
static void shrink(struct plan *p)
{
    struct plan smaller;
    g_quiet = true;
    for (int size = STEPS / 2; size > 0; size /= 2)
        for (int from = 0; from < STEPS; from += size) {
            smaller = *p;
            memset(smaller.skip + from, 1, (size_t)MIN(size, STEPS - from));
            if (memcmp(smaller.skip, p->skip, sizeof p->skip) != 0 && !run(&smaller))
                *p = smaller;
        }
    g_quiet = false;
    printf("# the fewest steps that fail:");
    for (int i = 0; i < STEPS; i++)
        if (!p->skip[i])
            printf(" %d", i);
    printf("\n");
    (void)run(p);
}

static void try_seed(uint64_t seed)
{
    struct plan plans[] = {
        {.seed = seed},
        {.seed = seed + 1000, .tuning = &SMALL, .cache_size = seed % 2 ? 4096 : 1 << 20},
        {.seed = seed + 2000,
         .tuning = &SMALL,
         .cache_size = seed % 4 == 1 ? 4096 : 1 << 20,
         .compress = true}};
    size_t count = seed % 2 ? ARRAY_COUNT(plans) : ARRAY_COUNT(plans) - 1;
    for (size_t i = 0; i < count; i++) {
        if (run(&plans[i]))
            continue;
        tap_failures_in_test++;
        shrink(&plans[i]);
    }
}

static int64_t seconds_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

TEST(volume_agrees_with_a_simple_model)
{
    const char *more = getenv("MODEL_SEEDS"), *seconds = getenv("MODEL_SECONDS");
    const char *first = getenv("MODEL_SEED");
    platform_set(&platform_sim);
    if (!seconds && !first) {
        for (uint64_t seed = 1; seed <= (more ? strtoull(more, NULL, 10) : 4); seed++)
            try_seed(seed);
        return;
    }
    uint64_t seed = first ? strtoull(first, NULL, 10) : (uint64_t)time(NULL) % 1000000 * 10000;
    uint64_t begin = seed;
    int64_t end = seconds_now() + (seconds ? strtol(seconds, NULL, 10) : 0);
    printf("# from seed %llu on\n", (unsigned long long)seed);
    do
        try_seed(seed++);
    while (seconds_now() < end && tap_failures_in_test == 0);
    printf("# %llu seeds, %llu operations\n", (unsigned long long)(seed - begin), g_operations);
}

TAP_MAIN()
