/* SPDX-License-Identifier: Apache-2.0 */
/* From the host's cache to its disk, from there to the authority, and after that to the superblock.
 * Slow calls are made without v->lock, so that others read and write meanwhile. */
#include "base/log.h"
#include "platform/host.h"
#include "volume/store.h"

#include <errno.h>

/* Asks the authority, which is not asked again once it has refused. With v->report_lock. */
static int report(struct volume *v, const struct volume_head *head)
{
    int r = v->refused ? v->refused : v->authority.report(v->authority.ctx, v->id, head);
    if (r < 0 && r != -EAGAIN)
        v->refused = r;
    return r;
}

/* Tells the authority. 0: it knows this head or a newer one. -EAGAIN, -ESTALE or what it answered. v->lock
 * may be held or not. */
static int head_tell(struct volume *v, const struct volume_head *head)
{
    if (!v->has_authority)
        return 0;
    (void)pthread_mutex_lock(&v->report_lock);
    /* The term begins when the authority hears of it, which is before its answer comes. */
    int64_t asked_ns = host_monotonic_ns(), asked_wall_ns = v->now_ns();
    int r = v->reported_sequence >= head->sequence ? 0 : report(v, head);
    if (r == 0 && v->reported_sequence < head->sequence) {
        v->reported_sequence = head->sequence;
        v->reported_ns = asked_ns;
        v->reported_wall_ns = asked_wall_ns;
    }
    (void)pthread_mutex_unlock(&v->report_lock);
    return r;
}

static struct volume_head head_now(const struct volume *v)
{
    struct volume_head head = {.epoch = v->epoch, .sequence = v->sequence};
    memcpy(head.tag, v->tag, sizeof head.tag);
    return head;
}

int owner_confirm(struct volume *v)
{
    struct volume_head head = head_now(v);
    if (!v->has_authority)
        return 0;
    (void)pthread_mutex_lock(&v->report_lock);
    int r = report(v, &head);
    (void)pthread_mutex_unlock(&v->report_lock);
    return r;
}

int names_sync(struct volume *v)
{
    if (v->names_synced == v->names_changed)
        return 0;
    int r = v->backend->ops->sync_names(v->backend);
    if (r == 0)
        v->names_synced = v->names_changed;
    return r;
}

int durable_now(struct volume *v)
{
    if (v->durable_sequence < v->sequence) {
        int r = v->active ? v->backend->ops->sync(v->backend, v->active) : 0;
        if (r == 0)
            r = names_sync(v);
        if (r < 0)
            return volume_stop(v, r);
        v->durable_sequence = v->sequence;
    }
    struct volume_head head = head_now(v);
    int r = head_tell(v, &head);
    if (r == 0 || r == -EAGAIN)
        return r;
    (void)volume_stop(v, -EROFS); /* fenced, or an authority that makes no sense */
    return -EROFS;
}

/* How long the authority has not been heard of. A process, or the machine below it, that stood still may
 * find that on one clock only; one that went back says nothing any more. */
static int64_t silence(struct volume *v)
{
    (void)pthread_mutex_lock(&v->report_lock);
    int64_t silent_ns = host_monotonic_ns() - v->reported_ns;
    int64_t wall_ns = v->now_ns() - v->reported_wall_ns;
    (void)pthread_mutex_unlock(&v->report_lock);
    return silent_ns < 0 ? INT64_MAX : MAX(silent_ns, wall_ns);
}

static bool is_refused(struct volume *v)
{
    (void)pthread_mutex_lock(&v->report_lock);
    bool refused = v->refused != 0;
    (void)pthread_mutex_unlock(&v->report_lock);
    return refused;
}

/* What an acknowledged sync needs of the authority. After a refusal no silence and no mode stands for its
 * word any more: what it was not told before has no future. */
static int head_tell_for_sync(struct volume *v, const struct volume_head *head, bool always)
{
    always |= v->has_authority && is_refused(v);
    if (!always && v->mode == VOLUME_MODE_NONE)
        return 0;
    if (!always && v->mode == VOLUME_MODE_PERIODIC &&
        silence(v) < MIN(REPORT_INTERVAL_NS, v->term_ns / 3))
        return 0;
    int r = head_tell(v, head);
    if (r == 0)
        return 0;
    if (r == -EAGAIN)
        return v->mode == VOLUME_MODE_STRICT || silence(v) >= v->term_ns ? -EIO : 0;
    volume_lock(v);
    (void)volume_stop(v, -EROFS);
    volume_unlock(v);
    LOG_ERROR(r == -ESTALE ? "the volume has another owner now"
                           : "the authority refuses this owner of the volume",
              LOG_INT("error", r));
    return -EROFS;
}

