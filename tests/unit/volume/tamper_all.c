/* SPDX-License-Identifier: Apache-2.0 */
/* A hostile host, tried out: every byte of a small volume, every segment dropped, doubled, swapped and
 * put back older, every pair of states mixed. What is shown is right or nothing; counts are printed.
 * TAMPER_ALL in the environment tries each byte of unused space, too. */
#include "digest.h"
#include "tap.h"

enum { STATES = 5, FILES_MAX = 64 };

struct state {
    struct volume_backend *image;
    struct volume_head head;
    struct digest digest;
    uint64_t files[FILES_MAX];
    size_t count;
};

static struct state g_states[STATES];
static struct test_authority g_authority;
static struct volume_options g_options;
static const struct digest *g_right;
static struct volume_head g_head;

/* What came of a trial. */
static unsigned g_refused, g_unreadable, g_harmless, g_fooled;

static int file_collect(void *ctx, uint64_t file)
{
    struct state *s = ctx;
    REQUIRE(s->count < FILES_MAX);
    s->files[s->count++] = file;
    return 0;
}

static void file_copy(struct volume_backend *from, uint64_t file, struct volume_backend *to,
                      uint64_t as)
{
    uint64_t size;
    REQUIRE(from->ops->size(from, file, &size) == 0);
    uint8_t *bytes = malloc(size + 1);
    REQUIRE(bytes && from->ops->read(from, file, 0, bytes, size) == (ssize_t)size);
    (void)!to->ops->remove(to, as);
    REQUIRE(to->ops->create(to, as) == 0);
    REQUIRE(to->ops->write(to, as, 0, bytes, size) == 0);
    free(bytes);
}

static struct volume_backend *copy_of(const struct state *s)
{
    struct volume_backend *copy;
    REQUIRE(volume_mem_new(&copy) == 0);
    for (size_t i = 0; i < s->count; i++)
        file_copy(s->image, s->files[i], copy, s->files[i]);
    return copy;
}

/* A history of five openings, each kept as it was after its close. */
static void states_make(void)
{
    struct volume_backend *live;
    struct random rn = {2024};
    platform_set(&platform_sim);
    REQUIRE(volume_mem_new(&live) == 0);
    test_authority_init(&g_authority);
    g_options = test_options(live);
    g_options.tuning = &SMALL;
    g_options.authority = &g_authority.ops;
    g_options.mode = VOLUME_MODE_STRICT;
    REQUIRE(volume_create(&g_options, 0, 0, NULL) == 0);
    for (int i = 0; i < STATES; i++) {
        struct state *s = &g_states[i];
        struct volume *v;
        REQUIRE(volume_open(&g_options, &v, NULL) == 0);
        for (int k = 0; k < 20; k++)
            random_change(v, &rn, 2500);
        if (i == 1)
            REQUIRE(volume_snapshot_make(v, "second") == 0);
        REQUIRE(digest_volume(v, &s->digest) == 0);
        REQUIRE(volume_close(v) == 0);
        s->head = g_authority.head;
        s->count = 0;
        REQUIRE(live->ops->list(live, file_collect, s) == 0);
        struct state whole = *s;
        whole.image = live;
        s->image = copy_of(&whole);
    }
    volume_mem_free(live);
}

static void state_choose(int i)
{
    g_right = &g_states[i].digest;
    g_head = g_states[i].head;
    g_refused = g_unreadable = g_harmless = g_fooled = 0;
}

static bool try_image(struct volume_backend *image)
{
    struct volume *v;
    struct digest now;
    struct error e = {0};
    g_authority.head = g_head;
    g_options.backend = image;
    int r = volume_open(&g_options, &v, &e);
    if (r < 0) {
        g_refused++;
        g_fooled += e.text[0] == '\0' ||
                    (r != -EBADMSG && r != -EKEYREJECTED && r != -ENOENT && r != -EPROTONOSUPPORT);
        return g_fooled == 0;
    }
    r = digest_volume(v, &now);
    volume_abandon(v);
    if (r < 0)
        g_unreadable++;
    else if (digest_equals(&now, g_right))
        g_harmless++;
    else
        g_fooled++;
    return g_fooled == 0;
}

static void counts_print(const char *what)
{
    printf("# %s: %u tried, %u refused at opening, %u found by reading, %u harmless, %u fooled\n",
           what, g_refused + g_unreadable + g_harmless + g_fooled, g_refused, g_unreadable,
           g_harmless, g_fooled);
    CHECK_EQ(g_fooled, 0);
}

