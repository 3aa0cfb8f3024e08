/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/fixity.h"

#include "base/log.h"
#include "dms/dms.h"
#include "dms/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A piece is what other work may have to wait for. */
enum { PIECE_SIZE = 256 << 10, BLOCK_SIZE = 64 << 10, ROWS_MAX = 64 };
#define SECOND_NS ((uint64_t)1000000000)
#define QUIET_NS (60 * SECOND_NS)  /* after the start, and after what failed for the moment */
#define SAVE_NS (60 * SECOND_NS)   /* how much walking is lost by a crash */
#define LOOK_NS (3600 * SECOND_NS) /* the longest sleep */
#define FIXITY_PAUSE_MS ((int64_t)7 * 24 * 3600 * 1000)
#define RATE_WHEN_OFF ((uint64_t)8 << 20)

struct fixity {
    struct dms *dms;
    struct loop_timer timer;
    struct fixity_place place;
    bool walking;
    bool begin_anew;
    uint64_t saved_ns;
    /* The file at hand; fd -1: none. The worker has it while it reads a piece. */
    struct worker_job job;
    struct fixity_item item;
    struct digest_state digest;
    int fd;
    int64_t at;
    int result;
};

static void tick(void *arg);

static int64_t now_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void later(struct fixity *fixity, uint64_t delay_ns)
{
    int r = loop_timer_set(fixity->dms->loop, &fixity->timer,
                           loop_now_ns(fixity->dms->loop) + delay_ns, tick, fixity);
    if (r < 0)
        LOG_WARNING("contents are not checked for now", LOG_TEXT("reason", strerror(-r)));
}

/* So that on average no more than the rate is read. */
static void later_after(struct fixity *fixity, uint64_t bytes)
{
    uint64_t rate = fixity->dms->settings.fixity_rate;
    later(fixity, (bytes + 512) * SECOND_NS / (rate ? rate : RATE_WHEN_OFF));
}

static void place_save(struct fixity *fixity)
{
    fixity->saved_ns = loop_now_ns(fixity->dms->loop);
    if (fixity_place_set(fixity->dms->store, &fixity->place) < 0)
        LOG_WARNING("how far contents are checked could not be written down");
    dms_commit_later(fixity->dms);
}

static void walk_begin(struct fixity *fixity)
{
    fixity->walking = true;
    fixity->begin_anew = false;
    fixity->place = (struct fixity_place){.begun_ms = now_ms()};
    place_save(fixity);
}

static void walk_end(struct fixity *fixity)
{
    fixity->walking = false;
    fixity->place.ended_ms = now_ms();
    place_save(fixity);
    later(fixity, LOOK_NS);
}

/* What one content's bytes gave. */
static int note(struct fixity *fixity, const uint8_t *digest, const char *wrong)
{
    struct dms *dms = fixity->dms;
    const struct actor actor = {"", now_ms(), NULL};
    int64_t damaged = 0;
    bool news = false;
    int r = fixity_note(dms->store, &actor, &fixity->item, digest, wrong, &news);
    if (r < 0)
        return r;
    if (store_in_transaction(dms->store))
        dms_commit_later(dms);
    if (news)
        LOG_ERROR("a content is damaged", LOG_INT("content", fixity->item.key));
    if (damage_count(dms->store, &damaged) == 0)
        metric_set(&dms->metrics[DMS_CONTENTS_DAMAGED], damaged);
    metric_add(&dms->metrics[DMS_CONTENTS_CHECKED], 1);
    fixity->place.key = fixity->item.key;
    fixity->place.contents++;
    fixity->place.bytes += fixity->item.size;
    return 0;
}

static void file_done(struct fixity *fixity)
{
    if (fixity->fd >= 0)
        (void)close(fixity->fd);
    fixity->fd = -1;
}

/* On the helper thread. */
static void piece_read(struct worker_job *job)
{
    struct fixity *fixity = container_of(job, struct fixity, job);
    int64_t end = MIN(fixity->item.size, fixity->at + PIECE_SIZE);
    uint8_t *block = malloc(BLOCK_SIZE);
    int r = block ? 0 : -ENOMEM;
    while (r == 0 && fixity->at < end) {
        ssize_t n = pread(fixity->fd, block, (size_t)MIN(BLOCK_SIZE, end - fixity->at), fixity->at);
        if (n > 0) {
            digest_add(&fixity->digest, slice_of(block, (size_t)n));
            fixity->at += n;
        } else if (n == 0 || errno != EINTR) {
            r = n == 0 ? -ENODATA : -errno;
        }
    }
    free(block);
    fixity->result = r;
}

static const char *wrong_of(int error)
{
    return error == -ENODATA ? "short" : error == -ENOENT ? "missing" : "unreadable";
}

/* Says nothing about the content. */
static bool is_for_the_moment(int error)
{
    return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EBUSY;
}

