/* SPDX-License-Identifier: Apache-2.0 */
/* What the volume's tests share. */
#ifndef COFFER_TESTS_VOLUME_SUPPORT_H
#define COFFER_TESTS_VOLUME_SUPPORT_H

#include "platform/ops.h"
#include "volume/backend.h"
#include "volume/volume.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A small generator: the same seed, the same run, on every machine (splitmix64). */
struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *rn)
{
    uint64_t z = rn->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline uint64_t random_below(struct random *rn, uint64_t n)
{
    return random_next(rn) % n;
}

static const struct key256 TEST_KEY = {{1, 2, 3}};

static inline int64_t test_now(void)
{
    static _Atomic int64_t now = 1700000000000000000;
    return atomic_fetch_add(&now, 1000) + 1000;
}

/* VOLUME_COMPRESS in the environment: the same tests with volumes that compress. */
static inline struct volume_options test_options(struct volume_backend *backend)
{
    return (struct volume_options){.backend = backend,
                                   .key = &TEST_KEY,
                                   .id = "test volume id.",
                                   .mode = VOLUME_MODE_NONE,
                                   .compress = getenv("VOLUME_COMPRESS") != NULL,
                                   .now_ns = test_now};
}

/* An authority in memory. */
struct test_authority {
    struct volume_authority ops;
    struct volume_head head;
    int answer; /* of report() and close(): 0, -EAGAIN */
    unsigned reports;
};

static inline int test_authority_open(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                                      const uint8_t opening_key_id[16],
                                      struct volume_head *ret_head, struct error *e)
{
    struct test_authority *a = ctx;
    (void)id;
    (void)opening_key_id;
    (void)e;
    a->head.epoch++;
    *ret_head = a->head;
    return 0;
}

static inline int test_authority_report(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                                        const struct volume_head *head)
{
    struct test_authority *a = ctx;
    (void)id;
    if (a->answer < 0)
        return a->answer;
    if (head->epoch != a->head.epoch)
        return -ESTALE;
    a->head = *head;
    a->reports++;
    return 0;
}

static inline void test_authority_init(struct test_authority *a)
{
    *a = (struct test_authority){.ops = {.open = test_authority_open,
                                         .report = test_authority_report,
                                         .close = test_authority_report,
                                         .ctx = a}};
}

static inline struct slice name_of(const char *text)
{
    return slice_of_text(text);
}

#endif