/* With sync_lock held: brings what was written up to `head` to the disk. */
static int disk_sync(struct volume *v, const struct volume_head *head, uint64_t active)
{
    const struct volume_backend_ops *ops = v->backend->ops;
    volume_lock(v);
    bool durable = v->durable_sequence >= head->sequence;
    uint64_t names = v->names_changed;
    bool names_due = names != v->names_synced;
    int stopped = v->stopped;
    volume_unlock(v);
    if (durable)
        return 0;
    if (stopped)
        return -EIO; /* a sync that failed once may have thrown away what it was for */
    int r = ops->sync(v->backend, active);
    if (r == 0 && names_due)
        r = ops->sync_names(v->backend);
    volume_lock(v);
    if (r == 0)
        v->names_synced = MAX(v->names_synced, names);
    /* A segment that is gone was synced, or all in it superseded, before. */
    if (r == -ENOENT && v->durable_sequence >= head->sequence)
        r = 0;
    if (r < 0)
        (void)volume_stop(v, r);
    else
        v->durable_sequence = MAX(v->durable_sequence, head->sequence);
    volume_unlock(v);
    return r < 0 ? -EIO : 0;
}

/* With sync_lock held: a waiting checkpoint goes to the superblock if all is there for it. */
static void pending_publish(struct volume *v)
{
    (void)pthread_mutex_lock(&v->report_lock);
    uint64_t reported = v->has_authority ? v->reported_sequence : UINT64_MAX;
    (void)pthread_mutex_unlock(&v->report_lock);
    volume_lock(v);
    if (v->pending_sequence != 0 && v->durable_sequence >= v->pending_sequence &&
        reported >= v->pending_sequence) {
        int r = checkpoint_publish_apart(v);
        if (r < 0)
            LOG_ERROR("the superblock cannot be written", LOG_INT("error", r));
    }
    volume_unlock(v);
}

static int sync_all(struct volume *v, const struct volume_head *head, uint64_t active, bool publish)
{
    (void)pthread_mutex_lock(&v->sync_lock);
    int r = disk_sync(v, head, active);
    if (r == 0)
        r = head_tell_for_sync(v, head, publish);
    if (r == 0)
        pending_publish(v);
    (void)pthread_mutex_unlock(&v->sync_lock);
    return r;
}

int volume_sync(struct volume *v, uint64_t ino, bool data_only)
{
    (void)ino; /* one log: what one file depends on is everything before */
    (void)data_only;
    volume_lock(v);
    int r = log_write(v);
    struct volume_head head = head_now(v);
    uint64_t active = v->active;
    bool durable = v->durable_sequence >= head.sequence;
    batch_trim(v);
    volume_unlock(v);
    if (r < 0 || (durable && !v->has_authority))
        return r;
    return sync_all(v, &head, active, false);
}

int volume_push(struct volume *v)
{
    volume_lock(v);
    int r = log_write(v);
    batch_trim(v);
    volume_finish(v);
    return r;
}

/* A segment is synced before the next begins. That it is full is known early enough for others to go
 * on meanwhile. A failure stops the volume, and answers the next call. */
static void full_sync(struct volume *v, const struct volume_head *head, uint64_t active)
{
    (void)pthread_mutex_lock(&v->sync_lock);
    (void)disk_sync(v, head, active);
    (void)pthread_mutex_unlock(&v->sync_lock);
}

void volume_finish(struct volume *v)
{
    upkeep(v);
    bool waiting = v->pending_sequence != v->pending_tried && v->pending_sequence != 0 &&
                   !v->stopped && v->active != 0;
    v->pending_tried = v->pending_sequence;
    struct volume_head head = head_now(v);
    uint64_t active = v->active;
    bool gone = v->gone_count > 0, full = v->durable_sequence < v->sequence && segment_is_full(v);
    volume_unlock(v);
    if (gone)
        gone_step(v);
    if (full && !waiting)
        full_sync(v, &head, active);
    /* Once for each: failing, it waits for the next sync, which says what that means. */
    if (waiting && sync_all(v, &head, active, true) < 0)
        LOG_DEBUG("a checkpoint could not be published yet");
}