TEST(tampering_with_every_byte_shows_nothing_wrong)
{
    states_make();
    state_choose(STATES - 1);
    struct state *s = &g_states[STATES - 1];
    bool all = getenv("TAMPER_ALL") != NULL;
    for (size_t i = 0; i < s->count; i++) {
        uint64_t size, run = 0;
        REQUIRE(s->image->ops->size(s->image, s->files[i], &size) == 0);
        for (uint64_t at = 0; at < size; at++) {
            uint8_t byte, changed;
            REQUIRE(s->image->ops->read(s->image, s->files[i], at, &byte, 1) == 1);
            run = byte ? 0 : run + 1;
            if (run > 64 && at % 251 != 0 && !all)
                continue; /* unused space */
            changed = byte ^ (uint8_t)(1u << at % 8);
            /* The volume writes nothing before the first change, so one copy does for many. */
            REQUIRE(s->image->ops->write(s->image, s->files[i], at, &changed, 1) == 0);
            if (!try_image(s->image))
                printf("# file %016llx, byte %llu\n", (unsigned long long)s->files[i],
                       (unsigned long long)at);
            REQUIRE(s->image->ops->write(s->image, s->files[i], at, &byte, 1) == 0);
        }
    }
    counts_print("bytes changed");
    CHECK(g_refused + g_unreadable > 1000);
}

TEST(tampering_with_segments_shows_nothing_wrong)
{
    state_choose(STATES - 1);
    struct state *s = &g_states[STATES - 1];
    for (size_t i = 0; i < s->count; i++) {
        struct volume_backend *copy = copy_of(s);
        REQUIRE(copy->ops->remove(copy, s->files[i]) == 0);
        (void)try_image(copy);
        volume_mem_free(copy);
    }
    counts_print("files dropped");
    state_choose(STATES - 1);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->count; k++) {
            struct volume_backend *copy;
            if (i == k)
                continue;
            copy = copy_of(s); /* one over the other */
            file_copy(s->image, s->files[i], copy, s->files[k]);
            (void)try_image(copy);
            volume_mem_free(copy);
            copy = copy_of(s); /* each in the other's place */
            file_copy(s->image, s->files[i], copy, s->files[k]);
            file_copy(s->image, s->files[k], copy, s->files[i]);
            (void)try_image(copy);
            volume_mem_free(copy);
        }
    counts_print("files copied over others, and swapped");
    state_choose(STATES - 1);
    for (size_t i = 0; i < s->count; i++)
        for (uint64_t as = 1; as <= 3;
             as++) { /* doubled, under numbers of old and of times to come */
            struct volume_backend *copy = copy_of(s);
            file_copy(s->image, s->files[i], copy, as == 1 ? 7 : as << 33 | 1);
            (void)try_image(copy);
            volume_mem_free(copy);
        }
    counts_print("files doubled");
    state_choose(STATES - 1);
    for (int older = 0; older < STATES - 1; older++)
        for (size_t i = 0; i < g_states[older].count; i++) {
            struct volume_backend *copy = copy_of(s);
            file_copy(g_states[older].image, g_states[older].files[i], copy,
                      g_states[older].files[i]);
            (void)try_image(copy);
            volume_mem_free(copy);
        }
    counts_print("files replaced by older ones, and old ones put back");
}

/* All ways to choose each file from one of two states, up to a limit, against each state that may be
 * the newest known. */
TEST(mixing_any_two_states_shows_nothing_wrong)
{
    unsigned tried = 0, fooled = 0;
    for (int a = 0; a < STATES; a++)
        for (int b = 0; b < STATES; b++) {
            uint64_t files[2 * FILES_MAX];
            size_t count = 0;
            state_choose(b);
            for (int k = 0; k < 2; k++) {
                const struct state *s = &g_states[k ? b : a];
                for (size_t i = 0; i < s->count; i++) {
                    bool known = false;
                    for (size_t n = 0; n < count; n++)
                        known = known || files[n] == s->files[i];
                    if (!known)
                        files[count++] = s->files[i];
                }
            }
            uint64_t ways = count < 8 ? (uint64_t)1 << count : 256;
            for (uint64_t way = 0; a != b && way < ways; way++) {
                struct volume_backend *copy;
                REQUIRE(volume_mem_new(&copy) == 0);
                for (size_t n = 0; n < count; n++) {
                    const struct state *s = &g_states[way >> n % 8 & 1 ? a : b];
                    for (size_t i = 0; i < s->count; i++)
                        if (s->files[i] == files[n])
                            file_copy(s->image, files[n], copy, files[n]);
                }
                if (!try_image(copy))
                    printf("# states %d and %d, way %llx\n", a, b, (unsigned long long)way);
                volume_mem_free(copy);
            }
            tried += g_refused + g_unreadable + g_harmless + g_fooled;
            fooled += g_fooled;
        }
    printf("# %u mixtures, %u fooled\n", tried, fooled);
    CHECK_EQ(fooled, 0);
    for (int i = 0; i < STATES; i++)
        volume_mem_free(g_states[i].image);
}

TAP_MAIN()