/* The file is through, or broken. */
static void file_settle(struct fixity *fixity, int result)
{
    uint8_t digest[DIGEST_SIZE];
    file_done(fixity);
    int r = result;
    if (!is_for_the_moment(r)) {
        if (r == 0)
            digest_end(&fixity->digest, digest);
        r = note(fixity, r == 0 ? digest : NULL, r == 0 ? NULL : wrong_of(r));
    }
    if (r < 0)
        later(fixity, QUIET_NS); /* this one again */
    else
        later_after(fixity, (uint64_t)MIN(fixity->item.size, PIECE_SIZE));
}

static void piece_done(struct worker_job *job)
{
    struct fixity *fixity = container_of(job, struct fixity, job);
    if (fixity->result == 0 && fixity->at < fixity->item.size)
        later_after(fixity, PIECE_SIZE);
    else
        file_settle(fixity, fixity->result);
}

static void piece_submit(struct fixity *fixity)
{
    fixity->job = (struct worker_job){.work = piece_read, .done = piece_done};
    int r = worker_submit(fixity->dms->sync_worker, &fixity->job);
    if (r < 0)
        later(fixity, SECOND_NS);
}

/* One content: 1 if a file is to be read, 0 if it was inline and is done. */
static int item_begin(struct fixity *fixity)
{
    SCOPED(buf_done) struct buf bytes = {0};
    uint8_t digest[DIGEST_SIZE];
    struct fixity_item *item = &fixity->item;
    int64_t size = 0;
    int r = fixity_next(fixity->dms->store, fixity->place.key, item);
    if (r == 0)
        r = content_load(fixity->dms->store, item->key, &bytes, &fixity->fd, &size);
    if (r == -ENOENT && !item->in_file)
        return r;
    if (r == 0 && fixity->fd >= 0) {
        fixity->at = 0;
        digest_begin(&fixity->digest);
        return 1;
    }
    if (is_for_the_moment(r))
        return r;
    if (r < 0)
        return note(fixity, NULL, wrong_of(r));
    digest_sha256(buf_slice(&bytes), digest);
    return note(fixity, digest, (int64_t)bytes.size == item->size ? NULL : "short");
}

static void walk(struct fixity *fixity)
{
    uint64_t bytes = 0;
    int r = 0;
    for (int rows = 0; r == 0 && rows < ROWS_MAX && bytes < PIECE_SIZE; rows++) {
        fixity->item = (struct fixity_item){0};
        r = item_begin(fixity);
        bytes += r == 0 ? (uint64_t)fixity->item.size : 0;
    }
    if (r == 1)
        piece_submit(fixity);
    else if (r == -ENOENT)
        walk_end(fixity);
    else if (r < 0)
        later(fixity, QUIET_NS);
    else
        later_after(fixity, bytes);
}

static void tick(void *arg)
{
    struct fixity *fixity = arg;
    int64_t since_ms = now_ms() - fixity->place.ended_ms;
    bool due = since_ms < 0 || since_ms >= FIXITY_PAUSE_MS;
    if (fixity->begin_anew) {
        file_done(fixity);
        walk_begin(fixity);
    }
    if (fixity->fd >= 0) {
        piece_submit(fixity);
        return;
    }
    if (!fixity->walking && (!due || fixity->dms->settings.fixity_rate == 0)) {
        later(fixity, LOOK_NS);
        return;
    }
    if (!fixity->walking)
        walk_begin(fixity);
    else if (loop_now_ns(fixity->dms->loop) - fixity->saved_ns >= SAVE_NS)
        place_save(fixity);
    walk(fixity);
}

int fixity_new(struct dms *dms, struct fixity **ret_fixity)
{
    int64_t damaged = 0;
    struct fixity *fixity = calloc(1, sizeof *fixity);
    if (!fixity)
        return -ENOMEM;
    fixity->dms = dms;
    fixity->fd = -1;
    int r = fixity_place_get(dms->store, &fixity->place);
    if (r == 0)
        r = damage_count(dms->store, &damaged);
    if (r < 0) {
        free(fixity);
        return r;
    }
    metric_set(&dms->metrics[DMS_CONTENTS_DAMAGED], damaged);
    fixity->walking = fixity->place.begun_ms && !fixity->place.ended_ms;
    fixity->saved_ns = loop_now_ns(dms->loop);
    later(fixity, QUIET_NS);
    *ret_fixity = fixity;
    return 0;
}

void fixity_free(struct fixity *fixity)
{
    if (!fixity)
        return;
    loop_timer_stop(fixity->dms->loop, &fixity->timer);
    file_done(fixity);
    if (fixity->walking && (fixity_place_set(fixity->dms->store, &fixity->place) < 0 ||
                            store_commit(fixity->dms->store) < 0))
        LOG_WARNING("how far contents are checked could not be written down");
    free(fixity);
}

void fixity_start(struct fixity *fixity)
{
    fixity->begin_anew = true;
    /* While the worker has a piece the timer is not set: the piece's end sets it. */
    if (fixity->timer.place)
        later(fixity, 0);
}

void fixity_place(const struct fixity *fixity, struct fixity_place *ret)
{
    *ret = fixity->place;
    if (fixity->begin_anew)
        ret->ended_ms = 0;
}
